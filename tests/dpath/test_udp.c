/*
 * ESP in UDP (RFC 3948): its header on the wire and off it, what has no place there, checksums a NAT left wrong, and far ends
 * that move. Two data planes, a with 198.51.100.1 or its IPv6 address, b with .2; between them, where the test says so, a NAT.
 */
#include "rig.h"

#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { OUTSIDE = 14500 };

static struct dp_sa_value in_udp(struct dp_sa_value v, u16 from, u16 to)
{
    v.encap_src = (struct endpoint){v.src, from};
    v.encap_dst = (struct endpoint){v.dst, to};
    return v;
}

struct two {
    struct rig *a, *b;
};

/* pair: a sends under 0x1000 from 4500; b under 0x2000 to 4500. outside: the port b sees a with. */
static struct two pair(u8 mode, bool six, u16 outside)
{
    struct two t = {rig_new(NULL), rig_new(NULL)};
    const char *x = six ? RIG_A6 : RIG_A4, *y = six ? RIG_B6 : RIG_B4;
    rig_crypto_map(t.a, six, DF_COPY, false);
    rig_crypto_map(t.b, six, DF_COPY, false);
    rig_sa(t.b, in_udp(rig_sa_value(7, 0x1000, SA_IN, mode, ENCR_AES128, HASH_SHA1, x, y), outside, 4500));
    rig_sa(t.a, in_udp(rig_sa_value(7, 0x1000, SA_OUT, mode, ENCR_AES128, HASH_SHA1, x, y), 4500, 4500));
    rig_sa(t.a, in_udp(rig_sa_value(7, 0x2000, SA_IN, mode, ENCR_AES128, HASH_SHA1, y, x), 4500, 4500));
    rig_sa(t.b, in_udp(rig_sa_value(7, 0x2000, SA_OUT, mode, ENCR_AES128, HASH_SHA1, y, x), 4500, outside));
    return t;
}

static void pair_free(struct two t)
{
    assert_int_equal(t.a->dp->w.num_free + t.a->dp->w.num_held, POOL);
    assert_int_equal(t.b->dp->w.num_free + t.b->dp->w.num_held, POOL);
    rig_free(t.a);
    rig_free(t.b);
}

/* inner: an echo that the pair of that mode carries. */
static size_t inner(u8 *out, u8 mode, bool six, bool from_a, size_t len, bool df)
{
    const char *a = six ? (mode == MODE_TUNNEL ? "2001:db8:a::1" : RIG_A6) : (mode == MODE_TUNNEL ? "10.1.0.1" : RIG_A4);
    const char *b = six ? (mode == MODE_TUNNEL ? "2001:db8:b::1" : RIG_B6) : (mode == MODE_TUNNEL ? "10.2.0.1" : RIG_B4);
    return rig_ping(out, from_a ? a : b, from_a ? b : a, len, df);
}

static void t_both_ways(void **state)
{
    (void)state;
    for (unsigned k = 0; k < 4; k++) {
        u8 mode = k & 1 ? MODE_TRANSPORT : MODE_TUNNEL, m[2000];
        bool six = k & 2;
        struct two t = pair(mode, six, OUTSIDE);
        for (size_t len = 60; len < 1300; len += 13) {
            for (unsigned way = 0; way < 2; way++) {
                struct rig *from = way ? t.b : t.a, *to = way ? t.a : t.b;
                unsigned send = six ? SEND6 : SEND4, hlen = six ? IP6_HDR : IP4_HDR;
                size_t n = inner(m, mode, six, !way, len, false);
                rig_in(from, CRYPTO, m, n);
                rig_run(from);
                struct rig_pkt *p = rig_out(from, send);
                assert_non_null(p);
                assert_int_equal(p->b[six ? 6 : 9], 17);
                assert_int_equal(be16(p->b + hlen), 4500);
                assert_int_equal(be16(p->b + hlen + 2), way ? OUTSIDE : 4500);
                assert_int_equal(be16(p->b + hlen + 4), p->len - hlen);
                assert_int_equal(be32(p->b + hlen + 8), way ? 0x2000 : 0x1000);
                if (six) {
                    assert_true(rig_l4_checksum_ok(p->b)); /* none is refused by most */
                } else {
                    assert_int_equal(be16(p->b + hlen + 6), 0);
                }
                put16(p->b + hlen, way ? 4500 : OUTSIDE); /* the NAT, and its other half */
                put16(p->b + hlen + 2, 4500);
                rig_in(to, six ? RAW6_ESP : RAW4_ESP, p->b, p->len);
                rig_run(to);
                struct rig_pkt *back = rig_out(to, CRYPTO);
                assert_non_null(back);
                assert_int_equal(back->len, n);
                assert_memory_equal(back->b + hlen, m + hlen, n - hlen);
            }
        }
        assert_null(rig_told(t.b, DP_MOVED, 0));
        pair_free(t);
    }
}

