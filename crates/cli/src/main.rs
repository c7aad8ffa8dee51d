//! The `skep` command.
//!
//! Each subcommand is a struct of arguments and a `run` that writes to where it is told and gives a
//! [`Failure`](failure::Failure) or none, which decides the exit code.
//! What a program means, how it is run and how packets travel is for the crates below.
#![forbid(unsafe_code)]

mod args;
mod asm;
mod btf_file;
mod check;
mod code_args;
mod completions;
mod diags;
mod dis;
mod dump;
mod explain;
mod failure;
mod file;
mod filter;
mod inspect;
mod kernel;
mod link;
mod load;
mod man;
mod run;
mod table;
mod term;
mod value;

use args::Command;
use std::io::{self, Write};
use std::process::ExitCode;
use term::{Out, Term};

fn main() -> ExitCode {
    let cli = args::parse();
    let mut stdout = io::BufWriter::with_capacity(1 << 16, io::stdout());
    let mut stderr = io::stderr();
    let mut term = Term { out: Out::stdout(&mut stdout), err: Out::stderr(&mut stderr) };
    let result = match &cli.command {
        Command::Run(run) => run.run(&mut term),
        Command::Check(check) => check.run(&mut term),
        Command::Explain(explain) => explain.run(&mut term.out),
        Command::Asm(asm) => asm.run(&mut term),
        Command::Dis(dis) => dis.run(&mut term),
        Command::Dump(dump) => dump.run(&mut term),
        Command::Inspect(inspect) => inspect.run(&mut term),
        Command::Filter(filter) => filter.run(&mut term),
        Command::Link(link) => link.run(&mut term),
        Command::Completions(completions) => completions.run(&mut term.out),
        Command::Man(man) => man.run(&mut term.out),
    };
    // What was found out before a failure comes first.
    let result = match (result, term.out.flush()) {
        (Ok(()), Err(err)) => Err(err.into()),
        (result, _) => result,
    };
    let code = match result {
        Ok(()) => 0,
        Err(failure) if failure.is_closed_pipe() => 0,
        Err(failure) => {
            // There is nowhere left to complain to.
            let _ = failure.show(&mut term.err);
            match &cli.command {
                // The one exit code that tcpdump has for failures.
                Command::Dump(dump) if dump.as_tcpdump => 1,
                _ => failure.code(),
            }
        }
    };
    ExitCode::from(code)
}
