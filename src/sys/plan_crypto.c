/*
 * plan_crypto.c: IKE's policies and keys, flows, ports and tunnels of the model as values for dp and ike.
 * plan_map.c does crypto maps, with the functions of plan_int.h that stand here.
 */
#include "sys/plan_int.h"

#include <stdlib.h>

u16 planner_egress(struct planner *k, const struct addr *dst, char out_link[NL_NAME])
{
    struct addr gw;
    struct kern_link l;
    out_link[0] = 0;
    if (dst->family && kern_route_to(k->w->kern, dst, out_link, &gw) &&
        kern_link_get(k->w->kern, out_link, &l) && l.mtu >= 576 && strcmp(out_link, "lo") != 0) {
        return (u16)MIN(l.mtu, 9000u);
    }
    return 1500;
}

static unsigned gre_overhead(const struct conf_tunnel *t)
{
    bool six = t->mode == CTM_GRE_IPV6;
    unsigned outer = six ? 40 : 20;
    if (t->mode == CTM_GRE_IP || t->mode == CTM_GRE_IPV6) {
        return outer + 4 + (t->has_key ? 4u : 0) + (t->checksum ? 4u : 0) + (t->sequence ? 4u : 0);
    }
    return t->mode == CTM_IPIP || t->mode == CTM_IPV6IP ? outer : 0;
}

/* set_plain_mtu: the largest packet that a set's SAs make at most mtu bytes of. */
static u16 set_plain_mtu(u16 mtu, const struct conf_transform_set *s, u8 family)
{
    if (s->ah) { /* the outer header is the inner one's when there is ESP in it */
        mtu = sa_plain_mtu(mtu, 51, ENCR_NONE, s->ah, family, s->encr != ENCR_NONE);
    }
    return s->encr ? esp_plain_mtu(mtu, s->encr, s->auth, family, false) : mtu;
}

u16 planner_tunnel_mtu(struct planner *k, const struct conf_if *i)
{
    char link[NL_NAME];
    const struct conf_profile *p =
        i->tun.profile[0] ? conf_profile_find(k->c, i->tun.profile) : NULL;
    u16 mtu = planner_egress(k, &i->tun.dest, link), worst = mtu;
    bool six = i->tun.mode == CTM_GRE_IPV6 || i->tun.mode == CTM_IPSEC_IPV6;
    if (i->ip_mtu) {
        return (u16)i->ip_mtu;
    }
    for (unsigned n = 0; p && n < p->sa.num_sets; n++) {
        const struct conf_transform_set *s = conf_set_find(k->c, p->sa.sets[n]);
        if (s) {
            worst = MIN(worst, set_plain_mtu(mtu, s, six ? AF_V6 : AF_V4));
        }
    }
    return (u16)MAX(worst - gre_overhead(&i->tun), 1280u);
}

/* ---- ike: policies and keys ---- */

void planner_ike_global(struct planner *k)
{
    struct ike_global_value *g = &planner_ike(k, IKE_CFG_GLOBAL)->u.global;
    g->enabled = !k->c->isakmp_off;
    g->invalid_spi_recovery = k->c->invalid_spi_recovery;
    g->retransmit_ms = 10000;
    g->retransmit_tries = 5;
    g->keepalive_s = k->c->keepalive_s;
    g->keepalive_retry_s = k->c->keepalive_retry_s;
    g->keepalive_periodic = k->c->keepalive_periodic;
    str_copy(g->hostname, sizeof g->hostname, k->c->hostname);
    g->aggressive_off = k->c->aggressive_off;
    g->natt_off = k->c->natt_off;
    g->frag_off = k->c->frag_off;
    g->nat_keepalive_s = k->c->nat_keepalive_s;
    planner_self(k, k->c->identity, "", &g->self);
    CONF_FOR(struct conf_isakmp_policy, p, &k->c->policies)
    {
        struct ike_policy_value *v = &planner_ike(k, IKE_CFG_POLICY)->u.policy;
        v->priority = p->priority;
        v->encr = (u8)p->encr;
        v->hash = (u8)p->hash;
        v->auth = p->auth;
        v->group = p->group;
        v->life_s = p->life_s;
    }
    planner_isakmp(k);
    planner_clients(k);
}

