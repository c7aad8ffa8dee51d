//! Packets to files, one after another.

use super::file_name;
use super::source::{Sources, now};
use crate::failure::{Failure, Kind};
use crate::file;
use skep_hooks::{Finish, Interface, LinkType, Packet, PacketSink, PcapWriter, SinkError};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes that are written at once.
const CHUNK: usize = 1 << 16;
const NANOS: u64 = 1_000_000_000;
/// How long packets may take from the kernel to here: a file of a stretch of the clock ends so much later.
const LATE: u64 = NANOS / 2;

/// How to write.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a> {
    /// Bytes after which a new file begins.
    pub(crate) size: Option<u64>,
    /// Seconds after which a new file begins.
    pub(crate) seconds: Option<u32>,
    /// Most files.
    pub(crate) files: Option<u32>,
    /// What to run with each file that is full.
    pub(crate) command: Option<&'a str>,
    pub(crate) nanos: bool,
    pub(crate) snaplen: u32,
    /// Whether each packet is to be in the file at once.
    pub(crate) flush: bool,
    /// Whether every file is pcap, whatever its name.
    pub(crate) plain: bool,
}

/// A number of bytes: millions, or as the letter after it says.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1_000_000),
    };
    let number: u64 = digits
        .trim_ascii_start()
        .parse()
        .map_err(|_| "not a number of million bytes".to_owned())?;
    number.checked_mul(unit).filter(|&size| size > 0).ok_or_else(|| "out of range".to_owned())
}

