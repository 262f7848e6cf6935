/*
 * render_pki.c: `show crypto pki certificates`, `trustpoints` and `show crypto key mypubkey`, as IOS 12.4 prints them (15.x where the
 * model asks for it).
 */
#include "cli/cli_int.h"

#include "pki/pki.h"

static void serial(struct strbuf *o, const struct conf *c, const char *lead, const char *hex)
{
    const char *p = hex + (strlen(hex) > 2 && hex[0] == '0' && !c->dialect_15);
    p += !c->dialect_15 && strlen(p) == 2 && p[0] == '0';
    sb_addf(o, c->dialect_15 ? "%sSerial Number (hex): %s\n" : "%sSerial Number: 0x%s\n", lead, p);
}

/* name: each attribute on a line of its own. */
static void name(struct strbuf *o, const char *dn)
{
    while (*dn) {
        size_t n = strcspn(dn, ",");
        sb_addf(o, "    %.*s\n", (int)n, dn);
        dn += n + (dn[n] == ',');
    }
}

static void fingerprint(struct strbuf *o, const char *lead, const u8 *p, size_t len)
{
    sb_add(o, lead);
    for (size_t i = 0; i < len; i++) {
        sb_addf(o, "%02X%s", p[i], i % 4 == 3 ? " " : "");
    }
    sb_add(o, "\n");
}

static void certificate(struct strbuf *o, const struct conf *c, const struct conf_trustpoint *t,
                        const struct conf_cert *x, bool verbose)
{
    struct pki_facts f;
    char when[PKI_TIME];
    if (!pki_facts(&f, x->der.p, x->der.len)) {
        return; /* it was one when it was read */
    }
    sb_addf(o, "%s\n  Status: Available\n", x->ca ? "CA Certificate" : "Certificate");
    if (verbose) {
        sb_add(o, "  Version: 3\n");
    }
    serial(o, c, "  Certificate ", f.serial);
    sb_addf(o, "  Certificate Usage: %s\n",
            f.signs && f.enciphers ? "General Purpose"
            : f.signs              ? "Signature"
                                   : "Encryption");
    sb_add(o, "  Issuer: \n");
    name(o, f.issuer);
    sb_add(o, x->ca ? "  Subject: \n" : "  Subject:\n");
    if (!x->ca && f.fqdn[0]) {
        sb_addf(o, "    Name: %s\n", f.fqdn);
    }
    name(o, f.subject);
    if (f.crl_url[0]) {
        sb_addf(o, "  CRL Distribution Points: \n    %s\n", f.crl_url);
    }
    sb_addf(o, "  Validity Date: \n    start date: %s\n", pki_time_text(when, f.not_before));
    sb_addf(o, "    end   date: %s\n", pki_time_text(when, f.not_after));
    if (verbose) {
        sb_addf(o, "  Subject Key Info:\n    Public Key Algorithm: %s\n    Public Key: (%u bit)\n",
                f.kind == PKI_RSA ? "rsaEncryption" : "ecEncryption", f.bits);
        sb_addf(o, "  Signature Algorithm: %s\n", f.signature);
        fingerprint(o, "  Fingerprint MD5: ", f.md5, sizeof f.md5);
        fingerprint(o, "  Fingerprint SHA1: ", f.sha1, sizeof f.sha1);
    }
    sb_addf(o, "  Associated Trustpoints: %s \n\n", t->name);
}

bool exec_show_pki_certs(struct session *s, const struct match *m)
{
    const struct conf *c = s->host->conf(s->host->ctx);
    const char *only = match_text(m, "name");
    CONF_FOR(struct conf_trustpoint, t, &c->trustpoints)
    {
        for (int ca = 0; ca < 2 && (!only || strcmp(only, t->name) == 0); ca++) { /* ours first */
            CONF_FOR(struct conf_cert, x, &t->certs)
            {
                if (x->ca == (ca == 1)) {
                    certificate(&s->buf, c, t, x, match_has(m, "verbose"));
                }
            }
        }
    }
    return true;
}

static const struct conf_cert *ca_of(const struct conf_trustpoint *t)
{
    CONF_FOR(struct conf_cert, x, &t->certs)
    {
        if (x->ca) {
            return x;
        }
    }
    return NULL;
}

