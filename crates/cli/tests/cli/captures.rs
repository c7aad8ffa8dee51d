//! Packets that are written: which, where, and that they can be read again.

use crate::bin::{Ran, command, scratch, skep, skep_given};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The last line of a run with `--json --maps none`.
fn summary(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(ran.out.lines().last().unwrap()).unwrap()
}

fn packets(path: &Path) -> u64 {
    let run = format!("run examples/count.s --json --maps none -r {}", path.display());
    summary(&skep(&run))["packets"].as_u64().unwrap()
}

const FIREWALL: &str = "run examples/xdp_firewall.o -r examples/traffic.pcap --json --maps none";

#[test]
fn each_choice_writes_its_packets_in_each_format() {
    let dir = scratch("each_choice");
    let counts = summary(&skep(FIREWALL));
    let verdict = |name: &str| counts["verdicts"][name]["packets"].as_u64().unwrap();
    let table = [
        ("pass", verdict("XDP_PASS")),
        ("drop", verdict("XDP_DROP")),
        ("tx", verdict("XDP_TX")),
        ("all", 917),
    ];
    for (which, want) in table {
        for extension in ["pcap", "pcapng", "pcap.gz", "pcap.zst", "pcapng.zst"] {
            let out = dir.join(format!("{which}.{extension}"));
            let run = format!("{FIREWALL} --write {which} -w {}", out.display());
            let written = summary(&skep(&run))["written"][0]["packets"].as_u64().unwrap();
            assert_eq!((written, packets(&out)), (want, want), "{which}.{extension}");
        }
    }
}

#[test]
fn what_passes_unchanged_is_written_unchanged() {
    let dir = scratch("unchanged");
    let out = dir.join("all.pcap");
    let run = format!("run examples/count.s -r examples/traffic.pcap -w {}", out.display());
    assert_eq!(skep(&run).code, 0);
    let original = fs::read(crate::bin::root().join("examples/traffic.pcap")).unwrap();
    let written = fs::read(&out).unwrap();
    // Snap lengths differ.
    assert_eq!(written[24..], original[24..]);
}

#[test]
fn standard_output_takes_packets_and_standard_error_the_report() {
    let args = "run examples/count.s -r examples/traffic.pcap -w -";
    let output = command(args.split_whitespace()).output().unwrap();
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(report.contains("917 packets written to standard output"), "{report}");
    let again = skep_given("run examples/count.s --json --maps none -r -", &output.stdout);
    assert_eq!(summary(&again)["packets"], 917);
}

#[test]
fn several_captures_are_one_run() {
    let run = "run examples/count.s --json --maps none -r examples/traffic.pcap.gz \
               -r examples/traffic.pcapng -r examples/big-endian.pcap";
    assert_eq!(summary(&skep(run))["packets"], 917 + 200 + 100);
    assert_eq!(summary(&skep(&format!("{run} -c 950")))["packets"], 950);
}

const REDIRECT: &str = "\
.section \"xdp\"
main:
    r1 = 7
    r2 = 0
    call bpf_redirect
    exit
";

#[test]
fn redirected_packets_go_where_they_are_sent() {
    let dir = scratch("redirected");
    let (program, seven, eight) =
        (dir.join("redirect.s"), dir.join("seven.pcap"), dir.join("eight.pcapng"));
    fs::write(&program, REDIRECT).unwrap();
    let run = format!(
        "run {} -r examples/traffic.pcap --redirect 7={} --redirect 8={} --json",
        program.display(),
        seven.display(),
        eight.display()
    );
    let counts = summary(&skep(&run));
    assert_eq!(counts["verdicts"]["XDP_REDIRECT"]["packets"], 917);
    assert_eq!((packets(&seven), packets(&eight)), (917, 0));
}

#[test]
fn a_capture_that_is_cut_off_is_run_as_far_as_it_goes() {
    let dir = scratch("cut_off");
    let whole = fs::read(crate::bin::root().join("examples/traffic.pcap")).unwrap();
    let cut = dir.join("cut.pcap");
    fs::write(&cut, &whole[..5000]).unwrap();
    let out = dir.join("out.pcap");
    let ran = skep(&format!("run examples/count.s -r {} -w {}", cut.display(), out.display()));
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("45 packets in "), "{}", ran.out);
    let error =
        format!("error: {}: record 46 at byte 4806 is cut off: 194 of 280 bytes\n", cut.display());
    assert_eq!(ran.err, error);
    assert_eq!(packets(&out), 45);
}

#[test]
fn a_fault_keeps_what_was_done_before() {
    let out = scratch("fault").join("out.pcap");
    let run = format!(
        "run corpus/cli/fault.s -r examples/traffic.pcap --unverified -w {}",
        out.display()
    );
    let ran = skep(&run);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("8 packets in "), "{}", ran.out);
    assert!(ran.err.contains("here, in packet 9"), "{}", ran.err);
    assert_eq!(packets(&out), 8);
}
