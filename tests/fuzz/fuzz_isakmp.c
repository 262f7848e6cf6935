/*
 * fuzz_isakmp.c: the ISAKMP decoders over any bytes: header, chain, every payload, every attribute.
 * No stub needed.
 */
#include "wire/isakmp.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct isakmp_hdr h;
    struct isakmp_msg m;
    struct isakmp_fault f = isakmp_hdr_read(&h, data, len);
    if (f.reason != IW_OK && f.reason != IW_LENGTH && f.reason != IW_FLAGS) {
        return 0;
    }
    for (size_t block = 0; block <= 16; block += 8) {
        f = isakmp_decode(&m, &h, data, len, block);
        if (f.reason != IW_OK) {
            continue;
        }
        for (unsigned i = 0; i < m.num_ids; i++) {
            struct prefix p;
            (void)!isakmp_id_prefix(&p, &m.id[i]);
        }
        for (unsigned i = 0; i < m.sa.num_transforms; i++) {
            struct rd r = rd_init(m.sa.transform[i].attrs, m.sa.transform[i].attrs_len);
            struct isakmp_attr a;
            while (isakmp_attr_next(&a, &r)) {
            }
        }
    }
    return 0;
}
