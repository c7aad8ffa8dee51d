//! How commands end: exit codes, and one line that says why.

use crate::bin::{command, root, scratch, skep, skep_given};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// Arguments, exit code, first line of standard error.
#[rustfmt::skip]
const CASES: &[(&str, i32, &str)] = &[
    // Usage.
    ("", 2, "All of BPF: run, read and write BPF programs without a kernel"),
    ("frobnicate", 2, "error: unrecognized subcommand 'frobnicate'"),
    ("run", 2, "error: the following required arguments were not provided:"),
    ("run examples/count.s", 2, "error: count is run over packets, and none are given"),
    ("run examples/count.s -r examples/traffic.pcap --ctx 00", 2, "error: the argument '--ctx <BYTES>' cannot be used with:"),
    ("run examples/count.s --ctx 00", 2, "error: count is run over packets, and none are given"),
    ("run examples/iterators.o --prog add -r examples/traffic.pcap", 2, "error: add takes no packets"),
    ("run examples/iterators.o --prog add --over squares", 2, "error: add goes over no map"),
    ("run examples/iterators.o --prog add --ctx 0x", 2, "error: invalid value '0x' for '--ctx <BYTES>': `0x` is neither bytes as 2a00ff nor a file as @ctx.bin"),
    ("run examples/iterators.o --prog add --ctx @nowhere.bin", 3, "error: nowhere.bin: No such file or directory"),
    ("run examples/iterators.o --prog add --engine jit", 1, "error[run.access]: load of 8 bytes at r6+0, r6 = 0x200000000: no memory there"),
    ("run corpus/cli/odd.s -r examples/traffic.pcap --unverified --engine jit", 4, "error: odd: insn 1: what is done with r10"),
    ("run examples/iterators.o --prog tasks --unverified --btf examples/iterators.o --over squares", 2, "error: tasks goes over task, not over a map"),
    ("run examples/iterators.o --prog square --unverified --btf examples/iterators.o --over cubes", 2, "error: no map `cubes` that square can go over; there are .rodata, squares, .bss"),
    ("run examples/iterators.o --prog square --unverified --btf nowhere", 3, "error: nowhere: No such file or directory"),
    ("run examples/count.s -r a -i lo", 2, "error: the argument '--read <FILE>' cannot be used with '--interface <DEV>'"),
    ("run examples/count.s -r examples/traffic.pcap --write tx", 2, "error: the following required arguments were not provided:"),
    ("run examples/count.s -r examples/traffic.pcap --cpus 0", 2, "error: invalid value '0' for '--cpus <N>': 0 is not in 1..=4096"),
    ("run examples/count.s -r examples/traffic.pcap --deadline soon", 2, "error: invalid value 'soon' for '--deadline <TIME>': unknown unit `soon`, expected s, ms, us, ns, m or h"),
    ("run examples/count.s -r examples/traffic.pcap --redirect eth0", 2, "error: invalid value 'eth0' for '--redirect <IFINDEX=OUT>': expected IFINDEX=OUT"),
    ("run examples/count.s -r examples/traffic.pcap --prog cuont", 2, "error: examples/count.s: no program `cuont`; there are count"),
    ("run examples/socket_filter.o -r examples/traffic.pcap", 2, "error: examples/socket_filter.o: there are several programs, choose one: dns, dns_classic, udp_headers"),
    ("run examples/count.s -r examples/traffic.pcap -w examples/traffic.pcap", 2, "error: examples/traffic.pcap: is read and cannot be written as well"),
    ("run examples/count.s -r examples/traffic.pcap -w out.txt", 2, "error: \"out.txt\" names no capture format: .pcap or .pcapng, then perhaps .gz or .zst"),
    ("run examples/count.s -r examples/traffic.pcap -w - --redirect 1=-", 2, "error: -: is given for two outputs"),
    ("run - -r examples/traffic.pcap --btf -", 2, "error: standard input can be read only once"),
    ("link - - -o /dev/null", 2, "error: standard input can be read only once"),
    ("link examples/xdp_flows.o", 2, "error: the following required arguments were not provided:"),
    ("run - -r -", 2, "error: standard input can be read only once"),
    ("asm examples/count.s --hex --c", 2, "error: the argument '--hex' cannot be used with '--c'"),
    ("dis examples/count.s --ebpf", 2, "error: examples/count.s: eBPF already, --ebpf translates classic BPF"),
    ("completions tcsh", 2, "error: invalid value 'tcsh' for '<SHELL>'"),
    // The environment.
    ("filter host in @nowhere", 3, "error: nowhere: No such file or directory"),
    ("filter --ebpf port in @examples/traffic.pcap", 3, "error: examples/traffic.pcap: stream did not contain valid UTF-8"),
    ("run nowhere.o -r examples/traffic.pcap", 3, "error: nowhere.o: No such file or directory"),
    ("run examples/count.s -r nowhere.pcap", 3, "error: nowhere.pcap: No such file or directory"),
    ("run examples/count.s -r examples/traffic.pcap -r nowhere.pcap", 3, "error: nowhere.pcap: No such file or directory"),
    ("run examples -r examples/traffic.pcap", 3, "error: examples: Is a directory"),
    ("run examples/count.s -r examples", 3, "error: examples: is a directory"),
    ("run examples/count.s -r examples/traffic.pcap -w nowhere/out.pcap", 3, "error: nowhere/out.pcap: No such file or directory"),
    ("asm nowhere.s", 3, "error: nowhere.s: No such file or directory"),
    ("asm examples/drop_icmp.s -o nowhere/out.bin", 3, "error: nowhere/out.bin: No such file or directory"),
    ("dis nowhere.o", 3, "error: nowhere.o: No such file or directory"),
    ("inspect nowhere.o", 3, "error: nowhere.o: No such file or directory"),
    ("link nowhere.o -o /dev/null", 3, "error: nowhere.o: No such file or directory"),
    ("link corpus/obj/join_a.o corpus/obj/join_b.o -o nowhere/out.o", 3, "error: nowhere/out.o: No such file or directory"),
    ("man /dev/null/here", 3, "error: /dev/null/here: Not a directory"),
    ("run corpus/cli/task.o --prog moved -r examples/traffic.pcap --btf nowhere", 3, "error: nowhere: No such file or directory"),
    ("run corpus/obj/externs.o --prog version -r examples/traffic.pcap --kconfig nowhere", 3, "error: nowhere: No such file or directory"),
    ("inspect --btf-c nowhere", 3, "error: nowhere: No such file or directory"),
    // Content.
    ("run corpus/cli/task.o --prog moved -r examples/traffic.pcap --btf examples/count.s", 1, "error: examples/count.s: magic 0x203b is not 0xeb9f in either byte order"),
    ("run corpus/obj/externs.o --prog version -r examples/traffic.pcap --kconfig corpus/btf/core_target.el.btf", 1, "error: corpus/btf/core_target.el.btf: invalid utf-8 sequence of 1 bytes from index 0"),
    ("inspect --btf-c examples/count.s", 1, "error: examples/count.s: magic 0x203b is not 0xeb9f in either byte order"),
    ("inspect --btf-c examples/drop_icmp.s --needs", 2, "error: the argument '--btf-c' cannot be used with '--needs'"),
    ("run /dev/null -r examples/traffic.pcap", 1, "error: /dev/null: the file is empty"),
    ("run examples/count.s -r /dev/null", 1, "error: /dev/null: the capture is empty, not even a header"),
    ("run examples/traffic.pcap -r examples/traffic.pcap", 1, "error: examples/traffic.pcap: a packet capture, not a program"),
    ("run examples/count.s -r examples/count.s", 1, "error: examples/count.s: neither pcap nor pcapng: the first bytes are [3b, 20, 53, 50]"),
    ("run corpus/obj/legacy.o -r examples/traffic.pcap", 1, "error: corpus/obj/legacy.o: section 'maps' holds struct bpf_map_def, which libbpf 1.0 dropped: define maps by type in SEC(\".maps\")"),
    ("asm examples/count.o", 3, "error: examples/count.o: No such file or directory"),
    ("asm examples/xdp_flows.o", 1, "error: examples/xdp_flows.o: an ELF object, not assembly text"),
    ("link examples/xdp_flows.o examples/count.s -o /dev/null", 1, "error: examples/count.s: no ELF file: begins with 3b 20 53 50, not with 7f 45 4c 46"),
    ("link corpus/obj/calls.clang19.o corpus/obj/basic.v4.o -o /dev/null", 1, "error: section 'license' is \"GPL\" in corpus/obj/calls.clang19.o and \"Dual MIT/GPL\" in corpus/obj/basic.v4.o: all objects must say the same"),
    ("dis examples/traffic.pcap", 1, "error: examples/traffic.pcap: a packet capture, not a program"),
    ("check examples/xdp_firewall.o --kconfig examples/count.s", 1, "error: examples/count.s: no line begins with CONFIG_: this is no configuration"),
    // What is understood, but cannot be done.
    ("run corpus/obj/core.o -r examples/traffic.pcap", 4, "error: corpus/obj/core.o: on_close: programs of type kprobe are not run here"),
    ("run corpus/obj/basic.be.o -r examples/traffic.pcap", 4, "error: corpus/obj/basic.be.o: a big-endian BPF object, only little-endian ones can run here (clang -target bpfel)"),
    ("link corpus/obj/basic.be.o -o /dev/null", 0, ""),
    ("link corpus/obj/join_a.o corpus/obj/join_b.be.o -o /dev/null", 1, "error: corpus/obj/join_a.o is little-endian and corpus/obj/join_b.be.o big-endian: compile both for one target, bpfel or bpfeb"),
    ("asm examples/count.s --prog no -o /dev/null/x.o", 2, "error: examples/count.s: no program `no`; there are count"),
    ("asm corpus/assembled/nowhere.s -o /dev/null/x.o", 4, "error: program 'main' is in section '', which does not say what it is for"),
    // Success.
    ("--version", 0, ""),
    ("run --help", 0, ""),
    ("check examples/xdp_firewall.o --kernel 5.4", 0, ""),
    ("run examples/count.s -r examples/traffic.pcap -c 0", 0, ""),
];

