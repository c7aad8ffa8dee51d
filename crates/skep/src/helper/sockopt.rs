//! Options of the sockets that the user describes, which iterators over them ask and change.
//!
//! Source: `__bpf_setsockopt`, `sol_socket_sockopt`, `sol_tcp_sockopt` in `net/core/filter.c`; `sk_setsockopt`,
//! `do_tcp_setsockopt`. Congestion controls are all there, whatever they are called.

use super::socket::{held, place};
use super::status;
use crate::host::Host;
use crate::network::{Socket, Transport};
use skep_abi::Errno;
use skep_vm::{Cx, Helpers, Stop};

const SOL_SOCKET: i32 = 1;
const SOL_IP: i32 = 0;
const SOL_TCP: i32 = 6;
const SOL_IPV6: i32 = 41;
const TCP_CONGESTION: i32 = 13;
/// `TCP_CA_NAME_MAX`
const NAME_MAX: usize = 16;

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers
        .with(49, "bpf_setsockopt", |cx: &mut Cx<'_, Host>, sk: u64, level, name, from, len| {
            set(cx, sk, (level, name), from, len)
        })
        .with(57, "bpf_getsockopt", |cx: &mut Cx<'_, Host>, sk: u64, level, name, to, len| {
            get(cx, sk, (level, name), to, len)
        })
}

/// An option that is a number.
struct Number {
    at: (i32, i32),
    /// What it is unless somebody sets it.
    usual: i32,
    set: Set,
}

/// What a number becomes when it is set.
enum Set {
    /// Itself, if it is in the range.
    In(i32, i32),
    /// 0 or 1.
    Bool,
    /// Twice itself, between bounds. Kernel: `__sock_set_rcvbuf`.
    Twice { most: i32, least: i32 },
    /// It cannot be.
    Never,
}

/// `SOCK_MIN_SNDBUF`, `SOCK_MIN_RCVBUF`, and the most that `net.core.wmem_max` and `rmem_max` allow unless set.
const SEND: Set = Set::Twice { most: 212_992, least: 4608 };
const RECEIVE: Set = Set::Twice { most: 212_992, least: 2304 };

const fn number(level: i32, name: i32, usual: i32, set: Set) -> Number {
    Number { at: (level, name), usual, set }
}

#[rustfmt::skip]
const NUMBERS: &[Number] = {
    use Set::{Bool, In, Never};
    const ANY: Set = In(i32::MIN, i32::MAX);
    &[
        number(SOL_SOCKET,  2, 0, Bool),             // SO_REUSEADDR
        number(SOL_SOCKET,  7, 16_384, SEND),        // SO_SNDBUF
        number(SOL_SOCKET,  8, 131_072, RECEIVE),    // SO_RCVBUF
        number(SOL_SOCKET,  9, 0, Bool),             // SO_KEEPALIVE
        number(SOL_SOCKET, 12, 0, ANY),              // SO_PRIORITY
        number(SOL_SOCKET, 15, 0, Bool),             // SO_REUSEPORT
        number(SOL_SOCKET, 18, 1, ANY),              // SO_RCVLOWAT
        number(SOL_SOCKET, 36, 0, ANY),              // SO_MARK
        number(SOL_SOCKET, 47, -1, ANY),             // SO_MAX_PACING_RATE
        number(SOL_SOCKET, 62, 0, In(0, i32::MAX)),  // SO_BINDTOIFINDEX
        number(SOL_SOCKET, 74, 1, In(-1, 1)),        // SO_TXREHASH
        number(SOL_IP,      1, 0, In(0, 255)),       // IP_TOS
        number(SOL_IPV6,   67, 0, In(-1, 255)),      // IPV6_TCLASS
        number(SOL_IPV6,   70, 0, Bool),             // IPV6_AUTOFLOWLABEL
        number(SOL_TCP,     1, 0, Bool),             // TCP_NODELAY
        number(SOL_TCP,     2, 0, In(88, 32_767)),   // TCP_MAXSEG
        number(SOL_TCP,     4, 7200, In(1, 32_767)), // TCP_KEEPIDLE
        number(SOL_TCP,     5, 75, In(1, 32_767)),   // TCP_KEEPINTVL
        number(SOL_TCP,     6, 9, In(1, 127)),       // TCP_KEEPCNT
        number(SOL_TCP,     7, 6, In(1, 127)),       // TCP_SYNCNT
        number(SOL_TCP,    10, 0, ANY),              // TCP_WINDOW_CLAMP
        number(SOL_TCP,    16, 0, In(0, 1)),         // TCP_THIN_LINEAR_TIMEOUTS
        number(SOL_TCP,    18, 0, In(0, i32::MAX)),  // TCP_USER_TIMEOUT
        number(SOL_TCP,    25, 0, ANY),              // TCP_NOTSENT_LOWAT
        number(SOL_TCP,    27, 0, In(0, 2)),         // TCP_SAVE_SYN
        number(SOL_TCP,    28, 0, Never),            // TCP_SAVED_SYN: none was saved
    ]
};

