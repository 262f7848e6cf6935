/*
 * conf.c: the model: making, finding, naming. Defaults are those of the IOS 12.4 reference.
 */
#include "conf/conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

static const struct conf_if_kind_row kinds[IFK_NUM] = {
    [IFK_FASTETHERNET] = {"FastEthernet", "Fa", 1500, 100000, 100},
    [IFK_GIGABIT] = {"GigabitEthernet", "Gi", 1500, 1000000, 10},
    [IFK_ETHERNET] = {"Ethernet", "Et", 1500, 10000, 1000},
    [IFK_SERIAL] = {"Serial", "Se", 1500, 1544, 20000},
    [IFK_LOOPBACK] = {"Loopback", "Lo", 1514, 8000000, 5000},
    [IFK_TUNNEL] = {"Tunnel", "Tu", 1514, 9, 500000},
    [IFK_VLAN] = {"Vlan", "Vl", 1500, 100000, 100},
    [IFK_NULL] = {"Null", "Nu", 1500, 10000000, 0},
};

const struct conf_if_kind_row *conf_if_kind_row(enum conf_if_kind k)
{
    return &kinds[k];
}

struct conf *conf_new(void)
{
    struct conf *c = xcalloc(1, sizeof *c);
    str_copy(c->hostname, sizeof c->hostname, "Router");
    c->life_s = 3600;
    c->life_kb = 4608000;
    c->replay_window = CONF_REPLAY_WINDOW;
    struct list *lists[] = {&c->policies, &c->keys,        &c->sets,     &c->profiles, &c->maps,
                            &c->acls,     &c->ifs,         &c->routes,   &c->ospfs,    &c->kept,
                            &c->users,    &c->trustpoints, &c->keypairs, &c->keyrings, &c->isakmp_profiles,
                            &c->peers,    &c->groups,      &c->pools,    &c->dynamics, &c->hosts};
    for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
        list_init(lists[i]);
    }
    return c;
}

void conf_keypair_remove(struct conf_keypair *k)
{
    list_remove(&k->link);
    if (k->der) {
        mem_wipe(k->der, k->len);
        free(k->der);
        k->der = NULL;
    }
}

void conf_free(struct conf *c)
{
    if (c) {
        CONF_FOR(struct conf_keypair, k, &c->keypairs)
        {
            conf_keypair_remove(k);
        }
        arena_free(&c->arena);
        mem_wipe(c, sizeof *c);
        free(c);
    }
}

struct conf_src conf_src(struct conf *c, const char *file, u32 line)
{
    return (struct conf_src){.file = arena_strdup(&c->arena, file), .line = line};
}

struct conf_isakmp_policy *conf_policy_get(struct conf *c, u32 priority, struct conf_src src)
{
    struct list *before = &c->policies;
    CONF_FOR(struct conf_isakmp_policy, p, &c->policies)
    {
        if (p->priority == priority) {
            return p;
        }
        if (p->priority > priority) {
            before = &p->link;
            break;
        }
    }
    struct conf_isakmp_policy *n = arena_alloc(&c->arena, sizeof *n);
    *n = (struct conf_isakmp_policy){.src = src,
                                     .priority = priority,
                                     .encr = ENCR_DES,
                                     .hash = HASH_SHA1,
                                     .auth = 3,
                                     .group = 1,
                                     .life_s = 86400};
    list_push_back(before, &n->link);
    return n;
}

/* One finder per type: each has its name elsewhere. */
struct conf_transform_set *conf_set_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_transform_set, s, &c->sets)
    {
        if (strcmp(s->name, name) == 0) {
            return s;
        }
    }
    return NULL;
}

struct conf_profile *conf_profile_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_profile, p, &c->profiles)
    {
        if (strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

struct conf_profile *conf_profile_get(struct conf *c, const char *name, struct conf_src src)
{
    struct conf_profile *p = conf_profile_find(c, name);
    if (!p) {
        p = arena_alloc(&c->arena, sizeof *p);
        p->src = src;
        str_copy(p->name, sizeof p->name, name);
        list_push_back(&c->profiles, &p->link);
    }
    return p;
}

struct conf_keyring *conf_keyring_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_keyring, r, &c->keyrings)
    {
        if (strcmp(r->name, name) == 0) {
            return r;
        }
    }
    return NULL;
}

