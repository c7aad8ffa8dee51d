//! A program loaded into the user engine, taking packets.

use crate::check::CheckOptions;
use crate::conntrack::Connections;
use crate::event::{self, Event};
use crate::helper::conntrack;
use crate::host::{Clock, Host, half_fields, monotonic};
use crate::iterate::Over;
use crate::link::{Linked, LoadError, cpu_of, link};
use crate::native::{self, Engine, NotNative, POINTERS, pointer_fields};
use crate::network::{Connection, Network};
use crate::view::MapView;
use skep_abi::{AttachType, ProgType};
use skep_btf::Btf;
use skep_exec::{Code as MachineCode, CodeOptions, CompileError, Compiled, Processor};
use skep_hooks::{Action, Hook, Packet, Verdict};
use skep_isa::Pc;
use skep_prog::{Image, Prog};
use skep_vm::{
    CTX, Fault, FaultKind, HostPointers, Input, Limits, Observer, PACKET_BASE, Task, Vm, address,
    cells,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a program is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// CPUs that per-CPU maps have values for; a program runs on the first that no other thread uses.
    pub cpus: u32,
    /// Most instructions for one packet.
    pub insns: u64,
    /// Longest time for one packet.
    pub time: Duration,
    /// Where the time comes from.
    pub clock: Clock,
    /// Whether a VLAN tag in the bytes of a frame is moved beside them before a hook that comes after the
    /// kernel's receive path, which does so. A test run of the kernel does not.
    pub untag: bool,
}

impl Default for Options {
    /// One CPU, 2³² instructions or ten seconds for a packet, time from the packets, tags beside them.
    fn default() -> Self {
        let time = Duration::from_secs(10);
        Self { cpus: 1, insns: 1 << 32, time, clock: Clock::Packet, untag: true }
    }
}

/// What became of a packet.
#[derive(Debug)]
pub struct Outcome {
    /// What the program said.
    pub verdict: Verdict,
    /// The interface to redirect to, where the verdict is to redirect.
    pub redirect: Option<u32>,
    /// The socket that the program steered the packet to, by its place in [`Network::sockets`].
    pub socket: Option<usize>,
    /// Copies that the program sent to other interfaces.
    pub clones: Vec<(u32, Packet)>,
    /// Instructions executed, where they are counted: by the interpreter, and by machine code that is metered.
    pub insns: Option<u64>,
}

/// What a program is run over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runs {
    /// Packets, at a hook: [`Session::run`].
    Packets(Hook),
    /// The bytes of a caller: [`Session::call`].
    Call,
    /// Things that it writes about: [`Session::iterate`](Session::iterate).
    Items(Over),
}

/// Why a call did not return.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The program is not called.
    #[error("{prog} is of type {prog_type}, and only programs of type syscall are called")]
    NotCalled {
        /// The program.
        prog: String,
        /// Its type.
        prog_type: ProgType,
    },
    /// There are more bytes than the kernel takes.
    #[error("a context of {len} bytes: programs get {MAX_CTX} at most")]
    TooLong {
        /// Bytes given.
        len: usize,
    },
    /// The program did what it may not.
    #[error(transparent)]
    Fault(#[from] Box<Fault>),
}

/// Bytes of a context. Kernel: `bpf_prog_test_run_syscall`.
const MAX_CTX: usize = u16::MAX as usize;

/// Callbacks of timers between two packets.
const MAX_TIMERS: usize = 1 << 12;

/// A program with its maps, ready for packets.
///
/// Timers that the program starts in its maps are looked at before each packet: with
/// [`Clock::Packet`] a capture's own times drive them, and those due after the last packet never fire.
pub struct Session {
    pub(crate) image: Arc<Image>,
    runs: Runs,
    pub(crate) linked: Arc<Linked>,
    pub(crate) host: Host,
    pub(crate) vm: Vm,
    /// The context, and before it room for addresses of the packet.
    ctx: Vec<u8>,
    pub(crate) options: Options,
    pub(crate) compiled: Option<Arc<Compiled>>,
}

