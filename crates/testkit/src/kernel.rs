//! The kernel as an oracle.

use crate::{Frame, MapContent, Outcome, Ran};
use skep_abi::{MapType, ProgType};
use skep_linux::{LoadError, Loaded, TestInput};
use skep_prog::{Image, MapDef};
use skep_sys::{Bpf, Kernel, MapFd, PerfBuffer, PerfRecord};
use std::error::Error;

/// Why the kernel does not run a program.
#[derive(Debug)]
pub struct Refused {
    /// The last line of the verifier's log that says something, or the error.
    pub reason: String,
    /// All of the log.
    pub log: String,
}

/// Runs the program over the frames, by `BPF_PROG_TEST_RUN`.
///
/// # Errors
/// If the kernel refuses the program or a map.
///
/// # Panics
/// If maps that were made cannot be read, or the image has no such program.
pub fn kernel(image: &Image, prog: &str, frames: &[Frame<'_>]) -> Result<Outcome, Refused> {
    let prog_type =
        image.prog(prog).expect("bug: a test names a program that is not there").prog_type;
    let loaded = Loaded::load(Kernel, image, prog).map_err(|err| refused(&err))?;
    let mut readers: Vec<Reader> = loaded.maps().map(|(def, map)| Reader::new(def, map)).collect();
    let mut runs = Vec::new();
    for frame in frames {
        runs.push(run(&loaded, prog_type, frame));
        for (reader, (_, map)) in readers.iter_mut().zip(loaded.maps()) {
            reader.drain(map);
        }
    }
    let maps = readers
        .into_iter()
        .zip(loaded.maps())
        .map(|(reader, (def, _))| content(&loaded, def, reader))
        .collect();
    Ok(Outcome { runs, maps, insns: Vec::new() })
}

/// `sizeof(struct __sk_buff)`. Given a context, even one of zeroes, a test run fills in `wire_len`.
const SK_BUFF: [u8; 192] = [0; 192];

fn run(loaded: &Loaded<Kernel>, prog_type: ProgType, frame: &Frame<'_>) -> Ran {
    let ctx: &[u8] = if prog_type == ProgType::Xdp { &[] } else { &SK_BUFF };
    match loaded.test_run(&TestInput { data: frame.0, ctx, ..TestInput::default() }) {
        Ok(output) => {
            let shown = if prog_type == ProgType::SocketFilter {
                &[]
            } else {
                output.data.get(Frame::extra(prog_type)..).unwrap_or_default()
            };
            Ran::Done { retval: output.retval, data: shown.to_vec(), fields: fields(&output.ctx) }
        }
        Err(err) => Ran::Failed(err.to_string()),
    }
}

/// `mark`, `priority` and `cb` of a `struct __sk_buff`.
fn fields(ctx: &[u8]) -> Vec<u32> {
    const AT: [usize; 7] = [8, 32, 48, 52, 56, 60, 64];
    let field = |at: usize| Some(u32::from_ne_bytes(*ctx.get(at..)?.first_chunk()?));
    AT.into_iter().filter_map(field).collect()
}

/// Takes records out while the program runs.
struct Reader {
    perf: Option<PerfBuffer>,
    ring: bool,
    records: Vec<Vec<u8>>,
}

impl Reader {
    fn new(def: &MapDef, map: &MapFd) -> Self {
        let perf = (def.map_type == MapType::PerfEventArray)
            .then(|| Kernel.perf_open(map, 0, 16).expect("a buffer for perf events"));
        Self { perf, ring: def.map_type == MapType::Ringbuf, records: Vec::new() }
    }

    fn drain(&mut self, map: &MapFd) {
        let records = &mut self.records;
        if let Some(perf) = &mut self.perf {
            perf.drain(&mut |record| {
                if let PerfRecord::Sample(bytes) = record {
                    records.push(bytes);
                }
            });
        }
        if self.ring {
            Kernel
                .ring_drain(map, &mut |bytes| records.push(bytes.to_vec()))
                .expect("the ring buffer of a loaded program");
        }
    }
}

fn content(loaded: &Loaded<Kernel>, def: &MapDef, reader: Reader) -> MapContent {
    let mut entries = match def.map_type {
        // Their values are numbers of the kernel's.
        MapType::ProgArray | MapType::PerfEventArray | MapType::Ringbuf => Vec::new(),
        _ => loaded.entries(&def.name).map_or(Vec::new(), |entries| {
            entries.unwrap_or_else(|err| panic!("map {}: {err}", def.name))
        }),
    };
    entries.sort();
    entries.extend(reader.records.into_iter().map(|bytes| (Vec::new(), bytes)));
    MapContent { name: def.name.clone(), entries }
}

fn refused(err: &LoadError) -> Refused {
    let (source, log) = match err {
        LoadError::Prog { source, .. } => (Some(source), source.log.clone()),
        _ => (None, String::new()),
    };
    // The last lines are statistics.
    let said = log.lines().rev().find(|line| {
        !["processed ", "verification time", "stack depth"].iter().any(|s| line.starts_with(s))
            && !line.is_empty()
    });
    let reason = match (said, source, err.source()) {
        (Some(line), ..) => line.to_string(),
        (None, Some(source), _) => source.to_string(),
        (None, None, Some(source)) => format!("{err}: {source}"),
        (None, None, None) => err.to_string(),
    };
    Refused { reason, log }
}
