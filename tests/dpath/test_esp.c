/*
 * test_esp.c: every cipher x authenticator x mode x family between two data planes, sealed by one
 * engine and opened by the other (RFC 4303), and the SA's own rules: replay, sequence numbers,
 * lifetimes, identities, malformed packets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "rig.h"

static void t_refused_algorithms(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    rig_crypto_map(r, false, DF_COPY, false);
    rig_sa(r, rig_sa_value(7, 1, SA_OUT, MODE_TUNNEL, ENCR_NULL, HASH_NONE, RIG_A4, RIG_B4));
    rig_sa(r, rig_sa_value(7, 2, SA_OUT, MODE_TUNNEL, ENCR_GCM128, HASH_SHA1, RIG_A4, RIG_B4));
    struct dp_sa_value v =
        rig_sa_value(7, 3, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.encr_key.len = 8;
    rig_sa(r, v);
    v = rig_sa_value(7, 4, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.encap_src.port = 4500; /* and none for the far end */
    rig_sa(r, v);
    v = rig_sa_value(7, 5, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.auth_key.len = 16;
    rig_sa(r, v);
    for (u32 spi = 1; spi <= 5; spi++) {
        assert_null(rig_find_sa(r, spi, SA_OUT));
    }
    assert_true(rig_said(r, "refused"));
    rig_free(r);
}

/* ---- one pair for the rules ------------------------------------------------------------------ */

struct two {
    struct rig *a, *b;
};

static struct two two_new(u8 mode, u8 encr, u8 auth)
{
    struct two t = {rig_new(NULL), rig_new(NULL)};
    rig_crypto_map(t.a, false, DF_COPY, false);
    rig_crypto_map(t.b, false, DF_COPY, false);
    rig_pair(t.a, t.b, mode, encr, auth, false);
    return t;
}

static void two_free(struct two t)
{
    assert_int_equal(t.a->dp->w.num_free + t.a->dp->w.num_held, POOL);
    assert_int_equal(t.b->dp->w.num_free + t.b->dp->w.num_held, POOL);
    rig_free(t.a);
    rig_free(t.b);
}

static void seal_ping(struct two *t, struct rig_pkt *out, size_t len)
{
    u8 b[2048];
    rig_ping(b, "10.1.0.1", "10.2.0.1", len, false);
    rig_in(t->a, CRYPTO, b, len);
    rig_run(t->a);
    struct rig_pkt *p = rig_out(t->a, SEND4);
    assert_non_null(p);
    *out = *p;
}

/* back_ping: b's answer, on the SA spi (0: whichever). */
static void back_ping(struct two *t, struct rig_pkt *out, u8 *b, u32 spi)
{
    rig_ping(b, "10.2.0.1", "10.1.0.1", 100, false);
    rig_in(t->b, CRYPTO, b, 100);
    rig_run(t->b);
    struct rig_pkt *p = rig_out(t->b, SEND4);
    assert_non_null(p);
    *out = *p;
    assert_true(!spi || be32(out->b + 20) == spi);
}

static bool opens(struct two *t, const struct rig_pkt *p)
{
    rig_in(t->b, RAW4_ESP, p->b, p->len);
    rig_run(t->b);
    return rig_out(t->b, CRYPTO) != NULL;
}

static void t_replay(void **state)
{
    (void)state;
    static struct rig_pkt p[130];
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    for (unsigned i = 0; i < 130; i++) {
        seal_ping(&t, &p[i], 100);
        assert_int_equal(be32(p[i].b + 24), i + 1); /* RFC 4303 2.2: starts at 1 */
    }
    assert_true(opens(&t, &p[0]));
    assert_false(opens(&t, &p[0]));
    assert_true(rig_said(t.b, "%CRYPTO-4-PKT_REPLAY_ERR: decrypt: replay check failed\n        "
                              "connection id=2001, sequence number=1"));
    assert_true(opens(&t, &p[99]));
    assert_true(opens(&t, &p[36]));  /* 100 - 63: the left edge */
    assert_false(opens(&t, &p[35])); /* one beyond */
    assert_false(opens(&t, &p[36]));
    assert_true(opens(&t, &p[98]));
    /* the same packet three times in one vector: one passes */
    for (unsigned i = 0; i < 3; i++) {
        rig_in(t.b, RAW4_ESP, p[110].b, p[110].len);
    }
    rig_in(t.b, RAW4_ESP, p[129].b, p[129].len);
    rig_run(t.b);
    assert_int_equal(rig_num_out(t.b, CRYPTO), 2);
    assert_int_equal(rig_drops(t.b, DROP_REPLAY), 5);
    rig_ctl(t.b, (struct dp_msg){.type = DP_GET_SAS, .tag = 5});
    const struct dp_msg *m = rig_told(t.b, DP_SA, 0);
    assert_non_null(m);
    assert_int_equal(m->tag, 5);
    two_free(t);
}

/* Extended numbers: what does not travel is guessed right wherever the window stands (RFC 4303 appendix A2.2), and the window
 * is the plain definition's, over the boundaries. */
static void t_replay_extended(void **state)
{
    (void)state;
    static const u16 windows[] = {1, 64, 1024, 4096};
    static const u64 starts[] = {1, 0xffffff00ull, 0x1ffffff00ull, 0xfffffffe00000000ull};
    for (unsigned k = 0; k < ARRAY_LEN(windows) * ARRAY_LEN(starts); k++) {
        static u64 ring[REPLAY_WORDS];
        static bool seen[100000];
        u64 first = starts[k / ARRAY_LEN(windows)], top = first;
        u16 window = windows[k % ARRAY_LEN(windows)];
        unsigned words = 2;
        while (words * 64u < window + 64u) {
            words *= 2;
        }
        memset(ring, 0, sizeof ring);
        memset(seen, 0, sizeof seen);
        struct sa_hot h = {.window = window, .esn = true, .ring_mask = (u16)(words - 1), .ring = ring,
                           .seq = (u32)first, .seq_hi = (u32)(first >> 32)};
        u32 x = 99;
        for (unsigned i = 0; i < 60000; i++) {
            x = x * 1664525 + 1013904223;
            u64 back = (x >> 8) % window, seq = top + 3 > first + back ? top + 3 - back : first + 1;
            seq = x >> 28 ? seq : top + 1 + (x & 31); /* now and then ahead */
            if (seq <= first || seq - first >= ARRAY_LEN(seen)) {
                continue;
            }
            assert_int_equal(replay_high(&h, (u32)seq), seq >> 32);
            bool want = !seen[seq - first] && (seq > top || top - seq < window);
            assert_int_equal(replay_check(&h, seq), want);
            assert_int_equal(replay_commit(&h, seq), want);
            seen[seq - first] = seen[seq - first] || want;
            top = MAX(top, want ? seq : 0);
        }
        assert_true(top > first + 100);
        assert_int_equal(sa_seq(&h), top);
    }
}

/* The half that does not travel is covered, and an SA goes on behind 2^32. */
static void t_extended_numbers(void **state)
{
    (void)state;
    static const u8 algs[][2] = {{ENCR_AES128, HASH_SHA1}, {ENCR_GCM128, HASH_NONE}, {ENCR_CCM256, HASH_NONE},
                                 {ENCR_CCM192, HASH_NONE}, {ENCR_GMAC128, HASH_NONE}, {ENCR_CTR256, HASH_XCBC}};
    for (unsigned k = 0; k < ARRAY_LEN(algs); k++) {
        struct rig_pkt p;
        rig_esn = true;
        struct two t = two_new(MODE_TUNNEL, algs[k][0], algs[k][1]);
        rig_esn = false;
        struct sa *out = rig_find_sa(t.a, 0x1000, SA_OUT), *in = rig_find_sa(t.b, 0x1000, SA_IN);
        out->h.seq = in->h.seq = UINT32_MAX - 1;
        seal_ping(&t, &p, 100);
        assert_true(opens(&t, &p));
        seal_ping(&t, &p, 100); /* number 0x1_0000_0000 */
        assert_int_equal(be32(p.b + 24), 0);
        in->h.seq_hi = 7; /* somebody who missed seven times 2^32 packets, or has them still before him */
        assert_false(opens(&t, &p));
        assert_int_equal(rig_drops(t.b, DROP_BAD_ICV), 1);
        in->h.seq_hi = 0;
        assert_true(opens(&t, &p));
        assert_false(opens(&t, &p));
        assert_int_equal(in->h.seq_hi, 1);
        rig_later(t.a, 1000);
        assert_null(rig_told(t.a, DP_EXPIRE, 0)); /* nothing runs out */
        out->h.seq = out->h.seq_hi = UINT32_MAX;
        u8 b[100];
        rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
        rig_in(t.a, CRYPTO, b, 100);
        rig_run(t.a);
        assert_null(rig_out(t.a, SEND4));
        assert_int_equal(rig_drops(t.a, DROP_SEQ_EXHAUSTED), 1);
        two_free(t);
    }
    struct rig *r = rig_new(NULL); /* without an ICV nothing covers the other half */
    struct dp_sa_value v = rig_sa_value(7, 1, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_NONE, RIG_A4, RIG_B4);
    v.esn = true;
    rig_sa(r, v);
    assert_null(rig_find_sa(r, 1, SA_OUT));
    rig_free(r);
}

