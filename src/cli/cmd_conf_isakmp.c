/*
 * cmd_conf_isakmp.c: whom IKE speaks with: pre-shared keys and keyrings, isakmp profiles, single peers, our identity (IOS 12.4).
 * Policies and what phase 2 is made of are in cmd_conf_crypto.c.
 */
#include "cli/cli_int.h"

#include <stdlib.h>

/* ---- how phase 1 begins, and who we are ---- */

bool cfg_aggressive_mode(struct cfg *k, const struct match *m)
{
    k->c->aggressive_off = !m->no;
    return true;
}

bool cfg_nat_transparency(struct cfg *k, const struct match *m)
{
    k->c->natt_off = m->no;
    return true;
}

bool cfg_isakmp_fragmentation(struct cfg *k, const struct match *m)
{
    k->c->frag_off = m->no;
    return true;
}

bool cfg_call_limit(struct cfg *k, const struct match *m)
{
    *(match_has(m, "sa") ? &k->c->limit_sa : &k->c->limit_nego) = m->no ? 0 : (u32)match_number(m, "num", 0);
    return true;
}

bool cfg_nat_keepalive(struct cfg *k, const struct match *m)
{
    k->c->nat_keepalive_s = m->no ? 0 : (u16)match_number(m, "secs", 0);
    return true;
}

bool cfg_isakmp_identity(struct cfg *k, const struct match *m)
{
    k->c->identity = m->no                      ? CONF_SELF_DEFAULT
                     : match_has(m, "hostname") ? CONF_SELF_FQDN
                     : match_has(m, "dn")       ? CONF_SELF_DN
                                                : CONF_SELF_ADDRESS;
    return true;
}

bool cfg_domain_name(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "domain");
    str_copy(k->c->domain, sizeof k->c->domain, m->no || !name ? "" : name);
    return true;
}

/* ---- pre-shared keys ---- */

/* key_peer: whose key a line is about: an address, a network, a name. */
static bool key_peer(struct cfg *k, const struct match *m, struct conf_key *out)
{
    const char *addr = match_text(m, "addr"), *mask = match_text(m, "mask"),
               *p6 = match_text(m, "prefix"), *name = match_text(m, "host");
    struct addr a;
    if (name) {
        return str_copy(out->name, sizeof out->name, name);
    }
    if (p6) {
        char buf[64];
        str_copy(buf, sizeof buf, p6);
        char *slash = strchr(buf, '/');
        *slash = 0;
        out->peer.len = (u8)atoi(slash + 1);
        return addr_parse(&out->peer.a, buf);
    }
    if (!addr || !addr_parse(&out->peer.a, addr)) {
        return cfg_fail(k, m, NULL, "the line ends too early; expected the peer's address or name");
    }
    out->peer = prefix_host(&out->peer.a);
    if (addr_is_any(&out->peer.a)) {
        out->peer.len = 0;
    }
    if (mask && (!addr_parse(&a, mask) || !addr_mask_len(&out->peer.len, &a))) {
        return cfg_fail(k, m, "mask", "a netmask has its one bits on the left: 255.255.255.0");
    }
    prefix_normalise(&out->peer);
    return true;
}

static bool same_peer(const struct conf_key *a, const struct conf_key *b)
{
    return a->name[0] || b->name[0] ? strcmp(a->name, b->name) == 0 : prefix_equal(&a->peer, &b->peer);
}

/* put_key: the key of the line into the list it belongs to, or out of it. */
static bool put_key(struct cfg *k, const struct match *m, struct list *where)
{
    struct conf_key read = {.src = k->src, .no_xauth = match_has(m, "no-xauth")};
    if (!key_peer(k, m, &read) || (!m->no && !cfg_key_text(k, m, &read, read.key))) {
        mem_wipe(&read, sizeof read);
        return false;
    }
    CONF_FOR(struct conf_key, old, where)
    {
        if (same_peer(old, &read)) {
            list_remove(&old->link);
        }
    }
    if (!m->no) {
        struct conf_key *n = arena_alloc(&k->c->arena, sizeof *n);
        *n = read;
        list_init(&n->link);
        list_push_back(where, &n->link);
    }
    mem_wipe(&read, sizeof read);
    return true;
}

bool cfg_isakmp_key(struct cfg *k, const struct match *m)
{
    return put_key(k, m, &k->c->keys);
}

