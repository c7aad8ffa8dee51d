//! Code for AArch64: the second pass, one instruction after the other.
//!
//! # Registers
//!
//! ```text
//! r0 r1 r2 r3 r4 r5 r6  r7  r8  r9  r10     environment   scratch
//! x7 x0 x1 x2 x3 x4 x19 x20 x21 x22 x23     x24           x9 to x12, x16 (the assembler's)
//! ```
//!
//! Arguments are where C has them, so that helpers are plain functions; their result is moved from x0 to x7. r6 to
//! r9 survive calls as in C. x24 holds the environment only where something needs it, x25 what is left of the
//! instructions where they are counted.
//!
//! # Functions
//!
//! As for x86-64: a function saves those of r6 to r9 that it writes, and goes down by
//! [`FRAME`](crate::FRAME) on the program's stack if it names r10. It saves x30 if it calls. The main function
//! gives its result in x0, as C has it, and the others in x7.
//!
//! # Branches
//!
//! Those on a condition reach 1 MiB, or 32 KiB where they test a bit. The first pass tells how long the code
//! between can be at most; where it is too long, the opposite condition leads over a branch that reaches
//! 128 MiB. Longer code is refused.

mod alu;
mod atomic;
mod best;
mod blind;
mod call;
mod callback;
mod checked;
mod frame;
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
use crate::meter::Meter;
use crate::shape::{Function, Shape, Target};
use crate::surroundings::Surroundings;
use crate::unread::Unread;
use alloc::vec::Vec;
pub use best::compile_best;
use regs::ENV;
use skep_a64::{Assembler, Gpr, Label, Mem};
use skep_isa::{Insn, Insns, Pc};
use skep_prog::Prog;

/// What the processor has beyond the base of AArch64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Atomic operations in one instruction.
    pub lse: bool,
}

/// The processor.
struct A64;

/// How far branches without a condition reach.
const REACH: u32 = 128 << 20;

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
    let shape = Shape::new::<A64, O>(&prog.insns, outside)?;
    let most = shape.most.last().copied().unwrap_or(u32::MAX);
    // There may be more copies of what is checked.
    let reach = if outside.checks() { REACH / 4 } else { REACH };
    if most > reach - lengths::STUBS {
        return Err(CompileError::TooLong);
    }
    Compiler::new(&prog.insns, outside, features, &shape).run()
}

/// What can be called or jumped to beside instructions.
#[derive(Clone, Copy)]
struct Stubs {
    enter: Label,
    abort: Label,
    bridge: Label,
    access: Label,
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
    unread: Vec<Unread<Label, Gpr>>,
}

const fn env(at: usize) -> Mem {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "a small struct"
    )]
    Mem::new(ENV, at as i32)
}

impl<'a, O: Surroundings + ?Sized> Compiler<'a, O> {
    fn new(insns: &'a Insns, outside: &'a O, features: Features, shape: &'a Shape) -> Self {
        // Labels of slots have their numbers.
        let slots = u32::try_from(insns.len()).unwrap_or(u32::MAX);
        let mut asm = Assembler::with_room(insns.len() * 5 / 4 + 64, slots);
        for _ in &shape.functions {
            asm.label();
        }
        let stubs = Stubs {
            enter: asm.label(),
            abort: asm.label(),
            bridge: asm.label(),
            access: asm.label(),
        };
        Self {
            asm,
            insns,
            outside,
            features,
            shape,
            functions: slots,
            stubs,
            entry: Entry::of(shape, outside.has_tail_calls()),
            function: Function::default(),
            is_main: true,
            epilogue: None,
            keys: outside.style().blinding.map(Keys::new),
            turns: None,
            meter: outside.style().metered.then(Meter::new),
            checks: outside.checks().then(Checks::new),
            unread: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Code, CompileError> {
        let shape = self.shape;
        let mut next = 0;
        let mut start = 0;
        let len = u32::try_from(self.insns.len()).unwrap_or(u32::MAX);
        let mut slot = 0;
        while slot < len {
            let pc = Pc(slot);
            if slot != start && shape.is_target.get(pc.index()) == Some(&Target::Loop) {
                match self.checks {
                    Some(_) => self.begin_hoisted(pc),
                    None => self.begin_turns(pc),
                }
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
            if let Some(insn) = self.insns.get(pc) {
                self.count(pc, insn);
            }
            // What ends a loop that has something before it was reckoned there.
            let is_reckoned = self.turns.is_none() && !self.is_hoisted();
            let first = self.asm.here();
            slot += match self.insns.get(pc) {
                Some(insn) => self.insn(pc, insn)?,
                None => 1,
            };
            // Those that have become one with it.
            for slot in pc.0 + 1..slot {
                self.asm.bind_at(Label(slot), at);
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
        let at = positions(shape, labels, len as usize, end);
        let checks = self.checks.map(|checks| checks.pcs).unwrap_or_default();
        Ok(Code { entry, enter, at, bytes, checks })
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

    /// Code for an instruction and those behind it that become one with it; how many slots that were.
    #[inline]
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
            insn if self.checks.is_some() && insn.is_access() => self.checked_access(pc, insn),
            Insn::Load { size, dst, base, off } => self.load(pc, size, dst, base, off),
            Insn::LoadSx { size, dst, base, off } => self.load_sx(pc, size, dst, base, off),
            Insn::Store { size, base, off, src } => self.store(pc, size, base, off, src),
            Insn::Atomic { size, op, base, off, src } => self.atomic(size, op, base, off, src),
            Insn::LoadAcquire { size, dst, base, off } => {
                self.load_acquire(pc, size, dst, base, off);
            }
            Insn::StoreRelease { size, base, off, src } => self.store_release(size, base, off, src),
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
}

const fn unsupported(pc: Pc, what: &'static str) -> CompileError {
    CompileError::Unsupported { pc, what }
}
