//! Memory by the page, for programs to lay out as they like.
//!
//! Source: `kernel/bpf/arena.c`.

use crate::Values;
use alloc::vec::Vec;
use core::mem;
use core::sync::atomic::Ordering::Relaxed;
use skep_abi::Errno;
use skep_prog::MapDef;
use spin::Mutex;

/// Bytes of a page.
pub(crate) const PAGE: u32 = 4096;

/// `arena`
#[derive(Debug)]
pub struct Arena {
    def: MapDef,
    /// One cell with all pages; those never allocated take no memory.
    pages: Values,
    /// What each page is.
    used: Mutex<Vec<Page>>,
}

/// What a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    Free,
    /// Not to be allocated, and not there either.
    Reserved,
    Allocated,
}

impl Arena {
    pub(crate) fn new(def: MapDef) -> Result<Self, Errno> {
        let count = def.max_entries as usize;
        let bytes = count.checked_mul(PAGE as usize).ok_or(Errno::ENOMEM)?;
        let mut used = Vec::new();
        used.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        used.resize(count, Page::Free);
        Ok(Self { pages: Values::new(bytes, 1)?, used: Mutex::new(used), def })
    }

    /// What the map was made from.
    #[must_use]
    pub fn def(&self) -> &MapDef {
        &self.def
    }

    /// The memory. Whoever gives it to programs keeps them to pages that are
    /// [allocated](Arena::is_allocated).
    #[must_use]
    pub fn values(&self) -> &Values {
        &self.pages
    }

    /// Gives the arena its first bytes, in pages of their own.
    pub(crate) fn set_initial(&self, value: &[u8]) -> Result<(), Errno> {
        if value.is_empty() {
            return Ok(());
        }
        let pages = value.len().div_ceil(PAGE as usize);
        self.alloc(Some(0), u32::try_from(pages).map_err(|_| Errno::ENOMEM)?)?;
        self.pages.write(0, value).ok_or(Errno::EINVAL)
    }

    /// Allocates pages in a row, zeroed: at page `at`, or at the first place with room. Gives the
    /// first page.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no pages and for places beyond the end, `EBUSY` for a place that is not free,
    /// `ENOMEM` for want of room.
    ///
    /// Kernel: `arena_alloc_pages`.
    pub fn alloc(&self, at: Option<u32>, count: u32) -> Result<u32, Errno> {
        let mut used = self.used.lock();
        let len = count as usize;
        if count == 0 || len > used.len() {
            return Err(Errno::EINVAL);
        }
        let first = match at {
            Some(at) => {
                let place = used.get(at as usize..).and_then(|rest| rest.get(..len));
                if place.ok_or(Errno::EINVAL)?.iter().any(|page| *page != Page::Free) {
                    return Err(Errno::EBUSY);
                }
                at as usize
            }
            None => free_run(&used, len).ok_or(Errno::ENOMEM)?,
        };
        used[first..first + len].fill(Page::Allocated);
        u32::try_from(first).map_err(|_| Errno::ENOMEM)
    }

    /// Keeps pages from being allocated, until they are freed.
    ///
    /// # Errors
    ///
    /// `EINVAL` for places beyond the end, `EBUSY` if one of them is allocated or reserved.
    ///
    /// Kernel: `arena_reserve_pages`.
    pub fn reserve(&self, at: u32, count: u32) -> Result<(), Errno> {
        let mut used = self.used.lock();
        let place = used.get_mut(at as usize..).and_then(|rest| rest.get_mut(..count as usize));
        let place = place.ok_or(Errno::EINVAL)?;
        if place.iter().any(|page| *page != Page::Free) {
            return Err(Errno::EBUSY);
        }
        place.fill(Page::Reserved);
        Ok(())
    }

    /// Gives pages back, and makes them zero; those that are not allocated stay so, and are no more
    /// reserved.
    pub fn free(&self, at: u32, count: u32) {
        let mut used = self.used.lock();
        let at = at as usize;
        let end = at.saturating_add(count as usize).min(used.len());
        for page in at..end {
            if mem::replace(&mut used[page], Page::Free) == Page::Allocated {
                let words = PAGE as usize / 8;
                let words = self.pages.words().get(page * words..(page + 1) * words);
                let words = words.unwrap_or_default();
                words.iter().for_each(|word| word.store(0, Relaxed));
            }
        }
    }

    /// Whether all of `len` bytes at a position are in allocated pages.
    #[must_use]
    pub fn is_allocated(&self, at: usize, len: usize) -> bool {
        let page = PAGE as usize;
        let Some(last) = at.checked_add(len.max(1) - 1) else { return false };
        let used = self.used.lock();
        used.get(at / page..=last / page)
            .is_some_and(|pages| pages.iter().all(|page| *page == Page::Allocated))
    }
}

/// The first of so many pages in a row that are free.
fn free_run(used: &[Page], len: usize) -> Option<usize> {
    let mut run = 0;
    for (page, used) in used.iter().enumerate() {
        run = if *used == Page::Free { run + 1 } else { 0 };
        if run == len {
            return Some(page + 1 - len);
        }
    }
    None
}
