/*
 * cmd_conf_if.c: `interface ...` and what stands below it (IOS 12.4).
 */
#include "cli/cli_int.h"

#include <stdlib.h>

bool cfg_interface(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "if");
    if (m->no) {
        struct conf_if *i = name ? conf_if_find(k->c, name) : NULL;
        if (i && k->c->typing && conf_if_covers(k->c, i)) { /* its link goes on, uncovered; a file is whole */
            return cfg_fail(k, m, "if",
                            "%.40s has a crypto map, or had it when configuration mode was entered; "
                            "take it off and leave configuration mode first",
                            i->name);
        }
        if (i) {
            list_remove(&i->link);
        }
        return true;
    }
    if (strncmp(name, "Null", 4) == 0) {
        return cfg_fail(k, m, "if", "Null0 has nothing to configure");
    }
    bool is_new = !conf_if_find(k->c, name);
    struct conf_if *i = conf_if_get(k->c, name, k->src);
    if (is_new && !cfg_fits(k, m, "if")) {
        list_remove(&i->link);
        return false;
    }
    cfg_enter(k, M_IF, i);
    return true;
}

static struct conf_if *self(struct cfg *k)
{
    return k->at;
}

bool cfg_if_description(struct cfg *k, const struct match *m)
{
    return cfg_text(k, m, self(k)->description, sizeof self(k)->description);
}

static struct conf_if_addr *addr_new(struct cfg *k, const struct prefix *p)
{
    struct conf_if_addr *a = arena_alloc(&k->c->arena, sizeof *a);
    a->src = k->src;
    a->p = *p;
    list_push_back(&self(k)->addrs, &a->link);
    return a;
}

/* addr_drop: forgets addresses of a family; only = this one, NULL = all. */
static void addr_drop(struct cfg *k, u8 family, const struct addr *only, bool primary_only)
{
    CONF_FOR(struct conf_if_addr, a, &self(k)->addrs)
    {
        if (a->p.a.family == family && (!only || addr_equal(&a->p.a, only)) &&
            !(primary_only && a->secondary)) {
            list_remove(&a->link);
        }
    }
}

bool cfg_if_ip_address(struct cfg *k, const struct match *m)
{
    struct addr a, mask;
    struct prefix p;
    const char *at = match_text(m, "addr"), *mt = match_text(m, "mask");
    if (m->no) {
        bool one = at && addr_parse(&a, at);
        addr_drop(k, AF_V4, one ? &a : NULL, false);
        return true;
    }
    if (!addr_parse(&a, at) || !addr_parse(&mask, mt) || !addr_mask_len(&p.len, &mask)) {
        return cfg_fail(k, m, "mask",
                        "Bad mask: a netmask has its one bits on the left, as 255.255.255.0");
    }
    p.a = a;
    struct prefix net = p;
    prefix_normalise(&net);
    if (p.len < 31 && addr_equal(&net.a, &a)) {
        return cfg_fail(k, m, "addr", "Bad mask /%u for address %s", p.len, at);
    }
    CONF_FOR(struct conf_if, other, &k->c->ifs)
    {
        CONF_FOR(struct conf_if_addr, o, &other->addrs)
        {
            if (other != self(k) && o->p.a.family == AF_V4 &&
                (prefix_contains(&o->p, &a) || prefix_contains(&p, &o->p.a))) {
                return cfg_fail(k, m, "addr", "%s overlaps with %s", at, other->name);
            }
        }
    }
    bool secondary = match_has(m, "secondary");
    addr_drop(k, AF_V4, secondary ? &a : NULL, !secondary);
    addr_new(k, &p)->secondary = secondary;
    self(k)->unnumbered[0] = 0;
    return true;
}

bool cfg_if_unnumbered(struct cfg *k, const struct match *m)
{
    const char *of = match_text(m, "if");
    str_copy(self(k)->unnumbered, CONF_IFNAME, m->no || !of ? "" : of);
    if (!m->no) {
        addr_drop(k, AF_V4, NULL, false);
    }
    return true;
}

bool cfg_if_ipv6_address(struct cfg *k, const struct match *m)
{
    struct prefix p = {.len = 64};
    char buf[64];
    const char *text = match_text(m, "prefix") ? match_text(m, "prefix") : match_text(m, "addr");
    if (!text) {
        addr_drop(k, AF_V6, NULL, false);
        return true;
    }
    str_copy(buf, sizeof buf, text);
    char *slash = strchr(buf, '/');
    if (slash) {
        *slash = 0;
        p.len = (u8)atoi(slash + 1);
    }
    if (!addr_parse(&p.a, buf)) {
        return cfg_fail(k, m, "prefix", "expected an IPv6 prefix such as 2001:DB8::1/64");
    }
    addr_drop(k, AF_V6, &p.a, false);
    if (!m->no) {
        struct conf_if_addr *a = addr_new(k, &p);
        a->link_local = match_has(m, "link-local");
        a->eui64 = match_has(m, "eui-64");
    }
    return true;
}

