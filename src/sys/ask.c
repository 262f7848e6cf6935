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
} kinds[CHILD_NUM][5] = {
    [CHILD_DP] = {{DP_GET_SAS, DP_SA, sizeof(struct dp_sa_info)},
                  {DP_GET_FLOWS, DP_FLOW, sizeof(struct dp_flow_info)},
                  {DP_GET_TUNNELS, DP_TUNNEL, sizeof(struct dp_tunnel_info)},
                  {DP_GET_DROPS, DP_DROP_COUNT, sizeof(struct dp_drop_info)}},
    [CHILD_IKE] = {{IKE_GET_SAS, IKE_SA, sizeof(struct ike_sa_info)},
                   {IKE_GET_CHILDREN, IKE_CHILD, sizeof(struct ike_child_info)},
                   {IKE_GET_FLOWS, IKE_FLOW, sizeof(struct ike_flow_info)},
                   {IKE_GET_CALLS, IKE_CALLS, sizeof(struct ike_calls_info)},
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
    if (child_ask(&r->child[id], what, q->tag)) {
        q->until_ms = env_now_ms(&r->env) + ASK_MS;
        r->asked[id].last = q->tag;
    }
    list_push_back(&r->questions, &q->link);
    wake(r);
}

void ask_cancel(struct router *r, const void *ctx)
{
    LIST_FOR (it, &r->questions) {
        struct question *q = CONTAINER_OF(it, struct question, link);
        if (q->ctx == ctx) {
            list_remove(&q->link);
            answer_free(&q->a, q->kind->size);
            free(q);
        }
    }
}

void ask_lost(struct router *r, enum child_id id)
{
    r->asked[id] = (struct asked){.last = r->tag, .done = r->tag};
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

static bool is_after(u32 a, u32 b)
{
    return (int32_t)(a - b) > 0;
}

/* late: to a question that nobody waits for any more: a child that stood still answers when it goes on. A child answers in the
 * order it is asked, each question once, so no memory of the questions is needed. */
static enum value_fault late(struct asked *a, const struct kind *kind, u32 tag, bool end)
{
    if (is_after(tag, a->last) || !is_after(tag, a->done) || is_after(a->late, tag)) {
        return VALUE_UNASKED;
    }
    a->num = tag == a->late ? a->num + 1 : 1;
    a->late = tag;
    if (end) {
        a->done = tag;
        return VALUE_FINE;
    }
    if (!kind) {
        return VALUE_UNASKED;
    }
    if (a->num > ASK_MAX) {
        a->done = tag;
        return VALUE_TOO_MUCH;
    }
    return VALUE_FINE;
}

static const struct kind *kind_of(enum child_id id, u32 value)
{
    for (unsigned i = 0; i < ARRAY_LEN(kinds[id]); i++) {
        if (kinds[id][i].what && kinds[id][i].value == value) {
            return &kinds[id][i];
        }
    }
    return NULL;
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
            r->asked[id].done = tag;
            settle(q, true);
            wake(r);
            return VALUE_FINE;
        }
        if (type != q->kind->value) {
            return VALUE_UNASKED;
        }
        if (q->a.num == ASK_MAX) {
            q->until_ms = 0;
            r->asked[id].done = tag;
            wake(r);
            return VALUE_TOO_MUCH;
        }
        keep(q, value);
        return VALUE_FINE;
    }
    return late(&r->asked[id], kind_of(id, type), tag, type == end);
}
