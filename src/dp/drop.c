/*
 * drop.c: where refused packets end. Every drop has a name (DP_DROPS), is counted for the worker,
 * the SA, the flow and the tunnel, and is told: the first of its reason at once, then at most one a
 * second with how many went untold. Those with a known syslog line (IOS 12.4) are
 * told in that wording.
 */
#include "dp/dp_int.h"

const char *dp_drop_name(enum dp_drop d)
{
    static const char *const name[] = {
#define DP_DROP(ID, name_, text_) name_,
        DP_DROPS(DP_DROP)
#undef DP_DROP
    };
    return name[d < DROP_NUM ? d : DROP_NONE];
}

const char *dp_drop_text(enum dp_drop d)
{
    static const char *const text[] = {
#define DP_DROP(ID, name_, text_) text_,
        DP_DROPS(DP_DROP)
#undef DP_DROP
    };
    return text[d < DROP_NUM ? d : DROP_NONE];
}

static bool readable(const struct pkt *p)
{
    struct ip_view v;
    return ip_decode(&v, p->data, p->len) == IP_OK;
}

/* "10.1.0.0/255.255.0.0/1/0": network, mask, protocol, port of one side of the negotiated identity.
 */
static struct ev_str proxy(const struct prefix *net, u8 proto, u16 lo, u16 hi)
{
    char a[ADDR_STR], m[ADDR_STR], out[2 * ADDR_STR + 16];
    struct addr mask = addr_mask(net->a.family, net->len);
    addr_str(a, &net->a);
    if (net->a.family == AF_V4) {
        addr_str(m, &mask);
    } else {
        snprintf(m, sizeof m, "%u", net->len);
    }
    snprintf(out, sizeof out, "%s/%s/%u/%u", a, m, proto, lo == hi ? lo : 0);
    return ev_str(out);
}

static void tell_identity(struct worker *w, const struct pkt *p)
{
    const struct dp_sa_value *sa = &p->sa->val;
    struct evb_dp_inv_identity e = {.dst = ip_dst(p->data),
                                    .src = ip_src(p->data),
                                    .prot = p->v.proto,
                                    .local = sa->dst,
                                    .remote = sa->src};
    e.local_proxy = proxy(&sa->sel.dst, sa->sel.proto, sa->sel.dport_lo, sa->sel.dport_hi);
    e.remote_proxy = proxy(&sa->sel.src, sa->sel.proto, sa->sel.sport_lo, sa->sel.sport_hi);
    ev_dp_inv_identity(w->log, sa->conn_id, &sa->src, &e);
}

/* Our own wording: what, which packet, and the bytes that were wrong. */
static void tell_plain(struct worker *w, const struct pkt *p)
{
    const char *why = p->why ? p->why : dp_drop_text(p->drop);
    struct evb_dp_dropped e = {
        .what = ev_str(dp_drop_name(p->drop)), .len = p->len, .prot = p->v.proto};
    if (readable(p)) {
        e.src = ip_src(p->data);
        e.dst = ip_dst(p->data);
    }
    if (p->drop == DROP_TOO_BIG) {
        e.detail = ev_textf("%s; %u bytes, %u fit", why, p->bad_to, p->bad_from);
    } else if (p->bad_to > p->bad_from) {
        e.detail = ev_textf("%s; bytes %u to %u", why, p->bad_from, p->bad_to - 1u);
    } else {
        e.detail = ev_textf("%s", why);
    }
    ev_dp_dropped(w->log, p->sa ? p->sa->val.conn_id : 0, NULL, &e);
}

static void tell(struct worker *w, const struct pkt *p)
{
    const struct dp_sa_value *sa = p->sa ? &p->sa->val : NULL;
    bool ip = readable(p);
    if (p->drop == DROP_REPLAY && sa) {
        ev_dp_replay(w->log, sa->conn_id, &sa->src,
                     &(struct evb_dp_replay){.conn_id = sa->conn_id,
                                             .seq = p->seq,
                                             .spi = sa->spi,
                                             .highest = p->sa->h.seq,
                                             .window = p->sa->h.window});
    } else if (p->drop == DROP_BAD_ICV && sa) {
        ev_dp_mac_err(w->log, sa->conn_id, &sa->src,
                      &(struct evb_dp_mac_err){.conn_id = sa->conn_id,
                                               .local = sa->dst,
                                               .remote = sa->src,
                                               .spi = sa->spi,
                                               .seq = p->seq});
    } else if (p->drop == DROP_UNKNOWN_SPI && ip) {
        struct addr src = ip_src(p->data);
        ev_dp_inv_spi(w->log, 0, &src,
                      &(struct evb_dp_inv_spi){
                          .dst = ip_dst(p->data), .src = src, .prot = p->v.proto, .spi = p->spi});
    } else if (p->drop == DROP_CLEAR_PROTECTED && ip) {
        ev_dp_not_ipsec(w->log, 0, NULL,
                        &(struct evb_dp_not_ipsec){
                            .dst = ip_dst(p->data), .src = ip_src(p->data), .prot = p->v.proto});
    } else if (p->drop == DROP_BAD_IDENTITY && sa && ip) {
        tell_identity(w, p);
    } else {
        tell_plain(w, p);
    }
}

static void tell_limited(struct worker *w, const struct pkt *p)
{
    struct drop_log *l = &w->drop_log[p->drop];
    if (p->drop == DROP_HOUSEKEEPING) {
        return; /* nothing is wrong: counted only */
    }
    if (l->last_ms && w->now_ms + 1 - l->last_ms < 1000) {
        l->suppressed++;
        return;
    }
    drop_log_flush(w, p->drop);
    l->last_ms = w->now_ms + 1;
    tell(w, p);
}

/* IKE hears of an unknown SPI of a far end, once a second of each. What strangers send is only counted. */
static void tell_unknown_spi(struct worker *w, const struct pkt *p)
{
    u64 now = w->now_ms + 1;
    struct addr src = ip_src(p->data);
    struct far_end *f = far_end_find(w->dp, &src);
    if (!f || (f->unknown_spi_ms && now - f->unknown_spi_ms < UNKNOWN_SPI_MS)) {
        return;
    }
    struct dp_msg m = {.u.unknown_spi = {
                           .spi = p->spi, .proto = p->v.proto, .src = src, .dst = ip_dst(p->data)}};
    f->unknown_spi_ms = now;
    (void)dp_tell(w->dp, FROM_IKE, DP_UNKNOWN_SPI, &m);
}

void drop_log_flush(struct worker *w, enum dp_drop reason)
{
    struct drop_log *l = &w->drop_log[reason];
    if (l->suppressed) {
        ev_dp_suppressed(w->log, 0, NULL,
                         &(struct evb_dp_suppressed){.what = ev_str(dp_drop_name(reason)),
                                                     .count = l->suppressed});
        l->suppressed = 0;
    }
}

static void count(struct worker *w, const struct pkt *p)
{
    w->drops[p->drop]++;
    if (p->sa) {
        p->sa->drops[p->drop]++;
    }
    if (p->flow && p->outbound) {
        p->flow->drops_out++;
        p->flow->send_errors++;
    } else if (p->flow) {
        p->flow->drops_in++;
        p->flow->recv_errors++;
    }
    if (p->tun && p->outbound) {
        p->tun->tx_errors++;
    } else if (p->tun) {
        p->tun->rx_errors++;
    }
}

void drop_out(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        count(w, v->p[i]);
        tell_limited(w, v->p[i]);
        if (v->p[i]->drop == DROP_UNKNOWN_SPI) {
            tell_unknown_spi(w, v->p[i]);
        }
        pkt_put(w, v->p[i]);
    }
}
