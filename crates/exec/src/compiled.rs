//! The code of a machine's programs.

use crate::activation;
use crate::call::Entered;
use crate::checked;
use crate::dead_code::without_dead_code;
use crate::fast_map::FastMaps;
use crate::frames::needed;
use crate::outside::{Bridged, Outside, Probes, cpus_of};
use crate::processor::Processor;
use crate::start::Start;
use crate::uses::Uses;
use skep_isa::{ImmSrc, Insn, Pc};
use skep_jit::{Code, CompileError, Style};
use skep_map::Map;
use skep_verifier::Verified;
use skep_vm::{CodePlace, Cx, Fault, MAX_FRAMES, Machine, Native};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::ptr;

/// Why programs are not run as machine code. Nothing is wrong with them: the interpreter runs them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no code generator for this host.
    #[error("there is no machine code for this kind of processor")]
    Host,
    /// The programs verified are not those of the machine.
    #[error("program {prog} of the machine is not the one that was verified")]
    Other {
        /// Its index.
        prog: usize,
    },
    /// A map holds more than bytes.
    #[error("map {map} holds timers or objects")]
    Objects {
        /// Its name.
        map: String,
    },
    /// The programs that call each other are not of one kind.
    #[error("{prog} is of another type than the program that may call it")]
    Mixed {
        /// Its name.
        prog: String,
    },
    /// A program handles exceptions.
    #[error("{prog} has a function for exceptions")]
    Exceptions {
        /// Its name.
        prog: String,
    },
    /// A program is not compiled.
    #[error("{prog}: {source}")]
    Compile {
        /// Its name.
        prog: String,
        /// Why.
        source: CompileError,
    },
    /// There is no memory for code.
    #[error("there is no memory for code")]
    Memory(#[from] io::Error),
}

/// What there is to choose of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeOptions {
    /// Instructions are counted as the interpreter counts them, and budget and deadline end every run. Without it the
    /// verifier's word counts that runs end, and what it has not bounded is counted roughly.
    pub metered: bool,
    /// Numbers of programs do not stand in their code, so that nobody can have chosen its bytes: each is made of two by
    /// a key of its own, other at each compilation. Kernel: `bpf_jit_harden`.
    pub blinding: bool,
    /// Calls and jumps through registers and memory go where the processor does not guess (x86-64).
    pub retpolines: bool,
    /// Programs go through the second tier, which takes longer to compile and makes quicker code. What it does not take is the
    /// first tier's: [`Compiled::not_optimised`] says which and why.
    pub optimised: bool,
}

impl CodeOptions {
    /// The same for the compiler. Where keys of blinding come from is other each time.
    pub(crate) fn style(self) -> Style {
        let Self { metered, retpolines, .. } = self;
        // The standard library's keys for hashing are random, and no two are the same.
        let blinding = self.blinding.then(|| RandomState::new().hash_one(0));
        Style { metered, blinding, retpolines }
    }

    /// Nothing beyond what programs ask for.
    #[must_use]
    pub const fn plain() -> Self {
        Self { metered: false, blinding: false, retpolines: false, optimised: false }
    }
}

impl Default for CodeOptions {
    fn default() -> Self {
        Self { metered: true, ..Self::plain() }
    }
}

/// Where contexts have pointers.
#[derive(Clone, Copy, Debug, Default)]
pub struct CtxShape {
    /// Bytes of it.
    pub len: usize,
    /// Position of each field of 4 bytes that stands for a pointer, and, from the start of the context, of the
    /// 8 bytes that have the pointer itself.
    pub pointers: &'static [(u32, i32)],
    /// Whether stores to some fields of it are no plain ones.
    pub halves: bool,
}

