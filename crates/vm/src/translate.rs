//! From a program to the interpreter's code: each instruction decoded once, each reference resolved.

use crate::Cx;
use crate::code::{Code, Op, OpCode as O};
use crate::fault::FaultKind;
use crate::helper::{Helper, Helpers, IntoHelper, Stop};
use crate::memory::{self, MAPS};
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use once_cell::race::OnceBox;
use skep_abi::helper_name;
use skep_isa::{Call, ImmSrc, Insn, Pc, Reg, Size, Src, StaticBranch, Swap, Width};
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
    prog: &Prog,
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
    let mut pcs = Vec::with_capacity(prog.insns.len());
    pcs.extend(prog.insns.iter().map(|(pc, _)| pc));
    let mut op_at = Vec::new();
    if pcs.len() < prog.insns.len() {
        op_at.resize(prog.insns.len(), 0);
        for (pc, op) in pcs.iter().zip(0..) {
            op_at[pc.index()] = op;
        }
    }
    let code = Code {
        prog: prog.clone(),
        index,
        plain: Vec::with_capacity(pcs.len()),
        fused: OnceBox::new(),
        pcs,
        helpers: Vec::new(),
        atomics: Vec::new(),
        exception: None,
        traps: Vec::new(),
        probes: Vec::new(),
    };
    let arena = arena(prog, maps);
    let slots = prog.insns.len();
    let mut cx = Translation { code, op_at, slots, index, helpers, maps, arena };
    for (pc, insn) in prog.insns.iter() {
        let op = cx.insn(pc, insn)?;
        cx.code.plain.push(op);
    }
    Ok(cx.code)
}

struct Translation<'a, S> {
    code: Code<S>,
    /// The op of each slot, if they are not as many.
    op_at: Vec<u32>,
    slots: usize,
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

impl<S: 'static> Translation<'_, S> {
    fn name(&self) -> String {
        self.code.prog.name.clone()
    }

    /// The op of a jump's target, which `check_flow` has found to exist.
    fn target(&self, pc: Pc, off: i32) -> i32 {
        self.op(pc, off).cast_signed()
    }

    /// The op that is `off` slots behind the next.
    fn op(&self, pc: Pc, off: i32) -> u32 {
        let Some(to) = pc.jump(off).filter(|to| to.index() < self.slots) else { return 0 };
        if self.op_at.is_empty() { to.0 } else { self.op_at[to.index()] }
    }

    fn insn(&mut self, pc: Pc, insn: Insn) -> Result<Op, LoadError> {
        let two = |code, dst: Reg, src: Reg| Op { code, dst: dst.num(), src: src.num(), ..NONE };
        Ok(match insn {
            Insn::Alu { width, op, dst, src } => {
                let code = O::alu(op, width == Width::W64, matches!(src, Src::Imm(_)));
                with_src(code, dst, src)
            }
            Insn::MovSx { width, from, dst, src } => two(movsx(width, from), dst, src),
            Insn::Neg { width, dst } => {
                two(if width == Width::W64 { O::Neg64 } else { O::Neg32 }, dst, dst)
            }
            Insn::Swap { kind, size, dst } => two(swap(kind, size), dst, dst),
            // Addresses in an arena are the same for programs and users here.
            Insn::AddrSpaceCast { dst, src, .. } => match self.arena {
                Some(region) => Op { imm: region.into(), ..two(O::CastArena, dst, src) },
                None => self.trap("addr_space_cast in a program without arena"),
            },
            Insn::LoadImm { dst, imm } => {
                Op { code: O::Mov64K, dst: dst.num(), imm: self.load_imm(pc, imm)?, ..NONE }
            }
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
            Insn::Atomic { size, op, base, off, src } => {
                self.code.atomics.push((size, op));
                let imm = self.code.atomics.len() as u64 - 1;
                Op { off: off.into(), imm, ..two(O::Atomic, base, src) }
            }
            Insn::LoadAcquire { size, dst, base, off } => {
                Op { off: off.into(), imm: size.bytes().into(), ..two(O::LoadAcquire, dst, base) }
            }
            Insn::StoreRelease { size, base, off, src } => {
                Op { off: off.into(), imm: size.bytes().into(), ..two(O::StoreRelease, base, src) }
            }
            Insn::JumpIf { width, op, dst, src, off } => {
                let code = O::cond(op, width == Width::W64, matches!(src, Src::Imm(_)));
                Op { off: self.target(pc, off.into()), ..with_src(code, dst, src) }
            }
            Insn::Jump { off } => self.jump(O::Jump, pc, off.into()),
            Insn::JumpLong { off } => self.jump(O::Jump, pc, off),
            Insn::Static { branch: StaticBranch::Goto, off } => self.jump(O::Jump, pc, off.into()),
            Insn::StaticLong { branch: StaticBranch::Goto, off } => self.jump(O::Jump, pc, off),
            Insn::Static { .. } | Insn::StaticLong { .. } => NONE,
            Insn::JumpReg { dst } => two(O::JumpReg, dst, dst),
            Insn::MayGoto { off } => self.jump(O::MayGoto, pc, off.into()),
            Insn::Call(call) => self.call(pc, call)?,
            Insn::Exit => Op { code: O::Exit, ..NONE },
        })
    }

    fn jump(&self, code: O, pc: Pc, off: i32) -> Op {
        Op { code, off: self.target(pc, off), ..NONE }
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
            Call::Local(off) => Ok(self.jump(O::CallLocal, pc, off)),
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
                Ok(memory::func_address(prog, self.op(pc, off)))
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
