//! Filter expressions: random ones, and what libpcap and this workspace make of them.

use crate::libpcap::{Answer, Libpcap, Request};
use crate::traffic::{HOSTS4, HOSTS6, MACS, PORTS, Traffic};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_cbpf::{CheckError, CondOp, Format, Insn, Program, RawInsn, Src, check, print};
use skep_filter::{Difference, Effort, ErrorKind, Expr, LinkType, Meaning, Options, Source, diff};
use std::fmt::Write as _;

/// What was compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Expressions that both take.
    pub taken: u64,
    /// Expressions that both refuse.
    pub refused: u64,
    /// Packets whose verdicts were compared.
    pub pairs: u64,
    /// Packets that matched.
    pub matched: u64,
    /// Expressions whose programs by libpcap read scratch memory that they never wrote.
    pub undefined: u64,
    /// Programs by libpcap that loop.
    pub loops: u64,
    /// Packets on which libpcap's optimised and unoptimised programs differ.
    pub miscompiled: u64,
    /// Instructions of our optimised programs, where libpcap has one, too.
    pub ours: u64,
    /// Instructions of libpcap's optimised programs.
    pub theirs: u64,
    /// Programs of ours that are larger.
    pub larger: u64,
    /// The same, where a proof may make them smaller (`Options::smallest`).
    pub still_larger: u64,
    /// The same, where libpcap's is smaller because it accepts packets that are too short.
    pub inexact: u64,
}

impl Tally {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.taken += other.taken;
        self.refused += other.refused;
        self.pairs += other.pairs;
        self.matched += other.matched;
        self.undefined += other.undefined;
        self.loops += other.loops;
        self.miscompiled += other.miscompiled;
        self.ours += other.ours;
        self.theirs += other.theirs;
        self.larger += other.larger;
        self.still_larger += other.still_larger;
        self.inexact += other.inexact;
    }
}

/// What differs.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Nothing.
    Same(Tally),
    /// Nothing but the size: ours is larger.
    Larger(Tally, String),
    /// Something, in words.
    Different(String),
}

/// The options that a request stands for.
#[must_use]
pub fn options(request: &Request) -> Options<'static> {
    Options {
        link: request.link,
        snaplen: request.snaplen,
        netmask: Some(0),
        source: request.source,
        optimise: request.optimise,
        ..Options::default()
    }
}

/// Whether libpcap's program may be taken as the meaning of the expression.
#[must_use]
pub fn has_meaning(text: &str, &Request { link, source, .. }: &Request) -> bool {
    let has = |word: &str| text.contains(word);
    // It tests whatever the test before left in the register.
    let byte = has("byte ") && (has(" & ") || has(" | "));
    let is_radio = matches!(link, LinkType::Ieee80211Radio | LinkType::Ppi);
    // It forgets where the length of the radio header was to go.
    let radio = is_radio && has("pppoes");
    // It asks for something else of the kernel, as far away as a session or a radio header moved the headers.
    let kernel = (has("pppoes") || is_radio) && (has("bound") || has("ifindex"));
    // It keeps the place of the payload where arithmetic before the first test of it is done.
    let variable = matches!(
        link,
        LinkType::Ieee80211 | LinkType::Ieee80211Radio | LinkType::Ppi | LinkType::Pflog
    );
    let arithmetic = variable && text.contains(['=', '<', '>']);
    // Where a tunnel is not found, what it would have found is read all the same.
    let tunnel =
        (has("geneve") || source == Source::Live && has("vlan")) && text.contains(['=', '<', '>']);
    !byte && !radio && !kernel && !arithmetic && !tunnel
}

/// Both compilers on an expression, their programs and the evaluator on packets.
pub fn compare(
    libpcap: &mut Libpcap,
    text: &str,
    request: Request,
    traffic: &[Traffic],
) -> Verdict {
    match compared(libpcap, text, request, traffic) {
        Ok((tally, None)) => Verdict::Same(tally),
        Ok((tally, Some(why))) => Verdict::Larger(tally, why),
        Err(why) => {
            let Request { link, source, .. } = request;
            Verdict::Different(format!("{} {source:?} {text:?}: {why}", link.name()))
        }
    }
}

