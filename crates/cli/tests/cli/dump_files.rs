//! Files that `skep dump` writes, and interfaces that it listens on.

use crate::bin::{command, root, scratch, skep};
use crate::dump::{link, run, tcpdump};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect()
}

/// Names and bytes of files are tcpdump's, however they are changed on the way.
#[test]
fn files_are_those_of_tcpdump() {
    if !tcpdump() {
        return;
    }
    let dir = scratch("dump-files-link");
    let ours = link(&dir);
    // More than two million bytes, so that -C has something to do.
    let capture = fs::read(root().join("examples/traffic.pcap")).unwrap();
    let (header, packets) = capture.split_at(24);
    let large = dir.join("large.pcap");
    fs::write(&large, [header, &packets.repeat(2_500_000 / packets.len())].concat()).unwrap();
    let large = large.display();
    for (n, options) in [
        "-w FILE",
        "-w FILE -c 100",
        "-w FILE -C 1",
        "-w FILE -C 1 -W 1",
        "-w FILE -C 1 -W 2",
        "-w FILE -C 1 -W 12",
        "-w FILE tcp port 80",
        "-s 60 -w FILE",
        "--nano -w FILE",
        "-w FILE -U",
        "-w FILE --print",
        "-w FILE-%Y%j%z%Z%u%w%V%G%C%h%Ey%-m%Q%% -G 100000",
        "-w FILE-%F%P -G 100000 -C 1",
    ]
    .into_iter()
    .enumerate()
    {
        let mut made = Vec::new();
        for (who, program) in [("tcpdump", Path::new("tcpdump")), ("skep", &ours)] {
            let dir = scratch(&format!("dump-files-{n}-{who}"));
            let args = options.replace("FILE", &dir.join("out.pcap").display().to_string());
            // Root would become another user, who may not write there.
            let user = if rustix::process::geteuid().is_root() { "-Z root" } else { "" };
            let ran = run(program, &format!("-nn -r {large} {user} {args}"));
            made.push((ran.status.code(), ran.stdout, files(&dir)));
        }
        let (ours, theirs) = (made.pop().unwrap(), made.pop().unwrap());
        assert_eq!(ours.0, theirs.0, "{options}");
        assert_eq!(ours.1, theirs.1, "{options}");
        assert_eq!(
            ours.2.keys().collect::<Vec<_>>(),
            theirs.2.keys().collect::<Vec<_>>(),
            "{options}"
        );
        assert!(ours.2 == theirs.2, "{options}: bytes differ");
    }
}

/// Files by the clock are named for the time of their first packet.
#[test]
fn files_by_the_clock() {
    let dir = scratch("dump-clock");
    let args =
        format!("dump -r corpus/dump/protocols.pcap -w {}/%H%M%S.pcap -G 3600", dir.display());
    let ran = skep(&args);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let files = files(&dir);
    let names: Vec<_> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["000115.pcap", "010141.pcap", "020207.pcap", "221320.pcap", "230049.pcap"]);
    let mut packets = 0;
    for name in names {
        let ran = skep(&format!("dump --count -r {}/{name}", dir.display()));
        packets += ran.out.split(' ').next().unwrap().parse::<u32>().unwrap();
    }
    assert_eq!(
        format!("{packets} packets\n"),
        skep("dump --count -r corpus/dump/protocols.pcap").out
    );
}

#[test]
fn a_command_runs_with_each_file_that_is_full() {
    let dir = scratch("dump-postrotate");
    let args =
        format!("dump -r examples/traffic.pcap -w {}/out.pcap -C 16k -z gzip", dir.display());
    let ran = skep(&args);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let names: Vec<_> = files(&dir).into_keys().collect();
    assert!(names.len() > 2, "{names:?}");
    assert_eq!(
        names.iter().filter(|name| name.ends_with(".gz")).count(),
        names.len() - 1,
        "{names:?}"
    );
}

