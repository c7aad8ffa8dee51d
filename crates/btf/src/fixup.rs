//! CO-RE: what instructions must hold for the types of another kernel.
//!
//! # Model
//!
//! An object records which instructions depend on types ([`CoreRelo`]), with the types as the program
//! knows them. A [`Resolver`] looks for types of the same name in the kernel (a *candidate*; what
//! follows `___` in a name, its flavour, does not count), finds the same field, type or enumerator in
//! them, and computes a [`Fixup`]: the value that the compiler wrote and the one that is right there.
//! Changing instructions is left to the owner of instructions.
//!
//! Rules, limits and order are those of libbpf (`relo_core.c`), so that results are equal. Among them:
//! candidates of modules count only when the kernel itself has none; and a candidate that has once
//! not matched while others did is not looked at again for the same type.
//!
//! # Limits
//!
//! A search visits at most a million members and types; hostile types could otherwise make it take
//! exponential time.

mod compat;
mod error;
mod kind;
mod search;
mod spec;
mod spell;
mod value;

pub use error::{CoreError, Found, Unmatched};
pub use kind::CoreKind;
pub use spell::spell;

use crate::{Body, Btf, Kind, Type, TypeId};
use crate::{CoreRelo, StrOff};
use alloc::{collections::BTreeMap, string::String, vec::Vec};
use search::Search;
use spec::Spec;
use value::Values;

/// Members and types that the search for one relocation may visit.
const STEPS: u32 = 1 << 20;

/// Types that programs are adapted to: those of a kernel or of one of its modules.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// `vmlinux`, or the module's name.
    pub name: &'a str,
    /// Its types. Of split BTF only those that are not in its base are candidates.
    pub btf: &'a Btf,
}

/// Computes fixups for the relocations of one object.
#[derive(Clone, Debug)]
pub struct Resolver<'a> {
    local: &'a Btf,
    local_pointer: u32,
    targets: Vec<Place<'a>>,
    /// By root type. Shrinks as candidates turn out not to match.
    candidates: BTreeMap<TypeId, Vec<Candidate>>,
}

#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    target: Target<'a>,
    pointer: u32,
}

/// A type with the right name.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Index of the target.
    place: usize,
    id: TypeId,
}

/// What an instruction holds, and must hold for the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixup {
    /// The value that the compiler wrote.
    pub old: u64,
    /// The value that belongs there; without one, the instruction must not run.
    pub new: Result<u64, Unmatched>,
    /// Whether the instruction must hold `old` before. Not so where compilers and linkers may differ.
    pub checked: bool,
    /// Sizes of the field, where a load or store goes to it.
    pub access: Access,
}

/// Sizes in bytes of a field that instructions may load or store; 0 when it is no such field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// As the program knows it.
    pub old: u32,
    /// In the target.
    pub new: u32,
    /// Whether a load of `new` bytes gives the value that the program expects: sizes are equal, or both
    /// fields are pointers or unsigned integers. Otherwise a load or store must not run.
    pub resizable: bool,
}

