/*
 * The show texts against the seeds: the same values in, the same bytes out (tests/cli/golden is cut from seeds 000 and
 * 002; blanks at line ends do not count, the seeds are web pages).
 */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static char *source(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", getenv("ADIT_SRC"), name);
    return cli_read_file(path);
}

static void trim(char *s)
{
    char *out = s, *solid = s;
    for (; *s; s++) {
        if (*s == '\n') {
            out = solid;
        }
        *out++ = *s;
        solid = *s == ' ' ? solid : out;
    }
    *out = 0;
    while (out > solid || (out[-1] == '\n' && out[-2] == '\n')) {
        *--out = 0;
    }
}

static void same_as(struct strbuf *got, const char *golden)
{
    char path[256];
    snprintf(path, sizeof path, "tests/cli/golden/%s", golden);
    char *want = source(path), *start = got->s + strspn(got->s, "\n");
    trim(start);
    assert_string_equal(start, want);
    free(want);
    sb_free(got);
}

static struct conf *load(const char *path)
{
    struct conf *c = conf_new();
    struct strbuf errors = {0};
    char *text = source(path);
    assert_true(cli_load(c, path, text, &errors));
    free(text);
    sb_free(&errors);
    return c;
}

static struct addr ip(const char *text)
{
    struct addr a;
    assert_true(addr_parse(&a, text));
    return a;
}

/* The state of seed 000's R1 as values. */
struct seed0 {
    struct cli_snapshot snap;
    struct ike_sa_info sa;
    struct cli_flow flow;
    struct dp_flow_info dflow;
    struct dp_sa_info esp[2];
};

static void seed0_fill(struct seed0 *s)
{
    memset(s, 0, sizeof *s);
    s->sa = (struct ike_sa_info){.conn_id = 1,
                                 .state = ST_QM_IDLE,
                                 .initiator = true,
                                 .local = {ip("1.1.1.1"), 500},
                                 .remote = {ip("2.2.2.2"), 500},
                                 .life_s = 86400,
                                 .left_s = 86374,
                                 .id = "2.2.2.2"};
    s->flow = (struct cli_flow){.id = 7,
                                .map = "Tunnel0-head-0",
                                .iface = "Tunnel0",
                                .local = ip("1.1.1.1"),
                                .peer = ip("2.2.2.2"),
                                .mtu = 1514,
                                .mtu_if = "Loopback0"};
    s->flow.sel = selector_any(AF_V4);
    s->flow.sel.src = prefix_host(&s->flow.local);
    s->flow.sel.dst = prefix_host(&s->flow.peer);
    s->flow.sel.proto = 47;
    s->dflow = (struct dp_flow_info){
        .flow = 7, .encaps = 9, .decaps = 9, .send_errors = 11, .drops_out = 11};
    struct dp_sa_value v = {.flow = 7,
                            .proto = 50,
                            .mode = MODE_TUNNEL,
                            .encr = ENCR_DES,
                            .auth = HASH_MD5,
                            .replay_window = 64,
                            .hard_kb = 4586052,
                            .hard_s = 3600};
    s->esp[0] = s->esp[1] = (struct dp_sa_info){.sa = v, .current = true};
    s->esp[0].sa.spi = 0x3861DD57, s->esp[0].sa.dir = SA_IN, s->esp[0].sa.conn_id = 2001,
    s->esp[0].age_s = 3600 - 3201;
    s->esp[1].sa.spi = 0x4F11F20E, s->esp[1].sa.dir = SA_OUT, s->esp[1].sa.conn_id = 2002,
    s->esp[1].age_s = 3600 - 3200;
    s->snap = (struct cli_snapshot){.sas = &s->sa,
                                    .num_sas = 1,
                                    .flows = &s->flow,
                                    .num_flows = 1,
                                    .dp_flows = &s->dflow,
                                    .num_dp_flows = 1,
                                    .dp_sas = s->esp,
                                    .num_dp_sas = 2};
}