/// How to start what runs in a network namespace of its own, if this process may make one.
pub(crate) fn namespace() -> Option<&'static str> {
    let way = if rustix::process::geteuid().is_root() { "-n" } else { "-rn" };
    let made = Command::new("unshare").args([way, "ip", "link", "set", "lo", "up"]).output();
    let why = match made {
        Ok(out) if out.status.success() => return Some(way),
        Ok(out) => String::from_utf8_lossy(&out.stderr).into_owned(),
        Err(err) => err.to_string(),
    };
    let required = std::env::var_os("SKEP_REQUIRE_KERNEL").is_some_and(|v| v == "1");
    assert!(!required, "SKEP_REQUIRE_KERNEL is set, and there is no network namespace: {why}");
    eprintln!("skipped: no network namespace: {why}");
    None
}

/// Runs a script in such a namespace with `lo` up, where `$SKEP` is the binary.
pub(crate) fn in_namespace(way: &str, script: &str) -> (String, String) {
    let script = format!("set -e; ip link set lo up; {script}");
    // What never ends fails.
    let child = Command::new("timeout")
        .args(["120", "unshare", way, "sh", "-c", &script])
        .current_dir(root())
        .env("SKEP", env!("CARGO_BIN_EXE_skep"))
        .env("TZ", "UTC")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&child.stdout), text(&child.stderr));
    assert!(child.status.success(), "{out}{err}");
    (out, err)
}

/// What is listened for is there before anything is sent: the program says when it listens.
const SEND: &str = "bash -c 'for n in 1 2 3; do echo hello >/dev/udp/127.0.0.1/9999; done'";
const WAIT: &str =
    "n=0; until grep -q listening err || [ $n -gt 100 ]; do sleep 0.05; n=$((n+1)); done";

fn listen(way: &str, name: &str, options: &str, send: &str) -> (String, String) {
    let dir = scratch(name);
    let dir = dir.display();
    in_namespace(
        way,
        &format!(
            "cd {dir}; $SKEP dump {options} >out 2>err & pid=$!; {WAIT}; {send}; sleep 0.3; kill -INT $pid || cat err >&2; wait $pid; \
         cat out; cat err >&2"
        ),
    )
}

#[test]
fn packets_are_shown_as_they_come() {
    let Some(way) = namespace() else { return };
    let send = SEND;
    let (out, err) = listen(way, "dump-live", "-i lo -t", send);
    let requests = out.lines().filter(|l| l.contains("127.0.0.1.9999: UDP, length 6")).count();
    // Nobody takes them, which is said in a packet each.
    assert_eq!(requests, 3, "{out}{err}");
    assert!(
        err.contains("6 packets captured") && err.contains("0 packets dropped by kernel"),
        "{err}"
    );

    // The kernel filters.
    let (out, err) = listen(way, "dump-live-filter", "-i lo -t icmp[icmptype] = 3", send);
    assert_eq!(out.lines().count(), 3, "{out}{err}");
    assert!(err.contains("6 packets received by filter"), "{err}");

    // All interfaces, as JSON.
    let (out, err) = listen(way, "dump-live-any", "-i any --json --immediate-mode", send);
    assert!(
        out.lines().count() >= 6 && out.lines().all(|l| l.contains("\"interface\":\"lo\"")),
        "{out}{err}"
    );
}

#[test]
fn packets_are_written_as_they_come() {
    let Some(way) = namespace() else { return };
    let send = SEND;
    let (_, err) = listen(way, "dump-live-write", "-i lo -w trace.pcap -Z root", send);
    assert!(err.contains("6 packets captured"), "{err}");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dump-live-write/trace.pcap");
    let read = skep(&format!("dump --count -r {}", path.display()));
    assert_eq!(read.out, "6 packets\n", "{}", read.err);
}

