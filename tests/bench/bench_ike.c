/*
 * bench_ike.c: what a message costs the key daemon, at 100 and at 100 000 peers with an ISAKMP SA
 * and a pair each, and what memory such a peer takes; and what a million first messages cost: memory,
 * and the time a real peer needs to connect among them. Prints tables; nothing is asserted but that
 * the peers do connect. The clock is played, the CPU time is measured.
 *
 *   bench_ike [peers]
 */
#include "ike/ike.h"

#include <malloc.h>
#include <stdlib.h>
#include <time.h>

enum { HUB, SPOKE, RTT_MS = 50, FLOOD_PER_MS = 50, FLOOD = 1000000, QUEUE = 8192, STEPS = 2 };

struct packet {
    u64 at;
    int to;
    struct endpoint from, dst;
    size_t len;
    u8 data[2048];
};
struct net {
    u64 now, rng;
    struct ike *end[2];
    struct addr addr[2];
    struct packet q[QUEUE];
    unsigned num_q, pairs[2], sent[2];
    struct evlog log[2];
    u8 first[2048], last[2048]; /* the spoke's message 1; the hub's last quick mode message */
    size_t first_len, last_len;
    u8 (*cookies)[16]; /* of each living SA */
    u32 living, told;  /* how many; of what the hub tells of when asked */
    u64 rtt_ms;
    bool keep_first;
};
struct end_ctx {
    struct net *net;
    int me;
};
static struct net net;
static struct end_ctx ends[2] = {{&net, HUB}, {&net, SPOKE}};

static u64 fake_now(void *ctx)
{
    return ((struct end_ctx *)ctx)->net->now;
}

static u64 rnd(void)
{
    net.rng ^= net.rng << 13, net.rng ^= net.rng >> 7, net.rng ^= net.rng << 17;
    return net.rng;
}

static void fake_random(void *ctx, u8 *out, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++) {
        out[i] = (u8)(rnd() >> 24);
    }
}

static void on_send(void *ctx, const struct endpoint *from, const struct endpoint *to,
                    const u8 *data, size_t len)
{
    struct end_ctx *e = ctx;
    int other = !e->me;
    e->net->sent[e->me]++;
    if (e->me == SPOKE && net.keep_first) {
        net.keep_first = false;
        memcpy(net.first, data, net.first_len = len);
    }
    if (!addr_equal(&to->a, &net.addr[other]) || net.num_q == QUEUE) {
        return;
    }
    struct packet *p = &net.q[net.num_q++];
    *p = (struct packet){
        .at = net.now + net.rtt_ms / 2, .to = other, .from = *from, .dst = *to, .len = len};
    memcpy(p->data, data, len);
    if (e->me == HUB && data[18] == 32) {
        memcpy(net.last, data, net.last_len = len);
    }
}

static bool on_dp(void *ctx, const struct dp_msg *m)
{
    struct end_ctx *e = ctx;
    e->net->pairs[e->me] += m->type == DP_ADD_SA && m->u.sa.dir == SA_OUT;
    return true;
}

static void on_main(void *ctx, const struct ike_msg *m)
{
    (void)ctx;
    net.told += m->type == IKE_CHILD || (m->type == IKE_SA && !m->u.sa.deleted);
}

static struct ike *make(int me)
{
    struct ike_env e = {.env = {&ends[me], fake_now, fake_random},
                        .log = &net.log[me],
                        .ctx = &ends[me],
                        .send = on_send,
                        .to_dp = on_dp,
                        .to_main = on_main};
    static struct env env[2];
    env[me] = e.env;
    evlog_init(&net.log[me], &env[me], EVS_IKE, NULL, NULL);
    net.log[me].mask = 0;
    return ike_new(&e);
}

static struct addr spoke_addr(u32 i)
{
    return addr_v4(0x0a000001 + i);
}

static void flow(struct ike *ike, u32 id, const struct addr *local, const struct addr *peer)
{
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_CFG_FLOW;
    m.u.flow = (struct ike_flow_value){.flow = id,
                                       .local = *local,
                                       .peer = {*peer},
                                       .num_peers = 1,
                                       .sel = {.src = prefix_host(local),
                                               .dst = prefix_host(peer),
                                               .proto = 47,
                                               .sport_hi = 0xffff,
                                               .dport_hi = 0xffff},
                                       .num_transforms = 1,
                                       .transform = {{"T", ENCR_AES128, HASH_SHA1, MODE_TUNNEL}},
                                       .life_s = 3600,
                                       .replay_window = 64};
    ike_ctl(ike, &m);
}

static void configure(struct ike *ike, int me, u32 first, u32 num)
{
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_CFG_BEGIN;
    ike_ctl(ike, &m);
    m.type = IKE_CFG_POLICY;
    m.u.policy = (struct ike_policy_value){10, ENCR_AES128, HASH_SHA1, IKE_AUTH_PSK, 1, 86400};
    ike_ctl(ike, &m);
    m.type = IKE_CFG_PSK;
    memset(&m.u.psk, 0, sizeof m.u.psk);
    m.u.psk.peer.a.family = AF_V4;
    secret_set(&m.u.psk.key, "bench", 5);
    ike_ctl(ike, &m);
    for (u32 i = first; i < first + num; i++) {
        struct addr a = spoke_addr(i);
        flow(ike, 1 + i, me == HUB ? &net.addr[HUB] : &a, me == HUB ? &a : &net.addr[HUB]);
    }
    m.type = IKE_CFG_COMMIT;
    ike_ctl(ike, &m);
}

