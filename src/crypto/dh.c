/*
 * dh.c: Diffie-Hellman for IKE: MODP groups (RFC 2409 6, RFC 3526, RFC 5114 2.3) and ECP groups (RFC 5903),
 * over libcrypto's big numbers and curve points.
 *
 * MODP goes straight to the constant-time modular exponentiation: the library's DH object would
 * test the subgroup of every public value, a full-size exponentiation, where RFC 6989 2.1 asks for
 * 1 < y < p-1 with safe primes. Group 24 has none: there y^q = 1 is asked for (RFC 6989 2.2), or a
 * peer's value of a small order would tell him our exponent piece by piece. Private exponents have about twice the strength of the group (RFC
 * 3526 8), not the size of the modulus.
 */
#include "crypto/crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>
#include <stdlib.h>

/* What all exchanges of a group share; made when the group is first asked for, and kept: a curve takes longer to set up than a
 * multiplication on it. Nothing here is secret. One thread. */
struct field {
    BIGNUM *p, *g;     /* MODP modulus and generator */
    BIGNUM *q;         /* order of the generator where p is no safe prime; or NULL */
    BN_MONT_CTX *mont; /* of p */
    EC_GROUP *curve;   /* ECP */
};
enum { GROUP_IDS = 32 };

struct dh {
    const struct group_row *row; /* borrowed from algs.c */
    const struct field *field;   /* borrowed from fields */
    BIGNUM *x;                   /* owned, wiped: the private exponent or scalar */
    BN_CTX *ctx;                 /* owned */
    u8 pub[DH_MAX];
};

static BIGNUM *modp_prime(u16 group)
{
    switch (group) {
    case 1: return BN_get_rfc2409_prime_768(NULL);
    case 2: return BN_get_rfc2409_prime_1024(NULL);
    case 5: return BN_get_rfc3526_prime_1536(NULL);
    case 14: return BN_get_rfc3526_prime_2048(NULL);
    case 15: return BN_get_rfc3526_prime_3072(NULL);
    case 16: return BN_get_rfc3526_prime_4096(NULL);
    case 17: return BN_get_rfc3526_prime_6144(NULL);
    case 18: return BN_get_rfc3526_prime_8192(NULL);
    default: return NULL;
    }
}

/* modp_subgroup: p, g and q of RFC 5114 2.3, which the library knows by name only. */
static bool modp_subgroup(BIGNUM **p, BIGNUM **g, BIGNUM **q)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "DHX", NULL);
    EVP_PKEY *params = NULL;
    OSSL_PARAM name[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){"dh_2048_256"}, 0),
        OSSL_PARAM_construct_end(),
    };
    bool ok = ctx && EVP_PKEY_paramgen_init(ctx) == 1 && EVP_PKEY_CTX_set_params(ctx, name) == 1 &&
              EVP_PKEY_paramgen(ctx, &params) == 1 &&
              EVP_PKEY_get_bn_param(params, OSSL_PKEY_PARAM_FFC_P, p) == 1 &&
              EVP_PKEY_get_bn_param(params, OSSL_PKEY_PARAM_FFC_G, g) == 1 &&
              EVP_PKEY_get_bn_param(params, OSSL_PKEY_PARAM_FFC_Q, q) == 1;
    EVP_PKEY_free(params);
    EVP_PKEY_CTX_free(ctx);
    return ok;
}

static int curve_nid(u16 group)
{
    return group == 19 ? NID_X9_62_prime256v1 : group == 20 ? NID_secp384r1 : NID_secp521r1;
}

/* modp_open: the numbers of a group; what is made stays where it is, also when it fails. */
static bool modp_open(struct field *f, u16 group)
{
    bool ok;
    if (group == 24) {
        ok = modp_subgroup(&f->p, &f->g, &f->q);
    } else {
        f->p = modp_prime(group);
        f->g = BN_new();
        ok = f->p && f->g && BN_set_word(f->g, 2) == 1;
    }
    f->mont = BN_MONT_CTX_new();
    BN_CTX *ctx = BN_CTX_new();
    ok = ok && f->mont && ctx && BN_MONT_CTX_set(f->mont, f->p, ctx) == 1;
    BN_CTX_free(ctx);
    return ok;
}

