//! Instructions that depend on the types of a kernel (CO-RE).
//!
//! What belongs into each instruction is found by [`skep_btf::fixup`]; here it is put there. Of
//! libbpf: `bpf_core_patch_insn`.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use skep_btf::fixup::{Access, CoreError, Fixup, Resolver, Target, Unmatched, spell};
use skep_btf::{Btf, CoreRelo};
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc, Size, Src};
use skep_prog::{CoreReloc, Image, Prog};

/// What became of the relocations of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Relocations that were applied, whether or not they changed anything.
    pub applied: usize,
    /// Those that found no match: a program that comes to one of these instructions must stop.
    pub poisoned: Vec<Poisoned>,
}

/// An instruction whose relocation found no match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poisoned {
    /// The program.
    pub prog: String,
    /// The instruction.
    pub pc: Pc,
    /// What was looked for, and where.
    pub why: PoisonedBy,
}

/// Why an instruction must not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum PoisonedBy {
    /// The target has no such type, field or enumerator.
    #[error("{0}")]
    Unmatched(Unmatched),
    /// The field has another size, and is no pointer or unsigned integer.
    #[error("{local} has {old} bytes and {new} in the target, which one load cannot make equal")]
    Size { local: String, old: u32, new: u32 },
}

/// Why an image cannot be fitted to a kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum RelocError {
    /// The image has relocations but no types.
    #[error("program '{prog}' depends on the types of a kernel, but has none itself")]
    NoTypes { prog: String },
    /// A relocation without result.
    #[error("program '{prog}', insn {pc}")]
    Core { prog: String, pc: Pc, source: Box<CoreError> },
    /// A relocation of an instruction that cannot hold the result.
    #[error("program '{prog}', insn {pc}: {local}: {why}")]
    Insn { prog: String, pc: Pc, local: String, why: Unfit },
}

/// Why an instruction cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are named in the messages")]
pub enum Unfit {
    /// Neither an immediate nor an offset that a relocation may change.
    #[error("the instruction has no place for a value")]
    Kind,
    /// The instruction is not the one that the compiler described.
    #[error("the instruction holds {found}, expected {expected}")]
    Holds { found: i64, expected: i64 },
    /// An offset has 16 bits.
    #[error("{value} is more than an offset can be")]
    Offset { value: u64 },
    /// The instruction accesses another number of bytes than the field has.
    #[error("the instruction accesses {found} bytes, the field has {expected}")]
    Size { found: u8, expected: u32 },
    /// No such access.
    #[error("no such instruction accesses {size} bytes")]
    NewSize { size: u32 },
}

