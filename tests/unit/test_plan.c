/*
 * test_plan.c: the planner (sys/plan.c and its parts) on a kernel made of tables: what a configuration
 * becomes for the kernel, dp and ike, value by value; and the arithmetic of what fits into a path after
 * ESP, against sizes computed packet by packet.
 */
#include "cli/cli_int.h"
#include "sys/apply_route.h"
#include "sys/router_int.h"
#include "sys/vlan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a kernel of tables (in place of sys/netlink.c) ------------------------------------------- */

static struct kern_link links[] = {
    {.name = "Fa0-0",
     .index = 5,
     .up = true,
     .carrier = true,
     .mtu = 1500,
     .mac = {2, 0, 0, 0xaa, 0xbb, 0xcc}},
    {.name = "Fa0-1", .index = 7, .up = true, .carrier = true, .mtu = 1400},
    {.name = "Fa1-0", .index = 9, .up = true, .carrier = true, .mtu = 1500},
    {.name = "Fa0-1.30", .index = 12, .vlan = 30},
    {.name = "Fa0-1.40", .index = 13}, /* no VLAN */
    {.name = "Tunnel0", .index = 11, .up = true, .carrier = true, .mtu = 1400},
};
static struct kern_route_value routes[2 * HOLES_LEARNED];
static size_t num_routes;

bool kern_link_get(struct kern *nl, const char *name, struct kern_link *out)
{
    (void)nl;
    for (unsigned i = 0; i < ARRAY_LEN(links); i++) {
        if (strcmp(links[i].name, name) == 0) {
            *out = links[i];
            return true;
        }
    }
    return false;
}

bool kern_route_to(struct kern *nl, const struct addr *dst, char out_link[NL_NAME],
                   struct addr *out_gw)
{
    (void)nl;
    *out_gw = (struct addr){0};
    str_copy(out_link, NL_NAME, dst->b[0] == 9 ? "Fa1-0" : "Fa0-1");
    return true;
}

static bool routes_untold; /* the kernel says that there are more */
bool kern_each_route(struct kern *nl, void (*fn)(void *ctx, const struct kern_route_value *r),
                     void *ctx)
{
    (void)nl;
    for (size_t i = 0; i < num_routes; i++) {
        fn(ctx, &routes[i]);
    }
    return !routes_untold;
}

static char done[512];          /* what was changed, in order */
static bool refuse_delete;
static const char *refuse_hole; /* the network of a blackhole that is not taken */
const char *kern_route_change(struct kern *nl, const struct kern_route_value *r, bool add)
{
    char net[ADDR_STR];
    (void)nl;
    sprintf(done + strlen(done), "%s%s %s/%u;", add ? "" : "no ",
            r->kind == NLR_BLACKHOLE ? "hole" : "route", addr_str(net, &r->net.a), r->net.len);
    return refuse_hole && r->kind == NLR_BLACKHOLE && strcmp(net, refuse_hole) == 0 ? "full" : NULL;
}

const char *kern_link_delete(struct kern *nl, const char *name)
{
    (void)nl;
    sprintf(done + strlen(done), "del %s;", name);
    return refuse_delete ? "busy" : NULL;
}

const char *kern_link_set(struct kern *nl, const char *name, bool up, u32 mtu)
{
    (void)nl, (void)mtu;
    sprintf(done + strlen(done), "%s %s;", name, up ? "up" : "down");
    return NULL;
}

const char *kern_vlan_add(struct kern *nl, const char *parent, const char *name, u16 vlan)
{
    (void)nl;
    sprintf(done + strlen(done), "add %s %s %u;", parent, name, vlan);
    return vlan == 99 ? "no" : NULL;
}

static void kernel_name(void *ctx, char out[16], const char *ifname)
{
    (void)ctx;
    conf_if_kernel(out, ifname);
}

static void console_name(void *ctx, char out[CONF_IFNAME], const char *link)
{
    (void)ctx;
    str_copy(out, CONF_IFNAME, link);
}

static char keys[256][400];
static u32 flow_id(void *ctx, const char *key)
{
    (void)ctx;
    for (u32 i = 0; i < ARRAY_LEN(keys); i++) {
        if (!keys[i][0]) {
            str_copy(keys[i], sizeof keys[i], key);
        }
        if (strcmp(keys[i], key) == 0) {
            return i + 1;
        }
    }
    return 0;
}

static u8 link_number(void *ctx, const char *link)
{
    (void)ctx;
    return strcmp(link, "Fa0-1") == 0 ? 3 : strcmp(link, "Fa1-0") == 0 ? 1 : 0;
}

static const char *known_name; /* to DNS: it is 9.9.9.7 */
static bool resolve(void *ctx, const char *name, struct addr *out)
{
    (void)ctx;
    *out = addr_v4(0x09090907);
    return known_name && strcmp(name, known_name) == 0;
}

static struct plan_list met = {.size = sizeof(struct plan_client)}; /* the clients that the world knows */

static struct plan derived(const struct conf *c)
{
    struct plan p;
    struct plan_world w = {.kernel_name = kernel_name,
                           .console_name = console_name,
                           .flow_id = flow_id,
                           .clients = &met,
                           .resolve = resolve,
                           .link_number = link_number};
    plan_init(&p);
    assert_int_equal(plan_derive(&p, c, &w), !routes_untold);
    return p;
}

/* type_lines: as a console in configuration mode, which stays there. */
static void type_lines(struct conf *c, const char *text)
{
    struct cfg k = {.c = c, .mode = M_CONF, .g = cli_grammar()};
    char *copy = xstrdup(text), *rest = copy, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        cfg_tidy(line);
        if (!cfg_line(&k, line)) {
            fail_msg("%s: %s", line, k.err);
        }
    }
    free(copy);
}

/* plan_of: the plan of a configuration file. */
static struct plan plan_of(const char *text, struct conf **out_conf)
{
    struct strbuf errors = {0};
    *out_conf = conf_new();
    if (!cli_load(*out_conf, "t.cfg", text, &errors)) {
        fail_msg("%s", errors.s);
    }
    sb_free(&errors);
    return derived(*out_conf);
}

#define HEAD                                                                                       \
    "crypto isakmp policy 10\n encr aes\n authentication pre-share\n group 14\n"                   \
    "crypto isakmp key k address 0.0.0.0 0.0.0.0\n"                                                \
    "crypto ipsec transform-set T esp-aes esp-sha-hmac\n"                                          \
    "crypto ipsec transform-set U esp-aes esp-sha-hmac\n mode transport\n"
#define WAN                                                                                        \
    "interface FastEthernet0/1\n ip address 1.1.1.1 255.255.255.0\n ipv6 address 2001:DB8::1/64\n"

static const struct dp_policy_value *policy(const struct plan *p, unsigned n)
{
    const struct dp_msg *m = p->dp.items;
    for (size_t i = 0; i < p->dp.num; i++) {
        if (m[i].type == DP_CFG_POLICY && n-- == 0) {
            return &m[i].u.policy;
        }
    }
    return NULL;
}

static const struct dp_flow_value *dp_flow(const struct plan *p, u32 id)
{
    const struct dp_msg *m = p->dp.items;
    for (size_t i = 0; i < p->dp.num; i++) {
        if (m[i].type == DP_CFG_FLOW && m[i].u.flow.flow == id) {
            return &m[i].u.flow;
        }
    }
    return NULL;
}

static const struct ike_flow_value *ike_flow(const struct plan *p, u32 id)
{
    const struct ike_msg *m = p->ike.items;
    for (size_t i = 0; i < p->ike.num; i++) {
        if (m[i].type == IKE_CFG_FLOW && m[i].u.flow.flow == id) {
            return &m[i].u.flow;
        }
    }
    return NULL;
}

static bool has_hole(const struct plan *p, const char *net, u8 len, u32 metric)
{
    const struct kern_route_value *r = p->holes.items;
    struct addr a;
    assert_true(addr_parse(&a, net));
    for (size_t i = 0; i < p->holes.num; i++) {
        if (r[i].kind == NLR_BLACKHOLE && r[i].metric == metric && r[i].net.len == len &&
            addr_equal(&r[i].net.a, &a)) {
            return true;
        }
    }
    return false;
}

/* ---- crypto maps ------------------------------------------------------------------------------ */

/* Lines in the order of the entries' numbers; a deny is no flow and covers nothing. */
static void t_map_lines(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(
        HEAD "crypto map M 20 ipsec-isakmp\n set peer 2.2.2.1\n set transform-set T\n match "
             "address 101\n"
             "crypto map M 10 ipsec-isakmp\n set peer 2.2.2.2\n set peer 2.2.2.3\n set "
             "transform-set U T\n set pfs group5\n"
             " set security-association lifetime seconds 600\n"
             " set security-association replay window-size 512\n match address 100\n"
             "access-list 100 remark not for me\n"
             "access-list 100 deny ip 10.1.0.0 0.0.0.255 10.2.9.0 0.0.0.255\n"
             "access-list 100 permit ip 10.1.0.0 0.0.0.255 10.2.0.0 0.0.255.255\n"
             "access-list 101 permit udp 10.1.0.0 0.0.0.255 10.3.0.0 0.0.0.255 eq 5000\n" WAN
             " crypto map M\nend\n",
        &c);
    const struct dp_policy_value *deny = policy(&p, 0), *first = policy(&p, 1),
                                 *second = policy(&p, 2);
    assert_null(policy(&p, 3));
    assert_int_equal(deny->action, ACT_SKIP);
    assert_int_equal(deny->flow, 0);
    assert_int_equal(deny->entry, 10);
    assert_int_equal(first->action, ACT_PROTECT);
    assert_int_equal(first->entry, 10);
    assert_int_equal(second->entry, 20);
    assert_true(deny->order < first->order && first->order < second->order);
    assert_true(deny->link == 3 && first->link == 3 && second->link == 3);
    assert_int_equal(second->sel.dport_lo, 5000);
    assert_int_equal(second->sel.proto, 17);
    assert_true(first->flow && second->flow && first->flow != second->flow);
    /* the classifier: one link, the permits only */
    const struct plan_map *m = p.maps.items;
    assert_int_equal(p.maps.num, 1);
    assert_string_equal(m->link, "Fa0-1");
    assert_string_equal(m->crypto, "crypto7");
    assert_string_equal(m->clear, "clear7");
    assert_int_equal(m->num, 2);
    assert_int_equal(p.covered.num, 2);
    assert_true(selector_equal((const struct selector *)p.covered.items + m->first, &first->sel));
    /* what ike gets */
    const struct ike_flow_value *f = ike_flow(&p, first->flow), *g = ike_flow(&p, second->flow);
    assert_int_equal(f->num_peers, 2);
    assert_int_equal(f->life_s, 600);
    assert_int_equal(g->life_s, 3600);
    assert_int_equal(f->pfs_group, 5);
    assert_int_equal(g->pfs_group, 0);
    assert_int_equal(f->num_transforms, 2);
    assert_int_equal(f->transform[0].mode, MODE_TUNNEL); /* transport mode is for what the peers say to each other */
    assert_int_equal(f->transform[1].mode, MODE_TUNNEL);
    assert_int_equal(f->replay_window, 512);
    assert_int_equal(g->replay_window, 64);
    assert_false(f->always_up);
    assert_int_equal(f->seq, 10);
    assert_int_equal(addr_v4_host(&f->local), 0x01010101);
    /* what dp gets */
    assert_int_equal(dp_flow(&p, first->flow)->link, 3);
    assert_int_equal(dp_flow(&p, first->flow)->path_mtu, 1400);
    unsigned ports = 0;
    const struct dp_port_value *v = p.ports.items;
    for (size_t i = 0; i < p.ports.num; i++) {
        ports += v[i].link == 3;
        assert_true(v[i].kind != PORT_PASS || strcmp(v[i].name, "Fa0-1") == 0);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(v[i].id, v[k].id);
        }
    }
    assert_int_equal(ports, 4);
    plan_free(&p);
    conf_free(c);
}

/* One list on two links: each link's lines and flows are its own, whichever comes first. */
static void t_two_links(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(
        HEAD "crypto map M 10 ipsec-isakmp\n set peer 2.2.2.2\n set transform-set T\n match "
             "address 100\n"
             "access-list 100 permit ip 10.1.0.0 0.0.0.255 10.2.0.0 0.0.0.255\n" WAN
             " crypto map M\n"
             "interface FastEthernet1/0\n ip address 9.9.9.1 255.255.255.0\n crypto map M\nend\n",
        &c);
    const struct dp_policy_value *a = policy(&p, 0), *b = policy(&p, 1);
    assert_int_equal(p.maps.num, 2);
    assert_int_equal(a->link, 3);
    assert_int_equal(b->link, 1);
    assert_int_not_equal(a->flow, b->flow);
    assert_int_equal(addr_v4_host(&ike_flow(&p, a->flow)->local), 0x01010101);
    assert_int_equal(addr_v4_host(&ike_flow(&p, b->flow)->local), 0x09090901);
    plan_free(&p);
    conf_free(c);
}

