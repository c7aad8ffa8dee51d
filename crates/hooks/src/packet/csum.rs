//! Internet checksums (RFC 1071, RFC 1624) as helpers update them.
//!
//! Sums are in ones' complement, in the byte order of memory, and keep the kernel's choice between
//! the two zeros: a sum is 0 only if every addend is.

use super::Packet;
use crate::Errno;

/// `BPF_F_HDR_FIELD_MASK`: size of the changed field.
const FIELD: u64 = 0xf;
/// `BPF_F_PSEUDO_HDR`: the field is in the pseudo header. That matters only to checksums that
/// hardware completes, which no packet here has.
const PSEUDO_HDR: u64 = 1 << 4;
/// `BPF_F_MARK_MANGLED_0`: 0 means "no checksum" (UDP).
const MARK_MANGLED_0: u64 = 1 << 5;
/// `BPF_F_MARK_ENFORCE`: with the former, update even a 0.
const MARK_ENFORCE: u64 = 1 << 6;
/// `BPF_F_IPV6`, as `PSEUDO_HDR`.
const IPV6: u64 = 1 << 7;
/// `CSUM_MANGLED_0`: how UDP sends a checksum that came out as 0.
const MANGLED_0: u16 = 0xffff;

impl Packet {
    /// Asks for (`level` 0, `BPF_CSUM_LEVEL_QUERY`) or changes how many checksums count as checked
    /// (1 one more, 2 one less, 3 none).
    ///
    /// Kernel: `bpf_csum_level`.
    pub fn csum_level(&mut self, level: u64) -> Result<u32, Errno> {
        /// `SKB_MAX_CSUM_LEVEL`
        const MAX: u8 = 3;
        self.0.checked = match (level, self.0.checked) {
            (0, checked) => return checked.map(u32::from).ok_or(Errno::EACCES),
            (1, checked) => Some(checked.map_or(0, |level| MAX.min(level + 1))),
            (2, checked) => checked.and_then(|level| level.checked_sub(1)),
            (3, _) => None,
            _ => return Err(Errno::EINVAL),
        };
        Ok(0)
    }

    /// Updates an IP header checksum at `off`: the field `from` of the size in `flags` became `to`,
    /// or with size 0 the sum changed by `to`.
    ///
    /// Kernel: `bpf_l3_csum_replace`.
    pub fn l3_csum_replace(
        &mut self,
        off: u32,
        from: u64,
        to: u64,
        flags: u64,
    ) -> Result<(), Errno> {
        if flags & !FIELD != 0 {
            return Err(Errno::EINVAL);
        }
        let field = self.sum_field(off)?;
        let sum = u16::from_ne_bytes(*field);
        let new = match flags & FIELD {
            0 if from != 0 => return Err(Errno::EINVAL),
            0 => by_diff(sum, low32(to)),
            2 => !add16(add16(!sum, !low16(from)), low16(to)),
            4 => replace(sum, low32(from), low32(to)),
            _ => return Err(Errno::EINVAL),
        };
        *field = new.to_ne_bytes();
        Ok(())
    }

    /// As [`Packet::l3_csum_replace`], for a TCP, UDP or ICMP checksum.
    ///
    /// Kernel: `bpf_l4_csum_replace`, for a packet whose checksum is in its bytes.
    pub fn l4_csum_replace(
        &mut self,
        off: u32,
        from: u64,
        to: u64,
        flags: u64,
    ) -> Result<(), Errno> {
        if flags & !(MARK_MANGLED_0 | MARK_ENFORCE | PSEUDO_HDR | IPV6 | FIELD) != 0 {
            return Err(Errno::EINVAL);
        }
        let zero_is_none = flags & MARK_MANGLED_0 != 0;
        let field = self.sum_field(off)?;
        let sum = u16::from_ne_bytes(*field);
        if zero_is_none && flags & MARK_ENFORCE == 0 && sum == 0 {
            return Ok(());
        }
        let new = match flags & FIELD {
            0 if from != 0 => return Err(Errno::EINVAL),
            0 => by_diff(sum, low32(to)),
            2 => replace(sum, u32::from(low16(from)), u32::from(low16(to))),
            4 => replace(sum, low32(from), low32(to)),
            _ => return Err(Errno::EINVAL),
        };
        let new = if zero_is_none && new == 0 { MANGLED_0 } else { new };
        *field = new.to_ne_bytes();
        Ok(())
    }

    fn sum_field(&mut self, off: u32) -> Result<&mut [u8; 2], Errno> {
        if off > 0xffff || !off.is_multiple_of(2) {
            return Err(Errno::EFAULT);
        }
        let bytes = self.data_mut().get_mut(off as usize..).ok_or(Errno::EFAULT)?;
        bytes.first_chunk_mut().ok_or(Errno::EFAULT)
    }
}

/// How a sum changes when the bytes `from` give way to `to`; `seed` is added.
///
/// Kernel: `bpf_csum_diff` as of Linux 6.13, which folds the result to 16 bits on all hosts.
///
/// ```
/// use skep_hooks::csum_diff;
///
/// assert_eq!(csum_diff(&[], &[1, 0, 0, 0, 0, 0, 2, 0], 0), Ok(u32::from_ne_bytes([3, 0, 0, 0])));
/// ```
pub fn csum_diff(from: &[u8], to: &[u8], seed: u32) -> Result<u32, Errno> {
    if !from.len().is_multiple_of(4) || !to.len().is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let sum = match (from.is_empty(), to.is_empty()) {
        (false, false) => add32(partial(to, seed), !partial(from, 0)),
        (true, false) => partial(to, seed),
        (false, true) => !partial(from, !seed),
        (true, true) => seed,
    };
    Ok(u32::from(fold(sum)))
}

/// The sum of the 32-bit words of `bytes`. Kernel: `csum_partial`.
fn partial(bytes: &[u8], seed: u32) -> u32 {
    let (words, _) = bytes.as_chunks();
    words.iter().fold(seed, |sum, word| add32(sum, u32::from_ne_bytes(*word)))
}

/// Kernel: `csum_replace4`.
fn replace(sum: u16, from: u32, to: u32) -> u16 {
    !fold(add32(add32(!u32::from(sum), !from), to))
}

/// Kernel: `csum_replace_by_diff`.
fn by_diff(sum: u16, diff: u32) -> u16 {
    !fold(add32(diff, !u32::from(sum)))
}

const fn add32(a: u32, b: u32) -> u32 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u32
}

const fn add16(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u16
}

const fn fold(sum: u32) -> u16 {
    let [a, b, c, d] = sum.to_ne_bytes();
    add16(u16::from_ne_bytes([a, b]), u16::from_ne_bytes([c, d]))
}

/// Helpers truncate their 64-bit arguments to the field.
#[expect(clippy::cast_possible_truncation, reason = "what the helper does")]
const fn low32(value: u64) -> u32 {
    value as u32
}

#[expect(clippy::cast_possible_truncation, reason = "what the helper does")]
const fn low16(value: u64) -> u16 {
    value as u16
}
