//! Programs loaded together, and a run of one of them.

use crate::builtin::{self, Env, Expired};
use crate::code::{Code, Held};
use crate::cx::{Cx, Meter};
use crate::fault::Fault;
use crate::helper::Helpers;
use crate::interp::run;
use crate::memory::{
    Bytes, FRAME_SIZE, HalfField, Heap, HostRanges, MAX_FRAMES, MapRegion, Memory, PacketBuf,
    TemporaryStorage, cells, host_ranges,
};
use crate::observe::{Observer, Watch};
use crate::translate::{LoadError, translate};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::hint::cold_path;
use core::sync::atomic::{AtomicU64, Ordering};
use skep_isa::Pc;
use skep_map::{Cpu, Map};
use skep_prog::{Image, Prog};

/// What a run may use up.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Instructions; those of callbacks and tail-called programs count, and helpers that copy more
    /// than 4096 bytes count one for each 64.
    pub insns: u64,
    /// When to stop, on the clock of [`Machine::with_clock`], in nanoseconds.
    pub deadline: Option<u64>,
    /// How long the run may take from the first look at that clock on, in nanoseconds; that is after 65,536
    /// instructions, so that short runs need not ask for the time at all.
    pub time: Option<u64>,
}

impl Default for Limits {
    /// 2³² instructions, no deadline.
    fn default() -> Self {
        Self { insns: 1 << 32, deadline: None, time: None }
    }
}

/// Programs that share maps and helpers, ready to run. `S` is what helpers get to see of the
/// embedder.
pub struct Machine<S> {
    pub(crate) codes: Vec<Code<S>>,
    pub(crate) maps: Vec<Map>,
    pub(crate) helpers: Arc<Helpers<S>>,
    pub(crate) clock: fn() -> u64,
    /// Where the values of maps are.
    pub(crate) ranges: HostRanges,
    /// What programs see of them.
    regions: Vec<MapRegion>,
    pub(crate) id: u64,
    cpus: u32,
}

impl<S> Machine<S> {
    /// A machine of one CPU, without programs. `maps` are those that programs name by index. Machines may share
    /// their helpers.
    #[must_use]
    pub fn new(helpers: impl Into<Arc<Helpers<S>>>, maps: Vec<Map>) -> Self {
        static IDS: AtomicU64 = AtomicU64::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let ranges = host_ranges(&maps);
        let regions = maps.iter().map(MapRegion::new).collect();
        let (codes, helpers) = (Vec::new(), helpers.into());
        Self { codes, maps, helpers, clock: || 0, ranges, regions, id, cpus: 1 }
    }

    /// The number of CPUs that the maps were made for.
    #[must_use]
    pub fn with_cpus(mut self, cpus: u32) -> Self {
        self.cpus = cpus;
        self
    }

    /// The number of CPUs.
    #[must_use]
    pub const fn cpus(&self) -> u32 {
        self.cpus
    }

    /// The clock of deadlines: nanoseconds that only grow. Without one, deadlines never pass.
    #[must_use]
    pub fn with_clock(mut self, clock: fn() -> u64) -> Self {
        self.clock = clock;
        self
    }

    /// Adds a program and returns its index, by which it is run and tail-called.
    ///
    /// # Errors
    /// [`LoadError`] if control could leave the program, or if it names a map or helper that is not
    /// there.
    pub fn load(&mut self, prog: &Prog) -> Result<usize, LoadError>
    where
        S: 'static,
    {
        self.hold(Held::Own(prog.clone()))
    }

    /// Adds a program of an image, which is shared, and otherwise does the same.
    ///
    /// # Errors
    /// [`LoadError`], as [`Machine::load`].
    ///
    /// # Panics
    /// If the image has no such program.
    pub fn load_shared(&mut self, image: &Arc<Image>, prog: usize) -> Result<usize, LoadError>
    where
        S: 'static,
    {
        self.hold(Held::Of(Arc::clone(image), prog))
    }

