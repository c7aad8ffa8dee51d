#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Rebuilds the example objects. `build.sh --check` builds elsewhere and compares instead.
#
# The same compiler and headers give the same bytes wherever the tree lies: names in the line
# information are relative, and DWARF is stripped (BTF stays).
set -eu

cd "$(dirname "$0")"

need() { # what, package
    echo "build.sh: $1 is missing; on Debian: apt-get install $2" >&2
    exit 2
}
command -v clang-19 >/dev/null || need clang-19 clang-19
command -v llvm-strip-19 >/dev/null || need llvm-strip-19 llvm-19
[ -e /usr/include/bpf/bpf_helpers.h ] || need '<bpf/bpf_helpers.h>' libbpf-dev
[ -e /usr/include/linux/bpf.h ] || need '<linux/bpf.h>' linux-libc-dev
# <linux/types.h> wants <asm/types.h>, which Debian keeps per architecture.
asm=/usr/include/$(uname -m)-linux-gnu
[ -e "$asm/asm/types.h" ] || need '<asm/types.h>' linux-libc-dev

build() { # directory
    for source in *.bpf.c; do
        object=$1/${source%.bpf.c}.o
        clang-19 -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -I"$asm" \
            -fdebug-compilation-dir=. -ffile-prefix-map="$PWD"=. -c "$source" -o "$object"
        llvm-strip-19 -g "$object"
    done
}

case "${1-}" in
'')
    build .
    ;;
--check)
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    build "$fresh"
    status=0
    for name in $(printf '%s\n' "$fresh"/*.o *.o | sed 's|.*/||' | sort -u); do
        if ! cmp -s "$fresh/$name" "$name"; then
            echo "build.sh: $name is not what its source gives; run examples/build.sh" >&2
            status=1
        fi
    done
    exit $status
    ;;
*)
    echo "usage: build.sh [--check]" >&2
    exit 2
    ;;
esac
