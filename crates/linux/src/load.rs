//! A program in the kernel, with all it can reach.

use crate::maps::{Entry, create, entries_of};
use crate::reach::{Reach, with_numbers};
use crate::{TestInput, TestOutput, func_info};
use skep_abi::Errno;
use skep_isa::Pc;
use skep_prog::{DataKind, Image, Initial, MapDef, Prog};
use skep_sys::{Bpf, FuncInfo, ProgLoad, SysError};

/// Why a program cannot be had from the kernel.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum LoadError {
    /// The image has no program of that name.
    #[error("no program `{prog}`")]
    UnknownProg { prog: String },
    /// An instruction has not been fitted to the kernel's types.
    #[error("{prog}, insn {pc} depends on the types of a kernel (CO-RE), and none were given")]
    CoreReloc { prog: String, pc: Pc },
    /// The program asks for the kernel's configuration.
    #[error("{prog} needs the kernel's configuration, {var} and more, and none was given")]
    Kconfig { prog: String, var: String },
    /// An instruction names a map by a negative number.
    #[error("{prog}, insn {pc}: there is no map {idx}")]
    MapIndex { prog: String, pc: Pc, idx: i32 },
    /// A program names a map beyond the last.
    #[error("{prog}: there is no map {index}, the image has {maps}")]
    NoMap { prog: String, index: usize, maps: usize },
    /// A map is to hold a program or map that is not there.
    #[error("map {map}: entry {index} names `{member}`, which does not exist")]
    Entry { map: String, index: u32, member: String },
    /// The kernel does not make a map, or does not take its content.
    #[error("map {map}")]
    Map { map: String, source: SysError },
    /// The kernel does not take a program. The source has the verifier's log.
    #[error("program {prog}")]
    Prog { prog: String, source: SysError },
}

/// A program that the kernel has taken, and its maps.
#[derive(Debug)]
pub struct Loaded<B: Bpf> {
    sys: B,
    prog: B::Prog,
    /// By ascending index in the image.
    maps: Vec<(MapDef, B::Map)>,
}

impl<B: Bpf> Loaded<B> {
    /// Loads the program of this name, the programs in its prog arrays, and the maps that these use.
    ///
    /// # Errors
    /// [`LoadError`]; what had been loaded is gone again.
    pub fn load(sys: B, image: &Image, prog: &str) -> Result<Self, LoadError> {
        let reach = Reach::of(image, prog)?;
        check_fitted(image, prog, &reach)?;
        let mut maps = Vec::new();
        for &at in &reach.maps {
            maps.push((at, create(&sys, &image.maps[at])?));
        }
        let number = |idx| {
            let (_, map) = maps.iter().find(|(at, _)| usize::try_from(idx) == Ok(*at))?;
            Some(sys.map_number(map))
        };
        let mut progs = Vec::new();
        for &at in &reach.progs {
            let prog = &image.progs[at];
            let loaded = load_prog(&sys, image, prog, &number)
                .map_err(|source| LoadError::Prog { prog: prog.name.clone(), source })?;
            progs.push((at, loaded));
        }
        for (at, map) in &maps {
            let def = &image.maps[*at];
            fill(&sys, image, def, map, &progs, &maps)
                .map_err(|source| LoadError::Map { map: def.name.clone(), source })?;
        }
        // The maps hold on to the other programs.
        let (_, prog) = progs.swap_remove(0);
        maps.sort_by_key(|&(at, _)| at);
        let maps = maps.into_iter().map(|(at, map)| (image.maps[at].clone(), map)).collect();
        Ok(Self { sys, prog, maps })
    }

    /// Runs the program once, on bytes instead of a packet, on the CPU of the calling thread.
    ///
    /// # Errors
    /// [`SysError`], as of [`Bpf::prog_test_run`].
    pub fn test_run(&self, input: &TestInput<'_>) -> Result<TestOutput, SysError> {
        self.sys.prog_test_run(&self.prog, input)
    }

    /// The program itself, to attach it.
    pub const fn program(&self) -> &B::Prog {
        &self.prog
    }

    /// The maps that the program can reach, in the order of the image.
    pub fn maps(&self) -> impl Iterator<Item = (&MapDef, &B::Map)> {
        self.maps.iter().map(|(def, map)| (def, map))
    }

    /// Keys and values of the map of this name, in the kernel's order. None if the program reaches no such map.
    ///
    /// # Errors
    /// [`SysError`], also for kinds of map that have no keys.
    pub fn entries(&self, map: &str) -> Option<Result<Vec<Entry>, SysError>> {
        let (def, map) = self.maps().find(|(def, _)| def.name == map)?;
        Some(entries_of(&self.sys, def, map))
    }
}

/// Programs that are loaded as the compiler left them would look in the wrong places.
fn check_fitted(image: &Image, prog: &str, reach: &Reach) -> Result<(), LoadError> {
    for prog in reach.progs.iter().map(|&at| &image.progs[at]) {
        if let Some(core) = prog.core_relocs.first() {
            return Err(LoadError::CoreReloc { prog: prog.name.clone(), pc: core.pc });
        }
    }
    let is_config = |&at: &usize| image.maps[at].data == Some(DataKind::Kconfig);
    match image.unfilled().filter(|_| reach.maps.iter().any(is_config)) {
        Some(var) => Err(LoadError::Kconfig { prog: prog.into(), var: var.name.clone() }),
        None => Ok(()),
    }
}

fn load_prog<B: Bpf>(
    sys: &B,
    image: &Image,
    prog: &Prog,
    number: &impl Fn(i32) -> Option<i32>,
) -> Result<B::Prog, SysError> {
    let insns = with_numbers(&prog.insns, number).encode();
    let types: Option<(B::Btf, Vec<FuncInfo>)> = match func_info::types(prog) {
        Some((bytes, funcs)) => Some((sys.btf_load(&bytes)?, funcs)),
        None => None,
    };
    let mut def = ProgLoad {
        name: &prog.name,
        prog_type: prog.prog_type,
        insns: &insns,
        license: &image.license,
        flags: 0,
        attach_type: prog.attach_type,
        btf: types.as_ref().map(|(btf, funcs)| (btf, &funcs[..])),
        log_level: 0,
    };
    match sys.prog_load(&def) {
        Err(err) if err.errno != Errno::EPERM => {
            // A log costs time; it is made for programs that are refused.
            def.log_level = 1;
            sys.prog_load(&def)
        }
        result => result,
    }
}

/// Puts programs into a prog array, maps into a map of maps.
fn fill<B: Bpf>(
    sys: &B,
    image: &Image,
    def: &MapDef,
    map: &B::Map,
    progs: &[(usize, B::Prog)],
    maps: &[(usize, B::Map)],
) -> Result<(), SysError> {
    match &def.initial {
        Initial::Progs(entries) => {
            for (index, name) in entries {
                let prog = progs.iter().find(|(at, _)| image.progs[*at].name == *name);
                let (_, prog) = prog.expect("bug: a program in a reachable map was not loaded");
                sys.map_set_prog(map, *index, prog)?;
            }
        }
        Initial::Maps(entries) => {
            for (index, name) in entries {
                let inner = maps.iter().find(|(at, _)| image.maps[*at].name == *name);
                let (_, inner) = inner.expect("bug: a map in a reachable map was not made");
                let number = sys.map_number(inner).to_ne_bytes();
                sys.map_update(map, &index.to_ne_bytes(), &number, 0)?;
            }
        }
        Initial::Empty | Initial::Value(_) | Initial::StructOps(_) => {}
    }
    Ok(())
}
