/*
 * test_walk.c: both walks end to end, two data planes joined by fake ports: tunnels of every mode
 * in clear, under tunnel protection (transport and tunnel mode), under a crypto map on the outer
 * packet, and VTI; what may not come in; GRE's key, checksum and sequence; MSS; MTU; the debug
 * lines of seed 000.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "rig.h"

/* One side of a tunnel. */
static struct dp_tunnel_value side(u8 mode, const char *src, const char *dst, u32 flow)
{
    struct dp_tunnel_value t = {.id = 0,
                                .port = TUN0,
                                .flow = flow,
                                .mode = mode,
                                .mtu = 1476,
                                .path_mtu = 1500,
                                .src = rig_addr(src),
                                .dst = rig_addr(dst),
                                .name = "Tunnel0"};
    return t;
}

static void one_tunnel(struct rig *r, struct dp_tunnel_value t)
{
    rig_begin(r);
    if (t.flow) {
        rig_flow(r, (struct dp_flow_value){.flow = t.flow,
                                           .path_mtu = 1500,
                                           .local = t.src,
                                           .peer = t.dst,
                                           .name = "Tunnel0-head-0"});
    }
    rig_tunnel(r, t);
    rig_commit(r);
}

struct two {
    struct rig *a, *b;
};

/* Two routers 1.1.1.1 and 2.2.2.2 (or their IPv6 likes); sa_mode 0: no protection. */
static struct two joined(u8 mode, u8 flags, u8 sa_mode, u8 encr, u8 auth)
{
    bool v6 = mode == TUN_GRE_IPV6 || mode == TUN_IPSEC_IPV6;
    const char *x = v6 ? "2001:db8::1" : "1.1.1.1", *y = v6 ? "2001:db8::2" : "2.2.2.2";
    struct two t = {rig_new(NULL), rig_new(NULL)};
    struct dp_tunnel_value l = side(mode, x, y, sa_mode ? 5 : 0),
                           r = side(mode, y, x, sa_mode ? 5 : 0);
    l.flags = r.flags = flags;
    l.key = r.key = 77;
    one_tunnel(t.a, l);
    one_tunnel(t.b, r);
    if (sa_mode) {
        rig_sa(t.b, rig_sa_value(5, 0x1000, SA_IN, sa_mode, encr, auth, x, y));
        rig_sa(t.a, rig_sa_value(5, 0x1000, SA_OUT, sa_mode, encr, auth, x, y));
        rig_sa(t.a, rig_sa_value(5, 0x2000, SA_IN, sa_mode, encr, auth, y, x));
        rig_sa(t.b, rig_sa_value(5, 0x2000, SA_OUT, sa_mode, encr, auth, y, x));
    }
    return t;
}

static void two_free(struct two t)
{
    assert_int_equal(t.a->dp->w.num_free + t.a->dp->w.num_held, POOL);
    assert_int_equal(t.b->dp->w.num_free + t.b->dp->w.num_held, POOL);
    rig_free(t.a);
    rig_free(t.b);
}

/* A ping of len bytes from a to b through Tunnel0; the length on the wire, 0 when it did not
 * arrive. */
static unsigned through(struct rig *a, struct rig *b, const char *src, const char *dst, size_t len)
{
    u8 p[9000];
    rig_ping(p, src, dst, len, false);
    rig_in(a, TUN0, p, len);
    rig_run(a);
    unsigned wire = 0;
    for (unsigned port = SEND4; port <= OPEN6; port++) {
        if (rig_num_out(a, port) == 1) {
            wire = a->out[port].p[a->out[port].head].len;
        }
    }
    rig_wire(a, b);
    struct rig_pkt *o = rig_out(b, TUN0);
    if (!o) {
        return 0;
    }
    assert_int_equal(o->len, len);
    assert_memory_equal(o->b, p, len);
    return wire;
}

