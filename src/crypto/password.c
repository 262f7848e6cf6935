/*
 * password.c: secrets as configurations keep them, in the forms IOS has. One way: type 5 (md5crypt), type 8
 * (PBKDF2-HMAC-SHA256, RFC 8018, 20000 rounds), type 9 (scrypt, RFC 7914, N = 16384, r = 1, p = 1). Both ways: type 7, which
 * hides from a glance only, and type 6, which is real encryption under a master key. How IOS makes its type 6 was never
 * published, so ours is our own: AES-128-GCM with a synthetic nonce (HMAC-SHA256 over what it is for and the secret, as in
 * RFC 5297's idea), so that the same model always prints the same text; it begins with "adit." and an IOS cannot read it.
 */
#include "crypto/crypto.h"

#include <crypt.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum {
    HASH_LEN = 32,
    HASH_TEXT = 43, /* base64 of HASH_LEN */
    PBKDF2_ROUNDS = 20000,
    SCRYPT_N = 16384,
    NONCE = 12,
    TAG = 16,
    KEY_ENC = 16, /* of the master key: then the key of the HMAC */
};
static const char alphabet[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
#define OURS "adit."

/* ---- base64 with Cisco's alphabet, without padding ---- */

static void base64_put(char *out, const u8 *p, size_t len)
{
    for (size_t i = 0; i < len; i += 3) {
        u32 v =
            (u32)p[i] << 16 | (i + 1 < len ? (u32)p[i + 1] << 8 : 0) | (i + 2 < len ? p[i + 2] : 0);
        for (size_t k = 0; k < 4 && (i + k * 3 / 4 < len || k < 2); k++) {
            if (k < len - i + 1) {
                *out++ = alphabet[v >> (18 - 6 * k) & 63];
            }
        }
    }
    *out = 0;
}

/* base64_get: bytes written, -1 on a letter that is none or bits left over. */
static long base64_get(u8 *out, size_t cap, const char *text)
{
    size_t len = 0;
    u32 v = 0;
    unsigned bits = 0;
    for (; *text; text++) {
        const char *at = strchr(alphabet, *text);
        if (!at) {
            return -1;
        }
        v = v << 6 | (u32)(at - alphabet);
        bits += 6;
        if (bits >= 8) {
            if (len == cap) {
                return -1;
            }
            bits -= 8;
            out[len++] = (u8)(v >> bits);
        }
    }
    return bits < 6 && (v & ((1u << bits) - 1)) == 0 ? (long)len : -1;
}

/* ---- one way ---- */

/* salted: the parts of $N$SALT$HASH; salt as the letters that stand there. */
static bool salted(const char *text, char kind, char salt[PASSWORD_SALT + 1], const char **out_hash)
{
    if (text[0] != '$' || text[1] != kind || text[2] != '$') {
        return false;
    }
    size_t len = strcspn(text + 3, "$");
    if (len == 0 || len > PASSWORD_SALT || text[3 + len] != '$') {
        return false;
    }
    memcpy(salt, text + 3, len);
    salt[len] = 0;
    *out_hash = text + 3 + len + 1;
    return true;
}

/* can_be_typed: no control character, which no configuration could say again; what is not ASCII may be UTF-8. */
static bool can_be_typed(const char *text)
{
    for (const u8 *c = (const u8 *)text; *c; c++) {
        if (*c < 0x20 || *c == 0x7f) {
            return false;
        }
    }
    return text[0] != 0;
}

bool password_fits(u8 type, const char *text)
{
    char salt[PASSWORD_SALT + 1], clear[PASSWORD_TEXT];
    const char *hash;
    u8 raw[HASH_LEN + 2];
    switch (type) {
    case 0: return can_be_typed(text);
    case 5:
        return salted(text, '1', salt, &hash) && strlen(salt) <= 8 && strlen(hash) == 22 &&
               strspn(hash, alphabet) == 22;
    case 7: return password_reveal7(clear, text) && clear[0];
    case 8:
    case 9:
        return salted(text, (char)('0' + type), salt, &hash) && strlen(salt) == PASSWORD_SALT &&
               strlen(hash) == HASH_TEXT && base64_get(raw, sizeof raw, hash) == HASH_LEN;
    default: return false;
    }
}

static bool derive(u8 type, u8 out[HASH_LEN], const char *clear, const char *salt)
{
    const u8 *s = (const u8 *)salt;
    if (type == 8) {
        return PKCS5_PBKDF2_HMAC(clear, (int)strlen(clear), s, (int)strlen(salt), PBKDF2_ROUNDS,
                                 EVP_sha256(), HASH_LEN, out) == 1;
    }
    return EVP_PBE_scrypt(clear, strlen(clear), s, strlen(salt), SCRYPT_N, 1, 1, 0, out,
                          HASH_LEN) == 1;
}

void password_hash9(char out[PASSWORD_TEXT], const char *clear, const u8 random[PASSWORD_SALT])
{
    char salt[PASSWORD_SALT + 1], text[HASH_TEXT + 1];
    u8 raw[HASH_LEN];
    for (unsigned i = 0; i < PASSWORD_SALT; i++) {
        salt[i] = alphabet[random[i] & 63];
    }
    salt[PASSWORD_SALT] = 0;
    if (!derive(9, raw, clear, salt)) {
        abort(); /* a library that cannot hash is our end */
    }
    base64_put(text, raw, sizeof raw);
    snprintf(out, PASSWORD_TEXT, "$9$%s$%s", salt, text);
}

/* same: both as long texts of one size, compared in constant time. */
static bool same(const char *a, const char *b)
{
    u8 x[PASSWORD_TEXT] = {0}, y[PASSWORD_TEXT] = {0};
    bool fits = str_copy((char *)x, sizeof x, a) && str_copy((char *)y, sizeof y, b);
    bool equal = mem_equal_ct(x, y, sizeof x);
    mem_wipe(x, sizeof x);
    mem_wipe(y, sizeof y);
    return fits && equal;
}

static bool check5(const char *text, const char *clear)
{
    struct crypt_data *d = calloc(1, sizeof *d);
    const char *made = d ? crypt_rn(clear, text, d, (int)sizeof *d) : NULL;
    bool ok = made && made[0] == '$' && same(made, text);
    mem_wipe(d, d ? sizeof *d : 0);
    free(d);
    return ok;
}

bool password_check(u8 type, const char *text, const char *clear)
{
    char salt[PASSWORD_SALT + 1], shown[PASSWORD_TEXT];
    const char *hash;
    u8 want[HASH_LEN + 2], raw[HASH_LEN];
    if (!clear[0] || !password_fits(type, text)) {
        return false; /* nothing typed never opens anything */
    }
    switch (type) {
    case 0: return same(text, clear);
    case 5: return check5(text, clear);
    case 7: {
        bool ok = password_reveal7(shown, text) && same(shown, clear);
        mem_wipe(shown, sizeof shown);
        return ok;
    }
    default: /* 8, 9 */
        return salted(text, (char)('0' + type), salt, &hash) &&
               base64_get(want, sizeof want, hash) == HASH_LEN && derive(type, raw, clear, salt) &&
               mem_equal_ct(raw, want, HASH_LEN);
    }
}

/* ---- type 7 ---- */

static const char glance[] = "dsfd;kfoA,.iyewrkldJKDHSUBsgvca69834ncxv9873254k;fg87";

void password_hide7(char out[PASSWORD_TEXT], const char *clear)
{
    size_t len = MIN(strlen(clear), (size_t)(PASSWORD_TEXT - 3) / 2);
    unsigned from = (unsigned)(len * 7 + (u8)clear[0]) % 16;
    int n = snprintf(out, PASSWORD_TEXT, "%02u", from);
    for (size_t i = 0; i < len; i++) {
        n += snprintf(out + n, (size_t)(PASSWORD_TEXT - n), "%02X",
                      (u8)clear[i] ^ (u8)glance[(from + i) % (sizeof glance - 1)]);
    }
}

bool password_reveal7(char out[PASSWORD_TEXT], const char *text)
{
    u8 raw[PASSWORD_TEXT / 2];
    out[0] = 0;
    if (strlen(text) < 4 || text[0] < '0' || text[0] > '9' || text[1] < '0' || text[1] > '9') {
        return false;
    }
    unsigned from = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
    int len = hex_parse(raw, sizeof raw - 1, text + 2);
    if (len <= 0 || from >= sizeof glance - 1) {
        return false;
    }
    for (int i = 0; i < len; i++) {
        out[i] = (char)(raw[i] ^ (u8)glance[(from + (unsigned)i) % (sizeof glance - 1)]);
    }
    out[len] = 0;
    if ((int)strlen(out) != len || !can_be_typed(out)) {
        out[0] = 0;
        return false;
    }
    return true;
}

/* ---- type 6 ---- */

void password_master(struct secret *out, const char *passphrase)
{
    static const u8 salt[] = "adit password encryption aes";
    u8 raw[KEY_ENC + HASH_LEN];
    if (PKCS5_PBKDF2_HMAC(passphrase, (int)strlen(passphrase), salt, sizeof salt - 1, PBKDF2_ROUNDS,
                          EVP_sha256(), sizeof raw, raw) != 1) {
        abort();
    }
    secret_set(out, raw, sizeof raw);
    mem_wipe(raw, sizeof raw);
}

static void nonce_of(u8 out[HASH_LEN], const struct secret *master, const char *purpose,
                     const char *clear)
{
    const struct iov v[] = {{purpose, strlen(purpose) + 1}, {clear, strlen(clear)}};
    prf_of(out, HASH_SHA256, master->b + KEY_ENC, HASH_LEN, v, ARRAY_LEN(v));
}

bool password_hide6(char out[PASSWORD_TEXT6], const struct secret *master, const char *purpose,
                    const char *clear)
{
    u8 raw[NONCE + TAG + SECRET_MAX], nonce[HASH_LEN];
    int n = 0, len = (int)strlen(clear);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ok = c && len <= SECRET_MAX && master->len == KEY_ENC + HASH_LEN;
    if (ok) {
        nonce_of(nonce, master, purpose, clear);
        memcpy(raw, nonce, NONCE);
        ok = EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, master->b, nonce) == 1 &&
             EVP_EncryptUpdate(c, NULL, &n, (const u8 *)purpose, (int)strlen(purpose)) == 1 &&
             EVP_EncryptUpdate(c, raw + NONCE + TAG, &n, (const u8 *)clear, len) == 1 &&
             EVP_EncryptFinal_ex(c, raw + NONCE + TAG + n, &n) == 1 &&
             EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, raw + NONCE) == 1;
    }
    EVP_CIPHER_CTX_free(c);
    if (ok) {
        memcpy(out, OURS, sizeof OURS);
        base64_put(out + sizeof OURS - 1, raw, (size_t)(NONCE + TAG + len));
    }
    return ok;
}

bool password_ours6(const char *text)
{
    return strncmp(text, OURS, sizeof OURS - 1) == 0;
}

bool password_reveal6(char out[SECRET_MAX + 1], const struct secret *master, const char *purpose,
                      const char *text)
{
    u8 raw[NONCE + TAG + SECRET_MAX];
    long len = password_ours6(text) ? base64_get(raw, sizeof raw, text + sizeof OURS - 1) : -1;
    int n = 0;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    bool ok = c && len > NONCE + TAG && master->len == KEY_ENC + HASH_LEN &&
              EVP_DecryptInit_ex(c, EVP_aes_128_gcm(), NULL, master->b, raw) == 1 &&
              EVP_DecryptUpdate(c, NULL, &n, (const u8 *)purpose, (int)strlen(purpose)) == 1 &&
              EVP_DecryptUpdate(c, (u8 *)out, &n, raw + NONCE + TAG, (int)len - NONCE - TAG) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, raw + NONCE) == 1 &&
              EVP_DecryptFinal_ex(c, (u8 *)out + n, &n) == 1;
    EVP_CIPHER_CTX_free(c);
    out[ok ? len - NONCE - TAG : 0] = 0;
    return ok && strlen(out) == (size_t)(len - NONCE - TAG);
}
