"""vpnc, Debian's EzVPN client, in a namespace against adit: aggressive mode, extended authentication, mode configuration, a dynamic crypto
map; in UDP (both ways it knows) and as bare ESP; two of them behind one NAT. The addresses it is given are one flow each."""
import os
import re
import subprocess

import pytest

from conftest import ADIT, Capture, Lab, until

TOPOLOGY = """name: {name}
topology:
  nodes:
    R1: {{kind: adit, startup-config: R1.cfg}}
    N: {{kind: linux, exec: ["ip addr add 172.16.0.1/24 dev eth0", "ip addr add 172.16.1.1/24 dev eth2", "ip addr add 192.0.2.3/24 dev eth1",
         "sysctl -qw net.ipv4.ip_forward=1"]}}
    C1: {{kind: linux, exec: ["ip addr add 172.16.0.2/24 dev eth0", "ip route add default via 172.16.0.1"]}}
    C2: {{kind: linux, exec: ["ip addr add 172.16.1.2/24 dev eth0", "ip route add default via 172.16.1.1"]}}
    H: {{kind: linux, exec: ["ip addr add 10.2.2.10/24 dev eth0", "ip route add default via 10.2.2.1"]}}
  links:
    - endpoints: ["C1:eth0", "N:eth0"]
    - endpoints: ["C2:eth0", "N:eth2"]
    - endpoints: ["R1:FastEthernet0/0", "N:eth1"]
    - endpoints: ["R1:FastEthernet0/1", "H:eth0"]
"""
ROUTER = """hostname R1
aaa new-model
aaa authentication login USERS local
aaa authorization network GROUPS local
username anna secret anna-s3cret
username berta password berta-s3cret
crypto isakmp policy 10
 encr aes
 hash sha
 authentication pre-share
 group 2
crypto isakmp client configuration group sales
 key gr0up
 dns 10.2.2.53
 domain example.org
 pool CLIENTS
 acl 150
 save-password
 banner #good morning#
ip local pool CLIENTS 10.3.0.1 10.3.0.9
crypto ipsec transform-set T esp-aes esp-sha-hmac
crypto dynamic-map DYN 10
 set transform-set T
 reverse-route
crypto map M client authentication list USERS
crypto map M isakmp authorization list GROUPS
crypto map M client configuration address respond
crypto map M 65000 ipsec-isakmp dynamic DYN
interface FastEthernet0/0
 ip address 192.0.2.2 255.255.255.0
 crypto map M
interface FastEthernet0/1
 ip address 10.2.2.1 255.255.255.0
ip route 172.16.0.0 255.255.0.0 192.0.2.3
access-list 150 permit ip 10.2.2.0 0.0.0.255 any
end
"""
SCRIPT = """#!/bin/sh
env | grep -E '^(INTERNAL|CISCO|reason|TUNDEV)' >>{dir}/env
case "$reason" in connect)
  ip link set dev "$TUNDEV" up mtu 1390
  ip addr add "$INTERNAL_IP4_ADDRESS/32" dev "$TUNDEV"
  ip route replace 10.2.2.0/24 dev "$TUNDEV" src "$INTERNAL_IP4_ADDRESS";;
esac
"""
CONF = """IPSec gateway 192.0.2.2
IPSec ID sales
IPSec secret gr0up
Xauth username {user}
Xauth password {password}
NAT Traversal Mode {natt}
IKE DH Group dh2
Perfect Forward Secrecy nopfs
Local Port 0
Pidfile {dir}/pid
Script {dir}/script
Interface name vpnc0
No Detach
Debug 1
"""
BEHIND_NAT = """nft -f - <<'E'
table ip n {
 chain post {
  type nat hook postrouting priority 100
  oifname eth1 ip saddr 172.16.0.0/16 masquerade
 }
}
E"""


