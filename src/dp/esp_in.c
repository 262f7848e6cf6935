/*
 * esp_in.c: what arrived protected (RFC 4303 3.4) in four passes over the vector:
 *
 *   find      the SA by SPI, our address and protocol
 *   precheck  lengths, and whether the sequence number could be accepted at all
 *   open      ICV and decryption of all of them at once (crypto/bulk)
 *   commit    in order: the replay window moves (only now, RFC 4303 3.4.3), padding, the inner
 *             packet, and whether the SA was negotiated for it (RFC 4301 5.2)
 *
 * Walk: ip_in -> esp_in -> gre_in or policy_in. A packet refused anywhere here has changed nothing
 * but counters.
 */
#include "dp/dp_int.h"

/* ---- find ------------------------------------------------------------------------------------ */

static inline bool is_sa(const struct sa *sa, const struct pkt *p, u32 spi)
{
    if (sa->h.spi != spi || sa->h.family != p->v.version) {
        return false;
    }
    return p->v.version == 4 ? memcmp(sa->h.dst, p->data + 16, 4) == 0
                             : memcmp(sa->h.dst, p->data + 24, 16) == 0;
}

static inline struct sa *find_sa(const struct dp *dp, const struct pkt *p, u32 spi)
{
    struct sa *sa = sa_bucket(dp, spi);
    while (sa && !is_sa(sa, p, spi)) {
        sa = sa->next_hash;
    }
    return sa;
}

/* look_again: its SA may be on the way: ike gives us an inbound half before it tells the far end, but we read ike only between
 * two turns, and the far end may be faster. In the next turn all that ike said before this packet was sent has been read. */
static bool look_again(struct worker *w, struct pkt *p)
{
    if (p->again || w->num_again == ARRAY_LEN(w->again)) {
        return false;
    }
    p->again = true;
    p->next = N_GONE;
    w->again[w->num_again++] = p;
    return true;
}

void esp_in_find(struct worker *w, struct vec *v)
{
    struct sa *last = NULL;
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        struct esp_view e;
        if (i + 6 < v->n) {
            __builtin_prefetch(v->p[i + 6]->data);
        }
        p->esp_at = p->v.l4;
        if (UNLIKELY(!esp_decode(&e, p->data + p->esp_at, p->len - p->esp_at))) {
            pkt_drop(p, DROP_MALFORMED_ESP, "no room for SPI and sequence number", p->esp_at,
                     p->len);
            continue;
        }
        p->seq = e.seq;
        if (last && is_sa(last, p, e.spi)) { /* neighbours mostly travel together */
            p->sa = last;
        } else {
            p->sa = last = find_sa(w->dp, p, e.spi);
        }
        if (UNLIKELY(!last)) {
            p->spi = e.spi;
            if (look_again(w, p)) {
                continue;
            }
            pkt_drop(p, DROP_UNKNOWN_SPI, NULL, p->esp_at, p->esp_at + 4u);
            continue;
        }
        p->flow = p->sa->h.flow;
        p->next = N_ESP_PRECHECK;
        if (UNLIKELY(p->sa->h.udp != (p->udp_port != 0))) {
            pkt_drop(p, DROP_ENCAPS, p->udp_port ? "in UDP, negotiated without" : "without UDP, negotiated in it", 0,
                     p->esp_at);
        }
    }
}

/* ---- precheck -------------------------------------------------------------------------------- */

void esp_in_precheck(struct worker *w, struct vec *v)
{
    (void)w;
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        const struct sa_hot *h = &p->sa->h;
        unsigned over = p->esp_at + 8u + h->iv_len + h->icv_len;
        unsigned crypt = p->len >= over ? p->len - over : 0;
        if (UNLIKELY(crypt < 2)) {
            pkt_drop(p, DROP_MALFORMED_ESP, "shorter than IV, trailer and ICV of the SA", p->esp_at,
                     p->len);
            continue;
        }
        if (UNLIKELY(p->sa->key.block > 1 && crypt % p->sa->key.block != 0)) {
            pkt_drop(p, DROP_MALFORMED_ESP, "ciphertext is no multiple of the cipher's block",
                     p->esp_at + 8u + h->iv_len, p->len - h->icv_len);
            continue;
        }
        if (UNLIKELY(h->dead)) {
            pkt_drop(p, DROP_LIFE_EXPIRED, NULL, 0, 0);
            continue;
        }
        if (UNLIKELY(!replay_check(h, p->seq))) {
            pkt_drop(p, DROP_REPLAY, NULL, p->esp_at + 4u, p->esp_at + 8u);
            continue;
        }
        p->crypt_len = (u16)crypt;
        p->next = N_ESP_OPEN;
    }
}

/* ---- open ------------------------------------------------------------------------------------ */

void esp_in_open(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        w->op[i] = (struct bulk_op){
            .key = &p->sa->key, .esp = p->data + p->esp_at, .crypt_len = p->crypt_len};
    }
    bulk_open(w->bulk, w->op, v->n);
    for (unsigned i = 0; i < v->n; i++) {
        v->p[i]->icv_ok = w->op[i].ok;
        v->p[i]->next = N_ESP_COMMIT;
    }
}

/* ---- commit ---------------------------------------------------------------------------------- */

static bool padding_ok(const u8 *pad, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        if (pad[i] != i + 1) {
            return false;
        }
    }
    return true;
}

/* Tunnel mode: the text is a packet; what follows its end is traffic flow padding (RFC 4303 2.7).
 */
static inline bool strip_tunnel(struct pkt *p, unsigned text_at, unsigned len, u8 next_header)
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

