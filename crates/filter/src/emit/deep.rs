//! The walk along headers, as straight code with jumps inside; `crate::eval` says plainly what it does.

use super::alu;
use super::machine::Machine;
use super::state::State;
use crate::deep::{
    EXTENSION_STEPS, INNER_TAGS, LABELS, Level, NO_PLACE, NO_PROTO, Start, TAGS, ether, ip, ppp,
    tunnel,
};
use crate::form::Cell;
use skep_cbpf::{AluOp, CondOp, Insn, Reg, Size, Src};

/// A place in the code that jumps lead to; they all come before it.
#[derive(Clone, Copy)]
struct Label(usize);

/// Code whose jumps are not resolved yet.
#[derive(Default)]
struct Code {
    insns: Vec<Insn>,
    /// Jumps: where, the label, and whether it is the way of a test that fails.
    jumps: Vec<(usize, Label, bool)>,
    labels: Vec<usize>,
}

impl Code {
    fn label(&mut self) -> Label {
        self.labels.push(0);
        Label(self.labels.len() - 1)
    }

    fn place(&mut self, label: Label) {
        if let Some(place) = self.labels.get_mut(label.0) {
            *place = self.insns.len();
        }
    }

    fn push(&mut self, insn: Insn) {
        self.insns.push(insn);
    }

    fn goto(&mut self, label: Label) {
        self.jumps.push((self.insns.len(), label, false));
        self.push(Insn::Jump { k: 0 });
    }

    fn cond(&mut self, op: CondOp, k: u32, label: Label, unless: bool) {
        self.jumps.push((self.insns.len(), label, unless));
        self.push(Insn::JumpIf { op, src: Src::K(k), jt: 0, jf: 0 });
    }

    /// To the label if `A` is the number.
    fn equal(&mut self, k: u32, label: Label) {
        self.cond(CondOp::Eq, k, label, false);
    }

    /// To the label if `A` is not the number.
    fn unequal(&mut self, k: u32, label: Label) {
        self.cond(CondOp::Eq, k, label, true);
    }

    /// To the label if `A` has one of the bits.
    fn bits(&mut self, k: u32, label: Label) {
        self.cond(CondOp::Set, k, label, false);
    }

    fn imm(&mut self, k: u32) {
        self.push(Insn::LoadImm { reg: Reg::A, k });
    }

    fn at_x(&mut self, size: Size, k: u32) {
        self.push(Insn::LoadInd { size, k });
    }

    fn alu(&mut self, op: AluOp, k: u32) {
        self.push(alu(op, k));
    }

    fn add_x(&mut self) {
        self.push(Insn::Alu { op: AluOp::Add, src: Src::X });
    }

    /// `A` from the first byte of an IP header: its Ethernet type, or 0.
    fn version(&mut self) {
        self.alu(AluOp::And, 0xf0);
        self.either((0x40, ether::IP), (0x60, ether::IP6));
    }

    /// `A` one number for another, one of two; 0 for all others.
    fn either(&mut self, one: (u32, u32), other: (u32, u32)) {
        let (first, second, end) = (self.label(), self.label(), self.label());
        self.equal(one.0, first);
        self.equal(other.0, second);
        self.imm(0);
        self.goto(end);
        self.place(first);
        self.imm(one.1);
        self.goto(end);
        self.place(second);
        self.imm(other.1);
        self.place(end);
    }

    /// The instructions, jumps resolved. None is farther than a conditional jump leads.
    fn finish(mut self) -> Vec<Insn> {
        for &(at, label, unless) in &self.jumps {
            let to = self.labels.get(label.0).copied().unwrap_or(0);
            let off = to.checked_sub(at + 1).expect("bug: a jump leads back");
            match self.insns.get_mut(at) {
                Some(Insn::JumpIf { jt, jf, .. }) => {
                    let off = u8::try_from(off).expect("bug: a jump leads too far");
                    *(if unless { jf } else { jt }) = off;
                }
                Some(Insn::Jump { k }) => *k = u32::try_from(off).unwrap_or(u32::MAX),
                _ => {}
            }
        }
        self.insns
    }
}

