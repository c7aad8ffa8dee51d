//! `skep dump` beside tcpdump 4.99, through a link of tcpdump's name.

use crate::bin::{command, root, scratch, skep};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Whether this host has the tcpdump that is compared with.
pub(crate) fn tcpdump() -> bool {
    let version = Command::new("tcpdump").arg("--version").output();
    let words = version.map_or_else(
        |err| err.to_string(),
        |out| String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned(),
    );
    if words.starts_with("tcpdump version 4.99") {
        return true;
    }
    let required = std::env::var_os("SKEP_REQUIRE_TOOLS").is_some_and(|v| v == "1");
    assert!(!required, "SKEP_REQUIRE_TOOLS is set, and there is no tcpdump 4.99: {words}");
    eprintln!("skipped: there is no tcpdump 4.99: {words}");
    false
}

/// The binary under tcpdump's name.
pub(crate) fn link(dir: &Path) -> PathBuf {
    let link = dir.join("tcpdump");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_skep"), &link).unwrap();
    link
}

pub(crate) fn run(program: &Path, args: &str) -> Output {
    let mut command = Command::new(program);
    command.args(args.split_whitespace()).current_dir(root()).env("TZ", "Europe/Vienna");
    command.stdin(Stdio::null()).output().unwrap()
}

/// Options that choose lines and packets.
const SAME: &[&str] = &[
    "-nn",
    "-nn -e",
    "-nn -v",
    "-nn -vv",
    "-nn -vvv -e",
    "-nn -q",
    "-nn -x",
    "-nn -xx",
    "-nn -X",
    "-nn -XX",
    "-nn -A",
    "-nn -AA",
    "-nn -t",
    "-nn -tt",
    "-nn -ttt",
    "-nn -tttt",
    "-nn -ttttt",
    "-nn -S",
    "-nn -#",
    "-nn --number -K -v",
    "-nn --nano",
    "-nn --micro -tt",
    "-nn -c 7",
    "-nn -l",
    "-nnU",
    "--count",
    "-nn -T domain",
    "-nn -T radius",
    "-nn -T rtp",
    "-nn -T rtcp",
    "-nn -T snmp",
    "-nn -T vat",
    "-nn -T vxlan",
    "-nn -s 64",
    "-nnvvXS#",
    "-nn --print -w /dev/null",
    "-nn --print",
    "-nn --time-stamp-precision=nano",
    "-nn --time-stamp-precision micro",
    "-nn --snapshot-length=64 --number",
    "-nn --absolute-tcp-sequence-numbers",
    "-nn -N",
    "-nn -j adapter",
    "-nn -Q out",
    "-nn -y RAW",
    "-nn -i lo",
    "-nn -C 1 -G 1 -W 1 -z gzip",
    "-nn -J",
    "-nn -L",
];

const CAPTURES: [&str; 3] =
    ["corpus/dump/protocols.pcap", "examples/traffic.pcap", "examples/traffic.pcapng"];

#[test]
fn lines_are_those_of_tcpdump() {
    if !tcpdump() {
        return;
    }
    let ours = link(&scratch("dump-lines"));
    for capture in CAPTURES {
        for options in SAME {
            let args = format!("{options} -r {capture}");
            same(&ours, &args);
        }
    }
}

/// Expressions, and packets of more than one link type.
#[test]
fn packets_are_those_of_tcpdump() {
    if !tcpdump() {
        return;
    }
    let ours = link(&scratch("dump-packets"));
    for expression in [
        "tcp port 80",
        "udp and not port 53",
        "icmp or icmp6",
        "host 10.0.0.13",
        "net 10.0.0.0/24 and tcp",
        "vlan 100",
        "ip6",
        "arp",
        "greater 200",
        "less 60",
        "tcp[tcpflags] & tcp-syn != 0",
        "ip[8] < 10",
        "ether broadcast",
        "ip broadcast",
        "multicast",
        "mpls",
        "pppoes",
        "ip proto 47",
        "portrange 60-90",
        "igmp",
        "src 10.0.0.2 or dst 10.0.0.2",
        "udp[8:2] = 0x1a2b",
    ] {
        for capture in CAPTURES {
            same(&ours, &format!("-nn -# -r {capture} {expression}"));
        }
    }
}

/// Packets of which the capture holds a part, of every length.
#[test]
fn parts_of_packets_are_those_of_tcpdump() {
    if !tcpdump() {
        return;
    }
    const HEADER: usize = 24;
    let dir = scratch("dump-parts");
    let ours = link(&dir);
    let whole = fs::read(root().join(CAPTURES[0])).unwrap();
    let (header, mut rest) = whole.split_at(HEADER);
    let mut parts = header.to_vec();
    while let Some((record, packets)) = rest.split_at_checked(16) {
        let captured = u32::from_le_bytes(record[8..12].try_into().unwrap()) as usize;
        for len in 1..captured.min(160) {
            parts.extend_from_slice(&record[..8]);
            parts.extend(u32::try_from(len).unwrap().to_le_bytes());
            parts.extend_from_slice(&record[12..]);
            parts.extend_from_slice(&packets[..len]);
        }
        rest = &packets[captured..];
    }
    let path = dir.join("parts.pcap");
    fs::write(&path, parts).unwrap();
    for options in ["-nn", "-nn -e -v", "-nn -vv -x", "-nn -q -A"] {
        same(&ours, &format!("{options} -r {}", path.display()));
    }
}

