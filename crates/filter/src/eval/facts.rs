//! What the evaluator read, by name.
//!
//! A number that a test read is named by the words of the condition and by what it is compared with: those of
//! a link layer are known by their place, which a condition asks for first; what follows one that holds belongs to the
//! header that it found. Nothing is read that the condition did not ask for, but for the rest of an address.

use super::{Rejected, Run, Seen};
use crate::ast::{Dir, Id, Kind as IdKind, Node, NodeKind, Proto};
use crate::deep::{NO_PLACE, ether};
use crate::fact::{End, Fact, Kind, Role};
use crate::form::{Cmp, Form, FormId, Rhs, Test, Value, ValueId};
use crate::link::LinkType;
use skep_cbpf::{AluOp, Ancillary, Size};

/// The least number that is an Ethernet type. Protocols of PPP that are asked for are below.
const LEAST_TYPE: u32 = 0x0600;

/// Which network header a condition found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Ip4,
    Ip6,
    Arp,
    Other,
}

/// What is known of a condition so far.
struct Names {
    kind: NodeKind,
    dir: Dir,
    link: LinkType,
    /// What the link layer says that it carries, and how.
    carries: Option<(ValueId, Role)>,
    family: Option<Family>,
    /// Where the first address or port of a family is: the source, unless only the destination is asked for.
    first: Option<(Family, Option<ValueId>, u32)>,
}

