/*
 * running.c: the model as an IOS configuration. Defaults are not printed; what is printed loads again to the same
 * model (a test does that for every example).
 */
#include "cli/cli_int.h"
#include "cli/running.h"

/* ---- secrets ---- */

static void running_password(struct strbuf *o, const struct conf *c, const struct conf_password *p)
{
    char hidden[PASSWORD_TEXT];
    if (p->type == 0 && c->hide_passwords) {
        password_hide7(hidden, p->text);
        sb_addf(o, "7 %s\n", hidden);
    } else {
        sb_addf(o, "%u %s\n", p->type, p->text);
    }
}

static void running_secrets(struct strbuf *o, const struct conf *c)
{
    if (c->enable_secret.text[0]) {
        sb_addf(o, "enable secret %u %s\n", c->enable_secret.type, c->enable_secret.text);
    }
    if (c->enable_password.text[0]) {
        sb_add(o, "enable password ");
        running_password(o, c, &c->enable_password);
    }
    CONF_FOR(struct conf_user, u, &c->users)
    {
        sb_addf(o, "username %s", u->name);
        if (u->privilege != 1) {
            sb_addf(o, " privilege %u", u->privilege);
        }
        if (u->secret) {
            sb_addf(o, " secret %u %s\n", u->password.type, u->password.text);
        } else if (u->password.text[0]) {
            sb_add(o, " password ");
            running_password(o, c, &u->password);
        } else {
            sb_add(o, " nopassword\n");
        }
    }
    sb_add(o, c->encrypt_keys ? "password encryption aes\n" : "");
    sb_add(o, "!\n");
}

/* running_line: a `line` and what is kept below it; its password as the operator wants to see it. */
static void running_line(struct strbuf *o, const struct conf *c, const char *text)
{
    static const char word[] = " password ";
    char clear[PASSWORD_TEXT], hidden[PASSWORD_TEXT];
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (c->hide_passwords && strncmp(text, word, sizeof word - 1) == 0 &&
            len - (sizeof word - 1) < sizeof clear / 2) {
            snprintf(clear, sizeof clear, "%.*s", (int)(len - (sizeof word - 1)),
                     text + sizeof word - 1);
            password_hide7(hidden, clear);
            sb_addf(o, "%s7 %s\n", word, hidden);
            mem_wipe(clear, sizeof clear);
        } else {
            const char *clear_text = text + sizeof word - 1; /* "7 x" in clear is no type 7 */
            bool typed = strncmp(text, word, sizeof word - 1) == 0 && len > sizeof word &&
                         (clear_text[0] == '0' || clear_text[0] == '7') && clear_text[1] == ' ';
            sb_addf(o, "%s%.*s\n", typed ? " password 0 " : "",
                    (int)(typed ? len - (sizeof word - 1) : len), typed ? clear_text : text);
        }
        text += len + (text[len] == '\n');
    }
}

static void running_policies(struct strbuf *o, const struct conf *c)
{
    CONF_FOR(struct conf_isakmp_policy, p, &c->policies)
    {
        sb_addf(o, "crypto isakmp policy %u\n", p->priority);
        if (p->encr != ENCR_DES) {
            sb_addf(o, " encr %s\n", encr_row(p->encr)->word);
        }
        if (p->hash != HASH_SHA1) {
            sb_addf(o, " hash %s\n", hash_row(p->hash)->word);
        }
        if (p->auth == IKE_AUTH_PSK) {
            sb_add(o, " authentication pre-share\n");
        } else if (p->auth == CONF_AUTH_ECDSA) {
            sb_add(o, " authentication ecdsa-sig\n");
        }
        if (p->group != 1) {
            sb_addf(o, " group %u\n", p->group);
        }
        if (p->life_s != 86400) {
            sb_addf(o, " lifetime %u\n", p->life_s);
        }
    }
    running_keys(o, c);
    sb_add(o, c->isakmp_off ? "no crypto isakmp enable\n" : "");
    sb_add(o, c->invalid_spi_recovery ? "crypto isakmp invalid-spi-recovery\n" : "");
    if (c->keepalive_s) {
        sb_addf(o, "crypto isakmp keepalive %u", c->keepalive_s);
        if (c->keepalive_retry_s && c->keepalive_retry_s != 2) {
            sb_addf(o, " %u", c->keepalive_retry_s);
        }
        sb_add(o, c->keepalive_periodic ? " periodic\n" : "\n");
    }
    running_groups(o, c);
    running_peers(o, c);
}

