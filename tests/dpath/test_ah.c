/*
 * test_ah.c: AH (RFC 4302) and AH around ESP between two data planes: every ICV, mode and family, sealed by one engine and
 * opened by the other; what may change on the way and what may not; that a bundle comes in whole or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "rig.h"
#include "wire/ah.h"

struct two {
    struct rig *a, *b;
    bool v6;
};

static struct two two_new(bool v6, const char *ea, const char *eb)
{
    struct two t = {rig_new(ea), rig_new(eb), v6};
    rig_crypto_map(t.a, v6, DF_COPY, false);
    rig_crypto_map(t.b, v6, DF_COPY, false);
    return t;
}

static void two_free(struct two t)
{
    assert_int_equal(t.a->dp->w.num_free + t.a->dp->w.num_held, POOL);
    assert_int_equal(t.b->dp->w.num_free + t.b->dp->w.num_held, POOL);
    rig_free(t.a);
    rig_free(t.b);
}

/* sealed: what a makes of the packet. */
static struct rig_pkt sealed(struct two *t, const void *b, size_t len)
{
    rig_in(t->a, CRYPTO, b, len);
    rig_run(t->a);
    struct rig_pkt *p = rig_out(t->a, t->v6 ? SEND6 : SEND4);
    assert_non_null(p);
    return *p;
}

/* opens: b takes it; NULL: it does not. */
static struct rig_pkt *opens(struct two *t, const struct rig_pkt *p)
{
    rig_in(t->b, t->v6 ? RAW6_ESP : RAW4_ESP, p->b, p->len);
    rig_run(t->b);
    return rig_out(t->b, CRYPTO);
}

static size_t a_ping(u8 *b, bool v6, bool transport, size_t len)
{
    return transport ? rig_ping(b, v6 ? RIG_A6 : RIG_A4, v6 ? RIG_B6 : RIG_B4, len, false)
                     : rig_ping(b, v6 ? "fd00::1" : "10.1.0.1", v6 ? "fd00::2" : "10.2.0.1", len, false);
}

/* Of the whole packet: RFC 4302 2.6: whole words, of 8 bytes in IPv6. */
static size_t ah_len(u8 auth, bool v6)
{
    size_t icv[] = {[HASH_MD5] = 12, [HASH_SHA1] = 12, [HASH_SHA256] = 16, [HASH_SHA384] = 24, [HASH_SHA512] = 32},
           n = 12 + icv[auth];
    return v6 ? (n + 7) / 8 * 8 : n;
}

static void carry(const char *ea, const char *eb, u8 auth, u8 mode, bool v6, bool esn)
{
    struct two t = two_new(v6, ea, eb);
    rig_esn = esn;
    bool transport = mode == MODE_TRANSPORT;
    size_t outer = transport ? 0 : v6 ? 40 : 20;
    u8 b[2048];
    rig_pair(t.a, t.b, mode, ENCR_NONE, auth, v6);
    rig_esn = false;
    if (esn) { /* over the boundary */
        rig_find_sa(t.a, 0x1000, SA_OUT)->h.seq = rig_find_sa(t.b, 0x1000, SA_IN)->h.seq = UINT32_MAX - 9;
    }
    for (size_t len = 48; len < 1400; len += len < 70 ? 1 : 97) {
        a_ping(b, v6, transport, len);
        struct rig_pkt p = sealed(&t, b, len), *back;
        assert_int_equal(p.len, len + outer + ah_len(auth, v6));
        assert_int_equal(p.b[v6 ? 6 : 9], 51);
        assert_int_equal(p.b[v6 ? 40 : 20], transport ? (v6 ? 58 : 1) : v6 ? 41 : 4);
        assert_non_null(back = opens(&t, &p));
        assert_int_equal(back->len, len);
        assert_memory_equal(back->b, b, len);
        assert_null(opens(&t, &p)); /* a replay */
    }
    assert_int_equal(rig_drops(t.b, DROP_REPLAY), t.b->dp->flow[0].decaps);
    assert_int_equal(rig_find_sa(t.b, 0x1000, SA_IN)->h.seq_hi, esn);
    if (esn) {
        struct rig_pkt p = sealed(&t, b, a_ping(b, v6, transport, 100));
        rig_find_sa(t.b, 0x1000, SA_IN)->h.seq_hi = 5;
        assert_null(opens(&t, &p));
        assert_int_equal(rig_drops(t.b, DROP_BAD_ICV), 1);
        t.b->dp->flow[0].decaps++; /* counted below */
    }
    assert_int_equal(t.a->dp->flow[0].encaps, t.b->dp->flow[0].decaps);
    two_free(t);
}

