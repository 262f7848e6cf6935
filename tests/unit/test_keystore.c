/*
 * test_keystore.c: private keys in the state directory (src/sys/keystore.c): what is kept is read again, this router's alone; what goes
 * from the model goes from the disk; a pair that a file asks for is made once. And trustpoints as a plan's values and records.
 */
#include "../lib/certs.h"
#include "sys/plan_int.h"
#include "sys/router_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/adit-keys-XXXXXX";
static struct router_options opt = {.state_dir = folder};

static void on_event(void *ctx, const struct ev_rec *rec)
{
    (void)rec;
    ++*(unsigned *)ctx;
}

static struct router *router_of(unsigned *said)
{
    struct router *r = xcalloc(1, sizeof *r);
    r->opt = &opt;
    r->env = env_real();
    r->conf = conf_new();
    evlog_init(&r->log, &r->env, EVS_MAIN, said, on_event);
    r->log.mask = EVC_LOG;
    return r;
}

static void router_end(struct router *r)
{
    conf_free(r->conf);
    free(r);
}

static void kept(void **state)
{
    (void)state;
    unsigned said = 0;
    char path[64];
    struct stat st;
    u8 der[PKI_DER_MAX], first[64];
    struct router *r = router_of(&said);
    struct pki_key *k = pki_key_make(PKI_EC256, 0);
    size_t n = pki_key_save(k, der, sizeof der);
    conf_keypair_put(r->conf, "R1.example", true, 256, der, n)->exportable = true;
    conf_keypair_put(r->conf, "WANTED", true, 384, NULL, 0);
    snprintf(path, sizeof path, "%s/private-keys", folder);
    assert_true(keystore_keep(r));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct conf *again = conf_new();
    keystore_read(r, again);
    const struct conf_keypair *one = conf_keypair_find(again, "R1.example"),
                              *made = conf_keypair_find(again, "WANTED");
    assert_true(one && one->ec && one->exportable && one->bits == 256 && one->len == n);
    assert_true(one->made_s > 1700000000);
    assert_memory_equal(one->der, der, n);
    assert_true(made && made->der && made->ec && made->bits == 384 && !made->exportable);
    u64 made_s = one->made_s; /* the same key again is no new one */
    assert_int_equal(conf_keypair_put(again, "R1.example", true, 256, der, n)->made_s, made_s);
    /* asked for again by the file: the one that is there stays */
    memcpy(first, made->der, sizeof first);
    conf_free(r->conf);
    r->conf = again;
    struct strbuf errors = {0};
    assert_true(cli_load(again, "", "crypto key generate ec keysize 384 label WANTED\n", &errors));
    assert_true(keystore_keep(r));
    assert_memory_equal(conf_keypair_find(r->conf, "WANTED")->der, first, sizeof first);
    /* one that goes is gone, and with the last one the file */
    conf_keypair_remove(conf_keypair_find(r->conf, "WANTED"));
    assert_true(keystore_keep(r));
    again = conf_new();
    keystore_read(r, again);
    assert_null(conf_keypair_find(again, "WANTED"));
    conf_free(again);
    conf_keypair_remove(conf_keypair_find(r->conf, "R1.example"));
    assert_true(keystore_keep(r));
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(said, 0);
    pki_key_free(k);
    router_end(r);
}

/* What cannot be kept is said; lines that are no keys are passed over. */
static void cannot(void **state)
{
    (void)state;
    unsigned said = 0;
    struct router *r = router_of(&said);
    char path[64];
    snprintf(path, sizeof path, "%s/private-keys", folder);
    FILE *f = fopen(path, "w");
    fputs("nonsense\nec 256 1 yes NAME 3000\nec 256 1 yes NAME\n\n", f);
    fclose(f);
    keystore_read(r, r->conf);
    assert_true(list_empty(&r->conf->keypairs));
    assert_int_equal(unlink(path), 0);
    struct router_options nowhere = {.state_dir = "/nonexistent/adit"};
    r->opt = &nowhere;
    conf_keypair_put(r->conf, "X", true, 256, NULL, 0);
    assert_false(keystore_keep(r));
    assert_int_equal(said, 1);
    router_end(r);
}

/* ---- the plan ---- */

static void planned(void **state)
{
    (void)state;
    struct conf *c = conf_new();
    struct made *ca =
        made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "ca", .ca = true}, NULL);
    struct made *own = made_new(&(struct cert_spec){.kind = PKI_EC256, .cn = "R1"}, ca);
    (void)conf_trustpoint_get(c, "NONE", conf_src(c, "", 0));
    struct conf_trustpoint *t = conf_trustpoint_get(c, "T", conf_src(c, "", 0));
    conf_cert_put(c, t, false, "03", ca->der, ca->len, t->src); /* an older one of ours goes */
    conf_cert_put(c, t, false, "02", own->der, own->len,
                  t->src); /* ours first, and still behind the CA's */
    conf_cert_put(c, t, true, "01", ca->der, ca->len, t->src);
    conf_crl_put(c, t, (const u8 *)"crl", 3, t->src);
    str_copy(t->keypair, sizeof t->keypair, "K");
    conf_keypair_put(c, "K", true, 256, own->secret, own->secret_len);
    t->revocation[1] = CONF_REV_NONE;
    t->num_revocation = 2;
    struct plan p;
    plan_init(&p);
    struct planner k = {.p = &p, .c = c};
    planner_pki(&k);
    assert_int_equal(p.ike.num, 2);
    const struct ike_msg *m = plan_item(&p.ike, 1);
    assert_int_equal(m->type, IKE_CFG_TRUST);
    assert_string_equal(m->u.trust.name, "T");
    assert_true(m->u.trust.number == 1 && m->u.trust.crl && m->u.trust.none && !m->u.trust.ocsp);
    static const u16 order[] = {PKI_CA, PKI_OWN, PKI_CRL, PKI_KEY};
    const u8 *want[] = {ca->der, own->der, (const u8 *)"crl", own->secret};
    size_t len[] = {ca->len, own->len, 3, own->secret_len};
    struct rd r = rd_init(p.parts.items, p.parts.num);
    for (unsigned i = 0; i < ARRAY_LEN(order); i++) {
        assert_int_equal(rd_u16(&r), 1);
        assert_int_equal(rd_u16(&r), order[i]);
        assert_int_equal(rd_u32(&r), len[i]);
        const u8 *der = rd_bytes(&r, len[i]);
        assert_non_null(der);
        assert_memory_equal(der, want[i], len[i]);
    }
    assert_true(rd_done(&r));
    plan_free(&p);
    made_free(ca);
    made_free(own);
    conf_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kept), cmocka_unit_test(cannot),
                                       cmocka_unit_test(planned)};
    if (!mkdtemp(folder)) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    cli_grammar_release();
    (void)rmdir(folder);
    return failed;
}
