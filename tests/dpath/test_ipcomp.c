/*
 * test_ipcomp.c: compression (RFC 3173) between two data planes, by ESP, AH and bundles of both, in both modes and families: what
 * gets smaller is compressed, what does not goes as it is, and nothing that was not compressed by the rules comes out of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "rig.h"

enum { CPI = 0x4321 };

struct two {
    struct rig *a, *b;
    bool v6, transport;
};

enum which { BY_ESP, BY_AH, BY_BOTH };

static struct two two_new(enum which which, u8 comp, bool v6, bool transport)
{
    struct two t = {rig_new(NULL), rig_new(NULL), v6, transport};
    u8 mode = transport ? MODE_TRANSPORT : MODE_TUNNEL;
    rig_crypto_map(t.a, v6, DF_COPY, false);
    rig_crypto_map(t.b, v6, DF_COPY, false);
    rig_comp = comp, rig_cpi = comp ? CPI : 0;
    if (which == BY_BOTH) {
        rig_bundle(t.a, t.b, mode, ENCR_AES128, HASH_SHA1, HASH_SHA256, v6);
    } else {
        rig_pair(t.a, t.b, mode, which == BY_ESP ? ENCR_AES128 : ENCR_NONE, HASH_SHA1, v6);
    }
    rig_comp = COMP_NONE, rig_cpi = 0;
    return t;
}

static void two_free(struct two t)
{
    assert_int_equal(t.a->dp->w.num_free, POOL);
    assert_int_equal(t.b->dp->w.num_free, POOL);
    rig_free(t.a);
    rig_free(t.b);
}

static size_t a_ping(const struct two *t, u8 *b, size_t len)
{
    return t->transport ? rig_ping(b, t->v6 ? RIG_A6 : RIG_A4, t->v6 ? RIG_B6 : RIG_B4, len, false)
                        : rig_ping(b, t->v6 ? "fd00::1" : "10.1.0.1", t->v6 ? "fd00::2" : "10.2.0.1", len, false);
}

/* over: what b has of it after it went from a to b; how long it was on the way. */
static size_t over(struct two *t, const u8 *b, size_t len)
{
    rig_in(t->a, CRYPTO, b, len);
    rig_run(t->a);
    struct rig_pkt *p = rig_out(t->a, t->v6 ? SEND6 : SEND4);
    assert_non_null(p);
    size_t made = p->len;
    rig_in(t->b, t->v6 ? RAW6_ESP : RAW4_ESP, p->b, p->len);
    rig_run(t->b);
    p = rig_out(t->b, CRYPTO);
    assert_non_null(p);
    assert_int_equal(p->len, len);
    assert_memory_equal(p->b, b, len);
    return made;
}

static const struct dp_comp *count(const struct rig *r)
{
    return &r->dp->flow[0].comp;
}

static void t_every_one(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 24; k++) {
        struct two t = two_new((enum which)(k % 3), k & 1 ? COMP_LZS : COMP_DEFLATE, (k / 6) & 1, k / 12);
        u8 b[2048];
        u64 packed = 0;
        for (size_t len = 60; len < 1400; len += len < 160 ? 1 : 31) {
            rig_find_sa(t.a, 0x1000, SA_OUT)->comp_skip = 0;
            size_t made = over(&t, b, a_ping(&t, b, len));
            packed += count(t.a)->packed > packed;
            if (len > 800) { /* 256 different bytes, again and again */
                assert_true(made < len);
            }
        }
        assert_true(packed > 20);
        assert_int_equal(count(t.a)->packed, count(t.b)->unpacked);
        assert_int_equal(count(t.a)->plain + count(t.a)->failed, count(t.b)->was_plain);
        assert_true(count(t.b)->was_plain > 20);
        assert_int_equal(count(t.b)->bad, 0);
        two_free(t);
    }
}

/* Short ones and those of noise go as they are; after some of noise fewer are tried, and after one that shrank all. */
static void t_never_longer(void **state)
{
    (void)state;
    struct two t = two_new(BY_ESP, COMP_DEFLATE, false, false), none = two_new(BY_ESP, COMP_NONE, false, false);
    u8 b[2048];
    u32 x = 1;
    u64 tried = 0;
    for (unsigned i = 0; i < 200; i++) {
        size_t len = a_ping(&t, b, 700);
        for (size_t k = 28; k < len; k++) {
            b[k] = (u8)((x = x * 1664525u + 1013904223u) >> 24);
        }
        put16(b + 22, 0);
        put16(b + 22, ip_fold(ip_sum(0, b + 20, len - 20)));
        assert_int_equal(over(&t, b, len), over(&none, b, len));
    }
    tried = count(t.a)->failed;
    assert_in_range(tried, 10, 20);
    assert_int_equal(count(t.a)->plain, 200 - tried);
    for (unsigned i = 0; i < 100; i++) {
        over(&t, b, a_ping(&t, b, 1200));
    }
    assert_in_range(count(t.a)->packed, 100 - 31, 100);
    u64 packed = count(t.a)->packed;
    over(&t, b, a_ping(&t, b, 89));
    assert_int_equal(count(t.a)->packed, packed);
    assert_int_equal(count(none.a)->plain + count(none.a)->failed + count(none.a)->packed, 0);
    two_free(t);
    two_free(none);
}