static void t_every_one(void **state)
{
    (void)state;
    for (u8 auth = HASH_MD5; auth <= HASH_SHA512; auth++) {
        for (unsigned k = 0; k < 16; k++) {
            carry(k & 4 ? "mb" : "evp", k & 4 ? "evp" : "mb", auth, k & 1 ? MODE_TUNNEL : MODE_TRANSPORT,
                  k & 2, k & 8);
        }
    }
}

/* Every byte of a packet: those that routers change may (RFC 4302 3.3.3.1.1.1), no other may. */
static void t_what_may_change(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        bool v6 = k & 1, transport = k & 2;
        struct two t = two_new(v6, NULL, NULL);
        u8 b[256];
        u64 wrong = 0;
        rig_pair(t.a, t.b, transport ? MODE_TRANSPORT : MODE_TUNNEL, ENCR_NONE, HASH_SHA256, v6);
        size_t len = a_ping(b, v6, transport, 100), ah = v6 ? 40 : 20;
        struct rig_pkt good = sealed(&t, b, len);
        for (unsigned i = 0; i < good.len; i++) {
            struct rig_pkt bad = good;
            bool may = v6 ? (i == 1 || i == 2 || i == 3 || i == 7) : (i == 1 || i == 8 || i == 10 || i == 11);
            bool other = v6 ? (i == 0 || i == 4 || i == 5 || i == 6 || (i >= 24 && i < 40))
                            : i == 0 || i == 2 || i == 3 || i == 6 || i == 7 || i == 9 || (i >= 16 && i < 20);
            other = other || (i >= ah + 4 && i < ah + 8) || i == ah + 1; /* another SA, or none; the length of the ICV */
            bad.b[i] ^= i == 1 ? 0x04 : 0x20;
            if (may || other) {
                continue;
            }
            assert_null(opens(&t, &bad));
            assert_int_equal(rig_drops(t.b, DROP_BAD_ICV), ++wrong);
        }
        assert_true(wrong > 80);
        struct rig_pkt on_way = good;
        if (v6) {
            put32(on_way.b, 6u << 28 | 0x0a00000 | 0x12345);
            on_way.b[7] -= 9;
        } else {
            on_way.b[1] = 0x28;
            on_way.b[6] |= 0x40; /* DF */
            on_way.b[8] -= 9;
            ip4_checksum_set(on_way.b, 20);
        }
        assert_non_null(opens(&t, &on_way));
        two_free(t);
    }
}

