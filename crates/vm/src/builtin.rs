//! Helpers that need no hook: maps, buffers of events, time, text, control flow.
//!
//! [`builtin`] is the list; what a helper needs of the outside world comes from [`Env`], which the
//! embedder's state implements. Numbers and meaning are those of `include/uapi/linux/bpf.h`.

mod arena;
mod cpumask;
mod crypto;
mod dynptr;
mod event;
mod flow;
mod format;
mod iter;
mod kernel;
mod lock;
mod map;
mod mark;
mod object;
mod rbtree;
mod seq;
mod string;
mod task;
mod text;
mod time;
mod timer;
mod trace;

pub(crate) use crypto::Cipher;
pub use kernel::{borrow_cgroup, borrow_task, task_number};
pub(crate) use lock::release;
pub use seq::SeqFile;
pub use task::{Task, cgroup_at};
pub(crate) use timer::fire;
pub use timer::{Expired, Timers};
pub use trace::Traced;

use crate::fault::FaultKind;
use crate::helper::{Helpers, Stop};
use crate::memory::Memory;
use alloc::string::String;
use alloc::vec::Vec;
use skep_abi::Errno;

/// What helpers need of the world outside.
pub trait Env {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    fn monotonic_ns(&mut self) -> u64;
    /// 32 random bits.
    fn random(&mut self) -> u32;
    /// A line of `bpf_trace_printk`.
    fn print(&mut self, text: String);

    /// The thread that the program is to see as current.
    fn task(&self) -> &Task {
        static IDLE: Task = Task {
            tid: 0,
            pid: 0,
            uid: 0,
            gid: 0,
            comm: Vec::new(),
            cgroups: Vec::new(),
            pid_ns: (0, 0),
        };
        &IDLE
    }

    /// The thread of this number, if programs can find it: the current one, by default.
    fn task_of(&self, tid: u32) -> Option<&Task> {
        Some(self.task()).filter(|task| task.tid == tid)
    }

    /// The threads that programs can go through, by number: the current one, by default.
    fn tasks(&self) -> Vec<u32> {
        Vec::from([self.task().tid])
    }

    /// The cgroup of this number with the ones around it, the outermost first, if programs can find it:
    /// one of the current thread, by default.
    fn cgroup(&self, id: u64) -> Option<&[u64]> {
        let path = &self.task().cgroups;
        let at = path.iter().position(|&known| known == id)?;
        path.get(..=at)
    }

    /// What programs read behind a pointer to a task: a `struct task_struct` of the kernel that they have
    /// been fitted to. Nothing, by default.
    fn task_struct(&self, _task: &Task) -> Vec<u8> {
        Vec::new()
    }

    /// What programs read behind a pointer to a cgroup: a `struct cgroup`.
    fn cgroup_struct(&self, _path: &[u64]) -> Vec<u8> {
        Vec::new()
    }

    /// Where timers are kept, if somebody fires them.
    fn timers(&mut self) -> Option<&mut Timers> {
        None
    }

    /// The call that the program traces, if it does.
    fn traced(&self) -> Option<&Traced> {
        None
    }

    /// The size of a type of the program, by its number in the program's BTF.
    fn size_of_type(&self, _type_id: u32) -> Option<u32> {
        None
    }

    /// The file behind a pointer that an iterator's program got in its context, if that is one.
    fn seq_file(&mut self, _addr: u64) -> Option<&mut SeqFile> {
        None
    }

    /// The size of a type of the kernel, by its number, if its values can be printed with these `BTF_F_*`.
    ///
    /// # Errors
    /// `EINVAL` for flags and without types of a kernel, `ENOENT` if there is no such type.
    fn kernel_type_size(&self, _type_id: u32, _flags: u64) -> Result<u32, Errno> {
        Err(Errno::EINVAL)
    }

    /// A value of such a type as text.
    ///
    /// # Errors
    /// As [`Env::kernel_type_size`]; `E2BIG` for a value that does not fit its type.
    fn kernel_value_text(
        &self,
        _type_id: u32,
        _value: &[u8],
        _flags: u64,
    ) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }

    /// `CLOCK_TAI`, nanoseconds.
    fn tai_ns(&mut self) -> u64 {
        self.monotonic_ns()
    }

    /// Where in the packet's buffer the data begins that the hook shows, if there is a packet.
    fn packet_data(&self) -> Option<usize> {
        None
    }

    /// The packet has changed in a way that its hash no longer fits; the context is to follow.
    fn invalidate_hash(&mut self, _mem: &Memory<'_>) {}
}

/// All helpers of this module.
#[must_use]
pub fn builtin<S: Env + 'static>() -> Helpers<S> {
    let helpers = Helpers::new();
    let helpers = map::add(helpers);
    let helpers = time::add(helpers);
    let helpers = text::add(helpers);
    let helpers = flow::add(helpers);
    let helpers = event::add(helpers);
    let helpers = task::add(helpers);
    let helpers = kernel::add(helpers);
    let helpers = cpumask::add(helpers);
    let helpers = crypto::add(helpers);
    let helpers = seq::add(helpers);
    let helpers = arena::add(helpers);
    let helpers = lock::add(helpers);
    let helpers = object::add(helpers);
    let helpers = rbtree::add(helpers);
    let helpers = timer::add(helpers);
    let helpers = trace::add(helpers);
    let helpers = dynptr::add(helpers);
    let helpers = iter::add(helpers);
    let helpers = string::add(helpers);
    mark::add(helpers)
}

/// Room for a key or value that is usually short.
struct Buf {
    short: [u8; 64],
    long: Vec<u8>,
}

impl Buf {
    const fn new() -> Self {
        Self { short: [0; 64], long: Vec::new() }
    }

    /// Copies `len` bytes of the program's memory.
    fn read(&mut self, mem: &Memory<'_>, addr: u64, len: u32) -> Result<&[u8], Stop> {
        match self.short.get_mut(..len as usize) {
            Some(short) => {
                mem.read(addr, short)?;
                Ok(short)
            }
            None => {
                self.long = mem.read_vec(addr, len.into())?;
                Ok(&self.long)
            }
        }
    }
}

/// An argument that the verifier would not have let pass.
fn argument(helper: &str, arg: u8, wants: &'static str, value: u64) -> Stop {
    Stop::Fault(FaultKind::Argument { helper: helper.into(), arg, wants, value })
}