/* An SA negotiated for UDP takes nothing without, and the other way round. */
static void t_encapsulation_differs(void **state)
{
    (void)state;
    u8 m[400], bare[400];
    struct two t = pair(MODE_TUNNEL, false, OUTSIDE), u = {rig_new(NULL), rig_new(NULL)};
    rig_crypto_map(u.a, false, DF_COPY, false);
    rig_crypto_map(u.b, false, DF_COPY, false);
    rig_pair(u.a, u.b, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, false);
    size_t n = inner(m, MODE_TUNNEL, false, true, 100, false);
    rig_in(t.a, CRYPTO, m, n);
    rig_run(t.a);
    struct rig_pkt *p = rig_out(t.a, SEND4);
    memcpy(bare, p->b, IP4_HDR); /* the same ESP without its UDP header */
    memcpy(bare + IP4_HDR, p->b + IP4_HDR + 8, p->len - IP4_HDR - 8u);
    bare[9] = 50;
    put16(bare + 2, (u16)(p->len - 8));
    put16(bare + 10, 0);
    ip4_checksum_set(bare, IP4_HDR);
    rig_in(t.b, RAW4_ESP, bare, p->len - 8u);
    rig_run(t.b);
    assert_int_equal(rig_drops(t.b, DROP_ENCAPS), 1);
    assert_null(rig_out(t.b, CRYPTO));
    rig_in(u.b, RAW4_ESP, p->b, p->len); /* and its SA has the same SPI and keys */
    rig_run(u.b);
    assert_int_equal(rig_drops(u.b, DROP_ENCAPS), 1);
    rig_in(u.b, RAW4_ESP, bare, p->len - 8u);
    rig_run(u.b);
    assert_non_null(rig_out(u.b, CRYPTO));
    pair_free(t);
    pair_free(u);
}

/* What comes by the port and is no ESP. */
static void t_no_esp(void **state)
{
    (void)state;
    struct two t = pair(MODE_TUNNEL, false, OUTSIDE);
    static const struct {
        u16 len, dport; /* len: UDP's */
        u8 first[4];
        enum dp_drop drop;
    } row[] = {
        {9, 4500, {0xff}, DROP_NONE},             /* a keepalive */
        {9, 4500, {0xfe}, DROP_MALFORMED_ESP},    /* one byte that is none */
        {8, 4500, {0}, DROP_MALFORMED_ESP},       /* nothing */
        {40, 4500, {0, 0, 0, 0}, DROP_NOT_FOR_US}, /* IKE's marker */
        {40, 500, {0, 0, 16, 0}, DROP_NOT_FOR_US},
        {40, 4500, {0, 0, 0x99, 0}, DROP_UNKNOWN_SPI},
        {15, 4500, {0, 0, 16, 0}, DROP_MALFORMED_ESP},
    };
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        u8 m[100] = {0};
        struct ip_make make = {.proto = 17, .ttl = 64, .payload = row[i].len, .src = rig_addr(RIG_A4), .dst = rig_addr(RIG_B4)};
        ip_build(m, &make);
        put16(m + 20, OUTSIDE), put16(m + 22, row[i].dport), put16(m + 24, row[i].len);
        memcpy(m + 28, row[i].first, 4);
        u64 before = rig_drops(t.b, row[i].drop), all = 0, after = 0;
        for (unsigned d = 1; d < DROP_NUM; d++) {
            all += rig_drops(t.b, (enum dp_drop)d);
        }
        rig_in(t.b, RAW4_ESP, m, 20u + row[i].len);
        rig_run(t.b);
        for (unsigned d = 1; d < DROP_NUM; d++) {
            after += rig_drops(t.b, (enum dp_drop)d);
        }
        assert_int_equal(after - all, row[i].drop != DROP_NONE);
        assert_int_equal(rig_drops(t.b, row[i].drop) - before, row[i].drop != DROP_NONE);
        if (row[i].len > 8) { /* a length that lies */
            u64 bad = rig_drops(t.b, DROP_MALFORMED_ESP);
            put16(m + 24, (u16)(row[i].len + 1));
            rig_in(t.b, RAW4_ESP, m, 20u + row[i].len);
            put16(m + 24, 7);
            rig_in(t.b, RAW4_ESP, m, 20u + row[i].len);
            rig_run(t.b);
            assert_int_equal(rig_drops(t.b, DROP_MALFORMED_ESP) - bad, 2);
        }
    }
    pair_free(t);
}

