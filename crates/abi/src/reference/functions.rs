//! Pages of helpers and kernel functions.

use super::{list, since, types};
use crate::{Arg, ArgKind, Helper, Kfunc, ProgType, Ret, RetKind, arg_flag, kfunc_flag};
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt::{self, Write};

const HELPERS: &str = "# Helpers\n\n\
All helpers of Linux 6.18: the release that had each first, what it returns and takes in the verifier's \
words, and who may call it. Program types may have been admitted later than the helper itself. A \
program that replaces a function (`ext`) may call what its target may. *GPL* needs a compatible \
licence, *sleeps* a sleepable program; *packet* takes pointers into the packet as memory, *fast* leaves \
r1 to r5 alone where the JIT knows it.\n\n\
A kernel that may have a helper by backport can be asked: load a program of the type that calls it and \
nothing else. `invalid func` in the log says that it does not have it, `unknown func` or `cannot use \
helper` that programs of this type may not call it; complaints about registers say that they may.\n\n\
| number | helper | since | returns | arguments | | program types |\n|---|---|---|---|---|---|---|\n";

pub(super) fn helpers(out: &mut String) -> fmt::Result {
    out.push_str(HELPERS);
    for helper in Helper::all() {
        let attrs = [
            (helper.is_gpl_only(), "GPL"),
            (helper.may_sleep(), "sleeps"),
            (helper.takes_packet(), "packet"),
            (helper.is_fastcall(), "fast"),
        ];
        let attrs: String = list(attrs.iter().filter(|(is, _)| *is).map(|(_, word)| word));
        let (id, name, since) = (helper.id, helper.name, helper.since);
        let (ret, args) = (ret(&helper.ret), list(helper.args.iter().map(arg)));
        let mut progs = types(helper.progs);
        for prog_type in helper.progs.iter() {
            only_at(&mut progs, helper, prog_type)?;
        }
        writeln!(out, "| {id} | `bpf_{name}` | {since} | {ret} | {args} | {attrs} | {progs} |")?;
    }
    Ok(())
}

/// Where a program type may call a helper only in some places, which.
fn only_at(out: &mut String, helper: &Helper, prog_type: ProgType) -> fmt::Result {
    if helper.only_at(prog_type).next().is_some() {
        write!(out, "; {prog_type} only at {}", list(helper.only_at(prog_type)))?;
    }
    Ok(())
}

pub(super) fn arg(arg: &Arg) -> String {
    let kind = match arg.kind {
        ArgKind::Map => "map",
        ArgKind::MapKey => "key",
        ArgKind::MapValue => "value",
        ArgKind::Mem => "memory",
        ArgKind::Arena => "arena",
        ArgKind::Size => "size",
        ArgKind::SizeOrZero => "size or 0",
        ArgKind::Ctx => "context",
        ArgKind::Any => "any",
        ArgKind::SpinLock => "spin lock",
        ArgKind::SockCommon | ArgKind::BtfIdSockCommon => "socket of any type",
        ArgKind::Socket => "socket",
        ArgKind::BtfId => "structure",
        ArgKind::RingbufMem => "record",
        ArgKind::AllocSizeOrZero => "known size or 0",
        ArgKind::PercpuBtfId => "per-CPU variable",
        ArgKind::Func => "function",
        ArgKind::Stack => "stack",
        ArgKind::ConstStr => "constant string",
        ArgKind::Timer => "timer",
        ArgKind::KptrDest => "kernel pointer",
        ArgKind::Dynptr => "dynptr",
    };
    let fixed = (arg.fixed != 0).then(|| format!("{} bytes", arg.fixed));
    words(kind, arg.ty, arg.flags & !arg_flag::FIXED_SIZE, fixed)
}

pub(super) fn ret(ret: &Ret) -> String {
    let kind = match ret.kind {
        RetKind::Int => "number",
        RetKind::Void => "nothing",
        RetKind::MapValue => "value",
        RetKind::Socket => "socket",
        RetKind::TcpSock => "TCP socket",
        RetKind::SockCommon => "socket of any type",
        RetKind::Mem => "memory",
        RetKind::MemOrBtfId => "memory or structure",
        RetKind::BtfId => "structure",
    };
    words(kind, ret.ty, ret.flags, None)
}

fn words(kind: &str, ty: &str, flags: u32, fixed: Option<String>) -> String {
    let kind = if ty.is_empty() { kind.to_string() } else { format!("`struct {ty}`") };
    let named = arg_flag::NAMES.iter().filter(|(bit, _)| flags & bit != 0);
    let more = fixed.into_iter().chain(named.map(|(_, word)| word.to_string()));
    let more: String = more.collect::<alloc::vec::Vec<_>>().join(" ");
    if more.is_empty() { kind } else { format!("{kind} ({more})") }
}

const KFUNCS: &str = "# Kernel functions\n\n\
Functions of Linux 6.18 that programs may call by BTF (kfuncs). They are no promise: a release may \
change, rename or drop them. *Since* is the release that has the name. Flags are those of the kernel \
(`KF_*`). A kernel has those that its BTF names with the tag `bpf_kfunc`, or a module's BTF does.\n\n\
| group | function | since | flags | program types |\n|---|---|---|---|---|\n";

pub(super) fn kfuncs(out: &mut String) -> fmt::Result {
    out.push_str(KFUNCS);
    for kfunc in Kfunc::all() {
        let flags = kfunc_flag::NAMES.iter().filter(|(bit, _)| kfunc.flags & bit != 0);
        let (flags, progs) = (list(flags.map(|(_, name)| name)), types(kfunc.progs));
        let (group, name, since) = (kfunc.group, kfunc.name, since(kfunc.since));
        writeln!(out, "| {group:?} | `{name}` | {since} | {flags} | {progs} |")?;
    }
    Ok(())
}
