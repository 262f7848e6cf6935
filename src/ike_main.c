/*
 * ike_main.c: the key daemon's process: sockets and channels around the sans-IO daemon of ike/. It
 * drops every right before it reads the first byte from the network.
 */
#include "ike/ike.h"
#include "sys/generation.h"
#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct ike_proc {
    struct env env;
    struct evlog log;
    struct ike *ike; /* owned */
    int dp;          /* channel to the data plane, -1: none */
    struct outbox to_main, to_dp;
    u64 generation; /* the configuration in force, by main's number */
    int udp[4];      /* port 500 of IPv4 and IPv6, 4500 of both; -1: the host has no such family, or somebody else the port */
};

/* ---- sockaddr and endpoints ---- */

static struct endpoint from_sockaddr(const struct sockaddr_storage *ss)
{
    struct endpoint e = {0};
    if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *s = (const struct sockaddr_in6 *)ss;
        e.a = addr_from_bytes(AF_V6, s->sin6_addr.s6_addr);
        e.port = ntohs(s->sin6_port);
    } else {
        const struct sockaddr_in *s = (const struct sockaddr_in *)ss;
        e.a = addr_from_bytes(AF_V4, (const u8 *)&s->sin_addr);
        e.port = ntohs(s->sin_port);
    }
    return e;
}

static socklen_t to_sockaddr(struct sockaddr_storage *out, const struct endpoint *e)
{
    memset(out, 0, sizeof *out);
    if (e->a.family == AF_V6) {
        struct sockaddr_in6 *s = (struct sockaddr_in6 *)out;
        s->sin6_family = AF_INET6;
        s->sin6_port = htons(e->port);
        memcpy(&s->sin6_addr, e->a.b, 16);
        return sizeof *s;
    }
    struct sockaddr_in *s = (struct sockaddr_in *)out;
    s->sin_family = AF_INET;
    s->sin_port = htons(e->port);
    memcpy(&s->sin_addr, e->a.b, 4);
    return sizeof *s;
}

/* ---- out ---- */

union pktinfo_room {
    struct cmsghdr h;
    char room[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

static void put_source(struct msghdr *m, union pktinfo_room *room, const struct addr *a)
{
    struct cmsghdr *c = &room->h;
    m->msg_control = room->room;
    if (a->family == AF_V6) {
        struct in6_pktinfo p = {0};
        memcpy(&p.ipi6_addr, a->b, 16);
        m->msg_controllen = CMSG_SPACE(sizeof p);
        *c = (struct cmsghdr){
            .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof p)};
        memcpy(CMSG_DATA(c), &p, sizeof p);
    } else {
        struct in_pktinfo p = {0};
        memcpy(&p.ipi_spec_dst, a->b, 4);
        m->msg_controllen = CMSG_SPACE(sizeof p);
        *c = (struct cmsghdr){
            .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof p)};
        memcpy(CMSG_DATA(c), &p, sizeof p);
    }
}

static void send_datagram(void *ctx, const struct endpoint *from, const struct endpoint *to,
                          const u8 *data, size_t len)
{
    struct sockaddr_storage ss;
    union pktinfo_room room = {0};
    struct iovec v = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    struct msghdr m = {.msg_name = &ss, .msg_iov = &v, .msg_iovlen = 1};
    (void)ctx;
    m.msg_namelen = to_sockaddr(&ss, to);
    if (from->a.family) {
        put_source(&m, &room, &from->a);
    }
    int fd = (from->port == 4500 ? FD_NATT4 : FD_UDP4) + (to->a.family == AF_V6);
    (void)sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL); /* lost: retransmitted */
}

static bool to_dp(void *ctx, const struct dp_msg *m)
{
    struct ike_proc *p = ctx;
    return p->dp >= 0 && outbox_send(&p->to_dp, p->dp, m, sizeof *m, -1, OUTBOX_KEPT);
}