/* nat: the packet leaves the NAT: another source address and port. */
static void nat(u8 *m, const char *address, u16 port)
{
    struct addr a = rig_addr(address);
    memcpy(m + 12, a.b, 4);
    put16(m + 20, port);
    put16(m + 10, 0);
    ip4_checksum_set(m, IP4_HDR);
}

/* Transport mode: what TCP and UDP summed up had a's own address in it. */
static void t_checksums_are_mended(void **state)
{
    (void)state;
    struct two t = {rig_new(NULL), rig_new(NULL)};
    static const char outside[] = "203.0.113.9";
    u8 m[200];
    rig_crypto_map(t.a, false, DF_COPY, false);
    rig_crypto_map(t.b, false, DF_COPY, false);
    rig_sa(t.a, in_udp(rig_sa_value(7, 0x1000, SA_OUT, MODE_TRANSPORT, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4), 4500, 4500));
    rig_sa(t.b, in_udp(rig_sa_value(7, 0x1000, SA_IN, MODE_TRANSPORT, ENCR_AES128, HASH_SHA1, outside, RIG_B4), OUTSIDE, 4500));
    for (unsigned k = 0; k < 3; k++) { /* TCP; UDP; UDP without a checksum */
        size_t n = rig_tcp_syn(m, RIG_A4, RIG_B4, 1400);
        if (k) {
            m[9] = 17;
            put16(m + 24, (u16)(n - 20)), put16(m + 26, 0);
            put16(m + 10, 0);
            ip4_checksum_set(m, 20);
            if (k == 1) {
                put16(m + 26, ip_fold(ip_sum(ip_pseudo_sum(m, 17, (u32)n - 20), m + 20, n - 20)));
            }
        }
        rig_in(t.a, CRYPTO, m, n);
        rig_run(t.a);
        struct rig_pkt *p = rig_out(t.a, SEND4);
        assert_non_null(p);
        nat(p->b, outside, OUTSIDE);
        rig_in(t.b, RAW4_ESP, p->b, p->len);
        rig_run(t.b);
        p = rig_out(t.b, CRYPTO);
        assert_non_null(p);
        assert_int_equal(p->len, n);
        assert_memory_equal(p->b + 12, rig_addr(outside).b, 4);
        if (k == 2) {
            assert_int_equal(be16(p->b + 26), 0);
        } else {
            assert_true(rig_l4_checksum_ok(p->b));
        }
    }
    pair_free(t);
}

/* ---- the far end moves ---- */

static struct rig_pkt *sent_by_a(struct two t)
{
    u8 m[200];
    size_t n = inner(m, MODE_TUNNEL, false, true, 100, false);
    rig_in(t.a, CRYPTO, m, n);
    rig_run(t.a);
    return rig_out(t.a, SEND4);
}

