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
            Some(Device {
                name: entry.file_name().into_string().ok()?,
                index: number(&entry.path().join("ifindex"))?,
                flags: number(&entry.path().join("flags"))?,
            })
        })
        .collect();
    devices.sort_by_key(|device| device.index);
    devices
}

/// `-D`.
pub(crate) fn list(out: &mut Out<'_>) -> io::Result<()> {
    let devices = all();
    let mut number = 0;
    let mut line = |out: &mut Out<'_>, name: &str, words: &[&str]| {
        number += 1;
        writeln!(out, "{number}.{name} [{}]", words.join(", "))
    };
    let is_loopback = |device: &&Device| device.flags & LOOPBACK != 0;
    for device in devices.iter().filter(|device| !is_loopback(device)) {
        line(out, &device.name, &device.words())?;
    }
    line(out, "any (Pseudo-device that captures on all interfaces)", &["Up", "Running"])?;
    for device in devices.iter().filter(is_loopback) {
        line(out, &device.name, &device.words())?;
    }
    Ok(())
}

impl Device {
    fn words(&self) -> Vec<&'static str> {
        let words = [(UP, "Up"), (RUNNING, "Running"), (LOOPBACK, "Loopback")];
        words.into_iter().filter(|(bit, _)| self.flags & bit != 0).map(|(_, word)| word).collect()
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
    let mut devices = all();
    let loopback = devices.iter().position(|device| device.flags & LOOPBACK != 0);
    let mut names = Vec::new();
    let last = loopback.map(|at| devices.remove(at).name);
    names.extend(devices.into_iter().map(|device| device.name));
    names.push("any".to_owned());
    names.extend(last);
    number.checked_sub(1).and_then(|at| names.get(at).cloned()).unwrap_or_else(|| name.to_owned())
}

/// `-L`.
pub(crate) fn link_types(name: Option<&str>, out: &mut Out<'_>) -> Result<(), Failure> {
    let name = match name {
        Some(name) => named(name),
        None => default().ok_or_else(|| Failure::new(Kind::Environment, "no interface is up"))?,
    };
    let (kind, words) = if name == "any" {
        ("LINUX_SLL2", "Linux cooked v2")
    } else {
        let hardware = number(&Path::new(CLASS).join(&name).join("type"));
        match hardware {
            None => {
                let text = format!("{name}: no such interface");
                let help = "`skep dump -D` lists them";
                return Err(Failure::new(Kind::Environment, text).help(help));
            }
            Some(1 | 772) => ("EN10MB", "Ethernet"),
            Some(_) => ("RAW", "Raw IP"),
        }
    };
    writeln!(out, "Data link types for {name} (use option -y to set):")?;
    writeln!(out, "  {kind} ({words})")?;
    Ok(())
}
