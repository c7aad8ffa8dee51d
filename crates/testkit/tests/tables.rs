//! Long lists as tables: the same verdicts by the evaluator, in the user engine and in the kernel, at every hook.

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_abi::ProgType;
use skep_cbpf::{Target, Verdict, translate_with_tables};
use skep_filter::{ErrorKind, Expr, Meaning, Options, Resolver};
use skep_prog::{DataKind, Image, Initial, MapDef, Prog};
use skep_testkit::traffic::{HOSTS4, HOSTS6, Traffic, traffic};
use skep_testkit::{Frame, Host, Outcome, Ran, host, kernel, user};
use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A file of addresses: those of the packets among many others. The word that is asked for comes first.
struct Lists(String);

impl Resolver for Lists {
    fn list(&self, name: &str) -> io::Result<String> {
        let is_this = self.0.starts_with(&format!("# {name}\n"));
        if is_this { Ok(self.0.clone()) } else { Err(io::ErrorKind::NotFound.into()) }
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

/// The same of IPv6, of the length that is given and of others.
fn lists6(count: u128, len: u32) -> Lists {
    let mut text = String::from("# hosts6\n");
    for at in 0..count {
        let host = match HOSTS6.get(at as usize / 7) {
            // Neither the first nor the last.
            Some(&host) if at % 7 == 0 && at / 7 % 3 != 0 => host,
            _ => HOSTS6[1] ^ at.wrapping_mul(0x9e37_79b9_7f4a_7c15) << (at % 60) << (128 - len),
        };
        let len = if at % 50 == 49 { 40 + (at % 80) as u32 } else { len };
        let _ = writeln!(text, "{}/{len}", Ipv6Addr::from_bits(host));
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

/// Frames of at least so many bytes.
fn packets(seed: u64, least: usize) -> Vec<Traffic> {
    let mut rng = StdRng::seed_from_u64(seed);
    std::iter::repeat_with(|| traffic(&mut rng, skep_filter::LinkType::Ethernet))
        .filter(|one| one.bytes.len() >= least)
        .map(|one| Traffic { len: u32::try_from(one.bytes.len()).unwrap(), ..one })
        .take(150)
        .collect()
}

/// Verdicts with tables, by evaluator and engines, are those of lists without; how many packets matched.
fn same_verdicts(text: &str, options: &Options<'_>, packets: &[Traffic], tables: usize) -> u32 {
    let frames: Vec<Frame<'_>> = packets.iter().map(|one| Frame(&one.bytes)).collect();
    let in_kernel = host();
    let cpus = in_kernel.unwrap_or(Host { cpus: 1 });
    let expr = Expr::parse(text).unwrap();
    let meaning = expr.meaning(options).unwrap();
    let reference = expr.meaning(&Options { tables: false, ..*options }).unwrap();
    let mut matched = 0;
    for hook in [ProgType::Xdp, ProgType::SchedCls] {
        let image = image(&meaning, hook);
        // The first of a list may stand apart, where it is loaded.
        assert!((tables..=tables + 1).contains(&image.maps.len()), "{text}");
        let mut engines: Vec<(&str, Outcome)> =
            vec![("user", user(cpus, &image, "filter", &frames).unwrap())];
        if in_kernel.is_some() {
            let outcome = kernel(&image, "filter", &frames);
            engines.push(("kernel", outcome.unwrap_or_else(|err| panic!("{}", err.log))));
        }
        for (engine, outcome) in engines {
            for (one, ran) in packets.iter().zip(&outcome.runs) {
                // The kernel makes no IP packets that are cut in their header.
                if engine == "kernel" && one.bytes.len() < 60 && accepts(hook, ran).is_none() {
                    continue;
                }
                let want = reference.matches(&one.packet());
                assert_eq!(meaning.matches(&one.packet()), want, "{text} {one:x?}");
                let text = &text[..text.len().min(60)];
                assert_eq!(accepts(hook, ran), Some(want), "{engine} {text} {one:x?}");
                matched += u32::from(want);
            }
        }
    }
    // In a socket filter the same program reads the packet in another way.
    image(&meaning, ProgType::SocketFilter);
    matched
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
    let packets = packets(4, 60);
    let matched: u32 = texts.iter().map(|text| same_verdicts(text, &options, &packets, 1)).sum();
    assert!(matched > 200, "{matched}");
}

#[test]
fn tables_of_prefixes_have_the_verdicts_of_lists() {
    // Some are cut inside of their addresses.
    let packets = packets(5, 24);
    let mut matched = 0;
    for len in [32, 61, 128] {
        let lists = lists6(300, len);
        let options = Options { tables: true, resolver: &lists, ..Options::default() };
        for text in [
            "ip6 src host in @hosts6",
            "not host in @hosts6",
            "vlan or dst host in @hosts6 and udp",
            "any src host in @hosts6 or inner dst host in @hosts6",
        ] {
            matched += same_verdicts(text, &options, &packets, 1);
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
