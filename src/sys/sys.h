/*
 * sys: the only room that sees everything: processes, sockets, kernel, and the glue between the model and the three
 * engines.
 *
 *   chan.c     values over seqpacket, descriptors beside them
 *   identity.c user ids that only this router's children have
 *   rights.c   dropping capabilities, the seccomp filters of ike and dp
 *   generation.c  a configuration generation as one sealed memory file
 *   netlink.c  links, addresses, routes, TUNs
 *   vlan.c     the links of subinterfaces
 *   names.c    what links are called; numbers of flows and map links
 *   plan.c     model -> plan: everything that has to be so, as plain values (plan_crypto.c, plan_map.c, plan_hole.c, plan_list.c)
 *   apply.c    plan difference -> dp, ike, kernel (apply_port.c: the descriptors)
 *   complaint.c  what could not be made so
 *   proc.c     the two children: start, restart, dispatch
 *   value.c    what a child may say: every value of theirs is checked like a packet from outside
 *   ask.c      questions to the children; nobody waits for an answer, it is called
 *   look.c     one look at ike and dp for the console
 *   router.c   one router: the model, the plan, the children, the console's host
 *   line.c     which interfaces are up, and saying so
 *   frr.c      `router ospf` -> zebra and ospfd
 *   vtysh.c    questions to them for the console
 *   ping.c     echo requests for the console
 *   logbook.c  events rendered to file, buffer and monitors
 *   startup.c  what stays: the saved configuration, the master key
 *   claim.c    what only one router may have: its run directory, UDP port 500
 *   api.c      the unix socket: consoles and one-shot commands
 */
#ifndef ADIT_SYS_H
#define ADIT_SYS_H

#include "base/base.h"

/* ---- chan: one value is one packet ------------------------------------------------------------- */

/* chan_pair: a seqpacket pair with large buffers, close-on-exec, non-blocking. False: errno says why. */
NODISCARD bool chan_pair(int out[2]);
/* chan_send: fd -1 or a descriptor to hand over (the caller keeps its own). Never waits. False: not sent; errno is EAGAIN
 * when the other side has no room now. */
bool chan_send(int chan, const void *value, size_t len, int fd);
/* chan_recv: bytes received into value (cap), 0: the other side is gone (or sent nothing at all), -1: nothing there,
 * cap + 1: more bytes or more than one descriptor (all closed), which is no value. *out_fd: -1 or,
 * with 1 to cap bytes (also too few for a value), a descriptor, owned by the caller. */
long chan_recv(int chan, void *value, size_t cap, int *out_fd);

/* ---- outbox: what waits for room in a channel ---------------------------------------------------- */

enum { OUTBOX_BYTES = 64 << 20 }; /* beyond the channel's own buffer; the other side is lost to us then */
struct outbox {
    struct list waiting; /* owned values, oldest first */
    size_t bytes;
};
/* OUTBOX_LOSSY: told again, or only told: lost when there is no room now. OUTBOX_KEPT: goes as soon as there is room.
 * OUTBOX_NEWEST: so, and instead of such a one that still waits. */
enum outbox_value { OUTBOX_LOSSY, OUTBOX_KEPT, OUTBOX_NEWEST };
void outbox_init(struct outbox *o);
/* outbox_send: as chan_send, in order behind what waits; never waits itself. False: it will not arrive. */
bool outbox_send(struct outbox *o, int chan, const void *value, size_t len, int fd,
                 enum outbox_value which);
/* outbox_flush: what there is room for; to be called when chan takes more (POLLOUT). True: nothing waits. */
bool outbox_flush(struct outbox *o, int chan);
bool outbox_empty(const struct outbox *o);
void outbox_clear(struct outbox *o); /* wiped; their descriptors are closed */

/* ---- rights -------------------------------------------------------------------------------------- */

enum rights_role { RIGHTS_IKE, RIGHTS_DP };
/* rights_drop: from here on the process is uid (and the group of that number) and nothing else, has no capability, can get
 * none, and only the system calls of its rows in rights.c. False: it could not be done (then the process must end). */
NODISCARD bool rights_drop(enum rights_role role, u32 uid, const char **out_why);

/* ---- identities (identity.c) ------------------------------------------------------------------------ */

/* identity_claim: the first of this router's user ids, one per role, which no other router of this machine has while the
 * returned descriptor (owned by the caller, inherited by the children) is open anywhere. -1: out_why and errno say why. */
NODISCARD int identity_claim(u32 *out_first, const char **out_why);
/* identity_fits: a user id of that range. */
bool identity_fits(u32 uid);

/* ---- the children's entry points (src/ike_main.c, src/dp_main.c) ------------------------------------- */
enum { FD_MAIN = 3, FD_IDENTITY = 4, FD_UDP4 = 5, FD_UDP6 = 6, FD_NATT4 = 7, FD_NATT6 = 8 };
int ike_main(u32 uid);
int dp_main(u32 uid);

/* ---- the router -------------------------------------------------------------------------------------- */

struct router_options {
    const char *config;  /* path of the start configuration */
    const char *run_dir; /* sockets, FRR's files: /run/adit/NAME */
    bool own_run_dir;    /* it goes with the router */
    const char *state_dir; /* what stays: the log, the saved configuration: /var/lib/adit/NAME */
    const char *exe;     /* path of this program, for the children */
    const char *engine;  /* "mb", "evp" or NULL */
    const char *map[32]; /* "Serial0/0=eth1" */
    unsigned num_maps;
    bool write_back; /* `write memory` writes config, too, with a backup */
    bool check_only; /* read the configuration, say what is wrong, end */
    int ready_fd;    /* > 0: a byte is written there when the router serves, then it is closed */
};
/* router_main: reads the configuration, starts everything, runs until SIGTERM or SIGINT. Exit status. */
int router_main(const struct router_options *o);

#endif
