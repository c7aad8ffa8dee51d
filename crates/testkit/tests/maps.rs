//! Random operations of bpf(2) on maps of both engines.

use rand::SeedableRng;
use rand::rngs::StdRng;
use skep_testkit::{MapPair, host, map_cases, refused_differently};

/// Operations on a map; few where the kernel waits after each.
fn steps(of_maps: bool) -> u64 {
    if of_maps { 60 } else { 3000 }
}

#[test]
fn maps_answer_alike() {
    let Some(host) = host() else { return };
    let mut failures = Vec::new();
    for (seed, case) in (1..).zip(map_cases()) {
        let (name, steps) = (case.def.name.clone(), steps(case.def.inner.is_some()));
        let difference = MapPair::new(host, case).run(&mut StdRng::seed_from_u64(seed), steps);
        failures.extend(difference.map(|why| format!("{name}, seed {seed}, {why}")));
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn the_same_definitions_make_maps() {
    let Some(host) = host() else { return };
    let mut rng = StdRng::seed_from_u64(1);
    let failures: Vec<String> =
        (0..3000).filter_map(|_| refused_differently(host, &mut rng)).collect();
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}
