#!/bin/sh
# Compiles the bench programs to bare instructions, the way loaders without an ELF reader take them.
# Needs Debian's clang-19 and llvm-19. The results are checked in.
set -eu
cd "$(dirname "$0")"
for source in *.c; do
    name=${source%.c}
    clang-19 -target bpf -mcpu=v3 -O2 -Wall -c "$source" -o "$name.o"
    llvm-objcopy-19 -O binary --only-section=prog "$name.o" "$name.bin"
    rm "$name.o"
done
