/*
 * config.c: configuration generations. BEGIN opens one, values fill it, COMMIT puts it in the place
 * of the old one whole. Flows that vanished or changed lose their SAs (the peer is told); policies
 * and keys count for the next negotiation; a peer without any flow loses its ISAKMP SA.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

struct ike_conf *config_new(void)
{
    struct ike_conf *c = xcalloc(1, sizeof *c);
    c->global.enabled = true;
    c->global.retransmit_ms = 10000;
    c->global.retransmit_tries = 5;
    return c;
}

void config_free(struct ike_conf *c)
{
    if (!c) {
        return;
    }
    for (struct conf_psk *p = c->psks; p; p = p->next) {
        secret_wipe(&p->v.key);
    }
    for (struct conf_peer *p = c->peers; p; p = p->next) {
        secret_wipe(&p->v.password);
    }
    for (struct conf_user *u = c->users; u; u = u->next) {
        mem_wipe(u->v.text, sizeof u->v.text);
    }
    for (struct conf_trust *t = c->trusts; t; t = t->next) {
        pki_trust_free(t->t);
    }
    map_free(&c->psk_map);
    map_free(&c->peer_map);
    arena_free(&c->arena);
    free(c);
}

static void add_policy(struct ike_conf *c, const struct ike_policy_value *v)
{
    struct conf_policy *n = arena_alloc(&c->arena, sizeof *n), **at = &c->policies;
    n->v = *v;
    while (*at && (*at)->v.priority <= v->priority) {
        at = &(*at)->next;
    }
    n->next = *at;
    *at = n;
}

static void add_psk(const struct ike *ike, struct ike_conf *c, const struct ike_psk_value *v)
{
    struct conf_psk *n = arena_alloc(&c->arena, sizeof *n);
    n->v = *v;
    n->next = c->psks;
    c->psks = n;
    if (!v->name[0] && v->peer.len > addr_bits(&v->peer.a)) {
        return;
    }
    if (!v->name[0]) {
        c->psk_lens[v->peer.len / 8] |= (u8)(1u << v->peer.len % 8);
    }
    n->same = map_get(&c->psk_map, psk_key(ike, v)); /* the last line of one keyring counts */
    map_put(&c->psk_map, psk_key(ike, v), n);
}

static void add_profile(struct ike_conf *c, const struct ike_profile_value *v)
{
    struct conf_profile *n = arena_alloc(&c->arena, sizeof *n);
    n->v = *v;
    *(c->last_profile ? &c->last_profile->next : &c->profiles) = n;
    c->last_profile = n;
}

static void add_match(struct ike_conf *c, const struct ike_match_value *v)
{
    struct conf_profile *p = c->last_profile;
    if (p && v->kind < IKE_MATCH_NUM) {
        struct conf_match *n = arena_alloc(&c->arena, sizeof *n);
        n->v = *v;
        *(p->last_match ? &p->last_match->next : &p->matches) = n;
        p->last_match = n;
    }
}

static void add_peer(const struct ike *ike, struct ike_conf *c, const struct ike_peer_value *v)
{
    struct conf_peer *n = arena_alloc(&c->arena, sizeof *n);
    n->v = *v;
    n->next = c->peers;
    c->peers = n;
    map_put(&c->peer_map, peer_key(ike, &v->peer, 0), n);
}

static void add_client(struct ike_conf *c, const struct ike_client_value *v)
{
    struct conf_client *n = arena_alloc(&c->arena, sizeof *n);
    n->v = *v;
    n->next = c->clients;
    c->clients = n;
}

static void add_user(struct ike_conf *c, const struct ike_user_value *v)
{
    struct conf_user *n = arena_alloc(&c->arena, sizeof *n);
    n->v = *v;
    n->next = c->users;
    c->users = n;
}

static void add_group(struct ike_conf *c, const struct ike_group_value *v)
{
    struct conf_group *n = arena_alloc(&c->arena, sizeof *n);
    n->v = *v;
    n->next = c->groups;
    c->groups = n;
}

static void add_split(struct ike_conf *c, const struct ike_split_value *v)
{
    struct conf_group *g = c->groups; /* the one it follows */
    if (g) {
        struct conf_split *n = arena_alloc(&c->arena, sizeof *n);
        n->v = *v;
        *(g->last_split ? &g->last_split->next : &g->splits) = n;
        g->last_split = n;
    }
}