struct ike_flow_value *planner_ike_flow(struct planner *k, u32 id, const struct conf_sa_params *p, const char *tag,
                                        const char *iface, const struct addr *local, const struct selector *sel)
{
    struct ike_flow_value *v = &planner_ike(k, IKE_CFG_FLOW)->u.flow;
    v->flow = id;
    v->local = *local;
    v->sel = *sel;
    v->life_s = p->life_s ? p->life_s : k->c->life_s;
    v->life_kb = p->life_kb ? p->life_kb : k->c->life_kb;
    v->pfs_group = p->pfs_group;
    v->idle_default = p->idle_s && p->idle_default;
    v->replay_window = p->has_replay ? p->replay_window : k->c->replay_window;
    str_copy(v->profile, sizeof v->profile, p->isakmp_profile);
    str_copy(v->map, sizeof v->map, tag);
    str_copy(v->iface, sizeof v->iface, iface);
    for (unsigned n = 0; n < p->num_sets && v->num_transforms < IKE_MAX_TRANSFORMS; n++) {
        const struct conf_transform_set *s = conf_set_find(k->c, p->sets[n]);
        if (s) {
            struct ike_transform *t = &v->transform[v->num_transforms++];
            str_copy(t->name, sizeof t->name, s->name);
            t->encr = (u8)s->encr;
            t->auth = (u8)s->auth;
            t->ah = (u8)s->ah;
            t->comp = (u8)s->comp;
            t->esn = s->esn;
            t->mode = s->transport ? MODE_TRANSPORT : MODE_TUNNEL;
            t->require = s->require;
        }
    }
    return v;
}

struct planner_flow planner_flow_ends(struct planner *k, u32 id, const char *tag, const char *iface, const struct addr *local,
                                      const struct addr *peer, const struct selector *sel)
{
    char link[NL_NAME];
    u16 mtu = planner_egress(k, peer, link);
    struct dp_flow_value *d = &planner_dp(k, DP_CFG_FLOW)->u.flow;
    d->flow = id;
    d->df = (u8)k->c->df;
    d->frag_after = k->c->frag_after;
    d->path_mtu = mtu;
    d->local = *local;
    d->peer = *peer;
    str_copy(d->name, sizeof d->name, tag);
    struct cli_flow *f = plan_add(&k->p->flows);
    f->id = id;
    f->local = *local;
    f->peer = *peer;
    f->sel = *sel;
    f->mtu = mtu;
    str_copy(f->map, sizeof f->map, tag);
    str_copy(f->iface, sizeof f->iface, iface);
    if (link[0]) {
        k->w->console_name(k->w->ctx, f->mtu_if, link);
    }
    return (struct planner_flow){.dp = d, .cli = f};
}

struct planner_flow planner_flow(struct planner *k, u32 id, const struct conf_sa_params *p,
                                 const char *tag, const char *iface, const struct addr *local,
                                 const struct addr *peer, const struct selector *sel)
{
    struct planner_flow ends = planner_flow_ends(k, id, tag, iface, local, peer, sel);
    ends.dp->idle_s = p->idle_s ? p->idle_s : k->c->idle_s;
    ends.ike = planner_ike_flow(k, id, p, tag, iface, local, sel);
    ends.ike->peer[0] = *peer;
    ends.ike->num_peers = 1;
    return ends;
}

/* ---- tunnels ---- */

struct dp_port_value *planner_port(struct planner *k, u32 id, enum dp_port_kind kind)
{
    struct dp_port_value *v = plan_add(&k->p->ports);
    v->id = id;
    v->kind = (u8)kind;
    return v;
}

/* Each kind of socket has its own fixed id, so that ports survive a change of the plan. proto 255 sends what is
 * sealed, 0 what is in clear and unmarked. */
