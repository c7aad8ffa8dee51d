//! The system calls that std does not wrap, each in the smallest safe function.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;
use std::{io, mem, ptr};

/// `struct ifreq` on 64-bit hosts.
const IFREQ: usize = 40;

/// Index of the interface with a name.
pub(super) fn ifindex(name: &CStr) -> io::Result<u32> {
    // SAFETY: a `CStr` ends in a zero byte, which is all the function asks for.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// A raw packet socket that receives nothing until it is bound to a protocol.
pub(super) fn packet_socket() -> io::Result<OwnedFd> {
    // SAFETY: the call takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just returned the descriptor to this function alone.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Binds a packet socket to an interface and a protocol; 0 receives nothing.
pub(super) fn bind(fd: impl AsFd, ifindex: u32, protocol: u16) -> io::Result<()> {
    let addr = link_addr(ifindex, protocol)?;
    // SAFETY: pointer and length are those of `addr`, which the kernel reads.
    let rc =
        unsafe { libc::bind(fd.as_fd().as_raw_fd(), ptr::from_ref(&addr).cast(), link_addr_len()) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `ARPHRD_` number of the interface that a socket is bound to.
pub(super) fn hardware(fd: impl AsFd) -> io::Result<u16> {
    let mut addr = link_addr(0, 0)?;
    let mut len = link_addr_len();
    // SAFETY: the kernel writes at most `len` bytes, the size of `addr`, any of which it may hold.
    let rc = unsafe {
        libc::getsockname(fd.as_fd().as_raw_fd(), ptr::from_mut(&mut addr).cast(), &raw mut len)
    };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(addr.sll_hatype) }
}

/// Sets a socket option whose value is the given bytes.
pub(super) fn set_option(fd: impl AsFd, level: i32, name: i32, value: &[u8]) -> io::Result<()> {
    let len = libc::socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: pointer and length are those of `value`, which the kernel reads.
    let rc = unsafe {
        libc::setsockopt(fd.as_fd().as_raw_fd(), level, name, value.as_ptr().cast(), len)
    };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What [`receive`] got besides bytes.
pub(super) struct Received {
    /// Length of the frame, of which the buffer may hold less.
    pub(super) len: usize,
    /// Bytes of control messages.
    pub(super) control: usize,
    /// `PACKET_` number of the packet type.
    pub(super) pkt_type: u8,
}

/// Receives a frame and its control messages without waiting.
pub(super) fn receive(fd: impl AsFd, buf: &mut [u8], control: &mut [u8]) -> io::Result<Received> {
    let mut addr = link_addr(0, 0)?;
    let mut iov = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: all fields of `msghdr` are integers and pointers, for which 0 is a value.
    let mut msg: libc::msghdr = unsafe { mem::zeroed() };
    msg.msg_name = ptr::from_mut(&mut addr).cast();
    msg.msg_namelen = link_addr_len();
    msg.msg_iov = &raw mut iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.as_mut_ptr().cast();
    msg.msg_controllen = control.len() as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
    // SAFETY: `msg` points to `addr`, to `buf` by way of `iov`, and to `control`, all with their
    // lengths and all borrowed or owned here until the call is over; the kernel writes bytes.
    let len = unsafe { libc::recvmsg(fd.as_fd().as_raw_fd(), &raw mut msg, flags) };
    let len = usize::try_from(len).map_err(|_| io::Error::last_os_error())?;
    Ok(Received { len, control: msg.msg_controllen as _, pkt_type: addr.sll_pkttype })
}

/// Waits until there is something to read; `false` if the time is over or a signal came first.
pub(super) fn wait(fd: impl AsFd, timeout: Duration) -> io::Result<bool> {
    let mut poll = libc::pollfd { fd: fd.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the pointer is to one `pollfd`, as the length says.
    match unsafe { libc::poll(&raw mut poll, 1, millis) } {
        0 => Ok(false),
        1.. => Ok(true),
        _ => match io::Error::last_os_error() {
            e if e.kind() == io::ErrorKind::Interrupted => Ok(false),
            e => Err(e),
        },
    }
}

/// Makes an open `/dev/net/tun` the device `name`, which is created if there is none.
pub(super) fn set_tap(fd: impl AsFd, name: &CStr, flags: i32) -> io::Result<()> {
    let mut request = [0_u8; IFREQ];
    let name = name.to_bytes();
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    request[..name.len()].copy_from_slice(name);
    let flags = i16::try_from(flags).map_err(io::Error::other)?;
    request[libc::IFNAMSIZ..libc::IFNAMSIZ + 2].copy_from_slice(&flags.to_ne_bytes());
    // SAFETY: the request reads and writes a `struct ifreq`, and `request` is as long as one.
    let rc =
        unsafe { libc::ioctl(fd.as_fd().as_raw_fd(), libc::TUNSETIFF as _, request.as_mut_ptr()) };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn link_addr(ifindex: u32, protocol: u16) -> io::Result<libc::sockaddr_ll> {
    Ok(libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).map_err(io::Error::other)?,
        sll_protocol: protocol.to_be(),
        sll_ifindex: i32::try_from(ifindex).map_err(io::Error::other)?,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    })
}

fn link_addr_len() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).expect("bug: the size is 20")
}
