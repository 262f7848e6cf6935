/*
 * apply_route.c: the plan's blackholes and routes into the kernel, part of apply.c's step 4. What the kernel has is left
 * alone (a change would be told back to us); what a former run left and nobody wants goes last.
 */
#include "sys/apply_route.h"

#include <stdlib.h>

/* metric_of: IPv6 calls metric 0 1024. */
static u32 metric_of(const struct kern_route_value *v)
{
    return v->net.a.family == AF_V6 && v->metric == 0 ? 1024 : v->metric;
}

/* route_is: the kernel's route h is v. */
static bool route_is(const struct kern_route_value *v, const struct kern_route_value *h)
{
    return prefix_equal(&h->net, &v->net) && h->table == v->table && h->metric == metric_of(v) &&
           h->kind == v->kind && (!v->link[0] || strcmp(h->link, v->link) == 0) &&
           (!v->nexthop.family || addr_equal(&h->nexthop, &v->nexthop));
}

/* by_key: what routes that are the same have in common, whatever either leaves open. */
static int by_key(const void *x, const void *y)
{
    const struct kern_route_value *a = x, *b = y;
    const u32 keys[][2] = {{a->net.len, b->net.len},
                           {a->table, b->table},
                           {metric_of(a), metric_of(b)},
                           {a->kind, b->kind}};
    int order = addr_cmp(&a->net.a, &b->net.a);
    for (unsigned i = 0; i < ARRAY_LEN(keys) && order == 0; i++) {
        order = (keys[i][0] > keys[i][1]) - (keys[i][0] < keys[i][1]);
    }
    return order;
}

static void sort_routes(struct plan_list *l)
{
    if (l->num) {
        qsort(l->items, l->num, l->size, by_key);
    }
}

/* route_among: list is sorted. reverse: v is the kernel's and the list what is wanted. */
static bool route_among(const struct kern_route_value *v, const struct plan_list *list,
                        bool reverse)
{
    size_t low = 0, high = list->num;
    while (low < high) { /* the first that does not come before v */
        size_t mid = (low + high) / 2;
        if (by_key(plan_item(list, mid), v) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (; low < list->num && by_key(plan_item(list, low), v) == 0; low++) {
        const struct kern_route_value *h = plan_item(list, low);
        if (reverse ? route_is(h, v) : route_is(v, h)) {
            return true;
        }
    }
    return false;
}

static void on_own_route(void *ctx, const struct kern_route_value *v)
{
    if (v->proto == NL_PROTO) {
        *(struct kern_route_value *)plan_add(ctx) = *v;
    }
}

static int by_prefix(const void *x, const void *y)
{
    const struct prefix *a = x, *b = y;
    int order = addr_cmp(&a->a, &b->a);
    return order ? order : (a->len > b->len) - (a->len < b->len);
}

/* holed: no hole of that network was refused; refused is sorted. */
static bool holed(const struct plan_list *refused, const struct prefix *net)
{
    return !refused->num ||
           !bsearch(net, refused->items, refused->num, refused->size, by_prefix);
}

/* add_holes: out gets the networks of those that the kernel does not take, why the reason of the first. */
static void add_holes(struct kern *kern, const struct plan *next, const struct plan_list *have,
                      struct plan_list *out, char why[160])
{
    for (size_t i = 0; i < next->holes.num; i++) {
        const struct kern_route_value *v = plan_item(&next->holes, i);
        const char *fault = route_among(v, have, false) ? NULL : kern_route_change(kern, v, true);
        if (!fault) {
            continue;
        }
        if (!out->num) {
            char net[ADDR_STR];
            snprintf(why, 160, "%s/%u: %.60s; no route to it is added", addr_str(net, &v->net.a),
                     v->net.len, fault);
        }
        *(struct prefix *)plan_add(out) = v->net;
    }
    if (out->num) {
        qsort(out->items, out->num, out->size, by_prefix);
    }
}

static void add_routes(struct kern *kern, const struct plan *next, const struct plan_list *have,
                       const struct plan_list *refused)
{
    for (size_t i = 0; i < next->routes.num; i++) {
        const struct kern_route_value *v = plan_item(&next->routes, i);
        if (!route_among(v, have, false) && holed(refused, &v->net)) {
            (void)kern_route_change(kern, v, true); /* not reachable yet: later, as on IOS */
        }
    }
}

bool routes_apply(struct kern *kern, const struct plan *next, char why[160])
{
    struct plan_list have = {.size = sizeof(struct kern_route_value)},
                     wanted = {.size = sizeof(struct kern_route_value)},
                     refused = {.size = sizeof(struct prefix)};
    const struct plan_list *parts[] = {&next->holes, &next->routes};
    why[0] = 0;
    (void)!kern_each_route(kern, on_own_route, &have); /* unseen: added again, or gone later */
    sort_routes(&have);
    for (size_t n = 0; n < ARRAY_LEN(parts); n++) {
        for (size_t i = 0; i < parts[n]->num; i++) {
            *(struct kern_route_value *)plan_add(&wanted) =
                *(const struct kern_route_value *)plan_item(parts[n], i);
        }
    }
    sort_routes(&wanted);
    add_holes(kern, next, &have, &refused, why);
    add_routes(kern, next, &have, &refused);
    for (size_t i = 0; i < have.num; i++) {
        const struct kern_route_value *h = plan_item(&have, i);
        if (!route_among(h, &wanted, true)) {
            (void)kern_route_change(kern, h, false);
        }
    }
    bool whole = refused.num == 0;
    free(have.items);
    free(wanted.items);
    free(refused.items);
    return whole;
}