/* Seed 000: a 100-byte IPv6 ping is a 124-byte GRE packet is a 176-byte ESP packet. */
static void t_seed_000(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, 0, MODE_TUNNEL, ENCR_DES, HASH_MD5);
    rig_ctl(t.a, (struct dp_msg){.type = DP_SET_MASK, .u.number = EVC_PACKET});
    rig_ctl(t.b, (struct dp_msg){.type = DP_SET_MASK, .u.number = EVC_PACKET});
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(through(t.a, t.b, "2001:db8:1::1", "2001:db8:2::1", 100), 176);
        assert_int_equal(through(t.b, t.a, "2001:db8:2::1", "2001:db8:1::1", 100), 176);
    }
    assert_true(rig_said(t.a, "IP: tableid=0, s=1.1.1.1 (local), d=2.2.2.2 (), routed via FIB\n"));
    assert_true(rig_said(t.a, "IP: s=1.1.1.1 (local), d=2.2.2.2 (), g=") &&
                rig_said(t.a, ",len 176, forward, proto=50\n"));
    assert_true(rig_said(t.b, "IP: tableid=0, s=1.1.1.1 (), d=2.2.2.2 (), routed via RIB\n"));
    assert_true(rig_said(t.b, "IP: s=1.1.1.1 (), d=2.2.2.2, len 124, rcvd 4, proto=47\n"));
    assert_false(rig_said(t.a, "sending, proto=47"));
    rig_ctl(t.a, (struct dp_msg){.type = DP_GET_FLOWS});
    const struct dp_flow_info *f = &rig_told(t.a, DP_FLOW, 0)->u.flow_info;
    assert_int_equal(f->encaps, 5);
    assert_int_equal(f->decaps, 5);
    assert_int_equal(f->send_errors + f->recv_errors, 0);
    rig_ctl(t.a, (struct dp_msg){.type = DP_GET_TUNNELS});
    const struct dp_tunnel_info *n = &rig_told(t.a, DP_TUNNEL, 0)->u.tunnel_info;
    assert_int_equal(n->tx_packets, 5);
    assert_int_equal(n->rx_bytes, 500);
    two_free(t);
    t = joined(TUN_GRE_IP, 0, 0, 0, 0); /* without protection: the plain GRE line */
    rig_ctl(t.a, (struct dp_msg){.type = DP_SET_MASK, .u.number = EVC_PACKET});
    assert_int_equal(through(t.a, t.b, "2001:db8:1::1", "2001:db8:2::1", 100), 124);
    assert_true(
        rig_said(t.a, "IP: s=1.1.1.1 (Tunnel0), d=2.2.2.2 (), len 124, sending, proto=47\n"));
    two_free(t);
}

static void t_every_tunnel(void **state)
{
    (void)state;
    static const struct {
        u8 mode, flags, extra;
        bool v4, v6;
    } row[] = {
        {TUN_GRE_IP, 0, 24, true, true},
        {TUN_GRE_IP, TF_KEY, 28, true, true},
        {TUN_GRE_IP, TF_CHECKSUM, 28, true, true},
        {TUN_GRE_IP, TF_SEQUENCE, 28, true, true},
        {TUN_GRE_IP, TF_KEY | TF_CHECKSUM | TF_SEQUENCE, 36, true, true},
        {TUN_GRE_IPV6, TF_KEY, 48, true, true},
        {TUN_IPIP, 0, 20, true, false},
        {TUN_IPV6IP, 0, 20, false, true},
    };
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        for (u8 sa_mode = 0; sa_mode <= MODE_TRANSPORT; sa_mode++) {
            struct two t = joined(row[i].mode, row[i].flags, sa_mode, ENCR_GCM128, HASH_NONE);
            for (unsigned k = 0; k < 4; k++) {
                unsigned v4 = through(t.a, t.b, "10.1.0.1", "10.2.0.1", 100 + k);
                unsigned v6 = through(t.b, t.a, "2001:db8:2::1", "2001:db8:1::1", 100 + k);
                unsigned mc = through(t.a, t.b, "10.0.0.1", "224.0.0.5", 100 + k);
                unsigned ll = through(t.a, t.b, "fe80::1", "ff02::5", 100 + k);
                assert_true(!v4 == !row[i].v4 && !mc == !row[i].v4);
                assert_true(!v6 == !row[i].v6 && !ll == !row[i].v6);
                if (sa_mode == 0 && v4) {
                    assert_int_equal(v4, 100 + k + row[i].extra);
                }
            }
            two_free(t);
        }
    }
    for (unsigned i = 0; i < 2; i++) { /* VTI: the SA is the only encapsulation */
        struct two t =
            joined(i ? TUN_IPSEC_IPV6 : TUN_IPSEC_IPV4, 0, MODE_TUNNEL, ENCR_AES256, HASH_SHA256);
        assert_int_equal(through(t.a, t.b, "10.1.0.1", "10.2.0.1", 100),
                         (i ? 40 : 20) + 8 + 16 + 112 + 16);
        assert_true(through(t.b, t.a, "2001:db8:2::1", "2001:db8:1::1", 100) != 0);
        assert_int_equal(t.a->dp->tunnel[0].tx_packets, 1);
        assert_int_equal(t.a->dp->tunnel[0].rx_packets, 1);
        two_free(t);
    }
}

