//! Loads from the packet.
//!
//! Socket filters have calls, `LD_ABS` and `LD_IND`, and a copy of the first bytes where several loads follow each other
//! (`bulk.rs`). With direct access, each load computes the end of what it reads in r1 and compares it with the end
//! of the packet; that comparison is what makes Linux's verifier accept the load below the pointer.

use super::{A, DATA, END, Flow, Target, Translator, X, imm};
use crate::insn::Size;
use crate::packet::ETH_HLEN;
use crate::table::{LL_OFF, NET_OFF};
use skep_isa::{self as isa, AluOp, CondOp, Insn, Reg, Src, Swap, Width};

/// Linux loses track of packet pointers beyond this offset (`MAX_PACKET_OFF`).
const MAX_OFF: u32 = 0xffff;

/// Position of the network header: behind an Ethernet header.
const NETWORK: u32 = ETH_HLEN as u32;

/// Offsets of `data` and `data_end` in `struct __sk_buff` and `struct xdp_md`.
const SKB_DATA: (i16, i16) = (76, 80);
const XDP_DATA: (i16, i16) = (0, 4);

/// The end of what is read, while it is read.
const PTR: Reg = Reg::R1;

impl Translator {
    /// The registers that loads expect.
    pub(super) fn packet_prologue(&mut self) {
        let (data, end) = match self.target {
            Target::SocketFilter => return self.copy_packet(),
            Target::Xdp(_) => XDP_DATA,
            Target::Tc(_) => SKB_DATA,
        };
        self.field(DATA, data);
        self.field(END, end);
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
        let end = position(k).and_then(|at| at.checked_add(size.bytes().into()));
        let Some(end) = end.filter(|&end| end <= MAX_OFF) else {
            self.reject();
            return Flow::Else;
        };
        self.mov(PTR, DATA);
        self.ptr_add(imm(end));
        self.load_before_ptr(dst, size);
        Flow::On
    }

    /// `A = packet[X + k]`
    pub(super) fn load_ind(&mut self, size: Size, k: u32) {
        if self.target == Target::SocketFilter {
            // The sum `X + k` wraps at 32 bits in classic BPF. `LD_IND` computes it in 64 bits and
            // cuts it, which is the same.
            return self.push(Insn::LoadInd { size: host(size), src: X, imm: k.cast_signed() });
        }
        // In this order: Linux 6.18 remembers `X + k` as X with an offset, and later takes the offset
        // for one of the packet pointer.
        self.alu(AluOp::Mov, PTR, imm(k));
        self.alu(AluOp::Add, PTR, Src::Reg(X));
        self.ptr_position();
        let max = MAX_OFF.wrapping_sub(size.bytes().into());
        self.unless(CondOp::Le, PTR, imm(max), Width::W64);
        self.ptr_add(Src::Reg(DATA));
        self.ptr_add(imm(size.bytes().into()));
        self.load_before_ptr(A, size);
    }

    /// `X = 4 * (packet[k] & 0xf)`
    pub(super) fn load_msh(&mut self, pc: usize, k: u32) -> Flow {
        let is_call = self.target == Target::SocketFilter && !self.is_copied(Size::B, k);
        let byte = if is_call {
            self.alu(AluOp::Mov, DATA, Src::Reg(A));
            A
        } else {
            X
        };
        if self.load_abs(pc, byte, Size::B, k) == Flow::Else {
            return Flow::Else;
        }
        self.alu(AluOp::And, byte, Src::Imm(0xf));
        self.alu(AluOp::Lsh, byte, Src::Imm(2));
        if is_call {
            self.alu(AluOp::Mov, X, Src::Reg(A));
            self.alu(AluOp::Mov, A, Src::Reg(DATA));
        }
        Flow::On
    }

    /// Makes the offset in r1 a position in the packet: what counts from a header is moved there,
    /// what means nothing becomes a number beyond any packet.
    fn ptr_position(&mut self) {
        /// From the first offset of the link-layer range to the first of the network range.
        const RANGE: u32 = NET_OFF.wrapping_sub(LL_OFF);
        self.skip_if(CondOp::SGe, imm(0), 3);
        self.alu(AluOp::Sub, PTR, imm(LL_OFF));
        self.skip_if(CondOp::Lt, imm(RANGE), 1);
        self.alu(AluOp::Sub, PTR, imm(RANGE.wrapping_sub(NETWORK)));
    }

    /// Checks that what ends at r1 lies in the packet, and loads it.
    fn load_before_ptr(&mut self, dst: Reg, size: Size) {
        self.unless(CondOp::Le, PTR, Src::Reg(END), Width::W64);
        self.load_number(dst, size, PTR, i16::from(size.bytes()).wrapping_neg());
    }

    /// `dst =` the big-endian number there.
    pub(super) fn load_number(&mut self, dst: Reg, size: Size, base: Reg, off: i16) {
        self.push(Insn::Load { size: host(size), dst, base, off });
        if size != Size::B {
            self.push(Insn::Swap { kind: Swap::Be, size: host(size), dst });
        }
    }

    fn ptr_add(&mut self, src: Src) {
        self.push(Insn::Alu { width: Width::W64, op: AluOp::Add, dst: PTR, src });
    }

    fn skip_if(&mut self, op: CondOp, src: Src, off: i16) {
        self.push(Insn::JumpIf { width: Width::W32, op, dst: PTR, src, off });
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
