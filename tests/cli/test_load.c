/*
 * Reading configurations: the seeds' ones verbatim, print and load again, and errors that say where and what.
 */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>

static struct conf *load_text(const char *text)
{
    struct conf *c = conf_new();
    struct strbuf errors = {0};
    if (!cli_load(c, "test.cfg", text, &errors)) {
        fail_msg("%s", errors.s);
    }
    sb_free(&errors);
    return c;
}

static void seed_model(void **state)
{
    char path[512];
    (void)state;
    snprintf(path, sizeof path, "%s/examples/gre-ipv6/R1.cfg", getenv("ADIT_SRC"));
    char *text = cli_read_file(path);
    assert_non_null(strstr(text, "\xc2\xa0")); /* the page's no-break spaces are still in there */
    struct conf *c = load_text(text);
    struct conf_if *t = conf_if_find(c, "Tunnel0"), *f = conf_if_find(c, "FastEthernet0/0");
    assert_non_null(t);
    assert_non_null(f);
    assert_string_equal(t->tun.profile, "PROFILE");
    assert_string_equal(t->tun.source_if, "Loopback0");
    struct addr src = conf_tunnel_source(c, t), want = addr_v4(0x01010101);
    assert_true(addr_equal(&src, &want));
    struct conf_isakmp_policy *p = CONTAINER_OF(c->policies.next, struct conf_isakmp_policy, link);
    assert_int_equal(p->encr, ENCR_DES);
    assert_int_equal(p->hash, HASH_MD5);
    assert_int_equal(p->group, 2);
    struct conf_key *k = CONTAINER_OF(c->keys.next, struct conf_key, link);
    assert_string_equal(k->key, "MY_K3Y");
    conf_free(c);
    free(text);
}

static void rejects(const char *text, const char *where, const char *what)
{
    struct conf *c = conf_new();
    struct strbuf errors = {0};
    assert_false(cli_load(c, "R9.cfg", text, &errors));
    if (!strstr(errors.s, where) || !strstr(errors.s, what)) {
        fail_msg("wanted \"%s\" and \"%s\" in:\n%s", where, what, errors.s);
    }
    assert_non_null(strstr(errors.s, "^\n"));
    sb_free(&errors);
    conf_free(c);
}

static void errors_say_where(void **state)
{
    (void)state;
    rejects("hostname R9\ncrypto isakmp policy 10\n encryption rot13\n",
            "R9.cfg:3:13: error:", "aes");
    rejects("crypto isakmp policy 10\n group 3\n", "R9.cfg:2:8: error:", "group 3 is not known");
    rejects("interface FastEthernet0/0\n ip address 10.0.0.1 255.0.255.0\n",
            "R9.cfg:2:22: error:", "Bad mask");
    rejects("interface Tunnel0\n tunnel protection ipsec profile NONE\n",
            "R9.cfg:2:34: error:", "does not exist");
    rejects("access-list 100 permit ip 10.0.0.0 0.255.0.255 any\n", "R9.cfg:1:36: error:", "holes");
    rejects("crypto ipsec transform-set T esp-aes esp-3des\n",
            "R9.cfg:1:38: error:", "one ESP cipher");
    rejects("crypto ipsec transform-set T esp-gcm esp-sha-hmac\n",
            "R9.cfg:1:28: error:", "esp-gcm authenticates itself");
    rejects("crypto ipsec transform-set T esp-null\n", "R9.cfg:1:28: error:", "protects nothing");
    rejects("crypto ipsec transform-set T ah-sha-hmac ah-md5-hmac\n",
            "R9.cfg:1:42: error:", "one AH at most");
    rejects("crypto ipsec transform-set T ah-sha-hmac esp-sha-hmac\n",
            "R9.cfg:1:28: error:", "an ESP cipher is missing");
    rejects("crypto ipsec transform-set T ah-sha-hmac esp-null\n", "R9.cfg:1:28: error:", "protects nothing");
    rejects("crypto map M 10 ipsec-isakmp\n set peer 9.9.9\n", "R9.cfg:2:11: error:", "expected the peer's address, or its name");
    rejects("crypto map M 10 ipsec-isakmp\n set peer far_end!\n", "R9.cfg:2:11: error:", "expected the peer's address, or its name");
    rejects("crypto ipsec transform-set T esp-aes esp-sha-hmac\ncrypto ipsec profile P\n set transform-set T\ninterface Tunnel0\n"
            " tunnel mode ipsec ipv4\n tunnel protection ipsec profile P shared\n", "R9.cfg:6:36: error:", "a VTI has SAs of its own");
    rejects("ip host far 0.0.0.0\n", "R9.cfg:1:13: error:", "the address of one host");
    rejects("crypto map M 10 ipsec-isakmp\n set peer 9.9.9.8\n set peer 9.9.9.9 default\n", "R9.cfg:3:19: error:", "only the first peer");
    rejects("crypto ipsec transform-set T comp-lzs\n", "R9.cfg:1:28: error:", "protects nothing by itself");
    rejects("crypto ipsec transform-set T esp-aes esp-sha-hmac comp-lzs comp-deflate\n", "R9.cfg:1:60: error:", "one compression");
    rejects("crypto ipsec transform-set T esp-aes\n esn\n", "R9.cfg:2:2: error:", "need an authenticator");
    rejects("crypto ipsec transform-set T esp-ctr\n", "R9.cfg:1:28: error:", "without an authenticator");
    rejects("crypto ipsec transform-set T esp-ccm 192 esp-xcbc-mac\n",
            "R9.cfg:1:28: error:", "esp-ccm 192 authenticates itself; leave esp-xcbc-mac out");
    rejects("crypto isakmp\n", "R9.cfg:1:14: error:", "ends too early");
    rejects("interface FastEthernet0/0\n ip access-group 101 in\n",
            "R9.cfg:2:5: error:", "not there yet");
    char line[400]; /* what does not fit is refused, not cut */
    snprintf(line, sizeof line, "access-list 100 remark %0150d\n", 0);
    rejects(line, "R9.cfg:1:24: error:", "99 characters at most");
    snprintf(line, sizeof line, "interface Tunnel0\n description %0250d\n", 0);
    rejects(line, "R9.cfg:2:14: error:", "239 characters at most");
    rejects("frobnicate\n", "R9.cfg:1:1: error:", "not understood");
}

