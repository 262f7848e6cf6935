/*
 * plan_peer.c: the peers of a crypto map entry as addresses: what is configured, and what their names say now (`ip host`, DNS).
 */
#include "sys/plan_int.h"

bool planner_host(const struct planner *k, const char *name, struct addr *out)
{
    const struct conf_host *h = conf_host_find(k->c, name);
    if (h) {
        *out = h->a;
        return true;
    }
    return k->w->resolve && k->w->resolve(k->w->ctx, name, out) && addr_valid(out) && out->family;
}

bool planner_peers(const struct planner *k, const struct conf_map_entry *e, struct planner_peers *out)
{
    memset(out, 0, sizeof *out);
    for (unsigned n = 0; n < e->num_peers; n++) {
        const struct conf_peer *p = &e->peers[n];
        struct addr a = p->a;
        if (!p->name[0] || planner_host(k, p->name, &a)) {
            out->first = out->first || n == 0;
            out->a[out->num++] = a;
        }
    }
    return out->num != 0;
}

bool planner_between_peers(const struct planner_peers *peers, const struct addr *local, const struct selector *s)
{
    bool peer = false;
    for (unsigned n = 0; n < peers->num; n++) {
        peer = peer || addr_equal(&s->dst.a, &peers->a[n]);
    }
    return peer && addr_equal(&s->src.a, local) && s->src.len == addr_bits(&s->src.a) && s->dst.len == addr_bits(&s->dst.a);
}
