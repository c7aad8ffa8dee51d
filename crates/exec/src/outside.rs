//! What the compiler is told of a machine and of a verified program.

use crate::activation;
use crate::allowed::{gives_bytes, is_allowed};
use crate::compiled::CodeOptions;
use crate::fast_map::{self, FastMaps};
use crate::fast_text;
use crate::frames::may_pile_up;
use crate::uses::Uses;
use skep_abi::MapType;
use skep_isa::{Call, ImmSrc, Insn, Pc};
use skep_jit::{
    Access, ArrayLookup, CallbackLoop, Callee, PROBES, Probe, ProgSlots, Style, Surroundings,
};
use skep_map::{KeyValue, Map, ProgArray};
use skep_verifier::{Symbol, Verified};
use skep_vm::{CodePlace, Machine};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A call that goes through the bridge.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bridged {
    /// The call.
    pub(crate) at: CodePlace,
    /// The helper, by its number among those of the program.
    pub(crate) helper: u32,
    /// Whether it is the next turn of an iterator.
    pub(crate) is_turn: bool,
    /// Whether code copies itself what the call is to copy, where it has found it.
    pub(crate) is_probe: bool,
}

/// Whether code copies itself what a call is to copy, and how many bytes, which the call gets as r2.
pub(crate) fn probe(call: Call, size: Option<u32>) -> Option<u32> {
    let is_probe = matches!(call, PROBE_READ | PROBE_READ_USER | PROBE_READ_KERNEL);
    size.filter(|&bytes| is_probe && Probe::is_short(bytes))
}

/// Accesses and calls of all programs that have a check, by program and instruction.
#[derive(Debug, Default)]
pub(crate) struct Probes(BTreeMap<(usize, Pc), Checked>);

/// What the check of one is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    /// Its number.
    pub(crate) check: usize,
    /// Bytes that it is for.
    pub(crate) bytes: u32,
}

impl Probes {
    /// The number for an instruction, while there are any left.
    fn number(&mut self, prog: usize, pc: Pc, bytes: u32) -> Option<u32> {
        let check = self.0.len();
        let probe = match self.0.entry((prog, pc)) {
            Entry::Occupied(probe) => *probe.get(),
            Entry::Vacant(_) if check == PROBES => return None,
            Entry::Vacant(slot) => *slot.insert(Checked { check, bytes }),
        };
        u32::try_from(probe.check).ok()
    }

    /// That of an instruction.
    pub(crate) fn get(&self, at: CodePlace) -> Option<Checked> {
        self.0.get(&(at.prog, at.pc)).copied()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The surroundings of one program.
pub(crate) struct Outside<'a, S> {
    machine: &'a Machine<S>,
    prog: usize,
    verified: &'a Verified<'a>,
    /// Positions of 32-bit pointers in the context, and of 64-bit ones before it.
    pointers: &'a [(u32, i32)],
    /// Whether stores to some fields of the context are no plain ones.
    halves: bool,
    has_tail_calls: bool,
    keeps_frames: bool,
    style: Style,
    /// The maps of the machine by their number in what was verified.
    maps: &'a [usize],
    /// Frames that each function of the program needs.
    frames: &'a BTreeMap<Pc, u32>,
    fast_maps: &'a FastMaps,
    bridged: RefCell<&'a mut Vec<Bridged>>,
    probes: RefCell<&'a mut Probes>,
}

impl<'a, S> Outside<'a, S> {
    #[expect(clippy::too_many_arguments, reason = "one for each field")]
    pub(crate) fn new(
        machine: &'a Machine<S>,
        prog: usize,
        verified: &'a Verified<'a>,
        maps: &'a [usize],
        uses: &Uses,
        pointers: &'a [(u32, i32)],
        halves: bool,
        has_tail_calls: bool,
        options: CodeOptions,
        frames: &'a BTreeMap<Pc, u32>,
        fast_maps: &'a FastMaps,
        bridged: &'a mut Vec<Bridged>,
        probes: &'a mut Probes,
    ) -> Self {
        let (bridged, probes) = (RefCell::new(bridged), RefCell::new(probes));
        let keeps_frames = has_tail_calls || uses.callbacks && may_pile_up(&verified.prog().insns);
        Self {
            machine,
            prog,
            verified,
            pointers,
            halves,
            has_tail_calls,
            keeps_frames,
            style: options.style(),
            maps,
            frames,
            fast_maps,
            bridged,
            probes,
        }
    }

