//! `corpus/domain`: numbers, what is done to them, and what comes of it.
//!
//! Most cases are from the log of a running kernel. `UPDATE=1 cargo test` writes the results anew.

use skep_domain::{
    AluOp, Circular, Cmp, Domain, Scalar, Scalar612, Width, is_branch_taken, refine, refine_same,
};
use std::fmt::{Debug, Write};
use std::path::Path;
use std::{env, fs};

#[test]
fn the_corpus_comes_out_as_written() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/domain");
    let mut files: Vec<_> =
        fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "no cases: a moved directory must not pass");
    let mut failures = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut out = String::new();
        for block in text.trim_end().split("\n\n") {
            let new = match block {
                _ if block.starts_with('#') => block.to_string(),
                _ if block.contains("\ndo: ") => replay_in_releases(block),
                _ => replay(block),
            };
            if new != block {
                failures.push(format!("{}:\n{new}", file.display()));
            }
            write!(out, "{new}\n\n").unwrap();
        }
        if env::var_os("UPDATE").is_some() {
            fs::write(&file, out.trim_end().to_string() + "\n").unwrap();
        }
    }
    let failed = failures.len();
    assert!(failed == 0, "{failed} differ; this is what came out:\n{}", failures.join("\n"));
}

/// The case with its results as they are.
fn replay(block: &str) -> String {
    let key = |line: &str| line.split(':').next().unwrap_or_default().to_string();
    let field = |name: &str| {
        let value = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no `{name}` in:\n{block}"))
    };
    let scalar = |name: &str| -> Scalar {
        field(name).parse().unwrap_or_else(|err| panic!("{name}: {err}, in:\n{block}"))
    };
    let known = ["case", "op", "a", "b", "result", "decided", "taken", "else"];
    assert!(block.lines().all(|line| known.contains(&&key(line)[..])), "unknown key in:\n{block}");
    let a = scalar("a");
    let b = || if field("b") == "the same" { None } else { Some(scalar("b")) };
    let words: Vec<&str> = field("op").split(' ').collect();
    let results = match words[..] {
        ["if", cmp, bits] => branch(&a, b(), named(&Cmp::ALL, cmp), width(bits)),
        _ => format!("result: {}", result(&a, b, &words)),
    };
    let given = block.lines().filter(|line| known[..4].contains(&&key(line)[..]));
    given.chain(results.lines()).collect::<Vec<_>>().join("\n")
}

/// A case that is done in each release.
fn replay_in_releases(block: &str) -> String {
    let given = block.lines().filter(|line| line.starts_with("case: ") || line.starts_with("do: "));
    let results = [
        format!("6.12: {}", chain::<Scalar612>(block)),
        format!("6.18: {}", chain::<Scalar>(block)),
        format!("7.2: {}", chain::<Circular>(block)),
    ];
    let asked =
        block.lines().filter(|line| !line.starts_with("case: ") && !line.starts_with("do: "));
    let asked: Vec<&str> = asked.map(|line| line.split(": ").next().unwrap_or(line)).collect();
    assert_eq!(asked, ["6.12", "6.18", "7.2"], "releases of:\n{block}");
    given.map(String::from).chain(results).collect::<Vec<_>>().join("\n")
}

/// What the steps make of a number, or which way is never gone.
fn chain<D: Domain>(block: &str) -> String {
    let mut number = D::UNKNOWN;
    for step in block.lines().filter_map(|line| line.strip_prefix("do: ")) {
        let words: Vec<&str> = step.split(' ').collect();
        let value = |text: &str| text.parse::<i64>().expect("a number").cast_unsigned();
        let size = |text: &str| text.parse().expect("a size");
        match words[..] {
            ["load", bytes] => number.coerce_to_size(size(bytes)),
            ["load", "signed", bytes] => number.sext(size(bytes)),
            ["swap", bytes] => number.swap_bytes(size(bytes)),
            ["neg", bits] => number = D::alu(AluOp::Neg, width(bits), &number, &number),
            [side @ ("if" | "else"), cmp, bits, by] => {
                let (cmp, by) = (named(&Cmp::ALL, cmp), D::constant(value(by)));
                let taken = D::is_branch_taken(&number, &by, cmp, width(bits));
                if taken.is_some_and(|taken| taken != (side == "if")) {
                    return format!("never `{step}`");
                }
                if taken.is_none() {
                    let [yes, no] = D::refine(&number, &by, cmp, width(bits));
                    number = if side == "if" { yes.0 } else { no.0 };
                }
            }
            [op, bits, by] => {
                let (op, by) = (named(&AluOp::ALL, op), D::constant(value(by)));
                let a = D::fork(op, &number, &by).map_or(number, |[goes_on, _]| goes_on);
                number = D::alu(op, width(bits), &a, &by);
            }
            _ => panic!("no such step: {step}"),
        }
    }
    number.to_string()
}

fn result(a: &Scalar, b: impl Fn() -> Option<Scalar>, words: &[&str]) -> Scalar {
    let mut out = *a;
    let size = |text: &str| text.parse().expect("a size");
    match *words {
        ["sync"] => out.sync(),
        ["zext"] => out.zext(),
        ["sext", from] => out.sext(size(from)),
        ["sext-subreg", from] => out.sext_subreg(size(from)),
        ["swap", "le", bytes] => out.coerce_to_size(size(bytes)),
        ["swap", "be" | "always", bytes] => out.swap_bytes(size(bytes)),
        ["neg", bits] => out = Scalar::alu(AluOp::Neg, width(bits), a, a),
        [op, bits] => {
            let (op, b) = (named(&AluOp::ALL, op), b().unwrap_or(*a));
            let a = Scalar::fork(op, a, &b).map_or(*a, |[goes_on, _]| goes_on);
            out = Scalar::alu(op, width(bits), &a, &b);
        }
        _ => panic!("no such operation: {words:?}"),
    }
    out
}

fn branch(a: &Scalar, b: Option<Scalar>, cmp: Cmp, width: Width) -> String {
    let other = b.unwrap_or(*a);
    if let Some(taken) = is_branch_taken(a, &other, cmp, width) {
        return format!("decided: {}", if taken { "always" } else { "never" });
    }
    let [(p, q), (r, s)] = match b {
        Some(b) => refine(a, &b, cmp, width),
        None => refine_same(a, cmp, width).map(|x| (x, x)),
    };
    format!("taken: {p} | {q}\nelse: {r} | {s}")
}

fn named<T: Copy + Debug>(all: &[T], name: &str) -> T {
    let found = all.iter().find(|value| format!("{value:?}").to_lowercase() == name);
    *found.unwrap_or_else(|| panic!("no such operation: {name}"))
}

fn width(bits: &str) -> Width {
    match bits {
        "32" => Width::W32,
        "64" => Width::W64,
        _ => panic!("no such width: {bits}"),
    }
}
