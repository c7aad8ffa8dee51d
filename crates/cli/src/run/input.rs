//! Where packets come from: captures one after the other, or a device.

use super::device;
use crate::failure::{Failure, Kind};
use crate::file;
use skep::{CaptureError, Interface, Next, Packet, PacketSource};
use skep_hooks::{Tap, open, open_file};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// All inputs of a run.
pub(crate) struct Inputs<'a> {
    /// Captures not yet opened.
    rest: std::slice::Iter<'a, PathBuf>,
    current: Option<Current>,
    device: Option<&'a str>,
    /// The same TUN or TAP device as `current`, to write to.
    tap: Option<Tap>,
    /// Bytes of all captures, if known.
    total: Option<u64>,
    /// Bytes of captures that were read to their end.
    done: u64,
}

struct Current {
    name: PathBuf,
    source: Box<dyn PacketSource>,
    /// Packets so far.
    packets: u64,
}

/// What [`Inputs::next`] found.
pub(crate) enum Step {
    Packet,
    Idle,
    End,
}

impl<'a> Inputs<'a> {
    /// Looks for the captures, so that one that is missing is found missing at once.
    pub(crate) fn new(files: &'a [PathBuf], device: Option<&'a str>) -> Result<Self, Failure> {
        let mut total = device.is_none().then_some(0);
        for path in files.iter().filter(|path| !file::is_std(path)) {
            let meta = fs::metadata(path).map_err(|err| Failure::file(path, &err))?;
            if meta.is_dir() {
                return Err(Failure::file(path, &io::ErrorKind::IsADirectory.into()));
            }
            total = total.filter(|_| meta.is_file()).map(|total| total + meta.len());
        }
        total = total.filter(|_| !files.iter().any(|path| file::is_std(path)));
        Ok(Self { rest: files.iter(), current: None, device, tap: None, total, done: 0 })
    }

    /// Opens the first input.
    pub(crate) fn open(&mut self) -> Result<(), Failure> {
        let Some(name) = self.device else { return self.advance().map(|_| ()) };
        let source: Box<dyn PacketSource> = match device::tap_name(name) {
            Some((kind, name)) => {
                let tap = device::tap(kind, name)?;
                self.tap = tap.try_clone().ok();
                Box::new(tap)
            }
            None => device::listen(name)?,
        };
        self.current = Some(Current { name: name.into(), source, packets: 0 });
        Ok(())
    }

    /// Goes to the next capture, if there is one.
    fn advance(&mut self) -> Result<bool, Failure> {
        if let Some(current) = self.current.take() {
            self.done += current.source.progress().read;
        }
        let Some(path) = self.rest.next() else { return Ok(false) };
        let source = if file::is_std(path) { open(io::stdin()) } else { open_file(path) };
        let name = file::name(path);
        let source = source.map_err(|err| failure(&name, &err))?;
        self.current = Some(Current { name, source, packets: 0 });
        Ok(true)
    }

    /// Replaces `packet` by the next one.
    pub(crate) fn next(&mut self, packet: &mut Packet) -> Result<Step, Failure> {
        loop {
            let Some(current) = &mut self.current else { return Ok(Step::End) };
            match current.source.next(packet).map_err(|err| failure(&current.name, &err))? {
                Next::Packet => {
                    current.packets += 1;
                    return Ok(Step::Packet);
                }
                Next::Idle => return Ok(Step::Idle),
                Next::End if self.advance()? => {}
                Next::End => return Ok(Step::End),
            }
        }
    }

    /// The interfaces of the input being read.
    pub(crate) fn interfaces(&self) -> &[Interface] {
        self.current.as_ref().map_or(&[], |current| current.source.interfaces())
    }

    /// Name of the input being read, and the number of its last packet, from 1.
    pub(crate) fn place(&self) -> (impl std::fmt::Display, u64) {
        let current = self.current.as_ref();
        let name = current.map(|current| current.name.display().to_string());
        (name.unwrap_or_default(), current.map_or(0, |current| current.packets))
    }

    /// A TUN or TAP device of that name that is an input, to write to.
    pub(crate) fn tap(&self, name: &str) -> Option<io::Result<Tap>> {
        self.tap.as_ref().filter(|_| self.device == Some(name)).map(Tap::try_clone)
    }

    /// Whether packets come as they happen, so that what is said of them should not wait.
    pub(crate) fn is_live(&self) -> bool {
        self.total.is_none()
    }

    /// Bytes read so far.
    pub(crate) fn read(&self) -> u64 {
        let current = self.current.as_ref();
        self.done + current.map_or(0, |current| current.source.progress().read)
    }

    /// Bytes in all, if known.
    pub(crate) const fn total(&self) -> Option<u64> {
        self.total
    }

    /// What to call the inputs together.
    pub(crate) fn name(&self) -> String {
        let Some(current) = &self.current else { return "nothing".to_string() };
        match self.rest.len() {
            0 => current.name.display().to_string(),
            more => format!("{} and {more} more", current.name.display()),
        }
    }
}

fn failure(name: &Path, err: &CaptureError) -> Failure {
    let kind = match err {
        CaptureError::Io { source, .. } if source.raw_os_error().is_some() => Kind::Environment,
        _ => Kind::Input,
    };
    let failure = Failure::at(kind, name, err);
    match err {
        CaptureError::Unknown { magic } if magic.starts_with(b"\x7fELF") => {
            failure.help("the program comes first, captures after -r")
        }
        _ => failure,
    }
}