static void isakmp_sa(void **state)
{
    struct seed0 s;
    struct strbuf out = {0};
    struct conf *c = load("examples/gre-ipv6/R1.cfg");
    struct cli_show w = {.c = c, .snap = &s.snap, .out = &out};
    (void)state;
    seed0_fill(&s);
    cli_show_isakmp_sa(&w);
    same_as(&out, "isakmp_sa.txt");
    s.sa.state = ST_MM_NO_STATE;
    s.sa.deleted = true;
    cli_show_isakmp_sa(&w);
    assert_non_null(strstr(out.s, "MM_NO_STATE          1    0 ACTIVE (deleted)\n"));
    sb_free(&out);
    cli_show_isakmp_peers(&w);
    assert_null(out.s); /* a deleted SA is no peer */
    s.sa.deleted = false;
    cli_show_isakmp_peers(&w);
    same_as(&out, "isakmp_peers.txt");
    conf_free(c);
}

static void ipsec_sa(void **state)
{
    struct seed0 s;
    struct strbuf out = {0};
    struct conf *c = load("examples/gre-ipv6/R1.cfg");
    struct cli_show w = {.c = c, .snap = &s.snap, .out = &out};
    struct addr other = ip("9.9.9.9");
    (void)state;
    seed0_fill(&s);
    cli_show_ipsec_sa(&w, NULL, NULL, NULL, false);
    same_as(&out, "ipsec_sa.txt");
    cli_show_ipsec_sa(&w, NULL, &other, NULL, false);
    assert_null(out.s);
    cli_show_ipsec_sa(&w, "Tunnel0", NULL, "Tunnel0-head-0", true);
    assert_non_null(strstr(out.s, "    #pkts no sa (send) 11, #pkts invalid sa (rcv) 0\n"));
    sb_free(&out);
    conf_free(c);
}

/* SAs of AH stand in lists of their own; the pair's SPI is that of its first SA. */
static void ah_sas(void **state)
{
    struct seed0 s;
    struct dp_sa_info all[4];
    struct strbuf out = {0};
    struct conf *c = load("examples/gre-ipv6/R1.cfg");
    struct cli_show w = {.c = c, .snap = &s.snap, .out = &out};
    (void)state;
    seed0_fill(&s);
    for (unsigned i = 0; i < 4; i++) {
        all[i] = s.esp[i % 2];
        if (i < 2) {
            all[i].sa.proto = 51, all[i].sa.encr = ENCR_NONE, all[i].sa.auth = HASH_SHA256;
            all[i].sa.spi = 0xABC0 + i, all[i].sa.mode = MODE_TRANSPORT;
            all[i].current = false;
        }
    }
    s.snap.dp_sas = all;
    s.snap.num_dp_sas = 4;
    cli_show_ipsec_sa(&w, NULL, NULL, NULL, false);
    assert_non_null(strstr(out.s, "     inbound ah sas:\n      spi: 0xABC0(43968)\n        transform: ah-sha256-hmac ,\n"
                                  "        in use settings ={Transport, }\n"));
    assert_non_null(strstr(out.s, "     outbound ah sas:\n      spi: 0xABC1(43969)\n"));
    assert_non_null(strstr(out.s, "     inbound esp sas:\n      spi: 0x3861DD57("));
    assert_non_null(strstr(out.s, "current outbound spi: 0x4F11F20E("));
    sb_free(&out);
    conf_free(c);
}

