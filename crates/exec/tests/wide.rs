//! Loops that copy and add up memory, executed: the second tier does many bytes at once. Needs an x86-64 or AArch64 host.
#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use skep_abi::ProgType;
use skep_exec::{Bare, CodeOptions, Features, features};
use skep_jit::NoSurroundings;
use skep_prog::Prog;

const BYTES: u32 = 4096;
/// Where loops read from.
const FROM: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    Copy,
    /// The sum, of 32 bits or 64.
    Sum(u32),
}

/// A program that gets the address of memory in r1, 5 less than where to copy to in r2, and the number of turns in r3, if
/// that is not known.
///
/// Where more is `alive` all through the loop, it has more values than there are registers.
fn text(work: Work, bytes: usize, turns: Option<usize>, alive: bool) -> String {
    let size = 8 * bytes;
    let mut text = String::from("r0 = 0\n");
    if alive {
        for n in 0..8 {
            let slot = 8 * n + 8;
            text += &format!("r6 = *(u64 *)(r1 + {})\n*(u64 *)(r10 - {slot}) = r6\n", n * 8);
        }
        for (n, reg) in [4, 6, 7, 8, 9].into_iter().enumerate() {
            text += &format!("r{reg} = *(u64 *)(r1 + {})\n", 64 + n * 8);
        }
    }
    if let Some(turns) = turns {
        text += &format!("r3 = {turns}\n");
    }
    let step = match work {
        Work::Copy => format!("*(u{size} *)(r2 + 5) = r5\n"),
        Work::Sum(32) => "w0 += w5\n".to_owned(),
        Work::Sum(_) => "r0 += r5\n".to_owned(),
    };
    text += &format!(
        "l:\nr5 = *(u{size} *)(r1 + {FROM})\n{step}r1 += {bytes}\nr2 += {bytes}\n\
         r3 += -1\nif r3 != 0 goto l\n"
    );
    if alive {
        for n in 0..8 {
            text += &format!("r5 = *(u64 *)(r10 - {})\nr0 += r5\n", 8 * n + 8);
        }
        for reg in [4, 6, 7, 8, 9] {
            text += &format!("r0 *= 3\nr0 += r{reg}\n");
        }
    }
    text + "r0 ^= r1\nr0 ^= r2\nexit"
}

fn memory() -> Vec<u8> {
    (0..BYTES).map(|n| n.wrapping_mul(0x9e37_79b1).to_be_bytes()[0]).collect()
}

fn number(memory: &[u8], at: usize, bytes: usize) -> u64 {
    (0..bytes).map(|n| u64::from(memory[at + n]) << (8 * n)).sum()
}

/// What it does, element by element, to the memory, whose address is given; the result.
fn by_hand(
    (work, bytes): (Work, usize),
    memory: &mut [u8],
    (address, to, turns): (u64, usize, usize),
    alive: bool,
) -> u64 {
    let kept: Vec<u64> = (0..13).map(|n| number(memory, 8 * n, 8)).collect();
    let mut sum = 0u64;
    for turn in 0..turns {
        let from = FROM + turn * bytes;
        match work {
            Work::Copy => memory.copy_within(from..from + bytes, to + turn * bytes),
            Work::Sum(_) => sum = sum.wrapping_add(number(memory, from, bytes)),
        }
    }
    if work == Work::Sum(32) {
        sum &= 0xffff_ffff;
    }
    if alive {
        let (slots, regs) = kept.split_at(8);
        sum = slots.iter().fold(sum, |sum, slot| sum.wrapping_add(*slot));
        sum = regs.iter().fold(sum, |sum, reg| sum.wrapping_mul(3).wrapping_add(*reg));
    }
    let way = (turns * bytes) as u64;
    sum ^ (address + way) ^ (address + (to - 5) as u64 + way)
}

/// Runs a program of every kind over memory, and does the same by hand.
fn check((work, bytes): (Work, usize), known: Option<usize>, alive: bool, is_metered: bool) {
    let text = text(work, bytes, known, alive);
    let prog = Prog::new("tested", ProgType::Xdp, skep_asm::assemble(&text).unwrap());
    let mut kind = if is_metered { CodeOptions::default() } else { CodeOptions::plain() };
    kind.optimised = true;
    let features = if alive { Features::default() } else { features() };
    // SAFETY: the programs here touch their memory and stack.
    let code = unsafe { Bare::new(&prog, &NoSurroundings, features, kind) }.unwrap();
    let bytes_of = &code.code().bytes;
    // `movups`, and `ldr` and `ldur` of 16 bytes, which nothing else has.
    let is_wide = if cfg!(target_arch = "x86_64") {
        bytes_of.windows(2).any(|bytes| bytes == [0x0f, 0x10])
    } else {
        bytes_of.chunks(4).any(|word| matches!(word, [_, _, 0xc0..=0xff, 0x3c | 0x3d]))
    };
    let may_be = work == Work::Copy || bytes < 8;
    let at_once = match work {
        Work::Copy => 32 / bytes,
        Work::Sum(_) if bytes == 1 => 64,
        Work::Sum(_) => 128 / bytes,
    };
    let is_long = known.is_none_or(|turns| turns >= 3 * at_once);
    assert_eq!(is_wide, may_be && is_long, "{text}");
    for distance in [-40isize, -32, -1, 0, 1, 7, 8, 16, 31, 32, 33, 1500] {
        for turns in [1, 2, 4, 5, 31, 32, 33, 63, 64, 65, 128, 129, 160] {
            let turns = known.unwrap_or(turns);
            let to = FROM.checked_add_signed(distance).unwrap();
            let (mut got, mut want) = (memory(), memory());
            let address = got.as_mut_ptr().expose_provenance() as u64;
            let args = [address, address + to as u64 - 5, turns as u64, 0, 0];
            // SAFETY: as above.
            let (r0, count) = unsafe { code.run_counted(args, &mut [0; 4096]) };
            let by_hand = by_hand((work, bytes), &mut want, (address, to, turns), alive);
            let about = format!("{distance} {turns} {is_metered}:\n{text}");
            assert_eq!(r0, by_hand, "{about}");
            assert!(got == want, "{about}");
            let others = 4 + 47 * u64::from(alive) + u64::from(known.is_some());
            assert!(!is_metered || count == others + 6 * turns as u64, "{count}: {about}");
        }
    }
}

#[test]
fn loops_over_memory_do_what_their_turns_do() {
    let copies = [1, 2, 4, 8].map(|bytes| (Work::Copy, bytes));
    let sums = [1, 2, 4, 8].map(|bytes| (Work::Sum(64), bytes));
    let halves = [2, 4].map(|bytes| (Work::Sum(32), bytes));
    for work in copies.into_iter().chain(sums).chain(halves) {
        for known in [None, Some(64), Some(160)] {
            for alive in [false, true] {
                for is_metered in [false, true] {
                    check(work, known, alive, is_metered);
                }
            }
        }
    }
}
