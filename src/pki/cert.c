/*
 * cert.c: what a certificate says (RFC 5280 4), read by libcrypto and told as plain values and texts, in the wording of IOS.
 */
#include "pki/pki_int.h"

#include <openssl/err.h>
#include <time.h>

/* ---- names ---- */

/* attribute: what IOS calls it, else libcrypto's short name, in small letters. */
static void attribute(char out[32], const ASN1_OBJECT *o)
{
    int nid = OBJ_obj2nid(o);
    const char *name = nid == NID_pkcs9_unstructuredName ? "hostname"
                       : nid == NID_pkcs9_emailAddress   ? "e"
                       : nid == NID_undef                ? NULL
                                                         : OBJ_nid2sn(nid);
    if (name) {
        str_copy(out, 32, name);
    } else {
        OBJ_obj2txt(out, 32, o, 1);
    }
    for (char *p = out; *p; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
    }
}

/* printable: strangers chose the bytes, and they end on a terminal. */
static void printable(char *out, size_t cap, const ASN1_STRING *s)
{
    unsigned char *utf8 = NULL;
    int n = ASN1_STRING_to_UTF8(&utf8, s);
    size_t used = 0;
    for (int i = 0; i < n && used + 1 < cap; i++) {
        out[used++] = utf8[i] < 0x20 || utf8[i] > 0x7e ? '?' : (char)utf8[i];
    }
    out[used] = 0;
    OPENSSL_free(utf8);
}

void pki_name_text(char out[PKI_NAME], const X509_NAME *n)
{
    size_t used = 0;
    out[0] = 0;
    for (int i = X509_NAME_entry_count(n) - 1; i >= 0; i--) { /* the most specific one first */
        const X509_NAME_ENTRY *e = X509_NAME_get_entry(n, i);
        char what[32], value[PKI_NAME];
        attribute(what, X509_NAME_ENTRY_get_object(e));
        printable(value, sizeof value, X509_NAME_ENTRY_get_data(e));
        int add = snprintf(out + used, PKI_NAME - used, "%s%s=%s", used ? "," : "", what, value);
        if (add < 0 || (size_t)add >= PKI_NAME - used) {
            return;
        }
        used += (size_t)add;
    }
}

bool pki_dn_text(char out[PKI_NAME], const u8 *der, size_t len)
{
    const unsigned char *p = der;
    X509_NAME *n = len ? d2i_X509_NAME(NULL, &p, (long)len) : NULL;
    bool ok = n && p == der + len;
    if (ok) {
        pki_name_text(out, n);
    }
    X509_NAME_free(n);
    ERR_clear_error();
    return ok;
}

bool pki_dn_unit(char *out, size_t cap, const u8 *der, size_t len)
{
    const unsigned char *p = der;
    unsigned char *text = NULL;
    X509_NAME *n = len ? d2i_X509_NAME(NULL, &p, (long)len) : NULL;
    int at = n && p == der + len ? X509_NAME_get_index_by_NID(n, NID_organizationalUnitName, -1) : -1;
    int got = at < 0 ? 0 : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(n, at)));
    bool ok = got > 0 && (size_t)got < cap;
    for (int i = 0; ok && i < got; i++) {
        ok = text[i] > ' ' && text[i] <= '~';
        out[i] = (char)text[i];
    }
    out[ok ? got : 0] = 0;
    OPENSSL_free(text);
    X509_NAME_free(n);
    ERR_clear_error();
    return ok;
}

bool pki_unstructured(const X509 *x, int nid, char out[PKI_NAME])
{
    const X509_NAME *n = X509_get_subject_name(x);
    int at = X509_NAME_get_index_by_NID(n, nid, -1);
    if (at < 0) {
        return false;
    }
    printable(out, PKI_NAME, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(n, at)));
    return true;
}

