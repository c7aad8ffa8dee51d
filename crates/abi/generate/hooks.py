"""Every place a program can be loaded for, with what the kernel wants to hear of it."""

import dataclasses

from bpf import SLEEPABLE


@dataclasses.dataclass(frozen=True)
class Hook:
    prog_type: int
    attach: int | None = None
    btf_id: int = 0
    flags: int = 0


# Program type to attach types. Where loading does not depend on it, one stands for all.
PLAIN = {
    **{ty: [None] for ty in (1, 4, 5, 7, 10, 11, 12, 17, 19, 24)},
    2: [None, 42, 48, 56, 57],
    3: [None, 46, 47, 54, 55],
    6: [37, 33, 35],
    8: [0, 1],
    9: [2, 34, 12, 13],
    13: [3],
    14: [4, 5, 38],
    15: [6],
    16: [7],
    18: [8, 9, 10, 11, 49, 14, 15, 50, 19, 20, 51, 29, 30, 52, 31, 32, 53],
    20: [16],
    21: [39, 40],
    22: [17],
    23: [18],
    25: [21, 22],
    30: [36],
    32: [45],
}


def hooks(btf):
    plain = [Hook(ty, attach) for ty, attaches in PLAIN.items() for attach in attaches]
    func = lambda name: btf.find("FUNC", name)
    iters = [func("bpf_iter_" + name) for name in ("task", "tcp", "unix", "bpf_map_elem")]
    typed = [
        Hook(26, 23, btf.find("TYPEDEF", "btf_trace_sched_switch")),
        *(Hook(26, attach, func("bpf_fentry_test1"), flags) for attach in (24, 25) for flags in (0, SLEEPABLE)),
        Hook(26, 26, func("bpf_modify_return_test")),
        *(Hook(26, 28, id) for id in iters),
        Hook(27, 0, btf.find("STRUCT", "tcp_congestion_ops")),
        Hook(29, 27, func("bpf_lsm_file_open"), SLEEPABLE),
        Hook(29, 43, func("bpf_lsm_socket_bind")),
        Hook(31, None, 0, SLEEPABLE),
    ]
    return plain + typed
