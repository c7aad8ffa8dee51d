//! Memory for code: written once, then executable and no longer writable.
//!
//! Code has pages of its own, so that nothing else is ever written to them or goes with them. Small programs take theirs from
//! a run of pages that have been mapped at once, and are there already: what is left to do for each is to make
//! them executable. They take them from its end, and those that go in the opposite order give theirs back: no longer
//! executable, the pages are writable again.

use core::ptr::NonNull;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use rustix::param::page_size;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{LazyLock, Mutex};

/// Code that lies in memory of its own, to be executed and read.
#[derive(Debug)]
pub struct ExecMemory {
    pages: Pages,
    len: usize,
}

// SAFETY: nobody writes to the memory, and it stays until the value is dropped.
unsafe impl Send for ExecMemory {}

// SAFETY: as for `Send`.
unsafe impl Sync for ExecMemory {}

/// What is behind the code up to the end of the page: `int3`, or `udf` four bytes each.
const TRAP: u8 = if cfg!(target_arch = "aarch64") { 0 } else { 0xcc };
/// Pages that are mapped at once, at most.
const RUN: usize = 16;

/// Whole pages of a private anonymous mapping that nobody else refers to.
#[derive(Debug)]
struct Pages {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: they are this value's own, as those of a vector are.
unsafe impl Send for Pages {}

impl Pages {
    /// New writable pages, full of traps; `flags` may have them there at once.
    fn new(len: usize, flags: MapFlags) -> io::Result<Self> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | flags);
        // SAFETY: a new anonymous mapping overlaps nothing, as the address is no more than a wish.
        let base = unsafe { mmap_anonymous(near(len), len, prot, flags) }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(Errno::NOMEM)?;
        let mut this = Self { base, len };
        // SAFETY: they have just been made, writable.
        unsafe { this.bytes(len) }.fill(TRAP);
        Ok(this)
    }

    /// The first of their bytes, at most all.
    ///
    /// # Safety
    /// The pages must be writable.
    unsafe fn bytes(&mut self, len: usize) -> &mut [u8] {
        let len = len.min(self.len);
        // SAFETY: the pages are writable, as the caller says, and this value's own.
        unsafe { core::slice::from_raw_parts_mut(self.base.as_ptr(), len) }
    }

    /// None.
    const NONE: Self = Self { base: NonNull::dangling(), len: 0 };

    /// Where they end.
    fn end(&self) -> NonNull<u8> {
        // SAFETY: at most the end of the mapping.
        unsafe { self.base.add(self.len) }
    }

    /// Gives up the last of them, whole pages, if there are as many.
    fn split_off(&mut self, len: usize) -> Option<Self> {
        self.len = self.len.checked_sub(len)?;
        Some(Self { base: self.end(), len })
    }

    /// Takes the ones that come behind.
    fn append(&mut self, next: Self) {
        self.len += next.len;
        core::mem::forget(next);
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if self.len > 0 {
            // SAFETY: the pages are this value's own, and code in them runs only while it is borrowed.
            let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
            debug_assert!(unmapped.is_ok(), "bug: the mapping is not what it was");
        }
    }
}

/// Bytes that are asked for one below the other before it starts again.
const SPAN: usize = 1 << 30;

/// An address for so many bytes not far from this library, or null. Processors take longer to call functions that are many
/// GiB away, as those of helpers are from where the system has mappings (Zen 3: 2.5 ns instead of 1.6). What is taken, it replaces by an
/// address of its own.
fn near(len: usize) -> *mut core::ffi::c_void {
    /// Where the first code ends: a random distance below the library.
    static END: LazyLock<Option<usize>> = LazyLock::new(|| {
        let random = usize::try_from(RandomState::new().hash_one(0) & (SPAN as u64 - 1)).ok()?;
        let here = (near as *const ()).addr();
        // What else belongs to the library lies nearer than this.
        here.checked_sub(SPAN / 4 + random).filter(|&end| end > 2 * SPAN)
    });
    static TAKEN: AtomicUsize = AtomicUsize::new(0);
    // Pages of one piece are quicker to change than those next to others.
    let taken = TAKEN.fetch_add(len + page_size(), Relaxed) % SPAN;
    let at = END.and_then(|end| end.checked_sub(taken)?.checked_sub(len));
    core::ptr::without_provenance_mut(at.map_or(0, |at| at & !(page_size() - 1)))
}

/// Writable pages full of traps that nobody has, and how many have been given out.
struct Spare {
    pages: Pages,
    given: usize,
}

static SPARE: Mutex<Spare> = Mutex::new(Spare { pages: Pages::NONE, given: 0 });

/// Writable pages of so many bytes, full of traps. A process that has a few programs gets few pages beyond those.
fn writable(len: usize) -> io::Result<Pages> {
    // Whoever finds others at it maps pages alone, and so does a child of a process that was at it when it forked.
    let page = page_size();
    if len > RUN / 2 * page {
        return Pages::new(len, MapFlags::empty());
    }
    let Ok(mut spare) = SPARE.try_lock() else { return Pages::new(len, MapFlags::empty()) };
    let spare = &mut *spare;
    if spare.pages.len < len {
        let run = (spare.given.min(RUN) * page).max(len);
        spare.pages = Pages::new(run, MapFlags::POPULATE)?;
    }
    spare.given = spare.given.saturating_add(len / page);
    Ok(spare.pages.split_off(len).ok_or(Errno::NOMEM)?)
}

