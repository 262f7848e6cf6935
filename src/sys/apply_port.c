/*
 * apply_port.c: ports: TUNs and raw sockets that main opens and dp uses. New ones come before the generation that
 * speaks of them, old ones go after it is in force (apply.c).
 */
#include "sys/router_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_tun(const struct dp_port_value *v)
{
    return v->kind == PORT_TUN_TUNNEL || v->kind == PORT_TUN_CRYPTO || v->kind == PORT_TUN_CLEAR;
}

/* What the network says of a path counts only when it quotes a live SPI (dp/pmtu.c): the kernel's own path MTU table,
 * which anybody may write to by ICMP, is never asked. */
static void no_path_mtu(int fd, int af)
{
    int how = af == AF_INET6 ? IPV6_PMTUDISC_INTERFACE : IP_PMTUDISC_INTERFACE;
    if (af == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &how, sizeof how);
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &how, sizeof how);
    }
}

/* raw_open: a receiving socket (proto), or a sending one (255: IPPROTO_RAW, which takes headers as they are).
 * marked: the classifiers of map links let pass what it sends; device: it sends by that link only. */
static int raw_open(u8 family, u8 proto, bool marked, const char *device)
{
    int af = family == AF_V6 ? AF_INET6 : AF_INET, on = 1, size = 4 << 20, mark = DP_MARK;
    int fd =
        socket(af, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, proto == 255 ? IPPROTO_RAW : proto);
    if (fd < 0) {
        return -1;
    }
    if ((marked && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) != 0) ||
        (device &&
         setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, (socklen_t)strlen(device)) != 0)) {
        close(fd);
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    if (af == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    }
    no_path_mtu(fd, af);
    return fd;
}

static int open_one(const struct dp_port_value *v)
{
    switch (v->kind) {
    case PORT_UDP: return natt_open(v->family, true);
    case PORT_RAW: return raw_open(v->family, v->proto, true, NULL);
    case PORT_OPEN: return raw_open(v->family, 255, false, NULL);
    case PORT_PASS: return raw_open(v->family, 255, true, v->name);
    default: return tun_open(v->name);
    }
}

static void tun_settings(const struct dp_port_value *v)
{
    char path[64];
    /* decrypted packets come in here from anywhere */
    snprintf(path, sizeof path, "net/ipv4/conf/%s/rp_filter", v->name);
    (void)sysctl_put(path, "0");
    if (v->kind != PORT_TUN_TUNNEL) { /* no address of its own, and no chatter */
        snprintf(path, sizeof path, "net/ipv6/conf/%s/addr_gen_mode", v->name);
        (void)sysctl_put(path, "1");
        snprintf(path, sizeof path, "net/ipv6/conf/%s/accept_ra", v->name);
        (void)sysctl_put(path, "0");
        snprintf(path, sizeof path, "net/ipv4/conf/%s/accept_redirects", v->name);
        (void)sysctl_put(path, "0");
        snprintf(path, sizeof path, "net/ipv4/conf/%s/send_redirects", v->name);
        (void)sysctl_put(path, "0");
    }
}

/* The interface index behind a port: what a TUN is, what a bound socket is bound to. 0: none. */
static int index_behind(struct router *r, const struct dp_port_value *v)
{
    struct kern_link l;
    bool has = is_tun(v) || v->kind == PORT_PASS;
    return has && kern_link_get(r->kern, v->name, &l) ? l.index : 0;
}

static void close_one(struct router *r, u32 id)
{
    if (r->port[id].fd >= 0) {
        close(r->port[id].fd);
    }
    r->port[id].fd = -1;
}

static void open_and_give(struct router *r, const struct dp_port_value *v)
{
    struct router_port *p = &r->port[v->id];
    p->fd = open_one(v);
    if (p->fd < 0) {
        apply_complain(r, "port", v->name, strerror(errno));
        return;
    }
    if (is_tun(v)) {
        tun_settings(v);
    }
    p->val = *v;
    p->index = index_behind(r, v);
    child_send_dp(r, &(struct dp_msg){.type = DP_CFG_PORT, .u.port = *v}, p->fd);
}

/* port_same: the MTU is dp's to know but needs no new descriptor. */
static bool port_same(const struct dp_port_value *a, const struct dp_port_value *b)
{
    return a->id == b->id && a->kind == b->kind && a->family == b->family && a->proto == b->proto &&
           a->link == b->link && strcmp(a->name, b->name) == 0;
}

void ports_open(struct router *r, const struct plan *next)
{
    for (size_t k = 0; k < next->ports.num; k++) {
        const struct dp_port_value *v = (const struct dp_port_value *)next->ports.items + k;
        struct router_port *p = &r->port[v->id];
        bool there = p->fd >= 0 && port_same(&p->val, v);
        if (there && p->index == index_behind(r, v)) {
            continue; /* else it was deleted by hand, and perhaps made again */
        }
        close_one(r, v->id);
        open_and_give(r, v);
    }
}

void ports_close(struct router *r, const struct plan *next)
{
    for (u32 id = 0; id < DP_MAX_PORTS; id++) {
        bool stays = r->port[id].fd < 0;
        for (size_t k = 0; k < next->ports.num && !stays; k++) {
            stays =
                port_same(&r->port[id].val, (const struct dp_port_value *)next->ports.items + k);
        }
        if (stays) {
            continue;
        }
        child_send_dp(r, &(struct dp_msg){.type = DP_CFG_PORT_DEL, .u.port = r->port[id].val}, -1);
        close_one(r, id);
        if (is_tun(&r->port[id].val)) {
            (void)kern_link_delete(r->kern, r->port[id].val.name);
        }
    }
}

void ports_give(struct router *r)
{
    for (u32 id = 0; id < DP_MAX_PORTS; id++) {
        if (r->port[id].fd >= 0) {
            child_send_dp(r, &(struct dp_msg){.type = DP_CFG_PORT, .u.port = r->port[id].val},
                          r->port[id].fd);
        }
    }
}

void ports_free(struct router *r)
{
    for (u32 id = 0; id < DP_MAX_PORTS; id++) {
        close_one(r, id);
    }
}
