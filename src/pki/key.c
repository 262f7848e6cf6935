/*
 * key.c: private keys (RFC 8017, SEC 1; kept as PKCS#8, RFC 5208), the signatures IKEv1 makes with them (RFC 2409 5.1: PKCS#1
 * without the OID of a hash; RFC 4754: r and s of ECDSA), and requests (PKCS#10, RFC 2986). Walk: ike/auth_sig.c -> pki_sign.
 */
#include "pki/pki_int.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

struct pki_key {
    EVP_PKEY *k; /* owned */
};

static const struct {
    const char *name, *group, *other; /* as libcrypto calls the curve */
    u16 bits, half;                   /* half: bytes of r, of s */
} kinds[PKI_KINDS] = {
    [PKI_NO_KIND] = {"no key", NULL, NULL, 0, 0},
    [PKI_RSA] = {"RSA", NULL, NULL, 0, 0},
    [PKI_EC256] = {"ECDSA P-256", "prime256v1", "P-256", 256, 32},
    [PKI_EC384] = {"ECDSA P-384", "secp384r1", "P-384", 384, 48},
    [PKI_EC521] = {"ECDSA P-521", "secp521r1", "P-521", 521, 66},
};

const char *pki_kind_name(enum pki_kind k)
{
    return kinds[k < PKI_KINDS ? k : PKI_NO_KIND].name;
}

enum pki_kind pki_kind_of(const EVP_PKEY *k)
{
    char group[64];
    size_t n;
    if (EVP_PKEY_get_base_id(k) == EVP_PKEY_RSA) {
        return PKI_RSA;
    }
    if (EVP_PKEY_get_base_id(k) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(k, group, sizeof group, &n) != 1) {
        return PKI_NO_KIND;
    }
    for (enum pki_kind i = PKI_EC256; i < PKI_KINDS; i++) {
        if (strcmp(group, kinds[i].group) == 0 || strcmp(group, kinds[i].other) == 0) {
            return i;
        }
    }
    return PKI_NO_KIND;
}

/* wrap: takes k over; NULL when it is no key for IKE. */
static struct pki_key *wrap(EVP_PKEY *k)
{
    ERR_clear_error();
    if (!k || pki_kind_of(k) == PKI_NO_KIND) {
        EVP_PKEY_free(k);
        return NULL;
    }
    struct pki_key *out = xcalloc(1, sizeof *out);
    out->k = k;
    return out;
}

struct pki_key *pki_key_make(enum pki_kind kind, unsigned bits)
{
    if (kind == PKI_RSA) {
        return wrap(EVP_RSA_gen(bits));
    }
    return kind > PKI_RSA && kind < PKI_KINDS ? wrap(EVP_EC_gen(kinds[kind].group)) : NULL;
}

/* give_pass: never asks a terminal. */
static int give_pass(char *buf, int size, int rwflag, void *pass)
{
    int n = pass ? (int)strlen(pass) : 0;
    (void)rwflag;
    if (n == 0 || n > size) {
        return -1;
    }
    memcpy(buf, pass, (size_t)n);
    return n;
}

struct pki_key *pki_key_read(const char *text, size_t len, const char *pass)
{
    BIO *bio = len <= INT32_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
    EVP_PKEY *k =
        bio ? PEM_read_bio_PrivateKey(bio, NULL, give_pass, (void *)(uintptr_t)pass) : NULL;
    BIO_free(bio);
    return wrap(k);
}

struct pki_key *pki_key_open(const u8 *der, size_t len)
{
    const unsigned char *p = der;
    EVP_PKEY *k = len && len <= PKI_DER_MAX ? d2i_AutoPrivateKey(NULL, &p, (long)len) : NULL;
    if (k && p != der + len) {
        EVP_PKEY_free(k);
        k = NULL;
    }
    return wrap(k);
}

void pki_key_free(struct pki_key *k)
{
    if (k) {
        EVP_PKEY_free(k->k); /* libcrypto wipes what is private */
        free(k);
    }
}

enum pki_kind pki_key_kind(const struct pki_key *k)
{
    return pki_kind_of(k->k);
}

unsigned pki_key_bits(const struct pki_key *k)
{
    return (unsigned)EVP_PKEY_get_bits(k->k);
}

