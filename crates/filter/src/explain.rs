//! An expression in words, and what about it may not be what was meant.

use crate::ast::{
    ArithKind, Dir, Expr, Id, Kind, List, Node, NodeId, NodeKind, Proto, Qual, RelOp, Scope,
};
use skep_diag::{Diagnostic, Span};

/// Steps that conditions are indented, at most.
const DEEPEST: usize = 30;

impl Expr {
    /// The conditions in words, one a line, those that others are made of indented under them.
    #[must_use]
    pub fn in_words(&self) -> String {
        let mut out = String::new();
        let Some(root) = self.nodes().len().checked_sub(1) else {
            return "every packet\n".into();
        };
        // Chains of `and` and `or` may be long, so nothing here calls itself.
        let mut pending = vec![(self.id(root), 0usize)];
        while let Some((id, depth)) = pending.pop() {
            let Some(node) = self.nodes().get(id as usize) else { continue };
            out.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
            match node.kind {
                NodeKind::And(..) | NodeKind::Or(..) => {
                    let is_and = matches!(node.kind, NodeKind::And(..));
                    out += if is_and { "all of\n" } else { "any of\n" };
                    let operands = self.operands(id, is_and);
                    pending.extend(operands.into_iter().rev().map(|id| (id, depth + 1)));
                }
                NodeKind::Not(operand) => {
                    out += "not\n";
                    pending.push((operand, depth + 1));
                }
                NodeKind::Deep(scope, operand) => {
                    out += match scope {
                        Scope::Any => "in the outermost headers or in a tunnel\n",
                        Scope::Inner => "in a tunnel\n",
                    };
                    pending.push((operand, depth + 1));
                }
                _ => {
                    out += &self.primitive_in_words(node);
                    out.push('\n');
                }
            }
        }
        out
    }

    fn id(&self, at: usize) -> NodeId {
        NodeId::try_from(at).unwrap_or(NodeId::MAX)
    }

    /// The operands of a chain of the same word.
    fn operands(&self, id: NodeId, is_and: bool) -> Vec<NodeId> {
        let mut operands = Vec::new();
        let mut id = id;
        while let (Some(NodeKind::And(left, right)), true)
        | (Some(NodeKind::Or(left, right)), false) =
            (self.nodes().get(id as usize).map(|node| node.kind), is_and)
        {
            operands.push(right);
            id = left;
        }
        operands.push(id);
        operands.reverse();
        operands
    }

    fn primitive_in_words(&self, node: &Node) -> String {
        let text = || self.slice(node.span).trim_matches(['(', ')', ' ']).to_string();
        match node.kind {
            NodeKind::Proto(proto) => carried(proto).into(),
            NodeKind::Id(qual, id) => self.id_in_words(qual, id),
            NodeKind::Relation(..) => text(),
            NodeKind::Broadcast(Some(Proto::Ip)) => "IPv4 broadcast".into(),
            NodeKind::Broadcast(_) => "link-layer broadcast".into(),
            NodeKind::Multicast(Some(Proto::Ip)) => "IPv4 multicast".into(),
            NodeKind::Multicast(Some(Proto::Ip6)) => "IPv6 multicast".into(),
            NodeKind::Multicast(_) => "link-layer multicast or broadcast".into(),
            NodeKind::Less(most) => format!("at most {most} bytes long"),
            NodeKind::Greater(least) => format!("at least {least} bytes long"),
            NodeKind::Byte(..) => text(),
            NodeKind::Bound(false) => "received by this host".into(),
            NodeKind::Bound(true) => "sent by this host".into(),
            NodeKind::IfIndex(index) => format!("on interface {index}"),
            NodeKind::Vlan(None) => "with a VLAN tag".into(),
            NodeKind::Vlan(Some(id)) => format!("with a VLAN tag of VLAN {id}"),
            NodeKind::Mpls(None) => "with an MPLS label".into(),
            NodeKind::Mpls(Some(label)) => format!("with the MPLS label {label}"),
            NodeKind::PppoeD => "PPPoE discovery".into(),
            NodeKind::PppoeS(None) => "in a PPPoE session".into(),
            NodeKind::PppoeS(Some(session)) => format!("in the PPPoE session {session}"),
            NodeKind::Geneve(None) => "in a Geneve tunnel (UDP port 6081)".into(),
            NodeKind::Geneve(Some(vni)) => format!("in the Geneve tunnel {vni} (UDP port 6081)"),
            NodeKind::PfIfname(name) => {
                format!("logged on an interface whose name begins with {}", self.slice(name))
            }
            NodeKind::PfRuleset(name) => {
                format!("logged by a ruleset whose name begins with {}", self.slice(name))
            }
            NodeKind::PfRule(rule) => format!("logged by rule {rule}"),
            NodeKind::PfSubrule(rule) => format!("logged by rule {rule} of a ruleset"),
            NodeKind::PfReason(reason) => format!("logged for reason {reason}"),
            NodeKind::PfAction(action) => format!("logged with action {action}"),
            NodeKind::WlanType(..) => format!("802.11 frames of {}", text()),
            NodeKind::WlanDirection(_) => format!("802.11 frames with {}", text()),
            NodeKind::Llc(_) => format!("LLC frames: {}", text()),
            NodeKind::Flag(field) => format!("{}: {}", field.name(), field.what()),
            NodeKind::In(qual, list) => {
                let what = Id::Name(list.span);
                let words = self.id_in_words(qual, what);
                let before = words.strip_suffix(self.slice(list.span)).unwrap_or(&words);
                format!("{before}in {}", self.list_in_words(list))
            }
            NodeKind::VlanIn(list) => {
                format!("with a VLAN tag of a VLAN in {}", self.list_in_words(list))
            }
            NodeKind::Contains(text, within) => {
                format!("\"{}\" in the first {within} bytes of the payload", self.slice(text))
            }
            NodeKind::ProcessId(pid) => format!("of the process {pid}"),
            NodeKind::ProcessName(name) => format!("of a process called {}", self.slice(name)),
            NodeKind::And(..) | NodeKind::Or(..) | NodeKind::Not(_) | NodeKind::Deep(..) => {
                String::new()
            }
        }
    }

