//! What programs become as machine code, between their instructions.

use crate::failure::{Failure, Kind};
use crate::load;
use crate::term::Out;
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use skep::{CheckOptions, CodeOptions, MachineCode, Options, Processor, Release, Session};
use skep_asm::{Dialect, print_insn};
use skep_prog::{Image, Prog};
use std::io::Write;
use std::path::Path;
use yaxpeax_arch::{Decoder as _, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

/// The release whose verdict counts.
const RELEASE: Release = Release { major: 6, minor: 18 };

/// Kinds of processors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Arch {
    /// x86-64.
    #[value(name = "x86-64")]
    X64,
    /// AArch64.
    #[value(name = "aarch64")]
    A64,
}

/// Compiles a program of the image as `skep run --engine jit` does, and lists it.
pub(super) fn show(
    file: &Path,
    image: &Image,
    prog: &Prog,
    (dialect, source, arch): (Dialect, bool, Option<Arch>),
    options: CodeOptions,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let session = Session::load(image, Some(&prog.name), Options::default());
    let session = session.map_err(|err| load::failure(file, &err))?;
    let processor = match arch {
        Some(Arch::X64) => Some(Processor::x86_64()),
        Some(Arch::A64) => Some(Processor::aarch64()),
        None => Processor::host(),
    };
    let Some(processor) = processor else {
        let failure =
            Failure::new(Kind::Unsupported, "there is no machine code for this processor");
        return Err(failure.help("--arch shows that of others"));
    };
    let code = session
        .machine_code_for(&CheckOptions::new(RELEASE), options, processor)
        .map_err(|why| Failure::at(Kind::Unsupported, file, &why))?;
    let Some((code, why)) = &code else { return Ok(()) };
    let native = |range, out: &mut Out<'_>| match processor {
        Processor::A64(_) => a64(code, range, out),
        _ => x64(code, range, out),
    };
    let insns = prog.insns.iter().count();
    let bytes = code.bytes.len();
    let why = why.as_ref().map(|why| format!(", not optimised: {why}")).unwrap_or_default();
    writeln!(out, "{}: {insns} instructions, {bytes} bytes of machine code{why}", prog.name)?;
    let mut from = 0;
    let mut line = None;
    for (pc, insn) in prog.insns.iter() {
        // What is in front of the first instruction of a function belongs to it.
        let at = code.position(pc).unwrap_or(from);
        native((from, at), out)?;
        from = at;
        if let Some(now) = prog.line_at(pc).filter(|now| source && Some(*now) != line) {
            let text: String =
                now.text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let gap = if text.is_empty() { "" } else { " @ " };
            writeln!(out, "; {text}{gap}{}:{}", now.file, now.line)?;
            line = Some(now);
        }
        writeln!(out, "{:>5}: {}", pc.0, print_insn(&insn, dialect, &image.maps))?;
    }
    let end = code.at.last().copied().unwrap_or_default();
    native((from, end), out)?;
    writeln!(out, "       entries and calls of the engine")?;
    native((end, u32::try_from(code.bytes.len()).unwrap_or(end)), out)
}

/// Machine code of x86-64 between two positions.
fn x64(code: &MachineCode, (from, to): (u32, u32), out: &mut Out<'_>) -> Result<(), Failure> {
    let bytes = code.bytes.get(from as usize..to as usize).unwrap_or_default();
    let mut formatter = IntelFormatter::new();
    for insn in &mut Decoder::with_ip(64, bytes, from.into(), DecoderOptions::NONE) {
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        writeln!(out, "{:>16x}  {text}", insn.ip())?;
    }
    Ok(())
}

/// The same of AArch64. Targets of branches are written as positions.
fn a64(code: &MachineCode, (from, to): (u32, u32), out: &mut Out<'_>) -> Result<(), Failure> {
    let bytes = code.bytes.get(from as usize..to as usize).unwrap_or_default();
    for (at, word) in (from..).step_by(4).zip(bytes.chunks(4)) {
        let insn = InstDecoder::default().decode(&mut U8Reader::new(word));
        let text = insn.map_or_else(|_| format!(".inst {word:02x?}"), |insn| insn.to_string());
        writeln!(out, "{at:>16x}  {}", with_target(at, &text))?;
    }
    Ok(())
}

/// The distance that ends a branch, `$+0x10`, as a position.
fn with_target(at: u32, text: &str) -> String {
    let target = || {
        let (head, distance) = text.rsplit_once('$')?;
        let (sign, digits) = distance.split_at_checked(1)?;
        let distance = u32::from_str_radix(digits.strip_prefix("0x")?, 16).ok()?;
        let to = if sign == "-" { at.checked_sub(distance) } else { at.checked_add(distance) };
        Some(format!("{head}{:#x}", to?))
    };
    target().unwrap_or_else(|| text.to_string())
}
