//! Names that `skep dump` asks for.

use crate::bin::scratch;
use crate::dump_files::{in_namespace, namespace};
use std::fs;
use std::time::{Duration, Instant};

/// A name server that does not answer is waited for once, whatever is asked for.
#[test]
fn name_servers_that_do_not_answer() {
    let Some(way) = namespace() else { return };
    let dir = scratch("dump-names");
    fs::write(dir.join("resolv.conf"), "nameserver 10.9.9.9\n").unwrap();
    // What is sent there comes back, and nobody takes it.
    let script = format!(
        "ip route add 10.9.9.9 dev lo; dir={}; export dir
         unshare -m sh -c 'mount --bind $dir/resolv.conf /etc/resolv.conf
             $SKEP dump -r examples/traffic.pcap -c 60 --names >$dir/names & \
             $SKEP dump -r examples/traffic.pcap host a.example or b.example 2>$dir/err & wait'",
        dir.display()
    );
    let begun = Instant::now();
    in_namespace(way, &script);
    // It is 5 s twice for each name that is asked for by itself.
    assert!(begun.elapsed() < Duration::from_millis(9500), "{:?}", begun.elapsed());
    let names = fs::read_to_string(dir.join("names")).unwrap();
    assert_eq!(names.lines().count(), 60, "{names}");
    assert!(names.contains(" IP 10.0.0.15.41042 > 192.0.2.80.http: "), "{names}");
    let err = fs::read_to_string(dir.join("err")).unwrap();
    assert!(err.contains("unknown host `a.example`"), "{err}");
}
