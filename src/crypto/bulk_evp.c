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
    EVP_CIPHER_CTX *xcbc;      /* owned; AES under K1 of RFC 3566 4, NULL without XCBC */
    u8 k2[16], k3[16];         /* of the same */
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
    case ENCR_GMAC128:
    case ENCR_GCM128: return EVP_aes_128_gcm();
    case ENCR_GMAC192:
    case ENCR_GCM192: return EVP_aes_192_gcm();
    case ENCR_GMAC256:
    case ENCR_GCM256: return EVP_aes_256_gcm();
    case ENCR_CTR128: return EVP_aes_128_ctr();
    case ENCR_CTR192: return EVP_aes_192_ctr();
    case ENCR_CTR256: return EVP_aes_256_ctr();
    case ENCR_CCM128: return EVP_aes_128_ccm();
    case ENCR_CCM192: return EVP_aes_192_ccm();
    case ENCR_CCM256: return EVP_aes_256_ccm();
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
    EVP_CIPHER_CTX_free(e->xcbc);
    mem_wipe(e, sizeof *e);
}

static EVP_CIPHER_CTX *cipher_ctx(const struct bulk_key *k, const u8 *key, int enc)
{
    u8 des[24];
    if (k->encr == ENCR_DES) {
        memcpy(des, key, 8), memcpy(des + 8, key, 8), memcpy(des + 16, key, 8);
        key = des;
    }
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool is_ccm = k->mode == ENCR_MODE_CCM; /* its nonce and ICV have a length before it has a key */
    if (c && (EVP_CipherInit_ex(c, cipher_of(k->encr), NULL, NULL, NULL, enc) != 1 ||
              (is_ccm && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_IVLEN, 11, NULL) != 1) ||
              (is_ccm && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, NULL) != 1) ||
              EVP_CipherInit_ex(c, NULL, NULL, key, NULL, enc) != 1 ||
              EVP_CIPHER_CTX_set_padding(c, 0) != 1)) {
        EVP_CIPHER_CTX_free(c);
        c = NULL;
    }
    mem_wipe(des, sizeof des);
    return c;
}

/* ---- AES-XCBC-MAC-96 (RFC 3566) ---- */

static bool aes_block(EVP_CIPHER_CTX *c, u8 out[16], const u8 in[16])
{
    int n = 0;
    return EVP_CipherUpdate(c, out, &n, in, 16) == 1 && n == 16;
}

static EVP_CIPHER_CTX *aes_ecb(const u8 key[16])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (c && (EVP_CipherInit_ex(c, EVP_aes_128_ecb(), NULL, key, NULL, 1) != 1 ||
              EVP_CIPHER_CTX_set_padding(c, 0) != 1)) {
        EVP_CIPHER_CTX_free(c);
        c = NULL;
    }
    return c;
}

/* RFC 3566 4 step 1: three keys from one. */
static bool xcbc_init(struct evp_key *e, const u8 *key)
{
    u8 k1[16], in[3][16];
    EVP_CIPHER_CTX *c = aes_ecb(key);
    memset(in[0], 1, 16), memset(in[1], 2, 16), memset(in[2], 3, 16);
    bool ok = c && aes_block(c, k1, in[0]) && aes_block(c, e->k2, in[1]) &&
              aes_block(c, e->k3, in[2]);
    e->xcbc = ok ? aes_ecb(k1) : NULL;
    EVP_CIPHER_CTX_free(c);
    mem_wipe(k1, sizeof k1);
    return e->xcbc != NULL;
}

struct xcbc {
    u8 e[16];
    unsigned at; /* bytes of the last block that are there */
    bool ok;
};

static void xcbc_more(struct xcbc *x, EVP_CIPHER_CTX *c, const u8 *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (x->at == 16) {
            x->ok = x->ok && aes_block(c, x->e, x->e);
            x->at = 0;
        }
        x->e[x->at++] ^= p[i];
    }
}

static bool xcbc_end(struct xcbc *x, const struct evp_key *e, u8 out[16])
{
    const u8 *last = x->at == 16 ? e->k2 : e->k3;
    if (x->at < 16) {
        x->e[x->at] ^= 0x80;
    }
    for (unsigned i = 0; i < 16; i++) {
        x->e[i] ^= last[i];
    }
    return x->ok && aes_block(e->xcbc, out, x->e);
}

