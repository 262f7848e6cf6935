/*
 * netlink.c: the kernel stays the router; here its links, addresses and routes are read and changed through
 * libnl-route. TUNs are made persistent, so that their routes outlive a crash and nothing leaves in clear.
 */
#include "sys/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vlan.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <netlink/socket.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct kern {
    struct nl_sock *s, *monitor;
    bool changed;
    int memo_index; /* the link asked for last: in a dump neighbours mostly share it */
    char memo_name[NL_NAME];
};

static int on_change(struct nl_msg *msg, void *arg)
{
    struct kern *nl = arg;
    (void)msg;
    nl->changed = true;
    return NL_OK;
}

struct kern *kern_open(void)
{
    struct kern *nl = xcalloc(1, sizeof *nl);
    nl->s = nl_socket_alloc();
    nl->monitor = nl_socket_alloc();
    if (!nl->s || !nl->monitor || nl_connect(nl->s, NETLINK_ROUTE) != 0) {
        kern_close(nl);
        return NULL;
    }
    nl_socket_disable_seq_check(nl->monitor);
    nl_socket_modify_cb(nl->monitor, NL_CB_VALID, NL_CB_CUSTOM, on_change, nl);
    if (nl_connect(nl->monitor, NETLINK_ROUTE) != 0 ||
        nl_socket_add_memberships(nl->monitor, RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR,
                                  RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                                  RTNLGRP_TC, 0) != 0) {
        kern_close(nl);
        return NULL;
    }
    nl_socket_set_nonblocking(nl->monitor);
    /* Our own changes alone can fill it. What does not fit is lost without an error: that something changed is known all
     * the same, for what did fit is read after it, and then everything is looked at. */
    int size = 4 << 20, on = 1;
    (void)setsockopt(nl_socket_get_fd(nl->monitor), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    (void)setsockopt(nl_socket_get_fd(nl->monitor), SOL_NETLINK, NETLINK_NO_ENOBUFS, &on,
                     sizeof on);
    return nl;
}

void kern_close(struct kern *nl)
{
    if (nl) {
        nl_socket_free(nl->s);
        nl_socket_free(nl->monitor);
        free(nl);
    }
}

int kern_monitor_fd(struct kern *nl)
{
    return nl_socket_get_fd(nl->monitor);
}

bool kern_monitor_drain(struct kern *nl)
{
    nl->changed = false;
    nl->memo_index = 0; /* a link may have gone or changed its name */
    for (unsigned n = 0, err = 0; n < 100000; n++) {
        err = (unsigned)-nl_recvmsgs_default(nl->monitor);
        if (err == NLE_AGAIN) {
            break;
        }
        nl->changed = nl->changed || err != 0; /* what cannot be read may be anything */
    }
    return nl->changed;
}

/* dumped: the cache is filled. False: the kernel did not tell all; the cache is gone, and the socket is a new one, for what
 * was left unread would be taken for the answer to the next question. */
static bool dumped(struct kern *nl, struct nl_cache *cache)
{
    if (nl_cache_refill(nl->s, cache) == 0) {
        return true;
    }
    nl_cache_free(cache);
    nl_close(nl->s);
    (void)nl_connect(nl->s, NETLINK_ROUTE);
    return false;
}

static const char *why(int err)
{
    return err == 0 ? NULL : nl_geterror(err);
}

/* ---- links ---- */

bool kern_link_get(struct kern *nl, const char *name, struct kern_link *out)
{
    struct rtnl_link *l = NULL;
    if (rtnl_link_get_kernel(nl->s, 0, name, &l) != 0 || !l) {
        return false;
    }
    *out = (struct kern_link){.index = rtnl_link_get_ifindex(l), .mtu = rtnl_link_get_mtu(l)};
    str_copy(out->name, sizeof out->name, name);
    unsigned flags = rtnl_link_get_flags(l);
    out->up = (flags & IFF_UP) != 0;
    out->carrier = (flags & IFF_RUNNING) != 0;
    if (rtnl_link_is_vlan(l)) {
        out->vlan = (u16)MAX(rtnl_link_vlan_get_id(l), 0);
    }
    struct nl_addr *mac = rtnl_link_get_addr(l);
    if (mac && nl_addr_get_len(mac) == 6) {
        memcpy(out->mac, nl_addr_get_binary_addr(mac), 6);
    }
    out->rx_packets = rtnl_link_get_stat(l, RTNL_LINK_RX_PACKETS);
    out->rx_bytes = rtnl_link_get_stat(l, RTNL_LINK_RX_BYTES);
    out->tx_packets = rtnl_link_get_stat(l, RTNL_LINK_TX_PACKETS);
    out->tx_bytes = rtnl_link_get_stat(l, RTNL_LINK_TX_BYTES);
    out->rx_errors = rtnl_link_get_stat(l, RTNL_LINK_RX_ERRORS);
    out->tx_errors = rtnl_link_get_stat(l, RTNL_LINK_TX_ERRORS);
    out->rx_drops = rtnl_link_get_stat(l, RTNL_LINK_RX_DROPPED);
    out->tx_drops = rtnl_link_get_stat(l, RTNL_LINK_TX_DROPPED);
    rtnl_link_put(l);
    return true;
}

void kern_each_link(struct kern *nl, void (*fn)(void *ctx, const char *link, int ifindex),
                    void *ctx)
{
    struct nl_cache *cache = NULL;
    if (rtnl_link_alloc_cache(NULL, AF_UNSPEC, &cache) != 0 || !dumped(nl, cache)) {
        return;
    }
    for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
        struct rtnl_link *l = (struct rtnl_link *)o;
        fn(ctx, rtnl_link_get_name(l), rtnl_link_get_ifindex(l));
    }
    nl_cache_free(cache);
}