#[test]
fn exit_codes_and_errors() {
    for &(args, code, error) in CASES {
        let ran = skep(args);
        assert_eq!(ran.code, code, "{args}: {}", ran.err);
        assert_eq!(ran.err.lines().next().unwrap_or_default(), error, "{args}");
        assert!(!ran.err.contains("panicked"), "{args}: {}", ran.err);
    }
}

#[test]
fn linked_objects_are_written_to_files_and_pipes() {
    let dir = scratch("linked");
    let out = dir.join("out.o");
    let args = ["corpus/obj/join_a.o", "corpus/obj/join_b.o", "-o"];
    let run = |out: &str| command(["link"].iter().chain(&args).chain(&[out])).output().unwrap();
    let to_file = run(out.to_str().unwrap());
    assert!(to_file.status.success() && to_file.stdout.is_empty() && to_file.stderr.is_empty());
    let written = fs::read(&out).unwrap();
    assert_eq!(written, fs::read(root().join("corpus/obj/joined.o")).unwrap());
    assert!(run("-").stdout == written);
    let ran = skep_given("link - -o /dev/null", &written);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn a_host_executable_is_named_as_one() {
    let ran = skep(&format!("run {} -r examples/traffic.pcap", env!("CARGO_BIN_EXE_skep")));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("not for BPF (clang -target bpf)"), "{}", ran.err);
}

