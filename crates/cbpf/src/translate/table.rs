//! Lookups in tables: perfect hashes in the value of an array map.

use super::registers::Registers;
use super::{A, Translator, cell};
use skep_isa::{AluOp, ImmSrc, Insn, Reg, Size, Src, Width};

/// An instruction that stands for a lookup in a table, which makes `A` 0 if what is looked for is there and
/// something else if not.
///
/// The table is the value of an array map of one entry: `1 << bucket_bits` displacements of 32 bits, then
/// `1 << slot_bits` slots, all numbers in the order of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Lookup {
    /// Position in the classic program.
    pub pc: usize,
    /// Number of the map in the list given at load.
    pub map: usize,
    /// From 1 to 31.
    pub bucket_bits: u32,
    /// From 1 to 31.
    pub slot_bits: u32,
    pub key: Key,
}

/// What is looked for, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants say it")]
pub enum Key {
    /// `A`, among slots of 32 bits. The upper bits of `A * bucket_multiplier` are the place of the displacement, those of
    /// `(A ^ displacement) * slot_multiplier` the slot that `A` is in, if it is in one.
    Number { bucket_multiplier: u32, slot_multiplier: u32 },
    /// From 1 to 4 words, the last of which is `A` and the others in scratch cells one after the other, among slots of 128
    /// bits. With 0 for words that are not there, the first two are a number of 64 bits, the last two another one; both
    /// are in a slot. `hash` is `(first * multipliers.0 + last) * multipliers.1`, of which the upper bits are the place of
    /// the displacement; those of `(hash ^ displacement) * multipliers.1` are the slot.
    Words { count: u32, cell: u32, multipliers: (u64, u64) },
}

/// The last two words, in lookups of prefixes: what is there throughout is in r6 to r9 then.
const LAST: Reg = Reg::R3;
const MULTIPLIER: Reg = Reg::R4;
/// The first two words.
const FIRST: Reg = Reg::R5;

impl Translator {
    pub(super) fn lookup(&mut self, lookup: &Lookup) {
        match lookup.key {
            Key::Number { bucket_multiplier, slot_multiplier } => {
                self.lookup_number(lookup, bucket_multiplier, slot_multiplier);
            }
            Key::Words { count, cell, multipliers } => {
                self.lookup_words(lookup, (count, cell), multipliers);
            }
        }
    }

    fn lookup_number(&mut self, lookup: &Lookup, bucket_multiplier: u32, slot_multiplier: u32) {
        let Registers { ptr: table, place, .. } = self.regs;
        self.table(lookup.map);
        self.alu(AluOp::Mov, place, Src::Reg(A));
        self.word(bucket_multiplier, lookup.bucket_bits);
        self.alu(AluOp::Xor, place, Src::Reg(A));
        self.wide(AluOp::Add, table, Src::Imm(slots_at(lookup)));
        self.word(slot_multiplier, lookup.slot_bits);
        self.alu(AluOp::Xor, A, Src::Reg(place));
    }

    /// `place = table[upper bits of place * multiplier]`
    fn word(&mut self, multiplier: u32, bits: u32) {
        let Registers { ptr: table, place, .. } = self.regs;
        self.alu(AluOp::Mul, place, Src::Imm(multiplier.cast_signed()));
        let shift = 32u32.saturating_sub(bits).clamp(1, 31);
        self.alu(AluOp::Rsh, place, Src::Imm(shift.cast_signed()));
        self.alu(AluOp::Lsh, place, Src::Imm(2));
        self.wide(AluOp::Add, place, Src::Reg(table));
        self.push(Insn::Load { size: Size::W, dst: place, base: place, off: 0 });
    }

