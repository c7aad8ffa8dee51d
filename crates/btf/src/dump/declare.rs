//! Declarations in C.

use super::DumpError;
use super::layout::{Layout, padding};
use super::names::{Names, ident};
use super::order::{Need, limit};
use crate::{Body, Btf, Int, List, Member, Param, Type, TypeId};
use alloc::{collections::BTreeSet, format, string::String};
use core::fmt::Write as _;

/// The header as far as it is written.
pub(super) struct Writer<'a> {
    pub(super) text: String,
    btf: &'a Btf,
    names: Names,
    layout: Layout<'a>,
    /// Structs and unions that are declared or defined, by name in C.
    declared: BTreeSet<String>,
    /// Enumerations without names that are written: C takes their enumerators once.
    enums: BTreeSet<TypeId>,
    limit: usize,
    depth: u8,
}

/// Qualifiers of what comes next.
#[derive(Clone, Copy, Debug, Default)]
struct Quals {
    constant: bool,
    volatile: bool,
    restrict: bool,
}

impl<'a> Writer<'a> {
    pub(super) fn new(btf: &'a Btf) -> Self {
        Self {
            text: String::new(),
            btf,
            names: Names::new(btf),
            layout: Layout::new(btf),
            declared: BTreeSet::new(),
            enums: BTreeSet::new(),
            limit: limit(btf),
            depth: 0,
        }
    }

    /// Writes the definition or declaration of a type.
    pub(super) fn write(&mut self, id: TypeId, need: Need) -> Result<(), DumpError> {
        let Some(ty) = self.btf.get(id) else { return Ok(()) };
        match ty.body {
            Body::Struct { .. } | Body::Union { .. } if need == Need::Size => {
                let tag = self.tag(ty);
                self.declared.insert(tag);
                let body = self.composite(id, 0)?;
                self.push(&format!("{body};\n\n"))
            }
            Body::Struct { .. } | Body::Union { .. } | Body::Fwd { .. } => {
                let tag = self.tag(ty);
                match self.declared.insert(tag.clone()) {
                    true => self.push(&format!("{tag};\n\n")),
                    false => Ok(()),
                }
            }
            Body::Enum { .. } | Body::Enum64 { .. } => {
                if self.enums.insert(id) {
                    let body = self.enumeration(ty, 0);
                    self.push_c17(ty, &format!("{body};\n\n"))?;
                }
                Ok(())
            }
            Body::Typedef(to) if need == Need::Name => {
                let name = String::from(self.names.of(id, ty.name));
                let text = self.declare(to, name, 0)?;
                self.push_c17(ty, &format!("typedef {text};\n\n"))
            }
            _ => Ok(()),
        }
    }

    /// Declares a function that programs may call.
    pub(super) fn prototype(&mut self, id: TypeId) -> Result<(), DumpError> {
        let Some(func) = self.btf.get(id) else { return Ok(()) };
        let Body::Func { proto, .. } = func.body else { return Ok(()) };
        let text = self.declare(proto, func.name.into(), 0)?;
        self.push(&format!("extern {text} __weak __ksym;\n"))
    }

    fn push(&mut self, text: &str) -> Result<(), DumpError> {
        if self.text.len().saturating_add(text.len()) > self.limit {
            return Err(DumpError::Size { limit: self.limit });
        }
        self.text.push_str(text);
        Ok(())
    }

    /// Kernels define `bool`, `false` and `true`, which are words of the language since C23.
    fn push_c17(&mut self, ty: Type<'_>, text: &str) -> Result<(), DumpError> {
        let first = match ty.body {
            Body::Enum { variants, .. } => variants.get(0).map(|first| first.name),
            _ => None,
        };
        if ty.name != "bool" && !matches!(first, Some("false" | "true")) {
            return self.push(text);
        }
        let text = text.trim_end();
        self.push(&format!("#if __STDC_VERSION__ < 202311L\n{text}\n#endif\n\n"))
    }

    /// `struct sock`.
    fn tag(&self, ty: Type<'_>) -> String {
        let word = match ty.body {
            Body::Struct { .. } | Body::Fwd { union: false } => "struct",
            Body::Union { .. } | Body::Fwd { union: true } => "union",
            _ => "enum",
        };
        let name = self.names.of(ty.id, ty.name);
        if name.is_empty() { word.into() } else { format!("{word} {name}") }
    }

    /// Declares `name`, or an abstract declarator if it is empty, to be of type `id`. `level` is how far
    /// lines are indented.
    fn declare(&mut self, id: TypeId, name: String, level: usize) -> Result<String, DumpError> {
        let text = self.deeper(id, |writer| writer.declarator(id, name, level))?;
        if text.len() > self.limit {
            return Err(DumpError::Size { limit: self.limit });
        }
        Ok(text)
    }

    /// Writes what stands within something else: recursion has a limit.
    fn deeper(
        &mut self,
        id: TypeId,
        write: impl FnOnce(&mut Self) -> Result<String, DumpError>,
    ) -> Result<String, DumpError> {
        let limit = Btf::MAX_NESTING;
        self.depth = self
            .depth
            .checked_add(1)
            .filter(|&depth| depth <= limit)
            .ok_or(DumpError::Deep { id, limit })?;
        let text = write(self);
        self.depth = self.depth.saturating_sub(1);
        text
    }

