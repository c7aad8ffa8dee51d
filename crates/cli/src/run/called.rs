//! Programs that are not run over packets: called with bytes, or gone through.

use super::arg::CtxArg;
use super::report::{Answer, Report};
use super::{Run, fault, verify};
use crate::failure::{Failure, Kind};
use crate::file::{self, Program};
use crate::term::Term;
use skep::{CallError, Engine, IterateError, Over, Runs, Session};
use skep_btf::Btf;
use std::io::{self, Write};
use std::sync::Arc;

impl Run {
    /// Whether the arguments fit what the program is run over.
    pub(super) fn check_input(&self, session: &Session) -> Result<(), Failure> {
        let prog = session.prog();
        let usage = |text: String, help: &str| Err(Failure::new(Kind::Usage, text).help(help));
        let packets = !self.read.is_empty() || self.interface.is_some();
        match session.runs() {
            Runs::Packets(_) if !packets => {
                let help = "-r FILE reads a capture, -i DEV takes packets of an interface";
                usage(format!("{prog} is run over packets, and none are given"), help)
            }
            Runs::Call | Runs::Items(_) if packets => {
                usage(format!("{prog} takes no packets"), "leave -r and -i out")
            }
            Runs::Packets(_) | Runs::Items(_) if self.ctx.is_some() => {
                usage(format!("{prog} takes no --ctx"), "programs of type syscall do")
            }
            Runs::Packets(_) | Runs::Call if self.over.is_some() => usage(
                format!("{prog} goes over no map"),
                "iter/bpf_map_elem programs do: leave --over out",
            ),
            Runs::Items(over) if self.over.is_some() && !over.is_of_map() => {
                let text = format!("{prog} goes over {}, not over a map", over.name());
                usage(text, "leave --over out")
            }
            _ => Ok(()),
        }
    }

    /// Whether the session needs the types of a kernel, though the program could do without.
    pub(super) fn needs_types(&self, session: &Session) -> bool {
        // Iterators see objects of the kernel.
        matches!(session.runs(), Runs::Items(_)) || self.btf.is_some()
    }

    /// Calls the program, or goes through what it is about.
    pub(super) fn call(
        &self,
        mut session: Session,
        program: &Program,
        types: Option<Arc<Btf>>,
        term: &mut Term<'_>,
        mut report: Box<dyn Report>,
    ) -> Result<(), Failure> {
        debug_assert_ne!(session.engine(), Engine::Jit);
        if !self.unverified {
            let (out, err) = (&mut term.out, &mut term.err);
            let options =
                verify::verify(&program.image, session.prog(), types, self.json, out, err)?;
            // Where there is no verdict, that has been told.
            let _ = session.verify(&options);
        }
        let out = &mut term.out;
        let prog = session.prog().to_string();
        let ended = match session.runs() {
            Runs::Items(over) => {
                let mut written = Ok(());
                let ended = session.iterate(self.over.as_deref(), &mut |bytes| {
                    if written.is_ok() {
                        written = report.answer(out, &prog, &Answer::Wrote(bytes));
                    }
                });
                written?;
                ended.map(drop).map_err(|err| Ended::Iterate(over, err))
            }
            Runs::Packets(_) | Runs::Call => {
                let mut ctx = self.context()?;
                let called = session.call(&mut ctx);
                if let Ok(value) = called {
                    report.answer(out, &prog, &Answer::Returned { value, ctx: &ctx })?;
                }
                called.map(drop).map_err(Ended::Call)
            }
        };
        let mut written: io::Result<()> = Ok(());
        session.events(&mut |event| {
            if written.is_ok() {
                written = report.event(out, &event);
            }
        });
        written?;
        report.maps(out, &session)?;
        out.flush()?;
        match ended {
            Ok(()) => Ok(()),
            Err(
                Ended::Iterate(_, IterateError::Fault(fault))
                | Ended::Call(CallError::Fault(fault)),
            ) => {
                let place = fault::Place { fault, packet: None };
                if self.json {
                    writeln!(out, "{}", fault::to_json(&place, program))?;
                    return Err(Failure::Said(Kind::Input));
                }
                Err(fault::failure(&place, program))
            }
            Err(Ended::Call(err)) => Err(Failure::of(Kind::Usage, &err)),
            Err(Ended::Iterate(over, err)) => Err(not_gone_through(over, &prog, &err)),
        }
    }

    /// The bytes that the program is called with.
    fn context(&self) -> Result<Vec<u8>, Failure> {
        match &self.ctx {
            None => Ok(Vec::new()),
            Some(CtxArg::Bytes(bytes)) => Ok(bytes.clone()),
            Some(CtxArg::File(path)) => file::read(path),
        }
    }
}

/// Why a program did not come to its end.
enum Ended {
    Call(CallError),
    Iterate(Over, IterateError),
}

fn not_gone_through(over: Over, prog: &str, err: &IterateError) -> Failure {
    match err {
        IterateError::WhichMap { known, .. } if known.is_empty() => {
            let text = format!("{prog} goes over {}, and there is no such map", over.name());
            Failure::new(Kind::Input, text)
        }
        IterateError::WhichMap { known, .. } => {
            let help = format!("add, for example, --over {}", known[0]);
            Failure::of(Kind::Usage, err).help(help)
        }
        IterateError::UnknownMap { .. } => Failure::of(Kind::Usage, err),
        _ => Failure::new(Kind::Input, format!("{prog}: {err}")),
    }
}
