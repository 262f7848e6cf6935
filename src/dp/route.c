/*
 * route.c: which tunnel, which port. The kernel is the router: it chose the tunnel's TUN; route_out
 * checks that the tunnel can carry the packet (size, TTL, `ip tcp adjust-mss`), route_in gives a
 * packet that was let in to its port. Walk: ip_in -> route_out -> gre_out (or esp_out for `tunnel
 * mode ipsec`); policy_in -> route_in -> port_tx.
 */
#include "dp/dp_int.h"

/* The host's own neighbour housekeeping on a point-to-point TUN: multicast listener reports (RFC 3810
 * 5.2) and router solicitations (RFC 4861 4.1). Nobody at the other end needs them, so they do not
 * bring a tunnel up. */
bool is_housekeeping(const struct pkt *p)
{
    enum { MLD_REPORT = 131, MLD_DONE = 132, ROUTER_SOLICIT = 133, MLD2_REPORT = 143 };
    if (p->v.version != 6 || p->v.proto != IPPROTO_ICMP6_ || p->v.l4 >= p->len) {
        return false;
    }
    u8 type = p->data[p->v.l4];
    return type == MLD_REPORT || type == MLD_DONE || type == ROUTER_SOLICIT || type == MLD2_REPORT;
}

static void out_one(struct worker *w, struct pkt *p)
{
    struct tunnel *t = p->tun;
    p->flow = t->flow;
    p->next = t->proto ? N_GRE_OUT : N_ESP_ADMIT;
    if (UNLIKELY(t->down)) {
        bool bare = !t->proto && !t->flow;
        pkt_drop(p, DROP_TUNNEL_DOWN, bare ? "tunnel mode ipsec without tunnel protection" : NULL,
                 0, 0);
        return;
    }
    if (UNLIKELY(t->flow && !t->flow->out && is_housekeeping(p))) {
        p->flow = NULL; /* no fault of the flow's: it counts no send error */
        pkt_drop(p, DROP_HOUSEKEEPING, NULL, 0, 0);
        return;
    }
    if (UNLIKELY(p->v.ttl == 0)) {
        pkt_drop(p, DROP_TTL, NULL, p->v.version == 4 ? 8 : 7, p->v.version == 4 ? 9 : 8);
        return;
    }
    if (t->val.adjust_mss && p->v.proto == IPPROTO_TCP_) {
        (void)tcp_mss_clamp(p->data, &p->v, t->val.adjust_mss);
    }
    if (UNLIKELY(p->len > t->eff_mtu)) {
        (void)mtu_fit(w, p, t->eff_mtu, false, p->next);
    }
}

void route_out(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        out_one(w, v->p[i]);
    }
}

/* RFC 2890 2.2: a number that is not newer is out of sequence. Committed here, when the packet is
 * let in. */
static bool gre_in_sequence(struct tunnel *t, const struct pkt *p)
{
    if (!(t->val.flags & TF_SEQUENCE) || !p->gre_seq) {
        return true;
    }
    if (t->rx_seq_seen && (u32)(p->seq - t->rx_seq - 1) >= 0x80000000u) {
        return false;
    }
    t->rx_seq = p->seq;
    t->rx_seq_seen = true;
    return true;
}

void route_in(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        struct tunnel *t = p->tun;
        p->next = N_PORT_TX;
        if (!t) {
            int crypto = w->dp->link[p->flow->val.link].crypto;
            p->out_port = (u8)crypto;
            if (UNLIKELY(crypto < 0)) {
                pkt_drop(p, DROP_NOT_FOR_US, "no crypto map port", 0, 0);
            }
            continue;
        }
        if (UNLIKELY(!gre_in_sequence(t, p))) {
            pkt_drop(p, DROP_GRE_SEQUENCE, NULL, 0, 0);
            continue;
        }
        if (t->val.adjust_mss && p->v.proto == IPPROTO_TCP_) {
            (void)tcp_mss_clamp(p->data, &p->v, t->val.adjust_mss);
        }
        t->rx_packets++;
        t->rx_bytes += p->len;
        t->rx_ms = w->now_ms + 1;
        p->out_port = (u8)t->val.port;
    }
}
