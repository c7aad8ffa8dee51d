//! What programs become, read back by an independent disassembler: nothing but instructions, jumps that lead to
//! instructions, and no more bytes than the kernel's JIT takes.

mod a64;
mod programs;

use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use programs::{ALL, All, HARDENED, everything, prog};
use skep_isa::{AluOp, Call, CondOp, ImmSrc, Insn, Insns, Pc, Reg, Size, Src, Width, table};
use skep_jit::x64::{Features, compile, compile_best};
use skep_jit::{Access, Callee, Code, Entry, NoSurroundings, Style, Surroundings};
use skep_prog::Prog;
use std::collections::BTreeSet;

const NEW: Features = Features { bmi2: true, movbe: true };

/// A program that stands alone, in code of this style.
struct Styled(Style);

impl Surroundings for Styled {
    fn imm(&self, pc: Pc, imm: ImmSrc) -> Result<u64, &'static str> {
        NoSurroundings.imm(pc, imm)
    }

    fn call(&self, pc: Pc, call: Call) -> Result<Callee, &'static str> {
        NoSurroundings.call(pc, call)
    }

    fn access(&self, pc: Pc) -> Access {
        NoSurroundings.access(pc)
    }

    fn style(&self) -> Style {
        self.0
    }
}

/// All instructions of the code.
fn read(code: &Code) -> Vec<Instruction> {
    let insns: Vec<Instruction> =
        Decoder::with_ip(64, &code.bytes, 0, DecoderOptions::NONE).iter().collect();
    assert!(insns.iter().all(|insn| !insn.is_invalid()), "bytes that are no instruction");
    insns
}

#[track_caller]
fn check(code: &Code, what: &str) {
    let insns = read(code);
    let starts: BTreeSet<u64> = insns.iter().map(Instruction::ip).collect();
    for insn in &insns {
        if matches!(insn.op0_kind(), OpKind::NearBranch64) {
            let to = insn.near_branch64();
            assert!(starts.contains(&to), "{what}: a jump to {to:#x}, into an instruction");
        }
        // The host's stack moves by pushes, pops and the code's own additions.
        if insn.op0_kind() == OpKind::Register && insn.op0_register() == Register::RSP {
            let known = matches!(insn.mnemonic(), Mnemonic::Add | Mnemonic::Mov);
            assert!(known, "{what}: {:?} of the stack pointer", insn.mnemonic());
        }
    }
    for &at in &code.at {
        assert!(starts.contains(&at.into()), "{what}: a slot at {at:#x}, inside an instruction");
    }
    assert!(code.at.is_sorted(), "{what}: slots out of order");
    let last = insns.last().unwrap();
    assert_eq!(last.flow_control(), FlowControl::Interrupt, "{what}: no trap at the end");
}

#[test]
fn everything_becomes_instructions() {
    for features in [Features::default(), NEW] {
        let code = compile(&prog(everything()), &ALL, features).unwrap();
        assert_eq!(code.entry, Entry::AsFunction);
        assert!(code.enter.is_some());
        check(&code, "everything");
        let new = read(&code).iter().any(|insn| insn.mnemonic() == Mnemonic::Shlx);
        assert_eq!(new, features.bmi2);
        let code = compile(&prog(everything()), &HARDENED, features).unwrap();
        check(&code, "everything, hardened");
        let code = compile_best(&prog(everything()), &ALL, features).unwrap();
        check(&code, "everything, optimised");
        assert_eq!(code.entry, Entry::AsFunction);
    }
}

/// What is not plain must not be done as if it were, whatever the instruction.
#[test]
fn every_load_goes_the_way_it_is_told() {
    let [dst, base] = [Reg::R0, Reg::R1];
    for load in [
        Insn::Load { size: Size::W, dst, base, off: 0 },
        Insn::LoadSx { size: Size::W, dst, base, off: 0 },
        Insn::LoadAcquire { size: Size::W, dst, base, off: 0 },
    ] {
        // Slot 1 is bridged.
        let code = compile(
            &prog([Insn::Jump { off: 0 }, load, Insn::Exit].into_iter().collect()),
            &ALL,
            NEW,
        );
        let insns = read(&code.unwrap());
        let loads = insns.iter().filter(|insn| insn.memory_base() == Register::RDI);
        assert!(loads.clone().all(|insn| insn.mnemonic() == Mnemonic::Lea), "{load:?} is plain");
        assert_eq!(loads.count(), 1, "{load:?}");
    }
}

