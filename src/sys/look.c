/*
 * look.c: one look at ike and dp for the console: nine questions (ask.c) at once, and when the last is answered the
 * session goes on with the snapshot. A process that did not answer is said in the snapshot; its part is then empty.
 */
#include "sys/router_int.h"

#include <stdlib.h>

#define PART(child, what, items, num, item)                                                        \
    {                                                                                              \
        child, what, offsetof(struct cli_snapshot, items), offsetof(struct cli_snapshot, num),     \
            sizeof(struct item)                                                                    \
    }
static const struct {
    enum child_id id;
    u32 what;
    size_t items, num, size; /* places in the snapshot; bytes of one item */
} parts[] = {
    PART(CHILD_IKE, IKE_GET_SAS, sas, num_sas, ike_sa_info),
    PART(CHILD_IKE, IKE_GET_CHILDREN, children, num_children, ike_child_info),
    PART(CHILD_IKE, IKE_GET_FLOWS, ike_flows, num_ike_flows, ike_flow_info),
    PART(CHILD_IKE, IKE_GET_CALLS, calls, num_calls, ike_calls_info),
    PART(CHILD_IKE, IKE_GET_COUNTS, ike_counts, num_ike_counts, dp_count_info),
    PART(CHILD_DP, DP_GET_SAS, dp_sas, num_dp_sas, dp_sa_info),
    PART(CHILD_DP, DP_GET_FLOWS, dp_flows, num_dp_flows, dp_flow_info),
    PART(CHILD_DP, DP_GET_TUNNELS, tunnels, num_tunnels, dp_tunnel_info),
    PART(CHILD_DP, DP_GET_DROPS, drops, num_drops, dp_drop_info),
};
#undef PART
enum { PARTS = ARRAY_LEN(parts) };

struct look_part {
    struct look *look;
    unsigned index;
};
struct look {
    struct list link;
    struct router *r;
    struct session *s; /* borrowed: look_stop comes before it goes */
    struct cli_snapshot *snap;
    unsigned open;
    struct look_part part[PARTS];
};

static void **items_of(struct cli_snapshot *s, unsigned i)
{
    return (void **)(void *)((char *)s + parts[i].items);
}

static size_t *num_of(struct cli_snapshot *s, unsigned i)
{
    return (size_t *)(void *)((char *)s + parts[i].num);
}

static void snapshot_free(struct cli_snapshot *s)
{
    for (unsigned i = 0; i < PARTS; i++) {
        void **items = items_of(s, i);
        if (*items) { /* SAs may carry keys */
            mem_wipe(*items, *num_of(s, i) * parts[i].size);
            free(*items);
        }
    }
    free(s->flows);
    free(s);
}

static void look_free(struct look *l)
{
    list_remove(&l->link);
    snapshot_free(l->snap);
    free(l);
}

/* refused: what main did not take from its children, for `show drops`. */
static void refused(const struct router *r, struct cli_snapshot *s)
{
    for (unsigned id = 0; id < CHILD_NUM; id++) {
        for (unsigned f = 0; f < VALUE_NUM; f++) {
            if (r->child[id].refused[f] && s->num_refused < ARRAY_LEN(s->refused)) {
                s->refused[s->num_refused++] =
                    (struct cli_refused){.who = r->child[id].name,
                                         .why = value_fault_text((enum value_fault)f),
                                         .count = r->child[id].refused[f]};
            }
        }
    }
}

static void got(void *ctx, struct answer *a)
{
    struct look_part *p = ctx;
    struct look *l = p->look;
    struct cli_snapshot *s = l->snap;
    if (!a->whole) {
        s->error = parts[p->index].id == CHILD_IKE ? "the key daemon does not answer"
                                                   : "the data plane does not answer";
    } else {
        *items_of(s, p->index) = a->items;
        *num_of(s, p->index) = a->num;
        *a = (struct answer){0}; /* the snapshot's now */
    }
    if (--l->open) {
        return;
    }
    size_t num = l->r->plan.flows.num;
    s->flows = xcalloc(num, sizeof *s->flows);
    s->num_flows = num;
    if (num) {
        memcpy(s->flows, l->r->plan.flows.items, num * sizeof *s->flows);
    }
    refused(l->r, s);
    list_remove(&l->link); /* the session may be freed, and look_stop called, while it goes on */
    session_look(l->s, s);
    look_free(l);
}

void look_start(struct router *r, struct session *s)
{
    struct look *l = xcalloc(1, sizeof *l);
    l->r = r;
    l->s = s;
    l->snap = xcalloc(1, sizeof *l->snap);
    l->open = PARTS;
    list_push_back(&r->looks, &l->link);
    for (unsigned i = 0; i < PARTS; i++) {
        l->part[i] = (struct look_part){l, i};
        ask(r, parts[i].id, parts[i].what, got, &l->part[i]);
    }
}

void look_stop(struct router *r, const struct session *s)
{
    LIST_FOR (it, &r->looks) {
        struct look *l = CONTAINER_OF(it, struct look, link);
        if (l->s == s) {
            for (unsigned i = 0; i < PARTS; i++) {
                ask_cancel(r, &l->part[i]);
            }
            look_free(l);
        }
    }
}
