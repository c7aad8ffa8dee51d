//! Which process of this host a packet belongs to.
//!
//! The kernel lists sockets with their addresses (`/proc/net`), and of each process the sockets it holds (`/proc/PID/fd`).
//! Reading what others hold takes root, which the thread that looks at packets gives up; so another one, begun before,
//! keeps it and answers one question: whose socket has these addresses? It never sees a packet.

use skep_dissect::Record;
use skep_filter::Process;
use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// How old a list of sockets may be when one is not in it.
const FRESH: Duration = Duration::from_millis(30);
/// How long an answer is kept; sockets of the same addresses may come to belong to others.
const KEPT: Duration = Duration::from_secs(5);
/// Answers kept at most.
const MOST: usize = 1 << 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// An end of a connection on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct End {
    protocol: u8,
    local: (IpAddr, u16),
    remote: (IpAddr, u16),
}

/// Asks for the processes of packets.
pub(crate) struct Processes {
    questions: Sender<End>,
    answers: Receiver<Process>,
    known: HashMap<End, (Process, Instant)>,
}

impl Processes {
    /// Begins to look; as long as the thread may still read what other processes hold.
    pub(crate) fn start() -> std::io::Result<Self> {
        let (questions, asked) = channel::<End>();
        let (answer, answers) = channel();
        std::thread::Builder::new().name("processes".into()).spawn(move || {
            let mut sockets = Sockets::default();
            // Ends with the one who asks.
            for end in asked {
                if answer.send(sockets.find(&end)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { questions, answers, known: HashMap::new() })
    }

    /// The process that sends the packet, or else that gets it, if it is one of this host's.
    pub(crate) fn of(&mut self, record: &Record<'_>) -> Process {
        let Some(ip) = record.ip.filter(|ip| matches!(ip.protocol, TCP | UDP)) else {
            return Process::default();
        };
        let Some((sport, dport)) = record.transport.and_then(|transport| transport.ports) else {
            return Process::default();
        };
        let (src, dst) = ((ip.src, sport), (ip.dst, dport));
        let sender = self.ask(End { protocol: ip.protocol, local: src, remote: dst });
        if sender.pid.is_some() {
            return sender;
        }
        self.ask(End { protocol: ip.protocol, local: dst, remote: src })
    }

    fn ask(&mut self, end: End) -> Process {
        if let Some((process, when)) = self.known.get(&end)
            && when.elapsed() < KEPT
        {
            return process.clone();
        }
        let process = match self.questions.send(end) {
            Ok(()) => self.answers.recv().unwrap_or_default(),
            Err(_) => Process::default(),
        };
        if self.known.len() >= MOST {
            self.known.clear();
        }
        // One that is not found may be there soon.
        if process.pid.is_some() {
            self.known.insert(end, (process.clone(), Instant::now()));
        }
        process
    }
}

/// Sockets and who holds them, as they were when last looked.
#[derive(Default)]
struct Sockets {
    inodes: HashMap<End, u64>,
    holders: HashMap<u64, Process>,
    looked: Option<Instant>,
}

impl Sockets {
    fn find(&mut self, end: &End) -> Process {
        if let Some(process) = self.known(end) {
            return process;
        }
        if self.looked.is_none_or(|when| when.elapsed() > FRESH) {
            self.look();
        }
        self.known(end).unwrap_or_default()
    }

    /// The socket of both addresses, else the one that takes packets from anywhere.
    fn known(&self, end: &End) -> Option<Process> {
        let nowhere: IpAddr = match end.remote.0 {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        // A socket of IPv6 may take packets of both versions.
        let anywhere: IpAddr = Ipv6Addr::UNSPECIFIED.into();
        let with = |local: IpAddr, remote| End { local: (local, end.local.1), remote, ..*end };
        let ends = [
            *end,
            with(end.local.0, (nowhere, 0)),
            with(nowhere, (nowhere, 0)),
            with(anywhere, (anywhere, 0)),
        ];
        ends.iter().find_map(|end| self.holders.get(self.inodes.get(end)?)).cloned()
    }

    fn look(&mut self) {
        self.inodes.clear();
        self.holders.clear();
        for (file, protocol) in [("tcp", TCP), ("tcp6", TCP), ("udp", UDP), ("udp6", UDP)] {
            let text = fs::read_to_string(format!("/proc/net/{file}")).unwrap_or_default();
            self.inodes.extend(text.lines().skip(1).filter_map(|line| socket(line, protocol)));
        }
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
            self.look_at(pid);
        }
        self.looked = Some(Instant::now());
    }

    fn look_at(&mut self, pid: u32) {
        // Those that may not be looked at are not known.
        let Ok(held) = fs::read_dir(format!("/proc/{pid}/fd")) else { return };
        let mut name: Option<String> = None;
        for link in held.flatten().filter_map(|entry| fs::read_link(entry.path()).ok()) {
            let inode = link
                .to_str()
                .and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok());
            let Some(inode) = inode else { continue };
            let name = name.get_or_insert_with(|| {
                let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                name.trim_end_matches('\n').to_owned()
            });
            let process = Process { pid: Some(pid), name: name.clone() };
            self.holders.entry(inode).or_insert(process);
        }
    }
}

/// A line of `/proc/net/tcp` and its kin.
fn socket(line: &str, protocol: u8) -> Option<(End, u64)> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
    // State, queues, timer, retransmissions, user, timeout.
    let inode = words.nth(6)?.parse().ok().filter(|&inode| inode != 0)?;
    Some((End { protocol, local, remote }, inode))
}

/// Words of 32 bits as the host has them, in hexadecimal digits, then the port.
fn address(text: &str) -> Option<(IpAddr, u16)> {
    let (digits, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| -> Option<[u8; 4]> {
        Some(u32::from_str_radix(digits.get(at..at + 8)?, 16).ok()?.to_ne_bytes())
    };
    let addr = if digits.len() == 8 {
        IpAddr::from(word(0)?)
    } else {
        let mut octets = [0; 16];
        for (at, part) in octets.chunks_exact_mut(4).enumerate() {
            part.copy_from_slice(&word(at * 8)?);
        }
        // One of IPv4 stands in it as such.
        Ipv6Addr::from(octets).to_canonical()
    };
    Some((addr, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sockets() {
        let word = |octets: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(octets));
        let line = format!(
            "   0: {}:1F90 {}:01BB 01 00000000:00000000 00:00000000 00000000  1000        0 4711 1 0",
            word([10, 0, 0, 1]),
            word([192, 0, 2, 9])
        );
        let (end, inode) = socket(&line, TCP).unwrap();
        assert_eq!(end.local, (Ipv4Addr::new(10, 0, 0, 1).into(), 8080));
        assert_eq!(end.remote, (Ipv4Addr::new(192, 0, 2, 9).into(), 443));
        assert_eq!(inode, 4711);
        let mapped = format!(
            "{}{}{}{}:0050",
            word([0; 4]),
            word([0; 4]),
            word([0, 0, 255, 255]),
            word([10, 0, 0, 1])
        );
        assert_eq!(address(&mapped), Some((Ipv4Addr::new(10, 0, 0, 1).into(), 80)));
        for wrong in ["", "x", "0: 01:1", "   0: 0100007F:1F90 00000000:0000 0A"] {
            assert_eq!(socket(wrong, TCP), None, "{wrong}");
        }
    }
}
