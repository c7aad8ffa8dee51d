#!/bin/sh
# Rebuilds the fixtures of this directory: the .BTF and .BTF.ext sections of the C file, in both byte
# orders, as Debian's clang-19 makes them.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
for order in el eb; do
	clang-19 -target "bpf$order" -g -O2 -ffile-prefix-map="$PWD"=. -fdebug-compilation-dir=. \
		-c flows.bpf.c -o "$tmp/flows.o"
	llvm-objcopy-19 --dump-section .BTF="flows.$order.btf" \
		--dump-section .BTF.ext="flows.$order.btf.ext" "$tmp/flows.o" "$tmp/out.o"
done
