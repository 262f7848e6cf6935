/*
 * dpath_tool: the data plane as a filter, for test_scapy.py. One request per line on stdin, one
 * answer on stdout:
 *
 *   seal|open tunnel|transport[/COMP/CPI] ENCR AUTH SPI SRC DST KEYHEX|- AUTHHEX|- PACKETHEX
 *
 * ENCR, AUTH and COMP are enum encr_id, enum hash_id and enum comp_id; SRC and DST the outer endpoints in the direction
 * of travel. The answer is the packet in hex, or "drop NAME".
 */
#include <stdlib.h>

#include "rig.h"

static void key(struct secret *s, const char *text)
{
    u8 b[SECRET_MAX];
    int n = text[0] == '-' ? 0 : hex_parse(b, sizeof b, text);
    secret_set(s, b, n > 0 ? (size_t)n : 0);
}

static void answer(struct rig *r, unsigned a, unsigned b)
{
    struct rig_pkt *p = rig_out(r, a);
    p = p ? p : rig_out(r, b);
    if (p) {
        for (unsigned i = 0; i < p->len; i++) {
            printf("%02x", p->b[i]);
        }
        printf("\n");
    }
    for (enum dp_drop d = 1; !p && d < DROP_NUM; d++) {
        if (rig_drops(r, d)) {
            printf("drop %s\n", dp_drop_name(d));
            p = &(struct rig_pkt){0};
        }
    }
    if (!p) {
        printf("drop nothing came out\n");
    }
    fflush(stdout);
}

int main(void)
{
    static char line[20000], packet[18000];
    static u8 b[9000];
    while (fgets(line, sizeof line, stdin)) {
        char what[8], mode[32], src[64], dst[64], ek[300], ak[300];
        unsigned encr, auth, spi;
        if (sscanf(line, "%7s %31s %u %u %u %63s %63s %299s %299s %17999s", what, mode, &encr,
                   &auth, &spi, src, dst, ek, ak, packet) != 10) {
            printf("drop bad request\n");
            fflush(stdout);
            continue;
        }
        struct rig *r = rig_new(NULL);
        bool seal = strcmp(what, "seal") == 0;
        struct dp_sa_value v =
            rig_sa_value(7, spi, seal ? SA_OUT : SA_IN,
                         strncmp(mode, "tunnel", 6) == 0 ? MODE_TUNNEL : MODE_TRANSPORT, (u8)encr,
                         (u8)auth, src, dst);
        unsigned comp = 0, cpi = 0;
        if (strchr(mode, '/') && sscanf(strchr(mode, '/'), "/%u/%u", &comp, &cpi) == 2) {
            v.comp = (u8)comp, v.cpi = (u16)cpi;
        }
        key(&v.encr_key, ek);
        key(&v.auth_key, ak);
        rig_begin(r);
        rig_flow(r, (struct dp_flow_value){.flow = 7});
        for (u32 i = 0; i < 2; i++) {
            struct selector any = {.src = rig_net(i ? "::" : "0.0.0.0", 0),
                                   .dst = rig_net(i ? "::" : "0.0.0.0", 0),
                                   .sport_hi = 0xffff,
                                   .dport_hi = 0xffff};
            rig_policy(r, (struct dp_policy_value){
                              .order = i, .flow = 7, .action = ACT_PROTECT, .sel = any});
        }
        rig_commit(r);
        rig_sa(r, v);
        int n = hex_parse(b, sizeof b, packet);
        rig_in(r,
               seal                    ? CRYPTO
               : v.src.family == AF_V4 ? RAW4_ESP
                                       : RAW6_ESP,
               b, n > 0 ? (size_t)n : 0);
        rig_run(r);
        answer(r, seal ? SEND4 : CRYPTO, seal ? SEND6 : CRYPTO);
        rig_free(r);
    }
    return 0;
}