/// The code of all programs of a machine. It holds for as long as the machine does: it has addresses of map
/// values in it.
#[derive(Debug)]
pub struct Compiled {
    pub(crate) progs: Vec<Entered>,
    /// Of each program, the frames that each function needs; in code that checks, those that are active in it at least.
    pub(crate) frames: Vec<BTreeMap<Pc, u32>>,
    /// Frames that a run takes at most.
    pub(crate) most_frames: u32,
    /// Of each program, the address of its main function, or 0 where a tail call must look whether there is room.
    pub(crate) mains: Vec<u64>,
    /// How the first program is entered.
    pub(crate) first: Option<Start>,
    pub(crate) bridged: Vec<Bridged>,
    pub(crate) probes: Probes,
    /// What code has addresses of, beside map values.
    #[expect(dead_code, reason = "kept alive for the code")]
    pub(crate) fast_maps: Box<FastMaps>,
    /// Whose map values there are addresses of.
    pub(crate) machine: u64,
    pub(crate) ctx: CtxShape,
    /// CPUs that arrays have values for, and that the verifier counts.
    pub(crate) cpus: u32,
    /// Whether it counts instructions.
    pub(crate) is_metered: bool,
    /// Programs that were to be optimised and are not, by their number.
    pub(crate) not_optimised: Vec<(usize, CompileError)>,
    /// Whether it checks accesses itself.
    pub(crate) is_checked: bool,
}

