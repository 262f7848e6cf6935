/*
 * plan_map.c: crypto maps of the model: per link with a map a pair of TUNs and a classifier that leads covered
 * packets there (steer/), per permit line a policy for dp and a flow for ike, per deny line a policy that ends its
 * entry (RFC 4301 4.4.1).
 */
#include "sys/plan_int.h"

enum { PORTS_OF_LINK = 4 }; /* crypto, clear, pass IPv4, pass IPv6 */

/* ---- the link's ports ---- */

static void tun_port(struct planner *k, const struct plan_map *m, unsigned at, const char *name,
                     u32 mtu)
{
    struct plan_link *l = plan_add(&k->p->tuns);
    str_copy(l->name, sizeof l->name, name);
    l->up = true;
    l->mtu = mtu;
    struct dp_port_value *v =
        planner_port(k, PORT_MAP_FIRST + (m->number - 1u) * PORTS_OF_LINK + at,
                     at ? PORT_TUN_CLEAR : PORT_TUN_CRYPTO);
    v->link = m->number;
    v->mtu = (u16)MIN(mtu, 65535u);
    str_copy(v->name, sizeof v->name, name);
}

static void pass_port(struct planner *k, const struct plan_map *m, u8 family)
{
    struct dp_port_value *v = planner_port(
        k, PORT_MAP_FIRST + (m->number - 1u) * PORTS_OF_LINK + 2u + (family == AF_V6), PORT_PASS);
    v->link = m->number;
    v->family = family;
    str_copy(v->name, sizeof v->name, m->link); /* SO_BINDTODEVICE */
}

/* map_on: the link's place in the plan. A link that is not there now has one, too, without ports: should it be there
 * after all, its classifier stays. */
static void map_on(struct planner *k, const struct conf_if *i)
{
    struct kern_link found;
    struct plan_map *m = plan_add(&k->p->maps);
    k->w->kernel_name(k->w->ctx, m->link, i->name);
    str_copy(m->iface, sizeof m->iface, i->name);
    m->first = k->p->covered.num;
    if (!kern_link_get(k->w->kern, m->link, &found)) {
        return;
    }
    m->ifindex = found.index;
    m->number = k->w->link_number(k->w->ctx, m->link);
    snprintf(m->crypto, sizeof m->crypto, "crypto%d", found.index);
    snprintf(m->clear, sizeof m->clear, "clear%d", found.index);
    if (m->number) {
        tun_port(k, m, 0, m->crypto, found.mtu);
        tun_port(k, m, 1, m->clear, found.mtu);
        pass_port(k, m, AF_V4);
        pass_port(k, m, AF_V6);
    }
}

/* ---- lines ---- */

/* What the lines of one map become on one link. */
struct lines {
    struct planner *k;
    struct plan_map *m;
    const struct conf_map *map; /* NULL: it has none any more */
    const struct conf_map_entry *manual; /* the last one whose keys have a line: there is one pair of SAs */
    u32 drop; /* the flow of what is covered and nobody protects; 0: none needed so far */
};

/* drop_flow: one for all such lines of the link: no peer, so dp drops. */
static u32 drop_flow(struct lines *l)
{
    char key[384];
    if (!l->drop) {
        snprintf(key, sizeof key, "map %s dropped", l->m->iface);
        struct dp_flow_value *f = &planner_dp(l->k, DP_CFG_FLOW)->u.flow;
        f->flow = l->drop = l->k->w->flow_id(l->k->w->ctx, key);
        f->link = l->m->number;
        str_copy(f->name, sizeof f->name, l->map ? l->map->name : l->m->iface);
    }
    return l->drop;
}