impl Run<'_> {
    pub(super) fn rejection(&self, rejected: Rejected, before: Option<Role>) -> Fact {
        Fact(match rejected {
            Rejected::Ends { at, len } => {
                let have = self.packet.bytes.len().saturating_sub(self.packet.data);
                Kind::Ends { have, at, len, before }
            }
            Rejected::Division => Kind::Division,
            Rejected::Nowhere => Kind::Nowhere,
        })
    }

    /// What decided a condition of a form.
    pub(super) fn facts(
        &mut self,
        node: &Node,
        form: FormId,
        link: LinkType,
        seen: &[Seen],
        rejected: Option<Rejected>,
    ) -> Vec<Fact> {
        let dir = match node.kind {
            NodeKind::And(..) | NodeKind::Or(..) | NodeKind::Not(_) | NodeKind::Deep(..) => {
                return Vec::new();
            }
            NodeKind::Id(qual, _) | NodeKind::In(qual, _) => qual.dir,
            NodeKind::Geneve(_) | NodeKind::Broadcast(_) | NodeKind::Multicast(_) => Dir::Dst,
            _ => Dir::Any,
        };
        let is_relation = matches!(node.kind, NodeKind::Relation(..));
        // Numbers that are compared are told as such.
        if is_relation && self.is_compared(form, seen) {
            return rejected.map(|rejected| self.rejection(rejected, None)).into_iter().collect();
        }
        let family = match link {
            LinkType::Ipv4 => Some(Family::Ip4),
            LinkType::Ipv6 => Some(Family::Ip6),
            _ => None,
        };
        let mut names = Names { kind: node.kind, dir, link, carries: None, family, first: None };
        let mut facts: Vec<(u8, Fact)> = Vec::new();
        let mut last = None;
        for seen in seen {
            let place = self.place(seen.test.value);
            last = names.role(seen, self.meaning.values.get(seen.test.value), place);
            let (Some(role), Ok(value)) = (last, seen.value) else { continue };
            // Nothing is known at that depth.
            let is_unknown = value == 0 && self.is_cell(seen.test.value);
            if is_unknown || !role.tells(value) {
                continue;
            }
            let fact = self.fact(role, value, seen.test.value, place);
            let row = (role.rank(), fact);
            if !facts.contains(&row) {
                facts.push(row);
            }
        }
        if let Some(rejected) = rejected {
            // What was asked for is named if it is what is missing, and not what tells where it is.
            let asked = seen.last().and_then(|seen| self.place(seen.test.value));
            let is_it = matches!(rejected, Rejected::Ends { at, .. } if asked == Some(at));
            return vec![self.rejection(rejected, last.filter(|_| is_it))];
        }
        let most = facts.iter().map(|row| row.0).max();
        facts.into_iter().filter(|row| Some(row.0) == most).map(|row| row.1).collect()
    }

    /// Whether the numbers of a comparison were compared, and not only looked whether they are there.
    fn is_compared(&self, form: FormId, seen: &[Seen]) -> bool {
        let mut pending = vec![form];
        while let Some(id) = pending.pop() {
            match self.meaning.forms.get(id as usize) {
                // The comparison is the last condition; on several headers there is one for each.
                Some(Form::Or(left, right)) => pending.extend([*left, *right]),
                Some(Form::And(_, right) | Form::Not(right)) => pending.push(*right),
                Some(Form::Test(_)) if seen.iter().any(|seen| seen.form == id) => return true,
                Some(Form::Const(_)) => return true,
                _ => {}
            }
        }
        false
    }

    fn is_cell(&self, id: ValueId) -> bool {
        matches!(self.meaning.values.get(id), Value::Cell(_))
    }

    /// Where a number is loaded from.
    fn place(&mut self, id: ValueId) -> Option<u32> {
        match self.meaning.values.get(id) {
            Value::Abs(_, at) => Some(at),
            Value::Ind(_, base, off) => Some(self.value(base).ok()?.wrapping_add(off)),
            _ => None,
        }
    }

    /// A number as what it is; of addresses, the whole.
    fn fact(&mut self, role: Role, value: u32, id: ValueId, place: Option<u32>) -> Fact {
        let (len, start) = match (role, place) {
            (Role::Ip4(_), Some(place)) => (4, place),
            // The role says how far from its start it is.
            (Role::Ip6(_, into), Some(place)) => (16, place.wrapping_sub(into)),
            (Role::Mac(_), Some(place)) => {
                let is_word = matches!(
                    self.meaning.values.get(id),
                    Value::Abs(Size::W, _) | Value::Ind(Size::W, ..)
                );
                (6, if is_word { place.wrapping_sub(2) } else { place })
            }
            _ => return Fact(Kind::Has(role, value.into())),
        };
        let bytes = (0..len).map_while(|off| self.byte(start.wrapping_add(off)).ok());
        let (mut bits, mut count) = (0u128, 0);
        for byte in bytes {
            bits = bits << 8 | u128::from(byte);
            count += 1;
        }
        bits <<= 8 * (len - count);
        let role = match role {
            Role::Ip6(end, _) => Role::Ip6(end, 8 * count),
            role => role,
        };
        Fact(Kind::Has(role, bits))
    }
}

impl Names {
    /// What a test reads. Those of IPv6 addresses say how many bytes into the address they read.
    fn role(&mut self, seen: &Seen, value: Value, place: Option<u32>) -> Option<Role> {
        let Test { value: id, mask, cmp, rhs } = seen.test;
        let Rhs::Const(rhs) = rhs else { return None };
        let size = match value {
            Value::Abs(size, _) | Value::Ind(size, ..) => Some(size),
            _ => None,
        };
        match (self.kind, value) {
            (NodeKind::Less(_) | NodeKind::Greater(_), _) => return Some(Role::Length),
            (NodeKind::Bound(_), _) => return Some(Role::PacketType),
            (NodeKind::IfIndex(_), _) => return Some(Role::Interface),
            (
                NodeKind::Byte(..)
                | NodeKind::PfRule(_)
                | NodeKind::PfSubrule(_)
                | NodeKind::PfReason(_)
                | NodeKind::PfAction(_),
                _,
            ) => return Some(Role::Number),
            (NodeKind::Contains(..), Value::Alu(AluOp::Sub, ..)) => return Some(Role::Payload),
            (_, Value::Anc(Ancillary::VlanTagPresent)) => return Some(Role::TagOutside),
            (_, Value::Anc(Ancillary::VlanTag)) => return Some(Role::Vlan),
            (_, Value::Chain(_)) => return Some(Role::Protocol),
            (NodeKind::Multicast(None | Some(Proto::Link)), _) if mask == 1 => {
                return Some(Role::Mac(Some(End::Dst)));
            }
            _ => {}
        }
        if self.is_mac() {
            return self.mac(size?, place?);
        }
        if size == Some(Size::H) && mask == u32::MAX && ether::VLAN.contains(&rhs) {
            return Some(Role::Tag);
        }
        if let Some(role) = self.carries(id, value, size, seen) {
            if seen.holds {
                let family = family(cmp, rhs);
                self.family = Some(family);
            } else if !matches!(self.link, LinkType::Ipv4 | LinkType::Ipv6) {
                self.family = None;
            }
            return Some(role);
        }
        if let Value::Cell(_) = value {
            return Some(if rhs == NO_PLACE { Role::Transport } else { Role::Protocol });
        }
        self.behind(size?, mask, cmp, rhs, place?)
    }

