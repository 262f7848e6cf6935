/*
 * test_policy.c: what a map's lines say (dp/policy.c, RFC 4301 4.4.1): denies, ports, fragments, two
 * links, what came in clear, lines that go away, generations that are wrong, and who may say what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "rig.h"

/* ---- making ---------------------------------------------------------------------------------- */

static struct selector between(const char *src, u8 src_len, const char *dst, u8 dst_len)
{
    return (struct selector){.src = rig_net(src, src_len),
                             .dst = rig_net(dst, dst_len),
                             .sport_hi = 0xffff,
                             .dport_hi = 0xffff};
}

static void line(struct rig *r, u32 order, u32 entry, u8 action, u32 flow, struct selector s)
{
    rig_policy(r, (struct dp_policy_value){
                      .order = order, .entry = entry, .action = action, .flow = flow, .sel = s});
}

static void flow(struct rig *r, u32 id)
{
    rig_flow(
        r, (struct dp_flow_value){
               .flow = id, .path_mtu = 1500, .local = rig_addr(RIG_A4), .peer = rig_addr(RIG_B4)});
}

/* A UDP packet, or a fragment of one: off in bytes. */
static size_t udp(u8 *b, const char *src, const char *dst, u16 dport, u16 id, unsigned off,
                  bool more)
{
    struct ip_make m = {.proto = 17,
                        .ttl = 64,
                        .id = id,
                        .payload = 80,
                        .src = rig_addr(src),
                        .dst = rig_addr(dst)};
    unsigned h = ip_build(b, &m);
    memset(b + h, 0, 80);
    if (off == 0) {
        put16(b + h, 40000);
        put16(b + h + 2, dport);
        put16(b + h + 4, 80);
    }
    put16(b + 6, (u16)(off / 8 | (more ? IP4_MF : 0)));
    ip4_checksum_set(b, h);
    return h + 80u;
}

static u64 left_in_clear(const struct rig *r)
{
    return rig_num_out(r, PASS4) + rig_num_out(r, PASS6) + rig_num_out(r, OPEN4) +
           rig_num_out(r, OPEN6) + rig_num_out(r, PASS4_2);
}

static void give(struct rig *r, unsigned port, const u8 *b, size_t n)
{
    rig_in(r, port, b, n);
    rig_run(r);
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* A deny line ends its entry, not the search: the next entry of the map is asked. */
static void t_deny_ends_its_entry_only(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200];
    rig_begin(r);
    flow(r, 7), flow(r, 8);
    line(r, 1, 10, ACT_SKIP, 0, between("10.1.0.0", 16, "10.2.9.0", 24));
    line(r, 2, 10, ACT_SKIP, 0, between("10.1.0.0", 16, "10.2.8.0", 24));
    line(r, 3, 10, ACT_PROTECT, 7, between("10.1.0.0", 16, "10.2.0.0", 16));
    line(r, 4, 20, ACT_PROTECT, 8, between("10.1.0.0", 16, "10.2.9.0", 24));
    rig_commit(r);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    give(r, CRYPTO, b, 100);
    assert_int_equal(flow_get(r->dp, 7)->held, 1);
    rig_ping(b, "10.1.0.1", "10.2.9.1", 100, false); /* denied by 10, protected by 20 */
    give(r, CRYPTO, b, 100);
    assert_int_equal(flow_get(r->dp, 7)->held, 1);
    assert_int_equal(flow_get(r->dp, 8)->held, 1);
    assert_int_equal(left_in_clear(r), 0);
    rig_ping(b, "10.1.0.1", "10.2.8.1", 100, false); /* denied, and no other entry wants it */
    give(r, CRYPTO, b, 100);
    assert_int_equal(rig_num_out(r, PASS4), 1);
    assert_int_equal(left_in_clear(r), 1);
    struct rig_pkt *p = rig_out(r, PASS4);
    assert_int_equal(p->len, 100);
    assert_memory_equal(p->b, b, 100); /* as it came, by the link's own socket */
    rig_free(r);
}

/* A line without a peer drops: at once, with a name of its own, and nobody is asked for an SA. */
static void t_nobody_stands_behind(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200];
    rig_begin(r);
    rig_flow(r, (struct dp_flow_value){.flow = 7, .link = 1});
    line(r, 1, 10, ACT_PROTECT, 7, between("10.1.0.0", 16, "10.2.0.0", 16));
    rig_commit(r);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    give(r, CRYPTO, b, 100);
    assert_int_equal(rig_drops(r, DROP_NOBODY), 1);
    assert_int_equal(flow_get(r->dp, 7)->held, 0);
    assert_null(rig_told(r, DP_ACQUIRE, 0));
    assert_int_equal(left_in_clear(r), 0);
    rig_free(r);
}

