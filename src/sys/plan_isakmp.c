/*
 * plan_isakmp.c: whom IKE speaks with, of the model as values for ike: our identity, pre-shared keys, single peers, isakmp
 * profiles. Part of planner_ike_global (plan_crypto.c).
 */
#include "sys/plan_int.h"

void planner_self(const struct planner *k, enum conf_self kind, const char *text, struct ike_self *out)
{
    char fqdn[2 * CONF_NAME];
    out->type = kind == CONF_SELF_FQDN   ? IKE_SELF_FQDN
                : kind == CONF_SELF_USER ? IKE_SELF_USER_FQDN
                : kind == CONF_SELF_DN   ? IKE_SELF_DN
                                         : IKE_SELF_ADDRESS;
    out->said = kind != CONF_SELF_DEFAULT;
    str_copy(out->text, sizeof out->text, out->type && out->type != IKE_SELF_DN ? (text[0] ? text : conf_fqdn(k->c, fqdn)) : "");
}

static struct ike_psk_value *add_key(struct planner *k, const struct prefix *peer, const char *key)
{
    struct ike_psk_value *v = &planner_ike(k, IKE_CFG_PSK)->u.psk;
    v->peer = *peer;
    secret_set(&v->key, key, strlen(key));
    return v;
}

static void add_one(struct planner *k, const struct conf_key *key, const struct conf_keyring *r, const struct prefix *peer, const char *name)
{
    struct ike_psk_value *v = add_key(k, peer, key->key);
    str_copy(v->name, sizeof v->name, name);
    str_copy(v->keyring, sizeof v->keyring, r ? r->name : "");
    v->no_xauth = key->no_xauth;
    v->local = r ? conf_local_address(k->c, &r->local) : (struct addr){0};
}

/* add_keys: main mode finds a key by the address: a name that is known has that one, too. In front of the lines that say addresses:
 * of two for one host the last one counts, and what DNS says is nobody's word. */
static void add_keys(struct planner *k, const struct list *keys, const struct conf_keyring *r)
{
    CONF_FOR(struct conf_key, key, keys)
    {
        struct addr a;
        if (key->name[0] && planner_host(k, key->name, &a)) {
            const struct prefix host = prefix_host(&a);
            add_one(k, key, r, &host, "");
        }
    }
    CONF_FOR(struct conf_key, key, keys)
    {
        add_one(k, key, r, &key->peer, key->name);
    }
}

static void add_profile(struct planner *k, const struct conf_isakmp_profile *p)
{
    struct ike_profile_value *v = &planner_ike(k, IKE_CFG_PROFILE)->u.profile;
    str_copy(v->name, sizeof v->name, p->name);
    str_copy(v->keyring, sizeof v->keyring, p->keyring);
    str_copy(v->trust, sizeof v->trust, p->trust);
    v->local = conf_local_address(k->c, &p->local);
    v->self_set = p->self != CONF_SELF_DEFAULT;
    planner_self(k, p->self, p->self_user, &v->self);
    v->aggressive = p->aggressive;
    v->keepalive_set = p->keepalive_s != 0;
    v->keepalive_s = p->keepalive_s;
    v->keepalive_retry_s = p->keepalive_retry_s;
    CONF_FOR(struct conf_match, m, &p->matches)
    {
        struct ike_match_value *mv = &planner_ike(k, IKE_CFG_MATCH)->u.match;
        mv->kind = (u8)m->kind; /* the two lists are one (t_isakmp_values) */
        mv->net = m->net;
        str_copy(mv->text, sizeof mv->text, m->text);
    }
}

static void add_peer(struct planner *k, const struct conf_isakmp_peer *p)
{
    struct ike_peer_value *v = &planner_ike(k, IKE_CFG_PEER)->u.peer;
    v->peer = p->peer;
    v->aggressive = p->password[0] || p->endpoint != CONF_SELF_DEFAULT;
    v->self_set = p->endpoint != CONF_SELF_DEFAULT;
    planner_self(k, p->endpoint, p->endpoint_text, &v->self);
    if (p->password[0]) { /* the last line of a prefix counts: this one stands behind the keys */
        struct prefix host = prefix_host(&p->peer);
        add_key(k, &host, p->password);
    }
}

void planner_isakmp(struct planner *k)
{
    CONF_FOR(struct conf_keyring, r, &k->c->keyrings)
    {
        add_keys(k, &r->keys, r);
    }
    add_keys(k, &k->c->keys, NULL);
    CONF_FOR(struct conf_isakmp_peer, p, &k->c->peers)
    {
        add_peer(k, p);
    }
    CONF_FOR(struct conf_isakmp_profile, p, &k->c->isakmp_profiles)
    {
        add_profile(k, p);
    }
}
