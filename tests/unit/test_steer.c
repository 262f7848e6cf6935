/*
 * test_steer.c: the classifier (steer/steer.bpf.c) in the kernel's own BPF machine, packet by packet
 * (bpf_prog_test_run), loaded and filled by the code that puts it on links (steer/steer.c); and that
 * code on a link of a namespace of its own. Needs root; without, it is skipped.
 */
#include "steer/steer.h"
#include "steer/steer_abi.h"
#include "wire/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { TUN_OUT = 1, TUN_IN = 1, MARK = 0xad17, SKIPPED = 77 }; /* a TUN: any link that is there */
enum { OUT, IN };
enum verdict { PASSES, LED, LOST };

/* ---- packets ---------------------------------------------------------------------------------- */

struct frame {
    size_t len;
    u8 b[256];
};

static struct addr addr_of(const char *text)
{
    struct addr a;
    assert_true(addr_parse(&a, text));
    return a;
}

/* eth: a frame of that EtherType with nothing in it. */
static struct frame eth(u16 type)
{
    struct frame f = {.len = 14};
    memset(f.b, 0xff, 6); /* to everybody */
    memset(f.b + 6, 2, 6);
    put16(f.b + 12, type);
    return f;
}

static void add(struct frame *f, const void *p, size_t len)
{
    memcpy(f->b + f->len, p, len);
    f->len += len;
}

/* ip: a packet with 24 bytes behind its header; ports where there are some. */
static struct frame ip(const char *src, const char *dst, u8 proto, u16 sport, u16 dport)
{
    struct addr s = addr_of(src), d = addr_of(dst);
    bool six = s.family == AF_V6;
    struct frame f = eth(six ? 0x86dd : 0x0800);
    u8 h[40] = {0}, l4[24] = {0};
    put16(l4, sport), put16(l4 + 2, dport);
    if (six) {
        h[0] = 0x60, h[5] = sizeof l4, h[6] = proto, h[7] = 64;
        memcpy(h + 8, s.b, 16), memcpy(h + 24, d.b, 16);
    } else {
        h[0] = 0x45, h[3] = 20 + sizeof l4, h[8] = 64, h[9] = proto;
        memcpy(h + 12, s.b, 4), memcpy(h + 16, d.b, 4);
    }
    add(&f, h, six ? 40 : 20);
    add(&f, l4, sizeof l4);
    return f;
}

/* tagged: the same frame behind VLAN tags in its bytes. */
static struct frame tagged(struct frame f, u16 type, u16 tci)
{
    u8 tag[4];
    put16(tag, type), put16(tag + 2, tci);
    memmove(f.b + 16, f.b + 12, f.len - 12);
    memcpy(f.b + 12, tag, 4);
    f.len += 4;
    return f;
}

/* ---- running ---------------------------------------------------------------------------------- */

static struct selector line(const char *src, u8 src_len, const char *dst, u8 dst_len, u8 proto)
{
    return (struct selector){.src = {addr_of(src), src_len},
                             .dst = {addr_of(dst), dst_len},
                             .proto = proto,
                             .sport_hi = 0xffff,
                             .dport_hi = 0xffff};
}

static void load(int fds[2], const struct selector *sel, size_t num)
{
    static struct addr own[2];
    own[0] = addr_of("1.1.1.1"), own[1] = addr_of("2001:db8::1");
    struct steer_link l = {.tun_out = TUN_OUT,
                           .tun_in = TUN_IN,
                           .mark = MARK,
                           .sel = sel,
                           .num_sel = num,
                           .own = own,
                           .num_own = ARRAY_LEN(own)};
    const char *why = steer_programs(&l, fds);
    if (why) {
        fail_msg("%s", why);
    }
}

static void unload(const int fds[2])
{
    close(fds[0]);
    close(fds[1]);
}

static enum verdict run_marked(int fd, const struct frame *f, u32 mark)
{
    struct __sk_buff skb = {.mark = mark};
    LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = f->b, .data_size_in = (u32)f->len, .ctx_in = &skb,
                .ctx_size_in = sizeof skb, .repeat = 1);
    if (bpf_prog_test_run_opts(fd, &o) != 0) {
        fail_msg("the kernel does not run it: %s", strerror(errno));
    }
    int got = (int)o.retval;
    if (got != TC_ACT_UNSPEC && got != TC_ACT_REDIRECT && got != TC_ACT_SHOT) {
        fail_msg("it says %d", got);
    }
    return got == TC_ACT_UNSPEC ? PASSES : got == TC_ACT_REDIRECT ? LED : LOST;
}

