//! Instructions read back from the log: the code tells what they are, the text what they work on.

use skep_abi::Helper;
use skep_isa::table::{ATOMIC, LOAD_ACQUIRE, STORE_RELEASE, class, jump, mode};
use skep_isa::{AtomicOp, Insn, RawInsn};

/// Reads `(79) r1 = *(u64 *)(r10 -8)`, without what stands before the code. The address of a wide
/// instruction is not the program's, and is kept as the log has it.
pub(super) fn insn(text: &str) -> Option<Insn> {
    let (code, text) = text.strip_prefix('(')?.split_once(") ")?;
    let code = u8::from_str_radix(code, 16).ok()?;
    let (raw, next) = raw(code, text.trim())?;
    Insn::decode(raw, next).ok()
}

fn raw(code: u8, text: &str) -> Option<(RawInsn, Option<RawInsn>)> {
    let one = |dst, src, off, imm| Some((RawInsn::new(code, dst, src, off, imm), None));
    match code & 7 {
        class::LD => return load(code, text),
        class::LDX => {
            let (dst, place) = text.split_once(" = ")?;
            let (base, off) = place_of(place)?;
            return one(reg(dst)?, base, off, 0);
        }
        class::ST => {
            let (place, imm) = text.rsplit_once(" = ")?;
            let (base, off) = place_of(place)?;
            return one(base, 0, off, number(imm)?);
        }
        class::STX if code & 0xe0 == mode::ATOMIC => return atomic(code, text),
        class::STX => {
            let (place, src) = text.rsplit_once(" = ")?;
            let (base, off) = place_of(place)?;
            return one(base, reg(src)?, off, 0);
        }
        class::JMP | class::JMP32 => return jumps(code, text),
        _ => {}
    }
    alu(code, text)
}

fn alu(code: u8, text: &str) -> Option<(RawInsn, Option<RawInsn>)> {
    let one = |dst, src, off, imm| Some((RawInsn::new(code, dst, src, off, imm), None));
    let mut words = text.splitn(3, ' ');
    let (dst, op, rest) = (reg(words.next()?)?, words.next()?, words.next()?);
    // `r1 = be16 r1`, `r1 = (s8)r2`, `r1 = -r1`, `r1 = addr_space_cast(r2, 0, 1)`
    if let Some((swap, _)) = rest.split_once(' ').filter(|_| op == "=" && !rest.starts_with("addr"))
    {
        return one(dst, 0, 0, number(swap.trim_start_matches(|c: char| c.is_ascii_alphabetic()))?);
    }
    if let Some(rest) = rest.strip_prefix("(s") {
        let (bits, src) = rest.split_once(')')?;
        return one(dst, reg(src)?, number(bits)?, 0);
    }
    if let Some(args) = rest.strip_prefix("addr_space_cast(") {
        let mut args = args.trim_end_matches(')').split(", ");
        let src = reg(args.next()?)?;
        let (to, from): (i32, i32) = (number(args.next()?)?, number(args.next()?)?);
        return one(dst, src, 1, (to << 16) | (from & 0xffff));
    }
    if rest.strip_prefix('-').and_then(reg).is_some() {
        return one(dst, 0, 0, 0);
    }
    let is_signed = matches!(op, "s/=" | "s%=");
    match reg(rest) {
        Some(src) => one(dst, src, is_signed.into(), 0),
        None => one(dst, 0, is_signed.into(), number(rest)?),
    }
}

