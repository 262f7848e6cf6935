/*
 * keys.c: the key material of RFC 2409: SKEYID family (5), cipher key and IVs (appendix B), HASH_I
 * and HASH_R (5), quick mode hashes and KEYMAT (5.5). Pure functions of what they are given.
 */
#include "ike/ike_int.h"

static struct iov of(const struct secret *s)
{
    return (struct iov){s->b, s->len};
}

void keys_skeyid_psk(struct sa_core *sa, const struct secret *psk, const struct xch_core *x)
{
    sa->skeyid.len = hash_row(sa->hash)->len;
    prf_of(sa->skeyid.b, sa->hash, psk->b, psk->len,
           (struct iov[]){{x->ni.b, x->ni.len}, {x->nr.b, x->nr.len}}, 2);
}

void keys_skeyid_sig(struct sa_core *sa, const struct xch_core *x)
{
    u8 key[2 * ISAKMP_NONCE_MAX];
    memcpy(key, x->ni.b, x->ni.len);
    memcpy(key + x->ni.len, x->nr.b, x->nr.len);
    sa->skeyid.len = hash_row(sa->hash)->len;
    prf_of(sa->skeyid.b, sa->hash, key, (size_t)x->ni.len + x->nr.len,
           &(struct iov){x->gxy.b, x->gxy.len}, 1);
}

void keys_derive(struct sa_core *sa, const struct xch_core *x)
{
    enum hash_id h = sa->hash;
    u16 len = hash_row(h)->len;
    static const u8 n0 = 0, n1 = 1, n2 = 2;
    struct iov gxy = {x->gxy.b, x->gxy.len}, ci = {sa->cookie_i, 8}, cr = {sa->cookie_r, 8};
    sa->skeyid_d.len = sa->skeyid_a.len = sa->skeyid_e.len = len;
    prf_of(sa->skeyid_d.b, h, sa->skeyid.b, len, (struct iov[]){gxy, ci, cr, {&n0, 1}}, 4);
    prf_of(sa->skeyid_a.b, h, sa->skeyid.b, len,
           (struct iov[]){of(&sa->skeyid_d), gxy, ci, cr, {&n1, 1}}, 5);
    prf_of(sa->skeyid_e.b, h, sa->skeyid.b, len,
           (struct iov[]){of(&sa->skeyid_a), gxy, ci, cr, {&n2, 1}}, 5);
}

bool keys_cipher(struct secret *out_key, enum encr_id encr, enum hash_id hash,
                 const struct secret *skeyid_e)
{
    size_t want = encr_row(encr)->key_len, len = hash_row(hash)->len, have = 0;
    u8 k[96 + HASH_MAX];
    if (want == 0 || len == 0) {
        return false;
    }
    if (want <= skeyid_e->len) {
        secret_set(out_key, skeyid_e->b, want);
        return true;
    }
    /* too short: Ka = K1 | K2 | ..., K1 = prf(SKEYID_e, 0), Kn = prf(SKEYID_e, Kn-1) */
    static const u8 zero = 0;
    while (have < want) {
        struct iov in = have ? (struct iov){k + have - len, len} : (struct iov){&zero, 1};
        prf_of(k + have, hash, skeyid_e->b, skeyid_e->len, &in, 1);
        have += len;
    }
    secret_set(out_key, k, want);
    mem_wipe(k, sizeof k);
    return true;
}

static void cut_iv(struct secret *out, enum encr_id encr, enum hash_id hash, const struct iov *v,
                   size_t num)
{
    u8 h[HASH_MAX];
    hash_of(h, hash, v, num);
    secret_set(out, h, encr_row(encr)->iv_len);
}

void keys_iv_phase1(struct secret *out, const struct sa_core *sa, const struct xch_core *x)
{
    cut_iv(out, sa->encr, sa->hash, (struct iov[]){{x->gi.b, x->gi.len}, {x->gr.b, x->gr.len}}, 2);
}

void keys_iv_phase2(struct secret *out, const struct sa_core *sa, const struct secret *last,
                    u32 msgid)
{
    u8 id[4];
    put32(id, msgid);
    struct secret from = *last; /* out may be last */
    cut_iv(out, sa->encr, sa->hash, (struct iov[]){of(&from), {id, 4}}, 2);
    secret_wipe(&from);
}

void keys_hash_i(u8 *out, enum hash_id h, const struct sa_core *sa, const struct xch_core *x)
{
    prf_of(out, h, sa->skeyid.b, sa->skeyid.len,
           (struct iov[]){{x->gi.b, x->gi.len},
                          {x->gr.b, x->gr.len},
                          {sa->cookie_i, 8},
                          {sa->cookie_r, 8},
                          {x->sa_i.b, x->sa_i.len},
                          {x->idi.b, x->idi.len}},
           6);
}

void keys_hash_r(u8 *out, enum hash_id h, const struct sa_core *sa, const struct xch_core *x)
{
    prf_of(out, h, sa->skeyid.b, sa->skeyid.len,
           (struct iov[]){{x->gr.b, x->gr.len},
                          {x->gi.b, x->gi.len},
                          {sa->cookie_r, 8},
                          {sa->cookie_i, 8},
                          {x->sa_i.b, x->sa_i.len},
                          {x->idr.b, x->idr.len}},
           6);
}

void keys_hash_phase2(u8 *out, const struct sa_core *sa, u32 msgid, const struct bytes_nonce *ni,
                      const u8 *rest, size_t rest_len)
{
    u8 id[4];
    put32(id, msgid);
    prf_of(out, sa->hash, sa->skeyid_a.b, sa->skeyid_a.len,
           (struct iov[]){{id, 4}, {ni ? ni->b : id, ni ? ni->len : 0}, {rest, rest_len}}, 3);
}

void keys_hash3(u8 *out, const struct sa_core *sa, const struct xch_core *x)
{
    static const u8 zero = 0;
    u8 id[4];
    put32(id, x->msgid);
    prf_of(out, sa->hash, sa->skeyid_a.b, sa->skeyid_a.len,
           (struct iov[]){{&zero, 1}, {id, 4}, {x->ni.b, x->ni.len}, {x->nr.b, x->nr.len}}, 4);
}

void keys_keymat(u8 *out, size_t len, const struct sa_core *sa, const struct xch_talk *x, u8 proto,
                 u32 spi)
{
    u8 k[HASH_MAX], head[5] = {proto};
    size_t hlen = hash_row(sa->hash)->len, done = 0;
    put32(head + 1, spi);
    while (done < len) {
        prf_of(k, sa->hash, sa->skeyid_d.b, sa->skeyid_d.len,
               (struct iov[]){{k, done ? hlen : 0},
                              {x->gxy.b, x->gxy.len},
                              {head, 5},
                              {x->ni.b, x->ni.len},
                              {x->nr.b, x->nr.len}},
               5);
        size_t n = MIN(hlen, len - done);
        memcpy(out + done, k, n);
        done += n;
    }
    mem_wipe(k, sizeof k);
}
