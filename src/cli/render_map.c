/*
 * render_map.c: `show crypto map` with the clients of dynamic entries, `show crypto dynamic-map`, `show ip local pool` (IOS 12.4).
 */
#include "cli/cli_int.h"

enum { FIRST_CLIENT = 65536 }; /* IOS numbers the entries it makes from there */

static const struct conf_map_entry *entry_of(const struct conf *c, const char *dynamic, u32 seq)
{
    const struct conf_map *d = conf_dynamic_find(c, dynamic);
    for (const struct list *it = d ? d->entries.next : NULL; d && it != &d->entries; it = it->next) {
        const struct conf_map_entry *e = CONTAINER_OF(it, struct conf_map_entry, link);
        if (e->seq == seq) {
            return e;
        }
    }
    return NULL;
}

static void side(struct strbuf *o, const struct prefix *p)
{
    char a[ADDR_STR], w[ADDR_STR];
    if (p->len == addr_bits(&p->a)) {
        sb_addf(o, " host %s", addr_str(a, &p->a));
    } else if (p->len == 0) {
        sb_add(o, " any");
    } else if (p->a.family == AF_V6) {
        sb_addf(o, " %s/%u", addr_str(a, &p->a), p->len);
    } else {
        struct addr wild = addr_mask(AF_V4, p->len);
        for (unsigned i = 0; i < 4; i++) {
            wild.b[i] = (u8)~wild.b[i];
        }
        sb_addf(o, " %s %s", addr_str(a, &p->a), addr_str(w, &wild));
    }
}

/* show_clients: those that an entry made of its dynamic map has now. */
static void show_clients(const struct cli_show *w, const struct conf_map *m, const struct conf_map_entry *e)
{
    u32 number = FIRST_CLIENT;
    char a[ADDR_STR];
    for (size_t i = 0; i < w->snap->num_flows; i++) {
        const struct cli_flow *f = &w->snap->flows[i];
        if (!f->dynamic[0] || strcmp(f->map, m->name) != 0 || f->seq != e->seq) {
            continue;
        }
        sb_addf(w->out, "Crypto Map \"%s\" %u ipsec-isakmp\n        Peer = %s\n        Extended IP access list \n", m->name,
                number++, addr_str(a, &f->peer));
        sb_add(w->out, "            access-list  permit ");
        sb_add(w->out, f->sel.src.a.family == AF_V6 ? "ipv6" : "ip");
        side(w->out, &f->sel.src);
        side(w->out, &f->sel.dst);
        sb_addf(w->out, "\n            dynamic (created from dynamic map %s/%u)\n        Current peer: %s\n", f->dynamic,
                f->dynamic_seq, a);
        const struct conf_map_entry *d = entry_of(w->c, f->dynamic, f->dynamic_seq);
        if (d) {
            cli_show_params(w, &d->sa, "        ");
        }
    }
}

static void show_rules(const struct cli_show *w, const char *acl, const struct list *rules)
{
    for (const struct list *it = rules->next; it != rules; it = it->next) {
        const struct conf_ace *x = CONTAINER_OF(it, struct conf_ace, link);
        if (!x->remark[0]) {
            sb_addf(w->out, "            access-list %s %s\n", acl, x->text);
        }
    }
}

/* show_manual: instead of what is negotiated: which keys there are, never what they are. */
static void show_manual(const struct cli_show *w, const struct conf_map_entry *e)
{
    static const char *const ways[] = {[CONF_IN] = "Inbound", [CONF_OUT] = "Outbound"};
    struct strbuf *o = w->out;
    sb_addf(o, "        Transform sets={\n                %s,\n        }\n", e->sa.num_sets ? e->sa.sets[0] : "");
    for (enum conf_way way = CONF_IN; way <= CONF_OUT; way++) {
        const struct conf_session_key *esp = &e->esp[way], *ah = &e->ah[way];
        sb_addf(o, "        %s esp spi: %u,\n         cipher key: %s,\n         auth_key: %s,\n", ways[way], esp->spi,
                esp->cipher[0] ? "(hidden)" : "", esp->auth[0] ? "(hidden)" : "");
        sb_addf(o, "        %s ah spi: %u,\n            key: %s,\n", ways[way], ah->spi, ah->auth[0] ? "(hidden)" : "");
    }
}

