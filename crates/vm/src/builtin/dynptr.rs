//! Dynptrs: ranges of memory whose bounds are checked when they are used.
//!
//! A dynptr is 16 bytes in the program's stack, laid out as `struct bpf_dynptr_kern`. The address in it
//! is one of the program's own address space, and what is done through it is checked like any access:
//! a program that writes such bytes itself gets no further than with the address alone.

use super::{Env, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use crate::memory::{self, PACKET_BASE};
use alloc::vec::Vec;
use skep_abi::Errno;
use skep_map::Map;

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    let helpers = helpers
        .with(197, "bpf_dynptr_from_mem", from_mem)
        .with(198, "bpf_ringbuf_reserve_dynptr", reserve)
        .with(199, "bpf_ringbuf_submit_dynptr", |cx: &mut Cx<'_, S>, ptr: u64, _flags: u64| {
            close(cx, "bpf_ringbuf_submit_dynptr", ptr, true)
        })
        .with(200, "bpf_ringbuf_discard_dynptr", |cx: &mut Cx<'_, S>, ptr: u64, _flags: u64| {
            close(cx, "bpf_ringbuf_discard_dynptr", ptr, false)
        })
        .with(201, "bpf_dynptr_read", read)
        .with(202, "bpf_dynptr_write", write)
        .with(203, "bpf_dynptr_data", data);
    let copies =
        ["bpf_probe_read_user_dynptr", "bpf_probe_read_kernel_dynptr", "bpf_copy_from_user_dynptr"];
    let helpers = copies.into_iter().fold(helpers, |helpers, name| helpers.with_kfunc(name, probe));
    let texts = [
        "bpf_probe_read_user_str_dynptr",
        "bpf_probe_read_kernel_str_dynptr",
        "bpf_copy_from_user_str_dynptr",
    ];
    let helpers =
        texts.into_iter().fold(helpers, |helpers, name| helpers.with_kfunc(name, probe_str));
    helpers
        .with_kfunc("bpf_dynptr_from_skb", |cx: &mut Cx<'_, S>, _ctx: u64, flags, ptr| {
            from_packet(cx, Kind::Skb, flags, ptr)
        })
        .with_kfunc("bpf_dynptr_from_xdp", |cx: &mut Cx<'_, S>, _ctx: u64, flags, ptr| {
            from_packet(cx, Kind::Xdp, flags, ptr)
        })
        .with_kfunc("bpf_dynptr_from_skb_meta", |cx: &mut Cx<'_, S>, _ctx: u64, flags: u64, ptr| {
            if flags != 0 {
                return refuse(cx, ptr, Errno::EINVAL);
            }
            let before = cx.state.packet_data().and_then(|at| at.checked_sub(cx.mem.packet.start));
            let len = before.and_then(|len| u32::try_from(len).ok()).unwrap_or(0);
            let (data, read_only) = (memory::address(memory::CTX, 0), !cx.mem.packet.writable);
            Dynptr { data, kind: Kind::Meta, read_only, off: 0, len }.store(cx, ptr)?;
            Ok(0)
        })
        .with_kfunc("bpf_dynptr_slice", |cx: &mut Cx<'_, S>, ptr, off, _buffer: u64, len| {
            slice(cx, ptr, off, len, false)
        })
        .with_kfunc("bpf_dynptr_slice_rdwr", |cx: &mut Cx<'_, S>, ptr, off, _buffer: u64, len| {
            slice(cx, ptr, off, len, true)
        })
        .with_kfunc("bpf_dynptr_adjust", adjust)
        .with_kfunc("bpf_dynptr_is_null", |cx: &mut Cx<'_, S>, ptr: u64| {
            Dynptr::load(cx, ptr).map(|ptr| u64::from(ptr.is_none()))
        })
        .with_kfunc("bpf_dynptr_is_rdonly", |cx: &mut Cx<'_, S>, ptr: u64| {
            Dynptr::load(cx, ptr).map(|ptr| u64::from(ptr.is_some_and(|ptr| ptr.read_only)))
        })
        .with_kfunc("bpf_dynptr_size", |cx: &mut Cx<'_, S>, ptr: u64| {
            Dynptr::load(cx, ptr).map(|ptr| ptr.map_or(Errno::EINVAL.r0(), |ptr| ptr.len.into()))
        })
        .with_kfunc("bpf_dynptr_clone", clone)
        .with_kfunc("bpf_dynptr_copy", copy)
        .with_kfunc("bpf_dynptr_memset", fill)
}

