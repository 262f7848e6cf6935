/*
 * ike_payload.c: every payload but SA (RFC 2408 3.7 to 3.16, RFC 2407 4.6, RFC 3947 3.2), and
 * isakmp_decode, which reads a whole clear or decrypted message into one struct of borrowed pieces.
 */
#include "wire/isakmp.h"

static const struct isakmp_fault fine = {IW_OK, 0, 0};

static struct isakmp_fault fault(enum isakmp_reason r, const struct isakmp_payload *pl)
{
    return (struct isakmp_fault){.reason = r, .off = pl->off, .len = (u32)pl->len + 4};
}

static struct isakmp_bytes whole(const struct isakmp_payload *pl)
{
    return (struct isakmp_bytes){pl->body, pl->len};
}

static struct isakmp_fault read_id(struct isakmp_msg *m, const struct isakmp_payload *pl)
{
    static const u8 lens[] = {
        [ID_IPV4_ADDR] = 4,  [ID_IPV4_SUBNET] = 8, [ID_IPV6_ADDR] = 16, [ID_IPV6_SUBNET] = 32,
        [ID_IPV4_RANGE] = 8, [ID_IPV6_RANGE] = 32, [ID_KEY_ID] = 0};
    if (m->num_ids == ARRAY_LEN(m->id)) {
        return fault(IW_TOO_MANY_SAME, pl);
    }
    struct isakmp_id *id = &m->id[m->num_ids];
    struct rd r = rd_init(pl->body, pl->len);
    id->type = rd_u8(&r);
    id->proto = rd_u8(&r);
    id->port = rd_u16(&r);
    if (r.bad) {
        return fault(IW_ID_SHORT, pl);
    }
    id->data.len = (u16)rd_left(&r);
    id->data.p = rd_bytes(&r, id->data.len);
    id->body = whole(pl);
    id->next = pl->next;
    u8 want = id->type < ARRAY_LEN(lens) ? lens[id->type] : 0;
    if ((want && id->data.len != want) || pl->len > ISAKMP_ID_MAX) {
        return fault(IW_ID_LENGTH, pl);
    }
    m->num_ids++;
    return fine;
}

static struct isakmp_fault read_notify(struct isakmp_msg *m, const struct isakmp_payload *pl)
{
    if (m->num_notify == ISAKMP_MAX_NOTIFY) {
        return fault(IW_TOO_MANY_SAME, pl);
    }
    struct isakmp_notify *n = &m->notify[m->num_notify];
    struct rd r = rd_init(pl->body, pl->len);
    n->doi = rd_u32(&r);
    n->proto = rd_u8(&r);
    n->spi_len = rd_u8(&r);
    n->type = rd_u16(&r);
    n->spi = rd_bytes(&r, n->spi_len);
    n->data.len = (u16)rd_left(&r);
    n->data.p = rd_bytes(&r, n->data.len);
    if (r.bad) {
        return fault(IW_NOTIFY_SHORT, pl);
    }
    m->num_notify++;
    return fine;
}

static struct isakmp_fault read_delete(struct isakmp_msg *m, const struct isakmp_payload *pl)
{
    if (m->num_delete == ISAKMP_MAX_DELETE) {
        return fault(IW_TOO_MANY_SAME, pl);
    }
    struct isakmp_delete *d = &m->del[m->num_delete];
    struct rd r = rd_init(pl->body, pl->len);
    (void)rd_u32(&r);
    d->proto = rd_u8(&r);
    d->spi_len = rd_u8(&r);
    d->num = rd_u16(&r);
    if (!r.bad && d->num > ISAKMP_MAX_SPIS) {
        return fault(IW_DELETE_COUNT, pl);
    }
    d->spis = rd_bytes(&r, (size_t)d->spi_len * d->num);
    if (!rd_done(&r)) {
        return fault(IW_DELETE_SHORT, pl);
    }
    m->num_delete++;
    return fine;
}

static struct isakmp_fault read_sized(struct isakmp_bytes *out, const struct isakmp_payload *pl,
                                      u16 lo, u16 hi, enum isakmp_reason wrong)
{
    *out = whole(pl);
    return pl->len < lo || pl->len > hi ? fault(wrong, pl) : fine;
}