fn compared(
    libpcap: &mut Libpcap,
    text: &str,
    request: Request,
    traffic: &[Traffic],
) -> Result<(Tally, Option<String>), String> {
    let mut tally = Tally::default();
    let options = options(&request);
    let plain = libpcap.compile(text, Request { optimise: false, ..request });
    let meaning = Expr::parse(text).and_then(|expr| expr.meaning(&options));
    let (meaning, plain) = match (meaning, plain) {
        (Ok(meaning), Answer::Program(plain, _)) => (meaning, plain),
        (Err(_), Answer::Refused(_)) => {
            tally.refused += 1;
            return Ok((tally, None));
        }
        (Ok(_), Answer::Refused(why)) => return Err(format!("taken, libpcap: {why}")),
        (Err(why), Answer::Program(..)) => return Err(format!("refused: {why}")),
    };
    tally.taken += 1;
    let ours_plain = meaning.compile(false).map_err(|err| format!("not compiled: {err}"))?;
    let (compiled, theirs) = (meaning.compile(true), libpcap.compile(text, request));
    let ours = match (&compiled, &theirs) {
        (Ok(ours), _) => Some(ours),
        // Which constants libpcap sees depends on the order in which it folds them.
        (Err(err), _) if matches!(err.kind, ErrorKind::Constant(_)) => None,
        (Err(err), _) if err.kind == ErrorKind::RejectsAll => None,
        (Err(err), _) => return Err(format!("not optimised: {err}")),
    };
    let of = |options| Expr::parse(text).and_then(|expr| expr.compile(&options));
    let fast = of(Options { fast: true, optimise: true, ..options }).ok();
    let smallest = of(Options { smallest: true, optimise: true, ..options }).ok();
    if (fast.is_none() || smallest.is_none()) && ours.is_some() {
        return Err("no fast program, or no smallest one".into());
    }
    let rejects_all = compiled.as_ref().is_err_and(|err| err.kind == ErrorKind::RejectsAll);
    let theirs = match theirs {
        Answer::Program(_, _) if rejects_all => {
            return Err("only this compiler says that it rejects all packets".into());
        }
        Answer::Program(theirs, _) => Some(theirs),
        Answer::Refused(why) if why.contains("rejects all packets") => {
            if ours.is_some() {
                return Err("only libpcap says that it rejects all packets".into());
            }
            None
        }
        Answer::Refused(why) if why.contains("by zero") || why.contains("shift by") => None,
        Answer::Refused(why) => return Err(format!("optimised, libpcap: {why}")),
    };
    let mut larger = None;
    if let (Some(ours), Some(theirs)) = (ours, &theirs) {
        tally.ours += ours.insns().len() as u64;
        tally.theirs += theirs.len() as u64;
        let is_larger = ours.insns().len() > theirs.len();
        if is_larger && !is_exact(&meaning, theirs, request.link) {
            tally.inexact += 1;
        } else if is_larger {
            tally.larger += 1;
            let is_still = |program: &Program| program.insns().len() > theirs.len();
            tally.still_larger += u64::from(smallest.as_ref().is_some_and(is_still));
            larger = Some(format!(
                "{} {text:?}: {} instructions, libpcap {}\n{}\nlibpcap\n{}",
                request.link.name(),
                ours.insns().len(),
                theirs.len(),
                print(&ours.encode(), Format::Text),
                print(theirs, Format::Text)
            ));
        }
    }
    let theirs = theirs.and_then(|theirs| check(&theirs).ok());
    let reference = match check(&plain) {
        Ok(program) if has_meaning(text, &request) => Some(program),
        Ok(_) => None,
        Err(CheckError::Uninitialised { .. }) => {
            tally.undefined += 1;
            None
        }
        Err(CheckError::Jump { .. }) => {
            tally.loops += 1;
            None
        }
        Err(_) if !has_meaning(text, &request) => None,
        Err(err) => return Err(format!("libpcap's program: {err}")),
    };
    for one in traffic {
        let packet = one.packet();
        let want = meaning.matches(&packet);
        let keeps = |program: &Program| program.run(&packet) != 0;
        let told = |who: &str, program: &[RawInsn]| {
            Err(format!(
                "{who} differs, {want} by the evaluator\n{one:x?}\n{}",
                print(program, Format::Text)
            ))
        };
        if keeps(&ours_plain) != want {
            return told("our unoptimised program", &ours_plain.encode());
        }
        if let Some(ours) = ours {
            if keeps(ours) != want {
                return told("our program", &ours.encode());
            }
            for (who, program) in [("our fast program", &fast), ("our smallest program", &smallest)]
            {
                if let Some(program) = program
                    && keeps(program) != want
                {
                    return told(who, &program.encode());
                }
            }
        } else if want && rejects_all {
            return Err(format!("it is said to reject all packets, {one:x?} matches"));
        }
        let Some(reference) = &reference else { continue };
        if keeps(reference) != want {
            return told("libpcap's unoptimised program", &plain);
        }
        tally.pairs += 1;
        tally.matched += u64::from(want);
        if theirs.as_ref().is_some_and(|theirs| keeps(theirs) != want) {
            tally.miscompiled += 1;
        }
    }
    Ok((tally, larger))
}

