/*
 * echoes.c: so many echo requests (RFC 792) a second for so long, each with a number of its own, and which of them came back.
 * Unlike ping it waits for what is still under way, and never sends one more or less than it says.
 *
 *   echoes ADDRESS A_SECOND SECONDS
 *
 * Prints one JSON object when a second has passed without an answer after the last request: how many were sent, how many
 * answered, how many twice, the longest run of numbers without an answer, and each run of 8 or more: [seconds since the start, how
 * many]. At a loss of one frame in ten each way a run of 8 is one request in 800 000.
 */
#include "base/base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { LONG_RUN = 8, QUIET_MS = 1000, PAYLOAD = 56 };

static u16 sum(const u8 *b, size_t len)
{
    u32 s = 0;
    for (size_t i = 0; i < len; i += 2) {
        s += be16(b + i);
    }
    s = (s & 0xffff) + (s >> 16);
    return (u16) ~(s + (s >> 16));
}

static bool send_one(int fd, u16 id, u64 n)
{
    u8 m[8 + PAYLOAD] = {ICMP_ECHO};
    put16(m + 4, id);
    put16(m + 6, (u16)n);
    put64(m + 8, n);
    put16(m + 2, sum(m, sizeof m));
    return send(fd, m, sizeof m, 0) == (ssize_t)sizeof m;
}

/* answers: reads what is there; the number of those that were ours. */
static unsigned answers(int fd, u16 id, u8 *back, u64 sent)
{
    u8 m[2048];
    unsigned ours = 0;
    ssize_t n;
    while ((n = recv(fd, m, sizeof m, MSG_DONTWAIT)) > 0) {
        const u8 *c = m + (m[0] & 15) * 4;
        if (n == c - m + 8 + PAYLOAD && c[0] == ICMP_ECHOREPLY && be16(c + 4) == id &&
            be64(c + 8) < sent) {
            u8 *b = &back[be64(c + 8)];
            *b = (u8)MIN(*b + 1, 2);
            ours++;
        }
    }
    return ours;
}

static void print(const u8 *back, u64 sent, u64 unsent, u64 rate)
{
    u64 received = 0, twice = 0, run = 0, longest = 0;
    bool any = false;
    printf("{\"runs\": [");
    for (u64 i = 0; i <= sent; i++) {
        if (i < sent && !back[i]) {
            run++;
            continue;
        }
        if (run >= LONG_RUN) {
            printf("%s[%.3f, %llu]", any ? ", " : "", (double)(i - run) / (double)rate,
                   (unsigned long long)run);
            any = true;
        }
        longest = MAX(longest, run);
        run = 0;
        received += i < sent;
        twice += i < sent && back[i] > 1;
    }
    printf("], \"sent\": %llu, \"unsent\": %llu, \"received\": %llu, \"twice\": %llu, \"longest\": "
           "%llu}\n",
           (unsigned long long)sent, (unsigned long long)unsent, (unsigned long long)received,
           (unsigned long long)twice, (unsigned long long)longest);
}

int main(int argc, char **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    u64 rate = argc == 4 ? strtoull(argv[2], NULL, 10) : 0,
        all = rate ? rate * strtoull(argv[3], NULL, 10) : 0;
    if (!all || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) {
        fprintf(stderr, "usage: echoes ADDRESS A_SECOND SECONDS\n");
        return 2;
    }
    struct icmp_filter only = {~(1u << ICMP_ECHOREPLY)};
    int room = 16 << 20, fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP),
        timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    long each = (long)(1000000000 / rate);
    struct itimerspec t = {.it_interval.tv_nsec = each, .it_value.tv_nsec = each};
    if (fd < 0 || timer < 0 || setsockopt(fd, SOL_RAW, ICMP_FILTER, &only, sizeof only) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0 ||
        connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
        timerfd_settime(timer, 0, &t, NULL) < 0) {
        perror("echoes");
        return 1;
    }
    u16 id = (u16)getpid();
    u8 *back = xcalloc(all, 1);
    u64 sent = 0, unsent = 0, ticks;
    for (;;) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN},
                              {.fd = timer, .events = sent < all ? POLLIN : 0}};
        int n = poll(p, 2, sent < all ? -1 : QUIET_MS);
        if (n < 0 && errno != EINTR) {
            perror("echoes: poll");
            return 1;
        }
        if (n == 0 || (p[0].revents && answers(fd, id, back, sent) == 0 && sent == all)) {
            break;
        }
        if (p[1].revents && sent < all && read(timer, &ticks, sizeof ticks) == sizeof ticks) {
            for (; ticks && sent < all; ticks--) { /* those a busy machine made late, too */
                unsent += !send_one(fd, id, sent++);
            }
        }
    }
    print(back, sent, unsent, rate);
    free(back);
    return 0;
}
