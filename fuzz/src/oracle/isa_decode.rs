//! Slots to instructions: what decodes encodes to the same bytes, in both byte orders.

use skep_isa::{Insn, RawInsn, decode};

/// Input: slots.
pub fn check(data: &[u8]) {
    let (chunks, _) = data.as_chunks::<8>();
    for (n, &chunk) in chunks.iter().enumerate() {
        let next = chunks.get(n + 1).copied();
        one(RawInsn::from_le_bytes(chunk), next.map(RawInsn::from_le_bytes));
        one(RawInsn::from_be_bytes(chunk), next.map(RawInsn::from_be_bytes));
    }
    if let Ok(insns) = decode(data) {
        assert_eq!(insns.to_le_bytes(), data);
        assert_eq!(insns.len(), chunks.len());
    }
}

fn one(raw: RawInsn, next: Option<RawInsn>) {
    match Insn::decode(raw, next) {
        Ok(insn) => {
            let (first, second) = insn.encode();
            assert_eq!(first, raw);
            assert_eq!(second, next.filter(|_| insn.slots() == 2));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    assert_eq!(RawInsn::from_le_bytes(raw.to_le_bytes()), raw);
    assert_eq!(RawInsn::from_be_bytes(raw.to_be_bytes()), raw);
}
