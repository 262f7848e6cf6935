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

void plan_bytes(struct plan_list *l, const void *p, size_t len)
{
    if (l->cap - l->num < len) {
        size_t cap = l->cap * 2 + len;
        u8 *bigger = xcalloc(1, cap);
        if (l->num) {
            memcpy(bigger, l->items, l->num);
            mem_wipe(l->items, l->num);
        }
        free(l->items);
        l->items = bigger;
        l->cap = cap;
    }
    memcpy((u8 *)l->items + l->num, p, len);
    l->num += len;
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
