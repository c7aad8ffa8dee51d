//! The middle form: what an expression means on a link type, as conditions on bytes.
//!
//! A [`Form`] is evaluated from left to right and stops as soon as it is decided. A load beyond the
//! packet and a division by zero reject the packet wherever they stand, under `not` too; so what is
//! loaded and in which order is part of the meaning.
//!
//! Positions in the packet are values like others: a constant, or a *cell* that holds where some
//! header of variable place begins. Cells get their first values before the conditions
//! are looked at ([`Init`]); conditions that move on to an inner header set them ([`Effect`]). Each path
//! through the conditions so has headers of its own, and no position depends on what other paths did.

use crate::deep::{Level, Start};
use skep_cbpf::{AluOp, Ancillary, Size};
use std::hash::{Hash, Hasher};

/// Position of a [`Value`].
pub(crate) type ValueId = u32;
/// Position of a [`Form`].
pub(crate) type FormId = u32;
/// Number of a cell.
pub(crate) type Cell = u8;

/// A number of 32 bits that depends on the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    Const(u32),
    /// Length of the packet on the wire.
    Len,
    /// Big-endian bytes at a constant position.
    Abs(Size, u32),
    /// Big-endian bytes at a value and a constant.
    Ind(Size, ValueId, u32),
    /// `4 * (byte & 15)`: length of the IPv4 header at a constant position.
    Msh(u32),
    Anc(Ancillary),
    Cell(Cell),
    Neg(ValueId),
    Alu(AluOp, ValueId, ValueId),
    /// 0 if the value is in a set, by its number, else something else.
    Member(u32, ValueId),
    /// The same of the IPv6 address at a value and a constant, in a set of prefixes.
    Prefix(u32, ValueId, u32),
    /// Type of the header that `protochain` stops at.
    Chain(Chain),
    /// Rejects the packet: a load from where no packet has bytes, a division by the constant zero.
    Fault,
}

/// A walk along headers from the IP header at `network`, until one is of the wanted type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Chain {
    pub(crate) network: u32,
    pub(crate) wanted: u32,
    pub(crate) is_6: bool,
}

/// Headers behind the IP header that [`Chain`] goes over, at most. libpcap's program loops, which no
/// kernel takes.
pub(crate) const CHAIN_STEPS: u32 = 8;

/// The types that a walk goes over in IPv6: hop-by-hop and destination options, routing, fragment.
pub(crate) const EXTENSIONS: [u32; 4] = [0, 60, 43, 44];
/// Type of nothing.
pub(crate) const NO_NEXT: u32 = 59;
/// Type of authentication headers.
pub(crate) const AUTH: u32 = 51;

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Cmp {
    Eq,
    Gt,
    Ge,
}

/// What a value is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Rhs {
    Const(u32),
    Value(ValueId),
}

/// `value & mask op rhs`. With mask 0, equal to 0, it is true, and rejects packets where the value
/// cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Test {
    pub(crate) value: ValueId,
    pub(crate) mask: u32,
    pub(crate) cmp: Cmp,
    pub(crate) rhs: Rhs,
}

impl Test {
    /// Whether it is asked by `jset`, which leaves the value as it was: whether some bits are 0, or one is 1.
    pub(crate) const fn is_of_bits(&self) -> bool {
        let Rhs::Const(k) = self.rhs else { return false };
        let is_some = self.mask != u32::MAX && self.mask != 0;
        matches!(self.cmp, Cmp::Eq) && is_some && (k == 0 || k == self.mask && k.is_power_of_two())
    }

    /// The bits of the value that are still in the register behind it.
    pub(crate) const fn left(&self) -> u32 {
        if self.is_of_bits() { u32::MAX } else { self.mask }
    }
}

/// A condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Const(bool),
    Test(Test),
    And(FormId, FormId),
    Or(FormId, FormId),
    Not(FormId),
    /// True; sets cells.
    Effect(u32),
}

/// The first value of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Init {
    Const(u32),
    /// Length of a radiotap or PPI header: two bytes, little-endian, at 2.
    Radiotap,
    /// Where the payload of the 802.11 frame begins that stands after the header of the cell, or at
    /// 0. `pads` says that a radiotap header tells of padding.
    Wlan {
        header: Option<Cell>,
        pads: bool,
    },
    /// Length of a PF log header, a multiple of 4.
    Pflog,
    /// None: an effect sets it before it is asked for.
    Later,
}

