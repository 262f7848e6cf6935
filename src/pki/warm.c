/*
 * warm.c: a small PKI made, read and verified once, so that libcrypto (and the C library's time zone) have opened what they want
 * before the process gives up the right to open files.
 */
#include "pki/pki_int.h"

#include <openssl/err.h>
#include <time.h>

/* signed_by_itself: a CA certificate of that key, valid for a day. */
static size_t signed_by_itself(EVP_PKEY *k, u8 *out, size_t cap)
{
    X509 *x = X509_new();
    X509_NAME *n = x ? X509_get_subject_name(x) : NULL;
    unsigned char *der = NULL;
    bool ok =
        n && X509_set_version(x, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set(X509_get_serialNumber(x), 1) == 1 &&
        X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const u8 *)"warm", -1, -1, 0) == 1 &&
        X509_set_issuer_name(x, n) == 1 && X509_gmtime_adj(X509_getm_notBefore(x), -60) &&
        X509_gmtime_adj(X509_getm_notAfter(x), 86400) && X509_set_pubkey(x, k) == 1;
    X509_EXTENSION *e =
        ok ? X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE") : NULL;
    ok = e && X509_add_ext(x, e, -1) == 1 && X509_sign(x, k, EVP_sha256()) > 0;
    int len = ok ? i2d_X509(x, &der) : 0;
    if (len > 0 && (size_t)len <= cap) {
        memcpy(out, der, (size_t)len);
    } else {
        len = 0;
    }
    OPENSSL_free(der);
    X509_EXTENSION_free(e);
    X509_free(x);
    return (size_t)len;
}

/* empty_crl: that nothing was revoked, so that CRLs have been checked once. */
static size_t empty_crl(EVP_PKEY *k, const u8 *ca, size_t ca_len, u8 *out, size_t cap)
{
    X509 *x = pki_x509(ca, ca_len);
    X509_CRL *c = X509_CRL_new();
    ASN1_TIME *from = X509_gmtime_adj(NULL, -60), *to = X509_gmtime_adj(NULL, 86400);
    unsigned char *der = NULL;
    bool ok = x && c && from && to && X509_CRL_set_version(c, X509_CRL_VERSION_2) == 1 &&
              X509_CRL_set_issuer_name(c, X509_get_subject_name(x)) == 1 &&
              X509_CRL_set1_lastUpdate(c, from) == 1 && X509_CRL_set1_nextUpdate(c, to) == 1 &&
              X509_CRL_sign(c, k, EVP_sha256()) > 0;
    int len = ok ? i2d_X509_CRL(c, &der) : 0;
    if (len > 0 && (size_t)len <= cap) {
        memcpy(out, der, (size_t)len);
    } else {
        len = 0;
    }
    OPENSSL_free(der);
    ASN1_TIME_free(from);
    ASN1_TIME_free(to);
    X509_CRL_free(c);
    X509_free(x);
    return (size_t)len;
}

/* warm_kind: sign, verify, and the whole of a chain, with one kind of key. */
static void warm_kind(enum pki_kind kind)
{
    static const u8 hash[64] = {1};
    u8 cert[2048], crl[1024], key[PKI_DER_MAX], sig[PKI_SIG_MAX], name[256];
    char detail[PKI_DETAIL];
    struct pki_facts facts;
    struct pki_key *k = pki_key_make(kind, kind == PKI_RSA ? 1024 : 0);
    size_t key_len = k ? pki_key_save(k, key, sizeof key) : 0;
    const unsigned char *at = key;
    EVP_PKEY *raw = d2i_AutoPrivateKey(NULL, &at, (long)key_len);
    size_t len = raw ? signed_by_itself(raw, cert, sizeof cert) : 0;
    size_t crl_len = raw ? empty_crl(raw, cert, len, crl, sizeof crl) : 0;
    struct pki_trust *t = pki_trust_new("warm", (struct pki_policy){.crl = true});
    struct pki_peer *p = pki_peer_new();
    struct pki_id id = {.type = PKI_ID_DN, .p = name};
    (void)!(pki_trust_add(t, PKI_CA, cert, len) && pki_trust_add(t, PKI_OWN, cert, len) &&
            pki_trust_add(t, PKI_CRL, crl, crl_len) && pki_trust_add(t, PKI_KEY, key, key_len) &&
            pki_peer_add(p, cert, len) && pki_facts(&facts, cert, len));
    id.len = pki_trust_subject(t, name, sizeof name);
    (void)pki_trust_leads(t, name, id.len);
    size_t n = pki_trust_key(t) == kind ? pki_trust_sign(t, hash, 20, sig) : 0;
    (void)pki_verify(t, p, &id, kind, (u64)time(NULL), detail);
    (void)!pki_verify_sig(p, &id, kind, hash, 20, sig, n);
    mem_wipe(key, sizeof key);
    EVP_PKEY_free(raw);
    pki_peer_free(p);
    pki_trust_free(t);
    pki_key_free(k);
}

void pki_warm_up(void)
{
    for (enum pki_kind k = PKI_RSA; k < PKI_KINDS; k++) {
        warm_kind(k);
    }
    ERR_clear_error();
}
