//! What maps of keys and values have in common.

use crate::{Fields, Values};
use alloc::vec::Vec;
use skep_abi::Errno;
use skep_prog::MapDef;

/// Number of the CPU a run believes to be on. Whoever runs programs gives each run that may overlap
/// with another a number of its own, so that per-CPU values need no locks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpu(pub u32);

impl Cpu {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A map as its programs see it. Keys and values have exactly the sizes of the definition.
pub trait KeyValue: UserSide {
    /// What the map was made from.
    fn def(&self) -> &MapDef;

    /// Where its values are.
    fn values(&self) -> &Values;

    /// What of its values is not bytes to the user.
    fn fields(&self) -> &Fields {
        static NONE: Fields = Fields { spin_lock: None, opaque: Vec::new() };
        &NONE
    }

    /// Position in [`KeyValue::values`] of this CPU's value; counts as use where the map evicts by
    /// use.
    ///
    /// The position stays valid memory as long as the map lives. When the entry is deleted, or
    /// replaced by an update of a map that is not per CPU, the value stands unlinked until the cell
    /// gets a new owner.
    fn lookup(&self, key: &[u8], cpu: Cpu) -> Option<usize>;

    /// Sets the value; of this CPU alone in per-CPU maps, where other CPUs of a new entry get zeroes.
    ///
    /// # Errors
    ///
    /// As `bpf_map_update_elem`: `EINVAL` for flags or sizes, `EEXIST`, `ENOENT`, `E2BIG` or
    /// `ENOSPC` for a full map or an index beyond the end.
    fn update(&self, key: &[u8], value: &[u8], flags: u64, cpu: Cpu) -> Result<(), Errno>;

    /// Removes the entry.
    ///
    /// # Errors
    ///
    /// As `bpf_map_delete_elem`: `ENOENT`, or `EINVAL` for arrays.
    fn delete(&self, key: &[u8]) -> Result<(), Errno>;
}

/// A map as bpf(2) shows it to the user. The value of a per-CPU map is the values of all CPUs, each
/// padded to eight bytes, one after the other.
pub trait UserSide: Send + Sync {
    /// Replaces the content of `out` by the value. Does not count as use.
    ///
    /// # Errors
    ///
    /// As `BPF_MAP_LOOKUP_ELEM`: `ENOENT`.
    fn lookup_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno>;

    /// Sets the value, of all CPUs in per-CPU maps.
    ///
    /// # Errors
    ///
    /// As `BPF_MAP_UPDATE_ELEM`: see [`KeyValue::update`].
    fn update_user(&self, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno>;

    /// As [`UserSide::lookup_user`], and removes the entry in the same step.
    ///
    /// # Errors
    ///
    /// As `BPF_MAP_LOOKUP_AND_DELETE_ELEM`: `ENOENT`, or `ENOTSUPP` where the kernel lacks it.
    fn take_user(&self, key: &[u8], out: &mut Vec<u8>) -> Result<(), Errno>;

    /// Writes the key after `key` to `next`; the first key for `None` and for a key that is not in
    /// the map.
    ///
    /// # Errors
    ///
    /// As `BPF_MAP_GET_NEXT_KEY`: `ENOENT` after the last.
    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno>;

    /// Entries at present; all of them, always, for arrays.
    fn entries(&self) -> usize;
}

/// Create or change.
pub(crate) const ANY: u64 = 0;
/// Create only.
pub(crate) const NOEXIST: u64 = 1;
/// Change only.
pub(crate) const EXIST: u64 = 2;
/// Take the spin lock in the value.
pub(crate) const F_LOCK: u64 = 4;

/// `EINVAL` unless `bytes` has `size` bytes.
pub(crate) fn sized(bytes: &[u8], size: usize) -> Result<(), Errno> {
    if bytes.len() == size { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Makes `out` `len` zeroes.
pub(crate) fn prepare(out: &mut Vec<u8>, len: usize) -> Result<(), Errno> {
    out.clear();
    out.try_reserve(len).map_err(|_| Errno::ENOMEM)?;
    out.resize(len, 0);
    Ok(())
}

/// The index after one, the first for `None` and for one beyond the end.
///
/// Kernel: `array_map_get_next_key`.
pub(crate) fn next_index(len: u32, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
    let index = match key {
        None => u32::MAX,
        Some(key) => u32::from_ne_bytes(*key.as_array().ok_or(Errno::EINVAL)?),
    };
    let following = if index < len { index + 1 } else { 0 };
    if following == len {
        return Err(Errno::ENOENT);
    }
    next.copy_from_slice(&following.to_ne_bytes());
    Ok(())
}