static enum verdict run(int fd, struct frame f)
{
    return run_marked(fd, &f, 0);
}

/* covered: what leaves by `out` and, turned round, what comes in is led; or neither is. */
static void covered(const int fds[2], const char *src, const char *dst, u8 proto, bool want)
{
    enum verdict out = run(fds[OUT], ip(src, dst, proto, 1, 2)),
                 in = run(fds[IN], ip(dst, src, proto, 1, 2));
    if (out != (want ? LED : PASSES) || in != out) {
        fail_msg("%s > %s protocol %u: out %d, in %d", src, dst, proto, out, in);
    }
}

/* ---- what a line covers ------------------------------------------------------------------------ */

static void t_prefixes(void **state)
{
    (void)state;
    int fds[2];
    const struct selector sel[] = {
        line("10.1.2.77", 23, "10.2.0.9", 16, 0), /* host bits do not count */
        line("2001:db8:0:2::7", 63, "2001:db8:5::1", 128, 0),
        line("172.16.0.1", 32, "0.0.0.0", 0, 0)};
    load(fds, sel, ARRAY_LEN(sel));
    covered(fds, "10.1.2.0", "10.2.0.0", 6, true);
    covered(fds, "10.1.3.255", "10.2.255.255", 17, true);
    covered(fds, "10.1.1.255", "10.2.0.0", 6, false);
    covered(fds, "10.1.4.0", "10.2.0.0", 6, false);
    covered(fds, "10.1.2.0", "10.1.255.255", 6, false);
    covered(fds, "10.1.2.0", "10.3.0.0", 6, false);
    covered(fds, "10.2.0.0", "10.1.2.0", 6, false); /* the wrong way round */
    covered(fds, "172.16.0.1", "8.8.8.8", 1, true);
    covered(fds, "172.16.0.0", "8.8.8.8", 1, false);
    covered(fds, "172.16.0.2", "8.8.8.8", 1, false);
    covered(fds, "2001:db8:0:2::", "2001:db8:5::1", 17, true);
    covered(fds, "2001:db8:0:3:ffff:ffff:ffff:ffff", "2001:db8:5::1", 17, true);
    covered(fds, "2001:db8:0:4::", "2001:db8:5::1", 17, false);
    covered(fds, "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:5::1", 17, false);
    covered(fds, "2001:db8:0:2::", "2001:db8:5::2", 17, false); /* differs in the last word alone */
    covered(fds, "2001:db8:0:2::", "2001:db8:5::1:0:1", 17, false);
    unload(fds);
    const struct selector host = line("2001:db8::aaaa", 128, "2001:db8:5::1", 128, 0);
    load(fds, &host, 1);
    covered(fds, "2001:db8::aaaa", "2001:db8:5::1", 17, true);
    covered(fds, "2001:db8::aaab", "2001:db8:5::1", 17, false);
    unload(fds);
    load(fds, NULL, 0); /* no line at all */
    covered(fds, "10.1.2.0", "10.2.0.0", 6, false);
    unload(fds);
}

static void t_protocols(void **state)
{
    (void)state;
    int fds[2];
    const struct selector sel[] = {line("10.1.0.0", 16, "10.2.0.0", 16, 17),
                                   line("10.1.0.0", 16, "10.3.0.0", 16, 0),
                                   line("10.1.0.0", 16, "10.2.0.0", 16, 47)};
    load(fds, sel, ARRAY_LEN(sel));
    covered(fds, "10.1.0.1", "10.2.0.1", 17, true);
    covered(fds, "10.1.0.1", "10.2.0.1", 47, true);
    covered(fds, "10.1.0.1", "10.2.0.1", 6, false);
    covered(fds, "10.1.0.1", "10.2.0.1", 0, false);
    covered(fds, "10.1.0.1", "10.3.0.1", 6, true);
    covered(fds, "10.1.0.1", "10.3.0.1", 0, true);
    struct frame f = ip("10.1.0.1", "10.2.0.1", 17, 1, 2); /* prefixes and protocol stand in each */
    put16(f.b + 14 + 6, 0x2000);
    assert_int_equal(run(fds[OUT], f), LED);
    put16(f.b + 14 + 6, 0x0010);
    assert_int_equal(run(fds[OUT], f), LED);
    f.b[14 + 9] = 6;
    assert_int_equal(run(fds[OUT], f), PASSES);
    unload(fds);
}

