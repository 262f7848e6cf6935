/*
 * verify.c: a peer's certificates against a trustpoint (RFC 5280 6, by libcrypto's X509_verify_cert), what they may be used for
 * and the identity they stand for (RFC 4945 3.1, 5.1.3). Every refusal is one enum pki_fault and says what it is about. Walk:
 * ike/auth_sig.c -> pki_verify, pki_verify_sig.
 */
#include "pki/pki_int.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <strings.h>

static const struct {
    const char *name, *text;
} faults[PKF_NUM] = {
#define F(id, name, text) [PKF_##id] = {name, text},
    PKI_FAULTS(F)
#undef F
};

const char *pki_fault_name(enum pki_fault f)
{
    return faults[f < PKF_NUM ? f : PKF_OTHER].name;
}

const char *pki_fault_text(enum pki_fault f)
{
    return faults[f < PKF_NUM ? f : PKF_OTHER].text;
}

struct pki_peer *pki_peer_new(void)
{
    struct pki_peer *p = xcalloc(1, sizeof *p);
    p->certs = sk_X509_new_null();
    p->crls = sk_X509_CRL_new_null();
    if (!p->certs || !p->crls) {
        abort();
    }
    return p;
}

void pki_peer_free(struct pki_peer *p)
{
    if (p) {
        sk_X509_pop_free(p->certs, X509_free);
        sk_X509_CRL_pop_free(p->crls, X509_CRL_free);
        free(p);
    }
}

bool pki_peer_add(struct pki_peer *p, const u8 *der, size_t len)
{
    X509 *x = sk_X509_num(p->certs) < PKI_CHAIN_MAX ? pki_x509(der, len) : NULL;
    if (x && sk_X509_push(p->certs, x) > 0) {
        return true;
    }
    X509_free(x);
    return false;
}

bool pki_peer_crl(struct pki_peer *p, const u8 *der, size_t len)
{
    X509_CRL *x = sk_X509_CRL_num(p->crls) < PKI_CHAIN_MAX ? pki_x509_crl(der, len) : NULL;
    if (x && sk_X509_CRL_push(p->crls, x) > 0) {
        return true;
    }
    X509_CRL_free(x);
    return false;
}

/* ---- the identity (RFC 4945 3.1) ---- */

static bool same_name(const ASN1_STRING *s, const struct pki_id *id)
{
    size_t len = (size_t)ASN1_STRING_length(s);
    const char *p = (const char *)ASN1_STRING_get0_data(s);
    return len && len == id->len && !memchr(p, 0, len) &&
           strncasecmp(p, (const char *)id->p, len) == 0;
}

static bool in_alt_names(X509 *x, const struct pki_id *id)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type == GEN_DNS) {
            found = id->type == PKI_ID_FQDN && same_name(g->d.dNSName, id);
        } else if (g->type == GEN_EMAIL) {
            found = id->type == PKI_ID_USER_FQDN && same_name(g->d.rfc822Name, id);
        } else if (g->type == GEN_IPADD) {
            found = id->type == PKI_ID_ADDR &&
                    (size_t)ASN1_STRING_length(g->d.iPAddress) == id->len &&
                    memcmp(ASN1_STRING_get0_data(g->d.iPAddress), id->p, id->len) == 0;
        }
    }
    GENERAL_NAMES_free(names);
    return found;
}

/* in_subject: IOS puts its names into the subject, as unstructuredName and unstructuredAddress. */
static bool in_subject(const X509 *x, const struct pki_id *id)
{
    char text[PKI_NAME];
    struct addr a;
    if (id->type == PKI_ID_FQDN) {
        return pki_unstructured(x, NID_pkcs9_unstructuredName, text) && strlen(text) == id->len &&
               strncasecmp(text, (const char *)id->p, id->len) == 0;
    }
    return id->type == PKI_ID_ADDR && pki_unstructured(x, NID_pkcs9_unstructuredAddress, text) &&
           addr_parse(&a, text) && addr_len(&a) == id->len && memcmp(a.b, id->p, id->len) == 0;
}

static bool is_subject(const X509 *x, const struct pki_id *id)
{
    const unsigned char *p = id->p;
    X509_NAME *n = id->len ? d2i_X509_NAME(NULL, &p, (long)id->len) : NULL;
    bool same = n && p == id->p + id->len && X509_NAME_entry_count(n) > 0 &&
                X509_NAME_cmp(X509_get_subject_name(x), n) == 0;
    X509_NAME_free(n);
    ERR_clear_error();
    return same;
}