/* RFC 4302 appendix A1: of the options some travel unchanged, the others are zero as a whole. */
static void t_options(void **state)
{
    (void)state;
    static const u8 options[] = {148, 4, 0, 0, /* router alert */ 68, 8, 5, 0, 1, 2, 3, 4 /* timestamp */};
    struct two t = two_new(false, NULL, NULL);
    u8 plain[200], b[256];
    size_t n = rig_ping(plain, RIG_A4, RIG_B4, 100, false), len = n + sizeof options;
    rig_pair(t.a, t.b, MODE_TRANSPORT, ENCR_NONE, HASH_SHA1, false);
    memcpy(b, plain, 20);
    memcpy(b + 20, options, sizeof options);
    memcpy(b + 20 + sizeof options, plain + 20, n - 20);
    b[0] = (u8)(0x45 + sizeof options / 4);
    put16(b + 2, (u16)len);
    ip4_checksum_set(b, 20 + sizeof options);
    struct rig_pkt p = sealed(&t, b, len), changed = p;
    assert_int_equal(p.b[32], 1); /* AH stands behind the options */
    changed.b[22] ^= 1;           /* router alert */
    assert_null(opens(&t, &changed));
    assert_int_equal(rig_drops(t.b, DROP_BAD_ICV), 1);
    put32(p.b + 28, 0xdeadbeef); /* a router wrote its time */
    ip4_checksum_set(p.b, 32);
    struct rig_pkt *back = opens(&t, &p);
    assert_non_null(back);
    assert_int_equal(back->len, len);
    assert_memory_equal(back->b + 32, b + 32, len - 32);
    /* a source route that is not at its end, and an option cut short, cannot be covered */
    b[20] = 131, b[21] = 7, b[22] = 4;
    ip4_checksum_set(b, 32);
    rig_in(t.a, CRYPTO, b, len);
    b[20] = 200, b[21] = 40;
    ip4_checksum_set(b, 32);
    rig_in(t.a, CRYPTO, b, len);
    rig_run(t.a);
    assert_null(rig_out(t.a, SEND4));
    assert_int_equal(rig_drops(t.a, DROP_MALFORMED_AH), 2);
    two_free(t);
}

/* RFC 4302 3.3.3.1.2: extension headers in front are covered, but for the data of options that say they change. */
static void t_extension_headers(void **state)
{
    (void)state;
    struct two t = two_new(true, NULL, NULL);
    u8 plain[200], b[256];
    size_t n = rig_ping(plain, RIG_A6, RIG_B6, 100, false), len = n + 16;
    rig_pair(t.a, t.b, MODE_TRANSPORT, ENCR_NONE, HASH_SHA256, true);
    static const u8 hop[16] = {58, 1, 5, 2, 0, 0, /* router alert */ 0x3e, 4, 1, 2, 3, 4, /* mutable */ 1, 2, 0, 0};
    memcpy(b, plain, 40);
    memcpy(b + 40, hop, 16);
    memcpy(b + 56, plain + 40, n - 40);
    b[6] = 0;
    put16(b + 4, (u16)(len - 40));
    struct rig_pkt p = sealed(&t, b, len), bad = p;
    assert_int_equal(p.b[40], 51);
    assert_int_equal(p.b[56], 58);
    bad.b[45] ^= 1;
    assert_null(opens(&t, &bad));
    assert_int_equal(rig_drops(t.b, DROP_BAD_ICV), 1);
    p.b[49] ^= 0xff; /* of the mutable option */
    struct rig_pkt *back = opens(&t, &p);
    assert_non_null(back);
    assert_int_equal(back->len, len);
    assert_memory_equal(back->b + 50, b + 50, len - 50);
    /* a routing header that is not at its end */
    b[6] = 43, b[41] = 1, b[43] = 1;
    rig_in(t.a, CRYPTO, b, len);
    rig_run(t.a);
    assert_null(rig_out(t.a, SEND6));
    assert_int_equal(rig_drops(t.a, DROP_MALFORMED_AH), 1);
    two_free(t);
}

