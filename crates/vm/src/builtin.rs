//! Helpers that need no hook: maps, buffers of events, time, text, control flow.
//!
//! [`builtin`] is the list; what a helper needs of the outside world comes from [`Env`], which the
//! embedder's state implements. Numbers and meaning are those of `include/uapi/linux/bpf.h`.

mod dynptr;
mod event;
mod flow;
mod format;
mod iter;
mod map;
mod mark;
mod string;
mod text;
mod time;

use crate::fault::FaultKind;
use crate::helper::{Helpers, Stop};
use crate::memory::Memory;
use alloc::string::String;
use alloc::vec::Vec;

/// What helpers need of the world outside.
pub trait Env {
    /// `CLOCK_MONOTONIC`, nanoseconds.
    fn monotonic_ns(&mut self) -> u64;
    /// 32 random bits.
    fn random(&mut self) -> u32;
    /// A line of `bpf_trace_printk`.
    fn print(&mut self, text: String);

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
