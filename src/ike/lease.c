/*
 * lease.c: addresses of `ip local pool` that clients have been given (mode configuration). A client keeps the one it had, by the
 * identity and user name it proved, as long as nobody else needs it: what is free is taken in turn, and when nothing is, the
 * address whose client has been gone longest. Walk: v1_cfg.c -> here.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

struct lease {
    struct list link; /* in ike.leases, the one given longest ago first */
    struct addr a;
    u64 who;
    u32 sa; /* the ISAKMP SA it was given on last */
};

static u32 host(const struct addr *a)
{
    return be32(a->b);
}

/* in_use: somebody who lives has it, and he is not the far end of that SA. */
static bool in_use(const struct ike *ike, const struct lease *l, const struct ike_sa *sa)
{
    const struct ike_sa *o = sa_by_number(ike, l->sa);
    if (o && o != sa && !o->deleted && !(sa && l->who == core_who(ike, &sa->c) && addr_equal(&o->remote.a, &sa->remote.a))) {
        return true;
    }
    LIST_FOR (it, &ike->children) { /* only when a pool is looked through */
        const struct child *c = CONTAINER_OF(it, struct child, link);
        if (addr_equal(&c->sel.dst.a, &l->a) && c->sel.dst.len == 32 && !(sa && addr_equal(&c->remote.a, &sa->remote.a))) {
            return true;
        }
    }
    return false;
}

static struct lease *lease_at(const struct ike *ike, u32 address)
{
    return map_get(&ike->lease_map, address);
}

static struct addr give(struct ike *ike, struct lease *l, const struct ike_sa *sa, u64 who)
{
    l->who = who;
    l->sa = sa->number;
    list_remove(&l->link);
    list_push_back(&ike->leases, &l->link);
    return l->a;
}

static bool inside(const struct ike_group_value *g, const struct lease *l)
{
    return host(&l->a) >= host(&g->pool_lo) && host(&l->a) <= host(&g->pool_hi);
}

bool lease_take(struct ike *ike, const struct ike_group_value *g, const struct ike_sa *sa,
                const struct sa_core *c, struct addr *out)
{
    u64 who = core_who(ike, c);
    if (g->pool_lo.family != AF_V4) {
        return false;
    }
    LIST_FOR (it, &ike->leases) { /* the one it had */
        struct lease *l = CONTAINER_OF(it, struct lease, link);
        if (l->who == who && inside(g, l) && !in_use(ike, l, sa)) {
            *out = give(ike, l, sa, who);
            return true;
        }
    }
    for (u32 a = host(&g->pool_lo); a <= host(&g->pool_hi) && a; a++) { /* one that nobody has had */
        if (!lease_at(ike, a)) {
            struct lease *l = xcalloc(1, sizeof *l);
            list_init(&l->link);
            l->a = addr_v4(a);
            map_put(&ike->lease_map, a, l);
            *out = give(ike, l, sa, who);
            return true;
        }
    }
    LIST_FOR (it, &ike->leases) { /* the oldest whose client has gone */
        struct lease *l = CONTAINER_OF(it, struct lease, link);
        if (inside(g, l) && !in_use(ike, l, NULL)) {
            *out = give(ike, l, sa, who);
            return true;
        }
    }
    return false;
}

void lease_free(struct ike *ike)
{
    LIST_FOR (it, &ike->leases) {
        struct lease *l = CONTAINER_OF(it, struct lease, link);
        list_remove(&l->link);
        free(l);
    }
}
