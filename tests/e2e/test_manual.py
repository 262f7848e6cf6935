"""Keys by hand: crypto maps with ipsec-manual between two adit routers, and between adit and `ip xfrm state` of a Linux kernel.
No IKE runs: nothing goes to UDP port 500."""
import os
import signal
import subprocess

import pytest

from conftest import ADIT, Capture, Lab, number, until
from far_end import FarEnd
from test_tunnels import V4, V6, capture, drops, pair, ping, reaches  # noqa: F401 (pair is a fixture)

KEY = {n: bytes((n * 37 + i * 11) % 256 for i in range(64)).hex() for n in range(8)}
# transform set, bytes of the cipher's key, of the authenticator's, of AH's; mode of both sides' set
SETS = {"esp": ("esp-aes 256 esp-sha256-hmac", 32, 32, 0), "ah": ("ah-sha-hmac", None, 0, 20),
        "bundle": ("ah-sha256-hmac esp-3des esp-md5-hmac", 24, 16, 32), "null": ("esp-null esp-sha-hmac", 0, 20, 0),
        "lzs": ("esp-aes esp-sha-hmac comp-lzs", 16, 20, 0)}


def keys(n, kind):
    """The session keys of router n (1 or 2): what one calls inbound the other calls outbound."""
    _, cipher, auth, ah = SETS[kind]
    lines = []
    for way, name in ((0, "inbound"), (1, "outbound")):
        from_1 = (n == 1) == (way == 1)
        k = 0 if from_1 else 4
        if cipher is not None:
            c = f" cipher {KEY[k][:2 * cipher]}" if cipher else ""
            lines.append(f" set session-key {name} esp {1000 + k}{c} authenticator {KEY[k + 1][:2 * auth]}")
        if ah:
            lines.append(f" set session-key {name} ah {2000 + k} {KEY[k + 2][:2 * ah]}")
    return lines


def manual(pair, kind, six=False, transport=False):
    """A crypto map on the outside of R1 and R2; six: over IPv6, for IPv6."""
    side = {}
    for n, peer4, gw4 in ((1, "192.0.2.6", "192.0.2.2"), (2, "192.0.2.1", "192.0.2.5")):
        o = 3 - n
        acl = f"ipv6 access-list L\n permit ipv6 fd00:{n}::/64 fd00:{o}::/64" if six else \
            f"access-list 100 permit ip 10.{n}.0.0 0.0.0.255 10.{o}.0.0 0.0.0.255"
        extra = [acl, f"crypto ipsec transform-set M {SETS[kind][0]}"] + [" mode transport"] * transport + \
            ["crypto map VPN 10 ipsec-manual", f" set peer {f'2001:db8:{o}::1' if six else peer4}"] + keys(n, kind) + \
            [" set transform-set M", f" match address {'L' if six else 100}"]
        route = f"ipv6 route fd00:{o}::/64 2001:db8:{n}::2\n" if six else f"ip route 10.{o}.0.0 255.255.255.0 {gw4}\n"
        side[n] = {"extra": "\n".join(extra), "wan": " crypto map VPN\n" + route}
    return pair(mode=None, r1=side[1], r2=side[2])


@pytest.mark.parametrize("kind,six", [("esp", False), ("ah", False), ("bundle", False), ("null", True), ("bundle", True), ("lzs", False)])
def test_between_two_routers(pair, tmp_path, kind, six):
    l = manual(pair, kind, six)
    cap = capture(l, tmp_path)
    dst = V6 if six else V4
    reaches(l, dst)
    packets = cap.close("ip.proto", "ipv6.nxt", "udp.dstport", "icmp.type")
    protos = {p[1] if six else p[0] for p in packets} - {"", "58", "0"}
    assert protos == {"51" if SETS[kind][3] else "50"}, protos
    assert not [p for p in packets if p[2] in ("500", "4500")], packets  # nobody was asked
    sa = l.exec("R1", "show crypto ipsec sa")
    spis = [s for s in (1000, 1004) if SETS[kind][1] is not None] + [s for s in (2000, 2004) if SETS[kind][3]]
    assert all(f"({s})" in sa for s in spis) and "no sa timing" in sa and "replay detection support: N" in sa, sa
    if kind == "lzs":
        assert sa.count("transform: comp-lzs ,") == 2 and sa.count("spi: 0x3(3)") == 2, sa  # its own CPI: nobody negotiated one
        before = number(r"#pkts compressed: (\d+)", sa), number(r"#pkts decompressed: (\d+)", sa)
        assert " 0% packet loss" in ping(l, V4, "-c 5 -l 5 -i 2 -W 8 -s 1000")
        sa = l.exec("R1", "show crypto ipsec sa")
        after = number(r"#pkts compressed: (\d+)", sa), number(r"#pkts decompressed: (\d+)", sa)
        assert after == (before[0] + 5, before[1] + 5), sa
    shown = l.exec("R1", "show crypto map")
    assert 'Crypto Map "VPN" 10 ipsec-manual' in shown and "(hidden)" in shown, shown
    assert not [k for k in KEY.values() if k[:16] in shown + sa + l.log("R1")]
    assert "a manual key (no replay protection, no new keys) is weak; prefer ipsec-isakmp" in l.log("R1")


