/*
 * bulk_mb.c: the fast ESP engine on libipsec-mb (x86-64 with AVX2, AVX-512 and VAES where the
 * machine has them). AES-GCM goes packet by packet through the direct API, which is fastest;
 * everything else is collected into bursts so that several packets travel through the multi-buffer
 * lanes at once. ipad and opad are hashed when the key is made.
 *
 * To add a cipher: its row in ciphers[] (and in bulk_evp.c).
 */
#include "crypto/bulk.h"

#include <intel-ipsec-mb.h>
#include <stdlib.h>

#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum kind { KIND_GCM, KIND_JOB, KIND_OTHER };
enum { BURST = 128, TAG = 64 };
_Static_assert(BURST <= IMB_MAX_BURST_SIZE, "burst too long for the library");

struct mb_state {
    IMB_MGR *mgr; /* owned */
    void *other;  /* owned: the portable engine, for what the library has not: AES-192-CCM */
    struct gcm_context_data gcm;
    _Alignas(16) u8 nonce[BURST][16];
    u8 tag[BURST][TAG];  /* computed ICVs */
    u8 sent[BURST][TAG]; /* extended sequence numbers: the ICVs that packets being opened carried */
};
struct mb_gcm {
    struct gcm_key_data key;
    aes_gcm_enc_dec_t enc, dec;
};
struct mb_job {
    u8 enc[16 * 15], dec[16 * 15]; /* AES round keys */
    u64 des[3][16];
    u8 ipad[64], opad[64]; /* HMAC states after the padded key */
    _Alignas(16) u8 k1[16 * 11]; /* XCBC: round keys of K1; K2, K3 (RFC 3566 4) */
    _Alignas(16) u8 k2[16];
    _Alignas(16) u8 k3[16];
    const void *des_keys[3];
    const void *enc_keys, *dec_keys;
    IMB_CIPHER_MODE mode;
    IMB_HASH_ALG hash;
    u8 key_len;
};
_Static_assert(sizeof(struct mb_gcm) <= BULK_STATE && sizeof(struct mb_job) <= BULK_STATE,
               "key state too small");

static const struct {
    IMB_CIPHER_MODE mode;
    u8 key_len;
} ciphers[ENCR_NUM] = {
    [ENCR_NULL] = {IMB_CIPHER_NULL, 0},   [ENCR_DES] = {IMB_CIPHER_DES, 8},
    [ENCR_3DES] = {IMB_CIPHER_DES3, 24},  [ENCR_AES128] = {IMB_CIPHER_CBC, 16},
    [ENCR_AES192] = {IMB_CIPHER_CBC, 24}, [ENCR_AES256] = {IMB_CIPHER_CBC, 32},
    [ENCR_GCM128] = {IMB_CIPHER_GCM, 16}, [ENCR_GCM192] = {IMB_CIPHER_GCM, 24},
    [ENCR_GCM256] = {IMB_CIPHER_GCM, 32}, [ENCR_CTR128] = {IMB_CIPHER_CNTR, 16},
    [ENCR_CTR192] = {IMB_CIPHER_CNTR, 24}, [ENCR_CTR256] = {IMB_CIPHER_CNTR, 32},
    [ENCR_CCM128] = {IMB_CIPHER_CCM, 16}, [ENCR_CCM256] = {IMB_CIPHER_CCM, 32},
    [ENCR_GMAC128] = {IMB_CIPHER_GCM, 16}, [ENCR_GMAC192] = {IMB_CIPHER_GCM, 24},
    [ENCR_GMAC256] = {IMB_CIPHER_GCM, 32},
};
static const struct {
    IMB_HASH_ALG alg;
    u8 block;
} hashes[HASH_NUM] = {
    [HASH_NONE] = {IMB_AUTH_NULL, 0},
    [HASH_MD5] = {IMB_AUTH_MD5, 64},
    [HASH_SHA1] = {IMB_AUTH_HMAC_SHA_1, 64},
    [HASH_SHA256] = {IMB_AUTH_HMAC_SHA_256, 64},
    [HASH_SHA384] = {IMB_AUTH_HMAC_SHA_384, 128},
    [HASH_SHA512] = {IMB_AUTH_HMAC_SHA_512, 128},
    [HASH_XCBC] = {IMB_AUTH_AES_XCBC, 16},
};

