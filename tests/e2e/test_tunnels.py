"""Tunnels of every mode between two adit routers, with and without protection:

    lanA eth0 --- Fa0/0 R1 Fa0/1 --- eth0 NET eth1 --- Fa0/1 R2 Fa0/0 --- eth0 lanB
    10.1.0.10   10.1.0.1  192.0.2.1  .2  .5  192.0.2.6  10.2.0.1   10.2.0.10
    fd00:1::10  fd00:1::1 2001:db8:1::/64   2001:db8:2::/64  fd00:2::1  fd00:2::10

NET is a plain Linux router: what crosses the world is captured there, and its links can be made narrow."""
import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import ADIT, Capture, Lab, number, until

HOST = '{kind: linux, exec: ["ip addr add 10.NN.0.10/24 dev eth0", "ip route add default via 10.NN.0.1", ' \
       '"ip addr add fd00:NN::10/64 dev eth0 nodad", "ip -6 route add default via fd00:NN::1"]}'
TOPO = """name: NAME
topology:
  nodes:
    NET: {kind: linux, exec: ["sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
      "ip addr add 192.0.2.2/30 dev eth0; ip addr add 192.0.2.5/30 dev eth1",
      "ip addr add 2001:db8:1::2/64 dev eth0 nodad; ip addr add 2001:db8:2::2/64 dev eth1 nodad"]}
    R1: {kind: adit, startup-config: R1.cfg}
    R2: {kind: adit, startup-config: R2.cfg}
    lanA: %s
    lanB: %s
  links:
    - endpoints: ["R1:FastEthernet0/1", "NET:eth0"]
    - endpoints: ["NET:eth1", "R2:FastEthernet0/1"]
    - endpoints: ["lanA:eth0", "R1:FastEthernet0/0"]
    - endpoints: ["lanB:eth0", "R2:FastEthernet0/0"]
""" % (HOST.replace("NN", "1"), HOST.replace("NN", "2"))
ROUTER = """hostname R{n}
ipv6 unicast-routing
crypto isakmp policy 10
 encr aes
 authentication pre-share
 group 2
crypto isakmp key k3y address 0.0.0.0 0.0.0.0
crypto isakmp key k3y ipv6 ::/0
crypto ipsec transform-set TUNNEL {ts}
crypto ipsec transform-set TRANSPORT {ts}
 mode transport
crypto ipsec profile TUNNEL
 set transform-set TUNNEL
crypto ipsec profile TRANSPORT
 set transform-set TRANSPORT
{extra}
interface FastEthernet0/0
 ip address 10.{n}.0.1 255.255.255.0
 ipv6 address fd00:{n}::1/64
interface FastEthernet0/1
 ip address 192.0.2.{own} 255.255.255.252
 ipv6 address 2001:db8:{n}::1/64
{wan}
ip route 192.0.2.{othernet} 255.255.255.252 192.0.2.{gw}
ipv6 route 2001:db8:{other}::/64 2001:db8:{n}::2
"""
TUNNEL = """interface Tunnel0
 ip address 172.16.0.{n} 255.255.255.252
 ipv6 address fd00:ff::{n}/64
 tunnel source {src}
 tunnel destination {dst}
 tunnel mode {mode}
{lines}
"""
ROUTES = """ip route 10.{other}.0.0 255.255.255.0 Tunnel0
ipv6 route fd00:{other}::/64 Tunnel0
"""
V4, V6 = "10.2.0.10", "fd00:2::10"


def router(n, mode="gre ip", lines="", protection=None, routes=ROUTES, extra="", wan="", ts="esp-aes esp-sha-hmac"):
    """The configuration of R1 or R2. mode None: no tunnel."""
    a = {"n": n, "other": 3 - n, "own": 1 if n == 1 else 6, "othernet": 4 if n == 1 else 0, "gw": 2 if n == 1 else 5, "ts": ts,
         "extra": extra.replace("{n}", str(n)).replace("{other}", str(3 - n)), "wan": wan}
    text = ROUTER.format(**a)
    if mode:
        six = mode in ("gre ipv6", "ipsec ipv6")
        ends = ("2001:db8:1::1", "2001:db8:2::1") if six else ("192.0.2.1", "192.0.2.6")
        lines += f"\n tunnel protection ipsec profile {protection}" if protection else ""
        text += TUNNEL.format(n=n, src=ends[n - 1], dst=ends[2 - n], mode=mode, lines=lines) + routes.format(other=3 - n)
    return text + "end\n"


