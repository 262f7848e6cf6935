/*
 * apply.c: the difference between the plan that holds and the next one, done. In this order, so that at no moment a
 * covered packet finds an open road:
 *
 *   1  new ports (apply_port.c): nothing goes there yet
 *   2  the new generation to dp and ike, each as one sealed memory file; wait until they have taken it
 *   3  classifiers on the links with crypto maps; a link that takes none stays down
 *   4  links, addresses, blackholes, routes, forwarding
 *   5  what is gone: classifiers of links without a map, old ports
 *
 * A generation that is refused leaves everything as it is. What is the same in both plans is not touched, so a change
 * of one line disturbs nothing else; addresses, routes and classifiers are compared with what the kernel has, because a
 * former run may have ended badly and hands other than ours may have been at work.
 */
#include "sys/apply_route.h"
#include "sys/generation.h"
#include "sys/router_int.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static bool has(const struct plan_list *l, const void *value)
{
    for (size_t i = 0; i < l->num; i++) {
        if (memcmp(plan_item(l, i), value, l->size) == 0) {
            return true;
        }
    }
    return false;
}

static bool same_list(const struct plan_list *a, const struct plan_list *b)
{
    return a->num == b->num && (a->num == 0 || memcmp(a->items, b->items, a->num * a->size) == 0);
}

/* ---- classifiers ---- */

static const struct plan_map *map_of_link(const struct plan *p, const char *link)
{
    for (size_t i = 0; i < p->maps.num; i++) {
        const struct plan_map *m = plan_item(&p->maps, i);
        if (strcmp(m->link, link) == 0) {
            return m;
        }
    }
    return NULL;
}

static bool same_lines(const struct plan *a, const struct plan_map *x, const struct plan *b,
                       const struct plan_map *y)
{
    return x && x->ifindex == y->ifindex && x->num == y->num &&
           (x->num == 0 || memcmp(plan_item(&a->covered, x->first), plan_item(&b->covered, y->first),
                                  x->num * a->covered.size) == 0) &&
           same_list(&a->own, &b->own);
}

/* steer_one: what is wrong, or NULL. */
static const char *steer_one(struct router *r, const struct plan *next, const struct plan_map *m)
{
    struct router_steer *s = &r->steer[m->number];
    struct kern_link out, in;
    if (!m->number) {
        return "more links with a crypto map than there are places (16)";
    }
    if (!kern_link_get(r->kern, m->crypto, &out) || !kern_link_get(r->kern, m->clear, &in)) {
        return "its TUN device is not there";
    }
    bool same = same_lines(&r->plan, map_of_link(&r->plan, m->link), next, m) &&
                s->tun_out == (u32)out.index && s->tun_in == (u32)in.index;
    if (same && steer_holds(m->ifindex, s->tun_in, s->ids)) {
        return NULL;
    }
    struct steer_link l = {.ifindex = m->ifindex,
                           .tun_out = (u32)out.index,
                           .tun_in = (u32)in.index,
                           .mark = DP_MARK,
                           .sel = m->num ? plan_item(&next->covered, m->first) : NULL,
                           .num_sel = m->num,
                           .own = next->own.items,
                           .num_own = next->own.num};
    *s = (struct router_steer){.tun_out = l.tun_out, .tun_in = l.tun_in};
    return steer_attach(&l, s->ids);
}

static void apply_steer(struct router *r, const struct plan *next)
{
    for (size_t i = 0; i < next->tuns.num; i++) {
        const struct plan_link *t = plan_item(&next->tuns, i);
        struct kern_link now;
        if (kern_link_get(r->kern, t->name, &now) && (!now.up || now.mtu != t->mtu)) {
            (void)kern_link_set(r->kern, t->name, true, t->mtu);
        }
    }
    for (size_t i = 0; i < next->maps.num; i++) {
        struct plan_map *m = (struct plan_map *)next->maps.items + i;
        const char *why = m->ifindex ? steer_one(r, next, m) : NULL;
        m->unprotected = why != NULL;
        if (why) { /* never half a protection */
            (void)kern_link_set(r->kern, m->link, false, 0);
            const struct plan_map *was = map_of_link(&r->plan, m->link);
            if (!was || !was->unprotected) {
                apply_complain(r, "crypto map: the interface stays down:", m->link, why);
            }
        }
    }
}

/* gives_back: the TUN by which a map's packets come in: its classifier leads them to the link. */
static bool gives_back(const struct plan *p, const char *link)
{
    for (size_t i = 0; i < p->maps.num; i++) {
        const struct plan_map *m = plan_item(&p->maps, i);
        if (strcmp(m->clear, link) == 0) {
            return true;
        }
    }
    return false;
}

