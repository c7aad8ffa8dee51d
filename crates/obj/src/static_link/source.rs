//! An object that is being linked: what stands in it, and what its types say about its symbols.

use super::{LinkError, LinkInput};
use crate::ObjectFile;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use skep_btf::{Body, Btf, BtfExt, FuncLinkage, Type, TypeId, VarLinkage};

/// Section of the types that stand for externs of no section.
const EXTERN: &str = ".extern";

pub(super) struct Source {
    pub(super) name: String,
    pub(super) file: ObjectFile,
    pub(super) btf: Option<Btf>,
    pub(super) ext: Option<BtfExt>,
    /// What the types say about symbols that other objects see.
    pub(super) public: BTreeMap<String, Public>,
}

/// A variable or function that other objects see.
pub(super) struct Public {
    pub(super) id: TypeId,
    /// The data section that it is in, by name.
    pub(super) section: Option<String>,
}

impl Source {
    pub(super) fn read(input: &LinkInput<'_>) -> Result<Self, LinkError> {
        let name = String::from(input.name);
        let bad = |source| LinkError::Object { file: name.clone(), source: Box::new(source) };
        let file = ObjectFile::read(input.bytes).map_err(bad)?;
        let bytes = |section: &'static str| {
            let index = file.section(section)?;
            Some(file.sections.get(index)?.content.bytes())
        };
        let of = |section, source| LinkError::Btf { file: name.clone(), section, source };
        let btf = bytes(".BTF").map(Btf::parse).transpose().map_err(|err| of(".BTF", err))?;
        let ext = match (&btf, bytes(".BTF.ext")) {
            (Some(btf), Some(bytes)) => {
                Some(BtfExt::parse(bytes, btf).map_err(|err| of(".BTF.ext", err))?)
            }
            _ => None,
        };
        let public = btf.as_ref().map(|btf| public(btf, &name)).transpose()?.unwrap_or_default();
        Ok(Self { name, file, btf, ext, public })
    }
}

/// Everything in the types that is not static, by name.
fn public(btf: &Btf, file: &str) -> Result<BTreeMap<String, Public>, LinkError> {
    let mut public = BTreeMap::<String, Public>::new();
    for ty in btf.types().filter(is_public) {
        let new = Public { id: ty.id, section: None };
        if let Some(old) = public.insert(ty.name.into(), new) {
            return Err(LinkError::Ambiguous {
                symbol: ty.name.into(),
                file: file.into(),
                one: old.id.0,
                other: ty.id.0,
            });
        }
    }
    for section in btf.types() {
        let Body::Datasec { vars, .. } = section.body else { continue };
        if section.name == EXTERN {
            continue;
        }
        for var in vars.iter().filter_map(|var| btf.get(var.var)).filter(is_public) {
            if let Some(public) = public.get_mut(var.name) {
                public.section = Some(section.name.into());
            }
        }
    }
    Ok(public)
}

/// Whether other objects see a variable or function.
pub(super) fn is_public(ty: &Type<'_>) -> bool {
    match ty.body {
        Body::Var { linkage, .. } => linkage != VarLinkage::Static,
        Body::Func { linkage, .. } => linkage != FuncLinkage::Static,
        _ => false,
    }
}
