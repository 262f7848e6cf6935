/*
 * vectors_test.c: the cryptography of IKE against published values: NIST SP 800-135 (SKEYID family,
 * prf, prf+), MODP groups with leading zeros, Wycheproof ECDH, HMAC and CBC. ADIT_VECTORS names
 * tests/vectors.
 */
#include "json_hex.h"
#include "ike/ike_int.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static bool is(const json_t *o, const char *key, const char *text)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s && strcmp(s, text) == 0;
}

static void expect_hex(const json_t *o, const char *key, const u8 *got, size_t len)
{
    struct hexbuf want;
    assert_true(json_hex(&want, o, key));
    assert_int_equal(want.len, len);
    assert_memory_equal(want.b, got, len);
}

static void nist_skeyid(void **state)
{
    (void)state;
    json_t *root = json_vectors("nist-ike-kdf/cavp_ike_sha1.json"), *v;
    size_t i;
    unsigned done = 0;
    assert_non_null(root);
    json_array_foreach(json_object_get(root, "vectors"), i, v)
    {
        const json_t *f = json_object_get(v, "fields");
        struct hexbuf h;
        if (!is(v, "kind", "ikev1 psk")) {
            continue;
        }
        struct sa_core sa = {.hash = HASH_SHA1};
        static struct xch_core x;
        struct secret psk;
        json_hex(&h, f, "CKY_I"), memcpy(sa.cookie_i, h.b, 8);
        json_hex(&h, f, "CKY_R"), memcpy(sa.cookie_r, h.b, 8);
        json_hex(&h, f, "Ni"), memcpy(x.ni.b, h.b, x.ni.len = (u16)h.len);
        json_hex(&h, f, "Nr"), memcpy(x.nr.b, h.b, x.nr.len = (u16)h.len);
        json_hex(&h, f, "g^xy"), memcpy(x.gxy.b, h.b, x.gxy.len = (u16)h.len);
        json_hex(&h, f, "pre-shared-key"), secret_set(&psk, h.b, h.len);
        keys_skeyid_psk(&sa, &psk, &x);
        keys_derive(&sa, &x);
        expect_hex(f, "SKEYID", sa.skeyid.b, sa.skeyid.len);
        expect_hex(f, "SKEYID_d", sa.skeyid_d.b, sa.skeyid_d.len);
        expect_hex(f, "SKEYID_a", sa.skeyid_a.b, sa.skeyid_a.len);
        expect_hex(f, "SKEYID_e", sa.skeyid_e.b, sa.skeyid_e.len);
        done++;
    }
    assert_true(done >= 1);
    json_decref(root);
}

static enum hash_id hash_named(const char *s)
{
    return !s                 ? HASH_NONE
           : strstr(s, "512") ? HASH_SHA512
           : strstr(s, "384") ? HASH_SHA384
           : strstr(s, "256") ? HASH_SHA256
           : strstr(s, "1")   ? HASH_SHA1
                              : HASH_NONE;
}

/* prf is HMAC; prf+ chains it: T1 = prf(K, S | 1), Tn = prf(K, Tn-1 | S | n) (RFC 7296 2.13) */
static void nist_prf(void **state)
{
    (void)state;
    json_t *root = json_vectors("nist-ike-kdf/ikev2_prf_prfplus_sha2.json"), *v;
    size_t i;
    unsigned prfs = 0, plus = 0;
    assert_non_null(root);
    json_array_foreach(json_object_get(root, "vectors"), i, v)
    {
        static struct hexbuf key, salt, out;
        enum hash_id h = hash_named(json_string_value(json_object_get(v, "prf")));
        const char *fn = json_string_value(json_object_get(v, "function"));
        u8 got[4096];
        size_t n = hash_row(h)->len;
        if (!h || !json_hex(&key, v, "key") || !json_hex(&salt, v, "salt") ||
            !json_hex(&out, v, "out")) {
            continue;
        }
        if (fn && strncmp(fn, "prf(", 4) == 0) {
            prf_of(got, h, salt.b, salt.len, &(struct iov){key.b, key.len}, 1);
            assert_memory_equal(got, out.b, out.len);
            prfs++;
            continue;
        }
        for (u8 t = 1; (size_t)(t - 1) * n < out.len; t++) {
            u8 *at = got + (size_t)(t - 1) * n;
            prf_of(
                at, h, key.b, key.len,
                (struct iov[]){{at - (t > 1 ? n : 0), t > 1 ? n : 0}, {salt.b, salt.len}, {&t, 1}},
                3);
        }
        assert_memory_equal(got, out.b, out.len);
        plus++;
    }
    assert_true(prfs >= 1 && plus >= 1);
    json_decref(root);
}