bool kern_link_name(struct kern *nl, int index, char out[NL_NAME])
{
    struct rtnl_link *l = NULL;
    if (index == nl->memo_index && index) {
        str_copy(out, NL_NAME, nl->memo_name);
        return true;
    }
    if (rtnl_link_get_kernel(nl->s, index, NULL, &l) != 0 || !l) {
        return false;
    }
    str_copy(out, NL_NAME, rtnl_link_get_name(l));
    nl->memo_index = index;
    str_copy(nl->memo_name, sizeof nl->memo_name, out);
    rtnl_link_put(l);
    return true;
}

const char *kern_link_set(struct kern *nl, const char *name, bool up, u32 mtu)
{
    struct rtnl_link *l = NULL, *change = rtnl_link_alloc();
    int err = rtnl_link_get_kernel(nl->s, 0, name, &l);
    if (err == 0) {
        if (up) {
            rtnl_link_set_flags(change, IFF_UP);
        } else {
            rtnl_link_unset_flags(change, IFF_UP);
        }
        if (mtu) {
            rtnl_link_set_mtu(change, mtu);
        }
        err = rtnl_link_change(nl->s, l, change, 0);
    }
    if (l) {
        rtnl_link_put(l);
    }
    rtnl_link_put(change);
    return why(err);
}

const char *kern_link_delete(struct kern *nl, const char *name)
{
    nl->memo_index = 0;
    struct rtnl_link *l = rtnl_link_alloc();
    rtnl_link_set_name(l, name);
    int err = rtnl_link_delete(nl->s, l);
    rtnl_link_put(l);
    return why(err);
}

static int add_vlan(struct kern *nl, int parent, const char *name, u16 vlan, int flags)
{
    struct rtnl_link *l = rtnl_link_vlan_alloc();
    if (!l) {
        return -NLE_NOMEM;
    }
    rtnl_link_set_link(l, parent);
    rtnl_link_set_name(l, name);
    rtnl_link_vlan_set_id(l, vlan);
    int err = rtnl_link_add(nl->s, l, flags);
    rtnl_link_put(l);
    return err;
}

const char *kern_vlan_add(struct kern *nl, const char *parent, const char *name, u16 vlan)
{
    struct kern_link p;
    if (!kern_link_get(nl, parent, &p)) {
        return "the interface it stands on is not there";
    }
    return why(add_vlan(nl, p.index, name, vlan, NLM_F_CREATE | NLM_F_EXCL));
}

bool kern_has_vlans(struct kern *nl)
{
    /* on a parent that does not exist: a kernel that knows VLANs complains about that, not about the kind */
    return add_vlan(nl, 0x7fffffff, "adit-vlan", 1, NLM_F_CREATE | NLM_F_EXCL) != -NLE_OPNOTSUPP;
}

static int index_of(struct kern *nl, const char *name)
{
    struct kern_link l;
    return kern_link_get(nl, name, &l) ? l.index : 0;
}

/* ---- addresses ---- */

static int family_of(const struct addr *a)
{
    return a->family == AF_V6 ? AF_INET6 : AF_INET;
}

static struct nl_addr *to_nl(const struct addr *a, u8 len)
{
    struct nl_addr *n = nl_addr_build(family_of(a), a->b, addr_len(a));
    nl_addr_set_prefixlen(n, len);
    return n;
}

