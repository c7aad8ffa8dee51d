//! From a program to the interpreter's code: each instruction decoded once, each reference resolved.

use crate::Cx;
use crate::code::{Code, Held, Op, OpCode as O, Places};
use crate::fault::FaultKind;
use crate::helper::{Helper, Helpers, IntoHelper, Stop};
use crate::memory::{self, MAPS};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use once_cell::race::OnceBox;
use skep_abi::helper_name;
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc, Reg, Size, Src, StaticBranch, Swap, Width};
use skep_map::Map;
use skep_prog::{CoreReloc, Extern, FlowError, Prog, check_flow};

/// Why a program cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "fields are glossary terms")]
pub enum LoadError {
    /// Control could leave the program.
    #[error("{prog}: control leaves the program")]
    Flow { prog: String, source: FlowError },
    /// The embedder offers no such helper.
    #[error("{prog}, insn {pc}: no helper {id} ({name}) in the user engine{}", because(.why))]
    Helper { prog: String, pc: Pc, id: i32, name: &'static str, why: Option<&'static str> },
    /// The embedder offers no such kernel function.
    #[error("{prog}, insn {pc}: no kernel function {name} in the user engine{}", because(.why))]
    Kfunc { prog: String, pc: Pc, name: String, why: Option<&'static str> },
    /// A variable of the kernel.
    #[error("{prog}, insn {pc}: {name} only exists in the kernel")]
    Ksym { prog: String, pc: Pc, name: String },
    /// An instruction that has not been fitted to the types of any kernel.
    #[error("{prog}, insn {pc} depends on the types of a kernel (CO-RE), and none were given")]
    CoreReloc { prog: String, pc: Pc },
    /// The image has no such map.
    #[error("{prog}, insn {pc}: map {idx} of {maps}")]
    Map { prog: String, pc: Pc, idx: i32, maps: usize },
    /// The program has no such symbol.
    #[error("{prog}, insn {pc}: symbol {idx} of {externs}")]
    Extern { prog: String, pc: Pc, idx: i32, externs: usize },
    /// The map has no single value to point into.
    #[error("{prog}, insn {pc}: {map} is no array of one value")]
    NoValue { prog: String, pc: Pc, map: String },
    /// Something that only the kernel has.
    #[error("{prog}, insn {pc}: {what} only exist in the kernel")]
    KernelOnly { prog: String, pc: Pc, what: &'static str },
    /// More instructions than the interpreter numbers.
    #[error("{prog}: {insns} instructions, at most {max}")]
    TooLong { prog: String, insns: usize, max: usize },
}

/// Instructions of a program, far below what an `i32` can count.
const MAX_INSNS: usize = 1 << 24;

fn because(why: &Option<&'static str>) -> String {
    why.map_or_else(String::new, |why| alloc::format!(": {why}"))
}

pub(crate) fn translate<S: 'static>(
    prog: Held,
    index: usize,
    helpers: &Helpers<S>,
    maps: &[Map],
) -> Result<Code<S>, LoadError> {
    let name = || prog.name.clone();
    check_flow(&prog.insns).map_err(|source| LoadError::Flow { prog: name(), source })?;
    if prog.insns.len() > MAX_INSNS {
        let insns = prog.insns.len();
        return Err(LoadError::TooLong { prog: name(), insns, max: MAX_INSNS });
    }
    if let Some(core) = prog.core_relocs.first() {
        return Err(LoadError::CoreReloc { prog: name(), pc: core.pc });
    }
    let places = Places::new(&prog.insns);
    let code = Code {
        prog,
        index,
        linked: Vec::new(),
        plain: OnceBox::new(),
        fused: OnceBox::new(),
        places,
        helpers: Vec::new(),
        atomics: Vec::new(),
        exception: None,
        traps: Vec::new(),
        probes: Vec::new(),
    };
    let arena = arena(&code.prog, maps);
    let mut linking = Linking { code, index, helpers, maps, arena };
    let mut from = 0;
    while let Some((pc, insn)) = next_linked(&linking.code.prog.insns, from) {
        let op = linking.insn(pc, insn)?;
        linking.code.linked.push(op);
        from = pc.index() + 1;
    }
    Ok(linking.code)
}

/// The ops of all instructions, of which `linked` are those that [`Linking::insn`] has made.
pub(crate) fn plain(insns: &Insns, places: &Places, linked: &[Op]) -> Vec<Op> {
    let mut linked = linked.iter();
    let mut ops = Vec::with_capacity(places.len());
    ops.extend(insns.iter().map(|(pc, insn)| match of(places, pc, insn) {
        Some(op) => op,
        None => *linked.next().expect("bug: what an instruction names was not looked up"),
    }));
    ops
}

/// Looks up what instructions name.
struct Linking<'a, S> {
    code: Code<S>,
    /// Index of the program in the machine.
    index: usize,
    helpers: &'a Helpers<S>,
    maps: &'a [Map],
    /// Region of the arena that the program has.
    arena: Option<u32>,
}

