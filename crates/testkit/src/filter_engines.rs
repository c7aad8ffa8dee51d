//! Filters in all engines: as eBPF for a socket, in the interpreter, as machine code and in the kernel.

use crate::filters::options;
use crate::traffic::Traffic;
use crate::{Frame, Host, Outcome, Ran, Request, kernel, native, user};
use skep_abi::ProgType;
use skep_cbpf::{Device, Packet, Target, translate};
use skep_filter::{Expr, Options, Source};
use skep_prog::{Image, Prog};

/// Bytes of the Ethernet header that a test run takes from a packet before a program for a socket sees it. What follows
/// may be of any link type then, and as short as can be.
const OUTER: [u8; 14] = [0; 14];
/// `ARPHRD_LOOPBACK`, of the device that test runs are on.
const LOOPBACK: u16 = 772;

/// Runs an expression's program on packets in the user engine and, if asked to, in the kernel; how many verdicts were the
/// evaluator's, or what was not.
///
/// # Errors
/// What differs, in words.
pub fn in_engines(
    text: &str,
    request: &Request,
    traffic: &[Traffic],
    in_kernel: bool,
) -> Result<u64, String> {
    // Tags beside the bytes are not there.
    if request.source == Source::Live {
        return Ok(0);
    }
    let options = Options { fast: true, optimise: true, ..options(request) };
    let Ok(expr) = Expr::parse(text) else { return Ok(0) };
    let Ok(meaning) = expr.meaning(&options) else { return Ok(0) };
    let Ok(program) = meaning.compile(true) else { return Ok(0) };
    let Ok(insns) = translate(&program, Target::SocketFilter) else { return Ok(0) };
    let image = Image {
        progs: vec![Prog::new("filter", ProgType::SocketFilter, insns)],
        license: "GPL".into(),
        ..Image::default()
    };
    // The kernel makes no packet without bytes.
    let traffic: Vec<&Traffic> = traffic.iter().filter(|one| !one.bytes.is_empty()).collect();
    let bytes: Vec<Vec<u8>> = traffic.iter().map(|one| [&OUTER, &one.bytes[..]].concat()).collect();
    let frames: Vec<Frame<'_>> = bytes.iter().map(|bytes| Frame(bytes)).collect();
    let host = Host { cpus: 1 };
    let mut engines: Vec<(&str, Outcome)> = Vec::new();
    let interpreted = user(host, &image, "filter", &frames);
    engines.push(("the interpreter", interpreted.map_err(|err| err.to_string())?));
    match native(host, &image, "filter", &frames) {
        Ok(Ok(outcome)) => engines.push(("machine code", outcome)),
        Ok(Err(why)) => return Err(format!("no machine code: {why}")),
        Err(err) => return Err(err.to_string()),
    }
    if in_kernel {
        let outcome = kernel(&image, "filter", &frames);
        engines.push(("the kernel", outcome.map_err(|refused| refused.log)?));
    }
    let mut pairs = 0;
    for (engine, outcome) in &engines {
        for (one, ran) in traffic.iter().zip(&outcome.runs) {
            let mut packet: Packet<'_> = one.packet();
            packet.len = u32::try_from(one.bytes.len()).unwrap_or(u32::MAX);
            packet.meta.device = Some(Device { index: 1, hardware: LOOPBACK });
            packet.meta.pkt_type = 0;
            let want = meaning.matches(&packet);
            match ran {
                Ran::Done { retval, .. } if (*retval != 0) == want => pairs += 1,
                ran => return Err(format!("{engine}: {ran}, {want} by the evaluator\n{one:x?}")),
            }
        }
    }
    Ok(pairs)
}
