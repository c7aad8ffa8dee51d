//! What the kernel said.

use serde_json::{Value, json};

/// The kernel's decision, as far as it is one of its verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The program may run.
    Accepted,
    /// It may not.
    Rejected,
    /// The verifier was not asked: a map could not be made, a function to attach to is missing.
    Environment,
}

impl Verdict {
    /// In one word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Environment => "environment",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Accepted, Self::Rejected, Self::Environment].into_iter().find(|v| v.name() == name)
    }
}

/// The kernel's answer about one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What it decided.
    pub verdict: Verdict,
    /// Its error, 0 for none.
    pub errno: i32,
    /// Where the program was refused, as far as the log tells.
    pub insn: Option<u32>,
    /// The last line of the log that is no statistics; why the verifier was not asked.
    pub last: String,
    /// The end of the log, for programs that are refused.
    pub log: String,
    /// Instructions that were simulated.
    pub processed: u32,
    /// States that were kept.
    pub states: u32,
    /// Time in the verifier, in microseconds.
    pub usec: u64,
}

/// Bytes of a log that are kept.
const KEPT: usize = 6 << 10;

impl Answer {
    /// The verifier was not asked.
    #[must_use]
    pub fn environment(why: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Environment,
            errno: 0,
            insn: None,
            last: why.into(),
            log: String::new(),
            processed: 0,
            states: 0,
            usec: 0,
        }
    }

    /// From an error and the log; of an accepted program, the log has its statistics.
    #[must_use]
    pub fn from_log(verdict: Verdict, errno: i32, log: &str) -> Self {
        let said = |line: &&str| !line.is_empty() && !is_figure(line) && !is_state(line);
        let last = log.lines().rev().find(said);
        let last = last.unwrap_or_default().to_string();
        let number = |before: &str, after: &str| -> u64 {
            let found = log.lines().rev().take(12).find_map(|line| {
                let rest = &line[line.find(before)? + before.len()..];
                rest[..rest.find(after)?].parse().ok()
            });
            found.unwrap_or(0)
        };
        let insn = if verdict == Verdict::Rejected { place(log, &last) } else { None };
        let kept = if verdict == Verdict::Rejected { tail(log) } else { "" };
        Self {
            verdict,
            errno,
            insn,
            last: if verdict == Verdict::Accepted { String::new() } else { last },
            log: kept.to_string(),
            processed: u32::try_from(number("processed ", " insns")).unwrap_or(u32::MAX),
            states: u32::try_from(number("total_states ", " ")).unwrap_or(u32::MAX),
            usec: number("verification time ", " usec"),
        }
    }

    /// As an object of a JSON line.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "verdict": self.verdict.name(),
            "errno": self.errno,
            "insn": self.insn,
            "last": self.last,
            "processed": self.processed,
            "states": self.states,
            "usec": self.usec,
            "log": self.log,
        })
    }

    /// The inverse of [`Answer::to_json`].
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        let int = |key: &str| value[key].as_u64();
        let text = |key: &str| value[key].as_str().map(str::to_string);
        Some(Self {
            verdict: Verdict::from_name(value["verdict"].as_str()?)?,
            errno: i32::try_from(value["errno"].as_i64()?).ok()?,
            insn: int("insn").and_then(|insn| u32::try_from(insn).ok()),
            last: text("last")?,
            log: text("log")?,
            processed: u32::try_from(int("processed")?).ok()?,
            states: u32::try_from(int("states")?).ok()?,
            usec: int("usec")?,
        })
    }
}

/// Whether a line of a log is one of the statistics at its end.
pub(crate) fn is_figure(line: &str) -> bool {
    ["processed ", "verification time ", "stack depth "].iter().any(|s| line.starts_with(s))
}

/// Whether a line shows a state that the message before it speaks of.
fn is_state(line: &str) -> bool {
    ["cur state:", "old state:"].iter().any(|s| line.starts_with(s))
}

/// The last instruction that the log shows; if it shows none, the first that the message names.
fn place(log: &str, last: &str) -> Option<u32> {
    let shown = |line: &str| {
        let (number, rest) = line.split_once(": (")?;
        let hex = rest.get(..2)?.bytes().all(|b| b.is_ascii_hexdigit());
        (hex && rest.get(2..3) == Some(")")).then(|| number.parse().ok())?
    };
    if last.starts_with("BPF program is too large") {
        // Refused on the way to an instruction that is not shown.
        return None;
    }
    match last.starts_with("infinite loop") {
        // The loop is noticed before its instruction is shown once more.
        true => named_insn(last),
        false => log.lines().rev().find_map(shown).or_else(|| named_insn(last)),
    }
}

/// The first instruction that a message names.
pub(crate) fn named_insn(message: &str) -> Option<u32> {
    let rest = &message[message.find("insn ")? + 5..];
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn tail(log: &str) -> &str {
    let mut from = log.len().saturating_sub(KEPT);
    while !log.is_char_boundary(from) {
        from += 1;
    }
    &log[from..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "0: R1=ctx() R10=fp0\n0: (b7) r0 = 0                        ; R0=0\n\
                       12: (79) r2 = *(u64 *)(r0 +0)\nR0 invalid mem access 'scalar'\n\
                       verification time 42 usec\nstack depth 0\n\
                       processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 3 \
                       peak_states 1 mark_read 0\n";

    #[test]
    fn a_log_says_where_and_why() {
        let answer = Answer::from_log(Verdict::Rejected, 13, LOG);
        assert_eq!(answer.insn, Some(12));
        assert_eq!(answer.last, "R0 invalid mem access 'scalar'");
        assert_eq!((answer.processed, answer.states, answer.usec), (2, 3, 42));
        assert_eq!(Answer::from_json(&answer.to_json()), Some(answer));
    }

    #[test]
    fn a_structural_message_names_the_place_itself() {
        let answer =
            Answer::from_log(Verdict::Rejected, 22, "unreachable insn 7\nprocessed 0 insns\n");
        assert_eq!((answer.insn, answer.last.as_str()), (Some(7), "unreachable insn 7"));
    }

    #[test]
    fn a_loop_is_at_its_head() {
        let log = "0: (b7) r0 = 0\n1: (05) goto pc-2\ninfinite loop detected at insn 0\ncur state: R0=0\n";
        let answer = Answer::from_log(Verdict::Rejected, 22, log);
        assert_eq!((answer.insn, &*answer.last), (Some(0), "infinite loop detected at insn 0"));
        let log = "0: (05) goto pc-1\nBPF program is too large. Processed 1000001 insn\n";
        assert_eq!(Answer::from_log(Verdict::Rejected, 7, log).insn, None);
    }

    #[test]
    fn an_accepted_program_has_only_figures() {
        let answer = Answer::from_log(Verdict::Accepted, 0, LOG);
        assert_eq!((answer.insn, answer.last.as_str(), answer.log.as_str()), (None, "", ""));
        assert_eq!(answer.processed, 2);
    }
}
