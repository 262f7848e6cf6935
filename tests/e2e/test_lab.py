"""The three examples live: the seeds' routers talk real IKE and move real packets."""
import os
import re
import signal
import socket
import subprocess
import sys

from conftest import ADIT, Capture, number, sh, until

PING = "ping CAFE:2::1 source fa 0/0"


def converge(l):
    l.wait_route("R1", "2.2.2.2")
    l.wait_route("R2", "1.1.1.1")


def test_gre_ipv6(lab, tmp_path):
    l = lab("gre-ipv6")
    converge(l)
    l.exec("R2", "debug crypto isakmp")
    l.exec("R1", "debug ip packet detail")
    cap = Capture(l.ns("ISP"), "Se0-0", tmp_path / "wan.pcap")
    out = l.exec("R1", PING)
    assert re.search(r"Sending 5, 100-byte ICMP Echos to CAFE:2::1, timeout is 2 seconds:\n"
                     r"Packet sent with a source address of CAFE:1::1\n!!!!!\n"
                     r"Success rate is 100 percent \(5/5\), round-trip min/avg/max = \d+/\d+/\d+ ms\n", out), out
    packets = cap.close()

    # one ISAKMP SA, IDLE; the counters are the pings'
    assert re.search(r"^2\.2\.2\.2 {9}1\.1\.1\.1 {9}QM_IDLE {14}1    0 ACTIVE$", l.exec("R1", "show crypto isakmp sa"), re.M)
    sa = l.exec("R1", "show crypto ipsec sa")
    assert number(r"#pkts encaps: (\d+)", sa) >= 5 and number(r"#pkts decaps: (\d+)", sa) >= 5
    assert "transform: esp-des esp-md5-hmac ," in sa and "in use settings ={Tunnel, }" in sa
    ses = l.exec("R1", "show crypto session detail")
    assert "Session status: UP-ACTIVE" in ses and "IPSEC FLOW: permit 47 host 1.1.1.1 host 2.2.2.2" in ses
    assert "Peer: 2.2.2.2 Port: 500 Local: 1.1.1.1\n Phase1 id: 2.2.2.2\n" == l.exec("R1", "show crypto isakmp peers")
    assert "Tunnel0 is up, line protocol is up\n  Tunnel protocol/transport GRE/IP\n" == l.exec("R1", "show int tun0 | include protocol")

    # nothing but IKE and ESP between the endpoints, each ping 176 bytes
    between = [p for p in packets if {p[0], p[1]} == {"1.1.1.1", "2.2.2.2"}]
    assert {p[2] for p in between} == {"17", "50"}
    assert [p[3] for p in between if p[2] == "50"].count("176") >= 10

    # debug ip packet detail
    log = l.log("R1")
    assert "IP: tableid=0, s=1.1.1.1 (local), d=2.2.2.2 (Serial0/0), routed via FIB\n" in log
    assert "IP: s=1.1.1.1 (local), d=2.2.2.2 (Serial0/0), g=10.1.1.2,len 176, forward, proto=50\n" in log
    assert "IP: tableid=0, s=2.2.2.2 (Serial0/0), d=1.1.1.1 (Loopback0), routed via RIB\n" in log
    assert "IP: s=2.2.2.2 (Serial0/0), d=1.1.1.1, len 124, rcvd 4, proto=47\n" in log
    # the responder's debug, in order (the whole transcript is compared in tests/ike)
    at = 0
    for line in ("received packet from 1.1.1.1 dport 500 sport 500 Global (N) NEW SA", "New State = IKE_R_MM1",
                 "Checking ISAKMP transform 1 against priority 10 policy", "New State = IKE_R_MM3", "SKEYID state generated",
                 "processing NOTIFY INITIAL_CONTACT protocol 1", "SA authentication status:authenticated",
                 "New State = IKE_P1_COMPLETE", "transform 1, ESP_DES", "New State = IKE_QM_SPI_STARVE", "Creating IPSec SAs",
                 'reason "QM done (await)"', "New State = IKE_QM_PHASE2_COMPLETE"):
        found = l.log("R2").find(line, at)
        assert found >= 0, f"{line!r} is not there or too early"
        at = found
    brief = l.exec("R1", "show ip interface brief")
    assert re.search(r"^Loopback0 +1\.1\.1\.1 +YES NVRAM +up +up$", brief, re.M), brief


