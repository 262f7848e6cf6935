/*
 * test_ports.c: ports as main opens them (sys/apply_port.c) and as dp uses them (dp/raw.c), on real sockets and TUNs in a
 * network namespace of the test's own: which of them are marked and bound, what leaves and comes in byte for byte, and what the
 * error queues tell. Needs root, else everything is skipped.
 *
 *      w0 10.1.1.1, fd01::1  ---- veth ----  w1 (looked at)      far end 10.1.1.2, fd01::2: a neighbour entry, nobody
 *      x0 10.2.2.1           ---- veth ----  x1
 */
#include "dp/dp_int.h"
#include "sys/router_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SKIPPED = 77, ETH = 14 };
enum { ESP4, ESP6, SEND4, SEND6, OPEN4, OPEN6, PASS4, PASS6, TUNNEL, CRYPTO, NUM };

static const struct dp_port_value values[NUM] = {
    [ESP4] = {.kind = PORT_RAW, .family = AF_V4, .proto = 50},
    [ESP6] = {.kind = PORT_RAW, .family = AF_V6, .proto = 50},
    [SEND4] = {.kind = PORT_RAW, .family = AF_V4, .proto = 255},
    [SEND6] = {.kind = PORT_RAW, .family = AF_V6, .proto = 255},
    [OPEN4] = {.kind = PORT_OPEN, .family = AF_V4},
    [OPEN6] = {.kind = PORT_OPEN, .family = AF_V6},
    [PASS4] = {.kind = PORT_PASS, .family = AF_V4, .link = 1, .name = "w0"},
    [PASS6] = {.kind = PORT_PASS, .family = AF_V6, .link = 1, .name = "w0"},
    [TUNNEL] = {.kind = PORT_TUN_TUNNEL, .mtu = 1400, .name = "Tunnel0"},
    [CRYPTO] = {.kind = PORT_TUN_CRYPTO, .link = 1, .mtu = 1500, .name = "crypto5"},
};

/* ---- main ---------------------------------------------------------------------------------------- */

static struct router *r;
static struct dp_msg told[64]; /* what dp was told, and whether a descriptor came along */
static bool with_fd[64];
static unsigned num_told, complaints;

void child_send_dp(struct router *to, const struct dp_msg *m, int fd)
{
    assert_true(to == r && num_told < ARRAY_LEN(told));
    with_fd[num_told] = fd >= 0;
    told[num_told++] = *m;
}

void apply_complain(struct router *of, const char *what, const char *which, const char *why)
{
    (void)of, (void)what, (void)which, (void)why;
    complaints++;
}

static int refused_option = -1; /* of SOL_SOCKET: the kernel says no */
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (level == SOL_SOCKET && name == refused_option) {
        errno = EPERM;
        return -1;
    }
    return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}

static struct plan plan_with(const struct dp_port_value *v, unsigned num)
{
    struct plan p;
    plan_init(&p);
    for (unsigned i = 0; i < num; i++) {
        *(struct dp_port_value *)plan_add(&p.ports) = v[i];
    }
    return p;
}

static void ip(const char *args)
{
    char command[300];
    snprintf(command, sizeof command, "ip %s", args);
    if (system(command) != 0) {
        fail_msg("%s", command);
    }
}

static void main_begins(void)
{
    struct dp_port_value v[NUM];
    r = xcalloc(1, sizeof *r);
    r->kern = kern_open();
    assert_non_null(r->kern);
    for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
        r->port[i].fd = -1;
    }
    for (u32 i = 0; i < NUM; i++) {
        v[i] = values[i];
        v[i].id = i;
    }
    num_told = complaints = 0;
    struct plan p = plan_with(v, NUM);
    ports_open(r, &p);
    plan_free(&p);
    assert_int_equal(num_told, NUM);
    assert_int_equal(complaints, 0);
}

static void main_ends(void)
{
    struct plan none;
    plan_init(&none);
    ports_close(r, &none);
    kern_close(r->kern);
    free(r);
    r = NULL;
}

/* ---- what main opens ------------------------------------------------------------------------------ */