/* ---- keys ---- */

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
    if (auth_len && k->auth == HASH_XCBC) {
        ok = ok && xcbc_init(e, auth_key);
    } else if (auth_len) {
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

/* ---- one packet ---- */

/* The MAC over everything before the ICV and, with extended sequence numbers, their high half behind it (RFC 4303 2.2.1);
 * truncated by the caller. */
static bool mac_of(struct bulk_op *op, u8 out[64])
{
    struct evp_key *e = key_of(op->key);
    EVP_MAC_CTX *m = e->mac;
    size_t len = 0, head = 8u + op->key->iv_len + op->crypt_len, more = op->key->esn ? 4 : 0;
    u8 hi[4];
    put32(hi, op->seq_hi);
    if (e->xcbc) {
        struct xcbc x = {.ok = true};
        xcbc_more(&x, e->xcbc, op->esp, head);
        xcbc_more(&x, e->xcbc, hi, more);
        return xcbc_end(&x, e, out);
    }
    return EVP_MAC_init(m, NULL, 0, NULL) == 1 && EVP_MAC_update(m, op->esp, head) == 1 &&
           EVP_MAC_update(m, hi, more) == 1 && EVP_MAC_final(m, out, &len, 64) == 1;
}

/* The associated data: SPI and sequence number, all of it (RFC 4106 5, RFC 4309 5); of GMAC also IV and text (RFC 4543 3.3). */
static bool aad(EVP_CIPHER_CTX *c, const struct bulk_op *op)
{
    u8 head[12];
    int n = 0, len = op->key->esn ? 12 : 8;
    memcpy(head, op->esp, 4);
    put32(head + 4, op->seq_hi);
    memcpy(head + len - 4, op->esp + 4, 4);
    return EVP_CipherUpdate(c, NULL, &n, head, len) == 1 &&
           (op->key->mode != ENCR_MODE_GMAC ||
            EVP_CipherUpdate(c, NULL, &n, op->esp + 8, (int)op->crypt_len + 8) == 1);
}

static bool gcm(struct bulk_op *op, bool enc)
{
    EVP_CIPHER_CTX *c = enc ? key_of(op->key)->enc : key_of(op->key)->dec;
    u8 *text = op->esp + 16, *icv = text + op->crypt_len, nonce[12], last[16];
    int n = 0, len = op->key->mode == ENCR_MODE_GMAC ? 0 : (int)op->crypt_len;
    memcpy(nonce, op->key->salt, 4);
    memcpy(nonce + 4, op->esp + 8, 8);
    if (EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, enc) != 1 ||
        (!enc && EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, icv) != 1) || !aad(c, op) ||
        EVP_CipherUpdate(c, text, &n, text, len) != 1 || EVP_CipherFinal_ex(c, last, &n) != 1) {
        return false;
    }
    return !enc || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, icv) == 1;
}

/* CCM is told the length first (RFC 3610 2.2), and its ICV is right or wrong when the text has been given. */
static bool ccm(struct bulk_op *op, bool enc)
{
    EVP_CIPHER_CTX *c = enc ? key_of(op->key)->enc : key_of(op->key)->dec;
    u8 *text = op->esp + 16, *icv = text + op->crypt_len, nonce[11];
    int n = 0, len = (int)op->crypt_len;
    memcpy(nonce, op->key->salt, 3);
    memcpy(nonce + 3, op->esp + 8, 8);
    return (enc || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, icv) == 1) &&
           EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, enc) == 1 &&
           EVP_CipherUpdate(c, NULL, &n, NULL, len) == 1 && aad(c, op) &&
           EVP_CipherUpdate(c, text, &n, text, len) == 1 &&
           (!enc || EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, icv) == 1);
}

/* CBC: the IV as it stands in the packet; counter mode: nonce, IV, 1 (RFC 3686 4); NULL: nothing. */
static bool plain_cipher(struct bulk_op *op, bool enc)
{
    EVP_CIPHER_CTX *c = enc ? key_of(op->key)->enc : key_of(op->key)->dec;
    u8 *text = op->esp + 8 + op->key->iv_len, counter[16] = {0};
    const u8 *iv = op->esp + 8;
    int n = 0;
    if (op->key->mode == ENCR_MODE_CTR) {
        memcpy(counter, op->key->salt, 4);
        memcpy(counter + 4, op->esp + 8, 8);
        counter[15] = 1;
        iv = counter;
    }
    return !c || (EVP_CipherInit_ex(c, NULL, NULL, NULL, iv, enc) == 1 &&
                  EVP_CipherUpdate(c, text, &n, text, (int)op->crypt_len) == 1);
}

/* aead: done by a cipher that authenticates itself; false: this one does not. */
static bool aead(struct bulk_op *op, bool enc, bool *ok)
{
    switch (op->key->mode) {
    case ENCR_MODE_GCM:
    case ENCR_MODE_GMAC: *ok = gcm(op, enc); return true;
    case ENCR_MODE_CCM: *ok = ccm(op, enc); return true;
    default: return false;
    }
}

static bool seal_one(struct bulk_op *op)
{
    u8 mac[64];
    bool ok;
    if (aead(op, true, &ok)) {
        return ok;
    }
    if (!plain_cipher(op, true)) {
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
    bool ok;
    if (aead(op, false, &ok)) {
        return ok;
    }
    if (op->key->auth != HASH_NONE &&
        !(mac_of(op, mac) &&
          mem_equal_ct(mac, op->esp + 8 + op->key->iv_len + op->crypt_len, op->key->icv_len))) {
        return false;
    }
    return plain_cipher(op, false);
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
