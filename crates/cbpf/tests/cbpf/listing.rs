//! Listings in and out, and what is wrong with bad ones.

use skep_cbpf::{Format, ParseErrorKind, RawInsn, parse, print};

const FORMATS: [Format; 3] = [Format::Text, Format::C, Format::Decimal];

#[test]
fn instructions_as_libpcap_prints_them() {
    let table = [
        (RawInsn::stmt(0x28, 12), "ldh      [12]"),
        (RawInsn::stmt(0x20, 0x8000_0000), "ld       [-2147483648]"),
        (RawInsn::stmt(0x30, 0xffff_f030), "ldb      [vlanp]"),
        (RawInsn::stmt(0x48, 14), "ldh      [x + 14]"),
        (RawInsn::stmt(0x50, u32::MAX), "ldb      [x + -1]"),
        (RawInsn::stmt(0xb1, 14), "ldxb     4*([14]&0xf)"),
        (RawInsn::stmt(0x00, 255), "ld       #0xff"),
        (RawInsn::stmt(0x01, 0), "ldx      #0x0"),
        (RawInsn::stmt(0x80, 0), "ld       #pktlen"),
        (RawInsn::stmt(0x61, 3), "ldx      M[3]"),
        (RawInsn::stmt(0x02, 3), "st       M[3]"),
        (RawInsn::stmt(0x04, u32::MAX), "add      #-1"),
        (RawInsn::stmt(0x54, u32::MAX), "and      #0xffffffff"),
        (RawInsn::stmt(0x5c, 0), "and      x"),
        (RawInsn::stmt(0x84, 0), "neg      "),
        (RawInsn::stmt(0x16, 0), "ret      "),
        (RawInsn::stmt(0x06, 262_144), "ret      #262144"),
        (RawInsn::stmt(0x05, 3), "ja       4"),
        (RawInsn::stmt(0x05, u32::MAX), "ja       0"),
        (RawInsn::jump(0x15, 0x800, 0, 255), "jeq      #0x800           jt 1\tjf 256"),
        (RawInsn::jump(0x4d, 0, 1, 2), "jset     x                jt 2\tjf 3"),
        (RawInsn::stmt(0x81, 0), "unimp    0x81"),
        (RawInsn::stmt(0xffff, 0), "unimp    0xffff"),
        (RawInsn::jump(0x55, 0, 0, 1), "unimp    0x55             jt 1\tjf 2"),
    ];
    for (insn, text) in table {
        let line = format!("(000) {text}\n");
        assert_eq!(print(&[insn], Format::Text), line);
        assert_eq!(parse(&line), Ok(vec![insn]), "{text}");
        for format in FORMATS {
            assert_eq!(parse(&print(&[insn], format)), Ok(vec![insn]), "{text}");
        }
    }
}

#[test]
fn numbers_as_tcpdump_prints_them() {
    let insns = [RawInsn::stmt(0x28, 12), RawInsn::jump(0x115, u32::MAX, 255, 0)];
    let c = "{ 0x28, 0, 0, 0x0000000c },\n{ 0x115, 255, 0, 0xffffffff },\n";
    assert_eq!(print(&insns, Format::C), c);
    let decimal = "2\n40 0 0 12\n277 255 0 4294967295\n";
    assert_eq!(print(&insns, Format::Decimal), decimal);
    assert_eq!(print(&[], Format::Decimal), "0\n");
    let many = [RawInsn::stmt(0x07, 0); 1001];
    let text = print(&many, Format::Text);
    assert!(text.ends_with("(999) tax      \n(1000) tax      \n"));
    assert_eq!(parse(&text).as_deref(), Ok(&many[..]));
}

#[test]
fn spaces_and_notations_are_free() {
    let ldh = Ok(vec![RawInsn::stmt(0x28, 12)]);
    for text in [
        "(000) ldh [12]",
        "\n\n  ( 0 )ldh\t[ 0xc ]  \r\n\r\n",
        "(000) ldh      [0x0000000C]",
        "{0x28,0,0,12}",
        "  { 40 , 0 , 0 , 0x0C } , \n",
        "1\n40 0 0 12",
        "\n 1 \r\n\n 0x28   0 0\t12 \r\n",
    ] {
        assert_eq!(parse(text), ldh, "{text:?}");
    }
    assert_eq!(parse("(000) ldx #pktlen"), Ok(vec![RawInsn::stmt(0x81, 0)]));
    assert_eq!(parse("(000) ret #0xffffffff"), Ok(vec![RawInsn::stmt(0x06, u32::MAX)]));
    assert_eq!(parse("0"), Ok(vec![]));
}

