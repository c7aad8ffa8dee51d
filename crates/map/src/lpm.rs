//! Longest prefix match: an entry for the most specific prefix of a key.
//!
//! Keys are a 32-bit prefix length in host byte order, then up to 256 bytes of data, most significant
//! bit first.
//!
//! The trie has a node for each entry, and an *intermediate* one wherever two entries part ways.
//! Below a node are longer prefixes that begin with its own, by their next bit. Lookups of programs do
//! not begin at its root but in a table by the first bits of the key ([`front`]), and take no lock.
//! Updates have one for the whole map, as in the kernel.
//!
//! As in the kernel, an update gives an entry a new cell: a program that looked the value up before
//! keeps the old one. There it is kept until the program ends; here, until all other free cells, of
//! which there are [`SPARE`] at least, were used.
//!
//! Source: `kernel/bpf/lpm_trie.c`.

mod front;
mod nodes;
mod repair;
mod turn;

use crate::key_value::{EXIST, NOEXIST, prepare, sized};
use crate::memory::Memory;
use crate::pool::Pool;
use crate::{Cpu, KeyValue, UserSide, Values};
use alloc::vec::Vec;
use front::Front;
use nodes::{Link, Node, Nodes, Prefix};
use skep_abi::Errno;
use skep_prog::MapDef;
use turn::Turns;

/// Cells beyond those of a full map.
const SPARE: u32 = 64;

/// `lpm_trie`
#[derive(Debug)]
pub struct LpmTrie {
    def: MapDef,
    values: Values,
    nodes: Nodes,
    front: Front,
    /// Bits of data in a key.
    bits: u32,
    turns: Turns,
    free_nodes: Pool,
    free_cells: Pool,
    cells: u32,
}

/// Where an update or removal happens.
struct Spot {
    /// What points to the node in question.
    link: Link,
    node: Option<Node>,
    /// The node that `link` belongs to, and what points to it.
    parent: Option<(Link, Node)>,
    /// Bits that the node has in common with the key.
    matched: u32,
}

impl LpmTrie {
    pub(crate) fn new(memory: &Memory, def: MapDef) -> Result<Self, Errno> {
        let cells = def.max_entries.checked_add(SPARE).ok_or(Errno::ENOMEM)?;
        let count = def.max_entries.checked_mul(2).ok_or(Errno::ENOMEM)?;
        let data_size = (def.key_size as usize).checked_sub(4).ok_or(Errno::EINVAL)?;
        Ok(Self {
            values: memory.values(def.value_size as usize, cells as usize)?,
            nodes: Nodes::new(memory, count as usize, data_size)?,
            front: Front::new(memory, def.max_entries, (def.key_size - 4) * 8)?,
            bits: (def.key_size - 4) * 8,
            turns: Turns::new(memory)?,
            free_nodes: Pool::new(memory, count)?,
            free_cells: Pool::new(memory, cells)?,
            cells,
            def,
        })
    }

    /// Bytes a map can come to take.
    pub(crate) fn bytes(def: &MapDef) -> u64 {
        let node = Nodes::node_size((def.key_size as usize).saturating_sub(4)) as u64;
        let cell = u64::from(def.value_size).next_multiple_of(8);
        let cells = (u64::from(def.max_entries) + u64::from(SPARE)).saturating_mul(cell + 4);
        let front = Front::bytes(def.max_entries, def.key_size.saturating_sub(4).saturating_mul(8));
        let nodes = (u64::from(def.max_entries) * 2).saturating_mul(node + 4);
        let rest = Turns::BYTES + 2 * Pool::bytes();
        nodes.saturating_add(cells).saturating_add(front).saturating_add(rest)
    }