impl Session {
    /// Loads the program of this name, or the only one there is.
    ///
    /// # Errors
    /// [`LoadError`], before anything runs.
    pub fn load(image: &Image, prog: Option<&str>, options: Options) -> Result<Self, LoadError> {
        let prog = choose(image, prog)?;
        let runs = runs_over(prog)?;
        let hook = match runs {
            Runs::Packets(hook) => Some(hook),
            Runs::Call | Runs::Items(_) => None,
        };
        let mut host = Host::new(hook, options.clock);
        host.btf.clone_from(&image.btf);
        let image = Arc::new(image.clone());
        Ok(Self {
            linked: Arc::new(link(&image, prog, options.cpus)?),
            runs,
            image,
            host,
            vm: Vm::new(),
            ctx: Vec::new(),
            options,
            compiled: None,
        })
    }

    /// The same program with the same maps, for packets of another thread. Task and network are those
    /// set so far. Each run has a CPU to itself, so that no update of a per-CPU value is lost; with
    /// more threads than [`Options::cpus`], runs wait for each other.
    ///
    /// Timers and objects that a program makes stay with the session that made them. Events of maps
    /// come from whichever session is asked first.
    ///
    /// ```
    /// use skep::{Options, Packet, PacketMeta, Session, read_image};
    ///
    /// let text = b".section \"xdp\"\nfew:\n r0 = 1\n exit\n";
    /// let image = read_image(text, "few.s").unwrap().image;
    /// let session = Session::load(&image, None, Options { cpus: 2, ..Options::default() }).unwrap();
    /// let mut threads = [session.share(), session];
    /// std::thread::scope(|scope| {
    ///     for session in &mut threads {
    ///         scope.spawn(|| {
    ///             let mut packet = Packet::new();
    ///             packet.reset(&[0; 60], PacketMeta::default());
    ///             session.run(&mut packet).unwrap();
    ///         });
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn share(&self) -> Self {
        Self {
            image: self.image.clone(),
            runs: self.runs,
            linked: self.linked.clone(),
            host: self.host.sibling(),
            vm: Vm::new(),
            ctx: Vec::new(),
            options: self.options,
            compiled: self.compiled.clone(),
        }
    }

    /// From now on runs the program as machine code, if the verifier accepts it and all that it can tail-call.
    /// Results are those of the interpreter, and so are counts of instructions and what ends a run
    /// ([`Options::insns`], [`Options::time`]). Runs under an observer stay with the interpreter, and so do callbacks
    /// of timers. [`Session::compile_with`] makes code that counts nothing and is a few percent faster.
    ///
    /// ```
    /// use skep::{CheckOptions, Engine, Options, Release, Session, read_image};
    ///
    /// let text = b".section \"xdp\"\npass:\n r0 = 2\n exit\n";
    /// let image = read_image(text, "pass.s").unwrap().image;
    /// let mut session = Session::load(&image, None, Options::default()).unwrap();
    /// if session.compile(&CheckOptions::new(Release { major: 6, minor: 18 })).is_ok() {
    ///     assert_eq!(session.engine(), Engine::Jit);
    /// }
    /// ```
    ///
    /// # Errors
    /// [`NotNative`] with the reason; the session goes on with the interpreter.
    pub fn compile(&mut self, options: &CheckOptions) -> Result<(), NotNative> {
        self.compile_with(options, CodeOptions::default())
    }

    /// The same, with a choice of what code does.
    ///
    /// # Errors
    /// [`NotNative`], as [`Session::compile`].
    pub fn compile_with(
        &mut self,
        options: &CheckOptions,
        code: CodeOptions,
    ) -> Result<(), NotNative> {
        let hook = self.packet_hook()?;
        let compiled = native::compile(&self.image, &mut self.linked, hook, options, code)?;
        self.compiled = Some(Arc::new(compiled));
        Ok(())
    }

