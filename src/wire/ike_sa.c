/*
 * ike_sa.c: the SA payload (RFC 2408 3.3 to 3.6, RFC 2407 4.2 and 4.6.1): proposals, transforms,
 * attributes. What a number means for phase 1 or 2 is decided later (ike/select.c,
 * ike/v1_proposal.c); here only the shape.
 */
#include "wire/isakmp.h"

static struct isakmp_fault fault(enum isakmp_reason r, const struct isakmp_payload *pl,
                                 const u8 *at, size_t len)
{
    return (struct isakmp_fault){
        .reason = r, .off = (u32)(pl->off + 4 + (at - pl->body)), .len = (u32)len};
}

static const struct isakmp_fault fine = {IW_OK, 0, 0};

bool isakmp_attr_next(struct isakmp_attr *out, struct rd *r)
{
    if (rd_left(r) == 0 || r->bad) {
        return false;
    }
    u16 type = rd_u16(r);
    u16 word = rd_u16(r);
    *out =
        (struct isakmp_attr){.type = type & 0x7fff, .basic = (type & 0x8000) != 0, .value = word};
    if (!out->basic && !r->bad) {
        const u8 *p = rd_bytes(r, word);
        out->len = word > 254 ? 255 : (u8)word;
        out->value = word > 8 ? UINT64_MAX : 0;
        for (u16 i = 0; p && i < word && word <= 8; i++) {
            out->value = out->value << 8 | p[i];
        }
    }
    return !r->bad;
}

static struct isakmp_fault read_transform(struct isakmp_sa *sa, const struct isakmp_payload *pl,
                                          struct rd *r, bool last)
{
    const u8 *at = r->p;
    if (sa->num_transforms == ISAKMP_MAX_TRANSFORMS) {
        return fault(IW_TRANSFORM_COUNT, pl, at, rd_left(r));
    }
    struct isakmp_transform *t = &sa->transform[sa->num_transforms];
    u8 next = rd_u8(r), reserved = rd_u8(r);
    u16 len = rd_u16(r);
    if (r->bad || len < 8 || reserved != 0 || next != (last ? PL_NONE : PL_TRANSFORM)) {
        return fault(IW_TRANSFORM, pl, at, 8);
    }
    struct rd b = rd_sub(r, len - 4u);
    t->number = rd_u8(&b);
    t->id = rd_u8(&b);
    (void)rd_u16(&b); /* reserved; some peers leave it unclean */
    if (r->bad || b.bad) {
        return fault(IW_TRANSFORM, pl, at, 8);
    }
    t->off = (u16)(pl->off + 4 + (at - pl->body));
    t->attrs = b.p;
    t->attrs_len = (u16)rd_left(&b);
    struct isakmp_attr a;
    unsigned num = 0;
    while (rd_left(&b)) {
        const u8 *attr_at = b.p;
        if (!isakmp_attr_next(&a, &b)) {
            return fault(IW_ATTR_CUT, pl, attr_at, (size_t)(t->attrs + t->attrs_len - attr_at));
        }
        if (++num > ISAKMP_MAX_ATTRS) {
            return fault(IW_ATTR_COUNT, pl, attr_at, 4);
        }
    }
    sa->num_transforms++;
    return fine;
}

static bool spi_size_ok(u8 proto, u8 len)
{
    switch (proto) {
    case PROTO_ISAKMP: return len <= 16;
    case PROTO_AH:
    case PROTO_ESP: return len == 4;
    case PROTO_IPCOMP: return len == 2 || len == 4;
    default: return len <= 16;
    }
}

static struct isakmp_fault read_proposal(struct isakmp_sa *sa, const struct isakmp_payload *pl,
                                         struct rd *r, bool *out_last)
{
    const u8 *at = r->p;
    if (sa->num_proposals == ISAKMP_MAX_PROPOSALS) {
        return fault(IW_PROPOSAL_COUNT, pl, at, rd_left(r));
    }
    struct isakmp_proposal *p = &sa->proposal[sa->num_proposals];
    u8 next = rd_u8(r), reserved = rd_u8(r);
    u16 len = rd_u16(r);
    if (r->bad || len < 8 || reserved != 0 || (next != PL_NONE && next != PL_PROPOSAL)) {
        return fault(IW_PROPOSAL, pl, at, 4);
    }
    struct rd b = rd_sub(r, len - 4u);
    p->number = rd_u8(&b);
    p->proto = rd_u8(&b);
    p->spi_len = rd_u8(&b);
    u8 num = rd_u8(&b);
    p->spi = rd_bytes(&b, p->spi_len);
    if (r->bad || b.bad) {
        return fault(IW_PROPOSAL, pl, at, 8);
    }
    if (!spi_size_ok(p->proto, p->spi_len)) {
        return fault(IW_SPI_SIZE, pl, at + 6, 1);
    }
    if (num == 0) {
        return fault(IW_TRANSFORM_COUNT, pl, at + 7, 1);
    }
    p->first = (u8)sa->num_transforms;
    p->num = num;
    for (u8 i = 0; i < num; i++) {
        struct isakmp_fault f = read_transform(sa, pl, &b, i + 1 == num);
        if (f.reason != IW_OK) {
            return f;
        }
    }
    if (!rd_done(&b)) {
        return fault(IW_TRANSFORM_COUNT, pl, at + 7, 1);
    }
    sa->num_proposals++;
    *out_last = next == PL_NONE;
    return fine;
}

