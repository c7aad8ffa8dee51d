//! Programs that cannot be run, in words for people.

use crate::failure::{Failure, Kind};
use crate::file;
use skep::LoadError;
use skep_map::MapError;
use std::path::Path;

/// Why a program of the file cannot be run, and what would help.
pub(crate) fn failure(path: &Path, err: &LoadError) -> Failure {
    let kind = match err {
        LoadError::UnknownProg { .. } | LoadError::WhichProg { .. } => Kind::Usage,
        LoadError::NoHook { .. }
        | LoadError::NoItems { .. }
        | LoadError::Map(MapError::Unsupported { .. })
        | LoadError::Prog(
            skep_vm::LoadError::Helper { .. }
            | skep_vm::LoadError::Kfunc { .. }
            | skep_vm::LoadError::Ksym { .. }
            | skep_vm::LoadError::KernelOnly { .. }
            | skep_vm::LoadError::TooLong { .. },
        ) => Kind::Unsupported,
        _ => Kind::Input,
    };
    let failure = Failure::at(kind, &file::name(path), err);
    match err {
        LoadError::UnknownProg { name, known } => {
            match skep_diag::closest(name, known.iter().map(String::as_str)) {
                Some(near) => failure.help(format!("did you mean --prog {near}?")),
                None => failure,
            }
        }
        LoadError::WhichProg { known } => match known.first() {
            Some(first) => failure.help(format!("add, for example, --prog {first}")),
            None => failure,
        },
        LoadError::NoHook { .. } => {
            failure.help("xdp, tc, socket filter, cgroup_skb, syscall and iter programs are")
        }
        _ => failure,
    }
}