/* GRE header details (RFC 2784, RFC 2890) and the delivery header as IOS writes it. */
static void t_gre_header(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, TF_KEY | TF_CHECKSUM | TF_SEQUENCE, 0, 0, 0);
    u8 b[100], first_id[2];
    for (u32 i = 0; i < 3; i++) {
        rig_ping(b, "10.1.0.1", "10.2.0.1", 100, true);
        b[1] = 0xb8;
        ip4_checksum_set(b, 20);
        rig_in(t.a, TUN0, b, 100);
        rig_run(t.a);
        struct rig_pkt *p = rig_out(t.a, OPEN4); /* unmarked: the link it takes may have a map */
        assert_int_equal(rig_num_out(t.a, SEND4), 0);
        assert_int_equal(be16(p->b + 20), 0xb000);
        assert_int_equal(be16(p->b + 22), 0x0800);
        assert_int_equal(be32(p->b + 28), 77);
        assert_int_equal(be32(p->b + 32), i);
        assert_int_equal(ip_fold(ip_sum(0, p->b + 20, p->len - 20u)), 0);
        assert_int_equal(p->b[1], 0xb8);              /* TOS copied */
        assert_int_equal(p->b[8], 255);               /* tunnel ttl default */
        assert_int_equal(be16(p->b + 6) & IP4_DF, 0); /* no path-mtu-discovery */
        assert_int_equal(ip_fold(ip_sum(0, p->b, 20)), 0);
        if (i == 0) {
            memcpy(first_id, p->b + 4, 2);
        }
        assert_int_equal((u16)(be16(p->b + 4) - be16(first_id)), i);
        struct rig_pkt keep = *p, bad = keep;
        bad.b[60] ^= 1;
        rig_in(t.b, RAW4_GRE, bad.b, bad.len);
        rig_in(t.b, RAW4_GRE, keep.b, keep.len);
        rig_in(t.b, RAW4_GRE, keep.b, keep.len); /* again: old sequence number */
        rig_run(t.b);
        assert_int_equal(rig_num_out(t.b, TUN0), 1);
        (void)rig_out(t.b, TUN0);
        if (i == 2) { /* another key */
            put32(keep.b + 28, 78);
            put16(keep.b + 24, ip_sum_adjust(be16(keep.b + 24), 77, 78));
            rig_in(t.b, RAW4_GRE, keep.b, keep.len);
            rig_run(t.b);
        }
    }
    assert_int_equal(rig_drops(t.b, DROP_GRE_CHECKSUM), 3);
    assert_int_equal(rig_drops(t.b, DROP_GRE_SEQUENCE), 3);
    assert_int_equal(rig_drops(t.b, DROP_GRE_KEY), 1);
    two_free(t);
}

static void gre(struct rig *r, u16 word, u16 proto, const void *payload, size_t n)
{
    u8 b[300];
    struct ip_make m = {.proto = 47,
                        .ttl = 9,
                        .payload = (u16)(4 + n),
                        .src = rig_addr("1.1.1.1"),
                        .dst = rig_addr("2.2.2.2")};
    ip_build(b, &m);
    put16(b + 20, word), put16(b + 22, proto);
    memcpy(b + 24, payload, n);
    rig_in(r, RAW4_GRE, b, 24 + n);
    rig_run(r);
}

static void t_gre_refused(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, 0, 0, 0, 0);
    u8 in[100];
    rig_ping(in, "10.1.0.1", "10.2.0.1", 60, false);
    gre(t.b, 0, 0x0800, in, 60);
    assert_int_equal(rig_num_out(t.b, TUN0), 1);
    gre(t.b, 1, 0x0800, in, 60);      /* version 1: PPTP */
    gre(t.b, 0x4000, 0x0800, in, 60); /* routing */
    gre(t.b, 0x2000, 0x0800, in, 3);  /* announces a key that is not there */
    assert_int_equal(rig_drops(t.b, DROP_MALFORMED_GRE), 3);
    gre(t.b, 0, 0x2000, in, 60); /* CDP */
    assert_int_equal(rig_drops(t.b, DROP_GRE_PROTO), 1);
    gre(t.b, 0, 0x86dd, in, 60); /* says IPv6, is IPv4 */
    gre(t.b, 0, 0x0800, in, 30); /* cut */
    assert_int_equal(rig_drops(t.b, DROP_MALFORMED_IP), 2);
    in[0] = 0x95;
    gre(t.b, 0, 0x0800, in, 60);
    assert_int_equal(rig_drops(t.b, DROP_MALFORMED_IP), 3);
    assert_int_equal(rig_num_out(t.b, TUN0), 1);
    assert_true(rig_said(t.b, "%ADIT-4-DROP: malformed GRE: 1.1.1.1 -> 2.2.2.2, protocol 47, 84 "
                              "bytes: version is not 0; bytes 20 to 23"));
    two_free(t);
}

/* Fail closed: GRE in clear for a protected tunnel, and without an SA nothing leaves. */
static void t_clear_is_refused(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, 0, 0, 0, 0),
               p = joined(TUN_GRE_IP, 0, MODE_TRANSPORT, ENCR_AES128, HASH_SHA1);
    assert_int_equal(through(t.a, p.b, "10.1.0.1", "10.2.0.1", 100), 0);
    assert_int_equal(rig_drops(p.b, DROP_CLEAR_PROTECTED), 1);
    assert_true(rig_said(p.b, "%CRYPTO-4-RECVD_PKT_NOT_IPSEC: Rec'd packet not an IPSEC packet. "
                              "(ip) vrf/dest_addr= /2.2.2.2, "
                              "src_addr= 1.1.1.1, prot= 47"));
    assert_int_equal(p.b->dp->tunnel[0].rx_packets, 0);
    sa_del(p.a->dp, rig_find_sa(p.a, 0x1000, SA_OUT));
    assert_int_equal(through(p.a, p.b, "10.1.0.1", "10.2.0.1", 100), 0);
    assert_int_equal(p.a->dp->w.num_held, 1);
    const struct dp_msg *m = rig_told(p.a, DP_ACQUIRE, 0);
    assert_int_equal(m->u.acquire.packet.proto, 47); /* the packet as it would travel */
    rig_sa(p.a, rig_sa_value(5, 0x1000, SA_OUT, MODE_TRANSPORT, ENCR_AES128, HASH_SHA1, "1.1.1.1",
                             "2.2.2.2"));
    rig_wire(p.a, p.b);
    assert_int_equal(rig_num_out(p.b, TUN0), 1);
    two_free(t);
    two_free(p);
}

