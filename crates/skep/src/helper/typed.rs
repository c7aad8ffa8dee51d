//! Values printed by the kernel's types.

use crate::host::Host;
use skep_abi::Errno;
use skep_btf::{PrintFlags, TypeId};
use skep_vm::{Cx, Helpers, Stop};

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    helpers.with(149, "bpf_snprintf_btf", print)
}

/// `struct btf_ptr`: an address, a type, and flags that mean nothing yet.
const BTF_PTR: u32 = 16;

/// Kernel: `bpf_snprintf_btf`.
fn print(
    cx: &mut Cx<'_, Host>,
    to: u64,
    size: u32,
    what: u64,
    what_size: u32,
    flags: u64,
) -> Result<u64, Stop> {
    let kernel = cx.state.kernel.clone();
    let (Some(flags), BTF_PTR, Some(kernel)) = (PrintFlags::new(flags), what_size, kernel) else {
        return Ok(Errno::EINVAL.r0());
    };
    let mut given = [0; 16];
    cx.mem.read(what, &mut given)?;
    let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = given;
    let addr = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let id = u32::from_le_bytes([i, j, k, l]);
    if id.cast_signed() <= 0 {
        return Ok(Errno::EINVAL.r0());
    }
    if kernel.get(TypeId(id)).is_none() {
        return Ok(Errno::ENOENT.r0());
    }
    let len = kernel.size_of(TypeId(id)).unwrap_or(0);
    let Ok(bytes) = cx.mem.read_vec(addr, len.into()) else { return Ok(Errno::EFAULT.r0()) };
    let Some(text) = kernel.print(TypeId(id), &bytes, flags) else {
        return Ok(Errno::E2BIG.r0());
    };
    let Some(room) = (size as usize).checked_sub(1) else { return Ok(text.len() as u64) };
    let mut shown = text.get(..room).unwrap_or(&text).to_vec();
    shown.push(0);
    cx.mem.write(to, &shown)?;
    Ok(text.len() as u64)
}
