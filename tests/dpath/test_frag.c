/*
 * test_frag.c: what happens to packets in pieces and to news about the path: fragments of delivery
 * packets that come out of an SA one by one (join.c), in every order, overlapping, incomplete, too
 * many; and path MTUs the network tells (pmtu.c: pmtu_told, pmtu_too_long).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rig.h"

/* a: a crypto map that protects everything, in tunnel mode: what stands for an IOS that cuts the
 * GRE packet before encryption. b: GRE under tunnel protection with the same SA. */
struct two {
    struct rig *a, *b;
};

static struct two joined(bool v6, u32 b_flow)
{
    struct two t = {rig_new(NULL), rig_new(NULL)};
    const char *x = v6 ? RIG_A6 : RIG_A4, *y = v6 ? RIG_B6 : RIG_B4;
    rig_crypto_map(t.a, v6, DF_COPY, false);
    rig_begin(t.b);
    rig_flow(t.b, (struct dp_flow_value){.flow = b_flow,
                                         .path_mtu = 1500,
                                         .local = rig_addr(y),
                                         .peer = rig_addr(x),
                                         .name = "T"});
    rig_tunnel(t.b, (struct dp_tunnel_value){.port = TUN0,
                                             .flow = b_flow,
                                             .mode = v6 ? TUN_GRE_IPV6 : TUN_GRE_IP,
                                             .mtu = 1400,
                                             .path_mtu = 1500,
                                             .src = rig_addr(y),
                                             .dst = rig_addr(x),
                                             .name = "Tunnel0"});
    rig_commit(t.b);
    rig_sa(t.a, rig_sa_value(7, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, x, y));
    rig_sa(t.b, rig_sa_value(b_flow, 0x1000, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, x, y));
    return t;
}

static void two_free(struct two t)
{
    assert_int_equal(t.a->dp->w.num_free + t.a->dp->w.num_held, POOL);
    assert_int_equal(t.b->dp->w.num_free + t.b->dp->w.num_held + t.b->dp->w.num_joining, POOL);
    rig_free(t.a);
    rig_free(t.b);
}

/* The GRE payload of a delivery packet around a ping; returns its length. */
static size_t gre_around(u8 *out, u8 *inner, size_t len)
{
    rig_ping(inner, "10.1.0.1", "10.2.0.1", len, false);
    memcpy(out + 4, inner, len);
    return len + gre_build(out, 0, GRE_PROTO_IP, 0, 0, len);
}

/* One fragment of a delivery packet, sent by a through its SA, put into b. */
static void send_piece(struct two t, bool v6, u32 id, const u8 *payload, unsigned at, unsigned len,
                       bool more)
{
    u8 b[2000];
    struct ip_make m = {.proto = v6 ? 44 : 47,
                        .ttl = 255,
                        .id = (u16)id,
                        .payload = (u16)(len + (v6 ? IP6_FRAG_HDR : 0)),
                        .src = rig_addr(v6 ? RIG_A6 : RIG_A4),
                        .dst = rig_addr(v6 ? RIG_B6 : RIG_B4)};
    unsigned hlen = ip_build(b, &m);
    if (v6) {
        b[hlen] = 47, b[hlen + 1] = 0;
        put16(b + hlen + 2, (u16)(at | more));
        put32(b + hlen + 4, id);
        hlen += IP6_FRAG_HDR;
    } else {
        put16(b + 6, (u16)(at / 8 | (more ? IP4_MF : 0)));
        ip4_checksum_set(b, hlen);
    }
    memcpy(b + hlen, payload + at, len);
    rig_in(t.a, CRYPTO, b, hlen + len);
    rig_run(t.a);
    assert_int_equal(rig_wire(t.a, t.b), 1);
}

static void expect(struct two t, const u8 *inner, size_t len)
{
    struct rig_pkt *o = rig_out(t.b, TUN0);
    assert_non_null(o);
    assert_int_equal(o->len, len);
    assert_memory_equal(o->b, inner, len);
}