/* The SA of another tunnel does not open this one. */
static void t_wrong_flow(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, 0, MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    rig_begin(t.b);
    rig_flow(t.b, (struct dp_flow_value){.flow = 5,
                                         .path_mtu = 1500,
                                         .local = rig_addr("2.2.2.2"),
                                         .peer = rig_addr("1.1.1.1")});
    rig_flow(t.b, (struct dp_flow_value){.flow = 6,
                                         .path_mtu = 1500,
                                         .local = rig_addr("2.2.2.2"),
                                         .peer = rig_addr("1.1.1.1")});
    struct dp_tunnel_value one = side(TUN_GRE_IP, "2.2.2.2", "1.1.1.1", 6),
                           two = side(TUN_GRE_IP, "2.2.2.2", "9.9.9.9", 5);
    two.id = 1, two.port = TUN1;
    rig_tunnel(t.b, one);
    rig_tunnel(t.b, two);
    rig_commit(t.b);
    assert_int_equal(through(t.a, t.b, "10.1.0.1", "10.2.0.1", 100), 0);
    assert_int_equal(rig_drops(t.b, DROP_BAD_IDENTITY), 1);
    two_free(t);
}

/* Tunnels that share a flow go by one pair of SAs; their keys say whose a packet is; an SA that all could send by is counted for all. */
static void t_shared_flow(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, TF_KEY, MODE_TRANSPORT, ENCR_AES128, HASH_SHA1);
    u8 b[200];
    for (unsigned i = 0; i < 2; i++) {
        struct rig *r = i ? t.b : t.a;
        const char *l = i ? "2.2.2.2" : "1.1.1.1", *p = i ? "1.1.1.1" : "2.2.2.2";
        rig_begin(r);
        rig_flow(r, (struct dp_flow_value){.flow = 5, .path_mtu = 1500, .local = rig_addr(l), .peer = rig_addr(p)});
        for (unsigned k = 0; k < 2; k++) {
            struct dp_tunnel_value v = side(TUN_GRE_IP, l, p, 5);
            v.flags = TF_KEY, v.key = 77 + k, v.id = k, v.port = k ? TUN1 : TUN0;
            rig_tunnel(r, v);
        }
        rig_commit(r);
    }
    for (unsigned k = 0; k < 2; k++) {
        unsigned port = k ? TUN1 : TUN0;
        rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
        rig_in(t.a, port, b, 100);
        rig_run(t.a);
        assert_int_equal(rig_wire(t.a, t.b), 1);
        struct rig_pkt *o = rig_out(t.b, port);
        assert_non_null(o);
        assert_memory_equal(o->b, b, 100);
        assert_null(rig_out(t.b, k ? TUN0 : TUN1));
        assert_in_range(t.a->dp->tunnel[k].eff_mtu, 1400, 1450); /* it knows what the SA takes */
    }
    assert_int_equal(rig_drops(t.b, DROP_BAD_IDENTITY), 0);
    u16 before = t.a->dp->tunnel[0].eff_mtu;
    rig_sa(t.a, rig_sa_value(5, 0x3000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA512, "1.1.1.1", "2.2.2.2"));
    assert_true(t.a->dp->tunnel[0].eff_mtu < before);
    assert_int_equal(t.a->dp->tunnel[1].eff_mtu, t.a->dp->tunnel[0].eff_mtu);
    two_free(t);
}

/* A GRE tunnel without protection whose outer packet a crypto map covers. */
static void t_gre_under_crypto_map(void **state)
{
    (void)state;
    for (u8 mode = MODE_TUNNEL; mode <= MODE_TRANSPORT; mode++) {
        struct two t = {rig_new(NULL), rig_new(NULL)};
        for (unsigned i = 0; i < 2; i++) {
            struct rig *r = i ? t.b : t.a;
            const char *l = i ? "2.2.2.2" : "1.1.1.1", *p = i ? "1.1.1.1" : "2.2.2.2";
            rig_begin(r);
            struct dp_tunnel_value tunnel = side(TUN_GRE_IP, l, p, 0);
            tunnel.link = 1;
            rig_tunnel(r, tunnel);
            rig_flow(r,
                     (struct dp_flow_value){
                         .flow = 8, .path_mtu = 1500, .local = rig_addr(l), .peer = rig_addr(p)});
            struct selector s = {.src = rig_net(l, 32),
                                 .dst = rig_net(p, 32),
                                 .proto = 47,
                                 .sport_hi = 0xffff,
                                 .dport_hi = 0xffff};
            rig_policy(
                r, (struct dp_policy_value){
                       .order = 1, .flow = 8, .action = ACT_PROTECT, .path_mtu = 1500, .sel = s});
            rig_commit(r);
            struct dp_sa_value v =
                rig_sa_value(8, i ? 0x1000 : 0x2000, SA_IN, mode, ENCR_AES128, HASH_SHA1, p, l);
            v.sel = selector_mirror(&s);
            rig_sa(r, v);
            v = rig_sa_value(8, i ? 0x2000 : 0x1000, SA_OUT, mode, ENCR_AES128, HASH_SHA1, l, p);
            rig_sa(r, v);
        }
        unsigned wire = through(t.a, t.b, "10.1.0.1", "10.2.0.1", 100);
        assert_int_equal(wire,
                         mode == MODE_TUNNEL ? 20 + 8 + 16 + 128 + 12 : 20 + 8 + 16 + 112 + 12);
        assert_int_equal(flow_get(t.a->dp, 8)->encaps, 1);
        u8 in[60]; /* the same GRE packet in clear is refused: the policy protects it */
        rig_ping(in, "10.1.0.1", "10.2.0.1", 60, false);
        gre(t.b, 0, 0x0800, in, 60);
        assert_int_equal(rig_drops(t.b, DROP_CLEAR_PROTECTED), 1);
        two_free(t);
    }
}

