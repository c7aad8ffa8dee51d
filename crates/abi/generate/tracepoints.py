"""Prints `src/trust/tracepoints.rs`: python3 generate/tracepoints.py > src/trust/tracepoints.rs, as root.

Arguments that may be null or an error are read from the array that the running kernel keeps of them
(`raw_tp_null_args`): pairs of a name and of bits, four to an argument. It is found by its first row.
"""

import struct

from bpf import Kernel


def main():
    kernel = Kernel()
    start = kernel.symbols["__start_rodata"]
    rodata = kernel.read(start, kernel.symbols["__start___jump_table"] - start)

    def text(address):
        at = address - start
        return rodata[at : rodata.find(b"\0", at)].decode(errors="replace") if 0 <= at < len(rodata) else ""

    name = start + rodata.find(b"\0sched_pi_setprio\0") + 1
    at = rodata.find(struct.pack("<Q", name))
    rows = []
    while True:
        name, bits = struct.unpack_from("<QQ", rodata, at)
        if not text(name) or bits >> 48:
            break
        rows.append((text(name), bits))
        at += 16
    print("//! Tracepoints with arguments that may be null or an error.\n//!\n"
          "//! Printed by `generate/tracepoints.py` from Linux 6.18.\n\n"
          "/// By name: bits, four to an argument, the first lowest. 1 is null, 2 an error.\n"
          "#[rustfmt::skip]\npub(super) const ARGUMENTS: &[(&str, u64)] = &[")
    for name, bits in sorted(rows):
        print(f'    ("{name}", {bits:#x}),')
    print("];")


main()
