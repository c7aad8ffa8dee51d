#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Compiles the examples of rules that need types. `build.sh --check` compiles elsewhere and compares instead.
set -eu
cd "$(dirname "$0")"

build() { # object
    clang-19 -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-unused-function \
        -I"/usr/include/$(uname -m)-linux-gnu" -fdebug-compilation-dir=. -ffile-prefix-map="$PWD"=. \
        -c rules.bpf.c -o "$1"
    llvm-strip-19 -g "$1"
}

case "${1-}" in
'')
    build rules.o
    ;;
--check)
    fresh=$(mktemp -d)
    trap 'rm -rf "$fresh"' EXIT
    build "$fresh/rules.o"
    cmp -s "$fresh/rules.o" rules.o || {
        echo 'build.sh: rules.o is not what its source gives; run corpus/rules/build.sh' >&2
        exit 1
    }
    ;;
*)
    echo 'usage: build.sh [--check]' >&2
    exit 2
    ;;
esac
