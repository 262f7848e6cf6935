/*
 * ike_cfg.c: the attribute payload of the transaction exchange (draft-ietf-ipsec-isakmp-mode-cfg-05 3.2, draft-beaulieu-ike-xauth-02):
 * a type, an identifier, and attributes that are numbers or bytes.
 */
#include "wire/isakmp.h"

struct isakmp_fault isakmp_cfg_read(struct isakmp_cfg *out, const struct isakmp_payload *pl)
{
    struct isakmp_fault bad = {IW_ATTR_CUT, pl->off, pl->len + 4u};
    struct rd r = rd_init(pl->body, pl->len);
    struct isakmp_cfg_attr a;
    *out = (struct isakmp_cfg){.type = rd_u8(&r)};
    rd_u8(&r);
    out->id = rd_u16(&r);
    if (r.bad) {
        return bad;
    }
    out->attrs = (struct isakmp_bytes){pl->body + 4, (u16)(pl->len - 4)};
    struct rd walk = rd_init(out->attrs.p, out->attrs.len);
    unsigned num = 0;
    while (isakmp_cfg_next(&a, &walk)) {
        if (++num > ISAKMP_CFG_ATTRS) {
            bad.reason = IW_ATTR_COUNT;
            return bad;
        }
    }
    return rd_done(&walk) ? (struct isakmp_fault){IW_OK, 0, 0} : bad;
}

bool isakmp_cfg_next(struct isakmp_cfg_attr *out, struct rd *r)
{
    if (rd_left(r) == 0) {
        return false;
    }
    u16 type = rd_u16(r), n = rd_u16(r);
    *out = (struct isakmp_cfg_attr){.type = type & 0x7fff, .basic = (type & 0x8000) != 0, .value = n};
    if (!r->bad && !out->basic) {
        out->data = (struct isakmp_bytes){rd_bytes(r, n), n};
    }
    return !r->bad;
}

void isakmp_out_cfg(struct isakmp_out *o, u8 type, u16 id)
{
    isakmp_out_begin(o, PL_ATTR);
    wr_u8(&o->w, type);
    wr_u8(&o->w, 0);
    wr_u16(&o->w, id);
}

void isakmp_out_cfg_bytes(struct wr *w, u16 type, const void *data, size_t len)
{
    wr_u16(w, type & 0x7fff);
    wr_u16(w, (u16)len);
    wr_bytes(w, data, len);
}
