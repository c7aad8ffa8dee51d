//! Text in columns.

use crate::term::Out;
use anstyle::Style;
use std::io::{self, Write};

/// How the cells of a column stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A cell and what it looks like.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) text: String,
    pub(crate) style: Style,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, style: Style::new() }
    }
}

/// Rows of cells, as wide as their widest.
#[derive(Debug)]
pub(crate) struct Table {
    aligns: Vec<Align>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    pub(crate) const fn new(aligns: Vec<Align>) -> Self {
        Self { aligns, rows: Vec::new() }
    }

    /// Adds the heads of the columns.
    pub(crate) fn head<const N: usize>(&mut self, names: [&str; N], style: Style) {
        self.row(names.map(|name| Cell { text: name.to_string(), style }).into());
    }

    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Columns that the whole takes, without indentation.
    pub(crate) fn width(&self) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    fn widths(&self) -> Vec<usize> {
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(len).max().unwrap_or(0)
        };
        (0..self.aligns.len()).map(width).collect()
    }

    /// Writes the rows, indented.
    pub(crate) fn write(&self, out: &mut Out<'_>, indent: usize) -> io::Result<()> {
        let widths = self.widths();
        for row in &self.rows {
            write!(out, "{:indent$}", "")?;
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or(0);
            for (at, cell) in row.iter().enumerate().take(last + 1) {
                let pad = widths[at] - len(cell);
                let (mut before, after) = match self.aligns[at] {
                    Align::Left if at == last => (0, 0),
                    Align::Left => (0, pad),
                    Align::Right => (pad, 0),
                };
                before += if at == 0 { 0 } else { GAP };
                let (Cell { text, style }, none) = (cell, "");
                write!(out, "{none:before$}{style}{text}{style:#}{none:after$}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

/// Spaces between columns.
const GAP: usize = 2;

fn len(cell: &Cell) -> usize {
    cell.text.chars().count()
}

/// A number with its thousands apart.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let table = [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_345, "12,345"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ];
        for (number, want) in table {
            assert_eq!(thousands(number), want);
        }
    }
}
