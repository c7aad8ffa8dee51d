//! Symbols of one name, one symbol.

use super::compat;
use super::sections::Sections;
use super::source::Source;
use super::{LinkError, Undefined};
use crate::map::{self, MAPS};
use crate::{Binding, FileSymbol, SymbolKind, SymbolPlace};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use skep_btf::{Body, Btf, TypeId};
use skep_prog::MapDef;

/// Sections of the types for what a kernel provides.
const KERNEL: [&str; 2] = [".ksyms", ".kconfig"];

/// The symbols of the result.
pub(super) struct Symbols {
    /// Local ones first.
    pub(super) list: Vec<FileSymbol>,
    /// By object and symbol: index in `list`; `None` for what was left out.
    placed: Vec<Vec<Option<usize>>>,
    globals: BTreeMap<String, Global>,
}

/// A symbol that several objects may name.
pub(super) struct Global {
    symbol: FileSymbol,
    /// The object that defines it, or else the first one that declares it.
    pub(super) source: usize,
    /// Its type there.
    pub(super) id: Option<TypeId>,
    /// The section it is in or declared in.
    section: Option<String>,
    /// The definition gives way to others.
    gives_way: bool,
    /// Its number among the global symbols.
    number: usize,
}

impl Global {
    pub(super) fn is_defined(&self) -> bool {
        self.symbol.place != SymbolPlace::Undefined
    }
}

/// A global symbol as one object has it.
struct Mention<'a> {
    source: usize,
    from: &'a Source,
    symbol: FileSymbol,
    id: Option<TypeId>,
    section: Option<String>,
}

/// A symbol of an object, before global ones have their place behind the local ones.
enum Slot {
    LeftOut,
    Local(usize),
    Global(usize),
}

impl Symbols {
    pub(super) fn resolve(sources: &[Source], sections: &Sections) -> Result<Self, LinkError> {
        let mut locals = Vec::new();
        let mut section_symbols = BTreeMap::new();
        let mut globals = BTreeMap::<String, Global>::new();
        let mut slots = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let mut row = Vec::new();
            for symbol in &source.file.symbols {
                let Some(placed) = place(symbol, index, sections) else {
                    row.push(Slot::LeftOut);
                    continue;
                };
                row.push(match (symbol.binding, symbol.kind, placed.place) {
                    (Binding::Local, SymbolKind::Section, SymbolPlace::Section(section)) => {
                        // One for each section of the result, at its start.
                        let number = *section_symbols.entry(section).or_insert_with(|| {
                            locals.push(FileSymbol { value: 0, ..placed });
                            locals.len().saturating_sub(1)
                        });
                        Slot::Local(number)
                    }
                    (Binding::Local, ..) => {
                        locals.push(placed);
                        Slot::Local(locals.len().saturating_sub(1))
                    }
                    _ => {
                        let mention = Mention::new(source, index, symbol, placed);
                        Slot::Global(mention.join(sources, &mut globals)?)
                    }
                });
            }
            slots.push(row);
        }
        let first = locals.len();
        let number = |slot: &Slot| match *slot {
            Slot::LeftOut => None,
            Slot::Local(number) => Some(number),
            Slot::Global(number) => Some(first.saturating_add(number)),
        };
        let placed = slots.iter().map(|row| row.iter().map(number).collect()).collect();
        let mut list = locals;
        let mut order: Vec<&Global> = globals.values().collect();
        order.sort_by_key(|global| global.number);
        list.extend(order.into_iter().map(|global| global.symbol.clone()));
        Ok(Self { list, placed, globals })
    }

    /// The symbol of the result for one of an object.
    pub(super) fn placed(&self, source: usize, symbol: usize) -> Option<usize> {
        *self.placed.get(source)?.get(symbol)?
    }

    pub(super) fn global(&self, name: &str) -> Option<&Global> {
        self.globals.get(name)
    }

    /// What is neither defined nor expected of a kernel.
    pub(super) fn undefined(&self, sources: &[Source]) -> Vec<Undefined> {
        let is_kernel = |section: &String| KERNEL.contains(&section.as_str());
        let undefined = self.globals.iter().filter(|(_, global)| {
            !global.is_defined() && !global.section.as_ref().is_some_and(is_kernel)
        });
        let file = |source: usize| sources.get(source).map_or("", |source| &source.name).into();
        undefined
            .map(|(name, global)| Undefined { symbol: name.clone(), file: file(global.source) })
            .collect()
    }
}

/// The symbol where its section came to stand; `None` if that was left out.
fn place(symbol: &FileSymbol, source: usize, sections: &Sections) -> Option<FileSymbol> {
    let mut placed = symbol.clone();
    if let SymbolPlace::Section(section) = symbol.place {
        let at = sections.placed(source, section)?;
        placed.place = SymbolPlace::Section(at.section);
        placed.value = symbol.value.saturating_add(at.at);
    }
    Some(placed)
}

impl<'a> Mention<'a> {
    fn new(from: &'a Source, source: usize, symbol: &FileSymbol, placed: FileSymbol) -> Self {
        let public = from.public.get(&symbol.name);
        let section = match symbol.place {
            SymbolPlace::Section(section) => from.file.sections.get(section).map(|s| &s.name),
            _ => public.and_then(|public| public.section.as_ref()),
        };
        let section = section.cloned();
        Self { source, from, symbol: placed, id: public.map(|public| public.id), section }
    }

    fn is_defined(&self) -> bool {
        self.symbol.place != SymbolPlace::Undefined
    }

    fn is_weak(&self) -> bool {
        self.symbol.binding == Binding::Weak
    }

