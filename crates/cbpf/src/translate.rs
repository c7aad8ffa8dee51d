//! From a classic program to an eBPF program with the same answers.
//!
//! # Model
//!
//! `A` and `X` are registers (`registers.rs`), both always zero-extended 32-bit numbers; all arithmetic and all
//! comparisons are 32 bits wide. Scratch cell `M[k]` is the word at `r10 - 4 - 4 * k`. With direct packet access two
//! registers are the start and the end of the packet. In a socket filter that copies the first bytes of the packet, one
//! is its length, and the copy lies below the scratch cells.
//!
//! A program with direct packet access that compares the length more than once on some way is there twice: for packets
//! that are as long as most are, for which one comparison at the start does for most loads, and for others.
//!
//! # Invariants
//!
//! - Jumps lead forward, and each classic instruction becomes at most 48 slots (a lookup in a table). A conditional jump spans at most 255
//!   instructions and so fits in 16 bits;
//!   an unconditional one that does not becomes `gotol`.
//! - What cannot be reached is left out: Linux rejects unreachable instructions.
//! - A scratch cell is written before it is read, which the checker has established; the stack needs
//!   no initialisation for it.

mod bulk;
mod context;
mod length;
mod operand;
mod packet;
mod registers;
mod table;

pub use table::{Key, Lookup};

use crate::check::{Program, target};
use crate::insn::{self, Ancillary, CondOp, Insn, Reg};
use alloc::vec;
use alloc::vec::Vec;
use bulk::Bulk;
use length::Lengths;
use operand::Operands;
use registers::Registers;
use skep_isa::{self as isa, Insns, Pc, Width};

const A: isa::Reg = isa::Reg::R0;

/// Where the translated program is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A socket filter, whose result is the number of bytes to keep as in classic BPF. The packet is
    /// read by `LD_ABS` and `LD_IND`, its first bytes by one `bpf_skb_load_bytes` where several loads follow each other.
    SocketFilter,
    /// XDP on an Ethernet interface, with direct packet access. The length is that of the packet
    /// between `data` and `data_end`.
    Xdp(Verdict),
    /// The traffic control hooks of an Ethernet interface, with direct packet access. Bytes outside
    /// the linear part of a packet are out of bounds.
    Tc(Verdict),
}

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::SocketFilter => "socket filters",
            Self::Xdp(_) => "XDP",
            Self::Tc(_) => "tc",
        }
    }

    const fn verdict(self) -> Option<Verdict> {
        match self {
            Self::SocketFilter => None,
            Self::Xdp(verdict) | Self::Tc(verdict) => Some(verdict),
        }
    }
}

/// What a hook returns for the two answers of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// For any number but 0.
    pub accept: i32,
    /// For 0, and for a load out of bounds or a division by 0.
    pub reject: i32,
}

impl Verdict {
    /// `XDP_PASS` and `XDP_DROP`.
    pub const XDP: Self = Self { accept: 2, reject: 1 };
    /// `TC_ACT_OK` and `TC_ACT_SHOT`.
    pub const TC: Self = Self { accept: 0, reject: 2 };
}

/// Why a program has no translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranslateError {
    /// Programs of this kind have no access to the ancillary datum.
    #[error("insn {pc}: ancillary data `{}` does not exist for {hook}", anc.name())]
    Unsupported {
        /// Position in the classic program.
        pc: usize,
        /// The datum.
        anc: Ancillary,
        /// The kind of program, in words.
        hook: &'static str,
    },
}

/// Translates a program.
///
/// Differences to [`Program::run`] that no translation can avoid: a packet without interface has
/// interface index 0, and with direct packet access no byte from 65535 on is in bounds, which is as
/// far as Linux follows packet pointers. Offsets from the network header count from byte 14 there.
///
/// # Errors
/// [`TranslateError`] with the first instruction that has no counterpart.
pub fn translate(program: &Program, target: Target) -> Result<Insns, TranslateError> {
    translate_with_tables(program, target, &[])
}

