#!/usr/bin/python3
"""bench_hands.py BUILD: main mode and quick mode with pre-shared keys, adit and strongSwan as the responder in turn, the same initiators
(tests/bench/bench_hands.c) for both: AES-128, SHA-256, one of three groups; ESP with AES-128 and SHA-1.

    10.9.0.1 and on, one per peer   192.0.2.1 --- 192.0.2.2   the responder, pinned to core 0; the initiators have core 1

Each peer is configured: for adit by an entry of a crypto map and its list, for strongSwan by one conn that takes them all, which is
the least work for it. strongSwan is Debian's, of the tree that the end-to-end tests' far end has (tests/e2e/peer_vm), in user space with
kernel-libipsec, OpenSSL in front of its own ciphers, no log. A second of one core is measured in CPU time of the responder: all
processes of adit, all threads of charon. `bound` is what the two powers of Diffie-Hellman alone would allow, measured in the same run.
PEERS=20,200,2000 and GROUPS=14,2,19 choose."""
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
BUILD = Path(sys.argv[1] if len(sys.argv) > 1 else HERE / "build").resolve()
VM = HERE / "tests" / "e2e" / "peer_vm" / "build.sh"  # its files lie in a folder for each version of it
ROOT = Path(os.environ.get("ADIT_VM_CACHE", "/var/cache/adit-peer-vm")) / hashlib.sha256(VM.read_bytes()).hexdigest()[:16] / "root"
NAMES = {2: "1024 bits (2)", 14: "2048 bits (14)", 19: "P-256 (19)"}
A, B = (f"hands{os.getpid()}{x}" for x in "ab")

STRONGSWAN = """charon {
  load = openssl aes sha1 sha2 hmac kdf random nonce gmp kernel-libipsec kernel-netlink socket-default stroke
  dos_protection = no
  init_limit_half_open = 0
  filelog { }
  syslog { daemon { default = -1 }
    auth { default = -1 } }
  plugins { stroke { secrets_file = /run/ipsec.secrets }
    kernel-libipsec { allow_peer_ts = yes } }
}
"""
CONN = """conn c
  keyexchange=ikev1
  ike=aes128-sha256-modp2048,aes128-sha256-modp1024,aes128-sha256-ecp256!
  esp=aes128-sha1!
  authby=psk
  left=192.0.2.2
  leftsubnet=10.200.0.0/24
  right=%any
  rightsubnet=10.100.0.0/16
  ikelifetime=24h
  lifetime=1h
  auto=add
"""


def sh(cmd):
    return subprocess.run(cmd, shell=True, check=True, capture_output=True, text=True).stdout


def children(pid):
    return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def until(what, seconds):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            sys.exit(f"bench_hands: not within {seconds} s: {what.__doc__}")
        time.sleep(0.1)