/* The kernel leads more here than the lines select; what no line knows at all is not let out. */
static void t_ports_and_unmatched(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200];
    rig_begin(r);
    flow(r, 7);
    struct selector s = between("10.1.0.0", 16, "10.2.0.0", 16);
    s.proto = 17, s.dport_lo = s.dport_hi = 5000;
    line(r, 1, 10, ACT_PROTECT, 7, s);
    rig_commit(r);
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 5000, 1, 0, false));
    assert_int_equal(flow_get(r->dp, 7)->held, 1);
    assert_int_equal(left_in_clear(r), 0);
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 53, 2, 0, false));
    assert_int_equal(rig_num_out(r, PASS4), 1);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false); /* another protocol */
    give(r, CRYPTO, b, 100);
    rig_ping(b, "10.3.0.1", "10.2.0.1", 100, false); /* another source */
    give(r, CRYPTO, b, 100);
    rig_ping(b, "2001:db8::1", "2001:db8::2", 100, false); /* another version */
    give(r, CRYPTO, b, 100);
    assert_int_equal(rig_drops(r, DROP_UNMATCHED), 3);
    assert_int_equal(left_in_clear(r), 1);
    assert_int_equal(rig_num_out(r, SEND4), 0);
    rig_free(r);
}

/* Fragments have ports in the first one only: the others follow it, and are protected when nobody saw
 * it. */
static void t_fragments_follow(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200];
    rig_begin(r);
    flow(r, 7);
    struct selector s = between("10.1.0.0", 16, "10.2.0.0", 16);
    s.proto = 17, s.dport_lo = s.dport_hi = 5000;
    line(r, 1, 10, ACT_PROTECT, 7, s);
    rig_commit(r);
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 5000, 1, 0, true));
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 0, 1, 80, false));
    assert_int_equal(flow_get(r->dp, 7)->held, 2);
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 53, 2, 0, true));
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 0, 2, 80, false));
    assert_int_equal(rig_num_out(r, PASS4), 2); /* whole in clear, not half and half */
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 0, 3, 80, false)); /* first one unseen */
    give(r, CRYPTO, b, udp(b, "10.1.0.2", "10.2.0.1", 0, 2, 80, false)); /* of somebody else */
    assert_int_equal(flow_get(r->dp, 7)->held, 4);
    assert_int_equal(left_in_clear(r), 2);
    give(r, CRYPTO, b,
         udp(b, "10.1.0.1", "10.2.0.1", 53, 1, 0, true)); /* a first one forged over it */
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 0, 1, 160, false));
    assert_int_equal(flow_get(r->dp, 7)->held, 5);
    assert_int_equal(left_in_clear(r), 3); /* the forged one itself */
    rig_later(r, CUT_MS + 1);
    give(r, CRYPTO, b,
         udp(b, "10.1.0.1", "10.2.0.1", 0, 2, 160, false)); /* too old to be believed */
    assert_int_equal(left_in_clear(r), 3);
    rig_free(r);
    /* a flood of first fragments takes the memory of others, and then they are protected */
    r = rig_new(NULL);
    rig_begin(r);
    flow(r, 7);
    line(r, 1, 10, ACT_PROTECT, 7, s);
    rig_commit(r);
    for (unsigned i = 0; i <= MAX_CUTS; i++) {
        r->now++;
        give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 53, (u16)(i + 1), 0, true));
    }
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 0, 1, 80, false));
    assert_int_equal(flow_get(r->dp, 7)->held, 1);
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 0, MAX_CUTS, 80, false));
    assert_int_equal(left_in_clear(r), MAX_CUTS + 2);
    rig_free(r);
}

