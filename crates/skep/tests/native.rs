//! Sessions as machine code: what is refused, what ends runs, threads. Needs an x86-64 host.
#![cfg(target_arch = "x86_64")]

use skep::{
    CheckOptions, Engine, Moment, NotNative, Observer, Options, Packet, PacketMeta, Release,
    Session, read_image,
};

fn load(text: &str, options: Options) -> Session {
    let image = read_image(text.as_bytes(), "native.s").unwrap().image;
    Session::load(&image, None, options).unwrap()
}

fn compile(session: &mut Session) -> Result<(), NotNative> {
    session.compile(&CheckOptions::new(Release { major: 6, minor: 18 }))
}

fn run(session: &mut Session) -> Result<u32, String> {
    let mut packet = Packet::new();
    packet.reset(&[7; 60], PacketMeta::default());
    let outcome = session.run(&mut packet);
    outcome.map(|outcome| outcome.verdict.code).map_err(|fault| fault.to_string())
}

#[test]
fn what_the_verifier_refuses_stays_interpreted() {
    let text = ".section \"xdp\"\np:\n r2 = *(u32 *)(r1 + 0)\n r0 = *(u8 *)(r2 + 0)\n exit\n";
    let mut session = load(text, Options::default());
    let why = compile(&mut session).unwrap_err();
    assert_eq!(why.to_string(), "the verifier refuses p: mem.packet");
    assert_eq!(session.engine(), Engine::Interp);
    assert_eq!(run(&mut session), Ok(7));
}

#[test]
fn what_is_not_compiled_says_so() {
    let text =
        ".license \"GPL\"\n.section \"xdp\"\np:\n call bpf_get_current_task\n r0 = 2\n exit\n";
    let mut session = load(text, Options::default());
    let why = compile(&mut session).unwrap_err();
    assert!(matches!(why, NotNative::Refused(_)), "{why}");
    assert_eq!(session.engine(), Engine::Interp);
}

/// `bpf_loop` over a function that does nothing.
const LOOPS: &str = ".section \"xdp\"\np:\n r1 = 8388608\n r2 = subprog[f]\n r3 = 0\n r4 = 0\n \
                     call bpf_loop\n r0 = 2\n exit\nf:\n r0 = 0\n exit\n";

#[test]
fn the_budget_ends_callbacks() {
    let mut session = load(LOOPS, Options { insns: 100_000, ..Options::default() });
    compile(&mut session).unwrap();
    assert_eq!(session.engine(), Engine::Jit);
    let fault = run(&mut session).unwrap_err();
    assert!(fault.contains("100000"), "{fault}");
    // The session is as good as before.
    assert!(run(&mut session).is_err());
    let mut session = load(LOOPS, Options::default());
    compile(&mut session).unwrap();
    assert_eq!(run(&mut session), Ok(2));
}

#[test]
fn a_deadline_ends_callbacks() {
    let time = std::time::Duration::from_millis(1);
    let mut session = load(LOOPS, Options { time, ..Options::default() });
    compile(&mut session).unwrap();
    assert!(run(&mut session).is_err());
}

#[test]
fn threads_share_the_code() {
    let text = ".map count, percpu_array, key=4, value=8, entries=1\n.section \"xdp\"\np:\n r6 = r1\n \
                *(u32 *)(r10 - 4) = 0\n r1 = count ll\n r2 = r10\n r2 += -4\n \
                call bpf_map_lookup_elem\n if r0 == 0 goto e\n r1 = *(u64 *)(r0 + 0)\n r1 += 1\n \
                *(u64 *)(r0 + 0) = r1\ne:\n r2 = *(u32 *)(r6 + 0)\n r3 = *(u32 *)(r6 + 4)\n r0 = r3\n \
                r0 -= r2\n exit\n";
    let mut session = load(text, Options { cpus: 4, ..Options::default() });
    compile(&mut session).unwrap();
    let mut threads: Vec<Session> = (0..4).map(|_| session.share()).collect();
    std::thread::scope(|scope| {
        for session in &mut threads {
            scope.spawn(|| {
                assert_eq!(session.engine(), Engine::Jit);
                for _ in 0..1000 {
                    assert_eq!(run(session), Ok(60));
                }
            });
        }
    });
    let map = session.maps().next().unwrap();
    let value = map.entries().next().unwrap().value;
    let sum: u64 = value.chunks(8).map(|cpu| u64::from_le_bytes(cpu.try_into().unwrap())).sum();
    assert_eq!(sum, 4000);
}

struct Count(u64);

impl Observer for Count {
    fn before(&mut self, _: &Moment<'_>) {
        self.0 += 1;
    }
}

#[test]
fn observed_runs_are_interpreted() {
    let mut session = load(".section \"xdp\"\np:\n r0 = 2\n exit\n", Options::default());
    compile(&mut session).unwrap();
    let mut packet = Packet::new();
    packet.reset(&[7; 60], PacketMeta::default());
    assert_eq!(session.run(&mut packet).unwrap().insns, 0);
    let mut count = Count(0);
    assert_eq!(session.run_observed(&mut packet, &mut count).unwrap().insns, 2);
    assert_eq!(count.0, 2);
}
