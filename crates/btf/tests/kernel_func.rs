//! Which function of the kernel a program means by a name.

use skep_btf::fixup::kernel_func;
use skep_btf::{Btf, Builder, Def, FuncLinkage, Int, Kind, Param};

/// Types with one function of so many numbers.
fn types(name: &str, params: usize) -> Btf {
    let mut builder = Builder::new();
    let int = Int { size: 4, bits: 32, bit_off: 0, signed: true, char: false, bool: false };
    let int = builder.add("int", Def::Int(int)).unwrap();
    let params = vec![Param { name: "n", ty: int }; params];
    let proto = builder.add("", Def::FuncProto { ret: int, params: &params }).unwrap();
    builder.add(name, Def::Func { proto, linkage: FuncLinkage::Global }).unwrap();
    builder.finish().unwrap()
}

#[test]
fn a_flavour_is_the_function_if_its_prototype_is_compatible() {
    let kernel = types("f", 1);
    let func = kernel.find("f", Kind::Func).unwrap().id;
    for (name, params, found) in [
        ("f", 1, Some(func)),
        ("f___one", 1, Some(func)),
        ("f___two", 2, None),
        ("f", 2, None),
        ("g", 1, None),
    ] {
        let local = types(name, params);
        let ty = local.find(name, Kind::Func).unwrap().id;
        assert_eq!(kernel_func(&local, ty, name, &kernel), found, "{name} of {params}");
        let proto = local.types().find(|ty| ty.kind() == Kind::FuncProto).unwrap().id;
        assert_eq!(kernel_func(&local, proto, name, &kernel), None, "no function");
    }
}
