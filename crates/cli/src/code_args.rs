//! What there is to choose of machine code.

use skep::CodeOptions;

/// The arguments that say what machine code is to be like.
#[derive(clap::Args)]
pub(crate) struct CodeArgs {
    /// Make machine code that counts no instructions: a little faster, but budget and deadline are kept by
    /// callbacks and iterators only.
    #[arg(long)]
    unmetered: bool,
    /// Harden machine code of programs that are not trusted: their numbers do not stand in it, and its indirect jumps
    /// are not guessed.
    #[arg(long)]
    harden: bool,
    /// How much is done for quick machine code: 1 compiles fastest; 2 takes five to twenty times as long and optimises,
    /// without --harden.
    #[arg(long, value_name = "LEVEL", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    opt: u8,
}

impl CodeArgs {
    /// The same for the compiler.
    pub(crate) fn options(&self) -> CodeOptions {
        let mut code = CodeOptions::default();
        code.metered = !self.unmetered;
        (code.blinding, code.retpolines) = (self.harden, self.harden);
        code.optimised = self.opt == 2;
        code
    }
}
