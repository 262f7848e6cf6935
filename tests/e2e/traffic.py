"""traffic.py KIND=ADDRESS...: sends each kind of traffic to its address, a packet every few milliseconds, until standard input
closes; then prints what was sent as JSON. Runs inside a namespace. Kinds: a protocol (udp4 frag4 tcp4 icmp4, the same with 6,
mcast4) and after a dot any word that tells two of a kind apart. udp4.syslog=2.2.2.1 sends unconnected from no address of its own."""
import json
import select
import socket
import struct
import sys
import time

UDP, FRAG, TCP, SYSLOG, MCAST = 5001, 5000, 5002, 5014, 5015
sent = {}


class Tcp:
    """A stream that keeps the segments of the sender's offload coming, also over connections that die."""

    def __init__(self, family, to):
        self.family, self.to, self.s = family, to, None

    def step(self):
        if self.s is None:
            self.s = socket.socket(self.family, socket.SOCK_STREAM)
            self.s.setblocking(False)
            self.s.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
            self.s.connect_ex((self.to, TCP))
            return
        try:
            self.s.send(b"t" * 30000)
        except BlockingIOError:
            pass
        except OSError:
            self.s.close()
            self.s = None


def checksum(b):
    s = sum(struct.unpack(f"!{len(b) // 2}H", b))
    s = (s & 0xffff) + (s >> 16)
    return ~((s & 0xffff) + (s >> 16)) & 0xffff


def sender(kind, to):
    what = kind.split(".")[0]
    family = socket.AF_INET6 if what.endswith("6") else socket.AF_INET
    if what.startswith("tcp"):
        return Tcp(family, to).step
    if what.startswith("icmp"):
        proto = socket.IPPROTO_ICMPV6 if family == socket.AF_INET6 else socket.IPPROTO_ICMP
        s = socket.socket(family, socket.SOCK_RAW, proto)
        head = struct.pack("!BBHHH", 128 if family == socket.AF_INET6 else 8, 0, 0, 7, 7) + bytes(56)
        echo = head[:2] + struct.pack("!H", checksum(head)) + head[4:]  # ICMPv6's is the kernel's to fill in
        return lambda: s.sendto(echo, (to, 0))
    s = socket.socket(family, socket.SOCK_DGRAM)
    port = FRAG if what.startswith("frag") else MCAST if what.startswith("mcast") else SYSLOG if "syslog" in kind else UDP
    if what.startswith("mcast"):
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 9)
        group, by = to.split("@")

        def multicast():
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(by))  # the address may come later
            s.sendto(b"u" * 200, (group, port))

        return multicast
    size = 3000 if what.startswith("frag") or kind.endswith(".big") else 200
    return lambda: s.sendto(b"u" * size, (to, port))


def main():
    steps = {k: sender(k, to) for k, to in (a.split("=", 1) for a in sys.argv[1:])}
    sent.update(dict.fromkeys(steps, 0))
    end = time.monotonic() + 120  # a forgotten sender ends by itself
    print("sending", flush=True)
    while time.monotonic() < end and not select.select([sys.stdin], [], [], 0.004)[0]:
        for kind, step in steps.items():
            try:
                step()
                sent[kind] += 1
            except OSError:
                pass  # no route just now: that is what the situations are about
    print(json.dumps(sent))


main()