impl Machine<'_> {
    fn run(&mut self, code: Code) {
        self.code.extend(code.finish());
        self.state = State::NOTHING;
    }

    fn store(&self, cell: Cell) -> Insn {
        Insn::Store { reg: Reg::A, k: self.slot(cell) }
    }

    fn fetch(&self, reg: Reg, cell: Cell) -> Insn {
        Insn::LoadMem { reg, k: self.slot(cell) }
    }

    /// With the Ethernet type in `A` and the place behind it in its cell: past VLAN tags.
    fn tags(&self, code: &mut Code, net: Cell, most: usize) {
        let out = code.label();
        for _ in 0..most {
            let tag = code.label();
            let [first, second, third] = ether::VLAN;
            code.equal(first, tag);
            code.equal(second, tag);
            code.unequal(third, out);
            code.place(tag);
            code.push(self.fetch(Reg::X, net));
            code.push(Insn::Txa);
            code.alu(AluOp::Add, 4);
            code.push(self.store(net));
            code.at_x(Size::H, 2);
        }
        code.place(out);
    }

    pub(super) fn outer(&mut self, start: Start, level: Level) {
        let mut code = Code::default();
        let (net, kind) = (level.net, level.kind);
        let at = match start {
            Start::Field { payload, .. } | Start::Ppp { payload, .. } => payload,
            Start::Version { at } => at,
        };
        code.imm(at);
        code.push(self.store(net));
        match start {
            Start::Field { kind, .. } => {
                code.push(Insn::LoadAbs { size: Size::H, k: kind });
                self.tags(&mut code, net, TAGS);
            }
            Start::Ppp { kind, .. } => {
                code.push(Insn::LoadAbs { size: Size::H, k: kind });
                code.either((ppp::IP, ether::IP), (ppp::IP6, ether::IP6));
            }
            Start::Version { at } => {
                code.push(Insn::LoadAbs { size: Size::B, k: at });
                code.version();
            }
        }
        if matches!(start, Start::Field { .. }) {
            self.labels_and_sessions(&mut code, net);
        }
        code.push(self.store(kind));
        self.run(code);
    }

    /// With the Ethernet type in `A`: past MPLS labels, or a PPPoE session.
    fn labels_and_sessions(&self, code: &mut Code, net: Cell) {
        let (mpls, pppoe, done) = (code.label(), code.label(), code.label());
        code.equal(ether::MPLS[0], mpls);
        code.equal(ether::MPLS[1], mpls);
        code.equal(ether::PPPOE, pppoe);
        code.goto(done);
        code.place(mpls);
        code.push(self.fetch(Reg::X, net));
        let last: Vec<Label> = (0..LABELS).map(|_| code.label()).collect();
        let mut places = (0u32..).step_by(4);
        for &label in &last {
            code.at_x(Size::B, places.next().unwrap_or(0) + 2);
            code.bits(1, label);
        }
        code.push(Insn::Txa);
        code.alu(AluOp::Add, places.next().unwrap_or(0));
        code.push(self.store(net));
        code.imm(0);
        code.goto(done);
        let version = code.label();
        for (&label, behind) in last.iter().zip((4u32..).step_by(4)) {
            code.place(label);
            code.imm(behind);
            code.goto(version);
        }
        code.place(version);
        code.add_x();
        code.push(self.store(net));
        code.push(Insn::Tax);
        code.at_x(Size::B, 0);
        code.version();
        code.goto(done);
        code.place(pppoe);
        code.push(self.fetch(Reg::X, net));
        code.push(Insn::Txa);
        code.alu(AluOp::Add, 8);
        code.push(self.store(net));
        code.at_x(Size::H, 6);
        code.either((ppp::IP, ether::IP), (ppp::IP6, ether::IP6));
        code.place(done);
    }

    pub(super) fn transport(&mut self, level: Level) {
        let mut code = Code::default();
        let (ip4, ip6, nowhere, end) = (code.label(), code.label(), code.label(), code.label());
        let (proto, at) = (self.store(level.proto), self.store(level.at));
        code.push(self.fetch(Reg::A, level.kind));
        code.equal(ether::IP, ip4);
        code.equal(ether::IP6, ip6);
        code.imm(NO_PROTO);
        code.push(proto);
        code.imm(NO_PLACE);
        code.push(at);
        code.goto(end);
        code.place(ip4);
        code.push(self.fetch(Reg::X, level.net));
        code.at_x(Size::B, 9);
        code.push(proto);
        code.at_x(Size::H, 6);
        let later = code.label();
        code.bits(0x1fff, later);
        code.at_x(Size::B, 0);
        code.alu(AluOp::And, 15);
        code.alu(AluOp::Lsh, 2);
        code.add_x();
        code.push(at);
        code.goto(end);
        code.place(later);
        code.goto(nowhere);
        code.place(ip6);
        self.extensions(&mut code, level, nowhere);
        code.push(proto);
        code.goto(end);
        code.place(nowhere);
        code.imm(NO_PLACE);
        code.push(at);
        code.place(end);
        self.run(code);
    }

    /// Leaves in `A` what IPv6 carries behind its extension headers.
    fn extensions(&self, code: &mut Code, level: Level, nowhere: Label) {
        let (out, later) = (code.label(), code.label());
        let (x, store) = (self.fetch(Reg::X, level.at), self.store(level.at));
        code.push(self.fetch(Reg::X, level.net));
        code.push(Insn::Txa);
        code.alu(AluOp::Add, 40);
        code.push(store);
        code.at_x(Size::B, 6);
        for _ in 0..EXTENSION_STEPS {
            let (options, auth, fragment, next) =
                (code.label(), code.label(), code.label(), code.label());
            for kind in [ip::HOP_BY_HOP, ip::ROUTING, ip::OPTIONS] {
                code.equal(kind, options);
            }
            code.equal(ip::FRAGMENT, fragment);
            code.unequal(ip::AH, out);
            code.place(auth);
            for (label, words, shift) in [(None, 2, 2), (Some(options), 1, 3)] {
                if let Some(label) = label {
                    code.place(label);
                }
                code.push(x);
                code.at_x(Size::B, 1);
                code.alu(AluOp::Add, words);
                code.alu(AluOp::Lsh, shift);
                code.add_x();
                code.push(store);
                code.at_x(Size::B, 0);
                code.goto(next);
            }
            code.place(fragment);
            code.push(x);
            code.at_x(Size::H, 2);
            code.bits(0xfff8, later);
            code.push(Insn::Txa);
            code.alu(AluOp::Add, 8);
            code.push(store);
            code.at_x(Size::B, 0);
            code.place(next);
        }
        code.goto(out);
        code.place(later);
        code.at_x(Size::B, 0);
        code.push(self.store(level.proto));
        code.goto(nowhere);
        code.place(out);
    }

    pub(super) fn inner(&mut self, from: Level, to: Level) {
        let mut code = Code::default();
        let (none, end, bridged, typed) = (code.label(), code.label(), code.label(), code.label());
        let (gre, udp, ipip, ip6) = (code.label(), code.label(), code.label(), code.label());
        let (kind, net) = (self.store(to.kind), self.store(to.net));
        code.push(self.fetch(Reg::A, from.at));
        code.equal(NO_PLACE, none);
        code.push(Insn::Tax);
        code.push(self.fetch(Reg::A, from.proto));
        code.equal(ip::GRE, gre);
        code.equal(ip::UDP, udp);
        code.equal(ip::IPIP, ipip);
        code.equal(ip::IP6_IN, ip6);
        code.goto(none);
        for (label, what) in [(ipip, ether::IP), (ip6, ether::IP6)] {
            code.place(label);
            code.imm(what);
            code.push(kind);
            code.push(Insn::Txa);
            code.push(net);
            code.goto(end);
        }
        code.place(gre);
        self.gre(&mut code, from, to, none);
        code.goto(typed);
        code.place(udp);
        let (vxlan, geneve) = (code.label(), code.label());
        code.at_x(Size::H, 2);
        code.equal(tunnel::VXLAN, vxlan);
        code.equal(tunnel::GENEVE, geneve);
        code.goto(none);
        code.place(vxlan);
        code.at_x(Size::B, 8);
        let has_number = code.label();
        code.bits(0x08, has_number);
        code.goto(none);
        code.place(has_number);
        code.push(Insn::Txa);
        code.alu(AluOp::Add, 16);
        code.push(net);
        code.goto(bridged);
        code.place(geneve);
        code.at_x(Size::B, 8);
        code.bits(0xc0, none);
        code.alu(AluOp::Lsh, 2);
        code.alu(AluOp::Add, 16);
        code.add_x();
        code.push(net);
        code.at_x(Size::H, 10);
        code.place(typed);
        code.equal(ether::BRIDGED, bridged);
        code.push(kind);
        code.goto(end);
        code.place(bridged);
        code.push(self.fetch(Reg::X, to.net));
        code.push(Insn::Txa);
        code.alu(AluOp::Add, 14);
        code.push(net);
        code.at_x(Size::H, 12);
        self.tags(&mut code, to.net, INNER_TAGS);
        code.push(kind);
        code.goto(end);
        code.place(none);
        code.imm(0);
        code.push(kind);
        code.push(net);
        code.place(end);
        self.run(code);
    }

    /// Leaves the type of what GRE carries in `A`, and its place in the cell.
    fn gre(&self, code: &mut Code, from: Level, to: Level, none: Label) {
        code.at_x(Size::H, 0);
        code.bits(tunnel::GRE_UNKNOWN, none);
        // The flags, while the header is measured.
        code.push(self.store(to.kind));
        code.push(Insn::Txa);
        code.alu(AluOp::Add, 4);
        code.push(self.store(to.net));
        for bit in [0x8000, 0x2000, 0x1000] {
            let without = code.label();
            code.push(self.fetch(Reg::A, to.kind));
            let with = code.label();
            code.bits(bit, with);
            code.goto(without);
            code.place(with);
            code.push(self.fetch(Reg::A, to.net));
            code.alu(AluOp::Add, 4);
            code.push(self.store(to.net));
            code.place(without);
        }
        code.push(self.fetch(Reg::X, from.at));
        code.at_x(Size::H, 2);
    }

    pub(super) fn payload(&mut self, level: Level, to: Cell) {
        let mut code = Code::default();
        let (tcp, udp, inside, end) = (code.label(), code.label(), code.label(), code.label());
        code.push(self.fetch(Reg::A, level.at));
        code.equal(NO_PLACE, inside);
        code.push(Insn::Tax);
        code.push(self.fetch(Reg::A, level.proto));
        code.equal(ip::TCP, tcp);
        code.equal(ip::UDP, udp);
        code.push(Insn::Txa);
        code.goto(inside);
        code.place(udp);
        code.push(Insn::Txa);
        code.alu(AluOp::Add, 8);
        code.goto(inside);
        code.place(tcp);
        code.at_x(Size::B, 12);
        code.alu(AluOp::Rsh, 4);
        code.alu(AluOp::Lsh, 2);
        code.add_x();
        code.place(inside);
        // Not behind the end.
        code.push(Insn::LoadLen { reg: Reg::X });
        code.jumps.push((code.insns.len(), end, true));
        code.push(Insn::JumpIf { op: CondOp::Gt, src: Src::X, jt: 0, jf: 0 });
        code.push(Insn::Txa);
        code.place(end);
        code.push(self.store(to));
        self.run(code);
    }
}
