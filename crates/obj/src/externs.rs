//! What only a kernel has: the undefined symbols that `.ksyms` and `.kconfig` of the types describe.
//!
//! Of libbpf: `bpf_object__collect_externs`.

use crate::ObjError;
use crate::elf::{Elf, Place, Symbol};
use crate::kconfig::KconfigType;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use skep_abi::MapType;
use skep_btf::{Body, Btf, Kind, TypeId, VarLinkage};
use skep_prog::{DataKind, Extern, Kconfig, MapDef};

/// Variables of the kernel's configuration.
const KCONFIG: &str = ".kconfig";
/// Functions and variables of the kernel.
const KSYMS: &str = ".ksyms";
/// `BPF_F_RDONLY_PROG` and `BPF_F_MMAPABLE`: loaders and others may read it.
const FLAGS: u32 = 1 << 7 | 1 << 10;

/// Most bytes of configuration: an object can claim any length for a string.
const MAX_SIZE: u32 = 1 << 20;

/// The externs of an object.
#[derive(Default)]
pub(crate) struct Externs<'a> {
    /// Functions and variables of the kernel, in the order of the symbols.
    pub(crate) ksyms: Vec<Ksym>,
    /// Variables of the configuration, by position.
    pub(crate) kconfig: Vec<Kconfig>,
    /// Bytes that those take.
    size: u32,
    by_name: BTreeMap<&'a str, Ref>,
}

/// A function or variable of the kernel.
pub(crate) struct Ksym {
    pub(crate) ext: Extern,
    pub(crate) is_func: bool,
}

/// What an undefined symbol is.
#[derive(Clone, Copy)]
pub(crate) enum Ref {
    /// A variable at this byte of the section `.kconfig`.
    Kconfig(u32),
    /// One of [`Externs::ksyms`].
    Ksym(usize),
}

impl<'a> Externs<'a> {
    pub(crate) fn collect(elf: &Elf<'a>, btf: Option<&Btf>) -> Result<Self, ObjError> {
        let Some(btf) = btf else { return Ok(Self::default()) };
        let (config, kernel) = (members(btf, KCONFIG), members(btf, KSYMS));
        let mut this = Self::default();
        let mut vars = Vec::new();
        for symbol in elf.symbols.iter().filter(|symbol| symbol.place == Place::Undefined) {
            if let Some(&id) = config.get(symbol.name) {
                vars.push(Var::new(btf, symbol, id)?);
            } else if let Some(&id) = kernel.get(symbol.name) {
                this.by_name.insert(symbol.name, Ref::Ksym(this.ksyms.len()));
                this.ksyms.push(ksym(btf, symbol, id));
            }
        }
        this.place(vars)?;
        Ok(this)
    }

    /// What the symbol of this name is.
    pub(crate) fn get(&self, name: &str) -> Option<Ref> {
        self.by_name.get(name).copied()
    }

    /// Gives each variable of the configuration its place: large alignments first.
    /// Of libbpf: `cmp_externs`.
    fn place(&mut self, mut vars: Vec<Var<'a>>) -> Result<(), ObjError> {
        vars.sort_by_key(|var| (core::cmp::Reverse(var.ty.align()), var.ty.size(), var.name));
        for var in vars {
            let end = self.size.checked_next_multiple_of(var.ty.align());
            let end = end.and_then(|at| Some((at, at.checked_add(var.ty.size())?)));
            let (at, end) = end.filter(|&(_, end)| end <= MAX_SIZE).ok_or(ObjError::DataSize {
                section: KCONFIG.into(),
                size: u64::from(self.size).saturating_add(var.ty.size().into()),
                limit: MAX_SIZE,
            })?;
            self.size = end;
            self.by_name.insert(var.name, Ref::Kconfig(at));
            let (name, type_id, weak) = (var.name.into(), var.id, var.weak);
            self.kconfig.push(Kconfig { name, at, type_id, weak });
        }
        Ok(())
    }

    /// The map that holds the configuration, if a program asks for any.
    pub(crate) fn map(&self, btf: Option<&mut Btf>) -> Option<MapDef> {
        if self.kconfig.is_empty() {
            return None;
        }
        let mut def = MapDef::new(KCONFIG, MapType::Array, 4, self.size, 1);
        def.flags = FLAGS;
        def.data = Some(DataKind::Kconfig);
        if let Some(btf) = btf
            && let Some(section) = btf.find(KCONFIG, Kind::Datasec).map(|ty| ty.id)
        {
            btf.place_vars(section, self.size, |name| match self.get(name)? {
                Ref::Kconfig(at) => Some(at),
                Ref::Ksym(_) => None,
            });
            def.value_type = Some(section);
        }
        Some(def)
    }
}

/// A variable of the configuration without a place.
struct Var<'a> {
    name: &'a str,
    /// Its type.
    id: TypeId,
    ty: KconfigType,
    weak: bool,
}

impl<'a> Var<'a> {
    fn new(btf: &Btf, symbol: &Symbol<'a>, var: TypeId) -> Result<Self, ObjError> {
        let id = match btf.get(var).map(|var| var.body) {
            Some(Body::Var { ty, .. }) => Some(ty),
            _ => None,
        };
        let ty = id.and_then(|id| Some((id, KconfigType::of(btf, id)?)));
        let (id, ty) = ty.ok_or_else(|| ObjError::KconfigType { name: symbol.name.into() })?;
        Ok(Self { name: symbol.name, id, ty, weak: symbol.weak })
    }
}

/// Names and types of what a section of externs describes.
fn members<'b>(btf: &'b Btf, section: &str) -> BTreeMap<&'b str, TypeId> {
    let Some(Body::Datasec { vars, .. }) = btf.find(section, Kind::Datasec).map(|ty| ty.body)
    else {
        return BTreeMap::new();
    };
    let named = vars.iter().filter_map(|var| Some((btf.get(var.var)?.name, var.var)));
    named.filter(|(name, _)| !name.is_empty()).collect()
}

/// A variable declared as `extern const void x __ksym` has no type.
fn ksym(btf: &Btf, symbol: &Symbol<'_>, id: TypeId) -> Ksym {
    let body = btf.get(id).map(|ty| ty.body);
    let is_void = |ty| btf.resolve(ty).is_some_and(|ty| ty.id == TypeId::VOID);
    let typed = !matches!(body, Some(Body::Var { ty, linkage: VarLinkage::Extern }) if is_void(ty));
    let is_func = matches!(body, Some(Body::Func { .. }));
    let ext = Extern { name: symbol.name.into(), type_id: typed.then_some(id), weak: symbol.weak };
    Ksym { ext, is_func }
}
