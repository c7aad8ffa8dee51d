//! A packet of which nothing is known: its bytes, its length and what the kernel keeps beside them.
//!
//! A byte at a constant place is eight inputs. One at a place that takes few values is a choice among those; one
//! at any other place is eight inputs of its own, the same for the same place. That two such places may
//! be equal is left out at first and asked for when it matters ([`SymPacket::conflicts`]).
//!
//! Two programs that compute the same place do so in different ways. Before a place is taken for a new one, the solver is
//! asked whether it is one known before, or as far from one on all packets that come there ([`Places`]); then both programs
//! read the same bytes, and much of what they make of them is the same gates.

use super::gates::{Bit, Gates, Model};
use super::places::Places;
use super::word::{Word, constant, known, value};
use skep_cbpf::table::LL_OFF;
use skep_cbpf::{Ancillary, Device, Meta, Size};
use std::collections::{BTreeMap, HashMap};

/// Places that depend on no more bits are told apart.
const FEW_BITS: usize = 7;
/// No packet is longer than so many bytes and one.
const LONGEST: usize = 31;

type Byte = [Bit; 8];

/// The inputs.
pub(super) struct SymPacket {
    /// Bytes at hand.
    pub(super) caplen: Word,
    /// Length on the wire.
    pub(super) len: Word,
    places: BTreeMap<u32, Byte>,
    reads: HashMap<Word, Byte>,
    known: Places,
    /// Whether there is something at a negative place, which means what the kernel pleases.
    before: HashMap<(Word, u8), Bit>,
    protocol: Word,
    pkt_type: Word,
    has_device: Bit,
    device: Word,
    hardware: Word,
    mark: Word,
    queue: Word,
    hash: Word,
    cpu: Word,
    vlan_tci: Word,
    vlan_proto: Word,
}

impl SymPacket {
    pub(super) fn new(gates: &mut Gates) -> Self {
        let mut number = |bits: usize| -> Word {
            std::array::from_fn(|at| if at < bits { gates.input() } else { Bit::FALSE })
        };
        Self {
            caplen: number(LONGEST),
            len: number(32),
            protocol: number(16),
            pkt_type: number(3),
            device: number(32),
            hardware: number(16),
            mark: number(32),
            queue: number(16),
            hash: number(32),
            cpu: number(32),
            vlan_tci: number(16),
            vlan_proto: number(16),
            has_device: number(1)[0],
            places: BTreeMap::new(),
            reads: HashMap::new(),
            before: HashMap::new(),
            known: Places::default(),
        }
    }

    /// What holds of all packets: no more bytes are at hand than there were.
    pub(super) fn is_packet(&self, gates: &mut Gates) -> Bit {
        gates.below(&self.len, &self.caplen).not()
    }

    /// That there is nothing at negative places.
    pub(super) fn nothing_before(&self) -> impl Iterator<Item = Bit> {
        self.before.values().map(|bit| bit.not())
    }

    /// Big-endian bytes at a place and a constant, and whether they are there. What they are where `reach` does not
    /// hold does not matter.
    pub(super) fn load(
        &mut self,
        gates: &mut Gates,
        size: Size,
        place: &Word,
        off: u32,
        reach: Bit,
    ) -> (Bit, Word) {
        let mut free: Vec<Bit> = Vec::new();
        for &bit in place {
            let gate = bit.min(bit.not());
            if bit.known().is_none() && !free.contains(&gate) {
                free.push(gate);
            }
        }
        if free.len() <= FEW_BITS {
            return self.load_few(gates, size, place, off, &free);
        }
        let (place, more) = self.known.find(gates, place, reach);
        let at = gates.add_words(&place, &constant(off.wrapping_add(more)));
        self.load_any(gates, size, &at)
    }

    /// The place depends on few bits.
    fn load_few(
        &mut self,
        gates: &mut Gates,
        size: Size,
        place: &Word,
        off: u32,
        free: &[Bit],
    ) -> (Bit, Word) {
        let Some((&bit, rest)) = free.split_first() else {
            let place = known(place).unwrap_or(0);
            return self.load_at(gates, size, place.wrapping_add(off));
        };
        let mut with = |value: bool| {
            let place = place.map(|other| match other {
                _ if other == bit => Bit::of(value),
                _ if other == bit.not() => Bit::of(!value),
                _ => other,
            });
            self.load_few(gates, size, &place, off, rest)
        };
        let (yes, no) = (with(true), with(false));
        let ok = gates.choice(bit, yes.0, no.0);
        (ok, gates.choose(bit, &yes.1, &no.1))
    }

    fn load_at(&mut self, gates: &mut Gates, size: Size, at: u32) -> (Bit, Word) {
        let bytes = u32::from(size.bytes());
        let ok = if at.cast_signed() >= 0 {
            let end = at.saturating_add(bytes);
            gates.below(&self.caplen, &constant(end)).not()
        } else if at >= LL_OFF {
            *self.before.entry((constant(at), size.bytes())).or_insert_with(|| gates.input())
        } else {
            Bit::FALSE
        };
        if ok == Bit::FALSE {
            return (ok, constant(0));
        }
        let value = joined((0..bytes).map(|more| self.byte(gates, at.wrapping_add(more))));
        (ok, value)
    }

    fn byte(&mut self, gates: &mut Gates, at: u32) -> Byte {
        *self.places.entry(at).or_insert_with(|| std::array::from_fn(|_| gates.input()))
    }

