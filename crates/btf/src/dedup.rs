//! Types that are the same, merged.
//!
//! # Model
//!
//! Two types are the same when nothing tells them apart: neither what they are themselves (kind, name,
//! sizes, names and positions of members) nor, followed as far as one likes, the types they refer to.
//! That is the coarsest partition that references respect. It is found by refining: types begin in one
//! class when they look alike, and a class is split when its types refer to different classes, until
//! none is. Types that refer to each other in circles need no care.
//!
//! A declared struct or union, and an enumeration without enumerators, is the same as the definition of
//! its name, as long as there is one definition: if definitions of one name turn out to differ,
//! declarations of it mean what a struct that is otherwise the same has in their place ([`context`]), or
//! stay what they are, and refining begins anew.
//!
//! Variables and data sections are kept. Of each class its first type stays, so order stays.
//!
//! # Cost
//!
//! A round looks at the types only whose references changed their class. Compilers' types take some
//! dozens of rounds; hostile ones are cut off by a budget, with which nothing is merged wrongly: the
//! types are then given back as they are.
//!
//! Semantics are those of libbpf's `btf__dedup`.

use crate::btf::Record;
use crate::kind::Third;
use crate::{Btf, BtfError, Builder, Kind, TypeId};
use alloc::{collections::BTreeMap, collections::BTreeSet, vec, vec::Vec};

mod context;

/// Looks at types, for each type there is.
const BUDGET: usize = 1000;

/// Types without repetitions.
#[derive(Clone, Debug)]
pub struct Dedup {
    /// The types.
    pub btf: Btf,
    map: Vec<TypeId>,
}

impl Dedup {
    /// The new number of a type.
    #[must_use]
    pub fn map(&self, old: TypeId) -> Option<TypeId> {
        self.map.get(usize::try_from(old.0).ok()?).copied()
    }
}

/// Merges the types of `btf` and its base that are the same.
///
/// # Errors
/// [`BtfError`] when `btf` was only opened and is malformed.
pub fn dedup(btf: &Btf) -> Result<Dedup, BtfError> {
    btf.check()?;
    let mut partition = Partition::new(btf);
    while partition.refine() && partition.separate_declarations() {}
    if partition.resolve_in_context() && partition.refine() {
        // Ends: each time declarations become less.
        while partition.join_declarations() && partition.refine() {}
    }
    let first = partition.firsts();
    let mut map = vec![TypeId::VOID; first.len()];
    let mut next = 1_u32;
    for (id, first) in (0_u32..).zip(&first).skip(1) {
        if *first == TypeId(id) {
            set(&mut map, id, TypeId(next));
            next = next.saturating_add(1);
        }
    }
    let new = |id: TypeId| at(&map, at(&first, id, id), TypeId::VOID);
    let mut builder = Builder::new();
    for id in btf.ids().filter(|&id| at(&first, id, id) == id) {
        let Some(record) = btf.record(id) else { continue };
        // There are no more types and strings than before.
        builder.push(btf, record, new).map_err(|_| BtfError::TooMany { types: btf.len() })?;
    }
    let map = (0_u32..).zip(&first).map(|(id, _)| new(TypeId(id))).collect();
    Ok(Dedup { btf: builder.finish()?, map })
}

fn at<T: Copy>(list: &[T], id: TypeId, default: T) -> T {
    usize::try_from(id.0).ok().and_then(|id| list.get(id)).copied().unwrap_or(default)
}

fn set<T>(list: &mut [T], id: u32, value: T) {
    if let Some(slot) = usize::try_from(id).ok().and_then(|id| list.get_mut(id)) {
        *slot = value;
    }
}

/// Classes of types. Indices are type numbers, `void` included.
struct Partition<'a> {
    btf: &'a Btf,
    classes: Vec<u32>,
    /// How many types are in each class.
    sizes: Vec<usize>,
    /// For declarations the definition they stand for, otherwise the type itself.
    means: Vec<TypeId>,
    /// Who refers to a type.
    users: Vec<Vec<TypeId>>,
    budget: usize,
}

/// What a tag names: kind of the definition, and name.
type Tag<'a> = (Kind, &'a [u8]);

