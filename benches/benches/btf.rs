//! First look-up of a type of the running kernel, against libbpf.
//!
//! `cargo bench -p skep-benches --features libbpf --bench btf` opens `/sys/kernel/btf/vmlinux` and finds
//! a struct by name, with Skep and with libbpf in turns, and prints the shortest times and the memory
//! that is in use then; then it puts the types of the kernel, or of the objects that `SKEP_OBJECTS` names,
//! together twice, and merges what is the same. It needs what libbpf is built with: a C compiler, make, pkg-config, and the
//! headers of libelf and zlib. `-- --test` only sees that both find the same.

use libbpf_sys::{btf__add_btf, btf__dedup, btf__new_empty, btf__type_cnt};
use libbpf_sys::{btf__find_by_name_kind, btf__free, btf__load_vmlinux_btf, btf__parse};
use memmap2::{Mmap, MmapOptions};
use skep_btf::{Btf, Builder, Kind, dedup};
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const VMLINUX: &CStr = c"/sys/kernel/btf/vmlinux";

/// Turns: the shortest of so many counts.
const TURNS: usize = 100;

/// What is looked up: something in front, something large, something behind, and what does not exist.
const NAMES: [&str; 4] = ["list_head", "task_struct", "sk_buff", "no_such_type"];

type Open = fn() -> Types;

/// Who looks up, and how the types get to memory.
const ENGINES: [(&str, Open); 4] = [
    ("skep, mapped", || Types::Skep(Btf::open(map()).expect("types of a kernel"))),
    ("skep, read and checked", || {
        let bytes = fs::read(path()).expect("a readable file");
        Types::Skep(Btf::parse(&bytes).expect("types of a kernel"))
    }),
    ("libbpf, mapped", || {
        // SAFETY: takes nothing.
        Types::Libbpf(unsafe { btf__load_vmlinux_btf() })
    }),
    ("libbpf, read", || {
        // SAFETY: the path is a C string; the second argument may be null.
        Types::Libbpf(unsafe { btf__parse(VMLINUX.as_ptr(), std::ptr::null_mut()) })
    }),
];

fn main() {
    if !path().exists() {
        eprintln!("skipped: this kernel does not show its types");
        return;
    }
    for name in NAMES {
        let ids = ENGINES.map(|(_, open)| open().find(name));
        assert!(ids.iter().all(|id| *id == ids[0]), "{name}: {ids:?}");
    }
    let test = std::env::args().any(|arg| arg == "--test");
    if !test {
        table();
    }
    merging(if test { 1 } else { MERGES });
}

/// Turns of merging.
const MERGES: usize = 15;

/// Prints how long it takes to merge the same types; both must leave as many.
#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn merging(turns: usize) {
    let files: Vec<String> = match std::env::var("SKEP_OBJECTS") {
        Ok(list) => list.split_whitespace().map(str::to_owned).collect(),
        Err(_) => vec![VMLINUX.to_str().expect("an ASCII path").to_owned(); 2],
    };
    let (ours, theirs) = (together(&files), || together_by_libbpf(&files));
    let (mut best, mut types) = ([Duration::MAX; 2], [0; 2]);
    for _ in 0..turns {
        let start = used();
        let merged = dedup(&ours).expect("checked types");
        (best[0], types[0]) = (best[0].min(used() - start), merged.btf.len());
        let all = theirs();
        let Types::Libbpf(btf) = all else { unreachable!("made so") };
        let start = used();
        // SAFETY: the types live, and there are no options.
        assert_eq!(unsafe { btf__dedup(btf, std::ptr::null()) }, 0, "libbpf merges");
        best[1] = best[1].min(used() - start);
        // SAFETY: the types live.
        types[1] = unsafe { btf__type_cnt(btf) } as usize - 1;
    }
    let [skep, libbpf] = best.map(|time| time.as_secs_f64() * 1e3);
    println!(
        "merging of {} types, ms: skep {skep:.1}, libbpf {libbpf:.1}, libbpf / skep {:.1}; {} and {} are left",
        ours.len(),
        libbpf / skep,
        types[0],
        types[1]
    );
}