static void session(void **state)
{
    struct seed0 s;
    struct strbuf out = {0};
    struct conf *c = load("examples/gre-ipv6/R1.cfg");
    struct cli_show w = {.c = c, .snap = &s.snap, .out = &out};
    (void)state;
    seed0_fill(&s);
    s.esp[0].age_s = s.esp[1].age_s = 25;
    cli_show_session(&w, true);
    same_as(&out, "session_detail.txt");
    s.snap.num_sas = 0;
    cli_show_session(&w, false);
    assert_non_null(strstr(out.s, "Session status: UP-NO-IKE\n"));
    sb_free(&out);
    s.snap.num_dp_sas = 0;
    cli_show_session(&w, false);
    assert_non_null(strstr(out.s, "Session status: DOWN\n"));
    sb_free(&out);
    s.snap.num_sas = 1;
    s.sa.state = ST_MM_KEY_EXCH;
    cli_show_session(&w, false);
    assert_non_null(strstr(out.s, "Session status: DOWN-NEGOTIATING\n"));
    sb_free(&out);
    s.sa.state = ST_QM_IDLE;
    cli_show_session(&w, false);
    assert_non_null(strstr(out.s, "Session status: UP-IDLE\n"));
    sb_free(&out);
    conf_free(c);
}

/* A peer whose old SA is still listed as deleted while a new one is negotiated is negotiating, in whichever order. */
static void negotiating_beside_a_deleted_sa(void **state)
{
    struct seed0 s;
    struct strbuf out = {0};
    struct conf *c = load("examples/gre-ipv6/R1.cfg");
    struct cli_show w = {.c = c, .snap = &s.snap, .out = &out};
    struct ike_sa_info two[2];
    (void)state;
    seed0_fill(&s);
    s.snap.num_dp_sas = 0;
    for (int newer = 0; newer < 2; newer++) {
        two[0] = two[1] = s.sa;
        two[!newer].deleted = true;
        two[!newer].state = ST_QM_IDLE;
        two[newer].deleted = false;
        two[newer].state = ST_MM_KEY_EXCH;
        s.snap.sas = two;
        s.snap.num_sas = 2;
        cli_show_session(&w, false);
        assert_non_null(strstr(out.s, "Session status: DOWN-NEGOTIATING\n"));
        sb_free(&out);
        two[newer].state = ST_QM_IDLE;
        cli_show_session(&w, false);
        assert_non_null(strstr(out.s, "Session status: UP-IDLE\n"));
        sb_free(&out);
    }
    conf_free(c);
}

/* Kilobytes and seconds left of an SA, down to nothing. */
static void what_is_left(void **state)
{
    static const struct {
        u64 bytes, hard_kb;
        u32 age_s, hard_s;
        const char *left;
    } cases[] = {{300 * 1024 + 5, 1000, 100, 3600, "(700/3500)"},
                 {0, 1000, 0, 3600, "(1000/3600)"},
                 {1023, 1000, 3599, 3600, "(1000/1)"},
                 {2000 * 1024, 1000, 4000, 3600, "(0/0)"}};
    struct seed0 s;
    struct conf *c = load("examples/gre-ipv6/R1.cfg");
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct strbuf out = {0};
        struct cli_show w = {.c = c, .snap = &s.snap, .out = &out};
        seed0_fill(&s);
        for (size_t k = 0; k < s.snap.num_dp_sas; k++) {
            s.snap.dp_sas[k].bytes = cases[i].bytes;
            s.snap.dp_sas[k].sa.hard_kb = cases[i].hard_kb;
            s.snap.dp_sas[k].age_s = cases[i].age_s;
            s.snap.dp_sas[k].sa.hard_s = cases[i].hard_s;
        }
        cli_show_ipsec_sa(&w, NULL, NULL, NULL, false);
        const char *at = strstr(out.s, "remaining key lifetime (k/sec): ");
        assert_non_null(at);
        assert_memory_equal(strchr(at, ':') + 2, cases[i].left, strlen(cases[i].left));
        sb_free(&out);
    }
    conf_free(c);
}

