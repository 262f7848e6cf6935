"""Phase 1 with RSA and ECDSA signatures: adit against strongSwan, each kind of key, either side first; certificates and keys come
from files of the lab. And what the operator is told when a certificate does not do."""
import os
import re
import subprocess

import pytest

from conftest import ADIT, Capture, Lab, sh, until
from far_end import FarEnd
from test_far_end import TOPOLOGY

KINDS = {  # key, IKE proposal of strongSwan, policy of adit, authby
    "rsa": ("rsa:2048", "aes256-sha256-modp2048", "rsa-sig", "hash sha256", "group 14", "RSA"),
    "ecdsa256": ("ec -pkeyopt ec_paramgen_curve:P-256", "aes256-sha256-ecp256", "ecdsa-sig", "hash sha256", "group 19", "ECDSA"),
    "ecdsa384": ("ec -pkeyopt ec_paramgen_curve:P-384", "aes256-sha384-ecp384", "ecdsa-sig", "hash sha384", "group 20", "ECDSA"),
}
CONFIG = """hostname R1
ip domain name example
crypto pki trustpoint T
 enrollment terminal
 revocation-check none
exit
crypto pki import T pem url file:R1.pem
crypto isakmp policy 10
 encr aes 256
 {hash}
 authentication {auth}
 {group}
crypto ipsec transform-set TS esp-aes esp-sha-hmac
crypto map M 10 ipsec-isakmp
 set peer 192.0.2.2
 set transform-set TS
 match address 101
interface FastEthernet0/0
 ip address 192.0.2.1 255.255.255.0
 crypto map M
interface FastEthernet0/1
 ip address 10.1.1.1 255.255.255.0
ip route 10.2.2.0 255.255.255.0 192.0.2.2
access-list 101 permit ip 10.1.1.0 0.0.0.255 10.2.2.0 0.0.0.255
end
"""
IPSEC_CONF = """config setup
    charondebug="cfg 2, ike 2"
conn c
    keyexchange=ikev1
    ike={ike}!
    esp=aes128-sha1!
    leftauth=pubkey
    rightauth=pubkey
    left=192.0.2.2
    leftcert=far.pem
    leftid={id}
    leftsendcert=always
    leftsubnet=10.2.2.0/24
    right=192.0.2.1
    rightid="{rightid}"
    rightsubnet=10.1.1.0/24
    auto=add
"""


def certificates(folder, kind):
    """A CA, an intermediate one for adit's side, and a certificate for either end; as PEM files."""
    alg = KINDS[kind][0]
    folder.mkdir(exist_ok=True)

    def run(cmd):
        sh(f"cd {folder} && {cmd}")

    def issue(name, by, subject, ext):
        (folder / f"{name}.ext").write_text(ext)
        run(f"openssl req -newkey {alg} -nodes -keyout {name}.key -out {name}.csr -subj '{subject}'")
        run(f"openssl x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -days 30 -sha256 -extfile {name}.ext -out {name}.pem")

    run(f"openssl req -x509 -newkey {alg} -nodes -keyout ca.key -out ca.pem -days 30 -sha256 -subj '/C=ZZ/O=peers/CN=ca-{kind}' "
        "-addext keyUsage=critical,keyCertSign,cRLSign")
    issue("mid", "ca", "/C=ZZ/O=peers/CN=mid", "basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n")
    issue("r1", "mid", "/C=ZZ/O=peers/CN=R1", "subjectAltName=DNS:R1.example\nkeyUsage=digitalSignature\n")
    issue("far", "ca", "/C=ZZ/O=peers/CN=far", "subjectAltName=DNS:far.example,IP:192.0.2.2\nkeyUsage=digitalSignature\n")
    issue("seller", "ca", "/C=ZZ/O=peers/OU=sales/CN=anna", "keyUsage=digitalSignature\n")
    run(f"openssl req -x509 -newkey {alg} -nodes -keyout other.key -out other.pem -days 30 -sha256 -subj '/C=ZZ/O=others/CN=ca' "
        "-addext keyUsage=critical,keyCertSign,cRLSign")
    issue("stranger", "other", "/C=ZZ/O=others/CN=far", "subjectAltName=DNS:far.example\nkeyUsage=digitalSignature\n")
    (folder / "ca.conf").write_text("[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=crlnumber\ndefault_md=sha256\ndefault_crl_days=30\n"
                                    "certificate=ca.pem\nprivate_key=ca.key\n")
    run("touch index && echo 01 >crlnumber && openssl ca -config ca.conf -gencrl -out clean.crl && openssl ca -config ca.conf -revoke far.pem "
        "&& openssl ca -config ca.conf -gencrl -out revoked.crl")
    return folder


