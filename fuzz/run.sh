#!/bin/sh
# Runs fuzz targets, each for a bounded time: fuzz/run.sh [--seconds N] [TARGET…]
#
# The layout is cargo-fuzz's. Without that tool, this builds with the stable toolchain what
# `cargo fuzz run --sanitizer none` builds: libFuzzer with coverage, overflow checks and debug
# assertions. Each target starts from corpus/ and examples/. Fails if one panics, takes more than ten
# seconds for an input or more than 2 GiB; the input is then in fuzz/artifacts.
set -eu
cd "$(dirname "$0")"

seconds=10
case "${1-}" in
--seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
-*) sed -n '2s/^# //p' "$0" >&2; exit 2 ;;
esac
case "$seconds" in
'' | *[!0-9]*) echo "run.sh: '$seconds' is no number of seconds" >&2; exit 2 ;;
esac
command -v c++ >/dev/null || command -v g++ >/dev/null || {
    echo 'run.sh: libFuzzer is C++: install a C++ compiler (g++)' >&2
    exit 2
}
[ $# -gt 0 ] || set -- $(for file in fuzz_targets/*.rs; do basename "$file" .rs; done)

host=$(rustc -vV | sed -n 's/^host: //p')
coverage='-Cpasses=sancov-module'
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    coverage="$coverage -Cllvm-args=-sanitizer-coverage-$option"
done
# A target triple keeps the flags away from build scripts.
RUSTFLAGS="$coverage -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks --cfg fuzzing" \
    cargo build --quiet --release --bins --target "$host"
bin=${CARGO_TARGET_DIR:-target}/$host/release

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
mkdir -p artifacts
for target; do
    [ -x "$bin/$target" ] || { echo "run.sh: there is no target $target" >&2; exit 2; }
done

# Runs one target; what it says comes at once, as others run beside it.
fuzz() {
    target=$1
    case "$target" in
    session | obj | obj_file | link | capture) max_len=16384 ;;
    *) max_len=4096 ;;
    esac
    # A million followed instructions, the verifier's limit, take it eight seconds with all that is counted here.
    case "$target" in
    verify) timeout=40 ;;
    *) timeout=10 ;;
    esac
    mkdir "$work/$target" "$work/$target.new"
    log=$work/$target.log
    if SKEP_SEEDS="$work/$target" "$bin/$target" "$work/$target.new" "$work/$target" \
        -max_total_time="$seconds" -max_len="$max_len" -timeout="$timeout" -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="artifacts/$target-" 2>"$log"; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        rss=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
        echo "$target: $runs inputs, $rss MiB, nothing found"
    else
        {
            sed -n '/panicked at\|ERROR: libFuzzer/,$p' "$log" | head -n 60
            echo "$target: found something; the input is in $PWD/artifacts:"
            ls -t artifacts | grep "^$target-" | head -n 1
        } >&2
        return 1
    fi
}

# Each processor has a share of the targets, one after the other.
processors=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
workers=''
first=1
while [ "$first" -le "$processors" ] && [ "$first" -le $# ]; do
    (
        trap - EXIT
        at=0
        for target; do
            at=$((at + 1))
            [ $((at % processors)) -ne $((first % processors)) ] || fuzz "$target" || exit 1
        done
    ) &
    workers="$workers $!"
    first=$((first + 1))
done
failed=0
for worker in $workers; do
    wait "$worker" || failed=1
done
exit "$failed"
