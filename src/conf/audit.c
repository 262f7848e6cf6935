/*
 * audit.c: what is weak and what is missing in a whole model. Each weak algorithm in use is named once, with the
 * stronger choice; each reference to something that does not exist names where the operator wrote it.
 */
#include "conf/conf.h"

#include <stdlib.h>

struct audit {
    const struct conf *c;
    void (*found)(void *ctx, const struct conf_finding *f);
    void *ctx;
    u32 seen_encr, seen_hash, seen_group; /* bits: said already */
    bool seen_aggressive, seen_manual;
};

static void say(struct audit *a, struct conf_src src, bool weak, const char *what, const char *text)
{
    struct conf_finding f = {.src = src, .weak = weak};
    str_copy(f.what, sizeof f.what, what);
    str_copy(f.text, sizeof f.text, text);
    a->found(a->ctx, &f);
}

static void weak_encr(struct audit *a, struct conf_src src, enum encr_id e)
{
    if (encr_row(e)->weak && !(a->seen_encr & 1u << e)) {
        a->seen_encr |= 1u << e;
        say(a, src, true, encr_row(e)->human, encr_row(e)->weak);
    }
}

static void weak_hash(struct audit *a, struct conf_src src, enum hash_id h)
{
    if (hash_row(h)->weak && !(a->seen_hash & 1u << h)) {
        a->seen_hash |= 1u << h;
        say(a, src, true, hash_row(h)->human, hash_row(h)->weak);
    }
}

static void weak_group(struct audit *a, struct conf_src src, u16 id)
{
    const struct group_row *g = group_row(id);
    if (g && g->weak && !(a->seen_group & 1u << id)) {
        char what[32];
        snprintf(what, sizeof what, "Diffie-Hellman group %u", id);
        a->seen_group |= 1u << id;
        say(a, src, true, what, g->weak);
    }
}

static void check_sets(struct audit *a, const struct conf_sa_params *p, struct conf_src src,
                       const char *whose)
{
    char what[96];
    if (p->num_sets == 0) {
        snprintf(what, sizeof what, "%.60s has no transform set", whose);
        say(a, src, false, what, "add `set transform-set NAME`");
    }
    for (unsigned i = 0; i < p->num_sets; i++) {
        if (!conf_set_find(a->c, p->sets[i])) {
            snprintf(what, sizeof what, "transform set %.60s does not exist", p->sets[i]);
            say(a, p->sets_src, false, what, "define it with `crypto ipsec transform-set`");
        }
    }
    weak_group(a, src, p->pfs_group);
    if (p->isakmp_profile[0] && !conf_isakmp_profile_find(a->c, p->isakmp_profile)) {
        snprintf(what, sizeof what, "isakmp profile %.60s does not exist", p->isakmp_profile);
        say(a, p->isakmp_profile_src, false, what, "define it with `crypto isakmp profile NAME`");
    }
}

/* guessable: a line that makes phase 1 begin in aggressive mode with a pre-shared key, or one that only that mode can use. */
static void guessable(struct audit *a, struct conf_src src)
{
    if (!a->seen_aggressive) {
        a->seen_aggressive = true;
        say(a, src, true, "aggressive mode with a pre-shared key",
            "main mode or certificates: who listens, or asks, gets a hash to guess the key by");
    }
}

/* check_client: the lists that a crypto map or an isakmp profile names for its clients. */
static void check_client(struct audit *a, const struct conf_client *k, struct conf_src src, const char *whose)
{
    char text[160];
    if (k->authentication[0] && !conf_list_local(a->c, "authentication login", k->authentication)) {
        snprintf(text, sizeof text, "names a list that asks no user of this router, so every client is refused: add `aaa authentication login %.40s local`",
                 k->authentication);
        say(a, k->authentication_src, false, whose, text);
    }
    if (k->authorization[0] && !conf_list_local(a->c, "authorization network", k->authorization)) {
        snprintf(text, sizeof text, "names a list that no group of this router is on: add `aaa authorization network %.40s local`",
                 k->authorization);
        say(a, k->authorization_src, false, whose, text);
    }
    if ((k->respond || k->initiate) && !k->authorization[0]) {
        say(a, src, false, whose, "gives clients no address: it has no `isakmp authorization list`");
    }
}