size_t pki_key_save(const struct pki_key *k, u8 *out, size_t cap)
{
    PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(k->k);
    unsigned char *der = NULL;
    int n = p8 ? i2d_PKCS8_PRIV_KEY_INFO(p8, &der) : 0;
    bool ok = n > 0 && (size_t)n <= cap;
    if (ok) {
        memcpy(out, der, (size_t)n);
    }
    OPENSSL_clear_free(der, n > 0 ? (size_t)n : 0);
    PKCS8_PRIV_KEY_INFO_free(p8); /* clears the key octets */
    return ok ? (size_t)n : 0;
}

size_t pki_key_public(const struct pki_key *k, u8 *out, size_t cap)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(k->k, &der);
    bool ok = n > 0 && (size_t)n <= cap;
    if (ok) {
        memcpy(out, der, (size_t)n);
    }
    OPENSSL_free(der);
    return ok ? (size_t)n : 0;
}

bool pki_key_of(const struct pki_key *k, const u8 *cert, size_t len)
{
    X509 *x = pki_x509(cert, len);
    const EVP_PKEY *pub = x ? X509_get0_pubkey(x) : NULL;
    bool ok = pub && EVP_PKEY_eq(pub, k->k) == 1;
    X509_free(x);
    ERR_clear_error();
    return ok;
}

/* raw: r and s of libcrypto's DER, each half bytes long; 0: they do not fit. */
static size_t raw(u8 *out, const u8 *der, size_t len, u16 half)
{
    const unsigned char *p = der;
    ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)len);
    bool ok = s && BN_bn2binpad(ECDSA_SIG_get0_r(s), out, half) == half &&
              BN_bn2binpad(ECDSA_SIG_get0_s(s), out + half, half) == half;
    ECDSA_SIG_free(s);
    return ok ? 2u * half : 0;
}

size_t pki_sign(const struct pki_key *k, const u8 *hash, size_t len, u8 out[PKI_SIG_MAX])
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k->k, NULL);
    enum pki_kind kind = pki_kind_of(k->k);
    u8 sig[PKI_SIG_MAX];
    size_t n = sizeof sig;
    bool ok = ctx && EVP_PKEY_sign_init(ctx) == 1 &&
              (kind != PKI_RSA || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1) &&
              (size_t)EVP_PKEY_get_size(k->k) <= sizeof sig &&
              EVP_PKEY_sign(ctx, sig, &n, hash, len) == 1;
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    if (!ok) {
        return 0;
    }
    if (kind != PKI_RSA) {
        return raw(out, sig, n, kinds[kind].half);
    }
    memcpy(out, sig, n);
    return n;
}

/* unraw: the DER that libcrypto wants of r and s; owned by the caller, NULL: no such signature. */
static unsigned char *unraw(const u8 *sig, size_t len, u16 half, int *out_len)
{
    unsigned char *der = NULL;
    ECDSA_SIG *s = len == 2u * half ? ECDSA_SIG_new() : NULL;
    BIGNUM *r = s ? BN_bin2bn(sig, half, NULL) : NULL,
           *v = s ? BN_bin2bn(sig + half, half, NULL) : NULL;
    *out_len = 0;
    if (r && v && ECDSA_SIG_set0(s, r, v) == 1) {
        *out_len = i2d_ECDSA_SIG(s, &der);
    } else {
        BN_free(r);
        BN_free(v);
    }
    ECDSA_SIG_free(s);
    return der;
}

bool pki_signed(EVP_PKEY *k, const u8 *hash, size_t len, const u8 *sig, size_t sig_len)
{
    enum pki_kind kind = pki_kind_of(k);
    unsigned char *der = NULL;
    int n = 0;
    if (kind == PKI_NO_KIND) {
        return false;
    }
    if (kind != PKI_RSA && !(der = unraw(sig, sig_len, kinds[kind].half, &n))) {
        return false;
    }
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k, NULL);
    bool ok = ctx && EVP_PKEY_verify_init(ctx) == 1 &&
              (kind != PKI_RSA || EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1) &&
              EVP_PKEY_verify(ctx, der ? der : sig, der ? (size_t)n : sig_len, hash, len) == 1;
    EVP_PKEY_CTX_free(ctx);
    OPENSSL_free(der);
    ERR_clear_error();
    return ok;
}

