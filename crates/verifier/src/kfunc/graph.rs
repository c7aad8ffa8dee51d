//! Lists and trees of the program's own objects: roots, nodes, and the lock around them.

use super::KMeta;
use crate::btf_ref::BtfRef;
use crate::call::arg::arg_reg;
use crate::call::low_half;
use crate::record::{Field, FieldKind};
use crate::reg::{Base, Extra, RegType, flag};
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::state::{LockPlace, RefKind};
use crate::verifier::Verifier;
use skep_btf::TypeId;
use skep_isa::Reg;

/// An object that the program allocated and owns, or shares.
const ALLOC: RegType = RegType { base: Base::BtfId, flags: flag::ALLOC };

/// Functions of lists. Kernel: `is_bpf_list_api_kfunc`.
pub(super) fn is_list(name: &str) -> bool {
    name.starts_with("bpf_list_")
}

/// Functions of trees. Kernel: `is_bpf_rbtree_api_kfunc`.
pub(super) fn is_rbtree(name: &str) -> bool {
    name.starts_with("bpf_rbtree_")
}

impl<'a> Verifier<'a> {
    fn refuse_graph<T>(&self, reg: Reg, text: impl Into<String>) -> Res<T> {
        Reject::new(Rule::Collection, text)
            .fact(Fact::Reg(reg, *self.reg(reg)))
            .fact(Fact::Arg(reg.num()))
            .stop()
    }

    /// The constant offset of a field. Kernel: the beginning of `__process_kf_arg_ptr_to_graph_*`.
    fn field_off(&self, reg: Reg, kind: FieldKind) -> Res<u32> {
        let state = self.reg(reg);
        match state.num.is_const() {
            Some(var) => Ok(state.off.cast_unsigned().wrapping_add(low_half(var))),
            None => self.refuse_graph(
                reg,
                format!(
                    "R{} doesn't have constant offset. {} has to be at the constant offset",
                    reg.num(),
                    kind.name()
                ),
            ),
        }
    }

    /// The root of a list or tree, whose lock is held.
    /// Kernel: `__process_kf_arg_ptr_to_graph_root`.
    pub(super) fn check_graph_root(
        &mut self,
        meta: &mut KMeta<'a>,
        at: usize,
        kind: FieldKind,
    ) -> Res<()> {
        let reg = arg_reg(at);
        let state = *self.reg(reg);
        if !state.ty.is(Base::MapValue) && state.ty != ALLOC {
            let text = format!("arg#{at} expected pointer to map value or allocated object");
            return self.refuse_graph(reg, text);
        }
        if state.ty == ALLOC && state.ref_obj_id == 0 {
            return self.refuse_graph(reg, "allocated object must be referenced");
        }
        let fits = match kind {
            FieldKind::ListHead => is_list(meta.name),
            _ => is_rbtree(meta.name),
        };
        if !fits {
            return reject(Rule::Internal, "head arg for unknown kfunc");
        }
        let off = self.field_off(reg, kind)?;
        let record = self.record_of(&state);
        let field = record.and_then(|record| record.find(off, kind)).copied();
        let lock_at = record.map_or(-22, |record| {
            record.offset_of(FieldKind::SpinLock).map_or(-22, u32::cast_signed)
        });
        let Some(field) = field else {
            return self.refuse_graph(reg, format!("{} not found at offset={off}", kind.name()));
        };
        let (locked, said) = self.is_allocation_locked(reg);
        if !locked {
            let text =
                format!("{said}bpf_spin_lock at off={lock_at} must be held for {}", kind.name());
            return self.refuse_graph(reg, text);
        }
        let place = match kind {
            FieldKind::ListHead => &mut meta.list_head,
            _ => &mut meta.rb_root,
        };
        if place.replace(field).is_some() {
            return reject(Rule::Internal, format!("repeating {} arg", kind.name()));
        }
        Ok(())
    }

    /// Whether the lock that lies beside the field is held, and what the kernel says besides.
    /// Kernel: `check_reg_allocation_locked`.
    fn is_allocation_locked(&self, reg: Reg) -> (bool, &'static str) {
        const LOCKS: [RefKind; 3] = [RefKind::Lock, RefKind::ResLock, RefKind::ResLockIrq];
        let state = self.reg(reg);
        let place = match (state.ty.base, state.extra) {
            (Base::MapValue, Extra::Map { map, .. }) => LockPlace::Map(map),
            _ => LockPlace::Object(TypeId::VOID),
        };
        if self.cur.active_locks == 0 {
            return (false, "");
        }
        if self.cur.holds_lock(&LOCKS, state.id, place) {
            return (true, "");
        }
        (false, "held lock and object are not in the same allocation\n")
    }

