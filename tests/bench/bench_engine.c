/*
 * bench_engine.c: what the graph costs over the cipher. One data plane on the fake port, `tunnel
 * mode ipsec ipv4`, one SA; TSC cycles per packet over all nodes from ip_in to port_tx (what VPP
 * calls graph clocks), and the raw cipher called directly on packets of the same size, alternating
 * in the same run. Decryption runs with the replay window on.
 *
 *   bench_engine [-n runs] [-m ms] [-c cpu] [-p] [-a algorithm]       -p: cycles by node
 */
#include "dp/dp_int.h"

#include <intel-ipsec-mb.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { RING = 2048, MAX_SAMPLES = 1 << 16 };

static const struct alg {
    const char *name;
    u8 encr, auth;
} algs[] = {{"aes128-gcm", ENCR_GCM128, HASH_NONE},
            {"aes128-cbc+sha1", ENCR_AES128, HASH_SHA1},
            {"3des-cbc+sha1", ENCR_3DES, HASH_SHA1}};

/* The library's own keys for the raw column of CBC and 3DES. */
struct raw_cbc {
    IMB_CIPHER_MODE mode;
    unsigned iv_len, key_len;
    const void *des_keys[3];
    _Alignas(64) u64 des[3][16];
    _Alignas(16) u8 enc[16 * 15], dec[16 * 15], ipad[64], opad[64];
};

struct bench {
    struct dp *dp;
    struct evlog log;
    IMB_MGR *mgr;
    struct gcm_key_data *gcm;
    struct raw_cbc cbc;
    u8 *ring; /* RING sealed packets of ring_len */
    u16 ring_len;
    u32 ring_at, taken;
    u8 inner[2048];
    u16 inner_len;
    bool decrypt, keep;
    u32 left; /* packets rx may still hand out this turn */
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n)
{
    qsort(v, n, sizeof *v, cmp);
    return v[n / 2];
}

/* ---- the engine ------------------------------------------------------------------------------ */

static bool give(void *ctx, u8 *data, size_t cap, u16 *len)
{
    struct bench *b = ctx;
    (void)cap;
    if (b->left == 0) {
        return false;
    }
    b->left--;
    if (b->decrypt) {
        *len = b->ring_len;
        memcpy(data, b->ring + (size_t)b->ring_at++ * 2048, b->ring_len);
        return true;
    }
    *len = b->inner_len;
    memcpy(data, b->inner, b->inner_len);
    return true;
}

static void keep(void *ctx, const u8 *data, u16 len)
{
    struct bench *b = ctx;
    if (b->keep && b->taken < RING) {
        memcpy(b->ring + (size_t)b->taken++ * 2048, data, len);
        b->ring_len = len;
    }
}

static bool send_nothing(void *ctx, enum dp_origin to, const struct dp_msg *m)
{
    (void)ctx, (void)to, (void)m;
    return true;
}

static void ctl(struct bench *b, struct dp_msg m)
{
    dp_ctl(b->dp, FROM_MAIN, &m, -1);
}

static struct sa *find(struct bench *b, u8 dir)
{
    for (unsigned i = 0; i < MAX_SAS; i++) {
        if (b->dp->sas[i].used && b->dp->sas[i].val.dir == dir) {
            return &b->dp->sas[i];
        }
    }
    return NULL;
}

static struct dp_sa_value sa_value(const struct alg *alg, u8 dir)
{
    struct dp_sa_value v = {.flow = 1,
                            .spi = 0x1000,
                            .dir = dir,
                            .proto = 50,
                            .mode = MODE_TUNNEL,
                            .encr = alg->encr,
                            .auth = alg->auth,
                            .replay_window = 64,
                            .src = addr_v4(0x0a000001),
                            .dst = addr_v4(0x0a000002)};
    v.sel = (struct selector){.src = {.a = addr_v4(0xc0a80100), .len = 24},
                              .dst = {.a = addr_v4(0xc0a80200), .len = 24},
                              .sport_hi = 0xffff,
                              .dport_hi = 0xffff};
    u8 k[64];
    for (unsigned i = 0; i < sizeof k; i++) {
        k[i] = (u8)(i * 37 + 11);
    }
    secret_set(&v.encr_key, k,
               (size_t)encr_row(alg->encr)->key_len + encr_row(alg->encr)->salt_len);
    secret_set(&v.auth_key, k, alg->auth ? hash_row(alg->auth)->len : 0);
    return v;
}

static void raw_keys(struct bench *b, const struct alg *alg, const u8 *key);