    /// Whether it is what the link layer says that it carries.
    fn carries(
        &mut self,
        id: ValueId,
        value: Value,
        size: Option<Size>,
        seen: &Seen,
    ) -> Option<Role> {
        let Test { mask, rhs, cmp, .. } = seen.test;
        let Rhs::Const(rhs) = rhs else { return None };
        let is_whole = mask == u32::MAX;
        if let Some((known, role)) = self.carries
            && known == id
            && (is_whole || role == Role::Version && mask == 0xf0)
        {
            return Some(role);
        }
        let role = match (value, size) {
            (Value::Cell(_), _) if (LEAST_TYPE..NO_PLACE).contains(&rhs) => Role::Ether,
            (_, Some(Size::B)) if mask == 0xf0 && matches!(rhs, 0x40 | 0x60) => Role::Version,
            _ if self.carries.is_some() => return None,
            (_, Some(Size::B)) if self.link == LinkType::Pflog && is_whole => Role::Family,
            (_, Some(Size::W)) if matches!(self.link, LinkType::Null | LinkType::Loop) => {
                Role::Family
            }
            (_, Some(Size::H)) if is_whole && self.has_type() => match self.link {
                _ if rhs >= LEAST_TYPE || cmp == Cmp::Gt => Role::Ether,
                LinkType::LinuxSll => Role::Ether,
                LinkType::FrameRelay => Role::Nlpid,
                _ => Role::Ppp,
            },
            _ => return None,
        };
        self.carries = Some((id, role));
        Some(role)
    }

    /// Whether two bytes of the link layer say what it carries.
    const fn has_type(&self) -> bool {
        !matches!(
            self.link,
            LinkType::Raw
                | LinkType::Ipv4
                | LinkType::Ipv6
                | LinkType::Null
                | LinkType::Loop
                | LinkType::Pflog
        )
    }

    /// What the network header and what is in it have.
    fn behind(&mut self, size: Size, mask: u32, cmp: Cmp, rhs: u32, place: u32) -> Option<Role> {
        match (self.kind, mask) {
            (NodeKind::Vlan(_) | NodeKind::VlanIn(_), 0xfff) => return Some(Role::Vlan),
            (NodeKind::Mpls(_), 0xffff_f000) => return Some(Role::Label),
            (NodeKind::PppoeS(_), 0xffff) => return Some(Role::Session),
            (NodeKind::Geneve(_), 0xffff_ff00) => return Some(Role::Vni),
            (NodeKind::Flag(field), _) if mask == field.row().mask && rhs == 0 => {
                return Some(Role::Number);
            }
            // In front of a network header: the last label.
            (_, 1) if size == Size::B => return Some(Role::Bottom),
            _ => {}
        }
        let family = self.family?;
        match (family, size) {
            (Family::Ip4, Size::H) if mask == 0x1fff && rhs == 0 => Some(Role::Fragment),
            (_, _) if self.is_address() && mask != 0 => {
                let (end, into) =
                    self.end(family, place, if family == Family::Ip6 { 16 } else { 4 });
                match (family, size) {
                    (Family::Ip6, _) => Some(Role::Ip6(end, into)),
                    (Family::Ip4 | Family::Arp, _) => Some(Role::Ip4(end)),
                    (Family::Other, _) => None,
                }
            }
            (Family::Ip4 | Family::Ip6, Size::B) if mask == u32::MAX && cmp == Cmp::Eq => {
                Some(Role::Protocol)
            }
            (Family::Ip4 | Family::Ip6, Size::H) if self.is_port() => {
                Some(Role::Port(self.end(family, place, 2).0))
            }
            _ => None,
        }
    }