static bool holds(X509 *x, const struct pki_id *id)
{
    return id->type == PKI_ID_DN ? is_subject(x, id) : in_alt_names(x, id) || in_subject(x, id);
}

bool pki_trust_holds(const struct pki_trust *t, const struct pki_id *id)
{
    X509 *x = sk_X509_value(t->own, 0);
    return x && holds(x, id);
}

/* own_of: which of them is the peer's own: the one with its identity, else the first that is no CA, else the first. */
static X509 *own_of(const struct pki_peer *p, const struct pki_id *id)
{
    X509 *plain = NULL;
    for (int i = 0; i < sk_X509_num(p->certs); i++) {
        X509 *x = sk_X509_value(p->certs, i);
        if (holds(x, id)) {
            return x;
        }
        plain = !plain && !pki_is_ca(x) ? x : plain;
    }
    return plain ? plain : sk_X509_value(p->certs, 0);
}

/* ---- the chain ---- */

static enum pki_fault fault_of(int error)
{
    switch (error) {
    case X509_V_OK: return PKF_FINE;
    case X509_V_ERR_CERT_HAS_EXPIRED: return PKF_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID: return PKF_NOT_YET;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return PKF_NO_ISSUER;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CERT_SIGNATURE: return PKF_FORGED;
    case X509_V_ERR_CERT_REVOKED: return PKF_REVOKED;
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE: return PKF_NO_CRL;
    case X509_V_ERR_CRL_HAS_EXPIRED: return PKF_CRL_OLD;
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_DECRYPT_CRL_SIGNATURE:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_KEYUSAGE_NO_CRL_SIGN: return PKF_CRL_BAD;
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK: return PKF_WEAK;
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
    case X509_V_ERR_PATH_LENGTH_EXCEEDED:
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
    case X509_V_ERR_PERMITTED_VIOLATION:
    case X509_V_ERR_EXCLUDED_VIOLATION: return PKF_CHAIN;
    case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION: return PKF_CRITICAL;
    default: return PKF_OTHER;
    }
}

/* about: "cn=R1,o=Example (not after 10:46:38 UTC Jan 1 2030)" */
static void about(char detail[PKI_DETAIL], enum pki_fault f, const X509 *x, const char *more)
{
    char name[PKI_NAME] = "?", when[PKI_TIME];
    struct tm tm = {0};
    const ASN1_TIME *t = !x                 ? NULL
                         : f == PKF_EXPIRED ? X509_get0_notAfter(x)
                                            : X509_get0_notBefore(x);
    if (x) {
        pki_name_text(name, X509_get_subject_name(x));
    }
    if (t && (f == PKF_EXPIRED || f == PKF_NOT_YET) && ASN1_TIME_to_tm(t, &tm) == 1) {
        snprintf(detail, PKI_DETAIL, "%.110s (not %s %s)", name,
                 f == PKF_EXPIRED ? "after" : "before", pki_time_text(when, (int64_t)timegm(&tm)));
    } else {
        snprintf(detail, PKI_DETAIL, "%.110s%s%.70s", name, more[0] ? ": " : "", more);
    }
}

/* May a missing answer about revocation be passed over? The anchor of the chain is trusted by configuration; who else is, only
 * when revocation-check ends with none. What the CRL does say always counts. */
static int on_verify(int ok, X509_STORE_CTX *ctx)
{
    const struct pki_trust *t = X509_STORE_CTX_get_app_data(ctx);
    enum pki_fault f = fault_of(ok ? X509_V_OK : X509_STORE_CTX_get_error(ctx));
    bool open = f == PKF_NO_CRL || f == PKF_CRL_OLD;
    int depth = X509_STORE_CTX_get_error_depth(ctx),
        last = sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1;
    bool anchor = f == PKF_NO_CRL && depth == last && depth > 0;
    if (!ok && (anchor || (open && t->policy.none))) {
        X509_STORE_CTX_set_error(ctx, X509_V_OK);
        return 1;
    }
    return ok;
}

