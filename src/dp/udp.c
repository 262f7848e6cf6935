/*
 * udp.c: ESP in UDP (RFC 3948): its header in front of ESP when an SA goes that way, off again when it came that way, what a NAT
 * left wrong inside transport mode put right, and the far end followed when its NAT gives it another address.
 *
 * Walk: ip_in -> [udp_in] -> esp_in_find; esp_in_commit -> [udp_moved, udp_mend]; esp_out_build -> [udp_header] ->
 * esp_out_finish -> [udp_sum]. IKE on the same port has a marker of zeros where the SPI stands; the kernel gives it to ike
 * (sys/natt_port.c).
 */
#include "dp/dp_int.h"

enum { UDP_PORT = 4500, MOVED_EVERY_MS = 1000 };

void udp_in(struct pkt *p)
{
    unsigned l4 = p->v.l4, left = p->len - l4;
    const u8 *udp = p->data + l4;
    if (left < UDP_HDR || be16(udp + 4) < UDP_HDR || be16(udp + 4) > left) {
        pkt_drop(p, DROP_MALFORMED_ESP, "no room for a UDP header, or its length is wrong", l4, p->len);
        return;
    }
    unsigned len = be16(udp + 4) - UDP_HDR;
    if (be16(udp + 2) != UDP_PORT || (len >= 4 && be32(udp + UDP_HDR) == 0)) {
        pkt_drop(p, DROP_NOT_FOR_US, "UDP, but no ESP", l4, l4 + UDP_HDR);
        return;
    }
    if (len == 1 && udp[UDP_HDR] == 0xff) { /* RFC 3948 2.3: it keeps the NAT's mapping, and that is all */
        p->next = N_DONE;
        return;
    }
    p->udp_port = be16(udp);
    memmove(p->data + UDP_HDR, p->data, l4);
    p->data += UDP_HDR;
    p->len = p->v.total = (u16)(l4 + len);
    p->data[p->v.proto_at] = p->v.proto = IPPROTO_ESP_;
    p->next = N_ESP_FIND;
}

void udp_header(const struct sa_hot *h, u8 *udp, u16 esp_len)
{
    memcpy(udp, h->tmpl + UDP_TMPL, UDP_HDR);
    put16(udp + 4, (u16)(UDP_HDR + esp_len));
}

void udp_sum(struct pkt *p)
{
    unsigned at = p->esp_at - UDP_HDR, len = p->len - at;
    if (p->sa->h.family == AF_V6) { /* RFC 8200 8.1: none is refused by most */
        u16 sum = ip_fold(ip_sum(ip_pseudo_sum(p->data, IPPROTO_UDP_, len), p->data + at, len));
        put16(p->data + at + 6, sum ? sum : 0xffff);
    }
}

/* udp_mend: RFC 3948 3.1.2: the checksum inside was made for the addresses the sender had. The ICV has vouched for the bytes,
 * so it is made again for those they have now. */
void udp_mend(struct pkt *p)
{
    unsigned at = p->v.l4, len = p->len - at;
    bool tcp = p->v.proto == IPPROTO_TCP_ && len >= 20, udp = p->v.proto == IPPROTO_UDP_ && len >= UDP_HDR;
    u8 *check = p->data + at + (tcp ? 16 : 6);
    if ((!tcp && !udp) || ip_is_fragment(&p->v) || (udp && be16(check) == 0)) {
        return;
    }
    put16(check, 0);
    u16 sum = ip_fold(ip_sum(ip_pseudo_sum(p->data, p->v.proto, len), p->data + at, len));
    put16(check, sum || tcp ? sum : 0xffff);
}

/* ---- the far end is elsewhere ---- */

bool udp_is_there(const struct sa *sa, const struct pkt *p)
{
    const struct addr *src = &sa->val.src;
    return p->udp_port == sa->val.encap_src.port &&
           memcmp(src->b, p->data + (p->v.version == 4 ? 12 : 8), addr_len(src)) == 0;
}

void udp_moved(struct dp *dp, struct sa *sa, const struct pkt *p)
{
    u64 now = dp->w.now_ms;
    if (p->seq != sa->h.seq || (sa->moved_ms && now - sa->moved_ms < MOVED_EVERY_MS)) {
        return; /* an old packet that was late says nothing about today */
    }
    struct dp_msg m = {.u.moved = {.flow = sa->val.flow,
                                   .spi = sa->val.spi,
                                   .dst = sa->val.dst,
                                   .to = {ip_src(p->data), p->udp_port}}};
    if (dp_tell(dp, FROM_IKE, DP_MOVED, &m)) {
        sa->moved_ms = now ? now : 1;
    }
}

/* udp_move: the SA, and those of its flow that come from where it went. */
void udp_move(struct dp *dp, const struct dp_moved_value *m)
{
    struct sa *out = sa_lookup(dp, m->spi, IPPROTO_ESP_, SA_OUT, &m->dst, m->flow);
    if (!out || !m->flow || !out->h.udp || !m->to.port || m->to.a.family != out->val.dst.family) {
        return;
    }
    const u16 port = out->val.encap_dst.port;
    for (struct sa *in = out->h.flow->in; in; in = in->next_flow) {
        if (in->h.udp && in->val.encap_src.port == port && addr_equal(&in->val.src, &m->dst)) {
            in->val.src = m->to.a;
            in->val.encap_src = m->to;
            in->moved_ms = 0;
        }
    }
    sa_redirect(out, &m->to);
}