static void all_errors_are_named(void **state)
{
    struct conf *c = conf_new();
    struct strbuf errors = {0}, text = {0};
    (void)state;
    for (int i = 0; i < 30; i++) {
        sb_add(&text, "bogus\n");
    }
    assert_false(cli_load(c, "R9.cfg", text.s, &errors));
    assert_non_null(strstr(errors.s, "R9.cfg:20:1:"));
    assert_non_null(strstr(errors.s, "10 further errors"));
    sb_free(&errors);
    sb_free(&text);
    conf_free(c);
}

static void a_global_line_leaves_the_submode(void **state)
{
    (void)state;
    struct conf *c =
        load_text("interface FastEthernet0/0\n ip address 10.0.0.1 255.255.255.0\nip route 0.0.0.0 "
                  "0.0.0.0 10.0.0.2\n"
                  " ip route 10.9.0.0 255.255.0.0 Null0\nline vty 0 4\n login\n password x\n");
    struct strbuf out = {0};
    cli_running(&out, c);
    assert_non_null(strstr(out.s, "\nip route 0.0.0.0 0.0.0.0 10.0.0.2\n"));
    assert_non_null(strstr(out.s, "\nip route 10.9.0.0 255.255.0.0 Null0\n"));
    assert_non_null(strstr(out.s, "line vty 0 4\n login\n password x\n"));
    sb_free(&out);
    conf_free(c);
}

/* What the fuzzer found: `exit` shortened (a row without a configuration handler), and a
 * name that would have been cut. */
static void fuzzer_found(void **state)
{
    (void)state;
    struct conf *c = load_text("interface Loopback0\nexi\nhostname A\n");
    assert_string_equal(c->hostname, "A");
    conf_free(c);
    static const char *const cut[] = {"no deny",
                                      "no permit tcp",
                                      "no permit tcp any",
                                      "no permit udp any eq",
                                      "no permit udp any range 5",
                                      "no permit ip host",
                                      "no permit ip 10.0.0.0"};
    for (unsigned i = 0; i < ARRAY_LEN(cut); i++) { /* on a console these ended the router */
        char text[128];
        snprintf(text, sizeof text, "ip access-list extended L\n permit ip any any\n %s\n", cut[i]);
        rejects(text, "R9.cfg:3:", "the line ends too early");
    }
    static const char *const nameless[] = {"no username",
                                           "no crypto map",
                                           "no ip access-list extended",
                                           "no ipv6 access-list",
                                           "no crypto ipsec transform-set",
                                           "no crypto ipsec profile"};
    for (unsigned i = 0; i < ARRAY_LEN(nameless); i++) {
        char text[64];
        snprintf(text, sizeof text, "%s\n", nameless[i]);
        rejects(text, "R9.cfg:1:1:", "expected the name");
    }
    rejects("line vty 0 4\n password 4\x7f\n", "R9.cfg:2:", "cannot be typed"); /* nothing could say it again */
    rejects("enable password 4\x7f\n", "R9.cfg:1:", "no secret of type 0");
    static const char *const in_use[] = {"", " 10"};
    for (unsigned i = 0; i < ARRAY_LEN(in_use); i++) { /* what it covers would leave in clear */
        char text[200];
        snprintf(text, sizeof text,
                 "crypto map M 10 ipsec-isakmp\ninterface FastEthernet0/0\n crypto map M\n"
                 "exit\nno crypto map M%s\n",
                 in_use[i]);
        rejects(text, "R9.cfg:5:15:", "in use by FastEthernet0/0");
    }
    rejects("ip access-list extended 0\n", "R9.cfg:1:25:", "100 to 199 or 2000 to 2699");
    rejects("ip access-list extended 99\n", "R9.cfg:1:25:", "100 to 199 or 2000 to 2699");
    rejects("ip access-list standard 100\n", "R9.cfg:1:25:", "1 to 99 or 1300 to 1999");
    rejects("ip access-list standard 01\n", "R9.cfg:1:25:", "1 to 99 or 1300 to 1999");
    rejects("ipv6 access-list L\n permit ipv6 any any\n no permit ipv6 host\n",
            "R9.cfg:3:", "the line ends too early");
    rejects("crypto ipsec profile "
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
            ":1:22:", "the name is longer than 63 characters");
}

