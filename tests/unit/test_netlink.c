/*
 * test_netlink.c: sys/netlink.c on a real kernel, in a network namespace of the test's own, and on one that lies: what
 * libnl reads goes through recvmsg of this file, which may change it (errors, attributes too long or too short, dumps that
 * were interrupted). Needs root, else everything is skipped.
 */
#include "sys/netlink.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SKIPPED = 77 };

static struct kern *kern;

/* ---- a kernel that lies ------------------------------------------------------------------------ */

static bool (*lie)(struct nlmsghdr *h, size_t len); /* true: told, not again */

ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    ssize_t n = syscall(SYS_recvmsg, fd, m, flags);
    if (n > 0 && lie && m->msg_iovlen == 1 && !(flags & MSG_PEEK)) {
        struct nlmsghdr *h = m->msg_iov[0].iov_base;
        if (NLMSG_OK(h, n) && lie(h, (size_t)n)) {
            lie = NULL;
        }
    }
    return n;
}

static bool no_memory(struct nlmsghdr *h, size_t len)
{
    struct nlmsgerr *e = NLMSG_DATA(h);
    if (!(h->nlmsg_flags & NLM_F_MULTI) || len < NLMSG_LENGTH(sizeof *e)) {
        return false;
    }
    h->nlmsg_type = NLMSG_ERROR;
    h->nlmsg_flags = 0;
    h->nlmsg_len = NLMSG_LENGTH(sizeof *e);
    e->error = -ENOMEM;
    return true;
}

static unsigned interruptions;
static bool interrupted(struct nlmsghdr *h, size_t len)
{
    (void)len;
    if (!(h->nlmsg_flags & NLM_F_MULTI) || h->nlmsg_type == NLMSG_DONE) {
        return false;
    }
    h->nlmsg_flags |= NLM_F_DUMP_INTR;
    interruptions++;
    return true;
}

/* attribute: the first of that type in a message; NULL: none. */
static struct rtattr *attribute(struct nlmsghdr *h, size_t fixed, unsigned short type)
{
    struct rtattr *a = (struct rtattr *)((char *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed));
    int left = (int)(h->nlmsg_len - NLMSG_SPACE(fixed));
    for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == type) {
            return a;
        }
    }
    return NULL;
}

/* The first IPv4 route's destination reaches over the attributes that follow it. */
static bool long_destination(struct nlmsghdr *h, size_t len)
{
    for (; NLMSG_OK(h, len); h = NLMSG_NEXT(h, len)) {
        struct rtattr *a =
            h->nlmsg_type == RTM_NEWROUTE ? attribute(h, sizeof(struct rtmsg), RTA_DST) : NULL;
        size_t room = a ? h->nlmsg_len - (size_t)((char *)a - (char *)h) : 0;
        if (room >= RTA_LENGTH(28)) {
            a->rta_len = RTA_LENGTH(28);
            return true;
        }
    }
    return false;
}

/* A hardware address of four bytes, as some tunnels have. */
static bool short_mac(struct nlmsghdr *h, size_t len)
{
    struct rtattr *a = len && h->nlmsg_type == RTM_NEWLINK
                           ? attribute(h, sizeof(struct ifinfomsg), IFLA_ADDRESS)
                           : NULL;
    if (!a || a->rta_len != RTA_LENGTH(6)) {
        return false;
    }
    a->rta_len = RTA_LENGTH(4);
    *(struct rtattr *)((char *)a + RTA_SPACE(4)) = (struct rtattr){.rta_len = RTA_LENGTH(0)};
    return true;
}

/* ---- what stands in the kernel ------------------------------------------------------------------ */

static void ip(const char *args)
{
    char command[256];
    snprintf(command, sizeof command, "ip %s", args);
    if (system(command) != 0) {
        fail_msg("%s", command);
    }
}

static struct addr addr_of(const char *text)
{
    struct addr a;
    assert_true(addr_parse(&a, text));
    return a;
}

static struct kern_route_value route_of(const char *net, u8 len, const char *link,
                                        const char *nexthop, u32 metric)
{
    struct kern_route_value v = {.net = {addr_of(net), len}, .table = TABLE_MAIN, .metric = metric};
    v.kind = link || nexthop ? NLR_UNICAST : NLR_BLACKHOLE;
    str_copy(v.link, sizeof v.link, link ? link : "");
    v.nexthop = nexthop ? addr_of(nexthop) : (struct addr){0};
    return v;
}

/* Every route to a network that is asked for. */
struct search {
    struct prefix net;
    unsigned num;
    struct kern_route_value found[4];
};
static void on_route(void *ctx, const struct kern_route_value *r)
{
    struct search *s = ctx;
    if (prefix_equal(&s->net, &r->net) && s->num < ARRAY_LEN(s->found)) {
        s->found[s->num++] = *r;
    }
}

