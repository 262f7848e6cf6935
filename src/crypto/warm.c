/*
 * warm.c: every algorithm once, so that OpenSSL has read and loaded what it wants (its configuration, its
 * providers) before the process gives up the right to open files.
 */
#include "crypto/crypto.h"

void crypto_warm_up(void)
{
    u8 out[HASH_MAX], key[32] = {1}, iv[16] = {0}, block[16] = {0};
    struct iov v = {.p = "x", .len = 1};
    for (enum hash_id h = HASH_MD5; h <= HASH_SHA512; h++) {
        hash_of(out, h, &v, 1);
        prf_of(out, h, key, 16, &v, 1);
    }
    for (enum encr_id e = ENCR_DES; e <= ENCR_AES256; e++) {
        (void)!ike_cbc(e, true, key, iv, block, sizeof block);
    }
    for (unsigned i = 0; group_at(i); i++) {
        if (group_at(i)->ecp || group_at(i)->id == 1) {
            struct dh *d = dh_new(group_at(i)->id, NULL, 0);
            u8 pub[DH_MAX], shared[DH_MAX];
            size_t len;
            dh_public(d, pub);
            (void)!dh_shared(d, shared, &len, pub, group_at(i)->public_len);
            dh_free(d);
        }
    }
}