static void t_rpf(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, 0, MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct dp_tunnel_value v = side(TUN_GRE_IP, "2.2.2.2", "1.1.1.1", 5);
    v.flags = TF_RPF;
    rig_begin(t.b);
    rig_tunnel(t.b, v);
    t.b->staged++;
    rig_ctl(t.b, (struct dp_msg){.type = DP_CFG_RPF,
                                 .u.rpf = {.tunnel = 0, .net = rig_net("10.1.0.0", 16)}});
    t.b->staged++;
    rig_ctl(t.b, (struct dp_msg){.type = DP_CFG_RPF,
                                 .u.rpf = {.tunnel = 9, .net = rig_net("10.5.0.0", 16)}});
    t.b->staged++;
    rig_ctl(t.b, (struct dp_msg){.type = DP_CFG_RPF,
                                 .u.rpf = {.tunnel = 0, .net = rig_net("2001:db8:1::", 48)}});
    rig_commit(t.b);
    assert_true(through(t.a, t.b, "10.1.0.1", "10.2.0.1", 100) != 0);
    assert_true(through(t.a, t.b, "2001:db8:1::5", "10::1", 100) != 0);
    assert_true(through(t.a, t.b, "fe80::5", "ff02::5", 100) != 0);
    assert_int_equal(through(t.a, t.b, "10.5.0.1", "10.2.0.1", 100), 0);
    assert_int_equal(through(t.a, t.b, "2001:db8:9::5", "10::1", 100), 0);
    assert_int_equal(rig_drops(t.b, DROP_RPF), 2);
    two_free(t);
}

/* The reverse path is asked of packets in clear as well. */
static void t_rpf_in_clear(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, 0, 0, 0, 0);
    struct dp_tunnel_value v = side(TUN_GRE_IP, "2.2.2.2", "1.1.1.1", 0);
    v.flags = TF_RPF;
    rig_begin(t.b);
    rig_tunnel(t.b, v);
    t.b->staged++;
    rig_ctl(t.b, (struct dp_msg){.type = DP_CFG_RPF,
                                 .u.rpf = {.tunnel = 0, .net = rig_net("10.1.0.0", 16)}});
    rig_commit(t.b);
    assert_true(through(t.a, t.b, "10.1.0.1", "10.2.0.1", 100) != 0);
    assert_int_equal(through(t.a, t.b, "10.5.0.1", "10.2.0.1", 100), 0);
    assert_int_equal(rig_drops(t.b, DROP_RPF), 1);
    two_free(t);
}

/* RFC 6040: what a delivery header in clear met on its way is told to the packet in it. */
static void t_gre_ecn(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, 0, 0, 0, 0);
    for (u8 inner = 0; inner < 3; inner += 2) {
        u8 b[124], *in = b + 24;
        struct ip_make m = {.proto = 47,
                            .tos = 3,
                            .ttl = 9,
                            .payload = 104,
                            .src = rig_addr("1.1.1.1"),
                            .dst = rig_addr("2.2.2.2")};
        ip_build(b, &m);
        put16(b + 20, 0), put16(b + 22, 0x0800);
        rig_ping(in, "10.1.0.1", "10.2.0.1", 100, false);
        in[1] = inner;
        ip4_checksum_set(in, IP4_HDR);
        rig_in(t.b, RAW4_GRE, b, sizeof b);
        rig_run(t.b);
        struct rig_pkt *o = rig_out(t.b, TUN0);
        assert_int_equal(o != NULL, inner == 2);
        assert_true(!o || (o->b[1] & 3) == 3);
        assert_int_equal(rig_drops(t.b, DROP_ECN), 1); /* the one that does not know ECN */
    }
    two_free(t);
}

