/*
 * hash.c: SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for tables whose keys strangers
 * choose. Who does not know the key cannot make two things fall together.
 */
#include "base/base.h"

static u64 le64(const u8 *p)
{
    u64 v = 0;
    for (int i = 7; i >= 0; i--) {
        v = v << 8 | p[i];
    }
    return v;
}

static u64 rotl(u64 v, int n)
{
    return v << n | v >> (64 - n);
}

static void rounds(u64 v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1], v[1] = rotl(v[1], 13) ^ v[0], v[0] = rotl(v[0], 32);
        v[2] += v[3], v[3] = rotl(v[3], 16) ^ v[2];
        v[0] += v[3], v[3] = rotl(v[3], 21) ^ v[0];
        v[2] += v[1], v[1] = rotl(v[1], 17) ^ v[2], v[2] = rotl(v[2], 32);
    }
}

u64 keyed_hash(const u8 key[16], const void *data, size_t len)
{
    const u8 *p = data;
    u64 k0 = le64(key), k1 = le64(key + 8), last = (u64)(len & 0xff) << 56;
    u64 v[4] = {k0 ^ 0x736f6d6570736575ull, k1 ^ 0x646f72616e646f6dull, k0 ^ 0x6c7967656e657261ull,
                k1 ^ 0x7465646279746573ull};
    for (size_t left = len; left >= 8; left -= 8, p += 8) {
        u64 m = le64(p);
        v[3] ^= m;
        rounds(v, 2);
        v[0] ^= m;
    }
    for (size_t i = 0; i < (len & 7); i++) {
        last |= (u64)p[i] << (8 * i);
    }
    v[3] ^= last;
    rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
