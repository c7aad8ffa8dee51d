//! Buffers of perf events that programs write to.
//!
//! Source: perf_event_open(2), `include/uapi/linux/perf_event.h`.

use crate::mapping::{Mapping, page_size};
use crate::{Cmd, SysError};
use skep_abi::Errno;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// `sizeof(struct perf_event_attr)`, `PERF_ATTR_SIZE_VER0`: enough for what is set here.
const ATTR: usize = 64;
const TYPE_SOFTWARE: u32 = 1;
const COUNT_SW_BPF_OUTPUT: u64 = 10;
const SAMPLE_RAW: u64 = 1 << 10;
const FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;
/// `PERF_EVENT_IOC_ENABLE`
const IOC_ENABLE: libc::c_ulong = 0x2400;

/// `data_head` of `struct perf_event_mmap_page`
const HEAD: usize = 1024;
/// `data_tail`
const TAIL: usize = 1032;

const RECORD_LOST: u32 = 2;
const RECORD_SAMPLE: u32 = 9;

/// What a program sent, or that it could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PerfRecord {
    /// The bytes, and up to seven more: the kernel pads them.
    Sample(Vec<u8>),
    /// Events that found no room.
    Lost(u64),
}

/// The events of one CPU.
#[derive(Debug)]
pub struct PerfBuffer {
    fd: OwnedFd,
    mapping: Mapping,
    size: usize,
}

impl PerfBuffer {
    /// A buffer of `pages` pages, a power of two, for what programs on a CPU send.
    pub(crate) fn open(cpu: u32, pages: usize) -> Result<Self, SysError> {
        let mut attr = [0u8; ATTR];
        attr[0..4].copy_from_slice(&TYPE_SOFTWARE.to_ne_bytes());
        attr[4..8].copy_from_slice(&64u32.to_ne_bytes());
        attr[8..16].copy_from_slice(&COUNT_SW_BPF_OUTPUT.to_ne_bytes());
        attr[16..24].copy_from_slice(&1u64.to_ne_bytes());
        attr[24..32].copy_from_slice(&SAMPLE_RAW.to_ne_bytes());
        // SAFETY: the attribute is as long as it says it is.
        let fd = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                attr.as_ptr(),
                -1,
                libc::c_int::try_from(cpu).unwrap_or(-1),
                -1,
                FLAG_FD_CLOEXEC,
            )
        };
        let fd = match i32::try_from(fd) {
            Ok(fd @ 0..) => fd,
            _ => return Err(last_error()),
        };
        // SAFETY: the kernel has just made this descriptor for nobody else.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let (page, size) = (page_size(), pages * page_size());
        let mapping = Mapping::new(fd.as_fd(), 0, page + size, true)?;
        // SAFETY: this request takes no memory.
        if unsafe { libc::ioctl(fd.as_raw_fd(), IOC_ENABLE, 0) } < 0 {
            return Err(last_error());
        }
        Ok(Self { fd, mapping, size })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Takes out what there is, in order.
    pub fn drain(&mut self, sink: &mut dyn FnMut(PerfRecord)) {
        let mut at = self.mapping.acquire64(TAIL);
        let end = self.mapping.acquire64(HEAD);
        while at < end {
            let header = self.bytes(at, 8);
            let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b));
            let len = word(&header[6..8]);
            if len < 8 {
                break;
            }
            let body = self.bytes(at + 8, len - 8);
            match u32::try_from(word(&header[0..4])) {
                Ok(RECORD_SAMPLE) if body.len() >= 4 => {
                    sink(PerfRecord::Sample(body[4..].to_vec()));
                }
                Ok(RECORD_LOST) if body.len() >= 16 => {
                    sink(PerfRecord::Lost(word(&body[8..16])));
                }
                _ => {}
            }
            at += len;
            self.mapping.release64(TAIL, at);
        }
    }

    /// Bytes at a position of the endless stream; they may wrap.
    fn bytes(&self, at: u64, len: u64) -> Vec<u8> {
        let size = self.size as u64;
        let start = at & (size - 1);
        let first = len.min(size - start);
        let copy = |at: u64, len: u64| {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            self.mapping.copy(page_size() + at, usize::try_from(len).unwrap_or(0))
        };
        let mut bytes = copy(start, first);
        bytes.extend(copy(0, len - first));
        bytes
    }
}

fn last_error() -> SysError {
    let errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
    SysError::new(Cmd::PerfEventOpen, Errno::from_number(errno))
}
