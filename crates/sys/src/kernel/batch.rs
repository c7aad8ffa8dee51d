//! Many entries of a map at a time, and entries under the lock in their value.

use super::{Kernel, MapFd, number};
use crate::attr::Attr;
use crate::{Cmd, SysError};
use skep_abi::Errno;
use std::os::fd::AsFd;

/// How far a command on many entries came, and why no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchEnd {
    /// Entries dealt with.
    pub count: u32,
    /// What the kernel answered.
    pub end: Result<(), Errno>,
}

impl Kernel {
    /// `BPF_MAP_LOOKUP_ELEM` with flags (`BPF_F_LOCK`).
    ///
    /// # Errors
    /// [`SysError`], as the kernel says.
    pub fn map_lookup_flags(
        &self,
        map: &MapFd,
        key: &[u8],
        value: &mut [u8],
        flags: u64,
    ) -> Result<(), SysError> {
        let op = Cmd::MapLookupElem;
        map.sized(op, Some(key), Some(value))?;
        let mut attr = map.elem(Some(key)).put_out(16, value).put64(24, flags);
        // SAFETY: key and value have the sizes of the map; the value is writable.
        unsafe { attr.run(op) }.map(drop)
    }

    /// `BPF_MAP_LOOKUP_BATCH`, or `BPF_MAP_LOOKUP_AND_DELETE_BATCH` to `take`: the first `count`
    /// entries, their keys and values one after the other.
    pub fn map_read_batch(
        &self,
        map: &MapFd,
        count: u32,
        take: bool,
    ) -> (BatchEnd, Vec<u8>, Vec<u8>) {
        let bytes = |size: usize| vec![0; size.saturating_mul(count as usize)];
        let (mut keys, mut values) = (bytes(map.key_size), bytes(map.value_size));
        // A key, or a bucket's number.
        let mut next = vec![0; map.key_size.max(8)];
        let mut attr =
            batch(map, count).put_out(8, &mut next).put_out(16, &mut keys).put_out(24, &mut values);
        let op = if take { Cmd::MapLookupAndDeleteBatch } else { Cmd::MapLookupBatch };
        // SAFETY: there is room for `count` keys and values of the map's sizes, and for a position.
        let end = unsafe { attr.run(op) };
        let end = ended(&attr, end);
        keys.truncate(end.count as usize * map.key_size);
        values.truncate(end.count as usize * map.value_size);
        (end, keys, values)
    }

    /// `BPF_MAP_UPDATE_BATCH` of whole keys and as many values.
    ///
    /// # Errors
    /// `EINVAL` if they are not; what the kernel says is in the [`BatchEnd`].
    pub fn map_update_batch(
        &self,
        map: &MapFd,
        keys: &[u8],
        values: &[u8],
        flags: u64,
    ) -> Result<BatchEnd, SysError> {
        let op = Cmd::MapUpdateBatch;
        let count = map.count(op, keys)?;
        if values.len() != map.value_size.saturating_mul(count as usize) {
            return Err(SysError::new(op, Errno::EINVAL));
        }
        let attr = batch(map, count).put_bytes(16, keys).put_bytes(24, values);
        let mut attr = attr.put64(40, flags);
        // SAFETY: there are `count` keys and values of the map's sizes, which are only read.
        let end = unsafe { attr.run(op) };
        Ok(ended(&attr, end))
    }

    /// `BPF_MAP_DELETE_BATCH` of whole keys.
    ///
    /// # Errors
    /// `EINVAL` if they are not; what the kernel says is in the [`BatchEnd`].
    pub fn map_delete_batch(&self, map: &MapFd, keys: &[u8]) -> Result<BatchEnd, SysError> {
        let op = Cmd::MapDeleteBatch;
        let count = map.count(op, keys)?;
        let mut attr = batch(map, count).put_bytes(16, keys);
        // SAFETY: there are `count` keys of the map's size, which are only read.
        let end = unsafe { attr.run(op) };
        Ok(ended(&attr, end))
    }
}

impl MapFd {
    fn count(&self, op: Cmd, keys: &[u8]) -> Result<u32, SysError> {
        let size = self.key_size.max(1);
        let count = u32::try_from(keys.len() / size).ok();
        let count = count.filter(|_| keys.len().is_multiple_of(size));
        count.ok_or(SysError::new(op, Errno::EINVAL))
    }
}

fn batch(map: &MapFd, count: u32) -> Attr {
    Attr::new().put32(32, count).put32(36, number(map.fd.as_fd()))
}

/// The kernel writes how many entries it dealt with unless it refuses the whole.
fn ended(attr: &Attr, result: Result<i32, SysError>) -> BatchEnd {
    let end = result.map(drop).map_err(|err| err.errno);
    BatchEnd { count: attr.get32(32), end }
}