/* ---- requests ---- */

/* add_subject: "cn=R1, o=Example" into a name. */
static bool add_subject(X509_NAME *n, const char *text)
{
    char buf[PKI_NAME], *rest = buf, *part;
    if (!str_copy(buf, sizeof buf, text)) {
        return false;
    }
    while ((part = strsep(&rest, ","))) {
        char *eq = strchr(part, '=');
        part += strspn(part, " ");
        if (!*part) {
            continue;
        }
        if (!eq || eq < part) {
            return false;
        }
        *eq++ = 0;
        eq += strspn(eq, " ");
        for (char *p = part; *p; p++) {
            *p = *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p == ' ' ? 0 : *p;
        }
        const char *field = strcmp(part, "E") == 0          ? "emailAddress"
                            : strcmp(part, "HOSTNAME") == 0 ? "unstructuredName"
                                                            : part;
        if (X509_NAME_add_entry_by_txt(n, field, MBSTRING_UTF8, (const u8 *)eq, -1, 0, 0) != 1) {
            return false; /* in front: the text begins with the most specific one */
        }
    }
    return true;
}

static bool push_name(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
    GENERAL_NAME *g = value ? GENERAL_NAME_new() : NULL;
    if (!g) {
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(g, type, value);
    if (sk_GENERAL_NAME_push(names, g) <= 0) {
        GENERAL_NAME_free(g);
        return false;
    }
    return true;
}

static ASN1_STRING *string_of(int type, const void *p, size_t len)
{
    ASN1_STRING *s = ASN1_STRING_type_new(type);
    if (s && ASN1_STRING_set(s, p, (int)len) != 1) {
        ASN1_STRING_free(s);
        s = NULL;
    }
    return s;
}

static bool add_extensions(X509_REQ *req, const struct pki_request *r)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    STACK_OF(X509_EXTENSION) *ext = NULL;
    bool ok = names != NULL;
    if (ok && r->fqdn && r->fqdn[0]) {
        ok = push_name(names, GEN_DNS, string_of(V_ASN1_IA5STRING, r->fqdn, strlen(r->fqdn)));
    }
    if (ok && r->ip.family) {
        ok = push_name(names, GEN_IPADD, string_of(V_ASN1_OCTET_STRING, r->ip.b, addr_len(&r->ip)));
    }
    if (ok && sk_GENERAL_NAME_num(names)) {
        ok = X509V3_add1_i2d(&ext, NID_subject_alt_name, names, 0, 0) == 1;
    }
    if (ok) {
        ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
        ok = usage && ASN1_BIT_STRING_set_bit(usage, 0, 1) == 1 &&
             ASN1_BIT_STRING_set_bit(usage, 2, 1) == 1 && /* digitalSignature, keyEncipherment */
             X509V3_add1_i2d(&ext, NID_key_usage, usage, 1, 0) == 1;
        ASN1_BIT_STRING_free(usage);
    }
    ok = ok && X509_REQ_add_extensions(req, ext) == 1;
    sk_X509_EXTENSION_pop_free(ext, X509_EXTENSION_free);
    GENERAL_NAMES_free(names);
    return ok;
}

size_t pki_request(const struct pki_key *k, const struct pki_request *r, u8 *out, size_t cap)
{
    X509_REQ *req = X509_REQ_new();
    X509_NAME *name = X509_NAME_new();
    unsigned char *der = NULL;
    bool ok = req && name && add_subject(name, r->subject ? r->subject : "") &&
              X509_REQ_set_version(req, X509_REQ_VERSION_1) == 1 &&
              X509_REQ_set_subject_name(req, name) == 1 && X509_REQ_set_pubkey(req, k->k) == 1 &&
              add_extensions(req, r) && X509_REQ_sign(req, k->k, EVP_sha256()) > 0;
    int n = ok ? i2d_X509_REQ(req, &der) : 0;
    size_t len = n > 0 && (size_t)n <= cap ? (size_t)n : 0;
    if (len) {
        memcpy(out, der, len);
    }
    OPENSSL_free(der);
    X509_NAME_free(name);
    X509_REQ_free(req);
    ERR_clear_error();
    return len;
}
