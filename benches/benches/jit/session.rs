//! Packets through a session: what a run and a call of a helper take by either engine.

use skep::{CheckOptions, Options, Packet, PacketMeta, Release, Session, read_image};
use std::hint::black_box;
use std::time::Instant;

/// A hundred calls in a loop, or none.
fn text(body: &str) -> String {
    format!(
        ".license \"GPL\"\n.map array, array, key=4, value=8, entries=16\n\
         .map hash, hash, key=4, value=8, entries=16\n.section \"xdp\"\nprog:\n r6 = 100\n\
         *(u32 *)(r10 - 4) = 3\n *(u64 *)(r10 - 16) = 7\n{body}\n r0 = 2\n exit\n"
    )
}

const LOOP: &str = "l:\n{}\n r6 += -1\n if r6 != 0 goto l\n";
const UPDATE: &str =
    " r1 = hash ll\n r2 = r10\n r2 += -4\n r3 = r10\n r3 += -16\n r4 = 0\n call 2\n";

const PROBE: &str =
    " r1 = r10\n r1 += -32\n r2 = 8\n r3 = r10\n r3 += -16\n call bpf_probe_read_kernel\n";

/// Runs that are measured together, so that the clock does not count.
const RUNS: u32 = 20;

#[expect(clippy::print_stdout, reason = "the result of the bench")]
pub(crate) fn table() {
    println!("\n{:28}{:>14}{:>14}", "ns in a session", "interpreter", "machine code");
    let lookup = |map: &str| format!(" r1 = {map} ll\n r2 = r10\n r2 += -4\n call 1\n");
    let calls = |body: &str| text(&LOOP.replace("{}", body));
    for (name, text, per) in [
        ("a run", text(""), 1.0),
        ("array lookup", calls(&lookup("array")), 100.0),
        ("hash lookup, miss", calls(&lookup("hash")), 100.0),
        (
            "hash lookup, hit",
            text(&format!("{UPDATE}{}", LOOP.replace("{}", &lookup("hash")))),
            100.0,
        ),
        ("hash update", calls(UPDATE), 100.0),
        ("get_smp_processor_id", calls(" call 8\n"), 100.0),
        ("ktime_get_ns", calls(" call 5\n"), 100.0),
        ("get_prandom_u32", calls(" call 7\n"), 100.0),
        ("probe_read_kernel, 8 bytes", calls(PROBE), 100.0),
    ] {
        let image = read_image(text.as_bytes(), "bench.s").expect("the text is right").image;
        let mut times = [f64::MAX; 2];
        for (compiled, shortest) in [false, true].into_iter().zip(&mut times) {
            let mut session = Session::load(&image, None, Options::default()).expect("it loads");
            if compiled {
                let options = CheckOptions::new(Release { major: 6, minor: 18 });
                session.compile(&options).expect("it compiles");
            }
            let mut packet = Packet::new();
            for _ in 0..500 {
                packet.reset(&[0; 60], PacketMeta::default());
                let start = Instant::now();
                for _ in 0..RUNS {
                    black_box(session.run(&mut packet).expect("it runs"));
                }
                let ns = start.elapsed().as_secs_f64() * 1e9 / f64::from(RUNS);
                *shortest = shortest.min(ns / per);
            }
        }
        println!("{name:28}{:14.1}{:14.1}", times[0], times[1]);
    }
}
