/*
 * tunnel.c: the GRE codec (RFC 2784, RFC 2890); ESP's header is so short that it is inline in
 * tunnel.h.
 */
#include "wire/tunnel.h"

#include "wire/ip.h"

const char *gre_fault_text(enum gre_fault f)
{
    static const char *const text[] = {
        [GRE_OK] = "fine",
        [GRE_SHORT] = "shorter than the fields its flags announce",
        [GRE_BAD_VERSION] = "version is not 0",
        [GRE_BAD_FLAGS] = "routing or reserved bits are set",
        [GRE_BAD_CHECKSUM] = "checksum does not match",
    };
    return text[f <= GRE_BAD_CHECKSUM ? f : GRE_OK];
}

enum gre_fault gre_decode(struct gre_view *out, const u8 *p, size_t len)
{
    struct rd r = rd_init(p, len);
    u16 word = rd_u16(&r);
    *out = (struct gre_view){.flags = word & (GRE_C | GRE_K | GRE_S), .proto = rd_u16(&r)};
    if (r.bad) {
        return GRE_SHORT;
    }
    if (word & 7) {
        return GRE_BAD_VERSION;
    }
    if (word & 0x4c00) { /* RFC 2784 2.3: bits 1, 4 and 5; RFC 2890 uses 2 and 3 */
        return GRE_BAD_FLAGS;
    }
    if (out->flags & GRE_C) {
        out->checksum = rd_u16(&r);
        (void)rd_u16(&r); /* reserved1 */
    }
    out->key = out->flags & GRE_K ? rd_u32(&r) : 0;
    out->seq = out->flags & GRE_S ? rd_u32(&r) : 0;
    if (r.bad) {
        return GRE_SHORT;
    }
    out->len = (u8)gre_len(out->flags);
    if ((out->flags & GRE_C) && ip_fold(ip_sum(0, p, len)) != 0) {
        return GRE_BAD_CHECKSUM;
    }
    return GRE_OK;
}

unsigned gre_build(u8 *out, u16 flags, u16 proto, u32 key, u32 seq, size_t payload_len)
{
    u8 *p = out;
    put16(p, flags);
    put16(p + 2, proto);
    p += 4;
    if (flags & GRE_C) {
        put32(p, 0);
        p += 4;
    }
    if (flags & GRE_K) {
        put32(p, key);
        p += 4;
    }
    if (flags & GRE_S) {
        put32(p, seq);
        p += 4;
    }
    unsigned len = (unsigned)(p - out);
    if (flags & GRE_C) {
        put16(out + 4, ip_fold(ip_sum(0, out, len + payload_len)));
    }
    return len;
}
