//! Calls that no verifier would let pass: whatever a program gives to a helper, the run ends, and soon.

use super::{image, packet};
use skep::{Options, Session};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const MAPS: &str = "
.map arr, array, key=4, value=64, entries=4
.map hash, hash, key=4, value=16, entries=4
.map lru, lru_hash, key=4, value=16, entries=4
.map percpu, percpu_array, key=4, value=8, entries=2
.map ring, ringbuf, entries=4096
.map user, user_ringbuf, entries=4096
.map perf, perf_event_array, key=4, value=4
.map progs, prog_array, key=4, value=4, entries=2
.map queue, queue, key=0, value=8, entries=2
.map bloom, bloom_filter, key=0, value=8, entries=8
.map devs, devmap, key=4, value=4, entries=2
.map socks, sk_storage, key=4, value=8, entries=0, flags=1
.map tasks, task_storage, key=4, value=8, entries=0, flags=1
.map groups, cgrp_storage, key=4, value=8, entries=0, flags=1
.map pages, arena, key=0, value=0, entries=4, flags=0x400
";

const VALUES: [&str; 43] = [
    "0",
    "1",
    "-1",
    "2",
    "4",
    "8",
    "12",
    "16",
    "64",
    "512",
    "0x7fffffff",
    "-2147483648",
    "0x10000",
    "0x10100",
    "0x100000000 ll",
    "0x2ffffffff ll",
    "0xffffffff ll",
    "0x4000000000000000 ll",
    "0x4000000100000000 ll",
    "r10",
    "r9",
    "r9",
    "r9",
    "r6",
    "r6",
    "r7",
    "r7",
    "r8",
    "r8",
    "arr ll",
    "hash ll",
    "lru ll",
    "percpu ll",
    "ring ll",
    "user ll",
    "perf ll",
    "queue ll",
    "devs ll",
    "socks ll",
    "tasks ll",
    "groups ll",
    "pages ll",
    "back ll",
];

/// Hooks that differ in what they may call.
const SECTIONS: [&str; 3] = ["xdp", "tc", "socket"];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ z >> 31) % n as u64).unwrap()
    }
}

/// With r6 the context, r7 a value, r8 what the last call gave, and r9 in the stack.
fn program(section: &str, calls: &[&str], random: &mut Random) -> String {
    let mut text = format!(
        "{MAPS}.section \"{section}\"\np:\n r6 = r1\n r9 = r10\n r9 += -64\n r1 = 0\n *(u32 *)(r10 - 4) = r1\n \
         r1 = arr ll\n r2 = r10\n r2 += -4\n call bpf_map_lookup_elem\n r7 = r0\n r8 = r0\n"
    );
    for _ in 0..6 {
        for reg in 1..=5 {
            text.push_str(&format!(" r{reg} = {}\n", VALUES[random.below(VALUES.len())]));
        }
        text.push_str(&format!(" call {}\n r8 = r0\n", calls[random.below(calls.len())]));
    }
    text.push_str(" exit\nback:\n r0 = *(u64 *)(r1 + 0)\n exit\n");
    text
}

fn load(text: &str) -> Option<Session> {
    let options = Options { insns: 1 << 20, time: Duration::from_secs(2), ..Options::default() };
    Session::load(&image(text), None, options).ok()
}

#[test]
fn no_argument_is_too_much() {
    let helpers = skep_abi::HELPERS.iter().skip(1).map(|name| format!("bpf_{name}"));
    let kfuncs = skep_abi::Kfunc::all().iter().map(|kfunc| format!("@{}", kfunc.name));
    let all: Vec<String> = helpers.chain(kfuncs).collect();
    let served = SECTIONS.map(|section| {
        let text = |call: &str| format!(".section \"{section}\"\np:\n call {call}\n exit\n");
        let calls = all.iter().map(String::as_str);
        calls.filter(|call| load(&text(call)).is_some()).collect::<Vec<_>>()
    });
    let anywhere: BTreeSet<_> = served.iter().flatten().collect();
    assert!(anywhere.len() > 150, "{}", anywhere.len());
    let mut random = Random(1);
    let runs = std::env::var("RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(600);
    let mut ended = [0, 0];
    for n in 0..runs {
        // At times the same call again and again, so that each meets many arguments.
        let few = n % 2 == 0;
        let (section, calls) = (SECTIONS[n % 3], &served[n % 3]);
        let start = random.below(calls.len());
        let some = if few { &calls[start..=start] } else { &calls[..] };
        let text = program(section, some, &mut random);
        let mut session = load(&text).unwrap_or_else(|| panic!("{text}"));
        for _ in 0..2 {
            let start = Instant::now();
            let outcome = session.run(&mut packet());
            assert!(start.elapsed() < Duration::from_secs(5), "{:?}\n{text}", start.elapsed());
            ended[usize::from(outcome.is_ok())] += 1;
        }
    }
    assert!(ended.iter().all(|&count| count > runs / 20), "some end well, some do not: {ended:?}");
}