#[test]
fn errors_come_with_a_remedy() {
    let table = [
        ("run examples/xdp_flows.o --prog xdp_flow -r x", "help: did you mean --prog xdp_flows?"),
        ("run examples/socket_filter.o -r x", "help: add, for example, --prog dns"),
        ("run examples -r x", "help: name a file in it"),
        ("dis examples/traffic.pcap", "help: `skep run PROGRAM -r CAPTURE` reads captures"),
        (
            "run examples/count.s -r examples/xdp_flows.o",
            "help: the program comes first, captures after -r",
        ),
        (
            "asm corpus/assembled/nowhere.s -o /dev/null/x.o",
            "help: begin the program with .section",
        ),
        ("run examples/count.s -i nowhere0", "help: "),
        (
            "run corpus/cli/task.o --prog moved -r examples/traffic.pcap --btf nowhere",
            "help: --btf takes a file",
        ),
        (
            "run corpus/obj/externs.o --prog version -r examples/traffic.pcap --kconfig nowhere",
            "help: --kconfig takes lines",
        ),
    ];
    for (args, help) in table {
        let ran = skep(args);
        let last = ran.err.lines().last().unwrap_or_default();
        assert!(last.starts_with(help), "{args}: {}", ran.err);
    }
}

/// Cut anywhere, an object gives an error or still what it was; never anything else.
#[test]
fn objects_cut_off_end_with_an_error() {
    let dir = scratch("cut_objects");
    let whole = fs::read(root().join("examples/xdp_firewall.o")).unwrap();
    for len in (0..whole.len()).step_by(whole.len() / 60) {
        let path = dir.join("cut.o");
        fs::write(&path, &whole[..len]).unwrap();
        for command in ["run -r examples/traffic.pcap", "dis", "inspect"] {
            let ran = skep(&format!("{command} {}", path.display()));
            assert_eq!(ran.code, 1, "{command} of {len} bytes: {}", ran.err);
            assert!(ran.err.starts_with("error: "), "{command} of {len} bytes: {}", ran.err);
        }
    }
}