static void check_group(struct audit *a, const struct conf_group *g)
{
    char what[96], whose[96];
    snprintf(whose, sizeof whose, "client configuration group %.60s", g->name);
    if (g->key[0]) {
        guessable(a, g->src);
    } else {
        say(a, g->src, false, whose, "has no key: add `key K`");
    }
    if (!g->pool[0]) {
        say(a, g->src, false, whose, "has no pool, so its clients get no address: add `pool NAME`");
    } else if (!conf_pool_find(a->c, g->pool)) {
        snprintf(what, sizeof what, "pool %.60s does not exist", g->pool);
        say(a, g->pool_src, false, what, "define it with `ip local pool NAME FIRST [LAST]`");
    }
    if (g->acl[0] && !conf_acl_find(a->c, g->acl)) {
        snprintf(what, sizeof what, "access list %.60s does not exist", g->acl);
        say(a, g->acl_src, false, what, "clients of the group send everything through the tunnel");
    }
}

static void check_isakmp(struct audit *a)
{
    char what[96];
    CONF_FOR(struct conf_isakmp_peer, p, &a->c->peers)
    {
        if (p->password[0] || p->endpoint != CONF_SELF_DEFAULT) {
            guessable(a, p->src);
        }
    }
    CONF_FOR(struct conf_key, k, &a->c->keys)
    {
        if (k->name[0]) {
            guessable(a, k->src);
        }
    }
    CONF_FOR(struct conf_group, g, &a->c->groups)
    {
        check_group(a, g);
    }
    CONF_FOR(struct conf_isakmp_profile, p, &a->c->isakmp_profiles)
    {
        snprintf(what, sizeof what, "isakmp profile %.60s", p->name);
        check_client(a, &p->client, p->client.address_src, what);
        if (p->aggressive) {
            guessable(a, p->src);
        }
        if (p->keyring[0] && !conf_keyring_find(a->c, p->keyring)) {
            snprintf(what, sizeof what, "keyring %.60s does not exist", p->keyring);
            say(a, p->keyring_src, false, what, "define it with `crypto keyring NAME`");
        }
        if (p->trust[0] && !conf_trustpoint_find(a->c, p->trust)) {
            snprintf(what, sizeof what, "trustpoint %.60s does not exist", p->trust);
            say(a, p->trust_src, false, what, "define it with `crypto pki trustpoint NAME`");
        }
        if (list_empty(&p->matches)) {
            snprintf(what, sizeof what, "isakmp profile %.60s", p->name);
            say(a, p->src, false, what, "has no match: add `match identity ...`");
        }
    }
}

static void say_stand(struct audit *a, const struct conf_map_entry *e, const char *whose)
{
    switch (conf_use_stand(a->c, NULL, &(struct conf_use){.of = e, .e = e})) {
    case CONF_PERMITS: break;
    case CONF_HELD: /* a file holds nothing */
    case CONF_NOTHING:
        if (!e->acl[0]) {
            say(a, e->src, false, whose, "has no access list: add `match address ACL`");
            break;
        }
        say(a, e->acl_src, false, whose,
            "names an access list without a line that permits: it protects nothing, and all of it "
            "may leave in clear");
        break;
    case CONF_EVERYTHING:
        say(a, e->acl_src, false, whose,
            "names an access list that does not exist or has no lines; all traffic of its "
            "interfaces is dropped");
        break;
    }
}