static void numbers_and_lists(void **state)
{
    (void)state;
    struct conf *c =
        load_text("access-list 101 permit tcp 10.1.0.0 0.0.0.255 gt 1023 host 10.2.0.1 eq www log\n"
                  "access-list 101 deny ip any any\nip access-list extended WEB\n 5 permit udp any "
                  "any range 500 510\n"
                  " permit gre host 1.1.1.1 host 2.2.2.2\nno access-list 101\n");
    assert_null(conf_acl_find(c, "101"));
    struct conf_acl *l = conf_acl_find(c, "WEB");
    assert_non_null(l);
    struct conf_ace *a = CONTAINER_OF(l->aces.next, struct conf_ace, link),
                    *b = CONTAINER_OF(a->link.next, struct conf_ace, link);
    assert_int_equal(a->seq, 5);
    assert_int_equal(a->sel.dport_lo, 500);
    assert_int_equal(a->sel.dport_hi, 510);
    assert_int_equal(b->seq, 15);
    assert_int_equal(b->sel.proto, 47);
    assert_int_equal(b->sel.src.len, 32);
    conf_free(c);
}

/* ---- secrets ---- */

static void zeros(void *ctx, u8 *out, size_t len)
{
    (void)ctx;
    memset(out, 0, len);
}

/* printed_as: what the running configuration says of a text. Free it. */
static char *printed_as(const char *text, const char *master)
{
    const struct env env = {.random = zeros};
    struct conf *c = conf_new();
    struct strbuf errors = {0}, out = {0};
    if (master) {
        password_master(&c->master, master);
    }
    if (!cli_load(c, "test.cfg", text, &errors)) {
        fail_msg("%s", errors.s);
    }
    conf_seal(c, &env);
    cli_running(&out, c);
    sb_free(&errors);
    conf_free(c);
    return out.s;
}

/* No secret that was typed stands in what is printed; what is printed means the same when it is read again. */
static void secrets_are_hidden(void **state)
{
    static const char typed[] =
        "service password-encryption\nenable secret ZQone\nenable password ZQtwo\n"
        "username anna privilege 15 secret 0 ZQthree\nusername berta password ZQfour\n"
        "username carl nopassword\n"
        "password encryption aes\ncrypto isakmp key ZQfive address 1.2.3.4\n"
        "crypto isakmp key ZQsix address 10.0.0.0 255.0.0.0 no-xauth\n"
        "crypto isakmp key ZQseven ipv6 2001:DB8::/32\n"
        "line vty 0 4\n password ZQeight\n login\nline con 0\n password 7 0131372A4F1E\n";
    (void)state;
    char *once = printed_as(typed, "masterkey"), *twice = printed_as(once, "masterkey");
    assert_null(strstr(once, "ZQ"));
    assert_string_equal(once, twice);
    static const char *const want[] = {"service password-encryption\n",
                                       "enable secret 9 $9$",
                                       "enable password 7 ",
                                       "username anna privilege 15 secret 9 $9$",
                                       "username berta password 7 ",
                                       "username carl nopassword\n",
                                       "password encryption aes\n",
                                       "crypto isakmp key 6 adit.",
                                       " address 1.2.3.4\n",
                                       " address 10.0.0.0 255.0.0.0 no-xauth\n",
                                       " ipv6 2001:DB8::/32\n",
                                       "line vty 0 4\n password 7 ",
                                       "\n login\n"};
    for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
        if (!strstr(once, want[i])) {
            fail_msg("no \"%s\" in\n%s", want[i], once);
        }
    }
    struct strbuf errors = {0};
    struct conf *c = conf_new();
    password_master(&c->master, "masterkey");
    assert_true(cli_load(c, "test.cfg", once, &errors));
    static const char *const keys[] = {"ZQfive", "ZQsix", "ZQseven"};
    unsigned n = 0;
    CONF_FOR(struct conf_key, k, &c->keys)
    {
        assert_string_equal(k->key, keys[n++]);
    }
    assert_int_equal(n, 3);
    assert_true(password_check(c->enable_secret.type, c->enable_secret.text, "ZQone"));
    assert_string_equal(c->enable_password.text, "ZQtwo");
    assert_string_equal(conf_user_get(c, "berta", (struct conf_src){0})->password.text, "ZQfour");
    conf_free(c);
    free(once);
    free(twice);
    /* without these lines nothing but the one-way secrets is hidden, as on IOS */
    once = printed_as(
        "enable password ZQ\ncrypto isakmp key ZQ5 address 1.2.3.4\nline vty 0 4\n password ZQ8\n",
        "masterkey");
    assert_non_null(strstr(once, "enable password 0 ZQ\n"));
    assert_non_null(strstr(once, "crypto isakmp key ZQ5 address 1.2.3.4\n"));
    assert_non_null(strstr(once, "line vty 0 4\n password ZQ8\n"));
    free(once);
}

