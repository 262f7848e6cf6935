/*
 * cmd_conf_ip.c: global lines, access lists, static routes, OSPF (IOS 12.4).
 */
#include "cli/cli_int.h"

#include <stdlib.h>

/* ---- global ---- */

bool cfg_hostname(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "host");
    str_copy(k->c->hostname, sizeof k->c->hostname, m->no ? "Router" : name);
    return true;
}

bool cfg_keep(struct cfg *k, const struct match *m)
{
    (void)m;
    conf_keep(k->c, &k->c->kept, k->line + strspn(k->line, " \t"), k->src);
    return true;
}

bool cfg_ipv6_routing(struct cfg *k, const struct match *m)
{
    k->c->ipv6_routing = !m->no;
    return true;
}

bool cfg_ip_host(struct cfg *k, const struct match *m)
{
    struct conf_host *h = conf_host_find(k->c, match_text(m, "host"));
    if (m->no) {
        if (h) {
            list_remove(&h->link);
        }
        return true;
    }
    struct addr a;
    if (!addr_parse(&a, match_text(m, "addr")) || addr_is_any(&a) || addr_is_multicast(&a)) {
        return cfg_fail(k, m, "addr", "expected the address of one host");
    }
    if (strlen(match_text(m, "host")) >= CONF_HOST) {
        return cfg_fail(k, m, "host", "expected a name of %d characters at most", CONF_HOST - 1);
    }
    if (!h) {
        h = arena_alloc(&k->c->arena, sizeof *h);
        str_copy(h->name, sizeof h->name, match_text(m, "host"));
        list_push_back(&k->c->hosts, &h->link);
    }
    h->a = a;
    return true;
}

/* name_server: the line at `a`: goes, and comes last again unless it is to go. */
static bool name_server(struct cfg *k, const struct match *m, const struct match_arg *arg)
{
    struct conf *c = k->c;
    struct addr a;
    unsigned kept = 0;
    if (!addr_parse(&a, arg->text)) {
        return cfg_fail(k, m, arg->name, "expected an address");
    }
    for (unsigned i = 0; i < c->num_name_servers; i++) {
        if (!addr_equal(&c->name_server[i], &a)) {
            c->name_server[kept++] = c->name_server[i];
        }
    }
    c->num_name_servers = kept;
    if (m->no) {
        return true;
    }
    if (kept == CONF_MAX_NAMESERVERS) {
        return cfg_fail(k, m, arg->name, "at most %d name servers", CONF_MAX_NAMESERVERS);
    }
    c->name_server[c->num_name_servers++] = a;
    return true;
}

bool cfg_name_server(struct cfg *k, const struct match *m)
{
    bool any = false;
    for (int i = 0; i < m->num; i++) {
        if (m->arg[i].name && strcmp(m->arg[i].name, "server") == 0) {
            any = true;
            if (!name_server(k, m, &m->arg[i])) {
                return false;
            }
        }
    }
    k->c->num_name_servers = any ? k->c->num_name_servers : 0; /* `no ip name-server` */
    return true;
}

bool cfg_domain_lookup(struct cfg *k, const struct match *m)
{
    k->c->ip_domain_lookup_off = m->no;
    return true;
}

bool cfg_dialect(struct cfg *k, const struct match *m)
{
    k->c->dialect_15 = !m->no && match_has(m, "15");
    return true;
}

/* ---- access lists ---- */

struct ace_reader {
    struct cfg *k;
    const struct match *m;
    int i; /* next argument */
};

static const struct match_arg *next_arg(struct ace_reader *r)
{
    return r->i < r->m->num ? &r->m->arg[r->i] : NULL;
}

static bool at_word(struct ace_reader *r, const char *word)
{
    const struct match_arg *a = next_arg(r);
    if (a && a->keyword && strcmp(a->text, word) == 0) {
        r->i++;
        return true;
    }
    return false;
}

static bool fail_at(struct ace_reader *r, const struct match_arg *a, const char *why)
{
    str_copy(r->k->err, sizeof r->k->err, why);
    r->k->err_col = a ? a->col : 1;
    return false;
}