    fn list_in_words(&self, list: List) -> String {
        if list.is_file {
            return format!("the file {}", self.slice(list.span));
        }
        let words = self.slice(list.span).split([',', ' ', '\t', '\n']);
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
    }

    fn id_in_words(&self, qual: Qual, id: Id) -> String {
        // Fewer than four parts are a network.
        let parts = match id {
            Id::Ip4(span) => self.slice(span).split('.').count(),
            _ => 4,
        };
        let what = match id {
            Id::Ip4(span) if parts < 4 => {
                format!("{}{}/{}", self.slice(span), ".0".repeat(4 - parts), 8 * parts)
            }
            Id::Name(span) | Id::Ip4(span) => self.slice(span).to_string(),
            Id::Number(number) => number.to_string(),
            Id::Net4(span, len) => format!("{}/{len}", self.slice(span)),
            Id::Mask4(span, mask) => format!("{} mask {}", self.slice(span), self.slice(mask)),
            Id::Ip6(addr, len) => {
                let addr = std::net::Ipv6Addr::from_bits(addr);
                len.map_or_else(|| addr.to_string(), |len| format!("{addr}/{len}"))
            }
            Id::Mac(mac) => mac.map(|byte| format!("{byte:02x}")).join(":"),
            Id::Arcnet => "an ARCnet address".into(),
        };
        let is_6 = matches!(id, Id::Ip6(..));
        let inside = match (qual.proto, qual.kind) {
            (Some(proto), Kind::Proto | Kind::ProtoChain) => format!("{}: ", proto.name()),
            (Some(Proto::Link), _) => String::new(),
            (Some(proto), _) => format!("{}, ", carried(proto)),
            (None, Kind::Port | Kind::PortRange) => "TCP, UDP or SCTP, ".into(),
            (None, Kind::Default | Kind::Host | Kind::Net) if is_6 => "IPv6, ".into(),
            (None, Kind::Default | Kind::Host | Kind::Net) => "IPv4, ARP or RARP, ".into(),
            (None, _) => String::new(),
        };
        let end = match qual.dir {
            Dir::Any | Dir::Or => "source or destination ",
            Dir::Src => "source ",
            Dir::Dst => "destination ",
            Dir::And => "source and destination ",
            Dir::Addr1 => "first ",
            Dir::Addr2 => "second ",
            Dir::Addr3 => "third ",
            Dir::Addr4 => "fourth ",
            Dir::Ra => "receiver's ",
            Dir::Ta => "transmitter's ",
        };
        match qual.kind {
            Kind::Default | Kind::Host if parts == 4 => format!("{inside}{end}address {what}"),
            Kind::Default | Kind::Host | Kind::Net => format!("{inside}{end}address in {what}"),
            Kind::Port => format!("{inside}{end}port {what}"),
            Kind::PortRange => format!("{inside}{end}port in {what}"),
            Kind::Gateway => format!("{inside}by way of {what}"),
            Kind::Proto => format!("{inside}protocol {what}"),
            Kind::ProtoChain => format!("{inside}protocol {what}, behind other headers, too"),
        }
    }

