//! What is judged: a program as an object has it, fitted to the running kernel.

use crate::agreement::{Expect, Target};
use serde_json::{Value, json};
use skep::{Kernel, fit, kernel_config};
use skep_abi::{MapType, ProgType, Section};
use skep_btf::{Body, ByteOrder, Kind, Type, TypeId};
use skep_isa::{Insns, RawInsn, SlotError};
use skep_obj::{Content, ObjError, ObjectFile, SymbolPlace};
use skep_prog::{Image, Initial, MapDef, Prog};
use skep_sys::FuncInfo;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

/// `BPF_F_SLEEPABLE`
const SLEEPABLE: u32 = 1 << 4;
/// `BPF_F_XDP_HAS_FRAGS`
const FRAGS: u32 = 1 << 5;

/// With or without privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// All capabilities.
    Privileged,
    /// None.
    Unprivileged,
}

/// A program and all that decides about it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The object, or the file of test cases.
    pub file: String,
    /// `file/program`, unique.
    pub name: String,
    /// The program and its maps.
    pub image: Arc<Image>,
    /// Which program of the image.
    pub prog: usize,
    /// The bytes of `image`'s types and maps in one number.
    pub(crate) image_hash: u64,
    /// `BPF_F_*` that it is loaded with.
    pub flags: u32,
    /// The function or type of the kernel that it is for; why there is none.
    pub attach: Result<Option<TypeId>, String>,
    /// The program of which a function is to be replaced; `attach` is then one of its types.
    pub target: Option<Arc<Subject>>,
    /// For a program that is a member of a kernel struct: which one, by index in the kernel's type.
    pub member: Option<u32>,
    /// What the test expects.
    pub expect: Expect,
    /// Instructions that were never decoded, where `prog` has none because they cannot be.
    pub raw: Option<Raw>,
}

/// Instructions as a test wrote them, valid or not.
#[derive(Clone, Debug)]
pub struct Raw {
    /// All slots.
    pub insns: Vec<RawInsn>,
    /// Slots that name a map, and which of the image.
    pub uses: Vec<(usize, usize)>,
    /// Functions in the types of the image.
    pub funcs: Vec<FuncInfo>,
    /// Why they are no instructions, if they are none.
    pub undecoded: Option<SlotError>,
}

impl Subject {
    /// The program.
    #[must_use]
    pub fn prog(&self) -> &Prog {
        &self.image.progs[self.prog]
    }

    /// Whether it makes sense to ask about it without privileges: other types are refused outright.
    #[must_use]
    pub fn for_unprivileged(&self) -> bool {
        matches!(self.prog().prog_type, ProgType::SocketFilter | ProgType::CgroupSkb)
    }

    /// Name in a cache.
    #[must_use]
    pub fn key(&self, mode: Mode) -> String {
        match mode {
            Mode::Privileged => self.name.clone(),
            Mode::Unprivileged => format!("{}@unpriv", self.name),
        }
    }

    /// Everything that decides, in one number.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let prog = self.prog();
        let mut hash = self.image_hash;
        let insns = match &self.raw {
            Some(raw) => raw.insns.clone(),
            None => prog.insns.encode(),
        };
        for raw in insns {
            hash = fnv(hash, &raw.to_le_bytes());
        }
        let rest = format!(
            "{:?} {:?} {} {:?} {:?} {:?} {:?}",
            prog.prog_type,
            prog.attach_type,
            self.flags,
            self.attach,
            self.member,
            prog.subprogs,
            prog.externs
        );
        let hash = fnv(hash, rest.as_bytes());
        self.target.as_ref().map_or(hash, |target| fnv(hash, &target.hash().to_le_bytes()))
    }

    /// The same program, to replace a function of another.
    fn replacing(&self, target: &Arc<Self>, func: TypeId, name: &str) -> Self {
        Self {
            name: format!("{} for {name} of {}", self.name, target.name),
            attach: Ok(Some(func)),
            target: Some(Arc::clone(target)),
            ..self.clone()
        }
    }

    /// For readers of a cache.
    #[must_use]
    pub fn describe(&self) -> Value {
        let prog = self.prog();
        json!({
            "file": self.file,
            "prog": prog.name,
            "section": prog.section,
            "type": prog.prog_type.name(),
            "attach_type": prog.attach_type.map(skep_abi::AttachType::name),
            "flags": self.flags,
            "insns": self.raw.as_ref().map_or(prog.insns.len(), |raw| raw.insns.len()),
            "expect": self.expect.privileged,
            "expect_unpriv": self.expect.unprivileged,
        })
    }
}

