//! What is printed, word by word, in `corpus/cli`. `UPDATE=1` rewrites it.

use crate::bin::{Ran, command, root, skep_with};
use std::fs;
use std::path::PathBuf;

/// File, environment, arguments.
const CASES: &[(&str, &str, &str)] = &[
    ("run-flows", "", "run examples/xdp_flows.o -r examples/traffic.pcap"),
    ("run-flows-narrow", "40", "run examples/xdp_flows.o -r examples/traffic.pcap --max-entries 3"),
    (
        "run-flows-all-maps",
        "",
        "run examples/xdp_flows.o -r examples/traffic.pcap --maps all --max-entries 2 --cpus 2",
    ),
    ("run-flows-json", "", "run examples/xdp_flows.o -r examples/traffic.pcap -c 4 -v --json"),
    (
        "native-flows",
        "",
        "run examples/xdp_flows.o -r examples/traffic.pcap --engine jit --max-entries 3",
    ),
    (
        "native-json",
        "",
        "run examples/tail_calls.o --prog parse_ethernet -r examples/traffic.pcap -c 3 -v --json \
         --engine jit",
    ),
    (
        "native-refused",
        "",
        "run corpus/cli/fault.s -r examples/traffic.pcap --unverified --engine jit",
    ),
    ("native-dis", "", "dis examples/drop_icmp.s --native"),
    ("dis-aarch64", "", "dis examples/drop_icmp.s --native --arch aarch64"),
    ("dis-optimised", "", "dis examples/drop_icmp.s --native --arch x86-64 --opt 2 --unmetered"),
    (
        "native-tools-refused",
        "",
        "run corpus/cli/odd.s -r examples/traffic.pcap --unverified --jitdump /tmp --gdb",
    ),
    (
        "native-auto",
        "",
        "run corpus/cli/fault.s -r examples/traffic.pcap -c 1 --unverified --engine auto --json",
    ),
    ("run-firewall", "", "run examples/xdp_firewall.o -r examples/traffic.pcap"),
    ("run-ringbuf", "", "run examples/ringbuf_events.o -r examples/traffic.pcap"),
    ("run-ringbuf-json", "", "run examples/ringbuf_events.o -r examples/traffic.pcap -c 60 --json"),
    ("run-perf", "", "run examples/perf_events.o -r examples/traffic.pcapng"),
    ("run-printk", "", "run examples/subprogs.o -r examples/traffic.pcap"),
    (
        "run-tail-calls",
        "",
        "run examples/tail_calls.o --prog parse_ethernet -r examples/traffic.pcap",
    ),
    (
        "run-socket",
        "",
        "run examples/socket_filter.o --prog udp_headers -r examples/traffic.pcap -v -c 30",
    ),
    (
        "run-connections",
        "",
        "run corpus/run/conntrack.o --prog tracked --btf corpus/run/conntrack.o --unverified --engine interp \
         -r examples/traffic.pcap -c 2 -v --world examples/world.json",
    ),
    (
        "run-sockets",
        "",
        "run corpus/run/socket.o --prog fields --btf corpus/run/socket.o --unverified --engine interp \
         -r examples/traffic.pcap -c 2 -v --world corpus/cli/sockets.json",
    ),
    ("run-cgroup", "", "run examples/cgroup_skb.o -r examples/traffic.pcap --max-entries 4"),
    ("run-rewrite", "", "run examples/tc_rewrite.o -r examples/traffic.pcap -v -c 20"),
    (
        "run-assembly",
        "",
        "run examples/count.s -r examples/traffic.pcap -r examples/big-endian.pcap",
    ),
    (
        "run-fault",
        "",
        "run corpus/cli/fault.s -r examples/traffic.pcap -r examples/traffic.pcapng --unverified",
    ),
    ("run-fault-narrow", "40", "run corpus/cli/fault.s -r examples/traffic.pcap --unverified"),
    (
        "run-call",
        "",
        "run examples/iterators.o --prog add --ctx 0a00000000000000200000000000000000000000000000ff",
    ),
    (
        "run-call-json",
        "",
        "run examples/iterators.o --prog add --json --maps none --ctx @corpus/cli/numbers.bin",
    ),
    ("run-call-fault", "", "run examples/iterators.o --prog add --ctx 0a00"),
    (
        "run-iter-tasks",
        "",
        "run examples/iterators.o --prog tasks --world examples/world.json --btf examples/iterators.o \
         --unverified",
    ),
    (
        "run-iter-elems",
        "",
        "run examples/iterators.o --prog square --btf examples/iterators.o --unverified --json --maps all",
    ),
    (
        "run-iter-maps",
        "",
        "run examples/iterators.o --prog maps --btf examples/iterators.o --unverified",
    ),
    ("dump", "", "dump -r corpus/dump/protocols.pcap"),
    ("dump-verbose", "", "dump -evv -t -r corpus/dump/protocols.pcap"),
    ("dump-json", "", "dump --json -r corpus/dump/protocols.pcap"),
    ("dump-tls", "", "dump --tls -t -r corpus/dump/protocols.pcap port 443"),
    ("dump-bytes", "", "dump -XX -# -c 3 -r examples/traffic.pcap udp"),
    ("dump-top", "", "dump --top src,dport --rows 5 -r examples/traffic.pcap"),
    ("dump-top-names", "", "dump --top dns,dnstype -r examples/traffic.pcap"),
    ("dump-hist", "", "dump --hist len -r examples/traffic.pcap"),
    ("dump-rate", "", "dump --rate -r corpus/dump/protocols.pcap -c 20"),
    ("dump-count", "", "dump --count -r examples/traffic.pcapng tcp"),
    ("dump-program", "", "dump -d ip6"),
    ("dump-program-c", "", "dump -dd ip6"),
    ("dump-program-numbers", "", "dump -ddd ip6"),
    ("dump-expression", "", "dump -r examples/traffic.pcap tcp prt 80"),
    ("dump-field", "", "dump --top source -r examples/traffic.pcap"),
    ("dump-no-file", "", "dump -r examples/nothing.pcap"),
    ("dump-no-capture", "", "dump -r examples/count.s"),
    ("dump-no-interface", "", "dump -i nosuch0"),
    ("dump-help", "100", "dump --help"),
    ("run-refused", "", "run examples/past_the_end.s -r examples/traffic.pcap"),
    ("check-refused", "", "check examples/past_the_end.s"),
    ("check-accepted", "", "check examples/xdp_flows.o --cost"),
    ("check-unprivileged", "60", "check examples/count.s --unprivileged"),
    ("check-log", "", "check examples/past_the_end.s --log"),
    ("check-json", "", "check examples/past_the_end.s --json"),
    ("check-releases", "", "check examples/past_the_end.s --kernel 5.10,6.18"),
    (
        "check-target",
        "",
        "check corpus/explain/replacement.o --target corpus/explain/target.o --kernel 6.12,6.18",
    ),
    ("check-no-target", "", "check corpus/explain/replacement.o --prog new_sum"),
    (
        "check-wrong-target",
        "",
        "check corpus/explain/replacement.o --target corpus/explain/target.o --target-prog nothing",
    ),
    ("check-broken", "60", "check corpus/explain/broken.o"),
    ("check-broken-json", "", "check corpus/explain/broken.o --json"),
    ("check-broken-prog", "", "check corpus/explain/broken.o --prog bad --kernel 6.12,6.18"),
    ("check-broken-run", "", "run -r examples/traffic.pcap corpus/explain/broken.o --prog good"),
    ("check-types", "60", "check corpus/explain/types.o"),
    ("check-types-json", "", "check corpus/explain/types.o --json"),
    ("check-types-releases", "", "check corpus/explain/types.o --kernel 6.12,6.18"),
    ("explain-log-limit", "", "explain --log corpus/logs/linux-6.18-limit.log"),
    ("explain-log-map", "", "explain --log corpus/logs/linux-6.18-map.log"),
    ("explain-log-timer", "", "explain --log corpus/logs/linux-6.18-timer.log"),
    ("explain-rule", "60", "explain mem.packet"),
    ("explain-rules", "80", "explain"),
    ("explain-unknown", "", "explain mem.paket"),
    ("explain-log", "", "explain --log corpus/logs/linux-6.18-bpftool-map-value.log"),
    ("explain-log-old", "", "explain --log corpus/logs/linux-5.10-map-value.log"),
    ("explain-log-old-null", "", "explain --log corpus/logs/linux-5.10-null.log"),
    ("explain-log-old-leak", "", "explain --log corpus/logs/linux-5.10-leak.log"),
    ("explain-log-report", "", "explain --log corpus/logs/linux-7.3-packet.log"),
    ("explain-log-kfunc", "", "explain --log corpus/logs/linux-6.18-iter.log"),
    ("explain-log-json", "", "explain --log corpus/logs/linux-6.18-bpftool-packet.log --json"),
    ("explain-log-none", "", "explain --log examples/past_the_end.s"),
    ("run-refused-json", "", "run corpus/cli/fault.o -r examples/traffic.pcap --json"),
    ("run-fault-json", "", "run corpus/cli/fault.s -r examples/traffic.pcap --json --unverified"),
    ("run-fault-compiled", "", "run corpus/cli/fault.o -r examples/traffic.pcap --unverified"),
    (
        "run-core",
        "",
        "run corpus/cli/task.o --prog moved -r examples/traffic.pcap --btf corpus/btf/core_target.el.btf",
    ),
    (
        "run-core-guarded",
        "",
        "run corpus/cli/task.o --prog guarded -r examples/traffic.pcap --btf corpus/btf/core_target.el.btf",
    ),
    (
        "run-core-poisoned",
        "",
        "run corpus/cli/task.o --prog unguarded -r examples/traffic.pcap --btf corpus/btf/core_target.el.btf --unverified",
    ),
    (
        "run-core-own-types",
        "",
        "run corpus/cli/task.o --prog moved -r examples/traffic.pcap --btf corpus/cli/task.o",
    ),
    (
        "run-kconfig",
        "",
        "run corpus/obj/externs.o --prog version -r examples/traffic.pcap --kconfig corpus/cli/kernel.config",
    ),
    ("run-help", "", "run --help"),
    ("asm-listing", "", "asm examples/drop_icmp.s"),
    ("asm-hex", "", "asm examples/drop_icmp.s --hex"),
    ("asm-c", "", "asm examples/count.s --c"),
    ("asm-errors", "", "asm corpus/cli/errors.s"),
    ("asm-errors-narrow", "40", "asm corpus/cli/errors.s"),
    ("asm-errors-json", "", "asm corpus/cli/errors.s --json"),
    ("dis-object", "", "dis examples/subprogs.o --source"),
    ("dis-mnemonic", "", "dis examples/count.s --dialect mnemonic"),
    ("dis-bytes", "", "dis examples/socket_filter.o --bytes --prog dns_classic"),
    ("dis-json", "", "dis examples/drop_icmp.s --json"),
    ("dis-classic", "", "dis corpus/cli/port80.ddd"),
    ("dis-classic-xdp", "", "dis corpus/cli/port80.ddd --ebpf=xdp"),
    ("inspect", "", "inspect examples/tail_calls.o"),
    ("inspect-narrow", "40", "inspect examples/xdp_flows.o"),
    ("inspect-assembly", "", "inspect examples/count.s"),
    ("inspect-json", "", "inspect examples/xdp_firewall.o --json"),
    ("inspect-needs", "", "inspect examples/tail_calls.o --needs"),
    ("inspect-needs-narrow", "40", "inspect examples/ringbuf_events.o --needs"),
    ("inspect-needs-json", "", "inspect examples/subprogs.o --needs --json"),
    ("inspect-needs-core", "", "inspect corpus/obj/core.o --needs"),
    ("inspect-core", "", "inspect corpus/obj/core.o"),
    ("inspect-fitted", "", "inspect corpus/cli/task.o"),
    ("inspect-fitted-config", "", "inspect corpus/obj/externs.o"),
    ("run-world", "", "run examples/routes.o -r examples/traffic.pcap --world examples/world.json"),
    ("inspect-btf-c", "", "inspect corpus/btf/core_target.el.btf --btf-c"),
    ("inspect-btf-c-object", "", "inspect corpus/cli/task.o --btf-c"),
    ("link-undefined", "", "link corpus/obj/join_a.o --no-undefined -o /dev/null"),
    ("link-help", "", "link --help"),
    ("inspect-help", "", "inspect --help"),
    ("help", "", "--help"),
    ("filter", "", "filter tcp port 80"),
    ("filter-plain", "", "filter -O ip"),
    ("filter-c", "", "filter -dd -s 96 ip6"),
    ("filter-decimal", "", "filter -ddd -y LINUX_SLL2 port 53"),
    ("filter-all", "", "filter"),
    ("filter-options-last", "", "filter ip[0] < -1 -ddd -y RAW -- and tcp"),
    ("filter-live", "", "filter --source live vlan 5 and ip"),
    ("filter-explain", "60", "filter --explain vlan 10 or ip6 and tcp[13] & 2 != 0"),
    ("filter-explain-json", "", "filter --explain --json tcp and not port 22"),
    (
        "filter-why",
        "",
        "filter --why examples/traffic.pcap:3 tcp dst port 443 or ip[8] > 5 and not net 10",
    ),
    ("filter-why-not", "", "filter --why examples/traffic.pcap:1 ip6 or udp[2:2] = tcp[100]"),
    (
        "filter-why-values",
        "",
        "filter --why examples/tunnels.pcap:3 tcp dst port 443 or vlan 5 or arp",
    ),
    (
        "filter-why-short",
        "",
        "filter --why examples/traffic.pcap:1 tcp and tcp[100:2] = 1 or host 10.0.0.1",
    ),
    ("filter-why-json", "", "filter --json --why examples/traffic.pcap:1 tcp"),
    ("filter-why-beyond", "", "filter --why examples/traffic.pcap:1000000 tcp"),
    ("filter-ebpf", "", "filter --ebpf=xdp ip"),
    ("filter-graph", "", "filter --graph ip and tcp"),
    ("filter-json", "", "filter --json vlan and ip"),
    ("filter-diff-equal", "", "filter --diff tcp&&ip not(arp||not(ip&&tcp))"),
    ("filter-diff-packet", "", "filter --diff tcp[13]&2!=0 tcp[13]=2"),
    ("filter-diff-json", "", "filter --json --diff -w /dev/null ip[8]<5 ip[8]<=5"),
    ("filter-diff-optimised", "", "filter --diff --at-least 60 ip[0]=69&&udp&&udp[0:2]=53"),
    ("filter-diff-listing", "", "filter --diff tcp&&port(80) @corpus/cli/tcp_port_80.lst"),
    ("filter-diff-beside", "", "filter --diff inbound outbound"),
    ("filter-diff-undecided", "", "filter --diff @corpus/cli/random.lst ip"),
    ("filter-diff-one", "", "filter --diff a b c"),
    ("filter-field", "", "filter -y RAW tcp.flags.syn"),
    ("filter-field-wrong", "", "filter tcp.flags.sny"),
    ("filter-field-alone", "", "filter ip.ttl and tcp"),
    ("filter-fields", "", "filter --fields"),
    ("filter-list", "", "filter vlan in {10, 20-29} and port in {80, 443, 8000-8999}"),
    ("filter-list-hosts", "", "filter ip host in {10.0.0.0/9 10.128.0.0/9 192.0.2.7}"),
    ("filter-list-file", "", "filter ip src host in @corpus/cli/hosts.lst"),
    ("filter-list-nobody", "", "filter host in @nothing"),
    ("filter-list-line", "", "filter -n host in @corpus/cli/garbage.lst"),
    ("filter-list-open", "", "filter port in {80"),
    ("filter-list-wrong", "", "filter port in {80, http-x}"),
    ("filter-tables", "", "filter --ebpf=tc ip src in @corpus/cli/many_hosts.lst"),
    ("filter-too-long", "", "filter any payload contains \"GET\" within 600"),
    ("filter-scope-wrong", "", "filter any (tcp and ether host 0:1:2:3:4:5)"),
    (
        "filter-explain-beyond",
        "",
        "filter --explain inner (tcp.flags.syn and port in {80, 443}) or any vlan in {5} or \
         payload contains \"GET\"",
    ),
    (
        "filter-why-beyond-libpcap",
        "",
        "filter --why examples/traffic.pcap:3 any (tcp and ip.ttl > 3)",
    ),
    ("tunnels-libpcap", "", "dump -r examples/tunnels.pcap --count tcp port 80"),
    ("tunnels-any", "", "dump -nn -t -r examples/tunnels.pcap any tcp port 80"),
    ("tunnels-inner", "", "dump -nn -t -r examples/tunnels.pcap inner (ip6 and tcp port 80)"),
    (
        "tunnels-flags",
        "",
        "dump -nn -t -r examples/tunnels.pcap tcp.flags.syn and not tcp.flags.ack",
    ),
    ("tunnels-vlan", "", "dump -nn -t -e -r examples/tunnels.pcap any vlan in {15-20}"),
    (
        "tunnels-hosts",
        "",
        "dump -r examples/tunnels.pcap --count host in {10.0.0.0/8, 2001:db8::/112}",
    ),
    (
        "tunnels-payload",
        "",
        "dump -r examples/tunnels.pcap --count tcp and payload contains \"GET\\x20/\"",
    ),
    ("filter-svg", "", "filter --graph=svg ip"),
    ("filter-help", "", "filter --help"),
    ("filter-refused", "", "filter tcp prot 80"),
    ("filter-never", "", "filter ip and arp"),
    ("filter-numeric", "", "filter --numeric port domain"),
    ("filter-other-link", "", "filter -y SUNATM ip"),
];