static struct isakmp_fault read_natd(struct isakmp_msg *m, const struct isakmp_payload *pl)
{
    if (m->num_natd == ISAKMP_MAX_NATD) {
        return fault(IW_TOO_MANY_SAME, pl);
    }
    return read_sized(&m->natd[m->num_natd++], pl, 16, 64, IW_NATD_LENGTH);
}

static struct isakmp_fault read_vid(struct isakmp_msg *m, const struct isakmp_payload *pl)
{
    if (m->num_vids < ISAKMP_MAX_VIDS) { /* more are of no use to anybody, and harmless */
        m->vid[m->num_vids++] = whole(pl);
    }
    return fine;
}

/* payload_bit: the class a payload type belongs to, 0 for a type nobody knows. */
static u32 payload_bit(u8 type)
{
    switch (type) {
    case PL_SA: return PB_SA;
    case PL_KE: return PB_KE;
    case PL_ID: return PB_ID;
    case PL_CERT: return PB_CERT;
    case PL_CR: return PB_CR;
    case PL_HASH: return PB_HASH;
    case PL_SIG: return PB_SIG;
    case PL_NONCE: return PB_NONCE;
    case PL_NOTIFY: return PB_NOTIFY;
    case PL_DELETE: return PB_DELETE;
    case PL_VID: return PB_VID;
    case PL_ATTR: return PB_ATTR;
    case PL_NATD:
    case PL_NATD_V7:
    case PL_NATD_DRAFT: return PB_NATD;
    case PL_NATOA:
    case PL_NATOA_V7:
    case PL_NATOA_DRAFT: return PB_NATOA;
    default: return 0;
    }
}

static struct isakmp_fault read_payload(struct isakmp_msg *m, const struct isakmp_payload *pl)
{
    u32 bit = payload_bit(pl->type);
    if (bit == 0) {
        return fault(IW_UNKNOWN_PAYLOAD, pl);
    }
    if ((m->seen & bit) && (bit & (PB_SA | PB_KE | PB_NONCE | PB_HASH | PB_SIG | PB_ATTR))) {
        return fault(IW_DUPLICATE, pl);
    }
    m->seen |= bit;
    switch (bit) {
    case PB_SA: return isakmp_sa_read(&m->sa, pl);
    case PB_KE: return read_sized(&m->ke, pl, 1, ISAKMP_MAX, IW_KE_EMPTY);
    case PB_NONCE:
        return read_sized(&m->nonce, pl, ISAKMP_NONCE_MIN, ISAKMP_NONCE_MAX, IW_NONCE_LENGTH);
    case PB_HASH: return read_sized(&m->hash, pl, 16, 64, IW_HASH_LENGTH);
    case PB_ID: return read_id(m, pl);
    case PB_NOTIFY: return read_notify(m, pl);
    case PB_DELETE: return read_delete(m, pl);
    case PB_VID: return read_vid(m, pl);
    case PB_NATD: return read_natd(m, pl);
    default: return fine;
    }
}

struct isakmp_fault isakmp_decode(struct isakmp_msg *out, const struct isakmp_hdr *hdr,
                                  const u8 *msg, size_t len, size_t block)
{
    out->hdr = *hdr;
    out->seen = 0;
    out->num_ids = out->num_notify = out->num_delete = out->num_vids = out->num_natd = 0;
    out->signed_part = (struct isakmp_bytes){msg, 0};
    out->ke = out->nonce = out->hash = out->signed_part;
    out->sa.num_proposals = out->sa.num_transforms = 0;
    struct isakmp_fault f = isakmp_chain_read(&out->chain, hdr->next, msg, len, block);
    for (unsigned i = 0; f.reason == IW_OK && i < out->chain.num; i++) {
        f = read_payload(out, &out->chain.payload[i]);
    }
    if (f.reason == IW_OK) {
        u16 start = (u16)(out->chain.payload[0].off + 4 + out->chain.payload[0].len);
        out->signed_part = (struct isakmp_bytes){msg + start, (u16)(out->chain.end - start)};
    }
    return f;
}

static bool v6_mask_len(u8 *out, const u8 *mask)
{
    unsigned n = 0;
    while (n < 128 && (mask[n / 8] & (0x80 >> n % 8))) {
        n++;
    }
    *out = (u8)n;
    for (; n < 128; n++) {
        if (mask[n / 8] & (0x80 >> n % 8)) {
            return false;
        }
    }
    return true;
}