static struct search routes_to(const char *net, u8 len)
{
    struct search s = {.net = {addr_of(net), len}};
    assert_true(kern_each_route(kern, on_route, &s));
    return s;
}

/* ---- links -------------------------------------------------------------------------------------- */

static void on_link(void *ctx, const char *link, int index)
{
    *(int *)ctx += strcmp(link, "t0") == 0 ? index : 0;
}

static void links(void **state)
{
    struct kern_link l;
    char name[NL_NAME];
    int seen = 0;
    (void)state;
    assert_false(kern_link_get(kern, "t0", &l));
    assert_non_null(kern_link_set(kern, "t0", true, 0));
    assert_non_null(kern_link_delete(kern, "t0"));
    int fd = tun_open("t0");
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC && fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_int_equal(tun_open("t0"), -1); /* somebody has it, and says why */
    assert_int_equal(errno, EBUSY);
    close(fd);
    assert_true(kern_link_get(kern, "t0", &l)); /* it stays */
    assert_false(l.up);
    assert_null(kern_link_set(kern, "t0", true, 1300));
    assert_true(kern_link_get(kern, "t0", &l));
    assert_true(l.up);
    assert_int_equal(l.mtu, 1300);
    assert_null(kern_link_set(kern, "t0", true, 0)); /* the MTU is left */
    assert_true(kern_link_get(kern, "t0", &l));
    assert_int_equal(l.mtu, 1300);
    kern_each_link(kern, on_link, &seen);
    assert_int_equal(seen, l.index);
    assert_true(kern_link_name(kern, l.index, name));
    assert_string_equal(name, "t0");
    assert_null(kern_link_set(kern, "t0", false, 0));
    assert_true(kern_link_get(kern, "t0", &l) && !l.up);
    assert_null(kern_link_delete(kern, "t0"));
    assert_false(kern_link_name(kern, l.index, name)); /* nor is the name remembered */
    assert_false(kern_link_get(kern, "t0", &l));
}

/* A name that was asked for is not remembered longer than the link has it. */
static void a_link_renamed(void **state)
{
    struct kern_link l;
    char name[NL_NAME];
    struct ifreq r = {.ifr_name = "w1", .ifr_newname = "w9"};
    int s = socket(AF_INET, SOCK_DGRAM, 0);
    (void)state;
    assert_true(kern_link_get(kern, "w1", &l) && kern_link_name(kern, l.index, name));
    assert_null(kern_link_set(kern, "w1", false, 0));
    assert_int_equal(ioctl(s, SIOCSIFNAME, &r), 0);
    assert_true(kern_monitor_drain(kern));
    assert_true(kern_link_name(kern, l.index, name));
    assert_string_equal(name, "w9");
    ip("link set w9 name w1; ip link set w1 up");
    close(s);
}

static void a_short_mac(void **state)
{
    static const u8 none[6];
    struct kern_link l;
    (void)state;
    assert_true(kern_link_get(kern, "w0", &l));
    assert_memory_not_equal(l.mac, none, sizeof none);
    lie = short_mac;
    assert_true(kern_link_get(kern, "w0", &l));
    assert_null(lie);
    assert_memory_equal(l.mac, none, sizeof none);
}

/* ---- addresses ---------------------------------------------------------------------------------- */

struct addr_search {
    struct addr a;
    unsigned num;
    struct kern_addr_value found;
};
static void on_addr(void *ctx, const struct kern_addr_value *v)
{
    struct addr_search *s = ctx;
    if (addr_equal(&v->p.a, &s->a)) {
        s->num++;
        s->found = *v;
    }
}

static void addresses(void **state)
{
    static const struct {
        const char *a;
        u8 len;
    } rows[] = {{"10.7.7.9", 24}, {"2001:db8:7::9", 64}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct kern_addr_value v = {.link = "w0", .p = {addr_of(rows[i].a), rows[i].len}};
        struct addr_search s = {.a = v.p.a};
        assert_null(kern_addr_change(kern, &v, true));
        assert_null(kern_addr_change(kern, &v, true)); /* once more is the same */
        kern_each_addr(kern, on_addr, &s);
        assert_int_equal(s.num, 1);
        assert_string_equal(s.found.link, "w0");
        assert_int_equal(s.found.p.len, rows[i].len);
        if (v.p.a.family == AF_V6) { /* usable at once: no duplicate address detection */
            assert_int_not_equal(system("ip -6 addr show dev w0 | grep -q '7::9.*tentative'"), 0);
        }
        assert_null(kern_addr_change(kern, &v, false));
        assert_non_null(kern_addr_change(kern, &v, false)); /* it is not there */
        str_copy(v.link, sizeof v.link, "w7");
        assert_non_null(kern_addr_change(kern, &v, true)); /* no such link */
        s = (struct addr_search){.a = v.p.a};
        kern_each_addr(kern, on_addr, &s);
        assert_int_equal(s.num, 0);
    }
}