static int option(int fd, int level, int name)
{
    int v = -1;
    socklen_t len = sizeof v;
    assert_int_equal(getsockopt(fd, level, name, &v, &len), 0);
    return v;
}

static void options(void **state)
{
    (void)state;
    main_begins();
    for (unsigned i = 0; i < TUNNEL; i++) {
        int fd = r->port[i].fd;
        bool six = values[i].family == AF_V6, sends = i != ESP4 && i != ESP6,
             open = values[i].kind == PORT_OPEN;
        char device[IFNAMSIZ] = "";
        socklen_t len = sizeof device;
        assert_int_equal(option(fd, SOL_SOCKET, SO_MARK), open ? 0 : DP_MARK);
        assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len), 0);
        assert_string_equal(device, values[i].kind == PORT_PASS ? "w0" : "");
        assert_int_equal(option(fd, SOL_SOCKET, SO_PROTOCOL), sends ? IPPROTO_RAW : 50);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK);
        assert_true(option(fd, SOL_SOCKET, SO_RCVBUF) >= 4 << 20);
        assert_true(option(fd, SOL_SOCKET, SO_SNDBUF) >= 4 << 20);
        if (six) {
            assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_INTERFACE);
            assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_RECVERR), 1);
            assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO), 1);
            assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_RECVTCLASS), 1);
            assert_int_equal(option(fd, IPPROTO_IPV6, IPV6_HDRINCL), sends);
        } else {
            assert_int_equal(option(fd, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_INTERFACE);
            assert_int_equal(option(fd, IPPROTO_IP, IP_RECVERR), 1);
            assert_int_equal(option(fd, IPPROTO_IP, IP_HDRINCL), sends);
        }
    }
    for (unsigned i = TUNNEL; i < NUM; i++) { /* decrypted packets come in here from anywhere */
        char command[128];
        snprintf(command, sizeof command, "grep -qx 0 /proc/sys/net/ipv4/conf/%s/rp_filter",
                 values[i].name);
        assert_int_equal(system(command), 0);
    }
    assert_int_equal(system("grep -qx 1 /proc/sys/net/ipv6/conf/crypto5/addr_gen_mode"), 0);
    main_ends();
}

/* A socket that cannot be what it must be is none: unmarked ESP would be led to dp for ever, an unbound one would pass other maps. */
static void no_half_ports(void **state)
{
    static const struct {
        unsigned port;
        int option;
    } rows[] = {{PASS4, SO_BINDTODEVICE}, {PASS4, SO_MARK}, {SEND4, SO_MARK}, {SEND6, SO_MARK}};
    (void)state;
    main_begins();
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct dp_port_value v = values[rows[i].port];
        v.id = 100;
        struct plan p = plan_with(&v, 1);
        refused_option = rows[i].option;
        num_told = complaints = 0;
        ports_open(r, &p);
        refused_option = -1;
        assert_int_equal(complaints, 1);
        assert_int_equal(num_told, 0);
        assert_int_equal(r->port[100].fd, -1);
        plan_free(&p);
    }
    main_ends();
}

/* What stays is left alone; what was deleted by hand, or bound to a link that was, is opened again; what goes is told and gone. */
static void comes_and_goes(void **state)
{
    struct dp_port_value v[NUM];
    struct kern_link l;
    (void)state;
    main_begins();
    for (u32 i = 0; i < NUM; i++) {
        v[i] = values[i];
        v[i].id = i;
        v[i].mtu += v[i].mtu ? 1 : 0; /* an MTU needs no other descriptor */
    }
    struct plan p = plan_with(v, NUM);
    num_told = 0;
    ports_open(r, &p);
    assert_int_equal(num_told, 0);
    ip("link del crypto5; ip link add name y0 type veth peer name y1"); /* and numbers move on */
    ports_open(r, &p);
    assert_int_equal(num_told, 1);
    assert_true(told[0].type == DP_CFG_PORT && told[0].u.port.id == CRYPTO && with_fd[0]);
    assert_true(kern_link_get(r->kern, "crypto5", &l));
    assert_int_equal(r->port[CRYPTO].index, l.index);
    plan_free(&p);
    str_copy(v[PASS4].name, sizeof v[PASS4].name, "x0"); /* the map link has another name now */
    p = plan_with(v, TUNNEL);
    num_told = 0;
    ports_open(r, &p);
    assert_int_equal(num_told, 1);
    char device[IFNAMSIZ] = "";
    socklen_t len = sizeof device;
    assert_int_equal(getsockopt(r->port[PASS4].fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len), 0);
    assert_string_equal(device, "x0");
    num_told = 0;
    ports_close(r, &p); /* the TUNs are not wanted any more */
    assert_int_equal(num_told, 2);
    assert_true(told[0].type == DP_CFG_PORT_DEL && told[1].type == DP_CFG_PORT_DEL);
    assert_false(kern_link_get(r->kern, "crypto5", &l));
    assert_false(kern_link_get(r->kern, "Tunnel0", &l));
    num_told = 0;
    ports_give(r); /* to a new dp */
    assert_int_equal(num_told, TUNNEL);
    plan_free(&p);
    main_ends();
    ip("link del y0");
}

