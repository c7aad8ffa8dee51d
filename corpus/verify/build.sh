#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Rebuilds the objects of this directory: programs with types, judged by the verifier and by the kernel.
set -eu

cd "$(dirname "$0")"
asm=/usr/include/$(uname -m)-linux-gnu
for source in *.bpf.c; do
    object=${source%.bpf.c}.o
    clang-19 -target bpf -mcpu=v4 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter -I"$asm" \
        -fdebug-compilation-dir=. -ffile-prefix-map="$PWD"=. -c "$source" -o "$object"
    llvm-strip-19 -g "$object"
done
