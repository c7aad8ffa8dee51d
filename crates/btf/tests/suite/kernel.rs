//! The types of the running kernel, where it shows them.

use skep_btf::{Body, Btf, ByteOrder, Kind};
use std::process::Command;
use std::time::Instant;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

#[test]
fn running_kernel() {
    let Ok(bytes) = std::fs::read(VMLINUX) else {
        eprintln!("skipped: cannot read {VMLINUX}");
        return;
    };
    let start = Instant::now();
    let btf = Btf::parse(&bytes).unwrap();
    eprintln!("{} types, {} bytes in {:?}", btf.len(), bytes.len(), start.elapsed());

    let Body::Struct { size, members } = btf.find("task_struct", Kind::Struct).unwrap().body else {
        panic!()
    };
    assert!(size > 1000 && members.len() > 100);
    let mut sized = 0;
    for ty in btf.types() {
        sized += usize::from(btf.size_of(ty.id).is_some());
        if ty.id.0 % 8 == 0 {
            drop(btf.show(ty.id, &[0x41; 256], ByteOrder::Little).to_string());
        }
    }
    assert!(sized > btf.len() / 4);
    compare_with_bpftool(&btf);
}

fn compare_with_bpftool(btf: &Btf) {
    let bpftool = ["bpftool", "/usr/sbin/bpftool"].into_iter().find_map(|tool| {
        let args = ["btf", "dump", "file", VMLINUX, "format", "raw"];
        Command::new(tool).args(args).output().ok().filter(|out| out.status.success())
    });
    let Some(out) = bpftool else {
        eprintln!("skipped: no bpftool that reads {VMLINUX}");
        return;
    };
    let text = String::from_utf8_lossy(&out.stdout);
    let theirs: Vec<&str> = text.lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(theirs.len(), btf.len());
    for (ty, line) in btf.types().zip(theirs) {
        let name = if ty.name.is_empty() { "(anon)" } else { ty.name };
        let prefix = format!("[{}] ", ty.id);
        assert!(line.starts_with(&prefix) && line.contains(&format!("'{name}'")), "{line}: {ty:?}");
    }
}
