//! What code and its surroundings share while it runs.

use skep_isa::Pc;

/// Bytes between the stacks of two functions. Kernel: `MAX_BPF_STACK`.
pub const FRAME: i32 = 512;

/// Iterations that `may_goto` allows a function. Kernel: `BPF_MAX_LOOPS`.
pub(crate) const MAX_LOOPS: u32 = 8 * 1024 * 1024;

/// Turns that a run of `bpf_loop` may have. Kernel: `BPF_MAX_LOOPS`.
pub(crate) const MAX_TURNS: i32 = 8 * 1024 * 1024;

/// Tail calls that a run may make. Kernel: `MAX_TAIL_CALL_CNT`.
pub(crate) const MAX_TAIL_CALLS: i32 = 33;

/// The environment of one entry into code. Code keeps its address in a register; a helper that calls back
/// enters with an environment of its own.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Env {
    /// The frame pointer, r10, of the function that is entered, or for those entered by
    /// [`Code::enter`](crate::Code::enter) that of whoever calls it: they go down by [`FRAME`] themselves.
    pub stack: u64,
    /// What [`Code::enter`](crate::Code::enter) calls.
    pub target: u64,
    /// Host stack pointer to which an aborted run returns; the code's own.
    pub host_sp: u64,
    /// r10 of whoever called the bridge last.
    pub frame: u64,
    /// `extern "C" fn(r1, r2, r3, r4, r5, &mut Env, id) -> r0`, for
    /// [`Callee::Bridge`](crate::Callee::Bridge) and [`Callee::TailCall`](crate::Callee::TailCall).
    pub bridge: u64,
    /// `extern "C" fn(&mut Env, addr, kind, value) -> u64`, for accesses that are not plain; the kind is read by
    /// [`Env::parts`].
    pub access: u64,
    /// What the bridge leaves: not 0 if the run is to end.
    pub stop: u64,
    /// What the bridge leaves after a tail call: where to go on, or 0.
    pub tail: u64,
    /// r1 of the tail call.
    pub tail_ctx: u64,
    /// What [`Env::access`] leaves: not 0 if the function ends with 0 (packet loads beyond the packet).
    pub miss: u64,
    /// The CPU that the run believes to be on.
    pub cpu: u64,
    /// Instructions that may run before [`Env::METER`] is asked for more, as of the last call out of the code;
    /// as a signed number.
    pub meter: u64,
    /// Where metered code keeps a register for a moment.
    pub spare: u64,
    /// What the register was in which a loop counts its turns.
    pub start: u64,
    /// Tail calls made in the run.
    pub tail_calls: u64,
    /// From here on up, r10 is that of a program that no other function is above: one that replaces it surely finds
    /// room on the stack.
    pub top: u64,
    /// Where the stack begins: no frame may lie below.
    pub bottom: u64,
    /// Address of [`Env::progs`] words: where the main function of each program is, or 0 if only
    /// [`Env::bridge`] may go there.
    pub mains: u64,
    /// Programs there are.
    pub progs: u64,
    /// In code that checks: what is added to r10, as the host has it, to have it as the program sees it.
    pub to_region: u64,
    /// In code that checks: r0 of an atomic operation.
    pub r0: u64,
}

/// The part of memory that an access has found last, so that it need not look it up again. They lie behind the environment: in
/// code that checks one for each of [`Code::checks`](crate::Code::checks), and up to [`CHECKS`] in all; else those
/// that [`Surroundings`](crate::Surroundings) have numbered, up to [`PROBES`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Check {
    /// Address of its first byte, as programs see it.
    pub lo: u64,
    /// Positions in it where the access fits; 0 if nothing has been found.
    pub limit: u64,
    /// What is added to an address to have the host's, in code that checks.
    pub to_host: u64,
}

/// Accesses and calls that remember what they have found, in code that has addresses of the host.
pub const PROBES: usize = 32;

/// Accesses that remember what they have found.
pub const CHECKS: usize = 256;
/// The last of them, which all others share: one for each size of loads and of stores.
const SHARED: usize = 8;

impl Check {
    /// Whether the `n`th access of a program shares one with accesses elsewhere.
    #[must_use]
    pub const fn is_shared(n: usize) -> bool {
        n >= CHECKS - SHARED
    }

    /// The number of that of an access, which is the `n`th of its program.
    #[must_use]
    pub const fn number(n: usize, bytes: usize, write: bool) -> usize {
        if !Self::is_shared(n) {
            return n;
        }
        let size = bytes.trailing_zeros() as usize & 3;
        CHECKS - SHARED + 2 * size + write as usize
    }
}

impl Env {
    /// A kind of access as code hands it over: the size in the lowest 4 bits, the kind in the next 4, then in 24
    /// bits the number of the program, and that of the instruction in the upper half.
    #[must_use]
    pub(crate) fn kind(kind: u32, size: u8, prog: u32, pc: Pc) -> u64 {
        debug_assert!(prog < 1 << 24, "bug: a program without a number");
        u64::from(pc.0) << 32 | u64::from(prog << 8) | u64::from(kind) | u64::from(size)
    }

    /// Kind, size, program and instruction of an access.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "parts")]
    pub const fn parts(kind: u64) -> (u32, usize, usize, Pc) {
        let low = kind as u32;
        (low & 0xf0, (low & 15) as usize, (low >> 8) as usize, Pc((kind >> 32) as u32))
    }

    /// Kind of an access: a load, zero-extended.
    pub const LOAD: u32 = 0x10;
    /// A load, sign-extended.
    pub const LOAD_SX: u32 = 0x20;
    /// A store of a register.
    pub const STORE: u32 = 0x30;
    /// A store of an immediate.
    pub const STORE_IMM: u32 = 0x40;
    /// A load from the packet, `addr` being the offset (`LD_ABS`, `LD_IND`).
    pub const PACKET: u32 = 0x50;
    /// [`Env::meter`] is below 0.
    pub const METER: u32 = 0x60;
    /// A load from an arena, zero-extended.
    pub const LOAD_ARENA: u32 = 0x70;
    /// The same, sign-extended.
    pub const LOAD_ARENA_SX: u32 = 0x80;
    /// A store to an arena.
    pub const STORE_ARENA: u32 = 0x90;
    /// Another [`Env::SOME_TURNS`] turns of a loop, where instructions are not counted.
    pub const TURNS: u32 = 0xa0;
    /// How many.
    pub const SOME_TURNS: u32 = 64;
    /// Before a loop over a map: gives memory for keys of so many bytes.
    pub const EACH: u32 = 0xd0;
    /// After it: takes it back.
    pub const EACH_END: u32 = 0xe0;
    /// An access of code that checks, where that has not found the part of memory: the instruction says which.
    pub const CHECKED: u32 = 0xb0;
    /// A call that finds no room on the stack.
    pub const DEEP: u32 = 0xc0;
}