@pytest.fixture
def pair(tmp_path):
    """pair(**both), or pair(r1={...}, r2={...}, **both): R1 and R2 configured by router(), brought up, taken down."""
    labs = []

    def make(r1=None, r2=None, **both):
        name = f"u{os.getpid() % 10000}-{len(labs)}"
        d = tmp_path / name
        d.mkdir()
        (d / "x.clab.yml").write_text(TOPO.replace("NAME", name))
        (d / "R1.cfg").write_text(router(1, **{**both, **(r1 or {})}))
        (d / "R2.cfg").write_text(router(2, **{**both, **(r2 or {})}))
        labs.append(name)
        return Lab(d, name)

    yield make
    stderr = ""
    for name in labs:
        for f in Path(f"/run/adit/lab/{name}").glob("*/stderr"):
            stderr += f.read_text()
        subprocess.run([ADIT, "lab", "down", name], capture_output=True, timeout=60)
    assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
    left = [n for n in os.listdir("/run/netns") if any(n.startswith(f"adit-{name}-") for name in labs)]
    assert not left, f"namespaces left behind: {left}"


def ping(l, dst, args="-c 3 -l 3 -i 2 -W 5", node="lanA"):
    return l.shell(node, f"ping {args} {dst} 2>&1", check=False)


def reaches(l, *dsts):
    for dst in dsts:
        until(lambda: " 0% packet loss" in ping(l, dst, "-c 1 -W 5"), 30)
        out = ping(l, dst)
        assert " 0% packet loss" in out, out + l.log("R1") + l.log("R2")


def capture(l, tmp_path, node="NET", link="eth0"):
    return Capture(l.ns(node), link, tmp_path / f"{node}-{link}.pcap")


def drops(l, node, name):
    m = re.search(rf"^(\d+) +{re.escape(name)}", l.exec(node, "show drops"), re.M)
    return int(m.group(1)) if m else 0


# ---- every mode ----------------------------------------------------------------------------------------------------

MODES = [  # mode, protection, outer protocol on the wire, what it carries
    ("gre ip", None, "47", (V4, V6)), ("gre ip", "TUNNEL", "50", (V4, V6)), ("gre ip", "TRANSPORT", "50", (V4, V6)),
    ("ipip", None, "4", (V4,)), ("ipip", "TRANSPORT", "50", (V4,)),
    ("ipv6ip", None, "41", (V6,)), ("ipv6ip", "TUNNEL", "50", (V6,)),
    ("gre ipv6", None, "47", (V4, V6)), ("gre ipv6", "TUNNEL", "50", (V4, V6)), ("gre ipv6", "TRANSPORT", "50", (V4, V6)),
    ("ipsec ipv4", "TUNNEL", "50", (V4,)),
]


def test_two_tunnels_share_a_pair(pair, tmp_path):
    """tunnel protection ... shared: two GRE tunnels between the same ends, told apart by their keys, go by one pair of SAs."""
    second = """interface Tunnel1
 ip address 172.16.1.{n} 255.255.255.252
 tunnel source FastEthernet0/1
 tunnel destination {dst}
 tunnel key 2
 tunnel protection ipsec profile TRANSPORT shared
"""
    side = {n: {"routes": ROUTES + second.replace("{n}", str(n)).replace("{dst}", dst)} for n, dst in ((1, "192.0.2.6"), (2, "192.0.2.1"))}
    l = pair(lines=" tunnel key 1", protection="TRANSPORT shared", r1=side[1], r2=side[2])
    reaches(l, V4)
    cap = capture(l, tmp_path)
    for node, dst in (("R1", "172.16.1.2"), ("R2", "172.16.1.1"), ("R1", "172.16.0.2")):
        assert " 0% packet loss" in ping(l, dst, node=node), l.log("R1") + l.log("R2")
    reaches(l, V4, V6)
    assert {p[0] for p in cap.close("ip.proto") if p[0]} <= {"50", "17", "1"}
    for node in ("R1", "R2"):
        sa = l.exec(node, "show crypto ipsec sa")
        assert sa.count("transform: esp-aes esp-sha-hmac ,") == 2, sa
        assert drops(l, node, "outside the proxy identity") == 0