const char *kern_addr_change(struct kern *nl, const struct kern_addr_value *v, bool add)
{
    struct rtnl_addr *a = rtnl_addr_alloc();
    struct nl_addr *local = to_nl(&v->p.a, v->p.len);
    int index = index_of(nl, v->link), err = -NLE_OBJ_NOTFOUND;
    if (index) {
        rtnl_addr_set_ifindex(a, index);
        rtnl_addr_set_local(a, local);
        if (v->p.a.family == AF_V6) {
            rtnl_addr_set_flags(a, IFA_F_NODAD);
        }
        err = add ? rtnl_addr_add(nl->s, a, NLM_F_REPLACE) : rtnl_addr_delete(nl->s, a, 0);
    }
    nl_addr_put(local);
    rtnl_addr_put(a);
    return why(err);
}

static struct addr from_nl(struct nl_addr *n, u8 family)
{
    struct addr a = {.family = family};
    if (n && nl_addr_get_len(n) && nl_addr_get_len(n) <= addr_len(&a)) {
        memcpy(a.b, nl_addr_get_binary_addr(n), nl_addr_get_len(n));
    }
    return a;
}

void kern_each_addr(struct kern *nl, void (*fn)(void *ctx, const struct kern_addr_value *a),
                    void *ctx)
{
    struct nl_cache *cache = NULL;
    if (rtnl_addr_alloc_cache(NULL, &cache) != 0 || !dumped(nl, cache)) {
        return;
    }
    for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
        struct rtnl_addr *a = (struct rtnl_addr *)o;
        struct nl_addr *local = rtnl_addr_get_local(a);
        struct kern_addr_value v = {0};
        if (local && kern_link_name(nl, rtnl_addr_get_ifindex(a), v.link)) {
            v.p.a = from_nl(local, rtnl_addr_get_family(a) == AF_INET6 ? AF_V6 : AF_V4);
            v.p.len = (u8)rtnl_addr_get_prefixlen(a);
            fn(ctx, &v);
        }
    }
    nl_cache_free(cache);
}

/* ---- routes ---- */

const char *kern_route_change(struct kern *nl, const struct kern_route_value *v, bool add)
{
    static const u8 types[] = {[NLR_UNICAST] = RTN_UNICAST, [NLR_BLACKHOLE] = RTN_BLACKHOLE};
    struct rtnl_route *r = rtnl_route_alloc();
    struct nl_addr *dst = to_nl(&v->net.a, v->net.len);
    int err;
    rtnl_route_set_family(r, (u8)family_of(&v->net.a));
    rtnl_route_set_dst(r, dst);
    rtnl_route_set_table(r, v->table);
    rtnl_route_set_protocol(r, NL_PROTO);
    rtnl_route_set_priority(r, v->metric);
    rtnl_route_set_type(r, types[v->kind == NLR_BLACKHOLE]);
    if (v->kind == NLR_UNICAST) {
        struct rtnl_nexthop *nh = rtnl_route_nh_alloc();
        if (v->link[0]) {
            rtnl_route_nh_set_ifindex(nh, index_of(nl, v->link));
        }
        if (v->nexthop.family) {
            struct nl_addr *gw = to_nl(&v->nexthop, addr_bits(&v->nexthop));
            rtnl_route_nh_set_gateway(nh, gw);
            nl_addr_put(gw);
        }
        rtnl_route_add_nexthop(r, nh);
        rtnl_route_set_scope(r, v->nexthop.family || v->net.a.family == AF_V6 ? RT_SCOPE_UNIVERSE
                                                                              : RT_SCOPE_LINK);
    }
    err = add ? rtnl_route_add(nl->s, r, NLM_F_REPLACE) : rtnl_route_delete(nl->s, r, 0);
    nl_addr_put(dst);
    rtnl_route_put(r);
    return why(err);
}

/* route_values: one value per next hop; one for a route without. */
static void route_values(struct kern *nl, struct rtnl_route *r, u8 family,
                         void (*fn)(void *, const struct kern_route_value *), void *ctx)
{
    struct nl_addr *dst = rtnl_route_get_dst(r);
    struct kern_route_value v = {.proto = rtnl_route_get_protocol(r),
                                 .table = rtnl_route_get_table(r),
                                 .metric = rtnl_route_get_priority(r)};
    int num = rtnl_route_get_nnexthops(r);
    v.net.a = from_nl(dst, family);
    v.net.len = dst ? (u8)nl_addr_get_prefixlen(dst) : 0;
    v.kind = rtnl_route_get_type(r) == RTN_UNICAST     ? NLR_UNICAST
             : rtnl_route_get_type(r) == RTN_BLACKHOLE ? NLR_BLACKHOLE
                                                       : NLR_OTHER;
    if (v.kind != NLR_UNICAST) {
        fn(ctx, &v);
        return;
    }
    for (int i = 0; i < num; i++) {
        struct rtnl_nexthop *nh = rtnl_route_nexthop_n(r, i);
        struct nl_addr *gw = rtnl_route_nh_get_gateway(nh);
        v.nexthop = gw ? from_nl(gw, family) : (struct addr){0};
        if (kern_link_name(nl, rtnl_route_nh_get_ifindex(nh), v.link)) {
            fn(ctx, &v);
        }
    }
}

