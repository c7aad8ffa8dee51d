//! What is to be said about an image.

use skep::{LoadError, Options, Session};
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
    /// Of each program, whether it runs here.
    pub(super) runs: Vec<Runs>,
}

/// Whether a program runs here.
pub(super) enum Runs {
    /// It does; what it depends on of a kernel these options of `skep run` name.
    With(Vec<&'static str>),
    /// It does not.
    No(String),
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
        let runs = image.progs.iter().map(|prog| runs(image, &prog.name));
        Self {
            layout,
            helpers: helpers.into_iter().map(named).collect(),
            kfuncs: insns().any(|insn| matches!(insn, Insn::Call(Call::Kfunc { .. }))),
            runs: runs.collect(),
        }
    }
}

/// Loads the program, first as it is, then as if it had been fitted to a kernel.
fn runs(image: &Image, prog: &str) -> Runs {
    let load = |image: &Image| Session::load(image, Some(prog), Options::default()).map(drop);
    let mut options = Vec::new();
    let mut fitted = image.clone();
    loop {
        match load(&fitted) {
            Ok(()) => return Runs::With(options),
            Err(LoadError::Prog(skep_vm::LoadError::CoreReloc { .. })) => {
                options.push("--btf");
                fitted.progs.iter_mut().for_each(|prog| prog.core_relocs.clear());
            }
            Err(LoadError::Kconfig { .. }) => {
                options.push("--kconfig");
                fitted.kconfig.clear();
            }
            Err(err) => return Runs::No(err.to_string()),
        }
    }
}

/// Names without those that occurred before, in order.
pub(super) fn unique(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    names.collect::<BTreeSet<_>>().into_iter().collect()
}