static void raw_port(struct planner *k, u8 family, u8 proto)
{
    static const struct {
        u8 family, proto;
    } row[] = {{AF_V4, 255}, {AF_V6, 255}, {AF_V4, 50}, {AF_V6, 50}, {AF_V4, 47},
               {AF_V6, 47},  {AF_V4, 41},  {AF_V4, 4},  {AF_V4, 0},  {AF_V6, 0},
               {AF_V4, 17},  {AF_V6, 17},  {AF_V4, 51},  {AF_V6, 51}};
    const struct dp_port_value *have = k->p->ports.items;
    u32 id = 0;
    while (id < ARRAY_LEN(row) && (row[id].family != family || row[id].proto != proto)) {
        id++;
    }
    for (size_t i = 0; i < k->p->ports.num; i++) {
        if (have[i].id == PORT_RAW_FIRST + id) {
            return;
        }
    }
    struct dp_port_value *v = planner_port(k, PORT_RAW_FIRST + id, proto == 17 ? PORT_UDP : proto ? PORT_RAW : PORT_OPEN);
    v->family = family;
    v->proto = proto;
    snprintf(v->name, sizeof v->name, "raw%u/%u", family, proto);
}

void planner_ports_of_sas(struct planner *k, bool ah, u8 family)
{
    raw_port(k, family, 255);
    raw_port(k, family, 50);
    if (ah) {
        raw_port(k, family, 51);
    }
}

void planner_sa_ports(struct planner *k, const struct ike_flow_value *f, u8 family)
{
    bool ah = false;
    for (unsigned i = 0; i < f->num_transforms; i++) {
        ah = ah || f->transform[i].ah;
    }
    planner_ports_of_sas(k, ah, family);
    if (k->w->natt && !k->c->natt_off) {
        raw_port(k, family, 17); /* ESP in UDP */
    }
}

static struct selector tunnel_selector(const struct conf_if *i, const struct addr *src,
                                       const struct addr *dst)
{
    static const u8 protos[] = {
        [CTM_GRE_IP] = 47, [CTM_GRE_IPV6] = 47, [CTM_IPIP] = 4, [CTM_IPV6IP] = 41};
    struct selector s = selector_any(i->tun.mode == CTM_IPSEC_IPV6 ? AF_V6 : AF_V4);
    if (i->tun.mode != CTM_IPSEC_IPV4 && i->tun.mode != CTM_IPSEC_IPV6) {
        s = selector_any(src->family);
        s.src = prefix_host(src);
        s.dst = prefix_host(dst);
        s.proto = protos[i->tun.mode];
    }
    return s;
}

static void rpf_networks(struct planner *k, const struct conf_if *i, u32 tunnel)
{
    char link[NL_NAME];
    const struct kern_route_value *r = k->kernel.items;
    k->w->kernel_name(k->w->ctx, link, i->name);
    for (size_t n = 0; n < k->kernel.num; n++) {
        if (r[n].kind == NLR_UNICAST && strcmp(r[n].link, link) == 0 && k->num_rpf < DP_MAX_RPF) {
            k->num_rpf++; /* what comes after them fails the check: closed, not refused */
            struct dp_rpf_value *v = &planner_dp(k, DP_CFG_RPF)->u.rpf;
            v->tunnel = tunnel;
            v->net = r[n].net;
        }
    }
}

static void tunnel_raw_ports(struct planner *k, const struct conf_if *i, u8 family)
{
    raw_port(k, family, 255);
    raw_port(k, family, 0);
    switch (i->tun.mode) {
    case CTM_GRE_IP:
    case CTM_GRE_IPV6: raw_port(k, family, 47); break;
    case CTM_IPIP: raw_port(k, family, 4); break;
    case CTM_IPV6IP: raw_port(k, family, 41); break;
    default: break;
    }
}

/* planned: the flow is in the plan already. */
static bool planned(const struct planner *k, u32 flow)
{
    const struct cli_flow *f = k->p->flows.items;
    for (size_t n = 0; n < k->p->flows.num; n++) {
        if (f[n].id == flow) {
            return true;
        }
    }
    return false;
}