/* ---- what dp makes of them -------------------------------------------------------------------------- */

static struct env env;
static struct evlog dp_log;
static struct dp *dp;
static struct worker *w;

static void on_event(void *ctx, const struct ev_rec *rec)
{
    (void)ctx, (void)rec;
}

static bool on_value(void *ctx, enum dp_origin to, const struct dp_msg *m)
{
    (void)ctx, (void)to, (void)m;
    return true;
}

static struct { /* pmtu.c's, noted */
    unsigned num;
    u8 proto;
    struct addr dst;
    u32 spi;
    u16 mtu;
} learned;
void __wrap_pmtu_told(struct worker *by, u8 proto, const struct addr *dst, const u8 *quote,
                      size_t len, u16 mtu);
void __wrap_pmtu_told(struct worker *by, u8 proto, const struct addr *dst, const u8 *quote,
                      size_t len, u16 mtu)
{
    assert_true(by == w && len >= 4);
    learned.num++;
    learned.proto = proto;
    learned.dst = *dst;
    learned.spi = be32(quote);
    learned.mtu = mtu;
}

static void dp_begins(void)
{
    main_begins();
    env = env_real();
    evlog_init(&dp_log, &env, EVS_DP, NULL, on_event);
    dp = dp_new(&(struct dp_env){.env = env, .log = &dp_log, .send = on_value});
    assert_non_null(dp);
    w = &dp->w;
    for (unsigned i = 0; i < NUM; i++) {
        dp_ctl(dp, FROM_MAIN, &told[i], dup(r->port[told[i].u.port.id].fd));
    }
    memset(&learned, 0, sizeof learned);
}

static void dp_ends(void)
{
    graph_run(w);
    assert_int_equal(w->num_free, POOL); /* no buffer is lost, whatever happened */
    dp_free(dp);
    main_ends();
}

/* make: an ESP packet of len bytes whose SPI is its number. */
static struct pkt *make(const char *src, const char *dst, u16 len, bool df, u32 spi)
{
    struct pkt *p = pkt_get(w);
    struct ip_make m = {.proto = 50, .ttl = 77, .tos = 0xb9, .df = df, .id = 0x1234};
    assert_non_null(p);
    assert_true(addr_parse(&m.src, src) && addr_parse(&m.dst, dst));
    m.payload = (u16)(len - ip_hdr_len(m.src.family));
    p->len = len;
    ip_build(p->data, &m);
    memset(p->data + (len - m.payload), 0x5a, m.payload);
    put32(p->data + (len - m.payload), spi);
    assert_int_equal(ip_decode(&p->v, p->data, p->len), IP_OK);
    return p;
}

static void out(unsigned port, struct pkt **p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        p[i]->out_port = (u8)port;
    }
    dp->port[port].ops->tx(w, &dp->port[port], p, n);
}

/* tap: everything that arrives at the link. */
static int tap(const char *link)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(0x0003),
                             .sll_ifindex = (int)if_nametoindex(link)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x0003)), size = 16 << 20;
    assert_true(fd >= 0 && at.sll_ifindex);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

