//! The loop.
//!
//! A hot path: registers and the rest of the ops stand in local variables, and one flat match
//! dispatches on the decoded op. Each arm is one call or one macro.
//!
//! # Speed
//!
//! What bounds the loop is how early the processor knows the next op, more than the number of host
//! instructions. So the rest of the ops is an iterator, which moves on without a load; how many ops to
//! skip is found by branches, which are predicted, and not by arithmetic on what was loaded; jumps hold
//! the index of their target.
//!
//! # Accounts
//!
//! [`Meter`](crate::cx::Meter) counts by the length of the rest. Only taken jumps and calls look
//! whether the slice is used up: between two of them a program can run at most its own length.

mod rare;

use rare::{denied, fault, left_the_ops, load, not_a_function, refill, store};
pub(crate) use rare::{function, stopped};

use crate::arith::{alu32, alu64, cond32, cond64};
use crate::code::{Code, OpCode as O};
use crate::cx::Cx;
use crate::fault::{Fault, FaultKind};
use crate::helper::Stop;
use crate::memory::MAX_FRAMES;
use crate::observe::observe;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hint::{cold_path, select_unpredictable};
use skep_isa::{AluOp, AtomicOp, CondOp};

/// Iterations that `may_goto` allows a function. Kernel: `BPF_MAX_LOOPS`.
const MAX_LOOPS: u32 = 8 * 1024 * 1024;
/// Tail calls a run may make. Kernel: `MAX_TAIL_CALL_CNT`.
pub(crate) const MAX_TAIL_CALLS: u32 = 33;

/// What a call saves.
struct Frame<'r, S> {
    code: &'r Code<S>,
    /// Op to return to.
    at: usize,
    /// r6 to r10.
    saved: [u64; 5],
    may_goto: u32,
}

/// Runs a program. Where it throws an exception, all its functions end, and its callback for that decides
/// on the result; without one it is what was thrown. Kernel: `bpf_throw`.
pub(crate) fn run<'r, S, const OBSERVED: bool>(
    cx: &mut Cx<'r, S>,
    code: &'r Code<S>,
    args: [u64; 5],
) -> Result<u64, Box<Fault>> {
    let result = interp::<S, OBSERVED>(cx, code, 0, args);
    let Err(fault) = result else { return result };
    let FaultKind::Thrown { cookie } = fault.kind else { return Err(fault) };
    while cx.depth > 0 {
        cx.leave();
    }
    let thrower = cx.thrown_in.take().unwrap_or(code);
    match thrower.exception {
        Some(callback) => interp::<S, OBSERVED>(cx, thrower, callback, [cookie, 0, 0, 0, 0]),
        None => Ok(cookie),
    }
}

