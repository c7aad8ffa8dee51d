//! Random programs that the kernel's verifier takes, most of the time.
//!
//! A program is made of statements, after each of which the same holds, so that any statement may
//! follow any other:
//!
//! - r9 is the value of an array map. In the program itself r6 is the context, and with direct packet
//!   access r8 the start of the packet, of which [`PACKET_LEN`] bytes may be touched. All other
//!   registers are numbers that are initialised.
//! - 64 bytes of stack below the frame pointer are initialised and hold numbers.
//!
//! No pointer reaches the end: the program adds up much of what it computes and loads, stores the sum,
//! its numbers and its stack in the map value, and returns a number. What differs between runs by
//! nature (addresses, time, chance) is never read.

mod call;
mod code;
mod compute;
mod context;
mod flow;
mod memory;
mod shape;
mod text;

use code::{Code, join};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_abi::{MapType, ProgType};
use skep_isa::{AluOp, AtomicOp, Call, CondOp, ImmSrc, Insn, Reg, Size, Src, Width};
use skep_prog::{DataKind, Image, Initial, MapDef, Prog};

/// Bytes of the packet that programs touch; packets must be at least that long.
pub const PACKET_LEN: usize = 64;

/// The array map: bytes that programs work on, then the dump and the sum.
const VALUES: i32 = 0;
const WORK: i16 = 192;
const DUMP_REGS: i16 = WORK;
const DUMP_STACK: i16 = DUMP_REGS + 72;
const SUM: i16 = DUMP_STACK + STACK;
const VALUE_SIZE: u32 = 336;
/// The hash map: keys of 8 bytes, of which few are used.
const HASH: i32 = 1;
const HASH_VALUE: i16 = 16;
/// The data section.
const DATA: i32 = 2;
const DATA_SIZE: i16 = 64;
/// The section of constants.
const TEXTS: i32 = 3;
/// The programs to go on with.
const PROGS: i32 = 4;
/// How many there are; the map has room for more.
const TAILS: u32 = 2;

/// `BPF_F_RDONLY_PROG`
const RDONLY_PROG: u32 = 1 << 7;

/// Initialised stack.
const STACK: i16 = 64;
/// Below it: a key and a value for the hash map.
const KEY: i16 = -72;
const VALUE: i16 = -88;
/// Below that: the address of the map value, for callbacks.
const POINTER: i16 = -96;

/// A program for XDP, tc or a socket filter, and its maps. The same seed makes the same program.
#[must_use]
pub fn program(seed: u64) -> Image {
    let mut rng = StdRng::seed_from_u64(seed);
    let prog_type = match rng.random_range(0..8) {
        0..4 => ProgType::Xdp,
        4..7 => ProgType::SchedCls,
        _ => ProgType::SocketFilter,
    };
    let mut this = Generator { rng, prog_type, funcs: Vec::new(), calls_left: 0, tails: 0 };
    let size = this.rng.random_range(4..24);
    let mut progs = vec![this.prog("main", size)];
    if this.tails > 0 {
        let size = this.rng.random_range(1..8);
        let more: Vec<Prog> = (0..TAILS).map(|n| this.prog(&tail(n), size)).collect();
        progs.extend(more);
    }
    let tails = u32::try_from(progs.len() - 1).expect("bug: the programs are few");
    let mut bytes = |len: u32| (0..len).map(|_| this.rng.random()).collect();
    let mut maps = maps(bytes(VALUE_SIZE), bytes(DATA_SIZE.unsigned_abs().into()));
    let mut array = MapDef::new("progs", MapType::ProgArray, 4, 4, TAILS + 1);
    array.initial = Initial::Progs((0..tails).map(|n| (n, tail(n))).collect());
    maps.push(array);
    Image { progs, maps, license: "GPL".into(), ..Image::default() }
}

fn tail(n: u32) -> String {
    format!("tail{n}")
}

fn maps(value: Vec<u8>, data: Vec<u8>) -> Vec<MapDef> {
    let mut values = MapDef::new("values", MapType::Array, 4, VALUE_SIZE, 2);
    values.initial = Initial::Value(value);
    let size = u32::from(HASH_VALUE.unsigned_abs());
    let hash = MapDef::new("hash", MapType::Hash, 8, size, 6);
    let mut section =
        MapDef::new(".data", MapType::Array, 4, u32::from(DATA_SIZE.unsigned_abs()), 1);
    section.data = Some(DataKind::Data);
    section.initial = Initial::Value(data);
    let constants = text::FORMATS.concat().into_bytes();
    let size = u32::try_from(constants.len()).expect("bug: the constants are few");
    let mut texts = MapDef::new(".rodata", MapType::Array, 4, size, 1);
    texts.data = Some(DataKind::Rodata);
    texts.flags = RDONLY_PROG;
    texts.initial = Initial::Value(constants);
    vec![values, hash, section, texts]
}

