//! The answer.

use crate::aux::{Given, Passed};
use crate::map_info::MapInfo;
use crate::reject::Reject;
use crate::ways::Ways;
use skep_abi::MapType;
use skep_btf::TypeId;
use skep_isa::Pc;
use skep_prog::{Initial, MapDef, Prog};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// The answer.
#[derive(Clone, Debug)]
pub enum Verdict<'p> {
    /// The kernel would take the program.
    Accepted(Verified<'p>),
    /// It would not.
    Rejected(Box<Rejection>),
    /// The program uses what is not modelled.
    Unsupported(Unsupported),
}

/// Proof that a program was accepted; only the verifier makes one.
#[derive(Clone, Debug)]
pub struct Verified<'p> {
    pub(crate) prog: &'p Prog,
    pub(crate) stats: Stats,
    pub(crate) insns: Vec<InsnFacts>,
    pub(crate) given: BTreeMap<u32, Given>,
    pub(crate) passed: BTreeMap<u32, Passed>,
    pub(crate) reads_old_stack: bool,
    pub(crate) maps: Vec<MapFacts>,
    pub(crate) funcs: Vec<FuncFacts>,
    pub(crate) cpus: u32,
}

/// What is known of an instruction of a program that was accepted, on all paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InsnFacts {
    pub(crate) through: Option<Through>,
    pub(crate) ways: Ways,
}

/// What is known of a function of a program that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FuncFacts {
    /// Its `FUNC` in the program's BTF.
    pub(crate) func: Option<TypeId>,
    /// Whether its prototype says what it takes: that of a global function.
    pub(crate) is_reliable: bool,
    pub(crate) is_exception_cb: bool,
    pub(crate) changes_pkt_data: bool,
    pub(crate) might_sleep: bool,
}

/// What a verdict hung on of a map: type, sizes of keys and values, entries; of constant data what it is, by its hash, which
/// finds mistakes of who loads programs and no forgery; the same of the maps inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MapFacts {
    shape: (MapType, u32, u32, u32),
    constant: Option<u64>,
    inner: Option<Box<Self>>,
}

/// What a verdict hangs on of a map.
pub(crate) fn map_facts(def: &MapDef) -> MapFacts {
    let hash = |bytes| BuildHasherDefault::<DefaultHasher>::default().hash_one(bytes);
    let constant = match &def.initial {
        Initial::Value(bytes) if MapInfo::is_rodata(def) => Some(hash(bytes)),
        _ => None,
    };
    // The host says how many entries of these there are: as many as CPUs, or equal shares for each.
    let entries = match def.map_type {
        MapType::PerfEventArray | MapType::LruHash | MapType::LruPercpuHash => 0,
        _ => def.max_entries,
    };
    MapFacts {
        shape: (def.map_type, def.key_size, def.value_size, entries),
        constant,
        inner: def.inner.as_deref().map(map_facts).map(Box::new),
    }
}

/// What kind of pointer an instruction follows, where machine code must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Through {
    /// To the context.
    Ctx,
    /// To an object of the kernel, which may turn out not to be there.
    Kernel,
    /// To a map itself, which is an object of the kernel that is there (`struct bpf_map`).
    Map,
    /// Into an arena, perhaps to a page that it does not have.
    Arena,
}

/// What a symbol of the kernel was taken for, where machine code must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// None that there is: 0.
    Absent,
    /// A function, which has some address and is no memory.
    Func,
    /// A variable, or what has no type and is taken for a number.
    Var,
}

impl<'p> Verified<'p> {
    /// The program.
    #[must_use]
    pub fn prog(&self) -> &'p Prog {
        self.prog
    }

    /// The kind of pointer that the instruction at a slot follows, if on some path it needs more than the
    /// access.
    #[must_use]
    pub fn through(&self, pc: Pc) -> Option<Through> {
        self.insns.get(pc.index()).and_then(|facts| facts.through)
    }

    /// Bytes that were taken to lie where the kernel function points that the instruction at a slot calls, as the types
    /// say; 0 if it gives no plain memory or no more than what its other arguments bound.
    #[must_use]
    pub fn gives_bytes(&self, pc: Pc) -> u32 {
        self.given.get(&pc.0).map_or(0, |given| given.bytes)
    }

    /// What the symbol of the kernel was taken for that the instruction at a slot loads.
    #[must_use]
    pub fn symbol(&self, pc: Pc) -> Option<Symbol> {
        self.given.get(&pc.0)?.symbol
    }

    /// The maps, by their indices, of which the helper gets one that the instruction at a slot calls; none if it may get any,
    /// or one from inside another.
    pub fn passed_maps(&self, pc: Pc) -> impl Iterator<Item = usize> {
        let maps = self.passed.get(&pc.0).map_or(0, |passed| passed.maps);
        (0..64).filter(move |map| maps >> map & 1 != 0)
    }

    /// The map that it gets, if that is the same on all paths.
    #[must_use]
    pub fn passed_map(&self, pc: Pc) -> Option<usize> {
        let mut maps = self.passed_maps(pc);
        maps.next().filter(|_| maps.next().is_none())
    }

    /// The function, by its first instruction, that the helper calls back which the instruction at a slot calls, if it is the
    /// same on all paths.
    #[must_use]
    pub fn passed_callback(&self, pc: Pc) -> Option<Pc> {
        self.passed.get(&pc.0)?.callback
    }

    /// The size of memory that the helper gets as its second argument which the instruction at a slot calls, if it is the same
    /// on all paths.
    #[must_use]
    pub fn passed_size(&self, pc: Pc) -> Option<u32> {
        self.passed.get(&pc.0)?.size
    }

    /// Whether the conditional jump at a slot always jumps, or never does, where all paths go the same way; see `ways.rs` for
    /// why that may be built on.
    #[must_use]
    pub fn only_way(&self, pc: Pc) -> Option<bool> {
        self.insns.get(pc.index()).and_then(|facts| facts.ways.only())
    }

    /// Whether a map is like the one of this index that the program was verified with.
    #[must_use]
    pub fn is_map(&self, index: usize, def: &MapDef) -> bool {
        self.maps.get(index) == Some(&map_facts(def))
    }

    /// Whether it may read bytes of its stack that it has not written, as privileged programs may.
    #[must_use]
    pub const fn reads_old_stack(&self) -> bool {
        self.reads_old_stack
    }

    /// CPUs that there are at most where it may run: their numbers are less.
    #[must_use]
    pub const fn cpus(&self) -> u32 {
        self.cpus
    }

    /// What it took.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }
}

/// Why a program is refused, and where.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// The instruction; `None` if the program as a whole is at fault.
    pub pc: Option<Pc>,
    /// The broken rule.
    pub reject: Reject,
    /// Every instruction on the way to it, from the start of the function that was verified to the one
    /// that was refused. Empty if that is too long to keep, or no instruction is at fault.
    pub path: Vec<Pc>,
    /// What it took to find.
    pub stats: Stats,
}

/// What is not modelled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unsupported {
    /// The instruction.
    pub pc: Option<Pc>,
    /// What, in words.
    pub what: String,
}

/// What a verification took. Kernel: the last line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Instructions followed on all paths.
    pub insns: u64,
    /// Most states remembered at one instruction.
    pub max_states_per_insn: u64,
    /// States remembered.
    pub total_states: u64,
    /// Most states held at once.
    pub peak_states: u64,
    /// Bytes of stack by function.
    pub stack: Vec<u32>,
    /// Times each slot was followed.
    pub visits: Vec<u32>,
}