/// Numbers that the author of a program chooses, one for each instruction that has any.
fn chosen() -> (Insns, Vec<u64>) {
    let mut numbers = Vec::new();
    let mut next = || {
        let number = 0x2469_1357i32.wrapping_mul(2 * i32::try_from(numbers.len()).unwrap() + 1);
        numbers.push(i64::from(number).cast_unsigned());
        number
    };
    let mut insns = Vec::new();
    let (dst, base) = (Reg::R1, Reg::R2);
    for width in [Width::W32, Width::W64] {
        let is_shift = |op| matches!(op, AluOp::Lsh | AluOp::Rsh | AluOp::Arsh);
        for op in table::ALU.map(|row| row.op).into_iter().filter(|&op| !is_shift(op)) {
            insns.push(Insn::Alu { width, op, dst, src: Src::Imm(next()) });
            // As part of a group.
            insns.push(Insn::Alu { width, op: AluOp::Mov, dst, src: Src::Reg(base) });
            insns.push(Insn::Alu { width, op, dst, src: Src::Imm(next()) });
        }
        for op in table::COND.map(|row| row.op) {
            insns.push(Insn::JumpIf { width, op, dst, src: Src::Imm(next()), off: 0 });
        }
    }
    for size in [Size::W, Size::Dw] {
        insns.push(Insn::Store { size, base, off: 0, src: Src::Imm(next()) });
    }
    insns.push(Insn::LoadAbs { size: Size::W, imm: next() });
    let wide = 0x1357_9bdf_2468_ace0;
    insns.push(Insn::LoadImm { dst, imm: ImmSrc::Value(wide) });
    insns.push(Insn::Exit);
    numbers.push(wide);
    (insns.into_iter().collect(), numbers)
}

#[test]
fn blinded_numbers_stand_nowhere() {
    let (insns, numbers) = chosen();
    let found = |blinded: bool| {
        let code = compile(&prog(insns.clone()), &Chosen { blinded }, NEW).unwrap();
        check(&code, "numbers");
        // A subtraction may be an addition of the opposite.
        let stands = |number: &&u64| {
            let halves = [**number, number.wrapping_neg()].map(u64::to_le_bytes);
            code.bytes.windows(4).any(|bytes| halves.iter().any(|half| half[..4] == *bytes))
        };
        numbers.iter().filter(stands).count()
    };
    assert_eq!(found(false), numbers.len());
    assert_eq!(found(true), 0);
}

/// Surroundings in which numbers are taken as they are.
struct Chosen {
    blinded: bool,
}

impl Surroundings for Chosen {
    fn imm(&self, pc: Pc, imm: ImmSrc) -> Result<u64, &'static str> {
        NoSurroundings.imm(pc, imm)
    }

    fn call(&self, pc: Pc, call: Call) -> Result<Callee, &'static str> {
        NoSurroundings.call(pc, call)
    }

    fn access(&self, _: Pc) -> Access {
        Access::Plain
    }

    fn style(&self) -> Style {
        Style { blinding: self.blinded.then_some(7), ..Style::default() }
    }
}

#[test]
fn guarded_code_jumps_nowhere_that_is_guessed() {
    let indirect = |outside: &All| {
        let code = compile(&prog(everything()), outside, NEW).unwrap();
        let insns = read(&code);
        let kinds = [FlowControl::IndirectBranch, FlowControl::IndirectCall];
        let count = insns.iter().filter(|insn| kinds.contains(&insn.flow_control())).count();
        (count, insns.iter().filter(|insn| insn.mnemonic() == Mnemonic::Lfence).count())
    };
    let (count, fences) = indirect(&ALL);
    assert!(count > 3 && fences == 0, "{count} jumps, {fences} fences");
    assert_eq!(indirect(&HARDENED), (0, 1));
}

#[test]
fn functions_and_entries_become_instructions() {
    for (text, entry) in [
        ("r0 = 2\nexit", Entry::Direct),
        ("r6 = 2\n*(u64 *)(r10 - 8) = r6\nr0 = r6\nexit", Entry::Direct),
        ("call f\nexit\nf:\nr7 = 1\n*(u64 *)(r10 - 8) = r7\nr0 = r7\nexit", Entry::Direct),
        ("m:\ncall m\nexit", Entry::AsFunction),
        ("r0 = 0\nl:\nmay_goto e\nr0 += 1\ngoto l\ne:\nexit", Entry::Direct),
    ] {
        let code = compile(&prog(skep_asm::assemble(text).unwrap()), &NoSurroundings, NEW).unwrap();
        assert_eq!(code.entry, entry, "{text}");
        check(&code, text);
    }
}

