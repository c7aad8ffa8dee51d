//! Loads from the packet.
//!
//! Socket filters have calls, `LD_ABS` and `LD_IND`, and a copy of the first bytes where several loads follow each other
//! (`bulk.rs`). With direct access, a load compares the start of the packet and as much as it reads, or more (`length.rs`), with the
//! end of the packet, unless that is known; the comparison is what makes Linux's verifier accept the load.

use super::length::{Lengths, most_on_a_way};
use super::registers::Registers;
use super::{A, Flow, Target, Translator, imm};
use crate::insn::{self, Size};
use crate::packet::ETH_HLEN;
use crate::table::{LL_OFF, NET_OFF};
use skep_isa::{self as isa, AluOp, CondOp, Insn, Pc, Reg, Src, Swap, Width};

/// Linux loses track of packet pointers beyond this offset (`MAX_PACKET_OFF`).
const MAX_OFF: u32 = 0xffff;
/// What reaches so far is never loaded.
pub(super) const TOO_LONG: u32 = MAX_OFF + 1;

/// How long most packets are at least: Ethernet, IPv4 and TCP without options.
const LIKELY: u32 = 54;
/// Programs that are longer are not there twice.
const MOST_TWICE: usize = 256;
/// The longest header of IPv4.
const MAX_HEADER: u32 = 60;

/// Position of the network header: behind an Ethernet header.
const NETWORK: u32 = ETH_HLEN as u32;

/// Offsets of `data` and `data_end` in `struct __sk_buff` and `struct xdp_md`.
const SKB_DATA: (i16, i16) = (76, 80);
const XDP_DATA: (i16, i16) = (0, 4);

/// The end of what an instruction loads from a constant place.
pub(super) fn end(insn: insn::Insn) -> Option<u32> {
    let (k, size) = match insn {
        insn::Insn::LoadAbs { size, k } => (k, size),
        insn::Insn::LoadMsh { k } => (k, Size::B),
        _ => return None,
    };
    let end = position(k).and_then(|at| at.checked_add(size.bytes().into()));
    Some(end.unwrap_or(u32::MAX).min(TOO_LONG))
}

/// A length that most packets have, which saves a program some of several comparisons.
pub(super) fn likely_length(insns: &[insn::Insn]) -> Option<u32> {
    let lengths = Lengths::of(insns, 0, TOO_LONG, end);
    let compares = |pc, insn| end(insn).is_some_and(|end| lengths.asked(pc, end).is_some());
    if insns.len() > MOST_TWICE || most_on_a_way(insns, compares) < 2 {
        return None;
    }
    insns.iter().filter_map(|&insn| end(insn)).filter(|&end| end <= LIKELY).max()
}

impl Translator {
    /// The registers that loads expect.
    pub(super) fn packet_prologue(&mut self) {
        let (data, end) = match self.target {
            Target::SocketFilter => {
                self.mov(self.regs.ctx, Reg::R1);
                return self.copy_packet();
            }
            Target::Xdp(_) => XDP_DATA,
            Target::Tc(_) => SKB_DATA,
        };
        self.field(self.regs.data, Reg::R1, data);
        self.field(self.regs.end, Reg::R1, end);
        if self.regs.uses_ctx && self.regs.ctx != Reg::R1 {
            self.mov(self.regs.ctx, Reg::R1);
        }
    }

    /// A jump that [`Translator::land`] leads to where packets are dealt with that are shorter.
    pub(super) fn jump_if_shorter(&mut self, length: u32) -> Pc {
        let (dst, src) = (self.regs.ptr, Src::Reg(self.regs.end));
        self.mov(dst, self.regs.data);
        self.ptr_add(imm(length));
        let (width, op) = (Width::W64, CondOp::Gt);
        self.out.push(Insn::JumpIf { width, op, dst, src, off: 0 })
    }

    /// `dst = packet[k]`; `dst` is r0 unless the packet is accessed directly.
    pub(super) fn load_abs(&mut self, pc: usize, dst: Reg, size: Size, k: u32) -> Flow {
        if self.load_copied(pc, dst, size, k) {
            return Flow::On;
        }
        if self.target == Target::SocketFilter {
            self.push(Insn::LoadAbs { size: host(size), imm: k.cast_signed() });
            return Flow::On;
        }
        let end = end(insn::Insn::LoadAbs { size, k }).filter(|&end| end < TOO_LONG);
        let Some(end) = end else {
            self.reject();
            return Flow::Else;
        };
        if let Some(asked) = self.lengths.asked(pc, end) {
            self.mov(self.regs.ptr, self.regs.data);
            self.ptr_add(imm(asked));
            self.unless(CondOp::Le, self.regs.ptr, Src::Reg(self.regs.end), Width::W64);
        }
        match i16::try_from(end.wrapping_sub(size.bytes().into())) {
            Ok(off) => self.load_number(pc, dst, size, self.regs.data, off),
            Err(_) => {
                self.mov(self.regs.ptr, self.regs.data);
                self.ptr_add(imm(end));
                self.load_before_ptr(pc, dst, size);
            }
        }
        Flow::On
    }

