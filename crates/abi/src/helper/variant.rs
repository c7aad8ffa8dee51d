//! Prototypes that program types have of their own.
//!
//! Source: the functions that choose a prototype (`*_func_proto`), Linux 6.12 and 7.2, and the prototypes
//! in the memory of 6.18. Where only the C function differs and not what the verifier sees, there is no row.

use super::arg::flag::{OR_NULL, RDONLY, UNINIT, WRITE};
use super::arg::{ArgKind::*, RetKind as R, arg, ret};
use super::{Arg, FASTCALL, GPL, Helper, PACKET, Ret, SLEEPS};
use crate::AttachType::{self, *};
use crate::prog_type::bits::*;
use crate::{ProgType, ProgTypes};

/// What the verifier checks calls against: `struct bpf_func_proto`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proto {
    /// r0.
    pub ret: Ret,
    /// r1 and on.
    pub args: &'static [Arg],
    attrs: u8,
}

impl Proto {
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
}

impl Helper {
    /// The prototype for programs of this type at this place; `None` where they may not call it.
    ///
    /// Some places admit only programs for certain functions, too: [`Helper::only_in`].
    #[must_use]
    pub fn variant(&self, prog_type: ProgType, attach_type: Option<AttachType>) -> Option<Proto> {
        let attach_type = attach_type.or_else(|| prog_type.default_attach());
        let unplaced = attach_type.is_none() && NEED_A_PLACE.contains(&self.name);
        if !self.admits(prog_type, attach_type) || unplaced {
            return None;
        }
        let bit = 1 << prog_type.number();
        let here = |row: &&Variant| {
            row.helper == self.name
                && row.progs & bit != 0
                && (row.at.is_empty() || attach_type.is_some_and(|place| row.at.contains(&place)))
        };
        let own = VARIANTS.iter().find(here).map(|row| row.proto);
        Some(own.unwrap_or(Proto { ret: self.ret, args: self.args, attrs: self.attrs }))
    }
}

/// Programs that name no place name the first, `cgroup_inet_ingress`, and this is not for them.
const NEED_A_PLACE: &[&str] = &["get_retval", "set_retval"];

struct Variant {
    helper: &'static str,
    progs: u64,
    at: &'static [AttachType],
    proto: Proto,
}

const fn variant(
    helper: &'static str,
    progs: u64,
    attrs: u8,
    ret: Ret,
    args: &'static [Arg],
) -> Variant {
    Variant { helper, progs, at: &[], proto: Proto { ret, args, attrs } }
}

impl Variant {
    const fn at(self, at: &'static [AttachType]) -> Self {
        Self { at, ..self }
    }
}

/// Every row, for the page: helper, program types, places, prototype.
pub(crate) fn variants()
-> impl Iterator<Item = (&'static str, ProgTypes, &'static [AttachType], Proto)> {
    VARIANTS.iter().map(|row| (row.helper, ProgTypes::of(row.progs), row.at, row.proto))
}

const INT: Ret = ret(R::Int, 0);
const SOCKET: Arg = arg(BtfIdSockCommon, 0);
/// `ARG_PTR_TO_BTF_ID_OR_NULL` of `struct sock_common`.
const TRACED_SOCKET: Arg = arg(BtfId, OR_NULL).of("sock_common");
const MULTI: &[AttachType] =
    &[TraceKprobeMulti, TraceKprobeSession, TraceUprobeMulti, TraceUprobeSession];
const TUPLE: &[Arg] =
    &[arg(Ctx, 0), arg(Mem, RDONLY), arg(SizeOrZero, 0), arg(Any, 0), arg(Any, 0)];
const OPTION: [Arg; 3] = [SOCKET, arg(Any, 0), arg(Any, 0)];
/// What draws its helpers from `bpf_tracing_func_proto`, and thereby the variant for tracing.
const TRACED: u64 = TRACERS | SYSCALL;
const STORED: u64 =
    TC | CGROUP_SKB | SOCK_OPS | SK_MSG | CGROUP_SOCK_ADDR | CGROUP_SOCKOPT | STRUCT_OPS | LSM;

