//! What programs ask of this process: its memory, paths of its files, ranges of its addresses, and what it sees
//! of its kernel.

use super::status;
use crate::host::Host;
use crate::iterate::shown_area;
use crate::layout::object::path_of_file;
use crate::process;
use skep_abi::Errno;
use skep_btf::{Btf, Kind};
use skep_vm::{Cx, Env as _, FaultKind, Helpers, KernelObject, Stop, task_number};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    let helpers = helpers
        .with(147, "bpf_d_path", d_path)
        .with(148, "bpf_copy_from_user", |cx: &mut Cx<'_, Host>, to: u64, size: u32, from: u64| {
            Ok::<_, Stop>(status(copy_user(cx, to, size, from)?))
        })
        .with(167, "bpf_btf_find_by_name_kind", find_type)
        .with(179, "bpf_kallsyms_lookup_name", look_up_symbol)
        .with(180, "bpf_find_vma", find_area)
        .with(191, "bpf_copy_from_user_task", copy_from_task);
    helpers
        .with_kfunc("bpf_iter_task_vma_new", |cx: &mut Cx<'_, Host>, it, task, addr| {
            let own = task_number(cx, ("bpf_iter_task_vma_new", 2), task)?;
            let own = is_own(cx, own);
            cx.mem.write(it, &if own { addr } else { OVER }.to_le_bytes())?;
            Ok::<_, Stop>(if own { 0 } else { Errno::ENOENT.r0() })
        })
        .with_kfunc("bpf_iter_task_vma_next", next_area)
        .with_kfunc("bpf_iter_task_vma_destroy", |cx: &mut Cx<'_, Host>, it| {
            Ok::<_, Stop>(cx.mem.write(it, &OVER.to_le_bytes())?)
        })
}

/// In place of an address: there are no more.
const OVER: u64 = u64::MAX;

/// Whether a thread is one of this process; of others there is no memory.
fn is_own(cx: &Cx<'_, Host>, tid: u32) -> bool {
    let task = cx.state.task_of(tid);
    cx.state.is_of_process() && task.is_some_and(|task| task.pid == std::process::id())
}

/// The range that a program has not gone over yet. Kernel: `bpf_iter_task_vma_next`.
fn next_area(cx: &mut Cx<'_, Host>, it: u64) -> Result<u64, Stop> {
    let mut from = [0; 8];
    cx.mem.read(it, &mut from)?;
    let from = u64::from_le_bytes(from);
    let area = process::areas().into_iter().find(|area| from != OVER && area.end > from);
    let after = area.as_ref().map_or(OVER, |area| area.end);
    cx.mem.write(it, &after.to_le_bytes())?;
    Ok(area.map_or(0, |area| shown_area(cx, &area)))
}

/// Calls back with the range that an address is in. Kernel: `bpf_find_vma`.
fn find_area(
    cx: &mut Cx<'_, Host>,
    task: u64,
    addr: u64,
    callback: u64,
    arg: u64,
    flags: u64,
) -> Result<u64, Stop> {
    if flags != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    let tid = match task {
        0 => return Ok(Errno::ENOENT.r0()),
        _ => task_number(cx, ("bpf_find_vma", 1), task)?,
    };
    let area = process::areas().into_iter().find(|area| (area.start..area.end).contains(&addr));
    let Some(area) = area.filter(|_| is_own(cx, tid)) else { return Ok(Errno::ENOENT.r0()) };
    let area = shown_area(cx, &area);
    cx.call(callback, [task, area, arg, 0, 0])?;
    Ok(0)
}

/// Copies memory of the program's, or of this process where the program is shown its addresses. Kernel:
/// `bpf_copy_from_user`.
fn copy_user(
    cx: &mut Cx<'_, Host>,
    to: u64,
    size: u32,
    from: u64,
) -> Result<Result<(), Errno>, Stop> {
    let found = match cx.mem.read_vec(from, size.into()) {
        Ok(bytes) => Ok(bytes),
        Err(_) if cx.state.is_of_process() => own_memory(from, size),
        Err(_) => Err(Errno::EFAULT),
    };
    match found {
        Ok(bytes) => {
            cx.mem.write(to, &bytes)?;
            Ok(Ok(()))
        }
        Err(errno) => {
            cx.mem.zero(to, size.into())?;
            Ok(Err(errno))
        }
    }
}

/// Bytes copied at once at most: sizes come from programs.
const MAX_COPY: u32 = 1 << 20;

