/*
 * lzs.c: see lzs.h. A stream of bits, the highest of each byte first:
 *
 *   0 bbbbbbbb                  a byte as it is
 *   1 1 ooooooo length          a string that stood 1 to 127 bytes before
 *   1 0 ooooooooooo length      1 to 2047 bytes before
 *   1 1 0000000                 the end; zeros fill the last byte
 *   length                      00, 01, 10: 2, 3, 4; 1100, 1101, 1110: 5, 6, 7; then 1111 for each 15 bytes more, the rest in
 *                               four bits that are not 1111
 */
#include "wire/lzs.h"

enum { SHORT_MAX = 127, TRIES = 16, LONGEST = 4096 };

/* ---- writing bits ---- */

struct bits_out {
    u8 *p;
    size_t at, cap;
    u32 have; /* bits that wait, not yet a byte */
    unsigned num;
    bool full;
};

static void put(struct bits_out *o, u32 bits, unsigned num)
{
    o->have = o->have << num | bits;
    o->num += num;
    while (o->num >= 8) {
        o->num -= 8;
        o->full = o->full || o->at == o->cap;
        if (!o->full) {
            o->p[o->at++] = (u8)(o->have >> o->num);
        }
    }
}

static void put_length(struct bits_out *o, size_t len)
{
    if (len < 5) {
        put(o, (u32)len - 2, 2);
    } else if (len < 8) {
        put(o, 12 + (u32)len - 5, 4);
    } else {
        put(o, 15, 4);
        for (len -= 8; len >= 15; len -= 15) {
            put(o, 15, 4);
        }
        put(o, (u32)len, 4);
    }
}

static void put_string(struct bits_out *o, size_t back, size_t len)
{
    if (back <= SHORT_MAX) {
        put(o, 3u << 7 | (u32)back, 9);
    } else {
        put(o, 2u << 11 | (u32)back, 13);
    }
    put_length(o, len);
}

/* ---- finding strings ---- */

static u32 hash(const u8 *p)
{
    return ((u32)p[0] << 8 | p[1]) * 40503u >> 4 & (LZS_HASHES - 1);
}

static void remember(struct lzs_state *s, const u8 *in, size_t at)
{
    u32 h = hash(in + at), place = s->base + (u32)at;
    s->chain[place & LZS_WINDOW] = s->head[h];
    s->head[h] = place;
}

static size_t same(const u8 *a, const u8 *b, size_t most)
{
    size_t n = 0;
    while (n < most && a[n] == b[n]) {
        n++;
    }
    return n;
}

/* longest: of what stood before `at`; 0: nothing of two bytes did. */
static size_t longest(const struct lzs_state *s, const u8 *in, size_t len, size_t at, size_t *back)
{
    size_t best = 0, most = MIN(len - at, (size_t)LONGEST);
    u32 place = s->head[hash(in + at)], here = s->base + (u32)at;
    for (unsigned i = 0; i < TRIES && place >= s->base && here - place <= LZS_WINDOW && here != place; i++) {
        size_t n = same(in + (place - s->base), in + at, most);
        if (n >= 2 && n > best) {
            best = n;
            *back = here - place;
        }
        u32 before = s->chain[place & LZS_WINDOW];
        if (before >= place) {
            break; /* of a packet so long ago that the count began anew */
        }
        place = before;
    }
    return best;
}

size_t lzs_compress(struct lzs_state *s, u8 *out, size_t cap, const u8 *in, size_t len)
{
    struct bits_out o = {.p = out, .cap = cap};
    if (s->base == 0 || s->base > UINT32_MAX / 2 || len > UINT32_MAX / 4) {
        memset(s, 0, sizeof *s);
        s->base = 1; /* 0: never */
    }
    for (size_t at = 0; at < len && !o.full;) {
        size_t back = 0, n = at + 1 < len ? longest(s, in, len, at, &back) : 0;
        if (n) {
            put_string(&o, back, n);
        } else {
            put(&o, in[at], 9);
            n = 1;
        }
        for (; n; n--, at++) {
            if (at + 1 < len) {
                remember(s, in, at);
            }
        }
    }
    s->base += (u32)len + 1;
    put(&o, 3u << 7, 9);
    put(&o, 0, (8 - o.num) & 7);
    return o.full ? 0 : o.at;
}

/* ---- reading ---- */

struct bits_in {
    const u8 *p;
    size_t at, end; /* bits */
    bool bad;
};

static u32 get(struct bits_in *r, unsigned num)
{
    u32 v = 0;
    r->bad = r->bad || r->end - r->at < num;
    for (; !r->bad && num; num--, r->at++) {
        v = v << 1 | (u32)(r->p[r->at / 8] >> (7 - r->at % 8) & 1);
    }
    return v;
}

/* get_length: never more than one above most, so no input makes it count for long. */
static size_t get_length(struct bits_in *r, size_t most)
{
    u32 v = get(r, 2);
    if (v < 3) {
        return v + 2;
    }
    v = get(r, 2);
    if (v < 3) {
        return v + 5;
    }
    size_t len = 8;
    for (v = get(r, 4); v == 15 && len <= most; v = get(r, 4)) {
        len += 15;
    }
    return len + v;
}

bool lzs_expand(u8 *out, size_t cap, size_t *out_len, const u8 *in, size_t len)
{
    struct bits_in r = {.p = in, .end = len * 8};
    size_t at = 0;
    while (!r.bad) {
        if (!get(&r, 1)) {
            u32 byte = get(&r, 8);
            if (r.bad || at == cap) {
                return false;
            }
            out[at++] = (u8)byte;
            continue;
        }
        bool near = get(&r, 1);
        size_t back = get(&r, near ? 7 : 11);
        if (near && !back && !r.bad) {
            *out_len = at;
            return true;
        }
        size_t n = r.bad ? 0 : get_length(&r, cap);
        if (r.bad || !back || back > at || n > cap - at) {
            return false;
        }
        for (; n; n--, at++) { /* it may overlap what it makes */
            out[at] = out[at - back];
        }
    }
    return false;
}
