//! `union bpf_attr` as bytes, and the system call that takes it.

use crate::{Cmd, SysError};
use skep_abi::Errno;
use std::io;

/// As long as any command of Linux 6.18 needs it. Kernels that know less take it as long as what
/// they do not know is zero, which is where all fields start.
const LEN: usize = 160;

/// Attempts at a command that the kernel asks to repeat, as libbpf counts them.
const ATTEMPTS: u32 = 5;

/// The argument of a command. Positions are those of the fields in the kernel's union.
#[repr(align(8))]
pub(crate) struct Attr([u8; LEN]);

impl Attr {
    pub(crate) const fn new() -> Self {
        Self([0; LEN])
    }

    pub(crate) fn put32(mut self, at: usize, value: u32) -> Self {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        self
    }

    pub(crate) fn put64(mut self, at: usize, value: u64) -> Self {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        self
    }

    /// The address of bytes that the kernel reads.
    pub(crate) fn put_bytes(self, at: usize, bytes: &[u8]) -> Self {
        let address = if bytes.is_empty() { 0 } else { bytes.as_ptr().expose_provenance() };
        self.put64(at, address as u64)
    }

    /// The address of bytes that the kernel writes.
    pub(crate) fn put_out(self, at: usize, bytes: &mut [u8]) -> Self {
        let address = if bytes.is_empty() { 0 } else { bytes.as_mut_ptr().expose_provenance() };
        self.put64(at, address as u64)
    }

    /// An object's name: the first 15 bytes that the kernel allows in one, NUL-terminated.
    /// Kernel: `bpf_obj_name_cpy`.
    pub(crate) fn put_name(mut self, at: usize, name: &str) -> Self {
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.');
        for (to, from) in self.0[at..at + 15].iter_mut().zip(name.bytes().filter(allowed)) {
            *to = from;
        }
        self
    }

    pub(crate) fn get32(&self, at: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.0[at..at + 4]);
        u32::from_ne_bytes(bytes)
    }

    /// Runs a command. What it returns is a file descriptor for some commands, otherwise 0.
    ///
    /// # Safety
    ///
    /// Every address in the fields that the command uses must be 0 or that of memory as long as the
    /// command makes of it, and writable where it writes.
    pub(crate) unsafe fn run(&mut self, cmd: Cmd) -> Result<i32, SysError> {
        let mut errno = 0;
        for _ in 0..ATTEMPTS {
            // SAFETY: the attribute is `LEN` writable bytes, and the caller vouches for what it
            // refers to.
            let result =
                unsafe { libc::syscall(libc::SYS_bpf, cmd.number(), self.0.as_mut_ptr(), LEN) };
            if let Ok(result @ 0..) = i32::try_from(result) {
                return Ok(result);
            }
            errno = io::Error::last_os_error().raw_os_error().unwrap_or(0);
            if !matches!(errno, libc::EAGAIN | libc::EINTR) {
                break;
            }
        }
        Err(SysError::new(cmd, Errno::from_number(errno)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_what_the_kernel_allows() {
        let table = [
            ("flows", "flows"),
            ("a-very long name.of_many letters", "averylongname.o"),
            (".rodata.str", ".rodata.str"),
            ("ünïcode", "ncode"),
            ("", ""),
        ];
        for (name, kept) in table {
            let attr = Attr::new().put_name(28, name);
            let end = 28 + kept.len();
            assert_eq!(&attr.0[28..end], kept.as_bytes(), "{name}");
            assert!(attr.0[end..].iter().all(|&byte| byte == 0), "{name}");
        }
    }

    #[test]
    fn fields_stand_where_they_were_put() {
        let bytes = [1];
        let attr = Attr::new().put32(4, 0x0102_0304).put64(8, 5).put_bytes(16, &bytes);
        assert_eq!(attr.get32(4), 0x0102_0304);
        assert_ne!(attr.get32(16), 0);
        assert_eq!(Attr::new().put_bytes(16, &[]).get32(16), 0, "no bytes have no address");
    }
}
