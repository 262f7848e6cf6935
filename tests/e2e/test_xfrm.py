"""Manual-key ESP against the Linux kernel's own (ip xfrm): every cipher and hash, every mode, IPv4 and IPv6 inside and
outside. Our side is the real engine on real ports (dp_manual.c); a ping goes out through our ESP and comes back through
theirs."""
import os
import subprocess

import pytest

from conftest import BUILD, Capture, sh
from far_end import Wire

A, B = {4: "192.0.2.1", 6: "2001:db8:2::1"}, {4: "192.0.2.2", 6: "2001:db8:2::2"}  # the endpoints
LAN_A, LAN_B = {4: "10.8.1", 6: "fd08:1:"}, {4: "10.8.2", 6: "fd08:2:"}
NET = {4: ".0/24", 6: ":/64"}
HOST = {4: ".1", 6: ":1"}
BITS = {4: 32, 6: 128}
TUNNEL = {4: "10.9.0.", 6: "fd09::"}

# enum encr_id, the kernel's name, bytes of key and salt; enum hash_id, the kernel's name, bytes, bits of ICV
ENCR = [(1, "ecb(cipher_null)", 0), (2, "cbc(des)", 8), (3, "cbc(des3_ede)", 24), (4, "cbc(aes)", 16), (5, "cbc(aes)", 24),
        (6, "cbc(aes)", 32)] + [(10 + i, "rfc3686(ctr(aes))", 20 + 8 * i) for i in range(3)]
AUTH = [(1, "hmac(md5)", 16, 96), (2, "hmac(sha1)", 20, 96), (3, "hmac(sha256)", 32, 128), (4, "hmac(sha384)", 48, 192),
        (5, "hmac(sha512)", 64, 256), (6, "xcbc(aes)", 16, 96)]
AEAD = [(7 + i, "rfc4106(gcm(aes))", 20 + 8 * i) for i in range(3)] + [(13 + i, "rfc4309(ccm(aes))", 19 + 8 * i) for i in range(3)] \
    + [(16 + i, "rfc4543(gcm(aes))", 20 + 8 * i) for i in range(3)]
SUITES = [(e, a, None) for e in ENCR for a in AUTH] + [(e, None, None) for e in AEAD]
# AH alone, and AH around ESP
AH = [(None, None, a) for a in AUTH[:5]] + [(ENCR[3], AUTH[1], AUTH[2]), (ENCR[1], AUTH[0], AUTH[0]), (AEAD[0], None, AUTH[1])]
# with extended sequence numbers, which the kernel does with a window of its other kind only
ESN = [s + (True,) for s in SUITES if s[0] is ENCR[3] or s[0] in AEAD or s[0] in ENCR[6:] and s[1] is AUTH[5]] + [s + (True,) for s in AH]


class Manual:
    """dp_manual in our namespace."""

    def __init__(self, ns, folder):
        self.err = open(folder / "dp_manual.err", "w+")
        self.p = subprocess.Popen(["ip", "netns", "exec", ns, str(BUILD / "tests" / "e2e" / "dp_manual")], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.err)

    def tell(self, *lines):
        self.p.stdin.write("".join(l + "\n" for l in lines))
        self.p.stdin.flush()
        said = []
        for _ in lines:
            while (answer := self.p.stdout.readline().strip()) != "ok":
                assert answer, self.errors()
                said.append(answer)
        return said

    def errors(self):
        self.err.seek(0)
        return self.err.read()

    def close(self):
        self.p.stdin.close()
        self.p.wait(20)
        self.p.stdout.close()
        assert self.p.returncode == 0, self.errors()


