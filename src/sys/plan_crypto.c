/*
 * plan_crypto.c: tunnels and crypto maps of the model as values for dp, ike and the kernel's policy routing.
 *
 * A crypto map on a link is made of: a policy for dp and a flow for ike per permit line; rules that lead matching
 * packets to the TUN crypto0 by a table that mirrors the main one (only routes that leave by that link lead there);
 * rules that lead matching clear packets from outside to the TUN clear0, where dp counts and drops them. What dp
 * sends itself carries DP_MARK and goes by the main table.
 */
#include "sys/plan_int.h"

#include <stdlib.h>

enum { ESP_HEADER = 8, ESP_TRAILER = 2 };

u16 plan_esp_mtu(u16 path_mtu, enum encr_id encr, enum hash_id auth, bool outer_v6, bool transport)
{
    const struct encr_row *e = encr_row(encr);
    unsigned icv = e->icv_len ? e->icv_len : hash_row(auth)->icv_len;
    unsigned around = (outer_v6 ? 40u : 20u) + ESP_HEADER + e->iv_len + icv,
             align = MAX(e->block, 4u);
    unsigned room = (path_mtu - around) / align * align - ESP_TRAILER;
    return (u16)(transport ? room + (outer_v6 ? 40u : 20u) : room);
}

/* egress_mtu: MTU and console name of the link that leads to dst; 1500 while there is no way. */
static u16 egress_mtu(struct planner *k, const struct addr *dst, char out_link[NL_NAME])
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

u16 planner_tunnel_mtu(struct planner *k, const struct conf_if *i)
{
    char link[NL_NAME];
    const struct conf_profile *p =
        i->tun.profile[0] ? conf_profile_find(k->c, i->tun.profile) : NULL;
    u16 mtu = egress_mtu(k, &i->tun.dest, link), worst = mtu;
    bool six = i->tun.mode == CTM_GRE_IPV6 || i->tun.mode == CTM_IPSEC_IPV6;
    if (i->ip_mtu) {
        return (u16)i->ip_mtu;
    }
    for (unsigned n = 0; p && n < p->sa.num_sets; n++) {
        const struct conf_transform_set *s = conf_set_find(k->c, p->sa.sets[n]);
        if (s) {
            worst = MIN(worst, plan_esp_mtu(mtu, s->encr, s->auth, six, false));
        }
    }
    return (u16)MAX(worst - gre_overhead(&i->tun), 1280u);
}

/* ---- ike: policies and keys ---- */

static struct ike_msg *ike_add(struct planner *k, enum ike_msg_type type)
{
    struct ike_msg *m = plan_add(&k->p->ike);
    m->type = type;
    return m;
}

static struct dp_msg *dp_add(struct planner *k, enum dp_msg_type type)
{
    struct dp_msg *m = plan_add(&k->p->dp);
    m->type = type;
    return m;
}

void planner_ike_global(struct planner *k)
{
    struct ike_global_value *g = &ike_add(k, IKE_CFG_GLOBAL)->u.global;
    g->enabled = !k->c->isakmp_off;
    g->invalid_spi_recovery = k->c->invalid_spi_recovery;
    g->retransmit_ms = 10000;
    g->retransmit_tries = 5;
    g->keepalive_s = k->c->keepalive_s;
    g->keepalive_retry_s = k->c->keepalive_retry_s;
    g->keepalive_periodic = k->c->keepalive_periodic;
    str_copy(g->hostname, sizeof g->hostname, k->c->hostname);
    CONF_FOR(struct conf_isakmp_policy, p, &k->c->policies)
    {
        struct ike_policy_value *v = &ike_add(k, IKE_CFG_POLICY)->u.policy;
        v->priority = p->priority;
        v->encr = (u8)p->encr;
        v->hash = (u8)p->hash;
        v->auth = p->auth;
        v->group = p->group;
        v->life_s = p->life_s;
    }
    CONF_FOR(struct conf_key, key, &k->c->keys)
    {
        struct ike_psk_value *v = &ike_add(k, IKE_CFG_PSK)->u.psk;
        v->peer = key->peer;
        secret_set(&v->key, key->key, strlen(key->key));
    }
}

