/*
 * gre.c: GRE (RFC 2784, key and sequence RFC 2890), IPIP (RFC 2003), 6in4 (RFC 4213) around the
 * inner packet and off it again. gre_out builds the delivery header the way IOS does: TOS copied,
 * DF clear unless path MTU discovery is on, a identification counter per tunnel. Walk: route_out ->
 * gre_out -> policy_out (or esp_out when the tunnel is protected); esp_in_commit or ip_in -> gre_in
 * -> policy_in.
 *
 * A packet too long for the tunnel is cut before gre_out (the inner packet, so that every piece is a
 * whole GRE packet and the far end joins nothing). IOS cuts the GRE packet before encryption instead;
 * join.c takes those pieces.
 */
#include "dp/dp_int.h"

/* ---- out ------------------------------------------------------------------------------------- */

static bool may_carry(const struct tunnel *t, const struct pkt *p)
{
    switch (t->val.mode) {
    case TUN_IPIP: return p->v.version == 4;
    case TUN_IPV6IP: return p->v.version == 6;
    default: return true;
    }
}

static void encapsulate(struct worker *w, struct pkt *p)
{
    struct tunnel *t = p->tun;
    struct ip_view in = p->v;
    u16 inner_len = p->len;
    if (t->proto == IPPROTO_GRE_) {
        unsigned glen = gre_len(t->gre_flags);
        p->data -= glen;
        p->len = (u16)(p->len + gre_build(p->data, t->gre_flags,
                                          in.version == 4 ? GRE_PROTO_IP : GRE_PROTO_IPV6,
                                          t->val.key, t->tx_seq, inner_len));
        t->tx_seq += (t->gre_flags & GRE_S) != 0;
    }
    struct ip_make m = {.proto = t->proto,
                        .tos = t->val.tos_set ? t->val.tos : in.tos,
                        .ttl = t->val.ttl ? t->val.ttl : 255,
                        .id = t->ip_id++,
                        .payload = p->len,
                        .df = (t->val.flags & TF_PMTUD) && in.df,
                        .src = t->val.src,
                        .dst = t->val.dst};
    unsigned hlen = ip_hdr_len(m.src.family);
    p->data -= hlen;
    p->len = (u16)(p->len + ip_build(p->data, &m));
    p->v = (struct ip_view){.version = hlen == IP4_HDR ? 4 : 6,
                            .proto = t->proto,
                            .tos = m.tos,
                            .ttl = m.ttl,
                            .l4 = (u16)hlen,
                            .proto_at = hlen == IP4_HDR ? 9 : 6,
                            .total = p->len,
                            .df = hlen == IP4_HDR ? m.df : true};
    t->tx_packets++;
    t->tx_bytes += inner_len;
    t->tx_ms = w->now_ms + 1;
    p->mtu = tunnel_path_mtu(t);
}

void gre_out(struct worker *w, struct vec *v)
{
    bool trace = ev_on(w->log, EV_IP_SENDING);
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        if (UNLIKELY(!may_carry(p->tun, p))) {
            pkt_drop(p, DROP_NOT_FOR_US, "the tunnel's mode does not carry this IP version", 0, 1);
            continue;
        }
        encapsulate(w, p);
        p->next = p->flow ? N_ESP_ADMIT : N_POLICY_OUT;
        if (UNLIKELY(trace) && !p->flow) {
            trace_gre_out(w, p);
        }
    }
}

/* ---- in -------------------------------------------------------------------------------------- */

/* Same endpoints, same delivery protocol. */
static bool is_between(const struct tunnel *t, const struct pkt *p, const struct addr *src,
                       const struct addr *dst)
{
    return t->used && t->proto == p->v.proto && addr_equal(&t->val.src, dst) &&
           addr_equal(&t->val.dst, src);
}

/* The tunnel a packet belongs to. *endpoints: some tunnel has its endpoints, if perhaps another
 * key. */
static struct tunnel *find_tunnel(struct dp *dp, const struct pkt *p, const struct gre_view *g,
                                  bool *endpoints)
{
    struct addr src = ip_src(p->data), dst = ip_dst(p->data);
    *endpoints = false;
    for (unsigned i = 0; i < DP_MAX_TUNNELS; i++) {
        struct tunnel *t = &dp->tunnel[i];
        if (!is_between(t, p, &src, &dst)) {
            continue;
        }
        *endpoints = true;
        bool has_key = (g->flags & GRE_K) != 0, wants_key = (t->val.flags & TF_KEY) != 0;
        if (has_key == wants_key && (!has_key || g->key == t->val.key)) {
            return t;
        }
    }
    return NULL;
}

