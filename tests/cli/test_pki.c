/*
 * Certificates and keys at the console and in files: what is pasted and what stands in files becomes the model, what is wrong is
 * refused with its reason, `show` prints it as IOS does (tests/cli/golden/pki_*.txt), and private keys stand in no text.
 */
#include "cli/cli.h"
#include "../lib/certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct fake {
    struct conf *c;
    struct cli_host host;
    struct session *s;
    struct strbuf out;
    int status;
    char folder[64];
    struct made *ca, *own;
};

static struct conf *f_conf(void *ctx)
{
    return ((struct fake *)ctx)->c;
}
static void f_nothing(void *ctx)
{
    (void)ctx;
}
static void f_configured(void *ctx, const char *from, const char *who)
{
    (void)ctx, (void)from, (void)who;
}
static void f_out(void *ctx, const char *text)
{
    sb_add(&((struct fake *)ctx)->out, text);
}
static void f_done(void *ctx, int status)
{
    ((struct fake *)ctx)->status = status;
}

static int setup(void **state)
{
    struct fake *f = xcalloc(1, sizeof *f);
    f->c = conf_new();
    f->host = (struct cli_host){.ctx = f,
                                .conf = f_conf,
                                .apply = f_nothing,
                                .unfinished = f_nothing,
                                .configured = f_configured};
    f->s = session_new(&f->host, f, true, f_out, f_done);
    f->ca = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "ca", .ca = true, .serial = 0xca},
                     NULL);
    f->own = made_new(
        &(struct cert_spec){.kind = PKI_EC256, .cn = "R1", .san = "DNS:r1.example", .serial = 9},
        f->ca);
    str_copy(f->folder, sizeof f->folder, "/tmp/adit-pki-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    str_copy(f->c->folder, sizeof f->c->folder, f->folder);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fake *f = *state;
    char cmd[128];
    snprintf(cmd, sizeof cmd, "rm -r %s", f->folder);
    assert_int_equal(system(cmd), 0);
    session_free(f->s);
    conf_free(f->c);
    made_free(f->ca);
    made_free(f->own);
    sb_free(&f->out);
    free(f);
    return 0;
}

/* type: lines, each as a console sends it; returns the status of the last. */
static int type(struct fake *f, const char *lines)
{
    char *copy = xstrdup(lines), *rest = copy, *line;
    while ((line = strsep(&rest, "\n"))) {
        if (rest || *line) {
            session_line(f->s, line);
        }
    }
    free(copy);
    return f->status;
}

static void forget_out(struct fake *f)
{
    sb_free(&f->out);
}

static bool said(struct fake *f, const char *text)
{
    return f->out.s && strstr(f->out.s, text);
}

static void file(struct fake *f, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    FILE *o = fopen(path, "w");
    assert_true(o && fputs(text, o) >= 0);
    fclose(o);
}

static char *running(const struct conf *c)
{
    struct strbuf out = {0};
    cli_running(&out, c);
    return out.s;
}

/* reads_again: what is printed is read, and prints the same; it holds no private key. */
static void reads_again(const struct conf *c)
{
    char *once = running(c);
    struct conf *again = conf_new();
    struct strbuf errors = {0};
    str_copy(again->folder, sizeof again->folder, c->folder);
    if (!cli_load(again, "again", once, &errors)) {
        fail_msg("%s", errors.s);
    }
    char *twice = running(again);
    assert_string_equal(once, twice);
    assert_null(strstr(once, "PRIVATE"));
    CONF_FOR(struct conf_keypair, k, &c->keypairs)
    {
        char hex[65];
        hex_str(hex, sizeof hex, k->der + k->len / 2, 16);
        assert_null(strcasestr(once, hex));
    }
    free(once);
    free(twice);
    conf_free(again);
    sb_free(&errors);
}

static void authenticate_at_the_console(void **state)
{
    struct fake *f = *state;
    char *pem = made_text(f->ca, false);
    assert_int_equal(
        type(f, "configure terminal\ncrypto ca trustpoint T\n enrollment terminal\nexit\n"),
        CLI_OK);
    assert_int_equal(type(f, "crypto ca authenticate T\n"), CLI_OK);
    assert_true(said(
        f,
        "Enter the base 64 encoded CA certificate.\nEnd with a blank line or the word \"quit\""));
    assert_true(session_pasting(f->s));
    assert_string_equal(session_prompt(f->s), "");
    type(f, pem);
    assert_int_equal(type(f, "quit\n"), CLI_OK);
    assert_true(said(f, "Fingerprint MD5: ") &&
                said(f, "% Do you accept this certificate? [yes/no]: "));
    type(f, "no\n");
    assert_true(said(f, "% Certificate not accepted") && !session_pasting(f->s));
    assert_true(list_empty(&conf_trustpoint_find(f->c, "T")->certs));
    type(f, "crypto pki authenticate T\n");
    type(f, pem);
    type(f, "\n"); /* a blank line ends it, too */
    assert_int_equal(type(f, "yes\n"), CLI_OK);
    assert_true(said(f, "Trustpoint CA certificate accepted."));
    assert_string_equal(session_prompt(f->s), "Router(config)#");
    assert_false(list_empty(&conf_trustpoint_find(f->c, "T")->certs));
    /* what is no CA's is not trusted, and nothing of it is taken for a command */
    char *wrong = made_text(f->own, false);
    type(f, "crypto pki authenticate T\nhostname PASTED\n");
    type(f, wrong);
    assert_int_equal(type(f, "quit\n"), CLI_ERROR);
    assert_true(said(f, "this is not the certificate of a CA"));
    assert_string_equal(f->c->hostname, "Router");
    reads_again(f->c);
    free(wrong);
    free(pem);
}

