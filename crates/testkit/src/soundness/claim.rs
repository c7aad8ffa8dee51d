//! What the verifier says of a register, held against what it holds.

use skep::verifier::{Base, RegState};
use skep::{Moment, Value};
use skep_abi::ProgType;
use skep_vm::{CTX, address};

/// Where the pointers of a run lead.
pub(crate) struct Places {
    /// r10 by the verifier's number of the frame.
    frames: Vec<u64>,
    /// `data`, `data_end` and `data_meta`, as the context has them.
    packet: Option<[u64; 3]>,
}

impl Places {
    /// At a moment, in the frame that the verifier calls number 0 and in those that it called.
    pub(crate) fn new(moment: &Moment<'_>, first: usize, prog_type: ProgType) -> Self {
        let field = |at: u32| {
            let mut bytes = [0; 4];
            moment.read(address(CTX, at), &mut bytes).ok()?;
            Some(u64::from(u32::from_le_bytes(bytes)))
        };
        // Offsets of `struct xdp_md` and `struct __sk_buff`.
        let packet = match prog_type {
            ProgType::Xdp => Some([0, 4, 8]),
            ProgType::SchedCls | ProgType::SchedAct => Some([76, 80, 140]),
            ProgType::CgroupSkb => Some([76, 80, 76]),
            _ => None,
        };
        let packet =
            packet.and_then(|[data, end, meta]| Some([field(data)?, field(end)?, field(meta)?]));
        let frames = moment.frames()[first..].iter().map(|frame| frame.regs[10]).collect();
        Self { frames, packet }
    }
}

/// Whether a register holds what the verifier says it may hold. What cannot be told is taken for right.
pub(crate) fn holds(reg: &RegState, number: u64, places: &Places, moment: &Moment<'_>) -> bool {
    if reg.ty.base == Base::NotInit {
        return true;
    }
    if reg.ty.base == Base::Scalar {
        return reg.num.contains(number);
    }
    if number == 0 && reg.ty.may_be_null() {
        return true;
    }
    // The distance from where the pointer's base is, without the fixed part.
    let distance =
        |base: u64| number.wrapping_sub(base).wrapping_sub(i64::from(reg.off).cast_unsigned());
    let from = |base: u64| reg.num.contains(distance(base));
    match reg.ty.base {
        Base::Ctx => from(address(CTX, 0)),
        Base::Stack => places.frames.get(reg.frame as usize).is_some_and(|&fp| from(fp)),
        Base::Packet => {
            places.packet.is_none_or(|[data, end, _]| from(data) && in_range(reg, number, end))
        }
        Base::PacketMeta => {
            places.packet.is_none_or(|[data, _, meta]| from(meta) && in_range(reg, number, data))
        }
        Base::PacketEnd => places.packet.is_none_or(|[_, end, _]| from(end)),
        Base::MapValue => in_value(reg, number, moment, &from),
        Base::ConstMap => matches!(moment.value(number), Value::Map { .. }),
        Base::Func => matches!(moment.value(number), Value::Func { .. }),
        Base::Socket | Base::SockCommon | Base::TcpSock | Base::XdpSock => number != 0,
        _ => true,
    }
}

/// Whether the bytes behind a packet pointer are there that the verifier says are.
fn in_range(reg: &RegState, number: u64, end: u64) -> bool {
    let range = reg.range();
    let start = number.wrapping_sub(i64::from(reg.off).cast_unsigned());
    range <= 0 || start.wrapping_add(u64::from(range.unsigned_abs())) <= end
}

/// Whether there is a value in a map from which the pointer is as far as the verifier says. It may have
/// gone beyond the value, where it may not be followed.
fn in_value(reg: &RegState, number: u64, moment: &Moment<'_>, from: &dyn Fn(u64) -> bool) -> bool {
    /// Values in both directions that a pointer may have come from.
    const AROUND: u64 = 2048;
    let Value::MapValue { map, off, .. } = moment.value(number) else {
        // Before the first value or far behind the last.
        return reg.num.is_const().is_none() || reg.off < 0;
    };
    let Some(def) = moment.maps().get(map as usize).map(skep_map::Map::def) else { return false };
    let stride = u64::from(def.value_size).next_multiple_of(8);
    let base = number - u64::from(off);
    (0..=AROUND).any(|n| from(base.wrapping_sub(n * stride)) || from(base.wrapping_add(n * stride)))
}
