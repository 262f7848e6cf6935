/*
 * prf.c: hashes, and HMAC as the IKEv1 prf (RFC 2409 4, RFC 2104), over libcrypto's digests. Inputs
 * are lists of pieces, because every formula of RFC 2409 5 is a concatenation.
 */
#include "crypto/crypto.h"

#include <openssl/evp.h>
#include <stdlib.h>

static const EVP_MD *md_of(enum hash_id h)
{
    switch (h) {
    case HASH_MD5: return EVP_md5();
    case HASH_SHA1: return EVP_sha1();
    case HASH_SHA256: return EVP_sha256();
    case HASH_SHA384: return EVP_sha384();
    case HASH_SHA512: return EVP_sha512();
    default: return NULL;
    }
}

/* digest: one hash over a first block (may be NULL) and the pieces. A library that cannot hash is
 * our end. */
static void digest(u8 *out, const EVP_MD *md, const u8 *first, size_t first_len,
                   const struct iov *v, size_t num)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && md && EVP_DigestInit_ex(ctx, md, NULL) == 1;
    ok = ok && (!first || EVP_DigestUpdate(ctx, first, first_len) == 1);
    for (size_t i = 0; ok && i < num; i++) {
        ok = v[i].len == 0 || EVP_DigestUpdate(ctx, v[i].p, v[i].len) == 1;
    }
    ok = ok && EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok) {
        abort();
    }
}

void hash_of(u8 *out, enum hash_id h, const struct iov *v, size_t num)
{
    digest(out, md_of(h), NULL, 0, v, num);
}

void prf_of(u8 *out, enum hash_id h, const void *key, size_t key_len, const struct iov *v,
            size_t num)
{
    enum { BLOCK_MAX = 128 };
    const EVP_MD *md = md_of(h);
    size_t block = h >= HASH_SHA384 ? 128 : 64;
    u8 k[BLOCK_MAX] = {0}, pad[BLOCK_MAX], inner[HASH_MAX];
    if (key_len > block) {
        digest(k, md, NULL, 0, &(struct iov){key, key_len}, 1);
    } else if (key_len) {
        memcpy(k, key, key_len);
    }
    for (size_t i = 0; i < block; i++) {
        pad[i] = k[i] ^ 0x36;
    }
    digest(inner, md, pad, block, v, num);
    for (size_t i = 0; i < block; i++) {
        pad[i] = k[i] ^ 0x5c;
    }
    digest(out, md, pad, block, &(struct iov){inner, hash_row(h)->len}, 1);
    mem_wipe(k, sizeof k);
    mem_wipe(pad, sizeof pad);
    mem_wipe(inner, sizeof inner);
}
