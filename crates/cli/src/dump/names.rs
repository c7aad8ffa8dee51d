//! Names in lines.

use super::world;
use skep_dissect::Names;
use std::collections::HashMap;
use std::net::IpAddr;

/// More names are not remembered: hostile packets have as many addresses as they like.
const MOST: usize = 1 << 16;

/// Names as this host knows them: each is looked up once.
struct System {
    hosts: HashMap<IpAddr, Option<String>>,
    tcp: HashMap<u16, String>,
    udp: HashMap<u16, String>,
}

/// Who knows names here.
pub(crate) fn system() -> Box<dyn Names> {
    let mut this = System { hosts: HashMap::new(), tcp: HashMap::new(), udp: HashMap::new() };
    for (port, protocol, names) in world::services() {
        let table = match protocol.as_str() {
            "tcp" => &mut this.tcp,
            "udp" => &mut this.udp,
            _ => continue,
        };
        if let Some(name) = names.into_iter().next() {
            table.entry(port).or_insert(name);
        }
    }
    Box::new(this)
}

impl Names for System {
    fn host(&mut self, addr: IpAddr) -> Option<&str> {
        if self.hosts.len() >= MOST && !self.hosts.contains_key(&addr) {
            self.hosts.clear();
        }
        self.hosts.entry(addr).or_insert_with(|| skep_hooks::host_name(addr)).as_deref()
    }

    fn tcp_port(&mut self, port: u16) -> Option<&str> {
        self.tcp.get(&port).map(String::as_str)
    }

    fn udp_port(&mut self, port: u16) -> Option<&str> {
        self.udp.get(&port).map(String::as_str)
    }
}