fn path(name: &str) -> PathBuf {
    root().join("corpus/cli").join(name).with_extension("txt")
}

#[test]
fn output_is_as_written_down() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for (name, columns, args) in CASES {
        if name.starts_with("native") && !cfg!(target_arch = "x86_64") {
            eprintln!("skipped: {name} is for x86-64");
            continue;
        }
        let mut command = command(args.split_whitespace());
        if !columns.is_empty() {
            command.env("COLUMNS", columns);
        }
        let got = transcript(args, &command.output().unwrap().into());
        if update {
            fs::write(path(name), got).unwrap();
        } else if fs::read_to_string(path(name)).unwrap_or_default() != got {
            wrong.push(format!("{name}:\n{got}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_has_a_case() {
    for entry in fs::read_dir(root().join("corpus/cli")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let stem = path.file_stem().unwrap().to_str().unwrap();
            assert!(CASES.iter().any(|(name, ..)| *name == stem), "{stem}.txt has no case");
        }
    }
}

fn transcript(args: &str, ran: &Ran) -> String {
    let out = without_speed(&ran.out);
    format!("$ skep {args}\n{out}{}[{}]\n", ran.err, ran.code)
}

/// Times differ; what was counted does not.
fn without_speed(out: &str) -> String {
    let mut text = String::new();
    let mut lines = out.lines().peekable();
    while let Some(line) = lines.next() {
        if line.contains(" packets in ") && line.starts_with(|c: char| c.is_ascii_digit()) {
            let mut whole = line.to_string();
            while let Some(more) = lines.next_if(|line| line.starts_with("  ")) {
                whole.push_str(&more[1..]);
            }
            let (packets, rest) = whole.split_once(" in ").unwrap();
            // Machine code does not count instructions.
            let insns = rest.split_once(" and ").map(|(_, insns)| format!(" and {insns}"));
            let insns = insns.unwrap_or_default();
            text += &format!("{packets} in TIME: RATE; per packet TIME{insns}\n");
        } else if let Some((before, rest)) = line.split_once("\"seconds\":") {
            let (_, after) = rest.split_once(',').unwrap();
            text += &format!("{before}\"seconds\":TIME,{after}\n");
        } else {
            text += line;
            text.push('\n');
        }
    }
    text
}

#[test]
fn compression_and_standard_input_make_no_difference() {
    let of = |ran: Ran| {
        assert_eq!(ran.code, 0, "{}", ran.err);
        let (_, tables) = without_speed(&ran.out)
            .split_once('\n')
            .map(|(a, b)| (a.to_string(), b.to_string()))
            .unwrap();
        tables
    };
    let run = "run examples/xdp_flows.o -r";
    let want = of(crate::bin::skep(&format!("{run} examples/traffic.pcap")));
    for file in ["examples/traffic.pcap.gz", "examples/traffic.pcap.zst"] {
        assert_eq!(of(crate::bin::skep(&format!("{run} {file}"))), want, "{file}");
        assert_eq!(of(skep_with(&format!("{run} -"), file)), want, "{file} on standard input");
    }
}