/// The region of the first arena that a program names; the kernel lets it have one.
fn arena(prog: &Prog, maps: &[Map]) -> Option<u32> {
    if !maps.iter().any(|map| matches!(map, Map::Arena(_))) {
        return None;
    }
    let named = prog.insns.iter().find_map(|(_, insn)| match insn {
        Insn::LoadImm { imm: ImmSrc::MapIdx(idx) | ImmSrc::MapIdxValue { idx, .. }, .. } => {
            let idx = u32::try_from(idx).ok()?;
            matches!(maps.get(idx as usize)?, Map::Arena(_)).then_some(idx)
        }
        _ => None,
    });
    MAPS.checked_add(named?)
}

const NONE: Op = Op { code: O::Nop, dst: 0, src: 0, third: 0, off: 0, imm: 0 };

const fn extend(imm: i32) -> u64 {
    (imm as i64).cast_unsigned()
}

const fn two(code: O, dst: Reg, src: Reg) -> Op {
    Op { code, dst: dst.num(), src: src.num(), ..NONE }
}

fn jump(places: &Places, code: O, pc: Pc, off: i32) -> Op {
    // `check_flow` has found that there is such a slot.
    Op { code, off: places.target(pc, off).cast_signed(), ..NONE }
}

/// The op of an instruction, unless it names something outside of itself.
fn of(places: &Places, pc: Pc, insn: Insn) -> Option<Op> {
    let jump = |code, off| jump(places, code, pc, off);
    Some(match insn {
        Insn::Alu { width, op, dst, src } => {
            let code = O::alu(op, width == Width::W64, matches!(src, Src::Imm(_)));
            with_src(code, dst, src)
        }
        Insn::MovSx { width, from, dst, src } => two(movsx(width, from), dst, src),
        Insn::Neg { width, dst } => {
            two(if width == Width::W64 { O::Neg64 } else { O::Neg32 }, dst, dst)
        }
        Insn::Swap { kind, size, dst } => two(swap(kind, size), dst, dst),
        Insn::LoadAbs { size, imm } => {
            Op { code: O::LoadAbs, off: size.bytes().into(), imm: extend(imm), ..NONE }
        }
        Insn::LoadInd { size, src, imm } => {
            let off = size.bytes().into();
            Op { code: O::LoadInd, src: src.num(), off, imm: extend(imm), ..NONE }
        }
        Insn::Load { size, dst, base, off } => {
            Op { off: off.into(), ..two(O::load(size), dst, base) }
        }
        Insn::LoadSx { size, dst, base, off } => {
            let code = match size {
                Size::B => O::LoadSx8,
                Size::H => O::LoadSx16,
                Size::W | Size::Dw => O::LoadSx32,
            };
            Op { off: off.into(), ..two(code, dst, base) }
        }
        Insn::Store { size, base, off, src } => {
            let op = with_src(O::store(size, matches!(src, Src::Imm(_))), base, src);
            Op { off: off.into(), ..op }
        }
        Insn::LoadAcquire { size, dst, base, off } => {
            Op { off: off.into(), imm: size.bytes().into(), ..two(O::LoadAcquire, dst, base) }
        }
        Insn::StoreRelease { size, base, off, src } => {
            Op { off: off.into(), imm: size.bytes().into(), ..two(O::StoreRelease, base, src) }
        }
        Insn::JumpIf { width, op, dst, src, off } => {
            let code = O::cond(op, width == Width::W64, matches!(src, Src::Imm(_)));
            Op { off: jump(code, off.into()).off, ..with_src(code, dst, src) }
        }
        Insn::Jump { off } => jump(O::Jump, off.into()),
        Insn::JumpLong { off } => jump(O::Jump, off),
        Insn::Static { branch: StaticBranch::Goto, off } => jump(O::Jump, off.into()),
        Insn::StaticLong { branch: StaticBranch::Goto, off } => jump(O::Jump, off),
        Insn::Static { .. } | Insn::StaticLong { .. } => NONE,
        Insn::JumpReg { dst } => two(O::JumpReg, dst, dst),
        Insn::MayGoto { off } => jump(O::MayGoto, off.into()),
        Insn::Exit => Op { code: O::Exit, ..NONE },
        Insn::AddrSpaceCast { .. } | Insn::LoadImm { .. } | Insn::Atomic { .. } | Insn::Call(_) => {
            return None;
        }
    })
}