    /// Goes from the name outwards: `*x`, `(*x)[2]`, `int (*x)[2]`.
    fn declarator(&mut self, id: TypeId, name: String, level: usize) -> Result<String, DumpError> {
        let (mut id, mut text) = (id, name);
        let mut quals = Quals::default();
        // Whether `text` begins with `*`, which binds less than what follows a name.
        let mut pointer = false;
        // Ends: types are spelled in no cycle.
        loop {
            let Some(ty) = self.btf.get(id) else { return Ok(text) };
            match ty.body {
                Body::Const(to) => (quals.constant, id) = (true, to),
                Body::Volatile(to) => (quals.volatile, id) = (true, to),
                Body::Restrict(to) => (quals.restrict, id) = (true, to),
                Body::TypeTag(to) => id = to,
                Body::Ptr(to) => {
                    let words = core::mem::take(&mut quals).words(true);
                    text = format!("*{words}{text}");
                    (pointer, id) = (true, to);
                }
                Body::Array { elem, len, .. } => {
                    text = format!("{}[{len}]", grouped(text, pointer));
                    (pointer, id) = (false, elem);
                }
                Body::FuncProto { ret, params } => {
                    let params = self.params(params, level)?;
                    text = format!("{}({params})", grouped(text, pointer));
                    // C has no qualified functions.
                    quals = Quals::default();
                    (pointer, id) = (false, ret);
                }
                _ => {
                    let words = quals.words(false);
                    let base = self.base(ty, level)?;
                    let space = if text.is_empty() { "" } else { " " };
                    return Ok(format!("{words}{base}{space}{text}"));
                }
            }
        }
    }

    fn params(
        &mut self,
        params: List<'a, Param<'a>, 2>,
        level: usize,
    ) -> Result<String, DumpError> {
        if params.is_empty() {
            return Ok("void".into());
        }
        let mut text = String::new();
        for (index, param) in params.iter().enumerate() {
            let one = match param.ty {
                // C before C23 has no `(...)`: any arguments are `()`.
                TypeId::VOID if index == 0 => String::new(),
                TypeId::VOID => "...".into(),
                ty => self.declare(ty, ident(param.name).into_owned(), level)?,
            };
            let comma = if index == 0 { "" } else { ", " };
            text.push_str(comma);
            text.push_str(&one);
        }
        Ok(text)
    }

    /// The type that a declaration begins with.
    fn base(&mut self, ty: Type<'a>, level: usize) -> Result<String, DumpError> {
        Ok(match ty.body {
            Body::Int(int) => int_name(ty.name, int).into(),
            Body::Float { .. } => ty.name.into(),
            Body::Typedef(_) => self.names.of(ty.id, ty.name).into(),
            Body::Struct { .. } | Body::Union { .. } if ty.name.is_empty() => {
                self.composite(ty.id, level)?
            }
            Body::Enum { size, signed, .. } | Body::Enum64 { size, signed, .. }
                if ty.name.is_empty() =>
            {
                match self.enums.insert(ty.id) {
                    true => self.enumeration(ty, level),
                    false => sized_int(size, signed).into(),
                }
            }
            Body::Struct { .. }
            | Body::Union { .. }
            | Body::Fwd { .. }
            | Body::Enum { .. }
            | Body::Enum64 { .. } => self.tag(ty),
            _ => "void".into(),
        })
    }

    /// A struct or union with its members.
    fn composite(&mut self, id: TypeId, level: usize) -> Result<String, DumpError> {
        let Some(ty) = self.btf.get(id) else { return Ok(String::new()) };
        Ok(format!("{}{}", self.tag(ty), self.body(id, level)?))
    }

    /// The members of a struct or union, from the space before the brace on.
    fn body(&mut self, id: TypeId, level: usize) -> Result<String, DumpError> {
        let Some(ty) = self.btf.get(id) else { return Ok(String::new()) };
        let (Body::Struct { size, members } | Body::Union { size, members }) = ty.body else {
            return Ok(String::new());
        };
        let is_union = matches!(ty.body, Body::Union { .. });
        let packed = self.layout.is_packed(id);
        let mut text = String::from(" {\n");
        let inner = level.saturating_add(1);
        let (mut at, mut end) = (0, 0_u64);
        for member in members.iter() {
            let bits = self.layout.bits(member);
            if !is_union && self.layout.natural(at, member, packed) != bits.start {
                self.pad(&mut text, inner, at, bits.start)?;
            }
            self.member(&mut text, member, bits.width, inner)?;
            (at, end) = (bits.end, end.max(bits.end));
        }
        let align = if packed { 1 } else { u64::from(self.layout.align(id)) };
        let whole = u64::from(size).saturating_mul(8);
        if end.next_multiple_of(align.saturating_mul(8)) < whole {
            match is_union {
                false => self.pad(&mut text, inner, end, whole)?,
                true => {
                    line(&mut text, inner, "struct {");
                    self.pad(&mut text, inner.saturating_add(1), 0, whole)?;
                    line(&mut text, inner, "};");
                }
            }
        }
        indent(&mut text, level);
        text.push('}');
        if packed {
            text.push_str(" __attribute__((packed))");
        }
        Ok(text)
    }

