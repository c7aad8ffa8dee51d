//! One slot of a program.

/// Eight bytes of a program, split into fields and otherwise unchecked.
///
/// Source: RFC 9669, section 3.1; `struct bpf_insn` of Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub struct RawInsn {
    pub code: u8,
    /// `dst` in the low four bits, `src` in the high four (as a little-endian host has them).
    pub regs: u8,
    pub off: i16,
    pub imm: i32,
}

impl RawInsn {
    /// Bytes of one slot.
    pub const SIZE: usize = 8;

    /// Puts the fields together; `dst` and `src` keep their low four bits.
    #[must_use]
    pub const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        Self { code, regs: (dst & 0xf) | (src << 4), off, imm }
    }

    /// The `dst` nibble, 0 to 15.
    #[must_use]
    pub const fn dst(self) -> u8 {
        self.regs & 0xf
    }

    /// The `src` nibble, 0 to 15.
    #[must_use]
    pub const fn src(self) -> u8 {
        self.regs >> 4
    }

    /// Reads a slot of a little-endian program.
    #[must_use]
    pub const fn from_le_bytes(b: [u8; 8]) -> Self {
        Self {
            code: b[0],
            regs: b[1],
            off: i16::from_le_bytes([b[2], b[3]]),
            imm: i32::from_le_bytes([b[4], b[5], b[6], b[7]]),
        }
    }

    /// Reads a slot of a big-endian program, where `src` stands in the low nibble.
    #[must_use]
    pub const fn from_be_bytes(b: [u8; 8]) -> Self {
        Self {
            code: b[0],
            regs: b[1].rotate_left(4),
            off: i16::from_be_bytes([b[2], b[3]]),
            imm: i32::from_be_bytes([b[4], b[5], b[6], b[7]]),
        }
    }

    /// The slot as a little-endian program has it.
    #[must_use]
    pub const fn to_le_bytes(self) -> [u8; 8] {
        let (o, i) = (self.off.to_le_bytes(), self.imm.to_le_bytes());
        [self.code, self.regs, o[0], o[1], i[0], i[1], i[2], i[3]]
    }

    /// The slot as a big-endian program has it.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 8] {
        let (o, i) = (self.off.to_be_bytes(), self.imm.to_be_bytes());
        [self.code, self.regs.rotate_left(4), o[0], o[1], i[0], i[1], i[2], i[3]]
    }
}
