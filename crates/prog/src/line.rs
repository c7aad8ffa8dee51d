//! Where an instruction comes from.

use alloc::sync::Arc;
use skep_isa::Pc;

/// The source position that begins at an instruction and holds until the next one.
///
/// Source: `struct bpf_line_info` of BTF.ext, or the line of an assembly text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineInfo {
    /// First instruction of the line.
    pub pc: Pc,
    /// File name as the compiler saw it.
    pub file: Arc<str>,
    /// Text of the line; empty where the producer left it out.
    pub text: Arc<str>,
    /// From 1; 0 is unknown.
    pub line: u32,
    /// From 1; 0 is unknown.
    pub col: u32,
}
