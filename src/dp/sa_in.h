/*
 * sa_in.h: what every protocol asks of a packet that came in by an SA, whichever took it apart: was the ICV right and the
 * number new, is the bundle whole, what is inside, was the SA negotiated for it (RFC 4301 5.2), where does it go.
 * Inline: every protected packet comes through here. Used by esp_in.c and ah_in.c.
 */
#ifndef ADIT_SA_IN_H
#define ADIT_SA_IN_H

#include "dp/dp_int.h"

/* sa_in_strip_transport: transport mode: the header in front of esp_at moves back to the text and gets its protocol again.
 * False: the verdict is set. */
bool sa_in_strip_transport(struct pkt *p, unsigned text_at, unsigned len, u8 next_header);
bool sa_in_identity_slow(const struct selector *s, const struct pkt *p);

/* sa_in_whole: it came by all SAs of the bundle that stand outside of p->sa, and by none that do not belong to it. */
static inline bool sa_in_whole(const struct pkt *p)
{
    const struct sa *sa = p->sa;
    return sa->h.linked ? p->bundled && sa->with && p->via == sa->with : !p->bundled;
}

/* sa_in_commit: ICV, window, lifetime of a packet with that many bytes of text; where ICV and sequence number stand. False:
 * the verdict is set. */
static inline bool sa_in_commit(struct worker *w, struct pkt *p, unsigned text, unsigned icv_at,
                                unsigned seq_at)
{
    struct sa_hot *h = &p->sa->h;
    if (UNLIKELY(!p->icv_ok)) {
        pkt_drop(p, DROP_BAD_ICV, NULL, icv_at, icv_at + h->icv_len);
        return false;
    }
    if (UNLIKELY(h->dead)) { /* the packet before it in this vector used up the volume */
        pkt_drop(p, DROP_LIFE_EXPIRED, "volume used up", 0, 0);
        return false;
    }
    if (UNLIKELY(!replay_commit(h, pkt_seq(p)))) {
        pkt_drop(p, DROP_REPLAY, NULL, seq_at, seq_at + 4);
        return false;
    }
    if (UNLIKELY(h->bytes + text > h->limit_bytes) && !sa_limit(w->dp, p->sa)) {
        pkt_drop(p, DROP_LIFE_EXPIRED, "volume used up", 0, 0);
        return false;
    }
    return true;
}

/* sa_in_count: it was accepted, with len bytes inside. */
static inline void sa_in_count(struct pkt *p, unsigned len)
{
    struct sa_hot *h = &p->sa->h;
    if (UNLIKELY(h->packets == 0)) {
        sa_confirm(p->sa);
    }
    h->packets++;
    h->bytes += len;
    p->flow->decaps += h->inside == 0;
}

/* Tunnel mode: the text is a packet; what follows its end is traffic flow padding (RFC 4303 2.7).
 */
static inline bool sa_in_strip_tunnel(struct pkt *p, unsigned text_at, unsigned len, u8 next_header)
{
    struct ip_view in;
    u8 version = next_header == IPPROTO_IPIP_ ? 4 : next_header == IPPROTO_IPV6_ ? 6 : 0;
    if (UNLIKELY(!version)) {
        pkt_drop(p, DROP_BAD_NEXT_HEADER, "tunnel mode carries IPv4 or IPv6", p->esp_at, p->len);
        return false;
    }
    enum ip_fault f = ip_decode(&in, p->data + text_at, len);
    if (UNLIKELY(f != IP_OK || in.version != version)) {
        pkt_drop(p, DROP_MALFORMED_IP,
                 f != IP_OK ? ip_fault_text(f) : "next header and IP version differ", text_at,
                 text_at + len);
        return false;
    }
    if (UNLIKELY(!ip_ecn_decap(p->v.tos, p->data + text_at, &in))) {
        pkt_drop(p, DROP_ECN, NULL, 1, 2);
        return false;
    }
    p->data += text_at;
    p->len = in.total;
    p->v = in;
    return true;
}

/* RFC 4301 5.2 step 4: was the SA negotiated for this packet? */
static inline bool sa_in_identity_ok(const struct pkt *p)
{
    const struct sa_hot *h = &p->sa->h;
    if (h->sel_any) {
        return true;
    }
    if (h->sel_fast) {
        return p->v.version == 4 && (be32(p->data + 12) & h->src_mask) == h->src_net &&
               (be32(p->data + 16) & h->dst_mask) == h->dst_net &&
               (!h->sel_proto || h->sel_proto == p->v.proto);
    }
    return sa_in_identity_slow(&p->sa->val.sel, p);
}

static inline bool is_delivery(u8 proto)
{
    return proto == IPPROTO_GRE_ || proto == IPPROTO_IPIP_ || proto == IPPROTO_IPV6_;
}

static inline void sa_in_after(struct pkt *p)
{
    struct tunnel *t = p->flow->tun;
    if (t && !t->proto) {
        p->tun = t; /* VTI: this is the inner packet already */
        p->next = N_POLICY_IN;
    } else {
        p->next = is_delivery(p->v.proto) ? N_GRE_IN : N_POLICY_IN;
    }
}

/* sa_in_deliver: what was inside, len bytes at text_at, goes on: to the next SA of the bundle, or where it belongs. */
static inline void sa_in_deliver(struct worker *w, struct pkt *p, unsigned text_at, unsigned len,
                                 u8 next_header, bool trace)
{
    const struct sa_hot *h = &p->sa->h;
    bool tunnel = h->mode == MODE_TUNNEL;
    if (UNLIKELY(h->inside && next_header != h->inside)) {
        pkt_drop(p, DROP_BUNDLE, NULL, 0, p->esp_at);
        return;
    }
    if (UNLIKELY(h->comp && !ipcomp_in(w, p, text_at, &len, &next_header))) {
        return;
    }
    if (UNLIKELY(h->udp && !udp_is_there(p->sa, p))) {
        udp_moved(w->dp, p->sa, p);
    }
    if (UNLIKELY(!(tunnel ? sa_in_strip_tunnel(p, text_at, len, next_header)
                          : sa_in_strip_transport(p, text_at, len, next_header)))) {
        return;
    }
    if (UNLIKELY(h->udp && !tunnel)) {
        udp_mend(p);
    }
    if (UNLIKELY(h->inside)) {
        p->bundled = true;
        p->via = p->sa;
        p->next = N_ESP_FIND;
        return;
    }
    if (UNLIKELY(!sa_in_identity_ok(p))) {
        pkt_drop(p, DROP_BAD_IDENTITY, NULL, 0, p->v.l4);
        return;
    }
    sa_in_after(p);
    if (UNLIKELY(trace)) {
        trace_esp_in(w, p);
    }
}

#endif
