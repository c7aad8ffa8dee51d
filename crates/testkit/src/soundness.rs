//! What the verifier says of programs, held against what they do.
//!
//! A program that [`skep::verifier::watch`] accepts is run in the checking interpreter, over random
//! packets, contexts and contents of maps. It must not fault, and before each instruction what is read
//! later must be in one of the states that the verifier took for possible there: numbers in their
//! ranges, pointers at their distance from frame, packet, context or map value, bytes of the packet
//! where they were found to be. Conditional jumps that always go one way must go that way.

mod claim;
mod live;
mod run;
mod states;

use crate::mutants::{Mutator, random, shrink};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use run::{Seen, observe};
use skep::verifier::{Env, Kernel};
use skep_abi::Release;
use skep_isa::{Insns, RawInsn};
use skep_prog::Image;
use states::{States, Watched};
use std::collections::HashMap;

/// What came of one program.
#[derive(Debug)]
pub enum Sound {
    /// The verifier does not accept it.
    Refused,
    /// Its verification took too many steps to keep.
    Long,
    /// It ran, and all of so many instructions were as the verifier says.
    Held {
        /// Instructions.
        insns: u64,
        /// What the user engine does not run.
        unsupported: Option<String>,
    },
    /// The verifier accepts it, and it does what the verifier takes for impossible.
    Violated(String),
}

/// Program number `seed`: one made to be valid, one that is not, or one made to be valid with a change.
#[must_use]
pub fn candidate(seed: u64) -> Image {
    match seed % 4 {
        0 => crate::program(seed),
        1 => random(seed),
        _ => {
            let mut rng = StdRng::seed_from_u64(seed);
            let base = crate::program(rng.random());
            let raws = base.progs[0].insns.encode();
            let mutant = Mutator::new(&raws).mutant(&mut rng);
            with_insns(&base, 0, &mutant).unwrap_or(base)
        }
    }
}

/// Holds a program of an image against what the verifier says of it, in so many runs.
#[must_use]
pub fn soundness(image: &Image, prog: &str, seed: u64, runs: u32) -> Sound {
    held_against(image, image, prog, seed, runs)
}

/// As [`soundness`], but what runs is another image than the one that was verified: for those who want
/// to know whether a violation would be noticed. Its programs have the same names and slots.
#[must_use]
pub fn held_against(image: &Image, other: &Image, prog: &str, seed: u64, runs: u32) -> Sound {
    let env = Env::new(image, kernel());
    let mut states = HashMap::new();
    for each in &image.progs {
        // What it may go on with has the same type.
        let main = each.name == prog;
        match States::of(each, &env) {
            Watched::Accepted(found) => _ = states.insert(each.name.clone(), found),
            Watched::Refused if main => return Sound::Refused,
            Watched::Long if main => return Sound::Long,
            // Nobody would have loaded it, so that the program cannot go on with it.
            Watched::Refused if image.progs.len() > 1 => return Sound::Refused,
            _ => {}
        }
    }
    match observe(other, prog, &mut states, seed, runs) {
        Seen { wrong: Some(wrong), .. } => Sound::Violated(wrong),
        Seen { insns, unsupported, .. } => Sound::Held { insns, unsupported },
    }
}

/// A program that is violated, made smaller.
#[must_use]
pub fn smaller(image: &Image, prog: &str, seed: u64, runs: u32) -> Image {
    let Some(at) = image.progs.iter().position(|each| each.name == prog) else {
        return image.clone();
    };
    let small = shrink(&image.progs[at].insns.encode(), |insns| {
        with_insns(image, at, insns)
            .is_some_and(|image| matches!(soundness(&image, prog, seed, runs), Sound::Violated(_)))
    });
    with_insns(image, at, &small).unwrap_or_else(|| image.clone())
}

fn with_insns(image: &Image, at: usize, insns: &[RawInsn]) -> Option<Image> {
    let insns = Insns::decode(insns.iter().copied()).ok()?;
    let mut image = image.clone();
    image.progs[at].insns = insns;
    Some(image)
}

fn kernel() -> Kernel {
    Kernel::new(Release { major: 6, minor: 18 })
}
