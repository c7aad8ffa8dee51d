//! The expression as it was written, qualifiers inherited, names not yet looked up.
//!
//! Nodes stand in one list, operands before what they are operands of and in the order of the text:
//! whoever walks the list from front to back sees the expression as libpcap's parser does, whose
//! `vlan` and the like change what follows in the text.

use crate::field::Field;
use skep_diag::Span;

/// A protocol qualifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the words of the language")]
pub enum Proto {
    Link,
    Ip,
    Arp,
    Rarp,
    Sctp,
    Tcp,
    Udp,
    Icmp,
    Igmp,
    Igrp,
    Pim,
    Vrrp,
    Carp,
    Atalk,
    Aarp,
    Decnet,
    Lat,
    Sca,
    Moprc,
    Mopdl,
    Ip6,
    Icmp6,
    Ah,
    Esp,
    Iso,
    Esis,
    Isis,
    IsisL1,
    IsisL2,
    IsisIih,
    IsisLsp,
    IsisSnp,
    IsisCsnp,
    IsisPsnp,
    Clnp,
    Stp,
    Ipx,
    Netbeui,
    Radio,
}

impl Proto {
    /// The word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "ether",
            Self::Ip => "ip",
            Self::Arp => "arp",
            Self::Rarp => "rarp",
            Self::Sctp => "sctp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Igmp => "igmp",
            Self::Igrp => "igrp",
            Self::Pim => "pim",
            Self::Vrrp => "vrrp",
            Self::Carp => "carp",
            Self::Atalk => "atalk",
            Self::Aarp => "aarp",
            Self::Decnet => "decnet",
            Self::Lat => "lat",
            Self::Sca => "sca",
            Self::Moprc => "moprc",
            Self::Mopdl => "mopdl",
            Self::Ip6 => "ip6",
            Self::Icmp6 => "icmp6",
            Self::Ah => "ah",
            Self::Esp => "esp",
            Self::Iso => "iso",
            Self::Esis => "esis",
            Self::Isis => "isis",
            Self::IsisL1 => "l1",
            Self::IsisL2 => "l2",
            Self::IsisIih => "iih",
            Self::IsisLsp => "lsp",
            Self::IsisSnp => "snp",
            Self::IsisCsnp => "csnp",
            Self::IsisPsnp => "psnp",
            Self::Clnp => "clnp",
            Self::Stp => "stp",
            Self::Ipx => "ipx",
            Self::Netbeui => "netbeui",
            Self::Radio => "radio",
        }
    }
}

/// A direction qualifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dir {
    /// None given: either end.
    #[default]
    Any,
    /// `src`
    Src,
    /// `dst`
    Dst,
    /// `src or dst`
    Or,
    /// `src and dst`
    And,
    /// `addr1`, of 802.11, as are the following.
    Addr1,
    /// `addr2`
    Addr2,
    /// `addr3`
    Addr3,
    /// `addr4`
    Addr4,
    /// `ra`: receiver.
    Ra,
    /// `ta`: transmitter.
    Ta,
}

/// What an identifier is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Not said: a host.
    #[default]
    Default,
    /// `host`
    Host,
    /// `net`
    Net,
    /// `port`
    Port,
    /// `portrange`
    PortRange,
    /// `gateway`
    Gateway,
    /// `proto`
    Proto,
    /// `protochain`
    ProtoChain,
}

/// Protocol, direction and kind: what goes before an identifier, or is inherited by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Qual {
    pub proto: Option<Proto>,
    pub dir: Dir,
    pub kind: Kind,
}

/// An identifier. Spans are of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// A name.
    Name(Span),
    /// A number.
    Number(u32),
    /// `10.1.2.3`, or fewer components.
    Ip4(Span),
    /// `10.0.0.0/8`
    Net4(Span, u32),
    /// `10.0.0.0 mask 255.0.0.0`
    Mask4(Span, Span),
    /// `2001:db8::1`, with the length of a prefix if one is given.
    Ip6(u128, Option<u32>),
    /// An Ethernet address.
    Mac([u8; 6]),
    /// `$` and an address of ARCnet.
    Arcnet,
}

/// Which LLC frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Llc {
    /// Any.
    Any,
    /// Information frames.
    I,
    /// Supervisory frames.
    S,
    /// Unnumbered frames.
    U,
    /// Supervisory frames of a type.
    SType(u32),
    /// Unnumbered frames of a type.
    UType(u32),
}

/// `>`, `>=`, `=` and their opposites.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub enum RelOp {
    Gt,
    Ge,
    Eq,
    Le,
    Lt,
    Ne,
}