    /// Which end an address or port of so many bytes belongs to, and how far into it the place is: the source is
    /// asked for first, and stands first.
    fn end(&mut self, family: Family, place: u32, len: u32) -> (End, u32) {
        let carries = self.carries.map(|row| row.0);
        let first = match self.first {
            Some((known, by, first)) if (known, by) == (family, carries) => first,
            _ => {
                self.first = Some((family, carries, place));
                place
            }
        };
        let off = place.wrapping_sub(first);
        let is_dst = self.dir == Dir::Dst || off >= len;
        (if is_dst { End::Dst } else { End::Src }, off % len)
    }

    const fn is_address(&self) -> bool {
        match self.kind {
            NodeKind::Id(qual, _) | NodeKind::In(qual, _) => {
                matches!(qual.kind, IdKind::Default | IdKind::Host | IdKind::Net)
                    && !matches!(qual.proto, Some(Proto::Decnet))
            }
            NodeKind::Broadcast(_) | NodeKind::Multicast(_) => true,
            _ => false,
        }
    }

    const fn is_port(&self) -> bool {
        match self.kind {
            NodeKind::Id(qual, _) | NodeKind::In(qual, _) => {
                matches!(qual.kind, IdKind::Port | IdKind::PortRange)
            }
            NodeKind::Geneve(_) => true,
            _ => false,
        }
    }

    /// Whether Ethernet addresses are asked for.
    const fn is_mac(&self) -> bool {
        match self.kind {
            NodeKind::Id(_, Id::Mac(_)) => true,
            NodeKind::Id(qual, Id::Name(_)) => {
                matches!(qual.proto, Some(Proto::Link))
                    && matches!(qual.kind, IdKind::Default | IdKind::Host)
            }
            NodeKind::Broadcast(None | Some(Proto::Link)) => true,
            _ => false,
        }
    }

    /// The last four bytes of an Ethernet address are asked for first, the source's before the destination's.
    fn mac(&mut self, size: Size, place: u32) -> Option<Role> {
        let start = match size {
            Size::W => place.wrapping_sub(2),
            Size::H => place,
            Size::B => return None,
        };
        if self.link.is_wlan() {
            return Some(Role::Mac(None));
        }
        let first = self.first.get_or_insert((Family::Other, None, start)).2;
        let is_dst = self.dir == Dir::Dst || start != first;
        Some(Role::Mac(Some(if is_dst { End::Dst } else { End::Src })))
    }
}

/// The network header that a test of what the link layer carries finds, if it holds.
fn family(cmp: Cmp, rhs: u32) -> Family {
    /// Address families, as NULL has them in the byte order of the host, and PF in one byte.
    const AF_INET: u32 = 2;
    const AF_INET6: [u32; 4] = [10, 24, 28, 30];
    let small = rhs.min(rhs.swap_bytes());
    match rhs {
        _ if cmp != Cmp::Eq => Family::Other,
        ether::IP | 0x21 | 0x40 | 0x03cc => Family::Ip4,
        ether::IP6 | 0x57 | 0x60 | 0x038e => Family::Ip6,
        0x0806 | 0x8035 => Family::Arp,
        _ if small == AF_INET => Family::Ip4,
        _ if AF_INET6.contains(&small) => Family::Ip6,
        _ => Family::Other,
    }
}

#[cfg(test)]
mod tests;
