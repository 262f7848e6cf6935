/*
 * ask.c: questions to the children. Nobody waits for an answer: a question carries a tag, the answers come with the other
 * values of the channel (proc.c), and when the last one is there, or the time is over, or the child has died, the asker is
 * called, once. So a child that hangs, answers twice or never ends its answer costs an asker its answer and main nothing.
 */
#include "sys/router_int.h"

#include <stdlib.h>

enum { ASK_MS = 2000, ASK_MAX = 1 << 15 }; /* more values than a child can have to tell */

/* What each question asks for, and how it is answered. */
static const struct kind {
    u32 what, value;
    size_t size;
} kinds[CHILD_NUM][4] = {
    [CHILD_DP] = {{DP_GET_SAS, DP_SA, sizeof(struct dp_sa_info)},
                  {DP_GET_FLOWS, DP_FLOW, sizeof(struct dp_flow_info)},
                  {DP_GET_TUNNELS, DP_TUNNEL, sizeof(struct dp_tunnel_info)},
                  {DP_GET_DROPS, DP_DROP_COUNT, sizeof(struct dp_drop_info)}},
    [CHILD_IKE] = {{IKE_GET_SAS, IKE_SA, sizeof(struct ike_sa_info)},
                   {IKE_GET_CHILDREN, IKE_CHILD, sizeof(struct ike_child_info)},
                   {IKE_GET_FLOWS, IKE_FLOW, sizeof(struct ike_flow_info)},
                   {IKE_GET_COUNTS, IKE_COUNT, sizeof(struct dp_count_info)}},
};

struct question {
    struct list link;
    enum child_id id;
    u32 tag;
    u64 until_ms; /* 0: lost, its asker is told next */
    const struct kind *kind;
    struct answer a;
    size_t cap;
    answer_fn got;
    void *ctx; /* borrowed; given to got */
};

static void answer_free(struct answer *a, size_t size)
{
    if (a->items) { /* SAs may carry keys while the key log is on */
        mem_wipe(a->items, a->num * size);
        free(a->items);
    }
    *a = (struct answer){0};
}

/* settle: tells the asker and forgets the question. */
static void settle(struct question *q, bool whole)
{
    list_remove(&q->link);
    q->a.whole = whole;
    q->got(q->ctx, &q->a);
    answer_free(&q->a, q->kind->size);
    free(q);
}

static void on_late(uv_timer_t *t);

static void wake(struct router *r)
{
    u64 now = env_now_ms(&r->env), first = UINT64_MAX;
    LIST_FOR (it, &r->questions) {
        first = MIN(first, CONTAINER_OF(it, struct question, link)->until_ms);
    }
    if (first == UINT64_MAX) {
        uv_timer_stop(&r->ask_late);
    } else {
        uv_timer_start(&r->ask_late, on_late, first > now ? first - now : 0, 0);
    }
}

/* give_up: its answer may still come. */
static void give_up(struct router *r, const struct question *q)
{
    if (q->until_ms) { /* 0: it was not even asked, or said too much */
        r->given_up[r->num_given_up++ % ARRAY_LEN(r->given_up)] =
            (struct given_up){q->tag, q->id};
    }
}

static void on_late(uv_timer_t *t)
{
    struct router *r = t->data;
    u64 now = env_now_ms(&r->env);
    bool more = true;
    while (more) { /* an asker may ask or cancel: begin again after each */
        more = false;
        LIST_FOR (it, &r->questions) {
            struct question *q = CONTAINER_OF(it, struct question, link);
            if (q->until_ms <= now) {
                give_up(r, q);
                settle(q, false);
                more = true;
                break;
            }
        }
    }
    wake(r);
}

void ask_init(struct router *r)
{
    list_init(&r->questions);
    uv_timer_init(&r->loop, &r->ask_late);
    r->ask_late.data = r;
}

void ask(struct router *r, enum child_id id, u32 what, answer_fn got, void *ctx)
{
    struct question *q = xcalloc(1, sizeof *q);
    q->id = id;
    q->tag = ++r->tag;
    q->got = got;
    q->ctx = ctx;
    for (unsigned i = 0; i < ARRAY_LEN(kinds[id]); i++) {
        if (kinds[id][i].what == what) {
            q->kind = &kinds[id][i];
        }
    }
    q->until_ms = child_ask(&r->child[id], what, q->tag) ? env_now_ms(&r->env) + ASK_MS : 0;
    list_push_back(&r->questions, &q->link);
    wake(r);
}

void ask_cancel(struct router *r, const void *ctx)
{
    LIST_FOR (it, &r->questions) {
        struct question *q = CONTAINER_OF(it, struct question, link);
        if (q->ctx == ctx) {
            give_up(r, q);
            list_remove(&q->link);
            answer_free(&q->a, q->kind->size);
            free(q);
        }
    }
}

void ask_lost(struct router *r, enum child_id id)
{
    LIST_FOR (it, &r->questions) {
        struct question *q = CONTAINER_OF(it, struct question, link);
        q->until_ms = q->id == id ? 0 : q->until_ms;
    }
    wake(r);
}

static void keep(struct question *q, const void *value)
{
    size_t size = q->kind->size;
    if (q->a.num == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 16;
        void *bigger = xcalloc(q->cap, size);
        size_t num = q->a.num;
        if (num) {
            memcpy(bigger, q->a.items, num * size);
        }
        answer_free(&q->a, size);
        q->a = (struct answer){.items = bigger, .num = num};
    }
    memcpy((char *)q->a.items + q->a.num++ * size, value, size);
}

/* is_late: it answers a question that was given up: a child that stood still says so when it goes on. */
static bool is_late(struct router *r, enum child_id id, bool end, u32 tag)
{
    for (unsigned i = 0; i < ARRAY_LEN(r->given_up); i++) {
        struct given_up *g = &r->given_up[i];
        if (g->tag == tag && tag && g->id == id) {
            g->tag = end ? 0 : tag; /* once */
            return true;
        }
    }
    return false;
}

enum value_fault ask_value(struct router *r, enum child_id id, u32 type, u32 tag, const void *value)
{
    const u32 end = id == CHILD_DP ? DP_END : IKE_END;
    LIST_FOR (it, &r->questions) {
        struct question *q = CONTAINER_OF(it, struct question, link);
        if (q->id != id || q->tag != tag || q->until_ms == 0) {
            continue;
        }
        if (type == end) {
            settle(q, true);
            wake(r);
            return VALUE_FINE;
        }
        if (type != q->kind->value) {
            return VALUE_UNASKED;
        }
        if (q->a.num == ASK_MAX) {
            q->until_ms = 0;
            wake(r);
            return VALUE_TOO_MUCH;
        }
        keep(q, value);
        return VALUE_FINE;
    }
    return is_late(r, id, type == end, tag) ? VALUE_FINE : VALUE_UNASKED;
}
