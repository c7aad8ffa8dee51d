//! The interpreter.

mod netlink;
mod payload;

use crate::check::{MEM_CELLS, Program, target};
use crate::insn::{Ancillary, CondOp, Insn, Reg, Src};
use crate::packet::Packet;

impl Program {
    /// Runs the program: how many bytes of the packet to keep, 0 to drop it.
    ///
    /// A load beyond the bytes at hand and a division by `X = 0` end the run with 0. Shifts count
    /// modulo 32.
    ///
    /// Kernel: `bpf_convert_filter`, which defines what each instruction means today.
    #[must_use]
    pub fn run(&self, packet: &Packet<'_>) -> u32 {
        let mut machine = Machine {
            a: 0,
            x: 0,
            mem: [0; MEM_CELLS as usize],
            random: packet.meta.random,
            packet,
        };
        let mut pc = 0;
        while let Some(&insn) = self.insns().get(pc) {
            match machine.step(insn) {
                Some(Next::Skip(off)) => pc = target(pc, off),
                Some(Next::Return(value)) => return value,
                None => return 0,
            }
        }
        // Not reached by a checked program, whose last instruction returns.
        0
    }
}

struct Machine<'p> {
    a: u32,
    x: u32,
    mem: [u32; MEM_CELLS as usize],
    random: u32,
    packet: &'p Packet<'p>,
}

/// What follows an instruction.
enum Next {
    /// The instruction after so many others.
    Skip(u32),
    Return(u32),
}

impl Machine<'_> {
    /// One instruction; `None` rejects the packet.
    fn step(&mut self, insn: Insn) -> Option<Next> {
        match insn {
            Insn::LoadAbs { size, k } => self.a = self.packet.load(size, k)?,
            Insn::LoadInd { size, k } => {
                self.a = self.packet.load(size, self.x.wrapping_add(k))?;
            }
            Insn::LoadAnc { anc, .. } => return Some(self.ancillary(anc)),
            Insn::LoadLen { reg } => *self.reg(reg) = self.packet.len,
            Insn::LoadImm { reg, k } => *self.reg(reg) = k,
            Insn::LoadMem { reg, k } => {
                *self.reg(reg) = self.mem.get(k as usize).copied().unwrap_or(0);
            }
            Insn::LoadMsh { k } => {
                let byte = self.packet.load(crate::Size::B, k)?;
                self.x = (byte & 0xf) << 2;
            }
            Insn::Store { reg, k } => {
                let value = *self.reg(reg);
                if let Some(cell) = self.mem.get_mut(k as usize) {
                    *cell = value;
                }
            }
            Insn::Alu { op, src } => self.a = op.apply(self.a, self.src(src))?,
            Insn::Neg => self.a = self.a.wrapping_neg(),
            Insn::Jump { k } => return Some(Next::Skip(k)),
            Insn::JumpIf { op, src, jt, jf } => {
                let taken = cond(op, self.a, self.src(src));
                return Some(Next::Skip(if taken { jt } else { jf }.into()));
            }
            Insn::RetK { k } => return Some(Next::Return(k)),
            Insn::RetA => return Some(Next::Return(self.a)),
            Insn::Tax => self.x = self.a,
            Insn::Txa => self.a = self.x,
        }
        Some(Next::Skip(0))
    }

    const fn reg(&mut self, reg: Reg) -> &mut u32 {
        match reg {
            Reg::A => &mut self.a,
            Reg::X => &mut self.x,
        }
    }

    const fn src(&self, src: Src) -> u32 {
        match src {
            Src::K(k) => k,
            Src::X => self.x,
        }
    }

    /// Kernel: `convert_bpf_extensions`.
    fn ancillary(&mut self, anc: Ancillary) -> Next {
        let (packet, meta) = (self.packet, &self.packet.meta);
        self.a = match anc {
            Ancillary::Protocol => meta.protocol.into(),
            Ancillary::PktType => (meta.pkt_type & 7).into(),
            Ancillary::IfIndex | Ancillary::HaType => match meta.device {
                Some(device) if anc == Ancillary::IfIndex => device.index,
                Some(device) => device.hardware.into(),
                // The kernel returns on a packet without interface, and A with it.
                None => return Next::Return(self.a),
            },
            Ancillary::Nlattr => netlink::find(packet, self.a, self.x),
            Ancillary::NlattrNest => netlink::find_nested(packet, self.a, self.x),
            Ancillary::Mark => meta.mark,
            Ancillary::Queue => meta.queue.into(),
            Ancillary::RxHash => meta.hash,
            Ancillary::Cpu => meta.cpu,
            Ancillary::AluXorX => self.a ^ self.x,
            Ancillary::VlanTag => meta.vlan_tci.into(),
            Ancillary::VlanTagPresent => packet.has_vlan_tag().into(),
            Ancillary::PayOffset => payload::offset(packet),
            Ancillary::Random => self.next_random(),
            Ancillary::VlanTpid => meta.vlan_proto.into(),
        };
        Next::Skip(0)
    }

    /// A linear congruential sequence (Numerical Recipes' constants): enough for sampling, and the
    /// same in every run.
    const fn next_random(&mut self) -> u32 {
        let this = self.random;
        self.random = this.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        this
    }
}

const fn cond(op: CondOp, a: u32, b: u32) -> bool {
    match op {
        CondOp::Eq => a == b,
        CondOp::Gt => a > b,
        CondOp::Ge => a >= b,
        CondOp::Set => a & b != 0,
    }
}
