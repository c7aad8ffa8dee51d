//! Walking a type along the bytes of a value.

use super::{Shown, names, names::Says};
use crate::{Body, Btf, ByteOrder, Int, List, Member, SecVar, Type, TypeId, Variant};
use alloc::{borrow::ToOwned, format, string::String, vec::Vec};
use core::net::{Ipv4Addr, Ipv6Addr};

pub(super) struct Walk<'a> {
    btf: &'a Btf,
    bytes: &'a [u8],
    order: ByteOrder,
    /// What is left of the limit.
    left: usize,
    /// How deep in nested values this is.
    depth: u8,
}

/// Where a value is, and what is known of it from outside its type.
#[derive(Clone, Copy)]
struct Place {
    /// Its first bit.
    bit: u64,
    /// Its width, when it is a bitfield.
    bitfield: Option<u8>,
    says: Says,
    /// A typedef says that it is in network byte order.
    big_endian: bool,
}

impl Place {
    fn byte(at: u64, says: Says) -> Self {
        Self { bit: at.saturating_mul(8), bitfield: None, says, big_endian: false }
    }

    fn byte_at(&self) -> u64 {
        self.bit / 8
    }
}

impl<'a> Walk<'a> {
    pub(super) fn new(btf: &'a Btf, bytes: &'a [u8], order: ByteOrder, limit: usize) -> Self {
        Self { btf, bytes, order, left: limit, depth: 0 }
    }

    pub(super) fn show(mut self, id: TypeId) -> Shown {
        self.value(id, Place::byte(0, Says::IP4_BE))
    }

    /// Takes from the limit; when it is used up, nothing is left for anything else either.
    fn spend(&mut self, amount: usize) -> Option<()> {
        let left = self.left.checked_sub(amount);
        self.left = left.unwrap_or(0);
        left.map(|_| ())
    }

    fn value(&mut self, id: TypeId, place: Place) -> Shown {
        self.deeper(|walk| walk.known(id, place)).unwrap_or(Shown::Truncated)
    }

    /// Does what may lead here again. What is nested too deep, which only types can be that were not
    /// checked, is not done.
    fn deeper<T>(&mut self, act: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth >= Btf::MAX_NESTING {
            return None;
        }
        self.depth = self.depth.saturating_add(1);
        let result = act(self);
        self.depth = self.depth.saturating_sub(1);
        result
    }

    /// `None` stands for [`Shown::Truncated`].
    fn known(&mut self, id: TypeId, mut place: Place) -> Option<Shown> {
        self.spend(1)?;
        let ty = self.resolve(id, &mut place)?;
        match ty.body {
            Body::Int(int) => self.int(ty.name, int, place),
            Body::Ptr(_) => Some(Shown::Pointer(u64::try_from(self.bits(place, 64)?).ok()?)),
            Body::Array { elem, len, .. } => self.array(elem, len, place),
            Body::Struct { size, members } | Body::Union { size, members } => {
                let says = names::says_struct(ty.name);
                self.address(place.byte_at(), size.into(), says)
                    .or_else(|| self.members(members, place))
            }
            Body::Enum { size, signed, variants } => {
                self.enumeration(size, signed, variants, place)
            }
            Body::Enum64 { size, signed, variants } => {
                self.enumeration(size, signed, variants, place)
            }
            Body::Float { size } => self.float(size, place),
            Body::Var { ty: of, .. } => {
                place.says = place.says | names::says(ty.name);
                Some(self.value(of, place))
            }
            Body::Datasec { vars, .. } => Some(self.section(vars)),
            // Types without values; aliases are resolved.
            _ => None,
        }
    }

    /// The variables of a data section. The external functions that can stand in one have no values.
    fn section(&mut self, vars: List<'a, SecVar, 3>) -> Shown {
        let mut out = Vec::new();
        for var in vars.iter() {
            let ty = self.btf.get(var.var);
            let Some(Type { name, body: Body::Var { .. }, .. }) = ty else { continue };
            if !self.member(&mut out, name, var.var, Place::byte(var.off.into(), Says::default())) {
                break;
            }
        }
        Shown::Struct(out)
    }