/* Links that have no map now, also those a former run left one on. */
static void unsteer_link(void *ctx, const char *link, int ifindex)
{
    const struct plan *next = ctx;
    if (!map_of_link(next, link) && !gives_back(next, link)) {
        (void)steer_detach(ifindex);
    }
}

/* ---- kernel ---- */

static void apply_links(struct router *r, const struct plan *next)
{
    for (size_t i = 0; i < next->links.num; i++) {
        const struct plan_link *l = plan_item(&next->links, i);
        const struct plan_map *m = map_of_link(next, l->name);
        struct kern_link now;
        bool up = l->up && !(m && m->unprotected);
        if (!kern_link_get(r->kern, l->name, &now)) {
            if (!has(&r->plan.links, l)) {
                apply_complain(r, "interface", l->name,
                               "there is no such link on this host; map it with --map");
            }
        } else if (now.up != up || (l->mtu && now.mtu != l->mtu)) {
            const char *why = kern_link_set(r->kern, l->name, up, l->mtu);
            if (why) {
                apply_complain(r, "interface", l->name, why);
            }
        }
    }
}

static void on_addr(void *ctx, const struct kern_addr_value *a)
{
    *(struct kern_addr_value *)plan_add(ctx) = *a;
}

static bool addr_there(const struct plan_list *have, const struct kern_addr_value *a)
{
    for (size_t i = 0; i < have->num; i++) {
        const struct kern_addr_value *h = plan_item(have, i);
        if (h->p.len == a->p.len && addr_equal(&h->p.a, &a->p.a) && strcmp(h->link, a->link) == 0) {
            return true;
        }
    }
    return false;
}

static void on_connected(void *ctx, const struct kern_route_value *v)
{
    if (v->proto == NL_PROTO_KERNEL && v->table == TABLE_MAIN) {
        *(struct kern_route_value *)plan_add(ctx) = *v;
    }
}

/* connected_lost: the address is there and its network's route is not: somebody flushed the table, and the kernel
 * makes such a route only with the address. */
static bool connected_lost(struct router *r, const struct kern_addr_value *a,
                           const struct plan_list *connected)
{
    struct prefix net = a->p;
    struct kern_link l;
    prefix_normalise(&net);
    for (size_t i = 0; i < connected->num; i++) {
        const struct kern_route_value *v = plan_item(connected, i);
        if (prefix_equal(&v->net, &net) && strcmp(v->link, a->link) == 0) {
            return false;
        }
    }
    return a->p.len < addr_bits(&a->p.a) && kern_link_get(r->kern, a->link, &l) && l.up &&
           l.carrier;
}

static void apply_addrs(struct router *r, const struct plan *next)
{
    struct plan_list have = {.size = sizeof(struct kern_addr_value)},
                     connected = {.size = sizeof(struct kern_route_value)};
    kern_each_addr(r->kern, on_addr, &have);
    bool known = kern_each_route(r->kern, on_connected, &connected);
    for (size_t i = 0; i < r->plan.addrs.num; i++) {
        const struct kern_addr_value *a = plan_item(&r->plan.addrs, i);
        if (!has(&next->addrs, a)) {
            (void)kern_addr_change(r->kern, a, false); /* the link may be gone already */
        }
    }
    for (size_t i = 0; i < next->addrs.num; i++) {
        const struct kern_addr_value *a = plan_item(&next->addrs, i);
        bool there = addr_there(&have, a);
        if (there && known && connected_lost(r, a, &connected)) {
            (void)kern_addr_change(r->kern, a, false);
            there = false;
        }
        const char *why = there ? NULL : kern_addr_change(r->kern, a, true);
        if (why) {
            apply_complain(r, "address on", a->link, why);
        }
    }
    free(have.items);
    free(connected.items);
}

static void apply_routes(struct router *r, const struct plan *next)
{
    char why[160];
    bool whole = routes_apply(r->kern, next, why);
    apply_complain_once(r, "blackhole", "", whole ? NULL : why);
    if (next->holes_full && !r->plan.holes_full) {
        apply_complain(
            r, "blackholes", "",
            "too many networks were learned behind protected tunnels; those beyond 16384 "
            "share wider blackholes (/8, IPv6 /12): `clear adit blackhole` forgets those "
            "that no route leads to");
    }
}

static void apply_forwarding(const struct plan *next)
{
    (void)sysctl_put("net/ipv4/conf/all/rp_filter", "0");
    (void)sysctl_put("net/ipv4/fib_multipath_hash_policy", "0");
    (void)sysctl_put("net/ipv4/ip_forward", next->forward4 ? "1" : "0");
    (void)sysctl_put("net/ipv6/conf/all/forwarding", next->forward6 ? "1" : "0");
}

/* ---- dp, ike ---- */

static const struct plan *newest(const struct router *r)
{
    return r->offered ? &r->offer : &r->plan;
}

