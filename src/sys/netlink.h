/*
 * netlink.h: the kernel's links, addresses and routes, as values. All calls are synchronous; errors come back
 * as a text that names what the kernel said.
 */
#ifndef ADIT_SYS_NETLINK_H
#define ADIT_SYS_NETLINK_H

#include "base/base.h"

enum {
    NL_NAME = 16,
    NL_PROTO = 173,      /* routes that carry this protocol are adit's own */
    NL_PROTO_KERNEL = 2, /* those the kernel makes for addresses */
    TABLE_MAIN = 254
};

struct kern; /* an open netlink socket and caches */
struct kern *kern_open(void);
void kern_close(struct kern *nl);
/* kern_monitor_fd: readable when links, addresses, routes or classifiers changed; kern_monitor_drain: true when something did. */
int kern_monitor_fd(struct kern *nl);
bool kern_monitor_drain(struct kern *nl);

struct kern_link {
    char name[NL_NAME];
    int index;
    bool up, carrier;
    u32 mtu;
    u16 vlan; /* its IEEE 802.1Q id; 0: it is no VLAN */
    u8 mac[6];
    u64 rx_packets, rx_bytes, tx_packets, tx_bytes, rx_errors, tx_errors, rx_drops, tx_drops;
};
NODISCARD bool kern_link_get(struct kern *nl, const char *name, struct kern_link *out);
/* kern_each_link: name and index of every link. */
void kern_each_link(struct kern *nl, void (*fn)(void *ctx, const char *link, int ifindex),
                    void *ctx);
NODISCARD bool kern_link_name(struct kern *nl, int index, char out[NL_NAME]);
/* NULL: done; else what went wrong. */
const char *kern_link_set(struct kern *nl, const char *name, bool up, u32 mtu /* 0: leave */);
/* kern_vlan_add: the link of an IEEE 802.1Q VLAN on parent, down. NULL: done; else why not. */
const char *kern_vlan_add(struct kern *nl, const char *parent, const char *name, u16 vlan);
/* kern_has_vlans: this kernel can do them (8021q is there or could be loaded). */
bool kern_has_vlans(struct kern *nl);
const char *kern_link_delete(struct kern *nl, const char *name);

struct kern_addr_value {
    char link[NL_NAME];
    struct prefix p; /* host bits kept */
};
const char *kern_addr_change(struct kern *nl, const struct kern_addr_value *a, bool add);
/* kern_each_addr: every address of every link. */
void kern_each_addr(struct kern *nl, void (*fn)(void *ctx, const struct kern_addr_value *a),
                    void *ctx);

enum kern_route_kind { NLR_UNICAST, NLR_BLACKHOLE, NLR_OTHER };
struct kern_route_value {
    struct prefix net;
    u8 kind;  /* enum kern_route_kind */
    u8 proto; /* who made it; set on reading */
    struct addr nexthop;
    char link[NL_NAME];
    u32 table, metric;
};
const char *kern_route_change(struct kern *nl, const struct kern_route_value *r, bool add);
/* kern_each_route: every route of every table and both families, once per next hop. False: the kernel did not tell all of
 * them (it had no memory, say); what is missing is not known to be away. */
NODISCARD bool kern_each_route(struct kern *nl,
                               void (*fn)(void *ctx, const struct kern_route_value *r), void *ctx);
/* kern_route_to: the way to dst; false: there is none. link may be "lo" for local addresses. */
NODISCARD bool kern_route_to(struct kern *nl, const struct addr *dst, char out_link[NL_NAME],
                             struct addr *out_gw);

/* tun_open: a persistent TUN of that name; -1 and errno. Stays when the descriptor closes: its routes stay too, so
 * nothing leaves in clear while the daemon is away. */
int tun_open(const char *name);
/* sysctl_put: writes /proc/sys/PATH; false when it cannot. */
bool sysctl_put(const char *path, const char *value);

#endif
