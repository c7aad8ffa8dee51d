//! Files that hold programs.

use crate::diags::{self, Text};
use crate::failure::{Failure, Kind};
use crate::term::Out;
use skep::{InputError, ReadImage};
use skep_diag::Source;
use skep_obj::ObjError;
use skep_prog::Image;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// More than any program: a capture or a disk named by mistake is not read to its end.
const MOST: u64 = 256 << 20;

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = &name(path);
    let mut bytes = Vec::new();
    let reader: Box<dyn Read> = if is_std(path) {
        Box::new(io::stdin().lock())
    } else {
        let file = File::open(path).map_err(|err| Failure::file(name, &err))?;
        let len = file.metadata().map_or(0, |metadata| metadata.len().min(MOST));
        bytes.reserve(usize::try_from(len).unwrap_or(0));
        Box::new(file)
    };
    reader.take(MOST + 1).read_to_end(&mut bytes).map_err(|err| Failure::file(name, &err))?;
    if bytes.len() as u64 > MOST {
        let text = format!("{}: more than {} MiB are no program", name.display(), MOST >> 20);
        return Err(Failure::new(Kind::Input, text));
    }
    Ok(bytes)
}

/// The text of a file of which something else is told if it cannot be read.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MOST + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MOST {
        let why = format!("it has more than {} MiB", MOST >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(text)
}

/// Whether the name stands for standard input or output.
pub(crate) fn is_std(path: &Path) -> bool {
    path == Path::new("-")
}

/// What to call an input in messages.
pub(crate) fn name(path: &Path) -> PathBuf {
    if is_std(path) { "<stdin>".into() } else { path.into() }
}

/// An object or assembly text, read.
pub(crate) struct Program {
    pub(crate) image: Image,
    /// The assembly text, if it is one.
    pub(crate) text: Option<String>,
}

/// Reads an object or assembly text. Warnings about a text go to `err`.
pub(crate) fn program(path: &Path, err: &mut Out<'_>) -> Result<Program, Failure> {
    let bytes = read(path)?;
    let ReadImage { image, warnings } = skep::read_image(&bytes, &name(path).to_string_lossy())
        .map_err(|err| failure(path, &bytes, err))?;
    warn(path, &bytes, &warnings, err)?;
    Ok(Program { image, text: String::from_utf8(bytes).ok() })
}

/// Shows warnings about a text.
pub(crate) fn warn(
    path: &Path,
    bytes: &[u8],
    warnings: &[skep_diag::Diagnostic],
    err: &mut Out<'_>,
) -> io::Result<()> {
    let (name, text) = (name(path), String::from_utf8_lossy(bytes));
    diags::show(warnings, &Source::new(&name.to_string_lossy(), &text), err)
}

/// Why bytes were not understood, for people.
pub(crate) fn failure(path: &Path, bytes: &[u8], err: InputError) -> Failure {
    let name = name(path);
    match err {
        InputError::Text(diags) => Failure::Text(Box::new(Text {
            name: name.to_string_lossy().into_owned(),
            text: String::from_utf8_lossy(bytes).into_owned(),
            diags,
        })),
        InputError::Object(ObjError::BigEndian) => Failure::at(Kind::Unsupported, &name, &err),
        InputError::Unknown { .. } | InputError::Insn(_) if is_capture(bytes) => {
            let text = format!("{}: a packet capture, not a program", name.display());
            Failure::new(Kind::Input, text).help("`skep run PROGRAM -r CAPTURE` reads captures")
        }
        err => Failure::at(Kind::Input, &name, &err),
    }
}

/// Whether it begins as pcap and pcapng files do, plain or compressed.
fn is_capture(bytes: &[u8]) -> bool {
    const MAGICS: [&[u8]; 7] = [
        &[0xd4, 0xc3, 0xb2, 0xa1],
        &[0xa1, 0xb2, 0xc3, 0xd4],
        &[0x4d, 0x3c, 0xb2, 0xa1],
        &[0xa1, 0xb2, 0x3c, 0x4d],
        &[0x0a, 0x0d, 0x0d, 0x0a],
        &[0x1f, 0x8b],
        &[0x28, 0xb5, 0x2f, 0xfd],
    ];
    MAGICS.iter().any(|magic| bytes.starts_with(magic))
}
