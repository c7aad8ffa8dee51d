use crate::ast::{Arith, ArithKind, ArithOp, Expr, Id, Kind, NodeKind, Proto};
use crate::error::ErrorKind;

fn parse(text: &str) -> Expr {
    Expr::parse(text).unwrap_or_else(|err| panic!("{text}: {err}"))
}

/// Identifiers and the protocols and kinds they got.
fn ids(text: &str) -> Vec<(Option<Proto>, Kind)> {
    let expr = parse(text);
    let ids = expr.nodes().iter().filter_map(|node| match node.kind {
        NodeKind::Id(qual, _) => Some((qual.proto, qual.kind)),
        _ => None,
    });
    ids.collect()
}

fn value(expr: &Expr, id: u32) -> u32 {
    let Arith { kind, .. } = expr.ariths()[id as usize];
    match kind {
        ArithKind::Number(value) => value,
        ArithKind::Neg(id) => value(expr, id).wrapping_neg(),
        ArithKind::Binary(op, left, right) => {
            let (left, right) = (value(expr, left), value(expr, right));
            match op {
                ArithOp::Add => left.wrapping_add(right),
                ArithOp::Sub => left.wrapping_sub(right),
                ArithOp::Mul => left.wrapping_mul(right),
                ArithOp::Div => left / right,
                ArithOp::Mod => left % right,
                ArithOp::And => left & right,
                ArithOp::Or => left | right,
                ArithOp::Xor => left ^ right,
                ArithOp::Lsh => left << right,
                ArithOp::Rsh => left >> right,
            }
        }
        ArithKind::Len | ArithKind::Load(..) | ArithKind::Field(_) => panic!("not a constant"),
    }
}

#[test]
fn identifiers_inherit_qualifiers() {
    let tcp = (Some(Proto::Tcp), Kind::Port);
    assert_eq!(ids("tcp port 80 or 443"), [tcp, tcp]);
    assert_eq!(ids("tcp port 80 or not 443"), [tcp, tcp]);
    assert_eq!(ids("tcp port (80 or 443)"), [tcp, tcp]);
    assert_eq!(ids("tcp port (80 or (443 and 22))"), [tcp, tcp, tcp]);
    assert_eq!(ids("tcp port 80 and (443 or 22)"), [tcp, tcp, tcp]);
    let udp = (Some(Proto::Udp), Kind::Port);
    assert_eq!(ids("tcp port 80 and (udp port 53) and 443"), [tcp, udp, tcp]);
    assert_eq!(ids("host 10.0.0.1 or 10.0.0.2"), [(None, Kind::Host); 2]);
}

#[test]
fn what_is_no_identifier_inherits_nothing() {
    for text in [
        "10.0.0.1",
        "80",
        "tcp and 80",
        "(80 or 443)",
        "tcp port 80 and (443 or udp port 53)",
        "port 80 443",
        "vlan 10 or 20",
        "port tcp",
        "tcp port 80 or",
        "(tcp",
        "tcp)",
        "ip[0",
        "ip[0] 5",
        "not",
        "src or host 10.0.0.1",
        "ip[0:1] = ",
        "1 + 2",
        "host",
        "lane",
    ] {
        assert!(Expr::parse(text).is_err(), "{text} was read");
    }
}

#[test]
fn operators_bind_as_yacc_was_told_or_not_told() {
    for (text, want) in [
        ("2*7%4", 6),
        ("7%4*2", 7),
        ("5^1|2", 6),
        ("20-7%5-2", 19),
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ("1|2&3", 3),
        ("1<<2+1", 8),
        ("10-3-2", 5),
        ("(2)+(3)", 5),
        ("-(1)+3", 2),
        ("-2*3+7", 1),
    ] {
        // A name may hold `-`.
        let spaced = text.replace('-', " - ");
        let expr = parse(&format!("{spaced} = 0"));
        let Some(NodeKind::Relation(_, left, _)) = expr.nodes().last().map(|node| node.kind) else {
            panic!("{text} is no comparison");
        };
        assert_eq!(value(&expr, left), want, "{text}");
    }
}

