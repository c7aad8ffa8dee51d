//! The kernel's sentences in words of the program.
//!
//! What a rule is about is often known only from the sentence that the kernel ends with. Each is a pattern
//! in [`table`], in which `*` stands for what differs, with a title and with what would do. Titles hold
//! `{…}`, which is filled in:
//!
//! | | |
//! |---|---|
//! | `{1}` | what the first `*` stands for |
//! | `{1st+1}` | it as an ordinal, counted from one |
//! | `{kind:1}` | it as a kind of pointer, in words |
//! | `{ctype:1}` | it as a type of C |
//! | `{map:1}` | it as a type of map |
//! | `{name}` `{what}` | the value in question, and what is known of it |
//! | `{where}` | what the value leads to |
//! | `{base}` | the value without what was added |
//! | `{call}` | the function that is called |
//! | `{through}` | the access, as it stands in the source; of a call the function |
//! | `{kind}` | the type of the program, before a noun |
//! | `{owner}` | the program or its function |

mod table;

use super::Cx;
use skep_abi::MapType;
use skep_isa::Pc;
use table::TABLE;

/// A sentence of the kernel's, in other words.
pub(super) struct Told {
    /// The sentence, a whole line of the log.
    says: &'static str,
    /// In the words of the program.
    title: &'static str,
    /// What would do; may be empty.
    help: &'static str,
}

/// A sentence that was found, with what its `*` stand for.
type Found<'a> = (&'static Told, Vec<&'a str>);

/// The first of the table that one of the lines looks like.
fn find(kernel: &str) -> Option<Found<'_>> {
    TABLE.iter().find_map(|told| {
        let fit = kernel.lines().rev().find_map(|line| captures(told.says, line.trim()))?;
        Some((told, fit))
    })
}

/// What the `*` of a pattern stand for in a line, if it looks like that.
fn captures<'a>(pattern: &str, line: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = pattern.split('*').peekable();
    let mut rest = line.strip_prefix(parts.next()?)?;
    let mut all = Vec::new();
    if parts.peek().is_none() {
        return rest.is_empty().then_some(all);
    }
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() {
            if !rest.ends_with(part) {
                return None;
            }
            rest.len().checked_sub(part.len())?
        } else {
            rest.find(part)?
        };
        all.push(rest.get(..at)?);
        rest = rest.get(at.checked_add(part.len())?..)?;
    }
    Some(all)
}

impl Cx<'_> {
    /// The title that the table has for what the kernel says.
    pub(super) fn told_title(&self) -> Option<String> {
        let (told, found) = find(&self.rejection.reject.kernel)?;
        Some(self.fill(told.title, &found))
    }

    /// The help that the table has for what the kernel says.
    pub(super) fn told_help(&self) -> Option<String> {
        let (told, found) = find(&self.rejection.reject.kernel)?;
        (!told.help.is_empty()).then(|| self.fill(told.help, &found))
    }

    /// A text with its `{…}` filled in.
    fn fill(&self, text: &str, found: &[&str]) -> String {
        let mut full = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (key, after) = after.split_once('}').unwrap_or((after, ""));
            full.push_str(before);
            match self.filling(key, found) {
                Some(value) => full.push_str(&value),
                // `= {}` and the like stand for themselves.
                None => full.push_str(&format!("{{{key}}}")),
            }
            rest = after;
        }
        full.push_str(rest);
        full.replace("`struct (anon)`", "an anonymous structure")
            .replace("`(anon)`", "without name")
    }

    fn filling(&self, key: &str, found: &[&str]) -> Option<String> {
        let capture = |n: &str| n.parse::<usize>().ok()?.checked_sub(1).and_then(|n| found.get(n));
        if let Some((which, n)) = key.split_once(':') {
            let value = *capture(n)?;
            return Some(match which {
                "kind" => kind_of(value),
                "ctype" => c_type(value),
                _ => map_type(value),
            });
        }
        if let Some((which, more)) = key.split_once('+') {
            let value = *capture(which.get(..1)?)?;
            return Some(ordinal(value.parse::<u32>().ok()?.saturating_add(more.parse().ok()?)));
        }
        Some(match key {
            "name" => self.subject(),
            "what" => self.what(),
            "where" => {
                self.reg().map_or_else(|| "memory".into(), |(_, state)| self.words.target(&state))
            }
            "base" => self
                .reg()
                .map_or_else(|| "the pointer".into(), |(_, state)| self.words.region(&state)),
            "call" => self.callee(),
            "through" => self.through(),
            "kind" => self.kind(),
            "owner" => self.owner(),
            _ => (*capture(key)?).to_string(),
        })
    }

    /// The program, or the function that is at fault.
    fn owner(&self) -> String {
        let pc = self.rejection.pc.unwrap_or(Pc(0));
        match self.prog.subprog_at(pc) {
            Some(sub) if sub.start != Pc(0) && !sub.name.is_empty() => format!("`{}`", sub.name),
            _ => "the program".into(),
        }
    }
}