bool cfg_if_ipv6_enable(struct cfg *k, const struct match *m)
{
    self(k)->ipv6_enable = !m->no;
    return true;
}

bool cfg_if_shutdown(struct cfg *k, const struct match *m)
{
    self(k)->shutdown = !m->no;
    return true;
}

bool cfg_if_number(struct cfg *k, const struct match *m)
{
    struct conf_if *i = self(k);
    u32 v = m->no ? 0 : (u32)match_number(m, "value", 0);
    if (match_has(m, "adjust-mss")) {
        i->adjust_mss = v;
    } else if (match_has(m, "bandwidth")) {
        i->bandwidth = v;
    } else if (match_has(m, "ip")) {
        i->ip_mtu = v;
    } else if (match_has(m, "ipv6")) {
        i->ipv6_mtu = v;
    } else {
        i->mtu = v;
    }
    return true;
}

static bool need_tunnel(struct cfg *k, const struct match *m)
{
    return self(k)->kind == IFK_TUNNEL ||
           cfg_fail(k, m, "tunnel", "%s is not a tunnel interface", self(k)->name);
}

bool cfg_if_tunnel_source(struct cfg *k, const struct match *m)
{
    struct conf_tunnel *t = &self(k)->tun;
    const char *by_if = match_text(m, "if"), *by_addr = match_text(m, "addr");
    if (!need_tunnel(k, m)) {
        return false;
    }
    str_copy(t->source_if, sizeof t->source_if, m->no || !by_if ? "" : by_if);
    t->source = (struct addr){0};
    return m->no || !by_addr || addr_parse(&t->source, by_addr);
}

bool cfg_if_tunnel_dest(struct cfg *k, const struct match *m)
{
    struct conf_tunnel *t = &self(k)->tun;
    if (!need_tunnel(k, m)) {
        return false;
    }
    t->dest = (struct addr){0};
    t->dest_src = k->src;
    return m->no || addr_parse(&t->dest, match_text(m, "addr"));
}

bool cfg_if_tunnel_mode(struct cfg *k, const struct match *m)
{
    if (!need_tunnel(k, m)) {
        return false;
    }
    bool six = match_has(m, "ipv6");
    self(k)->tun.mode = m->no                    ? CTM_GRE_IP
                        : match_has(m, "gre")    ? (six ? CTM_GRE_IPV6 : CTM_GRE_IP)
                        : match_has(m, "ipsec")  ? (six ? CTM_IPSEC_IPV6 : CTM_IPSEC_IPV4)
                        : match_has(m, "ipv6ip") ? CTM_IPV6IP
                                                 : CTM_IPIP;
    return true;
}

bool cfg_if_tunnel_flag(struct cfg *k, const struct match *m)
{
    struct conf_tunnel *t = &self(k)->tun;
    if (!need_tunnel(k, m)) {
        return false;
    }
    if (match_has(m, "checksum")) {
        t->checksum = !m->no;
    } else if (match_has(m, "sequence-datagrams")) {
        t->sequence = !m->no;
    } else {
        t->pmtud = !m->no;
    }
    return true;
}

bool cfg_if_tunnel_number(struct cfg *k, const struct match *m)
{
    struct conf_tunnel *t = &self(k)->tun;
    u32 v = (u32)match_number(m, "value", 0);
    if (!need_tunnel(k, m)) {
        return false;
    }
    if (match_has(m, "key")) {
        t->has_key = !m->no;
        t->key = v;
    } else if (match_has(m, "ttl")) {
        t->ttl = m->no ? 0 : (u8)v;
    } else {
        t->has_tos = !m->no;
        t->tos = (u8)v;
    }
    return true;
}

bool cfg_if_protection(struct cfg *k, const struct match *m)
{
    struct conf_tunnel *t = &self(k)->tun;
    const char *name = match_text(m, "profile");
    if (!need_tunnel(k, m)) {
        return false;
    }
    if (!m->no && !conf_profile_find(k->c, name)) {
        return cfg_fail(k, m, "profile", "ipsec profile %.60s does not exist", name);
    }
    bool vti = t->mode == CTM_IPSEC_IPV4 || t->mode == CTM_IPSEC_IPV6;
    if (!m->no && match_has(m, "shared") && vti) {
        return cfg_fail(k, m, "shared", "a VTI has SAs of its own; nothing in its packets says which tunnel they are of");
    }
    char was[CONF_NAME];
    bool was_shared = t->shared;
    str_copy(was, sizeof was, t->profile);
    str_copy(t->profile, sizeof t->profile, m->no ? "" : name);
    t->shared = !m->no && match_has(m, "shared");
    if (!cfg_fits(k, m, "profile")) {
        str_copy(t->profile, sizeof t->profile, was);
        t->shared = was_shared;
        return false;
    }
    t->profile_src = k->src;
    return true;
}

