/*
 * running_pki.c: trustpoints and their certificates as an IOS configuration. Reading it again gives the same model; private keys are
 * not part of it.
 */
#include "cli/cli_int.h"

void cli_der(struct strbuf *out, const u8 *der, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sb_addf(out, "%s%02X%s", i % 32 == 0 ? "  " : "", der[i],
                i % 32 == 31 || i + 1 == len ? " \n"
                : i % 4 == 3                 ? " "
                                             : "");
    }
}

static void running_trustpoint(struct strbuf *o, const struct conf_trustpoint *t)
{
    static const char *const methods[] = {
        [CONF_REV_CRL] = "crl", [CONF_REV_OCSP] = "ocsp", [CONF_REV_NONE] = "none"};
    char a[ADDR_STR];
    sb_addf(o, "crypto pki trustpoint %s\n", t->name);
    if (t->enroll == CONF_ENROLL_TERMINAL) {
        sb_addf(o, " enrollment terminal%s\n", t->enroll_pem ? " pem" : "");
    } else if (t->enroll == CONF_ENROLL_URL) {
        sb_addf(o, " enrollment url %s%s\n", t->enroll_url, t->enroll_pem ? " pem" : "");
    }
    CONF_FOR(struct conf_kept, k, &t->kept)
    {
        sb_addf(o, " %s\n", k->text);
    }
    if (t->fqdn[0]) {
        sb_addf(o, " fqdn %s\n", t->fqdn);
    }
    if (t->ip.family) {
        sb_addf(o, " ip-address %s\n", addr_str(a, &t->ip));
    }
    if (t->subject[0]) {
        sb_addf(o, " subject-name %s\n", t->subject);
    }
    if (t->ocsp_url[0]) {
        sb_addf(o, " ocsp url %s\n", t->ocsp_url);
    }
    if (t->crl_url[0]) {
        sb_addf(o, " crl query %s\n", t->crl_url);
    }
    sb_add(o, " revocation-check");
    for (unsigned i = 0; i < t->num_revocation; i++) {
        sb_addf(o, " %s", methods[t->revocation[i]]);
    }
    sb_add(o, "\n");
    if (t->keypair[0]) {
        sb_addf(o, " %skeypair %s", t->keypair_ec ? "ec" : "rsa", t->keypair);
        if (t->keypair_bits) {
            sb_addf(o, " %u", t->keypair_bits);
        }
        sb_add(o, "\n");
    }
    sb_add(o, "!\n");
}

void cli_running_pki(struct strbuf *o, const struct conf *c)
{
    CONF_FOR(struct conf_trustpoint, t, &c->trustpoints)
    {
        running_trustpoint(o, t);
    }
    CONF_FOR(struct conf_trustpoint, n, &c->trustpoints)
    {
        if (list_empty(&n->certs)) {
            continue;
        }
        sb_addf(o, "crypto pki certificate chain %s\n", n->name);
        CONF_FOR(struct conf_cert, x, &n->certs)
        {
            sb_addf(o, " certificate %s%s%s\n", x->ca ? "ca " : "",
                    strcmp(x->serial, "CA") == 0 ? "00" : "", /* the word has a meaning there */
                    x->serial);
            cli_der(o, x->der.p, x->der.len);
            sb_add(o, "  quit\n");
        }
        sb_add(o, "!\n");
    }
}
