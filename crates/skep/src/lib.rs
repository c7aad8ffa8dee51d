//! All of BPF: programs from objects and assembly, run over packets in this process.
//!
//! An [`Image`] is what [`read_image`] makes of a file's bytes. A [`Session`] is a program of it,
//! loaded into the user engine with its maps; it takes packets and gives verdicts.
//!
//! ```
//! use skep::{Options, Packet, PacketMeta, Session, read_image};
//!
//! let text = b".section \"xdp\"\nfew:\n r2 = *(u32 *)(r1 + 4)\n r0 = 1\n exit\n";
//! let image = read_image(text, "few.s").unwrap().image;
//! let mut session = Session::load(&image, None, Options::default()).unwrap();
//! let mut packet = Packet::new();
//! packet.reset(&[0; 60], PacketMeta::default());
//! assert_eq!(session.run(&mut packet).unwrap().verdict.name, "XDP_DROP");
//! ```
//!
//! Below lie crates for each part, all re-exported where this crate's types need them.
#![forbid(unsafe_code)]

mod check;
mod code;
mod conntrack;
mod event;
mod explain;
mod fields;
mod fit;
mod helper;
mod host;
mod input;
mod iterate;
mod layout;
mod link;
mod native;
mod needs;
mod network;
mod process;
mod rules;
mod session;
mod task;
mod view;

pub use check::{
    CheckOptions, Checked, check, check_replacement, check_undecoded, is_sleepable, kernel_log,
    replaced_function,
};
pub use code::{Code, read_code};
pub use event::{Event, EventKind};
pub use explain::{Blame, Explained, explain, explain_log};
pub use fit::{FitError, Kernel, fit, kernel_config};
pub use host::Clock;
pub use input::{InputError, ReadImage, read_each, read_image};
pub use iterate::{IterateError, Over};
pub use link::LoadError;
pub use native::{Engine, NotNative};
pub use needs::{Need, NeedKind, Needs, needs};
pub use network::{
    Connection, Device, Flow, Neighbour, Network, Route, RouteKind, Socket, TcpState, Transform,
    Transport,
};
pub use rules::{Example, RuleText, Written, rule_markdown, rule_text, rules_markdown};
pub use session::{CallError, Options, Outcome, Runs, Session, choose};
pub use skep_abi::Release;
pub use skep_exec::{
    Code as MachineCode, CodeOptions, CompileError, GdbSymbols, JitDump, Line, Processor, Symbol,
    write_perf_map,
};
pub use skep_hooks::{
    Action, CaptureError, DeviceError, Hook, Interface, LinkType, Next, Packet, PacketMeta,
    PacketSink, PacketSource, Progress, SinkError, Verdict,
};
pub use skep_obj::{KernelConfig, Poisoned, Report, Undecoded};
pub use skep_prog::{Image, MapDef, Prog};
pub use skep_verifier as verifier;
pub use skep_vm::{Activation, Fault, Moment, Observer, Task, Value};
pub use view::{Entry, MapView};
