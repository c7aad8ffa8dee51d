//! Workloads shared by the benches.
#![forbid(unsafe_code)]

/// A compute program: bare little-endian instructions that take the address of [`memory`] in r1.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Name of its source under `programs/`.
    pub name: &'static str,
    /// Its instructions.
    pub bytes: &'static [u8],
}

macro_rules! programs {
    ($($name:literal)*) => {
        [$(Program {
            name: $name,
            bytes: include_bytes!(concat!("../programs/", $name, ".bin")),
        }),*]
    };
}

/// All programs.
pub const PROGRAMS: [Program; 16] = programs! {
    "binary_search" "byte_copy" "checksum" "crc32" "fnv" "insertion_sort" "jenkins" "log2" "matrix_product"
    "packet_parse" "prime" "sha256" "siphash" "string_compare" "switch" "word_copy"
};

/// What the programs work on: 16 KiB without structure and without zero bytes.
#[must_use]
pub fn memory() -> Vec<u8> {
    (0..16384u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0].max(1)).collect()
}