static struct mb_gcm *gcm_of(struct bulk_key *k)
{
    return (struct mb_gcm *)(void *)k->state;
}

static struct mb_job *job_of(struct bulk_key *k)
{
    return (struct mb_job *)(void *)k->state;
}

static bool mb_start(void *state)
{
    struct mb_state *s = state;
    IMB_ARCH arch = IMB_ARCH_NONE;
    s->mgr = alloc_mb_mgr(0);
    if (!s->mgr) {
        return false;
    }
    init_mb_mgr_auto(s->mgr, &arch);
    s->other = xcalloc(1, bulk_engine_evp.state_size);
    if (arch == IMB_ARCH_NONE || arch == IMB_ARCH_NOAESNI || !bulk_engine_evp.start(s->other)) {
        free_mb_mgr(s->mgr);
        free(s->other);
        *s = (struct mb_state){0};
        return false;
    }
    return true;
}

static void mb_stop(void *state)
{
    struct mb_state *s = state;
    free_mb_mgr(s->mgr);
    bulk_engine_evp.stop(s->other);
    free(s->other);
}

static void one_block(IMB_MGR *m, u8 auth, const u8 *block, u8 *out)
{
    switch (auth) {
    case HASH_MD5: IMB_MD5_ONE_BLOCK(m, block, out); break;
    case HASH_SHA1: IMB_SHA1_ONE_BLOCK(m, block, out); break;
    case HASH_SHA256: IMB_SHA256_ONE_BLOCK(m, block, out); break;
    case HASH_SHA384: IMB_SHA384_ONE_BLOCK(m, block, out); break;
    case HASH_SHA512: IMB_SHA512_ONE_BLOCK(m, block, out); break;
    default: break;
    }
}

/* RFC 2104 2: the hash states after K xor ipad and K xor opad. Our keys are never longer than a
 * block. */
static void hmac_init(IMB_MGR *m, struct mb_job *j, u8 auth, const u8 *key, size_t len)
{
    _Alignas(64) u8 in[128] = {0}, out[128];
    memcpy(in, key, MIN(len, sizeof in));
    for (unsigned i = 0; i < sizeof in; i++) {
        out[i] = in[i] ^ 0x5c;
        in[i] ^= 0x36;
    }
    one_block(m, auth, in, j->ipad);
    one_block(m, auth, out, j->opad);
    mem_wipe(in, sizeof in);
    mem_wipe(out, sizeof out);
}

static void gcm_init(IMB_MGR *m, struct bulk_key *k, const u8 *key)
{
    struct mb_gcm *g = gcm_of(k);
    k->kind = KIND_GCM;
    switch (k->encr) {
    case ENCR_GMAC128:
    case ENCR_GCM128:
        IMB_AES128_GCM_PRE(m, key, &g->key);
        g->enc = m->gcm128_enc, g->dec = m->gcm128_dec;
        break;
    case ENCR_GMAC192:
    case ENCR_GCM192:
        IMB_AES192_GCM_PRE(m, key, &g->key);
        g->enc = m->gcm192_enc, g->dec = m->gcm192_dec;
        break;
    default:
        IMB_AES256_GCM_PRE(m, key, &g->key);
        g->enc = m->gcm256_enc, g->dec = m->gcm256_dec;
        break;
    }
}

static void job_init(IMB_MGR *m, struct mb_job *j, u8 encr, const u8 *key)
{
    j->mode = ciphers[encr].mode;
    j->key_len = ciphers[encr].key_len;
    j->enc_keys = j->enc, j->dec_keys = j->dec;
    switch (encr) {
    case ENCR_CTR128:
    case ENCR_CCM128:
    case ENCR_AES128: IMB_AES_KEYEXP_128(m, key, j->enc, j->dec); break;
    case ENCR_CTR192:
    case ENCR_AES192: IMB_AES_KEYEXP_192(m, key, j->enc, j->dec); break;
    case ENCR_CTR256:
    case ENCR_CCM256:
    case ENCR_AES256: IMB_AES_KEYEXP_256(m, key, j->enc, j->dec); break;
    case ENCR_DES:
        IMB_DES_KEYSCHED(m, j->des[0], key);
        j->enc_keys = j->dec_keys = j->des[0];
        break;
    case ENCR_3DES:
        for (unsigned i = 0; i < 3; i++) {
            IMB_DES_KEYSCHED(m, j->des[i], key + 8 * i);
            j->des_keys[i] = j->des[i];
        }
        j->enc_keys = j->dec_keys = j->des_keys;
        break;
    default: break;
    }
}

