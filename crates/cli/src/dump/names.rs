//! Names in lines.

mod ahead;
mod hosts;

use super::world;
pub(crate) use ahead::Ahead;
use hosts::Hosts;
use skep_dissect::Names;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// How long answers are waited for in all. After 5 s resolvers ask again.
const PATIENCE: Duration = Duration::from_secs(6);
/// The same where packets come meanwhile.
const LIVE_PATIENCE: Duration = Duration::from_secs(1);

/// Addresses whose names will be wanted: they are asked for at once.
pub(crate) type Wanted = Rc<RefCell<VecDeque<IpAddr>>>;

/// Names as this host knows them.
struct System {
    hosts: Hosts,
    wanted: Wanted,
    tcp: HashMap<u16, String>,
    udp: HashMap<u16, String>,
}

/// Who knows names here; those of hosts end at the first dot, if domains are not to be shown.
pub(crate) fn system(no_domains: bool, is_live: bool, wanted: Wanted) -> Box<dyn Names> {
    let ask = if no_domains { without_domain } else { skep_hooks::host_name };
    let hosts = Hosts::new(ask, if is_live { LIVE_PATIENCE } else { PATIENCE });
    let mut this = System { hosts, wanted, tcp: HashMap::new(), udp: HashMap::new() };
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

fn without_domain(addr: IpAddr) -> Option<String> {
    let mut name = skep_hooks::host_name(addr)?;
    if let Some(dot) = name.find('.') {
        name.truncate(dot);
    }
    Some(name)
}

impl Names for System {
    fn host(&mut self, addr: IpAddr) -> Option<&str> {
        self.hosts.name(addr, &mut self.wanted.borrow_mut())
    }

    fn tcp_port(&mut self, port: u16) -> Option<&str> {
        self.tcp.get(&port).map(String::as_str)
    }

    fn udp_port(&mut self, port: u16) -> Option<&str> {
        self.udp.get(&port).map(String::as_str)
    }
}
