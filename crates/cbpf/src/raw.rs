//! One instruction as programs hold it.

/// The four fields of a classic instruction, otherwise unchecked.
///
/// Source: `struct sock_filter` of Linux, `struct bpf_insn` of libpcap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub struct RawInsn {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

impl RawInsn {
    /// An instruction that does not jump conditionally. Linux: `BPF_STMT`.
    #[must_use]
    pub const fn stmt(code: u16, k: u32) -> Self {
        Self { code, jt: 0, jf: 0, k }
    }

    /// A conditional jump. Linux: `BPF_JUMP`.
    #[must_use]
    pub const fn jump(code: u16, k: u32, jt: u8, jf: u8) -> Self {
        Self { code, jt, jf, k }
    }
}
