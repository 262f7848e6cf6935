/*
 * algs.c: ONE table per kind of algorithm. Every number on the wire, every size and every name that a
 * configuration language or a console uses comes from these rows and from nowhere else.
 *
 * Numbers: RFC 2409 appendix A (phase 1), RFC 2407 4.4.4 and 4.5, RFC 3602, RFC 4106, RFC 4868,
 * RFC 3566, RFC 3686, RFC 4309, RFC 4543 (ESP), IANA.
 */
#include "crypto/crypto.h"
#include "wire/ah.h"
#include "wire/ip.h"
#include "wire/tunnel.h"

#define STRONG_CIPHER "AES 128 or better"
#define STRONG_HASH   "SHA-256 or better"
#define STRONG_GROUP  "group 14 or better"

static const struct encr_row encrs[ENCR_NUM] = {
    [ENCR_NONE] = {.shown = "", .ts = "", .human = "no encryption", .wireshark = "NULL"},
    [ENCR_NULL] = {0, 11, 11, 0, 0, 0, 0, 1, 0, ENCR_MODE_NONE, NULL, "esp-null", "esp-null", NULL, "ESP_NULL",
                   NULL, "NULL (no encryption)", STRONG_CIPHER, "NULL"},
    [ENCR_DES] = {1, 2, 2, 0, 8, 0, 8, 8, 0, ENCR_MODE_CBC, "des", "esp-des", "esp-des", "DES-CBC", "ESP_DES",
                  "DES - Data Encryption Standard (56 bit keys).", "DES", STRONG_CIPHER,
                  "DES-CBC [RFC2405]"},
    [ENCR_3DES] = {5, 3, 3, 0, 24, 0, 8, 8, 0, ENCR_MODE_CBC, "3des", "esp-3des", "esp-3des", "3DES-CBC",
                   "ESP_3DES", "Three key triple DES", "3DES", STRONG_CIPHER,
                   "TripleDES-CBC [RFC2451]"},
    [ENCR_AES128] = {7, 12, 12, 128, 16, 0, 16, 16, 0, ENCR_MODE_CBC, "aes", "esp-aes", "esp-aes", "AES-CBC",
                     "ESP_AES", "AES - Advanced Encryption Standard (128 bit keys).", "AES 128",
                     NULL, "AES-CBC [RFC3602]"},
    [ENCR_AES192] = {7, 12, 12, 192, 24, 0, 16, 16, 0, ENCR_MODE_CBC, "aes 192", "esp-aes 192", "esp-192-aes",
                     "AES-CBC", "ESP_AES", "AES - Advanced Encryption Standard (192 bit keys).",
                     "AES 192", NULL, "AES-CBC [RFC3602]"},
    [ENCR_AES256] = {7, 12, 12, 256, 32, 0, 16, 16, 0, ENCR_MODE_CBC, "aes 256", "esp-aes 256", "esp-256-aes",
                     "AES-CBC", "ESP_AES", "AES - Advanced Encryption Standard (256 bit keys).",
                     "AES 256", NULL, "AES-CBC [RFC3602]"},
    [ENCR_GCM128] = {0, 20, 20, 128, 16, 4, 8, 1, 16, ENCR_MODE_GCM, NULL, "esp-gcm", "esp-gcm", NULL, "ESP_GCM",
                     NULL, "AES-GCM 128", NULL, "AES-GCM with 16 octet ICV [RFC4106]"},
    [ENCR_GCM192] = {0, 20, 20, 192, 24, 4, 8, 1, 16, ENCR_MODE_GCM, NULL, "esp-gcm 192", "esp-gcm 192", NULL,
                     "ESP_GCM", NULL, "AES-GCM 192", NULL, "AES-GCM with 16 octet ICV [RFC4106]"},
    [ENCR_GCM256] = {0, 20, 20, 256, 32, 4, 8, 1, 16, ENCR_MODE_GCM, NULL, "esp-gcm 256", "esp-gcm 256", NULL,
                     "ESP_GCM", NULL, "AES-GCM 256", NULL, "AES-GCM with 16 octet ICV [RFC4106]"},
    [ENCR_CTR128] = {0, 13, 13, 128, 16, 4, 8, 1, 0, ENCR_MODE_CTR, NULL, "esp-ctr", "esp-ctr", NULL,
                     "ESP_AES_CTR", NULL, "AES-CTR 128", NULL, "AES-CTR [RFC3686]"},
    [ENCR_CTR192] = {0, 13, 13, 192, 24, 4, 8, 1, 0, ENCR_MODE_CTR, NULL, "esp-ctr 192", "esp-ctr 192", NULL,
                     "ESP_AES_CTR", NULL, "AES-CTR 192", NULL, "AES-CTR [RFC3686]"},
    [ENCR_CTR256] = {0, 13, 13, 256, 32, 4, 8, 1, 0, ENCR_MODE_CTR, NULL, "esp-ctr 256", "esp-ctr 256", NULL,
                     "ESP_AES_CTR", NULL, "AES-CTR 256", NULL, "AES-CTR [RFC3686]"},
    [ENCR_CCM128] = {0, 16, 16, 128, 16, 3, 8, 1, 16, ENCR_MODE_CCM, NULL, "esp-ccm", "esp-ccm", NULL,
                     "ESP_AES_CCM", NULL, "AES-CCM 128", NULL, NULL},
    [ENCR_CCM192] = {0, 16, 16, 192, 24, 3, 8, 1, 16, ENCR_MODE_CCM, NULL, "esp-ccm 192", "esp-ccm 192", NULL,
                     "ESP_AES_CCM", NULL, "AES-CCM 192", NULL, NULL},
    [ENCR_CCM256] = {0, 16, 16, 256, 32, 3, 8, 1, 16, ENCR_MODE_CCM, NULL, "esp-ccm 256", "esp-ccm 256", NULL,
                     "ESP_AES_CCM", NULL, "AES-CCM 256", NULL, NULL},
    [ENCR_GMAC128] = {0, 23, 21, 128, 16, 4, 8, 1, 16, ENCR_MODE_GMAC, NULL, "esp-gmac", "esp-gmac", NULL,
                     "ESP_GMAC", NULL, "AES-GMAC 128 (no encryption)", STRONG_CIPHER, NULL},
    [ENCR_GMAC192] = {0, 23, 21, 192, 24, 4, 8, 1, 16, ENCR_MODE_GMAC, NULL, "esp-gmac 192", "esp-gmac 192", NULL,
                     "ESP_GMAC", NULL, "AES-GMAC 192 (no encryption)", STRONG_CIPHER, NULL},
    [ENCR_GMAC256] = {0, 23, 21, 256, 32, 4, 8, 1, 16, ENCR_MODE_GMAC, NULL, "esp-gmac 256", "esp-gmac 256", NULL,
                     "ESP_GMAC", NULL, "AES-GMAC 256 (no encryption)", STRONG_CIPHER, NULL},
};