static void tunnel_flow(struct planner *k, const struct conf_if *i, struct dp_tunnel_value *t)
{
    const struct conf_profile *p = conf_profile_find(k->c, i->tun.profile);
    char key[2 * ADDR_STR + CONF_NAME + 32], tag[CONF_NAME], from[ADDR_STR], to[ADDR_STR];
    bool vti = i->tun.mode == CTM_IPSEC_IPV4 || i->tun.mode == CTM_IPSEC_IPV6;
    if (i->tun.shared && !vti) { /* one pair for all that have it: their selectors are the same */
        snprintf(key, sizeof key, "tunnels %u %s %s %s", (unsigned)i->tun.mode, addr_str(from, &t->src), addr_str(to, &t->dst),
                 i->tun.profile);
    } else {
        snprintf(key, sizeof key, "tunnel %s", i->name);
    }
    snprintf(tag, sizeof tag, "%.40s-head-0", i->name);
    t->flow = k->w->flow_id(k->w->ctx, key);
    if (!p || !t->src.family || !t->dst.family || planned(k, t->flow)) {
        return; /* it came with another tunnel; or there is the id and no flow: dp drops what would have to be protected */
    }
    struct selector sel = tunnel_selector(i, &t->src, &t->dst);
    u32 flow = t->flow;
    struct planner_flow f = planner_flow(k, flow, &p->sa, tag, i->name, &t->src, &t->dst, &sel);
    struct ike_flow_value *v = f.ike;
    v->tunnel_if = true;
    v->any_mode = !vti;
    v->always_up = !v->any_mode;
    f.dp->idle_s = v->always_up ? 0 : f.dp->idle_s; /* what is always up is never idle */
    if (i->tun.source_if[0]) { /* IOS names the source interface here, with its own MTU */
        const struct conf_if *src = conf_if_find(k->c, i->tun.source_if);
        str_copy(f.cli->mtu_if, sizeof f.cli->mtu_if, i->tun.source_if);
        f.cli->mtu = src ? conf_if_kind_row(src->kind)->mtu : f.cli->mtu;
    }
    planner_sa_ports(k, f.ike, t->src.family);
}

/* link_number: of the kernel link with that name; 0: it has no map. */
static u8 link_number(const struct planner *k, const char *link)
{
    const struct plan_map *m = k->p->maps.items;
    for (size_t i = 0; i < k->p->maps.num; i++) {
        if (link[0] && strcmp(m[i].link, link) == 0) {
            return m[i].number;
        }
    }
    return 0;
}

/* tunnel_value: all but the flow. Plans are compared as bytes, so the padding is zero too. */
static void tunnel_value(struct planner *k, const struct conf_if *i, u32 id,
                         struct dp_tunnel_value *t)
{
    char link[NL_NAME];
    memset(t, 0, sizeof *t);
    t->id = t->port = id;
    t->mode = (u8)i->tun.mode;
    t->ttl = i->tun.ttl ? i->tun.ttl : 255;
    t->tos = i->tun.tos;
    t->tos_set = i->tun.has_tos;
    t->key = i->tun.key;
    t->adjust_mss = (u16)i->adjust_mss;
    t->mtu = planner_tunnel_mtu(k, i);
    t->src = conf_tunnel_source(k->c, i);
    t->dst = i->tun.dest;
    t->flags = (u8)((i->tun.has_key ? TF_KEY : 0) | (i->tun.checksum ? TF_CHECKSUM : 0) |
                    (i->tun.sequence ? TF_SEQUENCE : 0) | (i->rpf || i->rpf6 ? TF_RPF : 0) |
                    (i->tun.pmtud ? TF_PMTUD : 0));
    t->path_mtu = planner_egress(k, &t->dst, link);
    t->link = link_number(k, link);
    str_copy(t->name, sizeof t->name, i->name);
}

void planner_tunnels(struct planner *k)
{
    CONF_FOR(struct conf_if, i, &k->c->ifs)
    {
        u32 id = (u32)strtoul(i->name + strcspn(i->name, "0123456789"), NULL, 10);
        if (i->kind != IFK_TUNNEL || i->shutdown || id >= DP_MAX_TUNNELS) {
            continue;
        }
        struct dp_tunnel_value t;
        tunnel_value(k, i, id, &t);
        struct dp_port_value *port = planner_port(k, id, PORT_TUN_TUNNEL);
        port->mtu = t.mtu;
        k->w->kernel_name(k->w->ctx, port->name, i->name);
        if (t.dst.family) {
            tunnel_raw_ports(k, i, t.dst.family);
        }
        if (i->tun.profile[0]) {
            tunnel_flow(k, i, &t);
        }
        memcpy(&planner_dp(k, DP_CFG_TUNNEL)->u.tunnel, &t, sizeof t);
        if (t.flags & TF_RPF) {
            rpf_networks(k, i, id);
        }
    }
}
