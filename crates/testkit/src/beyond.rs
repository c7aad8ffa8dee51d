//! What words that libpcap does not have mean, by taking packets apart plainly: a second opinion on the evaluator
//! of `skep-filter`.

use crate::traffic::{HOSTS4, PORTS, Traffic, traffic};
use rand::rngs::StdRng;
use rand::{Rng, RngCore};
use skep_filter::LinkType;
use std::net::Ipv4Addr;

/// The packet ends where something was to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short;

type Read<T> = Result<T, Short>;

/// The headers at one depth.
#[derive(Clone, Copy, Debug, Default)]
struct Layer {
    is_4: bool,
    is_6: bool,
    is_arp: bool,
    /// Something is there, whatever it is.
    is_there: bool,
    network: usize,
    proto: Option<u8>,
    /// Nothing in a later fragment.
    transport: Option<usize>,
}

/// A packet taken apart: the outermost headers, and those in up to two tunnels.
#[derive(Debug)]
pub struct Layers<'a> {
    bytes: &'a [u8],
    len: usize,
    layers: Vec<Layer>,
}

impl<'a> Layers<'a> {
    /// Takes a packet apart, down to a depth.
    ///
    /// # Errors
    /// [`Short`] if it ends inside of headers.
    pub fn of(one: &'a Traffic, link: LinkType, depth: usize) -> Read<Self> {
        let mut this = Self { bytes: &one.bytes, len: one.len as usize, layers: Vec::new() };
        if depth == 0 {
            return Ok(this);
        }
        let (mut kind, mut at) = match link {
            LinkType::Ethernet => (this.half(12)?, 14),
            LinkType::LinuxSll2 => (this.half(0)?, 20),
            _ => (this.version(0)?, 0),
        };
        if link != LinkType::Raw {
            (kind, at) = this.past_tags(kind, at, 8)?;
            (kind, at) = this.past_labels(kind, at)?;
        }
        for at_depth in 1..=depth {
            let layer = this.layer(kind, at)?;
            this.layers.push(layer);
            if at_depth < depth {
                (kind, at) = this.tunnel(&layer)?.unwrap_or((0, 0));
            }
        }
        Ok(this)
    }

    fn byte(&self, at: usize) -> Read<u8> {
        self.bytes.get(at).copied().ok_or(Short)
    }

