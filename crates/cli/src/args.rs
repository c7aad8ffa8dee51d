//! The command line.

use crate::dump::{Dump, numbers};
use crate::{
    asm::Asm, check::Check, completions::Completions, dis::Dis, explain::Explain, filter::Filter,
    inspect::Inspect, link::Link, man::Man, run::Run,
};
use clap::{CommandFactory, FromArgMatches, Parser};
use std::ffi::OsString;
use std::path::Path;

/// All of BPF: run, read and write BPF programs without a kernel.
#[derive(clap::Parser)]
#[command(name = "skep", version, max_term_width = 100, after_help = EXIT_CODES)]
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
    let args: Vec<_> = args.collect();
    // The one option that is not of `skep dump`: some ask for it to find out whether there is a tcpdump.
    let is_version = |arg: &OsString| {
        let arg = arg.as_encoded_bytes();
        arg.len() > 2 && b"--version".starts_with(arg)
    };
    let words = if args.iter().any(is_version) {
        vec!["skep".into(), "--version".into()]
    } else {
        ["skep".into(), "dump".into()].into_iter().chain(args).collect()
    };
    // As getopt_long(3) does: the beginning of an option will do.
    let command = Cli::command()
        .mut_subcommand("dump", |dump| numbers::as_tcpdump(dump.infer_long_args(true)));
    let matches = command.try_get_matches_from(words);
    let parsed = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    let mut cli = parsed.unwrap_or_else(|err| {
        // There is nowhere left to complain to.
        let _ = err.print();
        std::process::exit(i32::from(err.use_stderr()))
    });
    if let Command::Dump(dump) = &mut cli.command {
        dump.as_tcpdump = true;
    }
    cli
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  a file or a program is wrong
  2  the arguments are wrong
  3  a file, device or privilege is missing
  4  not supported";
