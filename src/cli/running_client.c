/*
 * running_client.c: what clients are told, as IOS lines: groups (crypto isakmp client configuration group), pools of addresses.
 * Called by running.c.
 */
#include "cli/cli_int.h"
#include "cli/running.h"

static void word(struct strbuf *o, const char *name, const char *text)
{
    if (text[0]) {
        sb_addf(o, " %s %s\n", name, text);
    }
}

static void addresses(struct strbuf *o, const char *name, const struct addr *a, unsigned num)
{
    char s[ADDR_STR];
    if (!a[0].family) {
        return;
    }
    sb_addf(o, " %s", name);
    for (unsigned i = 0; i < num && a[i].family; i++) {
        sb_addf(o, " %s", addr_str(s, &a[i]));
    }
    sb_add(o, "\n");
}

void running_groups(struct strbuf *o, const struct conf *c)
{
    CONF_FOR(struct conf_group, g, &c->groups)
    {
        struct conf_key k = {0};
        sb_addf(o, "crypto isakmp client configuration group %s\n", g->name);
        if (g->key[0]) {
            str_copy(k.name, sizeof k.name, g->name);
            str_copy(k.key, sizeof k.key, g->key);
            sb_add(o, " key ");
            running_hidden_key(o, c, &k);
            sb_add(o, "\n");
        }
        mem_wipe(&k, sizeof k);
        addresses(o, "dns", g->dns, ARRAY_LEN(g->dns));
        addresses(o, "wins", g->wins, ARRAY_LEN(g->wins));
        word(o, "domain", g->domain);
        word(o, "pool", g->pool);
        word(o, "acl", g->acl);
        sb_add(o, g->save_password ? " save-password\n" : "");
        sb_add(o, g->include_local_lan ? " include-local-lan\n" : "");
        sb_add(o, g->pfs ? " pfs\n" : "");
        if (g->max_users) {
            sb_addf(o, " max-users %u\n", g->max_users);
        }
        addresses(o, "netmask", &g->netmask, 1);
        if (g->banner[0]) {
            sb_addf(o, " banner ^C%s^C\n", g->banner);
        }
    }
}

void running_pools(struct strbuf *o, const struct conf *c)
{
    char a[ADDR_STR], b[ADDR_STR];
    CONF_FOR(struct conf_pool, p, &c->pools)
    {
        bool one = addr_equal(&p->lo, &p->hi);
        sb_addf(o, "ip local pool %s %s%s%s\n", p->name, addr_str(a, &p->lo), one ? "" : " ", one ? "" : addr_str(b, &p->hi));
    }
}
