//! What a failed command says.

use crate::caps;
use core::fmt;
use skep_abi::{Errno, ProgType};

/// A command of bpf(2), or a system call beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the kernel's names")]
pub enum Cmd {
    MapCreate,
    MapLookupElem,
    MapUpdateElem,
    MapDeleteElem,
    MapGetNextKey,
    ProgLoad,
    ProgTestRun,
    BtfLoad,
    MapLookupAndDeleteElem,
    MapFreeze,
    MapLookupBatch,
    MapLookupAndDeleteBatch,
    MapUpdateBatch,
    MapDeleteBatch,
    /// mmap(2) of a buffer.
    Mmap,
    /// perf_event_open(2)
    PerfEventOpen,
}

impl Cmd {
    /// `enum bpf_cmd`; -1 for what is no command of bpf(2).
    pub(crate) const fn number(self) -> libc::c_long {
        match self {
            Self::MapCreate => 0,
            Self::MapLookupElem => 1,
            Self::MapUpdateElem => 2,
            Self::MapDeleteElem => 3,
            Self::MapGetNextKey => 4,
            Self::ProgLoad => 5,
            Self::ProgTestRun => 10,
            Self::BtfLoad => 18,
            Self::MapLookupAndDeleteElem => 21,
            Self::MapFreeze => 22,
            Self::MapLookupBatch => 24,
            Self::MapLookupAndDeleteBatch => 25,
            Self::MapUpdateBatch => 26,
            Self::MapDeleteBatch => 27,
            Self::Mmap | Self::PerfEventOpen => -1,
        }
    }
}

impl fmt::Display for Cmd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MapCreate => "BPF_MAP_CREATE",
            Self::MapLookupElem => "BPF_MAP_LOOKUP_ELEM",
            Self::MapUpdateElem => "BPF_MAP_UPDATE_ELEM",
            Self::MapDeleteElem => "BPF_MAP_DELETE_ELEM",
            Self::MapGetNextKey => "BPF_MAP_GET_NEXT_KEY",
            Self::ProgLoad => "BPF_PROG_LOAD",
            Self::ProgTestRun => "BPF_PROG_TEST_RUN",
            Self::BtfLoad => "BPF_BTF_LOAD",
            Self::MapLookupAndDeleteElem => "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
            Self::MapFreeze => "BPF_MAP_FREEZE",
            Self::MapLookupBatch => "BPF_MAP_LOOKUP_BATCH",
            Self::MapLookupAndDeleteBatch => "BPF_MAP_LOOKUP_AND_DELETE_BATCH",
            Self::MapUpdateBatch => "BPF_MAP_UPDATE_BATCH",
            Self::MapDeleteBatch => "BPF_MAP_DELETE_BATCH",
            Self::Mmap => "mmap",
            Self::PerfEventOpen => "perf_event_open",
        })
    }
}

/// What would let a command succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// This process lacks the capability.
    Capability(&'static str),
    /// The kernel was built without bpf(2), or what runs this process hides it.
    Syscall,
    /// The process has the capabilities, so something else forbids it: seccomp, a security module,
    /// lockdown.
    Permission,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capability(name) => write!(f, "this process lacks {name}"),
            Self::Syscall => f.write_str("there is no bpf(2) here"),
            Self::Permission => {
                f.write_str("forbidden in spite of capabilities, by seccomp or a security module")
            }
        }
    }
}

/// A command that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SysError {
    /// The command.
    pub op: Cmd,
    /// Its error.
    pub errno: Errno,
    /// What is missing, where that can be told.
    pub needs: Option<Need>,
    /// The verifier's log; empty if none was asked for.
    pub log: String,
}

impl SysError {
    /// An error, and what is missing where that can be told from this process.
    #[must_use]
    pub fn new(op: Cmd, errno: Errno) -> Self {
        Self { op, errno, needs: need(errno, &[caps::BPF]), log: String::new() }
    }

    /// The same for the loading of a program, for which some types need more.
    pub(crate) fn of_load(self, prog_type: ProgType, log: String) -> Self {
        let needs = need(self.errno, caps::of_prog(prog_type));
        Self { needs, log, ..self }
    }
}

fn need(errno: Errno, wanted: &[caps::Cap]) -> Option<Need> {
    const ENOSYS: i32 = libc::ENOSYS;
    match errno {
        Errno::EPERM => Some(match caps::missing(wanted) {
            Some(name) => Need::Capability(name),
            None => Need::Permission,
        }),
        errno if errno.number() == ENOSYS => Some(Need::Syscall),
        _ => None,
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.op, self.errno)?;
        if let Some(needs) = &self.needs {
            write!(f, "; {needs}")?;
        }
        Ok(())
    }
}

impl core::error::Error for SysError {}