static void field_close(struct field *f)
{
    BN_free(f->p);
    BN_free(f->g);
    BN_free(f->q);
    BN_MONT_CTX_free(f->mont);
    EC_GROUP_free(f->curve);
    *f = (struct field){0};
}

/* field_of: NULL: no memory, or the library does not know it. */
static const struct field *field_of(const struct group_row *row)
{
    static struct field fields[GROUP_IDS];
    struct field *f = row->id < GROUP_IDS ? &fields[row->id] : NULL;
    if (!f || f->curve || f->mont) {
        return f;
    }
    if (row->ecp) {
        f->curve = EC_GROUP_new_by_curve_name(curve_nid(row->id));
    } else if (!modp_open(f, row->id)) {
        field_close(f);
    }
    return f->curve || f->mont ? f : NULL;
}

/* ECP takes more than its order has, so reducing it leaves no bias to speak of. */
size_t dh_secret_len(u16 group)
{
    const struct group_row *row = group_row(group);
    return !row                ? 0
           : row->ecp          ? 80
           : row->bits <= 2048 ? 32
           : row->bits <= 3072 ? 40
           : row->bits <= 4096 ? 48
                               : 64;
}

/* make_private: the exponent from the given bytes (or fresh ones), for ECP brought below the order.
 */
static bool make_private(struct dh *dh, const u8 *secret, size_t len)
{
    u8 fresh[DH_SECRET_MAX];
    if (!secret) {
        len = dh_secret_len(dh->row->id);
        if (RAND_priv_bytes(fresh, (int)len) != 1) {
            return false;
        }
        secret = fresh;
    }
    dh->x = BN_secure_new();
    bool ok = dh->x && BN_bin2bn(secret, (int)len, dh->x);
    mem_wipe(fresh, sizeof fresh);
    if (ok && dh->field->curve) {
        const BIGNUM *order = EC_GROUP_get0_order(dh->field->curve);
        if (BN_cmp(dh->x, order) >= 0) {
            ok = BN_mod(dh->x, dh->x, order, dh->ctx) == 1;
        }
    }
    if (ok) {
        BN_set_flags(dh->x, BN_FLG_CONSTTIME);
    }
    return ok && !BN_is_zero(dh->x);
}

static bool modp_power(const struct dh *dh, u8 *out, const BIGNUM *base)
{
    BIGNUM *y = BN_new();
    bool ok = y && BN_mod_exp_mont_consttime(y, base, dh->x, dh->field->p, dh->ctx, dh->field->mont) == 1 &&
              BN_bn2binpad(y, out, dh->row->public_len) == dh->row->public_len;
    BN_clear_free(y);
    return ok;
}

/* ecp_write: x (and y when wanted), each left-padded to the size of the field. */
static bool ecp_write(const struct dh *dh, u8 *out, const EC_POINT *pt, bool with_y)
{
    int half = dh->row->public_len / 2;
    BIGNUM *x = BN_new(), *y = BN_new();
    bool ok = x && y && EC_POINT_get_affine_coordinates(dh->field->curve, pt, x, y, dh->ctx) == 1 &&
              BN_bn2binpad(x, out, half) == half &&
              (!with_y || BN_bn2binpad(y, out + half, half) == half);
    BN_clear_free(x);
    BN_clear_free(y);
    return ok;
}

static bool make_public(struct dh *dh)
{
    bool ok = false;
    if (dh->row->ecp) {
        EC_POINT *pt = EC_POINT_new(dh->field->curve);
        ok = pt && EC_POINT_mul(dh->field->curve, pt, dh->x, NULL, NULL, dh->ctx) == 1 &&
             ecp_write(dh, dh->pub, pt, true);
        EC_POINT_free(pt);
    } else {
        ok = modp_power(dh, dh->pub, dh->field->g);
    }
    return ok;
}

struct dh *dh_new(u16 group, const u8 *secret, size_t secret_len)
{
    const struct group_row *row = group_row(group);
    if (!row) {
        return NULL;
    }
    struct dh *dh = xcalloc(1, sizeof *dh);
    dh->row = row;
    dh->field = field_of(row);
    dh->ctx = BN_CTX_secure_new();
    if (!dh->field || !dh->ctx || !make_private(dh, secret, secret_len) || !make_public(dh)) {
        dh_free(dh);
        return NULL;
    }
    return dh;
}

