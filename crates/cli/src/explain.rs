//! `skep explain`: what a rule of the verifier means.

use crate::failure::Failure;
use crate::term::Out;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use skep::verifier::Rule;
use std::io::Write;

/// Explain a rule of the verifier, with a program that keeps it and one that breaks it.
///
/// Refusals begin with the name of the rule: error[mem.packet]. Without a name, all rules are listed.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  skep explain mem.packet
  skep explain")]
pub(crate) struct Explain {
    /// Name of the rule.
    #[arg(value_parser = rules(), hide_possible_values = true)]
    rule: Option<Rule>,
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
}
