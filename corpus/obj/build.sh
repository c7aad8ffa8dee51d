#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
# Rebuilds the objects with Debian 12's clang-14, clang-16 and clang-19, and llvm-strip-19.
# Needs the headers of linux-libc-dev and libbpf-dev.
set -eu
cd "$(dirname "$0")"
include="-I/usr/include/$(uname -m)-linux-gnu"

build() { # compiler, source, output, flags
	cc=$1 src=$2 out=$3
	shift 3
	"clang-$cc" -O2 -g -target bpf -fdebug-compilation-dir=. $include "$@" -c "$src.c" -o "$out"
	llvm-strip-19 -g "$out"
}

for src in basic calls maps data; do
	for cc in 14 16 19; do
		build $cc $src $src.clang$cc.o
	done
done
build 19 basic basic.v4.o -mcpu=v4
build 19 text text.o
for src in arena core externs fields join_a join_b kfunc legacy misnamed pointers struct_ops undefined; do
	build 19 $src $src.o
done
for src in basic join_a join_b; do
	build 19 $src $src.be.o -target bpfeb
done