/* Behind extension headers the protocol is not looked for: such a packet may be covered by every line
 * of its addresses. */
static void t_hidden_protocols(void **state)
{
    (void)state;
    static const u8 headers[] = {0, 43, 44, 60, 135, 139, 140};
    const struct selector exact = line("2001:db8:1::", 48, "2001:db8:2::", 48, 6),
                          any = line("2001:db8:1::", 48, "2001:db8:2::", 48, 0);
    for (unsigned i = 0; i < ARRAY_LEN(headers); i++) {
        for (unsigned k = 0; k < 2; k++) {
            int fds[2];
            load(fds, k ? &any : &exact, 1);
            covered(fds, "2001:db8:1::1", "2001:db8:2::1", headers[i], true);
            covered(fds, "2001:db8:1::1", "2001:db8:3::1", headers[i], false);
            covered(fds, "2001:db8:1::1", "2001:db8:2::1", 6, true);
            covered(fds, "2001:db8:1::1", "2001:db8:2::1", 17, k == 1);
            covered(fds, "2001:db8:1::1", "2001:db8:2::1", 253, k == 1);
            unload(fds);
        }
    }
    int fds[2];
    const struct selector four = line("10.1.0.0", 16, "10.2.0.0", 16, 6);
    load(fds, &four, 1); /* IPv4 has no such headers: 60 is a protocol */
    covered(fds, "10.1.0.1", "10.2.0.1", 60, false);
    unload(fds);
}

/* Each pair of prefix lengths, with a protocol or without, is a mask; of both families; the last counts
 * as the first; and what finds no place is refused, not left out. */
static void t_masks(void **state)
{
    (void)state;
    struct selector sel[STEER_MASKS + 1];
    int fds[2];
    char src[32];
    for (unsigned i = 0; i < STEER_MASKS; i++) {
        snprintf(src, sizeof src, "10.%u.0.0", i);
        sel[i] = line(src, (u8)(16 + i % 16), "10.200.0.0", (u8)(24 + i / 16), 0);
        if (i % 2) {
            sel[i] = line("2001:db8:1::", (u8)(48 + i % 16), "2001:db8:2::", (u8)(64 + i / 16), 0);
        }
    }
    load(fds, sel, STEER_MASKS);
    for (unsigned i = 0; i < STEER_MASKS; i += 2) {
        snprintf(src, sizeof src, "10.%u.0.0", i);
        covered(fds, src, "10.200.0.0", 6, true);
    }
    covered(fds, "10.1.0.0", "10.200.0.0", 6, false);
    covered(fds, "2001:db8:1::1", "2001:db8:2::1", 6, true);
    unload(fds);
    load(fds, &sel[STEER_MASKS - 1], 1);
    covered(fds, "2001:db8:1::1", "2001:db8:2::1", 6, true);
    unload(fds);
    sel[STEER_MASKS] = line("10.1.0.0", 9, "10.2.0.0", 9, 0);
    struct steer_link l = {.mark = MARK, .sel = sel, .num_sel = STEER_MASKS + 1};
    const char *why = steer_programs(&l, fds);
    assert_non_null(why);
    snprintf(src, sizeof src, "more than %d different", STEER_MASKS);
    assert_non_null(strstr(why, src));
    const struct selector two[] = {sel[0], sel[1]}; /* the other family's mask first, and second */
    for (unsigned k = 0; k < 2; k++) {
        const struct selector pair[] = {two[k], two[1 - k]};
        load(fds, pair, 2);
        covered(fds, "10.0.0.0", "10.200.0.0", 6, true);
        covered(fds, "2001:db8:1::1", "2001:db8:2::1", 6, true);
        unload(fds);
    }
}

/* ---- what passes all the same ------------------------------------------------------------------ */

