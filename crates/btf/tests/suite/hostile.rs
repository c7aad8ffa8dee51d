//! Whatever the bytes: no panic, and neither time nor memory without bound.

use crate::builder::{BOOL, Builder, CONST, STRUCT, TYPEDEF, UNION};
use crate::{fixture, flows};
use skep_btf::fixup::{Resolver, Target};
use skep_btf::{Btf, BtfExt, ByteOrder, Shown, TypeId, dedup, dump_c};

/// Types of the program and of the kernel are malformed in turns: relocations have results or errors.
#[test]
fn mutated_targets() {
    let relocate = |local: &Btf, target: &Btf, ext: &BtfExt| {
        let mut resolver = Resolver::new(local, &[Target { name: "vmlinux", btf: target }]);
        let relos = ext.core_relos.iter().flat_map(|section| &section.records);
        relos.filter(|relo| resolver.resolve(relo).is_ok_and(|fixup| fixup.new.is_ok())).count()
    };
    let [local, target, ext] =
        ["core.el.btf", "core_target.el.btf", "core.el.btf.ext"].map(fixture);
    let good = Btf::parse(&local).unwrap();
    let ext = BtfExt::parse(&ext, &good).unwrap();
    let kernel = Btf::parse(&target).unwrap();
    let whole = relocate(&good, &kernel, &ext);
    let mut fewer = 0;
    for (bytes, is_local) in [(local, true), (target, false)] {
        for at in (24..bytes.len()).step_by(3) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x41;
            let Ok(btf) = Btf::open(bytes) else { continue };
            let (local, target) = if is_local { (&btf, &kernel) } else { (&good, &btf) };
            fewer += usize::from(relocate(local, target, &ext) < whole);
        }
    }
    assert!(fewer > 20, "{fewer}");
}

/// Does with `btf` whatever can be done.
fn exercise(btf: &Btf) {
    let value: Vec<u8> = (0..=255).collect();
    for ty in btf.types() {
        let _ = btf.size_of(ty.id);
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let _ = btf.show(ty.id, &value, order).to_string();
        }
    }
    let _ = format!("{btf:?}");
}

/// Writes it in all forms, which takes longer.
fn exercise_writers(btf: &Btf) {
    let _ = dump_c(btf);
    let merged = dedup(btf).map(|merged| merged.btf.len());
    assert!(merged.is_ok_and(|len| len <= btf.len()));
    for order in [ByteOrder::Little, ByteOrder::Big] {
        let again = Btf::parse(&btf.to_bytes(order)).unwrap();
        assert_eq!(again.len(), btf.len());
    }
}

/// Does with BTF that may be malformed what can be done before it is checked.
fn exercise_opened(btf: &Btf) {
    for ty in btf.types() {
        let _ = (btf.size_of(ty.id), btf.resolve(ty.id).map(|ty| ty.id));
        let _ = btf.show(ty.id, &[1; 64], ByteOrder::Little).to_string();
        let _ = btf.find(ty.name, ty.kind()).map(|ty| ty.id);
    }
    let _ = (dump_c(btf).is_ok(), dedup(btf).is_ok(), btf.pointer_size());
}

#[test]
fn truncated_input() {
    for name in ["flows.el.btf", "flows.eb.btf"] {
        let bytes = fixture(name);
        for len in 0..bytes.len() {
            assert!(Btf::parse(&bytes[..len]).is_err(), "{name} of {len} bytes");
        }
    }
    let [(_, btf), _] = flows();
    let bytes = fixture("flows.el.btf.ext");
    for len in 0..bytes.len() {
        assert!(BtfExt::parse(&bytes[..len], &btf).is_err(), "ext of {len} bytes");
    }
}

#[test]
fn mutated_input() {
    for (order, btf) in flows() {
        let suffix = if order == ByteOrder::Little { "el" } else { "eb" };
        let mut bytes = fixture(&format!("flows.{suffix}.btf"));
        let mut accepted = 0;
        // Characters of strings say nothing about structure: one in eight is enough.
        let strings = bytes.len() - 700;
        for at in (0..strings).chain((strings..bytes.len()).step_by(8)) {
            for change in [0x01, 0xff] {
                bytes[at] ^= change;
                if let Ok(btf) = Btf::parse(&bytes) {
                    accepted += 1;
                    exercise(&btf);
                    if accepted % 64 == 0 {
                        exercise_writers(&btf);
                    }
                } else if at % 4 == 0
                    && let Ok(btf) = Btf::open(bytes.clone())
                {
                    exercise_opened(&btf);
                }
                bytes[at] ^= change;
            }
        }
        assert!(accepted > 100);
        let mut bytes = fixture(&format!("flows.{suffix}.btf.ext"));
        for at in 0..bytes.len() {
            for change in 1..=255 {
                bytes[at] ^= change;
                let _ = BtfExt::parse(&bytes, &btf);
                bytes[at] ^= change;
            }
        }
    }
}