fn own_memory(from: u64, size: u32) -> Result<Vec<u8>, Errno> {
    if size > MAX_COPY {
        return Err(Errno::EFAULT);
    }
    let mut bytes = vec![0; size as usize];
    process::memory(from, &mut bytes).map(|()| bytes).map_err(|_| Errno::EFAULT)
}

/// Kernel: `bpf_copy_from_user_task`.
fn copy_from_task(
    cx: &mut Cx<'_, Host>,
    to: u64,
    size: u32,
    from: u64,
    task: u64,
    flags: u64,
) -> Result<u64, Stop> {
    if flags != 0 {
        return Ok(Errno::EINVAL.r0());
    }
    let tid = task_number(cx, ("bpf_copy_from_user_task", 4), task)?;
    if size == 0 {
        return Ok(0);
    }
    match own_memory(from, size)
        .and_then(|bytes| is_own(cx, tid).then_some(bytes).ok_or(Errno::EFAULT))
    {
        Ok(bytes) => {
            cx.mem.write(to, &bytes)?;
            Ok(0)
        }
        Err(errno) => {
            cx.mem.zero(to, size.into())?;
            Ok(errno.r0())
        }
    }
}

/// The path of a file, as text with its NUL; how long that is. Kernel: `bpf_d_path`.
fn d_path(cx: &mut Cx<'_, Host>, path: u64, to: u64, size: u32) -> Result<u64, Stop> {
    let at = cx.state.kernel.as_deref().and_then(path_of_file);
    let number = match cx.object_around(path) {
        Some((KernelObject::File(number), found)) if Some(found) == at => number,
        _ => {
            let (helper, wants) = ("bpf_d_path".into(), "the path of a file");
            return Err(FaultKind::Argument { helper, arg: 1, wants, value: path }.into());
        }
    };
    let path = cx.state.paths.get(&number).map(|path| path.as_os_str().as_encoded_bytes());
    let text: Vec<u8> = path.unwrap_or_default().iter().copied().chain([0]).collect();
    if size == 0 {
        return Ok(0);
    }
    if text.len() > size as usize {
        return Ok(Errno::ENAMETOOLONG.r0());
    }
    cx.mem.write(to, &text)?;
    Ok(text.len() as u64)
}

/// A name that a program gives with its NUL, as `bpf_btf_find_by_name_kind` and `bpf_kallsyms_lookup_name` take it.
fn name(
    cx: &Cx<'_, Host>,
    addr: u64,
    size: i32,
    flags: u64,
) -> Result<Result<String, Errno>, Stop> {
    let Some(size) = u32::try_from(size).ok().filter(|&size| size > 1 && flags == 0) else {
        return Ok(Err(Errno::EINVAL));
    };
    let mut bytes = cx.mem.read_vec(addr, size.into())?;
    if bytes.pop() != Some(0) {
        return Ok(Err(Errno::EINVAL));
    }
    bytes.truncate(bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()));
    Ok(String::from_utf8(bytes).map_err(|_| Errno::ENOENT))
}

/// The number of a type of the kernel that the program has been fitted to. Kernel: `bpf_btf_find_by_name_kind`.
fn find_type(
    cx: &mut Cx<'_, Host>,
    addr: u64,
    size: i32,
    kind: u32,
    flags: u64,
) -> Result<u64, Stop> {
    let name = match name(cx, addr, size, flags)? {
        Ok(name) => name,
        Err(errno) => return Ok(errno.r0()),
    };
    let found = |btf: &Btf| btf.find(&name, Kind::from_number(kind)?).map(|ty| ty.id.0);
    let id = cx.state.kernel.as_deref().and_then(found);
    Ok(id.map_or(Errno::ENOENT.r0(), u64::from))
}

/// The address of a symbol of the running kernel. Kernel: `bpf_kallsyms_lookup_name`.
fn look_up_symbol(
    cx: &mut Cx<'_, Host>,
    addr: u64,
    size: i32,
    flags: u64,
    to: u64,
) -> Result<u64, Stop> {
    let name = match name(cx, addr, size, flags)? {
        Ok(name) => name,
        Err(errno) => return Ok(errno.r0()),
    };
    let symbols = process::symbols();
    // Whoever may not see addresses sees zeroes.
    if symbols.iter().all(|symbol| symbol.value == 0) {
        return Ok(Errno::EPERM.r0());
    }
    let value = symbols.iter().find(|symbol| symbol.name == name).map_or(0, |symbol| symbol.value);
    cx.mem.write(to, &value.to_le_bytes())?;
    Ok(if value == 0 { Errno::ENOENT.r0() } else { 0 })
}
