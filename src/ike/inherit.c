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

void inherit_add(struct ike *ike, const struct dp_sa_value *sa)
{
    struct old_sa *o = xcalloc(1, sizeof *o);
    o->timer.kind = TIMER_OLD;
    o->sa = *sa;
    secret_wipe(&o->sa.encr_key);
    secret_wipe(&o->sa.auth_key);
    o->peer = peer_at(ike, far_end(sa));
    o->peer->num_old++;
    o->flow = flow_find(ike, sa->flow);
    list_init(&o->flow_link);
    if (o->flow) {
        list_push_back(&o->flow->old_sas, &o->flow_link);
    }
    if (sa->dir == SA_IN) {
        map_put(&ike->old_in, sa->spi, o);
    } else {
        map_put(&ike->old_out, sa->spi, o);
    }
    list_push_back(&ike->old_sas, &o->link);
}

void inherit_free(struct ike *ike, struct old_sa *o)
{
    struct map *m = o->sa.dir == SA_IN ? &ike->old_in : &ike->old_out;
    if (map_get(m, o->sa.spi) == o) {
        map_del(m, o->sa.spi);
    }
    timer_set(ike, &o->timer, 0);
    list_remove(&o->link);
    list_remove(&o->flow_link);
    o->peer->num_old--;
    peer_settle(ike, o->peer);
    free(o);
}

struct old_sa *inherit_find(const struct ike *ike, u32 spi, u8 dir)
{
    return map_get(dir == SA_IN ? &ike->old_in : &ike->old_out, spi);
}

bool inherit_may_be(const struct ike *ike, const struct addr *remote)
{
    const struct ike_peer *p = peer_find(ike, remote);
    return ike->restart_timer.pos || (p && p->num_old);
}
