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
//! A round looks at the types only whose references changed their class, and which are not alone in it
//! already. Compilers' types take some dozens of rounds; hostile ones are cut off by a budget, with which
//! nothing is merged wrongly: the types are then given back as they are.
//!
//! Semantics are those of libbpf's `btf__dedup`.

use crate::{Btf, BtfError, Builder, TypeId};
use alloc::{vec, vec::Vec};
use graph::{Graph, Lists};

mod context;
mod graph;

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
    let graph = Graph::new(btf);
    let mut partition = Partition::new(&graph);
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
    Ok(Dedup { btf: builder.finish_checked()?, map })
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
struct Partition<'g> {
    graph: &'g Graph,
    classes: Vec<u32>,
    /// How many types are in each class.
    sizes: Vec<u32>,
    /// For declarations the definition they stand for, otherwise the type itself.
    means: Vec<TypeId>,
    /// Who refers to a type.
    users: Lists,
    budget: usize,
}

/// A type whose references may have changed their classes: its class, a digest of those or then the
/// number of its group, and the type.
type Changed = (u32, u64, TypeId);

impl<'g> Partition<'g> {
    fn new(graph: &'g Graph) -> Self {
        let len = graph.len();
        let mut defined: Vec<Option<TypeId>> = vec![None; graph.tag_count()];
        for id in graph.ids() {
            if let Some((tag, true)) = graph.tag(id)
                && let Some(first) = defined.get_mut(tag)
            {
                first.get_or_insert(id);
            }
        }
        let mut means = vec![TypeId::VOID];
        means.extend(graph.ids().map(|id| match graph.tag(id) {
            Some((tag, false)) => defined.get(tag).copied().flatten().unwrap_or(id),
            _ => id,
        }));
        let budget = len.saturating_mul(BUDGET);
        let (classes, sizes) = (Vec::new(), Vec::new());
        let users = graph.users(&means);
        Self { graph, classes, sizes, means, users, budget }
    }

    /// Splits classes until references respect them. `false` when that takes too much: then each type
    /// is in a class of its own.
    fn refine(&mut self) -> bool {
        self.classes = self.graph.looks().to_vec();
        self.sizes = vec![0; self.graph.look_count()];
        for &class in &self.classes {
            resize(&mut self.sizes, class, 1);
        }
        let mut queued = vec![false; self.means.len()];
        let mut dirty: Vec<TypeId> = self.graph.ids().collect();
        let mut changed = Vec::new();
        while !dirty.is_empty() {
            let Some(budget) = self.budget.checked_sub(dirty.len()) else {
                self.classes = (0_u32..).take(self.means.len()).collect();
                self.means = (0_u32..).take(self.means.len()).map(TypeId).collect();
                return false;
            };
            self.budget = budget;
            self.round(&mut dirty, &mut changed, &mut queued);
        }
        true
    }