/// What a condition does besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// A VLAN tag in the bytes: headers after it are 4 bytes further.
    Tag(Cell),
    /// A cell gets a value.
    Set(Cell, ValueId),
    /// The Geneve header is where the cell `header` says: where the type, the header and the payload
    /// of what it carries are.
    Geneve { kind: Cell, header: Cell, payload: Cell },
    /// Finds the outermost network header.
    Outer(Start, Level),
    /// Finds what a network header carries.
    Transport(Level),
    /// Finds the network header in what another one carries.
    Inner(Level, Level),
    /// Finds what a transport header carries.
    Payload(Level, Cell),
}

impl Effect {
    /// The cells that it sets, as bits.
    pub(crate) const fn sets(&self) -> u64 {
        match *self {
            Self::Tag(cell) | Self::Set(cell, _) | Self::Payload(_, cell) => 1 << cell,
            Self::Geneve { kind, header, payload } => 1 << kind | 1 << header | 1 << payload,
            Self::Outer(_, level) | Self::Inner(_, level) => 1 << level.kind | 1 << level.net,
            Self::Transport(level) => 1 << level.proto | 1 << level.at,
        }
    }
}

/// Finds values that are there already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    list: Vec<Value>,
    /// [`Value::Len`], if it is there.
    len: Option<ValueId>,
    /// Which bytes of a link layer's header are loaded, as bits for each size, and whether some are by loads of two sizes.
    loaded: [u16; 3],
    overlap: bool,
    /// Whether some load begins where another one says.
    indexed: bool,
    index: std::collections::HashMap<Value, ValueId, std::hash::BuildHasherDefault<Mixer>>,
}

/// Bytes of the header of Ethernet, and of most others.
const LINK_HEADER: u32 = 14;

/// Few values are searched one by one.
const SEARCHED: usize = 24;

