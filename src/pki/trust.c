/*
 * trust.c: a trustpoint as a value: the CA certificates that are trusted, their CRLs, our own certificate and key, and what of it
 * a peer is sent (RFC 4945 3.3: our certificate, those between it and the root, never the root). Walk: ike/trust_table.c fills
 * it from the generation; ike/auth_sig.c asks it.
 */
#include "pki/pki_int.h"

#include <openssl/err.h>
#include <stdlib.h>

struct pki_trust *pki_trust_new(const char *name, struct pki_policy policy)
{
    struct pki_trust *t = xcalloc(1, sizeof *t);
    str_copy(t->name, sizeof t->name, name);
    t->policy = policy;
    t->store = X509_STORE_new();
    t->ca = sk_X509_new_null();
    t->own = sk_X509_new_null();
    if (!t->store || !t->ca || !t->own) {
        abort(); /* as every allocation */
    }
    return t;
}

static void forget_chain(struct pki_trust *t)
{
    for (unsigned i = 0; i < t->num_own; i++) {
        OPENSSL_free(t->own_der[i]);
    }
    t->num_own = 0;
}

void pki_trust_free(struct pki_trust *t)
{
    if (!t) {
        return;
    }
    forget_chain(t);
    for (unsigned i = 0; i < t->num_ca; i++) {
        OPENSSL_free(t->ca_der[i]);
    }
    X509_STORE_free(t->store);
    sk_X509_pop_free(t->ca, X509_free);
    sk_X509_pop_free(t->own, X509_free);
    pki_key_free(t->key);
    free(t);
}

const char *pki_trust_name(const struct pki_trust *t)
{
    return t->name;
}

/* issuer_in: the CA of the trustpoint that signed x; NULL: none, or x signed itself. */
static X509 *issuer_in(const struct pki_trust *t, X509 *x)
{
    if (X509_get_extension_flags(x) & EXFLAG_SS) {
        return NULL;
    }
    for (int i = 0; i < sk_X509_num(t->ca); i++) {
        X509 *ca = sk_X509_value(t->ca, i);
        if (X509_check_issued(ca, x) == X509_V_OK) {
            return ca;
        }
    }
    return NULL;
}

/* build_chain: what is sent, from what is there now. */
static void build_chain(struct pki_trust *t)
{
    forget_chain(t);
    X509 *x = sk_X509_value(t->own, 0);
    while (x && t->num_own < PKI_CHAIN_MAX) {
        unsigned char *der = NULL;
        int n = i2d_X509(x, &der);
        if (n <= 0) {
            return;
        }
        t->own_der[t->num_own] = der;
        t->own_len[t->num_own++] = (size_t)n;
        x = issuer_in(t, x);
        if (x && (X509_get_extension_flags(x) & EXFLAG_SS)) {
            return; /* the root is the peer's own business */
        }
    }
}

static bool add_ca(struct pki_trust *t, X509 *x)
{
    unsigned char *der = NULL;
    if (!pki_is_ca(x) || t->num_ca == PKI_CHAIN_MAX || X509_STORE_add_cert(t->store, x) != 1) {
        return false;
    }
    int n = i2d_X509_NAME(X509_get_subject_name(x), &der);
    if (n <= 0 || sk_X509_push(t->ca, x) <= 0) {
        OPENSSL_free(der);
        return false;
    }
    X509_up_ref(x);
    t->ca_der[t->num_ca] = der;
    t->ca_len[t->num_ca++] = (size_t)n;
    return true;
}

static bool add_own(struct pki_trust *t, X509 *x)
{
    if (sk_X509_num(t->own) || sk_X509_push(t->own, x) <= 0) {
        return false;
    }
    X509_up_ref(x);
    return true;
}

static bool add_cert(struct pki_trust *t, enum pki_part part, const u8 *der, size_t len)
{
    X509 *x = pki_x509(der, len);
    bool ok = x && (part == PKI_CA ? add_ca(t, x) : add_own(t, x));
    X509_free(x);
    ERR_clear_error();
    if (ok) {
        build_chain(t);
    }
    return ok;
}

bool pki_trust_add(struct pki_trust *t, enum pki_part part, const u8 *der, size_t len)
{
    X509_CRL *crl;
    bool ok = false;
    switch (part) {
    case PKI_CA:
    case PKI_OWN: return add_cert(t, part, der, len);
    case PKI_CRL:
        crl = pki_x509_crl(der, len);
        ok = crl && X509_STORE_add_crl(t->store, crl) == 1;
        X509_CRL_free(crl);
        ERR_clear_error();
        return ok;
    case PKI_KEY:
        pki_key_free(t->key);
        t->key = pki_key_open(der, len);
        return t->key != NULL;
    default: return false;
    }
}

enum pki_kind pki_trust_key(const struct pki_trust *t)
{
    bool whole = t->key && t->num_own && pki_key_of(t->key, t->own_der[0], t->own_len[0]);
    return whole ? pki_key_kind(t->key) : PKI_NO_KIND;
}

bool pki_trust_cas(const struct pki_trust *t)
{
    return t->num_ca > 0;
}

const u8 *pki_trust_own(const struct pki_trust *t, unsigned n, size_t *out_len)
{
    *out_len = n < t->num_own ? t->own_len[n] : 0;
    return n < t->num_own ? t->own_der[n] : NULL;
}

const u8 *pki_trust_ca(const struct pki_trust *t, unsigned n, size_t *out_len)
{
    *out_len = n < t->num_ca ? t->ca_len[n] : 0;
    return n < t->num_ca ? t->ca_der[n] : NULL;
}

bool pki_trust_leads(const struct pki_trust *t, const u8 *name, size_t len)
{
    const unsigned char *p = name;
    X509_NAME *want = len ? d2i_X509_NAME(NULL, &p, (long)len) : NULL;
    X509 *x = sk_X509_value(t->own, 0);
    bool leads = len == 0;
    for (unsigned n = 0; want && x && !leads && n < PKI_CHAIN_MAX; n++) {
        leads = X509_NAME_cmp(X509_get_issuer_name(x), want) == 0;
        x = issuer_in(t, x);
    }
    X509_NAME_free(want);
    ERR_clear_error();
    return leads;
}

size_t pki_trust_subject(const struct pki_trust *t, u8 *out, size_t cap)
{
    return t->num_own ? pki_subject(out, cap, t->own_der[0], t->own_len[0]) : 0;
}

size_t pki_trust_sign(const struct pki_trust *t, const u8 *hash, size_t len, u8 out[PKI_SIG_MAX])
{
    return t->key ? pki_sign(t->key, hash, len, out) : 0;
}