/* check_manual: an entry with keys by hand: what it lacks, and that it has them at all. */
static void check_manual(struct audit *a, const struct conf_map_entry *e, const char *whose)
{
    char why[CONF_WHY];
    const struct conf_acl *l = conf_entry_list(a->c, e);
    const struct conf_ace *first = NULL;
    if (!a->seen_manual) {
        a->seen_manual = true;
        say(a, e->src, true, "a manual key (no replay protection, no new keys)", "ipsec-isakmp");
    }
    if (conf_manual_fault(a->c, e, why)) {
        say(a, e->src, false, whose, why);
    }
    for (const struct list *it = l ? l->aces.next : NULL; it && it != &l->aces; it = it->next) {
        const struct conf_ace *x = CONTAINER_OF(it, struct conf_ace, link);
        if (x->permit && !x->remark[0] && first) {
            say(a, x->src, false, whose,
                "has keys for one pair of SAs: the first line that permits is protected by them, what this one and those "
                "behind it permit is dropped");
            return;
        }
        first = x->permit && !x->remark[0] ? x : first;
    }
}

static void check_map(struct audit *a, const struct conf_map *m)
{
    char whose[96];
    snprintf(whose, sizeof whose, "crypto map %.40s", m->name);
    check_client(a, &m->client, m->client.address_src, whose);
    CONF_FOR(struct conf_map_entry, e, &m->entries)
    {
        snprintf(whose, sizeof whose, "crypto map %.40s %u", m->name, e->seq);
        if (e->dynamic[0]) {
            if (!conf_dynamic_find(a->c, e->dynamic)) {
                snprintf(whose, sizeof whose, "dynamic map %.60s does not exist", e->dynamic);
                say(a, e->dynamic_src, false, whose, "define it with `crypto dynamic-map NAME SEQ`");
            }
            continue;
        }
        if (e->manual) {
            check_manual(a, e, whose);
        } else {
            check_sets(a, &e->sa, e->src, whose);
        }
        if (!e->num_peers && !e->manual) {
            say(a, e->src, false, whose, "has no peer: add `set peer A`");
        }
        say_stand(a, e, whose);
    }
}

static void check_dynamic(struct audit *a, const struct conf_map *m)
{
    char whose[96];
    CONF_FOR(struct conf_map_entry, e, &m->entries)
    {
        snprintf(whose, sizeof whose, "dynamic map %.40s %u", m->name, e->seq);
        check_sets(a, &e->sa, e->src, whose);
        if (e->acl[0]) { /* without one it is for any client */
            say_stand(a, e, whose);
        }
    }
}

static void check_if(struct audit *a, const struct conf_if *i)
{
    char what[96];
    if (i->crypto_map[0] && !conf_map_find(a->c, i->crypto_map)) {
        snprintf(what, sizeof what, "crypto map %.60s does not exist", i->crypto_map);
        say(a, i->crypto_map_src, false, what, "define it with `crypto map NAME SEQ ipsec-isakmp`");
    }
    if (i->kind != IFK_TUNNEL) {
        return;
    }
    if (i->tun.profile[0] && !conf_profile_find(a->c, i->tun.profile)) {
        snprintf(what, sizeof what, "ipsec profile %.60s does not exist", i->tun.profile);
        say(a, i->tun.profile_src, false, what, "define it with `crypto ipsec profile NAME`");
    }
    struct addr src = conf_tunnel_source(a->c, i);
    if (i->tun.dest.family && !src.family) {
        say(a, i->src, false, i->name, "has a destination but no source address");
    }
}

/* proves: some trustpoint has a certificate of ours, and a key of that kind for it. */
static bool proves(const struct conf *c, bool ec)
{
    CONF_FOR(struct conf_trustpoint, t, &c->trustpoints)
    {
        const struct conf_keypair *k = conf_trustpoint_key(c, t);
        if (conf_trustpoint_own(t) && k && k->ec == ec) {
            return true;
        }
    }
    return false;
}

/* asks_anybody: some crypto map or isakmp profile asks clients for a user. */
static bool asks_anybody(const struct conf *c)
{
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        if (m->client.authentication[0]) {
            return true;
        }
    }
    CONF_FOR(struct conf_isakmp_profile, p, &c->isakmp_profiles)
    {
        if (p->client.authentication[0]) {
            return true;
        }
    }
    return false;
}

