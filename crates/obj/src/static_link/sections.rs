//! Sections of one name, one behind the other.

use super::LinkError;
use super::source::Source;
use crate::{Content, FileSection};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use object::elf;

/// Data sections and code are addressed with 32 bits, one of which is a sign.
const MAX_LEN: u32 = i32::MAX.unsigned_abs();

/// The sections of the result, and where in them those of each object are.
pub(super) struct Sections {
    pub(super) list: Vec<FileSection>,
    named: BTreeMap<String, usize>,
    /// By object and section.
    placed: Vec<Vec<Option<Placed>>>,
}

/// Where a section came to stand.
#[derive(Clone, Copy)]
pub(super) struct Placed {
    /// Index of the section of the result.
    pub(super) section: usize,
    /// Its first byte there.
    pub(super) at: u64,
}

impl Sections {
    pub(super) fn merge(sources: &[Source]) -> Result<Self, LinkError> {
        let mut this = Self { list: Vec::new(), named: BTreeMap::new(), placed: Vec::new() };
        for (index, source) in sources.iter().enumerate() {
            let mut placed = Vec::new();
            for section in &source.file.sections {
                placed.push(match is_dropped(section) {
                    true => None,
                    false => this.add(sources, index, section)?,
                });
            }
            this.placed.push(placed);
        }
        Ok(this)
    }

    /// Where a section of an object is; `None` if it was left out.
    pub(super) fn placed(&self, source: usize, section: usize) -> Option<Placed> {
        *self.placed.get(source)?.get(section)?
    }

    /// The section of the result with this name.
    pub(super) fn named(&self, name: &str) -> Option<(usize, &FileSection)> {
        let &index = self.named.get(name)?;
        Some((index, self.list.get(index)?))
    }

    /// Adds types and what belongs to them.
    pub(super) fn types(&mut self, (btf, ext): (Vec<u8>, Vec<u8>)) {
        for (name, bytes) in [(".BTF", btf), (".BTF.ext", ext)] {
            self.list.push(FileSection {
                name: name.into(),
                kind: elf::SHT_PROGBITS,
                flags: 0,
                align: 4,
                entry: 0,
                content: Content::Bytes(bytes),
                relocs: Vec::new(),
            });
        }
    }

    fn add(
        &mut self,
        sources: &[Source],
        source: usize,
        new: &FileSection,
    ) -> Result<Option<Placed>, LinkError> {
        let file = sources.get(source).map_or("", |source| &source.name);
        if new.is_code() && !new.content.len().is_multiple_of(8) {
            let (section, file) = (new.name.clone(), file.into());
            return Err(LinkError::Code { section, file, len: new.content.len() });
        }
        let Some(&index) = self.named.get(&new.name) else {
            let index = self.list.len();
            check_len(&new.name, new.content.len())?;
            self.named.insert(new.name.clone(), index);
            self.list.push(FileSection { relocs: Vec::new(), ..new.clone() });
            return Ok(Some(Placed { section: index, at: 0 }));
        };
        let old = self.list.get_mut(index).expect("bug: names lead to sections");
        if is_said_once(&new.name) {
            return match old.content == new.content {
                true => Ok(None),
                false => Err(differs(sources, file, old, new)),
            };
        }
        let natures = [
            ("type", u64::from(old.kind), u64::from(new.kind)),
            ("flags", old.flags, new.flags),
            ("entries of size", old.entry, new.entry),
        ];
        if let Some(&(what, old, new_nature)) = natures.iter().find(|(_, old, new)| old != new) {
            let (section, file) = (new.name.clone(), file.into());
            return Err(LinkError::SectionNature { section, file, what, old, new: new_nature });
        }
        old.align = old.align.max(new.align);
        let at = append(&mut old.content, new, old.align)?;
        Ok(Some(Placed { section: index, at }))
    }
}

/// Puts a section behind what is there, where the strictest of both may begin; says where.
fn append(content: &mut Content, new: &FileSection, align: u64) -> Result<u64, LinkError> {
    let at = content.len().checked_next_multiple_of(align);
    let end = at.and_then(|at| at.checked_add(new.content.len()));
    let (Some(at), Some(end)) = (at, end) else { return Err(too_large(&new.name)) };
    check_len(&new.name, end)?;
    match content {
        Content::Zeroes(len) => *len = end,
        Content::Bytes(bytes) => {
            bytes.resize(usize::try_from(at).map_err(|_| too_large(&new.name))?, 0);
            bytes.extend(new.content.bytes());
        }
    }
    Ok(at)
}

fn check_len(name: &str, len: u64) -> Result<(), LinkError> {
    if len > MAX_LEN.into() { Err(too_large(name)) } else { Ok(()) }
}

fn too_large(section: &str) -> LinkError {
    LinkError::TooLarge { section: section.into(), limit: MAX_LEN }
}

/// What all objects must say in the same words, and the result says once.
pub(super) fn is_said_once(name: &str) -> bool {
    matches!(name, "license" | "version")
}

/// What is made anew or left out. Of libbpf: `is_ignored_sec`.
fn is_dropped(section: &FileSection) -> bool {
    let name = section.name.as_str();
    matches!(name, ".BTF" | ".BTF.ext")
        || name.starts_with(".debug_")
        || (name == ".text" && section.content.is_empty())
}

fn differs(sources: &[Source], file: &str, old: &FileSection, new: &FileSection) -> LinkError {
    let first = sources.iter().find(|source| source.file.section(&new.name).is_some());
    let text = |section: &FileSection| {
        let bytes = section.content.bytes();
        let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
        String::from_utf8_lossy(bytes).escape_debug().take(64).collect()
    };
    LinkError::Differs {
        section: new.name.clone(),
        first: first.map_or("", |source| &source.name).into(),
        first_text: text(old),
        second: file.into(),
        second_text: text(new),
    }
}