    /// The type behind aliases, whose names go into `place`.
    fn resolve(&mut self, id: TypeId, place: &mut Place) -> Option<Type<'a>> {
        let mut ty = self.btf.get(id)?;
        for _ in 0..Btf::MAX_NESTING {
            self.spend_reading(ty.name)?;
            let Some(next) = ty.body.alias_of() else { return Some(ty) };
            if matches!(ty.body, Body::Typedef(_)) {
                place.says = place.says | names::says(ty.name);
                place.big_endian |= names::is_big_endian(ty.name);
            }
            ty = self.btf.get(next)?;
        }
        // Only what is not checked can be nested deeper.
        None
    }

    /// Finding the end of a name is work, too: a long one must not be free in each element of an array.
    fn spend_reading(&mut self, name: &str) -> Option<()> {
        self.spend(name.len() / 16)
    }

    /// The members, each by its name, and those of anonymous members in their place.
    fn members(&mut self, members: List<'a, Member<'a>, 3>, place: Place) -> Option<Shown> {
        let mut out = Vec::new();
        self.flatten(&mut out, members, place.bit);
        Some(Shown::Struct(out))
    }

    /// Returns whether the limit allows more.
    fn flatten(
        &mut self,
        out: &mut Vec<(String, Shown)>,
        members: List<'a, Member<'a>, 3>,
        base: u64,
    ) -> bool {
        members.iter().all(|member| {
            let bit = base.saturating_add(member.bit_off.into());
            let says = names::says(member.name);
            let mut place = Place { bit, bitfield: member.bitfield, says, big_endian: false };
            if !member.name.is_empty() {
                return self.member(out, member.name, member.ty, place);
            }
            let ty = self.spend(1).and_then(|()| self.resolve(member.ty, &mut place));
            match ty.map(|ty| ty.body) {
                Some(Body::Struct { members, .. } | Body::Union { members, .. }) => self
                    .deeper(|walk| Some(walk.flatten(out, members, bit)))
                    .unwrap_or_else(|| cut(out)),
                Some(_) => self.member(out, "", member.ty, place),
                None => cut(out),
            }
        })
    }

    /// Appends one member. Returns whether the limit allows more.
    fn member(
        &mut self,
        out: &mut Vec<(String, Shown)>,
        name: &str,
        ty: TypeId,
        place: Place,
    ) -> bool {
        if self.spend(name.len().max(1)).is_none() {
            return cut(out);
        }
        let value = self.value(ty, place);
        out.push((name.to_owned(), value));
        true
    }

    fn array(&mut self, elem: TypeId, len: u32, place: Place) -> Option<Shown> {
        let mut inner = place;
        let ty = self.resolve(elem, &mut inner)?;
        let elem_size = self.btf.size_of(elem)?;
        let size = u64::from(elem_size).saturating_mul(len.into());
        if let Body::Int(int) = ty.body {
            let is_char = is_char(ty.name, int);
            if int.size == 1
                && is_char
                && let Some(text) = self.text(place.byte_at(), size)
            {
                return Some(text);
            }
            if len > 1
                && !int.bool
                && let Some(address) = self.address(place.byte_at(), size, inner.says)
            {
                return Some(address);
            }
            if int.size == 1 && !int.bool && (is_char || !int.signed) {
                let bytes = self.slice(place.byte_at(), size)?;
                self.spend(bytes.len())?;
                return Some(Shown::Bytes(bytes.to_vec()));
            }
        }
        Some(Shown::Array(self.elements(elem, elem_size, len, place)))
    }

    fn elements(&mut self, elem: TypeId, elem_size: u32, len: u32, place: Place) -> Vec<Shown> {
        let mut out = Vec::new();
        // Elements without size all are the same nothing.
        let len = if elem_size == 0 { 0 } else { len };
        for index in 0..u64::from(len) {
            let at = index.saturating_mul(elem_size.into()).saturating_add(place.byte_at());
            let value = self.value(elem, Place::byte(at, place.says));
            let ends = matches!(value, Shown::Truncated);
            out.push(value);
            if ends {
                break;
            }
        }
        out
    }

    /// The characters up to the first zero byte, if all of them are printable. What follows the zero
    /// byte is what the memory held before.
    fn text(&mut self, at: u64, size: u64) -> Option<Shown> {
        let bytes = self.slice(at, size)?;
        let bytes = bytes.split(|&byte| byte == 0).next()?;
        let text = core::str::from_utf8(bytes).ok()?;
        let printable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
        if !text.chars().all(printable) {
            return None;
        }
        self.spend(text.len())?;
        Some(Shown::Str(text.to_owned()))
    }

    /// The address that `says` makes of `size` bytes, in the order of the packet.
    fn address(&self, at: u64, size: u64, says: Says) -> Option<Shown> {
        let bytes = self.slice(at, size)?;
        let text = if says.has(Says::IP4)
            && let Ok(bytes) = <[u8; 4]>::try_from(bytes)
        {
            format!("{}", Ipv4Addr::from(bytes))
        } else if says.has(Says::IP6)
            && let Ok(bytes) = <[u8; 16]>::try_from(bytes)
        {
            format!("{}", Ipv6Addr::from(bytes))
        } else if says.has(Says::MAC)
            && let Ok([a, b, c, d, e, f]) = <[u8; 6]>::try_from(bytes)
        {
            format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
        } else {
            return None;
        };
        Some(Shown::Text(text))
    }

    fn int(&mut self, name: &str, int: Int, place: Place) -> Option<Shown> {
        // A bitfield has its width from the member, or, of old compilers, from its own integer type.
        let width = place.bitfield.unwrap_or(int.bits);
        let whole = place.bit.is_multiple_of(8) && u32::from(width) == int.size.saturating_mul(8);
        if whole && int.size == 4 && !int.signed && !int.bool {
            let be = place.big_endian && place.says.has(Says::IP4_BE);
            let says = if be { Says::IP4 } else { place.says };
            if let Some(address) = self.address(place.byte_at(), 4, says) {
                return Some(address);
            }
        }
        let bit_off = if place.bitfield.is_some() { 0 } else { int.bit_off };
        let bits = Place { bit: place.bit.saturating_add(bit_off.into()), ..place };
        let value = self.bits(bits, width)?;
        if int.bool && value <= 1 {
            return Some(Shown::Bool(value == 1));
        }
        if is_char(name, int)
            && let Ok(byte) = u8::try_from(value)
            && (byte == b' ' || byte.is_ascii_graphic())
        {
            return Some(Shown::Char(char::from(byte)));
        }
        Some(number(value, width, int.signed))
    }

    fn enumeration<const WORDS: usize>(
        &mut self,
        size: u32,
        signed: bool,
        variants: List<'a, Variant<'a>, WORDS>,
        place: Place,
    ) -> Option<Shown> {
        let width = place.bitfield.unwrap_or(bits_of(size)?);
        let value = self.bits(place, width)?;
        // Searching is work, too: about that of a value for each few names.
        self.spend(variants.len() / 16)?;
        let wanted = if signed { sign_extend(value, width) } else { i128::try_from(value).ok()? };
        let found = variants.position(|words| Variant::number(words, signed) == wanted);
        match found.and_then(|index| variants.get(index)) {
            Some(variant) => {
                self.spend(variant.name.len())?;
                Some(Shown::Text(variant.name.to_owned()))
            }
            None => Some(number(value, width, signed)),
        }
    }

    fn float(&mut self, size: u32, place: Place) -> Option<Shown> {
        let bits = self.bits(place, bits_of(size)?)?;
        Some(match size {
            4 => Shown::Float(widen(f32::from_bits(u32::try_from(bits).ok()?))),
            8 => Shown::Float(f64::from_bits(u64::try_from(bits).ok()?)),
            _ => Shown::Bytes(self.slice(place.byte_at(), size.into())?.to_vec()),
        })
    }

    /// The `width` bits at `place` as an unsigned number.
    ///
    /// Bits count from the least significant one of the first byte in little-endian data, and from
    /// the most significant one in big-endian data. Kernel: `btf_int128_shift`.
    fn bits(&self, place: Place, width: u8) -> Option<u128> {
        let width = u32::from(width);
        let skip = u32::try_from(place.bit % 8).ok()?;
        let end = skip.checked_add(width).filter(|&end| (1..=128).contains(&end))?;
        let bytes = self.slice(place.byte_at(), end.div_ceil(8).into())?;
        let order = if place.big_endian { ByteOrder::Big } else { self.order };
        let behind = end.next_multiple_of(8).checked_sub(end)?;
        let shift = match order {
            ByteOrder::Little => skip,
            ByteOrder::Big => behind,
        };
        let mask = u128::MAX.checked_shr(128_u32.checked_sub(width)?)?;
        Some(order.uint(bytes).checked_shr(shift)? & mask)
    }

    fn slice(&self, at: u64, size: u64) -> Option<&'a [u8]> {
        let start = usize::try_from(at).ok()?;
        self.bytes.get(start..start.checked_add(usize::try_from(size).ok()?)?)
    }
}

