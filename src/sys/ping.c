/*
 * ping.c: echo requests for the console (RFC 792, RFC 4443): ! reply, . timeout, U unreachable, M could not fragment,
 * & TTL exceeded, ? anything else. One at a time per router; the next request leaves when the last one is answered or
 * has timed out, as IOS does.
 */
#include "sys/router_int.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PING_MAX = 18024 }; /* bytes with the IP header */

struct ping {
    struct router *r;
    struct session *s;
    struct cli_ping p;
    uv_poll_t poll;
    uv_timer_t timer;
    int fd, closing;
    bool too_big; /* the kernel did not take the last request */
    u16 id, seq;
    u32 sent, got;
    u64 sent_ns, min_ns, max_ns, sum_ns;
    char line[80];
};

static u16 checksum(const u8 *b, size_t len)
{
    u32 sum = 0;
    for (size_t i = 0; i + 1 < len; i += 2) {
        sum += (u32)(b[i] << 8 | b[i + 1]);
    }
    if (len % 2) {
        sum += (u32)(b[len - 1] << 8);
    }
    sum = (sum >> 16) + (sum & 0xffff);
    return (u16) ~(sum + (sum >> 16));
}

static socklen_t to_sockaddr(struct sockaddr_storage *out, const struct addr *a)
{
    memset(out, 0, sizeof *out);
    if (a->family == AF_V6) {
        struct sockaddr_in6 *s6 = (struct sockaddr_in6 *)out;
        s6->sin6_family = AF_INET6;
        memcpy(&s6->sin6_addr, a->b, 16);
        return sizeof *s6;
    }
    struct sockaddr_in *s4 = (struct sockaddr_in *)out;
    s4->sin_family = AF_INET;
    memcpy(&s4->sin_addr, a->b, 4);
    return sizeof *s4;
}

static void on_closed(uv_handle_t *h)
{
    struct ping *g = h->data;
    if (++g->closing == 2) {
        close(g->fd);
        free(g);
    }
}

static void ping_end(struct ping *g)
{
    char line[160];
    struct session *s = g->s;
    g->r->ping = NULL;
    uv_close((uv_handle_t *)&g->poll, on_closed);
    uv_close((uv_handle_t *)&g->timer, on_closed);
    u32 percent = g->sent ? g->got * 100 / g->sent : 0;
    int n = snprintf(line, sizeof line, "\nSuccess rate is %u percent (%u/%u)", percent, g->got,
                     g->sent);
    if (g->got) {
        snprintf(line + n, sizeof line - (size_t)n, ", round-trip min/avg/max = %u/%u/%u ms",
                 (unsigned)((g->min_ns + 500000) / 1000000),
                 (unsigned)((g->sum_ns / g->got + 500000) / 1000000),
                 (unsigned)((g->max_ns + 500000) / 1000000));
    }
    session_output(s, line);
    session_output(s, "\n");
    session_ready(s, g->got ? CLI_OK : CLI_ERROR);
}

static void send_next(struct ping *g);

static void mark(struct ping *g, const char *what)
{
    session_output(g->s, what);
    uv_timer_stop(&g->timer);
    if (g->sent >= g->p.count) {
        ping_end(g);
    } else {
        send_next(g);
    }
}

static void on_timeout(uv_timer_t *t)
{
    struct ping *g = t->data;
    mark(g, g->too_big ? "M" : ".");
}

static void send_next(struct ping *g)
{
    u8 buf[PING_MAX] = {0};
    bool six = g->p.dst.family == AF_V6;
    size_t len = g->p.size - (six ? 40u : 20u);
    struct sockaddr_storage to;
    socklen_t to_len = to_sockaddr(&to, &g->p.dst);
    buf[0] = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    put16(buf + 4, g->id);
    put16(buf + 6, ++g->seq);
    for (size_t i = 8; i + 1 < len; i += 2) {
        put16(buf + i, 0xabcd);
    }
    if (!six) {
        put16(buf + 2, checksum(buf, len)); /* the kernel makes the ICMPv6 one */
    }
    g->sent++;
    g->sent_ns = uv_hrtime();
    g->too_big =
        sendto(g->fd, buf, len, 0, (struct sockaddr *)&to, to_len) < 0 && errno == EMSGSIZE;
    /* too big: marked from the loop, too, for the next request may be as big */
    uv_timer_start(&g->timer, on_timeout, g->too_big ? 0 : MAX(g->p.timeout_ms, 1u), 0);
    /* without a route the request is as lost as any other: '.' after the timeout, as IOS shows it */
}