/* flow_values: one flow for ike, dp and the console. p: what profile or map entry say. */
static struct ike_flow_value *flow_values(struct planner *k, u32 id, const struct conf_sa_params *p,
                                          const char *tag, const char *iface,
                                          const struct addr *local, const struct addr *peer,
                                          const struct selector *sel)
{
    char link[NL_NAME];
    u16 mtu = egress_mtu(k, peer, link);
    struct dp_flow_value *d = &dp_add(k, DP_CFG_FLOW)->u.flow;
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
    struct ike_flow_value *v = &ike_add(k, IKE_CFG_FLOW)->u.flow;
    v->flow = id;
    v->local = *local;
    v->peer[0] = *peer;
    v->num_peers = 1;
    v->sel = *sel;
    v->life_s = p->life_s ? p->life_s : k->c->life_s;
    v->life_kb = p->life_kb ? p->life_kb : k->c->life_kb;
    v->pfs_group = p->pfs_group;
    v->replay_window = k->c->replay_window;
    str_copy(v->map, sizeof v->map, tag);
    str_copy(v->iface, sizeof v->iface, iface);
    for (unsigned n = 0; n < p->num_sets && v->num_transforms < IKE_MAX_TRANSFORMS; n++) {
        const struct conf_transform_set *s = conf_set_find(k->c, p->sets[n]);
        if (s) {
            struct ike_transform *t = &v->transform[v->num_transforms++];
            str_copy(t->name, sizeof t->name, s->name);
            t->encr = (u8)s->encr;
            t->auth = (u8)s->auth;
            t->mode = s->transport ? MODE_TRANSPORT : MODE_TUNNEL;
        }
    }
    return v;
}

/* ---- tunnels ---- */

static struct dp_port_value *port_add(struct planner *k, u32 id, enum dp_port_kind kind)
{
    struct dp_port_value *v = plan_add(&k->p->ports);
    v->id = id;
    v->kind = (u8)kind;
    return v;
}

static void raw_port(struct planner *k, u8 family, u8 proto)
{
    const struct dp_port_value *have = k->p->ports.items;
    u32 id = PORT_RAW_FIRST;
    for (size_t i = 0; i < k->p->ports.num; i++) {
        if (have[i].kind == PORT_RAW && have[i].family == family && have[i].proto == proto) {
            return;
        }
    }
    /* each family and protocol has its own fixed id, so that ports survive a change of the plan */
    static const u8 protos[] = {255, 50, 47, 41};
    static const u8 only4[] = {4};
    for (unsigned n = 0; n < ARRAY_LEN(protos); n++) {
        if (protos[n] == proto) {
            id = PORT_RAW_FIRST + n * 2 + (family == AF_V6);
        }
    }
    if (proto == only4[0]) {
        id = PORT_RAW_FIRST + 3 * 2 +
             1; /* 41 has no IPv6 socket of ours, so its second place is free */
    }
    struct dp_port_value *v = port_add(k, id, PORT_RAW);
    v->family = family;
    v->proto = proto;
    snprintf(v->name, sizeof v->name, "raw%u/%u", family, proto);
}

static void esp_ports(struct planner *k, u8 family)
{
    raw_port(k, family, 255);
    raw_port(k, family, 50);
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
    struct kern_route_value *r = xcalloc(4096, sizeof *r);
    for (u8 family = AF_V4; family <= AF_V6; family = (u8)(family + 2)) {
        size_t num = kern_routes(k->w->kern, TABLE_MAIN, family, r, 4096);
        for (size_t n = 0; n < num; n++) {
            if (strcmp(r[n].link, i->name) == 0) {
                struct dp_rpf_value *v = &dp_add(k, DP_CFG_RPF)->u.rpf;
                v->tunnel = tunnel;
                v->net = r[n].net;
            }
        }
    }
    free(r);
}

static void tunnel_raw_ports(struct planner *k, const struct conf_if *i, u8 family)
{
    raw_port(k, family, 255);
    switch (i->tun.mode) {
    case CTM_GRE_IP:
    case CTM_GRE_IPV6: raw_port(k, family, 47); break;
    case CTM_IPIP: raw_port(k, family, 4); break;
    case CTM_IPV6IP: raw_port(k, family, 41); break;
    default: break;
    }
}