static void t_mss(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, 0, MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    struct dp_tunnel_value v = side(TUN_GRE_IP, "1.1.1.1", "2.2.2.2", 5);
    v.adjust_mss = 1360;
    one_tunnel(t.a, v);
    static const char *const who[][2] = {{"10.1.0.1", "10.2.0.1"}, {"fd00::1", "fd00::2"}};
    for (unsigned i = 0; i < 4; i++) { /* out and in, IPv4 and IPv6 */
        struct rig *from = i & 1 ? t.b : t.a, *to = i & 1 ? t.a : t.b;
        u8 b[128];
        size_t n = rig_tcp_syn(b, who[i / 2][0], who[i / 2][1], 1460);
        rig_in(from, TUN0, b, n);
        rig_run(from);
        rig_wire(from, to);
        struct rig_pkt *p = rig_out(to, TUN0);
        assert_int_equal(be16(p->b + n - 28 + 23), 1360);
        assert_true(rig_l4_checksum_ok(p->b));
        n = rig_tcp_syn(b, who[i / 2][0], who[i / 2][1], 1200); /* smaller stays */
        rig_in(from, TUN0, b, n);
        rig_run(from);
        rig_wire(from, to);
        p = rig_out(to, TUN0);
        assert_memory_equal(p->b, b, n);
    }
    two_free(t);
}

/* Exactly the largest packet passes whole; one byte more is answered, or cut. */
static void t_tunnel_mtu(void **state)
{
    (void)state;
    static const struct {
        u8 mode, sa_mode, encr, auth;
    } row[] = {{TUN_GRE_IP, MODE_TUNNEL, ENCR_AES256, HASH_SHA512},
               {TUN_GRE_IP, MODE_TRANSPORT, ENCR_3DES, HASH_MD5},
               {TUN_GRE_IP, MODE_TRANSPORT, ENCR_GCM128, HASH_NONE},
               {TUN_IPSEC_IPV4, MODE_TUNNEL, ENCR_DES, HASH_SHA256},
               {TUN_GRE_IPV6, MODE_TUNNEL, ENCR_AES128, HASH_SHA1}};
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        struct two t = joined(row[i].mode, 0, row[i].sa_mode, row[i].encr, row[i].auth);
        unsigned send = row[i].mode == TUN_GRE_IPV6 ? SEND6 : SEND4,
                 raw = send == SEND4 ? RAW4_ESP : RAW6_ESP;
        u16 mtu = t.a->dp->tunnel[0].eff_mtu;
        u8 b[4000];
        rig_ping(b, "10.1.0.1", "10.2.0.1", mtu, true);
        rig_in(t.a, TUN0, b, mtu);
        rig_run(t.a);
        assert_int_equal(rig_num_out(t.a, send), 1);
        struct rig_pkt *p = rig_out(t.a, send);
        assert_true(p->len <= 1500 && p->len + encr_row(row[i].encr)->block + 4 > 1500);
        rig_ping(b, "10.1.0.1", "10.2.0.1", mtu + 1u, true);
        rig_in(t.a, TUN0, b, mtu + 1u);
        rig_run(t.a);
        assert_int_equal(rig_num_out(t.a, send), 0);
        p = rig_out(t.a, TUN0);
        assert_non_null(p);
        assert_int_equal(p->b[20], 3);
        assert_int_equal(be16(p->b + 26), mtu);
        assert_true(rig_l4_checksum_ok(p->b));
        rig_ping(b, "fd00::1", "fd00::2", 1470, true);
        rig_in(t.a, TUN0, b, 1470);
        rig_run(t.a);
        p = rig_out(t.a, TUN0);
        assert_int_equal(p->b[40], 2);
        assert_int_equal(be32(p->b + 44), MAX(mtu, 1280));
        assert_true(rig_l4_checksum_ok(p->b));
        rig_ping(b, "10.1.0.1", "10.2.0.1", 3000,
                 false); /* no DF: cut before GRE, each piece whole */
        rig_in(t.a, TUN0, b, 3000);
        rig_run(t.a);
        assert_true(rig_num_out(t.a, send) >= 3);
        while ((p = rig_out(t.a, send))) {
            assert_true(p->len <= 1500);
            rig_in(t.b, raw, p->b, p->len);
        }
        rig_run(t.b);
        size_t got = 20;
        while ((p = rig_out(t.b, TUN0))) {
            assert_memory_equal(p->b + 20, b + 20 + (be16(p->b + 6) & IP4_OFF) * 8, p->len - 20u);
            got += p->len - 20u;
        }
        assert_int_equal(got, 3000);
        two_free(t);
    }
}

