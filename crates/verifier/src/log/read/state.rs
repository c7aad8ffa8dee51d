//! What is known, read back from the log: `R1_w=ctx() R2=scalar(umax=255) fp-8=mmmm????`.

use super::insn::number;
use crate::frame::{Byte, Slot};
use crate::reg::{Base, Extra, RegState, RegType, flag};
use crate::type_name::PREFIXES;
use skep_abi::MapType;
use skep_domain::Scalar;
use skep_prog::MapDef;

/// Maps met so far, by name and sizes.
pub(super) type Maps = Vec<MapDef>;

/// Slots of a stack that are looked at: more do not exist.
const MAX_SLOTS: usize = 64;

/// What one piece of a state is about.
pub(super) enum Known {
    Reg(usize, RegState),
    Slot(usize, Slot),
    Refs(Vec<u32>),
    InCallback,
    InAsyncCallback,
}

/// The frame that a state is of, and its pieces.
pub(super) fn read(text: &str, maps: &mut Maps) -> (u32, Vec<Known>) {
    let text = text.trim();
    let (frame, text) = match text.strip_prefix("frame").and_then(|rest| rest.split_once(": ")) {
        Some((frame, rest)) => (number(frame).unwrap_or(0), rest),
        None => (0, text),
    };
    (frame, pieces(text).filter_map(|piece| known(piece, maps)).collect())
}

/// Splits at spaces outside of parentheses.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_usize;
    text.split(move |c| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ' ' && depth == 0
    })
    .filter(|piece| !piece.is_empty())
}

fn known(piece: &str, maps: &mut Maps) -> Option<Known> {
    match piece {
        "cb" => return Some(Known::InCallback),
        "async_cb" => return Some(Known::InAsyncCallback),
        _ => {}
    }
    let (name, value) = piece.split_once('=')?;
    if name == "refs" {
        return Some(Known::Refs(value.split(',').filter_map(number).collect()));
    }
    // Marks of liveness follow the name: `R1_rw`.
    let name = name.split('_').next()?;
    if let Some(n) = name.strip_prefix('R') {
        let n: usize = number(n).filter(|&n| n <= 10)?;
        return Some(Known::Reg(n, value_of(value, maps)?));
    }
    let off: usize = name.strip_prefix("fp-").and_then(number)?;
    let at = off.checked_sub(1)? / 8;
    if at >= MAX_SLOTS {
        return None;
    }
    // Letters say what each byte is; a value says it of all.
    let mut bytes = [Byte::Spill; 8];
    let letters: Option<Vec<Byte>> = value.chars().map(byte).collect();
    let slot = match letters.filter(|bytes| bytes.len() == 8) {
        Some(letters) => {
            bytes.copy_from_slice(&letters);
            Slot { reg: RegState::NOT_INIT, bytes }
        }
        None => Slot { reg: value_of(value, maps)?, bytes },
    };
    Some(Known::Slot(at, slot))
}

const fn byte(letter: char) -> Option<Byte> {
    Some(match letter {
        '?' => Byte::Invalid,
        'r' => Byte::Spill,
        'm' => Byte::Misc,
        '0' => Byte::Zero,
        'd' => Byte::Dynptr,
        'i' => Byte::Iter,
        'f' => Byte::IrqFlag,
        _ => return None,
    })
}