@pytest.fixture(scope="module")
def wire(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xfrm")
    w = Wire("xfrm", folder)
    try:
        w.far.sh("modprobe -aq xcbc ccm ah4 ah6 authencesn")
        w.dp = Manual(w.ns, folder)
        w.dp.tell("tun 0 tunnel t0 1400", "tun 1 crypto c0 1400")
        ours, theirs = [], []
        for v in (4, 6):
            bits = {4: 24, 6: 64}[v]
            nodad = "nodad" if v == 6 else ""
            ours += [f"ip -{v} addr add {A[v]}/{bits} dev wan {nodad}", f"ip -{v} addr add {LAN_A[v]}{HOST[v]}/{bits} dev lo {nodad}",
                     f"ip -{v} addr add {TUNNEL[v]}1/{bits} dev t0 {nodad}",
                     f"ip -{v} route add {LAN_B[v]}{NET[v]} dev c0 src {LAN_A[v]}{HOST[v]}",
                     # what goes to the peer itself is for dp, unless dp sent it
                     f"ip -{v} rule add pref 90 fwmark 0xad17 lookup main", f"ip -{v} rule add pref 100 to {B[v]} lookup 100",
                     f"ip -{v} route add default dev c0 src {A[v]} table 100"]
            theirs += [f"ip -{v} addr add {B[v]}/{bits} dev eth0 {nodad}", f"ip -{v} addr add {LAN_B[v]}{HOST[v]}/{bits} dev lo {nodad}",
                       f"ip -{v} route add {LAN_A[v]}{NET[v]} via {A[v]} src {LAN_B[v]}{HOST[v]}"]
        w.sh("ip link set t0 up mtu 1400; ip link set c0 up mtu 1400")
        w.sh("set -e\n" + "\n".join(ours))
        w.far.sh("set -e\n" + "\n".join(theirs))
        mac_far = w.far.sh("cat /sys/class/net/eth0/address").strip()
        mac_wan = w.sh("cat /sys/class/net/wan/address").strip()
        for v in (4, 6):  # so that no neighbour question falls under a policy
            w.sh(f"ip -{v} neigh replace {B[v]} lladdr {mac_far} dev wan nud permanent")
            w.far.sh(f"ip -{v} neigh replace {A[v]} lladdr {mac_wan} dev eth0 nud permanent")
        yield w
        w.dp.close()
    finally:
        w.close()


def algorithms(suite):
    """Of ESP -> for dp_manual, for ip xfrm; fresh keys."""
    e, a = suite[:2]
    key = os.urandom(e[2]).hex()
    if a is None:
        return f"{e[0]} 0", f"{key} -", f"aead '{e[1]}' 0x{key} 128"
    akey = os.urandom(a[2]).hex()
    crypt = f"enc '{e[1]}' 0x{key}" if key else f"enc '{e[1]}' ''"
    return f"{e[0]} {a[0]}", f"{key or '-'} {akey}", f"{crypt} auth-trunc '{a[1]}' 0x{akey} {a[3]}"


def xfrm_policy(tmpl_out, tmpl_in, suite, mode, out_src, out_dst, proto):
    """The innermost SA first; around ESP, AH finds the outer header there already."""
    what = f"proto {proto}" if proto else ""
    esp, ah = suite[0] is not None, suite[2] is not None
    kinds = [f"proto esp mode {mode}"] * esp + [f"proto ah mode {'transport' if esp else mode}"] * ah
    return [f"xfrm policy add src {s} dst {d} {what} dir {way} " + " ".join(f"tmpl {tmpl} {kind}" for kind in kinds)
            for s, d, way, tmpl in ((out_src, out_dst, "out", tmpl_out), (out_dst, out_src, "in", tmpl_in))]


def setting(kind, outer, suite):
    """What one kind of protection is on both sides: mode of the SAs, our lines, the kernel's policies, whom to ping."""
    a, b = A[outer], B[outer]
    there, back = f"src {b} dst {a}", f"src {a} dst {b}"
    if kind.startswith("gre"):
        mode = kind.split("-")[1]
        return (mode, ["begin", f"tunnel 1 gre {a} {b}", "commit"], xfrm_policy(there, back, suite, mode, b, a, 47),
                [TUNNEL[4] + "2", TUNNEL[6] + "2"])
    if kind == "vti":
        nets = f"{TUNNEL[outer]}2/{BITS[outer]}", f"{TUNNEL[outer]}1/{BITS[outer]}"
        return ("tunnel", ["begin", f"tunnel 1 vti {a} {b}", "commit"], xfrm_policy(there, back, suite, "tunnel", *nets, 0),
                [TUNNEL[outer] + "2"])
    if kind == "host-transport":
        icmp = {4: 1, 6: 58}[outer]
        return ("transport", ["begin", f"flow 1 {a} {b}", f"policy 1 {a}/{BITS[outer]} {b}/{BITS[outer]} {icmp}", "commit"],
                xfrm_policy(there, back, suite, "transport", b, a, icmp), [b])
    ours = ["begin", f"flow 1 {a} {b}"] + [f"policy 1 {LAN_A[v]}{NET[v]} {LAN_B[v]}{NET[v]} 0" for v in (4, 6)] + ["commit"]
    theirs = [p for v in (4, 6) for p in xfrm_policy(there, back, suite, "tunnel", LAN_B[v] + NET[v], LAN_A[v] + NET[v], 0)]
    return "tunnel", ours, theirs, [LAN_B[4] + HOST[4], LAN_B[6] + HOST[6]]


def one(w, kind, outer, number, suite):
    """One suite; returns what went wrong, or None."""
    a, b = A[outer], B[outer]
    mode, ours, theirs, targets = setting(kind, outer, suite)
    spi_out, spi_in = 0x1000 + number, 0x2000 + number
    esn = len(suite) > 3
    esn_flag, window = ["esn"] * esn, 64 if esn else 32
    af = " ".join(["flag"] * (esn or kind == "lan-tunnel") + esn_flag + ["af-unspec"] * (kind == "lan-tunnel"))
    ways = (("out", a, b, spi_out), ("in", b, a, spi_in))
    states, sas = [], []
    if suite[0]:
        numbers, keys, kernel = algorithms(suite)
        states += [f"xfrm state add src {s} dst {d} proto esp spi {spi} mode {mode} replay-window {window} {af} {kernel}"
                   for _, s, d, spi in ways]
    if suite[2]:
        ah = suite[2]
        akey = os.urandom(ah[2]).hex()
        spi_ah = 0x100 if suite[0] else 0
        flags = " ".join(["flag"] * (outer == 4 or af != "") + ["align4"] * (outer == 4) + esn_flag
                         + ["af-unspec"] * (kind == "lan-tunnel"))
        states += [f"xfrm state add src {s} dst {d} proto ah spi {spi + spi_ah} mode {'transport' if suite[0] else mode} "
                   f"replay-window {window} {flags} auth-trunc '{ah[1]}' 0x{akey} {ah[3]}" for _, s, d, spi in ways]
    mode += "+esn" * esn
    for way, s, d, spi in ways:
        if not suite[2]:
            sas.append(f"sa {way} 1 {spi:#x} {mode} {numbers} {s} {d} {keys}")
        elif not suite[0]:
            sas.append(f"sa {way} 1 {spi:#x} {mode} 0 {ah[0]} {s} {d} - {akey}")
        else:
            sas.append(f"bundle {way} 1 {spi:#x} {mode} {numbers} {s} {d} {keys} {spi + spi_ah:#x} {ah[0]} {akey}")
    w.far.sh("ip -batch - <<'E'\nxfrm state flush\nxfrm policy flush\n" + "\n".join(states + theirs) + "\nE")
    if number:
        w.dp.tell(*[f"del {way} {spi - 1 + more:#x} {d}" for way, _, d, spi in ways for more in (0, 0x100)])
    w.dp.tell(*ours, *sas)
    for target in targets:
        for size in (13, 700 + number):  # every padding length comes up somewhere
            r = subprocess.run(["ip", "netns", "exec", w.ns, "ping", "-n", "-c", "1", "-W", "2", "-s", str(size), target],
                               capture_output=True, text=True)
            if " 0% packet loss" not in r.stdout:
                return (f"{suite}: {target}, {size} bytes: {r.stdout}{r.stderr}{w.dp.tell('stats')} {w.dp.errors()[-1500:]}\n"
                        + w.far.sh("cat /proc/net/xfrm_stat | grep -v ' 0$'; ip -s xfrm state; ip xfrm policy", check=False))
    return None


@pytest.mark.parametrize("suites", [SUITES, AH, ESN], ids=["esp", "ah", "esn"])
@pytest.mark.parametrize("outer", [4, 6], ids=["outer4", "outer6"])
@pytest.mark.parametrize("kind", ["gre-transport", "gre-tunnel", "host-transport", "lan-tunnel", "vti"])
def test_every_suite(wire, tmp_path, kind, outer, suites):
    link = {"gre": f"gre local {B[4]} remote {A[4]}" if outer == 4 else f"ip6gre local {B[6]} remote {A[6]} encaplimit none",
            "vti": "dummy"}.get(kind.split("-")[0])
    if link:
        wire.far.sh(f"ip link add g0 type {link} && "
                    f"ip addr add {TUNNEL[4]}2/24 dev g0 && ip addr add {TUNNEL[6]}2/64 dev g0 nodad && "
                    "echo 0 >/proc/sys/net/ipv6/conf/g0/router_solicitations && ip link set g0 up mtu 1300 multicast off")
    cap = Capture(wire.ns, "wan", tmp_path / "wan.pcap")
    try:
        bad = [r for r in (one(wire, kind, outer, n, s) for n, s in enumerate(suites)) if r]
    finally:
        packets = cap.close("eth.type", "ip.proto", "ipv6.nxt", "esp.spi", "ah.spi")
        if link:
            wire.far.sh("ip link del g0")
    assert not bad, f"{len(bad)} of {len(suites)} suites failed:\n" + "\n".join(bad[:3])
    clear = [p for p in packets if p[0].split(",")[0] in ("0x0800", "0x86dd") and p[2] not in ("0", "58")
             and not {q.split(",")[0] for q in p[1:3]} & {"50", "51"}]
    assert not clear, f"not everything was protected: {clear[:5]}"
    for number, suite in enumerate(suites):  # each suite's two SAs were really the ones on the wire
        more, column = 0x100 if suite[0] and suite[2] else 0, 4 if suite[2] else 3
        spis = {p[column] for p in packets}
        assert f"{0x1000 + number + more:#010x}" in spis and f"{0x2000 + number + more:#010x}" in spis