    /// `EINVAL` for keys of another size, `None` for prefixes longer than the data.
    fn prefix<'k>(&self, key: &'k [u8]) -> Result<Option<Prefix<'k>>, Errno> {
        sized(key, self.def.key_size as usize)?;
        let (len, data) = key.split_first_chunk().ok_or(Errno::EINVAL)?;
        let len = u32::from_ne_bytes(*len);
        Ok((len <= self.bits).then_some(Prefix { len, data }))
    }

    /// Cell of the longest prefix.
    ///
    /// Kernel: `trie_lookup_elem`.
    fn find(&self, key: Prefix<'_>) -> Option<u32> {
        let mut found = None;
        let mut link = Link::ROOT;
        // Prefixes grow on the way down, except where a reader sees a change halfway.
        for _ in 0..=self.bits {
            let Some(node) = self.nodes.at(link) else { break };
            let matched = self.nodes.matched(node, key);
            let len = self.nodes.prefix_len(node);
            if matched < len {
                break;
            }
            found = self.nodes.cell(node).or(found);
            if matched == self.bits {
                break;
            }
            link = node.child(key.bit(len));
        }
        found
    }

    /// As [`LpmTrie::find`], from the table of first bits on; `Err` for short prefixes and where changes
    /// interfere.
    #[inline]
    fn find_quickly(&self, key: Prefix<'_>) -> Result<Option<u32>, ()> {
        let word = key.word();
        let start = self.front.start(self.front.index(word)).ok_or(())?;
        if key.len < self.front.bits() {
            return Err(());
        }
        let cell = if self.bits <= 64 && key.len == self.bits {
            self.nodes.walk_word(start.node(), word, self.bits, start.cell)
        } else {
            self.walk(Node::from_raw(start.node()), key, start.cell)
        };
        if start.holds() { Ok(cell.checked_sub(1)) } else { Err(()) }
    }

    /// Cell of the longest prefix below a node, plus 1; `cell` if there is none.
    fn walk(&self, mut node: Option<Node>, key: Prefix<'_>, mut cell: u32) -> u32 {
        for _ in 0..=self.bits {
            let Some(this) = node else { break };
            let (matched, len) = (self.nodes.matched(this, key), self.nodes.prefix_len(this));
            if matched < len {
                break;
            }
            cell = self.nodes.cell(this).map_or(cell, |cell| cell + 1);
            if matched == self.bits {
                break;
            }
            node = self.nodes.at(this.child(key.bit(len)));
        }
        cell
    }

    /// Makes the table of first bits agree with the trie after a change at a prefix, for lookups that
    /// begin from now on.
    fn refresh(&self, key: Prefix<'_>, cell: Option<u32>) {
        let (word, bits) = (key.word(), self.front.bits());
        if key.len >= bits {
            let node = self.first_below(Prefix { len: bits, ..key });
            self.front.set_node(self.front.index(word), node.map_or(0, Node::raw));
            return;
        }
        match cell {
            Some(cell) => self.front.set_cell(word, key.len, cell),
            None => self.front.remove_cell(word, key.len, self.longest_above(key)),
        }
    }

    /// The first node whose prefix begins with another one.
    fn first_below(&self, key: Prefix<'_>) -> Option<Node> {
        let mut node = self.nodes.at(Link::ROOT)?;
        for _ in 0..=self.bits {
            let (matched, len) = (self.nodes.matched(node, key), self.nodes.prefix_len(node));
            if len >= key.len {
                return (matched == key.len).then_some(node);
            }
            if matched < len {
                return None;
            }
            node = self.nodes.at(node.child(key.bit(len)))?;
        }
        None
    }

    /// Length and cell of the longest prefix that a longer one begins with.
    fn longest_above(&self, key: Prefix<'_>) -> Option<(u32, u32)> {
        let (mut found, mut node) = (None, self.nodes.at(Link::ROOT));
        for _ in 0..=self.bits {
            let Some(this) = node else { break };
            let (matched, len) = (self.nodes.matched(this, key), self.nodes.prefix_len(this));
            if len >= key.len || matched < len {
                break;
            }
            found = self.nodes.cell(this).map(|cell| (len, cell)).or(found);
            node = self.nodes.at(this.child(key.bit(len)));
        }
        found
    }

    /// Where the prefix stands or would stand.
    fn spot(&self, key: Prefix<'_>) -> Spot {
        let mut spot = Spot { link: Link::ROOT, node: None, parent: None, matched: 0 };
        for _ in 0..=self.bits {
            spot.node = self.nodes.at(spot.link);
            let Some(node) = spot.node else { break };
            spot.matched = self.nodes.matched(node, key);
            let len = self.nodes.prefix_len(node);
            if len != spot.matched || len == key.len {
                break;
            }
            spot.parent = Some((spot.link, node));
            spot.link = node.child(key.bit(len));
        }
        spot
    }

    /// The node that stands for exactly this prefix, intermediate or not.
    fn exact(&self, spot: &Spot, key: Prefix<'_>) -> Option<Node> {
        spot.node.filter(|node| self.nodes.prefix_len(*node) == key.len && spot.matched == key.len)
    }

    /// Kernel: `trie_update_elem`.
    fn put(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let prefix = self.prefix(key)?;
        sized(value, self.values.value_size())?;
        if flags > EXIST {
            return Err(Errno::EINVAL);
        }
        let key = prefix.ok_or(Errno::EINVAL)?;
        let mut turn = self.turns.lock(|| self.repair())?;
        let spot = self.spot(key);
        let exact = self.exact(&spot, key);
        let old = exact.and_then(|node| self.nodes.cell(node));
        match old {
            Some(_) if flags == NOEXIST => return Err(Errno::EEXIST),
            None if flags == EXIST => return Err(Errno::ENOENT),
            None if self.entries() >= self.def.max_entries as usize => return Err(Errno::ENOSPC),
            _ => {}
        }
        turn.change();
        let cell = self.free_cells.take_coldest().ok_or(Errno::ENOMEM)?;
        let written = self.values.write(cell as usize * self.values.stride(), value);
        written.ok_or(Errno::EINVAL)?;
        match exact {
            Some(node) => self.nodes.set_entry(node, key, Some(cell)),
            None => self.attach(&spot, key, cell).ok_or(Errno::ENOMEM)?,
        }
        self.refresh(key, Some(cell));
        if let Some(old) = old {
            self.free_cells.retire(old);
        }
        self.turns.set_entries(self.turns.entries().saturating_add(u64::from(old.is_none())));
        Ok(())
    }

    /// Adds a node where none stands for the prefix. There is room: entries and the intermediate
    /// nodes above two of them are fewer than twice the entries.
    fn attach(&self, spot: &Spot, key: Prefix<'_>, cell: u32) -> Option<()> {
        let new = Node::new(self.free_nodes.take()?);
        self.nodes.init(new, key, Some(cell));
        let Some(node) = spot.node else {
            self.nodes.set(spot.link, Some(new));
            return Some(());
        };
        let below = self.nodes.bit(node, spot.matched);
        if spot.matched == key.len {
            self.nodes.set(new.child(below), Some(node));
            self.nodes.set(spot.link, Some(new));
            return Some(());
        }
        let fork = Node::new(self.free_nodes.take()?);
        self.nodes.init(fork, Prefix { len: spot.matched, data: key.data }, None);
        self.nodes.set(fork.child(below), Some(node));
        self.nodes.set(fork.child(!below), Some(new));
        self.nodes.set(spot.link, Some(fork));
        Some(())
    }

    /// Takes a node out that has lost its entry. Intermediate nodes keep having two children.
    ///
    /// Kernel: `trie_delete_elem`.
    fn detach(&self, spot: &Spot, node: Node) {
        let children = [false, true].map(|bit| self.nodes.at(node.child(bit)));
        let child = match children {
            [Some(_), Some(_)] => return,
            [Some(child), None] | [None, Some(child)] => Some(child),
            [None, None] => None,
        };
        self.nodes.set(spot.link, child);
        self.free_nodes.give(node.number());
        let Some((link, parent)) = spot.parent else { return };
        if child.is_none() && self.nodes.cell(parent).is_none() {
            let other = [false, true].into_iter().find_map(|bit| self.nodes.at(parent.child(bit)));
            self.nodes.set(link, other);
            self.free_nodes.give(parent.number());
        }
    }

    /// The entry after that of `key`, longer prefixes before shorter ones.
    ///
    /// Kernel: `trie_get_next_key`.
    fn following(&self, key: Option<Prefix<'_>>, path: &mut Vec<Node>) -> Option<Node> {
        path.clear();
        let Some(node) = key.and_then(|key| self.descend(key, path)) else {
            return self.leftmost(self.nodes.at(Link::ROOT));
        };
        let mut node = node;
        while let Some(parent) = path.pop() {
            let right = self.nodes.at(parent.child(true));
            if self.nodes.at(parent.child(false)) == Some(node) && right.is_some() {
                return self.leftmost(right);
            }
            if self.nodes.cell(parent).is_some() {
                return Some(parent);
            }
            node = parent;
        }
        None
    }

    /// The entry of exactly this prefix; `path` gets the nodes above it.
    fn descend(&self, key: Prefix<'_>, path: &mut Vec<Node>) -> Option<Node> {
        let mut node = self.nodes.at(Link::ROOT)?;
        for _ in 0..=self.bits {
            let len = self.nodes.prefix_len(node);
            if self.nodes.matched(node, key) != len {
                return None;
            }
            if len == key.len {
                return self.nodes.cell(node).map(|_| node);
            }
            path.push(node);
            node = self.nodes.at(node.child(key.bit(len)))?;
        }
        None
    }

    /// The first entry in the order of iteration: down the left while there is anything.
    fn leftmost(&self, mut node: Option<Node>) -> Option<Node> {
        let mut found = None;
        for _ in 0..=self.bits {
            let Some(this) = node else { break };
            found = self.nodes.cell(this).map(|_| this).or(found);
            let left = self.nodes.at(this.child(false));
            node = left.or_else(|| self.nodes.at(this.child(true)));
        }
        found
    }
}

