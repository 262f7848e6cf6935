/*
 * crypto: the algorithms both protocols name, and what IKE needs of them.
 *
 *   algs.c      ONE table per kind: numbers (IKEv1, ESP), sizes, the names every language and console uses
 *   dh.c        Diffie-Hellman groups (RFC 2409 6, RFC 3526, RFC 5114 2.3, RFC 5903)
 *   prf.c       hashes and HMAC as the IKEv1 prf (RFC 2409 4)
 *   ike_seal.c  the CBC protection of IKEv1 messages (RFC 2409 appendix B)
 *   bulk.h      ESP for whole vectors of packets (data plane only)
 *
 * To add a cipher: one row in algs.c (and, for ESP, its two lines in bulk_mb.c and bulk_evp.c).
 */
#ifndef ADIT_CRYPTO_H
#define ADIT_CRYPTO_H

#include "base/base.h"

/* ---- algs ---------------------------------------------------------------------------------- */

enum encr_id {
    ENCR_NONE,
    ENCR_NULL,
    ENCR_DES,
    ENCR_3DES,
    ENCR_AES128,
    ENCR_AES192,
    ENCR_AES256,
    ENCR_GCM128,
    ENCR_GCM192,
    ENCR_GCM256,
    ENCR_CTR128,
    ENCR_CTR192,
    ENCR_CTR256,
    ENCR_CCM128,
    ENCR_CCM192,
    ENCR_CCM256,
    ENCR_GMAC128,
    ENCR_GMAC192,
    ENCR_GMAC256,
    ENCR_NUM
};
/* HMACs, and behind them what only protects packets. */
enum hash_id {
    HASH_NONE,
    HASH_MD5,
    HASH_SHA1,
    HASH_SHA256,
    HASH_SHA384,
    HASH_SHA512,
    HASH_XCBC,
    HASH_NUM
};
/* IP payload compression (RFC 3173). */
enum comp_id {
    COMP_NONE,
    COMP_DEFLATE,
    COMP_LZS,
    COMP_NUM
};
/* What a cipher does with its IV; from ENCR_MODE_CTR on it is a counter that must never repeat under a key (RFC 3686 2.1,
 * RFC 4106 3.1), below that it has to be unpredictable (RFC 3602 3). */
enum encr_mode {
    ENCR_MODE_NONE,
    ENCR_MODE_CBC,
    ENCR_MODE_CTR,
    ENCR_MODE_GCM,
    ENCR_MODE_CCM,
    ENCR_MODE_GMAC
};