static void t_truncated(void **state)
{
    (void)state;
    struct two t = two_new(false, NULL, NULL);
    u8 b[256];
    rig_pair(t.a, t.b, MODE_TUNNEL, ENCR_NONE, HASH_SHA1, false);
    struct rig_pkt good = sealed(&t, b, a_ping(b, false, false, 90)), bad;
    for (unsigned len = 20; len < good.len; len++) {
        bad = good;
        bad.len = (u16)len;
        put16(bad.b + 2, (u16)len);
        ip4_checksum_set(bad.b, 20);
        assert_null(opens(&t, &bad));
    }
    assert_int_equal(rig_drops(t.b, DROP_MALFORMED_AH), 24);
    assert_int_equal(rig_drops(t.b, DROP_BAD_ICV), good.len - 20u - 24u);
    for (unsigned words = 0; words < 256; words++) { /* the length of the header */
        bad = good;
        bad.b[21] = (u8)words;
        assert_true(words == 4u || !opens(&t, &bad));
    }
    assert_true(rig_said(t.b, "%ADIT-4-DROP: malformed AH"));
    assert_int_equal(rig_find_sa(t.b, 0x1000, SA_IN)->h.seq, 0);
    assert_non_null(opens(&t, &good));
    two_free(t);
}

/* The kernel writes an identification of its own where there is 0 (raw(7)), which AH does not cover. */
static void t_never_id_0(void **state)
{
    (void)state;
    struct two t = two_new(false, NULL, NULL);
    u8 b[256];
    rig_pair(t.a, t.b, MODE_TRANSPORT, ENCR_NONE, HASH_SHA1, false);
    t.a->dp->flow[0].ip_id = 0xffff;
    for (unsigned i = 0; i < 3; i++) {
        a_ping(b, false, true, 100);
        put16(b + 4, 0);
        ip4_checksum_set(b, 20);
        struct rig_pkt p = sealed(&t, b, 100);
        assert_int_not_equal(be16(p.b + 4), 0);
        assert_non_null(opens(&t, &p));
    }
    two_free(t);
}

static void t_fits(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        bool v6 = k & 1, transport = k & 2;
        struct two t = two_new(v6, NULL, NULL);
        u8 b[1600];
        rig_pair(t.a, t.b, transport ? MODE_TRANSPORT : MODE_TUNNEL, ENCR_NONE, HASH_SHA512, v6);
        size_t fits = 1500 - ah_len(HASH_SHA512, v6) - (transport ? 0 : v6 ? 40 : 20);
        assert_int_equal(rig_find_sa(t.a, 0x1000, SA_OUT)->h.plain_mtu, fits);
        assert_int_equal(sealed(&t, b, a_ping(b, v6, transport, fits)).len, 1500);
        two_free(t);
    }
}

/* GRE under tunnel protection by AH alone. */
static void t_gre(void **state)
{
    (void)state;
    for (u8 mode = MODE_TUNNEL; mode <= MODE_TRANSPORT; mode++) {
        struct rig *r[2] = {rig_new(NULL), rig_new(NULL)};
        u8 b[200];
        for (unsigned i = 0; i < 2; i++) {
            rig_begin(r[i]);
            rig_flow(r[i], (struct dp_flow_value){.flow = 7, .path_mtu = 1500, .local = rig_addr(i ? RIG_B4 : RIG_A4),
                                                  .peer = rig_addr(i ? RIG_A4 : RIG_B4)});
            rig_tunnel(r[i], (struct dp_tunnel_value){.port = TUN0, .flow = 7, .mode = TUN_GRE_IP, .mtu = 1400,
                                                      .ttl = 255, .path_mtu = 1500, .src = rig_addr(i ? RIG_B4 : RIG_A4),
                                                      .dst = rig_addr(i ? RIG_A4 : RIG_B4)});
            rig_commit(r[i]);
        }
        rig_pair(r[0], r[1], mode, ENCR_NONE, HASH_SHA1, false);
        for (unsigned i = 0; i < 5; i++) {
            rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
            rig_in(r[0], TUN0, b, 100);
            rig_run(r[0]);
            assert_int_equal(rig_num_out(r[0], SEND4), 1);
            assert_int_equal(rig_wire(r[0], r[1]), 1);
            struct rig_pkt *p = rig_out(r[1], TUN0);
            assert_non_null(p);
            assert_memory_equal(p->b, b, 100);
        }
        rig_free(r[0]);
        rig_free(r[1]);
    }
}

/* ---- bundles --------------------------------------------------------------------------------- */

