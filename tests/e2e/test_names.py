"""Peers by name: `set peer NAME`, asked of the name server the configuration names, followed when it moves, kept when DNS fails."""
import subprocess
from pathlib import Path

import pytest

from conftest import until
from test_tunnels import V4, capture, drops, pair, ping, reaches  # noqa: F401 (pair is a fixture)

FAR = "far.example.net"


class Dns:
    """A name server on NET; names: {name: (address, seconds)}."""

    def __init__(self, lab, folder):
        self.file = folder / "names"
        self.say({})
        self.p = subprocess.Popen(["ip", "netns", "exec", lab.ns("NET"), "/usr/bin/python3", str(Path(__file__).with_name("dns_server.py")),
                                   "192.0.2.2", str(self.file)], stdin=subprocess.PIPE, stdout=open(folder / "asked", "w"), text=True)
        until(lambda: (folder / "asked").read_text().startswith("ready"))

    def say(self, names):
        self.file.with_suffix(".new").write_text("".join(f"{n} {a} {ttl}\n" for n, (a, ttl) in names.items()))
        self.file.with_suffix(".new").rename(self.file)

    def close(self):
        self.p.stdin.close()
        self.p.wait(timeout=10)


@pytest.fixture
def named(pair, tmp_path):
    """R1's peer has a name only; R2 knows R1 by its address."""
    side = {}
    for n, peer, gw in ((1, f"{FAR} dynamic", "192.0.2.2"), (2, "192.0.2.1", "192.0.2.5")):
        extra = [f"access-list 100 permit ip 10.{n}.0.0 0.0.0.255 10.{3 - n}.0.0 0.0.0.255", "ip name-server 192.0.2.2",
                 "crypto map VPN 10 ipsec-isakmp", f" set peer {peer}", " set transform-set TUNNEL", " match address 100"]
        side[n] = {"extra": "\n".join(extra), "wan": f" crypto map VPN\nip route 10.{3 - n}.0.0 255.255.255.0 {gw}\n"}
    lab = pair(mode=None, r1=side[1], r2=side[2])
    lab.dns = Dns(lab, tmp_path)
    try:
        yield lab
    finally:
        lab.dns.close()


def test_a_peer_by_name(named, tmp_path):
    l = named
    cap = capture(l, tmp_path)
    assert f"Peer = {FAR}" in l.exec("R1", "show crypto map")
    l.wait_log("R1", rf"%ADIT-4-PEER_NAME: peer {FAR} was asked for in vain: .*; what the map covers is dropped")
    assert "100% packet loss" in ping(l, V4, "-c 1 -W 1")
    until(lambda: drops(l, "R1", "covered, and nobody to send it to"))
    l.dns.say({FAR: ("192.0.2.6", 1)})
    l.wait_log("R1", rf"%ADIT-5-PEER_NAME: peer {FAR} is 192\.0\.2\.6", 40)
    reaches(l, V4)
    assert "current_peer 192.0.2.6 port 500" in l.exec("R1", "show crypto ipsec sa")
    # DNS fails: what was known holds, and so does the tunnel
    l.dns.say({})
    l.wait_log("R1", rf"%ADIT-4-PEER_NAME: peer {FAR} was asked for in vain: .*; its last address holds", 60)
    assert " 0% packet loss" in ping(l, V4)
    # it is somewhere else
    l.dns.say({FAR: ("192.0.2.5", 3600)})
    l.wait_log("R1", rf"%ADIT-5-PEER_NAME: peer {FAR} is 192\.0\.2\.5", 60)
    until(lambda: "current_peer 192.0.2.5 port 500" in l.exec("R1", "show crypto ipsec sa"))
    # the operator knows better
    l.config("R1", f"ip host {FAR} 192.0.2.6")
    reaches(l, V4)
    protos = {p[0] for p in cap.close("ip.proto", "ip.dst") if p[1] == "10.2.0.10"}
    assert not protos, protos


def test_what_is_no_name(named):
    l = named
    for peer in ("10.2.3", "1.2.3.4.5", "a_b@c", "x" * 64):
        rc, out = l.config("R1", "crypto map VPN 10 ipsec-isakmp", f"set peer {peer}")
        assert "expected" in out or "Invalid input" in out, (peer, out)
    l.config("R1", "no ip domain lookup", "crypto map VPN 10 ipsec-isakmp", "no set peer " + FAR, "set peer other.example.net")
    l.dns.say({"third.example.net": ("192.0.2.6", 60)})
    l.config("R1", "ip domain lookup", "crypto map VPN 10 ipsec-isakmp", "no set peer other.example.net", "set peer third.example.net")
    reaches(l, V4)
    asked = Path(l.dns.file.parent / "asked").read_text()
    assert "third.example.net" in asked and "other.example.net" not in asked, asked
    l.config("R1", "crypto map VPN 10 ipsec-isakmp", "no set peer third.example.net", "set peer other.example.net")
    assert "set peer other.example.net" in l.exec("R1", "show running-config")
