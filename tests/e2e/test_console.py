"""The console: one-shot status, configuration that is refused, live changes, the interactive session on a terminal."""
import os
import pty
import re
import select
import signal
import subprocess
import time

from conftest import ADIT, ADITD, ROOT, until


def test_one_shot_status(lab):
    l = lab("vti")
    run = lambda line: subprocess.run([ADIT, "lab", "exec", f"{l.name}/R1", line], capture_output=True, text=True)
    assert run("show version").returncode == 0
    bad = run("show nonsense")
    assert bad.returncode == 1 and "% Invalid input detected at '^' marker." in bad.stdout
    assert subprocess.run([ADIT, "lab", "exec", "NOBODY", "show version"], capture_output=True).returncode == 2
    assert subprocess.run([ADIT, "-n", "nobody", "show version"], capture_output=True).returncode == 2


def test_rejected_configuration_changes_nothing(lab):
    l = lab("vti")
    before = l.exec("R1", "show running-config")
    status, out = l.config("R1", "interface FastEthernet0/0", " ip address 172.16.0.1 255.0.255.0")
    assert status == 1 and "Bad mask" in out
    assert l.exec("R1", "show running-config") == before
    # a whole file that is wrong in one line, on reload
    cfg = os.path.join(l.path, "R1.cfg")
    good = open(cfg).read()
    assert good.endswith("\nend\n")
    open(cfg, "w").write(good[:-len("end\n")] + "interface Tunnel0\n tunnel mode carrier-pigeon\nend\n")
    os.kill(l.pids("R1", "main")[0], 1)
    stderr = l.dir("R1") / "stderr"
    until(lambda: "error:" in stderr.read_text(), 10)
    text = stderr.read_text()
    n = good.count("\n") + 1
    assert f"R1.cfg:{n}:14: error: \"carrier-pigeon\" is not understood here; expected gre, ipip, ipv6ip, ipsec" in text, text
    assert " tunnel mode carrier-pigeon\n" + " " * 2 + " " * 13 + "^\n" in text
    assert l.exec("R1", "show running-config") == before
    # and at the start
    r = subprocess.run([ADITD, "--check", cfg], capture_output=True, text=True)
    assert r.returncode == 1 and "carrier-pigeon" in r.stderr


def test_live_changes_reach_the_kernel(lab):
    l = lab("vti")
    l.config("R1", "interface Loopback7", " ip address 7.7.7.7 255.255.255.255", " exit", "ip route 99.0.0.0 255.0.0.0 172.16.0.2",
             "ipv6 unicast-routing", "interface FastEthernet0/0", " ipv6 address 2001:db8:7::1/64")
    assert "7.7.7.7/32" in l.shell("R1", "ip addr show dev lo")
    assert "99.0.0.0/8 via 172.16.0.2" in l.shell("R1", "ip route")
    assert "2001:db8:7::1/64" in l.shell("R1", "ip -6 addr show dev Fa0-0")
    assert l.shell("R1", "cat /proc/sys/net/ipv6/conf/all/forwarding").strip() == "1"
    l.config("R1", "no interface Loopback7", "no ip route 99.0.0.0 255.0.0.0 172.16.0.2", "interface FastEthernet0/0", " no ipv6 address")
    assert "7.7.7.7" not in l.shell("R1", "ip addr show dev lo")
    assert "99.0.0.0/8" not in l.shell("R1", "ip route")
    assert "2001:db8:7::1" not in l.shell("R1", "ip -6 addr")
    assert re.search(r"%SYS-5-CONFIG_I: Configured from console by console", l.log("R1"))


