/*
 * process_test.c: the key daemon as a process: it answers over its channel, and on a host without
 * IPv6 (the descriptor of that socket is closed) it sleeps when there is nothing to do. And both
 * children in their cage: it is shut before they answer anything, or they end. ADIT_ADITD
 * names the program.
 */
#include "dp/dp.h"
#include "ike/ike.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

enum { TO_MAIN = 3, UDP4 = 5, UDP6 = 6, HIGH = 20 }; /* as src/sys/sys.h has them */

#define UID "2000008190"

/* start_as: the program in that role; root: false for a user who has no rights to give up. */
static pid_t start_as(const char *role, const char *uid, bool root, int *out_chan)
{
    int c[2], udp = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in any = {.sin_family = AF_INET};
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, c), 0);
    assert_int_equal(bind(udp, (struct sockaddr *)&any, sizeof any), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int chan = fcntl(c[1], F_DUPFD, HIGH), sock = fcntl(udp, F_DUPFD, HIGH);
        for (int fd = 3; fd < HIGH; fd++) {
            close(fd);
        }
        dup2(chan, TO_MAIN);
        dup2(sock, UDP4);
        close(chan);
        close(sock);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1); /* it may not look at itself in its cage */
        if (!root && setresuid(65534, 65534, 65534) != 0) {
            _exit(126);
        }
        execl(getenv("ADIT_ADITD"), "aditd", role, uid, (char *)NULL);
        _exit(127);
    }
    close(c[1]);
    close(udp);
    *out_chan = c[0];
    return pid;
}

static pid_t start(int *out_chan)
{
    return start_as("--role=ike", UID, true, out_chan);
}

/* receive: the next value of that type; others are passed over */
static void receive(int chan, u32 type, struct ike_msg *out)
{
    for (;;) {
        struct pollfd f = {.fd = chan, .events = POLLIN};
        assert_int_equal(poll(&f, 1, 20000), 1);
        assert_int_equal(recv(chan, out, sizeof *out, 0), sizeof *out);
        if (out->type == type) {
            return;
        }
    }
}

/* state: R, S, ... as the kernel says */
static char state(pid_t pid)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    close(fd);
    const char *p = n > 0 ? strrchr(text, ')') : NULL;
    return p ? p[2] : '?';
}

/* ping: it has given up its rights, reads values and answers. */
static void ping(int chan, u64 number)
{
    struct ike_msg m = {.type = IKE_PING, .u.number = number};
    assert_int_equal(send(chan, &m, sizeof m, 0), sizeof m);
    receive(chan, IKE_PONG, &m);
    assert_int_equal(m.u.number, number);
}

