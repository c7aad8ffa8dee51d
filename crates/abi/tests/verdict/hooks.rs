//! Every place that a program can be loaded for, with what the kernel wants to hear of it.

use crate::code::{exit, mov};
use crate::kernel::Load;
use skep_abi::AttachType::{self, *};
use skep_abi::{Ops, ProgType};
use skep_btf::{Body, Btf, Kind, TypeId};
use std::fs;
use std::sync::OnceLock;

/// `BPF_F_SLEEPABLE`
pub(crate) const SLEEPABLE: u32 = 1 << 4;

/// A place.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) prog_type: ProgType,
    pub(crate) attach: Option<AttachType>,
    pub(crate) btf_id: u32,
    pub(crate) flags: u32,
    /// The function whose arguments the context is, and how many of them come before.
    pub(crate) func: Option<(TypeId, usize)>,
    pub(crate) name: String,
}

impl Hook {
    fn plain(prog_type: ProgType, attach: Option<AttachType>) -> Self {
        let place = attach.map_or(String::new(), |attach| format!(" {attach}"));
        let name = format!("{prog_type}{place}");
        Self { prog_type, attach, btf_id: 0, flags: 0, func: None, name }
    }

    /// The program with this code for this place.
    pub(crate) fn with<'a>(&self, insns: &'a [[u8; 8]]) -> Load<'a> {
        Load {
            prog_type: self.prog_type.number(),
            attach_type: self.attach.map_or(0, AttachType::number),
            attach_btf_id: self.btf_id,
            flags: self.flags,
            insns,
            license: "GPL",
        }
    }

    /// A result that the kernel takes at exit; `None` if no program loads here.
    fn result(&self) -> Option<i32> {
        [1, 0].into_iter().find(|&r0| self.with(&[mov(0, r0), exit()]).verdict().is_ok())
    }
}

/// The function or structure that a program is for, and the member of the structure.
pub(crate) fn target(hook: &Hook) -> (&str, Option<&str>) {
    let mut words = hook.name.split(' ').filter(|word| *word != "sleepable");
    let last = words.next_back().unwrap_or_default();
    if hook.prog_type == ProgType::StructOps {
        (words.next_back().unwrap_or_default(), Some(last))
    } else {
        (last, None)
    }
}

/// The running kernel's types.
pub(crate) fn vmlinux() -> &'static Btf {
    static TYPES: OnceLock<Btf> = OnceLock::new();
    TYPES.get_or_init(|| {
        let bytes = fs::read("/sys/kernel/btf/vmlinux").expect("a kernel with types");
        Btf::parse(&bytes).expect("types of the kernel that can be read")
    })
}

/// Hooks where programs load, with a result for each.
pub(crate) fn places() -> &'static [(Hook, i32)] {
    static PLACES: OnceLock<Vec<(Hook, i32)>> = OnceLock::new();
    PLACES.get_or_init(|| {
        let hooks = hooks(vmlinux()).into_iter();
        hooks.filter_map(|hook| hook.result().map(|r0| (hook, r0))).collect()
    })
}

fn number(id: TypeId) -> u32 {
    id.0
}

/// All of them that this kernel can have, those that it refuses included.
fn hooks(btf: &Btf) -> Vec<Hook> {
    let mut out = Vec::new();
    for &prog_type in ProgType::ALL {
        let info = prog_type.info();
        let typed = matches!(
            prog_type,
            ProgType::Unspec
                | ProgType::Tracing
                | ProgType::StructOps
                | ProgType::Ext
                | ProgType::Lsm
        );
        if typed {
            continue;
        }
        out.push(Hook::plain(prog_type, None));
        out.extend(info.attach.iter().map(|&attach| Hook::plain(prog_type, Some(attach))));
    }
    for hook in out.iter_mut().filter(|hook| hook.prog_type == ProgType::Syscall) {
        hook.flags = SLEEPABLE;
    }
    out.extend(typed_hooks(btf));
    out
}