/* Found by the fuzzer: a password in clear that looks like a type, or like nothing at its ends. */
static void passwords_like_types(void **state)
{
    (void)state;
    char *once =
        printed_as("line vty 0 4\n password 0 7 0131372A4F1E\nline con 0\n password 0 0 4\n", NULL);
    char *twice = printed_as(once, NULL);
    assert_non_null(strstr(once, "line vty 0 4\n password 0 7 0131372A4F1E\n"));
    assert_non_null(strstr(once, "line con 0\n password 0 0 4\n"));
    assert_string_equal(once, twice);
    free(once);
    free(twice);
    char blank[PASSWORD_TEXT], text[PASSWORD_TEXT + 64];
    static const char *const odd[] = {" x", "x "};
    for (unsigned i = 0; i < ARRAY_LEN(odd); i++) {
        password_hide7(blank, odd[i]);
        snprintf(text, sizeof text, "line vty 0 4\n password 7 %s\n", blank);
        rejects(text, "R9.cfg:2:11: error:", "no password of type 7");
        snprintf(text, sizeof text, "enable password 7 %s\n", blank);
        rejects(text, "R9.cfg:1:19: error:", "has blanks");
    }
}

static void secrets_that_cannot_be_read(void **state)
{
    (void)state;
    rejects("crypto isakmp key 6 dLaBKGMN[aZYUF address 1.2.3.4\n",
            "R9.cfg:1:19: error:", "encrypted by an IOS");
    rejects("crypto isakmp key 6 adit.abcdef address 1.2.3.4\n",
            "R9.cfg:1:19: error:", "no master key");
    rejects("key config-key password-encrypt masterkey\ncrypto isakmp key 6 adit.abcdef address "
            "1.2.3.4\n",
            "R9.cfg:2:21: error:", "another master key");
    rejects("key config-key password-encrypt short\n",
            "R9.cfg:1:33: error:", "at least 8 characters");
    rejects("enable secret 5 letmein\n", "R9.cfg:1:17: error:", "no secret of type 5");
    rejects("enable secret 4 tnhtc92DXBhelxjYk8LWJrPV36S2i4ntXrpb4RFmfqY\n",
            "R9.cfg:1:15: error:", "0 (clear), 5, 8 or 9");
    rejects("enable password 9 x\n", "R9.cfg:1:17: error:", "0 (clear) or 7");
    rejects("username a secret 9 $9$x\n", "R9.cfg:1:21: error:", "no secret of type 9");
    rejects("line vty 0 4\n password 7 zz\n", "R9.cfg:2:11: error:", "no password of type 7");
}

/* An operator's comments stay above their lines; those whose line has gone are kept at the end. */
static void comments_are_kept(void **state)
{
    struct strbuf out = {0};
    (void)state;
    cli_keep_comments(
        &out,
        "!\nhostname B\n!\ninterface Tunnel0\n ip mtu 1400\n!\ninterface Tunnel1\n ip mtu "
        "1400\n!\nend\n",
        "! our router\n!\nhostname B\n! gone with its line\nip route 1.0.0.0 255.0.0.0 "
        "Null0\ninterface Tunnel0\n ip mtu 1500\n"
        "! to the branch\ninterface Tunnel1\n  ! not 1500\n ip mtu 1400\nend\n! last\n");
    assert_string_equal(out.s,
                        "!\n! our router\nhostname B\n!\ninterface Tunnel0\n ip mtu 1400\n!\n! to "
                        "the branch\ninterface Tunnel1\n"
                        "  ! not 1500\n ip mtu 1400\n!\n! gone with its line\n! last\nend\n");
    sb_free(&out);
}