static void trustpoint(struct strbuf *o, const struct conf *c, const struct conf_trustpoint *t)
{
    struct pki_facts f;
    const struct conf_cert *ca = ca_of(t);
    sb_addf(o, "Trustpoint %s:\n", t->name);
    if (ca && pki_facts(&f, ca->der.p, ca->der.len)) {
        sb_add(o, "    Subject Name: \n");
        name(o, f.subject);
        serial(o, c, "          ", f.serial);
    }
    sb_add(o, conf_trustpoint_own(t) ? "    Certificate configured.\n" : "");
    if (t->crl_url[0]) {
        sb_addf(o, "    CRL query url: %s\n", t->crl_url);
    }
    sb_add(o, "\n");
}

static void one_status(struct strbuf *o, const char *what, const struct conf_cert *x)
{
    struct pki_facts f;
    if (x && pki_facts(&f, x->der.p, x->der.len)) {
        sb_addf(o, "  %s certificate configured:\n    Subject Name:\n     %s\n", what, f.subject);
        fingerprint(o, "    Fingerprint MD5: ", f.md5, sizeof f.md5);
        fingerprint(o, "    Fingerprint SHA1: ", f.sha1, sizeof f.sha1);
    }
}

static void status(struct strbuf *o, const struct conf *c, const struct conf_trustpoint *t)
{
    const struct conf_keypair *k = conf_trustpoint_key(c, t);
    const struct conf_cert *own = conf_trustpoint_own(t);
    bool have = k && k->der, fits = false;
    struct pki_key *key = have && own ? pki_key_open(k->der, k->len) : NULL;
    if (key) {
        fits = pki_key_of(key, own->der.p, own->der.len);
        pki_key_free(key);
    }
    sb_addf(o, "Trustpoint %s:\n", t->name);
    one_status(o, "Issuing CA", ca_of(t));
    one_status(o, "Router General Purpose", own);
    sb_addf(o, "  State:\n    Keys generated ............. %s\n",
            !have           ? "No"
            : k->exportable ? "Yes (General Purpose, exportable)"
                            : "Yes (General Purpose, non-exportable)");
    sb_addf(o, "    Issuing CA authenticated ....... %s\n", ca_of(t) ? "Yes" : "No");
    sb_addf(o, "    Certificate request(s) ..... %s\n", own ? "Yes" : "None");
    if (have && own && !fits) {
        sb_addf(
            o,
            "%% The key pair %s does not belong to this certificate: it proves nothing to a peer\n",
            k->label);
    }
    sb_add(o, "\n");
}

bool exec_show_pki_trustpoints(struct session *s, const struct match *m)
{
    const struct conf *c = s->host->conf(s->host->ctx);
    const char *only = match_text(m, "name");
    CONF_FOR(struct conf_trustpoint, t, &c->trustpoints)
    {
        if (!only || strcmp(only, t->name) == 0) {
            (match_has(m, "status") ? status : trustpoint)(&s->buf, c, t);
        }
    }
    return true;
}

bool exec_show_mypubkey(struct session *s, const struct match *m)
{
    const struct conf *c = s->host->conf(s->host->ctx);
    CONF_FOR(struct conf_keypair, k, &c->keypairs)
    {
        u8 der[PKI_DER_MAX];
        char when[PKI_TIME];
        struct pki_key *key =
            k->der && k->ec == match_has(m, "ec") ? pki_key_open(k->der, k->len) : NULL;
        if (!key) {
            continue;
        }
        s_printf(s, "%% Key pair was generated at: %s\nKey name: %s\n",
                 pki_time_text(when, (int64_t)k->made_s), k->label);
        if (c->dialect_15) {
            s_printf(s, "Key type: %s KEYS\n", k->ec ? "EC" : "RSA");
        }
        s_printf(
            s,
            " Storage Device: private-config\n Usage: %s Key\n Key is %sexportable.\n Key Data:\n",
            k->ec ? "Signature" : "General Purpose", k->exportable ? "" : "not ");
        cli_der(&s->buf, der, pki_key_public(key, der, sizeof der));
        pki_key_free(key);
    }
    return true;
}