static void running_replay(struct strbuf *o, const char *who, u16 window)
{
    if (window == 0) {
        sb_addf(o, "%s security-association replay disable\n", who);
    } else {
        sb_addf(o, "%s security-association replay window-size %u\n", who, window);
    }
}

static void running_params(struct strbuf *o, const struct conf_sa_params *p)
{
    if (p->life_s) {
        sb_addf(o, " set security-association lifetime seconds %u\n", p->life_s);
    }
    if (p->life_kb) {
        sb_addf(o, " set security-association lifetime kilobytes %llu\n",
                (unsigned long long)p->life_kb);
    }
    if (p->idle_s) {
        sb_addf(o, " set security-association idle-time %u%s\n", p->idle_s, p->idle_default ? " default" : "");
    }
    if (p->has_replay) {
        running_replay(o, " set", p->replay_window);
    }
    if (p->isakmp_profile[0]) {
        sb_addf(o, " set isakmp-profile %s\n", p->isakmp_profile);
    }
    if (p->num_sets) {
        sb_add(o, " set transform-set");
        for (unsigned i = 0; i < p->num_sets; i++) {
            sb_addf(o, " %s", p->sets[i]);
        }
        sb_add(o, " \n");
    }
    if (p->pfs_group) {
        sb_addf(o, " set pfs group%u\n", p->pfs_group);
    }
}

static void running_entry(struct strbuf *o, const struct conf *c, const struct conf_map_entry *e)
{
    char a[ADDR_STR];
    if (e->description[0]) {
        sb_addf(o, " description %s\n", e->description);
    }
    for (unsigned i = 0; i < e->num_peers; i++) {
        sb_addf(o, " set peer %s%s%s\n", cli_peer(a, &e->peers[i]), e->peers[i].dynamic ? " dynamic" : "",
                i == 0 && e->default_peer ? " default" : "");
    }
    running_session_keys(o, c, e);
    running_params(o, &e->sa);
    if (e->acl[0]) {
        sb_addf(o, " match address %s\n", e->acl);
    }
    if (e->reverse) {
        sb_addf(o, " reverse-route%s\n", e->reverse_static ? " static" : "");
    }
}

