#!/usr/bin/python3
"""check_house.py: the laws of the house that a program can check.

  includes   a room includes only rooms below it, as the table in docs/DESIGN.md says; no circle can arise
  sizes      no file over 800 lines, no function over 100
  walks      every function and file that docs/DESIGN.md names in backticks exists
  circles    no two files of a room call each other, directly or over others
  format     every file opens with a comment that says what it is
  features   each test that docs/FEATURES.md names exists

Prints one line per fault and `N checks passed, N failed`; exit status 1 when something failed.
"""
import re, subprocess, sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
ALLOWED = {  # room -> headers it may include from other rooms
    "base": set(),
    "event": {"base"},
    "wire": {"base"},
    "crypto": {"base", "wire"},
    "pki": {"base", "crypto/crypto.h"},
    "steer": {"base", "steer.skel.h"},
    "conf": {"base", "wire", "crypto/crypto.h"},
    "dp": {"base", "event", "wire", "crypto", "steer/steer_abi.h"},
    "ike": {"base", "event", "wire", "crypto/crypto.h", "pki/pki.h", "dp/dp.h"},
    "cli": {"base", "event", "conf", "crypto/crypto.h", "pki/pki.h", "ike/ike.h", "dp/dp.h"},
    "sys": {"base", "event", "conf", "crypto/crypto.h", "pki/pki.h", "ike/ike.h", "dp/dp.h", "cli/cli.h", "steer/steer.h"},
    "lab": {"base", "conf", "cli/cli.h", "sys/sys.h"},
    "": {"base", "event", "conf", "crypto/crypto.h", "pki/pki.h", "ike/ike.h", "dp/dp.h", "cli/cli.h", "sys/sys.h", "sys/generation.h", "lab/lab.h"},
}
passed = failed = 0


def check(ok, text):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print("house:", text)


def room_of(path):
    parts = path.relative_to(root / "src").parts
    return parts[0] if len(parts) > 1 else ""


def includes():
    for path in sorted((root / "src").rglob("*.[ch]")):
        room = room_of(path)
        for n, line in enumerate(path.read_text().splitlines(), 1):
            m = re.match(r'\s*#include "([^"]+)"', line)
            if not m:
                continue
            target = m.group(1)
            other = target.split("/")[0]
            ok = other == room or other in ALLOWED[room] or target in ALLOWED[room]
            check(ok, f"{path.relative_to(root)}:{n}: {room or 'src'} may not include {target}")


def functions(path):
    """(name, first line, lines) of each function body: '{' and '}' alone in column one."""
    name, start = "?", 0
    for n, line in enumerate(path.read_text().splitlines(), 1):
        m = re.match(r"[A-Za-z_][\w\s\*]*?(\w+)\(", line)
        if m and not line.rstrip().endswith(";"):
            name = m.group(1)
        if line == "{":
            start = n
        elif line.startswith("}") and start:
            yield name, start, n - start
            start = 0


def sizes():
    for path in sorted((root / "src").rglob("*.[ch]")):
        lines = len(path.read_text().splitlines())
        check(lines <= 800, f"{path.relative_to(root)} has {lines} lines (800 at most)")
        if path.suffix == ".c":
            for name, start, length in functions(path):
                check(length <= 100, f"{path.relative_to(root)}:{start}: {name} has {length} lines (100 at most)")


def calls(room):
    """{file: {file it calls: a function called}} of a room, by the names of its functions."""
    text, home = {}, {}
    for path in sorted((root / "src" / room).glob("*.c")):
        text[path.name] = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for m in re.finditer(r"^(?!static)[a-zA-Z][\w \*]*?\b(\w+)\([^;{]*?\)\n\{", text[path.name], re.M | re.S):
            home[m.group(1)] = path.name
    return {f: {home[n]: n for n in set(re.findall(r"\b\w+\b", t)) & set(home) if home[n] != f} for f, t in text.items()}


def circles():
    for room in sorted(ALLOWED):
        edges = calls(room)
        below = {f: set(edges[f]) for f in edges}
        for _ in edges:  # what can be reached
            below = {f: b.union(*(below[g] for g in b)) for f, b in below.items()}
        for f in sorted(edges):
            back = sorted(g for g in edges[f] if f in below[g])
            check(not back, f"src/{room}/{f} calls {', '.join(f'{edges[f][g]}() of {g}' for g in back)}, which leads back to it")


def heads():
    for path in sorted((root / "src").rglob("*.[ch]")) + sorted((root / "tests").rglob("*.c")):
        check(path.read_text().lstrip().startswith("/*"), f"{path.relative_to(root)} does not open with what it is")


def walks():
    text = (root / "docs/DESIGN.md").read_text()
    source = "\n".join(p.read_text() for p in (root / "src").rglob("*.[ch]"))
    for name in sorted(set(re.findall(r"`([a-z_0-9]+)\(\)`", text))):
        check(re.search(rf"^[^\s].*\b{name}\(", source, re.M) is not None, f"docs/DESIGN.md names {name}(), which does not exist")
    for name in sorted(set(re.findall(r"`((?:src|tests|tools|examples|docs)/[\w./-]+)`", text))):
        check((root / name).exists(), f"docs/DESIGN.md names {name}, which does not exist")
    for path in sorted((root / "src").rglob("*.c")):
        check(f"`{path.name}`" in text or f"`{path.relative_to(root)}`" in text, f"docs/DESIGN.md has no line for {path.relative_to(root)}")


def features():
    """Each test that docs/FEATURES.md names is there."""
    for path, name in sorted(set(re.findall(r"`(tests/[\w/.]+):(\w+)`", (root / "docs/FEATURES.md").read_text()))):
        source = (root / path).read_text() if (root / path).exists() else ""
        check(re.search(rf"^(def |static void ){name}\(", source, re.M) is not None, f"docs/FEATURES.md names {path}:{name}, which does not exist")


includes()
sizes()
circles()
heads()
walks()
features()
print(f"{passed} checks passed, {failed} failed")
sys.exit(failed > 0)
