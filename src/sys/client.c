/*
 * client.c: clients of dynamic crypto maps. ike asks for a flow (IKE_WANT_CLIENT) and says when its client has left it (IKE_LOST_CLIENT); here
 * is the list that the plan makes flows of (plan_dynamic.c). What ike says is not believed: the template must be one of the plan's, and the
 * selector inside it. The list is bounded, and a flow's number is its place in it.
 */
#include "sys/router_int.h"

enum { CLIENTS_MAX = 1024 };

static const struct ike_flow_value *flow_of(const struct plan *p, u32 flow)
{
    const struct ike_msg *m = p->ike.items;
    for (size_t i = 0; i < p->ike.num; i++) {
        if (m[i].type == IKE_CFG_FLOW && m[i].u.flow.flow == flow) {
            return &m[i].u.flow;
        }
    }
    return NULL;
}

static bool whole(const struct prefix *p)
{
    struct prefix n = *p;
    prefix_normalise(&n);
    return prefix_equal(&n, p);
}

static bool inside(const struct selector *outer, const struct selector *s)
{
    return whole(&s->src) && whole(&s->dst) && s->sport_lo <= s->sport_hi && s->dport_lo <= s->dport_hi && selector_covers(outer, s);
}

static struct plan_client *client_at(const struct router *r, size_t i)
{
    return (struct plan_client *)r->clients.items + i;
}

/* slot: its own place when it is known, else a free one; NULL: there is none. */
static struct plan_client *slot(struct router *r, const struct ike_want_value *v)
{
    struct plan_client *free_one = NULL;
    for (size_t i = 0; i < r->clients.num; i++) {
        struct plan_client *c = client_at(r, i);
        if (c->of == v->flow && selector_equal(&c->sel, &v->sel)) {
            return c;
        }
        free_one = !c->of && !free_one ? c : free_one;
    }
    if (!free_one && r->clients.num < CLIENTS_MAX) {
        char key[32];
        r->clients.size = sizeof *free_one;
        free_one = plan_add(&r->clients);
        snprintf(key, sizeof key, "client %zu", r->clients.num);
        free_one->flow = router_flow_id(r, key);
    }
    return free_one;
}

enum value_fault router_client_want(struct router *r, const struct ike_want_value *v)
{
    const struct ike_flow_value *t = flow_of(r->offered ? &r->offer : &r->plan, v->flow);
    if (!t) {
        return VALUE_FINE; /* of a generation that is over */
    }
    if (!t->dynamic || !inside(&t->sel, &v->sel) || !addr_equal(&t->local, &v->local) || v->peer.family != t->local.family ||
        addr_is_any(&v->peer)) {
        return VALUE_FIELD;
    }
    struct plan_client *c = slot(r, v);
    apply_complain_once(r, "clients", "", c ? NULL : "there are more than 1024; further ones are refused");
    if (c) {
        c->of = v->flow;
        c->peer = v->peer;
        c->sel = v->sel;
    }
    return VALUE_FINE;
}

enum value_fault router_client_lost(struct router *r, u64 flow)
{
    for (size_t i = 0; i < r->clients.num; i++) {
        if (client_at(r, i)->flow == flow) {
            client_at(r, i)->of = 0;
            return VALUE_FINE;
        }
    }
    return VALUE_UNASKED;
}

void router_clients_settle(struct router *r, const struct plan *next)
{
    bool room = true;
    for (size_t i = 0; i < r->clients.num; i++) {
        struct plan_client *c = client_at(r, i);
        if (c->of && !flow_of(next, c->flow)) { /* its template has gone, or its flow has no place in the plan */
            room = room && !flow_of(next, c->of);
            c->of = 0;
        }
    }
    apply_complain_once(r, "clients", "of dynamic maps",
                        room ? NULL : "a client has no place: too many flows, or too many different prefix lengths on its link");
}