    pub(super) fn check_list_node(&mut self, meta: &mut KMeta<'a>, at: usize) -> Res<()> {
        self.check_owned(at)?;
        let head = meta.list_head;
        self.check_graph_node(meta, at, head, FieldKind::ListNode)
    }

    fn check_owned(&self, at: usize) -> Res<()> {
        let reg = arg_reg(at);
        let state = self.reg(reg);
        if state.ty != ALLOC {
            let text = format!("arg#{at} expected pointer to allocated object");
            return self.refuse_graph(reg, text);
        }
        if state.ref_obj_id == 0 {
            return self.refuse_graph(reg, "allocated object must be referenced");
        }
        Ok(())
    }

    pub(super) fn check_rb_node(&mut self, meta: &mut KMeta<'a>, at: usize) -> Res<()> {
        if meta.name == "bpf_rbtree_add_impl" {
            self.check_owned(at)?;
        } else {
            let reg = arg_reg(at);
            let state = self.reg(reg);
            if !state.ty.has(flag::NON_OWN_REF) && state.ref_obj_id == 0 {
                let text = format!(
                    "{} can only take non-owning or refcounted bpf_rb_node pointer",
                    meta.name
                );
                return self.refuse_graph(reg, text);
            }
            if self.in_rbtree_lock_required_cb() {
                let text = format!("{} not allowed in rbtree cb", meta.name);
                return self.refuse_graph(reg, text);
            }
        }
        let root = meta.rb_root;
        self.check_graph_node(meta, at, root, FieldKind::RbNode)
    }

    /// The node is the one by which objects are in the list or tree.
    /// Kernel: `__process_kf_arg_ptr_to_graph_node`.
    fn check_graph_node(
        &mut self,
        meta: &mut KMeta<'a>,
        at: usize,
        root: Option<Field>,
        kind: FieldKind,
    ) -> Res<()> {
        let reg = arg_reg(at);
        let state = *self.reg(reg);
        let off = self.field_off(reg, kind)?;
        let found = self.record_of(&state).and_then(|record| record.find(off, kind));
        if found.is_none() {
            return self.refuse_graph(reg, format!("{} not found at offset={off}", kind.name()));
        }
        let (Some(root), Some(own)) = (root, state.btf()) else {
            return reject(Rule::Internal, "a node without a root");
        };
        let Some(graph) = root.graph else {
            return reject(Rule::Internal, "a root without type");
        };
        let element = (BtfRef::Prog, graph.value);
        let name = self.type_name(element.0, element.1);
        let walk = !state.ty.has(flag::ALLOC);
        if !self.btf_struct_ids_match(own, 0, element, true, walk) {
            let text = format!(
                "operation on {} expects arg#1 {} at offset={} in struct {name}, but arg is at offset={off} in struct {}",
                root.kind.name(),
                kind.name(),
                graph.node_offset,
                self.type_name(own.0, own.1)
            );
            return self.refuse_graph(reg, text);
        }
        meta.object = Some(own);
        if off != graph.node_offset {
            let text = format!(
                "arg#1 offset={off}, but expected {} at offset={} in struct {name}",
                kind.name(),
                graph.node_offset
            );
            return self.refuse_graph(reg, text);
        }
        Ok(())
    }

    /// An object that went into a list or tree is no longer owned by the program.
    /// Kernel: `ref_convert_owning_non_owning`.
    pub(super) fn insert_in_graph(&mut self, meta: &KMeta<'a>) -> Res<()> {
        if !matches!(
            meta.name,
            "bpf_list_push_front_impl" | "bpf_list_push_back_impl" | "bpf_rbtree_add_impl"
        ) {
            return Ok(());
        }
        let id = self.reg(Reg::R2).ref_obj_id;
        if id == 0 || !self.cur.has_reference(id) {
            return reject(
                Rule::Internal,
                format!("kfunc {} conversion of owning ref to non-owning failed", meta.name),
            );
        }
        let mut sample = *self.reg(Reg::R2);
        self.set_non_owning(&mut sample)?;
        let added = sample.ty.flags & (flag::NON_OWN_REF | flag::RCU);
        // All copies are of one type, up to their offset.
        self.cur.for_each_reg(|reg| {
            if reg.ref_obj_id == id {
                reg.ref_obj_id = 0;
                reg.ty = reg.ty.with(added);
            }
        });
        self.release_reference(id)
    }
}
