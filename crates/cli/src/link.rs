//! `skep link`: several objects into one.

use crate::failure::{Failure, Kind};
use crate::file;
use crate::term::Term;
use skep_obj::{LinkError, LinkInput, Linked, static_link};
use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// Link objects into one, which loaders take as if it had been compiled at once.
///
/// Programs, maps and variables that one object declares extern are found in the others; what none
/// defines and no kernel is asked for is named, and stays for a further link.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Link {
    /// ELF objects; - is standard input.
    #[arg(required = true, value_name = "OBJECT")]
    files: Vec<PathBuf>,
    /// Where to write the object; - is standard output.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
    /// Fail if a symbol stays undefined.
    #[arg(long)]
    no_undefined: bool,
}

const EXAMPLES: &str = "\
Examples:
  skep link parse.o count.o -o prog.o
  skep link a.o b.o -o - | skep inspect -

Exit codes:
  0  the objects were linked
  1  an object is malformed, or they do not fit each other
  2  the arguments are wrong
  3  a file is missing or cannot be written";

impl Link {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        if file::is_std(&self.out) && term.out.is_terminal {
            let text = "an object is not written to a terminal";
            return Err(Failure::new(Kind::Usage, text).help("name a file, or a pipe"));
        }
        if self.files.iter().filter(|path| file::is_std(path)).count() > 1 {
            return Err(Failure::new(Kind::Usage, "standard input can be read only once"));
        }
        let mut inputs = Vec::new();
        for path in &self.files {
            inputs.push((file::name(path).to_string_lossy().into_owned(), file::read(path)?));
        }
        let inputs: Vec<_> = inputs.iter().map(|(name, bytes)| LinkInput { name, bytes }).collect();
        let linked = static_link(&inputs).map_err(|err| Failure::of(kind(&err), &err))?;
        self.undefined(&linked, term)?;
        let bytes = linked.file.write().map_err(|err| Failure::of(Kind::Input, &err))?;
        if file::is_std(&self.out) {
            term.out.write_all(&bytes)?;
        } else {
            fs::write(&self.out, bytes).map_err(|err| Failure::file(&self.out, &err))?;
        }
        Ok(())
    }

    /// Says which symbols nobody defines.
    fn undefined(&self, linked: &Linked, term: &mut Term<'_>) -> Result<(), Failure> {
        let style = if self.no_undefined { term.err.style.error } else { term.err.style.warning };
        let word = if self.no_undefined { "error" } else { "warning" };
        for undefined in &linked.undefined {
            let (symbol, file) = (&undefined.symbol, &undefined.file);
            let line = format!("'{symbol}' of {file} is defined in none of the objects");
            writeln!(term.err, "{style}{word}{style:#}: {}", crate::failure::visible(&line))?;
        }
        match linked.undefined.is_empty() || !self.no_undefined {
            true => Ok(()),
            false => Err(Failure::Said(Kind::Input)),
        }
    }
}

/// Whose fault it is.
fn kind(err: &LinkError) -> Kind {
    match err {
        LinkError::NoInput => Kind::Usage,
        _ => Kind::Input,
    }
}
