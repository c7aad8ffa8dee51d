//! Ring buffers and perf events: what programs tell the user.

use super::argument;
use crate::Cx;
use crate::helper::{Helpers, Stop};
use alloc::vec::Vec;
use skep_abi::Errno;
use skep_map::{Map, RingBuf};

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with(25, "bpf_perf_event_output", perf_event_output)
        .with(130, "bpf_ringbuf_output", output)
        .with(131, "bpf_ringbuf_reserve", reserve)
        .with(132, "bpf_ringbuf_submit", submit)
        .with(133, "bpf_ringbuf_discard", discard)
        .with(134, "bpf_ringbuf_query", query)
        .with(209, "bpf_user_ringbuf_drain", drain)
}

fn ring<'r, S>(cx: &Cx<'r, S>, helper: &'static str, handle: u64) -> Result<&'r RingBuf, Stop> {
    match cx.map(handle) {
        Some(Map::RingBuf(ring)) => Ok(ring),
        _ => Err(argument(helper, 1, "a ring buffer", handle)),
    }
}

fn output<S>(
    cx: &mut Cx<'_, S>,
    handle: u64,
    data: u64,
    size: u64,
    flags: u64,
) -> Result<u64, Stop> {
    let ring = ring(cx, "bpf_ringbuf_output", handle)?;
    let bytes = cx.mem.read_vec(data, size)?;
    Ok(ring.output(&bytes, flags).map_or_else(|errno| errno.r0(), |()| 0))
}

/// Address of the record, or null.
fn reserve<S>(cx: &mut Cx<'_, S>, handle: u64, size: u64, flags: u64) -> Result<u64, Stop> {
    let ring = ring(cx, "bpf_ringbuf_reserve", handle)?;
    Ok(ring.reserve(size, flags).map_or(0, |record| cx.mem.push_record(ring, record)))
}

fn submit<S>(cx: &mut Cx<'_, S>, record: u64) -> Result<(), Stop> {
    let (ring, record) = cx
        .mem
        .take_record(record)
        .ok_or_else(|| argument("bpf_ringbuf_submit", 1, "a reserved record", record))?;
    ring.submit(record);
    Ok(())
}

fn discard<S>(cx: &mut Cx<'_, S>, record: u64) -> Result<(), Stop> {
    let (ring, record) = cx
        .mem
        .take_record(record)
        .ok_or_else(|| argument("bpf_ringbuf_discard", 1, "a reserved record", record))?;
    ring.discard(record);
    Ok(())
}

fn query<S>(cx: &mut Cx<'_, S>, handle: u64, what: u64) -> Result<u64, Stop> {
    Ok(ring(cx, "bpf_ringbuf_query", handle)?.query(what))
}

/// Calls `func(dynptr, ctx)` for each record from the user until it returns nonzero; returns how often.
/// Kernel: `bpf_user_ringbuf_drain`.
fn drain<S>(cx: &mut Cx<'_, S>, handle: u64, func: u64, ctx: u64, flags: u64) -> Result<u64, Stop> {
    /// `BPF_MAX_USER_RINGBUF_SAMPLES`
    const MAX: u64 = 128 * 1024;
    let Some(Map::UserRing(ring)) = cx.map(handle) else {
        return Err(argument("bpf_user_ringbuf_drain", 1, "a ring buffer of the user", handle));
    };
    if flags & !(NO_WAKEUP | FORCE_WAKEUP) != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    let mut count = 0;
    let mut record = Vec::new();
    while count < MAX && ring.next(&mut record) {
        count += 1;
        let len = record.len();
        let data = cx.mem.push_copy("record", core::mem::take(&mut record));
        let dynptr = cx.mem.push_copy("dynptr", super::dynptr::of_copy(data, len));
        let stop = cx.call(func, [dynptr, ctx, 0, 0, 0]);
        cx.mem.drop_copy(dynptr);
        cx.mem.drop_copy(data);
        if stop? != 0 {
            break;
        }
    }
    Ok(count)
}

/// `BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP`
const NO_WAKEUP: u64 = 1;
const FORCE_WAKEUP: u64 = 2;

/// Low half of the flags: the index, or this CPU.
const CURRENT_CPU: u64 = 0xffff_ffff;
/// Bytes of the packet to append, from this bit. Kernel: `BPF_F_CTXLEN_MASK`.
const CTXLEN_SHIFT: u32 = 32;
const CTXLEN_MASK: u64 = 0xf_ffff << CTXLEN_SHIFT;

fn perf_event_output<S>(
    cx: &mut Cx<'_, S>,
    _ctx: u64,
    handle: u64,
    flags: u64,
    data: u64,
    size: u64,
) -> Result<u64, Stop> {
    let Some(Map::PerfEvents(events)) = cx.map(handle) else {
        return Err(argument("bpf_perf_event_output", 2, "a perf event array", handle));
    };
    if flags & !(CURRENT_CPU | CTXLEN_MASK) != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    let mut bytes = cx.mem.read_vec(data, size)?;
    let packet = &cx.mem.packet;
    let packet = packet.bytes.get(packet.start..packet.end).unwrap_or_default();
    let extra = usize::try_from((flags & CTXLEN_MASK) >> CTXLEN_SHIFT).unwrap_or(usize::MAX);
    let Some(extra) = packet.get(..extra) else { return Ok(Errno::EFAULT.r0()) };
    bytes.extend_from_slice(extra);
    let cpu = cx.cpu();
    let index = match flags & CURRENT_CPU {
        CURRENT_CPU => cpu.0,
        index => u32::try_from(index).unwrap_or(u32::MAX),
    };
    Ok(events.output(index, cpu, &bytes).map_or_else(|errno| errno.r0(), |()| 0))
}