static void t_neighbours(void **state)
{
    (void)state;
    int fds[2];
    const struct selector all = line("::", 0, "::", 0, 0);
    load(fds, &all, 1);
    for (unsigned type = 130; type < 140; type++) {
        struct frame f = ip("fe80::1", "ff02::1", 58, (u16)(type << 8), 0);
        bool nd = type >= 133 && type <= 137;
        f.b[14 + 7] = 255;
        assert_int_equal(run(fds[OUT], f), nd ? PASSES : LED);
        assert_int_equal(run(fds[IN], f), nd ? PASSES : LED);
        f.b[14 + 7] = 254; /* from beyond the link */
        assert_int_equal(run(fds[OUT], f), LED);
        assert_int_equal(run(fds[IN], f), LED);
        f.b[14 + 7] = 255, f.b[14 + 6] = 17; /* no ICMPv6 */
        assert_int_equal(run(fds[OUT], f), LED);
        assert_int_equal(run(fds[IN], f), LED);
        f.b[14 + 6] = 58, f.len = 14 + 40; /* nothing behind the header */
        assert_int_equal(run(fds[OUT], f), LED);
    }
    unload(fds);
}

/* own: a packet of IKE, ESP, AH to an address; where what is behind the header begins. */
static void to_own(const int fds[2], const char *from, const char *to, bool mine)
{
    enum verdict want = mine ? PASSES : LED;
    assert_int_equal(run(fds[IN], ip(from, to, 17, 500, 500)), want);
    assert_int_equal(run(fds[IN], ip(from, to, 17, 1234, 4500)), want);
    assert_int_equal(run(fds[IN], ip(from, to, 50, 0, 0)), want);
    assert_int_equal(run(fds[IN], ip(from, to, 51, 0, 0)), want);
    assert_int_equal(run(fds[IN], ip(from, to, 17, 500, 53)), LED); /* its source port alone */
    assert_int_equal(run(fds[IN], ip(from, to, 17, 500, 501)), LED);
    assert_int_equal(run(fds[IN], ip(from, to, 6, 500, 500)), LED);
    assert_int_equal(run(fds[IN], ip(from, to, 47, 500, 500)), LED);
    assert_int_equal(run(fds[OUT], ip(from, to, 17, 500, 500)), LED); /* dp and ike mark theirs */
    assert_int_equal(run(fds[OUT], ip(from, to, 50, 0, 0)), LED);
}

static void t_own_addresses(void **state)
{
    (void)state;
    int fds[2];
    const struct selector all[] = {line("0.0.0.0", 0, "0.0.0.0", 0, 0), line("::", 0, "::", 0, 0)};
    load(fds, all, 2);
    to_own(fds, "9.9.9.9", "1.1.1.1", true);
    to_own(fds, "9.9.9.9", "1.1.1.2", false);
    to_own(fds, "2001:db8::9", "2001:db8::1", true);
    to_own(fds, "2001:db8::9", "2001:db8::2", false);
    to_own(fds, "2001:db8::9",
           "101:101::", false); /* 1.1.1.1 in the first word, of the other family */
    struct frame f = ip("9.9.9.9", "1.1.1.1", 17, 500, 53);
    put16(f.b + 14 + 6, 0x0010); /* a later fragment: it could join one that came in protected */
    assert_int_equal(run(fds[IN], f), LED);
    f.b[14 + 9] = 50; /* ESP's cannot be told from others, and is whole or nothing */
    assert_int_equal(run(fds[IN], f), PASSES);
    f.b[14 + 9] = 17;
    put16(f.b + 14 + 6, 0x2000); /* the first one has the ports */
    assert_int_equal(run(fds[IN], f), LED);
    f = ip("9.9.9.9", "1.1.1.1", 17, 0, 0); /* options: the ports stand behind them */
    f.b[14] = 0x46;
    put16(f.b + 14 + 24 + 2, 500);
    assert_int_equal(run(fds[IN], f), PASSES);
    put16(f.b + 14 + 20 + 2, 500), put16(f.b + 14 + 24 + 2, 53);
    assert_int_equal(run(fds[IN], f), LED);
    f = ip("9.9.9.9", "1.1.1.1", 17, 500, 500);
    f.len = 14 + 22; /* its destination port is cut off */
    assert_int_equal(run(fds[IN], f), LED);
    f = ip("9.9.9.9", "8.8.8.8", 6, 0, 0); /* for another machine on the link: nobody's to take */
    f.b[0] = 2;
    assert_int_equal(run(fds[IN], f), PASSES);
    assert_int_equal(run(fds[OUT], f), LED);
    unload(fds);
}

