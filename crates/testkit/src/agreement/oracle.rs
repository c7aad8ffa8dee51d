//! The running kernel as a judge.

use crate::agreement::privilege::Unprivileged;
use crate::agreement::resolve::resolve;
use crate::agreement::types::kernel_bytes;
use crate::agreement::{Answer, Mode, Subject, Target, Verdict};
use skep_abi::{AttachType, Errno, MapType, ProgType};
use skep_isa::{ImmSrc, Insn, RawInsn};
use skep_prog::{DataKind, Image, Initial, MapDef};
use skep_sys::{
    AttachTo, Bpf, BtfFd, FuncInfo, Kernel, MapCreate, MapFd, ProgFd, ProgLoad, SysError,
};
use std::sync::Arc;

/// Bytes for a log; where it is longer, the kernel keeps the end.
const LOG: usize = 4 << 20;
/// What the statistics need.
const FIGURES: usize = 64 << 10;

type Types = Result<Option<Arc<BtfFd>>, SysError>;

/// Asks the kernel. One for each thread.
pub struct Oracle<'a> {
    target: &'a Target,
    log: Vec<u8>,
    /// The types that were loaded last.
    types: Option<(Arc<Image>, Types)>,
    /// The target that was loaded last.
    replaced: Option<(Arc<Subject>, Arc<ProgFd>)>,
}

impl<'a> Oracle<'a> {
    /// For subjects that are fitted to `target`, the running kernel.
    #[must_use]
    pub fn new(target: &'a Target) -> Self {
        Self { target, log: vec![0; LOG], types: None, replaced: None }
    }

    /// The kernel's decision, with statistics or the log.
    pub fn judge(&mut self, subject: &Subject, mode: Mode) -> Answer {
        match self.prepare(subject) {
            Ok(prepared) => self.ask(&prepared, &prepared.raw, mode),
            Err(why) => Answer::environment(why),
        }
    }

    /// The log that the kernel writes at this level, whatever it decides.
    ///
    /// # Errors
    /// Why the verifier cannot be asked.
    pub fn log(&mut self, subject: &Subject, mode: Mode, level: u32) -> Result<String, String> {
        let prepared = self.prepare(subject)?;
        Ok(self.load(&prepared, &prepared.raw, mode, level, LOG).1)
    }

    /// Decides about other instructions in the place of the subject's.
    pub fn ask(&mut self, prepared: &Prepared, raw: &[RawInsn], mode: Mode) -> Answer {
        let (first, log) = self.load(prepared, raw, mode, 4, FIGURES);
        let Err(errno) = first else { return Answer::from_log(Verdict::Accepted, 0, &log) };
        let (_, log) = self.load(prepared, raw, mode, 1, LOG);
        let answer = Answer::from_log(Verdict::Rejected, errno.number(), &log);
        let silent = answer.last.is_empty() && answer.processed == 0;
        let decided =
            errno == Errno::E2BIG || (mode == Mode::Unprivileged && errno == Errno::EPERM);
        // Addresses of variables are no part of what a verifier knows.
        let no_address = answer.last.starts_with("ldimm64 failed to find the address");
        if (silent && !decided) || no_address {
            return Answer {
                errno: errno.number(),
                ..Answer::environment(match no_address {
                    true => answer.last,
                    false => format!("{errno:?} without a log"),
                })
            };
        }
        answer
    }

    /// Only whether the kernel takes these instructions, which is fast.
    pub fn accepts(
        &mut self,
        prepared: &Prepared,
        raw: &[RawInsn],
        mode: Mode,
    ) -> Result<(), Errno> {
        self.load(prepared, raw, mode, 0, 0).0.map(drop)
    }

