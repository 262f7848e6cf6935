/*
 * lossy_wire.c: a wire between two links of one namespace that loses each frame with the same probability, and delays one in ten
 * so that others overtake it: what netem would do, where the kernel has none. It counts what it was given and what it lost, for
 * IKE, ESP and the rest apart, and each SPI, ISAKMP SA and quick mode it saw.
 *
 *   lossy_wire LEFT RIGHT SEED LOST_OF_1000
 *
 * It begins as a good wire. Lines on standard input: `storm`: lose and delay from now on; `calm`: no more; `count`: the counts
 * as one JSON object on one line. It ends when standard input does. The n-th frame of a direction and kind has the same fate
 * in each run with the same seed: each has random numbers of its own.
 */
#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum kind { ESP, IKE, REST, KINDS };
enum {
    FRAME = 2048,
    LATE_MAX = 1024, /* frames that are being delayed */
    DELAY_MIN_US = 2000,
    DELAY_MAX_US = 5000,
    SEEN = 1 << 17, /* a power of two, far more than an hour has of SPIs and exchanges */
};

struct end {
    int fd;
    u64 rng[KINDS];
    u64 got[KINDS], lost[KINDS], late[KINDS]; /* frames that came in here */
    u64 bare; /* IP packets that are neither IKE nor ESP, nor the link's own */
    u64 spis, missed;
};
struct late {
    u64 due_us;
    int to;
    u16 len;
    u8 data[FRAME];
};
static struct wire {
    struct end end[2];
    struct late late[LATE_MAX];
    unsigned num_late;
    u64 seen[SEEN], num_seen; /* what was seen once, by a key of its own; 0: free */
    u64 isakmp, quick;
    u64 lost_of_1000;
    bool storm;
} w;

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "lossy_wire: %s: %s\n", what, strerror(errno));
    exit(1);
}

static u64 now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (u64)t.tv_sec * 1000000 + (u64)t.tv_nsec / 1000;
}

