/*
 * fuzz_lzs: any bytes as LZS never write beyond what there is room for; any bytes compressed come back the same
 * (src/wire/lzs.h).
 */
#include "wire/lzs.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static struct lzs_state s;
    size_t cap = len ? 1 + data[0] * 8u : 0, n = 0, room = len + len / 8 + 4;
    u8 *text = malloc(cap + 1), *packed = malloc(room), *again = malloc(len + 1);
    if (lzs_expand(text, cap, &n, data, len) && n > cap) {
        abort();
    }
    size_t small = lzs_compress(&s, packed, room, data, len);
    if (!small || !lzs_expand(again, len, &n, packed, small) || n != len || memcmp(again, data, len) != 0) {
        abort(); /* a byte costs nine bits at most, the end nine and padding */
    }
    if (len && lzs_expand(again, len - 1, &n, packed, small)) {
        abort(); /* one byte short */
    }
    if (lzs_compress(&s, packed, small - 1, data, len)) {
        abort();
    }
    free(text);
    free(packed);
    free(again);
    return 0;
}
