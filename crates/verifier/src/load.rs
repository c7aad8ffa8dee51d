//! What is looked at before any instruction is followed: privileges, place, maps.
//!
//! Kernel: `bpf_prog_load`, `bpf_prog_load_check_attach`, `resolve_pseudo_ldimm64`,
//! `check_map_prog_compatibility`.

use crate::map_info::{MapInfo, RDONLY_PROG};
use crate::record::Record;
use crate::reject::{Fact, Reject, Res, reject};
use crate::rule::Rule;
use crate::verifier::Verifier;
use skep_abi::{Errno, Feature, MapType, ProgType};
use skep_btf::Btf;
use skep_isa::{Call, ImmSrc, Insn, Size, Swap, Width};
use skep_prog::{Image, MapDef};

/// Instructions of a program. Kernel: `BPF_MAXINSNS`, `BPF_COMPLEXITY_LIMIT_INSNS`.
const MAX_LEN: [usize; 2] = [4096, 1_000_000];
/// Maps of a program. Kernel: `MAX_USED_MAPS`.
const MAX_MAPS: usize = 64;

/// Program types that `CAP_NET_ADMIN` is needed for. Kernel: `is_net_admin_prog_type`.
fn needs_net_admin(prog_type: ProgType) -> bool {
    matches!(
        prog_type,
        ProgType::SchedCls
            | ProgType::SchedAct
            | ProgType::Xdp
            | ProgType::LwtIn
            | ProgType::LwtOut
            | ProgType::LwtXmit
            | ProgType::LwtSeg6local
            | ProgType::SkSkb
            | ProgType::SkMsg
            | ProgType::FlowDissector
            | ProgType::CgroupDevice
            | ProgType::CgroupSock
            | ProgType::CgroupSockAddr
            | ProgType::CgroupSockopt
            | ProgType::CgroupSysctl
            | ProgType::SockOps
            | ProgType::Ext
            | ProgType::Netfilter
    )
}

/// Program types that `CAP_PERFMON` is needed for. Kernel: `is_perfmon_prog_type`.
fn needs_perfmon(prog_type: ProgType) -> bool {
    is_tracing(prog_type)
        || matches!(
            prog_type,
            ProgType::Tracing | ProgType::Lsm | ProgType::StructOps | ProgType::Ext
        )
}

/// Kernel: `is_tracing_prog_type`.
pub(crate) fn is_tracing(prog_type: ProgType) -> bool {
    matches!(
        prog_type,
        ProgType::Kprobe
            | ProgType::Tracepoint
            | ProgType::PerfEvent
            | ProgType::RawTracepoint
            | ProgType::RawTracepointWritable
    )
}

/// Map types that sleepable programs may use.
fn may_sleep_with(map_type: MapType) -> bool {
    matches!(
        map_type,
        MapType::Hash
            | MapType::LruHash
            | MapType::Array
            | MapType::PercpuHash
            | MapType::PercpuArray
            | MapType::LruPercpuHash
            | MapType::ArrayOfMaps
            | MapType::HashOfMaps
            | MapType::Ringbuf
            | MapType::UserRingbuf
            | MapType::InodeStorage
            | MapType::SkStorage
            | MapType::TaskStorage
            | MapType::CgrpStorage
            | MapType::Queue
            | MapType::Stack
            | MapType::Arena
    )
}

/// The maps of an image as the verifier sees them, templates of inner maps at the end.
pub(crate) fn maps_of<'a>(
    image: &'a Image,
    btf: Option<&Btf>,
    kernel: Option<&Btf>,
) -> Vec<MapInfo<'a>> {
    let info = |def: &'a MapDef| {
        let rodata = MapInfo::is_rodata(def);
        MapInfo {
            def,
            record: Record::of(btf, kernel, def),
            inner: None,
            flags: def.flags | if rodata { RDONLY_PROG } else { 0 },
            frozen: rodata,
        }
    };
    let mut maps: Vec<_> = image.maps.iter().map(info).collect();
    for at in 0..image.maps.len() {
        if let Some(inner) = image.maps[at].inner.as_deref() {
            maps[at].inner = u32::try_from(maps.len()).ok();
            maps.push(info(inner));
        }
    }
    maps
}