bool cfg_if_dot1q(struct cfg *k, const struct match *m)
{
    if (!strchr(self(k)->name, '.')) {
        return cfg_fail(k, m, NULL, "a VLAN belongs to a subinterface such as %.40s.%u",
                        self(k)->name, (unsigned)match_number(m, "vlan", 10));
    }
    u16 was = self(k)->vlan;
    self(k)->vlan = m->no ? 0 : (u16)match_number(m, "vlan", 0);
    if (!cfg_fits(k, m, "vlan")) {
        self(k)->vlan = was;
        return false;
    }
    self(k)->vlan_src = k->src;
    return true;
}

bool cfg_if_blackhole(struct cfg *k, const struct match *m)
{
    if (self(k)->kind != IFK_TUNNEL) {
        return cfg_fail(k, m, NULL, "only networks behind a tunnel have a blackhole");
    }
    self(k)->no_blackhole = m->no;
    return true;
}

bool cfg_if_crypto_map(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "map");
    if (!m->no && !conf_map_find(k->c, name)) {
        return cfg_fail(k, m, "map", "crypto map %.60s does not exist", name);
    }
    if (!m->no && self(k)->kind == IFK_TUNNEL) {
        return cfg_fail(k, m, "map",
                        "a crypto map belongs on the outgoing link; protect a tunnel with "
                        "`tunnel protection ipsec profile`");
    }
    char was[CONF_NAME];
    str_copy(was, sizeof was, self(k)->crypto_map);
    conf_if_set_map(k->c, self(k), m->no ? "" : name);
    if (!cfg_fits(k, m, "map")) {
        conf_if_set_map(k->c, self(k), was);
        return false;
    }
    self(k)->crypto_map_src = k->src;
    cfg_note_lost(k);
    return true;
}

bool cfg_if_rpf(struct cfg *k, const struct match *m)
{
    if (match_has(m, "ipv6")) {
        self(k)->rpf6 = !m->no;
    } else {
        self(k)->rpf = !m->no;
    }
    return true;
}

bool cfg_if_ospf(struct cfg *k, const struct match *m)
{
    struct conf_if *i = self(k);
    u32 v = m->no ? 0 : (u32)match_number(m, "value", 0);
    if (match_has(m, "cost")) {
        i->ospf.cost = v;
    } else if (match_has(m, "hello-interval")) {
        i->ospf.hello = v;
    } else if (match_has(m, "dead-interval")) {
        i->ospf.dead = v;
    } else if (match_has(m, "priority")) {
        i->ospf.has_priority = !m->no;
        i->ospf.priority = (u8)v;
    } else if (match_has(m, "mtu-ignore")) {
        i->ospf.mtu_ignore = !m->no;
    } else if (match_has(m, "network")) {
        const char *kind = match_has(m, "point-to-point") ? "point-to-point" : "broadcast";
        str_copy(i->ospf.network, sizeof i->ospf.network, m->no ? "" : kind);
    } else {
        i->ospf.pid = m->no ? 0 : (u32)match_number(m, "pid", 0);
        i->ospf.area = (u32)match_number(m, "area", 0);
    }
    return true;
}

bool cfg_if_access_group(struct cfg *k, const struct match *m)
{
    /* accepting a filter that nobody enforces would be a hole the operator does not see */
    return m->no || cfg_fail(k, m, "access-group",
                             "packet filters on interfaces are not there yet; take the line out");
}

bool cfg_if_keep(struct cfg *k, const struct match *m)
{
    const char *text = k->line + strspn(k->line, " \t");
    if (m->no && (strcmp(text, "no shutdown") == 0)) {
        return true;
    }
    size_t word = strcspn(text, " ");
    bool single = strncmp(text, "ip ", 3) != 0 && strncmp(text, "cdp", 3) != 0 && !m->no;
    CONF_FOR(struct conf_kept, old, &self(k)->kept)
    {
        if (single && strncmp(old->text, text, word) == 0 && strchr(" ", old->text[word])) {
            list_remove(&old->link); /* `speed 10` replaces `speed 100` */
        }
    }
    conf_keep(k->c, &self(k)->kept, text, k->src);
    return true;
}
