/*
 * test_cross.c: every cipher x authenticator x mode x family between two data planes, sealed by one
 * engine and opened by the other (RFC 4303); forty packet lengths each.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "rig.h"

static size_t expected_esp(u8 encr, u8 auth, size_t text)
{
    const struct encr_row *e = encr_row(encr);
    size_t align = MAX(e->block, 4), icv = e->icv_len ? e->icv_len
                                           : auth     ? hash_row(auth)->icv_len
                                                      : 0;
    return 8 + e->iv_len + (text + 2 + align - 1) / align * align + icv;
}

/* AEAD ciphers bring their own ICV; neither encryption nor ICV, and counter mode without ICV, protect nothing. */
static bool refused_combination(u8 encr, u8 auth)
{
    bool bare = encr == ENCR_NULL || (encr >= ENCR_CTR128 && encr <= ENCR_CTR256);
    return encr_row(encr)->icv_len ? auth != HASH_NONE : bare && auth == HASH_NONE;
}

/* numbers_at: the numbers of both halves of a pair go on from there. */
static void numbers_at(struct rig *a, struct rig *b, u64 seq)
{
    struct sa *sa[] = {rig_find_sa(a, 0x1000, SA_OUT), rig_find_sa(b, 0x1000, SA_IN)};
    for (unsigned i = 0; i < 2; i++) {
        sa[i]->h.seq = (u32)seq;
        sa[i]->h.seq_hi = (u32)(seq >> 32);
    }
}

/* Sends packets of many lengths, several at once so that the multi-buffer lanes mix, and compares
 * what arrives. */
static void carry(struct rig *a, struct rig *b, u8 mode, u8 encr, u8 auth, bool out6, bool in6)
{
    enum { N = 40 };
    static u8 sent[N][2048];
    const char *s = mode == MODE_TRANSPORT ? (out6 ? RIG_A6 : RIG_A4)
                    : in6                  ? "fd00::1"
                                           : "10.1.0.1";
    const char *d = mode == MODE_TRANSPORT ? (out6 ? RIG_B6 : RIG_B4)
                    : in6                  ? "fd00::2"
                                           : "10.2.0.1";
    for (unsigned i = 0; i < N; i++) {
        size_t len = 48 + i * (i < 20 ? 1 : 33);
        rig_ping(sent[i], s, d, len, false);
        rig_in(a, CRYPTO, sent[i], len);
    }
    rig_run(a);
    assert_int_equal(rig_num_out(a, out6 ? SEND6 : SEND4), N);
    for (unsigned i = 0; i < N; i++) {
        struct rig_pkt *p = rig_out(a, out6 ? SEND6 : SEND4);
        size_t len = 48 + i * (i < 20 ? 1 : 33), head = out6 ? 40 : 20;
        size_t text = mode == MODE_TRANSPORT ? len - head : len;
        assert_int_equal(p->len, head + expected_esp(encr, auth, text));
        assert_int_equal(p->b[out6 ? 6 : 9], 50);
        rig_in(b, out6 ? RAW6_ESP : RAW4_ESP, p->b, p->len);
    }
    rig_run(b);
    for (unsigned i = 0; i < N; i++) {
        struct rig_pkt *p = rig_out(b, CRYPTO);
        size_t len = 48 + i * (i < 20 ? 1 : 33);
        assert_non_null(p);
        assert_int_equal(p->len, len);
        assert_memory_equal(p->b, sent[i], len);
    }
}

static void every_one(const char *ea, const char *eb, bool esn)
{
    struct rig *a = rig_new(ea), *b = rig_new(eb);
    unsigned done = 0;
    rig_esn = esn;
    for (u8 encr = ENCR_NULL; encr < ENCR_NUM; encr++) {
        for (u8 auth = HASH_NONE; auth < HASH_NUM; auth++) {
            bool icv = encr_row(encr)->icv_len || auth != HASH_NONE;
            for (unsigned k = 0; k < 6 && !refused_combination(encr, auth) && (icv || !esn); k++, done++) {
                bool transport = k >= 4, out6 = k & 1, in6 = transport ? out6 : (k >> 1) & 1;
                u8 mode = transport ? MODE_TRANSPORT : MODE_TUNNEL;
                rig_crypto_map(a, out6, DF_COPY, false);
                rig_crypto_map(b, out6, DF_COPY, false);
                rig_pair(a, b, mode, encr, auth, out6);
                if (esn) { /* twenty packets on either side of 2^32, then of some later boundary */
                    numbers_at(a, b, k & 1 ? 0x6ffffffebull : 0xffffffebull);
                }
                carry(a, b, mode, encr, auth, out6, in6);
                if (esn) {
                    assert_int_equal(sa_seq(&rig_find_sa(b, 0x1000, SA_IN)->h),
                                     (k & 1 ? 0x6ffffffebull : 0xffffffebull) + 40);
                }
                for (u8 dir = 0; dir < 2; dir++) {
                    sa_del(a->dp, rig_find_sa(a, dir == SA_OUT ? 0x1000 : 0x2000, dir));
                    sa_del(b->dp, rig_find_sa(b, dir == SA_OUT ? 0x2000 : 0x1000, dir));
                }
            }
        }
    }
    print_message("%u combinations, sealed by %s, opened by %s\n", done, ea, eb);
    assert_int_equal(done, 6 * (1 * 6 + 5 * (esn ? 6 : 7) + 3 * 6 + 9)); /* NULL, CBC, CTR, AEAD */
    rig_esn = false;
    assert_int_equal(a->dp->w.num_free, POOL);
    assert_int_equal(b->dp->w.num_free, POOL);
    rig_free(a);
    rig_free(b);
}

static void t_mb_to_evp(void **s)
{
    (void)s;
    every_one("mb", "evp", false);
    every_one("mb", "evp", true);
}
static void t_evp_to_mb(void **s)
{
    (void)s;
    every_one("evp", "mb", false);
    every_one("evp", "mb", true);
}
static void t_mb_to_mb(void **s)
{
    (void)s;
    every_one("mb", "mb", false);
    every_one("mb", "mb", true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_mb_to_evp),
        cmocka_unit_test(t_evp_to_mb),
        cmocka_unit_test(t_mb_to_mb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
