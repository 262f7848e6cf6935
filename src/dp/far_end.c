/*
 * far_end.c: the far ends of the flows, by address: the one a flow's line names, and the one its SAs are or were last with
 * (the next peer of a crypto map entry). IKE hears of the unknown SPIs of these, and of nobody else's: a stranger finds no
 * place here and takes none, nor does the peer of manual keys, with whom IKE does not speak. ctl.c and sa.c write it, between two turns of the graph; drop.c asks.
 */
#include "dp/dp_int.h"

static struct far_end *place(struct dp *dp, const struct addr *a)
{
    u8 b[sizeof a->b + 1];
    b[0] = a->family;
    memcpy(b + 1, a->b, sizeof a->b);
    struct far_end *f;
    for (u64 i = keyed_hash(dp->far_seed, b, sizeof b);; i++) { /* never full: there is an end */
        f = &dp->far[i % FAR_ENDS];
        if (f->a.family == AF_NONE || addr_equal(&f->a, a)) {
            return f;
        }
    }
}

static void put(struct dp *dp, const struct addr *a)
{
    struct far_end *f = place(dp, a);
    if (!addr_is_any(a) && f->a.family == AF_NONE) {
        f->a = *a;
        dp->num_far++;
    }
}

struct far_end *far_end_find(struct dp *dp, const struct addr *a)
{
    struct far_end *f = place(dp, a);
    return f->a.family == AF_NONE ? NULL : f;
}

void far_end_settle(struct dp *dp)
{
    memset(dp->far, 0, sizeof dp->far);
    dp->num_far = 0;
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        if (dp->flow[i].id && !dp->flow[i].val.manual) {
            put(dp, &dp->flow[i].val.peer);
            put(dp, &dp->flow[i].met);
        }
    }
}

void far_end_met(struct dp *dp, struct flow *f, const struct addr *a)
{
    if (f->val.manual) {
        return;
    }
    f->met = *a;
    if (dp->num_far >= FAR_ENDS / 4 * 3) {
        far_end_settle(dp); /* those that flows were with before */
    }
    put(dp, a);
}
