//! `skep man`: manual pages.

use crate::args::Cli;
use crate::failure::Failure;
use crate::term::Out;
use clap::CommandFactory;
use clap_mangen::Man as Page;
use std::fs;
use std::path::PathBuf;

/// Print the manual page, or write one for each command to a directory.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  skep man | man -l -
  skep man ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// Where to write skep.1, skep-run.1 and so on.
    dir: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(&self, out: &mut Out<'_>) -> Result<(), Failure> {
        let cli = Cli::command();
        let Some(dir) = &self.dir else {
            Page::new(cli).render(out)?;
            return Ok(());
        };
        fs::create_dir_all(dir).map_err(|err| Failure::file(dir, &err))?;
        clap_mangen::generate_to(cli, dir).map_err(|err| Failure::file(dir, &err))?;
        Ok(())
    }
}
