/*
 * dp_manual: the data plane with manual keys, for test_xfrm.py: real TUNs and raw sockets in the network namespace it
 * is started in, opened as src/sys/apply.c opens them. Reads one line per value from standard input, answers each with
 * "ok", and ends when standard input does:
 *
 *   tun PORT tunnel|crypto NAME MTU
 *   begin                          a new generation ...
 *   tunnel FLOW gre|vti SRC DST    ... Tunnel0 on TUN port 0
 *   flow FLOW LOCAL PEER
 *   policy FLOW SRC/LEN DST/LEN PROTO
 *   commit                         ... holds
 *   sa in|out FLOW SPI tunnel|transport ENCR AUTH SRC DST KEY|- AUTHKEY|-     (enum encr_id, enum hash_id)
 *   del in|out SPI DST
 *   stats                          "flow FLOW encaps N decaps N errors N", "drop N REASON" before the "ok"
 */
#include "dp/dp.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORDS = 16, RAW_PORT = 8 };

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

/* ---- what comes out ---- */

static void on_event(void *ctx, const struct ev_rec *rec)
{
    struct strbuf b = {0};
    (void)ctx;
    ev_render_text(&b, rec);
    fprintf(stderr, "%s\n", b.s);
    sb_free(&b);
}

static bool on_value(void *ctx, enum dp_origin to, const struct dp_msg *m)
{
    (void)ctx, (void)to;
    if (m->type == DP_FLOW) {
        const struct dp_flow_info *f = &m->u.flow_info;
        printf("flow %u encaps %lu decaps %lu errors %lu\n", f->flow, (unsigned long)f->encaps, (unsigned long)f->decaps,
               (unsigned long)(f->send_errors + f->recv_errors));
    } else if (m->type == DP_DROP_COUNT && m->u.drop_info.packets) {
        printf("drop %lu %s\n", (unsigned long)m->u.drop_info.packets, dp_drop_name(m->u.drop_info.reason));
    }
    return true;
}

/* ---- what goes in ---- */

static void tell(struct dp *dp, const struct dp_msg *m, int fd)
{
    dp_ctl(dp, FROM_MAIN, m, fd);
}

static struct addr addr_of(const char *text)
{
    struct addr a;
    must(addr_parse(&a, text), text);
    return a;
}

static struct prefix prefix_of(char *text)
{
    char *slash = strchr(text, '/');
    must(slash != NULL, text);
    *slash = 0;
    return (struct prefix){.a = addr_of(text), .len = (u8)atoi(slash + 1)};
}

static void key_of(struct secret *s, const char *text)
{
    u8 b[SECRET_MAX];
    int n = text[0] == '-' ? 0 : hex_parse(b, sizeof b, text);
    must(n >= 0, text);
    secret_set(s, b, (size_t)n);
}

static void raw_port(struct dp *dp, u32 id, u8 family, u8 proto)
{
    int fd = socket(family == AF_V4 ? AF_INET : AF_INET6, SOCK_RAW | SOCK_NONBLOCK, proto), on = 1, mark = DP_MARK;
    must(fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0, "raw socket");
    if (family == AF_V6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_HDRINCL, &on, sizeof on);
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
    }
    tell(dp, &(struct dp_msg){.type = DP_CFG_PORT, .u.port = {.id = id, .kind = PORT_RAW, .family = family, .proto = proto}},
         fd);
}

static void line_tun(struct dp *dp, char **w)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    struct dp_msg m = {.type = DP_CFG_PORT, .u.port = {.id = (u32)atoi(w[1]), .link = 1, .mtu = (u16)atoi(w[4])}};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    m.u.port.kind = strcmp(w[2], "tunnel") == 0 ? PORT_TUN_TUNNEL : PORT_TUN_CRYPTO;
    str_copy(r.ifr_name, sizeof r.ifr_name, w[3]);
    str_copy(m.u.port.name, sizeof m.u.port.name, w[3]);
    must(fd >= 0 && ioctl(fd, TUNSETIFF, &r) == 0, "TUNSETIFF");
    tell(dp, &m, fd);
}

static u64 staged; /* values of the generation being given */

