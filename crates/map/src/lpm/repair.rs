//! What is left to do when a process died while it changed a trie.
//!
//! The trie has all entries at any moment but for the one that was being added or removed: a node is linked
//! by one store. What may be wrong is who has nodes and cells, what stands in the table of first bits, and
//! nodes without purpose. All of that is made anew from the entries.
//!
//! A process may as well have written anything anywhere. Links that lead out of the map, in circles or to
//! shorter prefixes end there, and of two entries with one cell the first has it.

use super::LpmTrie;
use super::nodes::{Link, Node};
use alloc::vec;
use alloc::vec::Vec;

impl LpmTrie {
    /// Makes everything anew but the entries. The lock is held, and readers read again.
    #[cold]
    pub(super) fn repair(&self) {
        let mut taken = Vec::new();
        if taken.try_reserve_exact(self.cells as usize).is_err() {
            // Nodes and cells that are nobody's stay so.
            return;
        }
        taken.resize(self.cells as usize, false);
        let entries = self.survivors(&mut taken);
        self.nodes.set(Link::ROOT, None);
        self.front.clear();
        self.free_nodes.reset(|_| true);
        self.free_cells.reset(|cell| taken.get(cell as usize) == Some(&false));
        let mut count = 0;
        for (key, cell) in &entries {
            let Ok(Some(prefix)) = self.prefix(key) else { continue };
            let spot = self.spot(prefix);
            let done = match self.exact(&spot, prefix) {
                Some(node) if self.nodes.cell(node).is_none() => {
                    self.nodes.set_entry(node, prefix, Some(*cell));
                    Some(())
                }
                Some(_) => None,
                None => self.attach(&spot, prefix, *cell),
            };
            match done {
                Some(()) => {
                    self.refresh(prefix, Some(*cell));
                    count += 1;
                }
                None => self.free_cells.retire(*cell),
            }
        }
        self.turns.set_entries(count);
    }

    /// Keys and cells of the entries that can be found.
    fn survivors(&self, taken: &mut [bool]) -> Vec<(Vec<u8>, u32)> {
        let mut entries = Vec::new();
        let mut todo: Vec<(Node, Option<u32>)> = Vec::new();
        todo.extend(self.nodes.at(Link::ROOT).map(|root| (root, None)));
        let mut left = self.def.max_entries.saturating_mul(2);
        // Ends: so many nodes are looked at.
        while let Some((node, above)) = todo.pop() {
            let Some(rest) = left.checked_sub(1) else { break };
            left = rest;
            let len = self.nodes.prefix_len(node);
            if len > self.bits || above.is_some_and(|above| above >= len) {
                continue;
            }
            let full = entries.len() >= self.def.max_entries as usize;
            let cell = self.nodes.cell(node);
            if let Some(cell) =
                cell.filter(|cell| taken.get(*cell as usize) == Some(&false) && !full)
            {
                let mut key = vec![0; self.def.key_size as usize];
                if self.nodes.read_key(node, &mut key).is_some() {
                    taken[cell as usize] = true;
                    entries.push((key, cell));
                }
            }
            let children =
                [true, false].into_iter().filter_map(|bit| self.nodes.at(node.child(bit)));
            todo.extend(children.map(|child| (child, Some(len))));
        }
        entries
    }
}
