//! The checker: whether a function holds together. It shares nothing with what builds and changes functions.

use crate::func::Func;
use crate::inst::{BlockId, Edge, Inst, Term, Value};
use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;
use skep_isa::Size;

/// What is wrong with a function: a bug of whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// There is no block to enter.
    #[error("a function without blocks")]
    Empty,
    /// An edge leads nowhere, or back to the entry.
    #[error("an edge from block {from} to block {to}, where none may lead")]
    Edge {
        /// Its block.
        from: u32,
        /// Where it leads.
        to: u32,
    },
    /// An edge has more or fewer arguments than the block has parameters.
    #[error("an edge from block {from} to block {to} with {args} values for {params} parameters")]
    Args {
        /// Its block.
        from: u32,
        /// Where it leads.
        to: u32,
        /// Of the edge.
        args: usize,
        /// Of the block.
        params: usize,
    },
    /// A value stands in two places.
    #[error("value {value} is given twice")]
    Twice {
        /// The value.
        value: u32,
    },
    /// A value is used where it may not have been given.
    #[error("value {value} is used in block {block}, where it may not be there")]
    Undefined {
        /// The value.
        value: u32,
        /// Where it is used.
        block: u32,
    },
    /// An instruction that stands among parameters or a parameter among instructions.
    #[error("value {value} stands where its kind does not")]
    Kind {
        /// The value.
        value: u32,
    },
    /// An instruction on many bytes that is not on 16 to 128 of them (64 for copies), in steps of 16, or on
    /// numbers of 8 bytes.
    #[error("value {value} is on so many bytes at once as no instruction is")]
    Bytes {
        /// The value.
        value: u32,
    },
}

/// Whether a function holds together: each value that is used where control gets has been given before, on
/// whatever way, and edges have what their blocks take.
///
/// # Errors
/// The first thing that is wrong.
pub fn check<C>(f: &Func<C>) -> Result<(), CheckError> {
    if f.blocks.is_empty() {
        return Err(CheckError::Empty);
    }
    let reached = edges_fit(f)?;
    let given = given_once(f, &reached)?;
    uses(f, &reached, &given)
}

fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Blocks that control gets to.
fn edges_fit<C>(f: &Func<C>) -> Result<Vec<bool>, CheckError> {
    let mut reached = vec![false; f.blocks.len()];
    let mut next = vec![0usize];
    reached[0] = true;
    while let Some(at) = next.pop() {
        for edge in edges(f, at) {
            let (from, to) = (number(at), edge.to.0);
            let block = f.blocks.get(edge.to.index()).filter(|_| to != 0);
            let block = block.ok_or(CheckError::Edge { from, to })?;
            let (args, params) = (f.args(edge).len(), block.params.len());
            if args != params {
                return Err(CheckError::Args { from, to, args, params });
            }
            if !core::mem::replace(&mut reached[edge.to.index()], true) {
                next.push(edge.to.index());
            }
        }
    }
    Ok(reached)
}

fn edges<C>(f: &Func<C>, at: usize) -> Vec<Edge> {
    let mut all = Vec::new();
    f.edges(BlockId(number(at)), |edge| all.push(edge));
    all
}

/// The block that gives each value.
fn given_once<C>(f: &Func<C>, reached: &[bool]) -> Result<Vec<Option<usize>>, CheckError> {
    let mut given = vec![None; f.insts.len()];
    for (at, block) in f.blocks.iter().enumerate().filter(|(at, _)| reached[*at]) {
        let params = block.params.iter().map(|value| (value, true));
        for (value, is_param) in params.chain(block.insts.iter().map(|value| (value, false))) {
            let kind = CheckError::Kind { value: value.0 };
            let inst = f.insts.get(value.index()).ok_or(kind)?;
            let floats = matches!(inst, Inst::Const(_) | Inst::Frame);
            if floats || matches!(inst, Inst::Param) != is_param {
                return Err(kind);
            }
            let is_odd = match *inst {
                Inst::Copy { len, .. } => !matches!(len, 16 | 32 | 48 | 64),
                Inst::Sum { size, len, .. } => {
                    size == Size::Dw || !len.is_multiple_of(16) || !(16..=128).contains(&len)
                }
                _ => false,
            };
            if is_odd {
                return Err(CheckError::Bytes { value: value.0 });
            }
            if given[value.index()].replace(at).is_some() {
                return Err(CheckError::Twice { value: value.0 });
            }
        }
    }
    Ok(given)
}

/// What is there at the start of each block, on every way to it, by repeated intersection; then each use.
fn uses<C>(f: &Func<C>, reached: &[bool], given: &[Option<usize>]) -> Result<(), CheckError> {
    let mut doms: Vec<Option<BTreeSet<usize>>> = vec![None; f.blocks.len()];
    doms[0] = Some(BTreeSet::from([0]));
    let mut changes = true;
    while changes {
        changes = false;
        for at in (0..f.blocks.len()).filter(|&at| reached[at]) {
            let Some(own) = doms[at].clone() else { continue };
            for edge in edges(f, at) {
                let to = edge.to.index();
                let mut new: BTreeSet<usize> = match &doms[to] {
                    Some(known) => own.intersection(known).copied().collect(),
                    None => own.clone(),
                };
                new.insert(to);
                if doms[to].as_ref() != Some(&new) {
                    doms[to] = Some(new);
                    changes = true;
                }
            }
        }
    }
    for (at, block) in f.blocks.iter().enumerate().filter(|(at, _)| reached[*at]) {
        let Some(doms) = &doms[at] else { continue };
        let mut before: BTreeSet<Value> = block.params.iter().copied().collect();
        let is_there = |value: Value, before: &BTreeSet<Value>| {
            if matches!(f.insts.get(value.index()), Some(Inst::Const(_) | Inst::Frame)) {
                return true;
            }
            match given.get(value.index()).copied().flatten() {
                Some(from) if from == at => before.contains(&value),
                Some(from) => doms.contains(&from),
                None => false,
            }
        };
        let undefined = |value: Value| CheckError::Undefined { value: value.0, block: number(at) };
        for &value in &block.insts {
            let mut wrong = None;
            f.insts[value.index()].operands(|used| {
                if !is_there(used, &before) {
                    wrong = Some(used);
                }
            });
            if let Some(wrong) = wrong {
                return Err(undefined(wrong));
            }
            before.insert(value);
        }
        let mut used: Vec<Value> =
            edges(f, at).iter().flat_map(|&edge| f.args(edge).to_vec()).collect();
        match block.term {
            Term::Branch { cmp, .. } => used.extend([cmp.a, cmp.b]),
            Term::Switch { value, .. } | Term::Return(value) => used.push(value),
            Term::Jump(_) | Term::MayGoto { .. } => {}
        }
        if let Some(&wrong) = used.iter().find(|value| !is_there(**value, &before)) {
            return Err(undefined(wrong));
        }
    }
    Ok(())
}
