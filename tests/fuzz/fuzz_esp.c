/*
 * fuzz_esp: the whole way in of the data plane over any bytes: first byte chooses the port, the
 * rest is the packet. One SA per mode without authentication lets garbage through to the inner
 * decoders, as a hostile peer could. Whatever happens, every buffer must come back.
 */
#include "dp/dp_int.h"

#include <stdlib.h>

static struct dp *dp;
static const u8 *input;
static size_t input_len;

static u64 now(void *ctx)
{
    (void)ctx;
    return 1000;
}

static void zeros(void *ctx, u8 *out, size_t len)
{
    (void)ctx;
    memset(out, 7, len);
}

static bool give(void *ctx, u8 *data, size_t cap, u16 *len)
{
    (void)ctx;
    if (!input || input_len > cap) {
        return false;
    }
    memcpy(data, input, input_len);
    *len = (u16)input_len;
    input = NULL;
    return true;
}

static void add_sa(u32 spi, u8 mode, u8 encr, struct addr src, struct addr dst)
{
    struct dp_msg m = {.type = DP_ADD_SA,
                       .u.sa = {.flow = 1,
                                .spi = spi,
                                .dir = SA_IN,
                                .proto = encr == ENCR_NONE ? 51 : 50,
                                .mode = mode,
                                .encr = encr,
                                .src = src,
                                .dst = dst}};
    u8 key[32] = {1, 2, 3};
    m.u.sa.auth = encr == ENCR_NULL || encr == ENCR_NONE ? HASH_SHA1 : HASH_NONE;
    secret_set(&m.u.sa.encr_key, key, encr_row(encr)->key_len);
    secret_set(&m.u.sa.auth_key, key, m.u.sa.auth ? 20 : 0);
    m.u.sa.sel = selector_any(AF_NONE);
    dp_ctl(dp, FROM_IKE, &m, -1);
}

static void start(void)
{
    static struct evlog log;
    static struct env env = {.now_ms = now, .random = zeros};
    static const struct dp_port_value ports[] = {
        {.id = 0, .kind = PORT_RAW, .family = AF_V4, .proto = 50},
        {.id = 1, .kind = PORT_TUN_CRYPTO, .link = 1},
        {.id = 2, .kind = PORT_TUN_TUNNEL},
        {.id = 3, .kind = PORT_RAW, .family = AF_V4, .proto = 255},
        {.id = 4, .kind = PORT_RAW, .family = AF_V6, .proto = 255}};
    struct dp_env e = {.env = env, .log = &log, .engine = "evp"};
    evlog_init(&log, &env, EVS_DP, NULL, NULL);
    dp = dp_new(&e);
    for (unsigned i = 0; i < ARRAY_LEN(ports); i++) {
        dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_PORT, .u.port = ports[i]}, -1);
    }
    struct addr one = addr_v4(0x01010101), two = addr_v4(0x02020202);
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_BEGIN}, -1);
    struct dp_tunnel_value t = {.port = 2,
                                .mode = TUN_GRE_IP,
                                .flags = TF_RPF,
                                .mtu = 700,
                                .adjust_mss = 500,
                                .src = two,
                                .dst = one};
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_TUNNEL, .u.tunnel = t}, -1);
    struct dp_policy_value p = {
        .order = 1, .link = 1, .flow = 1, .action = ACT_PROTECT, .sel = selector_any(AF_V4), .path_mtu = 600};
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_POLICY, .u.policy = p}, -1);
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_COMMIT, .u.number = 2}, -1);
    add_sa(0x11111111, MODE_TUNNEL, ENCR_DES, one, two);
    add_sa(0x22222222, MODE_TRANSPORT, ENCR_DES, one, two);
    add_sa(0x33333333, MODE_TUNNEL, ENCR_NULL, one, two);
    add_sa(0x44444444, MODE_TUNNEL, ENCR_NONE, one, two);
    add_sa(0x55555555, MODE_TRANSPORT, ENCR_NONE, one, two);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);
int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    if (!dp) {
        start();
    }
    if (len < 2 || len > 9000) {
        return 0;
    }
    for (unsigned i = 0; i < 5; i++) {
        fake_attach(dp, i, (struct fake){.rx = i == data[0] % 3u ? give : NULL});
    }
    input = data + 1;
    input_len = len - 1;
    while (dp_run(dp)) {
    }
    if (dp->w.num_free + dp->w.num_held + dp->w.num_joining != POOL) {
        abort();
    }
    for (unsigned i = 0; i < MAX_FLOWS; i++) {
        hold_drop(&dp->w, &dp->flow[i], DROP_HELD_TIMEOUT);
    }
    graph_run(&dp->w);
    for (unsigned i = 0; i < MAX_SAS && dp->sas[i].used;
         i++) { /* so that one input does not spoil the next */
        dp->sas[i].h.dead = false;
    }
    return 0;
}
