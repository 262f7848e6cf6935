/*
 * pem.c: certificates and CRLs out of the texts operators have: PEM (RFC 7468) with whatever stands around it, bare base64 as IOS
 * takes it at its terminal, DER. Before: cli/cmd_conf_pki.c, which has the text. After: cert.c, trust.c.
 */
#include "pki/pki_int.h"

#include <ctype.h>
#include <openssl/pem.h>
#include <stdlib.h>

static const char begin_mark[] = "-----BEGIN ";

static bool armoured(const char *text, size_t len)
{
    return memmem(text, len, begin_mark, sizeof begin_mark - 1) != NULL;
}

/* each_block: calls fn for the PEM blocks of that type. */
static unsigned each_block(const char *text, size_t len, const char *type, pki_der_fn fn, void *ctx)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long size = 0;
    unsigned num = 0;
    while (bio && PEM_read_bio_ex(bio, &name, &header, &data, &size, PEM_FLAG_SECURE) == 1) {
        if (strcmp(name, type) == 0 && size > 0) {
            fn(ctx, data, (size_t)size);
            num++;
        }
        OPENSSL_secure_free(name);
        OPENSSL_secure_free(header);
        OPENSSL_secure_clear_free(data, (size_t)size); /* it may have been a key */
        name = header = NULL;
        data = NULL;
    }
    BIO_free(bio);
    return num;
}

/* unbase64: all of the text is base64 and blanks; malloced; NULL: it is not. */
static u8 *unbase64(const char *text, size_t len, size_t *out_len)
{
    u8 *packed = xcalloc(1, len + 4), *out = xcalloc(1, len + 4);
    size_t n = 0;
    bool ok = true;
    for (size_t i = 0; i < len; i++) {
        if (!isspace((unsigned char)text[i])) {
            packed[n++] = (u8)text[i];
        }
    }
    int got = ok && n && n % 4 == 0 ? EVP_DecodeBlock(out, packed, (int)n) : -1;
    if (got > 0) {
        got -= (packed[n - 1] == '=') + (packed[n - 2] == '=');
    }
    mem_wipe(packed, n); /* it may be a key that was pasted in the wrong place */
    free(packed);
    if (got <= 0) {
        mem_wipe(out, len);
        free(out);
        return NULL;
    }
    *out_len = (size_t)got;
    return out;
}

static unsigned each(const void *text, size_t len, const char *type, bool (*is)(const u8 *, size_t),
                     pki_der_fn fn, void *ctx)
{
    size_t n = 0;
    if (len > INT32_MAX) {
        return 0;
    }
    if (armoured(text, len)) {
        return each_block(text, len, type, fn, ctx);
    }
    if (is(text, len)) {
        fn(ctx, text, len);
        return 1;
    }
    u8 *der = unbase64(text, len, &n);
    bool ok = der && is(der, n);
    if (ok) {
        fn(ctx, der, n);
    }
    if (der) {
        mem_wipe(der, n);
    }
    free(der);
    return ok;
}

static bool is_cert(const u8 *der, size_t len)
{
    X509 *x = pki_x509(der, len);
    X509_free(x);
    return x != NULL;
}

unsigned pki_each_cert(const void *text, size_t len, pki_der_fn fn, void *ctx)
{
    return each(text, len, PEM_STRING_X509, is_cert, fn, ctx);
}

unsigned pki_each_crl(const void *text, size_t len, pki_der_fn fn, void *ctx)
{
    return each(text, len, PEM_STRING_X509_CRL, pki_crl_ok, fn, ctx);
}

bool pki_has_key(const char *text, size_t len)
{
    static const char mark[] = "PRIVATE KEY-----";
    return memmem(text, len, mark, sizeof mark - 1) != NULL;
}

void pki_pem(struct strbuf *out, const char *type, const u8 *der, size_t len)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    if (bio && PEM_write_bio(bio, type, "", der, (long)len) > 0) {
        long n = BIO_get_mem_data(bio, &text);
        sb_addn(out, text, n > 0 ? (size_t)n : 0);
    }
    BIO_free(bio);
}