struct Generator {
    rng: StdRng,
    prog_type: ProgType,
    /// The first is the program; finished ones are complete.
    funcs: Vec<Code>,
    /// Functions that may still be made.
    calls_left: u32,
    /// Tail calls made.
    tails: u32,
}

/// What statements of a function may use.
struct Body {
    code: Code,
    /// Registers that hold numbers.
    numbers: Vec<Reg>,
    /// Those of them that statements may not change at present.
    frozen: Vec<Reg>,
    /// Whether r6 is the context.
    ctx: bool,
    /// Whether r8 is the packet.
    packet: bool,
    /// Functions around this one.
    depth: u32,
    /// Loops and branches around the statement.
    nesting: u32,
}

impl Body {
    fn new(numbers: impl IntoIterator<Item = u8>, packet: bool, depth: u32) -> Self {
        let numbers = numbers.into_iter().filter_map(Reg::new).collect();
        let (code, frozen, ctx) = (Code::default(), Vec::new(), depth == 0);
        Self { code, numbers, frozen, ctx, packet, depth, nesting: 0 }
    }
}

impl Generator {
    fn prog(&mut self, name: &str, size: u32) -> Prog {
        self.funcs = vec![Code::default()];
        self.calls_left = 3;
        let code = self.main(size);
        self.funcs[0] = code;
        Prog::new(name, self.prog_type, join(std::mem::take(&mut self.funcs)))
    }

    fn main(&mut self, size: u32) -> Code {
        let packet = self.prog_type != ProgType::SocketFilter;
        let last = if packet { 7 } else { 8 };
        let mut body = Body::new((0..=last).filter(|&n| n != 6), packet, 0);
        body.code.mov(Reg::R6, Reg::R1);
        self.init_stack(&mut body);
        find_value(&mut body);
        if packet {
            self.find_packet(&mut body);
        }
        self.init_numbers(&mut body);
        self.statements(&mut body, size);
        dump(&mut body);
        let result = self.number(&body);
        body.code.mov(Reg::R0, result);
        body.code.push(Insn::Exit);
        body.code
    }

    fn statements(&mut self, body: &mut Body, count: u32) {
        for _ in 0..count {
            self.statement(body);
        }
    }

    fn statement(&mut self, body: &mut Body) {
        match self.rng.random_range(0..100) {
            0..30 => self.compute(body),
            30..34 if body.ctx => self.context(body),
            34..38 if body.packet => self.shape(body),
            30..46 => self.stack(body),
            46..54 => self.value(body),
            54..57 => self.data(body),
            57..66 if body.packet => self.packet(body),
            57..74 => self.atomic(body),
            74..84 => self.branch(body),
            84..90 => self.repeat(body),
            90..93 => self.call(body),
            93..95 => self.callback(body),
            95 => self.each(body),
            96 if body.ctx => self.tail_call(body),
            _ => self.helper(body),
        }
    }

    fn init_stack(&mut self, body: &mut Body) {
        for slot in 1..=STACK / 8 {
            let src = Src::Imm(self.imm());
            body.code.push(Insn::Store { size: Size::Dw, base: Reg::FP, off: -8 * slot, src });
        }
    }

    fn init_numbers(&mut self, body: &mut Body) {
        for dst in body.numbers.clone() {
            if self.rng.random_bool(0.5) {
                let value = self.wide();
                body.code.push(Insn::LoadImm { dst, imm: ImmSrc::Value(value) });
            } else {
                let imm = self.imm();
                body.code.set(dst, imm);
            }
        }
    }

    /// Positions of `data` and `data_end` in the context.
    fn bounds(&self) -> (i16, i16) {
        if self.prog_type == ProgType::Xdp { (0, 4) } else { (76, 80) }
    }

    fn find_packet(&mut self, body: &mut Body) {
        let (data, end) = self.bounds();
        let code = &mut body.code;
        let load = |dst, off| Insn::Load { size: Size::W, dst, base: Reg::R6, off };
        code.push(load(Reg::R8, data));
        code.push(load(Reg::R2, end));
        code.mov(Reg::R3, Reg::R8);
        code.alu(AluOp::Add, Reg::R3, Src::Imm(64));
        leave_unless(code, CondOp::Le, Reg::R3, Src::Reg(Reg::R2));
    }