/// As [`translate`], with instructions that stand for lookups in the values of maps, in the order of the
/// program.
///
/// # Errors
/// [`TranslateError`] with the first instruction that has no counterpart.
pub fn translate_with_tables(
    program: &Program,
    target: Target,
    lookups: &[Lookup],
) -> Result<Insns, TranslateError> {
    let insns = program.insns();
    let copies = target == Target::SocketFilter;
    let is_lookup = |pc: usize| lookups.iter().any(|lookup| lookup.pc == pc);
    let mut this = Translator {
        target,
        regs: Registers::of(insns, target, lookups),
        operands: Operands::of(insns, is_lookup, copies),
        lengths: Lengths::default(),
        bulk: if copies { Bulk::of(insns) } else { Bulk::default() },
        out: Insns::default(),
        start: Vec::new(),
        reached: Vec::new(),
        jumps: Vec::new(),
    };
    this.packet_prologue();
    let likely = if copies { None } else { packet::likely_length(insns) };
    if let Some(length) = likely {
        let short = this.jump_if_shorter(length);
        this.body(insns, lookups, length)?;
        this.land(short);
    }
    this.body(insns, lookups, 0)?;
    Ok(this.out)
}

const fn target_of_next(pc: usize) -> usize {
    pc.saturating_add(1)
}

fn pc_of_len(out: &Insns) -> Pc {
    Pc(u32::try_from(out.len()).unwrap_or(u32::MAX))
}

/// Whether an instruction leads to the following one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    /// It does not, or has said where it leads.
    Else,
}

struct Translator {
    target: Target,
    regs: Registers,
    operands: Operands,
    lengths: Lengths,
    bulk: Bulk,
    out: Insns,
    /// Slot of each classic instruction.
    start: Vec<Pc>,
    /// Whether it can be reached.
    reached: Vec<bool>,
    /// Jumps to a classic instruction, to be resolved.
    jumps: Vec<(Pc, usize)>,
}

impl Translator {
    /// The program for packets that are known to be `from` bytes long and more.
    fn body(
        &mut self,
        insns: &[Insn],
        lookups: &[Lookup],
        from: u32,
    ) -> Result<(), TranslateError> {
        self.start = vec![Pc::default(); insns.len()];
        self.reached = vec![false; insns.len()];
        if self.target != Target::SocketFilter {
            self.lengths = Lengths::of(insns, from, packet::TOO_LONG, packet::end);
        }
        if self.operands.a_is_used(0) {
            self.alu(isa::AluOp::Mov, A, isa::Src::Imm(0));
        }
        if self.operands.x_is_used(0) {
            self.alu(isa::AluOp::Mov, self.regs.x, isa::Src::Imm(0));
        }
        self.reach(0);
        for (pc, &insn) in insns.iter().enumerate() {
            if self.reached.get(pc) == Some(&true) {
                if let Some(start) = self.start.get_mut(pc) {
                    *start = pc_of_len(&self.out);
                }
                if let Some(lookup) = lookups.iter().find(|lookup| lookup.pc == pc) {
                    self.lookup(lookup);
                    self.reach(target_of_next(pc));
                } else if self.insn(pc, insn)? == Flow::On {
                    self.reach(target_of_next(pc));
                }
            }
        }
        self.resolve();
        Ok(())
    }

