/*
 * steer: covered packets to dp by the link they leave or come in by. A BPF classifier (steer.bpf.c) on
 * clsact of every link with a crypto map sends what a line of the map may cover to that link's own
 * TUNs. It stays when the process that attached it ends, in whatever way: nothing leaves in clear
 * while adit is away.
 */
#ifndef ADIT_STEER_H
#define ADIT_STEER_H

#include "base/base.h"
#include "steer/steer_abi.h" /* STEER_MASKS: what the lines of one link may need */

/* What stands on one link. Everything is borrowed for the time of the call. */
struct steer_link {
    int ifindex;         /* the link with the crypto map */
    u32 tun_out, tun_in; /* interface indexes: where covered packets that leave, that come in, go */
    u32 mark;            /* SO_MARK of packets that dp or ike sent themselves: they pass */
    const struct selector *sel; /* of every permit line; src = our side; ports are not looked at */
    size_t num_sel;
    const struct addr *own; /* the router's own addresses: IKE, ESP and AH to them pass */
    size_t num_own;
};

/* steer_attach: puts the classifier on the link, or another in the place of the one that is there,
 * without a moment between; and on tun_in what gives packets that come out of it back to the link (a
 * link without frames has none: they come in by the TUN). out_ids: the programs of out, in and back
 * (0: none), for steer_holds. NULL: done; else what went wrong (constant text, or errno's): then each
 * of the places holds what was there before or what should be there now, and the caller keeps the
 * link down. */
NODISCARD const char *steer_attach(const struct steer_link *l, u32 out_ids[3]);
/* steer_programs: the programs of out and in as steer_attach would put them on the link, without any
 * link: descriptors, the caller's to close. For tests, which run packets through them. */
NODISCARD const char *steer_programs(const struct steer_link *l, int out_fds[2]);
/* steer_holds: these programs still stand on the link and on tun_in: nobody took them away by hand. */
NODISCARD bool steer_holds(int ifindex, u32 tun_in, const u32 ids[3]);
/* steer_detach: takes adit's classifiers off the link, also those of a former run; nothing there is
 * fine. True: something was there. */
bool steer_detach(int ifindex);
/* steer_probe: NULL when this kernel takes the program; else why not. Attaches nothing: whether a link
 * has clsact only steer_attach finds out. */
const char *steer_probe(void);

#endif