/// Expressions in files have comments, and options may be told by how they begin.
#[test]
fn arguments_are_read_as_tcpdump_does() {
    if !tcpdump() {
        return;
    }
    let dir = scratch("dump-arguments");
    let ours = link(&dir);
    let path = dir.join("expression");
    fs::write(&path, "# two kinds\ntcp # the one\n  or arp\n#").unwrap();
    same(&ours, &format!("-nn -r {} -F {}", CAPTURES[0], path.display()));
    same(&ours, &format!("-nn --numb -r {} --absol", CAPTURES[0]));
}

/// What there is on standard output, said on standard error, and the exit code.
pub(crate) fn same(ours: &Path, args: &str) {
    let theirs = run(Path::new("tcpdump"), args);
    let ours = run(ours, args);
    let (said, theirs_said) =
        (String::from_utf8_lossy(&ours.stderr), String::from_utf8_lossy(&theirs.stderr));
    assert_eq!(said, theirs_said, "tcpdump {args}");
    assert_eq!(ours.status.code(), theirs.status.code(), "tcpdump {args}");
    let lines = |out: &[u8]| -> Vec<String> {
        out.split(|b| *b == b'\n').map(|line| line.escape_ascii().to_string()).collect()
    };
    for (line, theirs) in lines(&ours.stdout).iter().zip(lines(&theirs.stdout)) {
        assert_eq!(*line, theirs, "tcpdump {args}");
    }
    assert_eq!(ours.stdout.len(), theirs.stdout.len(), "tcpdump {args}");
}

/// What tcpdump refuses, and with which exit code.
#[test]
fn failures_are_those_of_tcpdump() {
    if !tcpdump() {
        return;
    }
    let ours = link(&scratch("dump-failures"));
    let capture = "-nn -r examples/traffic.pcap";
    for args in [
        "-r nowhere.pcap",
        "-r README.md",
        "-r /dev/null",
        "-V /dev/null",
        "-V nowhere",
        "--nowhere",
        "-i nowhere",
        &format!("{capture} -c 0"),
        &format!("{capture} -c x"),
        &format!("{capture} -s 262145"),
        &format!("{capture} -tttttt"),
        &format!("{capture} -Q sideways"),
        &format!("{capture} -j sundial"),
        &format!("{capture} --time-stamp-precision=pico"),
        &format!("{capture} -y NOTHING"),
        &format!("{capture} -T nothing"),
        &format!("{capture} -F nowhere"),
        &format!("{capture} -w /nowhere/out"),
        &format!("{capture} tcp porx 80"),
    ] {
        let (theirs, ran) = (run(Path::new("tcpdump"), args), run(&ours, args));
        assert_eq!(ran.status.code(), theirs.status.code(), "tcpdump {args}");
        assert!(!ran.stderr.is_empty() && ran.stdout == theirs.stdout, "tcpdump {args}");
    }
}

/// Bars end where the terminal does.
#[test]
fn histograms_fit_the_terminal() {
    for (columns, longest) in [("60", 60), ("200", 78), ("20", 42)] {
        let ran = command(["dump", "-r", "examples/traffic.pcap", "--hist", "len"])
            .env("COLUMNS", columns)
            .output()
            .unwrap();
        let out = String::from_utf8(ran.stdout).unwrap();
        assert_eq!(out.lines().map(str::len).max(), Some(longest), "{out}");
    }
}

/// A list of captures.
#[test]
fn captures_of_a_list() {
    let list = scratch("dump-list").join("list");
    fs::write(&list, "examples/traffic.pcap\ncorpus/dump/protocols.pcap\n").unwrap();
    let ran = skep(&format!("dump -V {}", list.display()));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let both = "dump -r examples/traffic.pcap -r corpus/dump/protocols.pcap";
    assert_eq!(ran.out, skep(both).out);
}

/// The kernel's limit is none where the kernel does not filter.
#[test]
fn long_lists_filter_captures() {
    let list = scratch("dump-long").join("list");
    let mut hosts: String =
        (0..10_000).map(|n| format!("172.{}.{}.9\n", n % 100, n / 100)).collect();
    hosts.push_str("10.0.0.13\n");
    fs::write(&list, hosts).unwrap();
    let count =
        |expression: &str| skep(&format!("dump -r examples/traffic.pcap --count {expression}"));
    let ran = count(&format!("host in @{}", list.display()));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out, count("host 10.0.0.13").out);
    let listing = skep(&format!("dump -d host in @{}", list.display()));
    assert_eq!(listing.code, 4, "{}", listing.err);
}

/// What has no scale is not spread over one.
#[test]
fn histograms_are_of_numbers() {
    let ran = skep("dump -r examples/traffic.pcap --hist src");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("no numbers (--top counts them)"), "{}", ran.err);
    assert_eq!(skep("dump -r examples/traffic.pcap --hist ttl").code, 0);
}

