//! Which word of a condition is to blame, and what would do in its place.

use super::advice::is_range;
use super::{Error, ErrorKind};
use crate::ast::{Dir, Expr, Id, Node, NodeKind, Proto, Qual};
use crate::words::{self, Word};
use skep_diag::Span;

impl Expr {
    /// An error of a condition, with the word that is to blame, where it is one.
    pub(crate) fn at_word(&self, node: &Node, error: Error) -> Error {
        let text = self.slice(error.span);
        let (before, word) = match (&error.kind, node.kind) {
            (ErrorKind::Name { what, .. }, NodeKind::Id(_, Id::Name(span))) => {
                let help = if *what == "port" { self.as_range(node, span) } else { None };
                return Error { span, help, ..error };
            }
            (&ErrorKind::Qualifier { word, with }, _) => return self.misplaced(node, word, with),
            (&ErrorKind::Link { what, .. }, kind) => {
                return Error { span: self.lacking(node, what), ..error }
                    .with_better_help(self.on_another_link(node, kind, what));
            }
            // A size stands behind the colon.
            (ErrorKind::Size(_), _) => match text.rsplit_once(':') {
                Some((before, word)) => (before.len() + 1, word.trim_end_matches([']', ')', ' '])),
                None => return error,
            },
            // A number is the last word of a condition, perhaps in parentheses.
            (ErrorKind::TooLarge { .. }, _) if error.span == node.span => {
                let span = self.last_word(node);
                return Error { span, ..error };
            }
            _ => return error,
        };
        let trimmed = word.trim_start();
        let start = error.span.start + before + (word.len() - trimmed.len());
        Error { span: Span::new(start, start + trimmed.len()), ..error }
    }

    /// The words of a condition.
    fn words(&self, node: &Node) -> impl Iterator<Item = Span> {
        let (start, text) = (node.span.start, self.slice(node.span));
        let ends = |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '[' | '!');
        text.split(ends).filter(|word| !word.is_empty()).map(move |word| {
            let at = start + (word.as_ptr().addr() - text.as_ptr().addr());
            Span::new(at, at + word.len())
        })
    }

    fn last_word(&self, node: &Node) -> Span {
        self.words(node).last().unwrap_or(node.span)
    }

    /// Where a word stands in a condition, or another that means the same.
    fn find_word(&self, node: &Node, wanted: &str) -> Option<Span> {
        let wanted = words::word(wanted)?;
        self.words(node).find(|&span| words::word(self.slice(span)) == Some(wanted))
    }

    /// `port 80-90` with the word that does.
    fn as_range(&self, node: &Node, name: Span) -> Option<Box<str>> {
        let range = self.slice(name);
        let phrase = match self.find_word(node, "port") {
            Some(port) => format!("{}portrange {range}", self.between(node, port)),
            None => format!("portrange {range}"),
        };
        is_range(range).then(|| format!("several are `{phrase}`").into())
    }

    /// What stands before a word in its condition.
    fn between(&self, node: &Node, word: Span) -> &str {
        self.slice(Span::new(node.span.start, word.start)).trim_start_matches(['(', ' '])
    }

    /// A word that does not go with another.
    fn misplaced(&self, node: &Node, word: &'static str, with: &'static str) -> Error {
        let with = match with.strip_prefix("hosts that have") {
            // Whether such a host is known makes no difference.
            Some(_) => "a name",
            None => with,
        };
        let Some(span) = self.find_word(node, word) else {
            let error = Error::new(node.span, ErrorKind::Qualifier { word, with });
            return match node.kind {
                NodeKind::Id(qual, Id::Mac(_)) => {
                    let span = self.last_word(node);
                    Error { span, ..error }.with_help(ether_host(qual.dir, self.slice(span)))
                }
                NodeKind::Id(_, Id::Ip4(_) | Id::Ip6(..)) => {
                    let addr = self.slice(node.span);
                    error.with_help(format!(
                        "it takes `{word}` from the words before it: write `host {addr}`"
                    ))
                }
                _ => error,
            };
        };
        let rest = self.slice(Span::new(span.end, node.span.end)).trim();
        // A parenthesis that is open before the word closes behind the rest.
        let open = self.slice(Span::new(node.span.start, span.start)).matches('(').count();
        let rest =
            (0..open).fold(rest, |rest, _| rest.strip_suffix(')').unwrap_or(rest).trim_end());
        let written = self.slice(span);
        let help = match (words::word(word), node.kind) {
            (Some(Word::Proto(proto)), kind) => with_protocol(proto, written, with, rest, kind),
            (Some(Word::WlanDir(_)), _) => Some(format!(
                "of 802.11 frames it is an Ethernet address: `wlan {written} 0:0:5e:0:53:1`; others have `src` and `dst`"
            )),
            (Some(Word::Gateway), _) => Some(format!(
                "write what it stands for, with the gateway's address: `ether host 0:0:5e:0:53:1 and not host {rest}`"
            )),
            (Some(_), NodeKind::Id(qual, Id::Mac(_))) => Some(ether_host(qual.dir, rest)),
            (Some(_), NodeKind::Id(Qual { dir, .. }, Id::Ip4(_) | Id::Ip6(..))) => {
                Some(format!("write `{}host {rest}`", direction(dir)))
            }
            _ => None,
        };
        let word = words::all().find(|&other| other == written).unwrap_or(word);
        let error = Error::new(span, ErrorKind::Qualifier { word, with });
        match help {
            Some(help) => error.with_help(help),
            None => error,
        }
    }

    /// The word that a link type has nothing for.
    fn lacking(&self, node: &Node, what: &str) -> Span {
        match what {
            "Ethernet addresses" | "ARCnet addresses" => self.last_word(node),
            _ => {
                let name = what.trim_matches('`');
                // Words of a type are `type` and `subtype`.
                let found = self.find_word(node, name).or_else(|| self.find_word(node, "subtype"));
                found.unwrap_or(node.span)
            }
        }
    }

    /// What would do on the link type at hand, or on which others a word is.
    fn on_another_link(&self, node: &Node, kind: NodeKind, what: &str) -> Option<Box<str>> {
        match kind {
            NodeKind::WlanType(..) if what == "`type`" => {
                let mut words = self.words(node).map(|span| self.slice(span));
                let proto = words.next().filter(|word| matches!(*word, "icmp" | "icmp6"))?;
                let number = words.last()?;
                Some(format!("of ICMP it is `{proto}[{proto}type] = {number}`").into())
            }
            NodeKind::Vlan(_) | NodeKind::VlanIn(_) if node.scope.is_some() => Some(
                "with `any`, packets of EN10MB, LINUX_SLL, LINUX_SLL2 and C_HDLC have it".into(),
            ),
            _ => None,
        }
    }
}

