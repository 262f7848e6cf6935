/*
 * lzs.h: LZS (ANSI X3.241-1994 as RFC 1967 and RFC 2395 have it), each packet by itself: no history is carried from one to the
 * next (RFC 3173 2.1).
 */
#ifndef ADIT_LZS_H
#define ADIT_LZS_H

#include "base/base.h"

enum { LZS_WINDOW = 2047, LZS_HASHES = 4096 };
/* What a compressor needs beside the packet; made once, zeroed, and used for one packet after the other. */
struct lzs_state {
    u32 head[LZS_HASHES];      /* where two bytes of that hash stood last, counted over all packets */
    u32 chain[LZS_WINDOW + 1]; /* and before that, by place modulo its size */
    u32 base;                  /* the count at which this packet begins */
};

/* lzs_compress: writes at most cap bytes; how many, 0: it does not fit there. lzs_expand: the same the other way; false: what
 * came is no LZS, has no end mark, or would be longer than cap. What stands behind the end mark counts for nothing, as in
 * RFC 1967 3. in and out must not overlap. */
size_t lzs_compress(struct lzs_state *s, u8 *out, size_t cap, const u8 *in, size_t len);
NODISCARD bool lzs_expand(u8 *out, size_t cap, size_t *out_len, const u8 *in, size_t len);

#endif
