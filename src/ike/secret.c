/*
 * secret.c: which pre-shared key belongs to a far end: by its address, the longest prefix that has one. The keys are a table of
 * the generation (config.c), a map for each prefix length.
 */
#include "ike/ike_int.h"

u64 psk_key(const struct ike *ike, const struct addr *peer, u8 len)
{
    struct prefix p = {*peer, len};
    prefix_normalise(&p);
    return peer_key(ike, &p.a, len + 1u);
}

const struct ike_psk_value *psk_find(const struct ike *ike, const struct addr *peer)
{
    const struct ike_conf *c = ike->conf;
    for (int len = addr_bits(peer); len >= 0; len--) { /* the longest match wins */
        if (c->psk_lens[len / 8] & 1u << len % 8) {
            const struct conf_psk *k = map_get(&c->psk_map, psk_key(ike, peer, (u8)len));
            if (k && k->v.peer.len == len && k->v.peer.a.family == peer->family &&
                (len == 0 || prefix_contains(&k->v.peer, peer))) {
                return &k->v;
            }
        }
    }
    return NULL;
}
