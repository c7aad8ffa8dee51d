//! Maps and data as a text declares them.

use skep_abi::MapType;
use skep_diag::{Diagnostic, Span};
use skep_prog::{DataKind, Initial, MapDef};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes of data in one text. A `.zero` must not decide how much memory is taken.
const MOST: usize = 64 << 20;

/// Names of data, by directive.
pub(crate) const KINDS: [(&str, DataKind, u32); 4] = [
    (".data", DataKind::Data, 0),
    (".rodata", DataKind::Rodata, RDONLY_PROG),
    (".bss", DataKind::Bss, 0),
    (".kconfig", DataKind::Kconfig, RDONLY_PROG),
];

/// `BPF_F_RDONLY_PROG`: programs may not write.
const RDONLY_PROG: u32 = 0x80;

/// Where a symbol points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Symbol {
    pub(crate) map: usize,
    /// Bytes into its value; `None` is the map itself.
    pub(crate) at: Option<u32>,
    pub(crate) span: Span,
}

/// Maps in order, and what names there are.
#[derive(Default)]
pub(crate) struct Data<'a> {
    pub(crate) maps: Vec<MapDef>,
    pub(crate) symbols: BTreeMap<Cow<'a, str>, Symbol>,
    /// Programs and maps in initial values, to be found later: map, name, place.
    pub(crate) members: Vec<(usize, String, Span)>,
    /// The data section that bytes go to.
    open: Option<Open>,
    total: usize,
}

struct Open {
    map: usize,
    kind: DataKind,
    bytes: Vec<u8>,
    /// Bytes of a section that is all zero.
    zeroes: u32,
}

impl<'a> Data<'a> {
    pub(crate) const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Adds a map under its name.
    pub(crate) fn add(
        &mut self,
        name: Cow<'a, str>,
        span: Span,
        map: MapDef,
        at: Option<u32>,
    ) -> Result<usize, Diagnostic> {
        self.symbol(name, Symbol { map: self.maps.len(), at, span })?;
        self.maps.push(map);
        Ok(self.maps.len() - 1)
    }

    fn symbol(&mut self, name: Cow<'a, str>, symbol: Symbol) -> Result<(), Diagnostic> {
        if let Some(first) = self.symbols.get(&name) {
            let title = format!("`{name}` exists already");
            return Err(Diagnostic::error("asm.duplicate", title)
                .label(symbol.span, "")
                .context(first.span, "first defined here"));
        }
        self.symbols.insert(name, symbol);
        Ok(())
    }

    /// Begins a data section.
    pub(crate) fn begin(
        &mut self,
        name: Cow<'a, str>,
        span: Span,
        kind: DataKind,
        flags: u32,
    ) -> Result<(), Diagnostic> {
        self.close();
        let mut map = MapDef::new(&name, MapType::Array, 4, 0, 1);
        (map.flags, map.data) = (flags, Some(kind));
        let map = self.add(name, span, map, Some(0))?;
        self.open = Some(Open { map, kind, bytes: Vec::new(), zeroes: 0 });
        Ok(())
    }

    /// Names the next byte of the open section.
    pub(crate) fn define(&mut self, name: Cow<'a, str>, span: Span) -> Result<(), Diagnostic> {
        let Some(open) = &self.open else { return Ok(()) };
        let symbol = Symbol { map: open.map, at: Some(open.len()), span };
        self.symbol(name, symbol)
    }

    /// Appends to the open section.
    pub(crate) fn bytes(&mut self, bytes: &[u8], span: Span) -> Result<(), Diagnostic> {
        let Some(open) = &mut self.open else { return Err(outside(span)) };
        if open.kind == DataKind::Bss {
            return Err(Diagnostic::error("asm.misplaced", "`.bss` holds only zeroes")
                .label(span, "`.zero` would do"));
        }
        self.total += bytes.len();
        if self.total > MOST {
            return Err(too_much(span));
        }
        open.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Appends zeroes.
    pub(crate) fn zero(&mut self, len: u32, span: Span) -> Result<(), Diagnostic> {
        let Some(open) = &mut self.open else { return Err(outside(span)) };
        if open.kind == DataKind::Bss {
            open.zeroes = open.zeroes.checked_add(len).ok_or_else(|| too_much(span))?;
            return Ok(());
        }
        let len = len as usize;
        if len > MOST - self.total.min(MOST) {
            return Err(too_much(span));
        }
        self.total += len;
        open.bytes.resize(open.bytes.len() + len, 0);
        Ok(())
    }

    /// Zeroes up to a multiple of `to`, a power of two.
    pub(crate) fn align(&mut self, to: u32, span: Span) -> Result<(), Diagnostic> {
        let len = self.open.as_ref().map_or(0, Open::len);
        self.zero(len.wrapping_neg() & (to - 1), span)
    }

    /// What follows is no data.
    pub(crate) fn close(&mut self) {
        let Some(open) = self.open.take() else { return };
        let map = &mut self.maps[open.map];
        map.value_size = open.len();
        if open.kind != DataKind::Bss {
            map.initial = Initial::Value(open.bytes);
        }
    }
}

impl Open {
    fn len(&self) -> u32 {
        // `MOST` is less than 32 bits can count.
        self.zeroes + u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }
}

fn outside(span: Span) -> Diagnostic {
    Diagnostic::error("asm.misplaced", "data outside a data section")
        .label(span, "")
        .help("begin one with `.data NAME`, `.rodata NAME` or `.bss NAME`")
}

fn too_much(span: Span) -> Diagnostic {
    Diagnostic::error("asm.number-range", "more data than an assembly text may have")
        .label(span, format!("the limit is {MOST} bytes in all"))
}
