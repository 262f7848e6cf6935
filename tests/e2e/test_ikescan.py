"""ike-scan's probes: what a stranger who looks for gateways gets. Each first message that can be answered is, in one datagram; what is
malformed gets nothing or a refusal, nothing is kept, and a real peer is served afterwards. psk-crack finds a weak key out of what
aggressive mode gives away, and nothing of it where that is disabled."""
import os
import re
import subprocess

import pytest

from conftest import ADIT, Lab, until

TOPOLOGY = """name: {name}
topology:
  nodes:
    R1: {{kind: adit, startup-config: R1.cfg}}
    S: {{kind: linux, exec: ["ip addr add 192.0.2.9/24 dev eth0"]}}
    R2: {{kind: adit, startup-config: R2.cfg}}
  links:
    - endpoints: ["R1:FastEthernet0/0", "S:eth0"]
    - endpoints: ["R1:FastEthernet0/1", "R2:FastEthernet0/1"]
"""
CONFIG = """hostname R{n}
crypto isakmp policy 10
 encr 3des
 authentication pre-share
 group 2
crypto isakmp policy 20
 encr aes
 authentication pre-share
 group 2
crypto isakmp key weak address 0.0.0.0 0.0.0.0
crypto ipsec transform-set T esp-aes esp-sha-hmac
crypto ipsec profile P
 set transform-set T
interface Tunnel0
 ip address 10.9.0.{n} 255.255.255.252
 tunnel source FastEthernet0/1
 tunnel destination 198.51.100.{o}
 tunnel protection ipsec profile P
interface FastEthernet0/1
 ip address 198.51.100.{n} 255.255.255.0
interface FastEthernet0/0
 ip address 192.0.2.{n} 255.255.255.0
end
"""
ANSWER, REFUSED, NOTHING = "Handshake returned", "Notify message", "0 returned handshake; 0 returned notify"
PROBES = [  # arguments, what comes
    ([], ANSWER),
    (["--trans=1,1,1,1"], REFUSED + " 14"),  # DES, MD5, group 1: none of our policies
    (["--trans=5,2,1,2"], ANSWER),
    (["--trans=(1=7,14=128,2=2,3=1,4=2)"], ANSWER),
    (["--trans=99,1,1,2"], REFUSED + " 14"),
    (["--trans=5,2,65001,2"], REFUSED + " 14"),  # no user is wanted here
    (["--aggressive", "--id=gw.example", "--idtype=2", "--dhgroup=2", "--trans=5,2,1,2"], "Aggressive Mode Handshake returned"),
    (["--vendor=4a131c81070358455c5728f20e95452f", "--trans=5,2,1,2"], "VID=4a131c81070358455c5728f20e95452f"),
    (["--vendor=4048b7d56ebce88525e7de7f00d6c2d3", "--trans=5,2,1,2"], "VID=4048b7d56ebce88525e7de7f00d6c2d3"),
    (["--ikev2"], NOTHING),
    (["--lifetime=none", "--lifesize=1000", "--trans=5,2,1,2"], ANSWER),
    (["--doi=2", "--trans=5,2,1,2"], NOTHING),
    (["--situation=2", "--trans=5,2,1,2"], NOTHING),
    (["--exchange=99", "--trans=5,2,1,2"], REFUSED + " 7"),
    (["--headerver=0x30", "--trans=5,2,1,2"], NOTHING),
    (["--headerlen=-10", "--trans=5,2,1,2"], NOTHING),
    (["--headerlen=500", "--trans=5,2,1,2"], NOTHING),
    (["--cookie=0000000000000000", "--trans=5,2,1,2"], NOTHING),
    (["--hdrflags=255", "--hdrmsgid=7", "--trans=5,2,1,2"], NOTHING),
    (["--mbz=255", "--trans=5,2,1,2"], NOTHING),
    (["--spisize=8", "--trans=5,2,1,2"], ANSWER),
    (["--rcookie=0123456789abcdef", "--trans=5,2,1,2"], NOTHING),
    (["--nonce=300", "--aggressive", "--id=x", "--dhgroup=2", "--trans=5,2,1,2"], NOTHING),
    (["--auth=3"], REFUSED + " 14"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    d = tmp_path_factory.mktemp("scan")
    name = f"scan{os.getpid() % 10000}"
    (d / "x.clab.yml").write_text(TOPOLOGY.format(name=name))
    for n in (1, 2):
        (d / f"R{n}.cfg").write_text(CONFIG.format(n=n, o=3 - n))
    made = Lab(d, name)
    try:
        yield made
        stderr = (made.dir("R1") / "stderr").read_text()
        assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
    finally:
        subprocess.run([ADIT, "lab", "down", name], capture_output=True, timeout=60)


def scan(lab, args, more=""):
    quoted = " ".join(f"'{a}'" for a in args)
    return lab.shell("S", f"timeout 40 ike-scan --sport=0 --retry=1 --timeout=1000 {more} {quoted} 192.0.2.1 2>&1", check=False)


@pytest.mark.parametrize("n", range(len(PROBES)))
def test_probe(lab, n):
    args, wanted = PROBES[n]
    out = scan(lab, args)
    assert wanted in out, out
    assert len(re.findall(r"returned$|Handshake returned|Notify message", out, re.M)) <= 1, out  # never more than one answer


def test_a_real_peer_afterwards(lab):
    for args, _ in PROBES:
        scan(lab, args)
    until(lambda: " 0% packet loss" in lab.shell("R2", "ping -n -c 1 -W 2 10.9.0.1", check=False), 30)
    sas = lab.exec("R1", "show crypto isakmp sa")
    assert re.search(r"198\.51\.100\.\d +198\.51\.100\.\d +QM_IDLE", sas), sas


def test_guessing_a_key(lab, tmp_path):
    """What aggressive mode gives to whoever asks is enough to try keys at home: said in the log, and gone with it."""
    ask = ["--aggressive", "--id=gw.example", "--idtype=2", "--dhgroup=2", "--trans=5,2,1,2"]
    psk, words = tmp_path / "psk", tmp_path / "words"
    words.write_text("wrong\nweak\n")
    out = scan(lab, ask, f"--pskcrack={psk}")
    assert "Aggressive Mode Handshake returned" in out, out
    found = subprocess.run(["psk-crack", f"--dictionary={words}", str(psk)], capture_output=True, text=True, timeout=60).stdout
    assert 'key "weak" matches' in found, found
    assert "%ADIT-4-WEAK_CRYPTO: aggressive mode with a pre-shared key" in lab.log("R1")
    psk.unlink()
    assert lab.config("R1", "crypto isakmp aggressive-mode disable")[0] == 0
    try:
        out = scan(lab, ask, f"--pskcrack={psk}")
        assert "Notify message 7" in out and "returned handshake" in out, out
        assert not psk.exists() or not psk.read_text().strip(), out
    finally:
        lab.config("R1", "no crypto isakmp aggressive-mode disable")
