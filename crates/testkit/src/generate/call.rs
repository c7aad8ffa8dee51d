//! Calls of functions and helpers.

use super::{
    Body, Generator, HASH, HASH_VALUE, KEY, POINTER, PROGS, STACK, TAILS, VALUE, VALUES, WORK,
};
use rand::Rng;
use skep_abi::ProgType;
use skep_isa::{AluOp, Call, CondOp, ImmSrc, Insn, Reg, Size, Src, Width};

/// Functions inside each other.
const DEPTH: u32 = 3;
/// r1 to r5, which a call leaves undefined.
const ARGS: [Reg; 5] = [Reg::R1, Reg::R2, Reg::R3, Reg::R4, Reg::R5];

/// How a function is come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    Directly,
    ByLoop,
    ForEach,
}

impl Generator {
    /// Whether statements here may change r0 to r5.
    pub(super) fn may_call(&self, body: &Body) -> bool {
        body.frozen.iter().all(|&reg| reg > Reg::R5)
    }

    /// A call of a function of its own: r1 is the map value, r2 to r5 are numbers.
    pub(super) fn call(&mut self, body: &mut Body) {
        if !self.may_call(body) || body.depth >= DEPTH || self.calls_left == 0 {
            return self.compute(body);
        }
        let func = self.function(body.depth + 1, Called::Directly);
        body.code.mov(Reg::R1, Reg::R9);
        body.code.push_ref(Insn::Call(Call::Local(0)), func);
        self.after_call(body);
    }

    /// `bpf_loop` over a function of its own, which gets the map value by way of the stack.
    pub(super) fn callback(&mut self, body: &mut Body) {
        if !self.may_call(body) || body.depth >= DEPTH || self.calls_left == 0 {
            return self.compute(body);
        }
        let func = self.function(body.depth + 1, Called::ByLoop);
        let times = self.rng.random_range(0..6);
        body.code.set(Reg::R1, times);
        let imm = ImmSrc::Func(0);
        body.code.push_ref(Insn::LoadImm { dst: Reg::R2, imm }, func);
        let (size, src) = (Size::Dw, Src::Reg(Reg::R9));
        body.code.push(Insn::Store { size, base: Reg::FP, off: POINTER, src });
        body.code.mov(Reg::R3, Reg::FP);
        body.code.alu(AluOp::Add, Reg::R3, Src::Imm(POINTER.into()));
        body.code.set(Reg::R4, 0);
        body.code.push(Insn::Call(Call::Helper(181)));
        self.after_call(body);
    }

