//! Many entries at a time.

use super::pair::MapPair;
use rand::Rng;
use rand::rngs::StdRng;
use skep_abi::{Errno, MapType};
use skep_map::{Batch, Map};
use skep_sys::{BatchEnd, Kernel, SysError};

/// More entries than a batch finds in any map here.
const MANY: u32 = 64;

/// How many, and the error; a refusal says nothing of how many.
type End = (u32, Result<(), Errno>);

fn user_end(batch: Result<Batch, Errno>) -> End {
    batch.map_or_else(|errno| (0, Err(errno)), |batch| (batch.count, batch.end))
}

fn kernel_end(end: &BatchEnd) -> End {
    let refused = [Errno::EPERM, Errno::ENOTSUPP].iter().any(|errno| end.end == Err(*errno));
    (if refused { 0 } else { end.count }, end.end)
}

impl MapPair {
    /// A random one of the four commands, and what is wrong if anything is.
    pub(super) fn batch(&self, rng: &mut StdRng) -> Option<String> {
        // Their batches take maps and objects, which are not theirs to give.
        let without = matches!(self.user.map(), Map::Maps(_)) || self.is_of_objects();
        // A kernel's walk through so many buckets looks at each.
        if without || self.def.key_size == 0 || self.entries() > MANY as usize {
            return None;
        }
        match rng.random_range(0..4) {
            0 => self.update_batch(rng),
            1 => self.delete_batch(rng),
            2 => self.read_batch(false),
            _ => self.read_batch(true),
        }
    }

    fn entries(&self) -> usize {
        if let Map::KeyValue(map) = self.user.map() { map.entries() } else { 0 }
    }

    fn some_keys(&self, rng: &mut StdRng) -> Vec<Vec<u8>> {
        (0..rng.random_range(1..6)).map(|_| self.key(rng)).collect()
    }

    fn update_batch(&self, rng: &mut StdRng) -> Option<String> {
        let keys = self.some_keys(rng);
        let values: Vec<u8> = keys.iter().flat_map(|_| self.value(rng)).collect();
        let keys = keys.concat();
        let flags = [0, 0, 0, 4, 1, 2, 8][rng.random_range(0..7)];
        let user = user_end(self.user.update_batch(&keys, &values, flags));
        let kernel = Kernel.map_update_batch(&self.kernel, &keys, &values, flags);
        self.ends(&format!("update batch, flags {flags:#x},"), &keys, user, kernel)
    }

    fn delete_batch(&self, rng: &mut StdRng) -> Option<String> {
        let keys = self.some_keys(rng).concat();
        let user = user_end(self.user.delete_batch(&keys));
        self.ends("delete batch", &keys, user, Kernel.map_delete_batch(&self.kernel, &keys))
    }

    fn ends(
        &self,
        what: &str,
        keys: &[u8],
        user: End,
        kernel: Result<BatchEnd, SysError>,
    ) -> Option<String> {
        let mut kernel = match &kernel {
            Ok(end) => kernel_end(end),
            Err(err) => (0, Err(err.errno)),
        };
        // Refused as a whole, the kernel leaves the number it was given.
        if kernel.1 == Err(Errno::EINVAL) && user.1 == kernel.1 {
            kernel.0 = user.0;
        }
        (user != kernel)
            .then(|| format!("{what} {keys:x?}:\n  user   {user:?}\n  kernel {kernel:?}"))
    }

    /// All entries at once, whatever the order.
    fn read_batch(&self, take: bool) -> Option<String> {
        let count = if self.def.map_type == MapType::Array { 100 } else { 4 * MANY };
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        let user = if take {
            self.user.take_batch(count, &mut keys, &mut values)
        } else {
            self.user.lookup_batch(&mut None, count, &mut keys, &mut values)
        };
        let user = (user_end(user), self.sorted(&keys, &values));
        let (end, keys, values) = Kernel.map_read_batch(&self.kernel, count, take);
        let refused = matches!(end.end, Err(errno) if errno != Errno::ENOENT);
        let kernel = if refused {
            ((0, end.end), Vec::new())
        } else {
            (kernel_end(&end), self.sorted(&keys, &values))
        };
        let what = if take { "take batch" } else { "lookup batch" };
        (user != kernel).then(|| format!("{what}:\n  user   {user:x?}\n  kernel {kernel:x?}"))
    }

    /// Keys with their values.
    fn sorted(&self, keys: &[u8], values: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let size = self.def.key_size.max(1) as usize;
        let count = keys.len() / size;
        let value_size = values.len().checked_div(count).unwrap_or(0).max(1);
        let values = values.chunks(value_size).map(|value| self.without_padding(value.to_vec()));
        let mut all: Vec<_> = keys.chunks(size).map(<[u8]>::to_vec).zip(values).collect();
        all.sort();
        all
    }
}
