//! Text in and out, and reads that may fail.

use super::format::format;
use super::{Env, argument};
use crate::Cx;
use crate::helper::{Helpers, Stop};
use alloc::string::String;
use alloc::vec::Vec;
use skep_abi::Errno;

pub(super) fn add<S: Env + 'static>(helpers: Helpers<S>) -> Helpers<S> {
    let helpers = helpers
        .with(6, "bpf_trace_printk", trace_printk)
        .with(177, "bpf_trace_vprintk", trace_vprintk)
        .with(165, "bpf_snprintf", snprintf)
        .with(182, "bpf_strncmp", strncmp)
        .with(105, "bpf_strtol", strtol)
        .with(106, "bpf_strtoul", strtoul);
    let helpers = helpers
        .with_kfunc("bpf_copy_from_user_str", copy_str)
        .with_kfunc("bpf_stream_vprintk_impl", stream_vprintk)
        .without(36, "a program run here has no memory of others to write");
    let reads = [
        (4, "bpf_probe_read"),
        (112, "bpf_probe_read_user"),
        (113, "bpf_probe_read_kernel"),
        (148, "bpf_copy_from_user"),
    ];
    let helpers =
        reads.into_iter().fold(helpers, |helpers, (id, name)| helpers.with(id, name, probe_read));
    let strings = [
        (45, "bpf_probe_read_str"),
        (114, "bpf_probe_read_user_str"),
        (115, "bpf_probe_read_kernel_str"),
    ];
    strings.into_iter().fold(helpers, |helpers, (id, name)| helpers.with(id, name, probe_read_str))
}

/// Longest text of one call. Kernel: `MAX_BPRINTF_BUF`.
const MAX_TEXT: usize = 1024;

/// The format without its final NUL.
pub(super) fn format_text<S>(cx: &Cx<'_, S>, addr: u64, size: u32) -> Result<Vec<u8>, Stop> {
    let mut text = cx.mem.read_vec(addr, size.into())?;
    if let Some(end) = text.iter().position(|&byte| byte == 0) {
        text.truncate(end);
    }
    Ok(text)
}

/// Prints the text as far as the kernel's buffer would hold it; returns its whole length.
fn print<S: Env>(cx: &mut Cx<'_, S>, text: &[u8]) -> u64 {
    let shown = text.get(..MAX_TEXT - 1).unwrap_or(text);
    cx.state.print(String::from_utf8_lossy(shown).into_owned());
    text.len() as u64
}

fn trace_printk<S: Env>(
    cx: &mut Cx<'_, S>,
    fmt: u64,
    size: u32,
    a: u64,
    b: u64,
    c: u64,
) -> Result<u64, Stop> {
    let fmt = format_text(cx, fmt, size)?;
    Ok(match format(&fmt, &[a, b, c], &cx.mem) {
        Ok(text) => print(cx, &text),
        Err(errno) => errno.r0(),
    })
}

/// The 64-bit arguments in memory.
pub(super) fn arguments<S>(
    cx: &Cx<'_, S>,
    addr: u64,
    len: u32,
) -> Result<Result<Vec<u64>, Errno>, Stop> {
    if !len.is_multiple_of(8) || len > 8 * 12 {
        return Ok(Err(Errno::EINVAL));
    }
    let bytes = cx.mem.read_vec(addr, len.into())?;
    Ok(Ok(bytes.as_chunks::<8>().0.iter().map(|&chunk| u64::from_le_bytes(chunk)).collect()))
}

fn trace_vprintk<S: Env>(
    cx: &mut Cx<'_, S>,
    fmt: u64,
    size: u32,
    data: u64,
    len: u32,
) -> Result<u64, Stop> {
    let fmt = format_text(cx, fmt, size)?;
    let text = arguments(cx, data, len)?.and_then(|args| format(&fmt, &args, &cx.mem));
    Ok(match text {
        Ok(text) => print(cx, &text),
        Err(errno) => errno.r0(),
    })
}