impl Compiled {
    /// Compiles the programs of a machine, each of which has been verified; `maps` are the maps of the machine
    /// by their number in what was verified. Helpers must do as their prototypes say.
    ///
    /// # Errors
    /// [`Refused`] with the first reason that is found.
    pub fn new<S>(
        machine: &Machine<S>,
        verified: &[Verified<'_>],
        maps: &[usize],
        ctx: CtxShape,
        options: CodeOptions,
    ) -> Result<Self, Refused> {
        let host = Processor::host().ok_or(Refused::Host)?;
        let Parts {
            codes,
            frames,
            most_frames,
            bridged,
            probes,
            fast_maps,
            is_metered,
            not_optimised,
        } = compile(machine, verified, maps, ctx, options, host)?;
        let mut progs = Vec::with_capacity(codes.len());
        for code in codes {
            progs.push(Entered::new(code)?);
        }
        let mains = progs.iter().zip(&frames).map(|(prog, frames)| main_of(prog, frames)).collect();
        let mut this = Self {
            progs,
            frames,
            most_frames,
            mains,
            first: None,
            bridged,
            probes,
            fast_maps,
            machine: machine.id(),
            ctx,
            cpus: fewest_cpus(machine.maps(), verified),
            is_metered,
            not_optimised,
            is_checked: false,
        };
        this.first = this.find_first();
        Ok(this)
    }

    /// The code for a processor of whatever kind, to be read: the same as [`Compiled::new`] makes there, but
    /// with addresses of this process; and why it is not optimised, if it was to be.
    ///
    /// # Errors
    /// As [`Compiled::new`].
    pub fn list<S>(
        machine: &Machine<S>,
        verified: &[Verified<'_>],
        maps: &[usize],
        ctx: CtxShape,
        options: CodeOptions,
        processor: Processor,
    ) -> Result<Vec<(Code, Option<CompileError>)>, Refused> {
        let parts = compile(machine, verified, maps, ctx, options, processor)?;
        let mut whys: BTreeMap<_, _> = parts.not_optimised.into_iter().collect();
        let codes = parts.codes.into_iter().enumerate();
        Ok(codes.map(|(prog, code)| (code, whys.remove(&prog))).collect())
    }

    /// One without programs, for tests of what calls come to.
    #[cfg(test)]
    pub(crate) fn of_calls(bridged: Vec<Bridged>) -> Self {
        let (progs, frames, fast_maps) = (Vec::new(), Vec::new(), Box::default());
        let mains = Vec::new();
        let (ctx, not_optimised) = (CtxShape::default(), Vec::new());
        Self {
            progs,
            frames,
            most_frames: MAX_FRAMES,
            mains,
            first: None,
            bridged,
            probes: Probes::default(),
            fast_maps,
            machine: 0,
            ctx,
            cpus: u32::MAX,
            is_metered: false,
            not_optimised,
            is_checked: false,
        }
    }

    /// Frames that a function of a program needs.
    pub(crate) fn frames(&self, at: CodePlace) -> Option<u32> {
        self.frames.get(at.prog)?.get(&at.pc).copied()
    }

    /// Addresses for tail calls, by the number of the program.
    pub(crate) fn mains(&self) -> &[u64] {
        &self.mains
    }

    /// Functions that are active at least at a place of code that checks.
    pub(crate) fn least_depth(&self, at: CodePlace) -> u32 {
        let function = self.frames.get(at.prog).and_then(|all| all.range(..=at.pc).next_back());
        function.map_or(1, |(_, &depth)| depth)
    }

    /// The functions of a program, by their first instruction.
    pub(crate) fn frames_of(&self, prog: usize) -> Option<&BTreeMap<Pc, u32>> {
        self.frames.get(prog)
    }

    /// Programs that were to be optimised and are the first tier's, by their number, and why.
    pub fn not_optimised(&self) -> impl Iterator<Item = (usize, &CompileError)> {
        self.not_optimised.iter().map(|(prog, why)| (*prog, why))
    }

    /// Whether runs count instructions.
    #[must_use]
    pub const fn is_metered(&self) -> bool {
        self.is_metered
    }

    /// The code of each program, in the machine's order.
    pub fn code(&self) -> impl Iterator<Item = &Code> {
        self.progs.iter().map(Entered::code)
    }
}

/// CPUs that all arrays have values for, and that all programs may be told the numbers of.
fn fewest_cpus(maps: &[Map], verified: &[Verified<'_>]) -> u32 {
    let arrays = maps.iter().filter_map(|map| match map {
        Map::KeyValue(map) => cpus_of(map.as_ref()).filter(|&cpus| cpus > 0),
        _ => None,
    });
    arrays.chain(verified.iter().map(Verified::cpus)).min().unwrap_or(u32::MAX)
}

/// Where a tail call goes that has the whole stack, or 0.
fn main_of(prog: &Entered, frames: &BTreeMap<Pc, u32>) -> u64 {
    let main = prog.code().position(Pc(0)).and_then(|at| prog.address(at));
    let fits = frames.get(&Pc(0)).is_some_and(|&frames| frames <= MAX_FRAMES);
    main.filter(|_| fits).map_or(0, |main| main.as_ptr().expose_provenance() as u64)
}

/// What compilation gives for a machine.
struct Parts {
    codes: Vec<Code>,
    frames: Vec<BTreeMap<Pc, u32>>,
    most_frames: u32,
    bridged: Vec<Bridged>,
    probes: Probes,
    fast_maps: Box<FastMaps>,
    is_metered: bool,
    not_optimised: Vec<(usize, CompileError)>,
}

fn compile<S>(
    machine: &Machine<S>,
    verified: &[Verified<'_>],
    maps: &[usize],
    ctx: CtxShape,
    options: CodeOptions,
    processor: Processor,
) -> Result<Parts, Refused> {
    check_maps(machine.maps())?;
    check_same(machine, verified, maps)?;
    let uses: Vec<_> = verified.iter().map(|verified| Uses::of(&verified.prog().insns)).collect();
    let has_tail_calls = uses.iter().any(|uses| uses.tail_calls);
    let has_nested_turns = uses.iter().any(|uses| uses.has_nested_turns(has_tail_calls));
    let is_metered = options.metered || has_nested_turns;
    let (mut bridged, mut probes) = (Vec::new(), Probes::default());
    let (mut codes, mut frames) =
        (Vec::with_capacity(verified.len()), Vec::with_capacity(verified.len()));
    let mut not_optimised = Vec::new();
    let fast_maps = FastMaps::new(machine.maps(), machine.cpus());
    for (prog, (verified, uses)) in verified.iter().zip(&uses).enumerate() {
        if uses.atomics {
            check_atomics(verified)?;
        }
        let needed = needed(&verified.prog().insns, uses).ok_or(Refused::Other { prog })?;
        let outside = Outside::new(
            machine,
            prog,
            verified,
            maps,
            uses,
            ctx.pointers,
            ctx.halves,
            has_tail_calls,
            CodeOptions { metered: is_metered, ..options },
            &needed,
            &fast_maps,
            &mut bridged,
            &mut probes,
        );
        let lowered = without_dead_code(verified);
        let best = options.optimised.then(|| processor.compile_best(&lowered, &outside));
        let code = match best {
            Some(Ok(code)) => Ok(code),
            Some(Err(why)) => {
                not_optimised.push((prog, why));
                processor.compile(&lowered, &outside)
            }
            None => processor.compile(&lowered, &outside),
        };
        let name = || verified.prog().name.clone();
        codes.push(code.map_err(|source| Refused::Compile { prog: name(), source })?);
        frames.push(needed);
    }
    // Each program has them in its main function, if nothing is called below any other.
    let piles_up = has_tail_calls || uses.iter().any(|uses| uses.callbacks);
    let most = frames.iter().filter_map(|frames| frames.get(&Pc(0)).copied()).max();
    let most_frames = most.filter(|_| !piles_up).unwrap_or(MAX_FRAMES);
    Ok(Parts { codes, frames, most_frames, bridged, probes, fast_maps, is_metered, not_optimised })
}

/// What is written atomically is plain memory.
fn check_atomics(verified: &Verified<'_>) -> Result<(), Refused> {
    let prog = verified.prog();
    let writes = |insn: &Insn| matches!(insn, Insn::Atomic { .. } | Insn::StoreRelease { .. });
    let mut found = prog.insns.iter().filter(|(_, insn)| writes(insn));
    match found.find(|&(pc, _)| verified.through(pc).is_some()) {
        None => Ok(()),
        Some((pc, _)) => {
            let what = "an atomic operation on what is no plain memory";
            let source = CompileError::Unsupported { pc, what };
            Err(Refused::Compile { prog: prog.name.clone(), source })
        }
    }
}

fn check_maps(maps: &[Map]) -> Result<(), Refused> {
    for map in maps {
        let name = || map.def().name.to_string();
        match map {
            Map::KeyValue(map) if !map.fields().opaque.is_empty() => {
                return Err(Refused::Objects { map: name() });
            }
            Map::Storage(_) | Map::Attached(_) | Map::UserRing(_) => {
                return Err(Refused::Objects { map: name() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// What was verified must be what runs. Numbers of maps may differ, as those of the machine are its own.
fn check_same<S>(
    machine: &Machine<S>,
    all: &[Verified<'_>],
    maps: &[usize],
) -> Result<(), Refused> {
    if machine.progs() != all.len() {
        return Err(Refused::Other { prog: all.len().min(machine.progs()) });
    }
    let kind = |verified: &Verified<'_>| (verified.prog().prog_type, verified.prog().attach_type);
    for (prog, verified) in all.iter().enumerate() {
        let other = Refused::Other { prog };
        let Some(loaded) = machine.prog(prog) else { return Err(other) };
        let is_known = |(map, &index): (&Map, &usize)| verified.is_map(index, map.def());
        if machine.maps().len() != maps.len() || !machine.maps().iter().zip(maps).all(is_known) {
            return Err(other);
        }
        // The kernel lets no program into a prog array that has one of another type.
        if Some(kind(verified)) != all.first().map(kind) {
            return Err(Refused::Mixed { prog: loaded.name.clone() });
        }
        if machine.has_exceptions(prog) {
            return Err(Refused::Exceptions { prog: loaded.name.clone() });
        }
        let (ours, theirs) = (&loaded.insns, &verified.prog().insns);
        // Most machines number no maps anew.
        let is_equal = maps.iter().enumerate().all(|(at, &map)| at == map)
            && (ptr::eq(ours, theirs) || ours == theirs);
        if !is_equal
            && (ours.len() != theirs.len()
                || !ours.iter().zip(theirs.iter()).all(|(a, b)| is_same(a, b, maps)))
        {
            return Err(other);
        }
    }
    Ok(())
}

/// Whether an instruction of the machine is the one that was verified.
fn is_same((at, ours): (Pc, Insn), (was_at, verified): (Pc, Insn), maps: &[usize]) -> bool {
    let number = |idx: i32| usize::try_from(idx).ok().and_then(|idx| maps.get(idx).copied());
    let is_number = |ours: i32, verified: i32| number(ours) == usize::try_from(verified).ok();
    let same = match (ours, verified) {
        (
            Insn::LoadImm { dst: to, imm: ImmSrc::MapIdx(idx) },
            Insn::LoadImm { dst, imm: ImmSrc::MapIdx(was) },
        ) => to == dst && is_number(idx, was),
        (
            Insn::LoadImm { dst: to, imm: ImmSrc::MapIdxValue { idx, at } },
            Insn::LoadImm { dst, imm: ImmSrc::MapIdxValue { idx: was, at: was_at } },
        ) => to == dst && at == was_at && is_number(idx, was),
        (ours, verified) => ours == verified,
    };
    same && at == was_at
}

impl<S> Native<S> for Compiled {
    fn call(&self, cx: &mut Cx<'_, S>, at: CodePlace, args: [u64; 5]) -> Result<u64, Box<Fault>> {
        if self.is_checked {
            return checked::run(self, cx, at, args);
        }
        activation::run(self, cx, at, args)
    }

    fn is_metered(&self) -> bool {
        self.is_metered
    }

    fn frames(&self) -> u32 {
        self.most_frames
    }

    fn is_checked(&self) -> bool {
        self.is_checked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use skep_abi::{MapType, ProgType, Release};
    use skep_prog::{DataKind, Image, Initial, MapDef, Prog};
    use skep_verifier::{Env, Kernel, Verdict, verify};
    use skep_vm::Helpers;

    /// A program that goes by a constant, verified with one and loaded with another.
    fn compiled(verified_with: u32, loaded_with: u32) -> Result<Compiled, Refused> {
        let def = |constant: u32| {
            let mut def = MapDef::new(".rodata", MapType::Array, 4, 4, 1);
            def.data = Some(DataKind::Rodata);
            def.initial = Initial::Value(constant.to_le_bytes().into());
            def
        };
        let (r0, r1) = (skep_isa::Reg::R0, skep_isa::Reg::R1);
        let insns = [
            Insn::LoadImm { dst: r1, imm: ImmSrc::MapIdxValue { idx: 0, at: 0 } },
            Insn::Load { size: skep_isa::Size::W, dst: r0, base: r1, off: 0 },
            Insn::Exit,
        ];
        let prog = Prog::new("goes", ProgType::Xdp, insns.into_iter().collect());
        let mut image = Image::default();
        image.maps.push(def(verified_with));
        let env = Env::new(&image, Kernel::new(Release { major: 6, minor: 18 }));
        let Verdict::Accepted(verified) = verify(&prog, &env) else { panic!("refused") };
        let maps = vec![Map::new(&def(loaded_with), 1).unwrap()];
        let mut machine = Machine::new(Helpers::<()>::default(), maps);
        machine.load(&prog).unwrap();
        let options = CodeOptions::default();
        Compiled::new(&machine, &[verified], &[0], CtxShape::default(), options)
    }

    #[test]
    fn constants_are_those_that_were_verified() {
        if Processor::host().is_some() {
            assert!(compiled(1, 1).is_ok());
            assert!(matches!(compiled(1, 2), Err(Refused::Other { prog: 0 })));
        }
    }
}
