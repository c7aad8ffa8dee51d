//! Moves that all happen at once, one after the other.

use super::place::{Host, Loc, Places};
use crate::lift::Lifted;
use alloc::vec::Vec;
use skep_ir::Edge;

/// A move of a program: what is at the second place comes to the first.
pub(crate) type Move<R> = (Loc<R>, Loc<R>);

/// Moves of an edge.
pub(crate) fn of_edge<H: Host>(f: &Lifted, places: &Places<H>, edge: Edge) -> Vec<Move<H::Gpr>> {
    let args = f.args(edge);
    if args.is_empty() {
        return Vec::new();
    }
    let params = &f.blocks[edge.to.index()].params;
    let pairs = params.iter().zip(args);
    pairs
        .map(|(&param, &arg)| (places.loc(param), places.loc(arg)))
        .filter(|(to, from)| to != from && *to != Loc::Nowhere)
        .collect()
}

/// Moves in an order in which none overwrites what another needs. Rings of them are opened through `spare`, which is in none.
pub(crate) fn in_order<R: Copy + Eq>(
    moves: &mut Vec<Move<R>>,
    spare: R,
    mut emit: impl FnMut(Loc<R>, Loc<R>),
) {
    moves.retain(|(to, from)| to != from && *to != Loc::Nowhere);
    while !moves.is_empty() {
        let is_needed = |to: Loc<R>, moves: &[Move<R>]| moves.iter().any(|(_, from)| *from == to);
        if let Some(at) = (0..moves.len()).find(|&at| !is_needed(moves[at].0, moves)) {
            let (to, from) = moves.swap_remove(at);
            emit(to, from);
            continue;
        }
        let (to, _) = moves[0];
        emit(Loc::Reg(spare), to);
        for (_, from) in moves.iter_mut().filter(|(_, from)| *from == to) {
            *from = Loc::Reg(spare);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;

    #[test]
    fn all_ways_to_move_four_registers_give_each_what_it_should_have() {
        let regs = [0u8, 1, 2, 3];
        for n in 0..256usize {
            let sources: [usize; 4] = core::array::from_fn(|at| n >> (2 * at) & 3);
            let mut moves: Vec<Move<u8>> =
                (0..4).map(|at| (Loc::Reg(regs[at]), Loc::Reg(regs[sources[at]]))).collect();
            let mut now: BTreeMap<u8, usize> = regs.iter().copied().zip(0..).collect();
            in_order(&mut moves, 11, |to, from| {
                let (Loc::Reg(to), Loc::Reg(from)) = (to, from) else { panic!("no register") };
                let value = now[&from];
                now.insert(to, value);
            });
            for at in 0..4 {
                assert_eq!(now[&regs[at]], sources[at], "{sources:?}");
            }
        }
    }
}
