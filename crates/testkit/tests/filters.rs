//! Filter expressions, here and in libpcap: what is taken, and which packets match.

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_filter::{LinkType, Source};
use skep_testkit::filters::{Tally, Verdict, compare, corpus, expression, request};
use skep_testkit::traffic::{Traffic, traffic};
use skep_testkit::{Request, libpcap};

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
                        Verdict::Same(tally) => total.add(&tally),
                        Verdict::Larger(tally, why) => {
                            total.add(&tally);
                            larger.push(why);
                        }
                        Verdict::Different(why) => failures.push(why),
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(larger.is_empty(), "{} are larger:\n{}", larger.len(), larger.join("\n"));
    eprintln!("{total:?}");
    assert!(total.pairs > 1_000_000 && total.matched > 100_000, "{total:?}");
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
            Verdict::Same(tally) | Verdict::Larger(tally, _) => total.add(&tally),
            Verdict::Different(why) => failures.push(why),
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(total.taken > EXPRESSIONS / 4 && total.matched > total.pairs / 20, "{total:?}");
}
