//! What moves the headers for all that follows: VLAN tags, labels, sessions and tunnels.

use super::{ETHERTYPE_PPPOES, Headers, Lowering, Place, Source, UDP_GENEVE};
use crate::ast::Dir;
use crate::error::{Error, ErrorKind};
use crate::form::{Cmp, Effect, Form, FormId, Init, Rhs, Value};
use crate::link::LinkType;
use crate::lower::port::Ports;
use crate::lower::set::Range;
use skep_cbpf::{AluOp, Ancillary, Size};

/// Types of VLAN tags: 802.1Q, 802.1ad, and a private one.
const TAGS: [u32; 3] = [0x8100, 0x88a8, 0x9100];
const MPLS: u32 = 0x8847;
const PPP_MPLS: u32 = 0x0281;

impl Lowering<'_> {
    /// `vlan`
    pub(super) fn vlan(&mut self, id: Option<&[Range]>) -> Result<FormId, Error> {
        self.vlan_allowed()?;
        let outside = self.headers.link == LinkType::Ethernet
            && self.options.source == Source::Live
            && self.headers.tags == 0
            && self.headers.header == Place::at(0);
        let form = if outside { self.vlan_outside(id)? } else { self.vlan_inside(id)? };
        self.headers.tags += 1;
        Ok(form)
    }

    pub(super) fn vlan_allowed(&self) -> Result<(), Error> {
        if self.headers.labels > 0 {
            return Err(self.error(ErrorKind::AfterMpls("`vlan`")));
        }
        match self.headers.link {
            LinkType::Ethernet | LinkType::Ieee80211 | LinkType::Ieee80211Radio => Ok(()),
            _ => Err(self.not_on_link("`vlan`")),
        }
    }

    fn is_tag(&mut self) -> Result<FormId, Error> {
        let first = self.linktype(TAGS[0])?;
        let second = self.linktype(TAGS[1])?;
        let third = self.linktype(TAGS[2])?;
        let public = self.or(first, second);
        Ok(self.or(public, third))
    }

    fn has_id(&mut self, id: &[Range]) -> Result<FormId, Error> {
        let tag = self.load(self.network(), 0, Size::H)?;
        Ok(self.in_ranges(tag, 0xfff, id))
    }

    fn vlan_inside(&mut self, id: Option<&[Range]>) -> Result<FormId, Error> {
        let mut form = self.is_tag()?;
        if let Some(id) = id {
            let id = self.has_id(id)?;
            form = self.and(form, id);
        }
        self.headers.payload = self.headers.payload.after(4);
        self.headers.kind = self.headers.kind.map(|kind| kind.after(4));
        Ok(form)
    }

    /// The kernel takes the outermost tag out of the bytes and keeps it beside them; a tag in the
    /// bytes is looked for where there is none.
    fn vlan_outside(&mut self, id: Option<&[Range]>) -> Result<FormId, Error> {
        let present = self.meaning.values.add(Value::Anc(Ancillary::VlanTagPresent));
        let is_outside = self.equals(present, 1);
        let is_tag = self.is_tag()?;
        let inside_id = match id {
            Some(id) => Some(self.has_id(id)?),
            None => None,
        };
        self.register()?;
        self.register()?;
        let shift = self.new_cell(Init::Const(0), true);
        let effect = self.effect(Effect::Tag(shift));
        let inside = self.and(effect, is_tag);
        let form = match id.zip(inside_id) {
            None => self.or(is_outside, inside),
            Some((id, inside_id)) => {
                let tag = self.meaning.values.add(Value::Anc(Ancillary::VlanTag));
                let outside_id = self.in_ranges(tag, 0xfff, id);
                let outside = self.and(is_outside, outside_id);
                let not_outside = self.not(is_outside);
                let inside = self.and(inside, inside_id);
                let inside = self.and(not_outside, inside);
                self.or(outside, inside)
            }
        };
        self.headers.payload.cell = Some(shift);
        if let Some(kind) = &mut self.headers.kind {
            kind.cell = Some(shift);
        }
        Ok(form)
    }

    pub(super) fn effect(&mut self, effect: Effect) -> FormId {
        let id = self.meaning.effects.len();
        self.meaning.effects.push(effect);
        self.push(Form::Effect(u32::try_from(id).unwrap_or(u32::MAX)))
    }

    /// `mpls`
    pub(super) fn mpls(&mut self, label: Option<u32>) -> Result<FormId, Error> {
        let mut form = if self.headers.labels > 0 {
            // The label before is not the last of the stack.
            let flags = self.load(self.network(), 2u32.wrapping_neg(), Size::B)?;
            self.masked(flags, 1, 0)
        } else {
            match self.headers.link {
                LinkType::CHdlc | LinkType::Ethernet => self.linktype(MPLS)?,
                LinkType::Ppp => self.linktype(PPP_MPLS)?,
                _ => return Err(self.not_on_link("`mpls`")),
            }
        };
        if let Some(label) = label {
            self.limit("MPLS label", label, 0xf_ffff)?;
            let field = self.load(self.network(), 0, Size::W)?;
            let label = self.masked(field, 0xffff_f000, label << 12);
            form = self.and(form, label);
        }
        self.headers.network += 4;
        self.headers.network_no_snap += 4;
        self.headers.labels += 1;
        Ok(form)
    }

    /// `pppoes`
    pub(super) fn pppoes(&mut self, session: Option<u32>) -> Result<FormId, Error> {
        let mut form = self.linktype(ETHERTYPE_PPPOES)?;
        if let Some(session) = session {
            self.limit("PPPoE session", session, 0xffff)?;
            let field = self.load(self.network(), 0, Size::W)?;
            let session = self.masked(field, 0xffff, session);
            form = self.and(form, session);
        }
        let header = self.network().after(6);
        self.headers = Headers {
            link: LinkType::Ppp,
            header,
            kind: Some(header),
            payload: header.after(2),
            network: 0,
            network_no_snap: 0,
            in_geneve: false,
            ..self.headers
        };
        Ok(form)
    }

    /// `geneve`
    pub(super) fn geneve(&mut self, vni: Option<u32>) -> Result<FormId, Error> {
        let (ip4, at4) = self.geneve_in(vni, false)?;
        let (ip6, at6) = self.geneve_in(vni, true)?;
        self.register()?;
        self.register()?;
        self.register()?;
        self.meaning.as_it_stands = true;
        // Where it is not found, the outer headers stay.
        let outer = self.headers;
        let kind = self.outer_cell(outer.kind.unwrap_or_default());
        let header = self.outer_cell(outer.header);
        let payload = self.outer_cell(self.network());
        let set4 = self.effect(Effect::Set(header, at4));
        let set6 = self.effect(Effect::Set(header, at6));
        let (ip4, ip6) = (self.and(ip4, set4), self.and(ip6, set6));
        let either = self.or(ip4, ip6);
        let inside = self.effect(Effect::Geneve { kind, header, payload });
        let form = self.and(either, inside);
        let place = |cell| Place { cell: Some(cell), at: 0 };
        self.headers = Headers {
            link: LinkType::Ethernet,
            header: place(header),
            kind: Some(place(kind)),
            payload: place(payload),
            network: 0,
            in_geneve: true,
            ..self.headers
        };
        Ok(form)
    }

    fn outer_cell(&mut self, place: Place) -> u8 {
        // A place that depends on a cell cannot be told before the conditions; what is looked at
        // there then is the start of the packet.
        let at = if place.cell.is_some() { 0 } else { place.at };
        self.new_cell(Init::Const(at), true)
    }

    /// Geneve in UDP in IPv4 or IPv6, and where its header is.
    fn geneve_in(&mut self, vni: Option<u32>, is_6: bool) -> Result<(FormId, u32), Error> {
        let port = Ports { first: UDP_GENEVE, last: UDP_GENEVE, is_range: false, ranges: None };
        let mut form = self.ports_in(port, Some(17), Dir::Dst, is_6)?;
        let first = self.transport(8, Size::B, is_6)?;
        let version = self.masked(first, 0xc0, 0);
        form = self.and(form, version);
        if let Some(vni) = vni {
            self.limit("Geneve VNI", vni, 0xff_ffff)?;
            let field = self.transport(12, Size::W, is_6)?;
            let field = self.masked(field, 0xffff_ff00, vni << 8);
            form = self.and(form, field);
        }
        let network = self.network();
        let base = if is_6 {
            let forty = self.meaning.values.add(Value::Const(40));
            match network.cell {
                None => forty,
                Some(cell) => {
                    let cell = self.cell(cell)?;
                    self.meaning.values.alu(AluOp::Add, cell, forty)
                }
            }
        } else {
            self.ip4_length()?
        };
        let off = self.meaning.values.add(Value::Const(network.at.wrapping_add(8)));
        let at = self.meaning.values.alu(AluOp::Add, base, off);
        Ok((form, at))
    }

    /// Whether the packet in a tunnel begins with an Ethernet header, where that is not certain.
    pub(super) fn inner_ethernet(&mut self) -> Result<Option<FormId>, Error> {
        if !self.headers.in_geneve {
            return Ok(None);
        }
        let (Some(header), Some(payload)) = (self.headers.header.cell, self.headers.payload.cell)
        else {
            return Ok(None);
        };
        let (header, payload) = (self.cell(header)?, self.cell(payload)?);
        let same = self.test(header, u32::MAX, Cmp::Eq, Rhs::Value(payload));
        Ok(Some(self.not(same)))
    }
}
