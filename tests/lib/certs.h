/*
 * certs.h: certificates, keys and CRLs made for a test by libcrypto, with whatever is wrong with them. Times are the test's own, in
 * seconds since 1970, so none runs out.
 */
#ifndef ADIT_TEST_CERTS_H
#define ADIT_TEST_CERTS_H

#include "pki/pki.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

enum { CERTS_NOW = 1800000000, CERTS_DAY = 86400 };
struct made {
    EVP_PKEY *key; /* owned */
    X509 *x;       /* owned */
    u8 der[PKI_DER_MAX], secret[PKI_DER_MAX];
    size_t len, secret_len;
};
struct cert_spec {
    enum pki_kind kind;
    unsigned bits;       /* RSA; 0: 2048 */
    const char *cn, *san; /* san: "DNS:gw,IP:192.0.2.1"; NULL: none */
    const char *ou;       /* NULL: none */
    const char *usage, *eku, *extra; /* as openssl x509v3_config has them; extra: "1.2.3=critical,DER:0500" */
    bool ca;
    long serial;
    long from_days, to_days; /* around CERTS_NOW; both 0: -1 and 30 */
    const EVP_MD *md;        /* NULL: SHA-256 */
};
/* made_new: signed by issuer, NULL: by itself. */
struct made *made_new(const struct cert_spec *s, const struct made *issuer);
void made_free(struct made *m);
/* made_crl: DER of issuer's CRL; revoked: a serial number, 0: none. Owned by the caller (free). */
u8 *made_crl(const struct made *issuer, long revoked, long from_days, long to_days, size_t *out_len);
/* made_text: the certificate, and the key when with_key, as PEM; the caller's. */
char *made_text(const struct made *m, bool with_key);

#endif
