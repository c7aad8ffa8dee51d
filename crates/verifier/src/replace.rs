//! Programs that stand in for a function of another program (`freplace`).
//!
//! They are verified as that function would be: with its parameters, as a program of the other's type. Kernel:
//! `bpf_check_attach_target`, `btf_check_func_type_match`.

use crate::mem::kind_name;
use crate::reject::{Fact, Reject, Res, reject, unsupported};
use crate::rule::Rule;
use crate::verdict::{FuncFacts, Verified};
use crate::verifier::Verifier;
use skep_abi::{AttachType, Errno, ProgType};
use skep_btf::{Body, Btf, FuncLinkage, Kind, Type, TypeId};
use skep_prog::{Image, Prog};

/// The program of which a function is replaced, seen from one that replaces it.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    image: &'a Image,
    verified: &'a Verified<'a>,
    /// The program that replaces, as one of the target's type.
    as_prog: Prog,
}

impl<'a> Target<'a> {
    /// A program of an image, which was accepted, as the target of `prog`.
    #[must_use]
    pub fn new(prog: &Prog, image: &'a Image, verified: &'a Verified<'a>) -> Self {
        let mut as_prog = prog.clone();
        as_prog.prog_type = verified.prog().prog_type;
        as_prog.attach_type = verified.prog().attach_type;
        Self { image, verified, as_prog }
    }
}

impl Verifier<'_> {
    /// Whether the function may be replaced by the program; from here on it is one of the target's type.
    pub(crate) fn check_replaced(&mut self) -> Res<()> {
        let refuse = |text: &str| reject(Rule::AttachTarget, text);
        let Some(target) = self.env.target else {
            return unsupported("replacing a function of a program that is not given");
        };
        let Some(btf) = target.image.btf.as_deref() else {
            return refuse(
                "Tracing program can only be attached to another program annotated with BTF",
            );
        };
        let name = self.env.attach_to;
        let Some(func) = btf.find(name, Kind::Func) else {
            return Reject::new(Rule::AttachTarget, "")
                .errno(Errno::ESRCH)
                .fact(Fact::Required(format!("a target that has a function {name}")))
                .stop();
        };
        let facts = target.verified.funcs.iter().find(|facts| facts.func == Some(func.id));
        let Some(facts) = facts else {
            return refuse(&format!("Subprog {name} doesn't exist"));
        };
        self.check_replaced_func(facts)?;
        let of = target.verified.prog();
        if of.prog_type == ProgType::Ext {
            return refuse("Cannot recursively attach");
        }
        let traces =
            matches!(of.attach_type, Some(AttachType::TraceFentry | AttachType::TraceFexit));
        if of.prog_type == ProgType::Tracing && traces {
            return refuse("Cannot extend fentry/fexit");
        }
        self.check_prototypes(btf, &func)?;
        self.check_model(btf, proto_of(&func).unwrap_or(TypeId::VOID), name)?;
        self.prog = &target.as_prog;
        self.protos.take();
        Ok(())
    }

    fn check_replaced_func(&self, facts: &FuncFacts) -> Res<()> {
        use crate::change::Change;
        let refuse = |text: &str| reject(Rule::AttachTarget, text);
        if facts.is_exception_cb {
            return refuse("Extension programs cannot attach to exception callback");
        }
        if !facts.is_reliable {
            return refuse("Cannot replace static functions");
        }
        let own = &self.subprogs[0];
        if own.changes_pkt_data && !facts.changes_pkt_data {
            return refuse("Extension program changes packet data, while original does not");
        }
        if self.has(Change::SleepSummaries) && own.might_sleep && !facts.might_sleep {
            return refuse("Extension program may sleep, while original does not");
        }
        Ok(())
    }

    /// The program's main function is of the type of the one that it replaces.
    /// Kernel: `btf_check_type_match`.
    fn check_prototypes(&self, of_target: &Btf, replaced: &Type<'_>) -> Res<()> {
        let refuse = |text: String| reject(Rule::AttachTarget, text);
        let Some((btf, id)) = self.btf.zip(self.subprogs[0].func) else {
            return refuse("Program extension requires BTF".into());
        };
        let Some(func) = btf.get(id) else { return reject(Rule::Btf, "") };
        let (a, b) = (func.name, replaced.name);
        for (name, is_global) in [(a, is_global(&func)), (b, is_global(replaced))] {
            if !is_global {
                return refuse(format!("{name}() is not a global function"));
            }
        }
        let (Some(one), Some(two)) = (prototype(btf, &func), prototype(of_target, replaced)) else {
            return reject(Rule::Btf, "");
        };
        if one.params.len() != two.params.len() {
            return refuse(format!(
                "{a}() has {} args while {b}() has {} args",
                one.params.len(),
                two.params.len()
            ));
        }
        let (ret1, ret2) = (plain(btf, one.ret), plain(of_target, two.ret));
        if !same_info(ret1.as_ref(), ret2.as_ref()) {
            return refuse(format!(
                "Return type {} of {a}() doesn't match type {} of {b}()",
                kind_of(ret1.as_ref()),
                kind_of(ret2.as_ref())
            ));
        }
        for (at, (&one, &two)) in one.params.iter().zip(&two.params).enumerate() {
            let (ty1, ty2) = (plain(btf, one), plain(of_target, two));
            if !same_info(ty1.as_ref(), ty2.as_ref()) {
                return refuse(format!(
                    "arg{at} in {a}() is {} while {b}() has {}",
                    kind_of(ty1.as_ref()),
                    kind_of(ty2.as_ref())
                ));
            }
            let (Some(ty1), Some(ty2)) = (ty1, ty2) else {
                return refuse(format!("arg{at} in {a}() has unrecognized type"));
            };
            if let (Some(size1), Some(size2)) = (own_size(&ty1), own_size(&ty2))
                && size1 != size2
            {
                return refuse(format!(
                    "arg{at} in {a}() has size {size1} while {b}() has {size2}"
                ));
            }
            let (to1, to2) = match (ty1.body, ty2.body) {
                (Body::Int(_) | Body::Enum { .. } | Body::Enum64 { .. }, _) => continue,
                (Body::Ptr(to1), Body::Ptr(to2)) => (plain(btf, to1), plain(of_target, to2)),
                _ => return refuse(format!("arg{at} in {a}() has unrecognized type")),
            };
            let Some(to1) = to1.filter(is_struct) else {
                return refuse(format!("arg{at} in {a}() is not a pointer to context"));
            };
            let Some(to2) = to2.filter(is_struct) else {
                return refuse(format!("arg{at} in {b}() is not a pointer to context"));
            };
            if to1.name != to2.name {
                return refuse(format!(
                    "arg{at} {a}(struct {} *) doesn't match {b}(struct {} *)",
                    to1.name, to2.name
                ));
            }
        }
        Ok(())
    }
}

