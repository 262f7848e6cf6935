/*
 * ah_in.c: what arrived authenticated (RFC 4302 3.4) in three passes over the vector:
 *
 *   find    the SA by SPI, our address and protocol; the header's length; whether the sequence number could be accepted
 *   open    the ICV of all of them at once (crypto/bulk), over the packet with zeros where it may have changed on the way
 *   commit  in order: the replay window moves, the header comes off, and the packet goes on: into the ESP of an SA bundle, or
 *           where what the SA was negotiated for belongs
 *
 * Walk: ip_in -> ah_in -> esp_in, gre_in or policy_in. A packet refused anywhere here has changed nothing but counters.
 */
#include "dp/sa_in.h"
#include "wire/ah.h"

static void find_one(struct worker *w, struct pkt *p, struct sa **last)
{
    struct ah_view a;
    p->esp_at = p->v.l4;
    if (!ah_decode(&a, p->data + p->esp_at, p->len - p->esp_at)) {
        pkt_drop(p, DROP_MALFORMED_AH, "the header is cut short", p->esp_at, p->len);
        return;
    }
    p->seq = a.seq;
    p->sa = *last = sa_inbound(w->dp, p, a.spi, IPPROTO_AH_, *last);
    if (!p->sa) {
        p->spi = a.spi;
        if (!look_again(w, p)) {
            pkt_drop(p, DROP_UNKNOWN_SPI, NULL, p->esp_at + 4u, p->esp_at + 8u);
        }
        return;
    }
    const struct sa_hot *h = &p->sa->h;
    p->flow = h->flow;
    p->crypt_len = a.len;
    p->seq_hi = replay_high(h, p->seq);
    p->next = N_AH_OPEN;
    if (!sa_in_whole(p)) {
        pkt_drop(p, DROP_BUNDLE, NULL, 0, p->esp_at);
    } else if (a.len < AH_HDR + h->icv_len || a.len > ah_hdr_len(p->sa->val.auth, AF_V6)) {
        /* some pad IPv4 to 8 bytes, too */
        pkt_drop(p, DROP_MALFORMED_AH, "the ICV has another length than the SA's", p->esp_at + 1u,
                 p->esp_at + 2u);
    } else if (h->dead) {
        pkt_drop(p, DROP_LIFE_EXPIRED, NULL, 0, 0);
    } else if (!replay_check(h, pkt_seq(p))) {
        pkt_drop(p, DROP_REPLAY, NULL, p->esp_at + 8u, p->esp_at + 12u);
    }
}

void ah_in_find(struct worker *w, struct vec *v)
{
    struct sa *last = NULL;
    for (unsigned i = 0; i < v->n; i++) {
        find_one(w, v->p[i], &last);
    }
}

/* The ICV that came is taken from its place, which is zero when it is computed, and stands behind the packet, where ESP has
 * its: the key is one of ESP without encryption. */
void ah_in_open(struct worker *w, struct vec *v)
{
    struct pkt *opened[VEC];
    unsigned n = 0;
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        u8 *icv = p->data + p->esp_at + AH_HDR;
        unsigned len = p->sa->h.icv_len;
        if (p->esp_at > AH_HEAD_MAX) {
            pkt_drop(p, DROP_MALFORMED_AH, "its headers are longer than adit keeps", 0, p->esp_at);
            continue;
        }
        memcpy(w->head[n], p->data, p->esp_at);
        if (!ah_zero_mutable(p->data, p->esp_at)) {
            memcpy(p->data, w->head[n], p->esp_at);
            pkt_drop(p, DROP_MALFORMED_AH, "options or extension headers AH cannot cover", 0,
                     p->esp_at);
            continue;
        }
        memcpy(w->icv[n], icv, len);
        unsigned more = ah_esn(p, p->data + p->len);
        memcpy(p->data + p->len + more, icv, len);
        memset(icv, 0, len);
        w->op[n] =
            (struct bulk_op){.key = &p->sa->key, .esp = p->data, .crypt_len = p->len + more - 8u};
        opened[n++] = p;
    }
    bulk_open(w->bulk, w->op, n);
    for (unsigned i = 0; i < n; i++) {
        struct pkt *p = opened[i];
        memcpy(p->data, w->head[i], p->esp_at);
        memcpy(p->data + p->esp_at + AH_HDR, w->icv[i], p->sa->h.icv_len);
        p->icv_ok = w->op[i].ok;
        p->next = N_AH_COMMIT;
    }
}

void ah_in_commit(struct worker *w, struct vec *v)
{
    bool trace = ev_on(w->log, EV_IP_RCVD);
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        unsigned text_at = p->esp_at + p->crypt_len, len = p->len - text_at;
        if (sa_in_commit(w, p, len, p->esp_at + AH_HDR, p->esp_at + 8u)) {
            sa_in_count(p, len);
            sa_in_deliver(w, p, text_at, len, p->data[p->esp_at], trace);
        }
    }
}
