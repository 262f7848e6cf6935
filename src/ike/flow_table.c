/*
 * flow_table.c: the flows as the configuration has them: by number, by peer, by the proxy
 * identities of a quick mode (RFC 2409 5.5). Finds; decides nothing. Who wants a negotiation is
 * flow.c's.
 */
#include "ike/unproved.h"

#include <stdlib.h>

struct flow *flow_find(const struct ike *ike, u32 id)
{
    return map_get(&ike->flow_map, id);
}

bool flow_has_peer(const struct ike_flow_value *v, const struct addr *remote)
{
    for (unsigned i = 0; i < v->num_peers && i < IKE_MAX_PEERS; i++) {
        if (addr_is_any(&v->peer[i]) || addr_equal(&v->peer[i], remote)) {
            return true;
        }
    }
    return false;
}

const struct addr *flow_peer(const struct flow *f)
{
    return f->peer < f->v.num_peers ? &f->v.peer[f->peer] : NULL;
}

/* ---- by proxy identities ---- */

static size_t put_addr(u8 *b, const struct addr *a)
{
    b[0] = a->family;
    memcpy(b + 1, a->b, 16);
    return 17;
}

static u64 proxy_key(const struct ike *ike, const struct addr *local, const struct addr *remote,
                     const struct selector *s)
{
    static const struct addr any = {0};
    u8 b[4 * 17 + 11];
    size_t n = put_addr(b, local && local->family ? local : &any);
    n += put_addr(b + n, remote && !addr_is_any(remote) ? remote : &any);
    n += put_addr(b + n, &s->src.a);
    n += put_addr(b + n, &s->dst.a);
    b[n++] = s->src.len;
    b[n++] = s->dst.len;
    b[n++] = s->proto;
    put16(b + n, s->sport_lo), put16(b + n + 2, s->sport_hi);
    put16(b + n + 4, s->dport_lo), put16(b + n + 6, s->dport_hi);
    return keyed_hash(ike->seed, b, n + 8);
}

/* proxies_of: all the keys a flow is found by, one for each peer. */
static unsigned proxies_of(const struct ike *ike, const struct flow *f, u64 key[IKE_MAX_PEERS])
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->v.num_peers; i++) {
        key[n++] = proxy_key(ike, &f->v.local, &f->v.peer[i], &f->v.sel);
    }
    return n;
}

void flow_index(struct ike *ike, struct flow *f)
{
    u64 key[IKE_MAX_PEERS];
    unsigned n = proxies_of(ike, f, key);
    map_put(&ike->flow_map, f->v.flow, f);
    for (unsigned i = 0; i < n; i++) {
        bool any = addr_is_any(&f->v.peer[i]);
        f->at_peer[i].flow = f;
        f->at_peer[i].peer = any ? NULL : peer_at(ike, &f->v.peer[i]);
        list_push_back(any ? &ike->any_flows : &f->at_peer[i].peer->flows, &f->at_peer[i].link);
        if (!map_get(&ike->flow_proxy, key[i])) { /* the first line wins */
            map_put(&ike->flow_proxy, key[i], f);
        }
    }
}

void flow_unindex(struct ike *ike, struct flow *f)
{
    u64 key[IKE_MAX_PEERS];
    unsigned n = proxies_of(ike, f, key);
    map_del(&ike->flow_map, f->v.flow);
    for (unsigned i = 0; i < n; i++) {
        if (map_get(&ike->flow_proxy, key[i]) == f) {
            map_del(&ike->flow_proxy, key[i]);
        }
        list_remove(&f->at_peer[i].link);
        if (f->at_peer[i].peer) {
            peer_settle(ike, f->at_peer[i].peer);
        }
    }
}

static const struct flow *exact(const struct ike *ike, const struct ike_sa *sa,
                                const struct selector *sel)
{
    const struct addr *local[] = {&sa->local.a, NULL}, *remote[] = {&sa->remote.a, NULL};
    for (unsigned i = 0; i < 4; i++) {
        const struct flow *f =
            map_get(&ike->flow_proxy, proxy_key(ike, local[i & 1], remote[i >> 1], sel));
        if (f && selector_equal(&f->v.sel, sel) && flow_has_peer(&f->v, &sa->remote.a) &&
            (f->v.local.family == AF_NONE || addr_equal(&f->v.local, &sa->local.a))) {
            return f;
        }
    }
    return NULL;
}

