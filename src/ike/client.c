/*
 * client.c: clients of dynamic crypto maps. The first message of a quick mode that fits a template and no flow is parked, and main asked
 * for a flow (IKE_WANT_CLIENT); when a generation with it is in force, the datagram is looked at again as if it came now. Nothing of
 * the draft is kept. One datagram per ISAKMP SA (the newest: a client says it again), few in all, not for long.
 * Walk: v1_quick.c -> engine.c -> here -> main -> config.c -> ike.c, which runs it again.
 */
#include "ike/client.h"

#include <stdlib.h>

static void drop(struct ike *ike, struct parked *p)
{
    list_remove(&p->link);
    ike->num_parked--;
    free(p);
}

static void say(struct ike *ike, const struct ike_sa *sa, const struct draft *d)
{
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_WANT_CLIENT;
    m.u.want.flow = d->want;
    m.u.want.local = sa->local.a;
    m.u.want.peer = d->remote.a;
    m.u.want.sel = d->x.sel;
    ike->env.to_main(ike->env.ctx, &m);
}

void client_park(struct ike *ike, const struct ike_sa *sa, const struct datagram *in, const struct draft *d)
{
    LIST_FOR (it, &ike->parked) {
        struct parked *old = CONTAINER_OF(it, struct parked, link);
        if (old->sa == sa->number) {
            drop(ike, old);
        }
    }
    if (ike->num_parked >= PARKED_MAX) {
        drop(ike, CONTAINER_OF(ike->parked.next, struct parked, link)); /* it says it again */
    }
    struct parked *p = xcalloc(1, sizeof *p + in->len);
    list_init(&p->link);
    p->sa = sa->number;
    p->at_ms = env_now_ms(ike->clock);
    p->in = *in;
    p->in.data = memcpy(p + 1, in->data, in->len);
    list_push_back(&ike->parked, &p->link);
    ike->num_parked++;
    say(ike, sa, d);
}

struct parked *client_unpark(struct ike *ike)
{
    u64 now = env_now_ms(ike->clock);
    while (!list_empty(&ike->parked)) {
        struct parked *p = CONTAINER_OF(ike->parked.next, struct parked, link);
        const struct ike_sa *sa = sa_by_number(ike, p->sa);
        if (sa && !sa->deleted && now - p->at_ms < PARKED_MS) {
            list_remove(&p->link);
            ike->num_parked--;
            return p;
        }
        drop(ike, p);
    }
    return NULL;
}

void client_since(struct ike *ike, const struct parked *was)
{
    LIST_FOR (it, &ike->parked) {
        struct parked *p = CONTAINER_OF(it, struct parked, link);
        if (p->sa == was->sa) {
            p->at_ms = was->at_ms;
        }
    }
}

void client_free(struct ike *ike)
{
    while (!list_empty(&ike->parked)) {
        drop(ike, CONTAINER_OF(ike->parked.next, struct parked, link));
    }
}

bool client_uses(const struct ike *ike, const struct ike_sa *sa)
{
    const struct ike_peer *p = sa->peer;
    LIST_FOR (it, &p->children) {
        const struct child *c = CONTAINER_OF(it, struct child, peer_link);
        if (sa->c.client.family && addr_equal(&c->sel.dst.a, &sa->c.client) && c->who == sa_who(ike, sa)) {
            return true;
        }
    }
    return false;
}

void client_lost(struct ike *ike, const struct flow *f)
{
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_LOST_CLIENT;
    m.u.number = f->v.flow;
    ike->env.to_main(ike->env.ctx, &m);
}