    /// Fills bits. What is mostly filling would be a large text.
    fn pad(&self, text: &mut String, level: usize, at: u64, end: u64) -> Result<(), DumpError> {
        for (name, width) in padding(at, end) {
            line(text, level, &format!("{name}: {width};"));
            if text.len() > self.limit {
                return Err(DumpError::Size { limit: self.limit });
            }
        }
        Ok(())
    }

    fn member(
        &mut self,
        text: &mut String,
        member: Member<'_>,
        width: Option<u8>,
        level: usize,
    ) -> Result<(), DumpError> {
        let mut one = match self.embedded(member) {
            Some(word) => {
                let body = self.deeper(member.ty, |writer| writer.body(member.ty, level))?;
                format!("{word}{body}")
            }
            None => self.declare(member.ty, ident(member.name).into_owned(), level)?,
        };
        if let Some(width) = width {
            one = format!("{one}: {width}");
        }
        line(text, level, &format!("{one};"));
        if text.len() > self.limit {
            return Err(DumpError::Size { limit: self.limit });
        }
        Ok(())
    }

    /// The word for a struct or union with a name that is a member without one, as compilers take it with
    /// `-fms-extensions` (Linux 6.19). Without, only one without a name can be such a member.
    fn embedded(&self, member: Member<'_>) -> Option<&'static str> {
        let ty = self.btf.get(member.ty).filter(|ty| !ty.name.is_empty())?;
        match ty.body {
            _ if !member.name.is_empty() => None,
            Body::Struct { .. } => Some("struct"),
            Body::Union { .. } => Some("union"),
            _ => None,
        }
    }

    /// An enumeration with its enumerators.
    fn enumeration(&self, ty: Type<'_>, level: usize) -> String {
        let mut text = self.tag(ty);
        let (size, variants) = match ty.body {
            Body::Enum { size, variants, .. } => {
                (size, variants.iter().collect::<alloc::vec::Vec<_>>())
            }
            Body::Enum64 { size, variants, .. } => (size, variants.iter().collect()),
            _ => return text,
        };
        if variants.is_empty() {
            return text;
        }
        text.push_str(" {\n");
        let mut wide = false;
        for (index, variant) in variants.iter().enumerate() {
            let name = self.names.variant(ty.id, index, variant.name);
            let suffix = match variant.value {
                value if i32::try_from(value).is_ok() || u32::try_from(value).is_ok() => "",
                value if value > i64::MAX.into() => "ULL",
                _ => "LL",
            };
            wide |= !suffix.is_empty();
            line(
                &mut text,
                level.saturating_add(1),
                &match variant.value {
                    // C has no negative numbers, and 2^63 is too large to be negated.
                    value if value == i64::MIN.into() => {
                        format!("{name} = -9223372036854775807LL - 1,")
                    }
                    value => format!("{name} = {value}{suffix},"),
                },
            );
        }
        indent(&mut text, level);
        text.push('}');
        match size {
            1 => text.push_str(" __attribute__((mode(QI)))"),
            2 => text.push_str(" __attribute__((mode(HI)))"),
            8 if !wide => text.push_str(" __attribute__((mode(DI)))"),
            _ => {}
        }
        text
    }
}

impl Quals {
    fn words(self, after_star: bool) -> String {
        let mut text = String::new();
        for (is, word) in
            [(self.constant, "const "), (self.volatile, "volatile "), (self.restrict, "restrict ")]
        {
            // Only pointers are restricted.
            if is && (after_star || word != "restrict ") {
                text.push_str(word);
            }
        }
        text
    }
}

fn grouped(text: String, pointer: bool) -> String {
    if pointer { format!("({text})") } else { text }
}

fn line(text: &mut String, level: usize, line: &str) {
    indent(text, level);
    // Writing to a string does not fail.
    let _ = writeln!(text, "{line}");
}

fn indent(text: &mut String, level: usize) {
    for _ in 0..level {
        text.push('\t');
    }
}

/// The name itself if C has it; other languages have others.
fn int_name(name: &str, int: Int) -> &str {
    const WORDS: [&str; 8] =
        ["char", "short", "int", "long", "signed", "unsigned", "_Bool", "__int128"];
    match name {
        _ if !name.is_empty() && name.split(' ').all(|word| WORDS.contains(&word)) => name,
        _ if int.bool => "_Bool",
        _ => sized_int(int.size, int.signed),
    }
}

fn sized_int(size: u32, signed: bool) -> &'static str {
    match (size, signed) {
        (1, true) => "signed char",
        (1, false) => "unsigned char",
        (2, true) => "short",
        (2, false) => "unsigned short",
        (4, true) => "int",
        (4, false) => "unsigned int",
        (8, true) => "long long",
        (8, false) => "unsigned long long",
        (_, true) => "__int128",
        (_, false) => "unsigned __int128",
    }
}