struct conf_keyring *conf_keyring_get(struct conf *c, const char *name, struct conf_src src)
{
    struct conf_keyring *r = conf_keyring_find(c, name);
    if (!r) {
        r = arena_alloc(&c->arena, sizeof *r);
        r->src = src;
        str_copy(r->name, sizeof r->name, name);
        list_init(&r->keys);
        list_push_back(&c->keyrings, &r->link);
    }
    return r;
}

struct conf_isakmp_profile *conf_isakmp_profile_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_isakmp_profile, p, &c->isakmp_profiles)
    {
        if (strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

struct conf_isakmp_profile *conf_isakmp_profile_get(struct conf *c, const char *name,
                                                    struct conf_src src)
{
    struct conf_isakmp_profile *p = conf_isakmp_profile_find(c, name);
    if (!p) {
        p = arena_alloc(&c->arena, sizeof *p);
        p->src = src;
        str_copy(p->name, sizeof p->name, name);
        list_init(&p->matches);
        list_push_back(&c->isakmp_profiles, &p->link);
    }
    return p;
}

struct conf_group *conf_group_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_group, g, &c->groups)
    {
        if (strcmp(g->name, name) == 0) {
            return g;
        }
    }
    return NULL;
}

struct conf_group *conf_group_get(struct conf *c, const char *name, struct conf_src src)
{
    struct conf_group *g = conf_group_find(c, name);
    if (!g) {
        g = arena_alloc(&c->arena, sizeof *g);
        g->src = src;
        str_copy(g->name, sizeof g->name, name);
        list_push_back(&c->groups, &g->link);
    }
    return g;
}

struct conf_pool *conf_pool_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_pool, p, &c->pools)
    {
        if (strcmp(p->name, name) == 0) {
            return p;
        }
    }
    return NULL;
}

bool conf_list_local(const struct conf *c, const char *what, const char *name)
{
    char head[2 * CONF_NAME];
    int len = snprintf(head, sizeof head, "aaa %s %s ", what, name);
    CONF_FOR(struct conf_kept, k, &c->kept)
    {
        for (const char *at = strncmp(k->text, head, (size_t)len) == 0 ? k->text + len : ""; *at;) {
            size_t word = strcspn(at, " ");
            if ((word == 5 && strncmp(at, "local", word) == 0) || (word == 10 && strncmp(at, "local-case", word) == 0)) {
                return true;
            }
            at += word + strspn(at + word, " ");
        }
    }
    return false;
}

struct addr conf_local_address(const struct conf *c, const struct conf_local *l)
{
    return l->iface[0] ? conf_if_address(c, l->iface, AF_V4) : l->addr;
}

const char *conf_fqdn(const struct conf *c, char out[2 * CONF_NAME])
{
    snprintf(out, 2 * CONF_NAME, "%s%s%s", c->hostname, c->domain[0] ? "." : "", c->domain);
    return out;
}

static struct conf_map *map_find(const struct list *maps, const char *name)
{
    CONF_FOR(struct conf_map, m, maps)
    {
        if (strcmp(m->name, name) == 0) {
            return m;
        }
    }
    return NULL;
}

static struct conf_map *map_of_list(struct conf *c, struct list *maps, const char *name, struct conf_src src)
{
    struct conf_map *m = map_find(maps, name);
    if (!m) {
        m = arena_alloc(&c->arena, sizeof *m);
        m->src = src;
        str_copy(m->name, sizeof m->name, name);
        list_init(&m->entries);
        list_push_back(maps, &m->link);
    }
    return m;
}

struct conf_map *conf_map_find(const struct conf *c, const char *name)
{
    return map_find(&c->maps, name);
}

struct conf_map *conf_map_get(struct conf *c, const char *name, struct conf_src src)
{
    return map_of_list(c, &c->maps, name, src);
}

