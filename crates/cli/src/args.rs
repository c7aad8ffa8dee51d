//! The command line.

use crate::{
    asm::Asm, check::Check, completions::Completions, dis::Dis, explain::Explain, filter::Filter,
    inspect::Inspect, link::Link, man::Man, run::Run,
};

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
    Inspect(Inspect),
    Filter(Filter),
    Link(Link),
    Completions(Completions),
    Man(Man),
}

const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  a file or a program is wrong
  2  the arguments are wrong
  3  a file, device or privilege is missing
  4  not supported";