/* Three pieces in each of the six orders, IPv4 and IPv6 outside. */
static void t_every_order(void **state)
{
    (void)state;
    static const u8 order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                   {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    static const unsigned cut[4] = {0, 1200, 2400, 3004};
    u8 payload[4000], inner[4000];
    assert_int_equal(gre_around(payload, inner, 3000), cut[3]);
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct two t = joined(v6, 5);
        for (unsigned o = 0; o < 6; o++) {
            for (unsigned i = 0; i < 3; i++) {
                unsigned k = order[o][i];
                assert_int_equal(rig_num_out(t.b, TUN0), 0);
                send_piece(t, v6, o, payload, cut[k], cut[k + 1] - cut[k], k != 2);
            }
            expect(t, inner, 3000);
        }
        assert_int_equal(t.b->dp->w.num_joining, 0);
        assert_int_equal(rig_drops(t.b, DROP_FRAGMENT), 0);
        two_free(t);
    }
}

/* Pieces of two datagrams between each other; the same id under another protocol would be another. */
static void t_mixed(void **state)
{
    (void)state;
    struct two t = joined(false, 5);
    u8 x[2000], y[2000], in_x[2000], in_y[2000];
    size_t nx = gre_around(x, in_x, 1500), ny = gre_around(y, in_y, 1800);
    send_piece(t, false, 1, x, 0, 800, true);
    send_piece(t, false, 2, y, 0, 1000, true);
    send_piece(t, false, 1, x, 800, (unsigned)nx - 800, false);
    expect(t, in_x, 1500);
    send_piece(t, false, 2, y, 1000, (unsigned)ny - 1000, false);
    expect(t, in_y, 1800);
    two_free(t);
}

