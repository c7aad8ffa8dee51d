//! What became of the packets, in numbers.

use skep::{Action, Outcome, Verdict};

/// Numbers of packets by verdict.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    rows: Vec<Row>,
    total: Sum,
    /// Nothing, if they were not counted of all.
    insns: Option<u64>,
}

/// Packets of one verdict.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) verdict: Verdict,
    pub(crate) sum: Sum,
}

/// Packets and the bytes they came with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

impl Counts {
    /// Counts a packet by the bytes it came with.
    pub(crate) fn add(&mut self, outcome: &Outcome, bytes: usize) {
        self.insns = self.insns().zip(outcome.insns).map(|(a, b)| a.saturating_add(b));
        self.total.add(bytes);
        let verdict = outcome.verdict;
        // There are a handful at most: codes that the hook does not know share a row.
        let same =
            |row: &&mut Row| (row.verdict.name, row.verdict.known) == (verdict.name, verdict.known);
        match self.rows.iter_mut().find(same) {
            Some(row) => row.sum.add(bytes),
            None => {
                let mut row = Row { verdict, sum: Sum::default() };
                row.sum.add(bytes);
                self.rows.push(row);
            }
        }
    }

    pub(crate) const fn packets(&self) -> u64 {
        self.total.packets
    }

    pub(crate) const fn total(&self) -> Sum {
        self.total
    }

    /// Instructions executed for all packets, if they were counted.
    pub(crate) fn insns(&self) -> Option<u64> {
        if self.total.packets == 0 { Some(0) } else { self.insns }
    }

    /// The verdicts, the most frequent first.
    pub(crate) fn rows(&self) -> Vec<Row> {
        let mut rows = self.rows.clone();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.sum.packets), row.verdict));
        rows
    }
}

impl Row {
    /// What to call it.
    pub(crate) fn name(&self) -> String {
        let Verdict { name, known, .. } = self.verdict;
        if known { name.to_string() } else { format!("{name} (unknown code)") }
    }

    /// What happens to the packets.
    pub(crate) const fn action(&self) -> Action {
        self.verdict.action
    }
}