static void set_up(struct bench *b, const struct alg *alg)
{
    static const struct dp_port_value ports[] = {
        {.id = 0, .kind = PORT_TUN_TUNNEL, .name = "Tunnel0"},
        {.id = 1, .kind = PORT_RAW, .family = AF_V4, .proto = 50},
        {.id = 2, .kind = PORT_RAW, .family = AF_V4, .proto = 255}};
    static struct env env;
    env = env_real();
    evlog_init(&b->log, &env, EVS_DP, NULL, NULL);
    struct dp_env e = {.env = env, .log = &b->log, .send = send_nothing};
    b->dp = dp_new(&e);
    for (unsigned i = 0; i < ARRAY_LEN(ports); i++) {
        ctl(b, (struct dp_msg){.type = DP_CFG_PORT, .u.port = ports[i]});
    }
    ctl(b, (struct dp_msg){.type = DP_CFG_BEGIN});
    struct dp_flow_value f = {
        .flow = 1, .path_mtu = 9000, .local = addr_v4(0x0a000001), .peer = addr_v4(0x0a000002)};
    ctl(b, (struct dp_msg){.type = DP_CFG_FLOW, .u.flow = f});
    struct dp_tunnel_value t = {.port = 0,
                                .flow = 1,
                                .mode = TUN_IPSEC_IPV4,
                                .mtu = 9000,
                                .path_mtu = 9000,
                                .src = f.local,
                                .dst = f.peer,
                                .name = "Tunnel0"};
    ctl(b, (struct dp_msg){.type = DP_CFG_TUNNEL, .u.tunnel = t});
    ctl(b, (struct dp_msg){.type = DP_CFG_COMMIT, .u.number = 2});
    struct dp_sa_value out = sa_value(alg, SA_OUT), in = sa_value(alg, SA_IN);
    ctl(b, (struct dp_msg){.type = DP_ADD_SA, .u.sa = out});
    ctl(b, (struct dp_msg){.type = DP_ADD_SA, .u.sa = in});
    b->dp->w.profile = true;
    b->mgr = alloc_mb_mgr(0);
    init_mb_mgr_auto(b->mgr, NULL);
    b->gcm = aligned_alloc(64, (sizeof *b->gcm + 63) / 64 * 64);
    IMB_AES128_GCM_PRE(b->mgr, out.encr_key.b, b->gcm);
    raw_keys(b, alg, out.encr_key.b);
    b->ring = calloc(RING, 2048);
}

static void tear_down(struct bench *b)
{
    dp_free(b->dp);
    free_mb_mgr(b->mgr);
    free(b->gcm);
    free(b->ring);
}

/* Inner packet of len bytes; for decryption RING of them sealed beforehand. */
static void prepare(struct bench *b, u16 len, bool decrypt)
{
    struct ip_make m = {.proto = 17,
                        .ttl = 64,
                        .payload = (u16)(len - 20),
                        .src = addr_v4(0xc0a80101),
                        .dst = addr_v4(0xc0a80201)};
    memset(b->inner, 0x55, sizeof b->inner);
    ip_build(b->inner, &m);
    b->inner_len = len;
    b->decrypt = false;
    fake_attach(b->dp, 0, (struct fake){.ctx = b, .rx = give, .tx = NULL});
    fake_attach(b->dp, 2, (struct fake){.ctx = b, .tx = decrypt ? keep : NULL});
    fake_attach(b->dp, 1, (struct fake){.ctx = b, .rx = NULL});
    struct sa *out = find(b, SA_OUT);
    if (decrypt) {
        out->h.seq = 0;
        b->taken = 0;
        b->keep = true;
        while (b->taken < RING) {
            b->left = VEC;
            dp_run(b->dp);
        }
        b->keep = false;
        b->decrypt = true;
        b->ring_at = RING;
        fake_attach(b->dp, 0, (struct fake){0});
        fake_attach(b->dp, 1, (struct fake){.ctx = b, .rx = give});
    }
}

static u64 node_cycles(const struct bench *b)
{
    u64 c = 0;
    for (unsigned i = 0; i < N_NUM; i++) {
        c += b->dp->w.stat[i].cycles;
    }
    return c;
}

