/*
 * bench_hands.c: many initiators for one responder, over real sockets: how many main modes with a quick mode behind each (RFC 2409)
 * it does in a second, and what CPU time each costs it. The responder is any; tools/bench_hands.py has it be adit and strongSwan.
 *
 *   bench_hands RESPONDER PEERS GROUP LEAST_MS PID...   PEERS initiators, 10.9.0.1 and on (they must be addresses of this host)
 *   bench_hands GROUP                                   what its Diffie-Hellman alone costs: a key pair and a shared secret
 *
 * The initiators are one src/ike with a flow each; WINDOW of them are under way at any time. They share one key pair, so that
 * making keys costs the responder only, and this program is never the slower one. Rounds of all peers are made until LEAST_MS of
 * them have been measured; what takes the SAs down in between is not. Prints one JSON object; PIDs are those of the responder,
 * their CPU time is the kernel's (clock_getcpuclockid).
 */
#include "ike/ike.h"

#include <errno.h>
#include <netinet/in.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    WINDOW = 32,
    PEERS_MAX = 65000,
    PIDS_MAX = 8,
    GIVE_UP_MS = 30000,
    QUIET_MS = 100,
    FIRST = 0x0a090001
};

static struct gen {
    struct env env;
    struct evlog log;
    struct ike *ike;
    struct addr responder;
    u32 peers, started, up;
    bool is_up[PEERS_MAX + 1];
    bool gently; /* what is sent now is not answered: no more than the responder's socket holds */
    int fd[2];   /* ports 500 and 4500 */
} g;

/* ---- one key pair for all initiators ---- */

struct dh *__real_dh_new(u16 group, const u8 *secret, size_t secret_len);
struct dh *__wrap_dh_new(u16 group, const u8 *secret, size_t secret_len);
void __wrap_dh_free(struct dh *dh);

struct dh *__wrap_dh_new(u16 group, const u8 *secret, size_t secret_len)
{
    static struct dh *ours;
    if (!ours) {
        ours = __real_dh_new(group, secret, secret_len);
    }
    return ours;
}

void __wrap_dh_free(struct dh *dh)
{
    (void)dh;
}

/* ---- what src/ike needs of a process ---- */

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "bench_hands: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int udp(u16 port)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), one = 1, room = 8 << 20;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 ||
        bind(fd, (const struct sockaddr *)&a, sizeof a) < 0) {
        fail("socket");
    }
    return fd;
}

union pktinfo {
    struct cmsghdr h;
    char room[CMSG_SPACE(sizeof(struct in_pktinfo))];
};

static void send_datagram(void *ctx, const struct endpoint *from, const struct endpoint *to,
                          const u8 *data, size_t len)
{
    (void)ctx;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    union pktinfo control = {0};
    struct in_pktinfo info = {0};
    struct iovec v = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr m = {.msg_name = &a,
                       .msg_namelen = sizeof a,
                       .msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    memcpy(&a.sin_addr, to->a.b, 4);
    memcpy(&info.ipi_spec_dst, from->a.b, 4);
    control.h = (struct cmsghdr){
        .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof info)};
    memcpy(CMSG_DATA(&control.h), &info, sizeof info);
    if (sendmsg(g.fd[from->port == 4500], &m, 0) < 0) {
        fail("send");
    }
    if (g.gently) {
        (void)nanosleep(&(struct timespec){.tv_nsec = 250000}, NULL);
    }
}

static bool to_dp(void *ctx, const struct dp_msg *m)
{
    (void)ctx;
    if (m->type == DP_ADD_SA && m->u.sa.dir == SA_OUT && m->u.sa.flow <= g.peers &&
        !g.is_up[m->u.sa.flow]) {
        g.is_up[m->u.sa.flow] = true;
        g.up++;
    }
    return true;
}

static void to_main(void *ctx, const struct ike_msg *m)
{
    (void)ctx, (void)m;
}

static void take(int which)
{
    u8 buf[4096];
    for (;;) {
        struct sockaddr_in a;
        union pktinfo control;
        struct iovec v = {.iov_base = buf, .iov_len = sizeof buf};
        struct msghdr m = {.msg_name = &a,
                           .msg_namelen = sizeof a,
                           .msg_iov = &v,
                           .msg_iovlen = 1,
                           .msg_control = control.room,
                           .msg_controllen = sizeof control.room};
        ssize_t n = recvmsg(g.fd[which], &m, MSG_DONTWAIT);
        if (n < 0) {
            return;
        }
        struct in_pktinfo info = {0};
        if (CMSG_FIRSTHDR(&m)) {
            memcpy(&info, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof info);
        }
        struct endpoint from = {addr_from_bytes(AF_V4, (const u8 *)&a.sin_addr), ntohs(a.sin_port)},
                        to = {addr_from_bytes(AF_V4, (const u8 *)&info.ipi_addr),
                              which ? 4500 : 500};
        ike_input(g.ike, buf, (size_t)n, &from, &to);
    }
}