/// Reads a value; `None` for kinds that this does not know.
fn value_of(text: &str, maps: &mut Maps) -> Option<RegState> {
    // `inv` is what numbers were called before Linux 5.18.
    let text = text.strip_prefix("inv").unwrap_or(text);
    let (precise, text) = match text.strip_prefix('P') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if let Some(value) = number::<i64>(text).map(i64::cast_unsigned).or_else(|| number(text)) {
        return Some(RegState { precise, ..RegState::constant(value) });
    }
    if text.is_empty() {
        return Some(RegState { precise, ..RegState::UNKNOWN });
    }
    if let Some(rest) = text.strip_prefix("fp") {
        return stack(rest);
    }
    let (name, fields) = text.split_once('(').unwrap_or((text, ""));
    let fields = Fields(fields.strip_suffix(')').unwrap_or(fields));
    let mut reg = RegState { ty: type_of(name)?, precise, ..RegState::NOT_INIT };
    reg.id = fields.number("id").unwrap_or(0);
    reg.ref_obj_id = fields.number("ref_obj_id").unwrap_or(0);
    let var = fields.scalar()?;
    if reg.is_scalar() {
        return Some(RegState { num: var, ..reg });
    }
    // An offset of which nothing is told does not vary.
    let is_fixed = var == Scalar::UNKNOWN;
    let imm = fields.number::<i64>("imm").unwrap_or(0).cast_unsigned();
    reg.num = if is_fixed { Scalar::constant(imm) } else { var };
    reg.off = fields.number("off").unwrap_or(0);
    reg.extra = match reg.ty.base {
        Base::Packet | Base::PacketMeta => Extra::Range(fields.number("r").unwrap_or(0)),
        Base::MapValue | Base::ConstMap | Base::MapKey => match fields.map(maps) {
            Some(map) => Extra::Map { map, uid: 0 },
            None => Extra::None,
        },
        Base::Mem => fields.number("sz").map_or(Extra::None, Extra::Mem),
        _ => Extra::None,
    };
    Some(reg)
}

/// `0`, `-8`, `[1]-16`
fn stack(text: &str) -> Option<RegState> {
    let (frame, off) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((frame, off)) => (number(frame)?, off),
        None => (0, text),
    };
    let off = if off.is_empty() { 0 } else { number(off).unwrap_or(0) };
    Some(RegState { off, frame, ..RegState::pointer(RegType::new(Base::Stack), Extra::None) })
}

const BASES: [Base; 20] = [
    Base::Scalar,
    Base::Ctx,
    Base::ConstMap,
    Base::MapValue,
    Base::MapKey,
    Base::PacketMeta,
    Base::PacketEnd,
    Base::Packet,
    Base::FlowKeys,
    Base::SockCommon,
    Base::Socket,
    Base::TcpSock,
    Base::TpBuffer,
    Base::XdpSock,
    Base::Mem,
    Base::Arena,
    Base::Buf,
    Base::Func,
    Base::ConstDynptr,
    Base::BtfId,
];

/// Reads a kind of value: `rdonly_mem_or_null`. The name of a type behind `ptr_` is passed over.
fn type_of(name: &str) -> Option<RegType> {
    let (mut flags, mut name) = (0, name);
    while let Some((bit, prefix)) = PREFIXES.iter().find(|(_, prefix)| name.starts_with(prefix)) {
        flags |= bit;
        name = name.strip_prefix(prefix)?;
    }
    if let Some(rest) = name.strip_prefix("ptr_") {
        let null = if rest.starts_with("or_null_") { flag::MAYBE_NULL } else { 0 };
        return Some(RegType { base: Base::BtfId, flags: flags | null });
    }
    if let Some(rest) = name.strip_suffix("_or_null") {
        flags |= flag::MAYBE_NULL;
        name = rest;
    }
    let name = if name.is_empty() { "scalar" } else { name };
    BASES.iter().find(|base| base.kernel_name() == name).map(|&base| RegType { base, flags })
}

/// The kind of value that a message names: `R1 invalid mem access 'inv'`, `R2 type=ctx expected=fp`.
pub(super) fn told_type(line: &str) -> Option<RegType> {
    let after = |mark: &str| line.split_once(mark).map(|(_, rest)| rest);
    let rest = after("invalid mem access '")
        .or_else(|| after(" type="))
        .or_else(|| after("pointer arithmetic on "))?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    let name = rest.get(..end)?;
    type_of(name.strip_prefix("inv").unwrap_or(name))
}

