//! The checking interpreter: runs any program whose jumps stay inside it, and is safe for hostile
//! input.
//!
//! Every memory access is checked against what the program may touch, under an instruction budget and
//! a deadline; a [`Fault`] names instruction, source line, register and region. Programs see virtual
//! addresses only (`memory.rs`). No I/O, no clock, no code generation: what a program needs of the
//! outside comes in through helpers.
//!
//! ```
//! use skep_prog::Prog;
//! use skep_vm::{Helpers, Input, MEM, Machine, Vm, address, cells};
//!
//! // r0 = double(r1[0])
//! let bytes = [0x71, 0x11, 0, 0, 0, 0, 0, 0, 0x85, 0, 0, 0, 7, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
//! let prog = Prog::new("double", skep_abi::ProgType::SocketFilter, skep_isa::decode(&bytes).unwrap());
//! let helpers = Helpers::new().with(7, "double", |x: u64| x * 2);
//! let mut machine = Machine::new(helpers, Vec::new());
//! let double = machine.load(&prog).unwrap();
//! let mut memory = [21];
//! let input = Input { args: [address(MEM, 0), 1, 0, 0, 0], mem: cells(&mut memory), ..Input::default() };
//! assert_eq!(Vm::new().run(&machine, double, &mut (), input).result.unwrap(), 42);
//! ```
//!
//! Start reading at [`Machine`], then `interp`.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod arith;
mod builtin;
mod code;
mod cx;
mod fault;
mod fuse;
mod helper;
mod interp;
mod machine;
mod memory;
mod native;
mod observe;
mod translate;

pub use builtin::{
    Env, Expired, SeqFile, Task, Timers, Traced, borrow_cgroup, borrow_task, builtin, cgroup_at,
    task_number,
};
pub use cx::Cx;
pub use fault::{AccessError, Denied, Fault, FaultKind};
pub use helper::{FromReg, Helpers, IntoHelper, IntoReg, Stop};
pub use machine::{Input, Limits, Machine, Output, Vm};
pub use memory::{
    CTX, FRAME_SIZE, HalfField, Headers, KernelObject, Layout, MAX_FRAMES, MEM, Memory, PACKET,
    PACKET_BASE, PacketBuf, Place, STACK, Window, address, cells, map_of,
};
pub use native::{HostPointers, Native, Place as CodePlace, Replaced};
pub use observe::{Activation, Moment, Observer, Value};
pub use translate::LoadError;