/// Fowler-Noll-Vo, 64 bits: stable across compilers, unlike the standard library's.
pub(crate) fn fnv(seed: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(seed, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Types and maps of an image in one number.
pub(crate) fn image_hash(image: &Image) -> u64 {
    let types = image.btf.as_ref().map_or(Vec::new(), |btf| btf.to_bytes(ByteOrder::Little));
    let rest = format!("{:?} {}", image.maps, image.license);
    fnv(fnv(0xcbf2_9ce4_8422_2325, &types), rest.as_bytes())
}

/// An object without subjects.
#[derive(Clone, Debug)]
pub struct Unread {
    /// Its file.
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// The programs of an object, fitted to the running kernel.
///
/// # Errors
/// Why it cannot be read or fitted.
pub fn objects(path: &Path, target: &Target) -> Result<Vec<Subject>, Unread> {
    let unread = |why: String| Unread { path: path.into(), why };
    let bytes = fs::read(path).map_err(|err: io::Error| unread(err.to_string()))?;
    let (mut image, broken) = lenient(&bytes).map_err(|err| unread(chain(&err)))?;
    settle_maps(&mut image);
    let kernel = Kernel {
        types: Some(&target.btf),
        config: Some(kernel_config(&target.config, &target.release)),
    };
    fit(&mut image, &kernel).map_err(|err| unread(chain(&err)))?;
    let raw: Vec<Option<Raw>> = image.progs.iter_mut().map(|prog| restore(prog, &broken)).collect();
    let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let image_hash = image_hash(&image);
    let image = Arc::new(image);
    let subject = |prog: usize| {
        let of = &image.progs[prog];
        let expect = match (&image.btf, of.subprogs.first().and_then(|sub| sub.type_id)) {
            (Some(btf), Some(func)) => Expect::of(btf, func),
            _ => Expect::default(),
        };
        let row = Section::find(&of.section).map(|(row, _)| row);
        let member = match of.prog_type {
            ProgType::StructOps => member_of(&image, &of.name, target),
            _ => Err(String::new()),
        };
        let mut flags = expect.flags;
        flags |= if row.is_some_and(|row| row.sleepable) { SLEEPABLE } else { 0 };
        flags |= if row.is_some_and(|row| row.frags) { FRAGS } else { 0 };
        Subject {
            file: file.clone(),
            name: format!("{file}/{}", of.name),
            image: image.clone(),
            prog,
            image_hash,
            flags,
            attach: attach(of, target).and_then(|id| match id {
                None if of.prog_type == ProgType::StructOps => member.clone().map(|m| Some(m.0)),
                id => Ok(id),
            }),
            target: None,
            member: member.ok().map(|member| member.1),
            expect,
            raw: raw[prog].clone(),
        }
    };
    // Functions of an object without programs have no type.
    let typed = |&prog: &usize| image.progs[prog].prog_type != ProgType::Unspec;
    Ok((0..image.progs.len()).filter(typed).map(subject).collect())
}

/// Every program that replaces a function with every function that it may be meant for: those of the name that
/// its section gives, and all where it gives none.
#[must_use]
pub fn replacements(subjects: Vec<Subject>) -> Vec<Subject> {
    let is_ext = |subject: &Subject| subject.prog().prog_type == ProgType::Ext;
    let (replacing, targets): (Vec<_>, Vec<_>) = subjects.into_iter().partition(is_ext);
    let mut all = Vec::new();
    // Neighbours have the same target, which is loaded once.
    for target in targets.into_iter().map(Arc::new) {
        let Some(btf) = target.image.btf.clone() else { continue };
        for one in &replacing {
            let named = one.prog().section.split_once('/').map(|(_, name)| name);
            for sub in &target.prog().subprogs {
                let Some(func) = sub.type_id.and_then(|id| btf.get(id)) else { continue };
                if named.is_none_or(|named| named == func.name) {
                    all.push(one.replacing(&target, func.id, func.name));
                }
            }
        }
    }
    all
}

/// Instructions of functions that are no programs, by name.
type Broken = BTreeMap<String, Vec<RawInsn>>;

/// The image of an object in which some functions are no programs: a register 15, a jump to nowhere.
/// Those are taken out, so that the others can be had.
fn lenient(bytes: &[u8]) -> Result<(Image, Broken), ObjError> {
    let mut broken = BTreeMap::new();
    let mut bytes = bytes.to_vec();
    loop {
        let err = match skep_obj::parse(&bytes) {
            Ok(image) => return Ok((image, broken)),
            Err(err) => err,
        };
        let name = match &err {
            ObjError::Flow { prog, .. } => prog.clone(),
            ObjError::Insn { func, .. } => func.clone(),
            _ => return Err(err),
        };
        let taken = ObjectFile::read(&bytes).ok().and_then(|mut file| {
            let insns = take_out(&mut file, &name)?;
            Some((insns, file.write().ok()?))
        });
        match taken {
            Some((insns, without)) if !broken.contains_key(&name) => {
                broken.insert(name, insns);
                bytes = without;
            }
            _ => return Err(err),
        }
    }
}

/// Puts a program that does nothing in the place of a function.
fn take_out(file: &mut ObjectFile, name: &str) -> Option<Vec<RawInsn>> {
    let symbol = file.symbols.iter().find(|symbol| symbol.name == name)?;
    let SymbolPlace::Section(section) = symbol.place else { return None };
    let (start, len) = (usize::try_from(symbol.value).ok()?, usize::try_from(symbol.size).ok()?);
    let section = file.sections.get_mut(section)?;
    let Content::Bytes(bytes) = &mut section.content else { return None };
    let place = bytes.get_mut(start..start.checked_add(len)?)?.as_chunks_mut::<8>().0;
    let insns = place.iter().map(|&insn| RawInsn::from_le_bytes(insn)).collect();
    let (last, rest) = place.split_last_mut()?;
    // `r0 = 0` as often as it takes, and `exit`.
    rest.fill([0xb7, 0, 0, 0, 0, 0, 0, 0]);
    *last = [0x95, 0, 0, 0, 0, 0, 0, 0];
    let range = symbol.value..symbol.value + symbol.size;
    section.relocs.retain(|reloc| !range.contains(&reloc.at));
    Some(insns)
}

/// Gives a program that was taken out its instructions back.
fn restore(prog: &mut Prog, broken: &Broken) -> Option<Raw> {
    let insns = broken.get(&prog.name)?.clone();
    let undecoded = match Insns::decode(insns.iter().copied()) {
        Ok(decoded) => {
            prog.insns = decoded;
            None
        }
        Err(err) => Some(err),
    };
    Some(Raw { insns, uses: Vec::new(), funcs: Vec::new(), undecoded })
}

/// Numbers of entries that the user side of a test would fill in.
fn settle_maps(image: &mut Image) {
    for def in &mut image.maps {
        settle(def);
        if let Some(inner) = &mut def.inner {
            settle(inner);
        }
    }
}

fn settle(def: &mut MapDef) {
    if def.map_type == MapType::StackTrace && def.value_size == 0 {
        // `PERF_MAX_STACK_DEPTH` addresses.
        def.value_size = 127 * 8;
    }
    if def.map_type == MapType::Arena && def.map_extra == 0 {
        // Where loaders let the kernel choose, by mmap(2).
        def.map_extra = 1 << 44;
    }
    if def.max_entries > 0 {
        return;
    }
    def.max_entries = match def.map_type {
        MapType::Ringbuf | MapType::UserRingbuf => 4096,
        MapType::SkStorage
        | MapType::TaskStorage
        | MapType::InodeStorage
        | MapType::CgrpStorage
        | MapType::CgroupStorage
        | MapType::PercpuCgroupStorage => 0,
        _ => 1,
    };
}

/// The function or type that a tracing program is for, by its section. Of libbpf:
/// `libbpf_find_attach_btf_id`.
fn attach(prog: &Prog, target: &Target) -> Result<Option<TypeId>, String> {
    let Some((row, name)) = Section::find(&prog.section) else { return Ok(None) };
    let wanted = match row.name.trim_end_matches(".s") {
        "fentry" | "fexit" | "fmod_ret" => (name.to_string(), Kind::Func),
        "tp_btf" => (format!("btf_trace_{name}"), Kind::Typedef),
        "iter" => (format!("bpf_iter_{name}"), Kind::Func),
        "lsm" | "lsm_cgroup" => (format!("bpf_lsm_{name}"), Kind::Func),
        "freplace" => return Err("a program to replace a function of is not given".into()),
        _ => return Ok(None),
    };
    match target.find(&wanted.0, wanted.1) {
        Some(id) => Ok(Some(id)),
        None => Err(format!("no {} in this kernel", wanted.0)),
    }
}

/// The kernel struct that a program is a member of, and which. Of libbpf:
/// `bpf_map__init_kern_struct_ops`.
fn member_of(image: &Image, prog: &str, target: &Target) -> Result<(TypeId, u32), String> {
    let found = image.maps.iter().find_map(|map| {
        let Initial::StructOps(ops) = &map.initial else { return None };
        let &(at, _) = ops.progs.iter().find(|(_, name)| name == prog)?;
        Some((map.value_type?, at))
    });
    let (local, at) = found.ok_or("no struct has it as a member")?;
    let local = image.btf.as_ref().and_then(|btf| btf.get(local));
    let Some(Type { name, body: Body::Struct { members, .. }, .. }) = local else {
        return Err("the struct has no type".into());
    };
    let member = members.iter().find(|member| member.bit_off == at * 8);
    let member = member.ok_or("no member is there")?;
    let base = |name: &str| name.split("___").next().unwrap_or(name).to_string();
    let name = base(name);
    let ty = target.btf.find(&name, Kind::Struct);
    let Some(Type { id, body: Body::Struct { members, .. }, .. }) = ty else {
        return Err(format!("no struct {name} in this kernel"));
    };
    let index = members.iter().position(|other| other.name == base(member.name));
    let index = index.ok_or_else(|| format!("no member {} in this kernel", member.name))?;
    Ok((id, u32::try_from(index).unwrap_or(u32::MAX)))
}

/// An error with its causes.
fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text += &format!(": {err}");
        source = err.source();
    }
    text
}

/// The first program of an image that no object is behind.
#[must_use]
pub fn single(image: Image, file: &str) -> Subject {
    let flags = if skep::is_sleepable(&image.progs[0].section) { SLEEPABLE } else { 0 };
    Subject {
        file: file.into(),
        name: format!("{file}/{}", image.progs[0].name),
        image_hash: image_hash(&image),
        image: Arc::new(image),
        prog: 0,
        flags,
        attach: Ok(None),
        target: None,
        member: None,
        expect: Expect::default(),
        raw: None,
    }
}
