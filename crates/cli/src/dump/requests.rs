//! What a capture is asked for by signals while it goes on, as tcpdump is.

use signal_hook::consts::{SIGUSR1, SIGUSR2};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was asked for and not done yet.
pub(crate) struct Requests {
    counts: Arc<AtomicBool>,
    flush: Arc<AtomicBool>,
}

impl Requests {
    /// From now on SIGUSR1 asks for the counts so far, and SIGUSR2 for the packets so far to be in their file.
    pub(crate) fn by_signals() -> io::Result<Self> {
        let [counts, flush] = [SIGUSR1, SIGUSR2].map(|signal| {
            let asked = Arc::new(AtomicBool::new(false));
            flag::register(signal, Arc::clone(&asked)).map(|_| asked)
        });
        Ok(Self { counts: counts?, flush: flush? })
    }

    /// Whether the counts are asked for; they are not any more.
    pub(crate) fn take_counts(&self) -> bool {
        take(&self.counts)
    }

    /// Whether the file is to have all packets; it is not asked any more.
    pub(crate) fn take_flush(&self) -> bool {
        take(&self.flush)
    }
}

fn take(asked: &AtomicBool) -> bool {
    asked.load(Ordering::Relaxed) && asked.swap(false, Ordering::Relaxed)
}
