//! What the host says of times and addresses: its time zone, and names.

use std::ffi::{CStr, CString};
use std::net::{IpAddr, SocketAddr};
use std::{mem, ptr};

/// Longest name of a host, `NI_MAXHOST`.
const LONGEST: usize = 1025;
/// Longest path of a file, `PATH_MAX`.
const PATH: usize = 4096;

/// Seconds that local time is ahead of UTC, at a second since 1970.
///
/// The zone is that of `TZ` or `/etc/localtime`.
#[must_use]
pub fn utc_offset(seconds: u32) -> i32 {
    local(seconds.into()).map_or(0, |tm| i32::try_from(tm.tm_gmtoff).unwrap_or(0))
}

/// A pattern of strftime(3) with a local time in it, which is given in seconds since 1970.
///
/// Nothing if that is empty or longer than any path.
#[must_use]
pub fn strftime(pattern: &[u8], seconds: i64) -> Option<Vec<u8>> {
    let pattern = CString::new(pattern).ok()?;
    let tm = local(seconds)?;
    let mut text = vec![0_u8; PATH];
    // SAFETY: the buffer has the given length, the pattern ends in a zero, and `tm` was made by localtime_r(3).
    let len = unsafe {
        libc::strftime(text.as_mut_ptr().cast(), text.len(), pattern.as_ptr(), &raw const tm)
    };
    text.truncate(len);
    Some(text).filter(|text| !text.is_empty())
}

/// A second since 1970 by the clocks on walls.
fn local(seconds: i64) -> Option<libc::tm> {
    // SAFETY: all fields of `tm` are integers, and a pointer that may be null.
    let mut tm: libc::tm = unsafe { mem::zeroed() };
    // SAFETY: both pointers are to values that live until the call is over; the second is written.
    let done = unsafe { libc::localtime_r(&raw const seconds, &raw mut tm) };
    (!done.is_null()).then_some(tm)
}

/// The name of an address, as the host's resolver knows it. May take as long as the network likes.
#[must_use]
pub fn host_name(addr: IpAddr) -> Option<String> {
    let mut name = [0_u8; LONGEST];
    let len = u32::try_from(name.len()).ok()?;
    let (addr, addr_len) = SocketAddr::new(addr, 0).into_raw();
    // SAFETY: the address is of the given length, the buffer for the name too, and no service name is
    // asked for.
    let rc = unsafe {
        libc::getnameinfo(
            ptr::from_ref(&addr).cast(),
            addr_len,
            name.as_mut_ptr().cast(),
            len,
            ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if rc != 0 {
        return None;
    }
    CStr::from_bytes_until_nul(&name).ok()?.to_str().ok().map(str::to_owned)
}

/// Addresses as the system takes them.
trait IntoRaw {
    /// The address and the length of what it holds.
    fn into_raw(self) -> (libc::sockaddr_storage, libc::socklen_t);
}

impl IntoRaw for SocketAddr {
    fn into_raw(self) -> (libc::sockaddr_storage, libc::socklen_t) {
        // SAFETY: all fields of `sockaddr_storage` are integers.
        let mut storage: libc::sockaddr_storage = unsafe { mem::zeroed() };
        let to = ptr::from_mut(&mut storage);
        let len = match self {
            Self::V4(addr) => {
                let raw = libc::sockaddr_in {
                    sin_family: family(libc::AF_INET),
                    sin_port: addr.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from(*addr.ip()).to_be() },
                    sin_zero: [0; 8],
                };
                // SAFETY: storage is large and aligned enough for any address.
                unsafe { to.cast::<libc::sockaddr_in>().write(raw) };
                size_of::<libc::sockaddr_in>()
            }
            Self::V6(addr) => {
                let raw = libc::sockaddr_in6 {
                    sin6_family: family(libc::AF_INET6),
                    sin6_port: addr.port().to_be(),
                    sin6_flowinfo: addr.flowinfo(),
                    sin6_addr: libc::in6_addr { s6_addr: addr.ip().octets() },
                    sin6_scope_id: addr.scope_id(),
                };
                // SAFETY: as above.
                unsafe { to.cast::<libc::sockaddr_in6>().write(raw) };
                size_of::<libc::sockaddr_in6>()
            }
        };
        (storage, libc::socklen_t::try_from(len).expect("bug: addresses are short"))
    }
}

fn family(number: i32) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).expect("bug: families are small numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_a_name_and_nothing_has_none() {
        // Where /etc/hosts names it, as nearly everywhere.
        if let Some(name) = host_name("127.0.0.1".parse().unwrap()) {
            assert!(!name.is_empty());
        }
        assert_eq!(host_name("192.0.2.255".parse().unwrap()), None);
    }

    #[test]
    fn patterns_are_those_of_the_c_library() {
        let text = |pattern: &str| strftime(pattern.as_bytes(), 1_700_000_000);
        let is = |pattern: &str, words: &str| {
            assert_eq!(text(pattern).as_deref(), Some(words.as_bytes()), "{pattern}");
        };
        // At any place on earth.
        is("%Y %y %C %G %g %b %h %B", "2023 23 20 2023 23 Nov Nov November");
        is("%s%%%n%t", "1700000000%\n\t");
        assert_eq!(text("%D"), text("%m/%d/%y"));
        assert_eq!(text(""), None);
        assert_eq!(text("a\0b"), None);
        assert_eq!(text(&"x".repeat(PATH)), None);
    }

    #[test]
    fn offsets_are_less_than_a_day() {
        for seconds in [0, 1_000_000_000, u32::MAX] {
            assert!(utc_offset(seconds).abs() < 86_400);
        }
    }
}
