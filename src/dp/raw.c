/*
 * raw.c: raw sockets as ports: recvmmsg and sendmmsg, one system call per batch. An IPv4 socket
 * hands over the whole packet, reassembled; an IPv6 socket only what follows its headers, so the
 * header is made again from the addresses (RFC 3542: IPV6_PKTINFO). Sending is IPPROTO_RAW with the
 * header included, for both.
 *
 * What the network answers to what we sent (fragmentation needed) waits in the error queue of the
 * receiving socket of the same protocol, what the kernel itself refused in that of the sender. The
 * queues must be emptied: poll wakes up for them for ever.
 */
#include "dp/dp_int.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/socket.h>

enum { RAW_BATCH = 64, CTRL = 96, ERR_CTRL = 512, ERR_MAX = 256 };

/* One batch of messages; lives on the stack of one call. */
struct batch {
    struct mmsghdr msg[RAW_BATCH];
    struct iovec iov[RAW_BATCH];
    struct sockaddr_in6 name[RAW_BATCH]; /* holds a sockaddr_in too */
    _Alignas(8) u8 ctrl[RAW_BATCH][CTRL];
};

/* ---- errors ---------------------------------------------------------------------------------- */

/* True when an entry of the error queue is about a packet that was too long; the MTU it tells. local: by the kernel's own
 * word, else by ICMP. */
static bool too_long(struct msghdr *h, bool local, u16 *out_mtu)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
        bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
        struct sock_extended_err e;
        if ((v4 || v6) && c->cmsg_len >= CMSG_LEN(sizeof e)) {
            memcpy(&e, CMSG_DATA(c), sizeof e);
            *out_mtu = (u16)MIN(e.ee_info, 0xffffu);
            return e.ee_errno == EMSGSIZE && (e.ee_origin == SO_EE_ORIGIN_LOCAL) == local;
        }
    }
    return false;
}

/* Empties the error queue. Returns the smallest MTU it told, 0: none. A receiving socket's entries
 * quote packets of ours from behind their IP header on. A sending socket's are the kernel's own: ICMP that
 * quotes its protocol, 255, may come there as well (not from all kernels), and anybody may write that. */
static u16 errors(struct worker *w, const struct port *port)
{
    u16 smallest = 0;
    bool sends = port->ops == &port_send;
    for (unsigned i = 0; i < ERR_MAX; i++) { /* more wait for the next turn */
        _Alignas(8) u8 ctrl[ERR_CTRL];
        u8 quote[64];
        struct sockaddr_in6 name = {0};
        struct iovec iov = {.iov_base = quote, .iov_len = sizeof quote};
        struct msghdr h = {.msg_name = &name,
                           .msg_namelen = sizeof name,
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = ctrl,
                           .msg_controllen = sizeof ctrl};
        u16 mtu;
        ssize_t len = recvmsg(port->fd, &h, MSG_ERRQUEUE | MSG_DONTWAIT);
        if (len < 0) {
            break;
        }
        if (!too_long(&h, sends, &mtu)) {
            continue;
        }
        smallest = smallest ? MIN(smallest, mtu) : mtu;
        struct addr dst = {0};
        if (name.sin6_family == AF_INET) {
            const struct sockaddr_in *n4 = (const struct sockaddr_in *)(const void *)&name;
            dst = addr_v4(be32((const u8 *)&n4->sin_addr));
        } else {
            dst.family = AF_V6;
            memcpy(dst.b, &name.sin6_addr, 16);
        }
        if (!sends) {
            pmtu_told(w, port->val.proto, &dst, quote, (size_t)len, mtu);
        }
    }
    return smallest;
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Receives up to max messages `at` bytes into fresh buffers. */
static unsigned receive(struct worker *w, const struct port *port, struct batch *b, struct pkt **p,
                        unsigned max, unsigned at)
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
    int got = num ? recvmmsg(port->fd, b->msg, num, MSG_DONTWAIT, NULL) : 0;
    unsigned n = got > 0 ? (unsigned)got : 0;
    if (UNLIKELY(got < 0 && errno != EAGAIN && errno != EINTR)) {
        (void)errors(w, port);
    }
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
        got = receive(w, port, &b, p + n, max - n, 0);
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

/* The IPv4 and UDP headers that the kernel took off, as far as it tells. */
static void make_udp4(struct pkt *p, struct msghdr *h, const struct sockaddr_in6 *name)
{
    const struct sockaddr_in *from = (const struct sockaddr_in *)(const void *)name;
    struct ip_make m = {.proto = IPPROTO_UDP_, .ttl = 64, .payload = (u16)(p->len - IP4_HDR)};
    m.src = addr_v4(be32((const u8 *)&from->sin_addr));
    m.dst = addr_v4(0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            m.dst = addr_v4(be32((const u8 *)&info.ipi_addr));
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS) {
            m.tos = *(const u8 *)CMSG_DATA(c);
        }
    }
    ip_build(p->data, &m);
    put16(p->data + IP4_HDR, be16((const u8 *)&from->sin_port));
}

static unsigned udp_rx(struct worker *w, struct port *port, struct pkt **p, unsigned max)
{
    struct batch b;
    bool six = port->val.family == AF_V6;
    unsigned n = 0, got, hlen = ip_hdr_len(port->val.family);
    do {
        got = receive(w, port, &b, p + n, max - n, hlen + UDP_HDR);
        for (unsigned i = 0; i < got; i++) {
            struct pkt *q = p[n + i];
            if (six) {
                make_header6(q, port, &b.msg[i].msg_hdr, &b.name[i]);
                put16(q->data + hlen, be16((const u8 *)&b.name[i].sin6_port));
            } else {
                make_udp4(q, &b.msg[i].msg_hdr, &b.name[i]);
            }
            put16(q->data + hlen + 2, 4500);
            put32(q->data + hlen + 4, (u32)(q->len - hlen) << 16);
        }
        n += got;
    } while (got == RAW_BATCH && n < max);
    return n;
}

static unsigned raw6_rx(struct worker *w, struct port *port, struct pkt **p, unsigned max)
{
    struct batch b;
    unsigned n = 0, got;
    do {
        got = receive(w, port, &b, p + n, max - n, IP6_HDR);
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

/* The link is narrower than we knew: what may be cut is cut and tried again. True: p is taken care of. */
static bool cut(struct worker *w, struct pkt *p, u16 mtu)
{
    bool df = p->v.version == 4 && (be16(p->data + 6) & IP4_DF);
    if (df || mtu < 576 || p->len <= mtu) {
        return false;
    }
    mtu_fragment(w, p, mtu, N_PORT_TX); /* the graph sends what is put here while it sends */
    if (p->next == N_DONE) {
        pkt_put(w, p);
    } else {
        graph_put(w, N_DROP, p); /* for the reason it could not be cut */
    }
    return true;
}

static void refused(struct worker *w, struct port *port, struct pkt *p, int error)
{
    u16 mtu = error == EMSGSIZE ? errors(w, port) : 0;
    port->tx_errors++;
    if (mtu) {
        pmtu_too_long(w, p, mtu);
        if (cut(w, p, mtu)) {
            return;
        }
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
const struct port_ops port_udp = {.name = "udp", .rx = udp_rx, .tx = no_tx};
const struct port_ops port_send = {.name = "send", .rx = NULL, .tx = send_tx};
