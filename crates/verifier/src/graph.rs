//! Objects in lists and trees: nodes, and references that do not own.

use crate::btf_ref::BtfRef;
use crate::record::{FieldKind, Graph};
use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::reject::{Res, reject};
use crate::rule::Rule;
use crate::verifier::Verifier;

impl Verifier<'_> {
    /// An object that a list or tree holds, as a pointer to its node. Kernel: `mark_reg_graph_node`.
    pub(crate) fn graph_node(&self, graph: Graph) -> RegState {
        let ty = RegType { base: Base::BtfId, flags: flag::ALLOC };
        let extra = Extra::Btf { btf: BtfRef::Prog, id: graph.value };
        let off = i32::try_from(graph.node_offset).unwrap_or(0);
        RegState { off, ..RegState::pointer(ty, extra) }
    }

    /// The pointer does not own its object, and lives as long as the lock is held.
    /// Kernel: `ref_set_non_owning`.
    pub(crate) fn set_non_owning(&self, reg: &mut RegState) -> Res<()> {
        if self.cur.active_locks == 0 {
            return reject(Rule::Internal, "ref_set_non_owning w/o active lock");
        }
        if reg.ty.has(flag::NON_OWN_REF) {
            return reject(Rule::Internal, "NON_OWN_REF already set");
        }
        let record = reg.btf().and_then(|ty| self.struct_record(ty));
        let counted = record.is_some_and(|record| record.has(FieldKind::Refcount));
        reg.ty = reg.ty.with(flag::NON_OWN_REF);
        if counted {
            reg.ty = reg.ty.with(flag::RCU);
        }
        Ok(())
    }
}