fn load(code: u8, text: &str) -> Option<(RawInsn, Option<RawInsn>)> {
    let (dst, value) = text.split_once(" = ")?;
    if code & 0xe0 == mode::IMM {
        let value: u64 = number(value.split(' ').next()?)?;
        let low = RawInsn::new(code, reg(dst)?, 0, 0, half(value));
        return Some((low, Some(RawInsn::new(0, 0, 0, 0, half(value >> 32)))));
    }
    // `r0 = *(u8 *)skb[r7 + 14]`
    let index = value.split_once("skb[")?.1.strip_suffix(']')?;
    let (src, imm) = index.split_once(" + ").map_or((None, index), |(src, imm)| (Some(src), imm));
    let src = src.map_or(Some(0), reg)?;
    Some((RawInsn::new(code, 0, src, 0, number(imm)?), None))
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is asked")]
const fn half(value: u64) -> i32 {
    (value as u32).cast_signed()
}

fn atomic(code: u8, text: &str) -> Option<(RawInsn, Option<RawInsn>)> {
    let op = |wanted: AtomicOp| ATOMIC.iter().find(|row| row.op == wanted).map(|row| row.imm);
    let one = |base, src, off, imm| Some((RawInsn::new(code, base, src, off, imm), None));
    if let Some(text) = text.strip_prefix("lock *") {
        let (place, rest) = text.split_once(") ").and_then(|(place, rest)| {
            // The type stands in parentheses of its own.
            if place.contains("(r") { Some((place, rest)) } else { None }
        })?;
        let (base, off) = place_of(&format!("{place})"))?;
        let (sign, src) = rest.split_once(' ')?;
        let op = op(match sign {
            "+=" => AtomicOp::Add,
            "|=" => AtomicOp::Or,
            "&=" => AtomicOp::And,
            "^=" => AtomicOp::Xor,
            _ => return None,
        })?;
        return one(base, reg(src)?, off, op);
    }
    if let Some(args) = text.strip_prefix("store_release(") {
        let (place, src) = args.strip_suffix(')')?.rsplit_once(", ")?;
        let (base, off) = place_of(place)?;
        return one(base, reg(src)?, off, STORE_RELEASE);
    }
    let (dst, call) = text.split_once(" = ")?;
    let (name, args) = call.split_once('(')?;
    let args = args.strip_suffix(')')?;
    if name == "load_acquire" {
        let (base, off) = place_of(args)?;
        return Some((RawInsn::new(code, reg(dst)?, base, off, LOAD_ACQUIRE), None));
    }
    let (place, rest) = args.split_once(", ")?;
    let (base, off) = place_of(place)?;
    let src = reg(rest.rsplit_once(", ").map_or(rest, |(_, src)| src))?;
    let op = op(match name.rsplit('_').next()? {
        "add" => AtomicOp::FetchAdd,
        "or" => AtomicOp::FetchOr,
        "and" => AtomicOp::FetchAnd,
        "xor" => AtomicOp::FetchXor,
        "xchg" => AtomicOp::Xchg,
        "cmpxchg" => AtomicOp::CmpXchg,
        _ => return None,
    })?;
    one(base, src, off, op)
}

fn jumps(code: u8, text: &str) -> Option<(RawInsn, Option<RawInsn>)> {
    let one = |dst, src, off, imm| Some((RawInsn::new(code, dst, src, off, imm), None));
    if let Some(callee) = text.strip_prefix("call ") {
        if let Some(off) = callee.strip_prefix("pc") {
            return one(0, 1, 0, number(off)?);
        }
        let (name, id) = callee.split_once('#')?;
        let id: i32 = number(id)?;
        // Kernel functions are written in the same way, with a number of the kernel's types.
        let helper = u32::try_from(id).ok().and_then(Helper::find);
        let is_helper = helper.is_some_and(|helper| name.strip_prefix("bpf_") == Some(helper.name));
        let is_kfunc = !is_helper && name != "unknown";
        return one(0, if is_kfunc { 2 } else { 0 }, 0, id);
    }
    if code & 0xf0 == jump::EXIT {
        return one(0, 0, 0, 0);
    }
    let (condition, target) = text.rsplit_once("pc")?;
    let target = target.split(' ').next()?;
    if let Some(condition) = condition.strip_prefix("if ") {
        let mut words = condition.split(' ');
        let (dst, _, src) = (reg(words.next()?)?, words.next()?, words.next()?);
        return match reg(src) {
            Some(src) => one(dst, src, number(target)?, 0),
            None => one(
                dst,
                0,
                number(target)?,
                half(number::<u64>(src).or_else(|| number::<i64>(src).map(i64::cast_unsigned))?),
            ),
        };
    }
    if code == class::JMP32 | jump::JA {
        one(0, 0, 0, number(target)?)
    } else {
        one(0, 0, number(target)?, 0)
    }
}

/// `r7` or `w7`.
fn reg(text: &str) -> Option<u8> {
    let digits = text.strip_prefix(['r', 'w'])?;
    digits.parse().ok().filter(|&reg| reg <= 11)
}

/// The register and offset of `*(u64 *)(r10 -8)`.
fn place_of(text: &str) -> Option<(u8, i16)> {
    let at = text.rfind("(r")?;
    let inner = text.get(at + 1..)?.trim_end_matches(')');
    let (base, off) = inner.split_once(' ')?;
    Some((reg(base)?, number(off.trim())?))
}

/// A number with or without sign and `0x`.
pub(super) fn number<T: TryFrom<i128>>(text: &str) -> Option<T> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok()?,
        None => digits.parse().ok()?,
    };
    let value = i128::from(value);
    T::try_from(if is_negative { -value } else { value }).ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::insn::kernel_insn;
    use super::*;
    use skep_isa::Call;

    /// What is written is read back, as far as the text tells it.
    #[test]
    fn what_is_written_is_read_back() {
        for text in [
            "(bf) r6 = r1",
            "(b7) r0 = -5",
            "(bc) w1 = w2",
            "(07) r2 += -8",
            "(c7) r2 s>>= 63",
            "(3f) r2 s/= r3",
            "(94) w2 s%= 7",
            "(87) r3 = -r3",
            "(84) w3 = -w3",
            "(dc) r1 = be16 r1",
            "(d7) r1 = bswap64 r1",
            "(bf) r1 = (s8)r2",
            "(bf) r1 = addr_space_cast(r2, 0, 1)",
            "(18) r1 = 0x7fffffff00000001",
            "(30) r0 = *(u8 *)skb[23]",
            "(48) r0 = *(u16 *)skb[r7 + 14]",
            "(79) r1 = *(u64 *)(r10 -8)",
            "(91) r1 = *(s8 *)(r2 +3)",
            "(63) *(u32 *)(r10 -4) = r1",
            "(7a) *(u64 *)(r10 -16) = 0",
            "(db) lock *(u64 *)(r1 +0) += r2",
            "(db) r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)",
            "(c3) r2 = atomic_xchg((u32 *)(r1 -4), r2)",
            "(db) r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)",
            "(db) r2 = load_acquire((u64 *)(r1 +8))",
            "(db) store_release((u64 *)(r1 +8), r2)",
            "(55) if r1 != 0x0 goto pc+4",
            "(2d) if r1 > r2 goto pc-4",
            "(16) if w1 == 0xffffffff goto pc+1",
            "(05) goto pc-3",
            "(06) gotol pc+70000",
            "(e5) may_goto pc+2",
            "(85) call bpf_map_lookup_elem#1",
            "(85) call pc+5",
            "(85) call unknown#195896080",
            "(95) exit",
        ] {
            let read = insn(text).map(|insn| kernel_insn(&insn));
            assert_eq!(read.as_deref(), Some(text));
        }
        // Kernel functions lose their name.
        let kfunc = insn("(85) call bpf_cgroup_release#12345");
        assert_eq!(kfunc, Some(Insn::Call(Call::Kfunc { id: 12345, module: 0 })));
        for text in
            ["", "(", "(79)", "(79) r1", "(zz) exit", "(79) r1 = *(u64 *)(r99 +0)", "(85) call "]
        {
            assert_eq!(insn(text), None, "{text}");
        }
    }
}
