//! Arguments of `skep dump`, under its own name and under tcpdump's.

use crate::bin::{scratch, skep};
use crate::dump::{link, run, same, tcpdump};
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