/* Median cycles per packet over many vectors of 256. */
static double engine_pass(struct bench *b, double ms)
{
    static double q[MAX_SAMPLES];
    unsigned n = 0;
    double end = now_s() + ms * 1e-3;
    do {
        if (b->decrypt && b->ring_at + VEC > RING) {
            struct sa *in = find(b, SA_IN);
            b->ring_at = 0;
            in->h.seq = 0;
            memset(in->ring, 0, sizeof in->ring);
        }
        b->left = VEC;
        u64 before = node_cycles(b);
        if (dp_run(b->dp) != VEC) {
            exit(1);
        }
        q[n++] = (double)(node_cycles(b) - before) / VEC;
    } while (n < MAX_SAMPLES && now_s() < end);
    u64 lost = b->dp->w.drops[DROP_REPLAY] + b->dp->w.drops[DROP_BAD_ICV];
    if (lost || b->dp->w.num_held) {
        fprintf(stderr, "bench: %lu packets dropped\n", (unsigned long)lost);
        exit(1);
    }
    return median(q, n);
}

/* ---- the raw cipher -------------------------------------------------------------------------- */

static void raw_gcm(struct bench *b, u16 len)
{
    static struct gcm_context_data ctx;
    for (unsigned i = 0; i < VEC; i++) {
        u8 *h = b->dp->bufs[i].room + 128;
        if (b->decrypt) {
            IMB_AES128_GCM_DEC(b->mgr, b->gcm, &ctx, h + 24, h + 24, len, h + 8, h, 8, h + 24 + len,
                               16);
        } else {
            IMB_AES128_GCM_ENC(b->mgr, b->gcm, &ctx, h + 24, h + 24, len, h + 8, h, 8, h + 24 + len,
                               16);
        }
    }
}

/* What a burst job needs of CBC + SHA-1, prepared by the library itself. */
static void raw_keys(struct bench *b, const struct alg *alg, const u8 *key)
{
    struct raw_cbc *r = &b->cbc;
    r->mode = alg->encr == ENCR_3DES ? IMB_CIPHER_DES3 : IMB_CIPHER_CBC;
    r->iv_len = alg->encr == ENCR_3DES ? 8 : 16;
    r->key_len = alg->encr == ENCR_3DES ? 24 : 16;
    IMB_AES_KEYEXP_128(b->mgr, key, r->enc, r->dec);
    for (unsigned i = 0; i < 3; i++) {
        IMB_DES_KEYSCHED(b->mgr, r->des[i], key + 8 * i);
        r->des_keys[i] = r->des[i];
    }
    IMB_SHA1_ONE_BLOCK(b->mgr, r->ipad, r->ipad); /* any value costs the same */
    IMB_SHA1_ONE_BLOCK(b->mgr, r->opad, r->opad);
}

static void raw_job(IMB_JOB *j, const struct raw_cbc *r, u8 *esp, unsigned text, bool decrypt)
{
    bool des = r->mode == IMB_CIPHER_DES3;
    unsigned head = 8u + r->iv_len;
    j->enc_keys = des ? (const void *)r->des_keys : r->enc;
    j->dec_keys = des ? (const void *)r->des_keys : r->dec;
    j->key_len_in_bytes = r->key_len;
    j->src = esp;
    j->dst = esp + head;
    j->cipher_start_src_offset_in_bytes = head;
    j->msg_len_to_cipher_in_bytes = text;
    j->hash_start_src_offset_in_bytes = 0;
    j->msg_len_to_hash_in_bytes = head + text;
    j->iv = esp + 8;
    j->iv_len_in_bytes = r->iv_len;
    j->auth_tag_output = esp + head + text;
    j->auth_tag_output_len_in_bytes = 12;
    j->u.HMAC._hashed_auth_key_xor_ipad = r->ipad;
    j->u.HMAC._hashed_auth_key_xor_opad = r->opad;
    j->cipher_mode = r->mode;
    j->hash_alg = IMB_AUTH_HMAC_SHA_1;
    j->cipher_direction = decrypt ? IMB_DIR_DECRYPT : IMB_DIR_ENCRYPT;
    j->chain_order = decrypt ? IMB_ORDER_HASH_CIPHER : IMB_ORDER_CIPHER_HASH;
}

/* Bursts straight into the library, without anything of ours between. */
static void raw_burst(struct bench *b, u16 len)
{
    enum { BURST = 128 };
    IMB_JOB *job[BURST];
    unsigned text = len / 16u * 16u;
    for (unsigned at = 0; at < VEC; at += BURST) {
        if (IMB_GET_NEXT_BURST(b->mgr, BURST, job) != BURST) {
            exit(1);
        }
        for (unsigned i = 0; i < BURST; i++) {
            raw_job(job[i], &b->cbc, b->dp->bufs[at + i].room + 128, text, b->decrypt);
        }
        unsigned done = IMB_SUBMIT_BURST_NOCHECK(b->mgr, BURST, job);
        while (done < BURST) {
            unsigned n = IMB_FLUSH_BURST(b->mgr, BURST - done, job);
            done += n ? n : BURST;
        }
    }
}

