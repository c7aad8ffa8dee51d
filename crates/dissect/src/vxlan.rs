//! VXLAN (RFC 7348).

use crate::cx::{Cx, Printed};
use crate::ether;

pub(crate) fn print(cx: &mut Cx<'_>, at: usize, len: usize) -> Printed {
    cx.proto = "vxlan";
    cx.s("VXLAN");
    if len < 8 {
        cx.invalid();
        return Ok(());
    }
    let flags = cx.u8(at)?;
    put!(cx, ", flags [{}] (0x{flags:02x}), ", if flags & 8 != 0 { "I" } else { "invalid" });
    put!(cx, "vni {}\n", cx.u24(at + 4)?);
    if !cx.has(at + 7, 1) {
        return Err(crate::cx::Cut);
    }
    let left = cx.left(at + 8);
    ether::print(cx, at + 8, len - 8, left)?;
    Ok(())
}
