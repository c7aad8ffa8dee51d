//! Arguments of `skep dump`, under its own name and under tcpdump's.

use crate::bin::{scratch, skep};
use crate::dump::{link, run, same, tcpdump};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// What an option takes may begin with a hyphen.
#[test]
fn values_may_begin_with_a_hyphen() {
    let dir = scratch("dump-hyphen");
    let ours = link(&dir);
    let capture = fs::canonicalize(crate::bin::root().join("examples/traffic.pcap")).unwrap();
    for args in ["-w -x", "-w -w", "-w -x -z -z"] {
        let status = Command::new(&ours)
            .args(["-Z", "root", "-r"])
            .arg(&capture)
            .args(args.split(' '))
            .current_dir(&dir)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{args}");
        let written = dir.join(args.split(' ').nth(1).unwrap());
        assert_eq!(fs::read(&written).unwrap(), fs::read(&capture).unwrap(), "{args}");
        fs::remove_file(written).unwrap();
    }
    for args in ["-c -1", "--count-packets -1", "-B -1", "-s -1", "-G -1"] {
        let ran = skep(&format!("dump -r examples/traffic.pcap {args}"));
        assert_eq!(ran.code, 2, "{args}");
        assert!(ran.err.contains("invalid value '-1' for "), "{args}: {}", ran.err);
    }
    let ran = skep("dump -i -x");
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.starts_with("error: -x: no such interface"), "{}", ran.err);
}

/// Numbers are read by functions of C.
#[test]
fn numbers_are_those_of_tcpdump() {
    if !tcpdump() {
        return;
    }
    let dir = scratch("dump-numbers");
    let (ours, out) = (link(&dir), dir.join("out").display().to_string());
    let capture = "-nn -r examples/traffic.pcap";
    for args in [
        "-c 3",
        "-c 3x",
        "-c +3",
        "-c 0x3",
        "-c 0",
        "-c -1",
        "-c x",
        "-c 2147483648",
        "-c 99999999999",
        "-c 2 -c 4",
        "-Q IN",
        "-s 0 --snapshot-length 64",
        "-B 0",
        "-B -1",
        "-B 1",
        "-B 3x",
        "-B 2097151",
        "-B 2097152",
        "-B 2147483648",
        "-s 0x40",
        "-s 0100",
        "-s 64x",
        "-s -1",
        "-s +64",
        "-s 0",
        "-s 0x40001",
        "-G 0",
        "-G 10x",
        "-G -1",
        "-G 2147483648",
        "-C 0",
        "-C -1",
        "-C +1",
        "-C 1x",
        "-W 0",
        "-W 3x",
        "-W -1",
        "-W 2147483648",
    ] {
        let args = match args.starts_with(['-']) && "-C -G -W".contains(&args[..2]) {
            true => format!("{capture} -Z root -w {out} {args}"),
            false => format!("{capture} {args}"),
        };
        let (theirs, ran) = (run(Path::new("tcpdump"), &args), run(&ours, &args));
        assert_eq!(ran.status.code(), theirs.status.code(), "tcpdump {args}");
        assert!(ran.stdout == theirs.stdout, "tcpdump {args}");
    }
    assert_eq!(skep("dump -r examples/traffic.pcap -B 0").code, 2);
}

/// A program is for packets that there are.
#[test]
fn programs_are_for_what_is_there() {
    for args in ["-d -i nowhere", "-d -i 99999", "-d -i nowhere -y EN10MB", "-d -r nowhere"] {
        let ran = skep(&format!("dump {args}"));
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{args}");
    }
    assert_eq!(skep("dump -d -i lo").code, 0);
    if tcpdump() {
        let ours = link(&scratch("dump-program"));
        same(&ours, "-d -r examples/traffic.pcap");
        same(&ours, "-ddd -y RAW -r examples/traffic.pcap ip");
        for args in ["-d -i nowhere", "-d -i 99999"] {
            let (theirs, ran) = (run(Path::new("tcpdump"), args), run(&ours, args));
            assert_eq!(ran.status.code(), theirs.status.code(), "tcpdump {args}");
            assert_eq!((ran.stdout, theirs.stdout), (vec![], vec![]), "tcpdump {args}");
        }
    }
}

/// Captures before one that is not there are read.
#[test]
fn captures_of_a_list_are_opened_in_turn() {
    let dir = scratch("dump-list-turns");
    let (ours, list) = (link(&dir), dir.join("list"));
    let one = skep("dump -nn -r examples/traffic.pcap").out;
    for (names, code) in [
        ("examples/traffic.pcap\nnowhere\n", 3),
        ("examples/traffic.pcap\n\nnowhere", 3),
        ("examples/traffic.pcap\n\n", 0),
        ("examples/traffic.pcap", 0),
    ] {
        fs::write(&list, names).unwrap();
        let args = format!("-nn -V {}", list.display());
        let ran = skep(&format!("dump {args}"));
        assert_eq!(ran.code, code, "{names:?}: {}", ran.err);
        assert!(ran.out == one, "{names:?}");
        if tcpdump() {
            let (theirs, ran) = (run(Path::new("tcpdump"), &args), run(&ours, &args));
            assert_eq!(ran.status.code(), theirs.status.code(), "{names:?}");
            assert!(ran.stdout == theirs.stdout, "{names:?}");
        }
    }
}