/// A kind of pointer that the kernel names, in words: `untrusted_ptr_sock`.
fn kind_of(text: &str) -> String {
    let plain = text.trim().trim_end_matches("_or_null");
    let known = match plain {
        "map_value" => "a pointer to a map value",
        "map_key" => "a pointer to a map key",
        "map_ptr" => "a map",
        "fp" => "a pointer to the stack",
        "ctx" => "the context",
        "pkt" => "a pointer into the packet",
        "pkt_meta" => "a pointer to the packet's metadata",
        "pkt_end" => "the end of the packet",
        "sock" | "sock_common" | "tcp_sock" | "xdp_sock" => "a pointer to a socket",
        "flow_keys" => "a pointer to the flow keys",
        "mem" | "ringbuf_mem" | "buf" => "a pointer to memory",
        "rdonly_mem" | "rdonly_buf" => "a pointer to read-only memory",
        "dynptr_ptr" => "a dynptr",
        "func" => "a function of the program",
        "scalar" => "a number",
        _ => "",
    };
    if !known.is_empty() {
        return known.into();
    }
    let Some((before, name)) = plain.split_once("ptr_") else { return "a pointer".into() };
    let name = name.trim_start_matches("or_null_");
    let of =
        if name.is_empty() { "a kernel structure".to_string() } else { format!("`struct {name}`") };
    if before.contains("percpu_") {
        format!("a per-CPU pointer to {of}")
    } else if before.contains("untrusted_") {
        format!("a pointer to {of} that may not be valid")
    } else {
        format!("a pointer to {of}")
    }
}

/// A type that the kernel names by kind and name, as C does: `FWD S`.
fn c_type(text: &str) -> String {
    match text.split_once(' ') {
        Some(("STRUCT" | "FWD", name)) => format!("struct {name}"),
        Some(("UNION", name)) => format!("union {name}"),
        Some(("ENUM" | "ENUM64", name)) => format!("enum {name}"),
        Some((_, name)) if !name.is_empty() => name.to_string(),
        _ => "a type".into(),
    }
}

/// The name of a type of map that the kernel gives by number.
fn map_type(number: &str) -> String {
    let known = number.parse::<u32>().ok().and_then(MapType::from_number);
    known.map_or_else(|| number.to_string(), |known| known.name().to_string())
}

/// `1st`, `2nd`, …
pub(super) fn ordinal(n: u32) -> String {
    let end = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_are_what_stars_stand_for() {
        let fits = |pattern, line| captures(pattern, line);
        assert_eq!(fits("div by zero", "div by zero"), Some(vec![]));
        assert_eq!(fits("div by zero", "div by zero!"), None);
        assert_eq!(fits("R* off=* !", "R1 off=-4 !"), Some(vec!["1", "-4"]));
        assert_eq!(fits("R* off=*", "R1 off=-4"), Some(vec!["1", "-4"]));
        assert_eq!(fits("a*b*b", "ab"), None);
        assert_eq!(fits("*_unlock", "bpf_spin_unlock"), Some(vec!["bpf_spin"]));
    }

    #[test]
    fn ordinals_end_as_people_say_them() {
        let all = [1, 2, 3, 4, 11, 12, 13, 21, 112].map(ordinal);
        assert_eq!(all, ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th"]);
    }

    #[test]
    fn sentences_can_be_reached() {
        // A sentence that an earlier one covers would never be told.
        for (at, told) in TABLE.iter().enumerate() {
            let line = told.says.replace('*', "7");
            let first = TABLE.iter().position(|one| captures(one.says, &line).is_some());
            assert_eq!(first, Some(at), "{}", told.says);
        }
    }

    #[test]
    fn words_are_plain() {
        let leaks = [" ptr_", "_or_null", "PTR_TO", "pkt_end", "map_ptr", "R1"];
        for told in TABLE {
            for leak in leaks {
                assert!(!told.title.contains(leak) && !told.help.contains(leak), "{}", told.title);
            }
            assert!(!told.title.ends_with('.') && !told.help.ends_with('.'), "{}", told.title);
        }
    }
}
