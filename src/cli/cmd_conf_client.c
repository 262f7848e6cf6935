/*
 * cmd_conf_client.c: clients of a gateway (IOS 12.4, Easy VPN server): groups and what they are told, pools of addresses, what a crypto map
 * or an isakmp profile asks of clients, dynamic maps. Users are cmd_conf_secret.c's.
 */
#include "cli/cli_int.h"

bool cfg_client_group(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    if (m->no) {
        struct conf_group *g = name ? conf_group_find(k->c, name) : NULL;
        if (g) {
            mem_wipe(g->key, sizeof g->key);
            list_remove(&g->link);
        }
        return true;
    }
    cfg_enter(k, M_GROUP, conf_group_get(k->c, name, k->src));
    return true;
}

bool cfg_group_key(struct cfg *k, const struct match *m)
{
    struct conf_group *g = k->at;
    struct conf_key of = {0};
    str_copy(of.name, sizeof of.name, g->name); /* a key by name is bound to it */
    bool ok = m->no || cfg_key_text(k, m, &of, of.key);
    if (ok) {
        mem_wipe(g->key, sizeof g->key);
        str_copy(g->key, sizeof g->key, of.key);
    }
    mem_wipe(&of, sizeof of);
    return ok;
}

bool cfg_group_name(struct cfg *k, const struct match *m)
{
    struct conf_group *g = k->at;
    bool pool = match_has(m, "pool"), acl = match_has(m, "acl");
    const char *text = match_text(m, pool ? "pool" : acl ? "acl" : "domain");
    str_copy(pool ? g->pool : acl ? g->acl : g->domain, CONF_NAME, m->no ? "" : text);
    if (pool || acl) {
        *(pool ? &g->pool_src : &g->acl_src) = k->src;
    }
    return true;
}

bool cfg_group_addr(struct cfg *k, const struct match *m)
{
    struct conf_group *g = k->at;
    struct addr a[2] = {0};
    const char *one = match_text(m, "addr"), *two = match_text(m, "addr2");
    u8 len;
    if (!m->no && (!one || !addr_parse(&a[0], one) || (two && !addr_parse(&a[1], two)))) {
        return cfg_fail(k, m, "addr", "expected an address");
    }
    if (match_has(m, "netmask")) {
        if (!m->no && !addr_mask_len(&len, &a[0])) {
            return cfg_fail(k, m, "addr", "a netmask has its one bits on the left: 255.255.255.0");
        }
        g->netmask = a[0];
        return true;
    }
    memcpy(match_has(m, "dns") ? g->dns : g->wins, a, sizeof a);
    return true;
}

/* cfg_group_banner: the text stands between two of its first character; ^C is IOS's way to show control-C. */
bool cfg_group_banner(struct cfg *k, const struct match *m)
{
    struct conf_group *g = k->at;
    const char *text = match_text(m, "text");
    if (m->no) {
        g->banner[0] = 0;
        return true;
    }
    size_t mark = strncmp(text, "^C", 2) == 0 ? 2 : 1, len = strlen(text);
    if (len < 2 * mark + 1 || strncmp(text, text + len - mark, mark) != 0) {
        return cfg_fail(k, m, "text", "a banner is one line, between two of its first character: banner #hello#");
    }
    len -= 2 * mark;
    if (len >= sizeof g->banner) {
        return cfg_fail(k, m, "text", "this text may have %zu characters at most", sizeof g->banner - 1);
    }
    memcpy(g->banner, text + mark, len);
    g->banner[len] = 0;
    return true;
}

bool cfg_group_flag(struct cfg *k, const struct match *m)
{
    struct conf_group *g = k->at;
    *(match_has(m, "pfs")             ? &g->pfs
      : match_has(m, "save-password") ? &g->save_password
                                      : &g->include_local_lan) = !m->no;
    return true;
}

bool cfg_group_max(struct cfg *k, const struct match *m)
{
    ((struct conf_group *)k->at)->max_users = m->no ? 0 : (u32)match_number(m, "num", 0);
    if (!m->no && k->live) {
        sb_add(k->out, "% The number of clients is kept in the configuration and limits nobody: the pool does.\n");
    }
    return true;
}

