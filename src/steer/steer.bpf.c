/*
 * steer.bpf.c: the classifier on clsact of every link with a crypto map. It runs in the kernel for
 * every packet that leaves by the link (steer_out) or comes in by it (steer_in), whichever route,
 * table, next hop or source selection brought it there, and for what dp lets pass inwards
 * (steer_back, on the TUN):
 *
 *   out   carries dp's mark                 -> passes: it is ESP, IKE, or was looked at already
 *         may be covered by the map         -> the link's TUN crypto<index>, where dp decides
 *   in    IKE, ESP, AH to the router itself -> passes
 *         may be covered by the map's mirror-> the link's TUN clear<index>, where dp decides
 *   both  anything else                     -> passes
 *   back  from the TUN clear<index>         -> comes in by the link, as it first did: its multicast
 *                                              groups, its sockets, its link-local addresses
 *
 * "May be covered" is a superset (RFC 4301 4.4.1 without ports and denies): prefixes and protocol
 * stand in every fragment, ports do not. What cannot be read as IPv4 or IPv6 although it claims to
 * be is handed to dp, which counts it as malformed. A TUN that is gone means the packet is lost, not
 * that it leaves in clear. Compiled by clang at build time; loaded and attached by steer.c.
 */
#include "steer/steer_abi.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

enum {
    P_IP = 0x0800,
    P_IPV6 = 0x86dd,
    P_8021Q = 0x8100,
    P_8021AD = 0x88a8,
    PROTO_UDP = 17,
    PROTO_ESP = 50,
    PROTO_AH = 51,
    PROTO_ICMP6 = 58,
    ND_FIRST = 133, /* router solicitation; 137: redirect (RFC 4861) */
    ND_LAST = 137,
    PORT_IKE = 500,
    PORT_NAT = 4500,
    PACKET_HOST = 0, PACKET_OTHERHOST = 3, /* linux/if_packet.h */
    ETH_HEADER = 14,
};

/* Set by steer.c before the program is loaded. */
const volatile __u32 num_masks = 0;
const volatile __u32 tun_out = 0, tun_in = 0; /* interface indexes */
const volatile __u32 own_mark = 0;
const volatile __u32 link = 0; /* interface index of the link itself */

/* The mark of what steer_back gives to steer_in; no process sends with it. */
#define BACK(mark) ((mark) ^ 0x80000000u)

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, STEER_MASKS);
    __type(key, __u32);
    __type(value, struct steer_mask);
} masks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct steer_key);
    __type(value, __u32);
} rules SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, 1);
    __type(key, struct steer_own);
    __type(value, __u32);
} own SEC(".maps");

struct view {
    __u32 src[4], dst[4];
    __u16 proto; /* STEER_PROTO_HIDDEN behind extension headers */
    __u8 family;
    __u8 first; /* no fragment, or the first one: ports are there */
    __u32 l4;   /* offset of what follows the header */
};

static __always_inline int read_net(struct __sk_buff *skb, __u32 at, void *to, __u32 len)
{
    return bpf_skb_load_bytes_relative(skb, at, to, len, BPF_HDR_START_NET);
}

static __always_inline int read_v4(struct __sk_buff *skb, struct view *v)
{
    struct {
        __u8 ver_len, tos;
        __u16 total, id, frag;
        __u8 ttl, proto;
        __u16 sum;
        __u32 src, dst;
    } h;
    if (read_net(skb, 0, &h, sizeof h) || h.ver_len >> 4 != 4) {
        return -1;
    }
    v->src[0] = h.src;
    v->dst[0] = h.dst;
    v->proto = h.proto;
    v->family = 4;
    v->first = (h.frag & bpf_htons(0x1fff)) == 0;
    v->l4 = (h.ver_len & 15) * 4;
    return 0;
}

static __always_inline int read_v6(struct __sk_buff *skb, struct view *v)
{
    struct {
        __u32 word;
        __u16 len;
        __u8 next, hops;
        __u32 src[4], dst[4];
    } h;
    if (read_net(skb, 0, &h, sizeof h) || (h.word & bpf_htonl(0xf0000000)) != bpf_htonl(6u << 28)) {
        return -1;
    }
    __builtin_memcpy(v->src, h.src, sizeof v->src);
    __builtin_memcpy(v->dst, h.dst, sizeof v->dst);
    v->proto = h.next;
    v->family = 6;
    v->first = 1;
    v->l4 = 40;
    if (steer_hides(h.next)) {
        v->proto = STEER_PROTO_HIDDEN;
    }
    return 0;
}

/* Neighbour discovery is the link's own business (RFC 4301 has no policy for it, RFC 4861 11.1: hop
 * limit 255 shows that it came from this link): without it no packet, protected or not, would pass. */
static __always_inline int is_neighbour(struct __sk_buff *skb, const struct view *v)
{
    __u8 hops = 0, type = 0;
    if (v->family != 6 || v->proto != PROTO_ICMP6 || read_net(skb, 7, &hops, 1) || hops != 255 ||
        read_net(skb, v->l4, &type, 1)) {
        return 0;
    }
    return type >= ND_FIRST && type <= ND_LAST;
}

