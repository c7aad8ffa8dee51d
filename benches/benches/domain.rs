//! What arithmetic on sets of numbers costs.
//!
//! `cargo bench -p skep-benches --bench domain` does to the numbers of `corpus/domain` what verifiers do
//! most, and prints the nanoseconds of one operation, the least of many turns. `-- --test` makes one
//! turn.

use skep_domain::{AluOp, Cmp, Scalar, Tnum, Width, is_branch_taken, refine};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

type Pair = (Scalar, Scalar);

/// An operation on a pair of numbers.
type Op = fn(&Pair) -> Scalar;

const OPS: [(&str, Op); 13] = [
    ("sync", |(a, _)| {
        let mut out = *a;
        out.sync();
        out
    }),
    ("alu/add64", |(a, b)| Scalar::alu(AluOp::Add, Width::W64, a, b)),
    ("alu/add32", |(a, b)| Scalar::alu(AluOp::Add, Width::W32, a, b)),
    ("alu/and64", |(a, b)| Scalar::alu(AluOp::And, Width::W64, a, b)),
    ("alu/mul64", |(a, b)| Scalar::alu(AluOp::Mul, Width::W64, a, b)),
    ("alu/lsh64 by 3", |(a, _)| Scalar::alu(AluOp::Lsh, Width::W64, a, &Scalar::constant(3))),
    ("alu/arsh32 by 3", |(a, _)| Scalar::alu(AluOp::Arsh, Width::W32, a, &Scalar::constant(3))),
    ("tnum/mul", |(a, b)| Scalar { var_off: a.var_off.mul(b.var_off), ..*a }),
    ("tnum/add", |(a, b)| Scalar { var_off: Tnum::add(a.var_off, b.var_off), ..*a }),
    ("cast/zext", |(a, _)| {
        let mut out = *a;
        out.zext();
        out
    }),
    ("branch/taken gt64", |(a, b)| {
        let taken = is_branch_taken(a, b, Cmp::Gt, Width::W64);
        if taken == Some(true) { *a } else { *b }
    }),
    ("branch/refine gt64", |(a, b)| refine(a, b, Cmp::Gt, Width::W64)[0].0),
    ("branch/refine eq32", |(a, b)| refine(a, b, Cmp::Eq, Width::W32)[1].1),
];

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn main() {
    let turns = if std::env::args().any(|arg| arg == "--test") { 1 } else { 2000 };
    let pairs = pairs();
    println!("ns/operation, {} pairs of numbers", pairs.len());
    for (name, op) in OPS {
        let best = (0..turns).map(|_| turn(&pairs, op)).fold(f64::INFINITY, f64::min);
        println!("domain/{name:20}{best:>8.1}");
    }
}

fn turn(pairs: &[Pair], op: Op) -> f64 {
    let start = Instant::now();
    for pair in pairs {
        black_box(op(black_box(pair)));
    }
    let pairs = u32::try_from(pairs.len()).expect("a corpus of less than 4 billion");
    start.elapsed().as_secs_f64() * 1e9 / f64::from(pairs)
}

/// First and second operands of the cases; those with one operand go with the one before.
fn pairs() -> Vec<Pair> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/domain");
    let mut files: Vec<_> =
        fs::read_dir(dir).expect("the corpus").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    let (mut pairs, mut last) = (Vec::new(), Scalar::UNKNOWN);
    for text in files.iter().map(|file| fs::read_to_string(file).expect("a text")) {
        for case in text.split("\n\n").filter(|case| case.starts_with("case:")) {
            let field = |name| case.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
            let a = field("a: ").unwrap_or(last);
            pairs.push((a, field("b: ").unwrap_or(last)));
            last = a;
        }
    }
    assert!(pairs.len() > 100, "the corpus has moved");
    pairs
}