def test_children_start_again(pair):
    """A new dp gets the SAs with its configuration; a new ike neither inherits them nor takes them away."""
    l = manual(pair, "esp")
    reaches(l, V4)
    for role in ("dp", "ike"):
        pid = l.pids("R1", role)[0]
        os.kill(pid, signal.SIGKILL)
        until(lambda: l.pids("R1", role) not in ([], [pid]))
        reaches(l, V4)
    l.exec("R1", "clear crypto sa")
    l.exec("R1", "clear crypto session")
    reaches(l, V4)
    assert "UP-NO-IKE" in l.exec("R1", "show crypto session")


def test_lines_come_and_go(pair, tmp_path):
    """Keys that are taken away, wrong, too short, right again: each is followed at once, and nothing leaves in clear."""
    l = manual(pair, "esp")
    reaches(l, V4)
    cap = capture(l, tmp_path)
    key = keys(1, "esp")[1].strip()
    entry = "crypto map VPN 10 ipsec-manual"
    l.config("R1", entry, "no set session-key outbound esp")
    assert "(1000)" not in l.exec("R1", "show crypto ipsec sa")
    assert "100% packet loss" in ping(l, V4, "-c 1 -W 1")
    until(lambda: drops(l, "R1", "manual keys are missing or spent"))
    assert "a `set session-key` is missing" in l.log("R1")
    rc, out = l.config("R1", entry, key[:61])
    assert "expected 32 (64 hexadecimal digits)" in out, out
    l.config("R1", entry, key.replace(KEY[1][:64], KEY[3][:64]))
    assert "100% packet loss" in ping(l, V4, "-c 1 -W 1")
    until(lambda: drops(l, "R2", "ICV wrong"))
    l.config("R1", entry, key)
    reaches(l, V4)
    l.config("R1", "no access-list 100", "access-list 100 permit ip 10.1.0.0 0.0.0.255 10.2.0.0 0.0.0.255")
    reaches(l, V4)
    packets = cap.close("ip.proto", "udp.dstport")
    assert {p[0] for p in packets if p[0]} <= {"50"}, {tuple(p) for p in packets}
    running = l.exec("R1", "show running-config")
    assert f" {key}\n" in running, running
    l.config("R1", "key config-key password-encrypt a-l0ng-passphrase", "password encryption aes")
    running = l.exec("R1", "show running-config")
    assert KEY[1][:16] not in running and " cipher 6 adit." in running, running
    reaches(l, V4)