/// Whether a program of libpcap means what the expression does on packets cut anywhere, too: by a proof, else
/// on packets that have what the program looks for.
fn is_exact(meaning: &Meaning, program: &[RawInsn], link: LinkType) -> bool {
    let Ok(program) = check(program) else { return false };
    let plain = meaning.compile(false).ok();
    match plain.map(|plain| diff(&plain, &program, Effort::default())) {
        Some(Difference::Equal(_)) => return true,
        Some(Difference::Packet(_)) => return false,
        _ => {}
    }
    let mut rng = StdRng::seed_from_u64(7);
    (0..12_000).all(|_| {
        let mut one = crate::traffic::traffic(&mut rng, link);
        if rng.random_ratio(2, 3) {
            fit(&mut rng, &program, &mut one.bytes);
        }
        let whole = one.packet();
        (0..=one.bytes.len()).all(|len| {
            let mut packet = whole;
            packet.bytes = &one.bytes[..len];
            meaning.matches(&packet) == (program.run(&packet) != 0)
        })
    })
}

/// Writes into a packet what a program compares it with, here and there.
fn fit(rng: &mut StdRng, program: &Program, bytes: &mut [u8]) {
    let (mut place, mut index) = (None, 0);
    for insn in program.insns() {
        match *insn {
            Insn::LoadAbs { size, k } => place = Some((k as usize, size)),
            Insn::LoadInd { size, k } => place = Some((index + k as usize, size)),
            Insn::LoadMsh { k } => {
                // Now and then a header without length, so that later loads reach less far.
                if rng.random_ratio(1, 6)
                    && let Some(byte) = bytes.get_mut(k as usize)
                {
                    *byte &= 0xf0;
                }
                index = bytes.get(k as usize).map_or(0, |byte| usize::from(byte & 15) * 4);
            }
            Insn::JumpIf { op: CondOp::Eq, src: Src::K(k), .. } if rng.random() => {
                let Some((at, size)) = place else { continue };
                let wanted = k.to_be_bytes();
                let wanted = &wanted[4 - usize::from(size.bytes())..];
                if let Some(field) = bytes.get_mut(at..at.saturating_add(wanted.len())) {
                    field.copy_from_slice(wanted);
                }
            }
            _ => {}
        }
    }
}

/// A random expression, which often means something.
pub fn expression(rng: &mut StdRng) -> String {
    let mut text = String::new();
    condition(rng, &mut text, 0);
    text
}

