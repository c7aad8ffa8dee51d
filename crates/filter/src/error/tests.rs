use crate::{ErrorKind, Expr, LinkType, Options, Resolver};
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

#[test]
fn a_word_that_does_not_go_with_another_is_told_what_would_do() {
    check("sctp host 10.0.0.1", "sctp", "", "write `sctp and host 10.0.0.1`");
    check("udp or ip6 port 80", "ip6", "", "write `ip6 and port 80`");
    check("(tcp src host ::1)", "tcp", "", "write `tcp and src host ::1`");
    check("ip host 2001:db8::1", "ip", "", "write `ip6 host 2001:db8::1`");
    check("ip6 net 10.0.0.0/8", "ip6", "", "write `ip net 10.0.0.0/8`");
    check("ether host 10.0.0.1", "ether", "", "write `host 10.0.0.1`");
    check("wlan host 10.0.0.1", "wlan", "", "write `host 10.0.0.1`");
    check("tcp host in {10.0.0.1}", "tcp", "", "write `tcp and host in {10.0.0.1}`");
    check("src port 10.0.0.1", "port", "", "write `src host 10.0.0.1`");
    check("dst host 0:0:5e:0:53:1", "host", "", "write `ether dst host 0:0:5e:0:53:1`");
    check("icmp port 80", "icmp", "", "`tcp`, `udp` and `sctp` have ports: `tcp port 80`");
    check("udp multicast", "udp", "", "write `udp and multicast`");
    let field = "it is a field of IP: `ip proto 5`, `ip6 proto 5`, or `proto 5` for both";
    check("tcp proto 5", "tcp", "", field);
    let taken = "it takes `port` from the words before it: write `host 10.0.0.1`";
    check("sctp port 80 or 10.0.0.1", "10.0.0.1", "", taken);
    let gateway = "write what it stands for, with the gateway's address: \
                   `ether host 0:0:5e:0:53:1 and not host foo`";
    check("gateway foo", "gateway", "", gateway);
    let of_it = "as in `fddi host 0:0:5e:0:53:1`, `fddi proto 0x88cc`, `fddi broadcast`";
    check("ip and fddi", "fddi", "", of_it);
    assert_eq!(
        Expr::parse("tr").unwrap().meaning(&Options::default()).unwrap_err().to_string(),
        "`tr` does not go with nothing at all: say what of it"
    );
}

/// Whatever word stands before whatever.
#[test]
fn what_is_said_to_do_does() {
    let rests = [
        "host 10.0.0.1",
        "src host 10.0.0.1",
        "net 10.0.0.0/8",
        "dst net 10.0.0.0 mask 255.0.0.0",
        "host ::1",
        "src or dst host 2001:db8::1",
        "host in {10.0.0.1}",
        "host 0:0:5e:0:53:1",
        "src 0:0:5e:0:53:1",
        "host 5",
        "port 80",
        "dst portrange 1-2",
        "port in {80, 443}",
        "port 10.0.0.1",
        "src port ::1",
        "broadcast",
        "multicast",
        "proto 6",
        "protochain 6",
        "gateway 5",
    ];
    let options = Options { netmask: Some(0), ..Options::default() };
    let mut told = 0;
    for word in crate::words::all().chain([""]) {
        for rest in rests {
            let text = format!("{word} {rest}");
            let Ok(expr) = Expr::parse(&text) else { continue };
            let Err(error) = expr.meaning(&options) else { continue };
            if !matches!(error.kind, ErrorKind::Qualifier { .. }) {
                continue;
            }
            assert_ne!(error.span, skep_diag::Span::new(0, text.len()), "{text}: all of it");
            let help = error.help.unwrap_or_else(|| panic!("{text}: nothing that would do"));
            let Some(phrase) = help.strip_prefix("write `") else { continue };
            let Some(phrase) = phrase.strip_suffix('`') else { panic!("{text}: {help}") };
            let would = Expr::parse(phrase).and_then(|expr| expr.meaning(&options).map(drop));
            assert_eq!(would.map_err(|err| err.to_string()), Ok(()), "{text}: {help}");
            told += 1;
        }
    }
    assert!(told > 300, "only {told}");
}

