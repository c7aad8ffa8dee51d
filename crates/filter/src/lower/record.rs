//! What is told of a packet besides its headers: its length, its interface, what a firewall did.

use super::{Lowering, Source};
use crate::ast::ByteOp;
use crate::error::{Error, ErrorKind};
use crate::form::{Cmp, FormId, Rhs, Value, ValueId};
use crate::link::LinkType;
use skep_cbpf::{AluOp, Ancillary, Size};
use skep_diag::Span;

/// `PACKET_OUTGOING`
const OUTGOING: u32 = 4;
/// Bytes of names in the header of a PF log.
const PF_NAME: u32 = 16;

impl Lowering<'_> {
    pub(super) fn length_above(&mut self, limit: u32, opposite: bool) -> FormId {
        let len = self.meaning.values.packet_len();
        let above = self.above(len, limit);
        if opposite { self.not(above) } else { above }
    }

    pub(super) fn length_at_least(&mut self, limit: u32) -> FormId {
        let len = self.meaning.values.packet_len();
        self.at_least(len, limit)
    }

    /// `byte AT op VALUE`
    pub(super) fn byte(&mut self, at: u32, op: ByteOp, value: u32) -> Result<FormId, Error> {
        let field = self.load(self.headers.header, at, Size::B)?;
        Ok(match op {
            ByteOp::Eq => self.equals(field, value),
            ByteOp::Gt => self.above(field, value),
            ByteOp::Lt => {
                let not_below = self.at_least(field, value);
                self.not(not_below)
            }
            ByteOp::And => self.any_bit(field, value),
            ByteOp::Or => {
                let value = self.meaning.values.add(Value::Const(value));
                let bits = self.meaning.values.alu(AluOp::Or, field, value);
                self.any_bit(bits, u32::MAX)
            }
        })
    }

    fn ask_kernel(&mut self, what: &'static str, anc: Ancillary) -> Result<ValueId, Error> {
        if self.options.source == Source::File {
            let link = self.headers.link.name();
            return Err(self.error(ErrorKind::NotInFiles { what, link }));
        }
        // Behind a header of variable length libpcap asks for bytes at a place that no packet has,
        // and rejects them all.
        let is_behind = self.headers.header.cell.is_some();
        let value = if is_behind { Value::Fault } else { Value::Anc(anc) };
        Ok(self.meaning.values.add(value))
    }

    /// `inbound` and `outbound`
    pub(super) fn bound(&mut self, out: bool) -> Result<FormId, Error> {
        let header = self.headers.header;
        let outgoing = match self.headers.link {
            LinkType::LinuxSll => {
                let field = self.load(header, 0, Size::H)?;
                self.equals(field, OUTGOING)
            }
            LinkType::LinuxSll2 => {
                let field = self.load(header, 10, Size::B)?;
                self.equals(field, OUTGOING)
            }
            LinkType::Pflog => {
                let field = self.load(header, 60, Size::B)?;
                return Ok(self.equals(field, if out { 2 } else { 1 }));
            }
            _ => {
                let what = if out { "`outbound`" } else { "`inbound`" };
                let field = self.ask_kernel(what, Ancillary::PktType)?;
                self.equals(field, OUTGOING)
            }
        };
        Ok(if out { outgoing } else { self.not(outgoing) })
    }

    pub(super) fn ifindex(&mut self, index: u32) -> Result<FormId, Error> {
        let field = if self.headers.link == LinkType::LinuxSll2 {
            self.load(self.headers.header, 4, Size::W)?
        } else {
            self.ask_kernel("`ifindex`", Ancillary::IfIndex)?
        };
        Ok(self.test(field, u32::MAX, Cmp::Eq, Rhs::Const(index)))
    }

    fn only_pf(&self, what: &'static str) -> Result<(), Error> {
        if self.headers.link == LinkType::Pflog { Ok(()) } else { Err(self.not_on_link(what)) }
    }

    pub(super) fn pf_ifname(&mut self, name: Span) -> Result<FormId, Error> {
        self.only_pf("`ifname`")?;
        self.pf_name(name, 4, "length of the name of an interface")
    }

    pub(super) fn pf_ruleset(&mut self, name: Span) -> Result<FormId, Error> {
        self.only_pf("`ruleset`")?;
        self.pf_name(name, 20, "length of the name of a ruleset")
    }

    /// A name; longer ones that begin with it match, too.
    fn pf_name(&mut self, name: Span, off: u32, what: &'static str) -> Result<FormId, Error> {
        let name = self.expr.slice(name);
        let len = u32::try_from(name.len()).unwrap_or(u32::MAX);
        self.limit(what, len, PF_NAME - 1)?;
        self.bytes(self.headers.header, off, name.as_bytes())
    }

    pub(super) fn pf_field(
        &mut self,
        off: u32,
        size: Size,
        value: u32,
        what: &'static str,
    ) -> Result<FormId, Error> {
        self.only_pf(what)?;
        let field = self.load(self.headers.header, off, size)?;
        Ok(self.equals(field, value))
    }
}
