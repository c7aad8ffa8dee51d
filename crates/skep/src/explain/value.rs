//! Values in words.

use skep_abi::MapType;
use skep_prog::Image;
use skep_verifier::{Base, Extra, RegState};

/// A value in terms of the program.
pub(super) fn describe(image: &Image, reg: &RegState) -> String {
    if reg.ty.base == Base::Scalar {
        return number(reg);
    }
    let null = if reg.ty.may_be_null() { ", or null" } else { "" };
    let map = |map: u32| {
        let def = usize::try_from(map).ok().and_then(|at| image.maps.get(at));
        def.map(|def| def.name.as_str()).filter(|name| !name.is_empty()).unwrap_or("a map")
    };
    let what = match (reg.ty.base, reg.extra) {
        (Base::NotInit, _) => return "not initialised".into(),
        (Base::Ctx, _) => "the context".into(),
        (Base::ConstMap, Extra::Map { map: at, .. }) => format!("the map {}", map(at)),
        (Base::MapValue, Extra::Map { map: at, .. }) => format!("a value of {}", map(at)),
        (Base::MapValue, _) => "a value of a map".into(),
        (Base::MapKey, Extra::Map { map: at, .. }) => format!("a key of {}", map(at)),
        (Base::Stack, _) => "the stack".into(),
        (Base::Packet, _) => "the packet".into(),
        (Base::PacketMeta, _) => "the packet's metadata".into(),
        (Base::PacketEnd, _) => "the end of the packet".into(),
        (Base::Mem, Extra::Mem(size)) => format!("{size} bytes of memory"),
        (Base::Socket | Base::SockCommon | Base::TcpSock | Base::XdpSock, _) => "a socket".into(),
        _ => reg.ty.kernel_name(),
    };
    format!("{what}{}{null}", offset(reg))
}

/// The memory that a pointer leads to, without the offset.
pub(super) fn region(image: &Image, reg: &RegState) -> String {
    let whole = RegState {
        off: 0,
        num: RegState::constant(0).num,
        ty: reg.ty.without(skep_verifier::reg_flag::MAYBE_NULL),
        ..*reg
    };
    if reg.is_scalar() { "memory".into() } else { describe(image, &whole) }
}

/// The offset of a pointer.
fn offset(reg: &RegState) -> String {
    let fixed = i64::from(reg.off);
    match reg.num.is_const() {
        Some(var) => match fixed.wrapping_add(var.cast_signed()) {
            0 => String::new(),
            sum if sum < 0 => format!(" - {}", sum.unsigned_abs()),
            sum => format!(" + {sum}"),
        },
        None => {
            let low = fixed.saturating_add(reg.num.smin);
            let high = fixed.saturating_add(reg.num.smax);
            if reg.num.smin < i64::MIN / 2 && reg.num.smax > i64::MAX / 2 {
                " + any number".into()
            } else {
                format!(" + {low}..={high}")
            }
        }
    }
}

/// A number's range.
fn number(reg: &RegState) -> String {
    let num = &reg.num;
    if let Some(value) = num.is_const() {
        let signed = value.cast_signed();
        return if signed.unsigned_abs() < 1 << 32 {
            signed.to_string()
        } else {
            format!("{value:#x}")
        };
    }
    if num.smin >= 0 && num.umax < u64::MAX {
        return format!("a number of {}..={}", num.umin, num.umax);
    }
    // All but a few bits that shifts and masks leave.
    let is_wide = num.smin < i64::MIN / 2 && num.smax > i64::MAX / 2;
    if is_wide && num.umin == 0 && num.umax > u64::MAX / 2 {
        return "any number".into();
    }
    if num.smin > i64::MIN || num.smax < i64::MAX {
        return format!("a number of {}..={}", num.smin, num.smax);
    }
    if num.umax < u64::MAX || num.umin > 0 {
        return format!("a number of {}..={}", num.umin, num.umax);
    }
    "any number".into()
}

/// A value where it is clear that numbers are numbers: `0..=3`.
pub(super) fn range(image: &Image, reg: &RegState) -> String {
    let what = describe(image, reg);
    what.strip_prefix("a number of ").map(str::to_string).unwrap_or(what)
}

/// A map with its sizes.
pub(super) fn name_map(image: &Image, map: u32) -> String {
    let def = usize::try_from(map).ok().and_then(|at| image.maps.get(at));
    def.map_or_else(
        || "the map inside a map".into(),
        |def| {
            // Logs do not tell the type.
            let kind = match def.map_type {
                MapType::Unspec => String::new(),
                known => format!(" of type {}", known.name()),
            };
            format!(
                "{} is a map{kind}, keys of {} and values of {} bytes",
                if def.name.is_empty() { "it" } else { &def.name },
                def.key_size,
                def.value_size
            )
        },
    )
}
