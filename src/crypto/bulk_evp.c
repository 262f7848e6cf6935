/*
 * bulk_evp.c: the portable ESP engine on OpenSSL EVP, one packet at a time. Slow on purpose-built
 * machines, right everywhere: the tests open with it what bulk_mb.c sealed, and the other way
 * round. See bulk.h.
 *
 * To add a cipher: its line in cipher_of().
 */
#include "crypto/bulk.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

struct evp_state {
    EVP_MAC *hmac; /* owned */
};
struct evp_key {
    EVP_CIPHER_CTX *enc, *dec; /* owned; NULL for ENCR_NULL */
    EVP_MAC_CTX *mac;          /* owned; NULL without HMAC */
};
_Static_assert(sizeof(struct evp_key) <= BULK_STATE, "key state too small");

static struct evp_key *key_of(struct bulk_key *k)
{
    return (struct evp_key *)(void *)k->state;
}

static const EVP_CIPHER *cipher_of(u8 encr)
{
    switch (encr) {
    case ENCR_DES: /* with K1 = K2 = K3, which is DES, so that no legacy provider is needed */
    case ENCR_3DES: return EVP_des_ede3_cbc();
    case ENCR_AES128: return EVP_aes_128_cbc();
    case ENCR_AES192: return EVP_aes_192_cbc();
    case ENCR_AES256: return EVP_aes_256_cbc();
    case ENCR_GCM128: return EVP_aes_128_gcm();
    case ENCR_GCM192: return EVP_aes_192_gcm();
    case ENCR_GCM256: return EVP_aes_256_gcm();
    default: return NULL;
    }
}

static const char *digest_of(u8 auth)
{
    static const char *const name[HASH_NUM] = {[HASH_MD5] = "MD5",
                                               [HASH_SHA1] = "SHA1",
                                               [HASH_SHA256] = "SHA256",
                                               [HASH_SHA384] = "SHA384",
                                               [HASH_SHA512] = "SHA512"};
    return name[auth];
}

static bool evp_start(void *state)
{
    struct evp_state *s = state;
    s->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    return s->hmac != NULL;
}

static void evp_stop(void *state)
{
    EVP_MAC_free(((struct evp_state *)state)->hmac);
}

static void evp_wipe(struct bulk_key *k)
{
    struct evp_key *e = key_of(k);
    EVP_CIPHER_CTX_free(e->enc);
    EVP_CIPHER_CTX_free(e->dec);
    EVP_MAC_CTX_free(e->mac);
    memset(e, 0, sizeof *e);
}

static EVP_CIPHER_CTX *cipher_ctx(const struct bulk_key *k, const u8 *key, int enc)
{
    u8 des[24];
    if (k->encr == ENCR_DES) {
        memcpy(des, key, 8), memcpy(des + 8, key, 8), memcpy(des + 16, key, 8);
        key = des;
    }
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (c && (EVP_CipherInit_ex(c, cipher_of(k->encr), NULL, key, NULL, enc) != 1 ||
              EVP_CIPHER_CTX_set_padding(c, 0) != 1)) {
        EVP_CIPHER_CTX_free(c);
        c = NULL;
    }
    mem_wipe(des, sizeof des);
    return c;
}

static bool evp_key_init(void *state, struct bulk_key *k, const u8 *encr_key, const u8 *auth_key,
                         size_t auth_len)
{
    struct evp_state *s = state;
    struct evp_key *e = key_of(k);
    bool ok = true;
    if (k->encr != ENCR_NULL) {
        e->enc = cipher_ctx(k, encr_key, 1);
        e->dec = cipher_ctx(k, encr_key, 0);
        ok = e->enc && e->dec;
    }
    if (auth_len) {
        char *name = (char *)(uintptr_t)digest_of(k->auth); /* OSSL_PARAM is not const-correct */
        OSSL_PARAM param[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                              OSSL_PARAM_construct_end()};
        e->mac = EVP_MAC_CTX_new(s->hmac);
        ok = ok && e->mac && EVP_MAC_init(e->mac, auth_key, auth_len, param) == 1;
    }
    if (!ok) {
        evp_wipe(k);
    }
    return ok;
}

/* HMAC over everything before the ICV, truncated by the caller. */
static bool mac_of(struct bulk_op *op, u8 out[64])
{
    EVP_MAC_CTX *m = key_of(op->key)->mac;
    size_t len = 0;
    return EVP_MAC_init(m, NULL, 0, NULL) == 1 &&
           EVP_MAC_update(m, op->esp, 8u + op->key->iv_len + op->crypt_len) == 1 &&
           EVP_MAC_final(m, out, &len, 64) == 1;
}

static bool gcm(struct bulk_op *op, bool enc)
{
    EVP_CIPHER_CTX *c = enc ? key_of(op->key)->enc : key_of(op->key)->dec;
    u8 *text = op->esp + 16, *icv = text + op->crypt_len, nonce[12], last[16];
    int n = 0, len = (int)op->crypt_len;
    memcpy(nonce, op->key->salt, 4);
    memcpy(nonce + 4, op->esp + 8, 8);
    if (EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, enc) != 1 ||
        (!enc && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, icv) != 1) ||
        EVP_CipherUpdate(c, NULL, &n, op->esp, 8) != 1 ||
        EVP_CipherUpdate(c, text, &n, text, len) != 1 || EVP_CipherFinal_ex(c, last, &n) != 1) {
        return false;
    }
    return !enc || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, icv) == 1;
}

static bool cbc(struct bulk_op *op, bool enc)
{
    EVP_CIPHER_CTX *c = enc ? key_of(op->key)->enc : key_of(op->key)->dec;
    u8 *text = op->esp + 8 + op->key->iv_len;
    int n = 0;
    return !c || (EVP_CipherInit_ex(c, NULL, NULL, NULL, op->esp + 8, enc) == 1 &&
                  EVP_CipherUpdate(c, text, &n, text, (int)op->crypt_len) == 1);
}

static bool seal_one(struct bulk_op *op)
{
    u8 mac[64];
    if (op->key->encr >= ENCR_GCM128) {
        return gcm(op, true);
    }
    if (!cbc(op, true)) {
        return false;
    }
    if (op->key->auth != HASH_NONE) {
        if (!mac_of(op, mac)) {
            return false;
        }
        memcpy(op->esp + 8 + op->key->iv_len + op->crypt_len, mac, op->key->icv_len);
    }
    return true;
}

static bool open_one(struct bulk_op *op)
{
    u8 mac[64];
    if (op->key->encr >= ENCR_GCM128) {
        return gcm(op, false);
    }
    if (op->key->auth != HASH_NONE &&
        !(mac_of(op, mac) &&
          mem_equal_ct(mac, op->esp + 8 + op->key->iv_len + op->crypt_len, op->key->icv_len))) {
        return false;
    }
    return cbc(op, false);
}

static void evp_seal(void *state, struct bulk_op *op, unsigned num)
{
    (void)state;
    for (unsigned i = 0; i < num; i++) {
        op[i].ok = seal_one(&op[i]);
    }
}

static void evp_open(void *state, struct bulk_op *op, unsigned num)
{
    (void)state;
    for (unsigned i = 0; i < num; i++) {
        op[i].ok = open_one(&op[i]);
    }
}

const struct bulk_engine bulk_engine_evp = {
    .name = "evp",
    .state_size = sizeof(struct evp_state),
    .start = evp_start,
    .stop = evp_stop,
    .key_init = evp_key_init,
    .key_wipe = evp_wipe,
    .seal = evp_seal,
    .open = evp_open,
};