/// A file that counts what is written to it.
struct Plain {
    out: BufWriter<Box<dyn Write>>,
    written: Arc<AtomicU64>,
    flush: bool,
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.written.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Finish for Plain {
    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The writer of a capture, whose file may change.
pub(crate) struct Saver {
    path: PathBuf,
    /// Captures that packets come from.
    read: HashSet<PathBuf>,
    size: Option<u64>,
    seconds: Option<u32>,
    files: Option<u32>,
    command: Option<String>,
    nanos: bool,
    snaplen: u32,
    flush: bool,
    plain: bool,
    interfaces: Vec<Interface>,
    /// Whether files change when the clock says so.
    live: bool,
    sink: Box<dyn PacketSink>,
    name: PathBuf,
    written: Arc<AtomicU64>,
    /// Files begun because the last was full, since the clock began one.
    number: u32,
    /// Files begun by the clock.
    turns: u32,
    /// Names of files, and how many the clock had begun before them.
    used: HashMap<PathBuf, u32>,
    /// When the file was begun, or the first of those that the clock began at once.
    begun: Option<u64>,
    /// Whether there may be no more files.
    ended: bool,
    children: Vec<Child>,
    /// Why the command could not be run, the first time.
    failed: Option<Failure>,
}

impl Saver {
    pub(crate) fn create(
        path: &Path,
        options: &Options<'_>,
        sources: &Sources,
    ) -> Result<Self, Failure> {
        let read = match sources {
            Sources::Files(files) => files.paths().filter_map(|path| canonical(path)).collect(),
            Sources::Rings(_) => HashSet::new(),
        };
        let interfaces = sources.interfaces();
        let snaplen = match interfaces.first().map(|interface| interface.snaplen) {
            None | Some(0) => options.snaplen,
            Some(snaplen) => snaplen,
        };
        let mut this = Self {
            path: path.to_owned(),
            read,
            size: options.size,
            seconds: options.seconds,
            files: options.files,
            command: options.command.map(str::to_owned),
            nanos: options.nanos,
            snaplen,
            flush: options.flush,
            plain: options.plain,
            interfaces,
            live: sources.are_live(),
            sink: Box::new(Nowhere),
            name: PathBuf::new(),
            written: Arc::default(),
            number: 0,
            turns: 0,
            used: HashMap::new(),
            begun: None,
            ended: false,
            children: Vec::new(),
            failed: None,
        };
        if this.size.is_some() && this.is_other() {
            let text =
                format!("-C: {} is no plain pcap, of which bytes are counted", path.display());
            return Err(
                Failure::new(Kind::Usage, text).help("name it .pcap, or let -G say when files end")
            );
        }
        // By the clock, the first file's name is that of its first packet's time, if packets come from files. tcpdump goes
        // by the clock of the wall, wherever packets come from.
        if this.seconds.is_none() || this.live || this.plain {
            this.begin_at(now())?;
        }
        Ok(this)
    }

    /// Writes a packet; `false` if there may be no more files.
    pub(crate) fn write(&mut self, packet: &Packet) -> Result<bool, Failure> {
        let time = if self.plain { now() } else { packet.meta.timestamp };
        if self.seconds.is_some() && !self.turn(time)? {
            return Ok(false);
        }
        if self.size.is_some_and(|size| self.written.load(Ordering::Relaxed) > size) {
            self.end()?;
            self.number += 1;
            if self.files.is_some_and(|files| self.number >= files) {
                self.number = 0;
            }
            self.begin()?;
        }
        self.sink.write(packet).map_err(|err| failure(&self.name, &err))?;
        Ok(true)
    }

    /// Has the packets so far in their file.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.sink.flush().map_err(|err| failure(&self.name, &err))
    }

    /// Goes on to the next file if it is time, whether packets come or not; `false` if there may be no more files.
    /// tcpdump waits for a packet.
    pub(crate) fn tick(&mut self) -> Result<bool, Failure> {
        if self.seconds.is_none() || !self.live || self.plain {
            return Ok(true);
        }
        self.turn(now().saturating_sub(LATE))
    }

    /// The same at a time.
    fn turn(&mut self, time: u64) -> Result<bool, Failure> {
        match self.begun {
            None => self.begin_at(time)?,
            Some(begun) if self.is_over(begun, time) => {
                self.turns += 1;
                self.end()?;
                if self.size.is_none() && self.files.is_some_and(|files| self.turns >= files) {
                    self.ended = true;
                    return Ok(false);
                }
                self.number = 0;
                self.begin_at(time)?;
            }
            Some(_) => {}
        }
        Ok(true)
    }

    /// Whether a file begun at a time ends before another: stretches of the clock begin with the day, those of tcpdump
    /// with the file.
    fn is_over(&self, begun: u64, time: u64) -> bool {
        let seconds = u64::from(self.seconds.unwrap_or(u32::MAX));
        if self.plain {
            (time / NANOS).saturating_sub(begun / NANOS) >= seconds
        } else {
            local(time) / seconds > local(begun) / seconds
        }
    }

    /// The file that is written, if there is one and it has a name.
    pub(crate) fn file(&self) -> Option<&Path> {
        let is_named = self.begun.is_some() && !file::is_std(&self.name);
        is_named.then_some(self.name.as_path())
    }

    /// Most files, if that is why there are no more.
    pub(crate) fn limit(&self) -> Option<u32> {
        self.files.filter(|_| self.ended)
    }

    /// Begins the first file of a time.
    fn begin_at(&mut self, time: u64) -> Result<(), Failure> {
        self.begun = Some(time);
        self.begin()
    }

    /// Begins a file.
    fn begin(&mut self) -> Result<(), Failure> {
        self.name = self.file_name()?;
        if canonical(&self.name).is_some_and(|name| self.read.contains(&name)) {
            let text = format!("{}: is read and cannot be written as well", self.name.display());
            return Err(Failure::new(Kind::Usage, text).help("write to another file"));
        }
        if self.seconds.is_some() && !self.plain {
            self.claim()?;
        }
        self.written = Arc::default();
        self.sink = self.open().map_err(|err| failure(&self.name, &err))?;
        // Who reads along knows by the header that packets will come.
        if self.flush { self.flush() } else { Ok(()) }
    }

    /// Refuses to replace a file of an earlier time. For packets as they come that is the time just before: names of hours
    /// may come again every day.
    fn claim(&mut self) -> Result<(), Failure> {
        let turns = self.turns;
        if self.live {
            self.used.retain(|_, earlier| *earlier + 1 >= turns);
        }
        let earlier = self.used.insert(self.name.clone(), turns);
        match earlier.is_some_and(|earlier| earlier != turns) {
            true => {
                Err(file_name::replaces(&self.name, "would replace packets of an earlier time"))
            }
            false => Ok(()),
        }
    }

    /// The name of the file to begin.
    fn file_name(&self) -> Result<PathBuf, Failure> {
        let mut name = match self.begun.filter(|_| self.seconds.is_some()) {
            Some(time) => file_name::fill(&self.path, time)?,
            None => self.path.clone(),
        };
        // As many digits as the greatest number has, and none for the only one.
        let greatest = self.files.unwrap_or(0).saturating_sub(1);
        let digits = greatest.checked_ilog10().map_or(0, |log| log as usize + 1);
        if self.size.is_some() && (self.number > 0 || digits > 0) {
            name.as_mut_os_string().push(format!("{:0digits$}", self.number));
        }
        Ok(name)
    }

    fn open(&self) -> Result<Box<dyn PacketSink>, SinkError> {
        if self.is_other() {
            return skep_hooks::create(&self.name, &self.interfaces);
        }
        let to: Box<dyn Write> = if file::is_std(&self.name) {
            Box::new(io::stdout())
        } else {
            Box::new(File::create(&self.name)?)
        };
        let out = BufWriter::with_capacity(CHUNK, to);
        let plain = Plain { out, written: Arc::clone(&self.written), flush: self.flush };
        let link = self.interfaces.first().map_or(LinkType::ETHERNET, |interface| interface.link);
        let writer = PcapWriter::start(plain, link, self.nanos, self.snaplen)?;
        Ok(Box::new(Flushing(writer)))
    }

    /// Whether the name says that files are no plain pcap.
    fn is_other(&self) -> bool {
        let ends = ["pcapng", "gz", "zst"].map(|end| self.path.extension() == Some(end.as_ref()));
        ends.contains(&true) && !self.plain && !file::is_std(&self.path)
    }

    /// Ends a file, and hands it to the command.
    fn end(&mut self) -> Result<(), Failure> {
        let mut sink = std::mem::replace(&mut self.sink, Box::new(Nowhere));
        sink.finish().map_err(|err| failure(&self.name, &err))?;
        self.children.retain_mut(|child| !matches!(child.try_wait(), Ok(Some(_))));
        if let Some(command) = &self.command {
            // What ends the capture does not end what is done with its files.
            let child = Command::new(command).arg(&self.name).process_group(0).spawn();
            match child {
                Ok(child) => self.children.push(child),
                // Packets are written on: what is said of the command can wait, they do not.
                Err(err) => {
                    self.failed.get_or_insert_with(|| Failure::file(Path::new(command), &err));
                }
            }
        }
        Ok(())
    }

    /// Ends the last file and waits for commands.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        self.sink.finish().map_err(|err| failure(&self.name, &err))?;
        for child in &mut self.children {
            // Whatever became of it, it has ended.
            let _ = child.wait();
        }
        self.failed.take().map_or(Ok(()), Err)
    }
}