struct isakmp_fault isakmp_sa_read(struct isakmp_sa *out, const struct isakmp_payload *pl)
{
    out->num_proposals = out->num_transforms = 0;
    out->body = pl->body;
    out->body_len = pl->len;
    struct rd r = rd_init(pl->body, pl->len);
    u32 doi = rd_u32(&r), situation = rd_u32(&r);
    if (r.bad || rd_left(&r) == 0) {
        return fault(IW_SA_SHORT, pl, pl->body, pl->len);
    }
    if (doi != 1) {
        return fault(IW_SA_DOI, pl, pl->body, 4);
    }
    if (situation != 1) {
        return fault(IW_SA_SITUATION, pl, pl->body + 4, 4);
    }
    for (bool last = false; !last;) {
        struct isakmp_fault f = read_proposal(out, pl, &r, &last);
        if (f.reason != IW_OK) {
            return f;
        }
    }
    if (!rd_done(&r)) {
        return fault(IW_PROPOSAL, pl, r.p, rd_left(&r));
    }
    return fine;
}

/* ---- writing ---- */

void isakmp_out_attr(struct wr *w, u16 type, u16 value)
{
    wr_u16(w, (u16)(type | 0x8000));
    wr_u16(w, value);
}

void isakmp_out_attr_u32(struct wr *w, u16 type, u32 value)
{
    wr_u16(w, type);
    wr_u16(w, 4);
    wr_u32(w, value);
}

void isakmp_out_sa(struct isakmp_out *o)
{
    isakmp_out_begin(o, PL_SA);
    wr_u32(&o->w, 1);
    wr_u32(&o->w, 1);
}

void isakmp_out_proposal(struct isakmp_out *o, struct isakmp_prop_out *p, u8 number, u8 proto,
                         const u8 *spi, u8 spi_len)
{
    struct wr *w = &o->w;
    p->num = 0;
    p->start = wr_len(w);
    wr_u8(w, PL_NONE);
    wr_u8(w, 0);
    wr_u16(w, 0);
    wr_u8(w, number);
    wr_u8(w, proto);
    wr_u8(w, spi_len);
    p->count_off = wr_len(w);
    wr_u8(w, 0);
    wr_bytes(w, spi, spi_len);
}

void isakmp_out_transform_number(struct isakmp_out *o, struct isakmp_prop_out *p, u8 number, u8 id)
{
    struct wr *w = &o->w;
    if (p->num && !w->bad) {
        w->base[p->transform] = PL_TRANSFORM; /* the one before is not the last */
    }
    p->num++;
    p->transform = wr_len(w);
    wr_u8(w, PL_NONE);
    wr_u8(w, 0);
    wr_u16(w, 0);
    wr_u8(w, number);
    wr_u8(w, id);
    wr_u16(w, 0);
}

void isakmp_out_transform(struct isakmp_out *o, struct isakmp_prop_out *p, u8 id)
{
    isakmp_out_transform_number(o, p, (u8)(p->num + 1), id);
}

void isakmp_out_transform_end(struct isakmp_out *o, struct isakmp_prop_out *p)
{
    if (!o->w.bad) {
        wr_put_u16_at(&o->w, p->transform + 2, (u16)(wr_len(&o->w) - p->transform));
    }
}

void isakmp_out_proposal_end(struct isakmp_out *o, struct isakmp_prop_out *p, bool last)
{
    struct wr *w = &o->w;
    if (w->bad) {
        return;
    }
    w->base[p->start] = last ? PL_NONE : PL_PROPOSAL;
    wr_put_u16_at(w, p->start + 2, (u16)(wr_len(w) - p->start));
    w->base[p->count_off] = p->num;
}
