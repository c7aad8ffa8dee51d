//! What an expression means, by following it: the reference for every program made of it.

mod deep;
mod facts;

use crate::ast::Expr;
use crate::fact::Fact;
use crate::form::{
    AUTH, CHAIN_STEPS, Chain, EXTENSIONS, Effect, Form, FormId, Init, NO_NEXT, Rhs, Test, Value,
    ValueId, compare,
};
use crate::link::LinkType;
use crate::lower::Meaning;
use skep_cbpf::{Ancillary, Packet, Size};
use std::collections::HashSet;

/// Why the packet is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rejected {
    /// It ends before so many bytes at a place.
    Ends { at: u32, len: u32 },
    /// Something is divided by zero.
    Division,
    /// No packet has what is asked for.
    Nowhere,
}

impl Meaning {
    /// Whether a packet matches. What the kernel alone knows is taken from [`Packet::meta`].
    #[must_use]
    pub fn matches(&self, packet: &Packet<'_>) -> bool {
        self.evaluate(packet) == Some(true)
    }

    /// As [`Meaning::matches`]; nothing if the packet is rejected because it is too short or for a
    /// division by zero, which is no match, but not the opposite of one under `not` either.
    #[must_use]
    pub fn evaluate(&self, packet: &Packet<'_>) -> Option<bool> {
        let mut run = Run::new(self, packet);
        run.begin().ok()?;
        run.form(self.root).ok()
    }

    /// Why a packet is rejected, where [`Meaning::evaluate`] says nothing.
    #[must_use]
    pub fn rejection(&self, packet: &Packet<'_>) -> Option<Fact> {
        let mut run = Run::new(self, packet);
        let rejected = run.begin().and_then(|()| run.form(self.root)).err()?;
        Some(run.rejection(rejected, None))
    }

    /// What each node of the expression is by itself, in the order of [`Expr::nodes`]. The expression and the
    /// link type are those that the meaning was made of: their words name what is read.
    #[must_use]
    pub fn reasons(&self, expr: &Expr, link: LinkType, packet: &Packet<'_>) -> Vec<Reason> {
        let mut run = Run::new(self, packet);
        run.seen = Some(Vec::new());
        let mut begun = run.begin();
        // The whole first, so that headers are where they are for what follows in the text.
        let whole = begun.and_then(|()| run.form(self.root));
        let made: HashSet<FormId> = run.take_seen().iter().map(|seen| seen.form).collect();
        // Rejected before the first test: the headers at any depth are not there.
        if made.is_empty() {
            begun = begun.and(whole.map(drop));
        }
        let mut sides = self.sides.iter().peekable();
        let nodes = self.nodes.iter().zip(expr.nodes()).enumerate().map(|(at, (&form, node))| {
            let held = begun.and_then(|()| run.form(form));
            let seen = run.take_seen();
            let sides = sides.next_if(|side| side.0 as usize == at);
            let sides = sides.map(|&(_, left, right)| [left, right].map(|id| run.value(id).ok()));
            let has = if begun.is_ok() {
                run.facts(node, form, link, &seen, held.err())
            } else {
                Vec::new()
            };
            // Each condition has tests of its own.
            let reached = seen.is_empty() || seen.iter().any(|seen| made.contains(&seen.form));
            Reason { holds: held.ok(), reached, sides, has }
        });
        nodes.collect()
    }
}

/// Why a packet matches or does not: what one node of the expression is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Whether the condition holds; nothing if it rejects the packet.
    pub holds: Option<bool>,
    /// Whether it was looked at to decide the whole; what stands left of it may have done.
    pub reached: bool,
    /// Of a comparison, the numbers that are compared; nothing for one that the packet does not have.
    pub sides: Option<[Option<u32>; 2]>,
    /// What the packet has that decides the condition, as far as it was read: of the innermost header that was
    /// reached. Nothing for `and`, `or`, `not`, and for a comparison that was made.
    pub has: Vec<Fact>,
}

/// A test that was made.
struct Seen {
    form: FormId,
    test: Test,
    /// What was read, before its mask.
    value: Result<u32, Rejected>,
    holds: bool,
}

struct Run<'a> {
    meaning: &'a Meaning,
    packet: &'a Packet<'a>,
    cells: Vec<u32>,
    /// The tests that were made, if anybody asks.
    seen: Option<Vec<Seen>>,
}

impl<'a> Run<'a> {
    const fn new(meaning: &'a Meaning, packet: &'a Packet<'a>) -> Self {
        Self { meaning, packet, cells: Vec::new(), seen: None }
    }
}

