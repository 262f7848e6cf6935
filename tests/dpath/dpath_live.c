/*
 * dpath_live: the data plane on real devices with manual keys, for test_live.sh: opens a TUN and
 * raw sockets in the network namespace it is started in and runs until stdin closes.
 *
 *   dpath_live TUN MODE(gre|vti) LOCAL PEER ENCR AUTH SAMODE(tunnel|transport) SPI_OUT SPI_IN
 * KEYHEX|- AUTHHEX|- [PATH_MTU]
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

static void sink(void *ctx, const struct ev_rec *rec)
{
    struct strbuf b = {0};
    (void)ctx;
    ev_render_text(&b, rec);
    fprintf(stderr, "%s\n", b.s);
    sb_free(&b);
}

static bool answer(void *ctx, enum dp_origin to, const struct dp_msg *m)
{
    (void)ctx, (void)to;
    if (m->type == DP_FLOW) {
        const struct dp_flow_info *f = &m->u.flow_info;
        printf("encaps %lu decaps %lu send_errors %lu recv_errors %lu mtu %u\n",
               (unsigned long)f->encaps, (unsigned long)f->decaps, (unsigned long)f->send_errors,
               (unsigned long)f->recv_errors, f->plaintext_mtu);
    } else if (m->type == DP_DROP_COUNT && m->u.drop_info.packets) {
        printf("dropped: %s, %lu\n", dp_drop_name((enum dp_drop)m->u.drop_info.reason),
               (unsigned long)m->u.drop_info.packets);
    }
    return true;
}

static void must(bool ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static int tun_open(const char *name)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    must(fd >= 0, "/dev/net/tun");
    str_copy(r.ifr_name, sizeof r.ifr_name, name);
    must(ioctl(fd, TUNSETIFF, &r) == 0, "TUNSETIFF");
    return fd;
}

static void raw_port(struct dp *dp, u32 id, u8 family, u8 proto)
{
    int fd = socket(family == AF_V4 ? AF_INET : AF_INET6, SOCK_RAW, proto);
    int on = 1;
    must(fd >= 0, "raw socket");
    if (family == AF_V6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
    }
    struct dp_msg m = {.type = DP_CFG_PORT,
                       .u.port = {.id = id, .kind = PORT_RAW, .family = family, .proto = proto}};
    dp_ctl(dp, FROM_MAIN, &m, fd);
}

static struct addr addr_of(const char *text)
{
    struct addr a;
    must(addr_parse(&a, text), text);
    return a;
}

static void key(struct secret *s, const char *text)
{
    u8 b[SECRET_MAX];
    int n = text[0] == '-' ? 0 : hex_parse(b, sizeof b, text);
    must(n >= 0, text);
    secret_set(s, b, (size_t)n);
}

static void configure(struct dp *dp, char **a, u16 mtu)
{
    bool v6 = addr_of(a[3]).family == AF_V6;
    struct dp_msg m = {.type = DP_CFG_PORT,
                       .u.port = {.id = 0, .kind = PORT_TUN_TUNNEL, .mtu = 1400}};
    dp_ctl(dp, FROM_MAIN, &m, tun_open(a[1]));
    static const u8 protos[] = {50, 47, 255};
    for (u32 i = 0; i < 6; i++) {
        raw_port(dp, i + 1, i < 3 ? AF_V4 : AF_V6, protos[i % 3]);
    }
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_BEGIN}, -1);
    struct dp_tunnel_value t = {
        .flow = 1, .mtu = 1476, .path_mtu = mtu, .src = addr_of(a[3]), .dst = addr_of(a[4])};
    t.mode = strcmp(a[2], "gre") == 0 ? (v6 ? TUN_GRE_IPV6 : TUN_GRE_IP)
             : v6                     ? TUN_IPSEC_IPV6
                                      : TUN_IPSEC_IPV4;
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_TUNNEL, .u.tunnel = t}, -1);
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_CFG_COMMIT, .u.number = 1}, -1);
    for (u8 dir = SA_IN; dir <= SA_OUT; dir++) {
        struct dp_msg s = {.type = DP_ADD_SA,
                           .u.sa = {.flow = 1, .dir = dir, .proto = 50, .replay_window = 64}};
        s.u.sa.mode = strcmp(a[7], "tunnel") == 0 ? MODE_TUNNEL : MODE_TRANSPORT;
        s.u.sa.encr = (u8)atoi(a[5]), s.u.sa.auth = (u8)atoi(a[6]);
        s.u.sa.spi = (u32)strtoul(dir == SA_OUT ? a[8] : a[9], NULL, 0);
        s.u.sa.src = dir == SA_OUT ? t.src : t.dst;
        s.u.sa.dst = dir == SA_OUT ? t.dst : t.src;
        s.u.sa.sel = selector_any(AF_NONE);
        key(&s.u.sa.encr_key, a[10]);
        key(&s.u.sa.auth_key, a[11]);
        dp_ctl(dp, FROM_IKE, &s, -1);
    }
}

int main(int argc, char **argv)
{
    must(argc >= 12, "arguments");
    struct env env = env_real();
    struct evlog log;
    evlog_init(&log, &env, EVS_DP, NULL, sink);
    struct dp_env e = {.env = env, .log = &log, .send = answer};
    struct dp *dp = dp_new(&e);
    must(dp != NULL, "dp_new");
    configure(dp, argv, argc > 12 ? (u16)atoi(argv[12]) : 1500);
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int fds[DP_MAX_PORTS];
        struct pollfd p[DP_MAX_PORTS + 1] = {{.fd = 0, .events = POLLIN}};
        unsigned n = dp_poll_fds(dp, fds, DP_MAX_PORTS);
        for (unsigned i = 0; i < n; i++) {
            p[i + 1] = (struct pollfd){.fd = fds[i], .events = POLLIN};
        }
        poll(p, n + 1, (int)dp_tick(dp));
        while (dp_run(dp)) {
        }
        if (p[0].revents) {
            break;
        }
    }
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_GET_FLOWS}, -1);
    dp_ctl(dp, FROM_MAIN, &(struct dp_msg){.type = DP_GET_DROPS}, -1);
    dp_free(dp);
    return 0;
}