static void t_ipv6_list(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(
        HEAD
        "ipv6 access-list SIX\n permit icmp 2001:DB8:1::/64 2001:DB8:2::/64\n deny ipv6 any any\n"
        "crypto map M 10 ipsec-isakmp\n set peer 2001:DB8::2\n set transform-set T\n match address "
        "SIX\n" WAN " crypto map M\nend\n",
        &c);
    const struct dp_policy_value *a = policy(&p, 0), *b = policy(&p, 1);
    assert_int_equal(a->sel.src.a.family, AF_V6);
    assert_int_equal(a->sel.src.len, 64);
    assert_int_equal(a->sel.proto, 58);
    assert_int_equal(b->action, ACT_SKIP);
    assert_int_equal(b->sel.dst.a.family, AF_V6);
    assert_int_equal(ike_flow(&p, a->flow)->local.family, AF_V6);
    bool esp6 = false;
    const struct dp_port_value *v = p.ports.items;
    for (size_t i = 0; i < p.ports.num; i++) {
        esp6 |= v[i].kind == PORT_RAW && v[i].family == AF_V6 && v[i].proto == 50;
    }
    assert_true(esp6);
    plan_free(&p);
    conf_free(c);
}

/* A map without a list, on a link that is not there or shut: nothing half. Without a peer the line is covered all the
 * same, and nobody negotiates for it. */
static void t_map_disabled(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(
        HEAD "crypto map M 10 ipsec-isakmp\n set transform-set T\n match address 100\n"
             "crypto map M 20 ipsec-isakmp\n set peer 2.2.2.2\n"
             "access-list 100 permit ip any 10.2.0.0 0.0.255.255\n"
             "interface FastEthernet5/0\n crypto map M\n"
             "interface FastEthernet1/0\n shutdown\n crypto map M\n" WAN " crypto map M\nend\n",
        &c);
    const struct dp_policy_value *pol = policy(&p, 0);
    const struct plan_map *m = p.maps.items;
    assert_null(policy(&p, 1));
    assert_int_equal(pol->action, ACT_PROTECT);
    assert_non_null(dp_flow(&p, pol->flow));
    assert_null(ike_flow(&p, pol->flow));
    assert_int_equal(p.maps.num,
                     2); /* the one that is not there keeps its classifier, should it be there */
    unsigned there = m[0].ifindex ? 0 : 1;
    assert_string_equal(m[there].link, "Fa0-1");
    assert_int_equal(m[there].num, 1);
    assert_string_equal(m[1 - there].link, "Fa5-0");
    assert_int_equal(m[1 - there].number, 0);
    assert_int_equal(m[1 - there].num, 0);
    plan_free(&p);
    conf_free(c);
}

/* ---- what lists cover while they are changed ------------------------------------------------------- */

#define MAP_OF(list)                                                                               \
    "crypto map M 10 ipsec-isakmp\n set peer 2.2.2.2\n set transform-set T\n match address " list   \
    "\n"
#define LINE(n) "permit ip 10.1.0.0 0.0.0.255 10." #n ".0.0 0.0.0.255\n"

/* verdict: what the plan says of a packet from 10.1.0.9, as dp's find() does. */
enum says { PASSES, DROPPED, PROTECTED };
/* policy_behind: the next one in the order that dp asks them; NULL: none. */
static const struct dp_policy_value *policy_behind(const struct plan *p, u32 order)
{
    const struct dp_policy_value *best = NULL, *pol;
    for (unsigned i = 0; (pol = policy(p, i)) != NULL; i++) {
        best = pol->order > order && (!best || pol->order < best->order) ? pol : best;
    }
    return best;
}

static enum says verdict(const struct plan *p, const char *dst)
{
    struct addr a, b;
    assert_true(addr_parse(&a, "10.1.0.9") && addr_parse(&b, dst));
    u32 denied = 0, at = 0;
    const struct dp_policy_value *pol;
    while ((pol = policy_behind(p, at)) != NULL) {
        at = pol->order;
        if (pol->entry == denied || !prefix_contains(&pol->sel.src, &a) ||
            !prefix_contains(&pol->sel.dst, &b)) {
            continue;
        }
        if (pol->action == ACT_PROTECT) {
            assert_non_null(dp_flow(p, pol->flow));
            return ike_flow(p, pol->flow) ? PROTECTED : DROPPED;
        }
        denied = pol->entry;
    }
    return PASSES;
}

/* steered: the kernel leads it to dp. */
static bool steered(const struct plan *p, const char *dst)
{
    struct addr b;
    assert_true(addr_parse(&b, dst));
    const struct selector *s = p->covered.items;
    for (size_t i = 0; i < p->covered.num; i++) {
        if (prefix_contains(&s[i].dst, &b)) {
            return true;
        }
    }
    return false;
}

static void is(const struct conf *c, const char *dst, enum says want)
{
    struct plan p = derived(c);
    enum says got = verdict(&p, dst);
    if (got != want) {
        print_message("%s: %d, expected %d\n", dst, got, want);
    }
    assert_int_equal(got, want);
    assert_true(want == PASSES || steered(&p, dst));
    plan_free(&p);
}

static void are(const struct conf *c, enum says two, enum says three, enum says nine)
{
    is(c, "10.2.0.1", two);
    is(c, "10.3.0.1", three);
    is(c, "10.9.0.1", nine);
}

/* What a console may do to a list in use, line by line: at no moment anything of it is open, and when everybody has left
 * configuration mode it is what the lines say. 10.2 and 10.3 are covered before, 10.9 is not. */
static void t_lines_changed(void **state)
{
    (void)state;
    static const struct {
        const char *edit;
        enum says two, three, nine; /* while it is typed */
        enum says then2, then3, then9;
    } cases[] = {
        {"", PROTECTED, PROTECTED, PASSES, PROTECTED, PROTECTED, PASSES},
        {"no access-list 100\n", DROPPED, DROPPED, PASSES, DROPPED, DROPPED, PASSES},
        {"no access-list 100 " LINE(2), DROPPED, DROPPED, PASSES, DROPPED, DROPPED, PASSES},
        {"no ip access-list extended 100\n", DROPPED, DROPPED, PASSES, DROPPED, DROPPED, PASSES},
        {"ip access-list extended 100\n no 10\n", DROPPED, PROTECTED, PASSES, PASSES, PROTECTED,
         PASSES},
        {"ip access-list extended 100\n no " LINE(2), DROPPED, PROTECTED, PASSES, PASSES, PROTECTED,
         PASSES},
        /* one by one, the last too */
        {"ip access-list extended 100\n no 10\n no 20\n", DROPPED, DROPPED, PASSES, DROPPED,
         DROPPED, PASSES},
        {"ip access-list extended 100\n no 10\n no 20\n 10 " LINE(2), PROTECTED, DROPPED, PASSES,
         PROTECTED, PASSES, PASSES},
        /* begun, begun again */
        {"no access-list 100\naccess-list 100 " LINE(2) "no access-list 100\n", DROPPED, DROPPED,
         PASSES, DROPPED, DROPPED, PASSES},
        /* with a line that closes the list, before the others are back */
        {"ip access-list extended 100\n 90 deny ip any any\n no 10\n", DROPPED, PROTECTED, PASSES,
         PASSES, PROTECTED, PASSES},
        {"no access-list 100\naccess-list 100 deny ip any any\naccess-list 100 " LINE(2), DROPPED,
         DROPPED, PASSES, PASSES, PASSES, PASSES},
        {"ip access-list extended 100\n 10 deny ip 10.1.0.0 0.0.0.255 10.2.0.0 0.0.0.255\n", DROPPED,
         PROTECTED, PASSES, PASSES, PROTECTED, PASSES},
        {"ip access-list extended 100\n 10 " LINE(9), DROPPED, PROTECTED, PROTECTED, PASSES,
         PROTECTED, PROTECTED},
        /* typed and taken out again by the same console */
        {"access-list 100 " LINE(9) "ip access-list extended 100\n no 30\n", PROTECTED, PROTECTED,
         DROPPED, PROTECTED, PROTECTED, PASSES},
        {"access-list 100 " LINE(9) "ip access-list extended 100\n 30 deny ip any any\n", PROTECTED,
         PROTECTED, DROPPED, PROTECTED, PROTECTED, PASSES},
        {"no access-list 100\naccess-list 100 remark typed again\n", DROPPED, DROPPED, PASSES,
         DROPPED, DROPPED, PASSES},
        {"no access-list 100\naccess-list 100 deny ip host 10.1.0.9 any\n", DROPPED, DROPPED, PASSES,
         DROPPED, DROPPED, PASSES},
        {"no access-list 100\naccess-list 100 " LINE(3) "access-list 100 " LINE(2), PROTECTED,
         PROTECTED, PASSES, PROTECTED, PROTECTED, PASSES},
        /* the entry goes by another list, none, one that is not there, one that only denies */
        {MAP_OF("110") "access-list 110 " LINE(9), DROPPED, DROPPED, PROTECTED, PASSES, PASSES,
         PROTECTED},
        {"crypto map M 10 ipsec-isakmp\n no match address\n", DROPPED, DROPPED, PASSES, DROPPED,
         DROPPED, PASSES},
        {MAP_OF("NONE"), DROPPED, DROPPED, DROPPED, DROPPED, DROPPED, DROPPED},
        {MAP_OF("NONE") "ip access-list extended NONE\n", DROPPED, DROPPED, DROPPED, DROPPED,
         DROPPED, DROPPED},
        {MAP_OF("150") "access-list 150 deny ip host 10.1.0.9 any\n", DROPPED, DROPPED, DROPPED,
         DROPPED, DROPPED, DROPPED},
        {MAP_OF("150") "access-list 150 deny ip host 10.1.0.9 host 10.3.0.1\naccess-list 150 " LINE(2),
         PROTECTED, DROPPED, DROPPED, PROTECTED, PASSES, PASSES},
        /* the link gets no map, and another one */
        {"interface FastEthernet0/1\n no crypto map\n", DROPPED, DROPPED, PASSES, PASSES, PASSES,
         PASSES},
        {"interface FastEthernet0/1\n no crypto map\n crypto map M\n", PROTECTED, PROTECTED, PASSES,
         PROTECTED, PROTECTED, PASSES},
        {"access-list 110 " LINE(9)
             "crypto map M2 10 ipsec-isakmp\n set peer 2.2.2.2\n set transform-set T\n match address 110\n"
             "interface FastEthernet0/1\n crypto map M2\n",
         DROPPED, DROPPED, PROTECTED, PASSES, PASSES, PROTECTED},
        /* the line moves to an entry further down; the entry goes; it goes and comes again */
        {"no access-list 100\naccess-list 100 " LINE(3) "access-list 110 " LINE(2)
             "crypto map M 20 ipsec-isakmp\n set peer 2.2.2.2\n set transform-set T\n match address 110\n",
         PROTECTED, PROTECTED, PASSES, PROTECTED, PROTECTED, PASSES},
        {"access-list 110 " LINE(2)
             "crypto map M 20 ipsec-isakmp\n set peer 2.2.2.2\n set transform-set T\n match address 110\n"
             "no crypto map M 10\n",
         PROTECTED, DROPPED, PASSES, PROTECTED, PASSES, PASSES},
        {"access-list 110 " LINE(9)
             "crypto map M 20 ipsec-isakmp\n set peer 2.2.2.2\n set transform-set T\n match address 110\n"
             "no crypto map M 10\n" MAP_OF("100"),
         PROTECTED, PROTECTED, PROTECTED, PROTECTED, PROTECTED, PROTECTED},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf *c;
        struct plan p = plan_of(HEAD MAP_OF("100") "access-list 100 " LINE(2) "access-list 100 " LINE(3)
                                    WAN " crypto map M\n",
                                &c);
        plan_free(&p);
        print_message("- %s", cases[i].edit);
        conf_typing(c);
        type_lines(c, cases[i].edit);
        are(c, cases[i].two, cases[i].three, cases[i].nine);
        conf_typing(c); /* another console comes and goes: nothing is whole by that */
        assert_false(conf_typed(c));
        are(c, cases[i].two, cases[i].three, cases[i].nine);
        bool changing = conf_changing(c), took = c->taken != 0;
        if (i % 2) {
            assert_int_equal(conf_typed(c), changing);
        } else {
            assert_false(conf_hung_up(c, took));
            are(c, cases[i].two, cases[i].three, cases[i].nine);
            conf_typing(c); /* others come and go, whatever they type */
            type_lines(c, "access-list 199 permit ip any any\n");
            assert_false(conf_whole(c)); /* not while somebody types */
            assert_false(conf_typed(c));
            are(c, cases[i].two, cases[i].three, cases[i].nine);
            assert_int_equal(c->unfinished, took);
            assert_int_equal(conf_whole(c), changing);
        }
        assert_false(c->unfinished);
        are(c, cases[i].then2, cases[i].then3, cases[i].then9);
        assert_false(conf_changing(c));
        conf_free(c);
    }
}