    /// What may not be what was meant.
    #[must_use]
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let mut warnings = Vec::new();
        for (at, node) in self.nodes().iter().enumerate() {
            match node.kind {
                NodeKind::And(left, _) | NodeKind::Or(left, _) => {
                    warnings.extend(self.mixed(node, left));
                }
                _ if node.scope.is_some() => {}
                NodeKind::Vlan(_)
                | NodeKind::VlanIn(_)
                | NodeKind::Mpls(_)
                | NodeKind::PppoeS(_)
                | NodeKind::Geneve(_) => {
                    warnings.extend(self.shifts(at, node));
                }
                NodeKind::Relation(op, left, right) => {
                    warnings.extend(self.accessors(left, right));
                    warnings.extend(self.out_of_range(op, left, right));
                }
                _ => {}
            }
        }
        warnings
    }

    /// `a or b and c` without parentheses.
    fn mixed(&self, node: &Node, left: NodeId) -> Option<Diagnostic> {
        let inner = self.nodes().get(left as usize)?;
        let is_open = !self.slice(inner.span).starts_with('(');
        let is_mixed = matches!((node.kind, inner.kind), (NodeKind::And(..), NodeKind::Or(..)));
        (is_open && is_mixed).then(|| {
            Diagnostic::warning("filter.mixed", "`and` and `or` bind alike, from left to right")
                .label(inner.span, "this comes first")
                .help("put parentheses around what belongs together")
        })
    }

    fn shifts(&self, at: usize, node: &Node) -> Option<Diagnostic> {
        let follows = self.nodes().get(at + 1..)?.iter().any(|other| {
            other.span.start >= node.span.end
                && !matches!(other.kind, NodeKind::And(..) | NodeKind::Or(..) | NodeKind::Not(_))
        });
        let word = self.slice(node.span).split([' ', '(']).find(|word| !word.is_empty())?;
        follows.then(|| {
            let title = format!("`{word}` shifts what follows");
            let text = "all words after this look behind its header, also after `or`";
            Diagnostic::warning("filter.shifts", title)
                .label(node.span, text)
                .help("write what is to be looked for without it before it")
        })
    }

    /// `tcp[…]` is IPv4 only, and what stands to the right of an operator is not checked.
    fn accessors(&self, left: u32, right: u32) -> Vec<Diagnostic> {
        let mut warnings = Vec::new();
        let mut pending = vec![(left, true), (right, true)];
        while let Some((id, is_checked)) = pending.pop() {
            let Some(arith) = self.ariths().get(id as usize) else { continue };
            match arith.kind {
                ArithKind::Load(proto, index, _) => {
                    pending.push((index, is_checked));
                    if let Some(title) = only_ip4(proto) {
                        warnings.push(
                            Diagnostic::warning("filter.only-ipv4", title)
                                .label(arith.span, "looks behind IPv4 headers only")
                                .help(format!(
                                    "fields do, and `any {}[…]` does: skep filter --fields",
                                    proto.name()
                                )),
                        );
                    }
                    if !is_checked && proto != Proto::Link {
                        let title = format!("nothing checks that the packet is {}", carried(proto));
                        warnings.push(
                            Diagnostic::warning("filter.unchecked", title)
                                .label(arith.span, "right operand: libpcap checks left ones only")
                                .help(format!("write `{} and` before it", proto.name())),
                        );
                    }
                }
                ArithKind::Neg(operand) => pending.push((operand, is_checked)),
                ArithKind::Binary(_, left, right) => {
                    pending.push((left, is_checked));
                    pending.push((right, false));
                }
                ArithKind::Number(_) | ArithKind::Len | ArithKind::Field(_) => {}
            }
        }
        warnings
            .sort_by_key(|diag| diag.labels.first().map_or(Span::default(), |label| label.span));
        warnings
    }
}

impl Expr {
    /// A number that what it is compared with never comes to.
    fn out_of_range(&self, op: RelOp, left: u32, right: u32) -> Option<Diagnostic> {
        let (left, right) = (self.ariths().get(left as usize)?, self.ariths().get(right as usize)?);
        let (arith, number, op) = match (left.kind, right.kind) {
            (_, ArithKind::Number(number)) => (left, number, op),
            (ArithKind::Number(number), _) => (right, number, op.mirrored()),
            _ => return None,
        };
        let most = match arith.kind {
            ArithKind::Field(field) => field.most(),
            ArithKind::Load(_, _, 1) => u8::MAX.into(),
            ArithKind::Load(_, _, 2) => u16::MAX.into(),
            _ => return None,
        };
        let is_never = match op {
            RelOp::Eq | RelOp::Ge => number > most,
            RelOp::Gt => number >= most,
            RelOp::Lt | RelOp::Le | RelOp::Ne => false,
        };
        is_never.then(|| {
            let what = self.slice(arith.span);
            Diagnostic::warning("filter.never", format!("`{what}` is at most {most}"))
                .label(arith.span, "the comparison never holds")
                .help("compare with a number that it may be")
        })
    }
}