static void to_main(void *ctx, const struct ike_msg *m)
{
    struct ike_proc *p = ctx;
    /* an event may be lost when main is busy; an answer may not */
    (void)outbox_send(&p->to_main, FD_MAIN, m, sizeof *m, -1,
                      m->type == IKE_EVENT ? OUTBOX_LOSSY : OUTBOX_KEPT);
}

static void on_event(void *ctx, const struct ev_rec *rec)
{
    struct ike_msg m = {.type = IKE_EVENT, .u.event = *rec};
    to_main(ctx, &m);
}

static void dp_gone(struct ike_proc *p)
{
    if (p->dp >= 0) {
        close(p->dp);
        p->dp = -1;
        outbox_clear(&p->to_dp);
    }
}

static short wanted(const struct outbox *o)
{
    return outbox_empty(o) ? POLLIN : POLLIN | POLLOUT;
}

/* ---- in ---- */

static void read_udp(struct ike_proc *p, int fd, u16 port)
{
    u8 buf[65536];
    for (int n = 0; n < 64; n++) {
        struct sockaddr_storage ss;
        union {
            struct cmsghdr h;
            char room[256];
        } control;
        struct iovec v = {.iov_base = buf, .iov_len = sizeof buf};
        struct msghdr m = {.msg_name = &ss,
                           .msg_namelen = sizeof ss,
                           .msg_iov = &v,
                           .msg_iovlen = 1,
                           .msg_control = control.room,
                           .msg_controllen = sizeof control.room};
        ssize_t len = recvmsg(fd, &m, MSG_DONTWAIT);
        if (len < 0) {
            return;
        }
        struct endpoint from = from_sockaddr(&ss), to = {.port = port};
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
                struct in_pktinfo i;
                memcpy(&i, CMSG_DATA(c), sizeof i);
                to.a = addr_from_bytes(AF_V4, (const u8 *)&i.ipi_addr);
            } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
                struct in6_pktinfo i;
                memcpy(&i, CMSG_DATA(c), sizeof i);
                to.a = addr_from_bytes(AF_V6, i.ipi6_addr.s6_addr);
            }
        }
        ike_input(p->ike, buf, (size_t)len, &from, &to);
    }
}

static bool is_staged(u32 type)
{
    return type == IKE_CFG_GLOBAL || type == IKE_CFG_POLICY || type == IKE_CFG_PSK ||
           type == IKE_CFG_PROFILE || type == IKE_CFG_MATCH || type == IKE_CFG_PEER ||
           type == IKE_CFG_FLOW;
}

/* take_generation: whole or not at all; main is told which one is in force. */
static void take_generation(struct ike_proc *p, u64 asked, int fd)
{
    struct generation g;
    struct ike_msg m;
    if (generation_take(&g, fd, sizeof m, asked, is_staged)) {
        ike_ctl(p->ike, &(struct ike_msg){.type = IKE_CFG_BEGIN});
        for (size_t i = 0; i < g.num; i++) {
            generation_value(&g, i, &m);
            ike_ctl(p->ike, &m);
        }
        ike_ctl(p->ike, &(struct ike_msg){.type = IKE_CFG_COMMIT});
        p->generation = g.number;
        generation_close(&g);
    }
    mem_wipe(&m, sizeof m);
    to_main(p, &(struct ike_msg){
                   .type = IKE_TAKEN, .tag = (u32)asked, .u.number = p->generation});
}

/* read_main: false when main has gone: then we end too. */
static bool read_main(struct ike_proc *p)
{
    struct ike_msg m;
    int fd;
    long n;
    while ((n = chan_recv(FD_MAIN, &m, sizeof m, &fd)) > 0) {
        if (n == (long)sizeof m && m.type == IKE_DP_PEER && fd >= 0) {
            dp_gone(p);
            p->dp = fd;
            fd = -1;
        }
        bool whole = n == (long)sizeof m;
        if (whole && m.type == IKE_CFG_GENERATION && fd >= 0) {
            take_generation(p, m.u.number, fd);
        } else if (whole && !is_staged(m.type) && m.type != IKE_CFG_BEGIN &&
                   m.type != IKE_CFG_COMMIT) { /* those come in a sealed generation only */
            ike_ctl(p->ike, &m);
        }
        if (fd >= 0) {
            close(fd);
        }
        mem_wipe(&m, sizeof m);
    }
    return n < 0;
}