fn pick<'a>(rng: &mut StdRng, list: &[&'a str]) -> &'a str {
    list[rng.random_range(0..list.len())]
}

fn condition(rng: &mut StdRng, out: &mut String, depth: u32) {
    let terms = if depth > 2 { 1 } else { [1, 1, 2, 2, 3, 4][rng.random_range(0..6)] };
    for at in 0..terms {
        if at > 0 {
            *out += pick(rng, &[" and ", " or ", " && ", " || "]);
        }
        if rng.random_ratio(1, 6) {
            *out += pick(rng, &["not ", "! "]);
        }
        if depth < 3 && rng.random_ratio(1, 6) {
            *out += "(";
            condition(rng, out, depth + 1);
            *out += ")";
        } else if at > 0 && rng.random_ratio(1, 12) {
            lone(rng, out);
        } else {
            primitive(rng, out);
        }
    }
}

fn lone(rng: &mut StdRng, out: &mut String) {
    match rng.random_range(0..3) {
        0 => *out += &PORTS[rng.random_range(0..PORTS.len())].to_string(),
        1 => *out += &host4(rng),
        _ => *out += &host6(rng),
    }
}

fn host4(rng: &mut StdRng) -> String {
    std::net::Ipv4Addr::from_bits(HOSTS4[rng.random_range(0..HOSTS4.len())]).to_string()
}

fn host6(rng: &mut StdRng) -> String {
    std::net::Ipv6Addr::from_bits(HOSTS6[rng.random_range(0..HOSTS6.len())]).to_string()
}