static void line_tunnel(struct dp *dp, char **w)
{
    struct dp_msg m = {.type = DP_CFG_TUNNEL, .u.tunnel = {.mtu = 1400, .path_mtu = 1500, .name = "Tunnel0"}};
    struct dp_tunnel_value *t = &m.u.tunnel;
    t->flow = (u32)atoi(w[1]), t->src = addr_of(w[3]), t->dst = addr_of(w[4]);
    bool v6 = t->src.family == AF_V6, gre = strcmp(w[2], "gre") == 0;
    staged++;
    t->mode = gre ? (v6 ? TUN_GRE_IPV6 : TUN_GRE_IP) : v6 ? TUN_IPSEC_IPV6 : TUN_IPSEC_IPV4;
    tell(dp, &m, -1);
}

static void line_flow(struct dp *dp, char **w)
{
    staged++;
    struct dp_flow_value f = {.flow = (u32)atoi(w[1]), .link = 1, .path_mtu = 1500, .local = addr_of(w[2]), .peer = addr_of(w[3])};
    tell(dp, &(struct dp_msg){.type = DP_CFG_FLOW, .u.flow = f}, -1);
}

static void line_policy(struct dp *dp, char **w)
{
    static u32 order;
    staged++;
    struct dp_policy_value p = {.order = ++order, .link = 1, .flow = (u32)atoi(w[1]), .action = ACT_PROTECT, .path_mtu = 1500};
    p.sel = (struct selector){.src = prefix_of(w[2]), .dst = prefix_of(w[3]), .proto = (u8)atoi(w[4]), .sport_hi = 0xffff,
                              .dport_hi = 0xffff};
    tell(dp, &(struct dp_msg){.type = DP_CFG_POLICY, .u.policy = p}, -1);
}

/* ENCR 0: AH. */
static void line_sa(struct dp *dp, char **w)
{
    struct dp_msg m = {.type = DP_ADD_SA, .u.sa = {.proto = 50, .replay_window = 64, .sel = selector_any(AF_NONE)}};
    m.u.sa.proto = strcmp(w[5], "0") == 0 ? 51 : 50;
    struct dp_sa_value *s = &m.u.sa;
    s->dir = strcmp(w[1], "in") == 0 ? SA_IN : SA_OUT;
    s->flow = (u32)atoi(w[2]), s->spi = (u32)strtoul(w[3], NULL, 0);
    s->mode = strncmp(w[4], "tunnel", 6) == 0 ? MODE_TUNNEL : MODE_TRANSPORT;
    s->esn = strstr(w[4], "+esn") != NULL;
    s->encr = (u8)atoi(w[5]), s->auth = (u8)atoi(w[6]), s->src = addr_of(w[7]), s->dst = addr_of(w[8]);
    key_of(&s->encr_key, w[9]);
    key_of(&s->auth_key, w[10]);
    dp_ctl(dp, FROM_IKE, &m, -1);
}

/* bundle DIR FLOW SPI MODE ENCR AUTH SRC DST KEY AUTHKEY AHSPI AH AHKEY: AH around ESP */
static void line_bundle(struct dp *dp, char **w)
{
    struct dp_msg m = {.type = DP_ADD_SA, .u.sa = {.proto = 51, .mode = MODE_TRANSPORT, .replay_window = 64, .inside = 50}};
    struct dp_sa_value *s = &m.u.sa, esp;
    s->sel = selector_any(AF_NONE);
    s->dir = strcmp(w[1], "in") == 0 ? SA_IN : SA_OUT;
    s->flow = (u32)atoi(w[2]), s->spi = (u32)strtoul(w[11], NULL, 0);
    s->auth = (u8)atoi(w[12]), s->src = addr_of(w[7]), s->dst = addr_of(w[8]);
    key_of(&s->auth_key, w[13]);
    s->esn = strstr(w[4], "+esn") != NULL;
    dp_ctl(dp, FROM_IKE, &m, -1);
    esp = *s;
    esp.proto = 50, esp.inside = 0, esp.with_proto = 51, esp.with_spi = s->spi;
    esp.spi = (u32)strtoul(w[3], NULL, 0), esp.mode = strncmp(w[4], "tunnel", 6) == 0 ? MODE_TUNNEL : MODE_TRANSPORT;
    esp.encr = (u8)atoi(w[5]), esp.auth = (u8)atoi(w[6]);
    key_of(&esp.encr_key, w[9]);
    key_of(&esp.auth_key, w[10]);
    *s = esp;
    dp_ctl(dp, FROM_IKE, &m, -1);
}

