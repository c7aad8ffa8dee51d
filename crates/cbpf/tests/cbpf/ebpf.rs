//! Runs translations: a second opinion on them where there is no kernel.
//!
//! Knows only the instructions that translations consist of, and panics on any other and on any
//! access that Linux's verifier would have rejected.

use skep_cbpf::{Packet, Target};
use skep_isa::{AluOp, Call, CondOp, Insn, Insns, Pc, Reg, Size, Src, Swap, Width};

const CTX: u64 = 1 << 40;
const DATA: u64 = 2 << 40;
/// The end of the stack, which lies below.
const STACK: u64 = (3 << 40) + STACK_LEN as u64;
const STACK_LEN: usize = 512;

pub(crate) struct Machine<'p> {
    target: Target,
    packet: &'p Packet<'p>,
    regs: [Option<u64>; 11],
    stack: [Option<u8>; STACK_LEN],
}

impl<'p> Machine<'p> {
    /// The result of a program.
    pub(crate) fn run(insns: &Insns, target: Target, packet: &'p Packet<'p>) -> u32 {
        let mut this = Self { target, packet, regs: [None; 11], stack: [None; STACK_LEN] };
        this.set(Reg::R1, CTX);
        this.set(Reg::FP, STACK);
        let mut pc = Pc(0);
        loop {
            let insn = *insns.get(pc).expect("a jump out of the program");
            let off = match insn {
                Insn::JumpIf { width, op, dst, src, off } if this.holds(width, op, dst, src) => {
                    off.into()
                }
                Insn::JumpIf { .. } => 0,
                Insn::Jump { off } => off.into(),
                Insn::JumpLong { off } => off,
                Insn::Exit => return low(this.get(Reg::R0)),
                insn => match this.step(insn) {
                    Some(()) => 0,
                    None => return 0,
                },
            };
            assert!(off >= 0, "backward jump");
            pc = pc.jump(off).unwrap();
        }
    }

    /// `None` ends the program with 0.
    fn step(&mut self, insn: Insn) -> Option<()> {
        match insn {
            Insn::Alu { width, op, dst, src } => {
                let (src, old) = (self.src(src), self.regs[usize::from(dst.num())]);
                let value = if op == AluOp::Mov { src } else { alu(width, op, old.unwrap(), src) };
                self.set(dst, if width == Width::W32 { low(value).into() } else { value });
            }
            Insn::Neg { width: Width::W32, dst } => {
                let value = low(self.get(dst)).wrapping_neg();
                self.set(dst, value.into());
            }
            Insn::Swap { kind: Swap::Be, size, dst } => {
                let bytes = self.get(dst).to_be_bytes();
                let all = u64::from_le_bytes(bytes);
                self.set(dst, all >> (64 - size.bits()));
            }
            Insn::LoadAbs { size, imm } => self.legacy(size, imm.cast_unsigned())?,
            Insn::LoadInd { size, src, imm } => {
                let at = low(self.get(src)).wrapping_add(imm.cast_unsigned());
                self.legacy(size, at)?;
            }
            Insn::Load { size, dst, base, off } => {
                let value = self.load(size, self.get(base).wrapping_add_signed(off.into()));
                self.set(dst, value);
            }
            Insn::Store { size, base: Reg::FP, off, src } => {
                let value = self.src(src).to_le_bytes();
                let at = place(STACK.wrapping_add_signed(off.into()));
                assert_eq!(at % usize::from(size.bytes()), 0, "stack offset {off}");
                for (to, byte) in self.stack[at..].iter_mut().zip(value).take(size.bytes().into()) {
                    *to = Some(byte);
                }
            }
            Insn::Call(Call::Helper(26)) => {
                let status = self.load_bytes();
                self.regs[1..6].fill(None);
                self.set(Reg::R0, status);
            }
            Insn::Call(Call::Helper(number)) => {
                self.regs[1..6].fill(None);
                self.set(
                    Reg::R0,
                    match number {
                        7 => self.packet.meta.random.into(),
                        8 => self.packet.meta.cpu.into(),
                        _ => panic!("helper {number}"),
                    },
                );
            }
            insn => panic!("{insn:?} in a translation"),
        }
        Some(())
    }

    /// `LD_ABS` and `LD_IND`: the kernel's own loads.
    fn legacy(&mut self, size: Size, at: u32) -> Option<()> {
        assert_eq!(self.get(Reg::R6), CTX);
        let base = match at {
            0..=0x7fff_ffff => self.packet.data as u64 + u64::from(at),
            0xfff0_0000.. => self.packet.network as u64 + u64::from(at - 0xfff0_0000),
            0xffe0_0000.. => self.packet.link? as u64 + u64::from(at - 0xffe0_0000),
            _ => return None,
        };
        self.regs[1..6].fill(None);
        let bytes = self.packet.bytes.get(usize::try_from(base).unwrap()..)?;
        let bytes = bytes.get(..usize::from(size.bytes()))?;
        self.set(Reg::R0, bytes.iter().fold(0, |n, &byte| n << 8 | u64::from(byte)));
        Some(())
    }