fn mac(rng: &mut StdRng) -> String {
    let mac = MACS[rng.random_range(0..MACS.len())];
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

const ALONE: &[&str] = &[
    "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "igrp", "pim",
    "vrrp", "carp", "ah", "esp", "atalk", "aarp", "decnet", "iso", "stp", "ipx", "netbeui", "lat",
    "sca", "moprc", "mopdl", "esis", "isis", "clnp", "l1", "l2", "iih", "lsp", "snp", "csnp",
    "psnp",
];
const DIRS: &[&str] = &["", "", "", "src ", "dst ", "src or dst ", "src and dst ", "dst or src "];
const WLAN_DIRS: &[&str] = &["addr1 ", "addr2 ", "addr3 ", "addr4 ", "ra ", "ta "];

fn primitive(rng: &mut StdRng, out: &mut String) {
    match rng.random_range(0..29) {
        0..=3 => *out += pick(rng, ALONE),
        4..=6 => {
            *out += pick(rng, &["", "", "", "ip ", "arp ", "rarp "]);
            *out += pick(rng, DIRS);
            *out += "host ";
            *out += &host4(rng);
        }
        7 => {
            *out += pick(rng, &["", "ip6 "]);
            *out += pick(rng, DIRS);
            *out += "host ";
            *out += &host6(rng);
        }
        8 => {
            *out += pick(rng, &["", "ip ", "arp "]);
            *out += pick(rng, DIRS);
            *out += "net ";
            *out += pick(
                rng,
                &[
                    "10.0.0.0/8",
                    "10.1",
                    "192.168.1",
                    "10.0.0.0/30",
                    "0.0.0.0/0",
                    "10.0.0.0 mask 255.0.0.0",
                    "192.168.1.0/24",
                    "10.0.0.1/32",
                    "224.0.0.0/4",
                    "10",
                    "2001:db8::/32",
                    "fe80::/10",
                    "10.0.0.1/8",
                    "ff02::1",
                    "::/0",
                ],
            );
        }
        9..=11 => {
            *out += pick(rng, &["", "", "tcp ", "udp ", "sctp ", "icmp "]);
            *out += pick(rng, DIRS);
            let _ = write!(out, "port {}", PORTS[rng.random_range(0..PORTS.len())]);
        }
        12 => {
            *out += pick(rng, &["", "tcp ", "udp ", "sctp "]);
            *out += pick(rng, DIRS);
            *out += pick(
                rng,
                &[
                    "portrange 50-90",
                    "portrange 443-22",
                    "portrange 80-80",
                    "portrange 0-65535",
                    "portrange 80",
                ],
            );
        }
        13 => {
            *out += pick(rng, &["", "ip ", "ip6 ", "ether ", "iso ", "isis ", "arp "]);
            *out += "proto ";
            *out += pick(
                rng,
                &["6", "17", "58", "44", "\\tcp", "\\udp", "0x800", "0x86dd", "256", "0x81", "15"],
            );
        }
        14 => {
            let _ = match rng.random_range(0..3) {
                0 => write!(out, "ether {}host {}", pick(rng, DIRS), mac(rng)),
                1 => write!(out, "wlan {}{}", pick(rng, WLAN_DIRS), mac(rng)),
                _ => write!(out, "ether {}{}", pick(rng, &["src ", "dst "]), mac(rng)),
            };
        }
        15 => {
            *out += pick(rng, &["", "ether ", "ip ", "ip6 "]);
            *out += pick(rng, &["broadcast", "multicast"]);
        }
        16 => {
            *out += pick(
                rng,
                &[
                    "less 60",
                    "greater 60",
                    "greater 0",
                    "less 0",
                    "greater 100",
                    "len > 50",
                    "len = 54",
                ],
            );
        }
        17 | 18 => {
            *out += pick(
                rng,
                &[
                    "vlan",
                    "vlan 5",
                    "vlan 10",
                    "vlan 5000",
                    "mpls",
                    "mpls 20",
                    "mpls 5",
                    "pppoes",
                    "pppoes 3",
                    "pppoed",
                ],
            );
        }
        19 => {
            *out +=
                pick(rng, &["geneve", "geneve 1", "geneve 2", "inbound", "outbound", "ifindex 2"]);
        }
        20 => {
            *out += pick(
                rng,
                &[
                    "llc", "llc i", "llc s", "llc u", "llc rr", "llc rnr", "llc ui", "llc xid",
                    "llc test",
                ],
            );
        }
        21 => {
            *out += pick(
                rng,
                &[
                    "type mgt",
                    "type ctl",
                    "type data",
                    "type data subtype qos-data",
                    "subtype beacon",
                    "subtype ack",
                    "dir tods",
                    "dir dstods",
                    "type mgt subtype probe-req",
                    "type 8",
                    "type mgt subtype 0x80",
                ],
            );
        }
        22 => {
            *out += pick(
                rng,
                &[
                    "ifname em0",
                    "on eth0",
                    "ruleset main",
                    "rulenum 2",
                    "srnr 1",
                    "reason match",
                    "reason 2",
                    "action pass",
                    "action block",
                    "action nat",
                ],
            );
        }
        23 => {
            *out += pick(
                rng,
                &[
                    "ip protochain 6",
                    "ip6 protochain 6",
                    "protochain \\tcp",
                    "ip6 protochain 51",
                    "byte 12 = 8",
                    "byte 0 > 4",
                    "byte 20 < 7",
                ],
            );
        }
        24 => {
            *out += pick(rng, &["len & 1", "len & 2", "len & 3", "len & 0xf0", "len - 14", "len"]);
            *out += pick(rng, COMPARISONS);
            *out += pick(rng, &["0", "1", "2", "16", "34"]);
        }
        25 => {
            overlapping(rng, out);
            *out += pick(rng, COMPARISONS);
            if rng.random() {
                overlapping(rng, out);
            } else {
                *out += pick(rng, &["0", "6", "8", "0x45", "0x800", "0x86dd"]);
            }
        }
        _ => {
            number(rng, out, 0);
            *out += pick(rng, COMPARISONS);
            number(rng, out, 1);
        }
    }
}

const COMPARISONS: &[&str] = &[" = ", " == ", " != ", " > ", " < ", " >= ", " <= "];

/// A load about the beginning of the headers that other tests load, too.
fn overlapping(rng: &mut StdRng, out: &mut String) {
    let (protocol, most) = if rng.random() { ("ether", 36) } else { ("ip", 21) };
    let size = pick(rng, &["", ":2", ":4"]);
    let _ = write!(out, "{protocol}[{}{size}]", rng.random_range(0..most));
}

const INDEXED: &[&str] = &[
    "ether", "ip", "ip", "tcp", "tcp", "udp", "icmp", "ip6", "icmp6", "arp", "sctp", "radio",
    "igmp", "link",
];

fn number(rng: &mut StdRng, out: &mut String, depth: u32) {
    match rng.random_range(0..12) {
        0..=4 => {
            *out += pick(rng, INDEXED);
            *out += "[";
            if depth < 2 && rng.random_ratio(1, 10) {
                number(rng, out, depth + 1);
            } else {
                *out += pick(
                    rng,
                    &[
                        "0",
                        "1",
                        "2",
                        "6",
                        "8",
                        "9",
                        "12",
                        "13",
                        "tcpflags",
                        "icmptype",
                        "16",
                        "20",
                        "100",
                        "-1",
                        "0xfffffffc",
                    ],
                );
            }
            *out += pick(rng, &["", "", ":1", ":2", ":2", ":4", ":3"]);
            *out += "]";
        }
        5 if depth < 2 => {
            *out += "(";
            number(rng, out, depth + 1);
            *out += ")";
        }
        6..=8 if depth < 3 => {
            number(rng, out, depth + 1);
            *out += pick(
                rng,
                &[" + ", " - ", " * ", " / ", " % ", " & ", " & ", " | ", " ^ ", " << ", " >> "],
            );
            number(rng, out, depth + 1);
        }
        9 => *out += "len",
        10 if depth < 2 => {
            *out += "- ";
            number(rng, out, depth + 1);
        }
        _ => {
            *out += pick(
                rng,
                &[
                    "0",
                    "1",
                    "2",
                    "4",
                    "5",
                    "6",
                    "8",
                    "15",
                    "0xf0",
                    "80",
                    "255",
                    "0xffff",
                    "tcp-syn",
                    "icmp-echo",
                    "0x45",
                    "33",
                ],
            );
        }
    }
}

/// A link type and where packets come from, by chance.
pub fn request(rng: &mut StdRng) -> Request {
    let links: Vec<_> = LinkType::all().collect();
    let link = if rng.random_ratio(1, 3) {
        LinkType::Ethernet
    } else {
        links[rng.random_range(0..links.len())]
    };
    let source = if rng.random_ratio(1, 5) { Source::File } else { Source::Unknown };
    Request { link, source, ..Request::default() }
}

/// Expressions of the corpus and the link types they are for.
#[derive(Clone, Debug)]
pub struct Corpus {
    /// Link types.
    pub links: Vec<LinkType>,
    /// One on a line of the file.
    pub expressions: Vec<String>,
}

/// All files of `corpus/filter`.
///
/// # Panics
/// If there are none, or one is not of the form.
#[must_use]
pub fn corpus() -> Vec<Corpus> {
    files(concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/filter"))
}

/// All files of `corpus/filter_beyond`, which libpcap refuses.
#[must_use]
pub fn beyond() -> Vec<Corpus> {
    files(concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/filter_beyond"))
}

fn files(dir: &str) -> Vec<Corpus> {
    let mut paths: Vec<_> = std::fs::read_dir(dir)
        .expect("the corpus")
        .map(|entry| entry.expect("the corpus").path())
        .collect();
    paths.sort();
    let files = paths.iter().map(|path| {
        let text = std::fs::read_to_string(path).expect("a file of the corpus");
        let mut links = None;
        let mut expressions = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.strip_prefix("links: ") {
                Some(names) => {
                    let link = |name| LinkType::by_name(name).expect("a link type");
                    links = Some(names.split(' ').map(link).collect());
                }
                None => expressions.push(line.to_string()),
            }
        }
        Corpus { links: links.expect("a line `links:`"), expressions }
    });
    files.collect()
}