#[test]
fn positions_lead_back_to_instructions() {
    let text = "r2 = 1 ll\nr3 = r2\nr3 += 5\nif r3 > 5 goto e\nr0 = 1\nexit\ne:\nr0 = 2\nexit";
    let insns = skep_asm::assemble(text).unwrap();
    let len = insns.len();
    let code = compile(&prog(insns), &NoSurroundings, NEW).unwrap();
    assert_eq!(code.at.len(), len + 1);
    for slot in 0..len {
        let pc = Pc(u32::try_from(slot).unwrap());
        let at = code.position(pc).unwrap();
        let found = code.pc(at).unwrap();
        // Those that became one are at the same place.
        assert_eq!(code.position(found), Some(at));
        assert!(found >= pc);
    }
    assert_eq!(code.pc(u32::MAX), None);
}

#[test]
fn what_leaves_the_function_is_refused() {
    let jump = |off| Insn::Jump { off };
    for insns in [
        vec![],
        vec![jump(1), Insn::Exit],
        vec![jump(-2), Insn::Exit],
        vec![Insn::Alu { width: Width::W64, op: AluOp::Mov, dst: Reg::R0, src: Src::Imm(0) }],
        vec![Insn::Call(Call::Local(1)), jump(1), Insn::Exit, Insn::Exit],
        vec![Insn::Call(Call::Local(0)), Insn::Call(Call::Local(-1)), Insn::Exit],
    ] {
        let what = format!("{insns:?}");
        let result = compile(&prog(insns.into_iter().collect()), &NoSurroundings, NEW);
        assert!(result.is_err(), "{what} has code");
    }
}

#[test]
fn code_is_no_longer_than_the_kernels() {
    // Arithmetic, moves, loads, stores and jumps as compilers mix them. The kernel: 4.7 bytes.
    let text = "r6 = r1\nl:\nr2 = *(u8 *)(r6 + 3)\nr3 = *(u32 *)(r6 + 8)\nr2 <<= 8\nr2 |= r3\nr2 += 77\n\
                w4 = w2\nw4 ^= w3\n*(u64 *)(r10 - 8) = r4\nr5 = r10\nr5 += -8\nif r4 == 0 goto e\nr4 &= 15\n\
                r6 += r4\nif r6 > r3 goto l\ne:\nr0 = 1\nexit";
    let insns = skep_asm::assemble(text).unwrap();
    let count = insns.len();
    let code = compile(&prog(insns), &NoSurroundings, NEW).unwrap();
    assert!(code.bytes.len() * 10 <= count * 47, "{} bytes for {count}", code.bytes.len());
}

/// Short jumps rest on what the first pass takes for the most that instructions can become: around each
/// instruction as many as just fit, and all must be in reach.
#[test]
fn no_instruction_is_longer_than_is_reckoned() {
    let insns = everything();
    let all: Vec<Insn> =
        insns.iter().map(|(_, insn)| insn).filter(|insn| *insn != Insn::Exit).collect();
    let kinds = [&ALL, &HARDENED];
    for (features, kind) in
        [Features::default(), NEW].into_iter().flat_map(|f| kinds.map(|kind| (f, kind)))
    {
        for insn in &all {
            for before in 0..3 {
                for count in [1, 2, 3, 5, 8, 12, 20, 30] {
                    // Jumps of the instruction's own lead to the next.
                    let pad = core::iter::repeat_n(Insn::JumpLong { off: 0 }, before);
                    let body = pad.chain(core::iter::repeat_n(*insn, count));
                    let body: Vec<Insn> = body.collect();
                    let slots: u32 = body.iter().map(Insn::slots).sum();
                    let off = i16::try_from(slots).unwrap();
                    let over = Insn::JumpIf {
                        width: Width::W64,
                        op: CondOp::Eq,
                        dst: Reg::R1,
                        src: Src::Imm(0),
                        off,
                    };
                    let end = [Insn::Jump { off: 0 }, Insn::Jump { off: 0 }, Insn::Exit];
                    let all = [over].into_iter().chain(body).chain(end);
                    let code = compile(&prog(all.collect()), kind, features);
                    assert!(code.is_ok(), "{count} times {insn:?}: {code:?}");
                }
            }
        }
    }
}

