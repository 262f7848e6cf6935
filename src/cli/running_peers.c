/*
 * running_peers.c: whom IKE speaks with, as IOS lines: keyrings, pre-shared keys, single peers, isakmp profiles. Called by
 * running.c.
 */
#include "cli/cli_int.h"
#include "cli/running.h"

void running_hidden_key(struct strbuf *o, const struct conf *c, const struct conf_key *k)
{
    char purpose[KEY_PURPOSE], six[PASSWORD_TEXT6];
    bool hide = c->encrypt_keys && c->master.len &&
                password_hide6(six, &c->master, cli_key_purpose(purpose, k), k->key);
    sb_addf(o, "%s%s", hide ? "6 " : "", hide ? six : k->key);
}

static void network(struct strbuf *o, const struct prefix *p, bool host_too)
{
    char a[ADDR_STR], mk[ADDR_STR];
    sb_addf(o, "%s", addr_str(a, &p->a));
    if (p->a.family == AF_V6) {
        sb_addf(o, "/%u", p->len);
    } else if (p->len != 32 || host_too) {
        struct addr mask = addr_mask(AF_V4, p->len);
        sb_addf(o, " %s", addr_str(mk, &mask));
    }
}

static void whose(struct strbuf *o, const struct conf_key *k)
{
    if (k->name[0]) {
        sb_addf(o, "hostname %s", k->name);
    } else {
        sb_add(o, k->peer.a.family == AF_V6 ? "ipv6 " : "address ");
        network(o, &k->peer, false);
    }
}

static void local_address(struct strbuf *o, const char *indent, const struct conf_local *l)
{
    char a[ADDR_STR];
    if (l->iface[0] || l->addr.family) {
        sb_addf(o, "%slocal-address %s\n", indent, l->iface[0] ? l->iface : addr_str(a, &l->addr));
    }
}

static void text_line(struct strbuf *o, const char *before, const char *text)
{
    if (text[0]) {
        sb_addf(o, "%s%s\n", before, text);
    }
}

void running_client(struct strbuf *o, const char *before, const struct conf_client *k)
{
    if (k->authentication[0]) {
        sb_addf(o, "%sclient authentication list %s\n", before, k->authentication);
    }
    if (k->authorization[0]) {
        sb_addf(o, "%sisakmp authorization list %s\n", before, k->authorization);
    }
    if (k->initiate) {
        sb_addf(o, "%sclient configuration address initiate\n", before);
    }
    if (k->respond) {
        sb_addf(o, "%sclient configuration address respond\n", before);
    }
}

void running_keyrings(struct strbuf *o, const struct conf *c)
{
    CONF_FOR(struct conf_keyring, r, &c->keyrings)
    {
        sb_addf(o, "crypto keyring %s \n", r->name);
        text_line(o, "  description ", r->description);
        local_address(o, "  ", &r->local);
        CONF_FOR(struct conf_key, k, &r->keys)
        {
            sb_add(o, "  pre-shared-key ");
            whose(o, k);
            sb_add(o, " key ");
            running_hidden_key(o, c, k);
            sb_add(o, "\n");
        }
    }
}

void running_keys(struct strbuf *o, const struct conf *c)
{
    CONF_FOR(struct conf_key, k, &c->keys)
    {
        sb_add(o, "crypto isakmp key ");
        running_hidden_key(o, c, k);
        sb_add(o, " ");
        whose(o, k);
        sb_add(o, k->no_xauth ? " no-xauth\n" : "\n");
    }
}

static void running_match(struct strbuf *o, const struct conf_match *m)
{
    static const char *const words[] = {[CONF_MATCH_ADDRESS] = "address",
                                        [CONF_MATCH_HOST] = "host",
                                        [CONF_MATCH_HOST_DOMAIN] = "host domain",
                                        [CONF_MATCH_USER] = "user",
                                        [CONF_MATCH_USER_DOMAIN] = "user domain",
                                        [CONF_MATCH_GROUP] = "group"};
    sb_addf(o, "   match identity %s %s", words[m->kind], m->text);
    if (m->kind == CONF_MATCH_ADDRESS) {
        network(o, &m->net, true);
    }
    sb_add(o, m->kind == CONF_MATCH_ADDRESS ? " \n" : "\n");
}

static void running_profiles(struct strbuf *o, const struct conf *c)
{
    static const char *const self[] = {[CONF_SELF_ADDRESS] = "address", [CONF_SELF_FQDN] = "fqdn"};
    CONF_FOR(struct conf_isakmp_profile, p, &c->isakmp_profiles)
    {
        sb_addf(o, "crypto isakmp profile %s\n", p->name);
        text_line(o, "   description ", p->description);
        text_line(o, "   keyring ", p->keyring);
        text_line(o, "   ca trust-point ", p->trust);
        if (p->self == CONF_SELF_USER) {
            sb_addf(o, "   self-identity user-fqdn %s\n", p->self_user);
        } else if (p->self != CONF_SELF_DEFAULT) {
            sb_addf(o, "   self-identity %s\n", self[p->self]);
        }
        CONF_FOR(struct conf_match, m, &p->matches)
        {
            running_match(o, m);
        }
        running_client(o, "   ", &p->client);
        if (p->keepalive_s) {
            sb_addf(o, "   keepalive %u retry %u\n", p->keepalive_s, p->keepalive_retry_s);
        }
        sb_add(o, p->aggressive ? "   initiate mode aggressive\n" : "");
        local_address(o, "   ", &p->local);
    }
}

void running_peers(struct strbuf *o, const struct conf *c)
{
    static const char *const kind[] = {[CONF_SELF_ADDRESS] = "ipv4-address",
                                       [CONF_SELF_FQDN] = "fqdn",
                                       [CONF_SELF_USER] = "user-fqdn"};
    char a[ADDR_STR];
    sb_add(o, c->identity == CONF_SELF_FQDN      ? "crypto isakmp identity hostname\n"
              : c->identity == CONF_SELF_DN      ? "crypto isakmp identity dn\n"
              : c->identity == CONF_SELF_ADDRESS ? "crypto isakmp identity address\n"
                                                 : "");
    sb_add(o, c->frag_off ? "no crypto isakmp fragmentation\n" : "");
    if (c->limit_sa) {
        sb_addf(o, "crypto call admission limit ike sa %u\n", c->limit_sa);
    }
    if (c->limit_nego) {
        sb_addf(o, "crypto call admission limit ike in-negotiation-sa %u\n", c->limit_nego);
    }
    if (c->nat_keepalive_s) {
        sb_addf(o, "crypto isakmp nat keepalive %u\n", c->nat_keepalive_s);
    }
    sb_add(o, c->aggressive_off ? "crypto isakmp aggressive-mode disable\n" : "");
    CONF_FOR(struct conf_isakmp_peer, p, &c->peers)
    {
        struct conf_key k = {.peer = prefix_host(&p->peer)};
        sb_addf(o, "crypto isakmp peer address %s\n", addr_str(a, &p->peer));
        text_line(o, " description ", p->description);
        if (p->password[0]) {
            str_copy(k.key, sizeof k.key, p->password);
            sb_add(o, " set aggressive-mode password ");
            running_hidden_key(o, c, &k);
            sb_add(o, "\n");
        }
        if (p->endpoint != CONF_SELF_DEFAULT) {
            sb_addf(o, " set aggressive-mode client-endpoint %s %s\n", kind[p->endpoint],
                    p->endpoint_text);
        }
        mem_wipe(&k, sizeof k);
    }
    running_profiles(o, c);
}
