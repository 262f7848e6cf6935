#!/bin/bash
# fuzz.sh SECONDS [TARGET...]: builds tests/fuzz with clang, libFuzzer, ASan and UBSan into build-fuzz (BUILD_FUZZ
# overrides) and runs every target for SECONDS seconds, two at a time. A finding leaves its input in
# build-fuzz/findings/TARGET-* and makes the exit status 1. The corpus of each target stays in build-fuzz/corpus; it begins with the minimised
# one of tests/fuzz/corpus (made by `fuzz_X -merge=1`).
# FUZZ_SEED (1) makes a run like the last one; long runs use others.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
seconds=${1:-20}
shift || true
build=${BUILD_FUZZ:-$root/build-fuzz}
[ -e "$build/build.ninja" ] || CC=clang meson setup "$build" "$root" -Dfuzz=true -Db_sanitize=address,undefined \
    -Db_lundef=false --buildtype=debugoptimized >/dev/null
targets=("$@")
if [ ${#targets[@]} = 0 ]; then
    for f in "$root"/tests/fuzz/fuzz_*.c; do
        targets+=("$(basename "$f" .c)")
    done
fi
ninja -C "$build" "${targets[@]/#/tests/fuzz/}" | grep -E "error|warning|FAILED" || true
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
mkdir -p "$build/findings" "$build/corpus"
one() { # TARGET: one run; seeds for the readers of text are the examples
    local t=$1 seeds="$build/corpus/$1" words=()
    mkdir -p "$seeds"
    [ ! -e "$root/tests/fuzz/corpus/$t.tar.gz" ] || tar -C "$seeds" -xzf "$root/tests/fuzz/corpus/$t.tar.gz" --no-same-owner
    case $t in
    fuzz_config) # section by section, and the words of the grammar; short inputs, for each line walks the whole grammar
        awk -v dir="$seeds" 'FNR == 1 || !/^[ \302]/ {close(out); out = sprintf("%s/section%04d", dir, ++n)} {print >out}' \
            "$root"/examples/*/*.cfg "$root/tests/cli/golden/running.cfg"
        grep -E '^ *(CFG|\{)' "$root/src/cli/grammar.c" | grep -oE '[a-z][a-z0-9-]{2,}' | sort -u | sed 's/.*/"&"/' >"$build/$t.dict"
        words=(-dict="$build/$t.dict" -max_len=256 -entropic=0) ;;
    fuzz_topo) for f in "$root"/examples/*/*.clab.yml; do cp -n "$f" "$seeds"/; done ;;
    esac
    "$build/tests/fuzz/$t" -max_total_time="$seconds" -seed="${FUZZ_SEED:-1}" -timeout=10 -rss_limit_mb=2048 -max_len=9000 -print_final_stats=1 "${words[@]}" \
        -artifact_prefix="$build/findings/$t-" "$seeds" >"$build/$t.log" 2>&1
}
passed=0 failed=0
running=() names=()
reap() {
    if wait "${running[0]}"; then
        passed=$((passed + 1))
        echo "fuzz: ${names[0]}: $(sed -n 's/^stat::number_of_executed_units: *//p' "$build/${names[0]}.log") inputs"
    else
        failed=$((failed + 1))
        echo "fuzz: ${names[0]} found something: $(sed -n 's/.*Test unit written to //p' "$build/${names[0]}.log" | tail -1)"
        grep -m3 -E "ERROR: |runtime error|SUMMARY" "$build/${names[0]}.log" || tail -5 "$build/${names[0]}.log"
    fi
    running=("${running[@]:1}") names=("${names[@]:1}")
}
for t in "${targets[@]}"; do
    [ ${#running[@]} -lt 2 ] || reap
    one "$t" &
    running+=($!) names+=("$t")
done
while [ ${#running[@]} -gt 0 ]; do
    reap
done
echo "fuzz: $passed passed, $failed failed"
[ "$failed" = 0 ]