void dh_free(struct dh *dh)
{
    if (!dh) {
        return;
    }
    BN_clear_free(dh->x);
    BN_CTX_free(dh->ctx);
    free(dh);
}

void dh_public(const struct dh *dh, u8 *out)
{
    memcpy(out, dh->pub, dh->row->public_len);
}

/* modp_public: RFC 6989 2.1: 1 < y < p-1. */
static bool modp_public(const BIGNUM *y, const BIGNUM *p)
{
    BIGNUM *top = BN_dup(p);
    bool ok =
        y && top && BN_sub_word(top, 1) == 1 && BN_cmp(y, BN_value_one()) > 0 && BN_cmp(y, top) < 0;
    BN_free(top);
    return ok;
}

/* in_subgroup: RFC 6989 2.2: y^q = 1, where p is no safe prime. */
static bool in_subgroup(const struct dh *dh, const BIGNUM *y)
{
    BIGNUM *r = dh->field->q ? BN_new() : NULL;
    bool ok = !dh->field->q || (r && BN_mod_exp(r, y, dh->field->q, dh->field->p, dh->ctx) == 1 && BN_is_one(r));
    BN_free(r);
    return ok;
}

static bool modp_shared(const struct dh *dh, u8 *out, const u8 *peer)
{
    BIGNUM *y = BN_bin2bn(peer, dh->row->public_len, NULL);
    bool ok = modp_public(y, dh->field->p) && in_subgroup(dh, y) && modp_power(dh, out, y);
    BN_clear_free(y);
    return ok;
}

static bool ecp_shared(const struct dh *dh, u8 *out, const u8 *peer)
{
    int half = dh->row->public_len / 2;
    BIGNUM *x = BN_bin2bn(peer, half, NULL), *y = BN_bin2bn(peer + half, half, NULL);
    EC_POINT *pt = EC_POINT_new(dh->field->curve), *z = EC_POINT_new(dh->field->curve);
    /* set_affine_coordinates refuses a point that is not on the curve; the cofactor of these curves
     * is 1 */
    bool ok = x && y && pt && z &&
              EC_POINT_set_affine_coordinates(dh->field->curve, pt, x, y, dh->ctx) == 1 &&
              EC_POINT_mul(dh->field->curve, z, NULL, pt, dh->x, dh->ctx) == 1 &&
              !EC_POINT_is_at_infinity(dh->field->curve, z) && ecp_write(dh, out, z, false);
    EC_POINT_clear_free(pt);
    EC_POINT_clear_free(z);
    BN_clear_free(x);
    BN_clear_free(y);
    return ok;
}

bool dh_shared(const struct dh *dh, u8 out[DH_MAX], size_t *out_len, const u8 *peer,
               size_t peer_len)
{
    *out_len = dh->row->ecp ? dh->row->public_len / 2u : dh->row->public_len;
    if (peer_len != dh->row->public_len) {
        return false;
    }
    return dh->row->ecp ? ecp_shared(dh, out, peer) : modp_shared(dh, out, peer);
}

/* ecp_public: set_affine_coordinates refuses a point that is not on the curve. */
static bool ecp_public(const EC_GROUP *curve, const u8 *peer, int half)
{
    BIGNUM *x = BN_bin2bn(peer, half, NULL), *y = BN_bin2bn(peer + half, half, NULL);
    EC_POINT *pt = EC_POINT_new(curve);
    bool ok = x && y && pt && EC_POINT_set_affine_coordinates(curve, pt, x, y, NULL) == 1;
    EC_POINT_free(pt);
    BN_free(x);
    BN_free(y);
    return ok;
}

bool dh_public_ok(u16 group, const u8 *peer, size_t peer_len)
{
    const struct group_row *row = group_row(group);
    const struct field *f = row && peer_len == row->public_len ? field_of(row) : NULL;
    if (!f) {
        return false;
    }
    if (row->ecp) {
        return ecp_public(f->curve, peer, row->public_len / 2);
    }
    BIGNUM *y = BN_bin2bn(peer, row->public_len, NULL);
    bool ok = modp_public(y, f->p);
    BN_free(y);
    return ok;
}
