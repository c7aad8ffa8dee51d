//! Counting instead of showing.

use super::frequent::{Frequent, Sum};
use crate::term::Out;
use skep_dissect::{Field, Record};
use std::io::{self, Write};

/// Columns of the bars of a histogram, at most and at least, and of what else is in their lines.
const BAR: usize = 40;
const SHORTEST_BAR: usize = 4;
const BESIDES: usize = 38;

/// The most frequent values of fields.
pub(crate) struct Top {
    fields: Vec<Field>,
    rows: usize,
    /// By the values of all fields, a line each.
    values: Frequent,
    /// Packets without the fields.
    without: Sum,
    key: Vec<u8>,
}

impl Top {
    pub(crate) fn new(fields: Vec<Field>, rows: usize) -> Self {
        let (values, without) = (Frequent::new(), Sum::default());
        Self { fields, rows, values, without, key: Vec::new() }
    }

    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.add_many(record, 1, record.wire_len.into());
    }

    /// Packets with the same values, and their bytes in all.
    pub(crate) fn add_many(&mut self, record: &Record<'_>, packets: u64, bytes: u64) {
        let sum = Sum { packets, bytes };
        self.key.clear();
        for (n, &field) in self.fields.iter().enumerate() {
            if n > 0 {
                self.key.push(b'\n');
            }
            if !record.write_field(field, &mut self.key) {
                self.without.add(sum);
                return;
            }
        }
        self.values.add(&self.key, sum);
    }

    /// By how many packets a count may be too low, and a value missing.
    pub(crate) const fn floor(&self) -> u64 {
        self.values.floor()
    }

    pub(crate) fn show(&self, out: &mut Out<'_>) -> io::Result<()> {
        let (rows, others) = self.values.top(self.rows);
        writeln!(out, "{:>10}  {:>12}", "packets", "bytes")?;
        for (key, sum) in &rows {
            row(out, sum, &String::from_utf8_lossy(key).replace('\n', " "))?;
        }
        for (sum, words) in [(others, "(others)"), (self.without, "(without)")] {
            if sum.packets > 0 {
                row(out, &sum, words)?;
            }
        }
        Ok(())
    }
}

fn row(out: &mut Out<'_>, sum: &Sum, words: &str) -> io::Result<()> {
    writeln!(out, "{:>10}  {:>12}  {words}", sum.packets, sum.bytes)
}

/// How many values lie between powers of two.
pub(crate) struct Histogram {
    field: Field,
    /// By the number of bits of the value.
    counts: [u64; 65],
    without: u64,
}

impl Histogram {
    pub(crate) fn new(field: Field) -> Self {
        Self { field, counts: [0; 65], without: 0 }
    }

    pub(crate) fn add(&mut self, record: &Record<'_>) {
        self.add_many(record, 1);
    }

    /// Packets with the same value.
    pub(crate) fn add_many(&mut self, record: &Record<'_>, packets: u64) {
        match record.number(self.field) {
            None => self.without += packets,
            Some(value) => {
                let bits = usize::try_from(u64::BITS - value.leading_zeros()).unwrap_or(0);
                if let Some(count) = self.counts.get_mut(bits) {
                    *count += packets;
                }
            }
        }
    }

    pub(crate) fn show(&self, out: &mut Out<'_>) -> io::Result<()> {
        let most = self.counts.iter().copied().max().unwrap_or(0).max(1);
        let bar = out.width.map_or(BAR, |width| width.saturating_sub(BESIDES));
        let bar = bar.clamp(SHORTEST_BAR, BAR);
        let used = |&count: &u64| count > 0;
        let first = self.counts.iter().position(used).unwrap_or(0);
        let last = self.counts.iter().rposition(used).unwrap_or(0);
        for (bits, &count) in self.counts.iter().enumerate().take(last + 1).skip(first) {
            if count == 0 && most == 1 && first == last {
                continue;
            }
            let low = if bits == 0 { 0 } else { 1_u64 << (bits - 1) };
            let high = if bits == 64 { u64::MAX } else { (1_u64 << bits) - 1 };
            let width = usize::try_from(count * bar as u64 / most).unwrap_or(bar);
            writeln!(out, "{low:>10} .. {high:<10} {count:>10} |{:<bar$}|", "@".repeat(width))?;
        }
        if self.without > 0 {
            writeln!(out, "{:>24} {:>10}", "(without)", self.without)?;
        }
        Ok(())
    }
}
