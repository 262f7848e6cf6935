/*
 * pki_int.h: between the files of pki/: libcrypto's objects behind the values of pki.h.
 */
#ifndef ADIT_PKI_INT_H
#define ADIT_PKI_INT_H

#include "pki/pki.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* pki_x509: a certificate of exactly these bytes, the caller's; NULL: they are none. pki_x509_crl: the same for CRLs. */
X509 *pki_x509(const u8 *der, size_t len);
X509_CRL *pki_x509_crl(const u8 *der, size_t len);
/* pki_kind_of: PKI_NO_KIND: no key that IKE signs with here. */
enum pki_kind pki_kind_of(const EVP_PKEY *k);
/* pki_name_text: "cn=R1,o=Example,c=ZZ". */
void pki_name_text(char out[PKI_NAME], const X509_NAME *n);
/* pki_unstructured: PKCS#9 unstructuredName or unstructuredAddress of the subject, where IOS keeps what others keep in
 * subjectAltName. False: it has none. */
bool pki_unstructured(const X509 *x, int nid, char out[PKI_NAME]);
bool pki_is_ca(X509 *x);
/* pki_signed: sig (as pki_sign makes it) over that hash is of this public key. */
NODISCARD bool pki_signed(EVP_PKEY *k, const u8 *hash, size_t len, const u8 *sig, size_t sig_len);

struct pki_trust {
    char name[64];
    struct pki_policy policy;
    X509_STORE *store; /* owned: CA certificates, CRLs */
    STACK_OF(X509) * ca;
    STACK_OF(X509) * own; /* as it was given: ours first */
    struct pki_key *key; /* owned */
    u8 *own_der[PKI_CHAIN_MAX], *ca_der[PKI_CHAIN_MAX]; /* owned: what is sent; names of the CAs */
    size_t own_len[PKI_CHAIN_MAX], ca_len[PKI_CHAIN_MAX];
    unsigned num_own, num_ca;
};
struct pki_peer {
    STACK_OF(X509) * certs;
    STACK_OF(X509_CRL) * crls;
};
#endif
