//! Names of types.

use skep_btf::{Body, Btf, Kind, TypeId};

/// The type as C writes it: `struct flow_key`, `__u32`, `char [16]`. Bounded by the nesting that
/// BTF may have.
pub(super) fn type_name(btf: &Btf, id: TypeId) -> Option<String> {
    named(btf, id, 8)
}

fn named(btf: &Btf, id: TypeId, depth: u32) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    let ty = btf.get(id)?;
    let name = ty.name.to_string();
    let or_anonymous = |prefix: &str| {
        let name = if name.is_empty() { "{…}" } else { &name };
        format!("{prefix} {name}")
    };
    Some(match ty.body {
        Body::Void => "void".to_string(),
        Body::Struct { .. } => or_anonymous("struct"),
        Body::Union { .. } => or_anonymous("union"),
        Body::Enum { .. } | Body::Enum64 { .. } => or_anonymous("enum"),
        Body::Fwd { union } => or_anonymous(if union { "union" } else { "struct" }),
        Body::Array { elem, len, .. } => format!("{} [{len}]", named(btf, elem, depth)?),
        Body::Ptr(target) => format!("{} *", named(btf, target, depth)?),
        Body::Const(of) | Body::Volatile(of) | Body::Restrict(of) | Body::TypeTag(of) => {
            named(btf, of, depth)?
        }
        _ if name.is_empty() || ty.kind() == Kind::FuncProto => return None,
        _ => name,
    })
}