#[test]
fn link_types_that_have_a_word_are_named() {
    for (text, blamed) in [
        ("tcp and vlan 5", "vlan"),
        ("mpls", "mpls"),
        ("not llc ui", "llc"),
        ("ether host 0:0:5e:0:53:1", "0:0:5e:0:53:1"),
        ("wlan src 0:0:5e:0:53:1", "0:0:5e:0:53:1"),
        ("ether broadcast", "broadcast"),
        ("multicast", "multicast"),
        ("radio[0] = 1", "radio"),
        ("ip or type mgt", "type"),
        ("subtype beacon", "subtype"),
        ("dir tods", "dir"),
        ("rulenum 1", "rulenum"),
        ("srnr 1", "srnr"),
        ("on eth0", "on"),
        ("rset foo", "rset"),
        ("reason match", "reason"),
        ("action pass", "action"),
        ("any tcp", "tcp"),
    ] {
        let expr = Expr::parse(text).unwrap();
        let (mut there, mut helps) = (Vec::new(), Vec::new());
        for link in LinkType::all() {
            match expr.meaning(&Options { link, ..Options::default() }) {
                Err(error) if matches!(error.kind, ErrorKind::Link { what, .. } if what != "protocols") =>
                {
                    let words = &text[error.span.start..error.span.end];
                    assert_eq!(words, blamed, "{text} on {}", link.name());
                    helps.push(error.diagnostic().help.unwrap_or_default());
                }
                Err(error) => assert!(matches!(error.kind, ErrorKind::Link { .. }), "{error}"),
                Ok(_) => there.push(link.name()),
            }
        }
        for help in helps {
            let words = help.strip_prefix("packets of ").and_then(|h| h.strip_suffix(" have it"));
            let words = words.unwrap_or_else(|| panic!("{text}: {help}")).replace(" and ", ", ");
            let mut named: Vec<_> = words.split(", ").collect();
            named.sort_unstable();
            there.sort_unstable();
            assert_eq!(named, there, "{text}");
        }
    }
    check("icmp type 8", "type", "", "of ICMP it is `icmp[icmptype] = 8`");
    check("lane", "lane", "", "it is of ATM or SS7; a host of that name is `host \\lane`");
}

#[test]
fn what_may_stand_there_is_shown() {
    check("port 80-90", "80-90", "", "several are `portrange 80-90`");
    check("tcp and udp dst port 80-90", "80-90", "", "several are `udp dst portrange 80-90`");
    check("80-90", "80-90", "two numbers alone", "say what it is: `portrange 80-90`");
    let types = "there are `data`, `mgt`, `management`, `ctl`, `control`";
    check("type foo", "foo", "", types);
    assert_eq!(Expr::parse("type foo").unwrap_err().to_string(), "unknown 802.11 frame type `foo`");
    let directions = "there are `nods`, `tods`, `fromds`, `dstods`";
    check("wlan dir foo", "foo", "", directions);
    for text in [
        "tcp and",
        "(tcp",
        "tcp 80",
        "ip host",
        "net",
        "tcp port",
        "portrange",
        "ip proto",
        "src",
        "tcp src or host 10.0.0.1",
        "len",
        "ip[0]",
        "vlan and and",
        "less tcp",
        "port (80 or tcp)",
        "action foo",
        "reason foo",
        "subtype foo",
        "llc foo",
        ")",
    ] {
        let error = Expr::parse(text).and_then(|expr| expr.meaning(&Options::default()));
        let diag = error.map(drop).unwrap_err().diagnostic();
        assert!(diag.help.is_some_and(|help| !help.is_empty()), "{text}: {}", diag.title);
    }
}