/* give: a generation to a child; it answers with the number of the one in force. */
static void give(struct router *r, enum child_id id, const void *values, size_t num, size_t size,
                 const struct plan_list *rest, enum outbox_value which)
{
    u64 number = r->given[id] = ++r->generation;
    r->refused[id] = false;
    int fd = generation_seal(number, values, num, size, rest ? rest->items : NULL,
                             rest ? rest->num : 0);
    if (fd < 0) {
        apply_complain(r, "configuration for", r->child[id].name, strerror(errno));
        r->refused[id] = true; /* again at the next look */
        return;
    }
    child_send_generation(r, id, number, fd, which);
    close(fd);
}

static void give_dp(struct router *r)
{
    const struct plan *p = newest(r);
    give(r, CHILD_DP, p->dp.items, p->dp.num, sizeof(struct dp_msg), NULL, OUTBOX_NEWEST);
}

static void give_ike(struct router *r, bool restarted)
{
    const struct plan *p = newest(r);
    size_t len = p->ike.num * sizeof(struct ike_msg);
    struct ike_msg *m = xcalloc(p->ike.num + 1, sizeof *m);
    if (len) {
        memcpy(m, p->ike.items, len);
    }
    for (size_t i = 0; i < p->ike.num; i++) {
        if (m[i].type == IKE_CFG_GLOBAL) {
            m[i].u.global.restarted = restarted;
        }
    }
    /* what begins with the SAs of the one before must not be left out */
    give(r, CHILD_IKE, m, p->ike.num, sizeof *m, &p->parts, restarted ? OUTBOX_KEPT : OUTBOX_NEWEST);
    mem_wipe(m, len);
    free(m);
}

void plan_give_dp(struct router *r)
{
    ports_give(r);
    give_dp(r);
}

void plan_give_ike(struct router *r, bool restarted)
{
    give_ike(r, restarted);
}

/* ---- offered, taken ---- */

static bool waits_for(const struct router *r, enum child_id id)
{
    return r->taken[id] != r->given[id];
}

enum plan_state plan_offered(const struct router *r)
{
    return !r->offered || waits_for(r, CHILD_DP) ? PLAN_WAITS
           : waits_for(r, CHILD_IKE)             ? PLAN_NO_IKE
                                                 : PLAN_READY;
}

void plan_take(struct router *r)
{
    struct plan *next = &r->offer;
    apply_steer(r, next);
    apply_links(r, next);
    apply_addrs(r, next);
    apply_routes(r, next);
    apply_forwarding(next);
    kern_each_link(r->kern, unsteer_link, next);
    ports_close(r, next);
    plan_free(&r->plan);
    r->plan = r->offer;
    r->offered = false;
    for (u8 n = 1; n <= DP_MAX_LINKS; n++) { /* numbers nobody has any more are free again */
        if (r->map_link[n][0] && !map_of_link(&r->plan, r->map_link[n])) {
            r->map_link[n][0] = 0;
            r->steer[n] = (struct router_steer){0};
        }
    }
}

void plan_insist(struct router *r)
{
    if (r->refused[CHILD_DP] && r->child[CHILD_DP].chan >= 0) {
        give_dp(r);
    }
    if (r->refused[CHILD_IKE] && r->child[CHILD_IKE].chan >= 0) {
        give_ike(r, false);
    }
}

enum plan_state plan_taken(struct router *r, enum child_id id, u32 asked, u64 in_force)
{
    if (in_force > r->given[id]) {
        return PLAN_UNASKED; /* nobody gave it that one */
    }
    if (asked != (u32)r->given[id]) {
        return PLAN_WAITS; /* a newer one is on its way */
    }
    r->taken[id] = r->given[id];
    r->refused[id] = in_force != r->given[id];
    apply_complain_once(r, "configuration for", r->child[id].name,
                        r->refused[id] ? "it was refused; the old one stays in force" : NULL);
    if (r->refused[id] && id == CHILD_DP && r->offered) {
        plan_free(&r->offer); /* what dp does not protect by, nobody follows */
        r->offered = false;
        give_dp(r); /* it may have taken another offer in between */
        give_ike(r, false);
    }
    return plan_offered(r);
}

enum plan_state plan_offer(struct router *r, struct plan *next)
{
    const struct plan *last = newest(r);
    bool first = r->given[CHILD_DP] == 0;
    bool dp_changed = first || !same_list(&last->dp, &next->dp),
         ike_changed = first || !same_list(&last->ike, &next->ike) ||
                       !same_list(&last->parts, &next->parts);
    ports_open(r, next);
    if (r->offered) {
        plan_free(&r->offer);
    }
    r->offer = *next;
    r->offered = true;
    if (dp_changed) {
        give_dp(r);
    }
    if (ike_changed) {
        give_ike(r, false);
    }
    return plan_offered(r);
}
