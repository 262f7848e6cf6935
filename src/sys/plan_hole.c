/*
 * plan_hole.c: networks behind protected tunnels. When the route of such a network goes away (its interface fails, its
 * neighbour, FRR, a static line), the next best one would often be the default route, and the traffic would leave in
 * clear. So each has a blackhole of the worst metric beside its route. The metric names the tunnel, and the kernel
 * keeps the route when adit ends: it is the memory of what was learned. `no adit blackhole` on the tunnel restores
 * IOS's way.
 */
#include "sys/plan_int.h"

#include <stdlib.h>

static bool has_hole(const struct planner *k, u32 metric, const struct prefix *net)
{
    const struct kern_route_value *have = k->p->holes.items;
    for (size_t i = 0; i < k->p->holes.num; i++) {
        if (have[i].metric == metric && prefix_equal(&have[i].net, net)) {
            return true;
        }
    }
    return false;
}

static void hole(struct planner *k, u32 metric, const struct prefix *net)
{
    struct kern_route_value v = {
        .net = *net, .kind = NLR_BLACKHOLE, .table = TABLE_MAIN, .metric = metric};
    prefix_normalise(&v.net);
    if (!has_hole(k, metric, &v.net)) { /* several next hops, or there already */
        *(struct kern_route_value *)plan_add(&k->p->holes) = v;
    }
}

static bool is_on_tunnel(const struct conf_if *i, const struct addr *nexthop)
{
    CONF_FOR(struct conf_if_addr, a, &i->addrs)
    {
        if (nexthop->family && prefix_contains(&a->p, nexthop)) {
            return true;
        }
    }
    return false;
}

/* leads_by_tunnel: a static route leads by i: by name, by a next hop on i's network, or by one that another static route
 * leads to (the kernel resolves it when it takes the route). */
static bool leads_by_tunnel(struct planner *k, const struct conf_if *i, const struct conf_route *r,
                            unsigned depth)
{
    if (strcmp(r->iface, i->name) == 0 || is_on_tunnel(i, &r->nexthop)) {
        return true;
    }
    const struct conf_route *by = NULL;
    CONF_FOR(struct conf_route, q, &k->c->routes)
    {
        bool longer = !by || q->net.len > by->net.len;
        if (q != r && longer && r->nexthop.family && prefix_contains(&q->net, &r->nexthop)) {
            by = q;
        }
    }
    return by && depth && leads_by_tunnel(k, i, by, depth - 1);
}

/* What the configuration says: static routes and the tunnel's own networks. */
static void configured(struct planner *k, const struct conf_if *i, u32 tunnel)
{
    enum { DEEPEST = 8 };
    CONF_FOR(struct conf_route, r, &k->c->routes)
    {
        if (leads_by_tunnel(k, i, r, DEEPEST)) {
            hole(k, HOLE_METRIC + tunnel, &r->net);
        }
    }
    CONF_FOR(struct conf_if_addr, a, &i->addrs)
    {
        if (!a->link_local && a->p.len < addr_bits(&a->p.a)) {
            hole(k, HOLE_METRIC + tunnel, &a->p);
        }
    }
}

/* What the kernel says: networks that lead there now by somebody's routing, and the holes of those that did. */
static void learned(struct planner *k, const struct conf_if *i, u32 tunnel)
{
    char link[NL_NAME];
    const struct kern_route_value *r = k->kernel.items;
    k->w->kernel_name(k->w->ctx, link, i->name);
    for (size_t n = 0; n < k->kernel.num; n++) {
        bool leads = r[n].kind == NLR_UNICAST && r[n].proto != NL_PROTO_KERNEL &&
                     strcmp(r[n].link, link) == 0;
        if (leads && r[n].proto == NL_PROTO && has_hole(k, HOLE_METRIC + tunnel, &r[n].net)) {
            continue; /* a line's: its hole goes with the line */
        }
        bool did = r[n].kind == NLR_BLACKHOLE && r[n].metric == HOLE_LEARNED + tunnel;
        if (leads || did) {
            hole(k, HOLE_LEARNED + tunnel, &r[n].net);
        }
    }
}

void planner_holes(struct planner *k)
{
    CONF_FOR(struct conf_if, i, &k->c->ifs)
    {
        if (i->kind == IFK_TUNNEL && i->tun.profile[0] && !i->no_blackhole) {
            u32 tunnel = (u32)strtoul(i->name + strcspn(i->name, "0123456789"), NULL, 10);
            configured(k, i, tunnel & 0xffff);
            learned(k, i, tunnel & 0xffff);
        }
    }
}