/// Marks that members are left out, by a name that no member has.
fn cut(out: &mut Vec<(String, Shown)>) -> bool {
    out.push((String::from("..."), Shown::Truncated));
    false
}

/// The encoding says so in the kernel's types; clang leaves it to the name.
fn is_char(name: &str, int: Int) -> bool {
    int.char || name == "char"
}

fn bits_of(size: u32) -> Option<u8> {
    u8::try_from(size.checked_mul(8)?).ok()
}

/// A number of `width` bits; more than 64 bits are hex.
fn number(value: u128, width: u8, signed: bool) -> Shown {
    if width > 64 {
        return Shown::Text(format!("{value:#x}"));
    }
    let signed = if signed { i64::try_from(sign_extend(value, width)).ok() } else { None };
    match (signed, u64::try_from(value)) {
        (Some(value), _) => Shown::Int(value),
        (None, Ok(value)) => Shown::UInt(value),
        (None, Err(_)) => Shown::Text(format!("{value:#x}")),
    }
}

fn sign_extend(value: u128, width: u8) -> i128 {
    let unused = 128_u32.saturating_sub(width.into());
    (value.checked_shl(unused).unwrap_or(0).cast_signed()).checked_shr(unused).unwrap_or(0)
}

/// The 64-bit number that prints as the 32-bit one does: 0.1, not 0.10000000149011612.
fn widen(value: f32) -> f64 {
    format!("{value:?}").parse().unwrap_or(f64::NAN)
}
