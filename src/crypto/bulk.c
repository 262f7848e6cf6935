/*
 * bulk.c: chooses the ESP engine and checks what both engines must be given. See bulk.h.
 */
#include "crypto/bulk.h"

#include <stdlib.h>

struct bulk {
    const struct bulk_engine *engine; /* borrowed */
    void *state;                      /* owned, aligned to 64 */
};

static const struct bulk_engine *const engines[] = {&bulk_engine_mb, &bulk_engine_evp};

static struct bulk *start(const struct bulk_engine *e)
{
    struct bulk *b = xcalloc(1, sizeof *b);
    b->engine = e;
    b->state = aligned_alloc(64, (e->state_size + 63) / 64 * 64);
    if (b->state) {
        memset(b->state, 0, e->state_size);
        if (e->start(b->state)) {
            return b;
        }
    }
    free(b->state);
    free(b);
    return NULL;
}

struct bulk *bulk_new(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LEN(engines); i++) {
        if (!name || strcmp(name, engines[i]->name) == 0) {
            struct bulk *b = start(engines[i]);
            if (b || name) {
                return b;
            }
        }
    }
    return NULL;
}

void bulk_free(struct bulk *b)
{
    if (b) {
        b->engine->stop(b->state);
        mem_wipe(b->state, b->engine->state_size);
        free(b->state);
        free(b);
    }
}

const char *bulk_name(const struct bulk *b)
{
    return b->engine->name;
}

bool bulk_key_init(struct bulk *b, struct bulk_key *out, enum encr_id encr, enum hash_id auth,
                   const struct secret *encr_key, const struct secret *auth_key)
{
    if (encr <= ENCR_NONE || encr >= ENCR_NUM || auth >= HASH_NUM) {
        return false;
    }
    const struct encr_row *e = encr_row(encr);
    const struct hash_row *h = hash_row(auth);
    bool aead = e->icv_len != 0;
    if (esp_suite_fault(encr, auth)) {
        return false;
    }
    if (encr_key->len != e->key_len + e->salt_len ||
        (auth != HASH_NONE && auth_key->len != h->len)) {
        return false;
    }
    memset(out, 0, sizeof *out);
    out->encr = (u8)encr;
    out->auth = (u8)auth;
    out->iv_len = e->iv_len;
    out->block = e->block;
    out->mode = e->mode;
    out->icv_len = aead ? e->icv_len : auth != HASH_NONE ? h->icv_len : 0;
    memcpy(out->salt, encr_key->b + e->key_len, e->salt_len);
    return b->engine->key_init(b->state, out, encr_key->b, auth_key->b,
                               auth == HASH_NONE ? 0 : h->len);
}

void bulk_key_wipe(struct bulk *b, struct bulk_key *k)
{
    b->engine->key_wipe(k);
    mem_wipe(k, sizeof *k);
}

void bulk_seal(struct bulk *b, struct bulk_op *op, unsigned num)
{
    b->engine->seal(b->state, op, num);
}

void bulk_open(struct bulk *b, struct bulk_op *op, unsigned num)
{
    b->engine->open(b->state, op, num);
}
