//! Interfaces of this host.

use crate::failure::{Failure, Kind};
use crate::term::Out;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags as Flags;
use std::io::{self, Write};
use std::net::Ipv4Addr;

/// An interface of this process's network namespace.
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) index: u32,
    flags: Flags,
    /// `ARPHRD_` number.
    hardware: u16,
}

/// All interfaces, by index. `/sys` would do if it were that of the namespace, which nsenter(1) and unshare(1) see to only when told.
pub(crate) fn all() -> Vec<Device> {
    let Ok(addresses) = getifaddrs() else { return Vec::new() };
    let mut devices: Vec<_> = addresses
        .filter_map(|one| {
            let address = one.address?;
            let link = address.as_link_addr()?;
            let index = u32::try_from(link.ifindex()).ok()?;
            let (name, flags, hardware) = (one.interface_name, one.flags, link.hatype());
            Some(Device { name, index, flags, hardware })
        })
        .collect();
    devices.sort_by_key(|device| device.index);
    devices
}

/// Whether what goes out by the interface comes in there again.
pub(crate) fn is_loopback(name: &str) -> bool {
    name == "lo" || all().iter().any(|one| one.name == name && one.is(Flags::IFF_LOOPBACK))
}

/// Names and states in the order that `-D` numbers them, which is libpcap's: those that run first, all at once before the loopback.
fn listed() -> Vec<(String, Vec<&'static str>)> {
    let devices = by_merit();
    let leads = |device: &&Device| device.demerits() == [false; 4];
    let any = devices.iter().take_while(leads).count();
    let mut listed: Vec<_> =
        devices.iter().map(|device| (device.name.clone(), device.words())).collect();
    listed.insert(any, ("any".to_owned(), vec!["Up", "Running"]));
    listed
}

fn by_merit() -> Vec<Device> {
    let mut devices = all();
    devices.sort_by_key(|device| (device.demerits(), device.index));
    devices
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
    fn is(&self, flag: Flags) -> bool {
        self.flags.contains(flag)
    }

    /// What comes later in the list, the gravest first.
    fn demerits(&self) -> [bool; 4] {
        let runs = [Flags::IFF_RUNNING, Flags::IFF_UP, Flags::IFF_LOWER_UP];
        let [stands, down, alone] = runs.map(|flag| !self.is(flag));
        [stands, down, alone, self.is(Flags::IFF_LOOPBACK)]
    }

    fn words(&self) -> Vec<&'static str> {
        let words = [
            (Flags::IFF_UP, "Up"),
            (Flags::IFF_RUNNING, "Running"),
            (Flags::IFF_LOOPBACK, "Loopback"),
        ];
        let mut words: Vec<_> =
            words.into_iter().filter(|(flag, _)| self.is(*flag)).map(|(_, word)| word).collect();
        // Whether there is a carrier, which only what is up can tell.
        if self.is(Flags::IFF_UP) && !self.is(Flags::IFF_LOOPBACK) {
            let has_carrier = self.is(Flags::IFF_LOWER_UP);
            words.push(if has_carrier { "Connected" } else { "Disconnected" });
        }
        words
    }
}

/// The interface to take where none is named: the first that is up, the loopback only if there is no other.
pub(crate) fn default() -> Option<String> {
    let mut devices = by_merit();
    devices.retain(|device| device.is(Flags::IFF_UP));
    devices.sort_by_key(|device| device.is(Flags::IFF_LOOPBACK));
    devices.into_iter().next().map(|device| device.name)
}

/// The mask of an interface's first IPv4 address; 0 if it has none.
pub(crate) fn netmask(name: &str) -> u32 {
    let Ok(mut addresses) = getifaddrs() else { return 0 };
    let masks = addresses.find_map(|one| {
        let mask = one.netmask?;
        (one.interface_name == name).then(|| mask.as_sockaddr_in().map(|mask| mask.ip()))?
    });
    masks.map_or(0, Ipv4Addr::to_bits)
}

/// The name for a name or a number as `-D` gives them.
pub(crate) fn named(name: &str) -> String {
    let Ok(number) = name.parse::<usize>() else { return name.to_owned() };
    let listed = number.checked_sub(1).and_then(|at| listed().into_iter().nth(at));
    listed.map_or_else(|| name.to_owned(), |(name, _)| name)
}

/// Why an interface of a name cannot be listened on: there is none.
fn missing(name: &str) -> Failure {
    let text = format!("{name}: no such interface");
    Failure::new(Kind::Environment, text).help("`skep dump -D` lists them")
}

/// Refuses the name of an interface that is not there.
pub(crate) fn check(name: &str) -> Result<(), Failure> {
    match name == "any" || all().iter().any(|one| one.name == name) {
        true => Ok(()),
        false => Err(missing(name)),
    }
}

/// `-L`, and `-J`, for which there is always one answer.
pub(crate) fn types(name: Option<&str>, of_links: bool, out: &mut Out<'_>) -> Result<(), Failure> {
    let name = match name {
        Some(name) => named(name),
        None => default().ok_or_else(|| Failure::new(Kind::Environment, "no interface is up"))?,
    };
    let hardware = all().into_iter().find(|one| one.name == name).map(|one| one.hardware);
    let (kind, words) = match hardware {
        _ if name == "any" => ("LINUX_SLL2", "Linux cooked v2"),
        None => return Err(missing(&name)),
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