#[test]
fn random_records() {
    // xorshift: the same records on every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u32::try_from(state >> 32).unwrap()
    };
    let mut accepted = 0;
    for _ in 0..20_000 {
        let mut b = Builder { strings: b"\0int\0ip\0char\0".to_vec(), ..Builder::default() };
        for _ in 0..random() % 4 + 1 {
            let kind = random() % 21;
            let vlen = random() % 3;
            let flag = (random() % 2) << 31;
            b.words.extend([random() % 14, kind << 24 | vlen | flag, random() % 9]);
            b.words.extend((0..random() % 4).map(|_| {
                let word = random();
                if word % 4 == 0 { word } else { word % 40 }
            }));
        }
        if let Ok(btf) = b.parse() {
            accepted += 1;
            exercise(&btf);
        }
    }
    assert!(accepted > 100, "{accepted} accepted");
}

#[test]
fn huge_arrays() {
    let mut b = Builder::default();
    let byte = b.int("u8", 1, 0);
    let long = b.int("u64", 8, 0);
    let nothing = b.fields("nothing", STRUCT, 0, &[]);
    let [bytes, longs, nothings] = [byte, long, nothing].map(|elem| b.array(elem, u32::MAX));
    let nested = b.array(nothings, u32::MAX);
    let btf = b.build();
    let show = |id, bytes: &[u8]| btf.show(id, bytes, ByteOrder::Little).to_string();
    assert_eq!(show(bytes, &[1, 2]), "<truncated>");
    assert_eq!(show(longs, &[1; 9]), "[72340172838076673, <truncated>]");
    assert_eq!(show(nothings, &[]), "[]");
    assert_eq!(show(nested, &[]), "[]");

    let mut b = Builder::default();
    let int = b.int("unsigned int", 4, 0);
    let array = b.array(int, 1 << 20);
    let Shown::Array(values) = b.build().show(array, &vec![0; 4 << 20], ByteOrder::Little) else {
        panic!()
    };
    assert_eq!(values.last(), Some(&Shown::Truncated));
    assert!(values.len() <= 1 << 18);
}

#[test]
fn exponential_types() {
    // Each struct holds its predecessor 1000 times at the same place: 1000^60 members.
    for (name, kind) in [("s", STRUCT), ("", UNION), ("", STRUCT)] {
        let mut b = Builder::default();
        let mut id = b.int("int", 4, 0);
        for _ in 0..60 {
            let member = if name.is_empty() && id != TypeId(1) { "" } else { "m" };
            let members = vec![(member, id, 0); 1000];
            id = b.fields(name, kind, 4, &members);
        }
        let shown = b.build().show(id, &[0; 4], ByteOrder::Little).to_string();
        assert!(shown.len() < 1 << 22, "{} bytes", shown.len());
        assert!(shown.contains("<truncated>"));
    }
}

#[test]
fn long_names_count() {
    let mut b = Builder::default();
    let int = b.int("int", 4, 0);
    let id = b.fields("s", STRUCT, 4, &[("", int, 0); 60_000]);
    let long = b.string(&"n".repeat(Btf::MAX_NAME));
    // All members share one long name.
    for word in b.words[4 + 3..].chunks_exact_mut(3) {
        word[0] = long;
    }
    let shown = b.build().show(id, &[0; 4], ByteOrder::Little).to_string();
    assert!(shown.len() < 1 << 20, "{} bytes", shown.len());
}

#[test]
fn longer_names_are_refused() {
    let mut b = Builder::default();
    b.int(&"n".repeat(Btf::MAX_NAME + 1), 4, 0);
    let err = b.parse().unwrap_err();
    assert_eq!(err.to_string(), "byte 24: the name at string offset 1 is longer than 4096 bytes");
}

#[test]
fn long_names_of_types_count() {
    let mut b = Builder::default();
    let int = b.int("_Bool", 1, BOOL);
    let int = b.to(&"n".repeat(Btf::MAX_NAME), TYPEDEF, int);
    let array = b.array(int, 1 << 18);
    let anonymous = b.fields("", STRUCT, 1, &[("", int, 0); 60_000]);
    let outer = b.fields("s", STRUCT, 1, &[("", anonymous, 0)]);
    let btf = b.build();
    for id in [array, outer] {
        let shown = btf.show(id, &[0; 1 << 18], ByteOrder::Little).to_string();
        assert!(shown.len() < 10_000, "{} bytes", shown.len());
    }
}

#[test]
fn long_chains_of_names() {
    let mut b = Builder::default();
    let mut id = b.int("int", 4, 0);
    for kind in [CONST, TYPEDEF].iter().cycle().take(62) {
        id = b.to("", *kind, id);
    }
    let array = b.array(id, 1000);
    let shown = b.build().show(array, &[0; 4000], ByteOrder::Little).to_string();
    assert_eq!(shown.len(), 3000);
}