    /// The map that a call gets, by its index in the machine.
    fn passed_map(&self, pc: Pc) -> Option<usize> {
        let map = self.verified.passed_map(pc)?;
        let mut same = self.maps.iter().enumerate().filter(|&(_, &of)| of == map);
        let (index, _) = same.next()?;
        same.next().is_none().then_some(index)
    }

    /// The function that does a call, if that may be a direct one, and what it is to get.
    fn map_function(&self, pc: Pc, call: Call) -> Option<Callee> {
        let function = fast_map::function(call)?;
        if let Some(map) = self.passed_map(pc).and_then(|map| self.fast_maps.get(map)) {
            return Some(Callee::WithContext { function, context: map.context() });
        }
        let function = fast_map::function_of_any(call)?;
        let passed: Vec<_> = self.verified.passed_maps(pc).collect();
        let mut may_be = self.maps.iter().enumerate().filter(|(_, of)| passed.contains(of));
        let all =
            !passed.is_empty() && may_be.all(|(index, _)| self.fast_maps.get(index).is_some());
        all.then_some(Callee::WithContext { function, context: self.fast_maps.context() })
    }

    /// The array of programs that a tail call gets.
    fn progs(&self, pc: Pc) -> Option<ProgSlots> {
        let Map::Progs(progs) = self.machine.maps().get(self.passed_map(pc)?)? else { return None };
        let base = progs.words().as_ptr().as_ptr().expose_provenance() as u64;
        let len = progs.def().max_entries;
        // Code reads the words as they are.
        const { assert!(ProgSlots::SET == ProgArray::SET) };
        (progs.words().len() / 8 >= len as usize).then_some(ProgSlots { base, len })
    }