    fn load(
        &mut self,
        prepared: &Prepared,
        raw: &[RawInsn],
        mode: Mode,
        level: u32,
        log: usize,
    ) -> (Result<ProgFd, Errno>, String) {
        let btf = prepared.types.as_deref().filter(|_| !prepared.funcs.is_empty());
        let def = ProgLoad {
            name: &prepared.name,
            prog_type: prepared.prog_type,
            insns: raw,
            license: &prepared.license,
            flags: prepared.flags,
            attach_type: prepared.attach_type,
            btf: btf.map(|btf| (btf, &prepared.funcs[..])),
            log_level: level,
        };
        let log = &mut self.log[..log];
        if let Some(first) = log.first_mut() {
            *first = 0;
        }
        let loaded: Result<ProgFd, SysError> = {
            let _guard = match mode {
                Mode::Privileged => None,
                Mode::Unprivileged => {
                    Some(Unprivileged::enter().expect("a thread can give up its capabilities"))
                }
            };
            let attach = AttachTo { btf_id: prepared.attach, prog: prepared.target.as_deref() };
            Kernel.prog_judge(&def, attach, log)
        };
        let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
        let text = String::from_utf8_lossy(&log[..end]).into_owned();
        (loaded.map_err(|err| err.errno), text)
    }

    /// Makes what the program needs.
    ///
    /// # Errors
    /// Why the verifier cannot be asked.
    pub fn prepare(&mut self, subject: &Subject) -> Result<Prepared, String> {
        let attach = subject.attach.clone()?.map_or(0, |id| id.0);
        let target = match &subject.target {
            Some(target) => Some(self.load_target(target)?),
            None => None,
        };
        self.load_types(&subject.image);
        let types = match &self.types {
            Some((_, Ok(btf))) => btf.clone(),
            Some((_, Err(err))) => return Err(format!("types: {err}")),
            None => None,
        };
        let btf = types.as_deref();
        let prog = subject.prog();
        let mut maps = Vec::new();
        for at in named(subject) {
            let def = subject.image.maps.get(at).ok_or_else(|| format!("no map {at}"))?;
            let map = create(def, btf).map_err(|err| format!("map {}: {err}", def.name))?;
            maps.push((at, map));
        }
        let fd = |at: usize| {
            let found = maps.iter().find(|(of, _)| *of == at);
            found.map(|(_, map)| Kernel.map_number(map))
        };
        let (raw, funcs) = match &subject.raw {
            Some(raw) => {
                let mut insns = raw.insns.clone();
                for &(pc, map) in &raw.uses {
                    insns[pc].imm = fd(map).unwrap_or(-1);
                }
                (insns, raw.funcs.clone())
            }
            None => {
                let number = |idx: i32| fd(usize::try_from(idx).ok()?);
                (resolve(prog, subject.image.btf.as_deref(), self.target, number)?, funcs(prog))
            }
        };
        Ok(Prepared {
            name: prog.name.clone(),
            prog_type: prog.prog_type,
            // A member stands where others have the type of their attachment.
            attach_type: subject.member.map_or(prog.attach_type, AttachType::from_number),
            license: subject.image.license.clone(),
            flags: subject.flags,
            attach,
            funcs,
            raw,
            maps,
            types,
            target,
        })
    }

    /// Loads the program of which a function is to be replaced; that of the last time is kept.
    fn load_target(&mut self, target: &Arc<Subject>) -> Result<Arc<ProgFd>, String> {
        if let Some((of, prog)) = &self.replaced
            && Arc::ptr_eq(of, target)
        {
            return Ok(Arc::clone(prog));
        }
        let prepared = self.prepare(target)?;
        let loaded = self.load(&prepared, &prepared.raw, Mode::Privileged, 0, 0).0;
        let prog = Arc::new(loaded.map_err(|errno| format!("the target: {errno:?}"))?);
        self.replaced = Some((Arc::clone(target), Arc::clone(&prog)));
        Ok(prog)
    }

    fn load_types(&mut self, image: &Arc<Image>) {
        if self.types.as_ref().is_some_and(|(of, _)| Arc::ptr_eq(of, image)) {
            return;
        }
        let loaded = match &image.btf {
            Some(btf) => Kernel.btf_load(&kernel_bytes(btf)).map(|btf| Some(Arc::new(btf))),
            None => Ok(None),
        };
        self.types = Some((image.clone(), loaded));
    }
}

