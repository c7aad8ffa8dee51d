//! Names in expressions, as the files of this host and its resolver know them.

use crate::filter::names::System;
use skep_filter::{Expr, Port, Resolver};
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::slice;

/// Who knows names here.
#[derive(Default)]
pub(crate) struct World {
    /// Lists that have been read: after root is given up they may be out of reach.
    lists: RefCell<HashMap<String, String>>,
    /// Hosts of the expression, which has programs for several interfaces.
    hosts: OnceCell<System>,
}

impl World {
    /// Asks for the hosts in an expression, the first time.
    pub(crate) fn ask_for_hosts(&self, expr: &Expr) {
        self.hosts.get_or_init(|| System::for_hosts_of(slice::from_ref(expr)));
    }
}

/// Lines of a file in /etc as words, without remarks.
fn lines(path: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let words = |line: &str| -> Vec<String> {
        let line = line.split('#').next().unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect()
    };
    text.lines().map(words).filter(|words| words.len() > 1).collect()
}

/// Ports of services by name and protocol, in the order of the file.
pub(crate) fn services() -> Vec<(u16, String, Vec<String>)> {
    lines("/etc/services")
        .into_iter()
        .filter_map(|words| {
            let (port, protocol) = words.get(1)?.split_once('/')?;
            let (port, protocol) = (port.parse().ok()?, protocol.to_owned());
            let names = words.iter().enumerate().filter(|(n, _)| *n != 1);
            Some((port, protocol, names.map(|(_, name)| name.clone()).collect()))
        })
        .collect()
}

impl Resolver for World {
    fn host(&self, name: &str) -> Vec<IpAddr> {
        self.hosts.get_or_init(System::default).host(name)
    }

    fn port(&self, name: &str) -> Option<Port> {
        let services = services();
        let mut known = services.iter().filter(|(_, _, names)| names.iter().any(|n| n == name));
        let (port, protocol, _) = known.next()?;
        let several = known.any(|(other, ..)| other == port);
        let number = match protocol.as_str() {
            "tcp" => 6,
            "udp" => 17,
            "sctp" => 132,
            _ => return None,
        };
        Some(Port { port: *port, protocol: (!several).then_some(number) })
    }

    fn protocol(&self, name: &str) -> Option<u8> {
        let known = lines("/etc/protocols");
        let line = known.iter().find(|words| words.iter().any(|word| word == name))?;
        line.get(1)?.parse().ok()
    }

    fn list(&self, name: &str) -> io::Result<String> {
        let mut lists = self.lists.borrow_mut();
        if let Some(text) = lists.get(name) {
            return Ok(text.clone());
        }
        let text = fs::read_to_string(name)?;
        lists.insert(name.to_owned(), text.clone());
        Ok(text)
    }

    fn ether(&self, name: &str) -> Option<[u8; 6]> {
        let known = lines("/etc/ethers");
        let line = known.iter().find(|words| words.get(1).is_some_and(|word| word == name))?;
        let mut addr = [0; 6];
        let mut parts = line.first()?.split(':');
        for byte in &mut addr {
            *byte = u8::from_str_radix(parts.next()?, 16).ok()?;
        }
        Some(addr)
    }
}
