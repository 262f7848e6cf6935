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

enum kind { KIND_GCM, KIND_JOB };
enum { BURST = 128, TAG = 64 };
_Static_assert(BURST <= IMB_MAX_BURST_SIZE, "burst too long for the library");

struct mb_state {
    IMB_MGR *mgr; /* owned */
    struct gcm_context_data gcm;
    _Alignas(16) u8 nonce[BURST][16];
    u8 tag[BURST][TAG]; /* computed ICVs of packets being opened */
};
struct mb_gcm {
    struct gcm_key_data key;
    aes_gcm_enc_dec_t enc, dec;
};
struct mb_job {
    u8 enc[16 * 15], dec[16 * 15]; /* AES round keys */
    u64 des[3][16];
    u8 ipad[64], opad[64]; /* HMAC states after the padded key */
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
    [ENCR_GCM256] = {IMB_CIPHER_GCM, 32},
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
    if (arch == IMB_ARCH_NONE || arch == IMB_ARCH_NOAESNI) {
        free_mb_mgr(s->mgr);
        s->mgr = NULL;
        return false;
    }
    return true;
}

static void mb_stop(void *state)
{
    free_mb_mgr(((struct mb_state *)state)->mgr);
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
    case ENCR_GCM128:
        IMB_AES128_GCM_PRE(m, key, &g->key);
        g->enc = m->gcm128_enc, g->dec = m->gcm128_dec;
        break;
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

static bool mb_key_init(void *state, struct bulk_key *k, const u8 *encr_key, const u8 *auth_key,
                        size_t auth_len)
{
    IMB_MGR *m = ((struct mb_state *)state)->mgr;
    if (ciphers[k->encr].mode == IMB_CIPHER_GCM) {
        gcm_init(m, k, encr_key);
        return true;
    }
    struct mb_job *j = job_of(k);
    k->kind = KIND_JOB;
    j->mode = ciphers[k->encr].mode;
    j->key_len = ciphers[k->encr].key_len;
    j->hash = hashes[k->auth].alg;
    j->enc_keys = j->enc, j->dec_keys = j->dec;
    switch (k->encr) {
    case ENCR_AES128: IMB_AES_KEYEXP_128(m, encr_key, j->enc, j->dec); break;
    case ENCR_AES192: IMB_AES_KEYEXP_192(m, encr_key, j->enc, j->dec); break;
    case ENCR_AES256: IMB_AES_KEYEXP_256(m, encr_key, j->enc, j->dec); break;
    case ENCR_DES:
        IMB_DES_KEYSCHED(m, j->des[0], encr_key);
        j->enc_keys = j->dec_keys = j->des[0];
        break;
    case ENCR_3DES:
        for (unsigned i = 0; i < 3; i++) {
            IMB_DES_KEYSCHED(m, j->des[i], encr_key + 8 * i);
            j->des_keys[i] = j->des[i];
        }
        j->enc_keys = j->dec_keys = j->des_keys;
        break;
    default: break;
    }
    if (auth_len) {
        hmac_init(m, j, k->auth, auth_key, auth_len);
    }
    return true;
}

static void mb_key_wipe(struct bulk_key *k)
{
    mem_wipe(k->state, sizeof k->state);
}

/* ---- GCM: direct ------------------------------------------------------------------------------
 */

/* All nonces first: a nonce written just before it is read as one vector would stall the processor.
 */
static inline void nonces(struct mb_state *s, const struct bulk_op *op, unsigned num)
{
    for (unsigned i = 0; i < num; i++) {
        memcpy(s->nonce[i], op[i].key->salt, 4);
        memcpy(s->nonce[i] + 4, op[i].esp + 8, 8);
    }
}

static inline void ahead(const struct bulk_op *op)
{
    __builtin_prefetch(op->esp, 1);
    __builtin_prefetch(op->esp + 64, 1);
    __builtin_prefetch(op->esp + 16 + op->crypt_len, 1);
}

static inline void gcm_seal(struct mb_state *s, struct bulk_op *op, const u8 *nonce)
{
    struct mb_gcm *g = gcm_of(op->key);
    u8 *text = op->esp + 16;
    g->enc(&g->key, &s->gcm, text, text, op->crypt_len, nonce, op->esp, 8, text + op->crypt_len,
           16);
    op->ok = true;
}

/* The computed ICV goes to tag[i] and is compared when all are done, for the same reason. */
static inline void gcm_open(struct mb_state *s, struct bulk_op *op, const u8 *nonce, u8 *tag)
{
    struct mb_gcm *g = gcm_of(op->key);
    u8 *text = op->esp + 16;
    g->dec(&g->key, &s->gcm, text, text, op->crypt_len, nonce, op->esp, 8, tag, 16);
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

static inline void fill(IMB_JOB *j, struct bulk_op *op, IMB_CIPHER_DIRECTION dir, u8 *tag,
                        size_t slot)
{
    struct bulk_key *k = op->key;
    struct mb_job *m = job_of(k);
    unsigned head = 8u + k->iv_len;
    j->enc_keys = m->enc_keys;
    j->dec_keys = m->dec_keys;
    j->key_len_in_bytes = m->key_len;
    j->src = op->esp;
    j->dst = op->esp + head;
    j->cipher_start_src_offset_in_bytes = head;
    j->msg_len_to_cipher_in_bytes = m->mode == IMB_CIPHER_NULL ? 0 : op->crypt_len;
    j->hash_start_src_offset_in_bytes = 0;
    j->msg_len_to_hash_in_bytes = m->hash == IMB_AUTH_NULL ? 0 : head + op->crypt_len;
    j->iv = op->esp + 8;
    j->iv_len_in_bytes = k->iv_len;
    j->auth_tag_output = tag;
    j->auth_tag_output_len_in_bytes = k->icv_len;
    j->u.HMAC._hashed_auth_key_xor_ipad = m->ipad;
    j->u.HMAC._hashed_auth_key_xor_opad = m->opad;
    j->cipher_mode = m->mode;
    j->hash_alg = m->hash;
    j->cipher_direction = dir;
    j->chain_order = dir == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    j->user_data = (void *)(uintptr_t)slot;
}

/* What came back: a sealed packet is ready; an opened one is compared with the ICV it carried. */
static void reap(struct mb_state *s, struct bulk_op *op, IMB_JOB **out, unsigned num, bool opening)
{
    for (unsigned i = 0; i < num; i++) {
        size_t slot = (uintptr_t)out[i]->user_data;
        struct bulk_op *o = &op[slot];
        o->ok = out[i]->status == IMB_STATUS_COMPLETED;
        if (opening && o->ok && o->key->icv_len) {
            const u8 *sent = o->esp + 8 + o->key->iv_len + o->crypt_len;
            o->ok = mem_equal_ct(s->tag[slot], sent, o->key->icv_len);
        }
    }
}

static void burst(struct mb_state *s, struct bulk_op *op, unsigned num, bool opening)
{
    IMB_JOB *job[BURST], *out[BURST];
    while (IMB_GET_NEXT_BURST(s->mgr, num, job) < num) {
        (void)IMB_FLUSH_BURST(s->mgr, BURST, out); /* cannot happen: every burst is drained below */
    }
    for (unsigned i = 0; i < num; i++) {
        struct bulk_op *o = &op[i];
        o->ok = false;
        u8 *tag = opening ? s->tag[i] : o->esp + 8 + o->key->iv_len + o->crypt_len;
        fill(job[i], o, opening ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT, tag, i);
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
