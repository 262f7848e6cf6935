"""The leak suite: situations x kinds of traffic, a capture on the WAN link, one number per cell: covered packets seen in clear.
Every cell is 0 (fail closed). A row also says how many packets were sent and how many went protected, so that a
row that sent nothing fails.

        Bob 10.1.0.10, 2001:db8:1::10        CE1                    ISP                   CE2        Lima 10.2.0.10, 2001:db8:2::10
          eth0 ------------- Fa0/0 | Fa0/1 1.1.1.1 -------- 1.1.1.2 | 2.2.2.2 ---- 2.2.2.1 Fa0/1 | Fa0/0 --------- eth0
                                   | Fa1/0 3.3.3.1 -------- 3.3.3.2 |                     (the same map, mirrored)
                                                  ^ the capture is on ISP's end of the map link
"""
import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conftest import ADITD, Capture, opened, sh, until

TRAFFIC = Path(__file__).with_name("traffic.py")

CE = """hostname CE{n}
ipv6 unicast-routing
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 14
crypto isakmp key leak address {peer}
crypto ipsec transform-set AES-SHA esp-aes esp-sha-hmac
crypto map VPN 10 ipsec-isakmp
 set peer {peer}
 set transform-set AES-SHA
 match address 100
crypto map VPN 20 ipsec-isakmp
 set peer {peer}
 set transform-set AES-SHA
 match address V6
interface FastEthernet0/0
 ip address 10.{n}.0.1 255.255.255.0
 ipv6 address 2001:DB8:{n}::1/64
interface FastEthernet0/1
 ip address {own} 255.255.255.252
 ipv6 address 2001:DB8:F{n}::1/64
 crypto map VPN
{more}
ip route 0.0.0.0 0.0.0.0 {isp}
ipv6 route ::/0 2001:DB8:F{n}::2
access-list 100 permit ip 10.{n}.0.0 0.0.0.255 10.{m}.0.0 0.0.0.255
access-list 100 permit udp host {own} host {peer} eq 5014
access-list 100 permit ip host {own} 239.1.1.0 0.0.0.255
ipv6 access-list V6
 permit ipv6 2001:DB8:{n}::/64 2001:DB8:{m}::/64
end
"""
SECOND_LINK = "interface FastEthernet1/0\n ip address 3.3.3.1 255.255.255.252"
ISP = """hostname ISP
ipv6 unicast-routing
interface FastEthernet0/0
 ip address 1.1.1.2 255.255.255.252
 ipv6 address 2001:DB8:F1::2/64
interface FastEthernet0/1
 ip address 2.2.2.2 255.255.255.252
 ipv6 address 2001:DB8:F2::2/64
interface FastEthernet1/0
 ip address 3.3.3.2 255.255.255.252
end
"""
TOPO = """name: x
topology:
  nodes:
    CE1: {kind: adit, startup-config: CE1.cfg}
    ISP: {kind: adit, startup-config: ISP.cfg}
    CE2: {kind: adit, startup-config: CE2.cfg}
    Bob: {kind: linux, exec: [ip addr add 10.1.0.10/24 dev eth0, ip route add default via 10.1.0.1, "ip -6 addr add 2001:db8:1::10/64 dev eth0 nodad", "ip -6 route add default via 2001:db8:1::1"]}
    Lima: {kind: linux, exec: [ip addr add 10.2.0.10/24 dev eth0, ip route add default via 10.2.0.1, "ip -6 addr add 2001:db8:2::10/64 dev eth0 nodad", "ip -6 route add default via 2001:db8:2::1"]}
  links:
    - endpoints: ["Bob:eth0", "CE1:FastEthernet0/0"]
    - endpoints: ["CE1:FastEthernet0/1", "ISP:FastEthernet0/0"]
    - endpoints: ["CE1:FastEthernet1/0", "ISP:FastEthernet1/0"]
    - endpoints: ["CE2:FastEthernet0/1", "ISP:FastEthernet0/1"]
    - endpoints: ["Lima:eth0", "CE2:FastEthernet0/0"]
"""
FORWARDED = ["udp4=10.2.0.10", "frag4=10.2.0.10", "tcp4=10.2.0.10", "icmp4=10.2.0.10",
             "udp6=2001:db8:2::10", "frag6=2001:db8:2::10", "tcp6=2001:db8:2::10", "icmp6=2001:db8:2::10"]
