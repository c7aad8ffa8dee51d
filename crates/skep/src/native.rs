//! Programs of a session as machine code.

use crate::CheckOptions;
use crate::check::check;
use crate::host::half_fields;
use crate::link::Linked;
use skep_exec::{Code, CodeOptions, CompileError, Compiled, CtxShape, Processor, Refused};
use skep_hooks::Hook;
use skep_prog::Image;
use skep_verifier::{Through, Verdict, Verified};
use std::sync::Arc;

/// What runs programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// The interpreter, which checks every access.
    Interp,
    /// Machine code of programs that the verifier has accepted.
    Jit,
    /// Machine code of any program, which checks every access itself.
    Checked,
}

impl Engine {
    /// In a word: `interp`, `jit`, `checked`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interp => "interp",
            Self::Jit => "jit",
            Self::Checked => "checked",
        }
    }
}

/// Why a program is not run as machine code; the interpreter runs it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotNative {
    /// Machine code runs what the verifier accepts, and nothing else.
    #[error("the verifier refuses {prog}: {rule}")]
    Rejected {
        /// The program.
        prog: String,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// Only programs that are run over packets are compiled.
    #[error("{prog} is not run over packets, and only such programs are compiled")]
    NoPackets {
        /// The program.
        prog: String,
    },
    /// The verifier gives no verdict.
    #[error("there is no verdict on {prog}: {what}")]
    NoVerdict {
        /// The program.
        prog: String,
        /// What it would take.
        what: String,
    },
    /// Something is not compiled.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// Bytes before the context, for the addresses of the packet.
pub(crate) const POINTERS: usize = 64;

/// Positions of the fields for `data`, `data_end` and `data_meta`.
const XDP: &[u32] = &[0, 4, 8];
const SKB: &[u32] = &[76, 80, 140];

/// The same, each with the position of the address itself.
const XDP_POINTERS: &[(u32, i32)] = &[(0, -64), (4, -56), (8, -48)];
const SKB_POINTERS: &[(u32, i32)] = &[(76, -64), (80, -56), (140, -48)];

/// Fields of the context that stand for addresses of the packet.
pub(crate) const fn pointer_fields(hook: Hook) -> &'static [u32] {
    if matches!(hook, Hook::Xdp) { XDP } else { SKB }
}

/// Compiles the programs of a machine, once they are verified.
pub(crate) fn compile(
    image: &Image,
    linked: &mut Arc<Linked>,
    hook: Hook,
    options: &CheckOptions,
    code: CodeOptions,
) -> Result<Compiled, NotNative> {
    let verified = verify(image, linked, options)?;
    set_probes(linked, &verified);
    Ok(Compiled::new(&linked.machine, &verified, &linked.maps, shape(hook), code)?)
}

/// The code for a processor, to be read.
pub(crate) fn list(
    image: &Image,
    linked: &Linked,
    hook: Hook,
    options: &CheckOptions,
    (code, processor): (CodeOptions, Processor),
) -> Result<Vec<(Code, Option<CompileError>)>, NotNative> {
    let verified = verify(image, linked, options)?;
    let Linked { machine, maps, .. } = linked;
    Ok(Compiled::list(machine, &verified, maps, shape(hook), code, processor)?)
}

/// Has loads that follow pointers to objects of the kernel read zero where there is nothing, whatever runs them. What is
/// shared stays as it is.
pub(crate) fn set_probes(linked: &mut Arc<Linked>, verified: &[Verified<'_>]) {
    let Some(linked) = Arc::get_mut(linked) else { return };
    for (prog, verified) in verified.iter().enumerate() {
        let pcs = verified.prog().insns.iter().map(|(pc, _)| pc);
        let probes = pcs.filter(|&pc| verified.through(pc) == Some(Through::Kernel));
        linked.machine.set_probes(prog, probes);
    }
}

pub(crate) fn verify<'a>(
    image: &'a Image,
    linked: &Linked,
    options: &CheckOptions,
) -> Result<Vec<Verified<'a>>, NotNative> {
    // Programs are told the numbers of the machine's CPUs, however many the kernel counts.
    let cpus = options.cpus.max(linked.machine.cpus());
    let options = &CheckOptions { cpus, ..options.clone() };
    let mut verified = Vec::new();
    for &at in &linked.progs {
        let prog = &image.progs[at];
        match check(image, prog, options).verdict {
            Verdict::Accepted(accepted) => verified.push(accepted),
            Verdict::Rejected(rejection) => {
                let rule = rejection.reject.rule.name();
                return Err(NotNative::Rejected { prog: prog.name.clone(), rule });
            }
            Verdict::Unsupported(unsupported) => {
                let what = unsupported.what.to_string();
                return Err(NotNative::NoVerdict { prog: prog.name.clone(), what });
            }
        }
    }
    Ok(verified)
}

fn shape(hook: Hook) -> CtxShape {
    CtxShape {
        len: hook.ctx_len(),
        pointers: if hook == Hook::Xdp { XDP_POINTERS } else { SKB_POINTERS },
        halves: !half_fields(hook).is_empty(),
    }
}