    fn half(&self, at: usize) -> Read<u16> {
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk::<2>).ok_or(Short)?;
        Ok(u16::from_be_bytes(*bytes))
    }

    fn word(&self, at: usize) -> Read<u32> {
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk::<4>).ok_or(Short)?;
        Ok(u32::from_be_bytes(*bytes))
    }

    fn version(&self, at: usize) -> Read<u16> {
        Ok(match self.byte(at)? >> 4 {
            4 => 0x0800,
            6 => 0x86dd,
            _ => 0,
        })
    }

    fn past_tags(&self, kind: u16, at: usize, most: usize) -> Read<(u16, usize)> {
        let (mut kind, mut at) = (kind, at);
        for _ in 0..most {
            if ![0x8100, 0x88a8, 0x9100].contains(&kind) {
                break;
            }
            kind = self.half(at + 2)?;
            at += 4;
        }
        Ok((kind, at))
    }

    fn past_labels(&self, kind: u16, at: usize) -> Read<(u16, usize)> {
        match kind {
            0x8847 | 0x8848 => {
                for label in 0..8 {
                    if self.byte(at + 4 * label + 2)? & 1 == 1 {
                        let at = at + 4 * label + 4;
                        return Ok((self.version(at)?, at));
                    }
                }
                Ok((0, at))
            }
            0x8864 => Ok(match self.half(at + 6)? {
                0x21 => (0x0800, at + 8),
                0x57 => (0x86dd, at + 8),
                _ => (0, at),
            }),
            _ => Ok((kind, at)),
        }
    }

    fn layer(&self, kind: u16, at: usize) -> Read<Layer> {
        let mut layer = Layer {
            is_4: kind == 0x0800,
            is_6: kind == 0x86dd,
            is_arp: kind == 0x0806,
            is_there: kind != 0,
            network: at,
            ..Layer::default()
        };
        if layer.is_4 {
            layer.proto = Some(self.byte(at + 9)?);
            if self.half(at + 6)? & 0x1fff == 0 {
                layer.transport = Some(at + 4 * usize::from(self.byte(at)? & 15));
            }
        } else if layer.is_6 {
            let (mut next, mut place) = (self.byte(at + 6)?, at + 40);
            for _ in 0..6 {
                let [kind, len] = match next {
                    0 | 43 | 44 | 51 | 60 => self.half(place)?.to_be_bytes(),
                    _ => break,
                };
                let len = usize::from(len);
                if next == 44 && self.half(place + 2)? >> 3 != 0 {
                    layer.proto = Some(kind);
                    return Ok(layer);
                }
                place += match next {
                    44 => 8,
                    51 => 4 * len + 8,
                    _ => 8 * len + 8,
                };
                next = kind;
            }
            (layer.proto, layer.transport) = (Some(next), Some(place));
        }
        Ok(layer)
    }

    fn tunnel(&self, layer: &Layer) -> Read<Option<(u16, usize)>> {
        let (Some(proto), Some(at)) = (layer.proto, layer.transport) else { return Ok(None) };
        let (kind, inside) = match proto {
            4 => return Ok(Some((0x0800, at))),
            41 => return Ok(Some((0x86dd, at))),
            47 => {
                let flags = self.half(at)?;
                if flags & 0x4007 != 0 {
                    return Ok(None);
                }
                let fields = [0x8000, 0x2000, 0x1000].iter().filter(|&bit| flags & bit != 0);
                (self.half(at + 2)?, at + 4 + 4 * fields.count())
            }
            17 => match self.half(at + 2)? {
                4789 if self.byte(at + 8)? & 8 != 0 => (0x6558, at + 16),
                6081 => {
                    let first = self.byte(at + 8)?;
                    if first >> 6 != 0 {
                        return Ok(None);
                    }
                    (self.half(at + 10)?, at + 16 + 4 * usize::from(first & 0x3f))
                }
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        if kind != 0x6558 {
            return Ok(Some((kind, inside)));
        }
        let kind = self.half(inside + 12)?;
        self.past_tags(kind, inside + 14, 4).map(Some)
    }

    /// Whether one of the tags of an Ethernet frame is of these VLANs.
    fn has_tag(&self, ids: std::ops::RangeInclusive<u16>) -> Read<bool> {
        for depth in 0..8 {
            if ![0x8100, 0x88a8, 0x9100].contains(&self.half(12 + 4 * depth)?) {
                break;
            }
            if ids.contains(&(self.half(14 + 4 * depth)? & 0xfff)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn payload(&self, layer: &Layer) -> Read<&[u8]> {
        let start = match (layer.transport, layer.proto) {
            (None, _) => self.len,
            (Some(at), Some(6)) => at + 4 * usize::from(self.byte(at + 12)? >> 4),
            (Some(at), Some(17)) => at + 8,
            (Some(at), _) => at,
        };
        Ok(self.bytes.get(start..).unwrap_or(&[]))
    }
}

/// Whether a condition holds of a packet.
pub type OnPacket = Box<dyn Fn(&Layers<'_>) -> Result<bool, Short>>;

/// A condition, and whether it holds.
pub struct Word {
    /// As it is written.
    pub text: String,
    /// Whether it holds of a packet.
    pub holds: OnPacket,
    /// It reads payloads to the end of the packet, which must be at hand.
    pub whole: bool,
    /// How deep it looks: not at headers, at the outermost, into so many tunnels less one.
    pub depth: usize,
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn word(text: impl Into<String>, holds: impl Fn(&Layers<'_>) -> Read<bool> + 'static) -> Word {
    Word { text: text.into(), holds: Box::new(holds), whole: false, depth: 1 }
}

type OnLayer = Box<dyn Fn(&Layers<'_>, &Layer) -> Read<bool>>;

/// A condition on the headers at one depth.
fn on_layer(rng: &mut StdRng) -> (String, OnLayer, bool) {
    let port = PORTS[rng.random_range(0..PORTS.len())];
    let host = HOSTS4[rng.random_range(0..HOSTS4.len())];
    // Where ports are, of one of the protocols.
    let ports = |layer: &Layer, protos: &[u8]| -> Option<usize> {
        layer.transport.filter(|_| layer.proto.is_some_and(|proto| protos.contains(&proto)))
    };
    let flag = rng.random_range(0..8u32);
    match rng.random_range(0..13) {
        0 => (
            format!("tcp port {port}"),
            Box::new(move |packet, layer| {
                let Some(at) = ports(layer, &[6]) else { return Ok(false) };
                Ok(packet.half(at)? == port || packet.half(at + 2)? == port)
            }),
            false,
        ),
        1 => (
            format!("dst port {port}"),
            Box::new(move |packet, layer| {
                let Some(at) = ports(layer, &[6, 17, 132]) else { return Ok(false) };
                Ok(packet.half(at + 2)? == port)
            }),
            false,
        ),
        2 => (
            "src port in {20-60, 443}".into(),
            Box::new(move |packet, layer| {
                let Some(at) = ports(layer, &[6, 17, 132]) else { return Ok(false) };
                let src = packet.half(at)?;
                Ok((20..=60).contains(&src) || src == 443)
            }),
            false,
        ),
        3 => (
            format!("ip host {}", Ipv4Addr::from_bits(host)),
            Box::new(move |packet, layer| {
                let at = layer.network;
                Ok(layer.is_4 && (packet.word(at + 12)? == host || packet.word(at + 16)? == host))
            }),
            false,
        ),
        4 => (
            "ip dst host in {10.0.0.0-10.0.0.1, 192.168.0.0/16}".into(),
            Box::new(|packet, layer| {
                if !layer.is_4 {
                    return Ok(false);
                }
                let dst = packet.word(layer.network + 16)?;
                Ok(dst >> 1 == 0x0500_0000 || dst >> 16 == 0xc0a8)
            }),
            false,
        ),
        5 => ("ip6".into(), Box::new(|_, layer| Ok(layer.is_6)), false),
        6 => ("udp".into(), Box::new(|_, layer| Ok(layer.proto == Some(17))), false),
        7 => ("arp".into(), Box::new(|_, layer| Ok(layer.is_arp)), false),
        8 => (
            format!("tcp[13] & {} != 0", 1 << flag),
            Box::new(move |packet, layer| match layer.transport {
                Some(at) if layer.proto == Some(6) => Ok(packet.byte(at + 13)? >> flag & 1 == 1),
                _ => Ok(false),
            }),
            false,
        ),
        9 => (
            "ip6 src host in {::1, fe80::/10}".into(),
            Box::new(|packet, layer| {
                if !layer.is_6 {
                    return Ok(false);
                }
                let first = packet.word(layer.network + 8)?;
                if first >> 22 == 0x3fa {
                    return Ok(true);
                }
                // No more is read than tells.
                for (at, wanted) in [(8, 0), (12, 0), (16, 0), (20, 1)] {
                    if packet.word(layer.network + at)? != wanted {
                        return Ok(false);
                    }
                }
                Ok(true)
            }),
            false,
        ),
        10 => (
            "payload contains \"GET \" within 30".into(),
            Box::new(|packet, layer| {
                let payload = packet.payload(layer)?;
                Ok(payload
                    .iter()
                    .take(30)
                    .collect::<Vec<_>>()
                    .windows(4)
                    .any(|part| part.iter().copied().eq(b"GET ")))
            }),
            true,
        ),
        11 => (
            "ip.ttl = 64".into(),
            Box::new(|packet, layer| Ok(layer.is_4 && packet.byte(layer.network + 8)? == 64)),
            false,
        ),
        _ => (
            "icmp6.type = 128".into(),
            Box::new(|packet, layer| match layer.transport {
                Some(at) if layer.is_6 && layer.proto == Some(58) => Ok(packet.byte(at)? == 128),
                _ => Ok(false),
            }),
            false,
        ),
    }
}

/// A random condition.
pub fn condition(rng: &mut StdRng, link: LinkType, depth: u32) -> Word {
    match rng.random_range(0..if depth > 2 { 7 } else { 11 }) {
        0..=2 => scoped(rng, "any ", 0..3),
        3 | 4 => scoped(rng, "inner ", 1..3),
        5 => {
            const FLAGS: [&str; 8] = ["fin", "syn", "rst", "push", "ack", "urg", "ece", "cwr"];
            let bit = rng.random_range(0..8);
            word(format!("tcp.flags.{}", FLAGS[bit]), move |packet| {
                let layer = packet.layers[0];
                match layer.transport {
                    Some(at) if layer.proto == Some(6) => Ok(packet.byte(at + 13)? >> bit & 1 == 1),
                    _ => Ok(false),
                }
            })
        }
        6 if link == LinkType::Ethernet => {
            let id = rng.random_range(0..12);
            let tag = word(format!("any vlan in {{{id}-{}}}", id + 2), move |packet| {
                packet.has_tag(id..=id + 2)
            });
            Word { depth: 0, ..tag }
        }
        6 => word("udp.len = 40", |packet| {
            let layer = packet.layers[0];
            match layer.transport {
                Some(at) if layer.proto == Some(17) => Ok(packet.half(at + 4)? == 40),
                _ => Ok(false),
            }
        }),
        7 => {
            let inner = condition(rng, link, depth + 1);
            let (whole, depth) = (inner.whole, inner.depth);
            let not =
                word(format!("not ({})", inner.text), move |packet| Ok(!(inner.holds)(packet)?));
            Word { whole, depth, ..not }
        }
        which => {
            let (left, right) = (condition(rng, link, depth + 1), condition(rng, link, depth + 1));
            let is_and = which == 8;
            let text =
                format!("({}) {} ({})", left.text, if is_and { "and" } else { "or" }, right.text);
            let whole = left.whole || right.whole;
            let depth = left.depth.max(right.depth);
            let both = word(text, move |packet| {
                let left = (left.holds)(packet)?;
                if left == is_and { (right.holds)(packet) } else { Ok(left) }
            });
            Word { whole, depth, ..both }
        }
    }
}

/// `any` or `inner` before a condition, or two in a parenthesis.
fn scoped(rng: &mut StdRng, scope: &str, depths: std::ops::Range<usize>) -> Word {
    let (text, holds, whole) = on_layer(rng);
    let (text, holds, whole): (String, OnLayer, bool) = if rng.random_ratio(1, 3) {
        let (other_text, other, other_whole) = on_layer(rng);
        let both = move |packet: &Layers<'_>, layer: &Layer| {
            Ok(holds(packet, layer)? && !other(packet, layer)?)
        };
        (format!("({text} and not {other_text})"), Box::new(both), whole || other_whole)
    } else {
        (text, holds, whole)
    };
    let all = word(format!("{scope}{text}"), move |packet| {
        for depth in depths.clone() {
            let layer = packet.layers[depth];
            if (depth == 0 || layer.is_there) && holds(packet, &layer)? {
                return Ok(true);
            }
        }
        Ok(false)
    });
    Word { whole, depth: 3, ..all }
}

/// A packet, often with a tunnel.
pub fn tunnelled(rng: &mut StdRng, link: LinkType) -> Traffic {
    let mut one = traffic(rng, link);
    if rng.random_ratio(1, 3) || one.len as usize != one.bytes.len() {
        return one;
    }
    let inner = if rng.random() { LinkType::Ethernet } else { LinkType::Raw };
    let inner = traffic(rng, inner);
    let version = inner.bytes.first().map_or(0, |byte| byte >> 4);
    let mut out = match link {
        LinkType::Ethernet => {
            let mut out = vec![0u8; 12];
            for _ in 0..[0, 0, 1, 2, 4, 5][rng.random_range(0..6)] {
                out.extend([0x81, 0, 0, rng.random_range(0..14)]);
            }
            out.extend([8, 0]);
            out
        }
        LinkType::LinuxSll2 => {
            let mut out = vec![0u8; 20];
            out[0] = 8;
            out
        }
        _ => Vec::new(),
    };
    let mut body = Vec::new();
    let proto = match rng.random_range(0..4) {
        0 if version == 4 => 4,
        1 if version == 6 => 41,
        2 => {
            let flags = [0u16, 0x8000, 0x2000, 0xb000, 0x1000, 0x4000, 1][rng.random_range(0..7)];
            body.extend(flags.to_be_bytes());
            body.extend(match version {
                4 => [8, 0],
                6 => [0x86, 0xdd],
                _ => [0x65, 0x58],
            });
            body.resize(4 + 4 * (flags & 0xb000).count_ones() as usize, 7);
            47
        }
        _ => {
            body.extend([0, 80, 0x12, 0xb5, 0, 40, 0, 0]);
            body.extend([rng.random_range(0..2) * 8, 0, 0, 0, 0, 0, 5, 0]);
            17
        }
    };
    body.extend(&inner.bytes);
    out.extend([0x45, 0, 0, 60, 0, 0, 0, 0, 64, proto, 0, 0]);
    out.extend([HOSTS4[0], HOSTS4[1]].map(u32::to_be_bytes).concat());
    out.extend(body);
    if rng.random_ratio(1, 10) {
        let noise = rng.next_u32();
        let at = noise as usize % out.len();
        out[at] = noise.to_be_bytes()[0];
    }
    one.len = u32::try_from(out.len()).unwrap_or(u32::MAX);
    if rng.random_ratio(1, 10) {
        out.truncate(rng.random_range(0..=out.len()));
    }
    one.bytes = out;
    one
}