/// Whoever reads the words of an error, or does not, the exit code is the same.
#[test]
fn errors_that_nobody_reads_are_errors() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let args = ["dump", "-r", "examples/traffic.pcap", "foo bar"];
    let status = command(args).stderr(writer).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

/// Names of hosts, ports and protocols, without -n; the resolver is the host's, so only what its files know.
#[test]
fn names_are_those_of_tcpdump() {
    if !tcpdump() {
        return;
    }
    let ours = link(&scratch("dump-names"));
    same(&ours, "-n -r examples/traffic.pcap");
    same(&ours, "-n -r corpus/dump/protocols.pcap tcp");
}

/// Cooked headers of a file have the index of an interface, which is looked up here.
#[test]
fn interfaces_are_those_of_tcpdump() {
    if !tcpdump() {
        return;
    }
    let dir = scratch("dump-interfaces");
    let mut capture = Vec::new();
    for word in [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 65535, 276] {
        capture.extend(u32::to_le_bytes(word));
    }
    for index in [1_u32, 0x7fff_fff0] {
        capture.extend([0, 0, 40, 40].map(u32::to_le_bytes).as_flattened());
        capture.extend([8, 0, 0, 0]);
        capture.extend(index.to_be_bytes());
        capture.extend([3, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        capture.extend([0x45, 0, 0, 20, 0, 1, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    }
    let path = dir.join("any.pcap");
    fs::write(&path, capture).unwrap();
    let ours = link(&dir);
    for options in ["-nn", "-nn -e", "-nn -vx"] {
        same(&ours, &format!("{options} -r {}", path.display()));
    }
    // The first interface of a network namespace is its loopback.
    let lines = skep(&format!("dump -t -r {}", path.display())).out;
    assert!(lines.starts_with("lo    Out IP ") && lines.contains("\n?     Out IP "), "{lines}");
}

#[test]
fn a_link_of_tcpdumps_name_says_its_version() {
    let ours = link(&scratch("dump-version"));
    let ran = run(&ours, "--version");
    assert_eq!(ran.status.code(), Some(0));
    assert!(ran.stdout.starts_with(b"skep "), "{}", ran.stdout.escape_ascii());
    assert!(ran.stdout.ends_with(b"tcpdump version 4.99\n"), "{}", ran.stdout.escape_ascii());
    for (args, code) in [("--help", 0), ("-h", 0), ("--nowhere", 1)] {
        let ran = run(&ours, args);
        assert_eq!(ran.status.code(), Some(code), "{args}");
        let words = [ran.stdout, ran.stderr].concat().escape_ascii().to_string();
        assert!(words.contains("Usage: tcpdump "), "{args}: {words}");
    }
}

/// Numbers are not looked up by the command itself.
#[test]
fn names_are_not_asked_for() {
    let lines = skep("dump -r examples/traffic.pcap -c 40");
    assert_eq!(lines.code, 0, "{}", lines.err);
    assert_eq!(lines.out, skep("dump -nn -r examples/traffic.pcap -c 40").out);
    assert_eq!(lines.err, "", "nothing is announced");
}

#[test]
fn records_are_json() {
    let ran = skep("dump --json -r corpus/dump/protocols.pcap");
    let mut names = 0;
    for line in ran.out.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect(line);
        assert!(record["n"].is_u64() && record["len"].is_u64(), "{line}");
        names += usize::from(record["tls_server"] == "example.com");
    }
    assert_eq!(
        ran.out.lines().count(),
        skep("dump -r corpus/dump/protocols.pcap --count")
            .out
            .split(' ')
            .next()
            .unwrap()
            .parse::<usize>()
            .unwrap()
    );
    assert_eq!(names, 1, "one packet names a server");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = command(["dump", "-XX", "-vv", "-r", "examples/traffic.pcap"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::with_capacity(64, child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.stderr, b"");
}

/// Several captures, compressed ones, and standard input are read one after another.
#[test]
fn captures_of_all_kinds() {
    let plain = skep("dump -nn -r examples/traffic.pcap").out;
    let dir = scratch("dump-kinds");
    for name in ["a.pcap.gz", "b.pcapng", "c.pcapng.zst"] {
        let path = dir.join(name);
        let ran = skep(&format!("dump -r examples/traffic.pcap -w {}", path.display()));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{name}");
        assert_eq!(skep(&format!("dump -nn -r {}", path.display())).out, plain, "{name}");
    }
    let twice = skep("dump -nn -r examples/traffic.pcap -r examples/traffic.pcap").out;
    assert_eq!(twice, plain.repeat(2));
    let bytes = fs::read(root().join("examples/traffic.pcap")).unwrap();
    let given = crate::bin::skep_given("dump -nn -r -", &bytes);
    assert_eq!(given.out, plain);
    // What is whole is shown before what is wrong is said.
    let cut = crate::bin::skep_given("dump -nn -r -", &bytes[..bytes.len() - 5]);
    assert_eq!(cut.code, 1, "{}", cut.err);
    assert_eq!(cut.out.lines().count(), plain.lines().count() - 1);
    assert!(cut.err.starts_with("error: <stdin>: "), "{}", cut.err);
}