/* IKE, ESP and AH to one of the router's own addresses. */
static __always_inline int is_ours(struct __sk_buff *skb, const struct view *v)
{
    struct steer_own o = {.family = v->family};
    __builtin_memcpy(o.a, v->dst, sizeof o.a);
    if (v->proto != PROTO_UDP && v->proto != PROTO_ESP && v->proto != PROTO_AH) {
        return 0;
    }
    if (!bpf_map_lookup_elem(&own, &o)) {
        return 0;
    }
    if (v->proto == PROTO_UDP && v->first) {
        __u16 port = 0;
        if (read_net(skb, v->l4 + 2, &port, sizeof port)) {
            return 0;
        }
        return port == bpf_htons(PORT_IKE) || port == bpf_htons(PORT_NAT);
    }
    /* a later fragment of UDP could join a datagram whose first one came in protected */
    return v->proto != PROTO_UDP;
}

/* May some line of the map cover a packet from `from` to `to`? */
static __always_inline int may_cover(const struct view *v, const __u32 *from, const __u32 *to)
{
    for (__u32 i = 0; i < STEER_MASKS; i++) {
        __u32 at = i;
        struct steer_key k = {.mask = (__u8)i, .family = v->family};
        const struct steer_mask *m;
        if (i >= num_masks) {
            break;
        }
        m = bpf_map_lookup_elem(&masks, &at);
        if (!m) {
            break;
        }
        if (m->family != v->family) {
            continue;
        }
        for (int n = 0; n < 4; n++) {
            k.src[n] = from[n] & m->src[n];
            k.dst[n] = to[n] & m->dst[n];
        }
        k.proto = m->any_proto ? STEER_PROTO_ANY : v->proto;
        if (bpf_map_lookup_elem(&rules, &k)) {
            return 1;
        }
    }
    return 0;
}

enum look { NOT_OURS, READ, BROKEN, DOUBLE_TAG };

/* look: READ: v is filled. BROKEN: claims to be IP and is not. NOT_OURS: no IP, or a frame with a VLAN
 * tag, which belongs to the subinterface of that tag. VLAN 0 is a priority only (IEEE 802.1Q 9.6), and
 * the kernel takes such a frame for one without a tag; of two such tags it takes off the second one
 * behind our back, so there is no use for that frame: DOUBLE_TAG. */
static __always_inline enum look look(struct __sk_buff *skb, struct view *v)
{
    if (skb->vlan_present && (skb->vlan_tci & 0xfff)) {
        return NOT_OURS;
    }
    if (skb->protocol == bpf_htons(P_8021Q) || skb->protocol == bpf_htons(P_8021AD)) {
        __u16 inner = 0;
        return read_net(skb, 0, &inner, sizeof inner) || !(inner & bpf_htons(0xfff)) ? DOUBLE_TAG
                                                                                       : NOT_OURS;
    }
    if (skb->protocol == bpf_htons(P_IP)) {
        return read_v4(skb, v) ? BROKEN : READ;
    }
    if (skb->protocol == bpf_htons(P_IPV6)) {
        return read_v6(skb, v) ? BROKEN : READ;
    }
    return NOT_OURS;
}

/* To a TUN, which knows no tags. */
static __always_inline int lead(struct __sk_buff *skb, __u32 tun)
{
    if (skb->vlan_present) {
        bpf_skb_vlan_pop(skb);
    }
    return bpf_redirect(tun, 0);
}

SEC("tc")
int steer_out(struct __sk_buff *skb)
{
    struct view v = {};
    enum look is = look(skb, &v);
    if (is == NOT_OURS || skb->mark == own_mark) {
        return TC_ACT_UNSPEC;
    }
    if (is == DOUBLE_TAG) {
        return TC_ACT_SHOT;
    }
    if (is == READ && (is_neighbour(skb, &v) || !may_cover(&v, v.src, v.dst))) {
        return TC_ACT_UNSPEC;
    }
    return lead(skb, tun_out);
}

SEC("tc")
int steer_in(struct __sk_buff *skb)
{
    struct view v = {};
    enum look is = look(skb, &v);
    if (skb->mark == BACK(own_mark)) { /* nothing that comes by a wire has a mark */
        skb->mark = 0;
        if (skb->pkt_type == PACKET_OTHERHOST) { /* its frame was made without the link's address */
            (void)bpf_skb_change_type(skb, PACKET_HOST);
        }
        return TC_ACT_UNSPEC;
    }
    if (is == NOT_OURS || skb->pkt_type == PACKET_OTHERHOST) { /* the kernel drops what is for others */
        return TC_ACT_UNSPEC;
    }
    if (is == DOUBLE_TAG) {
        return TC_ACT_SHOT;
    }
    if (is == READ &&
        (is_ours(skb, &v) || is_neighbour(skb, &v) || !may_cover(&v, v.dst, v.src))) {
        return TC_ACT_UNSPEC;
    }
    return lead(skb, tun_in);
}

/* Of the link's frame only "to a group or not" and the type are made again: nobody asks for more. */
SEC("tc")
int steer_back(struct __sk_buff *skb)
{
    struct {
        __u8 dst[6], src[6];
        __u16 type;
    } eth = {.type = skb->protocol};
    struct view v = {};
    if (look(skb, &v) != READ) {
        return TC_ACT_SHOT;
    }
    __u8 first = ((const __u8 *)v.dst)[0];
    eth.dst[0] = v.family == 4 ? (first & 0xf0) == 0xe0 : first == 0xff;
    if (bpf_skb_change_head(skb, ETH_HEADER, 0) ||
        bpf_skb_store_bytes(skb, 0, &eth, sizeof eth, 0)) {
        return TC_ACT_SHOT;
    }
    skb->mark = BACK(own_mark);
    return bpf_redirect(link, BPF_F_INGRESS);
}

char _license[] SEC("license") = "Apache-2.0";
