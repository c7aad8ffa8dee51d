//! `skep check`: would a kernel take these programs, and if not, why?

mod columns;
pub(crate) mod json;
mod target;
mod text;

use crate::failure::{Failure, Kind, visible};
use crate::file;
use crate::kernel;
use crate::load;
use crate::term::Term;
use clap::ValueEnum;
use columns::Columns;
use skep::verifier::{Caps, Fact, Lockdown, Reject, Rule, Verdict};
use skep::{
    CheckOptions, Checked, Image, Poisoned, Prog, Release, Report, check, check_undecoded,
    read_each, replaced_function,
};
use skep_btf::Btf;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Check the programs of an object or assembly text as a kernel's verifier does, and explain refusals.
///
/// No kernel and no privileges are needed. Programs that depend on a kernel's types are checked against
/// those of the running kernel, or of the file that --btf names. 6.18 and 6.12 are followed in all; of
/// older releases the helpers, kernel functions, maps and contexts are known, and the rest is 6.12's.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Check {
    /// ELF object or assembly text; - is standard input.
    file: PathBuf,
    /// Check this program only.
    #[arg(long, value_name = "NAME")]
    prog: Option<String>,
    /// Types of the kernel: a file as /sys/kernel/btf/vmlinux.
    #[arg(long, value_name = "FILE")]
    btf: Option<PathBuf>,
    /// Configuration of the kernel: a file as /proc/config.gz, or lines as CONFIG_HZ=250. Helpers that it leaves out
    /// are refused.
    #[arg(long, value_name = "FILE")]
    kconfig: Option<PathBuf>,
    /// Object with the program whose functions are replaced, for programs of sections freplace/FUNCTION.
    #[arg(long, value_name = "FILE")]
    target: Option<PathBuf>,
    /// Program of --target; else the first that has the function.
    #[arg(long, value_name = "NAME", requires = "target")]
    target_prog: Option<String>,
    /// Releases whose verdict is asked for, for example 6.12,6.18.
    #[arg(long, value_name = "RELEASE", value_delimiter = ',', value_parser = release, default_value = "6.18")]
    kernel: Vec<Release>,
    /// How far the kernel is locked down.
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t)]
    lockdown: Level,
    /// Check as for a user without any privilege.
    #[arg(long)]
    unprivileged: bool,
    /// Show what checking cost, by source line.
    #[arg(long, conflicts_with = "json")]
    cost: bool,
    /// Show the way to a refusal as the kernel's verifier logs it.
    #[arg(long, conflicts_with_all = ["json", "cost"])]
    log: bool,
    /// Print JSON, a program and release on a line.
    #[arg(long)]
    json: bool,
}

/// Levels of `/sys/kernel/security/lockdown`.
#[derive(Clone, Copy, Default, ValueEnum)]
enum Level {
    /// Not at all
    #[default]
    None,
    /// Programs do not write the memory of processes
    Integrity,
    /// Nor do they read the kernel's
    Confidentiality,
}

const EXAMPLES: &str = "\
Examples:
  skep check examples/xdp_flows.o
  skep check prog.o --kernel 6.12,6.18
  skep check prog.s --unprivileged
  skep check prog.o --prog ingress --log
  skep check replacement.o --target prog.o
  skep check prog.o --json | jq -r 'select(.verdict != \"accepted\") | .prog'

Exit codes:
  0  all programs are accepted
  1  a program is refused, or the file is malformed
  2  the arguments are wrong
  3  the file is missing
  4  no program is refused, but one uses what is not modelled";

/// A release as people write it.
fn release(text: &str) -> Result<Release, String> {
    let parsed = text.split_once('.').and_then(|(major, minor)| {
        Some(Release { major: major.parse().ok()?, minor: minor.parse().ok()? })
    });
    let release = parsed.ok_or_else(|| "a release is two numbers, as in 6.18".to_string())?;
    let known = [(5, 4), (5, 10), (5, 15), (6, 1), (6, 6), (6, 12), (6, 18)];
    if known.contains(&(release.major, release.minor)) {
        Ok(release)
    } else {
        Err("the verdicts of 5.4, 5.10, 5.15, 6.1, 6.6, 6.12 and 6.18 are known".into())
    }
}

/// A verdict with what it is about.
struct Shown<'a> {
    file: &'a Path,
    image: &'a Image,
    prog: &'a Prog,
    release: Release,
    checked: &'a Checked<'a>,
    /// Whether there is a program whose functions others replace.
    has_target: bool,
}

/// What all programs together came to.
#[derive(Default)]
struct Sum {
    /// Rules that were broken.
    refused: Vec<Rule>,
    unsupported: bool,
    /// What is wrong with the object and not with one of its programs, told with the first.
    of_object: Option<Reject>,
    /// Programs that were refused for it besides.
    likewise: usize,
}

