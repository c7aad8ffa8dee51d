//! Long lists of numbers as search trees.
//!
//! A run of tests of one value against constants, each reached only from the one before it and all with the
//! same way on if they hold, is a set. Which of its tests comes first does not matter: the value is loaded
//! once, and at most one test holds. A packet then needs as many tests as the tree is deep, and the program one more
//! for each [`LEAF`] numbers.

use super::{ACCEPT, Block, BlockId, Graph, Step, filled};
use crate::form::{Cmp, Rhs, Test, ValueId};
use crate::table::LARGE;

/// Fewer numbers are tried one after the other.
const SMALL: usize = 32;
/// Numbers that are tried one after the other where the tree ends.
const LEAF: usize = 16;

/// A set of numbers and where it leads.
struct Set {
    value: ValueId,
    numbers: Vec<u32>,
    yes: BlockId,
    no: BlockId,
}

impl Graph<'_> {
    /// The graph from `root` on with large sets as trees.
    pub(crate) fn trees(&mut self, root: BlockId) -> BlockId {
        if (root as usize) < SMALL {
            return root;
        }
        let count = root as usize + 1;
        let mut ways = self.ways(root);
        let mut sets: Vec<(BlockId, Set)> = Vec::new();
        let mut inside = filled(&mut self.memory.regroup.done, count, false);
        for id in (ACCEPT + 1..=root).rev() {
            if ways[id as usize] > 0
                && !inside[id as usize]
                && let Some(set) = self.set_from(id, &ways, &mut inside)
            {
                // All but the first are made with it.
                let mut link = id;
                for _ in 1..set.numbers.len() {
                    link = self.blocks[link as usize].no;
                    ways[link as usize] = 0;
                }
                sets.push((id, set));
            }
        }
        self.memory.regroup.done = inside;
        if sets.is_empty() {
            self.memory.counts = ways;
            return root;
        }
        let mut sets = sets.into_iter().rev().peekable();
        let root = self.rebuild(root, &ways, |graph, id, made| {
            let (_, mut set) = sets.next_if(|set| set.0 == id)?;
            set.numbers.sort_unstable();
            set.numbers.dedup();
            (set.yes, set.no) = (made[set.yes as usize], made[set.no as usize]);
            if set.numbers.len() >= LARGE
                && let Some(at) = graph.reserved.iter().position(|row| row.1 == set.value)
            {
                let (member, _) = graph.reserved.swap_remove(at);
                graph.found.push((member, set.numbers));
                let (value, mask, cmp) = (member, u32::MAX, Cmp::Eq);
                let step = Step::Test(Test { value, mask, cmp, rhs: Rhs::Const(0) });
                return Some(graph.add(Block { step, yes: set.yes, no: set.no }));
            }
            Some(graph.tree(&set, 0..set.numbers.len()))
        });
        self.memory.counts = ways;
        root
    }

    /// The set that begins at a block, if it is large enough.
    fn set_from(&self, first: BlockId, ways: &[u32], inside: &mut [bool]) -> Option<Set> {
        let (value, number, yes, mut no) = self.member(first)?;
        let mut numbers = vec![number];
        while no > ACCEPT
            && ways[no as usize] == 1
            && let Some((next_value, number, next_yes, next_no)) = self.member(no)
            && (next_value, next_yes) == (value, yes)
        {
            numbers.push(number);
            inside[no as usize] = true;
            no = next_no;
        }
        (numbers.len() >= SMALL).then_some(Set { value, numbers, yes, no })
    }

    /// A test whether a value is a number.
    fn member(&self, id: BlockId) -> Option<(ValueId, u32, BlockId, BlockId)> {
        match self.blocks[id as usize] {
            Block {
                step:
                    Step::Test(Test { value, mask: u32::MAX, cmp: Cmp::Eq, rhs: Rhs::Const(number) }),
                yes,
                no,
            } => Some((value, number, yes, no)),
            _ => None,
        }
    }

    fn tree(&mut self, set: &Set, part: std::ops::Range<usize>) -> BlockId {
        let test = |cmp, number| {
            Step::Test(Test { value: set.value, mask: u32::MAX, cmp, rhs: Rhs::Const(number) })
        };
        if part.len() <= LEAF {
            return set.numbers[part].iter().rev().fold(set.no, |no, &number| {
                self.add(Block { step: test(Cmp::Eq, number), yes: set.yes, no })
            });
        }
        let middle = part.start + part.len() / 2;
        let low = self.tree(set, part.start..middle);
        let high = self.tree(set, middle..part.end);
        self.add(Block { step: test(Cmp::Ge, set.numbers[middle]), yes: high, no: low })
    }
}

#[cfg(test)]
mod tests {
    use crate::{Expr, Options};
    use skep_cbpf::Packet;

    #[test]
    fn large_sets_are_searched() {
        let addr = |at: u32| std::net::Ipv4Addr::from_bits(0x0a00_0000 | at.wrapping_mul(977));
        let hosts: Vec<String> = (0..400).map(|at| addr(at).to_string()).collect();
        let text = format!("ip src host {}", hosts.join(" or "));
        let expr = Expr::parse(&text).unwrap();
        let meaning = expr.meaning(&Options::default()).unwrap();
        let program = meaning.compile(true).unwrap();
        assert!(program.insns().len() < 400 + 400 / 8, "{}", program.insns().len());
        let mut frame = [0u8; 34];
        (frame[12], frame[13], frame[14]) = (8, 0, 0x45);
        for at in 0..1000 {
            frame[26..30].copy_from_slice(&addr(at).to_bits().to_be_bytes());
            let packet = Packet::new(&frame);
            assert_eq!(program.run(&packet) != 0, at < 400, "{at}");
            assert_eq!(meaning.matches(&packet), at < 400, "{at}");
        }
    }
}