def test_plain_gre_debug(lab):
    """Seed 000 before IPsec: the same tunnel without protection."""
    def strip(text):
        return text[:text.index("crypto isakmp policy")]
    import conftest
    base = conftest.ROOT / "examples" / "gre-ipv6"
    l = lab("gre-ipv6", files={f"{r}.cfg": strip((base / f"{r}.cfg").read_text()) for r in ("R1", "R2")})
    converge(l)
    l.exec("R1", "debug ip packet detail")
    assert "!!!!!" in l.exec("R1", PING)
    sent = lambda: l.log("R1").count("IP: s=1.1.1.1 (Tunnel0), d=2.2.2.2 (Serial0/0), len 124, sending, proto=47\n")
    until(lambda: sent() >= 5)  # lines follow the packets, they do not hold them up
    assert sent() == 5


def test_vti(lab):
    l = lab("vti")
    until(lambda: "!!!!!" in l.exec("R1", "ping 10.0.0.2", check=False), 30)
    assert "Tunnel0 is up, line protocol is up\n  Tunnel protocol/transport IPSEC/IP\n" == l.exec("R1", "show int tun0 | include protocol")
    sa = l.exec("R1", "show crypto ipsec sa")
    assert "local  ident (addr/mask/prot/port): (0.0.0.0/0.0.0.0/0/0)" in sa and "esp-3des esp-sha-hmac ," in sa
    assert "path mtu 1500, ip mtu 1500, ip mtu idb FastEthernet0/0" in sa
    l.wait_log("R1", r"%LINEPROTO-5-UPDOWN: Line protocol on Interface Tunnel0, changed state to up", 10)
    l.config("R1", "crypto logging session")
    # clear: comes back by itself, an ipsec VTI does not wait for traffic
    old = re.findall(r"spi: 0x([0-9A-F]+)", sa)
    l.exec("R1", "clear crypto session")
    until(lambda: re.search(r"QM_IDLE +\d+    0 ACTIVE$", l.exec("R1", "show crypto isakmp sa"), re.M), 30)
    until(lambda: "!!!!!" in l.exec("R1", "ping 10.0.0.2", check=False), 30)
    assert not set(old) & set(re.findall(r"spi: 0x([0-9A-F]+)", l.exec("R1", "show crypto ipsec sa")))
    log = l.log("R1")
    down = log.index("%CRYPTO-5-SESSION_STATUS: Crypto tunnel is DOWN.  Peer 172.16.0.6:500       Id: 172.16.0.6")
    assert "%CRYPTO-5-SESSION_STATUS: Crypto tunnel is UP  .  Peer 172.16.0.6:500" in log[down:]


def test_crypto_map(lab, tmp_path):
    l = lab("crypto-map")
    cap = Capture(l.ns("ISP"), "Fa0-0", tmp_path / "wan.pcap")
    out = l.shell("Bob", "ping -c 5 -i 0.2 -W 10 10.2.0.10")
    assert " 0% packet loss" in out, out
    packets = cap.close()
    assert {p[2] for p in packets if p[0]} == {"17", "50"}, packets
    assert " 0% packet loss" in l.shell("Lima", "ping -c 3 -i 0.2 -W 10 10.1.0.10")
    # IKE and ESP carry the mark that the classifier lets pass; a tunnel in clear, and whatever main sends, does not
    ike = l.shell("CE1", "ss -uaneH sport = 500")
    assert ike.count("fwmark:0xad17") == len(ike.splitlines()) == 2, ike
    # the router itself, from its LAN address, is covered too; the world outside the list is not
    assert "!!!!!" in l.exec("CE1", "ping 10.2.0.1 source fa0/0")
    assert "!!!!!" in l.exec("CE1", "ping 1.1.1.2")
    sa = l.exec("CE1", "show crypto ipsec sa")
    assert "local  ident (addr/mask/prot/port): (10.1.0.0/255.255.255.0/0/0)" in sa
    assert "Crypto map tag: VPN, local addr 1.1.1.1" in sa and "transform: esp-aes esp-sha-hmac ," in sa
    assert "IPSEC FLOW: permit ip 10.1.0.0/255.255.255.0 10.2.0.0/255.255.255.0" in l.exec("CE1", "show crypto session")