/* splitmix64 */
static u64 draw(u64 *state)
{
    u64 z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* first_seen: nobody showed us this before. */
static bool first_seen(u64 what, u64 which)
{
    u64 key = what ^ which << 40 ^ which << 13, at = key;
    key = draw(&key) | 1;
    for (at = key; w.seen[at % SEEN]; at++) {
        if (w.seen[at % SEEN] == key) {
            return false;
        }
    }
    if (++w.num_seen > SEEN / 2) {
        errno = ENOSPC;
        fail("too many SPIs and exchanges");
    }
    w.seen[at % SEEN] = key;
    return true;
}

static void ike_seen(const u8 *m, size_t len)
{
    if (len >= 28 &&
        (m[18] == 2 || m[18] == 4)) { /* main and aggressive mode, by the initiator's cookie */
        w.isakmp += first_seen(be64(m), 2);
    } else if (len >= 28 && m[18] == 32) { /* quick mode, by its message id */
        w.quick += first_seen(be64(m) ^ be64(m + 8) ^ be32(m + 20), 3);
    }
}

/* own_of_link: what hosts say to their neighbours about themselves: IPv6 from a link-local address or from none, multicast of IPv4. */
static bool own_of_link(const u8 *ip, bool v6)
{
    static const u8 none[16];
    return v6 ? (be16(ip + 8) & 0xffc0) == 0xfe80 || memcmp(ip + 8, none, 16) == 0
              : ip[16] >> 4 == 14;
}

/* kind_of: also counts what is to be seen in it. IPv4 only is IKE or ESP here; from: the end it came in at. */
static enum kind kind_of(const u8 *f, size_t len, int from)
{
    bool v6 = len >= 14 + 40 && be16(f + 12) == ETHERTYPE_IPV6;
    if (v6 || len < 14 + 20 || be16(f + 12) != ETHERTYPE_IP) {
        w.end[from].bare += v6 && !own_of_link(f + 14, true);
        return REST;
    }
    const u8 *ip = f + 14, *up = ip + (ip[0] & 15) * 4;
    size_t left = len - (size_t)(up - f);
    if (ip[9] == 50 && left >= 8) {
        w.end[from].spis += first_seen(be32(up), (u64)from);
        return ESP;
    }
    bool udp = ip[9] == 17 && (be16(ip + 6) & 0x1fff) == 0 && left >= 8;
    u16 src = udp ? be16(up) : 0, dst = udp ? be16(up + 2) : 0;
    if (src == 500 || dst == 500) {
        ike_seen(up + 8, left - 8);
        return IKE;
    }
    if ((src == 4500 || dst == 4500) && left >= 12) {
        if (be32(up + 8) == 0) {
            ike_seen(up + 12, left - 12);
            return IKE;
        }
        w.end[from].spis += first_seen(be32(up + 8), (u64)from);
        return ESP;
    }
    w.end[from].bare += !own_of_link(ip, false);
    return REST;
}

static void put(int to, const u8 *f, size_t len)
{
    if (send(w.end[to].fd, f, len, 0) != (ssize_t)len) {
        fail("send");
    }
}

static void frame(int from, const u8 *f, size_t len)
{
    struct end *e = &w.end[from];
    enum kind k = kind_of(f, len, from);
    e->got[k]++;
    u64 fate = w.storm ? draw(&e->rng[k]) : 1000, roll = fate % 1000;
    if (w.storm && roll < w.lost_of_1000) {
        e->lost[k]++;
    } else if (w.storm && roll < w.lost_of_1000 + 100) {
        if (w.num_late == LATE_MAX) {
            errno = ENOBUFS;
            fail("too many late frames");
        }
        struct late *l = &w.late[w.num_late++];
        *l = (struct late){.due_us = now_us() + DELAY_MIN_US +
                                     fate / 1000 % (DELAY_MAX_US - DELAY_MIN_US + 1),
                           .to = !from,
                           .len = (u16)len};
        memcpy(l->data, f, len);
        e->late[k]++;
    } else {
        put(!from, f, len);
    }
}

static void take(int from)
{
    u8 f[FRAME];
    ssize_t n;
    for (int i = 0; i < 64 && (n = recv(w.end[from].fd, f, sizeof f, MSG_DONTWAIT | MSG_TRUNC)) > 0;
         i++) {
        if (n > (ssize_t)sizeof f) {
            errno = EMSGSIZE;
            fail("a frame");
        }
        frame(from, f, (size_t)n);
    }
}

/* release: sends what is due; us until the next is, -1: none. */
static long release(void)
{
    u64 now = now_us(), next = UINT64_MAX;
    for (unsigned i = 0; i < w.num_late;) {
        struct late *l = &w.late[i];
        if (l->due_us <= now) {
            put(l->to, l->data, l->len);
            *l = w.late[--w.num_late];
        } else {
            next = MIN(next, l->due_us);
            i++;
        }
    }
    return next == UINT64_MAX ? -1 : (long)(next - now);
}

static void count(void)
{
    static const char *const ends[] = {"left", "right"}, *const kinds[] = {"esp", "ike", "rest"};
    putchar('{');
    for (int i = 0; i < 2; i++) {
        struct end *e = &w.end[i];
        struct tpacket_stats s = {0};
        socklen_t len = sizeof s;
        (void)getsockopt(e->fd, SOL_PACKET, PACKET_STATISTICS, &s, &len);
        e->missed += s.tp_drops;
        printf("\"%s\": {", ends[i]);
        for (int k = 0; k < KINDS; k++) {
            printf("\"%s\": {\"got\": %llu, \"lost\": %llu, \"late\": %llu}, ", kinds[k],
                   (unsigned long long)e->got[k], (unsigned long long)e->lost[k],
                   (unsigned long long)e->late[k]);
        }
        printf("\"bare\": %llu, \"spis\": %llu, \"missed\": %llu}, ", (unsigned long long)e->bare,
               (unsigned long long)e->spis, (unsigned long long)e->missed);
    }
    printf("\"isakmp\": %llu, \"quick\": %llu, \"waiting\": %u}\n", (unsigned long long)w.isakmp,
           (unsigned long long)w.quick, w.num_late);
    fflush(stdout);
}

/* told: false: standard input has ended. */
static bool told(void)
{
    static char line[64];
    static size_t len;
    ssize_t n = read(STDIN_FILENO, line + len, sizeof line - 1 - len);
    if (n <= 0) {
        return false;
    }
    len += (size_t)n;
    for (char *end; (end = memchr(line, '\n', len)); memmove(line, end + 1, len)) {
        *end = 0;
        if (strcmp(line, "count") == 0) {
            count();
        } else {
            w.storm = strcmp(line, "storm") == 0;
        }
        len -= (size_t)(end + 1 - line);
    }
    return true;
}

static int opened(const char *link)
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1, room = 16 << 20;
    struct sockaddr_ll a = {.sll_family = AF_PACKET,
                            .sll_protocol = htons(ETH_P_ALL),
                            .sll_ifindex = (int)if_nametoindex(link)};
    if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) < 0 ||
        bind(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        fail(link);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: lossy_wire LEFT RIGHT SEED LOST_OF_1000\n");
        return 2;
    }
    for (int i = 0; i < 2; i++) {
        w.end[i].fd = opened(argv[1 + i]);
        for (int k = 0; k < KINDS; k++) {
            u64 s = strtoull(argv[3], NULL, 0) * 16 + (u64)(i * KINDS + k);
            w.end[i].rng[k] = draw(&s);
        }
    }
    w.lost_of_1000 = strtoull(argv[4], NULL, 0);
    puts("ready");
    fflush(stdout);
    struct pollfd p[3] = {{.fd = w.end[0].fd, .events = POLLIN},
                          {.fd = w.end[1].fd, .events = POLLIN},
                          {.fd = STDIN_FILENO, .events = POLLIN}};
    for (;;) {
        long us = release();
        struct timespec t = {.tv_nsec = us * 1000};
        if (ppoll(p, 3, us < 0 ? NULL : &t, NULL) < 0 && errno != EINTR) {
            fail("poll");
        }
        for (int i = 0; i < 2; i++) {
            if (p[i].revents) {
                take(i);
            }
        }
        if (p[2].revents && !told()) {
            return 0;
        }
    }
}
