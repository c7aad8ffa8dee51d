//! Lookups in tables: perfect hashes in the value of an array map.

use super::{A, Translator};
use skep_isa::{AluOp, ImmSrc, Insn, Reg, Size, Src, Width};

/// An instruction that stands for a lookup of `A` in a table, which makes `A` 0 if it is there and
/// something else if not.
///
/// The table is the value of an array map of one entry: `1 << bucket_bits` displacements, then
/// `1 << slot_bits` slots, all numbers of 32 bits in the order of the host. The upper bits of `A * bucket_multiplier` are
/// the place of the displacement, those of `(A ^ displacement) * slot_multiplier` the slot that `A` is in, if it is in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Lookup {
    /// Position in the classic program.
    pub pc: usize,
    /// Number of the map in the list given at load.
    pub map: usize,
    pub bucket_multiplier: u32,
    /// From 1 to 31.
    pub bucket_bits: u32,
    pub slot_multiplier: u32,
    /// From 1 to 31.
    pub slot_bits: u32,
}

const TABLE: Reg = Reg::R1;
const PLACE: Reg = Reg::R2;

impl Translator {
    pub(super) fn lookup(&mut self, lookup: &Lookup) {
        let map = i32::try_from(lookup.map).unwrap_or(i32::MAX);
        let value = ImmSrc::MapIdxValue { idx: map, at: 0 };
        self.push(Insn::LoadImm { dst: TABLE, imm: value });
        self.alu(AluOp::Mov, PLACE, Src::Reg(A));
        self.word(lookup.bucket_multiplier, lookup.bucket_bits);
        self.alu(AluOp::Xor, PLACE, Src::Reg(A));
        let table = 4u32.checked_shl(lookup.bucket_bits).unwrap_or(0);
        self.push(Insn::Alu {
            width: Width::W64,
            op: AluOp::Add,
            dst: TABLE,
            src: Src::Imm(table.cast_signed()),
        });
        self.word(lookup.slot_multiplier, lookup.slot_bits);
        self.alu(AluOp::Xor, A, Src::Reg(PLACE));
    }

    /// `PLACE = TABLE[upper bits of PLACE * multiplier]`
    fn word(&mut self, multiplier: u32, bits: u32) {
        self.alu(AluOp::Mul, PLACE, Src::Imm(multiplier.cast_signed()));
        let shift = 32u32.saturating_sub(bits).clamp(1, 31);
        self.alu(AluOp::Rsh, PLACE, Src::Imm(shift.cast_signed()));
        self.alu(AluOp::Lsh, PLACE, Src::Imm(2));
        let (width, op) = (Width::W64, AluOp::Add);
        self.push(Insn::Alu { width, op, dst: PLACE, src: Src::Reg(TABLE) });
        self.push(Insn::Load { size: Size::W, dst: PLACE, base: PLACE, off: 0 });
    }
}