impl Values {
    /// Room for so many more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.list.reserve(more);
    }

    /// Forgets all; the memory stays.
    pub(crate) fn clear(&mut self) {
        self.list.clear();
        (self.len, self.loaded, self.overlap, self.indexed) = (None, [0; 3], false, false);
        if !self.index.is_empty() {
            self.index.clear();
        }
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        const ENTRY: usize = size_of::<(Value, ValueId)>() + 1;
        crate::memory::bytes(&self.list) + self.index.capacity() * ENTRY
    }

    /// Values that there is room for.
    pub(crate) const fn room(&self) -> usize {
        self.list.capacity()
    }

    pub(crate) fn get(&self, id: ValueId) -> Value {
        self.list.get(id as usize).copied().unwrap_or(Value::Fault)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn contains(&self, value: Value) -> bool {
        self.list.contains(&value)
    }

    /// Where a value is, if it is one of the first.
    pub(crate) fn find(&self, value: Value) -> Option<ValueId> {
        self.list.iter().take(SEARCHED).position(|&other| other == value).map(id)
    }

    /// The length of the packet, which is added.
    pub(crate) fn packet_len(&mut self) -> ValueId {
        let len = self.add(Value::Len);
        self.len = Some(len);
        len
    }

    /// The length of the packet, if it is there.
    pub(crate) const fn known_len(&self) -> Option<ValueId> {
        self.len
    }

    pub(crate) fn add(&mut self, value: Value) -> ValueId {
        if self.list.len() <= SEARCHED {
            let mut list = self.list.iter();
            // Most are loads.
            let there = match value {
                Value::Abs(size, at) => list.position(
                    |other| matches!(other, Value::Abs(other, place) if (*other, *place) == (size, at)),
                ),
                _ => list.position(|other| *other == value),
            };
            if let Some(at) = there {
                return id(at);
            }
        } else {
            if self.index.is_empty() {
                self.index.extend(self.list.iter().enumerate().map(|(at, &value)| (value, id(at))));
            }
            if let Some(&at) = self.index.get(&value) {
                return at;
            }
            self.index.insert(value, id(self.list.len()));
        }
        if let Value::Abs(size, at @ 0..LINK_HEADER) = value {
            self.load_first(size, at);
        }
        self.list.push(value);
        id(self.list.len() - 1)
    }

    fn load_first(&mut self, size: Size, at: u32) {
        let bytes = ((1 << size.bytes()) - 1) << at;
        let [b, h, w] = &mut self.loaded;
        let (own, others) = match size {
            Size::B => (b, *h | *w),
            Size::H => (h, *b | *w),
            Size::W => (w, *b | *h),
        };
        *own |= bytes;
        self.overlap |= others & bytes != 0;
    }

    /// Whether some bytes of a link layer's header are loaded by loads of two sizes, so that one may tell what the other
    /// finds.
    pub(crate) const fn overlap(&self) -> bool {
        self.overlap
    }

    /// What [`Values::overlap`] said before values were added that only some ways ask for.
    pub(crate) const fn restore_overlap(&mut self, overlap: bool) {
        self.overlap = overlap;
    }

    pub(crate) fn constant(&self, id: ValueId) -> Option<u32> {
        match self.get(id) {
            Value::Const(value) => Some(value),
            _ => None,
        }
    }

    /// A load at a constant after a value.
    pub(crate) fn load(&mut self, size: Size, base: ValueId, off: u32) -> ValueId {
        match self.get(base) {
            Value::Const(base) => self.load_at(size, base.wrapping_add(off)),
            Value::Fault => base,
            Value::Alu(AluOp::Add, left, right) => match self.constant(right) {
                Some(more) => self.add(Value::Ind(size, left, off.wrapping_add(more))),
                None => self.add(Value::Ind(size, base, off)),
            },
            other => {
                self.indexed |= matches!(other, Value::Abs(..));
                self.add(Value::Ind(size, base, off))
            }
        }
    }

    /// Whether some load begins where another one says.
    pub(crate) const fn indexed(&self) -> bool {
        self.indexed
    }

    /// A load at a constant position.
    pub(crate) fn load_at(&mut self, size: Size, at: u32) -> ValueId {
        // Negative positions mean other things to the kernel, none of them bytes of the packet.
        self.add(if at > i32::MAX.cast_unsigned() { Value::Fault } else { Value::Abs(size, at) })
    }

    /// Length of the IPv4 header at a constant position.
    pub(crate) fn header_length(&mut self, at: u32) -> ValueId {
        self.add(if at > i32::MAX.cast_unsigned() { Value::Fault } else { Value::Msh(at) })
    }

    pub(crate) fn neg(&mut self, operand: ValueId) -> ValueId {
        match self.get(operand) {
            Value::Const(value) => self.add(Value::Const(value.wrapping_neg())),
            Value::Fault => operand,
            _ => self.add(Value::Neg(operand)),
        }
    }

    /// Arithmetic, done already where it can be.
    pub(crate) fn alu(&mut self, op: AluOp, left: ValueId, right: ValueId) -> ValueId {
        use AluOp::{Add, And, Div, Lsh, Mod, Mul, Or, Rsh, Sub, Xor};
        let (l, r) = (self.get(left), self.get(right));
        if l == Value::Fault || r == Value::Fault {
            return self.add(Value::Fault);
        }
        if let (Value::Const(l), Value::Const(r)) = (l, r) {
            let value = op.apply(l, r).map_or(Value::Fault, Value::Const);
            return self.add(value);
        }
        if matches!(op, Add | Mul | And | Or | Xor) && matches!(l, Value::Const(_)) {
            return self.alu(op, right, left);
        }
        match (op, r) {
            (Add | Sub | Or | Xor | Lsh | Rsh, Value::Const(0)) | (Mul | Div, Value::Const(1)) => {
                return left;
            }
            (And, Value::Const(u32::MAX)) => return left,
            (Div | Mod, Value::Const(0)) => return self.add(Value::Fault),
            (Sub, Value::Const(k)) => {
                let k = self.add(Value::Const(k.wrapping_neg()));
                return self.alu(Add, left, k);
            }
            (Lsh | Rsh, Value::Const(k)) if k > 31 => {
                let k = self.add(Value::Const(k & 31));
                return self.alu(op, left, k);
            }
            (Mul, Value::Const(k)) if k.is_power_of_two() => {
                let k = self.add(Value::Const(k.trailing_zeros()));
                return self.alu(Lsh, left, k);
            }
            (Div, Value::Const(k)) if k.is_power_of_two() => {
                let k = self.add(Value::Const(k.trailing_zeros()));
                return self.alu(Rsh, left, k);
            }
            (Mod, Value::Const(k)) if k.is_power_of_two() => {
                let k = self.add(Value::Const(k - 1));
                return self.alu(And, left, k);
            }
            (Lsh, Value::Const(2)) => {
                if let Value::Alu(And, inner, mask) = l
                    && self.constant(mask) == Some(15)
                    && let Value::Abs(Size::B, at) = self.get(inner)
                {
                    return self.add(Value::Msh(at));
                }
            }
            (Add, Value::Const(k)) => {
                if let Value::Alu(Add, inner, more) = l
                    && let Some(more) = self.constant(more)
                {
                    let sum = self.add(Value::Const(k.wrapping_add(more)));
                    return self.alu(Add, inner, sum);
                }
            }
            (And, Value::Const(k)) => {
                if let Value::Alu(And, inner, more) = l
                    && let Some(more) = self.constant(more)
                {
                    let mask = self.add(Value::Const(k & more));
                    return self.alu(And, inner, mask);
                }
                if !self.may_fail(left) && k == 0 {
                    return right;
                }
                // Bits that the value never has need not be cleared.
                let most = self.most(left);
                if most != u32::MAX && k & ones(most) == ones(most) {
                    return left;
                }
            }
            _ => {}
        }
        self.add(Value::Alu(op, left, right))
    }

    /// The greatest number that the value may be.
    pub(crate) fn most(&self, id: ValueId) -> u32 {
        match self.get(id) {
            Value::Const(value) => value,
            Value::Abs(Size::B, _) | Value::Ind(Size::B, ..) => 0xff,
            Value::Abs(Size::H, _) | Value::Ind(Size::H, ..) => 0xffff,
            Value::Msh(_) => 60,
            Value::Anc(Ancillary::PktType) => 7,
            Value::Anc(Ancillary::VlanTagPresent) => 1,
            Value::Anc(Ancillary::VlanTag) => 0xffff,
            Value::Alu(AluOp::And, _, mask) => self.constant(mask).unwrap_or(u32::MAX),
            Value::Alu(AluOp::Rsh, inner, by) => match self.constant(by) {
                Some(by) => self.shallow_most(inner) >> (by & 31),
                None => self.shallow_most(inner),
            },
            Value::Alu(AluOp::Lsh, inner, by) => match self.constant(by) {
                Some(by) => {
                    let most = u64::from(self.shallow_most(inner)) << (by & 31);
                    u32::try_from(most).unwrap_or(u32::MAX)
                }
                None => u32::MAX,
            },
            Value::Alu(AluOp::Mod, _, by) => {
                self.constant(by).map_or(u32::MAX, |by| by.saturating_sub(1))
            }
            _ => u32::MAX,
        }
    }

    /// Whether it is a number that is shifted, and never comes to `k`.
    pub(crate) fn is_never(&self, id: ValueId, k: u32) -> bool {
        let Value::Alu(op @ (AluOp::Lsh | AluOp::Rsh), left, _) = self.get(id) else {
            return false;
        };
        let comes_to = |left| (0..u32::BITS).any(|by| op.apply(left, by) == Some(k));
        self.constant(left).is_some_and(|left| !comes_to(left))
    }

    /// As `most`, without going deeper.
    fn shallow_most(&self, id: ValueId) -> u32 {
        match self.get(id) {
            Value::Const(value) => value,
            Value::Abs(Size::B, _) | Value::Ind(Size::B, ..) => 0xff,
            Value::Abs(Size::H, _) | Value::Ind(Size::H, ..) => 0xffff,
            Value::Alu(AluOp::And, _, mask) => self.constant(mask).unwrap_or(u32::MAX),
            _ => u32::MAX,
        }
    }

    /// Whether it may come to 0, as far as a look at what it is made of can tell.
    pub(crate) fn may_be_zero(&self, id: ValueId) -> bool {
        match self.get(id) {
            Value::Const(value) => value == 0,
            Value::Alu(AluOp::Or, _, right) => self.constant(right).is_none_or(|more| more == 0),
            Value::Alu(AluOp::Add, left, right) => match self.constant(right) {
                Some(more) => more == 0 || self.most(left).checked_add(more).is_none(),
                None => true,
            },
            _ => true,
        }
    }

    /// Whether computing it may reject the packet.
    pub(crate) fn may_fail(&self, id: ValueId) -> bool {
        // Values stand after what they are made of, so chains of them end; they may be long.
        let mut pending = smallvec::SmallVec::<[ValueId; 8]>::from_slice(&[id]);
        while let Some(id) = pending.pop() {
            match self.get(id) {
                Value::Const(_) | Value::Len | Value::Anc(_) | Value::Cell(_) => {}
                Value::Abs(..)
                | Value::Ind(..)
                | Value::Msh(_)
                | Value::Chain(_)
                | Value::Prefix(..)
                | Value::Fault => return true,
                Value::Neg(operand) | Value::Member(_, operand) => pending.push(operand),
                Value::Alu(op, left, right) => {
                    if matches!(op, AluOp::Div | AluOp::Mod) && self.may_be_zero(right) {
                        return true;
                    }
                    pending.extend([left, right]);
                }
            }
        }
        false
    }
}

/// `2^n - 1`, the least that is not below.
pub(crate) const fn ones(value: u32) -> u32 {
    if value == 0 { 0 } else { u32::MAX >> value.leading_zeros() }
}

fn id(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

pub(crate) const fn compare(cmp: Cmp, a: u32, b: u32) -> bool {
    match cmp {
        Cmp::Eq => a == b,
        Cmp::Gt => a > b,
        Cmp::Ge => a >= b,
    }
}

/// A quick hash for small keys that nobody chooses to make collide: every insertion is bounded by
/// the length of the expression, and the worst case is a search of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        let key = self.0 ^ value ^ 0x9e37_79b9_7f4a_7c15;
        self.0 = (key ^ key >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93).rotate_left(26);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_usize(value.cast_unsigned());
    }
}
