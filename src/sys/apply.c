/*
 * apply.c: the difference between the plan that holds and the next one, done: kernel first (links, addresses, rules,
 * routes), then the data plane, then IKE. What is the same in both is not touched, so a change of one line disturbs
 * nothing else.
 */
#include "sys/router_int.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const void *item(const struct plan_list *l, size_t i)
{
    return (const char *)l->items + i * l->size;
}

static bool has(const struct plan_list *l, const void *value)
{
    for (size_t i = 0; i < l->num; i++) {
        if (memcmp(item(l, i), value, l->size) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_list(const struct plan_list *a, const struct plan_list *b)
{
    return a->num == b->num && (a->num == 0 || memcmp(a->items, b->items, a->num * a->size) == 0);
}

static void complain(struct router *r, const char *what, const char *which, const char *why)
{
    char text[64];
    snprintf(text, sizeof text, "%s %.40s", what, which);
    ev_conf_fail(&r->log, 0, NULL,
                 &(struct evb_conf_fail){.what = ev_str(text), .why = ev_textf("%s", why)});
}

/* ---- ports: descriptors that main opens and dp uses ---- */

static int raw_open(const struct dp_port_value *v)
{
    int af = v->family == AF_V6 ? AF_INET6 : AF_INET, on = 1, size = 4 << 20, mark = DP_MARK;
    int fd = socket(af, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    v->proto == 255 ? IPPROTO_RAW : v->proto);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
    if (af == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
        if (v->proto == 255) {
            (void)setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on);
        }
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    }
    return fd;
}

static void port_add(struct router *r, const struct dp_port_value *v)
{
    int fd = v->kind == PORT_RAW ? raw_open(v) : tun_open(v->name);
    if (fd < 0) {
        complain(r, "port", v->name, strerror(errno));
        return;
    }
    if (v->kind != PORT_RAW) { /* decrypted packets come in here from anywhere */
        char path[64];
        snprintf(path, sizeof path, "net/ipv4/conf/%s/rp_filter", v->name);
        (void)sysctl_put(path, "0");
        if (v->kind !=
            PORT_TUN_TUNNEL) { /* only led-in packets belong here, not the host's own neighbour traffic */
            snprintf(path, sizeof path, "net/ipv6/conf/%s/disable_ipv6", v->name);
            (void)sysctl_put(path, "1");
        }
    }
    r->port_fd[v->id] = fd;
    child_send_dp(r, &(struct dp_msg){.type = DP_CFG_PORT, .u.port = *v}, fd);
}

static void port_del(struct router *r, const struct dp_port_value *v, bool goes_for_good)
{
    child_send_dp(r, &(struct dp_msg){.type = DP_CFG_PORT_DEL, .u.port = *v}, -1);
    if (r->port_fd[v->id] >= 0) {
        close(r->port_fd[v->id]);
        r->port_fd[v->id] = -1;
    }
    if (goes_for_good && v->kind != PORT_RAW) {
        (void)kern_link_delete(r->kern, v->name);
    }
}

/* port_same: the MTU is dp's to know but needs no new descriptor. */
static bool port_same(const struct dp_port_value *a, const struct dp_port_value *b)
{
    return a->id == b->id && a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static void apply_ports(struct router *r, const struct plan *next)
{
    for (size_t i = 0; i < r->plan.ports.num; i++) {
        const struct dp_port_value *old = item(&r->plan.ports, i);
        bool stays = false;
        for (size_t k = 0; k < next->ports.num; k++) {
            stays |= port_same(old, item(&next->ports, k));
        }
        if (!stays) {
            port_del(r, old, true);
        }
    }
    for (size_t k = 0; k < next->ports.num; k++) {
        const struct dp_port_value *v = item(&next->ports, k);
        if (r->port_fd[v->id] < 0) {
            port_add(r, v);
        }
    }
}

/* ---- kernel ---- */

static void apply_links(struct router *r, const struct plan *next)
{
    for (size_t i = 0; i < next->links.num; i++) {
        const struct plan_link *l = item(&next->links, i);
        struct kern_link now;
        if (!kern_link_get(r->kern, l->name, &now)) {
            if (!has(&r->plan.links, l)) {
                complain(r, "interface", l->name,
                         "there is no such link on this host; map it with --map");
            }
        } else if (now.up != l->up || (l->mtu && now.mtu != l->mtu)) {
            const char *why = kern_link_set(r->kern, l->name, l->up, l->mtu);
            if (why) {
                complain(r, "interface", l->name, why);
            }
        }
    }
}

static void apply_addrs(struct router *r, const struct plan *next)
{
    for (size_t i = 0; i < r->plan.addrs.num; i++) {
        const struct kern_addr_value *a = item(&r->plan.addrs, i);
        if (!has(&next->addrs, a)) {
            (void)kern_addr_change(r->kern, a, false); /* the link may be gone already */
        }
    }
    for (size_t i = 0; i < next->addrs.num; i++) {
        const struct kern_addr_value *a = item(&next->addrs, i);
        const char *why = has(&r->plan.addrs, a) ? NULL : kern_addr_change(r->kern, a, true);
        if (why) {
            complain(r, "address on", a->link, why);
        }
    }
}

/* route_there: the kernel has this route. IPv6 calls metric 0 1024. */
static bool route_there(const struct kern_route_value *v, const struct kern_route_value *have,
                        size_t num)
{
    u32 metric = v->net.a.family == AF_V6 && v->metric == 0 ? 1024 : v->metric;
    for (size_t i = 0; i < num; i++) {
        const struct kern_route_value *h = &have[i];
        if (prefix_equal(&h->net, &v->net) && h->table == v->table && h->metric == metric &&
            h->kind == v->kind && (!v->link[0] || strcmp(h->link, v->link) == 0) &&
            (!v->nexthop.family || addr_equal(&h->nexthop, &v->nexthop))) {
            return true;
        }
    }
    return false;
}

/* apply_routes: what the kernel has is left alone (a change would be told back to us); a route whose next hop is not
 * reachable yet is tried again when the links change, as on IOS; what a former run left and nobody wants goes last. */
static void apply_routes(struct router *r, struct plan *next)
{
    enum { CAP = 16384 };
    struct kern_route_value *have = xcalloc(CAP, sizeof *have);
    size_t num = kern_own_routes(r->kern, have, CAP);
    for (size_t i = 0; i < next->routes.num; i++) {
        const struct kern_route_value *v = item(&next->routes, i);
        if (!route_there(v, have, num)) {
            (void)kern_route_change(r->kern, v, true);
        }
    }
    for (size_t i = 0; i < num; i++) {
        bool wanted = false;
        for (size_t k = 0; k < next->routes.num && !wanted; k++) {
            wanted = route_there(item(&next->routes, k), &have[i], 1);
        }
        if (!wanted) {
            (void)kern_route_change(r->kern, &have[i], false);
        }
    }
    free(have);
}

static bool rule_same(const struct kern_rule_value *a, const struct kern_rule_value *b)
{
    return a->pref == b->pref && a->table == b->table && a->mark == b->mark &&
           strcmp(a->iif, b->iif) == 0 && selector_equal(&a->sel, &b->sel);
}

static bool rule_among(const struct kern_rule_value *v, const void *list, size_t num)
{
    const struct kern_rule_value *r = list;
    for (size_t i = 0; i < num; i++) {
        if (rule_same(v, &r[i])) {
            return true;
        }
    }
    return false;
}

/* apply_rules: compared with what the kernel has, not with what we think it has: a former run may have ended badly.
 * New rules come before old ones go, so at no moment protected traffic finds the open road. */
static void apply_rules(struct router *r, const struct plan *next)
{
    enum { CAP = 16384 };
    struct kern_rule_value local = {
        .pref = 0, .table = TABLE_LOCAL, .family = AF_V4, .sel = selector_any(AF_V4)};
    struct kern_rule_value *have = xcalloc(CAP, sizeof *have);
    size_t num = kern_own_rules(r->kern, AF_V4, have, CAP);
    bool first = kern_local_first(r->kern);
    for (size_t i = 0; i < next->rules.num; i++) {
        const struct kern_rule_value *v = item(&next->rules, i);
        const char *why = rule_among(v, have, num) ? NULL : kern_rule_change(r->kern, v, true);
        if (why) {
            complain(r, "policy rule", "", why);
        }
    }
    if (first ==
        next->local_moved) { /* it has to stand behind the rules that catch clear text, or first again */
        (void)kern_rule_change(r->kern, &local, !first);
    }
    for (size_t i = 0; i < num; i++) {
        if (!rule_among(&have[i], next->rules.items, next->rules.num)) {
            (void)kern_rule_change(r->kern, &have[i], false);
        }
    }
    free(have);
}

static void apply_forwarding(const struct plan *next)
{
    (void)sysctl_put("net/ipv4/ip_forward", next->forward4 ? "1" : "0");
    (void)sysctl_put("net/ipv6/conf/all/forwarding", next->forward6 ? "1" : "0");
    (void)sysctl_put("net/ipv4/conf/all/rp_filter", "0");
    (void)sysctl_put("net/ipv4/fib_multipath_hash_policy", "0");
}

/* ---- dp, ike ---- */

static void give_dp_generation(struct router *r, const struct plan *p)
{
    child_send_dp(r, &(struct dp_msg){.type = DP_CFG_BEGIN}, -1);
    for (size_t i = 0; i < p->dp.num; i++) {
        child_send_dp(r, item(&p->dp, i), -1);
    }
    child_send_dp(r, &(struct dp_msg){.type = DP_CFG_COMMIT}, -1);
}

static void give_ike_generation(struct router *r, const struct plan *p, bool restarted)
{
    child_send_ike(r, &(struct ike_msg){.type = IKE_CFG_BEGIN}, -1);
    for (size_t i = 0; i < p->ike.num; i++) {
        struct ike_msg m = *(const struct ike_msg *)item(&p->ike, i);
        if (m.type == IKE_CFG_GLOBAL) {
            m.u.global.restarted = restarted;
        }
        child_send_ike(r, &m, -1);
    }
    child_send_ike(r, &(struct ike_msg){.type = IKE_CFG_COMMIT}, -1);
}

void plan_give_dp(struct router *r)
{
    for (size_t i = 0; i < r->plan.ports.num; i++) {
        const struct dp_port_value *v = item(&r->plan.ports, i);
        if (r->port_fd[v->id] >= 0) {
            child_send_dp(r, &(struct dp_msg){.type = DP_CFG_PORT, .u.port = *v},
                          r->port_fd[v->id]);
        }
    }
    give_dp_generation(r, &r->plan);
}

void plan_give_ike(struct router *r, bool restarted)
{
    give_ike_generation(r, &r->plan, restarted);
}

void plan_apply(struct router *r, struct plan *next)
{
    bool dp_changed = !same_list(&r->plan.dp, &next->dp),
         ike_changed = !same_list(&r->plan.ike, &next->ike);
    apply_forwarding(next);
    apply_ports(r, next); /* TUNs are links, so they come first */
    apply_links(r, next);
    apply_addrs(r, next);
    apply_rules(r, next);
    apply_routes(r, next);
    plan_free(&r->plan);
    r->plan = *next;
    if (dp_changed) {
        give_dp_generation(r, &r->plan);
    }
    if (ike_changed) {
        give_ike_generation(r, &r->plan, false);
    }
}
