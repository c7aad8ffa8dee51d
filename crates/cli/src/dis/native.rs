//! What programs become as machine code, between their instructions.

use crate::failure::{Failure, Kind};
use crate::load;
use crate::term::Out;
use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};
use skep::{CheckOptions, MachineCode, Options, Release, Session};
use skep_asm::{Dialect, print_insn};
use skep_prog::{Image, Prog};
use std::io::Write;
use std::path::Path;

/// The release whose verdict counts.
const RELEASE: Release = Release { major: 6, minor: 18 };

/// Compiles a program of the image as `skep run --engine jit` does, and lists it.
pub(super) fn show(
    file: &Path,
    image: &Image,
    prog: &Prog,
    (dialect, source): (Dialect, bool),
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let session = Session::load(image, Some(&prog.name), Options::default());
    let mut session = session.map_err(|err| load::failure(file, &err))?;
    session
        .compile(&CheckOptions::new(RELEASE))
        .map_err(|why| Failure::at(Kind::Unsupported, file, &why))?;
    let Some(code) = session.machine_code() else { return Ok(()) };
    let insns = prog.insns.iter().count();
    writeln!(
        out,
        "{}: {insns} instructions, {} bytes of machine code",
        prog.name,
        code.bytes.len()
    )?;
    let mut from = 0;
    let mut line = None;
    for (pc, insn) in prog.insns.iter() {
        // What is in front of the first instruction of a function belongs to it.
        let at = code.position(pc).unwrap_or(from);
        native(code, (from, at), out)?;
        from = at;
        if let Some(now) = prog.line_at(pc).filter(|now| source && Some(*now) != line) {
            writeln!(out, "; {}:{}", now.file, now.line)?;
            line = Some(now);
        }
        writeln!(out, "{:>5}: {}", pc.0, print_insn(&insn, dialect, &image.maps))?;
    }
    let end = code.at.last().copied().unwrap_or_default();
    native(code, (from, end), out)?;
    writeln!(out, "       entries and calls of the engine")?;
    native(code, (end, u32::try_from(code.bytes.len()).unwrap_or(end)), out)
}

/// Machine code between two positions.
fn native(code: &MachineCode, (from, to): (u32, u32), out: &mut Out<'_>) -> Result<(), Failure> {
    let bytes = code.bytes.get(from as usize..to as usize).unwrap_or_default();
    let mut formatter = IntelFormatter::new();
    for insn in &mut Decoder::with_ip(64, bytes, from.into(), DecoderOptions::NONE) {
        let mut text = String::new();
        formatter.format(&insn, &mut text);
        writeln!(out, "{:>16x}  {text}", insn.ip())?;
    }
    Ok(())
}