    fn array(&self, pc: Pc) -> Option<ArrayLookup> {
        let Map::KeyValue(map) = self.machine.maps().get(self.passed_map(pc)?)? else {
            return None;
        };
        let (values, len) = (map.values(), map.def().max_entries);
        let cpus = cpus_of(map.as_ref())?;
        let number = |number: usize| i32::try_from(number).ok()?.try_into().ok();
        let stride: u32 = number(values.stride())?;
        let of_cpu = number(values.stride().checked_mul(len as usize)?);
        let cpu_stride = if cpus == u32::MAX { 0 } else { of_cpu? };
        let base = values.as_ptr().as_ptr().expose_provenance() as u64;
        // Access through the map's flags is the verifier's business.
        (cpus > 0 && i32::try_from(len).is_ok()).then_some(ArrayLookup {
            base,
            stride,
            len,
            cpu_stride,
        })
    }
}

/// CPUs that an array has values for: any number where they are the same for all. Nothing for other maps.
pub(crate) fn cpus_of(map: &dyn KeyValue) -> Option<u32> {
    let (values, len) = (map.values(), map.def().max_entries as usize);
    let copies = values.len().checked_div(values.stride())?.checked_div(len)?;
    match map.def().map_type {
        MapType::Array | MapType::PercpuArray if copies == 1 => Some(u32::MAX),
        MapType::PercpuArray => u32::try_from(copies).ok(),
        _ => None,
    }
}

/// `bpf_probe_read`, in the kernel without a way to tell addresses of its own from others.
const PROBE_READ: Call = Call::Helper(4);
const PROBE_READ_USER: Call = Call::Helper(112);
const PROBE_READ_KERNEL: Call = Call::Helper(113);
/// `bpf_get_smp_processor_id`.
const CPU: Call = Call::Helper(8);
/// `bpf_map_lookup_elem`.
const LOOKUP: Call = Call::Helper(1);
/// `bpf_strncmp`.
const STRNCMP: Call = Call::Helper(182);
/// `bpf_loop`.
const LOOP: Call = Call::Helper(181);
/// `bpf_for_each_map_elem`.
const FOR_EACH: Call = Call::Helper(164);
/// `bpf_tail_call`.
pub(crate) const TAIL_CALL: Call = Call::Helper(12);

impl<S> Surroundings for Outside<'_, S> {
    fn imm(&self, pc: Pc, imm: ImmSrc) -> Result<u64, &'static str> {
        let at = CodePlace { prog: self.prog, pc };
        let constant = self.machine.constant(at).ok_or("a constant that has no address here")?;
        match (imm, self.verified.symbol(pc), constant) {
            // What was verified holds for what is there as well.
            (ImmSrc::BtfId { .. }, Some(Symbol::Absent), 0) => Ok(0),
            (ImmSrc::BtfId { .. }, Some(Symbol::Func), 1..) => Ok(constant),
            (ImmSrc::BtfId { .. }, ..) => Err("a symbol of the kernel that is another here"),
            _ => Ok(constant),
        }
    }

    fn call(&self, pc: Pc, call: Call) -> Result<Callee, &'static str> {
        let at = CodePlace { prog: self.prog, pc };
        let (helper, name) = self.machine.helper_at(at).ok_or("a call that is not there")?;
        if !is_allowed(name) {
            return Err("a call of what machine code does not serve");
        }
        if self.verified.gives_bytes(pc) > gives_bytes(name) {
            return Err("a kernel function that gives memory by the types alone");
        }
        if call == LOOKUP
            && let Some(array) = self.array(pc)
        {
            return Ok(Callee::Array(array));
        }
        if call == CPU {
            return Ok(Callee::Cpu);
        }
        if let Some(callee) = self.map_function(pc, call) {
            return Ok(callee);
        }
        let size = self.verified.passed_size(pc);
        if call == STRNCMP && size.is_some_and(fast_text::is_short) {
            return Ok(Callee::Function(fast_text::strncmp as *const () as u64));
        }
        let mut bridged = self.bridged.borrow_mut();
        let is_turn = name.starts_with("bpf_iter_") && name.ends_with("_next");
        let bytes = probe(call, size);
        let check = bytes.and_then(|bytes| {
            self.probes.borrow_mut().number(self.prog, pc, bytes).map(|check| (bytes, check))
        });
        bridged.push(Bridged { at, helper, is_turn, is_probe: check.is_some() });
        let id = u32::try_from(bridged.len() - 1).map_err(|_| "too many calls")?;
        if self.machine.gives_number(at) {
            let function = activation::number::<S> as *const () as u64;
            return Ok(Callee::WithContext { function, context: id.into() });
        }
        if let Some((bytes, check)) = check {
            return Ok(Callee::Probe(Probe { id, bytes, check }));
        }
        if call == TAIL_CALL {
            return Ok(Callee::TailCall { id, array: self.progs(pc) });
        }
        if matches!(call, LOOP | FOR_EACH)
            && let Some(start) = self.verified.passed_callback(pc)
            && let Some(&frames) = self.frames.get(&start)
        {
            let calls = CallbackLoop { id, start, frames };
            return Ok(match self.array(pc) {
                _ if call == LOOP => Callee::Loop(calls),
                Some(array) => Callee::Each(calls, array),
                None => Callee::Bridge(id),
            });
        }
        Ok(Callee::Bridge(id))
    }

    fn access(&self, pc: Pc) -> Access {
        use skep_verifier::Through;
        match self.verified.through(pc) {
            None => Access::Plain,
            Some(Through::Kernel) => match self.verified.prog().insns.get(pc) {
                Some(Insn::Load { size, .. } | Insn::LoadSx { size, .. }) => {
                    let mut probes = self.probes.borrow_mut();
                    let check = probes.number(self.prog, pc, size.bytes().into());
                    check.map_or(Access::Bridged, |check| Access::Probed { check })
                }
                Some(Insn::LoadAcquire { .. }) => Access::Bridged,
                _ => Access::Refused,
            },
            // What programs have for one is a number.
            Some(Through::Map) => Access::Refused,
            Some(Through::Arena) => match self.verified.prog().insns.get(pc) {
                Some(
                    Insn::Load { .. }
                    | Insn::LoadSx { .. }
                    | Insn::LoadAcquire { .. }
                    | Insn::Store { .. },
                ) => Access::Arena,
                _ => Access::Refused,
            },
            Some(Through::Ctx) => match self.verified.prog().insns.get(pc) {
                Some(&Insn::Load { off, .. }) => {
                    let field = |&&(at, _): &&(u32, i32)| i64::from(at) == i64::from(off);
                    let slot = self.pointers.iter().find(field);
                    slot.map_or(Access::Plain, |&(_, off)| Access::Pointer { off })
                }
                Some(Insn::Store { .. }) if self.halves => Access::Bridged,
                Some(Insn::LoadSx { .. } | Insn::Store { .. }) => Access::Plain,
                _ => Access::Refused,
            },
        }
    }

    fn has_tail_calls(&self) -> bool {
        self.has_tail_calls
    }

    fn keeps_frames(&self) -> bool {
        self.keeps_frames
    }

    fn arena(&self, pc: Pc) -> Result<u64, &'static str> {
        let at = CodePlace { prog: self.prog, pc };
        self.machine.arena_at(at).ok_or("a cast in a program without an arena")
    }

    fn number(&self) -> u32 {
        u32::try_from(self.prog).unwrap_or(u32::MAX)
    }

    fn style(&self) -> Style {
        self.style
    }

    fn zeroes_stack(&self) -> bool {
        self.verified.reads_old_stack()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compiled, CtxShape, Processor};
    use skep_abi::{ProgType, Release};
    use skep_prog::{Image, MapDef, Prog};
    use skep_verifier::{Env, Kernel, Verdict, verify};
    use skep_vm::{Cx, Helpers, Stop};

    /// Whether any call of a program goes through the bridge with nothing done in code, in each tier.
    fn bridged(text: &str) -> [bool; 2] {
        let mut image = Image { license: "GPL".into(), ..Image::default() };
        image.maps.push(MapDef::new("words", MapType::Array, 4, 8, 4));
        image.maps.push(MapDef::new("sums", MapType::Hash, 4, 8, 4));
        let mut outer = MapDef::new("outer", MapType::ArrayOfMaps, 4, 4, 1);
        outer.inner = Some(Box::new(MapDef::new("inner", MapType::Array, 4, 8, 4)));
        image.maps.push(outer);
        let prog = Prog::new("calls", ProgType::SchedCls, skep_asm::assemble(text).unwrap());
        let env = Env::new(&image, Kernel::new(Release { major: 6, minor: 18 }));
        let Verdict::Accepted(verified) = verify(&prog, &env) else { panic!("refused") };
        let verified = [verified];
        // The machine has two the other way round.
        let order = [1, 0, 2];
        let maps = order.map(|map: usize| Map::new(&image.maps[map], 1).unwrap());
        let nothing = |_: &mut Cx<'_, ()>| Ok::<_, Stop>(0_u64);
        let helpers = [(1, "bpf_map_lookup_elem"), (113, "bpf_probe_read_kernel")]
            .into_iter()
            .fold(Helpers::default(), |helpers, (id, name)| helpers.with(id, name, nothing));
        let mut machine = Machine::new(helpers, maps.into());
        let mut loaded = prog.clone();
        let turned = |insn| match insn {
            Insn::LoadImm { dst, imm: ImmSrc::MapIdx(idx) } => {
                let idx = if idx < 2 { 1 - idx } else { idx };
                Insn::LoadImm { dst, imm: ImmSrc::MapIdx(idx) }
            }
            insn => insn,
        };
        loaded.insns = prog.insns.iter().map(|(_, insn)| turned(insn)).collect();
        machine.load(&loaded).unwrap();
        [false, true].map(|optimised| {
            let options = CodeOptions { optimised, ..CodeOptions::default() };
            let compiled =
                Compiled::new(&machine, &verified, &order, CtxShape::default(), options).unwrap();
            assert!(compiled.not_optimised().next().is_none());
            compiled.bridged.iter().any(|call| !call.is_probe)
        })
    }

    #[test]
    fn calls_are_direct_however_their_maps_and_sizes_come() {
        if Processor::host().is_none() {
            return;
        }
        let key = "r6 = *(u32 *)(r1 + 0)\n*(u32 *)(r10 - 4) = 0\nr2 = r10\nr2 += -4\n";
        for map in [0, 1] {
            let by_register = format!("{key}r7 = map[idx:{map}]\nr1 = r7\ncall 1\nr0 = 0\nexit");
            assert_eq!(bridged(&by_register), [false, false], "{by_register}");
            let before_label = format!(
                "{key}r1 = map[idx:{map}]\nif r6 == 5 goto q\nr6 = 1\nq: call 1\nr0 = 0\nexit"
            );
            assert_eq!(bridged(&before_label), [false, false], "{before_label}");
            let by_call =
                format!("{key}r1 = map[idx:{map}]\ncall f\nr0 = 0\nexit\nf:\ncall 1\nexit");
            assert_eq!(bridged(&by_call), [false, false], "{by_call}");
            let of_maps = format!(
                "{key}r1 = map[idx:2]\ncall 1\nif r0 == 0 goto p\nr1 = r0\n\
                 if r6 == 5 goto q\nr1 = map[idx:{map}]\nq: r2 = r10\nr2 += -4\ncall 1\n\
                 p: r0 = 0\nexit"
            );
            assert_eq!(bridged(&of_maps), [true, true], "{of_maps}");
            let either = format!(
                "{key}r1 = map[idx:{map}]\nif r6 == 5 goto q\nr1 = map[idx:{}]\n\
                 q: call 1\nr0 = 0\nexit",
                1 - map
            );
            assert_eq!(bridged(&either), [false, false], "{either}");
        }
        let read = "r7 = 8\n*(u64 *)(r10 - 16) = r7\nr2 = r7\nr1 = r10\nr1 += -8\nr3 = r10\n\
                    r3 += -16\ncall 113\nr0 = 0\nexit";
        assert_eq!(bridged(read), [false, false]);
    }
}