LOCAL = ["udp4.syslog=2.2.2.1", "udp4.syslog.big=2.2.2.1", "mcast4=239.1.1.1@1.1.1.1"]
KINDS = [k.split("=")[0] for k in FORWARDED + LOCAL]
FIELDS = ("ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "ip.proto", "ipv6.nxt", "udp.dstport", "tcp.port", "ip.flags.mf", "ip.frag_offset", "icmp.type", "icmpv6.type")


def kind_of(f):
    """The kind a captured clear packet belongs to; None: nothing a line covers."""
    src4, dst4, src6, dst6, proto, nxt, dport, tcp, mf, off, _, _ = f
    if src4.startswith("10.1.0.") and dst4.startswith("10.2.0."):
        return "icmp4" if proto == "1" else "tcp4" if proto == "6" else "frag4" if mf in ("1", "True") or off not in ("0", "") else "udp4"
    if src4 == "1.1.1.1" and dst4 == "2.2.2.1" and proto == "17" and dport not in ("500", "4500"):
        return "udp4.syslog.big" if mf in ("1", "True") or off not in ("0", "") else "udp4.syslog"
    if src4 == "1.1.1.1" and dst4.startswith("239.1.1."):
        return "mcast4"
    if src6.startswith("2001:db8:1:") and dst6.startswith("2001:db8:2:"):
        return {"58": "icmp6", "6": "tcp6", "44": "frag6"}.get(nxt, "udp6")
    return None


class Bed:
    """The lab with its senders and its capture."""

    def __init__(self, lab, tmp_path, more=SECOND_LINK, files=None):
        ce = lambda n, m, own, peer, isp, extra: CE.format(n=n, m=m, own=own, peer=peer, isp=isp, more=extra)
        self.files = {"CE1.cfg": ce(1, 2, "1.1.1.1", "2.2.2.1", "1.1.1.2", more), "CE2.cfg": ce(2, 1, "2.2.2.1", "1.1.1.1", "2.2.2.2", ""),
                      "ISP.cfg": ISP, "crypto-map.clab.yml": TOPO}
        self.files.update(files or {})
        self.l = lab("crypto-map", files=self.files)
        self.tmp, self.n = tmp_path, 0
        self.procs = []
        # far ends of TCP: without them no segment is ever sent
        for f in ("4", "6"):
            self.procs.append(subprocess.Popen(["ip", "netns", "exec", self.l.ns("Lima"), sys.executable, "-c", SINK, f], stdout=subprocess.PIPE))
            self.procs[-1].stdout.readline()

    def close(self):
        for p in self.procs:
            p.kill()
            p.wait()

    def pids(self, role):
        return self.l.pids("CE1", role)

    def kill(self, role, sig):
        for pid in self.pids(role):
            os.kill(pid, sig)

    def warm(self, ways=(("Bob", "10.2.0.10"), ("Bob", "2001:db8:2::10"))):
        """SAs are up: what follows is about losing protection, not about getting it."""
        for node, dst in ways:
            until(lambda: " 0% packet loss" in self.l.shell(node, f"ping -c 2 -i 0.2 -W 3 {dst}", check=False), 40)

    def run(self, situation, seconds=2.0):
        """Sends everything while situation(self) happens; returns (sent, in clear per kind, protected packets)."""
        self.n += 1
        cap = Capture(self.l.ns("ISP"), "Fa0-0", self.tmp / f"wan{self.n}.pcap", snap=256)
        senders = [subprocess.Popen(["ip", "netns", "exec", self.l.ns(node), sys.executable, TRAFFIC, *what], stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, text=True) for node, what in (("Bob", FORWARDED), ("CE1", LOCAL))]
        for s in senders:
            assert s.stdout.readline() == "sending\n"
        situation(self)
        time.sleep(seconds)  # the traffic goes on for a while: what is watched is that nothing happens
        sent = {}
        for s in senders:
            out, _ = s.communicate("\n", timeout=20)
            sent.update(json.loads(out.splitlines()[-1]))
        clear, protected = dict.fromkeys(KINDS, 0), 0
        for f in cap.close(*FIELDS):
            k = kind_of(f)
            if k:
                clear[k] += 1
            protected += f[4] == "50"
        return sent, clear, protected


SINK = """
import socket, sys, threading
s = socket.create_server(("::" if sys.argv[1] == "6" else "0.0.0.0", 5002), family=socket.AF_INET6 if sys.argv[1] == "6" else socket.AF_INET)
print("listening", flush=True)
def eat(c):
    try:
        while c.recv(65536): pass
    except OSError: pass
while True: threading.Thread(target=eat, args=s.accept()[:1], daemon=True).start()
"""


def row(name, sent, clear, protected, full=("udp4", "frag4", "tcp4", "icmp4", "udp6", "frag6")):
    print(f"\n{name:40} sent {sum(sent.values()):6} protected {protected:6}  in clear: " + " ".join(f"{k}={v}" for k, v in clear.items()))
    assert all(sent[k] > 20 for k in full), sent
    assert not any(clear.values()), (name, clear)


# ---- situations that need no other lab ----


def nothing(b):
    pass


def flap(b):
    for _ in range(3):
        b.l.shell("CE1", "ip link set Fa0-1 down")
        time.sleep(0.2)
        b.l.shell("CE1", "ip link set Fa0-1 up")
        time.sleep(0.4)


def routes_move(b):
    """The usual failover: from an unmapped link to the mapped one and back."""
    for _ in range(10):
        b.l.shell("CE1", "ip route replace 10.2.0.0/24 via 3.3.3.2 dev Fa1-0")
        time.sleep(0.05)
        b.l.shell("CE1", "ip route replace 10.2.0.0/24 via 1.1.1.2 dev Fa0-1")
        time.sleep(0.05)
    b.l.shell("CE1", "ip route del 10.2.0.0/24")


def ecmp(b):
    b.l.shell("CE1", "ip route add 10.2.0.0/24 nexthop via 1.1.1.2 dev Fa0-1 nexthop via 3.3.3.2 dev Fa1-0")
    b.l.shell("CE1", "sysctl -qw net.ipv4.fib_multipath_hash_policy=1")
    time.sleep(1)
    b.l.shell("CE1", "ip route del 10.2.0.0/24")


def route_flush(b):
    b.l.shell("CE1", "ip route flush table main; ip -6 route flush table main; ip rule add pref 5 lookup main")
    time.sleep(0.3)
    b.l.shell("CE1", "ip rule del pref 5")


def table_of_its_own(b):
    """A route nobody of adit's knows: another table, another rule."""
    b.l.shell("CE1", "ip route add default via 1.1.1.2 dev Fa0-1 table 77; ip rule add pref 10 to 10.2.0.0/16 lookup 77")
    time.sleep(0.5)
    b.l.shell("CE1", "ip rule del pref 10; ip route flush table 77")


def tun_deleted(b):
    for t in re.findall(r"(?:crypto|clear)\d+", b.l.shell("CE1", "ip -br link")):
        b.l.shell("CE1", f"ip link del {t}")
        time.sleep(0.3)


def tun_queue_full(b):
    """dp stands still under load: the TUN's queue overflows."""
    tun = re.search(r"crypto\d+", b.l.shell("CE1", "ip -br link")).group()
    b.l.shell("CE1", f"ip link set {tun} txqueuelen 10")
    b.kill("dp", signal.SIGSTOP)
    time.sleep(1.5)
    b.kill("dp", signal.SIGCONT)


def address_change(b):
    b.l.config("CE1", "interface fa0/1", " ip address 1.1.1.1 255.255.255.0")
    b.l.config("CE1", "interface fa0/1", " ip address 1.1.1.1 255.255.255.252")


def other_network(b):
    """The link's address goes to another network and comes back."""
    b.l.config("CE1", "interface fa0/1", " ip address 4.4.4.1 255.255.255.252")
    time.sleep(0.5)
    b.l.config("CE1", "interface fa0/1", " ip address 1.1.1.1 255.255.255.252")


def list_removed(b):
    """The access list in use goes and is typed again."""
    for what in ("100", "V6"):
        kind = "access-list" if what == "100" else "ipv6 access-list"
        was = [line for line in b.l.exec("CE1", "show running-config").splitlines() if line.startswith(f"{kind} {what}")
               or (kind[0] == "i" and line.startswith(" permit ipv6"))]
        assert was
        b.l.config("CE1", f"no {kind} {what}")
        time.sleep(0.5)
        b.l.config("CE1", *was)


def reload_file(b):
    for _ in range(5):
        b.kill("main", signal.SIGHUP)
        time.sleep(0.2)


def acl_line(b):
    for _ in range(4):
        b.l.config("CE1", "access-list 101 permit ip host 10.1.0.77 host 10.2.0.77", "ip access-list extended 100", " permit tcp 10.1.5.0 0.0.0.255 any eq 80")
        b.l.config("CE1", "ip access-list extended 100", " no permit tcp 10.1.5.0 0.0.0.255 any eq 80")


LINES = ["permit ip 10.1.0.0 0.0.0.255 10.2.0.0 0.0.0.255", "permit udp host 1.1.1.1 host 2.2.2.1 eq 5014", "permit ip host 1.1.1.1 239.1.1.0 0.0.0.255"]
MOMENT = ["!"]  # typed lines are followed within a tenth of a second: long enough for dp to have them


def console(b, *lines):
    """Types the lines, with a pause at each MOMENT, and stays in configuration mode."""
    c = opened(b.l.dir("CE1") / "sock")
    for line in ("configure terminal", *lines):
        out, _ = c.say(line)
        assert "^" not in out, (line, out)
        if line in MOMENT:
            time.sleep(0.4)
    return c


def typed(b, *lines):
    c = console(b, *lines)
    c.say("end")
    c.hang_up()


def lines_replaced(b):
    """Each line is taken out and, a moment later, typed again on the same console."""
    for n, line in enumerate(LINES, 1):
        typed(b, "ip access-list extended 100", f" no {n * 10}", *MOMENT, f" {n * 10} {line}")


def lines_one_by_one(b):
    """The list gets a line that closes it; then its lines go one by one, the last too, and come again."""
    typed(b, "ip access-list extended 100", " 90 deny ip any any", " no 10", *MOMENT, " no 20", " no 30", *MOMENT, f" 30 {LINES[2]}", *MOMENT,
          f" 10 {LINES[0]}", f" 20 {LINES[1]}", " no 90")


def list_begun_twice(b):
    """The list is typed again, with a mistake, and once more; meanwhile another console comes and goes."""
    other = threading.Thread(target=lambda: [typed(b, "hostname CE1") for _ in range(6)])
    other.start()
    typed(b, "no access-list 100", *MOMENT, f"access-list 100 {LINES[1]}", *MOMENT, "no access-list 100", *MOMENT, *[f"access-list 100 {line}" for line in LINES])
    other.join()


def entry_without_list(b):
    """The entry loses its list, has one that does not exist, one that begins with a deny line, and its own again."""
    typed(b, "crypto map VPN 10 ipsec-isakmp", " no match address 100", *MOMENT, " match address 150", *MOMENT, "access-list 150 deny ip host 10.9.9.9 any", *MOMENT,
          "crypto map VPN 10 ipsec-isakmp", " match address 100", "no access-list 150")


def map_taken_apart(b):
    """An entry goes and is typed again; the link has no map for a moment, another one, and its own again."""
    entry = ["crypto map VPN 10 ipsec-isakmp", " set peer 2.2.2.1", " set transform-set AES-SHA", " match address 100"]
    typed(b, "no crypto map VPN 10", *MOMENT, *entry, "access-list 160 permit ip host 10.8.8.8 any", "crypto map W 10 ipsec-isakmp", " set peer 2.2.2.1",
          " set transform-set AES-SHA", " match address 160", "interface fa0/1", " no crypto map", *MOMENT, " crypto map W", *MOMENT, " crypto map VPN")
    typed(b, "no crypto map W", "no access-list 160")


def left_in_the_middle(b):
    """A console goes in the middle: of a list that is typed again, with a deny in front of it, with another map on the link, and in the
    middle of what another one had left like that. Others come, change what is none of it, and go; then the lines are whole again."""
    middles = [["no access-list 100", f"access-list 100 {LINES[1]}", *MOMENT], ["ip access-list extended 100", " 5 deny ip any any", *MOMENT],
               ["interface fa0/1", " no crypto map", *MOMENT], ["access-list 160 permit ip host 10.8.8.8 any", "crypto map W 10 ipsec-isakmp", " set peer 2.2.2.1",
                " set transform-set AES-SHA", " match address 160", "interface fa0/1", " crypto map W", *MOMENT, " no crypto map", *MOMENT]]
    for middle in middles:
        console(b, *middle).hang_up()
        typed(b, *MOMENT, "access-list 199 permit ip any any", "access-list 199 remark none of it")
        time.sleep(0.4)
        typed(b, "ip access-list extended 100", *[f" {10 * n} {line}" for n, line in enumerate(LINES, 1)], " no 5", "interface fa0/1", " crypto map VPN", "no access-list 199")
        assert "is what their lists say" in b.l.exec("CE1", "clear adit unfinished")
    typed(b, "no crypto map W", "no access-list 160")


def map_entry(b):
    for _ in range(3):
        b.l.config("CE1", "access-list 133 permit ip 10.1.7.0 0.0.0.255 10.9.0.0 0.0.255.255", "crypto map VPN 5 ipsec-isakmp", " set peer 2.2.2.1",
                   " set transform-set AES-SHA", " match address 133")
        b.l.config("CE1", "no crypto map VPN 5")


def other_map(b):
    """A whole map on another link, added and removed beside this one."""
    for _ in range(3):
        b.l.config("CE1", "access-list 144 permit ip any 10.77.0.0 0.0.255.255", "crypto map OTHER 10 ipsec-isakmp", " set peer 9.9.9.9",
                   " set transform-set AES-SHA", " match address 144", "interface fa1/0", " crypto map OTHER")
        b.l.config("CE1", "interface fa1/0", " no crypto map OTHER")


def ike_killed(b):
    b.kill("ike", signal.SIGKILL)


def ike_ended(b):
    b.kill("ike", signal.SIGTERM)


def ike_stopped(b):
    b.kill("ike", signal.SIGSTOP)
    b.l.config("CE1", "access-list 199 permit ip host 1.2.3.4 any")
    time.sleep(2)
    b.kill("ike", signal.SIGCONT)


def dp_killed(b):
    b.kill("dp", signal.SIGKILL)


def dp_ended(b):
    b.kill("dp", signal.SIGTERM)


def dp_stopped(b):
    b.kill("dp", signal.SIGSTOP)
    time.sleep(1.5)
    b.kill("dp", signal.SIGCONT)


def sa_gone(b):
    """The SAs are cleared while ike cannot make new ones."""
    b.kill("ike", signal.SIGSTOP)
    far = b.l.pids("CE2", "ike")
    for pid in far:
        os.kill(pid, signal.SIGKILL)
    time.sleep(1)
    b.kill("ike", signal.SIGCONT)


def peer_reboots(b):
    for role in ("main", "ike", "dp"):
        for pid in b.l.pids("CE2", role):
            os.kill(pid, signal.SIGKILL)


def sessions_cleared(b):
    for _ in range(3):
        b.l.exec("CE1", "clear crypto session")
        time.sleep(0.3)


STEADY = [nothing, flap, routes_move, ecmp, route_flush, table_of_its_own, tun_deleted, tun_queue_full, address_change, other_network, list_removed, reload_file, acl_line, lines_replaced, lines_one_by_one, list_begun_twice,
          entry_without_list, map_taken_apart, left_in_the_middle, map_entry,
          other_map, ike_killed, ike_ended, ike_stopped, dp_killed, dp_ended, dp_stopped, sessions_cleared, sa_gone]


@pytest.fixture
def bed(lab, tmp_path):
    made = []

    def make(**how):
        made.append(Bed(lab, tmp_path, **how))
        return made[-1]

    yield make
    for b in made:
        b.close()


def test_steady(bed):
    """All situations after which the router lives on, in one lab; protection comes back after each."""
    b = bed()
    b.warm()
    worst = []
    for s in STEADY:
        sent, clear, protected = b.run(s)
        try:
            row(s.__name__, sent, clear, protected)
            b.warm()
        except AssertionError as e:
            worst.append((s.__name__, str(e)[:300]))
    assert not worst, worst


def test_the_suite_can_see(bed):
    """The same capture without a map: every kind is seen in clear, so zeros mean something."""
    b = bed()
    b.warm()
    b.l.config("CE1", "interface fa0/1", " no crypto map VPN")
    until(lambda: "steer" not in b.l.shell("CE1", "tc filter show dev Fa0-1 egress"))
    sent, clear, _ = b.run(nothing)
    print(sent, clear)
    assert all(clear[k] > 0 for k in KINDS if not k.startswith("tcp")), clear  # TCP needs an answer from Lima's CE2, which drops clear packets


# ---- CE1 goes by a dynamic map, CE2 is its client ----

STATIC = """crypto map VPN 10 ipsec-isakmp
 set peer 2.2.2.1
 set transform-set AES-SHA
 match address 100
crypto map VPN 20 ipsec-isakmp
 set peer 2.2.2.1
 set transform-set AES-SHA
 match address V6
"""
ENTRY = ["crypto dynamic-map D 10", " set transform-set AES-SHA", " match address 100"]
DYNAMIC = "\n".join(ENTRY) + """
crypto dynamic-map D 20
 set transform-set AES-SHA
 match address V6
crypto dynamic-map E 10
 set transform-set AES-SHA
crypto map VPN 10 ipsec-isakmp dynamic D
"""


def client_leaves(b):
    """Its SAs go on both sides, and it is not there to make others."""
    b.l.config("CE2", "interface fa0/1", " shutdown")
    b.l.exec("CE1", "clear crypto session")
    time.sleep(0.5)
    b.l.config("CE2", "interface fa0/1", " no shutdown")


def template_taken_apart(b):
    """Its entry goes and is typed again; the crypto map goes by another dynamic map, which has no list, and by its own again."""
    typed(b, "no crypto dynamic-map D 10", *MOMENT, *ENTRY, "crypto map VPN 10 ipsec-isakmp dynamic E", *MOMENT, "crypto map VPN 10 ipsec-isakmp dynamic D")


def template_without_list(b):
    """The entry loses its list, has one that does not exist, one that begins with a deny line, and its own again."""
    typed(b, "crypto dynamic-map D 10", " no match address 100", *MOMENT, " match address 150", *MOMENT, "access-list 150 deny ip host 10.9.9.9 any", *MOMENT,
          "crypto dynamic-map D 10", " match address 100", "no access-list 150")


def test_client(bed):
    """What the lists of a dynamic map permit goes to the client or nowhere: before it comes, with it, while anything is typed, when it
    has left."""
    config = CE.format(n=1, m=2, own="1.1.1.1", peer="2.2.2.1", isp="1.1.1.2", more=SECOND_LINK)
    assert STATIC in config
    b = bed(files={"CE1.cfg": config.replace(STATIC, DYNAMIC)})
    _, clear, protected = b.run(nothing)
    assert not any(clear.values()) and not protected, (clear, protected)  # nobody has come
    for s in (nothing, list_removed, acl_line, lines_replaced, lines_one_by_one, list_begun_twice, template_taken_apart, template_without_list,
              client_leaves, ike_killed, dp_killed, sessions_cleared):
        b.warm([("Lima", "10.1.0.10")])
        row(s.__name__, *b.run(s), full=("udp4", "frag4", "tcp4", "icmp4", "udp6"))  # a client of IPv4: nothing of IPv6 goes anywhere
    b.warm([("Lima", "10.1.0.10")])


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_main_ends(bed, sig):
    """All three processes go, in whatever way: what they covered runs into a dead end."""
    b = bed()
    b.warm()

    def end(b):
        b.kill("main", sig)
        until(lambda: not b.pids("dp"), 15)

    row(f"main {sig.name}", *b.run(end))


def test_peer_reboots(bed):
    b = bed()
    b.warm()
    row("peer rebooted", *b.run(peer_reboots))


@pytest.mark.parametrize("role,seconds", [("ike", 60), ("dp", 20)])
def test_stopped_for_long(bed, role, seconds):
    """Without ike the SAs carry on, and what has none waits or is dropped; dp away for longer than any queue: nothing takes another
    way. Protection comes back by itself."""
    b = bed()
    b.warm()
    sent, clear, protected = b.run(lambda b: b.kill(role, signal.SIGSTOP), seconds=seconds)
    b.kill(role, signal.SIGCONT)
    row(f"{role} stopped for {seconds} s", sent, clear, protected)
    assert protected > sent["udp4"] or role == "dp", "the SAs did not carry on"
    b.warm()


def test_sa_runs_out_while_ike_is_stopped(bed):
    """Nobody renews the SA: its volume ends, and nothing takes the open road."""
    b = bed()
    b.l.config("CE1", "crypto ipsec security-association lifetime kilobytes 2560")
    b.warm()

    def stopped(b):
        b.kill("ike", signal.SIGSTOP)
        until(lambda: re.search(r"^\d+ +SA lifetime over", b.l.exec("CE1", "show drops"), re.M), 40)

    sent, clear, protected = b.run(stopped)
    b.kill("ike", signal.SIGCONT)
    row("SA ran out, ike stopped", sent, clear, protected)
    b.warm()


def test_first_start(bed):
    """A start with 1000 static routes on a machine where nothing of adit is left, with traffic already coming."""
    routes = "\n".join(f"ip route 10.{100 + i // 250}.{i % 250}.0 255.255.255.0 1.1.1.2" for i in range(1000))
    b = bed(more=SECOND_LINK + "\n" + routes)
    main = b.pids("main")[0]
    args = Path(f"/proc/{main}/cmdline").read_bytes().split(b"\0")[:-1]
    at = args.index(b"--ready-fd")
    args = [ADITD, *args[1:at], *args[at + 2:]]
    for role in ("main", "ike", "dp"):
        b.kill(role, signal.SIGKILL)
    until(lambda: not b.pids("dp") and not b.pids("main"), 15)
    b.l.shell("CE1", "tc qdisc del dev Fa0-1 clsact; for t in $(ip -br link | grep -oE '^(crypto|clear)[0-9]+'); do ip link del $t; done; "
                     "ip route flush proto 173; ip -6 route flush proto 173; ip addr flush dev Fa0-1; ip addr flush dev Fa0-0; sysctl -qw net.ipv4.ip_forward=1")
    started = []

    def start(b):
        r, w = os.pipe()
        started.append(subprocess.Popen(["ip", "netns", "exec", b.l.ns("CE1"), *args, "--ready-fd", str(w)], pass_fds=[w]))
        os.close(w)
        assert os.read(r, 1) == b"1"
        os.close(r)

    try:
        row("first start, 1000 routes", *b.run(start))
    finally:
        for p in started:
            p.terminate()
            p.wait(20)


def test_many_routes_and_then_hands(bed):
    """After a thousand routes of its own the router still hears what happens to its devices: a classifier taken away comes back."""
    routes = "\n".join(f"ip route 10.{100 + i // 250}.{i % 250}.0 255.255.255.0 1.1.1.2" for i in range(1000))
    b = bed(more=SECOND_LINK + "\n" + routes)
    b.warm()
    for _ in range(3):
        b.l.shell("CE1", "tc qdisc del dev Fa0-1 clsact")
        until(lambda: "steer" in b.l.shell("CE1", "tc filter show dev Fa0-1 egress"), 10)
    b.l.shell("CE1", "for i in $(seq 4000); do echo route add 66.$((i / 250)).$((i % 250)).0/24 via 3.3.3.2; done | ip -batch -")
    b.l.shell("CE1", "tc qdisc del dev Fa0-1 clsact")
    until(lambda: "steer" in b.l.shell("CE1", "tc filter show dev Fa0-1 egress"), 10)
    row("many routes", *b.run(tun_deleted))
    b.warm()


# ---- inwards ----

INJECT = """
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def ip(src, dst, payload, ident, flags, proto=17):
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), ident, flags, 64, proto, 0, socket.inet_aton(src), socket.inet_aton(dst)) + payload
for i in range(50):
    udp = struct.pack("!HHHH", 6000, 6001, 8 + 64, 0) + bytes(64)
    s.sendto(ip(sys.argv[1], sys.argv[2], udp, i, 0), (sys.argv[2], 0))
    s.sendto(ip(sys.argv[1], sys.argv[2], udp, 1000 + i, 0x2000), (sys.argv[2], 0))
    s.sendto(ip(sys.argv[1], sys.argv[2], bytes(64), 1000 + i, 9), (sys.argv[2], 0))
"""


TAGGED = """
import socket, struct, sys
here, there = open("/sys/class/net/Fa0-0/address").read().strip(), sys.argv[3]
mac = lambda t: bytes(int(x, 16) for x in t.split(":"))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("Fa0-0", 0))
def checksum(b):
    c = sum(struct.unpack("!10H", b))
    c = (c & 0xffff) + (c >> 16)
    return ~((c & 0xffff) + (c >> 16)) & 0xffff
for i in range(50):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 84, i, 0, 64, 17, 0, socket.inet_aton(sys.argv[1]), socket.inet_aton(sys.argv[2]))
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    s.send(mac(there) + mac(here) + b"".join(struct.pack("!HH", 0x8100, int(t)) for t in sys.argv[4:]) + struct.pack("!H", 0x0800) + ip + struct.pack("!HHHH", 6000, 6001, 64, 0) + bytes(56))
"""


def inject_tagged(b, src, dst, path, *tags, mac=None):
    """The same in frames with VLAN tags (priority and number in the 16 bits of each)."""
    mac = mac or b.l.shell("CE1", "cat /sys/class/net/Fa0-1/address").strip()
    cap = Capture(b.l.ns("Bob"), "eth0", path)
    b.l.shell("ISP", f"{sys.executable} -c '{TAGGED}' {src} {dst} {mac} {' '.join(map(str, tags))}")
    time.sleep(0.5)
    return len([f for f in cap.close("ip.src", "ip.dst") if f[:2] == [src, dst]])


def inject(b, src, dst, path):
    """Packets from ISP towards CE1's LAN; how many Bob's link saw."""
    b.l.shell("ISP", "ip route replace 10.1.0.0/24 via 1.1.1.1")
    cap = Capture(b.l.ns("Bob"), "eth0", path)
    b.l.shell("ISP", f"{sys.executable} -c '{INJECT}' {src} {dst}")
    time.sleep(0.5)
    return len([f for f in cap.close("ip.src", "ip.dst") if f[:2] == [src, dst]])


def test_clear_packets_never_come_in(bed, tmp_path):
    """Whole or in fragments: a covered pair's clear packets end at CE1; a pair that no line covers passes."""
    b = bed()
    b.warm()
    assert inject(b, "10.2.0.10", "10.1.0.10", tmp_path / "in1.pcap") == 0
    assert re.search(r"RECVD_PKT_NOT_IPSEC", b.l.log("CE1"))
    assert inject(b, "10.9.0.10", "10.1.0.10", tmp_path / "in2.pcap") > 0
    # a priority tag (VLAN 0) is no VLAN: the kernel takes such a frame for one without a tag
    priority = 5 << 13
    assert inject_tagged(b, "10.2.0.10", "10.1.0.10", tmp_path / "in3.pcap", priority) == 0
    assert inject_tagged(b, "10.9.0.10", "10.1.0.10", tmp_path / "in4.pcap", priority) > 0
    assert inject_tagged(b, "10.2.0.10", "10.1.0.10", tmp_path / "in5.pcap", priority, priority) == 0
    assert inject_tagged(b, "10.2.0.10", "10.1.0.10", tmp_path / "in6.pcap", priority, priority, priority) == 0
    assert inject_tagged(b, "10.2.0.10", "10.1.0.10", tmp_path / "in7.pcap", priority | 77) == 0
    # what is for another machine on the link is not ours to take, let alone to forward
    assert inject_tagged(b, "10.9.0.10", "10.1.0.10", tmp_path / "in8.pcap") > 0
    assert inject_tagged(b, "10.9.0.10", "10.1.0.10", tmp_path / "in9.pcap", mac="02:00:00:00:99:99") == 0


def test_deny_works_both_ways(bed, tmp_path):
    """A pair a deny line takes out travels in clear in both directions, the others stay protected."""
    b = bed()
    for node, n, m in (("CE1", 1, 2), ("CE2", 2, 1)):
        b.l.config(node, "no access-list 100", f"access-list 100 deny ip host 10.{n}.0.10 host 10.{m}.0.10",
                   f"access-list 100 permit ip 10.{n}.0.0 0.0.0.255 10.{m}.0.0 0.0.0.255")
    b.l.shell("ISP", "ip route replace 10.1.0.0/24 via 1.1.1.1; ip route replace 10.2.0.0/24 via 2.2.2.1")
    cap = Capture(b.l.ns("ISP"), "Fa0-0", tmp_path / "deny.pcap")
    until(lambda: " 0% packet loss" in b.l.shell("Bob", "ping -c 3 -i 0.2 -W 3 10.2.0.10", check=False), 30)
    assert " 0% packet loss" in b.l.shell("Bob", "ping -c 3 -i 0.2 -s 3000 -W 3 10.2.0.10", check=False)
    b.l.shell("Bob", "ip addr add 10.1.0.11/24 dev eth0")
    until(lambda: " 0% packet loss" in b.l.shell("Bob", "ping -I 10.1.0.11 -c 3 -i 0.2 -W 3 10.2.0.10", check=False), 30)
    seen = cap.close("ip.src", "ip.dst", "ip.proto")
    assert ["10.1.0.10", "10.2.0.10", "1"] in seen and ["10.2.0.10", "10.1.0.10", "1"] in seen
    assert not [f for f in seen if "10.1.0.11" in f[:2]], seen
    assert [f for f in seen if f[2] == "50"]


HEAR = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 520))
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.9") + socket.inet_aton("1.1.1.1"))
s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"Fa0-1")
s.settimeout(120)
print("listening", flush=True)
while True:
    print(s.recv(100).decode(), flush=True)
