"""End-to-end tests: labs of adit routers in network namespaces. ADIT_BUILD is the build directory (sanitized in CI)."""
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("ADIT_BUILD", ROOT / "build"))
ADIT = BUILD / "src" / "adit"
ADITD = BUILD / "src" / "aditd"
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0:abort_on_error=1")
os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")


def sh(cmd, check=True, timeout=60):
    r = subprocess.run(cmd, shell=isinstance(cmd, str), capture_output=True, text=True, timeout=timeout)
    if check and r.returncode:
        raise AssertionError(f"{cmd}: {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout


def until(what, seconds=30, step=0.05):
    """Asks a router for a condition it cannot announce. Returns the first true answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = what()
        if answer:
            return answer
        time.sleep(step)
    raise AssertionError(f"not true within {seconds} s: {getattr(what, '__doc__', None) or what}")


class Monitor:
    """`ip monitor` in a namespace: wakes up when the kernel's tables change."""

    def __init__(self, ns, what="route"):
        self.p = subprocess.Popen(["ip", "-n", ns, "monitor", what], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def wait_for(self, condition, seconds):
        end = time.monotonic() + seconds
        while not condition():
            left = end - time.monotonic()
            assert left > 0, "the kernel's tables did not become right in time"
            if select.select([self.p.stdout], [], [], min(left, 1))[0]:
                os.read(self.p.stdout.fileno(), 65536)

    def close(self):
        self.p.kill()
        self.p.wait()
        self.p.stdout.close()


class Capture:
    """tcpdump on a link; close() returns the packets as lists of tshark fields. snap: bytes kept of each packet; with few of them
    many packets wait in the same room while the machine is busy."""

    def __init__(self, ns, link, path, snap=262144):
        self.path, self.ns, self.link = str(path), ns, link
        self.p = subprocess.Popen(["ip", "netns", "exec", ns, "tcpdump", "-i", link, "-w", path, "-B", "65536", "-s", str(snap), "-U", "--immediate-mode", "-Z", "root"],
                                  stderr=subprocess.PIPE, text=True)
        assert "listening on" in self.p.stderr.readline()

    def close(self, *fields):
        # a frame of our own (IEEE 802 local experimental) goes last: when it is in the file, so is everything before it
        mark = b"last frame of " + self.path.encode()[-20:]
        send = f"import socket; s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW); s.bind(({self.link!r}, 0)); s.send(bytes(12) + b'\\x88\\xb5' + {mark!r}.ljust(60))"
        def is_through():
            sh(["ip", "netns", "exec", self.ns, "/usr/bin/python3", "-c", send])
            return mark in Path(self.path).read_bytes()
        until(is_through, 60, 0.5)
        self.p.send_signal(signal.SIGINT)
        end = self.p.stderr.read()
        self.p.wait(10)
        self.p.stderr.close()
        assert re.search(r"^0 packets dropped by kernel", end, re.M), end  # else it proves nothing
        args = ["tshark", "-r", self.path, "-Y", "!(eth.type == 0x88b5)", "-T", "fields", "-E", "occurrence=f"]
        for f in fields or ("ip.src", "ip.dst", "ip.proto", "ip.len"):
            args += ["-e", f]
        return [line.split("\t") for line in sh(args).splitlines()]


class Lab:
    def __init__(self, path, name):
        self.path, self.name = str(path), name
        r = subprocess.run([ADIT, "lab", "up", self.path], capture_output=True, text=True, timeout=60)
        assert r.returncode == 0, r.stdout + r.stderr

    def ns(self, node):
        return f"adit-{self.name}-{node}"

    def dir(self, node):
        return Path(f"/run/adit/lab/{self.name}/{node}")

    def exec(self, node, line, check=True, timeout=60):
        r = subprocess.run([ADIT, "lab", "exec", f"{self.name}/{node}", line], capture_output=True, text=True, timeout=timeout)
        if check:
            assert r.returncode == 0, f"{node}: {line}: {r.returncode}\n{r.stdout}{r.stderr}\n{self.log(node)}"
        return r.stdout

    def config(self, node, *lines):
        text = "configure terminal\n" + "\n".join(lines) + "\nend\n"
        r = subprocess.run([ADIT, "lab", "console", f"{self.name}/{node}"], input=text, capture_output=True, text=True, timeout=60)
        return r.returncode, r.stdout

    def shell(self, node, cmd, check=True, timeout=60):
        return sh(["ip", "netns", "exec", self.ns(node), "sh", "-c", cmd], check, timeout)

    def log(self, node):
        return (self.dir(node) / "log").read_text()

    def pids(self, node, role):
        found = []
        for pid in sh(["ip", "netns", "pids", self.ns(node)]).split():
            try:
                args = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if args[1:2] == [f"--role={role}".encode()] or (role == "main" and b"--ready-fd" in args):
                found.append(int(pid))
        return found

    def wait_log(self, node, pattern, seconds=30):
        return until(lambda: re.search(pattern, self.log(node)), seconds)

    def wait_route(self, node, dst, seconds=60):
        m = Monitor(self.ns(node))
        try:
            m.wait_for(lambda: subprocess.run(["ip", "-n", self.ns(node), "route", "get", dst], capture_output=True).returncode == 0, seconds)
        finally:
            m.close()

    def down(self):
        return subprocess.run([ADIT, "lab", "down", self.name], capture_output=True, text=True, timeout=60)


def number(pattern, text):
    m = re.search(pattern, text)
    assert m, f"no {pattern!r} in:\n{text}"
    return int(m.group(1))


@pytest.fixture
def lab(tmp_path):
    """lab(example, name=..., files={...}): a copy of an example, with changed files, brought up; taken down afterwards."""
    labs = []

    def make(example, name=None, files=None, replace=None):
        name = name or f"t{os.getpid() % 10000}-{len(labs)}"
        dst = tmp_path / name
        shutil.copytree(ROOT / "examples" / example, dst)
        for f, text in (files or {}).items():
            (dst / f).write_text(text)
        for f, (old, new) in (replace or {}).items():
            text = (dst / f).read_text()
            assert old in text
            (dst / f).write_text(text.replace(old, new))
        topo = next(dst.glob("*.clab.yml"))
        topo.write_text(re.sub(r"^name: .*$", f"name: {name}", topo.read_text(), flags=re.M))
        labs.append(name)
        made = Lab(dst, name)
        return made

    yield make
    stderr, refused = "", []
    for name in labs:
        for f in Path(f"/run/adit/lab/{name}").glob("*/stderr"):
            stderr += f.read_text()
        for f in Path(f"/run/adit/lab/{name}").glob("*/log"):  # main understands all that its own children say
            refused += [line for line in f.read_text().splitlines() if "%ADIT-3-CHILD_VALUE" in line]
        subprocess.run([ADIT, "lab", "down", name], capture_output=True, timeout=60)
    assert "Sanitizer" not in stderr and "runtime error" not in stderr, stderr
    assert not refused, refused
    left = [n for n in os.listdir("/run/netns") if any(n.startswith(f"adit-{name}-") for name in labs)] if os.path.isdir("/run/netns") else []
    assert not left, f"namespaces left behind: {left}"


class Raw:
    """A client that speaks the unix socket's lines itself."""

    def __init__(self, path):
        self.s = socket.socket(socket.AF_UNIX)
        self.s.connect(str(path))
        self.s.settimeout(10)
        self.buf = b""

    def send(self, *objects):
        self.s.sendall(b"".join(json.dumps(o).encode() + b"\n" for o in objects))

    def done(self):
        """Reads up to the next end of a command: its text and its last object."""
        text = ""
        while True:
            while b"\n" not in self.buf:
                got = self.s.recv(65536)
                assert got, "main hung up"
                self.buf += got
            line, self.buf = self.buf.split(b"\n", 1)
            o = json.loads(line)
            text += o.get("out", "")
            if "done" in o:
                return text, o

    def say(self, line):
        self.send({"line": line})
        return self.done()

    def hang_up(self):
        self.s.shutdown(socket.SHUT_RDWR)
        self.s.close()


def opened(path):
    c = Raw(path)
    c.send({"open": {"privileged": True}})
    c.done()
    return c
