//! Accepted programs do nothing that the verifier takes for impossible; and the test would see it.

use skep_isa::{AluOp, Insn, Src};
use skep_testkit::program;
use skep_testkit::soundness::{Sound, candidate, held_against, soundness};
use std::path::Path;

#[test]
fn random_programs_stay_inside_their_states() {
    let (mut accepted, mut looked_at) = (0, 0);
    for seed in 0..60 {
        match soundness(&candidate(seed), &candidate(seed).progs[0].name, seed, 4) {
            Sound::Held { insns, .. } => (accepted, looked_at) = (accepted + 1, looked_at + insns),
            Sound::Violated(what) => panic!("seed {seed}: {what}"),
            Sound::Refused | Sound::Long => {}
        }
    }
    assert!(accepted > 10 && looked_at > 5_000, "{accepted} accepted, {looked_at} instructions");
}

#[test]
fn examples_stay_inside_their_states() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut held = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if !path.extension().is_some_and(|ext| ext == "o" || ext == "s") {
            continue;
        }
        let name = path.display().to_string();
        let image = skep::read_image(&std::fs::read(&path).unwrap(), &name).unwrap().image;
        for prog in &image.progs {
            match soundness(&image, &prog.name, 1, 8) {
                Sound::Held { insns, .. } => held += insns,
                Sound::Violated(what) => panic!("{name}: {what}"),
                Sound::Refused | Sound::Long => {}
            }
        }
    }
    assert!(held > 1000, "{held} instructions");
}

/// Constants that are larger by one are seen wherever the verifier knew something of it.
#[test]
fn a_program_that_was_not_the_verified_one_is_noticed() {
    let (mut changed, mut noticed) = (0, 0);
    for seed in 0..60 {
        let image = program(seed);
        let mut other = image.clone();
        let insns = &mut other.progs[0].insns;
        let pcs: Vec<_> = insns.iter().map(|(pc, _)| pc).collect();
        let constant =
            |insn: &Insn| matches!(insn, Insn::Alu { op: AluOp::Mov, src: Src::Imm(_), .. });
        for pc in pcs {
            let Some(insn) = insns.get_mut(pc).filter(|insn| constant(insn)) else { continue };
            if let Insn::Alu { src: Src::Imm(imm), .. } = insn {
                *imm = imm.wrapping_add(1);
            }
        }
        match held_against(&image, &other, "main", seed, 4) {
            Sound::Violated(_) => (changed, noticed) = (changed + 1, noticed + 1),
            Sound::Held { .. } => changed += 1,
            Sound::Refused | Sound::Long => {}
        }
    }
    assert!(noticed > 5 && noticed * 4 > changed, "{noticed} of {changed} changes were noticed");
}