def test_learned_blackholes_are_shown_and_forgotten(lab):
    """What a routing protocol taught about a protected tunnel stays until it is cleared; what is a line's, or still leads there, stays."""
    l = lab("vti")
    tunnel = re.search(r"^interface (Tunnel\d+)", l.exec("R1", "show running-config"), re.M)[1]
    shown = lambda: l.exec("R1", "show adit blackhole")
    for net in ("10.66.0.0/16", "10.67.0.0/16"):
        l.shell("R1", f"ip route add {net} dev {tunnel} proto 188")
    until(lambda: all(re.search(rf"^{n} +{tunnel} +routing$", shown(), re.M) for n in ("10.66.0.0/16", "10.67.0.0/16")), 20)
    assert "configuration" in shown()
    l.shell("R1", f"ip route del 10.66.0.0/16 dev {tunnel} proto 188")
    assert "0 forgotten" in l.exec("R1", "clear adit blackhole 10.68.0.0/16")
    assert "blackhole 10.66.0.0/16" in l.shell("R1", "ip route")
    lines = shown().count("configuration")
    assert "2 forgotten" in l.exec("R1", "clear adit blackhole")
    until(lambda: "10.67.0.0/16" in shown(), 10)
    assert "10.66.0.0/16" not in shown() and shown().count("configuration") == lines
    assert "10.66.0.0/16" not in l.shell("R1", "ip route")
    for wrong in ("10.1.0.0", "10.1.0.0/33", "10.1.0.0/x", "none/8"):
        assert "% expected a network" in l.exec("R1", f"clear adit blackhole {wrong}", check=False)


def test_a_blackhole_comes_before_its_route(lab):
    l = lab("vti")
    tunnel = re.search(r"^interface (Tunnel\d+)", l.exec("R1", "show running-config"), re.M)[1]
    p = subprocess.Popen(["ip", "-n", l.ns("R1"), "monitor", "route"], stdout=subprocess.PIPE, text=True)
    try:
        l.shell("R1", "ip route add 10.1.2.3/32 dev lo proto 188")  # until the monitor listens
        seen = ""
        end = time.monotonic() + 10
        asked = False
        while "10.44.0.0/16 dev" not in seen:
            assert time.monotonic() < end, seen
            if select.select([p.stdout], [], [], 0.2)[0]:
                seen += os.read(p.stdout.fileno(), 65536).decode()
            elif "10.1.2.3" not in seen:
                l.shell("R1", "ip route del 10.1.2.3/32; ip route add 10.1.2.3/32 dev lo proto 188")
            if "10.1.2.3" in seen and not asked:
                asked = True
                l.config("R1", f"ip route 10.44.0.0 255.255.0.0 {tunnel}")
        assert "blackhole 10.44.0.0/16" in seen.split("\n10.44.0.0/16 dev")[0], seen
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


def test_ospf_lines_reach_frr(lab):
    """In FRR's configuration interfaces have the kernel's names, passive ones too."""
    l = lab("vti")
    l.config("R1", "router ospf 1", " router-id 9.9.9.9", " network 10.0.0.0 0.0.0.255 area 0", " passive-interface FastEthernet0/0")
    text = lambda: "".join(p.read_text() for p in l.dir("R1").rglob("frr.conf"))
    until(lambda: " passive-interface Fa0-0\n" in text() and " ospf router-id 9.9.9.9\n" in text(), 10)


def test_saving(lab):
    """`write memory` is the router's own; the operator's file is written only when asked, with a backup and its comments."""
    l = lab("vti")
    cfg = os.path.join(l.path, "R1.cfg")
    saved = l.dir("R1") / "startup-config"
    restart = lambda: subprocess.run([ADIT, "lab", "restart", f"{l.name}/R1"], check=True, timeout=60)
    stderr = lambda: (l.dir("R1") / "stderr").read_text()
    with open(cfg) as f:
        text = "! the operator's own words\n" + f.read()
    open(cfg, "w").write(text)
    restart()
    l.config("R1", "hostname SAVED", "enable secret ZQsecret")
    assert "[OK]" in l.exec("R1", "write memory")
    assert open(cfg).read() == text  # not touched
    assert os.stat(saved).st_mode & 0o7777 == 0o600 and os.stat(saved).st_uid == 0
    assert "hostname SAVED" in saved.read_text() and "ZQsecret" not in saved.read_text()
    assert "hostname SAVED" in l.exec("R1", "show startup-config")
    restart()
    assert "SAVED uptime" in l.exec("R1", "show version") and "starting with what `write memory` saved" in stderr()
    os.kill(l.pids("R1", "main")[0], signal.SIGHUP)
    until(lambda: "by SIGHUP" in l.log("R1"), 10)
    assert "SAVED uptime" in l.exec("R1", "show version")
    # the operator changes the file: it is the source again
    open(cfg, "w").write(text.replace("hostname R1", "hostname EDITED"))
    restart()
    assert "EDITED uptime" in l.exec("R1", "show version") and "changed after `write memory`" in stderr()
    assert "hostname EDITED" in l.exec("R1", "show startup-config")
    # and stays it, also with the text that the saved one was once made from (restored from a backup)
    open(cfg, "w").write(text)
    restart()
    assert "SAVED uptime" not in l.exec("R1", "show version") and not saved.exists()
    assert "hostname SAVED" in (l.dir("R1") / "startup-config.superseded").read_text()
    open(cfg, "w").write(text.replace("hostname R1", "hostname EDITED"))
    restart()
    l.config("R1", "hostname BACK")
    out = l.exec("R1", "write file")
    assert f"{cfg} is written, its former text is {cfg}.bak" in out and "[OK]" in out
    assert "hostname EDITED" in open(cfg + ".bak").read()
    written = open(cfg).read()
    assert "hostname BACK\n" in written and "! the operator's own words\n" in written
    restart()
    assert "BACK uptime" in l.exec("R1", "show version")


