//! Ring buffers: a record's way in, and how fast a reader is.

use super::{OPS, kernel, shown};
use skep_abi::MapType;
use skep_isa::Size;
use skep_linux::TestInput;
use skep_map::{Map, RingBuf};
use skep_prog::MapDef;
use skep_sys::{Bpf, Kernel};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a record.
const RECORD: usize = 64;
/// Room for the records of a turn.
const SIZE: u32 = 1 << 19;

/// Prints what a record costs and how many a second a reader takes.
#[expect(clippy::print_stdout, reason = "the result of the bench")]
pub(crate) fn measure(turns: u32) {
    let (mut ours, mut kernels) = (f64::INFINITY, f64::INFINITY);
    let (ring, kernel) = (ring(), kernel_ring());
    for _ in 0..turns {
        ours = ours.min(fill(&ring));
        ring.consume(&mut |record| {
            black_box(record);
        });
        if let Some(kernel) = &kernel {
            kernels = kernels.min(fill_kernel(kernel));
        }
    }
    println!("ring buffer, reserve and submit of {RECORD} bytes, ns:");
    println!(
        "  skep {}, kernel {}, kernel/skep {}",
        shown(ours),
        shown(kernels),
        shown(kernels / ours)
    );
    let best =
        (0..turns.min(5)).map(|_| stream()).reduce(|a, b| if a.rate() > b.rate() { a } else { b });
    let Some(best) = best else { return };
    println!(
        "ring buffer, writer and reader at once: {:.1} million events/s read; {} read, {} lost",
        best.rate() / 1e6,
        best.read,
        best.lost
    );
}

fn ring() -> Arc<RingBuf> {
    let Ok(Map::RingBuf(ring)) = Map::new(&MapDef::new("ring", MapType::Ringbuf, 0, 0, SIZE), 2)
    else {
        panic!("bug: no ring");
    };
    ring
}

/// Nanoseconds of a record that nobody reads meanwhile.
fn fill(ring: &RingBuf) -> f64 {
    let start = Instant::now();
    for n in 0..OPS {
        if let Some(record) = ring.reserve(black_box(RECORD as u64), 0) {
            ring.values().store(record.at, Size::Dw, n.into());
            ring.submit(record);
        }
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(OPS)
}

fn kernel_ring() -> Option<skep_linux::Loaded<Kernel>> {
    let body = "
    r1 = map_ ll
    r2 = 64
    r3 = 0
    call bpf_ringbuf_reserve
    if r0 == 0 goto +4
    *(u64 *)(r0 + 0) = r6
    r1 = r0
    r2 = 1
    call bpf_ringbuf_submit
";
    kernel::load(&format!(".map map_, ringbuf, entries={SIZE}\n"), body)
}

fn fill_kernel(loaded: &skep_linux::Loaded<Kernel>) -> f64 {
    let run = loaded.test_run(&TestInput { data: &[0; 60], ..TestInput::default() });
    if let Some((_, map)) = loaded.maps().next() {
        let _ = Kernel.ring_drain(map, &mut |_| {});
    }
    run.map_or(f64::INFINITY, |run| run.duration.as_secs_f64() * 1e9 / f64::from(OPS))
}

/// A writer that does not wait and a reader at once.
struct Stream {
    read: u64,
    lost: u64,
    time: Duration,
}

impl Stream {
    fn rate(&self) -> f64 {
        self.read as f64 / self.time.as_secs_f64()
    }
}

/// Panics unless each record that was written is read or counted as lost.
fn stream() -> Stream {
    const EVENTS: u64 = 4_000_000;
    let (ring, done) = (ring(), AtomicBool::new(false));
    let start = Instant::now();
    let (read, time) = thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..EVENTS {
                let _ = ring.output(&[7; RECORD], 0);
            }
            done.store(true, Ordering::Release);
        });
        let mut read = 0;
        loop {
            let last = done.load(Ordering::Acquire);
            read += ring.consume(&mut |record| assert_eq!(black_box(record)[0], 7)) as u64;
            if last {
                return (read, start.elapsed());
            }
        }
    });
    let lost = ring.dropped();
    assert_eq!(read + lost, EVENTS, "records vanished");
    Stream { read, lost, time }
}