static void what_a_tunnel_lacks(void **state)
{
    static const struct {
        const char *lines, *hint;
    } cases[] = {
        {"", "no tunnel source is configured"},
        {" tunnel source Loopback9\n", "the interface of its tunnel source has no address"},
        {" tunnel source 1.1.1.1\n", "no tunnel destination is configured"},
        {" tunnel source 1.1.1.1\n tunnel destination 2.2.2.2\n", NULL}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct cli_snapshot none = {0};
        struct strbuf text = {0}, errors = {0}, out = {0};
        struct conf *c = conf_new();
        sb_add(&text, "crypto ipsec profile P\ninterface Loopback9\ninterface Tunnel3\n tunnel "
                      "protection ipsec profile P\n");
        sb_add(&text, cases[i].lines);
        assert_true(cli_load(c, "x", text.s, &errors));
        cli_show_session(&(struct cli_show){.c = c, .snap = &none, .out = &out}, false);
        if (cases[i].hint) {
            assert_non_null(strstr(out.s, "Interface: Tunnel3\nSession status: DOWN\n"));
            assert_non_null(strstr(out.s, cases[i].hint));
        } else {
            assert_null(strstr(out.s, "Tunnel3"));
        }
        sb_free(&text);
        sb_free(&out);
        sb_free(&errors);
        conf_free(c);
    }
}

static void models(void **state)
{
    struct strbuf out = {0};
    struct conf *c = load("examples/vti/R1.cfg");
    struct cli_snapshot none = {0};
    struct cli_show w = {.c = c, .snap = &none, .out = &out};
    (void)state;
    cli_show_isakmp_policy(&w);
    char *end = strstr(out.s, "Default protection suite");
    assert_non_null(end);
    *end = 0; /* where the seed's page cut */
    out.len = strlen(out.s);
    same_as(&out, "isakmp_policy.txt");
    cli_show_transform_set(&w);
    same_as(&out, "transform_set.txt");
    cli_show_profile(&w);
    same_as(&out, "profile.txt");
    conf_free(c);
}

/* Which keys an entry has is shown, what they are is not. */
static void manual_map(void **state)
{
    static const char text[] =
        "crypto ipsec transform-set T esp-des esp-md5-hmac\ncrypto map M 10 ipsec-manual\n set peer 10.0.0.2\n"
        " set session-key inbound esp 256 cipher 0011223344556677 authenticator 00112233445566778899aabbccddeeff\n"
        " set transform-set T\n match address 101\naccess-list 101 permit ip any host 10.0.0.9\n";
    struct strbuf out = {0}, errors = {0};
    struct conf *c = conf_new();
    struct cli_snapshot none = {0};
    struct cli_show w = {.c = c, .snap = &none, .out = &out};
    (void)state;
    assert_true(cli_load(c, "x", text, &errors));
    cli_show_map(&w);
    assert_string_equal(out.s, "Crypto Map \"M\" 10 ipsec-manual\n"
                               "        Peer = 10.0.0.2\n"
                               "        Extended IP access list 101\n"
                               "            access-list 101 permit ip any host 10.0.0.9\n"
                               "        Current peer: 10.0.0.2\n"
                               "        Transform sets={\n                T,\n        }\n"
                               "        Inbound esp spi: 256,\n         cipher key: (hidden),\n         auth_key: (hidden),\n"
                               "        Inbound ah spi: 0,\n            key: ,\n"
                               "        Outbound esp spi: 0,\n         cipher key: ,\n         auth_key: ,\n"
                               "        Outbound ah spi: 0,\n            key: ,\n"
                               "        Interfaces using crypto map M:\n\n");
    sb_free(&out);
    sb_free(&errors);
    conf_free(c);
}