struct conf_map *conf_dynamic_find(const struct conf *c, const char *name)
{
    return map_find(&c->dynamics, name);
}

struct conf_map *conf_dynamic_get(struct conf *c, const char *name, struct conf_src src)
{
    return map_of_list(c, &c->dynamics, name, src);
}

struct conf_map_entry *conf_map_entry_get(struct conf *c, struct conf_map *m, u32 seq,
                                          struct conf_src src)
{
    struct list *before = &m->entries;
    CONF_FOR(struct conf_map_entry, e, &m->entries)
    {
        if (e->seq == seq) {
            return e;
        }
        if (e->seq > seq) {
            before = &e->link;
            break;
        }
    }
    struct conf_map_entry *n = arena_alloc(&c->arena, sizeof *n);
    n->src = src;
    n->seq = seq;
    list_push_back(before, &n->link);
    return n;
}

struct conf_host *conf_host_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_host, h, &c->hosts)
    {
        if (name && strcasecmp(h->name, name) == 0) {
            return h;
        }
    }
    return NULL;
}

bool conf_peer_equal(const struct conf_peer *a, const struct conf_peer *b)
{
    return a->name[0] || b->name[0] ? strcasecmp(a->name, b->name) == 0 : addr_equal(&a->a, &b->a);
}

struct conf_acl *conf_acl_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_acl, a, &c->acls)
    {
        if (strcmp(a->name, name) == 0) {
            return a;
        }
    }
    return NULL;
}

struct conf_acl *conf_acl_get(struct conf *c, const char *name, bool extended, bool numbered,
                              struct conf_src src)
{
    struct conf_acl *a = conf_acl_find(c, name);
    if (!a) {
        a = arena_alloc(&c->arena, sizeof *a);
        a->src = src;
        str_copy(a->name, sizeof a->name, name);
        a->extended = extended;
        a->numbered = numbered;
        list_init(&a->aces);
        list_push_back(&c->acls, &a->link);
    }
    return a;
}

struct conf_if *conf_if_find(const struct conf *c, const char *name)
{
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        if (strcmp(i->name, name) == 0) {
            return i;
        }
    }
    return NULL;
}

struct conf_if *conf_if_get(struct conf *c, const char *name, struct conf_src src)
{
    struct conf_if *i = conf_if_find(c, name);
    char canonical[CONF_IFNAME];
    if (i) {
        return i;
    }
    i = arena_alloc(&c->arena, sizeof *i);
    i->src = src;
    str_copy(i->name, sizeof i->name, name);
    if (!conf_if_canonical(canonical, &i->kind, name)) {
        i->kind =
            IFK_ETHERNET; /* callers pass canonical names; anything else is an Ethernet of the host */
    }
    list_init(&i->addrs);
    list_init(&i->kept);
    list_init(&i->held);
    list_push_back(&c->ifs, &i->link);
    return i;
}

struct conf_ospf *conf_ospf_get(struct conf *c, u32 pid, struct conf_src src)
{
    CONF_FOR(struct conf_ospf, o, &c->ospfs)
    {
        if (o->pid == pid) {
            return o;
        }
    }
    struct conf_ospf *o = arena_alloc(&c->arena, sizeof *o);
    o->src = src;
    o->pid = pid;
    list_init(&o->nets);
    list_init(&o->kept);
    list_push_back(&c->ospfs, &o->link);
    return o;
}

/* begins: b is a or goes on after a's last word. */
static bool begins(const char *a, const char *b)
{
    size_t len = strlen(a);
    return strncmp(a, b, len) == 0 && (b[len] == 0 || b[len] == ' ');
}

/* undoes: one of them is the `no` form of the other. */
static bool undoes(const char *a, const char *b)
{
    bool no_a = strncmp(a, "no ", 3) == 0, no_b = strncmp(b, "no ", 3) == 0;
    const char *x = a + (no_a ? 3 : 0), *y = b + (no_b ? 3 : 0);
    return no_a != no_b && (begins(x, y) || begins(y, x));
}

