//! Maps of a session: fields that belong to the kernel, and use by several threads.

use skep::{LoadError, Options, Packet, PacketMeta, Session, read_image};
use skep_hooks::LinkType;

fn packet() -> Packet {
    let meta = PacketMeta { link: LinkType::ETHERNET, wire_len: 64, ..PacketMeta::default() };
    let mut packet = Packet::new();
    packet.reset(&[0xff; 64], meta);
    packet
}

fn load(options: Options) -> Session {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/run/fields.o"));
    let image = read_image(&bytes.unwrap(), "fields.o").unwrap().image;
    Session::load(&image, None, options).unwrap()
}

/// The value at index 0.
fn value(session: &Session) -> Vec<u8> {
    session.maps().next().unwrap().entries().next().unwrap().value
}

#[test]
fn locks_and_timers_in_values_are_not_shown() {
    let mut session = load(Options::default());
    session.run(&mut packet()).unwrap();
    let mut want = [0; 40];
    want[0] = 1;
    want[32] = 64;
    assert_eq!(value(&session), want, "the timer has been initialised and reads as zeroes");
}

#[test]
fn fields_that_a_map_cannot_have_are_refused() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpus/run/fields.o"));
    let mut image = read_image(&bytes.unwrap(), "fields.o").unwrap().image;
    image.maps[0].flags |= 1 << 7;
    match Session::load(&image, None, Options::default()) {
        Err(LoadError::Map(err)) => assert_eq!(err.errno(), skep_abi::Errno::EACCES),
        _ => panic!("a read-only map with a lock"),
    }
}

const COUNT: &str = ".map counts, percpu_array, key=4, value=8, entries=1\n\
    .map all, array, key=4, value=8, entries=1\n.section \"xdp\"\np:\n r1 = 0\n \
    *(u32 *)(r10 - 4) = r1\n r1 = counts ll\n r2 = r10\n r2 += -4\n call bpf_map_lookup_elem\n \
    if r0 == 0 goto out\n r1 = *(u64 *)(r0 + 0)\n r1 += 1\n *(u64 *)(r0 + 0) = r1\n \
    r1 = all ll\n r2 = r10\n r2 += -4\n call bpf_map_lookup_elem\n if r0 == 0 goto out\n \
    r1 = 1\n lock *(u64 *)(r0 + 0) += r1\n out: r0 = 2\n exit\n";

/// The same by a function that is shown the values.
const COUNT_EACH: &str = ".map counts, percpu_array, key=4, value=8, entries=1\n\
    .map all, array, key=4, value=8, entries=1\n.section \"xdp\"\np:\n r1 = counts ll\n r2 = add ll\n \
    r3 = 0\n r4 = 0\n call bpf_for_each_map_elem\n r1 = all ll\n r2 = add_all ll\n r3 = 0\n r4 = 0\n \
    call bpf_for_each_map_elem\n r0 = 2\n exit\n\
    add:\n r1 = *(u64 *)(r3 + 0)\n r1 += 1\n *(u64 *)(r3 + 0) = r1\n r0 = 0\n exit\n\
    add_all:\n r1 = 1\n lock *(u64 *)(r3 + 0) += r1\n r0 = 0\n exit\n";

/// More threads than CPUs; updates without atomics of per-CPU values.
#[test]
fn no_update_of_a_per_cpu_value_is_lost() {
    count_in_threads(COUNT, |_| ());
    count_in_threads(COUNT_EACH, |_| ());
}

/// The same by machine code of both tiers.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn no_update_of_a_per_cpu_value_by_machine_code_is_lost() {
    for (text, optimised) in
        [COUNT, COUNT_EACH].into_iter().flat_map(|text| [(text, false), (text, true)])
    {
        count_in_threads(text, |session| compile(session, optimised));
    }
}

/// Has the session run as machine code of the first tier or the second.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[track_caller]
fn compile(session: &mut Session, optimised: bool) {
    let mut code = skep::CodeOptions::default();
    code.optimised = optimised;
    let release = skep::Release { major: 6, minor: 18 };
    session.compile_with(&skep::CheckOptions::new(release), code).unwrap();
}

#[track_caller]
fn count_in_threads(text: &str, prepare: impl Fn(&mut Session)) {
    const RUNS: u64 = 20_000;
    let image = read_image(text.as_bytes(), "count.s").unwrap().image;
    let options = Options { cpus: 2, ..Options::default() };
    let mut session = Session::load(&image, None, options).unwrap();
    prepare(&mut session);
    let mut threads: Vec<Session> = (0..4).map(|_| session.share()).collect();
    std::thread::scope(|scope| {
        for session in &mut threads {
            scope.spawn(move || {
                let mut packet = packet();
                for _ in 0..RUNS {
                    session.run(&mut packet).unwrap();
                }
            });
        }
    });
    assert_eq!(sums(&session), [(4 * RUNS, 16), (4 * RUNS, 8)]);
}

