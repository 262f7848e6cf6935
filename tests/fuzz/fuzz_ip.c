/*
 * fuzz_ip: the IP decoder and what is built on it (ports, MSS, ICMP) over any bytes
 * (src/wire/ip.h).
 */
#include "wire/ip.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    struct ip_view v;
    u8 out[1500];
    if (len > 9000) {
        return 0;
    }
    u8 *copy = malloc(len + 1); /* exact, so that the sanitizer sees one byte too far */
    u8 *p = copy + 1;
    memcpy(p, data, len);
    if (ip_decode(&v, p, len) == IP_OK) {
        u16 sport, dport;
        if (v.total > len || v.l4 > v.total || v.proto_at >= v.total) {
            abort();
        }
        struct addr from = ip_dst(p);
        ip_ports(&sport, &dport, &v, p);
        (void)icmp_too_big_build(out, sizeof out, &from, p, v.total, 1400);
        (void)tcp_mss_clamp(p, &v, 1000);
        (void)ip_frag_id(p, &v);
        (void)ip_ecn_decap((u8)len, p, &v);
    }
    free(copy);
    return 0;
}