    fn load_any(&mut self, gates: &mut Gates, size: Size, at: &Word) -> (Bit, Word) {
        let last = gates.add_words(at, &constant(u32::from(size.bytes()) - 1));
        let inside = gates.below(&last, &self.caplen);
        let before = *self.before.entry((*at, size.bytes())).or_insert_with(|| gates.input());
        // From `LL_OFF` on, the upper bits are all set.
        let high = at[LL_OFF.trailing_zeros() as usize..]
            .iter()
            .fold(before, |all, &bit| gates.and(all, bit));
        let ok = gates.choice(at[31], high, inside);
        let value = joined((0..u32::from(size.bytes())).map(|more| {
            let at = gates.add_words(at, &constant(more));
            match known(&at) {
                Some(at) => self.byte(gates, at),
                None => {
                    *self.reads.entry(at).or_insert_with(|| std::array::from_fn(|_| gates.input()))
                }
            }
        }));
        (ok, value)
    }

    /// What the kernel keeps beside the bytes, and whether there is such a thing; nothing for what
    /// cannot be reasoned about.
    pub(super) fn ancillary(&self, gates: &mut Gates, anc: Ancillary) -> Option<(Word, Bit)> {
        Some(match anc {
            Ancillary::Protocol => (self.protocol, Bit::TRUE),
            Ancillary::PktType => (self.pkt_type, Bit::TRUE),
            Ancillary::IfIndex => (self.device, self.has_device),
            Ancillary::HaType => (self.hardware, self.has_device),
            Ancillary::Mark => (self.mark, Bit::TRUE),
            Ancillary::Queue => (self.queue, Bit::TRUE),
            Ancillary::RxHash => (self.hash, Bit::TRUE),
            Ancillary::Cpu => (self.cpu, Bit::TRUE),
            Ancillary::VlanTag => (self.vlan_tci, Bit::TRUE),
            Ancillary::VlanTpid => (self.vlan_proto, Bit::TRUE),
            Ancillary::VlanTagPresent => {
                let (tci, proto) = (gates.any(&self.vlan_tci), gates.any(&self.vlan_proto));
                let mut value = constant(0);
                value[0] = gates.or(tci, proto);
                (value, Bit::TRUE)
            }
            Ancillary::Nlattr
            | Ancillary::NlattrNest
            | Ancillary::AluXorX
            | Ancillary::PayOffset
            | Ancillary::Random => return None,
        })
    }

    /// The bytes in the values that a search found, in a packet of so many.
    pub(super) fn bytes(&self, model: &Model, caplen: usize) -> Vec<u8> {
        let mut bytes = vec![0; caplen];
        let reads = self.reads.iter().map(|(at, byte)| (value(model, at), byte));
        let places = self.places.iter().map(|(&at, byte)| (at, byte));
        for (at, byte) in reads.chain(places) {
            if let Some(to) = bytes.get_mut(at as usize) {
                *to = u8::try_from(value(model, byte)).unwrap_or(0);
            }
        }
        bytes
    }

    pub(super) fn meta(&self, model: &Model) -> Meta {
        let number = |word: &Word| value(model, word);
        let short = |word: &Word| u16::try_from(value(model, word)).unwrap_or(0);
        Meta {
            protocol: short(&self.protocol),
            pkt_type: u8::try_from(number(&self.pkt_type)).unwrap_or(0),
            device: (model.value(self.has_device))
                .then(|| Device { index: number(&self.device), hardware: short(&self.hardware) }),
            mark: number(&self.mark),
            queue: short(&self.queue),
            hash: number(&self.hash),
            vlan_tci: short(&self.vlan_tci),
            vlan_proto: short(&self.vlan_proto),
            cpu: number(&self.cpu),
            random: 0,
        }
    }

    /// Places that are equal in the values that a search found, though their bytes differ: for each pair a clause
    /// that keeps that from being found again.
    pub(super) fn conflicts(&self, gates: &mut Gates, model: &Model) -> Vec<Vec<Bit>> {
        let mut clauses = Vec::new();
        let mut seen: HashMap<u32, (Word, Byte)> = HashMap::new();
        seen.extend(self.places.iter().map(|(&at, &byte)| (at, (constant(at), byte))));
        for (at, byte) in &self.reads {
            let place = value(model, at);
            let (other, other_byte) = *seen.entry(place).or_insert((*at, *byte));
            if other == *at || value(model, byte) == value(model, &other_byte) {
                continue;
            }
            let apart = gates.equal(at, &other).not();
            for (&a, &b) in byte.iter().zip(&other_byte) {
                clauses.push(vec![apart, a, b.not()]);
                clauses.push(vec![apart, a.not(), b]);
            }
        }
        let mut seen: HashMap<(u32, u8), (Word, Bit)> = HashMap::new();
        for (&(at, size), &there) in &self.before {
            let (other, other_there) =
                *seen.entry((value(model, &at), size)).or_insert((at, there));
            if other != at && model.value(there) != model.value(other_there) {
                let apart = gates.equal(&at, &other).not();
                clauses.push(vec![apart, there, other_there.not()]);
                clauses.push(vec![apart, there.not(), other_there]);
            }
        }
        clauses
    }
}

/// Bytes, the first of which counts most, as a number.
fn joined(bytes: impl Iterator<Item = Byte>) -> Word {
    bytes.fold(constant(0), |value, byte| {
        std::array::from_fn(|at| if at < 8 { byte[at] } else { value[at - 8] })
    })
}