/// Each of three threads ends before the next, and the last is alone with the machine then.
#[test]
fn no_update_is_lost_where_sessions_end_before_others() {
    const RUNS: u64 = 5_000;
    let image = read_image(COUNT.as_bytes(), "count.s").unwrap().image;
    let options = Options { cpus: 2, ..Options::default() };
    let session = Session::load(&image, None, options).unwrap();
    let sessions = [session.share(), session.share(), session];
    let last = std::thread::scope(|scope| {
        let threads = (1..).zip(sessions).map(|(times, mut session)| {
            scope.spawn(move || {
                let mut packet = packet();
                for _ in 0..times * RUNS {
                    session.run(&mut packet).unwrap();
                }
                (times == 3).then_some(session)
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().find_map(|thread| thread.join().unwrap()).unwrap()
    });
    assert_eq!(sums(&last), [(6 * RUNS, 16), (6 * RUNS, 8)]);
}

/// Of each map the sum of the words of its only value, and the length of that.
fn sums(session: &Session) -> Vec<(u64, usize)> {
    let maps = session.maps().map(|map| {
        let value = map.entries().next().unwrap().value;
        let words = value.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
        (words.sum(), value.len())
    });
    maps.collect()
}

/// Functions are shown the values of the CPU that they run on, which the program has marked before.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn entries_of_per_cpu_arrays_are_those_of_the_cpu() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let text = "\
.map marks, percpu_array, key=4, value=8, entries=100
.section \"xdp\"
run:
 call bpf_get_smp_processor_id
 r0 += 1
 *(u64 *)(r10 - 8) = r0
 r6 = r0
 *(u64 *)(r10 - 16) = 0
 *(u32 *)(r10 - 20) = 99
 r1 = marks ll
 r2 = r10
 r2 += -20
 call bpf_map_lookup_elem
 if r0 == 0 goto none
 *(u64 *)(r0 + 0) = r6
 r1 = marks ll
 r2 = shown ll
 r3 = r10
 r3 += -16
 r4 = 0
 call bpf_for_each_map_elem
 r1 = *(u64 *)(r10 - 16)
 r0 = 0
 if r1 != r6 goto none
 r0 = r6
none:
 exit
shown:
 r1 = *(u64 *)(r3 + 0)
 *(u64 *)(r4 + 0) = r1
 r0 = 0
 exit
";
    let image = read_image(text.as_bytes(), "marks.s").unwrap().image;
    for optimised in [false, true] {
        let options = Options { cpus: 2, ..Options::default() };
        let mut session = Session::load(&image, None, options).unwrap();
        compile(&mut session, optimised);
        // Until there has been a run on each.
        let seen = [(); 2].map(|()| AtomicBool::new(false));
        let mut threads = [session.share(), session.share()];
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        std::thread::scope(|scope| {
            for session in &mut threads {
                let seen = &seen;
                scope.spawn(move || {
                    let mut packet = packet();
                    while !seen.iter().all(|seen| seen.load(Ordering::Relaxed)) {
                        let cpu = session.run(&mut packet).unwrap().verdict.code.checked_sub(1);
                        seen[cpu.expect("the values of another CPU") as usize]
                            .store(true, Ordering::Relaxed);
                        assert!(std::time::Instant::now() < end, "no run on a second CPU");
                    }
                });
            }
        });
    }
}

/// The number of a CPU leads to memory: what a kernel counts fewer CPUs for is verified for those that there are.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn machine_code_is_verified_for_all_cpus_of_the_session() {
    let text = "\
.map of_cpus, array, key=4, value=8, entries=1
.section \"xdp\"
run:
 *(u32 *)(r10 - 4) = 0
 r1 = of_cpus ll
 r2 = r10
 r2 += -4
 call bpf_map_lookup_elem
 if r0 == 0 goto none
 r6 = r0
 call bpf_get_smp_processor_id
 r0 <<= 2
 r6 += r0
 r1 = 1
 *(u32 *)(r6 + 0) = r1
none:
 r0 = 2
 exit
";
    let image = read_image(text.as_bytes(), "cpus.s").unwrap().image;
    let compiled = |cpus, counted| {
        let options = Options { cpus, ..Options::default() };
        let mut session = Session::load(&image, None, options).unwrap();
        let release = skep::Release { major: 6, minor: 18 };
        let options = skep::CheckOptions { cpus: counted, ..skep::CheckOptions::new(release) };
        session.compile(&options)
    };
    assert!(compiled(1, 1).is_ok() && compiled(2, 2).is_ok() && compiled(2, 1).is_ok());
    for (cpus, counted) in [(3, 3), (3, 1), (1, 3)] {
        let refused = compiled(cpus, counted);
        assert!(matches!(refused, Err(skep::NotNative::Rejected { .. })), "{refused:?}");
    }
}
