/*
 * rdwr.c: the bounded reader and writer. Every byte a stranger sent is read through rd; a short read
 * makes the reader bad and empty, so a parser is a straight line of reads with one check at its end.
 */
#include "base/base.h"

struct rd rd_init(const void *p, size_t len)
{
    const u8 *b = p;
    return (struct rd){.p = b, .end = b ? b + len : b, .bad = false};
}

size_t rd_left(const struct rd *r)
{
    return (size_t)(r->end - r->p);
}

const u8 *rd_bytes(struct rd *r, size_t len)
{
    static const u8 nothing[1];
    if (r->bad || rd_left(r) < len) {
        r->bad = true;
        r->p = r->end;
        return NULL;
    }
    const u8 *p = r->p;
    r->p += len;
    return p ? p : nothing;
}

u8 rd_u8(struct rd *r)
{
    const u8 *p = rd_bytes(r, 1);
    return p ? p[0] : 0;
}

u16 rd_u16(struct rd *r)
{
    const u8 *p = rd_bytes(r, 2);
    return p ? be16(p) : 0;
}

u32 rd_u32(struct rd *r)
{
    const u8 *p = rd_bytes(r, 4);
    return p ? be32(p) : 0;
}

u64 rd_u64(struct rd *r)
{
    const u8 *p = rd_bytes(r, 8);
    return p ? be64(p) : 0;
}

struct rd rd_sub(struct rd *r, size_t len)
{
    const u8 *p = rd_bytes(r, len);
    if (!p) {
        return (struct rd){.p = r->end, .end = r->end, .bad = true};
    }
    return rd_init(p, len);
}

bool rd_done(const struct rd *r)
{
    return !r->bad && r->p == r->end;
}

struct wr wr_init(void *p, size_t cap)
{
    u8 *b = p;
    return (struct wr){.base = b, .p = b, .end = b + cap, .bad = false};
}

size_t wr_len(const struct wr *w)
{
    return (size_t)(w->p - w->base);
}

u8 *wr_skip(struct wr *w, size_t len)
{
    if (w->bad || (size_t)(w->end - w->p) < len) {
        w->bad = true;
        return NULL;
    }
    u8 *p = w->p;
    w->p += len;
    return p;
}

void wr_u8(struct wr *w, u8 v)
{
    u8 *p = wr_skip(w, 1);
    if (p) {
        p[0] = v;
    }
}

void wr_u16(struct wr *w, u16 v)
{
    u8 *p = wr_skip(w, 2);
    if (p) {
        put16(p, v);
    }
}

void wr_u32(struct wr *w, u32 v)
{
    u8 *p = wr_skip(w, 4);
    if (p) {
        put32(p, v);
    }
}

void wr_u64(struct wr *w, u64 v)
{
    u8 *p = wr_skip(w, 8);
    if (p) {
        put64(p, v);
    }
}

void wr_bytes(struct wr *w, const void *src, size_t len)
{
    u8 *p = wr_skip(w, len);
    if (p && len) {
        memcpy(p, src, len);
    }
}

void wr_zero(struct wr *w, size_t len)
{
    u8 *p = wr_skip(w, len);
    if (p && len) {
        memset(p, 0, len);
    }
}

void wr_put_u16_at(struct wr *w, size_t off, u16 v)
{
    if (w->bad || off + 2 > wr_len(w)) {
        w->bad = true;
        return;
    }
    put16(w->base + off, v);
}

void wr_put_u32_at(struct wr *w, size_t off, u32 v)
{
    if (w->bad || off + 4 > wr_len(w)) {
        w->bad = true;
        return;
    }
    put32(w->base + off, v);
}
