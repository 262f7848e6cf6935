/*
 * plan_hole.c: networks behind protected tunnels. When the route of such a network goes away (its interface fails, its
 * neighbour, FRR, a static line), the next best one would often be the default route, and the traffic would leave in
 * clear. So each has a blackhole of the worst metric beside its route. The metric names the tunnel, and the kernel
 * keeps the route when adit ends: it is the memory of what was learned. `no adit blackhole` on the tunnel restores
 * IOS's way.
 */
#include "sys/plan_int.h"

#include <stdlib.h>

static int by_net(const void *x, const void *y)
{
    const struct kern_route_value *a = x, *b = y;
    int nets = addr_cmp(&a->net.a, &b->net.a);
    return a->metric != b->metric     ? (a->metric < b->metric ? -1 : 1)
           : nets                     ? nets
           : a->net.len != b->net.len ? (a->net.len < b->net.len ? -1 : 1)
                                      : 0;
}

/* settle: in order, each once. */
static void settle(struct plan_list *l)
{
    struct kern_route_value *v = l->items;
    size_t kept = 0;
    if (l->num) {
        qsort(v, l->num, sizeof *v, by_net);
    }
    for (size_t i = 0; i < l->num; i++) {
        if (kept == 0 || by_net(&v[kept - 1], &v[i]) != 0) {
            v[kept++] = v[i];
        }
    }
    l->num = kept;
}

static struct kern_route_value hole_of(u32 metric, const struct prefix *net)
{
    struct kern_route_value v = {
        .net = *net, .kind = NLR_BLACKHOLE, .table = TABLE_MAIN, .metric = metric};
    prefix_normalise(&v.net);
    return v;
}

static void hole(struct plan_list *l, u32 metric, const struct prefix *net)
{
    *(struct kern_route_value *)plan_add(l) = hole_of(metric, net);
}

/* has_hole: l is settled. */
static bool has_hole(const struct plan_list *l, u32 metric, const struct prefix *net)
{
    struct kern_route_value v = hole_of(metric, net);
    return l->num && bsearch(&v, l->items, l->num, sizeof v, by_net);
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
            hole(&k->p->holes, HOLE_METRIC + tunnel, &r->net);
        }
    }
    CONF_FOR(struct conf_if_addr, a, &i->addrs)
    {
        if (!a->link_local && a->p.len < addr_bits(&a->p.a)) {
            hole(&k->p->holes, HOLE_METRIC + tunnel, &a->p);
        }
    }
}

/* A protected tunnel whose networks have holes. */
struct holed {
    char link[NL_NAME];
    u32 number;
};

static bool is_wide(const struct prefix *net)
{
    return net->len <= (net->a.family == AF_V6 ? HOLE_WIDE6 : HOLE_WIDE4);
}

/* What the kernel says. First what is remembered: the holes of networks that led there once. */
static void remembered(struct planner *k, const struct plan_list *tunnels, struct plan_list *out)
{
    const struct kern_route_value *r = k->kernel.items;
    const struct holed *t = tunnels->items;
    for (size_t n = 0; n < k->kernel.num; n++) {
        bool ours = r[n].kind == NLR_BLACKHOLE && r[n].metric >= HOLE_LEARNED;
        for (size_t i = 0; ours && i < tunnels->num; i++) {
            if (r[n].metric == HOLE_LEARNED + t[i].number) {
                hole(out, r[n].metric, &r[n].net);
            }
        }
    }
    settle(out);
}

/* Then the networks that lead there now by somebody's routing. */
static void leading(struct planner *k, const struct plan_list *tunnels,
                    const struct plan_list *known, struct plan_list *out)
{
    const struct kern_route_value *r = k->kernel.items;
    const struct holed *t = tunnels->items;
    for (size_t n = 0; n < k->kernel.num; n++) {
        bool leads = r[n].kind == NLR_UNICAST && r[n].proto != NL_PROTO_KERNEL;
        for (size_t i = 0; leads && i < tunnels->num; i++) {
            bool line = r[n].proto == NL_PROTO && /* its hole goes with the line */
                        has_hole(&k->p->holes, HOLE_METRIC + t[i].number, &r[n].net);
            if (strcmp(r[n].link, t[i].link) == 0 && !line &&
                !has_hole(known, HOLE_LEARNED + t[i].number, &r[n].net)) {
                hole(out, HOLE_LEARNED + t[i].number, &r[n].net);
            }
        }
    }
    settle(out);
}

/* learned: what is remembered keeps its place; what there is no room for shares wide holes, of which there cannot be many.
 * Wide is closed: more falls into it, never less. */
static void learned(struct planner *k, const struct plan_list *tunnels)
{
    struct plan_list known = {.size = sizeof(struct kern_route_value)},
                     more = {.size = sizeof(struct kern_route_value)};
    remembered(k, tunnels, &known);
    leading(k, tunnels, &known, &more);
    size_t used = 0;
    const struct kern_route_value *v = known.items;
    for (size_t i = 0; i < known.num; i++) {
        *(struct kern_route_value *)plan_add(&k->p->holes) = v[i];
        used += !is_wide(&v[i].net);
    }
    v = more.items;
    for (size_t i = 0; i < more.num; i++) {
        struct prefix net = v[i].net;
        if (!is_wide(&net) && used++ >= HOLES_LEARNED) {
            net.len = net.a.family == AF_V6 ? HOLE_WIDE6 : HOLE_WIDE4;
            k->p->holes_full = true;
        }
        hole(&k->p->holes, v[i].metric, &net);
    }
    free(known.items);
    free(more.items);
}

void planner_holes(struct planner *k)
{
    struct plan_list tunnels = {.size = sizeof(struct holed)};
    CONF_FOR(struct conf_if, i, &k->c->ifs)
    {
        if (i->kind == IFK_TUNNEL && i->tun.profile[0] && !i->no_blackhole) {
            u32 number = (u32)strtoul(i->name + strcspn(i->name, "0123456789"), NULL, 10);
            struct holed *t = plan_add(&tunnels);
            k->w->kernel_name(k->w->ctx, t->link, i->name);
            t->number = number & 0xffff;
            configured(k, i, t->number);
        }
    }
    settle(&k->p->holes);
    learned(k, &tunnels);
    settle(&k->p->holes);
    free(tunnels.items);
}
