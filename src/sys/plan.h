/*
 * plan.h: everything that has to be so, as plain values: what the kernel, dp and ike must hold for the operator's
 * model to be true. A plan is derived from the model (and from the kernel's routes) and compared with the plan that
 * holds now; apply.c does the difference. The model itself is never walked twice.
 */
#ifndef ADIT_SYS_PLAN_H
#define ADIT_SYS_PLAN_H

#include "cli/cli.h"
#include "conf/conf.h"
#include "dp/dp.h"
#include "ike/ike.h"
#include "sys/netlink.h"

enum { PORT_RAW_FIRST = 64, PORT_CRYPTO = 72, PORT_CLEAR = 73 };
enum { RULE_MARK = 9010, RULE_CLEAR = 9100, RULE_LOCAL = 14000, RULE_CRYPTO = 14001 };

struct plan_link {
    char name[NL_NAME]; /* kernel */
    bool up;
    u32 mtu; /* 0: leave */
};
/* A growing array of one kind of value. */
struct plan_list {
    void *items; /* owned */
    size_t num, cap, size;
};
struct plan {
    struct plan_list links;  /* struct plan_link */
    struct plan_list addrs;  /* struct kern_addr_value */
    struct plan_list routes; /* struct kern_route_value */
    struct plan_list rules;  /* struct kern_rule_value */
    struct plan_list ports;  /* struct dp_port_value */
    struct plan_list dp;     /* struct dp_msg: tunnels, flows, policies, RPF networks, in order */
    struct plan_list ike;    /* struct ike_msg: global, policies, keys, flows */
    struct plan_list flows;  /* struct cli_flow */
    struct plan_list on_if;  /* char[CONF_IFNAME]: interfaces with a crypto map */
    bool forward4, forward6, local_moved;
};
/* What the model alone does not know. */
struct plan_world {
    struct kern *kern;                                                /* borrowed */
    void (*kernel_name)(void *ctx, char out[16], const char *ifname); /* honours --map */
    void (*console_name)(void *ctx, char out[CONF_IFNAME], const char *link);
    u32 (*flow_id)(void *ctx,
                   const char *key); /* the same key has the same id for as long as adit runs */
    void *ctx;
};
void plan_init(struct plan *p);
void plan_free(struct plan *p);
void *plan_add(struct plan_list *l); /* a zeroed new item */
/* plan_derive: fills p from c. */
void plan_derive(struct plan *p, const struct conf *c, const struct plan_world *w);
/* plan_esp_mtu: the largest plaintext that tunnel-mode ESP with these transforms fits into path_mtu, unfragmented. */
u16 plan_esp_mtu(u16 path_mtu, enum encr_id encr, enum hash_id auth, bool outer_v6, bool transport);

#endif