/// What a dynptr covers, for those that take one.
#[derive(Clone, Copy)]
pub(super) struct Range(Dynptr);

impl Range {
    /// None for a null dynptr.
    pub(super) fn of<S>(cx: &Cx<'_, S>, ptr: u64) -> Result<Option<Self>, Stop> {
        Ok(Dynptr::load(cx, ptr)?.map(Self))
    }

    pub(super) fn len(self) -> u32 {
        self.0.len
    }

    pub(super) fn is_read_only(self) -> bool {
        self.0.read_only
    }

    /// Where it begins. None if the packet has become shorter.
    pub(super) fn address<S: Env>(self, cx: &Cx<'_, S>) -> Option<u64> {
        self.0.address(cx, 0, self.0.len)
    }
}

/// `enum bpf_dynptr_type`
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Local = 1,
    Ringbuf = 2,
    Skb = 3,
    Xdp = 4,
    /// What a program at XDP has put before the packet.
    Meta = 5,
}

/// What 16 bytes of the program's memory say.
#[derive(Clone, Copy)]
struct Dynptr {
    /// Address of byte 0; of the context, for those of packets.
    data: u64,
    kind: Kind,
    read_only: bool,
    /// Where it begins, from byte 0.
    off: u32,
    len: u32,
}

/// Largest size. Kernel: `DYNPTR_MAX_SIZE`.
const MAX_LEN: u32 = (1 << 24) - 1;
/// Kernel: `DYNPTR_TYPE_SHIFT`.
const KIND_SHIFT: u32 = 28;
/// Kernel: `DYNPTR_RDONLY_BIT`.
const READ_ONLY: u32 = 1 << 31;

impl Dynptr {
    /// None for a null one, and for bytes that are no dynptr.
    fn load<S>(cx: &Cx<'_, S>, ptr: u64) -> Result<Option<Self>, Stop> {
        let mut bytes = [0; 16];
        cx.mem.read(ptr, &mut bytes)?;
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        let data = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let size = u32::from_le_bytes([i, j, k, l]);
        let kind = match (size & !READ_ONLY) >> KIND_SHIFT {
            1 => Kind::Local,
            2 => Kind::Ringbuf,
            3 => Kind::Skb,
            4 => Kind::Xdp,
            5 => Kind::Meta,
            _ => return Ok(None),
        };
        let off = u32::from_le_bytes([m, n, o, p]);
        let read_only = size & READ_ONLY != 0;
        Ok((data != 0).then_some(Self { data, kind, read_only, off, len: size & MAX_LEN }))
    }

    fn store<S>(self, cx: &mut Cx<'_, S>, ptr: u64) -> Result<(), Stop> {
        Ok(cx.mem.write(ptr, &self.to_bytes())?)
    }

    fn to_bytes(self) -> [u8; 16] {
        let flags = if self.read_only { READ_ONLY } else { 0 };
        let size = self.len | (self.kind as u32) << KIND_SHIFT | flags;
        let mut bytes = [0; 16];
        let fields = self.data.to_le_bytes().into_iter().chain(size.to_le_bytes());
        for (byte, field) in bytes.iter_mut().zip(fields.chain(self.off.to_le_bytes())) {
            *byte = field;
        }
        bytes
    }

    /// Kernel: `bpf_dynptr_check_off_len`.
    fn check(self, off: u32, len: u32) -> Result<(), Errno> {
        if len > self.len || off > self.len - len { Err(Errno::E2BIG) } else { Ok(()) }
    }

    fn is_packet(self) -> bool {
        matches!(self.kind, Kind::Skb | Kind::Xdp | Kind::Meta)
    }

