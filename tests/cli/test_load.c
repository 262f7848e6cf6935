/*
 * Reading configurations: the seeds' ones verbatim, print and load again, and errors that say where and what.
 */
#include "cli/cli.h"

#include <glob.h>
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

static void round_trip(void **state)
{
    char pattern[512];
    glob_t g = {0};
    (void)state;
    snprintf(pattern, sizeof pattern, "%s/examples/*/*.cfg", getenv("ADIT_SRC"));
    assert_int_equal(glob(pattern, 0, NULL, &g), 0);
    assert_true(g.gl_pathc >= 9);
    for (size_t i = 0; i < g.gl_pathc; i++) {
        char *text = cli_read_file(g.gl_pathv[i]);
        struct conf *a = load_text(text), *b;
        struct strbuf once = {0}, twice = {0};
        cli_running(&once, a);
        b = load_text(once.s);
        cli_running(&twice, b);
        assert_string_equal(once.s, twice.s);
        sb_free(&once);
        sb_free(&twice);
        conf_free(a);
        conf_free(b);
        free(text);
    }
    globfree(&g);
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
    rejects("ipv6 route 2001:db8::/32 2001:db8::1\n",
            "R9.cfg:1:1: error:", "IPv6 routing not enabled");
    rejects("access-list 100 permit ip 10.0.0.0 0.255.0.255 any\n", "R9.cfg:1:36: error:", "holes");
    rejects("crypto ipsec transform-set T esp-aes esp-3des\n",
            "R9.cfg:1:38: error:", "one ESP cipher");
    rejects("crypto ipsec transform-set T esp-gcm esp-sha-hmac\n",
            "R9.cfg:1:28: error:", "AES-GCM authenticates itself");
    rejects("crypto isakmp key 6 AbCd address 1.2.3.4\n", "R9.cfg:1:19: error:", "encrypted");
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
        load_text("crypto isakmp policy 1\n hash md5\ncrypto isakmp policy 2\n hash md5\n"
                  "crypto ipsec transform-set T esp-des esp-md5-hmac\ncrypto map M 1 "
                  "ipsec-isakmp\n match address 100\n");
    conf_audit(c, count_weak, n);
    assert_int_equal(n[0], 3); /* DES, MD5, group 1: each once */
    assert_int_equal(n[1], 3); /* no peer, no transform set, no such list */
    conf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trip),
                                       cmocka_unit_test(seed_model),
                                       cmocka_unit_test(errors_say_where),
                                       cmocka_unit_test(all_errors_are_named),
                                       cmocka_unit_test(a_global_line_leaves_the_submode),
                                       cmocka_unit_test(numbers_and_lists),
                                       cmocka_unit_test(fuzzer_found),
                                       cmocka_unit_test(keepalive),
                                       cmocka_unit_test(weak_is_said_once)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
