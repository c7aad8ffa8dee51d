//! Programs made smaller.

use crate::mutants::is_wide;
use crate::mutants::mutate::NOP;
use skep_isa::RawInsn;

/// Does nothing in the place of instructions for as long as `differs` holds, and then takes away what
/// does nothing, where jumps allow it.
#[must_use]
pub fn shrink(insns: &[RawInsn], mut differs: impl FnMut(&[RawInsn]) -> bool) -> Vec<RawInsn> {
    let mut best = insns.to_vec();
    let mut size = best.len().next_power_of_two();
    while size > 0 {
        let mut at = 0;
        while at < best.len() {
            let end = (at + size).min(best.len());
            let tried = blank(&best, at, end);
            if tried != best && differs(&tried) {
                best = tried;
            }
            at = end;
        }
        size /= 2;
    }
    while let Some(tried) = (0..best.len()).rev().find_map(|at| {
        let tried = without(&best, at)?;
        differs(&tried).then_some(tried)
    }) {
        best = tried;
    }
    best
}

/// Whole instructions of a range become ones that do nothing.
fn blank(insns: &[RawInsn], from: usize, to: usize) -> Vec<RawInsn> {
    let mut out = insns.to_vec();
    let mut at = 0;
    while at < out.len() {
        let len = if is_wide(out[at]) { 2 } else { 1 };
        if at >= from && at + len <= to {
            out[at..at + len].fill(NOP);
        }
        at += len;
    }
    out
}

/// Takes away an instruction that does nothing; jumps and calls over it become shorter.
fn without(insns: &[RawInsn], gone: usize) -> Option<Vec<RawInsn>> {
    if insns[gone] != NOP {
        return None;
    }
    let mut out = Vec::with_capacity(insns.len());
    let mut second = false;
    for (at, &raw) in insns.iter().enumerate() {
        let mut raw = raw;
        if at == gone {
            continue;
        }
        let is_second = second;
        second = !is_second && is_wide(raw);
        if is_second {
            out.push(raw);
            continue;
        }
        let here = i64::try_from(at).ok()?;
        let gone = i64::try_from(gone).ok()?;
        let shorter = |off: i64| {
            let target = here + 1 + off;
            match (here < gone, target > gone) {
                (true, true) => off - 1,
                (false, false) => off + 1,
                _ => off,
            }
        };
        match raw.code {
            // Calls of functions and their addresses, and long jumps.
            0x85 if raw.src() == 1 => raw.imm = i32::try_from(shorter(raw.imm.into())).ok()?,
            0x18 if raw.src() == 4 => raw.imm = i32::try_from(shorter(raw.imm.into())).ok()?,
            0x06 => raw.imm = i32::try_from(shorter(raw.imm.into())).ok()?,
            0x85 | 0x95 | 0x8d => {}
            code if matches!(code & 7, 5 | 6) => {
                raw.off = i16::try_from(shorter(raw.off.into())).ok()?;
            }
            _ => {}
        }
        out.push(raw);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        // A jump over two instructions to the exit; only the division matters.
        let div = RawInsn::new(0x37, 0, 0, 0, 0);
        let insns = [
            RawInsn::new(0xb7, 0, 0, 0, 1),
            RawInsn::new(0x15, 0, 0, 3, 5),
            RawInsn::new(0x18, 1, 0, 0, 1),
            RawInsn::new(0, 0, 0, 0, 0),
            div,
            RawInsn::new(0x95, 0, 0, 0, 0),
        ];
        let small = shrink(&insns, |tried| {
            tried.contains(&div) && tried.last().is_some_and(|last| last.code == 0x95)
        });
        assert_eq!(small, [div, RawInsn::new(0x95, 0, 0, 0, 0)]);
    }

    #[test]
    fn jumps_are_kept_in_step() {
        let insns = [
            RawInsn::new(0x15, 0, 0, 2, 5),
            NOP,
            RawInsn::new(0x05, 0, 0, -3, 0),
            RawInsn::new(0x95, 0, 0, 0, 0),
        ];
        let out = without(&insns, 1).unwrap();
        assert_eq!((out[0].off, out[1].off), (1, -2));
        assert_eq!(without(&insns, 0), None);
    }
}