    /// `bpf_skb_load_bytes(ctx, off, to, len)`: the verifier wants a length that is not 0.
    fn load_bytes(&mut self) -> u64 {
        let [ctx, off, to, len] = [1, 2, 3, 4].map(|n| self.regs[n].expect("an argument"));
        assert_eq!((ctx, off), (CTX, 0));
        let len = usize::try_from(len).unwrap();
        assert!(len > 0, "nothing to load");
        let is_whole = self.packet.bytes.len() >= self.packet.data + len;
        let stack = &mut self.stack[place(to)..][..len];
        for (at, byte) in stack.iter_mut().enumerate() {
            *byte = Some(if is_whole { self.packet.bytes[self.packet.data + at] } else { 0 });
        }
        if is_whole { 0 } else { u64::MAX }
    }

    fn load(&self, size: Size, at: u64) -> u64 {
        match at >> 40 {
            1 => {
                assert_eq!(size, Size::W, "context fields are words");
                self.field(at - CTX)
            }
            2 => {
                let at = usize::try_from(at - DATA).unwrap();
                let bytes = &self.packet.bytes[at..at + usize::from(size.bytes())];
                bytes.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte))
            }
            _ => {
                assert_eq!(at % u64::from(size.bytes()), 0, "the stack at {at:#x}");
                let bytes = self.stack[place(at)..][..usize::from(size.bytes())].iter().rev();
                bytes.fold(0, |n, byte| n << 8 | u64::from(byte.expect("memory that was written")))
            }
        }
    }

    /// Fields of `struct xdp_md` and `struct __sk_buff`.
    fn field(&self, off: u64) -> u64 {
        let (packet, meta) = (self.packet, &self.packet.meta);
        let (data, end) = (DATA, DATA + packet.bytes.len() as u64);
        let index = meta.device.map_or(0, |device| device.index);
        let be = |half: u16| u64::from(half.swap_bytes());
        match (self.target, off) {
            (Target::Xdp(_), 0) | (Target::Tc(_), 76) => data,
            (Target::Xdp(_), 4) | (Target::Tc(_), 80) => end,
            (Target::Xdp(_), 12) => index.into(),
            (Target::Xdp(_), _) => panic!("field {off} of xdp_md"),
            (_, 0) => packet.len.into(),
            (_, 4) => (meta.pkt_type & 7).into(),
            (_, 8) => meta.mark.into(),
            (_, 12) => meta.queue.into(),
            (_, 16) => be(meta.protocol),
            (_, 20) => packet.has_vlan_tag().into(),
            (_, 24) => meta.vlan_tci.into(),
            (_, 28) => be(meta.vlan_proto),
            (_, 40) => index.into(),
            (_, 68) => meta.hash.into(),
            _ => panic!("field {off} of __sk_buff"),
        }
    }

    fn holds(&self, width: Width, op: CondOp, dst: Reg, src: Src) -> bool {
        let (mut a, mut b) = (self.get(dst), self.src(src));
        if width == Width::W32 {
            (a, b) = (low(a).into(), low(b).into());
        }
        match op {
            CondOp::Eq => a == b,
            CondOp::Ne => a != b,
            CondOp::Gt => a > b,
            CondOp::Ge => a >= b,
            CondOp::Lt => a < b,
            CondOp::Le => a <= b,
            CondOp::Set => a & b != 0,
            CondOp::SGe => low(a).cast_signed() >= low(b).cast_signed(),
            op => panic!("{op:?} in a translation"),
        }
    }

    fn src(&self, src: Src) -> u64 {
        match src {
            Src::Reg(reg) => self.get(reg),
            Src::Imm(imm) => i64::from(imm).cast_unsigned(),
        }
    }

    #[track_caller]
    fn get(&self, reg: Reg) -> u64 {
        self.regs[usize::from(reg.num())].unwrap_or_else(|| panic!("{reg} was not written"))
    }

    fn set(&mut self, reg: Reg, value: u64) {
        self.regs[usize::from(reg.num())] = Some(value);
    }
}

fn alu(width: Width, op: AluOp, a: u64, b: u64) -> u64 {
    if width == Width::W64 {
        return match op {
            AluOp::Add => a.wrapping_add(b),
            AluOp::Sub => a.wrapping_sub(b),
            op => panic!("64-bit {op:?} in a translation"),
        };
    }
    let (a, b) = (low(a), low(b));
    let value = match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Div => a / b,
        AluOp::Mod => a % b,
        AluOp::And => a & b,
        AluOp::Or => a | b,
        AluOp::Xor => a ^ b,
        AluOp::Lsh => a << (b & 31),
        AluOp::Rsh => a >> (b & 31),
        op => panic!("{op:?} in a translation"),
    };
    value.into()
}

fn low(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap()
}

/// Which byte of the stack an address is of.
fn place(at: u64) -> usize {
    let below = STACK.checked_sub(at).expect("an address of the stack");
    STACK_LEN.checked_sub(usize::try_from(below).unwrap()).expect("an address of the stack")
}