def test_the_master_key_stays(lab):
    """Pre-shared keys are printed and saved encrypted once there is a master key, which no text holds; a restart knows it."""
    l = lab("vti")
    assert "MY_K3Y" in l.exec("R1", "show running-config") or "crypto isakmp key" in l.exec("R1", "show running-config")
    clear = re.search(r"crypto isakmp key (\S+) address", l.exec("R1", "show running-config"))[1]
    l.config("R1", "key config-key password-encrypt ZQmaster1", "password encryption aes")
    running = l.exec("R1", "show running-config")
    assert "crypto isakmp key 6 adit." in running and clear not in running and "ZQmaster1" not in running
    l.exec("R1", "write memory")
    assert os.stat(l.dir("R1") / "master-key").st_mode & 0o7777 == 0o600
    assert clear not in (l.dir("R1") / "startup-config").read_text()
    subprocess.run([ADIT, "lab", "restart", f"{l.name}/R1"], check=True, timeout=60)
    assert l.exec("R1", "show running-config") == running
    until(lambda: "!!!!!" in l.exec("R1", "ping 10.0.0.2", check=False), 30)  # and it is still the same key
    assert "ZQmaster1" not in l.log("R1")
    # what was saved under a master key can be read until it is saved again, whatever becomes of the key
    restart = lambda: subprocess.run([ADIT, "lab", "restart", f"{l.name}/R1"], check=True, timeout=60)
    l.config("R1", "key config-key password-encrypt ZQmaster2")
    assert clear not in (l.dir("R1") / "startup-config").read_text()
    restart()
    changed = l.exec("R1", "show running-config")
    assert "crypto isakmp key 6 adit." in changed and changed != running
    l.config("R1", "no key config-key password-encrypt")
    restart()
    assert f"crypto isakmp key {clear} address" in l.exec("R1", "show running-config")
    l.exec("R1", "write memory")
    assert not (l.dir("R1") / "master-key").exists()


def test_the_first_tunnel_of_the_readme(tmp_path):
    """The lines of README.md, typed as they stand there, bring a tunnel up between two machines that had none."""
    readme = (ROOT / "README.md").read_text()
    block = readme[readme.index("sudo aditd --name gw"):]
    block = block[:block.index("```")].splitlines()
    typed = [m[1].rstrip() for line in block if (m := re.match(r"gw(?:\([a-z-]+\))?[#>] (.*?)(?: +#.*)?$", line))]
    assert len(typed) > 20 and typed[0] == "enable"
    base = f"adit-rm{os.getpid() % 10000}"
    ends = {"gw": ("203.0.113.1", "203.0.113.2"), "far": ("203.0.113.2", "203.0.113.1")}
    routers = []
    try:
        for n in ends:
            subprocess.run(["ip", "netns", "add", f"{base}-{n}"], check=True)
        subprocess.run(["ip", "link", "add", "eth1", "netns", f"{base}-gw", "type", "veth", "peer", "name", "eth1", "netns", f"{base}-far"], check=True)
        for n, (own, _) in ends.items():
            cfg = tmp_path / f"{n}.cfg"
            cfg.write_text(f"hostname {n}\ninterface FastEthernet0/1\n ip address {own} 255.255.255.0\n no shutdown\n")
            r, w = os.pipe()
            routers.append(subprocess.Popen(["ip", "netns", "exec", f"{base}-{n}", ADITD, "--name", f"{base}-{n}", "-s", tmp_path / f"{n}.state", "--map",
                                             "FastEthernet0/1=eth1", "--ready-fd", str(w), cfg], pass_fds=[w], stderr=subprocess.DEVNULL))
            os.close(w)
            assert os.read(r, 1) == b"1"
            os.close(r)

        def type_in(n, lines):
            r = subprocess.run([ADIT, "-n", f"{base}-{n}"], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=120)
            assert r.returncode == 0, r.stdout
            return r.stdout
        swap = {"203.0.113.2": "203.0.113.1", "10.0.0.1": "10.0.0.2", "10.0.0.2": "10.0.0.1"}
        cut = next(i for i, line in enumerate(typed) if line.startswith("ping"))
        type_in("far", [re.sub("|".join(swap), lambda m: swap[m[0]], line) for line in typed[:cut]])
        out = type_in("gw", typed[:cut])
        until(lambda: "!!!!!" in type_in("gw", [typed[cut]]), 30)
        out = type_in("gw", typed[cut + 1:])
        assert "Session status: UP-ACTIVE" in out and "[OK]" in out, out
    finally:
        for p in routers:
            p.terminate()
            p.wait(5)
        for n in ends:
            subprocess.run(["ip", "netns", "del", f"{base}-{n}"])


