//! Arguments of `skep dump`, under its own name and under tcpdump's.

use crate::bin::{scratch, skep};
use crate::dump::{link, run, same, tcpdump};
use std::fs;
use std::path::Path;

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
        same(&ours, "-ddd -y RAW -r examples/traffic.pcap");
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
