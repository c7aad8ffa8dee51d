//! Why a program was refused, out of the last lines of a log.

use super::insn::number;
use super::state;
use crate::reg::{Base, RegState};
use crate::reject::{Fact, Reject};
use crate::rule::Rule;
use crate::trace::Step;
use skep_domain::Scalar;
use skep_isa::{Pc, Reg};

/// The rule where the same words stand for several: by what the register leads to, or what is called.
pub(super) fn narrowed(
    rule: Rule,
    lines: &[&str],
    last: Option<&Step>,
    called: Option<&str>,
) -> Rule {
    let line = lines.last().copied().unwrap_or_default();
    let words = [
        " min value is negative, either use unsigned index",
        " unbounded memory access, make sure",
    ];
    if words.iter().any(|words| line.contains(words)) {
        let reg = reg_of(line).and_then(|n| last?.regs.get(n));
        return match reg.map(|reg| reg.ty.base) {
            None | Some(Base::MapValue | Base::NotInit) => rule,
            Some(Base::Packet | Base::PacketMeta | Base::PacketEnd) => Rule::MemPacket,
            Some(_) => Rule::MemRegion,
        };
    }
    // Lists and trees refuse in the words of functions that take one object.
    let of_graph = |name: &str| name.starts_with("bpf_list_") || name.starts_with("bpf_rbtree_");
    if line == "allocated object must be referenced" && called.is_some_and(of_graph) {
        return Rule::Collection;
    }
    rule
}

/// The instruction that the last line names: `unreachable insn 2`, `back-edge from insn 7 to 2`.
pub(super) fn place(lines: &[&str]) -> Option<Pc> {
    let (_, rest) = lines.last()?.split_once("insn ")?;
    rest.split(' ').next().and_then(number).map(Pc)
}

/// The register that a line names: `R2 min value is negative`.
fn reg_of(line: &str) -> Option<usize> {
    line.match_indices('R').find_map(|(at, _)| {
        let rest = line.get(at + 1..)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        number::<usize>(rest.get(..end)?).filter(|&n| n <= 10)
    })
}

/// The refusal with what its words say.
pub(super) fn reject(rule: Rule, lines: &[&str], last: Option<&Step>) -> Reject {
    let mut reject = Reject::new(rule, lines.join("\n"));
    let reg = lines.iter().rev().find_map(|line| reg_of(line));
    if let (Some(n), Some(step)) = (reg, last)
        && let Some(reg) = u8::try_from(n).ok().and_then(Reg::new)
        && let Some(state) = step.regs.get(n)
    {
        let mut state = *state;
        if state.ty.base == Base::NotInit
            && let Some(ty) = lines.iter().rev().find_map(|line| state::told_type(line))
        {
            state = RegState { ty, ..RegState::UNKNOWN };
            state.num = if state.is_scalar() { state.num } else { Scalar::constant(0) };
        }
        if state.ty.base != Base::NotInit || rule == Rule::RegUninit {
            reject = reject.fact(Fact::Reg(reg, state));
        }
    }
    if let Some(access) = lines.iter().rev().find_map(|line| access(line, reg, last)) {
        reject = reject.fact(access);
    }
    let since = lines.iter().rev().find_map(|line| line.split_once("alloc_insn="));
    if let Some(pc) = since.and_then(|(_, rest)| number(rest.split(' ').next()?)) {
        reject = reject.fact(Fact::Since(pc));
    }
    reject
}

/// `invalid access to map value, value_size=8 off=8 size=4`
fn access(line: &str, reg: Option<usize>, last: Option<&Step>) -> Option<Fact> {
    let rest = line.strip_prefix("invalid access to ")?;
    let field = |name: &str| {
        let (_, rest) = rest.split_once(name)?;
        let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
        // The kernel counts bytes with 32 bits.
        number::<i32>(rest.get(..end)?).map(i64::from)
    };
    let (off, size) = (field(" off=")?, field(" size=")?);
    let there = match field("_size=").filter(|_| !rest.starts_with("packet")) {
        Some(there) => there,
        None => last?.regs.get(reg?).filter(|reg| reg.ty.is_packet())?.range().into(),
    };
    Some(Fact::Access { start: off, end: off + size, size: there })
}