/* IPv6 of 1280 bytes must pass even where less fits: the outer packet is cut. */
static void t_ipv6_minimum(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct two t =
            joined(i ? TUN_GRE_IPV6 : TUN_GRE_IP, 0, MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
        struct dp_tunnel_value v =
            side(i ? TUN_GRE_IPV6 : TUN_GRE_IP, i ? "2001:db8::1" : "1.1.1.1",
                 i ? "2001:db8::2" : "2.2.2.2", 5);
        v.path_mtu = 1300;
        rig_begin(t.a);
        rig_flow(t.a, (struct dp_flow_value){
                          .flow = 5, .path_mtu = 1300, .local = v.src, .peer = v.dst});
        rig_tunnel(t.a, v);
        rig_commit(t.a);
        u8 b[1280], whole[4000] = {0};
        rig_ping(b, "fd00::1", "fd00::2", 1280, false);
        rig_in(t.a, TUN0, b, 1280);
        rig_run(t.a);
        assert_int_equal(rig_num_out(t.a, i ? SEND6 : SEND4), 2);
        size_t len = i ? 40 : 20;
        for (struct rig_pkt *p; (p = rig_out(t.a, i ? SEND6 : SEND4));) {
            assert_true(p->len <= 1300);
            if (i) {
                unsigned off = be16(p->b + 42) & 0xfff8u;
                assert_int_equal(p->b[6], 44);
                assert_int_equal(p->b[40], 50);
                memcpy(whole + 40 + off, p->b + 48, p->len - 48u);
                len += p->len - 48u;
                memcpy(whole, p->b, 40);
            } else {
                unsigned off = (be16(p->b + 6) & IP4_OFF) * 8u;
                memcpy(whole + 20 + off, p->b + 20, p->len - 20u);
                len += p->len - 20u;
                memcpy(whole, p->b, 20);
            }
        }
        if (i) {
            whole[6] = 50;
            put16(whole + 4, (u16)(len - 40));
        } else {
            put16(whole + 2, (u16)len), put16(whole + 6, 0);
        }
        rig_in(t.b, i ? RAW6_ESP : RAW4_ESP, whole, len);
        rig_run(t.b);
        struct rig_pkt *p = rig_out(t.b, TUN0);
        assert_non_null(p);
        assert_memory_equal(p->b, b, 1280);
        two_free(t);
    }
}

static void t_tunnel_down(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    struct dp_tunnel_value v = side(TUN_GRE_IP, "1.1.1.1", "2.2.2.2", 0);
    u8 b[100];
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    rig_in(r, TUN0, b, 100); /* no tunnel at all */
    rig_run(r);
    memset(&v.dst, 0, sizeof v.dst);
    one_tunnel(r, v);
    rig_in(r, TUN0, b, 100);
    rig_run(r);
    assert_int_equal(rig_drops(r, DROP_TUNNEL_DOWN), 2);
    b[8] = 0;
    one_tunnel(r, side(TUN_GRE_IP, "1.1.1.1", "2.2.2.2", 0));
    rig_in(r, TUN0, b, 100);
    rig_in(r, TUN0, b, 10);
    rig_run(r);
    assert_int_equal(rig_drops(r, DROP_TTL), 1);
    assert_int_equal(rig_drops(r, DROP_MALFORMED_IP), 1);
    one_tunnel(r, side(TUN_IPSEC_IPV4, "1.1.1.1", "2.2.2.2",
                       0)); /* ipsec without protection: nothing in clear */
    b[8] = 9;
    rig_in(r, TUN0, b, 100);
    rig_run(r);
    assert_int_equal(rig_drops(r, DROP_TUNNEL_DOWN), 3);
    assert_int_equal(rig_num_out(r, SEND4), 0);
    rig_free(r);
}

/* Whole vectors, mixed tunnels and pings, and a busy pool: everything arrives, every buffer comes
 * back. */
static void t_many(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, TF_SEQUENCE, MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    u8 b[1500];
    for (unsigned i = 0; i < 3000; i++) {
        size_t len = 60 + i % 1300;
        rig_ping(b, i & 1 ? "10.1.0.1" : "fd00::1", i & 1 ? "10.2.0.1" : "fd00::2", len, false);
        rig_in(t.a, TUN0, b, len);
    }
    rig_run(t.a);
    assert_int_equal(rig_num_out(t.a, SEND4), 3000);
    rig_wire(t.a, t.b);
    assert_int_equal(rig_num_out(t.b, TUN0), 3000);
    two_free(t);
}

/* A whole vector of packets that must be cut: buffers given back while the vector is still walked
 * must not be handed out again under its feet (they once were). */
static void t_many_cut(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, TF_SEQUENCE, MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    static u8 b[3000];
    for (unsigned i = 0; i < 300; i++) {
        size_t len = 1500 + (i * 7) % 1400;
        rig_ping(b, "10.1.0.1", "10.2.0.1", len, false);
        put16(b + 4, (u16)i);
        ip4_checksum_set(b, 20);
        rig_in(t.a, TUN0, b, len);
    }
    rig_run(t.a);
    rig_wire(t.a, t.b);
    static unsigned got[300];
    memset(got, 0, sizeof got);
    for (struct rig_pkt *p = rig_out(t.b, TUN0); p; p = rig_out(t.b, TUN0)) {
        assert_true(be16(p->b + 4) < 300);
        got[be16(p->b + 4)] += p->len - 20u;
    }
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(got[i], 1500 + (i * 7) % 1400 - 20);
    }
    for (enum dp_drop d = 1; d < DROP_NUM; d++) {
        assert_int_equal(rig_drops(t.a, d) + rig_drops(t.b, d), 0);
    }
    two_free(t);
}

