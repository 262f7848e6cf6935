/*
 * secret.c: which pre-shared key belongs to a far end: by the name it gives itself where that is known before the keys are made
 * (aggressive mode, RFC 2409 5.4), else by its address, the longest prefix that has one. The keys are a table of the generation
 * (config.c): a chain for each prefix and each name, one key for each keyring that has one.
 */
#include "ike/ike_int.h"

#include <ctype.h>
#include <strings.h>

static u64 name_key(const struct ike *ike, const char *name)
{
    char low[IKE_ID_TEXT];
    size_t n = 0;
    for (; name[n] && n + 1 < sizeof low; n++) {
        low[n] = (char)tolower((unsigned char)name[n]);
    }
    return keyed_hash(ike->seed, low, n);
}

static u64 prefix_key(const struct ike *ike, const struct addr *peer, u8 len)
{
    struct prefix p = {*peer, len};
    prefix_normalise(&p);
    return peer_key(ike, &p.a, len + 1u);
}

u64 psk_key(const struct ike *ike, const struct ike_psk_value *v)
{
    return v->name[0] ? name_key(ike, v->name) : prefix_key(ike, &v->peer.a, v->peer.len);
}

/* may: the far end may be known by that key. */
static bool may(const struct conf_psk *k, const struct far_end *who)
{
    return (!who->keyring || strcmp(k->v.keyring, who->keyring) == 0) &&
           (k->v.local.family == AF_NONE || addr_equal(&k->v.local, &who->local));
}

static const struct ike_psk_value *by_name(const struct ike *ike, const struct far_end *who)
{
    const struct conf_psk *k = map_get(&ike->conf->psk_map, name_key(ike, who->name));
    while (k && !(k->v.name[0] && strcasecmp(k->v.name, who->name) == 0 && may(k, who))) {
        k = k->same;
    }
    return k ? &k->v : NULL;
}

const struct ike_psk_value *psk_find(const struct ike *ike, const struct far_end *who)
{
    const struct ike_conf *c = ike->conf;
    const struct ike_psk_value *named = who->name[0] ? by_name(ike, who) : NULL;
    for (int len = addr_bits(&who->addr); len >= 0 && !named; len--) { /* the longest match wins */
        if (!(c->psk_lens[len / 8] & 1u << len % 8)) {
            continue;
        }
        const struct conf_psk *k = map_get(&c->psk_map, prefix_key(ike, &who->addr, (u8)len));
        for (; k; k = k->same) {
            if (!k->v.name[0] && k->v.peer.len == len && k->v.peer.a.family == who->addr.family &&
                (len == 0 || prefix_contains(&k->v.peer, &who->addr)) && may(k, who)) {
                return &k->v;
            }
        }
    }
    return named;
}