/* The same from other beginnings: a list nobody knows, one with a deny line. */
static void t_other_beginnings(void **state)
{
    (void)state;
    static const struct {
        const char *start, *edit;
        enum says two, three, nine, then2, then3, then9;
    } cases[] = {
        {MAP_OF("100"), "access-list 100 " LINE(2), PROTECTED, DROPPED, DROPPED, PROTECTED, PASSES,
         PASSES},
        {MAP_OF("100"), "access-list 100 remark x\n", DROPPED, DROPPED, DROPPED, DROPPED, DROPPED,
         DROPPED},
        {MAP_OF("100") "access-list 110 " LINE(2)
             "crypto map M 20 ipsec-isakmp\n set peer 2.2.2.2\n set transform-set T\n match address 110\n",
         "no crypto map M 10\n", PROTECTED, DROPPED, DROPPED, PROTECTED, PASSES, PASSES},
        {MAP_OF("100") "access-list 100 deny ip any 10.2.0.0 0.0.255.255\naccess-list 100 permit ip any "
                       "10.0.0.0 0.255.255.255\n",
         "ip access-list extended 100\n no 10\n", PROTECTED, PROTECTED, PROTECTED, PROTECTED,
         PROTECTED, PROTECTED},
        {MAP_OF("100") "access-list 100 deny ip any 10.2.0.0 0.0.255.255\naccess-list 100 permit ip any "
                       "10.0.0.0 0.255.255.255\n",
         "ip access-list extended 100\n no 10\n no 20\n 30 " LINE(3), DROPPED, PROTECTED, DROPPED,
         PASSES, PROTECTED, PASSES},
        {MAP_OF("100") "access-list 100 deny ip any 10.2.0.0 0.0.255.255\naccess-list 100 permit ip any "
                       "10.0.0.0 0.255.255.255\n", /* the whole list goes: its deny line stands */
         "no access-list 100\naccess-list 100 " LINE(3), PASSES, PROTECTED, DROPPED, PASSES,
         PROTECTED, PASSES},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf *c;
        char text[2000];
        snprintf(text, sizeof text, HEAD "%s" WAN " crypto map M\n", cases[i].start);
        struct plan p = plan_of(text, &c);
        plan_free(&p);
        print_message("- %s", cases[i].edit);
        conf_typing(c);
        type_lines(c, cases[i].edit);
        are(c, cases[i].two, cases[i].three, cases[i].nine);
        (void)conf_typed(c);
        are(c, cases[i].then2, cases[i].then3, cases[i].then9);
        conf_free(c);
    }
}

/* A file is whole when it is read: a list it never defines covers everything, one that only denies nothing. */
static void t_lists_of_a_file(void **state)
{
    (void)state;
    static const struct {
        const char *lines;
        enum says two;
        enum conf_stand stand;
    } cases[] = {
        {MAP_OF("100") "access-list 100 " LINE(2), PROTECTED, CONF_PERMITS},
        {MAP_OF("NONE"), DROPPED, CONF_EVERYTHING},
        {MAP_OF("NONE") "ip access-list extended NONE\n", DROPPED, CONF_EVERYTHING},
        {MAP_OF("D") "ip access-list extended D\n deny ip any any\n", PASSES, CONF_NOTHING},
        {"crypto map M 10 ipsec-isakmp\n set peer 2.2.2.2\n", PASSES, CONF_NOTHING},
    };
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        char text[1500];
        struct conf *c;
        snprintf(text, sizeof text, HEAD "%s" WAN " crypto map M\n", cases[i].lines);
        struct plan p = plan_of(text, &c);
        plan_free(&p);
        is(c, "10.2.0.1", cases[i].two);
        const struct conf_map *m = conf_map_find(c, "M");
        assert_int_equal(
            conf_use_stand(c, NULL, &(struct conf_use){.e = CONTAINER_OF(m->entries.next, struct conf_map_entry, link)}),
            cases[i].stand);
        conf_free(c);
    }
}

/* ---- the kernel's part ------------------------------------------------------------------------- */

static void t_addresses_and_routes(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(
        "ipv6 unicast-routing\ninterface Loopback0\n ip address 5.5.5.5 255.255.255.255\n"
        "interface FastEthernet0/0\n ipv6 address 2001:DB8:5::/64 eui-64\n"
        "interface FastEthernet0/1\n ip unnumbered Loopback0\n"
        "ip route 10.0.0.0 255.0.0.0 1.1.1.9 200\nip route 10.8.0.0 255.255.0.0 Null0\nend\n",
        &c);
    const struct kern_addr_value *a = p.addrs.items;
    struct addr eui;
    bool found = false, borrowed = false;
    assert_true(addr_parse(&eui, "2001:db8:5::ff:feaa:bbcc"));
    for (size_t i = 0; i < p.addrs.num; i++) {
        found |= strcmp(a[i].link, "Fa0-0") == 0 && addr_equal(&a[i].p.a, &eui) && a[i].p.len == 64;
        borrowed |= strcmp(a[i].link, "Fa0-1") == 0 && addr_v4_host(&a[i].p.a) == 0x05050505 &&
                    a[i].p.len == 32;
    }
    assert_true(found && borrowed);
    const struct kern_route_value *r = p.routes.items;
    assert_int_equal(p.routes.num, 2);
    assert_int_equal(r[0].metric, 200);
    assert_int_equal(r[0].kind, NLR_UNICAST);
    assert_int_equal(r[1].kind, NLR_BLACKHOLE);
    assert_true(p.forward6);
    /* every address of its own may be reached by IKE and ESP */
    const struct addr *own = p.own.items;
    bool lo = false;
    for (size_t i = 0; i < p.own.num; i++) {
        lo |= addr_v4_host(&own[i]) == 0x05050505;
    }
    assert_true(lo);
    plan_free(&p);
    conf_free(c);
}

#define TUNNEL                                                                                     \
    HEAD "crypto ipsec profile P\n set transform-set T\n set security-association lifetime "       \
         "seconds 900\n" WAN "interface Tunnel0\n ip address 172.16.0.1 255.255.255.252\n tunnel " \
         "source FastEthernet0/1\n tunnel destination 2.2.2.2\n"                                   \
         " tunnel mode ipsec ipv4\n"
#define PROTECTION " tunnel protection ipsec profile P\n"
#define ROUTES                                                                                     \
    "ip route 10.7.0.0 255.255.0.0 Tunnel0\nip route 10.6.0.0 255.255.0.0 172.16.0.2\n"            \
    "ip route 10.3.0.0 255.255.0.0 10.6.0.9\nip route "                                            \
    "10.5.0.0 255.255.0.0 1.1.1.9\nend\n"

static void kernel_routes(void)
{
    struct addr a;
    assert_true(addr_parse(&a, "10.9.0.0"));
    num_routes = 0;
    routes[num_routes++] = (struct kern_route_value){
        .net = {a, 16}, .kind = NLR_UNICAST, .proto = 188, .link = "Tunnel0", .table = TABLE_MAIN};
    a.b[1] = 10; /* learned once, gone since: the hole is the memory */
    routes[num_routes++] = (struct kern_route_value){.net = {a, 16},
                                                     .kind = NLR_BLACKHOLE,
                                                     .proto = NL_PROTO,
                                                     .metric = HOLE_LEARNED,
                                                     .table = TABLE_MAIN};
    a.b[1] = 11; /* leads elsewhere */
    routes[num_routes++] = (struct kern_route_value){
        .net = {a, 16}, .kind = NLR_UNICAST, .proto = 188, .link = "Fa0-1", .table = TABLE_MAIN};
    a.b[1] = 12; /* of an address, not of routing */
    routes[num_routes++] = (struct kern_route_value){.net = {a, 16},
                                                     .kind = NLR_UNICAST,
                                                     .proto = NL_PROTO_KERNEL,
                                                     .link = "Tunnel0",
                                                     .table = TABLE_MAIN};
}

static void t_holes(void **state)
{
    (void)state;
    static const char *const how[] = {TUNNEL PROTECTION ROUTES,
                                      TUNNEL PROTECTION " shutdown\n" ROUTES, TUNNEL ROUTES,
                                      TUNNEL PROTECTION " no adit blackhole\n" ROUTES};
    kernel_routes();
    for (unsigned i = 0; i < ARRAY_LEN(how); i++) {
        struct conf *c;
        struct plan p = plan_of(how[i], &c);
        bool want = i < 2; /* also while it is shut */
        assert_int_equal(has_hole(&p, "10.7.0.0", 16, HOLE_METRIC), want);
        assert_int_equal(has_hole(&p, "10.6.0.0", 16, HOLE_METRIC), want);
        assert_int_equal(has_hole(&p, "10.3.0.0", 16, HOLE_METRIC), want); /* by another line */
        assert_int_equal(has_hole(&p, "172.16.0.0", 30, HOLE_METRIC), want);
        assert_int_equal(has_hole(&p, "10.9.0.0", 16, HOLE_LEARNED), want);
        assert_int_equal(has_hole(&p, "10.10.0.0", 16, HOLE_LEARNED), want);
        assert_int_equal(p.holes.num, want ? 6 : 0);
        plan_free(&p);
        conf_free(c);
    }
    num_routes = 0;
}

/* A peer that announces without end: each network has a hole, as far as there is room; those beyond share wide ones, and
 * what is remembered stays as it was. */
static void t_many_holes(void **state)
{
    (void)state;
    struct conf *c;
    num_routes = 0;
    for (u32 i = 0; i < ARRAY_LEN(routes); i++) {
        bool six = i % 4 == 0, known = i >= ARRAY_LEN(routes) - 100;
        struct kern_route_value *r = &routes[num_routes++];
        *r = (struct kern_route_value){
            .kind = NLR_UNICAST, .proto = 188, .link = "Tunnel0", .table = TABLE_MAIN};
        r->net.a = (struct addr){
            .family = six ? AF_V6 : AF_V4,
            .b = {six ? 0x20 : (u8)(i / 4000 + 20), six ? 1 : (u8)(i >> 8), (u8)i, (u8)(i >> 8)}};
        r->net.len = six ? 48 : 24;
        if (!six) {
            r->net.a.b[3] = 0;
        }
        if (known) {
            r->kind = NLR_BLACKHOLE, r->proto = NL_PROTO, r->metric = HOLE_LEARNED;
        }
    }
    struct plan p = plan_of(TUNNEL PROTECTION "end\n", &c);
    const struct kern_route_value *h = p.holes.items;
    size_t exact = 0;
    for (size_t i = 0; i < p.holes.num; i++) {
        bool wide = h[i].net.len == (h[i].net.a.family == AF_V6 ? 12 : 8);
        exact += h[i].metric == HOLE_LEARNED && !wide;
        assert_true(i == 0 || h[i].metric != h[i - 1].metric ||
                    !prefix_equal(&h[i].net, &h[i - 1].net));
    }
    assert_int_equal(exact, HOLES_LEARNED);
    assert_true(p.holes_full);
    for (size_t i = 0; i < num_routes; i += 61) { /* every one is covered */
        bool covered = false;
        for (size_t k = 0; k < p.holes.num && !covered; k++) {
            covered = prefix_contains(&h[k].net, &routes[i].net.a);
        }
        assert_true(covered);
        if (routes[i].kind == NLR_BLACKHOLE) {
            char a[ADDR_STR];
            assert_true(
                has_hole(&p, addr_str(a, &routes[i].net.a), routes[i].net.len, HOLE_LEARNED));
        }
    }
    plan_free(&p);
    conf_free(c);
    num_routes = 10000;
    p = plan_of(TUNNEL PROTECTION "end\n", &c);
    assert_false(p.holes_full);
    assert_int_equal(p.holes.num, 10000 + 1); /* and the tunnel's own network */
    plan_free(&p);
    conf_free(c);
    num_routes = 0;
}

