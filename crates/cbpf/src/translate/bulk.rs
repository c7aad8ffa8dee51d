//! Bytes of the packet copied to the stack once, for socket filters.
//!
//! Linux makes a call of each `LD_ABS` of an eBPF program. Where several follow each other, one call of
//! `bpf_skb_load_bytes` at the start and plain loads are quicker. What is rejected stays the same: each load compares its
//! end with the length of the packet, unless a load on every way to it has reached as far. Of a packet that is
//! shorter than what is copied all there is gets copied.
//!
//! Loads at other places (from X on, behind the first [`MOST`] bytes, at negative offsets) remain calls.

use super::length::{Lengths, most_on_a_way};
use super::{A, Translator, pc_of_len};
use crate::check::MEM_CELLS;
use crate::insn::{Insn, Size};
use skep_isa::{self as isa, AluOp, Call, CondOp, Reg, Src, Width};

/// Most bytes that are copied.
const MOST: u32 = 128;
/// Loads one after the other from which on a copy pays: it takes as long as two calls.
const SEVERAL: u32 = 3;
/// `bpf_skb_load_bytes`
const LOAD_BYTES: i32 = 26;
/// A part of a number.
const PART: Reg = Reg::R1;

/// What is copied, and how long packets are.
#[derive(Debug, Default)]
pub(super) struct Bulk {
    /// Bytes copied; 0 if none are.
    len: u32,
    /// Bytes before the copy, up to 3: the stack is read at multiples of the size alone.
    pad: u32,
    lengths: Lengths,
}

/// The end of what an instruction loads from a constant place, if it may be copied.
fn end(insn: Insn) -> Option<u32> {
    let (k, size) = match insn {
        Insn::LoadAbs { size, k } => (k, size),
        Insn::LoadMsh { k } => (k, Size::B),
        _ => return None,
    };
    k.checked_add(size.bytes().into()).filter(|&end| end <= MOST)
}

impl Bulk {
    pub(super) fn of(insns: &[Insn]) -> Self {
        if most_on_a_way(insns, |_, insn| end(insn).is_some()) < SEVERAL {
            return Self::default();
        }
        let len = insns.iter().filter_map(|&insn| end(insn)).max().unwrap_or(0);
        let pad = (0..4).min_by_key(|pad| {
            let in_parts = |insn: &&Insn| match insn {
                Insn::LoadAbs { size, k } => {
                    end(**insn).is_some()
                        && !k.wrapping_add(*pad).is_multiple_of(size.bytes().into())
                }
                _ => false,
            };
            insns.iter().filter(in_parts).count()
        });
        let lengths = Lengths::of(insns, 0, u32::MAX, end);
        Self { len, pad: pad.unwrap_or(0), lengths }
    }

    /// Bytes of the stack for the copy, in words of 8.
    fn room(&self) -> u32 {
        self.len.wrapping_add(self.pad).next_multiple_of(8)
    }

    /// The first of them; the last stands before the scratch cells.
    fn first(&self) -> i16 {
        let below = MEM_CELLS.wrapping_mul(4).wrapping_add(self.room());
        i16::try_from(below).map_or(0, i16::wrapping_neg)
    }
}

impl Translator {
    /// The place of a byte of the copy.
    fn copied(&self, k: u32) -> i16 {
        self.bulk.first().wrapping_add(i16::try_from(self.bulk.pad.wrapping_add(k)).unwrap_or(0))
    }

    /// Copies the first bytes of the packet.
    pub(super) fn copy_packet(&mut self) {
        let len = self.bulk.len;
        if len == 0 {
            return;
        }
        self.length(self.regs.end);
        self.mov(Reg::R3, Reg::FP);
        let (width, src) = (Width::W64, Src::Imm(self.copied(0).into()));
        self.push(isa::Insn::Alu { width, op: AluOp::Add, dst: Reg::R3, src });
        self.alu(AluOp::Mov, Reg::R4, Src::Imm(len.cast_signed()));
        let whole = self.out.push(self.compare(CondOp::Ge, len));
        // Helpers may fill a part of what they are given only if the rest has been written.
        let (first, words) = (self.bulk.first(), self.bulk.room().div_ceil(8));
        for off in (first..).step_by(8).take(words as usize) {
            let (size, base) = (isa::Size::Dw, Reg::FP);
            self.push(isa::Insn::Store { size, base, off, src: Src::Imm(0) });
        }
        // Of an empty packet nothing can be copied.
        let empty = self.out.push(self.compare(CondOp::Lt, 1));
        self.mov(Reg::R4, self.regs.end);
        self.land(whole);
        self.mov(Reg::R1, self.regs.ctx);
        self.alu(AluOp::Mov, Reg::R2, Src::Imm(0));
        self.push(isa::Insn::Call(Call::Helper(LOAD_BYTES)));
        self.unless(CondOp::Eq, A, Src::Imm(0), Width::W64);
        self.land(empty);
    }

    /// A jump by the length of the packet, to where [`Translator::land`] says.
    const fn compare(&self, op: CondOp, k: u32) -> isa::Insn {
        let (width, dst, src) = (Width::W64, self.regs.end, Src::Imm(k.cast_signed()));
        isa::Insn::JumpIf { width, op, dst, src, off: 0 }
    }

    /// Lets a conditional jump lead here.
    pub(super) fn land(&mut self, at: isa::Pc) {
        let here = pc_of_len(&self.out).0;
        let slots = here.saturating_sub(at.0).saturating_sub(1);
        if let Some(isa::Insn::JumpIf { off, .. }) = self.out.get_mut(at) {
            *off = i16::try_from(slots).unwrap_or(0);
        }
    }

    /// Whether what stands at a constant place is among what is copied.
    pub(super) fn is_copied(&self, size: Size, k: u32) -> bool {
        end(Insn::LoadAbs { size, k }).is_some_and(|end| end <= self.bulk.len)
    }

    /// `dst = packet[k]` if it is copied; says whether it is.
    pub(super) fn load_copied(&mut self, pc: usize, dst: Reg, size: Size, k: u32) -> bool {
        if !self.is_copied(size, k) {
            return false;
        }
        let end = k.saturating_add(size.bytes().into());
        if let Some(asked) = self.bulk.lengths.asked(pc, end) {
            self.unless(CondOp::Ge, self.regs.end, Src::Imm(asked.cast_signed()), Width::W64);
        }
        self.load_in_parts(pc, dst, size, k);
        true
    }

    /// `dst =` the number there, which may not be loaded at once.
    fn load_in_parts(&mut self, pc: usize, dst: Reg, size: Size, k: u32) {
        let (mut at, mut left) = (self.copied(k), u32::from(size.bytes()));
        let mut is_first = true;
        while left > 0 {
            let size = match left {
                4.. if at % 4 == 0 => Size::W,
                2.. if at % 2 == 0 => Size::H,
                _ => Size::B,
            };
            let part = if is_first { dst } else { PART };
            if !is_first {
                let bits = i32::from(size.bytes()).wrapping_mul(8);
                self.alu(AluOp::Lsh, dst, Src::Imm(bits));
            }
            self.load_number(pc, part, size, Reg::FP, at);
            if !is_first {
                self.alu(AluOp::Or, dst, Src::Reg(PART));
            }
            is_first = false;
            at = at.wrapping_add(size.bytes().into());
            left = left.saturating_sub(size.bytes().into());
        }
    }
}
