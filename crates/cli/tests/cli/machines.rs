//! Output that is read by programs: JSON, text that is assembled again, scripts and pages.

use crate::bin::{scratch, skep, skep_given};
use serde_json::Value;
use std::fs;

fn json_lines(args: &str) -> Vec<Value> {
    let ran = skep(args);
    ran.out
        .lines()
        .map(|line| {
            serde_json::from_str(line).unwrap_or_else(|err| panic!("{args}: {err}: {line}"))
        })
        .collect()
}

#[test]
fn json_counts_as_the_table_does() {
    let lines = json_lines("run examples/xdp_flows.o -r examples/traffic.pcap --json");
    let summary = lines.iter().find(|line| line["type"] == "summary").unwrap();
    let verdicts = summary["verdicts"].as_object().unwrap().values();
    let total: u64 = verdicts.map(|verdict| verdict["packets"].as_u64().unwrap()).sum();
    assert_eq!((total, &summary["packets"]), (917, &Value::from(917)));
    let map = |name: &str| lines.iter().find(|line| line["name"] == name).unwrap();
    let flows = map("flows")["entries"].as_array().unwrap();
    assert_eq!(flows.len(), 179);
    assert!(flows.iter().all(|flow| flow["key"]["saddr"].is_string()));
    let passed: u64 = flows.iter().map(|flow| flow["value"]["packets"].as_u64().unwrap()).sum();
    let protocols = map("protocols")["entries"].as_array().unwrap();
    let by_protocol: u64 = protocols.iter().map(|entry| entry["values"][0].as_u64().unwrap()).sum();
    assert_eq!(passed, by_protocol);
}

#[test]
fn json_of_every_command_is_json() {
    for args in [
        "run examples/ringbuf_events.o -r examples/traffic.pcap --json -v --maps all",
        "run corpus/cli/fault.s -r examples/traffic.pcap --json --unverified",
        "asm corpus/cli/errors.s --json",
        "dis examples/xdp_flows.o --json",
        "dis corpus/cli/port80.ddd --json",
        "inspect examples/xdp_flows.o --json",
        "inspect examples/count.s --json",
    ] {
        assert!(!json_lines(args).is_empty(), "{args}");
    }
}

/// Programs run as well from their disassembly, in both dialects.
#[test]
fn disassembly_runs_as_the_object_did() {
    let dir = scratch("disassembly");
    for object in ["xdp_flows", "xdp_firewall", "tc_rewrite", "cgroup_skb", "subprogs"] {
        let run = |file: &str| {
            let args = format!("run {file} -r examples/traffic.pcap --json --maps none");
            let line = json_lines(&args).pop().unwrap();
            (line["verdicts"].clone(), line["instructions"].clone())
        };
        let want = run(&format!("examples/{object}.o"));
        for dialect in ["c", "mnemonic"] {
            let text = skep(&format!("dis examples/{object}.o --dialect {dialect}"));
            assert_eq!(text.code, 0, "{}", text.err);
            let path = dir.join(format!("{object}.{dialect}.s"));
            fs::write(&path, text.out).unwrap();
            assert_eq!(run(path.to_str().unwrap()), want, "{object} in {dialect}");
        }
    }
}

#[test]
fn assembled_bytes_are_disassembled_again() {
    let dir = scratch("assembled");
    let raw = dir.join("drop.bin");
    assert_eq!(skep(&format!("asm examples/drop_icmp.s -o {}", raw.display())).code, 0);
    let hex = skep("asm examples/drop_icmp.s --hex");
    let from_raw = skep(&format!("dis {}", raw.display()));
    let from_hex = skep_given("dis -", hex.out.as_bytes());
    assert_eq!(from_raw.out, from_hex.out);
    assert_eq!(skep_given("asm - --hex", from_raw.out.as_bytes()).out, hex.out);
}

#[test]
fn completions_and_pages_name_every_command() {
    let commands = ["run", "asm", "dis", "inspect", "completions", "man"];
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = skep(&format!("completions {shell}"));
        assert!(ran.code == 0 && commands.iter().all(|name| ran.out.contains(name)), "{shell}");
    }
    let dir = scratch("pages").join("man1");
    assert_eq!(skep(&format!("man {}", dir.display())).code, 0);
    for page in commands.map(|name| format!("skep-{name}.1")).iter().chain([&"skep.1".into()]) {
        assert!(fs::read_to_string(dir.join(page)).unwrap().starts_with(".ie"), "{page}");
    }
    assert!(skep("man").out.contains("skep"));
}
