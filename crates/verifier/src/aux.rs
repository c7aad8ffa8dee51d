//! What is known of each instruction apart from any path.

use crate::reg::RegType;
use crate::verdict::Symbol;
use crate::ways::Ways;
use skep_isa::Pc;

/// What is known of an instruction apart from any path. Kernel: `struct bpf_insn_aux_data`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Aux {
    /// Whether some path that a correct CPU takes reaches it.
    pub(crate) seen: bool,
    /// States are compared here.
    pub(crate) prune_point: bool,
    /// Paths come here from elsewhere than the line before.
    pub(crate) jmp_point: bool,
    /// States are always remembered here.
    pub(crate) force_checkpoint: bool,
    /// It calls a helper that calls back.
    pub(crate) calls_callback: bool,
    /// It calls the `next` of an open-coded iterator.
    pub(crate) is_iter_next: bool,
    /// Strongly connected component of the control flow; 0 is none.
    pub(crate) scc: u32,
    /// Registers that may be read before they are written again.
    pub(crate) live_regs: u16,
    /// Kind of pointer it accesses memory through; the same on all paths.
    pub(crate) ptr_type: Option<RegType>,
    /// Whether on some path it leads to an object of the kernel, which may turn out not to be there.
    pub(crate) leads_to_kernel: bool,
    /// Whether it follows a pointer to a map itself.
    pub(crate) leads_to_map: bool,
    /// Whether it follows a pointer into an arena.
    pub(crate) leads_to_arena: bool,
    /// The ways that paths have gone on from a conditional jump.
    pub(crate) ways: Ways,
    /// Part of a pattern that keeps registers around a call (`bpf_fastcall`).
    pub(crate) fastcall_pattern: bool,
    /// Spills and fills around this call that belong to the pattern.
    pub(crate) fastcall_spills: u8,
    /// A barrier before it stops speculation.
    pub(crate) nospec: bool,
    /// A barrier after it stops speculation.
    pub(crate) nospec_result: bool,
}

/// What is known of the few instructions that get something from the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Given {
    /// What it loads, if that is a symbol of the kernel.
    pub(crate) symbol: Option<Symbol>,
    /// Most bytes that are taken to lie where the kernel function that it calls points, by the types; 0 if none.
    pub(crate) bytes: u32,
}

/// What the call of a helper gets on all paths, each but the map if it is the same on all. It may be built on: a state covers
/// another only if registers that are read have the same map or function, and sizes are precise. Kernel: `bpf_map_ptr_poison`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The maps that it may be, each a bit by its index in the image; nothing is known if there are none.
    pub(crate) maps: u64,
    /// The function that is called back, by its first instruction.
    pub(crate) callback: Option<Pc>,
    /// The size that is the second argument.
    pub(crate) size: Option<u32>,
}

impl Passed {
    /// What it gets on these paths and on others.
    pub(crate) fn join(&mut self, other: Self) {
        let is_known = self.maps != 0 && other.maps != 0;
        self.maps = if is_known { self.maps | other.maps } else { 0 };
        self.callback = self.callback.filter(|_| self.callback == other.callback);
        self.size = self.size.filter(|_| self.size == other.size);
    }
}

/// Limit of a masked pointer operation. Kernel: `alu_state`, `alu_limit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AluLimit {
    pub(crate) state: u32,
    pub(crate) limit: u32,
}