fn only_ip4(proto: Proto) -> Option<String> {
    let is = matches!(
        proto,
        Proto::Tcp
            | Proto::Udp
            | Proto::Sctp
            | Proto::Icmp
            | Proto::Igmp
            | Proto::Pim
            | Proto::Vrrp
    );
    is.then(|| format!("`{}[…]` never matches IPv6", proto.name()))
}

/// What is carried, and in what.
const fn carried(proto: Proto) -> &'static str {
    match proto {
        Proto::Link => "any link layer",
        Proto::Ip => "IPv4",
        Proto::Ip6 => "IPv6",
        Proto::Arp => "ARP",
        Proto::Rarp => "RARP",
        Proto::Tcp => "TCP",
        Proto::Udp => "UDP",
        Proto::Sctp => "SCTP",
        Proto::Icmp => "ICMP",
        Proto::Icmp6 => "ICMPv6",
        Proto::Igmp => "IGMP",
        Proto::Igrp => "IGRP",
        Proto::Pim => "PIM",
        Proto::Vrrp => "VRRP",
        Proto::Carp => "CARP",
        Proto::Ah => "AH",
        Proto::Esp => "ESP",
        Proto::Atalk => "AppleTalk",
        Proto::Aarp => "AppleTalk ARP",
        Proto::Decnet => "DECnet",
        Proto::Lat => "DEC LAT",
        Proto::Sca => "DEC SCA",
        Proto::Moprc => "DEC MOP remote console",
        Proto::Mopdl => "DEC MOP dump and load",
        Proto::Iso => "OSI",
        Proto::Esis => "ES-IS",
        Proto::Isis => "IS-IS",
        Proto::IsisL1 => "IS-IS of level 1",
        Proto::IsisL2 => "IS-IS of level 2",
        Proto::IsisIih => "IS-IS hello",
        Proto::IsisLsp => "IS-IS LSP",
        Proto::IsisSnp => "IS-IS SNP",
        Proto::IsisCsnp => "IS-IS CSNP",
        Proto::IsisPsnp => "IS-IS PSNP",
        Proto::Clnp => "CLNP",
        Proto::Stp => "STP",
        Proto::Ipx => "IPX",
        Proto::Netbeui => "NetBEUI",
        Proto::Radio => "radio headers",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        Expr::parse(text).unwrap().warnings().iter().filter_map(|diag| diag.code).collect()
    }

    #[test]
    fn what_may_not_be_meant_is_told() {
        assert_eq!(codes("tcp port 80 or port 53"), [""; 0]);
        assert_eq!(codes("ip or arp and tcp"), ["filter.mixed"]);
        assert_eq!(codes("(ip or arp) and tcp"), [""; 0]);
        assert_eq!(codes("vlan or ip"), ["filter.shifts"]);
        assert_eq!(codes("ip or vlan"), [""; 0]);
        assert_eq!(codes("tcp[13] & 2 != 0"), ["filter.only-ipv4"]);
        assert_eq!(codes("1 + ip[0] = 5"), ["filter.unchecked"]);
        assert_eq!(codes("vlan in {5} and ip"), ["filter.shifts"]);
        assert_eq!(codes("ip.ttl = 300 or ip.header > 60"), ["filter.never"; 2]);
        assert_eq!(codes("ip.ttl = 255 or ip.header >= 60 or ip.ttl != 300"), [""; 0]);
        assert_eq!(codes("256 <= ip[8] or 256 >= ip[8] or ip[2:2] > 65534"), ["filter.never"]);
        assert_eq!(codes("any vlan 5 and any tcp[13] & 2 != 0"), [""; 0]);
    }

    #[test]
    fn words_are_for_people() {
        let words = |text: &str| Expr::parse(text).unwrap().in_words();
        assert_eq!(words(""), "every packet\n");
        assert_eq!(
            words("any (tcp.flags.syn and dst port in {80, 443})"),
            "in the outermost headers or in a tunnel\n  all of\n    \
             tcp.flags.syn: begins a connection\n    \
             TCP, UDP or SCTP, destination port in 80, 443\n"
        );
        assert_eq!(
            words("tcp dst port 80 and not (net 10.0.0.0/8 or host ::1)"),
            "all of\n  TCP, destination port 80\n  not\n    any of\n      \
             IPv4, ARP or RARP, source or destination address in 10.0.0.0/8\n      \
             IPv6, source or destination address ::1\n"
        );
        assert_eq!(words("src host 10.1"), "IPv4, ARP or RARP, source address in 10.1.0.0/16\n");
    }
}
