//! Declarations whose definitions differ, resolved by who refers to them.
//!
//! Two structs that are the same but for what stands where one refers to a declaration and the other to a
//! definition of that name are merged, and so is all that they refer to. For other references to the
//! declaration the first two such structs decide. Of libbpf: `btf_dedup_is_equiv`,
//! `btf_dedup_merge_hypot_map`.
//!
//! Classes have been made by then, so that two types are compared only if their classes differ.

use super::{Partition, at, set};
use crate::TypeId;
use alloc::{collections::BTreeMap, vec, vec::Vec};
use hashbrown::HashMap;

/// References of types that may be compared, for each word there is.
const BUDGET: usize = 100;

/// A comparison of two types, and what they have in common if they are the same. Used again, as there
/// are many and most end soon.
struct Same {
    /// Declarations, and the definitions in their place.
    declared: Vec<(TypeId, TypeId)>,
    /// Structs and unions that are then the same.
    structs: Vec<(TypeId, TypeId)>,
    /// Types to be compared.
    todo: Vec<(TypeId, TypeId)>,
    /// For each class the number of the comparison in which it was met last, and what it was paired with.
    pairs: Vec<(u32, u32)>,
    number: u32,
    /// References that may still be compared.
    budget: usize,
}

impl Partition<'_> {
    /// Lets declarations stand for the definitions that structs give them. Returns whether there were
    /// any.
    pub(super) fn resolve_in_context(&mut self) -> bool {
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
        let mut groups: HashMap<u32, Vec<TypeId>> = HashMap::new();
        let mut seen = vec![false; self.sizes.len().max(self.classes.len())];
        // Most have none to merge, so that nobody is asked for.
        let mut members: Option<Vec<(u32, TypeId)>> = None;
        let mut same = Same {
            declared: Vec::new(),
            structs: Vec::new(),
            todo: Vec::new(),
            pairs: vec![(0, 0); seen.len()],
            number: 0,
            budget: graph.words().saturating_mul(BUDGET),
        };
        let mut any = false;
        for id in graph.ids() {
            // The first of each class stands for it.
            if !graph.is_struct(id) || at(&self.means, id, id) != id {
                continue;
            }
            let class = TypeId(self.class(id));
            if at(&seen, class, true) {
                continue;
            }
            set(&mut seen, class.0, true);
            let group = groups.entry(graph.look(id)).or_default();
            let mut found = false;
            for &other in group.iter() {
                found = self.same_in_context((other, id), &mut same).is_some();
                if found || same.budget == 0 {
                    break;
                }
            }
            if !found {
                group.push(id);
                continue;
            }
            any |= self.define(&same.declared, &mut open);
            let members = members.get_or_insert_with(|| {
                let all = graph.ids().map(|id| (self.class(id), id));
                let mut all: Vec<_> = all.collect();
                all.sort_unstable();
                all
            });
            for &(a, b) in &same.structs {
                any |= self.merge(a, of_class(members, self.class(b)));
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
    fn same_in_context(&self, pair: (TypeId, TypeId), same: &mut Same) -> Option<()> {
        let graph = self.graph;
        same.declared.clear();
        same.structs.clear();
        same.todo.clear();
        same.todo.push(pair);
        same.number = same.number.checked_add(1)?;
        // Ends: each class of the first graph is paired once.
        while let Some((a, b)) = same.todo.pop() {
            let classes = (self.class(a), self.class(b));
            if classes.0 == classes.1 {
                continue;
            }
            let before = same.pairs.get_mut(super::index(classes.0))?;
            match core::mem::replace(before, (same.number, classes.1)) {
                (number, _) if number != same.number => {}
                (_, before) if before == classes.1 => continue,
                _ => return None,
            }
            let cost = graph.references(a).len().saturating_add(1);
            same.budget = same.budget.saturating_sub(cost);
            if same.budget == 0 {
                return None;
            }
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
            if graph.is_struct(b) {
                same.structs.push((a, b));
            }
            // What came first means what has been found out; what is compared with it is as it was
            // written.
            let written = |to| match graph.tag(to) {
                Some((_, false)) => to,
                _ => self.meant(to),
            };
            let both = graph.references(a).iter().zip(graph.references(b));
            same.todo.extend(both.map(|(&a, &b)| (self.meant(a), written(b))));
        }
        Some(())
    }

    /// Lets the types of a class stand for another type. Returns whether that is new.
    fn merge(&mut self, to: TypeId, class: &[(u32, TypeId)]) -> bool {
        let mut any = false;
        for &(_, id) in class {
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

/// The types of a class, in a list by class.
fn of_class(members: &[(u32, TypeId)], class: u32) -> &[(u32, TypeId)] {
    let start = members.partition_point(|member| member.0 < class);
    let members = members.get(start..).unwrap_or_default();
    members.get(..members.partition_point(|member| member.0 == class)).unwrap_or_default()
}