/* read_addr6: any, host X:X::X, or X:X::X/N. */
static bool read_addr6(struct ace_reader *r, struct prefix *out)
{
    char buf[64];
    memset(out, 0, sizeof *out);
    out->a.family = AF_V6;
    if (at_word(r, "any")) {
        return true;
    }
    (void)at_word(r, "host");
    const struct match_arg *a = &r->m->arg[r->i++];
    str_copy(buf, sizeof buf, a->text);
    char *slash = strchr(buf, '/');
    out->len = slash ? (u8)atoi(slash + 1) : 128; /* 0 to 128: the grammar has looked */
    if (slash) {
        *slash = 0;
    }
    if (!addr_parse(&out->a, buf) || out->a.family != AF_V6) {
        return fail_at(r, a, "expected an IPv6 address or prefix");
    }
    prefix_normalise(out);
    return true;
}

static bool read_addr(struct ace_reader *r, struct prefix *out)
{
    memset(out, 0, sizeof *out);
    out->a.family = AF_V4;
    if (at_word(r, "any")) {
        return true;
    }
    bool host = at_word(r, "host");
    const struct match_arg *a = &r->m->arg[r->i++];
    if (!addr_parse(&out->a, a->text)) {
        return fail_at(r, a, "expected an IPv4 address");
    }
    out->len = 32;
    const struct match_arg *w = next_arg(r);
    struct addr wild;
    if (!host && w && !w->keyword && strcmp(w->name, "wild") == 0) {
        r->i++;
        if (!addr_parse(&wild, w->text)) {
            return fail_at(r, w, "expected a wildcard such as 0.0.0.255");
        }
        for (unsigned b = 0; b < 4; b++) {
            wild.b[b] = (u8)~wild.b[b];
        }
        if (!addr_mask_len(&out->len, &wild)) {
            return fail_at(r, w,
                           "the wildcard has holes; only 0.0.0.255-like ones can be protected");
        }
    }
    prefix_normalise(out);
    return true;
}

static u16 port_number(const struct match_arg *a)
{
    static const struct {
        const char *word;
        u16 port;
    } words[] = {{"isakmp", 500}, {"non500-isakmp", 4500},
                 {"domain", 53},  {"www", 80},
                 {"telnet", 23},  {"ntp", 123},
                 {"snmp", 161},   {"syslog", 514},
                 {"ftp", 21},     {"smtp", 25},
                 {"tftp", 69},    {"bgp", 179}};
    for (unsigned i = 0; a->keyword && i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, a->text) == 0) {
            return words[i].port;
        }
    }
    return (u16)a->number;
}

static bool read_ports(struct ace_reader *r, u16 *lo, u16 *hi)
{
    *lo = 0, *hi = 0xffff;
    if (at_word(r, "eq")) {
        *lo = *hi = port_number(&r->m->arg[r->i++]);
    } else if (at_word(r, "gt")) {
        *lo = (u16)(port_number(&r->m->arg[r->i++]) + 1);
        return *lo != 0 || fail_at(r, &r->m->arg[r->i - 1], "no port is greater than 65535");
    } else if (at_word(r, "lt")) {
        *hi = (u16)(port_number(&r->m->arg[r->i++]) - 1);
        return *hi != 0xffff || fail_at(r, &r->m->arg[r->i - 1], "no port is less than 0");
    } else if (at_word(r, "range")) {
        *lo = port_number(&r->m->arg[r->i++]);
        *hi = port_number(&r->m->arg[r->i++]);
        return *lo <= *hi || fail_at(r, &r->m->arg[r->i - 1], "the range ends before it begins");
    }
    return true;
}

static u8 proto_number(const struct match_arg *a)
{
    static const struct {
        const char *word;
        u8 proto;
    } words[] = {{"ip", 0},   {"ipv6", 0}, {"icmp", 1}, {"igmp", 2}, {"ipinip", 4}, {"tcp", 6},  {"udp", 17},
                 {"gre", 47}, {"esp", 50}, {"ahp", 51}, {"eigrp", 88}, {"ospf", 89}};
    for (unsigned i = 0; a->keyword && i < ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, a->text) == 0) {
            return words[i].proto;
        }
    }
    return (u8)a->number;
}

