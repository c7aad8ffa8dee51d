//! `skep asm`: text to instructions.

use crate::diags;
use crate::failure::{Failure, Kind};
use crate::file;
use crate::load;
use crate::term::{Out, Term};
use crate::value::hex;
use skep::{InputError, ReadImage};
use skep_asm::{Dialect, ListOptions, list, print_insn};
use skep_diag::{Diagnostic, Source};
use skep_isa::{ImmSrc, Insn};
use skep_obj::{AssembleError, assemble};
use skep_prog::{Image, Prog};
use std::fmt::Write as _;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Assemble a text, in the C-like or the mnemonic dialect.
///
/// Without --out, --hex or --c the programs are listed: slot, bytes, instruction.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Asm {
    /// Assembly text; - is standard input.
    file: PathBuf,
    /// Write to a file: an ELF object where its name ends in .o, otherwise raw little-endian
    /// instructions, or what --hex or --c say; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// The program to write, where the text has several.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    /// Write bytes in hex, a slot on a line.
    #[arg(long, conflicts_with = "c")]
    hex: bool,
    /// Write a C array of struct bpf_insn.
    #[arg(long)]
    c: bool,
    /// Print what is wrong with the text as JSON, one object on a line, and list nothing.
    #[arg(long, conflicts_with_all = ["hex", "c"])]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  skep asm examples/count.s
  printf 'r0 = 2\\nexit\\n' | skep asm - --hex
  skep asm examples/count.s -o count.o
  skep asm drop.s -o drop.bin

Exit codes:
  0  the text was assembled
  1  the text is wrong
  2  the arguments are wrong
  3  a file is missing or cannot be written
  4  the text says what no object can hold";

impl Asm {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        let image = self.read(term)?;
        if self.json && self.out.is_none() {
            return Ok(());
        }
        if self.out.is_none() && !self.hex && !self.c {
            self.list(&image, &mut term.out)?;
            return Ok(());
        }
        if let Some(out) = self.out.as_deref().filter(|out| is_object(out) && !self.hex && !self.c)
        {
            let object = self.object(image)?;
            return fs::write(out, object).map_err(|err| Failure::file(out, &err));
        }
        let prog = skep::choose(&image, self.prog.as_deref())
            .map_err(|err| load::failure(&self.file, &err))?;
        warn_of_maps(prog, &mut term.err)?;
        if term.out.is_terminal
            && !self.hex
            && !self.c
            && self.out.as_deref().is_some_and(file::is_std)
        {
            let text = "raw instructions are not written to a terminal";
            return Err(Failure::new(Kind::Usage, text).help("write --hex, or name a file"));
        }
        let bytes = self.form(prog, &image);
        match self.out.as_deref().filter(|out| !file::is_std(out)) {
            Some(path) => fs::write(path, bytes).map_err(|err| Failure::file(path, &err))?,
            None => term.out.write_all(&bytes)?,
        }
        Ok(())
    }

    fn read(&self, term: &mut Term<'_>) -> Result<Image, Failure> {
        let bytes = file::read(&self.file)?;
        let name = file::name(&self.file);
        if bytes.starts_with(b"\x7fELF") {
            let text = format!("{}: an ELF object, not assembly text", name.display());
            return Err(Failure::new(Kind::Input, text).help("`skep dis` shows objects as text"));
        }
        let result = skep::read_image(&bytes, &name.to_string_lossy());
        if !self.json {
            let ReadImage { image, warnings } =
                result.map_err(|err| file::failure(&self.file, &bytes, err))?;
            file::warn(&self.file, &bytes, &warnings, &mut term.err)?;
            return Ok(image);
        }
        let text = String::from_utf8_lossy(&bytes);
        let name = name.to_string_lossy();
        let mut write = |diags: &[Diagnostic]| {
            diags::write_json(diags, &Source::new(&name, &text), &mut term.out)
        };
        match result {
            Ok(ReadImage { image, warnings }) => {
                write(&warnings)?;
                Ok(image)
            }
            Err(InputError::Text(diags)) => {
                write(&diags)?;
                Err(Failure::Said(Kind::Input))
            }
            Err(err) => Err(file::failure(&self.file, &bytes, err)),
        }
    }

    fn list(&self, image: &Image, out: &mut Out<'_>) -> Result<(), Failure> {
        let chosen: Vec<&Prog> = match &self.prog {
            Some(name) => {
                let prog = skep::choose(image, Some(name));
                vec![prog.map_err(|err| load::failure(&self.file, &err))?]
            }
            None => image.progs.iter().collect(),
        };
        let options = ListOptions { bytes: true, ..ListOptions::default() };
        for (at, prog) in chosen.into_iter().enumerate() {
            let gap = if at > 0 { "\n" } else { "" };
            write!(out, "{gap}{}", list(prog, &image.maps, &options))?;
        }
        Ok(())
    }

    /// An ELF object with all programs, or the one that was asked for.
    fn object(&self, mut image: Image) -> Result<Vec<u8>, Failure> {
        if let Some(name) = &self.prog {
            let prog = skep::choose(&image, Some(name));
            image.progs = vec![prog.map_err(|err| load::failure(&self.file, &err))?.clone()];
        }
        let written = assemble(&image).and_then(|object| Ok(object.write()?));
        written.map_err(|err| {
            let failure = Failure::of(Kind::Unsupported, &err);
            match err {
                AssembleError::Section { .. } => failure.help(
                    "begin the program with .section and a name that does, such as .section \"xdp\"",
                ),
                AssembleError::Extern { .. } => failure.help("`skep run` takes the text as it is"),
                _ => failure,
            }
        })
    }

    fn form(&self, prog: &Prog, image: &Image) -> Vec<u8> {
        if self.hex {
            return hex_lines(prog).into_bytes();
        }
        if self.c { c_array(prog, image).into_bytes() } else { prog.insns.to_le_bytes() }
    }
}