/* The columns of `show crypto isakmp sa detail`, in both dialects: how it was authenticated, and what was done with it. */
static void isakmp_sa_detail(void **state)
{
    struct seed0 s;
    struct strbuf out = {0};
    struct conf *c = load("examples/gre-ipv6/R1.cfg");
    struct ike_sa_info sas[4];
    struct cli_show w = {.c = c, .snap = &s.snap, .out = &out};
    (void)state;
    seed0_fill(&s);
    for (unsigned i = 0; i < 4; i++) {
        sas[i] = s.sa;
        sas[i].conn_id = i + 1;
        sas[i].encr = ENCR_AES256, sas[i].hash = HASH_SHA1, sas[i].group = 14;
    }
    sas[0].encr = ENCR_3DES, sas[0].hash = HASH_MD5, sas[0].group = 2, sas[0].auth = IKE_AUTH_PSK;
    sas[1].auth = IKE_AUTH_XAUTH_RSA, sas[1].xauth = sas[1].config = sas[1].dpd = sas[1].nat = true;
    sas[2].auth = IKE_AUTH_HYBRID_RSA, sas[2].xauth = true;
    sas[3].auth = IKE_AUTH_ECDSA_256, sas[3].deleted = true;
    s.snap.sas = sas;
    s.snap.num_sas = 4;
    cli_show_isakmp_sa_detail(&w);
    same_as(&out, "isakmp_sa_detail.txt");
    c->dialect_15 = true;
    cli_show_isakmp_sa_detail(&w);
    same_as(&out, "isakmp_sa_detail_15.txt");
    conf_free(c);
}

/* show crypto call admission statistics: with limits and without, and when ike has not answered. */
static void admission(void **state)
{
    struct seed0 s;
    struct strbuf out = {0};
    struct conf *c = load("examples/gre-ipv6/R1.cfg");
    struct ike_calls_info calls = {.active = 3, .negotiating = 12, .in = 40, .in_denied = 5, .out = 7, .out_denied = 1, .denied_sa = 4, .denied_nego = 2};
    struct cli_show w = {.c = c, .snap = &s.snap, .out = &out};
    (void)state;
    seed0_fill(&s);
    s.snap.calls = &calls;
    s.snap.num_calls = 1;
    c->limit_sa = 500;
    c->limit_nego = 50;
    cli_show_admission(&w);
    same_as(&out, "admission.txt");
    c->limit_sa = c->limit_nego = 0;
    s.snap.num_calls = 0;
    cli_show_admission(&w);
    assert_non_null(strstr(out.s, "System Resource Limit:        0 Max IKE SAs:     0 Max in nego:  1000\n"));
    assert_non_null(strstr(out.s, "Incoming IKE Requests:        0 accepted:        0 rejected:        0\n"));
    sb_free(&out);
    conf_free(c);
}

static void dialect_15(void **state)
{
    struct seed0 s;
    struct strbuf out = {0};
    struct conf *c = load("examples/gre-ipv6/R1.cfg");
    struct cli_show w = {.c = c, .snap = &s.snap, .out = &out};
    (void)state;
    seed0_fill(&s);
    c->dialect_15 = true;
    cli_show_isakmp_sa(&w);
    assert_string_equal(out.s, "IPv4 Crypto ISAKMP SA\n"
                               "dst             src             state          conn-id status\n"
                               "2.2.2.2         1.1.1.1         QM_IDLE           1001 ACTIVE\n\n"
                               "IPv6 Crypto ISAKMP SA\n\n");
    sb_free(&out);
    cli_show_ipsec_sa(&w, NULL, NULL, NULL, false);
    assert_non_null(strstr(out.s, "Status: ACTIVE(ACTIVE)"));
    assert_non_null(strstr(out.s, "plaintext mtu 0, path mtu 1514"));
    sb_free(&out);
    conf_free(c);
}

/* ---- is an interface up? ---- */

struct live {
    struct conf *c;
    const char *egress; /* NULL: no route */
};

static struct conf *live_conf(void *ctx)
{
    return ((struct live *)ctx)->c;
}

static bool live_link(void *ctx, const char *ifname, struct cli_link *out)
{
    (void)ctx;
    *out = (struct cli_link){.admin_up = true, .carrier = strcmp(ifname, "FastEthernet0/0") == 0};
    return strcmp(ifname, "FastEthernet0/2") != 0;
}

