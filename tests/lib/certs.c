/* certs.c: see certs.h. */
#include "certs.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "certs.c:%d: %s\n", __LINE__, #x);                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void extension(X509 *x, X509 *issuer, const char *name, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_nconf(NULL, &ctx, name, value);
    MUST(e && X509_add_ext(x, e, -1) == 1);
    X509_EXTENSION_free(e);
}

static void extensions(X509 *x, X509 *issuer, const struct cert_spec *s)
{
    extension(x, issuer, "basicConstraints", s->ca ? "critical,CA:TRUE" : "CA:FALSE");
    const char *usage = s->usage ? s->usage : s->ca ? "keyCertSign,cRLSign" : "digitalSignature";
    extension(x, issuer, "keyUsage", usage);
    if (s->san) {
        extension(x, issuer, "subjectAltName", s->san);
    }
    if (s->eku) {
        extension(x, issuer, "extendedKeyUsage", s->eku);
    }
    if (s->extra) {
        char name[64];
        size_t n = strcspn(s->extra, "=");
        snprintf(name, sizeof name, "%.*s", (int)n, s->extra);
        extension(x, issuer, name, s->extra + n + 1);
    }
}

static EVP_PKEY *new_key(const struct cert_spec *s)
{
    static const char *const groups[PKI_KINDS] = {
        [PKI_EC256] = "P-256", [PKI_EC384] = "P-384", [PKI_EC521] = "P-521"};
    return s->kind == PKI_RSA ? EVP_RSA_gen(s->bits ? s->bits : 2048) : EVP_EC_gen(groups[s->kind]);
}

static void date(ASN1_TIME *t, long days)
{
    MUST(ASN1_TIME_adj(t, CERTS_NOW, (int)days, 0));
}

struct made *made_new(const struct cert_spec *s, const struct made *issuer)
{
    struct made *m = xcalloc(1, sizeof *m);
    unsigned char *p = m->der;
    m->key = new_key(s);
    m->x = X509_new();
    MUST(m->key && m->x);
    MUST(X509_set_version(m->x, X509_VERSION_3) == 1);
    MUST(ASN1_INTEGER_set(X509_get_serialNumber(m->x), s->serial ? s->serial : 1) == 1);
    X509_NAME *n = X509_get_subject_name(m->x);
    MUST(X509_NAME_add_entry_by_txt(n, "C", MBSTRING_ASC, (const u8 *)"ZZ", -1, -1, 0) == 1);
    MUST(X509_NAME_add_entry_by_txt(n, "O", MBSTRING_ASC, (const u8 *)"peers", -1, -1, 0) == 1);
    MUST(!s->ou || X509_NAME_add_entry_by_txt(n, "OU", MBSTRING_UTF8, (const u8 *)s->ou, -1, -1, 0) == 1);
    MUST(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const u8 *)s->cn, -1, -1, 0) == 1);
    X509 *by = issuer ? issuer->x : m->x;
    MUST(X509_set_issuer_name(m->x, X509_get_subject_name(by)) == 1);
    date(X509_getm_notBefore(m->x), s->from_days || s->to_days ? s->from_days : -1);
    date(X509_getm_notAfter(m->x), s->from_days || s->to_days ? s->to_days : 30);
    MUST(X509_set_pubkey(m->x, m->key) == 1);
    extensions(m->x, by, s);
    MUST(X509_sign(m->x, issuer ? issuer->key : m->key, s->md ? s->md : EVP_sha256()) > 0);
    m->len = (size_t)i2d_X509(m->x, NULL);
    MUST(m->len <= sizeof m->der && i2d_X509(m->x, &p) > 0);
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(m->key);
    p = m->secret;
    m->secret_len = (size_t)i2d_PKCS8_PRIV_KEY_INFO(p8, NULL);
    MUST(m->secret_len <= sizeof m->secret && i2d_PKCS8_PRIV_KEY_INFO(p8, &p) > 0);
    PKCS8_PRIV_KEY_INFO_free(p8);
    return m;
}

void made_free(struct made *m)
{
    if (m) {
        EVP_PKEY_free(m->key);
        X509_free(m->x);
        free(m);
    }
}

u8 *made_crl(const struct made *issuer, long revoked, long from_days, long to_days, size_t *out_len)
{
    X509_CRL *c = X509_CRL_new();
    ASN1_TIME *t = ASN1_TIME_new();
    MUST(c && t && X509_CRL_set_version(c, X509_CRL_VERSION_2) == 1);
    MUST(X509_CRL_set_issuer_name(c, X509_get_subject_name(issuer->x)) == 1);
    date(t, from_days);
    MUST(X509_CRL_set1_lastUpdate(c, t) == 1);
    if (revoked) {
        X509_REVOKED *r = X509_REVOKED_new();
        ASN1_INTEGER *serial = ASN1_INTEGER_new();
        MUST(r && serial && ASN1_INTEGER_set(serial, revoked) == 1);
        MUST(X509_REVOKED_set_serialNumber(r, serial) == 1);
        MUST(X509_REVOKED_set_revocationDate(r, t) == 1);
        MUST(X509_CRL_add0_revoked(c, r) == 1);
        ASN1_INTEGER_free(serial);
    }
    date(t, to_days);
    MUST(X509_CRL_set1_nextUpdate(c, t) == 1);
    MUST(X509_CRL_sign(c, issuer->key, EVP_sha256()) > 0);
    *out_len = (size_t)i2d_X509_CRL(c, NULL);
    u8 *der = xcalloc(1, *out_len);
    unsigned char *p = der;
    MUST(i2d_X509_CRL(c, &p) > 0);
    ASN1_TIME_free(t);
    X509_CRL_free(c);
    return der;
}

char *made_text(const struct made *m, bool with_key)
{
    BIO *b = BIO_new(BIO_s_mem());
    char *at;
    MUST(b && PEM_write_bio_X509(b, m->x) == 1);
    MUST(!with_key || PEM_write_bio_PrivateKey(b, m->key, NULL, NULL, 0, NULL, NULL) == 1);
    long n = BIO_get_mem_data(b, &at);
    char *text = xcalloc(1, (size_t)n + 1);
    memcpy(text, at, (size_t)n);
    BIO_free(b);
    return text;
}
