//! Packet by packet: run, count, tell, write.

use super::counts::Counts;
use super::fault;
use super::input::{Inputs, Step};
use super::output::Outputs;
use super::progress::Progress;
use super::report::{Passed, Report};
use super::stop;
use crate::failure::Failure;
use crate::term::Out;
use skep::{Packet, Session};
use std::io::Write;

/// Why packets are no longer run, other than that there are no more.
pub(super) enum Ended {
    /// Something else failed.
    Failed(Failure),
    /// The program did.
    Fault(fault::Place),
}

impl<E: Into<Failure>> From<E> for Ended {
    fn from(err: E) -> Self {
        Self::Failed(err.into())
    }
}

/// All that takes part while packets are run.
pub(super) struct Loop<'a> {
    pub(super) inputs: Inputs<'a>,
    pub(super) outputs: Outputs,
    pub(super) progress: Progress,
    pub(super) report: Box<dyn Report>,
    pub(super) counts: Counts,
    pub(super) verbose: bool,
    pub(super) count: u64,
    /// Whether lines and the bar share a terminal.
    pub(super) interactive: bool,
}

impl Loop<'_> {
    /// Runs the session's program over all packets, or as many as are wanted.
    pub(super) fn packets(
        &mut self,
        session: &mut Session,
        out: &mut Out<'_>,
    ) -> Result<(), Ended> {
        stop::on_signals();
        let mut packet = Packet::new();
        while self.counts.packets() < self.count && !stop::asked() {
            match self.inputs.next(&mut packet)? {
                Step::Packet => self.packet(session, &mut packet, out)?,
                Step::Idle => out.flush()?,
                Step::End => break,
            }
        }
        Ok(())
    }

    fn packet(
        &mut self,
        session: &mut Session,
        packet: &mut Packet,
        out: &mut Out<'_>,
    ) -> Result<(), Ended> {
        let bytes = packet.frame().len();
        let result = session.run(packet);
        let mut lines = false;
        if let Ok(outcome) = &result {
            self.counts.add(outcome, bytes);
            if self.verbose {
                lines = true;
                self.progress.give_way();
                let number = self.counts.packets();
                self.report.packet(out, &Passed { number, bytes, outcome, packet })?;
            }
        }
        let mut written = Ok(());
        session.events(&mut |event| {
            if written.is_ok() {
                lines = true;
                self.progress.give_way();
                written = self.report.event(out, &event);
            }
        });
        written?;
        // Lines on the terminal come before the bar that may follow.
        if lines && (self.interactive || self.inputs.is_live()) {
            out.flush()?;
        }
        self.progress.tick(&self.inputs);
        match result {
            Ok(outcome) => Ok(self.outputs.route(packet, &outcome)?),
            Err(fault) => {
                let (input, number) = self.inputs.place();
                let input = input.to_string();
                let packet = Some(fault::PacketPlace { input, number, bytes });
                Err(Ended::Fault(fault::Place { fault, packet }))
            }
        }
    }
}