class Vpnc:
    def __init__(self, lab, node, path, user="anna", password="anna-s3cret", natt="natt"):
        self.lab, self.node, self.dir = lab, node, path
        path.mkdir()
        (path / "script").write_text(SCRIPT.format(dir=path))
        (path / "script").chmod(0o755)
        (path / "conf").write_text(CONF.format(dir=path, user=user, password=password, natt=natt))
        (path / "conf").chmod(0o600)
        self.log = open(path / "log", "w")
        self.p = subprocess.Popen(["ip", "netns", "exec", lab.ns(node), "unshare", "-m", "/usr/sbin/vpnc", "--non-inter", str(path / "conf")],
                                  stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def env(self):
        try:
            return dict(line.split("=", 1) for line in (self.dir / "env").read_text().splitlines() if "=" in line)
        except OSError:
            return {}

    def up(self):
        until(lambda: self.env().get("reason") == "connect" or self.p.poll() is not None, 40)
        until(lambda: "10.2.2.0" in self.lab.shell(self.node, "ip route") or self.p.poll() is not None, 10)
        assert self.p.poll() is None, self.state()
        return self.env()

    def state(self):
        return ((self.dir / "log").read_text() + self.lab.exec("R1", "show crypto map") + self.lab.exec("R1", "show crypto isakmp sa")
                + self.lab.exec("R1", "show drops") + self.lab.log("R1")[-4000:])

    def ping(self, dst="10.2.2.10", args="-c 5 -i 0.2 -W 5"):
        return self.lab.shell(self.node, f"ping -n {args} {dst}", check=False)

    def close(self):
        if self.p.poll() is None:
            self.p.terminate()
            self.p.wait(20)
        self.log.close()


@pytest.fixture
def clients(tmp_path):
    name = f"cl{os.getpid() % 10000}"
    d = tmp_path / "lab"
    d.mkdir()
    (d / "x.clab.yml").write_text(TOPOLOGY.format(name=name))
    (d / "R1.cfg").write_text(ROUTER)
    made = []
    try:
        lab = Lab(d, name)

        def start(node="C1", **kw):
            made.append(Vpnc(lab, node, tmp_path / f"{node}-{len(made)}", **kw))
            return made[-1]

        yield lab, start
        stderr = (lab.dir("R1") / "stderr").read_text()
    finally:
        for m in made:
            m.close()
        subprocess.run([ADIT, "lab", "down", name], capture_output=True, timeout=60)
    assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr


MEGABYTES = 10
SERVE = ("import socket; s = socket.create_server(('10.2.2.10', 4000)); print('up', flush=True); c, a = s.accept(); n = 0\n"
         "while n < {n}:\n d = c.recv(65536)\n assert d\n n += len(d); c.sendall(d)\nprint(a[0], n)")
SEND = ("import socket, threading, hashlib, os; c = socket.create_connection(('10.2.2.10', 4000), 20); b = os.urandom(1 << 20); n = 0\n"
        "threading.Thread(target=lambda: [c.sendall(b) for _ in range({mb})]).start(); h = hashlib.sha256()\n"
        "while n < {n}:\n d = c.recv(65536)\n assert d\n n += len(d); h.update(d)\n"
        "w = hashlib.sha256()\nfor _ in range({mb}): w.update(b)\nassert w.digest() == h.digest(); print('all back')")


def bulk(lab, node, address):
    """10 MB there and back, compared."""
    n = MEGABYTES << 20
    server = subprocess.Popen(["ip", "netns", "exec", lab.ns("H"), "/usr/bin/python3", "-c", SERVE.format(n=n)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout.readline() == "up\n"
        r = subprocess.run(["ip", "netns", "exec", lab.ns(node), "/usr/bin/python3", "-c", SEND.format(n=n, mb=MEGABYTES)], capture_output=True, text=True,
                           timeout=120)
        assert r.stdout == "all back\n", r.stdout + r.stderr
        assert server.communicate(timeout=20)[0] == f"{address} {n}\n"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


@pytest.mark.parametrize("natt", ["none", "natt", "force-natt"])
def test_vpnc(clients, tmp_path, natt):
    lab, start = clients
    if natt == "natt":
        lab.shell("N", BEHIND_NAT)
    cap = Capture(lab.ns("N"), "eth1", tmp_path / "wan.pcap", 96)
    c = start(natt=natt)
    env = c.up()
    assert env["INTERNAL_IP4_ADDRESS"] == "10.3.0.1"
    assert env["INTERNAL_IP4_DNS"] == "10.2.2.53" and env["CISCO_DEF_DOMAIN"] == "example.org"
    assert env["CISCO_BANNER"] == "good morning"
    assert env["CISCO_SPLIT_INC"] == "1" and env["CISCO_SPLIT_INC_0_ADDR"] == "10.2.2.0" and env["CISCO_SPLIT_INC_0_MASK"] == "255.255.255.0"
    until(lambda: " 0% packet loss" in c.ping(args="-c 1 -W 2"), 20)
    assert " 0% packet loss" in c.ping(), c.state()
    assert " 0% packet loss" in lab.shell("H", "ping -n -c 5 -i 0.2 -W 5 10.3.0.1", check=False), c.state()
    bulk(lab, "C1", "10.3.0.1")
    assert "10.3.0.1 via 192.0.2.3" in lab.shell("R1", "ip route")
    show = lab.exec("R1", "show crypto map")
    peer = "192.0.2.3" if natt == "natt" else "172.16.0.2"
    assert "Dynamic map template tag: DYN" in show and "created from dynamic map DYN/10" in show and f"Peer = {peer}" in show, show
    assert "permit ip any host 10.3.0.1" in show, show
    assert re.search(r"CLIENTS +10\.3\.0\.1 +10\.3\.0\.9 +8 +1 ", lab.exec("R1", "show ip local pool"))
    assert re.search(r"remote ident \(addr/mask/prot/port\): \(10\.3\.0\.1/255\.255\.255\.255/0/0\)", lab.exec("R1", "show crypto ipsec sa"))
    lab.wait_log("R1", r"%CRYPTO-5-XAUTH_OK: user anna at")
    ip = [p for p in cap.close("ip.src", "ip.dst", "ip.proto", "eth.type", "icmp.type") if p[3] == "0x0800" and not p[1].startswith("224.")]
    # vpnc's raw socket takes what fits into it; what does not, its kernel calls unreachable
    ip = [p for p in ip if not (natt == "none" and p[0] == peer and p[4] == "3")]
    assert {(p[0], p[1]) for p in ip} == {(peer, "192.0.2.2"), ("192.0.2.2", peer)}, {(p[0], p[1]) for p in ip}
    assert ("50" in {p[2] for p in ip}) == (natt == "none") and {p[2] for p in ip} <= {"17", "50"}, {p[2] for p in ip}


def test_goes_and_comes_back(clients):
    """Who says Delete and comes again has its address again; once it has gone its flow goes, and its route with that."""
    lab, start = clients
    c = start()
    assert c.up()["INTERNAL_IP4_ADDRESS"] == "10.3.0.1"
    until(lambda: " 0% packet loss" in c.ping(args="-c 1 -W 2"), 20)
    c.close()
    c = start()
    assert c.up()["INTERNAL_IP4_ADDRESS"] == "10.3.0.1"
    until(lambda: " 0% packet loss" in c.ping(args="-c 1 -W 2"), 20)
    c.close()
    until(lambda: "10.3.0.1" not in lab.shell("R1", "ip route"), 100, 1)
    assert "created from" not in lab.exec("R1", "show crypto map")


def test_wrong_password(clients):
    lab, start = clients
    c = start(password="not-hers")
    assert c.p.wait(60) != 0
    assert c.env().get("reason") != "connect", c.env()
    lab.wait_log("R1", r"user anna: no such user, or another password", 10)
    assert "created from" not in lab.exec("R1", "show crypto map")
    assert lab.exec("R1", "show crypto ipsec sa").count("spi: 0x") == 0


def test_two_behind_one_nat(clients):
    """Both are 192.0.2.3 to the router: each has its address and its flow, and what is for one never goes to the other."""
    lab, start = clients
    lab.shell("N", BEHIND_NAT)
    one, two = start("C1"), start("C2", user="berta", password="berta-s3cret")
    addresses = {"C1": one.up()["INTERNAL_IP4_ADDRESS"], "C2": two.up()["INTERNAL_IP4_ADDRESS"]}
    assert set(addresses.values()) == {"10.3.0.1", "10.3.0.2"}
    for c in (one, two):
        until(lambda: " 0% packet loss" in c.ping(args="-c 1 -W 2"), 20)
    for _ in range(2):
        for c in (one, two):
            assert " 0% packet loss" in c.ping(), c.state()
            assert " 0% packet loss" in lab.shell("H", f"ping -n -c 5 -i 0.2 -W 5 {addresses[c.node]}", check=False), c.state()
    for c in (one, two):
        bulk(lab, c.node, addresses[c.node])
    assert lab.exec("R1", "show crypto map").count("created from dynamic map DYN/10") == 2
    one.close()  # the other one stays
    assert " 0% packet loss" in two.ping(), two.state()
    assert " 0% packet loss" in lab.shell("H", f"ping -n -c 5 -i 0.2 -W 5 {addresses['C2']}", check=False), two.state()
