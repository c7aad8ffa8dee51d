//! Every example over its capture, packet by packet, in both engines.

use skep_abi::{MapType, ProgType};
use skep_btf::ByteOrder;
use skep_hooks::{Next, Packet};
use skep_prog::{Image, Prog};
use skep_testkit::{Frame, Host, Outcome, Ran, host, kernel, user};
use std::path::PathBuf;
use std::{fs, io};

fn examples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

#[test]
fn examples_give_the_kernel_s_verdicts_bytes_and_maps() {
    let Some(host) = host() else { return };
    let mut paths: Vec<PathBuf> = fs::read_dir(examples())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "o" || ext == "s"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 11, "a moved directory must not pass: {paths:?}");
    let frames = frames();
    let mut failures = Vec::new();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let image = skep::read_image(&fs::read(&path).unwrap(), name).unwrap().image;
        let is_compared = |prog: &&Prog| {
            let packets = !matches!(prog.prog_type, ProgType::Tracing | ProgType::Syscall);
            packets && !ELSEWHERE.contains(&prog.name.as_str())
        };
        for prog in image.progs.iter().filter(is_compared) {
            if let Err(why) = check(host, &image, &prog.name, prog.prog_type, &frames) {
                failures.push(format!("{name}, {}: {why}", prog.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
}

/// Programs that ask for routes and sockets: those of the kernel are its own.
const ELSEWHERE: [&str; 1] = ["routes"];

/// Programs that do what they may not: the verifier refuses them, the user engine stops them.
const REFUSED: [&str; 1] = ["last_byte"];

fn check(
    host: Host,
    image: &Image,
    prog: &str,
    prog_type: ProgType,
    frames: &[Vec<u8>],
) -> Result<(), String> {
    let frames: Vec<Frame<'_>> =
        frames.iter().filter(|bytes| taken(bytes, prog_type)).map(|bytes| Frame(bytes)).collect();
    assert!(frames.len() > 700, "{} frames are left", frames.len());
    let user = user(host, image, prog, &frames).map_err(|err| err.to_string())?;
    let kernel = match kernel(image, prog, &frames) {
        Ok(kernel) => kernel,
        Err(refused) if REFUSED.contains(&prog) => {
            let faults = user.runs.iter().all(|ran| matches!(ran, Ran::Failed(_)));
            return if faults { Ok(()) } else { Err(format!("refused: {}", refused.reason)) };
        }
        Err(refused) => return Err(format!("{}\n{}", refused.reason, refused.log)),
    };
    let done = kernel.runs.iter().filter(|ran| matches!(ran, Ran::Done { .. })).count();
    if done < frames.len() {
        let not = kernel.runs.iter().zip(&frames).find(|(ran, _)| !matches!(ran, Ran::Done { .. }));
        return Err(format!("the kernel does not take {not:?}"));
    }
    match by_type(image, user).difference(&by_type(image, kernel)) {
        None => Ok(()),
        Some(difference) => Err(difference),
    }
}

/// Whether a test run takes the frame. It takes none shorter than its link header, and for programs on
/// an skb than its network header, or longer than a page has room for. Kernel: `bpf_prog_test_run_xdp`,
/// `bpf_prog_test_run_skb`.
fn taken(frame: &[u8], prog_type: ProgType) -> bool {
    let least = match frame.get(12..14) {
        _ if prog_type == ProgType::Xdp => 14,
        Some([0x08, 0x00]) => 34,
        Some([0x86, 0xdd]) => 54,
        // Without link header, the user engine knows IP only.
        _ if prog_type == ProgType::SocketFilter => return false,
        _ => 14,
    };
    (least..3000).contains(&frame.len())
}

/// Values by their types, so that padding does not count: the kernel leaves in it what was on its
/// stack.
fn by_type(image: &Image, mut outcome: Outcome) -> Outcome {
    for map in &mut outcome.maps {
        let def = image.maps.iter().find(|def| def.name == map.name);
        let (Some(def), Some(btf)) = (def, &image.btf) else { continue };
        let Some(value_type) = def.value_type else { continue };
        let per_cpu = matches!(def.map_type, MapType::PercpuArray | MapType::PercpuHash);
        let size = def.value_size as usize;
        let stride = if per_cpu { size.next_multiple_of(8) } else { size };
        for (_, value) in &mut map.entries {
            let show =
                |value: &[u8]| btf.show(value_type, &value[..size], ByteOrder::Little).to_string();
            *value = value.chunks(stride).map(show).collect::<String>().into_bytes();
        }
    }
    outcome
}

fn frames() -> Vec<Vec<u8>> {
    let file = fs::read(examples().join("traffic.pcap")).unwrap();
    let mut source = skep_hooks::open(io::Cursor::new(file)).unwrap();
    let mut packet = Packet::new();
    let mut frames = Vec::new();
    while source.next(&mut packet).unwrap() == Next::Packet {
        frames.push(packet.data().to_vec());
    }
    frames
}

/// The maps that the test above compares have something in them.
#[test]
fn examples_leave_something_to_compare() {
    let Some(host) = host() else { return };
    let frames = frames();
    let frames: Vec<Frame<'_>> = frames.iter().map(|bytes| Frame(bytes)).collect();
    let table = [
        ("xdp_flows.o", "xdp_flows", MapType::Hash),
        ("xdp_firewall.o", "xdp_firewall", MapType::LpmTrie),
        ("ringbuf_events.o", "syn_events", MapType::Ringbuf),
        ("perf_events.o", "icmp_events", MapType::PerfEventArray),
    ];
    for (file, prog, map_type) in table {
        let bytes = fs::read(examples().join(file)).unwrap();
        let image = skep::read_image(&bytes, file).unwrap().image;
        let outcome = user(host, &image, prog, &frames).unwrap();
        let maps = image.maps.iter().filter(|map| map.map_type == map_type);
        for map in maps {
            let content = outcome.maps.iter().find(|content| content.name == map.name).unwrap();
            assert!(!content.entries.is_empty(), "{file}: {} is empty", map.name);
        }
    }
}
