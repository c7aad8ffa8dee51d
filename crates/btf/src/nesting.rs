//! How deep types are nested, and that no type contains itself.
//!
//! Two relations must be free of cycles, for two readers:
//! - *by value*: what a value consists of. A cycle would make a type infinitely large.
//! - *by spelling*: what must be written to write a type down without its name. Structs, unions and
//!   typedefs are written by name, so a list node may point to its own type; a pointer that points to
//!   itself without a name between could not be written in C.
//!
//! # Cost
//!
//! Each pass visits each type once and each reference at most three times; the work list holds at most
//! one entry per reference. There is no recursion.

use crate::btf::Record;
use crate::parse::pos_at;
use crate::{Btf, BtfError, Kind, TypeId};
use alloc::{vec, vec::Vec};

/// Checks both relations from the types on that are not in the base.
pub(crate) fn check(btf: &Btf) -> Result<(), BtfError> {
    check_relation(btf, by_value)?;
    check_relation(btf, by_spelling)
}

fn by_value(kind: Kind) -> bool {
    !matches!(kind, Kind::Ptr | Kind::FuncProto | Kind::Func | Kind::DeclTag)
}

fn by_spelling(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Ptr
            | Kind::Array
            | Kind::Volatile
            | Kind::Const
            | Kind::Restrict
            | Kind::TypeTag
            | Kind::FuncProto
    )
}

/// What is known of a type while searching.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// On the path that is being searched.
    Open,
    /// Searched: the number of types on the longest path that starts here.
    Height(u8),
}

/// Depth-first search for cycles.
struct Search<'a> {
    btf: &'a Btf,
    /// Which kinds of types the relation leads on from.
    follows: fn(Kind) -> bool,
    marks: Vec<Mark>,
    /// The path, and next to each type on it its references that are still to be searched.
    todo: Vec<TypeId>,
}

fn check_relation(btf: &Btf, follows: fn(Kind) -> bool) -> Result<(), BtfError> {
    let marks = vec![Mark::New; btf.len()];
    let mut search = Search { btf, follows, marks, todo: Vec::new() };
    btf.own_ids().try_for_each(|root| search.from(root))
}

impl<'a> Search<'a> {
    fn from(&mut self, root: TypeId) -> Result<(), BtfError> {
        self.todo.push(root);
        while let Some(&id) = self.todo.last() {
            match self.mark(id) {
                Mark::New => self.open(id)?,
                Mark::Open => self.close(id)?,
                Mark::Height(_) => drop(self.todo.pop()),
            }
        }
        Ok(())
    }

    /// Puts `id` on the path and what it refers to on the list.
    fn open(&mut self, id: TypeId) -> Result<(), BtfError> {
        self.set_mark(id, Mark::Open);
        for next in self.next(id) {
            match self.mark(next) {
                Mark::New => self.todo.push(next),
                Mark::Open => return Err(BtfError::Cycle { at: self.at(id), id }),
                Mark::Height(_) => {}
            }
        }
        Ok(())
    }

    /// Takes `id` from the path: all that it refers to has been searched.
    fn close(&mut self, id: TypeId) -> Result<(), BtfError> {
        self.todo.pop();
        let below = self.next(id).map(|next| match self.mark(next) {
            Mark::Height(height) => height,
            Mark::New | Mark::Open => 0,
        });
        let height = below.max().unwrap_or(0).saturating_add(1);
        if height > Btf::MAX_NESTING {
            return Err(BtfError::Deep { at: self.at(id), id, limit: Btf::MAX_NESTING });
        }
        self.set_mark(id, Mark::Height(height));
        Ok(())
    }

    fn next(&self, id: TypeId) -> impl Iterator<Item = TypeId> + use<'a> {
        let follows = self.follows;
        let record = self.btf.record(id).filter(|record| follows(record.kind));
        record.into_iter().flat_map(Record::references).map(|(_, to)| to)
    }

    /// `void` leads nowhere.
    fn mark(&self, id: TypeId) -> Mark {
        let mark = index(id).and_then(|index| self.marks.get(index));
        mark.copied().unwrap_or(Mark::Height(0))
    }

    fn set_mark(&mut self, id: TypeId, to: Mark) {
        if let Some(mark) = index(id).and_then(|index| self.marks.get_mut(index)) {
            *mark = to;
        }
    }

    /// The position of the type's record in the input.
    fn at(&self, id: TypeId) -> usize {
        let own = index(id).and_then(|index| index.checked_sub(self.btf.base_len()));
        let start = own.and_then(|index| self.btf.starts.get(index)).copied();
        let word = usize::try_from(start.unwrap_or_default()).unwrap_or(usize::MAX);
        pos_at(self.btf.source.types_at(), word)
    }
}

fn index(id: TypeId) -> Option<usize> {
    usize::try_from(id.0).ok()?.checked_sub(1)
}
