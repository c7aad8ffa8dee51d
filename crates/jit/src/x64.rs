//! Code for x86-64: the second pass, one instruction after the other.
//!
//! # Registers
//!
//! ```text
//! r0 r1  r2  r3  r4  r5 r6  r7  r8  r9  r10     environment   scratch
//! rax rdi rsi rdx rcx r8 rbx r13 r14 r15 rbp     r12           r9 r10 r11
//! ```
//!
//! Arguments are where C has them, so that helpers are plain functions; r6 to r9 survive calls as in C.
//! r12 holds the environment only where something needs it; r9 what is left of the instructions, where they are
//! counted.
//!
//! # Functions
//!
//! A function saves those of r6 to r9 that it writes, and goes down by [`FRAME`] on the
//! program's stack if it names r10. The main function is entered by its first byte and has the frame that it
//! is given; it saves every register of its caller where a run can be aborted, so that an abort is: take
//! back the stack pointer, restore, return. In a program that tail-calls it is a function like the others,
//! and whatever replaces it returns to `enter`.

mod alu;
mod atomic;
mod best;
mod blind;
mod call;
mod callback;
mod checked;
mod fuse;
mod hoist;
mod jump;
mod lengths;
mod mem;
mod meter;
mod probe;
mod regs;
mod turns;

use crate::ahead::Ahead;
use crate::blind::Keys;
use crate::checks::{Checks, check_frame_pointer};
use crate::code::{Code, CompileError, Entry, positions};
use crate::counted::Counted;
use crate::env::{Env, FRAME, MAX_LOOPS};
use crate::meter::Meter;
use crate::shape::{Function, Saved, Shape, Target};
use crate::surroundings::Surroundings;
use crate::unread::Unread;
use alloc::vec::Vec;
pub use best::{compile_best, functions};
use core::mem::offset_of;
use regs::{ENV, FRAME_POINTER, SAVED};
use skep_isa::{Insn, Insns, Pc};
use skep_prog::Prog;
use skep_x64::{Alu, Assembler, Cond, Gpr, Label, Mem, MemSize, Reach, Width};

/// What the processor has beyond the base of x86-64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Shifts by any register (`shlx`), rotations into another (`rorx`).
    pub bmi2: bool,
    /// Loads in the other byte order.
    pub movbe: bool,
}

/// To what multiple heads of short loops are aligned, and how many bytes that may take.
const ALIGN: (u32, u32) = (32, 21);

/// The processor.
struct X64;

/// Compiles a program.
///
/// # Errors
/// [`CompileError`] if it uses what is not compiled.
pub fn compile<O: Surroundings + ?Sized>(
    prog: &Prog,
    outside: &O,
    features: Features,
) -> Result<Code, CompileError> {
    if prog.insns.is_empty() {
        return Err(CompileError::Flow { pc: Pc(0) });
    }
    if outside.checks() {
        check_frame_pointer(&prog.insns)?;
    }
    let shape = Shape::new::<X64, O>(&prog.insns, outside)?;
    Compiler::new(&prog.insns, outside, features, &shape).run()
}

/// What can be called or jumped to beside instructions.
#[derive(Clone, Copy)]
struct Stubs {
    enter: Label,
    abort: Label,
    bridge: Label,
    access: Label,
    /// Jumps to r11, where the processor must not guess.
    retpoline: Label,
}

struct Compiler<'a, O: ?Sized> {
    asm: Assembler,
    insns: &'a Insns,
    outside: &'a O,
    features: Features,
    shape: &'a Shape,
    /// Number of the first function's label; slots have their own.
    functions: u32,
    stubs: Stubs,
    entry: Entry,
    /// Of the function at hand.
    function: Function,
    /// Whether that is the main function, entered by its first byte.
    is_main: bool,
    /// Where the function's registers are restored, once there is such a place.
    epilogue: Option<Label>,
    /// Where numbers are blinded.
    keys: Option<Keys>,
    /// The loop at hand whose turns are told from a register, and what lies before it.
    turns: Option<(Counted, Label)>,
    /// Where instructions are counted.
    meter: Option<Meter<Label>>,
    /// Where accesses are checked.
    checks: Option<Checks<Label>>,
    /// What is left to the bridge.
    unread: Vec<Unread<Label, Gpr>>,
    /// The instruction before which flags had been left that tell whether a register is 0, on a width, and where code stood.
    flags: (Pc, u32, Gpr, Width),
}

const fn env(at: usize) -> Mem {
    field(ENV, at)
}

/// The same, by the register that has the environment's address.
const fn field(base: Gpr, at: usize) -> Mem {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "a small struct"
    )]
    Mem::new(base, at as i32)
}