/// Two interfaces, each with packets of its own, joined by a cable.
#[test]
fn several_interfaces_side_by_side() {
    let Some(way) = namespace() else { return };
    let cable = "ip link add one type veth peer name two; ip link set one up; ip link set two up; \
                 ip addr add 10.9.0.1/24 dev one; ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev one";
    let dir = scratch("dump-live-several");
    let (out, err) = in_namespace(
        way,
        &format!(
            "{cable}; cd {}; $SKEP dump -t -e -Q inout -i one -i two udp port 9999 >out 2>err & pid=$!; {WAIT}; \
         bash -c 'for n in 1 2; do echo hello >/dev/udp/10.9.0.2/9999; done'; sleep 0.3; kill -INT $pid; wait $pid; cat out; cat err >&2",
            dir.display()
        ),
    );
    // Each goes out of the one and comes in at the other.
    assert_eq!(
        out.lines().filter(|l| l.contains("> 10.9.0.2.9999: UDP, length 6")).count(),
        4,
        "{out}{err}"
    );
    assert!(err.contains("one: 2 packets received by filter"), "{err}");
    assert!(err.contains("two: 2 packets received by filter"), "{err}");
}

/// Interfaces are those of the network namespace, whatever `/sys` shows.
#[test]
fn interfaces_are_those_of_the_namespace() {
    let Some(way) = namespace() else { return };
    let cable = "ip link add one type veth peer name two; ip link set one up";
    let (out, err) = in_namespace(way, &format!("{cable}; $SKEP dump -D; $SKEP dump -L -i two"));
    let words = [
        "1.any (Pseudo-device that captures on all interfaces) [Up, Running]",
        "2.lo [Up, Running, Loopback]",
        "3.one [Up, Disconnected]",
        "4.two [none]",
        "Data link types for two (use option -y to set):",
        "  EN10MB (Ethernet)",
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), words, "{err}");
    if tcpdump() {
        let theirs = in_namespace(way, &format!("{cable}; tcpdump -D")).0;
        assert!(theirs.lines().take(3).eq(words.into_iter().take(3)), "{theirs}{out}");
    }
    let any = format!(
        "{cable}; ip link set two up; (sleep 0.5; {SEND}) & $SKEP dump -i any -c 8 -t --immediate-mode"
    );
    let (out, err) = in_namespace(way, &any);
    let is_known = |line: &str| ["one", "two", "lo"].iter().any(|name| line.starts_with(name));
    assert!(out.lines().count() == 8 && out.lines().all(is_known), "{out}{err}");
}

/// An interface that is down is not listened on, one that goes is said to be gone; one that comes up again goes on.
#[test]
fn interfaces_come_and_go() {
    let Some(way) = namespace() else { return };
    let cable = "ip link add one type veth peer name two; ip addr add 10.9.0.1/24 dev one";
    let (out, err) = in_namespace(way, &format!("{cable}; $SKEP dump -i one || test $? = 3"));
    assert!(out.is_empty() && err.starts_with("error: one: the interface is not up"), "{out}{err}");

    let up = "ip link set one up; ip link set two up; \
              ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:09 dev one";
    let send = "bash -c 'echo hello >/dev/udp/10.9.0.2/9999'";
    // The kernel reports that an interface goes down, also on the way to its end, but not that end.
    for (n, end) in
        ["ip link del one", "ip link set one down; sleep 0.3; ip link del one"].iter().enumerate()
    {
        let dir = scratch(&format!("dump-live-gone-{n}"));
        let (out, err) = in_namespace(
            way,
            &format!(
                "{cable}; {up}; cd {}; $SKEP dump -i one -nn -t --immediate-mode udp port 9999 >out 2>err & pid=$!; {WAIT}; \
                 {send}; sleep 0.2; ip link set one down; sleep 0.3; {up}; sleep 0.2; {send}; sleep 0.3; \
                 grep -c captured err || true; {end}; wait $pid || echo $?; cat out; cat err >&2",
                dir.display()
            ),
        );
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 4, "{out}{err}");
        assert_eq!(lines[..2], ["0", "3"], "{out}{err}");
        assert!(err.contains("2 packets captured"), "{err}");
        assert!(err.ends_with("error: one: the interface is gone\n"), "{err}");
    }

    // A packet of before comes when the kernel hands over what it has, which is after the interface went down.
    let dir = scratch("dump-live-late");
    let (out, err) = in_namespace(
        way,
        &format!(
            "{cable}; {up}; cd {}; $SKEP dump -i one -nn -t udp port 9999 >out 2>err & pid=$!; {WAIT}; \
             {send}; ip link set one down; sleep 1; ip link del one; wait $pid || echo $?; cat err >&2",
            dir.display()
        ),
    );
    assert_eq!(out, "3\n", "{err}");
    assert!(err.ends_with("error: one: the interface is gone\n"), "{err}");
}