/* Every window that can be configured, and none: what is still taken once a later packet came in. */
static void t_replay_windows(void **state)
{
    (void)state;
    static const u16 windows[] = {64, 65, 128, 256, 512, 1024, 4096, 0};
    static struct {
        u16 len;
        u8 b[160];
    } p[4097];
    for (unsigned k = 0; k < ARRAY_LEN(windows); k++) {
        struct two t = two_new(MODE_TUNNEL, ENCR_GCM128, HASH_NONE);
        struct dp_sa_value v =
            rig_sa_value(7, 0x1000, SA_IN, MODE_TUNNEL, ENCR_GCM128, HASH_NONE, RIG_A4, RIG_B4);
        unsigned window = windows[k], num = window ? window + 1 : 300;
        struct rig_pkt got;
        sa_del(t.b->dp, rig_find_sa(t.b, 0x1000, SA_IN));
        v.replay_window = (u16)window;
        rig_sa(t.b, v);
        for (unsigned i = 0; i < num; i++) {
            seal_ping(&t, &got, 60);
            p[i].len = got.len;
            assert_in_range(got.len, 1, sizeof p[i].b);
            memcpy(p[i].b, got.b, got.len);
        }
        unsigned taken = 0;
        for (unsigned i = num; i-- > 0;) { /* the last first: all of the window, then one too old */
            rig_in(t.b, RAW4_ESP, p[i].b, p[i].len);
            rig_run(t.b);
            taken += rig_out(t.b, CRYPTO) != NULL;
        }
        assert_int_equal(taken, window ? window : num);
        assert_int_equal(rig_drops(t.b, DROP_REPLAY), window ? 1 : 0);
        rig_in(t.b, RAW4_ESP, p[1].b, p[1].len);
        rig_run(t.b);
        assert_int_equal(rig_num_out(t.b, CRYPTO), window ? 0 : 1);
        two_free(t);
    }
}

/* The window against the plain definition: a set of numbers seen. */
static void t_replay_model(void **state)
{
    (void)state;
    static const u16 windows[] = {1, 32, 64, 65, 128, 1000, 1024, 4096};
    for (unsigned k = 0; k < ARRAY_LEN(windows); k++) {
        static u64 ring[REPLAY_WORDS];
        static bool seen[200000];
        memset(ring, 0, sizeof ring);
        memset(seen, 0, sizeof seen);
        unsigned words = 2;
        while (words * 64u < windows[k] + 64u) {
            words *= 2;
        }
        struct sa_hot h = {.window = windows[k], .ring_mask = (u16)(words - 1), .ring = ring};
        u32 top = 0, x = 12345;
        for (unsigned i = 0; i < 100000; i++) {
            x = x * 1664525 + 1013904223;
            u32 back = (x >> 8) % (windows[k] * 2u + 10), seq = top + 5 > back ? top + 5 - back : 1;
            if ((x & 0xfff) == 0) {
                seq = top + 300;
            }
            if (seq == 0 || seq >= ARRAY_LEN(seen)) {
                break;
            }
            bool want = !seen[seq] && (seq > top || top - seq < windows[k]);
            assert_int_equal(replay_check(&h, seq), want);
            assert_int_equal(replay_commit(&h, seq), want);
            seen[seq] = seen[seq] || want;
            top = MAX(top, want ? seq : 0);
        }
    }
}

static void t_forged_changes_nothing(void **state)
{
    (void)state;
    static const u8 algs[][2] = {{ENCR_AES128, HASH_SHA1},
                                 {ENCR_GCM128, HASH_NONE},
                                 {ENCR_3DES, HASH_MD5},
                                 {ENCR_NULL, HASH_SHA512}};
    for (unsigned k = 0; k < ARRAY_LEN(algs); k++) {
        struct two t = two_new(MODE_TUNNEL, algs[k][0], algs[k][1]);
        struct rig_pkt good, bad;
        seal_ping(&t, &good, 100);
        for (unsigned i = 24; i < good.len; i++) { /* every byte but the SPI: seq, IV, text, ICV */
            bad = good;
            bad.b[i] ^= 0x40;
            assert_false(opens(&t, &bad));
            assert_int_equal(rig_find_sa(t.b, 0x1000, SA_IN)->h.seq, 0);
        }
        assert_int_equal(rig_drops(t.b, DROP_BAD_ICV), good.len - 24);
        assert_int_equal(rig_find_sa(t.b, 0x1000, SA_IN)->h.packets, 0);
        assert_true(rig_said(t.b, "%CRYPTO-4-RECVD_PKT_MAC_ERR: decrypt: mac verify failed for "
                                  "connection id=2001 local=198.51.100.2 "
                                  "remote=198.51.100.1 spi=00001000 seqno="));
        rig_later(t.b, 1001);
        assert_true(rig_said(t.b, "more packets were dropped for this reason"));
        assert_true(opens(&t, &good));
        two_free(t);
    }
}

/* The IV of a counter mode never comes twice under one key (RFC 3686 2.1, RFC 4106 3.1, RFC 4309 3, RFC 4543 3.1): it counts
 * with the sequence number, from a start nobody knows. */
static void t_counting_iv(void **state)
{
    (void)state;
    for (u8 e = ENCR_GCM128; e < ENCR_NUM; e++) {
        struct two t = two_new(MODE_TUNNEL, e, encr_row(e)->icv_len ? HASH_NONE : HASH_SHA1);
        struct rig_pkt p;
        seal_ping(&t, &p, 100);
        u64 first = be64(p.b + 28);
        assert_true(first > 0xffff); /* random: 2^-48 that it is not */
        for (unsigned i = 1; i < 20; i++) {
            seal_ping(&t, &p, 100);
            assert_int_equal(be64(p.b + 28), first + i);
        }
        two_free(t);
    }
}

static void t_truncated(void **state)
{
    (void)state;
    static const u8 algs[][2] = {{ENCR_AES128, HASH_SHA1},
                                 {ENCR_GCM256, HASH_NONE},
                                 {ENCR_DES, HASH_NONE},
                                 {ENCR_NULL, HASH_MD5}};
    for (unsigned k = 0; k < ARRAY_LEN(algs); k++) {
        struct two t = two_new(MODE_TUNNEL, algs[k][0], algs[k][1]);
        struct rig_pkt good, bad;
        seal_ping(&t, &good, 90);
        for (unsigned len = 0; len < good.len; len++) {
            bad = good;
            bad.len = (u16)len;
            if (len >= 20) { /* the IP header agrees: ESP itself is short */
                put16(bad.b + 2, (u16)len);
                ip4_checksum_set(bad.b, 20);
            }
            assert_false(opens(&t, &bad));
        }
        u64 named = rig_drops(t.b, DROP_MALFORMED_IP) + rig_drops(t.b, DROP_MALFORMED_ESP) +
                    rig_drops(t.b, DROP_BAD_ICV) + rig_drops(t.b, DROP_BAD_PADDING) +
                    rig_drops(t.b, DROP_BAD_NEXT_HEADER);
        assert_int_equal(named, good.len);
        if (encr_row(algs[k][0])->icv_len || algs[k][1]) {
            assert_int_equal(rig_find_sa(t.b, 0x1000, SA_IN)->h.seq, 0);
        }
        assert_true(rig_said(t.b, "%ADIT-4-DROP: malformed ESP"));
        two_free(t);
    }
}

static unsigned told(struct rig *r, u32 type)
{
    unsigned n = 0;
    while (rig_told(r, type, n)) {
        n++;
    }
    return n;
}

/* unknown: ESP from src that b has no SA for; how often ike has been told by then. */
static unsigned unknown(struct two *t, struct rig_pkt *p, const char *src)
{
    struct addr a = rig_addr(src);
    u64 before = rig_drops(t->b, DROP_UNKNOWN_SPI);
    memcpy(p->b + 12, a.b, 4);
    ip4_checksum_set(p->b, IP4_HDR);
    assert_false(opens(t, p));
    assert_int_equal(rig_drops(t->b, DROP_UNKNOWN_SPI), before + 1);
    return told(t->b, DP_UNKNOWN_SPI);
}

static void del_sa(struct rig *r, u32 spi, u8 dir, const char *dst)
{
    struct dp_msg m = {.type = DP_DEL_SA};
    m.u.del = (struct dp_del_value){.spi = spi, .proto = 50, .dir = dir, .dst = rig_addr(dst)};
    dp_ctl(r->dp, FROM_IKE, &m, -1);
}

