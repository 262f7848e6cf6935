/*
 * world.h: two whole key daemons in one thread, on a fake clock, over a network that loses,
 * repeats, delays and reorders as the test says. What they install is kept as a list of SAs per
 * side, what they say as text.
 */
#ifndef ADIT_TEST_WORLD_H
#define ADIT_TEST_WORLD_H

#include "ike/ike.h"
#include "ike/ike_int.h" /* tests look inside */

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

enum { A, B, WORLD_MAX_SAS = 64, WORLD_MAX_QUEUE = 512 };

struct world;
struct side {
    struct world *w;
    int index;
    struct ike *ike;
    struct evlog log;
    struct addr addr;
    struct strbuf debug, syslog, news; /* rendered lines: EVC_ISAKMP..., EVC_LOG */
    struct dp_sa_value sa[WORLD_MAX_SAS];
    unsigned num_sas, added, deleted;
    bool get_sas;
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
    struct side s[2];
    struct packet q[WORLD_MAX_QUEUE];
    unsigned num_q, sent[2];
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
    struct ike_flow_value flow;
    struct ike_global_value global;
};

void world_init(struct world *w, u64 seed);
void world_free(struct world *w);
struct setup setup_default(
    int side); /* DES/MD5/group 2 of seed 000: GRE between 1.1.1.1 and 2.2.2.2 */
void world_config(struct world *w, int side, const struct setup *s);
void world_run(struct world *w, u64 ms);
void world_acquire(struct world *w, int side);
void world_snapshot(struct world *w, int side);
void world_restart(struct world *w, int side); /* the process dies; its data plane stays */
u64 world_random(struct world *w);
u64 count_of(const struct side *s, enum ev_id id);
bool saw(const struct side *s, const char *text); /* in the syslog */
/* pairs_up: pairs both sides have whole, with equal keys and mirrored. */
unsigned pairs_up(const struct world *w);
struct world *world_pair(u64 seed); /* both with the default setup */
void send_raw(struct world *w, int to, const u8 *data, size_t len);

#endif