static void sleeps_without_ipv6(void **unused)
{
    int chan;
    (void)unused;
    pid_t pid = start(&chan);
    ping(chan, 77);
    unsigned asleep = 0;
    for (unsigned i = 0; i < 200000 && asleep < 200;
         i++) { /* one that turns is never seen asleep so often */
        asleep = state(pid) == 'S' ? asleep + 1 : 0;
    }
    assert_int_equal(asleep, 200);
    close(chan); /* main has gone: it ends */
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A signal to the whole process group is not for it: main says when the router ends, and then it ends by itself. */
static void ends_when_told(void **unused)
{
    int chan, status;
    (void)unused;
    pid_t pid = start(&chan);
    ping(chan, 78);
    kill(pid, SIGTERM);
    ping(chan, 79);
    struct ike_msg m = {.type = IKE_SHUTDOWN};
    assert_int_equal(send(chan, &m, sizeof m, 0), sizeof m);
    assert_int_equal(shutdown(chan, SHUT_WR), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(chan);
}

/* ---- the cage of both -------------------------------------------------------------------------- */

static const struct {
    const char *role;
    u32 ping, pong;
    size_t size;
} roles[] = {{"--role=ike", IKE_PING, IKE_PONG, sizeof(struct ike_msg)},
             {"--role=dp", DP_PING, DP_PONG, sizeof(struct dp_msg)}};

static union {
    struct ike_msg ike;
    struct dp_msg dp;
    u8 room[16384]; /* for more than a value */
} value;

/* answers: asked over its channel, the process answers; false: it closed it. */
static bool answers(int chan, unsigned role)
{
    memset(&value, 0, sizeof value);
    value.ike.type = roles[role].ping; /* both begin with it */
    (void)send(chan, &value, roles[role].size, MSG_NOSIGNAL); /* it may have ended */
    for (;;) {
        struct pollfd f = {.fd = chan, .events = POLLIN};
        assert_int_equal(poll(&f, 1, 20000), 1);
        ssize_t n = recv(chan, &value, sizeof value, 0);
        if (n <= 0) {
            return false;
        }
        assert_int_equal(n, roles[role].size);
        if (value.ike.type == roles[role].pong) {
            return true;
        }
    }
}

/* Who answers is a user of its own without groups and rights, under its filter. */
static void answers_from_the_cage(void **unused)
{
    static const char *const wanted[] = {"\nUid:\t" UID "\t" UID "\t" UID "\t" UID "\n",
                                         "\nGid:\t" UID "\t" UID "\t" UID "\t" UID "\n",
                                         "\nCapPrm:\t0000000000000000\n",
                                         "\nCapEff:\t0000000000000000\n",
                                         "\nCapBnd:\t0000000000000000\n",
                                         "\nNoNewPrivs:\t1\n",
                                         "\nSeccomp:\t2\n"};
    (void)unused;
    for (unsigned i = 0; i < ARRAY_LEN(roles); i++) {
        int chan, status;
        char path[64], text[8192];
        pid_t pid = start_as(roles[i].role, UID, true, &chan);
        assert_true(answers(chan, i));
        snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
        int fd = open(path, O_RDONLY);
        ssize_t n = read(fd, text, sizeof text - 1);
        assert_true(fd >= 0 && n > 0);
        text[n] = 0;
        close(fd);
        for (unsigned k = 0; k < ARRAY_LEN(wanted); k++) {
            if (!strstr(text, wanted[k])) {
                fail_msg("%s has not%s%s", roles[i].role, wanted[k], text);
            }
        }
        close(chan);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* Who cannot shut its cage, or is told to be somebody else's user, ends and never answers. */
static void no_cage_no_child(void **unused)
{
    static const struct {
        const char *uid;
        bool root;
    } rows[] = {{UID, false}, {"0", true}, {"65534", true}, {"", true}};
    (void)unused;
    for (unsigned i = 0; i < ARRAY_LEN(roles) * ARRAY_LEN(rows); i++) {
        unsigned who = i / ARRAY_LEN(rows), how = i % ARRAY_LEN(rows);
        int chan, status;
        pid_t pid = start_as(roles[who].role, rows[how].uid, rows[how].root, &chan);
        if (answers(chan, who)) {
            fail_msg("%s works without its cage, %u", roles[who].role, how);
        }
        close(chan);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0 && WEXITSTATUS(status) < 126);
    }
}

/* ---- descriptors ---------------------------------------------------------------------------- */

/* hand_over: a value with a descriptor beside it, which is closed here. */
static void hand_over(int chan, u32 type, size_t len, int fd)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {.h = {.cmsg_level = SOL_SOCKET,
                       .cmsg_type = SCM_RIGHTS,
                       .cmsg_len = CMSG_LEN(sizeof(int))}};
    struct iovec v = {.iov_base = &value, .iov_len = len};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    memcpy(CMSG_DATA(&control.h), &fd, sizeof fd);
    memset(&value, 0, sizeof value);
    value.ike.type = type;
    assert_int_equal(sendmsg(chan, &m, 0), len);
    close(fd);
}

/* closes: what came with the value is open nowhere any more when the process has read on. */
static bool closes(int chan, unsigned role, u32 type, size_t len)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    hand_over(chan, type, len, ends[1]);
    assert_true(answers(chan, role));
    struct pollfd f = {.fd = ends[0], .events = POLLIN};
    bool closed = poll(&f, 1, 0) == 1 && (f.revents & POLLHUP);
    close(ends[0]);
    return closed;
}

/* A descriptor that nobody asked for is closed, beside a value of the right length and of any
 * other, on the channel to main and on the one between the two. */
static void unwanted_descriptors_are_closed(void **unused)
{
    static const u32 types[2][3] = {{IKE_SET_MASK, IKE_CFG_BEGIN, IKE_DP_PEER},
                                    {DP_SET_MASK, DP_CFG_BEGIN, DP_IKE_PEER}};
    (void)unused;
    for (unsigned i = 0; i < ARRAY_LEN(roles); i++) {
        int chan, status, pair[2];
        pid_t pid = start_as(roles[i].role, UID, true, &chan);
        const size_t size = roles[i].size, lens[] = {1, size - 8, size, size + 8};
        for (unsigned k = 0; k < ARRAY_LEN(lens) * 3; k++) {
            u32 type = types[i][k % 3];
            size_t len = lens[k / 3];
            if ((type != types[i][2] || len != size) && !closes(chan, i, type, len)) {
                fail_msg("%s keeps it: type %u, %zu bytes", roles[i].role, type, len);
            }
        }
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        hand_over(chan, types[i][2], size, pair[1]);
        for (unsigned k = 0; roles[i].ping == DP_PING && k < ARRAY_LEN(lens); k++) {
            if (!closes(pair[0], i, DP_SET_MASK, lens[k])) {
                fail_msg("%s keeps what ike hands over: %zu bytes", roles[i].role, lens[k]);
            }
        }
        close(pair[0]);
        close(chan);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sleeps_without_ipv6), cmocka_unit_test(ends_when_told),
        cmocka_unit_test(answers_from_the_cage), cmocka_unit_test(no_cage_no_child),
        cmocka_unit_test(unwanted_descriptors_are_closed)};
    if (geteuid() != 0) {
        return 77; /* it gives up rights it must have */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
