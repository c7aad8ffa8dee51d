use super::*;
use crate::{Expr, Options};
use skep_cbpf::{AluOp, CondOp, Insn, Reg, Size, Src, check_insns};

fn compiled(text: &str, optimise: bool) -> Program {
    let options = Options { optimise, ..Options::default() };
    Expr::parse(text).unwrap().compile(&options).unwrap()
}

fn of(a: &str, b: &str) -> Difference {
    diff(&compiled(a, true), &compiled(b, true), Effort::default())
}

fn program(insns: &[Insn]) -> Program {
    check_insns(insns.to_vec()).unwrap()
}

#[test]
fn what_means_the_same_is_equal() {
    for (a, b) in [
        ("ip and tcp", "tcp and ip"),
        ("not (ip or arp)", "not ip and not arp"),
        ("ip[0] & 0xf = 5", "ip[0] % 16 = 5"),
        ("ip[8] < 128", "ip[8] & 0x80 = 0"),
        ("dst net 10.0.0.0/8", "dst net 10.0.0.0/9 or dst net 10.128.0.0/9"),
        ("tcp[13] & 2 != 0", "tcp[tcpflags] & tcp-syn = tcp-syn"),
        ("tcp src port 80 or 443", "tcp src port 443 or 80"),
        ("ip[2:2] * 2 = 80 and ip", "ip[2:2] = 40 and ip"),
        ("udp[4:2] + 8 > udp[4:2]", "udp[4:2] >= 0"),
        ("src portrange 80-81", "src port 80 or src port 81"),
    ] {
        let answer = of(a, b);
        assert!(matches!(answer, Difference::Equal(_)), "{a} | {b}: {answer:?}");
    }
}

#[test]
fn what_differs_has_a_packet() {
    for (a, b) in [
        ("ip", "ip6"),
        ("tcp port 80", "port 80"),
        ("tcp[13] & 2 != 0", "tcp[13] = 2"),
        ("ip[0] & 0xf = 5", "ip[0] = 0x45"),
        ("net 10.0.0.0/8", "net 10.0.0.0/9"),
        ("greater 1000", "greater 1001"),
        ("ip[2:2] * 2 = 80", "ip[2:2] = 41"),
        ("ip and ip[ip[0]:2] = 1", "ip and ip[ip[0]:2] = 2"),
        ("inbound", "outbound"),
        ("vlan and ip", "vlan or ip"),
    ] {
        let (first, second) = (compiled(a, true), compiled(b, true));
        let Difference::Packet(witness) = diff(&first, &second, Effort::default()) else {
            panic!("{a} | {b}")
        };
        let packet = witness.packet();
        assert_ne!(first.run(&packet) != 0, second.run(&packet) != 0, "{a} | {b}");
        assert!(witness.bytes.len() < 1100, "{a} | {b}: {}", witness.bytes.len());
    }
}

/// Loads from places of which nothing is known are the same where the places are.
#[test]
fn places_that_are_equal_have_equal_bytes() {
    let load = |k| Insn::LoadInd { size: Size::B, k };
    let start = [Insn::LoadAbs { size: Size::W, k: 0 }, Insn::Tax];
    let end = [
        Insn::JumpIf { op: CondOp::Eq, src: Src::K(7), jt: 0, jf: 1 },
        Insn::RetK { k: 1 },
        Insn::RetK { k: 0 },
    ];
    let one = program(&[&start[..], &[load(5)], &end].concat());
    // The same place, reached by way of arithmetic.
    let other = [
        Insn::LoadImm { reg: Reg::A, k: 3 },
        Insn::Alu { op: AluOp::Add, src: Src::X },
        Insn::Alu { op: AluOp::Add, src: Src::K(2) },
        Insn::Tax,
        load(0),
    ];
    let other = program(&[&start[..], &other, &end].concat());
    assert!(matches!(diff(&one, &other, Effort::default()), Difference::Equal(_)));
    let third = program(&[&start[..], &[load(6)], &end].concat());
    let Difference::Packet(witness) = diff(&one, &third, Effort::default()) else { panic!() };
    assert_ne!(one.run(&witness.packet()), third.run(&witness.packet()));
}

#[test]
fn what_is_not_known_is_not_called_equal() {
    let random = |k| {
        program(&[
            Insn::LoadAnc { size: Size::W, anc: Ancillary::Random },
            Insn::JumpIf { op: CondOp::Eq, src: Src::K(k), jt: 0, jf: 1 },
            Insn::RetK { k: 1 },
            Insn::RetK { k: 0 },
        ])
    };
    let answer = diff(&random(1), &random(1), Effort::default());
    assert_eq!(answer, Difference::Undecided(Undecided::Ancillary(Ancillary::Random)));
    // What is before the packet is not known.
    let before = |k| {
        program(&[
            Insn::LoadAbs { size: Size::B, k: skep_cbpf::table::NET_OFF },
            Insn::JumpIf { op: CondOp::Eq, src: Src::K(k), jt: 0, jf: 1 },
            Insn::RetK { k: 1 },
            Insn::RetK { k: 0 },
        ])
    };
    assert!(matches!(diff(&before(1), &before(1), Effort::default()), Difference::Equal(_)));
    let answer = diff(&before(1), &before(2), Effort::default());
    assert_eq!(answer, Difference::Undecided(Undecided::Before));
    // Multiplication in another order is more than a few dead ends can tell.
    let answer = diff(
        &compiled("ip[0:4] * ip[4:4] * ip[8:4] = 77", true),
        &compiled("ip[8:4] * ip[0:4] * ip[4:4] = 77", true),
        Effort::new(20),
    );
    assert_eq!(answer, Difference::Undecided(Undecided::Conflicts(20)));
}

/// Of the two tests of an address only one is loaded by some packets that are cut.
#[test]
fn short_packets_may_be_left_out() {
    let (a, b) = ("ip net 10.0.0.0/8", "ip net 10.0.0.0/9 or ip net 10.128.0.0/9");
    let Difference::Packet(witness) = of(a, b) else { panic!() };
    assert!(witness.bytes.len() < 34);
    let effort = Effort { least: 34, ..Effort::default() };
    let answer = diff(&compiled(a, true), &compiled(b, true), effort);
    assert!(matches!(answer, Difference::Equal(_)), "{answer:?}");
    let (a, b) = ("tcp port 80 or 443", "tcp port 443 or 80");
    assert!(matches!(of(a, b), Difference::Packet(_)));
    let answer = diff(&compiled(a, true), &compiled(b, true), Effort { least: 80, ..effort });
    assert!(matches!(answer, Difference::Equal(_)), "{answer:?}");
    let answer = diff(&compiled("ip", true), &compiled("arp", true), effort);
    assert!(matches!(answer, Difference::Packet(Witness { bytes, .. }) if bytes.len() == 34));
}

#[test]
fn long_programs_are_compared() {
    let hosts: Vec<String> = (0..400u32).map(|at| format!("10.{}.7.{}", at % 97, at / 3)).collect();
    let text = format!("ip src host {}", hosts.join(" or "));
    let answer = diff(&compiled(&text, true), &compiled(&text, false), Effort::default());
    assert!(matches!(answer, Difference::Equal(_)), "{answer:?}");
    let less = format!("ip src host {}", hosts[1..].join(" or "));
    let answer = diff(&compiled(&text, true), &compiled(&less, true), Effort::default());
    let Difference::Packet(witness) = answer else { panic!("{answer:?}") };
    assert_eq!(witness.bytes[26..30], [10, 0, 7, 0]);
}
