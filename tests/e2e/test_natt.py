"""A NAT that changes ports stands between: adit behind it, adit in front of it, a Linux kernel with strongSwan on either side; tunnel
mode under a crypto map and GRE in transport mode; and the NAT changes its mind under traffic."""
import os
import re
import subprocess

import pytest

from conftest import ADIT, Capture, Lab, until
from far_end import FarEnd

TOPOLOGY = """name: {name}
topology:
  nodes:
    R1: {{kind: adit, startup-config: R1.cfg}}
    N: {{kind: linux, exec: ["ip addr add 172.16.0.1/24 dev eth0", "ip addr add 192.0.2.3/24 dev eth1", "sysctl -qw net.ipv4.ip_forward=1",
         "sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1 net.ipv6.conf.eth1.disable_ipv6=1"]}}
    {far}
    H1: {{kind: linux, exec: ["ip addr add 10.1.1.10/24 dev eth0", "ip route add default via 10.1.1.1"]}}
  links:
    - endpoints: ["R1:FastEthernet0/0", "N:{r1}"]
    - endpoints: ["N:{r2}", "{link}"]
    - endpoints: ["R1:FastEthernet0/1", "H1:eth0"]
{more}
"""
ADIT_FAR = """R2: {kind: adit, startup-config: R2.cfg}
    H2: {kind: linux, exec: ["ip addr add 10.2.2.10/24 dev eth0", "ip route add default via 10.2.2.1"]}"""
LINUX_FAR = 'Far: {kind: linux, exec: ["sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1"]}'
ROUTER = """hostname R{n}
crypto isakmp policy 10
 encr aes
 hash sha256
 authentication pre-share
 group 14
crypto isakmp key a-s3cret address 0.0.0.0 0.0.0.0
crypto ipsec transform-set T esp-aes esp-sha256-hmac
 mode {mode}
interface FastEthernet0/0
 ip address {own} 255.255.255.0
interface FastEthernet0/1
 ip address 10.{n}.{n}.1 255.255.255.0
{what}
ip route 0.0.0.0 0.0.0.0 {gw}
end
"""
MAP = """crypto map M 10 ipsec-isakmp
 set peer {peer}
 set transform-set T
 match address 101
interface FastEthernet0/0
 crypto map M
access-list 101 permit ip 10.{n}.{n}.0 0.0.0.255 10.{o}.{o}.0 0.0.0.255"""
GRE = """crypto ipsec profile P
 set transform-set T
interface Tunnel0
 ip address 10.9.0.{n} 255.255.255.252
 tunnel source FastEthernet0/0
 tunnel destination {peer}
 tunnel protection ipsec profile P
ip route 10.{o}.{o}.0 255.255.255.0 Tunnel0"""
INSIDE, OUTSIDE, NAT = "172.16.0.2", "192.0.2.2", "192.0.2.3"
SWAN = """conn c
    keyexchange=ikev1
    ike=aes128-sha256-modp2048!
    esp=aes128-sha256!
    authby=psk
    left={left}
    leftid={left}
    leftsubnet=10.2.2.0/24
    right={right}
    rightid=%any
    rightsubnet=10.1.1.0/24
    type=tunnel
    dpddelay=2
    auto=add
"""


def router(n, kind, behind):
    """R1 or R2; behind: it is the one behind the NAT."""
    a = {"n": n, "o": 3 - n, "peer": OUTSIDE if behind else NAT}
    return ROUTER.format(mode="tunnel" if kind == "map" else "transport", own=INSIDE if behind else OUTSIDE,
                         gw="172.16.0.1" if behind else NAT, what=(MAP if kind == "map" else GRE).format(**a), **a)