bool isakmp_id_again(struct isakmp_id *out, const u8 *body, u16 len)
{
    struct rd r = rd_init(body, len);
    *out = (struct isakmp_id){.type = rd_u8(&r)};
    out->proto = rd_u8(&r);
    out->port = rd_u16(&r);
    out->body = (struct isakmp_bytes){body, len};
    out->data = (struct isakmp_bytes){body + (len - rd_left(&r)), (u16)rd_left(&r)};
    return !r.bad;
}

bool isakmp_id_prefix(struct prefix *out, const struct isakmp_id *id)
{
    const u8 *p = id->data.p;
    struct addr a;
    switch (id->type) {
    case ID_IPV4_ADDR: *out = (a = addr_from_bytes(AF_V4, p), prefix_host(&a)); return true;
    case ID_IPV6_ADDR: *out = (a = addr_from_bytes(AF_V6, p), prefix_host(&a)); return true;
    case ID_IPV4_SUBNET:
        out->a = addr_from_bytes(AF_V4, p);
        a = addr_from_bytes(AF_V4, p + 4);
        if (!addr_mask_len(&out->len, &a)) {
            return false;
        }
        break;
    case ID_IPV6_SUBNET:
        out->a = addr_from_bytes(AF_V6, p);
        if (!v6_mask_len(&out->len, p + 16)) {
            return false;
        }
        break;
    case ID_IPV4_RANGE: /* a range that is one host, or everything: what some peers send for those
                         */
    case ID_IPV6_RANGE: {
        u8 family = id->type == ID_IPV4_RANGE ? AF_V4 : AF_V6;
        u8 n = family == AF_V4 ? 4 : 16;
        out->a = addr_from_bytes(family, p);
        out->len = (u8)(n * 8);
        static const u8 lo[16];
        u8 hi[16];
        memset(hi, 0xff, sizeof hi);
        if (memcmp(p, lo, n) == 0 && memcmp(p + n, hi, n) == 0) {
            out->len = 0;
        } else if (memcmp(p, p + n, n) != 0) {
            return false;
        }
        break;
    }
    default: return false;
    }
    prefix_normalise(out);
    return true;
}

/* ---- writing ---- */

void isakmp_out_id(struct isakmp_out *o, u8 type, u8 proto, u16 port, const void *data, size_t len)
{
    isakmp_out_begin(o, PL_ID);
    wr_u8(&o->w, type);
    wr_u8(&o->w, proto);
    wr_u16(&o->w, port);
    wr_bytes(&o->w, data, len);
    isakmp_out_end(o);
}

void isakmp_out_id_prefix(struct isakmp_out *o, const struct prefix *p, u8 proto, u16 port)
{
    bool v4 = p->a.family == AF_V4;
    u8 n = addr_len(&p->a);
    u8 data[32];
    memcpy(data, p->a.b, n);
    if (p->len == addr_bits(&p->a)) {
        isakmp_out_id(o, v4 ? ID_IPV4_ADDR : ID_IPV6_ADDR, proto, port, data, n);
        return;
    }
    struct addr mask = addr_mask(p->a.family, p->len);
    memcpy(data + n, mask.b, n);
    isakmp_out_id(o, v4 ? ID_IPV4_SUBNET : ID_IPV6_SUBNET, proto, port, data, 2u * n);
}

void isakmp_out_notify(struct isakmp_out *o, u8 proto, u16 type, const void *spi, u8 spi_len,
                       const void *data, size_t len)
{
    isakmp_out_begin(o, PL_NOTIFY);
    wr_u32(&o->w, 1);
    wr_u8(&o->w, proto);
    wr_u8(&o->w, spi_len);
    wr_u16(&o->w, type);
    wr_bytes(&o->w, spi, spi_len);
    wr_bytes(&o->w, data, len);
    isakmp_out_end(o);
}

void isakmp_out_delete(struct isakmp_out *o, u8 proto, u8 spi_len, const void *spis, u16 num)
{
    isakmp_out_begin(o, PL_DELETE);
    wr_u32(&o->w, 1);
    wr_u8(&o->w, proto);
    wr_u8(&o->w, spi_len);
    wr_u16(&o->w, num);
    wr_bytes(&o->w, spis, (size_t)spi_len * num);
    isakmp_out_end(o);
}