/// What a broadcast is depends on the network: that of the interface, or of none in a capture.
#[test]
fn broadcasts_are_those_of_the_network() {
    let Some(way) = namespace() else { return };
    let cable = "ip link add one type veth peer name two; ip addr add 10.9.0.1/20 dev one; ip link set one up; ip link set two up";
    let list = |of| in_namespace(way, &format!("{cable}; $SKEP dump -d {of} ip broadcast")).0;
    assert!(list("-i one").contains("#0xfff\n"), "{}", list("-i one"));
    assert!(list("-i two").contains("#0xffffffff"), "{}", list("-i two"));
    assert!(list("-r examples/traffic.pcap").contains("#0xffffffff"));
}

/// Packets of several interfaces come in the order of their times, and none from before the signal is lost.
#[test]
fn several_interfaces_in_order() {
    let Some(way) = namespace() else { return };
    let cables = "for n in 1 2; do ip link add a$n type veth peer name b$n; ip link set a$n up; ip link set b$n up; \
                  ip addr add 10.9.$n.1/24 dev a$n; ip neigh add 10.9.$n.2 lladdr 02:00:00:00:00:09 dev a$n; done";
    let dir = scratch("dump-live-order");
    let (out, err) = in_namespace(
        way,
        &format!(
            "{cables}; cd {}; $SKEP dump -tt -i b1 -i b2 udp port 9999 >out 2>err & pid=$!; {WAIT}; \
         bash -c 'for n in {{1..150}}; do echo hello >/dev/udp/10.9.1.2/9999; sleep 0.004; echo hello >/dev/udp/10.9.2.2/9999; done'; \
         kill -INT $pid; wait $pid; cat out; cat err >&2",
            dir.display()
        ),
    );
    let times: Vec<f64> =
        out.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(times.len(), 300, "{err}");
    assert!(times.is_sorted(), "{out}");
}

/// Files end by the clock, whether packets come or not; so does the capture with the last of them, and the command runs
/// for each.
#[test]
fn files_end_by_the_clock() {
    let Some(way) = namespace() else { return };
    let dir = scratch("dump-live-clock");
    let user = if way == "-n" { Some(1234) } else { None };
    if let Some(user) = user {
        // Files belong to the owner of the directory, whom the rest of the capture runs as.
        std::os::unix::fs::chown(&dir, Some(user), Some(user)).unwrap();
    }
    let (_, err) = in_namespace(
        way,
        &format!(
            "cd {}; $SKEP dump -i lo -w trace-%s.pcap -G 1 -W 3 -z gzip 2>err; cat err >&2",
            dir.display()
        ),
    );
    assert!(err.contains("0 packets captured"), "{err}");
    let names: Vec<_> = files(&dir).into_keys().filter(|name| name != "err").collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for name in names {
        assert!(name.starts_with("trace-") && name.ends_with(".pcap.gz"), "{name}");
        if let Some(user) = user {
            let meta = fs::metadata(dir.join(&name)).unwrap();
            assert_eq!(std::os::unix::fs::MetadataExt::uid(&meta), user, "{name}");
        }
    }
}

/// What would do nothing is refused.
#[test]
fn options_that_contradict_each_other_are_refused() {
    for (options, why) in [
        ("-i lo -r examples/traffic.pcap", "not from both"),
        ("-r examples/traffic.pcap --print", "--print is about files, and none is written"),
        ("-r examples/traffic.pcap -C 1", "-C is about files, and none is written"),
        ("-r examples/traffic.pcap -z gzip", "-z is about files, and none is written"),
    ] {
        let ran = skep(&format!("dump {options}"));
        assert_eq!(ran.code, 2, "{options}");
        assert!(ran.err.contains(why), "{options}: {}", ran.err);
    }
}