#[track_caller]
fn fails(text: &str, words: &str) {
    let error = parse(text).expect_err("a bad listing");
    assert_eq!(error.to_string(), words, "{text:?}");
    let (lines, rest) = text.split_at(error.at);
    assert_eq!(error.line, lines.matches('\n').count() + 1);
    assert!(rest.len() <= text.len());
}

#[test]
fn errors_name_the_place() {
    let nothing = "expected `(000)`, `{ 0x28, 0, 0, 0x0000000c },` or a number of instructions";
    fails("", &format!("line 1, column 1: {nothing}"));
    fails("\n  tcp port 80", &format!("line 2, column 3: {nothing}"));
    fails("(000) ldh [12]\n(000) tax", "line 2, column 2: instruction 0 where 1 should stand");
    fails("(0x", "line 1, column 2: expected a number");
    fails("(000", "line 1, column 5: expected )");
    fails("(000) ", "line 1, column 7: expected an instruction");
    fails("(000) lbh [12]", "line 1, column 7: unknown instruction `lbh`");
    fails("(000) ldh #12", "line 1, column 11: `ldh` takes no such operand");
    fails("(000) ldh", "line 1, column 10: `ldh` takes no such operand");
    fails("(000) tax x", "line 1, column 11: `tax` takes no such operand");
    fails("(000) ldh [12", "line 1, column 14: expected ]");
    fails("(000) ldh [12] 5", "line 1, column 16: expected end of line");
    fails("(000) ldh [portal]", "line 1, column 12: unknown ancillary data `portal`");
    fails("(000) ld M[é]", "line 1, column 12: expected a number");
    fails("(000) ld [é", "line 1, column 11: expected a number");
    fails("(000) ldxb 4*([14]&0xe)", "line 1, column 20: expected 0xf");
    fails("(000) ld #0x1ffffffff", "line 1, column 11: the number must be at most 4294967295");
    fails("(000) ld #-2147483649", "line 1, column 12: the number must be at most 2147483648");
    fails("(000) ld #0x", "line 1, column 11: expected a number");
    fails("(000) jeq #0x800", "line 1, column 17: expected jt");
    fails("(000) jeq x jt 2 3", "line 1, column 18: expected jf");
    fails(
        "(000) jeq x jt 0 jf 3",
        "line 1, column 16: the jump must lead to one of 1 to 256, not 0",
    );
    fails(
        "(000) jeq x jt 1 jf 257",
        "line 1, column 21: the jump must lead to one of 1 to 256, not 257",
    );
    fails(
        "{ 0x28, 0, 0, 1 },\n{ 0x28, 256, 0, 1 },",
        "line 2, column 9: the number must be at most 255",
    );
    fails("{ 0x10000, 0, 0, 1 },", "line 1, column 3: the number must be at most 65535");
    fails("{ 0x28, 0, 0 },", "line 1, column 14: expected ,");
    fails("{ 0x28, 0, 0, 1", "line 1, column 16: expected }");
    fails("2\n6 0 0 0\n", "line 1, column 1: 2 instructions announced, 1 follow");
    fails("4294967295\n", "line 1, column 1: 4294967295 instructions announced, 0 follow");
    fails("1\n6 0 0\n", "line 2, column 6: expected a number");
    fails("1\n6 0 0 0 0\n", "line 2, column 9: expected end of line");
    let kind = parse("(000) lbh").unwrap_err().kind;
    assert_eq!(kind, ParseErrorKind::Mnemonic("lbh".to_owned()));
}

#[test]
fn the_form_is_recognised() {
    for format in FORMATS {
        let text = print(&[RawInsn::stmt(0x06, 1)], format);
        assert_eq!(Format::detect(&format!(" \n{text}")), Some(format));
    }
    assert_eq!(Format::detect("ip"), None);
    assert_eq!(Format::detect(""), None);
}