static void tunnel_flow(struct planner *k, const struct conf_if *i, struct dp_tunnel_value *t)
{
    const struct conf_profile *p = conf_profile_find(k->c, i->tun.profile);
    char key[96], tag[CONF_NAME];
    snprintf(key, sizeof key, "tunnel %s", i->name);
    snprintf(tag, sizeof tag, "%.40s-head-0", i->name);
    t->flow = k->w->flow_id(k->w->ctx, key);
    if (!p || !t->src.family || !t->dst.family) {
        return; /* the flow id without a flow: dp drops what would have to be protected */
    }
    struct selector sel = tunnel_selector(i, &t->src, &t->dst);
    u32 flow = t->flow;
    struct ike_flow_value *v = flow_values(k, flow, &p->sa, tag, i->name, &t->src, &t->dst, &sel);
    v->tunnel_if = true;
    v->any_mode = i->tun.mode != CTM_IPSEC_IPV4 && i->tun.mode != CTM_IPSEC_IPV6;
    v->always_up = !v->any_mode;
    if (i->tun.source_if[0]) { /* IOS names the source interface here, with its own MTU */
        struct cli_flow *f = (struct cli_flow *)k->p->flows.items + k->p->flows.num - 1;
        const struct conf_if *src = conf_if_find(k->c, i->tun.source_if);
        str_copy(f->mtu_if, sizeof f->mtu_if, i->tun.source_if);
        f->mtu = src ? conf_if_kind_row(src->kind)->mtu : f->mtu;
    }
    esp_ports(k, t->src.family);
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
    t->path_mtu = egress_mtu(k, &t->dst, link);
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
        struct dp_port_value *port = port_add(k, id, PORT_TUN_TUNNEL);
        port->mtu = t.mtu;
        k->w->kernel_name(k->w->ctx, port->name, i->name);
        if (t.dst.family) {
            tunnel_raw_ports(k, i, t.dst.family);
        }
        if (i->tun.profile[0]) {
            tunnel_flow(k, i, &t);
        }
        memcpy(&dp_add(k, DP_CFG_TUNNEL)->u.tunnel, &t, sizeof t);
        if (t.flags & TF_RPF) {
            rpf_networks(k, i, id);
        }
    }
}

/* ---- crypto maps ---- */

static struct kern_rule_value *rule_add(struct planner *k, u32 pref, u32 table)
{
    struct kern_rule_value *r = plan_add(&k->p->rules);
    r->pref = pref;
    r->table = table;
    r->family = AF_V4;
    r->sel = selector_any(AF_V4);
    return r;
}

static void crypto_base(struct planner *k)
{
    static const struct {
        u8 proto;
        u16 port;
    } pass[] = {{50, 0}, {17, 500}, {17, 4500}};
    if (k->p->local_moved) {
        return;
    }
    k->p->local_moved = true;
    for (unsigned i = 0; i < ARRAY_LEN(pass);
         i++) { /* our own ESP and IKE reach us although a wide list covers them */
        struct kern_rule_value *r = rule_add(k, RULE_FIRST + i, TABLE_LOCAL);
        r->sel.proto = pass[i].proto;
        if (pass[i].port) {
            r->sel.dport_lo = r->sel.dport_hi = pass[i].port;
        }
    }
    rule_add(k, RULE_MARK, TABLE_MAIN)->mark = DP_MARK;
    rule_add(k, RULE_LOCAL, TABLE_LOCAL);
    static const struct {
        const char *name;
        u8 kind;
        u32 id, table;
    } tuns[] = {{"crypto0", PORT_TUN_CRYPTO, PORT_CRYPTO, 0},
                {"clear0", PORT_TUN_CLEAR, PORT_CLEAR, TABLE_CLEAR}};
    for (unsigned i = 0; i < ARRAY_LEN(tuns); i++) {
        struct plan_link *l = plan_add(&k->p->links);
        str_copy(l->name, sizeof l->name, tuns[i].name);
        l->up = true;
        struct dp_port_value *v = port_add(k, tuns[i].id, tuns[i].kind);
        v->mtu = 1500;
        str_copy(v->name, sizeof v->name, tuns[i].name);
        if (tuns[i].table) {
            struct kern_route_value *r = plan_add(&k->p->routes);
            r->table = tuns[i].table;
            r->net.a.family = AF_V4;
            str_copy(r->link, sizeof r->link, tuns[i].name);
            struct kern_route_value *hole = plan_add(&k->p->routes);
            hole->table = tuns[i].table;
            hole->net.a.family = AF_V4;
            hole->kind = NLR_BLACKHOLE;
            hole->metric = 0xffff;
        }
    }
    esp_ports(k, AF_V4);
}

/* mirror_main: the main table once more, for packets a map on `link` may protect: what leaves by that link goes to
 * crypto0, what is known to leave by another is thrown back to the rules below. A destination whose route has not been
 * seen yet is protected: the kernel may have learned it a moment ago, and the open road would be the wrong guess. */