/// Files that would replace each other are not begun.
#[test]
fn a_name_without_a_time_is_refused() {
    let ran = skep("dump -r examples/traffic.pcap -w trace.pcap -G 60");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("a file would replace the one before"), "{}", ran.err);
}

/// Output that nobody reads, and `-c`, end a capture too.
#[test]
fn a_capture_ends_with_its_count() {
    let Some(way) = namespace() else { return };
    let dir = scratch("dump-live-count");
    let (out, err) = in_namespace(
        way,
        &format!(
            "cd {}; (sleep 0.2; {SEND}) & $SKEP dump -i lo -t -c 2 2>err; cat err >&2",
            dir.display()
        ),
    );
    assert_eq!(out.lines().count(), 2, "{out}");
    assert!(err.contains("2 packets captured"), "{err}");
}

/// The value of a field of proc_pid_status(5), up to the first space.
#[track_caller]
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap_or_else(|| panic!("{status}")).split_whitespace().next().unwrap()
}

/// Root is given up once all is open.
#[test]
fn privileges_are_dropped() {
    let Some(way) = namespace() else { return };
    let (_, err) = listen(way, "dump-live-user", "-i lo -c 100", "cat /proc/$pid/status >status");
    let status = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dump-live-user/status");
    let status = fs::read_to_string(status).unwrap();
    assert_eq!(field(&status, "CapEff:"), "0000000000000000", "{err}");
    assert_eq!(field(&status, "CapPrm:"), "0000000000000000", "{err}");
    if way == "-n" {
        assert_ne!(field(&status, "Uid:"), "0", "{err}");
    }
}

/// So it is where packets come from captures, of which those to come may be files that root alone may read.
#[test]
fn privileges_are_dropped_for_captures() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root has privileges to drop");
        return;
    }
    let dir = scratch("dump-read-user");
    let secret = dir.join("secret.pcap");
    fs::copy(root().join("examples/traffic.pcap"), &secret).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let mut child = command(["dump", "-r", "-", "-r"])
        .arg(&secret)
        .args(["-nn", "-l"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&fs::read(&secret).unwrap()).unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    assert_ne!(field(&status, "Uid:"), "0");
    assert_eq!(field(&status, "CapEff:"), "0000000000000000");
    drop(input);
    let rest = lines.map_while(Result::ok).count();
    assert!(child.wait().unwrap().success());
    let once = skep("dump -nn -r examples/traffic.pcap").out.lines().count();
    assert_eq!(1 + rest, 2 * once);
}

/// SIGUSR1 asks for the counts so far, SIGUSR2 for the packets so far to be in their file; neither ends anything.
#[test]
fn signals_ask_for_counts_and_packets() {
    let Some(way) = namespace() else { return };
    let meanwhile = format!(
        "{SEND}; sleep 0.5; kill -USR1 $pid; sleep 0.3; stat -c %s f.pcap >before; kill -USR2 $pid; sleep 0.3; \
         stat -c %s f.pcap >after; {SEND}"
    );
    let (_, err) = listen(way, "dump-live-asked", "-i lo -w f.pcap udp port 9999", &meanwhile);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dump-live-asked");
    let number =
        |name| -> u64 { fs::read_to_string(dir.join(name)).unwrap().trim().parse().unwrap() };
    assert_eq!(number("before"), 0);
    // A header and three packets of six bytes.
    assert_eq!(number("after"), 24 + 3 * (16 + 14 + 20 + 8 + 6));
    // Of the loopback the kernel counts both ways.
    let counts = "3 packets captured, 6 packets received by filter, 0 packets dropped by kernel\n";
    assert!(err.contains(counts) && err.contains("6 packets captured\n"), "{err}");
}

