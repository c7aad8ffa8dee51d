//! `skep dis`: instructions to text.

pub(crate) mod classic;
mod json;
mod native;

use crate::code_args::CodeArgs;
use crate::failure::{Failure, Kind};
use crate::file;
use crate::load;
use crate::term::{Out, Term};
use classic::Ebpf;
use skep::{Code, read_code};
use skep_abi::ProgType;
use skep_asm::{ListOptions, PrintOptions, list, print};
use skep_isa::Insns;
use skep_prog::{Image, Prog};
use std::io::Write;
use std::path::PathBuf;

/// Disassemble an object, bare instructions, or a classic BPF listing.
///
/// The output is a text that `skep asm` and `skep run` read again. What the file holds is told by
/// its content: an ELF object, assembly text, raw little-endian instructions, their bytes in hex, or
/// what `tcpdump -d`, `-dd` and `-ddd` print.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES, mut_group("CodeArgs", |group| group.requires("native")))]
pub(crate) struct Dis {
    /// The file; - is standard input.
    file: PathBuf,
    /// Show this program only.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    /// How instructions are written.
    #[arg(long, value_name = "DIALECT", value_enum, default_value_t = Dialect::C)]
    dialect: Dialect,
    /// Show source lines as comments, where the file has them.
    #[arg(short, long)]
    source: bool,
    /// List as llvm-objdump does: slots, bytes, offsets.
    #[arg(short, long)]
    bytes: bool,
    /// Take the file as raw instructions, whatever it looks like.
    #[arg(long)]
    raw: bool,
    /// Translate classic BPF into eBPF for a hook.
    #[arg(long, value_name = "HOOK", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "socket")]
    ebpf: Option<Ebpf>,
    /// Print JSON, a program on a line.
    #[arg(long, conflicts_with = "bytes")]
    json: bool,
    /// Show the machine code that skep run --engine jit makes of each instruction.
    #[arg(long, help_heading = "Machine code", conflicts_with_all = ["bytes", "json"])]
    native: bool,
    /// The processor to show machine code for [default: this one].
    #[arg(
        long,
        help_heading = "Machine code",
        value_name = "ARCH",
        value_enum,
        requires = "native"
    )]
    arch: Option<native::Arch>,
    #[command(flatten, next_help_heading = "Machine code")]
    code: CodeArgs,
}

/// How instructions are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Dialect {
    /// As the kernel and LLVM do: r0 = *(u32 *)(r1 + 0x4).
    C,
    /// As uBPF does: ldxw %r0, [%r1+4].
    Mnemonic,
}

impl From<Dialect> for skep_asm::Dialect {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::C => Self::CLike,
            Dialect::Mnemonic => Self::Mnemonic,
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  skep dis examples/xdp_flows.o --source
  skep dis examples/subprogs.o --bytes
  skep dis examples/count.s --native --opt 2
  tcpdump -ddd 'tcp port 80' | skep dis - --ebpf=xdp
  echo 'b7 00 00 00 02 00 00 00 95 00 00 00 00 00 00 00' | skep dis -

Exit codes:
  0  the file was shown
  1  the file is malformed
  2  the arguments are wrong
  3  the file is missing
  4  the file needs what is not supported";

impl Dis {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        let bytes = file::read(&self.file)?;
        let name = file::name(&self.file);
        let code = if self.raw {
            let insns = skep_isa::decode(&bytes);
            Code::Insns(insns.map_err(|err| Failure::at(Kind::Input, &name, &err))?)
        } else {
            read_code(&bytes, &name.to_string_lossy())
                .map_err(|err| file::failure(&self.file, &bytes, err))?
        };
        match code {
            Code::Image(read) => {
                file::warn(&self.file, &bytes, &read.warnings, &mut term.err)?;
                self.reject_ebpf()?;
                self.image(read.image, &mut term.out)?;
            }
            Code::Insns(insns) => {
                self.reject_ebpf()?;
                self.image(bare(insns), &mut term.out)?;
            }
            Code::Classic(insns) => match self.ebpf {
                Some(target) => {
                    let image = classic::translate(&name, &insns, target)?;
                    self.image(image, &mut term.out)?;
                }
                None => classic::show(&insns, self.json, &mut term.out)?,
            },
        }
        Ok(())
    }

    fn reject_ebpf(&self) -> Result<(), Failure> {
        if self.ebpf.is_none() {
            return Ok(());
        }
        let text = format!("{}: eBPF already, --ebpf translates classic BPF", self.file.display());
        Err(Failure::new(Kind::Usage, text))
    }

    fn image(&self, mut image: Image, out: &mut Out<'_>) -> Result<(), Failure> {
        let whole = self.native.then(|| image.clone());
        if let Some(name) = self.prog.as_deref() {
            let prog = skep::choose(&image, Some(name));
            let prog = prog.map_err(|err| load::failure(&self.file, &err))?.clone();
            image.progs = vec![prog];
        }
        let (dialect, source) = (self.dialect.into(), self.source);
        if let Some(whole) = whole {
            for (at, prog) in image.progs.iter().enumerate() {
                if at > 0 {
                    writeln!(out)?;
                }
                let how = (dialect, source, self.arch);
                native::show(&self.file, &whole, prog, how, self.code.options(), out)?;
            }
        } else if self.json {
            for prog in &image.progs {
                writeln!(out, "{}", json::prog(prog, &image, dialect))?;
            }
        } else if self.bytes {
            let options = ListOptions { dialect, source, bytes: true };
            for (at, prog) in image.progs.iter().enumerate() {
                let gap = if at > 0 { "\n" } else { "" };
                write!(out, "{gap}{}", list(prog, &image.maps, &options))?;
            }
        } else {
            write!(out, "{}", print(&image, &PrintOptions { dialect, source }))?;
        }
        Ok(())
    }
}

/// Instructions that came without a name or a type.
fn bare(insns: Insns) -> Image {
    let prog = Prog::new("prog", ProgType::SocketFilter, insns);
    Image { progs: vec![prog], ..Image::default() }
}
