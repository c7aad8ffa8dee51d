//! The kernel's maps from inside a program.

use super::OPS;
use crate::peers::{ENTRIES, Op, key};
use skep_abi::ProgType;
use skep_diag::Source;
use skep_linux::{Loaded, TestInput};
use skep_sys::{Bpf, Kernel};

/// A program that does an operation `OPS` times.
pub(crate) struct Loop(Loaded<Kernel>);

/// Around the body, which gets a key number in r7 and may use r0 to r5 and the stack.
const HEAD: &str = "
.section xdp
bench:
    r6 = 0
again:
    r7 = r6
    r7 *= 0x1e3779b1
    r7 &= 1023
";
const TAIL: &str = "
    r6 += 1
    if r6 < 4096 goto again
    r0 = 2
    exit
";
const KEY: &str = "
    *(u32 *)(r10 - 16) = r7
    r2 = r10
    r2 += -16
    r1 = map_ ll
";
const READ: &str = "
    if r0 == 0 goto +1
    r1 = *(u64 *)(r0 + 0)
";
const LOOKUP: &str = "    call bpf_map_lookup_elem\n";
const UPDATE: &str = "
    *(u64 *)(r10 - 8) = r7
    r3 = r10
    r3 += -8
    r4 = 0
    call bpf_map_update_elem
";
const ABSENT: &str = "    r7 |= 0x100000\n";

impl Loop {
    /// `None` where the kernel cannot be asked.
    pub(crate) fn new(op: Op) -> Option<Self> {
        let body = match op {
            Op::ArrayLookup | Op::Hit | Op::LruHit => [KEY, LOOKUP, READ].concat(),
            Op::Miss => [ABSENT, KEY, LOOKUP].concat(),
            Op::Update | Op::LruUpdate => [KEY, UPDATE].concat(),
            Op::InsertDelete => {
                [ABSENT, KEY, UPDATE, KEY, "    call bpf_map_delete_elem\n"].concat()
            }
            Op::LpmLookup => {
                let address = "
    r1 = r7
    w1 *= 0x1e3779b1
    *(u32 *)(r10 - 12) = r1
    r7 = 32
";
                [address, KEY, LOOKUP, READ].concat()
            }
        };
        let def = op.def();
        let loaded = load(
            &format!(
                ".map map_, {}, key={}, value=8, entries={}, flags={}\n",
                def.map_type, def.key_size, def.max_entries, def.flags
            ),
            &body,
        )?;
        let (_, map) = loaded.maps().next()?;
        for n in 0..ENTRIES {
            Kernel.map_update(map, &key(op, n), &[0; 8], 0).ok()?;
        }
        Some(Self(loaded))
    }

    /// Nanoseconds of an operation.
    pub(crate) fn turn(&self) -> f64 {
        let input = TestInput { data: &[0; 60], ..TestInput::default() };
        let _ = self.0.test_run(&input);
        let run = self.0.test_run(&input);
        run.map_or(f64::INFINITY, |run| run.duration.as_secs_f64() * 1e9 / f64::from(OPS))
    }
}

/// A program over a map that the body calls `map_`.
pub(crate) fn load(map: &str, body: &str) -> Option<Loaded<Kernel>> {
    let text = [map, HEAD, body, TAIL].concat();
    let source = Source::new("bench.s", &text);
    let (image, _) = skep_asm::parse(&source, ProgType::Xdp).unwrap_or_else(|wrong| {
        panic!("bug: {wrong:?} in {text}");
    });
    Loaded::load(Kernel, &image, "bench").ok()
}