def test_crypto_map_fails_closed(lab, tmp_path):
    """Without an SA, without ike, without dp, without the daemon: protected traffic never leaves in clear, nor comes in."""
    l = lab("crypto-map", replace={"CE2.cfg": ("crypto isakmp key ccie", "crypto isakmp key other")})
    cap = Capture(l.ns("ISP"), "Fa0-0", tmp_path / "wan.pcap")
    l.shell("Bob", "ping -c 2 -i 0.2 -W 1 10.2.0.10", check=False)
    # from outside in clear: an ISP that routes to the LAN directly
    l.shell("ISP", "ip route add 10.1.0.0/24 via 1.1.1.1; ip addr add 10.2.0.99/32 dev lo; ping -c 2 -i 0.2 -W 1 -I 10.2.0.99 10.1.0.10", check=False)
    l.wait_log("CE1", r"%CRYPTO-4-RECVD_PKT_NOT_IPSEC: Rec'd packet not an IPSEC packet", 10)
    assert re.search(r"^[1-9]\d* +clear text that must be protected", l.exec("CE1", "show drops"), re.M)
    for role in ("ike", "dp", "main"):
        pid = l.pids("CE1", role)[0]
        os.kill(pid, signal.SIGKILL)
        l.shell("Bob", "ping -c 2 -i 0.2 -W 1 10.2.0.10", check=False)
    packets = cap.close("ip.src", "ip.dst", "ip.proto")
    assert not [p for p in packets if p[:2] == ["10.1.0.10", "10.2.0.10"] or p[:2] == ["10.1.0.10", "10.2.0.99"]], packets


def test_new_routes_do_not_leak(lab, tmp_path):
    """A route that appears a moment ago: not one covered packet takes it in clear."""
    l = lab("crypto-map", replace={"CE1.cfg": ("ip route 0.0.0.0 0.0.0.0 1.1.1.2", "ip route 2.2.2.0 255.255.255.0 1.1.1.2")})
    cap = Capture(l.ns("ISP"), "Fa0-0", tmp_path / "wan.pcap")
    ping = subprocess.Popen(["ip", "netns", "exec", l.ns("Bob"), "ping", "-q", "-i", "0.005", "-c", "300", "10.2.0.10"], stdout=subprocess.DEVNULL)
    for _ in range(20):
        l.shell("CE1", "ip route add 10.2.0.0/24 via 1.1.1.2; ip route del 10.2.0.0/24 via 1.1.1.2")
    ping.wait(30)
    packets = cap.close("ip.src", "ip.dst", "ip.proto")
    assert not [p for p in packets if p[0] == "10.1.0.10"], packets


def steered(l, node, link):
    """adit's classifiers on a link: which of egress and ingress."""
    return [d for d in ("egress", "ingress") if "steer_" in l.shell(node, f"tc filter show dev {link} {d}")]


def test_crypto_map_comes_and_goes(lab):
    """Taking the map off the link takes classifiers and TUNs with it; a classifier or TUN taken away by hand comes back."""
    l = lab("crypto-map")
    both = ["egress", "ingress"]
    ping = lambda: " 0% packet loss" in l.shell("Lima", "ping -c 3 -i 0.2 -W 10 10.1.0.10", check=False)
    assert steered(l, "CE2", "Fa0-1") == both and steered(l, "CE2", "Fa0-0") == []
    l.config("CE2", "interface fa0/1", " no crypto map VPN")
    until(lambda: steered(l, "CE2", "Fa0-1") == [] and not re.search("crypto|clear", l.shell("CE2", "ip -br link")))
    l.config("CE2", "interface fa0/1", " crypto map VPN")
    until(lambda: steered(l, "CE2", "Fa0-1") == both)
    assert ping()
    l.shell("CE2", "tc qdisc del dev Fa0-1 clsact")
    until(lambda: steered(l, "CE2", "Fa0-1") == both)
    assert ping()
    crypto = re.search(r"crypto\d+", l.shell("CE2", "ip -br link")).group()
    l.shell("CE2", f"ip link del {crypto}")
    until(lambda: crypto in l.shell("CE2", "ip -br link"))
    until(ping)
    l.shell("CE2", "ip addr flush dev Fa0-1; ip route flush table main")
    until(ping)


