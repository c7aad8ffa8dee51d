//! Nodes of the trie, in a table of atomic words.

use crate::Values;
use crate::memory::Memory;
use crate::values::{first_word, padded};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use skep_abi::Errno;
use skep_isa::Size;

/// Of a node in the table: prefix length, its value's cell plus 1, the children plus 1, then the
/// data, padded with zeroes.
const LEN: usize = 0;
const CELL: usize = 4;
const CHILDREN: usize = 8;
const DATA: usize = 16;

/// A key: the first `len` bits of `data`.
#[derive(Clone, Copy)]
pub(super) struct Prefix<'k> {
    pub(super) len: u32,
    pub(super) data: &'k [u8],
}

impl Prefix<'_> {
    /// The first 64 bits, the first one on top.
    #[inline]
    pub(super) fn word(&self) -> u64 {
        match self.data.as_array::<4>() {
            Some(data) => u64::from(u32::from_be_bytes(*data)) << 32,
            None => first_word(self.data.get(..8).unwrap_or(self.data)).to_be(),
        }
    }

    /// The bit at `index`, the most significant one of the first byte being 0.
    pub(super) fn bit(&self, index: u32) -> bool {
        let byte = self.data.get(index as usize / 8).copied().unwrap_or(0);
        byte >> (7 - index % 8) & 1 == 1
    }
}

/// A node, by its number plus 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Node(u32);

impl Node {
    pub(super) fn new(number: u32) -> Self {
        Self(number + 1)
    }

    /// From what [`Node::raw`] gave.
    #[inline]
    pub(super) fn from_raw(raw: u32) -> Option<Self> {
        (raw != 0).then_some(Self(raw))
    }

    /// A number that is not 0.
    pub(super) fn raw(self) -> u32 {
        self.0
    }

    pub(super) fn number(self) -> u32 {
        self.0 - 1
    }

    pub(super) fn child(self, bit: bool) -> Link {
        Link { entry: self.0, bit }
    }
}

/// A place that holds a node or none: the root, or a child of a node.
#[derive(Clone, Copy)]
pub(super) struct Link {
    entry: u32,
    bit: bool,
}

impl Link {
    /// First child of entry 0, which is no node.
    pub(super) const ROOT: Self = Self { entry: 0, bit: false };
}

#[derive(Debug)]
pub(super) struct Nodes {
    table: Values,
    stride: usize,
    data_size: usize,
}

impl Nodes {
    pub(super) fn new(memory: &Memory, count: usize, data_size: usize) -> Result<Self, Errno> {
        let stride = Self::node_size(data_size);
        let bytes = count.checked_add(1).and_then(|n| n.checked_mul(stride));
        Ok(Self { table: memory.values(bytes.ok_or(Errno::ENOMEM)?, 1)?, stride, data_size })
    }

    pub(super) const fn node_size(data_size: usize) -> usize {
        DATA + data_size.next_multiple_of(8)
    }

    /// Writes a node without children.
    pub(super) fn init(&self, node: Node, key: Prefix<'_>, cell: Option<u32>) {
        self.set_entry(node, key, cell);
        self.set(node.child(false), None);
        self.set(node.child(true), None);
    }

    /// Sets what a node says of itself. Data beyond the prefix is kept, for iteration to show.
    pub(super) fn set_entry(&self, node: Node, key: Prefix<'_>, cell: Option<u32>) {
        let at = self.entry(node.0);
        self.table.set_word(at + LEN, key.len);
        self.table.set_padded(at + DATA, key.data);
        self.set_cell(node, cell);
    }

    pub(super) fn at(&self, link: Link) -> Option<Node> {
        let entry = self.table.word(self.link(link));
        (entry != 0).then_some(Node(entry))
    }

    pub(super) fn set(&self, link: Link, node: Option<Node>) {
        // What readers find in the node was written before.
        if let Some(word) = self.table.half_words().get(self.link(link) / 4) {
            word.store(node.map_or(0, |node| node.0), Release);
        }
    }

    pub(super) fn prefix_len(&self, node: Node) -> u32 {
        self.table.word(self.entry(node.0) + LEN)
    }

    /// The cell of an entry; `None` for intermediate nodes.
    pub(super) fn cell(&self, node: Node) -> Option<u32> {
        self.table.word(self.entry(node.0) + CELL).checked_sub(1)
    }

    pub(super) fn set_cell(&self, node: Node, cell: Option<u32>) {
        self.table.set_word(self.entry(node.0) + CELL, cell.map_or(0, |cell| cell + 1));
    }

    pub(super) fn bit(&self, node: Node, index: u32) -> bool {
        let at = self.entry(node.0) + DATA + index as usize / 64 * 8;
        let word = u64::from_be_bytes(self.table.load(at, Size::Dw).unwrap_or(0).to_ne_bytes());
        word >> (63 - index % 64) & 1 == 1
    }

    /// Bits at the start that both prefixes have in common.
    ///
    /// Kernel: `longest_prefix_match`.
    pub(super) fn matched(&self, node: Node, key: Prefix<'_>) -> u32 {
        let limit = self.prefix_len(node).min(key.len);
        let data = self.entry(node.0) + DATA;
        let mut matched = 0;
        for (n, word) in padded(key.data).enumerate() {
            let other = self.table.load(data + n * 8, Size::Dw).unwrap_or(0);
            let equal = (word ^ other).to_be().leading_zeros();
            matched += equal;
            if equal < 64 || matched >= limit {
                break;
            }
        }
        matched.min(limit)
    }

    /// Cell, plus 1, of the longest prefix of a full-length key of at most 64 bits below a node;
    /// `cell` if there is none.
    #[inline]
    pub(super) fn walk_word(&self, mut node: u32, word: u64, bits: u32, mut cell: u32) -> u32 {
        let (halves, words) = (self.table.half_words(), self.table.words());
        for _ in 0..=bits {
            let at = node as usize * self.stride;
            let head = halves.get(at / 4..).and_then(<[_]>::first_chunk);
            let (Some([len, own, left, right]), Some(data)) = (head, words.get((at + DATA) / 8))
            else {
                break;
            };
            let (len, data) = (len.load(Relaxed), data.load(Relaxed).to_be());
            if node == 0 || (word ^ data).leading_zeros() < len {
                break;
            }
            let own = own.load(Relaxed);
            cell = if own == 0 { cell } else { own };
            if len >= bits {
                break;
            }
            let child = if word << len >> 63 == 0 { left } else { right };
            node = child.load(Acquire);
        }
        cell
    }

    /// Writes prefix length and data to `out`.
    pub(super) fn read_key(&self, node: Node, out: &mut [u8]) -> Option<()> {
        let (len, data) = out.split_first_chunk_mut()?;
        *len = self.prefix_len(node).to_ne_bytes();
        self.table.get_padded(self.entry(node.0) + DATA, data.get_mut(..self.data_size)?);
        Some(())
    }

    fn entry(&self, entry: u32) -> usize {
        entry as usize * self.stride
    }

    fn link(&self, link: Link) -> usize {
        self.entry(link.entry) + CHILDREN + usize::from(link.bit) * 4
    }
}