static const struct hash_row hashes[HASH_NUM] = {
    [HASH_NONE] = {.ts = "", .human = "no authentication", .wireshark = "NULL"},
    [HASH_MD5] = {1, 1, 2, 16, 12, "md5", "esp-md5-hmac", "ah-md5-hmac", "MD5", "HMAC-MD5", "AH_MD5", "Message Digest 5", "MD5",
                  STRONG_HASH, "HMAC-MD5-96 [RFC2403]"},
    [HASH_SHA1] = {2, 2, 3, 20, 12, "sha", "esp-sha-hmac", "ah-sha-hmac", "SHA", "HMAC-SHA", "AH_SHA", "Secure Hash Standard",
                   "SHA-1", NULL, "HMAC-SHA-1-96 [RFC2404]"},
    [HASH_SHA256] = {4, 5, 5, 32, 16, "sha256", "esp-sha256-hmac", "ah-sha256-hmac", "SHA256", "HMAC-SHA256", "AH_SHA256",
                     "Secure Hash Standard 2 (256 bit)", "SHA-256", NULL,
                     "HMAC-SHA-256-128 [RFC4868]"},
    [HASH_SHA384] = {5, 6, 6, 48, 24, "sha384", "esp-sha384-hmac", "ah-sha384-hmac", "SHA384", "HMAC-SHA384", "AH_SHA384",
                     "Secure Hash Standard 2 (384 bit)", "SHA-384", NULL,
                     "HMAC-SHA-384-192 [RFC4868]"},
    [HASH_SHA512] = {6, 7, 7, 64, 32, "sha512", "esp-sha512-hmac", "ah-sha512-hmac", "SHA512", "HMAC-SHA512", "AH_SHA512",
                     "Secure Hash Standard 2 (512 bit)", "SHA-512", NULL,
                     "HMAC-SHA-512-256 [RFC4868]"},
    [HASH_XCBC] = {0, 9, 0, 16, 12, NULL, "esp-xcbc-mac", NULL, NULL, "AES-XCBC-MAC", NULL, NULL,
                   "AES-XCBC", NULL,
                   "ANY 96 bit authentication [no checking]"},
};

static const struct comp_row comps[COMP_NUM] = {
    [COMP_NONE] = {0, "", "none", "no compression"},
    [COMP_DEFLATE] = {2, "comp-deflate", "DEFLATE", "DEFLATE"},
    [COMP_LZS] = {3, "comp-lzs", "LZS", "LZS"},
};

static const struct group_row groups[] = {
    {1, 768, false, 96, STRONG_GROUP},   {2, 1024, false, 128, STRONG_GROUP},
    {5, 1536, false, 192, STRONG_GROUP}, {14, 2048, false, 256, NULL},
    {15, 3072, false, 384, NULL},        {16, 4096, false, 512, NULL},
    {17, 6144, false, 768, NULL},        {18, 8192, false, 1024, NULL},
    {19, 256, true, 64, NULL},           {20, 384, true, 96, NULL},
    {21, 521, true, 132, NULL},          {24, 2048, false, 256, STRONG_GROUP},
};

