//! Filter expressions, here, in libpcap and in the kernel: what is taken, and which packets match.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_abi::ProgType;
use skep_cbpf::{Device, Target, Verdict, translate};
use skep_filter::{Expr, LinkType, Source};
use skep_prog::{Image, Prog};
use skep_testkit::filters::{self, Tally, beyond, compare, corpus, expression, options, request};
use skep_testkit::traffic::{HOSTS4, Traffic, traffic};
use skep_testkit::{Frame, Ran, Request, host, kernel, libpcap};
use std::net::Ipv4Addr;

/// Packets of each link type for the corpus.
const PACKETS: usize = 150;

fn packets(link: LinkType) -> Vec<Traffic> {
    let mut rng = StdRng::seed_from_u64(link.dlt().into());
    (0..PACKETS).map(|_| traffic(&mut rng, link)).collect()
}

/// Where packets may come from. Live captures are Ethernet, and need root.
fn sources(link: LinkType, is_live: bool) -> Vec<Source> {
    let mut sources = vec![Source::Unknown, Source::File];
    if link == LinkType::Ethernet && is_live {
        sources.push(Source::Live);
    }
    sources
}

#[test]
fn the_corpus_means_what_it_means_to_libpcap() {
    let Some(mut libpcap) = libpcap() else { return };
    let (mut total, mut failures, mut larger) = (Tally::default(), Vec::new(), Vec::new());
    let is_live = libpcap.is_live();
    let files = corpus();
    let expressions: usize = files.iter().map(|file| file.expressions.len()).sum();
    assert!(expressions >= 500, "{expressions} expressions");
    for file in &files {
        for &link in &file.links {
            let packets = packets(link);
            for text in &file.expressions {
                for source in sources(link, is_live) {
                    let request = Request { link, source, ..Request::default() };
                    match compare(&mut libpcap, text, request, &packets) {
                        filters::Verdict::Same(tally) => total.add(&tally),
                        filters::Verdict::Larger(tally, why) => {
                            total.add(&tally);
                            larger.push(why);
                        }
                        filters::Verdict::Different(why) => failures.push(why),
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(larger.is_empty(), "{} are larger:\n{}", larger.len(), larger.join("\n"));
    eprintln!("{total:?}");
    assert!(total.pairs > 1_000_000 && total.matched > 20_000, "{total:?}");
    assert!(total.ours * 100 <= total.theirs * 85, "{total:?}");
}

#[test]
fn random_expressions_mean_what_they_mean_to_libpcap() {
    const EXPRESSIONS: u64 = 8000;
    let Some(mut libpcap) = libpcap() else { return };
    let (mut total, mut failures) = (Tally::default(), Vec::new());
    for seed in 0..EXPRESSIONS {
        let mut rng = StdRng::seed_from_u64(seed);
        let request = request(&mut rng);
        let text = expression(&mut rng);
        let packets: Vec<Traffic> = (0..20).map(|_| traffic(&mut rng, request.link)).collect();
        match compare(&mut libpcap, &text, request, &packets) {
            filters::Verdict::Same(tally) | filters::Verdict::Larger(tally, _) => total.add(&tally),
            filters::Verdict::Different(why) => failures.push(why),
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(total.taken > EXPRESSIONS / 4 && total.matched > total.pairs / 20, "{total:?}");
}

#[test]
fn long_lists_mean_what_they_mean_to_libpcap() {
    let Some(mut libpcap) = libpcap() else { return };
    let packets: Vec<Traffic> = packets(LinkType::Ethernet);
    // Of the numbers in the packets a few are in the lists, at any place.
    let mut rng = StdRng::seed_from_u64(9);
    let mut hosts = |count: usize| -> Vec<String> {
        let host = |rng: &mut StdRng| match rng.random_range(0..12) {
            0 => HOSTS4[rng.random_range(0..HOSTS4.len())],
            _ => 0x0a00_0000 | rng.random::<u32>() >> 8,
        };
        let hosts = std::iter::repeat_with(|| Ipv4Addr::from_bits(host(&mut rng)).to_string());
        hosts.take(count).collect()
    };
    let expressions = [
        format!("ip src host {}", hosts(70).join(" or ")),
        format!("host {}", hosts(40).join(" or ")),
        format!("ip dst host {} and tcp", hosts(50).join(" or ")),
        format!(
            "tcp dst port {}",
            (50..120).map(|n| n.to_string()).collect::<Vec<_>>().join(" or ")
        ),
    ];
    let mut total = Tally::default();
    for text in &expressions {
        match compare(&mut libpcap, text, Request::default(), &packets) {
            filters::Verdict::Same(tally) | filters::Verdict::Larger(tally, _) => total.add(&tally),
            filters::Verdict::Different(why) => panic!("{why}"),
        }
    }
    assert!(total.pairs == 4 * PACKETS as u64 && total.matched > 20, "{total:?}");
}

#[test]
fn programs_give_the_same_verdicts_in_the_kernel() {
    if host().is_none() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(3);
    // The kernel makes no frame of less than an Ethernet header.
    let packets: Vec<Traffic> = std::iter::repeat_with(|| traffic(&mut rng, LinkType::Ethernet))
        .filter(|one| one.bytes.len() >= 60)
        .take(24)
        .map(|one| Traffic { len: u32::try_from(one.bytes.len()).unwrap(), ..one })
        .collect();
    let frames: Vec<Frame<'_>> = packets.iter().map(|one| Frame(&one.bytes)).collect();
    let (mut ran, mut matched, mut failures) = (0, 0, Vec::new());
    let hooks = [
        (ProgType::Xdp, Target::Xdp(Verdict::XDP), Verdict::XDP),
        (ProgType::SchedCls, Target::Tc(Verdict::TC), Verdict::TC),
    ];
    let files: Vec<_> = corpus().into_iter().chain(beyond()).collect();
    for file in files.iter().filter(|file| file.links.contains(&LinkType::Ethernet)) {
        for (at, text) in file.expressions.iter().enumerate() {
            let Ok(expr) = Expr::parse(text) else { continue };
            let Ok(meaning) = expr.meaning(&options(&Request::default())) else { continue };
            // What the kernel alone knows is not there in XDP.
            let Ok(program) = meaning.compile(true) else { continue };
            let (hook, target, verdicts) = hooks[at % hooks.len()];
            let Ok(insns) = translate(&program, target) else { continue };
            let image = Image {
                progs: vec![Prog::new("filter", hook, insns)],
                license: "GPL".into(),
                ..Image::default()
            };
            match kernel(&image, "filter", &frames) {
                Ok(outcome) => {
                    for (one, result) in packets.iter().zip(outcome.runs) {
                        let mut packet = one.packet();
                        // Test runs are on the loopback device, and packets are for this host.
                        packet.meta.device = Some(Device { index: 1, hardware: 772 });
                        packet.meta.pkt_type = 0;
                        let want = meaning.matches(&packet);
                        let verdict = if want { verdicts.accept } else { verdicts.reject };
                        let verdict = verdict.cast_unsigned();
                        ran += 1;
                        matched += u32::from(want);
                        if !matches!(result, Ran::Done { retval, .. } if retval == verdict) {
                            failures.push(format!("{text:?}: {want}, {result} on {one:x?}"));
                        }
                    }
                }
                Err(refused) => failures.push(format!("{text:?}: {}", refused.reason)),
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(ran > 8000 && matched > 1000, "{ran} runs, {matched} matched");
}