static void modp(void **state)
{
    (void)state;
    json_t *root = json_vectors("modp-dh/modp_dh.json"), *g, *c;
    size_t i, k;
    unsigned done = 0;
    assert_non_null(root);
    json_array_foreach(json_object_get(root, "groups"), i, g)
    {
        u16 id = (u16)json_integer_value(json_object_get(g, "group"));
        const struct group_row *row = group_row(id);
        json_array_foreach(json_object_get(g, "cases"), k, c)
        {
            static struct hexbuf xi, xr, yi, yr, s;
            static u8 pub[DH_MAX], z[DH_MAX];
            size_t len;
            if (!row || !json_hex(&xi, c, "xi") || !json_hex(&xr, c, "xr") ||
                !json_hex(&s, c, "g_xy") || !json_hex(&yi, c, "g_xi") ||
                !json_hex(&yr, c, "g_xr")) {
                continue;
            }
            struct dh *a = dh_new(id, xi.b, xi.len), *b = dh_new(id, xr.b, xr.len);
            dh_public(a, pub);
            assert_memory_equal(pub, yi.b, row->public_len);
            dh_public(b, pub);
            assert_memory_equal(pub, yr.b, row->public_len);
            assert_true(dh_shared(a, z, &len, yr.b, yr.len));
            assert_int_equal(len, s.len);
            assert_memory_equal(z, s.b, len);
            assert_true(dh_shared(b, z, &len, yi.b, yi.len));
            assert_memory_equal(z, s.b, len);
            dh_free(a);
            dh_free(b);
            done++;
        }
    }
    assert_true(done >= 8);
    json_decref(root);
}

static void bad_public_values(void **state)
{
    (void)state;
    static u8 y[DH_MAX], z[DH_MAX];
    size_t len;
    for (unsigned i = 0; group_at(i); i++) {
        const struct group_row *g = group_at(i);
        struct dh *d = dh_new(g->id, NULL, 0);
        assert_non_null(d);
        memset(y, 0, sizeof y);
        assert_false(dh_shared(d, z, &len, y, g->public_len)); /* 0 */
        y[g->public_len - 1] = 1;
        assert_false(dh_shared(d, z, &len, y, g->public_len)); /* 1, or not on the curve */
        assert_false(dh_public_ok(g->id, y, g->public_len));
        memset(y, 0xff, sizeof y);
        assert_false(dh_shared(d, z, &len, y, g->public_len)); /* beyond p */
        assert_false(dh_public_ok(g->id, y, g->public_len));
        dh_public(d, y);
        assert_false(dh_shared(d, z, &len, y, g->public_len - 1u));
        assert_true(dh_shared(d, z, &len, y, g->public_len));
        assert_true(dh_public_ok(g->id, y, g->public_len));
        assert_false(dh_public_ok(g->id, y, g->public_len - 1u));
        assert_false(dh_public_ok(g->id, y, g->public_len + 1u));
        y[g->public_len - 1] ^= 1;
        if (g->ecp) { /* beside the curve */
            assert_false(dh_public_ok(g->id, y, g->public_len));
            assert_false(dh_shared(d, z, &len, y, g->public_len));
        }
        dh_free(d);
    }
    assert_null(dh_new(3, NULL, 0));
}

/* Group 24's prime is no safe prime: 2 is a number of it and none of its subgroup (RFC 6989 2.2; 2^q is not 1). */
static void outside_the_subgroup(void **state)
{
    (void)state;
    static u8 y[DH_MAX], z[DH_MAX], w[DH_MAX];
    size_t len, again;
    struct dh *a = dh_new(24, NULL, 0), *b = dh_new(24, NULL, 0);
    y[255] = 2;
    assert_true(dh_public_ok(24, y, 256));
    assert_false(dh_shared(a, z, &len, y, 256));
    dh_public(b, y);
    assert_true(dh_shared(a, z, &len, y, 256));
    dh_public(a, y);
    assert_true(dh_shared(b, w, &again, y, 256));
    assert_int_equal(len, again);
    assert_memory_equal(z, w, len);
    dh_free(a);
    dh_free(b);
}

/* 1 < y < p-1 (RFC 6989 2.1): 2 and p-2 are taken, 1 and p-1 are not. p ends in 64 one bits in all of
 * these groups, so p-1 is p with another last byte. */
