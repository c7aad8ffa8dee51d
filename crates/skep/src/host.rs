//! What helpers see of this process: the packet at its hook, clock, chance, and what they say.

use crate::conntrack::Connections;
use crate::helper::conntrack::Tracked;
use crate::helper::socket::Held;
use crate::helper::tunnel::{Tunnel, XFRM_INFO};
use crate::network::Network;
use crate::{layout, process, task};
use skep_abi::Errno;
use skep_btf::{Btf, PrintFlags, TypeId};
use skep_hooks::{Hook, Packet};
use skep_vm::{Cx, Env, HalfField, Headers, Memory, PACKET_BASE, PacketBuf, SeqFile, Task, Timers};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Where `bpf_ktime_get_ns` takes the time from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Clock {
    /// The packet's timestamp, so that a run over a capture gives the same every time.
    #[default]
    Packet,
    /// The host's monotonic clock.
    Host,
}

/// Where a redirect helper sends the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Redirect {
    pub(crate) ifindex: u32,
}

/// The state of the machine.
pub(crate) struct Host {
    /// None, if the program is not run over packets.
    pub(crate) hook: Option<Hook>,
    /// Its bytes are in the engine's memory while a program runs.
    pub(crate) packet: Packet,
    pub(crate) redirect: Option<Redirect>,
    /// What the program says a tunnel is to do.
    pub(crate) tunnel: Option<Tunnel>,
    /// Or a transformation.
    pub(crate) transform: Option<[u8; XFRM_INFO]>,
    /// Copies that the program sent on.
    pub(crate) clones: Vec<(u32, Packet)>,
    pub(crate) printed: Vec<String>,
    /// Lines that were too many.
    pub(crate) unprinted: u64,
    pub(crate) clock: Clock,
    /// The current thread; read when a program asks first, unless somebody sets it.
    pub(crate) task: OnceCell<Task>,
    /// Other threads that programs can find.
    pub(crate) tasks: Vec<Task>,
    /// Types of the kernel that programs have been fitted to.
    pub(crate) kernel: Option<Arc<Btf>>,
    pub(crate) timers: Timers,
    pub(crate) network: Network,
    /// Types of the program.
    pub(crate) btf: Option<Arc<Btf>>,
    /// Sockets that the program holds.
    pub(crate) held: Vec<Held>,
    /// Tracked connections, of all threads.
    pub(crate) connections: Arc<Mutex<Connections>>,
    /// Those that the program holds.
    pub(crate) tracked: Vec<Tracked>,
    /// The socket that the packet is steered to, by its place in the network's list.
    pub(crate) assigned: Option<usize>,
    /// What an iterator writes to: where the program sees it, and what is in it.
    pub(crate) seq: (u64, SeqFile),
    /// Paths of the files that an iterator is shown, by their number.
    pub(crate) paths: BTreeMap<u64, PathBuf>,
    random: u64,
    ctx: Vec<u8>,
}

impl Host {
    pub(crate) fn new(hook: Option<Hook>, clock: Clock) -> Self {
        Self {
            hook,
            packet: Packet::new(),
            redirect: None,
            tunnel: None,
            transform: None,
            clones: Vec::new(),
            printed: Vec::new(),
            unprinted: 0,
            clock,
            task: OnceCell::new(),
            tasks: Vec::new(),
            kernel: None,
            timers: Timers::default(),
            network: Network::default(),
            btf: None,
            held: Vec::new(),
            connections: Arc::default(),
            tracked: Vec::new(),
            assigned: None,
            seq: (0, SeqFile::new(0)),
            paths: BTreeMap::new(),
            random: SEED,
            ctx: Vec::new(),
        }
    }

    /// The same place and people, for another thread.
    pub(crate) fn sibling(&self) -> Self {
        Self {
            task: self.task.clone(),
            tasks: self.tasks.clone(),
            kernel: self.kernel.clone(),
            network: self.network.clone(),
            connections: self.connections.clone(),
            btf: self.btf.clone(),
            ..Self::new(self.hook, self.clock)
        }
    }