/* read_rule: permit/deny and what follows. start: index of the permit/deny argument. */
static bool read_rule(struct cfg *k, const struct match *m, const struct conf_acl *acl, int start,
                      struct conf_ace *out)
{
    struct ace_reader r = {.k = k, .m = m, .i = start};
    if (m->partial) { /* `no deny` alone: which one? */
        return cfg_fail(k, m, NULL, "the line ends too early: say the whole rule");
    }
    bool (*read_host)(struct ace_reader *, struct prefix *) = acl->ipv6 ? read_addr6 : read_addr;
    memset(out, 0, sizeof *out);
    out->permit = strcmp(m->arg[r.i++].text, "permit") == 0;
    out->sel = selector_any(acl->ipv6 ? AF_V6 : AF_V4);
    if (acl->extended) {
        out->sel.proto = proto_number(&m->arg[r.i++]);
        if (acl->ipv6 && out->sel.proto == 1) {
            out->sel.proto = 58; /* `icmp` in an IPv6 list is ICMPv6 */
        }
    }
    if (!read_host(&r, &out->sel.src)) {
        return false;
    }
    if (acl->extended && (!read_ports(&r, &out->sel.sport_lo, &out->sel.sport_hi) ||
                          !read_host(&r, &out->sel.dst) ||
                          !read_ports(&r, &out->sel.dport_lo, &out->sel.dport_hi))) {
        return false;
    }
    out->log = at_word(&r, "log");
    struct strbuf text = {0};
    for (int i = start; i < m->num; i++) {
        sb_addf(&text, "%s%s", i > start ? " " : "", m->arg[i].text);
    }
    str_copy(out->text, sizeof out->text, text.s);
    sb_free(&text);
    return true;
}

static int rule_start(const struct match *m)
{
    for (int i = 0; i < m->num; i++) {
        if (m->arg[i].keyword &&
            (strcmp(m->arg[i].text, "permit") == 0 || strcmp(m->arg[i].text, "deny") == 0)) {
            return i;
        }
    }
    return -1;
}

/* number_left: for a line behind all others. */
static bool number_left(struct cfg *k, const struct match *m, const struct conf_acl *acl)
{
    const u32 most = acl->ipv6 ? UINT32_MAX - 1 : INT32_MAX; /* as the grammar takes them */
    u32 last = list_empty(&acl->aces) ? 0
                                      : CONTAINER_OF(acl->aces.prev, struct conf_ace, link)->seq;
    return last <= most - 10 ||
           cfg_fail(k, m, NULL, "there is no number left behind %u; give the line one", last);
}

static bool rule_put(struct cfg *k, const struct match *m, struct conf_acl *acl, u32 seq,
                     struct conf_ace *rule)
{
    struct conf_ace *was = NULL;
    CONF_FOR(struct conf_ace, e, &acl->aces)
    {
        was = seq && e->seq == seq ? e : was;
    }
    if (!seq && !number_left(k, m, acl)) {
        return false;
    }
    rule->src = k->src;
    struct conf_ace *e = conf_ace_put(k->c, acl, seq, rule);
    if (!cfg_fits(k, m, NULL)) {
        if (was) { /* where it was; cfg_line takes back what was held for it */
            list_push_back(&e->link, &was->link);
        }
        list_remove(&e->link);
        return false;
    }
    if (seq && !rule->permit) { /* it may have taken the place of the last line that permits */
        cfg_note_lost(k);
    }
    return true;
}

static void rule_remove(struct cfg *k, struct conf_acl *acl, u32 seq, const struct conf_ace *rule)
{
    CONF_FOR(struct conf_ace, e, &acl->aces)
    {
        if ((seq && e->seq == seq) || (!seq && strcmp(e->text, rule->text) == 0)) {
            conf_ace_remove(k->c, acl, e);
        }
    }
    cfg_note_lost(k);
}

bool cfg_acl_numbered(struct cfg *k, const struct match *m)
{
    struct conf_ace rule;
    char name[CONF_NAME];
    const struct match_arg *num = match_arg(m, "std") ? match_arg(m, "std") : match_arg(m, "ext");
    int start = rule_start(m);
    if (!num) {
        return cfg_fail(k, m, NULL, "expected the list's number");
    }
    bool extended = strcmp(num->name, "ext") == 0;
    str_copy(name, sizeof name, num->text);
    struct conf_acl *acl = conf_acl_find(k->c, name);
    if (acl && acl->ipv6) {
        return cfg_fail(k, m, num->name, "access list %.60s is of the other kind", name);
    }
    if (m->no) { /* as on IOS: the whole list goes, whatever follows the number */
        if (acl) {
            conf_acl_remove(k->c, acl);
            cfg_note_lost(k);
        }
        return true;
    }
    if (!read_rule(k, m, &(struct conf_acl){.extended = extended}, start, &rule)) {
        return false;
    }
    bool is_new = !acl;
    acl = conf_acl_get(k->c, name, extended, true, k->src);
    if (!rule_put(k, m, acl, 0, &rule)) {
        if (is_new) {
            list_remove(&acl->link);
        }
        return false;
    }
    return true;
}

