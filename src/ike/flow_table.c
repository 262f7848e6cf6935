/*
 * flow_table.c: the flows as the configuration has them: by number, by peer, by the proxy identities of a quick
 * mode (RFC 2409 5.5). Finds; decides nothing. Who wants a negotiation is flow.c's.
 */
#include "ike/ike_int.h"

struct flow *flow_find(struct ike *ike, u32 id)
{
    LIST_FOR (it, &ike->flows) {
        struct flow *f = CONTAINER_OF(it, struct flow, link);
        if (f->v.flow == id) {
            return f;
        }
    }
    return NULL;
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

/* fits: 2 the same, 1 a part of ours, 0 neither. */
static int fits(const struct ike_flow_value *f, const struct selector *sel, bool absent)
{
    if (absent) { /* no identities: the two endpoints, whatever protocol (RFC 2409 5.5) */
        return prefix_equal(&f->sel.src, &sel->src) && prefix_equal(&f->sel.dst, &sel->dst) ? 2 : 0;
    }
    if (selector_equal(&f->sel, sel)) {
        return 2;
    }
    return !f->tunnel_if && selector_covers(&f->sel, sel) ? 1 : 0;
}

const struct flow *flow_by_proxy(struct ike *ike, const struct ike_sa *sa,
                                 const struct selector *sel, bool absent, struct draft *d)
{
    const struct flow *best = NULL, *near = NULL;
    int score = 0;
    char a[SELECTOR_STR], b[SELECTOR_STR];
    LIST_FOR (it, &ike->flows) {
        const struct flow *f = CONTAINER_OF(it, struct flow, link);
        if (!flow_has_peer(&f->v, &sa->remote.a) ||
            (f->v.local.family != AF_NONE && !addr_equal(&f->v.local, &sa->local.a))) {
            continue;
        }
        near = near ? near : f;
        int s = fits(&f->v, sel, absent);
        if (s > score) {
            score = s;
            best = f;
        }
    }
    if (!best && near) {
        draft_why(d, WHY_PROXY, "peer's proxies (ours -> theirs) %s, %s wants %s",
                  selector_str(a, sel), near->v.map, selector_str(b, &near->v.sel));
    } else if (!best) {
        draft_why(d, WHY_PROXY,
                  "peer's proxies (ours -> theirs) %s, but nothing is configured with this peer",
                  selector_str(a, sel));
    }
    return best;
}
