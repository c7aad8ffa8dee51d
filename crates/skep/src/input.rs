//! What a file holds, by its first bytes.

use skep_abi::ProgType;
use skep_diag::{Diagnostic, Source};
use skep_obj::{ObjError, Undecoded};
use skep_prog::Image;

/// An image and what there is to say about its text.
#[derive(Debug)]
pub struct ReadImage {
    /// The image.
    pub image: Image,
    /// Warnings about an assembly text.
    pub warnings: Vec<Diagnostic>,
}

/// Why bytes are no image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// Nothing at all.
    #[error("the file is empty")]
    Empty,
    /// An ELF file that is no BPF object, or a broken one.
    #[error(transparent)]
    Object(#[from] ObjError),
    /// Assembly with mistakes.
    #[error("the assembly text has errors")]
    Text(
        /// What is wrong with it, by position in the text.
        Vec<Diagnostic>,
    ),
    /// A listing of classic BPF that does not follow its form.
    #[error(transparent)]
    Classic(#[from] skep_cbpf::ParseError),
    /// Bytes in hex that are no instructions.
    #[error(transparent)]
    Insn(#[from] skep_isa::SlotError),
    /// Neither ELF nor text.
    #[error("neither an ELF object nor assembly text: byte {byte:#04x} at offset {at}")]
    Unknown {
        /// The first byte that no text has.
        byte: u8,
        /// Where.
        at: usize,
    },
}

/// As [`read_image`], but programs of an object that hold what is no instruction come beside the image, so
/// that the others can be judged.
///
/// # Errors
/// [`InputError`]
pub fn read_each(bytes: &[u8], name: &str) -> Result<(ReadImage, Vec<Undecoded>), InputError> {
    if bytes.starts_with(b"\x7fELF") {
        let (image, undecoded) = skep_obj::parse_each(bytes)?;
        return Ok((ReadImage { image, warnings: Vec::new() }, undecoded));
    }
    read_image(bytes, name).map(|read| (read, Vec::new()))
}

/// Reads an ELF object, or an assembly text in either dialect. `name` is for messages.
///
/// # Errors
/// [`InputError`]
pub fn read_image(bytes: &[u8], name: &str) -> Result<ReadImage, InputError> {
    if bytes.is_empty() {
        return Err(InputError::Empty);
    }
    if bytes.starts_with(b"\x7fELF") {
        return Ok(ReadImage { image: skep_obj::parse(bytes)?, warnings: Vec::new() });
    }
    let text = match str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => text,
        Ok(text) => {
            return Err(InputError::Unknown { byte: 0, at: text.find('\0').unwrap_or_default() });
        }
        Err(err) => {
            let at = err.valid_up_to();
            return Err(InputError::Unknown { byte: bytes.get(at).copied().unwrap_or(0), at });
        }
    };
    let source = Source::new(name, text);
    match skep_asm::parse(&source, ProgType::SocketFilter) {
        Ok((image, warnings)) => Ok(ReadImage { image, warnings }),
        Err(diags) => Err(InputError::Text(diags)),
    }
}
