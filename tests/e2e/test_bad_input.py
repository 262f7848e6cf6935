"""What bad input gets: one log line that says what was wrong and what was wanted, a counter, and nothing else changes."""
import re
import subprocess
import sys

import pytest

from conftest import Capture, sh, until

PING = "ping -n -c {0} -l {0} -i 2 -W 3 10.2.0.10"  # at once: ping waits an interval for the last answer

# ---- negotiations that cannot work: one file of two is different ----

REFUSED = {  # what CE2 has instead, the one line at CE2, its counter's name, what CE1 says of it
    "wrong PSK": ("crypto isakmp key ccie", "crypto isakmp key other",
                  r"%CRYPTO-4-IKMP_BAD_MESSAGE: IKE message from 1\.1\.1\.1 failed its sanity check or is malformed: .*bytes .*do the pre-shared keys differ\?",
                  "decryption gave garbage", None),
    "no common policy": (" encr aes", " encr 3des",
                         r"%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Main mode failed with peer at 1\.1\.1\.1: offered AES 128, policy 10 wants 3DES",
                         "no common ISAKMP policy", "the peer says PROPOSAL_NOT_CHOSEN"),
    "no common transform": ("esp-aes esp-sha-hmac", "esp-3des esp-sha-hmac",
                            r"%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Quick mode failed with peer at 1\.1\.1\.1: offered AES 128, transform set AES-SHA wants 3DES",
                            "no common transform set", "the peer answered PROPOSAL_NOT_CHOSEN"),
    "proxy mismatch": ("permit ip 10.2.0.0 0.0.0.255 10.1.0.0 0.0.0.255", "permit ip 10.2.0.0 0.0.0.255 10.1.9.0 0.0.0.255",
                       r"%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Quick mode failed with peer at 1\.1\.1\.1: .*10\.1\.0\.0.* wants .*10\.1\.9\.0",
                       "proxy identities differ", "the peer answered INVALID_ID_INFORMATION"),
    "no key": ("crypto isakmp key ccie address 1.1.1.1", "crypto isakmp key ccie address 9.9.9.9",
               r"%CRYPTO-6-IKMP_MODE_FAILURE: Processing of Main mode failed with peer at 1\.1\.1\.1: .*no pre-shared key for 1\.1\.1\.1",
               "no pre-shared key", None),
}


def counters(l, node):
    return {name.strip(): int(n) for n, name in re.findall(r"^(\d+) +(.{30})", l.exec(node, "show drops"), re.M)}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(lab, case):
    old, new, line, counter, answer = REFUSED[case]
    l = lab("crypto-map", replace={"CE2.cfg": (old, new)})
    assert "100% packet loss" in l.shell("Bob", PING.format(3), check=False)
    l.wait_log("CE2", line, 20)
    if answer:
        l.wait_log("CE1", answer, 20)
    # the same again: counted, told once per SA
    log = l.log("CE2")
    assert len(re.findall(line, log)) == 1, log
    assert counters(l, "CE2")[counter] >= 1
    for node in ("CE1", "CE2"):
        assert "inbound esp sas:\n     spi:" not in l.exec(node, "show crypto ipsec sa")
    # the right value, and it works: nothing was spoilt (the configuration is changed, IKE asked anew)
    fixed = {"no key": ["crypto isakmp key ccie address 1.1.1.1"], "wrong PSK": ["no crypto isakmp key other address 1.1.1.1", old + " address 1.1.1.1"],
             "no common policy": ["crypto isakmp policy 10", old], "no common transform": ["crypto ipsec transform-set OTHER esp-null esp-sha-hmac", "crypto map VPN 10 ipsec-isakmp", "set transform-set OTHER",
             "no crypto ipsec transform-set AES-SHA", "crypto ipsec transform-set AES-SHA " + old, "crypto map VPN 10 ipsec-isakmp", "set transform-set AES-SHA"],
             "proxy mismatch": ["access-list 100 " + old]}[case]
    status, out = l.config("CE2", *fixed)
    assert "^" not in out, out
    l.exec("CE1", "clear crypto session")
    until(lambda: " 0% packet loss" in l.shell("Bob", PING.format(2), check=False), 30)


# ---- a working tunnel, and a stranger in the middle ----

SEND = """
import socket, sys
data, kind = bytes.fromhex(sys.argv[1]), sys.argv[2]
if kind == "udp":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", 500 if len(sys.argv) > 4 else 0))
    s.sendto(data, (sys.argv[3], 500))
else:
    s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    s.sendto(data, (sys.argv[3], 0))
"""