/* What the kernel kept quiet about is not gone: no plan is made that would take its blackholes away. */
static void t_routes_untold(void **state)
{
    struct conf *c;
    (void)state;
    kernel_routes();
    routes_untold = true; /* plan_of looks at what plan_derive says of it */
    struct plan p = plan_of(HEAD WAN, &c);
    routes_untold = false;
    num_routes = 0;
    plan_free(&p);
    conf_free(c);
}

static bool has_port(const struct plan *p, u8 family, u8 proto)
{
    const struct dp_port_value *v = p->ports.items;
    for (size_t i = 0; i < p->ports.num; i++) {
        if (v[i].kind == PORT_RAW && v[i].family == family && v[i].proto == proto) {
            return true;
        }
    }
    return false;
}

/* AH: what ike proposes, the socket it comes in by, and what fits into the tunnel. */
static void t_ah(void **state)
{
    (void)state;
    static const struct {
        const char *set;
        u8 encr, auth, ah;
        u16 mtu; /* of 1400: what is left by the outer header, AH, ESP and GRE */
    } row[] = {{"ah-sha-hmac", ENCR_NONE, HASH_NONE, HASH_SHA1, 1400 - 20 - 24 - 24},
               {"ah-sha256-hmac", ENCR_NONE, HASH_NONE, HASH_SHA256, 1400 - 20 - 28 - 24},
               {"ah-sha-hmac esp-gcm", ENCR_GCM128, HASH_NONE, HASH_SHA1, 1400 - 24 - 20 - 8 - 8 - 16 - 2 - 24},
               {"esp-gcm", ENCR_GCM128, HASH_NONE, HASH_NONE, 1400 - 20 - 8 - 8 - 16 - 2 - 24}};
    for (unsigned k = 0; k < ARRAY_LEN(row); k++) {
        char text[900];
        struct conf *c;
        snprintf(text, sizeof text,
                 "crypto ipsec transform-set A %s\n esn\ncrypto ipsec profile Q\n set transform-set A\n"
                 "interface FastEthernet0/0\n ip address 1.1.1.1 255.255.255.0\n"
                 "interface Tunnel0\n ip address 10.0.0.1 255.255.255.0\n tunnel source 1.1.1.1\n"
                 " tunnel destination 2.2.2.2\n tunnel protection ipsec profile Q\nend\n",
                 row[k].set);
        struct plan p = plan_of(text, &c);
        const struct dp_msg *m = p.dp.items;
        const struct dp_tunnel_value *t = NULL;
        for (size_t i = 0; i < p.dp.num; i++) {
            t = m[i].type == DP_CFG_TUNNEL ? &m[i].u.tunnel : t;
        }
        assert_non_null(t);
        const struct ike_flow_value *f = ike_flow(&p, t->flow);
        assert_int_equal(f->num_transforms, 1);
        assert_int_equal(f->transform[0].encr, row[k].encr);
        assert_int_equal(f->transform[0].auth, row[k].auth);
        assert_int_equal(f->transform[0].ah, row[k].ah);
        assert_true(f->transform[0].esn);
        assert_int_equal(t->mtu, row[k].mtu);
        assert_int_equal(has_port(&p, AF_V4, 51), row[k].ah != HASH_NONE);
        assert_true(has_port(&p, AF_V4, 50));
        assert_false(has_port(&p, AF_V6, 51));
        plan_free(&p);
        conf_free(c);
    }
}

static const struct dp_sa_value *manual_sa(const struct plan *p, unsigned n)
{
    const struct dp_msg *m = p->dp.items;
    for (size_t i = 0; i < p->dp.num; i++) {
        if (m[i].type == DP_CFG_SA && n-- == 0) {
            return &m[i].u.sa;
        }
    }
    return NULL;
}

#define MANUAL(lines, rest)                                                                         \
    "crypto ipsec transform-set E esp-aes esp-sha-hmac\n"                                            \
    "crypto ipsec transform-set B ah-sha256-hmac esp-null esp-md5-hmac\n mode transport\n"           \
    "crypto map M 10 ipsec-manual\n set peer 9.9.9.9\n" lines " match address 100\n"                 \
    "access-list 100 deny ip host 10.1.0.1 any\n"                                                   \
    "access-list 100 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n"                         \
    "access-list 100 permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255\n" WAN " crypto map M\n" rest "end\n"
#define BYTES16 "000102030405060708090a0b0c0d0e0f"
#define BYTES32 BYTES16 "101112131415161718191a1b1c1d1e1f"
#define ESP_KEYS                                                                                    \
    " set session-key inbound esp 300 cipher " BYTES16 " authenticator " BYTES32 "\n"                 \
    " set session-key outbound esp 301 cipher " BYTES32 " authenticator " BYTES32 "\n"

/* Keys by hand: SAs for dp, of the first line that permits; what the others permit is dropped; ike hears nothing. A key that
 * is too long counts by its beginning. */
static void t_manual(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(MANUAL(ESP_KEYS " set transform-set E\n", ""), &c);
    const struct dp_sa_value *in = manual_sa(&p, 0), *out = manual_sa(&p, 1);
    assert_non_null(in);
    assert_non_null(out);
    assert_null(manual_sa(&p, 2));
    assert_int_equal(in->dir, SA_IN);
    assert_int_equal(in->spi, 300);
    assert_int_equal(out->spi, 301);
    assert_int_equal(out->proto, 50);
    assert_int_equal(out->mode, MODE_TUNNEL);
    assert_int_equal(out->encr, ENCR_AES128);
    assert_int_equal(out->auth, HASH_SHA1);
    assert_int_equal(out->replay_window, 0);
    assert_int_equal(out->encr_key.len, 16);
    assert_int_equal(out->auth_key.len, 20);
    assert_int_equal(out->auth_key.b[19], 0x13);
    assert_int_equal(out->dst.b[0], 9);
    assert_int_equal(in->dst.b[0], 1);
    assert_int_equal(out->sel.dst.a.b[1], 2);
    assert_int_equal(in->sel.src.a.b[1], 2);
    assert_int_equal(policy(&p, 0)->action, ACT_SKIP);
    assert_int_equal(policy(&p, 1)->flow, out->flow);
    assert_true(dp_flow(&p, out->flow)->manual);
    assert_int_not_equal(policy(&p, 2)->flow, out->flow); /* there is one pair of keys */
    assert_int_equal(dp_flow(&p, policy(&p, 2)->flow)->peer.family, AF_NONE);
    assert_null(ike_flow(&p, out->flow));
    assert_true(has_port(&p, AF_V4, 50));
    assert_true(has_port(&p, AF_V4, 255));
    assert_false(has_port(&p, AF_V4, 51));
    plan_free(&p);
    conf_free(c);
    p = plan_of(MANUAL(" set session-key inbound esp 300 authenticator " BYTES16 "\n set session-key outbound esp 301 authenticator "
                       BYTES16 "\n set session-key inbound ah 400 " BYTES32 "\n set session-key outbound ah 401 " BYTES32
                       "\n set transform-set B\n", ""), &c);
    for (unsigned n = 0; n < 4; n++) {
        const struct dp_sa_value *v = manual_sa(&p, n);
        bool ah = n & 1, way = n & 2;
        assert_int_equal(v->spi, 300 + ah * 100u + way);
        assert_int_equal(v->proto, ah ? 51 : 50);
        assert_int_equal(v->with_proto, ah ? 0 : 51);
        assert_int_equal(v->with_spi, ah ? 0u : 400u + way);
        assert_int_equal(v->inside, ah ? 50 : 0);
        assert_int_equal(v->mode, ah ? MODE_TRANSPORT : MODE_TUNNEL); /* `mode transport` is for the peers' own packets */
        assert_int_equal(v->auth_key.len, ah ? 32 : 16);
        assert_int_equal(v->encr_key.len, 0);
    }
    assert_true(has_port(&p, AF_V4, 51));
    plan_free(&p);
    conf_free(c);
}

/* Transport mode is for what the ends say to each other, whichever of the peers it is; and what else a flow is told. */
static void t_flow_details(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of("crypto ipsec security-association idle-time 900\ncrypto ipsec transform-set T esp-aes esp-sha-hmac\n"
                            " mode transport require\ncrypto ipsec transform-set U esp-3des esp-sha-hmac\n mode transport\n"
                            "crypto map M 10 ipsec-isakmp\n set peer 9.9.9.9 default\n set peer 9.9.9.8\n set transform-set T U\n"
                            " match address 100\n"
                            "crypto map M 20 ipsec-isakmp\n set peer 9.9.9.9\n set transform-set U\n match address 101\n"
                            " set security-association idle-time 60 default\n"
                            "access-list 100 permit gre host 1.1.1.1 host 9.9.9.8\naccess-list 100 permit ip host 1.1.1.1 host 9.9.9.7\n"
                            "access-list 101 permit ip 1.1.1.0 0.0.0.255 host 9.9.9.9\n" WAN " crypto map M\nend\n",
                            &c);
    const struct ike_flow_value *peers = ike_flow(&p, policy(&p, 0)->flow), *other = ike_flow(&p, policy(&p, 1)->flow),
                                *net = ike_flow(&p, policy(&p, 2)->flow);
    assert_int_equal(peers->transform[0].mode, MODE_TRANSPORT);
    assert_int_equal(peers->transform[1].mode, MODE_TRANSPORT);
    assert_true(peers->transform[0].require && !peers->transform[1].require);
    assert_int_equal(other->transform[0].mode, MODE_TUNNEL);
    assert_int_equal(net->transform[0].mode, MODE_TUNNEL);
    assert_true(peers->default_peer && !net->default_peer);
    assert_true(!peers->idle_default && net->idle_default);
    assert_int_equal(dp_flow(&p, policy(&p, 0)->flow)->idle_s, 900);
    assert_int_equal(dp_flow(&p, policy(&p, 2)->flow)->idle_s, 60);
    plan_free(&p);
    conf_free(c);
}

/* Peers by name: what nobody knows is no peer; with none at all the lines drop. A key of a name is found by its address as well. */
static void t_names(void **state)
{
    (void)state;
    static const char text[] = "crypto isakmp key one hostname far.example.net\ncrypto isakmp key two hostname near.example.net\n"
                               "ip host NEAR.example.net 9.9.9.5\ncrypto ipsec transform-set T esp-aes esp-sha-hmac\n mode transport\n"
                               "crypto map M 10 ipsec-isakmp\n set peer far.example.net dynamic default\n set peer %s\n set transform-set T\n"
                               " match address 100\naccess-list 100 permit gre host 1.1.1.1 host 9.9.9.7\n" WAN " crypto map M\nend\n";
    for (unsigned i = 0; i < 4; i++) {
        struct conf *c;
        char whole[2048];
        snprintf(whole, sizeof whole, text, i & 1 ? "near.example.net" : "other.example.net");
        known_name = i & 2 ? "far.example.net" : NULL;
        struct plan p = plan_of(whole, &c);
        const struct ike_flow_value *f = ike_flow(&p, policy(&p, 0)->flow);
        if (i == 0) {
            assert_null(f);
            assert_int_equal(dp_flow(&p, policy(&p, 0)->flow)->peer.family, AF_NONE);
        } else {
            assert_non_null(f);
            assert_int_equal(f->num_peers, i == 3 ? 2 : 1);
            assert_int_equal(addr_v4_host(&f->peer[0]), i & 2 ? 0x09090907 : 0x09090905);
            assert_int_equal(f->default_peer, i & 2 ? 1 : 0); /* it is the first that is */
            assert_int_equal(f->transform[0].mode, i & 2 ? MODE_TRANSPORT : MODE_TUNNEL);
        }
        unsigned named = 0, placed = 0;
        const struct ike_msg *m = p.ike.items;
        for (size_t n = 0; n < p.ike.num; n++) {
            bool psk = m[n].type == IKE_CFG_PSK;
            named += psk && m[n].u.psk.name[0];
            placed += psk && !m[n].u.psk.name[0] && m[n].u.psk.peer.len == 32;
        }
        assert_int_equal(named, 2);
        assert_int_equal(placed, i & 2 ? 2 : 1);
        plan_free(&p);
        conf_free(c);
    }
    known_name = NULL;
}

