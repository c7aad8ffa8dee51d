//! Proofs that filters are equal, and packets that show that they are not, on programs of the corpus.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_cbpf::{CondOp, Insn, Program, Src, check, check_insns};
use skep_filter::{Difference, Effort, Expr, LinkType, Options, diff};
use skep_testkit::filters::{corpus, has_meaning, options};

use skep_testkit::traffic::{Traffic, traffic};
use skep_testkit::{Answer, Request, libpcap};

/// Every how many expressions one is compared; `SKEP_DIFF_ALL=1` compares all.
const STRIDE: usize = 5;
/// As many as by default: enough for headers at places that depend on the one before.
const EFFORT: Effort = Effort::new(200_000);

/// Expressions of the corpus for each of their link types.
fn cases() -> impl Iterator<Item = (String, LinkType)> {
    let stride = if std::env::var_os("SKEP_DIFF_ALL").is_some() { 1 } else { STRIDE };
    let all = corpus().into_iter().flat_map(|file| {
        let links = file.links.clone();
        file.expressions
            .into_iter()
            .flat_map(move |text| links.clone().into_iter().map(move |link| (text.clone(), link)))
    });
    all.step_by(stride)
}

fn both(text: &str, link: LinkType) -> Option<(Program, Program)> {
    let request = Request { link, ..Request::default() };
    let meaning = Expr::parse(text).ok()?.meaning(&options(&request)).ok()?;
    Some((meaning.compile(true).ok()?, meaning.compile(false).ok()?))
}

/// The same with ways of their own for plain headers, where that is a difference.
fn fast(text: &str, link: LinkType, small: &Program) -> Option<Program> {
    let options = options(&Request { link, ..Request::default() });
    let fast = Expr::parse(text).ok()?.compile(&Options { fast: true, ..options }).ok()?;
    (fast != *small).then_some(fast)
}

fn packets(rng: &mut StdRng, link: LinkType, count: usize) -> Vec<Traffic> {
    (0..count).map(|_| traffic(rng, link)).collect()
}

#[derive(Debug, Default)]
struct Counts {
    equal: u32,
    different: u32,
    undecided: u32,
}

/// What an answer says must be so: packets do not tell equal programs apart.
fn count(
    counts: &mut Counts,
    what: &str,
    (a, b): (&Program, &Program),
    packets: &[Traffic],
) -> Option<Difference> {
    let answer = diff(a, b, EFFORT);
    match &answer {
        Difference::Equal(_) => {
            counts.equal += 1;
            for one in packets {
                let packet = one.packet();
                let verdicts = (a.run(&packet) != 0, b.run(&packet) != 0);
                assert_eq!(verdicts.0, verdicts.1, "{what}: called equal, {one:x?}");
            }
        }
        Difference::Packet(witness) => {
            counts.different += 1;
            let packet = witness.packet();
            assert_ne!(a.run(&packet) != 0, b.run(&packet) != 0, "{what}: {witness:?}");
        }
        Difference::Undecided(why) => {
            counts.undecided += 1;
            eprintln!("{what}: {why}");
        }
    }
    Some(answer)
}

#[test]
fn the_optimiser_changes_nothing() {
    let (mut counts, mut rng) = (Counts::default(), StdRng::seed_from_u64(1));
    let mut specialised = 0;
    for (text, link) in cases() {
        let Some((ours, plain)) = both(&text, link) else { continue };
        let packets = packets(&mut rng, link, 20);
        let answer =
            count(&mut counts, &format!("{} {text}", link.name()), (&ours, &plain), &packets);
        let is_packet = matches!(answer, Some(Difference::Packet(_)));
        assert!(!is_packet, "{} {text}: {answer:?}", link.name());
        let Some(fast) = fast(&text, link, &ours) else { continue };
        let what = format!("{} {text}, fast", link.name());
        let answer = count(&mut counts, &what, (&fast, &plain), &packets);
        let is_packet = matches!(answer, Some(Difference::Packet(_)));
        assert!(!is_packet, "{what}: {answer:?}");
        specialised += 1;
    }
    eprintln!("{counts:?}, {specialised} specialised");
    assert!(counts.equal > 400 && counts.undecided == 0, "{counts:?}");
    assert!(specialised > 60, "{specialised}");
}

