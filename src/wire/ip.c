/*
 * ip.c: IPv4 (RFC 791), IPv6 (RFC 8200), ICMP (RFC 792, 1191, 4443), checksums (RFC 1071, 1624).
 * See ip.h.
 */
#include "wire/ip.h"

const char *ip_fault_text(enum ip_fault f)
{
    static const char *const text[] = {
        [IP_OK] = "fine",
        [IP_SHORT] = "shorter than an IP header",
        [IP_VERSION] = "version neither 4 nor 6",
        [IP_HEADER_LEN] = "header length below 20 or past the end",
        [IP_TOTAL_LEN] = "total length below the header or past the end",
        [IP_EXTENSION] = "extension header past the end or too many of them",
    };
    return text[f <= IP_EXTENSION ? f : IP_OK];
}

/* Walks hop-by-hop, routing, destination options and fragment headers up to the upper layer. */
static enum ip_fault walk6(struct ip_view *out, const u8 *p)
{
    for (unsigned n = 0;; n++) {
        u8 proto = out->proto;
        if (proto != 0 && proto != 43 && proto != 60 && proto != 44) {
            return IP_OK;
        }
        unsigned left = out->total - out->l4;
        if (n == IP_MAX_EXT || left < 8) {
            return IP_EXTENSION;
        }
        const u8 *h = p + out->l4;
        unsigned hlen = proto == 44 ? 8 : 8u + h[1] * 8u;
        if (hlen > left) {
            return IP_EXTENSION;
        }
        if (proto == 44) {
            out->frag_off = be16(h + 2) & 0xfff8;
            out->more = (h[3] & 1) != 0;
        }
        out->proto = h[0];
        out->proto_at = out->l4;
        out->l4 = (u16)(out->l4 + hlen);
        if (out->frag_off) {
            return IP_OK; /* what follows is the middle of something */
        }
    }
}

enum ip_fault ip6_decode(struct ip_view *out, const u8 *p, size_t len)
{
    if (p[0] >> 4 != 6) {
        return IP_VERSION;
    }
    if (len < IP6_HDR) {
        return IP_SHORT;
    }
    unsigned total = IP6_HDR + be16(p + 4);
    if (total > len || total > 0xffff) {
        return IP_TOTAL_LEN;
    }
    out->version = 6;
    out->proto = p[6];
    out->tos = (u8)(be16(p) >> 4);
    out->ttl = p[7];
    out->l4 = IP6_HDR;
    out->proto_at = 6;
    out->total = (u16)total;
    out->frag_off = 0;
    out->more = false;
    out->df = true;
    return walk6(out, p);
}

u32 ip_frag_id(const u8 *p, const struct ip_view *v)
{
    if (v->version == 4) {
        return be16(p + 4);
    }
    u8 proto = p[6];
    unsigned at = IP6_HDR; /* ip6_decode walked here: every length is right */
    while (at < v->l4 && (proto == 0 || proto == 43 || proto == 60 || proto == 44)) {
        if (proto == 44) {
            return be32(p + at + 4);
        }
        proto = p[at];
        at += 8u + p[at + 1] * 8u;
    }
    return 0;
}

bool ip_ecn_decap(u8 outer_tos, u8 *ip, struct ip_view *v)
{
    enum { NOT_ECT = 0, ECT1 = 1, ECT0 = 2, CE = 3 };
    u8 outer = outer_tos & 3, inner = v->tos & 3;
    if (outer == CE && inner == NOT_ECT) {
        return false;
    }
    bool mark = (outer == CE && inner != CE) || (outer == ECT1 && inner == ECT0);
    if (!mark) {
        return true;
    }
    u16 old = be16(ip), now = outer == CE ? CE : ECT1;
    if (v->version == 6) {
        put16(ip, (u16)((old & ~0x30u) | now << 4));
    } else {
        put16(ip, (u16)((old & ~3u) | now));
        put16(ip + 10, ip_sum_adjust(be16(ip + 10), old, be16(ip)));
    }
    v->tos = (u8)((v->tos & ~3u) | now);
    return true;
}

struct addr ip_src(const u8 *p)
{
    return p[0] >> 4 == 4 ? addr_from_bytes(AF_V4, p + 12) : addr_from_bytes(AF_V6, p + 8);
}

struct addr ip_dst(const u8 *p)
{
    return p[0] >> 4 == 4 ? addr_from_bytes(AF_V4, p + 16) : addr_from_bytes(AF_V6, p + 24);
}

/* ---- checksums ------------------------------------------------------------------------------- */

u32 ip_sum(u32 sum, const void *p, size_t len)
{
    const u8 *b = p;
    u64 s = sum;
    for (; len >= 4; b += 4, len -= 4) {
        s += be32(b);
    }
    if (len >= 2) {
        s += be16(b), b += 2, len -= 2;
    }
    if (len) {
        s += (u32)b[0] << 8;
    }
    s = (s & 0xffffffff) + (s >> 32);
    s = (s & 0xffff) + ((s >> 16) & 0xffff) + (s >> 32);
    return (u32)s;
}

u16 ip_sum_adjust(u16 check, u16 old_word, u16 new_word)
{
    return ip_fold((u32)(u16)~check + (u32)(u16)~old_word + new_word);
}

void ip4_checksum_set(u8 *p, size_t hdr_len)
{
    put16(p + 10, 0);
    put16(p + 10, ip_fold(ip_sum(0, p, hdr_len)));
}

u32 ip_pseudo_sum(const u8 *ip, u8 proto, u32 len)
{
    u32 s = proto + (len >> 16) + (len & 0xffff);
    return ip[0] >> 4 == 4 ? ip_sum(s, ip + 12, 8) : ip_sum(s, ip + 8, 32);
}

