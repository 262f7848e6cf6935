/*
 * cmd_conf_pki.c: `crypto pki trustpoint` and what stands below it (IOS 12.4; `crypto ca` is the old spelling).
 * Certificates themselves: cmd_conf_cert.c; keys: cmd_conf_key.c.
 */
#include "cli/cli_int.h"

#include "pki/pki.h"

#include <stdlib.h>

bool cfg_trustpoint(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    if (m->no) {
        struct conf_trustpoint *t = name ? conf_trustpoint_find(k->c, name) : NULL;
        if (t && k->live) {
            sb_add(k->out, "% Removing an enrolled trustpoint will destroy all certificates\n"
                           " received from the related Certificate Authority.\n");
        }
        if (t) {
            list_remove(&t->link);
        }
        return true;
    }
    unsigned num = 0;
    CONF_FOR(struct conf_trustpoint, t, &k->c->trustpoints)
    {
        num += strcmp(t->name, name) != 0;
    }
    if (num >= IKE_MAX_TRUSTS) {
        return cfg_fail(k, m, "name", "there are %d trustpoints at most", IKE_MAX_TRUSTS);
    }
    cfg_enter(k, M_TRUST, conf_trustpoint_get(k->c, name, k->src));
    return true;
}

bool cfg_tp_enroll(struct cfg *k, const struct match *m)
{
    struct conf_trustpoint *t = k->at;
    const char *url = m->no ? NULL : match_text(m, "url");
    if (match_has(m, "url") && !m->no && url && strncmp(url, "file:", 5) != 0) {
        return cfg_fail(
            k, m, "url",
            "certificates come from a file (file:NAME) or the terminal; adit speaks no SCEP");
    }
    if (url && strlen(url) >= sizeof t->enroll_url) {
        return cfg_fail(k, m, "url", "the name is too long");
    }
    t->enroll = m->no ? CONF_ENROLL_NONE : url ? CONF_ENROLL_URL : CONF_ENROLL_TERMINAL;
    t->enroll_pem = !m->no && match_has(m, "pem");
    str_copy(t->enroll_url, sizeof t->enroll_url, url ? url : "");
    return true;
}

bool cfg_tp_subject(struct cfg *k, const struct match *m)
{
    struct conf_trustpoint *t = k->at;
    return cfg_text(k, m, t->subject, sizeof t->subject);
}

bool cfg_tp_fqdn(struct cfg *k, const struct match *m)
{
    struct conf_trustpoint *t = k->at;
    const char *host = m->no ? "" : match_has(m, "none") ? "none" : match_text(m, "fqdn");
    return (host && str_copy(t->fqdn, sizeof t->fqdn, host)) ||
           cfg_fail(k, m, "fqdn", "the name is too long");
}

bool cfg_tp_ip(struct cfg *k, const struct match *m)
{
    struct conf_trustpoint *t = k->at;
    const char *addr = m->no ? NULL : match_text(m, "addr");
    memset(&t->ip, 0, sizeof t->ip);
    return !addr || addr_parse(&t->ip, addr);
}

bool cfg_tp_revocation(struct cfg *k, const struct match *m)
{
    struct conf_trustpoint *t = k->at;
    u8 list[ARRAY_LEN(t->revocation)] = {CONF_REV_CRL}, num = 0;
    for (int i = 0; i < m->num && !m->no && num < ARRAY_LEN(list); i++) {
        const char *w = m->arg[i].text;
        u8 one =
            strcmp(w, "crl") == 0 ? CONF_REV_CRL
            : strcmp(w, "none") == 0 || strcmp(w, "optional") == 0 || strcmp(w, "best-effort") == 0
                ? CONF_REV_NONE
            : strcmp(w, "ocsp") == 0 ? CONF_REV_OCSP
                                     : 0;
        for (u8 j = 0; j < num && one; j++) {
            if (list[j] == one || list[j] == CONF_REV_NONE) {
                return cfg_fail(k, m, m->arg[i].name, "each method stands once, and `none` last");
            }
        }
        if (one) {
            list[num++] = one;
        }
    }
    memcpy(t->revocation, list, sizeof list);
    t->num_revocation = num ? num : 1;
    return true;
}

bool cfg_tp_keypair(struct cfg *k, const struct match *m)
{
    struct conf_trustpoint *t = k->at;
    const char *label = m->no ? "" : match_text(m, "pair");
    if (label && strlen(label) >= sizeof t->keypair) {
        return cfg_fail(k, m, "pair", "the label is too long");
    }
    str_copy(t->keypair, sizeof t->keypair, label ? label : "");
    t->keypair_ec = t->keypair[0] && match_has(m, "eckeypair");
    t->keypair_bits = m->no ? 0 : (u16)match_number(m, "bits", 0);
    return true;
}

static void forget_crls(struct conf_trustpoint *t)
{
    CONF_FOR(struct conf_cert, x, &t->crls)
    {
        list_remove(&x->link);
    }
}

struct crl_put {
    struct cfg *k;
    struct conf_trustpoint *t;
};

static void on_crl(void *ctx, const u8 *der, size_t len)
{
    struct crl_put *p = ctx;
    if (len <= PKI_CRL_MAX && pki_crl_ok(der, len)) {
        conf_crl_put(p->k->c, p->t, der, len, p->k->src);
    }
}

/* read_crl: what the file holds takes the place of what was there. */
static bool read_crl(struct cfg *k, const struct match *m, struct conf_trustpoint *t,
                     const char *url)
{
    size_t len;
    char *text = cfg_file(k, m, "url", url, &len);
    if (!text) {
        return false;
    }
    forget_crls(t);
    pki_each_crl(text, len, on_crl, &(struct crl_put){k, t});
    mem_wipe(text, len);
    free(text);
    return !list_empty(&t->crls) || cfg_fail(k, m, "url", "%.100s holds no CRL", url);
}

bool cfg_tp_url(struct cfg *k, const struct match *m)
{
    struct conf_trustpoint *t = k->at;
    const char *url = m->no ? "" : match_text(m, "url");
    bool ocsp = match_has(m, "ocsp");
    if (!url || strlen(url) >= sizeof t->crl_url) {
        return cfg_fail(k, m, "url", "expected a URL of at most %zu characters",
                        sizeof t->crl_url - 1);
    }
    if (!ocsp && url[0] && !read_crl(k, m, t, url)) {
        return false;
    }
    if (!ocsp && !url[0]) {
        forget_crls(t);
    }
    str_copy(ocsp ? t->ocsp_url : t->crl_url, sizeof t->crl_url, url);
    return true;
}

bool cfg_crl_request(struct cfg *k, const struct match *m)
{
    const char *name = match_text(m, "name");
    struct conf_trustpoint *t = name ? conf_trustpoint_find(k->c, name) : NULL;
    if (m->no) {
        return cfg_fail(k, m, NULL,
                        "a CRL is not given back; take `crl query` from the trustpoint");
    }
    if (!t || !t->crl_url[0]) {
        return cfg_fail(k, m, "name",
                        t ? "the trustpoint has no `crl query file:NAME`"
                          : "there is no such trustpoint");
    }
    return read_crl(k, m, t, t->crl_url);
}

bool cfg_tp_keep(struct cfg *k, const struct match *m)
{
    struct conf_trustpoint *t = k->at;
    (void)m;
    conf_keep(k->c, &t->kept, k->line + strspn(k->line, " \t"), k->src);
    return true;
}
