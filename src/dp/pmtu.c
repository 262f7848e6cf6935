/*
 * pmtu.c: path MTU as the network tells it (RFC 1191 6.3, RFC 8201, RFC 4301 8.2). Of what the network says by ICMP about a
 * protected flow only what quotes a live SPI is believed. The kernel's own refusal to send is believed of any: it knows the
 * MTU of the link, and it asks nobody else (IP_PMTUDISC_INTERFACE, sys/apply_port.c; raw.c tells the two apart).
 */
#include "dp/dp_int.h"

/* RFC 1191 7.1: what a way is likely to carry when a packet of len bytes was too long for it. */
static u16 plateau_below(unsigned len)
{
    static const u16 plateau[] = {4352, 2002, 1492, 1480, 1400, 1280, 1006, 576};
    for (unsigned i = 0; i < ARRAY_LEN(plateau); i++) {
        if (plateau[i] < len) {
            return plateau[i];
        }
    }
    return 576;
}

/* Nobody can be told less than every path carries (RFC 8200 5; IPv4: what hosts must take, RFC 791,
 * so that a forged message cannot cut a tunnel to crumbs). */
static u16 believable(u16 mtu, u8 family)
{
    return MAX(mtu, family == AF_V6 ? (u16)IP6_MIN_MTU : (u16)576);
}

static void learn(struct worker *w, struct flow *f, struct tunnel *t, u16 mtu)
{
    struct addr peer = f ? f->val.peer : t->val.dst;
    mtu = believable(mtu, peer.family);
    u16 now = f ? flow_path_mtu(f) : tunnel_path_mtu(t);
    if (now && mtu >= now) {
        return;
    }
    if (f) {
        f->learned_mtu = mtu;
        f->learned_ms = w->now_ms;
        flow_remtu(f);
    } else {
        t->learned_mtu = mtu;
        t->learned_ms = w->now_ms;
        mtu_tunnel(t);
    }
    ev_dp_pmtu(w->log, 0, &peer, &(struct evb_dp_pmtu){.peer_addr = peer, .mtu = mtu});
}

void pmtu_too_long(struct worker *w, struct pkt *p, u16 mtu)
{
    if (p->flow || p->tun) {
        learn(w, p->flow, p->tun, mtu);
    }
}

void pmtu_told(struct worker *w, u8 proto, const struct addr *dst, const u8 *quote, size_t len,
              u16 mtu)
{
    if (proto == IPPROTO_ESP_ || proto == IPPROTO_AH_) {
        unsigned at = proto == IPPROTO_AH_ ? 4 : 0; /* where the SPI stands */
        struct sa *sa =
            len >= at + 4 ? sa_lookup(w->dp, be32(quote + at), proto, SA_OUT, dst, 0) : NULL;
        if (sa) { /* who does not know the SPI is not on the path */
            u16 now = flow_path_mtu(sa->h.flow);
            learn(w, sa->h.flow, NULL, mtu ? mtu : plateau_below(now ? now : 1500));
        }
        return;
    }
    for (unsigned i = 0; i < DP_MAX_TUNNELS; i++) {
        struct tunnel *t = &w->dp->tunnel[i];
        if (t->used && t->proto == proto && !t->flow && addr_equal(&t->val.dst, dst) &&
            (dst->family == AF_V6 || (t->val.flags & TF_PMTUD))) {
            u16 now = tunnel_path_mtu(t);
            learn(w, NULL, t, mtu ? mtu : plateau_below(now ? now : 1500));
        }
    }
}