static void key_request_certificate(void **state)
{
    struct fake *f = *state;
    type(f, "configure terminal\nip domain-name example.org\nhostname R1\ncrypto pki trustpoint "
            "T\n enrollment terminal\n "
            "subject-name cn=R1,o=Example\n eckeypair MINE\nexit\n");
    assert_int_equal(type(f, "crypto pki enroll T\n"), CLI_ERROR);
    assert_true(said(f, "the trustpoint has no key pair"));
    assert_int_equal(type(f, "crypto key generate ec keysize 384 label MINE\n"), CLI_OK);
    assert_true(said(f, "The name for the keys will be: MINE\n") &&
                said(f, "keys will be non-exportable...[OK]"));
    assert_int_equal(type(f, "crypto pki enroll T\n"), CLI_OK);
    assert_true(said(f, "-----BEGIN CERTIFICATE REQUEST-----\n") &&
                said(f, "in the certificate will be: R1.example.org\n"));
    forget_out(f);
    type(f, "do show crypto key mypubkey ec\n");
    assert_true(said(f, "Key name: MINE\n") &&
                said(f, " Key is not exportable.\n Key Data:\n  3076"));
    forget_out(f);
    type(f, "do show crypto key mypubkey rsa\n");
    assert_null(f->out.s);
    type(f, "do show crypto pki trustpoints status\n");
    assert_true(said(f, "    Keys generated ............. Yes (General Purpose, non-exportable)\n  "
                        "  Issuing CA authenticated ....... No\n"));
    assert_int_equal(type(f, "crypto key generate rsa modulus 768\n"), CLI_ERROR);
    assert_true(said(f, "at least 1024 bits"));
    assert_int_equal(type(f, "crypto key generate rsa general-keys modulus 1024\n"), CLI_OK);
    assert_non_null(conf_keypair_find(f->c, "R1.example.org"));
    reads_again(f->c);
    type(f, "crypto key zeroize ec\n");
    assert_null(conf_keypair_find(f->c, "MINE"));
    assert_non_null(conf_keypair_find(f->c, "R1.example.org"));
}

static void from_files(void **state)
{
    struct fake *f = *state;
    char *ca = made_text(f->ca, false), *own = made_text(f->own, true);
    struct strbuf all = {0}, errors = {0};
    sb_addf(&all, "%s%s", own, ca);
    file(f, "r1.pem", all.s);
    file(f, "ca.pem", ca);
    size_t n;
    u8 *crl = made_crl(f->ca, 0, -1, 5, &n);
    sb_free(&all);
    pki_pem(&all, "X509 CRL", crl, n);
    file(f, "ca.crl", all.s);
    assert_true(cli_load(f->c, "R1.cfg",
                         "crypto pki trustpoint A\n crl query file:ca.crl\n revocation-check "
                         "crl\n!\ncrypto pki import A pem url "
                         "file:r1.pem\ncrypto pki trustpoint B\n enrollment url "
                         "file:ca.pem\nexit\ncrypto pki authenticate B\n"
                         "crypto key import ec K pem url file:r1.pem\ncrypto key generate rsa "
                         "label LATER modulus 1024\n",
                         &errors));
    const struct conf_trustpoint *a = conf_trustpoint_find(f->c, "A"),
                                 *b = conf_trustpoint_find(f->c, "B");
    const struct conf_keypair *k = conf_trustpoint_key(f->c, a);
    assert_true(a && b && k && k->der && k->ec);
    assert_non_null(conf_trustpoint_own(a));
    assert_null(conf_trustpoint_own(b));
    assert_false(list_empty(&a->crls) || list_empty(&b->certs));
    assert_non_null(conf_keypair_find(f->c, "K")->der);
    assert_null(conf_keypair_find(f->c, "LATER")->der); /* the router makes it, once */
    struct pki_key *key = pki_key_open(k->der, k->len);
    assert_true(key && pki_key_of(key, f->own->der, f->own->len));
    pki_key_free(key);
    conf_keypair_remove(conf_keypair_find(f->c, "LATER"));
    reads_again(f->c);
    sb_free(&all);
    free(crl);
    free(ca);
    free(own);
}