/* text: what a far end, which has the keys, puts into ESP: IPComp of whatever. */
static void text(struct two *t, const u8 *b, size_t len)
{
    static u32 seq;
    struct rig *w = rig_new(NULL); /* somebody without compression of its own, who sends what is given as transport mode */
    rig_crypto_map(w, t->v6, DF_COPY, false);
    struct dp_sa_value v = rig_sa_value(7, 0x1000, SA_OUT, MODE_TRANSPORT, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    u8 p[2048];
    struct ip_make m = {.proto = IPPROTO_IPCOMP_, .ttl = 64, .payload = (u16)len, .src = rig_addr(RIG_A4), .dst = rig_addr(RIG_B4)};
    unsigned at = ip_build(p, &m);
    memcpy(p + at, b, len);
    rig_sa(w, v);
    rig_find_sa(w, 0x1000, SA_OUT)->h.seq = seq += 1;
    rig_in(w, CRYPTO, p, at + len);
    rig_run(w);
    struct rig_pkt *out = rig_out(w, SEND4);
    assert_non_null(out);
    rig_in(t->b, RAW4_ESP, out->b, out->len);
    rig_run(t->b);
    rig_free(w);
}

static void t_what_is_wrong(void **state)
{
    (void)state;
    for (u8 comp = COMP_DEFLATE; comp <= COMP_LZS; comp++) {
        struct two t = two_new(BY_ESP, comp, false, false);
        u8 bomb[1400] = {IPPROTO_IPIP_, 0, CPI >> 8, CPI & 0xff};
        text(&t, bomb, 3); /* no whole header */
        assert_int_equal(rig_drops(t.b, DROP_IPCOMP), 1);
        assert_true(rig_said(t.b, "its header is cut short"));
        bomb[3] ^= 1;
        rig_quiet(t.b);
        text(&t, bomb, 40); /* another CPI */
        assert_int_equal(rig_drops(t.b, DROP_IPCOMP), 2);
        assert_true(rig_said(t.b, "another CPI"));
        bomb[3] ^= 1;
        text(&t, bomb, 4); /* nothing in it */
        assert_int_equal(rig_drops(t.b, DROP_IPCOMP), 3);
        memset(bomb + 4, comp == COMP_LZS ? 0xff : 0, sizeof bomb - 4); /* 1400 bytes that would be more than any packet, or none */
        text(&t, bomb, sizeof bomb);
        assert_int_equal(rig_drops(t.b, DROP_IPCOMP), 4);
        assert_int_equal(count(t.b)->bad, 4);
        assert_int_equal(count(t.b)->unpacked, 0);
        assert_null(rig_out(t.b, CRYPTO));
        two_free(t);
    }
}

/* Whatever was expanded is judged like anything that comes out of an SA: this one is of nobody whom it was negotiated for. */
static void t_is_judged(void **state)
{
    (void)state;
    struct two t = two_new(BY_ESP, COMP_LZS, false, false);
    u8 ping[128], b[256] = {IPPROTO_IPIP_, 0, CPI >> 8, CPI & 0xff};
    size_t len = rig_ping(ping, "10.9.0.1", "10.2.0.1", 100, false), n = 0;
    struct wr w = wr_init(b + 4, sizeof b - 4); /* LZS of literals: a zero bit and the byte, nine bits each; the end mark */
    u32 bits = 0;
    for (size_t i = 0; i < len; i++) {
        for (bits = bits << 9 | ping[i], n += 9; n >= 8; n -= 8) {
            wr_u8(&w, (u8)(bits >> (n - 8)));
        }
    }
    bits = bits << 9 | 0x180, n += 9;
    wr_u8(&w, (u8)(bits >> (n - 8)));
    wr_u8(&w, (u8)(bits << (16 - n)));
    struct dp_sa_value v = rig_sa_value(7, 0x1000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.comp = COMP_LZS, v.cpi = CPI;
    v.sel = (struct selector){.src = rig_net("10.1.0.0", 16), .dst = rig_net("10.2.0.0", 16), .sport_hi = 0xffff, .dport_hi = 0xffff};
    sa_del(t.b->dp, rig_find_sa(t.b, 0x1000, SA_IN));
    rig_sa(t.b, v);
    text(&t, b, 4 + wr_len(&w));
    assert_int_equal(count(t.b)->unpacked, 1);
    assert_int_equal(rig_drops(t.b, DROP_BAD_IDENTITY), 1);
    assert_null(rig_out(t.b, CRYPTO));
    two_free(t);
}

/* An SA with an algorithm nobody has, without its CPI, or around another, is none. */
static void t_refused(void **state)
{
    (void)state;
    static const struct {
        u8 comp, inside;
        u16 cpi;
    } bad[] = {{COMP_NUM, 0, 9}, {COMP_LZS, 0, 0}, {COMP_NONE, 0, 9}, {COMP_LZS, IPPROTO_ESP_, 9}};
    struct two t = two_new(BY_ESP, COMP_LZS, false, false);
    for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
        struct dp_sa_value v = rig_sa_value(7, 0x3000 + i, SA_IN, MODE_TRANSPORT, ENCR_NONE, HASH_SHA1, RIG_A4, RIG_B4);
        v.comp = bad[i].comp, v.cpi = bad[i].cpi, v.inside = bad[i].inside;
        rig_sa(t.b, v);
        assert_null(rig_find_sa(t.b, v.spi, SA_IN));
    }
    two_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_every_one), cmocka_unit_test(t_never_longer), cmocka_unit_test(t_what_is_wrong),
        cmocka_unit_test(t_is_judged), cmocka_unit_test(t_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
