//! Small changes of a program.

use rand::Rng;
use rand::rngs::StdRng;
use skep_isa::RawInsn;

/// `ja +0`: does nothing.
pub(crate) const NOP: RawInsn = RawInsn::new(0x05, 0, 0, 0, 0);
/// First slot of `lddw`.
const LDDW: u8 = 0x18;
/// A call.
const CALL: u8 = 0x85;

/// Whether the slot is the first of two.
#[must_use]
pub const fn is_wide(raw: RawInsn) -> bool {
    raw.code == LDDW
}

/// Changes programs slot by slot; no slot moves, so that jumps, functions and types stay where they are.
#[derive(Debug)]
pub struct Mutator<'a> {
    original: &'a [RawInsn],
    /// Slots that may be changed: no halves of `lddw`.
    places: Vec<usize>,
    /// Numbers that stand in the program, which are more interesting than others.
    numbers: Vec<i32>,
}

impl<'a> Mutator<'a> {
    /// For a program as an image has it, maps by index.
    #[must_use]
    pub fn new(original: &'a [RawInsn]) -> Self {
        let mut places = Vec::new();
        let mut at = 0;
        while let Some(&raw) = original.get(at) {
            // Calls of kernel functions are numbered outside of the program.
            if !(raw.code == CALL && raw.src() == 2) {
                places.push(at);
            }
            at += if is_wide(raw) { 2 } else { 1 };
        }
        let mut numbers: Vec<i32> = original
            .iter()
            .filter(|raw| raw.code != CALL && !is_wide(**raw))
            .flat_map(|raw| [raw.imm, raw.off.into()])
            .collect();
        numbers.extend([0, 1, -1, 2, 4, 7, 8, 16, 63, 64, i32::MAX, i32::MIN, 255, 4096, 65535]);
        numbers.sort_unstable();
        numbers.dedup();
        Self { original, places, numbers }
    }

    /// One mutant.
    pub fn mutant(&self, rng: &mut StdRng) -> Vec<RawInsn> {
        let mut insns = self.original.to_vec();
        let changes = if rng.random_ratio(1, 4) { 2 } else { 1 };
        for _ in 0..changes {
            self.change(rng, &mut insns);
        }
        insns
    }

    fn change(&self, rng: &mut StdRng, insns: &mut [RawInsn]) {
        let Some(&at) = pick(rng, &self.places) else { return };
        let raw = insns[at];
        if is_wide(raw) {
            // Maps and functions stay; where the number goes may change.
            insns[at].regs = regs(rng.random_range(0..10), raw.src());
            return;
        }
        match rng.random_range(0..10) {
            0 | 1 => insns[at].code = self.code(rng, raw.code),
            2 => insns[at].regs = regs(rng.random_range(0..11), raw.src()),
            3 => insns[at].regs = regs(raw.dst(), rng.random_range(0..11)),
            4 => insns[at].imm = self.number(rng, raw.imm),
            5 => insns[at].off = self.off(rng, raw.off),
            6 | 7 => insns[at] = remove(raw),
            8 => {
                // Another instruction of the program, a step earlier or later than it is.
                if let Some(&from) = pick(rng, &self.places)
                    && !is_wide(self.original[from])
                {
                    insns[at] = self.original[from];
                }
            }
            _ => {
                if let Some(&other) = pick(rng, &self.places)
                    && !is_wide(insns[other])
                {
                    insns.swap(at, other);
                }
            }
        }
    }

    /// An opcode of the same class, of the same operation in another class, or any.
    fn code(&self, rng: &mut StdRng, code: u8) -> u8 {
        match rng.random_range(0..6) {
            0 | 1 => code & 0x0f | rng.random_range(0..14) << 4,
            2 => code ^ 0x08,
            3 => code & !0x18 | rng.random_range(0..4) << 3,
            4 => code & !0x07 | rng.random_range(0..8),
            _ => rng.random(),
        }
    }

    fn number(&self, rng: &mut StdRng, imm: i32) -> i32 {
        match rng.random_range(0..4) {
            0 => imm.wrapping_add(rng.random_range(-2..3)),
            1 => imm ^ 1 << rng.random_range(0..32),
            2 => imm.wrapping_neg(),
            _ => *pick(rng, &self.numbers).unwrap_or(&0),
        }
    }

    fn off(&self, rng: &mut StdRng, off: i16) -> i16 {
        match rng.random_range(0..4) {
            0 => off.wrapping_add(rng.random_range(-2..3)),
            1 => off ^ 1 << rng.random_range(0..16),
            2 => off.wrapping_add(8 * rng.random_range(-2..3)),
            _ => {
                let number = *pick(rng, &self.numbers).unwrap_or(&0);
                i16::try_from(number).unwrap_or(off)
            }
        }
    }
}

/// A check goes one way whatever it finds; anything else does nothing.
fn remove(raw: RawInsn) -> RawInsn {
    let conditional = matches!(raw.code & 7, 5 | 6) && !matches!(raw.code & 0xf0, 0 | 0x80 | 0x90);
    match conditional && raw.imm & 1 == 1 {
        true => RawInsn::new(NOP.code, 0, 0, raw.off, 0),
        false => NOP,
    }
}

const fn regs(dst: u8, src: u8) -> u8 {
    RawInsn::new(0, dst, src, 0, 0).regs
}

fn pick<'s, T>(rng: &mut StdRng, list: &'s [T]) -> Option<&'s T> {
    (!list.is_empty()).then(|| &list[rng.random_range(0..list.len())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn mutants_keep_maps_and_length() {
        let original = [
            RawInsn::new(LDDW, 1, 5, 0, 3),
            RawInsn::new(0, 0, 0, 0, 0),
            RawInsn::new(0xb7, 0, 0, 0, 1),
            RawInsn::new(0x95, 0, 0, 0, 0),
        ];
        let mutator = Mutator::new(&original);
        let mut rng = StdRng::seed_from_u64(1);
        let mutants: Vec<_> = (0..500).map(|_| mutator.mutant(&mut rng)).collect();
        for mutant in &mutants {
            assert_eq!(mutant.len(), original.len());
            assert_eq!((mutant[0].code, mutant[0].src(), mutant[0].imm), (LDDW, 5, 3));
            assert_eq!(mutant[1], original[1]);
        }
        let changed = mutants.iter().filter(|mutant| mutant[..] != original[..]).count();
        assert!(changed > 300, "only {changed} of 500 differ");
    }
}
