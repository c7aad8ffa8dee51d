//! Where types may come from.

use crate::bin::{command, root, scratch, skep};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::path::Path;

/// The header that `--btf-c` prints.
fn header(path: &Path) -> String {
    let out = command(["inspect", "--btf-c", path.to_str().unwrap()]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[track_caller]
fn refused(path: &Path, code: i32, want: &str) {
    let out = command(["inspect", "--btf-c", path.to_str().unwrap()]).output().unwrap();
    let err = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(code), "{err}");
    assert!(err.contains(want), "{err}");
}

/// An archive with files of these names and one content.
fn archive(names: &[&str], content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len().try_into().unwrap());
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An ELF file of another machine with a section `.BTF`, as kernels are.
fn elf(btf: &[u8], name: &str) -> Vec<u8> {
    let mut names = b"\0.shstrtab\0".to_vec();
    names.extend(name.as_bytes());
    names.push(0);
    let (at, names_at) = (64, 64 + btf.len());
    let headers_at = names_at + names.len();
    let mut out = vec![0; 64];
    out[..20].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0");
    out[40..48].copy_from_slice(&u64::try_from(headers_at).unwrap().to_le_bytes());
    out[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
    out.extend(btf);
    out.extend(&names);
    out.extend([0; 64]);
    for (name, kind, at, len) in [(11, 1, at, btf.len()), (1, 3, names_at, names.len())] {
        let mut header = [0; 64];
        header[0] = name;
        header[4] = kind;
        header[24..32].copy_from_slice(&u64::try_from(at).unwrap().to_le_bytes());
        header[32..40].copy_from_slice(&u64::try_from(len).unwrap().to_le_bytes());
        out.extend(header);
    }
    out
}

#[test]
fn types_come_in_many_wrappings() {
    let plain = root().join("corpus/btf/core_target.el.btf");
    let btf = fs::read(&plain).unwrap();
    let want = header(&plain);
    assert!(want.contains("struct"));
    // Made by tar and xz.
    assert_eq!(header(&root().join("corpus/btf/core_target.btf.tar.xz")), want);
    let dir = scratch("types");
    let tar = archive(&["some/readme", "5.4.0.btf"], &btf);
    let wrapped = [
        ("a.btf.gz", gzip(&btf)),
        ("a.btf.zst", zstd::encode_all(&btf[..], 1).unwrap()),
        ("a.tar", tar.clone()),
        ("a.tar.gz", gzip(&tar)),
        ("vmlinux", elf(&btf, ".BTF")),
        ("vmlinux.zst", zstd::encode_all(&elf(&btf, ".BTF")[..], 1).unwrap()),
    ];
    for (name, bytes) in wrapped {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        assert_eq!(header(&path), want, "{name}");
    }
}

#[test]
fn directories_have_a_file_for_the_running_kernel() {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let dir = scratch("types-hub");
    refused(&dir, 3, "no types of the running kernel there");
    let plain = root().join("corpus/btf/core_target.el.btf");
    let packed = fs::read(root().join("corpus/btf/core_target.btf.tar.xz")).unwrap();
    fs::write(dir.join(format!("{}.btf.tar.xz", release.trim())), packed).unwrap();
    assert_eq!(header(&dir), header(&plain));
    // A program is fitted to them as to any others.
    let run = "run corpus/cli/task.o --prog moved -r examples/traffic.pcap --btf";
    let own = skep(&format!("{run} corpus/btf/core_target.el.btf -c 1"));
    let hub = skep(&format!("{run} {} -c 1", dir.display()));
    assert_eq!((hub.code, hub.err), (own.code, own.err));
}

#[test]
fn what_holds_no_types_is_refused() {
    let dir = scratch("types-wrong");
    let btf = fs::read(root().join("corpus/btf/core_target.el.btf")).unwrap();
    let mut cut = gzip(&btf);
    cut.truncate(cut.len() / 2);
    let mut xz = fs::read(root().join("corpus/btf/core_target.btf.tar.xz")).unwrap();
    xz.truncate(xz.len() / 2);
    let mut short = archive(&["a.btf"], &btf);
    short.truncate(600);
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("cut.gz", cut, "cut.gz: "),
        ("cut.xz", xz, "cut.xz: "),
        ("cut.tar", short, "unexpected EOF"),
        ("none.tar", archive(&["a.txt"], b"none"), "no file in the archive ends in .btf"),
        ("two.tar", archive(&["a.btf", "b.btf"], &btf), "2 files, none of them "),
        ("no-section", elf(&btf, ".BTG"), "no section .BTF"),
        ("cut-elf", elf(&btf, ".BTF")[..70].to_vec(), "an ELF file that is cut off or damaged"),
    ];
    for (name, bytes, want) in cases {
        let path = dir.join(name);
        fs::write(&path, bytes).unwrap();
        refused(&path, 1, want);
    }
}
