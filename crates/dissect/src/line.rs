//! A packet's lines.

use crate::cx::Cx;
use crate::options::{Names, Options};
use crate::tcp::Flows;
use crate::time::Clock;
use crate::{chdlc, ether, link, ppp, pppoe};
use std::collections::HashMap;
use std::fmt;
use std::io::Write;

/// Longer packets are taken for damaged, as libpcap has it.
const LONGEST: usize = 262_144;

/// A packet to show.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// How long it was.
    pub wire_len: u32,
    /// Nanoseconds since 1970.
    pub time: u64,
    /// What it starts with, a `LINKTYPE_` number.
    pub link: u16,
    /// The interface, where known, for records: lines take what [`Dissector::with_interfaces`] knows.
    pub interface: Option<&'a str>,
}

/// Shows packets as tcpdump 4.99 does, remembering of earlier ones what it does: when they came, and where the
/// sequence numbers of TCP connections began.
pub struct Dissector {
    options: Options,
    clock: Clock,
    flows: Flows,
    names: Option<Box<dyn Names>>,
    interfaces: HashMap<u32, String>,
}

impl fmt::Debug for Dissector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dissector").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Dissector {
    /// Shows packets in a way, with numbers for names.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let (clock, flows, interfaces) = (Clock::default(), Flows::default(), HashMap::new());
        Self { options, clock, flows, names: None, interfaces }
    }

    /// Shows names where there are some.
    #[must_use]
    pub fn with_names(self, names: Box<dyn Names>) -> Self {
        Self { names: Some(names), ..self }
    }

    /// Knows names of interfaces by their index, which Linux's cooked headers have (version 2).
    #[must_use]
    pub fn with_interfaces(self, interfaces: HashMap<u32, String>) -> Self {
        Self { interfaces, ..self }
    }

    /// Appends the lines of the packet with a number. Whatever the packet holds, the work is bounded by a multiple of
    /// its length.
    pub fn line(&mut self, number: u64, packet: &Packet<'_>, out: &mut Vec<u8>) {
        if self.options.number {
            // A vector takes everything.
            let _ = write!(out, "{number:5}  ");
        }
        let (len, caplen) = (packet.wire_len as usize, packet.bytes.len());
        if caplen == 0 || len < caplen || len > LONGEST {
            invalid(len, caplen, out);
            return;
        }
        self.clock.print(packet.time, &self.options, out);
        let names: Option<&mut (dyn Names + 'static)> = match &mut self.names {
            Some(names) => Some(names.as_mut()),
            None => None,
        };
        let mut cx = Cx::new(packet.bytes, out, &self.options, &mut self.flows, names);
        let header = match packet.link {
            0 | 108 => link::null(&mut cx, len),
            1 => ether::print(&mut cx, 0, len, caplen),
            9 => ppp::captured(&mut cx, len),
            50 => ppp::captured_hdlc(&mut cx, len),
            51 => pppoe::print(&mut cx, 0, len),
            12 | 14 | 101 | 228 | 229 => link::raw(&mut cx, len),
            104 => chdlc::captured(&mut cx, len),
            113 => link::sll(&mut cx, len),
            276 => link::sll2(&mut cx, len, &self.interfaces),
            _ => cx.default_print(0, caplen).map(|()| 0),
        };
        let header = header.unwrap_or_else(|_| {
            cx.trunc();
            0
        });
        cx.end = caplen;
        if cx.print_bytes(header).is_err() {
            cx.trunc();
        }
        out.push(b'\n');
    }
}

/// Whether packets that start with a `LINKTYPE_` number are understood.
#[must_use]
pub fn knows_link(link: u16) -> bool {
    matches!(link, 0 | 1 | 9 | 12 | 14 | 50 | 51 | 101 | 104 | 108 | 113 | 228 | 229 | 276)
}

/// The line of a packet whose lengths cannot be.
fn invalid(len: usize, caplen: usize, out: &mut Vec<u8>) {
    let mut wrongs = Vec::new();
    if caplen == 0 {
        wrongs.push(" caplen==0".to_owned());
    }
    if len == 0 {
        wrongs.push(" len==0".to_owned());
    } else if len < caplen {
        wrongs.push(format!(" len({len}) < caplen({caplen})"));
    }
    if caplen > LONGEST {
        wrongs.push(format!(" caplen({caplen}) > {LONGEST}"));
    }
    if len > LONGEST {
        wrongs.push(format!(" len({len}) > {LONGEST}"));
    }
    // A vector takes everything.
    let _ = writeln!(out, "[Invalid header:{}]", wrongs.join(","));
}