    /// `A = packet[X + k]`
    pub(super) fn load_ind(&mut self, pc: usize, size: Size, k: u32) {
        let Registers { x, data, ptr, .. } = self.regs;
        if self.target == Target::SocketFilter {
            // The sum `X + k` wraps at 32 bits in classic BPF. `LD_IND` computes it in 64 bits and
            // cuts it, which is the same.
            return self.push(Insn::LoadInd { size: host(size), src: x, imm: k.cast_signed() });
        }
        let bytes = u32::from(size.bytes());
        let end = k.saturating_add(bytes);
        if self.operands.x_is_header(pc) && end.saturating_add(MAX_HEADER) < TOO_LONG {
            self.alu(AluOp::Mov, ptr, Src::Reg(x));
            self.ptr_add(Src::Reg(data));
            self.ptr_add(imm(end));
        } else {
            // In this order: Linux 6.18 remembers `X + k` as X with an offset, and later takes the offset
            // for one of the packet pointer.
            self.alu(AluOp::Mov, ptr, imm(k));
            self.alu(AluOp::Add, ptr, Src::Reg(x));
            self.ptr_position();
            self.unless(CondOp::Le, ptr, imm(MAX_OFF.wrapping_sub(bytes)), Width::W64);
            self.ptr_add(Src::Reg(data));
            self.ptr_add(imm(bytes));
        }
        self.unless(CondOp::Le, ptr, Src::Reg(self.regs.end), Width::W64);
        self.load_before_ptr(pc, A, size);
    }

    /// `X = 4 * (packet[k] & 0xf)`
    pub(super) fn load_msh(&mut self, pc: usize, k: u32) -> Flow {
        let Registers { x, data, .. } = self.regs;
        let is_call = self.target == Target::SocketFilter && !self.is_copied(Size::B, k);
        let saves = is_call && self.operands.a_is_used(pc.saturating_add(1));
        if saves {
            self.alu(AluOp::Mov, data, Src::Reg(A));
        }
        let byte = if is_call { A } else { x };
        if self.load_abs(pc, byte, Size::B, k) == Flow::Else {
            return Flow::Else;
        }
        self.alu(AluOp::And, byte, Src::Imm(0xf));
        self.alu(AluOp::Lsh, byte, Src::Imm(2));
        if is_call {
            self.alu(AluOp::Mov, x, Src::Reg(A));
        }
        if saves {
            self.alu(AluOp::Mov, A, Src::Reg(data));
        }
        Flow::On
    }

    /// Makes the offset in `ptr` a position in the packet: what counts from a header is moved there,
    /// what means nothing becomes a number beyond any packet.
    fn ptr_position(&mut self) {
        /// From the first offset of the link-layer range to the first of the network range.
        const RANGE: u32 = NET_OFF.wrapping_sub(LL_OFF);
        self.skip_if(CondOp::SGe, imm(0), 3);
        self.alu(AluOp::Sub, self.regs.ptr, imm(LL_OFF));
        self.skip_if(CondOp::Lt, imm(RANGE), 1);
        self.alu(AluOp::Sub, self.regs.ptr, imm(RANGE.wrapping_sub(NETWORK)));
    }

    /// Loads what ends at `ptr`.
    fn load_before_ptr(&mut self, pc: usize, dst: Reg, size: Size) {
        let off = i16::from(size.bytes()).wrapping_neg();
        self.load_number(pc, dst, size, self.regs.ptr, off);
    }

    /// `dst =` the number there, which is big-endian; in this order if that will do.
    pub(super) fn load_number(&mut self, pc: usize, dst: Reg, size: Size, base: Reg, off: i16) {
        self.push(Insn::Load { size: host(size), dst, base, off });
        if size != Size::B && self.operands.turns(pc) {
            self.push(Insn::Swap { kind: Swap::Be, size: host(size), dst });
        }
    }

    fn ptr_add(&mut self, src: Src) {
        self.push(Insn::Alu { width: Width::W64, op: AluOp::Add, dst: self.regs.ptr, src });
    }

    fn skip_if(&mut self, op: CondOp, src: Src, off: i16) {
        self.push(Insn::JumpIf { width: Width::W32, op, dst: self.regs.ptr, src, off });
    }
}

/// Where in an Ethernet frame a constant offset leads.
fn position(k: u32) -> Option<u32> {
    if k.cast_signed() >= 0 {
        Some(k)
    } else if k >= NET_OFF {
        k.wrapping_sub(NET_OFF).checked_add(NETWORK)
    } else if k >= LL_OFF {
        Some(k.wrapping_sub(LL_OFF))
    } else {
        None
    }
}

const fn host(size: Size) -> isa::Size {
    match size {
        Size::B => isa::Size::B,
        Size::H => isa::Size::H,
        Size::W => isa::Size::W,
    }
}
