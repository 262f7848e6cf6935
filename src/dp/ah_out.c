/*
 * ah_out.c: authentication of whole packets (RFC 4302 3.3) in three passes over the vector:
 *
 *   build   the AH header behind an outer header from the SA's template (tunnel mode) or behind the packet's own headers
 *           (transport mode, and around ESP in an SA bundle)
 *   seal    the ICV of all of them at once (crypto/bulk), over the packet with zeros where it may change on the way
 *   finish  what travels comes back, the ICV takes its place
 *
 * Walk: esp_out_admit or esp_out_finish -> ah_out -> ip_out.
 */
#include "dp/sa_out.h"
#include "wire/ah.h"

static void build_tunnel(const struct sa_hot *h, struct pkt *p)
{
    u8 next = h->comp ? p->text_proto : p->v.version == 4 ? IPPROTO_IPIP_ : IPPROTO_IPV6_;
    p->data -= h->align + h->encap_len;
    p->len = (u16)(p->len + h->align + h->encap_len);
    p->esp_at = h->encap_len;
    ah_build(p->data + p->esp_at, next, h->align, h->spi, p->seq);
    sa_out_header(h, p, p->data);
}

/* RFC 4302 3.1.1: behind the IP header and those that are looked at on the way. */
static void build_transport(const struct sa_hot *h, struct pkt *p)
{
    unsigned hlen = p->v.l4;
    u8 *ip = p->data - h->align;
    memmove(ip, p->data, hlen);
    p->data = ip;
    p->len = (u16)(p->len + h->align);
    p->esp_at = (u16)hlen;
    ah_build(ip + hlen, p->v.proto, h->align, h->spi, p->seq);
    ip[p->v.proto_at] = IPPROTO_AH_;
    if (p->v.version == 6) {
        put16(ip + 4, (u16)(p->len - IP6_HDR));
        return;
    }
    put16(ip + 2, p->len);
    if (be16(ip + 4) == 0) { /* else the kernel would put in one that the ICV does not know */
        put16(ip + 4, sa_out_ip_id(h->flow));
    }
    if (h->flow->val.df != DF_COPY && !p->tun && !h->inside) {
        put16(ip + 6, h->flow->val.df == DF_SET ? IP4_DF : 0);
    }
    ip4_checksum_set(ip, hlen);
}

void ah_out_build(struct worker *w, struct vec *v)
{
    (void)w;
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        const struct sa_hot *h = &p->sa->h;
        if (h->mode == MODE_TUNNEL) {
            build_tunnel(h, p);
        } else {
            build_transport(h, p);
        }
        p->next = N_AH_SEAL;
    }
}

/* The ICV is made behind the packet, where ESP has its: the key is one of ESP without encryption. */
void ah_out_seal(struct worker *w, struct vec *v)
{
    struct pkt *sealed[VEC];
    unsigned n = 0;
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        if (UNLIKELY(p->esp_at > AH_HEAD_MAX)) {
            pkt_drop(p, DROP_MALFORMED_AH, "its headers are longer than adit keeps", 0, p->esp_at);
            continue;
        }
        memcpy(w->head[n], p->data, p->esp_at);
        if (UNLIKELY(!ah_zero_mutable(p->data, p->esp_at))) {
            memcpy(p->data, w->head[n], p->esp_at);
            pkt_drop(p, DROP_MALFORMED_AH, "options or extension headers AH cannot cover", 0,
                     p->esp_at);
            continue;
        }
        w->op[n] = (struct bulk_op){.key = &p->sa->key,
                                    .esp = p->data,
                                    .crypt_len = p->len + ah_esn(p, p->data + p->len) - 8u};
        sealed[n++] = p;
    }
    bulk_seal(w->bulk, w->op, n);
    for (unsigned i = 0; i < n; i++) {
        struct pkt *p = sealed[i];
        memcpy(p->data, w->head[i], p->esp_at);
        memcpy(p->data + p->esp_at + AH_HDR, p->data + 8 + w->op[i].crypt_len, p->sa->h.icv_len);
        p->next = N_AH_FINISH;
        if (UNLIKELY(!w->op[i].ok)) {
            pkt_drop(p, DROP_TX_ERROR, "the crypto engine failed", 0, 0);
        }
    }
}

void ah_out_finish(struct worker *w, struct vec *v)
{
    bool trace = ev_on(w->log, EV_IP_FORWARD);
    for (unsigned i = 0; i < v->n; i++) {
        sa_out_leave(w, v->p[i], trace);
    }
}
