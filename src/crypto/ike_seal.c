/*
 * ike_seal.c: CBC protection of IKEv1 messages (RFC 2409 appendix B). The IV chains from message to
 * message, so it is handed in, moved on, and kept by whoever owns the exchange.
 *
 * Single DES runs as triple DES with the same key three times: that is the same function (E D E
 * cancels), and the default provider has it, so no legacy provider has to be opened before the
 * process gives up its rights.
 */
#include "crypto/crypto.h"

#include <openssl/evp.h>

static const EVP_CIPHER *cipher_of(enum encr_id e)
{
    switch (e) {
    case ENCR_DES:
    case ENCR_3DES: return EVP_des_ede3_cbc();
    case ENCR_AES128: return EVP_aes_128_cbc();
    case ENCR_AES192: return EVP_aes_192_cbc();
    case ENCR_AES256: return EVP_aes_256_cbc();
    default: return NULL;
    }
}

bool ike_cbc(enum encr_id encr, bool encrypt, const u8 *key, u8 *iv, u8 *data, size_t len)
{
    const EVP_CIPHER *c = cipher_of(encr);
    size_t block = encr_row(encr)->block;
    if (!c || len == 0 || len % block || len > 1u << 20) {
        return false;
    }
    u8 k[32], next[16];
    memcpy(k, key, encr_row(encr)->key_len);
    if (encr == ENCR_DES) {
        memcpy(k + 8, key, 8);
        memcpy(k + 16, key, 8);
    }
    memcpy(next, data + len - block,
           block); /* decrypting: the last ciphertext block, before it is overwritten */
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int n = 0;
    bool ok = ctx && EVP_CipherInit_ex(ctx, c, NULL, k, iv, encrypt) == 1 &&
              EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 &&
              EVP_CipherUpdate(ctx, data, &n, data, (int)len) == 1 && (size_t)n == len;
    EVP_CIPHER_CTX_free(ctx);
    mem_wipe(k, sizeof k);
    if (ok) {
        memcpy(iv, encrypt ? data + len - block : next, block);
    }
    return ok;
}
