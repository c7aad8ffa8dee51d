//! Profilers and debuggers that are told of machine code.

use crate::failure::{Failure, Kind};
use skep::{GdbSymbols, JitDump, Session, write_perf_map};
use std::path::PathBuf;

/// Whom to tell.
#[derive(clap::Args)]
pub(super) struct Tools {
    /// Name machine code for perf, in /tmp/perf-PID.map: perf record, then perf report shows programs.
    #[arg(long, help_heading = "Profilers and debuggers")]
    perf_map: bool,
    /// Write machine code and its source lines for perf to DIR/jit-PID.dump: perf record -k mono, then
    /// perf inject --jit, then perf report and perf annotate show programs.
    #[arg(long, help_heading = "Profilers and debuggers", value_name = "DIR")]
    jitdump: Option<PathBuf>,
    /// Tell debuggers of machine code: gdb --args skep run ..., then break bpf_prog_NAME.
    #[arg(long, help_heading = "Profilers and debuggers")]
    gdb: bool,
}

/// What tools look at while the program runs.
#[derive(Default)]
pub(super) struct Told {
    #[expect(dead_code, reason = "the file ends with it")]
    dump: Option<JitDump>,
    #[expect(dead_code, reason = "debuggers know of it as long")]
    gdb: Option<GdbSymbols>,
}

impl Tools {
    /// Tells those that are asked for of a session's machine code; `why_not` is why there is none.
    pub(super) fn tell(&self, session: &Session, why_not: Option<&str>) -> Result<Told, Failure> {
        if !self.perf_map && self.jitdump.is_none() && !self.gdb {
            return Ok(Told::default());
        }
        let symbols = session.symbols();
        if symbols.is_empty() {
            let why = why_not.unwrap_or("it is interpreted");
            let text = format!("there is no machine code of {} to tell of: {why}", session.prog());
            return Err(Failure::new(Kind::Unsupported, text));
        }
        if self.perf_map {
            write_perf_map(&symbols)
                .map_err(|err| Failure::new(Kind::Environment, format!("perf map: {err}")))?;
        }
        let mut dump = None;
        if let Some(dir) = &self.jitdump {
            let failed = |err| Failure::new(Kind::Environment, format!("{}: {err}", dir.display()));
            let mut new = JitDump::new(dir).map_err(failed)?;
            new.add(&symbols).map_err(failed)?;
            dump = Some(new);
        }
        Ok(Told { dump, gdb: self.gdb.then(|| GdbSymbols::new(&symbols)) })
    }
}
