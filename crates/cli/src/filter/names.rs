//! Names as the system knows them.

use crate::file;
use skep_diag::Span;
use skep_filter::{Expr, Id, Kind, NodeKind, Port, Proto, Resolver};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Names that are asked for at once; others are asked for one by one.
const MOST_NAMES: usize = 64;
/// How long name servers may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// The system's resolver for hosts, files in `/etc` for the rest.
#[derive(Default)]
pub(crate) struct System {
    /// Hosts that were asked for before.
    hosts: HashMap<String, Vec<IpAddr>>,
}

impl System {
    /// Asks for the hosts in expressions, all at once: together they have as long as one.
    pub(crate) fn for_hosts_of(exprs: &[Expr]) -> Self {
        let names: BTreeSet<String> = exprs.iter().flat_map(hosts_in).collect();
        let (tell, told) = mpsc::channel();
        for name in &names {
            let (name, tell) = (name.clone(), tell.clone());
            // A name server that does not answer keeps its thread, not the command.
            thread::spawn(move || {
                let found = ask(&name);
                // Nobody listens any more after the deadline.
                let _ = tell.send((name, found));
            });
        }
        drop(tell);
        let end = Instant::now() + DEADLINE;
        let mut hosts = HashMap::new();
        while hosts.len() < names.len() {
            let left = end.saturating_duration_since(Instant::now());
            let Ok((name, found)) = told.recv_timeout(left) else { break };
            hosts.insert(name, found);
        }
        // What was not answered is not asked again.
        for name in names {
            hosts.entry(name).or_default();
        }
        Self { hosts }
    }
}

/// Names of hosts that an expression has, as far as it says that they are hosts.
fn hosts_in(expr: &Expr) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for node in expr.nodes() {
        let text = |span: Span| expr.text().get(span.start..span.end).unwrap_or("");
        let (qual, words) = match node.kind {
            NodeKind::Id(qual, Id::Name(span)) => (qual, vec![text(span)]),
            NodeKind::In(qual, list) if !list.is_file => {
                let words = text(list.span).split(|c: char| c == ',' || c.is_whitespace());
                let is_name = |word: &&str| {
                    word.bytes().any(|byte| byte.is_ascii_alphabetic())
                        && !word.contains([':', '/'])
                };
                (qual, words.filter(is_name).collect())
            }
            _ => continue,
        };
        let is_host = matches!(qual.kind, Kind::Default | Kind::Host)
            && !matches!(qual.proto, Some(Proto::Link | Proto::Decnet));
        if is_host {
            let room = MOST_NAMES.saturating_sub(names.len());
            names.extend(words.into_iter().take(room).map(str::to_owned));
        }
    }
    names
}

/// Looks up no names, but reads the files that an expression names.
pub(crate) struct FilesOnly;

impl Resolver for FilesOnly {
    fn list(&self, name: &str) -> io::Result<String> {
        file::read_text(Path::new(name))
    }
}

fn ask(name: &str) -> Vec<IpAddr> {
    let mut addrs: Vec<IpAddr> = Vec::new();
    for addr in (name, 0).to_socket_addrs().into_iter().flatten() {
        if !addrs.contains(&addr.ip()) {
            addrs.push(addr.ip());
        }
    }
    addrs
}

impl Resolver for System {
    fn host(&self, name: &str) -> Vec<IpAddr> {
        if let Some(known) = self.hosts.get(name) {
            return known.clone();
        }
        let (tell, told) = mpsc::channel();
        let name = name.to_string();
        thread::spawn(move || {
            let _ = tell.send(ask(&name));
        });
        told.recv_timeout(DEADLINE).unwrap_or_default()
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
            // As getnetbyname(3): of four parts, those that are missing 0.
            let mut parts = second.split('.');
            let number = (0..4).try_fold(0u32, |number, _| {
                let part = parts.next().map_or(Some(0), |part| part.parse::<u8>().ok())?;
                Some(number << 8 | u32::from(part))
            })?;
            parts.next().is_none().then_some(number)
        })
    }

    fn list(&self, name: &str) -> io::Result<String> {
        file::read_text(Path::new(name))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_hosts() {
        let of = |text: &str| {
            let names = hosts_in(&Expr::parse(text).unwrap());
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("host a or b and port http and not src c"), "a b c");
        assert_eq!(of("host in {a, 10.0.0.1 b.example, ::1, d/8} and ether host e"), "a b.example");
        assert_eq!(of("net n and ip proto \\tcp and port in {http}"), "");
        let names = (0..100).map(|at| format!("h{at}")).collect::<Vec<_>>().join(" or ");
        assert_eq!(hosts_in(&Expr::parse(&format!("host {names}")).unwrap()).len(), MOST_NAMES);
    }

    #[test]
    fn addresses_come_back() {
        let expr = Expr::parse("host localhost").unwrap();
        let system = System::for_hosts_of(&[expr]);
        assert!(system.hosts.contains_key("localhost"));
        assert_eq!(system.host("localhost"), ask("localhost"));
    }
}