/// A program with its maps in the kernel, to be loaded as often as one likes.
#[derive(Debug)]
pub struct Prepared {
    name: String,
    prog_type: ProgType,
    attach_type: Option<AttachType>,
    license: String,
    flags: u32,
    attach: u32,
    funcs: Vec<FuncInfo>,
    /// The instructions with the kernel's numbers.
    pub raw: Vec<RawInsn>,
    /// By index in the image.
    pub maps: Vec<(usize, MapFd)>,
    types: Option<Arc<BtfFd>>,
    /// The program of which a function is to be replaced.
    target: Option<Arc<ProgFd>>,
}

impl Prepared {
    /// The kernel's number for a map of the image.
    pub(crate) fn fd(&self, idx: i32) -> Option<i32> {
        let at = usize::try_from(idx).ok()?;
        let (_, map) = self.maps.iter().find(|(of, _)| *of == at)?;
        Some(Kernel.map_number(map))
    }
}

/// Maps that the program names.
fn named(subject: &Subject) -> Vec<usize> {
    let mut found: Vec<usize> = match &subject.raw {
        Some(raw) => raw.uses.iter().map(|&(_, map)| map).collect(),
        None => {
            let index = |(_, insn)| match insn {
                Insn::LoadImm {
                    imm: ImmSrc::MapIdx(idx) | ImmSrc::MapIdxValue { idx, .. },
                    ..
                } => usize::try_from(idx).ok(),
                _ => None,
            };
            subject.prog().insns.iter().filter_map(index).collect()
        }
    };
    found.sort_unstable();
    found.dedup();
    found
}

/// Functions with their types; none if one of them has none.
fn funcs(prog: &skep_prog::Prog) -> Vec<FuncInfo> {
    let info = |sub: &skep_prog::Subprog| {
        Some(FuncInfo { insn_off: sub.start.0, type_id: sub.type_id?.0 })
    };
    prog.subprogs.iter().map(info).collect::<Option<_>>().unwrap_or_default()
}

fn create(def: &MapDef, btf: Option<&BtfFd>) -> Result<MapFd, SysError> {
    let inner = match &def.inner {
        Some(inner) => Some(make(inner, btf, None)?),
        None => None,
    };
    let map = make(def, btf, inner.as_ref())?;
    // Variables of an arena are written through memory, after loading.
    if let Initial::Value(value) = &def.initial
        && def.map_type != MapType::Arena
    {
        Kernel.map_update(&map, &0_u32.to_ne_bytes(), value, 0)?;
    }
    if matches!(def.data, Some(DataKind::Rodata | DataKind::Kconfig)) {
        Kernel.map_freeze(&map)?;
    }
    Ok(map)
}

/// With types where the kind of map takes them. Of libbpf: `bpf_object__create_map`.
fn make(def: &MapDef, btf: Option<&BtfFd>, inner: Option<&MapFd>) -> Result<MapFd, SysError> {
    let plain = MapCreate {
        max_entries: match (def.map_type, def.max_entries) {
            (MapType::PerfEventArray, 0 | 1) => skep_sys::possible_cpus().unwrap_or(1),
            (_, entries) => entries,
        },
        flags: def.flags,
        numa_node: def.numa_node,
        map_extra: def.map_extra,
        inner,
        ..MapCreate::new(&def.name, def.map_type, def.key_size, def.value_size, 0)
    };
    let types = btf.zip(def.value_type).filter(|_| takes_types(def.map_type));
    if let Some((btf, value)) = types {
        let key = def.key_type.map_or(0, |key| key.0);
        let typed = MapCreate { btf: Some((btf, key, value.0)), ..plain };
        if let Ok(map) = Kernel.map_create(&typed) {
            return Ok(map);
        }
    }
    Kernel.map_create(&plain)
}

const fn takes_types(map_type: MapType) -> bool {
    !matches!(
        map_type,
        MapType::PerfEventArray
            | MapType::CgroupArray
            | MapType::StackTrace
            | MapType::ArrayOfMaps
            | MapType::HashOfMaps
            | MapType::Devmap
            | MapType::DevmapHash
            | MapType::Cpumap
            | MapType::Xskmap
            | MapType::Sockmap
            | MapType::Sockhash
            | MapType::Queue
            | MapType::Stack
            | MapType::Arena
    )
}