    fn hold(&mut self, prog: Held) -> Result<usize, LoadError>
    where
        S: 'static,
    {
        let code = translate(prog, self.codes.len(), &self.helpers, &self.maps)?;
        if self.codes.is_empty() {
            // Most machines have one program.
            self.codes.reserve_exact(1);
        }
        self.codes.push(code);
        Ok(self.codes.len() - 1)
    }

    /// Names the function of a loaded program that gets what `bpf_throw` throws, by its first
    /// instruction; its result is the program's. Whether there is such an instruction. Without, what is
    /// thrown is the result.
    pub fn set_exception_callback(&mut self, prog: usize, pc: Pc) -> bool {
        let Some(code) = self.codes.get_mut(prog) else { return false };
        code.exception = code.places.op(pc);
        code.exception.is_some()
    }

    /// Names loads of a program that follow pointers to objects of the kernel, by their slots: they read zero where
    /// nothing is. Kernel: `ex_handler_bpf`.
    pub fn set_probes(&mut self, prog: usize, probes: impl Iterator<Item = Pc>) {
        if let Some(code) = self.codes.get_mut(prog) {
            code.probes = probes.collect();
            code.probes.sort_unstable();
        }
    }

    /// The maps.
    #[must_use]
    pub fn maps(&self) -> &[Map] {
        &self.maps
    }
}

/// What a run sees and may use up; memory is lent for the run.
#[derive(Default)]
pub struct Input<'m> {
    /// Initial r1 to r5.
    pub args: [u64; 5],
    /// The context, at [`address`](crate::address)`(CTX, 0)`.
    pub ctx: &'m [Cell<u8>],
    /// Whether the program may write the context.
    pub ctx_writable: bool,
    /// Fields of a writable context that are not plain memory.
    pub ctx_halves: &'static [HalfField],
    /// The embedder's memory, at [`address`](crate::address)`(MEM, 0)`.
    pub mem: &'m [Cell<u8>],
    /// The packet, from [`PACKET_BASE`](crate::PACKET_BASE); an empty one, if there is none. Helpers may exchange it.
    pub packet: Option<&'m mut PacketBuf>,
    /// The CPU whose per-CPU values the program sees.
    pub cpu: u32,
    /// When to give up.
    pub limits: Limits,
}

/// What a run leaves.
#[derive(Debug)]
pub struct Output {
    /// r0, or why there is none.
    pub result: Result<u64, Box<Fault>>,
    /// Instructions executed.
    pub insns: u64,
}

/// One thread's scratch memory, and the objects that its programs make. Runs follow each other in it
/// without allocation.
#[derive(Default)]
pub struct Vm {
    /// The end of the stack, as far as a run has needed it.
    stack: Box<[u8]>,
    temporary: TemporaryStorage,
    /// Objects that programs have made.
    heap: Heap,
    /// The packet of runs without one.
    no_packet: PacketBuf,
}

impl Vm {
    /// Nothing yet: the first run makes its stack.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a program of the machine to its end.
    ///
    /// # Panics
    /// If the machine has no program `prog`.
    pub fn run<S>(
        &mut self,
        machine: &Machine<S>,
        prog: usize,
        state: &mut S,
        input: Input<'_>,
    ) -> Output {
        let args = input.args;
        self.enter(machine, state, input, MAX_FRAMES, None, |cx| {
            let machine = cx.machine;
            run::<S, false>(cx, &machine.codes[prog], args)
        })
    }