impl<'a, O: Surroundings + ?Sized> Compiler<'a, O> {
    fn new(insns: &'a Insns, outside: &'a O, features: Features, shape: &'a Shape) -> Self {
        // Labels of slots have their numbers.
        let slots = u32::try_from(insns.len()).unwrap_or(u32::MAX);
        let mut asm = Assembler::with_room(insns.len() * 5 + 256, slots);
        for _ in &shape.functions {
            asm.label();
        }
        let stubs = Stubs {
            enter: asm.label(),
            abort: asm.label(),
            bridge: asm.label(),
            access: asm.label(),
            retpoline: asm.label(),
        };
        let entry = Entry::of(shape, outside.has_tail_calls());
        Self {
            asm,
            insns,
            outside,
            features,
            shape,
            functions: slots,
            stubs,
            entry,
            function: Function::default(),
            is_main: true,
            epilogue: None,
            keys: outside.style().blinding.map(Keys::new),
            turns: None,
            meter: outside.style().metered.then(Meter::new),
            checks: outside.checks().then(Checks::new),
            unread: Vec::new(),
            flags: (Pc(0), u32::MAX, Gpr::Rax, Width::W32),
        }
    }

    fn run(mut self) -> Result<Code, CompileError> {
        let shape = self.shape;
        let mut next = 0;
        let mut start = 0;
        let mut slot = 0;
        let slots = self.insns.slots();
        // As long as each other, so that one comparison is enough.
        let is_target = shape.is_target.get(..slots.len()).unwrap_or_default();
        let is_plain = self.meter.is_none() && self.checks.is_none();
        while let Some(insn) = slots.get(slot as usize) {
            let pc = Pc(slot);
            if is_target.get(slot as usize) == Some(&Target::Loop) {
                self.begin_loop(pc, slot == start);
            }
            let at = self.asm.here();
            if slot == start {
                if let Some(function) = shape.functions.get(next) {
                    self.begin(next, *function);
                }
                next += 1;
                start = shape.functions.get(next).map_or(u32::MAX, |function| function.start);
            }
            self.asm.bind(Label(slot));
            // What ends a loop that has something before it was reckoned there.
            let is_reckoned = self.turns.is_none() && !self.is_hoisted();
            let first = self.asm.here();
            let mut slots = 1;
            if let Some(insn) = insn {
                slots = if is_plain {
                    self.insn(pc, insn)?
                } else {
                    self.count(pc, insn);
                    self.checked_insn(pc, insn)?
                };
            }
            slot += 1;
            // Those that have become one with it.
            for _ in 1..slots {
                self.asm.bind_at(Label(slot), at);
                slot += 1;
            }
            debug_assert!(
                !is_reckoned || self.asm.here() - first <= shape.between(pc, Pc(slot)),
                "bug: insn {pc} is longer than was reckoned"
            );
        }
        let end = self.asm.here();
        self.asm.trap();
        self.add_stubs();
        let enter = self.asm.position(self.stubs.enter);
        let entry = self.entry;
        let (bytes, labels) = self.asm.finish_with_labels()?;
        let at = positions(shape, labels, self.insns.len(), end);
        Ok(Code {
            entry,
            enter,
            at,
            bytes,
            checks: self.checks.map(|checks| checks.pcs).unwrap_or_default(),
        })
    }

    /// What comes before the head of a short loop, which may be the start of a function.
    #[cold]
    fn begin_loop(&mut self, head: Pc, is_start: bool) {
        if !is_start {
            match self.checks {
                Some(_) => self.begin_hoisted(head),
                None => self.begin_turns(head),
            }
        }
        // A loop that is checked before it begins has turns enough to be worth more.
        let most = if self.is_hoisted() { ALIGN.0 - 1 } else { ALIGN.1 };
        self.asm.align(ALIGN.0, most);
    }