/* Takes off the delivery header; the verdict is set. */
static void decapsulate(struct pkt *p, struct tunnel *t, const struct gre_view *g)
{
    unsigned off = p->v.l4 + (unsigned)g->len;
    u8 tos = p->v.tos, version = g->proto == GRE_PROTO_IP ? 4 : 6;
    struct ip_view in;
    enum ip_fault f = ip_decode(&in, p->data + off, p->len - off);
    if (f != IP_OK || in.version != version) {
        pkt_drop(p, DROP_MALFORMED_IP,
                 f != IP_OK ? ip_fault_text(f) : "GRE protocol and IP version differ", off,
                 MIN(p->len, off + IP6_HDR));
        return;
    }
    if (!ip_ecn_decap(tos, p->data + off, &in)) {
        pkt_drop(p, DROP_ECN, NULL, 1, 2);
        return;
    }
    p->outer = p->data;
    p->data += off;
    p->len = in.total;
    p->v = in;
    p->tun = t;
    p->gre_seq = (g->flags & GRE_S) != 0;
    p->seq = g->seq;
    p->next = N_POLICY_IN;
}

/* Does some tunnel have these endpoints? */
static bool ends_here(const struct dp *dp, const struct pkt *p)
{
    struct addr src = ip_src(p->data), dst = ip_dst(p->data);
    for (unsigned i = 0; i < DP_MAX_TUNNELS; i++) {
        if (is_between(&dp->tunnel[i], p, &src, &dst)) {
            return true;
        }
    }
    return false;
}

/* A fragment came where a delivery packet was wanted. Returns the joined packet, or NULL. */
static struct pkt *in_fragment(struct worker *w, struct pkt *p)
{
    if (ends_here(w->dp, p)) {
        if (p->sa) {
            return join_fragment(w, p);
        }
    } else if (p->sa && !p->flow->tun) {
        p->next = N_POLICY_IN; /* somebody else's, see in_one */
        return NULL;
    }
    pkt_drop(p, DROP_FRAGMENT, "a fragment of the delivery packet", 0, p->v.l4);
    return NULL;
}

static void in_one(struct dp *dp, struct pkt *p)
{
    struct gre_view g = {.proto = p->v.proto == IPPROTO_IPIP_ ? GRE_PROTO_IP : GRE_PROTO_IPV6};
    bool endpoints;
    if (p->v.proto == IPPROTO_GRE_) {
        enum gre_fault f = gre_decode(&g, p->data + p->v.l4, p->len - p->v.l4);
        if (f != GRE_OK) {
            pkt_drop(p, f == GRE_BAD_CHECKSUM ? DROP_GRE_CHECKSUM : DROP_MALFORMED_GRE,
                     gre_fault_text(f), p->v.l4, MIN(p->len, p->v.l4 + 4u));
            return;
        }
    }
    struct tunnel *t = find_tunnel(dp, p, &g, &endpoints);
    if (!t && p->sa && !p->flow->tun && !endpoints) {
        p->next =
            N_POLICY_IN; /* a crypto map protects somebody else's GRE: the kernel routes it on */
    } else if (!t && endpoints && p->v.proto == IPPROTO_GRE_) {
        pkt_drop(p, DROP_GRE_KEY, NULL, p->v.l4, p->v.l4 + (unsigned)g.len);
    } else if (!t) {
        pkt_drop(p, DROP_NOT_FOR_US, NULL, 0, p->v.l4);
    } else if (g.proto != GRE_PROTO_IP && g.proto != GRE_PROTO_IPV6) {
        pkt_drop(p, DROP_GRE_PROTO, NULL, p->v.l4 + 2u, p->v.l4 + 4u);
    } else {
        decapsulate(p, t, &g);
    }
}

void gre_in(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        if (i + 4 < v->n) {
            __builtin_prefetch(v->p[i + 4]->data);
        }
        if (UNLIKELY(ip_is_fragment(&v->p[i]->v))) {
            struct pkt *whole = in_fragment(w, v->p[i]);
            if (!whole) {
                continue;
            }
            pkt_put(w, v->p[i]);
            v->p[i] = whole;
        }
        in_one(w->dp, v->p[i]);
    }
}