static void edges_of_modp(void **state)
{
    (void)state;
    static u8 y[DH_MAX], z[DH_MAX];
    size_t len;
    const struct group_row *g = group_row(2);
    BIGNUM *p = BN_get_rfc2409_prime_1024(NULL);
    struct dh *d = dh_new(2, NULL, 0);
    for (unsigned below = 0; below < 3; below++) {
        assert_int_equal(BN_bn2binpad(p, y, g->public_len), g->public_len);
        assert_int_equal(y[g->public_len - 1], 0xff);
        y[g->public_len - 1] = (u8)(0xff - below);
        assert_int_equal(dh_public_ok(2, y, g->public_len), below == 2);
        assert_int_equal(dh_shared(d, z, &len, y, g->public_len), below == 2);
    }
    memset(y, 0, sizeof y);
    for (u8 v = 0; v < 4; v++) {
        y[g->public_len - 1] = v;
        assert_int_equal(dh_public_ok(2, y, g->public_len), v > 1);
        assert_int_equal(dh_shared(d, z, &len, y, g->public_len), v > 1);
    }
    dh_free(d);
    BN_free(p);
}

/* AES without a Key-Length attribute says nothing in phase 1 (RFC 3602 5.3), 128 bits in ESP. */
static void key_lengths(void **state)
{
    (void)state;
    assert_int_equal(encr_from_p1(7, 0), ENCR_NONE);
    assert_int_equal(encr_from_p1(7, 128), ENCR_AES128);
    assert_int_equal(encr_from_p1(7, 256), ENCR_AES256);
    assert_int_equal(encr_from_p1(7, 64), ENCR_NONE);
    assert_int_equal(encr_from_p1(5, 128), ENCR_NONE);
    assert_int_equal(encr_from_p1(5, 0), ENCR_3DES);
    assert_int_equal(encr_from_p1(0, 0), ENCR_NONE);
    assert_int_equal(encr_from_esp(12, 0), ENCR_AES128);
    assert_int_equal(encr_from_esp(20, 0), ENCR_NONE);
    assert_int_equal(encr_from_esp(12, 512), ENCR_NONE);
}

/* RFC 2104 2: a key as long as a block is the block, a longer one is hashed first. */
static void hmac_key_of_one_block(void **state)
{
    (void)state;
    u8 key[130], ours[HASH_MAX], theirs[EVP_MAX_MD_SIZE];
    for (unsigned i = 0; i < sizeof key; i++) {
        key[i] = (u8)(i * 5 + 1);
    }
    for (enum hash_id h = HASH_MD5; h <= HASH_SHA512; h++) {
        const EVP_MD *const md[] = {[HASH_MD5] = EVP_md5(),
                                    [HASH_SHA1] = EVP_sha1(),
                                    [HASH_SHA256] = EVP_sha256(),
                                    [HASH_SHA384] = EVP_sha384(),
                                    [HASH_SHA512] = EVP_sha512()};
        for (size_t len = 62; len <= sizeof key; len++) {
            unsigned n = 0;
            assert_non_null(HMAC(md[h], key, (int)len, (const u8 *)"text", 4, theirs, &n));
            prf_of(ours, h, key, len, &(struct iov){"text", 4}, 1);
            assert_int_equal(n, hash_row(h)->len);
            assert_memory_equal(ours, theirs, n);
        }
    }
}

static void ecdh(const char *file, u16 group)
{
    json_t *root = json_vectors(file), *g, *t;
    size_t i, k;
    unsigned done = 0;
    const struct group_row *row = group_row(group);
    assert_non_null(root);
    json_array_foreach(json_object_get(root, "testGroups"), i, g)
    {
        json_array_foreach(json_object_get(g, "tests"), k, t)
        {
            static struct hexbuf pub, priv, s;
            u8 z[DH_MAX];
            size_t len = 0;
            if (!json_hex(&pub, t, "public") || !json_hex(&priv, t, "private") ||
                !json_hex(&s, t, "shared") || pub.len == 0 || pub.b[0] != 4) {
                continue; /* IKE carries x and y without the leading 4; compressed points do not
                             occur */
            }
            struct dh *d = dh_new(group, priv.b, priv.len);
            assert_non_null(d);
            bool ok = dh_shared(d, z, &len, pub.b + 1, pub.len - 1);
            if (is(t, "result", "invalid")) {
                assert_false(ok);
            } else if (is(t, "result", "valid")) {
                assert_true(ok);
                assert_int_equal(len, row->public_len / 2);
                assert_memory_equal(z, s.b, len);
            }
            dh_free(d);
            done++;
        }
    }
    assert_true(done > 50);
    json_decref(root);
}

static void wycheproof_ecdh(void **state)
{
    (void)state;
    ecdh("wycheproof/ecdh_secp256r1_ecpoint_test.json", 19);
    ecdh("wycheproof/ecdh_secp384r1_ecpoint_test.json", 20);
    ecdh("wycheproof/ecdh_secp521r1_ecpoint_test.json", 21);
}