static enum pki_fault check_chain(const struct pki_trust *t, const struct pki_peer *p, X509 *own,
                                  u64 now_s, bool with_crls, char detail[PKI_DETAIL])
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    enum pki_fault f = PKF_OTHER;
    detail[0] = 0;
    if (ctx && X509_STORE_CTX_init(ctx, t->store, own, p->certs) == 1) {
        X509_VERIFY_PARAM *v = X509_STORE_CTX_get0_param(ctx);
        unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;
        if (t->policy.crl) {
            flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
        }
        X509_VERIFY_PARAM_set_flags(v, flags);
        X509_VERIFY_PARAM_set_time(v, (time_t)now_s);
        X509_VERIFY_PARAM_set_depth(v, PKI_CHAIN_MAX);
        X509_VERIFY_PARAM_set_auth_level(v,
                                         1); /* 80 bits: not MD5, not SHA-1, not RSA below 1024 */
        X509_STORE_CTX_set_app_data(ctx, (void *)(uintptr_t)t);
        X509_STORE_CTX_set_verify_cb(ctx, on_verify);
        if (with_crls) {
            X509_STORE_CTX_set0_crls(ctx, p->crls);
        }
        bool ok = X509_verify_cert(ctx) == 1;
        int error = X509_STORE_CTX_get_error(ctx);
        f = ok ? PKF_FINE : fault_of(error);
        f = !ok && f == PKF_FINE ? PKF_OTHER : f;
        if (!ok) {
            about(detail, f, X509_STORE_CTX_get_current_cert(ctx),
                  f == PKF_OTHER || f == PKF_CHAIN ? X509_verify_cert_error_string(error) : "");
        }
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return f;
}

/* for_ike: RFC 4945 5.1.3.2: a key usage that is there allows signatures; 5.1.3.12: so does an extended one, or it does not say
 * what for. Servers' and clients' certificates are common in IKE, too. */
static bool for_ike(X509 *x)
{
    static const int fine[] = {NID_anyExtendedKeyUsage, NID_ipsec_IKE, NID_ipsecEndSystem,
                               NID_ipsecTunnel,         NID_ipsecUser, NID_server_auth,
                               NID_client_auth};
    bool ok = (X509_get_key_usage(x) & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) != 0;
    EXTENDED_KEY_USAGE *e = X509_get_ext_d2i(x, NID_ext_key_usage, NULL, NULL);
    bool any = e == NULL;
    for (int i = 0; i < sk_ASN1_OBJECT_num(e) && !any; i++) {
        char oid[32];
        const ASN1_OBJECT *o = sk_ASN1_OBJECT_value(e, i);
        OBJ_obj2txt(oid, sizeof oid, o, 1);
        any = strcmp(oid, "1.3.6.1.5.5.8.2.2") == 0; /* iKEIntermediate */
        for (unsigned n = 0; n < ARRAY_LEN(fine) && !any; n++) {
            any = OBJ_obj2nid(o) == fine[n];
        }
    }
    sk_ASN1_OBJECT_pop_free(e, ASN1_OBJECT_free);
    return ok && any;
}

static enum pki_fault check_own(X509 *own, const struct pki_id *id, enum pki_kind kind)
{
    const EVP_PKEY *k = X509_get0_pubkey(own);
    return !k || pki_kind_of(k) != kind ? PKF_KEY
           : !for_ike(own)              ? PKF_USAGE
           : id->type == PKI_ID_OTHER   ? PKF_ID_TYPE
           : !holds(own, id)            ? PKF_NAME
                                        : PKF_FINE;
}

enum pki_fault pki_verify(const struct pki_trust *t, const struct pki_peer *p,
                          const struct pki_id *id, enum pki_kind kind, u64 now_s,
                          char detail[PKI_DETAIL])
{
    X509 *own = own_of(p, id);
    detail[0] = 0;
    if (!own) {
        return PKF_NO_CERT;
    }
    enum pki_fault f = check_chain(t, p, own, now_s, false, detail);
    if ((f == PKF_NO_CRL || f == PKF_CRL_OLD) && sk_X509_CRL_num(p->crls)) {
        /* what the peer brought along, where we have nothing better: it may be older than ours would be */
        f = check_chain(t, p, own, now_s, true, detail);
    }
    if (f == PKF_FINE && t->policy.ocsp && !t->policy.crl && !t->policy.none) {
        f = PKF_NO_OCSP;
        about(detail, f, own, "");
    }
    if (f == PKF_FINE) {
        f = check_own(own, id, kind);
        about(detail, f, own, "");
    }
    ERR_clear_error();
    return f;
}

bool pki_verify_sig(const struct pki_peer *p, const struct pki_id *id, enum pki_kind kind,
                    const u8 *hash, size_t hash_len, const u8 *sig, size_t sig_len)
{
    X509 *own = own_of(p, id);
    EVP_PKEY *k = own ? X509_get0_pubkey(own) : NULL;
    bool ok = k && pki_kind_of(k) == kind && pki_signed(k, hash, hash_len, sig, sig_len);
    ERR_clear_error();
    return ok;
}