static void check_policy(struct audit *a, const struct conf_isakmp_policy *p)
{
    char what[64];
    bool ec = p->auth == CONF_AUTH_ECDSA;
    if (p->auth != 1 && !proves(a->c, ec)) { /* 1: pre-share */
        snprintf(what, sizeof what, "crypto isakmp policy %u", p->priority);
        say(a, p->src, false, what,
            ec ? "authenticates with ECDSA, and no trustpoint has a certificate with its EC key"
               : "authenticates with RSA, and no trustpoint has a certificate with its RSA key");
    }
    if (p->auth == CONF_AUTH_HYBRID) {
        snprintf(what, sizeof what, "crypto isakmp policy %u", p->priority);
        say(a, p->src, true, "authentication hybrid-rsa", "rsa-sig: machines without a certificate get to the question for a user, so anybody may try passwords");
        if (!asks_anybody(a->c)) {
            say(a, p->src, false, what, "takes hybrid authentication, and no crypto map and no isakmp profile has a `client authentication list`, so nobody gets in by it");
        }
    }
}

static void check_trustpoint(struct audit *a, const struct conf_trustpoint *t)
{
    char what[96];
    const struct conf_cert *own = conf_trustpoint_own(t);
    bool crl_only = t->num_revocation == 1 && t->revocation[0] == CONF_REV_CRL;
    snprintf(what, sizeof what, "trustpoint %.60s", t->name);
    if (own && !conf_trustpoint_key(a->c, t)) {
        say(a, own->src, false, what, "has a certificate, and its key pair is not there");
    }
    if (crl_only && list_empty(&t->crls) && !list_empty(&t->certs)) {
        say(a, t->src, false, what,
            "wants a CRL and has none, so it takes no peer: `crl query file:NAME`, or "
            "`revocation-check none`");
    }
}

void conf_audit(const struct conf *c, void (*found)(void *ctx, const struct conf_finding *f),
                void *ctx)
{
    struct audit a = {.c = c, .found = found, .ctx = ctx};
    CONF_FOR(struct conf_isakmp_policy, p, &c->policies)
    {
        weak_encr(&a, p->src, p->encr);
        weak_hash(&a, p->src, p->hash);
        weak_group(&a, p->src, p->group);
        check_policy(&a, p);
    }
    CONF_FOR(struct conf_trustpoint, t, &c->trustpoints)
    {
        check_trustpoint(&a, t);
    }
    check_isakmp(&a);
    CONF_FOR(struct conf_transform_set, s, &c->sets)
    {
        weak_encr(&a, s->src, s->encr);
        weak_hash(&a, s->src, s->auth);
        weak_hash(&a, s->src, s->ah);
    }
    CONF_FOR(struct conf_profile, p, &c->profiles)
    {
        char whose[96];
        snprintf(whose, sizeof whose, "ipsec profile %.60s", p->name);
        check_sets(&a, &p->sa, p->src, whose);
    }
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        check_map(&a, m);
    }
    CONF_FOR(struct conf_map, d, &c->dynamics)
    {
        check_dynamic(&a, d);
    }
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        check_if(&a, i);
    }
    CONF_FOR(struct conf_ospf, p, &c->ospfs)
    {
        if (p != CONTAINER_OF(c->ospfs.next, struct conf_ospf, link)) {
            char whose[96];
            snprintf(whose, sizeof whose, "router ospf %u", p->pid);
            say(&a, p->src, false, whose, "is not run: there is one OSPF process, the first");
        }
    }
}

static bool too_many(struct conf_finding *out, const struct conf_src *src, const char *what,
                     unsigned most, const char *of)
{
    *out = (struct conf_finding){.src = *src};
    str_copy(out->what, sizeof out->what, what);
    snprintf(out->text, sizeof out->text, "more than %u %s; this line is the first too many", most,
             of);
    return false;
}

