/*
 * ipcomp.c: IP payload compression (RFC 3173) by DEFLATE (RFC 2394) and LZS (RFC 2395). It is no SA of its own here: what the
 * innermost SA of a pair carries is compressed, and the algorithm and the CPI are values of that SA, agreed on with it. Each
 * packet is compressed by itself (RFC 3173 2.1) and only when it gets smaller (2.2); one that came as it was is as good.
 *
 * Walk: esp_out_admit -> [ipcomp_out] -> esp_out_build or ah_out_build; inwards sa_in_deliver asks ipcomp_in.
 */
#include "dp/dp_int.h"
#include "wire/lzs.h"

#include <libdeflate.h>
#include <stdlib.h>

enum {
    IPCOMP_HDR = 4,   /* RFC 3173 3: next header, flags, CPI */
    COMP_MIN = 90,    /* RFC 2394 2.2, RFC 2395 2.2: what is shorter does not get smaller */
    FAILED_MAX = 5,   /* after that many in a row that did not shrink one in 32 is tried (RFC 3173 2.2) */
    DEFLATE_LEVEL = 1 /* a packet is short: more effort finds little */
};

struct ipcomp {
    struct libdeflate_compressor *deflate;
    struct libdeflate_decompressor *inflate;
    struct lzs_state lzs;
    u8 text[PKT_MAX];
};

struct ipcomp *ipcomp_new(void)
{
    struct ipcomp *c = xcalloc(1, sizeof *c);
    c->deflate = libdeflate_alloc_compressor(DEFLATE_LEVEL);
    c->inflate = libdeflate_alloc_decompressor();
    if (!c->deflate || !c->inflate) {
        abort();
    }
    return c;
}

void ipcomp_free(struct ipcomp *c)
{
    if (c) {
        libdeflate_free_compressor(c->deflate);
        libdeflate_free_decompressor(c->inflate);
        free(c);
    }
}

/* compress: into c->text, at most cap bytes; how many, 0: it does not fit there. */
static size_t compress(struct ipcomp *c, u8 comp, size_t cap, const u8 *in, size_t len)
{
    return comp == COMP_LZS ? lzs_compress(&c->lzs, c->text, cap, in, len)
                            : libdeflate_deflate_compress(c->deflate, in, len, c->text, cap);
}

static bool expand(struct ipcomp *c, u8 comp, size_t cap, size_t *out_len, const u8 *in, size_t len)
{
    return comp == COMP_LZS ? lzs_expand(c->text, cap, out_len, in, len)
                            : libdeflate_deflate_decompress(c->inflate, in, len, c->text, cap, out_len) == LIBDEFLATE_SUCCESS;
}

/* shrink: what stands at `at` in p becomes an IPComp header and its compression, when that is shorter. */
static bool shrink(struct ipcomp *c, struct pkt *p, unsigned at)
{
    struct sa *sa = p->sa;
    size_t len = p->len - at;
    size_t n = compress(c, sa->val.comp, len - IPCOMP_HDR - 1, p->data + at, len);
    if (n == 0) {
        sa->comp_failed = (u8)MIN(sa->comp_failed + 1, FAILED_MAX);
        sa->comp_skip = (u8)((1u << sa->comp_failed) - 1u);
        return false;
    }
    u8 *h = p->data + at;
    sa->comp_failed = 0;
    h[0] = p->text_proto;
    h[1] = 0;
    put16(h + 2, sa->val.cpi);
    memcpy(h + IPCOMP_HDR, c->text, n);
    p->len = (u16)(at + IPCOMP_HDR + n);
    return true;
}

void ipcomp_out(struct worker *w, struct vec *v)
{
    for (unsigned i = 0; i < v->n; i++) {
        struct pkt *p = v->p[i];
        struct sa *sa = p->sa;
        bool tunnel = sa->h.mode == MODE_TUNNEL;
        unsigned at = tunnel ? 0 : p->v.l4;
        struct dp_comp *count = &p->flow->comp;
        p->text_proto = !tunnel ? p->v.proto : p->v.version == 4 ? IPPROTO_IPIP_ : IPPROTO_IPV6_;
        p->next = sa->h.proto == IPPROTO_ESP_ ? N_ESP_BUILD : N_AH_BUILD;
        if (p->len - at < COMP_MIN) {
            count->plain++;
        } else if (sa->comp_skip) {
            sa->comp_skip--;
            count->plain++;
        } else if (!shrink(w->comp, p, at)) {
            count->failed++;
        } else {
            count->packed++;
            p->text_proto = IPPROTO_IPCOMP_;
            p->v.proto = tunnel ? p->v.proto : IPPROTO_IPCOMP_; /* build_transport puts it behind the ESP or AH header */
        }
    }
}

static bool refuse(struct pkt *p, const char *why, unsigned from, unsigned to)
{
    p->flow->comp.bad++;
    pkt_drop(p, DROP_IPCOMP, why, from, to);
    return false;
}

bool ipcomp_in(struct worker *w, struct pkt *p, unsigned at, unsigned *len, u8 *next_header)
{
    const struct dp_sa_value *v = &p->sa->val;
    const u8 *h = p->data + at;
    size_t room = (size_t)(p->room + sizeof p->room - h), n;
    if (*next_header != IPPROTO_IPCOMP_) {
        p->flow->comp.was_plain++;
        return true;
    }
    if (*len < IPCOMP_HDR) {
        return refuse(p, "its header is cut short", at, at + *len);
    }
    if (be16(h + 2) != v->cpi) {
        return refuse(p, "another CPI", at + 2, at + 4);
    }
    if (!expand(w->comp, v->comp, MIN(room, sizeof w->comp->text), &n, h + IPCOMP_HDR, *len - IPCOMP_HDR) || n == 0) {
        return refuse(p, "what it carries does not expand to a packet", at + IPCOMP_HDR, at + *len);
    }
    *next_header = h[0]; /* RFC 3173 3.3: the flags count for nothing */
    memcpy(p->data + at, w->comp->text, n);
    *len = (unsigned)n;
    p->len = (u16)(at + n);
    p->flow->comp.unpacked++;
    return true;
}
