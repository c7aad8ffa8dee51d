//! Code of programs that nobody has verified: it checks its accesses itself.
//!
//! Such code runs in the interpreter's addresses, and stays within what it has been shown ([`Cx::window`]); what it does not
//! find there, helpers and whatever else may go wrong, is left to the interpreter's own functions. So results and faults
//! are the interpreter's, for any program.

mod outside;
mod run;

pub(crate) use run::run;

use crate::call::Entered;
use crate::compiled::{CodeOptions, Compiled, CtxShape, Refused};
use crate::frames::least_depths;
use crate::outside::Probes;
use crate::processor::Processor;
use outside::Outside;
use skep_isa::Pc;
use skep_jit::CompileError;
use skep_vm::{MAX_FRAMES, Machine};

impl Compiled {
    /// Compiles the programs of a machine with every access checked. Without a meter a run ends only if its program does.
    ///
    /// # Errors
    /// [`Refused`] with the first reason that is found: among them that a program calls or jumps by a register, or does
    /// anything with r10 but copy, store and follow it.
    pub fn checked<S>(machine: &Machine<S>, options: CodeOptions) -> Result<Self, Refused> {
        let host = Processor::host().ok_or(Refused::Host)?;
        let (mut progs, mut frames, mut bridged) = (Vec::new(), Vec::new(), Vec::new());
        for prog in (0..machine.progs()).filter_map(|at| machine.prog(at)) {
            let outside = Outside::new(machine, progs.len(), options, &mut bridged);
            let code = host.compile(prog, &outside);
            let code =
                code.map_err(|source| Refused::Compile { prog: prog.name.clone(), source })?;
            let is_known = least_depths(&prog.insns).ok_or_else(|| {
                let source = CompileError::Flow { pc: Pc(0) };
                Refused::Compile { prog: prog.name.clone(), source }
            })?;
            frames.push(is_known);
            progs.push(Entered::new(code)?);
        }
        Ok(Self {
            progs,
            frames,
            most_frames: MAX_FRAMES,
            mains: Vec::new(),
            first: None,
            bridged,
            probes: Probes::default(),
            fast_maps: Box::default(),
            machine: machine.id(),
            ctx: CtxShape::default(),
            is_metered: options.metered,
            not_optimised: Vec::new(),
            cpus: u32::MAX,
            is_checked: true,
        })
    }

    /// Whether it checks accesses itself, and runs by [`Vm::run_checked`](skep_vm::Vm::run_checked).
    #[must_use]
    pub const fn is_checked(&self) -> bool {
        self.is_checked
    }
}