static void keepalive(void **state)
{
    static const struct {
        const char *line, *saved;
        u16 s, retry;
        bool periodic;
    } rows[] = {
        {"crypto isakmp keepalive 10\n", "crypto isakmp keepalive 10\n", 10, 0, false},
        {"crypto isakmp keepalive 30 5 periodic\n", "crypto isakmp keepalive 30 5 periodic\n", 30,
         5, true},
        {"crypto isakmp keepalive 60 2 on-demand\n", "crypto isakmp keepalive 60\n", 60, 2, false},
        {"crypto isakmp keepalive 60 periodic\n", "crypto isakmp keepalive 60 periodic\n", 60, 0,
         true},
        {"crypto isakmp keepalive 60 3 periodic\nno crypto isakmp keepalive 60\n", NULL, 0, 0,
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct conf *c = load_text(rows[i].line);
        struct strbuf saved = {0};
        assert_int_equal(c->keepalive_s, rows[i].s);
        assert_int_equal(c->keepalive_retry_s, rows[i].retry);
        assert_int_equal(c->keepalive_periodic, rows[i].periodic);
        cli_running(&saved, c);
        assert_true(rows[i].saved ? strstr(saved.s, rows[i].saved) != NULL
                                  : strstr(saved.s, "keepalive") == NULL);
        sb_free(&saved);
        conf_free(c);
    }
}

static void count_weak(void *ctx, const struct conf_finding *f)
{
    int *n = ctx;
    n[f->weak ? 0 : 1]++;
}

static void weak_is_said_once(void **state)
{
    int n[2] = {0, 0};
    (void)state;
    struct conf *c =
        load_text("crypto isakmp policy 1\n hash md5\n authentication pre-share\n"
                  "crypto isakmp policy 2\n hash md5\n authentication pre-share\n"
                  "crypto ipsec transform-set T esp-des esp-md5-hmac\ncrypto map M 1 "
                  "ipsec-isakmp\n match address 100\n");
    conf_audit(c, count_weak, n);
    assert_int_equal(n[0], 3); /* DES, MD5, group 1: each once */
    assert_int_equal(n[1], 3); /* no peer, no transform set, no such list */
    conf_free(c);
}

struct wanted {
    const char *what;
    bool weak;
    unsigned times;
};

static void on_wanted(void *ctx, const struct conf_finding *f)
{
    struct wanted *w = ctx;
    if (f->weak == w->weak && (strstr(f->what, w->what) || strstr(f->text, w->what))) {
        w->times++;
    }
}

#define KEY20 "000102030405060708090a0b0c0d0e0f10111213"
#define MANUAL                                                                                     \
    "access-list 100 permit ip any host 1.1.1.1\ncrypto ipsec transform-set T ah-sha-hmac\n"        \
    "crypto map M 1 ipsec-manual\n set peer 1.1.1.1\n set session-key inbound ah 300 " KEY20         \
    "\n set transform-set T\n match address 100\n"

/* Each weak choice, and each thing that is missing, by name; and nothing is said where nothing is wrong. */
static void findings(void **state)
{
    static const struct {
        const char *text, *what;
        bool weak;
    } cases[] = {
        {"crypto ipsec transform-set T esp-aes esp-sha-hmac\ncrypto ipsec profile P\n set "
         "transform-set T\n set pfs group2\n",
         "group 2", true},
        {"crypto ipsec transform-set T esp-aes esp-sha-hmac\ncrypto ipsec profile P\n set "
         "transform-set T\n set pfs group5\n",
         "group 5", true},
        {"access-list 100 permit ip any any\ncrypto ipsec transform-set T esp-aes "
         "esp-sha-hmac\ncrypto map M 1 ipsec-isakmp\n set peer 1.1.1.1\n"
         " set transform-set T\n set pfs group1\n match address 100\n",
         "group 1", true},
        {"crypto isakmp policy 1\n encr des\n group 14\n", "DES", true},
        {"crypto isakmp policy 1\n encr aes\n hash md5\n group 14\n", "MD5", true},
        {"crypto ipsec transform-set T esp-des esp-sha-hmac\n", "DES", true},
        {"crypto ipsec transform-set T esp-aes esp-md5-hmac\n", "MD5", true},
        {"crypto ipsec profile P\n", "no transform set", false},
        {"crypto map M 1 ipsec-isakmp\n match address 100\n", "no peer", false},
        {"access-list 100 deny ip any any\ncrypto map M 1 ipsec-isakmp\n match address 100\n",
         "without a line that permits", false},
        {"crypto isakmp profile P\n ca trust-point NONE\n", "trustpoint NONE does not exist", false},
        {"router ospf 1\nrouter ospf 2\n", "router ospf 2", false},
        {"crypto isakmp client configuration group g\n pool P\n key k\n", "pool P does not exist", false},
        {"crypto isakmp client configuration group g\n key k\n", "no pool", false},
        {"crypto isakmp client configuration group g\n pool P\nip local pool P 10.0.0.1\n", "no key", false},
        {"crypto isakmp client configuration group g\n pool P\n key k\n", "aggressive mode", true},
        {"crypto isakmp client configuration group g\n acl 150\n", "access list 150 does not exist", false},
        {"crypto map M client authentication list L\n", "aaa authentication login L local", false},
        {"aaa authentication login L group radius\ncrypto map M client authentication list L\n", "asks no user", false},
        {"crypto isakmp profile P\n isakmp authorization list L\n", "aaa authorization network L local", false},
        {"crypto map M 10 ipsec-isakmp dynamic D\n", "dynamic map D does not exist", false},
        {"crypto dynamic-map D 10\n", "dynamic map D 10 has no transform set", false},
        {"crypto dynamic-map D 10\n match address 150\n", "of its interfaces is dropped", false},
        {"crypto map M client configuration address respond\n", "no `isakmp authorization list`", false},
        {MANUAL "crypto map M 2 ipsec-manual\n", "a manual key", true},
        {MANUAL, "has no outbound key", false},
        {MANUAL " set session-key outbound ah 300 " KEY20 "\n no set session-key inbound ah\n", "has no inbound key", false},
        {MANUAL " no set peer\n", "has no peer", false},
        {MANUAL " no set transform-set\n", "has no transform set", false},
        {MANUAL "crypto ipsec transform-set T esp-gcm\n", "counts its IVs", false},
        {MANUAL " set session-key outbound ah 300 " KEY20 "\naccess-list 100 permit ip any host 1.1.1.2\n",
         "what this one and those behind it permit is dropped", false},
        {MANUAL " no set peer\n set session-key outbound ah 300 " KEY20 "\n set peer 1.1.1.2\n"
         "crypto map M 2 ipsec-manual\n set session-key outbound ah 300 " KEY20 "\n set peer 1.1.1.2\n",
         "has SPI 300, which crypto map M 2 has, too", false},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct wanted w = {cases[i].what, cases[i].weak, 0};
        struct conf *c = load_text(cases[i].text);
        conf_audit(c, on_wanted, &w);
        if (!w.times) {
            fail_msg("nothing is said of %s in\n%s", cases[i].what, cases[i].text);
        }
        conf_free(c);
    }
    int n[2] = {0, 0};
    struct conf *c = load_text(
        "crypto isakmp policy 1\n encr aes\n hash sha256\n authentication pre-share\n group 14\n"
        "aaa authentication login L group radius local\naaa authorization network G local\n"
        "crypto map M client authentication list L\ncrypto map M isakmp authorization list G\n"
        "crypto map M client configuration address respond\n"
        "crypto ipsec transform-set T esp-gcm\ncrypto ipsec profile P\n set transform-set T\n set "
        "pfs group19\n");
    conf_audit(c, count_weak, n);
    assert_int_equal(n[0] + n[1], 0);
    conf_free(c);
}

#define SETS                                                                                       \
    "crypto ipsec transform-set D esp-3des esp-md5-hmac\n"                                         \
    "crypto ipsec transform-set G esp-gcm\ncrypto ipsec transform-set H ah-sha-hmac\n"             \
    "crypto ipsec transform-set N esp-aes esp-sha-hmac\n esn\n"                                    \
    "crypto map M 10 ipsec-manual\n"
#define HEX16 "000102030405060708090a0b0c0d0e0f"
#define HEX24 HEX16 "1011121314151617"

/* Keys by hand: what does not go together is refused by the line that says it, whichever comes last. */
static void manual_keys(void **state)
{
    static const struct {
        const char *lines, *where, *what;
    } cases[] = {
        {" set transform-set D\n set session-key inbound esp 300 cipher " HEX16 " authenticator " HEX16 "\n", ":8:41:",
         "the cipher key has 16 bytes; expected 24 (48 hexadecimal digits) for esp-3des"},
        {" set transform-set D\n set session-key inbound esp 300 cipher " HEX24 " authenticator 00112233\n", ":8:104:",
         "the authenticator key has 4 bytes; expected 16 (32 hexadecimal digits) for esp-md5-hmac"},
        {" set transform-set D\n set session-key outbound esp 300 cipher " HEX24 "\n", ":8:31:",
         "expected `authenticator` and a key of 16 bytes"},
        {" set transform-set D\n set session-key outbound ah 300 " HEX16 "\n", ":8:30:", "has no AH"},
        {" set transform-set H\n set session-key inbound ah 300 " HEX16 "\n", ":8:33:", "expected 20"},
        {" set session-key inbound ah 300 " HEX16 "\n set transform-set H\n", ":8:20:", "expected 20"},
        {" set session-key outbound esp 300 cipher " HEX16 "\n set transform-set D\n", ":8:20:", "expected"},
        {" set transform-set G\n", ":7:20:", "esp-gcm counts its IVs"},
        {" set transform-set N\n", ":7:20:", "`esn`"},
        {" set transform-set D H\n", ":7:22:", "one transform set"},
        {" set session-key inbound esp 300 cipher 00112\n", ":7:41:", "whole hexadecimal bytes"},
        {" set session-key inbound esp 300 cipher xyz\n", ":7:41:", "whole hexadecimal bytes"},
        {" set session-key inbound esp 255 cipher 0011\n", ":7:30:", ""},
        {" set session-key inbound esp 300 cipher 0011\ncrypto map M 20 ipsec-manual\n"
         " set session-key inbound esp 300 cipher 0011\n", ":9:30:", "crypto map M 10 has this SPI already"},
        {" set peer 1.1.1.1\n set peer 1.1.1.2\n", ":8:11:", "one peer"},
        {" set pfs group14\n", ":7:2:", "negotiates nothing"},
        {" set isakmp-profile P\n", ":7:2:", "negotiates nothing"},
        {" set security-association lifetime seconds 900\n", ":7:2:", "negotiates nothing"},
        {" set security-association replay disable\n", ":7:2:", "negotiates nothing"},
        {"crypto map M 10 ipsec-isakmp\n", ":7:14:", "this entry is ipsec-manual"},
        {"crypto map M 20 ipsec-isakmp\ncrypto map M 20 ipsec-manual\n", ":8:14:", "this entry is ipsec-isakmp"},
        {"crypto map M 20 ipsec-isakmp\n set session-key inbound ah 300 0011\n", ":8:6:", "IKE makes its keys"},
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        char text[1200];
        snprintf(text, sizeof text, SETS "%s", cases[i].lines);
        rejects(text, cases[i].where, cases[i].what);
    }
    /* outbound the SPI is the peer's: two peers may have chosen the same */
    conf_free(load_text(SETS " set peer 1.1.1.1\n set session-key outbound esp 300 cipher 0011\ncrypto map M 20 ipsec-manual\n"
                             " set peer 1.1.1.2\n set session-key outbound esp 300 cipher 0011\n"));
    /* a key that is longer than it must be is taken, as on IOS; `no` takes it away */
    struct conf *c = load_text(SETS " set transform-set H\n set session-key inbound ah 300 " HEX24 "\n");
    struct conf_map *m = conf_map_find(c, "M");
    struct conf_map_entry *e = CONTAINER_OF(m->entries.next, struct conf_map_entry, link);
    assert_int_equal(e->ah[CONF_IN].spi, 300);
    conf_free(c);
}

/* Manual keys are encrypted like pre-shared ones, each bound to its place. */
static void manual_keys_are_encrypted(void **state)
{
    static const char text[] = SETS " set transform-set D\n set session-key inbound esp 300 cipher " HEX24
                                    " authenticator " HEX16 "\n"
                                    "password encryption aes\nkey config-key password-encrypt longenough\n";
    (void)state;
    struct conf *c = load_text(text);
    struct strbuf out = {0};
    cli_running(&out, c);
    assert_null(strstr(out.s, HEX16));
    char *line = strstr(out.s, " set session-key inbound esp 300 cipher 6 adit.");
    assert_non_null(line);
    assert_non_null(strstr(line, " authenticator 6 adit."));
    struct conf *again = conf_new();
    struct strbuf errors = {0};
    password_master(&again->master, "longenough");
    assert_true(cli_load(again, "x", out.s, &errors));
    struct conf_map *m = conf_map_find(again, "M");
    struct conf_map_entry *e = CONTAINER_OF(m->entries.next, struct conf_map_entry, link);
    assert_string_equal(e->esp[CONF_IN].cipher, HEX24);
    assert_string_equal(e->esp[CONF_IN].auth, HEX16);
    conf_free(again);
    struct strbuf moved = {0}; /* the same text in another place */
    sb_addn(&moved, out.s, (size_t)(line - out.s));
    sb_addf(&moved, " set session-key outbound%s", line + strlen(" set session-key inbound"));
    again = conf_new();
    password_master(&again->master, "longenough");
    assert_false(cli_load(again, "x", moved.s, &errors));
    assert_non_null(strstr(errors.s, "encrypted under another master key or for another peer"));
    conf_free(again);
    sb_free(&moved);
    sb_free(&errors);
    sb_free(&out);
    conf_free(c);
}

/* What does not fit is refused by the line that is the first too many. */
static void what_fits(void **state)
{
    (void)state;
    struct conf *c = load_text(
        "access-list 100 remark not counted\naccess-list 100 permit ip any host 1.1.1.1\n"
        "access-list 100 deny ip any host 2.2.2.2\ncrypto map M 10 ipsec-isakmp\n match address "
        "100\ninterface FastEthernet0/0\n crypto map M\ninterface FastEthernet0/1\n crypto map "
        "M\n");
    struct conf_finding f;
    const struct conf_limits cases[] = {
        {2, 4, 1, 2, 4, 3}, {2, 3, 1, 2, 4, 3}, {1, 4, 1, 2, 4, 3},
        {2, 4, 1, 1, 4, 3}, {2, 4, 1, 2, 3, 3}, {2, 4, 1, 2, 4, 2}};
    const u32 line[] = {0, 3, 9, 2, 3, 2}; /* the list counts on each link */
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(conf_fits(c, &cases[i], &f), line[i] == 0);
        assert_int_equal(line[i] ? f.src.line : 0, line[i]);
    }
    conf_free(c);
}