def test_ping_marks(lab):
    l = lab("vti")
    out = l.exec("R1", "ping 172.16.0.2 repeat 3")
    assert "!!!\nSuccess rate is 100 percent (3/3)" in out
    # marks stand on a line of their own: "ICMP" and full stops elsewhere must not count
    assert re.search(r"^U[U.]$", l.exec("R1", "ping 172.16.0.9 repeat 2 timeout 1", check=False), re.M)
    assert re.search(r"^M$", l.exec("R1", "ping 172.16.0.2 size 2000 df-bit repeat 1 timeout 1", check=False), re.M)
    assert "Packet sent with a source address of 10.0.0.1" in l.exec("R1", "ping 172.16.0.2 source Tunnel0 repeat 1 timeout 1", check=False)


class Terminal:
    def __init__(self, args, rows=24):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ["TERM"] = "vt100"
            os.execv(args[0], args)
        self.text = ""

    def read_until(self, pattern, seconds=10):
        end = time.monotonic() + seconds
        while not (m := re.search(pattern, self.text)):
            left = end - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.text!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.text += self._read()
        got, self.text = self.text[:m.end()], self.text[m.end():]
        return got

    def _read(self):
        try:
            return os.read(self.fd, 65536).decode(errors="replace")
        except OSError:
            raise AssertionError(f"the console has ended after {self.text!r}")

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def close(self):
        try:
            while os.read(self.fd, 65536):
                pass
        except OSError:
            pass  # the other side has closed
        status = os.waitpid(self.pid, 0)[1]
        os.close(self.fd)
        return status


def test_keys_between_two_lines(lab):
    """What is typed before the prompt takes keys is not lost: a ^Z right behind a line, and lines typed ahead."""
    l = lab("vti")
    t = Terminal([str(ADIT), "lab", "console", f"{l.name}/R1"])
    t.read_until(r"R1>")
    t.type("en\r")
    t.read_until(r"R1#")
    for n in range(20):
        t.type("conf t\r")
        t.read_until(r"Enter configuration commands")  # the command runs: no prompt takes keys yet
        t.type("\x1a")
        t.read_until(r"\^Z\r?\n(.*\n)*R1#")
    t.type("conf t\rhostname AHEAD\r\x1ashow privilege\r")
    t.read_until(r"AHEAD#(.*\n)*.*privilege level is 15")
    t.type("exit\r")
    assert t.close() == 0


def test_typed_secrets_are_not_in_the_history(lab):
    l = lab("vti")
    t = Terminal([str(ADIT), "lab", "console", f"{l.name}/R1"])
    t.read_until(r"R1>")
    t.type("en\r")
    t.read_until(r"R1#")
    t.type("conf t\r")
    t.read_until(r"\(config\)#")
    t.type("ip cef\r")
    t.read_until(r"ip cef\r?\n.*\(config\)#")
    for line in ("enable sec ZQhist", "username bob pass ZQhist", "crypto isakmp key ZQhist address 9.9.9.9"):
        t.type(line + "\r")
        t.read_until(r"ZQhist.*\r?\n.*\(config\)#")
    t.type("\x10\r")  # ^P: the line before
    assert "ZQhist" not in t.read_until(r"ip cef.*\r?\n.*\(config\)#")
    t.type("\x10\x10\x10\x10\x10\x03")
    assert "ZQhist" not in t.read_until(r"\^C")
    t.type("end\rexit\r")
    assert t.close() == 0