"""
SAY = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("1.1.1.2"))
s.sendto(sys.argv[1].encode(), ("224.0.0.9", 520))
"""


def test_a_link_keeps_its_groups(bed):
    """What a deny line takes out of a wide list comes in by the link itself: a routing protocol hears its neighbours there; what
    is not taken out does not come in."""
    b = bed()
    b.l.config("CE1", "no access-list 100", "access-list 100 permit ip any any")
    hear = subprocess.Popen(["ip", "netns", "exec", b.l.ns("CE1"), "/usr/bin/python3", "-c", HEAR], stdout=subprocess.PIPE)
    try:
        assert hear.stdout.readline() == b"listening\n"
        say = lambda what: sh(["ip", "netns", "exec", b.l.ns("ISP"), "/usr/bin/python3", "-c", SAY, what])
        before = b.l.exec("CE1", "show drops")
        say("covered")
        until(lambda: b.l.exec("CE1", "show drops") != before, 20)
        b.l.config("CE1", "no access-list 100", "access-list 100 deny udp any host 224.0.0.9", "access-list 100 deny udp host 224.0.0.9 any",
                   "access-list 100 permit ip any any")
        out, said = hear.stdout.fileno(), b""
        for _ in range(3):  # what is heard once may have come in while things changed
            until(lambda: say("taken out") or select.select([out], [], [], 0.5)[0], 30)
            while select.select([out], [], [], 1.5)[0]:
                said += os.read(out, 1000)
        assert set(said.splitlines()) == {b"taken out"}
    finally:
        hear.kill()
        hear.wait(10)


