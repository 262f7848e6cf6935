/*
 * wire/ip: IPv4 (RFC 791), IPv6 (RFC 8200) and ICMP (RFC 792, 4443) headers, and their checksums.
 *
 * ip_decode looks at every length of a packet once; whatever it accepted may then be read with
 * be16/be32 at the offsets it returned. Pure: no state, no allocation. First thing on both walks of
 * the data plane (dp/ip_in.c).
 */
#ifndef ADIT_WIRE_IP_H
#define ADIT_WIRE_IP_H

#include "wire/wire.h"

enum { IP4_HDR = 20, IP6_HDR = 40, IP6_FRAG_HDR = 8, IP6_MIN_MTU = 1280, IP_MAX_EXT = 8 };
enum { IP4_DF = 0x4000, IP4_MF = 0x2000, IP4_OFF = 0x1fff };

/* What ip_decode says about a packet. */
struct ip_view {
    u8 version;   /* 4 or 6 */
    u8 proto;     /* the upper-layer protocol, after IPv6 extension headers */
    u8 tos, ttl;  /* TOS or traffic class; TTL or hop limit */
    u16 l4;       /* offset of the upper-layer header */
    u16 proto_at; /* offset of the byte that holds proto */
    u16 total;    /* length of the packet as its header says; <= the bytes given */
    u16 frag_off; /* fragment offset in bytes */
    bool more;    /* more fragments follow */
    bool df;      /* IPv4: may not be fragmented; IPv6: always true */
};

/* Why a header was refused, with the bytes that were wrong. */
enum ip_fault { IP_OK, IP_SHORT, IP_VERSION, IP_HEADER_LEN, IP_TOTAL_LEN, IP_EXTENSION };
const char *ip_fault_text(enum ip_fault f);

/* ip6_decode: IPv6, and whatever is neither version. */
NODISCARD enum ip_fault ip6_decode(struct ip_view *out, const u8 *p, size_t len);
/* ip4_decode: len is at least IP4_HDR. Inline: every packet of the data plane comes through here.
 */
NODISCARD static inline enum ip_fault ip4_decode(struct ip_view *out, const u8 *p, size_t len)
{
    unsigned ihl = (p[0] & 15u) * 4u, total = be16(p + 2), frag = be16(p + 6);
    if (ihl < IP4_HDR || ihl > len) {
        return IP_HEADER_LEN;
    }
    if (total < ihl || total > len) {
        return IP_TOTAL_LEN;
    }
    *out = (struct ip_view){.version = 4,
                            .proto = p[9],
                            .tos = p[1],
                            .ttl = p[8],
                            .l4 = (u16)ihl,
                            .proto_at = 9,
                            .total = (u16)total,
                            .frag_off = (u16)((frag & IP4_OFF) * 8u),
                            .more = (frag & IP4_MF) != 0,
                            .df = (frag & IP4_DF) != 0};
    return IP_OK;
}
/* ip_decode: checks version, header length, total length and the IPv6 extension chain (at most
 * IP_MAX_EXT). */
NODISCARD static inline enum ip_fault ip_decode(struct ip_view *out, const u8 *p, size_t len)
{
    if (len < IP4_HDR) {
        return IP_SHORT;
    }
    return p[0] >> 4 == 4 ? ip4_decode(out, p, len) : ip6_decode(out, p, len);
}

static inline bool ip_is_fragment(const struct ip_view *v)
{
    return v->more || v->frag_off;
}

/* ip_frag_id: the identification that the fragments of one datagram share (RFC 791 3.1, RFC 8200
 * 4.5), host order; 0 for an IPv6 packet without a fragment header. The packet was accepted. */
u32 ip_frag_id(const u8 *p, const struct ip_view *v);
/* ip_ecn_decap: RFC 6040 4.2: what the outer header (TOS or traffic class) says of congestion goes
 * into the inner packet at ip, which v describes; v->tos follows. False: the packet must be dropped
 * (congestion experienced, and the inner packet is not ECN-capable). */
NODISCARD bool ip_ecn_decap(u8 outer_tos, u8 *ip, struct ip_view *v);

/* ip_src / ip_dst: the addresses of a packet that ip_decode accepted. */
struct addr ip_src(const u8 *p);
struct addr ip_dst(const u8 *p);

/* ---- checksums (RFC 1071, RFC 1624) ---------------------------------------------------------- */

/* ip_sum: one's complement sum, continued from `sum`, of len bytes; not folded. */
u32 ip_sum(u32 sum, const void *p, size_t len);
/* ip_fold: the 16-bit checksum (complemented) of a sum, host order. */
static inline u16 ip_fold(u32 sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (u16)~sum;
}
/* ip_sum_adjust: RFC 1624 eqn. 3: the checksum after a 16-bit word changed. All host order. */
u16 ip_sum_adjust(u16 check, u16 old_word, u16 new_word);
/* ip4_checksum_set: computes the header checksum of an IPv4 header of hdr_len bytes. */
void ip4_checksum_set(u8 *p, size_t hdr_len);
/* ip_pseudo_sum: sum of the pseudo header (RFC 793, RFC 8200 8.1) of a packet for an upper-layer
 * length. */
u32 ip_pseudo_sum(const u8 *ip, u8 proto, u32 len);

/* ---- building -------------------------------------------------------------------------------- */

struct ip_make {
    u8 proto, tos, ttl;
    bool df;
    u16 id, payload; /* IPv4 identification; bytes after the header */
    struct addr src, dst;
};
/* ip_hdr_len: bytes of a header without options for a family. */
static inline unsigned ip_hdr_len(u8 family)
{
    return family == AF_V6 ? IP6_HDR : IP4_HDR;
}
/* ip_build: writes ip_hdr_len(m->src.family) bytes, checksum included; returns that length. */
unsigned ip_build(u8 *out, const struct ip_make *m);

/* ip_ports: source and destination port of TCP, UDP, SCTP, UDP-Lite (ICMP: type and code in sport);
 * 0 when there are none or they lie in another fragment. */
void ip_ports(u16 *sport, u16 *dport, const struct ip_view *v, const u8 *p);

/* icmp_too_big_build: an ICMP fragmentation needed (type 3 code 4, RFC 1191) or ICMPv6 packet too
 * big (RFC 4443 3.2) about the packet `bad`, from `from` to its source. Returns its length; 0 when
 * none may be sent (RFC 1122 3.2.2: about an ICMP error, a later fragment, a multicast). cap must
 * be at least 1280. */
size_t icmp_too_big_build(u8 *out, size_t cap, const struct addr *from, const u8 *bad,
                          size_t bad_len, u16 mtu);

/* tcp_mss_clamp: lowers the MSS option of a TCP SYN to at most mss and corrects the TCP checksum
 * (RFC 1624). True when it changed something. */
bool tcp_mss_clamp(u8 *ip, const struct ip_view *v, u16 mss);

#endif
