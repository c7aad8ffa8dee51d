//! Values as text, byte for byte as `bpf_snprintf_btf` of Linux writes them.
//!
//! Members that are zero are left out, and so are structs and arrays in which nothing is left; to know
//! that, each is gone through once without output before it is printed. What is gone through changes
//! what later names look like: that is the kernel's way, too.
//!
//! Source: `kernel/bpf/btf.c`, `btf_type_show` and what it calls.

use crate::{Body, Btf, Int, Member, TypeId};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// How values are printed: bits of the flags of `bpf_snprintf_btf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrintFlags(u64);

impl PrintFlags {
    const COMPACT: u64 = 1;
    const NO_NAME: u64 = 1 << 1;
    const RAW_POINTERS: u64 = 1 << 2;
    const ZERO: u64 = 1 << 3;

    /// The flags of a call, if all are known.
    #[must_use]
    pub const fn new(flags: u64) -> Option<Self> {
        if flags > 0xf { None } else { Some(Self(flags)) }
    }

    const fn has(self, flag: u64) -> bool {
        self.0 & flag != 0
    }
}

/// Pointers, arrays and typedefs that a name is looked for behind.
const MAX_ITER: usize = 10;
/// Bytes of a name.
const MAX_NAME: usize = 79;
const MAX_INDENT: usize = 32;
/// Leaves that are looked at.
const LIMIT: u32 = 1 << 20;

impl Btf {
    /// The value of type `id` that little-endian `bytes` hold, as `bpf_snprintf_btf` prints it. `None` for
    /// numbers of no type, for too few bytes, and for values so large that nobody reads them.
    ///
    /// ```
    /// use skep_btf::{Builder, Def, Int, Member, PrintFlags};
    ///
    /// let mut builder = Builder::new();
    /// let int = Int { size: 4, bits: 32, bit_off: 0, signed: true, char: false, bool: false };
    /// let int = builder.add("int", Def::Int(int)).unwrap();
    /// let member = |name, bit_off| Member { name, ty: int, bit_off, bitfield: None };
    /// let members = [member("a", 0), member("b", 32)];
    /// let pair = builder.add("pair", Def::Struct { size: 8, members: &members }).unwrap();
    /// let text = builder.finish().unwrap().print(pair, &[7, 0, 0, 0, 0, 0, 0, 0], PrintFlags::new(1).unwrap());
    /// assert_eq!(text.unwrap(), b"(struct pair){.a = (int)7,}");
    /// ```
    #[must_use]
    pub fn print(&self, id: TypeId, bytes: &[u8], flags: PrintFlags) -> Option<Vec<u8>> {
        let size = usize::try_from(self.size_of(id).unwrap_or(0)).ok()?;
        let mut printer = Printer {
            btf: self,
            bytes: bytes.get(..size)?,
            flags,
            out: Vec::new(),
            left: LIMIT,
            depth: 0,
            checking: None,
            deepest: 0,
            member: None,
            in_array: false,
            shown: TypeId::VOID,
            is_union: false,
            chars: false,
            terminated: false,
        };
        printer.value(id, 0)?;
        Some(printer.out)
    }
}

struct Printer<'a> {
    btf: &'a Btf,
    bytes: &'a [u8],
    flags: PrintFlags,
    out: Vec<u8>,
    /// What is left of the limit.
    left: u32,
    depth: usize,
    /// The depth within the aggregate that is gone through without output.
    checking: Option<usize>,
    /// The depth of the deepest value that would be shown.
    deepest: usize,
    member: Option<Member<'a>>,
    in_array: bool,
    /// The type that is being shown.
    shown: TypeId,
    is_union: bool,
    /// Whether the array is one of characters, and whether its text has ended.
    chars: bool,
    terminated: bool,
}