class Adit:
    def __init__(self, folder, peers):
        lines = ["hostname hub"]
        for prio, group in enumerate(NAMES, 1):
            lines += [f"crypto isakmp policy {prio}", " encr aes", " hash sha256", " authentication pre-share", f" group {group}"]
        lines += ["crypto isakmp key bench-hands address 0.0.0.0 0.0.0.0", "crypto ipsec transform-set T esp-aes esp-sha-hmac"]
        for i in range(1, peers + 1):
            lines += [f"ip access-list extended P{i}", f" permit ip 10.200.0.0 0.0.0.255 host 10.100.{i >> 8}.{i & 255}",
                      f"crypto map M {i} ipsec-isakmp", f" set peer 10.9.{i >> 8}.{i & 255}", " set transform-set T", f" match address P{i}"]
        lines += ["interface FastEthernet0/0", " ip address 192.0.2.2 255.255.255.0", " crypto map M", "end"]
        (folder / "hub.cfg").write_text("\n".join(lines) + "\n")
        r, w = os.pipe()
        run = folder / f"adit{peers}"
        run.mkdir()
        self.p = subprocess.Popen(["taskset", "-c", "0", "ip", "netns", "exec", A, BUILD / "src/aditd", "--run-dir", run, "--map", "FastEthernet0/0=w",
                                   "--ready-fd", str(w), folder / "hub.cfg"], pass_fds=[w], stderr=open(run / "err", "w"))
        os.close(w)
        if not os.read(r, 1):
            sys.exit("bench_hands: aditd did not start: " + (run / "err").read_text())
        os.close(r)
        ike = [k for k in children(self.p.pid) if b"--role=ike" in Path(f"/proc/{k}/cmdline").read_bytes()]
        self.pids = ike + [self.p.pid] + [k for k in children(self.p.pid) if k not in ike]

    def close(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait(20)


class StrongSwan:
    def __init__(self, folder, peers):
        (folder / "strongswan.conf").write_text(STRONGSWAN)
        (folder / "ipsec.conf").write_text(CONN)
        (folder / "ipsec.secrets").write_text(': PSK "bench-hands"\n')
        script = (f"mount -t tmpfs none {ROOT}/run && mount --rbind /dev {ROOT}/dev && mount -t proc none {ROOT}/proc && cp {folder}/*.conf {folder}/ipsec.secrets {ROOT}/run/ &&"
                  f" exec chroot {ROOT} env STRONGSWAN_CONF=/run/strongswan.conf /usr/lib/ipsec/starter --daemon charon --nofork --nolog --conf /run/ipsec.conf")
        self.p = subprocess.Popen(["taskset", "-c", "0", "ip", "netns", "exec", A, "unshare", "-m", "--propagation", "private", "sh", "-c", script],
                                  stdout=subprocess.DEVNULL, stderr=open(folder / "err", "w"))

        def ready():
            "strongSwan has its connection"
            return "c: " in subprocess.run(["nsenter", "-t", str(self.p.pid), "-m", "-n", "chroot", ROOT, "/usr/sbin/ipsec", "statusall"],
                                           capture_output=True, text=True).stdout.replace("c:  ", "c: ")
        until(ready, 20)
        self.pids = children(self.p.pid)

    def close(self):
        self.p.send_signal(signal.SIGTERM)
        self.p.wait(20)


def measure(who, folder, peers, groups):
    w = who(folder, peers)
    try:
        return {g: json.loads(sh(f"taskset -c 1 ip netns exec {B} {BUILD}/tests/bench/bench_hands 192.0.2.2 {peers} {g} "
                                 f"{150 if peers < 100 else 1000 if peers < 1000 else 1} {' '.join(map(str, w.pids))}")) for g in groups}
    finally:
        w.close()


def main():
    peers = [int(x) for x in os.environ.get("PEERS", "20,200,2000").split(",")]
    groups = [int(x) for x in os.environ.get("GROUPS", "14,2,19").split(",")]
    sh(str(VM))
    with tempfile.TemporaryDirectory() as d:
        try:
            sh(f"ip netns add {A} && ip netns add {B} && ip -n {A} link add w type veth peer name w netns {B}")
            for ns, n in ((A, 2), (B, 1)):
                sh(f"ip -n {ns} link set lo up && ip -n {ns} addr add 192.0.2.{n}/24 dev w && ip -n {ns} link set w up")
                sh(f"ip netns exec {ns} sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.w.rp_filter=0")
            sh(f"ip -n {A} route add 10.0.0.0/8 via 192.0.2.1; ip -n {B} route add local 10.9.0.0/16 dev lo")
            bound = {g: float(sh(f"taskset -c 0 {BUILD}/tests/bench/bench_hands {g}")) for g in groups}
            print("main mode and quick mode, pre-shared key, as responder; a second of one core\n"
                  f"{'group':16}{'peers':>6}   {'adit/s':>8}{'us each':>9}{'of it ike':>10}{'  strongSwan/s':>15}{'us each':>9}   {'ratio':>6}{'bound/s':>9}{'adit':>6}{'ike':>6}  of the bound")
            for n in peers:
                got = {w: measure(w, Path(d), n, groups) for w in (Adit, StrongSwan)}
                for g in groups:
                    us = {w: sum(got[w][g]["cpu"]) / got[w][g]["handshakes"] * 1e6 for w in got}
                    ike = got[Adit][g]["cpu"][0] / got[Adit][g]["handshakes"] * 1e6
                    a, s = us[Adit], us[StrongSwan]
                    print(f"{NAMES[g]:16}{n:6}   {1e6 / a:8.0f}{a:9.0f}{ike:10.0f}{1e6 / s:15.0f}{s:9.0f}   {s / a:6.2f}{1e6 / bound[g]:9.0f}{bound[g] / a:6.2f}{bound[g] / ike:6.2f}", flush=True)
        finally:
            for ns in (A, B):
                subprocess.run(["ip", "netns", "del", ns], capture_output=True)


main()