static void t_mark(void **state)
{
    (void)state;
    int fds[2];
    const struct selector all = line("0.0.0.0", 0, "0.0.0.0", 0, 0);
    struct frame f = ip("10.1.0.1", "10.2.0.1", 50, 0, 0);
    load(fds, &all, 1);
    assert_int_equal(run_marked(fds[OUT], &f, MARK), PASSES);
    assert_int_equal(run_marked(fds[OUT], &f, 0), LED);
    assert_int_equal(run_marked(fds[OUT], &f, 1), LED); /* somebody else's */
    assert_int_equal(run_marked(fds[OUT], &f, MARK + 1), LED);
    assert_int_equal(run_marked(fds[IN], &f, MARK), LED); /* what comes in has no mark of ours */
    unload(fds);
}

/* What claims to be IP and cannot be read is dp's to count; what is no IP is none of our business. */
static void t_broken(void **state)
{
    (void)state;
    int fds[2];
    const struct selector one = line("10.1.0.0", 16, "10.2.0.0", 16, 0);
    load(fds, &one, 1);
    for (unsigned dir = 0; dir < 2; dir++) {
        struct frame f = ip("9.9.9.9", "8.8.8.8", 6, 0, 0);
        f.b[14] = 0x65; /* says IPv4, is IPv6 */
        assert_int_equal(run(fds[dir], f), LED);
        f = ip("2001:db8::1", "2001:db8::2", 6, 0, 0);
        f.b[14] = 0x45;
        assert_int_equal(run(fds[dir], f), LED);
        f = eth(0x0806); /* ARP */
        add(&f, f.b, 12);
        assert_int_equal(run(fds[dir], f), PASSES);
        f = eth(0x88cc); /* LLDP */
        add(&f, f.b, 12);
        assert_int_equal(run(fds[dir], f), PASSES);
    }
    unload(fds);
}

/* A second tag, which stands in the bytes: of a subinterface it is its own business; a second priority
 * tag, or half of one, has no use. */
static void t_tags_in_the_bytes(void **state)
{
    (void)state;
    int fds[2];
    const struct selector all = line("0.0.0.0", 0, "0.0.0.0", 0, 0);
    struct frame f = ip("10.1.0.1", "10.2.0.1", 6, 0, 0);
    load(fds, &all, 1);
    for (unsigned dir = 0; dir < 2; dir++) {
        assert_int_equal(run(fds[dir], tagged(f, 0x8100, 5)), PASSES);
        assert_int_equal(run(fds[dir], tagged(f, 0x88a8, 0xe005)), PASSES);
        assert_int_equal(run(fds[dir], tagged(f, 0x8100, 0)), LOST);
        assert_int_equal(run(fds[dir], tagged(f, 0x8100, 0xe000)), LOST);
        assert_int_equal(run(fds[dir], tagged(f, 0x88a8, 0)), LOST);
        struct frame cut = eth(0x8100);
        add(&cut, "\0", 1);
        assert_int_equal(run(fds[dir], cut), LOST);
    }
    unload(fds);
}

/* ---- on a link --------------------------------------------------------------------------------- */

/* A namespace with a pair of links, near and far, and two more pairs in the place of the TUNs. The kernel
 * itself says nothing on them: without IPv6 there are no solicitations to be counted. */
static struct {
    int raw;    /* sends on far what comes in on near */
    int marker; /* hears on near the frame that comes behind what was sent */
} net;

static void make_net(void)
{
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    assert_int_equal(system("for all in all default; do"
                            " echo 1 > /proc/sys/net/ipv6/conf/$all/disable_ipv6 || exit 1;"
                            " done;"
                            " for pair in near:far tout:out tin:in; do"
                            " ip link add ${pair%:*} type veth peer name ${pair#*:} &&"
                            " ip link set ${pair%:*} up && ip link set ${pair#*:} up || exit 1;"
                            " done"),
                     0);
    net.raw = socket(AF_PACKET, SOCK_RAW, 0);
    net.marker = socket(AF_PACKET, SOCK_RAW, 0);
    assert_true(net.raw >= 0 && net.marker >= 0);
    struct timeval patience = {.tv_sec = 10};
    assert_int_equal(setsockopt(net.marker, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience),
                     0);
}