class Site:
    def __init__(self, kind, folder):
        self.kind, self.far = kind, None
        self.name = f"s{os.getpid() % 10000}-{kind}"
        self.pki = certificates(folder / "pki", kind)
        lab = folder / "lab"
        lab.mkdir()
        (lab / "sig.clab.yml").write_text(TOPOLOGY.format(name=self.name))
        _, _, auth, hash_, group, _ = KINDS[kind]
        (lab / "R1.cfg").write_text(CONFIG.format(auth=auth, hash=hash_, group=group))
        (lab / "R1.pem").write_text("".join((self.pki / n).read_text() for n in ("r1.pem", "r1.key", "mid.pem", "ca.pem")))
        try:
            self.lab = Lab(lab, self.name)
            for node, link in (("R1", "Fa0-0"), ("R1", "Fa0-1"), ("H1", "eth0")):
                self.lab.shell(node, f"ethtool -K {link} tx off tso off gso off gro off")
            self.far = FarEnd(self.lab.ns("Far"), "eth0", folder / "job")
            self.far.sh("set -e; ip addr add 192.0.2.2/24 dev eth0; ip addr add 10.2.2.1/24 dev lo; ip route add 10.1.1.0/24 via 192.0.2.1 src 10.2.2.1")
            self.put("cacerts/ca.pem", "ca.pem")
        except BaseException:
            self.close()
            raise

    def put(self, there, name):
        self.far.sh(f"mkdir -p /etc/ipsec.d/cacerts /etc/ipsec.d/certs /etc/ipsec.d/private; cat >/etc/ipsec.d/{there} <<'E'\n{(self.pki / name).read_text()}E\n")

    def start(self, own="far", far_id="@far.example", rightid="C=ZZ, O=peers, CN=R1", more=""):
        self.put("certs/far.pem", f"{own}.pem")
        self.put("private/far.key", f"{own}.key")
        conf = IPSEC_CONF.format(ike=KINDS[self.kind][1], id=far_id, rightid=rightid) + more
        self.far.sh(f"echo ': {KINDS[self.kind][5]} far.key' >/etc/ipsec.secrets\ncat >/etc/ipsec.conf <<'E'\n{conf}E\n"
                    "setsid /usr/lib/ipsec/starter --daemon charon --nofork >/tmp/starter.log 2>&1 &")
        until(lambda: "c: " in self.far.sh("ipsec statusall", check=False).replace("c:  ", "c: "), 20)

    def stop(self):
        self.far.sh("[ ! -e /run/charon.pid ] || { ipsec stop; while [ -e /run/charon.pid ] || [ -e /run/starter.charon.pid ]; do :; done; }\n"
                    "ip xfrm state flush; ip xfrm policy flush")
        self.lab.exec("R1", "clear crypto session")

    def ping(self, count=1):
        return " 0% packet loss" in self.lab.shell("H1", f"ping -n -c {count} -l {count} -i 2 -W {2 if count == 1 else 8} 10.2.2.1", check=False)

    def state(self):
        return (self.lab.exec("R1", "show crypto isakmp sa") + self.lab.log("R1")[-3000:]
                + self.far.sh("ipsec statusall; tail -n 60 /tmp/starter.log", check=False))

    def close(self):
        if self.far:
            self.far.close()
        subprocess.run([ADIT, "lab", "down", self.name], capture_output=True, timeout=60)