struct conf_kept *conf_keep(struct conf *c, struct list *where, const char *text,
                            struct conf_src src)
{
    CONF_FOR(struct conf_kept, old, where)
    {
        if (strcmp(old->text, text) == 0) {
            return old;
        }
        if (undoes(old->text, text)) {
            list_remove(&old->link);
        }
    }
    struct conf_kept *k = arena_alloc(&c->arena, sizeof *k);
    k->src = src;
    k->text = arena_strdup(&c->arena, text);
    list_push_back(where, &k->link);
    return k;
}

/* ---- interface names ---- */

static bool kind_of(enum conf_if_kind *out, const char *letters, size_t len)
{
    int found = -1;
    for (int k = 0; k < IFK_NUM; k++) {
        if (len <= strlen(kinds[k].name) && strncasecmp(kinds[k].name, letters, len) == 0) {
            if (found >= 0) {
                return false;
            }
            found = k;
        }
    }
    *out = found >= 0 ? (enum conf_if_kind)found : IFK_ETHERNET;
    return found >= 0;
}

bool conf_if_canonical(char out[CONF_IFNAME], enum conf_if_kind *out_kind, const char *text)
{
    size_t letters = 0;
    while (isalpha((unsigned char)text[letters])) {
        letters++;
    }
    const char *num = text + letters;
    while (*num == ' ') {
        num++;
    }
    if (!letters || !isdigit((unsigned char)*num) || strspn(num, "0123456789/.:") != strlen(num) ||
        strlen(num) > 12 || !kind_of(out_kind, text, letters)) {
        return false;
    }
    snprintf(out, CONF_IFNAME, "%s%s", kinds[*out_kind].name, num);
    return true;
}

void conf_if_kernel(char out[16], const char *name)
{
    char canonical[CONF_IFNAME];
    enum conf_if_kind k;
    if (!conf_if_canonical(canonical, &k, name)) {
        str_copy(out, 16, name);
        return;
    }
    if (k == IFK_LOOPBACK) {
        str_copy(out, 16, "lo");
        return;
    }
    if (k == IFK_TUNNEL) {
        str_copy(out, 16, canonical);
        return;
    }
    snprintf(out, 16, "%s%s", kinds[k].brief, canonical + strlen(kinds[k].name));
    for (char *p = out; *p; p++) {
        if (*p == '/' || *p == ':') {
            *p = '-'; /* Linux allows neither in a link's name */
        }
    }
}

struct addr conf_if_address(const struct conf *c, const char *ifname, u8 family)
{
    const struct conf_if *i = conf_if_find(c, ifname);
    if (i && family == AF_V4 && i->unnumbered[0] && strcmp(i->unnumbered, ifname) != 0) {
        return conf_if_address(c, i->unnumbered, family);
    }
    if (i) {
        CONF_FOR(struct conf_if_addr, a, &i->addrs)
        {
            if (a->p.a.family == family && !a->link_local && !a->secondary) {
                return a->p.a;
            }
        }
    }
    return (struct addr){0};
}

struct addr conf_tunnel_source(const struct conf *c, const struct conf_if *i)
{
    if (!i->tun.source_if[0]) {
        return i->tun.source;
    }
    bool six = i->tun.mode == CTM_GRE_IPV6 || i->tun.mode == CTM_IPSEC_IPV6;
    return conf_if_address(c, i->tun.source_if, six ? AF_V6 : AF_V4);
}

struct conf_user *conf_user_get(struct conf *c, const char *name, struct conf_src src)
{
    CONF_FOR(struct conf_user, u, &c->users)
    {
        if (strcmp(u->name, name) == 0) {
            return u;
        }
    }
    struct conf_user *n = arena_alloc(&c->arena, sizeof *n);
    n->src = src;
    n->privilege = 1;
    str_copy(n->name, sizeof n->name, name);
    list_push_back(&c->users, &n->link);
    return n;
}

void conf_user_remove(struct conf *c, const char *name)
{
    CONF_FOR(struct conf_user, u, &c->users)
    {
        if (strcmp(u->name, name) == 0) {
            list_remove(&u->link);
        }
    }
}
