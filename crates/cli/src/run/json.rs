//! A run for machines: one JSON object on a line.

use super::arg::WhichMaps;
use super::input::Inputs;
use super::maps::{chosen, content};
use super::report::{Answer, How, Passed, Report, Summary, hook_name};
use crate::term::Out;
use crate::value::to_json;
use serde_json::{Map, Value, json};
use skep::{Event, EventKind, MapView, Session};
use skep_prog::Initial;
use std::io::{self, Write};
use std::path::Path;

/// Writes each fact as it is known. Maps come as they are chosen.
pub(crate) struct Json {
    pub(crate) maps: WhichMaps,
    /// Most entries of a map.
    pub(crate) most: usize,
}

impl Report for Json {
    fn start(
        &mut self,
        _: &mut Out<'_>,
        _: &Path,
        _: (&Session, How<'_>),
        _: &Inputs<'_>,
    ) -> io::Result<()> {
        Ok(())
    }

    fn packet(&mut self, out: &mut Out<'_>, passed: &Passed<'_>) -> io::Result<()> {
        let outcome = passed.outcome;
        let mut line = json!({
            "type": "packet",
            "number": passed.number,
            "verdict": outcome.verdict.name,
            "action": outcome.verdict.action.to_string(),
            "code": outcome.verdict.code,
            "length": passed.bytes,
            "new_length": passed.packet.frame().len(),
            "instructions": outcome.insns,
        });
        if let Some(ifindex) = outcome.redirect {
            line["redirect"] = json!(ifindex);
        }
        writeln!(out, "{line}")
    }

    fn event(&mut self, out: &mut Out<'_>, event: &Event<'_>) -> io::Result<()> {
        let line = match (&event.kind, event.map) {
            (EventKind::Print(text), _) => json!({"type": "print", "text": text}),
            (EventKind::Record(value), map) => {
                json!({"type": "event", "map": map, "record": to_json(value)})
            }
            (EventKind::Lost(count), map) => json!({"type": "lost", "map": map, "count": count}),
        };
        writeln!(out, "{line}")
    }

    fn end(
        &mut self,
        out: &mut Out<'_>,
        summary: &Summary<'_>,
        session: &Session,
    ) -> io::Result<()> {
        writeln!(out, "{}", summary_line(summary, session))?;
        self.maps(out, session)
    }

    fn answer(&mut self, out: &mut Out<'_>, prog: &str, answer: &Answer<'_>) -> io::Result<()> {
        let line = match answer {
            Answer::Returned { value, ctx } => {
                json!({"type": "call", "prog": prog, "returned": value, "context": hex(ctx)})
            }
            Answer::Wrote(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => json!({"type": "written", "prog": prog, "text": text}),
                Err(_) => json!({"type": "written", "prog": prog, "bytes": hex(bytes)}),
            },
        };
        writeln!(out, "{line}")
    }

    fn maps(&mut self, out: &mut Out<'_>, session: &Session) -> io::Result<()> {
        for map in chosen(session, self.maps) {
            writeln!(out, "{}", self.map(&map))?;
        }
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn summary_line(summary: &Summary<'_>, session: &Session) -> Value {
    let counts = summary.counts;
    let verdicts = counts.rows().into_iter().map(|row| {
        let facts = json!({
            "action": row.action().to_string(),
            "packets": row.sum.packets,
            "bytes": row.sum.bytes,
        });
        (row.name(), facts)
    });
    let written =
        summary.written.iter().map(|(name, packets)| json!({"to": name, "packets": packets}));
    let mut line = json!({
        "type": "summary",
        "prog": session.prog(),
        "hook": hook_name(session.hook()),
        "packets": counts.packets(),
        "bytes": counts.total().bytes,
        "seconds": summary.time.as_secs_f64(),
        "verdicts": verdicts.collect::<Map<_, _>>(),
        "instructions": counts.insns(),
        "written": written.collect::<Value>(),
    });
    line["engine"] = json!(session.engine().name());
    if let Some(why_not) = summary.why_not {
        line["not_compiled"] = json!(why_not);
    }
    line
}

impl Json {
    fn map(&self, map: &MapView<'_>) -> Value {
        let def = map.def();
        let content = content(map, self.maps, self.most, false);
        let entries = content.entries.iter().map(|entry| {
            let mut values: Vec<Value> = entry.show_values().iter().map(to_json).collect();
            let key = to_json(&entry.show_key());
            if map.is_per_cpu() {
                json!({"key": key, "values": values})
            } else {
                json!({"key": key, "value": values.pop()})
            }
        });
        let mut line = json!({
            "type": "map",
            "name": def.name,
            "map_type": def.map_type.name(),
            "max_entries": def.max_entries,
            "entries": entries.collect::<Value>(),
        });
        if let Initial::Progs(progs) = &def.initial {
            let progs = progs.iter().map(|(index, prog)| json!({"key": index, "value": prog}));
            line["entries"] = progs.collect();
        }
        for (name, number) in [
            ("zero_entries", content.zero),
            ("more_entries", content.more),
            ("dropped", map.dropped()),
        ] {
            if number > 0 {
                line[name] = json!(number);
            }
        }
        line
    }
}