/// Text for one of the program's streams; here all go where `bpf_trace_printk` goes.
fn stream_vprintk<S: Env>(
    cx: &mut Cx<'_, S>,
    _stream: u32,
    fmt: u64,
    data: u64,
    len: u32,
) -> Result<u64, Stop> {
    let fmt = cx.mem.read_str(fmt, MAX_TEXT)?;
    let text = arguments(cx, data, len)?.and_then(|args| format(&fmt, &args, &cx.mem));
    Ok(match text {
        Ok(text) => {
            print(cx, &text);
            0
        }
        Err(errno) => errno.r0(),
    })
}

fn snprintf<S>(
    cx: &mut Cx<'_, S>,
    out: u64,
    size: u32,
    fmt: u64,
    data: u64,
    len: u32,
) -> Result<u64, Stop> {
    let fmt = cx.mem.read_str(fmt, MAX_TEXT)?;
    let mut text = match arguments(cx, data, len)?.and_then(|args| format(&fmt, &args, &cx.mem)) {
        Ok(text) => text,
        Err(errno) => return Ok(errno.r0()),
    };
    text.push(0);
    let len = text.len() as u64;
    if size != 0 {
        let last = (size as usize).min(text.len()) - 1;
        text.truncate(last);
        text.push(0);
        cx.mem.write(out, &text)?;
    }
    Ok(len)
}

/// Compares as the kernel's `strncmp`, to -1, 0 or 1; the second text from read-only memory.
fn strncmp<S>(cx: &mut Cx<'_, S>, a: u64, size: u32, b: u64) -> Result<i32, Stop> {
    let size = u64::from(size);
    let mut done = 0;
    while done < size {
        let (mut x, mut y) = ([0; 64], [0; 64]);
        let len = usize::try_from(size - done).unwrap_or(x.len()).min(x.len());
        let mut read = |len: usize| {
            cx.mem.read(a.wrapping_add(done), x.get_mut(..len).unwrap_or_default())?;
            cx.mem.read(b.wrapping_add(done), y.get_mut(..len).unwrap_or_default())
        };
        // A text may end before `len` bytes, and what can be read with it.
        let len = if read(len).is_ok() { len } else { read(1).map(|()| 1)? };
        for (x, y) in x.iter().zip(&y).take(len) {
            if x != y || *x == 0 {
                return Ok(i32::from(x > y) - i32::from(x < y));
            }
        }
        done += len as u64;
    }
    Ok(0)
}

/// Sign, digits and base of a number at the start of a text; the number of bytes it takes.
///
/// Kernel: `__bpf_strtoull`. Where base 16 is asked for, `0x` is no digit, whatever follows it.
fn number(text: &[u8], base: u64) -> Result<(bool, u64, usize), Errno> {
    let spaces = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let rest = text.get(spaces..).unwrap_or_default();
    let negative = rest.first() == Some(&b'-');
    let rest = rest.get(usize::from(negative)..).unwrap_or_default();
    let (radix, prefix) = match (base, rest) {
        (0, [b'0', b'x' | b'X', digit, ..]) if digit.is_ascii_hexdigit() => (16, 2),
        (16, [b'0', b'x' | b'X', ..]) => (16, 2),
        (0, [b'0', ..]) => (8, 0),
        (0, _) => (10, 0),
        (8 | 10 | 16, _) => (base, 0),
        _ => return Err(Errno::EINVAL),
    };
    let digits = rest.get(prefix..).unwrap_or_default();
    let mut value = 0u64;
    let mut len = 0;
    for &byte in digits {
        let Some(digit) = char::from(byte).to_digit(u32::try_from(radix).unwrap_or(10)) else {
            break;
        };
        value = value
            .checked_mul(radix)
            .and_then(|value| value.checked_add(digit.into()))
            .ok_or(Errno::ERANGE)?;
        len += 1;
    }
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    Ok((negative, value, spaces + usize::from(negative) + prefix + len))
}

/// Longest text `bpf_strtol` looks at. Kernel: `BPF_STRTOX_BASE_MASK` allows no longer use.
const MAX_NUMBER: u64 = 64;