/// What lies before the head of a loop, to align it or to count its turns, is between a jump before it and one behind.
#[test]
fn jumps_over_loops_reach_past_what_lies_before_them() {
    for metered in [false, true] {
        let kind = Styled(Style { metered, ..Style::default() });
        for before in 0..32 {
            for count in 1..20 {
                let text = format!(
                    "{}if r2 == 0 goto e\nl:\n{}r1 += 1\nif r1 != r2 goto l\ne:\nr0 = 0\nexit",
                    "r3 += 1\n".repeat(before),
                    "r3 += 0x12345678\n".repeat(count),
                );
                let code = compile(&prog(skep_asm::assemble(&text).unwrap()), &kind, NEW);
                assert!(code.is_ok(), "{before} before, {count} inside: {code:?}");
            }
        }
    }
}

/// Blocks that are counted lie between a jump before them and its target, jumps back and what they ask among them. Where
/// there are few, the jump is a short one.
#[test]
fn jumps_reach_past_the_accounts_of_blocks() {
    let kind = Styled(Style { metered: true, ..Style::default() });
    let block =
        ["if r1 == 0x12345678 goto +0\n", "if r1 == 7 goto -2\n", "may_goto -2\n", "goto -2\n"];
    for (block, count, pad) in block
        .into_iter()
        .flat_map(|block| (1..12).flat_map(move |n| (0..32).map(move |pad| (block, n, pad))))
    {
        let text = format!(
            "if r1 == 0 goto e\n{}{}e:\nr0 = 0\nexit",
            "r2 += 1\n".repeat(pad),
            format!("r2 += 0x12345678\n{block}").repeat(count),
        );
        let code = compile(&prog(skep_asm::assemble(&text).unwrap()), &kind, NEW).expect(&text);
        check(&code, &text);
        if (count, pad) == (1, 6) && block.contains("+0") {
            let jump = read(&code).into_iter().find(|insn| insn.mnemonic() == Mnemonic::Je);
            assert_eq!(jump.map(|jump| jump.len()), Some(2), "{text}");
        }
    }
}

/// What is left of the turns of `may_goto` is stored behind its jump, which may be long.
#[test]
fn jumps_reach_past_may_goto() {
    let add = "r0 += 0x12345678\n";
    for (count, before) in (0..20).flat_map(|count| (0..8).map(move |before| (count, before))) {
        let ahead = format!(
            "r0 = 0\nl:\nmay_goto e\n{}{}goto l\ne:\nexit",
            "r0 += 1\n".repeat(before),
            add.repeat(count)
        );
        let over = format!(
            "r0 = 0\nif r1 == 0 goto e\n{}{}e:\nr0 += 1\n{}far:\nexit",
            "may_goto far\n".repeat(before),
            add.repeat(count),
            add.repeat(40),
        );
        for text in [ahead, over] {
            let code = compile(&prog(skep_asm::assemble(&text).unwrap()), &NoSurroundings, NEW);
            check(&code.expect(&text), &text);
        }
    }
}

/// A chain of comparisons of r1 with numbers that are so far from each other.
fn chain(count: usize, step: usize) -> Prog {
    let mut text = String::from("r0 = 0\n");
    for n in 0..count {
        text += &format!("if r1 == {} goto c{n}\n", n * step);
    }
    text += "exit\n";
    for n in 0..count {
        text += &format!("c{n}:\nr0 = {}\nexit\n", n * 7 + 1);
    }
    prog(skep_asm::assemble(&text).unwrap())
}

/// What the second tier does with many comparisons of one value.
#[test]
fn dense_decisions_are_one_jump_through_a_table() {
    let counts = |code: Code| {
        check(&code, "a decision");
        let insns = read(&code);
        let count = |flow| insns.iter().filter(|insn| insn.flow_control() == flow).count();
        (count(FlowControl::IndirectBranch), count(FlowControl::ConditionalBranch))
    };
    let best = |prog: &Prog| counts(compile_best(prog, &NoSurroundings, NEW).unwrap());
    // One jump, and a comparison with the length of the table.
    assert_eq!(best(&chain(16, 1)), (1, 1));
    assert_eq!(best(&chain(16, 3)), (1, 1));
    assert_eq!(best(&chain(16, 100)), (0, 16));
    assert_eq!(best(&chain(3, 1)), (0, 3));
    // Where no jump may be guessed there is none.
    assert_eq!(
        counts(
            compile_best(
                &chain(16, 1),
                &Styled(Style { retpolines: true, ..Style::default() }),
                NEW
            )
            .unwrap()
        ),
        (0, 16)
    );
}
