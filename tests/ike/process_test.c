/*
 * process_test.c: the key daemon as a process: it answers over its channel, and on a host without
 * IPv6 (the descriptor of that socket is closed) it sleeps when there is nothing to do. ADIT_ADITD
 * names the program.
 */
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

static pid_t start(int *out_chan)
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
        execl(getenv("ADIT_ADITD"), "aditd", "--role=ike", "2000008190", (char *)NULL);
        _exit(127);
    }
    close(c[1]);
    close(udp);
    *out_chan = c[0];
    return pid;
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sleeps_without_ipv6),
                                       cmocka_unit_test(ends_when_told)};
    if (geteuid() != 0) {
        return 77; /* it gives up rights it must have */
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