impl<'a> Partition<'a> {
    fn new(btf: &'a Btf) -> Self {
        let len = btf.len().saturating_add(1);
        let mut defined: BTreeMap<Tag<'_>, TypeId> = BTreeMap::new();
        for id in btf.ids() {
            if let Some((tag, true)) = tag(btf, id) {
                defined.entry(tag).or_insert(id);
            }
        }
        let mut means = vec![TypeId::VOID];
        means.extend(btf.ids().map(|id| match tag(btf, id) {
            Some((tag, false)) => defined.get(&tag).copied().unwrap_or(id),
            _ => id,
        }));
        let (users, budget) = (vec![Vec::new(); len], len.saturating_mul(BUDGET));
        let mut new = Self { btf, classes: Vec::new(), sizes: Vec::new(), means, users, budget };
        new.find_users();
        new
    }

    /// Splits classes until references respect them. `false` when that takes too much: then each type
    /// is in a class of its own.
    fn refine(&mut self) -> bool {
        self.by_looks();
        let mut dirty: BTreeSet<TypeId> = self.btf.ids().collect();
        while !dirty.is_empty() {
            let Some(budget) = self.budget.checked_sub(dirty.len()) else {
                self.classes = (0_u32..).take(self.means.len()).collect();
                self.means = (0_u32..).take(self.means.len()).map(TypeId).collect();
                return false;
            };
            self.budget = budget;
            dirty = self.round(&dirty);
        }
        true
    }

    /// The first classes: what types are themselves.
    fn by_looks(&mut self) {
        let mut looks: BTreeMap<Vec<u32>, u32> = BTreeMap::new();
        let mut names: BTreeMap<&[u8], u32> = BTreeMap::new();
        self.classes = vec![0];
        self.sizes = vec![1];
        for id in self.btf.ids() {
            let look = look(self.btf, id, &mut names);
            let next = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
            let class = *looks.entry(look).or_insert(next);
            if class == next {
                self.sizes.push(0);
            }
            self.resize(class, 1);
            self.classes.push(class);
        }
    }

    /// Splits the classes of the types in `dirty`, whose references may have changed their classes.
    /// Returns the types of which that is now so.
    fn round(&mut self, dirty: &BTreeSet<TypeId>) -> BTreeSet<TypeId> {
        let mut groups: BTreeMap<u32, BTreeMap<Vec<u32>, Vec<TypeId>>> = BTreeMap::new();
        for &id in dirty {
            let refers = references(self.btf, id)
                .map(|to| at(&self.classes, at(&self.means, to, to), 0))
                .collect();
            groups.entry(self.class(id)).or_default().entry(refers).or_default().push(id);
        }
        let mut moved = Vec::new();
        for (class, groups) in groups {
            let mut groups: Vec<Vec<TypeId>> = groups.into_values().collect();
            let looked_at: usize = groups.iter().map(Vec::len).sum();
            let size = usize::try_from(class).ok().and_then(|class| self.sizes.get(class));
            // The types not looked at keep the class; if there are none, the largest group does.
            if size == Some(&looked_at) {
                let largest =
                    (0..groups.len()).max_by_key(|&index| groups.get(index).map_or(0, Vec::len));
                if let Some(largest) = largest {
                    groups.swap_remove(largest);
                }
            }
            for group in groups {
                self.split(class, &group);
                moved.extend(group);
            }
        }
        let users = |id: TypeId| {
            let users = usize::try_from(id.0).ok().and_then(|id| self.users.get(id));
            users.into_iter().flatten().copied()
        };
        moved.into_iter().flat_map(users).collect()
    }

    /// Moves types from a class to a new one.
    fn split(&mut self, class: u32, group: &[TypeId]) {
        let new = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
        self.sizes.push(group.len());
        for id in group {
            set(&mut self.classes, id.0, new);
        }
        if let Some(size) = usize::try_from(class).ok().and_then(|at| self.sizes.get_mut(at)) {
            *size = size.saturating_sub(group.len());
        }
    }

    fn resize(&mut self, class: u32, by: usize) {
        if let Some(size) = usize::try_from(class).ok().and_then(|at| self.sizes.get_mut(at)) {
            *size = size.saturating_add(by);
        }
    }

