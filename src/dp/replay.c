/*
 * replay.c: the anti-replay window (RFC 4303 3.4.3) as a ring of 64-bit words (RFC 6479), so that
 * sliding it clears whole words instead of shifting. esp_in_precheck asks, esp_in_commit writes,
 * and only after the ICV was right.
 */
#include "dp/dp_int.h"

bool replay_check(const struct sa_hot *h, u32 seq)
{
    if (h->window == 0) {
        return true;
    }
    if (UNLIKELY(seq == 0)) {
        return false; /* RFC 4303 2.2: the first packet has number 1 */
    }
    if (LIKELY(seq > h->seq)) {
        return true;
    }
    if (h->seq - seq >= h->window) {
        return false;
    }
    return !(h->ring[(seq >> 6) & h->ring_mask] >> (seq & 63) & 1);
}

bool replay_commit(struct sa_hot *h, u32 seq)
{
    if (h->window == 0) {
        h->seq = MAX(h->seq, seq);
        return true;
    }
    if (!replay_check(h, seq)) {
        return false;
    }
    if (seq > h->seq) {
        u32 steps = (seq >> 6) - (h->seq >> 6);
        for (u32 i = 1; i <= MIN(steps, h->ring_mask + 1u); i++) {
            h->ring[((h->seq >> 6) + i) & h->ring_mask] = 0;
        }
        h->seq = seq;
    }
    h->ring[(seq >> 6) & h->ring_mask] |= 1ull << (seq & 63);
    return true;
}

u64 replay_bits(const struct sa_hot *h)
{
    u64 bits = 0;
    for (u32 i = 0; i < 64 && i < h->window && h->seq > i; i++) {
        u32 seq = h->seq - i;
        bits |= (h->ring[(seq >> 6) & h->ring_mask] >> (seq & 63) & 1) << i;
    }
    return bits;
}