impl Verifier<'_> {
    /// Who may load programs of this type and size.
    pub(crate) fn check_load_permission(&mut self) -> Res<()> {
        let (caps, prog_type) = (self.env.caps, self.prog.prog_type);
        let sys_admin = caps.sys_admin;
        let len = self.insns.len();
        let most = MAX_LEN[usize::from(self.bpf_capable)];
        if len == 0 || len > most {
            let need = format!("1 to {most} instructions, not {len}");
            return Reject::new(Rule::LimitInsns, "").fact(Fact::Required(need)).stop();
        }
        let denied =
            |what: &str| Reject::new(Rule::Privilege, "").fact(Fact::Required(what.into())).stop();
        if !self.bpf_capable && !matches!(prog_type, ProgType::SocketFilter | ProgType::CgroupSkb) {
            return denied("CAP_BPF");
        }
        if needs_net_admin(prog_type) && !caps.net_admin && !sys_admin {
            return denied("CAP_NET_ADMIN");
        }
        if needs_perfmon(prog_type) && !caps.perfmon && !sys_admin {
            return denied("CAP_PERFMON");
        }
        Ok(())
    }

    /// Whether the release has what an instruction is part of.
    pub(crate) fn is_known(&self, insn: &Insn) -> bool {
        self.knows_all
            || Feature::of(insn).all(|feature| feature.since() <= self.env.kernel.release)
    }

    /// Whether the release does not even know the instruction's code.
    fn has_new_code(&self, insn: &Insn) -> bool {
        let is_new = match *insn {
            Insn::JumpReg { .. } | Insn::Call(Call::Reg(_)) => return true,
            Insn::LoadSx { .. }
            | Insn::JumpLong { .. }
            | Insn::Swap { kind: Swap::Always, .. }
            | Insn::MayGoto { .. } => true,
            Insn::JumpIf { width, .. } => width == Width::W32,
            Insn::LoadAcquire { size, .. } | Insn::StoreRelease { size, .. } => {
                matches!(size, Size::B | Size::H)
            }
            _ => false,
        };
        is_new && !self.is_known(insn)
    }

    /// Every opcode is known, every `lddw` names something there is, and the program may use the maps
    /// that it names. Kernel: `resolve_pseudo_ldimm64`.
    pub(crate) fn resolve_maps(&mut self) -> Res<()> {
        let is_concerned = |insn: &Insn| {
            matches!(insn, Insn::LoadImm { .. } | Insn::JumpReg { .. } | Insn::Call(_))
        };
        if self.knows_all && !self.insns.iter().flatten().any(is_concerned) {
            return Ok(());
        }
        let mut used = Vec::new();
        for at in 0..self.insns.len() {
            self.pc = u32::try_from(at).unwrap_or(u32::MAX);
            let imm = match self.insns[at] {
                Some(Insn::LoadImm { imm, .. }) => imm,
                Some(insn) if self.has_new_code(&insn) => {
                    let code = insn.encode().0.code;
                    return Reject::new(Rule::InsnEncoding, format!("unknown opcode {code:02x}"))
                        .errno(Errno::EINVAL)
                        .stop();
                }
                _ => continue,
            };
            let (index, off) = match imm {
                ImmSrc::MapIdx(index) => (index, None),
                ImmSrc::MapIdxValue { idx, at } => (idx, Some(at)),
                _ => continue,
            };
            let Some(map) = usize::try_from(index).ok().filter(|&m| m < self.env.image.maps.len())
            else {
                return Reject::new(
                    Rule::MapUse,
                    format!("fd {index} is not pointing to valid bpf_map"),
                )
                .errno(Errno::EBADF)
                .stop();
            };
            if !used.contains(&map) {
                if used.len() >= MAX_MAPS {
                    return Reject::new(
                        Rule::MapUse,
                        format!("The total number of maps per program has reached the limit of {MAX_MAPS}"),
                    )
                    .errno(Errno::E2BIG)
                    .stop();
                }
                self.check_new_map(map, &used)?;
                used.push(map);
            }
            if let Some(off) = off {
                self.check_direct_value(map, off)?;
            }
        }
        Ok(())
    }

    /// A map that the program names for the first time. Kernel: `check_map_prog_compatibility`.
    fn check_new_map(&self, map: usize, used: &[usize]) -> Res<()> {
        self.check_map_release(map)?;
        let info = &self.maps[map];
        let refuse = |what: &str| {
            let at = u32::try_from(map).unwrap_or(u32::MAX);
            Reject::new(Rule::MapUse, what).fact(Fact::Map(at)).stop()
        };
        let prog_type = self.prog.prog_type;
        let record = &info.record;
        if (record.has_list_head() || record.has_rb_root()) && is_tracing(prog_type) {
            return refuse("tracing progs cannot use bpf_{list_head,rb_root} yet");
        }
        if record.has_spin_lock() || record.has_res_spin_lock() {
            if prog_type == ProgType::SocketFilter {
                return refuse("socket filter progs cannot use bpf_spin_lock yet");
            }
            if is_tracing(prog_type) {
                return refuse("tracing progs cannot use bpf_spin_lock yet");
            }
        }
        if record.has_timer() && is_tracing(prog_type) {
            return refuse("tracing progs cannot use bpf_timer yet");
        }
        if record.has_workqueue() && is_tracing(prog_type) {
            return refuse("tracing progs cannot use bpf_wq yet");
        }
        if info.map_type() == MapType::StructOps {
            return refuse("bpf_struct_ops map cannot be used in prog");
        }
        if self.sleepable && !may_sleep_with(info.map_type()) {
            return refuse(
                "Sleepable programs can only use array, hash, ringbuf and local storage maps",
            );
        }
        let storage = |t| matches!(t, MapType::CgroupStorage | MapType::PercpuCgroupStorage);
        let same = |&other: &usize| self.maps[other].map_type() == info.map_type();
        if storage(info.map_type()) && used.iter().any(same) {
            return refuse("only one cgroup storage of each type is allowed");
        }
        if info.map_type() == MapType::Arena {
            if used.iter().any(same) {
                return refuse("Only one arena per program");
            }
            if !self.allow_ptr_leaks || !self.bpf_capable {
                return refuse("CAP_BPF and CAP_PERFMON are required to use arena");
            }
        }
        Ok(())
    }

    /// An address inside a value. Kernel: `map_direct_value_addr` of the map types.
    fn check_direct_value(&self, map: usize, off: i32) -> Res<()> {
        let info = &self.maps[map];
        let off = off.cast_unsigned();
        if off >= 1 << 29 {
            return reject(Rule::MapUse, format!("direct value offset of {off} is not allowed"));
        }
        match info.map_type() {
            MapType::Array if info.def.max_entries != 1 => Reject::new(
                Rule::MapUse,
                format!(
                    "invalid access to map value pointer, value_size={} off={off}",
                    info.def.value_size
                ),
            )
            .errno(Errno::ENOTSUPP)
            .stop(),
            MapType::Array if off >= info.def.value_size => reject(
                Rule::MapUse,
                format!(
                    "invalid access to map value pointer, value_size={} off={off}",
                    info.def.value_size
                ),
            ),
            MapType::Array => Ok(()),
            MapType::Arena if u64::from(off) >= u64::from(info.def.max_entries) * 4096 => reject(
                Rule::MapUse,
                format!("invalid access to map value pointer, value_size=0 off={off}"),
            ),
            MapType::Arena => Ok(()),
            _ => reject(Rule::MapUse, "no direct value access support for this map type"),
        }
    }

    /// Whether the program names an arena.
    pub(crate) fn has_arena(&self) -> bool {
        self.insns.iter().flatten().any(|insn| {
            let Insn::LoadImm {
                imm: ImmSrc::MapIdx(at) | ImmSrc::MapIdxValue { idx: at, .. }, ..
            } = *insn
            else {
                return false;
            };
            let map = usize::try_from(at).ok().and_then(|at| self.maps.get(at));
            map.is_some_and(|map| map.map_type() == MapType::Arena)
        })
    }
}
