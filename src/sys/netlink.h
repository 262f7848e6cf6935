/*
 * netlink.h: the kernel's links, addresses, routes and rules, as values. All calls are synchronous; errors come back
 * as a text that names what the kernel said.
 */
#ifndef ADIT_SYS_NETLINK_H
#define ADIT_SYS_NETLINK_H

#include "base/base.h"

enum {
    NL_NAME = 16,
    NL_PROTO = 173,
    RULE_FIRST = 9000,
    RULE_END = 20000
}; /* routes and rules that carry this protocol are adit's own */
enum { TABLE_MAIN = 254, TABLE_LOCAL = 255, TABLE_CRYPTO = 7001, TABLE_CLEAR = 7002 };

struct kern; /* an open netlink socket and caches */
struct kern *kern_open(void);
void kern_close(struct kern *nl);
/* kern_monitor_fd: readable when links, addresses or routes changed; kern_monitor_drain: true when something did. */
int kern_monitor_fd(struct kern *nl);
bool kern_monitor_drain(struct kern *nl);

struct kern_link {
    char name[NL_NAME];
    int index;
    bool up, carrier;
    u32 mtu;
    u8 mac[6];
    u64 rx_packets, rx_bytes, tx_packets, tx_bytes, rx_errors, tx_errors, rx_drops, tx_drops;
};
NODISCARD bool kern_link_get(struct kern *nl, const char *name, struct kern_link *out);
NODISCARD bool kern_link_name(struct kern *nl, int index, char out[NL_NAME]);
/* NULL: done; else what went wrong. */
const char *kern_link_set(struct kern *nl, const char *name, bool up, u32 mtu /* 0: leave */);
const char *kern_link_delete(struct kern *nl, const char *name);

struct kern_addr_value {
    char link[NL_NAME];
    struct prefix p; /* host bits kept */
};
const char *kern_addr_change(struct kern *nl, const struct kern_addr_value *a, bool add);

enum kern_route_kind { NLR_UNICAST, NLR_BLACKHOLE, NLR_THROW };
struct kern_route_value {
    struct prefix net;
    u8 kind; /* enum kern_route_kind */
    struct addr nexthop;
    char link[NL_NAME];
    u32 table, metric;
};
const char *kern_route_change(struct kern *nl, const struct kern_route_value *r, bool add);
/* kern_own_routes: every route adit put there, of all tables and kinds. */
size_t kern_own_routes(struct kern *nl, struct kern_route_value *out, size_t cap);
/* kern_routes: every unicast route of a table, that is not adit's own when foreign is set; returns how many. */
size_t kern_routes(struct kern *nl, u32 table, u8 family, struct kern_route_value *out, size_t cap);
/* kern_route_to: the way to dst; false: there is none. link may be "lo" for local addresses. */
NODISCARD bool kern_route_to(struct kern *nl, const struct addr *dst, char out_link[NL_NAME],
                             struct addr *out_gw);

struct kern_rule_value {
    u32 pref, table;
    u8 family;
    struct selector sel; /* from src, to dst, proto, ports; selector_any = all */
    char iif[NL_NAME];
    u32 mark;
};
const char *kern_rule_change(struct kern *nl, const struct kern_rule_value *r, bool add);
/* kern_own_rules: the rules of a family with adit's preferences (RULE_FIRST to RULE_END). */
size_t kern_own_rules(struct kern *nl, u8 family, struct kern_rule_value *out, size_t cap);
/* kern_local_first: the host's rule for its own addresses stands at preference 0, where Linux puts it. */
bool kern_local_first(struct kern *nl);

/* tun_open: a persistent TUN of that name; -1 and errno. Stays when the descriptor closes: its routes stay too, so
 * nothing leaves in clear while the daemon is away. */
int tun_open(const char *name);
/* sysctl_put: writes /proc/sys/PATH; false when it cannot. */
bool sysctl_put(const char *path, const char *value);

#endif
