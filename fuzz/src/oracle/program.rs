//! Programs out of bytes, of which most load.

use skep_isa::{Call, ImmSrc, Insn, Insns, Pc, RawInsn};

/// Slots to a program: registers, jumps, calls and maps that do not exist become others that do, and
/// what is no instruction is left out. `helpers` are those there are; maps 0 and 1, if there are so
/// many, have a value to point into.
#[must_use]
pub fn insns(data: &[u8], helpers: &[i32], maps: usize) -> Insns {
    let mut insns = Vec::new();
    let mut raws = data.as_chunks().0.iter().map(|&slot| RawInsn::from_le_bytes(slot));
    while let Some(mut raw) = raws.next() {
        raw.regs = (raw.dst() % 11) | ((raw.src() % 11) << 4);
        let lddw = raw.code == 0x18;
        let high = if lddw { raws.next().map_or(0, |raw| raw.imm) } else { 0 };
        let next = RawInsn { imm: high, ..RawInsn::default() };
        insns.extend(closest(raw, next).map(|insn| known(insn, helpers, maps)));
    }
    insns.push(Insn::Exit);
    land(&insns)
}

/// The instruction itself, or what it is without the fields that it may not have.
fn closest(raw: RawInsn, next: RawInsn) -> Option<Insn> {
    let regs = raw.dst();
    let tries = [
        raw,
        RawInsn { off: 0, ..raw },
        RawInsn { imm: 0, ..raw },
        RawInsn { off: 0, imm: 0, ..raw },
        RawInsn { regs, ..raw },
        RawInsn { regs, off: 0, ..raw },
        RawInsn { regs, imm: 0, ..raw },
        RawInsn { regs, off: 0, imm: 0, ..raw },
        RawInsn { regs: 0, off: 0, ..raw },
        RawInsn { regs: 0, off: 0, imm: 0, ..raw },
    ];
    tries.into_iter().find_map(|raw| Insn::decode(raw, Some(next)).ok())
}

/// Helpers and maps that exist.
fn known(insn: Insn, helpers: &[i32], maps: usize) -> Insn {
    let helper = |id: i32| {
        let at = id.unsigned_abs() as usize % helpers.len();
        Insn::Call(Call::Helper(if helpers.contains(&id) { id } else { helpers[at] }))
    };
    let map =
        |idx: i32, count: usize| i32::try_from(idx.unsigned_abs() as usize % count).unwrap_or(0);
    match insn {
        Insn::Call(Call::Helper(id) | Call::Kfunc { id, .. }) => helper(id),
        Insn::LoadImm { dst, imm } => Insn::LoadImm {
            dst,
            imm: match imm {
                ImmSrc::MapFd(idx) | ImmSrc::MapIdx(idx) => ImmSrc::MapIdx(map(idx, maps)),
                ImmSrc::MapValue { fd: idx, at } | ImmSrc::MapIdxValue { idx, at } => {
                    ImmSrc::MapIdxValue { idx: map(idx, 2), at }
                }
                ImmSrc::BtfId { id, .. } => ImmSrc::Value(id.unsigned_abs().into()),
                other => other,
            },
        },
        other => other,
    }
}

/// Makes every jump lead to an instruction.
fn land(list: &[Insn]) -> Insns {
    let starts = starts(list);
    let land = |at: usize, off: i32| {
        let target = i64::from(starts[at].0) + 1 + i64::from(off);
        let found = starts.iter().find(|pc| i64::from(pc.0) == target);
        let other = &starts[off.unsigned_abs() as usize % starts.len()];
        distance(starts[at], *found.unwrap_or(other))
    };
    let insns = list.iter().enumerate();
    insns.map(|(at, insn)| with_off(*insn, |off| land(at, off))).collect()
}

/// The program with `goto +0` behind each instruction but the last, and the slot of each instruction
/// in the original by its slot here. It does the same in more steps.
#[must_use]
pub fn spread(insns: &Insns) -> (Insns, Vec<Pc>) {
    let list: Vec<(Pc, Insn)> = insns.iter().collect();
    let new_start = |pc: Pc| {
        let before = list.partition_point(|&(start, _)| start < pc);
        Pc(pc.0 + u32::try_from(before).unwrap_or(u32::MAX))
    };
    let (mut out, mut origin) = (Insns::default(), Vec::new());
    for &(pc, insn) in &list {
        let at = new_start(pc);
        let moved = with_off(insn, |off| {
            let target = pc.jump(off).expect("jumps lead to instructions");
            distance(at, new_start(target))
        });
        out.push(moved);
        if out.len() + 1 < insns.len() + list.len() {
            out.push(Insn::Jump { off: 0 });
        }
        origin.resize(out.len(), pc);
    }
    (out, origin)
}

fn starts(list: &[Insn]) -> Vec<Pc> {
    let mut at = 0;
    let start = |insn: &Insn| {
        let start = Pc(at);
        at += insn.slots();
        start
    };
    list.iter().map(start).collect()
}

fn distance(from: Pc, to: Pc) -> i32 {
    to.0.cast_signed() - from.0.cast_signed() - 1
}

/// The instruction with another distance, if it has one.
fn with_off(insn: Insn, new: impl Fn(i32) -> i32) -> Insn {
    let short = |off: i16| i16::try_from(new(off.into())).expect("programs are short");
    match insn {
        Insn::JumpIf { width, op, dst, src, off } => {
            Insn::JumpIf { width, op, dst, src, off: short(off) }
        }
        Insn::Jump { off } => Insn::Jump { off: short(off) },
        Insn::MayGoto { off } => Insn::MayGoto { off: short(off) },
        Insn::Static { branch, off } => Insn::Static { branch, off: short(off) },
        Insn::JumpLong { off } => Insn::JumpLong { off: new(off) },
        Insn::StaticLong { branch, off } => Insn::StaticLong { branch, off: new(off) },
        Insn::Call(Call::Local(off)) => Insn::Call(Call::Local(new(off))),
        Insn::LoadImm { dst, imm: ImmSrc::Func(off) } => {
            Insn::LoadImm { dst, imm: ImmSrc::Func(new(off)) }
        }
        other => other,
    }
}