    /// The table of connections, whatever became of a thread that had it.
    pub(crate) fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether an iterator runs over what this process is.
    pub(crate) fn is_of_process(&self) -> bool {
        self.hook.is_none()
    }

    /// Makes the threads of this process known, unless the user has said who there is.
    pub(crate) fn find_threads(&mut self) {
        if self.tasks.is_empty() && self.task.get().is_none() {
            self.tasks = process::threads();
        }
    }

    /// The cgroups that anybody is in, each once.
    pub(crate) fn cgroups(&self) -> Vec<u64> {
        let tasks = iter::once(self.task()).chain(&self.tasks).map(|task| &task.cgroups);
        let sockets = self.network.sockets.iter().map(|socket| &socket.cgroups);
        let mut all: Vec<u64> = tasks.chain(sockets).flatten().copied().collect();
        let mut seen = BTreeSet::new();
        all.retain(|&id| seen.insert(id));
        all
    }

    /// A struct of the kernel by its types; none without types.
    pub(crate) fn laid_out(&self, layout: impl FnOnce(&Btf) -> Vec<u8>) -> Vec<u8> {
        self.kernel.as_deref().map_or(Vec::new(), layout)
    }

    /// Lends the packet's bytes to the engine.
    pub(crate) fn lend(&mut self) -> PacketBuf {
        let window = self.packet.window();
        let headers = Headers {
            mac: self.packet.header_at(skep_hooks::Header::Mac),
            net: self.packet.header_at(skep_hooks::Header::Net),
        };
        PacketBuf {
            start: window.start,
            end: window.end,
            writable: self.hook.is_some_and(writes_packets),
            headers,
            bytes: self.packet.take_buffer(),
        }
    }
}

/// Whether programs of the hook may write to the packet. Kernel: `may_access_direct_pkt_data`.
const fn writes_packets(hook: Hook) -> bool {
    matches!(hook, Hook::Xdp | Hook::TcIngress | Hook::TcEgress | Hook::SchedAct)
}

/// What the kernel keeps in 16 bits of what programs of the hook may write: `tc_index`, `tc_classid`
/// and `queue_mapping`, which is less than `NO_QUEUE_MAPPING`.
pub(crate) const fn half_fields(hook: Hook) -> &'static [HalfField] {
    const TC: &[HalfField] = &[
        HalfField { at: 12, limit: Some(0xffff) },
        HalfField { at: 44, limit: None },
        HalfField { at: 72, limit: None },
    ];
    if matches!(hook, Hook::TcIngress | Hook::TcEgress | Hook::SchedAct) { TC } else { &[] }
}

/// Where the sequence of "random" numbers starts: runs repeat.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// Lines kept until somebody asks for events. Linux keeps 1.4 MB for each CPU.
const MAX_LINES: usize = 1 << 14;

impl Env for Host {
    fn monotonic_ns(&mut self) -> u64 {
        match self.clock {
            Clock::Packet if self.hook.is_some() => self.packet.meta.timestamp,
            Clock::Packet | Clock::Host => monotonic(),
        }
    }

