/*
 * der.c: certificates and CRLs of exactly the bytes that came (DER: X.690 10, RFC 5280 4, 5), bounded, read by libcrypto.
 */
#include "pki/pki_int.h"

#include <openssl/err.h>

X509 *pki_x509(const u8 *der, size_t len)
{
    const unsigned char *p = der;
    X509 *x = len && len <= PKI_DER_MAX ? d2i_X509(NULL, &p, (long)len) : NULL;
    if (x && p != der + len) { /* something stands behind it */
        X509_free(x);
        x = NULL;
    }
    ERR_clear_error();
    return x;
}

X509_CRL *pki_x509_crl(const u8 *der, size_t len)
{
    const unsigned char *p = der;
    X509_CRL *x = len && len <= PKI_CRL_MAX ? d2i_X509_CRL(NULL, &p, (long)len) : NULL;
    if (x && p != der + len) {
        X509_CRL_free(x);
        x = NULL;
    }
    ERR_clear_error();
    return x;
}

bool pki_crl_ok(const u8 *der, size_t len)
{
    X509_CRL *x = pki_x509_crl(der, len);
    X509_CRL_free(x);
    return x != NULL;
}
