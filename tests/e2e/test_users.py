"""strongSwan, in a Linux guest, as the client of a gateway that authenticates with RSA signatures: with a certificate and a user
(XAUTHInitRSA), and with a user alone (hybrid), in both modes. It is given its address, and data flows by the kernel's XFRM."""
import os
import re
import subprocess

import pytest

from conftest import ADIT, Lab, until
from far_end import FarEnd
from test_far_end import TOPOLOGY
from test_signatures import certificates

ROUTER = """hostname R1
aaa new-model
aaa authentication login USERS local
aaa authorization network GROUPS local
username anna secret anna-s3cret
crypto pki trustpoint T
 enrollment terminal
 revocation-check none
exit
crypto pki import T pem url file:R1.pem
crypto isakmp identity dn
crypto isakmp policy 10
 encr aes 256
 hash sha256
 authentication {auth}
 group 14
crypto isakmp client configuration group sales
 dns 10.1.1.53
 pool CLIENTS
ip local pool CLIENTS 10.3.0.1 10.3.0.9
crypto ipsec transform-set TS esp-aes esp-sha-hmac
crypto dynamic-map DYN 10
 set transform-set TS
 reverse-route
crypto map M client authentication list USERS
crypto map M isakmp authorization list GROUPS
crypto map M client configuration address respond
crypto map M 65000 ipsec-isakmp dynamic DYN
interface FastEthernet0/0
 ip address 192.0.2.1 255.255.255.0
 crypto map M
interface FastEthernet0/1
 ip address 10.1.1.1 255.255.255.0
end
"""
IPSEC_CONF = """config setup
    charondebug="cfg 2, ike 2"
conn c
    keyexchange=ikev1
    aggressive={aggressive}
    ike=aes256-sha256-modp2048!
    esp=aes128-sha1!
    left=192.0.2.2
    leftsourceip=%config
    {local}
    xauth_identity=anna
    right=192.0.2.1
    rightauth=pubkey
    rightid="C=ZZ, O=peers, CN=R1"
    rightsubnet=10.1.1.0/24
    auto=add
{more}"""
LOCAL = {
    "rsa-sig": 'leftauth=pubkey\n    leftauth2=xauth\n    leftcert=own.pem\n    leftsendcert=always\n    leftid="C=ZZ, O=peers, OU=sales, CN=anna"',
    "hybrid-rsa": "leftauth=xauth\n    leftid=@#" + b"sales".hex(),
}