static void hmac(const char *file, enum hash_id h)
{
    json_t *root = json_vectors(file), *g, *t;
    size_t i, k;
    unsigned done = 0;
    assert_non_null(root);
    json_array_foreach(json_object_get(root, "testGroups"), i, g)
    {
        json_array_foreach(json_object_get(g, "tests"), k, t)
        {
            static struct hexbuf key, msg, tag;
            u8 got[HASH_MAX];
            json_hex(&key, t, "key"), json_hex(&msg, t, "msg"), json_hex(&tag, t, "tag");
            prf_of(got, h, key.b, key.len, &(struct iov){msg.b, msg.len}, 1);
            assert_int_equal(mem_equal_ct(got, tag.b, tag.len), is(t, "result", "valid"));
            done++;
        }
    }
    assert_true(done > 50);
    json_decref(root);
}

static void wycheproof_hmac(void **state)
{
    (void)state;
    hmac("wycheproof/hmac_sha1_test.json", HASH_SHA1);
    hmac("wycheproof/hmac_sha256_test.json", HASH_SHA256);
    hmac("wycheproof/hmac_sha384_test.json", HASH_SHA384);
    hmac("wycheproof/hmac_sha512_test.json", HASH_SHA512);
}

static void wycheproof_cbc(void **state)
{
    (void)state;
    json_t *root = json_vectors("wycheproof/aes_cbc_pkcs5_test.json"), *g, *t;
    size_t i, k;
    unsigned done = 0;
    assert_non_null(root);
    json_array_foreach(json_object_get(root, "testGroups"), i, g)
    {
        u8 e = (u8)(json_integer_value(json_object_get(g, "keySize")) / 64 - 2 + ENCR_AES128);
        json_array_foreach(json_object_get(g, "tests"), k, t)
        {
            static struct hexbuf key, iv, msg, ct;
            json_hex(&key, t, "key"), json_hex(&iv, t, "iv"), json_hex(&msg, t, "msg"),
                json_hex(&ct, t, "ct");
            if (!is(t, "result", "valid")) {
                continue; /* what is invalid is the padding, which IKE does not have */
            }
            u8 pad = (u8)(16 - msg.len % 16), first[16];
            memset(msg.b + msg.len, pad, pad);
            memcpy(first, iv.b, 16);
            assert_true(ike_cbc(e, true, key.b, iv.b, msg.b, msg.len + pad));
            assert_int_equal(ct.len, msg.len + pad);
            assert_memory_equal(msg.b, ct.b, ct.len);
            assert_memory_equal(iv.b, ct.b + ct.len - 16, 16); /* the IV has moved on */
            assert_true(ike_cbc(e, false, key.b, first, msg.b, ct.len));
            assert_memory_equal(first, ct.b + ct.len - 16, 16);
            done++;
        }
    }
    assert_true(done > 20);
    json_decref(root);
}

/* single DES runs as triple DES with one key: the value of FIPS 81 appendix C (CBC of "Now is the
 * time for all ") */
static void single_des(void **state)
{
    (void)state;
    static const u8 want[24] = {0xe5, 0xc7, 0xcd, 0xde, 0x87, 0x2b, 0xf2, 0x7c,
                                0x43, 0xe9, 0x34, 0x00, 0x8c, 0x38, 0x9c, 0x0f,
                                0x68, 0x37, 0x88, 0x49, 0x9a, 0x7c, 0x05, 0xf6};
    u8 key[8] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef},
       iv[8] = {0x12, 0x34, 0x56, 0x78, 0x90, 0xab, 0xcd, 0xef};
    u8 data[25] = "Now is the time for all ";
    assert_true(ike_cbc(ENCR_DES, true, key, iv, data, 24));
    assert_memory_equal(data, want, 24);
    assert_false(ike_cbc(ENCR_DES, true, key, iv, data, 23));
    assert_false(ike_cbc(ENCR_GCM128, true, key, iv, data, 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nist_skeyid),
        cmocka_unit_test(nist_prf),
        cmocka_unit_test(modp),
        cmocka_unit_test(bad_public_values),
        cmocka_unit_test(edges_of_modp),
        cmocka_unit_test(outside_the_subgroup),
        cmocka_unit_test(key_lengths),
        cmocka_unit_test(hmac_key_of_one_block),
        cmocka_unit_test(wycheproof_ecdh),
        cmocka_unit_test(wycheproof_hmac),
        cmocka_unit_test(wycheproof_cbc),
        cmocka_unit_test(single_des),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
