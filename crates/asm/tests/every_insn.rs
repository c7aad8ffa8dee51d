//! Every instruction there is, printed and read again in each dialect, and against LLVM.

use skep_abi::ProgType;
use skep_asm::{Dialect, ListOptions, assemble, list, parse, print_insn};
use skep_diag::Source;
use skep_isa::{Call, ImmSrc, Insn, Insns, RawInsn, Size};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const OFFS: [i16; 6] = [0, 1, 8, 16, i16::MIN, i16::MAX];
#[rustfmt::skip]
const IMMS: [i32; 21] = [
    0, 1, 2, -1, 8, 16, 32, 64, 0x41, 0x50, 0x51, 0xa0, 0xa1, 0xe1, 0xf1, 0x100, 0x110,
    0x10000, 212, i32::MIN, i32::MAX,
];

/// Each opcode with all registers and the fields that matter.
fn every_insn() -> Vec<Insn> {
    let seconds = [RawInsn::default(), RawInsn { imm: -7, ..RawInsn::default() }];
    let mut insns = Vec::new();
    for code in 0..=255 {
        for regs in (0..=0xaa).filter(|regs| regs & 0xf <= 10) {
            for (off, imm) in OFFS.into_iter().flat_map(|off| IMMS.map(|imm| (off, imm))) {
                let raw = RawInsn { code, regs, off, imm };
                match Insn::decode(raw, None) {
                    Ok(insn) => insns.push(insn),
                    Err(_) if code == 0x18 => {
                        insns
                            .extend(seconds.iter().flat_map(|&next| Insn::decode(raw, Some(next))));
                    }
                    Err(_) => {}
                }
            }
        }
    }
    insns
}

fn bytes(insns: impl IntoIterator<Item = Insn>) -> Vec<u8> {
    insns.into_iter().collect::<Insns>().to_le_bytes()
}

#[test]
fn what_is_printed_is_read_again() {
    let insns = every_insn();
    assert!(insns.len() > 70_000, "only {} instructions", insns.len());
    for dialect in [Dialect::CLike, Dialect::Mnemonic] {
        // All at once for speed; one by one where that fails.
        let text: Vec<_> = insns.iter().map(|insn| print_insn(insn, dialect, &[])).collect();
        let got = assemble(&text.join("\n"));
        if got.is_ok_and(|got| got.iter().map(|(_, insn)| insn).eq(insns.iter().copied())) {
            continue;
        }
        for (insn, text) in insns.iter().zip(text) {
            let got = assemble(&text).unwrap_or_else(|diags| panic!("{text}: {diags:#?}"));
            assert_eq!(got.iter().next().map(|(_, insn)| insn), Some(*insn), "{text}");
        }
    }
}

#[test]
fn different_instructions_have_different_texts() {
    let insns = every_insn();
    let different: BTreeSet<_> = insns.iter().map(|insn| bytes([*insn])).collect();
    for dialect in [Dialect::CLike, Dialect::Mnemonic] {
        let texts: BTreeSet<_> = insns.iter().map(|insn| print_insn(insn, dialect, &[])).collect();
        assert_eq!(texts.len(), different.len());
    }
}

/// What LLVM 19 does not know, or knows by another text.
fn llvm_knows(insn: &Insn) -> bool {
    !matches!(
        insn,
        // LLVM 20 and later.
        Insn::LoadAcquire { .. } | Insn::StoreRelease { .. } | Insn::JumpReg { .. }
        // Never in text.
        | Insn::Static { .. } | Insn::StaticLong { .. }
        // Printed as if the number of the function were all there is.
        | Insn::Call(Call::Helper(_) | Call::Local(_) | Call::Kfunc { .. })
    ) && match insn {
        // As a plain number.
        Insn::LoadImm { imm, .. } => matches!(imm, ImmSrc::Value(_)),
        // Without its number.
        Insn::LoadInd { imm, .. } => *imm == 0,
        _ => true,
    }
}

