/*
 * natt_port.c: UDP port 4500 (RFC 3948), shared by ike and dp: a socket for each, and the kernel says whose a datagram is. IKE has
 * a marker of zeros in front, ESP its SPI, which is never zero; a keepalive is too short to be either and goes to ike.
 */
#include "sys/router_int.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

/* Which socket of the group: 0, ike's, is bound first and stays; 1 is dp's. When dp has none the kernel falls back to
 * ike's, where what has no marker is dropped. */
static bool split(int fd)
{
    struct sock_filter code[] = {
        {BPF_LD | BPF_W | BPF_LEN, 0, 0, 0},
        {BPF_JMP | BPF_JGE | BPF_K, 1, 0, 4},
        {BPF_RET | BPF_K, 0, 0, 0},
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0},
        {BPF_RET | BPF_K, 0, 0, 0},
        {BPF_RET | BPF_K, 0, 0, 1},
    };
    struct sock_fprog prog = {ARRAY_LEN(code), code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof prog) == 0;
}

int natt_open(u8 family, bool esp)
{
    int af = family == AF_V6 ? AF_INET6 : AF_INET, on = 1, mark = DP_MARK, size = 4 << 20;
    struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(4500)};
    struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(4500)};
    int fd = socket(af, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark);
    if (esp) {
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    }
    if (af == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof on);
    } else {
        (void)setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof on);
    }
    bool six = af == AF_INET6;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0 ||
        bind(fd, six ? (struct sockaddr *)&a6 : (struct sockaddr *)&a4, six ? sizeof a6 : sizeof a4) != 0 ||
        !split(fd)) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}
