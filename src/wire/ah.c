/*
 * ah.c: the authentication header (RFC 4302 2), and what of the headers in front of it is mutable (3.3.3.1, appendix A).
 * See ah.h.
 */
#include "wire/ah.h"

#include "wire/ip.h"

bool ah_decode(struct ah_view *out, const u8 *p, size_t len)
{
    if (len < AH_HDR) {
        return false;
    }
    /* RFC 4302 2.2: the length counts words of 4 bytes, without the first two */
    *out = (struct ah_view){.next = p[0],
                            .len = (u16)((p[1] + 2u) * 4u),
                            .spi = be32(p + 4),
                            .seq = be32(p + 8)};
    return out->len >= AH_HDR && out->len <= len;
}

void ah_build(u8 *out, u8 next, unsigned len, u32 spi, u32 seq)
{
    memset(out, 0, len);
    out[0] = next;
    out[1] = (u8)(len / 4 - 2);
    put32(out + 4, spi);
    put32(out + 8, seq);
}

/* RFC 4302 appendix A1: these options travel unchanged; all others are zero as a whole. */
static bool immutable4(u8 type)
{
    return type == 130 || type == 133 || type == 134 || type == 148 || type == 149;
}

static bool options4(u8 *ip, unsigned len)
{
    enum { END = 0, NOP = 1, LSRR = 131, SSRR = 137 };
    for (unsigned at = IP4_HDR; at < len && ip[at] != END;) {
        if (ip[at] == NOP) {
            at++;
            continue;
        }
        unsigned size = len - at >= 2 ? ip[at + 1] : 0;
        if (size < 2 || size > len - at) {
            return false;
        }
        bool route = ip[at] == LSRR || ip[at] == SSRR;
        if (route && (size < 3 || ip[at + 2] <= size)) {
            return false; /* it still has a way to go: the destination is not the last one */
        }
        if (!immutable4(ip[at])) {
            memset(ip + at, 0, size);
        }
        at += size;
    }
    return true;
}

/* Hop-by-hop and destination options (RFC 8200 4.2): the third bit of a type says that its data may change on the way. */
static bool options6(u8 *ext, unsigned len)
{
    for (unsigned at = 2; at < len;) {
        if (ext[at] == 0) { /* Pad1 */
            at++;
            continue;
        }
        unsigned size = len - at >= 2 ? ext[at + 1] + 2u : len;
        if (size > len - at) {
            return false;
        }
        if (ext[at] & 0x20) {
            memset(ext + at + 2, 0, size - 2);
        }
        at += size;
    }
    return true;
}

static bool headers6(u8 *ip, unsigned len)
{
    enum { HOP_BY_HOP = 0, ROUTING = 43, DESTINATION = 60 };
    u8 proto = ip[6];
    unsigned at = IP6_HDR;
    while (at < len) {
        unsigned size = len - at >= 8 ? 8u + ip[at + 1] * 8u : 0;
        if (size == 0 || size > len - at) {
            return false;
        }
        switch (proto) {
        case HOP_BY_HOP:
        case DESTINATION:
            if (!options6(ip + at, size)) {
                return false;
            }
            break;
        case ROUTING: /* RFC 4302 3.3.3.1.2.2: as it arrives, that is at its end */
            if (ip[at + 3] != 0) {
                return false;
            }
            break;
        default: return false; /* a fragment is put together before anybody looks at AH */
        }
        proto = ip[at];
        at += size;
    }
    return true;
}

bool ah_zero_mutable(u8 *ip, unsigned len)
{
    if (len >= IP6_HDR && ip[0] >> 4 == 6) {
        put32(ip, 6u << 28); /* traffic class and flow label */
        ip[7] = 0;           /* hop limit */
        return headers6(ip, len);
    }
    if (len < IP4_HDR || ip[0] >> 4 != 4 || (ip[0] & 15u) * 4u != len) {
        return false;
    }
    ip[1] = 0;         /* TOS */
    put16(ip + 6, 0);  /* flags and fragment offset */
    ip[8] = 0;         /* TTL */
    put16(ip + 10, 0); /* checksum */
    return options4(ip, len);
}
