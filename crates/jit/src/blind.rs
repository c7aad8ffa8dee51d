//! Numbers of a program that must not stand in its code, where whoever wrote the program could jump to them.
//!
//! A number is made of two that whoever wrote the program does not know: a key, other for each number, and the
//! number combined with it. Kernel: `bpf_jit_blind_constants`, which leaves counts of shifts and the 16 bits of
//! offsets as they are, too.

/// Keys, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys(u64);

impl Keys {
    /// What the seed leads to.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next key. SplitMix64, by Steele, Lea and Flood.
    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let key = self.0;
        let key = (key ^ key >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let key = (key ^ key >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        key ^ key >> 31
    }

    /// A number of 32 bits, combined with a key, and the key.
    #[expect(clippy::cast_possible_truncation, reason = "half a key is one")]
    pub(crate) const fn split(&mut self, number: i32) -> (i32, i32) {
        let key = (self.next() as u32).cast_signed();
        (number ^ key, key)
    }
}