    /// SplitMix64, upper half.
    fn random(&mut self) -> u32 {
        self.random = self.random.wrapping_add(SEED);
        let z = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ z >> 31) >> 32).unwrap_or_default()
    }

    fn print(&mut self, text: String) {
        if self.printed.len() < MAX_LINES {
            self.printed.push(text);
        } else {
            self.unprinted += 1;
        }
    }

    fn task(&self) -> &Task {
        self.task.get_or_init(task::current)
    }

    fn task_of(&self, tid: u32) -> Option<&Task> {
        let mut all = iter::once(self.task()).chain(&self.tasks);
        all.find(|task| task.tid == tid)
    }

    fn tasks(&self) -> Vec<u32> {
        iter::once(self.task()).chain(&self.tasks).map(|task| task.tid).collect()
    }

    fn cgroup(&self, id: u64) -> Option<&[u64]> {
        let tasks = iter::once(self.task()).chain(&self.tasks).map(|task| &task.cgroups);
        let sockets = self.network.sockets.iter().map(|socket| &socket.cgroups);
        tasks.chain(sockets).find_map(|path| {
            let at = path.iter().position(|&known| known == id)?;
            path.get(..=at)
        })
    }

    fn task_struct(&self, task: &Task) -> Vec<u8> {
        self.kernel.as_deref().map_or(Vec::new(), |btf| layout::task_struct(btf, task))
    }

    fn cgroup_struct(&self, path: &[u64]) -> Vec<u8> {
        self.kernel.as_deref().map_or(Vec::new(), |btf| layout::cgroup_struct(btf, path))
    }

    fn size_of_type(&self, type_id: u32) -> Option<u32> {
        self.btf.as_ref()?.size_of(TypeId(type_id))
    }

    fn kernel_type_size(&self, type_id: u32, flags: u64) -> Result<u32, Errno> {
        let kernel = self.kernel.as_ref().ok_or(Errno::EINVAL)?;
        if PrintFlags::new(flags).is_none() || type_id.cast_signed() <= 0 {
            return Err(Errno::EINVAL);
        }
        kernel.get(TypeId(type_id)).ok_or(Errno::ENOENT)?;
        Ok(kernel.size_of(TypeId(type_id)).unwrap_or(0))
    }

    fn kernel_value_text(&self, type_id: u32, value: &[u8], flags: u64) -> Result<Vec<u8>, Errno> {
        let kernel = self.kernel.as_ref().ok_or(Errno::EINVAL)?;
        let flags = PrintFlags::new(flags).ok_or(Errno::EINVAL)?;
        kernel.print(TypeId(type_id), value, flags).ok_or(Errno::E2BIG)
    }

    fn seq_file(&mut self, addr: u64) -> Option<&mut SeqFile> {
        Some(&mut self.seq).filter(|seq| addr != 0 && seq.0 == addr).map(|seq| &mut seq.1)
    }

    fn timers(&mut self) -> Option<&mut Timers> {
        Some(&mut self.timers)
    }

    fn tai_ns(&mut self) -> u64 {
        match self.clock {
            Clock::Packet => self.packet.meta.timestamp,
            Clock::Host => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
            }
        }
    }

    fn packet_data(&self) -> Option<usize> {
        let window = self.packet.window();
        Some(self.packet.header_at(self.hook?.starts_at()).clamp(window.start, window.end))
    }

    fn invalidate_hash(&mut self, mem: &Memory<'_>) {
        self.packet.meta.hash = 0;
        mem.poke_ctx(SKB_HASH, &[0; 4]);
    }
}

/// Position of `hash` in `struct __sk_buff`.
const SKB_HASH: usize = 68;

/// Nanoseconds since the process first asked.
pub(crate) fn monotonic() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Hands the packet, bytes and all, to an operation.
pub(crate) fn with_packet<R>(cx: &mut Cx<'_, Host>, operation: impl FnOnce(&mut Packet) -> R) -> R {
    let host = &mut *cx.state;
    host.packet.return_buffer(std::mem::take(&mut cx.mem.packet.bytes));
    let result = operation(&mut host.packet);
    *cx.mem.packet = host.lend();
    result
}

/// The same for an operation that may move the packet's bounds or change its metadata: the context
/// follows.
pub(crate) fn change_packet<R>(
    cx: &mut Cx<'_, Host>,
    operation: impl FnOnce(&mut Packet) -> R,
) -> R {
    let Some(hook) = cx.state.hook else { return with_packet(cx, operation) };
    let mut ctx = std::mem::take(&mut cx.state.ctx);
    ctx.resize(hook.ctx_len(), 0);
    // The context is there for as long as the program runs.
    let _ = cx.mem.read(skep_vm::address(skep_vm::CTX, 0), &mut ctx);
    let result = with_packet(cx, |packet| {
        hook.read_ctx(packet, &ctx);
        let result = operation(packet);
        hook.write_ctx(packet, PACKET_BASE, &mut ctx);
        result
    });
    cx.mem.poke_ctx(0, &ctx);
    cx.state.ctx = ctx;
    result
}