static void add_trust(struct ike_conf *c, const struct ike_trust_value *v)
{
    struct conf_trust **at = &c->trusts;
    while (*at) {
        at = &(*at)->next;
    }
    *at = arena_alloc(&c->arena, sizeof **at);
    (*at)->v = *v;
    (*at)->v.name[sizeof v->name - 1] = 0;
    (*at)->t = pki_trust_new((*at)->v.name, (struct pki_policy){v->crl, v->ocsp, v->none});
}

/* add_parts: false: not all of it is for a trustpoint of this generation, or what it says it is. */
static bool add_parts(struct ike_conf *c, const u8 *p, size_t len)
{
    struct rd r = rd_init(p, len);
    bool ok = true;
    while (ok && rd_left(&r)) {
        u16 number = rd_u16(&r), part = rd_u16(&r);
        u32 size = rd_u32(&r);
        const u8 *der = rd_bytes(&r, size);
        struct conf_trust *t = c->trusts;
        while (t && t->v.number != number) {
            t = t->next;
        }
        ok = der && t && part < PKI_PARTS && pki_trust_add(t->t, (enum pki_part)part, der, size);
    }
    return ok && rd_done(&r);
}

bool ike_ctl_parts(struct ike *ike, const u8 *p, size_t len)
{
    if (ike->building && (len == 0 || add_parts(ike->building, p, len))) {
        for (struct conf_trust *t = ike->building->trusts; t; t = t->next) {
            t->kind = (u8)pki_trust_key(t->t);
        }
        return true;
    }
    config_free(ike->building);
    ike->building = NULL;
    return false;
}

static void add_flow(struct ike_conf *c, const struct ike_flow_value *v)
{
    struct conf_flow *n = arena_alloc(&c->arena, sizeof *n);
    n->v = *v;
    n->v.num_peers = MIN(v->num_peers, (u8)IKE_MAX_PEERS);
    n->v.num_transforms = MIN(v->num_transforms, (u8)IKE_MAX_TRANSFORMS);
    if (v->dynamic) {
        *(c->last_template ? &c->last_template->next : &c->templates) = n;
        c->last_template = n;
        return;
    }
    *(c->last_flow ? &c->last_flow->next : &c->flows) = n;
    c->last_flow = n;
}

static bool same_transform(const struct ike_transform *a, const struct ike_transform *b)
{
    return a->encr == b->encr && a->auth == b->auth && a->ah == b->ah && a->comp == b->comp && a->esn == b->esn && a->mode == b->mode && a->require == b->require;
}

/* same_flow: nothing changed that the SAs of the flow depend on. */
static bool same_flow(const struct ike_flow_value *a, const struct ike_flow_value *b)
{
    bool same = addr_equal(&a->local, &b->local) && a->num_peers == b->num_peers &&
                selector_equal(&a->sel, &b->sel) && a->num_transforms == b->num_transforms &&
                a->life_s == b->life_s && a->life_kb == b->life_kb &&
                a->pfs_group == b->pfs_group && a->client == b->client && a->listed == b->listed && a->any_mode == b->any_mode &&
                strcmp(a->profile, b->profile) == 0;
    for (unsigned i = 0; same && i < a->num_peers; i++) {
        same = addr_equal(&a->peer[i], &b->peer[i]);
    }
    for (unsigned i = 0; same && i < a->num_transforms; i++) {
        same = same_transform(&a->transform[i], &b->transform[i]);
    }
    return same;
}

static void drop_children(struct ike *ike, struct flow *f)
{
    LIST_FOR (it, &f->children) {
        child_delete(ike, CONTAINER_OF(it, struct child, flow_link), true);
    }
}

static void drop_of_peer(struct ike *ike, const struct ike_peer *p, u32 flow)
{
    LIST_FOR (it, &p->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, peer_link);
        LIST_FOR (n, &sa->nodes) {
            struct xch *x = CONTAINER_OF(n, struct xch, link);
            if (x->c.flow == flow && !x->gone_ms) {
                xch_free(ike, x);
            }
        }
    }
}

/* drop_exchanges: quick modes that negotiate for it, ours and the peers'. */
static void drop_exchanges(struct ike *ike, const struct flow *f)
{
    for (unsigned i = 0; i < f->v.num_peers; i++) {
        if (f->at_peer[i].peer) {
            drop_of_peer(ike, f->at_peer[i].peer, f->v.flow);
        }
    }
    if (!list_empty(&ike->any_flows)) { /* a flow with any peer: one of these it may be */
        LIST_FOR (it, &ike->peers) {
            drop_of_peer(ike, CONTAINER_OF(it, struct ike_peer, link), f->v.flow);
        }
    }
}

