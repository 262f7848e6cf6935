/*
 * esp_out.c: protection (RFC 4303 3.3) in four passes over the vector:
 *
 *   admit    which SA; lifetime, sequence number, size; without an SA the packet waits (hold.c)
 *   build    padding and trailer, ESP header, IV; outer header from the SA's template (tunnel
 *            mode) or the packet's own header moved forward (transport mode)
 *   seal     encryption and ICV of all of them at once (crypto/bulk)
 *   finish   counters, where it leaves
 *
 * Walk: gre_out, policy_out or route_out -> esp_out -> ip_out. Nothing that comes in here leaves in
 * clear.
 */
#include "dp/sa_out.h"

/* ---- admit ----------------------------------------------------------------------------------- */

/* p does not fit the path when protected. False: it was answered or cut, the verdict is set. */
static bool admit_long(struct worker *w, struct pkt *p, const struct sa_hot *h)
{
    const struct flow *f = p->flow;
    if (p->tun) {
        return true; /* route_out measured the inner packet; what is still too long is cut after
                        encryption */
    }
    bool df = p->v.df && f->val.df != DF_CLEAR;
    if (!df && p->v.version == 4 && (f->val.frag_after || h->mode == MODE_TRANSPORT || p->v.df)) {
        return true; /* encrypt whole, cut the outer packet (RFC 4303 3.3.4) */
    }
    return !mtu_fit(w, p, h->plain_mtu, false, N_ESP_ADMIT);
}

/* The slow questions, asked only when a threshold is crossed. False: the verdict is set. */
static bool admit_odd(struct worker *w, struct pkt *p, struct sa *sa)
{
    struct sa_hot *h = &sa->h;
    if (sa_out_spent(h)) {
        sa_out_exhausted(w, p, sa);
        return false;
    }
    if (h->bytes + p->len > h->limit_bytes && !sa_limit(w->dp, sa)) {
        p->sa = sa;
        pkt_drop(p, DROP_LIFE_EXPIRED, "volume used up", 0, 0);
        return false;
    }
    if (h->mode == MODE_TRANSPORT && ip_is_fragment(&p->v)) {
        pkt_drop(p, DROP_FRAGMENT, "transport mode protects whole datagrams only", 0, p->v.l4);
        return false;
    }
    return p->len <= h->plain_mtu || admit_long(w, p, h);
}

void esp_out_admit(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        struct sa *sa = flow_sa_out(p->flow);
        if (UNLIKELY(!sa)) {
            hold_add(w, p->flow, p);
            continue;
        }
        struct sa_hot *h = &sa->h;
        if (UNLIKELY(h->seq == UINT32_MAX || h->bytes + p->len > h->limit_bytes ||
                     p->len > h->plain_mtu || p->v.more || p->v.frag_off) &&
            !admit_odd(w, p, sa)) {
            continue;
        }
        p->sa = sa;
        sa_out_number(p, h);
        h->packets++;
        h->bytes += p->len;
        p->next = UNLIKELY(h->comp) ? N_IPCOMP : LIKELY(h->proto == IPPROTO_ESP_) ? N_ESP_BUILD : N_AH_BUILD;
        struct tunnel *t = p->tun;
        if (t && !t->proto) { /* VTI: ESP is the only encapsulation, so it is counted here */
            t->tx_packets++;
            t->tx_bytes += p->len;
            t->tx_ms = w->now_ms + 1;
        }
    }
}

/* ---- build ----------------------------------------------------------------------------------- */