@pytest.fixture(scope="module", params=KINDS)
def site(request, tmp_path_factory):
    s = Site(request.param, tmp_path_factory.mktemp(request.param))
    try:
        yield s
        stderr = (s.lab.dir("R1") / "stderr").read_text()
        assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
    finally:
        s.close()


@pytest.fixture
def quiet(site):
    yield site
    site.stop()


@pytest.mark.parametrize("first", ["adit", "strongswan"])
def test_main_mode(quiet, first):
    """strongSwan trusts the root alone, so adit sends its intermediate CA along; our certificate holds no address, so adit says its
    subject."""
    s = quiet
    s.start()
    if first == "strongswan":
        out = s.far.sh("ipsec up c", check=False)
        assert "connection 'c' established successfully" in out, out + s.state()
    else:
        until(lambda: s.ping(), 15)
    assert s.ping(5), s.state()
    assert re.search(r"^192\.0\.2\.\d +192\.0\.2\.\d +QM_IDLE ", s.lab.exec("R1", "show crypto isakmp sa"), re.M), s.state()
    status = s.far.sh("ipsec statusall")
    assert re.search(r"c\[\d+\]: ESTABLISHED .*\[far\.example\]\.\.\.192\.0\.2\.1\[C=ZZ, O=peers, CN=R1\]", status), status
    assert "far.example" in s.lab.exec("R1", "show crypto session detail"), s.lab.exec("R1", "show crypto session detail")


@pytest.mark.parametrize("first", ["adit", "strongswan"])
def test_in_pieces(quiet, tmp_path, first):
    """Messages with certificates go in pieces, where both ends speak of it: strongSwan's of 500 bytes, adit's of 1200."""
    s = quiet
    s.far.sh("echo 'charon { fragment_size = 500 }' >/etc/strongswan.d/adit.conf")
    cap = Capture(s.lab.ns("R1"), "Fa0-0", tmp_path / "wan.pcap")
    s.start()
    if first == "strongswan":
        out = s.far.sh("ipsec up c", check=False)
        assert "connection 'c' established successfully" in out, out + s.state()
    else:
        until(lambda: s.ping(), 15)
    assert s.ping(5), s.state()
    seen = cap.close("ip.src", "isakmp.nextpayload", "frame.len")
    pieces = {src: [int(n) for a, p, n in seen if a == src and p == "132"] for src in ("192.0.2.1", "192.0.2.2")}
    assert pieces["192.0.2.2"] and max(pieces["192.0.2.2"]) <= 14 + 500, seen
    assert max(int(n) for a, p, n in seen if a == "192.0.2.1" and p) <= 14 + 28 + 1200, seen
    assert bool(pieces["192.0.2.1"]) == (s.kind != "ecdsa256"), pieces  # that chain is short
    s.far.sh("rm /etc/strongswan.d/adit.conf")


def test_stranger(quiet):
    """A certificate of another CA: adit refuses, and says whose and why."""
    s = quiet
    s.start(own="stranger", far_id='"C=ZZ, O=others, CN=far"')
    s.far.sh("ipsec stroke up-nb c")
    s.lab.wait_log("R1", r"IKMP_INVAL_CERT: Certificate received from 192\.0\.2\.2 is bad: issuer not known: cn=far,o=others,c=ZZ", 20)
    assert " QM_IDLE " not in s.lab.exec("R1", "show crypto isakmp sa")


