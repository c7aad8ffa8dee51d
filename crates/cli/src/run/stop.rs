//! Ctrl-C and its kin: the run ends as if the packets had.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{fs, process, thread};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Within this time a signal is one with the one before: timeout(1) sends its signal to the process, then to the
/// group.
const ONE: Duration = Duration::from_millis(500);

/// From now on the first SIGINT, SIGTERM or SIGHUP asks to stop; the second ends the process. A SIGHUP that is ignored, as under
/// nohup(1), stays so.
pub(crate) fn on_signals() {
    let hangup = (!ignores(SIGHUP)).then_some(SIGHUP);
    // Without a handler the signal ends the process as signals do.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM].into_iter().chain(hangup)) else { return };
    thread::spawn(move || {
        let mut first: Option<Instant> = None;
        for _ in signals.forever() {
            ASKED.store(true, Ordering::Relaxed);
            if first.get_or_insert_with(Instant::now).elapsed() > ONE {
                // As shells report a process that SIGINT ended.
                process::exit(130);
            }
        }
    });
}

/// Whether to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// Whether this process ignores a signal, by the mask in proc_pid_status(5).
fn ignores(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & 1 << (signal - 1) != 0
}