/// The option, if such a socket has it.
fn find(socket: &Socket, at: (i32, i32)) -> Option<&'static Number> {
    let fits = match at.0 {
        SOL_TCP => socket.transport == Transport::Tcp,
        SOL_IP => socket.local.is_ipv4(),
        SOL_IPV6 => socket.local.is_ipv6(),
        _ => true,
    };
    NUMBERS.iter().find(|number| fits && number.at == at)
}

fn is_congestion(socket: &Socket, at: (i32, i32)) -> bool {
    at == (SOL_TCP, TCP_CONGESTION) && socket.transport == Transport::Tcp
}

fn set(cx: &mut Cx<'_, Host>, sk: u64, at: (i32, i32), from: u64, len: i32) -> Result<u64, Stop> {
    let socket = held(cx, "bpf_setsockopt", sk)?;
    let (is_congestion, number) = (is_congestion(socket, at), find(socket, at));
    let Ok(len) = u32::try_from(len) else { return Ok(Errno::EINVAL.r0()) };
    let given = cx.mem.read_vec(from, len.into())?;
    let place = place(cx, sk);
    let Some(socket) = place.and_then(|at| cx.state.network.sockets.get_mut(at)) else {
        return Ok(Errno::EINVAL.r0());
    };
    if is_congestion {
        if len < 2 {
            return Ok(Errno::EINVAL.r0());
        }
        let text = given.iter().take(NAME_MAX - 1).take_while(|&&byte| byte != 0);
        socket.congestion =
            String::from_utf8_lossy(&text.copied().collect::<Vec<u8>>()).into_owned();
        return Ok(0);
    }
    let (Some(number), Some(value)) = (number, given.as_array::<4>()) else {
        return Ok(Errno::EINVAL.r0());
    };
    Ok(status(number.set.of(i32::from_le_bytes(*value)).map(|value| store(socket, at, value))))
}

impl Set {
    fn of(&self, value: i32) -> Result<i32, Errno> {
        match *self {
            Self::In(least, most) if (least..=most).contains(&value) => Ok(value),
            Self::In(..) | Self::Never => Err(Errno::EINVAL),
            Self::Bool => Ok(i32::from(value != 0)),
            // The kernel compares without sign: less than none is more than the most.
            Self::Twice { most, least } => {
                let value = if value < 0 { most } else { value.min(most) };
                Ok((value * 2).max(least))
            }
        }
    }
}

/// What a socket is described by has fields of its own.
fn store(socket: &mut Socket, at: (i32, i32), value: i32) {
    match at {
        (SOL_SOCKET, 12) => socket.priority = value.cast_unsigned(),
        (SOL_SOCKET, 36) => socket.mark = value.cast_unsigned(),
        (SOL_SOCKET, 62) => socket.ifindex = value.cast_unsigned(),
        _ => {
            socket.options.insert(at, value);
        }
    }
}

fn load(socket: &Socket, number: &Number) -> i32 {
    match number.at {
        (SOL_SOCKET, 12) => socket.priority.cast_signed(),
        (SOL_SOCKET, 36) => socket.mark.cast_signed(),
        (SOL_SOCKET, 62) => socket.ifindex.cast_signed(),
        (SOL_TCP, 2) => socket.tcp.mss_cache.cast_signed(),
        at => socket.options.get(&at).copied().unwrap_or(number.usual),
    }
}

fn get(cx: &mut Cx<'_, Host>, sk: u64, at: (i32, i32), to: u64, len: i32) -> Result<u64, Stop> {
    let socket = held(cx, "bpf_getsockopt", sk)?;
    let Ok(size) = usize::try_from(len) else { return Ok(Errno::EINVAL.r0()) };
    let mut bytes = vec![0; size];
    let answer = if is_congestion(socket, at) {
        // The last byte is the end of the text.
        let room = size.checked_sub(1).filter(|&room| room > 0);
        let name = socket.congestion.as_bytes();
        room.map(|room| name.get(..room).unwrap_or(name).to_vec())
    } else {
        let number =
            find(socket, at).filter(|number| matches!(number.set, Set::Never) || size == 4);
        match number {
            Some(Number { set: Set::Never, .. }) => (size > 0).then(Vec::new),
            number => number.map(|number| load(socket, number).to_le_bytes().to_vec()),
        }
    };
    let errno = answer.is_none();
    for (to, from) in bytes.iter_mut().zip(answer.unwrap_or_default()) {
        *to = from;
    }
    // What is refused leaves zeroes. Kernel: `_bpf_getsockopt`.
    cx.mem.write(to, &bytes)?;
    Ok(if errno { Errno::EINVAL.r0() } else { 0 })
}