size_t pki_subject(u8 *out, size_t cap, const u8 *der, size_t len)
{
    X509 *x = pki_x509(der, len);
    int n = x ? i2d_X509_NAME(X509_get_subject_name(x), NULL) : 0;
    unsigned char *p = out;
    if (n > 0 && (size_t)n <= cap) {
        n = i2d_X509_NAME(X509_get_subject_name(x), &p);
    } else {
        n = 0;
    }
    X509_free(x);
    return n > 0 ? (size_t)n : 0;
}

/* ---- facts ---- */

static int64_t seconds(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

const char *pki_time_text(char out[PKI_TIME], int64_t s)
{
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t t = (time_t)s;
    struct tm tm;
    gmtime_r(&t, &tm);
    snprintf(out, PKI_TIME, "%02d:%02d:%02d UTC %s %d %d", tm.tm_hour, tm.tm_min, tm.tm_sec,
             months[tm.tm_mon], tm.tm_mday, tm.tm_year + 1900);
    return out;
}

static void find_fqdn(struct pki_facts *out, X509 *x)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !out->fqdn[0]; i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        if (g->type == GEN_DNS) {
            printable(out->fqdn, sizeof out->fqdn, g->d.dNSName);
        }
    }
    GENERAL_NAMES_free(names);
    if (!out->fqdn[0]) {
        (void)pki_unstructured(x, NID_pkcs9_unstructuredName, out->fqdn);
    }
}

static void find_crl_url(struct pki_facts *out, X509 *x)
{
    CRL_DIST_POINTS *points = X509_get_ext_d2i(x, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; i < sk_DIST_POINT_num(points) && !out->crl_url[0]; i++) {
        const DIST_POINT *p = sk_DIST_POINT_value(points, i);
        const GENERAL_NAMES *n =
            p->distpoint && p->distpoint->type == 0 ? p->distpoint->name.fullname : NULL;
        const GENERAL_NAME *g = sk_GENERAL_NAME_num(n) > 0 ? sk_GENERAL_NAME_value(n, 0) : NULL;
        if (g && g->type == GEN_URI) {
            printable(out->crl_url, sizeof out->crl_url, g->d.uniformResourceIdentifier);
        }
    }
    CRL_DIST_POINTS_free(points);
}

bool pki_is_ca(X509 *x)
{
    return X509_check_ca(x) > 0;
}

bool pki_facts(struct pki_facts *out, const u8 *der, size_t len)
{
    X509 *x = pki_x509(der, len);
    unsigned n;
    memset(out, 0, sizeof *out);
    if (!x) {
        return false;
    }
    pki_name_text(out->subject, X509_get_subject_name(x));
    pki_name_text(out->issuer, X509_get_issuer_name(x));
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x);
    for (int i = 0; i < serial->length && i < (int)sizeof out->serial / 2 - 1; i++) {
        snprintf(out->serial + 2 * i, 3, "%02X", serial->data[i]);
    }
    out->not_before = seconds(X509_get0_notBefore(x));
    out->not_after = seconds(X509_get0_notAfter(x));
    const EVP_PKEY *k = X509_get0_pubkey(x);
    out->kind = (u8)(k ? pki_kind_of(k) : PKI_NO_KIND);
    out->bits = (u16)(k ? EVP_PKEY_get_bits(k) : 0);
    out->ca = pki_is_ca(x);
    out->self_signed = (X509_get_extension_flags(x) & EXFLAG_SS) != 0;
    u32 usage = X509_get_key_usage(x);
    out->signs = (usage & (KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION | KU_KEY_CERT_SIGN)) != 0;
    out->enciphers = (usage & KU_KEY_ENCIPHERMENT) != 0;
    str_copy(out->signature, sizeof out->signature, OBJ_nid2sn(X509_get_signature_nid(x)));
    (void)X509_digest(x, EVP_md5(), out->md5, &n);
    (void)X509_digest(x, EVP_sha1(), out->sha1, &n);
    find_fqdn(out, x);
    find_crl_url(out, x);
    X509_free(x);
    ERR_clear_error();
    return true;
}
