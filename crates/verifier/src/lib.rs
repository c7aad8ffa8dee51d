//! Decides whether a program is safe, as the Linux kernel decides, and says why not.
//!
//! [`verify`] takes a [`Prog`](skep_prog::Prog) and what the caller promises of the place where it will
//! run ([`Env`]), and answers with a [`Verdict`]: accepted, with [`Verified`] as proof that opens the way
//! to unchecked execution; rejected, with the broken [`Rule`], the place and the facts; or unsupported,
//! where a program uses what is not modelled. It never guesses.
//!
//! ```
//! use skep_abi::{ProgType, Release};
//! use skep_prog::{Image, Prog};
//! use skep_verifier::{Env, Kernel, Verdict, verify};
//!
//! let insns = skep_asm::assemble("r0 = r2\nexit").unwrap();
//! let prog = Prog::new("p", ProgType::Xdp, insns);
//! let image = Image::default();
//! let kernel = Kernel::new(Release { major: 6, minor: 18 });
//! let Verdict::Rejected(rejection) = verify(&prog, &Env::new(&image, kernel)) else { panic!() };
//! assert_eq!(rejection.reject.rule.name(), "reg.uninit");
//! assert_eq!(rejection.reject.kernel, "R2 !read_ok");
//! ```
//!
//! Start reading at `explore.rs` (the search over paths), then `step.rs` (one instruction), then the
//! rule in question. `visited.rs`, `equal.rs` and `precision.rs` are what makes the search end.
//! Sources: `kernel/bpf/verifier.c` and its parts, `Documentation/bpf/verifier.rst`, Linux 6.12 to 7.2;
//! the decisions are those of 6.18.
#![forbid(unsafe_code)]

mod alu;
mod attach;
mod aux;
mod btf_ref;
mod call;
mod cfg;
mod change;
mod ctx_type;
mod dynptr;
mod encoding;
mod env;
mod equal;
mod explore;
mod fastcall;
mod flow;
mod frame;
mod graph;
mod history;
mod irq;
mod iter;
mod jump;
mod kept;
mod kfunc;
mod linked;
mod live_regs;
mod load;
mod load_imm;
mod lock;
mod log;
mod map_info;
mod mem;
mod null;
mod packet_range;
mod paged;
mod precision;
mod ptr_alu;
mod record;
mod refs;
mod reg;
mod reject;
mod release;
mod replace;
mod ret;
mod rule;
mod run;
mod sanitize;
mod stack_depth;
mod stack_live;
mod state;
mod step;
mod subprog;
mod subprog_args;
mod trace;
mod type_name;
mod verdict;
mod verifier;
mod visited;
mod waiting;
mod ways;
mod workspace;

pub use btf_ref::BtfRef;
pub use encoding::kernel_on_encoding;
pub use env::{Arch, Caps, Env, Kernel, LoadFlags, Lockdown};
pub use frame::{Byte, Slot};
pub use log::{LogError, LoggedRejection, kernel_figures, kernel_log, read_log};
pub use reg::{Base, DynptrKind, Extra, IrqClass, IterState, RegState, RegType, flag as reg_flag};
pub use reject::{Fact, Reject};
pub use replace::Target;
pub use rule::Rule;
pub use run::{verify, watch};
pub use trace::{Step, trace};
pub use verdict::{Rejection, Stats, Symbol, Through, Unsupported, Verdict, Verified};
