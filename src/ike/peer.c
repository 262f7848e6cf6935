/*
 * peer.c: far ends, by address: which SAs, pairs and flows belong to each, so that nobody walks
 * over those of the others. A far end is forgotten with the last thing that belongs to it.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

u32 peer_handle(const struct ike_peer *p)
{
    return 0x64000000u + p->number * 0x100u +
           0x0cu; /* stands for the address a router would print */
}

u64 peer_key(const struct ike *ike, const struct addr *a, u32 more)
{
    u8 b[21];
    b[0] = a->family;
    memcpy(b + 1, a->b, 16);
    put32(b + 17, more);
    return keyed_hash(ike->seed, b, sizeof b);
}

struct ike_peer *peer_find(const struct ike *ike, const struct addr *remote)
{
    struct ike_peer *p = map_get(&ike->peer_map, peer_key(ike, remote, 0));
    return p && addr_equal(&p->remote.a, remote) ? p : NULL;
}

struct ike_peer *peer_at(struct ike *ike, const struct addr *remote)
{
    struct ike_peer *p = peer_find(ike, remote);
    if (!p) {
        p = xcalloc(1, sizeof *p);
        p->remote.a = *remote;
        list_init(&p->sas);
        list_init(&p->children);
        list_init(&p->flows);
        list_push_back(&ike->peers, &p->link);
        map_put(&ike->peer_map, peer_key(ike, remote, 0), p);
    }
    return p;
}

struct ike_peer *peer_hold(struct ike *ike, const struct endpoint *local,
                           const struct endpoint *remote, const char *who)
{
    struct ike_peer *p = peer_at(ike, &remote->a);
    if (p->ike_refs++ == 0 && !p->number) {
        p->local = *local;
        p->remote = *remote;
        p->number = ++ike->next_number;
        ev_ike_peer_created(ike->log, 0, &remote->a,
                            &(struct evb_ike_peer_created){.port = remote->port,
                                                           .handle = peer_handle(p),
                                                           .number = 0x80000000u + p->number});
    }
    ev_ike_peer_lock(ike->log, 0, &remote->a,
                     &(struct evb_ike_peer_lock){.handle = peer_handle(p),
                                                 .what = ev_str("IKE"),
                                                 .refs = p->ike_refs,
                                                 .who = ev_str(who)});
    return p;
}

void peer_settle(struct ike *ike, struct ike_peer *p)
{
    if (p->ike_refs || p->num_old || !list_empty(&p->children)) {
        return;
    }
    if (p->number) {
        ev_ike_peer_gone(ike->log, 0, &p->remote.a,
                         &(struct evb_ike_peer_gone){.handle = peer_handle(p)});
        p->number = 0;
    }
    if (list_empty(&p->flows)) {
        map_del(&ike->peer_map, peer_key(ike, &p->remote.a, 0));
        list_remove(&p->link);
        free(p);
    }
}

void peer_release(struct ike *ike, struct ike_peer *p)
{
    if (p) {
        p->ike_refs--;
        peer_settle(ike, p);
    }
}