/// Runs it as nobody, who has no capabilities; nothing where others may not look into the build directory.
fn as_nobody(args: &[&str]) -> Option<(Option<i32>, String)> {
    let mut child = command(args);
    if rustix::process::geteuid().is_root() {
        child = Command::new("setpriv");
        let all = ["--reuid=65534", "--regid=65534", "--clear-groups", env!("CARGO_BIN_EXE_skep")];
        child.args(all).args(args).current_dir("/");
    }
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(5) {
            child.kill().unwrap();
            panic!("it listens");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    if status.code() == Some(127) || status.code() == Some(126) {
        eprintln!("skipped: others may not run the binary: {err}");
        return None;
    }
    Some((status.code(), err))
}

/// Who may not listen is told what helps.
#[test]
fn without_privileges_the_remedy_is_named() {
    let Some((code, err)) = as_nobody(&["dump", "-i", "lo", "-c", "1"]) else { return };
    assert_eq!(code, Some(3), "{err}");
    assert!(err.contains("CAP_NET_RAW") || err.contains("root"), "{err}");
    // Root would not help here.
    for args in [["dump", "-i", "nowhere"], ["dump", "--top=src", "-inowhere"]] {
        let Some((code, err)) = as_nobody(&args) else { return };
        assert_eq!(code, Some(3), "{err}");
        assert!(err.starts_with("error: nowhere: no such interface"), "{err}");
    }
}

/// Under nohup(1) a capture goes on; elsewhere SIGHUP ends it as Ctrl-C does.
#[test]
fn a_hangup_that_is_ignored_ends_nothing() {
    let Some(way) = namespace() else { return };
    for (trap, ends, turns) in [("trap '' HUP;", false, 15), ("", true, 200)] {
        let dir = scratch(&format!("dump-hangup-{ends}"));
        let script = format!(
            "cd {}; ({trap} exec $SKEP dump -i lo -t udp >out 2>err) & pid=$!; {WAIT}; kill -HUP $pid; \
             n=0; until grep -q captured err || [ $n -gt {turns} ]; do sleep 0.05; n=$((n+1)); done; grep -q captured err || echo goes on; {SEND}; sleep 0.3; kill -INT $pid 2>no || true; wait $pid; cat out; cat err >&2",
            dir.display()
        );
        let (out, err) = in_namespace(way, &script);
        assert_eq!(out.contains("goes on"), !ends, "{out}{err}");
        let captured = if ends { 0 } else { 3 };
        assert!(err.contains(&format!("{captured} packets captured")), "{out}{err}");
    }
}

/// timeout(1) sends its signal twice.
#[test]
fn a_signal_that_comes_twice_at_once_is_one() {
    let Some(way) = namespace() else { return };
    let script = "timeout -s INT 1 $SKEP dump -i lo -t || test $? = 124";
    let (out, err) = in_namespace(way, script);
    assert!(err.contains("0 packets captured"), "{out}{err}");
}

/// Interfaces have the link types that they have.
#[test]
fn a_link_type_that_is_not_there_is_refused() {
    let Some(way) = namespace() else { return };
    for (options, why) in [
        ("-i lo -y RAW", "lo: packets are of type EN10MB, not RAW"),
        ("-i any -y LINUX_SLL", "any: packets are of type LINUX_SLL2, not LINUX_SLL"),
    ] {
        let (out, err) = in_namespace(way, &format!("$SKEP dump {options} || test $? = 4"));
        assert!(out.is_empty() && err.contains(why), "{out}{err}");
    }
    let (_, err) =
        in_namespace(way, "timeout -s INT 1 $SKEP dump -i lo -y EN10MB -j adapter || true");
    assert!(err.contains("no time stamps of type adapter"), "{err}");
    assert!(err.contains("0 packets captured"), "{err}");
}

/// Packets are written on though the command cannot be run.
#[test]
fn a_command_that_is_not_there_ends_nothing() {
    let dir = scratch("dump-no-command");
    let path = dir.join("out");
    let ran =
        skep(&format!("dump -r examples/traffic.pcap -w {} -C 16k -z nowhere", path.display()));
    assert_eq!(ran.code, 3);
    assert!(ran.err.starts_with("error: nowhere: No such file or directory"), "{}", ran.err);
    let lists = files(&dir).into_keys().map(|name| dir.join(name).display().to_string());
    let count = |path: String| {
        let ran = skep(&format!("dump --count -r {path}"));
        ran.out.split(' ').next().unwrap().parse::<u32>().unwrap()
    };
    let packets: u32 = lists.map(count).sum();
    let all = skep("dump --count -r examples/traffic.pcap").out;
    assert_eq!(format!("{packets} packets\n"), all);
}

/// Counted in the kernel and here, of the same packets.
#[test]
fn the_kernel_counts_as_we_do() {
    let Some(way) = namespace() else { return };
    let dir = scratch("dump-counts");
    let send = "bash -c 'for n in 1 2 3; do echo hello >/dev/udp/127.0.0.1/9999; \
                echo hello >/dev/udp/::1/9998; echo >/dev/tcp/127.0.0.1/7; done' 2>noise";
    for options in [
        "--top src,dport",
        "--top proto,len,ttl",
        "--top dst,sport,ethertype,smac,dmac udp",
        "--hist len",
        "--hist dport port 9999 or icmp6",
        "--rate",
        "--rate udp",
        "--top flags",
    ] {
        let script = format!(
            "cd {}; rm -f err; $SKEP dump -i lo {options} >kernel 2>err & one=$!; {WAIT}; mv err err-kernel
             $SKEP dump -i lo --here {options} >here 2>err & two=$!; {WAIT}
             {send} || true; sleep 0.3; kill -INT $one $two; wait $one; wait $two; \
             grep -h mean kernel here >means || true; \
             cat err-kernel >&2; grep -v mean kernel >&2; echo =====; grep -v mean here; grep captured err",
            dir.display()
        );
        let (here, kernel) = in_namespace(way, &script);
        let by_kernel = kernel.contains("lo: counting in the kernel");
        let is_plain = options != "--top flags";
        if is_plain && !by_kernel && std::env::var_os("SKEP_REQUIRE_KERNEL").is_none() {
            eprintln!("skipped: the kernel does not count here");
            return;
        }
        assert_eq!(by_kernel, is_plain, "{options}\n{kernel}");
        // A second may end between the packets, the same one for both.
        for line in here.lines().skip(1) {
            assert!(kernel.lines().any(|other| other == line), "{options}\n{kernel}\n{here}");
        }
        assert!(here.lines().count() > 3, "{options}\n{kernel}\n{here}");
        // Both are over the time of the captures, which end 0.3 s after the packets.
        let means = fs::read_to_string(dir.join("means")).unwrap();
        let means: Vec<u32> = means
            .lines()
            .map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap())
            .collect();
        assert_eq!(means.len(), if options.starts_with("--rate") { 2 } else { 0 }, "{options}");
        assert!(means.iter().all(|&mean| mean < 100), "{options}: {means:?}");
    }
}