static void take_flow(struct ike *ike, const struct ike_flow_value *v)
{
    struct flow *f = flow_find(ike, v->flow);
    bool fresh = f == NULL, same = !fresh && same_flow(&f->v, v);
    if (fresh) {
        f = xcalloc(1, sizeof *f);
        f->timer.kind = TIMER_FLOW;
        list_init(&f->children);
        list_init(&f->old_sas);
        list_push_back(&ike->flows, &f->link);
    } else if (!same) {
        drop_children(ike, f);
        drop_exchanges(ike, f);
        flow_unindex(ike, f);
        f->peer = 0;
        f->state = FLOW_IDLE;
    }
    f->v = *v;
    f->keep = true;
    if (!same) {
        flow_index(ike, f);
        flow_arm(ike, f, 0);
        if (v->client) {
            flow_stay(ike, f);
        }
    }
    if (v->always_up && !child_of_flow(ike, v->flow) && f->state == FLOW_IDLE) {
        flow_arm(ike, f, env_now_ms(ike->clock));
        f->backoff_ms = 0;
    }
}

static void remove_flow(struct ike *ike, struct flow *f)
{
    drop_children(ike, f);
    drop_exchanges(ike, f);
    flow_unindex(ike, f);
    flow_arm(ike, f, 0);
    list_remove(&f->link);
    LIST_FOR (it, &f->old_sas) { /* restart.c removes them in its time */
        struct old_sa *o = CONTAINER_OF(it, struct old_sa, flow_link);
        list_remove(&o->flow_link);
        o->flow = NULL;
        timer_set(ike, &o->timer, env_now_ms(ike->clock));
    }
    free(f);
}

static void drop_lonely_sas(struct ike *ike)
{
    if (!list_empty(&ike->any_flows) || ike->conf->templates) {
        return; /* everybody is somebody's peer */
    }
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        if (list_empty(&sa->peer->flows)) {
            sa_delete(ike, sa, "no flow with this peer is configured any more", true);
        }
    }
}

static void commit(struct ike *ike)
{
    bool first = ike->conf->flows == NULL && !ike->asked_dp;
    struct ike_conf *old = ike->conf;
    ike->conf = ike->building;
    ike->building = NULL;
    LIST_FOR (it, &ike->flows) {
        CONTAINER_OF(it, struct flow, link)->keep = false;
    }
    for (struct conf_flow *n = ike->conf->flows; n; n = n->next) {
        take_flow(ike, &n->v);
    }
    LIST_FOR (it, &ike->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow, link);
        if (!f->keep) {
            remove_flow(ike, f);
        }
    }
    drop_lonely_sas(ike);
    config_free(old);
    restart_tell_dp(ike);
    LIST_FOR (it, &ike->sas) {
        struct ike_sa *sa = CONTAINER_OF(it, struct ike_sa, link);
        if (!sa->deleted && sa_authed(sa)) {
            live_arm(ike, sa);
        }
    }
    if (ike->conf->global.restarted && first) {
        restart_ask(ike);
    }
}

void config_msg(struct ike *ike, const struct ike_msg *m)
{
    if (m->type == IKE_CFG_BEGIN) {
        config_free(ike->building);
        ike->building = config_new();
        return;
    }
    if (!ike->building) {
        return;
    }
    switch (m->type) {
    case IKE_CFG_GLOBAL:
        ike->building->global = m->u.global;
        if (!m->u.global.retransmit_ms) {
            ike->building->global.retransmit_ms = 10000;
        }
        if (!m->u.global.retransmit_tries) {
            ike->building->global.retransmit_tries = 5;
        }
        break;
    case IKE_CFG_POLICY: add_policy(ike->building, &m->u.policy); break;
    case IKE_CFG_PSK: add_psk(ike, ike->building, &m->u.psk); break;
    case IKE_CFG_TRUST: add_trust(ike->building, &m->u.trust); break;
    case IKE_CFG_PROFILE: add_profile(ike->building, &m->u.profile); break;
    case IKE_CFG_MATCH: add_match(ike->building, &m->u.match); break;
    case IKE_CFG_PEER: add_peer(ike, ike->building, &m->u.peer); break;
    case IKE_CFG_CLIENT: add_client(ike->building, &m->u.client); break;
    case IKE_CFG_USER: add_user(ike->building, &m->u.user); break;
    case IKE_CFG_GROUP: add_group(ike->building, &m->u.group); break;
    case IKE_CFG_SPLIT: add_split(ike->building, &m->u.split); break;
    case IKE_CFG_FLOW: add_flow(ike->building, &m->u.flow); break;
    case IKE_CFG_COMMIT: commit(ike); break;
    default: break;
    }
}
