/*
 * plan_int.h: between plan.c and plan_crypto.c.
 */
#ifndef ADIT_SYS_PLAN_INT_H
#define ADIT_SYS_PLAN_INT_H

#include "sys/plan.h"

struct planner {
    struct plan *p;
    const struct conf *c;
    const struct plan_world *w;
    u32 order; /* of policies */
};
void planner_ike_global(struct planner *k);
void planner_tunnels(struct planner *k);
void planner_maps(struct planner *k);
/* planner_tunnel_mtu: ip mtu, or what fits the way to the other end with everything around it. */
u16 planner_tunnel_mtu(struct planner *k, const struct conf_if *i);

#endif