impl<'a> Resolver<'a> {
    /// For the program types `local`. The first target is the kernel, others are its modules.
    #[must_use]
    pub fn new(local: &'a Btf, targets: &[Target<'a>]) -> Self {
        let place = |&target: &Target<'a>| Place { target, pointer: target.btf.pointer_size() };
        Self {
            local,
            local_pointer: local.pointer_size(),
            targets: targets.iter().map(place).collect(),
            candidates: BTreeMap::new(),
        }
    }

    /// The fixup for one relocation.
    ///
    /// # Errors
    /// [`CoreError`] when the relocation makes no sense or its result is ambiguous. That nothing
    /// matches is no error: see [`Fixup::new`].
    pub fn resolve(&mut self, relo: &CoreRelo) -> Result<Fixup, CoreError> {
        let kind = CoreKind::new(relo.kind).ok_or(CoreError::Kind { kind: relo.kind })?;
        let ty = self.local.get(relo.ty).ok_or(CoreError::NoType { ty: relo.ty })?;
        let local = Spec::parse(self.local, self.local_pointer, relo.ty, relo.access, kind)
            .ok_or_else(|| CoreError::Access {
                kind,
                ty: relo.ty,
                access: self.local.text(relo.access).into(),
            })?;
        if kind == CoreKind::TypeIdLocal {
            let id = relo.ty.0.into();
            let access = Access::default();
            return Ok(Fixup { old: id, new: Ok(id), checked: false, access });
        }
        if ty.name.is_empty() {
            return Err(CoreError::Anonymous { kind, ty: relo.ty });
        }
        let candidates = match self.candidates.get(&relo.ty) {
            Some(known) => known.clone(),
            None => self.candidates(ty),
        };
        let mut job = Job { resolver: self, local: &local, relo, steps: STEPS };
        let (fixup, matched) = job.run(&candidates)?;
        let rest = if matched.is_empty() { candidates } else { matched };
        self.candidates.insert(relo.ty, rest);
        Ok(fixup)
    }

    /// Kernel libraries call it `bpf_core_find_cands`.
    fn candidates(&self, ty: Type<'_>) -> Vec<Candidate> {
        for (places, first) in [(self.targets.get(..1), 0), (self.targets.get(1..), 1)] {
            let places = places.unwrap_or_default().iter().zip(first..);
            let found: Vec<Candidate> = places
                .flat_map(|(place, index)| {
                    let ids = named_like(place.target.btf, ty.name, ty.kind());
                    ids.map(move |id| Candidate { place: index, id })
                })
                .collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}

/// The types of `btf` itself that are named like `name` but for flavours, and of a fitting kind.
fn named_like<'b>(btf: &'b Btf, name: &str, kind: Kind) -> impl Iterator<Item = TypeId> + use<'b> {
    let essence = String::from(essential(name));
    btf.ids().filter(move |&id| {
        btf.head(id).is_some_and(|(other, off)| {
            kinds_fit(kind, other) && btf.starts_with(off, &essence) && {
                essential(btf.name(off)) == essence
            }
        })
    })
}

/// The function of `kernel` that a program means by `name`, without its flavour: `ty` is the program's
/// `FUNC`, to whose prototype that of the function must be compatible. Of libbpf:
/// `bpf_object__resolve_ksym_func_btf_id`.
#[must_use]
pub fn kernel_func(local: &Btf, ty: TypeId, name: &str, kernel: &Btf) -> Option<TypeId> {
    let proto = |btf: &Btf, id| match btf.get(id)?.body {
        Body::Func { proto, .. } => Some(proto),
        _ => None,
    };
    let func = kernel.find(essential(name), Kind::Func)?.id;
    let (ours, theirs) = (proto(local, ty)?, proto(kernel, func)?);
    let mut steps = STEPS;
    let mut pairs = compat::Pairs { local, target: kernel, steps: &mut steps };
    pairs.are_compatible(ours, theirs).ok()?.then_some(func)
}

/// The name without its flavour: `task_struct` of `task_struct___v5`.
fn essential(name: &str) -> &str {
    let bytes = name.as_bytes();
    // The last `___` that neither begins nor ends the name nor touches further underscores.
    let flavour = bytes.windows(5).rposition(|window| match window {
        [before, b'_', b'_', b'_', after] => *before != b'_' && *after != b'_',
        _ => false,
    });
    let end = flavour.map_or(name.len(), |at| at.saturating_add(1));
    name.get(..end).unwrap_or(name)
}

/// Kinds are equal, or both are enumerations. Of libbpf: `btf_kind_core_compat`.
fn kinds_fit(one: Kind, other: Kind) -> bool {
    let is_enum = |kind| matches!(kind, Kind::Enum | Kind::Enum64);
    one == other || (is_enum(one) && is_enum(other))
}

/// One relocation being resolved.
struct Job<'r, 'a> {
    resolver: &'r Resolver<'a>,
    local: &'r Spec<'a>,
    relo: &'r CoreRelo,
    steps: u32,
}