/* `shared`: one flow for the tunnels between the same ends; without the word, with other ends or another profile, one each. */
static void t_shared_tunnels(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(
        HEAD "crypto ipsec profile P\n set transform-set T\ncrypto ipsec profile Q\n set transform-set T\n" WAN
#define SHARED(n, dst, profile)                                                                                              \
    "interface Tunnel" #n "\n tunnel source FastEthernet0/1\n tunnel destination " dst "\n tunnel key " #n "\n"            \
    " tunnel protection ipsec profile " profile "\n"
        SHARED(1, "9.9.9.9", "P shared") SHARED(2, "9.9.9.9", "P shared") SHARED(3, "9.9.9.8", "P shared") SHARED(4, "9.9.9.9", "Q shared")
            SHARED(5, "9.9.9.9", "P") "end\n",
        &c);
    u32 flow[6] = {0};
    unsigned flows = 0;
    const struct dp_msg *m = p.dp.items;
    for (size_t i = 0; i < p.dp.num; i++) {
        if (m[i].type == DP_CFG_TUNNEL) {
            flow[m[i].u.tunnel.key] = m[i].u.tunnel.flow;
        }
        flows += m[i].type == DP_CFG_FLOW;
    }
    assert_int_equal(flow[1], flow[2]);
    for (unsigned i = 2; i < 6; i++) {
        for (unsigned k = i + 1; k < 6; k++) {
            assert_int_not_equal(flow[i], flow[k]);
        }
    }
    assert_int_equal(flows, 4);
    assert_non_null(ike_flow(&p, flow[1]));
    plan_free(&p);
    conf_free(c);
}

/* Compression (RFC 3173) is offered by IKE; by hand it is of the innermost SA, by the algorithm's own CPI. */
static void t_compression(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of("crypto ipsec transform-set L ah-sha256-hmac esp-null esp-md5-hmac comp-lzs\n"
                            MANUAL(" set session-key inbound esp 300 authenticator " BYTES16
                                   "\n set session-key outbound esp 301 authenticator " BYTES16 "\n set session-key inbound ah 400 " BYTES32
                                   "\n set session-key outbound ah 401 " BYTES32 "\n set transform-set L\n", ""),
                            &c);
    for (unsigned n = 0; n < 4; n++) {
        const struct dp_sa_value *v = manual_sa(&p, n);
        assert_non_null(v);
        assert_int_equal(v->comp, v->proto == 50 ? COMP_LZS : COMP_NONE);
        assert_int_equal(v->cpi, v->proto == 50 ? 3 : 0);
    }
    plan_free(&p);
    conf_free(c);
    p = plan_of("crypto ipsec transform-set D esp-aes esp-sha-hmac comp-deflate\ncrypto ipsec transform-set N esp-aes esp-sha-hmac\n"
                "crypto map M 10 ipsec-isakmp\n set peer 9.9.9.9\n set transform-set D N\n match address 100\n"
                "access-list 100 permit ip 10.1.0.0 0.0.255.255 10.2.0.0 0.0.255.255\n" WAN " crypto map M\nend\n",
                &c);
    const struct ike_flow_value *f = ike_flow(&p, policy(&p, 0)->flow);
    assert_int_equal(f->num_transforms, 2);
    assert_int_equal(f->transform[0].comp, COMP_DEFLATE);
    assert_int_equal(f->transform[1].comp, COMP_NONE);
    plan_free(&p);
    conf_free(c);
}

/* What lacks something has a flow and no SA: dp drops. Two with the same SPI have none; a map on two links with one local address
 * has its SAs once. */
static void t_manual_lacks(void **state)
{
    static const struct {
        const char *text;
        unsigned sas;
    } cases[] = {
        {MANUAL(ESP_KEYS " set transform-set E\n", ""), 2},
        {MANUAL(ESP_KEYS, ""), 0},
        {MANUAL(ESP_KEYS " set transform-set E\n no set session-key inbound esp\n", ""), 0},
        {MANUAL(ESP_KEYS " set transform-set E\n", "no crypto ipsec transform-set E\n"), 0},
        {MANUAL(ESP_KEYS " set transform-set E\n", "crypto ipsec transform-set E esp-gcm\n"), 0},
        {MANUAL(ESP_KEYS " set transform-set E\n", "crypto ipsec transform-set E ah-sha-hmac esp-aes esp-sha-hmac\n"), 0},
        {MANUAL(ESP_KEYS " set transform-set E\n", "interface FastEthernet0/1\n no ip address\n"), 0},
        {MANUAL(ESP_KEYS " set transform-set E\n",
                "crypto map M 20 ipsec-manual\n" " set session-key outbound esp 301 cipher 00\n set peer 9.9.9.9\n"), 0},
        {MANUAL(ESP_KEYS " set transform-set E\n",
                "crypto map M local-address FastEthernet0/1\ninterface FastEthernet1/0\n ip address 3.3.3.3 255.255.255.0\n"
                " crypto map M\n"), 2},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf *c;
        struct plan p = plan_of(cases[i].text, &c);
        const struct dp_policy_value *pol = policy(&p, 1);
        unsigned n = 0;
        while (manual_sa(&p, n)) {
            n++;
        }
        if (n != cases[i].sas) {
            fail_msg("%u SAs of case %u", n, i);
        }
        assert_int_equal(pol->action, ACT_PROTECT);
        assert_true(dp_flow(&p, pol->flow)->manual);
        assert_null(ike_flow(&p, pol->flow));
        plan_free(&p);
        conf_free(c);
    }
}

static void t_tunnels(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p =
        plan_of("crypto ipsec security-association replay disable\ncrypto ipsec df-bit set\n" TUNNEL
                    PROTECTION ROUTES,
                &c);
    const struct dp_msg *m = p.dp.items;
    const struct dp_tunnel_value *t = NULL;
    for (size_t i = 0; i < p.dp.num; i++) {
        t = m[i].type == DP_CFG_TUNNEL ? &m[i].u.tunnel : t;
    }
    assert_non_null(t);
    assert_true(t->flow && t->link == 0);
    assert_int_equal(t->path_mtu, 1400);
    const struct ike_flow_value *f = ike_flow(&p, t->flow);
    assert_int_equal(f->life_s, 900);
    assert_int_equal(f->replay_window, 0);
    assert_true(f->always_up && f->tunnel_if);
    assert_int_equal(dp_flow(&p, t->flow)->df, DF_SET);
    assert_int_equal(dp_flow(&p, t->flow)->link, 0);
    plan_free(&p);
    conf_free(c);
    /* the same configuration is the same plan, byte for byte: nothing is given twice */
    struct plan a = plan_of(TUNNEL PROTECTION ROUTES, &c);
    struct conf *d;
    struct plan b = plan_of(TUNNEL PROTECTION ROUTES, &d);
    assert_int_equal(a.dp.num, b.dp.num);
    assert_memory_equal(a.dp.items, b.dp.items, a.dp.num * a.dp.size);
    assert_memory_equal(a.ike.items, b.ike.items, a.ike.num * a.ike.size);
    plan_free(&a);
    plan_free(&b);
    conf_free(c);
    conf_free(d);
}

/* A tunnel under a link with a map: dp is told which link it is thought to take. */
static void t_tunnel_under_a_map(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p =
        plan_of(HEAD "crypto map M 10 ipsec-isakmp\n set peer 2.2.2.2\n set transform-set T\n "
                     "match address 100\n"
                     "access-list 100 permit gre host 1.1.1.1 host 2.2.2.2\n" WAN " crypto map M\n"
                     "interface Tunnel0\n ip address 172.16.0.1 255.255.255.252\n tunnel source "
                     "FastEthernet0/1\n tunnel destination 2.2.2.2\nend\n",
                &c);
    const struct dp_msg *m = p.dp.items;
    bool open = false;
    for (size_t i = 0; i < p.dp.num; i++) {
        if (m[i].type == DP_CFG_TUNNEL) {
            assert_int_equal(m[i].u.tunnel.link, 3);
            assert_int_equal(m[i].u.tunnel.flow, 0);
        }
    }
    const struct dp_port_value *v = p.ports.items;
    for (size_t i = 0; i < p.ports.num; i++) {
        open |= v[i].kind == PORT_OPEN && v[i].family == AF_V4;
    }
    assert_true(open);
    plan_free(&p);
    conf_free(c);
}

/* A protected tunnel whose source has no address keeps its flow id: dp must not take it for an open one. Its reverse
 * path is asked, its source is the first address and no secondary one; a key is its peer's alone. */
static void t_tunnel_values(void **state)
{
    (void)state;
    static const char *const source[] = {"", " ip address 7.7.7.7 255.255.255.0 secondary\n",
                                         " ip address 1.1.1.1 255.255.255.0\n"};
    for (unsigned i = 0; i < 2; i++) {
        char text[1500];
        struct conf *c;
        snprintf(text, sizeof text,
                 HEAD "crypto isakmp key one address 4.4.4.0 255.255.255.0\n"
                      "crypto ipsec profile P\n set transform-set T\ninterface "
                      "FastEthernet0/1\n%s%sinterface Tunnel0\n tunnel source FastEthernet0/1\n "
                      "tunnel destination 2.2.2.2\n tunnel protection ipsec profile P\n"
                      " ip verify unicast source reachable-via rx\nend\n",
                 source[i], i ? source[2] : "");
        struct plan p = plan_of(text, &c);
        const struct dp_msg *m = p.dp.items;
        const struct dp_tunnel_value *t = NULL;
        for (size_t k = 0; k < p.dp.num; k++) {
            t = m[k].type == DP_CFG_TUNNEL ? &m[k].u.tunnel : t;
        }
        assert_non_null(t);
        assert_int_not_equal(t->flow, 0);
        assert_int_equal(dp_flow(&p, t->flow) != NULL, i == 1);
        assert_true(t->flags & TF_RPF);
        assert_int_equal(t->src.family ? addr_v4_host(&t->src) : 0, i ? 0x01010101 : 0);
        const struct ike_msg *k = p.ike.items;
        bool seen = false;
        for (size_t n = 0; n < p.ike.num; n++) {
            seen |= k[n].type == IKE_CFG_PSK && k[n].u.psk.peer.len == 24 &&
                    addr_v4_host(&k[n].u.psk.peer.a) == 0x04040400;
        }
        assert_true(seen);
        plan_free(&p);
        conf_free(c);
    }
}

static const struct ike_msg *ike_value(const struct plan *p, enum ike_msg_type type, unsigned n)
{
    const struct ike_msg *m = p->ike.items;
    for (size_t i = 0; i < p->ike.num; i++) {
        if (m[i].type == type && n-- == 0) {
            return &m[i];
        }
    }
    fail_msg("no value %u of type %u", n, type);
    return NULL;
}

static unsigned num_ike(const struct plan *p, enum ike_msg_type type)
{
    const struct ike_msg *m = p->ike.items;
    unsigned num = 0;
    for (size_t i = 0; i < p->ike.num; i++) {
        num += m[i].type == type;
    }
    return num;
}