/* Entries with manual keys have a limit of their own, for their SAs have. */
static void what_manual_fits(void **state)
{
    (void)state;
    struct conf *c = load_text("access-list 100 permit ip any host 1.1.1.1\naccess-list 100 permit ip any host 1.1.1.2\n"
                               "crypto map M 10 ipsec-manual\n match address 100\ncrypto map M 20 ipsec-isakmp\n"
                               " match address 100\ninterface FastEthernet0/0\n crypto map M\n");
    struct conf_finding f;
    struct conf_limits most = {.links = 1, .lines = 4, .flows = 4, .covered = 4, .masks = 3, .manual = 2};
    assert_true(conf_fits(c, &most, &f));
    most.manual = 1;
    assert_false(conf_fits(c, &most, &f));
    assert_int_equal(f.src.line, 2);
    assert_non_null(strstr(f.text, "1 lines that permit in entries with manual keys"));
    conf_free(c);
}

/* Tunnels, too: one with a number that has no place, and one whose protection leaves no place for a line. */
static void what_tunnels_fit(void **state)
{
    (void)state;
    struct conf *c = load_text(
        "crypto ipsec profile P\naccess-list 100 permit ip any host 1.1.1.1\naccess-list 100 "
        "permit ip any host 1.1.1.2\n"
        "crypto map M 10 ipsec-isakmp\n match address 100\ninterface FastEthernet0/0\n crypto map "
        "M\ninterface Tunnel0\ninterface Tunnel63\n tunnel protection ipsec profile P\n");
    struct conf_finding f;
    const struct conf_limits cases[] = {{1, 2, 64, 3, 2, 3}, {1, 2, 63, 3, 2, 3}, {1, 2, 64, 2, 2, 3}};
    const u32 line[] = {0, 9, 3};
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(conf_fits(c, &cases[i], &f), line[i] == 0);
        assert_int_equal(line[i] ? f.src.line : 0, line[i]);
    }
    conf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(seed_model),
                                       cmocka_unit_test(errors_say_where),
                                       cmocka_unit_test(all_errors_are_named),
                                       cmocka_unit_test(a_global_line_leaves_the_submode),
                                       cmocka_unit_test(numbers_and_lists),
                                       cmocka_unit_test(fuzzer_found),
                                       cmocka_unit_test(secrets_are_hidden),
                                       cmocka_unit_test(secrets_that_cannot_be_read),
                                       cmocka_unit_test(passwords_like_types),
                                       cmocka_unit_test(comments_are_kept),
                                       cmocka_unit_test(keepalive),
                                       cmocka_unit_test(weak_is_said_once),
                                       cmocka_unit_test(findings),
                                       cmocka_unit_test(manual_keys),
                                       cmocka_unit_test(manual_keys_are_encrypted),
                                       cmocka_unit_test(what_fits),
                                       cmocka_unit_test(what_manual_fits),
                                       cmocka_unit_test(what_tunnels_fit)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
