//! The file that an iterator's program writes to, and values printed by their types.
//!
//! Source: `fs/seq_file.c`, `bpf_seq_*` and `bpf_snprintf_btf` in `kernel/trace/bpf_trace.c`.

use super::format::format;
use super::text::{arguments, format_text};
use super::{Env, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use alloc::vec::Vec;
use skep_abi::Errno;

/// What has been written to a file since it was read last, as far as there is room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeqFile {
    bytes: Vec<u8>,
    size: usize,
    overflowed: bool,
}

impl SeqFile {
    /// An empty file with room for less than `size` bytes, as the kernel's buffer has it.
    ///
    /// ```
    /// let mut file = skep_vm::SeqFile::new(4);
    /// assert!(file.write(b"abc"));
    /// assert!(!file.write(b"d"), "a full buffer is one that overflowed");
    /// assert_eq!((file.take(), file.write(b"d")), (Some(b"abc".to_vec()), true));
    /// ```
    #[must_use]
    pub const fn new(size: usize) -> Self {
        Self { bytes: Vec::new(), size, overflowed: false }
    }

    /// Appends bytes. `false`, and nothing is appended until the file is read, if there is no room.
    pub fn write(&mut self, bytes: &[u8]) -> bool {
        let len = self.bytes.len().saturating_add(bytes.len());
        self.overflowed |= len >= self.size;
        if !self.overflowed {
            self.bytes.extend_from_slice(bytes);
        }
        !self.overflowed
    }

    /// Takes out what has been written. What was refused in between is for the program to write again.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        self.overflowed = false;
        let bytes = core::mem::take(&mut self.bytes);
        (!bytes.is_empty()).then_some(bytes)
    }

    /// Bytes in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes back what came after the first `len` bytes.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Whether something found no room since the file was read.
    #[must_use]
    pub const fn has_overflowed(&self) -> bool {
        self.overflowed
    }
}

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with(126, "bpf_seq_printf", printf)
        .with(127, "bpf_seq_write", |cx: &mut Cx<'_, S>, file, data, len: u32| {
            let bytes = cx.mem.read_vec(data, len.into())?;
            append(cx, "bpf_seq_write", file, &bytes)
        })
        .with(
            150,
            "bpf_seq_printf_btf",
            |cx: &mut Cx<'_, S>, file: u64, what: u64, size: u32, flags: u64| match typed(
                cx, what, size, flags,
            )? {
                Ok(text) => append(cx, "bpf_seq_printf_btf", file, &text),
                Err(errno) => Ok(errno.r0()),
            },
        )
        .with(149, "bpf_snprintf_btf", print)
}

fn append<S: Env>(cx: &mut Cx<'_, S>, helper: &str, file: u64, bytes: &[u8]) -> Result<u64, Stop> {
    let seq = cx.state.seq_file(file);
    let seq = seq.ok_or_else(|| argument(helper, 1, "the file that is read", file))?;
    Ok(if seq.write(bytes) { 0 } else { Errno::EOVERFLOW.r0() })
}

/// Kernel: `bpf_seq_printf`.
fn printf<S: Env>(
    cx: &mut Cx<'_, S>,
    file: u64,
    fmt: u64,
    size: u32,
    data: u64,
    len: u32,
) -> Result<u64, Stop> {
    let fmt = format_text(cx, fmt, size)?;
    match arguments(cx, data, len)?.and_then(|args| format(&fmt, &args, &cx.mem)) {
        Ok(text) => append(cx, "bpf_seq_printf", file, &text),
        Err(errno) => Ok(errno.r0()),
    }
}

/// `struct btf_ptr`: an address, a type, and flags that mean nothing yet.
const BTF_PTR: u32 = 16;

/// The text of a value, by the kernel's types. Kernel: `bpf_btf_printf_prepare`, `btf_show`.
fn typed<S: Env>(
    cx: &Cx<'_, S>,
    what: u64,
    size: u32,
    flags: u64,
) -> Result<Result<Vec<u8>, Errno>, Stop> {
    if size != BTF_PTR {
        return Ok(Err(Errno::EINVAL));
    }
    let mut given = [0; BTF_PTR as usize];
    cx.mem.read(what, &mut given)?;
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = given;
    let addr = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let id = u32::from_le_bytes([i, j, k, l]);
    let len = match cx.state.kernel_type_size(id, flags) {
        Ok(len) => len,
        Err(errno) => return Ok(Err(errno)),
    };
    let Ok(bytes) = cx.mem.read_vec(addr, len.into()) else { return Ok(Err(Errno::EFAULT)) };
    Ok(cx.state.kernel_value_text(id, &bytes, flags))
}

/// Kernel: `bpf_snprintf_btf`.
fn print<S: Env>(
    cx: &mut Cx<'_, S>,
    to: u64,
    size: u32,
    what: u64,
    what_size: u32,
    flags: u64,
) -> Result<u64, Stop> {
    let text = match typed(cx, what, what_size, flags)? {
        Ok(text) => text,
        Err(errno) => return Ok(errno.r0()),
    };
    let Some(room) = (size as usize).checked_sub(1) else { return Ok(text.len() as u64) };
    let mut shown = text.get(..room).unwrap_or(&text).to_vec();
    shown.push(0);
    cx.mem.write(to, &shown)?;
    Ok(text.len() as u64)
}