/* Transport mode: the header moves back over ESP header and IV and gets its protocol again. */
static bool strip_transport(struct pkt *p, unsigned text_at, unsigned len, u8 next_header)
{
    unsigned hlen = p->esp_at;
    u8 *ip = p->data + text_at - hlen;
    memmove(ip, p->data, hlen);
    p->data = ip;
    p->len = (u16)(hlen + len);
    ip[p->v.proto_at] = next_header;
    if (p->v.version == 6) {
        put16(ip + 4, (u16)(p->len - IP6_HDR));
    } else {
        put16(ip + 2, p->len);
        ip4_checksum_set(ip, hlen);
    }
    enum ip_fault f = ip_decode(&p->v, ip, p->len);
    if (UNLIKELY(f != IP_OK)) {
        pkt_drop(p, DROP_MALFORMED_IP, ip_fault_text(f), 0, p->len);
        return false;
    }
    return true;
}

static bool identity_slow(const struct selector *s, const struct pkt *p)
{
    struct addr src = ip_src(p->data), dst = ip_dst(p->data);
    u16 sport, dport;
    if (!prefix_contains(&s->src, &src) || !prefix_contains(&s->dst, &dst) ||
        (s->proto && s->proto != p->v.proto)) {
        return false;
    }
    bool any = !s->sport_lo && !s->dport_lo && s->sport_hi == 0xffff && s->dport_hi == 0xffff;
    if (any) {
        return true;
    }
    if (p->v.frag_off) { /* its ports came with the first one, by this SA or not at all (RFC 4301 7) */
        return true;
    }
    ip_ports(&sport, &dport, &p->v, p->data);
    return sport >= s->sport_lo && sport <= s->sport_hi && dport >= s->dport_lo &&
           dport <= s->dport_hi;
}

/* RFC 4301 5.2 step 4: was the SA negotiated for this packet? */
static inline bool identity_ok(const struct pkt *p)
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
    return identity_slow(&p->sa->val.sel, p);
}

static inline bool is_delivery(u8 proto)
{
    return proto == IPPROTO_GRE_ || proto == IPPROTO_IPIP_ || proto == IPPROTO_IPV6_;
}

static inline void after(struct pkt *p)
{
    struct tunnel *t = p->flow->tun;
    if (t && !t->proto) {
        p->tun = t; /* VTI: this is the inner packet already */
        p->next = N_POLICY_IN;
    } else {
        p->next = is_delivery(p->v.proto) ? N_GRE_IN : N_POLICY_IN;
    }
}

/* ICV, window, lifetime: false when the verdict is set. */
static inline bool commit_sa(struct worker *w, struct pkt *p)
{
    struct sa_hot *h = &p->sa->h;
    if (UNLIKELY(!p->icv_ok)) {
        pkt_drop(p, DROP_BAD_ICV, NULL, p->len - h->icv_len, p->len);
        return false;
    }
    if (UNLIKELY(h->dead)) { /* the packet before it in this vector used up the volume */
        pkt_drop(p, DROP_LIFE_EXPIRED, "volume used up", 0, 0);
        return false;
    }
    if (UNLIKELY(!replay_commit(h, p->seq))) {
        pkt_drop(p, DROP_REPLAY, NULL, p->esp_at + 4u, p->esp_at + 8u);
        return false;
    }
    if (UNLIKELY(h->bytes + p->crypt_len > h->limit_bytes) && !sa_limit(w->dp, p->sa)) {
        pkt_drop(p, DROP_LIFE_EXPIRED, "volume used up", 0, 0);
        return false;
    }
    return true;
}

static inline void commit_one(struct worker *w, struct pkt *p, bool trace)
{
    if (UNLIKELY(!commit_sa(w, p))) {
        return;
    }
    struct sa_hot *h = &p->sa->h;
    unsigned text_at = p->esp_at + 8u + h->iv_len, end = text_at + p->crypt_len;
    u8 pad = p->data[end - 2], nh = p->data[end - 1];
    if (UNLIKELY(pad + 2u > p->crypt_len || !padding_ok(p->data + end - 2 - pad, pad))) {
        pkt_drop(p, DROP_BAD_PADDING, NULL, pad + 2u > p->crypt_len ? end - 2 : end - 2 - pad, end);
        return;
    }
    unsigned len = p->crypt_len - 2u - pad;
    if (UNLIKELY(h->packets == 0)) {
        sa_confirm(p->sa);
    }
    h->packets++;
    h->bytes += len;
    p->flow->decaps++;
    if (UNLIKELY(nh == 59)) { /* RFC 4303 2.6: a dummy packet, dropped without a word */
        p->next = N_DONE;
        return;
    }
    if (UNLIKELY(h->udp && !udp_is_there(p->sa, p))) {
        udp_moved(w->dp, p->sa, p);
    }
    bool tunnel = h->mode == MODE_TUNNEL;
    if (UNLIKELY(
            !(tunnel ? strip_tunnel(p, text_at, len, nh) : strip_transport(p, text_at, len, nh)))) {
        return;
    }
    if (UNLIKELY(h->udp && !tunnel)) {
        udp_mend(p);
    }
    if (UNLIKELY(!identity_ok(p))) {
        pkt_drop(p, DROP_BAD_IDENTITY, NULL, 0, p->v.l4);
        return;
    }
    after(p);
    if (UNLIKELY(trace)) {
        trace_esp_in(w, p);
    }
}

void esp_in_commit(struct worker *w, struct vec *v)
{
    bool trace = ev_on(w->log, EV_IP_RCVD);
    for (unsigned i = 0; i < v->n; i++) {
        if (i + 4 < v->n) {
            struct pkt *q = v->p[i + 4];
            __builtin_prefetch(q->data + q->len - 32);
        }
        commit_one(w, v->p[i], trace);
    }
}
