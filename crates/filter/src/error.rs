//! Why an expression has no meaning.

mod advice;
mod place;

pub(crate) use advice::list_of;

use skep_diag::{Diagnostic, Span};

/// Why an expression has no meaning, and which words of it are to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Error {
    /// Bytes of the expression.
    pub span: Span,
    /// What is wrong with them.
    pub kind: ErrorKind,
    /// What would do, where the words around them tell.
    pub help: Option<Box<str>>,
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
    #[error("unknown {} `{name}`", advice::without_article(what))]
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
        Self { span, kind, help: None }
    }

    pub(crate) fn with_help(self, help: impl Into<Box<str>>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// For showing with the expression.
    #[must_use]
    pub fn diagnostic(&self) -> Diagnostic {
        let (label, mut help) = self.kind.advice();
        if let Some(better) = &self.help {
            help = better.to_string();
        }
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
}

#[cfg(test)]
mod tests;
