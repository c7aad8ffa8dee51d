//! `skep check`: would a kernel take these programs, and if not, why?

mod json;

use crate::diags;
use crate::failure::{Failure, Kind, visible};
use crate::file;
use crate::kernel;
use crate::load;
use crate::term::{Out, Term};
use skep::verifier::{Caps, Verdict};
use skep::{CheckOptions, Checked, Image, Prog, Release, check, explain, read_image};
use skep_btf::Btf;
use skep_diag::Source;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Check the programs of an object or assembly text as a kernel's verifier does, and explain refusals.
///
/// No kernel and no privileges are needed. Programs that depend on a kernel's types are checked against
/// those of the running kernel, or of the file that --btf names.
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
    /// Configuration of the kernel: a file as /proc/config.gz, or lines as CONFIG_HZ=250.
    #[arg(long, value_name = "FILE")]
    kconfig: Option<PathBuf>,
    /// Releases whose verdict is asked for, for example 6.12,6.18.
    #[arg(long, value_name = "RELEASE", value_delimiter = ',', value_parser = release, default_value = "6.18")]
    kernel: Vec<Release>,
    /// Check as for a user without any privilege.
    #[arg(long)]
    unprivileged: bool,
    /// Show what checking cost, by source line.
    #[arg(long, conflicts_with = "json")]
    cost: bool,
    /// Print JSON, a program and release on a line.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  skep check examples/xdp_flows.o
  skep check prog.o --kernel 6.12,6.18
  skep check prog.s --unprivileged
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

/// What all programs together came to.
#[derive(Default)]
struct Sum {
    refused: bool,
    unsupported: bool,
}

impl Check {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        let bytes = file::read(&self.file)?;
        let name = file::name(&self.file);
        let read = read_image(&bytes, &name.to_string_lossy())
            .map_err(|err| file::failure(&self.file, &bytes, err))?;
        file::warn(&self.file, &bytes, &read.warnings, &mut term.err)?;
        let mut image = read.image;
        if let Some(prog) = self.prog.as_deref() {
            skep::choose(&image, Some(prog)).map_err(|err| load::failure(&self.file, &err))?;
        }
        let types = self.fit(&mut image, term)?;
        let mut sum = Sum::default();
        let asked = image
            .progs
            .iter()
            .filter(|prog| self.prog.as_deref().is_none_or(|name| prog.name == name));
        for prog in asked {
            for &release in &self.kernel {
                let options = CheckOptions {
                    types: types.clone(),
                    caps: if self.unprivileged { Caps::NONE } else { Caps::ROOT },
                    ..CheckOptions::new(release)
                };
                let checked = check(&image, prog, &options);
                sum.add(&checked);
                self.show(&name, &image, prog, release, &checked, &mut term.out)?;
            }
        }
        match sum {
            Sum { refused: true, .. } => Err(Failure::Said(Kind::Input)),
            Sum { unsupported: true, .. } => Err(Failure::Said(Kind::Unsupported)),
            Sum { .. } => Ok(()),
        }
    }

    /// The types to check against, after the image was fitted to them.
    fn fit(&self, image: &mut Image, term: &mut Term<'_>) -> Result<Option<Arc<Btf>>, Failure> {
        let relocates = image.progs.iter().any(|prog| !prog.core_relocs.is_empty());
        if relocates {
            let first = image.progs.first().map(|prog| prog.name.clone()).unwrap_or_default();
            let name = self.prog.clone().unwrap_or(first);
            kernel::fit_types(image, &self.file, &name, self.btf.as_deref(), &mut term.err)?;
        }
        if image.unfilled().is_some() {
            kernel::fit_config(image, &self.file, self.kconfig.as_deref())?;
        }
        let own = Path::new("/sys/kernel/btf/vmlinux");
        match self.btf.as_deref() {
            Some(path) => Ok(Some(Arc::new(kernel::types(path)?))),
            None if own.exists() => Ok(kernel::types(own).ok().map(Arc::new)),
            None => Ok(None),
        }
    }

    fn show(
        &self,
        name: &Path,
        image: &Image,
        prog: &Prog,
        release: Release,
        checked: &Checked<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), Failure> {
        if self.json {
            return Ok(json::write(prog, release, checked, out)?);
        }
        let title = if self.kernel.len() > 1 {
            format!("{}, Linux {release}", visible(&prog.name))
        } else {
            visible(&prog.name).to_string()
        };
        let file = name.display();
        match &checked.verdict {
            Verdict::Accepted(verified) => {
                let stats = verified.stats();
                let stack: u32 = stats.stack.iter().sum();
                let good = out.style.good;
                writeln!(
                    out,
                    "{file}: {title}: {good}accepted{good:#}, {} instructions followed, {} states, {stack} bytes of stack",
                    stats.insns, stats.total_states
                )?;
                if self.cost {
                    cost(prog, &stats.visits, out)?;
                }
            }
            Verdict::Rejected(rejection) => {
                let bad = out.style.error;
                writeln!(out, "{file}: {title}: {bad}refused{bad:#}")?;
                if let Some(explained) = explain(image, prog, checked) {
                    let source = Source::new(&explained.name, &explained.text);
                    diags::show(&[explained.diagnostic], &source, out)?;
                }
                if self.cost {
                    cost(prog, &rejection.stats.visits, out)?;
                }
            }
            Verdict::Unsupported(what) => {
                let warning = out.style.warning;
                let place = what.pc.map_or_else(String::new, |pc| format!(" (insn {pc})"));
                writeln!(
                    out,
                    "{file}: {title}: {warning}no verdict{warning:#}, {}{place} is not modelled",
                    visible(&what.what)
                )?;
            }
        }
        Ok(())
    }
}

impl Sum {
    fn add(&mut self, checked: &Checked<'_>) {
        match checked.verdict {
            Verdict::Accepted(_) => {}
            Verdict::Rejected(_) => self.refused = true,
            Verdict::Unsupported(_) => self.unsupported = true,
        }
    }
}

/// Source lines that took the most, or instructions where there are no lines.
const COST_LINES: usize = 20;

/// What it cost, the most first.
fn cost(prog: &Prog, visits: &[u32], out: &mut Out<'_>) -> Result<(), Failure> {
    let mut lines: Vec<(u64, String)> = Vec::new();
    let mut last = None;
    for (pc, _) in prog.insns.iter() {
        let times = u64::from(visits.get(pc.index()).copied().unwrap_or(0));
        let line = prog.line_at(pc);
        let key = line.map(|line| (line.file.clone(), line.line));
        if key.is_some() && key == last {
            if let Some((sum, _)) = lines.last_mut() {
                *sum += times;
            }
            continue;
        }
        last = key;
        let text = match line {
            Some(line) => format!("{}:{}: {}", line.file, line.line, line.text.trim()),
            None => format!("insn {pc}"),
        };
        lines.push((times, text));
    }
    let mut merged: Vec<(u64, String)> = Vec::new();
    for (times, text) in lines {
        match merged.iter_mut().find(|(_, known)| *known == text) {
            Some((sum, _)) => *sum += times,
            None => merged.push((times, text)),
        }
    }
    merged.sort_by_key(|(times, _)| std::cmp::Reverse(*times));
    for (times, text) in merged.iter().take(COST_LINES).filter(|(times, _)| *times > 0) {
        writeln!(out, "  {times:>8}  {}", visible(text))?;
    }
    Ok(())
}