#[rustfmt::skip]
const VARIANTS: &[Variant] = &[
    variant("get_smp_processor_id", EVERY & !(TRACED | TC | XDP | LWT), 0, INT, &[]),
    variant("get_cgroup_classid", EVERY & !(TC | LWT), 0, INT, &[]),
    variant("get_stackid", PERF_EVENT, 0, INT, &[arg(Ctx, 0), arg(Map, 0), arg(Any, 0)]),
    variant("get_socket_cookie", SK_REUSEPORT | TRACING | LSM | SYSCALL, 0, INT, &[arg(BtfIdSockCommon, OR_NULL)]),
    variant("setsockopt", CGROUP_SOCKOPT | TRACING | STRUCT_OPS | LSM, 0, INT,
        &[OPTION[0], OPTION[1], OPTION[2], arg(Mem, RDONLY), arg(Size, 0)]),
    variant("getsockopt", CGROUP_SOCKOPT | TRACING | STRUCT_OPS | LSM, 0, INT,
        &[OPTION[0], OPTION[1], OPTION[2], arg(Mem, UNINIT | WRITE), arg(Size, 0)]),
    variant("sk_lookup_tcp", CGROUP_SOCK_ADDR, 0, ret(R::Socket, OR_NULL), TUPLE),
    variant("sk_lookup_udp", CGROUP_SOCK_ADDR, 0, ret(R::Socket, OR_NULL), TUPLE),
    variant("skc_lookup_tcp", CGROUP_SOCK_ADDR, 0, ret(R::SockCommon, OR_NULL), TUPLE),
    variant("sk_storage_get", STORED, 0, ret(R::MapValue, OR_NULL),
        &[arg(Map, 0), SOCKET, arg(MapValue, OR_NULL), arg(Any, 0)]),
    variant("sk_storage_get", TRACING | SYSCALL, 0, ret(R::MapValue, OR_NULL),
        &[arg(Map, 0), TRACED_SOCKET, arg(MapValue, OR_NULL), arg(Any, 0)]),
    variant("sk_storage_delete", TRACING | SYSCALL, 0, INT, &[arg(Map, 0), TRACED_SOCKET]),
    variant("sk_assign", SK_LOOKUP, 0, INT, &[arg(Ctx, 0), arg(Socket, OR_NULL), arg(Any, 0)]),
    variant("get_func_ip", KPROBE, 0, INT, &[arg(Ctx, 0)]).at(MULTI),
    variant("xdp_get_buff_len", TRACING | LSM | SYSCALL, 0, INT, &[arg(BtfId, 0).of("xdp_buff")]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helper_id;

    fn first(name: &str, prog: ProgType, attach: Option<AttachType>) -> Option<Arg> {
        let helper = Helper::find(helper_id(name).unwrap()).unwrap();
        helper.variant(prog, attach)?.args.first().copied()
    }

    #[test]
    fn every_variant_is_of_a_helper_that_its_programs_may_call_and_differs() {
        for row in VARIANTS {
            let helper = Helper::find(helper_id(row.helper).unwrap()).unwrap();
            let plain = Proto { ret: helper.ret, args: helper.args, attrs: helper.attrs };
            assert!(row.proto != plain, "{}", row.helper);
            assert!(row.proto.args.len() <= 5, "{}", row.helper);
            assert!(ProgType::ALL.iter().any(|&prog| {
                row.progs >> prog.number() & 1 == 1 && helper.progs.contains(prog)
            }));
        }
    }

    #[test]
    fn the_context_is_replaced_where_programs_have_a_socket() {
        let ctx = Some(arg(Ctx, 0));
        assert_eq!(first("get_socket_cookie", ProgType::SchedCls, None), ctx);
        let sock = Some(arg(BtfIdSockCommon, OR_NULL));
        assert_eq!(first("get_socket_cookie", ProgType::Tracing, Some(TraceFentry)), sock);
        assert_eq!(first("get_socket_cookie", ProgType::Xdp, None), None);
        assert_eq!(first("get_cgroup_classid", ProgType::SchedCls, None), ctx);
        assert_eq!(first("get_cgroup_classid", ProgType::Xdp, None), None);
    }
}
