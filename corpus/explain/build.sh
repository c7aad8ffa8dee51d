#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Rebuilds the objects of this directory: programs that are refused, for what is said of them.
set -eu

cd "$(dirname "$0")"
asm=/usr/include/$(uname -m)-linux-gnu
for source in *.bpf.c; do
    object=${source%.bpf.c}.o
    clang-19 -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -I"$asm" \
        -fdebug-compilation-dir=. -ffile-prefix-map="$PWD"=. -c "$source" -o "$object"
    llvm-strip-19 -g "$object"
done
