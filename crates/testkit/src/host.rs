//! Whether this host can be asked.

use rustix::thread::{CpuSet, sched_setaffinity};
use skep_abi::MapType;
use skep_sys::{Bpf, Kernel, MapCreate, possible_cpus};

/// A kernel that answers.
#[derive(Clone, Copy, Debug)]
pub struct Host {
    /// Values of a per-CPU map.
    pub cpus: u32,
}

/// Makes the calling thread stay on the first CPU, where the user engine believes to be, and sees
/// whether it may use bpf(2). If not, prints why and returns nothing, so that tests can skip.
///
/// # Panics
/// If it may not and `SKEP_REQUIRE_KERNEL` is set to 1.
#[must_use]
pub fn host() -> Option<Host> {
    match ask() {
        Ok(host) => Some(host),
        Err(why) => {
            let required = std::env::var_os("SKEP_REQUIRE_KERNEL").is_some_and(|v| v == "1");
            assert!(!required, "SKEP_REQUIRE_KERNEL is set, and the kernel cannot be asked: {why}");
            eprintln!("skipped: the kernel cannot be asked: {why}");
            None
        }
    }
}

fn ask() -> Result<Host, String> {
    let mut first = CpuSet::new();
    first.set(0);
    sched_setaffinity(None, &first).map_err(|err| format!("cannot stay on CPU 0: {err}"))?;
    let cpus = possible_cpus().map_err(|err| format!("number of CPUs: {err}"))?;
    let map = MapCreate::new("probe", MapType::Array, 4, 8, 1);
    Kernel.map_create(&map).map_err(|err| err.to_string())?;
    Ok(Host { cpus })
}