    /// From now on runs the program as machine code that checks its accesses itself, whether the verifier accepts it or not.
    /// Results and faults are those of the interpreter, at the same instructions, and so is what counts them; a run
    /// that faults may have been counted a block or two off. This is for programs that nobody has verified, and for
    /// those of which [`Session::compile`] says that they are not compiled; unlike that, it serves programs of every
    /// kind.
    ///
    /// ```
    /// use skep::{CodeOptions, Engine, Options, Packet, PacketMeta, Session, read_image};
    ///
    /// let text = b".section \"xdp\"\nwild:\n r0 = *(u8 *)(r1 + 4096)\n exit\n";
    /// let image = read_image(text, "wild.s").unwrap().image;
    /// let mut session = Session::load(&image, None, Options::default()).unwrap();
    /// if session.compile_checked(CodeOptions::default()).is_ok() {
    ///     assert_eq!(session.engine(), Engine::Checked);
    /// }
    /// let mut packet = Packet::new();
    /// packet.reset(&[0; 60], PacketMeta::default());
    /// let fault = session.run(&mut packet).unwrap_err();
    /// assert!(fault.to_string().contains("load of 1 byte"), "{fault}");
    /// ```
    ///
    /// # Errors
    /// [`NotNative::Refused`] with the reason; the session goes on with the interpreter.
    pub fn compile_checked(&mut self, code: CodeOptions) -> Result<(), NotNative> {
        let compiled = Compiled::checked(&self.linked.machine, code)?;
        self.compiled = Some(Arc::new(compiled));
        Ok(())
    }

    /// The program's machine code for a processor of whatever kind, to be read; addresses are those of this
    /// process. With it comes why it is not optimised, if it was to be.
    ///
    /// # Errors
    /// [`NotNative`] with the reason.
    pub fn machine_code_for(
        &self,
        options: &CheckOptions,
        code: CodeOptions,
        processor: Processor,
    ) -> Result<Option<(MachineCode, Option<CompileError>)>, NotNative> {
        let hook = self.packet_hook()?;
        let codes = native::list(&self.image, &self.linked, hook, options, (code, processor))?;
        Ok(codes.into_iter().next())
    }

    fn packet_hook(&self) -> Result<Hook, NotNative> {
        self.hook().ok_or_else(|| NotNative::NoPackets { prog: self.prog().to_owned() })
    }

    /// Asks the verifier, and if it accepts the program, makes loads through pointers to objects of the kernel read
    /// zero where nothing is, as the kernel does; [`Session::compile`] does so as well. Once a session is shared, it stays
    /// as it is.
    ///
    /// # Errors
    /// [`NotNative`] with the reason why there is no such word; the program runs all the same, every access
    /// checked.
    pub fn verify(&mut self, options: &CheckOptions) -> Result<(), NotNative> {
        let verified = native::verify(&self.image, &self.linked, options)?;
        native::set_probes(&mut self.linked, &verified);
        Ok(())
    }

    /// The program's machine code, if it runs as such.
    #[must_use]
    pub fn machine_code(&self) -> Option<&MachineCode> {
        self.compiled.as_ref()?.code().next()
    }

