/*
 * mem.c: memory that is accounted for: secrets that wipe, the arena of a configuration generation, the u64
 * map, intrusive lists, growing text. Running out of memory ends the process: no caller could go on in truth.
 */
#include "base/base.h"

#include <stdarg.h>
#include <stdlib.h>

void mem_wipe(void *p, size_t len)
{
    if (len) {
        explicit_bzero(p, len);
    }
}

void secret_set(struct secret *s, const void *p, size_t len)
{
    s->len = (u16)MIN(len, sizeof s->b);
    memcpy(s->b, p, s->len);
}

void secret_wipe(struct secret *s)
{
    mem_wipe(s, sizeof *s);
}

bool mem_equal_ct(const void *a, const void *b, size_t len)
{
    const u8 *x = a, *y = b;
    u8 diff = 0;
    for (size_t i = 0; i < len; i++) {
        diff |= (u8)(x[i] ^ y[i]);
    }
    return diff == 0;
}

void *xcalloc(size_t num, size_t size)
{
    void *p = calloc(num ? num : 1, size ? size : 1);
    if (!p) {
        abort();
    }
    return p;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xcalloc(1, n), s, n);
}

bool str_copy(char *out, size_t cap, const char *s)
{
    size_t n = strlen(s);
    bool whole = n < cap;
    n = whole ? n : cap - 1;
    memcpy(out, s, n);
    out[n] = 0;
    return whole;
}

/* ---- lists ---- */

void list_init(struct list *l)
{
    l->prev = l->next = l;
}

bool list_empty(const struct list *l)
{
    return l->next == l;
}

static void list_insert(struct list *prev, struct list *next, struct list *item)
{
    item->prev = prev, item->next = next;
    prev->next = item, next->prev = item;
}

void list_push_back(struct list *head, struct list *item)
{
    list_insert(head->prev, head, item);
}

void list_push_front(struct list *head, struct list *item)
{
    list_insert(head, head->next, item);
}

void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

/* ---- map: linear probing, tombstones as value GONE, at most 2/3 full ---- */

struct map_slot {
    u64 key;
    void *value;
};
static char map_gone;
#define GONE ((void *)&map_gone)

static size_t map_hash(u64 k)
{
    k ^= k >> 33, k *= 0xff51afd7ed558ccdULL, k ^= k >> 33, k *= 0xc4ceb9fe1a85ec53ULL;
    return (size_t)(k ^ (k >> 33));
}

void map_init(struct map *m)
{
    *m = (struct map){0};
}

void map_free(struct map *m)
{
    free(m->slots);
    map_init(m);
}

static struct map_slot *map_find(const struct map *m, u64 key)
{
    for (size_t i = map_hash(key), n = 0; n < m->cap; i++, n++) {
        struct map_slot *s = &m->slots[i & (m->cap - 1)];
        if (!s->value) {
            return NULL;
        }
        if (s->value != GONE && s->key == key) {
            return s;
        }
    }
    return NULL;
}

void *map_get(const struct map *m, u64 key)
{
    struct map_slot *s = map_find(m, key);
    return s ? s->value : NULL;
}

static void map_grow(struct map *m)
{
    struct map old = *m;
    m->cap = old.num * 3 >= old.cap ? MAX(old.cap * 2, (size_t)16) : old.cap;
    m->slots = xcalloc(m->cap, sizeof *m->slots);
    m->num = m->used = 0;
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slots[i].value && old.slots[i].value != GONE) {
            map_put(m, old.slots[i].key, old.slots[i].value);
        }
    }
    free(old.slots);
}

void map_put(struct map *m, u64 key, void *value)
{
    struct map_slot *s = map_find(m, key);
    if (s) {
        s->value = value;
        return;
    }
    if ((m->used + 1) * 3 > m->cap * 2) {
        map_grow(m);
    }
    size_t i = map_hash(key);
    while (m->slots[i & (m->cap - 1)].value && m->slots[i & (m->cap - 1)].value != GONE) {
        i++;
    }
    s = &m->slots[i & (m->cap - 1)];
    m->used += s->value != GONE;
    m->num++;
    *s = (struct map_slot){.key = key, .value = value};
}

void map_del(struct map *m, u64 key)
{
    struct map_slot *s = map_find(m, key);
    if (s) {
        s->value = GONE;
        m->num--;
    }
}

/* ---- arena ---- */

struct arena_block {
    struct arena_block *next;
    size_t used, cap;
    _Alignas(16) u8 data[];
};

void *arena_alloc(struct arena *a, size_t len)
{
    len = (len + 15) & ~(size_t)15;
    if (!a->head || a->head->cap - a->head->used < len) {
        size_t cap = MAX(len, (size_t)16384);
        struct arena_block *b = xcalloc(1, sizeof *b + cap);
        b->cap = cap, b->next = a->head;
        a->head = b;
    }
    void *p = a->head->data + a->head->used;
    a->head->used += len;
    return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(arena_alloc(a, n), s, n);
}

void arena_free(struct arena *a)
{
    while (a->head) {
        struct arena_block *b = a->head;
        a->head = b->next;
        mem_wipe(b->data, b->used); /* configurations hold pre-shared keys */
        free(b);
    }
}

/* ---- text ---- */

/* sb_wipe: the block, clean; the length stays for who goes on with another. */
static void sb_wipe(struct strbuf *b)
{
    if (b->s) {
        mem_wipe(b->s, b->cap);
        free(b->s);
    }
}

void sb_addn(struct strbuf *b, const char *text, size_t len)
{
    if (b->len + len + 1 > b->cap) {
        size_t cap = MAX(b->cap * 2, b->len + len + 256);
        char *bigger = xcalloc(1, cap);
        if (b->len) {
            memcpy(bigger, b->s, b->len);
        }
        sb_wipe(b); /* texts of configurations hold secrets */
        b->s = bigger, b->cap = cap;
    }
    memcpy(b->s + b->len, text, len);
    b->len += len;
    b->s[b->len] = 0;
}

void sb_add(struct strbuf *b, const char *text)
{
    sb_addn(b, text, strlen(text));
}

void sb_addf(struct strbuf *b, const char *fmt, ...)
{
    char small[512];
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof small) {
        sb_addn(b, small, (size_t)n);
    } else if (n >= 0) {
        char *big = xcalloc(1, (size_t)n + 1);
        vsnprintf(big, (size_t)n + 1, fmt, again);
        sb_addn(b, big, (size_t)n);
        mem_wipe(big, (size_t)n);
        free(big);
    }
    va_end(again);
    mem_wipe(small, sizeof small);
}

void sb_free(struct strbuf *b)
{
    sb_wipe(b);
    *b = (struct strbuf){0};
}

const char *hex_str(char *out, size_t cap, const u8 *p, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len && n + 2 < cap; i++) {
        out[n++] = "0123456789abcdef"[p[i] >> 4];
        out[n++] = "0123456789abcdef"[p[i] & 15];
    }
    out[n] = 0;
    return out;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_parse(u8 *out, size_t cap, const char *text)
{
    size_t n = strlen(text);
    if (n % 2 || n / 2 > cap) {
        return -1;
    }
    for (size_t i = 0; i < n; i += 2) {
        int hi = hex_digit(text[i]), lo = hex_digit(text[i + 1]);
        if (hi < 0 || lo < 0) {
            return -1;
        }
        out[i / 2] = (u8)(hi << 4 | lo);
    }
    return (int)(n / 2);
}
