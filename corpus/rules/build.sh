#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Compiles the examples of rules that need types.
set -eu
cd "$(dirname "$0")"
clang-19 -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Wno-unused-parameter -Wno-unused-function -I"/usr/include/$(uname -m)-linux-gnu" \
    -fdebug-compilation-dir=. -ffile-prefix-map="$PWD"=. -c rules.bpf.c -o rules.o
llvm-strip-19 -g rules.o
