//! Programs in the kernel, by `BPF_PROG_TEST_RUN`, and programs that call helpers, in a session and there.

use super::engines::Engine;
use skep::{
    CheckOptions, CodeOptions, Options, Packet, PacketMeta, Release, Session, check, read_image,
};
use skep_benches::{Program, memory};
use skep_linux::{Loaded, TestInput};
use skep_prog::{Image, Initial};
use skep_sys::Kernel as Sys;
use skep_verifier::Verdict;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Compiles a source below `programs/` to an object, as the kernel takes it.
fn object(source: &str) -> Option<Image> {
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let to: PathBuf = std::env::temp_dir().join(format!(
        "skep-bench-{}-{}.o",
        std::process::id(),
        source.replace('/', "-")
    ));
    let include = format!("-I/usr/include/{}-linux-gnu", std::env::consts::ARCH);
    let status = Command::new("clang-19")
        .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-DKERNEL", &include, "-c"])
        .arg(programs.join(source))
        .arg("-o")
        .arg(&to)
        .status()
        .ok()?;
    let bytes = std::fs::read(&to).ok().filter(|_| status.success())?;
    std::fs::remove_file(&to).ok()?;
    read_image(&bytes, source).ok().map(|read| read.image)
}

/// A program in the kernel.
pub(crate) struct Kernel {
    loaded: Loaded<Sys>,
}

impl Kernel {
    /// None if the kernel does not take the program, or programs of this user at all.
    pub(crate) fn new(program: Program) -> Option<Self> {
        let mut image = object(&format!("{}.c", program.name))?;
        let map = image.maps.iter_mut().find(|map| map.name == "memory")?;
        map.initial = Initial::Value(memory());
        Self::of(&image)
    }

    /// The kernel is asked only for what this workspace's verifier accepts: 6.18's falls over a null pointer where a
    /// program has more than 8192 branches that wait and one of them comes from a mask (`maybe_fork_scalars`).
    fn of(image: &Image) -> Option<Self> {
        let options = CheckOptions::new(Release { major: 6, minor: 18 });
        let checked = check(image, image.prog("run")?, &options);
        matches!(checked.verdict, Verdict::Accepted(_))
            .then(|| Loaded::load(Sys, image, "run").ok())?
            .map(|loaded| Self { loaded })
    }

    fn test_run(&self, repeat: u32) -> Option<(u32, f64)> {
        let input = TestInput { data: &[0; 64], repeat, ..TestInput::default() };
        let output = self.loaded.test_run(&input).ok()?;
        Some((output.retval, output.duration.as_secs_f64() * 1e9))
    }
}

impl Engine for Kernel {
    fn name(&self) -> &'static str {
        "kernel"
    }

    fn run(&mut self) -> u64 {
        self.test_run(1).map_or(u64::MAX, |(retval, _)| retval.into())
    }

    /// The kernel's own clock, which is read around all the runs.
    fn ns(&mut self) -> f64 {
        self.test_run(RUNS).map_or(f64::MAX, |(_, ns)| ns)
    }
}

/// Runs that are measured together.
pub(crate) const RUNS: u32 = 20;

/// Programs that call helpers: nanoseconds of a run by the interpreter, as machine code, and in the kernel.
#[expect(clippy::print_stdout, reason = "the result of the bench")]
pub(crate) fn helpers_table() {
    let columns = ["interpreter", "skep", "metered", "kernel", "skep/kernel"];
    println!("\n{:16}{}", "ns/run", columns.map(|name| format!("{name:>14}")).concat());
    let (mut sum, mut count) = (0.0, 0u32);
    for name in ["helper_calls", "map_loop", "tail_calls", "bpf_loop", "for_each"] {
        let Some(image) = object(&format!("helpers/{name}.c")) else { continue };
        let engines = [None, Some(CodeOptions::plain()), Some(CodeOptions::default())];
        let mut times: Vec<f64> = Vec::new();
        for code in engines {
            let mut session =
                Session::load(&image, Some("run"), Options::default()).expect("it loads");
            if let Some(code) = code {
                let options = CheckOptions::new(Release { major: 6, minor: 18 });
                session.compile_with(&options, code).expect("it compiles");
            }
            let mut packet = Packet::new();
            let mut shortest = f64::MAX;
            for _ in 0..300 {
                packet.reset(&[0; 64], PacketMeta::default());
                let start = Instant::now();
                // As often as the kernel, so that the clock counts as little.
                for _ in 0..RUNS {
                    session.run(&mut packet).expect("it runs");
                }
                let ns = start.elapsed().as_secs_f64() * 1e9 / f64::from(RUNS);
                shortest = shortest.min(ns);
            }
            times.push(shortest);
        }
        let kernel = Kernel::of(&image)
            .map(|mut kernel| (0..50).map(|_| kernel.ns()).fold(f64::MAX, f64::min));
        let cells: String = times.iter().map(|ns| format!("{ns:14.1}")).collect();
        let last = kernel.map_or_else(String::new, |ns| {
            sum += (times[1] / ns).ln();
            count += 1;
            format!("{ns:14.1}{:14.2}", times[1] / ns)
        });
        println!("{name:16}{cells}{last}");
    }
    if count > 0 {
        println!("{:16}{:70.2}", "geometric mean", (sum / f64::from(count)).exp());
    }
}
