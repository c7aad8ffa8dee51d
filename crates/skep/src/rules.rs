//! The rules with examples: what `docs/rules.md` shows.

use skep_verifier::Rule;
use std::fmt::Write;

const TEXTS: &[&str] = &[
    include_str!("../../../corpus/rules/control.txt"),
    include_str!("../../../corpus/rules/values.txt"),
    include_str!("../../../corpus/rules/memory.txt"),
    include_str!("../../../corpus/rules/calls.txt"),
];
const SOURCE: &str = include_str!("../../../corpus/rules/rules.bpf.c");
const OBJECT: &[u8] = include_bytes!("../../../corpus/rules/rules.o");

/// What an example is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Assembly, a whole text.
    Assembly,
    /// C, a function of an object with this name.
    C(String),
}

/// A program that keeps or breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// What it is written in.
    pub written: Written,
    /// The text as people read it.
    pub text: String,
    /// The whole text, where parts of it are repeated.
    full: String,
    /// Whether it is loaded without any privilege.
    pub unprivileged: bool,
}

impl Example {
    /// A file with the program, and its name in there.
    #[must_use]
    pub fn file(&self) -> (&[u8], &'static str, Option<&str>) {
        match &self.written {
            Written::Assembly => (self.full.as_bytes(), "example.s", None),
            Written::C(name) => (OBJECT, "rules.o", Some(name)),
        }
    }
}

/// A rule with what there is to say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// The rule.
    pub rule: Rule,
    /// A few sentences: what it means, why, what to do.
    pub about: String,
    /// A program that keeps it.
    pub accepted: Option<Example>,
    /// A program that breaks it.
    pub refused: Option<Example>,
}

/// What there is to say about a rule.
///
/// ```
/// let text = skep::rule_text(skep::verifier::Rule::PtrNull);
/// assert!(text.refused.unwrap().text.contains("bpf_map_lookup_elem"));
/// ```
#[must_use]
pub fn rule_text(rule: Rule) -> RuleText {
    let mut found = RuleText { rule, about: String::new(), accepted: None, refused: None };
    let head = format!("== {}", rule.name());
    let mut lines = TEXTS.iter().flat_map(|text| text.lines()).skip_while(|line| *line != head);
    lines.next();
    let mut current: Option<(bool, Example, Option<u32>)> = None;
    let mut done = Vec::new();
    for line in lines.take_while(|line| !line.starts_with("== ") && !line.starts_with("# Rules")) {
        match header(line) {
            Some(next) => done.extend(current.replace(next)),
            None => match &mut current {
                Some((_, example, _)) if example.written == Written::Assembly => {
                    example.text.push_str(line);
                    example.text.push('\n');
                }
                Some(_) => {}
                None if line == "none" => {}
                None => {
                    found.about.push_str(line);
                    found.about.push('\n');
                }
            },
        }
    }
    done.extend(current);
    for (keeps, mut example, repeat) in done {
        match &example.written {
            Written::C(name) => example.text = function(name),
            Written::Assembly => {
                let text = format!("{}\n", example.text.trim_end());
                example.full = expand(&text, repeat.unwrap_or(1));
                example.text = shown(&text, repeat);
            }
        }
        *(if keeps { &mut found.accepted } else { &mut found.refused }) = Some(example);
    }
    found.about.truncate(found.about.trim_end().len());
    found
}

/// `accept:`, `refuse unprivileged:`, `refuse repeat 300:`, `accept: name_of_function`.
fn header(line: &str) -> Option<(bool, Example, Option<u32>)> {
    let (head, name) = line.split_once(':')?;
    let mut words = head.split(' ');
    let keeps = match words.next()? {
        "accept" => true,
        "refuse" => false,
        _ => return None,
    };
    let (mut unprivileged, mut repeat) = (false, None);
    while let Some(word) = words.next() {
        match word {
            "unprivileged" => unprivileged = true,
            "repeat" => repeat = words.next()?.parse().ok(),
            _ => return None,
        }
    }
    let written = match name.trim() {
        "" => Written::Assembly,
        name => Written::C(name.into()),
    };
    let example = Example { written, text: String::new(), full: String::new(), unprivileged };
    Some((keeps, example, repeat))
}

/// The text with each run of lines that begin with `@` repeated, `#` in them the number of the round.
fn expand(text: &str, times: u32) -> String {
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(first) = line.strip_prefix('@') else {
            let _ = writeln!(out, "{line}");
            continue;
        };
        let mut block = vec![first];
        // A line without indentation begins a block of its own.
        while let Some(next) = lines.peek().and_then(|line| line.strip_prefix('@'))
            && next.starts_with(' ')
            && !block[0].starts_with(' ')
            && !block[0].starts_with('.')
        {
            block.push(next);
            lines.next();
        }
        for round in 0..times {
            for line in &block {
                let _ = writeln!(out, "{}", line.replace('#', &round.to_string()));
            }
        }
    }
    out
}

/// The text for people, with a word on what is repeated.
fn shown(text: &str, repeat: Option<u32>) -> String {
    let Some(times) = repeat else { return text.into() };
    let mut out = format!("; lines with # stand {times} times, # being 0, 1, 2 and on\n");
    for line in text.lines() {
        let _ = writeln!(out, "{}", line.strip_prefix('@').unwrap_or(line));
    }
    out
}

/// The text of a function, from its section on, with the functions before it that it calls.
fn function(name: &str) -> String {
    let lines: Vec<&str> = SOURCE.lines().collect();
    let begins = |line: &&str| {
        line.contains(&format!(" {name}(")) && !line.starts_with(' ') && !line.ends_with(';')
    };
    let Some(at) = lines.iter().position(begins) else { return String::new() };
    let start = lines[..at].iter().rposition(|line| line.starts_with("SEC(")).unwrap_or(at);
    let end = lines[at..].iter().position(|line| *line == "}").map_or(at, |len| at + len);
    let mut out = String::new();
    for line in &lines[start..=end.min(lines.len() - 1)] {
        let _ = writeln!(out, "{line}");
    }
    out
}

/// `docs/rules.md`.
#[must_use]
pub fn rules_markdown() -> String {
    let mut out = String::from(
        "# The rules\n\n\
         What the verifier demands of a program, by the names that `skep check` prints. Every rule has a\n\
         program that keeps it and one that breaks it, which tests run through the verifier. Examples in C\n\
         stand in [`corpus/rules/rules.bpf.c`](../corpus/rules/rules.bpf.c), with the types and maps that they use.\n\n\
         This file is made from `corpus/rules`: `UPDATE=1 cargo test -p skep --test rules`.\n",
    );
    for &rule in Rule::ALL {
        out.push('\n');
        out += &rule_markdown(rule);
    }
    out
}

/// The part of `docs/rules.md` about one rule.
#[must_use]
pub fn rule_markdown(rule: Rule) -> String {
    let text = rule_text(rule);
    let mut out = format!("## {}\n\n{} `{}`\n", rule.name(), rule.summary(), rule.errno().name());
    for line in wrap(&text.about, 110) {
        let _ = write!(out, "\n{line}");
    }
    out.push('\n');
    for (example, what) in [(&text.accepted, "Accepted"), (&text.refused, "Refused")] {
        let Some(example) = example else { continue };
        let who = if example.unprivileged { ", without privileges" } else { "" };
        let lang = if example.written == Written::Assembly { "text" } else { "c" };
        let _ = write!(out, "\n{what}{who}:\n\n```{lang}\n{}```\n", example.text);
    }
    out
}

/// Lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}