    /// The same, once what the program is to find in its context has been made within the run's memory.
    ///
    /// # Panics
    /// If the machine has no program `prog`.
    pub fn run_prepared<S>(
        &mut self,
        machine: &Machine<S>,
        prog: usize,
        state: &mut S,
        input: Input<'_>,
        prepare: impl FnOnce(&mut Cx<'_, S>),
    ) -> Output {
        let args = input.args;
        self.enter(machine, state, input, MAX_FRAMES, None, |cx| {
            prepare(cx);
            let machine = cx.machine;
            run::<S, false>(cx, &machine.codes[prog], args)
        })
    }

    /// The same under an observer, who is told of each instruction before it runs. This is slower by
    /// far; results and counts are the same.
    ///
    /// # Panics
    /// If the machine has no program `prog`.
    pub fn run_observed<S>(
        &mut self,
        machine: &Machine<S>,
        prog: usize,
        state: &mut S,
        input: Input<'_>,
        observer: &mut dyn Observer,
    ) -> Output {
        let args = input.args;
        self.enter(machine, state, input, MAX_FRAMES, Some(Watch::new(observer)), |cx| {
            let machine = cx.machine;
            run::<S, true>(cx, &machine.codes[prog], args)
        })
    }

    /// Calls back for a timer or a piece of work of the embedder's [`Env::timers`]; nothing happens if
    /// its entry is gone. Of the input, CPU and limits count.
    pub fn fire<S: Env>(
        &mut self,
        machine: &Machine<S>,
        state: &mut S,
        timer: &Expired,
        input: Input<'_>,
    ) -> Output {
        self.enter(machine, state, input, MAX_FRAMES, None, |cx| builtin::fire(cx, timer))
    }

    /// The same under an observer.
    pub fn fire_observed<S: Env>(
        &mut self,
        machine: &Machine<S>,
        state: &mut S,
        timer: &Expired,
        input: Input<'_>,
        observer: &mut dyn Observer,
    ) -> Output {
        self.enter(machine, state, input, MAX_FRAMES, Some(Watch::new(observer)), |cx| {
            builtin::fire(cx, timer)
        })
    }

    /// Makes sure that the stack has so many frames, [`MAX_FRAMES`] at most.
    #[inline]
    fn reserve(&mut self, frames: u32) {
        let len = (FRAME_SIZE * frames.min(MAX_FRAMES)) as usize;
        if self.stack.len() < len {
            cold_path();
            self.stack = alloc::vec![0; len].into();
        }
    }

    /// A run of the machine on a stack of so many frames at least.
    #[inline]
    pub(crate) fn enter<'r, S>(
        &'r mut self,
        machine: &'r Machine<S>,
        state: &'r mut S,
        input: Input<'r>,
        frames: u32,
        watch: Option<Watch<'r>>,
        body: impl FnOnce(&mut Cx<'r, S>) -> Result<u64, Box<Fault>>,
    ) -> Output {
        self.reserve(frames);
        let stack = cells(&mut self.stack);
        let temporary = core::mem::take(&mut self.temporary);
        let packet = input.packet.unwrap_or_else(|| {
            self.no_packet = PacketBuf::default();
            &mut self.no_packet
        });
        let halves = if input.ctx_writable { input.ctx_halves } else { &[] };
        let bytes = [
            Bytes::frames(stack, MAX_FRAMES),
            Bytes::new(input.ctx, 0, input.ctx_writable && halves.is_empty()),
            Bytes::new(input.mem, 0, true),
        ];
        let mut cx = Cx {
            mem: Memory::new(&machine.regions, temporary, bytes, halves, packet, &mut self.heap),
            state,
            machine,
            cpu: Cpu(input.cpu),
            stack,
            meter: Meter::new(input.limits, machine.clock),
            locks: Vec::new(),
            borrowed: Vec::new(),
            thrown_in: None,
            depth: 0,
            tail_calls: 0,
            watch,
            native: None,
            frame: None,
        };
        let result = body(&mut cx);
        builtin::release(&mut cx);
        while let Some(object) = cx.borrowed.pop() {
            // It was acquired when it was lent.
            let _ = cx.mem.heap.release(object);
        }
        let insns = cx.meter.used();
        cx.mem.close_records();
        self.temporary = cx.mem.take_storage();
        Output { result, insns }
    }
}