    fn insn(&mut self, pc: usize, insn: Insn) -> Result<Flow, TranslateError> {
        match insn {
            Insn::LoadAbs { size, k } => return Ok(self.load_abs(pc, A, size, k)),
            Insn::LoadInd { size, k } => self.load_ind(pc, size, k),
            Insn::LoadAnc { anc, .. } => self.ancillary(pc, anc)?,
            // Such as the number of a table.
            Insn::LoadImm { reg: Reg::X, .. } | Insn::Tax
                if !self.operands.x_is_used(target_of_next(pc)) => {}
            Insn::LoadLen { reg } => self.length(self.host(reg)),
            Insn::LoadImm { reg, k } => self.alu(isa::AluOp::Mov, self.host(reg), imm(k)),
            Insn::LoadMem { reg, k } => {
                let (size, base) = (isa::Size::W, isa::Reg::FP);
                self.push(isa::Insn::Load { size, dst: self.host(reg), base, off: cell(k) });
            }
            Insn::LoadMsh { k } => return Ok(self.load_msh(pc, k)),
            Insn::Store { reg, k } => {
                let (size, base, src) = (isa::Size::W, isa::Reg::FP, isa::Src::Reg(self.host(reg)));
                self.push(isa::Insn::Store { size, base, off: cell(k), src });
            }
            Insn::Alu { op, src } => self.arithmetic(pc, op, src),
            Insn::Neg => self.push(isa::Insn::Neg { width: Width::W32, dst: A }),
            Insn::Jump { k } => {
                self.jump(pc, k);
                return Ok(Flow::Else);
            }
            Insn::JumpIf { op, src, jt, jf } => {
                let src = match op {
                    CondOp::Eq | CondOp::Set => self.bits(pc, src),
                    CondOp::Gt | CondOp::Ge => self.operand(src),
                };
                self.jump_if(pc, op, src, (jt.into(), jf.into()));
                return Ok(Flow::Else);
            }
            Insn::RetK { k } => {
                self.ret_k(k);
                return Ok(Flow::Else);
            }
            Insn::RetA => {
                self.ret_a();
                return Ok(Flow::Else);
            }
            Insn::Tax => self.alu(isa::AluOp::Mov, self.regs.x, isa::Src::Reg(A)),
            Insn::Txa => self.alu(isa::AluOp::Mov, A, isa::Src::Reg(self.regs.x)),
        }
        Ok(Flow::On)
    }

    /// eBPF defines division by 0; classic BPF rejects the packet.
    fn arithmetic(&mut self, pc: usize, op: insn::AluOp, src: insn::Src) {
        use insn::AluOp;
        let divides = matches!(op, AluOp::Div | AluOp::Mod);
        if divides && src == insn::Src::X {
            self.unless(isa::CondOp::Ne, self.regs.x, isa::Src::Imm(0), Width::W32);
        }
        let is_bitwise = matches!(op, AluOp::And | AluOp::Or | AluOp::Xor);
        let src = if is_bitwise { self.bits(pc, src) } else { self.operand(src) };
        let op = match op {
            AluOp::Add => isa::AluOp::Add,
            AluOp::Sub => isa::AluOp::Sub,
            AluOp::Mul => isa::AluOp::Mul,
            AluOp::Div => isa::AluOp::Div,
            AluOp::Mod => isa::AluOp::Mod,
            AluOp::And => isa::AluOp::And,
            AluOp::Or => isa::AluOp::Or,
            AluOp::Xor => isa::AluOp::Xor,
            AluOp::Lsh => isa::AluOp::Lsh,
            AluOp::Rsh => isa::AluOp::Rsh,
        };
        self.alu(op, A, src);
    }

    fn jump(&mut self, pc: usize, k: u32) {
        let to = target(pc, k);
        self.reach(to);
        if k != 0 {
            self.jump_to(isa::Insn::Jump { off: 0 }, to);
        }
    }

    fn jump_if(&mut self, pc: usize, op: CondOp, src: isa::Src, (jt, jf): (u32, u32)) {
        if jt == jf {
            return self.jump(pc, jt);
        }
        let (op, inverse) = match op {
            CondOp::Eq => (isa::CondOp::Eq, Some(isa::CondOp::Ne)),
            CondOp::Gt => (isa::CondOp::Gt, Some(isa::CondOp::Le)),
            CondOp::Ge => (isa::CondOp::Ge, Some(isa::CondOp::Lt)),
            CondOp::Set => (isa::CondOp::Set, None),
        };
        let cond = |op| isa::Insn::JumpIf { width: Width::W32, op, dst: A, src, off: 0 };
        match inverse {
            Some(inverse) if jt == 0 => self.jump_to(cond(inverse), target(pc, jf)),
            _ => {
                self.jump_to(cond(op), target(pc, jt));
                self.jump(pc, jf);
            }
        }
        self.reach(target(pc, jt));
        self.reach(target(pc, jf));
    }

