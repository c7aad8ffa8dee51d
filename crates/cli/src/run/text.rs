//! A run for people.

mod map;
mod numbers;

use super::arg::WhichMaps;
use super::counts::Counts;
use super::input::Inputs;
use super::maps::chosen;
use super::report::{Answer, How, Passed, Report, Summary, hook_name};
use crate::failure::visible;
use crate::table::{Align, Cell, Table, thousands};
use crate::term::{Out, Palette};
use anstyle::Style;
use skep::{Action, Engine, Event, EventKind, Session};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// Events as they come, then tables.
pub(crate) struct Text {
    maps: WhichMaps,
    /// Most entries of a map.
    most: usize,
    /// Records and losses by map.
    events: BTreeMap<String, Heard>,
    /// Whether there are lines between the head and the tables.
    any_lines: bool,
}

/// What came through a ring buffer or perf event array.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    records: u64,
    lost: u64,
}

impl Text {
    pub(crate) const fn new(maps: WhichMaps, most: usize) -> Self {
        Self { maps, most, events: BTreeMap::new(), any_lines: false }
    }
}

impl Report for Text {
    fn start(
        &mut self,
        out: &mut Out<'_>,
        file: &Path,
        (session, how): (&Session, How<'_>),
        inputs: &Inputs<'_>,
    ) -> io::Result<()> {
        let name = out.style.name;
        let (prog, hook) = (visible(session.prog()), hook_name(session.hook()));
        let (file, inputs) = (visible(&file.to_string_lossy()), visible(&inputs.name()));
        let how = match (how, session.engine()) {
            (How::Untold, _) => String::new(),
            (How::Told(Some(why)), Engine::Interp) => format!(", interpreted ({}),", visible(why)),
            (How::Told(None), Engine::Interp) => ", interpreted,".to_string(),
            (How::Told(why), Engine::Checked) => {
                let why = why.map(|why| format!(" ({})", visible(why))).unwrap_or_default();
                format!(", as machine code that checks its accesses{why},")
            }
            (How::Told(Some(why)), Engine::Jit) => format!(", as machine code ({}),", visible(why)),
            (How::Told(None), Engine::Jit) => ", as machine code,".to_string(),
        };
        let rest = format!("of {file} at {hook}{how} over {inputs}");
        out.wrapped(0, &[(name, &prog), (Style::new(), &rest)])?;
        writeln!(out)
    }

    fn packet(&mut self, out: &mut Out<'_>, passed: &Passed<'_>) -> io::Result<()> {
        self.any_lines = true;
        let verdict = passed.outcome.verdict;
        let style = verdict_style(verdict.action, &out.style);
        let len = passed.packet.frame().len();
        write!(out, "{:>6}  {style}{verdict:<11}{style:#}  {} bytes", passed.number, passed.bytes)?;
        if len != passed.bytes {
            write!(out, ", now {len}")?;
        }
        match passed.outcome.redirect {
            Some(ifindex) => writeln!(out, ", to interface {ifindex}"),
            None => writeln!(out),
        }
    }

    fn event(&mut self, out: &mut Out<'_>, event: &Event<'_>) -> io::Result<()> {
        self.any_lines = true;
        let faint = out.style.faint;
        let map = event.map.unwrap_or("printk");
        let mut heard = self.events.get(map).copied().unwrap_or_default();
        write!(out, "{faint}{}:{faint:#} ", visible(map))?;
        match &event.kind {
            EventKind::Print(text) => writeln!(out, "{}", visible(text.trim_end_matches('\n')))?,
            EventKind::Record(value) => {
                heard.records += 1;
                writeln!(out, "{}", visible(&value.to_string()))?;
            }
            EventKind::Lost(count) => {
                heard.lost += count;
                writeln!(out, "{count} lost")?;
            }
        }
        if event.map.is_some() {
            self.events.insert(map.to_string(), heard);
        }
        Ok(())
    }

    fn end(
        &mut self,
        out: &mut Out<'_>,
        summary: &Summary<'_>,
        session: &Session,
    ) -> io::Result<()> {
        if self.any_lines {
            writeln!(out)?;
        }
        if summary.counts.packets() == 0 {
            writeln!(out, "no packets were run")?;
        } else {
            verdicts(summary.counts, &out.style).write(out, 0)?;
            writeln!(out)?;
            numbers::throughput(summary, out)?;
        }
        for (name, packets) in &summary.written {
            let plural = if *packets == 1 { "" } else { "s" };
            writeln!(out, "{} packet{plural} written to {}", thousands(*packets), visible(name))?;
        }
        self.maps(out, session)
    }

    fn answer(&mut self, out: &mut Out<'_>, prog: &str, answer: &Answer<'_>) -> io::Result<()> {
        match answer {
            Answer::Returned { value, ctx } => {
                let name = out.style.name;
                write!(out, "{name}{}{name:#} returned {value}", visible(prog))?;
                if *value > i32::MAX as u32 {
                    write!(out, " ({})", value.cast_signed())?;
                }
                writeln!(out)?;
                context(out, ctx)
            }
            // Whoever reads a file of the kernel gets its bytes as they are.
            Answer::Wrote(bytes) if !out.is_terminal => out.write_all(bytes),
            Answer::Wrote(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                let mut lines = text.split('\n');
                write!(out, "{}", visible(lines.next().unwrap_or_default()))?;
                lines.try_for_each(|line| write!(out, "\n{}", visible(line)))
            }
        }
    }

    fn maps(&mut self, out: &mut Out<'_>, session: &Session) -> io::Result<()> {
        for view in chosen(session, self.maps) {
            writeln!(out)?;
            let heard = self.events.get(&view.def().name).copied().unwrap_or_default();
            map::write(out, &view, self, heard)?;
        }
        Ok(())
    }
}

/// The bytes of a context, sixteen on a line.
fn context(out: &mut Out<'_>, ctx: &[u8]) -> io::Result<()> {
    for (at, line) in ctx.chunks(16).enumerate() {
        let faint = out.style.faint;
        write!(out, "{faint}context+{:#06x}:{faint:#}", at * 16)?;
        line.iter().try_for_each(|byte| write!(out, " {byte:02x}"))?;
        writeln!(out)?;
    }
    Ok(())
}

/// Packets, bytes and share of each verdict.
fn verdicts(counts: &Counts, style: &Palette) -> Table {
    let total = counts.total();
    let mut table = Table::new(vec![Align::Left, Align::Right, Align::Right, Align::Right]);
    table.head(["verdict", "packets", "bytes", "share"], style.faint);
    let mut row = |name: String, style: Style, sum: super::counts::Sum| {
        let cells = [
            thousands(sum.packets),
            thousands(sum.bytes),
            numbers::share(sum.packets, total.packets),
        ];
        let mut row = vec![Cell { text: name, style }];
        row.extend(cells.map(Cell::from));
        table.row(row);
    };
    let rows = counts.rows();
    for verdict in &rows {
        row(verdict.name(), verdict_style(verdict.action(), style), verdict.sum);
    }
    if rows.len() > 1 {
        row("total".to_string(), Style::new(), total);
    }
    table
}

const fn verdict_style(action: Action, style: &Palette) -> Style {
    match action {
        Action::Pass => style.good,
        Action::Drop | Action::Aborted => style.bad,
        Action::Tx | Action::Redirect => style.other,
    }
}
