"""A real Linux kernel with strongSwan as the other peer: a guest of peer_vm/ that runs commands during a test."""
import ctypes
import itertools
import os
import re
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

from conftest import sh

VM = Path(__file__).resolve().parent / "peer_vm"


class FarEnd:
    """The guest, joined to an existing link of a network namespace. sh() runs commands in it as root."""

    def __init__(self, ns, link, folder):
        sh([str(VM / "build.sh")], timeout=600)
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.numbers = itertools.count(1)
        self.line, theirs = socket.socketpair()
        self.pending = b""
        cpu = max(os.sched_getaffinity(0))
        with theirs, open(self.folder / "boot.err", "wb") as err:
            self.p = subprocess.Popen([str(VM / "run.sh"), ns, link, str(self.folder), str(cpu)], stdin=theirs,
                                      stdout=theirs, stderr=err, start_new_session=True)
        try:
            assert self._answer("ready", 60) == 0
            self._room()
        except BaseException:
            self.close()
            raise

    def _answer(self, name, seconds):
        end = time.monotonic() + seconds
        while True:
            m = re.match(rb"(\S+) (\d+)\r?\n", self.pending)
            if m:
                self.pending = self.pending[m.end():]
                if m.group(1).decode() == name:
                    return int(m.group(2))
                continue
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the far end did not answer {name!r} in {seconds} s; its output so far:\n"
                                   + self._output(name) + (self.folder / "boot.err").read_text())
            if select.select([self.line], [], [], left)[0]:
                data = self.line.recv(65536)
                assert data, "the far end is gone: " + (self.folder / "boot.err").read_text()
                self.pending += data

    def _room(self):
        """The guest's packet sockets hold 0.2 s of a thousand packets a second; on a busy machine it is off the CPU for longer, and
        what they lose no counter of the guest or the link tells. Nobody in it could make them larger, so we do."""
        held = 0
        for pid in (int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()):
            try:
                if os.getpgid(pid) != self.p.pid:
                    continue
                fds = [int(f.name) for f in Path(f"/proc/{pid}/fd").iterdir() if os.readlink(f).startswith("socket:")]
                other = os.pidfd_open(pid)
            except OSError:
                continue
            for fd in fds:
                ours = ctypes.CDLL(None, use_errno=True).syscall(438, other, fd, 0)  # pidfd_getfd
                if ours >= 0:
                    with socket.socket(fileno=ours) as s:
                        if s.family == socket.AF_PACKET and s.getsockname()[1] == 3:  # ETH_P_ALL: the other one is for sending
                            s.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
                            held += 1
            os.close(other)
        assert held, "the guest has no packet socket"

    def _output(self, name):
        try:
            return (self.folder / f"{name}.out").read_text(errors="replace")
        except OSError:
            return ""

    def sh(self, script, check=True, timeout=60):
        """Runs a shell script in the guest; returns its output."""
        name = f"j{next(self.numbers)}"
        (self.folder / f"{name}.cmd").write_text(script + "\n")
        self.line.sendall(name.encode() + b"\n")
        status = self._answer(name, timeout)
        out = self._output(name)
        if check and status:
            raise AssertionError(f"in the far end: {script}\n{status}\n{out}")
        return out

    def close(self):
        try:
            os.killpg(self.p.pid, signal.SIGKILL)  # the guest is a group of processes that we started
        except ProcessLookupError:
            pass
        self.p.wait()
        self.line.close()


class Wire:
    """A namespace for our side with link `wan`, and the far end at the other end of it."""

    def __init__(self, tag, folder):
        self.ns, self.far_ns, self.far = f"{tag}-{os.getpid()}", f"{tag}-{os.getpid()}-far", None
        try:
            for ns in (self.ns, self.far_ns):
                sh(f"ip netns add {ns} && ip -n {ns} link set lo up")
            self.sh("sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0")
            sh(f"ip netns exec {self.far_ns} sysctl -qw net.ipv6.conf.default.disable_ipv6=1")
            sh(f"ip -n {self.ns} link add name wan type veth peer name far netns {self.far_ns}")
            sh(f"ip -n {self.ns} link set wan up; ip -n {self.far_ns} link set far up")
            self.sh("ethtool -K wan tx off tso off gso off gro off")
            self.far = FarEnd(self.far_ns, "far", folder)
        except BaseException:
            self.close()
            raise

    def sh(self, cmd, check=True, timeout=60):
        return sh(["ip", "netns", "exec", self.ns, "sh", "-c", cmd], check, timeout)

    def close(self):
        if self.far:
            self.far.close()
        for ns in (self.ns, self.far_ns):
            sh(f"ip netns del {ns}", check=False)
