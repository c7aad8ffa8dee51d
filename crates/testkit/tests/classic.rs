//! Translations of random classic programs, in the kernel, against the classic interpreter.

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use skep_abi::ProgType;
use skep_cbpf::table::TABLE;
use skep_cbpf::{
    AluOp, Ancillary, Device, Format, Insn, Packet, Program, RawInsn, Target, Verdict, check,
    print, translate,
};
use skep_prog::{Image, Prog};
use skep_testkit::{Frame, Ran, host, kernel};

const PROGRAMS: u64 = 700;
const PACKETS: usize = 4;

#[test]
fn translations_run_in_the_kernel_as_the_originals_do() {
    if host().is_none() {
        return;
    }
    let targets = [
        (ProgType::SocketFilter, Target::SocketFilter),
        (ProgType::Xdp, Target::Xdp(Verdict::XDP)),
        (ProgType::SchedCls, Target::Tc(Verdict::TC)),
    ];
    let (mut runs, mut kept, mut failures) = ([0; 3], [0; 3], Vec::new());
    for seed in 0..PROGRAMS {
        let mut rng = StdRng::seed_from_u64(seed);
        let Ok(program) = check(&classic(&mut rng)) else { continue };
        let packets: Vec<Vec<u8>> = (0..PACKETS).map(|_| packet(&mut rng)).collect();
        for (at, (prog_type, target)) in targets.into_iter().enumerate() {
            match compare(&program, prog_type, target, &packets) {
                Ok(answers) => {
                    runs[at] += answers.len();
                    kept[at] += answers.iter().filter(|&&answer| answer != 0).count();
                }
                Err(why) => failures.push(format!("seed {seed}, {prog_type}: {why}")),
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
    for at in 0..3 {
        assert!(runs[at] > 500, "{}: only {} runs", targets[at].0, runs[at]);
        assert!(kept[at] > runs[at] / 10, "{}: {} packets kept", targets[at].0, kept[at]);
    }
}

/// What the original says, if the kernel agrees; nothing where there is no translation.
fn compare(
    program: &Program,
    prog_type: ProgType,
    target: Target,
    packets: &[Vec<u8>],
) -> Result<Vec<u32>, String> {
    let by_chance = program
        .insns()
        .iter()
        .any(|insn| matches!(insn, Insn::LoadAnc { anc: Ancillary::Random, .. }));
    let Some(insns) = translate(program, target).ok().filter(|_| !by_chance) else {
        return Ok(Vec::new());
    };
    let image = Image {
        progs: vec![Prog::new("classic", prog_type, insns)],
        license: "GPL".into(),
        ..Image::default()
    };
    let listing = || print(&program.encode(), Format::Text);
    let frames: Vec<Frame<'_>> = packets.iter().map(|bytes| Frame(bytes)).collect();
    let kernel = kernel(&image, "classic", &frames)
        .map_err(|refused| format!("refused: {}\n{}", refused.reason, listing()))?;
    let mut answers = Vec::new();
    for (bytes, ran) in packets.iter().zip(kernel.runs) {
        let answer = program.run(&shown(bytes, prog_type));
        let want = match target {
            Target::SocketFilter => answer,
            Target::Xdp(verdict) | Target::Tc(verdict) => {
                (if answer == 0 { verdict.reject } else { verdict.accept }).cast_unsigned()
            }
        };
        match ran {
            Ran::Done { retval, .. } if retval == want => answers.push(answer),
            other => {
                return Err(format!("{bytes:x?}:\n  {want:#x}\n  {other}\n{}", listing()));
            }
        }
    }
    Ok(answers)
}

/// The packet as a test run shows it.
fn shown(bytes: &[u8], prog_type: ProgType) -> Packet<'_> {
    /// `ARPHRD_LOOPBACK`
    const LOOPBACK: u16 = 772;
    let mut packet = Packet::ethernet(bytes, u32::try_from(bytes.len()).unwrap());
    packet.meta.device = Some(Device { index: 1, hardware: LOOPBACK });
    packet.meta.pkt_type = match bytes[..6] {
        [0, 0, 0, 0, 0, 0] => 0,
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => 1,
        [first, ..] if first & 1 == 1 => 2,
        _ => 3,
    };
    if prog_type == ProgType::SocketFilter {
        packet.data = 14;
        packet.len -= 14;
    }
    packet
}

/// A program that often passes the checker: known opcodes, small jumps and offsets.
fn classic(rng: &mut StdRng) -> Vec<RawInsn> {
    let mut insns: Vec<RawInsn> =
        (0..3).map(|cell| RawInsn::stmt(if cell == 1 { 0x03 } else { 0x02 }, cell)).collect();
    for _ in 0..rng.random_range(1..25) {
        let row = &TABLE[rng.random_range(0..TABLE.len())];
        let returns = matches!(row.insn, Insn::RetK { .. } | Insn::RetA);
        if returns && rng.random_ratio(3, 4) {
            continue;
        }
        let mut raw = RawInsn::stmt(row.code, immediate(rng, row.insn));
        if matches!(row.insn, Insn::JumpIf { .. }) {
            (raw.jt, raw.jf) = (rng.random_range(0..4), rng.random_range(0..4));
        }
        insns.push(raw);
    }
    insns.push(RawInsn::stmt(0x16, 0));
    insns
}

fn immediate(rng: &mut StdRng, insn: Insn) -> u32 {
    const AD_OFF: u32 = 0xffff_f000;
    match insn {
        Insn::LoadAbs { .. } | Insn::LoadInd { .. } | Insn::LoadMsh { .. } => {
            match rng.random_range(0..24) {
                0 => rng.next_u32(),
                1 | 2 => AD_OFF + 4 * rng.random_range(0..16),
                3 => 0xfff0_0000 + rng.random_range(0..40),
                4 => 0xffe0_0000 + rng.random_range(0..40),
                5 => rng.random_range(40..140),
                _ => rng.random_range(0..40),
            }
        }
        Insn::LoadMem { .. } | Insn::Store { .. } => rng.random_range(0..3),
        Insn::Alu { op: AluOp::Lsh | AluOp::Rsh, .. } => rng.random_range(0..32),
        Insn::Jump { .. } => rng.random_range(0..3),
        _ => match rng.random_range(0..5) {
            0 => rng.next_u32(),
            1 => u32::MAX,
            _ => rng.random_range(0..64),
        },
    }
}

/// A frame that a test run takes whatever its protocol.
fn packet(rng: &mut StdRng) -> Vec<u8> {
    let mut bytes = vec![0; rng.random_range(54..100)];
    rng.fill_bytes(&mut bytes);
    if rng.random() {
        bytes.iter_mut().for_each(|byte| *byte %= 32);
    }
    match rng.random_range(0..4) {
        0 => bytes[..6].fill(0),
        1 => bytes[..6].fill(0xff),
        _ => {}
    }
    let protos = [0x0800u16, 0x86dd, 0x8100, 0x0806, 0x0017];
    bytes[12..14].copy_from_slice(&protos[rng.random_range(0..5)].to_be_bytes());
    bytes
}
