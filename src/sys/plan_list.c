/*
 * plan_list.c: growing arrays of plain values. Keys pass through some of them, so what they leave behind is wiped.
 */
#include "sys/plan.h"

#include <stdlib.h>

void *plan_add(struct plan_list *l)
{
    if (l->num == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        void *bigger = xcalloc(l->cap, l->size);
        if (l->num) {
            memcpy(bigger, l->items, l->num * l->size);
            mem_wipe(l->items, l->num * l->size);
        }
        free(l->items);
        l->items = bigger;
    }
    void *item = (char *)l->items + l->num++ * l->size;
    memset(item, 0, l->size);
    return item;
}

const void *plan_item(const struct plan_list *l, size_t i)
{
    return (const char *)l->items + i * l->size;
}

void plan_wipe_list(struct plan_list *l)
{
    if (l->items) {
        mem_wipe(l->items, l->cap * l->size); /* keys pass through */
    }
}

void plan_list_free(struct plan_list *l)
{
    plan_wipe_list(l);
    free(l->items);
    l->items = NULL;
    l->num = l->cap = 0;
}
