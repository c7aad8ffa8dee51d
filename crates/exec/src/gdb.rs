//! Code for debuggers that attach or run this process: GDB's and LLDB's interface for compilers at run time.
//!
//! A debugger sets a breakpoint in `__jit_debug_register_code` and reads what the descriptor leads to whenever that is
//! called. Both names are weak, so that another such compiler in the process has the same list. GDB manual,
//! "JIT Compilation Interface".

use crate::debug_elf;
use crate::symbol::Symbol;
use core::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

core::arch::global_asm!(
    ".pushsection .text.__jit_debug_register_code,\"ax\",%progbits",
    ".weak __jit_debug_register_code",
    ".type __jit_debug_register_code,%function",
    "__jit_debug_register_code:",
    "ret",
    ".size __jit_debug_register_code, . - __jit_debug_register_code",
    ".popsection",
    ".pushsection .data.__jit_debug_descriptor,\"aw\",%progbits",
    ".balign 8",
    ".weak __jit_debug_descriptor",
    ".type __jit_debug_descriptor,%object",
    "__jit_debug_descriptor:",
    ".4byte 1",
    ".4byte 0",
    ".8byte 0",
    ".8byte 0",
    ".size __jit_debug_descriptor, 24",
    ".popsection",
);

/// A file for the debugger.
#[repr(C)]
#[derive(Debug)]
struct Entry {
    next: *mut Entry,
    prev: *mut Entry,
    file: *const u8,
    len: u64,
}

/// What the debugger reads.
#[repr(C)]
struct Descriptor {
    version: u32,
    action: u32,
    relevant: *mut Entry,
    first: *mut Entry,
}

const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

unsafe extern "C" {
    fn __jit_debug_register_code();
    static mut __jit_debug_descriptor: Descriptor;
}

/// Held by whoever changes the list.
static LIST: Mutex<()> = Mutex::new(());

/// Functions that debuggers know of until the value is dropped.
#[derive(Debug)]
pub struct GdbSymbols(Vec<File>);

/// One file, and its place in the list.
#[derive(Debug)]
struct File {
    /// From [`Box::into_raw`].
    entry: *mut Entry,
    #[expect(dead_code, reason = "the entry leads to it")]
    bytes: Vec<u8>,
}

// SAFETY: the entry is touched under `LIST` only, by whichever thread.
unsafe impl Send for File {}

// SAFETY: nothing can be done with a shared one.
unsafe impl Sync for File {}

impl GdbSymbols {
    /// Tells debuggers of functions, as [`Compiled::symbols`](crate::Compiled::symbols) lists them.
    #[must_use]
    pub fn new(symbols: &[Symbol<'_>]) -> Self {
        let progs = symbols.chunk_by(|a, b| a.prog == b.prog);
        Self(progs.filter_map(debug_elf::write).map(File::new).collect())
    }

    /// Files that debuggers were given, one for each program.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl File {
    fn new(bytes: Vec<u8>) -> Self {
        let (file, len) = (bytes.as_ptr(), bytes.len() as u64);
        let entry =
            Box::into_raw(Box::new(Entry { next: null_mut(), prev: null_mut(), file, len }));
        let _guard = LIST.lock().unwrap_or_else(PoisonError::into_inner);
        let list = &raw mut __jit_debug_descriptor;
        // SAFETY: the descriptor is there for as long as the process, and changed under the lock only.
        let first = unsafe { (*list).first };
        // SAFETY: the entry is alive, and nobody else knows of it yet.
        unsafe { (*entry).next = first };
        if !first.is_null() {
            // SAFETY: entries in the list are alive: each leaves it before it is freed.
            unsafe { (*first).prev = entry };
        }
        // SAFETY: as for reading it.
        unsafe { (*list).first = entry };
        tell(REGISTER, entry);
        Self { entry, bytes }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _guard = LIST.lock().unwrap_or_else(PoisonError::into_inner);
        let list = &raw mut __jit_debug_descriptor;
        // SAFETY: the entry is alive until the end of this function.
        let next = unsafe { (*self.entry).next };
        // SAFETY: the same.
        let prev = unsafe { (*self.entry).prev };
        if !next.is_null() {
            // SAFETY: entries in the list are alive.
            unsafe { (*next).prev = prev };
        }
        if prev.is_null() {
            // SAFETY: the descriptor is changed under the lock only.
            unsafe { (*list).first = next };
        } else {
            // SAFETY: entries in the list are alive.
            unsafe { (*prev).next = next };
        }
        tell(UNREGISTER, self.entry);
        // SAFETY: it came from `Box::into_raw`, and the list does not lead to it any more.
        drop(unsafe { Box::from_raw(self.entry) });
    }
}

/// Has the debugger look at an entry; the caller holds the lock.
fn tell(action: u32, entry: *mut Entry) {
    let list = &raw mut __jit_debug_descriptor;
    // SAFETY: the descriptor is changed under the lock only.
    unsafe { (*list).relevant = entry };
    // SAFETY: the same.
    unsafe { (*list).action = action };
    // SAFETY: it does nothing but to return.
    unsafe { __jit_debug_register_code() };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of all files in the list, both ways.
    fn lengths() -> Vec<u64> {
        let _guard = LIST.lock().unwrap();
        let list = &raw mut __jit_debug_descriptor;
        // SAFETY: under the lock.
        let (mut at, mut prev, mut all) = (unsafe { (*list).first }, null_mut(), Vec::new());
        while !at.is_null() {
            // SAFETY: entries in the list are alive.
            let entry = unsafe { &*at };
            assert_eq!(entry.prev, prev);
            all.push(entry.len);
            (prev, at) = (at, entry.next);
        }
        all
    }

    #[test]
    fn files_come_and_go_in_any_order() {
        let mut files: Vec<File> = (1..=4).map(|len| File::new(vec![0; len])).collect();
        assert_eq!(lengths(), [4, 3, 2, 1]);
        drop(files.remove(1));
        assert_eq!(lengths(), [4, 3, 1]);
        drop(files.pop());
        assert_eq!(lengths(), [3, 1]);
        drop(files.remove(0));
        assert_eq!(lengths(), [3]);
        drop(files);
        assert_eq!(lengths(), [0; 0]);
    }
}
