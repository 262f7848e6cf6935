#!/usr/bin/env python3
"""mutate.py: do the tests notice? A table of faults (tests/mutate/*.faults, one file a room), each a
realistic bug at a place that matters. One at a time is put into a copy of the tree, what the named
tests need is built with sanitizers, and they are run: the fault that no test notices lives, and a
fault that lives is a missing test. The working tree is never touched.

    mutate.py [--check] [--list] [REGEX]    --check: only whether every fault still has its place
                                            REGEX: those whose id or file it fits

A fault is a paragraph of lines that begin with their kind:

    id     policy-deny-ends-all
    file   src/dp/policy.c
    fault  what it does, for whoever reads that it lives
    tests  dp_policy unit-plan e2e/test_leaks.py::test_x     the fast ones first; the first that fails ends it
    - the old text; must stand in the file exactly once, white space aside
    + the new text

Ends with "N passed, N failed"; exit 1 when a fault lives, has no place or does not build, or when a
named test fails without any fault.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
WORK = Path(os.environ.get("MUTATE_DIR", HERE / "build-mutate"))
TREE, BUILD = WORK / "tree", WORK / "san"
LEAST = 150  # faults the table must have
ROOMS = ["base", "event", "wire", "crypto", "pki", "steer", "conf", "dp", "ike", "cli", "sys"]
JOBS = os.environ.get("MUTATE_JOBS", "2")
SKIPPED = 77


class Fault:
    def __init__(self, where):
        self.where, self.id, self.file, self.fault = where, "", "", ""
        self.tests, self.old, self.new = [], [], []

    def room(self):
        return self.file.split("/")[1] if self.file.count("/") > 1 else ""

    def pattern(self):
        return re.compile(r"\s+".join(re.escape(w) for w in " ".join(self.old).split()))

    def applied(self, text):
        """The text with the fault in it, or None and why not."""
        found = list(self.pattern().finditer(text))
        if len(found) != 1:
            return None, f"its old text stands {len(found)} times in {self.file}"
        new = "\n".join(self.new)
        if found[0].group(0).split() == new.split():
            return None, "its new text is the old one"
        return text[: found[0].start()] + new + text[found[0].end() :], ""


def read_table(path):
    faults, now = [], None
    for n, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            now = None
            continue
        if line.startswith("#"):
            continue
        if now is None:
            now = Fault(f"{path.name}:{n}")
            faults.append(now)
        kind, _, rest = line.partition(" ")
        if kind == "-":
            now.old.append(rest)
        elif kind == "+":
            now.new.append(rest)
        elif kind == "tests":
            now.tests += rest.split()
        elif kind in ("id", "file", "fault"):
            setattr(now, kind, (getattr(now, kind) + " " + rest.strip()).strip())
        else:
            sys.exit(f"{path.name}:{n}: a line of no kind: {line}")
    return faults


def read_tables():
    return [f for p in sorted((HERE / "tests/mutate").glob("*.faults")) for f in read_table(p)]


def check(faults):
    """What is wrong with the table itself."""
    wrong, ids = [], set()
    for f in faults:
        say = lambda why, f=f: wrong.append(f"{f.where}: {f.id}: {why}")
        if not (f.id and f.file and f.fault and f.tests and f.old):
            say("a row needs id, file, fault, tests and - lines")
            continue
        if f.id in ids:
            say("the id is used twice")
        ids.add(f.id)
        if not (HERE / f.file).is_file():
            say(f"there is no {f.file}")
        else:
            why = f.applied((HERE / f.file).read_text())[1]
            if why:
                say(why)
        for t in f.tests:
            if t.startswith("e2e/") and not (HERE / "tests" / t.split("::")[0]).is_file():
                say(f"there is no tests/{t.split('::')[0]}")
    for room in ROOMS:
        if not any(f.room() == room for f in faults):
            wrong.append(f"no fault in src/{room}")
    if len(faults) < LEAST:
        wrong.append(f"{len(faults)} faults, wanted {LEAST} at least")
    return wrong


# ---- the copy ----


def put(path, data, mode=None):
    """Writes only what differs, so that ninja builds only what must be."""
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    if mode is not None:
        path.chmod(mode)


def copy_tree():
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=HERE, check=True, stdout=subprocess.PIPE
    ).stdout.decode()
    names = {n for n in listed.split("\0") if n and (HERE / n).is_file()}
    for name in names:
        put(TREE / name, (HERE / name).read_bytes(), (HERE / name).stat().st_mode & 0o777)
    for old in [p for p in TREE.rglob("*") if p.is_file() and str(p.relative_to(TREE)) not in names]:
        if "__pycache__" not in old.parts:
            old.unlink()
    if not (BUILD / "build.ninja").exists():
        run = ["meson", "setup", BUILD, TREE, "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dwerror=false"]
        subprocess.run(
            [*run, "--buildtype=debugoptimized"],
            check=True, stdout=subprocess.DEVNULL, env={**os.environ, "CC": os.environ.get("CC", "gcc")},
        )
    subprocess.run(["ninja", "--quiet", "-C", BUILD, "build.ninja"], check=True, stdout=subprocess.DEVNULL)


# ---- tests ----


def introspect(what):
    out = subprocess.run(["meson", "introspect", what, BUILD], check=True, stdout=subprocess.PIPE).stdout
    return json.loads(out)


class Tests:
    def __init__(self):
        files = {}
        for t in introspect("--targets"):
            files[t["id"]] = [os.path.relpath(f, BUILD) for f in t["filename"]]
        self.of = {}
        for t in introspect("--tests"):
            needs = [f for d in t["depends"] for f in files.get(d, [])]
            self.of[t["name"]] = {"cmd": t["cmd"], "env": t["env"], "timeout": t["timeout"], "needs": needs}
        self.e2e_needs = ["src/aditd", "src/adit", "tests/e2e/aditd_double", "tests/e2e/dp_manual"]

    def needs(self, name):
        return self.e2e_needs if name.startswith("e2e/") else self.of[name]["needs"]

    def run(self, name):
        """True: it passed; False: it noticed something; None: it was skipped."""
        env, timeout = dict(os.environ), 900
        if name.startswith("e2e/"):
            cmd = ["/usr/bin/python3", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/{name}"]
            env["ADIT_BUILD"] = str(BUILD)
        else:
            t = self.of[name]
            cmd, timeout = t["cmd"], t["timeout"]
            env.update(t["env"])
        log = open(WORK / "last.log", "wb")
        p = subprocess.Popen(cmd, cwd=TREE if name.startswith("e2e/") else BUILD, env=env, stdin=subprocess.DEVNULL,
                             stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            rc = p.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            return False
        return None if rc == SKIPPED else rc == 0


def build(names, tests):
    targets = sorted({t for n in names for t in tests.needs(n)})
    r = subprocess.run(["nice", "ninja", "--quiet", f"-j{JOBS}", "-C", BUILD, *targets], stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, text=True)
    return "" if r.returncode == 0 else r.stdout[-1500:]


def look(f, tests):
    """None: noticed; else what is wrong."""
    path = TREE / f.file
    clean = path.read_text()
    text, why = f.applied(clean)
    if text is None:
        return why
    try:
        path.write_text(text)
        skipped = 0
        for name in f.tests:  # each built when its turn comes: most are noticed by the first
            error = build([name], tests)
            if error:
                return f"does not build: {error}"
            passed = tests.run(name)
            if passed is False:
                return None
            skipped += passed is None
        note = " (skipped, must be root)" if skipped else ""
        return f"LIVES: {f.fault}{note}"
    finally:
        path.write_text(clean)


def main():
    args = [a for a in sys.argv[1:] if not a.startswith("--")]
    faults = read_tables()
    wrong = check(faults)
    if "--check" in sys.argv:
        for w in wrong:
            print(w)
        print(f"{len(faults)} faults in the table, {len(wrong)} things wrong with it")
        return 1 if wrong else 0
    chosen = [f for f in faults if not args or re.search(args[0], f.id) or re.search(args[0], f.file)]
    if "--list" in sys.argv:
        for f in chosen:
            print(f"{f.id:36} {f.file:28} {f.fault}")
        return 0
    for w in wrong:
        print(w, flush=True)
    WORK.mkdir(exist_ok=True)
    copy_tree()
    tests, failed, passed = Tests(), len(wrong), 0
    names = sorted({t for f in chosen for t in f.tests})
    unknown = [n for n in names if not n.startswith("e2e/") and n not in tests.of]
    if unknown:
        sys.exit(f"no such test: {' '.join(unknown)}")
    error = build(names, tests)
    if error:
        sys.exit(f"the tree does not build without a fault:\n{error}")
    for name in names:  # a test that fails anyway would notice everything
        if tests.run(name) is False:
            failed += 1
            print(f"{name} fails without any fault, see {WORK / 'last.log'}", flush=True)
    for f in sorted(chosen, key=lambda f: (f.room(), f.file)):
        why = look(f, tests)
        passed, failed = passed + (why is None), failed + (why is not None)
        if why:
            print(f"{f.id} ({f.file}): {why}", flush=True)
        elif "--verbose" in sys.argv:
            print(f"{f.id} noticed", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
