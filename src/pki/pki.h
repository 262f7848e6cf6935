/*
 * pki: certificates, private keys and trustpoints as values (RFC 5280; RFC 4945 for what IKE wants of them). All of ASN.1 and X.509
 * is libcrypto's: the only room that includes its headers for them.
 *
 *   pem.c     certificates, CRLs and keys out of texts: PEM, bare base64, DER
 *   cert.c    what a certificate says, for people
 *   key.c     private keys: made, read, kept; signatures as IKEv1 has them (RFC 2409 5.1, RFC 4754)
 *   trust.c   a trustpoint: CA certificates, CRLs, our own chain and key
 *   verify.c  a peer's certificates against a trustpoint, and the identity it claims
 *   warm.c    all of it once, before a process gives up its rights
 *
 * No clock in here: the time is given, in seconds since 1970. No I/O.
 */
#ifndef ADIT_PKI_H
#define ADIT_PKI_H

#include "crypto/crypto.h"

enum {
    PKI_DER_MAX = 16384,  /* bytes of one certificate, key or request */
    PKI_CRL_MAX = 1 << 20, /* bytes of one CRL */
    PKI_CHAIN_MAX = 8,    /* certificates looked at in one message, and of our own chain */
    PKI_SIG_MAX = 1024,   /* bytes of a signature: RSA with 8192 bits */
    PKI_NAME = 256        /* a distinguished name as text; longer ones are cut */
};

/* What kind of key; EC_* names the curve, and with it ECDSA's hash (RFC 4754). */
enum pki_kind { PKI_NO_KIND, PKI_RSA, PKI_EC256, PKI_EC384, PKI_EC521, PKI_KINDS };
const char *pki_kind_name(enum pki_kind k); /* "RSA", "ECDSA P-256" */

/* ---- why a certificate is refused: name, sentence for the operator ---- */
#define PKI_FAULTS(F)                                                                                                  \
    F(FINE, "fine", "The certificate is valid.")                                                                       \
    F(NO_CERT, "no certificate", "The peer sent no certificate that can be read.")                                     \
    F(EXPIRED, "expired", "A certificate of the chain is not valid any more: it has to be renewed.")                   \
    F(NOT_YET, "not yet valid", "A certificate of the chain is not valid yet: one of the clocks may be wrong.")        \
    F(NO_ISSUER, "issuer not known", "No trustpoint has the CA certificate that the chain leads to.")                  \
    F(FORGED, "signature of the certificate wrong", "A certificate of the chain was not signed by its issuer's key.")  \
    F(REVOKED, "revoked", "The CA has revoked a certificate of the chain.")                                            \
    F(NO_CRL, "no CRL", "revocation-check crl is set, and there is no CRL of the certificate's issuer.")               \
    F(CRL_OLD, "CRL too old", "The CRL's next update is past, so nobody knows what was revoked since.")                \
    F(CRL_BAD, "CRL wrong", "The CRL is not signed by the issuer, or is not valid yet.")                               \
    F(NO_OCSP, "OCSP not there", "revocation-check ocsp is set, which adit does not ask yet.")                         \
    F(WEAK, "weak signature or key", "A certificate of the chain is signed with MD5 or SHA-1, or has a short key.")    \
    F(USAGE, "not for IKE", "The key usage of the certificate does not allow signatures in IKE.")                      \
    F(CHAIN, "chain refused", "A certificate of the chain is no CA, or may not sign what it signed.")                  \
    F(CRITICAL, "unknown critical extension", "A certificate has a critical extension that is not understood.")        \
    F(NAME, "wrong name", "The certificate does not hold the identity that the peer claims (RFC 4945).")               \
    F(ID_TYPE, "identity type", "An identity of this type cannot stand in a certificate.")                             \
    F(KEY, "wrong kind of key", "The certificate's key is not of the kind that was agreed (RSA, ECDSA and its curve).") \
    F(OTHER, "not valid", "The certificate is not valid for another reason, which the detail names.")
enum pki_fault {
#define F(id, name, text) PKF_##id,
    PKI_FAULTS(F)
#undef F
        PKF_NUM
};
const char *pki_fault_name(enum pki_fault f);
const char *pki_fault_text(enum pki_fault f);

/* ---- texts (pem.c) ---- */

/* pki_each_*: calls fn for each in a text: PEM with any number of blocks, bare base64, or DER. der is borrowed for the call.
 * Returns how many. Private keys in the text are passed over, and wiped. */
