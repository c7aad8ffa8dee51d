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

use crate::parse::pos_at;
use crate::{Btf, BtfError, Kind, TypeId};
use alloc::{vec, vec::Vec};

/// Checks both relations; the type section begins at byte `types_at`.
pub(crate) fn check(btf: &Btf, types_at: usize) -> Result<(), BtfError> {
    check_relation(btf, types_at, by_value)?;
    check_relation(btf, types_at, by_spelling)
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
    /// The longest path that starts here.
    Height(u8),
}

/// Depth-first search for cycles over the references of types for which `follows` holds.
fn check_relation(btf: &Btf, types_at: usize, follows: fn(Kind) -> bool) -> Result<(), BtfError> {
    let mut marks = vec![Mark::New; btf.len()];
    let mut todo = Vec::new();
    for root in btf.ids() {
        todo.push(root);
        while let Some(&id) = todo.last() {
            let Some(mark) = mark_mut(&mut marks, id) else { break };
            match *mark {
                Mark::New => {
                    *mark = Mark::Open;
                    for next in next(btf, id, follows) {
                        match mark_mut(&mut marks, next).map(|mark| *mark) {
                            Some(Mark::New) => todo.push(next),
                            Some(Mark::Open) => {
                                return Err(BtfError::Cycle { at: at(btf, types_at, id), id });
                            }
                            _ => {}
                        }
                    }
                }
                Mark::Open => {
                    let height = height(btf, id, follows, &mut marks)
                        .filter(|&height| height <= Btf::MAX_NESTING);
                    let height = height.ok_or(BtfError::Deep {
                        at: at(btf, types_at, id),
                        id,
                        limit: Btf::MAX_NESTING,
                    })?;
                    if let Some(mark) = mark_mut(&mut marks, id) {
                        *mark = Mark::Height(height);
                    }
                    todo.pop();
                }
                Mark::Height(_) => {
                    todo.pop();
                }
            }
        }
        todo.clear();
    }
    Ok(())
}

/// One more than the greatest height of what `id` refers to, all of which have heights.
fn height(btf: &Btf, id: TypeId, follows: fn(Kind) -> bool, marks: &mut [Mark]) -> Option<u8> {
    let heights = next(btf, id, follows).map(|next| match mark_mut(marks, next) {
        Some(Mark::Height(height)) => *height,
        _ => 0,
    });
    heights.max().unwrap_or(0).checked_add(1)
}

fn next(btf: &Btf, id: TypeId, follows: fn(Kind) -> bool) -> impl Iterator<Item = TypeId> {
    let record = btf.record(id).filter(|record| follows(record.kind));
    let references = record.into_iter().flat_map(|record| record.references());
    references.map(|(_, to)| to).filter(|&to| to != TypeId::VOID)
}

fn mark_mut(marks: &mut [Mark], id: TypeId) -> Option<&mut Mark> {
    marks.get_mut(usize::try_from(id.0).ok()?.checked_sub(1)?)
}

fn at(btf: &Btf, types_at: usize, id: TypeId) -> usize {
    let index = usize::try_from(id.0).unwrap_or(usize::MAX).saturating_sub(1);
    let word = btf.starts.get(index).copied().unwrap_or_default();
    pos_at(types_at, usize::try_from(word).unwrap_or(usize::MAX))
}
