/*
 * aditd_double.c: a router whose ike and dp are taken over. Main is the real one (src/sys/router.c); started as a child this
 * program is a double that says to main what ADIT_DOUBLE tells:
 *
 *   silent    takes everything, answers nothing         twice   answers everything twice
 *   garbage   impossible values, and as every answer    much    answers without end
 *   fds       descriptors beside every value            long    values of any length but the right one
 *   hangup    closes its channel and lives on           honest  answers as it should (nothing is there)
 *   refuses   ike: takes no configuration but the third it is given
 *
 * The kernel is a double, too, when the file RUN_DIR/untold is there: of the dumps of IPv4 routes one ends with an error, the
 * next if the file has one byte, else a later one; then the file is gone.
 */
#include "dp/dp.h"
#include "ike/ike.h"
#include "sys/sys.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MUCH = 300000 }; /* more than main takes for one answer */

struct half { /* what both kinds of values begin with */
    u32 type, tag;
};
static bool is_dp;

static char untold[300]; /* the file */

/* What libnl reads goes through here. */
ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    ssize_t n = syscall(SYS_recvmsg, fd, m, flags);
    struct nlmsghdr *h = m->msg_iovlen == 1 ? m->msg_iov[0].iov_base : NULL;
    bool routes = untold[0] && !(flags & MSG_PEEK) &&
                  n > (ssize_t)NLMSG_LENGTH(sizeof(struct rtmsg)) &&
                  m->msg_namelen == sizeof(struct sockaddr_nl) && h->nlmsg_type == RTM_NEWROUTE &&
                  h->nlmsg_flags & NLM_F_MULTI &&
                  ((const struct rtmsg *)NLMSG_DATA(h))->rtm_family == AF_INET;
    struct stat st;
    if (routes && stat(untold, &st) == 0 && st.st_size > 1) {
        (void)!truncate(untold, st.st_size - 1);
    } else if (routes && unlink(untold) == 0) {
        *h = (struct nlmsghdr){.nlmsg_type = NLMSG_ERROR,
                               .nlmsg_len = NLMSG_LENGTH(sizeof(struct nlmsgerr)),
                               .nlmsg_seq = h->nlmsg_seq,
                               .nlmsg_pid = h->nlmsg_pid};
        ((struct nlmsgerr *)NLMSG_DATA(h))->error = -ENOMEM;
    }
    return n;
}

static size_t value_size(void)
{
    return is_dp ? sizeof(struct dp_msg) : sizeof(struct ike_msg);
}

/* put: len bytes and num descriptors; waits while main is busy. False: main has gone. */
static bool put(const void *bytes, size_t len, unsigned num)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(8 * sizeof(int))];
    } control = {0};
    struct iovec v = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = len};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    int fds[8] = {0};
    if (num) {
        m.msg_control = control.room;
        m.msg_controllen = CMSG_SPACE(num * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS,
                              .cmsg_len = CMSG_LEN(num * sizeof(int))};
        for (unsigned i = 0; i < num; i++) {
            fds[i] = 1;
        }
        memcpy(CMSG_DATA(c), fds, num * sizeof(int));
    }
    struct pollfd p = {.fd = FD_MAIN, .events = POLLOUT};
    while (sendmsg(FD_MAIN, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
        if (poll(&p, 1, -1) < 0 || (p.revents & (POLLERR | POLLHUP))) {
            return false;
        }
    }
    return true;
}

static void say(u32 type, u32 tag, unsigned times)
{
    static union {
        struct dp_msg dp;
        struct ike_msg ike;
    } m;
    memset(&m, 0, sizeof m);
    m.dp.type = type;
    m.dp.tag = tag;
    for (unsigned i = 0; i < times && put(&m, value_size(), 0); i++) {
    }
}

/* garbage: an event that it may not tell, and every type there is, filled with bytes that no field of it may hold. */
static void garbage(u32 tag)
{
    static union {
        struct dp_msg dp;
        struct ike_msg ike;
        u8 bytes[4096];
    } m;
    memset(&m, 0, sizeof m);
    m.dp.type = is_dp ? (u32)DP_EVENT : (u32)IKE_EVENT;
    struct ev_rec *rec = is_dp ? &m.dp.u.event : &m.ike.u.event;
    *rec = (struct ev_rec){.id = EV_SYS_CONFIG, .source = EVS_MAIN};
    ((struct evb_sys_config *)(void *)rec->body)->from = ev_str("FORGED");
    (void)put(&m, value_size(), 0);
    memset(&m, 0xa5, sizeof m); /* main does not listen to the end: one of each kind first */
    m.dp.type = is_dp ? (u32)DP_SA : (u32)IKE_SA;
    m.dp.tag = tag;
    (void)put(&m, value_size(), 0);
    for (u32 type = 0; type < 80; type++) {
        memset(&m, 0xa5, sizeof m);
        m.dp.type = type;
        m.dp.tag = tag;
        if (type == (u32)(is_dp ? DP_END : IKE_END) || type == (u32)(is_dp ? DP_PONG : IKE_PONG)) {
            continue;
        }
        (void)put(&m, value_size(), 0);
    }
}