fn is_object(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "o")
}

/// Raw instructions say which map by its index only.
fn warn_of_maps(prog: &Prog, err: &mut Out<'_>) -> Result<(), Failure> {
    let refers = |insn: Insn| {
        let source = if let Insn::LoadImm { imm, .. } = insn { Some(imm) } else { None };
        matches!(source, Some(ImmSrc::MapIdx(_) | ImmSrc::MapIdxValue { .. }))
    };
    if prog.insns.iter().any(|(_, insn)| refers(insn)) {
        let style = err.style.warning;
        let name = &prog.name;
        writeln!(
            err,
            "{style}warning{style:#}: {name} uses maps, which bare instructions name by index only"
        )?;
    }
    Ok(())
}

/// `95 00 00 00 00 00 00 00`
fn hex_lines(prog: &Prog) -> String {
    let bytes = prog.insns.to_le_bytes();
    let mut out = String::new();
    for slot in bytes.chunks(8) {
        let bytes: Vec<String> = slot.iter().map(|&byte| hex(&[byte])).collect();
        out += &bytes.join(" ");
        out.push('\n');
    }
    out
}

/// Fields in the order of `struct bpf_insn`: code, dst, src, off, imm.
fn c_array(prog: &Prog, image: &Image) -> String {
    let ident = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = prog.name.chars().map(ident).collect();
    let mut out = format!("static const struct bpf_insn {name}[] = {{\n");
    for (_, insn) in prog.insns.iter() {
        let text = print_insn(&insn, Dialect::CLike, &image.maps).replace("*/", "* /");
        let (first, second) = insn.encode();
        for (raw, text) in [(Some(first), format!(" /* {text} */")), (second, String::new())] {
            let Some(raw) = raw else { continue };
            let [code, regs, off @ .., a, b, c, d] = raw.to_le_bytes();
            let (off, imm) = (i16::from_le_bytes(off), i32::from_le_bytes([a, b, c, d]));
            let (dst, src) = (regs & 0xf, regs >> 4);
            // Writing to a string does not fail.
            let _ = writeln!(out, "\t{{ 0x{code:02x}, {dst}, {src}, {off}, {imm} }},{text}");
        }
    }
    out + "};\n"
}
