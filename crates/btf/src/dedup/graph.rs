//! What types are and refer to, in numbers: read once, asked often.

use crate::btf::Record;
use crate::kind::Third;
use crate::{Btf, Kind, TypeId};
use alloc::{vec, vec::Vec};
use core::iter;
use hashbrown::HashMap;

/// Types by number, `void` included.
pub(super) struct Graph {
    references: Lists,
    /// The same number for types that look alike: records with names compared and without references.
    looks: Vec<u32>,
    /// The tag that a type declares (`false`) or defines.
    tags: Vec<Option<(u32, bool)>>,
    tag_count: usize,
    /// Which types are structs or unions that are defined.
    structs: Vec<bool>,
    /// Words of all records.
    words: usize,
}

/// For each type a list of types.
#[derive(Default)]
pub(super) struct Lists {
    /// Where the list of each type ends, and the next one begins.
    ends: Vec<usize>,
    items: Vec<TypeId>,
}

impl Lists {
    pub(super) fn of(&self, id: TypeId) -> &[TypeId] {
        let Ok(id) = usize::try_from(id.0) else { return &[] };
        let start = id.checked_sub(1).map_or(Some(&0), |before| self.ends.get(before));
        let (Some(&start), Some(&end)) = (start, self.ends.get(id)) else { return &[] };
        self.items.get(start..end).unwrap_or_default()
    }
}

impl Graph {
    pub(super) fn new(btf: &Btf) -> Self {
        let len = btf.len().saturating_add(1);
        let strings = btf.base_strings().saturating_add(btf.source.strings().len());
        let mut names = Names { btf, by_off: vec![0; strings], by_text: HashMap::new() };
        let mut numbers: HashMap<(Kind, u32), u32> = HashMap::new();
        let mut new = Self {
            references: Lists { ends: Vec::with_capacity(len), items: Vec::new() },
            looks: Vec::with_capacity(len),
            tags: Vec::with_capacity(len),
            tag_count: 0,
            structs: Vec::with_capacity(len),
            words: btf.words().len(),
        };
        // Records without references, one behind the other, and where each ends.
        let (mut words, mut ends) = (Vec::with_capacity(new.words), Vec::with_capacity(len));
        for record in iter::once(None).chain(btf.ids().map(|id| btf.record(id))) {
            let id = u32::try_from(ends.len()).unwrap_or(u32::MAX);
            if let Some(record) = record {
                new.references.items.extend(record.references().map(|(_, to)| to));
                look(record, id, &mut names, &mut words);
            }
            let is_struct = |record: Record<'_>| matches!(record.kind, Kind::Struct | Kind::Union);
            new.structs.push(record.is_some_and(is_struct));
            new.references.ends.push(new.references.items.len());
            ends.push(words.len());
            new.tags.push(record.and_then(|record| {
                let (kind, name, defines) = tag(btf, record)?;
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                let number = numbers.entry((kind, names.number(name))).or_insert(next);
                Some((*number, defines))
            }));
        }
        new.tag_count = numbers.len();
        let mut known: HashMap<&[u32], u32> = HashMap::with_capacity(len / 2);
        let mut start = 0;
        for end in ends {
            let look = words.get(start..end).unwrap_or_default();
            let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
            new.looks.push(*known.entry(look).or_insert(next));
            start = end;
        }
        new
    }

    /// Types, `void` included.
    pub(super) fn len(&self) -> usize {
        self.looks.len()
    }

    /// All types but `void`.
    pub(super) fn ids(&self) -> impl Iterator<Item = TypeId> + use<> {
        (1_u32..).take(self.len().saturating_sub(1)).map(TypeId)
    }

    /// Words of all records.
    pub(super) fn words(&self) -> usize {
        self.words
    }

    pub(super) fn references(&self, id: TypeId) -> &[TypeId] {
        self.references.of(id)
    }

