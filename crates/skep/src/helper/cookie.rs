//! SYN cookies: what a server knows of a connection, in the number that the client gives back.
//!
//! A cookie is the sum of a keyed hash of the addresses and ports, the client's sequence number, the minute
//! above 24 bits, and below a hash of the minute too with the index of the segment size, as Linux makes it.
//! The key is this engine's, the same in each run: cookies are those of no kernel.

use super::socket::held;
use crate::host::Host;
use skep_abi::Errno;
use skep_vm::{Cx, Env, Helpers, Stop};

/// Minutes for which a cookie is good. Kernel: `MAX_SYNCOOKIE_AGE`.
const AGE: u32 = 2;
const MINUTE_NS: u64 = 60_000_000_000;
const LOW: u32 = 0x00ff_ffff;
/// Bytes of a TCP header without options.
const TCP: usize = 20;

/// What depends on the version of IP.
#[derive(Clone, Copy)]
struct Version {
    /// Bytes of a header without options, and where its addresses are.
    header: usize,
    addresses: usize,
    /// Segment sizes that a cookie can stand for. Kernel: `msstab`.
    sizes: [u16; 4],
    /// That of a client which does not say.
    default: u16,
}

const V4: Version =
    Version { header: 20, addresses: 12, sizes: [536, 1300, 1440, 1460], default: 536 };
const V6: Version =
    Version { header: 40, addresses: 8, sizes: [1220, 1420, 1440, 8940], default: 1220 };

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    let helpers = helpers
        .with(204, "bpf_tcp_raw_gen_syncookie_ipv4", |cx: &mut Cx<'_, Host>, ip, tcp, len| {
            make(cx, V4, ip, tcp, len)
        })
        .with(205, "bpf_tcp_raw_gen_syncookie_ipv6", |cx: &mut Cx<'_, Host>, ip, tcp, len| {
            make(cx, V6, ip, tcp, len)
        })
        .with(206, "bpf_tcp_raw_check_syncookie_ipv4", |cx: &mut Cx<'_, Host>, ip, tcp| {
            check(cx, V4, ip, tcp)
        })
        .with(207, "bpf_tcp_raw_check_syncookie_ipv6", |cx: &mut Cx<'_, Host>, ip, tcp| {
            check(cx, V6, ip, tcp)
        });
    helpers
        .with(
            100,
            "bpf_tcp_check_syncookie",
            |cx: &mut Cx<'_, Host>, sk: u64, ip: u64, ip_len: u32, tcp: u64, tcp_len: u32| {
                check_for(cx, sk, (ip, ip_len), (tcp, tcp_len))
            },
        )
        .with(
            110,
            "bpf_tcp_gen_syncookie",
            |cx: &mut Cx<'_, Host>, sk: u64, ip: u64, ip_len: u32, tcp: u64, tcp_len: u32| {
                make_for(cx, sk, (ip, ip_len), (tcp, tcp_len))
            },
        )
}

/// Flags of a TCP header.
const FIN: u8 = 1;
const SYN: u8 = 1 << 1;
const RST: u8 = 1 << 2;
const ACK: u8 = 1 << 4;

/// The version of IP of a header, if the socket listens to it.
fn version_for(
    cx: &Cx<'_, Host>,
    listens_to_v6: bool,
    (ip, len): (u64, u32),
) -> Result<Result<Version, Errno>, Stop> {
    if (len as usize) < V4.header {
        return Ok(Err(Errno::EINVAL));
    }
    let mut first = [0];
    cx.mem.read(ip, &mut first)?;
    Ok(match first[0] >> 4 {
        4 => Ok(V4),
        6 if (len as usize) < V6.header || !listens_to_v6 => Err(Errno::EINVAL),
        6 => Ok(V6),
        _ => Err(Errno::EPROTONOSUPPORT),
    })
}

/// Kernel: `bpf_tcp_check_syncookie`.
fn check_for(
    cx: &mut Cx<'_, Host>,
    sk: u64,
    ip: (u64, u32),
    (tcp, tcp_len): (u64, u32),
) -> Result<u64, Stop> {
    let socket = held(cx, "bpf_tcp_check_syncookie", sk)?;
    let (listens, v6, flooded) = (socket.listens(), socket.local.is_ipv6(), socket.flooded);
    if (tcp_len as usize) < TCP || !listens {
        return Ok(Errno::EINVAL.r0());
    }
    let flags = cx.mem.read_vec(tcp, TCP as u64)?.get(13).copied().unwrap_or_default();
    if flags & (ACK | RST | SYN) != ACK {
        return Ok(Errno::ENOENT.r0());
    }
    if (ip.1 as usize) < V4.header {
        return Ok(Errno::EINVAL.r0());
    }
    if !flooded {
        return Ok(Errno::ENOENT.r0());
    }
    match version_for(cx, v6, ip)? {
        Ok(version) => {
            let good = check(cx, version, ip.0, tcp)? == 0;
            Ok(if good { 0 } else { Errno::ENOENT.r0() })
        }
        Err(errno) => Ok(errno.r0()),
    }
}

