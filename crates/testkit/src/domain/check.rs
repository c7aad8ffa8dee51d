//! What the kernel says of a plan.

use super::plan::{Expected, Place, Plan, Step, VALUE_SIZE};
use skep_abi::{MapType, ProgType};
use skep_isa::Pc;
use skep_sys::{AttachTo, Bpf, Kernel, MapCreate, MapFd, ProgLoad};
use std::collections::HashMap;

/// What came of a plan.
#[derive(Debug)]
pub struct Judged {
    /// Operations whose every result was seen and is equal.
    pub equal: Vec<Step>,
    /// States that the log did not show although it reached their instruction or branch.
    pub unseen: usize,
    /// What is wrong with the first operation that differs, if one does.
    pub difference: Option<String>,
}

/// The map that numbers come from.
///
/// # Errors
/// What the kernel says.
pub(super) fn memory() -> Result<MapFd, String> {
    let def = MapCreate::new("numbers", MapType::Array, 4, VALUE_SIZE, 1);
    Kernel.map_create(&def).map_err(|err| err.to_string())
}

/// Makes a plan of `steps` operations from the seed and asks the kernel.
///
/// # Errors
/// If the kernel does not take the program at all.
pub fn judge(steps: usize, seed: u64) -> Result<Judged, String> {
    let map = memory()?;
    let plan = Plan::new(Kernel.map_number(&map), steps, seed);
    let mut log = vec![0; 24 << 20];
    let def = ProgLoad {
        name: "numbers",
        prog_type: ProgType::SocketFilter,
        insns: &plan.insns.encode(),
        license: "GPL",
        flags: 0,
        attach_type: None,
        btf: None,
        // Every instruction, in one piece from the front.
        log_level: 2 | 8,
    };
    let verdict = Kernel.prog_judge(&def, AttachTo::default(), &mut log);
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    let log = String::from_utf8_lossy(&log[..end]).into_owned();
    let states = states(&log);
    let judged = compare(&plan, &states);
    match verdict {
        Ok(_) => Ok(judged),
        Err(_) if judged.difference.is_some() => Ok(judged),
        Err(err) => Err(format!("seed {seed}: {err}\n{}", last_lines(&log))),
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}

/// The first state of each register in each place.
type States<'a> = HashMap<Place, HashMap<u8, &'a str>>;

fn states(log: &str) -> States<'_> {
    let mut states = States::new();
    let mut at = None;
    for line in log.lines() {
        let (place, text) = if let Some(rest) = line.strip_prefix("from ") {
            let Some((place, text)) = origin(rest) else { continue };
            (place, text)
        } else {
            let Some((pc, rest)) = line.split_once(": ") else { continue };
            let Ok(pc) = pc.parse() else { continue };
            if rest.starts_with('(') {
                at = Some(Pc(pc));
                let Some((_, text)) = rest.split_once(';') else {
                    states.entry(Place::After(Pc(pc))).or_default();
                    continue;
                };
                (Place::After(Pc(pc)), text)
            } else {
                // The state of the last instruction, after words about something else.
                let Some(at) = at else { continue };
                (Place::After(at), rest)
            }
        };
        let known = states.entry(place).or_default();
        if known.is_empty() {
            *known = registers(text);
        }
    }
    states
}

/// `5 to 9: R0=…`
fn origin(rest: &str) -> Option<(Place, &str)> {
    let (from, rest) = rest.split_once(" to ")?;
    let (to, text) = rest.split_once(':')?;
    Some((Place::From(Pc(from.parse().ok()?), Pc(to.parse().ok()?)), text))
}

/// `R1=scalar(umax=9) R2_w=7 fp-8=…`; blanks may stand within parentheses.
fn registers(text: &str) -> HashMap<u8, &str> {
    let mut found = HashMap::new();
    let mut rest = text;
    while let Some(start) = rest.find('R') {
        rest = &rest[start + 1..];
        let mut depth = 0;
        let end = rest.find(|c| {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            c == ' ' && depth == 0
        });
        let (word, tail) = rest.split_at(end.unwrap_or(rest.len()));
        if let Some((name, state)) = word.split_once('=') {
            let number = name.split('_').next().unwrap_or(name);
            if let Ok(number) = number.parse() {
                found.insert(number, state);
            }
        }
        rest = tail;
    }
    found
}

/// The state without marks and identity, which are no part of a number; of a pointer, its distance.
fn plain(state: &str) -> String {
    if let Some((_, distance)) = state.split_once("vs=64") {
        return format!("scalar({}", distance.trim_start_matches(','));
    }
    let state = state.strip_prefix('P').unwrap_or(state);
    match state.strip_prefix("scalar(id=") {
        Some(rest) => {
            let end = rest.find([',', ')']).unwrap_or(0);
            format!("scalar({}", rest[end..].trim_start_matches(','))
        }
        None => state.to_string(),
    }
}

fn compare(plan: &Plan, states: &States<'_>) -> Judged {
    let mut judged = Judged { equal: Vec::new(), unseen: 0, difference: None };
    let mut expected: Vec<&Expected> = plan.expected.iter().collect();
    expected.sort_by_key(|expected| expected.step);
    for of_step in expected.chunk_by(|a, b| a.step == b.step) {
        let step = &plan.steps[of_step[0].step];
        let mut equal = true;
        for expected in of_step {
            match seen(states, expected) {
                Some(seen) if seen == expected.state.to_string() => {}
                Some(seen) => {
                    judged.difference = Some(differs(step, expected, &seen));
                    return judged;
                }
                None if is_reached(states, expected) => {
                    judged.difference = Some(differs(step, expected, "nothing"));
                    return judged;
                }
                None => equal = false,
            }
        }
        if equal {
            judged.equal.push(*step);
        } else {
            judged.unseen += 1;
        }
    }
    if let Some(&(place, step)) = plan.dead.iter().find(|(place, _)| states.contains_key(place)) {
        let step = &plan.steps[step];
        judged.difference = Some(describe(step, place, "the path is gone", "the path is dead"));
    }
    judged
}

fn seen(states: &States<'_>, expected: &Expected) -> Option<String> {
    let states = states.get(&expected.place)?;
    states.get(&expected.reg.num()).map(|state| plain(state))
}

/// Whether the log has come as far as where the state was expected.
fn is_reached(states: &States<'_>, expected: &Expected) -> bool {
    let (Place::After(pc) | Place::From(pc, _)) = expected.place;
    states.contains_key(&Place::After(pc))
}

fn differs(step: &Step, expected: &Expected, seen: &str) -> String {
    let have = format!("{} = {}", expected.reg, expected.state);
    describe(step, expected.place, seen, &have)
}

fn describe(step: &Step, place: Place, want: &str, have: &str) -> String {
    let place = match place {
        Place::After(pc) => format!("after {pc}"),
        Place::From(from, to) => format!("from {from} to {to}"),
    };
    format!("{place}\nwant {want}\nhave {have}\n{step}")
}
