//! Why an expression has no meaning.

use crate::ast::{Expr, Id, Node, NodeKind};
use skep_diag::{Diagnostic, Span};

/// Why an expression has no meaning, and which words of it are to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    /// Bytes of the expression.
    pub span: Span,
    /// What is wrong with them.
    pub kind: ErrorKind,
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are words of the message")]
pub enum ErrorKind {
    /// A word where another is wanted.
    #[error("expected {expected}, found `{found}`")]
    Unexpected { expected: &'static str, found: String },
    /// The expression ends too early.
    #[error("expected {expected}, the expression ends here")]
    Ends { expected: &'static str },
    /// A character that no word begins with.
    #[error("`{0}` begins no word of the language")]
    Character(char),
    /// Not a number of 32 bits, or a digit too large for octal.
    #[error("`{text}` is not a number: {why}")]
    Number { text: String, why: &'static str },
    /// Not an address.
    #[error("`{text}` is not {what}")]
    Address { text: String, what: &'static str },
    /// A number, name or address that nothing says how to take.
    #[error("nothing says what `{0}` is")]
    NoQualifier(String),
    /// Parentheses in parentheses, too many.
    #[error("parentheses {limit} deep, deeper is not supported")]
    Depth { limit: usize },
    /// A name that the resolver does not know.
    #[error("unknown {what} `{name}`")]
    Name { what: &'static str, name: String },
    /// A number too large for its field.
    #[error("{what} {value} is greater than {most}")]
    TooLarge { what: &'static str, value: u64, most: u64 },
    /// An address has bits outside its mask.
    #[error("`{0}` has bits outside the mask")]
    HostBits(String),
    /// A mask on something other than a network.
    #[error("a mask goes with `net` only")]
    MaskWithoutNet,
    /// A word that does not go with the following one.
    #[error("`{word}` does not go with {with}")]
    Qualifier { word: &'static str, with: &'static str },
    /// Something that the link type does not have.
    #[error("{what} on link type {link}: not supported")]
    Link { what: &'static str, link: &'static str },
    /// Something of other link types than the supported.
    #[error("`{0}` is for link types that are not supported")]
    OtherLink(String),
    /// Filters on direction and interface need a live capture or a link type that records them.
    #[error("{what} on link type {link} is not recorded in capture files")]
    NotInFiles { what: &'static str, link: &'static str },
    /// VLAN tags inside MPLS, protocols other than IP inside MPLS.
    #[error("{0} after `mpls` is not supported")]
    AfterMpls(&'static str),
    /// `ip broadcast` without a netmask.
    #[error("`ip broadcast` needs the netmask of the network, which is not known")]
    NoNetmask,
    /// Division, modulo or shift by a constant that makes no sense.
    #[error("{0}")]
    Constant(&'static str),
    /// Load of 3 bytes, or of more than 4.
    #[error("{0} bytes cannot be loaded: 1, 2 or 4 can")]
    Size(u32),
    /// Too deep an arithmetic expression.
    #[error("arithmetic too deep: it needs more than 16 cells of scratch memory")]
    Registers,
    /// The snapshot length is 0.
    #[error("a snapshot length of 0 rejects all packets")]
    SnapLen,
    /// `any` and `inner` in each other.
    #[error("`any` and `inner` do not go into each other")]
    Nested,
    /// `any` or `inner` before what is no condition.
    #[error("`{word}` stands before a condition")]
    ScopeAlone { word: String, negated: bool },
    /// Words that do not go with `any` and `inner`.
    #[error("these words do not go with `any` and `inner`")]
    NotScoped,
    /// Words that do not go with a list.
    #[error("a list goes with `host`, `net`, `port` and `vlan` only")]
    NoList,
    /// A list without anything in it.
    #[error("the list is empty")]
    EmptyList,
    /// Something in a list that does not belong there.
    #[error("`{text}` in the list is no {what}")]
    Item { text: String, what: &'static str },
    /// A file with a list cannot be read.
    #[error("{file}: {why}")]
    Unread { file: String, why: String },
    /// What is wrong with an item of a list that a file has.
    #[error("{file}, line {line}: {kind}")]
    InFile { file: String, line: u64, kind: Box<ErrorKind> },
    /// A text that cannot be looked for.
    #[error("{0}")]
    Text(&'static str),
    /// Which process a packet belongs to is not known.
    #[error("which process a packet belongs to is known only where its socket is")]
    NoProcess,
    /// No packet can match.
    #[error("the expression rejects all packets")]
    RejectsAll,
    /// The program is larger than what the kernel takes.
    #[error("the program has some {insns} instructions, the kernel takes {most}")]
    TooLong { insns: usize, most: usize },
    /// A list is too large for a table.
    #[error("{count} numbers in a list, a table has {most} at most")]
    TableTooLarge { count: usize, most: usize },
    /// The meaning has tables, which classic programs have not.
    #[error("large lists became tables, which classic programs do not have")]
    Tables,
    /// The program breaks a rule of the kernel; the compiler should not have made it.
    #[error("the program is refused: {0}")]
    Refused(skep_cbpf::CheckError),
}

impl Error {
    pub(crate) const fn new(span: Span, kind: ErrorKind) -> Self {
        Self { span, kind }
    }

    /// For showing with the expression.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let (label, help) = self.kind.advice();
        let diag =
            Diagnostic::error(self.kind.code(), self.kind.to_string()).label(self.span, label);
        if help.is_empty() { diag } else { diag.help(help) }
    }
}

impl ErrorKind {
    /// Stable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::InFile { kind, .. } => kind.code(),
            Self::Unexpected { .. } | Self::Ends { .. } => "filter.syntax",
            Self::Character(_) => "filter.character",
            Self::Number { .. } => "filter.number",
            Self::Address { .. } => "filter.address",
            Self::NoQualifier(_) => "filter.no-qualifier",
            Self::Depth { .. } => "filter.depth",
            Self::Name { .. } => "filter.unknown-name",
            Self::TooLarge { .. } => "filter.too-large",
            Self::HostBits(_) => "filter.host-bits",
            Self::MaskWithoutNet => "filter.mask",
            Self::Qualifier { .. } => "filter.qualifier",
            Self::Link { .. } | Self::OtherLink(_) => "filter.link-type",
            Self::NotInFiles { .. } => "filter.not-in-files",
            Self::AfterMpls(_) => "filter.after-mpls",
            Self::NoNetmask => "filter.netmask",
            Self::Constant(_) => "filter.constant",
            Self::Size(_) => "filter.size",
            Self::Registers => "filter.registers",
            Self::SnapLen => "filter.snaplen",
            Self::Nested | Self::ScopeAlone { .. } | Self::NotScoped => "filter.scope",
            Self::Unread { .. } => "filter.unread",
            Self::NoList | Self::EmptyList | Self::Item { .. } => "filter.list",
            Self::Text(_) => "filter.text",
            Self::NoProcess => "filter.process",
            Self::RejectsAll => "filter.rejects-all",
            Self::TooLong { .. } => "filter.too-long",
            Self::TableTooLarge { .. } | Self::Tables => "filter.table",
            Self::Refused(_) => "filter.refused",
        }
    }

    /// What to write beside the words, and what would do.
    fn advice(&self) -> (String, String) {
        let (label, help) = match self {
            Self::Unexpected {
                expected: crate::parse::TEXT | crate::parse::QUOTED_NAME,
                found,
            } => {
                let help = format!(
                    "put it in quotes, and the whole in others that the shell takes away: '… \"{found}\"'"
                );
                return ("in quotes".into(), help);
            }
            Self::Unexpected { found, .. } if found == "in" => (
                "before a list",
                "it stands behind `host`, `net`, `port`, `src`, `dst` or `vlan`: `host in {10.0.0.0/8}`",
            ),
            Self::Unexpected { found, .. } => return (suggestion(found), String::new()),
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

impl Expr {
    /// An error of a condition, with the word that is to blame, where it is one.
    pub(crate) fn at_word(&self, node: &Node, error: Error) -> Error {
        let text = self.slice(error.span);
        let (before, word) = match (&error.kind, node.kind) {
            (ErrorKind::Name { .. }, NodeKind::Id(_, Id::Name(span))) => {
                return Error::new(span, error.kind);
            }
            // A size stands behind the colon.
            (ErrorKind::Size(_), _) => match text.rsplit_once(':') {
                Some((before, word)) => (before.len() + 1, word.trim_end_matches([']', ')', ' '])),
                None => return error,
            },
            // A number is the last word of a condition, perhaps in parentheses.
            (ErrorKind::TooLarge { .. }, _) if error.span == node.span => {
                let words = text.trim_end_matches([')', ' ']);
                let start =
                    words.rfind(|c: char| c.is_whitespace() || c == '(').map_or(0, |at| at + 1);
                (start, &words[start..])
            }
            _ => return error,
        };
        let trimmed = word.trim_start();
        let start = error.span.start + before + (word.len() - trimmed.len());
        Error::new(Span::new(start, start + trimmed.len()), error.kind)
    }
}

/// What a mistyped word may have meant.
fn suggestion(found: &str) -> String {
    match skep_diag::closest(found, crate::words::all()) {
        Some(word) if word != found => format!("did you mean `{word}`?"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