/* Keyrings, single peers, isakmp profiles, and who we say we are, as ike gets them. */
static void t_isakmp_values(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(
        "hostname R\nip domain name example.org\ncrypto isakmp identity hostname\n"
        "crypto keyring K\n local-address Loopback0\n pre-shared-key hostname b.example.org key one\n"
        "crypto isakmp policy 10\n authentication pre-share\ncrypto isakmp key two address 0.0.0.0 0.0.0.0\n"
        "crypto isakmp aggressive-mode disable\n"
        "crypto isakmp peer address 2.2.2.2\n set aggressive-mode password three\n"
        " set aggressive-mode client-endpoint user-fqdn me@example.org\n"
        "crypto isakmp profile A\n keyring K\n match identity host domain example.org\n match identity group g\n"
        " self-identity fqdn\n initiate mode aggressive\n keepalive 20 retry 3\n"
        "crypto isakmp profile B\n match identity address 10.0.0.0 255.0.0.0\n"
        "crypto ipsec transform-set T esp-aes esp-sha-hmac\n"
        "crypto map M isakmp-profile B\n"
        "crypto map M 10 ipsec-isakmp\n set peer 2.2.2.2\n set transform-set T\n match address 101\n"
        "crypto map M 20 ipsec-isakmp\n set peer 2.2.2.2\n set isakmp-profile A\n set transform-set T\n match address 102\n"
        "access-list 101 permit ip 10.1.0.0 0.0.255.255 any\naccess-list 102 permit ip 10.2.0.0 0.0.255.255 any\n"
        "interface Loopback0\n ip address 9.9.9.9 255.255.255.255\n"
        WAN " crypto map M\nend\n",
        &c);
    const struct ike_global_value *g = &ike_value(&p, IKE_CFG_GLOBAL, 0)->u.global;
    assert_true(g->aggressive_off);
    assert_int_equal(g->self.type, IKE_SELF_FQDN);
    assert_string_equal(g->self.text, "R.example.org");
    const struct ike_psk_value *k = &ike_value(&p, IKE_CFG_PSK, 0)->u.psk;
    assert_string_equal(k->keyring, "K");
    assert_string_equal(k->name, "b.example.org");
    assert_int_equal(addr_v4_host(&k->local), 0x09090909);
    k = &ike_value(&p, IKE_CFG_PSK, 1)->u.psk;
    assert_true(!k->keyring[0] && !k->name[0] && k->peer.len == 0);
    k = &ike_value(&p, IKE_CFG_PSK, 2)->u.psk;
    assert_int_equal(k->peer.len, 32);
    assert_memory_equal(k->key.b, "three", 5);
    const struct ike_peer_value *one = &ike_value(&p, IKE_CFG_PEER, 0)->u.peer;
    assert_true(one->aggressive && one->self_set && one->self.type == IKE_SELF_USER_FQDN);
    assert_string_equal(one->self.text, "me@example.org");
    const struct ike_profile_value *a = &ike_value(&p, IKE_CFG_PROFILE, 0)->u.profile;
    assert_true(a->aggressive && a->self_set && a->keepalive_set && a->keepalive_s == 20 && a->keepalive_retry_s == 3);
    assert_string_equal(a->self.text, "R.example.org");
    assert_int_equal(ike_value(&p, IKE_CFG_MATCH, 0)->u.match.kind, IKE_MATCH_HOST_DOMAIN);
    assert_int_equal(ike_value(&p, IKE_CFG_MATCH, 1)->u.match.kind, IKE_MATCH_GROUP);
    const struct ike_match_value *net = &ike_value(&p, IKE_CFG_MATCH, 2)->u.match;
    assert_true(net->kind == IKE_MATCH_ADDRESS && net->net.len == 8);
    assert_string_equal(ike_value(&p, IKE_CFG_FLOW, 0)->u.flow.profile, "B");
    assert_string_equal(ike_value(&p, IKE_CFG_FLOW, 1)->u.flow.profile, "A");
    static const u8 same[][2] = {{CONF_MATCH_ADDRESS, IKE_MATCH_ADDRESS}, {CONF_MATCH_HOST, IKE_MATCH_HOST},
                                 {CONF_MATCH_HOST_DOMAIN, IKE_MATCH_HOST_DOMAIN}, {CONF_MATCH_USER, IKE_MATCH_USER},
                                 {CONF_MATCH_USER_DOMAIN, IKE_MATCH_USER_DOMAIN}, {CONF_MATCH_GROUP, IKE_MATCH_GROUP}};
    for (unsigned i = 0; i < ARRAY_LEN(same); i++) {
        assert_int_equal(same[i][0], same[i][1]);
    }
    plan_free(&p);
    conf_free(c);
}

/* Clients as ike gets them: what is asked of them where a map or a profile asks, this router's users where their list is asked,
 * groups with their key by name, pool and networks. */
static void t_client_values(void **state)
{
    (void)state;
    static const char text[] =
        "username anna password hers\nusername berta nopassword\n"
        "aaa authentication login L group radius local\naaa authorization network G local\n"
        "crypto isakmp key other address 9.9.9.9 no-xauth\n"
        "crypto isakmp client configuration group sales\n key k\n dns 10.2.0.53 10.2.0.54\n wins 10.2.0.55\n domain d.org\n"
        " pool P\n acl 150\n netmask 255.255.255.0\n banner #hi#\n save-password\n"
        "crypto isakmp client configuration group bare\n pool NONE\n"
        "ip local pool P 10.3.0.1 10.3.0.9\n"
        "access-list 150 permit ip 10.2.0.0 0.0.255.255 any\naccess-list 150 deny ip 10.4.0.0 0.0.255.255 any\n"
        "access-list 150 permit ip host 10.5.0.1 any\n"
        "crypto isakmp profile A\n match identity group sales\n isakmp authorization list G\n"
        " client configuration address respond\n"
        "crypto map M client authentication list L\ncrypto map M 10 ipsec-isakmp\n match address 101\n"
        "access-list 101 permit ip 10.1.0.0 0.0.255.255 any\n" WAN " crypto map M\nend\n";
    struct conf *c;
    struct plan p = plan_of(text, &c);
    assert_true(ike_value(&p, IKE_CFG_PSK, 0)->u.psk.no_xauth);
    const struct ike_psk_value *key = &ike_value(&p, IKE_CFG_PSK, 1)->u.psk;
    assert_string_equal(key->name, "sales");
    assert_true(!key->no_xauth && key->key.len == 1 && key->key.b[0] == 'k');
    const struct ike_client_value *v = &ike_value(&p, IKE_CFG_CLIENT, 0)->u.client;
    assert_true(v->local.family == AF_V4 && !v->profile[0] && v->xauth && v->users && !v->answer);
    assert_int_equal(ike_value(&p, IKE_CFG_CLIENT, 1)->u.client.local.family, AF_V6); /* the map's other address */
    v = &ike_value(&p, IKE_CFG_CLIENT, 2)->u.client;
    assert_string_equal(v->profile, "A");
    assert_true(v->local.family == AF_NONE && !v->xauth && v->answer);
    const struct ike_user_value *u = &ike_value(&p, IKE_CFG_USER, 0)->u.user;
    assert_string_equal(u->name, "anna");
    assert_true(u->type == 0 && strcmp(u->text, "hers") == 0);
    assert_int_equal(num_ike(&p, IKE_CFG_USER), 1); /* berta has nothing to prove herself by */
    const struct ike_group_value *g = &ike_value(&p, IKE_CFG_GROUP, 0)->u.group;
    assert_true(addr_v4_host(&g->pool_lo) == 0x0a030001 && addr_v4_host(&g->pool_hi) == 0x0a030009);
    assert_true(addr_v4_host(&g->dns[1]) == 0x0a020036 && addr_v4_host(&g->nbns[0]) == 0x0a020037);
    assert_true(g->netmask.b[2] == 255 && g->save_password && !g->pfs && !g->include_local_lan);
    assert_string_equal(g->banner, "hi");
    assert_string_equal(g->domain, "d.org");
    assert_int_equal(num_ike(&p, IKE_CFG_SPLIT), 2);
    assert_int_equal(ike_value(&p, IKE_CFG_SPLIT, 0)->u.split.net.len, 16);
    assert_int_equal(addr_v4_host(&ike_value(&p, IKE_CFG_SPLIT, 1)->u.split.net.a), 0x0a050001);
    assert_int_equal(ike_value(&p, IKE_CFG_GROUP, 1)->u.group.pool_lo.family, AF_NONE);
    plan_free(&p);
    conf_free(c);
    /* a line that permits any source, or more lines than there is room for: clients send everything through the tunnel */
    static const char *const all[] = {"access-list 150 permit ip host 10.5.0.1 any\naccess-list 150 permit ip any any\n", NULL};
    for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
        struct strbuf conf = {0};
        sb_add(&conf, "crypto isakmp client configuration group g\n acl 150\n");
        for (unsigned n = 0; n <= IKE_MAX_SPLITS && !all[i]; n++) {
            sb_addf(&conf, "access-list 150 permit ip host 10.5.0.%u any\n", n);
        }
        sb_add(&conf, all[i] ? all[i] : "end\n");
        p = plan_of(conf.s, &c);
        assert_int_equal(num_ike(&p, IKE_CFG_SPLIT), 0);
        plan_free(&p);
        conf_free(c);
        sb_free(&conf);
    }
    /* another list, one that asks somebody else, no list: no user of ours proves anything */
    static const char *const lists[] = {"aaa authentication login X local", "aaa authentication login L group radius",
                                        "aaa authentication login LL local", ""};
    for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
        char other[256];
        snprintf(other, sizeof other, "username anna password hers\n%s\ncrypto map M client authentication list L\n"
                 "crypto map M 10 ipsec-isakmp\n" WAN " crypto map M\nend\n", lists[i]);
        p = plan_of(other, &c);
        assert_int_equal(num_ike(&p, IKE_CFG_USER), 0);
        assert_true(ike_value(&p, IKE_CFG_CLIENT, 0)->u.client.xauth && !ike_value(&p, IKE_CFG_CLIENT, 0)->u.client.users);
        plan_free(&p);
        conf_free(c);
    }
}

/* ---- dynamic maps ---- */

static const struct ike_flow_value *template_of(const struct plan *p, unsigned n)
{
    const struct ike_flow_value *v = &ike_value(p, IKE_CFG_FLOW, n)->u.flow;
    assert_true(v->dynamic && !v->client && v->num_peers == 0);
    return v;
}

#define DYNAMIC(list)                                                                                                  \
    HEAD "crypto dynamic-map D 10\n set transform-set T\n reverse-route\n" list                                       \
    "crypto map M isakmp-profile P\ncrypto map M 20 ipsec-isakmp dynamic D\n"                                         \
    "access-list 150 deny ip any any\naccess-list 150 permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255\n"          \
    "access-list 150 permit ip 10.1.0.0 0.0.255.255 10.4.0.0 0.0.255.255\n" WAN " crypto map M\nend\n"

/* Templates: anything without a list, else a line that permits each; without a client nothing is covered, but the link's TUNs stand. */
static void t_templates(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(DYNAMIC(""), &c);
    const struct ike_flow_value *v = template_of(&p, 0);
    assert_true(!v->listed && v->sel.dst.len == 0 && v->num_transforms == 1 && v->seq == 20);
    assert_string_equal(v->profile, "P");
    assert_int_equal(addr_v4_host(&v->local), 0x01010101);
    assert_null(policy(&p, 0));
    assert_int_equal(p.flows.num, 0);
    assert_int_equal(p.maps.num, 1);
    assert_int_equal(p.tuns.num, 2);
    plan_free(&p);
    conf_free(c);
    p = plan_of(DYNAMIC(" match address 150\n"), &c);
    assert_int_equal(num_ike(&p, IKE_CFG_FLOW), 2);
    assert_true(template_of(&p, 0)->listed && template_of(&p, 0)->sel.dst.len == 16);
    assert_int_equal(template_of(&p, 1)->sel.dst.a.b[1], 4);
    assert_int_not_equal(template_of(&p, 0)->flow, template_of(&p, 1)->flow);
    plan_free(&p);
    conf_free(c);
}

/* What the list of a dynamic map permits goes to clients or nowhere: dropped where none has it, what it denies in front is not its. */
static void t_listed(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(HEAD "crypto dynamic-map D 10\n set transform-set T\n match address 150\ncrypto map M 20 ipsec-isakmp dynamic D\n"
                            "access-list 150 deny ip any host 10.3.0.9\naccess-list 150 permit ip 10.1.0.0 0.0.255.255 10.3.0.0 0.0.255.255\n"
                            WAN " crypto map M\nend\n", &c);
    struct plan_client *k = plan_add(&met);
    k->of = template_of(&p, 0)->flow;
    k->flow = 4711;
    k->peer = addr_v4(0x08080808);
    k->sel = selector_any(AF_V4);
    k->sel.dst = (struct prefix){addr_v4(0x0a030001), 32};
    plan_free(&p);
    is(c, "10.3.0.1", PROTECTED);
    is(c, "10.3.0.2", DROPPED);
    is(c, "10.3.0.9", PASSES);
    is(c, "10.4.0.1", PASSES);
    met.num = 0;
    is(c, "10.3.0.1", DROPPED); /* its client has gone */
    conf_free(c);
}

