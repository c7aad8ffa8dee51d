//! What code and its surroundings share while it runs.

/// Bytes between the stacks of two functions. Kernel: `MAX_BPF_STACK`.
pub const FRAME: i32 = 512;

/// Iterations that `may_goto` allows a function. Kernel: `BPF_MAX_LOOPS`.
pub(crate) const MAX_LOOPS: u32 = 8 * 1024 * 1024;

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
    /// `extern "C" fn(&mut Env, addr, kind, value) -> u64`, for accesses that are not plain:
    /// [`Env::LOAD`] and those that follow.
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
}

impl Env {
    /// Kind of an access: a load, zero-extended. The size in bytes is in the lowest 4 bits of each kind.
    pub const LOAD: u32 = 0x10;
    /// A load, sign-extended.
    pub const LOAD_SX: u32 = 0x20;
    /// A store of a register.
    pub const STORE: u32 = 0x30;
    /// A store of an immediate.
    pub const STORE_IMM: u32 = 0x40;
    /// A load from the packet, `addr` being the offset (`LD_ABS`, `LD_IND`).
    pub const PACKET: u32 = 0x50;
    /// [`Env::meter`] is below 0. `addr` has the number of the program in its upper half and that of the instruction
    /// in its lower.
    pub const METER: u32 = 0x60;
}