/* pasted: the three blocks that IOS asks for, in a file. */
static void pasted_pem(void **state)
{
    struct fake *f = *state;
    char *ca = made_text(f->ca, false), *own = made_text(f->own, true);
    struct strbuf all = {0}, errors = {0};
    char *key = strstr(own, "-----BEGIN PRIVATE");
    assert_non_null(key);
    sb_addf(&all,
            "crypto pki import T pem terminal\n%squit\n\n%squit\n%.*squit\ncrypto pki certificate "
            "chain T\n",
            ca, key, (int)(key - own), own);
    assert_true(cli_load(f->c, "R1.cfg", all.s, &errors));
    assert_non_null(conf_trustpoint_own(conf_trustpoint_find(f->c, "T")));
    assert_non_null(conf_keypair_find(f->c, "T"));
    assert_true(conf_trustpoint_find(f->c, "T")->keypair_ec);
    reads_again(f->c);
    /* at a console: no line of it is remembered */
    type(f, "configure terminal\n");
    type(f, all.s);
    type(f, "end\n");
    forget_out(f);
    type(f, "show history\n");
    assert_true(!said(f, "BEGIN") && !said(f, "quit") && !said(f, "pem") &&
                said(f, "certificate chain T"));
    sb_free(&all);
    free(ca);
    free(own);
}

static void refused(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"crypto isakmp policy 10\n authentication rsa-encr\n", "CVE-2018-0131"},
        {"crypto pki trustpoint T\n enrollment url http://ca/\n", "adit speaks no SCEP"},
        {"crypto pki trustpoint T\n revocation-check none crl\n", "`none` last"},
        {"crypto pki trustpoint T\n revocation-check crl crl\n", "each method stands once"},
        {"crypto pki trustpoint T\n crl query file:none.crl\n", "No such file"},
        {"crypto pki trustpoint T\n crl query file:/dev/zero\n", "no plain file"},
        {"crypto pki trustpoint T\n crl query file:words\n", "holds no CRL"},
        {"crypto pki certificate chain NONE\n", "there is no such trustpoint"},
        {"crypto pki authenticate NONE\n", "there is no such trustpoint"},
        {"crypto pki trustpoint T\nexit\ncrypto pki authenticate T\n", "say `enrollment terminal`"},
        {"crypto pki trustpoint T\n!\ncrypto pki certificate chain T\n certificate ca 01\n  "
         "3082zz\n  quit\n",
         "hexadecimal"},
        {"crypto pki trustpoint T\n!\ncrypto pki certificate chain T\n certificate ca 01\n  3082\n "
         " quit\n",
         "this is no certificate"},
        {"crypto pki trustpoint T\n!\ncrypto pki certificate chain T\n certificate ca 01\n  "
         "3082\nend\n",
         "expected `quit`"},
        {"crypto pki import T pem url file:words\n", "no certificate of the router"},
        {"crypto pki trustpoint T\n enrollment url file:own.pem\nexit\ncrypto pki authenticate T\n",
         "not the certificate of a CA"},
        {"crypto key import rsa K pem url file:words\n", "no private key"},
        {"crypto key import rsa K pem url http://x\n", "expected file:NAME"},
        {"crypto pki enroll T\n", "no such trustpoint"},
    };
    struct fake *f = *state;
    char *own = made_text(f->own, false);
    file(f, "words", "nothing but words\n");
    file(f, "own.pem", own);
    free(own);
    for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
        struct conf *c = conf_new();
        struct strbuf errors = {0};
        str_copy(c->folder, sizeof c->folder, f->folder);
        if (cli_load(c, "R1.cfg", cases[i].text, &errors) || !strstr(errors.s, cases[i].why)) {
            fail_msg("%s: %s", cases[i].text, errors.s ? errors.s : "taken");
        }
        assert_null(conf_trustpoint_find(c, "T") &&
                            !list_empty(&conf_trustpoint_find(c, "T")->certs)
                        ? "a certificate was taken"
                        : NULL);
        if (strstr(cases[i].text, "import T")) {
            assert_null(conf_trustpoint_find(c, "T")); /* nothing is left of it */
        }
        conf_free(c);
        sb_free(&errors);
    }
}

static void on_finding(void *ctx, const struct conf_finding *f)
{
    sb_addf(ctx, "%s %s\n", f->what, f->text);
}