/// What stands between the parentheses of a value.
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    /// Names, of which several may share a value, with it.
    fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.split(',').filter_map(|field| field.rsplit_once('='))
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.iter().find(|(names, _)| names.split('=').any(|one| one == name)).map(|(_, text)| text)
    }

    fn number<T: TryFrom<i128>>(&self, name: &str) -> Option<T> {
        number(self.text(name)?.split('+').next()?)
    }

    /// Bounds, by the names that they have now and had before.
    fn scalar(&self) -> Option<Scalar> {
        let mut bounds = String::from("scalar(");
        for (names, value) in self.iter() {
            for name in names.split('=') {
                let name = match name {
                    "smin_value" => "smin",
                    "smax_value" => "smax",
                    "umin_value" => "umin",
                    "umax_value" => "umax",
                    "s32_min_value" => "smin32",
                    "s32_max_value" => "smax32",
                    "u32_min_value" => "umin32",
                    "u32_max_value" => "umax32",
                    "smin" | "smax" | "umin" | "umax" | "smin32" | "smax32" | "umin32"
                    | "umax32" | "var_off" => name,
                    _ => continue,
                };
                let sep = if bounds.ends_with('(') { "" } else { "," };
                bounds.push_str(&format!("{sep}{name}={value}"));
            }
        }
        bounds.push(')');
        let mut scalar: Scalar = bounds.parse().ok()?;
        // Bounds that follow from others are left out of the log.
        scalar.sync();
        scalar.is_consistent().is_ok().then_some(scalar)
    }

    /// The map by name and sizes, as one of those met so far.
    fn map(&self, maps: &mut Maps) -> Option<u32> {
        let name = self.text("map").unwrap_or_default();
        let (key, value) = (self.number("ks")?, self.number("vs")?);
        let is_it =
            |map: &MapDef| map.name == name && map.key_size == key && map.value_size == value;
        let at = maps.iter().position(is_it).unwrap_or_else(|| {
            maps.push(MapDef::new(name, MapType::Unspec, key, value, 0));
            maps.len() - 1
        });
        u32::try_from(at).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reg(text: &str) -> RegState {
        let mut maps = Maps::new();
        match read(text, &mut maps).1.pop() {
            Some(Known::Reg(_, reg)) => reg,
            _ => panic!("{text}"),
        }
    }

    #[test]
    fn values_of_all_releases_are_read() {
        assert_eq!(reg("R1_w=inv17"), RegState::constant(17));
        assert_eq!(reg("R1=17"), RegState::constant(17));
        assert!(reg("R1_w=invP-1").precise);
        assert_eq!(reg("R1=inv(id=0)"), RegState::UNKNOWN);
        let old = reg("R2=inv(id=3,umax_value=255,var_off=(0x0; 0xff))");
        let new =
            reg("R2_rw=scalar(id=3,smin=smin32=0,smax=umax=smax32=umax32=255,var_off=(0x0; 0xff))");
        assert_eq!(old, new);
        assert_eq!((old.num.umax, old.num.smin, old.id), (255, 0, 3));
        let pkt = reg("R3=pkt(id=0,off=14,r=34,imm=0)");
        assert_eq!((pkt.ty.base, pkt.off, pkt.range()), (Base::Packet, 14, 34));
        assert_eq!(reg("R10=fp-16").off, -16);
        assert_eq!(reg("R2=fp[1]-8").frame, 1);
        assert_eq!(
            reg("R1=trusted_ptr_or_null_task_struct(id=1)").ty.kernel_name(),
            "trusted_ptr_or_null_"
        );
    }

    #[test]
    fn maps_are_told_apart_by_name_and_sizes() {
        let mut maps = Maps::new();
        let text = "frame1: R0=map_value_or_null(id=2,map=a,ks=4,vs=8) R6=map_ptr(map=b,ks=4,vs=8) \
                    fp-8_w=mmmm???? fp-16=map_value(map=a,ks=4,vs=8,off=4) refs=2,4";
        let (frame, known) = read(text, &mut maps);
        assert_eq!((frame, known.len(), maps.len()), (1, 5, 2));
        assert!(matches!(&known[4], Known::Refs(refs) if *refs == [2, 4]));
    }
}
