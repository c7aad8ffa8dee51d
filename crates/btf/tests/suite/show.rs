//! Values as text.

use crate::builder::*;
use crate::flows;
use ByteOrder::{Big, Little};
use skep_btf::{ByteOrder, Kind, Shown, TypeId};

/// The little-endian bytes of a type that `make` builds show as `want`.
#[track_caller]
fn check(make: impl FnOnce(&mut Builder) -> TypeId, bytes: &[u8], want: &str) {
    check_in(Little, make, bytes, want);
}

#[track_caller]
fn check_in(order: ByteOrder, make: impl FnOnce(&mut Builder) -> TypeId, bytes: &[u8], want: &str) {
    let mut b = Builder::default();
    let id = make(&mut b);
    assert_eq!(b.build().show(id, bytes, order).to_string(), want);
}

#[test]
fn integers() {
    for (name, size, encoding, bytes, want) in [
        ("unsigned char", 1, 0, &[0xff_u8][..], "255"),
        ("signed char", 1, SIGNED, &[0xff], "-1"),
        ("short", 2, SIGNED, &[0, 0x80], "-32768"),
        ("unsigned int", 4, 0, &[0, 0, 0, 0x80], "2147483648"),
        ("int", 4, SIGNED, &[0, 0, 0, 0x80], "-2147483648"),
        ("u64", 8, 0, &[0xff; 8], "18446744073709551615"),
        ("long", 8, SIGNED, &[0xff; 8], "-1"),
        ("long", 8, SIGNED, &[0, 0, 0, 0, 0, 0, 0, 0x80], "-9223372036854775808"),
        (
            "u128",
            16,
            0,
            &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80],
            "0x80000000000000000000000000000001",
        ),
        ("u128", 16, SIGNED, &[0xff; 16], "0xffffffffffffffffffffffffffffffff"),
        ("_Bool", 1, BOOL, &[0], "false"),
        ("_Bool", 1, BOOL, &[1], "true"),
        ("_Bool", 1, BOOL, &[2], "2"),
        ("char", 1, SIGNED, b"x", "'x'"),
        ("char", 1, SIGNED, &[0xff], "-1"),
        ("char", 1, SIGNED, &[0], "0"),
        ("c", 1, CHAR, b"'", "'\\''"),
        ("unsigned int", 4, 0, &[1, 2, 3], "<truncated>"),
        ("unsigned int", 4, 0, &[], "<truncated>"),
        ("unsigned int", 4, 0, &[1, 0, 0, 0, 9, 9], "1"),
    ] {
        check(|b| b.int(name, size, encoding), bytes, want);
    }
    check_in(Big, |b| b.int("int", 4, SIGNED), &[0xff, 0xff, 0xff, 0xfe], "-2");
}

#[test]
fn floats_and_pointers() {
    check(|b| b.ty("float", FLOAT, 0, 4, &[]), &0.1_f32.to_le_bytes(), "0.1");
    check(|b| b.ty("double", FLOAT, 0, 8, &[]), &(-2.5_f64).to_le_bytes(), "-2.5");
    check(|b| b.ty("float", FLOAT, 0, 4, &[]), &f32::NAN.to_le_bytes(), "NaN");
    check(|b| b.ty("float", FLOAT, 0, 4, &[]), &f32::INFINITY.to_le_bytes(), "inf");
    check(|b| b.ty("half", FLOAT, 0, 2, &[]), &[1, 2], "[01 02]");
    check_in(Big, |b| b.ty("double", FLOAT, 0, 8, &[]), &1e300_f64.to_be_bytes(), "1e300");
    check(
        |b| b.to("", PTR, TypeId::VOID),
        &[0, 0x10, 0, 0, 0, 0x88, 0xff, 0xff],
        "0xffff880000001000",
    );
    check(|b| b.to("", PTR, TypeId::VOID), &[0; 8], "0x0");
    check(|b| b.to("", PTR, TypeId::VOID), &[0; 4], "<truncated>");
}