bool kern_each_route(struct kern *nl, void (*fn)(void *ctx, const struct kern_route_value *r),
                     void *ctx)
{
    bool whole = true;
    for (u8 family = AF_V4; family <= AF_V6; family = (u8)(family + 2)) {
        struct nl_cache *cache = NULL;
        if (rtnl_route_alloc_cache(NULL, family == AF_V6 ? AF_INET6 : AF_INET, 0, &cache) != 0 ||
            !dumped(nl, cache)) {
            whole = false;
            continue;
        }
        for (struct nl_object *o = nl_cache_get_first(cache); o; o = nl_cache_get_next(o)) {
            route_values(nl, (struct rtnl_route *)o, family, fn, ctx);
        }
        nl_cache_free(cache);
    }
    return whole;
}

struct found_route {
    struct kern *nl;
    u8 family;
    bool ok;
    int index;
    struct addr gw;
};

static void on_route(struct nl_object *o, void *arg)
{
    struct found_route *f = arg;
    struct rtnl_route *r = (struct rtnl_route *)o;
    struct rtnl_nexthop *nh = rtnl_route_get_nnexthops(r) ? rtnl_route_nexthop_n(r, 0) : NULL;
    if (nh && !f->ok &&
        (rtnl_route_get_type(r) == RTN_UNICAST || rtnl_route_get_type(r) == RTN_LOCAL)) {
        struct nl_addr *gw = rtnl_route_nh_get_gateway(nh);
        f->ok = true;
        f->index = rtnl_route_nh_get_ifindex(nh);
        if (gw) {
            f->gw = from_nl(gw, f->family);
        }
    }
}

static int on_route_msg(struct nl_msg *msg, void *arg)
{
    return nl_msg_parse(msg, on_route, arg) < 0 ? NL_SKIP : NL_OK;
}

bool kern_route_to(struct kern *nl, const struct addr *dst, char out_link[NL_NAME],
                   struct addr *out_gw)
{
    struct found_route f = {.nl = nl, .family = dst->family};
    struct rtmsg rt = {.rtm_family = (u8)family_of(dst), .rtm_dst_len = addr_bits(dst)};
    u32 mark = 0xad17;
    struct nl_sock *s = nl_socket_alloc(); /* its own callbacks: one question, one answer */
    struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);
    out_gw->family = AF_NONE;
    if (s && msg && nl_connect(s, NETLINK_ROUTE) == 0 &&
        nlmsg_append(msg, &rt, sizeof rt, NLMSG_ALIGNTO) == 0 &&
        nla_put(msg, RTA_DST, addr_len(dst), dst->b) == 0 &&
        nla_put_u32(msg, RTA_MARK, mark) == 0) {
        nl_socket_modify_cb(s, NL_CB_VALID, NL_CB_CUSTOM, on_route_msg, &f);
        nl_socket_disable_auto_ack(s);
        if (nl_send_auto(s, msg) >= 0) {
            (void)nl_recvmsgs_default(s);
        }
    }
    nlmsg_free(msg);
    nl_socket_free(s);
    if (!f.ok || !kern_link_name(nl, f.index, out_link)) {
        return false;
    }
    *out_gw = f.gw;
    return true;
}

/* ---- TUN, sysctl ---- */

/* The kernel's 500 packets overflow whenever dp does not run for a moment: TCP through the tunnel
 * then sees loss no wire made. dp empties the queue at once, so it is long only when that happens. */
static void tun_queue(const char *name)
{
    struct ifreq r = {.ifr_qlen = 5000};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    str_copy(r.ifr_name, sizeof r.ifr_name, name);
    if (fd >= 0) {
        (void)ioctl(fd, SIOCSIFTXQLEN, &r); /* refused: a shorter queue, nothing worse */
        close(fd);
    }
}

int tun_open(const char *name)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -1;
    }
    str_copy(r.ifr_name, sizeof r.ifr_name, name);
    if (ioctl(fd, TUNSETIFF, &r) != 0 || ioctl(fd, TUNSETPERSIST, 1) != 0) {
        int keep = errno;
        close(fd);
        errno = keep;
        return -1;
    }
    tun_queue(name);
    return fd;
}

bool sysctl_put(const char *path, const char *value)
{
    char full[256];
    snprintf(full, sizeof full, "/proc/sys/%s", path);
    int fd = open(full, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool ok = write(fd, value, strlen(value)) == (ssize_t)strlen(value);
    close(fd);
    return ok;
}
