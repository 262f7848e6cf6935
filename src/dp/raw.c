/*
 * raw.c: raw sockets as ports: recvmmsg and sendmmsg, one system call per batch. An IPv4 socket
 * hands over the whole packet, reassembled; an IPv6 socket only what follows its headers, so the
 * header is made again from the addresses (RFC 3542: IPV6_PKTINFO). Sending is IPPROTO_RAW with the
 * header included, for both.
 */
#include "dp/dp_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { RAW_BATCH = 64, CTRL = 96 };

/* One batch of messages; lives on the stack of one call. */
struct batch {
    struct mmsghdr msg[RAW_BATCH];
    struct iovec iov[RAW_BATCH];
    struct sockaddr_in6 name[RAW_BATCH]; /* holds a sockaddr_in too */
    _Alignas(8) u8 ctrl[RAW_BATCH][CTRL];
};

/* ---- receiving ------------------------------------------------------------------------------- */

/* Receives up to max messages `at` bytes into fresh buffers. */
static unsigned receive(struct worker *w, int fd, struct batch *b, struct pkt **p, unsigned max,
                        unsigned at)
{
    unsigned num = 0;
    for (; num < MIN(max, RAW_BATCH); num++) {
        p[num] = pkt_get(w);
        if (!p[num]) {
            break;
        }
        b->iov[num] = (struct iovec){.iov_base = p[num]->data + at, .iov_len = PKT_MAX - at};
        b->msg[num].msg_hdr = (struct msghdr){.msg_name = &b->name[num],
                                              .msg_namelen = sizeof b->name[num],
                                              .msg_iov = &b->iov[num],
                                              .msg_iovlen = 1,
                                              .msg_control = b->ctrl[num],
                                              .msg_controllen = CTRL};
    }
    int got = num ? recvmmsg(fd, b->msg, num, MSG_DONTWAIT, NULL) : 0;
    unsigned n = got > 0 ? (unsigned)got : 0;
    for (unsigned i = num; i-- > n;) {
        pkt_put(w, p[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        p[i]->len = (u16)(b->msg[i].msg_len + at);
    }
    return n;
}

static unsigned raw_rx(struct worker *w, struct port *port, struct pkt **p, unsigned max)
{
    struct batch b;
    unsigned n = 0, got;
    do {
        got = receive(w, port->fd, &b, p + n, max - n, 0);
        n += got;
    } while (got == RAW_BATCH && n < max);
    return n;
}

/* The IPv6 header the kernel took off, as far as it tells. */
static void make_header6(struct pkt *p, const struct port *port, struct msghdr *h,
                         const struct sockaddr_in6 *from)
{
    u8 *ip = p->data;
    unsigned tclass = 0;
    memset(ip, 0, IP6_HDR);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            memcpy(ip + 24, &info.ipi6_addr, 16);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS) {
            int v;
            memcpy(&v, CMSG_DATA(c), sizeof v);
            tclass = (unsigned)v & 0xff;
        }
    }
    put32(ip, 6u << 28 | tclass << 20);
    put16(ip + 4, (u16)(p->len - IP6_HDR));
    ip[6] = port->val.proto;
    ip[7] = 64;
    memcpy(ip + 8, &from->sin6_addr, 16);
}

static unsigned raw6_rx(struct worker *w, struct port *port, struct pkt **p, unsigned max)
{
    struct batch b;
    unsigned n = 0, got;
    do {
        got = receive(w, port->fd, &b, p + n, max - n, IP6_HDR);
        for (unsigned i = 0; i < got; i++) {
            make_header6(p[n + i], port, &b.msg[i].msg_hdr, &b.name[i]);
        }
        n += got;
    } while (got == RAW_BATCH && n < max);
    return n;
}

/* ---- sending --------------------------------------------------------------------------------- */

static void prepare(struct batch *b, unsigned i, const struct port *port, struct pkt *p)
{
    bool v4 = port->val.family == AF_V4;
    struct sockaddr_in *to4 = (struct sockaddr_in *)(void *)&b->name[i];
    if (v4) {
        *to4 = (struct sockaddr_in){.sin_family = AF_INET};
        memcpy(&to4->sin_addr, p->data + 16, 4);
    } else {
        b->name[i] = (struct sockaddr_in6){.sin6_family = AF_INET6};
        memcpy(&b->name[i].sin6_addr, p->data + 24, 16);
    }
    b->iov[i] = (struct iovec){.iov_base = p->data, .iov_len = p->len};
    b->msg[i].msg_hdr = (struct msghdr){.msg_name = &b->name[i],
                                        .msg_namelen = v4 ? sizeof *to4 : sizeof b->name[i],
                                        .msg_iov = &b->iov[i],
                                        .msg_iovlen = 1};
}

static void refused(struct worker *w, struct port *port, struct pkt *p, int error)
{
    port->tx_errors++;
    if (error == EMSGSIZE) {
        mtu_too_long(w, p);
    }
    pkt_drop(p, DROP_TX_ERROR,
             error == EMSGSIZE ? "longer than the path MTU" : "the kernel refused it", 0, 0);
    graph_put(w, N_DROP, p);
}

/* Sends one batch; sendmmsg stops at the first error, so it goes on behind it. */
static void send_batch(struct worker *w, struct port *port, struct batch *b, struct pkt **p,
                       unsigned n)
{
    unsigned done = 0;
    while (done < n) {
        int sent = sendmmsg(port->fd, b->msg + done, n - done, MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        for (int i = 0; i < sent; i++) {
            port->tx_packets++;
            pkt_put(w, p[done++]);
        }
        if (sent <= 0) {
            refused(w, port, p[done++], errno);
        }
    }
}

static void send_tx(struct worker *w, struct port *port, struct pkt **p, unsigned n)
{
    struct batch b;
    for (unsigned at = 0; at < n; at += RAW_BATCH) {
        unsigned num = MIN(RAW_BATCH, n - at);
        for (unsigned i = 0; i < num; i++) {
            prepare(&b, i, port, p[at + i]);
        }
        send_batch(w, port, &b, p + at, num);
    }
}

static void no_tx(struct worker *w, struct port *port, struct pkt **p, unsigned n)
{
    (void)port;
    for (unsigned i = 0; i < n; i++) {
        pkt_drop(p[i], DROP_TX_ERROR, "a receiving port", 0, 0);
        graph_put(w, N_DROP, p[i]);
    }
}

const struct port_ops port_raw = {.name = "raw", .rx = raw_rx, .tx = no_tx};
const struct port_ops port_raw6 = {.name = "raw6", .rx = raw6_rx, .tx = no_tx};
const struct port_ops port_send = {.name = "send", .rx = NULL, .tx = send_tx};