/* ---- routes ------------------------------------------------------------------------------------- */

static void routes(void **state)
{
    static const struct {
        const char *net;
        u8 len;
        const char *link, *nexthop;
        u32 metric;
    } rows[] = {{"10.50.0.0", 16, "w0", NULL, 5},
                {"10.51.0.0", 16, NULL, "10.1.1.2", 7},
                {"10.52.0.0", 16, NULL, NULL, 4000000000u},
                {"2001:db8:50::", 48, "w0", NULL, 5},
                {"2001:db8:51::", 48, NULL, "2001:db8:1::2", 7},
                {"2001:db8:52::", 48, NULL, NULL, 4000000000u}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct kern_route_value v =
            route_of(rows[i].net, rows[i].len, rows[i].link, rows[i].nexthop, rows[i].metric);
        const char *why = kern_route_change(kern, &v, true);
        if (why) {
            fail_msg("%s: %s", rows[i].net, why);
        }
        struct search s = routes_to(rows[i].net, rows[i].len);
        assert_int_equal(s.num, 1);
        assert_int_equal(s.found[0].kind, v.kind);
        assert_int_equal(s.found[0].proto, NL_PROTO); /* known again as ours */
        assert_int_equal(s.found[0].table, TABLE_MAIN);
        assert_int_equal(s.found[0].metric, v.metric);
        assert_string_equal(s.found[0].link, v.kind == NLR_BLACKHOLE ? "" : "w0");
        assert_true(!v.nexthop.family || addr_equal(&s.found[0].nexthop, &v.nexthop));
        assert_null(kern_route_change(kern, &v, false));
        assert_int_equal(routes_to(rows[i].net, rows[i].len).num, 0);
        assert_non_null(kern_route_change(kern, &v, false)); /* the kernel's refusal is told */
    }
    struct kern_route_value v = route_of("10.53.0.0", 16, NULL, "203.0.113.1", 1);
    assert_non_null(kern_route_change(kern, &v, true)); /* nobody knows the way there */
    v = route_of("10.53.0.0", 16, "w7", NULL, 1);
    assert_non_null(kern_route_change(kern, &v, true)); /* no such link */
    assert_int_equal(routes_to("10.53.0.0", 16).num, 0);
}

/* Every next hop of a route is told, and what is neither a way nor a blackhole is told as that. */
static void next_hops(void **state)
{
    (void)state;
    ip("route add 10.60.0.0/16 nexthop via 10.1.1.2 dev w0 nexthop via 10.2.2.2 dev w1");
    struct search s = routes_to("10.60.0.0", 16);
    assert_int_equal(s.num, 2);
    assert_string_equal(s.found[0].link, "w0");
    assert_string_equal(s.found[1].link, "w1");
    ip("route del 10.60.0.0/16; ip route add prohibit 10.61.0.0/16");
    s = routes_to("10.61.0.0", 16);
    assert_int_equal(s.num, 1);
    assert_int_equal(s.found[0].kind, NLR_OTHER);
    ip("route del prohibit 10.61.0.0/16");
}

static void ways(void **state)
{
    char link[NL_NAME];
    struct addr gw, to = addr_of("10.70.1.1");
    (void)state;
    assert_false(kern_route_to(kern, &to, link, &gw));
    ip("route add 10.70.0.0/16 via 10.1.1.2; ip route add 10.70.0.0/16 via 10.2.2.2 table 77");
    assert_true(kern_route_to(kern, &to, link, &gw));
    assert_string_equal(link, "w0");
    assert_true(addr_equal(&gw, &(struct addr){.family = AF_V4, .b = {10, 1, 1, 2}}));
    ip("rule add fwmark 0xad17 lookup 77"); /* as what we send is routed: it carries the mark */
    assert_true(kern_route_to(kern, &to, link, &gw));
    assert_string_equal(link, "w1");
    ip("rule del fwmark 0xad17 lookup 77; ip route del 10.70.0.0/16");
    to = addr_of("10.1.1.1");
    assert_true(kern_route_to(kern, &to, link, &gw));
    assert_string_equal(link, "lo");
    assert_int_equal(gw.family, AF_NONE);
    to = addr_of("2001:db8:1::2");
    assert_true(kern_route_to(kern, &to, link, &gw));
    assert_string_equal(link, "w0");
}

/* ---- answers that are not whole ----------------------------------------------------------------- */