static void read_dp(struct ike_proc *p)
{
    struct dp_msg m;
    int fd;
    long n;
    while (p->dp >= 0 && (n = chan_recv(p->dp, &m, sizeof m, &fd)) >= 0) {
        if (fd >= 0) {
            close(fd);
        }
        if (n == 0) {
            dp_gone(p);
        } else if (n == (long)sizeof m) {
            ike_from_dp(p->ike, &m);
        }
    }
}

static u64 wait_ms(const struct ike_proc *p)
{
    u64 next = ike_next_ms(p->ike), now = env_now_ms(&p->env);
    return next <= now ? 0 : MIN(next - now, (u64)60000);
}

/* hold_numbers: a socket that the host could not give (no IPv6) is a closed descriptor. poll would
 * wake for it without end, and its number would go to the next descriptor that comes, which would
 * then be read as UDP: so the number is taken, and not polled. */
static void hold_numbers(struct ike_proc *p)
{
    static const int fds[4] = {FD_UDP4, FD_UDP6, FD_NATT4, FD_NATT6};
    for (int i = 0; i < 4; i++) {
        p->udp[i] = fds[i];
        if (fcntl(fds[i], F_GETFD) < 0) {
            int null = open("/dev/null", O_RDWR | O_CLOEXEC);
            p->udp[i] = -1;
            if (null >= 0 && null != fds[i]) {
                (void)dup2(null, fds[i]);
                close(null);
            }
        }
    }
}

int ike_main(u32 uid)
{
    static struct ike_proc p;
    const char *why;
    p.env = env_real();
    p.dp = -1;
    outbox_init(&p.to_main);
    outbox_init(&p.to_dp);
    evlog_init(&p.log, &p.env, EVS_IKE, &p, on_event);
    struct ike_env env = {.env = p.env,
                          .log = &p.log,
                          .ctx = &p,
                          .send = send_datagram,
                          .to_dp = to_dp,
                          .to_main = to_main};
    signal(SIGTERM, SIG_IGN); /* a whole process group is told to end: main says when, and how */
    signal(SIGINT, SIG_IGN);
    crypto_warm_up();
    hold_numbers(&p);
    env.natt = p.udp[2] >= 0;
    p.ike = ike_new(&env);
    if (!rights_drop(RIGHTS_IKE, uid, &why)) {
        fprintf(stderr, "adit ike: cannot %s: %s\n", why, strerror(errno));
        return 1;
    }
    for (;;) {
        struct pollfd f[6] = {{.fd = FD_MAIN, .events = wanted(&p.to_main)},
                              {.fd = p.dp, .events = wanted(&p.to_dp)},
                              {.fd = p.udp[0], .events = POLLIN},
                              {.fd = p.udp[1], .events = POLLIN},
                              {.fd = p.udp[2], .events = POLLIN},
                              {.fd = p.udp[3], .events = POLLIN}};
        int n = poll(f, ARRAY_LEN(f), (int)wait_ms(&p));
        if (n < 0 && errno != EINTR) {
            break;
        }
        if (n < 0) {
            continue;
        }
        if (f[0].revents & POLLOUT) {
            (void)outbox_flush(&p.to_main, FD_MAIN);
        }
        if (f[1].revents & POLLOUT) {
            (void)outbox_flush(&p.to_dp, p.dp);
        }
        if (f[0].revents && !read_main(&p)) {
            break;
        }
        read_dp(&p);
        for (int i = 2; i < 6; i++) {
            if (f[i].revents & (POLLIN | POLLERR)) {
                read_udp(&p, f[i].fd, i < 4 ? 500 : 4500);
            }
        }
        ike_tick(p.ike);
    }
    ike_free(p.ike);
    return 0;
}
