//! Helpers that read and write text.

use super::{Body, Generator, KEY, STACK, TEXTS, VALUE};
use rand::Rng;
use skep_isa::{AluOp, Call, ImmSrc, Insn, Reg, Size, Src};

/// The section of constants: formats, each NUL-terminated, whose arguments are at most two.
pub(super) const FORMATS: [&str; 20] = [
    "plain\0",
    "%d\0",
    "%u %u\0",
    "%x|%X\0",
    "%lld %llx\0",
    "%5d|%-5d|\0",
    "%08x\0",
    "%c%c\0",
    "100%%\0",
    "%lu,%li\0",
    "%+d\0",
    "% d\0",
    "%i\0",
    "%3u.\0",
    "%016llx\0",
    "%px\0",
    "-0x1f\0",
    "  12\0",
    "\0",
    "%d%d%%%%\0",
];

/// What numbers are made of, and what ends them.
const CHARS: &[u8] = b"  -+0011xX7789afAFgz\0";

impl Generator {
    /// A number read from text, a comparison, or a format filled in.
    pub(super) fn text(&mut self, body: &mut Body) {
        match self.rng.random_range(0..4) {
            0 => self.parse_number(body, 105),
            1 => self.parse_number(body, 106),
            2 => self.compare_text(body),
            _ => self.format(body),
        }
        self.count(body, Reg::R0);
    }

    /// `bpf_strtol`, `bpf_strtoul`.
    fn parse_number(&mut self, body: &mut Body, helper: i32) {
        self.write_text(body);
        body.code.push(Insn::Store { size: Size::Dw, base: Reg::FP, off: KEY, src: Src::Imm(0) });
        let (len, base) = (self.rng.random_range(1..=16), self.pick(&[0, 0, 8, 10, 16, 2, 33]));
        stack_pointer(body, Reg::R1, VALUE);
        body.code.set(Reg::R2, len);
        body.code.set(Reg::R3, base);
        stack_pointer(body, Reg::R4, KEY);
        body.code.push(Insn::Call(Call::Helper(helper)));
        body.code.push(Insn::Load { size: Size::Dw, dst: Reg::R1, base: Reg::FP, off: KEY });
        self.count(body, Reg::R1);
    }

    /// `bpf_strncmp`
    fn compare_text(&mut self, body: &mut Body) {
        self.write_text(body);
        let len = self.rng.random_range(1..=16);
        stack_pointer(body, Reg::R1, VALUE);
        body.code.set(Reg::R2, len);
        self.constant(body, Reg::R3);
        body.code.push(Insn::Call(Call::Helper(182)));
    }

    /// `bpf_snprintf`, of two numbers, to initialised stack.
    fn format(&mut self, body: &mut Body) {
        for off in [VALUE, VALUE + 8] {
            let src = Src::Reg(self.number(body));
            body.code.push(Insn::Store { size: Size::Dw, base: Reg::FP, off, src });
        }
        let len = self.rng.random_range(1..=STACK);
        stack_pointer(body, Reg::R1, -STACK);
        body.code.set(Reg::R2, len.into());
        self.constant(body, Reg::R3);
        stack_pointer(body, Reg::R4, VALUE);
        body.code.set(Reg::R5, 16);
        body.code.push(Insn::Call(Call::Helper(165)));
    }

    /// 16 characters at the place of values.
    fn write_text(&mut self, body: &mut Body) {
        for off in [VALUE, VALUE + 8] {
            let chars = [0; 8].map(|_: u8| self.pick(CHARS));
            let imm = ImmSrc::Value(u64::from_le_bytes(chars));
            body.code.push(Insn::LoadImm { dst: Reg::R0, imm });
            let src = Src::Reg(Reg::R0);
            body.code.push(Insn::Store { size: Size::Dw, base: Reg::FP, off, src });
        }
    }

    /// The address of a constant.
    fn constant(&mut self, body: &mut Body, dst: Reg) {
        let which = self.rng.random_range(0..FORMATS.len());
        let at: usize = FORMATS[..which].iter().map(|text| text.len()).sum();
        let at = i32::try_from(at).expect("bug: the constants are few");
        body.code.push(Insn::LoadImm { dst, imm: ImmSrc::MapIdxValue { idx: TEXTS, at } });
    }
}

fn stack_pointer(body: &mut Body, dst: Reg, off: i16) {
    body.code.mov(dst, Reg::FP);
    body.code.alu(AluOp::Add, dst, Src::Imm(off.into()));
}