TOPOLOGY = """name: {name}
topology:
  nodes:
    R1: {{kind: adit, startup-config: R1.cfg}}
    Far: {{kind: linux, exec: ["sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1"]}}
    H1: {{kind: linux, exec: ["ip addr add 10.1.1.10/24 dev eth0", "ip route add default via 10.1.1.1"]}}
  links:
    - endpoints: ["R1:FastEthernet0/0", "Far:eth0"]
    - endpoints: ["R1:FastEthernet0/1", "H1:eth0"]
"""
CONFIG = """hostname R1
ip route 10.2.2.0 255.255.255.0 192.0.2.2
access-list 101 permit ip 10.1.1.0 0.0.0.255 10.2.2.0 0.0.0.255
crypto ipsec transform-set M {set}
crypto map M 10 ipsec-manual
 set peer 192.0.2.2
{keys}
 set transform-set M
 match address 101
interface FastEthernet0/0
 ip address 192.0.2.1 255.255.255.0
 crypto map M
interface FastEthernet0/1
 ip address 10.1.1.1 255.255.255.0
end
"""
XFRM = {"esp": ["proto esp spi {esp} mode tunnel replay-window 32 enc 'cbc(aes)' 0x{c} auth-trunc 'hmac(sha256)' 0x{a} 128"],
        "ah": ["proto ah spi {ah} mode tunnel replay-window 32 flag align4 auth-trunc 'hmac(sha1)' 0x{h} 96"],
        "bundle": ["proto esp spi {esp} mode tunnel replay-window 32 enc 'cbc(des3_ede)' 0x{c} auth-trunc 'hmac(md5)' 0x{a} 96",
                   "proto ah spi {ah} mode transport replay-window 32 flag align4 auth-trunc 'hmac(sha256)' 0x{h} 128"]}


@pytest.mark.parametrize("kind", list(XFRM))
def test_against_the_kernel(tmp_path, kind):
    """The far end is `ip xfrm state add` with the same keys; the kernel's replay window is its own matter."""
    name = f"man{os.getpid() % 10000}-{kind}"
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "m.clab.yml").write_text(TOPOLOGY.format(name=name))
    (tmp_path / "lab" / "R1.cfg").write_text(CONFIG.format(set=SETS[kind][0], keys="\n".join(keys(1, kind))))
    far = None
    try:
        l = Lab(tmp_path / "lab", name)
        for node, link in (("R1", "Fa0-0"), ("R1", "Fa0-1"), ("H1", "eth0")):
            l.shell(node, f"ethtool -K {link} tx off tso off gso off gro off")
        far = FarEnd(l.ns("Far"), "eth0", tmp_path / "job")
        _, cipher, auth, ah = SETS[kind]
        lines = []
        for src, dst, k in (("192.0.2.1", "192.0.2.2", 0), ("192.0.2.2", "192.0.2.1", 4)):
            for state in XFRM[kind]:
                lines.append(f"xfrm state add src {src} dst {dst} " + state.format(
                    esp=1000 + k, ah=2000 + k, c=KEY[k][:2 * (cipher or 0)], a=KEY[k + 1][:2 * auth], h=KEY[k + 2][:2 * ah]))
        tmpl = {"esp": ["esp mode tunnel"], "ah": ["ah mode tunnel"], "bundle": ["esp mode tunnel", "ah mode transport"]}[kind]
        for src, dst, way, ends in (("10.2.2.0/24", "10.1.1.0/24", "out", "src 192.0.2.2 dst 192.0.2.1"),
                                    ("10.1.1.0/24", "10.2.2.0/24", "in", "src 192.0.2.1 dst 192.0.2.2")):
            lines.append(f"xfrm policy add src {src} dst {dst} dir {way} " + " ".join(f"tmpl {ends} proto {t}" for t in tmpl))
        far.sh("set -e; modprobe -aq ah4; ip addr add 192.0.2.2/24 dev eth0; ip addr add 10.2.2.1/24 dev lo\n"
               "ip route add 10.1.1.0/24 via 192.0.2.1 src 10.2.2.1\nip -batch - <<'E'\n" + "\n".join(lines) + "\nE")
        cap = Capture(l.ns("R1"), "Fa0-0", tmp_path / "wan.pcap")
        until(lambda: " 0% packet loss" in l.shell("H1", "ping -n -c 1 -W 2 10.2.2.1", False), 20)
        out = l.shell("H1", "ping -n -c 20 -l 20 -i 2 -W 8 -s 1000 10.2.2.1", False)
        assert " 0% packet loss" in out, out + l.log("R1")[-2000:] + far.sh("ip -s xfrm state; cat /proc/net/xfrm_stat", check=False)
        assert " 0% packet loss" in far.sh("ping -n -c 20 -l 20 -i 2 -W 8 10.1.1.10", check=False)
        packets = cap.close("ip.proto", "udp.dstport")
        assert {p[0] for p in packets if p[0]} == {"50" if kind == "esp" else "51"}, packets
        stderr = (l.dir("R1") / "stderr").read_text()
        assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
    finally:
        if far:
            far.close()
        subprocess.run([ADIT, "lab", "down", name], capture_output=True, timeout=60)
