/*
 * inherit.c: the SAs the data plane held when we started, as a table. What is done with them is
 * restart.c's.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

static const struct addr *far_end(const struct dp_sa_value *v)
{
    return v->dir == SA_IN ? &v->src : &v->dst;
}

static struct map *map_of(struct ike *ike, u8 dir)
{
    return dir == SA_IN ? &ike->old_in : &ike->old_out;
}

static u64 map_key(const struct ike *ike, u32 spi, u8 dir, const struct addr *dst)
{
    return dir == SA_IN ? spi : peer_key(ike, dst, spi);
}

void inherit_add(struct ike *ike, const struct dp_sa_value *sa)
{
    struct old_sa *o = xcalloc(1, sizeof *o);
    o->timer.kind = TIMER_OLD;
    o->sa = *sa;
    secret_wipe(&o->sa.encr_key);
    secret_wipe(&o->sa.auth_key);
    o->peer = peer_at(ike, far_end(sa));
    o->peer->num_old++;
    ike->num_old++;
    o->flow = flow_find(ike, sa->flow);
    list_init(&o->flow_link);
    if (o->flow) {
        list_push_back(&o->flow->old_sas, &o->flow_link);
    }
    map_put(map_of(ike, sa->dir), map_key(ike, sa->spi, sa->dir, &sa->dst), o);
    list_push_back(&ike->old_sas, &o->link);
}

void inherit_free(struct ike *ike, struct old_sa *o)
{
    struct map *m = map_of(ike, o->sa.dir);
    u64 key = map_key(ike, o->sa.spi, o->sa.dir, &o->sa.dst);
    if (map_get(m, key) == o) {
        map_del(m, key);
    }
    timer_set(ike, &o->timer, 0);
    list_remove(&o->link);
    list_remove(&o->flow_link);
    o->peer->num_old--;
    ike->num_old--;
    peer_settle(ike, o->peer);
    free(o);
}

struct old_sa *inherit_find(const struct ike *ike, u32 spi, u8 dir, const struct addr *dst)
{
    const struct map *m = dir == SA_IN ? &ike->old_in : &ike->old_out;
    struct old_sa *o = map_get(m, map_key(ike, spi, dir, dst));
    return o && o->sa.spi == spi && (dir == SA_IN || addr_equal(&o->sa.dst, dst)) ? o : NULL;
}

bool inherit_may_be(const struct ike *ike, const struct addr *remote)
{
    const struct ike_peer *p = peer_find(ike, remote);
    return ike->restart_timer.pos || (p && p->num_old);
}
