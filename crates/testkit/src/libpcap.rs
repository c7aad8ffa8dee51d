//! libpcap, as the oracle for filters: a small C program that is built when it is asked first.

use skep_cbpf::RawInsn;
use skep_filter::{LinkType, Source};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// libpcap in a process of its own.
#[derive(Debug)]
pub struct Libpcap {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What to ask for besides the expression.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// What packets begin with.
    pub link: LinkType,
    /// Where they come from.
    pub source: Source,
    /// Bytes to keep.
    pub snaplen: u32,
    /// Whether to optimise.
    pub optimise: bool,
    /// How often to compile; the quickest is timed.
    pub rounds: u32,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            link: LinkType::Ethernet,
            source: Source::Unknown,
            snaplen: 262_144,
            optimise: true,
            rounds: 1,
        }
    }
}

/// What libpcap made of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A program, and how many nanoseconds it took.
    Program(Vec<RawInsn>, u64),
    /// A refusal.
    Refused(String),
}

/// libpcap, if a C compiler and its headers are there; if not, says so, so that tests can skip.
///
/// # Panics
/// If they are not and `SKEP_REQUIRE_TOOLS` is set to 1.
#[must_use]
pub fn libpcap() -> Option<Libpcap> {
    match Libpcap::start() {
        Ok(libpcap) => Some(libpcap),
        Err(why) => {
            let required = std::env::var_os("SKEP_REQUIRE_TOOLS").is_some_and(|v| v == "1");
            assert!(!required, "SKEP_REQUIRE_TOOLS is set, and there is no libpcap: {why}");
            eprintln!("skipped: no libpcap: {why}");
            None
        }
    }
}

impl Libpcap {
    fn start() -> Result<Self, String> {
        let driver = build()?;
        let mut child = Command::new(&driver)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|err| format!("{}: {err}", driver.display()))?;
        // The process keeps its program.
        let _ = std::fs::remove_file(&driver);
        let requests = child.stdin.take().ok_or("no pipe")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        Ok(Self { child, requests, answers })
    }

    /// Whether it may capture from the loopback device, which needs root.
    pub fn is_live(&mut self) -> bool {
        let request = Request { source: Source::Live, ..Request::default() };
        matches!(self.compile("ip", request), Answer::Program(..))
    }

    /// Compiles an expression of one line.
    ///
    /// # Panics
    /// If libpcap ends, as it does by overflowing its stack.
    pub fn compile(&mut self, text: &str, request: Request) -> Answer {
        let Request { link, source, snaplen, optimise, rounds } = request;
        let source = match source {
            Source::Unknown => "dead",
            Source::File => "file",
            Source::Live => "live",
        };
        assert!(!text.contains('\n'), "a request is a line");
        let (dlt, optimise) = (link.dlt(), u8::from(optimise));
        writeln!(self.requests, "{source} {dlt} {snaplen} {optimise} 0 {rounds} {text}")
            .and_then(|()| self.requests.flush())
            .expect("libpcap is asked");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("libpcap answers");
        if let Some(message) = answer.strip_prefix("no ") {
            return Answer::Refused(message.trim_end().into());
        }
        let mut words = answer.split_whitespace();
        assert_eq!(words.next(), Some("ok"), "libpcap answers {answer:?} to {text:?}");
        let numbers: Vec<u64> =
            words.map(|word| word.parse().expect("libpcap answers numbers")).collect();
        let [nanoseconds, _, fields @ ..] = numbers.as_slice() else {
            panic!("libpcap answers {answer:?}")
        };
        let insn = |fields: &[u64]| RawInsn {
            code: u16::try_from(fields[0]).expect("16 bits"),
            jt: u8::try_from(fields[1]).expect("8 bits"),
            jf: u8::try_from(fields[2]).expect("8 bits"),
            k: u32::try_from(fields[3]).expect("32 bits"),
        };
        Answer::Program(fields.chunks_exact(4).map(insn).collect(), *nanoseconds)
    }
}

impl Drop for Libpcap {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Builds the C program in a directory for temporary files.
fn build() -> Result<PathBuf, String> {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let driver = std::env::temp_dir().join(format!("skep-libpcap-{}-{count}", std::process::id()));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/libpcap/driver.c");
    let output = Command::new("cc")
        .args(["-O2", "-o"])
        .arg(&driver)
        .arg(source)
        .arg("-lpcap")
        .output()
        .map_err(|err| format!("cc: {err}"))?;
    if output.status.success() {
        return Ok(driver);
    }
    Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("cc fails").into())
}