static void running_ipsec(struct strbuf *o, const struct conf *c)
{
    static const char *const df[] = {"copy", "clear", "set"};
    if (c->life_s != 3600) {
        sb_addf(o, "crypto ipsec security-association lifetime seconds %u\n", c->life_s);
    }
    if (c->life_kb != 4608000) {
        sb_addf(o, "crypto ipsec security-association lifetime kilobytes %llu\n",
                (unsigned long long)c->life_kb);
    }
    if (c->idle_s) {
        sb_addf(o, "crypto ipsec security-association idle-time %u\n", c->idle_s);
    }
    if (c->replay_window != CONF_REPLAY_WINDOW) {
        running_replay(o, "crypto ipsec", c->replay_window);
    }
    if (c->df != CONF_DF_COPY) {
        sb_addf(o, "crypto ipsec df-bit %s\n", df[c->df]);
    }
    sb_add(o, c->natt_off ? "no crypto ipsec nat-transparency udp-encapsulation\n" : "");
    sb_add(o, c->frag_after ? "crypto ipsec fragmentation after-encryption\n" : "");
    sb_add(o, "!\n");
    CONF_FOR(struct conf_transform_set, s, &c->sets)
    {
        sb_addf(o, "crypto ipsec transform-set %s %s%s%s %s%s%s\n", s->name,
                s->ah ? hash_row(s->ah)->ah : "", s->ah && s->encr ? " " : "", encr_row(s->encr)->ts,
                hash_row(s->auth)->ts, s->comp ? " " : "", comp_row(s->comp)->ts);
        sb_add(o, s->require ? " mode transport require\n" : s->transport ? " mode transport\n" : "");
        sb_add(o, s->esn ? " esn\n" : "");
    }
    sb_add(o, "!\n");
    CONF_FOR(struct conf_profile, p, &c->profiles)
    {
        sb_addf(o, "crypto ipsec profile %s\n", p->name);
        running_params(o, &p->sa);
        sb_add(o, "!\n");
    }
    CONF_FOR(struct conf_map, d, &c->dynamics)
    {
        CONF_FOR(struct conf_map_entry, e, &d->entries)
        {
            sb_addf(o, "crypto dynamic-map %s %u\n", d->name, e->seq);
            running_entry(o, c, e);
        }
        sb_add(o, "!\n");
    }
    CONF_FOR(struct conf_map, m, &c->maps)
    {
        char before[CONF_NAME + 16];
        if (m->local_if[0]) {
            sb_addf(o, "crypto map %s local-address %s\n", m->name, m->local_if);
        }
        if (m->isakmp_profile[0]) {
            sb_addf(o, "crypto map %s isakmp-profile %s\n", m->name, m->isakmp_profile);
        }
        snprintf(before, sizeof before, "crypto map %s ", m->name);
        running_client(o, before, &m->client);
        CONF_FOR(struct conf_map_entry, e, &m->entries)
        {
            if (e->dynamic[0]) {
                sb_addf(o, "crypto map %s %u ipsec-isakmp dynamic %s \n", m->name, e->seq, e->dynamic);
                continue;
            }
            sb_addf(o, "crypto map %s %u %s \n", m->name, e->seq, e->manual ? "ipsec-manual" : "ipsec-isakmp");
            running_entry(o, c, e);
        }
        sb_add(o, "!\n");
    }
}

static void running_tunnel(struct strbuf *o, const struct conf_if *i)
{
    static const char *const modes[] = {"gre ip", "gre ipv6",   "ipip",
                                        "ipv6ip", "ipsec ipv4", "ipsec ipv6"};
    const struct conf_tunnel *t = &i->tun;
    char a[ADDR_STR];
    if (t->source_if[0]) {
        sb_addf(o, " tunnel source %s\n", t->source_if);
    } else if (t->source.family) {
        sb_addf(o, " tunnel source %s\n", addr_str(a, &t->source));
    }
    if (t->dest.family) {
        sb_addf(o, " tunnel destination %s\n", addr_str(a, &t->dest));
    }
    if (t->mode != CTM_GRE_IP) {
        sb_addf(o, " tunnel mode %s\n", modes[t->mode]);
    }
    if (t->has_key) {
        sb_addf(o, " tunnel key %u\n", t->key);
    }
    sb_add(o, t->checksum ? " tunnel checksum\n" : "");
    sb_add(o, t->sequence ? " tunnel sequence-datagrams\n" : "");
    sb_add(o, t->pmtud ? " tunnel path-mtu-discovery\n" : "");
    if (t->ttl) {
        sb_addf(o, " tunnel ttl %u\n", t->ttl);
    }
    if (t->has_tos) {
        sb_addf(o, " tunnel tos %u\n", t->tos);
    }
    if (t->profile[0]) {
        sb_addf(o, " tunnel protection ipsec profile %s%s\n", t->profile, t->shared ? " shared" : "");
    }
}