/// Fits the instructions of all programs to the types of a kernel, and forgets the relocations.
///
/// The first target is the kernel, others are its modules. An instruction without match becomes a call
/// of the helper [`CoreReloc::POISON`]: programs may hold such instructions where they do not come to.
///
/// # Errors
/// [`RelocError`]; the image is then as before.
///
/// ```
/// # let bytes = include_bytes!("../../../corpus/obj/core.o");
/// use skep_btf::fixup::Target;
///
/// let mut image = skep_obj::parse(bytes).unwrap();
/// // As a kernel's types, here those of the object itself.
/// let btf = image.btf.clone().unwrap();
/// let report = skep_obj::relocate(&mut image, &[Target { name: "self", btf: &btf }]).unwrap();
/// assert!(report.applied > 0 && report.poisoned.is_empty());
/// assert!(image.progs[0].core_relocs.is_empty());
/// ```
pub fn relocate(image: &mut Image, targets: &[Target<'_>]) -> Result<Report, RelocError> {
    let mut report = Report::default();
    let Some(prog) = image.progs.iter().find(|prog| !prog.core_relocs.is_empty()) else {
        return Ok(report);
    };
    let btf: Arc<Btf> =
        image.btf.clone().ok_or_else(|| RelocError::NoTypes { prog: prog.name.clone() })?;
    let mut resolver = Resolver::new(&btf, targets);
    let mut known = BTreeMap::new();
    let mut all = Vec::new();
    for prog in &image.progs {
        let mut job = Job { btf: &btf, resolver: &mut resolver, known: &mut known, prog };
        all.push(job.run(&mut report)?);
    }
    for (prog, insns) in image.progs.iter_mut().zip(all) {
        prog.insns = insns;
        prog.core_relocs.clear();
    }
    Ok(report)
}

/// What has been resolved: a function stands in each program that calls it.
type Known = BTreeMap<(skep_btf::TypeId, skep_btf::StrOff, u32), Fixup>;

/// The relocations of one program.
struct Job<'j, 'a> {
    btf: &'j Btf,
    resolver: &'j mut Resolver<'a>,
    known: &'j mut Known,
    prog: &'j Prog,
}

impl Job<'_, '_> {
    fn run(&mut self, report: &mut Report) -> Result<Insns, RelocError> {
        let mut changed = BTreeMap::new();
        for core in &self.prog.core_relocs {
            let pc = core.pc;
            let unfit = |why| self.unfit(core, why);
            let insn = changed.get(&pc).or_else(|| self.prog.insns.get(pc)).copied();
            let insn = insn.ok_or_else(|| unfit(Unfit::Kind))?;
            let fixup = self.fixup(core)?;
            let patched = match patch(insn, &fixup).map_err(|why| self.unfit(core, why))? {
                Patched::Insn(insn) => insn,
                Patched::Poison(why) => {
                    let why = why.unwrap_or_else(|| self.size(core, fixup.access));
                    report.poisoned.push(Poisoned { prog: self.prog.name.clone(), pc, why });
                    Insn::Call(Call::Helper(CoreReloc::POISON))
                }
            };
            report.applied = report.applied.saturating_add(1);
            changed.insert(pc, patched);
        }
        Ok(self.rebuild(&changed))
    }

    fn fixup(&mut self, core: &CoreReloc) -> Result<Fixup, RelocError> {
        let key = (core.ty, core.access, core.kind);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let &CoreReloc { pc, ty, access, kind } = core;
        let relo = CoreRelo { insn_off: pc.0.saturating_mul(8), ty, access, kind };
        let fixup = self.resolver.resolve(&relo).map_err(|source| RelocError::Core {
            prog: self.prog.name.clone(),
            pc,
            source: Box::new(source),
        })?;
        self.known.insert(key, fixup.clone());
        Ok(fixup)
    }

    /// The slots with what changed. Both slots of a poisoned `lddw` are calls.
    fn rebuild(&self, changed: &BTreeMap<Pc, Insn>) -> Insns {
        let mut insns = Insns::default();
        for (pc, old) in self.prog.insns.iter() {
            let new = changed.get(&pc).copied().unwrap_or(old);
            insns.push(new);
            if old.slots() > new.slots() {
                insns.push(new);
            }
        }
        insns
    }

    fn size(&self, core: &CoreReloc, access: Access) -> PoisonedBy {
        PoisonedBy::Size { local: self.spell(core), old: access.old, new: access.new }
    }

    fn unfit(&self, core: &CoreReloc, why: Unfit) -> RelocError {
        let (prog, local) = (self.prog.name.clone(), self.spell(core));
        RelocError::Insn { prog, pc: core.pc, local, why }
    }

    fn spell(&self, core: &CoreReloc) -> String {
        spell(self.btf, core.ty, core.access, core.kind)
    }
}

/// What an instruction becomes.
enum Patched {
    Insn(Insn),
    /// It must not run; without a reason because of the field's size.
    Poison(Option<PoisonedBy>),
}

fn patch(insn: Insn, fixup: &Fixup) -> Result<Patched, Unfit> {
    let holds = |found: i64| {
        let expected = fixup.old.cast_signed();
        let fine = !fixup.checked || found == expected;
        if fine { Ok(()) } else { Err(Unfit::Holds { found, expected }) }
    };
    let value = match &fixup.new {
        Ok(value) => *value,
        Err(_) if !is_patchable(insn) => return Err(Unfit::Kind),
        Err(why) => return Ok(Patched::Poison(Some(PoisonedBy::Unmatched(why.clone())))),
    };
    let mut insn = insn;
    match &mut insn {
        Insn::Alu { src: Src::Imm(imm), .. } => {
            holds((*imm).into())?;
            *imm = low_half(value);
        }
        Insn::LoadImm { imm: ImmSrc::Value(imm), .. } => {
            holds(imm.cast_signed())?;
            *imm = value;
        }
        _ => {
            let (size, off) = memory(&mut insn).ok_or(Unfit::Kind)?;
            holds((*off).into())?;
            let new = i16::try_from(value).map_err(|_| Unfit::Offset { value })?;
            let access = fixup.access;
            if access.old != access.new && !access.resizable {
                return Ok(Patched::Poison(None));
            }
            *off = new;
            *size = resized(*size, access)?;
            if !has_size(insn) {
                return Err(Unfit::NewSize { size: access.new });
            }
        }
    }
    Ok(Patched::Insn(insn))
}

fn is_patchable(mut insn: Insn) -> bool {
    let imm = matches!(
        insn,
        Insn::Alu { src: Src::Imm(_), .. } | Insn::LoadImm { imm: ImmSrc::Value(_), .. }
    );
    imm || memory(&mut insn).is_some()
}

/// Size and offset of a load or store.
fn memory(insn: &mut Insn) -> Option<(&mut Size, &mut i16)> {
    match insn {
        Insn::Load { size, off, .. }
        | Insn::LoadSx { size, off, .. }
        | Insn::Store { size, off, .. }
        | Insn::Atomic { size, off, .. }
        | Insn::LoadAcquire { size, off, .. }
        | Insn::StoreRelease { size, off, .. } => Some((size, off)),
        _ => None,
    }
}

fn resized(size: Size, access: Access) -> Result<Size, Unfit> {
    if access.old == access.new {
        return Ok(size);
    }
    if u32::from(size.bytes()) != access.old {
        return Err(Unfit::Size { found: size.bytes(), expected: access.old });
    }
    match access.new {
        1 => Ok(Size::B),
        2 => Ok(Size::H),
        4 => Ok(Size::W),
        8 => Ok(Size::Dw),
        size => Err(Unfit::NewSize { size }),
    }
}

/// Whether the instruction exists with its size.
const fn has_size(insn: Insn) -> bool {
    match insn {
        Insn::LoadSx { size, .. } => !matches!(size, Size::Dw),
        Insn::Atomic { size, .. } => matches!(size, Size::W | Size::Dw),
        _ => true,
    }
}

fn low_half(value: u64) -> i32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}