    /// The functions of the machine code that this program and those that it may tail-call run as, for profilers and
    /// debuggers ([`write_perf_map`](crate::write_perf_map), [`JitDump`](crate::JitDump),
    /// [`GdbSymbols`](crate::GdbSymbols)); none if they are interpreted.
    #[must_use]
    pub fn symbols(&self) -> Vec<skep_exec::Symbol<'_>> {
        let compiled = self.compiled.as_ref();
        compiled.map(|compiled| compiled.symbols(&self.linked.machine)).unwrap_or_default()
    }

    /// Why this program, or one that it may tail-call, is not optimised although it was to be
    /// ([`CodeOptions::optimised`]): the first reason.
    #[must_use]
    pub fn not_optimised(&self) -> Option<String> {
        let (prog, why) = self.compiled.as_ref()?.not_optimised().next()?;
        let name = self.linked.machine.prog(prog).map_or("", |prog| prog.name.as_str());
        Some(format!("{name} is not optimised: {why}"))
    }

    /// What runs the program.
    #[must_use]
    pub fn engine(&self) -> Engine {
        match &self.compiled {
            Some(compiled) if compiled.is_checked() => Engine::Checked,
            Some(_) => Engine::Jit,
            None => Engine::Interp,
        }
    }

    /// The program's name.
    #[must_use]
    pub fn prog(&self) -> &str {
        &self.main().name
    }

    fn main(&self) -> &Prog {
        &self.image.progs[self.linked.progs[0]]
    }

    /// What it is run over.
    #[must_use]
    pub const fn runs(&self) -> Runs {
        self.runs
    }

    /// The hook, if it is run over packets.
    #[must_use]
    pub const fn hook(&self) -> Option<Hook> {
        self.host.hook
    }

    /// Calls a program of type syscall with the bytes of its context, which it may change; what it returns.
    ///
    /// ```
    /// use skep::{Options, Session, read_image};
    ///
    /// let text = b".section \"syscall\"\ntwice:\n r2 = *(u64 *)(r1 + 0)\n r2 += r2\n *(u64 *)(r1 + 0) = r2\n r0 = 7\n exit\n";
    /// let image = read_image(text, "twice.s").unwrap().image;
    /// let mut session = Session::load(&image, None, Options::default()).unwrap();
    /// let mut ctx = 21u64.to_le_bytes();
    /// assert_eq!(session.call(&mut ctx).unwrap(), 7);
    /// assert_eq!(ctx, 42u64.to_le_bytes());
    /// ```
    ///
    /// # Errors
    /// [`CallError`]; after a fault the bytes are as far as the program got.
    #[expect(clippy::cast_possible_truncation, reason = "programs return 32 bits")]
    pub fn call(&mut self, ctx: &mut [u8]) -> Result<u32, CallError> {
        if self.runs != Runs::Call {
            let Prog { name, prog_type, .. } = self.main();
            return Err(CallError::NotCalled { prog: name.clone(), prog_type: *prog_type });
        }
        if ctx.len() > MAX_CTX {
            return Err(CallError::TooLong { len: ctx.len() });
        }
        self.fire_timers(monotonic())?;
        let limits = self.limits(self.options.insns);
        let lease = Linked::lease(&self.linked);
        let input = Input {
            args: [address(CTX, 0), 0, 0, 0, 0],
            ctx: cells(ctx),
            ctx_writable: true,
            cpu: cpu_of(lease.as_ref()),
            limits,
            ..Input::default()
        };
        let (machine, host) = (&self.linked.machine, &mut self.host);
        let output = match self.compiled.as_deref() {
            Some(compiled) => self.vm.run_checked(machine, 0, host, input, compiled),
            None => self.vm.run(machine, 0, host, input),
        };
        Ok(output.result? as u32)
    }

    /// Sets whom programs see as the current thread; the one that runs them, if nobody is set.
    pub fn set_task(&mut self, task: Task) {
        self.host.task = task.into();
    }

    /// Sets other threads that programs find by their number.
    pub fn set_tasks(&mut self, tasks: Vec<Task>) {
        self.host.tasks = tasks;
    }

    /// Sets the types of the kernel that the image has been fitted to. By them programs see the current
    /// task, others and cgroups, of which `pid`, `tgid`, `comm` and `level` are told; without types,
    /// pointers to such objects lead to nothing that can be read.
    pub fn set_kernel_types(&mut self, types: Arc<Btf>) {
        self.host.kernel = Some(types);
    }

    /// Sets what programs find when they look up routes and sockets; nothing, until it is set.
    pub fn set_network(&mut self, network: Network) {
        let connections = Connections::new(network.connections.clone());
        self.host.connections = Arc::new(Mutex::new(connections));
        self.host.network = network;
    }

    /// What there is to be found, as programs have left it.
    #[must_use]
    pub const fn network(&self) -> &Network {
        &self.host.network
    }

    /// The connections that are tracked: those of the network, and those that programs have added.
    #[must_use]
    pub fn connections(&self) -> Vec<Connection> {
        self.host.connections().all().cloned().collect()
    }

    /// Runs the program on a packet, which it may change. The packet is left as its hook leaves it:
    /// a socket filter's is cut to what is kept.
    ///
    /// # Errors
    /// The [`Fault`] of a program that did what it may not. The packet is then as far as it got.
    pub fn run(&mut self, packet: &mut Packet) -> Result<Outcome, Box<Fault>> {
        self.run_with(packet, None)
    }

    /// The same under an observer, who is told of each of the program's instructions before it runs.
    /// Callbacks of timers are runs of their own and stay unobserved. Results are the same; it takes
    /// longer by far.
    ///
    /// # Errors
    /// The [`Fault`], as [`Session::run`].
    pub fn run_observed(
        &mut self,
        packet: &mut Packet,
        observer: &mut dyn Observer,
    ) -> Result<Outcome, Box<Fault>> {
        self.run_with(packet, Some(observer))
    }

    fn run_with(
        &mut self,
        packet: &mut Packet,
        observer: Option<&mut dyn Observer>,
    ) -> Result<Outcome, Box<Fault>> {
        let Some(hook) = self.host.hook else { return Err(self.takes_no_packets()) };
        self.fire_timers(packet.meta.timestamp)?;
        std::mem::swap(&mut self.host.packet, packet);
        if hook.is_skb() && self.options.untag {
            self.host.packet.untag();
        }
        hook.enter(&mut self.host.packet);
        self.ctx.resize(POINTERS + hook.ctx_len(), 0);
        hook.fill_ctx(&self.host.packet, PACKET_BASE, &mut self.ctx[POINTERS..]);
        let mut lent = self.host.lend();
        self.host.redirect = None;
        self.host.tunnel = None;
        self.host.transform = None;
        self.host.held.clear();
        conntrack::forget(&mut self.host);
        self.host.assigned = None;
        let limits = self.limits(self.options.insns);
        let lease = Linked::lease(&self.linked);
        let compiled = self.compiled.as_deref().filter(|_| observer.is_none());
        let counts = compiled.is_none_or(Compiled::is_metered);
        // Code that checks has the interpreter's addresses.
        let in_host = compiled.is_some_and(|compiled| !compiled.is_checked());
        let (slots, ctx) = cells(&mut self.ctx).split_at(POINTERS);
        let input = Input {
            args: [address(CTX, 0), 0, 0, 0, 0],
            packet: Some(&mut lent),
            ctx,
            ctx_writable: hook.is_skb(),
            ctx_halves: half_fields(hook),
            cpu: cpu_of(lease.as_ref()),
            limits,
            ..Input::default()
        };
        let (machine, host) = (&self.linked.machine, &mut self.host);
        let output = match (observer, compiled) {
            (Some(observer), _) => self.vm.run_observed(machine, 0, host, input, observer),
            (None, Some(compiled)) if !in_host => {
                self.vm.run_checked(machine, 0, host, input, compiled)
            }
            (None, Some(compiled)) => {
                let pointers = HostPointers { slots, fields: pointer_fields(hook) };
                self.vm.run_native(machine, 0, host, input, pointers, compiled)
            }
            (None, None) => self.vm.run(machine, 0, host, input),
        };
        drop(lease);
        std::mem::swap(&mut self.host.packet, packet);
        packet.return_buffer(lent.bytes);
        hook.read_ctx(packet, &self.ctx[POINTERS..]);
        let clones = std::mem::take(&mut self.host.clones);
        let verdict = hook.verdict(output.result?);
        if let (Action::Pass, Some(keep)) = (verdict.action, verdict.keep) {
            packet.trim(keep as usize);
        }
        let redirect = match verdict.action {
            Action::Redirect => self.host.redirect.map(|to| to.ifindex),
            _ => None,
        };
        let insns = counts.then_some(output.insns);
        Ok(Outcome { verdict, redirect, socket: self.host.assigned, clones, insns })
    }

    /// The fault of a packet for a program that is not run over packets.
    #[cold]
    fn takes_no_packets(&self) -> Box<Fault> {
        let what = "a packet for a program that is not run over packets".to_string();
        let kind = FaultKind::Unsupported { what };
        Box::new(Fault { prog: self.prog().to_owned(), pc: Pc(0), line: None, kind })
    }

    pub(crate) fn limits(&self, insns: u64) -> Limits {
        let time = self.options.time;
        // Longer than that is no limit.
        let whole = time.as_secs().saturating_mul(1_000_000_000);
        let time = whole.saturating_add(time.subsec_nanos().into());
        Limits { insns, time: Some(time), ..Limits::default() }
    }

    /// Runs the callbacks of timers that were due before a packet of this time, each at its own time.
    #[inline]
    fn fire_timers(&mut self, timestamp: u64) -> Result<(), Box<Fault>> {
        if self.host.timers.is_idle() { Ok(()) } else { self.fire_due(timestamp) }
    }

    #[cold]
    fn fire_due(&mut self, timestamp: u64) -> Result<(), Box<Fault>> {
        let now = match self.host.clock {
            Clock::Packet => timestamp,
            Clock::Host => monotonic(),
        };
        let mut limits = self.limits(self.options.insns);
        limits.deadline = limits.time.take().and_then(|time| monotonic().checked_add(time));
        // What restarts itself more often goes on before the next packet.
        for _ in 0..MAX_TIMERS {
            let Some(timer) = self.host.timers.expire(now) else { break };
            self.host.packet.meta.timestamp = timer.due;
            let lease = Linked::lease(&self.linked);
            let input = Input { cpu: cpu_of(lease.as_ref()), limits, ..Input::default() };
            let output = self.vm.fire(&self.linked.machine, &mut self.host, &timer, input);
            drop(lease);
            output.result?;
            limits.insns = limits.insns.saturating_sub(output.insns);
        }
        Ok(())
    }

    /// Hands out what programs have reported since the last call, each map's events in order.
    pub fn events(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        for text in self.host.printed.drain(..) {
            sink(Event { map: None, kind: event::EventKind::Print(text) });
        }
        match std::mem::take(&mut self.host.unprinted) {
            0 => {}
            lost => sink(Event { map: None, kind: event::EventKind::Lost(lost) }),
        }
        event::drain(&self.image, &self.linked, sink);
    }

    /// The maps that the program can reach, in the order of the image.
    pub fn maps(&self) -> impl Iterator<Item = MapView<'_>> {
        let mut order: Vec<usize> = (0..self.linked.maps.len()).collect();
        order.sort_by_key(|&at| self.linked.maps[at]);
        order.into_iter().map(|at| MapView {
            btf: self.image.btf.as_deref(),
            map: &self.linked.machine.maps()[at],
        })
    }
}