static void t_answers(void **state)
{
    (void)state;
    struct two t = joined(TUN_GRE_IP, 0, MODE_TUNNEL, ENCR_AES128, HASH_SHA1);
    assert_true(through(t.a, t.b, "10.1.0.1", "10.2.0.1", 100) != 0);
    rig_quiet(t.a);
    rig_ctl(t.a, (struct dp_msg){.type = DP_PING, .tag = 3, .u.number = 99});
    assert_int_equal(rig_told(t.a, DP_PONG, 0)->u.number, 99);
    rig_ctl(t.a, (struct dp_msg){.type = DP_GET_SAS});
    const struct dp_sa_info *s = NULL;
    for (unsigned i = 0; i < 2; i++) {
        const struct dp_msg *m = rig_told(t.a, DP_SA, i);
        s = m->u.sa_info.sa.dir == SA_OUT ? &m->u.sa_info : s;
    }
    assert_true(s->current && s->packets == 1 && s->bytes == 124 && s->seq == 1);
    assert_int_equal(s->sa.encr_key.len, 0);
    assert_int_equal(s->sa.encr_key.b[0] | s->sa.encr_key.b[5], 0);
    assert_non_null(rig_told(t.a, DP_END, 0));
    rig_quiet(t.a);
    rig_ctl(t.a, (struct dp_msg){.type = DP_SET_KEYLOG, .u.number = 1});
    rig_ctl(t.a, (struct dp_msg){.type = DP_GET_SAS});
    assert_int_equal(rig_told(t.a, DP_SA, 0)->u.sa_info.sa.encr_key.len, 16);
    rig_quiet(t.b);
    rig_ctl(t.b, (struct dp_msg){.type = DP_GET_SAS});
    for (unsigned i = 0; i < 2; i++) {
        const struct dp_sa_info *x = &rig_told(t.b, DP_SA, i)->u.sa_info;
        if (x->sa.dir == SA_IN) {
            assert_int_equal(x->replay_bitmap, 1);
            assert_int_equal(x->seq, 1);
        }
    }
    rig_ctl(t.b, (struct dp_msg){.type = DP_CLEAR_COUNTERS});
    rig_quiet(t.b);
    rig_ctl(t.b, (struct dp_msg){.type = DP_GET_FLOWS});
    assert_int_equal(rig_told(t.b, DP_FLOW, 0)->u.flow_info.decaps, 0);
    rig_ctl(t.b, (struct dp_msg){.type = DP_GET_DROPS});
    assert_non_null(rig_told(t.b, DP_DROP_COUNT, DROP_NUM - 2));
    rig_later(t.a, 5000);
    rig_quiet(t.a);
    rig_ctl(t.a, (struct dp_msg){.type = DP_GET_TUNNELS});
    assert_true(rig_told(t.a, DP_TUNNEL, 0)->u.tunnel_info.last_tx_ms_ago >= 5000);
    assert_true(rig_told(t.a, DP_TUNNEL, 0)->u.tunnel_info.last_rx_ms_ago == UINT64_MAX);
    two_free(t);
}

/* What waits for an SA stays as long as its way stays, over new generations; when the flow is another tunnel's, it is dropped: it
 * has the old one's delivery header. */
static void t_held_keeps_its_way(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    struct dp_tunnel_value t = side(TUN_GRE_IP, "1.1.1.1", "2.2.2.2", 5),
                           other = side(TUN_GRE_IP, "1.1.1.1", "3.3.3.3", 5);
    u8 b[100];
    other.id = 1, other.port = TUN1;
    for (unsigned moved = 0; moved < 3; moved++) {
        t.flow = moved == 2 ? 0 : 5;
        rig_begin(r);
        rig_flow(r, (struct dp_flow_value){.flow = 5, .path_mtu = 1500});
        rig_tunnel(r, t);
        if (moved == 2) {
            rig_tunnel(r, other);
        }
        rig_commit(r);
        if (moved == 0) {
            rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
            rig_in(r, TUN0, b, 100);
            rig_run(r);
        }
        assert_int_equal(flow_get(r->dp, 5)->held, moved == 2 ? 0 : 1);
    }
    assert_int_equal(rig_drops(r, DROP_NOT_FOR_US), 1);
    rig_sa(r, rig_sa_value(5, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, "1.1.1.1",
                           "3.3.3.3"));
    assert_int_equal(rig_num_out(r, SEND4), 0);
    assert_int_equal(r->dp->w.num_free, POOL);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_seed_000),
        cmocka_unit_test(t_every_tunnel),
        cmocka_unit_test(t_gre_header),
        cmocka_unit_test(t_gre_refused),
        cmocka_unit_test(t_clear_is_refused),
        cmocka_unit_test(t_wrong_flow),
        cmocka_unit_test(t_shared_flow),
        cmocka_unit_test(t_gre_under_crypto_map),
        cmocka_unit_test(t_rpf),
        cmocka_unit_test(t_rpf_in_clear),
        cmocka_unit_test(t_gre_ecn),
        cmocka_unit_test(t_mss),
        cmocka_unit_test(t_tunnel_mtu),
        cmocka_unit_test(t_ipv6_minimum),
        cmocka_unit_test(t_tunnel_down),
        cmocka_unit_test(t_many),
        cmocka_unit_test(t_many_cut),
        cmocka_unit_test(t_answers),
        cmocka_unit_test(t_held_keeps_its_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