impl Check {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        let bytes = file::read(&self.file)?;
        let name = file::name(&self.file);
        let (read, undecoded) = read_each(&bytes, &name.to_string_lossy())
            .map_err(|err| file::failure(&self.file, &bytes, err))?;
        file::warn(&self.file, &bytes, &read.warnings, &mut term.err)?;
        let mut image = read.image;
        let is_undecoded = |name: &str| undecoded.iter().any(|one| one.prog.name == name);
        if let Some(prog) = self.prog.as_deref().filter(|name| !is_undecoded(name)) {
            skep::choose(&image, Some(prog)).map_err(|err| load::failure(&self.file, &err))?;
        }
        let (types, report) = self.fit(&mut image)?;
        let config = match self.kconfig.as_deref() {
            Some(path) => Some(kernel::config(path)?.into()),
            None => None,
        };
        let lockdown = match self.lockdown {
            Level::None => Lockdown::None,
            Level::Integrity => Lockdown::Integrity,
            Level::Confidentiality => Lockdown::Confidentiality,
        };
        let poisoned: Arc<[Poisoned]> = report.poisoned.into();
        let target = match &self.target {
            Some(path) => Some(self.target_image(path, term)?),
            None => None,
        };
        let has_target = target.is_some();
        let mut sum = Sum::default();
        let mut columns = Columns::new(&self.kernel);
        let asked = |prog: &Prog| self.prog.as_deref().is_none_or(|name| prog.name == name);
        let mut undecoded = undecoded.iter().peekable();
        for place in 0..=image.progs.len() {
            while let Some(broken) = undecoded.next_if(|broken| broken.at <= place) {
                for (at, &release) in self.kernel.iter().enumerate().filter(|_| asked(&broken.prog))
                {
                    let (prog, checked) = (&broken.prog, check_undecoded(broken));
                    sum.add(&checked);
                    let checked = &checked;
                    let shown =
                        Shown { file: &name, image: &image, prog, release, checked, has_target };
                    self.show(&shown, at, &mut columns, term)?;
                }
            }
            let Some(prog) = image.progs.get(place).filter(|prog| asked(prog)) else { continue };
            for (at, &release) in self.kernel.iter().enumerate() {
                let options = CheckOptions {
                    types: types.clone(),
                    caps: if self.unprivileged { Caps::NONE } else { Caps::ROOT },
                    config: Option::clone(&config),
                    lockdown,
                    poisoned: Arc::clone(&poisoned),
                    ..CheckOptions::new(release)
                };
                let checked = match (&target, replaced_function(prog)) {
                    (Some(of), Some(func)) => {
                        self.check_replacing(&image, prog, func, of, &options)?
                    }
                    _ => check(&image, prog, &options),
                };
                sum.add(&checked);
                if !self.json && !self.log && self.kernel.len() == 1 && sum.is_told(&checked) {
                    continue;
                }
                let checked = &checked;
                let shown =
                    Shown { file: &name, image: &image, prog, release, checked, has_target };
                self.show(&shown, at, &mut columns, term)?;
            }
        }
        columns.show(&mut term.out)?;
        if sum.likewise > 0 {
            let n = sum.likewise;
            let more = format!("{n} more program{}", if n == 1 { "" } else { "s" });
            let bad = term.out.style.error;
            let file = name.display().to_string();
            let file = visible(&file);
            writeln!(term.out, "{file}: {more} {bad}refused{bad:#} for the same reason")?;
        }
        if let Some(rule) = sum.refused.first().filter(|_| !self.json && !self.log) {
            let rest = if sum.refused.len() > 1 { ", and likewise of the others" } else { "" };
            writeln!(term.out, "skep explain {} says more about the rule{rest}", rule.name())?;
        }
        match sum {
            Sum { unsupported: false, refused, .. } if refused.is_empty() => Ok(()),
            Sum { refused, .. } if refused.is_empty() => Err(Failure::Said(Kind::Unsupported)),
            Sum { .. } => Err(Failure::Said(Kind::Input)),
        }
    }

    /// Shows a verdict as it was asked for; that of the `at`-th release.
    fn show(
        &self,
        shown: &Shown<'_>,
        at: usize,
        columns: &mut Columns,
        term: &mut Term<'_>,
    ) -> Result<(), Failure> {
        if self.json {
            json::write(shown, &mut term.out)?;
        } else if self.log {
            text::log(shown, &mut term.out)?;
        } else if self.kernel.len() > 1 {
            columns.add(shown, at, &mut term.out);
        } else {
            text::show(shown, self.cost, &mut term.out)?;
        }
        Ok(())
    }

    /// The types to check against, after the image was fitted to them, and what they lack.
    fn fit(&self, image: &mut Image) -> Result<(Option<Arc<Btf>>, Report), Failure> {
        let mut fitted = None;
        if image.progs.iter().any(|prog| !prog.core_relocs.is_empty()) {
            fitted = Some(kernel::fit_report(image, &self.file, self.btf.as_deref())?);
        }
        if image.unfilled().is_some() {
            kernel::fit_config(image, &self.file, self.kconfig.as_deref())?;
        }
        if let Some((report, types)) = fitted {
            return Ok((Some(Arc::new(types)), report));
        }
        let own = Path::new(kernel::TYPES);
        let types = match self.btf.as_deref() {
            Some(path) => Some(kernel::types(path)?),
            None if own.exists() => kernel::types(own).ok(),
            None => None,
        };
        Ok((types.map(Arc::new), Report::default()))
    }
}

/// Whether it is the object that is at fault, whatever its programs do.
fn is_of_object(reject: &Reject) -> bool {
    reject.facts.iter().any(|fact| matches!(fact, Fact::Wrong { .. }))
}

impl Sum {
    /// Whether a refusal is the object's and was told of another program.
    fn is_told(&mut self, checked: &Checked<'_>) -> bool {
        let Verdict::Rejected(rejection) = &checked.verdict else { return false };
        let reject = &rejection.reject;
        if !is_of_object(reject) {
            return false;
        }
        if self.of_object.as_ref() == Some(reject) {
            self.likewise += 1;
            return true;
        }
        self.of_object = Some(reject.clone());
        false
    }

    fn add(&mut self, checked: &Checked<'_>) {
        match &checked.verdict {
            Verdict::Accepted(_) => {}
            Verdict::Rejected(rejection) => {
                let rule = rejection.reject.rule;
                if !self.refused.contains(&rule) {
                    self.refused.push(rule);
                }
            }
            Verdict::Unsupported(_) => self.unsupported = true,
        }
    }
}