bool cfg_local_pool(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name"), *lo = match_text(m, "lo"), *hi = match_text(m, "hi");
    struct conf_pool *p = conf_pool_find(k->c, name), read = {.src = k->src};
    if (m->no) {
        if (p) {
            list_remove(&p->link);
        }
        return true;
    }
    if (!lo || !addr_parse(&read.lo, lo) || !addr_parse(&read.hi, hi ? hi : lo)) {
        return cfg_fail(k, m, "lo", "expected the first address of the pool");
    }
    u32 first = be32(read.lo.b), last = be32(read.hi.b);
    if (!first || last < first || last - first >= CONF_POOL_MOST) {
        return cfg_fail(k, m, hi ? "hi" : "lo", "a pool goes from its first address up, and has %d at most", CONF_POOL_MOST);
    }
    if (!p) {
        p = arena_alloc(&k->c->arena, sizeof *p);
        str_copy(p->name, sizeof p->name, name);
        list_push_back(&k->c->pools, &p->link);
    }
    p->src = read.src;
    p->lo = read.lo;
    p->hi = read.hi;
    return true;
}

/* cfg_client: of an isakmp profile, or `crypto map NAME ...`. */
bool cfg_client(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name"), *list = m->no ? "" : match_text(m, "list");
    struct conf_map *map = !name ? NULL : m->no ? conf_map_find(k->c, name) : conf_map_get(k->c, name, k->src);
    struct conf_client *c = map ? &map->client : name ? NULL : &((struct conf_isakmp_profile *)k->at)->client;
    bool respond = match_has(m, "respond"), initiate = match_has(m, "initiate");
    if (!c) {
        return true; /* `no` of a map that is not there */
    }
    if (match_has(m, "authorization")) {
        str_copy(c->authorization, sizeof c->authorization, list);
        c->authorization_src = k->src;
    } else if (match_has(m, "authentication")) {
        str_copy(c->authentication, sizeof c->authentication, list);
        c->authentication_src = k->src;
    } else if (respond || initiate) {
        *(respond ? &c->respond : &c->initiate) = !m->no;
        c->address_src = k->src;
    } else {
        return cfg_fail(k, m, NULL, "the line ends too early; expected what is not wanted any more");
    }
    return true;
}

/* ---- dynamic maps ---- */

/* dynamic_user: a crypto map that goes by it; NULL: none. */
static const char *dynamic_user(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        CONF_FOR(struct conf_map_entry, e, &m->entries)
        {
            if (strcmp(e->dynamic, name) == 0) {
                return m->name;
            }
        }
    }
    return NULL;
}

bool cfg_dynamic_map(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    u32 seq = (u32)match_number(m, "seq", 0);
    struct conf_map *d = conf_dynamic_find(k->c, name);
    if (!m->no) {
        cfg_enter(k, M_DYN, conf_map_entry_get(k->c, conf_dynamic_get(k->c, name, k->src), seq, k->src));
        return true;
    }
    bool all = d != NULL;
    for (const struct list *it = d ? d->entries.next : NULL; d && it != &d->entries; it = it->next) {
        all &= !seq || CONTAINER_OF(it, struct conf_map_entry, link)->seq == seq;
    }
    if (all && k->c->typing && dynamic_user(k->c, name)) {
        return cfg_fail(k, m, "name", "dynamic map %.60s is in use by crypto map %.60s", name, dynamic_user(k->c, name));
    }
    if (d) {
        CONF_FOR(struct conf_map_entry, e, &d->entries)
        {
            if (!seq || e->seq == seq) {
                conf_entry_remove(k->c, e);
            }
        }
        if (all) {
            list_remove(&d->link);
        }
    }
    return true;
}

bool cfg_map_dynamic(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name"), *dynamic = match_text(m, "dynamic");
    u32 seq = (u32)match_number(m, "seq", 0);
    char was[CONF_NAME] = "";
    if (m->no) {
        return cfg_map(k, m);
    }
    struct conf_map *map = conf_map_get(k->c, name, k->src);
    CONF_FOR(struct conf_map_entry, old, &map->entries)
    {
        if (old->seq == seq && !old->dynamic[0]) {
            return cfg_fail(k, m, "seq", "this entry has lines of its own; take it out first");
        }
        if (old->seq == seq) {
            str_copy(was, sizeof was, old->dynamic);
        }
    }
    struct conf_map_entry *e = conf_map_entry_get(k->c, map, seq, k->src);
    conf_entry_dynamic(k->c, e, dynamic);
    if (!cfg_fits(k, m, "dynamic")) {
        conf_entry_dynamic(k->c, e, was);
        if (!was[0]) {
            conf_entry_remove(k->c, e);
        }
        return false;
    }
    e->dynamic_src = k->src;
    cfg_note_lost(k);
    return true;
}

bool cfg_reverse_route(struct cfg *k, const struct match *m)
{
    struct conf_map_entry *e = k->at;
    e->reverse = !m->no;
    e->reverse_static = !m->no && match_has(m, "static");
    return true;
}
