"""Prints `src/helper/table.rs`: python3 generate/helpers.py > src/helper/table.rs, as root.

Prototypes are read from the running kernel's memory: a `struct bpf_func_proto` begins with the address
of the helper, which /proc/kallsyms names. Which program types may call a helper is asked of the
verifier. What this kernel is built without, or loads no programs for, is added by hand below.
"""

import struct

from bpf import EXIT, Kernel, call, loads, mov
from btf import Btf
from hooks import hooks

# First id of each release, by the merge window that took the commit.
SINCE = [
    (1, "3, 19"), (4, "4, 1"), (12, "4, 2"), (17, "4, 3"), (23, "4, 4"), (26, "4, 5"), (27, "4, 6"),
    (31, "4, 8"), (37, "4, 9"), (42, "4, 10"), (45, "4, 11"), (46, "4, 12"), (48, "4, 13"),
    (51, "4, 14"), (54, "4, 15"), (58, "4, 16"), (60, "4, 17"), (65, "4, 18"), (81, "4, 19"),
    (84, "4, 20"), (91, "5, 0"), (93, "5, 1"), (99, "5, 2"), (109, "5, 3"), (110, "5, 4"),
    (111, "5, 5"), (116, "5, 6"), (119, "5, 7"), (125, "5, 8"), (136, "5, 9"), (142, "5, 10"),
    (156, "5, 11"), (163, "5, 12"), (164, "5, 13"), (166, "5, 14"), (169, "5, 15"), (176, "5, 16"),
    (180, "5, 17"), (186, "5, 18"), (194, "5, 19"), (204, "6, 0"), (208, "6, 1"), (210, "6, 2"),
]
# Symbols of helpers whose function is not called bpf_NAME, the plainest variant first.
SYMBOLS = {
    "get_prandom_u32": "bpf_user_rnd_u32", "probe_read": "bpf_probe_read_compat",
    "probe_read_str": "bpf_probe_read_compat_str", "setsockopt": "bpf_sock_ops_setsockopt",
    "getsockopt": "bpf_sock_ops_getsockopt", "redirect_map": "bpf_xdp_redirect_map",
    "fib_lookup": "bpf_skb_fib_lookup", "lwt_push_encap": "bpf_lwt_in_push_encap",
    "sk_select_reuseport": "sk_select_reuseport", "load_hdr_opt": "bpf_sock_ops_load_hdr_opt",
    "store_hdr_opt": "bpf_sock_ops_store_hdr_opt", "reserve_hdr_opt": "bpf_sock_ops_reserve_hdr_opt",
    "check_mtu": "bpf_skb_check_mtu", "get_func_ip": "bpf_get_func_ip_kprobe",
    "get_func_arg": "get_func_arg", "get_func_ret": "get_func_ret",
    "get_func_arg_cnt": "get_func_arg_cnt", "get_attach_cookie": "bpf_get_attach_cookie_trace",
    "skb_output": "bpf_skb_event_output", "xdp_output": "bpf_xdp_event_output",
}
# Not in the kernel that was asked: returned integer, arguments, attributes.
BY_HAND = {
    "tail_call": ("ret(R::Void, 0)", ["arg(Ctx, 0)", "arg(Map, 0)", "arg(Any, 0)"], "0"),
    "probe_write_user": ("ret(R::Int, 0)", ["arg(Any, 0)", "arg(Mem, RDONLY)", "arg(Size, 0)"], "GPL"),
    "override_return": ("ret(R::Int, 0)", ["arg(Ctx, 0)", "arg(Any, 0)"], "GPL"),
    "rc_repeat": ("ret(R::Int, 0)", ["arg(Ctx, 0)"], "GPL"),
    "rc_keydown": ("ret(R::Int, 0)", ["arg(Ctx, 0)"] + ["arg(Any, 0)"] * 3, "GPL"),
    "rc_pointer_rel": ("ret(R::Int, 0)", ["arg(Ctx, 0)"] + ["arg(Any, 0)"] * 2, "GPL"),
}
RETS = ["Int", "Void", "MapValue", "Socket", "TcpSock", "SockCommon", "Mem", "MemOrBtfId", "BtfId"]
ARGS = [
    "", "Map", "MapKey", "MapValue", "Mem", "Arena", "Size", "SizeOrZero", "Ctx", "Any", "SpinLock",
    "SockCommon", "Socket", "BtfId", "RingbufMem", "AllocSizeOrZero", "BtfIdSockCommon",
    "PercpuBtfId", "Func", "Stack", "ConstStr", "Timer", "KptrDest", "Dynptr",
]
# Program types by bit: those that share their helpers, then the rest.
GROUPS = {
    "TRACERS": [2, 5, 7, 17, 24, 26, 29],
    "TC": [3, 4],
    "LWT": [10, 11, 12, 19],
    "CGROUP": [8, 9, 13, 15, 18, 23, 25],
    "SOCKMAP": [14, 16],
}