typedef void (*pki_der_fn)(void *ctx, const u8 *der, size_t len);
unsigned pki_each_cert(const void *text, size_t len, pki_der_fn fn, void *ctx);
unsigned pki_each_crl(const void *text, size_t len, pki_der_fn fn, void *ctx);
/* pki_has_key: a private key stands in it. */
bool pki_has_key(const char *text, size_t len);
/* pki_pem: DER as a PEM block of that type ("CERTIFICATE REQUEST"). */
void pki_pem(struct strbuf *out, const char *type, const u8 *der, size_t len);

/* ---- what a certificate says (cert.c) ---- */

struct pki_facts {
    char subject[PKI_NAME], issuer[PKI_NAME]; /* "cn=R1,o=Example,c=ZZ", the first attribute last as IOS shows it */
    char serial[44];                          /* hexadecimal, upper case, whole bytes */
    char fqdn[PKI_NAME];                      /* the first DNS name of subjectAltName, or unstructuredName; "": none */
    char crl_url[PKI_NAME];                   /* the first CRL distribution point; "": none */
    int64_t not_before, not_after;            /* seconds since 1970 */
    u8 kind;                                  /* enum pki_kind */
    u16 bits;
    bool ca, self_signed, signs, enciphers; /* what the key may do (key usage; all when it is not said) */
    char signature[32];                     /* the algorithm it is signed with */
    u8 md5[16], sha1[20];                   /* fingerprints */
};
/* pki_facts: false: the bytes are no certificate, or not one alone. */
NODISCARD bool pki_facts(struct pki_facts *out, const u8 *der, size_t len);
/* pki_crl_ok: the bytes are a CRL and nothing else. */
NODISCARD bool pki_crl_ok(const u8 *der, size_t len);
/* pki_time_text: "10:46:38 UTC Jan 1 2030". Returns out. */
enum { PKI_TIME = 40 };
const char *pki_time_text(char out[PKI_TIME], int64_t s);
/* pki_subject: the DER of the subject's name; 0: no certificate, or no room. */
size_t pki_subject(u8 *out, size_t cap, const u8 *der, size_t len);
/* pki_dn_text: a distinguished name in DER as text; false: it is none. */
NODISCARD bool pki_dn_text(char out[PKI_NAME], const u8 *der, size_t len);
/* pki_dn_unit: its first organizational unit (OU), which IOS takes for the group of a client; false: it has none, or one that does not fit
 * or print. */
NODISCARD bool pki_dn_unit(char *out, size_t cap, const u8 *der, size_t len);

/* ---- private keys (key.c); owned by whoever made them, wiped by pki_key_free ---- */

struct pki_key;
/* pki_key_make: bits of an RSA modulus (EC: 0). Takes from milliseconds to seconds. NULL: not such a one. */
struct pki_key *pki_key_make(enum pki_kind kind, unsigned bits);
/* pki_key_read: from PEM (PKCS#1, PKCS#8, SEC 1; encrypted with pass, "" or NULL: not). NULL: none, or the wrong pass. */
struct pki_key *pki_key_read(const char *text, size_t len, const char *pass);
struct pki_key *pki_key_open(const u8 *der, size_t len); /* of pki_key_save */
void pki_key_free(struct pki_key *k);                    /* NULL is fine */
enum pki_kind pki_key_kind(const struct pki_key *k);
unsigned pki_key_bits(const struct pki_key *k);
/* pki_key_save: PKCS#8 DER (secret), pki_key_public: SubjectPublicKeyInfo; bytes written, 0: no room. */
size_t pki_key_save(const struct pki_key *k, u8 *out, size_t cap);
size_t pki_key_public(const struct pki_key *k, u8 *out, size_t cap);
/* pki_key_of: it is the private half of that certificate's key. */
bool pki_key_of(const struct pki_key *k, const u8 *cert, size_t len);
/* pki_sign: RSA: PKCS#1 type 1 without the OID of a hash (RFC 2409 5.1); ECDSA: r and s, each as long as the curve's order (RFC
 * 4754 7). Bytes written; 0: it cannot. */