static bool live_route(void *ctx, const struct addr *dst, char out_if[CONF_IFNAME],
                       struct addr *out_gw)
{
    const struct live *l = ctx;
    (void)dst;
    *out_gw = (struct addr){0};
    str_copy(out_if, CONF_IFNAME, l->egress ? l->egress : "");
    return l->egress != NULL;
}

static void interface_lines(void **state)
{
    (void)state;
    static const char text[] =
        "interface Loopback0\n ip address 1.1.1.1 255.255.255.255\n"
        "interface FastEthernet0/0\ninterface FastEthernet0/1\ninterface FastEthernet0/2\n"
        "interface FastEthernet0/3\n shutdown\n"
        "interface Tunnel0\n tunnel source Loopback0\n tunnel destination 2.2.2.2\n"
        "interface Tunnel1\n tunnel source Loopback0\n tunnel destination 2.2.2.2\n"
        " tunnel mode ipsec ipv4\n"
        "interface Tunnel2\n tunnel source Loopback0\n";
    enum { NO, IN_ONLY, OUT, OTHERS };
    static const struct {
        const char *name, *egress, *state;
        u8 sa;
        bool up, recursive;
    } cases[] = {
        {"Loopback0", NULL, "up", NO, true, false},
        {"FastEthernet0/0", NULL, "up", NO, true, false},
        {"FastEthernet0/1", NULL, "up", NO, false, false},
        {"FastEthernet0/2", NULL, "down", NO, false, false},
        {"FastEthernet0/3", NULL, "administratively down", NO, false, false},
        {"Tunnel0", "FastEthernet0/0", "up", NO, true, false},
        {"Tunnel0", NULL, "up", NO, false, false},
        {"Tunnel0", "Tunnel0", "up", NO, false, true},
        {"Tunnel1", "FastEthernet0/0", "up", NO, false, false},
        {"Tunnel1", "FastEthernet0/0", "up", IN_ONLY, false, false},
        {"Tunnel1", "FastEthernet0/0", "up", OTHERS, false, false},
        {"Tunnel1", "FastEthernet0/0", "up", OUT, true, false},
        {"Tunnel1", "Tunnel1", "up", OUT, false, true},
        {"Tunnel2", "FastEthernet0/0", "up", NO, false, false},
    };
    struct live l = {.c = conf_new()};
    struct strbuf errors = {0};
    assert_true(cli_load(l.c, "t.cfg", text, &errors));
    const struct cli_host host = {
        .ctx = &l, .conf = live_conf, .link = live_link, .route = live_route};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct cli_flow flow = {.id = 3, .iface = "Tunnel1"};
        struct dp_sa_info sa = {.sa.flow = cases[i].sa == OTHERS ? 4 : 3,
                                .sa.dir = cases[i].sa == IN_ONLY ? SA_IN : SA_OUT};
        const struct cli_snapshot snap = {
            .flows = &flow, .num_flows = 1, .dp_sas = &sa, .num_dp_sas = cases[i].sa != NO};
        l.egress = cases[i].egress;
        const struct cli_if_line line = cli_if_line(&host, conf_if_find(l.c, cases[i].name), &snap);
        assert_string_equal(line.state, cases[i].state);
        assert_int_equal(line.up, cases[i].up);
        assert_int_equal(line.recursive, cases[i].recursive);
    }
    sb_free(&errors);
    conf_free(l.c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isakmp_sa),    cmocka_unit_test(ipsec_sa), cmocka_unit_test(ah_sas),
        cmocka_unit_test(session),      cmocka_unit_test(models), cmocka_unit_test(manual_map),
        cmocka_unit_test(isakmp_sa_detail), cmocka_unit_test(admission), cmocka_unit_test(dialect_15),   cmocka_unit_test(negotiating_beside_a_deleted_sa),
        cmocka_unit_test(what_is_left), cmocka_unit_test(what_a_tunnel_lacks),
        cmocka_unit_test(interface_lines)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