# What the verifier says where a helper is not for programs of the hook.
REFUSALS = (
    "cannot use helper", "unknown func", "invalid func", "not supported for program type", "supported only for",
)


def flag_names(btf):
    known = btf.enum("bpf_type_flag")
    names = {"PTR_MAYBE_NULL": "OR_NULL", "OBJ_RELEASE": "RELEASE"}
    return {
        bit: names.get(name) or name.removeprefix("MEM_").removeprefix("PTR_").replace("DYNPTR_TYPE", "DYNPTR")
        for name, bit in known.items()
        if not name.startswith("__")
    }


class Protos:
    def __init__(self, kernel, btf):
        self.kernel, self.btf, self.flags = kernel, btf, flag_names(btf)
        start = kernel.symbols["__start_rodata"]
        end = kernel.symbols["__start___jump_table"]
        self.rodata = kernel.read(start, end - start)
        self.at = {}
        for i in range(0, len(self.rodata) - 96, 8):
            func = struct.unpack_from("<Q", self.rodata, i)[0]
            if func in kernel.names and self.plausible(i):
                for name in kernel.names[func]:
                    self.at.setdefault(name, []).append(i)

    def plausible(self, i):
        bools = self.rodata[i + 8 : i + 12]
        ret, *args = struct.unpack_from("<6I", self.rodata, i + 12)
        return max(bools) <= 1 and all(
            word & 0xFF < len(names) and word < 1 << 28
            for word, names in [(ret, RETS), *((arg, ARGS) for arg in args)]
        )

    def text(self, word):
        bits = [name for bit, name in self.flags.items() if word & bit]
        return " | ".join(bits) or "0"

    def type_name(self, pointer):
        """The structure whose BTF id is stored at an address."""
        id = self.kernel.u32(pointer)
        return self.btf.types[id]["name"] if id in self.btf.types else ""

    def row(self, name):
        if name in BY_HAND:
            return BY_HAND[name]
        last = name in ("skb_output", "xdp_output")
        found = self.at[SYMBOLS.get(name, "bpf_" + name)]
        # Where a function has two prototypes, that of tracing programs takes a BTF pointer.
        is_btf = lambda i: struct.unpack_from("<I", self.rodata, i + 16)[0] & 0xFF == 13
        i = next(i for i in found if is_btf(i) == last) if len(found) > 1 else found[0]
        gpl, packet, sleeps, fastcall = self.rodata[i + 8 : i + 12]
        ret, *args = struct.unpack_from("<6I", self.rodata, i + 12)
        extra = struct.unpack_from("<5Q", self.rodata, i + 40)
        ret_btf = struct.unpack_from("<Q", self.rodata, i + 80)[0]
        attrs = [n for n, on in zip(["GPL", "PACKET", "SLEEPS", "FASTCALL"], [gpl, packet, sleeps, fastcall]) if on]
        out = []
        for word, more in zip(args, extra):
            if word & 0xFF == 0:
                break
            text = f"arg({ARGS[word & 0xFF]}, {self.text(word)})"
            if more >= 1 << 32 and self.type_name(more):
                text += f'.of("{self.type_name(more)}")'
            elif 0 < more < 1 << 32:
                text += f".fixed({more})"
            out.append(text)
        text = f"ret(R::{RETS[ret & 0xFF]}, {self.text(ret)})"
        if ret_btf and self.type_name(ret_btf):
            text += f'.of("{self.type_name(ret_btf)}")'
        return text, out, " | ".join(attrs) or "0"


def admitted(btf):
    """Hooks that each helper may be called from, and all hooks that could be asked."""
    asked, out = [], {}
    for hook in hooks(btf):
        if not any(loads(hook, mov(0, value) + EXIT)[0] for value in (0, 1)):
            continue
        asked.append(hook)
        for id in range(1, len(btf.enum("bpf_func_id")) - 1):
            ok, log = loads(hook, call(id) + mov(0, 1) + EXIT)
            refused = any(words in log for words in REFUSALS)
            if ok or (log.strip() and not refused):
                out.setdefault(id, set()).add((hook.prog_type, hook.attach))
    return asked, out


