//! The user engine as an oracle.

use crate::{Frame, Host, MapContent, Outcome, Ran};
use skep::{
    CheckOptions, CodeOptions, EventKind, Image, LoadError, MapView, NotNative, Options, Packet,
    Release, Session,
};
use skep_abi::{MapType, ProgType};
use skep_btf::Shown;
use std::collections::BTreeMap;

/// Runs the program over the frames.
///
/// # Errors
/// If the program cannot be loaded.
///
/// # Panics
/// If the image has no such program.
pub fn user(
    host: Host,
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
) -> Result<Outcome, LoadError> {
    Ok(run_all(host, image, prog, frames, How::Interpreted)?
        .expect("bug: the interpreter runs all"))
}

/// The same within so many instructions; and by machine code that checks, or why there is none.
///
/// # Errors
/// As [`user`].
///
/// # Panics
/// As [`user`].
pub(crate) fn both_checked(
    host: Host,
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
    code: CodeOptions,
    insns: u64,
) -> Result<Result<[Outcome; 2], NotNative>, LoadError> {
    let checked = match run_within(host, image, prog, frames, How::Checked(code), insns)? {
        Ok(checked) => checked,
        Err(why) => return Ok(Err(why)),
    };
    let user = run_within(host, image, prog, frames, How::Interpreted, insns)?;
    Ok(user.map(|user| [user, checked]))
}

/// How a program is run.
#[derive(Clone, Copy)]
enum How {
    Interpreted,
    Native(CodeOptions),
    Checked(CodeOptions),
}

/// The same by machine code; why there is none, where there is none.
///
/// # Errors
/// If the program cannot be loaded.
///
/// # Panics
/// If the image has no such program.
pub fn native(
    host: Host,
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
) -> Result<Result<Outcome, NotNative>, LoadError> {
    native_with(host, image, prog, frames, CodeOptions::default())
}

/// The same, with a choice of what code does.
///
/// # Errors
/// As [`native`].
///
/// # Panics
/// As [`native`].
pub fn native_with(
    host: Host,
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
    code: CodeOptions,
) -> Result<Result<Outcome, NotNative>, LoadError> {
    run_all(host, image, prog, frames, How::Native(code))
}

fn run_all(
    host: Host,
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
    how: How,
) -> Result<Result<Outcome, NotNative>, LoadError> {
    run_within(host, image, prog, frames, how, 1 << 24)
}

fn run_within(
    host: Host,
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
    how: How,
    insns: u64,
) -> Result<Result<Outcome, NotNative>, LoadError> {
    // Without types, records come as bytes.
    let image = Image { btf: None, ..image.clone() };
    let prog_type =
        image.prog(prog).expect("bug: a test names a program that is not there").prog_type;
    // A test run leaves VLAN tags where they are.
    let options = Options { cpus: host.cpus, insns, untag: false, ..Options::default() };
    let mut session = Session::load(&image, Some(prog), options)?;
    let options = CheckOptions::new(Release { major: 6, minor: 18 });
    let compiled = match how {
        How::Interpreted => Ok(()),
        How::Native(code) => {
            session.compile_with(&CheckOptions { cpus: host.cpus, ..options }, code)
        }
        How::Checked(code) => session.compile_checked(code),
    };
    if let Err(why) = compiled {
        return Ok(Err(why));
    }
    let mut packet = Packet::new();
    let mut records: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    let (mut runs, mut insns) = (Vec::new(), Vec::new());
    for frame in frames {
        frame.for_user(prog_type, &mut packet);
        let (ran, count) = run(&mut session, prog_type, &mut packet);
        runs.push(ran);
        insns.push(count);
        session.events(&mut |event| {
            if let (Some(map), EventKind::Record(Shown::Bytes(bytes))) = (event.map, event.kind) {
                records.entry(map.to_string()).or_default().push(bytes);
            }
        });
    }
    let maps = session.maps().map(|map| content(&map, &mut records)).collect();
    Ok(Ok(Outcome { runs, maps, insns }))
}

fn run(session: &mut Session, prog_type: ProgType, packet: &mut Packet) -> (Ran, Option<u64>) {
    match session.run(packet) {
        Ok(outcome) => {
            let data = match prog_type {
                // It cannot change the packet, and the session cuts it.
                ProgType::SocketFilter => Vec::new(),
                // A test run returns metadata and packet.
                ProgType::Xdp => [packet.metadata(), packet.data()].concat(),
                _ => packet.data().to_vec(),
            };
            let meta = &packet.meta;
            let fields = match prog_type {
                ProgType::Xdp => Vec::new(),
                _ => [&[meta.mark, meta.priority], &meta.cb[..]].concat(),
            };
            (Ran::Done { retval: outcome.verdict.code, data, fields }, outcome.insns)
        }
        Err(fault) => (Ran::Failed(fault.to_string()), None),
    }
}

fn content(map: &MapView<'_>, records: &mut BTreeMap<String, Vec<Vec<u8>>>) -> MapContent {
    let name = map.def().name.clone();
    let mut entries: Vec<_> = map.entries().map(|entry| (entry.key, entry.value)).collect();
    entries.sort();
    let mut records = records.remove(&name).unwrap_or_default();
    if map.def().map_type == MapType::PerfEventArray {
        records.iter_mut().for_each(pad);
    }
    entries.extend(records.into_iter().map(|bytes| (Vec::new(), bytes)));
    MapContent { name, entries }
}

/// As the kernel pads a perf event, whose four bytes of length count. Kernel: `perf_prepare_sample`.
fn pad(record: &mut Vec<u8>) {
    record.resize((record.len() + 4).next_multiple_of(8) - 4, 0);
}
