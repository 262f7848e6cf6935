/*
 * fuzz_ah: the AH header and the headers in front of it (wire/ah) over any bytes, as ah_in meets them: what ip_decode accepted.
 * What is made zero stays inside, is zero the second time as well, and leaves the addresses alone.
 */
#include "wire/ah.h"

#include "wire/ip.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct ip_view v;
    struct ah_view a;
    if (len > 2048) {
        return 0;
    }
    if (ah_decode(&a, data, len) && (a.len < AH_HDR || a.len > len)) {
        abort();
    }
    if (ip_decode(&v, data, len) != IP_OK) {
        return 0;
    }
    u8 *head = malloc(v.l4), *again = malloc(v.l4); /* as long as it may touch */
    memcpy(head, data, v.l4);
    if (ah_zero_mutable(head, v.l4)) {
        memcpy(again, head, v.l4);
        bool both = ah_zero_mutable(again, v.l4);
        unsigned at = v.version == 4 ? 12 : 8, addrs = v.version == 4 ? 8 : 32;
        if (memcmp(head + at, data + at, addrs) != 0 || (both && memcmp(head, again, v.l4) != 0)) {
            abort();
        }
    }
    free(head);
    free(again);
    return 0;
}