@pytest.mark.parametrize("mode,protection,proto,inside", MODES, ids=[f"{m}-{p or 'clear'}".replace(" ", "_") for m, p, _, _ in MODES])
def test_mode(pair, tmp_path, mode, protection, proto, inside):
    """Both inner protocols cross, and only the outer protocol (and IKE) is seen outside."""
    l = pair(mode=mode, protection=protection, ts="esp-gcm" if mode == "ipsec ipv4" else "esp-aes esp-sha-hmac")
    reaches(l, *inside)
    cap = capture(l, tmp_path)
    for dst in inside:
        assert " 0% packet loss" in ping(l, dst)
    six = mode == "gre ipv6"
    seen = cap.close(*(("ipv6.src", "ipv6.dst", "ipv6.nxt") if six else ("ip.src", "ip.dst", "ip.proto")))
    ends = {"2001:db8:1::1", "2001:db8:2::1"} if six else {"192.0.2.1", "192.0.2.6"}
    between = [p for p in seen if set(p[:2]) == ends]
    assert sum(p[2] == proto for p in between) >= 6 * len(inside), seen
    assert {p[2] for p in between} <= {proto, "17"}, seen
    assert not [p for p in seen if p[0].startswith(("10.", "fd00:1", "fd00:2"))], seen


# ---- GRE's own header -----------------------------------------------------------------------------------------------

HEADER = " tunnel key 77\n tunnel checksum\n tunnel sequence-datagrams"


def test_gre_header(pair, tmp_path):
    l = pair(lines=HEADER)
    reaches(l, V4, V6)
    cap = capture(l, tmp_path)
    assert " 0% packet loss" in ping(l, V4, "-c 5 -l 5 -i 2 -W 5")
    seen = [p for p in cap.close("ip.src", "gre.key", "gre.sequence_number", "gre.flags.checksum", "gre.checksum.status") if p[1]]
    mine = [p for p in seen if p[0] == "192.0.2.1"]
    assert len(mine) >= 5 and {int(p[1], 0) for p in seen} == {77}, seen
    numbers = [int(p[2]) for p in mine]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {p[3] in ("1", "True") for p in seen} == {True} and {p[4] for p in seen} <= {"1", ""}, seen


def test_gre_header_protected(pair):
    l = pair(lines=HEADER, protection="TRANSPORT")
    reaches(l, V4, V6)


@pytest.mark.parametrize("protection", [None, "TUNNEL"])
def test_gre_wrong_key(pair, protection):
    l = pair(r1={"lines": " tunnel key 7"}, r2={"lines": " tunnel key 8"}, protection=protection)
    assert "100% packet loss" in ping(l, V4, "-c 3 -i 0.2 -W 2")
    until(lambda: drops(l, "R2", "GRE key differs") >= 3, 10)
    assert "GRE key differs" in l.log("R2")
    l.config("R2", "interface Tunnel0", "tunnel key 7")
    reaches(l, V4)


# ---- multicast ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode,protection", [("gre ip", None), ("gre ip", "TRANSPORT"), ("ipsec ipv4", "TUNNEL")])
def test_ospf_over_tunnel(pair, mode, protection):
    """Hellos are multicast: the neighbour is FULL through the tunnel and the LANs are learned, not configured."""
    ospf = "\nrouter ospf 1\n network 172.16.0.0 0.0.0.3 area 0\n network 10.0.0.0 0.255.255.255 area 0\n"
    l = pair(mode=mode, protection=protection, routes=ospf, lines=" ip ospf network point-to-point\n ip ospf hello-interval 1\n ip ospf dead-interval 4")
    until(lambda: re.search(r"Full/", l.exec("R1", "show ip ospf neighbor", check=False), re.I), 60, 0.5)
    l.wait_route("R1", V4)
    l.wait_route("R2", "10.1.0.10")
    reaches(l, V4)
    assert "ospf" in l.shell("R1", "ip route show 10.2.0.0/24")