impl Run<'_> {
    fn take_seen(&mut self) -> Vec<Seen> {
        self.seen.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn begin(&mut self) -> Result<(), Rejected> {
        for init in &self.meaning.cells {
            let value = match *init {
                None => 0,
                Some(Init::Const(value)) => value,
                Some(Init::Later) => 0,
                Some(Init::Radiotap) => self.byte(3)? << 8 | self.byte(2)?,
                Some(Init::Pflog) => (self.byte(0)? + 3) & !3,
                Some(Init::Wlan { header, pads }) => self.wlan_payload(header, pads)?,
            };
            self.cells.push(value);
        }
        Ok(())
    }

    /// Data frames have 24 bytes, 26 with a field for quality of service; a radiotap header may say
    /// that what follows is padded to a multiple of 4.
    fn wlan_payload(&self, header: Option<u8>, pads: bool) -> Result<u32, Rejected> {
        let start = header.map_or(0, |cell| self.cell(cell));
        let mut end = start.wrapping_add(24);
        let kind = self.byte(start)?;
        if kind & 0x08 == 0 || kind & 0x04 != 0 {
            return Ok(end);
        }
        if kind & 0x80 != 0 {
            end = end.wrapping_add(2);
        }
        if !pads {
            return Ok(end);
        }
        let present = self.load(Size::W, 4)?;
        if present & 0x0200_0000 == 0 || present & 0x0000_0080 != 0 {
            return Ok(end);
        }
        let flags = self.byte(if present & 0x0100_0000 == 0 { 8 } else { 16 })?;
        Ok(if flags & 0x20 == 0 { end } else { end.wrapping_add(3) & !3 })
    }

    fn cell(&self, cell: u8) -> u32 {
        self.cells.get(usize::from(cell)).copied().unwrap_or(0)
    }

    fn set(&mut self, cell: u8, value: u32) {
        if let Some(cell) = self.cells.get_mut(usize::from(cell)) {
            *cell = value;
        }
    }

    fn byte(&self, at: u32) -> Result<u32, Rejected> {
        self.load(Size::B, at)
    }

    fn load(&self, size: Size, at: u32) -> Result<u32, Rejected> {
        if at > i32::MAX.cast_unsigned() {
            return Err(Rejected::Nowhere);
        }
        let rejected = Rejected::Ends { at, len: size.bytes().into() };
        let start = self.packet.data.checked_add(at as usize).ok_or(rejected)?;
        let rest = self.packet.bytes.get(start..).ok_or(rejected)?;
        let bytes = rest.get(..size.bytes().into()).ok_or(rejected)?;
        Ok(bytes.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)))
    }

    /// Conditions from left to right, until it is decided.
    fn form(&mut self, root: FormId) -> Result<bool, Rejected> {
        let mut pending: Vec<FormId> = Vec::new();
        let mut current = root;
        loop {
            // Down to the first condition.
            let mut value = loop {
                match self.meaning.forms.get(current as usize).copied() {
                    Some(Form::And(left, _) | Form::Or(left, _) | Form::Not(left)) => {
                        pending.push(current);
                        current = left;
                    }
                    Some(Form::Const(value)) => break value,
                    Some(Form::Test(test)) => break self.test(current, test)?,
                    Some(Form::Effect(effect)) => {
                        self.effect(effect)?;
                        break true;
                    }
                    None => break false,
                }
            };
            // Up, until a right operand is needed.
            current = loop {
                let Some(above) = pending.pop() else { return Ok(value) };
                match self.meaning.forms.get(above as usize).copied() {
                    Some(Form::Not(_)) => value = !value,
                    Some(Form::And(_, right)) if value => break right,
                    Some(Form::Or(_, right)) if !value => break right,
                    _ => {}
                }
            };
        }
    }

    fn test(&mut self, form: FormId, test: Test) -> Result<bool, Rejected> {
        let value = self.value(test.value);
        let holds = value.and_then(|value| {
            let rhs = match test.rhs {
                Rhs::Const(value) => value,
                Rhs::Value(id) => self.value(id)?,
            };
            Ok(compare(test.cmp, value & test.mask, rhs))
        });
        if let Some(seen) = &mut self.seen {
            seen.push(Seen { form, test, value, holds: holds == Ok(true) });
        }
        holds
    }

    fn effect(&mut self, effect: u32) -> Result<(), Rejected> {
        match self.meaning.effects.get(effect as usize).copied() {
            Some(Effect::Tag(cell)) => self.set(cell, self.cell(cell).wrapping_add(4)),
            Some(Effect::Set(cell, value)) => {
                let value = self.value(value)?;
                self.set(cell, value);
            }
            Some(Effect::Geneve { kind, header, payload }) => {
                const ETHERNET: u32 = 0x6558;
                let at = self.cell(header);
                let length = 8 + 4 * (self.byte(at)? & 0x3f);
                let inner = at.wrapping_add(length);
                let is_ethernet = self.load(Size::H, at.wrapping_add(2))? == ETHERNET;
                self.set(header, inner);
                self.set(
                    kind,
                    if is_ethernet { inner.wrapping_add(12) } else { at.wrapping_add(2) },
                );
                self.set(payload, if is_ethernet { inner.wrapping_add(14) } else { inner });
            }
            Some(Effect::Outer(start, level)) => self.outer(start, level)?,
            Some(Effect::Transport(level)) => self.transport(level)?,
            Some(Effect::Inner(from, to)) => self.inner(from, to)?,
            Some(Effect::Payload(level, to)) => self.payload(level, to)?,
            None => {}
        }
        Ok(())
    }

    fn value(&mut self, id: ValueId) -> Result<u32, Rejected> {
        // Left operands may be nested as deep as the expression is long; others are not.
        let values = &self.meaning.values;
        let (mut leaf, mut operations) = (id, Vec::new());
        while let Value::Alu(op, left, right) = values.get(leaf) {
            operations.push((op, right));
            leaf = left;
        }
        let mut value = match values.get(leaf) {
            Value::Neg(operand) => self.value(operand)?.wrapping_neg(),
            Value::Member(set, operand) => {
                let value = self.value(operand)?;
                let set = self.meaning.sets.get(set as usize).map_or(&[][..], Vec::as_slice);
                set.binary_search(&value).is_err().into()
            }
            Value::Prefix(set, base, off) => {
                let at = self.value(base)?.wrapping_add(off);
                let Some(prefixes) = self.meaning.prefixes.get(set as usize) else { return Ok(1) };
                let mut addr = 0u128;
                for word in 0..prefixes.words() {
                    let bits = self.load(Size::W, at.wrapping_add(4 * word))?;
                    addr |= u128::from(bits) << (96 - 32 * word);
                }
                prefixes.list.binary_search(&(addr & prefixes.mask())).is_err().into()
            }
            Value::Ind(size, base, off) => {
                let base = self.value(base)?;
                self.load(size, base.wrapping_add(off))?
            }
            Value::Const(value) => value,
            Value::Len => self.packet.len,
            Value::Abs(size, at) => self.load(size, at)?,
            Value::Msh(at) => (self.byte(at)? & 15) << 2,
            Value::Anc(anc) => self.ancillary(anc)?,
            Value::Cell(cell) => self.cell(cell),
            Value::Chain(chain) => self.chain(chain)?,
            Value::Fault | Value::Alu(..) => return Err(Rejected::Nowhere),
        };
        for (op, right) in operations.into_iter().rev() {
            let right = self.value(right)?;
            value = op.apply(value, right).ok_or(Rejected::Division)?;
        }
        Ok(value)
    }

    fn ancillary(&self, anc: Ancillary) -> Result<u32, Rejected> {
        let meta = &self.packet.meta;
        Ok(match anc {
            Ancillary::PktType => (meta.pkt_type & 7).into(),
            Ancillary::IfIndex => {
                meta.device.map(|device| device.index).ok_or(Rejected::Nowhere)?
            }
            Ancillary::VlanTagPresent => self.packet.has_vlan_tag().into(),
            Ancillary::VlanTag => meta.vlan_tci.into(),
            // No word of the language asks for the others.
            _ => return Err(Rejected::Nowhere),
        })
    }

    fn chain(&self, chain: Chain) -> Result<u32, Rejected> {
        let (mut next, mut at) = if chain.is_6 {
            (self.byte(chain.network.wrapping_add(6))?, 40)
        } else {
            let next = self.byte(chain.network.wrapping_add(9))?;
            (next, (self.byte(chain.network)? & 15) << 2)
        };
        for _ in 0..CHAIN_STEPS {
            if next == chain.wanted || next == NO_NEXT {
                break;
            }
            let here = |off: u32| self.byte(chain.network.wrapping_add(off).wrapping_add(at));
            if chain.is_6 && EXTENSIONS.contains(&next) {
                let kind = here(0)?;
                at = at.wrapping_add((here(1)? + 1) << 3);
                next = kind;
            } else if next == AUTH {
                // Where the header began is forgotten, as libpcap does.
                let kind = here(0)?;
                at = (here(1)? + 2) << 2;
                next = kind;
            } else {
                break;
            }
        }
        Ok(next)
    }
}