static bool is_question(u32 type)
{
    return is_dp ? type >= DP_GET_SAS && type <= DP_GET_DROPS
                 : type >= IKE_GET_SAS && type <= IKE_GET_COUNTS;
}

/* taken: a generation of configuration is in force, whatever it was; refused: none is. */
static void taken(u64 number, bool refused)
{
    static union {
        struct dp_msg dp;
        struct ike_msg ike;
    } m;
    memset(&m, 0, sizeof m);
    m.dp.type = is_dp ? (u32)DP_TAKEN : (u32)IKE_TAKEN;
    m.dp.tag = (u32)number;
    m.dp.u.number = refused ? 0 : number;
    (void)put(&m, value_size(), 0);
}

static void answer(const char *how, const struct half *q)
{
    const u32 ping = is_dp ? (u32)DP_PING : (u32)IKE_PING,
              pong = is_dp ? (u32)DP_PONG : (u32)IKE_PONG, end = is_dp ? (u32)DP_END : (u32)IKE_END,
              sa = is_dp ? (u32)DP_SA : (u32)IKE_SA;
    static u8 zero[8192];
    unsigned times = strcmp(how, "twice") == 0 ? 2 : 1;
    if (strcmp(how, "silent") == 0 || (q->type != ping && !is_question(q->type))) {
        return;
    }
    if (strcmp(how, "garbage") == 0) {
        garbage(q->tag);
    } else if (strcmp(how, "fds") == 0) {
        for (unsigned num = 1; num <= 8; num++) {
            (void)put(zero, value_size(), num);
        }
    } else if (strcmp(how, "long") == 0) {
        for (size_t len = 1; len < sizeof zero; len += 97) {
            (void)put(zero, len, 0);
        }
        (void)put(zero, value_size() + 1, 2);
    } else if (strcmp(how, "much") == 0 && q->type == (u32)(is_dp ? DP_GET_SAS : IKE_GET_SAS)) {
        say(sa, q->tag, MUCH);
        return;
    }
    say(q->type == ping ? pong : end, q->tag, times);
}

static int play(const char *how)
{
    _Alignas(8) static u8 in[16384];
    int fd;
    unsigned given = 0;
    signal(SIGTERM, SIG_IGN); /* as the real ones: main says when */
    signal(SIGINT, SIG_IGN);
    for (;;) {
        struct pollfd p = {.fd = FD_MAIN, .events = POLLIN};
        struct half h;
        long n;
        if (poll(&p, 1, -1) < 0) {
            return 1;
        }
        while ((n = chan_recv(FD_MAIN, in, sizeof in, &fd)) > 0) {
            if (fd >= 0) {
                close(fd);
            }
            memcpy(&h, in, sizeof h);
            if (h.type == (u32)(is_dp ? DP_CFG_GENERATION : IKE_CFG_GENERATION) &&
                strcmp(how, "silent") != 0) {
                bool refused = !is_dp && strcmp(how, "refuses") == 0 && ++given != 3;
                taken(((const struct dp_msg *)(const void *)in)->u.number, refused);
                if (given >= 3) {
                    fprintf(stderr, "ike has %s generation %u\n", refused ? "refused" : "taken",
                            given);
                }
            }
            if (!is_dp && h.type == IKE_SHUTDOWN) {
                fprintf(stderr, "ike hears that everything ends\n");
            }
            answer(how, &h);
            if (strcmp(how, "hangup") == 0) {
                close(FD_MAIN);
                (void)poll(NULL, 0, -1); /* lives on until it is ended */
            }
        }
        if (n == 0) {
            return 0;
        }
    }
}

int main(int argc, char **argv)
{
    static struct router_options o;
    static char exe[512];
    const char *how = getenv("ADIT_DOUBLE");
    if (argc > 1 && strncmp(argv[1], "--role=", 7) == 0) {
        is_dp = strcmp(argv[1], "--role=dp") == 0;
        return play(how ? how : "honest");
    }
    if (argc != 3 || readlink("/proc/self/exe", exe, sizeof exe - 1) <= 0) {
        fprintf(stderr, "usage: aditd_double RUN_DIR CONFIG\n");
        return 2;
    }
    snprintf(untold, sizeof untold, "%s/untold", argv[1]);
    o.run_dir = o.state_dir = argv[1];
    o.config = argv[2];
    o.exe = exe;
    return router_main(&o);
}