/// Runs a function from its first op until it returns.
///
/// Nested calls of BPF functions are frames in a list; callbacks from helpers recurse, at most
/// `MAX_FRAMES` deep. With an observer, each instruction is an op of its own.
#[expect(clippy::too_many_lines, reason = "one flat match over the ops")]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::cast_lossless,
    reason = "the instruction set is made of such casts"
)]
pub(crate) fn interp<'r, S, const OBSERVED: bool>(
    cx: &mut Cx<'r, S>,
    mut code: &'r Code<S>,
    entry: usize,
    args: [u64; 5],
) -> Result<u64, Box<Fault>> {
    let mut frames: Vec<Frame<'r, S>> = Vec::new();
    let mut ops = code.ops_of::<OBSERVED>();
    let mut rest = ops[entry..].iter();
    // As many as a `u8` can name, so that no bound is left to check.
    let mut regs = [0u64; 256];
    regs[1..6].copy_from_slice(&args);
    let mut may_goto = MAX_LOOPS;
    regs[10] = match cx.enter() {
        Some(top) => top,
        None => return Err(cx.fault(code, entry, FaultKind::CallDepth { max: MAX_FRAMES })),
    };
    cx.meter.resume(rest.len());

    loop {
        let Some(op) = rest.next() else { left_the_ops() };
        if OBSERVED {
            observe(cx, code, ops.len() - rest.len() - 1, &regs);
        }

        macro_rules! dst {
            () => {
                regs[usize::from(op.dst)]
            };
        }
        macro_rules! src {
            () => {
                regs[usize::from(op.src)]
            };
        }
        // Index of the next op.
        macro_rules! at {
            () => {
                ops.len() - rest.len()
            };
        }
        macro_rules! fault {
            ($kind:expr) => {
                return Err(fault(cx, code, rest.len(), $kind))
            };
        }
        macro_rules! refill {
            () => {
                if cx.meter.overdrawn(rest.len()) {
                    cold_path();
                    refill(cx, code, rest.len())?;
                }
            };
        }
        macro_rules! jump {
            ($target:expr) => {{
                let from = rest.len();
                rest = ops[$target as usize..].iter();
                cx.meter.jump(from, rest.len());
                refill!();
            }};
        }
        macro_rules! branch {
            ($taken:expr) => {
                if $taken {
                    jump!(op.off)
                }
            };
        }
        macro_rules! go {
            // To an op of any code.
            ($code:expr, $target:expr) => {{
                let from = rest.len();
                ops = $code.ops_of::<OBSERVED>();
                rest = ops[$target..].iter();
                cx.meter.jump(from, rest.len());
                refill!();
            }};
        }
        macro_rules! access {
            ($base:expr, $result:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(access) => return Err(denied(cx, code, rest.len(), $base, access)),
                }
            };
        }
        // Of memory at a register and an offset.
        macro_rules! peek {
            ($size:literal, $base:expr, $off:expr) => {{
                let addr = regs[usize::from($base)].wrapping_add($off as u64);
                match cx.mem.load::<$size>(addr) {
                    Some(value) => value,
                    None => {
                        cold_path();
                        load(cx, code, rest.len(), ($base, $off), addr, $size)?
                    }
                }
            }};
        }
        macro_rules! poke {
            ($size:literal, $base:expr, $off:expr, $value:expr) => {{
                let addr = regs[usize::from($base)].wrapping_add($off as u64);
                if cx.mem.store::<$size>(addr, $value).is_none() {
                    cold_path();
                    store(cx, code, rest.len(), ($base, $off), (addr, $value), $size)?;
                }
            }};
        }
        macro_rules! load {
            ($size:literal, $as:ty) => {
                dst!() = peek!($size, op.src, op.off) as $as as i64 as u64
            };
        }
        macro_rules! store {
            ($size:literal, $value:expr) => {
                poke!($size, op.dst, op.off, $value)
            };
        }
        macro_rules! call {
            ($code:expr, $target:expr) => {{
                let Some(top) = cx.enter() else {
                    fault!(FaultKind::CallDepth { max: MAX_FRAMES })
                };
                let saved = [regs[6], regs[7], regs[8], regs[9], regs[10]];
                frames.push(Frame { code, at: at!(), saved, may_goto });
                regs[10] = top;
                may_goto = MAX_LOOPS;
                let target = $target;
                code = $code;
                go!(code, target);
            }};
        }

        macro_rules! ret {
            ($value:expr) => {{
                let value = $value;
                cx.leave();
                let Some(frame) = frames.pop() else {
                    cx.meter.pause(rest.len());
                    return Ok(value);
                };
                regs[0] = value;
                regs[6..11].copy_from_slice(&frame.saved);
                code = frame.code;
                may_goto = frame.may_goto;
                go!(code, frame.at);
            }};
        }
        macro_rules! help {
            ($helper:expr) => {{
                let helper = $helper;
                cx.meter.pause(rest.len());
                match (helper.run)(cx, [regs[1], regs[2], regs[3], regs[4], regs[5]]) {
                    Ok(value) => regs[0] = value,
                    Err(Stop::TailCall(prog)) if (prog as usize) < cx.machine.codes.len() => {
                        // It finds the frame as the function that it replaces did: cleared.
                        cx.leave();
                        cx.enter();
                        regs[0] = 0;
                        regs[6..10].fill(0);
                        code = &cx.machine.codes[prog as usize];
                        ops = code.ops_of::<OBSERVED>();
                        rest = ops.iter();
                        may_goto = MAX_LOOPS;
                    }
                    Err(stop) => {
                        if let Stop::Fault(FaultKind::Thrown { .. }) = stop {
                            cx.thrown_in = Some(code);
                        }
                        return Err(stopped(cx, code, at!() - 1, &helper.name, stop));
                    }
                }
                cx.meter.charge(cx.mem.take_copied());
                cx.meter.resume(rest.len());
                refill!();
            }};
        }
        macro_rules! load_abs {
            ($index:expr) => {
                match cx.mem.load_abs((op.imm as i32).wrapping_add($index as i32), op.off) {
                    Some(value) => regs[0] = value,
                    // Kernel: `bpf_gen_ld_abs`, which returns 0 from the function.
                    None => ret!(0),
                }
            };
        }

        // The ops below stand for several instructions.
        macro_rules! skip {
            ($ops:expr) => {
                if rest.nth($ops - 1).is_none() {
                    left_the_ops();
                }
            };
        }
        macro_rules! moved {
            ($value:expr) => {{
                dst!() = $value;
                skip!(1);
            }};
        }
        macro_rules! add_load {
            ($size:literal) => {{
                let base = src!().wrapping_add(regs[usize::from(op.third)]);
                dst!() = base;
                if op.imm >> 32 == 1 {
                    skip!(1)
                } else {
                    skip!(2)
                }
                regs[usize::from(op.imm as u8)] = peek!($size, op.dst, op.off);
            }};
        }
        macro_rules! copy {
            ($size:literal) => {{
                let value = peek!($size, op.src, op.off);
                regs[usize::from(op.imm as u8)] = value;
                skip!(1);
                poke!($size, op.dst, (op.imm as i64 >> 32) as i32, value);
            }};
        }
        macro_rules! rotate {
            ($int:ty, $left_first:literal) => {{
                let value = src!() as $int;
                let left = value << (op.imm as $int & (<$int>::BITS - 1) as $int);
                let right = value >> ((op.imm >> 32) as $int & (<$int>::BITS - 1) as $int);
                regs[usize::from(op.third)] = (if $left_first { left } else { right }).into();
                dst!() = (left | right).into();
                if op.off == 3 { skip!(3) } else { skip!(4) }
            }};
        }
        macro_rules! index_load {
            ($size:literal) => {{
                let [reg, from, by, len, ..] = op.imm.to_le_bytes();
                let index = regs[usize::from(from)] << (by & 63);
                regs[usize::from(op.third)] = index;
                dst!() = src!().wrapping_add(index);
                if len == 3 {
                    skip!(3)
                } else {
                    skip!(4)
                }
                regs[usize::from(reg)] = peek!($size, op.dst, op.off);
            }};
        }
        // What `fuse::Step` says of its instructions.
        macro_rules! take_steps {
            ($steps:expr) => {
                if $steps & 1 != 0 {
                    skip!(1);
                    if $steps & 2 != 0 {
                        dst!() = dst!() as u32 as u64;
                    }
                } else if $steps & 2 != 0 {
                    skip!(2);
                }
            };
        }
        macro_rules! step {
            ($holds:ident, $cond:expr, $operand:ident) => {{
                dst!() = src!().wrapping_add(op.imm as i32 as u64);
                take_steps!(op.third >> 4);
                let operand = (op.imm as i64 >> 32) as u64;
                let holds = $holds($cond, regs[usize::from(op.third & 15)], $operand!(operand));
                if op.third & 0x80 != 0 {
                    let [to, from, ..] = op.off.to_le_bytes();
                    let value = regs[usize::from(from)].wrapping_add((op.off >> 16) as u64);
                    let old = regs[usize::from(to)];
                    regs[usize::from(to)] = select_unpredictable(holds, old, value);
                    skip!(1);
                    cx.meter.jump(usize::from(holds), 0);
                } else if holds {
                    jump!(op.off as u16);
                } else if op.third & 0x40 != 0 {
                    skip!(1);
                    jump!(op.off as u32 >> 16);
                }
            }};
        }
        macro_rules! register {
            ($number:expr) => {
                regs[usize::from($number as u8)]
            };
        }
        macro_rules! number {
            ($number:expr) => {
                $number
            };
        }

        match op.code {
            O::Add64X => dst!() = alu64(AluOp::Add, dst!(), src!()),
            O::Sub64X => dst!() = alu64(AluOp::Sub, dst!(), src!()),
            O::Mul64X => dst!() = alu64(AluOp::Mul, dst!(), src!()),
            O::Div64X => dst!() = alu64(AluOp::Div, dst!(), src!()),
            O::SDiv64X => dst!() = alu64(AluOp::SDiv, dst!(), src!()),
            O::Or64X => dst!() = alu64(AluOp::Or, dst!(), src!()),
            O::And64X => dst!() = alu64(AluOp::And, dst!(), src!()),
            O::Lsh64X => dst!() = alu64(AluOp::Lsh, dst!(), src!()),
            O::Rsh64X => dst!() = alu64(AluOp::Rsh, dst!(), src!()),
            O::Mod64X => dst!() = alu64(AluOp::Mod, dst!(), src!()),
            O::SMod64X => dst!() = alu64(AluOp::SMod, dst!(), src!()),
            O::Xor64X => dst!() = alu64(AluOp::Xor, dst!(), src!()),
            O::Mov64X => dst!() = alu64(AluOp::Mov, dst!(), src!()),
            O::Arsh64X => dst!() = alu64(AluOp::Arsh, dst!(), src!()),
            O::Add64K => dst!() = alu64(AluOp::Add, dst!(), op.imm),
            O::Sub64K => dst!() = alu64(AluOp::Sub, dst!(), op.imm),
            O::Mul64K => dst!() = alu64(AluOp::Mul, dst!(), op.imm),
            O::Div64K => dst!() = alu64(AluOp::Div, dst!(), op.imm),
            O::SDiv64K => dst!() = alu64(AluOp::SDiv, dst!(), op.imm),
            O::Or64K => dst!() = alu64(AluOp::Or, dst!(), op.imm),
            O::And64K => dst!() = alu64(AluOp::And, dst!(), op.imm),
            O::Lsh64K => dst!() = alu64(AluOp::Lsh, dst!(), op.imm),
            O::Rsh64K => dst!() = alu64(AluOp::Rsh, dst!(), op.imm),
            O::Mod64K => dst!() = alu64(AluOp::Mod, dst!(), op.imm),
            O::SMod64K => dst!() = alu64(AluOp::SMod, dst!(), op.imm),
            O::Xor64K => dst!() = alu64(AluOp::Xor, dst!(), op.imm),
            O::Mov64K => dst!() = alu64(AluOp::Mov, dst!(), op.imm),
            O::Arsh64K => dst!() = alu64(AluOp::Arsh, dst!(), op.imm),
            O::Add32X => dst!() = alu32(AluOp::Add, dst!(), src!()),
            O::Sub32X => dst!() = alu32(AluOp::Sub, dst!(), src!()),
            O::Mul32X => dst!() = alu32(AluOp::Mul, dst!(), src!()),
            O::Div32X => dst!() = alu32(AluOp::Div, dst!(), src!()),
            O::SDiv32X => dst!() = alu32(AluOp::SDiv, dst!(), src!()),
            O::Or32X => dst!() = alu32(AluOp::Or, dst!(), src!()),
            O::And32X => dst!() = alu32(AluOp::And, dst!(), src!()),
            O::Lsh32X => dst!() = alu32(AluOp::Lsh, dst!(), src!()),
            O::Rsh32X => dst!() = alu32(AluOp::Rsh, dst!(), src!()),
            O::Mod32X => dst!() = alu32(AluOp::Mod, dst!(), src!()),
            O::SMod32X => dst!() = alu32(AluOp::SMod, dst!(), src!()),
            O::Xor32X => dst!() = alu32(AluOp::Xor, dst!(), src!()),
            O::Mov32X => dst!() = alu32(AluOp::Mov, dst!(), src!()),
            O::Arsh32X => dst!() = alu32(AluOp::Arsh, dst!(), src!()),
            O::Add32K => dst!() = alu32(AluOp::Add, dst!(), op.imm),
            O::Sub32K => dst!() = alu32(AluOp::Sub, dst!(), op.imm),
            O::Mul32K => dst!() = alu32(AluOp::Mul, dst!(), op.imm),
            O::Div32K => dst!() = alu32(AluOp::Div, dst!(), op.imm),
            O::SDiv32K => dst!() = alu32(AluOp::SDiv, dst!(), op.imm),
            O::Or32K => dst!() = alu32(AluOp::Or, dst!(), op.imm),
            O::And32K => dst!() = alu32(AluOp::And, dst!(), op.imm),
            O::Lsh32K => dst!() = alu32(AluOp::Lsh, dst!(), op.imm),
            O::Rsh32K => dst!() = alu32(AluOp::Rsh, dst!(), op.imm),
            O::Mod32K => dst!() = alu32(AluOp::Mod, dst!(), op.imm),
            O::SMod32K => dst!() = alu32(AluOp::SMod, dst!(), op.imm),
            O::Xor32K => dst!() = alu32(AluOp::Xor, dst!(), op.imm),
            O::Mov32K => dst!() = alu32(AluOp::Mov, dst!(), op.imm),
            O::Arsh32K => dst!() = alu32(AluOp::Arsh, dst!(), op.imm),
            O::Neg64 => dst!() = dst!().wrapping_neg(),
            O::Neg32 => dst!() = (dst!() as u32).wrapping_neg() as u64,
            O::MovSx8To64 => dst!() = src!() as i8 as i64 as u64,
            O::MovSx16To64 => dst!() = src!() as i16 as i64 as u64,
            O::MovSx32To64 => dst!() = src!() as i32 as i64 as u64,
            O::MovSx8To32 => dst!() = src!() as i8 as i32 as u32 as u64,
            O::MovSx16To32 => dst!() = src!() as i16 as i32 as u32 as u64,
            O::Trunc16 => dst!() = dst!() as u16 as u64,
            O::Trunc32 => dst!() = dst!() as u32 as u64,
            O::Nop => {}
            O::Swap16 => dst!() = (dst!() as u16).swap_bytes() as u64,
            O::Swap32 => dst!() = (dst!() as u32).swap_bytes() as u64,
            O::Swap64 => dst!() = dst!().swap_bytes(),
            O::Load8 => load!(1, u64),
            O::Load16 => load!(2, u64),
            O::Load32 => load!(4, u64),
            O::Load64 => load!(8, u64),
            O::LoadSx8 => load!(1, i8),
            O::LoadSx16 => load!(2, i16),
            O::LoadSx32 => load!(4, i32),
            O::Store8X => store!(1, src!()),
            O::Store16X => store!(2, src!()),
            O::Store32X => store!(4, src!()),
            O::Store64X => store!(8, src!()),
            O::Store8K => store!(1, op.imm),
            O::Store16K => store!(2, op.imm),
            O::Store32K => store!(4, op.imm),
            O::Store64K => store!(8, op.imm),
            O::Atomic => {
                let (size, atomic) = code.atomics[op.imm as usize];
                let addr = dst!().wrapping_add(op.off as u64);
                let old =
                    access!((op.dst, op.off), cx.mem.atomic(addr, size, atomic, src!(), regs[0]));
                match atomic {
                    AtomicOp::CmpXchg => regs[0] = old,
                    atomic if atomic.fetches() => src!() = old,
                    _ => {}
                }
            }
            O::LoadAcquire => {
                let addr = src!().wrapping_add(op.off as u64);
                dst!() = access!((op.src, op.off), cx.mem.load_acquire(addr, op.imm as usize));
            }
            O::StoreRelease => {
                let addr = dst!().wrapping_add(op.off as u64);
                access!((op.dst, op.off), cx.mem.store_release(addr, op.imm as usize, src!()));
            }
            O::LoadAbs => load_abs!(0),
            O::LoadInd => load_abs!(src!()),
            O::Eq64X => branch!(cond64(CondOp::Eq, dst!(), src!())),
            O::Gt64X => branch!(cond64(CondOp::Gt, dst!(), src!())),
            O::Ge64X => branch!(cond64(CondOp::Ge, dst!(), src!())),
            O::Set64X => branch!(cond64(CondOp::Set, dst!(), src!())),
            O::Ne64X => branch!(cond64(CondOp::Ne, dst!(), src!())),
            O::SGt64X => branch!(cond64(CondOp::SGt, dst!(), src!())),
            O::SGe64X => branch!(cond64(CondOp::SGe, dst!(), src!())),
            O::Lt64X => branch!(cond64(CondOp::Lt, dst!(), src!())),
            O::Le64X => branch!(cond64(CondOp::Le, dst!(), src!())),
            O::SLt64X => branch!(cond64(CondOp::SLt, dst!(), src!())),
            O::SLe64X => branch!(cond64(CondOp::SLe, dst!(), src!())),
            O::Eq64K => branch!(cond64(CondOp::Eq, dst!(), op.imm)),
            O::Gt64K => branch!(cond64(CondOp::Gt, dst!(), op.imm)),
            O::Ge64K => branch!(cond64(CondOp::Ge, dst!(), op.imm)),
            O::Set64K => branch!(cond64(CondOp::Set, dst!(), op.imm)),
            O::Ne64K => branch!(cond64(CondOp::Ne, dst!(), op.imm)),
            O::SGt64K => branch!(cond64(CondOp::SGt, dst!(), op.imm)),
            O::SGe64K => branch!(cond64(CondOp::SGe, dst!(), op.imm)),
            O::Lt64K => branch!(cond64(CondOp::Lt, dst!(), op.imm)),
            O::Le64K => branch!(cond64(CondOp::Le, dst!(), op.imm)),
            O::SLt64K => branch!(cond64(CondOp::SLt, dst!(), op.imm)),
            O::SLe64K => branch!(cond64(CondOp::SLe, dst!(), op.imm)),
            O::Eq32X => branch!(cond32(CondOp::Eq, dst!(), src!())),
            O::Gt32X => branch!(cond32(CondOp::Gt, dst!(), src!())),
            O::Ge32X => branch!(cond32(CondOp::Ge, dst!(), src!())),
            O::Set32X => branch!(cond32(CondOp::Set, dst!(), src!())),
            O::Ne32X => branch!(cond32(CondOp::Ne, dst!(), src!())),
            O::SGt32X => branch!(cond32(CondOp::SGt, dst!(), src!())),
            O::SGe32X => branch!(cond32(CondOp::SGe, dst!(), src!())),
            O::Lt32X => branch!(cond32(CondOp::Lt, dst!(), src!())),
            O::Le32X => branch!(cond32(CondOp::Le, dst!(), src!())),
            O::SLt32X => branch!(cond32(CondOp::SLt, dst!(), src!())),
            O::SLe32X => branch!(cond32(CondOp::SLe, dst!(), src!())),
            O::Eq32K => branch!(cond32(CondOp::Eq, dst!(), op.imm)),
            O::Gt32K => branch!(cond32(CondOp::Gt, dst!(), op.imm)),
            O::Ge32K => branch!(cond32(CondOp::Ge, dst!(), op.imm)),
            O::Set32K => branch!(cond32(CondOp::Set, dst!(), op.imm)),
            O::Ne32K => branch!(cond32(CondOp::Ne, dst!(), op.imm)),
            O::SGt32K => branch!(cond32(CondOp::SGt, dst!(), op.imm)),
            O::SGe32K => branch!(cond32(CondOp::SGe, dst!(), op.imm)),
            O::Lt32K => branch!(cond32(CondOp::Lt, dst!(), op.imm)),
            O::Le32K => branch!(cond32(CondOp::Le, dst!(), op.imm)),
            O::SLt32K => branch!(cond32(CondOp::SLt, dst!(), op.imm)),
            O::SLe32K => branch!(cond32(CondOp::SLe, dst!(), op.imm)),
            O::Jump => jump!(op.off),
            O::MayGoto => {
                if may_goto == 0 {
                    jump!(op.off)
                } else {
                    may_goto -= 1;
                }
            }
            O::JumpReg => match function(cx, dst!()) {
                Some((to, target)) if core::ptr::eq(to, code) => go!(code, target),
                _ => fault!(not_a_function(op.dst, dst!())),
            },
            O::Helper => help!(&code.helpers[op.imm as usize]),
            O::CallLocal => call!(code, op.off as usize),
            O::CallReg => {
                let value = dst!();
                if let Some((to, target)) = function(cx, value) {
                    call!(to, target);
                } else {
                    let id = i32::try_from(value).ok();
                    match id.and_then(|id| cx.machine.helpers.get(id)) {
                        Some(helper) => help!(helper),
                        None => fault!(not_a_function(op.dst, value)),
                    }
                }
            }
            O::Exit => ret!(regs[0]),
            O::MoveAdd64X => moved!(alu64(AluOp::Add, src!(), regs[usize::from(op.third)])),
            O::MoveSub64X => moved!(alu64(AluOp::Sub, src!(), regs[usize::from(op.third)])),
            O::MoveMul64X => moved!(alu64(AluOp::Mul, src!(), regs[usize::from(op.third)])),
            O::MoveDiv64X => moved!(alu64(AluOp::Div, src!(), regs[usize::from(op.third)])),
            O::MoveOr64X => moved!(alu64(AluOp::Or, src!(), regs[usize::from(op.third)])),
            O::MoveAnd64X => moved!(alu64(AluOp::And, src!(), regs[usize::from(op.third)])),
            O::MoveLsh64X => moved!(alu64(AluOp::Lsh, src!(), regs[usize::from(op.third)])),
            O::MoveRsh64X => moved!(alu64(AluOp::Rsh, src!(), regs[usize::from(op.third)])),
            O::MoveMod64X => moved!(alu64(AluOp::Mod, src!(), regs[usize::from(op.third)])),
            O::MoveXor64X => moved!(alu64(AluOp::Xor, src!(), regs[usize::from(op.third)])),
            O::MoveArsh64X => moved!(alu64(AluOp::Arsh, src!(), regs[usize::from(op.third)])),
            O::MoveAdd64K => moved!(alu64(AluOp::Add, src!(), op.imm)),
            O::MoveSub64K => moved!(alu64(AluOp::Sub, src!(), op.imm)),
            O::MoveMul64K => moved!(alu64(AluOp::Mul, src!(), op.imm)),
            O::MoveDiv64K => moved!(alu64(AluOp::Div, src!(), op.imm)),
            O::MoveOr64K => moved!(alu64(AluOp::Or, src!(), op.imm)),
            O::MoveAnd64K => moved!(alu64(AluOp::And, src!(), op.imm)),
            O::MoveLsh64K => moved!(alu64(AluOp::Lsh, src!(), op.imm)),
            O::MoveRsh64K => moved!(alu64(AluOp::Rsh, src!(), op.imm)),
            O::MoveMod64K => moved!(alu64(AluOp::Mod, src!(), op.imm)),
            O::MoveXor64K => moved!(alu64(AluOp::Xor, src!(), op.imm)),
            O::MoveArsh64K => moved!(alu64(AluOp::Arsh, src!(), op.imm)),
            O::MoveAdd32X => moved!(alu32(AluOp::Add, src!(), regs[usize::from(op.third)])),
            O::MoveSub32X => moved!(alu32(AluOp::Sub, src!(), regs[usize::from(op.third)])),
            O::MoveMul32X => moved!(alu32(AluOp::Mul, src!(), regs[usize::from(op.third)])),
            O::MoveDiv32X => moved!(alu32(AluOp::Div, src!(), regs[usize::from(op.third)])),
            O::MoveOr32X => moved!(alu32(AluOp::Or, src!(), regs[usize::from(op.third)])),
            O::MoveAnd32X => moved!(alu32(AluOp::And, src!(), regs[usize::from(op.third)])),
            O::MoveLsh32X => moved!(alu32(AluOp::Lsh, src!(), regs[usize::from(op.third)])),
            O::MoveRsh32X => moved!(alu32(AluOp::Rsh, src!(), regs[usize::from(op.third)])),
            O::MoveMod32X => moved!(alu32(AluOp::Mod, src!(), regs[usize::from(op.third)])),
            O::MoveXor32X => moved!(alu32(AluOp::Xor, src!(), regs[usize::from(op.third)])),
            O::MoveArsh32X => moved!(alu32(AluOp::Arsh, src!(), regs[usize::from(op.third)])),
            O::MoveAdd32K => moved!(alu32(AluOp::Add, src!(), op.imm)),
            O::MoveSub32K => moved!(alu32(AluOp::Sub, src!(), op.imm)),
            O::MoveMul32K => moved!(alu32(AluOp::Mul, src!(), op.imm)),
            O::MoveDiv32K => moved!(alu32(AluOp::Div, src!(), op.imm)),
            O::MoveOr32K => moved!(alu32(AluOp::Or, src!(), op.imm)),
            O::MoveAnd32K => moved!(alu32(AluOp::And, src!(), op.imm)),
            O::MoveLsh32K => moved!(alu32(AluOp::Lsh, src!(), op.imm)),
            O::MoveRsh32K => moved!(alu32(AluOp::Rsh, src!(), op.imm)),
            O::MoveMod32K => moved!(alu32(AluOp::Mod, src!(), op.imm)),
            O::MoveXor32K => moved!(alu32(AluOp::Xor, src!(), op.imm)),
            O::MoveArsh32K => moved!(alu32(AluOp::Arsh, src!(), op.imm)),
            O::ShiftUp => {
                dst!() = src!() << (op.imm & 63) >> (op.imm >> 32 & 63);
                if op.third == 1 { skip!(1) } else { skip!(2) }
            }
            O::ShiftUpSigned => {
                let up = (src!() << (op.imm & 63)) as i64;
                dst!() = (up >> (op.imm >> 32 & 63)) as u64;
                if op.third == 1 { skip!(1) } else { skip!(2) }
            }
            O::AddLoad8 => add_load!(1),
            O::AddLoad16 => add_load!(2),
            O::AddLoad32 => add_load!(4),
            O::AddLoad64 => add_load!(8),
            O::Copy8 => copy!(1),
            O::Copy16 => copy!(2),
            O::Copy32 => copy!(4),
            O::Copy64 => copy!(8),
            O::RightLeft64 => rotate!(u64, false),
            O::RightLeft32 => rotate!(u32, false),
            O::LeftRight64 => rotate!(u64, true),
            O::LeftRight32 => rotate!(u32, true),
            O::IndexLoad8 => index_load!(1),
            O::IndexLoad16 => index_load!(2),
            O::IndexLoad32 => index_load!(4),
            O::IndexLoad64 => index_load!(8),
            O::AddAdd => {
                dst!() = dst!().wrapping_add(op.imm as i32 as u64);
                src!() = src!().wrapping_add((op.imm as i64 >> 32) as u64);
                skip!(1);
            }
            O::StepJump => {
                dst!() = src!().wrapping_add(op.imm as i32 as u64);
                take_steps!(op.third);
                jump!(op.off);
            }
            O::StepEq64X => step!(cond64, CondOp::Eq, register),
            O::StepGt64X => step!(cond64, CondOp::Gt, register),
            O::StepGe64X => step!(cond64, CondOp::Ge, register),
            O::StepSet64X => step!(cond64, CondOp::Set, register),
            O::StepNe64X => step!(cond64, CondOp::Ne, register),
            O::StepSGt64X => step!(cond64, CondOp::SGt, register),
            O::StepSGe64X => step!(cond64, CondOp::SGe, register),
            O::StepLt64X => step!(cond64, CondOp::Lt, register),
            O::StepLe64X => step!(cond64, CondOp::Le, register),
            O::StepSLt64X => step!(cond64, CondOp::SLt, register),
            O::StepSLe64X => step!(cond64, CondOp::SLe, register),
            O::StepEq64K => step!(cond64, CondOp::Eq, number),
            O::StepGt64K => step!(cond64, CondOp::Gt, number),
            O::StepGe64K => step!(cond64, CondOp::Ge, number),
            O::StepSet64K => step!(cond64, CondOp::Set, number),
            O::StepNe64K => step!(cond64, CondOp::Ne, number),
            O::StepSGt64K => step!(cond64, CondOp::SGt, number),
            O::StepSGe64K => step!(cond64, CondOp::SGe, number),
            O::StepLt64K => step!(cond64, CondOp::Lt, number),
            O::StepLe64K => step!(cond64, CondOp::Le, number),
            O::StepSLt64K => step!(cond64, CondOp::SLt, number),
            O::StepSLe64K => step!(cond64, CondOp::SLe, number),
            O::StepEq32X => step!(cond32, CondOp::Eq, register),
            O::StepGt32X => step!(cond32, CondOp::Gt, register),
            O::StepGe32X => step!(cond32, CondOp::Ge, register),
            O::StepSet32X => step!(cond32, CondOp::Set, register),
            O::StepNe32X => step!(cond32, CondOp::Ne, register),
            O::StepSGt32X => step!(cond32, CondOp::SGt, register),
            O::StepSGe32X => step!(cond32, CondOp::SGe, register),
            O::StepLt32X => step!(cond32, CondOp::Lt, register),
            O::StepLe32X => step!(cond32, CondOp::Le, register),
            O::StepSLt32X => step!(cond32, CondOp::SLt, register),
            O::StepSLe32X => step!(cond32, CondOp::SLe, register),
            O::StepEq32K => step!(cond32, CondOp::Eq, number),
            O::StepGt32K => step!(cond32, CondOp::Gt, number),
            O::StepGe32K => step!(cond32, CondOp::Ge, number),
            O::StepSet32K => step!(cond32, CondOp::Set, number),
            O::StepNe32K => step!(cond32, CondOp::Ne, number),
            O::StepSGt32K => step!(cond32, CondOp::SGt, number),
            O::StepSGe32K => step!(cond32, CondOp::SGe, number),
            O::StepLt32K => step!(cond32, CondOp::Lt, number),
            O::StepLe32K => step!(cond32, CondOp::Le, number),
            O::StepSLt32K => step!(cond32, CondOp::SLt, number),
            O::StepSLe32K => step!(cond32, CondOp::SLe, number),
            // A null pointer stays one in both spaces.
            O::CastArena => {
                let at = src!() as u32 as u64;
                dst!() = if src!() == 0 { 0 } else { op.imm << 32 | at };
            }
            O::Trap => fault!(FaultKind::Unsupported { what: code.traps[op.imm as usize].into() }),
        }
    }
}
