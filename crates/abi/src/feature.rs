//! What programs can use of a kernel besides types and functions: instructions, loading, relocation.

use crate::release::v;
use crate::{AttachType, ProgType, Release};
use skep_isa::{AluOp, AtomicOp, Call, CondOp, ImmSrc, Insn, Swap, Width};

/// A feature of a kernel that is no row of another table.
///
/// Sources: the commits that added each; releases by merge window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// Conditional jumps on less than (`jlt`, `jle` and their signed kin).
    JumpLess,
    /// Calls of functions inside the program.
    BpfCalls,
    /// 32-bit jumps (v3).
    Jump32,
    /// Data sections, as maps whose values instructions point to.
    GlobalData,
    /// More than 4096 instructions.
    MillionInsns,
    /// Jumps back.
    Loops,
    /// Programs that may sleep (`BPF_F_SLEEPABLE`).
    Sleepable,
    /// Tail calls in programs that also call functions.
    TailCallsWithCalls,
    /// Variables of the kernel (`ksym`).
    KernelVars,
    /// Atomic operations besides addition.
    Atomics,
    /// Functions of the kernel.
    KernelFunctions,
    /// Functions as arguments.
    Callbacks,
    /// XDP over packets in fragments (`BPF_F_XDP_HAS_FRAGS`).
    XdpFrags,
    /// Instructions of v4: sign-extending loads and moves, signed division, `bswap`, long jumps.
    V4,
    /// `may_goto`.
    MayGoto,
    /// Casts of addresses in arenas.
    AddrSpaceCast,
    /// Load-acquire and store-release.
    LoadAcquire,
    /// The kernel's own types, for CO-RE relocation.
    KernelBtf,
    /// Iterators that may sleep.
    SleepableIter,
    /// Programs at user-space probes that may sleep.
    SleepableUprobe,
    /// Programs of kernel structures that may sleep.
    SleepableStructOps,
}

/// Words and first release, in the order of the variants.
const ROWS: [(Feature, &str, Release); 21] = [
    (Feature::JumpLess, "jumps on less than", v(4, 14)),
    (Feature::BpfCalls, "calls of BPF functions", v(4, 16)),
    (Feature::Jump32, "32-bit jumps (v3)", v(5, 1)),
    (Feature::GlobalData, "data sections", v(5, 2)),
    (Feature::MillionInsns, "more than 4096 instructions", v(5, 2)),
    (Feature::Loops, "bounded loops", v(5, 3)),
    (Feature::Sleepable, "sleepable programs", v(5, 10)),
    (Feature::TailCallsWithCalls, "tail calls besides function calls", v(5, 10)),
    (Feature::KernelVars, "variables of the kernel", v(5, 10)),
    (Feature::Atomics, "atomic operations", v(5, 12)),
    (Feature::KernelFunctions, "kernel functions", v(5, 13)),
    (Feature::Callbacks, "functions as arguments", v(5, 13)),
    (Feature::XdpFrags, "XDP with fragments", v(5, 18)),
    (Feature::V4, "instructions of v4", v(6, 6)),
    (Feature::MayGoto, "may_goto", v(6, 9)),
    (Feature::AddrSpaceCast, "casts between address spaces", v(6, 9)),
    (Feature::LoadAcquire, "load-acquire and store-release", v(6, 15)),
    (Feature::KernelBtf, "types of the kernel (CO-RE)", v(5, 4)),
    (Feature::SleepableIter, "sleepable iterators", v(5, 18)),
    (Feature::SleepableUprobe, "sleepable probes of user space", v(6, 0)),
    (Feature::SleepableStructOps, "sleepable programs of structures", v(6, 3)),
];

impl Feature {
    /// The first release that has all of them.
    pub const ALL_SINCE: Release = {
        let (mut newest, mut at) = (v(0, 0), 0);
        while at < ROWS.len() {
            let Release { major, minor } = ROWS[at].2;
            if major > newest.major || (major == newest.major && minor > newest.minor) {
                newest = ROWS[at].2;
            }
            at += 1;
        }
        newest
    };

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.0)
    }

    /// What an instruction is part of; nothing for those that the first kernels had.
    pub fn of(insn: &Insn) -> impl Iterator<Item = Self> + use<> {
        let is_less = |op| matches!(op, CondOp::Lt | CondOp::Le | CondOp::SLt | CondOp::SLe);
        let (first, second) = match *insn {
            Insn::JumpIf { width, op, .. } => (
                (width == Width::W32).then_some(Self::Jump32),
                is_less(op).then_some(Self::JumpLess),
            ),
            Insn::MovSx { .. }
            | Insn::LoadSx { .. }
            | Insn::JumpLong { .. }
            | Insn::Alu { op: AluOp::SDiv | AluOp::SMod, .. }
            | Insn::Swap { kind: Swap::Always, .. } => (Some(Self::V4), None),
            Insn::Atomic { op, .. } => ((op != AtomicOp::Add).then_some(Self::Atomics), None),
            Insn::LoadAcquire { .. } | Insn::StoreRelease { .. } => (Some(Self::LoadAcquire), None),
            Insn::MayGoto { .. } => (Some(Self::MayGoto), None),
            Insn::AddrSpaceCast { .. } => (Some(Self::AddrSpaceCast), None),
            Insn::Call(Call::Local(_)) => (Some(Self::BpfCalls), None),
            Insn::Call(Call::Kfunc { .. }) => (Some(Self::KernelFunctions), None),
            Insn::LoadImm { imm: ImmSrc::Func(_), .. } => (Some(Self::Callbacks), None),
            Insn::LoadImm { imm: ImmSrc::MapValue { .. } | ImmSrc::MapIdxValue { .. }, .. } => {
                (Some(Self::GlobalData), None)
            }
            _ => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// What programs of a type at a place need to sleep; nothing for those that always may.
    #[must_use]
    pub const fn sleepable(prog_type: ProgType, place: Option<AttachType>) -> Option<Self> {
        match (prog_type, place) {
            (ProgType::Syscall, _) => None,
            (ProgType::Kprobe, _) => Some(Self::SleepableUprobe),
            (ProgType::StructOps, _) => Some(Self::SleepableStructOps),
            (_, Some(AttachType::TraceIter)) => Some(Self::SleepableIter),
            _ => Some(Self::Sleepable),
        }
    }

    /// In a few words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        ROWS[self as usize].1
    }

    /// First release that has it.
    #[must_use]
    pub const fn since(self) -> Release {
        ROWS[self as usize].2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_the_variants() {
        for (at, feature) in Feature::all().enumerate() {
            assert_eq!(feature as usize, at);
            assert!(feature.since() <= Feature::ALL_SINCE);
        }
    }
}
