//! The checksum of the Internet protocols (RFC 1071).

/// One's complement sum of pieces, each but the last of even length; 0 if the checksum among them is right.
pub(crate) fn sum(pieces: &[&[u8]]) -> usize {
    let mut total = 0u64;
    for piece in pieces {
        let (words, rest) = piece.as_chunks::<4>();
        for word in words {
            total += u64::from(u32::from_be_bytes(*word));
        }
        let mut last = [0; 4];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        total += u64::from(u32::from_be_bytes(last));
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    usize::from(u16::MAX) ^ usize::try_from(total).unwrap_or(0)
}

/// What a checksum field should hold that holds `have`, where all of it sums up to `sum`.
pub(crate) const fn should_be(have: usize, sum: usize) -> usize {
    let mut total = have + sum;
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total
}
