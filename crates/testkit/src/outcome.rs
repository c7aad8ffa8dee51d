//! What came of running a program, in the same terms for both engines.

use std::fmt;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Low half of r0, and packet and context as the program left them.
    Done {
        /// What the program returned.
        retval: u32,
        /// Its bytes from the first one that the program saw.
        data: Vec<u8>,
        /// `mark`, `priority` and `cb`, where programs may write them.
        fields: Vec<u32>,
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
    /// Instructions executed, by packet, where they are counted.
    pub insns: Vec<Option<u64>>,
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
    let shared = |entry: &(Vec<u8>, Vec<u8>)| {
        user.entries.iter().filter(|(key, _)| *key == entry.0).count() == 1
            && kernel.entries.iter().filter(|(key, _)| *key == entry.0).count() == 1
    };
    for entry in &user.entries {
        let other = kernel.entries.iter().find(|(key, _)| *key == entry.0);
        match other.filter(|_| shared(entry)) {
            Some(other) => out += &value_difference(&entry.0, &entry.1, &other.1),
            None if kernel.entries.contains(entry) => {}
            None => out += &format!("\n  user   {} = {}", Hex(&entry.0), Hex(&entry.1)),
        }
    }
    for entry in &kernel.entries {
        if !user.entries.contains(entry) && !shared(entry) {
            out += &format!("\n  kernel {} = {}", Hex(&entry.0), Hex(&entry.1));
        }
    }
    out
}

/// The words of eight bytes in which two values of a key differ.
fn value_difference(key: &[u8], user: &[u8], kernel: &[u8]) -> String {
    let mut out = String::new();
    for (at, (a, b)) in user.chunks(8).zip(kernel.chunks(8)).enumerate() {
        if a != b {
            let at = 8 * at;
            out += &format!("\n  {}, byte {at}: user {}, kernel {}", Hex(key), Hex(a), Hex(b));
        }
    }
    if user.len() != kernel.len() {
        out += &format!("\n  {}: {} and {} bytes", Hex(key), user.len(), kernel.len());
    }
    out
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done { retval, data, fields } => {
                write!(f, "{retval:#x}, {fields:x?}, {}", Hex(data))
            }
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