class Gateway:
    def __init__(self, auth, folder):
        self.auth, self.far = auth, None
        self.name = f"u{os.getpid() % 10000}-{auth[:3]}"
        self.pki = certificates(folder / "pki", "rsa")
        lab = folder / "lab"
        lab.mkdir()
        (lab / "u.clab.yml").write_text(TOPOLOGY.format(name=self.name))
        (lab / "R1.cfg").write_text(ROUTER.format(auth=auth))
        (lab / "R1.pem").write_text("".join((self.pki / n).read_text() for n in ("r1.pem", "r1.key", "mid.pem", "ca.pem")))
        try:
            self.lab = Lab(lab, self.name)
            for node, link in (("R1", "Fa0-0"), ("R1", "Fa0-1"), ("H1", "eth0")):
                self.lab.shell(node, f"ethtool -K {link} tx off tso off gso off gro off")
            self.far = FarEnd(self.lab.ns("Far"), "eth0", folder / "job")
            self.far.sh("ip addr add 192.0.2.2/24 dev eth0; mkdir -p /etc/ipsec.d/cacerts /etc/ipsec.d/certs /etc/ipsec.d/private")
            self.put("cacerts/ca.pem", "ca.pem")
            if auth == "rsa-sig":
                self.put("certs/own.pem", "seller.pem")
                self.put("private/own.key", "seller.key")
        except BaseException:
            self.close()
            raise

    def put(self, there, name):
        self.far.sh(f"cat >/etc/ipsec.d/{there} <<'E'\n{(self.pki / name).read_text()}E\n")

    def start(self, aggressive=False, password="anna-s3cret", auth=None, more="", ca="ca.pem", wait=True):
        self.put("cacerts/ca.pem", ca)
        conf = IPSEC_CONF.format(aggressive="yes" if aggressive else "no", local=LOCAL[auth or self.auth], more=more)
        self.far.sh(f"printf '%s\\n' ': RSA own.key' 'anna : XAUTH \"{password}\"' >/etc/ipsec.secrets\ncat >/etc/ipsec.conf <<'E'\n{conf}E\n"
                    "setsid /usr/lib/ipsec/starter --daemon charon --nofork >/tmp/starter.log 2>&1 &")
        until(lambda: "c: " in self.far.sh("ipsec statusall", check=False).replace("c:  ", "c: "), 20)
        return self.far.sh("ipsec up c" if wait else "ipsec stroke up-nb c", check=False, timeout=120)

    def stop(self):
        self.far.sh("[ ! -e /run/charon.pid ] || { ipsec stop; while [ -e /run/charon.pid ] || [ -e /run/starter.charon.pid ]; do :; done; }\n"
                    "ip xfrm state flush; ip xfrm policy flush")
        self.lab.exec("R1", "clear crypto session")

    def ping(self, count=1):
        return " 0% packet loss" in self.far.sh(f"ping -n -c {count} -i 0.3 -W 3 10.1.1.10", check=False)

    def pairs(self):
        return re.findall(r"^ +spi: 0x\S+", self.lab.exec("R1", "show crypto ipsec sa"), re.M)

    def state(self):
        return (self.lab.exec("R1", "show crypto isakmp sa detail") + self.lab.exec("R1", "show crypto map") + self.lab.exec("R1", "show drops")
                + self.lab.log("R1")[-3000:] + self.far.sh("ipsec statusall; ip xfrm policy; tail -n 60 /tmp/starter.log", check=False))

    def close(self):
        if self.far:
            self.far.close()
        subprocess.run([ADIT, "lab", "down", self.name], capture_output=True, timeout=60)


@pytest.fixture(scope="module", params=LOCAL)
def gateway(request, tmp_path_factory):
    g = Gateway(request.param, tmp_path_factory.mktemp(request.param))
    try:
        yield g
        stderr = (g.lab.dir("R1") / "stderr").read_text()
        assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
    finally:
        g.close()


@pytest.fixture
def quiet(gateway):
    yield gateway
    gateway.stop()


@pytest.mark.parametrize("aggressive", [False, True], ids=["main", "aggressive"])
def test_comes_in(quiet, aggressive):
    g = quiet
    out = g.start(aggressive)
    assert "connection 'c' established successfully" in out, out + g.state()
    assert "XAuth authentication of 'anna' (myself) successful" in out, out
    assert "installing new virtual IP 10.3.0.1" in out, out
    until(lambda: g.ping(), 20)
    assert g.ping(5) and len(g.pairs()) == 2, g.state()
    assert " 0% packet loss" in g.lab.shell("H1", "ping -n -c 5 -i 0.3 -W 3 10.3.0.1", check=False), g.state()
    detail = g.lab.exec("R1", "show crypto isakmp sa detail")
    assert re.search(r"^\d+ +192\.0\.2\.1 +192\.0\.2\.2 +aes  sha256 +%s +14 [\d:]+ C\w*X" % ("rsig" if g.auth == "rsa-sig" else "hyb"), detail, re.M), detail
    g.lab.wait_log("R1", r"%CRYPTO-5-XAUTH_OK: user anna at 192\.0\.2\.2")
    calls = g.lab.exec("R1", "show crypto call admission statistics")
    assert re.search(r"^Total IKE SA Count: +1 active: +1 negotiating: +0$", calls, re.M), calls


