"""main with children it cannot trust: doubles that answer garbage, nothing, everything twice, too much (aditd_double.c), and
real ones that end in any order. main answers its consoles meanwhile, loses no descriptor, and ends in two seconds."""
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from conftest import ADIT, BUILD, sh, until

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
    def __init__(self, tmp_path, how):
        self.ns = f"adit-double{os.getpid() % 10000}"
        self.dir = tmp_path / "run"
        self.dir.mkdir()
        (tmp_path / "D.cfg").write_text(CONFIG)
        sh(["ip", "netns", "add", self.ns])
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
            os.kill(int(pid), signal.SIGKILL)
        sh(["ip", "netns", "del", self.ns])


@pytest.fixture
def double(tmp_path):
    made = []

    def make(how):
        made.append(Double(tmp_path, how))
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


@pytest.mark.parametrize("how, why", [("garbage", "a field holds what cannot be"), ("garbage", "its type is none"),
                                      ("garbage", "it tells of an event that another"), ("fds", "it brought descriptors"),
                                      ("long", "its length is wrong"), ("twice", "it answers what was not asked"),
                                      ("much", "the answer does not end")])
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
    before = d.descriptors()
    for n, sig in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL)):
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
    d = double("honest")
    until(lambda: len(d.children()) == 2, 10)
    assert d.ask("show crypto session").returncode == 0
    assert d.end(how) == 0
    assert "starting it again" not in d.log()


def test_a_stopped_child_is_killed_at_the_end(double):
    d = double("honest")
    until(lambda: len(d.children()) == 2, 10)
    for pid in d.children():
        os.kill(pid, signal.SIGSTOP)
    assert "does not answer" in d.ask("show crypto session").stdout
    assert d.end() == 0