/* A first fragment that ends before its ports shows nothing: it and what follows are taken for covered, out and in. */
static void t_ports_not_in_the_first(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200];
    rig_begin(r);
    flow(r, 7);
    struct selector s = between("10.1.0.0", 16, "10.2.0.0", 16);
    s.proto = 17, s.dport_lo = s.dport_hi = 5000;
    line(r, 1, 10, ACT_PROTECT, 7, s);
    struct selector six = between("2001:db8:1::", 48, "2001:db8:2::", 48);
    six.proto = 17, six.dport_lo = six.dport_hi = 5000;
    line(r, 2, 10, ACT_PROTECT, 7, six);
    rig_commit(r);
    (void)udp(b, "10.1.0.1", "10.2.0.1", 5000, 1, 0, true);
    put16(b + 2, 20); /* IPv4: nothing but a header */
    ip4_checksum_set(b, 20);
    give(r, CRYPTO, b, 20);
    give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 0, 1, 8, false));
    assert_int_equal(flow_get(r->dp, 7)->held, 2);
    static const u8 options[8] = {17, 0, 1,
                                  4}; /* IPv6: the options in one, the ports in the next */
    struct addr x = rig_addr("2001:db8:1::1"), y = rig_addr("2001:db8:2::1");
    for (unsigned in = 0; in < 2; in++) {
        struct ip_make m = {
            .proto = 44, .ttl = 64, .payload = 16, .src = in ? y : x, .dst = in ? x : y};
        unsigned h = ip_build(b, &m);
        memset(b + h, 0, 48);
        b[h] = 60, b[h + 3] = 1, b[h + 7] = 9;
        memcpy(b + h + 8, options, 8);
        give(r, in ? CLEAR : CRYPTO, b, h + 16);
        b[h + 3] = 0, put16(b + h + 2, 8);
        put16(b + h + 8, 40000), put16(b + h + 10, 5000), put16(b + h + 12, 8);
        give(r, in ? CLEAR : CRYPTO, b, h + 16);
    }
    assert_int_equal(flow_get(r->dp, 7)->held, 4);
    assert_int_equal(left_in_clear(r), 0);
    assert_int_equal(rig_num_out(r, CLEAR), 0);
    assert_int_equal(rig_drops(r, DROP_CLEAR_PROTECTED), 2);
    rig_free(r);
}

/* A fragmented datagram of a ported line arrives whole at the other end. */
static void t_ported_fragments_arrive(void **state)
{
    (void)state;
    struct rig *a = rig_new(NULL), *c = rig_new(NULL);
    u8 b[200];
    struct selector s = between("10.1.0.0", 16, "10.2.0.0", 16);
    s.proto = 17, s.dport_lo = s.dport_hi = 5000;
    for (unsigned i = 0; i < 2; i++) {
        struct rig *r = i ? c : a;
        rig_begin(r);
        flow(r, 7);
        line(r, 1, 10, ACT_PROTECT, 7, i ? selector_mirror(&s) : s);
        rig_commit(r);
        struct dp_sa_value v = rig_sa_value(7, 0x1000, i ? SA_IN : SA_OUT, MODE_TUNNEL, ENCR_AES128,
                                            HASH_SHA1, RIG_A4, RIG_B4);
        v.sel = s;
        rig_sa(r, v);
    }
    give(a, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 5000, 1, 0, true));
    give(a, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 0, 1, 80, false));
    assert_int_equal(rig_wire(a, c), 2);
    assert_int_equal(rig_num_out(c, CRYPTO), 2);
    assert_int_equal(rig_drops(c, DROP_BAD_IDENTITY), 0);
    rig_free(a);
    rig_free(c);
}

/* IPv6: the kernel does not look for the protocol behind extension headers; here it is looked for. */
static void t_extension_headers(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200], big[200];
    rig_begin(r);
    flow(r, 7);
    struct selector s = between("2001:db8:1::", 48, "2001:db8:2::", 48);
    s.proto = 58;
    line(r, 1, 10, ACT_PROTECT, 7, s);
    rig_commit(r);
    rig_ping(b, "2001:db8:1::1", "2001:db8:2::1", 100, false);
    give(r, CRYPTO, b, 100);
    assert_int_equal(flow_get(r->dp, 7)->held, 1);
    memcpy(big, b, IP6_HDR); /* the same behind destination options */
    memset(big + IP6_HDR, 0, 8);
    big[6] = 60, big[IP6_HDR] = 58, big[IP6_HDR + 2] = 1, big[IP6_HDR + 3] = 4;
    memcpy(big + IP6_HDR + 8, b + IP6_HDR, 60);
    put16(big + 4, 68);
    give(r, CRYPTO, big, 108);
    assert_int_equal(flow_get(r->dp, 7)->held, 2);
    big[IP6_HDR] = 17; /* no line wants UDP */
    give(r, CRYPTO, big, 108);
    assert_int_equal(rig_num_out(r, PASS6), 1);
    big[6] = 44, big[IP6_HDR] = 60; /* the middle of something behind more options: unknown */
    put16(big + IP6_HDR + 2, 80);
    give(r, CRYPTO, big, 108);
    assert_int_equal(flow_get(r->dp, 7)->held, 3);
    assert_int_equal(left_in_clear(r), 1);
    rig_free(r);
}

