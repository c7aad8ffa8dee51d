//! Words that libpcap does not have: what they mean by a second opinion, in our programs, and not to libpcap.

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_filter::{
    Difference, Effort, ErrorKind, Expr, LinkType, Options, Source, diff, program_of_all,
};
use skep_testkit::beyond::{Layers, condition, tunnelled};
use skep_testkit::filters::beyond;
use skep_testkit::{Answer, Request, libpcap};

const LINKS: [LinkType; 3] = [LinkType::Ethernet, LinkType::LinuxSll2, LinkType::Raw];

fn options(link: LinkType) -> Options<'static> {
    Options { link, ..Options::default() }
}

/// Random conditions on random packets: by taking packets apart plainly, by the evaluator, and by programs.
/// `SKEP_BEYOND=N` tries so many conditions.
#[test]
fn random_conditions_mean_what_they_say() {
    let count = std::env::var("SKEP_BEYOND").ok().and_then(|n| n.parse().ok()).unwrap_or(1200);
    let (mut pairs, mut matched, mut short, mut long) = (0, 0, 0, 0);
    for seed in 0..count {
        let mut rng = StdRng::seed_from_u64(seed);
        let link = LINKS[usize::try_from(seed % 3).unwrap()];
        let word = condition(&mut rng, link, 0);
        let expr = Expr::parse(&word.text).unwrap_or_else(|err| panic!("{word:?}: {err}"));
        let meaning = expr.meaning(&options(link)).unwrap_or_else(|err| panic!("{word:?}: {err}"));
        let programs = [true, false].map(|optimise| meaning.compile(optimise));
        long += u32::from(programs[1].is_err());
        for _ in 0..40 {
            let one = tunnelled(&mut rng, link);
            let packet = one.packet();
            let verdict = meaning.matches(&packet);
            for program in programs.iter().flatten() {
                assert_eq!(program.run(&packet) != 0, verdict, "{word:?} {one:x?}");
            }
            if word.whole && one.bytes.len() != one.len as usize {
                continue;
            }
            let want = Layers::of(&one, link, word.depth).and_then(|layers| (word.holds)(&layers));
            short += u32::from(want.is_err());
            assert_eq!(verdict, want == Ok(true), "{} {word:?} {one:x?}", link.name());
            pairs += 1;
            matched += u32::from(verdict);
        }
    }
    eprintln!("{pairs} pairs, {matched} matched, {short} too short, {long} programs too long");
    assert!(matched > pairs / 20 && short > pairs / 50, "{matched} of {pairs}, {short} short");
}

#[test]
fn libpcap_refuses_them_all() {
    let Some(mut libpcap) = libpcap() else { return };
    let mut count = 0;
    for file in beyond() {
        for text in &file.expressions {
            for &link in &file.links {
                let answer = libpcap.compile(text, Request { link, ..Request::default() });
                assert!(matches!(answer, Answer::Refused(_)), "{text}");
                count += 1;
            }
        }
    }
    assert!(count > 100, "{count}");
}

#[test]
fn the_optimiser_changes_nothing() {
    let effort = Effort::new(2000);
    let (mut equal, mut undecided) = (0, Vec::new());
    for file in beyond() {
        for (at, text) in file.expressions.iter().enumerate() {
            let options = options(file.links[0]);
            let meaning = Expr::parse(text).unwrap().meaning(&options).unwrap();
            let plain = meaning.compile(false).unwrap();
            let (optimised, is_refused) = match meaning.compile(true) {
                Err(error) if error.kind == ErrorKind::RejectsAll => {
                    (program_of_all(false, 1), true)
                }
                program => (program.unwrap(), false),
            };
            let programs = [optimised, plain];
            // Every second is proved, but for those that take long; and that nothing matches where that is said.
            if !is_refused && (at % 2 != 0 || programs[1].insns().len() > 1000) {
                continue;
            }
            match diff(&programs[0], &programs[1], effort) {
                Difference::Equal(_) => equal += 1,
                Difference::Undecided(why) => undecided.push(format!("{text}: {why}")),
                Difference::Packet(witness) => panic!("{text}: {witness:x?}"),
            }
        }
    }
    assert!(undecided.len() * 4 < equal, "{equal} equal, undecided: {undecided:#?}");
}

/// Lists are what the words that they stand for are, proved for packets that are long enough.
#[test]
fn lists_are_short_for_many_words() {
    let effort = Effort { least: 100, ..Effort::default() };
    for (list, words) in [
        ("port in {80, 443, 8000-8999}", "port 80 or port 443 or portrange 8000-8999"),
        ("tcp dst port in {22,23,24}", "tcp dst portrange 22-24"),
        ("host in {10.0.0.0/8, 192.168.1.1}", "net 10.0.0.0/8 or host 192.168.1.1"),
        ("src host in {2001:db8::/32, ::1}", "src net 2001:db8::/32 or src host ::1"),
        ("ip net in {10.0.0.0/9, 10.128.0.0/9, 10.1.2.3}", "ip net 10.0.0.0/8"),
        ("dst in {10.0.0.4-10.0.0.7}", "dst net 10.0.0.4/30"),
        ("not host in {10.0.0.1, 10.0.0.2}", "not (host 10.0.0.1 or 10.0.0.2)"),
        ("vlan in {7}", "vlan 7"),
        ("vlan in {7} and ip", "vlan 7 and ip"),
        ("vlan in {8-15} and tcp port in {80}", "vlan and ether[14:2] & 0xff8 = 8 and tcp port 80"),
    ] {
        let of = |text: &str| Expr::parse(text).unwrap().compile(&Options::default()).unwrap();
        let answer = diff(&of(list), &of(words), effort);
        assert!(matches!(answer, Difference::Equal(_)), "{list} | {words}: {answer:x?}");
    }
}

/// A packet socket keeps the outermost tag outside the bytes.
#[test]
fn tags_outside_the_bytes_are_seen() {
    let live = Options { source: Source::Live, ..Options::default() };
    let of = |text: &str| Expr::parse(text).unwrap().compile(&live).unwrap();
    let mut frame = [0u8; 64];
    (frame[12], frame[14]) = (8, 0x45);
    let mut packet = skep_cbpf::Packet::new(&frame);
    for text in ["any vlan 5", "any vlan in {4-6}", "vlan in {5}", "vlan.id = 5", "any vlan"] {
        assert_eq!(of(text).run(&packet), 0, "{text}");
    }
    (packet.meta.vlan_proto, packet.meta.vlan_tci) = (0x8100, 0x2005);
    for text in [
        "any vlan 5",
        "any vlan in {4-6}",
        "vlan in {5}",
        "vlan.id = 5",
        "any vlan",
        "vlan.priority = 1",
        "any (vlan 5 and ip)",
        "vlan in {5} and ip",
    ] {
        assert_ne!(of(text).run(&packet), 0, "{text}");
    }
    for text in ["any vlan 6", "vlan in {6-9}", "vlan.id = 6", "vlan.dei"] {
        assert_eq!(of(text).run(&packet), 0, "{text}");
    }
}