/// The first instruction at this slot or behind that names something outside of itself.
fn next_linked(insns: &Insns, from: usize) -> Option<(Pc, Insn)> {
    let rest = insns.slots().get(from..)?;
    let at = from + rest.iter().position(|slot| slot.as_ref().is_some_and(is_linked))?;
    Some((Pc(u32::try_from(at).ok()?), insns.slots()[at]?))
}

/// Whether an instruction names something outside of itself.
fn is_linked(insn: &Insn) -> bool {
    matches!(
        insn,
        Insn::AddrSpaceCast { .. } | Insn::LoadImm { .. } | Insn::Atomic { .. } | Insn::Call(_)
    )
}

impl<S: 'static> Linking<'_, S> {
    fn name(&self) -> String {
        self.code.prog.name.clone()
    }

    /// The op of an instruction that [`of`] has none for.
    fn insn(&mut self, pc: Pc, insn: Insn) -> Result<Op, LoadError> {
        Ok(match insn {
            // Addresses in an arena are the same for programs and users here.
            Insn::AddrSpaceCast { dst, src, .. } => match self.arena {
                Some(region) => Op { imm: region.into(), ..two(O::CastArena, dst, src) },
                None => self.trap("addr_space_cast in a program without arena"),
            },
            Insn::LoadImm { dst, imm } => {
                Op { code: O::Mov64K, dst: dst.num(), imm: self.load_imm(pc, imm)?, ..NONE }
            }
            Insn::Atomic { size, op, base, off, src } => {
                self.code.atomics.push((size, op));
                let imm = self.code.atomics.len() as u64 - 1;
                Op { off: off.into(), imm, ..two(O::Atomic, base, src) }
            }
            Insn::Call(call) => self.call(pc, call)?,
            _ => unreachable!("bug: the instruction names nothing"),
        })
    }

    fn trap(&mut self, what: &'static str) -> Op {
        self.code.traps.push(what);
        Op { code: O::Trap, imm: self.code.traps.len() as u64 - 1, ..NONE }
    }

    fn call(&mut self, pc: Pc, call: Call) -> Result<Op, LoadError> {
        match call {
            Call::Helper(CoreReloc::POISON) => {
                Ok(self.trap("what depends on a type or field that the given types lack"))
            }
            Call::Helper(id) => {
                let helper = self.helpers.get(id).ok_or_else(|| LoadError::Helper {
                    prog: self.name(),
                    pc,
                    id,
                    name: u32::try_from(id).ok().and_then(helper_name).unwrap_or("unknown"),
                    why: self.helpers.why_not(id),
                })?;
                Ok(self.helper(helper.clone()))
            }
            Call::Local(off) => Ok(jump(&self.code.places, O::CallLocal, pc, off)),
            Call::Kfunc { id, module: Extern::MODULE } => self.kfunc(pc, id),
            Call::Kfunc { .. } => {
                Err(LoadError::KernelOnly { prog: self.name(), pc, what: "kernel functions" })
            }
            Call::Reg(reg) => Ok(Op { code: O::CallReg, dst: reg.num(), ..NONE }),
        }
    }

    fn helper(&mut self, helper: Arc<Helper<S>>) -> Op {
        self.code.helpers.push(helper);
        Op { code: O::Helper, imm: self.code.helpers.len() as u64 - 1, ..NONE }
    }

