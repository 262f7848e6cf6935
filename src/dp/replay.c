/*
 * replay.c: the anti-replay window (RFC 4303 3.4.3) as a ring of 64-bit words (RFC 6479), so that
 * sliding it clears whole words instead of shifting. esp_in_precheck asks, esp_in_commit writes,
 * and only after the ICV was right.
 */
#include "dp/dp_int.h"

u32 replay_high(const struct sa_hot *h, u32 seq)
{
    enum { NO_WINDOW = 64 }; /* with the window off a number still has to be guessed: near the highest */
    if (LIKELY(!h->esn)) {
        return 0;
    }
    u32 low = h->seq - (h->window ? h->window : NO_WINDOW) + 1u; /* the window's left edge */
    if (low <= h->seq) {
        return h->seq_hi + (seq < low); /* A: what lies left of the window is behind the next boundary */
    }
    /* B: the window spans a boundary; above its left edge is what came before that */
    return seq >= low && h->seq_hi ? h->seq_hi - 1 : h->seq_hi;
}

bool replay_check(const struct sa_hot *h, u64 seq)
{
    u64 top = sa_seq(h);
    if (h->window == 0) {
        return true;
    }
    if (UNLIKELY(seq == 0)) {
        return false; /* RFC 4303 2.2: the first packet has number 1 */
    }
    if (LIKELY(seq > top)) {
        return true;
    }
    if (top - seq >= h->window) {
        return false;
    }
    return !(h->ring[(seq >> 6) & h->ring_mask] >> (seq & 63) & 1);
}

static void highest(struct sa_hot *h, u64 seq)
{
    h->seq = (u32)seq;
    h->seq_hi = (u32)(seq >> 32);
}

bool replay_commit(struct sa_hot *h, u64 seq)
{
    u64 top = sa_seq(h);
    if (h->window == 0) {
        highest(h, MAX(top, seq));
        return true;
    }
    if (!replay_check(h, seq)) {
        return false;
    }
    if (seq > top) {
        u64 steps = (seq >> 6) - (top >> 6);
        for (u64 i = 1; i <= MIN(steps, h->ring_mask + 1ull); i++) {
            h->ring[((top >> 6) + i) & h->ring_mask] = 0;
        }
        highest(h, seq);
    }
    h->ring[(seq >> 6) & h->ring_mask] |= 1ull << (seq & 63);
    return true;
}

u64 replay_bits(const struct sa_hot *h)
{
    u64 bits = 0, top = sa_seq(h);
    for (u32 i = 0; i < 64 && i < h->window && top > i; i++) {
        u64 seq = top - i;
        bits |= (h->ring[(seq >> 6) & h->ring_mask] >> (seq & 63) & 1) << i;
    }
    return bits;
}
