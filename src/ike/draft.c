/*
 * draft.c: the draft, which is what a handler and an answer write instead of the SA (ike_int.h),
 * and the few things that more than one of them does: why it refuses, the header, our key pair, the
 * hash of phase 2.
 */
#include "ike/ike_int.h"

#include <stdarg.h>

void draft_init(struct draft *d, const struct ike_sa *sa, const struct xch *x)
{
    memset(d, 0, offsetof(struct draft, buf));
    d->sa = sa->c;
    d->x.head = x->c;
    if (x->talk) {
        d->x.talk = *x->talk;
    }
    d->local = sa->local;
    d->remote = sa->remote;
}

void draft_free(struct draft *d)
{
    dh_free(d->dh);
    mem_wipe(d, offsetof(struct draft, buf));
}

void draft_why(struct draft *d, enum ike_reason why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->detail, sizeof d->detail, fmt, ap);
    va_end(ap);
    d->why = why;
}

void draft_hdr(struct draft *d, bool encrypted)
{
    struct isakmp_hdr h = {
        .exchange = d->x.exchange, .flags = encrypted ? FL_ENCRYPTED : 0, .msgid = d->x.msgid};
    memcpy(h.cookie_i, d->sa.cookie_i, 8);
    memcpy(h.cookie_r, d->sa.cookie_r, 8);
    isakmp_out_init(&d->out, d->buf, ISAKMP_MAX, &h);
    d->reply = true;
}

void draft_nonce(struct bytes_nonce *out, const struct isakmp_bytes *in)
{
    out->len = in->len;
    memcpy(out->b, in->p, in->len);
}

bool draft_dh(struct ike *ike, struct draft *d, u16 group)
{
    u8 secret[DH_SECRET_MAX];
    size_t len = dh_secret_len(group);
    env_random(ike->clock, secret, len);
    d->dh = len ? dh_new(group, secret, len) : NULL;
    mem_wipe(secret, sizeof secret);
    if (!d->dh) {
        draft_why(d, WHY_KEY_EXCHANGE, "group %u cannot be computed", group);
    }
    return d->dh != NULL;
}

bool draft_agree(const struct dh *dh, const struct isakmp_msg *m, u16 group, struct draft *d)
{
    size_t len = 0;
    if (!dh || !dh_shared(dh, d->x.gxy.b, &len, m->ke.p, m->ke.len)) {
        draft_bad_ke(m, group, d);
        return false;
    }
    d->x.gxy.len = (u16)len;
    return true;
}

void draft_bad_ke(const struct isakmp_msg *m, u16 group, struct draft *d)
{
    const struct group_row *g = group_row(group);
    draft_why(d, WHY_KEY_EXCHANGE,
              "KE payload has %u bytes, group %u wants %u in 2..p-2 (a point of the curve)",
              m->ke.len, group, g ? g->public_len : 0);
}

bool draft_hash_is(const struct isakmp_msg *m, const u8 *want, struct draft *d)
{
    u8 len = hash_row(d->sa.hash)->len;
    if (m->hash.len == len && mem_equal_ct(m->hash.p, want, len)) {
        d->proved = true;
        return true;
    }
    draft_why(d, WHY_HASH,
              "the HASH payload of message id %u (%u bytes) does not cover what stands behind it",
              m->hdr.msgid, m->hash.len);
    return false;
}

size_t draft_begin_hashed(struct draft *d)
{
    static const u8 zero[HASH_MAX];
    draft_hdr(d, true);
    isakmp_out_payload(&d->out, PL_HASH, zero, hash_row(d->sa.hash)->len);
    return wr_len(&d->out.w);
}

void draft_end_hashed(struct draft *d, size_t start, const struct bytes_nonce *ni)
{
    if (!d->out.w.bad) {
        keys_hash_phase2(d->buf + ISAKMP_HDR + 4, &d->sa, d->x.msgid, ni, d->buf + start,
                         wr_len(&d->out.w) - start);
    }
}