    fn ret_k(&mut self, k: u32) {
        match self.target.verdict() {
            None => self.alu(isa::AluOp::Mov, A, imm(k)),
            Some(Verdict { accept, reject }) => {
                let value = if k == 0 { reject } else { accept };
                self.alu(isa::AluOp::Mov, A, isa::Src::Imm(value));
            }
        }
        self.push(isa::Insn::Exit);
    }

    fn ret_a(&mut self) {
        if let Some(Verdict { accept, .. }) = self.target.verdict() {
            self.unless(isa::CondOp::Ne, A, isa::Src::Imm(0), Width::W32);
            self.alu(isa::AluOp::Mov, A, isa::Src::Imm(accept));
        }
        self.push(isa::Insn::Exit);
    }

    /// Rejects the packet unless the condition holds. The way out stands here and not at one place
    /// at the end, which might be too far for a conditional jump.
    fn unless(&mut self, op: isa::CondOp, dst: isa::Reg, src: isa::Src, width: Width) {
        self.push(isa::Insn::JumpIf { width, op, dst, src, off: 2 });
        self.reject();
    }

    fn reject(&mut self) {
        let value = self.target.verdict().map_or(0, |verdict| verdict.reject);
        self.alu(isa::AluOp::Mov, A, isa::Src::Imm(value));
        self.push(isa::Insn::Exit);
    }

    const fn host(&self, reg: Reg) -> isa::Reg {
        match reg {
            Reg::A => A,
            Reg::X => self.regs.x,
        }
    }

    const fn operand(&self, src: insn::Src) -> isa::Src {
        match src {
            insn::Src::K(k) => imm(k),
            insn::Src::X => isa::Src::Reg(self.regs.x),
        }
    }

    /// An operand of which each bit stands by itself.
    fn bits(&self, pc: usize, src: insn::Src) -> isa::Src {
        match src {
            insn::Src::K(k) => imm(self.operands.constant(pc, k)),
            insn::Src::X => self.operand(src),
        }
    }

    fn alu(&mut self, op: isa::AluOp, dst: isa::Reg, src: isa::Src) {
        self.push(isa::Insn::Alu { width: Width::W32, op, dst, src });
    }

    /// A move of 64 bits, for pointers.
    fn mov(&mut self, dst: isa::Reg, src: isa::Reg) {
        let (width, op) = (Width::W64, isa::AluOp::Mov);
        self.push(isa::Insn::Alu { width, op, dst, src: isa::Src::Reg(src) });
    }

    fn push(&mut self, insn: isa::Insn) {
        self.out.push(insn);
    }

    fn reach(&mut self, pc: usize) {
        if let Some(reached) = self.reached.get_mut(pc) {
            *reached = true;
        }
    }

    fn jump_to(&mut self, jump: isa::Insn, to: usize) {
        let at = self.out.push(jump);
        self.jumps.push((at, to));
    }

    /// Gives all jumps their offsets.
    fn resolve(&mut self) {
        for (at, to) in core::mem::take(&mut self.jumps) {
            let to = self.start.get(to).expect("bug: a checked jump leaves the program");
            // Forward, past the jump itself.
            let slots = to.0.saturating_sub(at.0).saturating_sub(1);
            match self.out.get_mut(at) {
                Some(isa::Insn::JumpIf { off, .. }) => {
                    *off = i16::try_from(slots).expect("bug: 256 insns of 48 slots fit");
                }
                Some(jump) => {
                    *jump = match i16::try_from(slots) {
                        Ok(off) => isa::Insn::Jump { off },
                        Err(_) => isa::Insn::JumpLong { off: slots.cast_signed() },
                    };
                }
                None => {}
            }
        }
    }
}

const fn imm(k: u32) -> isa::Src {
    isa::Src::Imm(k.cast_signed())
}

/// Offset of a scratch cell from the frame pointer. The checker has seen that there are 16.
fn cell(k: u32) -> i16 {
    i16::try_from(k).map_or(0, |k| k.wrapping_add(1).wrapping_mul(-4))
}