def test_control_keys(lab):
    """^Z leaves configuration mode (seed 002 shows it three times), ^C forgets the line, neither ever reaches the shell."""
    l = lab("vti")
    t = Terminal([str(ADIT), "lab", "console", f"{l.name}/R1"])
    t.read_until(r"R1>")
    t.type("en\r")
    t.read_until(r"R1#")
    t.type("show clockx\x03")
    t.read_until(r"\^C\r?\n[^#]*R1#")
    t.type("\r")
    assert "%" not in t.read_until(r"R1#")
    t.type("abc\x02\x02\x03")  # the cursor in the middle of the line
    t.read_until(r"\^C\r?\n[^#]*R1#")
    t.type("show priv\r")
    t.read_until(r"privilege level is 15\r?\n")
    t.read_until(r"R1#")

    def end():
        t.type("\x1a")
        t.read_until(r"\^Z\r?\n(.*\n)*R1#")

    end()
    t.type("conf t\r")
    t.read_until(r"R1\(config\)#")
    end()
    t.type("conf t\rint tun0\r")
    t.read_until(r"R1\(config-if\)#")
    t.type("description typed before\x1a")  # IOS takes the line that ^Z ends
    t.read_until(r"\^Z")
    t.read_until(r"R1#")
    assert "description typed before" in l.exec("R1", "show running-config")
    t.type("conf t\r")
    t.read_until(r"R1\(config\)#")
    t.type("frob\x03")
    t.read_until(r"\^C\r?\n[^#]*R1\(config\)#")
    t.type("\x04")
    t.read_until(r"R1#")
    t.type("ping 172.16.0.77 repeat 20 timeout 5\r")
    t.read_until(r"timeout is 5 seconds:")
    t.type("\x1a\x03")  # while a command runs ^Z is nothing and ^C ends it
    t.read_until(r"Success rate is 0 percent")
    t.read_until(r"R1#")
    t.type("exit\r")
    t.read_until(r"exit")
    assert t.close() == 0
    # the same in a pasted transcript
    r = subprocess.run([ADIT, "lab", "console", f"{l.name}/R1"], input="conf t\nint tun0\n^Z\nshow privilege\n", capture_output=True, text=True)
    assert r.returncode == 0 and "level is 15" in r.stdout


def test_dead_routers(lab):
    """A router that does not run is an error with its last words, never a shell of the host; it can be started again."""
    l = lab("gre-ipv6")
    run = lambda *args, **kw: subprocess.run([ADIT, "lab", *args], capture_output=True, text=True, timeout=60, **kw)
    listed = run("list").stdout
    assert listed == "".join(sorted(listed.splitlines(True))) and f"{l.name}: ISP R1 R2\n" in listed
    os.kill(l.pids("R1", "main")[0], signal.SIGKILL)
    until(lambda: f"{l.name}: ISP R1 (dead) R2\n" in run("list").stdout, 10)
    last = l.log("R1").splitlines()[-1]
    for verb, args, kw in (("exec", ["show version"], {}), ("exec", ["echo SHELL"], {}), ("console", [], {"input": "echo SHELL\n"})):
        r = run(verb, f"{l.name}/R1", *args, **kw)
        assert r.returncode == 2 and "SHELL" not in r.stdout
        assert "R1 does not run" in r.stderr and last in r.stderr, r.stderr
    cfg = os.path.join(l.path, "R1.cfg")
    good = open(cfg).read()
    open(cfg, "w").write("nonsense\n")
    assert run("restart", f"{l.name}/R1").returncode == 1
    open(cfg, "w").write(good)
    assert run("restart", f"{l.name}/R1").returncode == 0
    assert "R1 uptime" in l.exec("R1", "show version")
    before = l.pids("R2", "main")
    assert run("restart", f"{l.name}/R2").returncode == 0  # one that lives, too
    assert l.pids("R2", "main") != before and f"{l.name}: ISP R1 R2\n" in run("list").stdout
    assert run("restart", f"{l.name}/R9").returncode == 2
    assert run("exec", f"{l.name[:-1]}/R1", "show version").returncode == 2  # the beginning of a lab's name is not its name
    assert run("exec", f"{l.name}/../R1", "show version").returncode == 2


