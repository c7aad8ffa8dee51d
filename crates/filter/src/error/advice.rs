//! What to write beside the words that are to blame, and what would do.

use super::ErrorKind;
use crate::parse::{QUOTED_NAME, TEXT};

impl ErrorKind {
    /// What to write beside the words, and what would do.
    pub(super) fn advice(&self) -> (String, String) {
        let (label, help) = match self {
            Self::Unexpected { expected: TEXT | QUOTED_NAME, found } => {
                let help = format!(
                    "put it in quotes, and the whole in others that the shell takes away: '… \"{found}\"'"
                );
                return ("in quotes".into(), help);
            }
            Self::Unexpected { found, .. } if found == "in" => (
                "before a list",
                "it stands behind `host`, `net`, `port`, `src`, `dst` or `vlan`: `host in {10.0.0.0/8}`",
            ),
            Self::Unexpected { expected, found } => {
                let label = suggestion(found);
                let help = if label.is_empty() { example(expected) } else { "" };
                return (label, help.into());
            }
            Self::Ends { expected } => ("", example(expected)),
            Self::Character(',') => ("", "several stand in a list: `port in {80, 443}`"),
            Self::Character('{' | '}') => ("", "a list has `in` before it: `port in {80, 443}`"),
            Self::ScopeAlone { word, negated: true } => {
                let help =
                    format!("put `not` first, `not {word} tcp`, or inside, `{word} (not tcp)`");
                return (String::new(), help);
            }
            Self::ScopeAlone { word, .. } => {
                return (
                    String::new(),
                    format!("as in `{word} tcp port 80`, `{word} (tcp and net 10)`"),
                );
            }
            Self::NoQualifier(text) if is_range(text) => {
                let help = format!("say what it is: `portrange {text}`");
                return ("two numbers alone".into(), help);
            }
            Self::NoQualifier(text) => {
                let help = match text.parse::<u32>() {
                    Ok(_) => format!("say what it is: `port {text}`, `host {text}`, `net {text}`"),
                    Err(_) => format!("say what it is: `host {text}`, `net {text}`, `port {text}`"),
                };
                return ("a name, number or address alone".into(), help);
            }
            Self::HostBits(_) => ("", "clear the bits that the mask does not cover"),
            Self::MaskWithoutNet => ("", "write `net` before the address"),
            Self::Name { what: "field", name } => {
                let fields = crate::field::Field::all().map(crate::field::Field::name);
                let label = match skep_diag::closest(name, fields) {
                    Some(field) => format!("did you mean `{field}`?"),
                    None => String::new(),
                };
                return (
                    label,
                    "`skep filter --fields` lists them; a host of that name has `host` before it"
                        .into(),
                );
            }
            Self::InFile { kind, .. } => return kind.advice(),
            Self::NotScoped => {
                ("", "protocols, addresses, ports, fields and `payload contains` do")
            }
            Self::Nested => {
                ("", "one of them, once: `any` looks at all headers, `inner` at those in tunnels")
            }
            Self::Item { what: "port" | "VLAN", .. } => {
                ("", "numbers and ranges, as in {80, 8000-8999}")
            }
            Self::Item { .. } => ("", "as in {10.0.0.0/8, 192.0.2.1-192.0.2.9, 2001:db8::/32}"),
            Self::Name { what: "host", .. } => ("", "give its address"),
            Self::Name { what: "port", .. } => ("", "give its number"),
            Self::Name { what: "protocol", name } => {
                let label = match skep_diag::closest(name, crate::names::protocols()) {
                    Some(protocol) if protocol != name => format!("did you mean `{protocol}`?"),
                    _ => String::new(),
                };
                return (label, "give its number".into());
            }
            Self::Name { what: "network" | "Ethernet host", .. } => ("", "give its address"),
            Self::TooLarge { most, .. } => return (format!("0 to {most}"), String::new()),
            Self::Size(size) => {
                let help = if *size == 3 {
                    "three bytes are four, shifted: `tcp[4:4] >> 8`"
                } else {
                    "compare them in parts"
                };
                return ("1, 2 or 4".into(), help.into());
            }
            Self::Link { what, .. } => return (String::new(), on_links(what)),
            Self::OtherLink(word) => {
                let help = format!("it is of ATM or SS7; a host of that name is `host \\{word}`");
                return (String::new(), help);
            }
            Self::NotInFiles { .. } => ("", "use it on a live capture, or capture from `any`"),
            Self::AfterMpls(_) => ("", "move it before `mpls`: what follows `mpls` looks inside"),
            Self::NoNetmask => ("", "write the address: `dst host 192.0.2.255`"),
            Self::Registers => ("", "nest less"),
            Self::NoProcess => ("", "`skep dump` finds it, in a live capture on this host"),
            Self::TooLong { .. } => (
                "",
                "as eBPF (--ebpf) long lists of hosts become tables; without the kernel, any length goes",
            ),
            _ => ("", ""),
        };
        (label.into(), help.into())
    }
}

