//! Code for `perf inject --jit`: a file of functions with their bytes and source lines, `jit-PID.dump`.
//!
//! `perf record` finds the file by its mapping: its first page is mapped as if it were code. Times are
//! those of `CLOCK_MONOTONIC`, so that it must run with `-k mono`. Format: `jitdump-specification.txt` of perf.

use crate::symbol::Symbol;
use core::ptr::NonNull;
use rustix::fs::OFlags;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::time::{ClockId, clock_gettime};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
/// Records of functions, their source lines, and the end.
const LOAD: u32 = 0;
const DEBUG_INFO: u32 = 2;
const CLOSE: u32 = 3;
/// `EM_X86_64`, `EM_AARCH64`
const MACHINE: u32 = if cfg!(target_arch = "aarch64") { 183 } else { 62 };

/// Bytes that are mapped for `perf record` to see: a page of any host.
const MAPPED: usize = 1;

/// The file of this process; it ends when the value is dropped.
#[derive(Debug)]
pub struct JitDump {
    file: File,
    path: PathBuf,
    map: NonNull<core::ffi::c_void>,
    /// Functions so far.
    count: u64,
}

// SAFETY: the mapping is never accessed, only taken back once.
unsafe impl Send for JitDump {}

impl JitDump {
    /// Begins the file in a directory.
    ///
    /// # Errors
    /// What the system says to the file; it may be on a file system that nothing may be executed from.
    pub fn new(dir: &Path) -> io::Result<Self> {
        let pid = std::process::id();
        let path = dir.join(format!("jit-{pid}.dump"));
        #[expect(clippy::cast_possible_wrap, reason = "flags")]
        let flags = OFlags::NOFOLLOW.bits() as i32;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        let mut file = options.mode(0o644).custom_flags(flags).open(&path)?;
        let mut bytes = Vec::new();
        for word in [MAGIC, VERSION, 40, MACHINE, 0, pid] {
            bytes.extend(word.to_ne_bytes());
        }
        for word in [now(), 0] {
            bytes.extend(word.to_ne_bytes());
        }
        file.write_all(&bytes)?;
        let (prot, flags) = (ProtFlags::READ | ProtFlags::EXEC, MapFlags::PRIVATE);
        // SAFETY: a new mapping at an address of the system's choice overlaps nothing.
        let map = unsafe { mmap(core::ptr::null_mut(), MAPPED, prot, flags, &file, 0) }?;
        let map = NonNull::new(map).ok_or(rustix::io::Errno::NOMEM)?;
        Ok(Self { file, path, map, count: 0 })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds functions.
    ///
    /// # Errors
    /// What the system says to the file.
    pub fn add(&mut self, symbols: &[Symbol<'_>]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for symbol in symbols {
            if !symbol.lines.is_empty() {
                record(&mut bytes, DEBUG_INFO, &lines(symbol));
            }
            record(&mut bytes, LOAD, &load(symbol, self.count));
            self.count += 1;
        }
        self.file.write_all(&bytes)
    }
}

impl Drop for JitDump {
    fn drop(&mut self) {
        let mut end = Vec::new();
        record(&mut end, CLOSE, &[]);
        // Readers come to the end of the file all the same.
        let _ = self.file.write_all(&end);
        // SAFETY: the mapping is this value's own, and nobody uses it.
        let unmapped = unsafe { munmap(self.map.as_ptr(), MAPPED) };
        debug_assert!(unmapped.is_ok(), "bug: the mapping is not what it was");
    }
}

/// Nanoseconds on the clock of `perf record -k mono`.
fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

fn record(out: &mut Vec<u8>, id: u32, body: &[u8]) {
    let len = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    out.extend(id.to_ne_bytes());
    out.extend(len.to_ne_bytes());
    out.extend(now().to_ne_bytes());
    out.extend(body);
}

fn load(symbol: &Symbol<'_>, index: u64) -> Vec<u8> {
    let mut body = Vec::new();
    #[expect(clippy::cast_sign_loss, reason = "a number of a thread")]
    let tid = rustix::thread::gettid().as_raw_nonzero().get() as u32;
    for word in [std::process::id(), tid] {
        body.extend(word.to_ne_bytes());
    }
    for word in [symbol.address, symbol.address, symbol.code.len() as u64, index] {
        body.extend(word.to_ne_bytes());
    }
    body.extend(symbol.name.as_bytes());
    body.push(0);
    body.extend(symbol.code);
    body
}

fn lines(symbol: &Symbol<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    for word in [symbol.address, symbol.lines.len() as u64] {
        body.extend(word.to_ne_bytes());
    }
    for line in &symbol.lines {
        body.extend((symbol.address + u64::from(line.at)).to_ne_bytes());
        body.extend(line.source.line.to_ne_bytes());
        // A discriminator, which there is none of.
        body.extend(0u32.to_ne_bytes());
        body.extend(line.source.file.bytes().filter(|&byte| byte != 0));
        body.push(0);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> u32 {
        u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    #[test]
    fn records_follow_each_other_to_the_end() {
        let dir = std::env::temp_dir().join(format!("skep-jitdump-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let code = [0xc3; 5];
        let name = "bpf_prog_a".to_string();
        let symbol = Symbol { name, prog: 0, address: 0x1000, code: &code, lines: Vec::new() };
        let mut dump = JitDump::new(&dir).unwrap();
        dump.add(&[symbol.clone(), symbol]).unwrap();
        let path = dump.path().to_path_buf();
        drop(dump);
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((word(&bytes, 0), word(&bytes, 8)), (MAGIC, 40));
        assert_eq!(word(&bytes, 20), std::process::id());
        let (mut at, mut ids) = (40, Vec::new());
        while at < bytes.len() {
            ids.push(word(&bytes, at));
            at += word(&bytes, at + 4) as usize;
        }
        assert_eq!((at, ids), (bytes.len(), vec![LOAD, LOAD, CLOSE]));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