impl RelOp {
    /// The same with its sides changed.
    pub(crate) const fn mirrored(self) -> Self {
        match self {
            Self::Gt => Self::Lt,
            Self::Ge => Self::Le,
            Self::Le => Self::Ge,
            Self::Lt => Self::Gt,
            Self::Eq | Self::Ne => self,
        }
    }
}

/// Arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the type says it")]
pub enum ArithOp {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
    Lsh,
    Rsh,
}

/// The operation of `byte`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub enum ByteOp {
    Eq,
    Lt,
    Gt,
    And,
    Or,
}

/// Which IP headers of a packet are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// `any`: the outermost and those in tunnels.
    Any,
    /// `inner`: those in tunnels.
    Inner,
}

/// What follows `in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// What is between the braces, or the name of the file.
    pub span: Span,
    /// Whether it is a file.
    pub is_file: bool,
}

/// Position of a [`Node`].
pub type NodeId = u32;
/// Position of an [`Arith`].
pub type ArithId = u32;

/// A condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// Both, the left one first.
    And(NodeId, NodeId),
    /// Either, the left one first.
    Or(NodeId, NodeId),
    /// The opposite.
    Not(NodeId),
    /// A protocol alone: `tcp`.
    Proto(Proto),
    /// `tcp dst port 80`
    Id(Qual, Id),
    /// `ip[0] & 0xf != 5`
    Relation(RelOp, ArithId, ArithId),
    /// `broadcast`, with the protocol before it.
    Broadcast(Option<Proto>),
    /// `multicast`, with the protocol before it.
    Multicast(Option<Proto>),
    /// `less N`
    Less(u32),
    /// `greater N`
    Greater(u32),
    /// `byte AT op VALUE`
    Byte(u32, ByteOp, u32),
    /// `inbound`, or `outbound` if set.
    Bound(bool),
    /// `ifindex N`
    IfIndex(u32),
    /// `vlan`
    Vlan(Option<u32>),
    /// `mpls`
    Mpls(Option<u32>),
    /// `pppoed`
    PppoeD,
    /// `pppoes`
    PppoeS(Option<u32>),
    /// `geneve`
    Geneve(Option<u32>),
    /// `ifname NAME` of PF.
    PfIfname(Span),
    /// `ruleset NAME` of PF.
    PfRuleset(Span),
    /// `rulenum N` of PF.
    PfRule(u32),
    /// `subrulenum N` of PF.
    PfSubrule(u32),
    /// `reason R` of PF.
    PfReason(u32),
    /// `action A` of PF.
    PfAction(u32),
    /// `type T`, `subtype S` of 802.11: value and mask.
    WlanType(u32, u32),
    /// `dir D` of 802.11.
    WlanDirection(u32),
    /// `llc`
    Llc(Llc),
    /// `any` or `inner` before a condition.
    Deep(Scope, NodeId),
    /// `tcp.flags.syn`
    Flag(Field),
    /// `port in {80, 443}`
    In(Qual, List),
    /// `vlan in {10, 20-29}`
    VlanIn(List),
    /// `payload contains "GET " within 64`: the text without its quotes, and how many bytes are searched.
    Contains(Span, u32),
    /// `process.pid 123`
    ProcessId(u32),
    /// `process.name "curl"`: the text without its quotes.
    ProcessName(Span),
}

/// A condition and its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Node {
    pub span: Span,
    pub kind: NodeKind,
    /// Inside `any` or `inner`.
    pub scope: Option<Scope>,
}

/// A number that depends on the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArithKind {
    /// A constant.
    Number(u32),
    /// `len`
    Len,
    /// `proto[index:size]`
    Load(Proto, ArithId, u32),
    /// `ip.ttl`
    Field(Field),
    /// `-x`
    Neg(ArithId),
    /// `x op y`
    Binary(ArithOp, ArithId, ArithId),
}

/// A number and its words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the type says it")]
pub struct Arith {
    pub span: Span,
    pub kind: ArithKind,
}

/// An expression, read.
///
/// The expression without words matches every packet; it has no root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expr {
    pub(crate) text: String,
    pub(crate) nodes: Vec<Node>,
    pub(crate) ariths: Vec<Arith>,
}

impl Expr {
    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All conditions, operands before what they are operands of; the last is the whole.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// All numbers, operands before what they are operands of.
    #[must_use]
    pub fn ariths(&self) -> &[Arith] {
        &self.ariths
    }

    /// Whether the expression asks which process a packet belongs to.
    #[must_use]
    pub fn asks_process(&self) -> bool {
        let asks = |kind| matches!(kind, NodeKind::ProcessId(_) | NodeKind::ProcessName(_));
        self.nodes.iter().any(|node| asks(node.kind))
    }

    pub(crate) fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }
}