/* A client: dp's flow and policy, the classifier's line, ike's flow with any peer, a route by the way to where it was met. */
static void t_client_flow(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(DYNAMIC(""), &c);
    struct plan_client *k = plan_add(&met), was;
    k->of = template_of(&p, 0)->flow;
    k->flow = 4711;
    k->peer = addr_v4(0x08080808);
    k->sel = selector_any(AF_V4);
    k->sel.dst = (struct prefix){addr_v4(0x0a030001), 32};
    plan_free(&p);
    p = derived(c);
    const struct ike_flow_value *v = &ike_value(&p, IKE_CFG_FLOW, 1)->u.flow;
    assert_true(v->client && !v->dynamic && v->flow == 4711 && v->num_peers == 1 && addr_is_any(&v->peer[0]) && v->peer[0].family == AF_V4);
    assert_true(selector_equal(&v->sel, &k->sel));
    const struct dp_policy_value *pol = policy(&p, 0);
    assert_true(pol && pol->flow == 4711 && pol->action == ACT_PROTECT && pol->link == 3 && selector_equal(&pol->sel, &k->sel));
    const struct dp_flow_value *d = dp_flow(&p, 4711);
    assert_true(d && d->link == 3 && addr_v4_host(&d->peer) == 0x08080808);
    assert_int_equal(p.covered.num, 1);
    const struct cli_flow *f = plan_item(&p.flows, 0);
    assert_string_equal(f->dynamic, "D");
    assert_int_equal(f->dynamic_seq, 10);
    const struct kern_route_value *r = plan_item(&p.routes, p.routes.num - 1);
    assert_true(r->net.len == 32 && addr_v4_host(&r->net.a) == 0x0a030001 && addr_v4_host(&r->nexthop) == 0x08080808);
    assert_string_equal(r->link, "Fa0-1");
    plan_free(&p);
    /* one whose template is another, or has gone, has no flow; nor has a route a client that is in its own network */
    k->of++;
    p = derived(c);
    assert_int_equal(num_ike(&p, IKE_CFG_FLOW), 1);
    plan_free(&p);
    k->of--;
    k->sel.dst = (struct prefix){addr_v4(0x08000000), 8};
    p = derived(c);
    assert_int_equal(num_ike(&p, IKE_CFG_FLOW), 2);
    assert_int_equal(p.routes.num, 0);
    plan_free(&p);
    /* different pairs of prefix lengths: as many as the classifier has room for, and two are left for `everything` */
    was = *k;
    met.num = 0;
    for (unsigned n = 0; n < 2 * STEER_MASKS; n++) {
        struct plan_client *x = plan_add(&met);
        *x = was;
        x->flow = 5000 + n;
        x->sel.src.len = (u8)(n % 32 + 1), x->sel.dst.len = (u8)(n / 32 + 1);
    }
    p = derived(c);
    assert_int_equal(p.flows.num, STEER_MASKS - 2);
    assert_int_equal(num_ike(&p, IKE_CFG_FLOW), STEER_MASKS - 2 + 1);
    plan_free(&p);
    plan_list_free(&met);
    conf_free(c);
}

/* reverse-route of an entry with a peer: a route to what each of its lines says is behind it. */
static void t_reverse_route(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of(HEAD "crypto map M 10 ipsec-isakmp\n set peer 8.8.8.8\n set transform-set T\n match address 150\n"
                            " reverse-route static\naccess-list 150 permit ip any 10.3.0.0 0.0.255.255\n"
                            "access-list 150 permit tcp any any eq 80\n" WAN " crypto map M\nend\n", &c);
    assert_int_equal(p.routes.num, 1); /* everything would be the way to the peer, too */
    const struct kern_route_value *r = plan_item(&p.routes, 0);
    assert_true(r->net.len == 16 && r->metric == 1 && addr_v4_host(&r->nexthop) == 0x08080808);
    plan_free(&p);
    conf_free(c);
}

/* Neighbours that announce more than dp can keep: the first networks are told to it, over all tunnels, and never more than it
 * takes; those beyond fail the reverse path check. */
static void t_too_many_networks(void **state)
{
    (void)state;
    struct conf *c;
    num_routes = 0;
    for (u32 i = 0; i < DP_MAX_RPF + 500; i++) {
        struct kern_route_value *v = &routes[num_routes++];
        *v = (struct kern_route_value){.net = {addr_v4(0x0a000000 + (i << 8)), 24},
                                       .kind = NLR_UNICAST,
                                       .proto = 188,
                                       .table = TABLE_MAIN};
        str_copy(v->link, sizeof v->link, i % 2 ? "Tunnel0" : "Tunnel1");
    }
    struct plan p = plan_of(WAN "interface Tunnel0\n tunnel source FastEthernet0/1\n tunnel "
                                "destination 2.2.2.2\n ip verify unicast source reachable-via rx\n"
                                "interface Tunnel1\n tunnel source FastEthernet0/1\n tunnel "
                                "destination 2.2.2.3\n ip verify unicast source reachable-via rx\n"
                                "end\n",
                            &c);
    const struct dp_msg *m = p.dp.items;
    size_t networks = 0, half = 0;
    for (size_t i = 0; i < p.dp.num; i++) {
        networks += m[i].type == DP_CFG_RPF;
        half += m[i].type == DP_CFG_RPF && m[i].u.rpf.tunnel == 0;
    }
    assert_int_equal(networks, DP_MAX_RPF);
    assert_int_equal(half, (DP_MAX_RPF + 500) / 2);
    num_routes = 0;
    plan_free(&p);
    conf_free(c);
}

/* Keys pass through plans: what is freed holds none. */
static void t_keys_are_wiped(void **state)
{
    (void)state;
    struct conf *c;
    struct plan p = plan_of("crypto isakmp key Seventeen-Hippos address 2.2.2.2\nend\n", &c);
    struct ike_msg *m = p.ike.items;
    bool there = false;
    for (size_t i = 0; i < p.ike.num; i++) {
        there |= memmem(&m[i], sizeof m[i], "Seventeen-Hippos", 16) != NULL;
    }
    assert_true(there);
    size_t len = p.ike.num * sizeof *m;
    void *items = p.ike.items;
    plan_wipe_list(&p.ike); /* what plan_free does first; afterwards nobody may look any more */
    assert_null(memmem(items, len, "Seventeen-Hippos", 16));
    plan_free(&p);
    conf_free(c);
}

/* Two interfaces are never one link, by their names or by --map; the second one is named. */
static void t_one_link_one_name(void **state)
{
    (void)state;
    static const struct {
        const char *names[3], *second;
    } cases[] = {
        {{"FastEthernet0/1.30", "FastEthernet0/1.31", "FastEthernet0/1"}, NULL},
        {{"FastEthernet0/1.30", "FastEthernet0/0", "FastEthernet0:1.30"}, "FastEthernet0:1.30"},
        {{"FastEthernet0:1.30", "FastEthernet0/1.30", "FastEthernet0/1"}, "FastEthernet0/1.30"},
        {{"Loopback0", "Loopback1", "Tunnel1"}, NULL},
        {{"Serial0/1", "FastEthernet0/0", "Serial0/0"}, "Serial0/0"},
        {{"Serial0/1", "FastEthernet0/0", "Serial1/0"}, NULL},
    };
    const struct router_options o = {
        .map = {"Serial0/0=eth7", "Serial0/1=eth7", "FastEthernet0/0=eth0"}, .num_maps = 3};
    struct router *r = xcalloc(1, sizeof *r);
    r->opt = &o;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf *c = conf_new();
        struct conf_finding f = {0};
        for (unsigned k = 0; k < 3; k++) {
            conf_if_get(c, cases[i].names[k], (struct conf_src){.line = k + 1});
        }
        assert_int_equal(router_names_fit(r, c, &f), !cases[i].second);
        assert_string_equal(f.what, cases[i].second ? cases[i].second : "");
        assert_int_equal(f.src.line, cases[i].second ? i == 2 ? 2 : 3 : 0);
        conf_free(c);
    }
    free(r);
}

static void on_result(void *ctx, const char *link, const char *why)
{
    (void)ctx;
    sprintf(done + strlen(done), "%s: %s;", link, why ? why : "made");
}

/* A subinterface's link has the id its line says: made, left, or, when the configuration is in force, made again; what is no
 * VLAN is not ours. */
static void t_vlans(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"FastEthernet0/1.10\n encapsulation dot1Q 10\n", "add Fa0-1 Fa0-1.10 10;Fa0-1.10: made;",
         ""},
        {"FastEthernet0/1.10\n encapsulation dot1Q 99\n", "add Fa0-1 Fa0-1.10 99;Fa0-1.10: no;",
         ""},
        {"FastEthernet0/1.30\n encapsulation dot1Q 30\n", "", ""},
        {"FastEthernet0/1.30\n encapsulation dot1Q 31\n", "",
         "del Fa0-1.30;add Fa0-1 Fa0-1.30 31;Fa0-1.30: made;"},
        {"FastEthernet0/1.30\n encapsulation dot1Q 99\n", "",
         "del Fa0-1.30;add Fa0-1 Fa0-1.30 99;Fa0-1.30: no;"},
        {"FastEthernet0/1.40\n encapsulation dot1Q 41\n", "", ""},
        {"FastEthernet0/1\n", "", ""},
    };
    const struct vlan_names names = {.kernel_name = kernel_name, .result = on_result};
    const struct plan_list none = {.size = sizeof(struct plan_link)};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        char text[200];
        struct conf *c = conf_new();
        struct strbuf errors = {0};
        snprintf(text, sizeof text, "interface %send\n", cases[i][0]);
        assert_true(cli_load(c, "t.cfg", text, &errors));
        done[0] = 0;
        vlan_add(NULL, c, &names);
        assert_string_equal(done, cases[i][1]);
        if (!cases[i][1][0]) { /* the tables do not keep what was made */
            struct plan p = derived(c);
            assert_int_equal(vlan_replace(NULL, &none, &p.links, &names), cases[i][2][0] != 0);
            plan_free(&p);
            assert_string_equal(done, cases[i][2]);
        }
        sb_free(&errors);
        conf_free(c);
    }
    /* one that cannot be taken away carries nothing by this plan */
    struct conf *c;
    struct plan p = plan_of("interface FastEthernet0/1.30\n encapsulation dot1Q 31\n", &c);
    const struct plan_link *l = p.links.items;
    assert_true(l->up);
    refuse_delete = true;
    done[0] = 0;
    assert_false(vlan_replace(NULL, &none, &p.links, &names));
    refuse_delete = false;
    assert_string_equal(done, "del Fa0-1.30;Fa0-1.30 down;Fa0-1.30: busy;");
    assert_false(l->up);
    /* `no encapsulation dot1Q`: it goes; what never had a line of ours stays */
    struct conf *c2;
    struct plan without = plan_of("interface FastEthernet0/1.30\n", &c2);
    done[0] = 0;
    assert_false(vlan_replace(NULL, &none, &without.links, &names));
    assert_string_equal(done, "");
    assert_true(vlan_replace(NULL, &p.links, &without.links, &names));
    assert_string_equal(done, "del Fa0-1.30;Fa0-1.30: made;");
    plan_free(&without);
    conf_free(c2);
    plan_free(&p);
    conf_free(c);
}

static void on_event(void *ctx, const struct ev_rec *rec)
{
    (void)rec;
    ++*(unsigned *)ctx;
}

/* What is saved is saved with its master key or not at all; a former one is forgotten when the operator's file was read and
 * needs none. */
static void t_master_keys(void **state)
{
    (void)state;
    char dir[] = "/tmp/adit-plan-XXXXXX", file[80], blocked[80], saved[80], master[80];
    unsigned said = 0;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/R.cfg", dir);
    snprintf(blocked, sizeof blocked, "%s/master-key.new", dir);
    snprintf(saved, sizeof saved, "%s/startup-config", dir);
    snprintf(master, sizeof master, "%s/master-key", dir);
    const struct router_options o = {.config = file, .state_dir = dir};
    struct router *r = xcalloc(1, sizeof *r);
    r->env = env_real();
    evlog_init(&r->log, &r->env, EVS_MAIN, &said, on_event);
    r->log.mask = EVC_LOG;
    r->opt = &o;
    r->conf = conf_new();
    password_master(&r->conf->master, "in force now");
    password_master(&r->conf->former[0], "before that");
    assert_int_equal(mkdir(blocked, 0700), 0);
    assert_false(startup_save(r, "end\n"));
    assert_int_equal(said, 1);
    assert_int_equal(access(saved, F_OK), -1);
    assert_int_equal(rmdir(blocked), 0);
    assert_true(startup_save(r, "end\n"));
    assert_int_not_equal(r->conf->former[0].len, 0); /* there is no R.cfg */
    FILE *f = fopen(file, "we");
    assert_non_null(f);
    fputs("hostname R\n", f);
    fclose(f);
    assert_true(startup_save(r, "end\n"));
    assert_int_equal(r->conf->former[0].len, 0);
    (void)unlink(file);
    (void)unlink(saved);
    (void)unlink(master);
    assert_int_equal(rmdir(dir), 0);
    conf_free(r->conf);
    free(r);
}

/* change_master: as typed at a console. False: it was not taken. */
static bool change_master(struct router *r, unsigned number)
{
    char line[80];
    struct strbuf errors = {0};
    snprintf(line, sizeof line, "key config-key password-encrypt number-%u-of-them\n", number);
    bool ok = cli_load(r->conf, "console", line, &errors);
    sb_free(&errors);
    return ok;
}