/// The program of this name, or the only one there is.
///
/// # Errors
/// [`LoadError`] with the names that there are.
pub fn choose<'a>(image: &'a Image, name: Option<&str>) -> Result<&'a Prog, LoadError> {
    let known = || image.progs.iter().map(|prog| prog.name.clone()).collect();
    match (name, &image.progs[..]) {
        (_, []) => Err(LoadError::NoProg),
        (None, [prog]) => Ok(prog),
        (None, _) => Err(LoadError::WhichProg { known: known() }),
        (Some(name), _) => image
            .prog(name)
            .ok_or_else(|| LoadError::UnknownProg { name: name.to_string(), known: known() }),
    }
}

fn runs_over(prog: &Prog) -> Result<Runs, LoadError> {
    match (prog.prog_type, prog.attach_type) {
        (ProgType::Syscall, _) => Ok(Runs::Call),
        (ProgType::Tracing, Some(AttachType::TraceIter)) => Over::of(prog).map(Runs::Items),
        _ => hook_of(prog).map(Runs::Packets).ok_or_else(|| LoadError::NoHook {
            prog: prog.name.clone(),
            prog_type: prog.prog_type,
        }),
    }
}

fn hook_of(prog: &Prog) -> Option<Hook> {
    let egress = matches!(
        prog.attach_type,
        Some(
            AttachType::TcxEgress
                | AttachType::CgroupInetEgress
                | AttachType::NetkitPrimary
                | AttachType::NetkitPeer
        )
    );
    Some(match prog.prog_type {
        ProgType::Xdp => Hook::Xdp,
        ProgType::SchedCls if egress => Hook::TcEgress,
        ProgType::SchedCls => Hook::TcIngress,
        ProgType::SchedAct => Hook::SchedAct,
        ProgType::SocketFilter => Hook::SocketFilter,
        ProgType::CgroupSkb if egress => Hook::CgroupSkbEgress,
        ProgType::CgroupSkb => Hook::CgroupSkbIngress,
        _ => return None,
    })
}
