//! Nodes of the trie, in a table of atomic words.

use crate::Values;
use crate::values::padded;
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
    pub(super) fn new(count: usize, data_size: usize) -> Result<Self, Errno> {
        let stride = Self::node_size(data_size);
        let bytes = count.checked_add(1).and_then(|n| n.checked_mul(stride));
        Ok(Self { table: Values::new(bytes.ok_or(Errno::ENOMEM)?, 1)?, stride, data_size })
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
        self.table.set_word(self.link(link), node.map_or(0, |node| node.0));
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