static void t_bundle(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 8; k++) {
        bool v6 = k & 1, transport = k & 2;
        struct two t = two_new(v6, k & 4 ? "evp" : "mb", NULL);
        u8 b[1600];
        rig_esn = k & 4;
        rig_bundle(t.a, t.b, transport ? MODE_TRANSPORT : MODE_TUNNEL, ENCR_AES128, HASH_SHA1, HASH_SHA256, v6);
        rig_esn = false;
        for (size_t len = 60; len < 200; len++) {
            a_ping(b, v6, transport, len);
            struct rig_pkt p = sealed(&t, b, len), *back;
            size_t at = v6 ? 40 : 20;
            assert_int_equal(p.b[v6 ? 6 : 9], 51);
            assert_int_equal(p.b[at], 50);
            assert_int_equal(be32(p.b + at + 4), 0x1100);
            assert_int_equal(be32(p.b + at + ah_len(HASH_SHA256, v6)), 0x1000);
            assert_non_null(back = opens(&t, &p));
            assert_int_equal(back->len, len);
            assert_memory_equal(back->b, b, len);
        }
        assert_int_equal(t.a->dp->flow[0].encaps, 140);
        assert_int_equal(t.b->dp->flow[0].decaps, 140);
        assert_int_equal(rig_find_sa(t.b, 0x1100, SA_IN)->h.packets, 140);
        assert_int_equal(rig_find_sa(t.b, 0x1000, SA_IN)->h.packets, 140);
        size_t fits = rig_find_sa(t.a, 0x1000, SA_OUT)->h.plain_mtu;
        size_t made = sealed(&t, b, a_ping(b, v6, transport, fits)).len;
        assert_in_range(made, 1500 - 16, 1500);
        two_free(t);
    }
}