    /// Adds a number to the sum, so that it counts although it may be overwritten soon.
    fn count(&mut self, body: &mut Body, src: Reg) {
        if self.rng.random_bool(0.7) {
            let (size, op) = (Size::Dw, AtomicOp::Add);
            body.code.push(Insn::Atomic { size, op, base: Reg::R9, off: SUM, src });
        }
    }

    /// A number to read.
    fn number(&mut self, body: &Body) -> Reg {
        body.numbers[self.rng.random_range(0..body.numbers.len())]
    }

    /// Different registers to change, if so many are free.
    fn free<const N: usize>(&mut self, body: &Body) -> Option<[Reg; N]> {
        let mut free: Vec<Reg> =
            body.numbers.iter().copied().filter(|reg| !body.frozen.contains(reg)).collect();
        let mut found = [Reg::R0; N];
        for slot in &mut found {
            if free.is_empty() {
                return None;
            }
            *slot = free.swap_remove(self.rng.random_range(0..free.len()));
        }
        Some(found)
    }

    /// A number to read that is in none of the registers.
    fn number_but(&mut self, body: &Body, not: &[Reg]) -> Option<Reg> {
        let rest: Vec<Reg> =
            body.numbers.iter().copied().filter(|reg| !not.contains(reg)).collect();
        (!rest.is_empty()).then(|| rest[self.rng.random_range(0..rest.len())])
    }

    /// An immediate, often one at which something happens.
    fn imm(&mut self) -> i32 {
        const CORNERS: [i32; 14] =
            [0, 1, -1, 2, -2, 7, 8, 16, 31, 0xff, 0x7fff, i32::MAX, i32::MIN, i32::MIN + 1];
        match self.rng.random_range(0..3) {
            0 => CORNERS[self.rng.random_range(0..CORNERS.len())],
            1 => self.rng.random_range(-100..100),
            _ => self.rng.random(),
        }
    }

    fn wide(&mut self) -> u64 {
        const CORNERS: [u64; 10] = [
            0,
            1,
            u64::MAX,
            1 << 31,
            1 << 32,
            1 << 63,
            (1 << 63) - 1,
            0xffff_ffff,
            0x8000_0000_8000_0000,
            0xffff_ffff_0000_0000,
        ];
        match self.rng.random_range(0..2) {
            0 => CORNERS[self.rng.random_range(0..CORNERS.len())],
            _ => self.rng.random(),
        }
    }

    fn width(&mut self) -> Width {
        if self.rng.random_bool(0.5) { Width::W32 } else { Width::W64 }
    }

    fn size(&mut self) -> Size {
        [Size::B, Size::H, Size::W, Size::Dw][self.rng.random_range(0..4)]
    }

    fn pick<T: Copy>(&mut self, table: &[T]) -> T {
        table[self.rng.random_range(0..table.len())]
    }
}

/// r9 becomes the value of entry 0 of the array.
fn find_value(body: &mut Body) {
    let code = &mut body.code;
    code.push(Insn::Store { size: Size::W, base: Reg::FP, off: KEY, src: Src::Imm(0) });
    code.push(Insn::LoadImm { dst: Reg::R1, imm: ImmSrc::MapIdx(VALUES) });
    code.mov(Reg::R2, Reg::FP);
    code.alu(AluOp::Add, Reg::R2, Src::Imm(KEY.into()));
    code.push(Insn::Call(Call::Helper(1)));
    leave_unless(code, CondOp::Ne, Reg::R0, Src::Imm(0));
    code.mov(Reg::R9, Reg::R0);
}

/// Ends the program where a condition does not hold, which the verifier must see tested.
fn leave_unless(code: &mut Code, op: CondOp, dst: Reg, src: Src) {
    let jump = code.push(Insn::JumpIf { width: Width::W64, op, dst, src, off: 0 });
    code.set(Reg::R0, 0);
    code.push(Insn::Exit);
    code.land(jump);
}

/// Stores numbers and stack behind the working part of the map value. Changes registers, but not
/// what they hold in the dump.
fn dump(body: &mut Body) {
    let size = Size::Dw;
    for &reg in &body.numbers {
        let off = DUMP_REGS + 8 * i16::from(reg.num());
        body.code.push(Insn::Store { size, base: Reg::R9, off, src: Src::Reg(reg) });
    }
    for slot in 0..STACK / 8 {
        let (dst, off) = (Reg::R1, -STACK + 8 * slot);
        body.code.push(Insn::Load { size, dst, base: Reg::FP, off });
        let off = DUMP_STACK + 8 * slot;
        body.code.push(Insn::Store { size, base: Reg::R9, off, src: Src::Reg(dst) });
    }
}
