//! Hash maps as bpf(2) shows them.

use super::key::{Key, Long, Short, with_key};
use super::{Given, Hash};
use crate::UserSide;
use crate::key_value::{prepare, sized};
use crate::rules::is_of_handles;
use alloc::vec::Vec;
use skep_abi::Errno;

impl UserSide for Hash {
    fn lookup_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        sized(key, self.key_size)?;
        prepare(out, self.user_size())?;
        // A cell gets a new owner after a change of the bucket, which makes this read again.
        let found = with_key!(key, key => self.read(self.table.bucket(key.hash()), |head| {
            let found = self.table.find(head, key)?;
            self.copy(found.slot, out)
        }));
        found.ok_or(Errno::EBUSY)?.ok_or(Errno::ENOENT)
    }

    fn update_user(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        sized(value, self.user_size())?;
        self.put(key, Given::All(value), flags)
    }

    fn take_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno> {
        if is_of_handles(self.def.map_type) {
            return Err(Errno::ENOTSUPP);
        }
        sized(key, self.key_size)?;
        prepare(out, self.user_size())?;
        with_key!(key, key => {
            let stripe = self.lock(self.table.bucket(key.hash()))?;
            let found = self.find_locked(key).ok_or(Errno::ENOENT)?;
            self.copy(found.slot, out).ok_or(Errno::EINVAL)?;
            self.unlink(&stripe, found);
            Ok(())
        })
    }

    /// In the order of buckets, as the kernel, whose hash is another and random.
    ///
    /// Kernel: `htab_map_get_next_key`.
    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        sized(next, self.key_size)?;
        key.map_or(Ok(()), |key| sized(key, self.key_size))?;
        let mut first = 0;
        if let Some(key) = key {
            let (bucket, found) = with_key!(key, key => {
                let bucket = self.table.bucket(key.hash());
                // Whether the key is there, and whether one comes after it in its bucket.
                let found = self.read(bucket, |head| {
                    let found = self.table.find(head, key)?;
                    let following = self.table.next(found.slot).checked_sub(1);
                    Some(following.map(|slot| self.table.read_key(slot, next)).is_some())
                });
                (bucket, found)
            });
            match found.ok_or(Errno::EBUSY)? {
                Some(true) => return Ok(()),
                Some(false) => first = bucket + 1,
                None => {}
            }
        }
        for bucket in first..=self.table.mask() {
            let found = self.read(bucket, |head| {
                head.checked_sub(1).map(|slot| self.table.read_key(slot, next))
            });
            if found.ok_or(Errno::EBUSY)?.is_some() {
                return Ok(());
            }
        }
        Err(Errno::ENOENT)
    }

    fn entries(&self) -> usize {
        self.slots.entries()
    }
}