static void mirror_main(struct planner *k, const char *link, u32 table)
{
    struct kern_route_value *r = xcalloc(4096, sizeof *r);
    size_t num = kern_routes(k->w->kern, TABLE_MAIN, AF_V4, r, 4096);
    for (size_t n = 0; n < num; n++) {
        struct kern_route_value *v = plan_add(&k->p->routes);
        v->net = r[n].net;
        v->table = table;
        v->metric = r[n].metric;
        if (strcmp(r[n].link, link) == 0) {
            str_copy(v->link, sizeof v->link, "crypto0");
        } else {
            v->kind = NLR_THROW;
        }
    }
    free(r);
    struct kern_route_value *rest = plan_add(&k->p->routes), *hole;
    rest->net.a.family = AF_V4;
    rest->table = table;
    rest->metric = 0xfffe;
    str_copy(rest->link, sizeof rest->link, "crypto0");
    hole = plan_add(
        &k->p->routes); /* crypto0 is persistent; should it go all the same, nothing leaves */
    hole->net.a.family = AF_V4;
    hole->table = table;
    hole->metric = 0xffff;
    hole->kind = NLR_BLACKHOLE;
}

static void map_line(struct planner *k, const struct conf_if *i, const struct conf_map *map,
                     const struct conf_map_entry *e, const struct conf_ace *ace, u32 table,
                     const struct addr *local)
{
    char key[384], link[NL_NAME];
    struct dp_policy_value *pol = &dp_add(k, DP_CFG_POLICY)->u.policy;
    pol->order = ++k->order;
    pol->action = ACT_PROTECT;
    pol->entry = e->seq;
    pol->sel = ace->sel;
    pol->path_mtu = egress_mtu(k, &e->peers[0], link);
    str_copy(pol->iface, sizeof pol->iface, i->name);
    snprintf(key, sizeof key, "map %s %s %u %s", i->name, map->name, e->seq, ace->text);
    u32 flow = k->w->flow_id(k->w->ctx, key);
    pol->flow = flow;
    struct ike_flow_value *v =
        flow_values(k, flow, &e->sa, map->name, i->name, local, &e->peers[0], &ace->sel);
    v->seq = e->seq;
    v->num_peers = (u8)MIN(e->num_peers, IKE_MAX_PEERS);
    for (unsigned n = 0; n < v->num_peers; n++) {
        v->peer[n] = e->peers[n];
    }
    struct cli_flow *f = (struct cli_flow *)k->p->flows.items + k->p->flows.num - 1;
    f->seq = e->seq;
    str_copy(f->acl, sizeof f->acl, e->acl);
    struct kern_rule_value *out = rule_add(k, RULE_CRYPTO + k->order, table);
    out->sel = ace->sel;
    struct kern_rule_value *in = rule_add(k, RULE_CLEAR + k->order, TABLE_CLEAR);
    in->sel = selector_mirror(&ace->sel);
    k->w->kernel_name(k->w->ctx, in->iif, i->name);
}

static void map_entry(struct planner *k, const struct conf_if *i, const struct conf_map *map,
                      const struct conf_map_entry *e, u32 table, const struct addr *local)
{
    const struct conf_acl *acl = conf_acl_find(k->c, e->acl);
    if (!acl || !e->num_peers) {
        return; /* the audit named it; IOS keeps such an entry disabled too */
    }
    CONF_FOR(struct conf_ace, ace, &acl->aces)
    {
        if (ace->remark[0]) {
            continue;
        }
        if (ace->permit) {
            map_line(k, i, map, e, ace, table, local);
        } else {
            struct dp_policy_value *pol = &dp_add(k, DP_CFG_POLICY)->u.policy;
            pol->order = ++k->order;
            pol->action = ACT_SKIP;
            pol->entry = e->seq;
            pol->sel = ace->sel;
            str_copy(pol->iface, sizeof pol->iface, i->name);
        }
    }
}

void planner_maps(struct planner *k)
{
    u32 table = TABLE_CRYPTO;
    CONF_FOR(struct conf_if, i, &k->c->ifs)
    {
        const struct conf_map *map =
            i->crypto_map[0] && !i->shutdown ? conf_map_find(k->c, i->crypto_map) : NULL;
        if (!map) {
            continue;
        }
        char link[NL_NAME];
        struct addr local =
            conf_if_address(k->c, map->local_if[0] ? map->local_if : i->name, AF_V4);
        crypto_base(k);
        k->w->kernel_name(k->w->ctx, link, i->name);
        table +=
            table == TABLE_CRYPTO ? 0 : 2; /* 7001, then odd numbers: 7002 is the clear table */
        mirror_main(k, link, table);
        str_copy(plan_add(&k->p->on_if), CONF_IFNAME, i->name);
        CONF_FOR(struct conf_map_entry, e, &map->entries)
        {
            map_entry(k, i, map, e, table, &local);
        }
        table++;
    }
}
