"""bpf(2), and the running kernel's own tables read through it.

Needs root and a kernel with BTF. Programs are written here as bytes and only loaded to hear what the
verifier says of them; the one that runs copies read-only kernel memory.
"""

import collections
import ctypes
import os
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
SYS_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]
MAP_CREATE, MAP_LOOKUP, PROG_LOAD, TEST_RUN, BTF_BY_ID = 0, 1, 5, 10, 19
SLEEPABLE = 1 << 4


def bpf(cmd, attr):
    buf = ctypes.create_string_buffer(attr, 160)
    result = LIBC.syscall(SYS_BPF, cmd, buf, len(buf))
    return result if result >= 0 else -ctypes.get_errno()


def insn(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", code, dst | src << 4, off, (imm + 2**31) % 2**32 - 2**31)


def mov(dst, imm):
    return insn(0xB7, dst, imm=imm)


def call(helper):
    return insn(0x85, imm=helper)


EXIT = insn(0x95)


def prog_load(prog_type, code, attach=0, flags=0, btf_id=0):
    """The program's descriptor or minus errno, and the verifier's log."""
    license = ctypes.create_string_buffer(b"GPL")
    code = ctypes.create_string_buffer(code, len(code))
    log = ctypes.create_string_buffer(16384)
    attr = struct.pack(
        "<IIQQIIQII16sIIIIQIIQII",
        *(prog_type, len(code) // 8, ctypes.addressof(code), ctypes.addressof(license)),
        *(1, len(log), ctypes.addressof(log), 0, flags, b"table", 0, attach),
        *(0, 0, 0, 0, 0, 0, 0, btf_id),
    )
    return bpf(PROG_LOAD, attr), log.value.decode(errors="replace")


def loads(hook, code):
    """Whether the verifier takes the program, and its log."""
    fd, log = prog_load(hook.prog_type, code, hook.attach or 0, hook.flags, hook.btf_id)
    if fd >= 0:
        os.close(fd)
    return fd >= 0, log


class Kernel:
    """Memory of the running kernel."""

    CHUNK = 4096

    def __init__(self):
        self.buf = bpf(MAP_CREATE, struct.pack("<IIII", 2, 4, self.CHUNK, 1))
        copy = (
            insn(0xBF, 6, 1)  # r6 = ctx: address, size
            + insn(0x18, 1, 2, imm=self.buf)  # r1 = the map's only value
            + insn(0)
            + insn(0x79, 2, 6, 8)
            + insn(0x79, 3, 6, 0)
            + mov(0, 1)
            + insn(0x25, 2, 0, 1, self.CHUNK)  # a size beyond the value: leave
            + call(113)  # probe_read_kernel
            + EXIT
        )
        current = insn(0xBF, 6, 1) + call(35) + insn(0x7B, 6, 0) + mov(0, 0) + EXIT
        self.copy, log = prog_load(31, copy, flags=SLEEPABLE)
        assert self.copy >= 0, log
        self.current_task, log = prog_load(31, current, flags=SLEEPABLE)
        assert self.current_task >= 0, log
        self.symbols, self.names = {}, collections.defaultdict(list)
        for line in open("/proc/kallsyms"):
            at, _, name = line.split()[:3]
            self.symbols.setdefault(name, int(at, 16))
            self.names[int(at, 16)].append(name)

    def run(self, prog, ctx):
        ctx = ctypes.create_string_buffer(ctx, len(ctx))
        attr = struct.pack("<IIIIQQIIIIQQ", prog, 0, 0, 0, 0, 0, 0, 0, len(ctx), 0, ctypes.addressof(ctx), 0)
        attr = ctypes.create_string_buffer(attr, 160)
        result = LIBC.syscall(SYS_BPF, TEST_RUN, attr, len(attr))
        return result == 0 and struct.unpack_from("<i", attr.raw, 4)[0] == 0, ctx.raw

    def read(self, at, size):
        """Bytes; zeroes where nothing can be read."""
        out = b""
        while len(out) < size:
            part = min(size - len(out), self.CHUNK)
            ok, _ = self.run(self.copy, struct.pack("<QQ", at + len(out), part))
            key, value = ctypes.create_string_buffer(4), ctypes.create_string_buffer(self.CHUNK)
            bpf(MAP_LOOKUP, struct.pack("<IIQQQ", self.buf, 0, ctypes.addressof(key), ctypes.addressof(value), 0))
            out += value.raw[:part] if ok else bytes(part)
        return out

    def u32(self, at):
        return struct.unpack("<I", self.read(at, 4))[0]

    def u64(self, at):
        return struct.unpack("<Q", self.read(at, 8))[0]

    def object_of(self, fd, offset):
        """`private_data` of an open file. `offset(type, member)` is in bytes."""
        task = struct.unpack("<Q", self.run(self.current_task, bytes(8))[1])[0]
        files = self.u64(task + offset("task_struct", "files"))
        table = self.u64(files + offset("files_struct", "fdt"))
        file = self.u64(self.u64(table + offset("fdtable", "fd")) + 8 * fd)
        return self.u64(file + offset("file", "private_data"))
