//! Comparisons of numbers.

use super::{ETHERTYPE_IP, ETHERTYPE_IPV6, Lowering};
use crate::ast::{ArithId, ArithKind, ArithOp, NodeId, Proto, RelOp};
use crate::error::{Error, ErrorKind};
use crate::form::{Cmp, FormId, Rhs, Value, ValueId, compare, ones};
use crate::link::LinkType;
use skep_cbpf::{AluOp, Size};
use skep_diag::Span;
use smallvec::SmallVec;

/// Operations in each other that are looked into for such as need not be done.
const SETTLED_DEPTH: u32 = 16;

/// A number, its value known for each packet.
#[derive(Clone, Copy)]
struct Term {
    value: ValueId,
    /// What must hold of a packet that has it. Of an operation, it is that of the left operand only:
    /// libpcap forgets the other, and so what is loaded may belong to another protocol.
    guard: Option<FormId>,
    /// The first number that libpcap's program for it loads, which is what it looks at to find
    /// divisions by zero.
    first: Option<u32>,
    /// The number that it is, if it stands there.
    only: Option<u32>,
    /// What must hold for all fields in it to be there, which is forgotten nowhere.
    fields: Option<FormId>,
}

impl Lowering<'_> {
    pub(super) fn relation(
        &mut self,
        op: RelOp,
        left: ArithId,
        right: ArithId,
    ) -> Result<FormId, Error> {
        let whole = self.span;
        let (left, right) = (self.number(left)?, self.number(right)?);
        self.span = whole;
        let node = NodeId::try_from(self.meaning.nodes.len()).unwrap_or(NodeId::MAX);
        if self.meaning.sides.last().is_none_or(|side| side.0 != node) {
            self.meaning.sides.push((node, left.value, right.value));
        }
        self.registers -= 2;
        let (cmp, opposite) = match op {
            RelOp::Gt => (Cmp::Gt, false),
            RelOp::Ge => (Cmp::Ge, false),
            RelOp::Eq => (Cmp::Eq, false),
            RelOp::Le => (Cmp::Gt, true),
            RelOp::Lt => (Cmp::Ge, true),
            RelOp::Ne => (Cmp::Eq, true),
        };
        let first = self.next_form();
        let mut form = match (left.only, right.only) {
            // libpcap computes others for each packet.
            (Some(left), Some(right)) => self.constant(compare(cmp, left, right)),
            _ => self.comparison(cmp, left.value, right.value),
        };
        let values = &self.meaning.values;
        let computed = [left.value, right.value].into_iter().find(|&side| match values.get(side) {
            // Bits that are asked for are a mask of the test.
            Value::Alu(AluOp::And, _, mask) => values.constant(mask).is_none(),
            Value::Alu(..) | Value::Neg(_) => true,
            _ => false,
        });
        self.meaning.relations.push((first, self.next_form(), computed));
        if opposite {
            form = self.not(form);
        }
        let guard = match (left.guard, right.guard) {
            (Some(left), Some(right)) => Some(self.and(left, right)),
            (left, right) => left.or(right),
        };
        let fields = match (left.fields, right.fields) {
            (Some(left), Some(right)) => Some(self.and(left, right)),
            (left, right) => left.or(right),
        };
        let form = match guard {
            Some(guard) => self.and(guard, form),
            None => form,
        };
        Ok(match fields {
            Some(fields) => self.and(fields, form),
            None => form,
        })
    }

    fn next_form(&self) -> FormId {
        FormId::try_from(self.meaning.forms.len()).unwrap_or(FormId::MAX)
    }

    /// A comparison of what the operands come to, if all that they are made of can be loaded.
    fn comparison(&mut self, cmp: Cmp, left: ValueId, right: ValueId) -> FormId {
        // Those of operands that are left out of indices come first.
        let mut loads = std::mem::take(&mut self.left_out);
        let left = self.settled(left, &mut loads, SETTLED_DEPTH);
        let right = self.settled(right, &mut loads, SETTLED_DEPTH);
        let mut form = self.compared(cmp, left, right);
        for value in loads {
            let is_loaded = self.masked(value, 0, 0);
            form = self.and(is_loaded, form);
        }
        form
    }

    /// A value without operations whose result does not depend on an operand, such as multiplication by 0. Operands
    /// that are left out, but may reject the packet, are added to `loads`.
    fn settled(&mut self, value: ValueId, loads: &mut Vec<ValueId>, depth: u32) -> ValueId {
        use AluOp::{Add, And, Div, Lsh, Mod, Mul, Or, Rsh, Sub, Xor};
        let (Some(depth), known) = (depth.checked_sub(1), self.meaning.values.get(value)) else {
            return value;
        };
        let (op, left, right) = match known {
            Value::Neg(operand) => {
                let settled = self.settled(operand, loads, depth);
                return if settled == operand { value } else { self.meaning.values.neg(settled) };
            }
            Value::Alu(op, left, right) => (op, left, right),
            _ => return value,
        };
        let (l, r) = (self.settled(left, loads, depth), self.settled(right, loads, depth));
        let values = &mut self.meaning.values;
        let (kept, left_out) = match (op, values.constant(l), values.constant(r)) {
            (Mul | And, _, Some(0)) | (Add | Or | Xor, Some(0), _) => (r, l),
            (Mul | And | Lsh | Rsh, Some(0), _)
            | (Add | Sub | Or | Xor | Lsh | Rsh, _, Some(0)) => (l, r),
            // Unless the divisor is 0.
            (Div | Mod, Some(0), None) => (l, values.alu(op, l, r)),
            _ if (l, r) == (left, right) => return value,
            _ => return values.alu(op, l, r),
        };
        if values.may_fail(left_out) {
            loads.push(left_out);
        }
        kept
    }

    /// A comparison, brought into the form with a mask and a constant if it can be.
    fn compared(&mut self, cmp: Cmp, left: ValueId, right: ValueId) -> FormId {
        let values = &mut self.meaning.values;
        let (l, r) = (values.get(left), values.get(right));
        match (l, r) {
            (Value::Const(_), Value::Const(r)) => {
                return self.test(left, u32::MAX, cmp, Rhs::Const(r));
            }
            (Value::Fault, _) | (_, Value::Fault) => {
                let fault = values.add(Value::Fault);
                return self.masked(fault, 0, 0);
            }
            (Value::Const(l), _) => return self.against_constant_left(cmp, l, right),
            (_, Value::Const(r)) => return self.against_constant(cmp, left, r),
            _ => {}
        }
        if let (Cmp::Eq, Value::Neg(l), Value::Neg(r)) = (cmp, l, r) {
            return self.compared(cmp, l, r);
        }
        self.test(left, u32::MAX, cmp, Rhs::Value(right))
    }

    /// `constant cmp value`
    fn against_constant_left(&mut self, cmp: Cmp, constant: u32, value: ValueId) -> FormId {
        match cmp {
            Cmp::Eq => self.against_constant(Cmp::Eq, value, constant),
            Cmp::Gt => {
                let not = self.against_constant(Cmp::Ge, value, constant);
                self.not(not)
            }
            Cmp::Ge => {
                let not = self.against_constant(Cmp::Gt, value, constant);
                self.not(not)
            }
        }
    }

    /// `value cmp constant`
    fn against_constant(&mut self, cmp: Cmp, value: ValueId, constant: u32) -> FormId {
        let values = &mut self.meaning.values;
        let is_any = matches!((cmp, constant), (Cmp::Gt, 0) | (Cmp::Ge, 1));
        if is_any && matches!(values.get(value), Value::Neg(_) | Value::Alu(..)) {
            // Only 0 is below 1, and what comes to 0 may be told by what it is made of.
            let none = self.against_constant(Cmp::Eq, value, 0);
            return self.not(none);
        }
        if cmp != Cmp::Eq {
            let (value, mask) = match values.get(value) {
                Value::Alu(AluOp::And, inner, mask) if let Some(mask) = values.constant(mask) => {
                    (inner, mask)
                }
                _ => (value, u32::MAX),
            };
            return self.test(value, mask, cmp, Rhs::Const(constant));
        }
        let (op, inner, by) = match values.get(value) {
            Value::Neg(operand) => {
                return self.against_constant(cmp, operand, constant.wrapping_neg());
            }
            Value::Alu(op, inner, by) => (op, inner, by),
            _ => return self.equals(value, constant),
        };
        match (op, values.constant(by)) {
            (AluOp::And, Some(mask)) => self.masked(inner, mask, constant),
            (AluOp::Add, Some(by)) => self.against_constant(cmp, inner, constant.wrapping_sub(by)),
            (AluOp::Xor, Some(by)) => self.against_constant(cmp, inner, constant ^ by),
            (AluOp::Rsh, Some(by)) => {
                let (by, most) = (by & 31, ones(self.meaning.values.most(value)));
                if constant & !most != 0 {
                    return self.equals(value, constant);
                }
                let mask = u32::MAX << by;
                // What is shifted may be masked itself.
                match self.meaning.values.get(inner) {
                    Value::Alu(AluOp::And, deeper, other)
                        if let Some(other) = self.meaning.values.constant(other) =>
                    {
                        self.masked(deeper, mask & other, constant << by)
                    }
                    _ => self.masked(inner, mask, constant << by),
                }
            }
            (AluOp::Sub | AluOp::Xor, None) if constant == 0 => self.compared(Cmp::Eq, inner, by),
            _ => self.equals(value, constant),
        }
    }

    /// The number at the end of a list of numbers, each made of ones before it. The list begins
    /// where the first one that belongs to it stands.
    fn number(&mut self, id: ArithId) -> Result<Term, Error> {
        let first = self.first_of(id);
        let mut terms: SmallVec<[Term; 8]> = SmallVec::new();
        for at in first..=id {
            let Some(arith) = self.expr.ariths.get(at as usize).copied() else { break };
            self.span = arith.span;
            // Operands stand on top, the right one last.
            let term = match arith.kind {
                ArithKind::Number(value) => {
                    self.register()?;
                    let id = self.meaning.values.add(Value::Const(value));
                    let number = Some(value);
                    Term { value: id, guard: None, first: number, only: number, fields: None }
                }
                ArithKind::Len => {
                    self.register()?;
                    let value = self.meaning.values.packet_len();
                    Term { value, guard: None, first: None, only: None, fields: None }
                }
                ArithKind::Field(field) => {
                    self.register()?;
                    let (value, there) = self.field(field)?;
                    Term { value, guard: None, first: None, only: None, fields: Some(there) }
                }
                ArithKind::Neg(_) => {
                    let operand = pop(&mut terms);
                    let value = self.meaning.values.neg(operand.value);
                    Term { value, only: None, ..operand }
                }
                ArithKind::Load(proto, _, size) => {
                    let index = pop(&mut terms);
                    self.indexed(proto, index, size)?
                }
                ArithKind::Binary(op, ..) => {
                    let right = pop(&mut terms);
                    let left = pop(&mut terms);
                    self.operation(op, left, right, arith.span)?
                }
            };
            terms.push(term);
        }
        Ok(pop(&mut terms))
    }

    /// The first number of those that one is made of.
    fn first_of(&self, mut id: ArithId) -> ArithId {
        while let Some(arith) = self.expr.ariths.get(id as usize) {
            id = match arith.kind {
                ArithKind::Number(_) | ArithKind::Len | ArithKind::Field(_) => break,
                ArithKind::Neg(operand) | ArithKind::Load(_, operand, _) => operand,
                ArithKind::Binary(_, left, _) => left,
            };
        }
        id
    }

    fn operation(
        &mut self,
        op: ArithOp,
        left: Term,
        right: Term,
        span: Span,
    ) -> Result<Term, Error> {
        let refused = match (op, right.first) {
            (ArithOp::Div, Some(0)) => Some("division by zero"),
            (ArithOp::Mod, Some(0)) => Some("modulo by zero"),
            (ArithOp::Lsh | ArithOp::Rsh, Some(32..)) => Some("shift by more than 31 bits"),
            _ => None,
        };
        if let Some(why) = refused {
            return Err(Error::new(span, ErrorKind::Constant(why)));
        }
        // Both operands are free when the result is kept.
        self.registers -= 1;
        let op = match op {
            ArithOp::Add => AluOp::Add,
            ArithOp::Sub => AluOp::Sub,
            ArithOp::Mul => AluOp::Mul,
            ArithOp::Div => AluOp::Div,
            ArithOp::Mod => AluOp::Mod,
            ArithOp::And => AluOp::And,
            ArithOp::Or => AluOp::Or,
            ArithOp::Xor => AluOp::Xor,
            ArithOp::Lsh => AluOp::Lsh,
            ArithOp::Rsh => AluOp::Rsh,
        };
        let values = &mut self.meaning.values;
        let (l, r) = (values.constant(left.value), values.constant(right.value));
        let folded = match (op, l, r) {
            (AluOp::Div, Some(_), Some(0)) => Some("division by zero"),
            (AluOp::Mod, Some(_), Some(0)) => Some("modulo by zero"),
            (AluOp::Lsh | AluOp::Rsh, None, Some(32..)) => Some("shift by more than 31 bits"),
            _ => None,
        };
        if let Some(why) = folded {
            let error = Error::new(span, ErrorKind::Constant(why));
            self.meaning.folded.get_or_insert(error);
        }
        let value = values.alu(op, left.value, right.value);
        let fields = match (left.fields, right.fields) {
            (Some(left), Some(right)) => Some(self.and(left, right)),
            (left, right) => left.or(right),
        };
        let guard = match (left.guard, right.guard) {
            // In libpcap's words the left operand alone says what must be there.
            (guard, Some(right)) if self.level().is_some() => Some(self.with_guard(guard, right)),
            (guard, _) => guard,
        };
        Ok(Term { value, guard, first: left.first, only: None, fields })
    }

    /// `proto[index:size]`
    fn indexed(&mut self, proto: Proto, index: Term, size: u32) -> Result<Term, Error> {
        self.register()?;
        self.registers -= 1;
        let width = match size {
            1 => Size::B,
            2 => Size::H,
            4 => Size::W,
            _ => return Err(self.error(ErrorKind::Size(size))),
        };
        let mut left_out = std::mem::take(&mut self.left_out);
        let value = self.settled(index.value, &mut left_out, SETTLED_DEPTH);
        let index = Term { value, ..index };
        self.left_out = left_out;
        let (base, at, guard) = match proto {
            Proto::Radio => {
                if self.headers.link != LinkType::Ieee80211Radio {
                    return Err(self.not_on_link("`radio`"));
                }
                (None, 0, index.guard)
            }
            Proto::Link => {
                let place = self.headers.header;
                let base = match place.cell {
                    Some(cell) => Some(self.cell(cell)?),
                    None => None,
                };
                (base, place.at, index.guard)
            }
            Proto::Ip
            | Proto::Arp
            | Proto::Rarp
            | Proto::Atalk
            | Proto::Decnet
            | Proto::Sca
            | Proto::Lat
            | Proto::Moprc
            | Proto::Mopdl
            | Proto::Ip6 => {
                let base = self.network_base()?;
                let check = self.proto_alone(proto)?;
                (base, self.network().at, Some(self.with_guard(index.guard, check)))
            }
            Proto::Sctp
            | Proto::Tcp
            | Proto::Udp
            | Proto::Icmp
            | Proto::Igmp
            | Proto::Igrp
            | Proto::Pim
            | Proto::Vrrp
            | Proto::Carp => {
                let base = self.ip4_length()?;
                let check = self.proto_alone(proto)?;
                let whole = self.first_fragment()?;
                let check = self.and(check, whole);
                let check = self.with_guard(index.guard, check);
                if self.level().is_some() {
                    // The protocol says by itself in which headers it is.
                    (Some(base), 0, Some(check))
                } else {
                    let ip = self.linktype(ETHERTYPE_IP)?;
                    (Some(base), self.network().at, Some(self.and(ip, check)))
                }
            }
            Proto::Icmp6 => {
                let ip6 = self.linktype(ETHERTYPE_IPV6)?;
                let check = self.with_guard(index.guard, ip6);
                if let Some(level) = self.level() {
                    let next = self.carries(level, 58)?;
                    let header = self.has_transport(level)?;
                    let check = self.and(check, next);
                    let check = self.and(check, header);
                    let base = self.cell(level.at)?;
                    let values = &mut self.meaning.values;
                    let position = values.alu(AluOp::Add, index.value, base);
                    let value = values.load(width, position, 0);
                    return Ok(Term { value, guard: Some(check), ..index });
                }
                let next = self.load(self.network(), 6, Size::B)?;
                let next = self.equals(next, 58);
                let check = self.and(check, next);
                (self.network_base()?, self.network().at.wrapping_add(40), Some(check))
            }
            _ => return Err(self.qualifier(proto, "`[`")),
        };
        let values = &mut self.meaning.values;
        let position = match base {
            Some(base) => values.alu(AluOp::Add, index.value, base),
            None => index.value,
        };
        let value = values.load(width, position, at);
        Ok(Term { value, guard, first: index.first, only: None, fields: index.fields })
    }

    /// What of the position of the network header is variable.
    fn network_base(&mut self) -> Result<Option<ValueId>, Error> {
        match self.network().cell {
            Some(cell) => self.cell(cell).map(Some),
            None => Ok(None),
        }
    }

    fn with_guard(&mut self, guard: Option<FormId>, check: FormId) -> FormId {
        match guard {
            Some(guard) => self.and(guard, check),
            None => check,
        }
    }
}

/// The number on top; there is one, as operands stand before what they are operands of.
fn pop(terms: &mut SmallVec<[Term; 8]>) -> Term {
    terms.pop().unwrap_or(Term { value: 0, guard: None, first: None, only: None, fields: None })
}