/// BTF that ends early or has a wrong field is refused with the place.
#[test]
fn malformed_types_are_told_with_their_place() {
    let dir = scratch("malformed_types");
    let whole = fs::read(root().join("corpus/btf/core_target.el.btf")).unwrap();
    let path = dir.join("cut.btf");
    for len in (0..whole.len()).step_by(50) {
        fs::write(&path, &whole[..len]).unwrap();
        let ran = skep(&format!("inspect --btf-c {}", path.display()));
        assert_eq!((ran.code, &*ran.out), (1, ""), "{len} bytes: {}", ran.err);
        assert!(ran.err.starts_with("error: "), "{len} bytes: {}", ran.err);
    }
    let mut wrong = whole;
    // The kind of the first type, behind a header of 24 bytes.
    wrong[24 + 7] = 0x1f;
    fs::write(&path, &wrong).unwrap();
    let ran = skep(&format!("inspect --btf-c {}", path.display()));
    assert_eq!(ran.code, 1);
    let want = format!("error: {}: byte 28: type 1 has kind 31", path.display());
    assert!(ran.err.starts_with(&want), "{}", ran.err);
}

/// The file's lines count before those of the running kernel; both may be compressed.
#[test]
fn configuration_comes_from_the_file_first() {
    let dir = scratch("configuration");
    let text = fs::read_to_string(root().join("corpus/cli/kernel.config")).unwrap();
    let path = dir.join("kernel.config.gz");
    // `return LINUX_KERNEL_VERSION > CONFIG_HZ;`
    for (hz, verdict) in [("250", "XDP_DROP"), ("2147483647", "XDP_ABORTED")] {
        let text = text.replace("CONFIG_HZ=250", &format!("CONFIG_HZ={hz}"));
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, text.as_bytes()).unwrap();
        fs::write(&path, gz.finish().unwrap()).unwrap();
        let run = "run corpus/obj/externs.o --prog version -r examples/traffic.pcap --kconfig";
        let ran = skep(&format!("{run} {}", path.display()));
        assert_eq!(ran.code, 0, "{}", ran.err);
        assert!(ran.out.contains(verdict), "{}", ran.out);
    }
}

#[test]
fn standard_input_holds_programs() {
    let program = b".section \"xdp\"\nmain:\n r0 = 1\n exit\n";
    let ran = skep_given("run - -r examples/traffic.pcap", program);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with("main of - at xdp"), "{}", ran.out);
    let ran = skep_given("asm - --hex", b"exit\n");
    assert_eq!(ran.out, "95 00 00 00 00 00 00 00\n");
    let ran = skep_given("dis -", b"95 00 00 00 00 00 00 00\n");
    assert!(ran.out.ends_with("    exit\n"), "{}", ran.out);
    let ran = skep_given("run - -r examples/traffic.pcap", b"r0 = r11\n");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("<stdin>:1:6"), "{}", ran.err);
}

/// `skep … | head -1`
#[test]
fn a_reader_that_goes_away_is_no_error() {
    for args in [
        "run examples/xdp_flows.o -r examples/traffic.pcap -r examples/traffic.pcap -r examples/traffic.pcap -v",
        "run examples/xdp_flows.o -r examples/traffic.pcap -w -",
        "dis examples/xdp_firewall.o --json",
        "completions bash",
        "man",
    ] {
        let mut command = command(args.split_whitespace());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{args}: {err}");
        assert!(!err.contains("error"), "{args}: {err}");
    }
}

/// Full disks are told of.
#[test]
#[cfg(target_os = "linux")]
fn output_that_cannot_be_written_is_an_error() {
    for args in ["run examples/xdp_flows.o -r examples/traffic.pcap", "dis examples/count.s"] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = command(args.split_whitespace()).stdout(full).output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{args}: {err}");
        assert_eq!(err, "error: writing the output: No space left on device\n");
    }
}

/// Ctrl-C: the run ends and says what it found.
#[test]
#[cfg(unix)]
fn interrupted_runs_report() {
    let capture = fs::read(root().join("examples/traffic.pcap")).unwrap();
    let mut command = command("run examples/count.s -v -r -".split_whitespace());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, &capture).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.trim_start().starts_with("1  XDP_PASS")));
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    // The next packet is not waited for once there is one.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let _ = std::io::Write::write_all(&mut stdin, &capture[24..]);
    drop(stdin);
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(rest.iter().any(|line| line.contains(" packets in ")), "{rest:?}");
}
