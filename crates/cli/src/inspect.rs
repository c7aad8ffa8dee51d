//! `skep inspect`: what a file holds and needs.

mod facts;
mod json;
mod needs;
mod text;
mod type_name;

use crate::failure::{Failure, Kind};
use crate::file;
use crate::kernel;
use crate::term::Term;
use facts::Facts;
use skep::read_image;
use std::io::Write;
use std::path::PathBuf;

/// Show the sections, programs, maps and needs of an object or assembly text.
///
/// The last column of the programs says whether they run here, and with which options of skep run,
/// or what is missing for that.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Inspect {
    /// ELF object or assembly text; - is standard input.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Show what it uses of a kernel, and the oldest release of Linux with all of it.
    #[arg(long)]
    needs: bool,
    /// Print types as a C header; the file is BTF of a kernel, or a BPF object.
    #[arg(long, conflicts_with_all = ["json", "needs"])]
    btf_c: bool,
}

const EXAMPLES: &str = "\
Examples:
  skep inspect examples/xdp_flows.o
  skep inspect prog.o --json | jq '.progs[].name'
  skep inspect prog.o --needs
  skep inspect --btf-c /sys/kernel/btf/vmlinux > vmlinux.h

Exit codes:
  0  the file was read, whether its programs run here or not
  1  the file is malformed
  2  the arguments are wrong
  3  the file is missing
  4  the file needs what is not supported";

impl Inspect {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        if self.btf_c {
            return self.header(term);
        }
        let bytes = file::read(&self.file)?;
        let name = file::name(&self.file);
        let layout = skep_obj::layout(&bytes).ok();
        let read = read_image(&bytes, &name.to_string_lossy());
        let failed = match read {
            Ok(read) => {
                file::warn(&self.file, &bytes, &read.warnings, &mut term.err)?;
                if self.needs {
                    let needs = skep::needs(&read.image);
                    if self.json {
                        needs::write_json(&needs, &mut term.out)?;
                    } else {
                        needs::write(&name, &needs, &mut term.out)?;
                    }
                    return Ok(());
                }
                let facts = Facts::of(&read.image, layout.as_ref());
                if self.json {
                    json::write(&facts, &read.image, &mut term.out)?;
                } else {
                    text::write(&name, &facts, &read.image, &mut term.out)?;
                }
                return Ok(());
            }
            Err(err) => err,
        };
        // Sections can be told even where no image can be made of them.
        if let Some(layout) = layout.filter(|_| !self.json && !self.needs) {
            text::sections(&layout, &mut term.out)?;
        }
        Err(file::failure(&self.file, &bytes, failed))
    }

    fn header(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        let btf = kernel::types(&self.file)?;
        let header = skep_btf::dump_c(&btf)
            .map_err(|err| Failure::at(Kind::Input, &file::name(&self.file), &err))?;
        Ok(term.out.write_all(header.as_bytes())?)
    }
}