impl Error {
    fn with_better_help(self, help: Option<Box<str>>) -> Self {
        Self { help: help.or(self.help), ..self }
    }
}

/// What would do instead of a protocol before what does not go with it.
fn with_protocol(
    proto: Proto,
    written: &str,
    with: &str,
    rest: &str,
    kind: NodeKind,
) -> Option<String> {
    /// What is inside IPv4 or IPv6, and by that in which.
    const fn is_inside(proto: Proto, six: bool) -> bool {
        match proto {
            Proto::Tcp | Proto::Udp | Proto::Sctp | Proto::Pim | Proto::Ah | Proto::Esp => true,
            Proto::Icmp6 => six,
            Proto::Icmp | Proto::Igmp | Proto::Igrp | Proto::Vrrp | Proto::Carp => !six,
            _ => false,
        }
    }
    let both = format!("write `{written} and {rest}`");
    let alone = format!("write `{rest}`");
    Some(match (with, proto) {
        ("nothing at all: say what of it", Proto::Radio) => {
            "as in `radio[8] = 1`, on IEEE802_11_RADIO".into()
        }
        ("nothing at all: say what of it", _) => format!(
            "as in `{written} host 0:0:5e:0:53:1`, `{written} proto 0x88cc`, `{written} broadcast`"
        ),
        ("an IPv4 address", Proto::Ip6) => format!("write `ip {rest}`"),
        ("an IPv6 address", Proto::Ip) => format!("write `ip6 {rest}`"),
        ("an IPv4 address" | "lists of addresses", _) if is_inside(proto, false) => both,
        ("an IPv6 address" | "lists of addresses", _) if is_inside(proto, true) => both,
        ("ports", Proto::Ip | Proto::Ip6) => both,
        ("ports", _) => format!("`tcp`, `udp` and `sctp` have ports: `tcp {rest}`"),
        ("`broadcast`" | "`multicast`", Proto::Radio) => alone,
        ("`broadcast`" | "`multicast`", _) => both,
        ("`proto`" | "`protochain`", _) => {
            format!("it is a field of IP: `ip {rest}`, `ip6 {rest}`, or `{rest}` for both")
        }
        ("`[`", _) => {
            "bytes of `ether`, `ip`, `ip6`, `arp`, `tcp`, `udp`, `icmp`, `icmp6` and the like can be loaded"
                .into()
        }
        _ => match kind {
            NodeKind::Id(qual, Id::Mac(_)) => {
                ether_host(qual.dir, rest.rsplit(' ').next().unwrap_or(rest))
            }
            NodeKind::Id(..) | NodeKind::In(..) => alone,
            _ => return None,
        },
    })
}

fn ether_host(dir: Dir, addr: &str) -> String {
    format!("write `ether {}host {addr}`", direction(dir))
}

const fn direction(dir: Dir) -> &'static str {
    match dir {
        Dir::Src => "src ",
        Dir::Dst => "dst ",
        Dir::Or => "src or dst ",
        Dir::And => "src and dst ",
        _ => "",
    }
}
