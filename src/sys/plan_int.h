/*
 * plan_int.h: between plan.c and its parts: plan_crypto.c, plan_isakmp.c, plan_client.c, plan_pki.c, plan_map.c, plan_peer.c, plan_manual.c, plan_dynamic.c, plan_hole.c.
 */
#ifndef ADIT_SYS_PLAN_INT_H
#define ADIT_SYS_PLAN_INT_H

#include "sys/plan.h"

struct planner {
    struct plan *p;
    const struct conf *c;
    const struct plan_world *w;
    struct plan_list
        kernel; /* struct kern_route_value: what the kernel's main table has, and all of ours */
    u32 order;  /* of policies */
    unsigned num_rpf;
    u32 num_manual; /* SAs with manual keys so far */
};
void planner_ike_global(struct planner *k);
void planner_pki(struct planner *k); /* trustpoints; before what names them */
/* planner_isakmp: keys, peers, isakmp profiles. planner_self: who we say we are. */
void planner_isakmp(struct planner *k);
void planner_self(const struct planner *k, enum conf_self kind, const char *text, struct ike_self *out);
/* planner_clients: what is asked of clients, users, groups. */
void planner_clients(struct planner *k);
void planner_tunnels(struct planner *k);
/* planner_map_links: which links have maps, their numbers and ports; before tunnels, which ask for the numbers. */
void planner_map_links(struct planner *k);
void planner_maps(struct planner *k);
void planner_holes(struct planner *k);

/* planner_dynamic: what the dynamic entries of a map are on its link: templates for ike, and the flows of clients; behind its lines.
 * planner_reverse: a route to what is behind a peer, by the way to that. */
void planner_dynamic(struct planner *k, struct plan_map *m, const struct conf_map *map);
void planner_reverse(struct planner *k, const struct prefix *net, const struct addr *peer);

/* planner_tunnel_mtu: ip mtu, or what fits the way to the other end with everything around it. */
u16 planner_tunnel_mtu(struct planner *k, const struct conf_if *i);
/* planner_egress: MTU and kernel name of the link that leads to dst; 1500 and "" while there is no way. */
u16 planner_egress(struct planner *k, const struct addr *dst, char out_link[NL_NAME]);
/* planner_ike, planner_dp: one more value for ike, for dp; borrowed until the next is made. */
static inline struct ike_msg *planner_ike(struct planner *k, enum ike_msg_type type)
{
    struct ike_msg *m = plan_add(&k->p->ike);
    m->type = type;
    return m;
}
static inline struct dp_msg *planner_dp(struct planner *k, enum dp_msg_type type)
{
    struct dp_msg *m = plan_add(&k->p->dp);
    m->type = type;
    return m;
}
struct dp_port_value *planner_port(struct planner *k, u32 id, enum dp_port_kind kind);
/* planner_sa_ports: the sockets that the SAs of a flow need. */
void planner_sa_ports(struct planner *k, const struct ike_flow_value *f, u8 family);
void planner_ports_of_sas(struct planner *k, bool ah, u8 family);
/* One flow as the three that need it see it; borrowed until the next is made. */
struct planner_flow {
    struct dp_flow_value *dp;
    struct ike_flow_value *ike;
    struct cli_flow *cli;
};
/* planner_flow: p is what profile or map entry say, tag the map's name for the console. */
struct ike_flow_value *planner_ike_flow(struct planner *k, u32 id, const struct conf_sa_params *p, const char *tag,
                                        const char *iface, const struct addr *local, const struct selector *sel); /* without a peer */
struct planner_flow planner_flow(struct planner *k, u32 id, const struct conf_sa_params *p,
                                 const char *tag, const char *iface, const struct addr *local,
                                 const struct addr *peer, const struct selector *sel);
/* planner_flow_ends: the same without ike, which has no part in it: .ike is NULL. */
struct planner_flow planner_flow_ends(struct planner *k, u32 id, const char *tag, const char *iface, const struct addr *local,
                                      const struct addr *peer, const struct selector *sel);
/* planner_host: the address of a name: `ip host`, or what DNS says. False: nobody knows it, yet. */
NODISCARD bool planner_host(const struct planner *k, const char *name, struct addr *out);
/* planner_peers: the addresses of an entry's peers; a name that nobody knows yet has none. False: there is none at all. */
struct planner_peers {
    struct addr a[CONF_MAX_PEERS];
    unsigned num;
    bool first; /* the first of the entry is among them */
};
NODISCARD bool planner_peers(const struct planner *k, const struct conf_map_entry *e, struct planner_peers *out);
/* planner_between_peers: what the line covers is what the entry's two ends say to each other: transport mode is for that alone
 * (RFC 4301 4.1), and IOS takes tunnel mode for everything else. */
bool planner_between_peers(const struct planner_peers *peers, const struct addr *local, const struct selector *s);
/* planner_manual (plan_manual.c): the SAs of an entry with keys by hand, whose flow that is (borrowed until then). None: it
 * lacks something, and its flow drops. */
void planner_manual(struct planner *k, const struct conf_map_entry *e, const struct selector *sel,
                    const struct dp_flow_value *flow);

#endif
