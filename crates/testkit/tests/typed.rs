//! Values printed by their types: what `bpf_snprintf_btf` of the kernel prints, and `Btf::print`.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use skep_btf::{Body, Btf, PrintFlags, TypeId};
use skep_linux::{Loaded, TestInput};
use skep_sys::{Bpf, Kernel};
use std::fs;

/// Bytes of a value and of a text, at most.
const VALUE: usize = 2048;
const TEXT: usize = 32768;

/// Types looked at; `SKEP_PRINTED` asks for more.
fn wanted() -> usize {
    std::env::var("SKEP_PRINTED").ok().and_then(|n| n.parse().ok()).unwrap_or(1500)
}

const PROGRAM: &str = "
.map args, array, key=4, value=8, entries=1
.map data, array, key=4, value=2048, entries=1
.map text, array, key=4, value=32768, entries=1
.section xdp
print:
    *(u64 *)(r10 - 8) = 0
    r1 = args ll
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r6 = *(u32 *)(r0 + 0)
    r7 = *(u32 *)(r0 + 4)
    r1 = data ll
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    *(u64 *)(r10 - 24) = r0
    *(u32 *)(r10 - 16) = r6
    *(u32 *)(r10 - 12) = 0
    r1 = text ll
    r2 = r10
    r2 += -8
    call bpf_map_lookup_elem
    if r0 == 0 goto out
    r1 = r0
    r2 = 32768
    r3 = r10
    r3 += -24
    r4 = 16
    r5 = r7
    call bpf_snprintf_btf
    exit
out:
    r0 = -1
    exit
";

/// A value with some zeroes and some characters in it.
fn bytes(rng: &mut StdRng, len: usize) -> Vec<u8> {
    let kind = rng.random_range(0..4);
    let byte = |rng: &mut StdRng| match (kind, rng.random_range(0..4)) {
        (0, _) => 0,
        (1, 0) | (2, 0..3) | (3, 0) => rng.random(),
        (3, 1..4) => rng.random_range(b' '..=b'~'),
        _ => 0,
    };
    (0..len).map(|_| byte(rng)).collect()
}

fn ask(loaded: &Loaded<Kernel>, id: TypeId, flags: u32, value: &[u8]) -> (i32, Vec<u8>) {
    let maps: Vec<_> = loaded.maps().map(|(_, map)| map).collect();
    let mut padded = value.to_vec();
    padded.resize(VALUE, 0);
    let args = [id.0.to_ne_bytes(), flags.to_ne_bytes()].concat();
    Kernel.map_update(maps[0], &[0; 4], &args, 0).unwrap();
    Kernel.map_update(maps[1], &[0; 4], &padded, 0).unwrap();
    let run = loaded.test_run(&TestInput { data: &[0; 64], ..TestInput::default() }).unwrap();
    let mut text = vec![0; TEXT];
    Kernel.map_lookup(maps[2], &[0; 4], &mut text).unwrap();
    let end = text.iter().position(|&byte| byte == 0).unwrap_or(TEXT);
    text.truncate(end);
    (run.retval.cast_signed(), text)
}

#[test]
fn values_are_printed_as_the_kernel_prints_them() {
    let Some(_) = skep_testkit::host() else { return };
    let image = skep::read_image(PROGRAM.as_bytes(), "print.s").unwrap().image;
    let loaded = Loaded::load(Kernel, &image, "print").unwrap_or_else(|err| panic!("{err}"));
    let btf = Btf::parse(&fs::read("/sys/kernel/btf/vmlinux").unwrap()).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let (mut failures, mut compared) = (Vec::new(), 0);
    while compared < wanted() {
        let id = TypeId(rng.random_range(1..=u32::try_from(btf.len()).unwrap()));
        let Some(size) = btf.size_of(id).map(|size| usize::try_from(size).unwrap()) else {
            continue;
        };
        let ty = btf.get(id).unwrap();
        if size > VALUE || matches!(ty.body, Body::Var { .. } | Body::Datasec { .. }) {
            continue;
        }
        let value = bytes(&mut rng, size);
        // Addresses are hashed by a secret unless they are asked for as they are.
        let flags = 4 | rng.random_range(0..16);
        let ours = btf.print(id, &value, PrintFlags::new(flags.into()).unwrap());
        let ours = ours.unwrap_or_else(|| panic!("{ty:?} is not printed"));
        if ours.len() >= TEXT {
            continue;
        }
        let (len, theirs) = ask(&loaded, id, flags, &value);
        compared += 1;
        if usize::try_from(len) != Ok(ours.len()) || theirs != ours {
            let [theirs, ours] = [&theirs, &ours].map(|text| String::from_utf8_lossy(text));
            failures.push(format!(
                "{id}, flags {flags:#x}, {value:x?}: {len}\n{theirs}\nours:\n{ours}"
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {compared}: {}",
        failures.len(),
        failures[..failures.len().min(3)].join("\n\n")
    );
}
