/*
 * fuzz_generation: any bytes as a generation of configuration (src/sys/generation.h): what is accepted
 * accounts for every byte.
 */
#include "sys/generation.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct generation g;
    u8 value[24];
    u8 *copy = malloc(len + 1); /* exact, so that the sanitizer sees one byte too far */
    u8 *p = copy + 1;
    memcpy(p, data, len);
    if (generation_read(&g, p, len, sizeof value)) {
        if (len != 32 + g.num * sizeof value + g.rest_len) {
            abort();
        }
        for (size_t i = 0; i < g.num; i++) {
            generation_value(&g, i, value);
        }
    }
    free(copy);
    return 0;
}
