//! A program and all it can reach, as a machine: its maps made, its prog arrays filled.

use crate::fields::fields_of;
use crate::helper::helpers;
use crate::host::{Host, monotonic};
use skep_abi::{AttachType, Errno, Helper, Kfunc, ProgType};
use skep_btf::Body;
use skep_isa::{Call, ImmSrc, Insn, Pc};
use skep_map::{CpuLease, CpuPool, Limits, Map, MapError};
use skep_prog::{DataKind, Image, Initial, Prog};
use skep_vm::Machine;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::thread;

/// Why a program of an image cannot run here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The image has no programs.
    #[error("there is no program in it")]
    NoProg,
    /// The image has no program of that name.
    #[error("no program `{name}`; there are {}", .known.join(", "))]
    UnknownProg {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Several programs and none chosen.
    #[error("there are several programs, choose one: {}", .known.join(", "))]
    WhichProg {
        /// What there is.
        known: Vec<String>,
    },
    /// Nothing here runs such a program.
    #[error("{prog}: programs of type {prog_type} are not run here")]
    NoHook {
        /// The program.
        prog: String,
        /// Its type.
        prog_type: ProgType,
    },
    /// An iterator goes over what there is not.
    #[error("{prog}: no iterator goes over {target:?} here: {why}")]
    NoItems {
        /// The program.
        prog: String,
        /// The name in its section.
        target: String,
        /// Why not.
        why: &'static str,
    },
    /// The program asks for the kernel's configuration.
    #[error("{prog} needs the kernel's configuration, {var} and more, and none was given")]
    Kconfig {
        /// The program.
        prog: String,
        /// The first of the variables.
        var: String,
    },
    /// A map cannot be made.
    #[error(transparent)]
    Map(#[from] MapError),
    /// A program refers to something that the user engine does not have.
    #[error(transparent)]
    Prog(#[from] skep_vm::LoadError),
    /// The kernel has the helper, but not for programs of this type.
    #[error("{prog}, insn {pc}: programs of type {prog_type} may not call bpf_{helper}")]
    NotForType {
        /// The program.
        prog: String,
        /// The call.
        pc: Pc,
        /// Its type.
        prog_type: ProgType,
        /// Name of the helper.
        helper: &'static str,
    },
    /// The kernel has the kernel function, but not for programs of this type.
    #[error("{prog}, insn {pc}: programs of type {prog_type} may not call {kfunc}")]
    KfuncNotForType {
        /// The program.
        prog: String,
        /// The call.
        pc: Pc,
        /// Its type.
        prog_type: ProgType,
        /// Name of the function.
        kfunc: &'static str,
    },
    /// A prog array is to hold a program that is not there.
    #[error("map {map}: entry {index} names the program `{prog}`, which does not exist")]
    Entry {
        /// The map.
        map: String,
        /// Its index.
        index: u32,
        /// The name.
        prog: String,
    },
    /// A map of maps is to hold a map that is not there.
    #[error("map {map}: entry {index} names the map `{inner}`, which does not exist")]
    Inner {
        /// The map.
        map: String,
        /// Its index.
        index: u32,
        /// The name.
        inner: String,
    },
    /// A map of maps cannot hold a map at an index.
    #[error("map {map} cannot hold the map `{inner}` at entry {index}: {errno}")]
    Unlike {
        /// The map.
        map: String,
        /// Its index.
        index: u32,
        /// The name.
        inner: String,
        /// Why.
        errno: Errno,
    },
}

/// A machine with one program and all it can reach.
pub(crate) struct Linked {
    pub(crate) machine: Machine<Host>,
    /// Of each map of the machine, its index in the image.
    pub(crate) maps: Vec<usize>,
    /// Of each program of the machine, its index in the image.
    pub(crate) progs: Vec<usize>,
    /// The CPUs that runs take turns on.
    pub(crate) cpus: CpuPool,
}

impl Linked {
    /// The CPU of a run, nobody else's while this lives. None is taken, and the run is on CPU 0, where the session that
    /// has `this` is alone with the machine: whoever runs has the session to itself, so that nobody shares it meanwhile.
    pub(crate) fn lease(this: &Arc<Self>) -> Option<CpuLease<'_>> {
        if Arc::strong_count(this) == 1 {
            // The last of the others has let go of the machine after its last run, perhaps on another thread.
            fence(Ordering::Acquire);
            return None;
        }
        Some(this.cpus.lease(thread::yield_now))
    }
}

/// The number of the CPU that a run has.
pub(crate) fn cpu_of(lease: Option<&CpuLease<'_>>) -> u32 {
    lease.map_or(0, |lease| lease.cpu().0)
}

/// Loads a program, the programs in its prog arrays, and the maps that these use.
pub(crate) fn link(image: &Arc<Image>, prog: &Prog, cpus: u32) -> Result<Linked, LoadError> {
    let mut reach = Reach { image, maps: Vec::new(), progs: Vec::new(), are_closed: true };
    reach.add(&prog.name)?;
    if (prog.prog_type, prog.attach_type) == (ProgType::Tracing, Some(AttachType::TraceIter)) {
        // Iterators go over maps that they do not name.
        reach.add_all_maps()?;
    }
    let mut limits = Limits::default();
    let mut maps = Vec::new();
    for &map in &reach.maps {
        if image.maps[map].data == Some(DataKind::Kconfig)
            && let Some(var) = image.unfilled()
        {
            return Err(LoadError::Kconfig { prog: prog.name.clone(), var: var.name.clone() });
        }
        let def = &image.maps[map];
        let fields = fields_of(image.btf.as_deref(), def);
        maps.push(Map::with_fields(def, cpus, &mut limits, &fields)?);
    }
    let mut machine = Machine::new(helpers(), maps).with_cpus(cpus).with_clock(monotonic);
    for &at in &reach.progs {
        let prog = &image.progs[at];
        let mut renumbered = None;
        if !reach.are_closed {
            admitted(prog)?;
            renumbered = reach.renumbered(prog);
        }
        let id = match renumbered {
            Some(prog) => machine.load(&prog)?,
            None => machine.load_shared(image, at)?,
        };
        if let Some(pc) = exception_callback(image, prog) {
            machine.set_exception_callback(id, pc);
        }
    }
    // Few programs have such maps.
    let mut ids: Option<BTreeMap<_, _>> = None;
    for map in machine.maps() {
        let (Map::Progs(progs), Initial::Progs(entries)) = (map, &map.def().initial) else {
            continue;
        };
        let ids = ids.get_or_insert_with(|| {
            reach.progs.iter().zip(0u32..).map(|(&at, id)| (&image.progs[at].name, id)).collect()
        });
        for (index, name) in entries {
            // An index beyond the map is refused when the image is read.
            let _ = progs.set(*index, ids.get(name).copied());
        }
    }
    reach.fill(machine.maps())?;
    Ok(Linked { machine, maps: reach.maps, progs: reach.progs, cpus: CpuPool::new(cpus.max(1)) })
}

/// First instruction of the function that gets what the program throws: the one that a tag of the
/// entry function names.
fn exception_callback(image: &Image, prog: &Prog) -> Option<Pc> {
    let btf = image.btf.as_deref()?;
    let main = prog.subprogs.first()?.type_id?;
    let named = btf.types().find_map(|ty| match ty.body {
        Body::DeclTag { ty: of, component: None } if of == main => {
            ty.name.strip_prefix("exception_callback:")
        }
        _ => None,
    })?;
    prog.subprogs.iter().find(|sub| sub.name == named).map(|sub| sub.start)
}

/// Refuses helpers and kernel functions that the kernel does not give to programs of this type.
fn admitted(prog: &Prog) -> Result<(), LoadError> {
    for (pc, insn) in prog.insns.iter() {
        if let Insn::Call(Call::Kfunc { id, .. }) = insn
            && let Some(name) = usize::try_from(id).ok().and_then(|id| prog.externs.get(id))
            && let Some(kfunc) = Kfunc::find(&name.name)
            && !kfunc.progs.contains(prog.prog_type)
        {
            let (prog_type, kfunc) = (prog.prog_type, kfunc.name);
            return Err(LoadError::KfuncNotForType {
                prog: prog.name.clone(),
                pc,
                prog_type,
                kfunc,
            });
        }
        let Insn::Call(Call::Helper(id)) = insn else { continue };
        let Some(helper) = u32::try_from(id).ok().and_then(Helper::find) else { continue };
        if !helper.admits(prog.prog_type, prog.attach_type) {
            let (prog_type, helper) = (prog.prog_type, helper.name);
            return Err(LoadError::NotForType { prog: prog.name.clone(), pc, prog_type, helper });
        }
    }
    Ok(())
}

/// What a program can get to, by index in the image.
struct Reach<'a> {
    image: &'a Image,
    maps: Vec<usize>,
    progs: Vec<usize>,
    /// Whether none of the programs names a map or calls anything.
    are_closed: bool,
}

