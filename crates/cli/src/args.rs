//! The command line.

use crate::dump::{Dump, numbers};
use crate::{
    asm::Asm, check::Check, completions::Completions, dis::Dis, explain::Explain, filter::Filter,
    inspect::Inspect, link::Link, man::Man, run::Run,
};
use clap::{Args, FromArgMatches, Parser};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

/// All of BPF: run, read and write BPF programs without a kernel.
#[derive(clap::Parser)]
#[command(name = "skep", version, max_term_width = WIDTH, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Run(Run),
    Check(Check),
    Explain(Explain),
    Asm(Asm),
    Dis(Dis),
    Dump(Box<Dump>),
    Inspect(Inspect),
    Filter(Filter),
    Link(Link),
    Completions(Completions),
    Man(Man),
}

/// The arguments of this process. A link to the program that is called tcpdump takes those of `skep dump`.
pub(crate) fn parse() -> Cli {
    let mut args = std::env::args_os();
    let name = args.next();
    let is_tcpdump = name
        .as_ref()
        .is_some_and(|name| Path::new(name).file_name().is_some_and(|name| name == "tcpdump"));
    if !is_tcpdump {
        return Cli::parse();
    }
    Cli { command: Command::Dump(Box::new(tcpdump(args.collect()))) }
}

/// The arguments of tcpdump.
fn tcpdump(args: Vec<OsString>) -> Dump {
    // Some ask for it to find out whether there is a tcpdump.
    let is_version = |arg: &OsString| {
        let arg = arg.as_encoded_bytes();
        arg.len() > 2 && b"--version".starts_with(arg)
    };
    if args.iter().any(is_version) {
        let version = env!("CARGO_PKG_VERSION");
        let said = writeln!(io::stdout(), "skep {version}, which behaves as tcpdump version 4.99");
        std::process::exit(i32::from(said.is_err()))
    }
    let command = numbers::as_tcpdump(Dump::augment_args(clap::Command::new("tcpdump")));
    // As with getopt_long(3), the beginning of an option will do, and the last value counts.
    let command = command.max_term_width(WIDTH).infer_long_args(true).args_override_self(true);
    let matches = command.try_get_matches_from(["tcpdump".into()].into_iter().chain(args));
    let mut dump =
        matches.and_then(|matches| Dump::from_arg_matches(&matches)).unwrap_or_else(|err| {
            // There is nowhere left to complain to.
            let _ = err.print();
            std::process::exit(i32::from(err.use_stderr()))
        });
    dump.as_tcpdump = true;
    dump
}

/// Columns of help at most.
const WIDTH: usize = 100;

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  a file or a program is wrong
  2  the arguments are wrong
  3  a file, device or privilege is missing
  4  not supported";
