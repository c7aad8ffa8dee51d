//! Kernel functions on texts that end with NUL: positions and comparisons.
//!
//! As in the kernel a text may be up to 65,536 bytes long (`E2BIG` beyond), and one that cannot be read
//! is an error of the call (`EFAULT`, `ERANGE` for null), not of the program. Kernel:
//! `kernel/bpf/helpers.c`, Linux 6.18.

use crate::Cx;
use crate::fault::Denied;
use crate::helper::Helpers;
use alloc::vec::Vec;
use skep_abi::Errno;

pub(super) fn add<S: 'static>(helpers: Helpers<S>) -> Helpers<S> {
    helpers
        .with_kfunc("bpf_strlen", |cx: &mut Cx<'_, S>, s: u64| strnlen(cx, s, MAX))
        .with_kfunc("bpf_strnlen", strnlen)
        .with_kfunc("bpf_strcmp", |cx: &mut Cx<'_, S>, a: u64, b: u64| compare(cx, a, b, |c| c))
        .with_kfunc("bpf_strcasecmp", |cx: &mut Cx<'_, S>, a: u64, b: u64| {
            compare(cx, a, b, |c| c.to_ascii_lowercase())
        })
        .with_kfunc("bpf_strchr", |cx: &mut Cx<'_, S>, s: u64, c: u32| strnchr(cx, s, MAX, c))
        .with_kfunc("bpf_strnchr", strnchr)
        .with_kfunc("bpf_strchrnul", strchrnul)
        .with_kfunc("bpf_strrchr", strrchr)
        .with_kfunc("bpf_strspn", |cx: &mut Cx<'_, S>, s: u64, set: u64| span(cx, s, set, true))
        .with_kfunc("bpf_strcspn", |cx: &mut Cx<'_, S>, s: u64, set: u64| span(cx, s, set, false))
        .with_kfunc("bpf_strstr", |cx: &mut Cx<'_, S>, s: u64, sub: u64| strnstr(cx, s, sub, MAX))
        .with_kfunc("bpf_strnstr", strnstr)
}

/// Longest text. Kernel: `XATTR_SIZE_MAX`.
const MAX: u64 = 65_536;

/// Why a text ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Nul,
    /// As many bytes as were asked for.
    Count,
    /// `MAX` bytes, or one that cannot be read.
    Error(Errno),
}

impl End {
    const fn error(self) -> Option<Errno> {
        match self {
            Self::Error(errno) => Some(errno),
            Self::Nul | Self::Count => None,
        }
    }
}

/// At most `count` bytes of a text.
fn text<S>(cx: &Cx<'_, S>, addr: u64, count: u64) -> (Vec<u8>, End) {
    let mut text = Vec::new();
    for at in 0..count.min(MAX) {
        let mut byte = [0];
        match cx.mem.read(addr.wrapping_add(at), &mut byte) {
            Err(err) if err.why == Denied::Null => return (text, End::Error(Errno::ERANGE)),
            Err(_) => return (text, End::Error(Errno::EFAULT)),
            Ok(()) if byte == [0] => return (text, End::Nul),
            Ok(()) => text.extend(byte),
        }
    }
    let end = if count < MAX { End::Count } else { End::Error(Errno::E2BIG) };
    (text, end)
}

fn position(at: usize) -> Result<u64, Errno> {
    Ok(at as u64)
}

fn strnlen<S>(cx: &mut Cx<'_, S>, s: u64, count: u64) -> Result<u64, Errno> {
    let (text, end) = text(cx, s, count);
    end.error().map_or(position(text.len()), Err)
}

/// -1, 0 or 1.
fn compare<S>(cx: &mut Cx<'_, S>, a: u64, b: u64, fold: fn(u8) -> u8) -> Result<i64, Errno> {
    let ((a, a_end), (b, b_end)) = (text(cx, a, MAX), text(cx, b, MAX));
    let (a, b): (Vec<u8>, Vec<u8>) =
        (a.into_iter().map(fold).collect(), b.into_iter().map(fold).collect());
    let common = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let (x, y) = (a.get(common), b.get(common));
    // What cannot be read lies before the first difference only if a text ends there.
    if let Some(errno) = a_end.error().filter(|_| x.is_none()) {
        return Err(errno);
    }
    if let Some(errno) = b_end.error().filter(|_| y.is_none()) {
        return Err(errno);
    }
    Ok(x.cmp(&y) as i64)
}

fn low_byte(c: u32) -> u8 {
    let [byte, ..] = c.to_le_bytes();
    byte
}

fn strnchr<S>(cx: &mut Cx<'_, S>, s: u64, count: u64, c: u32) -> Result<u64, Errno> {
    let (text, end) = text(cx, s, count);
    match text.iter().position(|&byte| byte == low_byte(c)) {
        Some(at) => position(at),
        None if end == End::Nul && low_byte(c) == 0 => position(text.len()),
        None => Err(end.error().unwrap_or(Errno::ENOENT)),
    }
}

fn strchrnul<S>(cx: &mut Cx<'_, S>, s: u64, c: u32) -> Result<u64, Errno> {
    let (text, end) = text(cx, s, MAX);
    match text.iter().position(|&byte| byte == low_byte(c)) {
        Some(at) => position(at),
        None => end.error().map_or(position(text.len()), Err),
    }
}

fn strrchr<S>(cx: &mut Cx<'_, S>, s: u64, c: u32) -> Result<u64, Errno> {
    let (text, end) = text(cx, s, MAX);
    if let Some(errno) = end.error() {
        return Err(errno);
    }
    if low_byte(c) == 0 {
        return position(text.len());
    }
    text.iter().rposition(|&byte| byte == low_byte(c)).map_or(Err(Errno::ENOENT), position)
}

/// Bytes at the start that are in the set, or not in it.
fn span<S>(cx: &mut Cx<'_, S>, s: u64, set: u64, inside: bool) -> Result<u64, Errno> {
    let (text, end) = text(cx, s, MAX);
    let (set, set_end) = self::text(cx, set, MAX);
    let mut known = [false; 256];
    for byte in &set {
        known[usize::from(*byte)] = true;
    }
    if let Some(errno) = set_end.error().filter(|_| !text.is_empty()) {
        return Err(errno);
    }
    match text.iter().position(|&byte| known[usize::from(byte)] != inside) {
        Some(at) => position(at),
        None => end.error().map_or(position(text.len()), Err),
    }
}

/// Where a text occurs in the first `count` bytes of another.
fn strnstr<S>(cx: &mut Cx<'_, S>, s: u64, sub: u64, count: u64) -> Result<u64, Errno> {
    let (sub, sub_end) = text(cx, sub, MAX);
    if let Some(errno) = sub_end.error() {
        return Err(errno);
    }
    let (text, end) = text(cx, s, count);
    match find(&text, &sub) {
        Some(at) => position(at),
        None => Err(end.error().unwrap_or(Errno::ENOENT)),
    }
}

/// Knuth, Morris and Pratt: texts made to hurt take linear time too.
fn find(text: &[u8], sub: &[u8]) -> Option<usize> {
    let mut borders = alloc::vec![0usize];
    let mut len = 0;
    let extend = |borders: &[usize], mut len: usize, byte: u8| {
        while len > 0 && sub.get(len) != Some(&byte) {
            len = borders.get(len - 1).copied().unwrap_or_default();
        }
        len + usize::from(sub.get(len) == Some(&byte))
    };
    for &byte in sub.iter().skip(1) {
        len = extend(&borders, len, byte);
        borders.push(len);
    }
    if sub.is_empty() {
        return Some(0);
    }
    len = 0;
    for (at, &byte) in text.iter().enumerate() {
        len = extend(&borders, len, byte);
        if len == sub.len() {
            return Some(at + 1 - len);
        }
    }
    None
}