struct Prototype {
    ret: TypeId,
    params: Vec<TypeId>,
}

fn is_global(func: &Type<'_>) -> bool {
    matches!(func.body, Body::Func { linkage: FuncLinkage::Global, .. })
}

fn proto_of(func: &Type<'_>) -> Option<TypeId> {
    match func.body {
        Body::Func { proto, .. } => Some(proto),
        _ => None,
    }
}

fn prototype(btf: &Btf, func: &Type<'_>) -> Option<Prototype> {
    match btf.get(proto_of(func)?)?.body {
        Body::FuncProto { ret, params } => {
            Some(Prototype { ret, params: params.iter().map(|param| param.ty).collect() })
        }
        _ => None,
    }
}

/// The type without modifiers; `None` is void. Kernel: `btf_type_skip_modifiers`.
fn plain(btf: &Btf, id: TypeId) -> Option<Type<'_>> {
    btf.resolve(id).filter(|ty| !matches!(ty.body, Body::Void))
}

fn is_struct(ty: &Type<'_>) -> bool {
    matches!(ty.body, Body::Struct { .. } | Body::Union { .. })
}

fn kind_of(ty: Option<&Type<'_>>) -> &'static str {
    ty.map_or("UNKN", kind_name)
}

/// Whether kind and number of members are the same. Kernel: `btf_type::info`.
fn same_info(a: Option<&Type<'_>>, b: Option<&Type<'_>>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => info(a) == info(b),
        _ => false,
    }
}

fn info(ty: &Type<'_>) -> (Kind, usize, bool) {
    let (members, flag) = match &ty.body {
        Body::Struct { members, .. } | Body::Union { members, .. } => (members.len(), false),
        Body::Enum { variants, signed, .. } => (variants.len(), *signed),
        Body::Enum64 { variants, signed, .. } => (variants.len(), *signed),
        _ => (0, false),
    };
    (ty.kind(), members, flag)
}

/// Kernel: `btf_type_has_size`.
fn own_size(ty: &Type<'_>) -> Option<u32> {
    match ty.body {
        Body::Int(int) => Some(int.size),
        Body::Struct { size, .. }
        | Body::Union { size, .. }
        | Body::Enum { size, .. }
        | Body::Enum64 { size, .. } => Some(size),
        _ => None,
    }
}
