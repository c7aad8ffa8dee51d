//! Declarations whose definitions differ, resolved by who refers to them.
//!
//! Two structs that are the same but for what stands where one refers to a declaration and the other to a
//! definition of that name are merged, and so is all that they refer to. For other references to the
//! declaration the first two such structs decide. Of libbpf: `btf_dedup_is_equiv`,
//! `btf_dedup_merge_hypot_map`.
//!
//! Classes have been made by then, so that two types are compared only if their classes differ.

use super::{Partition, at, set};
use crate::{Btf, TypeId};
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

impl Partition<'_> {
    /// Lets declarations stand for the definitions that structs give them. Returns whether there were
    /// any.
    pub(super) fn resolve_in_context(&mut self, btf: &Btf) -> bool {
        let graph = self.graph;
        let mut open: BTreeMap<usize, Vec<TypeId>> = BTreeMap::new();
        for id in graph.ids().filter(|&id| at(&self.means, id, id) == id) {
            if let Some((tag, false)) = graph.tag(id) {
                open.entry(tag).or_default().push(id);
            }
        }
        if open.is_empty() {
            return false;
        }
        let mut budget = graph.words().saturating_mul(BUDGET);
        let mut groups: BTreeMap<u32, Vec<TypeId>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        let mut members: BTreeMap<u32, Vec<TypeId>> = BTreeMap::new();
        for id in graph.ids() {
            members.entry(self.class(id)).or_default().push(id);
        }
        let mut any = false;
        for id in graph.ids() {
            // The first of each class stands for it.
            if !graph.is_struct(btf, id)
                || at(&self.means, id, id) != id
                || !seen.insert(self.class(id))
            {
                continue;
            }
            let group = groups.entry(graph.look(id)).or_default();
            let mut found = None;
            for &other in group.iter() {
                found = self.same_in_context(btf, (other, id), &mut budget);
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
        for id in graph.ids() {
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
        for id in self.graph.ids() {
            let Some((tag, false)) = self.graph.tag(id) else { continue };
            let one = definitions.get(tag).copied().flatten().filter(|(_, _, one)| *one);
            if let Some((_, first, _)) = one
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
    fn same_in_context(
        &self,
        btf: &Btf,
        (a, b): (TypeId, TypeId),
        budget: &mut usize,
    ) -> Option<Same> {
        let graph = self.graph;
        let mut same = Same::default();
        let mut pairs = BTreeMap::new();
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
            let words = btf.record(a).map_or(0, |record| record.entries.len());
            *budget = budget.checked_sub(words.saturating_add(3))?;
            match (graph.tag(a), graph.tag(b)) {
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
            if graph.look(a) != graph.look(b) {
                return None;
            }
            if graph.is_struct(btf, b) {
                same.structs.push((a, b));
            }
            // What came first means what has been found out; what is compared with it is as it was
            // written.
            let written = |to| match graph.tag(to) {
                Some((_, false)) => to,
                _ => self.meant(to),
            };
            let both = graph.references(a).iter().zip(graph.references(b));
            todo.extend(both.map(|(&a, &b)| (self.meant(a), written(b))));
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
        open: &mut BTreeMap<usize, Vec<TypeId>>,
    ) -> bool {
        let mut any = false;
        for &(declaration, definition) in declared {
            let name = self.graph.tag(declaration).map(|(name, _)| name);
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