/* seen: the next ESP packet there, its length without the frame's header; 0: none in time. */
static size_t seen(int fd, u8 *to, size_t cap, int ms)
{
    struct pollfd f = {.fd = fd, .events = POLLIN};
    u8 b[2048];
    while (poll(&f, 1, ms) == 1) {
        ssize_t n = recv(fd, b, sizeof b, 0);
        struct ip_view v;
        if (n > ETH && (size_t)n - ETH <= cap && ip_decode(&v, b + ETH, (size_t)n - ETH) == IP_OK &&
            v.proto == 50) {
            memcpy(to, b + ETH, (size_t)n - ETH);
            return (size_t)n - ETH;
        }
    }
    return 0;
}

/* Every byte of the header that was made is the one that leaves: TOS, DF, identification, hop limit, class. */
static void leaves_as_it_is(void **state)
{
    static const struct {
        unsigned port;
        const char *src, *dst;
        bool df;
    } rows[] = {{SEND4, "10.1.1.1", "10.1.1.2", true}, {SEND4, "10.1.1.1", "10.1.1.2", false},
                {OPEN4, "10.1.1.1", "10.1.1.2", true}, {SEND6, "fd01::1", "fd01::2", false},
                {OPEN6, "fd01::1", "fd01::2", false},  {PASS6, "fd01::1", "fd01::2", false}};
    (void)state;
    dp_begins();
    int fd = tap("w1");
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct pkt *p = make(rows[i].src, rows[i].dst, 120, rows[i].df, i);
        u8 made[120], got[2048];
        memcpy(made, p->data, sizeof made);
        out(rows[i].port, &p, 1);
        assert_int_equal(seen(fd, got, sizeof got, 3000), sizeof made);
        assert_memory_equal(got, made, sizeof made);
    }
    close(fd);
    dp_ends();
}

/* What a map lets pass leaves by the map's link, wherever the routes lead; what is open goes where they lead. */
static void leaves_by_its_link(void **state)
{
    u8 got[2048];
    (void)state;
    dp_begins();
    int w1 = tap("w1"), x1 = tap("x1");
    struct pkt *pass = make("10.1.1.1", "10.2.2.2", 60, false, 1),
               *open = make("10.1.1.1", "10.2.2.2", 60, false, 2);
    out(PASS4, &pass, 1);
    out(OPEN4, &open, 1);
    assert_int_equal(seen(w1, got, sizeof got, 3000), 60);
    assert_int_equal(be32(got + 20), 1);
    assert_int_equal(seen(x1, got, sizeof got, 3000), 60);
    assert_int_equal(be32(got + 20), 2);
    close(w1);
    close(x1);
    dp_ends();
}

/* A batch goes on behind what the kernel refuses; what may be cut is cut to what the link carries. */
static void a_refusal_stops_nothing(void **state)
{
    u8 got[2048];
    (void)state;
    dp_begins();
    int fd = tap("w1");
    struct pkt *p[] = {
        make("10.1.1.1", "10.1.1.2", 100, true, 1), make("10.1.1.1", "10.1.1.2", 3000, true, 2),
        make("10.1.1.1", "10.1.1.2", 3000, false, 3), make("10.1.1.1", "10.1.1.2", 200, true, 4)};
    out(SEND4, p, ARRAY_LEN(p));
    graph_run(w); /* the pieces */
    assert_int_equal(w->drops[DROP_TX_ERROR], 1);
    assert_int_equal(seen(fd, got, sizeof got, 3000), 100);
    assert_int_equal(seen(fd, got, sizeof got, 3000), 200);
    size_t text = 0;
    for (unsigned i = 0; i < 3; i++) {
        size_t n = seen(fd, got, sizeof got, 3000);
        assert_true(n > 20 && n <= 1500 && got[1] == 0xb9);
        text += n - 20;
    }
    assert_int_equal(text, 2980);
    assert_int_equal(seen(fd, got, sizeof got, 0),
                     0); /* and nothing of the one that may not be cut */
    close(fd);
    dp_ends();
}

