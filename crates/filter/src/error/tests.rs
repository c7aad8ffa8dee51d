use crate::{Expr, Options, Resolver};
use std::io;

/// The words that are to blame, and what is written beside and below them.
#[track_caller]
fn check(text: &str, blamed: &str, label: &str, help: &str) {
    let error = match Expr::parse(text) {
        Ok(expr) => expr.meaning(&Options::default()).map(drop).unwrap_err(),
        Err(error) => error,
    };
    let diag = error.diagnostic();
    let got = (
        &text[error.span.start..error.span.end],
        diag.labels[0].text.as_str(),
        diag.help.as_deref().unwrap_or(""),
    );
    assert_eq!(got, (blamed, label, help), "{text}: {error}");
}

#[test]
fn any_and_inner_stand_before_a_condition_once() {
    let once = "one of them, once: `any` looks at all headers, `inner` at those in tunnels";
    check("any any tcp", "any", "", once);
    check("inner any tcp", "inner", "", once);
    check("any (inner tcp)", "inner", "", once);
    check("any", "any", "", "as in `any tcp port 80`, `any (tcp and net 10)`");
    check("tcp and inner", "inner", "", "as in `inner tcp port 80`, `inner (tcp and net 10)`");
    check("any not tcp", "any", "", "put `not` first, `not any tcp`, or inside, `any (not tcp)`");
    // A host may have the name.
    check("host any", "any", "", "give its address");
}

#[test]
fn lists_and_texts() {
    let list = "it stands behind `host`, `net`, `port`, `src`, `dst` or `vlan`: \
                `host in {10.0.0.0/8}`";
    check("ip in {1}", "in", "before a list", list);
    check("tcp port 80,443", ",", "", "several stand in a list: `port in {80, 443}`");
    check("port {80}", "{", "", "a list has `in` before it: `port in {80, 443}`");
    check(
        "payload contains GET",
        "GET",
        "in quotes",
        "put it in quotes, and the whole in others that the shell takes away: '… \"GET\"'",
    );
    check(
        "process.name curl",
        "curl",
        "in quotes",
        "put it in quotes, and the whole in others that the shell takes away: '… \"curl\"'",
    );
}

#[test]
fn the_word_is_blamed_and_not_the_condition() {
    check("udp and port 99999", "99999", "0 to 65535", "");
    check("not tcp port (99999)", "99999", "0 to 65535", "");
    check("any tcp port 99999", "99999", "0 to 65535", "");
    check("src port 80 or 99999", "99999", "0 to 65535", "");
    check("vlan 5000", "5000", "0 to 4095", "");
    check("net 10.0.0.0/40", "10.0.0.0/40", "0 to 32", "");
    check("proto nosuch", "nosuch", "", "give its number");
    check("ip proto \\tpc", "tpc", "did you mean `tcp`?", "give its number");
    check("ip and host foo.invalid", "foo.invalid", "", "give its address");
    check("port nosuch and tcp", "nosuch", "", "give its number");
    let shifted = "three bytes are four, shifted: `tcp[4:4] >> 8`";
    check("ip and tcp[0:3]=1", "3", "1, 2 or 4", shifted);
    check("tcp[0: 8 ] = 1", "8", "1, 2 or 4", "compare them in parts");
}

/// Files with something wrong in the third line.
struct Files;

impl Resolver for Files {
    fn list(&self, name: &str) -> io::Result<String> {
        let wrong = match name {
            "hosts" => "10.0.0.1, garbage",
            "ports" => "80 99999",
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(format!("# comment\n\n{wrong} # garbage\n"))
    }
}

#[test]
fn a_file_that_is_not_read_is_told_with_the_reason() {
    let text = "ip and host in @nothing";
    let expr = Expr::parse(text).unwrap();
    let read = |resolver: &dyn Resolver| {
        let error = expr.meaning(&Options { resolver, ..Options::default() }).unwrap_err();
        assert_eq!(&text[error.span.start..error.span.end], "nothing");
        error.to_string()
    };
    assert_eq!(read(&Files), "nothing: entity not found");
    assert_eq!(read(&crate::Numeric), "nothing: no files are read here");
}

#[test]
fn files_are_named_with_the_line() {
    for (text, code, want) in [
        ("host in @hosts", "filter.unknown-name", "hosts, line 3: unknown host `garbage`"),
        (
            "tcp and port in @ports",
            "filter.too-large",
            "ports, line 3: port 99999 is greater than 65535",
        ),
        (
            "src in @ports",
            "filter.list",
            "ports, line 3: `80` in the list is no address, network or range",
        ),
    ] {
        let options = Options { resolver: &Files, ..Options::default() };
        let error = Expr::parse(text).unwrap().meaning(&options).unwrap_err();
        assert_eq!((error.kind.code(), error.to_string().as_str()), (code, want));
        assert_eq!(&text[error.span.start - 1..error.span.start], "@");
    }
}
