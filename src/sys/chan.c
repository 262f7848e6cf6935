/*
 * chan.c: values between the processes: one value is one seqpacket, a descriptor may ride along (SCM_RIGHTS).
 */
#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

bool chan_pair(int out[2])
{
    int size = 8 << 20;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out) != 0) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        /* without the right to force it the kernel's maximum stays; an outbox fills sooner then */
        if (setsockopt(out[i], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0) {
            (void)setsockopt(out[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        }
    }
    return true;
}

bool chan_send(int chan, const void *value, size_t len, int fd)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec v = {.iov_base = (void *)(uintptr_t)value, .iov_len = len};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    if (fd >= 0) {
        m.msg_control = control.room;
        m.msg_controllen = sizeof control.room;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    ssize_t n;
    do {
        n = sendmsg(chan, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n >= 0;
}

enum { CHAN_FDS = 32 };

/* take_fds: the descriptors of one packet: a single one is handed out, more than one is nobody's and closed. */
static bool take_fds(struct msghdr *m, int *out_fd)
{
    int fds[CHAN_FDS];
    size_t num = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            size_t here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            here = MIN(here, ARRAY_LEN(fds) - num);
            memcpy(fds + num, CMSG_DATA(c), here * sizeof(int));
            num += here;
        }
    }
    if (num == 1 && !(m->msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        *out_fd = fds[0];
        return true;
    }
    for (size_t i = 0; i < num; i++) {
        close(fds[i]);
    }
    return num == 0;
}

long chan_recv(int chan, void *value, size_t cap, int *out_fd)
{
    union { /* room for more than one descriptor, so that the kernel leaves none behind unseen */
        struct cmsghdr h;
        char room[CMSG_SPACE(CHAN_FDS * sizeof(int))];
    } control;
    struct iovec v = {.iov_base = value, .iov_len = cap};
    struct msghdr m = {.msg_iov = &v,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof control.room};
    *out_fd = -1;
    ssize_t n;
    do {
        n = recvmsg(chan, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? -1 : 0;
    }
    bool fits = take_fds(&m, out_fd);
    if (n == 0 && *out_fd >= 0) { /* who says nothing is taken for gone: nobody looks for more */
        close(*out_fd);
        *out_fd = -1;
    }
    return !fits || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) ? (long)cap + 1 : n;
}