def send(l, data, kind="ip", to="2.2.2.1"):
    """From the ISP's router, which stands in the middle: a whole IP packet, or a datagram to UDP 500."""
    sh(["ip", "netns", "exec", l.ns("ISP"), sys.executable, "-c", SEND, data.hex(), kind, to])


def fresh(data, seq=None, flip=None, spi=None):
    b = bytearray(data)
    if seq is not None:
        b[24:28] = seq.to_bytes(4, "big")
    if spi is not None:
        b[20:24] = spi.to_bytes(4, "big")
    if flip is not None:
        b[flip] ^= 1
    return bytes(b)


class Tunnel:
    """Bob and Lima talk; a real packet of theirs was caught in the middle."""

    def __init__(self, l, tmp_path):
        self.l = l
        l.shell("Bob", PING.format(3), check=False)
        assert " 0% packet loss" in l.shell("Bob", PING.format(3))
        until(self.one_pair, 30)  # both may have begun at once; the loser of two pairs goes after a while
        cap = Capture(l.ns("ISP"), "Fa0-1", tmp_path / "esp.pcap")
        assert " 0% packet loss" in l.shell("Bob", PING.format(3))
        cap.close()
        rows = [r.split("\t") for r in sh(["tshark", "-r", tmp_path / "esp.pcap", "-Y", "ip.src == 1.1.1.1 and esp", "-T", "fields",
                                           "-e", "esp.spi", "-e", "esp.sequence"]).splitlines()]
        raw = (tmp_path / "esp.pcap").read_bytes()
        self.spi, self.seq = int(rows[-1][0], 16), int(rows[-1][1])
        at = raw.rindex(bytes([1, 1, 1, 1, 2, 2, 2, 1]) + self.spi.to_bytes(4, "big")) - 12
        self.packet = raw[at:at + int.from_bytes(raw[at + 2:at + 4], "big")]
        assert self.packet[0] == 0x45 and self.packet[9] == 50
        self.before = self.state()

    def state(self):
        return [sorted(re.findall(r" spi: 0x([0-9A-F]+)\(", self.l.exec(n, "show crypto ipsec sa")))
                + re.findall(r"QM_IDLE +(\d+) ", self.l.exec(n, "show crypto isakmp sa")) for n in ("CE1", "CE2")]

    def one_pair(self):
        a, b = (set(spis[:-1]) for spis in self.state())
        return a == b and len(a) == 2

    def unharmed(self):
        assert " 0% packet loss" in self.l.shell("Bob", PING.format(5))
        assert self.state() == self.before


@pytest.fixture
def tunnel(lab, tmp_path):
    return Tunnel(lab("crypto-map"), tmp_path)


def one_line(l, node, line):
    l.wait_log(node, line, 10)
    assert len(re.findall(line, l.log(node))) == 1


def test_replayed_forged_and_unknown_esp(tunnel):
    t, l = tunnel, tunnel.l
    conn = r"connection id=20\d\d"
    send(l, t.packet)
    one_line(l, "CE2", rf"%CRYPTO-4-PKT_REPLAY_ERR: decrypt: replay check failed\n        {conn}, sequence number={t.seq}\n")
    # a byte changed, far ahead of the window: the window must not follow a forger
    send(l, fresh(t.packet, seq=t.seq + 1000, flip=50))
    one_line(l, "CE2", rf"%CRYPTO-4-RECVD_PKT_MAC_ERR: decrypt: mac verify failed for {conn} local=2\.2\.2\.1 remote=1\.1\.1\.1 "
                       rf"spi={t.spi:08X} seqno={t.seq + 1000:08X}")
    send(l, fresh(t.packet, spi=0xdeadbeef))
    one_line(l, "CE2", r"%CRYPTO-4-RECVD_PKT_INV_SPI: decaps: rec'd IPSEC packet has invalid spi for destaddr=2\.2\.2\.1, prot=50, "
                       r"spi=0xDEADBEEF\(3735928559\), srcaddr=1\.1\.1\.1")
    short = t.packet[:2] + (36).to_bytes(2, "big") + t.packet[4:36]  # no room for an IV and an ICV
    send(l, short)
    one_line(l, "CE2", r"%ADIT-4-DROP: malformed ESP: 1\.1\.1\.1 -> 2\.2\.2\.1, protocol 50, 36 bytes: .*bytes \d+ to \d+")
    got = counters(l, "CE2")
    assert {k: got[k] for k in ("replay", "ICV wrong", "unknown SPI", "malformed ESP")} == {
        "replay": 1, "ICV wrong": 1, "unknown SPI": 1, "malformed ESP": 1}
    t.unharmed()
    assert "#recv errors" in l.exec("CE2", "show crypto ipsec sa")