fn typed_hooks(btf: &Btf) -> Vec<Hook> {
    let mut out = Vec::new();
    let mut add = |prog_type: ProgType, attach, name: &str, flags| {
        let Some(func) = btf.find(name, Kind::Func) else { return };
        let Body::Func { proto, .. } = func.body else { return };
        let sleep = if flags == 0 { "" } else { " sleepable" };
        out.push(Hook {
            prog_type,
            attach: Some(attach),
            btf_id: number(func.id),
            flags,
            func: Some((proto, 0)),
            name: format!("{prog_type} {attach} {name}{sleep}"),
        });
    };
    for flags in [0, SLEEPABLE] {
        for test in ["bpf_fentry_test1", "bpf_fentry_test3", "bpf_fentry_test6", "bpf_fentry_test7"]
        {
            add(ProgType::Tracing, TraceFentry, test, flags);
            add(ProgType::Tracing, TraceFexit, test, flags);
        }
    }
    add(ProgType::Tracing, ModifyReturn, "bpf_modify_return_test", 0);
    for (iter, flags) in [
        ("task", 0),
        ("task", SLEEPABLE),
        ("task_file", 0),
        ("tcp", 0),
        ("udp", 0),
        ("unix", 0),
        ("bpf_map", 0),
        ("bpf_map_elem", 0),
        ("bpf_sk_storage_map", 0),
        ("sockmap", 0),
        ("cgroup", 0),
        ("netlink", 0),
        ("ksym", 0),
        ("dmabuf", 0),
        ("bpf_prog", 0),
        ("bpf_link", 0),
        ("task_vma", 0),
        ("ipv6_route", 0),
        ("kmem_cache", 0),
    ] {
        add(ProgType::Tracing, TraceIter, &format!("bpf_iter_{iter}"), flags);
    }
    for hook in
        ["file_open", "bprm_committed_creds", "task_free", "file_alloc_security", "inode_getattr"]
    {
        for flags in [0, SLEEPABLE] {
            add(ProgType::Lsm, LsmMac, &format!("bpf_lsm_{hook}"), flags);
        }
    }
    for hook in
        ["socket_bind", "socket_post_create", "sk_alloc_security", "inet_csk_clone", "sock_graft"]
    {
        add(ProgType::Lsm, LsmCgroup, &format!("bpf_lsm_{hook}"), 0);
    }
    for tp in ["sched_switch", "sched_process_exit", "sys_enter", "kfree_skb", "tcp_retransmit_skb"]
    {
        let Some(ty) = btf.find(&format!("btf_trace_{tp}"), Kind::Typedef) else { continue };
        let Body::Typedef(ptr) = ty.body else { continue };
        let Some(Body::Ptr(proto)) = btf.get(ptr).map(|ty| ty.body) else { continue };
        out.push(Hook {
            prog_type: ProgType::Tracing,
            attach: Some(TraceRawTp),
            btf_id: number(ty.id),
            flags: 0,
            func: Some((proto, 1)),
            name: format!("tracing trace_raw_tp {tp}"),
        });
    }
    out.extend(Ops::all().iter().flat_map(|ops| struct_ops(btf, ops.name)));
    out
}

/// One hook per member of the structure that points to a function.
pub(crate) fn struct_ops(btf: &Btf, name: &str) -> Vec<Hook> {
    let Some(ops) = btf.find(name, Kind::Struct) else { return Vec::new() };
    let Body::Struct { members, .. } = ops.body else { return Vec::new() };
    let mut out = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let Some(Body::Ptr(proto)) = btf.resolve(member.ty).map(|ty| ty.body) else { continue };
        let Some(Body::FuncProto { .. }) = btf.resolve(proto).map(|ty| ty.body) else { continue };
        out.push(StructOp { index, proto }.hook(ops.id, name, member.name));
    }
    out
}

struct StructOp {
    index: usize,
    proto: TypeId,
}

impl StructOp {
    fn hook(self, ops: TypeId, of: &str, member: &str) -> Hook {
        Hook {
            prog_type: ProgType::StructOps,
            attach: AttachType::from_number(u32::try_from(self.index).unwrap()),
            btf_id: number(ops),
            flags: 0,
            func: Some((self.proto, 0)),
            name: format!("struct_ops {of} {member}"),
        }
    }
}