    /// The address of `len` bytes of it. None if the packet has become shorter.
    fn address<S: Env>(self, cx: &Cx<'_, S>, off: u32, len: u32) -> Option<u64> {
        let off = u64::from(self.off) + u64::from(off);
        if !self.is_packet() {
            return Some(self.data.wrapping_add(off));
        }
        let (data, packet) = (cx.state.packet_data()?, &cx.mem.packet);
        let (start, limit) = match self.kind {
            Kind::Meta => (packet.start, data),
            _ => (data, packet.end),
        };
        let start = start as u64 + off;
        let end = start + u64::from(len);
        (end <= limit as u64).then(|| cx.mem.seen(start + u64::from(PACKET_BASE)))
    }

    /// What there is to say of a packet that has become shorter.
    fn gone(self) -> Errno {
        if matches!(self.kind, Kind::Skb | Kind::Meta) { Errno::EFAULT } else { Errno::EINVAL }
    }
}

/// A dynptr over bytes that may only be read.
pub(super) fn of_copy(data: u64, len: usize) -> Vec<u8> {
    let len = u32::try_from(len).unwrap_or(u32::MAX).min(MAX_LEN);
    Dynptr { data, kind: Kind::Local, read_only: true, off: 0, len }.to_bytes().to_vec()
}

fn set_null<S>(cx: &mut Cx<'_, S>, ptr: u64) -> Result<(), Stop> {
    Ok(cx.mem.write(ptr, &[0; 16])?)
}

/// Makes the dynptr null and returns the error.
fn refuse<S>(cx: &mut Cx<'_, S>, ptr: u64, errno: Errno) -> Result<u64, Stop> {
    set_null(cx, ptr)?;
    Ok(errno.r0())
}

fn from_mem<S>(cx: &mut Cx<'_, S>, data: u64, len: u32, flags: u64, ptr: u64) -> Result<u64, Stop> {
    if len > MAX_LEN {
        return refuse(cx, ptr, Errno::E2BIG);
    }
    if flags != 0 {
        return refuse(cx, ptr, Errno::EINVAL);
    }
    Dynptr { data, kind: Kind::Local, read_only: false, off: 0, len }.store(cx, ptr)?;
    Ok(0)
}

/// Kernel: `bpf_dynptr_from_skb`, `bpf_dynptr_from_xdp`.
fn from_packet<S: Env>(cx: &mut Cx<'_, S>, kind: Kind, flags: u64, ptr: u64) -> Result<u64, Stop> {
    let start = cx.state.packet_data().filter(|_| flags == 0);
    let len = start.and_then(|start| cx.mem.packet.end.checked_sub(start));
    let Some(len) = len.and_then(|len| u32::try_from(len).ok()).filter(|&len| len <= MAX_LEN)
    else {
        return refuse(cx, ptr, Errno::EINVAL);
    };
    let read_only = !cx.mem.packet.writable;
    let data = memory::address(memory::CTX, 0);
    Dynptr { data, kind, read_only, off: 0, len }.store(cx, ptr)?;
    Ok(0)
}

fn reserve<S>(
    cx: &mut Cx<'_, S>,
    handle: u64,
    size: u32,
    flags: u64,
    ptr: u64,
) -> Result<u64, Stop> {
    let Some(Map::RingBuf(ring)) = cx.map(handle) else {
        return Err(argument("bpf_ringbuf_reserve_dynptr", 1, "a ring buffer", handle));
    };
    // The record is given to the program only after there is a place to write the dynptr.
    set_null(cx, ptr)?;
    if flags != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    if size > MAX_LEN {
        return Ok(Errno::E2BIG.r0());
    }
    let Some(record) = ring.reserve(size.into(), 0) else { return Ok(Errno::EINVAL.r0()) };
    let data = cx.mem.push_record(ring, record);
    Dynptr { data, kind: Kind::Ringbuf, read_only: false, off: 0, len: size }.store(cx, ptr)?;
    Ok(0)
}