#[test]
fn chains_and_depths_do_not_exhaust_the_stack() {
    let chain = vec!["tcp"; 100_000].join(" or ");
    assert_eq!(parse(&chain).nodes().len(), 199_999);
    assert!(Expr::parse(&"(".repeat(100_000)).is_err());
    assert!(Expr::parse(&format!("{} tcp", "not ".repeat(100_000))).is_ok());
    let sum = vec!["1"; 50_000].join(" + ");
    assert!(Expr::parse(&format!("{sum} = 5")).is_ok());
    assert!(Expr::parse(&format!("1 {} = 5", "% 1 ".repeat(50_000))).is_err());
    assert!(Expr::parse(&"- ".repeat(50_000)).is_err());
}

#[test]
fn spans_cover_the_words() {
    let expr = parse("ip and (tcp port 80 or 443)");
    let texts: Vec<&str> =
        expr.nodes().iter().map(|node| &expr.text()[node.span.start..node.span.end]).collect();
    assert_eq!(
        texts,
        ["ip", "tcp port 80", "443", "(tcp port 80 or 443)", "ip and (tcp port 80 or 443)"]
    );
    assert!(matches!(expr.nodes()[2].kind, NodeKind::Id(_, Id::Number(443))));
}

/// What libpcap takes is not taken for a new word.
#[test]
fn new_words_begin_where_nothing_else_does() {
    use crate::ast::Scope;
    let last = |text: &str| parse(text).nodes().last().unwrap().kind;
    assert!(matches!(last("any tcp port 80"), NodeKind::Deep(Scope::Any, _)));
    assert!(matches!(last("inner (ip and udp)"), NodeKind::Deep(Scope::Inner, _)));
    assert!(matches!(last("host any"), NodeKind::Id(..)));
    assert!(matches!(last("host in"), NodeKind::Id(..)));
    assert!(matches!(last("host payload"), NodeKind::Id(..)));
    assert!(matches!(last("host in {10.0.0.1}"), NodeKind::In(..)));
    assert!(matches!(last("host in @file"), NodeKind::In(_, list) if list.is_file));
    assert!(matches!(last("host tcp.flags.syn"), NodeKind::Id(..)));
    assert!(matches!(last("host \\tcp.flags.syn"), NodeKind::Id(..)));
    assert!(matches!(last("port 80 and tcp.flags.syn"), NodeKind::And(..)));
    assert!(matches!(last("tcp.flags.syn = 1"), NodeKind::Relation(..)));
    assert!(matches!(last("payload contains \"a\\\"b\" within 9"), NodeKind::Contains(_, 9)));
    for text in [
        "any",
        "any not tcp",
        "any any tcp",
        "inner",
        "ip.ttl",
        "port in {80",
        "portrange in {80}",
        "payload contains",
        "payload contains \"",
        "payload contains \"a\" within",
        "payload contains \"a\" within 5000",
        "tcp.flags.xyz",
        "in {80}",
        "{80}",
        "\"GET\"",
        "vlan in",
        "any (tcp and (inner udp))",
    ] {
        assert!(Expr::parse(text).is_err(), "{text}");
    }
}

#[test]
fn processes() {
    use crate::{LinkType, Options, Process};
    let expr = Expr::parse("process.name \"curl\" or (process.pid 7 and ip)").unwrap();
    assert!(expr.asks_process() && !Expr::parse("host process.pid").unwrap().asks_process());
    let refused = expr.compile(&Options::default()).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NoProcess);
    let frame = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2, 8, 6, 0, 0];
    let packet = skep_cbpf::Packet::ethernet(&frame, 16);
    for (pid, name, accepts) in [(7, "wget", false), (8, "curl", true), (8, "wget", false)] {
        let process = Process { pid: Some(pid), name: name.into() };
        let options = Options { process: Some(&process), optimise: false, ..Options::default() };
        assert_eq!(options.link, LinkType::Ethernet);
        assert_eq!(expr.compile(&options).unwrap().run(&packet) != 0, accepts, "{pid} {name}");
    }
    for wrong in ["process.pid", "process.name curl", "process.pid \"curl\"", "any process.pid 1"] {
        let parsed = Expr::parse(wrong);
        let process = Process::default();
        let options = Options { process: Some(&process), ..Options::default() };
        assert!(parsed.and_then(|expr| expr.compile(&options)).is_err(), "{wrong}");
    }
}
