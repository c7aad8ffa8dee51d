//! Helpers: names, numbers, prototypes, callers.
//!
//! Source: `enum bpf_func_id` in `include/uapi/linux/bpf.h`, the `struct bpf_func_proto` of each helper
//! and what the verifier admits, Linux 6.18.

mod admission;
mod arg;
mod callback;
mod effect;
mod gate;
mod only;
mod table;
mod variant;

use crate::{AttachType, ProgType, ProgTypes, Release};
pub use admission::Admission;
pub(crate) use admission::later;
pub use arg::{Arg, ArgKind, Ret, RetKind, flag as arg_flag};
pub use callback::{Callback, CallbackArg, ResultBound};
pub use effect::Calls;
pub use gate::{Cap, Lockdown};
pub(crate) use gate::{capabilities, configurations};
pub use only::Only;
pub(crate) use only::only;
pub use variant::Proto;
pub(crate) use variant::variants;

/// What the kernel says of a helper.
///
/// Where program types have prototypes of their own (the socket in place of the context, say), this is
/// the first that the kernel had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Helper {
    /// Number in a call instruction.
    pub id: u32,
    /// Without `bpf_`.
    pub name: &'static str,
    /// First release that has it; program types may have been admitted later.
    pub since: Release,
    /// r0.
    pub ret: Ret,
    /// r1 and on.
    pub args: &'static [Arg],
    /// Program types that may call it.
    pub progs: ProgTypes,
    only: &'static [AttachType],
    attrs: u8,
}

const GPL: u8 = 1;
const PACKET: u8 = 2;
const SLEEPS: u8 = 4;
const FASTCALL: u8 = 8;

impl Helper {
    /// The helper with this number; `None` for 0 and where Linux has none.
    #[must_use]
    pub fn find(id: u32) -> Option<&'static Self> {
        table::HELPERS.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    /// All, by number.
    #[must_use]
    pub const fn all() -> &'static [Self] {
        table::HELPERS
    }

    /// Whether programs need a licence compatible with the GPL.
    #[must_use]
    pub const fn is_gpl_only(&self) -> bool {
        self.attrs & GPL != 0
    }

    /// Whether pointers into the packet may be passed as memory.
    #[must_use]
    pub const fn takes_packet(&self) -> bool {
        self.attrs & PACKET != 0
    }

    /// Whether only sleepable programs may call it.
    #[must_use]
    pub const fn may_sleep(&self) -> bool {
        self.attrs & SLEEPS != 0
    }

    /// Whether r1 to r5 may keep their values (`bpf_fastcall`).
    #[must_use]
    pub const fn is_fastcall(&self) -> bool {
        self.attrs & FASTCALL != 0
    }

    /// Whether a program of this type, for this place, may call it.
    #[must_use]
    pub fn admits(&self, prog_type: ProgType, attach_type: Option<AttachType>) -> bool {
        let mut listed = self.only_at(prog_type).peekable();
        self.progs.contains(prog_type)
            && (listed.peek().is_none() || listed.any(|attach| Some(attach) == attach_type))
    }

    /// The places of this program type where it may be called; none if that does not matter.
    pub fn only_at(&self, prog_type: ProgType) -> impl Iterator<Item = AttachType> {
        self.only.iter().copied().filter(move |attach| prog_type.info().attach.contains(attach))
    }
}

#[expect(clippy::too_many_arguments, reason = "columns of the table")]
const fn helper(
    id: u32,
    name: &'static str,
    since: Release,
    attrs: u8,
    ret: Ret,
    args: &'static [Arg],
    progs: u64,
    only: &'static [AttachType],
) -> Helper {
    Helper { id, name, since, ret, args, progs: ProgTypes::of(progs), only, attrs }
}

/// Name of the helper without its `bpf_` prefix: `map_lookup_elem` for 1. `None` where Linux has none.
#[must_use]
pub fn helper_name(id: u32) -> Option<&'static str> {
    Helper::find(id).map(|helper| helper.name)
}

/// Number of the helper with this name, with or without `bpf_`.
#[must_use]
pub fn helper_id(name: &str) -> Option<u32> {
    let name = name.strip_prefix("bpf_").unwrap_or(name);
    Helper::all().iter().find(|helper| helper.name == name).map(|helper| helper.id)
}

/// Names by number, 0 (`unspec`) included.
pub const HELPERS: [&str; 212] = {
    let mut names = ["unspec"; 212];
    let mut id = 1;
    while id < names.len() {
        names[id] = table::HELPERS[id - 1].name;
        id += 1;
    }
    names
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AttachType::*;

    #[test]
    fn names_and_numbers_are_inverse() {
        for id in 1..HELPERS.len() {
            let id = u32::try_from(id).unwrap();
            assert_eq!(helper_id(helper_name(id).unwrap()), Some(id));
        }
        assert_eq!(helper_id("bpf_map_lookup_elem"), Some(1));
        assert_eq!(helper_name(0), None);
        assert_eq!(helper_name(u32::MAX), None);
    }

    #[test]
    fn rows_stand_by_number_and_by_release() {
        assert_eq!(Helper::all().len(), 211);
        for (at, helper) in Helper::all().iter().enumerate() {
            assert_eq!(helper.id as usize, at + 1, "{}", helper.name);
            assert!(helper.args.len() <= 5, "{}", helper.name);
            assert!(helper.progs.iter().next().is_some(), "{}", helper.name);
        }
        assert!(Helper::all().is_sorted_by_key(|helper| helper.since));
    }

    #[test]
    fn sizes_follow_memory_and_fixed_sizes_are_given() {
        for helper in Helper::all() {
            for (at, arg) in helper.args.iter().enumerate() {
                let size = matches!(arg.kind, ArgKind::Size | ArgKind::SizeOrZero);
                let mem = at.checked_sub(1).map(|before| helper.args[before].kind);
                assert!(!size || mem == Some(ArgKind::Mem), "{}", helper.name);
                assert_eq!(
                    arg.flags & arg_flag::FIXED_SIZE != 0,
                    arg.fixed != 0,
                    "{}",
                    helper.name
                );
            }
        }
    }

    #[test]
    fn admission_depends_on_type_and_place() {
        let admits = |name, prog_type, attach| {
            Helper::find(helper_id(name).unwrap()).unwrap().admits(prog_type, attach)
        };
        assert!(admits("xdp_adjust_head", ProgType::Xdp, None));
        assert!(!admits("xdp_adjust_head", ProgType::SchedCls, None));
        assert!(admits("bind", ProgType::CgroupSockAddr, Some(CgroupInet4Connect)));
        assert!(!admits("bind", ProgType::CgroupSockAddr, Some(CgroupInet4Bind)));
        assert!(admits("seq_write", ProgType::Tracing, Some(TraceIter)));
        assert!(!admits("seq_write", ProgType::Tracing, Some(TraceFentry)));
        assert!(!admits("map_lookup_elem", ProgType::Unspec, None));
    }
}