/// The tool, or `None` where it is not installed and need not be.
fn tool(name: &str) -> Option<Command> {
    let found = Command::new(name).arg("--version").output().is_ok();
    assert!(
        found || env::var_os("SKEP_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
        "{name} is not installed"
    );
    if !found {
        eprintln!("skipped: {name} is not installed");
    }
    found.then(|| Command::new(name))
}

fn temp(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// An object that llvm-mc makes of a text.
fn llvm_mc(name: &str, text: &str) -> Option<PathBuf> {
    let (source, object) = (temp(name).with_extension("s"), temp(name).with_extension("o"));
    fs::write(&source, text).unwrap();
    let output = tool("llvm-mc-19")?
        .args(["-triple", "bpfel", "-mcpu=v4", "-filetype=obj", "-o"])
        .args([&object, &source])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}", errors.lines().take(9).collect::<Vec<_>>().join("\n"));
    Some(object)
}

fn llvm_objdump(object: &Path, args: &[&str]) -> Option<String> {
    let output = tool("llvm-objdump-19")?.arg("-d").args(args).arg(object).output().unwrap();
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The text of each instruction in a listing, without what objdump says about targets.
fn texts(listing: &str) -> Vec<&str> {
    let insn = |line: &'_ str| line.trim_start().starts_with(|c: char| c.is_ascii_digit());
    let lines = listing.lines().filter(|line| insn(line) && line.contains(":\t"));
    let texts = lines.map(|line| line.rsplit('\t').next().unwrap());
    let target = |text: &&str| text.contains("goto");
    texts
        .map(|text| if target(&text) { text.split(" <.text").next().unwrap() } else { text })
        .collect()
}

#[test]
fn llvm_assembles_our_text_to_our_bytes() {
    // Its assembler takes no more than 16 bits for any offset.
    let short = |insn: &Insn| insn.jump_off().is_none_or(|off| i16::try_from(off).is_ok());
    let insns = every_insn().into_iter().filter(|insn| llvm_knows(insn) && short(insn));
    let insns: Vec<_> = insns.collect();
    let text: Vec<_> = insns.iter().map(|insn| print_insn(insn, Dialect::CLike, &[])).collect();
    let Some(object) = llvm_mc("ours", &text.join("\n")) else { return };
    let Some(listing) = llvm_objdump(&object, &[]) else { return };
    // The listing has LLVM's bytes, and they count.
    let theirs = assemble(&listing).unwrap_or_else(|diags| panic!("{diags:#?}"));
    for ((_, theirs), (insn, text)) in theirs.iter().zip(insns.iter().zip(&text)) {
        assert_eq!(theirs, *insn, "{text}");
    }
    assert_eq!(theirs.to_le_bytes().len(), bytes(insns).len());
}

#[test]
fn llvm_prints_our_text() {
    let insns: Vec<_> = every_insn().into_iter().filter(llvm_knows).collect();
    let data: Vec<_> = bytes(insns.iter().copied())
        .chunks(8)
        .map(|slot| {
            ".byte ".to_owned() + &slot.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
        })
        .collect();
    let Some(object) = llvm_mc("bytes", &data.join("\n")) else { return };
    // Without a CPU, objdump takes 32-bit atomics for what they are not; with one, it has 32-bit
    // names for loads.
    let Some(listing) = llvm_objdump(&object, &["--no-show-raw-insn"]) else { return };
    let Some(newer) = llvm_objdump(&object, &["--no-show-raw-insn", "--mcpu=v4"]) else { return };
    let theirs = texts(&listing);
    assert_eq!(theirs.len(), insns.len());
    for (insn, (theirs, newer)) in insns.iter().zip(theirs.iter().zip(texts(&newer))) {
        let is_atomic32 = matches!(insn, Insn::Atomic { size: Size::W, .. });
        let theirs = if is_atomic32 { newer } else { *theirs };
        assert_eq!(print_insn(insn, Dialect::CLike, &[]), theirs, "{insn:?}");
    }
    // And without bytes the text is enough, where it is known.
    let got = assemble(&newer).unwrap_or_else(|diags| panic!("{diags:#?}"));
    assert_eq!(got.to_le_bytes(), bytes(insns));
}

/// One text that both assemblers read, listed by both.
#[test]
fn our_listing_is_that_of_llvm() {
    let text = "\
main:
    r6 = r1
    r1 = 0x1122334455667788 ll
loop:
    if r1 == 0 goto done
    w1 = *(u32 *)(r6 + 16)
    r1 >>= 1
    if w1 s< w2 goto done
    goto loop
done:
    r0 = atomic_fetch_or((u64 *)(r6 - 8), r0)
    gotol loop
    exit
";
    let symbol = format!(".type main,@function\n{text}.size main, .-main\n");
    let Some(object) = llvm_mc("listing", &symbol) else { return };
    let (image, _) = parse(&Source::new("", text), ProgType::Xdp).unwrap();
    for bytes in [true, false] {
        let args: &[&str] = if bytes { &[] } else { &["--no-show-raw-insn"] };
        let Some(theirs) = llvm_objdump(&object, args) else { return };
        let theirs = &theirs[theirs.find("0000000000000000 <main>:").unwrap()..];
        // objdump knows the labels by name.
        let theirs = theirs.replace("<loop>", "<main+0x18>").replace("<done>", "<main+0x40>");
        let lines = theirs.lines().filter(|line| !line.is_empty() && !line.ends_with(">:"));
        let ours = list(&image.progs[0], &[], &ListOptions { bytes, ..ListOptions::default() });
        assert_eq!(ours.lines().skip(1).collect::<Vec<_>>(), lines.collect::<Vec<_>>());
    }
}
