//! Names in lines.

use super::world;
use skep_dissect::Names;
use std::collections::HashMap;
use std::net::IpAddr;

/// More names are not remembered: hostile packets have as many addresses as they like.
const MOST: usize = 1 << 16;

/// Names as this host knows them: each is looked up once.
struct System {
    /// Whether names of hosts end at the first dot.
    no_domains: bool,
    hosts: HashMap<IpAddr, Option<String>>,
    tcp: HashMap<u16, String>,
    udp: HashMap<u16, String>,
}

/// Who knows names here.
pub(crate) fn system(no_domains: bool) -> Box<dyn Names> {
    let (hosts, tcp, udp) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut this = System { no_domains, hosts, tcp, udp };
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
        let ask = || {
            let mut name = skep_hooks::host_name(addr)?;
            if let Some(dot) = name.find('.').filter(|_| self.no_domains) {
                name.truncate(dot);
            }
            Some(name)
        };
        self.hosts.entry(addr).or_insert_with(ask).as_deref()
    }

    fn tcp_port(&mut self, port: u16) -> Option<&str> {
        self.tcp.get(&port).map(String::as_str)
    }

    fn udp_port(&mut self, port: u16) -> Option<&str> {
        self.udp.get(&port).map(String::as_str)
    }
}