def add_by_hand(ids, out):
    """Hooks without programs here. Kernel: lirc_mode2_func_proto, bpf_lsm_func_proto,
    tracing_prog_func_proto, kprobe_prog_func_proto."""
    add = lambda names, where: [out.setdefault(ids[n], set()).update(where) for n in names.split()]
    add("map_lookup_elem map_update_elem map_delete_elem map_push_elem map_pop_elem map_peek_elem "
        "ktime_get_ns ktime_get_boot_ns tail_call get_prandom_u32 trace_printk "
        "rc_repeat rc_keydown rc_pointer_rel", [(20, 16)])
    trampolines, lsm = [(26, 24), (26, 25), (26, 26), (29, 27)], [(29, 27), (29, 43)]
    for hooks in list(out.values()):
        if (26, 23) in hooks:
            hooks.update(trampolines + lsm)
    out[ids["get_attach_cookie"]].discard((29, 43))
    add("get_func_arg get_func_ret get_func_arg_cnt", trampolines)
    add("get_func_ip", trampolines[:3])
    add("inode_storage_get inode_storage_delete sk_storage_get sk_storage_delete bprm_opts_set "
        "ima_inode_hash ima_file_hash spin_lock spin_unlock", lsm)
    add("get_local_storage get_retval set_retval setsockopt getsockopt", [(29, 43)])
    add("override_return", [(2, attach) for attach in (None, 42, 56, 48, 57)])
    tracers = [(2, None), (5, None), (7, None), (17, None), (24, None), (26, 23), (26, 28)]
    add("probe_write_user", tracers + trampolines + lsm + [(31, None)])


def camel(name):
    return "".join(part.capitalize() for part in name.lower().split("_"))


def types_text(types, const):
    out, left = [], set(types)
    for group, members in GROUPS.items():
        if left >= set(members):
            out.append(group)
            left -= set(members)
    return " | ".join(out + [const[ty] for ty in sorted(left)]) or "0"


def prog_type_names(btf):
    return {v: n[14:] for n, v in btf.enum("bpf_prog_type").items() if n.startswith("BPF_PROG_TYPE")}


def main():
    btf = Btf()
    ids = {n[9:].lower(): v for n, v in btf.enum("bpf_func_id").items() if n.startswith("BPF_FUNC_")}
    progs = prog_type_names(btf)
    attach = {}
    for name, value in btf.enum("bpf_attach_type").items():
        attach.setdefault(value, camel(name.removeprefix("BPF_")))
    protos = Protos(Kernel(), btf)
    asked, out = admitted(btf)
    add_by_hand(ids, out)
    everywhere = set.union(*(set(v) for v in out.values()))
    print("//! Helpers: prototypes, callers, first releases.\n//!\n"
          "//! Printed by `generate/helpers.py` from Linux 6.18.\n\n"
          "use super::arg::flag::*;\nuse super::arg::{ArgKind::*, RetKind as R, arg, ret};\n"
          "use super::{FASTCALL, GPL, Helper, PACKET, SLEEPS, helper};\nuse crate::AttachType::{self, *};\n"
          "use crate::prog_type::bits::*;\nuse crate::release::v;\n")
    all_types = frozenset(t for t, _ in everywhere)
    all_but_lirc = all_types - {20}
    print("#[rustfmt::skip]\npub(super) const HELPERS: &[Helper] = &[")
    for name, id in sorted(ids.items(), key=lambda item: item[1]):
        if id == 0:
            continue
        hooks = out.get(id, set())
        types = {t for t, _ in hooks}
        named = {all_but_lirc: "EVERY", all_types: "EVERY | LIRC_MODE2"}
        text = named.get(frozenset(types)) or types_text(types, progs)
        part = [(t, a) for t, a in everywhere if t in types and (t, a) not in hooks and a is not None]
        only = sorted({a for t, a in hooks if a is not None and any(t == p for p, _ in part)})
        only = "&[" + ", ".join(attach[a] for a in only) + "]" if only else "NONE"
        ret, args, attrs = protos.row(name)
        since = next(release for first, release in reversed(SINCE) if id >= first)
        print(f'    helper({id}, "{name}", v({since}), {attrs}, {ret}, &[{", ".join(args)}], {text}, {only}),')
    print("];\n\nconst NONE: &[AttachType] = &[];")


if __name__ == "__main__":
    main()