    fn lookup_words(
        &mut self,
        lookup: &Lookup,
        (count, cell): (u32, u32),
        (multiplier, second): (u64, u64),
    ) {
        let Registers { ptr: table, place, .. } = self.regs;
        self.two_words(FIRST, 0, (count, cell));
        self.two_words(LAST, 2, (count, cell));
        self.multiplier(multiplier);
        self.mov(place, FIRST);
        self.wide(AluOp::Mul, place, Src::Reg(MULTIPLIER));
        self.wide(AluOp::Add, place, Src::Reg(LAST));
        self.multiplier(second);
        self.wide(AluOp::Mul, place, Src::Reg(MULTIPLIER));
        self.table(lookup.map);
        self.mov(A, place);
        self.upper(A, lookup.bucket_bits, 2);
        self.push(Insn::Load { size: Size::W, dst: A, base: A, off: 0 });
        self.wide(AluOp::Xor, place, Src::Reg(A));
        self.wide(AluOp::Mul, place, Src::Reg(MULTIPLIER));
        self.wide(AluOp::Add, table, Src::Imm(slots_at(lookup)));
        self.upper(place, lookup.slot_bits, 4);
        self.push(Insn::Load { size: Size::Dw, dst: A, base: place, off: 0 });
        self.wide(AluOp::Xor, A, Src::Reg(FIRST));
        self.push(Insn::Load { size: Size::Dw, dst: place, base: place, off: 8 });
        self.wide(AluOp::Xor, place, Src::Reg(LAST));
        self.wide(AluOp::Or, A, Src::Reg(place));
        // Of what differs, 32 bits say so.
        self.mov(place, A);
        self.wide(AluOp::Rsh, place, Src::Imm(32));
        self.alu(AluOp::Or, A, Src::Reg(place));
    }

    /// `dst =` the words from number `at` on, the first of them above.
    fn two_words(&mut self, dst: Reg, at: u32, (count, cell): (u32, u32)) {
        if at >= count {
            return self.alu(AluOp::Mov, dst, Src::Imm(0));
        }
        self.fetch(dst, at, (count, cell));
        self.wide(AluOp::Lsh, dst, Src::Imm(32));
        let next = at.wrapping_add(1);
        if next < count {
            let place = self.regs.place;
            self.fetch(place, next, (count, cell));
            self.wide(AluOp::Or, dst, Src::Reg(place));
        }
    }

    fn fetch(&mut self, dst: Reg, word: u32, (count, first): (u32, u32)) {
        if word.wrapping_add(1) == count {
            return self.mov(dst, A);
        }
        let off = cell(first.wrapping_add(word));
        self.push(Insn::Load { size: Size::W, dst, base: Reg::FP, off });
    }

    /// `reg = table +` the place of one of `1 << bits` entries of `1 << log2` bytes, by the upper bits of `reg`.
    fn upper(&mut self, reg: Reg, bits: u32, log2: i32) {
        let shift = 64u32.saturating_sub(bits).clamp(33, 63);
        self.wide(AluOp::Rsh, reg, Src::Imm(shift.cast_signed()));
        self.wide(AluOp::Lsh, reg, Src::Imm(log2));
        self.wide(AluOp::Add, reg, Src::Reg(self.regs.ptr));
    }

    fn table(&mut self, map: usize) {
        let idx = i32::try_from(map).unwrap_or(i32::MAX);
        self.push(Insn::LoadImm { dst: self.regs.ptr, imm: ImmSrc::MapIdxValue { idx, at: 0 } });
    }

    fn multiplier(&mut self, multiplier: u64) {
        self.push(Insn::LoadImm { dst: MULTIPLIER, imm: ImmSrc::Value(multiplier) });
    }

    /// An operation on 64 bits.
    fn wide(&mut self, op: AluOp, dst: Reg, src: Src) {
        self.push(Insn::Alu { width: Width::W64, op, dst, src });
    }
}

/// Where the slots begin in the value.
fn slots_at(lookup: &Lookup) -> i32 {
    4u32.checked_shl(lookup.bucket_bits).unwrap_or(0).cast_signed()
}