impl<'a> Job<'_, 'a> {
    /// The fixup, and the candidates that matched.
    fn run(&mut self, candidates: &[Candidate]) -> Result<(Fixup, Vec<Candidate>), CoreError> {
        let old = self.values(self.local)?;
        let mut first: Option<(Candidate, Spec<'a>, Values)> = None;
        let mut matched = Vec::new();
        for &candidate in candidates {
            let Some(spec) = self.search(candidate)? else { continue };
            let new = self.values(&spec)?;
            matched.push(candidate);
            match &first {
                None => first = Some((candidate, spec, new)),
                Some((other, their, value)) => {
                    if their.bit_off != spec.bit_off || value.value != new.value {
                        let found = [(*other, their, value), (candidate, &spec, &new)]
                            .map(|(candidate, spec, values)| self.found(candidate, spec, values));
                        return Err(CoreError::Ambiguous { local: self.spell(), found });
                    }
                }
            }
        }
        let fixup = match first {
            Some((_, spec, new)) => value::fixup(self.local.btf, &old, spec.btf, &new),
            None => self.unmatched(&old, candidates),
        };
        Ok((fixup, matched))
    }

    /// What the candidate has in place of what the program names.
    fn search(&mut self, candidate: Candidate) -> Result<Option<Spec<'a>>, CoreError> {
        let Some(place) = self.resolver.targets.get(candidate.place) else { return Ok(None) };
        let mut search = Search {
            local: self.local,
            btf: place.target.btf,
            pointer: place.pointer,
            steps: &mut self.steps,
        };
        let result = search.run(candidate.id);
        result.map_err(|why| CoreError::Candidate {
            local: self.spell(),
            candidate: self.name(candidate),
            why,
        })
    }

    fn values(&self, spec: &Spec<'_>) -> Result<Values, CoreError> {
        value::values(spec).ok_or_else(|| CoreError::Value { local: self.spell() })
    }

    fn unmatched(&self, old: &Values, candidates: &[Candidate]) -> Fixup {
        let new = self.local.kind.when_absent().ok_or_else(|| Unmatched {
            local: self.spell(),
            candidates: candidates.iter().map(|&one| self.name(one)).collect(),
        });
        Fixup { old: old.value, new, checked: old.checked, access: Access::default() }
    }

    fn found(&self, candidate: Candidate, spec: &Spec<'_>, values: &Values) -> Found {
        Found { ty: self.name(candidate), bit_off: spec.bit_off, value: values.value }
    }

    fn spell(&self) -> String {
        spell(self.resolver.local, self.relo.ty, self.relo.access, self.relo.kind)
    }

    /// Names a candidate.
    fn name(&self, candidate: Candidate) -> String {
        let target = self.resolver.targets.get(candidate.place).map(|place| place.target);
        target.map_or(String::new(), |target| spell::candidate(target, candidate.id))
    }
}

/// The numbers of an access string: `0:1:2`. Empty when it is malformed or too long.
fn indices(btf: &Btf, access: StrOff) -> Vec<u32> {
    let text = btf.text(access);
    let parse = |part: &str| part.parse().ok().filter(|&index| index <= i32::MAX.cast_unsigned());
    let all: Option<Vec<u32>> =
        text.split(':').take(Spec::MAX_LEN.saturating_add(1)).map(parse).collect();
    all.filter(|all| all.len() <= Spec::MAX_LEN).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::essential;

    #[test]
    fn flavours() {
        let table = [
            ("sock", "sock"),
            ("sock___old", "sock"),
            ("sock___a___b", "sock___a"),
            ("sock___", "sock___"),
            ("___sock", "___sock"),
            ("sock____x", "sock____x"),
            ("sock___x", "sock"),
            ("a___b", "a"),
            ("", ""),
            ("____", "____"),
        ];
        for (name, want) in table {
            assert_eq!(essential(name), want, "{name}");
        }
    }
}