    /// What comes behind instructions.
    const fn ahead(&self) -> Ahead<'a> {
        Ahead { insns: self.insns, shape: self.shape }
    }

    /// The label of the function that starts at a slot.
    fn function_label(&self, start: u32) -> Label {
        let at = self.shape.functions.partition_point(|function| function.start < start);
        Label(self.functions + u32::try_from(at).unwrap_or_default())
    }

    /// [`Compiler::insn`] for code that may check its accesses.
    #[inline(never)]
    fn checked_insn(&mut self, pc: Pc, insn: &Insn) -> Result<u32, CompileError> {
        if self.checks.is_some() && insn.is_access() {
            self.checked_access(pc, *insn);
            return Ok(1);
        }
        self.insn(pc, insn)
    }

    /// Code for an instruction and those behind it that become one with it; how many slots that were. Accesses are not checked.
    #[inline(always)]
    fn insn(&mut self, pc: Pc, insn: &Insn) -> Result<u32, CompileError> {
        match *insn {
            Insn::Alu { width, op, dst, src } => return Ok(self.alu(pc, width, op, dst, src)),
            Insn::MovSx { width, from, dst, src } => self.movsx(width, from, dst, src),
            Insn::Neg { width, dst } => self.neg(width, dst),
            Insn::Swap { kind, size, dst } => self.swap(kind, size, dst),
            Insn::AddrSpaceCast { dst, src, .. } => {
                let arena = self.outside.arena(pc).map_err(|what| unsupported(pc, what))?;
                self.cast(dst, src, arena);
            }
            Insn::LoadImm { dst, imm } => {
                let imm = self.outside.imm(pc, imm).map_err(|what| unsupported(pc, what))?;
                self.number(regs::of(dst), imm);
                return Ok(2);
            }
            Insn::LoadAbs { size, imm } => self.load_packet(pc, size, None, imm),
            Insn::LoadInd { size, src, imm } => self.load_packet(pc, size, Some(src), imm),
            Insn::Load { size, dst, base, off } => return Ok(self.load(pc, size, dst, base, off)),
            Insn::LoadSx { size, dst, base, off } => self.load_sx(pc, size, dst, base, off),
            Insn::Store { size, base, off, src } => self.store(pc, size, base, off, src),
            Insn::Atomic { size, op, base, off, src } => self.atomic(size, op, base, off, src),
            Insn::LoadAcquire { size, dst, base, off } => {
                // A plain load acquires on this host.
                return Ok(self.load(pc, size, dst, base, off));
            }
            Insn::StoreRelease { size, base, off, src } => self.plain_store(size, base, off, src),
            Insn::JumpIf { width, op, dst, src, off } => {
                return Ok(self.jump_if(pc, width, op, (dst, src), off));
            }
            Insn::Jump { off } => self.jump(pc, off.into()),
            Insn::JumpLong { off } => self.jump(pc, off),
            Insn::JumpReg { .. } => return Err(unsupported(pc, "a jump to a register")),
            Insn::MayGoto { off } => self.may_goto(pc, off),
            Insn::Static { branch, off } => self.static_branch(pc, branch, off.into()),
            Insn::StaticLong { branch, off } => self.static_branch(pc, branch, off),
            Insn::Call(call) => self.call(pc, call)?,
            Insn::Exit => self.exit(),
        }
        Ok(1)
    }

    /// Starts a function.
    fn begin(&mut self, index: usize, function: Function) {
        self.asm.bind(Label(self.functions + u32::try_from(index).unwrap_or_default()));
        self.is_main = index == 0 && self.entry != Entry::AsFunction;
        self.function = function;
        self.epilogue = None;
        if self.is_main && self.entry == Entry::WithEnv {
            self.save_all();
            self.asm.load(MemSize::B8, FRAME_POINTER, env(offset_of!(Env, stack)));
            self.zero_registers();
            self.zero_stack();
            self.make_room(function.spills.next_multiple_of(2));
            if function.may_goto {
                self.asm.push_imm(MAX_LOOPS.cast_signed());
                self.asm.push_imm(MAX_LOOPS.cast_signed());
            }
            return;
        }
        if function.frame {
            self.asm.push(FRAME_POINTER);
            if self.is_main {
                self.asm.load(MemSize::B8, FRAME_POINTER, Mem::new(Gpr::R9, 0));
            } else {
                self.asm.alu_imm(Alu::Sub, Width::W64, FRAME_POINTER, FRAME);
            }
            self.zero_stack();
        }
        for reg in registers(function.saved) {
            self.asm.push(reg);
        }
        if self.is_padded() {
            self.asm.push(Gpr::Rax);
        }
        self.make_room(function.spills);
        if function.may_goto {
            self.asm.push_imm(MAX_LOOPS.cast_signed());
        }
    }

    /// Room for words on the host's stack.
    fn make_room(&mut self, words: u32) {
        if words > 0 {
            self.asm.alu_imm(Alu::Sub, Width::W64, Gpr::Rsp, bytes(words));
        }
    }

    /// Zeroes the function's stack, where that can make a difference.
    fn zero_stack(&mut self) {
        if !self.outside.zeroes_stack() {
            return;
        }
        const COUNT: Gpr = Gpr::R11;
        self.asm.mov_imm(COUNT, FRAME.unsigned_abs().into());
        let again = self.asm.label();
        self.asm.bind(again);
        self.asm.store_imm(
            MemSize::B8,
            Mem::new(FRAME_POINTER, -FRAME - 8).with_index(COUNT, 0),
            0,
        );
        self.asm.alu_imm(Alu::Sub, Width::W32, COUNT, 8);
        self.asm.jcc(Cond::Ne, again, Reach::Short);
    }

    /// Whether the stack needs another word, to be aligned for calls: the return address and all that is
    /// pushed must be an even number of words.
    fn is_padded(&self) -> bool {
        let Function { saved, frame, calls, may_goto, spills, .. } = self.function;
        let words = saved.count_ones() + u32::from(frame) + u32::from(may_goto) + spills;
        calls && words.is_multiple_of(2)
    }

    /// Saves all that a C function must preserve, and loads the environment.
    fn save_all(&mut self) {
        for reg in ALL {
            self.asm.push(reg);
        }
        self.asm.push(Gpr::Rax);
        self.asm.mov(Width::W64, ENV, Gpr::R9);
        self.asm.store(MemSize::B8, env(offset_of!(Env, host_sp)), Gpr::Rsp);
        self.load_meter();
    }

    fn restore_all(&mut self) {
        self.asm.pop(Gpr::Rcx);
        for reg in ALL.into_iter().rev() {
            self.asm.pop(reg);
        }
        self.asm.ret();
    }

    /// Takes back what [`Compiler::begin`] has done.
    fn restore(&mut self) {
        if self.is_main && self.entry == Entry::WithEnv {
            let words = self.function.spills.next_multiple_of(2)
                + if self.function.may_goto { 2 } else { 0 };
            if words > 0 {
                self.asm.alu_imm(Alu::Add, Width::W64, Gpr::Rsp, bytes(words));
            }
            self.save_meter();
            return self.restore_all();
        }
        self.restore_saved();
        self.asm.ret();
    }

    fn restore_saved(&mut self) {
        let words =
            u32::from(self.function.may_goto) + u32::from(self.is_padded()) + self.function.spills;
        match words {
            0 => {}
            // A register that holds nothing any more, but for programs that nobody has verified.
            1 if self.checks.is_none() => self.asm.pop(Gpr::Rcx),
            words => self.asm.alu_imm(Alu::Add, Width::W64, Gpr::Rsp, bytes(words)),
        }
        for reg in registers(self.function.saved).rev() {
            self.asm.pop(reg);
        }
        if self.function.frame {
            self.asm.pop(FRAME_POINTER);
        }
    }

    /// `exit`: near the function's epilogue a jump, else another of it.
    fn exit(&mut self) {
        if let Some(label) = self.epilogue
            && let Some(at) = self.asm.position(label)
            && self.asm.here() - at < 120
            && !self.restores_nothing()
        {
            return self.asm.jmp(label, Reach::Short);
        }
        let label = self.asm.label();
        self.asm.bind(label);
        self.epilogue = Some(label);
        self.restore();
    }

    fn restores_nothing(&self) -> bool {
        let Function { saved, frame, may_goto, spills, .. } = self.function;
        let with_env = self.is_main && self.entry == Entry::WithEnv;
        !with_env && saved == 0 && !frame && !may_goto && spills == 0 && !self.is_padded()
    }

    /// What lies behind the program: ways in, out and to the bridge.
    fn add_stubs(&mut self) {
        self.add_retpoline();
        if !self.shape.env && self.entry != Entry::AsFunction {
            return;
        }
        self.asm.align(16, 15);
        let leave = self.asm.label();
        self.asm.bind(self.stubs.enter);
        self.save_all();
        self.asm.load(MemSize::B8, FRAME_POINTER, env(offset_of!(Env, stack)));
        self.zero_registers();
        self.call_indirect(env(offset_of!(Env, target)));
        self.save_meter();
        self.asm.bind(leave);
        self.restore_all();
        self.asm.bind(self.stubs.abort);
        self.asm.load(MemSize::B8, Gpr::Rsp, env(offset_of!(Env, host_sp)));
        self.asm.jmp(leave, Reach::Short);
        self.add_bridge();
        self.add_access();
        self.add_unread();
        self.add_ways();
        self.add_asks();
        self.add_slow();
        self.add_slow_clusters();
        self.add_misses();
        self.asm.trap();
    }
}

/// Bytes of so many words.
fn bytes(words: u32) -> i32 {
    i32::try_from(words * 8).unwrap_or(i32::MAX)
}

/// Those of [`SAVED`] that are named.
fn registers(saved: Saved) -> impl DoubleEndedIterator<Item = Gpr> {
    SAVED.into_iter().enumerate().filter(move |(n, _)| saved >> n & 1 != 0).map(|(_, reg)| reg)
}

/// What a C function preserves.
const ALL: [Gpr; 6] = [Gpr::Rbp, Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

const fn unsupported(pc: Pc, what: &'static str) -> CompileError {
    CompileError::Unsupported { pc, what }
}