# ---- networks behind protected tunnels ----

VTI = """hostname R{n}
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 14
crypto isakmp key leak address {peer}
crypto ipsec transform-set AES-SHA esp-aes esp-sha-hmac
crypto ipsec profile P
 set transform-set AES-SHA
interface Tunnel0
 ip address 172.16.0.{n} 255.255.255.252
 ip ospf network point-to-point
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 tunnel source FastEthernet0/1
 tunnel destination {peer}
 tunnel mode {mode}
 tunnel protection ipsec profile P
interface FastEthernet0/0
 ip address 10.{n}.0.1 255.255.255.0
interface FastEthernet0/1
 ip address {own} 255.255.255.252
router ospf 1
 network 172.16.0.0 0.0.0.3 area 0
 network 10.{n}.0.0 0.0.0.255 area 0
ip route 0.0.0.0 0.0.0.0 {isp}
ip route 10.{m}.7.0 255.255.255.0 Tunnel0
end
"""


class TunnelBed(Bed):
    """The same places with an OSPF-routed protected tunnel; the default route leads out in clear."""

    def __init__(self, lab, tmp_path, mode):
        text = lambda n, m, own, peer, isp: VTI.format(n=n, m=m, own=own, peer=peer, isp=isp, mode=mode)
        super().__init__(lab, tmp_path, files={"CE1.cfg": text(1, 2, "1.1.1.1", "2.2.2.1", "1.1.1.2"), "CE2.cfg": text(2, 1, "2.2.2.1", "1.1.1.1", "2.2.2.2")})

    def warm(self):
        until(lambda: " 0% packet loss" in self.l.shell("Bob", "ping -c 2 -i 0.2 -W 3 10.2.0.10", check=False), 60)
        # the network is known as one behind the tunnel: its blackhole is there
        until(lambda: "blackhole 10.2.0.0/24" in self.l.shell("CE1", "ip route"), 10)