/* RFC 4303 2.4: 1, 2, 3, ...; at most 15 are needed for a 16-byte block. */
static const u8 pad_bytes[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* Padding and trailer behind text of len bytes; returns the bytes to encrypt. */
static inline u16 trailer(u8 *text, unsigned len, u8 align, u8 next_header)
{
    unsigned pad = (0u - (len + 2u)) & (align - 1u);
    memcpy(text + len, pad_bytes, sizeof pad_bytes);
    text[len + pad] = (u8)pad;
    text[len + pad + 1] = next_header;
    return (u16)(len + pad + 2);
}

static inline void esp_header(struct worker *w, const struct sa_hot *h, u8 *esp, u64 seq)
{
    put32(esp, h->spi);
    put32(esp + 4, (u32)seq);
    if (h->counts) {
        put64(esp + 8, h->iv_base + seq); /* RFC 4106 3.1, RFC 3686 2.1: never twice under one key */
    } else if (h->iv_len) {
        memcpy(esp + 8, bulk_rng_take(&w->rng, h->iv_len), h->iv_len);
    }
}

static inline void build_tunnel(struct worker *w, const struct sa_hot *h, struct pkt *p)
{
    u8 nh = UNLIKELY(h->comp) ? p->text_proto : p->v.version == 4 ? IPPROTO_IPIP_ : IPPROTO_IPV6_;
    p->crypt_len = trailer(p->data, p->len, h->align, nh);
    u8 *esp = p->data - 8 - h->iv_len;
    esp_header(w, h, esp, pkt_seq(p));
    p->data = esp - h->encap_len;
    p->esp_at = h->encap_len;
    p->len = (u16)(h->encap_len + 8u + h->iv_len + p->crypt_len + h->icv_len);
    if (UNLIKELY(h->udp)) {
        udp_header(h, esp - UDP_HDR, (u16)(p->len - h->encap_len));
    }
    sa_out_header(h, p, p->data);
}

/* RFC 4303 3.1.1: the IP header with its options or extension headers stays in front, ESP covers
 * the rest. */
static void build_transport(struct worker *w, const struct sa_hot *h, struct pkt *p)
{
    unsigned hlen = p->v.l4, udp = h->udp ? UDP_HDR : 0, shift = udp + 8u + h->iv_len;
    u8 *text = p->data + hlen;
    p->crypt_len = trailer(text, p->len - hlen, h->align, p->v.proto);
    memmove(p->data - shift, p->data, hlen);
    p->data -= shift;
    esp_header(w, h, p->data + hlen + udp, pkt_seq(p));
    p->esp_at = (u16)(hlen + udp);
    p->len = (u16)(hlen + shift + p->crypt_len + h->icv_len);
    p->data[p->v.proto_at] = udp ? IPPROTO_UDP_ : IPPROTO_ESP_;
    if (UNLIKELY(udp)) {
        udp_header(h, p->data + hlen, (u16)(p->len - p->esp_at));
    }
    if (p->v.version == 6) {
        put16(p->data + 4, (u16)(p->len - IP6_HDR));
        return;
    }
    put16(p->data + 2, p->len);
    if (h->flow->val.df != DF_COPY && !p->tun) {
        put16(p->data + 6, h->flow->val.df == DF_SET ? IP4_DF : 0);
    }
    ip4_checksum_set(p->data, hlen);
}

void esp_out_build(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        const struct sa_hot *h = &p->sa->h;
        if (i + 4 < v->n) {
            __builtin_prefetch(v->p[i + 4]->data - 64, 1);
        }
        if (LIKELY(h->mode == MODE_TUNNEL)) {
            build_tunnel(w, h, p);
        } else {
            build_transport(w, h, p);
        }
        p->next = N_ESP_SEAL;
    }
}

/* ---- seal ------------------------------------------------------------------------------------ */

void esp_out_seal(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        w->op[i] = (struct bulk_op){
            .key = &p->sa->key, .esp = p->data + p->esp_at, .crypt_len = p->crypt_len, .seq_hi = p->seq_hi};
    }
    bulk_seal(w->bulk, w->op, v->n);
    for (unsigned i = 0; i < v->n; i++) {
        v->p[i]->next = N_ESP_FINISH;
        if (UNLIKELY(!w->op[i].ok)) { /* never let half-sealed bytes out */
            pkt_drop(v->p[i], DROP_TX_ERROR, "the crypto engine failed", 0, 0);
        }
    }
}

/* ---- finish ---------------------------------------------------------------------------------- */

void esp_out_finish(struct worker *w, struct vec *v)
{
    bool trace = ev_on(w->log, EV_IP_FORWARD);
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        if (UNLIKELY(p->sa->h.udp)) {
            udp_sum(p);
        }
        if (UNLIKELY(p->sa->h.linked)) {
            sa_out_next(w, p);
        } else {
            sa_out_leave(w, p, trace);
        }
    }
}
