//! Rates and times in units that people read.

use crate::run::report::Summary;
use crate::table::thousands;
use crate::term::Out;
use anstyle::Style;
use std::io;
use std::time::Duration;

/// One sentence about speed.
pub(super) fn throughput(summary: &Summary<'_>, out: &mut Out<'_>) -> io::Result<()> {
    let total = summary.counts.total();
    let seconds = summary.time.as_secs_f64().max(1e-9);
    #[expect(clippy::cast_precision_loss, reason = "rates are shown with three digits")]
    let (packets, bytes, insns) = (
        total.packets as f64,
        total.bytes as f64,
        summary.counts.insns().map(|insns| insns as f64),
    );
    let plural = if total.packets == 1 { "" } else { "s" };
    let cost = if summary.live { String::new() } else { time(summary.time.div_f64(packets)) };
    let and = if cost.is_empty() { "" } else { " and " };
    let work = match insns {
        Some(insns) => format!("{and}{} instructions", three_digits(insns / packets)),
        None => String::new(),
    };
    let line = format!(
        "{} packet{plural} in {}: {}packets/s, {}bit/s; per packet {cost}{work}",
        thousands(total.packets),
        time(summary.time),
        scaled(packets / seconds),
        scaled(bytes * 8.0 / seconds),
    );
    out.wrapped(0, &[(Style::new(), &line)])
}

/// The part of all, in percent.
pub(super) fn share(part: u64, all: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
    let percent = part as f64 * 100.0 / all.max(1) as f64;
    format!("{percent:.1}%")
}

fn time(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (number, unit) = match seconds {
        60.0.. => return format!("{:.0} s", seconds),
        1.0.. => (seconds, "s"),
        1e-3.. => (seconds * 1e3, "ms"),
        1e-6.. => (seconds * 1e6, "µs"),
        _ => (seconds * 1e9, "ns"),
    };
    format!("{} {unit}", three_digits(number))
}

/// With a decimal prefix, to stand before a unit: `1.24 M`.
fn scaled(number: f64) -> String {
    let (number, prefix) = match number {
        1e9.. => (number / 1e9, "G"),
        1e6.. => (number / 1e6, "M"),
        1e3.. => (number / 1e3, "k"),
        _ => (number, ""),
    };
    format!("{} {prefix}", three_digits(number))
}

/// As many decimals as make three digits.
fn three_digits(number: f64) -> String {
    match number {
        99.95.. => format!("{number:.0}"),
        9.995.. => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        let times = [
            (Duration::from_nanos(57), "57.0 ns"),
            (Duration::from_micros(1234), "1.23 ms"),
            (Duration::from_millis(2500), "2.50 s"),
            (Duration::from_secs(7200), "7200 s"),
        ];
        for (duration, want) in times {
            assert_eq!(time(duration), want);
        }
        assert_eq!(scaled(1_240_000.0), "1.24 M");
        assert_eq!(scaled(12.0), "12.0 ");
        assert_eq!(scaled(9.999), "10.0 ");
        assert_eq!(share(1, 3), "33.3%");
        assert_eq!(share(0, 0), "0.0%");
    }
}