/* What keeps a policy with signatures from working is said of the whole model. */
static void findings(void **state)
{
    struct fake *f = *state;
    struct strbuf said = {0}, errors = {0}, all = {0};
    char *ca = made_text(f->ca, false), *own = made_text(f->own, true);
    sb_addf(&all, "%s%s", own, ca);
    file(f, "r1.pem", all.s);
    assert_true(cli_load(
        f->c, "R1.cfg",
        "crypto isakmp policy 10\n authentication ecdsa-sig\ncrypto isakmp policy 20\n", &errors));
    conf_audit(f->c, on_finding, &said);
    assert_non_null(strstr(said.s, "crypto isakmp policy 10 authenticates with ECDSA, and no "
                                   "trustpoint has a certificate with its EC key\n"));
    assert_non_null(strstr(said.s, "crypto isakmp policy 20 authenticates with RSA, and no "
                                   "trustpoint has a certificate with its RSA key\n"));
    sb_free(&said);
    assert_true(cli_load(f->c, "R1.cfg", "crypto isakmp policy 20\n authentication hybrid-rsa\n", &errors));
    conf_audit(f->c, on_finding, &said);
    assert_non_null(strstr(said.s, "crypto isakmp policy 20 authenticates with RSA, and no trustpoint"));
    assert_non_null(strstr(said.s, "crypto isakmp policy 20 takes hybrid authentication, and no crypto map and no isakmp profile has a"));
    assert_non_null(strstr(said.s, "authentication hybrid-rsa rsa-sig: machines without a certificate get to the question for a user"));
    sb_free(&said);
    for (unsigned i = 0; i < 2; i++) { /* somebody asks for users */
        assert_true(cli_load(f->c, "R1.cfg", i ? "crypto map M client authentication list L\n" : "crypto isakmp profile P\n client authentication list L\n", &errors));
        conf_audit(f->c, on_finding, &said);
        assert_null(strstr(said.s, "nobody gets in by it"));
        sb_free(&said);
        assert_true(cli_load(f->c, "R1.cfg", i ? "no crypto map M client authentication list L\n" : "no crypto isakmp profile P\n", &errors));
    }
    assert_true(cli_load(f->c, "R1.cfg", "crypto isakmp policy 20\n authentication rsa-sig\n", &errors));
    assert_true(cli_load(f->c, "R1.cfg", "crypto pki import T pem url file:r1.pem\n", &errors));
    conf_audit(f->c, on_finding, &said);
    assert_null(strstr(said.s, "policy 10 auth"));
    assert_non_null(strstr(said.s, "trustpoint T wants a CRL and has none"));
    sb_free(&said);
    conf_keypair_remove(conf_keypair_find(f->c, "T"));
    assert_true(
        cli_load(f->c, "R1.cfg", "crypto pki trustpoint T\n revocation-check none\n", &errors));
    conf_audit(f->c, on_finding, &said);
    assert_non_null(
        strstr(said.s, "trustpoint T has a certificate, and its key pair is not there\n"));
    assert_null(strstr(said.s, "wants a CRL"));
    sb_free(&said);
    sb_free(&all);
    free(ca);
    free(own);
}

/* ---- golden texts ---- */

static void golden(void **state)
{
    static const struct {
        const char *line, *file;
    } shows[] = {{"show crypto pki certificates", "pki_certificates.txt"},
                 {"show crypto pki certificates verbose CORP", "pki_verbose.txt"},
                 {"show crypto ca trustpoints", "pki_trustpoints.txt"},
                 {"show crypto pki trustpoints status", "pki_status.txt"}};
    struct fake *f = *state;
    struct strbuf errors = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/tests/cli/golden/running.cfg", getenv("ADIT_SRC"));
    char *text = cli_read_file(path);
    conf_free(f->c);
    f->c = conf_new();
    assert_true(cli_load(f->c, "running.cfg", text, &errors));
    free(text);
    for (unsigned i = 0; i < ARRAY_LEN(shows); i++) {
        forget_out(f);
        type(f, shows[i].line);
        snprintf(path, sizeof path, "%s/tests/cli/golden/%s", getenv("ADIT_SRC"), shows[i].file);
        char *want = cli_read_file(path);
        assert_non_null(want);
        assert_string_equal(f->out.s, want);
        free(want);
    }
    f->c->dialect_15 = false;
    forget_out(f);
    type(f, "show crypto pki certificates");
    assert_true(said(f, "  Certificate Serial Number: 0x1A2B\n") &&
                said(f, "  Certificate Serial Number: 0x7\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(authenticate_at_the_console, setup, teardown),
        cmocka_unit_test_setup_teardown(key_request_certificate, setup, teardown),
        cmocka_unit_test_setup_teardown(from_files, setup, teardown),
        cmocka_unit_test_setup_teardown(pasted_pem, setup, teardown),
        cmocka_unit_test_setup_teardown(refused, setup, teardown),
        cmocka_unit_test_setup_teardown(findings, setup, teardown),
        cmocka_unit_test_setup_teardown(golden, setup, teardown)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    return failed;
}
