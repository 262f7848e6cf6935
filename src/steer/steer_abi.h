/*
 * steer_abi.h: what steer.c puts into the classifier's maps and steer.bpf.c reads there, and what the
 * classifier leaves to dp (dp/policy.c). Included by all three, so only fixed-width kernel types.
 *
 * A rule says: packets from src to dst (prefixes) with this protocol may be covered by the crypto map
 * of the link. Rules with the same prefix lengths and the same kind of protocol share one MASK, so a
 * packet costs one hash lookup per mask and not one comparison per rule.
 */
#ifndef ADIT_STEER_ABI_H
#define ADIT_STEER_ABI_H

#include <linux/types.h>

/* Different (source length, destination length, protocol or any) on one link; a macro, for a
 * sentence is made from it. */
#define STEER_MASKS 128
enum {
    STEER_PROTO_ANY = 0x100,    /* the rule holds for every protocol */
    STEER_PROTO_HIDDEN = 0x101, /* IPv6 with extension headers: the protocol is not looked for */
};

/* steer_hides: an IPv6 extension header: hop-by-hop, routing, fragment, destination options, mobility, HIP, shim6 (RFC
 * 7045). The classifier does not look behind it for the protocol; dp does. */
static inline __attribute__((always_inline)) int steer_hides(__u8 next)
{
    return next == 0 || next == 43 || next == 44 || next == 60 || next == 135 || next == 139 ||
           next == 140;
}

/* Addresses in network byte order; IPv4 in the first word, the rest zero. */
struct steer_key {
    __u32 src[4], dst[4];
    __u16 proto; /* IP protocol, or STEER_PROTO_* */
    __u8 mask;   /* number of the mask this rule stands under */
    __u8 family; /* 4 or 6 */
};

struct steer_mask {
    __u32 src[4], dst[4];
    __u8 family;
    __u8 any_proto; /* 1: rules of this mask hold for every protocol */
    __u8 zero[2];
};

/* An address of the router itself: IKE and ESP to it come in although a wide list covers them. */
struct steer_own {
    __u32 a[4];
    __u32 family;
};

#endif