/* turn: waits for datagrams or what is due, for `most` ms; false: nothing came. */
static bool turn(int most)
{
    u64 now = env_now_ms(&g.env), next = ike_next_ms(g.ike);
    int wait = next <= now ? 0 : (int)MIN(next - now, (u64)most);
    struct pollfd p[2] = {{.fd = g.fd[0], .events = POLLIN}, {.fd = g.fd[1], .events = POLLIN}};
    int n = poll(p, 2, wait);
    for (int i = 0; i < 2; i++) {
        if (n > 0 && p[i].revents) {
            take(i);
        }
    }
    if (ike_next_ms(g.ike) <= env_now_ms(&g.env)) {
        ike_tick(g.ike);
    }
    return n > 0;
}

/* ---- the configuration of all initiators ---- */

static void configure(u16 group)
{
    struct ike_msg m;
    memset(&m, 0, sizeof m);
    m.type = IKE_CFG_BEGIN;
    ike_ctl(g.ike, &m);
    m.type = IKE_CFG_GLOBAL;
    m.u.global =
        (struct ike_global_value){.enabled = true, .retransmit_ms = 2000, .retransmit_tries = 5};
    ike_ctl(g.ike, &m);
    memset(&m.u, 0, sizeof m.u);
    m.type = IKE_CFG_POLICY;
    m.u.policy =
        (struct ike_policy_value){10, ENCR_AES128, HASH_SHA256, IKE_AUTH_PSK, group, 86400};
    ike_ctl(g.ike, &m);
    memset(&m.u, 0, sizeof m.u);
    m.type = IKE_CFG_PSK;
    m.u.psk.peer.a.family = AF_V4;
    secret_set(&m.u.psk.key, "bench-hands", 11);
    ike_ctl(g.ike, &m);
    struct addr theirs = addr_v4(0x0ac80000);
    for (u32 i = 1; i <= g.peers; i++) {
        struct addr inside = addr_v4(FIRST - 0x090001 + 0x640000 + i);
        memset(&m.u, 0, sizeof m.u);
        m.type = IKE_CFG_FLOW;
        m.u.flow =
            (struct ike_flow_value){.flow = i,
                                    .local = addr_v4(FIRST + i - 1),
                                    .peer = {g.responder},
                                    .num_peers = 1,
                                    .sel = {.src = prefix_host(&inside),
                                            .dst = {.a = theirs, .len = 24},
                                            .sport_hi = 0xffff,
                                            .dport_hi = 0xffff},
                                    .num_transforms = 1,
                                    .transform = {{"T", ENCR_AES128, HASH_SHA1, MODE_TUNNEL}},
                                    .life_s = 3600,
                                    .replay_window = 64};
        ike_ctl(g.ike, &m);
    }
    m.type = IKE_CFG_COMMIT;
    ike_ctl(g.ike, &m);
}

/* ---- rounds ---- */