def test_hosts_are_listed(lab):
    l = lab("crypto-map")
    listed = subprocess.run([ADIT, "lab", "list"], capture_output=True, text=True).stdout
    assert f"{l.name}: Bob (host) CE1 CE2 ISP (host) Lima (host)\n" in listed or "Bob (host)" in listed, listed
    assert l.exec("Bob", "echo SHELL") == "SHELL\n"


def test_names_and_second_instances(tmp_path):
    """A name is a name, not a path; who comes second is told who was first; what a router made in /run goes with it."""
    ns, name = f"adit-name{os.getpid() % 10000}", f"n{os.getpid() % 10000}"
    cfg = tmp_path / "R.cfg"
    cfg.write_text("hostname N\n")
    for bad in ("../x", "/tmp/x", "a/b", "", ".", "..", ".x", "-x", "a b", "x" * 49):
        r = subprocess.run([ADITD, "--name", bad, cfg], capture_output=True, text=True)
        assert r.returncode == 2 and "a name is" in r.stderr, bad
    subprocess.run(["ip", "netns", "add", ns], check=True)
    inside = ["ip", "netns", "exec", ns]
    state = tmp_path / "state"
    try:
        r, w = os.pipe()
        first = subprocess.Popen([*inside, ADITD, "-n", name, "-s", state, "--ready-fd", str(w), cfg], pass_fds=[w], stderr=subprocess.PIPE, text=True)
        os.close(w)
        assert os.read(r, 1) == b"1"
        os.close(r)
        second = subprocess.run([*inside, ADITD, "-n", name, "-s", state, cfg], capture_output=True, text=True)
        assert second.returncode == 1 and f"a router runs already in /run/adit/{name}: process {first.pid}\n" in second.stderr
        other = subprocess.run([*inside, ADITD, "-r", tmp_path / "run", cfg], capture_output=True, text=True)
        assert other.returncode == 1 and re.search(rf"UDP port 500: Address already in use: process {first.pid} \(aditd\)", other.stderr), other.stderr
        third = subprocess.run([*inside, ADITD, "-n", name + "b", "-s", tmp_path / "b", cfg], capture_output=True, text=True)
        assert third.returncode == 1 and not os.path.exists(f"/run/adit/{name}b"), third.stderr  # a start that failed leaves nothing
        assert "N uptime" in subprocess.run([ADIT, "-n", name, "show version"], capture_output=True, text=True).stdout
        first.send_signal(signal.SIGTERM)
        assert first.wait(2) == 0
        assert not os.path.exists(f"/run/adit/{name}")
        assert "%SYS-5-RESTART" in (state / "log").read_text()
    finally:
        first.kill()
        first.wait()
        first.stderr.close()
        subprocess.run(["ip", "netns", "del", ns])


def test_interactive(lab):
    l = lab("vti")
    t = Terminal([str(ADIT), "lab", "console", f"{l.name}/R1"])
    t.read_until(r"R1>")
    t.type("en\r")
    t.read_until(r"R1#")
    t.type("show crypto isakmp ?")
    out = t.read_until(r"policy  ISAKMP protection suite policy")
    t.type("po\t\r")  # completes "policy"
    t.read_until(r"Global IKE policy")
    t.read_until(r"R1#")
    t.type("show running-config\r")
    t.read_until(r"--More--")
    t.type(" ")
    if "--More--" in t.read_until(r"--More--|R1#"):
        t.type("q")
        t.read_until(r"R1#")
    t.type("conf t\r")
    t.read_until(r"R1\(config\)#")
    t.type("int tun0\r")
    t.read_until(r"R1\(config-if\)#")
    t.type("frob\r")
    out = t.read_until(r"Invalid input detected")
    assert "^" in out
    t.type("end\r")
    t.read_until(r"R1#")
    t.type("terminal monitor\r")
    t.read_until(r"R1#")
    t.type("debug crypto isakmp\r")
    t.read_until(r"debugging is on")
    t.type("clear crypto session\r")
    t.read_until(r"ISAKMP", 30)  # the log comes by itself
    t.type("undebug all\r")
    t.read_until(r"All possible debugging has been turned off", 30)
    t.type("exit\r")
    t.read_until(r"exit")
    assert t.close() == 0