class Natted:
    """R1 and its far end, one of them behind the NAT N."""

    def __init__(self, tmp_path, kind, far="adit", behind=True):
        self.far, self.name, self.behind = None, f"nat{os.getpid() % 10000}-{kind}-{far[:1]}{behind:d}", behind
        d = tmp_path / "lab"
        d.mkdir()
        with_adit = far == "adit"
        (d / "x.clab.yml").write_text(TOPOLOGY.format(
            name=self.name, far=ADIT_FAR if with_adit else LINUX_FAR, link="R2:FastEthernet0/0" if with_adit else "Far:eth0",
            r1="eth0" if behind else "eth1", r2="eth1" if behind else "eth0",
            more='    - endpoints: ["R2:FastEthernet0/1", "H2:eth0"]' if with_adit else ""))
        (d / "R1.cfg").write_text(router(1, kind, behind))
        (d / "R2.cfg").write_text(router(2, kind, not behind))
        try:
            self.lab = Lab(d, self.name)
            self.outside = "N", "eth1"
            self.map(20000)
            if not with_adit:
                own = OUTSIDE if behind else INSIDE
                for node, link in (("R1", "Fa0-0"), ("R1", "Fa0-1"), ("H1", "eth0"), ("N", "eth0"), ("N", "eth1")):
                    self.lab.shell(node, f"ethtool -K {link} tx off tso off gso off gro off")
                self.far = FarEnd(self.lab.ns("Far"), "eth0", tmp_path / "job")
                self.far.sh(f"set -e; ip addr add {own}/24 dev eth0; ip addr add 10.2.2.1/24 dev lo\n"
                            f"ip route add default via {NAT if behind else '172.16.0.1'}\n"
                            "echo ': PSK \"a-s3cret\"' >/etc/ipsec.secrets\n"
                            f"cat >/etc/ipsec.conf <<'E'\n{SWAN.format(left=own, right=NAT if behind else OUTSIDE)}E\n"
                            "setsid /usr/lib/ipsec/starter --daemon charon --nofork --nolog >/tmp/starter.log 2>&1 &")
                until(lambda: "c: " in self.far.sh("ipsec statusall", check=False).replace("c:  ", "c: "), 20)
        except BaseException:
            self.close()
            raise

    def map(self, first):
        """From now on the NAT gives ports from there; what it had before is forgotten."""
        self.lab.shell("N", "nft -f - <<'E'\nflush ruleset\ntable ip n {\n chain post {\n  type nat hook postrouting priority 100\n"
                       f"  oifname eth1 ip saddr {INSIDE} meta l4proto udp masquerade to :{first}-{first + 99}\n"
                       f"  oifname eth1 ip saddr {INSIDE} masquerade\n }}\n}}\nE\nconntrack -F 2>/dev/null")

    def ping(self, node="H1", dst="10.2.2.10", args="-c 5 -l 5 -i 2 -W 8"):
        return self.lab.shell(node, f"ping -n {args} {dst}", check=False)

    def state(self):
        far = self.far.sh("ipsec statusall; ip -s xfrm state | grep -v 0x; grep -v 0$ /proc/net/xfrm_stat; tail -n 40 /tmp/starter.log", check=False) if self.far else self.lab.log("R2")[-3000:]
        return self.lab.exec("R1", "show crypto ipsec sa") + self.lab.exec("R1", "show drops") + self.lab.log("R1")[-3000:] + far

    def close(self):
        if self.far:
            self.far.close()
        subprocess.run([ADIT, "lab", "down", self.name], capture_output=True, timeout=60)


@pytest.fixture
def natted(tmp_path):
    made = []

    def make(*args, **kw):
        made.append(Natted(tmp_path, *args, **kw))
        return made[0]

    yield make
    stderr = "".join((m.lab.dir(r) / "stderr").read_text() for m in made for r in ("R1", "R2") if (m.lab.dir(r) / "stderr").exists())
    for m in made:
        m.close()
    assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr


def only_udp(packets):
    """Between the ends all is UDP, and what comes from behind the NAT has its ports; nothing is in clear, no ESP bare."""
    ip = [p for p in packets if p[4] == "0x0800" and not p[1].startswith("224.")]
    assert {(p[0], p[1]) for p in ip} == {(NAT, OUTSIDE), (OUTSIDE, NAT)}, {(p[0], p[1]) for p in ip}
    assert {p[2] for p in ip} == {"17"}, {p[2] for p in ip}
    assert all(int(p[5 if p[0] == NAT else 3]) >= 20000 for p in ip), ip[:10]
    return ip


