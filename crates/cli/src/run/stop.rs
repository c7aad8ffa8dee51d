//! Ctrl-C and its kin: the run ends as if the packets had.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// From now on the first SIGINT, SIGTERM or SIGHUP asks to stop; the second kills.
pub(crate) fn on_signals() {
    let handler = || {
        if ASKED.swap(true, Ordering::Relaxed) {
            // As shells report a process that SIGINT ended.
            process::exit(130);
        }
    };
    // Without a handler the signal ends the process as signals do.
    let _ = ctrlc::set_handler(handler);
}

/// Whether to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
