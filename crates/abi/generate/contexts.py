"""Prints `src/ctx/table.rs`: python3 generate/contexts.py > src/ctx/table.rs, as root.

Fields come from the running kernel's types; whether and how a program may load and store them is asked
of the verifier, byte by byte and size by size.
"""

import collections
import re

from bpf import EXIT, insn, loads, mov
from btf import Btf
from helpers import camel, prog_type_names
from hooks import hooks

SKB = (1, 3, 4, 8, 10, 11, 12, 14, 19, 22)
STRUCTS = {
    **{ty: "__sk_buff" for ty in SKB}, 6: "xdp_md", 7: "bpf_perf_event_data", 9: "bpf_sock", 13: "bpf_sock_ops",
    15: "bpf_cgroup_dev_ctx", 16: "sk_msg_md", 18: "bpf_sock_addr", 21: "sk_reuseport_md", 23: "bpf_sysctl",
    25: "bpf_sockopt", 30: "bpf_sk_lookup", 32: "bpf_nf_ctx",
}
LOAD, STORE = {1: 0x71, 2: 0x69, 4: 0x61, 8: 0x79}, {1: 0x73, 2: 0x6B, 4: 0x63, 8: 0x7B}
KINDS = {
    "scalar": "Scalar", "pkt": "Packet", "pkt_end": "PacketEnd", "pkt_meta": "PacketMeta", "sock": "Sock",
    "sock_or_null": "SockOrNull", "sock_common_or_null": "SockOrNull", "flow_keys": "FlowKeys",
}


def kind(log):
    found = re.search(r"\bR6(?:_w)?=([a-z_]*)(\d|\()", log)
    word = found[1] if found else "scalar"
    if word.startswith(("trusted_ptr", "ptr_")):
        return "BtfPointer"
    return KINDS[word or "scalar"]


def accesses(hook, size, end):
    """What may be done: (offset, bytes) to the kind of what is loaded, and a set of stores."""
    reads, writes = {}, set()
    for at in range(size):
        for width in (1, 2, 4, 8):
            load = insn(LOAD[width], 6, 1, at)
            if loads(hook, load + end)[0]:
                # Only a refused program's log tells what registers hold: read one that is not set.
                reads[at, width] = kind(loads(hook, load + insn(0xBF, 0, 9) + EXIT)[1])
            if loads(hook, mov(2, 0) + insn(STORE[width], 1, 2, at) + end)[0]:
                writes.add((at, width))
    return reads, writes


def rows(fields, reads, writes):
    """Name to what may be done with the field."""
    out = {}
    for name, at, size in fields:
        inside = [(a, w) for a, w in reads if at <= a and a + w <= at + max(size, 1)]
        whole = [w for a, w in reads if a == at and w <= max(size, 8)]
        stores = [w for a, w in writes if a == at]
        if not whole and not stores:
            continue
        parts = any(a != at and w < 4 for a, w in inside)
        kinds = {reads[at, w] for w in whole} or {"Scalar"}
        assert len(kinds) == 1, (name, kinds)
        out[name, at, size] = (kinds.pop(), sum(whole), parts, sum(stores))
    return out


def main():
    btf = Btf()
    progs = prog_type_names(btf)
    attach = {}
    for name, value in btf.enum("bpf_attach_type").items():
        attach.setdefault(value, camel(name.removeprefix("BPF_")))
    tables = collections.defaultdict(lambda: collections.defaultdict(list))
    asked = collections.defaultdict(list)
    for hook in hooks(btf):
        if hook.prog_type not in STRUCTS:
            continue
        end = next((mov(0, v) + EXIT for v in (1, 0) if loads(hook, mov(0, v) + EXIT)[0]), None)
        struct = STRUCTS[hook.prog_type]
        size = btf.struct(struct)["size"]
        asked[hook.prog_type].append(hook.attach)
        for field, access in rows(btf.fields(struct), *accesses(hook, size, end)).items():
            tables[hook.prog_type][field, access].append(hook.attach)
    print("//! Contexts: the fields that programs see, and what they may do with them.\n//!\n"
          "//! Printed by `generate/contexts.py` from Linux 6.18.\n\n"
          "use super::FieldKind::*;\nuse super::{Field, field};\nuse crate::AttachType::{self, *};\n\n"
          "const EVERYWHERE: &[AttachType] = &[];")
    printed = {}
    for ty, table in sorted(tables.items()):
        lines = []
        by_place = lambda row: (row[0][0][1], row[0][0][2], row[0][0][0], row[1])
        for (field, access), attaches in sorted(table.items(), key=by_place):
            everywhere = len(attaches) == len(asked[ty])
            only = "EVERYWHERE" if everywhere else f"&[{', '.join(attach[a] for a in attaches)}]"
            (name, at, size), (what, read, parts, write) = field, access
            lines.append(f'    field("{name}", {at}, {size}, {what}, {read}, {str(parts).lower()}, {write}, {only}),')
        text = "\n".join(lines)
        if text in printed:
            print(f"\npub(crate) const {progs[ty]}: &[Field] = {printed[text]};")
        else:
            printed[text] = progs[ty]
            print(f"\n#[rustfmt::skip]\npub(crate) const {progs[ty]}: &[Field] = &[\n{text}\n];")


main()