static void running_addresses(struct strbuf *o, const struct conf_if *i)
{
    char a[ADDR_STR], m[ADDR_STR];
    bool v4 = false;
    CONF_FOR(struct conf_if_addr, x, &i->addrs)
    {
        if (x->p.a.family == AF_V4) {
            struct addr mask = addr_mask(AF_V4, x->p.len);
            sb_addf(o, " ip address %s %s%s\n", addr_str(a, &x->p.a), addr_str(m, &mask),
                    x->secondary ? " secondary" : "");
            v4 = true;
        }
    }
    if (i->unnumbered[0]) {
        sb_addf(o, " ip unnumbered %s\n", i->unnumbered);
    } else if (!v4) {
        sb_add(o, " no ip address\n");
    }
    CONF_FOR(struct conf_if_addr, y, &i->addrs)
    {
        if (y->p.a.family == AF_V6 && y->link_local) {
            sb_addf(o, " ipv6 address %s link-local\n", addr_str(a, &y->p.a));
        } else if (y->p.a.family == AF_V6) {
            sb_addf(o, " ipv6 address %s/%u%s\n", addr_str(a, &y->p.a), y->p.len,
                    y->eui64 ? " eui-64" : "");
        }
    }
    sb_add(o, i->ipv6_enable ? " ipv6 enable\n" : "");
}

static void running_if_ospf(struct strbuf *o, const struct conf_if *i)
{
    if (i->ospf.network[0]) {
        sb_addf(o, " ip ospf network %s\n", i->ospf.network);
    }
    if (i->ospf.cost) {
        sb_addf(o, " ip ospf cost %u\n", i->ospf.cost);
    }
    if (i->ospf.hello) {
        sb_addf(o, " ip ospf hello-interval %u\n", i->ospf.hello);
    }
    if (i->ospf.dead) {
        sb_addf(o, " ip ospf dead-interval %u\n", i->ospf.dead);
    }
    if (i->ospf.has_priority) {
        sb_addf(o, " ip ospf priority %u\n", i->ospf.priority);
    }
    sb_add(o, i->ospf.mtu_ignore ? " ip ospf mtu-ignore\n" : "");
    if (i->ospf.pid) {
        sb_addf(o, " ip ospf %u area %u\n", i->ospf.pid, i->ospf.area);
    }
}

static void running_if(struct strbuf *o, const struct conf_if *i)
{
    static const struct {
        size_t off;
        const char *text;
    } numbers[] = {{offsetof(struct conf_if, bandwidth), "bandwidth"},
                   {offsetof(struct conf_if, mtu), "mtu"},
                   {offsetof(struct conf_if, ip_mtu), "ip mtu"},
                   {offsetof(struct conf_if, ipv6_mtu), "ipv6 mtu"},
                   {offsetof(struct conf_if, adjust_mss), "ip tcp adjust-mss"}};
    sb_addf(o, "interface %s\n", i->name);
    if (i->description[0]) {
        sb_addf(o, " description %s\n", i->description);
    }
    if (i->vlan) {
        sb_addf(o, " encapsulation dot1Q %u\n", i->vlan);
    }
    running_addresses(o, i);
    for (unsigned n = 0; n < ARRAY_LEN(numbers); n++) {
        u32 v;
        memcpy(&v, (const char *)i + numbers[n].off, sizeof v);
        if (v) {
            sb_addf(o, " %s %u\n", numbers[n].text, v);
        }
    }
    sb_add(o, i->rpf ? " ip verify unicast source reachable-via rx\n" : "");
    sb_add(o, i->rpf6 ? " ipv6 verify unicast source reachable-via rx\n" : "");
    running_if_ospf(o, i);
    CONF_FOR(struct conf_kept, k, &i->kept)
    {
        sb_addf(o, " %s\n", k->text);
    }
    sb_add(o, i->shutdown ? " shutdown\n" : "");
    running_tunnel(o, i);
    sb_add(o, i->no_blackhole ? " no adit blackhole\n" : "");
    if (i->crypto_map[0]) {
        sb_addf(o, " crypto map %s\n", i->crypto_map);
    }
    sb_add(o, "!\n");
}