static bool mb_key_init(void *state, struct bulk_key *k, const u8 *encr_key, const u8 *auth_key,
                        size_t auth_len)
{
    struct mb_state *s = state;
    IMB_MGR *m = s->mgr;
    if (ciphers[k->encr].mode == IMB_CIPHER_GCM) {
        gcm_init(m, k, encr_key);
        return true;
    }
    if (k->encr == ENCR_CCM192) {
        k->kind = KIND_OTHER;
        return bulk_engine_evp.key_init(s->other, k, encr_key, auth_key, auth_len);
    }
    struct mb_job *j = job_of(k);
    k->kind = KIND_JOB;
    job_init(m, j, k->encr, encr_key);
    j->hash = k->mode == ENCR_MODE_CCM ? IMB_AUTH_AES_CCM : hashes[k->auth].alg;
    if (k->auth == HASH_XCBC) {
        IMB_AES_XCBC_KEYEXP(m, auth_key, j->k1, j->k2, j->k3);
    } else if (auth_len) {
        hmac_init(m, j, k->auth, auth_key, auth_len);
    }
    return true;
}

static void mb_key_wipe(struct bulk_key *k)
{
    if (k->kind == KIND_OTHER) {
        bulk_engine_evp.key_wipe(k);
    }
    mem_wipe(k->state, sizeof k->state);
}

/* ---- GCM: direct ------------------------------------------------------------------------------
 */

/* All nonces first: a nonce written just before it is read as one vector would stall the processor.
 * Counter mode takes the first counter with it (RFC 3686 4), CCM three bytes of salt (RFC 4309 4). */
static inline void nonces(struct mb_state *s, const struct bulk_op *op, unsigned num)
{
    for (unsigned i = 0; i < num; i++) {
        unsigned salt = op[i].key->mode == ENCR_MODE_CCM ? 3 : 4;
        memcpy(s->nonce[i], op[i].key->salt, 4);
        memcpy(s->nonce[i] + salt, op[i].esp + 8, 8);
        put32(s->nonce[i] + 12, 1);
    }
}

static inline void ahead(const struct bulk_op *op)
{
    __builtin_prefetch(op->esp, 1);
    __builtin_prefetch(op->esp + 64, 1);
    __builtin_prefetch(op->esp + 16 + op->crypt_len, 1);
}

/* Extended sequence numbers: SPI and all of the number as they are associated data, four bytes further in front; what stood
 * there comes back. The low half stays where it is. */
static inline void widen(struct bulk_op *op, u8 kept[8])
{
    u8 *at = op->esp - 4;
    memcpy(kept, at, 8);
    memmove(at, op->esp, 4);
    put32(op->esp, op->seq_hi);
}

static inline void narrow(struct bulk_op *op, const u8 kept[8])
{
    memcpy(op->esp - 4, kept, 8);
}

/* One packet: text, of GMAC none; associated data, of GMAC all but the ICV (RFC 4543 3.3). */
static inline void gcm_one(struct mb_state *s, struct bulk_op *op, const u8 *nonce, u8 *tag,
                           aes_gcm_enc_dec_t run)
{
    struct mb_gcm *g = gcm_of(op->key);
    bool gmac = op->key->mode == ENCR_MODE_GMAC, esn = op->key->esn;
    u8 *text = op->esp + 16, kept[8];
    unsigned head = esn ? 12 : 8;
    if (UNLIKELY(esn)) {
        widen(op, kept);
    }
    run(&g->key, &s->gcm, text, text, gmac ? 0 : op->crypt_len, nonce, op->esp + 8 - head,
        gmac ? head + 8 + op->crypt_len : head, tag, 16);
    if (UNLIKELY(esn)) {
        narrow(op, kept);
    }
}

static inline void gcm_seal(struct mb_state *s, struct bulk_op *op, const u8 *nonce)
{
    gcm_one(s, op, nonce, op->esp + 16 + op->crypt_len, gcm_of(op->key)->enc);
    op->ok = true;
}