/* More pieces than there are buffers: what cannot be cut is dropped for that reason, and no buffer is lost. */
static void more_pieces_than_buffers(void **state)
{
    struct pkt *p[VEC];
    (void)state;
    ip("link set x0 mtu 580");
    dp_begins();
    for (unsigned i = 0; i < VEC; i++) {
        p[i] = make("10.2.2.1", "10.2.2.2", PKT_MAX, false, i);
        p[i]->out_port = SEND4;
        graph_put(w, N_PORT_TX, p[i]);
    }
    graph_run(w);
    unsigned pieces = (PKT_MAX - 20 + 559) / 560; /* of each */
    u64 cut = VEC - w->drops[DROP_NO_BUFFER];
    assert_true(cut > 0 && cut < VEC);
    assert_int_equal(w->drops[DROP_TX_ERROR], 0);
    assert_true(dp->port[SEND4].tx_packets >= cut * pieces);
    dp_ends();
    ip("link set x0 mtu 1500");
}

/* An IPv4 socket gives whole packets; an IPv6 one only what follows the header, which is made again from what it tells. */
static unsigned waits_for(int fd)
{
    int fds[DP_MAX_PORTS];
    unsigned n = dp_poll_fds(dp, fds, DP_MAX_PORTS), found = 0;
    for (unsigned i = 0; i < n; i++) {
        found += fds[i] == fd;
    }
    return found;
}

/* A TUN that was deleted under dp is always readable, and has nothing to read: nobody waits for it any more. */
static void a_deleted_tun_wakes_nobody(void **state)
{
    (void)state;
    dp_begins();
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_BEGIN, .u.number = 1}, -1);
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_COMMIT}, -1); /* of no values */
    struct pollfd f = {.fd = dp->port[CRYPTO].fd, .events = POLLIN};
    (void)dp_run(dp);
    assert_int_equal(waits_for(f.fd), 1);
    ip("link del crypto5");
    assert_int_equal(poll(&f, 1, 3000), 1);
    (void)dp_run(dp);
    assert_int_equal(waits_for(f.fd), 0);
    dp_ends();
}

static void comes_in(void **state)
{
    static const struct {
        unsigned from, port;
        const char *src, *dst;
    } rows[] = {{SEND4, ESP4, "10.1.1.2", "10.1.1.1"}, {SEND6, ESP6, "fd01::2", "fd01::1"}};
    (void)state;
    dp_begins();
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct pollfd f = {.fd = dp->port[rows[i].port].fd, .events = POLLIN};
        struct pkt *p[VEC];
        u8 made[200];
        for (unsigned k = 0; k < 150; k++) {
            p[k] = make(rows[i].src, rows[i].dst, sizeof made, false, k);
        }
        memcpy(made, p[0]->data, sizeof made);
        out(rows[i].from, p, 150);
        unsigned n = 0;
        while (n < 150 && poll(&f, 1, 3000) == 1) {
            unsigned most = n ? VEC : 10,
                     got = dp->port[rows[i].port].ops->rx(w, &dp->port[rows[i].port], p, most);
            assert_true(got <= most);
            for (unsigned k = 0; k < got; k++, n++) {
                unsigned hdr = ip_hdr_len(values[rows[i].port].family);
                assert_int_equal(p[k]->len, sizeof made);
                assert_int_equal(be32(p[k]->data + hdr), n);
                if (hdr == 20) {
                    put32(made + hdr, n);
                    assert_memory_equal(p[k]->data, made, sizeof made);
                } else { /* the hop limit is not told */
                    assert_memory_equal(p[k]->data, made, 7);
                    assert_memory_equal(p[k]->data + 8, made + 8, 32);
                }
                assert_int_equal(ip_decode(&p[k]->v, p[k]->data, p[k]->len), IP_OK);
                pkt_put(w, p[k]);
            }
        }
        if (n != 150) {
            fail_msg("%u of 150 from %s", n, rows[i].src);
        }
    }
    dp_ends();
}

/* ---- what the network answers ----------------------------------------------------------------------- */