/// The process that sends, in lines and fields and as a word of the expression.
#[test]
fn processes_of_packets() {
    let Some(way) = namespace() else { return };
    // The sender stays until it is looked for. Nobody listens, of which it hears at every second packet.
    let send = "bash -c 'exec 3>/dev/udp/127.0.0.1/9999; for n in 1 2 3 4 5 6; do echo hello >&3; sleep 0.2; done' & \
                echo $! >pid; wait $! || true; sleep 0.1";
    let (out, err) = listen(way, "dump-process", "-i lo -t --process --immediate-mode udp", send);
    let pid = fs::read_to_string(Path::new(env!("CARGO_TARGET_TMPDIR")).join("dump-process/pid"));
    let pid = pid.unwrap().trim().to_owned();
    let named = out.lines().filter(|line| line.ends_with(&format!("length 6 [bash {pid}]")));
    assert!(named.count() >= 2, "{out}{err}");

    let options = "-i lo --json --process --immediate-mode 'udp and process.name \"bash\"'";
    let (out, err) = listen(way, "dump-process-json", options, send);
    assert!(out.matches(",\"process\":\"bash\"}").count() >= 2, "{out}{err}");
    let (out, err) = listen(way, "dump-process-none", "-i lo process.pid 1 and udp", send);
    assert!(out.is_empty() && err.contains("0 packets captured"), "{out}{err}");

    // A capture does not know.
    let refused = skep("dump -r examples/traffic.pcap process.pid 1");
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("filter.process"), "{}", refused.err);
}