/* One access list on two links: each link's traffic goes by its own flow. */
static void t_two_links(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200];
    struct selector s = between("10.1.0.0", 16, "10.2.0.0", 16);
    rig_begin(r);
    for (u8 link = 1; link <= 2; link++) {
        rig_flow(r, (struct dp_flow_value){.flow = 6u + link,
                                           .link = link,
                                           .path_mtu = 1500,
                                           .local = rig_addr(RIG_A4),
                                           .peer = rig_addr(RIG_B4)});
        rig_policy(r, (struct dp_policy_value){.order = link,
                                               .link = link,
                                               .entry = 10,
                                               .action = ACT_PROTECT,
                                               .flow = 6u + link,
                                               .sel = s});
    }
    rig_commit(r);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    give(r, CRYPTO2, b, 100);
    assert_int_equal(flow_get(r->dp, 7)->held, 0);
    assert_int_equal(flow_get(r->dp, 8)->held, 1);
    give(r, CRYPTO, b, 100);
    assert_int_equal(flow_get(r->dp, 7)->held, 1);
    /* what link 2's SA brings in goes to link 2's TUN */
    rig_sa(r, rig_sa_value(8, 0x3000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_B4, RIG_A4));
    struct rig *far = rig_new(NULL);
    rig_crypto_map(far, false, DF_COPY, false);
    rig_sa(far,
           rig_sa_value(7, 0x3000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_B4, RIG_A4));
    rig_ping(b, "10.2.0.1", "10.1.0.1", 100, false);
    give(far, CRYPTO, b, 100);
    assert_int_equal(rig_wire(far, r), 1);
    assert_int_equal(rig_num_out(r, CRYPTO2), 1);
    assert_int_equal(rig_num_out(r, CRYPTO), 0);
    rig_free(far);
    rig_free(r);
}

/* ---- in clear --------------------------------------------------------------------------------- */

/* Clear packets from outside: a protected pair's are dropped, a denied pair's go on, whole or in
 * fragments. */
static void t_clear_in(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[200];
    rig_begin(r);
    flow(r, 7);
    line(r, 1, 10, ACT_SKIP, 0, between("10.1.0.0", 16, "10.2.9.0", 24));
    struct selector s = between("10.1.0.0", 16, "10.2.0.0", 16);
    s.proto = 17, s.sport_lo = s.sport_hi = 5000; /* our side's port: the far end writes to it */
    line(r, 2, 10, ACT_PROTECT, 7, s);
    line(r, 3, 10, ACT_PROTECT, 7, between("10.5.0.0", 16, "10.2.0.0", 16));
    rig_commit(r);
    rig_ping(b, "10.2.0.1", "10.5.0.1", 100, false);
    give(r, CLEAR, b, 100);
    give(r, CLEAR, b, udp(b, "10.2.0.1", "10.1.0.1", 5000, 1, 0, false));
    give(r, CLEAR, b, udp(b, "10.2.0.1", "10.1.0.1", 5000, 2, 0, true));
    give(r, CLEAR, b, udp(b, "10.2.0.1", "10.1.0.1", 0, 2, 80, false));
    give(r, CLEAR, b, udp(b, "10.2.0.1", "10.1.0.1", 0, 3, 80, false));
    assert_int_equal(rig_drops(r, DROP_CLEAR_PROTECTED), 5);
    assert_true(rig_said(r, "%CRYPTO-4-RECVD_PKT_NOT_IPSEC: Rec'd packet not an IPSEC packet. (ip) "
                            "vrf/dest_addr= /10.5.0.1, src_addr= 10.2.0.1, prot= 1"));
    assert_int_equal(rig_num_out(r, CLEAR), 0);
    rig_ping(b, "10.2.9.1", "10.1.0.1", 100, false); /* denied: back to the kernel */
    give(r, CLEAR, b, 100);
    assert_int_equal(rig_num_out(r, CLEAR), 1);
    struct rig_pkt *p = rig_out(r, CLEAR);
    assert_memory_equal(p->b, b, 100);
    give(r, CLEAR, b, udp(b, "10.2.0.1", "10.1.0.1", 53, 4, 0, true)); /* another port, in pieces */
    give(r, CLEAR, b, udp(b, "10.2.0.1", "10.1.0.1", 0, 4, 80, false));
    assert_int_equal(rig_num_out(r, CLEAR), 2);
    rig_ping(b, "10.9.0.1", "10.8.0.1", 100, false);
    give(r, CLEAR, b, 100);
    assert_int_equal(rig_drops(r, DROP_UNMATCHED), 1);
    assert_int_equal(rig_num_out(r, CRYPTO), 0);
    rig_free(r);
}

/* A removed line takes its SAs' right to let packets in with it, also when the key daemon adds one
 * afterwards. */