const struct encr_row *encr_row(enum encr_id id)
{
    return &encrs[id < ENCR_NUM ? id : ENCR_NONE];
}

const struct hash_row *hash_row(enum hash_id id)
{
    return &hashes[id < HASH_NUM ? id : HASH_NONE];
}

const struct comp_row *comp_row(enum comp_id id)
{
    return &comps[id < COMP_NUM ? id : COMP_NONE];
}

const struct group_row *group_at(unsigned index)
{
    return index < ARRAY_LEN(groups) ? &groups[index] : NULL;
}

const struct group_row *group_row(u16 id)
{
    for (unsigned i = 0; i < ARRAY_LEN(groups); i++) {
        if (groups[i].id == id) {
            return &groups[i];
        }
    }
    return NULL;
}

enum encr_id encr_from_p1(u16 p1_id, u16 attr_bits)
{
    for (enum encr_id i = ENCR_NONE; p1_id && i < ENCR_NUM; i++) {
        /* AES without Key-Length is refused: RFC 3602 5.3 makes the attribute mandatory */
        if (encrs[i].p1_id == p1_id && encrs[i].attr_bits == attr_bits) {
            return i;
        }
    }
    return ENCR_NONE;
}

enum encr_id encr_from_esp(u16 esp_id, u16 attr_bits)
{
    /* RFC 3602 5.3: AES in ESP without Key-Length means 128 bits */
    if (esp_id == encrs[ENCR_AES128].esp_id && attr_bits == 0) {
        return ENCR_AES128;
    }
    for (enum encr_id i = ENCR_NULL; i < ENCR_NUM; i++) {
        if (encrs[i].esp_id == esp_id && encrs[i].attr_bits == attr_bits) {
            return i;
        }
    }
    return ENCR_NONE;
}

enum hash_id hash_from_p1(u16 p1_id)
{
    for (enum hash_id i = HASH_MD5; p1_id && i < HASH_NUM; i++) {
        if (hashes[i].p1_id == p1_id) {
            return i;
        }
    }
    return HASH_NONE;
}

enum hash_id hash_from_auth(u16 auth_id)
{
    for (enum hash_id i = HASH_MD5; i < HASH_NUM; i++) {
        if (hashes[i].auth_id == auth_id) {
            return i;
        }
    }
    return HASH_NONE;
}

enum hash_id hash_from_ah(u8 ah_id)
{
    for (enum hash_id i = HASH_MD5; ah_id && i < HASH_NUM; i++) {
        if (hashes[i].ah_id == ah_id) {
            return i;
        }
    }
    return HASH_NONE;
}

enum comp_id comp_from_ipcomp(u8 id)
{
    for (enum comp_id i = COMP_DEFLATE; i < COMP_NUM; i++) {
        if (comps[i].id == id) {
            return i;
        }
    }
    return COMP_NONE;
}

unsigned ah_hdr_len(enum hash_id auth, u8 family)
{
    unsigned align = family == AF_V6 ? 8 : 4;
    return (AH_HDR + hash_row(auth)->icv_len + align - 1) / align * align;
}

const char *esp_suite_fault(enum encr_id encr, enum hash_id auth)
{
    const struct encr_row *e = encr_row(encr);
    if (e->icv_len && auth != HASH_NONE) {
        return "this cipher authenticates itself";
    }
    if (encr == ENCR_NULL && auth == HASH_NONE) {
        return "esp-null without an authenticator protects nothing";
    }
    if (e->mode == ENCR_MODE_CTR && auth == HASH_NONE) {
        return "counter mode without an authenticator lets anybody change the packets bit by bit";
    }
    return NULL;
}

u16 esp_plain_mtu(u16 mtu, enum encr_id encr, enum hash_id auth, u8 family, bool transport)
{
    enum { TRAILER = 2, ALIGN = 4 }; /* RFC 4303 2.4: Pad Length, Next Header; in whole words */
    const struct encr_row *e = encr_row(encr);
    unsigned icv = e->icv_len ? e->icv_len : hash_row(auth)->icv_len, head = ip_hdr_len(family),
             around = head + ESP_HDR + e->iv_len + icv, align = MAX(e->block, ALIGN);
    if (mtu < around + align) {
        return 0;
    }
    unsigned text = (mtu - around) / align * align - TRAILER;
    return (u16)(transport ? text + head : text);
}

u16 sa_plain_mtu(u16 mtu, u8 proto, enum encr_id encr, enum hash_id auth, u8 family, bool transport)
{
    if (proto == IPPROTO_ESP_) {
        return esp_plain_mtu(mtu, encr, auth, family, transport);
    }
    unsigned over = ah_hdr_len(auth, family) + (transport ? 0 : ip_hdr_len(family));
    return (u16)(mtu > over ? mtu - over : 0);
}
