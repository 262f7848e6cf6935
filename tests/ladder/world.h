/*
 * world.h: two (or three) whole key daemons in one thread, on a fake clock, over a network that
 * loses, repeats, delays and reorders as the test says. What they install is kept as a list of SAs
 * per side, what they say as text.
 */
#ifndef ADIT_TEST_WORLD_H
#define ADIT_TEST_WORLD_H

#include "ike/ike.h"
#include "ike/v1.h" /* tests look inside */

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

enum { A, B, C, SIDES, WORLD_MAX_SAS = 512, WORLD_MAX_QUEUE = 8192 };

struct world;
struct side {
    struct world *w;
    int index;
    struct ike *ike;
    struct evlog log;
    struct env env; /* what log borrows */
    struct addr addr;
    unsigned skeyid_events, skeyid_len; /* SKEYID_e: how often made, its bytes in the last event */
    struct addr alias; /* a second address of this side */
    struct strbuf debug, syslog, news; /* rendered lines: EVC_ISAKMP..., EVC_LOG */
    struct dp_sa_value sa[WORLD_MAX_SAS];
    unsigned order[WORLD_MAX_SAS]; /* in which order they were added */
    u64 since[WORLD_MAX_SAS];      /* when */
    unsigned num_sas, added, deleted;
    u16 linger_ms[2]; /* of the last DEL_SA of each direction (enum dp_dir) */
    bool refuse_sas; /* this data plane takes no SA, and says so */
    bool dp_gone;    /* nothing can be given to it */
    struct dp_msg refused;
    bool has_refused;
    u32 silence_s, heard_s; /* as ike told it */
    bool get_sas, dp_slow; /* dp_slow: it does not answer yet */
    u32 get_tag;
    struct ike_sa_info info[32];
    unsigned num_info;
    struct ike_child_info child[64];
    unsigned num_child;
    struct ike_flow_info flow[8];
    unsigned num_flow;
    u64 pong; /* the number of the last PONG */
    u32 pong_tag;
    unsigned pongs;
    struct ike_want_value want; /* the last client that a flow is wanted for */
    unsigned wants, losts;
    u64 lost; /* the last flow that a client left */
};
struct packet {
    u64 at;
    int to;
    size_t len;
    u8 *data;
    struct endpoint from, dst;
};
/* what the network does with a datagram: how many copies, and the delay of each */
struct fate {
    unsigned copies;
    u64 delay[4];
};
typedef struct fate (*net_fn)(struct world *w, int from, unsigned number, const u8 *data,
                              size_t len);
struct world {
    u64 now, rng;
    u64 wall_s; /* the time of day at now 0; it goes on with now */
    struct side s[SIDES];
    int num; /* sides that live: 2, or 3 after world_third */
    struct packet q[WORLD_MAX_QUEUE];
    unsigned num_q, sent[SIDES];
    size_t bytes[SIDES];
    struct addr nat; /* what others see instead of A's address (and C's, with c_behind); AF_NONE: A itself */
    u16 nat_ports[SIDES]; /* and how much higher the ports are that they see */
    bool c_behind;
    bool natt; /* the daemons that start now have port 4500 */
    unsigned moves; /* DP_MOVE_SA that came */
    net_fn net;
    void *ctx;
    u8 *log_data[64]; /* the first datagrams, kept for tests that change them */
    size_t log_len[64];
    int log_from[64];
    unsigned num_log;
};

/* what both ends are configured with; change a copy */
struct setup {
    struct ike_policy_value policy[4];
    unsigned num_policies;
    const char *psk;
    struct ike_flow_value flow, more[3]; /* more: further flows */
    unsigned num_more;
    struct ike_global_value global;
    struct ike_msg other[8]; /* further values, given before the flows */
    unsigned num_other;
    struct { /* certificates and keys of the trustpoints among them */
        u16 trust, what; /* number, enum pki_part */
        const u8 *p;
        size_t len;
    } part[8];
    unsigned num_parts;
};

void world_init(struct world *w, u64 seed);
void world_free(struct world *w);
struct setup setup_default(
    int side); /* DES/MD5/group 2 of seed 000: GRE between 1.1.1.1 and 2.2.2.2 */
void world_config(struct world *w, int side, const struct setup *s);
void world_run(struct world *w, u64 ms);
void world_acquire(struct world *w, int side);
void world_acquire_flow(struct world *w, int side, u32 flow);
/* world_third: a third daemon at 3.3.3.3, not configured yet. */
void world_third(struct world *w);
void world_snapshot(struct world *w, int side);
void world_restart(struct world *w, int side); /* the process dies; its data plane stays */
u64 world_random(struct world *w);
u64 count_of(const struct side *s, enum ev_id id);
bool saw(const struct side *s, const char *text); /* in the syslog */
/* pairs_up: pairs both sides have whole, with equal keys and mirrored. */
unsigned pairs_up(const struct world *w);
/* sends_on: the SA that the side's data plane sends on now. NULL: none. */
const struct dp_sa_value *sends_on(const struct side *s);
/* world_silent, world_heard: the side's data plane says so of the SA it sends on, or of the newest it takes in on. */
void world_silent(struct world *w, int side);
void world_heard(struct world *w, int side);
/* carries: either end sends a packet; can the other take it in? */
bool carries(struct world *w);
struct world *world_pair(u64 seed); /* both with the default setup */
/* world_of: with these setups; the log is kept, debug lines are not. world_at: with both, at that time of day. world_begun: A has asked for its flow, and two seconds have gone. */
struct world *world_of(u64 seed, const struct setup *a, const struct setup *b);
struct world *world_at(u64 wall_s, u64 seed, const struct setup *a, const struct setup *b);
struct world *world_begun(u64 seed, const struct setup *a, const struct setup *b);
/* Networks. lose_some: w->ctx is a struct lose. */
struct lose {
    u64 which; /* a bit for each datagram, by its number over both ends */
    unsigned seen;
};
struct fate lose_some(struct world *w, int from, unsigned number, const u8 *data, size_t len);
struct fate all_lost(struct world *w, int from, unsigned number, const u8 *data, size_t len);
void send_raw(struct world *w, int to, const u8 *data, size_t len);
/* send_from: the same with any source address; port 500. */
void send_from(struct world *w, int to, const struct addr *from, const u8 *data, size_t len);

/* half_of: the SA of that protocol and direction; NULL: none, or more than one. same_ends: what one end seals with the other opens
 * with. */
const struct dp_sa_value *half_of(const struct side *s, u8 proto, u8 dir);
void same_ends(const struct world *w, u8 proto, u8 mode);

#endif
