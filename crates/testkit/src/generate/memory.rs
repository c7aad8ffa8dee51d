//! Loads, stores and atomic operations on stack, map values and packet.

use super::{Body, DATA, DATA_SIZE, Generator, STACK, WORK};
use rand::Rng;
use skep_isa::{AluOp, AtomicOp, CondOp, ImmSrc, Insn, Reg, Size, Src, Width, table};

/// Where an access goes.
#[derive(Clone, Copy)]
struct Place {
    base: Reg,
    off: i16,
    size: Size,
}

impl Generator {
    pub(super) fn stack(&mut self, body: &mut Body) {
        if self.rng.random_bool(0.3) {
            let size = self.size();
            // The verifier follows stack slots, so these accesses are aligned.
            let mask = 63 & -i32::from(size.bytes());
            return self.at_index(body, Reg::FP, mask, -STACK, size);
        }
        let place = self.stack_place();
        self.access(body, place, &[]);
    }

    pub(super) fn value(&mut self, body: &mut Body) {
        let size = self.size();
        if self.rng.random_bool(0.4) {
            let (off, mask) = (self.rng.random_range(0..=56), self.rng.random_range(0..0x80));
            return self.at_index(body, Reg::R9, mask, off, size);
        }
        let off = self.rng.random_range(0..=WORK - i16::from(size.bytes()));
        self.access(body, Place { base: Reg::R9, off, size }, &[]);
    }

    /// The data section, by the address of a byte in it.
    pub(super) fn data(&mut self, body: &mut Body) {
        let Some([base]) = self.free(body) else { return };
        let size = self.size();
        let at = self.rng.random_range(0..=DATA_SIZE - i16::from(size.bytes()));
        let off = self.rng.random_range(0..=at);
        let imm = ImmSrc::MapIdxValue { idx: DATA, at: i32::from(at - off) };
        body.code.push(Insn::LoadImm { dst: base, imm });
        self.access(body, Place { base, off, size }, &[base]);
        self.forget(body, &[base]);
    }

    pub(super) fn packet(&mut self, body: &mut Body) {
        if self.rng.random_bool(0.4) {
            return self.packet_at_index(body);
        }
        let size = self.size();
        let off = self.rng.random_range(0..=64 - i16::from(size.bytes()));
        self.access(body, Place { base: Reg::R8, off, size }, &[]);
    }

    /// An access at a position that only the run knows, tested against the end of the packet.
    fn packet_at_index(&mut self, body: &mut Body) {
        let Some([base, end, limit]) = self.free(body) else { return };
        let (size, index) = (self.size(), self.number(body));
        let mask = self.rng.random_range(0..0x80);
        let (data, data_end) = self.bounds();
        let load = |dst, off| Insn::Load { size: Size::W, dst, base: Reg::R6, off };
        body.code.mov(base, index);
        body.code.alu(AluOp::And, base, Src::Imm(mask));
        body.code.push(load(end, data));
        body.code.alu(AluOp::Add, base, Src::Reg(end));
        body.code.mov(end, base);
        body.code.alu(AluOp::Add, end, Src::Imm(size.bytes().into()));
        body.code.push(load(limit, data_end));
        let jump = body.code.push(Insn::JumpIf {
            width: Width::W64,
            op: CondOp::Gt,
            dst: end,
            src: Src::Reg(limit),
            off: 0,
        });
        self.access(body, Place { base, off: 0, size }, &[base, end, limit]);
        body.code.land(jump);
        self.forget(body, &[base, end, limit]);
    }

    /// An access at `pointer + off + (number & mask)`.
    ///
    /// In this order, and never `number += pointer`: of that, Linux 6.18 takes the frame of a stack
    /// pointer from what was in the register before (`adjust_ptr_min_max_vals` leaves `frameno`), so
    /// that in a subprogram it follows the stack of the program instead, and removes code that runs.
    fn at_index(&mut self, body: &mut Body, pointer: Reg, mask: i32, off: i16, size: Size) {
        let Some([base, index]) = self.free(body) else { return };
        let number = self.number(body);
        body.code.mov(index, number);
        let width = self.width();
        body.code.push(Insn::Alu { width, op: AluOp::And, dst: index, src: Src::Imm(mask) });
        body.code.mov(base, pointer);
        body.code.alu(AluOp::Add, base, Src::Reg(index));
        self.access(body, Place { base, off, size }, &[base]);
        self.forget(body, &[base]);
    }

    /// Makes registers numbers again.
    fn forget(&mut self, body: &mut Body, regs: &[Reg]) {
        for &reg in regs {
            let imm = self.imm();
            body.code.set(reg, imm);
        }
    }

    fn stack_place(&mut self) -> Place {
        let size = self.size();
        let bytes = i16::from(size.bytes());
        let off = -bytes * self.rng.random_range(1..=STACK / bytes);
        Place { base: Reg::FP, off, size }
    }

    /// A plain load or store. `pointers` hold no numbers at present.
    fn access(&mut self, body: &mut Body, place: Place, pointers: &[Reg]) {
        let Place { base, off, size } = place;
        if self.rng.random_bool(0.5) {
            let src = match self.number_but(body, pointers) {
                Some(reg) if self.rng.random_bool(0.7) => Src::Reg(reg),
                _ => Src::Imm(self.imm()),
            };
            body.code.push(Insn::Store { size, base, off, src });
            return;
        }
        let Some([dst]) = self.free(body) else { return };
        body.code.push(if self.rng.random_bool(0.3) && size != Size::Dw {
            Insn::LoadSx { size, dst, base, off }
        } else {
            Insn::Load { size, dst, base, off }
        });
        self.count(body, dst);
    }

    /// An atomic operation on the stack or the map value, or a load or store with ordering.
    pub(super) fn atomic(&mut self, body: &mut Body) {
        let mut size = self.size();
        let kind = self.rng.random_range(0..8);
        if kind > 1 && matches!(size, Size::B | Size::H) {
            size = self.pick(&[Size::W, Size::Dw]);
        }
        let bytes = i16::from(size.bytes());
        let (base, off) = if self.rng.random_bool(0.3) {
            (Reg::FP, -bytes * self.rng.random_range(1..=STACK / bytes))
        } else {
            (Reg::R9, bytes * self.rng.random_range(0..WORK / bytes))
        };
        let Some([reg]) = self.free(body) else { return };
        let insn = match kind {
            0 => Insn::LoadAcquire { size, dst: reg, base, off },
            1 => Insn::StoreRelease { size, base, off, src: self.number(body) },
            _ => {
                let op = self.pick(&table::ATOMIC.map(|row| row.op));
                if op == AtomicOp::CmpXchg && body.frozen.contains(&Reg::R0) {
                    return;
                }
                if op == AtomicOp::CmpXchg && self.rng.random_bool(0.5) {
                    // Otherwise it would hardly ever find what it looks for.
                    body.code.push(Insn::Load { size, dst: Reg::R0, base, off });
                }
                Insn::Atomic { size, op, base, off, src: reg }
            }
        };
        body.code.push(insn);
        self.count(body, reg);
    }
}