static void running_routing(struct strbuf *o, const struct conf *c)
{
    char a[ADDR_STR], m[ADDR_STR];
    CONF_FOR(struct conf_ospf, p, &c->ospfs)
    {
        sb_addf(o, "router ospf %u\n", p->pid);
        CONF_FOR(struct conf_kept, k, &p->kept)
        {
            sb_addf(o, " %s\n", k->text);
        }
        CONF_FOR(struct conf_ospf_net, n, &p->nets)
        {
            struct addr wild = addr_mask(AF_V4, n->net.len);
            for (unsigned b = 0; b < 4; b++) {
                wild.b[b] = (u8)~wild.b[b];
            }
            sb_addf(o, " network %s %s area %u\n", addr_str(a, &n->net.a), addr_str(m, &wild),
                    n->area);
        }
        sb_add(o, "!\n");
    }
    CONF_FOR(struct conf_route, r, &c->routes)
    {
        char nh[ADDR_STR + 1] = "";
        if (r->nexthop.family) {
            nh[0] = ' ';
            addr_str(nh + 1, &r->nexthop);
        }
        if (r->net.a.family == AF_V4) {
            struct addr mask = addr_mask(AF_V4, r->net.len);
            sb_addf(o, "ip route %s %s", addr_str(a, &r->net.a), addr_str(m, &mask));
        } else {
            sb_addf(o, "ipv6 route %s/%u", addr_str(a, &r->net.a), r->net.len);
        }
        sb_addf(o, "%s%s%s", r->iface[0] ? " " : "", r->iface, nh);
        if (r->distance != 1) {
            sb_addf(o, " %u", r->distance);
        }
        sb_add(o, "\n");
    }
}

static void running_acls(struct strbuf *o, const struct conf *c)
{
    CONF_FOR(struct conf_acl, l, &c->acls)
    {
        if (l->numbered && list_empty(&l->aces)) {
            continue; /* a numbered list is nothing but its lines */
        }
        if (!l->numbered) {
            sb_addf(o, "%s %s\n",
                    l->ipv6       ? "ipv6 access-list"
                    : l->extended ? "ip access-list extended"
                                  : "ip access-list standard",
                    l->name);
        }
        CONF_FOR(struct conf_ace, e, &l->aces)
        {
            if (l->numbered) {
                sb_addf(o, "access-list %s", l->name);
            }
            sb_addf(o, " %s%s\n", e->remark[0] ? "remark " : "",
                    e->remark[0] ? e->remark : e->text);
        }
        sb_add(o, "!\n");
    }
}

void cli_running(struct strbuf *o, const struct conf *c)
{
    sb_add(o, "!\n");
    sb_add(o, c->hide_passwords ? "service password-encryption\n" : "");
    CONF_FOR(struct conf_kept, k, &c->kept)
    {
        if (strncmp(k->text, "line ", 5) != 0) {
            sb_addf(o, "%s\n", k->text);
        }
    }
    sb_addf(o, "hostname %s\n!\n", c->hostname);
    running_secrets(o, c);
    sb_add(o, c->ip_domain_lookup_off ? "no ip domain lookup\n" : "");
    CONF_FOR(struct conf_host, h, &c->hosts)
    {
        char a[ADDR_STR];
        sb_addf(o, "ip host %s %s\n", h->name, addr_str(a, &h->a));
    }
    for (unsigned i = 0; i < c->num_name_servers; i++) {
        char a[ADDR_STR];
        sb_addf(o, "ip name-server %s\n", addr_str(a, &c->name_server[i]));
    }
    if (c->domain[0]) {
        sb_addf(o, "ip domain name %s\n", c->domain);
    }
    sb_add(o, c->ipv6_routing ? "ipv6 unicast-routing\n" : "");
    sb_add(o, c->dialect_15 ? "adit dialect 15\n" : "");
    sb_add(o, "!\n");
    cli_running_pki(o, c);
    running_keyrings(o, c);
    running_policies(o, c);
    running_ipsec(o, c);
    CONF_FOR(struct conf_if, i, &c->ifs)
    {
        running_if(o, i);
    }
    running_pools(o, c);
    running_routing(o, c);
    sb_add(o, "!\n");
    running_acls(o, c);
    CONF_FOR(struct conf_kept, l, &c->kept)
    {
        if (strncmp(l->text, "line ", 5) == 0) {
            running_line(o, c, l->text);
        }
    }
    sb_add(o, "!\nend\n");
}