static void deliver(void)
{
    for (unsigned i = 0; i < net.num_q;) {
        if (net.q[i].at <= net.now) {
            struct packet p = net.q[i];
            net.q[i] = net.q[--net.num_q];
            ike_input(net.end[p.to], p.data, p.len, &p.from, &p.dst);
        } else {
            i++;
        }
    }
}

static void tick_both(void)
{
    for (int i = HUB; i <= SPOKE; i++) {
        if (net.end[i] && ike_next_ms(net.end[i]) <= net.now) {
            ike_tick(net.end[i]);
        }
    }
}

/* connect: spoke i makes its pair; ms it took by the played clock. during: called every ms */
static u64 connect_spoke(u32 i, void (*during)(void *), void *ctx)
{
    unsigned before = net.pairs[HUB];
    u64 start = net.now;
    net.addr[SPOKE] = spoke_addr(i);
    net.end[SPOKE] = make(SPOKE);
    configure(net.end[SPOKE], SPOKE, i, 1);
    struct dp_msg m = {.type = DP_ACQUIRE};
    m.u.acquire.flow = 1 + i;
    net.keep_first = true;
    net.num_q = 0;
    ike_from_dp(net.end[SPOKE], &m);
    while (net.pairs[HUB] == before && net.now - start < 120000) {
        net.now++;
        if (during) {
            during(ctx);
        }
        deliver();
        tick_both();
    }
    ike_free(net.end[SPOKE]);
    net.end[SPOKE] = NULL;
    net.num_q = 0;
    return net.now - start;
}

static double cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double mb(void)
{
    struct mallinfo2 i = mallinfo2();
    return (double)(i.uordblks + i.hblkhd) / 1e6;
}

/* ---- single messages ---- */

static void feed(const struct addr *from, const u8 *data, size_t len)
{
    struct endpoint f = {*from, 500}, to = {net.addr[HUB], 500};
    ike_input(net.end[HUB], data, len, &f, &to);
}

static void new_first(u8 *out, const struct addr *from)
{
    memcpy(out, net.first, net.first_len);
    put64(out, rnd() | 1);
    feed(from, out, net.first_len);
}

static void garbage(u8 *m, const struct addr *from)
{
    for (size_t i = 0; i < 200; i += 8) {
        put64(m + i, rnd());
    }
    feed(from, m, 200);
}

static void no_sa(u8 *m, const struct addr *from)
{
    garbage(m, from);
    memcpy(m + 16, (u8[]){8, 0x10, 32, 1, 1, 2, 3, 4, 0, 0, 0, 200}, 12);
    feed(from, m, 200);
}

static void forged_quick(u8 *m, const struct addr *from)
{
    memcpy(m, net.last, 16); /* the cookies of a living SA */
    for (size_t i = 28; i < 204; i += 8) {
        put64(m + i, rnd());
    }
    memcpy(m + 16, (u8[]){8, 0x10, 32, 1}, 4);
    put32(m + 20, (u32)rnd());
    put32(m + 24, 204);
    feed(from, m, 204);
}

/* forged_any: the same in any of them: what is known of most was used long ago, by the cache's time. */
static void forged_any(u8 *m, const struct addr *from)
{
    u32 i = (u32)(rnd() % net.living);
    struct addr a = spoke_addr(i);
    (void)from;
    memcpy(net.last, net.cookies[i], 16);
    forged_quick(m, &a);
}

static void tick(u8 *m, const struct addr *from)
{
    (void)m, (void)from;
    net.now++;
    ike_tick(net.end[HUB]);
    (void)ike_next_ms(net.end[HUB]);
}

static void acquire(u8 *m, const struct addr *from)
{
    (void)m, (void)from;
    struct dp_msg a = {.type = DP_ACQUIRE};
    a.u.acquire.flow = 1 + (u32)(rnd() % 50);
    ike_from_dp(net.end[HUB], &a);
}

static u32 all_flows; /* in the hub's configuration */

static void show_flows(u8 *m, const struct addr *from)
{
    (void)m, (void)from;
    ike_ctl(net.end[HUB], &(struct ike_msg){.type = IKE_GET_FLOWS});
}

static void same_configuration(u8 *m, const struct addr *from)
{
    (void)m, (void)from;
    configure(net.end[HUB], HUB, 0, all_flows);
}

static struct {
    const char *what;
    void (*one)(u8 *, const struct addr *);
    unsigned num;
    double us[STEPS];
} rows[] = {
    {"random bytes", garbage, 100000, {0}},
    {"a message with cookies nobody has (and random bytes)", no_sa, 100000, {0}},
    {"a first message, answered", new_first, 100000, {0}},
    {"a forged quick mode in one living SA", forged_quick, 50000, {0}},
    {"a forged quick mode in any living SA", forged_any, 50000, {0}},
    {"a tick with nothing due", tick, 1000, {0}},
    {"an ACQUIRE for a pair that is up", acquire, 100000, {0}},
    {"all flows shown", show_flows, 3, {0}},
    {"the same configuration again", same_configuration, 3, {0}},
};

