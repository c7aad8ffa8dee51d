//! The file header: is this an object that BPF programs come in?

use super::{FileHeader, SectionHeader};
use crate::ObjError;
use core::mem::size_of;
use object::elf;
use object::endian::Endianness;
use object::read::ReadRef as _;
use object::read::elf::FileHeader as _;

/// Bytes that say what kind of ELF file it is.
const IDENT: usize = 16;

/// The header and the byte order of the file.
pub(super) fn read(bytes: &[u8]) -> Result<(&FileHeader, Endianness), ObjError> {
    let endian = ident(bytes)?;
    let need = size_of::<FileHeader>();
    let short =
        ObjError::Truncated { what: "file header", at: 0, need: size(need), len: bytes.len() };
    let header: &FileHeader = bytes.read_at(0).map_err(|()| short)?;
    match header.e_machine(endian) {
        elf::EM_BPF => {}
        machine => return Err(ObjError::Machine { machine, name: machine_name(machine) }),
    }
    match header.e_type(endian) {
        elf::ET_REL => Ok((header, endian)),
        kind => Err(ObjError::NotRelocatable { kind }),
    }
}

/// Class and byte order come first, since all else is read by them.
fn ident(bytes: &[u8]) -> Result<Endianness, ObjError> {
    let magic: [u8; 4] = match bytes.first_chunk() {
        Some(&magic) => magic,
        None => return Err(ObjError::NoMagic { len: bytes.len() }),
    };
    if magic != elf::ELFMAG {
        return Err(ObjError::Magic { found: magic });
    }
    let &[.., class, order, _version, _, _, _, _, _, _, _, _, _] =
        bytes.first_chunk::<IDENT>().ok_or(ObjError::Truncated {
            what: "file header",
            at: 0,
            need: size(size_of::<FileHeader>()),
            len: bytes.len(),
        })?;
    match (class, order) {
        (elf::ELFCLASS64, elf::ELFDATA2LSB) => Ok(Endianness::Little),
        (elf::ELFCLASS64, elf::ELFDATA2MSB) => Ok(Endianness::Big),
        (elf::ELFCLASS32, _) => Err(ObjError::Class32),
        _ => Err(ObjError::Ident { class, order }),
    }
}

/// The section headers.
pub(super) fn sections<'a>(
    header: &FileHeader,
    endian: Endianness,
    bytes: &'a [u8],
) -> Result<&'a [SectionHeader], ObjError> {
    let at = header.e_shoff(endian);
    let entry = usize::from(header.e_shentsize(endian));
    if at != 0 && entry != size_of::<SectionHeader>() {
        return Err(ObjError::SectionHeaderSize { entry, need: size_of::<SectionHeader>() });
    }
    let count = header.shnum(endian, bytes).unwrap_or(1);
    header.section_headers(endian, bytes).map_err(|_| ObjError::Truncated {
        what: "section headers",
        at,
        need: size(count).saturating_mul(size(entry)),
        len: bytes.len(),
    })
}

/// Names of what people mistake for BPF objects.
fn machine_name(machine: u16) -> &'static str {
    match machine {
        elf::EM_386 => "x86",
        elf::EM_X86_64 => "x86-64",
        elf::EM_ARM => "Arm",
        elf::EM_AARCH64 => "AArch64",
        elf::EM_RISCV => "RISC-V",
        elf::EM_S390 => "S/390",
        elf::EM_PPC64 => "PowerPC64",
        elf::EM_MIPS => "MIPS",
        elf::EM_LOONGARCH => "LoongArch",
        elf::EM_SBF => "Solana BPF",
        elf::EM_NONE => "no machine",
        _ => "another machine",
    }
}

fn size(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