/* protect: the flow of a line in force. */
static u32 protect(struct lines *l, const struct conf_map_entry *e, const struct planner_peers *peers, const struct conf_ace *ace,
                   struct dp_policy_value *pol)
{
    struct planner *k = l->k;
    char key[384], link[NL_NAME];
    const char *local_if = l->map->local_if[0] ? l->map->local_if : l->m->iface;
    struct addr local = conf_if_address(k->c, local_if, peers->a[0].family);
    snprintf(key, sizeof key, "map %s %s %u %s", l->m->iface, l->map->name, e->seq, ace->text);
    u32 flow = k->w->flow_id(k->w->ctx, key);
    pol->path_mtu = planner_egress(k, &peers->a[0], link);
    struct planner_flow f = planner_flow(k, flow, &e->sa, l->map->name, l->m->iface, &local,
                                         &peers->a[0], &ace->sel);
    f.dp->link = l->m->number;
    f.cli->seq = e->seq;
    str_copy(f.cli->acl, sizeof f.cli->acl, e->acl);
    f.ike->seq = e->seq;
    if (e->reverse) {
        planner_reverse(k, &ace->sel.dst, &peers->a[0]);
    }
    if (!e->sa.isakmp_profile[0]) {
        str_copy(f.ike->profile, sizeof f.ike->profile, l->map->isakmp_profile);
    }
    f.ike->default_peer = e->default_peer && peers->first;
    f.ike->num_peers = (u8)MIN(peers->num, (unsigned)IKE_MAX_PEERS);
    for (unsigned n = 0; n < f.ike->num_peers; n++) {
        f.ike->peer[n] = peers->a[n];
    }
    for (unsigned n = 0; n < f.ike->num_transforms && !planner_between_peers(peers, &local, &ace->sel); n++) {
        f.ike->transform[n].mode = MODE_TUNNEL;
    }
    planner_sa_ports(k, f.ike, peers->a[0].family);
    return flow;
}

/* by_hand: the flow of a line in force of an entry with manual keys. */
static u32 by_hand(struct lines *l, const struct conf_map_entry *e, const struct planner_peers *peers, const struct conf_ace *ace,
                   struct dp_policy_value *pol)
{
    struct planner *k = l->k;
    char key[384], link[NL_NAME];
    const char *local_if = l->map->local_if[0] ? l->map->local_if : l->m->iface;
    struct addr local = conf_if_address(k->c, local_if, peers->a[0].family);
    if (l->manual == e) { /* the keys are of the first line that permits; audit.c says so */
        return drop_flow(l);
    }
    l->manual = e;
    snprintf(key, sizeof key, "map %s %s %u manual %s", l->m->iface, l->map->name, e->seq, ace->text);
    u32 flow = k->w->flow_id(k->w->ctx, key);
    pol->path_mtu = planner_egress(k, &peers->a[0], link);
    struct planner_flow f = planner_flow_ends(k, flow, l->map->name, l->m->iface, &local, &peers->a[0], &ace->sel);
    f.dp->link = l->m->number;
    f.dp->manual = true;
    f.cli->seq = e->seq;
    str_copy(f.cli->acl, sizeof f.cli->acl, e->acl);
    planner_manual(k, e, &ace->sel, f.dp);
    return flow;
}

static void on_line(void *ctx, const struct conf_map_entry *e, const struct conf_ace *ace,
                    u32 block)
{
    struct lines *l = ctx;
    u32 behind_clients = e ? 0 : DP_MAX_POLICIES; /* what they have is not dropped */
    struct dp_policy_value pol = {.order = ++l->k->order + behind_clients,
                                  .action = ace->permit ? ACT_PROTECT : ACT_SKIP,
                                  .link = l->m->number,
                                  .entry = block,
                                  .sel = ace->sel};
    if (ace->permit) {
        struct planner_peers peers;
        pol.flow = !e || !planner_peers(l->k, e, &peers) ? drop_flow(l)
                   : e->manual                           ? by_hand(l, e, &peers, ace, &pol)
                                                         : protect(l, e, &peers, ace, &pol);
        *(struct selector *)plan_add(&l->k->p->covered) = ace->sel;
        l->m->num++;
    }
    planner_dp(l->k, DP_CFG_POLICY)->u.policy = pol;
}

static bool covers(const struct planner *k, const struct conf_if *i)
{
    return !i->shutdown && conf_if_covers(k->c, i);
}

void planner_map_links(struct planner *k)
{
    CONF_FOR(struct conf_if, i, &k->c->ifs)
    {
        if (covers(k, i)) {
            map_on(k, i);
        }
    }
}

void planner_maps(struct planner *k)
{
    CONF_FOR(struct conf_if, i, &k->c->ifs)
    {
        const struct conf_map *map = conf_map_find(k->c, i->crypto_map);
        for (size_t n = 0; covers(k, i) && n < k->p->maps.num; n++) {
            struct plan_map *m = (struct plan_map *)k->p->maps.items + n;
            if (strcmp(m->iface, i->name) != 0 || !m->number) {
                continue;
            }
            m->first = k->p->covered.num;
            conf_if_covered(k->c, i, on_line, &(struct lines){.k = k, .m = m, .map = map});
            if (map) {
                planner_dynamic(k, m, map);
            }
        }
    }
}