/// Time of the processor that this thread has used: that of others is no matter.
fn used() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: there is room for a time.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "a clock of the thread");
    let number = |part: i64| u64::try_from(part).expect("a time that has passed");
    Duration::from_secs(number(time.tv_sec)) + Duration::from_nanos(number(time.tv_nsec))
}

fn together(files: &[String]) -> Btf {
    let mut builder = Builder::new();
    for file in files {
        let bytes = fs::read(file).expect("a readable file");
        let section = skep_obj::btf_section(&bytes).ok().flatten().unwrap_or(&bytes);
        builder.append(&Btf::parse(section).expect("types")).expect("room");
    }
    builder.finish().expect("types")
}

fn together_by_libbpf(files: &[String]) -> Types {
    // SAFETY: takes nothing.
    let all = unsafe { btf__new_empty() };
    for file in files {
        let file = CString::new(file.as_str()).expect("a name");
        // SAFETY: the path is a C string; the second argument may be null.
        let one = Types::Libbpf(unsafe { btf__parse(file.as_ptr(), std::ptr::null_mut()) });
        let Types::Libbpf(btf) = one else { unreachable!("made so") };
        // SAFETY: both live.
        assert!(unsafe { btf__add_btf(all, btf) } >= 0, "libbpf has room");
    }
    Types::Libbpf(all)
}

#[expect(clippy::print_stdout, reason = "the result of the bench")]
fn table() {
    println!("{:24}{:>14}{:>10}{:>10}{:>8}", "first look-up", "", "ms", "MB", "ratio");
    for name in NAMES {
        let mut best = [(Duration::MAX, 0); ENGINES.len()];
        for _ in 0..TURNS {
            for ((_, open), best) in ENGINES.iter().zip(&mut best) {
                let (time, memory) = measure(*open, name);
                *best = (time.min(best.0), memory);
            }
        }
        for ((engine, _), (time, memory)) in ENGINES.iter().zip(best) {
            let (ms, mb) = (time.as_secs_f64() * 1e3, memory as f64 / 1e6);
            let ratio = time.as_secs_f64() / best[0].0.as_secs_f64();
            println!("{engine:24}{name:>14}{ms:10.2}{mb:10.2}{ratio:8.1}");
        }
    }
}

/// Time of opening and of one look-up, and the bytes allocated then. Mapped files do not count.
fn measure(open: Open, name: &str) -> (Duration, usize) {
    let before = allocated();
    let start = Instant::now();
    let types = open();
    black_box(types.find(name));
    (start.elapsed(), allocated().saturating_sub(before))
}

/// Of Rust and C alike: both allocate by `malloc`.
fn allocated() -> usize {
    // SAFETY: takes nothing.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

fn path() -> &'static Path {
    Path::new(VMLINUX.to_str().expect("an ASCII path"))
}

/// The kernel maps its types only privately.
fn map() -> Mmap {
    let file = File::open(path()).expect("a readable file");
    // SAFETY: the types of a running kernel do not change.
    unsafe { MmapOptions::new().map_copy_read_only(&file) }.expect("a kernel from 6.16 on")
}

/// The types of the kernel as one of the engines has them.
enum Types {
    Skep(Btf),
    Libbpf(*mut libbpf_sys::btf),
}

impl Types {
    fn find(&self, name: &str) -> Option<u32> {
        match self {
            Self::Skep(btf) => btf.find(name, Kind::Struct).map(|ty| ty.id.0),
            Self::Libbpf(btf) => {
                let name = CString::new(name).expect("a name");
                // SAFETY: the types live, and `name` is a C string.
                let id = unsafe {
                    btf__find_by_name_kind(*btf, name.as_ptr(), libbpf_sys::BTF_KIND_STRUCT)
                };
                u32::try_from(id).ok()
            }
        }
    }
}

impl Drop for Types {
    fn drop(&mut self) {
        if let Self::Libbpf(btf) = self {
            // SAFETY: made by libbpf, and not used after this.
            unsafe { btf__free(*btf) };
        }
    }
}