#[test]
fn programs_of_libpcap_are_equal_to_ours() {
    let Some(mut libpcap) = libpcap() else { return };
    let (mut counts, mut rng) = (Counts::default(), StdRng::seed_from_u64(2));
    for (text, link) in cases() {
        let request = Request { link, optimise: false, ..Request::default() };
        let Some((ours, _)) = both(&text, link) else { continue };
        let Answer::Program(theirs, _) = libpcap.compile(&text, request) else { continue };
        let (Ok(theirs), true) = (check(&theirs), has_meaning(&text, &request)) else { continue };
        // It reads 4,088 bytes before the end of the radio header, which few packets have.
        let is_radio = matches!(link, LinkType::Ieee80211Radio | LinkType::Ppi);
        if is_radio && (text.contains("bound") || text.contains("ifindex")) {
            continue;
        }
        let packets = packets(&mut rng, link, 20);
        let answer =
            count(&mut counts, &format!("{} {text}", link.name()), (&ours, &theirs), &packets);
        let is_packet = matches!(answer, Some(Difference::Packet(_)));
        assert!(!is_packet, "{} {text}: {answer:?}", link.name());
    }
    eprintln!("{counts:?}");
    assert!(counts.equal > 400 && counts.undecided == 0, "{counts:?}");
}

/// One instruction changed.
fn mutant(rng: &mut StdRng, program: &Program) -> Option<Program> {
    let mut insns = program.insns().to_vec();
    let at = rng.random_range(0..insns.len());
    insns[at] = match insns[at] {
        Insn::LoadAbs { size, k } => Insn::LoadAbs { size, k: k ^ 1 },
        Insn::LoadInd { size, k } => Insn::LoadInd { size, k: k + 1 },
        Insn::LoadMsh { k } => Insn::LoadMsh { k: k + 1 },
        Insn::JumpIf { op, src: Src::K(k), jt, jf } => match rng.random_range(0..4) {
            0 => Insn::JumpIf { op, src: Src::K(k), jt: jf, jf: jt },
            1 => Insn::JumpIf { op, src: Src::K(k ^ 1), jt, jf },
            2 => Insn::JumpIf { op: CondOp::Ge, src: Src::K(k), jt, jf },
            _ => Insn::JumpIf { op, src: Src::K(k), jt: jt.saturating_sub(1), jf },
        },
        Insn::Alu { op, src: Src::K(k) } => Insn::Alu { op, src: Src::K(k ^ 2) },
        Insn::RetK { k } => Insn::RetK { k: if k == 0 { 1 } else { 0 } },
        _ => return None,
    };
    check_insns(insns).ok()
}

#[test]
fn changed_programs_are_found_out() {
    let (mut counts, mut rng) = (Counts::default(), StdRng::seed_from_u64(3));
    let mut missed = 0;
    for (text, link) in cases() {
        let Some((ours, _)) = both(&text, link) else { continue };
        let Some(mutant) = mutant(&mut rng, &ours) else { continue };
        let packets = packets(&mut rng, link, 300);
        let is_seen = packets
            .iter()
            .any(|one| (ours.run(&one.packet()) != 0) != (mutant.run(&one.packet()) != 0));
        let answer =
            count(&mut counts, &format!("{} {text}", link.name()), (&ours, &mutant), &packets);
        missed += u32::from(is_seen && !matches!(answer, Some(Difference::Packet(_))));
    }
    eprintln!("{counts:?}");
    assert!(counts.different > 300 && counts.undecided * 20 < counts.different, "{counts:?}");
    assert_eq!(missed, 0, "differences that random packets show");
}
