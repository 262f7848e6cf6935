/*
 * todo.c: the queue of consequences. What has to follow from what just happened (a pair came up, an
 * SA ended, the peer said Delete) is pushed here by the files below; session.c alone takes it out,
 * at the end of each entry point of ike.h. So nothing below calls upwards, and nothing is removed
 * under the feet of who still uses it.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

struct todo *todo_push(struct ike *ike, enum todo_kind kind)
{
    struct todo *t = xcalloc(1, sizeof *t);
    t->kind = kind;
    list_push_back(&ike->todo, &t->link);
    return t;
}

void todo_flow(struct ike *ike, enum todo_kind kind, u32 flow)
{
    todo_push(ike, kind)->flow = flow;
}

void todo_want(struct ike *ike, u32 flow, bool rekey)
{
    struct todo *t = todo_push(ike, TODO_WANT);
    t->flow = flow;
    t->flag = rekey;
}

struct todo *todo_quick_lost(struct ike *ike, const struct ike_sa *sa, const struct xch *x,
                             const char *why)
{
    struct todo *t = todo_push(ike, TODO_QUICK_LOST);
    t->sa = sa->number;
    t->flow = x->c.initiator ? x->c.flow : 0;
    t->child = x->child;
    str_copy(t->why, sizeof t->why, why);
    return t;
}

bool todo_pop(struct ike *ike, struct todo *out)
{
    if (list_empty(&ike->todo)) {
        return false;
    }
    struct todo *t = CONTAINER_OF(ike->todo.next, struct todo, link);
    list_remove(&t->link);
    *out = *t;
    free(t);
    return true;
}
