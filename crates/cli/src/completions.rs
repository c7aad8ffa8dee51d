//! `skep completions`: for shells.

use crate::args::Cli;
use crate::failure::Failure;
use crate::term::Out;
use clap::CommandFactory;
use std::io::Write;

/// Print a completion script for a shell.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  skep completions bash > ~/.local/share/bash-completion/completions/skep
  skep completions zsh > ~/.zfunc/_skep")]
pub(crate) struct Completions {
    /// The shell.
    shell: clap_complete::Shell,
}

impl Completions {
    pub(crate) fn run(&self, out: &mut Out<'_>) -> Result<(), Failure> {
        // The generator panics where it cannot write, so it writes to memory.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "skep", &mut script);
        out.write_all(&script)?;
        Ok(())
    }
}
