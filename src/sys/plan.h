/*
 * plan.h: everything that has to be so, as plain values: what the kernel, dp and ike must hold for the operator's
 * model to be true. A plan is derived from the model (and from the kernel's routes) and compared with the plan that
 * holds now; apply.c does the difference and never looks at the model.
 */
#ifndef ADIT_SYS_PLAN_H
#define ADIT_SYS_PLAN_H

#include "cli/cli.h"
#include "conf/conf.h"
#include "dp/dp.h"
#include "ike/ike.h"
#include "sys/netlink.h"

enum { PORT_RAW_FIRST = 64, PORT_MAP_FIRST = 80 }; /* 0..63 are the tunnels', 80.. four per map link */
/* Blackholes beside the routes of networks behind protected tunnels; the tunnel's number is added. */
#define HOLE_METRIC  0xfffd0000u /* of what the configuration says */
#define HOLE_LEARNED 0xfffe0000u /* of what a routing protocol said */

/* So many learned networks have a blackhole of their own; those beyond share wide ones. */
enum { HOLES_LEARNED = 16384, HOLE_WIDE4 = 8, HOLE_WIDE6 = 12 };

struct plan_link {
    char name[NL_NAME]; /* kernel */
    bool up;
    u32 mtu; /* 0: leave */
    u16 vlan; /* IEEE 802.1Q, on parent; 0: not ours to make */
    char parent[NL_NAME];
};
/* A growing array of one kind of value. */
struct plan_list {
    void *items; /* owned */
    size_t num, cap, size;
};
/* A link with a crypto map. */
struct plan_map {
    char link[NL_NAME];      /* kernel */
    char iface[CONF_IFNAME]; /* console */
    int ifindex;
    u8 number;                           /* dp's map link, 1..DP_MAX_LINKS; 0: there are too many */
    char crypto[NL_NAME], clear[NL_NAME]; /* its TUNs */
    size_t first, num;                   /* its permit lines in `covered` */
    bool unprotected;                    /* set on applying: it took no classifier and is kept down */
};
struct plan {
    struct plan_list links;  /* struct plan_link */
    struct plan_list tuns;   /* struct plan_link: those of crypto maps */
    struct plan_list maps;   /* struct plan_map */
    struct plan_list covered; /* struct selector: the permit lines of all maps, map by map */
    struct plan_list own;    /* struct addr: the router's own addresses */
    struct plan_list holes;  /* struct kern_route_value: blackholes */
    struct plan_list addrs;  /* struct kern_addr_value */
    struct plan_list routes; /* struct kern_route_value */
    struct plan_list ports;  /* struct dp_port_value */
    struct plan_list dp;     /* struct dp_msg: tunnels, flows, policies, RPF networks, in order */
    struct plan_list ike;    /* struct ike_msg: global, trustpoints, policies, keys, flows */
    struct plan_list parts;  /* bytes: certificates and keys, as ike_ctl_parts reads them */
    struct plan_list flows;  /* struct cli_flow */
    bool forward4, forward6;
    bool holes_full; /* there are more learned networks than blackholes of their own */
};
/* A client that fits a template (IKE_WANT_CLIENT). */
struct plan_client {
    u32 of, flow; /* its template's flow, its own */
    struct addr peer; /* where it was met */
    struct selector sel;
};
/* What the model alone does not know. */
struct plan_world {
    struct kern *kern;                                                /* borrowed */
    void (*kernel_name)(void *ctx, char out[16], const char *ifname); /* honours --map */
    void (*console_name)(void *ctx, char out[CONF_IFNAME], const char *link);
    u32 (*flow_id)(void *ctx,
                   const char *key); /* the same key has the same id for as long as adit runs */
    bool (*resolve)(void *ctx, const char *name, struct addr *out); /* false: nobody knows the name (yet); NULL: nobody is asked */
    u8 (*link_number)(void *ctx, const char *link); /* the same for map links; 0: none is free */
    const struct plan_list *clients; /* struct plan_client, borrowed; NULL: none */
    bool natt; /* UDP port 4500 is ours */
    void *ctx;
};
void plan_init(struct plan *p);
void plan_free(struct plan *p);
void plan_list_free(struct plan_list *l); /* wiped, and empty afterwards */
void *plan_add(struct plan_list *l); /* a zeroed new item */
void plan_bytes(struct plan_list *l, const void *p, size_t len); /* the same for a list of bytes */
const void *plan_item(const struct plan_list *l, size_t i); /* borrowed */
void plan_wipe_list(struct plan_list *l); /* zeroes every byte it holds; plan_free does it to all */
/* plan_derive: fills p from c and what the kernel says. False: the kernel did not tell all its routes; by such a plan
 * blackholes would go that stand behind those it kept quiet about. */
NODISCARD bool plan_derive(struct plan *p, const struct conf *c, const struct plan_world *w);

#endif
