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
#include "dp/sa_in.h"

/* ---- find ------------------------------------------------------------------------------------ */

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
        p->sa = last = sa_inbound(w->dp, p, e.spi, IPPROTO_ESP_, last);
        if (UNLIKELY(!last)) {
            p->spi = e.spi;
            if (look_again(w, p)) {
                continue;
            }
            pkt_drop(p, DROP_UNKNOWN_SPI, NULL, p->esp_at, p->esp_at + 4u);
            continue;
        }
        p->flow = p->sa->h.flow;
        if (UNLIKELY(!sa_in_whole(p))) {
            pkt_drop(p, DROP_BUNDLE, NULL, 0, p->esp_at);
            continue;
        }
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
        p->seq_hi = replay_high(h, p->seq);
        if (UNLIKELY(!replay_check(h, pkt_seq(p)))) {
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
            .key = &p->sa->key, .esp = p->data + p->esp_at, .crypt_len = p->crypt_len, .seq_hi = p->seq_hi};
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

static inline void commit_one(struct worker *w, struct pkt *p, bool trace)
{
    struct sa_hot *h = &p->sa->h;
    if (UNLIKELY(!sa_in_commit(w, p, p->crypt_len, p->len - h->icv_len, p->esp_at + 4u))) {
        return;
    }
    unsigned text_at = p->esp_at + 8u + h->iv_len, end = text_at + p->crypt_len;
    u8 pad = p->data[end - 2], nh = p->data[end - 1];
    if (UNLIKELY(pad + 2u > p->crypt_len || !padding_ok(p->data + end - 2 - pad, pad))) {
        pkt_drop(p, DROP_BAD_PADDING, NULL, pad + 2u > p->crypt_len ? end - 2 : end - 2 - pad, end);
        return;
    }
    unsigned len = p->crypt_len - 2u - pad;
    sa_in_count(p, len);
    if (UNLIKELY(nh == 59)) { /* RFC 4303 2.6: a dummy packet, dropped without a word */
        p->next = N_DONE;
        return;
    }
    sa_in_deliver(w, p, text_at, len, nh, trace);
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
