/*
 * retrans.c: UDP loses, repeats and reorders (RFC 2408 5.1). The last datagram of every exchange is
 * kept: to send it again until the peer answers, and to answer a peer that repeats itself. Who
 * repeats is known by the hash of the whole datagram, so nothing is decrypted for it and a forged
 * copy with one bit changed is no duplicate. Shared by every protocol version. On the walk: sa_find
 * -> retrans_check -> row_find.
 */
#include "ike/ike_int.h"

#include <stdlib.h>

void datagram_hash(u8 out[32], const u8 *data, size_t len)
{
    hash_of(out, HASH_SHA256, &(struct iov){data, len}, 1);
}

enum dup retrans_check(struct retrans *rt, const u8 hash[32])
{
    for (unsigned i = 0; i < rt->num_seen; i++) {
        if (memcmp(rt->seen[i], hash, 32) == 0) {
            return i == 0 ? DUP_LAST : DUP_OLD;
        }
    }
    return DUP_NO;
}

void retrans_saw(struct retrans *rt, const u8 hash[32])
{
    memmove(rt->seen[1], rt->seen[0], sizeof rt->seen[0] * (SEEN_HASHES - 1));
    memcpy(rt->seen[0], hash, 32);
    rt->num_seen = MIN(rt->num_seen + 1, (unsigned)SEEN_HASHES);
}

void retrans_sent(struct ike *ike, struct retrans *rt, const u8 *data, size_t len,
                  enum row_timer timer)
{
    free(rt->tx);
    rt->tx = NULL;
    rt->tx_len = len;
    rt->next_ms = 0;
    rt->sent = 0;
    if (len) {
        rt->tx = xcalloc(1, len);
        memcpy(rt->tx, data, len);
        if (timer == TM_RESEND) {
            rt->next_ms = env_now_ms(ike->clock) + ike->conf->global.retransmit_ms;
        }
    }
}

bool retrans_again(struct ike *ike, struct retrans *rt)
{
    u64 now = env_now_ms(ike->clock), least = MIN((u64)RESEND_MIN_MS, ike->conf->global.retransmit_ms / 2);
    /* a flood of copies must not make us a flood of answers; who says things again faster is answered faster */
    if (!rt->tx || (rt->resent_ms && now - rt->resent_ms < least)) {
        return false;
    }
    rt->resent_ms = now;
    return true;
}

bool retrans_due(struct ike *ike, struct retrans *rt, bool *out_spent)
{
    u64 now = env_now_ms(ike->clock);
    if (!rt->next_ms || now < rt->next_ms) {
        return false;
    }
    if (rt->sent >= ike->conf->global.retransmit_tries) {
        rt->next_ms = 0;
        *out_spent = true;
        return false;
    }
    rt->sent++;
    rt->next_ms = now + ike->conf->global.retransmit_ms;
    return true;
}

void retrans_free(struct retrans *rt)
{
    free(rt->tx);
    memset(rt, 0, sizeof *rt);
}

u64 retrans_budget_ms(const struct ike *ike)
{
    return (u64)ike->conf->global.retransmit_ms * (ike->conf->global.retransmit_tries + 1);
}
