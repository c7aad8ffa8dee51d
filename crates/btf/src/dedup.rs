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
use hashbrown::HashMap;

mod context;
mod graph;

/// Steps that are looked at before classes are split. More take longer and leave less to split.
const VICINITY: usize = 5;

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
    let mut whole = partition.refine();
    while whole {
        let apart = partition.separate_declarations();
        if apart.is_empty() {
            break;
        }
        whole = partition.refine_from(apart);
    }
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

    /// Finds the classes. `false` when that takes too much: then each type is in a class of its own.
    fn refine(&mut self) -> bool {
        self.by_vicinity();
        let unlike = self.unlike();
        self.refine_from(unlike)
    }

    /// Splits classes until references respect them, of which at first those of some types may not.
    fn refine_from(&mut self, mut dirty: Vec<TypeId>) -> bool {
        let mut queued = vec![false; self.means.len()];
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

    /// The types of all classes in which not all types refer to the same classes.
    fn unlike(&self) -> Vec<TypeId> {
        let mut first = vec![TypeId::VOID; self.sizes.len()];
        let mut unlike = vec![false; self.sizes.len()];
        for id in self.graph.ids() {
            let class = self.class(id);
            match at(&first, TypeId(class), TypeId::VOID) {
                TypeId::VOID => set(&mut first, class, id),
                other if self.targets(id).eq(self.targets(other)) => {}
                _ => set(&mut unlike, class, true),
            }
        }
        self.graph.ids().filter(|&id| at(&unlike, TypeId(self.class(id)), false)).collect()
    }

    /// The first classes: types with the same digest of what they are and refer to, a few steps far. Types
    /// that are the same are in one, others are too by chance alone or when they differ farther away.
    fn by_vicinity(&mut self) {
        let mut digests: Vec<u64> =
            self.graph.looks().iter().map(|&look| mix(0, look.into())).collect();
        for _ in 0..VICINITY {
            let next = (0_u32..).map(TypeId).zip(&digests).map(|(id, &digest)| {
                let means = |&to: &TypeId| at(&self.means, to, to);
                let around = self.graph.references(id).iter().map(means);
                around.fold(digest, |digest, to| mix(digest, at(&digests, to, 0)))
            });
            digests = next.collect();
        }
        let mut numbers: HashMap<u64, u32> = HashMap::with_capacity(digests.len() / 2);
        self.classes.clear();
        self.sizes.clear();
        for digest in digests {
            let next = u32::try_from(self.sizes.len()).unwrap_or(u32::MAX);
            let class = *numbers.entry(digest).or_insert(next);
            if class == next {
                self.sizes.push(0);
            }
            resize(&mut self.sizes, class, 1);
            self.classes.push(class);
        }
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
        self.targets(id).fold(0, |digest, class| mix(digest, class.into()))
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

    /// Lets declarations stand for themselves of which the definitions differ. Returns who refers to them:
    /// what is the same now was the same before.
    fn separate_declarations(&mut self) -> Vec<TypeId> {
        let classes = self.definitions();
        let mut apart = Vec::new();
        for id in self.graph.ids() {
            let Some((tag, false)) = self.graph.tag(id) else { continue };
            let differ = matches!(classes.get(tag), Some(Some((_, _, false))));
            if at(&self.means, id, id) != id && differ {
                set(&mut self.means, id.0, id);
                apart.push(id);
            }
        }
        if apart.is_empty() {
            return apart;
        }
        self.find_users();
        let mut users: Vec<TypeId> =
            apart.iter().flat_map(|&id| self.users.of(id).iter().copied()).collect();
        users.sort_unstable();
        users.dedup();
        users
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

/// One more number in a digest.
fn mix(digest: u64, number: u64) -> u64 {
    (digest.rotate_left(29) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ digest >> 31
}

fn resize(sizes: &mut [u32], class: u32, by: u32) {
    if let Some(size) = sizes.get_mut(index(class)) {
        *size = size.wrapping_add(by);
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
