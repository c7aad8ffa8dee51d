//! Open-coded iterators: their state lies in the program's stack.
//!
//! Nothing follows from what a program writes there itself but other numbers.

use crate::Cx;
use crate::helper::{Helpers, Stop};
use alloc::vec::Vec;
use skep_abi::Errno;

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with_kfunc("bpf_iter_num_new", num_new)
        .with_kfunc("bpf_iter_num_next", num_next)
        .with_kfunc("bpf_iter_num_destroy", |cx: &mut Cx<'_, S>, it: u64| num_set(cx, it, 0, 0))
        .with_kfunc("bpf_iter_bits_new", bits_new)
        .with_kfunc("bpf_iter_bits_next", bits_next)
        .with_kfunc("bpf_iter_bits_destroy", |cx: &mut Cx<'_, S>, it: u64| bits_end(cx, it))
}

/// Kernel: `BPF_MAX_LOOPS`.
const MAX_LOOPS: i64 = 8 * 1024 * 1024;

/// `struct bpf_iter_num_kern`: the number given out last, and the first beyond the range.
fn num_set<S>(cx: &mut Cx<'_, S>, it: u64, cur: i32, end: i32) -> Result<(), Stop> {
    let [a, b, c, d] = cur.to_le_bytes();
    let [e, f, g, h] = end.to_le_bytes();
    Ok(cx.mem.write(it, &[a, b, c, d, e, f, g, h])?)
}

/// Kernel: `bpf_iter_num_new`.
fn num_new<S>(cx: &mut Cx<'_, S>, it: u64, start: i32, end: i32) -> Result<u64, Stop> {
    let refused = if start > end {
        Errno::EINVAL
    } else if i64::from(end) - i64::from(start) > MAX_LOOPS {
        Errno::E2BIG
    } else {
        num_set(cx, it, start.wrapping_sub(1), end)?;
        return Ok(0);
    };
    num_set(cx, it, 0, 0)?;
    Ok(refused.r0())
}

/// Address of the next number, which is in the iterator, or null. Kernel: `bpf_iter_num_next`.
fn num_next<S>(cx: &mut Cx<'_, S>, it: u64) -> Result<u64, Stop> {
    let mut state = [0; 8];
    cx.mem.read(it, &mut state)?;
    let [a, b, c, d, e, f, g, h] = state;
    let next = i32::from_le_bytes([a, b, c, d]).wrapping_add(1);
    let end = i32::from_le_bytes([e, f, g, h]);
    if next >= end {
        num_set(cx, it, 0, 0)?;
        return Ok(0);
    }
    num_set(cx, it, next, end)?;
    Ok(it)
}

/// Kernel: `BITS_ITER_NR_WORDS_MAX`.
const MAX_WORDS: u32 = 511;
/// `struct bpf_iter_bits_kern`: one word of bits or the address of more, their number, and the bit
/// given out last.
const BITS_COUNT: u64 = 8;
const BITS_AT: u64 = 12;

/// Kernel: `bpf_iter_bits_new`. More bits than one word are copied, as the kernel copies them, into
/// memory that the iterator points to.
fn bits_new<S>(cx: &mut Cx<'_, S>, it: u64, words: u64, count: u32) -> Result<u64, Stop> {
    cx.mem.write(it, &0u64.to_le_bytes())?;
    cx.mem.write(it.wrapping_add(BITS_COUNT), &0u32.to_le_bytes())?;
    cx.mem.write(it.wrapping_add(BITS_AT), &(-1i32).to_le_bytes())?;
    if words == 0 || count == 0 {
        return Ok(Errno::EINVAL.r0());
    }
    if count > MAX_WORDS {
        return Ok(Errno::E2BIG.r0());
    }
    let Ok(bytes) = cx.mem.read_vec(words, u64::from(count) * 8) else {
        return Ok(Errno::EFAULT.r0());
    };
    let bits = match *bytes.as_slice() {
        [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => match cx.mem.show("bits", bytes) {
            Some(addr) => addr,
            None => return Ok(Errno::ENOMEM.r0()),
        },
    };
    cx.mem.write(it, &bits.to_le_bytes())?;
    cx.mem.write(it.wrapping_add(BITS_COUNT), &(count * 64).to_le_bytes())?;
    Ok(0)
}

/// The bits as bytes, their number, and the bit given out last.
fn bits<S>(cx: &Cx<'_, S>, it: u64) -> Result<(Vec<u8>, u32, u32), Stop> {
    let mut state = [0; 16];
    cx.mem.read(it, &mut state)?;
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = state;
    let word = [a, b, c, d, e, f, g, h];
    let (count, last) = (u32::from_le_bytes([i, j, k, l]), u32::from_le_bytes([m, n, o, p]));
    let bytes = match count {
        0 => Vec::new(),
        64 => word.to_vec(),
        // A number that the program has written itself.
        _ if count > MAX_WORDS * 64 => return Ok((Vec::new(), 0, 0)),
        _ => cx.mem.read_vec(u64::from_le_bytes(word), (count / 8).into())?,
    };
    Ok((bytes, count, last))
}

/// Address of the position of the next bit that is set, or null. Kernel: `bpf_iter_bits_next`.
fn bits_next<S>(cx: &mut Cx<'_, S>, it: u64) -> Result<u64, Stop> {
    let (bytes, count, last) = bits(cx, it)?;
    let is_set =
        |bit: u32| bytes.get(bit as usize / 8).is_some_and(|byte| byte >> (bit % 8) & 1 != 0);
    let next = (last.wrapping_add(1)..count).find(|&bit| is_set(bit));
    let at = it.wrapping_add(BITS_AT);
    cx.mem.write(at, &next.unwrap_or(count).to_le_bytes())?;
    Ok(next.map_or(0, |_| at))
}

/// Kernel: `bpf_iter_bits_destroy`.
fn bits_end<S>(cx: &mut Cx<'_, S>, it: u64) -> Result<(), Stop> {
    let mut state = [0; 16];
    cx.mem.read(it, &mut state)?;
    let [a, b, c, d, e, f, g, h, ..] = state;
    if bits(cx, it)?.1 > 64 {
        cx.mem.drop_copy(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
    Ok(())
}