impl Reach<'_> {
    /// Adds a program, the maps it names, and the programs in them.
    fn add(&mut self, name: &str) -> Result<(), LoadError> {
        let mut names = vec![Cow::Borrowed(name)];
        while let Some(name) = names.pop() {
            let Some(at) = self.image.progs.iter().position(|prog| prog.name == name) else {
                continue;
            };
            if self.progs.contains(&at) {
                continue;
            }
            self.progs.push(at);
            if is_closed(&self.image.progs[at]) {
                continue;
            }
            self.are_closed = false;
            for idx in self.image.progs[at].insns.iter().filter_map(|(_, insn)| map_idx(&insn)) {
                if self.maps.contains(&idx) || idx >= self.image.maps.len() {
                    continue;
                }
                self.maps.push(idx);
                names.extend(self.entries(idx)?.into_iter().map(Cow::Owned));
                self.add_inner(idx)?;
            }
        }
        Ok(())
    }

    /// Adds all maps of the image but those that only the kernel has.
    fn add_all_maps(&mut self) -> Result<(), LoadError> {
        for (idx, def) in self.image.maps.iter().enumerate() {
            if !self.maps.contains(&idx) && !matches!(def.initial, Initial::StructOps(_)) {
                self.maps.push(idx);
                self.add_inner(idx)?;
            }
        }
        Ok(())
    }

    /// Adds the maps in a map of maps.
    fn add_inner(&mut self, idx: usize) -> Result<(), LoadError> {
        let Initial::Maps(entries) = &self.image.maps[idx].initial else { return Ok(()) };
        for (index, name) in entries {
            let inner = self.image.maps.iter().position(|map| map.name == *name);
            let Some(inner) = inner else {
                let map = self.image.maps[idx].name.clone();
                return Err(LoadError::Inner { map, index: *index, inner: name.clone() });
            };
            if !self.maps.contains(&inner) {
                self.maps.push(inner);
            }
        }
        Ok(())
    }

    /// Puts maps into maps of maps.
    fn fill(&self, maps: &[Map]) -> Result<(), LoadError> {
        for (map, &at) in maps.iter().zip(&self.maps) {
            let (Map::Maps(outer), Initial::Maps(entries)) = (map, &self.image.maps[at].initial)
            else {
                continue;
            };
            for (index, name) in entries {
                let is_it = |&(_, &at): &(&Map, &usize)| self.image.maps[at].name == *name;
                let Some((inner, _)) = maps.iter().zip(&self.maps).find(is_it) else { continue };
                outer.set(&index.to_le_bytes(), inner.clone(), 0).map_err(|errno| {
                    let (map, inner) = (outer.def().name.clone(), name.clone());
                    LoadError::Unlike { map, index: *index, inner, errno }
                })?;
            }
        }
        Ok(())
    }

    /// The programs in a prog array.
    fn entries(&self, idx: usize) -> Result<Vec<String>, LoadError> {
        let map = &self.image.maps[idx];
        let Initial::Progs(entries) = &map.initial else { return Ok(Vec::new()) };
        for (index, prog) in entries {
            if self.image.prog(prog).is_none() {
                let (map, prog) = (map.name.clone(), prog.clone());
                return Err(LoadError::Entry { map, index: *index, prog });
            }
        }
        Ok(entries.iter().map(|(_, prog)| prog.clone()).collect())
    }

    /// The program with map indices of the machine instead of the image, if it names maps.
    fn renumbered(&self, prog: &Prog) -> Option<Prog> {
        if prog.insns.iter().all(|(_, insn)| map_idx(&insn).is_none()) {
            return None;
        }
        let mut prog = prog.clone();
        let pcs: Vec<Pc> = prog.insns.iter().map(|(pc, _)| pc).collect();
        for pc in pcs {
            let Some(Insn::LoadImm { imm, .. }) = prog.insns.get_mut(pc) else { continue };
            if let ImmSrc::MapIdx(idx) | ImmSrc::MapIdxValue { idx, .. } = imm {
                let at = self.maps.iter().position(|&map| usize::try_from(*idx) == Ok(map));
                // An index that the image does not have stays and is refused by the engine.
                *idx = at.and_then(|at| i32::try_from(at).ok()).unwrap_or(i32::MAX);
            }
        }
        Some(prog)
    }
}

/// Whether a program names no map and calls nothing, as far as the kinds of its instructions tell.
fn is_closed(prog: &Prog) -> bool {
    let mut insns = prog.insns.slots().iter().flatten();
    !insns.any(|insn| matches!(insn, Insn::LoadImm { .. } | Insn::Call(_)))
}

fn map_idx(insn: &Insn) -> Option<usize> {
    match insn {
        Insn::LoadImm { imm: ImmSrc::MapIdx(idx) | ImmSrc::MapIdxValue { idx, .. }, .. } => {
            usize::try_from(*idx).ok()
        }
        _ => None,
    }
}