    /// Of each type a number that types have in common which look alike.
    pub(super) fn looks(&self) -> &[u32] {
        &self.looks
    }

    pub(super) fn look(&self, id: TypeId) -> u32 {
        super::at(&self.looks, id, 0)
    }

    /// The number of the tag that a type declares (`false`) or defines.
    pub(super) fn tag(&self, id: TypeId) -> Option<(usize, bool)> {
        let (tag, defines) = super::at(&self.tags, id, None)?;
        Some((super::index(tag), defines))
    }

    pub(super) fn tag_count(&self) -> usize {
        self.tag_count
    }

    /// Whether a type is a struct or a union that is defined.
    pub(super) fn is_struct(&self, id: TypeId) -> bool {
        super::at(&self.structs, id, false)
    }

    /// Who refers to each type, or to one that means it.
    pub(super) fn users(&self, means: &[TypeId]) -> Lists {
        let target = |to: TypeId| super::index(super::at(means, to, to).0);
        let mut starts = vec![0_usize; self.len().saturating_add(1)];
        for &to in &self.references.items {
            if let Some(count) = starts.get_mut(target(to).saturating_add(1)) {
                *count = count.saturating_add(1);
            }
        }
        let mut sum = 0_usize;
        for start in &mut starts {
            sum = sum.saturating_add(*start);
            *start = sum;
        }
        let mut items = vec![TypeId::VOID; sum];
        // Each start moves to where the list ends.
        for id in self.ids() {
            for &to in self.references(id) {
                let Some(at) = starts.get_mut(target(to)) else { continue };
                if let Some(item) = items.get_mut(*at) {
                    *item = id;
                }
                *at = at.saturating_add(1);
            }
        }
        starts.truncate(self.len());
        Lists { ends: starts, items }
    }
}

/// Strings by number: the same one for the same text.
struct Names<'a> {
    btf: &'a Btf,
    /// For each position of the strings the number plus 1, if it is known.
    by_off: Vec<u32>,
    by_text: HashMap<&'a [u8], u32>,
}

impl Names<'_> {
    fn number(&mut self, off: u32) -> u32 {
        let known = self.by_off.get_mut(super::index(off));
        if let Some(&mut number @ 1..) = known {
            return number;
        }
        let next = u32::try_from(self.by_text.len()).unwrap_or(u32::MAX).saturating_add(1);
        let number = *self.by_text.entry(self.btf.c_str(off)).or_insert(next);
        if let Some(known) = known {
            *known = number;
        }
        number
    }
}

/// Kind and name of the tag that a record declares (`false`) or defines.
fn tag(btf: &Btf, record: Record<'_>) -> Option<(Kind, u32, bool)> {
    let (kind, defines) = match record.kind {
        Kind::Struct | Kind::Union => (record.kind, true),
        Kind::Fwd if record.flag() => (Kind::Union, false),
        Kind::Fwd => (Kind::Struct, false),
        Kind::Enum | Kind::Enum64 => (Kind::Enum, record.vlen() != 0),
        _ => return None,
    };
    (!btf.c_str(record.name).is_empty()).then_some((kind, record.name, defines))
}

/// Appends the record of a type with names numbered and without references.
fn look(record: Record<'_>, id: u32, names: &mut Names<'_>, look: &mut Vec<u32>) {
    let layout = record.kind.layout();
    let third = if layout.third == Third::Type { 0 } else { record.third };
    look.extend([names.number(record.name), record.info, third]);
    let mut in_entry = 0;
    for index in 0..record.entries.len() {
        let word = record.word(index);
        look.push(if layout.strings.contains(&in_entry) {
            names.number(word)
        } else if layout.types.contains(&in_entry) {
            0
        } else {
            word
        });
        in_entry = in_entry.saturating_add(1);
        if in_entry == layout.words {
            in_entry = 0;
        }
    }
    if matches!(record.kind, Kind::Var | Kind::Datasec) {
        look.push(id);
    }
}