impl KeyValue for LpmTrie {
    fn def(&self) -> &MapDef {
        &self.def
    }

    fn values(&self) -> &Values {
        &self.values
    }

    fn lookup(&self, key: &[u8], _cpu: Cpu) -> Option<usize> {
        let key = self.prefix(key).ok()??;
        let cell = match self.find_quickly(key) {
            Ok(found) => found?,
            Err(()) => self.turns.read(|| self.find(key), || self.repair())??,
        };
        // Another process may have written any number.
        (cell < self.cells).then(|| cell as usize * self.values.stride())
    }

    fn update(&self, key: &[u8], value: &[u8], flags: u64, _cpu: Cpu) -> Result<(), Errno> {
        self.put(key, value, flags)
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        let key = self.prefix(key)?.ok_or(Errno::EINVAL)?;
        let mut turn = self.turns.lock(|| self.repair())?;
        let spot = self.spot(key);
        let node = self.exact(&spot, key).ok_or(Errno::ENOENT)?;
        let cell = self.nodes.cell(node).ok_or(Errno::ENOENT)?;
        turn.change();
        self.nodes.set_cell(node, None);
        self.free_cells.retire(cell);
        self.detach(&spot, node);
        self.refresh(key, None);
        self.turns.set_entries(self.turns.entries().saturating_sub(1));
        Ok(())
    }
}

impl UserSide for LpmTrie {
    fn lookup_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        let key = self.prefix(key)?.ok_or(Errno::ENOENT)?;
        prepare(out, self.values.value_size())?;
        // A cell gets a new owner in a change, which makes this read again.
        let read = || {
            let cell = self.find(key)?;
            self.values.read(cell as usize * self.values.stride(), out)
        };
        self.turns.read(read, || self.repair()).ok_or(Errno::EBUSY)?.ok_or(Errno::ENOENT)
    }

    fn update_user(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.put(key, value, flags)
    }

    fn take_user(&self, _key: &[u8], _out: &mut Vec<u8>) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        sized(next, self.def.key_size as usize)?;
        let key = key.map(|key| self.prefix(key)).transpose()?.flatten();
        let mut path = Vec::new();
        path.try_reserve_exact(self.bits as usize + 1).map_err(|_| Errno::ENOMEM)?;
        let read = || {
            let node = self.following(key, &mut path)?;
            self.nodes.read_key(node, next)
        };
        self.turns.read(read, || self.repair()).ok_or(Errno::EBUSY)?.ok_or(Errno::ENOENT)
    }

    fn entries(&self) -> usize {
        usize::try_from(self.turns.entries()).unwrap_or(usize::MAX)
    }
}