def test_revoked(quiet):
    """With a CRL from a file; one that is read again when the operator says so."""
    s = quiet
    crl = s.pki.parent / "lab" / "ca.crl"
    crl.write_text((s.pki / "clean.crl").read_text())
    assert s.lab.config("R1", "crypto pki trustpoint T", "crl query file:ca.crl", "revocation-check crl")[0] == 0
    try:
        s.start()
        until(lambda: s.ping(), 15)
        crl.write_text((s.pki / "revoked.crl").read_text())
        assert s.lab.config("R1", "crypto pki crl request T")[0] == 0
        s.lab.exec("R1", "clear crypto session")
        s.lab.shell("H1", "ping -n -c 1 -W 1 10.2.2.1", check=False)
        s.lab.wait_log("R1", r"IKMP_INVAL_CERT: .*revoked: cn=far,o=peers,c=ZZ\. The CA has revoked", 20)
    finally:
        s.lab.config("R1", "crypto pki trustpoint T", "no crl query", "revocation-check none")
    until(lambda: s.ping(), 60)


def test_aggressive_mode(quiet):
    s = quiet
    s.lab.config("R1", "crypto isakmp identity hostname", "crypto isakmp peer address 192.0.2.2",
                 "set aggressive-mode client-endpoint fqdn R1.example")
    try:
        s.start(rightid="@R1.example", more="    aggressive=yes\n")
        until(lambda: s.ping(), 15)
        status = s.far.sh("ipsec statusall")
        assert "[R1.example]" in status and "Aggressive" in status, status
    finally:
        s.lab.config("R1", "no crypto isakmp identity hostname", "no crypto isakmp peer address 192.0.2.2")


def test_keys_stay(quiet):
    """The private key is in the state directory, this router's alone, and in no text; what is shown says all is there."""
    s = quiet
    key = s.lab.dir("R1") / "private-keys"
    assert key.stat().st_mode & 0o777 == 0o600
    assert re.search(r"Keys generated \.+ Yes \(General Purpose, non-exportable\)\n    Issuing CA authenticated \.+ Yes\n    Certificate request\(s\) \.+ Yes",
                     s.lab.exec("R1", "show crypto pki trustpoints status"))
    running = s.lab.exec("R1", "show running-config")
    assert "PRIVATE" not in running and "crypto pki certificate chain T" in running
    secret = key.read_text().split()[-1]
    assert secret[100:140] not in running.replace(" ", "").lower()


def test_pasted_at_a_console(quiet):
    """authenticate, generate, enroll, import, all at the console: what a CA signed of our request comes back and is ours; then it goes."""
    s = quiet
    lines = (s.pki / "ca.pem").read_text().splitlines()
    status, out = s.lab.config("R1", "crypto pki trustpoint P", "enrollment terminal", "subject-name cn=R1-again,o=peers", "rsakeypair P", "exit",
                               "crypto pki authenticate P", *lines, "quit", "yes", "crypto key generate rsa label P modulus 2048", "crypto pki enroll P")
    assert status == 0 and "Trustpoint CA certificate accepted." in out and "keys will be non-exportable...[OK]" in out, out
    request = re.search(r"-----BEGIN CERTIFICATE REQUEST-----\n.*?-----END CERTIFICATE REQUEST-----\n", out, re.S).group(0)
    (s.pki / "again.csr").write_text(request)
    sh(f"cd {s.pki} && openssl req -in again.csr -noout -verify && openssl x509 -req -in again.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 5 -sha256 -out again.pem")
    status, out = s.lab.config("R1", "crypto pki import P certificate", *(s.pki / "again.pem").read_text().splitlines(), "quit")
    assert status == 0 and "Router certificate successfully imported" in out, out
    shown = s.lab.exec("R1", "show crypto pki certificates P")
    assert "cn=R1-again" in shown and "CA Certificate" in shown, shown
    assert "% The key pair" not in s.lab.exec("R1", "show crypto pki trustpoints status P")
    key = s.lab.dir("R1") / "private-keys"
    assert len(key.read_text().splitlines()) == 2
    s.lab.config("R1", "no crypto pki trustpoint P", "crypto key zeroize rsa P")
    assert len(key.read_text().splitlines()) == 1
