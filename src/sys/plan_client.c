/*
 * plan_client.c: clients of the model as values for ike: what is asked of those who begin phase 1 with us, users, groups and their
 * networks. Part of planner_ike_global (plan_crypto.c).
 */
#include "sys/plan_int.h"

static bool asks_local(const struct planner *k, const struct conf_client *c)
{
    return c->authentication[0] && conf_list_local(k->c, "authentication login", c->authentication);
}

static void add_client(struct planner *k, const struct conf_client *c, const struct addr *local, const char *profile)
{
    struct ike_client_value *v = &planner_ike(k, IKE_CFG_CLIENT)->u.client;
    v->local = *local;
    str_copy(v->profile, sizeof v->profile, profile);
    v->xauth = c->authentication[0] != 0;
    v->users = asks_local(k, c);
    v->answer = c->authorization[0] && c->respond;
    v->push = c->authorization[0] && c->initiate;
}

static bool asks(const struct conf_client *c)
{
    return c->authentication[0] || c->authorization[0] || c->respond || c->initiate;
}

/* clients_of_maps: whoever begins at an address that a map speaks from. True: a list of this router's users is asked. */
static bool clients_of_maps(struct planner *k)
{
    bool local_users = false;
    CONF_FOR(struct conf_if, i, &k->c->ifs)
    {
        const struct conf_map *m = i->crypto_map[0] && !i->shutdown ? conf_map_find(k->c, i->crypto_map) : NULL;
        for (unsigned n = 0; m && asks(&m->client) && n < 2; n++) {
            struct addr local = conf_if_address(k->c, m->local_if[0] ? m->local_if : i->name, n ? AF_V6 : AF_V4);
            if (local.family) {
                add_client(k, &m->client, &local, "");
                local_users |= asks_local(k, &m->client);
            }
        }
    }
    return local_users;
}

/* add_users: one without a password proves nothing and is left out. */
static void add_users(struct planner *k)
{
    CONF_FOR(struct conf_user, u, &k->c->users)
    {
        if (u->password.text[0]) {
            struct ike_user_value *v = &planner_ike(k, IKE_CFG_USER)->u.user;
            str_copy(v->name, sizeof v->name, u->name);
            v->type = u->password.type;
            str_copy(v->text, sizeof v->text, u->password.text);
        }
    }
}

static bool is_split(const struct conf_ace *ace)
{
    return !ace->remark[0] && ace->permit && ace->sel.src.a.family == AF_V4;
}

/* add_splits: what a client sends through the tunnel: the sources of the lines that permit. One of them that is any source, or more
 * of them than there is room for: no list, and everything goes through it. */
static void add_splits(struct planner *k, const struct conf_acl *acl)
{
    unsigned num = 0;
    CONF_FOR(struct conf_ace, ace, &acl->aces)
    {
        num += is_split(ace);
        if (num > IKE_MAX_SPLITS || (is_split(ace) && !ace->sel.src.len)) {
            return;
        }
    }
    CONF_FOR(struct conf_ace, ace, &acl->aces)
    {
        if (is_split(ace)) {
            planner_ike(k, IKE_CFG_SPLIT)->u.split.net = ace->sel.src;
        }
    }
}

static void add_group(struct planner *k, const struct conf_group *g)
{
    const struct conf_pool *p = conf_pool_find(k->c, g->pool);
    const struct conf_acl *acl = g->acl[0] ? conf_acl_find(k->c, g->acl) : NULL;
    if (g->key[0]) {
        struct ike_psk_value *key = &planner_ike(k, IKE_CFG_PSK)->u.psk;
        str_copy(key->name, sizeof key->name, g->name);
        secret_set(&key->key, g->key, strlen(g->key));
    }
    struct ike_group_value *v = &planner_ike(k, IKE_CFG_GROUP)->u.group;
    str_copy(v->name, sizeof v->name, g->name);
    v->pool_lo = p ? p->lo : (struct addr){0};
    v->pool_hi = p ? p->hi : (struct addr){0};
    v->netmask = g->netmask;
    memcpy(v->dns, g->dns, sizeof v->dns);
    memcpy(v->nbns, g->wins, sizeof v->nbns);
    str_copy(v->domain, sizeof v->domain, g->domain);
    str_copy(v->banner, sizeof v->banner, g->banner);
    v->save_password = g->save_password;
    v->include_local_lan = g->include_local_lan;
    v->pfs = g->pfs;
    if (acl) {
        add_splits(k, acl);
    }
}

void planner_clients(struct planner *k)
{
    bool local_users = clients_of_maps(k);
    CONF_FOR(struct conf_isakmp_profile, p, &k->c->isakmp_profiles)
    {
        if (asks(&p->client)) {
            add_client(k, &p->client, &(struct addr){0}, p->name);
            local_users |= asks_local(k, &p->client);
        }
    }
    if (local_users) {
        add_users(k);
    }
    CONF_FOR(struct conf_group, g, &k->c->groups)
    {
        add_group(k, g);
    }
}
