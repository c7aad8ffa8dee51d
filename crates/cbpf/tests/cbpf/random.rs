//! Whatever comes in, nothing panics and every run ends.

use crate::generate;
use rand::{Rng, RngCore};
use skep_cbpf::{Format, Meta, Packet, RawInsn, Target, Verdict, check, parse, print, translate};

#[test]
fn random_fields() {
    let rng = &mut generate::rng(2);
    let mut accepted = 0;
    for _ in 0..30_000 {
        let mut insns = generate::program(rng);
        // Some fields become anything.
        for _ in 0..rng.random_range(0..3) {
            let at = rng.random_range(0..insns.len());
            let any = rng.next_u64().to_le_bytes();
            insns[at] = match rng.random_range(0..3) {
                0 => RawInsn { k: rng.next_u32(), ..insns[at] },
                1 => RawInsn { jt: any[0], jf: any[1], ..insns[at] },
                _ => RawInsn { code: u16::from(any[0]), ..insns[at] },
            };
        }
        let Ok(program) = check(&insns) else { continue };
        accepted += 1;
        let bytes = generate::packet(rng);
        let mut packet = Packet::new(&bytes);
        packet.data = rng.random_range(0..200);
        packet.link = rng.random::<bool>().then(|| rng.random_range(0..200));
        packet.network = rng.random_range(0..200);
        packet.len = if rng.random() { rng.next_u32() } else { packet.len };
        packet.meta = Meta { protocol: rng.random(), random: rng.random(), ..Meta::default() };
        let answer = program.run(&packet);
        // The checker takes what a program encodes to, and it means the same.
        assert_eq!(check(&program.encode()).unwrap().run(&packet), answer);
        for target in [Target::SocketFilter, Target::Xdp(Verdict::XDP), Target::Tc(Verdict::TC)] {
            let _ = translate(&program, target);
        }
    }
    assert!(accepted > 5000, "only {accepted} programs");
}

#[test]
fn random_texts() {
    let rng = &mut generate::rng(3);
    let snippets = [
        "(000) ",
        "(001) ",
        "ld",
        "ldh ",
        "ldxb ",
        "[12]",
        "[x + ",
        "#0x",
        "#pktlen",
        "4*([",
        "]&0xf)",
        "M[",
        "]",
        "jeq ",
        "x",
        " jt 2",
        "\tjf 5",
        "\n",
        "{ 0x28",
        ", 0",
        ", 0xffffffff },",
        "40 0 0 12\n",
        "-",
        "4294967296",
        "é",
        "\u{2028}",
        "unimp ",
        "ret ",
        "\0",
    ];
    for _ in 0..50_000 {
        let mut text = String::new();
        for _ in 0..rng.random_range(0..12) {
            text.push_str(snippets[rng.random_range(0..snippets.len())]);
        }
        match parse(&text) {
            Ok(insns) => assert_eq!(parse(&print(&insns, Format::Decimal)), Ok(insns)),
            Err(error) => assert!(text.is_char_boundary(error.at) && error.line > 0),
        }
    }
}

#[test]
fn cut_and_altered_listings() {
    let rng = &mut generate::rng(4);
    for _ in 0..300 {
        let insns = generate::program(rng);
        for format in [Format::Text, Format::C, Format::Decimal] {
            let text = print(&insns, format);
            for _ in 0..20 {
                let mut bytes = text.clone().into_bytes();
                let at = rng.random_range(0..bytes.len());
                match rng.random_range(0..3) {
                    0 => bytes.truncate(at),
                    1 => bytes[at] = rng.random_range(0..128),
                    _ => drop(bytes.remove(at)),
                }
                let text = String::from_utf8(bytes).expect("ASCII");
                if let Err(error) = parse(&text) {
                    assert!(error.at <= text.len(), "{error}");
                }
            }
        }
    }
}