size_t pki_sign(const struct pki_key *k, const u8 *hash, size_t len, u8 out[PKI_SIG_MAX]);
/* What a request asks for (PKCS#10, RFC 2986). */
struct pki_request {
    const char *subject; /* "cn=R1,o=Example", "" : only the names below */
    const char *fqdn;    /* subjectAltName DNS; "": none */
    struct addr ip;      /* subjectAltName IP; AF_NONE: none */
};
/* pki_request: DER; bytes written, 0: the subject is no name, or no room. */
size_t pki_request(const struct pki_key *k, const struct pki_request *r, u8 *out, size_t cap);

/* ---- a trustpoint (trust.c) ---- */

enum pki_part { PKI_CA = 1, PKI_OWN, PKI_CRL, PKI_KEY, PKI_PARTS };
struct pki_policy {
    bool crl, ocsp; /* revocation-check asks for them */
    bool none;      /* and goes on when they do not answer */
};
struct pki_trust;
struct pki_trust *pki_trust_new(const char *name, struct pki_policy policy);
void pki_trust_free(struct pki_trust *t); /* NULL is fine; wipes the key */
const char *pki_trust_name(const struct pki_trust *t);
/* pki_trust_add: CA certificates, CRLs, our chain (our own certificate first), our key in PKCS#8. False: the bytes are none. */
NODISCARD bool pki_trust_add(struct pki_trust *t, enum pki_part part, const u8 *der, size_t len);
/* pki_trust_key: the kind of the key that we can prove to have: certificate and key are there and belong together. */
enum pki_kind pki_trust_key(const struct pki_trust *t);
bool pki_trust_cas(const struct pki_trust *t); /* has a CA certificate: somebody can be checked */
/* pki_trust_own: certificate n of what we send: our own, then those that lead to the root, which is left out. NULL: no more. */
const u8 *pki_trust_own(const struct pki_trust *t, unsigned n, size_t *out_len);
/* pki_trust_ca: DER name of CA n, for CERTREQ. NULL: no more. */
const u8 *pki_trust_ca(const struct pki_trust *t, unsigned n, size_t *out_len);
/* pki_trust_leads: our own chain has an issuer of that name (DER; empty: any). */
bool pki_trust_leads(const struct pki_trust *t, const u8 *name, size_t len);
/* pki_trust_subject: DER of our own certificate's subject, for the identity; 0: none, or no room. */
size_t pki_trust_subject(const struct pki_trust *t, u8 *out, size_t cap);
/* pki_trust_holds: our own certificate stands for that identity. */
struct pki_id;
bool pki_trust_holds(const struct pki_trust *t, const struct pki_id *id);
/* pki_trust_sign: as pki_sign with its key. */
size_t pki_trust_sign(const struct pki_trust *t, const u8 *hash, size_t len, u8 out[PKI_SIG_MAX]);

/* ---- a peer (verify.c) ---- */

enum pki_id_type { PKI_ID_OTHER, PKI_ID_ADDR, PKI_ID_FQDN, PKI_ID_USER_FQDN, PKI_ID_DN };
struct pki_id {
    enum pki_id_type type;
    const u8 *p; /* borrowed: 4 or 16 bytes of address, a name, DER */
    size_t len;
};
struct pki_peer;
struct pki_peer *pki_peer_new(void);
void pki_peer_free(struct pki_peer *p);
/* pki_peer_add: a certificate from the wire. False: the bytes are none, or there are PKI_CHAIN_MAX already. */
NODISCARD bool pki_peer_add(struct pki_peer *p, const u8 *der, size_t len);
/* pki_peer_crl: a CRL from the wire; used when the issuer signed it. False: it is none. */
NODISCARD bool pki_peer_crl(struct pki_peer *p, const u8 *der, size_t len);
enum { PKI_DETAIL = 192 };
/* pki_verify: the peer's own certificate (that which holds the identity; else the first that is no CA), its chain to a CA of
 * the trustpoint, revocation, key usage, identity, the kind of key, at the time now_s. detail: what it is about, in words. */
enum pki_fault pki_verify(const struct pki_trust *t, const struct pki_peer *p, const struct pki_id *id, enum pki_kind kind,
                          u64 now_s, char detail[PKI_DETAIL]);
/* pki_verify_sig: sig over that hash is of the peer's own certificate for this identity (the one pki_verify looks at). */
NODISCARD bool pki_verify_sig(const struct pki_peer *p, const struct pki_id *id, enum pki_kind kind, const u8 *hash,
                              size_t hash_len, const u8 *sig, size_t sig_len);

/* pki_warm_up: as crypto_warm_up, for all of the above. */
void pki_warm_up(void);

#endif
