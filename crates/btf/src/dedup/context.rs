//! Declarations whose definitions differ, resolved by who refers to them.
//!
//! Two structs that are the same but for what stands where one refers to a declaration and the other to a
//! definition of that name are merged, and so is all that they refer to. For other references to the
//! declaration the first two such structs decide. Of libbpf: `btf_dedup_is_equiv`,
//! `btf_dedup_merge_hypot_map`.
//!
//! Classes have been made by then, so that two types are compared only if their classes differ.

use super::{Partition, Tag, at, look, references, set, tag};
use crate::{Kind, TypeId};
use alloc::{collections::BTreeMap, collections::BTreeSet, vec::Vec};

/// Words of types that may be compared, for each word there is.
const BUDGET: usize = 100;

/// What two types that are the same have in common.
#[derive(Default)]
struct Same {
    /// Declarations, and the definitions in their place.
    declared: Vec<(TypeId, TypeId)>,
    /// Structs and unions that are then the same.
    structs: Vec<(TypeId, TypeId)>,
}

impl<'a> Partition<'a> {
    /// Lets declarations stand for the definitions that structs give them. Returns whether there were
    /// any.
    pub(super) fn resolve_in_context(&mut self) -> bool {
        let btf = self.btf;
        let mut open: BTreeMap<Tag<'a>, Vec<TypeId>> = BTreeMap::new();
        for id in btf.ids().filter(|&id| at(&self.means, id, id) == id) {
            if let Some((tag, false)) = tag(btf, id) {
                open.entry(tag).or_default().push(id);
            }
        }
        if open.is_empty() {
            return false;
        }
        let mut budget = self.btf.words().len().saturating_mul(BUDGET);
        let mut names = BTreeMap::new();
        let mut groups: BTreeMap<Vec<u32>, Vec<TypeId>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut members: BTreeMap<u32, Vec<TypeId>> = BTreeMap::new();
        for id in btf.ids() {
            members.entry(self.class(id)).or_default().push(id);
        }
        let mut any = false;
        for id in self.btf.ids() {
            let is_struct = self
                .btf
                .record(id)
                .is_some_and(|record| matches!(record.kind, Kind::Struct | Kind::Union));
            // The first of each class stands for it.
            if !is_struct || at(&self.means, id, id) != id || !seen.insert(self.class(id)) {
                continue;
            }
            let group = groups.entry(look(self.btf, id, &mut names)).or_default();
            let mut found = None;
            for &other in group.iter() {
                found = self.same_in_context(other, id, &mut budget);
                if found.is_some() {
                    break;
                }
            }
            match found {
                Some(same) => {
                    any |= self.define(&same.declared, &mut open);
                    for (a, b) in same.structs {
                        any |= self.merge(a, members.get(&self.class(b)));
                    }
                }
                None => group.push(id),
            }
        }
        for id in btf.ids() {
            let last = self.meant(id);
            set(&mut self.means, id.0, last);
        }
        if any {
            self.find_users();
        }
        any
    }

    /// Lets declarations stand for definitions that have turned out to be the same. Returns whether there
    /// were any. Of libbpf: `btf_dedup_resolve_fwds`.
    pub(super) fn join_declarations(&mut self) -> bool {
        let definitions = self.definitions();
        let mut any = false;
        for id in self.btf.ids() {
            let Some((tag, false)) = tag(self.btf, id) else { continue };
            let one = definitions.get(&tag).filter(|(_, _, one)| *one);
            if let Some(&(_, first, _)) = one
                && at(&self.means, id, id) == id
            {
                set(&mut self.means, id.0, first);
                any = true;
            }
        }
        if any {
            self.find_users();
        }
        any
    }

    /// Whether two types are the same when declarations mean what stands in their place; which those are.
    fn same_in_context(&self, a: TypeId, b: TypeId, budget: &mut usize) -> Option<Same> {
        let mut same = Same::default();
        let mut pairs = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut todo = Vec::from([(a, b)]);
        // Ends: each class of the first graph is paired once.
        while let Some((a, b)) = todo.pop() {
            if self.class(a) == self.class(b) {
                continue;
            }
            match pairs.insert(self.class(a), self.class(b)) {
                Some(before) if before == self.class(b) => continue,
                Some(_) => return None,
                None => {}
            }
            let words = self.btf.record(a).map_or(0, |record| record.entries.len());
            *budget = budget.checked_sub(words.saturating_add(3))?;
            match (tag(self.btf, a), tag(self.btf, b)) {
                (Some((a_tag, false)), Some((b_tag, true))) if a_tag == b_tag => {
                    same.declared.push((a, b));
                    continue;
                }
                (Some((a_tag, true)), Some((b_tag, false))) if a_tag == b_tag => {
                    same.declared.push((b, a));
                    continue;
                }
                _ => {}
            }
            if look(self.btf, a, &mut names) != look(self.btf, b, &mut names) {
                return None;
            }
            if self.btf.record(b).is_some_and(|b| matches!(b.kind, Kind::Struct | Kind::Union)) {
                same.structs.push((a, b));
            }
            // What came first means what has been found out; what is compared with it is as it was
            // written.
            let written = |to| match tag(self.btf, to) {
                Some((_, false)) => to,
                _ => self.meant(to),
            };
            let both = references(self.btf, a).zip(references(self.btf, b));
            todo.extend(both.map(|(a, b)| (self.meant(a), written(b))));
        }
        Some(same)
    }

    /// Lets the types of a class stand for another type. Returns whether that is new.
    fn merge(&mut self, to: TypeId, class: Option<&Vec<TypeId>>) -> bool {
        let mut any = false;
        for &id in class.into_iter().flatten() {
            // A type that means this one already must not come to mean itself.
            if self.meant(to) != self.meant(id) && at(&self.means, id, id) == id {
                set(&mut self.means, id.0, to);
                any = true;
            }
        }
        any
    }

    /// What a type means in the end. Ends: nothing is made to mean what means it.
    fn meant(&self, id: TypeId) -> TypeId {
        let mut id = id;
        loop {
            match at(&self.means, id, id) {
                next if next == id => return id,
                next => id = next,
            }
        }
    }

    /// Lets declarations of these names stand for definitions. Each name is taken from `open`.
    fn define(
        &mut self,
        declared: &[(TypeId, TypeId)],
        open: &mut BTreeMap<Tag<'a>, Vec<TypeId>>,
    ) -> bool {
        let mut any = false;
        for &(declaration, definition) in declared {
            let name = tag(self.btf, declaration).map(|(name, _)| name);
            for id in name.and_then(|name| open.remove(&name)).unwrap_or_default() {
                if self.meant(definition) != id {
                    set(&mut self.means, id.0, definition);
                    any = true;
                }
            }
        }
        any
    }
}
