//! Words that look at headers at any depth: `any`, `inner`, fields by name, `payload contains`.

use super::set::Range;
use super::{Lowering, Place, Source};
use crate::ast::{ArithKind, Dir, Id, Kind, NodeId, NodeKind, Proto, Scope};
use crate::deep::{Level, NO_PLACE, Start, TAGS, TUNNELS, ether};
use crate::error::{Error, ErrorKind};
use crate::field::{Base, Field, Row};
use crate::form::{Cell, Effect, FormId, Init, Value, ValueId};
use crate::link::LinkType;
use skep_cbpf::{AluOp, Ancillary, MEM_CELLS, Size};
use skep_diag::Span;
use std::collections::BTreeMap;

/// What is known of headers at any depth.
#[derive(Debug, Default)]
pub(super) struct Deep {
    /// Those that are looked for, the outermost first.
    levels: Vec<Level>,
    /// Where payloads begin, of levels.
    payloads: Vec<(usize, Cell)>,
    /// The one that the words look at, inside `any` and `inner`.
    current: Option<usize>,
    /// Finds them, in this order.
    walk: Vec<FormId>,
    /// Tags are looked for at any depth.
    tags: bool,
    /// Conditions inside `any` and `inner`, one for each level.
    scoped: BTreeMap<NodeId, Vec<FormId>>,
}