struct encr_row {
    u16 p1_id;         /* IKEv1 phase 1 Encryption-Algorithm class value, 0: not for phase 1 */
    u16 esp_id;        /* IPSEC ESP transform identifier (RFC 2407 4.4.4) */
    u16 v2_id;         /* IKEv2 ENCR transform id */
    u16 attr_bits;     /* Key-Length attribute the transform carries, 0: none */
    u8 key_len;        /* bytes of key, without salt */
    u8 salt_len;       /* bytes of salt that follow the key in KEYMAT (RFC 4106 8.1) */
    u8 iv_len, block;  /* bytes */
    u8 icv_len;        /* bytes of ICV when AEAD, else 0 */
    u8 mode;           /* enum encr_mode */
    const char *word;  /* crypto isakmp policy: "des", "3des", "aes"; NULL: not there */
    const char *ts;    /* transform-set, as configured: "esp-aes 256" */
    const char *shown; /* transform-set, as shown: "esp-256-aes" */
    const char *debug_p1, *debug_p2; /* "DES-CBC", "ESP_DES" */
    const char *policy_text;         /* show crypto isakmp policy */
    const char *human;               /* in explanations: "AES 128" */
    const char *weak;                /* NULL, or the stronger choice to name in the warning */
    const char *wireshark;           /* as its esp_sa table names it, NULL: not there */
};
struct hash_row {
    u16 p1_id;        /* IKEv1 Hash-Algorithm class value, 0: not for phase 1 */
    u16 auth_id;      /* Authentication-Algorithm attribute value (RFC 2407 4.5) */
    u8 ah_id;         /* IPSEC AH transform identifier (RFC 2407 4.4.3), 0: not with AH */
    u8 len;           /* bytes of the hash and of the HMAC key in KEYMAT */
    u8 icv_len;       /* bytes of the truncated ICV in ESP */
    const char *word; /* crypto isakmp policy: "md5", "sha", "sha256"; NULL: not there */
    const char *ts;   /* "esp-md5-hmac" */
    const char *ah;   /* "ah-md5-hmac", NULL: not with AH */
    const char *debug_p1, *debug_p2; /* "MD5", "HMAC-MD5" */
    const char *debug_ah;            /* "AH_MD5" */
    const char *policy_text;
    const char *human;
    const char *weak;
    const char *wireshark;
};
struct comp_row {
    u8 id;             /* IPSEC IPCOMP transform identifier (RFC 2407 4.4.5), and the CPI that needs no negotiation (RFC 3173 3.3) */
    const char *ts;    /* "comp-lzs" */
    const char *debug; /* "LZS" */
    const char *human;
};
struct group_row {
    u16 id;   /* IKE group number */
    u16 bits; /* of the modulus or curve */
    bool ecp;
    u16 public_len; /* bytes of the KE payload: modulus length, or x||y */
    const char *weak;
};

/* Rows by our id; every id below *_NUM has one. */
const struct encr_row *encr_row(enum encr_id id);
const struct hash_row *hash_row(enum hash_id id);
const struct comp_row *comp_row(enum comp_id id);
/* esp_suite_fault: why ESP may not go with this cipher and authenticator (RFC 4303 3.2, RFC 3686 4, RFC 4106); NULL: it may. */
const char *esp_suite_fault(enum encr_id encr, enum hash_id auth);
/* group_row: NULL when adit does not know the group. */
const struct group_row *group_row(u16 id);
const struct group_row *group_at(unsigned index); /* NULL past the end */
/* From the numbers on the wire; ENCR_NONE / HASH_NONE when unknown. attr_bits 0 = attribute absent. */
enum encr_id encr_from_p1(u16 p1_id, u16 attr_bits);
enum encr_id encr_from_esp(u16 esp_id, u16 attr_bits);
enum hash_id hash_from_p1(u16 p1_id);
enum hash_id hash_from_auth(u16 auth_id);
enum hash_id hash_from_ah(u8 ah_id);
enum comp_id comp_from_ipcomp(u8 id);
/* ah_hdr_len: bytes of an AH header with that ICV, padded to whole words, of 8 bytes in IPv6 (RFC 4302 2.6, 3.3.3.2.1). */
unsigned ah_hdr_len(enum hash_id auth, u8 family);
/* esp_plain_mtu: the largest packet, in bytes, that ESP with these transforms makes at most mtu bytes of, the outer header of
 * family (without options) and the padding included (RFC 4303 2, 2.4). transport: the packet's own header is the outer one.
 * 0: not even an empty one fits. */
u16 esp_plain_mtu(u16 mtu, enum encr_id encr, enum hash_id auth, u8 family, bool transport);
/* sa_plain_mtu: the same of an SA of any protocol (50, 51). */
u16 sa_plain_mtu(u16 mtu, u8 proto, enum encr_id encr, enum hash_id auth, u8 family, bool transport);

/* ---- hash and prf (RFC 2409 4: prf = HMAC of the negotiated hash) --------------------------- */

struct iov {
    const void *p; /* borrowed */
    size_t len;
};
enum { HASH_MAX = 64 };
/* hash_of: writes hash_row(h)->len bytes. */
void hash_of(u8 *out, enum hash_id h, const struct iov *v, size_t num);
/* prf_of: HMAC with key over the concatenation; writes hash_row(h)->len bytes. */
void prf_of(u8 *out, enum hash_id h, const void *key, size_t key_len, const struct iov *v,
            size_t num);