/// Takes pages back that begin with so many bytes of code, if they lie behind those that are spare and these are few.
fn give_back(mut pages: Pages, code: usize) {
    // Other cores may have fetched what stood there, of which only x86 hears.
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    let Ok(mut spare) = SPARE.try_lock() else { return };
    let spare = &mut spare.pages;
    if pages.base != spare.end() || spare.len + pages.len > RUN * page_size() {
        return;
    }
    let (base, prot) = (pages.base.as_ptr().cast(), MprotectFlags::READ | MprotectFlags::WRITE);
    // SAFETY: the pages are nobody else's, and code in them ran only while they were borrowed.
    if unsafe { mprotect(base, pages.len, prot) }.is_ok() {
        // SAFETY: they have just become writable.
        unsafe { pages.bytes(code) }.fill(TRAP);
        spare.append(pages);
    }
}

impl Drop for ExecMemory {
    fn drop(&mut self) {
        give_back(core::mem::replace(&mut self.pages, Pages::NONE), self.len);
    }
}

impl ExecMemory {
    /// Memory that holds these bytes.
    ///
    /// # Errors
    /// What the system says to the mapping.
    pub fn new(code: &[u8]) -> io::Result<Self> {
        let mut pages = writable(code.len().max(1).next_multiple_of(page_size()))?;
        // SAFETY: the pages are writable.
        unsafe { pages.bytes(code.len()) }.copy_from_slice(code);
        let (base, mapped) = (pages.base, pages.len);
        // SAFETY: these are whole pages of one mapping, and the slice above is not used any more.
        unsafe {
            mprotect(base.as_ptr().cast(), mapped, MprotectFlags::READ | MprotectFlags::EXEC)
        }?;
        let this = Self { pages, len: code.len() };
        #[cfg(target_arch = "aarch64")]
        crate::sync::instructions(&this);
        Ok(this)
    }

    /// Bytes of code.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no code.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Address of a position in the code.
    #[must_use]
    pub fn address(&self, at: u32) -> Option<NonNull<u8>> {
        let at = at as usize;
        // SAFETY: the position is inside the pages.
        (at < self.len).then(|| unsafe { self.pages.base.add(at) })
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    /// A function that returns a number: `mov eax, n; ret`, and so many bytes behind it.
    fn returns(n: u32, behind: usize) -> ExecMemory {
        let mut code = vec![0xb8];
        code.extend(n.to_le_bytes());
        code.push(0xc3);
        code.resize(code.len() + behind, 0x90);
        ExecMemory::new(&code).unwrap()
    }

    fn call(memory: &ExecMemory) -> u32 {
        let address = memory.address(0).unwrap();
        // SAFETY: `returns` has put a function of this type there.
        let function =
            unsafe { core::mem::transmute::<*mut u8, extern "C" fn() -> u32>(address.as_ptr()) };
        function()
    }

    #[test]
    fn code_stays_when_its_neighbours_go() {
        let make = |from: u32| {
            let sizes = [0, 5000, 100, 40_000, 0, 9000].into_iter().cycle();
            let code = (from..from + 200).zip(sizes);
            let mut all: Vec<_> = code.map(|(n, size)| (n, returns(n, size))).collect();
            all.retain(|&(n, _)| n % 3 != 0);
            all.extend((from + 200..from + 250).map(|n| (n, returns(n, 0))));
            all
        };
        let threads: Vec<_> = (0..4).map(|n| std::thread::spawn(move || make(1000 * n))).collect();
        let all = threads.into_iter().flat_map(|thread| thread.join().unwrap());
        for (n, memory) in all.collect::<Vec<_>>() {
            assert_eq!(call(&memory), n);
        }
    }

    /// Other threads may be at the spare pages now and then.
    #[test]
    fn pages_are_used_again_by_the_next() {
        let is_again = |n: u32| {
            let first = returns(n, 100);
            assert_eq!(call(&first), n);
            let at = first.address(0);
            drop(first);
            let second = returns(n + 1, 0);
            assert_eq!(call(&second), n + 1);
            // SAFETY: the pages are there and can be read.
            let bytes = unsafe {
                core::slice::from_raw_parts(second.pages.base.as_ptr(), second.pages.len)
            };
            assert!(bytes[second.len()..].iter().all(|&byte| byte == TRAP));
            second.address(0) == at
        };
        assert!((0..1000).any(is_again));
    }

    #[test]
    fn pages_that_are_given_back_are_few() {
        let all: Vec<_> = (0..100).map(|n| returns(n, 0)).collect();
        all.into_iter().rev().for_each(drop);
        let spare = SPARE.lock().unwrap().pages.len;
        assert!(spare <= RUN * page_size(), "{spare}");
    }

    /// No more than a wish, which the system has no reason to refuse here.
    #[test]
    fn code_lies_near_what_it_calls() {
        let here = (near as *const ()).addr();
        for size in [0, 5000, 100_000] {
            let code = returns(1, size);
            let at = code.pages.base.as_ptr().addr();
            assert!(here.abs_diff(at) < 3 << 30, "{at:#x} of {here:#x}");
        }
    }

    #[test]
    fn nothing_that_is_executable_is_writable() {
        let all: Vec<_> = (0..50).map(|n| returns(n, 0)).collect();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut found = 0;
        for line in maps.lines() {
            let (start, rest) = line.split_once('-').unwrap();
            let (end, rights) = rest.split_once(' ').unwrap();
            let [start, end] = [start, end].map(|at| usize::from_str_radix(at, 16).unwrap());
            let is_inside =
                |memory: &&ExecMemory| (start..end).contains(&memory.pages.base.as_ptr().addr());
            let here = all.iter().filter(is_inside).count();
            assert!(!rights.starts_with("rwx"), "{line}");
            assert!(here == 0 || rights.starts_with("r-xp"), "{line}");
            found += here;
        }
        assert_eq!(found, 50);
    }
}
