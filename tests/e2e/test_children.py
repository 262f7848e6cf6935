"""main with children it cannot trust: doubles that answer garbage, nothing, everything twice, too much (aditd_double.c), and
real ones that end in any order. main answers its consoles meanwhile, loses no descriptor, and ends in two seconds."""
import json
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ADIT, BUILD, opened, sh, until

CONFIG = """hostname D
crypto isakmp policy 1
 authentication pre-share
crypto isakmp key k address 2.2.2.2
crypto ipsec transform-set T esp-aes esp-sha-hmac
crypto ipsec profile P
 set transform-set T
interface Loopback0
 ip address 1.1.1.1 255.255.255.255
interface Tunnel0
 ip address 10.9.9.1 255.255.255.0
 tunnel source 1.1.1.1
 tunnel destination 2.2.2.2
 tunnel mode ipsec ipv4
 tunnel protection ipsec profile P
"""


class Double:
    def __init__(self, tmp_path, how, more):
        self.ns = f"adit-double{os.getpid() % 10000}"
        self.dir = tmp_path / "run"
        self.dir.mkdir()
        (tmp_path / "D.cfg").write_text(CONFIG + more)
        sh(["ip", "netns", "add", self.ns])
        sh(["ip", "-n", self.ns, "link", "set", "lo", "up"])
        self.stderr = open(tmp_path / "stderr", "w+")
        self.p = subprocess.Popen(["ip", "netns", "exec", self.ns, BUILD / "tests/e2e/aditd_double", self.dir, tmp_path / "D.cfg"],
                                  stderr=self.stderr, env={**os.environ, "ADIT_DOUBLE": how}, start_new_session=True)
        self.sock = str(self.dir / "sock")

    def ask(self, line, timeout=20):
        return subprocess.run([ADIT, "-n", self.sock, line], capture_output=True, text=True, timeout=timeout)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.p.pid}/fd"))

    def children(self):
        return [int(x) for x in Path(f"/proc/{self.p.pid}/task/{self.p.pid}/children").read_text().split()]

    def log(self):
        return (self.dir / "log").read_text()

    def end(self, how=lambda d: d.p.send_signal(signal.SIGTERM)):
        """Ends it, in two seconds; returns its exit status."""
        how(self)
        status = self.p.wait(2)
        self.stderr.seek(0)
        text = self.stderr.read()
        assert "Sanitizer" not in text and "runtime error" not in text, text
        return status

    def close(self):
        if self.p.poll() is None:
            os.killpg(self.p.pid, signal.SIGKILL)
            self.p.wait(10)
        self.stderr.close()
        for pid in sh(["ip", "netns", "pids", self.ns]).split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass  # it has ended by itself meanwhile
        sh(["ip", "netns", "del", self.ns])


@pytest.fixture
def double(tmp_path):
    made = []

    def make(how, more=""):
        made.append(Double(tmp_path, how, more))
        until(lambda: os.path.exists(made[-1].sock), 20)
        return made[-1]

    yield make
    for d in made:
        d.close()


