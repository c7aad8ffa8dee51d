#!/bin/sh
# Rebuilds the fixtures of this directory: the .BTF and .BTF.ext sections of the C files, in both byte
# orders, as Debian's clang-19 makes them.
set -eu
cd "$(dirname "$0")"
tmp=$(mktemp -d)
trap 'rm -r "$tmp"' EXIT
for order in el eb; do
	for name in flows.bpf core.bpf core_target layouts; do
		clang-19 -target "bpf$order" -g -O2 -mcpu=v3 -ffile-prefix-map="$PWD"=. \
			-fdebug-compilation-dir=. -c "$name.c" -o "$tmp/$name.o"
		out=${name%.bpf}.$order
		llvm-objcopy-19 --dump-section .BTF="$out.btf" "$tmp/$name.o" "$tmp/out.o"
		case $name in *.bpf)
			llvm-objcopy-19 --dump-section .BTF.ext="$out.btf.ext" "$tmp/$name.o" "$tmp/out.o" ;;
		esac
	done
done
# As BTFHub packs the types of a kernel.
cp core_target.el.btf "$tmp/5.4.0-fake.btf"
tar --sort=name --owner=0 --group=0 --mtime=@0 -C "$tmp" -cf - 5.4.0-fake.btf | xz -9 > core_target.btf.tar.xz
