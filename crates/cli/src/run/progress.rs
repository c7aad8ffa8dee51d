//! A bar for long inputs.

use super::input::Inputs;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// A bar on standard error that appears when the run takes long.
pub(crate) struct Progress {
    state: State,
    packets: u32,
}

enum State {
    /// Never to be seen, or not any more.
    Hidden,
    /// To be seen if the run still goes on then.
    From(Instant, u64),
    Shown(ProgressBar, u64),
}

/// How long a run may take without a bar.
const PATIENCE: Duration = Duration::from_millis(500);
/// Packets between looks at the clock.
const EVERY: u32 = 256;

impl Progress {
    /// For `total` bytes, if they are known and there is a terminal to show it.
    pub(crate) fn new(is_terminal: bool, total: Option<u64>) -> Self {
        let state = match total {
            Some(total) if is_terminal => State::From(Instant::now() + PATIENCE, total),
            _ => State::Hidden,
        };
        Self { state, packets: 0 }
    }

    /// A packet is done.
    pub(crate) fn tick(&mut self, inputs: &Inputs<'_>) {
        self.packets += 1;
        if self.packets < EVERY {
            return;
        }
        self.packets = 0;
        match &self.state {
            State::Hidden => {}
            State::From(from, total) => {
                if Instant::now() >= *from {
                    self.state = State::Shown(bar(*total), *total);
                }
            }
            State::Shown(bar, _) => bar.set_position(inputs.read()),
        }
    }

    /// Makes way for a line; the bar comes back when there have been none for a while.
    pub(crate) fn give_way(&mut self) {
        if let State::Shown(bar, total) = &self.state {
            bar.finish_and_clear();
            self.state = State::From(Instant::now() + PATIENCE, *total);
        }
    }

    /// Removes the bar for good.
    pub(crate) fn end(&mut self) {
        self.give_way();
        self.state = State::Hidden;
    }
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    let style = "{wide_bar} {bytes} of {total_bytes}, {eta} left";
    // The template is right, but were it not, a plain bar would do.
    bar.set_style(
        ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    bar
}
