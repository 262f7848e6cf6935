/*
 * crypto/bulk: ESP protection for whole vectors of packets (RFC 4303, 4106, 3602, 2451, 2405, 2410,
 * 2403, 2404, 4868, 3686, 4309, 4543, 3566).
 *
 * One packet is laid out as it travels and is worked on in place:
 *
 *     esp -> | SPI 4 | seq 4 | IV iv_len | text crypt_len | ICV icv_len |
 *              `---- AAD --'              `- encrypted --'
 *              `------------ MAC covers ----------------'   (GMAC: all of it is AAD)
 *
 * Two engines stand behind one table of functions: bulk_mb.c (libipsec-mb, fast) and bulk_evp.c
 * (OpenSSL EVP, portable, the reference the tests compare with). Called by dp/esp_out.c (seal) and
 * dp/esp_in.c (open) and nobody else.
 */
#ifndef ADIT_BULK_H
#define ADIT_BULK_H

#include "crypto/crypto.h"

enum { BULK_STATE = 1408, BULK_IV_MAX = 16, BULK_ICV_MAX = 32 };

/* The expanded keys of one SA. Lives inside the SA; wiped by bulk_key_wipe. */
struct bulk_key {
    u8 encr, auth; /* enum encr_id, enum hash_id */
    u8 iv_len, icv_len, block;
    u8 mode;    /* enum encr_mode */
    bool esn;   /* the ICV also covers the high half of the sequence number (RFC 4303 2.2.1) */
    u8 kind;    /* the engine's own */
    u8 salt[4]; /* RFC 4106 4, RFC 3686 4, RFC 4309 4: the first bytes of the nonce */
    _Alignas(64) u8 state[BULK_STATE];
};

/* One packet. */
struct bulk_op {
    struct bulk_key *key; /* borrowed */
    u8 *esp;              /* borrowed: SPI ... */
    u32 crypt_len;        /* bytes between the IV and the ICV */
    u32 seq_hi;           /* esn: the high half, which does not travel; four bytes in front of esp are lent for it */
    bool ok;              /* out: sealed; opened and the ICV was right */
};

struct bulk; /* an engine at work; one per worker */
struct bulk_engine {
    const char *name;
    size_t state_size;
    bool (*start)(void *state);
    void (*stop)(void *state);
    bool (*key_init)(void *state, struct bulk_key *k, const u8 *encr_key, const u8 *auth_key,
                     size_t auth_len);
    void (*key_wipe)(struct bulk_key *k);
    void (*seal)(void *state, struct bulk_op *op, unsigned num);
    void (*open)(void *state, struct bulk_op *op, unsigned num);
};
extern const struct bulk_engine bulk_engine_mb, bulk_engine_evp;

/* bulk_new: "mb", "evp", or NULL for the fastest that starts. NULL when it cannot start. */
struct bulk *bulk_new(const char *name);
void bulk_free(struct bulk *b);
const char *bulk_name(const struct bulk *b);
/* bulk_key_init: false when the combination or a key length is refused (NULL without HMAC, GCM with
 * HMAC, ...). encr_key: key, then salt. */
NODISCARD bool bulk_key_init(struct bulk *b, struct bulk_key *out, enum encr_id encr,
                             enum hash_id auth, const struct secret *encr_key,
                             const struct secret *auth_key);
void bulk_key_wipe(struct bulk *b, struct bulk_key *k);
/* bulk_seal: encrypts and writes the ICV. The IV stands in the packet already. */
void bulk_seal(struct bulk *b, struct bulk_op *op, unsigned num);
/* bulk_open: checks the ICV and decrypts; the text of a packet with a wrong ICV is garbage, never
 * used. */
void bulk_open(struct bulk *b, struct bulk_op *op, unsigned num);

/* ---- unpredictable IVs (bulk_rng.c) -----------------------------------------------------------
 */

/* AES-128-CTR with fast key erasure: every refill first replaces the key, so what was given out
 * cannot be computed back. Seeded from env.random once and reseeded every BULK_RNG_RESEED refills;
 * no system call per packet. */
enum { BULK_RNG_POOL = 4096, BULK_RNG_RESEED = 4096 };
struct bulk_rng {
    const struct env *env; /* borrowed */
    void *ctx;             /* owned EVP_CIPHER_CTX */
    u32 refills;
    u32 pos; /* next byte of pool to give out */
    u8 key[16];
    u8 pool[BULK_RNG_POOL];
};
void bulk_rng_init(struct bulk_rng *r, const struct env *env);
void bulk_rng_free(struct bulk_rng *r);
void bulk_rng_refill(struct bulk_rng *r);
/* bulk_rng_take: len (<= 16) bytes that live until the next call. */
static inline const u8 *bulk_rng_take(struct bulk_rng *r, unsigned len)
{
    if (r->pos + len > BULK_RNG_POOL) {
        bulk_rng_refill(r);
    }
    const u8 *p = r->pool + r->pos;
    r->pos += len;
    return p;
}

#endif