/* ---- Diffie-Hellman -------------------------------------------------------------------------- */

enum { DH_MAX = 1024 }; /* bytes: MODP 8192 */
struct dh;              /* one ephemeral key pair, owned by whoever made it */
/* dh_new: a fresh key pair; NULL when the group is unknown. secret/secret_len give the private exponent, from env, so
 * that randomness comes in from outside (law 7); NULL lets OpenSSL choose. */
struct dh *dh_new(u16 group, const u8 *secret, size_t secret_len);
enum { DH_SECRET_MAX = 80 };
/* dh_secret_len: bytes of private exponent a group wants from env; 0: the group is unknown. */
size_t dh_secret_len(u16 group);
/* dh_public_ok: the peer's value is one of the group's (length, range, on the curve); no exponentiation. */
NODISCARD bool dh_public_ok(u16 group, const u8 *peer, size_t peer_len);
void dh_free(struct dh *dh); /* wipes the private part; NULL is fine */
/* dh_public: writes group_row()->public_len bytes, left-padded with zeros (RFC 2409 5). */
void dh_public(const struct dh *dh, u8 *out);
/* dh_shared: g^xy, left-padded; *out_len = modulus length (MODP) or length of x (ECP, RFC 5903 9).
 * False when the peer's value is refused: wrong length, y <= 1, y >= p-1 (RFC 6989 2.1), not in the subgroup (2.2), not on the curve. */
NODISCARD bool dh_shared(const struct dh *dh, u8 out[DH_MAX], size_t *out_len, const u8 *peer,
                         size_t peer_len);

/* ---- IKEv1 message protection (RFC 2409 appendix B) ------------------------------------------ */

/* ike_cbc: encrypts or decrypts len bytes in place (a multiple of the block) and moves iv on to the last
 * ciphertext block. False when len is no multiple or the cipher is not one of phase 1. */
NODISCARD bool ike_cbc(enum encr_id encr, bool encrypt, const u8 *key, u8 *iv, u8 *data,
                       size_t len);

/* ---- secrets as configurations keep them (password.c) ------------------------------------------ */

enum { PASSWORD_TEXT = 160, PASSWORD_TEXT6 = 256, PASSWORD_SALT = 14 };
/* password_fits: text is a secret of this IOS type: 0 clear, 5 md5crypt, 7 hidden, 8 PBKDF2-SHA256, 9 scrypt. */
bool password_fits(u8 type, const char *text);
/* password_check: clear is the secret that text keeps. Nothing typed never is. Constant time. */
NODISCARD bool password_check(u8 type, const char *text, const char *clear);
/* password_hash9: the type 9 text of a clear secret; random: bytes for its salt, from env. */
void password_hash9(char out[PASSWORD_TEXT], const char *clear, const u8 random[PASSWORD_SALT]);
/* Type 7 hides from a glance. reveal7: false when the text is none. */
void password_hide7(char out[PASSWORD_TEXT], const char *clear);
NODISCARD bool password_reveal7(char out[PASSWORD_TEXT], const char *text);
/* Type 6: encrypted under the master key that password_master makes of the operator's passphrase. purpose binds the text to
 * its place (a peer's address), so it cannot be moved. Our own form; ours6 tells it from that of an IOS. */
void password_master(struct secret *out, const char *passphrase);
NODISCARD bool password_hide6(char out[PASSWORD_TEXT6], const struct secret *master,
                              const char *purpose, const char *clear);
bool password_ours6(const char *text);
NODISCARD bool password_reveal6(char out[SECRET_MAX + 1], const struct secret *master,
                                const char *purpose, const char *text);

/* crypto_warm_up: makes OpenSSL load everything now; afterwards no file is opened any more. */
void crypto_warm_up(void);

#endif