static struct sockaddr_ll at(const char *link, u16 type)
{
    return (struct sockaddr_ll){.sll_family = AF_PACKET,
                                .sll_protocol = htons(type),
                                .sll_ifindex = (int)if_nametoindex(link),
                                .sll_halen = 6};
}

/* sent_by: packets that left by a link, as the kernel counts them. */
static unsigned long sent_by(const char *link)
{
    FILE *f = fopen("/proc/thread-self/net/dev", "re");
    char line[256];
    unsigned long sent = 0;
    bool found = false;
    assert_non_null(f);
    while (!found && fgets(line, sizeof line, f)) {
        const char *name = line + strspn(line, " ");
        size_t len = strlen(link);
        found = strncmp(name, link, len) == 0 && name[len] == ':' &&
                sscanf(name + len + 1, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %lu", &sent) == 1;
    }
    fclose(f);
    assert_true(found);
    return sent;
}

/* arrives: the frame comes in on near; says where it went: 't' tin, 'o' tout, 0 neither. A frame behind
 * it shows that it is through. */
static char arrives(struct frame f)
{
    enum { BEHIND = 0x88b5 };
    struct frame last = eth(BEHIND);
    u8 heard[256];
    struct sockaddr_ll far = at("far", 0), near = at("near", BEHIND);
    unsigned long in = sent_by("tin"), out = sent_by("tout");
    add(&last, heard, 46);
    assert_int_equal(bind(net.marker, (struct sockaddr *)&near, sizeof near), 0);
    assert_true(sendto(net.raw, f.b, f.len, 0, (struct sockaddr *)&far, sizeof far) > 0);
    assert_true(sendto(net.raw, last.b, last.len, 0, (struct sockaddr *)&far, sizeof far) > 0);
    assert_true(recv(net.marker, heard, sizeof heard, 0) > 0);
    in = sent_by("tin") - in, out = sent_by("tout") - out;
    assert_true(in + out <= 1);
    return in ? 't' : out ? 'o' : 0;
}

/* What dp lets pass inwards comes by a TUN and is heard where it first came in, on the link, by who is in the group there. */
static void gives_back(struct steer_link *l)
{
    u32 ids[3];
    const struct selector all = line("0.0.0.0", 0, "0.0.0.0", 0, 0);
    struct ifreq q = {.ifr_name = "clear0", .ifr_flags = IFF_TUN | IFF_NO_PI};
    int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC), s = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(tun >= 0 && s >= 0 && ioctl(tun, TUNSETIFF, &q) == 0);
    assert_int_equal(system("ip link set clear0 up && ip addr add 10.2.0.9/16 dev near"), 0);
    struct steer_link back = *l;
    back.sel = &all;
    back.tun_in = if_nametoindex("clear0");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(520)};
    struct ip_mreqn group = {.imr_ifindex = l->ifindex};
    struct timeval patience = {.tv_sec = 10};
    inet_pton(AF_INET, "224.0.0.9", &group.imr_multiaddr);
    assert_int_equal(bind(s, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(setsockopt(s, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group), 0);
    assert_int_equal(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "near", 5), 0);
    assert_int_equal(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_null(steer_attach(&back, ids));
    assert_true(steer_holds(l->ifindex, back.tun_in, ids));
    static const char *const to_whom[] = {"224.0.0.9", "10.2.0.9"};
    for (unsigned i = 0; i < ARRAY_LEN(to_whom); i++) {
        u8 heard[16];
        struct frame f = ip("10.2.0.1", to_whom[i], 17, 0, 0);
        u8 *h = f.b + 14, *udp = h + 20;
        f.len = 14 + 20 + 8 + 4;
        put16(h + 2, 32);
        ip4_checksum_set(h, 20);
        memset(udp, 0, 12);
        put16(udp, 520), put16(udp + 2, 520), put16(udp + 4, 12);
        assert_int_equal(write(tun, h, 32), 32);
        assert_int_equal(recv(s, heard, sizeof heard, 0), 4);
    }
    assert_int_equal(system("tc filter del dev clear0 ingress"), 0); /* by hand */
    assert_false(steer_holds(l->ifindex, back.tun_in, ids));
    assert_true(steer_detach(l->ifindex));
    close(tun);
    close(s);
}

static void t_on_a_link(void **state)
{
    (void)state;
    const struct selector sel = line("10.1.0.0", 16, "10.2.0.0", 16, 0);
    struct frame f = ip("10.2.0.1", "10.1.0.1", 6, 0, 0);
    u32 ids[3], newer[3];
    make_net();
    int near = (int)if_nametoindex("near");
    struct steer_link l = {.ifindex = near,
                           .tun_out = if_nametoindex("tout"),
                           .tun_in = if_nametoindex("tin"),
                           .mark = MARK,
                           .sel = &sel,
                           .num_sel = 1};
    assert_null(steer_probe());
    assert_int_equal(arrives(f), 0);
    assert_null(steer_attach(&l, ids));
    assert_true(steer_holds(near, l.tun_in, ids));
    assert_int_equal(arrives(f), 't');
    assert_int_equal(arrives(ip("10.2.0.1", "10.9.0.1", 6, 0, 0)), 0);
    /* a priority tag is none, and does not travel on; a VLAN's frames are its subinterface's */
    assert_int_equal(arrives(tagged(f, 0x8100, 0)), 't');
    assert_int_equal(arrives(tagged(f, 0x8100, 0xa000)), 't');
    assert_int_equal(arrives(tagged(f, 0x8100, 5)), 0);
    assert_int_equal(arrives(tagged(tagged(f, 0x8100, 0), 0x8100, 0)), 0); /* lost */
    /* too short for its header, which the kernel's test run does not take */
    struct frame cut = ip("9.9.9.9", "8.8.8.8", 6, 0, 0);
    cut.len = 14 + 19;
    assert_int_equal(arrives(cut), 't');
    cut = ip("2001:db8::1", "2001:db8::2", 6, 0, 0);
    cut.len = 14 + 39;
    assert_int_equal(arrives(cut), 't');
    /* what leaves */
    unsigned long out = sent_by("tout");
    struct sockaddr_ll to = at("near", 0x0800);
    struct frame leaves = ip("10.1.0.1", "10.2.0.1", 6, 0, 0);
    assert_true(sendto(net.raw, leaves.b, leaves.len, 0, (struct sockaddr *)&to, sizeof to) > 0);
    assert_int_equal(sent_by("tout"), out + 1);
    /* another in its place; the first does not stand any more */
    assert_null(steer_attach(&l, newer));
    assert_true(steer_holds(near, l.tun_in, newer));
    assert_false(steer_holds(near, l.tun_in, ids));
    assert_int_equal(system("tc filter del dev near ingress"), 0); /* by hand */
    assert_false(steer_holds(near, l.tun_in, newer));
    assert_null(steer_attach(&l, newer));
    assert_int_equal(system("tc filter del dev near egress"), 0);
    assert_false(steer_holds(near, l.tun_in, newer));
    assert_null(steer_attach(&l, newer));
    assert_true(steer_detach(near));
    assert_int_equal(arrives(f), 0);
    out = sent_by("tout");
    assert_true(sendto(net.raw, leaves.b, leaves.len, 0, (struct sockaddr *)&to, sizeof to) > 0);
    assert_int_equal(sent_by("tout"), out);
    assert_false(steer_detach(near)); /* nothing is there */
    gives_back(&l);
    l.ifindex = 9999;
    assert_non_null(steer_attach(&l, newer)); /* there is no such link */
    close(net.raw);
    close(net.marker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_prefixes),
        cmocka_unit_test(t_protocols),
        cmocka_unit_test(t_hidden_protocols),
        cmocka_unit_test(t_masks),
        cmocka_unit_test(t_neighbours),
        cmocka_unit_test(t_own_addresses),
        cmocka_unit_test(t_mark),
        cmocka_unit_test(t_broken),
        cmocka_unit_test(t_tags_in_the_bytes),
        cmocka_unit_test(t_on_a_link),
    };
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one); /* what is sent is worked on in the order it was sent in */
    if (geteuid() != 0) {
        print_message("needs root\n");
        return SKIPPED;
    }
    (void)sched_setaffinity(0, sizeof one, &one);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
