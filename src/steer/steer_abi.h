/*
 * steer_abi.h: what steer.c puts into the classifier's maps and steer.bpf.c reads there. Included by
 * both, so only fixed-width kernel types.
 *
 * A rule says: packets from src to dst (prefixes) with this protocol may be covered by the crypto map
 * of the link. Rules with the same prefix lengths and the same kind of protocol share one MASK, so a
 * packet costs one hash lookup per mask and not one comparison per rule.
 */
#ifndef ADIT_STEER_ABI_H
#define ADIT_STEER_ABI_H

#include <linux/types.h>

enum {
    STEER_MASKS = 128,          /* different (source length, destination length, protocol or any) */
    STEER_PROTO_ANY = 0x100,    /* the rule holds for every protocol */
    STEER_PROTO_HIDDEN = 0x101, /* IPv6 with extension headers: the protocol is not looked for */
};

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
