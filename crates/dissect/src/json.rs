//! Records as JSON, an object a line.

use crate::cx::{hex, push_ipv6};
use crate::dns_record::TYPES;
use crate::record::{Application, Record};
use crate::tls::version_name;
use crate::tok::tok;
use std::net::IpAddr;

/// Packets within packets that are shown.
const DEEPEST: usize = 4;

impl Record<'_> {
    /// Appends the record with the packet's number as a JSON object and a newline.
    pub fn write_json(&self, number: u64, out: &mut Vec<u8>) {
        let mut json = Json { out, first: true };
        json.out.push(b'{');
        json.number("n", number);
        json.time(self.time);
        json.number("len", self.wire_len.into());
        json.number("caplen", self.captured as u64);
        if let Some(name) = self.interface {
            json.string("interface", name.as_bytes());
        }
        json.record(self, 0);
        json.out.extend_from_slice(b"}\n");
    }
}

struct Json<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Json<'_> {
    fn key(&mut self, name: &str) {
        self.out.extend_from_slice(if self.first { b"\"" } else { b",\"" });
        self.first = false;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn digits(&mut self, n: u64) {
        self.out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    }

    fn number(&mut self, name: &str, n: u64) {
        self.key(name);
        self.digits(n);
    }

    /// Seconds since 1970 with all nine digits.
    fn time(&mut self, nanos: u64) {
        self.key("time");
        self.digits(nanos / 1_000_000_000);
        let mut fraction = nanos % 1_000_000_000;
        let mut text = *b".000000000";
        for digit in text.iter_mut().skip(1).rev() {
            *digit = b'0' + u8::try_from(fraction % 10).unwrap_or(0);
            fraction /= 10;
        }
        self.out.extend_from_slice(&text);
    }

    /// A word that needs no escape.
    fn word(&mut self, name: &str, word: &str) {
        self.key(name);
        self.out.push(b'"');
        self.out.extend_from_slice(word.as_bytes());
        self.out.push(b'"');
    }

    fn string(&mut self, name: &str, bytes: &[u8]) {
        self.key(name);
        self.out.push(b'"');
        self.text(bytes);
        self.out.push(b'"');
    }

    /// Bytes as text: a replacement for each that is no UTF-8, an escape for what cannot be seen.
    fn text(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                self.character(c);
            }
            for _ in chunk.invalid() {
                self.out.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }

    fn character(&mut self, c: char) {
        if matches!(c, '"' | '\\') {
            self.out.push(b'\\');
        }
        if is_visible(c) {
            self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            self.out.extend_from_slice(b"\\u");
            for byte in unit.to_be_bytes() {
                self.out.extend_from_slice(&hex(byte));
            }
        }
    }

    fn mac(&mut self, name: &str, mac: [u8; 6]) {
        self.key(name);
        self.out.push(b'"');
        push_mac(self.out, mac);
        self.out.push(b'"');
    }

    fn addr(&mut self, name: &str, addr: IpAddr) {
        self.key(name);
        self.out.push(b'"');
        push_addr(self.out, addr);
        self.out.push(b'"');
    }

    fn record(&mut self, record: &Record<'_>, depth: usize) {
        if let Some((src, dst)) = record.link {
            self.mac("src_mac", src);
            self.mac("dst_mac", dst);
        }
        if let Some(kind) = record.ethertype {
            self.number("ethertype", kind.into());
        }
        if !record.vlans.ids().is_empty() {
            self.key("vlan");
            for (n, &id) in record.vlans.ids().iter().enumerate() {
                self.out.push(if n == 0 { b'[' } else { b',' });
                self.digits(id.into());
            }
            self.out.push(b']');
        }
        if let Some(arp) = record.arp {
            self.word("arp", if arp.operation == 1 { "request" } else { "reply" });
            self.addr("src", IpAddr::V4(arp.sender));
            self.addr("dst", IpAddr::V4(arp.target));
        }
        self.ip(record);
        if let Some(application) = &record.application {
            self.application(application);
        }
        if let Some(tunnel) = &record.tunnel {
            self.word("tunnel", tunnel.kind);
            if let Some(id) = tunnel.id {
                self.number("tunnel_id", id.into());
            }
            if depth < DEEPEST {
                self.key("inner");
                self.out.push(b'{');
                self.first = true;
                self.record(&tunnel.record(), depth + 1);
                self.first = false;
                self.out.push(b'}');
            }
        }
    }

    fn ip(&mut self, record: &Record<'_>) {
        let Some(ip) = record.ip else { return };
        self.addr("src", ip.src);
        self.addr("dst", ip.dst);
        match protocol_name(ip.protocol) {
            Some(name) => self.word("proto", name),
            None => self.number("proto", ip.protocol.into()),
        }
        self.number("ttl", ip.ttl.into());
        if ip.tos != 0 {
            self.number("tos", ip.tos.into());
        }
        if let Some(off) = ip.fragment {
            self.number("fragment", off.into());
        }
        let Some(transport) = record.transport else { return };
        if let Some((src, dst)) = transport.ports {
            self.number("sport", src.into());
            self.number("dport", dst.into());
        }
        if let Some(flags) = transport.flags {
            self.key("flags");
            self.out.push(b'"');
            push_flags(self.out, flags);
            self.out.push(b'"');
        }
        if let Some((seq, ack, window)) = transport.tcp {
            self.number("seq", seq.into());
            self.number("ack", ack.into());
            self.number("win", window.into());
        }
        if let Some((kind, code)) = transport.icmp {
            self.number("icmp_type", kind.into());
            self.number("icmp_code", code.into());
        }
        self.number("payload", transport.payload as u64);
    }

    fn application(&mut self, application: &Application<'_>) {
        match *application {
            Application::Dns { id, result, answers, name, kind } => {
                self.number("dns_id", id.into());
                if let Some(name) = name {
                    self.key("dns_name");
                    self.out.push(b'"');
                    push_labels(name, |bytes| self.text(bytes));
                    self.out.push(b'"');
                    match tok(TYPES, kind.into()) {
                        Some(name) => self.word("dns_type", name),
                        None => self.number("dns_type", kind.into()),
                    }
                }
                if let Some(result) = result {
                    self.number("dns_result", result.into());
                    self.number("dns_answers", answers.into());
                }
            }
            Application::Tls { version, server_name, protocol } => {
                self.word("tls", version_name(version));
                if let Some(name) = server_name {
                    self.string("tls_server", name);
                }
                if let Some(name) = protocol {
                    self.string("tls_protocol", name);
                }
            }
            Application::Quic { version, kind, destination } => {
                self.word("quic", kind);
                self.number("quic_version", version.into());
                self.key("quic_dcid");
                self.out.push(b'"');
                for &byte in destination {
                    self.out.extend_from_slice(&hex(byte));
                }
                self.out.push(b'"');
            }
            Application::Text { protocol, line } => self.string(protocol, line),
            Application::Dhcp(kind) => self.number("dhcp", kind.into()),
        }
    }
}

