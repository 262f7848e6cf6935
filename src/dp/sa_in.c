/*
 * sa_in.c: the slower parts of what every protocol asks of a packet that came in by an SA (RFC 4301 5.2). See sa_in.h.
 */
#include "dp/sa_in.h"

bool sa_in_strip_transport(struct pkt *p, unsigned text_at, unsigned len, u8 next_header)
{
    unsigned hlen = p->esp_at;
    u8 *ip = p->data + text_at - hlen;
    memmove(ip, p->data, hlen);
    p->data = ip;
    p->len = (u16)(hlen + len);
    ip[p->v.proto_at] = next_header;
    if (p->v.version == 6) {
        put16(ip + 4, (u16)(p->len - IP6_HDR));
    } else {
        put16(ip + 2, p->len);
        ip4_checksum_set(ip, hlen);
    }
    enum ip_fault f = ip_decode(&p->v, ip, p->len);
    if (UNLIKELY(f != IP_OK)) {
        pkt_drop(p, DROP_MALFORMED_IP, ip_fault_text(f), 0, p->len);
        return false;
    }
    return true;
}

bool sa_in_identity_slow(const struct selector *s, const struct pkt *p)
{
    struct addr src = ip_src(p->data), dst = ip_dst(p->data);
    u16 sport, dport;
    if (!prefix_contains(&s->src, &src) || !prefix_contains(&s->dst, &dst) ||
        (s->proto && s->proto != p->v.proto)) {
        return false;
    }
    bool any = !s->sport_lo && !s->dport_lo && s->sport_hi == 0xffff && s->dport_hi == 0xffff;
    if (any) {
        return true;
    }
    if (p->v.frag_off) { /* its ports came with the first one, by this SA or not at all (RFC 4301 7) */
        return true;
    }
    ip_ports(&sport, &dport, &p->v, p->data);
    return sport >= s->sport_lo && sport <= s->sport_hi && dport >= s->dport_lo &&
           dport <= s->dport_hi;
}