def test_one_too_many(quiet):
    """With the only place taken by somebody else, who comes hears nothing, and the log has a sentence; when there is room again he is in."""
    g = quiet
    far, other = "192.0.2.2", "192.0.2.22"
    assert "established successfully" in g.start(), g.state()
    assert g.lab.config("R1", "crypto call admission limit ike sa 1")[0] == 0
    try:
        g.far.sh(f"ip addr add {other}/24 dev eth0; sed -i s/left={far}$/left={other}/ /etc/ipsec.conf; ipsec update; ipsec stroke up-nb c", check=False)
        g.lab.wait_log("R1", r"%%CRYPTO-4-IKE_DENY_SA_REQ: IKE denied an INCOMING SA request from %s to 192\.0\.2\.1 due to IKE SA LIMIT REACHED" % re.escape(other), 20)
        assert re.search(r"rejected: +[1-9]", g.lab.exec("R1", "show crypto call admission statistics")), g.state()
        assert other not in g.lab.exec("R1", "show crypto isakmp sa"), g.state()
        g.lab.exec("R1", "clear crypto call admission statistics")
        assert g.lab.config("R1", "no crypto call admission limit ike sa")[0] == 0
        until(lambda: other in g.lab.exec("R1", "show crypto isakmp sa"), 40)
    finally:
        g.lab.config("R1", "no crypto call admission limit ike sa")
        g.far.sh(f"ip addr del {other}/24 dev eth0", check=False)


def test_wrong_password(quiet):
    g = quiet
    before = g.lab.log("R1").count("XAUTH_OK")
    out = g.start(password="not-hers")
    assert "XAuth authentication of 'anna' (myself) failed" in out, out + g.state()
    g.lab.wait_log("R1", r"user anna: no such user, or another password", 10)
    assert g.lab.log("R1").count("XAUTH_OK") == before
    assert not g.pairs(), g.state()


def test_not_the_gateway(quiet):
    """Its certificate is of a CA that the client does not know: it says no password to it."""
    g = quiet
    before = g.lab.log("R1").count("user anna")
    out = g.start(ca="other.pem")
    assert "no trusted RSA public key found for 'C=ZZ, O=peers, CN=R1'" in out, out + g.state()
    assert g.lab.log("R1").count("user anna") == before
    assert not g.pairs(), g.state()


def test_the_other_method(quiet):
    """rsa-sig takes no client that has no certificate, and hybrid-rsa says that it does not ask for one."""
    g = quiet
    other = "hybrid-rsa" if g.auth == "rsa-sig" else "rsa-sig"
    if other == "rsa-sig":
        g.put("certs/own.pem", "seller.pem")
        g.put("private/own.key", "seller.key")
    out = g.start(auth=other)
    assert "NO_PROPOSAL_CHOSEN" in out or "NO_PROP" in out, out + g.state()
    g.lab.wait_log("R1", r"offered authentication method %s, policy 10 wants %s" % ("64221" if other == "hybrid-rsa" else "65005", g.auth), 10)


def test_pushed(quiet):
    """The address and what its group has come unasked (`client configuration address initiate`), and strongSwan waits for them."""
    g = quiet
    lines = ["crypto map M client configuration address initiate", "no crypto map M client configuration address respond"]
    assert g.lab.config("R1", *lines)[0] == 0
    try:
        out = g.start(more="    modeconfig=push\n")
        assert "connection 'c' established successfully" in out, out + g.state()
        assert "installing new virtual IP 10.3.0.1" in out and "CPA" in out.split("TRANSACTION")[-1], out
        until(lambda: g.ping(), 20)
        assert g.ping(5) and len(g.pairs()) == 2, g.state()
        assert "10.1.1.53" in g.far.sh("cat /etc/resolv.conf /tmp/starter.log"), g.state()
    finally:
        g.lab.config("R1", *(line[3:] if line.startswith("no ") else "no " + line for line in lines))


def test_nobody_pushes(quiet):
    """A client that waits to be told by a gateway that answers only who asks: neither gets anything, and nothing stays."""
    g = quiet
    out = g.start(more="    modeconfig=push\n", wait=False)
    g.lab.wait_log("R1", r"%CRYPTO-5-XAUTH_OK: user anna", 20)
    assert not g.pairs() and "10.3.0.1" not in g.far.sh("ip addr"), out + g.state()