/* What is counted while a model is walked; tunnels have been counted when the lines are. */
struct count {
    const struct conf_limits *most;
    struct conf_finding *out;
    unsigned links, lines, covered, flows, manual;
    struct mask {
        u8 family, src, dst, any_proto;
    } *mask; /* owned, most->masks of them: of the link */
    unsigned masks;
    bool fits;
};

/* count_mask: as steer's table does. */
static void count_mask(struct count *n, const struct selector *s)
{
    const struct mask m = {s->src.a.family ? s->src.a.family : s->dst.a.family, s->src.len,
                           s->dst.len, s->proto == 0};
    for (unsigned i = 0; i < MIN(n->masks, n->most->masks); i++) {
        if (memcmp(&n->mask[i], &m, sizeof m) == 0) {
            return;
        }
    }
    if (n->masks < n->most->masks) {
        n->mask[n->masks] = m;
    }
    n->masks++;
}

static void count_line(void *ctx, const struct conf_map_entry *e, const struct conf_ace *ace,
                       u32 block)
{
    struct count *n = ctx;
    (void)block;
    n->covered++;
    n->lines += e != NULL;
    n->flows += e && ace->permit;
    n->manual += e && e->manual && ace->permit;
    if (ace->permit) {
        count_mask(n, &ace->sel);
    }
    /* `everything` of IPv4 and of IPv6 must always find room (cover.c) */
    const unsigned reserve = e ? 2 : 0;
    if (!n->fits) {
        return;
    }
    if (n->lines > n->most->lines) {
        n->fits = too_many(n->out, &ace->src, "crypto map", n->most->lines,
                           "lines of access lists in crypto maps");
    } else if (n->flows > n->most->flows) {
        n->fits = too_many(n->out, &ace->src, "crypto map", n->most->flows,
                           "flows: each line that permits is one, each protected tunnel one");
    } else if (n->manual > n->most->manual) {
        n->fits = too_many(n->out, &ace->src, "crypto map", n->most->manual,
                           "lines that permit in entries with manual keys");
    } else if (n->covered > n->most->covered) {
        n->fits = too_many(n->out, &ace->src, "crypto map", n->most->covered,
                           "lines with those that go when everybody has left configuration mode");
    } else if (n->masks + reserve > n->most->masks) {
        n->fits = too_many(n->out, &ace->src, "crypto map", n->most->masks - reserve,
                           "different pairs of prefix lengths in the lines of one link");
    }
}

static bool tunnels_fit(const struct conf *c, const struct conf_limits *most, struct count *n,
                        struct conf_finding *out)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        const char *number = i->name + strcspn(i->name, "0123456789");
        if (i->kind == IFK_TUNNEL && strtoul(number, NULL, 10) >= most->tunnels) {
            *out = (struct conf_finding){.src = i->src};
            str_copy(out->what, sizeof out->what, i->name);
            snprintf(out->text, sizeof out->text, "tunnels have the numbers 0 to %u",
                     most->tunnels - 1);
            return false;
        }
        n->flows += i->kind == IFK_TUNNEL && i->tun.profile[0];
    }
    return true;
}

bool conf_fits(const struct conf *c, const struct conf_limits *most, struct conf_finding *out)
{
    struct count n = {.most = most, .out = out};
    n.mask = xcalloc(most->masks, sizeof *n.mask);
    n.fits = tunnels_fit(c, most, &n, out);
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        bool covers = n.fits && conf_if_covers(c, i);
        n.masks = 0;
        if (covers && ++n.links > most->links) {
            n.fits = too_many(out, &i->crypto_map_src, "crypto map", most->links,
                              "interfaces with a crypto map, or what they had of one until "
                              "everybody has left configuration mode");
        } else if (covers) {
            conf_if_covered(c, i, count_line, &n);
        }
    }
    free(n.mask);
    return n.fits;
}