/// Kernel: `bpf_tcp_gen_syncookie`. There are cookies only while the socket's queue is full.
fn make_for(
    cx: &mut Cx<'_, Host>,
    sk: u64,
    ip: (u64, u32),
    (tcp, tcp_len): (u64, u32),
) -> Result<u64, Stop> {
    let socket = held(cx, "bpf_tcp_gen_syncookie", sk)?;
    let (listens, v6, flooded) = (socket.listens(), socket.local.is_ipv6(), socket.flooded);
    if (tcp_len as usize) < TCP {
        return Ok(Errno::EINVAL.r0());
    }
    let header = cx.mem.read_vec(tcp, TCP as u64)?;
    let (len, flags) = match header.get(12..14) {
        Some(&[len, flags]) => (u32::from(len >> 4) * 4, flags),
        _ => (0, 0),
    };
    if len != tcp_len || !listens || flags & (SYN | ACK | FIN | RST) != SYN {
        return Ok(Errno::EINVAL.r0());
    }
    match version_for(cx, v6, ip)? {
        Ok(_) if !flooded => Ok(Errno::ENOENT.r0()),
        Ok(version) => make(cx, version, ip.0, tcp, tcp_len),
        Err(errno) => Ok(errno.r0()),
    }
}

/// The addresses and ports of a segment, and its sequence and acknowledgement numbers.
struct Segment {
    flow: Vec<u8>,
    seq: u32,
    ack: u32,
}

fn segment(cx: &Cx<'_, Host>, version: Version, ip: u64, tcp: &[u8]) -> Result<Segment, Stop> {
    let ip = cx.mem.read_vec(ip, version.header as u64)?;
    let word = |at: usize| {
        tcp.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |w| u32::from_be_bytes(*w))
    };
    let mut flow = ip.get(version.addresses..).unwrap_or_default().to_vec();
    flow.extend(tcp.get(..4).unwrap_or_default());
    Ok(Segment { flow, seq: word(4), ack: word(8) })
}

/// Kernel: `bpf_tcp_raw_gen_syncookie_ipv4`, `secure_tcp_syn_cookie`.
fn make(cx: &mut Cx<'_, Host>, version: Version, ip: u64, tcp: u64, len: u32) -> Result<u64, Stop> {
    if (len as usize) < TCP {
        return Ok(Errno::EINVAL.r0());
    }
    let header = cx.mem.read_vec(tcp, len.into())?;
    if u32::from(header.get(12).copied().unwrap_or_default() >> 4) * 4 != len {
        return Ok(Errno::EINVAL.r0());
    }
    let segment = segment(cx, version, ip, &header)?;
    let asked = segment_size(header.get(TCP..).unwrap_or_default()).unwrap_or(version.default);
    let index = version.sizes.iter().rposition(|&size| size <= asked).unwrap_or(0);
    let minute = minute(cx);
    let data = hash(&segment.flow, minute, 1).wrapping_add(u32::try_from(index).unwrap_or(0));
    let cookie = hash(&segment.flow, 0, 0)
        .wrapping_add(segment.seq)
        .wrapping_add(minute << 24)
        .wrapping_add(data & LOW);
    let size = version.sizes.get(index).copied().unwrap_or_default();
    Ok(u64::from(cookie) | u64::from(size) << 32)
}

/// Kernel: `bpf_tcp_raw_check_syncookie_ipv4`, `check_tcp_syn_cookie`.
fn check(cx: &mut Cx<'_, Host>, version: Version, ip: u64, tcp: u64) -> Result<u64, Stop> {
    let header = cx.mem.read_vec(tcp, TCP as u64)?;
    let segment = segment(cx, version, ip, &header)?;
    let minute = minute(cx);
    let rest = segment
        .ack
        .wrapping_sub(1)
        .wrapping_sub(hash(&segment.flow, 0, 0))
        .wrapping_sub(segment.seq.wrapping_sub(1));
    let age = minute.wrapping_sub(rest >> 24) & 0xff;
    let index = rest.wrapping_sub(hash(&segment.flow, minute.wrapping_sub(age), 1)) & LOW;
    let good = age < AGE && (index as usize) < version.sizes.len();
    Ok(if good { 0 } else { Errno::EACCES.r0() })
}

fn minute(cx: &mut Cx<'_, Host>) -> u32 {
    u32::try_from(cx.state.monotonic_ns() / MINUTE_NS).unwrap_or(u32::MAX)
}

/// The largest segment that the options of a header ask for (RFC 9293, section 3.2).
fn segment_size(mut options: &[u8]) -> Option<u16> {
    while let [kind, rest @ ..] = options {
        options = match (kind, rest) {
            (0, _) => return None,
            (1, rest) => rest,
            (2, [4, high, low, ..]) => {
                return Some(u16::from_be_bytes([*high, *low])).filter(|size| *size != 0);
            }
            (_, [len, ..]) if *len >= 2 => options.get(usize::from(*len)..)?,
            _ => return None,
        };
    }
    None
}

/// SplitMix64 over the words, keyed.
fn hash(flow: &[u8], minute: u32, which: u64) -> u32 {
    const KEY: u64 = 0x5eed_c00c_1e5a_f17e;
    let mut state = KEY ^ which << 32 ^ u64::from(minute);
    for bytes in flow.chunks(8) {
        let word = bytes.iter().fold(0, |word: u64, &byte| word << 8 | u64::from(byte));
        state = (state ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        state = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state = (state ^ state >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    u32::try_from(state >> 32).unwrap_or_default()
}
