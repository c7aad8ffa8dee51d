//! What is to be said about an image.

use skep::{Options, Session};
use skep_abi::helper_name;
use skep_isa::{Call, Insn};
use skep_obj::Layout;
use skep_prog::Image;
use std::collections::BTreeSet;

/// Facts that the image does not spell out.
pub(super) struct Facts<'a> {
    /// Of an ELF object.
    pub(super) layout: Option<&'a Layout>,
    /// Helpers called, by number.
    pub(super) helpers: Vec<(i32, String)>,
    /// Whether programs call functions of the kernel.
    pub(super) kfuncs: bool,
    /// Of each program, why it does not run here.
    pub(super) missing: Vec<Option<String>>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(image: &Image, layout: Option<&'a Layout>) -> Self {
        let insns = || image.progs.iter().flat_map(|prog| prog.insns.iter().map(|(_, insn)| insn));
        let helpers: BTreeSet<i32> = insns()
            .filter_map(|insn| match insn {
                Insn::Call(Call::Helper(id)) => Some(id),
                _ => None,
            })
            .collect();
        let named = |id: i32| {
            let name = u32::try_from(id).ok().and_then(helper_name);
            (id, name.map_or_else(|| format!("helper {id}"), |name| format!("bpf_{name}")))
        };
        let missing = image.progs.iter().map(|prog| {
            let loaded = Session::load(image, Some(&prog.name), Options::default());
            loaded.err().map(|err| err.to_string())
        });
        Self {
            layout,
            helpers: helpers.into_iter().map(named).collect(),
            kfuncs: insns().any(|insn| matches!(insn, Insn::Call(Call::Kfunc { .. }))),
            missing: missing.collect(),
        }
    }
}

/// Names without those that occurred before, in order.
pub(super) fn unique(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}
