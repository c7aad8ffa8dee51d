//! Names as the system knows them.

use skep_filter::{Port, Resolver};
use std::fs;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// How long a name server may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The system's resolver for hosts, files in `/etc` for the rest.
pub(crate) struct System;

impl Resolver for System {
    fn host(&self, name: &str) -> Vec<IpAddr> {
        // A name server that does not answer keeps its thread, not the command.
        let (tell, told) = mpsc::channel();
        let name = name.to_string();
        thread::spawn(move || {
            let found = (name.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            // Nobody listens any more after the deadline.
            let _ = tell.send(found.unwrap_or_default());
        });
        let found = told.recv_timeout(DEADLINE).unwrap_or_default();
        let mut addrs: Vec<IpAddr> = Vec::new();
        for addr in found {
            if !addrs.contains(&addr.ip()) {
                addrs.push(addr.ip());
            }
        }
        addrs
    }

    fn port(&self, name: &str) -> Option<Port> {
        let services = fs::read_to_string("/etc/services").ok()?;
        let find = |protocol: &str| {
            rows(&services).find_map(|(first, second, others)| {
                let (port, of) = second.split_once('/')?;
                let is_named = first == name || others.contains(&name);
                (of == protocol && is_named).then(|| port.parse::<u16>().ok())?
            })
        };
        match (find("tcp"), find("udp")) {
            (Some(tcp), Some(udp)) if tcp == udp => Some(Port { port: tcp, protocol: None }),
            // As libpcap: of two that differ, that of TCP.
            (Some(tcp), _) => Some(Port { port: tcp, protocol: Some(6) }),
            (None, Some(udp)) => Some(Port { port: udp, protocol: Some(17) }),
            (None, None) => None,
        }
    }

    fn protocol(&self, name: &str) -> Option<u8> {
        let text = fs::read_to_string("/etc/protocols").ok()?;
        rows(&text).find_map(|(first, second, others)| {
            (first == name || others.contains(&name)).then(|| second.parse().ok())?
        })
    }

    fn network(&self, name: &str) -> Option<u32> {
        let text = fs::read_to_string("/etc/networks").ok()?;
        rows(&text).find_map(|(first, second, others)| {
            if first != name && !others.contains(&name) {
                return None;
            }
            // Zeros at the end are no part of the number.
            let parts = second.trim_end_matches(".0").split('.');
            parts
                .map(|part| part.parse::<u8>().ok())
                .try_fold(0u32, |number, part| Some(number << 8 | u32::from(part?)))
        })
    }

    fn list(&self, name: &str) -> Option<String> {
        fs::read_to_string(name).ok()
    }

    fn ether(&self, name: &str) -> Option<[u8; 6]> {
        let text = fs::read_to_string("/etc/ethers").ok()?;
        rows(&text).find_map(|(first, second, _)| (second == name).then(|| mac(first))?)
    }
}

fn mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut mac {
        *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
    }
    parts.next().is_none().then_some(mac)
}

/// Words of the lines that have two or more, without comments.
fn rows(text: &str) -> impl Iterator<Item = (&str, &str, Vec<&str>)> {
    text.lines().filter_map(|line| {
        let line = line.split('#').next().unwrap_or("");
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?, words.collect()))
    })
}