def ospf_cost(b):
    for cost in (77, 88, 99):
        b.l.config("CE1", "interface tunnel0", f" ip ospf cost {cost}")
        time.sleep(0.4)


def ospf_gone(b):
    b.l.config("CE1", "no router ospf 1")
    time.sleep(1)
    b.l.config("CE1", "router ospf 1", " network 172.16.0.0 0.0.0.3 area 0", " network 10.1.0.0 0.0.0.255 area 0")


def frr_pid(b, daemon):
    return int(next(b.l.dir("CE1").glob(f"frr/{daemon}.pid")).read_text())


def frr_killed(b):
    for daemon in ("ospfd", "zebra"):
        os.kill(frr_pid(b, daemon), signal.SIGKILL)


def zebra_ended(b):
    os.kill(frr_pid(b, "zebra"), signal.SIGTERM)


def tunnel_shut(b):
    b.l.config("CE1", "interface tunnel0", " shutdown")
    time.sleep(0.5)
    b.l.config("CE1", "interface tunnel0", " no shutdown")


def tunnel_deleted(b):
    b.l.shell("CE1", "ip link del Tunnel0")


def neighbour_dead(b):
    """The far router stands still until OSPF gives it up."""
    pids = [p for role in ("main", "ike", "dp") for p in b.l.pids("CE2", role)]
    for p in pids:
        os.kill(p, signal.SIGSTOP)
    until(lambda: "10.2.0.0/24 nhid" not in b.l.shell("CE1", "ip route"), 15)
    time.sleep(0.5)
    for p in pids:
        os.kill(p, signal.SIGCONT)