/* endpoints: no identities in the message: the two endpoints, whatever protocol (RFC 2409 5.5) */
static const struct flow *endpoints(const struct ike *ike, const struct ike_sa *sa,
                                    struct selector sel)
{
    static const u8 protos[] = {0, 47, 4, 41};
    const struct flow *f = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(protos) && !f; i++) {
        sel.proto = protos[i];
        f = exact(ike, sa, &sel);
    }
    return f;
}

/* ---- clients ---- */

/* may_claim: what a client may call its own side: the address we gave it, only that; else, when a list says which networks clients may
 * have, what the list says, and without one its own address as it is seen here. */
static bool may_claim(const struct ike_sa *sa, const struct ike_flow_value *v, const struct selector *sel)
{
    bool host = sel->dst.len == addr_bits(&sel->dst.a);
    return sa->c.client.family ? host && addr_equal(&sel->dst.a, &sa->c.client)
                               : v->listed || (host && addr_equal(&sel->dst.a, &sa->remote.a));
}

const struct ike_flow_value *flow_template(const struct ike *ike, const struct ike_sa *sa, const struct selector *sel)
{
    for (const struct conf_flow *t = ike->conf->templates; t; t = t->next) {
        if ((t->v.local.family == AF_NONE || addr_equal(&t->v.local, &sa->local.a)) &&
            sa_of_profile(sa, t->v.profile) && selector_covers(&t->v.sel, sel) && may_claim(sa, &t->v, sel)) {
            return &t->v;
        }
    }
    return NULL;
}

/* another_has: a client's flow carries a pair of somebody who proved another identity. */
static bool another_has(const struct ike *ike, const struct flow *f, const struct ike_sa *sa)
{
    u64 who = sa_who(ike, sa);
    for (const struct list *it = f->children.next; it != &f->children; it = it->next) {
        const struct child *c = CONTAINER_OF(it, struct child, flow_link);
        if (c->up_ms && !c->closing && c->who != who) {
            return true;
        }
    }
    return false;
}

/* not_this_client: why a flow is not for who asks; NULL: it is. */
static const char *not_this_client(const struct ike *ike, const struct flow *f, const struct ike_sa *sa, const struct selector *sel)
{
    if (!f->v.client && core_unproved(&sa->c)) {
        return "a user with hybrid authentication gets what a dynamic map has for clients, and nothing of a peer's";
    }
    return !f->v.client                   ? NULL
           : !may_claim(sa, &f->v, sel) ? "that is not the address which this client was given, or speaks from"
           : another_has(ike, f, sa)    ? "another client has it"
                                        : NULL;
}

const struct flow *flow_by_proxy(struct ike *ike, const struct ike_sa *sa,
                                 const struct selector *sel, bool absent, struct draft *d)
{
    const struct flow *f = absent ? endpoints(ike, sa, *sel) : exact(ike, sa, sel);
    char a[SELECTOR_STR], b[SELECTOR_STR];
    const char *not_its = f ? not_this_client(ike, f, sa, sel) : NULL;
    const struct ike_flow_value *t = !f && !absent ? flow_template(ike, sa, sel) : NULL;
    if (not_its) {
        draft_why(d, WHY_PROXY, "peer's proxies (ours -> theirs) %s: %s", selector_str(a, sel), not_its);
        return NULL;
    }
    if (f && sa_of_profile(sa, f->v.profile)) {
        return f;
    }
    if (t) {
        d->want = t->flow;
        return NULL;
    }
    if (f) {
        draft_why(d, WHY_PROFILE, "%s wants isakmp profile %s, and the peer authenticated itself under %s%s",
                  f->v.map, f->v.profile, sa->c.profile[0] ? "profile " : "none", sa->c.profile);
        return NULL;
    }
    const struct list *known = !list_empty(&sa->peer->flows) ? &sa->peer->flows : &ike->any_flows;
    if (!list_empty(known)) {
        const struct flow *near = CONTAINER_OF(known->next, struct flow_ref, link)->flow;
        draft_why(d, WHY_PROXY, "peer's proxies (ours -> theirs) %s, %s wants %s",
                  selector_str(a, sel), near->v.map, selector_str(b, &near->v.sel));
    } else if (ike->conf->templates) {
        draft_why(d, WHY_PROXY, "peer's proxies (ours -> theirs) %s: no dynamic map lets this client have that", selector_str(a, sel));
    } else {
        draft_why(d, WHY_PROXY,
                  "peer's proxies (ours -> theirs) %s, but nothing is configured with this peer",
                  selector_str(a, sel));
    }
    return NULL;
}