bool cfg_keyring(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    struct conf_keyring *r = name ? conf_keyring_find(k->c, name) : NULL;
    if (m->no) {
        CONF_FOR(struct conf_isakmp_profile, p, &k->c->isakmp_profiles)
        {
            if (r && k->c->typing && strcmp(p->keyring, name) == 0) {
                return cfg_fail(k, m, "name", "keyring %.60s is in use by isakmp profile %.60s", name,
                                p->name);
            }
        }
        if (r) {
            list_remove(&r->link);
        }
        return true;
    }
    cfg_enter(k, M_KEYRING, r ? r : conf_keyring_get(k->c, name, k->src));
    return true;
}

bool cfg_ring_key(struct cfg *k, const struct match *m)
{
    return put_key(k, m, &((struct conf_keyring *)k->at)->keys);
}

/* local_of: an address, or an interface whose address it is when the plan is made. */
static bool local_of(struct cfg *k, const struct match *m, struct conf_local *out)
{
    const char *addr = match_text(m, "local"), *iface = match_text(m, "if");
    enum conf_if_kind kind;
    *out = (struct conf_local){0};
    if (m->no) {
        return true;
    }
    if (iface && !conf_if_canonical(out->iface, &kind, iface)) {
        return cfg_fail(k, m, "if", "no interface is called %.40s", iface);
    }
    return iface || addr_parse(&out->addr, addr) || cfg_fail(k, m, "local", "expected an address");
}

bool cfg_local_address(struct cfg *k, const struct match *m)
{
    return local_of(k, m,
                    k->mode == M_KEYRING ? &((struct conf_keyring *)k->at)->local
                                         : &((struct conf_isakmp_profile *)k->at)->local);
}

bool cfg_isakmp_text(struct cfg *k, const struct match *m)
{
    char *text = k->mode == M_KEYRING   ? ((struct conf_keyring *)k->at)->description
                 : k->mode == M_ISAPROF ? ((struct conf_isakmp_profile *)k->at)->description
                                        : ((struct conf_isakmp_peer *)k->at)->description;
    return cfg_text(k, m, text, CONF_NAME);
}

/* ---- isakmp profiles ---- */

/* profile_user: a crypto map or ipsec profile that names it; NULL: none. */
static const char *profile_user(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_profile, p, &c->profiles)
    {
        if (strcmp(p->sa.isakmp_profile, name) == 0) {
            return p->name;
        }
    }
    const struct list *maps[] = {&c->maps, &c->dynamics};
    for (unsigned n = 0; n < ARRAY_LEN(maps); n++) {
        CONF_FOR(struct conf_map, m, maps[n])
        {
            CONF_FOR(struct conf_map_entry, e, &m->entries)
            {
                if (strcmp(e->sa.isakmp_profile, name) == 0) {
                    return m->name;
                }
            }
        }
    }
    return NULL;
}

bool cfg_isakmp_profile(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    struct conf_isakmp_profile *p = name ? conf_isakmp_profile_find(k->c, name) : NULL;
    if (m->no) {
        const char *user = p && k->c->typing ? profile_user(k->c, name) : NULL;
        if (user) {
            return cfg_fail(k, m, "name", "isakmp profile %.60s is in use by %.60s", name, user);
        }
        if (p) {
            list_remove(&p->link);
        }
        return true;
    }
    if (!p && k->out) {
        sb_add(k->out, "% A profile is deemed incomplete until it has match identity statements\n");
    }
    cfg_enter(k, M_ISAPROF, p ? p : conf_isakmp_profile_get(k->c, name, k->src));
    return true;
}

bool cfg_prof_keyring(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_profile *p = k->at;
    str_copy(p->keyring, sizeof p->keyring, m->no ? "" : match_text(m, "keyring"));
    p->keyring_src = k->src;
    return true;
}

bool cfg_prof_trust(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_profile *p = k->at;
    const char *name = m->no ? "" : match_text(m, "trust");
    if (strlen(name) >= sizeof p->trust) {
        return cfg_fail(k, m, "trust", "the name is too long");
    }
    str_copy(p->trust, sizeof p->trust, name);
    p->trust_src = k->src;
    return true;
}

static enum conf_match_kind match_kind(const struct match *m)
{
    bool domain = match_has(m, "domain");
    return match_has(m, "address") ? CONF_MATCH_ADDRESS
           : match_has(m, "host")  ? (domain ? CONF_MATCH_HOST_DOMAIN : CONF_MATCH_HOST)
           : match_has(m, "user")  ? (domain ? CONF_MATCH_USER_DOMAIN : CONF_MATCH_USER)
                                   : CONF_MATCH_GROUP;
}