fn parse<S>(
    cx: &mut Cx<'_, S>,
    (text, len, base, result): (u64, u64, u64, u64),
    fit: impl Fn(bool, u64) -> Result<u64, Errno>,
) -> Result<u64, Stop> {
    let text = cx.mem.read_vec(text, len.min(MAX_NUMBER))?;
    let (value, used) = match number(&text, base)
        .and_then(|(negative, value, used)| Ok((fit(negative, value)?, used)))
    {
        Ok(parsed) => parsed,
        Err(errno) => return Ok(errno.r0()),
    };
    cx.mem.write(result, &value.to_le_bytes())?;
    Ok(used as u64)
}

fn strtol<S>(cx: &mut Cx<'_, S>, text: u64, len: u64, base: u64, result: u64) -> Result<u64, Stop> {
    parse(cx, (text, len, base, result), |negative, value| {
        let value = if negative { -i128::from(value) } else { value.into() };
        i64::try_from(value).map(i64::cast_unsigned).map_err(|_| Errno::ERANGE)
    })
}

fn strtoul<S>(
    cx: &mut Cx<'_, S>,
    text: u64,
    len: u64,
    base: u64,
    result: u64,
) -> Result<u64, Stop> {
    let fit = |negative, value| if negative { Err(Errno::EINVAL) } else { Ok(value) };
    parse(cx, (text, len, base, result), fit)
}

/// Copies from any address; one that holds nothing gives zeroes and `EFAULT`.
fn probe_read<S>(cx: &mut Cx<'_, S>, dst: u64, size: u32, src: u64) -> Result<u64, Stop> {
    let mut short = [0; 64];
    if let Some(bytes) = short.get_mut(..size as usize).filter(|bytes| !bytes.is_empty()) {
        if cx.mem.read(src, bytes).is_err() {
            cx.mem.zero(dst, size.into())?;
            return Ok(Errno::EFAULT.r0());
        }
        cx.mem.write(dst, bytes)?;
        return Ok(0);
    }
    match cx.mem.read_vec(src, size.into()) {
        Ok(bytes) => {
            cx.mem.write(dst, &bytes)?;
            Ok(0)
        }
        Err(_) => {
            cx.mem.zero(dst, size.into())?;
            Ok(Errno::EFAULT.r0())
        }
    }
}

/// Copies a text with its NUL, cut to `size`; returns the bytes written.
fn probe_read_str<S>(cx: &mut Cx<'_, S>, dst: u64, size: u32, src: u64) -> Result<u64, Stop> {
    let Some(max) = (size as usize).checked_sub(1) else {
        return Err(argument("bpf_probe_read_str", 2, "a size above 0", 0));
    };
    match cx.mem.read_str(src, max) {
        Ok(mut text) => {
            text.push(0);
            cx.mem.write(dst, &text)?;
            Ok(text.len() as u64)
        }
        Err(_) => {
            cx.mem.zero(dst, size.into())?;
            Ok(Errno::EFAULT.r0())
        }
    }
}

/// `BPF_F_PAD_ZEROS`
const PAD_ZEROS: u64 = 1;

/// Copies a text with its NUL, cut to `size`; returns the bytes written. Kernel:
/// `bpf_copy_from_user_str`.
fn copy_str<S>(cx: &mut Cx<'_, S>, dst: u64, size: u32, src: u64, flags: u64) -> Result<u64, Stop> {
    if flags & !PAD_ZEROS != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    let Some(max) = (size as usize).checked_sub(1) else { return Ok(0) };
    let Ok(mut text) = cx.mem.read_str(src, max) else {
        if flags & PAD_ZEROS != 0 {
            cx.mem.zero(dst, size.into())?;
        }
        return Ok(Errno::EFAULT.r0());
    };
    text.push(0);
    cx.mem.write(dst, &text)?;
    let len = text.len() as u64;
    if flags & PAD_ZEROS != 0 {
        cx.mem.zero(dst.wrapping_add(len), u64::from(size) - len)?;
    }
    Ok(len)
}