    fn class(&self, id: TypeId) -> u32 {
        at(&self.classes, id, 0)
    }

    /// Of each tag the class of a definition, the first one, and whether all are of one class.
    fn definitions(&self) -> BTreeMap<Tag<'a>, (u32, TypeId, bool)> {
        let mut classes: BTreeMap<Tag<'a>, (u32, TypeId, bool)> = BTreeMap::new();
        let btf = self.btf;
        for id in btf.ids() {
            if let Some((tag, true)) = tag(btf, id) {
                let class = self.class(id);
                let (first, _, one) = classes.entry(tag).or_insert((class, id, true));
                *one &= *first == class;
            }
        }
        classes
    }

    /// Lets declarations stand for themselves of which the definitions differ. Returns whether there
    /// were any.
    fn separate_declarations(&mut self) -> bool {
        let classes = self.definitions();
        let mut any = false;
        for id in self.btf.ids() {
            let Some((tag, false)) = tag(self.btf, id) else { continue };
            if at(&self.means, id, id) != id && classes.get(&tag).is_some_and(|&(_, _, one)| !one) {
                set(&mut self.means, id.0, id);
                any = true;
            }
        }
        if any {
            self.find_users();
        }
        any
    }

    fn find_users(&mut self) {
        self.users.iter_mut().for_each(Vec::clear);
        for id in self.btf.ids() {
            for to in references(self.btf, id) {
                let to = at(&self.means, to, to);
                let users = usize::try_from(to.0).ok().and_then(|to| self.users.get_mut(to));
                users.into_iter().for_each(|users| users.push(id));
            }
        }
    }

    /// For each type the first one that is the same.
    fn firsts(&self) -> Vec<TypeId> {
        let mut first: BTreeMap<u32, TypeId> = BTreeMap::new();
        for id in self.btf.ids().filter(|&id| at(&self.means, id, id) == id) {
            first.entry(self.class(id)).or_insert(id);
        }
        let of = |id: TypeId| first.get(&self.class(at(&self.means, id, id))).copied();
        core::iter::once(TypeId::VOID)
            .chain(self.btf.ids().map(|id| of(id).unwrap_or(id)))
            .collect()
    }
}

fn references(btf: &Btf, id: TypeId) -> impl Iterator<Item = TypeId> + use<'_> {
    btf.record(id).into_iter().flat_map(Record::references).map(|(_, to)| to)
}

/// The tag that a type declares (`false`) or defines.
fn tag(btf: &Btf, id: TypeId) -> Option<(Tag<'_>, bool)> {
    let record = btf.record(id)?;
    let name = btf.c_str(record.name);
    let (kind, defines) = match record.kind {
        Kind::Struct | Kind::Union => (record.kind, true),
        Kind::Fwd if record.flag() => (Kind::Union, false),
        Kind::Fwd => (Kind::Struct, false),
        Kind::Enum | Kind::Enum64 => (Kind::Enum, record.vlen() != 0),
        _ => return None,
    };
    (!name.is_empty()).then_some(((kind, name), defines))
}

/// The record of a type with names numbered and without references.
fn look<'a>(btf: &'a Btf, id: TypeId, names: &mut BTreeMap<&'a [u8], u32>) -> Vec<u32> {
    let Some(record) = btf.record(id) else { return Vec::new() };
    let mut number = |off| {
        let next = u32::try_from(names.len()).unwrap_or(u32::MAX);
        *names.entry(btf.c_str(off)).or_insert(next)
    };
    let layout = record.kind.layout();
    let third = if layout.third == Third::Type { 0 } else { record.third };
    let mut look = vec![number(record.name), record.info, third];
    for index in 0..record.entries.len() {
        let in_entry = index.checked_rem(layout.words).unwrap_or_default();
        let word = record.word(index);
        look.push(match in_entry {
            at if layout.strings.contains(&at) => number(word),
            at if layout.types.contains(&at) => 0,
            _ => word,
        });
    }
    if matches!(record.kind, Kind::Var | Kind::Datasec) {
        look.push(id.0);
    }
    look
}