#[test]
fn enumerations() {
    let action = |b: &mut Builder, flag: u32| {
        let names = [b.string("XDP_DROP"), b.string("XDP_PASS"), b.string("XDP_BAD")];
        let entries = [names[0], 1, names[1], 2, names[2], u32::MAX];
        b.ty("xdp_action", ENUM, flag | 3, 4, &entries)
    };
    for (flag, bytes, want) in [
        (0, [2, 0, 0, 0], "XDP_PASS"),
        (0, [9, 0, 0, 0], "9"),
        (0, [0xff; 4], "XDP_BAD"),
        (FLAG, [0xff; 4], "XDP_BAD"),
        (FLAG, [0xfe, 0xff, 0xff, 0xff], "-2"),
    ] {
        check(|b| action(b, flag), &bytes, want);
    }
    check_in(Big, |b| action(b, 0), &[0, 0, 0, 1], "XDP_DROP");
    let wide = |b: &mut Builder| {
        let name = b.string("TOP");
        b.ty("wide", ENUM64, 1, 8, &[name, 1, 0x8000_0000])
    };
    check(wide, &0x8000_0000_0000_0001_u64.to_le_bytes(), "TOP");
    check(wide, &7_u64.to_le_bytes(), "7");
}

#[test]
fn arrays_of_bytes() {
    let chars = |b: &mut Builder| {
        let elem = b.int("char", 1, SIGNED);
        b.array(elem, 8)
    };
    check(chars, b"eth0\0\0\0\0", r#""eth0""#);
    check(chars, b"eth0\0\xff\xff\xff", r#""eth0""#);
    check(chars, b"12345678", r#""12345678""#);
    check(chars, b"a\"b\n\0\0\0\0", r#""a\"b\n""#);
    check(chars, "grün\0\0\0".as_bytes(), r#""grün""#);
    check(chars, &[0; 8], r#""""#);
    check(chars, b"a\x01\0\0\0\0\0\0", "[61 01 00 00 00 00 00 00]");
    check(chars, b"\xde\xad\xbe\xef\0\0\0\0", "[de ad be ef 00 00 00 00]");
    check(chars, b"short", "<truncated>");

    let bytes = |b: &mut Builder| {
        let elem = b.int("unsigned char", 1, 0);
        let elem = b.to("__u8", TYPEDEF, elem);
        b.array(elem, 4)
    };
    check(bytes, b"abc\0", "[61 62 63 00]");
    check(
        |b| {
            let inner = bytes(b);
            b.array(inner, 2)
        },
        &[1, 2, 3, 4, 5, 6, 7, 8],
        "[[01 02 03 04], [05 06 07 08]]",
    );
    check(
        |b| {
            let elem = b.int("_Bool", 1, BOOL);
            b.array(elem, 2)
        },
        &[1, 0],
        "[true, false]",
    );
    check(
        |b| {
            let elem = b.int("signed char", 1, SIGNED);
            b.array(elem, 2)
        },
        &[1, 0xff],
        "[1, -1]",
    );
}

#[test]
fn arrays_end_where_the_bytes_do() {
    let shorts = |b: &mut Builder| {
        let elem = b.int("short", 2, SIGNED);
        b.array(elem, 3)
    };
    check(shorts, &[1, 0, 2, 0, 3, 0], "[1, 2, 3]");
    check(shorts, &[1, 0, 2, 0, 3], "[1, 2, <truncated>]");
}

#[test]
fn structs_and_unions() {
    let make = |b: &mut Builder| {
        let byte = b.int("unsigned char", 1, 0);
        let inner = b.fields("", STRUCT, 2, &[("x", byte, 0), ("y", byte, 8)]);
        let either = b.fields("", UNION, 2, &[("", inner, 0), ("first", byte, 0)]);
        let named = b.fields("choice", UNION, 1, &[("a", byte, 0), ("b", byte, 0)]);
        let alias = b.to("", CONST, either);
        b.fields("s", STRUCT, 4, &[("n", byte, 0), ("", alias, 8), ("u", named, 24)])
    };
    check(make, &[1, 2, 3, 4], "{n: 1, x: 2, y: 3, first: 2, u: {a: 4, b: 4}}");
    check(
        make,
        &[1, 2],
        "{n: 1, x: 2, y: <truncated>, first: 2, u: {a: <truncated>, b: <truncated>}}",
    );
    check(|b| b.fields("none", STRUCT, 0, &[]), &[], "{}");
}

#[test]
fn bitfields() {
    let flagged = |b: &mut Builder| {
        let unsigned = b.int("unsigned int", 4, 0);
        let signed = b.int("int", 4, SIGNED);
        let members =
            [("a", unsigned, 3 << 24), ("b", signed, 5 << 24 | 3), ("c", unsigned, 12 << 24 | 8)];
        b.fields("s", STRUCT | FLAG, 4, &members)
    };
    // a = 0b101, b = 0b11110 (-2), c = 0xabc: from the least significant bit, or from the most.
    check(flagged, &[0xf5, 0xbc, 0x0a, 0], "{a: 5, b: -2, c: 2748}");
    check_in(Big, flagged, &[0xbe, 0xab, 0xc0, 0], "{a: 5, b: -2, c: 2748}");
    check(flagged, &[0xf5, 0xbc], "{a: 5, b: -2, c: <truncated>}");
    // Old compilers give the integer the width of the field.
    let old = |b: &mut Builder| {
        let three = b.ty("unsigned int", INT, 0, 4, &[3]);
        b.fields("s", STRUCT, 4, &[("a", three, 0), ("b", three, 3), ("c", three, 6)])
    };
    check(old, &[0x75, 1, 0, 0], "{a: 5, b: 6, c: 5}");
}

/// A struct with one field of this name.
fn field(b: &mut Builder, name: &str, ty: TypeId) -> TypeId {
    let size = 16;
    b.fields("s", STRUCT, size, &[(name, ty, 0)])
}

fn be(b: &mut Builder, size: u32) -> TypeId {
    let int = b.int("uint", size, 0);
    let int = b.to("__u", TYPEDEF, int);
    b.to(&format!("__be{}", size * 8), TYPEDEF, int)
}

#[test]
fn addresses_of_four_bytes() {
    for (name, be_want, want) in [
        ("saddr", "10.0.0.1", "10.0.0.1"),
        ("src_ip", "10.0.0.1", "10.0.0.1"),
        ("user_ip4", "10.0.0.1", "10.0.0.1"),
        ("gateway", "10.0.0.1", "10.0.0.1"),
        ("src", "10.0.0.1", "16777226"),
        ("seq", "167772161", "16777226"),
        ("skip", "167772161", "16777226"),
        ("ip_id", "167772161", "16777226"),
    ] {
        let bytes = [10, 0, 0, 1];
        for order in [Little, Big] {
            let make = |b: &mut Builder| {
                let ty = be(b, 4);
                field(b, name, ty)
            };
            check_in(order, make, &bytes, &format!("{{{name}: {be_want}}}"));
        }
        let make = |b: &mut Builder| {
            let ty = b.int("unsigned int", 4, 0);
            field(b, name, ty)
        };
        check(make, &bytes, &format!("{{{name}: {want}}}"));
    }
    check(|b| be(b, 4), &[192, 0, 2, 7], "192.0.2.7");
    check(|b| b.int("unsigned int", 4, 0), &[192, 0, 2, 7], "117571776");
    let signed = |b: &mut Builder| {
        let ty = b.int("int", 4, SIGNED);
        field(b, "addr", ty)
    };
    check(signed, &[1, 0, 0, 0], "{addr: 1}");
}

#[test]
fn network_byte_order() {
    for order in [Little, Big] {
        check_in(order, |b| be(b, 2), &[0x01, 0xbb], "443");
        check_in(order, |b| be(b, 8), &[0, 0, 0, 0, 0, 0, 1, 0], "256");
    }
    let port = |b: &mut Builder| {
        let ty = be(b, 2);
        field(b, "dport", ty)
    };
    check(port, &[0x01, 0xbb], "{dport: 443}");
}

#[test]
fn arrays_that_are_addresses() {
    let v6 = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let table = [
        ("h_dest", 1, 6, "02:00:5e:10:00:01"),
        ("mac", 1, 6, "02:00:5e:10:00:01"),
        ("other", 1, 6, "[02 00 5e 10 00 01]"),
        ("saddr", 1, 16, "2001:db8::1"),
        ("src_ip6", 4, 16, "2001:db8::1"),
        ("key", 1, 16, "[20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01]"),
        ("ip", 1, 4, "32.1.13.184"),
        ("ips", 4, 8, "[32.1.13.184, 0.0.0.0]"),
        ("addr", 4, 4, "[32.1.13.184]"),
    ];
    for (name, elem, size, want) in table {
        let make = |b: &mut Builder| {
            let int = b.int("unsigned", elem, 0);
            let ty = b.array(int, size / elem);
            field(b, name, ty)
        };
        let bytes = if size == 6 { &[2, 0, 0x5e, 0x10, 0, 1][..] } else { &v6 };
        check(make, bytes, &format!("{{{name}: {want}}}"));
    }
    let in6 = |b: &mut Builder| {
        let byte = b.int("unsigned char", 1, 0);
        let bytes = b.array(byte, 16);
        let ty = b.fields("in6_addr", STRUCT, 16, &[("s6", bytes, 0)]);
        field(b, "peer", ty)
    };
    check(in6, &v6, "{peer: 2001:db8::1}");
    let in4 = |b: &mut Builder| {
        let ty = be(b, 4);
        b.fields("in_addr", STRUCT, 4, &[("s_addr", ty, 0)])
    };
    check(in4, &[127, 0, 0, 1], "127.0.0.1");
}

#[test]
fn types_without_values() {
    for kind in [FWD, FUNC_PROTO] {
        check(|b| b.ty("f", kind, 0, 0, &[]), &[1, 2], "<truncated>");
    }
    let btf = Builder::default().build();
    assert_eq!(btf.show(TypeId::VOID, &[1], Little), Shown::Truncated);
    assert_eq!(btf.show(TypeId(7), &[1], Little), Shown::Truncated);
}

#[test]
fn compiled_struct() {
    for (order, btf) in flows() {
        let num = |value: u64, size: usize| match order {
            Little => value.to_le_bytes()[..size].to_vec(),
            Big => value.to_be_bytes()[8 - size..].to_vec(),
        };
        let mut v = vec![10, 0, 0, 1, 10, 0, 0, 2, 0x30, 0x39, 0x01, 0xbb, 6];
        v.extend([2, 0, 0, 0, 0, 9, 0]);
        v.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16]);
        v.extend([0; 4]);
        v.extend(num(1234, 8));
        // syn = 1, delta = 0b11111 (-1), action = 0b10 in 8 bits, from the first bit on.
        v.extend(match order {
            Little => [0xbf, 0],
            Big => [0xfc, 0x08],
        });
        v.extend(b"curl\0\0\0\0\0\0\0\0\0\0\0\0");
        v.resize(72, 0);
        v.extend(num(0xffff_8880_0000_0000, 8));
        v.extend(num(0, 8));
        v.extend(num(0.75_f64.to_bits(), 8));
        v.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        v.extend(num(0x8000_0000_0000_0001, 8));
        v.extend(num(7, 4));
        v.resize(128, 0);
        let flow = btf.find("flow", Kind::Struct).unwrap().id;
        let raw = if order == Little { "[07 00 00 00]" } else { "[00 00 00 07]" };
        assert_eq!(
            btf.show(flow, &v, order).to_string(),
            format!(
                "{{key: {{saddr: 10.0.0.1, daddr: 10.0.0.2, sport: 12345, dport: 443, proto: 6, \
                 h_source: 02:00:00:00:00:09, peer: fe80::16}}, packets: 1234, syn: 1, delta: -1, \
                 action: ACTION_PASS, comm: \"curl\", next: 0xffff888000000000, load: 0x0, \
                 ratio: 0.75, seen: true, big: BIG_TOP, mark: 7, raw: {raw}, hook: 0x0}}"
            )
        );
    }
}

#[test]
fn data_sections_show_their_variables() {
    let mut b = Builder::default();
    let int = b.int("int", 4, SIGNED);
    let x = b.ty("x", VAR, 0, int.0, &[1]);
    let ip = b.int("unsigned int", 4, 0);
    let ip = b.ty("local_ip", VAR, 0, ip.0, &[1]);
    let proto = b.ty("", FUNC_PROTO, 0, 0, &[]);
    let func = b.ty("kfunc", FUNC, 2, proto.0, &[]);
    let sec = b.ty(".data", DATASEC, 3, 8, &[x.0, 0, 4, func.0, 0, 0, ip.0, 4, 4]);
    let btf = b.build();
    let bytes = [5, 0, 0, 0, 10, 1, 2, 3];
    assert_eq!(btf.show(sec, &bytes, Little).to_string(), "{x: 5, local_ip: 10.1.2.3}");
    assert_eq!(btf.show(x, &bytes, Little), Shown::Int(5));
    assert_eq!(btf.show(ip, &[10, 1, 2, 3], Little), Shown::Text("10.1.2.3".into()));
}