def test_silent_children_do_not_stop_the_console(double):
    d = double("silent")
    waits = [subprocess.Popen([ADIT, "-n", d.sock, "show crypto session"], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    start = time.monotonic()
    for _ in range(5):
        assert "D uptime is" in d.ask("show version").stdout
    took = time.monotonic() - start
    assert all(w.poll() is None for w in waits), "the question was answered?"
    for w in waits:
        out = w.communicate(timeout=10)[0]
        assert "does not answer" in out and w.returncode == 1
    assert took < 1.5, took  # one blocking question would be two seconds
    assert d.end() == 0


@pytest.mark.parametrize("how, follows", [("silent", False), ("honest", True)])
def test_the_kernel_waits_for_dp(double, how, follows):
    """Addresses, routes and FRR's lines come when dp protects by the new ones, and not before."""
    d = double(how, "router ospf 1\n network 10.9.9.0 0.0.0.255 area 0\n")
    frr = d.dir / "frr/frr.conf"
    there = lambda: "10.9.9.1" in sh(["ip", "-n", d.ns, "addr"]) and "1.1.1.1" in sh(["ip", "-n", d.ns, "addr"])
    if follows:
        until(there, 10)
        until(frr.exists, 10)
    else:
        for _ in range(3):  # two seconds of nothing each: longer than main's patience with ike
            d.ask("show crypto session")
        assert "10.9.9.1" not in sh(["ip", "-n", d.ns, "addr"]) and "1.1.1.1" not in sh(["ip", "-n", d.ns, "addr"])
        assert not frr.exists()
    assert d.end() == 0


def test_a_refused_configuration_is_given_again(double):
    """Until ike has taken it, at each look; the kernel follows dp meanwhile, and it is said once."""
    d = double("refuses")
    until(lambda: "1.1.1.1" in sh(["ip", "-n", d.ns, "addr"]), 10)
    until(lambda: "ike has taken generation 3" in Path(d.stderr.name).read_text(), 60)
    assert d.log().count("configuration for ike: it was refused; the old one stays in force") == 1
    assert d.end() == 0


def test_routes_the_kernel_did_not_tell(double):
    """A dump of routes that fails, whoever asked for it, is no table without routes: the blackhole of a learned network, which only the
    kernel remembers, stays; no address is taken for one whose network is lost; and all is looked at again."""
    d = double("honest")
    untold, nets = d.dir / "untold", iter(range(51, 250))
    holes = lambda: sh(["ip", "-n", d.ns, "route", "show", "type", "blackhole"])

    def learn(n):
        sh(["ip", "-n", d.ns, "route", "add", f"10.{n}.0.0/16", "dev", "Tunnel0", "proto", "188"])
        until(lambda: f"10.{n}.0.0/16" in holes(), 10)

    sh(["ip", "-n", d.ns, "link", "add", "Fa0-0", "type", "veth", "peer", "name", "far"])
    sh(["ip", "-n", d.ns, "link", "set", "far", "up"])
    c = opened(d.sock)
    for l in ("configure terminal", "interface FastEthernet0/0", "ip address 10.8.8.1 255.255.255.0", "no shutdown", "end"):
        assert c.say(l)[1]["done"] == 0, l
    until(lambda: "10.8.8.0/24" in sh(["ip", "-n", d.ns, "route"]), 10)
    learn(50)
    monitor = subprocess.Popen(["ip", "-n", d.ns, "monitor", "address"], stdout=subprocess.PIPE, text=True)
    try:
        tries, said = iter(range(1, 250)), b""

        def watches():
            nonlocal said
            sh(["ip", "-n", d.ns, "addr", "add", f"10.7.{next(tries)}.1/24", "dev", "far"])
            while select.select([monitor.stdout], [], [], 0.2)[0]:
                said += os.read(monitor.stdout.fileno(), 4096)
            return b"10.7." in said

        until(watches, 20)
        for n in range(1, 6):
            untold.write_bytes(b"x" * n)
            sh(["ip", "-n", d.ns, "route", "del", "10.50.0.0/16", "dev", "Tunnel0"], check=False)
            while untold.exists():
                learn(next(nets))
        learn(next(nets))
        assert "10.50.0.0/16" in holes()
    finally:
        monitor.terminate()
        told = monitor.communicate()[0]
    assert "10.8.8.1" not in told, told
    assert "the kernel did not tell all of them; what is in force stays" in d.log()
    assert d.end() == 0


@pytest.mark.parametrize("how, why", [("garbage", "a field holds what cannot be"), ("garbage", "its type is none"),
                                      ("garbage", "it tells of an event that another"), ("fds", "it brought descriptors"),
                                      ("long", "its length is wrong"), ("twice", "it answers what was not asked"),
                                      ("much", "(the answer does not end|it answers what was not asked)")])
def test_what_children_say_is_checked(double, how, why):
    d = double(how)
    until(lambda: "D uptime" in d.ask("show version").stdout, 10)
    d.ask("show crypto session")
    before = d.descriptors()
    for _ in range(1 if how == "much" else 10):
        d.ask("show crypto session")
        d.ask("show crypto ipsec sa")
    until(lambda: d.descriptors() <= before, 5)
    assert re.search(rf"^\d+ +value of (ike|dp) +{why}", d.ask("show drops").stdout, re.M), d.ask("show drops").stdout
    assert re.search(rf"%ADIT-3-CHILD_VALUE: process (ike|dp) said what is not taken: {why}", d.log())
    assert "FORGED" not in d.log()
    assert d.end() == 0


@pytest.mark.parametrize("how", ["garbage", "long", "fds"])
def test_a_child_that_talks_garbage_is_ended(double, how):
    """Main does not listen to it for ever: it is ended, said so once and counted, and started again like one that died."""
    d = double(how)
    ended = lambda: re.findall(r"CHILD_VALUE: process dp said what is not taken: again and again; it was ended for that", d.log())

    def asked_until_ended():
        d.ask("show crypto session")
        return ended()

    until(asked_until_ended, 30)
    until(lambda: len(re.findall(r"process dp started", d.log())) >= 2, 20)
    assert re.search(r"process dp \(pid \d+\).*signal 9; starting it again", d.log())
    assert re.search(r"^\d+ +value of dp +again and again", d.ask("show drops").stdout, re.M)
    assert d.end() == 0


def test_a_child_that_is_only_late_is_not_ended(double):
    d = double("twice")
    for _ in range(6):
        d.ask("show crypto session")
    assert "answers what was not asked" in d.log() and "ended for that" not in d.log()
    assert d.end() == 0


def test_an_answer_to_a_console_that_hung_up_is_no_fault(double):
    d = double("honest")
    assert d.ask("show crypto session").returncode == 0
    for pid in d.children():
        os.kill(pid, signal.SIGSTOP)
    try:
        w = subprocess.Popen([ADIT, "-n", d.sock, "show crypto session"], stdout=subprocess.DEVNULL)
        time.sleep(0.3)  # it asks and hears nothing: there is no event to wait for
        w.kill()
        w.wait(10)
    finally:
        for pid in d.children():
            os.kill(pid, signal.SIGCONT)
    assert d.ask("show crypto session").returncode == 0
    assert "answers what was not asked" not in d.log()
    assert d.end() == 0


def test_a_child_that_hangs_up_is_ended_and_started_again(double):
    d = double("hangup")
    until(lambda: len(re.findall(r"process dp started", d.log())) >= 2 and len(re.findall(r"process ike started", d.log())) >= 2, 20)
    assert "process dp (pid" in d.log() and "signal 9; starting it again" in d.log()
    assert d.end() == 0


def test_children_end_in_any_order(double):
    """After many restarts no descriptor is lost, and main ends in two seconds."""
    d = double("honest")
    until(lambda: len(d.children()) == 2, 10)
    assert d.ask("show crypto session").returncode == 0
    for pid in d.children():  # keys are not left on the stack by the dynamic linker
        assert b"LD_BIND_NOW=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    before = d.descriptors()
    for n, sig in enumerate((signal.SIGKILL, signal.SIGHUP, signal.SIGUSR1, signal.SIGKILL)):
        pids = d.children()
        for pid in (pids, pids[::-1], pids[:1], pids[1:])[n]:
            w = subprocess.Popen([ADIT, "-n", d.sock, "show crypto session"], stdout=subprocess.DEVNULL)
            os.kill(pid, sig)
            w.wait(10)
        until(lambda: len(d.children()) == 2 and not set(d.children()) <= set(pids), 10)
        until(lambda: d.ask("show crypto session").returncode == 0, 10)
    until(lambda: d.descriptors() <= before, 5)
    assert d.end() == 0


@pytest.mark.parametrize("how", [lambda d: os.killpg(d.p.pid, signal.SIGTERM), lambda d: os.killpg(d.p.pid, signal.SIGINT),
                                 lambda d: [os.kill(c, signal.SIGTERM) for c in d.children()] + [d.p.send_signal(signal.SIGTERM)]],
                         ids=["group-term", "group-int", "children-first"])
def test_the_whole_group_is_ended(double, how):
    """In two seconds; and ike hears it in time to say Delete to its peers."""
    d = double("honest")
    until(lambda: len(d.children()) == 2, 10)
    assert d.ask("show crypto session").returncode == 0
    assert d.end(how) == 0
    assert "starting it again" not in d.log()
    assert "ike hears that everything ends" in Path(d.stderr.name).read_text()


def test_a_stopped_child_is_killed_at_the_end(double):
    d = double("honest")
    until(lambda: len(d.children()) == 2, 10)
    for pid in d.children():
        os.kill(pid, signal.SIGSTOP)
    assert "does not answer" in d.ask("show crypto session").stdout
    assert d.end() == 0


# ---- consoles: whatever they do, main stays


@pytest.mark.parametrize("enter, line", [("interface Tunnel0", "description x"), ("crypto isakmp policy 1", "encr aes"),
                                         ("crypto ipsec transform-set T esp-aes esp-sha-hmac", "mode transport"),
                                         ("crypto ipsec profile P", "set pfs group2"), ("crypto map M 10 ipsec-isakmp", "set peer 9.9.9.9"),
                                         ("router ospf 1", "network 1.0.0.0 0.0.0.255 area 0"), ("ip access-list extended L", "permit ip any any"),
                                         ("ip access-list standard S", "permit any"), ("line vty 0 4", "login")])
def test_the_configuration_is_read_again_under_a_console(double, enter, line):
    """SIGHUP takes the model away under a console's submode; what it types next must not touch the old one."""
    d = double("honest")
    c = opened(d.sock)
    for l in ("configure terminal", enter, line):
        assert c.say(l)[1]["done"] == 0, l
    d.p.send_signal(signal.SIGHUP)
    until(lambda: "by SIGHUP" in d.log(), 10)
    text, o = c.say(line)
    assert o["done"] == 1 and "left its submode" in text and "^" in text and o["prompt"] == "D(config)#"
    for l in (enter, line, "hostname E"):
        assert c.say(l)[1]["done"] == 0, l
    assert d.end() == 0


def copies(pid, what):
    """Where in a process's memory these bytes stand, and what is around them."""
    found = []
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in maps:
            low, high = (int(x, 16) for x in line.split()[0].split("-"))
            if not line.split()[1].startswith("rw") or high - low > 1 << 32:  # the sanitizer's shadow
                continue
            try:
                mem.seek(low)
                data = mem.read(high - low)
            except OSError:
                continue
            at = data.find(what)
            while at >= 0:
                found.append((hex(low + at), line.split()[-1], data[max(at - 30, 0):at + 40]))
                at = data.find(what, at + 1)
    return found


def test_what_was_typed_is_not_kept(double):
    """Passwords that consoles typed stand nowhere in main's memory afterwards, whether they were right, wrong, or quoted in a
    complaint, and whether the console is still there or has gone."""
    d = double("honest")
    c, other = opened(d.sock), opened(d.sock)
    assert copies(d.p.pid, b"default"), "it sees nothing"
    for l, status in (("configure terminal", 0), ("enable secret Zq9Sec7Ret-one", 0), ("crypto isakmp key a address Zq9Sec7Ret", 1),
                      ("end", 0), ("disable", 0), ("enable", 0), ("Zq9Sec7Ret-wrong", 1), ("Zq9Sec7Ret-one", 0)):
        assert c.say(l)[1]["done"] == status, l
    other.send({"line": "show running-config | include Zq9Sec7Ret"})
    other.done()
    other.s.close()
    until(lambda: not copies(d.p.pid, b"Zq9Sec7Ret"), 5)
    assert c.say("show version")[1]["done"] == 0
    assert d.end() == 0


def test_a_console_that_hangs_up_at_any_byte(double):
    d = double("honest")
    talk = b"".join(json.dumps(o).encode() + b"\n" for o in (
        {"open": {"privileged": True}}, {"line": "show crypto session"}, {"line": "ping 1.1.1.1 repeat 100 timeout 1"},
        {"break": True}, {"line": "configure terminal"}, {"line": "interface Tunnel0"}, {"help": "ip "}, {"complete": "tun"},
        {"line": "do show crypto ipsec sa"}, {"line": "end"}, {"line": "ping 9.9.9.9 repeat 2"}, {"line": "exit"}))
    before = d.descriptors()
    for n in range(len(talk) + 1):
        s = socket.socket(socket.AF_UNIX)
        s.connect(d.sock)
        s.sendall(talk[:n])
        if n % 3 == 2 and b"\n" in talk[:n]:
            s.recv(1)
        s.close()
    until(lambda: d.ask("show crypto session").returncode == 0, 10)
    until(lambda: d.descriptors() <= before, 10)
    assert d.end() == 0


def test_typed_lines_are_followed(double):
    """Soon, without leaving configuration mode, and also when the console has gone by then."""
    d = double("honest")
    there = lambda: "7.7.7.7" in sh(["ip", "-n", d.ns, "addr"])
    until(lambda: "1.1.1.1" in sh(["ip", "-n", d.ns, "addr"]), 10)
    for line, wanted, stays in (("ip address 7.7.7.7 255.255.255.255", True, True), ("no ip address", False, False)):
        time.sleep(0.5)  # nothing else makes main look: the kernel's news of what it did itself are over
        c = opened(d.sock)
        for typed in ("configure terminal", "interface Loopback7", line):
            c.say(typed)
        if not stays:
            c.hang_up()
        until(lambda: there() == wanted, 10)
        if stays:
            c.hang_up()
    assert d.end() == 0


def test_requests_wait_for_the_one_before(double):
    """Commands that are sent at once are done one after the other, each ends once."""
    d = double("honest")
    until(lambda: "1.1.1.1" in sh(["ip", "-n", d.ns, "addr"]), 10)  # the kernel follows the children
    c = opened(d.sock)
    c.send({"line": "ping 1.1.1.1 repeat 2"}, {"line": "show crypto session"}, {"line": "ping 1.1.1.1 repeat 1"}, {"line": "show clock"})
    texts = [c.done()[0] for _ in range(4)]
    assert "(2/2)" in texts[0] and "Crypto session current status" in texts[1] and "(1/1)" in texts[2] and "UTC" in texts[3]
    c.send(*[{"line": "show crypto isakmp sa"}] * 400)  # more than main's buffer for a console holds
    for _ in range(400):
        assert c.done()[1]["done"] == 0
    assert d.end() == 0


def test_odd_pings(double):
    d = double("honest")
    sh(["ip", "-n", d.ns, "link", "set", "lo", "up", "mtu", "1500"])
    until(lambda: "1.1.1.1" in sh(["ip", "-n", d.ns, "addr"]), 10)  # the kernel follows the children
    c = opened(d.sock)
    for to, size in (("::1", 36), ("::1", 47)):
        text, o = c.say(f"ping {to} size {size} repeat 1")
        assert "% the size of an IPv6 echo is 48 to 18024 bytes" in text and o["done"] == 1
    assert "(1/1)" in c.say("ping ::1 size 48 repeat 1")[0]
    assert "(1/1)" in c.say("ping 1.1.1.1 size 36 repeat 1")[0]
    assert "(1/1)" in c.say("ping 1.1.1.1 size 18024 repeat 1 timeout 3")[0]
    text, o = c.say("ping 1.1.1.1 size 2000 df-bit repeat 2000")  # each is refused at once by the kernel
    assert text.count("M") >= 2000 and "(0/2000)" in text
    assert "UTC" in c.say("show clock")[0]  # and ended once
    assert d.end() == 0