def test_routing_daemons_that_hang_or_change(lab):
    """FRR that does not answer stops nobody; a console that changes OSPF and hangs up leaves main as it was."""
    l = lab("gre-ipv6")
    until(lambda: "O>*" in l.exec("R1", "show ip route"), 60)
    zebra = int((l.dir("R1") / "frr/zebra.pid").read_text())
    os.kill(zebra, signal.SIGSTOP)
    asked = subprocess.Popen([ADIT, "lab", "exec", f"{l.name}/R1", "show ip route"], stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        assert "R1 uptime" in l.exec("R1", "show version", timeout=2)
    os.kill(zebra, signal.SIGCONT)
    asked.communicate(timeout=10)
    for cost in range(70, 80):
        s = socket.socket(socket.AF_UNIX)
        s.connect(str(l.dir("R1") / "sock"))
        s.sendall(b'{"open": {"privileged": true}}\n{"line": "configure terminal"}\n{"line": "interface Serial0/0"}\n'
                  + b'{"line": "ip ospf cost %d"}\n' % cost)
        s.close()
    until(lambda: " ip ospf cost 79" in l.exec("R1", "show running-config"), 20)
    until(lambda: "O>*" in l.exec("R1", "show ip route"), 60)


def test_two_labs_and_a_crash(lab):
    a, b = lab("vti"), lab("vti")
    listed = subprocess.run([ADIT, "lab", "list"], capture_output=True, text=True).stdout
    assert a.name + ":" in listed and b.name + ":" in listed
    r = subprocess.run([ADIT, "lab", "exec", "R1", "show version"], capture_output=True, text=True)
    assert r.returncode == 2 and "more than one lab" in r.stderr
    a.config("R1", "hostname ALPHA")
    assert "ALPHA uptime" in a.exec("R1", "show version") and "R1 uptime" in b.exec("R1", "show version")
    os.kill(a.pids("R1", "main")[0], signal.SIGKILL)  # a crash
    assert a.down().returncode == 0
    assert a.down().returncode != 0  # nothing is left
    assert "R1 uptime" in b.exec("R1", "show version")


def test_ike_dies_under_traffic(lab):
    """The tunnel keeps carrying packets, a new ike starts and renegotiates, and no packet is lost meanwhile."""
    l = lab("vti")
    until(lambda: "!!!!!" in l.exec("R1", "ping 10.0.0.2", check=False), 30)
    before = set(re.findall(r"spi: 0x([0-9A-F]+)", l.exec("R1", "show crypto ipsec sa")))
    ping = subprocess.Popen(["ip", "netns", "exec", l.ns("R1"), "ping", "-i", "0.02", "-c", "400", "-W", "2", "10.0.0.2"],
                            stdout=subprocess.PIPE, text=True)
    pid = l.pids("R1", "ike")[0]
    os.kill(pid, signal.SIGKILL)
    until(lambda: l.pids("R1", "ike") not in ([], [pid]), 10)

    def replaced():
        now = set(re.findall(r"spi: 0x([0-9A-F]+)", l.exec("R1", "show crypto ipsec sa", check=False)))
        return now and not now & before
    until(replaced, 60)
    out = ping.communicate(timeout=60)[0]
    assert "400 packets transmitted, 400 received, 0% packet loss" in out, (
        out + "".join(f"{r}\n" + l.exec(r, "show drops") + l.exec(r, "show crypto ipsec sa") + l.log(r) for r in ("R1", "R3")))
    assert re.search(r"%ADIT-3-CHILD_EXIT: process ike .* signal 9; starting it again", l.log("R1"))


def test_dp_dies(lab):
    l = lab("vti")
    until(lambda: "!!!!!" in l.exec("R1", "ping 10.0.0.2", check=False), 30)
    os.kill(l.pids("R1", "dp")[0], signal.SIGKILL)
    until(lambda: "!!!!!" in l.exec("R1", "ping 10.0.0.2", check=False), 60)


def test_rights(lab):
    """ike and dp are each a user that nobody else on this machine is, without capabilities, under a seccomp filter. What the
    filter forbids is tried in tests/unit/test_rights.c."""
    a, b = lab("vti"), lab("vti")
    uids = []
    for l, node in ((a, "R1"), (a, "R2"), (b, "R1"), (b, "R2")):
        for role in ("ike", "dp"):
            status = open(f"/proc/{l.pids(node, role)[0]}/status").read()
            uid = re.search(r"^Uid:\s+(20\d{8})\s+\1\s+\1\s+\1$", status, re.M)
            assert uid and re.search(rf"^Gid:\s+{uid[1]}\s", status, re.M), status
            uids.append(uid[1])
            assert re.search(r"^Groups:\s*$", status, re.M)
            for caps in ("CapEff", "CapPrm", "CapBnd", "CapInh"):
                assert re.search(rf"^{caps}:\s+0+$", status, re.M), status
            assert re.search(r"^Seccomp:\s+2$", status, re.M) and re.search(r"^NoNewPrivs:\s+1$", status, re.M)
    assert len(set(uids)) == 8
    for role, lacks in (("dp", "udp"), ("dp", "udp6"), ("ike", "raw"), ("ike", "raw6"), ("ike", "packet")):
        pid = a.pids("R1", role)[0]  # each has its own descriptors and not the other's
        held = {os.stat(f"/proc/{pid}/fd/{fd}").st_ino for fd in os.listdir(f"/proc/{pid}/fd")}
        column = 8 if lacks == "packet" else 9
        lines = [x.split() for x in open(f"/proc/{pid}/net/{lacks}").readlines()[1:]]
        # at port 4500 each has a socket of its own (RFC 3948)
        there = {int(x[column]) for x in lines if role != "dp" or not x[1].endswith(":1194")}
        assert not held & there, (role, lacks)
        if role == "dp":
            other = a.pids("R1", "ike")[0]
            theirs = {os.stat(f"/proc/{other}/fd/{fd}").st_ino for fd in os.listdir(f"/proc/{other}/fd")}
            assert not held & theirs & {int(x[column]) for x in lines}, "one socket for both"
    assert any("/dev/net/tun" in os.readlink(f"/proc/{a.pids('R1', 'dp')[0]}/fd/{fd}")
               for fd in os.listdir(f"/proc/{a.pids('R1', 'dp')[0]}/fd")), "looked at nothing"
    assert not any("tun" in os.readlink(f"/proc/{a.pids('R1', 'ike')[0]}/fd/{fd}")
                   for fd in os.listdir(f"/proc/{a.pids('R1', 'ike')[0]}/fd"))
    old = a.pids("R1", "ike")
    os.kill(old[0], signal.SIGKILL)  # one that starts again has its id again
    until(lambda: [p for p in a.pids("R1", "ike") if p not in old], 10)
    until(lambda: any(f"Uid:\t{uids[0]}\t" in sh(["cat", f"/proc/{p}/status"], check=False) for p in a.pids("R1", "ike")), 10)


def test_many_lines(lab):
    """Whatever the data plane does with a long list, it may do in its cage."""
    many = "".join(f"access-list 100 permit ip 10.1.0.0 0.0.0.255 host 10.77.{n // 250}.{n % 250}\n" for n in range(2000))
    l = lab("crypto-map", replace={"CE1.cfg": ("access-list 100 ", many + "access-list 100 ")})
    until(lambda: " 0% packet loss" in l.shell("Bob", "ping -c 2 -i 0.2 -W 3 10.2.0.10", check=False), 30)
    assert len(re.findall("process dp started", l.log("CE1"))) == 1


def test_clear_commands(lab):
    l = lab("crypto-map")
    assert " 0% packet loss" in l.shell("Bob", "ping -c 2 -i 0.2 -W 10 10.2.0.10")
    spis = lambda: re.findall(r"spi: 0x([0-9A-F]+)\(", l.exec("CE1", "show crypto ipsec sa"))
    states = lambda: l.exec("CE1", "show crypto isakmp sa")
    until(lambda: len(spis()) == 3, 30)  # current outbound, inbound, outbound; both ends may have begun
    old = spis()
    l.exec("CE1", "clear crypto sa peer 9.9.9.9")
    assert spis() == old
    l.exec("CE1", "clear crypto sa")
    until(lambda: spis() == ["0"], 10)
    assert re.search(r"QM_IDLE +1    0 ACTIVE$", states(), re.M)  # phase 1 stays
    assert " 0% packet loss" in l.shell("Bob", "ping -c 2 -i 0.2 -W 10 10.2.0.10")
    assert not set(old) & set(spis())
    l.exec("CE1", "clear crypto isakmp 1")
    until(lambda: re.search(r"MM_NO_STATE +1    0 ACTIVE \(deleted\)$", states(), re.M), 10)
    l.exec("CE1", "clear crypto sa counters")
    assert "#pkts encaps: 0" in l.exec("CE1", "show crypto ipsec sa")
    l.exec("CE1", "clear crypto session")
    until(lambda: "Session status: DOWN" in l.exec("CE1", "show crypto session"), 10)


def test_lab_capture(lab, tmp_path):
    l = lab("vti")
    p = subprocess.Popen([ADIT, "lab", "capture", f"{l.name}/R2", "FastEthernet0/0", tmp_path / "x.pcap"], stderr=subprocess.PIPE, text=True)
    assert "listening on" in p.stderr.readline()
    assert "!" in l.exec("R1", "ping 172.16.0.2 repeat 1")
    p.send_signal(signal.SIGINT)
    p.wait(10)
    p.stderr.close()
    assert "ICMP" in subprocess.run(["tshark", "-r", tmp_path / "x.pcap"], capture_output=True, text=True).stdout


def test_bad_topologies(tmp_path):
    """A wrong topology or router file says where, and leaves nothing behind."""
    def up(text, files=()):
        (tmp_path / "x.clab.yml").write_text(text)
        for name, body in files:
            (tmp_path / name).write_text(body)
        r = subprocess.run([ADIT, "lab", "up", tmp_path], capture_output=True, text=True)
        assert r.returncode == 1
        return r.stderr
    head = f"name: bad{os.getpid() % 10000}\ntopology:\n  nodes:\n    R1: {{kind: adit}}\n"
    assert "x.clab.yml:6:19: error: expected \"NODE:INTERFACE\"" in up(head + "  links:\n    - endpoints: [\"R9:Serial0/0\", \"R1:Serial0/0\"]\n")
    assert "x.clab.yml:2:1: error:" in up("name: [\n")
    assert "R1.cfg:1:1: error:" in up(head, [("R1.cfg", "nonsense here\n")])
    assert f"bad{os.getpid() % 10000}" not in subprocess.run(["ip", "netns"], capture_output=True, text=True).stdout


FORGE = """
import socket, struct, sys
spi, mtu = int(sys.argv[1], 16), int(sys.argv[2])
def checksum(b):
    s = sum(struct.unpack(f"!{len(b) // 2}H", b))
    s = (s & 0xffff) + (s >> 16)
    return ~((s & 0xffff) + (s >> 16)) & 0xffff
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 1400, 7, 0x4000, 60, 50, 0, socket.inet_aton("1.1.1.1"), socket.inet_aton("2.2.2.1"))
icmp = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + ip + struct.pack("!II", spi, 99)
icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
for _ in range(20):
    s.sendto(icmp, ("1.1.1.1", 0))
"""


def test_path_mtu_is_learned_from_live_spis_only(lab):
    """Fragmentation needed about an SPI that is none changes nothing, neither here nor in the kernel's own table; about a live one it is believed."""
    l = lab("crypto-map")
    big = lambda: l.shell("Bob", "ping -M do -s 1300 -c 2 -i 0.2 -W 3 10.2.0.10", check=False)
    until(lambda: " 0% packet loss" in big(), 30)
    l.shell("ISP", f"{sys.executable} -c '{FORGE}' deadbeef 576")
    assert " 0% packet loss" in big()
    assert " 0% packet loss" in l.shell("Bob", "ip route flush cache; ping -M do -s 1300 -c 3 -i 0.2 -W 3 10.2.0.10", check=False)
    spi = re.search(r"outbound esp sas:\s+spi: 0x([0-9A-F]+)", l.exec("CE1", "show crypto ipsec sa")).group(1)
    l.shell("ISP", f"{sys.executable} -c '{FORGE}' {spi} 1200")
    until(lambda: " 0% packet loss" not in big())
    assert " 0% packet loss" in l.shell("Bob", "ping -M do -s 1000 -c 3 -i 0.2 -W 3 10.2.0.10")