/* remark_put: a remark at the end of the list; `no` has nothing to take away. */
static bool remark_put(struct cfg *k, const struct match *m, struct conf_acl *acl)
{
    struct conf_ace e = {.src = k->src};
    if (!cfg_text(k, m, e.remark, sizeof e.remark) ||
        (!m->no && !number_left(k, m, acl))) {
        return false;
    }
    if (!m->no) {
        (void)conf_ace_put(k->c, acl, 0, &e);
    }
    return true;
}

bool cfg_acl_remark(struct cfg *k, const struct match *m)
{
    const struct match_arg *num = match_arg(m, "num");
    u64 n = num ? num->number : 0;
    bool extended = n >= 100 && !(n >= 1300 && n < 2000);
    const char *text = match_text(m, "text");
    if (m->no || !num || (text && strlen(text) >= sizeof((struct conf_ace *)0)->remark)) {
        return remark_put(k, m, NULL); /* no list is made for what is refused */
    }
    const struct conf_acl *acl = conf_acl_find(k->c, num->text);
    if (acl && acl->ipv6) {
        return cfg_fail(k, m, "num", "access list %.60s is of the other kind", num->text);
    }
    return remark_put(k, m, conf_acl_get(k->c, num->text, extended, true, k->src));
}

/* number_fits: as `access-list NUMBER` takes it, so that what is printed can be read. */
static bool number_fits(const char *name, bool extended)
{
    unsigned long n = name[0] == '0' || strlen(name) > 4 ? 0 : strtoul(name, NULL, 10);
    return extended ? (n >= 100 && n <= 199) || (n >= 2000 && n <= 2699)
                    : (n >= 1 && n <= 99) || (n >= 1300 && n <= 1999);
}

bool cfg_acl_named(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    bool extended = match_has(m, "extended");
    struct conf_acl *acl = conf_acl_find(k->c, name);
    if (acl && (acl->extended != extended || acl->ipv6)) {
        return cfg_fail(k, m, "name", "access list %.60s is of the other kind", name);
    }
    if (m->no) {
        if (acl) {
            conf_acl_remove(k->c, acl);
            cfg_note_lost(k);
        }
        return true;
    }
    bool numbered = strspn(name, "0123456789") == strlen(name);
    if (numbered && !number_fits(name, extended)) {
        return cfg_fail(k, m, "name", "the number of %s list is %s",
                        extended ? "an extended" : "a standard",
                        extended ? "100 to 199 or 2000 to 2699" : "1 to 99 or 1300 to 1999");
    }
    cfg_enter(k, extended ? M_EXTACL : M_STDACL,
              conf_acl_get(k->c, name, extended, numbered, k->src));
    return true;
}

bool cfg_acl_ipv6(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    struct conf_acl *acl = conf_acl_find(k->c, name);
    if (acl && !acl->ipv6) {
        return cfg_fail(k, m, "name", "access list %.60s is of the other kind", name);
    }
    if (m->no) {
        if (acl) {
            conf_acl_remove(k->c, acl);
            cfg_note_lost(k);
        }
        return true;
    }
    acl = conf_acl_get(k->c, name, true, false, k->src);
    acl->ipv6 = true;
    cfg_enter(k, M_IPV6ACL, acl);
    return true;
}

bool cfg_ace(struct cfg *k, const struct match *m)
{
    struct conf_acl *acl = k->at;
    struct conf_ace rule = {0};
    u32 seq = (u32)match_number(m, "seq", 0);
    int start = rule_start(m);
    if (m->no && start < 0) {
        rule_remove(k, acl, seq, &rule);
        return true;
    }
    if (!read_rule(k, m, acl, start, &rule)) {
        return false;
    }
    if (m->no) {
        rule_remove(k, acl, seq, &rule);
        return true;
    }
    return rule_put(k, m, acl, seq, &rule);
}

bool cfg_ace_remark(struct cfg *k, const struct match *m)
{
    return remark_put(k, m, k->at);
}

/* ---- routes ---- */

