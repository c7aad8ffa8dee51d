//! Types in files: BTF as it is, or a section of an ELF file (a kernel, a module, a BPF object);
//! compressed; in an archive; or in a directory with files for many kernels, as BTFHub has them.

use crate::failure::{Failure, Kind};
use crate::file;
use crate::kernel::TYPES;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use skep_btf::{Btf, BtfError};
use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More than any kernel with all its debugging information, decompressed.
const MOST: u64 = 2 << 30;
/// Endings of files in directories, in the order in which they are tried.
const ENDINGS: [&str; 5] = ["btf", "btf.tar.xz", "btf.xz", "btf.zst", "btf.gz"];

/// The types in a file, or in a directory for the running kernel.
pub(crate) fn read(path: &Path) -> Result<Btf, Failure> {
    if path.is_dir() {
        return read_file(&in_dir(path)?);
    }
    read_file(path)
}

fn read_file(path: &Path) -> Result<Btf, Failure> {
    let name = file::name(path);
    let wrong = |err: &(dyn Error + 'static)| Failure::at(Kind::Input, &name, err);
    let bytes = if file::is_std(path) {
        file::read(path)?
    } else {
        let file = File::open(path).map_err(|err| Failure::file(&name, &err))?;
        all(file).map_err(|err| Failure::file(&name, &err))?
    };
    let bytes = decompress(bytes).map_err(|err| wrong(&err))?;
    let bytes = if is_tar(&bytes) { from_tar(&bytes, &name)? } else { bytes };
    if !bytes.starts_with(b"\x7fELF") {
        return parse(&bytes, &name);
    }
    match skep_obj::btf_section(&bytes).map_err(|err| wrong(&err))? {
        Some(btf) => parse(btf, &name),
        None => {
            let text = format!("{}: no section .BTF", name.display());
            Err(Failure::new(Kind::Input, text).help("clang -g makes one, pahole -J adds one"))
        }
    }
}

/// Types of a module go on where those of its kernel end: the running one.
fn parse(bytes: &[u8], name: &Path) -> Result<Btf, Failure> {
    let wrong = |err: &(dyn Error + 'static)| Failure::at(Kind::Input, name, err);
    match Btf::parse(bytes) {
        Err(BtfError::Strings { what: "begin", .. }) => {
            let base = fs::read(TYPES).map_err(|err| {
                let help = "these are the types of a module, which add to those of its kernel";
                Failure::file(Path::new(TYPES), &err).help(help)
            })?;
            let base = Btf::parse(&base).map_err(|err| wrong(&err))?;
            Btf::parse_split(bytes, Arc::new(base)).map_err(|err| {
                wrong(&err).help("types of a module must belong to the running kernel")
            })
        }
        result => result.map_err(|err| wrong(&err)),
    }
}

fn all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        let text = format!("more than {} GiB are no types", MOST >> 30);
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(bytes)
}

fn decompress(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    match bytes.as_slice() {
        [0x1f, 0x8b, ..] => all(MultiGzDecoder::new(&bytes[..])),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => all(zstd::Decoder::new(&bytes[..])?),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => all(XzReader::new(&bytes[..], true)),
        _ => Ok(bytes),
    }
}

fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..262) == Some(b"ustar")
}

/// The one file with types in an archive, or the one for the running kernel.
fn from_tar(bytes: &[u8], name: &Path) -> Result<Vec<u8>, Failure> {
    let wrong = |err: &(dyn Error + 'static)| Failure::at(Kind::Input, name, err);
    let mut found = Vec::new();
    let mut archive = tar::Archive::new(bytes);
    for entry in archive.entries().map_err(|err| wrong(&err))? {
        let entry = entry.map_err(|err| wrong(&err))?;
        let path = entry.path().map_err(|err| wrong(&err))?.into_owned();
        if path.extension().is_some_and(|ending| ending == "btf") {
            let (start, len) = (entry.raw_file_position(), entry.size());
            found.push((path, start, len));
        }
    }
    let release = release();
    let running = format!("{release}.btf");
    let is_running = |path: &PathBuf| path.file_name().is_some_and(|name| *name == *running);
    let chosen = match found.as_slice() {
        [one] => Some(one),
        _ => found.iter().find(|(path, ..)| is_running(path)),
    };
    let Some(&(_, start, len)) = chosen else {
        let text = match found.len() {
            0 => format!("{}: no file in the archive ends in .btf", name.display()),
            count => format!("{}: {count} files, none of them {running}", name.display()),
        };
        return Err(Failure::new(Kind::Input, text));
    };
    let range = || {
        let start = usize::try_from(start).ok()?;
        bytes.get(start..start.checked_add(usize::try_from(len).ok()?)?)
    };
    range().map(<[u8]>::to_vec).ok_or_else(|| {
        Failure::new(Kind::Input, format!("{}: the archive is cut off", name.display()))
    })
}

/// The file for the running kernel: `DIR/<distribution>/<version>/<arch>/<release>.btf`, or
/// `DIR/<release>.btf`, each perhaps compressed.
fn in_dir(dir: &Path) -> Result<PathBuf, Failure> {
    let os = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let (id, version) = (value(&os, "ID"), value(&os, "VERSION_ID"));
    let arch = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        arch => arch,
    };
    let release = release();
    let nested = dir.join(id).join(version).join(arch);
    let places = [nested.as_path(), dir].map(|dir| dir.join(&release));
    let mut files = places.iter().flat_map(|place| {
        ENDINGS.iter().map(move |ending| PathBuf::from(format!("{}.{ending}", place.display())))
    });
    files.find(|file| file.is_file()).ok_or_else(|| {
        let text = format!("{}: no types of the running kernel there", dir.display());
        let [nested, here] = places.map(|place| place.display().to_string());
        let help =
            format!("looked for {nested}.btf and {here}.btf, also as .tar.xz, .xz, .zst, .gz");
        Failure::new(Kind::Environment, text).help(help)
    })
}

/// The release of the running kernel.
fn release() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}

/// A value of `os-release`, without quotes.
fn value<'t>(text: &'t str, name: &str) -> &'t str {
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let value = lines.find(|(key, _)| *key == name).map_or("", |(_, value)| value);
    value.trim_matches(['"', '\''])
}