    /// A call of a kernel function by its name. One that may be absent faults when it is called all the
    /// same.
    fn kfunc(&mut self, pc: Pc, id: i32) -> Result<Op, LoadError> {
        let (prog, no_extern) = (self.name(), self.no_extern(pc, id));
        let ext = self.ext(id).ok_or(no_extern)?;
        match self.helpers.kfunc(&ext.name) {
            Some(kfunc) => Ok(self.helper(kfunc.clone())),
            None if ext.weak => {
                let name = ext.name.clone();
                let what = alloc::format!("the kernel function {name}");
                let absent = move |_: &mut Cx<'_, S>| -> Result<u64, Stop> {
                    Err(FaultKind::Unsupported { what: what.clone() }.into())
                };
                Ok(self.helper(Arc::new(Helper::new(&name, absent.into_helper()))))
            }
            None => {
                let why = self.helpers.why_no_kfunc(&ext.name);
                Err(LoadError::Kfunc { prog, pc, name: ext.name.clone(), why })
            }
        }
    }

    fn ext(&self, id: i32) -> Option<&Extern> {
        self.code.prog.externs.get(usize::try_from(id).ok()?)
    }

    fn no_extern(&self, pc: Pc, idx: i32) -> LoadError {
        let externs = self.code.prog.externs.len();
        LoadError::Extern { prog: self.name(), pc, idx, externs }
    }

    /// The address of a kernel function or variable: that of one which may be absent is compared with
    /// null, and nothing can be read there.
    fn symbol(&self, pc: Pc, id: i32) -> Result<u64, LoadError> {
        let ext = self.ext(id).ok_or_else(|| self.no_extern(pc, id))?;
        match self.helpers.kfunc(&ext.name) {
            Some(_) => Ok(memory::symbol_address(id.cast_unsigned())),
            None if ext.weak => Ok(0),
            None => Err(LoadError::Ksym { prog: self.name(), pc, name: ext.name.clone() }),
        }
    }

    fn load_imm(&self, pc: Pc, imm: ImmSrc) -> Result<u64, LoadError> {
        let kernel = |what| Err(LoadError::KernelOnly { prog: self.name(), pc, what });
        match imm {
            ImmSrc::Value(value) => Ok(value),
            ImmSrc::MapIdx(idx) => Ok(memory::map_handle(self.map(pc, idx)?.0)),
            ImmSrc::MapIdxValue { idx, at } => {
                let (n, map) = self.map(pc, idx)?;
                let no_value = || LoadError::NoValue {
                    prog: self.name(),
                    pc,
                    map: map.def().name.to_string(),
                };
                let one = matches!(map, Map::KeyValue(_)) && map.def().max_entries == 1;
                if !one && !matches!(map, Map::Arena(_)) {
                    return Err(no_value());
                }
                let region = MAPS.checked_add(n).ok_or_else(no_value)?;
                Ok(memory::address(region, at.cast_unsigned()))
            }
            ImmSrc::Func(off) => {
                let prog = u32::try_from(self.index).unwrap_or(u32::MAX);
                Ok(memory::func_address(prog, self.code.places.target(pc, off)))
            }
            ImmSrc::MapFd(_) | ImmSrc::MapValue { .. } => kernel("map file descriptors"),
            ImmSrc::BtfId { id, fd: Extern::FD } => self.symbol(pc, id),
            ImmSrc::BtfId { .. } => kernel("kernel variables"),
        }
    }

    fn map(&self, pc: Pc, idx: i32) -> Result<(u32, &Map), LoadError> {
        let unknown = || LoadError::Map { prog: self.name(), pc, idx, maps: self.maps.len() };
        let n = u32::try_from(idx).map_err(|_| unknown())?;
        Ok((n, self.maps.get(n as usize).ok_or_else(unknown)?))
    }
}

fn with_src(code: O, dst: Reg, src: Src) -> Op {
    match src {
        Src::Reg(src) => Op { code, dst: dst.num(), src: src.num(), ..NONE },
        Src::Imm(imm) => Op { code, dst: dst.num(), imm: extend(imm), ..NONE },
    }
}

fn movsx(width: Width, from: Size) -> O {
    match (width, from) {
        (Width::W64, Size::B) => O::MovSx8To64,
        (Width::W64, Size::H) => O::MovSx16To64,
        (Width::W64, Size::W | Size::Dw) => O::MovSx32To64,
        (Width::W32, Size::B) => O::MovSx8To32,
        (Width::W32, Size::H | Size::W | Size::Dw) => O::MovSx16To32,
    }
}

/// Programs are little-endian here whatever the host is.
fn swap(kind: Swap, size: Size) -> O {
    match (kind, size) {
        (Swap::Le, Size::B | Size::H) => O::Trunc16,
        (Swap::Le, Size::W) => O::Trunc32,
        (Swap::Le, Size::Dw) => O::Nop,
        (Swap::Be | Swap::Always, Size::B | Size::H) => O::Swap16,
        (Swap::Be | Swap::Always, Size::W) => O::Swap32,
        (Swap::Be | Swap::Always, Size::Dw) => O::Swap64,
    }
}
