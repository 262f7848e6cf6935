/*
 * ike_hdr.c: the ISAKMP header and the chain of payloads (RFC 2408 3.1, 3.2), and the builder that
 * writes both. On the walk: ike_input -> wire_ike_hdr (isakmp_hdr_read) -> sa_find ... open ->
 * decode (isakmp_decode). Pure: borrows from the datagram, allocates nothing.
 */
#include "wire/isakmp.h"

static struct isakmp_fault fault(enum isakmp_reason r, size_t off, size_t len)
{
    return (struct isakmp_fault){.reason = r, .off = (u32)off, .len = (u32)len};
}

struct isakmp_fault isakmp_hdr_read(struct isakmp_hdr *out, const u8 *p, size_t len)
{
    static const u8 zero[8];
    memset(out, 0, sizeof *out);
    if (len < ISAKMP_HDR) {
        return fault(IW_SHORT_HEADER, 0, len);
    }
    struct rd r = rd_init(p, len);
    memcpy(out->cookie_i, rd_bytes(&r, 8), 8);
    memcpy(out->cookie_r, rd_bytes(&r, 8), 8);
    out->next = rd_u8(&r);
    u8 version = rd_u8(&r);
    out->major = version >> 4;
    out->minor = version & 15;
    out->exchange = rd_u8(&r);
    out->flags = rd_u8(&r);
    out->msgid = rd_u32(&r);
    out->length = rd_u32(&r);
    if (out->major != 1) {
        return fault(IW_VERSION, 17, 1);
    }
    if (out->length != len) {
        return fault(IW_LENGTH, 24, 4);
    }
    if (len > ISAKMP_MAX) {
        return fault(IW_TOO_LONG, 24, 4);
    }
    if (out->flags & ~(FL_ENCRYPTED | FL_COMMIT | FL_AUTH_ONLY)) {
        return fault(IW_FLAGS, 19, 1);
    }
    if (memcmp(out->cookie_i, zero, 8) == 0) {
        return fault(IW_COOKIE, 0, 8);
    }
    return fault(IW_OK, 0, 0);
}

struct isakmp_fault isakmp_chain_read(struct isakmp_chain *out, u8 first, const u8 *msg, size_t len,
                                      size_t pad)
{
    out->num = 0;
    out->end = 0;
    if (len < ISAKMP_HDR || len > ISAKMP_MAX) {
        return fault(IW_SHORT_HEADER, 0, len);
    }
    struct rd r = rd_init(msg + ISAKMP_HDR, len - ISAKMP_HDR);
    if (first == PL_NONE) {
        return fault(IW_EMPTY, 16, 1);
    }
    for (u8 type = first; type != PL_NONE;) {
        size_t off = (size_t)(r.p - msg);
        if (out->num == ISAKMP_MAX_PAYLOADS) {
            return fault(IW_TOO_MANY_PAYLOADS, off, len - off);
        }
        struct isakmp_payload *pl = &out->payload[out->num];
        pl->type = type;
        pl->off = (u16)off;
        pl->next = rd_u8(&r);
        u8 reserved = rd_u8(&r);
        u16 plen = rd_u16(&r);
        if (r.bad) {
            return fault(IW_PAYLOAD_CUT, off, len - off);
        }
        if (reserved != 0) {
            return fault(IW_RESERVED, off + 1, 1);
        }
        if (plen < 4) {
            return fault(IW_PAYLOAD_LENGTH, off + 2, 2);
        }
        pl->len = (u16)(plen - 4);
        pl->body = rd_bytes(&r, pl->len);
        if (!pl->body) {
            return fault(IW_PAYLOAD_CUT, off + 2, 2);
        }
        out->num++;
        type = pl->next;
    }
    out->end = (u16)(r.p - msg);
    if (rd_left(&r) && pad == 0) {
        return fault(IW_TRAILING, out->end, rd_left(&r));
    }
    /* some peers pad one block more than they must, and some count it in the last byte: both pass
     */
    if (rd_left(&r) > pad) {
        return fault(IW_PADDING, out->end, rd_left(&r));
    }
    return fault(IW_OK, 0, 0);
}

/* ---- writing ---- */

void isakmp_out_init(struct isakmp_out *o, u8 *buf, size_t cap, const struct isakmp_hdr *hdr)
{
    o->w = wr_init(buf, cap);
    o->next_off = 16;
    o->begin = 0;
    wr_bytes(&o->w, hdr->cookie_i, 8);
    wr_bytes(&o->w, hdr->cookie_r, 8);
    wr_u8(&o->w, PL_NONE);
    wr_u8(&o->w, 0x10);
    wr_u8(&o->w, hdr->exchange);
    wr_u8(&o->w, hdr->flags);
    wr_u32(&o->w, hdr->msgid);
    wr_u32(&o->w, 0);
}

void isakmp_out_begin(struct isakmp_out *o, u8 type)
{
    if (o->w.bad) {
        return;
    }
    o->w.base[o->next_off] = type;
    o->begin = o->next_off = wr_len(&o->w);
    wr_u8(&o->w, PL_NONE);
    wr_u8(&o->w, 0);
    wr_u16(&o->w, 0);
}

void isakmp_out_end(struct isakmp_out *o)
{
    if (!o->w.bad) {
        wr_put_u16_at(&o->w, o->begin + 2, (u16)(wr_len(&o->w) - o->begin));
    }
}

void isakmp_out_payload(struct isakmp_out *o, u8 type, const void *body, size_t len)
{
    isakmp_out_begin(o, type);
    wr_bytes(&o->w, body, len);
    isakmp_out_end(o);
}

void isakmp_out_pad(struct isakmp_out *o, size_t block)
{
    size_t over = block ? (wr_len(&o->w) - ISAKMP_HDR) % block : 0;
    if (over) {
        wr_zero(&o->w, block - over);
    }
}

bool isakmp_out_finish(struct isakmp_out *o)
{
    if (o->w.bad) {
        return false;
    }
    wr_put_u32_at(&o->w, 24, (u32)wr_len(&o->w));
    return true;
}