    /// Makes the symbol one with others of its name. Of libbpf: `linker_append_elf_sym`.
    fn join(
        self,
        sources: &[Source],
        globals: &mut BTreeMap<String, Global>,
    ) -> Result<usize, LinkError> {
        let next = globals.len();
        let Some(global) = globals.get_mut(&self.symbol.name) else {
            if !self.is_defined() {
                self.typed(self.from, self.id)?;
            }
            let gives_way = self.is_weak();
            let Self { source, symbol, id, section, .. } = self;
            let name = symbol.name.clone();
            let global = Global { symbol, source, id, section, gives_way, number: next };
            globals.insert(name, global);
            return Ok(next);
        };
        let first = sources.get(global.source).expect("bug: sources are numbered");
        if self.is_defined() && global.is_defined() && !self.is_weak() && !global.gives_way {
            let (first, second) = (first.name.clone(), self.from.name.clone());
            return Err(LinkError::Duplicate { symbol: self.symbol.name, first, second });
        }
        self.agrees(first, global)?;
        // A strong declaration makes the symbol strong, and a hidden one makes it hidden.
        if !self.is_weak() {
            global.symbol.binding = Binding::Global;
        }
        global.symbol.hidden |= self.symbol.hidden;
        let number = global.number;
        let defines =
            self.is_defined() && (!global.is_defined() || (global.gives_way && !self.is_weak()));
        // What a kernel has is declared in a section, which says so.
        let says_where = !self.is_defined()
            && !global.is_defined()
            && global.section.is_none()
            && self.section.is_some();
        if defines || says_where {
            let (binding, hidden) = (global.symbol.binding, global.symbol.hidden);
            global.gives_way = self.is_weak();
            global.source = self.source;
            global.id = self.id;
            global.section = self.section;
            global.symbol = FileSymbol { binding, hidden, ..self.symbol };
        }
        Ok(number)
    }

    fn typed<'b>(
        &self,
        source: &'b Source,
        id: Option<TypeId>,
    ) -> Result<(&'b Btf, TypeId), LinkError> {
        source.btf.as_ref().zip(id).ok_or_else(|| LinkError::NoTypes {
            symbol: self.symbol.name.clone(),
            file: source.name.clone(),
        })
    }

    /// Whether both objects mean the same by the symbol.
    fn agrees(&self, first: &Source, global: &Global) -> Result<(), LinkError> {
        let (ours, theirs) = (self.typed(self.from, self.id)?, self.typed(first, global.id)?);
        let names = || (self.symbol.name.clone(), first.name.clone(), self.from.name.clone());
        // Externs of no section may be anywhere; two definitions stand where they want.
        if let (Some(old), Some(new)) = (&global.section, &self.section)
            && old != new
            && !(self.is_defined() && global.is_defined())
        {
            let (symbol, first, second) = names();
            let (first_section, second_section) = (old.clone(), new.clone());
            return Err(LinkError::Section {
                symbol,
                first,
                first_section,
                second,
                second_section,
            });
        }
        let is_map = |section: &Option<String>| section.as_deref() == Some(MAPS);
        if is_map(&global.section) || is_map(&self.section) {
            return self.same_map(first, theirs, ours);
        }
        compat::same(theirs, ours).map_err(|source| {
            let (symbol, first, second) = names();
            LinkError::Types { symbol, first, second, source: Box::new(source) }
        })
    }

    /// Whether both objects describe the same map. Of libbpf: `map_defs_match`.
    fn same_map(
        &self,
        first: &Source,
        theirs: (&Btf, TypeId),
        ours: (&Btf, TypeId),
    ) -> Result<(), LinkError> {
        let symbol = &self.symbol.name;
        let def = |source: &Source, (btf, id): (&Btf, TypeId)| {
            let ty = match btf.get(id).map(|ty| ty.body) {
                Some(Body::Var { ty, .. }) => ty,
                _ => id,
            };
            map::described(btf, ty, symbol).map_err(|err| LinkError::MapDef {
                symbol: symbol.clone(),
                file: source.name.clone(),
                source: Box::new(err),
            })
        };
        let (a, b) = (def(first, theirs)?, def(self.from, ours)?);
        let different = different((&a, theirs.0), (&b, ours.0)).or_else(|| {
            match (a.inner.as_deref(), b.inner.as_deref()) {
                (Some(a), Some(b)) => different((a, theirs.0), (b, ours.0)),
                (None, None) => None,
                _ => Some(("inner map", None)),
            }
        });
        different.map_or(Ok(()), |(what, source)| {
            let (first, second) = (first.name.clone(), self.from.name.clone());
            let source = source.map(Box::new);
            Err(LinkError::Map { symbol: symbol.clone(), what, first, second, source })
        })
    }
}

/// What tells two definitions apart, inner maps aside.
fn different(
    (a, a_btf): (&MapDef, &Btf),
    (b, b_btf): (&MapDef, &Btf),
) -> Option<(&'static str, Option<compat::Mismatch>)> {
    let sizes = [
        ("type", a.map_type == b.map_type),
        ("key size", a.key_size == b.key_size),
        ("value size", a.value_size == b.value_size),
        ("max_entries", a.max_entries == b.max_entries),
        ("map_flags", a.flags == b.flags),
        ("numa_node", a.numa_node == b.numa_node),
        ("pinning", a.pinned == b.pinned),
    ];
    if let Some(&(what, _)) = sizes.iter().find(|(_, same)| !same) {
        return Some((what, None));
    }
    let types = [("key type", a.key_type, b.key_type), ("value type", a.value_type, b.value_type)];
    types.into_iter().find_map(|(what, a, b)| match (a, b) {
        (Some(a), Some(b)) => {
            compat::same((a_btf, a), (b_btf, b)).err().map(|source| (what, Some(source)))
        }
        (None, None) => None,
        _ => Some((what, None)),
    })
}
