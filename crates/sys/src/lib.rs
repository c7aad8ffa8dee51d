//! Raw bpf(2): one seam that tests can fake.
//!
//! [`Bpf`] is what the kernel engine asks of a kernel; [`Kernel`] is the one this process runs on.
//! Handles are closed when they are dropped. A [`SysError`] says which command failed, with which
//! number, and what this process lacks where that can be told.
//!
//! This crate decides nothing: no definition is checked and no program changed on the way.
//!
//! ```no_run
//! use skep_abi::MapType;
//! use skep_sys::{Bpf, Kernel, MapCreate};
//!
//! let counts = Kernel.map_create(&MapCreate::new("counts", MapType::Hash, 4, 8, 100))?;
//! Kernel.map_update(&counts, &[1, 0, 0, 0], &[7; 8], 0)?;
//! let mut value = [0; 8];
//! Kernel.map_lookup(&counts, &[1, 0, 0, 0], &mut value)?;
//! assert_eq!(value, [7; 8]);
//! # Ok::<(), skep_sys::SysError>(())
//! ```
//!
//! Start reading at [`Bpf`]. Source: `union bpf_attr` in `include/uapi/linux/bpf.h`, Linux 6.18.

mod attr;
mod bpf;
mod caps;
mod cpus;
mod error;
mod kernel;
mod mapping;
mod perf;
mod ring;

pub use bpf::{Bpf, FuncInfo, MapCreate, ProgLoad, TestInput, TestOutput};
pub use cpus::possible_cpus;
pub use error::{Cmd, Need, SysError};
pub use kernel::{AttachTo, BatchEnd, BtfFd, Kernel, MapFd, ProgFd};
pub use perf::{PerfBuffer, PerfRecord};