static void line_del(struct dp *dp, char **w)
{
    for (u8 proto = 50; proto <= 51; proto++) {
        struct dp_del_value d = {.proto = proto, .dir = strcmp(w[1], "in") == 0 ? SA_IN : SA_OUT, .dst = addr_of(w[3])};
        d.spi = (u32)strtoul(w[2], NULL, 0);
        dp_ctl(dp, FROM_IKE, &(struct dp_msg){.type = DP_DEL_SA, .u.del = d}, -1);
    }
}

static void line_begin(struct dp *dp, char **w)
{
    (void)w;
    staged = 0;
    tell(dp, &(struct dp_msg){.type = DP_CFG_BEGIN}, -1);
}

static void line_commit(struct dp *dp, char **w)
{
    (void)w;
    tell(dp, &(struct dp_msg){.type = DP_CFG_COMMIT, .u.number = staged}, -1);
}

static void line_stats(struct dp *dp, char **w)
{
    (void)w;
    tell(dp, &(struct dp_msg){.type = DP_GET_FLOWS}, -1);
    tell(dp, &(struct dp_msg){.type = DP_GET_DROPS}, -1);
}

static void one_line(struct dp *dp, char *text)
{
    static const struct {
        const char *word;
        unsigned words;
        void (*run)(struct dp *dp, char **w);
    } rows[] = {{"tun", 5, line_tun}, {"begin", 1, line_begin}, {"tunnel", 5, line_tunnel}, {"flow", 4, line_flow},
                {"policy", 5, line_policy}, {"commit", 1, line_commit}, {"sa", 11, line_sa}, {"del", 4, line_del},
                {"stats", 1, line_stats}, {"bundle", 14, line_bundle}};
    char *w[WORDS], *save = NULL;
    unsigned n = 0;
    for (char *p = strtok_r(text, " ", &save); p && n < WORDS; p = strtok_r(NULL, " ", &save)) {
        w[n++] = p;
    }
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        if (n == rows[i].words && strcmp(w[0], rows[i].word) == 0) {
            rows[i].run(dp, w);
            puts("ok");
            fflush(stdout);
            return;
        }
    }
    fprintf(stderr, "dp_manual: what is %s with %u words?\n", n ? w[0] : "nothing", n);
    exit(1);
}

/* read_lines: false at the end of standard input. */
static bool read_lines(struct dp *dp)
{
    static char buf[65536];
    static size_t have;
    ssize_t n = read(0, buf + have, sizeof buf - have - 1);
    if (n <= 0) {
        return false;
    }
    have += (size_t)n;
    buf[have] = 0;
    char *at = buf;
    for (char *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
        *end = 0;
        one_line(dp, at);
    }
    have -= (size_t)(at - buf);
    memmove(buf, at, have);
    return true;
}

int main(void)
{
    struct env env = env_real();
    struct evlog log;
    static const u8 protos[] = {50, 51, 47, 255};
    evlog_init(&log, &env, EVS_DP, NULL, on_event);
    struct dp_env e = {.env = env, .log = &log, .send = on_value, .engine = getenv("ADIT_ENGINE")};
    struct dp *dp = dp_new(&e);
    must(dp != NULL, "dp_new");
    for (u32 i = 0; i < 8; i++) {
        raw_port(dp, RAW_PORT + i, i < 4 ? AF_V4 : AF_V6, protos[i % 4]);
    }
    for (bool more = true; more;) {
        int fds[DP_MAX_PORTS];
        struct pollfd p[DP_MAX_PORTS + 1] = {{.fd = 0, .events = POLLIN}};
        unsigned n = dp_poll_fds(dp, fds, DP_MAX_PORTS);
        for (unsigned i = 0; i < n; i++) {
            p[i + 1] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        }
        must(poll(p, n + 1, (int)dp_tick(dp)) >= 0, "poll");
        while (dp_run(dp)) {
        }
        more = !p[0].revents || read_lines(dp);
    }
    dp_free(dp);
    return 0;
}
