#!/bin/bash
# test.sh [STAGE...]: all tests, each stage counted; ends with "N passed, N failed". Stages: house unit clang fuzz e2e.
# Needs root for the end-to-end stage (namespaces); FUZZ_SECONDS (20) is spent on each fuzz target.
set -uo pipefail
cd "$(dirname "$0")/.."
san=${SAN:-build-san}
stages=${*:-house unit clang fuzz e2e}
passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
tally() { # tally NAME PASSED FAILED
    printf -- '-- %s: %d passed, %d failed\n' "$1" "$2" "$3"
    passed=$((passed + $2)) failed=$((failed + $3))
}
sum() { awk '{s += $1} END {print s + 0}'; }

house() { # the laws a program can check
    tools/check_house.py | tee "$work/house"
    read -r p f < <(sed -n 's/^\([0-9]*\) checks passed, \([0-9]*\) failed$/\1 \2/p' "$work/house")
    # a thousand single checks count as the one test they are
    tally house "$([ "${f:-1}" = 0 ] && echo 1 || echo 0)" "$([ "${f:-1}" = 0 ] && echo 0 || echo 1)"
}
configure_san() {
    [ -e "$san/build.ninja" ] || CC=gcc meson setup "$san" -Db_sanitize=address,undefined -Db_lundef=false --buildtype=debugoptimized >"$work/setup" ||
        { cat "$work/setup"; return 1; }
}
unit() { # vectors, ladders, data path, console: with ASan and UBSan
    configure_san && ninja --quiet -C "$san" || { tally unit 0 1; return; }
    meson test -C "$san" --print-errorlogs --no-rebuild || true
    local log=$san/meson-logs/testlog.txt
    # cmocka and pytest count their cases; a program that died before its summary counts as one failure
    local p f died
    p=$({ sed -n 's/^\[  PASSED  \] \([0-9]*\) test(s).*/\1/p' "$log"; sed -n 's/^.*\b\([0-9][0-9]*\) passed.*/\1/p' "$log" | grep -v '^$'; } | sum)
    f=$({ sed -n 's/^\[  FAILED  \] \([0-9]*\) test(s).*/\1/p' "$log"; sed -n 's/^.*\b\([0-9][0-9]*\) failed.*/\1/p' "$log"; } | sum)
    died=$(sed -n 's/^Fail: *\([0-9]*\)$/\1/p;s/^Timeout: *\([0-9]*\)$/\1/p' "$log" | sum)
    [ "$f" -ge "$died" ] || f=$died
    tally unit "$p" "$f"
}
clang() { # the other compiler, all warnings errors
    [ -e build-clang/build.ninja ] || CC=clang meson setup build-clang --buildtype=debugoptimized >"$work/setup" || { cat "$work/setup"; tally clang 0 1; return; }
    if ninja --quiet -C build-clang; then tally clang 1 0; else tally clang 0 1; fi
}
fuzz() {
    tools/fuzz.sh "${FUZZ_SECONDS:-20}" | tee "$work/fuzz"
    read -r p f < <(sed -n 's/^fuzz: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$work/fuzz")
    tally fuzz "${p:-0}" "${f:-1}"
}
e2e() { # labs in namespaces against each other and against a real kernel, with the sanitized programs
    configure_san && ninja --quiet -C "$san" || { tally e2e 0 1; return; }
    local sudo=; [ "$(id -u)" = 0 ] || sudo="sudo -E"
    $sudo env ADIT_BUILD="$PWD/$san" /usr/bin/python3 -m pytest -q -n ${E2E_JOBS:-3} --dist load -p no:cacheprovider --durations=5 tests/e2e 2>&1 | tee "$work/e2e"
    local p f
    p=$(sed -n 's/^.*\b\([0-9][0-9]*\) passed.*/\1/p' "$work/e2e" | sum)
    f=$({ sed -n 's/^.*\b\([0-9][0-9]*\) failed.*/\1/p' "$work/e2e"; sed -n 's/^.*\b\([0-9][0-9]*\) errors\? in.*/\1/p' "$work/e2e"; } | sum)
    [ $((p + f)) -gt 0 ] || f=1
    tally e2e "$p" "$f"
}
for s in $stages; do
    printf '\n== %s\n' "$s"
    start=$SECONDS
    $s
    printf -- '   (%d s)\n' $((SECONDS - start))
done
printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