static void messages(unsigned step)
{
    u8 m[2048];
    struct addr from = net.addr[SPOKE];
    for (unsigned r = 0; r < ARRAY_LEN(rows); r++) {
        double t = cpu_us();
        for (unsigned i = 0; i < rows[r].num; i++) {
            rows[r].one(m, &from);
        }
        rows[r].us[step] = (cpu_us() - t) / rows[r].num;
    }
}

static void table(const u32 steps[STEPS])
{
    printf("%-54s%12u%12u peers   ratio\n", "a message costs, us", steps[0], steps[1]);
    for (unsigned r = 0; r < ARRAY_LEN(rows); r++) {
        printf("  %-52s%12.2f%12.2f%14.2f\n", rows[r].what, rows[r].us[0], rows[r].us[1],
               rows[r].us[1] / rows[r].us[0]);
    }
}

/* ---- floods ---- */

struct flood {
    const struct addr *from; /* NULL: any */
    unsigned sent;
};

static void flood_ms(void *ctx)
{
    struct flood *f = ctx;
    u8 m[2048];
    for (unsigned i = 0; i < FLOOD_PER_MS && f->sent < FLOOD; i++, f->sent++) {
        struct addr any = addr_v4((u32)rnd());
        new_first(m, f->from ? f->from : &any);
    }
}

static void floods(u32 peer)
{
    struct addr spoofed = addr_v4(0x01020304), real = spoke_addr(peer);
    const struct addr *from[] = {NULL, &spoofed, &real};
    static const char *const names[] = {"random sources", "one spoofed source",
                                        "the real peer's source"};
    printf("%d first messages, %d a second, a real peer among them (round trip %d ms)\n", FLOOD,
           FLOOD_PER_MS * 1000, RTT_MS);
    for (unsigned k = 0; k < 3; k++) {
        struct flood f = {.from = from[k]};
        double before = mb(), t = cpu_us();
        while (f.sent < FLOOD / 2) {
            net.now++;
            flood_ms(&f);
            tick_both();
        }
        double half = mb();
        u64 ms = connect_spoke(peer, flood_ms, &f);
        while (f.sent < FLOOD) {
            net.now++;
            flood_ms(&f);
            tick_both();
        }
        printf("  %-24s connected in %5llu ms; %.1f MB before, %.1f after half, %.1f at the end; "
               "%.2f us a message\n",
               names[k], (unsigned long long)ms, before, half, mb(), (cpu_us() - t) / FLOOD);
        if (ms >= 120000) {
            printf("  NOT CONNECTED\n");
            exit(1);
        }
        net.now += 200000; /* what is left over goes by itself */
        tick_both();
    }
}

/* all_there: each peer has one ISAKMP SA and one pair. */
static void all_there(void)
{
    net.told = 0;
    ike_ctl(net.end[HUB], &(struct ike_msg){.type = IKE_GET_SAS});
    ike_ctl(net.end[HUB], &(struct ike_msg){.type = IKE_GET_CHILDREN});
    if (net.told != 2 * net.living) {
        printf("%u ISAKMP SAs and pairs, wanted %u\n", net.told, 2 * net.living);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    u32 most = argc > 1 ? (u32)strtoul(argv[1], NULL, 10) : 100000, at = 0;
    const u32 steps[STEPS] = {100, most};
    net.now = 1000000;
    net.rng = 88172645463325252ull;
    net.addr[HUB] = addr_v4(0xc0000201);
    net.cookies = xcalloc(most, sizeof *net.cookies);
    double empty = mb();
    net.end[HUB] = make(HUB);
    all_flows = most + 1;
    configure(net.end[HUB], HUB, 0, all_flows);
    double configured = mb();
    net.rtt_ms = 2; /* all of them are up before the first is to be renewed */
    for (unsigned s = 0; s < STEPS; s++) {
        double t = cpu_us();
        u32 from = at;
        for (; at < steps[s]; at++) {
            if (connect_spoke(at, NULL, NULL) >= 120000) {
                printf("peer %u did not connect\n", at);
                return 1;
            }
            memcpy(net.cookies[at], net.last, 16);
        }
        net.living = at;
        printf("%u handshakes, both ends: %.0f us each\n", at - from, (cpu_us() - t) / (at - from));
        net.now += 100000; /* what is kept of finished exchanges goes */
        tick_both();
        all_there();
        messages(s);
    }
    all_there();
    table(steps);
    printf("memory of a peer at %u: %.2f KB for its ISAKMP SA and pair, %.2f KB for its flow in "
           "the configuration\n",
           most, (mb() - configured) * 1e3 / most, (configured - empty) * 1e3 / all_flows);
    net.rtt_ms = RTT_MS;
    floods(most);
    ike_free(net.end[HUB]);
    free(net.cookies);
    return 0;
}