TUNNEL = [ospf_cost, frr_killed, zebra_ended, ospf_gone, tunnel_shut, tunnel_deleted, neighbour_dead, dp_killed, ike_killed]


@pytest.mark.parametrize("mode", ["ipsec ipv4", "gre ip"])
def test_behind_tunnels(lab, tmp_path, mode):
    """The kinds that a tunnel can carry here (IPv4, forwarded): whatever takes the route away, the default route gets none of them."""
    b = TunnelBed(lab, tmp_path, mode)
    wrong = []
    try:
        b.warm()
        for s in TUNNEL:
            sent, clear, protected = b.run(s)
            seen = {k: clear[k] for k in ("udp4", "frag4", "tcp4", "icmp4")}
            print(f"\n{mode + ' ' + s.__name__:40} sent {sent['udp4']} udp4, protected {protected}, in clear {seen}")
            assert sent["udp4"] > 20 and sent["icmp4"] > 20
            if any(seen.values()):
                wrong.append((s.__name__, seen))
            b.warm()
    finally:
        b.close()
    assert not wrong, wrong


def test_blackhole_can_be_switched_off(lab, tmp_path):
    """`no adit blackhole` is IOS's way: without its route the network takes the default route."""
    b = TunnelBed(lab, tmp_path, "ipsec ipv4")
    try:
        b.warm()
        b.l.config("CE1", "interface tunnel0", " no adit blackhole")
        until(lambda: "blackhole" not in b.l.shell("CE1", "ip route"))
        assert "no adit blackhole" in b.l.exec("CE1", "show running-config")
        _, clear, _ = b.run(tunnel_shut)
        assert clear["udp4"] > 0, clear
        b.l.config("CE1", "interface tunnel0", " adit blackhole")
        until(lambda: "blackhole 10.2.7.0/24" in b.l.shell("CE1", "ip route"))
    finally:
        b.close()