/* answer: an ICMP error about an ESP packet of ours with that SPI reaches us. */
static void answer(int fd, bool six, u8 type, u8 code, u32 mtu, u32 spi)
{
    struct pkt *ours =
        make(six ? "fd01::1" : "10.1.1.1", six ? "fd01::2" : "10.1.1.2", 100, true, spi);
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("w1")};
    struct ip_make m = {.proto = six ? 58 : 1, .ttl = 60, .payload = 8 + 100};
    u8 b[ETH + 40 + 8 + 100] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0};
    assert_true(addr_parse(&m.src, six ? "fd01::99" : "10.1.1.99") &&
                addr_parse(&m.dst, six ? "fd01::1" : "10.1.1.1"));
    put16(b + 12, six ? 0x86dd : 0x0800);
    unsigned hdr = ip_build(b + ETH, &m);
    u8 *c = b + ETH + hdr;
    c[0] = type, c[1] = code;
    put32(c + 4, mtu);
    memcpy(c + 8, ours->data, 100);
    put16(c + 2, ip_fold(ip_sum(six ? ip_pseudo_sum(b + ETH, 58, 108) : 0, c, 108)));
    pkt_put(w, ours);
    assert_int_equal(sendto(fd, b, ETH + hdr + 108, 0, (struct sockaddr *)&to, sizeof to),
                     ETH + hdr + 108);
}

/* heard: the socket's error was there, and the port has read it. */
static void heard(unsigned port)
{
    struct pollfd f = {.fd = dp->port[port].fd};
    struct pkt *p[VEC];
    assert_int_equal(poll(&f, 1, 3000), 1);
    assert_true(f.revents & POLLERR);
    assert_int_equal(dp->port[port].ops->rx(w, &dp->port[port], p, VEC), 0);
    assert_int_equal(poll(&f, 1, 0), 0); /* else the loop would wake for it without end */
}

/* Only what says "too long" tells a path MTU, with the SPI it quotes and the end it was sent to. */
static void errors_are_read(void **state)
{
    static const struct {
        bool six;
        u8 type, code;
        u32 mtu;
        bool tells;
    } rows[] = {{false, 3, 4, 1300, true}, {false, 3, 1, 1300, false}, {false, 3, 2, 0, false},
                {true, 2, 0, 1320, true},  {true, 1, 0, 1320, false},  {false, 3, 4, 0, true}};
    (void)state;
    dp_begins();
    int fd = tap("w1");
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct addr far;
        learned.num = 0;
        answer(fd, rows[i].six, rows[i].type, rows[i].code, rows[i].mtu, 0x1000 + i);
        heard(rows[i].six ? ESP6 : ESP4);
        assert_int_equal(learned.num, rows[i].tells);
        if (rows[i].tells) {
            assert_true(addr_parse(&far, rows[i].six ? "fd01::2" : "10.1.1.2"));
            assert_true(addr_equal(&learned.dst, &far));
            assert_int_equal(learned.proto, 50);
            assert_int_equal(learned.spi, 0x1000 + i);
            assert_int_equal(learned.mtu, rows[i].mtu);
        }
    }
    close(fd);
    dp_ends();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options),
        cmocka_unit_test(no_half_ports),
        cmocka_unit_test(comes_and_goes),
        cmocka_unit_test(leaves_as_it_is),
        cmocka_unit_test(leaves_by_its_link),
        cmocka_unit_test(a_refusal_stops_nothing),
        cmocka_unit_test(more_pieces_than_buffers),
        cmocka_unit_test(a_deleted_tun_wakes_nobody),
        cmocka_unit_test(comes_in),
        cmocka_unit_test(errors_are_read),
    };
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0) {
        return SKIPPED;
    }
    if (system(
            "ip link set lo up && ip link add w0 address 02:00:00:00:00:01 type veth peer name "
            "w1 && ip link add x0 type veth peer name x1 && for l in w0 w1 x0 x1; do ip link "
            "set $l up; done && ip addr add 10.1.1.1/24 dev w0 && ip addr add 10.2.2.1/24 dev x0 "
            "&& ip addr add fd01::1/64 dev w0 nodad && for n in 'fd01::2 dev w0' '10.1.1.2 dev "
            "w0' '10.2.2.2 dev w0' '10.2.2.2 dev x0'; do ip neigh add $n lladdr "
            "02:00:00:00:00:02; done; echo 1 > /proc/sys/net/ipv4/conf/default/rp_filter") != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