static bool route_edit(struct cfg *k, const struct match *m, const struct prefix *net,
                       bool any_nexthop)
{
    struct conf_route r = {
        .src = k->src, .net = *net, .distance = (u32)match_number(m, "distance", 1)};
    const char *nh = match_text(m, "nexthop"), *by = match_text(m, "if");
    if (nh && !addr_parse(&r.nexthop, nh)) {
        return cfg_fail(k, m, "nexthop", "expected the next hop's address");
    }
    str_copy(r.iface, sizeof r.iface, by ? by : "");
    CONF_FOR(struct conf_route, old, &k->c->routes)
    {
        bool same = prefix_equal(&old->net, net) &&
                    (any_nexthop ||
                     (addr_equal(&old->nexthop, &r.nexthop) && strcmp(old->iface, r.iface) == 0));
        if (same) {
            list_remove(&old->link);
        }
    }
    if (!m->no) {
        struct conf_route *n = arena_alloc(&k->c->arena, sizeof *n);
        *n = r;
        list_push_back(&k->c->routes, &n->link);
    }
    return true;
}

bool cfg_ip_route(struct cfg *k, const struct match *m)
{
    struct prefix net = {0};
    struct addr mask;
    const char *nt = match_text(m, "net"), *mt = match_text(m, "mask");
    if (!nt || !mt || !addr_parse(&net.a, nt) || !addr_parse(&mask, mt)) {
        return cfg_fail(k, m, "net", "expected a network and its mask");
    }
    struct prefix same;
    if (!addr_mask_len(&net.len, &mask)) {
        return cfg_fail(k, m, "mask", "a netmask has its one bits on the left: 255.255.255.0");
    }
    same = net;
    prefix_normalise(&same);
    if (!addr_equal(&same.a, &net.a)) {
        return cfg_fail(k, m, "net", "Inconsistent address and mask: %s has host bits outside %s",
                        nt, mt);
    }
    return route_edit(k, m, &net, m->no && !match_text(m, "nexthop") && !match_text(m, "if"));
}

bool cfg_ipv6_route(struct cfg *k, const struct match *m)
{
    struct prefix net = {0};
    char buf[64];
    const char *text = match_text(m, "net");
    if (!text) {
        return cfg_fail(k, m, NULL, "expected an IPv6 prefix");
    }
    str_copy(buf, sizeof buf, text);
    char *slash = strchr(buf, '/');
    *slash = 0;
    net.len = (u8)atoi(slash + 1);
    if (!addr_parse(&net.a, buf)) {
        return cfg_fail(k, m, "net", "expected an IPv6 prefix");
    }
    prefix_normalise(&net);
    return route_edit(k, m, &net, m->no && !match_text(m, "nexthop") && !match_text(m, "if"));
}

/* ---- OSPF ---- */

bool cfg_router_ospf(struct cfg *k, const struct match *m)
{
    u32 pid = (u32)match_number(m, "pid", 0);
    struct conf_ospf *o = conf_ospf_get(k->c, pid, k->src);
    if (m->no) {
        list_remove(&o->link);
        return true;
    }
    cfg_enter(k, M_ROUTER, o);
    return true;
}

bool cfg_ospf_network(struct cfg *k, const struct match *m)
{
    struct conf_ospf *o = k->at;
    struct prefix net = {0};
    struct addr wild;
    if (!match_text(m, "net") || !match_text(m, "wild") ||
        !addr_parse(&net.a, match_text(m, "net")) || !addr_parse(&wild, match_text(m, "wild"))) {
        return cfg_fail(k, m, "net", "expected a network and a wildcard");
    }
    for (unsigned b = 0; b < 4; b++) {
        wild.b[b] = (u8)~wild.b[b];
    }
    if (!addr_mask_len(&net.len, &wild)) {
        return cfg_fail(k, m, "wild", "the wildcard has holes");
    }
    prefix_normalise(&net);
    CONF_FOR(struct conf_ospf_net, old, &o->nets)
    {
        if (prefix_equal(&old->net, &net)) {
            list_remove(&old->link);
        }
    }
    if (!m->no) {
        struct conf_ospf_net *n = arena_alloc(&k->c->arena, sizeof *n);
        n->src = k->src;
        n->net = net;
        n->area = (u32)match_number(m, "area", 0);
        list_push_back(&o->nets, &n->link);
    }
    return true;
}

bool cfg_ospf_keep(struct cfg *k, const struct match *m)
{
    struct conf_ospf *o = k->at;
    struct strbuf text = {0};
    for (int i = 0; i < m->num; i++) {
        sb_addf(&text, "%s%s", i ? " " : "", m->arg[i].text);
    }
    CONF_FOR(struct conf_kept, old, &o->kept)
    {
        if (m->no && strncmp(old->text, text.s, text.len) == 0) {
            list_remove(&old->link);
        }
    }
    if (!m->no) {
        conf_keep(k->c, &o->kept, text.s, k->src);
    }
    sb_free(&text);
    return true;
}