/* The far end may be faster than what ike says to us: a packet whose SA is on its way is looked at once more when ike has been
 * read, and only then dropped. */
static void t_sa_on_its_way(void **state)
{
    (void)state;
    for (int comes = 0; comes < 2; comes++) {
        struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
        struct rig_pkt p;
        seal_ping(&t, &p, 100);
        del_sa(t.b, 0x1000, SA_IN, RIG_B4);
        rig_in(t.b, RAW4_ESP, p.b, p.len);
        assert_int_equal(dp_run(t.b->dp), 1);
        assert_int_equal(rig_drops(t.b, DROP_UNKNOWN_SPI), 0);
        if (comes) {
            rig_sa(t.b, rig_sa_value(7, 0x1000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4,
                                     RIG_B4));
        }
        assert_int_equal(dp_run(t.b->dp), 1);
        assert_int_equal(rig_drops(t.b, DROP_UNKNOWN_SPI), !comes);
        assert_int_equal(rig_out(t.b, CRYPTO) != NULL, comes);
        assert_int_equal(dp_run(t.b->dp), 0);
        two_free(t);
    }
}

/* linger: the peer has deleted what b takes in on; what is under way has two seconds. */
static void linger(struct rig *b)
{
    struct dp_msg m = {.type = DP_DEL_SA};
    m.u.del = (struct dp_del_value){
        .spi = 0x1000, .proto = 50, .dir = SA_IN, .linger_ms = 2000, .dst = rig_addr(RIG_B4)};
    dp_ctl(b->dp, FROM_IKE, &m, -1);
}

/* What a peer sent before its data plane heard of the Delete it said is taken in for a while, and no longer; nobody is told
 * of such an SA. */
static void t_what_is_under_way(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p[3];
    for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
        seal_ping(&t, &p[i], 100);
    }
    assert_true(opens(&t, &p[0]));
    linger(t.b);
    assert_true(opens(&t, &p[1]));
    unsigned sas = told(t.b, DP_SA);
    dp_ctl(t.b->dp, FROM_IKE, &(struct dp_msg){.type = DP_GET_SAS}, -1);
    assert_int_equal(told(t.b, DP_SA), sas + 1); /* the other half */
    rig_later(t.b, 4000);
    assert_false(opens(&t, &p[2]));
    assert_int_equal(rig_drops(t.b, DROP_UNKNOWN_SPI), 1);
    two_free(t);
}