# ---- sizes ----------------------------------------------------------------------------------------------------------

CRYPTO_MAP = """access-list 100 permit ip 10.{n}.0.0 0.0.0.255 10.{other}.0.0 0.0.0.255
crypto map VPN 10 ipsec-isakmp
 set peer PEER
 set transform-set TUNNEL
 match address 100"""


def crypto_map(pair, extra="", **more):
    """A crypto map on the outside instead of a tunnel."""
    routes = {1: "ip route 10.2.0.0 255.255.255.0 192.0.2.2\n", 2: "ip route 10.1.0.0 255.255.255.0 192.0.2.5\n"}
    side = {n: {"extra": CRYPTO_MAP.replace("PEER", peer) + "\n" + extra, "wan": " crypto map VPN\n" + routes[n]}
            for n, peer in ((1, "192.0.2.6"), (2, "192.0.2.1"))}
    return pair(mode=None, r1=side[1], r2=side[2], **more)


def learned_mtu(l, dst=V4, node="lanA"):
    m = re.search(r"mtu (\d+)", l.shell(node, f"ip route get {dst}"))
    return int(m.group(1)) if m else 1500


@pytest.mark.parametrize("kind", ["gre", "gre-protected", "vti", "crypto-map"])
def test_path_mtu(pair, tmp_path, kind):
    """Too long with DF: the host is told what fits, and that fits. Too long without DF: it is cut and arrives."""
    l = {"gre": lambda: pair(), "gre-protected": lambda: pair(protection="TUNNEL"),
         "vti": lambda: pair(mode="ipsec ipv4", protection="TUNNEL"), "crypto-map": lambda: crypto_map(pair)}[kind]()
    reaches(l, V4)
    cap = capture(l, tmp_path)
    out = ping(l, V4, "-c 1 -W 2 -M do -s 1472")
    assert "Frag needed" in out or "message too long" in out, out
    mtu = until(lambda: learned_mtu(l) < 1500 and learned_mtu(l), 5)
    assert 1280 <= mtu <= 1476
    assert " 0% packet loss" in ping(l, V4, f"-c 2 -l 2 -i 2 -W 5 -M do -s {mtu - 28}")
    out = ping(l, V4, f"-c 1 -W 2 -M do -s {mtu - 27}")
    assert f"mtu={mtu}" in out or f"mtu = {mtu}" in out, out
    assert " 0% packet loss" in ping(l, V4, "-c 3 -l 3 -i 2 -W 5 -M dont -s 3000")
    if kind.startswith("gre"):
        out = ping(l, V6, "-c 1 -W 2 -M do -s 1452")
        assert "too big" in out.lower() or "message too long" in out.lower(), out
        until(lambda: " 0% packet loss" in ping(l, V6, "-c 1 -W 1 -s 3000"), 10)  # first both hosts learn
        assert " 0% packet loss" in ping(l, V6, "-c 3 -l 3 -i 2 -W 5 -s 3000")
    assert not [p for p in cap.close("ip.src", "ip.len", "ip.flags.mf") if p[0] == "192.0.2.1" and int(p[1]) > 1500]


@pytest.mark.parametrize("kind", ["vti", "crypto-map", "gre-pmtud", "gre-ipv6"])
def test_narrow_way(pair, kind):
    """A link on the way is narrower than the router knows: its ICMP is heard (error queue), believed, and passed on."""
    df = "crypto ipsec df-bit set"
    l = {"vti": lambda: pair(mode="ipsec ipv4", protection="TUNNEL", extra=df), "crypto-map": lambda: crypto_map(pair),
         "gre-pmtud": lambda: pair(lines=" tunnel path-mtu-discovery"),
         "gre-ipv6": lambda: pair(mode="gre ipv6", protection="TUNNEL")}[kind]()
    reaches(l, V4)
    l.shell("NET", "ip link set eth1 mtu 1380")
    l.shell("R2", "ip link set Fa0-1 mtu 1380")  # R2 hears it from its own kernel, which refuses longer packets
    out = ping(l, V4, "-c 6 -i 0.3 -W 2 -M do -s 1350")
    mtu = until(lambda: learned_mtu(l) < 1380 and learned_mtu(l), 5)
    assert 1200 <= mtu < 1380, out
    assert re.search(r"path MTU .*1380", l.log("R1")), l.log("R1")
    assert " 0% packet loss" in ping(l, V4, f"-c 2 -l 2 -i 2 -W 5 -M do -s {mtu - 28}")
    assert " 0% packet loss" in ping(l, V4, "-c 2 -l 2 -i 2 -W 5 -M dont -s 2500")