    /// `bpf_for_each_map_elem` over the entries of the array, each of which is the map value of the
    /// function.
    pub(super) fn each(&mut self, body: &mut Body) {
        if !self.may_call(body) || body.depth >= DEPTH || self.calls_left == 0 {
            return self.compute(body);
        }
        let func = self.function(body.depth + 1, Called::ForEach);
        body.code.push(Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::MapIdx(VALUES) });
        let imm = ImmSrc::Func(0);
        body.code.push_ref(Insn::LoadImm { dst: Reg::R2, imm }, func);
        body.code.set(Reg::R3, 0);
        let flags = i32::from(self.rng.random_bool(0.1));
        body.code.set(Reg::R4, flags);
        body.code.push(Insn::Call(Call::Helper(164)));
        self.count(body, Reg::R0);
        self.after_call(body);
    }

    /// Goes on with another program; one index is beyond the last of them, one beyond the map.
    pub(super) fn tail_call(&mut self, body: &mut Body) {
        if !self.may_call(body) {
            return self.compute(body);
        }
        self.tails += 1;
        let index = if self.rng.random_bool(0.5) {
            self.rng.random_range(0..=TAILS.cast_signed() + 1)
        } else {
            let number = self.number(body);
            body.code.mov(Reg::R3, number);
            body.code.alu(AluOp::And, Reg::R3, Src::Imm(3));
            -1
        };
        if index >= 0 {
            body.code.set(Reg::R3, index);
        }
        body.code.mov(Reg::R1, Reg::R6);
        body.code.push(Insn::LoadImm { dst: Reg::R2, imm: ImmSrc::MapIdx(PROGS) });
        body.code.push(Insn::Call(Call::Helper(12)));
        let imm = self.imm();
        body.code.set(Reg::R0, imm);
        if body.packet {
            self.find_packet(body);
        }
        self.after_call(body);
    }

    /// `bpf_probe_read_kernel` to stack or map value, from the other of them, from the packet, or from where there is nothing.
    fn probe(&mut self, body: &mut Body) {
        let size = self.rng.random_range(1..=40);
        let within = |this: &mut Self, len: i16| this.rng.random_range(0..=len - size);
        let to_stack = self.rng.random_bool(0.5);
        let (base, off) = if to_stack {
            (Reg::FP, within(self, STACK) - STACK)
        } else {
            (Reg::R9, within(self, WORK))
        };
        body.code.mov(Reg::R1, base);
        body.code.alu(AluOp::Add, Reg::R1, Src::Imm(off.into()));
        let (from, off) = match self.rng.random_range(0..5) {
            0 => (None, 0),
            1..3 if body.packet => (Some(Reg::R8), within(self, 64)),
            // Not from and to the same memory, where the kernel copies word by word.
            _ if to_stack => (Some(Reg::R9), within(self, WORK)),
            _ => (Some(Reg::FP), within(self, STACK) - STACK),
        };
        let number = self.number_but(body, &[Reg::R1]).unwrap_or(Reg::R0);
        body.code.mov(Reg::R3, from.unwrap_or(number));
        if from.is_some() {
            body.code.alu(AluOp::Add, Reg::R3, Src::Imm(off.into()));
        } else {
            // In the first page; what the kernel calls that error depends on the processor.
            body.code.alu(AluOp::And, Reg::R3, Src::Imm(0xfff));
        }
        body.code.set(Reg::R2, size.into());
        body.code.push(Insn::Call(Call::Helper(113)));
        match from {
            Some(_) => self.count(body, Reg::R0),
            None => body.code.set(Reg::R0, 0),
        }
        self.after_call(body);
    }

    /// Makes a function and returns its index.
    fn function(&mut self, depth: u32, called: Called) -> usize {
        self.calls_left -= 1;
        let index = self.funcs.len();
        self.funcs.push(super::Code::default());
        let mut body = Body::new(0..9, false, depth);
        match called {
            Called::ByLoop => {
                let (size, dst, base) = (Size::Dw, Reg::R9, Reg::R2);
                body.code.push(Insn::Load { size, dst, base, off: 0 });
            }
            Called::ForEach => body.code.mov(Reg::R9, Reg::R3),
            Called::Directly => {
                body.code.mov(Reg::R9, Reg::R1);
                // Numbers of the caller.
                body.code.mov(Reg::R6, Reg::R2);
                body.code.alu(AluOp::Xor, Reg::R6, Src::Reg(Reg::R5));
            }
        }
        self.init_stack(&mut body);
        for reg in body.numbers.clone() {
            let given = match reg.num() {
                1 => called == Called::ByLoop,
                2..=6 => called == Called::Directly,
                _ => false,
            };
            if !given {
                let imm = self.imm();
                body.code.set(reg, imm);
            }
        }
        let count = self.rng.random_range(1..6);
        self.statements(&mut body, count);
        if called != Called::Directly {
            let result = self.number(&body);
            body.code.mov(Reg::R0, result);
            body.code.alu(AluOp::And, Reg::R0, Src::Imm(1));
        }
        body.code.push(Insn::Exit);
        self.funcs[index] = body.code;
        index
    }

    /// Gives r1 to r5 numbers again.
    pub(super) fn after_call(&mut self, body: &mut Body) {
        let kept: Vec<Reg> =
            body.numbers.iter().copied().filter(|reg| !ARGS.contains(reg)).collect();
        for dst in ARGS {
            if self.rng.random_bool(0.5) {
                let src = self.pick(&kept);
                body.code.mov(dst, src);
            } else {
                let imm = self.imm();
                body.code.set(dst, imm);
            }
        }
    }

    /// A call of a helper whose result only program and maps decide.
    pub(super) fn helper(&mut self, body: &mut Body) {
        if !self.may_call(body) {
            return self.compute(body);
        }
        match self.rng.random_range(0..17) {
            14.. => self.probe(body),
            10.. => self.text(body),
            0..4 => self.map_update(body),
            4..6 => self.map_call(body, 3),
            6..8 => self.map_lookup(body),
            8 if self.prog_type != ProgType::SocketFilter => self.csum_diff(body),
            // The CPU's number; runs are on the first.
            _ => {
                body.code.push(Insn::Call(Call::Helper(8)));
            }
        }
        self.after_call(body);
    }

    /// Stores one of few keys at its place.
    fn key(&mut self, body: &mut Body) {
        let (size, base, off) = (Size::Dw, Reg::FP, KEY);
        let key = self.number(body);
        body.code.mov(Reg::R0, key);
        body.code.alu(AluOp::And, Reg::R0, Src::Imm(7));
        body.code.push(Insn::Store { size, base, off, src: Src::Reg(Reg::R0) });
    }

    /// A helper that takes map and key.
    fn map_call(&mut self, body: &mut Body, helper: i32) {
        self.key(body);
        body.code.push(Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::MapIdx(HASH) });
        body.code.mov(Reg::R2, Reg::FP);
        body.code.alu(AluOp::Add, Reg::R2, Src::Imm(KEY.into()));
        body.code.push(Insn::Call(Call::Helper(helper)));
    }

    fn map_update(&mut self, body: &mut Body) {
        for off in [VALUE, VALUE + 8] {
            let src = Src::Reg(self.number(body));
            body.code.push(Insn::Store { size: Size::Dw, base: Reg::FP, off, src });
        }
        self.key(body);
        body.code.push(Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::MapIdx(HASH) });
        body.code.mov(Reg::R2, Reg::FP);
        body.code.alu(AluOp::Add, Reg::R2, Src::Imm(KEY.into()));
        body.code.mov(Reg::R3, Reg::FP);
        body.code.alu(AluOp::Add, Reg::R3, Src::Imm(VALUE.into()));
        let flags = self.rng.random_range(0..4);
        body.code.set(Reg::R4, flags);
        body.code.push(Insn::Call(Call::Helper(2)));
    }

    /// Looks an entry up, and adds to it.
    fn map_lookup(&mut self, body: &mut Body) {
        self.map_call(body, 1);
        let (width, op, src) = (Width::W64, CondOp::Eq, Src::Imm(0));
        let jump = body.code.push(Insn::JumpIf { width, op, dst: Reg::R0, src, off: 0 });
        let size = self.size();
        let (dst, base) = (Reg::R1, Reg::R0);
        let off = self.rng.random_range(0..=HASH_VALUE - i16::from(size.bytes()));
        body.code.push(Insn::Load { size, dst, base, off });
        let imm = self.imm();
        body.code.alu(AluOp::Add, dst, Src::Imm(imm));
        body.code.push(Insn::Store { size, base, off, src: Src::Reg(dst) });
        let result = self.imm();
        body.code.land(jump);
        body.code.set(Reg::R0, result);
    }

    /// `bpf_csum_diff` of two parts of the stack.
    fn csum_diff(&mut self, body: &mut Body) {
        let seed = self.number(body);
        body.code.mov(Reg::R5, seed);
        for (pointer, len) in [(Reg::R1, Reg::R2), (Reg::R3, Reg::R4)] {
            let words = self.rng.random_range(1..=4);
            let most = STACK / 4 - words;
            let off = -STACK + 4 * self.rng.random_range(0..=most);
            body.code.mov(pointer, Reg::FP);
            body.code.alu(AluOp::Add, pointer, Src::Imm(off.into()));
            body.code.set(len, (4 * words).into());
        }
        body.code.push(Insn::Call(Call::Helper(28)));
    }
}