static void t_moved_is_told(void **state)
{
    (void)state;
    struct two t = pair(MODE_TUNNEL, false, OUTSIDE);
    u8 old[400], late[400];
    struct rig_pkt *p = sent_by_a(t);
    size_t len = p->len;
    memcpy(old, p->b, len);
    nat(old, RIG_A4, OUTSIDE);
    rig_in(t.b, RAW4_ESP, old, len);
    p = sent_by_a(t);
    memcpy(late, p->b, len);
    rig_run(t.b);
    assert_null(rig_told(t.b, DP_MOVED, 0)); /* where it is expected */
    p = sent_by_a(t);
    p->b[p->len - 1] ^= 1;
    nat(p->b, "203.0.113.9", 20000);
    rig_in(t.b, RAW4_ESP, p->b, p->len);
    rig_run(t.b);
    assert_null(rig_told(t.b, DP_MOVED, 0)); /* a forged one */
    p = sent_by_a(t);
    nat(p->b, "203.0.113.9", 20000);
    rig_in(t.b, RAW4_ESP, p->b, p->len);
    rig_run(t.b);
    const struct dp_msg *told = rig_told(t.b, DP_MOVED, 0);
    assert_non_null(told);
    assert_int_equal(told->u.moved.spi, 0x1000);
    assert_int_equal(told->u.moved.to.port, 20000);
    struct addr there = rig_addr("203.0.113.9");
    assert_true(addr_equal(&told->u.moved.to.a, &there));
    assert_int_equal(rig_num_out(t.b, CRYPTO), 2); /* both that were good came in */
    rig_quiet(t.b);
    p = sent_by_a(t); /* at once again: once a second is enough */
    nat(p->b, "203.0.113.9", 20000);
    rig_in(t.b, RAW4_ESP, p->b, p->len);
    rig_run(t.b);
    assert_null(rig_told(t.b, DP_MOVED, 0));
    nat(late, RIG_A4, 17777); /* and one that was late says nothing about today */
    rig_later(t.b, 1500);
    rig_in(t.b, RAW4_ESP, late, len);
    rig_run(t.b);
    assert_null(rig_told(t.b, DP_MOVED, 0));
    rig_later(t.b, 1500);
    rig_quiet(t.b);
    p = sent_by_a(t);
    nat(p->b, "203.0.113.9", 20000);
    rig_in(t.b, RAW4_ESP, p->b, p->len);
    rig_run(t.b);
    assert_non_null(rig_told(t.b, DP_MOVED, 0)); /* ike may not have heard it */
    pair_free(t);
}

static void t_moves(void **state)
{
    (void)state;
    struct two t = pair(MODE_TUNNEL, false, OUTSIDE);
    u8 m[200];
    size_t n = inner(m, MODE_TUNNEL, false, false, 100, false);
    struct dp_msg move = {.type = DP_MOVE_SA};
    move.u.moved = (struct dp_moved_value){7, 0x2000, rig_addr(RIG_A4), {rig_addr("203.0.113.9"), 20000}};
    struct dp_msg wrong[4] = {move, move, move, move};
    wrong[0].u.moved.flow = 8, wrong[1].u.moved.spi = 0x1000, wrong[2].u.moved.to.port = 0;
    wrong[3].u.moved.to.a = rig_addr(RIG_A6);
    for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
        dp_ctl(t.b->dp, FROM_IKE, &wrong[i], -1);
    }
    rig_in(t.b, CRYPTO, m, n);
    rig_run(t.b);
    struct rig_pkt *p = rig_out(t.b, SEND4);
    assert_int_equal(be16(p->b + 22), OUTSIDE);
    dp_ctl(t.b->dp, FROM_IKE, &move, -1);
    rig_in(t.b, CRYPTO, m, n);
    rig_run(t.b);
    p = rig_out(t.b, SEND4);
    assert_int_equal(be16(p->b + 22), 20000);
    assert_memory_equal(p->b + 16, rig_addr("203.0.113.9").b, 4);
    struct ip_view v;
    assert_int_equal(ip_decode(&v, p->b, p->len), IP_OK); /* its checksum is the new one's */
    p = sent_by_a(t); /* what comes from there is no news any more */
    nat(p->b, "203.0.113.9", 20000);
    rig_in(t.b, RAW4_ESP, p->b, p->len);
    rig_run(t.b);
    assert_null(rig_told(t.b, DP_MOVED, 0));
    struct dp_msg gone = {.type = DP_DEL_SA}; /* and it goes by its new name */
    gone.u.del = (struct dp_del_value){.spi = 0x2000, .proto = 50, .dir = SA_OUT, .dst = rig_addr("203.0.113.9")};
    dp_ctl(t.b->dp, FROM_IKE, &gone, -1);
    assert_null(rig_find_sa(t.b, 0x2000, SA_OUT));
    pair_free(t);
}

