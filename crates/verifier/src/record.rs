//! Fields of values and objects that have a meaning to the kernel: locks, timers, pointers, lists.
//!
//! The types of the program say where they are. Programs reach them only through functions made for
//! them, so an access by load and store must keep away, and what lies in them decides what a value
//! may be used for.
//!
//! Kernel: `btf_parse_fields` and `struct btf_record`.

mod fault;
mod metas;
mod parse;

use crate::btf_ref::BtfRef;
use skep_btf::{Btf, TypeId};
use skep_prog::MapDef;

pub(crate) use metas::Metas;

/// What a field is, one bit each. Kernel: `enum btf_field_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    SpinLock,
    ResSpinLock,
    Timer,
    Workqueue,
    TaskWork,
    KptrUnref,
    KptrRef,
    KptrPercpu,
    Uptr,
    ListHead,
    ListNode,
    RbRoot,
    RbNode,
    Refcount,
}

/// Several kinds of fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(u32);

impl Kinds {
    pub(crate) const KPTR: Self =
        Self::of(&[FieldKind::KptrUnref, FieldKind::KptrRef, FieldKind::KptrPercpu]);
    pub(crate) const POINTER: Self = Self::KPTR.or(Self::of(&[FieldKind::Uptr]));
    pub(crate) const SPIN_LOCK: Self = Self::of(&[FieldKind::SpinLock, FieldKind::ResSpinLock]);
    pub(crate) const GRAPH_ROOT: Self = Self::of(&[FieldKind::ListHead, FieldKind::RbRoot]);
    pub(crate) const GRAPH_NODE: Self = Self::of(&[FieldKind::ListNode, FieldKind::RbNode]);
    /// Those that a map's value may have.
    pub(crate) const IN_MAPS: Self =
        Self::POINTER.or(Self::SPIN_LOCK).or(Self::GRAPH_ROOT).or(Self::of(&[
            FieldKind::Timer,
            FieldKind::Workqueue,
            FieldKind::TaskWork,
            FieldKind::Refcount,
        ]));
    /// Those that an object of the program's own type may have.
    pub(crate) const IN_OBJECTS: Self = Self::KPTR
        .or(Self::SPIN_LOCK)
        .or(Self::GRAPH_ROOT)
        .or(Self::GRAPH_NODE)
        .or(Self::of(&[FieldKind::Refcount]));

    pub(crate) const fn of(kinds: &[FieldKind]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < kinds.len() {
            bits |= 1 << kinds[at] as u32;
            at += 1;
        }
        Self(bits)
    }

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn has(self, kind: FieldKind) -> bool {
        self.0 & 1 << kind as u32 != 0
    }
}

impl From<FieldKind> for Kinds {
    fn from(kind: FieldKind) -> Self {
        Self::of(&[kind])
    }
}

impl FieldKind {
    /// As the kernel's messages name it. Kernel: `btf_field_type_name`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::SpinLock => "bpf_spin_lock",
            Self::ResSpinLock => "bpf_res_spin_lock",
            Self::Timer => "bpf_timer",
            Self::Workqueue => "bpf_wq",
            Self::TaskWork => "bpf_task_work",
            Self::KptrUnref | Self::KptrRef => "kptr",
            Self::KptrPercpu => "percpu_kptr",
            Self::Uptr => "uptr",
            Self::ListHead => "bpf_list_head",
            Self::ListNode => "bpf_list_node",
            Self::RbRoot => "bpf_rb_root",
            Self::RbNode => "bpf_rb_node",
            Self::Refcount => "bpf_refcount",
        }
    }

    /// Its bytes.
    pub(crate) const fn size(self) -> u32 {
        match self {
            Self::SpinLock | Self::ResSpinLock | Self::Refcount => 4,
            Self::TaskWork | Self::KptrUnref | Self::KptrRef | Self::KptrPercpu | Self::Uptr => 8,
            Self::Timer | Self::Workqueue | Self::ListHead | Self::RbRoot => 16,
            Self::ListNode => 24,
            Self::RbNode => 32,
        }
    }

    /// What its position is a multiple of.
    pub(crate) const fn align(self) -> u32 {
        match self {
            Self::SpinLock | Self::ResSpinLock | Self::Refcount => 4,
            _ => 8,
        }
    }
}

/// A field with a meaning. Kernel: `struct btf_field`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) kind: FieldKind,
    /// Bytes from the start of the value.
    pub(crate) offset: u32,
    /// Its bytes.
    pub(crate) size: u32,
    /// For a pointer, what it points to.
    pub(crate) kptr: Option<(BtfRef, TypeId)>,
    /// For a list or tree, what it holds.
    pub(crate) graph: Option<Graph>,
}

/// What a list or tree holds. Kernel: `struct btf_field_graph_root`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Graph {
    /// Type of the objects, in the program's BTF.
    pub(crate) value: TypeId,
    /// Where in them the node is.
    pub(crate) node_offset: u32,
}

/// Fields of a value by their offset. Kernel: `struct btf_record`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) fields: Vec<Field>,
}

impl Record {
    /// Whether there is a field of one of these kinds. Kernel: `btf_record_has_field`.
    pub(crate) fn has(&self, kinds: impl Into<Kinds>) -> bool {
        let kinds = kinds.into();
        self.fields.iter().any(|field| kinds.has(field.kind))
    }

    /// The field of one of these kinds that begins at `offset`. Kernel: `btf_record_find`.
    pub(crate) fn find(&self, offset: u32, kinds: impl Into<Kinds>) -> Option<&Field> {
        let kinds = kinds.into();
        let at = self.fields.binary_search_by_key(&offset, |field| field.offset).ok()?;
        self.fields.get(at).filter(|field| kinds.has(field.kind))
    }

    /// Where the only field of this kind is. Kernel: `spin_lock_off` and its like.
    pub(crate) fn offset_of(&self, kind: FieldKind) -> Option<u32> {
        self.fields.iter().find(|field| field.kind == kind).map(|field| field.offset)
    }

    /// Whether there is a lock of either kind.
    pub(crate) fn has_spin_lock(&self) -> bool {
        self.has(Kinds::SPIN_LOCK)
    }

    /// Whether there is a `bpf_timer`.
    pub(crate) fn has_timer(&self) -> bool {
        self.has(FieldKind::Timer)
    }

    /// Whether there is a `bpf_wq`.
    pub(crate) fn has_workqueue(&self) -> bool {
        self.has(FieldKind::Workqueue)
    }
}

impl Record {
    /// The fields of a map's values; none where the kernel finds the types wanting.
    pub(crate) fn of(btf: Option<&Btf>, kernel: Option<&Btf>, def: &MapDef) -> Self {
        let (Some(btf), Some(ty)) = (btf, def.value_type) else { return Self::default() };
        Self::parse(btf, ty, Kinds::IN_MAPS, def.value_size, kernel).unwrap_or_default()
    }

    /// Whether there is a `bpf_res_spin_lock`.
    pub(crate) fn has_res_spin_lock(&self) -> bool {
        self.has(FieldKind::ResSpinLock)
    }

    /// Whether there is a `bpf_list_head`.
    pub(crate) fn has_list_head(&self) -> bool {
        self.has(FieldKind::ListHead)
    }

    /// Whether there is a `bpf_rb_root`.
    pub(crate) fn has_rb_root(&self) -> bool {
        self.has(FieldKind::RbRoot)
    }
}