FIELDS = "ip.src", "ip.dst", "ip.proto", "udp.dstport", "eth.type", "udp.srcport"


@pytest.mark.parametrize("kind", ["map", "gre"])
def test_adit_with_adit(natted, tmp_path, kind):
    s = natted(kind)
    cap = Capture(s.lab.ns("N"), "eth1", tmp_path / "wan.pcap")
    until(lambda: " 0% packet loss" in s.ping(args="-c 1 -W 2"), 30)
    assert " 0% packet loss" in s.ping(), s.state()
    assert " 0% packet loss" in s.ping("H2", "10.1.1.10"), s.state()
    size = "-s 1300 -M do" if kind == "map" else "-s 1200"
    assert " 0% packet loss" in s.ping(args=f"-c 5 -l 5 -i 2 -W 8 {size}"), s.state()
    only_udp(cap.close(*FIELDS))
    for r in ("R1", "R2"):
        sa = s.lab.exec(r, "show crypto ipsec sa")
        assert f"in use settings ={{{'Tunnel' if kind == 'map' else 'Transport'} UDP-Encaps, }}" in sa, sa
    assert re.search(r"current_peer 192\.0\.2\.3 port 200\d\d", s.lab.exec("R2", "show crypto ipsec sa"))


def test_the_mapping_changes(natted):
    """Under traffic from behind the NAT. What is on its way to the old port is lost, and no more: both ends go on by the new one, and
    what comes from the outside finds it."""
    s = natted("map")
    until(lambda: " 0% packet loss" in s.ping(args="-c 1 -W 2"), 30)
    pings = subprocess.Popen(["ip", "netns", "exec", s.lab.ns("H1"), "ping", "-n", "-i", "0.02", "-c", "200", "-W", "2", "10.2.2.10"],
                             stdout=subprocess.PIPE, text=True)
    for _ in range(40):
        pings.stdout.readline()
    s.map(30000)
    out = pings.communicate(timeout=60)[0]
    got = int(re.search(r"(\d+) received", out).group(1))
    assert got >= 190, out + s.state()
    s.lab.wait_log("R2", r"%ADIT-6-PEER_MOVED: a NAT has given the peer at 192\.0\.2\.3 port 200\d\d another address: 192\.0\.2\.3 port 300\d\d", 10)
    assert " 0% packet loss" in s.ping("H2", "10.1.1.10"), s.state()
    s.lab.exec("R2", "clear crypto sa")  # Delete, and a new pair that the outside begins, by the new port
    until(lambda: " 0% packet loss" in s.ping("H2", "10.1.1.10", "-c 1 -W 2"), 30)


@pytest.mark.parametrize("behind", ["adit", "strongswan"])
def test_strongswan(natted, tmp_path, behind):
    s = natted("map", "strongswan", behind == "adit")
    cap = Capture(s.lab.ns("N"), "eth1", tmp_path / "wan.pcap")
    if behind == "adit":
        until(lambda: " 0% packet loss" in s.ping(dst="10.2.2.1", args="-c 1 -W 2"), 30)
    else:
        out = s.far.sh("ipsec up c", check=False)
        assert "connection 'c' established successfully" in out, out + s.state()
    assert " 0% packet loss" in s.ping(dst="10.2.2.1"), s.state()
    assert " 0% packet loss" in s.far.sh("ping -n -c 5 -l 5 -i 2 -W 8 -I 10.2.2.1 10.1.1.10", check=False), s.state()
    only_udp(cap.close(*FIELDS))
    s.map(30000)
    until(lambda: " 0% packet loss" in (s.ping(dst="10.2.2.1", args="-c 1 -W 1") if behind == "adit"
                                         else s.far.sh("ping -n -c 1 -W 1 -I 10.2.2.1 10.1.1.10", check=False)), 30)
    assert " 0% packet loss" in s.ping(dst="10.2.2.1"), s.state()
    assert " 0% packet loss" in s.far.sh("ping -n -c 5 -l 5 -i 2 -W 8 -I 10.2.2.1 10.1.1.10", check=False), s.state()
    assert re.search(r"esp-aes esp-sha256-hmac", s.lab.exec("R1", "show crypto ipsec sa"))
