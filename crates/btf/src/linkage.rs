//! Who sees a function, as the kernel reads it.

use crate::{Body, Btf, FuncLinkage, TypeId};

impl Btf {
    /// Makes a global function static. Returns whether it was global.
    ///
    /// The kernel verifies a global function by itself, for any arguments; a function that its object
    /// hides from others is verified for those of its callers. Only the symbol table knows which are
    /// hidden. Of libbpf: `bpf_program::mark_btf_static`.
    pub fn hide_func(&mut self, func: TypeId) -> bool {
        let body = self.get(func).map(|ty| ty.body);
        if !matches!(body, Some(Body::Func { linkage: FuncLinkage::Global, .. })) {
            return false;
        }
        let Some(range) = self.range(func) else { return false };
        let order = self.order;
        let Some([_, info, ..]) = self.source.words_mut().get_mut(range) else { return false };
        // The number of entries holds the linkage of a function.
        *info = order.bytes(order.u32(*info) & !0xffff);
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::{Body, Builder, Def, FuncLinkage, TypeId};

    #[test]
    fn only_global_functions_are_hidden() {
        let mut builder = Builder::new();
        let proto = builder.add("", Def::FuncProto { ret: TypeId::VOID, params: &[] }).unwrap();
        let linkages = [FuncLinkage::Global, FuncLinkage::Static];
        let ids = linkages.map(|linkage| builder.add("f", Def::Func { proto, linkage }).unwrap());
        let mut btf = builder.finish().unwrap();
        assert!(btf.hide_func(ids[0]));
        assert!(!btf.hide_func(ids[0]), "it is static now");
        assert!(!btf.hide_func(ids[1]) && !btf.hide_func(proto) && !btf.hide_func(TypeId(99)));
        let Some(Body::Func { proto: of, linkage }) = btf.get(ids[0]).map(|ty| ty.body) else {
            panic!("no function")
        };
        assert_eq!((of, linkage), (proto, FuncLinkage::Static));
    }
}