/* Half a bundle is none, whichever half. */
static void t_not_whole(void **state)
{
    (void)state;
    struct two t = two_new(false, NULL, NULL), other = two_new(false, NULL, NULL);
    u8 b[256];
    rig_bundle(t.a, t.b, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, HASH_SHA1, false);
    struct rig_pkt p = sealed(&t, b, a_ping(b, false, false, 100)), bad = p;
    /* ESP without the AH around it */
    memmove(bad.b + 20, bad.b + 44, bad.len - 44u);
    bad.len -= 24;
    bad.b[9] = 50;
    put16(bad.b + 2, bad.len);
    ip4_checksum_set(bad.b, 20);
    assert_null(opens(&t, &bad));
    assert_int_equal(rig_drops(t.b, DROP_BUNDLE), 1);
    assert_int_equal(rig_find_sa(t.b, 0x1000, SA_IN)->h.packets, 0);
    /* AH with something else inside, sealed by somebody who has its key */
    rig_sa(other.a, rig_sa_value(7, 0x1100, SA_OUT, MODE_TUNNEL, ENCR_NONE, HASH_SHA1, RIG_A4, RIG_B4));
    bad = sealed(&other, b, a_ping(b, false, false, 100));
    assert_null(opens(&t, &bad));
    assert_int_equal(rig_drops(t.b, DROP_BUNDLE), 2);
    assert_true(rig_said(t.b, "not the whole SA bundle"));
    /* AH around the ESP of a pair that was negotiated alone */
    struct dp_sa_value alone = rig_sa_value(7, 0x1000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    sa_del(t.b->dp, rig_find_sa(t.b, 0x1000, SA_IN));
    rig_sa(t.b, alone);
    p = sealed(&t, b, a_ping(b, false, false, 100));
    assert_null(opens(&t, &p));
    assert_int_equal(rig_drops(t.b, DROP_BUNDLE), 3);
    two_free(t);
    two_free(other);
}

/* What loses its outer SA sends nothing by the inner one alone: it asks for another, as without any. */
static void t_outer_gone(void **state)
{
    (void)state;
    struct two t = two_new(false, NULL, NULL);
    u8 b[256];
    rig_bundle(t.a, t.b, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, HASH_SHA1, false);
    (void)sealed(&t, b, a_ping(b, false, false, 100));
    sa_del(t.a->dp, rig_find_sa(t.a, 0x1100, SA_OUT));
    rig_in(t.a, CRYPTO, b, 100);
    rig_run(t.a);
    assert_null(rig_out(t.a, SEND4));
    assert_non_null(rig_told(t.a, DP_ACQUIRE, 0));
    assert_int_equal(t.a->dp->flow[0].held, 1);
    struct dp_sa_value ah = rig_sa_value(7, 0x1100, SA_OUT, MODE_TRANSPORT, ENCR_NONE, HASH_SHA1, RIG_A4, RIG_B4);
    ah.inside = 50;
    rig_sa(t.a, ah);
    struct rig_pkt *p = rig_out(t.a, SEND4); /* it waited */
    assert_non_null(p);
    assert_int_equal(p->b[9], 51);
    /* the outer one's numbers run out: nothing goes, and IKE is told of that SA */
    rig_find_sa(t.a, 0x1100, SA_OUT)->h.seq = UINT32_MAX;
    rig_in(t.a, CRYPTO, b, 100);
    rig_run(t.a);
    assert_null(rig_out(t.a, SEND4));
    assert_int_equal(rig_drops(t.a, DROP_SEQ_EXHAUSTED), 1);
    assert_int_equal(rig_told(t.a, DP_EXPIRE, 0)->u.expire.spi, 0x1100);
    two_free(t);
}

/* Values that cannot be are refused: AH with a cipher or without a hash, a bundle the other way round. */
static void t_refused(void **state)
{
    (void)state;
    struct two t = two_new(false, NULL, NULL);
    struct dp_sa_value v = rig_sa_value(7, 1, SA_OUT, MODE_TUNNEL, ENCR_NONE, HASH_NONE, RIG_A4, RIG_B4);
    rig_sa(t.a, v);
    v = rig_sa_value(7, 2, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.proto = 51;
    rig_sa(t.a, v);
    v = rig_sa_value(7, 3, SA_OUT, MODE_TUNNEL, ENCR_NONE, HASH_XCBC, RIG_A4, RIG_B4);
    rig_sa(t.a, v);
    v = rig_sa_value(7, 4, SA_OUT, MODE_TRANSPORT, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.inside = 51;
    rig_sa(t.a, v);
    v = rig_sa_value(7, 5, SA_OUT, MODE_TUNNEL, ENCR_NONE, HASH_SHA1, RIG_A4, RIG_B4);
    v.inside = 50; /* around ESP it has no header of its own */
    rig_sa(t.a, v);
    v = rig_sa_value(7, 6, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.with_proto = 47;
    rig_sa(t.a, v);
    for (u32 spi = 7; spi <= 8; spi++) { /* in UDP (RFC 3948) goes ESP alone */
        v = rig_sa_value(7, spi, SA_OUT, MODE_TUNNEL, spi == 7 ? ENCR_NONE : ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
        v.encap_src = (struct endpoint){v.src, 4500};
        v.encap_dst = (struct endpoint){v.dst, 4500};
        v.with_proto = spi == 7 ? 0 : 51;
        rig_sa(t.a, v);
    }
    for (u32 spi = 1; spi <= 8; spi++) {
        assert_null(rig_find_sa(t.a, spi, SA_OUT));
    }
    two_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_every_one),
        cmocka_unit_test(t_what_may_change),
        cmocka_unit_test(t_options),
        cmocka_unit_test(t_extension_headers),
        cmocka_unit_test(t_truncated),
        cmocka_unit_test(t_never_id_0),
        cmocka_unit_test(t_fits),
        cmocka_unit_test(t_gre),
        cmocka_unit_test(t_bundle),
        cmocka_unit_test(t_not_whole),
        cmocka_unit_test(t_outer_gone),
        cmocka_unit_test(t_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
