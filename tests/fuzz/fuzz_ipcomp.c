/*
 * fuzz_ipcomp: what stands behind ESP's decryption, expanded (RFC 3173) by DEFLATE or LZS: first byte: which, and how much room is in
 * front of it in the buffer; the rest is the IPComp header and what follows it. What was expanded lies in the buffer.
 */
#include "dp/dp_int.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    static struct worker w;
    static struct flow f;
    static struct sa sa = {.val = {.comp = COMP_LZS, .cpi = 3}};
    static struct pkt p;
    if (!w.comp) {
        w.comp = ipcomp_new();
    }
    if (len < 1 || len > PKT_MAX) {
        return 0;
    }
    unsigned at = data[0] >> 1, n = (unsigned)len - 1;
    u8 next = IPPROTO_IPCOMP_;
    sa.val.comp = data[0] & 1 ? COMP_LZS : COMP_DEFLATE;
    p = (struct pkt){.data = p.room + HEADROOM, .sa = &sa, .flow = &f, .len = (u16)(at + n)};
    memcpy(p.data + at, data + 1, n);
    bool ok = ipcomp_in(&w, &p, at, &n, &next);
    if (ok ? n == 0 || p.len != at + n || p.data + p.len > p.room + sizeof p.room : p.next != N_DROP || p.drop != DROP_IPCOMP) {
        abort();
    }
    for (unsigned i = 0; ok && i < n; i++) { /* it is there, all of it */
        w.num_free += p.data[at + i];
    }
    return 0;
}