static unsigned former_keys(const struct router *r)
{
    unsigned n = 0;
    while (n < CONF_FORMER && r->conf->former[n].len) {
        n++;
    }
    return n;
}

/* next_start: the operator's file is read with the master keys that are kept. */
static bool next_start(struct router *r)
{
    struct conf *c = conf_new();
    struct strbuf errors = {0};
    char *text = cli_read_file(r->opt->config);
    assert_non_null(text);
    startup_master(r, c);
    bool ok = cli_load(c, "R.cfg", text, &errors);
    free(text);
    sb_free(&errors);
    conf_free(c);
    return ok;
}

/* Keys that stand in sections are bound to them; a former master key that opens one of these is needed, too. */
static void t_master_key_of_sections(void **state)
{
    static const char *const texts[] = {
        "crypto keyring K\n pre-shared-key address 1.1.1.1 key secret\n",
        "crypto isakmp peer address 1.1.1.1\n set aggressive-mode password secret\n",
        "crypto map M 10 ipsec-manual\n set session-key inbound ah 300 0011\n",
        "crypto map M 10 ipsec-manual\n set session-key outbound esp 300 cipher 0011 authenticator 2233\n",
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        char dir[] = "/tmp/adit-plan-XXXXXX", path[80];
        static const char *const left[] = {"R.cfg", "R.cfg.bak", "startup-config", "master-key"};
        unsigned said = 0;
        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof path, "%s/R.cfg", dir);
        const struct router_options o = {.config = path, .state_dir = dir};
        struct router *r = xcalloc(1, sizeof *r);
        struct strbuf errors = {0}, text = {0}, where = {0};
        r->env = env_real();
        evlog_init(&r->log, &r->env, EVS_MAIN, &said, on_event);
        r->opt = &o;
        r->conf = conf_new();
        assert_true(cli_load(r->conf, "R.cfg", "password encryption aes\n", &errors));
        assert_true(cli_load(r->conf, "R.cfg", texts[i], &errors));
        assert_true(change_master(r, 1));
        cli_running(&text, r->conf);
        assert_non_null(strstr(text.s, " 6 adit."));
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fputs(text.s, f);
        fclose(f);
        assert_true(change_master(r, 2));
        assert_true(startup_save(r, "end\n"));
        assert_int_equal(former_keys(r), 1);
        assert_true(next_start(r));
        sb_free(&text);
        cli_running(&text, r->conf);
        assert_true(startup_save_file(r, text.s, &where)); /* under the new one now, beside a copy of what it was */
        f = fopen(path, "we");
        assert_non_null(f);
        fputs(text.s, f);
        fclose(f);
        assert_true(startup_save(r, "end\n"));
        assert_int_equal(former_keys(r), 0);
        assert_true(next_start(r));
        for (unsigned n = 0; n < ARRAY_LEN(left); n++) {
            snprintf(path, sizeof path, "%s/%s", dir, left[n]);
            (void)unlink(path);
        }
        assert_int_equal(rmdir(dir), 0);
        sb_free(&text);
        sb_free(&where);
        sb_free(&errors);
        conf_free(r->conf);
        free(r);
    }
}

/* However often the master key is changed: of the former ones those stay that something in the operator's file was encrypted
 * under, and no other. */
static void t_master_key_changes(void **state)
{
    (void)state;
    char dir[] = "/tmp/adit-plan-XXXXXX", path[80];
    static const char *const left[] = {"R.cfg", "R.cfg.bak", "startup-config", "master-key"};
    unsigned said = 0;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/R.cfg", dir);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("hostname R\n", f);
    fclose(f);
    const struct router_options o = {.config = path, .state_dir = dir};
    struct router *r = xcalloc(1, sizeof *r);
    struct strbuf errors = {0};
    r->env = env_real();
    evlog_init(&r->log, &r->env, EVS_MAIN, &said, on_event);
    r->opt = &o;
    r->conf = conf_new();
    assert_true(cli_load(r->conf, "R.cfg",
                         "password encryption aes\n"
                         "crypto isakmp key secret address 2.2.2.2\n",
                         &errors));
    for (unsigned i = 0; i < 2 * CONF_FORMER + 6; i++) {
        struct strbuf text = {0}, where = {0};
        bool file = i < CONF_FORMER + 3;
        assert_true(change_master(r, i));
        cli_running(&text, r->conf);
        assert_non_null(strstr(text.s, " 6 adit."));
        assert_true(file ? startup_save_file(r, text.s, &where) : startup_save(r, text.s));
        assert_int_equal(former_keys(r), !file); /* the one the file was last written under */
        assert_true(next_start(r));
        sb_free(&text);
        sb_free(&where);
    }
    /* the same words with other blanks; and once they only stand in a comment, nothing is opened by them */
    static const char *const marks[] = {"\t6\tadit.", "  6  adit."};
    char *text = cli_read_file(path), *at = strstr(text, " 6 adit."), *line = at;
    while (line > text && line[-1] != '\n') {
        line--;
    }
    for (unsigned i = 0; i <= ARRAY_LEN(marks); i++) {
        bool comment = i == ARRAY_LEN(marks);
        f = fopen(path, "we");
        assert_non_null(f);
        fprintf(f, "%s%.*s%s%s", comment ? "! " : "", (int)(at - line), line,
                comment ? " 6 adit." : marks[i], at + strlen(" 6 adit."));
        fclose(f);
        assert_true(startup_save(r, "end\n"));
        assert_int_equal(former_keys(r), !comment);
        assert_true(next_start(r));
    }
    free(text);
    assert_true(cli_load(r->conf, "console", "no key config-key password-encrypt\n", &errors));
    assert_int_equal(former_keys(r), 1);
    assert_true(startup_save(r, "end\n"));
    assert_int_equal(former_keys(r), 0);
    for (unsigned i = 0; i < ARRAY_LEN(left); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, left[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
    sb_free(&errors);
    conf_free(r->conf);
    free(r);
}

/* What is tried at each look and fails for the same reason is said once; again for another one, or when it had gone well. */
static void t_complaints(void **state)
{
    (void)state;
    static const struct {
        const char *which, *why;
        unsigned said;
    } steps[] = {{"a", "no", 1},    {"a", "no", 1},    {"b", "no", 2},
                 {"a", "never", 3}, {"b", "no", 3},    {"a", NULL, 3},
                 {"a", NULL, 3},    {"a", "never", 4}, {"b", "no", 4}};
    unsigned said = 0;
    struct router *r = xcalloc(1, sizeof *r);
    r->env = env_real();
    evlog_init(&r->log, &r->env, EVS_MAIN, &said, on_event);
    r->log.mask = EVC_LOG;
    for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
        apply_complain_once(r, "interface", steps[i].which, steps[i].why);
        assert_int_equal(said, steps[i].said);
    }
    apply_complain_once(r, "blackhole", "", "full"); /* 5; another thing's stays */
    complaints_begin(r, "interface");
    apply_complain_once(r, "interface", "b", "no");
    complaints_end(r, "interface"); /* there is no interface a any more */
    apply_complain_once(r, "interface", "b", "no");
    apply_complain_once(r, "blackhole", "", "full");
    assert_int_equal(said, 5);
    apply_complain_once(r, "interface", "a", "never");
    assert_int_equal(said, 6);
    complaints_free(r);
    free(r);
}

/* A hole the kernel refuses is told, and the route it would stand behind is not added: without it what the route leads into
 * the tunnel would take another road when the tunnel goes. */
static void t_hole_refused(void **state)
{
    (void)state;
    struct conf *c;
    static const char *const refused[] = {NULL, "10.9.0.0"};
    for (unsigned i = 0; i < ARRAY_LEN(refused); i++) {
        struct plan p = plan_of(HEAD "crypto ipsec profile P\n set transform-set T\n" WAN
                                     "interface Tunnel0\n ip address 10.0.0.1 255.255.255.252\n"
                                     " tunnel source FastEthernet0/1\n tunnel destination 2.2.2.2\n"
                                     " tunnel mode ipsec ipv4\n tunnel protection ipsec profile P\n"
                                     "ip route 10.9.0.0 255.255.255.0 Tunnel0\n"
                                     "ip route 10.8.0.0 255.255.255.0 Tunnel0\nend\n",
                                &c);
        char why[160];
        done[0] = 0;
        refuse_hole = refused[i];
        assert_int_equal(routes_apply(NULL, &p, why), !refused[i]);
        refuse_hole = NULL;
        assert_non_null(strstr(done, "hole 10.9.0.0/24;"));
        assert_non_null(strstr(done, "hole 10.8.0.0/24;"));
        assert_true(strstr(done, "route 10.8.0.0/24;") > strstr(done, "hole 10.8.0.0/24;"));
        assert_int_equal(strstr(done, "route 10.9.0.0/24;") == NULL, refused[i] != NULL);
        assert_int_equal(strstr(why, "10.9.0.0/24: full") != NULL, refused[i] != NULL);
        plan_free(&p);
        conf_free(c);
    }
}

/* ---- what fits --------------------------------------------------------------------------------- */

/* RFC 4303 2.4: outer, SPI and sequence, IV, text padded with the two trailer bytes to the alignment, ICV. In transport mode
 * the packet's own header stays outside. */
static unsigned esp_size(unsigned packet, enum encr_id e, enum hash_id h, bool six, bool transport)
{
    unsigned align = encr_row(e)->block > 4 ? encr_row(e)->block : 4, outer = six ? 40 : 20,
             text = transport ? packet - outer : packet,
             icv = encr_row(e)->icv_len ? encr_row(e)->icv_len : hash_row(h)->icv_len;
    return outer + 8 + encr_row(e)->iv_len + (text + 2 + align - 1) / align * align + icv;
}

static void t_esp_mtu(void **state)
{
    (void)state;
    for (enum encr_id e = ENCR_NULL; e < ENCR_NUM; e++) {
        for (enum hash_id h = HASH_MD5; h < HASH_NUM; h++) {
            for (unsigned path = 0; path < 1600; path += path < 128 ? 1 : 7) {
                bool six = path % 2, transport = path / 2 % 2;
                unsigned m = esp_plain_mtu((u16)path, e, h, six ? AF_V6 : AF_V4, transport);
                unsigned least = transport ? six ? 40 : 20 : 0; /* a packet without a byte in it */
                if (esp_size(least, e, h, six, transport) > path) {
                    assert_int_equal(m, 0);
                    continue;
                }
                assert_true(m >= least);
                assert_true(esp_size(m, e, h, six, transport) <= path);
                assert_true(esp_size(m + 1, e, h, six, transport) > path);
            }
        }
    }
    /* seed 000: DES and MD5 make 176 bytes of a 124-byte GRE packet */
    assert_int_equal(esp_size(124, ENCR_DES, HASH_MD5, false, false), 176);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(t_map_lines),
        cmocka_unit_test(t_two_links),
        cmocka_unit_test(t_ipv6_list),
        cmocka_unit_test(t_map_disabled),
        cmocka_unit_test(t_lists_of_a_file),
        cmocka_unit_test(t_lines_changed),
        cmocka_unit_test(t_other_beginnings),
        cmocka_unit_test(t_addresses_and_routes),
        cmocka_unit_test(t_holes),
        cmocka_unit_test(t_many_holes),
        cmocka_unit_test(t_routes_untold),
        cmocka_unit_test(t_ah), cmocka_unit_test(t_tunnels),
        cmocka_unit_test(t_tunnel_under_a_map),
        cmocka_unit_test(t_tunnel_values),
        cmocka_unit_test(t_isakmp_values), cmocka_unit_test(t_client_values), cmocka_unit_test(t_templates), cmocka_unit_test(t_listed), cmocka_unit_test(t_client_flow), cmocka_unit_test(t_reverse_route),
        cmocka_unit_test(t_too_many_networks),
        cmocka_unit_test(t_keys_are_wiped),
        cmocka_unit_test(t_master_keys),
        cmocka_unit_test(t_master_key_changes),
        cmocka_unit_test(t_master_key_of_sections),
        cmocka_unit_test(t_complaints),
        cmocka_unit_test(t_manual),
        cmocka_unit_test(t_compression),
        cmocka_unit_test(t_shared_tunnels),
        cmocka_unit_test(t_names),
        cmocka_unit_test(t_flow_details),
        cmocka_unit_test(t_manual_lacks),
        cmocka_unit_test(t_hole_refused),
        cmocka_unit_test(t_one_link_one_name),
        cmocka_unit_test(t_vlans),
        cmocka_unit_test(t_esp_mtu),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