/// What a mistyped word may have meant.
fn suggestion(found: &str) -> String {
    match skep_diag::closest(found, crate::words::all()) {
        Some(word) if word != found => format!("did you mean `{word}`?"),
        _ => String::new(),
    }
}

/// Names of numbers, for people.
pub(crate) fn list_of(names: &[(&str, u32)]) -> String {
    let names: Vec<_> = names.iter().map(|row| format!("`{}`", row.0)).collect();
    format!("there are {}", names.join(", "))
}

/// Two numbers with `-` between them.
pub(super) fn is_range(text: &str) -> bool {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(first, last)| is_number(first) && is_number(last))
}

pub(super) fn without_article(what: &str) -> &str {
    ["an ", "a "].into_iter().find_map(|article| what.strip_prefix(article)).unwrap_or(what)
}

/// What may stand where something else does.
fn example(expected: &str) -> &'static str {
    match expected {
        "a condition" => "as in `tcp port 80`, `src host 10.0.0.1`, `tcp[tcpflags] & tcp-syn != 0`",
        "a condition: a number needs a comparison" | "a comparison" => {
            "as in `len > 100`, `tcp[13] & 2 != 0`"
        }
        "`and`, `or` or the end" => "conditions have `and` or `or` between them",
        "`)`, `and` or `or`" => "a parenthesis is open",
        "an identifier, as before it" => {
            "in a parenthesis that begins with a name, number or address only such follow; conditions stand outside"
        }
        "`src`" | "`dst`" => "as in `src or dst host 10.0.0.1`",
        "a number" => "as in `80`, `0x50`",
        _ if expected.starts_with("`host`, `net`, `port`") => {
            "as in `src host 10.0.0.1`, `dst net 10.0.0.0/8`, `src port 80`"
        }
        "the address or name of a host" => "as in `host 10.0.0.1`, `host 2001:db8::1`",
        "the address of a network" => "as in `net 10.0.0.0/8`, `net 2001:db8::/32`",
        "a port" => "as in `port 80`, `port http`",
        "two ports with `-` between them" => "as in `portrange 8000-8080`",
        _ if expected.starts_with("a protocol") => "as in `ip proto 6`, `ip proto \\tcp`",
        _ => "",
    }
}

/// The link types that have something.
fn on_links(what: &str) -> String {
    let links = match what {
        "`vlan`" => "EN10MB, IEEE802_11 and IEEE802_11_RADIO",
        "`mpls`" => "EN10MB, PPP and C_HDLC",
        "`llc`" | "Ethernet addresses" | "`broadcast`" | "`multicast`" => {
            "EN10MB, IEEE802_11, IEEE802_11_RADIO and PPI"
        }
        "`eth.`" | "`vlan.`" => "EN10MB",
        "`radio`" => "IEEE802_11_RADIO",
        "`type`" | "`dir`" => "IEEE802_11 and IEEE802_11_RADIO",
        "`ifname`" | "`ruleset`" | "`rulenum`" | "`subrulenum`" | "`reason`" | "`action`" => {
            "PFLOG"
        }
        "headers at any depth" => {
            "EN10MB, LINUX_SLL, LINUX_SLL2, C_HDLC, PPP, PPP_SERIAL, RAW, IPV4, IPV6, NULL and LOOP"
        }
        "ARCnet addresses" => {
            return "those of Ethernet have six bytes: `ether host 0:0:5e:0:53:1`".into();
        }
        _ => return String::new(),
    };
    format!("packets of {links} have it")
}