/// The one name that a file has, if there is such a file.
fn canonical(path: &Path) -> Option<PathBuf> {
    if file::is_std(path) { None } else { path.canonicalize().ok() }
}

/// A local second since 1970, as clocks on walls have it.
fn local(time: u64) -> u64 {
    let seconds = u32::try_from(time / NANOS).unwrap_or(u32::MAX);
    let local = i64::from(seconds) + i64::from(skep_hooks::utc_offset(seconds));
    u64::try_from(local).unwrap_or(0)
}

fn failure(name: &Path, err: &SinkError) -> Failure {
    match err {
        SinkError::Io(err) if err.kind() == io::ErrorKind::BrokenPipe => {
            Failure::Output(io::ErrorKind::BrokenPipe.into())
        }
        SinkError::Io(err) => Failure::file(name, err),
        SinkError::Mixed { .. } => {
            Failure::at(Kind::Unsupported, name, err).help("name it .pcapng")
        }
        _ => Failure::at(Kind::Unsupported, name, err),
    }
}

/// A writer that hands each packet on, if it is to.
struct Flushing(PcapWriter<Plain>);

impl PacketSink for Flushing {
    fn write(&mut self, packet: &Packet) -> Result<(), SinkError> {
        self.0.write(packet)?;
        let plain = self.0.get_mut();
        if plain.flush {
            plain.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        self.0.flush()
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.0.finish()
    }
}

/// No file yet.
struct Nowhere;

impl PacketSink for Nowhere {
    fn write(&mut self, _: &Packet) -> Result<(), SinkError> {
        Ok(())
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
