//! What one more program costs: a filter of 17 instructions, from its image until it has run once, and from compiled code until
//! it has run once more. `rbpf` for comparison, which checks little.
//!
//! `cargo bench --bench instance` prints microseconds, the shortest of many, and bytes of the heap that stay.

use peak_alloc::PeakAlloc;
use skep::{CheckOptions, CodeOptions, Image, Options, Packet, PacketMeta, Release, Session};
use std::hint::black_box;
use std::time::Instant;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// IPv4 without options, TCP, from or to port 80, of the packet from r2 on, after two loads of where it begins and ends and a
/// comparison that are the engines' own.
const REST: &str = "
    r5 = *(u16 *)(r2 + 12)
    if r5 != 8 goto out
    r5 = *(u8 *)(r2 + 23)
    if r5 != 6 goto out
    r5 = *(u16 *)(r2 + 34)
    if r5 == 0x5000 goto yes
    r5 = *(u16 *)(r2 + 36)
    if r5 != 0x5000 goto out
yes:
    r0 = 2
    goto out
out:
    exit
";
const FILTER: &str = ".license \"GPL\"\n.section \"xdp\"\nfilter:
    r2 = *(u32 *)(r1 + 0)
    r3 = *(u32 *)(r1 + 4)
    r0 = 1
    r4 = r2
    r4 += 38
    if r4 > r3 goto out";
/// `rbpf`'s program gets the bytes themselves.
const BYTES: &str = "
    r2 = r1
    r3 = 60
    r0 = 1
    r4 = r2
    r4 += 38
    if r3 == 0 goto out";

const TURNS: usize = 5000;

/// Loads, verifies and compiles.
fn compiled(image: &Image, options: &CheckOptions) -> Session {
    let mut session = Session::load(image, None, Options::default()).expect("it loads");
    session.compile_with(options, CodeOptions::plain()).expect("it compiles");
    session
}

fn peer(bytes: &[u8]) -> rbpf::EbpfVmRaw<'_> {
    let mut vm = rbpf::EbpfVmRaw::new(Some(bytes)).expect("rbpf accepts it");
    vm.jit_compile().expect("rbpf compiles it");
    vm
}

/// Least time of `make` and what it leaves on the heap.
fn measure<T>(mut make: impl FnMut() -> T) -> (f64, usize) {
    let mut shortest = f64::MAX;
    for _ in 0..TURNS {
        let start = Instant::now();
        let made = black_box(make());
        shortest = shortest.min(start.elapsed().as_secs_f64() * 1e6);
        drop(made);
    }
    let before = MEMORY.current_usage();
    let made = make();
    let left = MEMORY.current_usage() - before;
    drop(made);
    (shortest, left)
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn main() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("skipped: rbpf has no machine code for this host");
        return;
    }
    let image = skep::read_image((FILTER.to_owned() + REST).as_bytes(), "filter.s")
        .expect("the text is right")
        .image;
    let bytes =
        skep_asm::assemble(&(BYTES.to_owned() + REST)).expect("the text is right").to_le_bytes();
    let options = CheckOptions::new(Release { major: 6, minor: 18 });
    let mut packet = Packet::new();
    packet.reset(&[0; 60], PacketMeta::default());
    let mut mem = vec![0; 60];
    let first = compiled(&image, &options);
    let rows = [
        (
            "loaded, verified, compiled, run",
            measure(|| {
                let mut session = compiled(&image, &options);
                session.run(&mut packet).expect("it runs");
                session
            }),
        ),
        (
            "one more of the same code, run",
            measure(|| {
                let mut session = first.share();
                session.run(&mut packet).expect("it runs");
                session
            }),
        ),
        (
            "rbpf: loaded, compiled, run",
            measure(|| {
                let vm = peer(&bytes);
                // SAFETY: the program reads 38 bytes of the 60.
                unsafe { vm.execute_program_jit(&mut mem) }.expect("it runs");
                vm
            }),
        ),
    ];
    println!("{:34}{:>8}{:>8}", "an instance", "µs", "bytes");
    for (name, (time, left)) in rows {
        println!("{name:34}{time:8.2}{left:8}");
    }
}