/* verdict: what the ICMP message says about our request: NULL: not about it. */
static const char *verdict(struct ping *g, const u8 *b, size_t len, bool six)
{
    if (!six) {
        size_t ihl = len >= 20 ? (size_t)(b[0] & 15) * 4 : 0;
        if (ihl < 20 || len < ihl + 8) {
            return NULL;
        }
        b += ihl, len -= ihl;
    }
    if (len >= 8 && b[0] == (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY)) {
        return be16(b + 4) == g->id && be16(b + 6) == g->seq ? "!" : NULL;
    }
    size_t inner = 8 + (six ? 40u : 20u);
    if (len < inner + 8 || be16(b + inner + 4) != g->id || be16(b + inner + 6) != g->seq) {
        return NULL; /* an error about somebody else's packet */
    }
    if (six) {
        return b[0] == ICMP6_DST_UNREACH      ? "U"
               : b[0] == ICMP6_PACKET_TOO_BIG ? "M"
               : b[0] == ICMP6_TIME_EXCEEDED  ? "&"
                                              : "?";
    }
    if (b[0] == ICMP_DEST_UNREACH) {
        return b[1] == ICMP_FRAG_NEEDED ? "M" : "U";
    }
    return b[0] == ICMP_SOURCE_QUENCH ? "Q" : b[0] == ICMP_TIME_EXCEEDED ? "&" : NULL;
}

static void on_icmp(uv_poll_t *p, int status, int events)
{
    struct ping *g = p->data;
    u8 buf[19000];
    (void)events;
    ssize_t n;
    while (status == 0 && g->r->ping == g && (n = recv(g->fd, buf, sizeof buf, MSG_DONTWAIT)) > 0) {
        const char *v = verdict(g, buf, (size_t)n, g->p.dst.family == AF_V6);
        if (v) {
            u64 took = uv_hrtime() - g->sent_ns;
            if (v[0] == '!') {
                g->min_ns = g->got ? MIN(g->min_ns, took) : took;
                g->max_ns = MAX(g->max_ns, took);
                g->sum_ns += took;
                g->got++;
            }
            mark(g, v);
        }
    }
}

bool ping_start(struct router *r, struct session *s, const struct cli_ping *p, struct strbuf *error)
{
    bool six = p->dst.family == AF_V6;
    struct sockaddr_storage from;
    u32 least = (six ? 40 : 20) + 8; /* the headers of IP and of the echo request */
    if (r->ping) {
        sb_add(error, "another ping is running");
        return false;
    }
    if (p->size < least || p->size > PING_MAX) {
        sb_addf(error, "the size of an %s echo is %u to %d bytes", six ? "IPv6" : "IP", least,
                PING_MAX);
        return false;
    }
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    six ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP);
    if (fd < 0) {
        sb_addf(error, "%s", strerror(errno));
        return false;
    }
    socklen_t len = to_sockaddr(&from, &p->src);
    if (p->src.family && bind(fd, (struct sockaddr *)&from, len) != 0) {
        char a[ADDR_STR];
        sb_addf(error, "Invalid source address- %s is not one of ours or its interface is down",
                addr_str(a, &p->src));
        close(fd);
        return false;
    }
    int df = p->df ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT;
    (void)setsockopt(fd, six ? (int)IPPROTO_IPV6 : (int)IPPROTO_IP,
                     six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &df, sizeof df);
    struct ping *g = xcalloc(1, sizeof *g);
    *g = (struct ping){.r = r, .s = s, .p = *p, .fd = fd, .id = (u16)env_random_u32(&r->env)};
    r->ping = g;
    uv_poll_init(&r->loop, &g->poll, fd);
    uv_timer_init(&r->loop, &g->timer);
    g->poll.data = g->timer.data = g;
    uv_poll_start(&g->poll, UV_READABLE, on_icmp);
    send_next(g);
    return true;
}

void ping_stop(struct router *r, struct session *s)
{
    if (r->ping && r->ping->s == s) {
        ping_end(r->ping);
    }
}