static void t_removed_line(void **state)
{
    (void)state;
    struct rig *a = rig_new(NULL), *b = rig_new(NULL);
    u8 ping[100];
    rig_crypto_map(a, false, DF_COPY, false);
    rig_crypto_map(b, false, DF_COPY, false);
    rig_pair(a, b, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, false);
    rig_ping(ping, "10.1.0.1", "10.2.0.1", 100, false);
    give(a, CRYPTO, ping, 100);
    assert_int_equal(rig_wire(a, b), 1);
    assert_int_equal(rig_num_out(b, CRYPTO), 1);
    rig_begin(b); /* the line goes */
    rig_commit(b);
    assert_null(rig_find_sa(b, 0x1000, SA_IN));
    rig_sa(b, rig_sa_value(7, 0x1000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    give(a, CRYPTO, ping, 100);
    assert_int_equal(rig_wire(a, b), 1);
    assert_int_equal(rig_num_out(b, CRYPTO), 1);
    assert_int_equal(rig_drops(b, DROP_NOT_FOR_US), 1);
    rig_free(a);
    rig_free(b);
}

/* RFC 6040 4.2, all sixteen pairs. */
static void t_ecn(void **state)
{
    (void)state;
    static const int want[4][4] = {/* [outer][inner]: what comes out, -1: dropped */
                                   {0, 1, 2, 3},
                                   {0, 1, 1, 3},
                                   {0, 1, 2, 3},
                                   {-1, 3, 3, 3}};
    for (u8 six = 0; six < 2; six++) {
        for (u8 outer = 0; outer < 4; outer++) {
            for (u8 inner = 0; inner < 4; inner++) {
                u8 b[100];
                struct ip_view v;
                rig_ping(b, six ? "2001:db8::1" : "10.1.0.1", six ? "2001:db8::2" : "10.2.0.1", 100,
                         false);
                if (six) {
                    b[1] |= (u8)(inner << 4);
                } else {
                    b[1] = inner;
                    ip4_checksum_set(b, IP4_HDR);
                }
                assert_int_equal(ip_decode(&v, b, 100), IP_OK);
                assert_int_equal(ip_ecn_decap((u8)(0xb8 | outer), b, &v), want[outer][inner] >= 0);
                if (want[outer][inner] >= 0) {
                    assert_int_equal(v.tos & 3, want[outer][inner]);
                    assert_int_equal((six ? b[1] >> 4 : b[1]) & 3, want[outer][inner]);
                    assert_true(rig_l4_checksum_ok(b));
                }
            }
        }
    }
}

static void t_ecn_through_an_sa(void **state)
{
    (void)state;
    struct rig *a = rig_new(NULL), *b = rig_new(NULL);
    u8 ping[100];
    rig_crypto_map(a, false, DF_COPY, false);
    rig_crypto_map(b, false, DF_COPY, false);
    rig_pair(a, b, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, false);
    for (u8 inner = 0; inner < 3; inner += 2) {
        rig_ping(ping, "10.1.0.1", "10.2.0.1", 100, false);
        ping[1] = inner;
        ip4_checksum_set(ping, IP4_HDR);
        give(a, CRYPTO, ping, 100);
        struct rig_pkt *p = rig_out(a, SEND4);
        p->b[1] |= 3; /* congestion on the way */
        ip4_checksum_set(p->b, IP4_HDR);
        give(b, RAW4_ESP, p->b, p->len);
    }
    assert_int_equal(rig_drops(b, DROP_ECN), 1);
    assert_int_equal(rig_num_out(b, CRYPTO), 1);
    assert_int_equal(rig_out(b, CRYPTO)->b[1] & 3, 3);
    rig_free(a);
    rig_free(b);
}

/* ---- generations ----------------------------------------------------------------------------- */

static u64 taken(const struct rig *r)
{
    const struct dp_msg *m = rig_told(r, DP_TAKEN, 0);
    return m ? m->u.number : 0;
}

static void fill(struct rig *r, u32 first, unsigned num)
{
    rig_begin(r);
    for (u32 i = 0; i < num; i++) {
        flow(r, first + i);
        line(r, i, 10, ACT_PROTECT, first + i, between("10.1.0.0", 16, "10.2.0.0", 16));
    }
}

/* A generation comes whole or not at all, and main is told which one is in force. */
static void t_whole_or_not(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[100];
    fill(r, 1, 1);
    rig_quiet(r);
    rig_commit(r);
    u64 good = r->generation;
    assert_int_equal(taken(r), good);
    fill(r, 1, 2); /* a value is lost on the way */
    r->staged++;
    rig_quiet(r);
    rig_commit(r);
    assert_int_equal(taken(r), good);
    assert_true(rig_said(r, "it did not arrive whole; the old one stays"));
    fill(r, 1, DP_MAX_POLICIES + 1); /* too many */
    rig_quiet(r);
    rig_commit(r);
    assert_int_equal(taken(r), good);
    assert_true(rig_said(r, "than fit; the old one stays"));
    rig_begin(r); /* a line of no link: nobody would ever ask it */
    r->staged++;
    rig_ctl(r, (struct dp_msg){.type = DP_CFG_POLICY, .u.policy = {.action = ACT_SKIP}});
    rig_quiet(r);
    rig_commit(r);
    assert_int_equal(taken(r), good);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false); /* the old one is in force */
    give(r, CRYPTO, b, 100);
    assert_int_equal(flow_get(r->dp, 1)->held, 1);
    rig_free(r);
}

/* A prefix or an address that cannot be: the generation it came in is not taken. */
static void t_prefixes_that_cannot_be(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    fill(r, 1, 1);
    rig_commit(r);
    u64 good = r->generation;
    for (unsigned i = 0; i < 4; i++) {
        struct selector s = between("10.1.0.0", 16, "10.2.0.0", i == 0 ? 200 : 16);
        fill(r, 1, 1);
        if (i == 0) {
            line(r, 2, 10, ACT_PROTECT, 1, s);
        } else if (i == 1) {
            rig_ctl(r, (struct dp_msg){.type = DP_CFG_RPF, .u.rpf.net = {{.family = AF_V4}, 33}});
            r->staged++;
        } else if (i == 2) {
            rig_flow(r, (struct dp_flow_value){.flow = 2, .peer.family = 77});
        } else {
            rig_tunnel(r, (struct dp_tunnel_value){.port = TUN0, .dst.family = 77});
        }
        rig_quiet(r);
        rig_commit(r);
        assert_int_equal(taken(r), good);
    }
    rig_free(r);
}

/* As many networks behind tunnels as the planner ever gives are taken; one more is not. */
static void t_many_networks(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    for (unsigned more = 0; more < 2; more++) {
        fill(r, 1, 1);
        for (u32 i = 0; i < DP_MAX_RPF + more; i++, r->staged++) {
            struct dp_msg m = {.type = DP_CFG_RPF,
                               .u.rpf.net = {addr_v4(0x0a000000 + (i << 8)), 24}};
            rig_ctl(r, m);
        }
        u64 before = cfg_live(r->dp)->number;
        rig_quiet(r);
        rig_commit(r);
        assert_int_equal(taken(r), more ? before : r->generation);
    }
    rig_free(r);
}

/* Every flow replaced by another: the old ones make room first. */
static void t_all_flows_replaced(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[100];
    fill(r, 1, DP_MAX_FLOWS);
    rig_commit(r);
    rig_sa(r, rig_sa_value(1, 0x1000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_B4, RIG_A4));
    fill(r, 1 + DP_MAX_FLOWS, DP_MAX_FLOWS);
    rig_tunnel(r, (struct dp_tunnel_value){.flow = 1 + DP_MAX_FLOWS, .port = TUN0}); /* one of them */
    rig_quiet(r);
    rig_commit(r);
    assert_int_equal(taken(r), r->generation);
    u64 good = r->generation;
    fill(r, 1 + DP_MAX_FLOWS, DP_MAX_FLOWS);
    rig_tunnel(r, (struct dp_tunnel_value){.flow = 1, .port = TUN0}); /* no place for what protects it */
    rig_quiet(r);
    rig_commit(r);
    assert_int_equal(taken(r), good);
    assert_null(flow_get(r->dp, 1));
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    give(r, CRYPTO, b, 100);
    assert_int_equal(flow_get(r->dp, 1 + DP_MAX_FLOWS)->held, 1);
    assert_int_equal(left_in_clear(r), 0);
    rig_free(r);
}

/* The key daemon cannot say what is protected, hand over a port, or read keys out. */
static void t_who_may_say(void **state)
{
    (void)state;
    static const u32 mains[] = {
        DP_CFG_BEGIN,  DP_CFG_PORT,       DP_CFG_PORT_DEL, DP_CFG_TUNNEL,     DP_CFG_FLOW,
        DP_CFG_POLICY, DP_CFG_RPF,        DP_CFG_COMMIT,   DP_SET_MASK,       DP_SET_KEYLOG,
        DP_IKE_PEER,   DP_CLEAR_COUNTERS, DP_GET_TUNNELS,  DP_CFG_GENERATION, DP_GET_DROPS};
    struct rig *r = rig_new(NULL);
    u8 b[100];
    fill(r, 1, 1);
    rig_commit(r);
    u64 good = r->generation;
    for (unsigned i = 0; i < ARRAY_LEN(mains); i++) {
        rig_quiet(r);
        dp_ctl(r->dp, FROM_IKE, &(struct dp_msg){.type = mains[i], .u.number = 0}, -1);
        assert_true(rig_said(r, "not the key daemon's to say"));
        assert_int_equal(r->num_msg, 0);
    }
    assert_int_equal(cfg_live(r->dp)->number, good);
    assert_false(r->dp->keylog);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    give(r, CRYPTO, b, 100);
    assert_int_equal(flow_get(r->dp, 1)->held, 1);
    rig_free(r);
}

/* Keys go to main while it keeps a key log, and to nobody else: a key daemon that a stranger has taken
 * over does not read them. */
static void t_who_may_see_keys(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    rig_crypto_map(r, false, DF_COPY, false);
    rig_sa(r, rig_sa_value(7, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    for (unsigned keylog = 0; keylog < 2; keylog++) {
        rig_ctl(r, (struct dp_msg){.type = DP_SET_KEYLOG, .u.number = keylog});
        for (unsigned from = FROM_MAIN; from <= FROM_IKE; from++) {
            bool sees = keylog && from == FROM_MAIN;
            rig_quiet(r);
            dp_ctl(r->dp, (enum dp_origin)from, &(struct dp_msg){.type = DP_GET_SAS}, -1);
            const struct dp_msg *m = rig_told(r, DP_SA, 0);
            assert_non_null(m);
            const struct dp_sa_value *v = &m->u.sa_info.sa;
            assert_int_equal(v->encr_key.len, sees ? 16 : 0);
            assert_int_equal(v->auth_key.len, sees ? 20 : 0);
            static const u8 none[SECRET_MAX];
            assert_int_equal(memcmp(v->encr_key.b, none, sizeof none) != 0, sees);
            assert_int_equal(memcmp(v->auth_key.b, none, sizeof none) != 0, sees);
        }
    }
    rig_free(r);
}

/* The key daemon's queue is full when an SA runs out: it is told again. */
static void t_expire_is_told_again(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[100];
    rig_crypto_map(r, false, DF_COPY, false);
    struct dp_sa_value v =
        rig_sa_value(7, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4);
    v.soft_kb = 1, v.hard_kb = 1000;
    rig_sa(r, v);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    r->deaf = true;
    for (unsigned i = 0; i < 15; i++) {
        give(r, CRYPTO, b, 100);
    }
    assert_null(rig_told(r, DP_EXPIRE, 0));
    r->deaf = false;
    give(r, CRYPTO, b, 100);
    assert_non_null(rig_told(r, DP_EXPIRE, 0));
    give(r, CRYPTO, b, 100);
    assert_null(rig_told(r, DP_EXPIRE, 1)); /* once is enough */
    rig_free(r);
}

/* Both ends of both ranges of ports count, and the lines are asked in their own order, not in that in which
 * they came. */
static void t_ranges_and_order(void **state)
{
    (void)state;
    u8 b[200];
    static const struct {
        u16 slo, shi, dlo, dhi;
        bool protects;
    } row[] = {{40000, 40000, 5000, 5000, true},
               {0, 39999, 0, 0xffff, false},
               {40001, 0xffff, 0, 0xffff, false},
               {0, 0xffff, 0, 4999, false},
               {0, 0xffff, 5001, 0xffff, false}};
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        struct rig *r = rig_new(NULL);
        struct selector s = between("10.1.0.0", 16, "10.2.0.0", 16);
        s.proto = 17;
        s.sport_lo = row[i].slo, s.sport_hi = row[i].shi;
        s.dport_lo = row[i].dlo, s.dport_hi = row[i].dhi;
        rig_begin(r);
        flow(r, 7);
        line(r, 1, 10, ACT_PROTECT, 7, s);
        rig_commit(r);
        give(r, CRYPTO, b, udp(b, "10.1.0.1", "10.2.0.1", 5000, 1, 0, false));
        assert_int_equal(flow_get(r->dp, 7)->held, row[i].protects);
        assert_int_equal(left_in_clear(r), !row[i].protects);
        rig_free(r);
    }
    struct rig *r = rig_new(NULL);
    rig_begin(r);
    flow(r, 7), flow(r, 8);
    line(r, 2, 20, ACT_PROTECT, 8, between("10.0.0.0", 8, "10.0.0.0", 8));
    line(r, 1, 10, ACT_PROTECT, 7, between("10.1.0.0", 16, "10.2.0.0", 16));
    rig_commit(r);
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    give(r, CRYPTO, b, 100);
    assert_int_equal(flow_get(r->dp, 7)->held, 1);
    assert_int_equal(flow_get(r->dp, 8)->held, 0);
    rig_free(r);
}

/* An SA whose flow no line names lets nothing in: the key daemon alone cannot open a way. */
static void t_sa_without_a_line(void **state)
{
    (void)state;
    struct rig *a = rig_new(NULL), *b = rig_new(NULL);
    u8 ping[100];
    rig_crypto_map(a, false, DF_COPY, false);
    rig_crypto_map(b, false, DF_COPY, false);
    rig_sa(a, rig_sa_value(7, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    rig_sa(b, rig_sa_value(9, 0x1000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    rig_ping(ping, "10.1.0.1", "10.2.0.1", 100, false);
    give(a, CRYPTO, ping, 100);
    struct rig_pkt *p = rig_out(a, SEND4);
    give(b, RAW4_ESP, p->b, p->len);
    assert_int_equal(rig_num_out(b, CRYPTO), 0);
    assert_int_equal(rig_drops(b, DROP_NOT_FOR_US), 1);
    assert_true(rig_said(b, "the line of this SA is gone"));
    rig_free(a);
    rig_free(b);
}

/* A length past the end of what arrived is not believed. */
static void t_lengths_are_not_believed(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[100];
    rig_crypto_map(r, false, DF_COPY, false);
    for (unsigned v6 = 0; v6 < 2; v6++) {
        for (unsigned more = 0; more < 2; more++) {
            rig_ping(b, v6 ? "fd00::1" : "10.1.0.1", v6 ? "fd00::2" : "10.2.0.1", 100, false);
            put16(b + (v6 ? 4 : 2), (u16)((v6 ? 60 : 100) + more));
            if (!v6) {
                ip4_checksum_set(b, IP4_HDR);
            }
            give(r, CRYPTO, b, 100);
        }
        assert_int_equal(rig_drops(r, DROP_MALFORMED_IP), v6 + 1);
    }
    assert_int_equal(flow_get(r->dp, 7)->held, 2);
    rig_free(r);
}

/* A tunnel in clear leaves unmarked when no line of the link it is thought to take wants it: the
 * classifier of the link it really takes decides. */
static void t_open_tunnel_is_unmarked(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    u8 b[100];
    for (u8 link = 0; link < 2; link++) {
        rig_begin(r);
        rig_tunnel(r, (struct dp_tunnel_value){.mode = TUN_GRE_IP,
                                               .link = link,
                                               .mtu = 1476,
                                               .port = TUN0,
                                               .src = rig_addr("1.1.1.1"),
                                               .dst = rig_addr("2.2.2.2")});
        flow(r, 7);
        line(r, 1, 10, ACT_SKIP, 0, between("1.1.1.1", 32, "2.2.2.2", 32));
        line(r, 2, 20, ACT_PROTECT, 7, between("0.0.0.0", 0, "2.2.2.0", 24));
        rig_commit(r);
        rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
        give(r, TUN0, b, 100);
        assert_int_equal(rig_num_out(r, OPEN4), link ? 0 : 1);
        assert_int_equal(rig_num_out(r, PASS4), 0);
        assert_int_equal(flow_get(r->dp, 7)->held, link ? 1 : 0); /* entry 20 of the hinted link */
        (void)rig_out(r, OPEN4);
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_deny_ends_its_entry_only),
        cmocka_unit_test(t_ports_and_unmatched),
        cmocka_unit_test(t_fragments_follow),
        cmocka_unit_test(t_ports_not_in_the_first),
        cmocka_unit_test(t_ported_fragments_arrive),
        cmocka_unit_test(t_extension_headers),
        cmocka_unit_test(t_two_links),
        cmocka_unit_test(t_clear_in),
        cmocka_unit_test(t_removed_line),
        cmocka_unit_test(t_ecn),
        cmocka_unit_test(t_ecn_through_an_sa),
        cmocka_unit_test(t_whole_or_not),
        cmocka_unit_test(t_prefixes_that_cannot_be),
        cmocka_unit_test(t_many_networks),
        cmocka_unit_test(t_all_flows_replaced),
        cmocka_unit_test(t_nobody_stands_behind),
        cmocka_unit_test(t_who_may_say),
        cmocka_unit_test(t_who_may_see_keys),
        cmocka_unit_test(t_expire_is_told_again),
        cmocka_unit_test(t_open_tunnel_is_unmarked),
        cmocka_unit_test(t_ranges_and_order),
        cmocka_unit_test(t_sa_without_a_line),
        cmocka_unit_test(t_lengths_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
