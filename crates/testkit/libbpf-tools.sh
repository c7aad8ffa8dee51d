#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Compiles the BPF programs of a directory, such as libbpf-tools of Debian's source package `bpfcc`, against the types of
# kernels, and compares the instructions that libbpf and Skep make of each, fitted to each of these kernels.
#
#   libbpf-tools.sh SOURCES [BTF...]
#
# SOURCES has *.bpf.c, perhaps deeper, and headers beside them; BTF are types of kernels, the running one's by default.
# INCLUDE names more directories with headers. What does not compile is told with its first error. Where sources, clang
# or types are missing, it says so and ends with 77, as test drivers expect of what is skipped.
set -eu

skip() {
    echo "skipped: $1" >&2
    exit 77
}

[ $# -ge 1 ] || {
    echo "usage: $0 SOURCES [BTF...]" >&2
    exit 2
}
[ -d "$1" ] || skip "no sources in $1; on Debian: apt-get source bpfcc"
sources=$(cd "$1" && pwd)
shift
[ $# -ge 1 ] || set -- /sys/kernel/btf/vmlinux
clang=${CLANG:-clang-19}
command -v "$clang" >/dev/null || skip "no $clang"
[ -e /usr/include/bpf/bpf_helpers.h ] || skip "no <bpf/bpf_helpers.h> (libbpf-dev)"
files=$(find "$sources" -name '*.bpf.c' | sort)
[ -n "$files" ] || skip "no *.bpf.c below $sources"

cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $(uname -m) in
aarch64) arch=arm64 ;;
*) arch=x86 ;;
esac
more=
for dir in ${INCLUDE-}; do
    more="$more -I$dir"
done

for btf; do
    [ -r "$btf" ] || skip "no types in $btf"
    out=$work/objects
    rm -rf "$out"
    mkdir "$out"
    # The header takes the place of any that lies with the sources.
    cargo run -q --release -p skep-cli -- inspect --btf-c "$btf" >"$work/vmlinux.h"
    compiled=0 failed=0
    for file in $files; do
        name=$(basename "$file" .bpf.c)
        [ ! -e "$out/$name.o" ] || name=$(basename "$(dirname "$file")")-$name
        # shellcheck disable=SC2086
        if "$clang" -target bpf -mcpu=v3 -O2 -g -w -D__TARGET_ARCH_$arch -I"$work" -I"$(dirname "$file")" \
            -I"$sources" $more -I/usr/include/"$(uname -m)"-linux-gnu -c "$file" -o "$out/$name.o" 2>"$work/errors"; then
            compiled=$((compiled + 1))
        else
            failed=$((failed + 1))
            echo "$name does not compile: $(grep -m 1 error: "$work/errors" || head -n 1 "$work/errors")"
            rm -f "$out/$name.o"
        fi
    done
    echo "$btf: $compiled compiled, $failed not"
    for target; do
        echo "fitted to $target:"
        SKEP_CORE_OBJECTS=$out SKEP_CORE_BTF=$target \
            cargo test -q --release -p skep-obj --test libbpf instructions -- --nocapture
    done
done
