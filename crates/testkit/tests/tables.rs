//! Long lists as tables: the same verdicts by the evaluator, in the user engine and in the kernel, at every hook.

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_abi::ProgType;
use skep_cbpf::{Target, Verdict, translate_with_tables};
use skep_filter::{ErrorKind, Expr, Meaning, Options, Resolver};
use skep_prog::{DataKind, Image, Initial, MapDef, Prog};
use skep_testkit::traffic::{HOSTS4, Traffic, traffic};
use skep_testkit::{Frame, Host, Outcome, Ran, host, kernel, user};
use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// A file of addresses: those of the packets among many others.
struct Lists(String);

impl Resolver for Lists {
    fn list(&self, name: &str) -> Option<String> {
        (name == "hosts").then(|| self.0.clone())
    }
}

fn lists(count: u32) -> Lists {
    let mut text = String::from("# hosts\n");
    for at in 0..count {
        let host = match HOSTS4.get(at as usize / 7) {
            Some(&host) if at % 7 == 0 => host,
            _ => at.wrapping_mul(2_654_435_761) >> 4 | 0x1000_0000,
        };
        let _ = writeln!(text, "{}", Ipv4Addr::from_bits(host));
    }
    Lists(text)
}

fn image(meaning: &Meaning, hook: ProgType) -> Image {
    let tabled = meaning.compile_with_tables(true).unwrap();
    let target = match hook {
        ProgType::Xdp => Target::Xdp(Verdict::XDP),
        ProgType::SchedCls => Target::Tc(Verdict::TC),
        _ => Target::SocketFilter,
    };
    let insns = translate_with_tables(&tabled.program, target, &tabled.lookups).unwrap();
    let maps = tabled.tables.into_iter().map(|table| {
        let size = u32::try_from(table.bytes.len()).unwrap();
        let mut map = MapDef::new("set", skep_abi::MapType::Array, 4, size, 1);
        map.data = Some(DataKind::Rodata);
        map.initial = Initial::Value(table.bytes);
        map
    });
    Image {
        progs: vec![Prog::new("filter", hook, insns)],
        maps: maps.collect(),
        license: "GPL".into(),
        ..Image::default()
    }
}

/// What a hook returns for the two answers.
fn accepts(hook: ProgType, ran: &Ran) -> Option<bool> {
    let Ran::Done { retval, .. } = ran else { return None };
    Some(match hook {
        ProgType::Xdp => *retval == Verdict::XDP.accept.cast_unsigned(),
        ProgType::SchedCls => *retval == Verdict::TC.accept.cast_unsigned(),
        _ => *retval != 0,
    })
}

#[test]
fn tables_have_the_verdicts_of_lists() {
    let lists = lists(3000);
    let hosts: Vec<&str> = lists.0.lines().skip(1).collect();
    let options = Options { tables: true, resolver: &lists, ..Options::default() };
    let texts = [
        "ip src host in @hosts".to_owned(),
        "ip host in @hosts".to_owned(),
        "host in @hosts and tcp".to_owned(),
        "not ip dst in @hosts".to_owned(),
        "any src host in @hosts".to_owned(),
        format!("ip src host {}", hosts[..200].join(" or ")),
        format!("host {}", hosts[..150].join(" or ")),
    ];
    let mut rng = StdRng::seed_from_u64(4);
    let packets: Vec<Traffic> =
        std::iter::repeat_with(|| traffic(&mut rng, skep_filter::LinkType::Ethernet))
            .filter(|one| one.bytes.len() >= 60)
            .map(|one| Traffic { len: u32::try_from(one.bytes.len()).unwrap(), ..one })
            .take(150)
            .collect();
    let frames: Vec<Frame<'_>> = packets.iter().map(|one| Frame(&one.bytes)).collect();
    let in_kernel = host();
    let cpus = in_kernel.unwrap_or(Host { cpus: 1 });
    let mut matched = 0;
    for text in &texts {
        let expr = Expr::parse(text).unwrap();
        let meaning = expr.meaning(&options).unwrap();
        let plain = Options { tables: false, ..options };
        let reference = expr.meaning(&plain).unwrap();
        for hook in [ProgType::Xdp, ProgType::SchedCls, ProgType::SocketFilter] {
            let image = image(&meaning, hook);
            // The first of a list may stand apart, where it is loaded.
            assert!((1..=2).contains(&image.maps.len()), "{text}");
            let mut engines: Vec<(&str, Outcome)> = Vec::new();
            if hook != ProgType::SocketFilter {
                engines.push(("user", user(cpus, &image, "filter", &frames).unwrap()));
            }
            if in_kernel.is_some() && hook != ProgType::SocketFilter {
                let outcome = kernel(&image, "filter", &frames);
                engines.push(("kernel", outcome.unwrap_or_else(|err| panic!("{}", err.log))));
            }
            for (engine, outcome) in engines {
                for (one, ran) in packets.iter().zip(&outcome.runs) {
                    let want = reference.matches(&one.packet());
                    assert_eq!(meaning.matches(&one.packet()), want, "{text} {one:x?}");
                    let text = &text[..text.len().min(60)];
                    assert_eq!(accepts(hook, ran), Some(want), "{engine} {text} {one:x?}");
                    matched += u32::from(want);
                }
            }
        }
    }
    assert!(matched > 200, "{matched}");
}

#[test]
fn long_lists_are_too_long_for_classic_programs_only() {
    let lists = lists(10_000);
    let options = Options { resolver: &lists, ..Options::default() };
    let expr = Expr::parse("host in @hosts").unwrap();
    let refused = expr.compile(&options).unwrap_err();
    assert!(matches!(refused.kind, ErrorKind::TooLong { .. }), "{refused}");
    let meaning = expr.meaning(&Options { tables: true, ..options }).unwrap();
    assert_eq!(meaning.compile(true).unwrap_err().kind, ErrorKind::Tables);
    let tabled = meaning.compile_with_tables(true).unwrap();
    assert_eq!(tabled.tables.len(), 1);
    assert!(tabled.program.insns().len() < 60, "{}", tabled.program.insns().len());
}
