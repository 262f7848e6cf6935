/*
 * fuzz_isakmp_daemon.c: a whole key daemon with one flow, fed any datagrams (two length bytes
 * before each) as if from its peer, with time passing. It must stay on its feet and install
 * nothing.
 */
#include "ike/ike.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static u64 fuzz_now(void *ctx)
{
    return *(u64 *)ctx;
}

static void fuzz_random(void *ctx, u8 *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        out[i] = (u8)(i * 37 + 11);
    }
    out[0] = (u8)++ * (u64 *)ctx; /* a rng that repeats would make msgid_new wait for ever */
}

static void no_send(void *ctx, const struct endpoint *from, const struct endpoint *to,
                    const u8 *data, size_t len)
{
    (void)ctx, (void)from, (void)to, (void)data, (void)len;
}
static void no_main(void *ctx, const struct ike_msg *m)
{
    (void)ctx, (void)m;
}
static bool no_dp(void *ctx, const struct dp_msg *m)
{
    (void)ctx;
    if (m->type == DP_ADD_SA) {
        abort(); /* nobody can make an SA without the pre-shared key */
    }
    return true;
}

static void configure(struct ike *ike, const struct endpoint *us, const struct endpoint *peer)
{
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_CFG_BEGIN;
    ike_ctl(ike, &m);
    m.type = IKE_CFG_POLICY;
    m.u.policy = (struct ike_policy_value){10, ENCR_DES, HASH_MD5, IKE_AUTH_PSK, 1, 86400};
    ike_ctl(ike, &m);
    m.type = IKE_CFG_PSK;
    memset(&m.u.psk, 0, sizeof m.u.psk);
    m.u.psk.peer = prefix_host(&peer->a);
    secret_set(&m.u.psk.key, "not in the input", 16);
    ike_ctl(ike, &m);
    m.type = IKE_CFG_FLOW;
    memset(&m.u.flow, 0, sizeof m.u.flow);
    m.u.flow.flow = 1;
    m.u.flow.local = us->a;
    m.u.flow.peer[0] = peer->a;
    m.u.flow.num_peers = m.u.flow.num_transforms = 1;
    m.u.flow.sel = selector_any(AF_V4);
    m.u.flow.transform[0] = (struct ike_transform){"T", ENCR_DES, HASH_MD5, MODE_TUNNEL};
    ike_ctl(ike, &m);
    m.type = IKE_CFG_COMMIT;
    ike_ctl(ike, &m);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
    u64 now = 1000;
    struct evlog log;
    struct ike_env e = {.env = {&now, fuzz_now, fuzz_random},
                        .log = &log,
                        .send = no_send,
                        .to_dp = no_dp,
                        .to_main = no_main};
    struct endpoint us = {addr_v4(0x0a000001), 500}, peer = {addr_v4(0x0a000002), 500};
    evlog_init(&log, &e.env, EVS_IKE, NULL, NULL);
    struct ike *ike = ike_new(&e);
    configure(ike, &us, &peer);
    ike_ctl(ike, &(struct ike_msg){.type = IKE_INITIATE, .u.number = 1});
    struct rd r = rd_init(data, len);
    while (rd_left(&r) > 2) {
        size_t n = rd_u16(&r), left = rd_left(&r);
        n = n < left ? n : left;
        ike_input(ike, rd_bytes(&r, n), n, &peer, &us);
        now += 700;
        ike_tick(ike);
    }
    ike_free(ike);
    return 0;
}