static void a_dump_that_fails(void **state)
{
    struct search s = {.net = {addr_of("10.1.1.0"), 24}};
    (void)state;
    for (unsigned i = 0; i < 3; i++) { /* what it left unread spoils no later answer */
        lie = no_memory;
        assert_false(kern_each_route(kern, on_route, &s));
        assert_null(lie);
        assert_int_equal(routes_to("10.1.1.0", 24).num, 1);
    }
}

static void a_dump_that_was_interrupted(void **state)
{
    (void)state;
    interruptions = 0;
    lie = interrupted;
    assert_int_equal(routes_to("10.1.1.0", 24).num, 1); /* asked again; each told once */
    assert_int_equal(interruptions, 1);
}

/* A kernel of another time: an IPv4 destination longer than any address. */
static void a_long_attribute(void **state)
{
    struct search s = {.net = {addr_of("0.0.0.0"), 0}};
    (void)state;
    ip("route add 10.80.0.0/16 metric 3 nexthop via 10.1.1.2 dev w0 nexthop via 10.2.2.2 dev w1");
    lie = long_destination;
    (void)!kern_each_route(kern, on_route, &s); /* nothing is written past an address */
    assert_null(lie);
    ip("route del 10.80.0.0/16");
}

/* ---- news --------------------------------------------------------------------------------------- */

static bool broken(void)
{
    struct pollfd p = {.fd = kern_monitor_fd(kern), .events = POLLIN};
    (void)poll(&p, 1, 0);
    return p.revents & POLLERR;
}

static void news(void **state)
{
    static const char *const changes[] = {
        "link set w1 mtu 1400", "addr add 10.9.9.1/24 dev w1", "route add 10.90.0.0/16 dev w1",
        "-6 addr add 2001:db8:9::1/64 dev w1", "-6 route add 2001:db8:90::/48 dev w1"};
    (void)state;
    (void)kern_monitor_drain(kern);
    assert_false(kern_monitor_drain(kern));
    for (unsigned i = 0; i < ARRAY_LEN(changes); i++) {
        ip(changes[i]);
        if (!kern_monitor_drain(kern)) {
            fail_msg("not heard: %s", changes[i]);
        }
        while (kern_monitor_drain(kern)) {
        }
    }
}

/* More than its queue holds: no error, which would end the loop's interest, and all is heard again afterwards. */
static void more_news_than_fit(void **state)
{
    int small = 1;
    (void)state;
    assert_int_equal(setsockopt(kern_monitor_fd(kern), SOL_SOCKET, SO_RCVBUF, &small, sizeof small),
                     0);
    for (u32 i = 0; i < 200; i++) {
        struct kern_route_value v = route_of("10.91.0.0", 16, "w0", NULL, 100 + i);
        assert_null(kern_route_change(kern, &v, true));
    }
    assert_false(broken());
    assert_true(kern_monitor_drain(kern));
    assert_false(kern_monitor_drain(kern));
    ip("link set w1 mtu 1450");
    assert_true(kern_monitor_drain(kern));
}

static void sysctls(void **state)
{
    (void)state;
    assert_true(sysctl_put("net/ipv4/conf/w0/rp_filter", "2"));
    assert_int_equal(system("grep -qx 2 /proc/sys/net/ipv4/conf/w0/rp_filter"), 0);
    assert_false(sysctl_put("net/ipv4/conf/w7/rp_filter", "2"));
    assert_false(sysctl_put("net/ipv4/conf/w0/rp_filter", "two"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links),
        cmocka_unit_test(a_link_renamed),
        cmocka_unit_test(a_short_mac),
        cmocka_unit_test(addresses),
        cmocka_unit_test(routes),
        cmocka_unit_test(next_hops),
        cmocka_unit_test(ways),
        cmocka_unit_test(a_dump_that_fails),
        cmocka_unit_test(a_dump_that_was_interrupted),
        cmocka_unit_test(a_long_attribute),
        cmocka_unit_test(news),
        cmocka_unit_test(more_news_than_fit),
        cmocka_unit_test(sysctls),
    };
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
        return SKIPPED;
    }
    if (system(
            "cd /proc/sys/net/ipv6/conf/ && echo 0 > default/accept_dad && echo 1 > "
            "default/addr_gen_mode && " /* no news of their own */
            "ip link set lo up && ip link add w0 type veth peer name w1 && echo 1 > w0/accept_dad "
            "&& "
            "ip link set w0 up && "
            "ip link set w1 up && ip addr add 10.1.1.1/24 dev w0 && ip addr add 10.2.2.1/24 dev w1 "
            "&& ip -6 addr add 2001:db8:1::1/64 dev w0 nodad") != 0 ||
        !(kern = kern_open())) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    kern_close(kern);
    return failed;
}