GARBAGE = {
    "noise": bytes(range(1, 60)),
    "shorter than a header": b"\x11" * 20,
    "length field beyond the datagram": b"\x01" * 8 + bytes(8) + bytes([1, 0x10, 2, 0]) + bytes(4) + (500).to_bytes(4, "big") + bytes(20),
    "a payload that claims more than there is": b"\x02" * 8 + bytes(8) + bytes([1, 0x10, 2, 0]) + bytes(4) + (48).to_bytes(4, "big")
                                                + bytes([0, 0, 0xff, 0xff]) + bytes(16),
    "nothing but a header": b"\x03" * 8 + bytes(8) + bytes([0, 0x10, 2, 0]) + bytes(4) + (28).to_bytes(4, "big"),
}


def test_garbage_to_udp_500(tunnel):
    t, l = tunnel, tunnel.l
    for what, data in GARBAGE.items():
        seen = l.log("CE2").count("IKMP_BAD_MESSAGE: IKE message from 2.2.2.2")
        send(l, data, "udp", "2.2.2.1")
        until(lambda: l.log("CE2").count("IKMP_BAD_MESSAGE: IKE message from 2.2.2.2") > seen, 5)
        line = [x for x in l.log("CE2").splitlines() if "IKMP_BAD_MESSAGE" in x][-1]
        assert re.search(r"failed its sanity check or is malformed: .*bytes \d+\.\.\d+", line), (what, line)
        assert l.log("CE2").count("IKMP_BAD_MESSAGE: IKE message from 2.2.2.2") == seen + 1, what
    got = counters(l, "CE2")
    assert got["malformed message"] == len(GARBAGE), got
    t.unharmed()
    log = l.exec("CE1", "show crypto isakmp sa") + l.exec("CE2", "show crypto isakmp sa")
    assert "MM_" not in log  # no half-open SA came of it


def test_truncated_ike(lab, tmp_path):
    """Every message of a real negotiation, cut short at every tenth byte, from the address of the peer."""
    l = lab("crypto-map")
    cap = Capture(l.ns("ISP"), "Fa0-1", tmp_path / "ike.pcap")
    l.shell("Bob", PING.format(3), check=False)
    assert " 0% packet loss" in l.shell("Bob", PING.format(3))
    cap.close()
    real = [bytes.fromhex(r) for r in sh(["tshark", "-r", tmp_path / "ike.pcap", "-Y", "ip.src == 1.1.1.1 and isakmp", "-T", "fields",
                                         "-e", "udp.payload"]).split()]
    assert len(real) >= 5
    before = Tunnel(l, tmp_path)
    # one process, one socket: as the peer itself (a spoofed source, whole IP packets)
    cuts = [m[:n] for m in real for n in range(0, len(m), 10)]
    script = ("import socket,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_RAW,socket.IPPROTO_RAW)\n"
              "for h in sys.stdin.read().split():\n"
              "  d=bytes.fromhex(h[1:]); n=len(d)\n"
              "  ip=bytes([0x45,0])+(28+n).to_bytes(2,'big')+bytes([0,0,0,0,64,17,0,0])+bytes([1,1,1,1,2,2,2,1])\n"
              "  s.sendto(ip+bytes([1,244,1,244])+(8+n).to_bytes(2,'big')+bytes(2)+d,('2.2.2.1',0))\n")
    subprocess.run(["ip", "netns", "exec", l.ns("ISP"), sys.executable, "-c", script], input=" ".join("x" + c.hex() for c in cuts),
                   text=True, check=True, timeout=60)
    got = until(lambda: (c := counters(l, "CE2")).get("malformed message", 0) >= len(cuts) * 8 // 10 and c, 10)
    assert sum(got.values()) >= len(cuts), (got, len(cuts))
    lines = l.log("CE2").count("%CRYPTO-4-IKMP_BAD_MESSAGE")
    assert 1 <= lines <= 60  # a flood is counted, not told line by line
    before.unharmed()