bool cfg_prof_match(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_profile *p = k->at;
    struct conf_key peer = {0};
    struct conf_match line = {.src = k->src, .kind = match_kind(m)};
    if (line.kind == CONF_MATCH_ADDRESS && !key_peer(k, m, &peer)) {
        return false;
    }
    line.net = peer.peer;
    if (line.kind != CONF_MATCH_ADDRESS && !match_text(m, "who")) {
        return cfg_fail(k, m, NULL, "the line ends too early; expected the name");
    }
    str_copy(line.text, sizeof line.text, line.kind == CONF_MATCH_ADDRESS ? "" : match_text(m, "who"));
    CONF_FOR(struct conf_match, old, &p->matches)
    {
        if (old->kind == line.kind && prefix_equal(&old->net, &line.net) && strcmp(old->text, line.text) == 0) {
            list_remove(&old->link);
        }
    }
    if (!m->no) {
        struct conf_match *n = arena_alloc(&k->c->arena, sizeof *n);
        *n = line;
        list_init(&n->link);
        list_push_back(&p->matches, &n->link);
    }
    return true;
}

bool cfg_prof_self(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_profile *p = k->at;
    const char *user = match_text(m, "who");
    p->self = m->no                         ? CONF_SELF_DEFAULT
              : match_has(m, "address")     ? CONF_SELF_ADDRESS
              : match_has(m, "fqdn")        ? CONF_SELF_FQDN
                                            : CONF_SELF_USER;
    str_copy(p->self_user, sizeof p->self_user, m->no || !user ? "" : user);
    return true;
}

bool cfg_prof_keepalive(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_profile *p = k->at;
    p->keepalive_s = m->no ? 0 : (u16)match_number(m, "secs", 0);
    p->keepalive_retry_s = m->no ? 0 : (u16)match_number(m, "retry", 0);
    return true;
}

bool cfg_prof_initiate(struct cfg *k, const struct match *m)
{
    ((struct conf_isakmp_profile *)k->at)->aggressive = !m->no;
    return true;
}

bool cfg_set_isakmp_profile(struct cfg *k, const struct match *m)
{
    struct conf_sa_params *p = k->mode == M_PROFILE ? &((struct conf_profile *)k->at)->sa
                                                    : &((struct conf_map_entry *)k->at)->sa;
    if (cfg_manual_refuses(k, m)) {
        return false;
    }
    str_copy(p->isakmp_profile, sizeof p->isakmp_profile, m->no ? "" : match_text(m, "profile"));
    p->isakmp_profile_src = k->src;
    return true;
}

/* ---- single peers ---- */

bool cfg_isakmp_peer(struct cfg *k, const struct match *m)
{
    struct addr a;
    if (!match_text(m, "peer") || !addr_parse(&a, match_text(m, "peer"))) {
        return cfg_fail(k, m, "peer", "expected the peer's address");
    }
    CONF_FOR(struct conf_isakmp_peer, p, &k->c->peers)
    {
        if (addr_equal(&p->peer, &a)) {
            if (m->no) {
                list_remove(&p->link);
                return true;
            }
            cfg_enter(k, M_PEER, p);
            return true;
        }
    }
    if (!m->no) {
        struct conf_isakmp_peer *p = arena_alloc(&k->c->arena, sizeof *p);
        p->src = k->src;
        p->peer = a;
        list_push_back(&k->c->peers, &p->link);
        cfg_enter(k, M_PEER, p);
    }
    return true;
}

bool cfg_peer_password(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_peer *p = k->at;
    struct conf_key of = {.peer = prefix_host(&p->peer)};
    bool ok = m->no || cfg_key_text(k, m, &of, of.key);
    if (ok) {
        str_copy(p->password, sizeof p->password, of.key);
    }
    mem_wipe(&of, sizeof of);
    return ok;
}

bool cfg_peer_endpoint(struct cfg *k, const struct match *m)
{
    struct conf_isakmp_peer *p = k->at;
    p->endpoint = m->no                         ? CONF_SELF_DEFAULT
                  : match_has(m, "ipv4-address") ? CONF_SELF_ADDRESS
                  : match_has(m, "fqdn")        ? CONF_SELF_FQDN
                                                : CONF_SELF_USER;
    const char *name = match_text(m, "who"), *addr = match_text(m, "addr");
    str_copy(p->endpoint_text, sizeof p->endpoint_text, m->no ? "" : name ? name : addr ? addr : "");
    return true;
}
