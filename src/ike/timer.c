/*
 * timer.c: when something is due, as one binary heap: setting, taking back and finding the next one
 * cost the logarithm of how many there are, and nothing walks over SAs or flows to see whether
 * their time has come.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

static void place(struct ike *ike, size_t at, struct timer *t)
{
    ike->heap[at] = t;
    t->pos = (u32)at + 1;
}

static void sift_up(struct ike *ike, size_t at, struct timer *t)
{
    while (at > 0 && ike->heap[(at - 1) / 2]->at_ms > t->at_ms) {
        place(ike, at, ike->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place(ike, at, t);
}

static void sift_down(struct ike *ike, size_t at, struct timer *t)
{
    for (;;) {
        size_t kid = 2 * at + 1;
        if (kid >= ike->num_timers) {
            break;
        }
        if (kid + 1 < ike->num_timers && ike->heap[kid + 1]->at_ms < ike->heap[kid]->at_ms) {
            kid++;
        }
        if (ike->heap[kid]->at_ms >= t->at_ms) {
            break;
        }
        place(ike, at, ike->heap[kid]);
        at = kid;
    }
    place(ike, at, t);
}

static void room_for_one(struct ike *ike)
{
    if (ike->num_timers == ike->cap_timers) {
        size_t cap = MAX(ike->cap_timers * 2, (size_t)64);
        struct timer **heap = xcalloc(cap, sizeof(struct timer *));
        if (ike->num_timers) {
            memcpy(heap, ike->heap, ike->num_timers * sizeof(struct timer *));
        }
        free(ike->heap);
        ike->heap = heap;
        ike->cap_timers = cap;
    }
}

void timer_set(struct ike *ike, struct timer *t, u64 at_ms)
{
    size_t at = t->pos ? t->pos - 1u : 0;
    if (at_ms == 0 || at_ms == UINT64_MAX) {
        if (t->pos) {
            struct timer *last = ike->heap[--ike->num_timers];
            t->pos = 0;
            if (last != t) {
                sift_up(ike, at, last);
                sift_down(ike, last->pos - 1u, last);
            }
        }
        return;
    }
    t->at_ms = at_ms;
    if (!t->pos) {
        room_for_one(ike);
        at = ike->num_timers++;
    }
    sift_up(ike, at, t);
    sift_down(ike, t->pos - 1u, t);
}

u64 timer_next_ms(const struct ike *ike)
{
    return ike->num_timers ? ike->heap[0]->at_ms : UINT64_MAX;
}

struct timer *timer_due(struct ike *ike, u64 now)
{
    struct timer *t = ike->num_timers ? ike->heap[0] : NULL;
    if (!t || t->at_ms > now) {
        return NULL;
    }
    timer_set(ike, t, 0);
    return t;
}

u64 timer_sooner(u64 a, u64 b)
{
    return !a ? b : b && b < a ? b : a;
}
