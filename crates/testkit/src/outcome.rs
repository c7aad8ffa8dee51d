//! What came of running a program, in the same terms for both engines.

use std::fmt;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Low half of r0, and the packet as the program left it.
    Done {
        /// What the program returned.
        retval: u32,
        /// Its bytes from the first one that the program saw.
        data: Vec<u8>,
    },
    /// The user engine stopped the program, or the kernel did not take the packet.
    Failed(String),
}

/// A map afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapContent {
    /// Its name.
    pub name: String,
    /// Keys and values, ascending; values of all CPUs in per-CPU maps. Records of a ring buffer are
    /// values without keys, in order.
    pub entries: Vec<(Vec<u8>, Vec<u8>)>,
}

/// All packets, then all maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// By packet.
    pub runs: Vec<Ran>,
    /// In the order of the image.
    pub maps: Vec<MapContent>,
}

impl Outcome {
    /// The first thing that differs, in words; nothing if all is equal.
    #[must_use]
    pub fn difference(&self, kernel: &Self) -> Option<String> {
        for (at, (a, b)) in self.runs.iter().zip(&kernel.runs).enumerate() {
            if a != b {
                return Some(format!("packet {at}:\n  user   {a}\n  kernel {b}"));
            }
        }
        for (a, b) in self.maps.iter().zip(&kernel.maps) {
            if a != b {
                return Some(map_difference(a, b));
            }
        }
        let counts = |this: &Self| (this.runs.len(), this.maps.len());
        (counts(self) != counts(kernel))
            .then(|| format!("runs and maps: {:?} and {:?}", counts(self), counts(kernel)))
    }
}

fn map_difference(user: &MapContent, kernel: &MapContent) -> String {
    let mut out = format!("map {}:", user.name);
    for entry in &user.entries {
        if !kernel.entries.contains(entry) {
            out += &format!("\n  user   {} = {}", Hex(&entry.0), Hex(&entry.1));
        }
    }
    for entry in &kernel.entries {
        if !user.entries.contains(entry) {
            out += &format!("\n  kernel {} = {}", Hex(&entry.0), Hex(&entry.1));
        }
    }
    out
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { retval, data } => write!(f, "{retval:#x}, {}", Hex(data)),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, chunk) in self.0.chunks(8).enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            for byte in chunk {
                write!(f, "{byte:02x}")?;
            }
        }
        Ok(())
    }
}
