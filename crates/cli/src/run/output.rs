//! Where packets go.

use super::arg::{RedirectTo, Which};
use super::device;
use super::input::Inputs;
use crate::failure::{Failure, Kind};
use crate::file;
use skep::{Action, Outcome, Packet, PacketSink, SinkError};
use skep_hooks::{PacketSender, create};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All outputs of a run.
pub(crate) struct Outputs {
    main: Option<(Which, Output)>,
    /// By interface index.
    redirects: BTreeMap<u32, Output>,
}

struct Output {
    name: PathBuf,
    sink: Box<dyn PacketSink>,
    packets: u64,
}

impl Outputs {
    /// Creates the files and opens the devices.
    pub(crate) fn open(
        to: Option<&Path>,
        which: Which,
        redirects: &[RedirectTo],
        inputs: &Inputs<'_>,
    ) -> Result<Self, Failure> {
        let main = to.map(|to| Output::open(to, inputs)).transpose()?;
        let mut this = Self { main: main.map(|out| (which, out)), redirects: BTreeMap::new() };
        for redirect in redirects {
            let output = Output::open(&redirect.to, inputs)?;
            if this.redirects.insert(redirect.ifindex, output).is_some() {
                let text = format!("--redirect: two outputs for interface {}", redirect.ifindex);
                return Err(Failure::new(Kind::Usage, text));
            }
        }
        Ok(this)
    }

    /// Writes a packet where it goes by its verdict, and its clones.
    pub(crate) fn route(&mut self, packet: &Packet, outcome: &Outcome) -> Result<(), Failure> {
        for (ifindex, clone) in &outcome.clones {
            self.redirect(*ifindex, clone)?;
        }
        let action = outcome.verdict.action;
        if let (Action::Redirect, Some(ifindex)) = (action, outcome.redirect) {
            self.redirect(ifindex, packet)?;
        }
        match &mut self.main {
            Some((which, out)) if which.takes(action) => out.write(packet),
            _ => Ok(()),
        }
    }

    fn redirect(&mut self, ifindex: u32, packet: &Packet) -> Result<(), Failure> {
        self.redirects.get_mut(&ifindex).map_or(Ok(()), |out| out.write(packet))
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Output> {
        self.main.iter_mut().map(|(_, out)| out).chain(self.redirects.values_mut())
    }

    /// Ends all files.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.all().try_for_each(|out| out.sink.finish().map_err(|err| failure(&out.name, err)))
    }

    /// Names of the outputs and how many packets went there.
    pub(crate) fn written(&mut self) -> Vec<(String, u64)> {
        let name = |out: &Output| match file::is_std(&out.name) {
            true => "standard output".to_string(),
            false => out.name.display().to_string(),
        };
        self.all().map(|out| (name(out), out.packets)).collect()
    }
}

impl Output {
    fn open(path: &Path, inputs: &Inputs<'_>) -> Result<Self, Failure> {
        let text = path.to_string_lossy();
        let sink: Box<dyn PacketSink> = if let Some((kind, name)) = device::tap_name(&text) {
            match inputs.tap(&text) {
                Some(tap) => Box::new(tap.map_err(|err| Failure::file(path, &err))?),
                None => Box::new(device::tap(kind, name)?),
            }
        } else if let Some(name) = text.strip_prefix("dev:") {
            Box::new(PacketSender::open(name).map_err(|err| device::failure(&err))?)
        } else {
            create(path, inputs.interfaces()).map_err(|err| failure(path, err))?
        };
        Ok(Self { name: path.into(), sink, packets: 0 })
    }

    fn write(&mut self, packet: &Packet) -> Result<(), Failure> {
        self.sink.write(packet).map_err(|err| failure(&self.name, err))?;
        self.packets += 1;
        Ok(())
    }
}

fn failure(name: &Path, err: SinkError) -> Failure {
    match err {
        // Standard output, as a pipe.
        SinkError::Io(err) if file::is_std(name) => Failure::Output(err),
        SinkError::Io(err) => Failure::file(name, &err),
        // It names the file itself.
        SinkError::Extension { .. } => {
            Failure::of(Kind::Usage, &err).help("to send packets on an interface, write dev:NAME")
        }
        SinkError::Mixed { .. } => {
            Failure::at(Kind::Input, name, &err).help("write to a .pcapng file")
        }
        err => Failure::at(Kind::Input, name, &err),
    }
}