/// Hands a record to the reader, or gives it back.
fn close<S>(cx: &mut Cx<'_, S>, helper: &'static str, ptr: u64, submit: bool) -> Result<u64, Stop> {
    let Some(dynptr) = Dynptr::load(cx, ptr)? else { return Ok(0) };
    set_null(cx, ptr)?;
    let (ring, record) = cx
        .mem
        .take_record(dynptr.data)
        .ok_or_else(|| argument(helper, 1, "a dynptr of a reserved record", ptr))?;
    if submit {
        ring.submit(record)
    } else {
        ring.discard(record)
    }
    Ok(0)
}

/// Bytes of a dynptr, or why not.
fn bytes<S: Env>(
    cx: &Cx<'_, S>,
    ptr: u64,
    off: u32,
    len: u32,
) -> Result<Result<Vec<u8>, Errno>, Stop> {
    let Some(dynptr) = Dynptr::load(cx, ptr)? else { return Ok(Err(Errno::EINVAL)) };
    if let Err(errno) = dynptr.check(off, len) {
        return Ok(Err(errno));
    }
    match dynptr.address(cx, off, len) {
        Some(addr) => Ok(Ok(cx.mem.read_vec(addr, len.into())?)),
        None => Ok(Err(dynptr.gone())),
    }
}

fn read<S: Env>(
    cx: &mut Cx<'_, S>,
    to: u64,
    len: u32,
    ptr: u64,
    off: u32,
    flags: u64,
) -> Result<u64, Stop> {
    if flags != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    match bytes(cx, ptr, off, len)? {
        Ok(bytes) => {
            cx.mem.write(to, &bytes)?;
            Ok(0)
        }
        Err(errno) => Ok(errno.r0()),
    }
}

/// `BPF_F_RECOMPUTE_CSUM`, for which packets here have nothing to recompute.
const RECOMPUTE_CSUM: u64 = 1;
/// `BPF_F_INVALIDATE_HASH`
const INVALIDATE_HASH: u64 = 2;

fn write<S: Env>(
    cx: &mut Cx<'_, S>,
    ptr: u64,
    off: u32,
    from: u64,
    len: u32,
    flags: u64,
) -> Result<u64, Stop> {
    let bytes = cx.mem.read_vec(from, len.into())?;
    store(cx, ptr, off, &bytes, flags)
}

/// Kernel: `__bpf_dynptr_write`.
fn store<S: Env>(
    cx: &mut Cx<'_, S>,
    ptr: u64,
    off: u32,
    bytes: &[u8],
    flags: u64,
) -> Result<u64, Stop> {
    let Some(dynptr) = Dynptr::load(cx, ptr)?.filter(|dynptr| !dynptr.read_only) else {
        return Ok(Errno::EINVAL.r0());
    };
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    if let Err(errno) = dynptr.check(off, len) {
        return Ok(errno.r0());
    }
    let known = if dynptr.kind == Kind::Skb { RECOMPUTE_CSUM | INVALIDATE_HASH } else { 0 };
    if flags & !known != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    let Some(addr) = dynptr.address(cx, off, len) else { return Ok(dynptr.gone().r0()) };
    cx.mem.write(addr, bytes)?;
    if flags & INVALIDATE_HASH != 0 {
        cx.state.invalidate_hash(&cx.mem);
    }
    Ok(0)
}

/// Address of `len` bytes, or null; never of a packet, for which there are slices.
fn data<S>(cx: &mut Cx<'_, S>, ptr: u64, off: u32, len: u32) -> Result<u64, Stop> {
    let dynptr = Dynptr::load(cx, ptr)?.filter(|dynptr| {
        let kept = matches!(dynptr.kind, Kind::Local | Kind::Ringbuf);
        !dynptr.read_only && kept && dynptr.check(off, len).is_ok()
    });
    Ok(dynptr.map_or(0, |dynptr| dynptr.data.wrapping_add(u64::from(dynptr.off) + u64::from(off))))
}

