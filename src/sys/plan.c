/*
 * plan.c: links, addresses and routes of the plan, and the order in which a plan is made. plan_crypto.c and plan_map.c
 * derive what ike and dp get, plan_hole.c the blackholes.
 */
#include "sys/plan_int.h"

#include <stdlib.h>

void plan_init(struct plan *p)
{
    *p = (struct plan){.links.size = sizeof(struct plan_link),
                       .addrs.size = sizeof(struct kern_addr_value),
                       .routes.size = sizeof(struct kern_route_value),
                       .tuns.size = sizeof(struct plan_link),
                       .maps.size = sizeof(struct plan_map),
                       .covered.size = sizeof(struct selector),
                       .own.size = sizeof(struct addr),
                       .holes.size = sizeof(struct kern_route_value),
                       .ports.size = sizeof(struct dp_port_value),
                       .dp.size = sizeof(struct dp_msg),
                       .ike.size = sizeof(struct ike_msg),
                       .parts.size = 1,
                       .flows.size = sizeof(struct cli_flow)};
}

void plan_free(struct plan *p)
{
    struct plan_list *all[] = {&p->links, &p->tuns,   &p->maps,  &p->covered, &p->own, &p->holes,
                               &p->addrs, &p->routes, &p->ports, &p->dp,      &p->ike, &p->flows,
                               &p->parts};
    for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
        plan_list_free(all[i]);
    }
}

/* ---- links and addresses ---- */

static void derive_if(struct planner *k, const struct conf_if *i)
{
    char link[NL_NAME];
    k->w->kernel_name(k->w->ctx, link, i->name);
    if (i->kind != IFK_LOOPBACK) {
        struct plan_link *l = plan_add(&k->p->links);
        str_copy(l->name, sizeof l->name, link);
        l->up = !i->shutdown;
        l->vlan = i->vlan;
        if (i->vlan) {
            char parent[CONF_IFNAME];
            str_copy(parent, sizeof parent, i->name);
            parent[strcspn(parent, ".")] = 0;
            k->w->kernel_name(k->w->ctx, l->parent, parent);
        }
        l->mtu = i->kind == IFK_TUNNEL ? planner_tunnel_mtu(k, i) : i->ip_mtu ? i->ip_mtu : i->mtu;
    }
    if (i->shutdown) {
        return;
    }
    CONF_FOR(struct conf_if_addr, a, &i->addrs)
    {
        struct kern_addr_value *v = plan_add(&k->p->addrs);
        str_copy(v->link, sizeof v->link, link);
        v->p = a->p;
        struct kern_link found;
        if (a->eui64 && kern_link_get(k->w->kern, link, &found)) { /* RFC 4291 appendix A */
            const u8 *m = found.mac;
            const u8 id[8] = {(u8)(m[0] ^ 2), m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]};
            memcpy(v->p.a.b + 8, id, sizeof id);
        }
    }
    if (i->unnumbered[0]) {
        struct addr of = conf_if_address(k->c, i->unnumbered, AF_V4);
        if (of.family) {
            struct kern_addr_value *v = plan_add(&k->p->addrs);
            str_copy(v->link, sizeof v->link, link);
            v->p = prefix_host(&of);
        }
    }
}

static void derive_routes(struct planner *k)
{
    CONF_FOR(struct conf_route, r, &k->c->routes)
    {
        struct kern_route_value *v = plan_add(&k->p->routes);
        v->net = r->net;
        v->nexthop = r->nexthop;
        v->table = TABLE_MAIN;
        v->metric = r->distance;
        if (strncmp(r->iface, "Null", 4) == 0) {
            v->kind = NLR_BLACKHOLE;
        } else if (r->iface[0]) {
            k->w->kernel_name(k->w->ctx, v->link, r->iface);
        }
    }
}

static void on_route(void *ctx, const struct kern_route_value *r)
{
    struct planner *k = ctx;
    if (r->table == TABLE_MAIN || r->proto == NL_PROTO) {
        *(struct kern_route_value *)plan_add(&k->kernel) = *r;
    }
}

/* The addresses IKE and ESP may come to: the interfaces', and the local ends of flows. */
static void derive_own(struct planner *k)
{
    const struct kern_addr_value *a = k->p->addrs.items;
    const struct cli_flow *f = k->p->flows.items;
    for (size_t i = 0; i < k->p->addrs.num; i++) {
        *(struct addr *)plan_add(&k->p->own) = a[i].p.a;
    }
    for (size_t i = 0; i < k->p->flows.num; i++) {
        if (f[i].local.family) {
            *(struct addr *)plan_add(&k->p->own) = f[i].local;
        }
    }
}

bool plan_derive(struct plan *p, const struct conf *c, const struct plan_world *w)
{
    struct planner k = {.p = p, .c = c, .w = w, .kernel.size = sizeof(struct kern_route_value)};
    bool whole = kern_each_route(w->kern, on_route, &k);
    planner_map_links(&k);
    p->forward4 = true;
    p->forward6 = c->ipv6_routing;
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        derive_if(&k, i);
    }
    derive_routes(&k);
    planner_pki(&k);
    planner_ike_global(&k);
    planner_tunnels(&k);
    planner_maps(&k);
    planner_holes(&k);
    derive_own(&k);
    plan_list_free(&k.kernel);
    return whole;
}