static void show_entry(const struct cli_show *w, const struct conf_map *m,
                       const struct conf_map_entry *e)
{
    char a[ADDR_STR];
    const struct conf_acl *acl = conf_entry_list(w->c, e);
    sb_addf(w->out, "Crypto Map \"%s\" %u %s\n", m->name, e->seq, e->manual ? "ipsec-manual" : "ipsec-isakmp");
    if (e->dynamic[0]) {
        sb_addf(w->out, "        Dynamic map template tag: %s\n", e->dynamic);
        show_clients(w, m, e);
        return;
    }
    for (unsigned i = 0; i < e->num_peers; i++) {
        sb_addf(w->out, "        Peer = %s\n", cli_peer(a, &e->peers[i]));
    }
    sb_addf(w->out, "        Extended IP access list %s\n", e->acl);
    if (acl) {
        show_rules(w, e->acl, &acl->aces);
    }
    if (e->num_peers) {
        sb_addf(w->out, "        Current peer: %s\n", cli_peer(a, &e->peers[0]));
    }
    if (e->manual) {
        show_manual(w, e);
    } else {
        cli_show_params(w, &e->sa, "        ");
    }
}

/* show_held: what an interface drops beside what its map says. */
static void show_held(const struct cli_show *w, const struct conf_if *i)
{
    if (i->held_all) {
        sb_addf(w->out,
                "%s drops everything that no line protects: too much was taken out to know it line "
                "by line\n",
                i->name);
    }
    CONF_FOR(struct conf_block, b, &i->held)
    {
        sb_addf(w->out, "%s drops, of crypto map %s %u", i->name, b->map, b->seq);
        if (b->dynamic_seq) {
            sb_addf(w->out, " (dynamic map %s %u)", b->dynamic, b->dynamic_seq);
        }
        sb_add(w->out, ":\n");
        if (!i->held_all) {
            show_rules(w, b->acl, &b->aces);
        }
        sb_add(w->out, conf_block_stays(w->c, i, b)
                           ? "            (its list permits nothing; until it does)\n"
                       : w->c->unfinished
                           ? "            (taken out by a console that went in the middle of it; "
                             "until `clear adit unfinished`)\n"
                           : "            (taken out; until everybody has left configuration "
                             "mode)\n");
    }
}

void cli_show_map(const struct cli_show *w)
{
    CONF_FOR(struct conf_map, m, &w->c->maps)
    {
        CONF_FOR(struct conf_map_entry, e, &m->entries)
        {
            show_entry(w, m, e);
        }
        sb_addf(w->out, "        Interfaces using crypto map %s:\n", m->name);
        CONF_FOR(struct conf_if, i, &w->c->ifs)
        {
            if (strcmp(i->crypto_map, m->name) == 0) {
                sb_addf(w->out, "                %s\n", i->name);
            }
        }
        sb_add(w->out, "\n");
    }
    CONF_FOR(struct conf_if, i, &w->c->ifs)
    {
        show_held(w, i);
    }
}

bool exec_show_dynamic(struct session *s, const struct match *m)
{
    (void)m;
    const struct conf *c = s->host->conf(s->host->ctx);
    const struct cli_show w = {.c = c, .out = &s->buf};
    CONF_FOR(struct conf_map, d, &c->dynamics)
    {
        CONF_FOR(struct conf_map_entry, e, &d->entries)
        {
            s_printf(s, "Crypto Map Template\"%s\" %u\n", d->name, e->seq);
            if (e->acl[0]) {
                s_printf(s, "        Extended IP access list %s\n", e->acl);
            } else {
                s_printf(s, "        No matching address list set.\n");
            }
            cli_show_params(&w, &e->sa, "        ");
            if (e->reverse) {
                s_printf(s, "        Reverse Route Injection Enabled\n");
            }
        }
    }
    return true;
}

/* is_lease: a client's own address, out of that pool. */
static bool is_lease(const struct conf_pool *p, const struct cli_flow *f)
{
    u32 a = be32(f->sel.dst.a.b);
    return f->dynamic[0] && f->sel.dst.a.family == AF_V4 && f->sel.dst.len == 32 && a >= be32(p->lo.b) && a <= be32(p->hi.b);
}

bool exec_show_pools(struct session *s, const struct match *m)
{
    const struct conf *c = s->host->conf(s->host->ctx);
    const char *name = match_text(m, "name");
    if (s->snap->error) {
        s_printf(s, "%% %s\n", s->snap->error);
    }
    s_printf(s, " Pool                     Begin           End             Free  In use   Blocked\n");
    CONF_FOR(struct conf_pool, p, &c->pools)
    {
        char lo[ADDR_STR], hi[ADDR_STR];
        u32 used = 0, all = be32(p->hi.b) - be32(p->lo.b) + 1;
        for (size_t i = 0; i < s->snap->num_flows; i++) {
            used += is_lease(p, &s->snap->flows[i]);
        }
        if (!name || strcmp(p->name, name) == 0) {
            s_printf(s, " %-24s %-15s %-15s %4u    %4u         0\n", p->name, addr_str(lo, &p->lo), addr_str(hi, &p->hi), all - used,
                     used);
        }
    }
    return !s->snap->error;
}