/* ---- building -------------------------------------------------------------------------------- */

unsigned ip_build(u8 *p, const struct ip_make *m)
{
    if (m->src.family == AF_V6) {
        put32(p, 6u << 28 | (u32)m->tos << 20);
        put16(p + 4, m->payload);
        p[6] = m->proto;
        p[7] = m->ttl;
        memcpy(p + 8, m->src.b, 16);
        memcpy(p + 24, m->dst.b, 16);
        return IP6_HDR;
    }
    p[0] = 0x45;
    p[1] = m->tos;
    put16(p + 2, (u16)(m->payload + IP4_HDR));
    put16(p + 4, m->id);
    put16(p + 6, m->df ? IP4_DF : 0);
    p[8] = m->ttl;
    p[9] = m->proto;
    memcpy(p + 12, m->src.b, 4);
    memcpy(p + 16, m->dst.b, 4);
    ip4_checksum_set(p, IP4_HDR);
    return IP4_HDR;
}

void ip_ports(u16 *sport, u16 *dport, const struct ip_view *v, const u8 *p)
{
    *sport = *dport = 0;
    if (v->frag_off || v->total < v->l4 + 4u) {
        return;
    }
    switch (v->proto) {
    case IPPROTO_TCP_:
    case IPPROTO_UDP_:
    case 132: /* SCTP */
    case 136: /* UDP-Lite */
        *sport = be16(p + v->l4);
        *dport = be16(p + v->l4 + 2);
        break;
    case IPPROTO_ICMP_:
    case IPPROTO_ICMP6_:
        *sport = be16(p + v->l4); /* type, code (RFC 4301 4.4.1.1) */
        break;
    default: break;
    }
}

/* May an ICMP error be sent about this packet (RFC 1122 3.2.2, RFC 4443 2.4)? */
static bool may_complain(const u8 *bad, size_t bad_len)
{
    struct ip_view v;
    if (ip_decode(&v, bad, bad_len) != IP_OK || v.frag_off) {
        return false;
    }
    struct addr src = ip_src(bad), dst = ip_dst(bad);
    if (addr_is_any(&src) || addr_is_multicast(&src) ||
        (v.version == 4 && addr_is_multicast(&dst))) {
        return false;
    }
    if (v.total <= v.l4) {
        return true;
    }
    u8 type = bad[v.l4];
    if (v.proto == IPPROTO_ICMP_) {
        return type == 0 || type == 8 || (type >= 13 && type <= 18);
    }
    return v.proto != IPPROTO_ICMP6_ || type >= 128;
}

size_t icmp_too_big_build(u8 *out, size_t cap, const struct addr *from, const u8 *bad,
                          size_t bad_len, u16 mtu)
{
    if (bad_len < IP4_HDR || !may_complain(bad, bad_len)) {
        return 0;
    }
    bool v4 = bad[0] >> 4 == 4;
    size_t hdr = v4 ? IP4_HDR : IP6_HDR, max = v4 ? 576 : IP6_MIN_MTU;
    size_t quote = MIN(bad_len, max - hdr - 8);
    if (cap < hdr + 8 + quote) {
        return 0;
    }
    struct ip_make m = {.proto = v4 ? IPPROTO_ICMP_ : IPPROTO_ICMP6_,
                        .tos = 0xc0,
                        .ttl = 255,
                        .payload = (u16)(8 + quote),
                        .src = *from,
                        .dst = ip_src(bad)};
    if (from->family != (v4 ? AF_V4 : AF_V6)) {
        m.src =
            ip_dst(bad); /* no address of ours in that family: speak as the destination's side */
    }
    ip_build(out, &m);
    u8 *icmp = out + hdr;
    memset(icmp, 0, 8);
    icmp[0] = v4 ? 3 : 2;
    icmp[1] = v4 ? 4 : 0;
    if (v4) {
        put16(icmp + 6, mtu);
    } else {
        put32(icmp + 4, mtu);
    }
    memcpy(icmp + 8, bad, quote);
    u32 sum = v4 ? 0 : ip_pseudo_sum(out, IPPROTO_ICMP6_, (u32)(8 + quote));
    put16(icmp + 2, ip_fold(ip_sum(sum, icmp, 8 + quote)));
    return hdr + 8 + quote;
}

bool tcp_mss_clamp(u8 *ip, const struct ip_view *v, u16 mss)
{
    if (v->proto != IPPROTO_TCP_ || v->frag_off || v->total < v->l4 + 20u) {
        return false;
    }
    u8 *tcp = ip + v->l4;
    unsigned hlen = (tcp[12] >> 4) * 4u;
    if (!(tcp[13] & 0x02) || hlen < 20 || hlen > (unsigned)v->total - v->l4) {
        return false;
    }
    for (unsigned i = 20; i + 1 < hlen && tcp[i] != 0;) {
        if (tcp[i] == 1) {
            i++;
            continue;
        }
        unsigned olen = tcp[i + 1];
        if (olen < 2 || i + olen > hlen) {
            return false;
        }
        if (tcp[i] == 2 && olen == 4 && be16(tcp + i + 2) > mss) {
            u8 *at = tcp + i + 2;
            u16 old = be16(at), check = be16(tcp + 16);
            if (i &
                1) { /* the value straddles two words: adjust both, byte-swapped (RFC 1071 2.B) */
                check =
                    ip_sum_adjust(check, (u16)(old << 8 | old >> 8), (u16)(mss << 8 | mss >> 8));
            } else {
                check = ip_sum_adjust(check, old, mss);
            }
            put16(at, mss);
            put16(tcp + 16, check);
            return true;
        }
        i += olen;
    }
    return false;
}
