/*
 * plan_dynamic.c: dynamic crypto maps. Each line of a dynamic map's list (anything, when it has none) is a template for ike, on each link
 * whose map goes by it. What ike has asked for by a template (client.c) becomes a flow of its own: dp's flow and policy, ike's flow with
 * exactly its proxies, and with `reverse-route` a route. They stand behind all lines that protect, whatever their entry's number is, and in front
 * of those that drop: among these what the lists permit and no client has (conf_if_covered).
 * Part of planner_maps (plan_map.c).
 */
#include "steer/steer.h"
#include "sys/plan_int.h"

enum { CLIENT_BLOCK = 2 << 16 }; /* above all blocks of cover.c */

/* What one entry of a dynamic map is on one link. */
struct entry {
    struct planner *k;
    struct plan_map *m;
    const struct conf_map *map, *dynamic;
    const struct conf_map_entry *e, *d; /* of the crypto map, of the dynamic map */
};

void planner_reverse(struct planner *k, const struct prefix *net, const struct addr *peer)
{
    struct kern_route_value v = {.net = *net, .table = TABLE_MAIN, .metric = 1};
    struct addr gw;
    /* a network that the peer is in leads there as it is; one that is everything would be the way to the peer, too */
    if (!net->len || net->a.family != peer->family || prefix_contains(net, peer) ||
        !kern_route_to(k->w->kern, peer, v.link, &gw) || !v.link[0]) {
        return;
    }
    v.nexthop = gw.family ? gw : *peer;
    memcpy(plan_add(&k->p->routes), &v, sizeof v);
}

static struct addr local_of(const struct entry *x, u8 family)
{
    return conf_if_address(x->k->c, x->map->local_if[0] ? x->map->local_if : x->m->iface, family);
}

static void name_ike(const struct entry *x, struct ike_flow_value *v, bool listed)
{
    v->seq = x->e->seq;
    v->listed = listed;
    if (!x->d->sa.isakmp_profile[0]) {
        str_copy(v->profile, sizeof v->profile, x->map->isakmp_profile);
    }
}

/* masks_fit: the link's classifier has room for one more selector (steer.h), and for `everything` of both families. */
static bool masks_fit(const struct entry *x, const struct selector *sel)
{
    struct {
        u8 src, dst, family, any;
    } seen[STEER_MASKS], one;
    unsigned num = 0;
    for (size_t n = 0; n <= x->m->num; n++) {
        const struct selector *s = n < x->m->num ? plan_item(&x->k->p->covered, x->m->first + n) : sel;
        unsigned i = 0;
        one.src = s->src.len, one.dst = s->dst.len, one.family = s->src.a.family, one.any = s->proto == 0;
        while (i < num && memcmp(&seen[i], &one, sizeof one) != 0) {
            i++;
        }
        if (i == num && num + 2 >= STEER_MASKS) {
            return false;
        }
        seen[i] = one;
        num += i == num;
    }
    return true;
}

static void add_client(const struct entry *x, const struct plan_client *c, bool listed)
{
    struct planner *k = x->k;
    char link[NL_NAME];
    struct addr local = local_of(x, c->peer.family);
    if (k->p->flows.num >= DP_MAX_FLOWS - DP_MAX_LINKS || k->order >= DP_MAX_POLICIES || !masks_fit(x, &c->sel)) {
        return; /* router_clients_settle says so */
    }
    struct planner_flow f = planner_flow(k, c->flow, &x->d->sa, x->map->name, x->m->iface, &local, &c->peer, &c->sel);
    f.dp->link = x->m->number;
    f.cli->seq = x->e->seq;
    f.cli->dynamic_seq = x->d->seq;
    str_copy(f.cli->acl, sizeof f.cli->acl, x->d->acl);
    str_copy(f.cli->dynamic, sizeof f.cli->dynamic, x->dynamic->name);
    name_ike(x, f.ike, listed);
    f.ike->client = true;
    f.ike->peer[0] = (struct addr){.family = c->peer.family}; /* any: a NAT may move it */
    *(struct selector *)plan_add(&k->p->covered) = c->sel;
    x->m->num++;
    struct dp_policy_value *pol = &planner_dp(k, DP_CFG_POLICY)->u.policy;
    pol->order = ++k->order;
    pol->action = ACT_PROTECT;
    pol->link = x->m->number;
    pol->entry = CLIENT_BLOCK + c->flow;
    pol->flow = c->flow;
    pol->path_mtu = planner_egress(k, &c->peer, link);
    pol->sel = c->sel;
    if (x->d->reverse) {
        planner_reverse(k, &c->sel.dst, &c->peer);
    }
}

static void add_template(const struct entry *x, const struct selector *sel, const char *text)
{
    struct planner *k = x->k;
    char key[512];
    struct addr local = local_of(x, sel->src.a.family);
    if (!local.family) {
        return; /* nobody could reach us there */
    }
    snprintf(key, sizeof key, "template %s %s %u %s %u %s", x->m->iface, x->map->name, x->e->seq, x->dynamic->name, x->d->seq,
             text ? text : "");
    u32 id = k->w->flow_id(k->w->ctx, key);
    struct ike_flow_value *v = planner_ike_flow(k, id, &x->d->sa, x->map->name, x->m->iface, &local, sel);
    name_ike(x, v, text != NULL);
    v->dynamic = true;
    planner_sa_ports(k, v, local.family);
    for (size_t n = 0; k->w->clients && n < k->w->clients->num; n++) {
        const struct plan_client *c = plan_item(k->w->clients, n);
        if (c->of == id) {
            add_client(x, c, text != NULL);
        }
    }
}

/* add_entry: a list's lines that deny are no network that a client may have, and take nothing from those that permit. */
static void add_entry(const struct entry *x)
{
    const struct conf_acl *acl = conf_entry_list(x->k->c, x->d);
    if (!x->d->acl[0]) {
        struct selector any = selector_any(AF_V4);
        add_template(x, &any, NULL);
    }
    for (const struct list *it = acl ? acl->aces.next : NULL; acl && it != &acl->aces; it = it->next) {
        const struct conf_ace *ace = CONTAINER_OF(it, struct conf_ace, link);
        if (!ace->remark[0] && ace->permit) {
            add_template(x, &ace->sel, ace->text);
        }
    }
}

void planner_dynamic(struct planner *k, struct plan_map *m, const struct conf_map *map)
{
    CONF_FOR(struct conf_map_entry, e, &map->entries)
    {
        const struct conf_map *d = e->dynamic[0] ? conf_dynamic_find(k->c, e->dynamic) : NULL;
        for (const struct list *it = d ? d->entries.next : NULL; d && it != &d->entries; it = it->next) {
            add_entry(&(struct entry){k, m, map, d, e, CONTAINER_OF(it, struct conf_map_entry, link)});
        }
    }
}