/* The computed ICV goes to tag[i] and is compared when all are done, for the same reason. */
static inline void gcm_open(struct mb_state *s, struct bulk_op *op, const u8 *nonce, u8 *tag)
{
    gcm_one(s, op, nonce, tag, gcm_of(op->key)->dec);
}

static inline bool same_tag(const u8 *a, const u8 *b)
{
    u64 x[2], y[2];
    memcpy(x, a, 16);
    memcpy(y, b, 16);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

/* A run of at most BURST packets, all of them GCM. */
static void gcm_run(struct mb_state *s, struct bulk_op *op, unsigned num, bool opening)
{
    nonces(s, op, num);
    for (unsigned i = 0; i < num; i++) {
        ahead(&op[MIN(i + 2, num - 1)]);
        if (opening) {
            gcm_open(s, &op[i], s->nonce[i], s->tag[i]);
        } else {
            gcm_seal(s, &op[i], s->nonce[i]);
        }
    }
    for (unsigned i = 0; opening && i < num; i++) {
        op[i].ok = same_tag(s->tag[i], op[i].esp + 16 + op[i].crypt_len);
    }
}

/* ---- the rest: bursts -------------------------------------------------------------------------
 */

/* The MAC's own fields. CCM: the associated data stands in front of the text, and it runs the other way round. */
static inline void fill_mac(IMB_JOB *j, const struct bulk_op *op, struct mb_job *m, unsigned head)
{
    switch (m->hash) {
    case IMB_AUTH_NULL: j->msg_len_to_hash_in_bytes = 0; break;
    case IMB_AUTH_AES_CCM:
        j->hash_start_src_offset_in_bytes = head;
        j->msg_len_to_hash_in_bytes = op->crypt_len;
        j->u.CCM.aad = op->key->esn ? op->esp - 4 : op->esp;
        j->u.CCM.aad_len_in_bytes = op->key->esn ? 12 : 8;
        j->chain_order =
            j->cipher_direction == IMB_DIR_ENCRYPT ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
        break;
    case IMB_AUTH_AES_XCBC:
        j->u.XCBC._k1_expanded = (const uint32_t *)(const void *)m->k1;
        j->u.XCBC._k2 = m->k2;
        j->u.XCBC._k3 = m->k3;
        break;
    default:
        j->u.HMAC._hashed_auth_key_xor_ipad = m->ipad;
        j->u.HMAC._hashed_auth_key_xor_opad = m->opad;
        break;
    }
}

static inline void fill(IMB_JOB *j, struct bulk_op *op, IMB_CIPHER_DIRECTION dir, const u8 *nonce,
                        u8 *tag, size_t slot)
{
    struct bulk_key *k = op->key;
    struct mb_job *m = job_of(k);
    unsigned head = 8u + k->iv_len;
    bool nonced = k->mode == ENCR_MODE_CTR || k->mode == ENCR_MODE_CCM;
    j->enc_keys = m->enc_keys;
    j->dec_keys = k->mode == ENCR_MODE_CTR ? m->enc_keys : m->dec_keys;
    j->key_len_in_bytes = m->key_len;
    j->src = op->esp;
    j->dst = op->esp + head;
    j->cipher_start_src_offset_in_bytes = head;
    j->msg_len_to_cipher_in_bytes = m->mode == IMB_CIPHER_NULL ? 0 : op->crypt_len;
    j->hash_start_src_offset_in_bytes = 0;
    j->msg_len_to_hash_in_bytes = head + op->crypt_len + (k->esn ? 4u : 0);
    j->iv = nonced ? nonce : op->esp + 8;
    j->iv_len_in_bytes = k->mode == ENCR_MODE_CTR ? 16 : k->mode == ENCR_MODE_CCM ? 11 : k->iv_len;
    j->auth_tag_output = tag;
    j->auth_tag_output_len_in_bytes = k->icv_len;
    j->cipher_mode = m->mode;
    j->hash_alg = m->hash;
    j->cipher_direction = dir;
    j->chain_order = dir == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    j->user_data = (void *)(uintptr_t)slot;
    fill_mac(j, op, m, head);
}

static inline u8 *icv_of(const struct bulk_op *op)
{
    return op->esp + 8 + op->key->iv_len + op->crypt_len;
}

/* lend: where the high half of an extended sequence number goes while the packet is worked on: in front, as associated data,
 * or behind the text, where the ICV stands (RFC 4303 2.2.1), which is kept. give_back: as it was. */
static inline void lend(struct mb_state *s, struct bulk_op *op, unsigned slot)
{
    if (op->key->mode == ENCR_MODE_CCM) {
        widen(op, s->sent[slot]);
    } else if (op->key->icv_len) {
        memcpy(s->sent[slot], icv_of(op), op->key->icv_len);
        put32(icv_of(op), op->seq_hi);
    }
}

static inline void give_back(struct mb_state *s, struct bulk_op *op, unsigned slot)
{
    if (op->key->mode == ENCR_MODE_CCM) {
        narrow(op, s->sent[slot]);
    } else {
        memcpy(icv_of(op), s->sent[slot], op->key->icv_len);
    }
}

/* What came back: a sealed packet is ready; an opened one is compared with the ICV it carried. */
static void reap(struct mb_state *s, struct bulk_op *op, IMB_JOB **out, unsigned num, bool opening)
{
    for (unsigned i = 0; i < num; i++) {
        size_t slot = (uintptr_t)out[i]->user_data;
        struct bulk_op *o = &op[slot];
        o->ok = out[i]->status == IMB_STATUS_COMPLETED;
        if (UNLIKELY(o->key->esn)) {
            give_back(s, o, (unsigned)slot);
            if (!opening) {
                memcpy(icv_of(o), s->tag[slot], o->key->icv_len);
            }
        }
        if (opening && o->ok && o->key->icv_len) {
            o->ok = mem_equal_ct(s->tag[slot], icv_of(o), o->key->icv_len);
        }
    }
}

static void burst(struct mb_state *s, struct bulk_op *op, unsigned num, bool opening)
{
    IMB_JOB *job[BURST], *out[BURST];
    while (IMB_GET_NEXT_BURST(s->mgr, num, job) < num) {
        (void)IMB_FLUSH_BURST(s->mgr, BURST, out); /* cannot happen: every burst is drained below */
    }
    nonces(s, op, num);
    for (unsigned i = 0; i < num; i++) {
        struct bulk_op *o = &op[i];
        o->ok = false;
        u8 *tag = opening || o->key->esn ? s->tag[i] : icv_of(o);
        if (UNLIKELY(o->key->esn)) {
            lend(s, o, i);
        }
        fill(job[i], o, opening ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT, s->nonce[i], tag, i);
    }
    unsigned done = IMB_SUBMIT_BURST_NOCHECK(s->mgr, num, job);
    reap(s, op, job, done, opening);
    while (done < num) {
        unsigned n = IMB_FLUSH_BURST(s->mgr, num - done, out);
        if (n == 0) {
            break; /* what never came back stays not ok */
        }
        reap(s, op, out, n, opening);
        done += n;
    }
}

/* Splits the vector into runs of one kind. Jobs of different ciphers may share a burst; GCM may
 * not. */
static inline void run(struct mb_state *s, struct bulk_op *op, unsigned num, bool opening)
{
    unsigned from = 0;
    while (from < num) {
        u8 kind = op[from].key->kind;
        unsigned n = 1;
        while (from + n < num && n < BURST && op[from + n].key->kind == kind) {
            n++;
        }
        if (kind == KIND_GCM) {
            gcm_run(s, op + from, n, opening);
        } else if (kind == KIND_OTHER) {
            (opening ? bulk_engine_evp.open : bulk_engine_evp.seal)(s->other, op + from, n);
        } else {
            burst(s, op + from, n, opening);
        }
        from += n;
    }
}

static void mb_seal(void *state, struct bulk_op *op, unsigned num)
{
    run(state, op, num, false);
}

static void mb_open(void *state, struct bulk_op *op, unsigned num)
{
    run(state, op, num, true);
}

const struct bulk_engine bulk_engine_mb = {
    .name = "mb",
    .state_size = sizeof(struct mb_state),
    .start = mb_start,
    .stop = mb_stop,
    .key_init = mb_key_init,
    .key_wipe = mb_key_wipe,
    .seal = mb_seal,
    .open = mb_open,
};