/* Pieces of one id that came under SAs of two flows, or are of two protocols, are not one datagram. */
static void t_never_across(void **state)
{
    (void)state;
    u8 x[2000], inner[2000];
    size_t n = gre_around(x, inner, 1500);
    struct two t = joined(false, 5);
    rig_begin(t.b); /* the same tunnel, and another flow beside it */
    for (u32 id = 5; id <= 6; id++) {
        rig_flow(t.b, (struct dp_flow_value){.flow = id,
                                             .path_mtu = 1500,
                                             .local = rig_addr(RIG_B4),
                                             .peer = rig_addr(RIG_A4)});
    }
    struct dp_tunnel_value v = {.port = TUN0,
                                .flow = 5,
                                .mode = TUN_GRE_IP,
                                .mtu = 1400,
                                .path_mtu = 1500,
                                .src = rig_addr(RIG_B4),
                                .dst = rig_addr(RIG_A4)};
    rig_tunnel(t.b, v);
    v.id = 1, v.port = TUN1, v.flow = 0, v.mode = TUN_IPIP;
    rig_tunnel(t.b, v);
    rig_commit(t.b);
    rig_sa(t.b,
           rig_sa_value(6, 0x1001, SA_IN, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    send_piece(t, false, 1, x, 0, 800, true); /* of another protocol */
    u8 b[1000];
    struct ip_make m = {.proto = 4,
                        .ttl = 255,
                        .id = 1,
                        .payload = (u16)(n - 800),
                        .src = rig_addr(RIG_A4),
                        .dst = rig_addr(RIG_B4)};
    ip_build(b, &m);
    put16(b + 6, 800 / 8);
    ip4_checksum_set(b, IP4_HDR);
    memcpy(b + IP4_HDR, x + 800, n - 800);
    rig_in(t.a, CRYPTO, b, IP4_HDR + n - 800);
    rig_run(t.a);
    assert_int_equal(rig_wire(t.a, t.b), 1);
    assert_null(rig_out(t.b, TUN0));
    assert_int_equal(t.b->dp->w.num_joining, 2);
    send_piece(t, false, 2, x, 0, 800, true); /* under the SA of another flow */
    rig_sa(t.a,
           rig_sa_value(7, 0x1001, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    send_piece(t, false, 2, x, 800, (unsigned)n - 800, false);
    assert_null(rig_out(t.b, TUN0));
    assert_int_equal(t.b->dp->w.num_joining, 4);
    two_free(t);
}

/* What is no packet of the tunnel does not come in under the SA that protects the tunnel. */
static void t_sa_of_a_tunnel(void **state)
{
    (void)state;
    struct two t = joined(false, 5);
    u8 b[100];
    rig_ping(b, "10.1.0.1", "10.2.0.1", 100, false);
    rig_in(t.a, CRYPTO, b, 100);
    rig_run(t.a);
    assert_int_equal(rig_wire(t.a, t.b), 1);
    assert_int_equal(rig_num_out(t.b, CRYPTO) + rig_num_out(t.b, TUN0), 0);
    assert_int_equal(rig_drops(t.b, DROP_BAD_IDENTITY), 1);
    two_free(t);
}

static void t_refused(void **state)
{
    (void)state;
    static const struct {
        unsigned at, len;
        bool more;
        const char *why;
    } row[] = {{792, 708, false, "fragments overlap"},
               {0, 800, true, "fragments overlap"},
               {400, 8, true, "fragments overlap"},
               {800, 700, true, "no multiple of 8"},
               {400, 100, false, "fragments disagree about the length"}};
    struct two t = joined(false, 5);
    u8 x[2000], inner[2000];
    size_t n = gre_around(x, inner, 1500);
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        u64 before = rig_drops(t.b, DROP_FRAGMENT);
        rig_later(t.b, 1100); /* the next reason is told, not only counted */
        rig_quiet(t.b);
        send_piece(t, false, 7 + i, x, 0, 800, true);
        send_piece(t, false, 7 + i, x, row[i].at, row[i].len, row[i].more);
        assert_int_equal(rig_drops(t.b, DROP_FRAGMENT),
                         before + 2); /* the piece and what was there */
        assert_true(rig_said(t.b, row[i].why));
        assert_int_equal(t.b->dp->w.num_joining, 0);
        send_piece(t, false, 7 + i, x, 800, (unsigned)n - 800, false); /* alone it is nothing */
        assert_null(rig_out(t.b, TUN0));
        rig_later(t.b, JOIN_MS);
    }
    /* two ends */
    send_piece(t, false, 50, x, 800, (unsigned)n - 800, false);
    send_piece(t, false, 50, x, 1600 - 8, 8, true);
    assert_null(rig_out(t.b, TUN0));
    assert_int_equal(t.b->dp->w.num_joining, 0);
    /* one that would be longer than a buffer */
    send_piece(t, false, 51, x, 0, 800, true);
    u64 before = rig_drops(t.b, DROP_FRAGMENT);
    static const u8 far[JOIN_MAX + 16];
    send_piece(t, false, 51, far, JOIN_MAX / 8 * 8, 16, true);
    assert_int_equal(rig_drops(t.b, DROP_FRAGMENT), before + 2);
    two_free(t);
}

static void t_times_out(void **state)
{
    (void)state;
    struct two t = joined(false, 5);
    u8 x[2000], inner[2000];
    size_t n = gre_around(x, inner, 1500);
    send_piece(t, false, 1, x, 0, 800, true);
    assert_int_equal(t.b->dp->w.num_joining, 1);
    rig_later(t.b, JOIN_MS - 1000);
    assert_int_equal(t.b->dp->w.num_joining, 1);
    rig_later(t.b, 2000);
    assert_int_equal(t.b->dp->w.num_joining, 0);
    assert_int_equal(rig_drops(t.b, DROP_FRAGMENT), 1);
    assert_true(rig_said(t.b, "the other fragments did not come in time"));
    send_piece(t, false, 1, x, 800, (unsigned)n - 800, false);
    assert_null(rig_out(t.b, TUN0));
    two_free(t);
}

/* Never more than MAX_JOINS at once; the oldest goes, the newest is served. */
static void t_bounded(void **state)
{
    (void)state;
    struct two t = joined(false, 5);
    u8 x[2000], inner[2000];
    size_t n = gre_around(x, inner, 1500);
    for (unsigned i = 0; i < MAX_JOINS + 10; i++) {
        send_piece(t, false, i, x, 0, 800, true);
        rig_later(t.b, 10);
    }
    assert_int_equal(t.b->dp->w.num_joining, MAX_JOINS);
    assert_int_equal(rig_drops(t.b, DROP_FRAGMENT), 10);
    send_piece(t, false, 10, x, 800, (unsigned)n - 800, false); /* the oldest that is left */
    expect(t, inner, 1500);
    send_piece(t, false, 9, x, 800, (unsigned)n - 800, false); /* one that had to go */
    assert_null(rig_out(t.b, TUN0));
    two_free(t);
}

/* In clear the kernel joins; a crypto map that protects somebody else's GRE passes pieces on. */
static void t_only_ours(void **state)
{
    (void)state;
    struct two t = joined(false, 5);
    u8 x[2000], inner[2000], b[900];
    (void)gre_around(x, inner, 1500);
    struct ip_make m = {
        .proto = 47, .ttl = 9, .payload = 800, .src = rig_addr(RIG_A4), .dst = rig_addr(RIG_B4)};
    ip_build(b, &m);
    put16(b + 6, IP4_MF);
    ip4_checksum_set(b, 20);
    memcpy(b + 20, x, 800);
    rig_in(t.b, RAW4_GRE, b, 820);
    rig_run(t.b);
    assert_int_equal(rig_drops(t.b, DROP_FRAGMENT), 1);
    two_free(t);

    struct two c = {rig_new(NULL), rig_new(NULL)};
    rig_crypto_map(c.a, false, DF_COPY, false);
    rig_crypto_map(c.b, false, DF_COPY, false);
    rig_pair(c.a, c.b, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, false);
    send_piece(c, false, 3, x, 0, 800, true);
    assert_int_equal(rig_num_out(c.b, CRYPTO), 1);
    assert_int_equal(rig_out(c.b, CRYPTO)->len, 820);
    two_free(c);
}

/* ---- path MTU -------------------------------------------------------------------------------- */

static u16 plaintext_mtu(struct rig *r)
{
    rig_quiet(r);
    rig_ctl(r, (struct dp_msg){.type = DP_GET_FLOWS});
    return rig_told(r, DP_FLOW, 0)->u.flow_info.plaintext_mtu;
}

/* ICMP fragmentation needed about an ESP packet: believed when the SPI is one of ours. */
static void t_told_about_esp(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    struct addr peer = rig_addr(RIG_B4), other = rig_addr("198.51.100.9");
    const u8 quote[8] = {0, 0, 0x10, 0, 0, 0, 0, 1}, wrong[8] = {0, 0, 0x10, 1, 0, 0, 0, 1};
    rig_crypto_map(r, false, DF_COPY, false);
    rig_sa(r, rig_sa_value(7, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    u16 whole = plaintext_mtu(r);
    pmtu_told(&r->dp->w, 50, &peer, wrong, sizeof wrong, 1300);
    pmtu_told(&r->dp->w, 50, &other, quote, sizeof quote, 1300);
    pmtu_told(&r->dp->w, 50, &peer, quote, 3, 1300);
    pmtu_told(&r->dp->w, 50, &peer, quote, sizeof quote, 1500);
    assert_int_equal(plaintext_mtu(r), whole);
    pmtu_told(&r->dp->w, 50, &peer, quote, sizeof quote, 1300);
    assert_true(rig_said(r, "1300"));
    u16 less = plaintext_mtu(r);
    assert_true(less < whole && less > 1300 - 80);

    u8 b[2000]; /* the sender is told what fits now */
    rig_ping(b, "10.1.0.1", "10.2.0.1", less + 1u, true);
    rig_in(r, CRYPTO, b, less + 1u);
    rig_run(r);
    struct rig_pkt *p = rig_out(r, CRYPTO);
    assert_non_null(p);
    assert_int_equal(be16(p->b + 26), less);
    rig_ping(b, "10.1.0.1", "10.2.0.1", less, true);
    rig_in(r, CRYPTO, b, less);
    rig_run(r);
    assert_true(rig_out(r, SEND4)->len <= 1300);

    pmtu_told(&r->dp->w, 50, &peer, quote, sizeof quote, 0); /* an old router: the next plateau */
    assert_int_equal(r->dp->flow[0].learned_mtu, 1280);
    pmtu_told(&r->dp->w, 50, &peer, quote, sizeof quote, 40); /* nobody carries so little */
    assert_int_equal(r->dp->flow[0].learned_mtu, 576);
    rig_later(r, PMTU_AGE_MS + 1000); /* RFC 1191 6.3 */
    assert_int_equal(plaintext_mtu(r), whole);
    rig_free(r);
}

/* In clear: only with `tunnel path-mtu-discovery` (else DF is clear and no honest router says so),
 * IPv6 always; the kernel's own refusal is believed without. */
static void t_told_about_gre(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        bool v6 = i == 2, pmtud = i == 1;
        struct rig *r = rig_new(NULL);
        struct addr peer = rig_addr(v6 ? RIG_B6 : RIG_B4);
        struct dp_tunnel_value t = {.port = TUN0,
                                    .mode = v6 ? TUN_GRE_IPV6 : TUN_GRE_IP,
                                    .flags = pmtud ? TF_PMTUD : 0,
                                    .mtu = 1476,
                                    .path_mtu = 1500,
                                    .src = rig_addr(v6 ? RIG_A6 : RIG_A4),
                                    .dst = peer};
        rig_begin(r);
        rig_tunnel(r, t);
        rig_commit(r);
        u16 before = r->dp->tunnel[0].eff_mtu;
        pmtu_told(&r->dp->w, 47, &peer, (const u8 *)"\0\0\x08\0", 4, 1380);
        assert_int_equal(r->dp->tunnel[0].eff_mtu, pmtud ? 1356 : v6 ? 1336 : before);
        struct pkt *p = pkt_get(&r->dp->w);
        p->tun = &r->dp->tunnel[0];
        pmtu_too_long(&r->dp->w, p, 1300);
        assert_int_equal(r->dp->tunnel[0].eff_mtu, v6 ? 1256 : 1276);
        pkt_put(&r->dp->w, p);
        rig_begin(r); /* another destination: what was learned was about the old one */
        t.dst = rig_addr(v6 ? "2001:db8:f::9" : "198.51.100.9");
        rig_tunnel(r, t);
        rig_commit(r);
        assert_int_equal(r->dp->tunnel[0].eff_mtu, before);
        rig_free(r);
    }
}

/* ---- the kernel refuses to send ---- */

/* What a socket would do: refuse to send, and say once why in its error queue. */
static struct {
    struct sock_extended_err why;
    bool waits;
} kernel;
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
    (void)fd, (void)m, (void)n, (void)flags;
    errno = EMSGSIZE;
    return -1;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *h, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *h, int flags)
{
    (void)fd;
    if (!(flags & MSG_ERRQUEUE) || !kernel.waits) {
        errno = EAGAIN;
        return -1;
    }
    kernel.waits = false;
    h->msg_controllen = CMSG_SPACE(sizeof kernel.why);
    struct cmsghdr *c = CMSG_FIRSTHDR(h);
    *c = (struct cmsghdr){.cmsg_level = IPPROTO_IP,
                          .cmsg_type = IP_RECVERR,
                          .cmsg_len = CMSG_LEN(sizeof kernel.why)};
    memcpy(CMSG_DATA(c), &kernel.why, sizeof kernel.why);
    return 0;
}

/* What the kernel itself refuses shows what the link carries. A kernel may give the sending socket the ICMP errors that
 * quote its protocol, 255, as well, which anybody may write: nothing is learned from those, nor from a refusal that does
 * not say why. */
static void t_refused_by_the_kernel(void **state)
{
    (void)state;
    static const struct {
        u8 origin;
        bool told;
        u16 learned;
    } row[] = {{SO_EE_ORIGIN_ICMP, true, 0},
               {SO_EE_ORIGIN_LOCAL, false, 0},
               {SO_EE_ORIGIN_LOCAL, true, 1300}};
    struct rig *r = rig_new(NULL);
    struct dp_msg port = {.type = DP_CFG_PORT};
    rig_crypto_map(r, false, DF_COPY, false);
    rig_sa(r, rig_sa_value(7, 0x1000, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4, RIG_B4));
    port.u.port = (struct dp_port_value){
        .id = SEND4, .kind = PORT_RAW, .family = AF_V4, .proto = 255, .name = "send"};
    dp_ctl(r->dp, FROM_MAIN, &port, open("/dev/null", O_RDWR | O_CLOEXEC));
    for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
        u8 b[1400];
        kernel.why = (struct sock_extended_err){
            .ee_errno = EMSGSIZE, .ee_origin = row[i].origin, .ee_info = 1300};
        kernel.waits = row[i].told;
        rig_ping(b, "10.1.0.1", "10.2.0.1", sizeof b, true);
        rig_in(r, CRYPTO, b, sizeof b);
        rig_run(r);
        assert_false(kernel.waits);
        assert_int_equal(rig_drops(r, DROP_TX_ERROR), i + 1);
        assert_int_equal(r->dp->flow[0].learned_mtu, row[i].learned);
    }
    rig_free(r);
}

/* Forged errors by the thousand cost nothing: for an SPI that is none of ours no SA is looked at, however many there are. */
static void t_forged_looks_at_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    struct addr peer = rig_addr(RIG_B4);
    size_t size = MAX_SAS * sizeof *r->dp->sas & ~(size_t)4095;
    rig_crypto_map(r, false, DF_COPY, false);
    for (u32 i = 0; i < 1000; i++) {
        rig_sa(r, rig_sa_value(7, 0x10000 + i, SA_OUT, MODE_TUNNEL, ENCR_AES128, HASH_SHA1, RIG_A4,
                               RIG_B4));
    }
    assert_non_null(rig_find_sa(r, 0x10000 + 999, SA_OUT));
    u16 whole = plaintext_mtu(r);
    assert_int_equal(mprotect(r->dp->sas, size, PROT_NONE), 0);
    unsigned tried = 0;
    for (u32 spi = 1; tried < 4000; spi++) {
        u8 quote[4];
        put32(quote, spi * 2654435761u);
        if (!r->dp->bucket[SA_OUT][sa_hash(be32(quote))]) { /* else one or two are */
            pmtu_told(&r->dp->w, 50, &peer, quote, sizeof quote, 600);
            tried++;
        }
    }
    assert_int_equal(mprotect(r->dp->sas, size, PROT_READ | PROT_WRITE), 0);
    assert_int_equal(plaintext_mtu(r), whole);
    rig_free(r);
}

/* ---- the graph's queues ----------------------------------------------------------------------- */

/* What is put into a queue that is full is dropped and counted; nothing is written past it. */
static void t_full_queue(void **state)
{
    (void)state;
    struct rig *r = rig_new(NULL);
    struct worker *w = &r->dp->w;
    struct queue *q = &w->q[N_PORT_TX];
    struct pkt *p = pkt_get(w);
    q->n = ARRAY_LEN(q->p);
    graph_put(w, N_PORT_TX, p);
    assert_int_equal(q->n, ARRAY_LEN(q->p));
    assert_int_equal(w->q[N_PORT_TX + 1].n, 0); /* it stands behind it */
    assert_int_equal(w->drops[DROP_NO_BUFFER], 1);
    assert_int_equal(w->num_free, POOL);
    q->n = 0;
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_every_order),
        cmocka_unit_test(t_mixed),
        cmocka_unit_test(t_refused),
        cmocka_unit_test(t_never_across),
        cmocka_unit_test(t_sa_of_a_tunnel),
        cmocka_unit_test(t_times_out),
        cmocka_unit_test(t_bounded),
        cmocka_unit_test(t_only_ours),
        cmocka_unit_test(t_told_about_esp),
        cmocka_unit_test(t_told_about_gre),
        cmocka_unit_test(t_refused_by_the_kernel),
        cmocka_unit_test(t_forged_looks_at_nothing),
        cmocka_unit_test(t_full_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
