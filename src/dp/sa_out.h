/*
 * sa_out.h: what every protocol does with a packet that leaves by an SA: the outer header, the next SA of the bundle, where it
 * leaves. Inline: every protected packet comes through here. Used by esp_out.c and ah_out.c.
 */
#ifndef ADIT_SA_OUT_H
#define ADIT_SA_OUT_H

#include "dp/dp_int.h"

/* sa_out_ip_id: an identification that is not 0, for the kernel puts one of its own there, which AH does not cover (raw(7)). */
static inline u16 sa_out_ip_id(struct flow *f)
{
    f->ip_id += f->ip_id == 0;
    return f->ip_id++;
}

/* The outer header from its template: length, id, TOS (RFC 4301 5.1.2.1: DSCP and ECN copied), DF.
 */
static inline void sa_out_header(const struct sa_hot *h, struct pkt *p, u8 *ip)
{
    if (h->family == AF_V4) {
        struct flow *f = h->flow;
        u16 id = sa_out_ip_id(f);
        bool df = f->val.df == DF_SET || (f->val.df == DF_COPY && p->v.df && p->v.version == 4);
        memcpy(ip, h->tmpl, IP4_HDR);
        ip[1] = p->v.tos;
        put16(ip + 2, p->len);
        put16(ip + 4, id);
        put16(ip + 6, df ? IP4_DF : 0);
        put16(ip + 10, ip_fold(h->sum + p->v.tos + p->len + id + (df ? IP4_DF : 0u)));
        return;
    }
    memcpy(ip, h->tmpl, IP6_HDR);
    put32(ip, 6u << 28 | (u32)p->v.tos << 20);
    put16(ip + 4, (u16)(p->len - IP6_HDR));
}

/* sa_out_number: the next number; of extended ones the low half may wrap (RFC 4303 2.2.1). sa_out_spent: there is none left. */
static inline void sa_out_number(struct pkt *p, struct sa_hot *h)
{
    p->seq = ++h->seq;
    if (UNLIKELY(h->esn)) {
        h->seq_hi += p->seq == 0;
        p->seq_hi = h->seq_hi;
    }
}

static inline bool sa_out_spent(const struct sa_hot *h)
{
    return h->seq == UINT32_MAX && (!h->esn || h->seq_hi == UINT32_MAX);
}

/* sa_out_exhausted: RFC 4303 3.3.3, RFC 4302 3.3.2: the counter must not cycle. */
static inline void sa_out_exhausted(struct worker *w, struct pkt *p, struct sa *sa)
{
    p->sa = sa;
    pkt_drop(p, DROP_SEQ_EXHAUSTED, NULL, 0, 0);
    sa_expire(w->dp, sa, true);
}

/* sa_out_next: the next SA of the bundle takes it, as it stands (RFC 4301 appendix E). */
static inline void sa_out_next(struct worker *w, struct pkt *p)
{
    struct sa *sa = p->sa->with;
    if (UNLIKELY(!sa || sa->h.dead)) { /* what it was made for is not there any more */
        pkt_drop(p, DROP_BUNDLE, "the SA around it has gone", 0, 0);
        return;
    }
    if (UNLIKELY(sa_out_spent(&sa->h))) {
        sa_out_exhausted(w, p, sa);
        return;
    }
    enum ip_fault f = ip_decode(&p->v, p->data, p->len);
    if (UNLIKELY(f != IP_OK)) {
        pkt_drop(p, DROP_MALFORMED_IP, ip_fault_text(f), 0, p->len);
        return;
    }
    p->sa = sa;
    sa_out_number(p, &sa->h);
    sa->h.packets++;
    sa->h.bytes += p->len;
    p->next = N_AH_BUILD;
}

/* sa_out_leave: sealed by all SAs there are. */
static inline void sa_out_leave(struct worker *w, struct pkt *p, bool trace)
{
    struct flow *f = p->flow;
    f->encaps++;
    p->v.version = p->sa->h.family;
    p->mtu = f->learned_mtu ? f->learned_mtu : f->val.path_mtu;
    p->next = N_IP_OUT;
    if (UNLIKELY(trace)) {
        trace_esp_out(w, p);
    }
}

#endif
