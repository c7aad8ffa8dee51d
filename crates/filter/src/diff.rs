//! Whether two classic programs accept the same packets.
//!
//! Both run on one packet of which nothing is known; every bit that they compute is a gate over the bits of
//! the packet, and one last gate says that only one of them accepts it. A solver looks for bits with which
//! that gate holds. If there are none, the programs are equal on all packets; if there are, they make a
//! packet, which both programs run on before anybody is told.
//!
//! What the packet is: any bytes, up to 2,147,483,647 of them; a length on the wire that is not less; what the kernel keeps
//! beside the bytes, any of it. What stands at negative places, and whether anything does, is taken as unknown, too, so
//! that programs are equal only if they are whatever stands there.

mod gates;
mod packet;
mod places;
mod symbolic;
mod word;

use gates::{Bit, Found, Gates, MAX_GATES, Search};
use packet::SymPacket;
use skep_cbpf::{Ancillary, Meta, Packet, Program};
use symbolic::{Obstacle, accepted};
use word::value;

/// Bytes of the longest packet that is shown: as many as tcpdump keeps.
pub const LONGEST_WITNESS: usize = 262_144;

/// Lengths that are looked for first: powers of two, as exponents.
const SHORT: [usize; 3] = [7, 9, 12];

/// How long to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Dead ends that the solver may come to, which take up to some milliseconds each.
    pub conflicts: u64,
    /// Only packets of at least so many bytes.
    pub least: u32,
    /// Gates that the programs may be made of.
    pub gates: usize,
    /// Searches for places that are equal.
    pub rounds: usize,
}

impl Effort {
    /// As many dead ends.
    #[must_use]
    pub const fn new(conflicts: u64) -> Self {
        Self { conflicts, least: 0, gates: MAX_GATES, rounds: 4000 }
    }
}

impl Default for Effort {
    /// 200,000.
    fn default() -> Self {
        Self::new(200_000)
    }
}

/// How two programs compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// There is none: they accept the same packets. Proved.
    Equal(Proof),
    /// One accepts this packet, the other does not; both have run on it.
    Packet(Witness),
    /// Nobody knows.
    Undecided(Undecided),
}

/// What the proof took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Gates that were made of both programs.
    pub gates: usize,
    /// Whether the solver was needed: without, both programs are made of the same gates.
    pub searched: bool,
}

/// A packet that one program accepts and the other does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its length on the wire.
    pub len: u32,
    /// What the kernel keeps beside it.
    pub meta: Meta,
    /// What the first and the second program return.
    pub returns: [u32; 2],
}

impl Witness {
    /// As programs see it.
    #[must_use]
    pub fn packet(&self) -> Packet<'_> {
        let mut packet = Packet::new(&self.bytes);
        (packet.len, packet.meta) = (self.len, self.meta);
        packet
    }

    /// If the programs differ on the packet.
    fn check(a: &Program, b: &Program, bytes: Vec<u8>, len: u32, meta: Meta) -> Option<Self> {
        let mut this = Self { bytes, len, meta, returns: [0; 2] };
        this.returns = [a.run(&this.packet()), b.run(&this.packet())];
        ((this.returns[0] != 0) != (this.returns[1] != 0)).then_some(this)
    }

    /// The shortest start of it that does, and without what does not matter.
    fn shortened(self, a: &Program, b: &Program, least: usize) -> Self {
        let mut this = self;
        if let Some(plain) = Self::check(a, b, this.bytes.clone(), this.len, Meta::default()) {
            this = plain;
        }
        let is_whole = this.bytes.len() == this.len as usize;
        if !is_whole || this.bytes.len() > 1 << SHORT[2] {
            return this;
        }
        let shorter = (least..this.bytes.len()).find_map(|len| {
            let bytes = this.bytes[..len].to_vec();
            Self::check(a, b, bytes, u32::try_from(len).ok()?, this.meta)
        });
        shorter.unwrap_or(this)
    }
}

