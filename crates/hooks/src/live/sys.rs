//! The system calls that std does not wrap, each in the smallest safe function.

use std::ffi::CStr;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{io, mem, ptr, slice};

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
    packet_socket_of(false)
}

/// A packet socket that receives nothing until it is bound to a protocol; without link headers if it is to be
/// cooked.
pub(super) fn packet_socket_of(cooked: bool) -> io::Result<OwnedFd> {
    let kind = if cooked { libc::SOCK_DGRAM } else { libc::SOCK_RAW };
    // SAFETY: the call takes no pointers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind | libc::SOCK_CLOEXEC, 0) };
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

/// What a packet socket is bound to: the interface's index and its `ARPHRD_` number (packet(7)). The index is -1 when the
/// interface is gone (`packet_notifier`), 0 for all of them.
pub(super) fn bound_to(fd: impl AsFd) -> io::Result<(i32, u16)> {
    let mut addr = link_addr(0, 0)?;
    let mut len = link_addr_len();
    // SAFETY: the kernel writes at most `len` bytes, the size of `addr`, any of which it may hold.
    let rc = unsafe {
        libc::getsockname(fd.as_fd().as_raw_fd(), ptr::from_mut(&mut addr).cast(), &raw mut len)
    };
    if rc < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok((addr.sll_ifindex, addr.sll_hatype))
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

/// The error that waits at a socket, which is taken from there.
pub(super) fn take_error(fd: impl AsFd) -> io::Result<()> {
    let mut number: libc::c_int = 0;
    let mut len = libc::socklen_t::try_from(size_of_val(&number)).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `len` bytes, the size of `number`, any of which it may hold.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ERROR,
            ptr::from_mut(&mut number).cast(),
            &raw mut len,
        )
    };
    match (rc, number) {
        (0, 0) => Ok(()),
        (0, number) => Err(io::Error::from_raw_os_error(number)),
        _ => Err(io::Error::last_os_error()),
    }
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

/// Makes the kernel drop what a classic program returns 0 for.
pub(super) fn attach_filter(fd: impl AsFd, insns: &[(u16, u8, u8, u32)]) -> io::Result<()> {
    let mut insns: Vec<libc::sock_filter> =
        insns.iter().map(|&(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k }).collect();
    let len = u16::try_from(insns.len()).map_err(io::Error::other)?;
    let prog = libc::sock_fprog { len, filter: insns.as_mut_ptr() };
    let size =
        libc::socklen_t::try_from(size_of::<libc::sock_fprog>()).map_err(io::Error::other)?;
    // SAFETY: `prog` has the length of `insns` and points to them, which live until the call is over; the
    // kernel reads both.
    let rc = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            ptr::from_ref(&prog).cast(),
            size,
        )
    };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// `struct tpacket_stats_v3` since it was last read: packets, drops, how often the ring was full.
pub(super) fn ring_statistics(fd: impl AsFd) -> io::Result<[u32; 3]> {
    let mut stats = [0_u32; 3];
    let mut len = libc::socklen_t::try_from(size_of_val(&stats)).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `len` bytes to `stats`, which is as long.
    let rc = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            stats.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if rc < 0 { Err(io::Error::last_os_error()) } else { Ok(stats) }
}

/// The ring of a packet socket, which the kernel writes as well.
///
/// Who owns a block is said by its status word, read and written by [`Mapping::load`] and [`Mapping::store`]. While a
/// block is ours the kernel leaves its other bytes alone, so that they may be borrowed.
pub(super) struct Mapping {
    base: ptr::NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the value alone and is not tied to a thread.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the ring of a socket.
    pub(super) fn new(fd: impl AsFd, len: usize) -> io::Result<Self> {
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: no address is requested, so the kernel cannot replace a mapping that is in use.
        let base =
            unsafe { libc::mmap(ptr::null_mut(), len, prot, flags, fd.as_fd().as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = ptr::NonNull::new(base.cast::<u8>()).expect("bug: mmap returned the null page");
        Ok(Self { base, len })
    }

    /// The status word at `at`; what the kernel wrote before it is seen after.
    pub(super) fn load(&self, at: usize) -> u32 {
        self.status(at).load(Ordering::Acquire)
    }

    /// Writes the status word at `at`; what was read before is not read after.
    pub(super) fn store(&self, at: usize, value: u32) {
        self.status(at).store(value, Ordering::Release);
    }

    fn status(&self, at: usize) -> &AtomicU32 {
        assert!(at.is_multiple_of(4) && at + 4 <= self.len, "bug: no word of the ring");
        // SAFETY: the word is within the mapping, as was just checked.
        let word = unsafe { self.base.as_ptr().add(at) };
        // SAFETY: it is aligned, mapped as long as `self` lives, and accessed as an atomic only, by the kernel too.
        unsafe { AtomicU32::from_ptr(word.cast()) }
    }

    /// Bytes of a block that is ours, as far as they are in the ring.
    pub(super) fn bytes(&self, at: usize, len: usize) -> &[u8] {
        let at = at.min(self.len);
        let len = len.min(self.len - at);
        // SAFETY: `at` was made to lie in the mapping, or at its end.
        let start = unsafe { self.base.as_ptr().add(at) };
        // SAFETY: the bytes are within the mapping, which lives as long as `self`; in a block that is ours, which
        // callers hand back only after the borrow has ended, nobody writes them.
        unsafe { slice::from_raw_parts(start, len) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `new`, and nothing borrows from it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
    }
}
