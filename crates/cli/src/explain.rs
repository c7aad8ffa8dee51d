//! `skep explain`: what a rule of the verifier means, and what a kernel's log tells.

use crate::check::json::refusal;
use crate::diags;
use crate::failure::{Failure, Kind, visible};
use crate::file;
use crate::term::Out;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use skep::explain_log;
use skep::verifier::{Rule, read_log};
use skep_diag::Source;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Explain a rule of the verifier, with a program that keeps it and one that breaks it; or the log of a
/// kernel that refused a program.
///
/// Refusals begin with the name of the rule: error[mem.packet]. Without a name, all rules are listed.
/// Logs of any release are understood, alone or as bpftool and libbpf print them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  skep explain mem.packet
  skep explain
  bpftool prog load prog.o /sys/fs/bpf/p 2>&1 | skep explain --log -

Exit codes:
  0  explained
  1  the file is no log of a refusal
  2  the arguments are wrong
  3  the file is missing")]
pub(crate) struct Explain {
    /// Name of the rule.
    #[arg(value_parser = rules(), hide_possible_values = true)]
    rule: Option<Rule>,

    /// Explain the refusal that this log of the kernel's verifier tells of; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "rule")]
    log: Option<PathBuf>,

    /// Print JSON.
    #[arg(long, requires = "log")]
    json: bool,
}

/// The name of a rule, which shells can complete and mistakes in which are told.
fn rules() -> impl TypedValueParser<Value = Rule> {
    let names = Rule::ALL.iter().map(|rule| PossibleValue::new(rule.name()).help(rule.summary()));
    PossibleValuesParser::new(names).try_map(|name| {
        Rule::ALL.iter().copied().find(|rule| rule.name() == name).ok_or("there is no such rule")
    })
}

impl Explain {
    pub(crate) fn run(&self, out: &mut Out<'_>) -> Result<(), Failure> {
        if let Some(path) = self.log.as_deref() {
            return self.log(path, out);
        }
        let plain = anstyle::Style::new();
        let Some(rule) = self.rule else {
            let widest = Rule::ALL.iter().map(|rule| rule.name().len()).max().unwrap_or(0);
            for rule in Rule::ALL {
                let name = format!("{:<widest$}", rule.name());
                out.wrapped(0, &[(plain, &name), (plain, " "), (plain, rule.summary())])?;
            }
            return Ok(());
        };
        // Examples are not broken: they are to be copied. Paragraphs are, where the terminal ends.
        let text = skep::rule_markdown(rule);
        let (mut is_example, mut paragraph) = (false, String::new());
        for line in text.lines() {
            if !is_example && !line.is_empty() && !line.starts_with("```") {
                paragraph += if paragraph.is_empty() { "" } else { " " };
                paragraph += line.trim_start_matches("## ");
                continue;
            }
            if !paragraph.is_empty() {
                out.wrapped(0, &[(plain, &paragraph)])?;
                paragraph.clear();
            }
            match line.strip_prefix("```") {
                Some(_) => is_example = !is_example,
                None if is_example && !line.is_empty() => writeln!(out, "    {line}")?,
                None => writeln!(out)?,
            }
        }
        if !paragraph.is_empty() {
            out.wrapped(0, &[(plain, &paragraph)])?;
        }
        Ok(())
    }

    /// Tells what a log tells.
    fn log(&self, path: &Path, out: &mut Out<'_>) -> Result<(), Failure> {
        let (bytes, name) = (file::read(path)?, file::name(path));
        let log = read_log(&String::from_utf8_lossy(&bytes))
            .map_err(|err| Failure::at(Kind::Input, &name, &err))?;
        let explained = explain_log(&log);
        if self.json {
            if let Some(prog) = log.prog() {
                writeln!(out, "{}", refusal(prog, &log.rejection, explained.as_ref()))?;
            }
            return Ok(());
        }
        let Some(explained) = explained else { return Ok(()) };
        let rule = log.rejection.reject.rule;
        diags::show(&[explained.diagnostic], &Source::new(&explained.name, &explained.text), out)?;
        writeln!(out, "skep explain {} says more about the rule", visible(rule.name()))?;
        Ok(())
    }
}