/// Why nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Undecided {
    /// A program asks for something that differs from run to run, or has a structure of its own.
    #[error("the programs ask for `{}`, which cannot be reasoned about", .0.name())]
    Ancillary(Ancillary),
    /// The programs are too large or compute too much.
    #[error("the programs compute too much to be written down as gates")]
    Gates,
    /// The search came to too many dead ends.
    #[error("{0} dead ends, and neither a proof nor a packet")]
    Conflicts(u64),
    /// Only packets that no capture holds may make a difference.
    #[error(
        "they are equal on packets of up to {LONGEST_WITNESS} bytes; on longer ones they may differ"
    )]
    Longer,
    /// Only what stands at negative places may make a difference.
    #[error("they may differ in what they read from negative places, which is not in the packet")]
    Before,
}

/// Whether two programs accept the same packets.
#[must_use]
pub fn diff(a: &Program, b: &Program, effort: Effort) -> Difference {
    match compare(a, b, effort) {
        Ok(difference) => difference,
        Err(why) => Difference::Undecided(why),
    }
}

fn compare(a: &Program, b: &Program, effort: Effort) -> Result<Difference, Undecided> {
    let mut gates = Gates::new(effort.gates);
    let mut packet = SymPacket::new(&mut gates);
    let mut of = |program| {
        accepted(program, &mut gates, &mut packet).map_err(|obstacle| match obstacle {
            Obstacle::Ancillary(anc) => Undecided::Ancillary(anc),
            Obstacle::Gates => Undecided::Gates,
        })
    };
    let (one, other) = (of(a)?, of(b)?);
    let differ = gates.xor(one, other);
    let is_packet = packet.is_packet(&mut gates);
    let whole = gates.equal(&packet.caplen, &packet.len);
    if gates.is_full() {
        return Err(Undecided::Gates);
    }
    let proof = |gates: &Gates, searched| Difference::Equal(Proof { gates: gates.len(), searched });
    if differ == Bit::FALSE {
        return Ok(proof(&gates, false));
    }
    let mut search = Search::new(effort.conflicts);
    search.require(&gates, &[differ]);
    search.require(&gates, &[is_packet]);
    let is_asked = gates.below(&packet.caplen, &word::constant(effort.least)).not();
    search.require(&gates, &[is_asked]);
    // Short whole packets first, then such as a capture holds, then all with anything before them.
    let shorter_than =
        |bits: usize| packet.caplen[bits..].iter().map(|bit| bit.not()).collect::<Vec<_>>();
    let mut stages: Vec<Vec<Bit>> = SHORT.iter().map(|&bits| shorter_than(bits)).collect();
    stages.iter_mut().for_each(|stage| stage.push(whole));
    let captured = LONGEST_WITNESS.trailing_zeros() as usize;
    stages.push(shorter_than(captured));
    stages.iter_mut().for_each(|stage| stage.extend(packet.nothing_before()));
    stages.push(Vec::new());
    let last = stages.len() - 1;
    for (at, stage) in stages.iter().enumerate() {
        for round in 0.. {
            match search.find(&gates, stage) {
                Found::Nothing if at == last => return Ok(proof(&gates, true)),
                Found::Nothing => break,
                Found::Unknown => return Err(Undecided::Conflicts(effort.conflicts)),
                Found::Model => {}
            }
            let model = search.model(&gates);
            let caplen = value(&model, &packet.caplen) as usize;
            if caplen <= LONGEST_WITNESS {
                let (len, meta) = (value(&model, &packet.len), packet.meta(&model));
                let bytes = packet.bytes(&model, caplen);
                if let Some(witness) = Witness::check(a, b, bytes, len, meta) {
                    return Ok(Difference::Packet(witness.shortened(a, b, effort.least as usize)));
                }
            }
            let clauses = packet.conflicts(&mut gates, &model);
            if clauses.is_empty() {
                let is_long = caplen > LONGEST_WITNESS;
                return Err(if is_long { Undecided::Longer } else { Undecided::Before });
            }
            if round >= effort.rounds || gates.is_full() {
                return Err(Undecided::Gates);
            }
            for clause in &clauses {
                search.require(&gates, clause);
            }
        }
    }
    Err(Undecided::Conflicts(effort.conflicts))
}

#[cfg(test)]
mod tests;