static double raw_pass(struct bench *b, const struct alg *alg, double ms)
{
    static double q[MAX_SAMPLES];
    unsigned n = 0;
    double end = now_s() + ms * 1e-3;
    do {
        u64 t = cycles();
        if (alg->encr == ENCR_GCM128) {
            raw_gcm(b, b->inner_len);
        } else {
            raw_burst(b, b->inner_len);
        }
        q[n++] = (double)(cycles() - t) / VEC;
    } while (n < MAX_SAMPLES && now_s() < end);
    return median(q, n);
}

/* ---- table
 * ----------------------------------------------------------------------------------------------------
 */

static void by_node(struct bench *b)
{
    for (unsigned i = 0; i < N_NUM; i++) {
        struct node_stat *s = &b->dp->w.stat[i];
        if (s->packets) {
            printf("    %-16s %7.1f\n", graph_node_name(i), (double)s->cycles / (double)s->packets);
        }
    }
}

static double vpp_share(bool decrypt, u16 len)
{
    return decrypt      ? (len == 64    ? 0.30
                           : len == 576 ? 0.47
                                        : 0.65)
           : len == 64  ? 0.40
           : len == 576 ? 0.54
                        : 0.76;
}

static void one_line(struct bench *b, const struct alg *alg, u16 len, bool decrypt, unsigned runs,
                     double ms, bool nodes)
{
    double raw[64], eng[64], share[64];
    prepare(b, len, decrypt);
    memset(b->dp->w.stat, 0, sizeof b->dp->w.stat);
    for (unsigned r = 0; r < runs; r++) {
        raw[r] = raw_pass(b, alg, ms);
        eng[r] = engine_pass(b, ms);
        share[r] = raw[r] / eng[r];
    }
    double m_raw = median(raw, runs), m_eng = median(eng, runs), m_share = median(share, runs);
    printf("%-16s %-4s %5u %9.0f %7.0f-%-7.0f %9.0f %7.0f-%-7.0f %6.2f %5.2f-%-5.2f", alg->name,
           decrypt ? "dec" : "enc", len, m_raw, raw[0], raw[runs - 1], m_eng, eng[0], eng[runs - 1],
           m_share, share[0], share[runs - 1]);
    if (alg->encr == ENCR_GCM128) {
        printf("  %.2f", vpp_share(decrypt, len));
    }
    printf("\n");
    if (nodes) {
        by_node(b);
    }
    fflush(stdout);
}

static void machine(void)
{
    char line[256], model[128] = "?";
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "model name", 10) == 0) {
            sscanf(strchr(line, ':') + 2, "%127[^\n]", model);
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    double t = now_s();
    u64 c = cycles();
    usleep(50000);
    printf("machine: %s, TSC %.3f GHz, libipsec-mb %s\n", model,
           (double)(cycles() - c) / (now_s() - t) / 1e9, IMB_VERSION_STR);
}

int main(int argc, char **argv)
{
    static const u16 sizes[] = {64, 576, 1400};
    unsigned runs = 7;
    int opt, cpu = -1;
    double ms = 20;
    bool nodes = false;
    const char *only = NULL;
    while ((opt = getopt(argc, argv, "n:m:c:pa:")) > 0) {
        switch (opt) {
        case 'n': runs = (unsigned)MIN(MAX(atoi(optarg), 1), 64); break;
        case 'm': ms = atof(optarg); break;
        case 'c': cpu = atoi(optarg); break;
        case 'p': nodes = true; break;
        case 'a': only = optarg; break;
        default: return 2;
        }
    }
    if (cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((unsigned)cpu, &set);
        (void)sched_setaffinity(0, sizeof set, &set);
    }
    machine();
    printf("TSC cycles per packet, tunnel mode, vectors of %d, median of %u runs and spread; share "
           "= raw / graph\n",
           VEC, runs);
    printf("%-16s %-4s %5s %9s %15s %9s %15s %6s %11s  VPP\n", "algorithm", "dir", "bytes", "raw",
           "", "graph", "", "share", "");
    for (unsigned a = 0; a < ARRAY_LEN(algs); a++) {
        if (only && !strstr(algs[a].name, only)) {
            continue;
        }
        static struct bench b;
        memset(&b, 0, sizeof b);
        set_up(&b, &algs[a]);
        for (unsigned d = 0; d < 2; d++) {
            for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
                one_line(&b, &algs[a], sizes[i], d == 1, runs, ms, nodes);
            }
        }
        tear_down(&b);
    }
    return 0;
}
