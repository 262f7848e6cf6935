/*
 * inherit.c: the SAs the data plane held when we started, as a table. What is done with them is restart.c's.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

void inherit_add(struct ike *ike, const struct dp_sa_value *sa)
{
    struct old_sa *o = xcalloc(1, sizeof *o);
    o->sa = *sa;
    secret_wipe(&o->sa.encr_key);
    secret_wipe(&o->sa.auth_key);
    list_push_back(&ike->old_sas, &o->link);
}

void inherit_free(struct old_sa *o)
{
    list_remove(&o->link);
    free(o);
}

bool inherit_with(const struct ike *ike, const struct addr *remote)
{
    LIST_FOR (it, &ike->old_sas) {
        const struct dp_sa_value *v = &CONTAINER_OF(it, struct old_sa, link)->sa;
        if (addr_equal(v->dir == SA_IN ? &v->src : &v->dst, remote)) {
            return true;
        }
    }
    return false;
}

bool inherit_of_flow(const struct ike *ike, u32 flow)
{
    LIST_FOR (it, &ike->old_sas) {
        if (CONTAINER_OF(it, struct old_sa, link)->sa.flow == flow) {
            return true;
        }
    }
    return false;
}
