/*
 * manual.c: keys by hand (RFC 4301 4.5.1; `crypto map NAME SEQ ipsec-manual`, `set session-key`): whether they go with the
 * transform set, and what an entry lacks. Asked at the line (cli/cmd_conf_manual.c), of the whole model (audit.c), and when
 * the plan is made (sys/plan_manual.c), so nobody installs what another refused.
 */
#include "conf/conf.h"

static size_t bytes_of(const char *hex)
{
    return strlen(hex) / 2;
}

/* wrong_length: `want` bytes are needed and `key` has another number of them. */
static bool wrong_length(const char *key, size_t want, bool long_too, const char *what,
                         const char *of, char out[CONF_WHY])
{
    size_t have = bytes_of(key);
    if (have == want || (have > want && !long_too)) {
        return false;
    }
    snprintf(out, CONF_WHY, "%s has %zu bytes; expected %zu (%zu hexadecimal digits) for %s", what,
             have, want, 2 * want, of);
    return true;
}

bool conf_session_key_fault(const struct conf_session_key *k, const struct conf_transform_set *s,
                            bool ah, bool long_too, char out[CONF_WHY])
{
    if (!s) {
        return false;
    }
    enum hash_id auth = ah ? s->ah : s->auth;
    enum encr_id encr = ah ? ENCR_NONE : s->encr;
    const char *name = ah ? hash_row(auth)->ah : hash_row(auth)->ts;
    if (ah ? !auth : !encr) {
        snprintf(out, CONF_WHY,
                 "transform set %.60s has no %s; expected one with it, or no such key", s->name,
                 ah ? "AH" : "ESP");
        return true;
    }
    if (!ah && encr_row(encr)->key_len &&
        wrong_length(k->cipher, encr_row(encr)->key_len, long_too, "the cipher key",
                     encr_row(encr)->ts, out)) {
        return true;
    }
    if (auth && !k->auth[0] && !ah) {
        snprintf(
            out, CONF_WHY,
            "transform set %.60s authenticates: expected `authenticator` and a key of %u bytes",
            s->name, hash_row(auth)->len);
        return true;
    }
    return auth &&
           wrong_length(k->auth, hash_row(auth)->len, long_too, "the authenticator key", name, out);
}

bool conf_manual_set_fault(const struct conf_transform_set *s, char out[CONF_WHY])
{
    if (encr_row(s->encr)->mode >= ENCR_MODE_CTR) {
        snprintf(out, CONF_WHY,
                 "%s counts its IVs and would begin anew under the same key at each start (RFC "
                 "3686 2.1, RFC 4106 2); expected "
                 "esp-aes with an authenticator",
                 encr_row(s->encr)->ts);
        return true;
    }
    if (s->esn) {
        snprintf(
            out, CONF_WHY,
            "transform set %.60s says `esn`, which needs what IKE negotiates; expected one without",
            s->name);
        return true;
    }
    return false;
}

static bool lacks_key(const struct conf_session_key k[2], const struct conf_transform_set *s,
                      bool ah, char out[CONF_WHY])
{
    static const char *const ways[] = {[CONF_IN] = "inbound", [CONF_OUT] = "outbound"};
    for (enum conf_way way = CONF_IN; way <= CONF_OUT; way++) {
        if (!k[way].spi) {
            snprintf(out, CONF_WHY, "has no %s key: add `set session-key %s %s SPI ...`", ways[way],
                     ways[way], ah ? "ah" : "esp");
            return true;
        }
        if (conf_session_key_fault(&k[way], s, ah, false, out)) {
            return true;
        }
    }
    return false;
}

bool conf_manual_fault(const struct conf *c, const struct conf_map_entry *e, char out[CONF_WHY])
{
    const struct conf_transform_set *s = e->sa.num_sets ? conf_set_find(c, e->sa.sets[0]) : NULL;
    if (!s || !e->num_peers) {
        snprintf(out, CONF_WHY, "has no %s",
                 s ? "peer: add `set peer A`" : "transform set: add `set transform-set NAME`");
        return true;
    }
    if (conf_manual_set_fault(s, out) || (s->encr && lacks_key(e->esp, s, false, out)) ||
        (s->ah && lacks_key(e->ah, s, true, out))) {
        return true;
    }
    for (unsigned n = 0; n < 4; n++) { /* of two with one SPI neither is right */
        const struct conf_map *m;
        bool ah = n & 1;
        enum conf_way way = n & 2 ? CONF_OUT : CONF_IN;
        u32 spi = ah ? e->ah[way].spi : e->esp[way].spi;
        const struct conf_map_entry *o = spi ? conf_manual_taken(c, e, way, ah, spi, &m) : NULL;
        if (o) {
            snprintf(out, CONF_WHY, "has SPI %u, which crypto map %.40s %u has, too", spi, m->name,
                     o->seq);
            return true;
        }
    }
    return false;
}

const struct conf_map_entry *conf_manual_taken(const struct conf *c, const struct conf_map_entry *e,
                                               enum conf_way way, bool ah, u32 spi,
                                               const struct conf_map **out_map)
{
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        CONF_FOR(struct conf_map_entry, o, &m->entries)
        {
            /* RFC 4301 4.1: inbound the SPI is ours to choose; outbound it is the peer's */
            bool same = o->manual && (ah ? o->ah[way].spi : o->esp[way].spi) == spi &&
                        (way == CONF_IN ||
                         (o->num_peers && e->num_peers && conf_peer_equal(&o->peers[0], &e->peers[0])));
            if (o != e && same) {
                *out_map = m;
                return o;
            }
        }
    }
    return NULL;
}
