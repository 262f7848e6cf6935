/*
 * bulk_rng.c: unpredictable IVs for CBC (RFC 3602 3, RFC 2451 3) without a system call per packet:
 * an AES-128-CTR keystream with fast key erasure. See bulk.h.
 */
#include "crypto/bulk.h"

#include <stdlib.h>

#include <openssl/evp.h>

void bulk_rng_init(struct bulk_rng *r, const struct env *env)
{
    memset(r, 0, sizeof *r);
    r->env = env;
    r->ctx = EVP_CIPHER_CTX_new();
    if (!r->ctx) {
        abort();
    }
    r->pos = BULK_RNG_POOL;
}

void bulk_rng_free(struct bulk_rng *r)
{
    EVP_CIPHER_CTX_free(r->ctx);
    mem_wipe(r, sizeof *r);
}

void bulk_rng_refill(struct bulk_rng *r)
{
    static const u8 zero[16];
    if (r->refills++ % BULK_RNG_RESEED == 0) {
        u8 fresh[16];
        env_random(r->env, fresh, sizeof fresh);
        for (unsigned i = 0; i < sizeof fresh; i++) {
            r->key[i] ^= fresh[i];
        }
        mem_wipe(fresh, sizeof fresh);
    }
    int n = 0;
    memset(r->pool, 0, sizeof r->pool);
    if (EVP_EncryptInit_ex(r->ctx, EVP_aes_128_ctr(), NULL, r->key, zero) != 1 ||
        EVP_EncryptUpdate(r->ctx, r->pool, &n, r->pool, BULK_RNG_POOL) != 1) {
        abort(); /* a predictable IV would be worse */
    }
    memcpy(r->key, r->pool, sizeof r->key); /* the new key; those bytes are never given out */
    mem_wipe(r->pool, sizeof r->key);
    r->pos = sizeof r->key;
}