/* Two far ends behind one address may choose the same SPI: neither takes the other's place, nor is taken away for it. */
static void t_one_spi_twice(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    rig_begin(r);
    rig_flow(r, (struct dp_flow_value){.flow = 7});
    rig_flow(r, (struct dp_flow_value){.flow = 8});
    rig_commit(r);
    for (u32 flow = 7; flow <= 8; flow++) {
        rig_sa(r, in_udp(rig_sa_value(flow, 0x3000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4), 4500,
                         (u16)(20000 + flow)));
    }
    struct addr b = rig_addr(RIG_B4);
    assert_non_null(sa_lookup(r->dp, 0x3000, 50, SA_OUT, &b, 7));
    assert_non_null(sa_lookup(r->dp, 0x3000, 50, SA_OUT, &b, 8));
    struct dp_msg move = {.type = DP_MOVE_SA};
    move.u.moved = (struct dp_moved_value){8, 0x3000, b, {b, 30000}};
    dp_ctl(r->dp, FROM_IKE, &move, -1);
    assert_int_equal(sa_lookup(r->dp, 0x3000, 50, SA_OUT, &b, 7)->val.encap_dst.port, 20007);
    assert_int_equal(sa_lookup(r->dp, 0x3000, 50, SA_OUT, &b, 8)->val.encap_dst.port, 30000);
    struct dp_msg gone = {.type = DP_DEL_SA};
    gone.u.del = (struct dp_del_value){.spi = 0x3000, .flow = 7, .proto = 50, .dir = SA_OUT, .dst = b};
    dp_ctl(r->dp, FROM_IKE, &gone, -1);
    assert_null(sa_lookup(r->dp, 0x3000, 50, SA_OUT, &b, 7));
    assert_non_null(sa_lookup(r->dp, 0x3000, 50, SA_OUT, &b, 8));
    rig_free(r);
}

/* Eight bytes less fit, and not one more. */
static void t_what_fits(void **state)
{
    (void)state;
    for (unsigned six = 0; six < 2; six++) {
        struct two t = pair(MODE_TUNNEL, six, OUTSIDE);
        const struct sa *sa = rig_find_sa(t.a, 0x1000, SA_OUT);
        u16 most = sa->h.plain_mtu;
        u8 m[2000];
        size_t n = inner(m, MODE_TUNNEL, six, true, most, true);
        rig_in(t.a, CRYPTO, m, n);
        rig_run(t.a);
        struct rig_pkt *p = rig_out(t.a, six ? SEND6 : SEND4);
        assert_non_null(p);
        assert_true(p->len <= 1500 && p->len + 16u > 1500);
        n = inner(m, MODE_TUNNEL, six, true, most + 1u, true);
        rig_in(t.a, CRYPTO, m, n);
        rig_run(t.a);
        assert_null(rig_out(t.a, six ? SEND6 : SEND4));
        assert_int_equal(rig_drops(t.a, DROP_TOO_BIG), 1);
        while (rig_out(t.a, CRYPTO)) {
        }
        pair_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_both_ways),     cmocka_unit_test(t_encapsulation_differs),
        cmocka_unit_test(t_no_esp),        cmocka_unit_test(t_checksums_are_mended),
        cmocka_unit_test(t_moved_is_told), cmocka_unit_test(t_moves),
        cmocka_unit_test(t_what_fits),     cmocka_unit_test(t_one_spi_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
