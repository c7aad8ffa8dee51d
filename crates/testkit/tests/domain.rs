//! The kernel's numbers next to ours: a sample of what the binary `domain_differential` does.

use skep_testkit::domain::judge;
use skep_testkit::host;

#[test]
fn numbers_are_those_of_the_kernel() {
    if host().is_none() {
        return;
    }
    let (mut equal, mut failures) = (0, Vec::new());
    for seed in 1..=40 {
        match judge(100, seed) {
            Ok(judged) => {
                equal += judged.equal.len();
                failures.extend(judged.difference.map(|text| format!("seed {seed}: {text}")));
            }
            Err(why) => failures.push(why),
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    assert!(equal >= 3900, "only {equal} operations were seen in the log");
}
