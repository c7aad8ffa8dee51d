//! How many packets and bits came in each second.

use crate::term::Out;
use skep_dissect::Record;
use std::io::{self, Write};

/// Counts of the second that runs.
#[derive(Default)]
pub(crate) struct Rate {
    second: Option<u64>,
    packets: u64,
    bytes: u64,
    all_packets: u64,
    all_bytes: u64,
    /// From when to when packets were counted.
    span: Option<(u64, u64)>,
}

impl Rate {
    /// Counts a packet; shows the second before, if it is over.
    pub(crate) fn add(&mut self, record: &Record<'_>, out: &mut Out<'_>) -> io::Result<()> {
        self.add_many(record.time, 1, record.wire_len.into(), out)
    }

    /// Packets of the same second, and their bytes.
    pub(crate) fn add_many(
        &mut self,
        time: u64,
        packets: u64,
        bytes: u64,
        out: &mut Out<'_>,
    ) -> io::Result<()> {
        self.until(time, out)?;
        if self.all_packets == 0 {
            writeln!(out, "{:>12}  {:>10}  {:>14}", "second", "packets/s", "bits/s")?;
        }
        self.second.get_or_insert(time / 1_000_000_000);
        // Times of captures may go back.
        let (first, last) = self.span.unwrap_or((time, time));
        self.span = Some((first.min(time), last.max(time)));
        self.packets += packets;
        self.bytes += bytes;
        self.all_packets += packets;
        self.all_bytes += bytes;
        Ok(())
    }

    /// From when to when packets were counted, where that is more than from the earliest to the latest.
    pub(crate) const fn spans(&mut self, first: u64, last: u64) {
        self.span = Some((first, last));
    }

    /// Shows the second that runs, if it is over at a time.
    pub(crate) fn until(&mut self, time: u64, out: &mut Out<'_>) -> io::Result<()> {
        match self.second {
            Some(second) if time / 1_000_000_000 != second => self.row(second, out),
            _ => Ok(()),
        }
    }

    fn row(&mut self, second: u64, out: &mut Out<'_>) -> io::Result<()> {
        let bits = self.bytes.saturating_mul(8);
        writeln!(out, "{second:>12}  {:>10}  {bits:>14}", self.packets)?;
        (self.second, self.packets, self.bytes) = (None, 0, 0);
        Ok(())
    }

    /// Shows what is left, and the mean.
    pub(crate) fn show(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        if let Some(second) = self.second {
            self.row(second, out)?;
        }
        let nanos = self.span.map_or(0, |(first, last)| u128::from(last.saturating_sub(first)));
        // Of a moment there is no mean.
        if self.all_packets > 1 && nanos > 0 {
            let per_second = |n: u64| u128::from(n) * 1_000_000_000 / nanos;
            let (packets, bits) = (per_second(self.all_packets), per_second(self.all_bytes) * 8);
            writeln!(out, "{:>12}  {packets:>10}  {bits:>14}", "mean")?;
        }
        Ok(())
    }
}
