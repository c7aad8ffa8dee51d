//! Ring buffers, from the reader's side.
//!
//! The kernel shares a page with the consumer's position, a page with the producer's, and the data
//! twice in a row, so that a record that wraps is in one piece. Kernel: `kernel/bpf/ringbuf.c`.

use crate::SysError;
use crate::mapping::{Mapping, page_size};
use std::os::fd::BorrowedFd;

/// `BPF_RINGBUF_BUSY_BIT`: the record is not finished.
const BUSY: u32 = 1 << 31;
/// `BPF_RINGBUF_DISCARD_BIT`: the record is not wanted.
const DISCARD: u32 = 1 << 30;
/// `BPF_RINGBUF_HDR_SZ`
const HEADER: usize = 8;

/// Takes out the records up to the first unfinished one. `size` is that of the data.
pub(crate) fn drain(
    fd: BorrowedFd<'_>,
    size: usize,
    sink: &mut dyn FnMut(&[u8]),
) -> Result<(), SysError> {
    let page = page_size();
    let consumer = Mapping::new(fd, 0, page, true)?;
    let data = Mapping::new(fd, page, page + 2 * size, false)?;
    let mut at = consumer.acquire64(0);
    let end = data.acquire64(0);
    while at < end {
        // Sizes are powers of two.
        let start = page + usize::try_from(at & (size as u64 - 1)).unwrap_or(0);
        let head = data.acquire32(start);
        if head & BUSY != 0 {
            break;
        }
        let len = (head & !(BUSY | DISCARD)) as usize;
        if head & DISCARD == 0 {
            sink(&data.copy(start + HEADER, len));
        }
        at += (HEADER + len).next_multiple_of(8) as u64;
        consumer.release64(0, at);
    }
    Ok(())
}