/* one: b takes in on that SPI, too. False: it has no room, and says so. */
static bool one(struct rig *b, u32 spi)
{
    unsigned before = told(b, DP_SA_REFUSED);
    rig_sa(b, rig_sa_value(7, spi, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    bool has = rig_find_sa(b, spi, SA_IN) != NULL;
    assert_int_equal(told(b, DP_SA_REFUSED) - before, !has);
    return has;
}

/* One that is needed has the place of one that is nobody's any more when there is no other, and
 * only then. */
static void t_needed_before_under_way(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p[2];
    for (unsigned i = 0; i < ARRAY_LEN(p); i++) {
        seal_ping(&t, &p[i], 100);
    }
    linger(t.b);
    rig_quiet(t.b);
    for (u32 i = 2; i < MAX_SAS; i++) { /* two are there */
        assert_true(one(t.b, 0x10000 + i));
    }
    assert_true(opens(&t, &p[0]));
    assert_true(one(t.b, 0x20000));
    assert_false(opens(&t, &p[1]));
    assert_false(one(t.b, 0x20001));
    two_free(t);
}

/* Told again it is somebody's: it does not go. */
static void t_under_way_told_again(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    seal_ping(&t, &p, 100);
    linger(t.b);
    assert_true(one(t.b, 0x1000));
    rig_later(t.b, 4000);
    assert_true(opens(&t, &p));
    two_free(t);
}

/* ike hears of the SPIs of far ends only, of each once a second: the configured one and the one the SAs are or were
 * with. All the others together are counted, and take nobody's place. */
static void t_unknown_spi(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    char stranger[32];
    seal_ping(&t, &p, 100);
    put32(p.b + 20, 0xd5e4b1f2);
    assert_int_equal(unknown(&t, &p, RIG_A4), 1); /* b's SAs are with it */
    assert_int_equal(unknown(&t, &p, RIG_A4), 1);
    assert_true(rig_said(
        t.b, "%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for "
             "destaddr=198.51.100.2, prot=50, spi=0xD5E4B1F2(3588534770), srcaddr=198.51.100.1"));
    const struct dp_msg *m = rig_told(t.b, DP_UNKNOWN_SPI, 0);
    assert_int_equal(m->u.unknown_spi.spi, 0xd5e4b1f2);
    assert_int_equal(addr_v4_host(&m->u.unknown_spi.src), 0xc6336401);
    for (unsigned i = 3; i < 40; i++) {
        snprintf(stranger, sizeof stranger, "198.51.100.%u", i);
        assert_int_equal(unknown(&t, &p, stranger), 1);
    }
    assert_int_equal(unknown(&t, &p, RIG_B4), 2); /* the flow's, by b's configuration */
    del_sa(t.b, 0x1000, SA_IN, RIG_B4);
    del_sa(t.b, 0x2000, SA_OUT, RIG_A4);
    rig_later(t.b, 1100);
    assert_int_equal(unknown(&t, &p, RIG_A4), 3); /* a Delete that was lost is said again */
    assert_int_equal(unknown(&t, &p, RIG_B4), 4);
    rig_crypto_map(t.b, false, DF_COPY, false); /* the same lines again */
    rig_later(t.b, 1100);
    assert_int_equal(unknown(&t, &p, RIG_A4), 5);
    rig_begin(t.b); /* the line goes, and with it both */
    rig_commit(t.b);
    rig_later(t.b, 1100);
    assert_int_equal(unknown(&t, &p, RIG_A4), 5);
    assert_int_equal(unknown(&t, &p, RIG_B4), 5);
    two_free(t);
}

/* The table of far ends is full of those of before; those of now have their place all the same. */
static void t_far_ends_of_before(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    rig_crypto_map(r, false, DF_COPY, false);
    for (u32 i = 1; i <= 40000; i++) {
        struct dp_sa_value v =
            rig_sa_value(7, 0x1000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
        v.src = addr_v4(0x0b000000 + i);
        v.encr_key.b[0] ^= 1 & i; /* another SA: the one before it goes */
        rig_sa(r, v);
        struct addr line = rig_addr(RIG_B4);
        assert_non_null(far_end_find(r->dp, &v.src));
        assert_non_null(far_end_find(r->dp, &line));
    }
    rig_free(r);
}

/* an SA of ike's that is not taken is told, so that it does not stand there as if it were up */
static void t_refused_sa_is_told(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    rig_crypto_map(r, false, DF_COPY, false);
    struct dp_msg m = {.type = DP_ADD_SA};
    m.u.sa = rig_sa_value(7, 0x1234, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    dp_ctl(r->dp, FROM_IKE, &m, -1);
    assert_null(rig_told(r, DP_SA_REFUSED, 0));
    m.u.sa.spi = 0x1235;
    m.u.sa.encr_key.len = 3;
    dp_ctl(r->dp, FROM_IKE, &m, -1);
    const struct dp_msg *no = rig_told(r, DP_SA_REFUSED, 0);
    assert_non_null(no);
    assert_int_equal(no->u.expire.spi, 0x1235);
    assert_int_equal(no->u.expire.flow, 7);
    assert_int_equal(no->u.expire.dir, SA_OUT);
    rig_free(r);
}

/* Addresses and prefixes that cannot be are refused and told: whoever asks for the SAs again (main, a
 * new ike) would take them for the word of a broken data plane. */
static void t_addresses_that_cannot_be(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        u8 bad;
    } row[] = {{offsetof(struct dp_sa_value, sel.src.len), 200},
               {offsetof(struct dp_sa_value, sel.src.len), 33},
               {offsetof(struct dp_sa_value, sel.dst.len), 33},
               {offsetof(struct dp_sa_value, sel.src.a.family), 77},
               {offsetof(struct dp_sa_value, sel.dst.a.family), 77},
               {offsetof(struct dp_sa_value, sel.dst.a.family), AF_NONE},
               {offsetof(struct dp_sa_value, encap_src.a.family), 77},
               {offsetof(struct dp_sa_value, encap_dst.a.family), 77},
               {offsetof(struct dp_sa_value, src.family), 77},
               {offsetof(struct dp_sa_value, dst.family), AF_NONE}};
    struct rig *r = rig_new(NULL);
    rig_crypto_map(r, false, DF_COPY, false);
    struct dp_msg m = {.type = DP_ADD_SA};
    for (unsigned i = 0; i <= ARRAY_LEN(row); i++) {
        m.u.sa = rig_sa_value(7, 0x1000 + i, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4,
                              RIG_B4);
        m.u.sa.sel.src = rig_net("10.1.0.0", 16);
        m.u.sa.sel.dst = rig_net("10.2.0.0", 32);
        rig_quiet(r);
        if (i < ARRAY_LEN(row)) {
            ((u8 *)&m.u.sa)[row[i].at] = row[i].bad;
        }
        dp_ctl(r->dp, FROM_IKE, &m, -1);
        assert_int_equal(rig_told(r, DP_SA_REFUSED, 0) != NULL, i < ARRAY_LEN(row));
    }
    rig_quiet(r);
    dp_ctl(r->dp, FROM_MAIN, &(struct dp_msg){.type = DP_GET_SAS}, -1);
    assert_non_null(rig_told(r, DP_SA, 0)); /* the last, which is right, and no other */
    assert_null(rig_told(r, DP_SA, 1));
    rig_free(r);
}

/* Nothing goes by the SAs of a flow for idle_s: told, and again after as long; packets of either way, or no SA, begin it anew. */
static void t_idleness_is_told(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    u8 b[200];
    for (unsigned s = 0; s < 200; s++) {
        rig_later(t.a, 1000);
    }
    assert_null(rig_told(t.a, DP_IDLE, 0)); /* nobody wants to know */
    flow_get(t.a->dp, 7)->val.idle_s = flow_get(t.b->dp, 7)->val.idle_s = 60;
    for (unsigned s = 0; s < 100; s++) {
        if (s < 30) {
            seal_ping(&t, &p, 100);
            rig_ping(b, "10.2.0.1", "10.1.0.1", 100, false);
        } else if (s < 35) { /* only what comes in */
            rig_in(t.b, CRYPTO, b, 100);
            rig_run(t.b);
            struct rig_pkt *back = rig_out(t.b, SEND4);
            rig_in(t.a, RAW4_ESP, back->b, back->len);
            rig_run(t.a);
        }
        rig_later(t.a, 1000);
        assert_int_equal(told(t.a, DP_IDLE), s >= 94);
    }
    assert_int_equal(rig_told(t.a, DP_IDLE, 0)->u.number, 7);
    for (unsigned s = 0; s < 60; s++) {
        rig_later(t.a, 1000);
    }
    assert_int_equal(told(t.a, DP_IDLE), 2);
    sa_del_flow(t.a->dp, flow_get(t.a->dp, 7));
    for (unsigned s = 0; s < 200; s++) {
        rig_later(t.a, 1000);
    }
    assert_int_equal(told(t.a, DP_IDLE), 2);
    two_free(t);
}

/* packets go out and nothing comes back: told after 20 s of traffic, not of idleness, and not when answered */
static void t_silence_is_told(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    rig_later(t.a, 60000);
    assert_null(rig_told(t.a, DP_SILENT, 0)); /* idle */
    for (unsigned s = 0; s < 60; s++) {
        seal_ping(&t, &p, 100);
        if (s < 30) { /* answered */
            u8 b[200];
            rig_ping(b, "10.2.0.1", "10.1.0.1", 100, false);
            rig_in(t.b, CRYPTO, b, 100);
            rig_run(t.b);
            struct rig_pkt *back = rig_out(t.b, SEND4);
            rig_in(t.a, RAW4_ESP, back->b, back->len);
            rig_run(t.a);
        }
        rig_later(t.a, 1000);
        assert_int_equal(rig_told(t.a, DP_SILENT, 0) != NULL, s >= 50);
    }
    assert_int_equal(rig_told(t.a, DP_SILENT, 0)->u.life.flow, 7);
    assert_int_equal(rig_told(t.a, DP_SILENT, 0)->u.life.spi, 0x1000);
    assert_null(rig_told(t.a, DP_SILENT, 1));
    two_free(t);
}

/* ping_back: a packet under protection comes in at A. */
static void ping_back(struct two *t)
{
    u8 b[200];
    rig_ping(b, "10.2.0.1", "10.1.0.1", 100, false);
    rig_in(t->b, CRYPTO, b, 100);
    rig_run(t->b);
    struct rig_pkt *back = rig_out(t->b, SEND4);
    rig_in(t->a, RAW4_ESP, back->b, back->len);
    rig_run(t->a);
}

/* what comes in is told when nothing had come before, and else only as often as was asked for */
static void t_heard_is_told(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    for (unsigned s = 0; s < 30; s++) {
        seal_ping(&t, &p, 100);
        rig_later(t.a, 1000);
    }
    assert_int_equal(told(t.a, DP_SILENT), 1);
    assert_int_equal(told(t.a, DP_HEARD), 0);
    for (unsigned s = 0; s < 30; s++) {
        ping_back(&t);
        rig_later(t.a, 1000);
        assert_int_equal(told(t.a, DP_HEARD), 1);
    }
    assert_int_equal(rig_told(t.a, DP_HEARD, 0)->u.life.flow, 7);
    assert_int_equal(rig_told(t.a, DP_HEARD, 0)->u.life.spi, 0x2000);
    dp_ctl(t.a->dp, FROM_IKE, &(struct dp_msg){.type = DP_SET_HEARD, .u.number = 5}, -1);
    for (unsigned s = 0; s < 30; s++) {
        ping_back(&t);
        rig_later(t.a, 1000);
    }
    assert_in_range(told(t.a, DP_HEARD), 1 + 5, 1 + 6);
    unsigned before = told(t.a, DP_HEARD);
    rig_later(t.a, 60000); /* idle */
    assert_int_equal(told(t.a, DP_HEARD), before);
    two_free(t);
}

/* A flow has a pair with each of two peers. It sends to the second, from which nothing comes: that the first one sends on
 * is told for what it is, and does not hide it. */
static void t_silence_of_one_of_two(void **state)
{
    (void)state;
    static const char *const c4 = "198.51.100.3";
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    rig_sa(t.a, rig_sa_value(7, 0x3000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, c4));
    rig_sa(t.a, rig_sa_value(7, 0x4000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, c4, RIG_A4));
    dp_ctl(t.a->dp, FROM_IKE, &(struct dp_msg){.type = DP_SET_HEARD, .u.number = 5}, -1);
    for (unsigned s = 0; s < 30; s++) {
        seal_ping(&t, &p, 100);
        assert_int_equal(be32(p.b + 20), 0x3000);
        ping_back(&t); /* by 0x2000 */
        rig_later(t.a, 1000);
    }
    assert_int_equal(told(t.a, DP_SILENT), 1);
    assert_int_equal(rig_told(t.a, DP_SILENT, 0)->u.life.spi, 0x3000);
    unsigned heard = told(t.a, DP_HEARD);
    assert_in_range(heard, 5, 7);
    for (unsigned i = 0; i < heard; i++) {
        assert_int_equal(rig_told(t.a, DP_HEARD, i)->u.life.spi, 0x2000);
    }
    rig_sa(t.b, rig_sa_value(7, 0x4000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, c4, RIG_A4));
    ping_back(&t);
    rig_later(t.a, 1000);
    assert_int_equal(told(t.a, DP_HEARD), heard + 1);
    assert_int_equal(rig_told(t.a, DP_HEARD, heard)->u.life.spi, 0x4000);
    two_free(t);
}

/* Whoever goes on along with the traffic sends an old packet again and again: no sign of life, with the replay window off
 * as well. */
static void t_replay_is_no_life(void **state)
{
    (void)state;
    for (u16 window = 0; window <= 64; window += 64) {
        struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
        struct rig_pkt old, p;
        u8 b[200];
        struct dp_sa_value v =
            rig_sa_value(7, 0x2000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_B4, RIG_A4);
        del_sa(t.a, 0x2000, SA_IN, RIG_A4);
        v.replay_window = window;
        rig_sa(t.a, v);
        dp_ctl(t.a->dp, FROM_IKE, &(struct dp_msg){.type = DP_SET_HEARD, .u.number = 1}, -1);
        back_ping(&t, &old, b, 0x2000);
        for (unsigned s = 0; s < 30; s++) {
            seal_ping(&t, &p, 100);
            rig_in(t.a, RAW4_ESP, old.b, old.len);
            rig_run(t.a);
            rig_later(t.a, 1000);
        }
        assert_int_equal(rig_find_sa(t.a, 0x2000, SA_IN)->h.packets, window ? 1 : 30);
        assert_int_equal(told(t.a, DP_HEARD), 1); /* the first time it was new */
        assert_int_equal(told(t.a, DP_SILENT), 1);
        two_free(t);
    }
}

/* an engine that breaks down: the packets from the n-th on of a vector are not sealed */
static unsigned seals = UINT32_MAX;
void __real_bulk_seal(struct bulk *b, struct bulk_op *op, unsigned num);
void __wrap_bulk_seal(struct bulk *b, struct bulk_op *op, unsigned num);
void __wrap_bulk_seal(struct bulk *b, struct bulk_op *op, unsigned num)
{
    __real_bulk_seal(b, op, MIN(num, seals));
    for (unsigned i = seals; i < num; i++) {
        op[i].ok = false;
    }
}

/* what the engine did not seal does not leave: it would be clear text in an ESP packet */
static void t_unsealed_stays(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    u8 b[200];
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    for (unsigned i = 0; i < 3; i++) {
        rig_in(t.a, CRYPTO, b, 100);
    }
    seals = 1;
    rig_run(t.a);
    seals = UINT32_MAX;
    struct rig_pkt first = *rig_out(t.a, SEND4);
    assert_null(rig_out(t.a, SEND4));
    assert_int_equal(rig_drops(t.a, DROP_TX_ERROR), 2);
    assert_true(opens(&t, &first));
    two_free(t);
}

static void t_identity(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct dp_sa_value v =
        rig_sa_value(7, 0x1001, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.sel = (struct selector){.src = rig_net("10.1.0.0", 24),
                              .dst = rig_net("10.2.0.0", 24),
                              .sport_hi = 0xffff,
                              .dport_hi = 0xffff};
    rig_sa(t.b, v);
    v.dir = SA_OUT;
    rig_sa(t.a, v);
    struct rig_pkt p;
    seal_ping(&t, &p, 100);
    assert_true(opens(&t, &p));
    u8 b[200];
    rig_ping(b, "10.9.0.1", "10.2.0.1", 100, false); /* the peer sends what was not negotiated */
    rig_in(t.a, CRYPTO, b, 100);
    rig_run(t.a);
    assert_false(opens(&t, rig_out(t.a, SEND4)));
    assert_int_equal(rig_drops(t.b, DROP_BAD_IDENTITY), 1);
    assert_true(rig_said(
        t.b,
        "%CRYPTO-4-RECVD_PKT_INV_IDENTITY: identity doesn't match negotiated identity (ip) "
        "dest_addr= "
        "10.2.0.1, src_addr= 10.9.0.1, prot= 1, (ident) local=198.51.100.2, remote=198.51.100.1, "
        "local_proxy=10.2.0.0/255.255.255.0/0/0, remote_proxy=10.1.0.0/255.255.255.0/0/0"));
    /* ports and protocol: only TCP to port 80 */
    v.dir = SA_IN, v.spi = 0x1002, v.sel.proto = 6, v.sel.dport_lo = v.sel.dport_hi = 80;
    rig_sa(t.b, v);
    v.dir = SA_OUT;
    rig_sa(t.a, v);
    size_t n = rig_tcp_syn(b, "10.1.0.5", "10.2.0.5", 1460);
    rig_in(t.a, CRYPTO, b, n);
    rig_run(t.a);
    assert_true(opens(&t, rig_out(t.a, SEND4)));
    seal_ping(&t, &p, 100);
    assert_false(opens(&t, &p));
    two_free(t);
}

/* A packet that a lets out under an SA, which b looks at: does it come in? */
static bool let_in(struct two *t, const u8 *b, size_t len)
{
    rig_in(t->a, CRYPTO, b, len);
    rig_run(t->a);
    struct rig_pkt *p = rig_out(t->a, SEND4);
    assert_non_null(p);
    return opens(t, p);
}

/* select_for: both ends have a new pair; a lets everything out, b in what the selector says. */
static void select_for(struct two *t, u32 spi, struct selector s)
{
    struct dp_sa_value v =
        rig_sa_value(7, spi, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.sel = s;
    rig_sa(t->b, v);
    v.dir = SA_OUT;
    rig_sa(t->a, v);
}

/* Each thing a selector says is looked at (RFC 4301 5.2): both addresses, the protocol, both ends of both
 * ranges of ports; a fragment that shows no ports is not what was negotiated. */
static void t_identity_in_full(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct selector s = {.src = rig_net("10.1.0.0", 24),
                         .dst = rig_net("10.2.0.0", 24),
                         .proto = 1,
                         .sport_hi = 0xffff,
                         .dport_hi = 0xffff};
    u8 b[200];
    select_for(&t, 0x1001, s);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    assert_true(let_in(&t, b, 100));
    rig_ping(b, "10.1.0.1", "10.2.1.1", 100, false);
    assert_false(let_in(&t, b, 100));
    rig_ping(b, "10.1.1.1", "10.2.0.1", 100, false);
    assert_false(let_in(&t, b, 100));
    size_t n = rig_tcp_syn(b, "10.1.0.1", "10.2.0.1", 1460);
    assert_false(let_in(&t, b, n)); /* another protocol */
    u16 sport = be16(b + 20), dport = be16(b + 22);
    s.proto = 6;
    const struct {
        u16 slo, shi, dlo, dhi;
        bool in;
    } row[] = {{sport, sport, dport, dport, true},
               {0, (u16)(sport - 1), 0, 0xffff, false},
               {(u16)(sport + 1), 0xffff, 0, 0xffff, false},
               {0, 0xffff, 0, (u16)(dport - 1), false},
               {0, 0xffff, (u16)(dport + 1), 0xffff, false}};
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        s.sport_lo = row[i].slo, s.sport_hi = row[i].shi;
        s.dport_lo = row[i].dlo, s.dport_hi = row[i].dhi;
        select_for(&t, 0x1100 + i, s);
        assert_int_equal(let_in(&t, b, n), row[i].in);
    }
    s.sport_lo = 0, s.sport_hi = 0xfff0, s.dport_lo = 0, s.dport_hi = 0xfff0;
    select_for(&t, 0x1200, s);
    put16(b + 6, 0x0010); /* a later fragment: its ports came with the first one */
    ip4_checksum_set(b, IP4_HDR);
    assert_true(let_in(&t, b, n));
    put32(b + 12, 0x0b0b0b0b); /* of addresses that are not the SA's */
    ip4_checksum_set(b, IP4_HDR);
    assert_false(let_in(&t, b, n));
    two_free(t);
}

/* The slot of an SA that was removed holds no key, neither as it was given nor as the engine expanded
 * it. */
static void t_removed_keys_are_wiped(void **state)
{
    (void)state;
    static const u8 zero[sizeof(struct bulk_key)];
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct sa *sa = rig_find_sa(t.a, 0x1000, SA_OUT);
    assert_int_equal(sa->val.encr_key.len, 16);
    assert_memory_not_equal(&sa->key, zero, sizeof sa->key);
    rig_ctl(t.a,
            (struct dp_msg){
                .type = DP_DEL_SA,
                .u.del = {.spi = 0x1000, .proto = 50, .dir = SA_OUT, .dst = rig_addr(RIG_B4)}});
    assert_null(rig_find_sa(t.a, 0x1000, SA_OUT));
    assert_memory_equal(&sa->val.encr_key, zero, sizeof sa->val.encr_key);
    assert_memory_equal(&sa->val.auth_key, zero, sizeof sa->val.auth_key);
    assert_memory_equal(&sa->key, zero, sizeof sa->key);
    two_free(t);
}

/* Told again, an SA goes on with its numbers: a key never sees one twice. */
static void t_told_again(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    seal_ping(&t, &p, 100);
    rig_pair(t.a, t.b, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, false);
    struct rig_pkt old = p;
    assert_true(opens(&t, &p));
    seal_ping(&t, &p, 100);
    assert_int_equal(be32(p.b + 24), 2);
    rig_pair(t.a, t.b, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, false);
    assert_false(opens(&t, &old));
    two_free(t);
}

/* RFC 4301 5.1.2.1: the whole TOS byte or traffic class travels outside; bytes behind the end of a packet
 * do not travel at all. */
static void t_outer_tos_and_length(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct rig *r = rig_new(NULL);
        u8 b[200] = {0};
        rig_crypto_map(r, v6, DF_COPY, false);
        rig_sa(r, rig_sa_value(7, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1,
                               v6 ? RIG_A6 : RIG_A4, v6 ? RIG_B6 : RIG_B4));
        rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
        b[1] = 0xba;
        ip4_checksum_set(b, IP4_HDR);
        rig_in(r, CRYPTO, b, 100);
        rig_in(r, CRYPTO, b, 150);
        rig_run(r);
        struct rig_pkt *p = rig_out(r, v6 ? SEND6 : SEND4);
        assert_non_null(p);
        u16 len = p->len;
        assert_int_equal(v6 ? (be16(p->b) >> 4) & 0xff : p->b[1], 0xba);
        p = rig_out(r, v6 ? SEND6 : SEND4);
        assert_non_null(p);
        assert_int_equal(p->len, len);
        rig_free(r);
    }
}

/* RFC 4303 3.3.4: transport mode protects whole datagrams. */
static void t_no_fragments_under_transport(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TRANSPORT, ENCR_AES128, HASH_SHA1);
    u8 b[100];
    for (unsigned word = 0; word < 3; word++) {
        rig_ping(b, RIG_A4, RIG_B4, 100, false);
        put16(b + 6, word == 0 ? 0 : word == 1 ? IP4_MF : 4);
        ip4_checksum_set(b, IP4_HDR);
        rig_in(t.a, CRYPTO, b, 100);
        rig_run(t.a);
    }
    assert_int_equal(rig_num_out(t.a, SEND4), 1);
    assert_int_equal(rig_drops(t.a, DROP_FRAGMENT), 2);
    two_free(t);
}

/* No ICMP error answers an ICMP error, or a packet to many (RFC 1122 3.2.2, RFC 4443 2.4). */
static void t_no_errors_about_errors(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    static u8 b[1500];
    static const struct {
        const char *src, *dst;
        u8 type;
        bool told;
    } row[] = {{"10.1.0.1", "10.2.0.1", 8, true},   {"10.1.0.1", "10.2.0.1", 3, false},
               {"10.1.0.1", "10.2.0.1", 11, false}, {"10.1.0.1", "10.2.0.1", 13, true},
               {"10.1.0.1", "224.1.1.1", 8, false}, {"0.0.0.0", "10.2.0.1", 8, false},
               {"fd00::1", "fd00::2", 128, true},   {"fd00::1", "fd00::2", 1, false},
               {"fd00::1", "fd00::2", 3, false},    {"fd00::1", "ff0e::2", 128, true},
               {"ff02::1", "fd00::2", 128, false}};
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        rig_ping(b, row[i].src, row[i].dst, 1490, true);
        b[b[0] >> 4 == 4 ? 20 : 40] = row[i].type;
        rig_in(t.a, CRYPTO, b, 1490);
        rig_run(t.a);
        if ((rig_out(t.a, CRYPTO) != NULL) != row[i].told) {
            fail_msg("row %u", i);
        }
        assert_int_equal(rig_drops(t.a, DROP_TOO_BIG), i + 1);
    }
    two_free(t);
}

/* Bad insides under a right ICV: the peer itself is wrong. The reference engine seals what build
 * would never make. */
static void forge(struct two *t, struct rig_pkt *out, const u8 *text, u16 crypt, u32 seq)
{
    struct sa *sa = rig_find_sa(t->a, 0x1000, SA_OUT);
    u8 *esp = out->b + 20;
    put32(esp, 0x1000), put32(esp + 4, seq);
    memset(esp + 8, 0x5a, 16);
    memcpy(esp + 24, text, crypt);
    struct bulk_op op = {.key = &sa->key, .esp = esp, .crypt_len = crypt};
    bulk_seal(t->a->dp->w.bulk, &op, 1);
    out->len = (u16)(20 + 8 + 16 + crypt + 12);
    struct ip_make m = {.proto = 50,
                        .ttl = 9,
                        .payload = (u16)(out->len - 20),
                        .src = rig_addr(RIG_A4),
                        .dst = rig_addr(RIG_B4)};
    ip_build(out->b, &m);
}

/* What the window is for (RFC 4303 3.4.3): number 0 is nobody's first; without integrity, none is kept,
 * for a forged number would lock the real ones out. */
static void t_numbers_of_nobody(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    u8 x[48] = {0};
    rig_ping(x, "10.1.0.1", "10.2.0.1", 40, false);
    x[40] = 1, x[41] = 2, x[42] = 3, x[43] = 4, x[44] = 5, x[45] = 6, x[46] = 6, x[47] = 4;
    forge(&t, &p, x, 48, 0);
    assert_false(opens(&t, &p));
    assert_int_equal(rig_drops(t.b, DROP_REPLAY), 1);
    forge(&t, &p, x, 48, 1);
    assert_true(opens(&t, &p));
    two_free(t);
    struct two bare = two_new(MODE_TUNNEL, ENCR_AES128, HASH_NONE);
    seal_ping(&bare, &p, 100);
    assert_true(opens(&bare, &p));
    assert_true(opens(&bare, &p));
    assert_int_equal(rig_drops(bare.b, DROP_REPLAY), 0);
    two_free(bare);
}

static void t_bad_insides(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    u8 x[256] = {0};
    u32 seq = 1;
    rig_ping(x, "10.1.0.1", "10.2.0.1", 40, false);
    x[40] = 1, x[41] = 2, x[42] = 3, x[43] = 4, x[44] = 5, x[45] = 6, x[46] = 6, x[47] = 4;
    forge(&t, &p, x, 48, seq++);
    assert_true(opens(&t, &p));
    x[42] = 9; /* padding not 1 2 3 */
    forge(&t, &p, x, 48, seq++);
    assert_false(opens(&t, &p));
    assert_int_equal(rig_drops(t.b, DROP_BAD_PADDING), 1);
    x[42] = 3, x[46] = 200; /* pad length past the text */
    forge(&t, &p, x, 48, seq++);
    assert_false(opens(&t, &p));
    assert_int_equal(rig_drops(t.b, DROP_BAD_PADDING), 2);
    x[46] = 6, x[47] = 17; /* UDP in tunnel mode */
    forge(&t, &p, x, 48, seq++);
    assert_false(opens(&t, &p));
    assert_int_equal(rig_drops(t.b, DROP_BAD_NEXT_HEADER), 1);
    x[47] = 41; /* says IPv6, is IPv4 */
    forge(&t, &p, x, 48, seq++);
    assert_false(opens(&t, &p));
    x[47] = 4, x[2] = 9; /* inner total length past the end */
    forge(&t, &p, x, 48, seq++);
    assert_false(opens(&t, &p));
    assert_int_equal(rig_drops(t.b, DROP_MALFORMED_IP), 2);
    x[47] = 59; /* dummy: dropped without a word */
    rig_quiet(t.b);
    forge(&t, &p, x, 48, seq++);
    assert_false(opens(&t, &p));
    assert_true(t.b->text.len == 0);
    x[47] = 4, x[2] = 0; /* traffic flow padding behind the inner packet */
    x[3] = 40, x[40] = 0xaa, x[46] = 0;
    forge(&t, &p, x, 48, seq++);
    rig_in(t.b, RAW4_ESP, p.b, p.len);
    rig_run(t.b);
    struct rig_pkt *o = rig_out(t.b, CRYPTO);
    assert_non_null(o);
    assert_int_equal(o->len, 40);
    put16(p.b + 6, IP4_MF); /* a fragment on a raw socket */
    ip4_checksum_set(p.b, 20);
    assert_false(opens(&t, &p));
    assert_int_equal(rig_drops(t.b, DROP_FRAGMENT), 1);
    two_free(t);
}

static void t_sequence_ends(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    struct sa *sa = rig_find_sa(t.a, 0x1000, SA_OUT);
    sa->h.seq = UINT32_MAX - 1;
    seal_ping(&t, &p, 100);
    assert_int_equal(be32(p.b + 24), UINT32_MAX);
    assert_true(opens(&t, &p));
    u8 b[200];
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    rig_in(t.a, CRYPTO, b, 100);
    rig_run(t.a);
    assert_int_equal(rig_num_out(t.a, SEND4), 0);
    assert_int_equal(rig_drops(t.a, DROP_SEQ_EXHAUSTED), 1);
    assert_int_equal(sa->drops[DROP_SEQ_EXHAUSTED], 1);
    assert_true(rig_told(t.a, DP_EXPIRE, 0)->u.expire.hard);
    rig_in(t.a, CRYPTO, b, 100); /* no SA any more: asked for */
    rig_run(t.a);
    assert_non_null(rig_told(t.a, DP_ACQUIRE, 0));
    two_free(t);
}

static void t_volume(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct dp_sa_value v =
        rig_sa_value(7, 0x1005, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.soft_kb = 2, v.hard_kb = 3;
    rig_sa(t.a, v);
    struct rig_pkt p;
    for (unsigned i = 0; i < 2; i++) {
        seal_ping(&t, &p, 1000);
    }
    assert_null(rig_told(t.a, DP_EXPIRE, 0));
    seal_ping(&t, &p, 1000); /* 3000 > 2048 */
    assert_non_null(rig_told(t.a, DP_EXPIRE, 0));
    assert_false(rig_told(t.a, DP_EXPIRE, 0)->u.expire.hard);
    assert_int_equal(rig_told(t.a, DP_EXPIRE, 0)->u.expire.spi, 0x1005);
    u8 b[1000];
    rig_ping(b, "10.1.0.1", "10.2.0.1", 1000, false);
    rig_in(t.a, CRYPTO, b, 1000);
    rig_run(t.a);
    assert_int_equal(rig_num_out(t.a, SEND4), 0);
    assert_true(rig_told(t.a, DP_EXPIRE, 1)->u.expire.hard);
    assert_int_equal(rig_drops(t.a, DROP_LIFE_EXPIRED), 1);
    seal_ping(&t, &p, 1000); /* falls back to the older SA */
    assert_int_equal(be32(p.b + 20), 0x1000);
    two_free(t);
}

static void t_seconds(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct dp_sa_value v =
        rig_sa_value(7, 0x1006, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.hard_s = 60;
    rig_sa(t.b, v);
    v.dir = SA_OUT;
    rig_sa(t.a, v);
    struct rig_pkt p, q;
    seal_ping(&t, &p, 100);
    seal_ping(&t, &q, 100);
    rig_later(t.b, 59000);
    assert_true(opens(&t, &p));
    rig_later(t.b, 1100);
    assert_true(rig_told(t.b, DP_EXPIRE, 0)->u.expire.hard);
    assert_false(opens(&t, &q));
    assert_int_equal(rig_drops(t.b, DROP_LIFE_EXPIRED), 1);
    rig_later(t.b, 61000);
    assert_null(rig_find_sa(t.b, 0x1006, SA_IN)); /* nobody took it away */
    two_free(t);
}

static void t_newest_sa_then_older(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    rig_sa(t.a,
           rig_sa_value(7, 0x1007, SA_OUT, MODE_TUNNEL, ENCR_GCM128, HASH_NONE, RIG_A4, RIG_B4));
    seal_ping(&t, &p, 100);
    assert_int_equal(be32(p.b + 20), 0x1007);
    struct dp_msg m = {
        .type = DP_DEL_SA,
        .u.del = {.spi = 0x1007, .proto = 50, .dir = SA_OUT, .dst = rig_addr(RIG_B4)}};
    dp_ctl(t.a->dp, FROM_IKE, &m, -1);
    assert_null(rig_find_sa(t.a, 0x1007, SA_OUT));
    seal_ping(&t, &p, 100);
    assert_int_equal(be32(p.b + 20), 0x1000);
    assert_int_equal(be32(p.b + 24), 1);
    /* a new ike process tells the same SA again: the sequence number goes on */
    rig_sa(t.a,
           rig_sa_value(7, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    seal_ping(&t, &p, 100);
    assert_int_equal(be32(p.b + 24), 2);
    two_free(t);
}

/* A new pair waits until something came in on it, shows that it need not, or nothing else can carry. */
static void t_new_pair_waits(void **state)
{
    (void)state;
    enum { CONFIRMED, TIME_IS_UP, OLD_GONE, OLD_DEAD, WAYS };
    for (int way = 0; way < WAYS; way++) {
        struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
        struct rig_pkt p, back;
        struct dp_sa_value v = rig_sa_value(7, 0x1007, SA_OUT, MODE_TUNNEL, ENCR_GCM128, HASH_NONE,
                                            RIG_A4, RIG_B4);
        v.confirm_spi = 0x1008, v.confirm_ms = 6000;
        rig_sa(t.a, v);
        v = rig_sa_value(7, 0x1008, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_B4, RIG_A4);
        rig_sa(t.a, v);
        seal_ping(&t, &p, 100);
        assert_int_equal(be32(p.b + 20), 0x1000); /* the old one still */
        if (way == CONFIRMED) {
            u8 b[200];
            back_ping(&t, &back, b, 0); /* on the old pair: says nothing */
            rig_in(t.a, RAW4_ESP, back.b, back.len);
            rig_run(t.a);
            seal_ping(&t, &p, 100);
            assert_int_equal(be32(p.b + 20), 0x1000);
            v.dir = SA_OUT;
            rig_sa(t.b, v);
            back_ping(&t, &back, b, 0x1008);
            back.b[back.len - 1] ^= 1; /* forged: says nothing */
            rig_in(t.a, RAW4_ESP, back.b, back.len);
            rig_run(t.a);
            seal_ping(&t, &p, 100);
            assert_int_equal(be32(p.b + 20), 0x1000);
            back.b[back.len - 1] ^= 1;
            rig_in(t.a, RAW4_ESP, back.b, back.len);
            rig_run(t.a);
        } else if (way == TIME_IS_UP) {
            rig_later(t.a, 5000);
            seal_ping(&t, &p, 100);
            assert_int_equal(be32(p.b + 20), 0x1000);
            rig_later(t.a, 2000);
        } else if (way == OLD_GONE) {
            struct dp_msg m = {
                .type = DP_DEL_SA,
                .u.del = {.spi = 0x1000, .proto = 50, .dir = SA_OUT, .dst = rig_addr(RIG_B4)}};
            dp_ctl(t.a->dp, FROM_IKE, &m, -1);
        } else {
            sa_expire(t.a->dp, rig_find_sa(t.a, 0x1000, SA_OUT), true);
        }
        seal_ping(&t, &p, 100);
        assert_int_equal(be32(p.b + 20), 0x1007);
        two_free(t);
    }
}

static void t_hold_and_flush(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200];
    rig_crypto_map(r, false, DF_COPY, false);
    for (unsigned i = 0; i < DP_HOLD + 3; i++) {
        rig_ping(b, "10.1.0.1", "10.2.0.1", 100 + i, false);
        rig_in(r, CRYPTO, b, 100 + i);
    }
    rig_run(r);
    assert_int_equal(rig_num_out(r, SEND4), 0);
    assert_int_equal(rig_drops(r, DROP_NO_SA), 3);
    assert_non_null(rig_told(r, DP_ACQUIRE, 0));
    assert_null(rig_told(r, DP_ACQUIRE, 1));
    const struct selector *s = &rig_told(r, DP_ACQUIRE, 0)->u.acquire.packet;
    assert_int_equal(rig_told(r, DP_ACQUIRE, 0)->u.acquire.flow, 7);
    assert_int_equal(s->proto, 1);
    assert_int_equal(s->src.len, 32);
    rig_later(r, 500);
    assert_null(rig_told(r, DP_ACQUIRE, 1));
    rig_later(r, 600);
    assert_non_null(rig_told(r, DP_ACQUIRE, 1)); /* still waiting: asked again */
    rig_sa(r, rig_sa_value(7, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_NULL, HASH_SHA1, RIG_A4, RIG_B4));
    assert_int_equal(rig_num_out(r, SEND4), DP_HOLD);
    for (unsigned i = 0; i < DP_HOLD; i++) {
        struct rig_pkt *p = rig_out(r, SEND4);
        assert_int_equal(be32(p->b + 24), i + 1);
        assert_int_equal(be16(p->b + 28 + 2), 100 + i); /* in the order they came */
    }
    assert_int_equal(r->dp->w.num_free, POOL);
    rig_free(r);
}

static void t_hold_times_out(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200];
    rig_crypto_map(r, false, DF_COPY, false);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    rig_in(r, CRYPTO, b, 100);
    rig_run(r);
    rig_later(r, 29000);
    assert_int_equal(r->dp->w.num_held, 1);
    rig_later(r, 1001);
    assert_int_equal(r->dp->w.num_held, 0);
    assert_int_equal(rig_drops(r, DROP_HELD_TIMEOUT), 1);
    rig_ctl(r, (struct dp_msg){.type = DP_GET_FLOWS});
    assert_int_equal(rig_told(r, DP_FLOW, 0)->u.flow_info.send_errors, 1);
    rig_free(r);
}

static void t_generation_keeps_sas(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct rig_pkt p;
    seal_ping(&t, &p, 100);
    rig_crypto_map(t.a, false, DF_SET, false); /* the same flow, told again with another DF rule */
    seal_ping(&t, &p, 100);
    assert_int_equal(be32(p.b + 24), 2);
    assert_true(be16(p.b + 6) & IP4_DF);
    assert_true(opens(&t, &p));
    rig_begin(t.a); /* the line is gone */
    rig_commit(t.a);
    assert_null(rig_find_sa(t.a, 0x1000, SA_OUT));
    assert_null(rig_find_sa(t.a, 0x2000, SA_IN));
    assert_true(rig_told(t.a, DP_EXPIRE, 0)->u.expire.hard);
    two_free(t);
}

static void t_ivs_never_repeat(void **state)
{
    (void)state;
    enum { N = 1000 };
    static const u8 algs[][2] = {{ENCR_DES, HASH_SHA1},
                                 {ENCR_3DES, HASH_SHA1},
                                 {ENCR_AES128, HASH_SHA1},
                                 {ENCR_GCM128, HASH_NONE},
                                 {ENCR_GCM256, HASH_NONE}};
    static u8 iv[N][16];
    for (unsigned a = 0; a < ARRAY_LEN(algs); a++) {
        struct two t = two_new(MODE_TUNNEL, algs[a][0], algs[a][1]);
        size_t len = encr_row(algs[a][0])->iv_len;
        struct rig_pkt p;
        assert_true(len == 8 || len == 16);
        for (unsigned i = 0; i < N; i++) {
            seal_ping(&t, &p, 60);
            memcpy(iv[i], p.b + 28, len);
            for (unsigned k = 0; k < i; k++) {
                assert_memory_not_equal(iv[i], iv[k], len);
            }
        }
        two_free(t);
    }
}

/* ---- size ------------------------------------------------------------------------------------ */

static void t_df_copy_too_big(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    u8 b[1500];
    rig_ctl(t.a, (struct dp_msg){.type = DP_GET_FLOWS});
    u16 mtu = rig_told(t.a, DP_FLOW, 0)->u.flow_info.plaintext_mtu;
    assert_int_equal(mtu, (1500 - 20 - 8 - 16 - 12) / 16 * 16 - 2);
    rig_ping(b, "10.1.0.1", "10.2.0.1", mtu, true);
    rig_in(t.a, CRYPTO, b, mtu);
    rig_run(t.a);
    struct rig_pkt *p = rig_out(t.a, SEND4);
    assert_true(p->len <= 1500 && p->len > 1500 - 16);
    assert_true(be16(p->b + 6) & IP4_DF);
    rig_ping(b, "10.1.0.1", "10.2.0.1", mtu + 1, true);
    rig_in(t.a, CRYPTO, b, mtu + 1);
    rig_run(t.a);
    assert_int_equal(rig_num_out(t.a, SEND4), 0);
    p = rig_out(t.a, CRYPTO); /* fragmentation needed, RFC 1191 */
    assert_non_null(p);
    assert_int_equal(p->b[20], 3);
    assert_int_equal(p->b[21], 4);
    assert_int_equal(be16(p->b + 26), mtu);
    assert_memory_equal(p->b + 28, b, 28);
    assert_memory_equal(p->b + 16, b + 12, 4);
    assert_true(rig_l4_checksum_ok(p->b));
    assert_int_equal(rig_drops(t.a, DROP_TOO_BIG), 1);
    /* IPv6: packet too big */
    rig_ping(b, "fd00::1", "fd00::2", 1490, false);
    rig_in(t.a, CRYPTO, b, 1490);
    rig_run(t.a);
    p = rig_out(t.a, CRYPTO);
    assert_non_null(p);
    assert_int_equal(p->b[40], 2);
    assert_int_equal(be32(p->b + 44), mtu);
    assert_true(p->len <= 1280);
    assert_true(rig_l4_checksum_ok(p->b));
    two_free(t);
}

/* Joins IPv4 fragments of one datagram; the lengths must fit exactly. */
static size_t join(struct rig *r, unsigned port, u8 *out, u16 max)
{
    size_t total = 20;
    for (struct rig_pkt *p = rig_out(r, port); p; p = rig_out(r, port)) {
        unsigned off = (be16(p->b + 6) & IP4_OFF) * 8u;
        assert_true(p->len <= max);
        assert_int_equal(ip_fold(ip_sum(0, p->b, 20)), 0);
        memcpy(out + 20 + off, p->b + 20, p->len - 20u);
        if (off == 0) {
            memcpy(out, p->b, 20);
        }
        total = MAX(total, 20 + off + p->len - 20u);
        if (rig_num_out(r, port) == 0) {
            assert_false(be16(p->b + 6) & IP4_MF);
        } else {
            assert_true(be16(p->b + 6) & IP4_MF);
        }
    }
    put16(out + 2, (u16)total);
    put16(out + 6, 0);
    ip4_checksum_set(out, 20);
    return total;
}

static void t_fragment_before(void **state)
{
    (void)state;
    struct two t = two_new(MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    static u8 b[4000], got[4000];
    rig_ping(b, "10.1.0.1", "10.2.0.1", 3000, false);
    rig_in(t.a, CRYPTO, b, 3000);
    rig_run(t.a);
    assert_int_equal(rig_num_out(t.a, SEND4), 3);
    for (unsigned i = 0; i < 3; i++) { /* each is a whole ESP packet of its own */
        struct rig_pkt *p = rig_out(t.a, SEND4);
        assert_true(p->len <= 1500);
        assert_int_equal(be32(p->b + 24), i + 1);
        assert_int_equal(be16(p->b + 6) & (IP4_MF | IP4_OFF), 0);
        rig_in(t.b, RAW4_ESP, p->b, p->len);
    }
    rig_run(t.b);
    assert_int_equal(join(t.b, CRYPTO, got, 1438), 3000);
    assert_memory_equal(got + 20, b + 20, 2980);
    two_free(t);
}

static void t_fragment_after(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 3;
         k++) { /* after-encryption; transport mode; df-bit clear with DF set */
        u8 mode = k == 1 ? MODE_TRANSPORT : MODE_TUNNEL;
        struct two t = two_new(mode, ENCR_AES128, HASH_SHA1);
        static u8 b[4000], got[4000];
        rig_crypto_map(t.a, false, k == 2 ? DF_CLEAR : DF_COPY, k == 0);
        rig_ping(b, k == 1 ? RIG_A4 : "10.1.0.1", k == 1 ? RIG_B4 : "10.2.0.1", 3000, k == 2);
        rig_in(t.a, CRYPTO, b, 3000);
        rig_run(t.a);
        assert_int_equal(rig_num_out(t.a, SEND4), 3);
        size_t n = join(t.a, SEND4, got, 1500);
        rig_in(t.b, RAW4_ESP, got, n); /* the kernel reassembled it */
        rig_run(t.b);
        struct rig_pkt *p = rig_out(t.b, CRYPTO);
        assert_non_null(p);
        assert_int_equal(p->len, 3000);
        assert_memory_equal(p->b + 20, b + 20, 2980);
        two_free(t);
    }
}

/* Before the first generation nobody knows what is protected: not one packet is read. */
static void t_nothing_before_commit(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[100];
    int fd;
    r->dp->committed = false;
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    rig_in(r, CRYPTO, b, 100);
    rig_run(r);
    assert_int_equal(r->in[CRYPTO].num, 1);
    assert_int_equal(dp_poll_fds(r->dp, &fd, 1), 0);
    rig_begin(r);
    rig_commit(r);
    rig_run(r);
    assert_int_equal(r->in[CRYPTO].num, 0);
    assert_int_equal(rig_num_out(r, PASS4) + rig_num_out(r, SEND4) + rig_num_out(r, OPEN4), 0);
    assert_int_equal(rig_drops(r, DROP_UNMATCHED), 1);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_refused_algorithms),
        cmocka_unit_test(t_refused_sa_is_told),
        cmocka_unit_test(t_addresses_that_cannot_be),
        cmocka_unit_test(t_silence_is_told),
        cmocka_unit_test(t_idleness_is_told),
        cmocka_unit_test(t_heard_is_told),
        cmocka_unit_test(t_silence_of_one_of_two),
        cmocka_unit_test(t_replay_is_no_life),
        cmocka_unit_test(t_unsealed_stays),
        cmocka_unit_test(t_identity_in_full),
        cmocka_unit_test(t_numbers_of_nobody),
        cmocka_unit_test(t_removed_keys_are_wiped),
        cmocka_unit_test(t_told_again),
        cmocka_unit_test(t_outer_tos_and_length),
        cmocka_unit_test(t_no_fragments_under_transport),
        cmocka_unit_test(t_no_errors_about_errors),
        cmocka_unit_test(t_replay),
        cmocka_unit_test(t_replay_model),
        cmocka_unit_test(t_replay_windows),
        cmocka_unit_test(t_replay_extended),
        cmocka_unit_test(t_extended_numbers),
        cmocka_unit_test(t_counting_iv),
        cmocka_unit_test(t_forged_changes_nothing),
        cmocka_unit_test(t_truncated),
        cmocka_unit_test(t_unknown_spi),
        cmocka_unit_test(t_sa_on_its_way),
        cmocka_unit_test(t_what_is_under_way),
        cmocka_unit_test(t_needed_before_under_way),
        cmocka_unit_test(t_under_way_told_again),
        cmocka_unit_test(t_far_ends_of_before),
        cmocka_unit_test(t_identity),
        cmocka_unit_test(t_bad_insides),
        cmocka_unit_test(t_sequence_ends),
        cmocka_unit_test(t_volume),
        cmocka_unit_test(t_seconds),
        cmocka_unit_test(t_newest_sa_then_older),
        cmocka_unit_test(t_new_pair_waits),
        cmocka_unit_test(t_hold_and_flush),
        cmocka_unit_test(t_hold_times_out),
        cmocka_unit_test(t_generation_keeps_sas),
        cmocka_unit_test(t_ivs_never_repeat),
        cmocka_unit_test(t_df_copy_too_big),
        cmocka_unit_test(t_fragment_before),
        cmocka_unit_test(t_fragment_after),
        cmocka_unit_test(t_nothing_before_commit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
