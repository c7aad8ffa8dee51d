//! What a program can get to: maps it names, programs in them, and so on.

use crate::LoadError;
use skep_isa::{ImmSrc, Insn, Insns};
use skep_prog::{Image, Initial, Prog};

/// By index in the image, in the order of discovery: the program asked for comes first.
pub(crate) struct Reach {
    pub(crate) progs: Vec<usize>,
    pub(crate) maps: Vec<usize>,
}

impl Reach {
    pub(crate) fn of(image: &Image, prog: &str) -> Result<Self, LoadError> {
        let mut this = Self { progs: Vec::new(), maps: Vec::new() };
        let mut todo = vec![
            find(image, prog).ok_or_else(|| LoadError::UnknownProg { prog: prog.to_string() })?,
        ];
        while let Some(at) = todo.pop() {
            if this.progs.contains(&at) {
                continue;
            }
            this.progs.push(at);
            for map in named(&image.progs[at])? {
                todo.extend(this.add_map(image, map, &image.progs[at])?);
            }
        }
        Ok(this)
    }

    /// Adds a map and the maps in it, and returns the programs that it holds.
    fn add_map(&mut self, image: &Image, at: usize, prog: &Prog) -> Result<Vec<usize>, LoadError> {
        let def = image.maps.get(at).ok_or_else(|| LoadError::NoMap {
            prog: prog.name.clone(),
            index: at,
            maps: image.maps.len(),
        })?;
        if self.maps.contains(&at) {
            return Ok(Vec::new());
        }
        self.maps.push(at);
        let missing = |index: &u32, member: &String| LoadError::Entry {
            map: def.name.clone(),
            index: *index,
            member: member.clone(),
        };
        match &def.initial {
            Initial::Progs(entries) => entries
                .iter()
                .map(|(index, prog)| find(image, prog).ok_or_else(|| missing(index, prog)))
                .collect(),
            Initial::Maps(entries) => {
                for (index, map) in entries {
                    // The kernel allows no maps of maps in a map, so these hold nothing.
                    let at = image.map_idx(map).ok_or_else(|| missing(index, map))?;
                    if !self.maps.contains(&at) {
                        self.maps.push(at);
                    }
                }
                Ok(Vec::new())
            }
            // Nothing leads from a program to the struct that it is a member of.
            Initial::Empty | Initial::Value(_) | Initial::StructOps(_) => Ok(Vec::new()),
        }
    }
}

fn find(image: &Image, prog: &str) -> Option<usize> {
    image.progs.iter().position(|p| p.name == prog)
}

/// Indices of the maps that a program names.
fn named(prog: &Prog) -> Result<Vec<usize>, LoadError> {
    let indices = prog.insns.iter().filter_map(|(pc, insn)| match insn {
        Insn::LoadImm { imm: ImmSrc::MapIdx(idx) | ImmSrc::MapIdxValue { idx, .. }, .. } => {
            Some((pc, idx))
        }
        _ => None,
    });
    let index = |(pc, idx)| {
        usize::try_from(idx).map_err(|_| LoadError::MapIndex { prog: prog.name.clone(), pc, idx })
    };
    indices.map(index).collect()
}

/// The program's instructions with the kernel's numbers for maps, by index in the image.
pub(crate) fn with_numbers(insns: &Insns, number: impl Fn(i32) -> Option<i32>) -> Insns {
    let renumbered = |mut insn| {
        if let Insn::LoadImm { imm, .. } = &mut insn {
            *imm = match *imm {
                ImmSrc::MapIdx(idx) => number(idx).map_or(*imm, ImmSrc::MapFd),
                ImmSrc::MapIdxValue { idx, at } => {
                    number(idx).map_or(*imm, |fd| ImmSrc::MapValue { fd, at })
                }
                other => other,
            };
        }
        insn
    };
    insns.iter().map(|(_, insn)| renumbered(insn)).collect()
}