impl<'a> Printer<'a> {
    /// A value that begins at a bit.
    fn value(&mut self, id: TypeId, bit: u64) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        let ty = self.skip_modifiers(id)?;
        let shown = self.btf.get(ty)?;
        match shown.body {
            Body::Int(int) => {
                self.start(id, ty);
                self.int(int, bit)?;
                self.end();
            }
            Body::Ptr(_) => {
                self.start(id, ty);
                let value = u64::try_from(self.bits(bit, 64)?).ok()?;
                let raw = self.flags.has(PrintFlags::RAW_POINTERS);
                let shown = if raw { value } else { disguise(value) };
                self.leaf(value != 0, &format!("0x{shown:016x}"));
                self.end();
            }
            Body::Enum { signed, variants, .. } => {
                self.start(id, ty);
                // Four bytes are read, however many it has.
                let value = u32::try_from(self.bits(bit, 32)?).ok()?;
                let is = |variant: i128| i128::from(value) == variant & 0xffff_ffff;
                match variants.iter().find(|variant| is(variant.value)) {
                    Some(variant) => self.leaf(true, variant.name),
                    None if signed => self.leaf(value != 0, &format!("{}", value.cast_signed())),
                    None => self.leaf(value != 0, &format!("{value}")),
                }
                self.end();
            }
            Body::Enum64 { signed, variants, .. } => {
                self.start(id, ty);
                let value = u64::try_from(self.bits(bit, 64)?).ok()?;
                let is = |variant: i128| i128::from(value) == variant & 0xffff_ffff_ffff_ffff;
                match variants.iter().find(|variant| is(variant.value)) {
                    Some(variant) => self.leaf(true, variant.name),
                    None if signed => self.leaf(value != 0, &format!("{}", value.cast_signed())),
                    None => self.leaf(value != 0, &format!("{value}")),
                }
                self.end();
            }
            Body::Struct { .. } | Body::Union { .. } | Body::Array { .. } => {
                self.aggregate(id, ty, bit)?;
            }
            _ => {
                let text = format!("<unsupported kind:{}>", shown.kind() as u32);
                self.put(&text);
            }
        }
        Some(())
    }

    /// A struct, union or array: nothing if there is nothing in it to show.
    fn aggregate(&mut self, id: TypeId, ty: TypeId, bit: u64) -> Option<()> {
        let member = self.member;
        if self.depth > 0 && !self.flags.has(PrintFlags::ZERO) {
            let inside = self.depth.saturating_add(1);
            if self.checking.is_none() {
                self.checking = Some(inside);
                self.deepest = 0;
            }
            self.elements(id, ty, bit)?;
            self.member = member;
            if self.checking != Some(inside) {
                return Some(());
            }
            self.checking = None;
            if self.deepest <= self.depth {
                return Some(());
            }
        }
        self.elements(id, ty, bit)
    }

    fn elements(&mut self, id: TypeId, ty: TypeId, bit: u64) -> Option<()> {
        let (btf, body) = (self.btf, self.btf.get(ty)?.body);
        self.start(id, ty);
        match body {
            Body::Struct { members, .. } | Body::Union { members, .. } => {
                self.open();
                for member in members.iter() {
                    self.member = Some(member);
                    let at = bit.checked_add(member.bit_off.into())?;
                    match member.bitfield {
                        Some(width) if width != 0 => {
                            self.start(member.ty, self.skip_modifiers(member.ty)?);
                            let value = self.bits(at, width.into())?;
                            self.leaf(value != 0, &hex(value));
                            self.end();
                        }
                        _ => self.value(member.ty, at)?,
                    }
                    self.member = None;
                }
                self.close("}");
            }
            Body::Array { elem, len, .. } => {
                let of = self.skip_modifiers(elem)?;
                let size = match btf.get(of)?.body {
                    Body::Ptr(_) | Body::Array { .. } => 0,
                    _ => btf.size_of(of).unwrap_or(0),
                };
                self.chars = matches!(btf.get(of)?.body, Body::Int(Int { size: 1, .. }));
                self.terminated = false;
                self.open();
                for index in 0..u64::from(len) {
                    self.in_array = true;
                    self.member = None;
                    let at = index.checked_mul(u64::from(size).checked_mul(8)?)?;
                    self.value(elem, bit.checked_add(at)?)?;
                    self.in_array = false;
                    self.member = None;
                    if self.terminated {
                        break;
                    }
                }
                (self.chars, self.terminated) = (false, false);
                self.close("]");
            }
            _ => return None,
        }
        Some(())
    }

    fn int(&mut self, int: Int, bit: u64) -> Option<()> {
        let width = u32::from(int.bits);
        let odd = !bit.is_multiple_of(8) || int.bit_off != 0;
        if odd || !matches!(width, 8 | 16 | 32 | 64 | 128) {
            let value = self.bits(bit.checked_add(int.bit_off.into())?, width)?;
            self.leaf(value != 0, &hex(value));
            return Some(());
        }
        let value = self.bits(bit, width)?;
        if width == 128 {
            self.leaf(value != 0, &hex(value));
            return Some(());
        }
        if width == 8 && self.chars {
            if self.terminated {
                return Some(());
            }
            match u8::try_from(value).ok()? {
                0 => {
                    self.terminated = true;
                    return Some(());
                }
                byte if is_print(byte) => {
                    self.leaf_bytes(true, &[b'\'', byte, b'\'']);
                    return Some(());
                }
                _ => {}
            }
        }
        let text = if int.signed {
            let shift = 128_u32.checked_sub(width)?;
            format!("{}", value.checked_shl(shift)?.cast_signed().checked_shr(shift)?)
        } else {
            format!("{value}")
        };
        self.leaf(value != 0, &text);
        Some(())
    }

    fn bits(&self, bit: u64, width: u32) -> Option<u128> {
        let start = usize::try_from(bit / 8).ok()?;
        let skip = u32::try_from(bit % 8).ok()?;
        let len = usize::try_from(skip.checked_add(width)?.div_ceil(8)).ok()?;
        // What lies beyond the value is taken for zero.
        let rest = self.bytes.get(start..).unwrap_or_default();
        let bytes = rest.get(..len).unwrap_or(rest);
        let mut number = [0; 16];
        number.get_mut(..bytes.len())?.copy_from_slice(bytes);
        let mask = u128::MAX.checked_shr(128_u32.checked_sub(width)?)?;
        Some(u128::from_le_bytes(number) >> skip & mask)
    }

    fn skip_modifiers(&self, id: TypeId) -> Option<TypeId> {
        Some(self.btf.resolve(id)?.id)
    }

    fn start(&mut self, id: TypeId, ty: TypeId) {
        self.shown = id;
        self.is_union = self.btf.get(ty).is_some_and(|ty| matches!(ty.body, Body::Union { .. }));
    }

    fn end(&mut self) {
        (self.shown, self.is_union) = (TypeId::VOID, false);
    }

    fn leaf(&mut self, is_set: bool, value: &str) {
        self.leaf_bytes(is_set, value.as_bytes());
    }

    fn leaf_bytes(&mut self, is_set: bool, value: &[u8]) {
        if !is_set && !self.flags.has(PrintFlags::ZERO) && self.depth != 0 {
            return;
        }
        self.deepest = self.deepest.max(self.depth);
        let (indent, name) = (self.indent(), self.name());
        self.put(&indent);
        self.put(&name);
        if self.checking.is_none() {
            self.out.extend(value);
        }
        self.put(self.delimiter());
        self.put(self.newline());
    }

    fn open(&mut self) {
        let text = [self.indent().as_str(), &self.name(), self.newline()].concat();
        self.put(&text);
        self.depth = self.depth.saturating_add(1);
    }

    fn close(&mut self, suffix: &str) {
        self.depth = self.depth.saturating_sub(1);
        let text = [self.indent().as_str(), suffix, self.delimiter(), self.newline()].concat();
        self.put(&text);
        self.end();
    }

    fn put(&mut self, text: &str) {
        if self.checking.is_none() {
            self.out.extend(text.as_bytes());
        }
    }

    fn indent(&self) -> String {
        let depth = if self.flags.has(PrintFlags::COMPACT) { 0 } else { self.depth };
        " ".repeat(depth.min(MAX_INDENT))
    }

    fn newline(&self) -> &'static str {
        if self.flags.has(PrintFlags::COMPACT) { "" } else { "\n" }
    }

    fn delimiter(&self) -> &'static str {
        match self.depth {
            0 => "",
            _ if self.flags.has(PrintFlags::COMPACT) && self.is_union => "|",
            _ => ",",
        }
    }

    /// `.member = (type)` and what opens an aggregate.
    fn name(&self) -> String {
        self.find_name().unwrap_or_default()
    }

    fn find_name(&self) -> Option<String> {
        if self.in_array {
            return None;
        }
        let mut id = self.member.map_or(self.shown, |member| member.ty);
        let (mut stars, mut brackets) = (0_usize, 0_usize);
        let mut typedef = None;
        let mut ended = false;
        for _ in 0..MAX_ITER {
            let next = match self.btf.get(id)?.body {
                Body::Typedef(to) => {
                    typedef = typedef.or(Some(self.btf.get(id)?.name));
                    to
                }
                Body::Array { elem, .. } => {
                    brackets = brackets.saturating_add(1);
                    elem
                }
                Body::Ptr(to) => {
                    stars = stars.saturating_add(1);
                    to
                }
                _ => TypeId::VOID,
            };
            if next == TypeId::VOID {
                ended = true;
                break;
            }
            id = self.skip_qualifiers(next)?;
        }
        if !ended {
            return None;
        }
        let last = self.btf.get(id)?;
        let (prefix, brace) = match last.body {
            Body::Struct { .. } => ("struct", "{"),
            Body::Union { .. } => ("union", "{"),
            Body::Enum { .. } | Body::Enum64 { .. } => ("enum", ""),
            _ => ("", ""),
        };
        let parens = match (stars, brackets) {
            (1.., _) => "",
            (_, 1..) => "[",
            _ => brace,
        };
        if self.flags.has(PrintFlags::NO_NAME) {
            return Some(parens.into());
        }
        let prefix = if typedef.is_some() { "" } else { prefix };
        // A pointer to nothing is behind itself, and has no name.
        let name =
            typedef.unwrap_or(if matches!(last.body, Body::Ptr(_)) { "" } else { last.name });
        let space = if !prefix.is_empty() && !name.is_empty() { " " } else { "" };
        let gap = if stars > 0 { " " } else { "" };
        let (stars, brackets) = ("*".repeat(stars), "[]".repeat(brackets));
        let mut text = String::new();
        if let Some(member) = self.member.filter(|member| !member.name.is_empty()) {
            let _ = write!(text, ".{} = ", member.name);
        }
        let _ = write!(text, "({prefix}{space}{name}{gap}{stars}{brackets}){parens}");
        text.truncate(text.floor_char_boundary(MAX_NAME));
        Some(text)
    }

    fn skip_qualifiers(&self, id: TypeId) -> Option<TypeId> {
        let mut id = id;
        for _ in 0..Btf::MAX_NESTING {
            match self.btf.get(id)?.body {
                Body::Const(to) | Body::Volatile(to) | Body::Restrict(to) | Body::TypeTag(to) => {
                    id = to
                }
                _ => return Some(id),
            }
        }
        None
    }
}

/// A number of 128 bits, as the kernel prints those and bitfields.
fn hex(value: u128) -> String {
    format!("{value:#x}")
}

/// Printable in ASCII or Latin-1, as the kernel has it.
const fn is_print(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | 0xa0..=0xff)
}

/// A number in place of an address, which is not to be told; null and error codes stay.
fn disguise(address: u64) -> u64 {
    const LAST_ERRORS: u64 = u64::MAX - 4094;
    if address == 0 || address >= LAST_ERRORS {
        return address;
    }
    (address ^ address >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}
