//! Packets of every protocol that `skep dump` has lines for: right ones, and through [`mutants`] odd and cut ones.

mod apps;
mod build;
mod config;
mod inner;
mod links;
mod routing;
mod tunnels;

use rand::Rng;
use rand::rngs::StdRng;

/// A packet with its link type.
#[derive(Clone, Debug)]
pub struct Specimen {
    /// What it is.
    pub name: String,
    /// Link type, as captures number them.
    pub link: u32,
    /// What was captured.
    pub bytes: Vec<u8>,
    /// Length on the wire.
    pub len: u32,
}

impl Specimen {
    fn new(name: &str, link: u32, bytes: Vec<u8>) -> Self {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self { name: name.into(), link, bytes, len }
    }
}

/// One of each.
#[must_use]
pub fn specimens() -> Vec<Specimen> {
    let mut all = links::all();
    let ethernet = [inner::all(), tunnels::all(), routing::all(), config::all(), apps::all()]
        .into_iter()
        .flatten();
    all.extend(ethernet.map(|(name, bytes)| Specimen::new(name, 1, bytes)));
    all
}

/// A specimen cut at each length, as a capture with a small snapshot length has it.
pub fn cut(of: &Specimen) -> impl Iterator<Item = Specimen> + '_ {
    (1..of.bytes.len()).map(|len| Specimen {
        name: format!("{} cut at {len}", of.name),
        bytes: of.bytes[..len].to_vec(),
        ..of.clone()
    })
}

/// Specimens with a few bytes of another value.
pub fn mutants(of: &Specimen, rng: &mut StdRng, count: usize) -> Vec<Specimen> {
    // What is behind the headers of link and network is the larger part of what may go wrong.
    let from = if of.bytes.len() > 40 && rng.random_bool(0.8) { 34 } else { 12 };
    (0..count)
        .map(|n| {
            let mut mutant = of.clone();
            mutant.name = format!("{} mutant {n}", of.name);
            for _ in 0..rng.random_range(1..4) {
                let range = from.min(mutant.bytes.len() - 1)..mutant.bytes.len();
                let at = rng.random_range(range);
                mutant.bytes[at] = match rng.random_range(0..4) {
                    0 => 0,
                    1 => 0xff,
                    2 => mutant.bytes[at].wrapping_add(1),
                    _ => rng.random(),
                };
            }
            mutant
        })
        .collect()
}
