//! Interfaces of this host.

use crate::failure::{Failure, Kind};
use crate::term::Out;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Where the kernel shows them.
const CLASS: &str = "/sys/class/net";
/// `IFF_UP`, `IFF_LOOPBACK`, `IFF_RUNNING`.
const UP: u32 = 1;
const LOOPBACK: u32 = 8;
const RUNNING: u32 = 0x40;

/// An interface.
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) index: u32,
    flags: u32,
    /// Whether it has a cable or the like, where the driver says so.
    connected: Option<bool>,
}

fn number(path: &Path) -> Option<u32> {
    let text = fs::read_to_string(path).ok()?;
    let text = text.trim();
    match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// All interfaces, by index.
pub(crate) fn all() -> Vec<Device> {
    let Ok(entries) = fs::read_dir(CLASS) else { return Vec::new() };
    let mut devices: Vec<_> = entries
        .flatten()
        .filter_map(|entry| {
            let path = entry.path();
            // Whether it runs is not among the flags there.
            let carrier = number(&path.join("carrier"));
            let runs = carrier == Some(1);
            let state = fs::read_to_string(path.join("operstate")).unwrap_or_default();
            let connected = match (carrier, state.trim()) {
                (Some(1), "up") => Some(true),
                (Some(0), _) => Some(false),
                _ => None,
            };
            Some(Device {
                name: entry.file_name().into_string().ok()?,
                index: number(&path.join("ifindex"))?,
                flags: number(&path.join("flags"))? | if runs { RUNNING } else { 0 },
                connected,
            })
        })
        .collect();
    devices.sort_by_key(|device| device.index);
    devices
}

/// Whether what goes out by the interface comes in there again.
pub(crate) fn is_loopback(name: &str) -> bool {
    name == "lo" || all().iter().any(|one| one.name == name && one.flags & LOOPBACK != 0)
}

/// Names and states in the order that `-D` numbers them: what is up, all at once, the loopback, what is down.
fn listed() -> Vec<(String, Vec<&'static str>)> {
    let mut devices = all();
    devices
        .sort_by_key(|device| (device.flags & UP == 0, device.flags & LOOPBACK != 0, device.index));
    let usable = |device: &&Device| device.flags & (UP | LOOPBACK) == UP;
    let any = devices.iter().take_while(usable).count();
    let mut listed: Vec<_> =
        devices.iter().map(|device| (device.name.clone(), device.words())).collect();
    listed.insert(any, ("any".to_owned(), vec!["Up", "Running"]));
    listed
}

/// `-D`.
pub(crate) fn list(out: &mut Out<'_>) -> io::Result<()> {
    for (n, (name, words)) in listed().into_iter().enumerate() {
        let about =
            if name == "any" { " (Pseudo-device that captures on all interfaces)" } else { "" };
        let words = if words.is_empty() { "none".to_owned() } else { words.join(", ") };
        writeln!(out, "{}.{name}{about} [{words}]", n + 1)?;
    }
    Ok(())
}

impl Device {
    fn words(&self) -> Vec<&'static str> {
        let words = [(UP, "Up"), (RUNNING, "Running"), (LOOPBACK, "Loopback")];
        let mut words: Vec<_> = (words.into_iter())
            .filter(|(bit, _)| self.flags & bit != 0)
            .map(|(_, word)| word)
            .collect();
        if self.flags & LOOPBACK == 0 {
            words.extend(self.connected.map(|is| if is { "Connected" } else { "Disconnected" }));
        }
        words
    }
}

/// The interface to take where none is named: the first that is up and no loopback.
pub(crate) fn default() -> Option<String> {
    let usable = |device: &Device| device.flags & UP != 0;
    let devices = all();
    let first = devices.iter().find(|device| usable(device) && device.flags & LOOPBACK == 0);
    first.or_else(|| devices.iter().find(|device| usable(device))).map(|device| device.name.clone())
}

/// The name for a name or a number as `-D` gives them.
pub(crate) fn named(name: &str) -> String {
    let Ok(number) = name.parse::<usize>() else { return name.to_owned() };
    let listed = number.checked_sub(1).and_then(|at| listed().into_iter().nth(at));
    listed.map_or_else(|| name.to_owned(), |(name, _)| name)
}

/// `-L`, and `-J`, for which there is always one answer.
pub(crate) fn types(name: Option<&str>, of_links: bool, out: &mut Out<'_>) -> Result<(), Failure> {
    let name = match name {
        Some(name) => named(name),
        None => default().ok_or_else(|| Failure::new(Kind::Environment, "no interface is up"))?,
    };
    let hardware = number(&Path::new(CLASS).join(&name).join("type"));
    let (kind, words) = match hardware {
        _ if name == "any" => ("LINUX_SLL2", "Linux cooked v2"),
        None => {
            let text = format!("{name}: no such interface");
            let help = "`skep dump -D` lists them";
            return Err(Failure::new(Kind::Environment, text).help(help));
        }
        Some(1 | 772) => ("EN10MB", "Ethernet"),
        Some(_) => ("RAW", "Raw IP"),
    };
    if of_links {
        writeln!(out, "Data link types for {name} (use option -y to set):")?;
        writeln!(out, "  {kind} ({words})")?;
    } else {
        writeln!(out, "Time stamp types for {name} (use option -j to set):")?;
        writeln!(out, "  host (Host)")?;
    }
    Ok(())
}