/// Address of `len` bytes, or null. All of a packet is linear here, so nothing is ever copied to the
/// program's buffer.
fn slice<S: Env>(
    cx: &mut Cx<'_, S>,
    ptr: u64,
    off: u32,
    len: u32,
    write: bool,
) -> Result<u64, Stop> {
    let dynptr = Dynptr::load(cx, ptr)?
        .filter(|dynptr| !(write && dynptr.read_only) && dynptr.check(off, len).is_ok());
    Ok(dynptr.and_then(|dynptr| dynptr.address(cx, off, len)).unwrap_or(0))
}

fn adjust<S>(cx: &mut Cx<'_, S>, ptr: u64, start: u32, end: u32) -> Result<u64, Stop> {
    let Some(dynptr) = Dynptr::load(cx, ptr)?.filter(|_| start <= end) else {
        return Ok(Errno::EINVAL.r0());
    };
    if end > dynptr.len {
        return Ok(Errno::ERANGE.r0());
    }
    let off = dynptr.off.wrapping_add(start);
    Dynptr { off, len: end - start, ..dynptr }.store(cx, ptr)?;
    Ok(0)
}

fn clone<S>(cx: &mut Cx<'_, S>, ptr: u64, to: u64) -> Result<u64, Stop> {
    match Dynptr::load(cx, ptr)? {
        Some(dynptr) => dynptr.store(cx, to).map(|()| 0),
        None => refuse(cx, to, Errno::EINVAL),
    }
}

fn copy<S: Env>(
    cx: &mut Cx<'_, S>,
    to: u64,
    to_off: u32,
    from: u64,
    from_off: u32,
    len: u32,
) -> Result<u64, Stop> {
    match bytes(cx, from, from_off, len)? {
        Ok(bytes) => store(cx, to, to_off, &bytes, 0),
        Err(errno) => Ok(errno.r0()),
    }
}

fn fill<S: Env>(cx: &mut Cx<'_, S>, ptr: u64, off: u32, len: u32, byte: u32) -> Result<u64, Stop> {
    let [byte, ..] = byte.to_le_bytes();
    let Some(dynptr) = Dynptr::load(cx, ptr)? else { return Ok(Errno::EINVAL.r0()) };
    match dynptr.check(off, len) {
        Ok(()) => store(cx, ptr, off, &alloc::vec![byte; len as usize], 0),
        Err(errno) => Ok(errno.r0()),
    }
}

/// Copies from any address; what cannot be read is an error of the call.
fn probe<S: Env>(cx: &mut Cx<'_, S>, ptr: u64, off: u32, len: u32, from: u64) -> Result<u64, Stop> {
    if let Some(errno) = refuses(cx, ptr, off, len)? {
        return Ok(errno.r0());
    }
    match cx.mem.read_vec(from, len.into()) {
        Ok(bytes) => store(cx, ptr, off, &bytes, 0),
        Err(_) => Ok(Errno::EFAULT.r0()),
    }
}

/// The same of a text with its NUL, cut to `len`; returns the bytes written.
fn probe_str<S: Env>(
    cx: &mut Cx<'_, S>,
    ptr: u64,
    off: u32,
    len: u32,
    from: u64,
) -> Result<u64, Stop> {
    if let Some(errno) = refuses(cx, ptr, off, len)? {
        return Ok(errno.r0());
    }
    let Some(max) = (len as usize).checked_sub(1) else { return Ok(0) };
    let Ok(mut text) = cx.mem.read_str(from, max) else { return Ok(Errno::EFAULT.r0()) };
    text.push(0);
    match store(cx, ptr, off, &text, 0)? {
        0 => Ok(text.len() as u64),
        errno => Ok(errno),
    }
}

/// Why the range cannot be written.
fn refuses<S>(cx: &Cx<'_, S>, ptr: u64, off: u32, len: u32) -> Result<Option<Errno>, Stop> {
    Ok(match Dynptr::load(cx, ptr)? {
        Some(dynptr) if !dynptr.read_only => dynptr.check(off, len).err(),
        _ => Some(Errno::EINVAL),
    })
}