pub(crate) fn push_mac(out: &mut Vec<u8>, mac: [u8; 6]) {
    for (n, byte) in mac.into_iter().enumerate() {
        if n > 0 {
            out.push(b':');
        }
        out.extend_from_slice(&hex(byte));
    }
}

pub(crate) fn push_addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(addr) => {
            for (n, byte) in addr.octets().into_iter().enumerate() {
                if n > 0 {
                    out.push(b'.');
                }
                out.extend_from_slice(itoa::Buffer::new().format(byte).as_bytes());
            }
        }
        IpAddr::V6(addr) => push_ipv6(out, addr.octets()),
    }
}

/// As tcpdump writes them.
pub(crate) fn push_flags(out: &mut Vec<u8>, flags: u8) {
    if flags == 0 {
        out.extend_from_slice(b"none");
    }
    for (bit, &name) in b"FSRP.UEW".iter().enumerate() {
        if flags >> bit & 1 == 1 {
            out.push(name);
        }
    }
}

/// Whether a terminal shows a character and does not obey it.
pub(crate) fn is_visible(c: char) -> bool {
    match c {
        ' '..='~' => true,
        c => c.escape_debug().len() == 1,
    }
}

/// The parts of a name that is given as labels.
pub(crate) fn push_labels(name: &[u8], mut push: impl FnMut(&[u8])) {
    let mut rest = name;
    let mut first = true;
    while let Some((&len, tail)) = rest.split_first() {
        if !first {
            push(b".");
        }
        first = false;
        let (label, tail) = tail.split_at_checked(len.into()).unwrap_or((tail, &[]));
        push(label);
        rest = tail;
    }
    if first {
        push(b".");
    }
}

/// Common protocols of IP.
pub(crate) const fn protocol_name(number: u8) -> Option<&'static str> {
    Some(match number {
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmpv6",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        132 => "sctp",
        _ => return None,
    })
}