static double seconds(clockid_t c)
{
    struct timespec t;
    if (clock_gettime(c, &t) < 0) {
        fail("the responder's clock");
    }
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void all_up(void)
{
    u64 start = env_now_ms(&g.env);
    memset(g.is_up, 0, sizeof g.is_up);
    g.started = g.up = 0;
    while (g.up < g.peers) {
        while (g.started < g.peers && g.started - g.up < WINDOW) {
            struct dp_msg m = {.type = DP_ACQUIRE};
            m.u.acquire.flow = ++g.started;
            ike_from_dp(g.ike, &m);
        }
        (void)turn(1000);
        if (env_now_ms(&g.env) - start > GIVE_UP_MS) {
            fprintf(stderr, "bench_hands: %u of %u came up\n", g.up, g.peers);
            exit(1);
        }
    }
}

/* idle: all that is still to be said has been said and worked off. */
static void idle(clockid_t *clock, int num)
{
    double before[PIDS_MAX];
    for (bool busy = true; busy;) {
        for (int i = 0; i < num; i++) {
            before[i] = seconds(clock[i]);
        }
        busy = false;
        for (u64 end = env_now_ms(&g.env) + QUIET_MS; env_now_ms(&g.env) < end;) {
            busy = turn(QUIET_MS / 4) || busy;
        }
        for (int i = 0; i < num; i++) { /* more than waking up now and then */
            busy = busy || seconds(clock[i]) - before[i] > 0.1 * QUIET_MS / 1000;
        }
    }
}

static void measure(u64 least_ms, char **pid, int num)
{
    clockid_t clock[PIDS_MAX];
    double cpu[PIDS_MAX] = {0}, wall = 0;
    u64 done = 0;
    for (int i = 0; i < num; i++) {
        if ((errno = clock_getcpuclockid(atoi(pid[i]), &clock[i])) != 0) {
            fail("the responder");
        }
    }
    idle(clock, num); /* it may still be taking its configuration in */
    do {
        double before[PIDS_MAX], start = seconds(CLOCK_MONOTONIC);
        for (int i = 0; i < num; i++) {
            before[i] = seconds(clock[i]);
        }
        all_up();
        wall += seconds(CLOCK_MONOTONIC) - start;
        idle(clock, num); /* the last messages 3 */
        for (int i = 0; i < num; i++) {
            cpu[i] += seconds(clock[i]) - before[i];
        }
        done += g.peers;
        g.gently = true;
        ike_ctl(g.ike, &(struct ike_msg){.type = IKE_CLEAR_SESSION});
        g.gently = false;
        idle(clock, num);
    } while (wall * 1000 < (double)least_ms);
    printf("{\"handshakes\": %llu, \"seconds\": %.4f, \"cpu\": [", (unsigned long long)done, wall);
    for (int i = 0; i < num; i++) {
        printf("%s%.4f", i ? ", " : "", cpu[i]);
    }
    puts("]}");
}

/* ---- the bound ---- */

static double each_us(void (*one)(void *), void *ctx)
{
    double start = seconds(CLOCK_PROCESS_CPUTIME_ID), end;
    unsigned n = 0;
    do {
        one(ctx);
        n++;
        end = seconds(CLOCK_PROCESS_CPUTIME_ID);
    } while (end - start < 0.5);
    return (end - start) / n * 1e6;
}

struct power {
    BIGNUM *p, *base, *x, *y;
    BN_MONT_CTX *mont;
    EC_GROUP *curve;
    EC_POINT *pt, *z;
    BN_CTX *ctx;
};

static void modp_one(void *ctx)
{
    struct power *w = ctx;
    (void)BN_mod_exp_mont_consttime(w->y, w->base, w->x, w->p, w->ctx, w->mont);
}

static void ecp_fixed(void *ctx)
{
    struct power *w = ctx;
    (void)EC_POINT_mul(w->curve, w->z, w->x, NULL, NULL, w->ctx);
}

static void ecp_one(void *ctx)
{
    struct power *w = ctx;
    (void)EC_POINT_mul(w->curve, w->z, NULL, w->pt, w->x, w->ctx);
}

/* bound: the two powers, or the two multiplications of points, of the library and nothing else. */
static int bound(u16 group)
{
    struct power w = {.ctx = BN_CTX_new(), .x = BN_new(), .y = BN_new(), .base = BN_new()};
    const struct group_row *row = group_row(group);
    double us;
    BN_priv_rand(w.x, (int)dh_secret_len(group) * 8, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY);
    if (row && row->ecp && group == 19) {
        w.curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
        w.pt = EC_POINT_new(w.curve);
        w.z = EC_POINT_new(w.curve);
        BN_mod(w.x, w.x, EC_GROUP_get0_order(w.curve), w.ctx);
        (void)EC_POINT_mul(w.curve, w.pt, w.x, NULL, NULL, w.ctx);
        us = each_us(ecp_fixed, &w) + each_us(ecp_one, &w);
    } else if (group == 2 || group == 14) {
        w.p = group == 2 ? BN_get_rfc2409_prime_1024(NULL) : BN_get_rfc3526_prime_2048(NULL);
        w.mont = BN_MONT_CTX_new();
        (void)BN_MONT_CTX_set(w.mont, w.p, w.ctx);
        (void)BN_rand_range(w.base, w.p);
        us = 2 * each_us(modp_one, &w);
    } else {
        fprintf(stderr, "bench_hands: groups 2, 14 and 19\n");
        return 2;
    }
    printf("%.2f\n", us);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2) {
        return bound((u16)atoi(argv[1]));
    }
    if (argc < 6 || argc > 5 + PIDS_MAX || !addr_parse(&g.responder, argv[1])) {
        fprintf(
            stderr,
            "usage: bench_hands RESPONDER PEERS GROUP LEAST_MS PID...\n       bench_hands GROUP\n");
        return 2;
    }
    g.peers = MIN((u32)strtoul(argv[2], NULL, 10), (u32)PEERS_MAX);
    g.env = env_real();
    evlog_init(&g.log, &g.env, EVS_IKE, NULL, NULL);
    g.log.mask = 0;
    g.fd[0] = udp(500);
    g.fd[1] = udp(4500);
    struct ike_env e = {.env = g.env,
                        .log = &g.log,
                        .send = send_datagram,
                        .natt = true,
                        .to_dp = to_dp,
                        .to_main = to_main};
    g.ike = ike_new(&e);
    configure((u16)atoi(argv[3]));
    measure(strtoull(argv[4], NULL, 10), argv + 5, argc - 5);
    ike_free(g.ike);
    return 0;
}