def test_adjust_mss(pair, tmp_path):
    l = pair(protection="TRANSPORT", lines=" ip tcp adjust-mss 1234")
    reaches(l, V4, V6)
    cap = capture(l, tmp_path, "lanB")
    for dst in (V4, V6):
        l.shell("lanA", f"python3 -c \"import socket; socket.create_connection(('{dst}', 9), 5)\"", check=False)  # refused: the SYN is enough
    syn = [p for p in cap.close("tcp.flags.syn", "tcp.options.mss_val", "ipv6.dst", "tcp.checksum.status") if p[1]]
    assert len(syn) >= 2 and {p[1] for p in syn} == {"1234"}, syn


@pytest.mark.parametrize("df", ["clear", "set", "copy"])
def test_df_bit(pair, tmp_path, df):
    l = crypto_map(pair, extra=f"crypto ipsec df-bit {df}")
    reaches(l, V4)
    for inner in ("do", "dont"):
        cap = Capture(l.ns("NET"), "eth0", tmp_path / f"{df}-{inner}.pcap")
        assert " 0% packet loss" in ping(l, V4, f"-c 2 -l 2 -i 2 -W 5 -M {inner} -s 100")
        flags = {p[2] in ("1", "True") for p in cap.close("ip.src", "ip.proto", "ip.flags.df") if p[:2] == ["192.0.2.1", "50"]}
        assert flags == {df == "set" or (df == "copy" and inner == "do")}, flags


# ---- what may come in -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mode,protection", [("gre ip", "TRANSPORT"), ("ipsec ipv4", "TUNNEL")])
def test_unicast_rpf(pair, mode, protection):
    l = pair(mode=mode, protection=protection, lines=" ip verify unicast source reachable-via rx")
    reaches(l, V4)
    l.shell("lanA", "ip addr add 10.99.0.1/32 dev eth0")
    before = drops(l, "R2", "unicast RPF")
    cap_out = ping(l, V4, "-c 3 -i 0.2 -W 1 -I 10.99.0.1")
    assert "100% packet loss" in cap_out
    assert drops(l, "R2", "unicast RPF") == before + 3
    assert "unicast RPF" in l.log("R2")
    reaches(l, V4)
    assert drops(l, "R2", "unicast RPF") == before + 3


# ---- volume lifetime ------------------------------------------------------------------------------------------------

def test_kilobytes_lifetime(pair):
    """2560 KB are used up while pings run: new SAs, and not one ping is lost."""
    l = pair(mode="ipsec ipv4", protection="TUNNEL", ts="esp-gcm", extra="crypto ipsec security-association lifetime kilobytes 2560")
    reaches(l, V4)
    spis = lambda: set(re.findall(r"spi: 0x([0-9A-F]+)", l.exec("R1", "show crypto ipsec sa")))
    first = spis()
    p = subprocess.Popen(["ip", "netns", "exec", l.ns("lanA"), "ping", "-c", "2500", "-i", "0.003", "-W", "5", "-s", "1350", V4],
                         stdout=subprocess.PIPE, text=True)
    out = p.communicate(timeout=60)[0]
    assert " 0% packet loss" in out and "2500 received" in out, out + l.log("R1")
    until(lambda: not spis() & first, 30)
    assert number(r"#pkts encaps: (\d+)", l.exec("R1", "show crypto ipsec sa")) >= 2500
    assert drops(l, "R1", "SA lifetime over") == 0 and drops(l, "R2", "SA lifetime over") == 0
