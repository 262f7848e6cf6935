/*
 * fuzz_gre: the GRE decoder over any bytes; what it accepts, gre_build makes again
 * (src/wire/tunnel.h).
 */
#include "wire/tunnel.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct gre_view g;
    if (len > 4096 || gre_decode(&g, data, len) != GRE_OK) {
        return 0;
    }
    if (g.len > len || g.len != gre_len(g.flags)) {
        abort();
    }
    u8 *again = malloc(len);
    memcpy(again, data, len);
    struct gre_view h;
    (void)gre_build(again, g.flags, g.proto, g.key, g.seq, len - g.len);
    if (gre_decode(&h, again, len) != GRE_OK || h.key != g.key || h.seq != g.seq ||
        h.proto != g.proto) {
        abort();
    }
    free(again);
    return 0;
}
