//! 802.11 frames.

use super::Lowering;
use crate::ast::Dir;
use crate::error::Error;
use crate::form::FormId;
use crate::link::LinkType;
use skep_cbpf::Size;

/// Frame types in the first byte, and the bits that tell them.
const TYPE: u32 = 0x0c;
const CONTROL: u32 = 0x04;
const SUBTYPE: u32 = 0xf0;
const CTS: u32 = 0xc0;
const ACK: u32 = 0xd0;
/// Of the first byte: data, or reserved.
const DATA: u32 = 0x08;
/// Of the first byte: control, or reserved.
const NOT_DATA: u32 = 0x04;
/// Of the second byte: to, or from, the distribution system.
const TO_DS: u32 = 0x01;
const FROM_DS: u32 = 0x02;

impl Lowering<'_> {
    fn flag(&mut self, byte: u32, bits: u32) -> Result<FormId, Error> {
        let field = self.load(self.headers.header, byte, Size::B)?;
        Ok(self.any_bit(field, bits))
    }

    fn no_flag(&mut self, byte: u32, bits: u32) -> Result<FormId, Error> {
        let flag = self.flag(byte, bits)?;
        Ok(self.not(flag))
    }

    fn address(&mut self, off: u32, mac: &[u8; 6]) -> Result<FormId, Error> {
        self.bytes(self.headers.header, off, mac)
    }

    /// Whether it is a data frame.
    pub(super) fn wlan_data(&mut self) -> Result<FormId, Error> {
        let not_control = self.no_flag(0, NOT_DATA)?;
        let data = self.flag(0, DATA)?;
        Ok(self.and(not_control, data))
    }

    /// `then` if the bits are set, else `otherwise`.
    fn choice(
        &mut self,
        byte: u32,
        bits: u32,
        then: impl FnOnce(&mut Self) -> Result<FormId, Error>,
        otherwise: impl FnOnce(&mut Self) -> Result<FormId, Error>,
    ) -> Result<FormId, Error> {
        let unset = self.no_flag(byte, bits)?;
        let otherwise = otherwise(self)?;
        let when_unset = self.and(unset, otherwise);
        let set = self.flag(byte, bits)?;
        let then = then(self)?;
        let when_set = self.and(set, then);
        Ok(self.or(when_unset, when_set))
    }

    pub(super) fn wlan_host(&mut self, mac: [u8; 6], dir: Dir) -> Result<FormId, Error> {
        match dir {
            Dir::Addr1 => self.address(4, &mac),
            Dir::Addr2 => {
                let has = self.has_second()?;
                let address = self.address(10, &mac)?;
                Ok(self.and(has, address))
            }
            Dir::Addr3 => {
                let kind = self.load(self.headers.header, 0, Size::B)?;
                let control = self.masked(kind, TYPE, CONTROL);
                let has = self.not(control);
                let address = self.address(16, &mac)?;
                Ok(self.and(has, address))
            }
            Dir::Addr4 => {
                let flags = self.load(self.headers.header, 1, Size::B)?;
                let has = self.masked(flags, TO_DS | FROM_DS, TO_DS | FROM_DS);
                let address = self.address(24, &mac)?;
                Ok(self.and(has, address))
            }
            Dir::Ra => {
                let data = self.flag(0, DATA)?;
                let address = self.address(4, &mac)?;
                Ok(self.and(data, address))
            }
            Dir::Ta => {
                let data = self.flag(0, DATA)?;
                let has = self.has_second()?;
                let has = self.and(data, has);
                let address = self.address(10, &mac)?;
                Ok(self.and(has, address))
            }
            _ => self.either_end(dir, |this, is_src| {
                if is_src { this.wlan_source(&mac) } else { this.wlan_destination(&mac) }
            }),
        }
    }

    /// Control frames other than CTS and ACK have a second address, as have all others.
    fn has_second(&mut self) -> Result<FormId, Error> {
        let kind = self.load(self.headers.header, 0, Size::B)?;
        let control = self.masked(kind, TYPE, CONTROL);
        let other = self.not(control);
        let cts = self.masked(kind, SUBTYPE, CTS);
        let not_cts = self.not(cts);
        let ack = self.masked(kind, SUBTYPE, ACK);
        let not_ack = self.not(ack);
        let neither = self.and(not_cts, not_ack);
        Ok(self.or(other, neither))
    }

    fn wlan_source(&mut self, mac: &[u8; 6]) -> Result<FormId, Error> {
        let not_control = self.no_flag(0, NOT_DATA)?;
        let source = self.choice(
            0,
            DATA,
            |this| {
                this.choice(
                    1,
                    FROM_DS,
                    |this| {
                        this.choice(
                            1,
                            TO_DS,
                            |this| this.address(24, mac),
                            |this| this.address(16, mac),
                        )
                    },
                    |this| this.address(10, mac),
                )
            },
            |this| this.address(10, mac),
        )?;
        Ok(self.and(not_control, source))
    }

    fn wlan_destination(&mut self, mac: &[u8; 6]) -> Result<FormId, Error> {
        let not_control = self.no_flag(0, NOT_DATA)?;
        let destination = self.choice(
            0,
            DATA,
            |this| this.choice(1, TO_DS, |this| this.address(16, mac), |this| this.address(4, mac)),
            |this| this.address(4, mac),
        )?;
        Ok(self.and(not_control, destination))
    }

    pub(super) fn wlan_multicast(&mut self) -> Result<FormId, Error> {
        let not_control = self.no_flag(0, NOT_DATA)?;
        let group = self.choice(
            0,
            DATA,
            |this| this.choice(1, TO_DS, |this| this.flag(16, 1), |this| this.flag(4, 1)),
            |this| this.flag(4, 1),
        )?;
        Ok(self.and(not_control, group))
    }

    /// `type` and `dir`
    pub(super) fn wlan_field(
        &mut self,
        byte: u32,
        value: u32,
        mask: u32,
        what: &'static str,
    ) -> Result<FormId, Error> {
        if !matches!(self.headers.link, LinkType::Ieee80211 | LinkType::Ieee80211Radio) {
            return Err(self.not_on_link(what));
        }
        let field = self.load(self.headers.header, byte, Size::B)?;
        Ok(self.masked(field, mask, value))
    }
}