impl Lowering<'_> {
    /// The level that the words look at, if they look at one.
    pub(super) fn level(&self) -> Option<Level> {
        self.deep.current.and_then(|at| self.deep.levels.get(at).copied())
    }

    /// Whether tags are looked for at any depth.
    pub(super) const fn any_depth(&self) -> bool {
        self.deep.tags
    }

    fn start(&self) -> Result<Start, Error> {
        Ok(match self.options.link {
            LinkType::Ethernet => Start::Field { kind: 12, payload: 14 },
            LinkType::LinuxSll => Start::Field { kind: 14, payload: 16 },
            LinkType::LinuxSll2 => Start::Field { kind: 0, payload: 20 },
            LinkType::CHdlc => Start::Field { kind: 2, payload: 4 },
            LinkType::Ppp | LinkType::PppSerial => Start::Ppp { kind: 2, payload: 4 },
            LinkType::Raw | LinkType::Ipv4 | LinkType::Ipv6 => Start::Version { at: 0 },
            LinkType::Null | LinkType::Loop => Start::Version { at: 4 },
            _ => {
                let (what, link) = ("headers at any depth", self.options.link.name());
                return Err(self.error(ErrorKind::Link { what, link }));
            }
        })
    }

    /// Has a level looked for.
    fn find(&mut self, at: usize) -> Result<(), Error> {
        while self.deep.levels.len() <= at {
            let start = self.start()?;
            let mut cell = || self.new_cell(Init::Later, true);
            let level = Level { kind: cell(), net: cell(), proto: cell(), at: cell() };
            let effect = match self.deep.levels.last() {
                None => Effect::Outer(start, level),
                Some(&from) => Effect::Inner(from, level),
            };
            for effect in [effect, Effect::Transport(level)] {
                let form = self.effect(effect);
                self.deep.walk.push(form);
            }
            self.deep.levels.push(level);
        }
        Ok(())
    }

    /// The walk, if anything asks for what it finds, and then the expression.
    pub(super) fn after_walk(&mut self, root: FormId) -> Result<FormId, Error> {
        if self.deep.walk.is_empty() {
            return Ok(root);
        }
        if self.meaning.cells.iter().flatten().count() > MEM_CELLS as usize {
            return Err(Error::new(Span::default(), ErrorKind::Registers));
        }
        let walk = std::mem::take(&mut self.deep.walk);
        Ok(walk.into_iter().rev().fold(root, |rest, step| self.and(step, rest)))
    }

    /// A condition inside `any` or `inner`: on each level by itself, then on any of them.
    pub(super) fn scoped(
        &mut self,
        id: NodeId,
        scope: Scope,
        kind: NodeKind,
    ) -> Result<FormId, Error> {
        let levels = match scope {
            Scope::Any => 0..=TUNNELS,
            Scope::Inner => 1..=TUNNELS,
        };
        if let NodeKind::Vlan(_) | NodeKind::VlanIn(_) = kind {
            // Tags are those of the packet, whatever is in it.
            self.check_scoped(scope, kind)?;
            self.deep.tags = true;
            let form = self.primitive(kind);
            self.deep.tags = false;
            let form = form?;
            self.deep.scoped.insert(id, vec![form; TUNNELS + 1]);
            return Ok(form);
        }
        let mut forms = Vec::with_capacity(TUNNELS + 1);
        for (nth, at) in levels.enumerate() {
            self.find(at)?;
            let operand = |this: &Self, id: NodeId| {
                this.deep.scoped.get(&id).and_then(|forms| forms.get(nth).copied()).unwrap_or(0)
            };
            let form = match kind {
                NodeKind::And(left, right) => {
                    let (left, right) = (operand(self, left), operand(self, right));
                    self.and(left, right)
                }
                NodeKind::Or(left, right) => {
                    let (left, right) = (operand(self, left), operand(self, right));
                    self.or(left, right)
                }
                NodeKind::Not(inner) => {
                    let inner = operand(self, inner);
                    self.not(inner)
                }
                _ => {
                    self.check_scoped(scope, kind)?;
                    self.deep.current = Some(at);
                    let form = self.primitive(kind);
                    self.deep.current = None;
                    form?
                }
            };
            // What is not there does not match, under `not` either.
            forms.push(form);
        }
        let all = forms.iter().copied().reduce(|all, form| self.or(all, form));
        self.deep.scoped.insert(id, forms);
        Ok(all.unwrap_or(0))
    }

    /// What `any` and `inner` stand before: the condition, on a level that is there.
    pub(super) fn of_levels(&mut self, scope: Scope, operand: NodeId) -> Result<FormId, Error> {
        let forms = self.deep.scoped.get(&operand).cloned().unwrap_or_default();
        let first = if scope == Scope::Any { 0 } else { 1 };
        let mut all: Option<FormId> = None;
        for (at, form) in (first..).zip(forms) {
            // The outermost header is there whatever it is; there is a tunnel only where one was found.
            let form = match self.deep.levels.get(at).copied() {
                Some(level) if at > 0 => {
                    let kind = self.cell(level.kind)?;
                    let none = self.equals(kind, 0);
                    let is_there = self.not(none);
                    self.and(is_there, form)
                }
                _ => form,
            };
            all = Some(match all {
                Some(all) => self.or(all, form),
                None => form,
            });
        }
        Ok(all.unwrap_or_else(|| self.constant(false)))
    }

    /// Whether words go with `any` and `inner`.
    fn check_scoped(&self, scope: Scope, kind: NodeKind) -> Result<(), Error> {
        let is_walked = |proto: Proto| {
            matches!(
                proto,
                Proto::Ip | Proto::Ip6 | Proto::Arp | Proto::Rarp | Proto::Sctp | Proto::Tcp
            ) || matches!(proto, Proto::Udp | Proto::Icmp | Proto::Icmp6 | Proto::Igmp)
                || matches!(proto, Proto::Igrp | Proto::Pim | Proto::Vrrp | Proto::Carp)
                || matches!(proto, Proto::Ah | Proto::Esp)
        };
        let is_walked = |proto: Option<Proto>| proto.is_none_or(is_walked);
        let fits = match kind {
            NodeKind::Proto(proto) => is_walked(Some(proto)),
            NodeKind::Id(qual, id) => {
                is_walked(qual.proto)
                    && !matches!(qual.kind, Kind::Gateway | Kind::ProtoChain)
                    && !matches!(id, Id::Mac(_) | Id::Arcnet)
                    && matches!(qual.dir, Dir::Any | Dir::Src | Dir::Dst | Dir::Or | Dir::And)
            }
            NodeKind::In(qual, _) => is_walked(qual.proto),
            NodeKind::Relation(_, left, right) => {
                [left, right].into_iter().all(|id| self.is_walked_number(id, &is_walked))
            }
            NodeKind::Flag(field) => !matches!(field.row().base, Base::Eth | Base::Vlan),
            NodeKind::Multicast(proto) => matches!(proto, Some(Proto::Ip | Proto::Ip6)),
            NodeKind::Contains(..) => true,
            NodeKind::Vlan(_) | NodeKind::VlanIn(_) => scope == Scope::Any,
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.error(ErrorKind::NotScoped)) }
    }

    fn is_walked_number(&self, id: u32, is_walked: &impl Fn(Option<Proto>) -> bool) -> bool {
        let mut pending = vec![id];
        while let Some(id) = pending.pop() {
            match self.expr.ariths.get(id as usize).map(|arith| arith.kind) {
                Some(ArithKind::Load(proto, index, _)) => {
                    if !is_walked(Some(proto)) || matches!(proto, Proto::Ah | Proto::Esp) {
                        return false;
                    }
                    pending.push(index);
                }
                Some(ArithKind::Field(field)) => {
                    if matches!(field.row().base, Base::Eth | Base::Vlan) {
                        return false;
                    }
                }
                Some(ArithKind::Neg(operand)) => pending.push(operand),
                Some(ArithKind::Binary(_, left, right)) => pending.extend([left, right]),
                Some(ArithKind::Number(_) | ArithKind::Len) | None => {}
            }
        }
        true
    }

    /// What IP carries on the level is the protocol.
    pub(super) fn carries(&mut self, level: Level, number: u32) -> Result<FormId, Error> {
        let proto = self.cell(level.proto)?;
        Ok(self.equals(proto, number))
    }

    /// The header of what IP carries is there: this is no later fragment.
    pub(super) fn has_transport(&mut self, level: Level) -> Result<FormId, Error> {
        let at = self.cell(level.at)?;
        let nowhere = self.equals(at, NO_PLACE);
        Ok(self.not(nowhere))
    }

    /// What is looked at by a word without `any` and `inner`: the outermost headers.
    fn on_level<T>(
        &mut self,
        run: impl FnOnce(&mut Self, Level) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let before = self.deep.current;
        let at = before.unwrap_or(0);
        self.find(at)?;
        self.deep.current = Some(at);
        let result = match self.level() {
            Some(level) => run(self, level),
            None => Err(self.error(ErrorKind::NotScoped)),
        };
        self.deep.current = before;
        result
    }

    /// What is loaded for a field, and what must hold for it to be there.
    fn field_load(&mut self, row: &Row) -> Result<(ValueId, FormId), Error> {
        let Row { base, at, size, .. } = *row;
        match base {
            Base::Eth => {
                if self.options.link != LinkType::Ethernet {
                    return Err(self.not_on_link("`eth.`"));
                }
                let there = self.constant(true);
                Ok((self.load(Place::at(0), at, size)?, there))
            }
            Base::Vlan => self.vlan_load(),
            _ => self.on_level(|this, level| {
                let (place, there) = match base {
                    Base::Arp => (level.net, this.linktype(super::ETHERTYPE_ARP)?),
                    Base::Ip => (level.net, this.linktype(ether::IP)?),
                    Base::Ip6 => (level.net, this.linktype(ether::IP6)?),
                    Base::Tcp => (level.at, this.proto(6, None)?),
                    Base::Udp => (level.at, this.proto(17, None)?),
                    Base::Icmp => (level.at, this.proto(1, Some(Proto::Ip))?),
                    _ => (level.at, this.proto(58, Some(Proto::Ip6))?),
                };
                let there = if place == level.at {
                    let header = this.has_transport(level)?;
                    this.and(there, header)
                } else {
                    there
                };
                let place = Place { cell: Some(place), at: 0 };
                Ok((this.load(place, at, size)?, there))
            }),
        }
    }

    /// The outermost VLAN tag, which a packet socket keeps outside the bytes.
    fn vlan_load(&mut self) -> Result<(ValueId, FormId), Error> {
        if self.options.link != LinkType::Ethernet {
            return Err(self.not_on_link("`vlan.`"));
        }
        if self.options.source == Source::Live {
            let present = self.meaning.values.add(Value::Anc(Ancillary::VlanTagPresent));
            let there = self.equals(present, 1);
            return Ok((self.meaning.values.add(Value::Anc(Ancillary::VlanTag)), there));
        }
        let there = self.is_tag_at(12)?;
        Ok((self.load(Place::at(14), 0, Size::H)?, there))
    }

    /// A field as a number, and what must hold for it to be there.
    pub(super) fn field(&mut self, field: Field) -> Result<(ValueId, FormId), Error> {
        let row = field.row();
        let (mut value, there) = self.field_load(row)?;
        let values = &mut self.meaning.values;
        let shift = row.mask.trailing_zeros();
        let steps = [
            (AluOp::Rsh, shift),
            (AluOp::And, row.mask >> shift),
            (AluOp::Lsh, row.unit.trailing_zeros()),
        ];
        for (op, k) in steps {
            let k = values.add(Value::Const(k));
            value = values.alu(op, value, k);
        }
        Ok((value, there))
    }

    /// A field of one bit, set.
    pub(super) fn flag_of(&mut self, field: Field) -> Result<FormId, Error> {
        let row = field.row();
        let (value, there) = self.field_load(row)?;
        let set = self.any_bit(value, row.mask);
        Ok(self.and(there, set))
    }

    fn is_tag_at(&mut self, at: u32) -> Result<FormId, Error> {
        let kind = self.load(Place::at(at), 0, Size::H)?;
        let [first, second, third] = ether::VLAN.map(|tag| self.equals(kind, tag));
        let public = self.or(first, second);
        Ok(self.or(public, third))
    }

    /// A tag of one of the VLANs, or of any, at any depth.
    pub(super) fn any_vlan(&mut self, ids: Option<&[Range]>) -> Result<FormId, Error> {
        let Start::Field { kind, payload } = self.start()? else {
            return Err(self.not_on_link("`vlan`"));
        };
        let mut all = self.constant(false);
        for depth in (0..u32::try_from(TAGS).unwrap_or(0)).rev() {
            let tci = payload + 4 * depth;
            let is_tag = self.is_tag_at(if depth == 0 { kind } else { tci - 2 })?;
            let here = match ids {
                Some(ids) => {
                    let tag = self.load(Place::at(tci), 0, Size::H)?;
                    self.in_ranges(tag, 0xfff, ids)
                }
                None => self.constant(true),
            };
            let here = self.or(here, all);
            all = self.and(is_tag, here);
        }
        let is_live = self.options.source == Source::Live;
        if is_live && self.options.link == LinkType::Ethernet {
            let present = self.meaning.values.add(Value::Anc(Ancillary::VlanTagPresent));
            let mut outside = self.equals(present, 1);
            if let Some(ids) = ids {
                let tag = self.meaning.values.add(Value::Anc(Ancillary::VlanTag));
                let here = self.in_ranges(tag, 0xfff, ids);
                outside = self.and(outside, here);
            }
            all = self.or(outside, all);
        }
        Ok(all)
    }

    /// `payload contains`: at one place after the other.
    pub(super) fn contains(&mut self, text: Span, within: u32) -> Result<FormId, Error> {
        let expr = self.expr;
        let wanted = crate::lex::unescaped(expr.slice(text))
            .map_err(|what| Error::new(text, ErrorKind::Text(what)))?;
        let len = u32::try_from(wanted.len()).unwrap_or(u32::MAX);
        if len == 0 {
            return Err(Error::new(text, ErrorKind::Text("an empty text is everywhere")));
        }
        if len > within {
            return Err(Error::new(text, ErrorKind::Text("it is longer than what is searched")));
        }
        self.on_level(|this, level| {
            let at = this.deep.current.unwrap_or(0);
            let known = this.deep.payloads.iter().find(|row| row.0 == at).map(|row| row.1);
            let cell = known.unwrap_or_else(|| {
                let cell = this.new_cell(Init::Later, true);
                this.deep.payloads.push((at, cell));
                cell
            });
            // Where it was found before, it is found again.
            let found = this.effect(Effect::Payload(level, cell));
            let begin = this.cell(cell)?;
            let end = this.meaning.values.packet_len();
            let room = this.meaning.values.alu(AluOp::Sub, end, begin);
            let mut all: Option<FormId> = None;
            for off in 0..=within - len {
                let mut here = this.at_least(room, off + len);
                let mut from = off;
                let mut rest = &wanted[..];
                while !rest.is_empty() {
                    let (size, count) = match rest.len() {
                        1 => (Size::B, 1),
                        2 | 3 => (Size::H, 2),
                        _ => (Size::W, 4),
                    };
                    let (part, behind) = rest.split_at(count);
                    let number = part.iter().fold(0, |number, &byte| number << 8 | u32::from(byte));
                    let field = this.load(Place { cell: Some(cell), at: 0 }, from, size)?;
                    let same = this.equals(field, number);
                    here = this.and(here, same);
                    from += u32::try_from(count).unwrap_or(0);
                    rest = behind;
                }
                all = Some(match all {
                    Some(all) => this.or(all, here),
                    None => here,
                });
            }
            let all = all.unwrap_or_else(|| this.constant(false));
            Ok(this.and(found, all))
        })
    }
}