    /// Splits the classes of the types in `dirty`, whose references may have changed their classes.
    /// Leaves the types there of which that is now so.
    fn round(&mut self, dirty: &mut Vec<TypeId>, changed: &mut Vec<Changed>, queued: &mut [bool]) {
        changed.clear();
        for id in dirty.drain(..) {
            let class = self.class(id);
            // One alone stays alone.
            if at(&self.sizes, TypeId(class), 0) > 1 {
                changed.push((class, self.digest(id), id));
            }
        }
        changed.sort_unstable();
        self.number_groups(changed);
        for of_class in changed.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(class, ..)) = of_class.first() else { continue };
            let looked_at = u32::try_from(of_class.len()).unwrap_or(u32::MAX);
            // The types not looked at keep the class; if there are none, the largest group does.
            let all = at(&self.sizes, TypeId(class), 0) == looked_at;
            let groups = || of_class.chunk_by(|a, b| a.1 == b.1);
            let largest = groups().enumerate().max_by_key(|(_, group)| group.len());
            let keeps = largest.filter(|_| all).map(|(index, _)| index);
            for (index, group) in groups().enumerate() {
                if keeps != Some(index) {
                    self.split(class, group, dirty, queued);
                }
            }
        }
        for id in dirty.iter() {
            set(queued, id.0, false);
        }
    }

    /// Puts in place of digests, by which types are sorted, numbers of groups whose references lead to the
    /// same classes.
    fn number_groups(&self, changed: &mut [Changed]) {
        let mut number = 0_u64;
        for alike in changed.chunk_by_mut(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let same = |a: &Changed, b: &Changed| self.targets(a.2).eq(self.targets(b.2));
            if !alike.windows(2).all(|pair| matches!(pair, [a, b] if same(a, b))) {
                // Different ones have the same digest.
                alike.sort_by(|a, b| self.targets(a.2).cmp(self.targets(b.2)));
            }
            for group in alike.chunk_by_mut(same) {
                number = number.saturating_add(1);
                group.iter_mut().for_each(|changed| changed.1 = number);
            }
        }
    }

    /// The classes that the references of a type lead to.
    fn targets(&self, id: TypeId) -> impl Iterator<Item = u32> {
        let means = |&to: &TypeId| at(&self.means, to, to);
        self.graph.references(id).iter().map(means).map(|to| self.class(to))
    }

    fn digest(&self, id: TypeId) -> u64 {
        // A prime, as FNV has it.
        self.targets(id).fold(0xcbf2_9ce4_8422_2325, |digest, class| {
            (digest ^ u64::from(class)).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
        })
    }

    /// Moves types from a class to a new one, and adds who refers to them to `dirty`.
    fn split(
        &mut self,
        class: u32,
        group: &[Changed],
        dirty: &mut Vec<TypeId>,
        queued: &mut [bool],
    ) {
        let new = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
        let len = u32::try_from(group.len()).unwrap_or(u32::MAX);
        self.sizes.push(len);
        resize(&mut self.sizes, class, 0_u32.wrapping_sub(len));
        for &(.., id) in group {
            set(&mut self.classes, id.0, new);
            for &user in self.users.of(id) {
                if !at(queued, user, true) {
                    set(queued, user.0, true);
                    dirty.push(user);
                }
            }
        }
    }

    fn class(&self, id: TypeId) -> u32 {
        at(&self.classes, id, 0)
    }

    /// Of each tag the class of a definition, the first one, and whether all are of one class.
    fn definitions(&self) -> Vec<Option<(u32, TypeId, bool)>> {
        let mut classes: Vec<Option<(u32, TypeId, bool)>> = vec![None; self.graph.tag_count()];
        for id in self.graph.ids() {
            if let Some((tag, true)) = self.graph.tag(id)
                && let Some(known) = classes.get_mut(tag)
            {
                let class = self.class(id);
                let (first, _, one) = known.get_or_insert((class, id, true));
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
        for id in self.graph.ids() {
            let Some((tag, false)) = self.graph.tag(id) else { continue };
            let differ = matches!(classes.get(tag), Some(Some((_, _, false))));
            if at(&self.means, id, id) != id && differ {
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
        self.users = self.graph.users(&self.means);
    }

    /// For each type the first one that is the same.
    fn firsts(&self) -> Vec<TypeId> {
        let mut first: Vec<Option<TypeId>> = vec![None; self.sizes.len().max(self.classes.len())];
        for id in self.graph.ids().filter(|&id| at(&self.means, id, id) == id) {
            if let Some(first) = first.get_mut(index(self.class(id))) {
                first.get_or_insert(id);
            }
        }
        let of = |id: TypeId| at(&first, TypeId(self.class(at(&self.means, id, id))), None);
        core::iter::once(TypeId::VOID)
            .chain(self.graph.ids().map(|id| of(id).unwrap_or(id)))
            .collect()
    }
}

fn resize(sizes: &mut [u32], class: u32, by: u32) {
    if let Some(size) = sizes.get_mut(index(class)) {
        *size = size.wrapping_add(by);
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
