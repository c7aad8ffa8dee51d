//! A map for people.

use super::{Heard, Text};
use crate::failure::visible;
use crate::run::maps::{Content, content};
use crate::table::{Align, Cell, Table, thousands};
use crate::term::{Out, Palette};
use anstyle::Style;
use skep::MapView;
use skep_abi::MapType;
use skep_btf::Shown;
use skep_prog::{Initial, MapDef};
use std::io::{self, Write};

/// A line that says what it is, and its entries below.
pub(super) fn write(
    out: &mut Out<'_>,
    map: &MapView<'_>,
    text: &Text,
    heard: Heard,
) -> io::Result<()> {
    let def = map.def();
    let Palette { name, faint, .. } = out.style;
    let what = if def.data.is_some() { "data" } else { "map" };
    write!(out, "{what} {name}{}{name:#}", visible(&def.name))?;
    if def.data.is_some() {
        writeln!(out)?;
        return data(out, map);
    }
    let facts = facts(map, heard);
    writeln!(out, " {faint}({facts}){faint:#}")?;
    if let Initial::Progs(progs) = &def.initial {
        for (index, prog) in progs {
            writeln!(out, "  {index} → {}", visible(prog))?;
        }
    }
    let content = content(map, text.maps, text.most, true);
    entries(out, &content)?;
    remarks(out, &content)
}

/// `hash, 12 of 1024 entries`
fn facts(map: &MapView<'_>, heard: Heard) -> String {
    let def = map.def();
    let kind = def.map_type.name();
    match def.map_type {
        MapType::Ringbuf | MapType::PerfEventArray => {
            let lost = heard.lost + map.dropped();
            let plural = if heard.records == 1 { "" } else { "s" };
            let records = thousands(heard.records);
            format!("{kind}, {records} record{plural}, {} lost", thousands(lost))
        }
        MapType::ProgArray => format!("{kind}, {} of {} entries", progs(def), def.max_entries),
        MapType::Array | MapType::PercpuArray => {
            let plural = if def.max_entries == 1 { "entry" } else { "entries" };
            format!("{kind}, {} {plural}", def.max_entries)
        }
        _ => format!("{kind}, {} of {} entries", map.len(), def.max_entries),
    }
}

fn progs(def: &MapDef) -> usize {
    match &def.initial {
        Initial::Progs(progs) => progs.len(),
        _ => 0,
    }
}

/// What is not shown.
fn remarks(out: &mut Out<'_>, content: &Content<'_>) -> io::Result<()> {
    let faint = out.style.faint;
    if content.more > 0 {
        let more = thousands(content.more);
        writeln!(out, "  {faint}… {more} more (--max-entries 0 shows all){faint:#}")?;
    }
    if content.zero > 0 {
        let zero = thousands(content.zero);
        writeln!(out, "  {faint}… {zero} zero (--maps all shows them){faint:#}")?;
    }
    Ok(())
}

/// A variable on each line.
fn data(out: &mut Out<'_>, map: &MapView<'_>) -> io::Result<()> {
    for value in map.entries().flat_map(|entry| entry.show_values()) {
        match value {
            Shown::Struct(variables) => {
                for (name, value) in &variables {
                    wrapped(out, &format!("{} = {value}", visible(name)))?;
                }
            }
            other => wrapped(out, &other.to_string())?,
        }
    }
    Ok(())
}

/// In columns where keys and values are records and there is room, else one after the other.
fn entries(out: &mut Out<'_>, content: &Content<'_>) -> io::Result<()> {
    let rows: Vec<Pair> = content
        .entries
        .iter()
        .map(|entry| Pair { key: entry.show_key(), value: together(entry.show_values()) })
        .collect();
    let table = table(&rows, &out.style);
    if table.width() + INDENT <= out.width.unwrap_or(usize::MAX) {
        return table.write(out, INDENT);
    }
    for Pair { key, value } in &rows {
        let line = visible(&format!("{key} → {value}"));
        if line.chars().count() + INDENT <= out.width.unwrap_or(usize::MAX) {
            writeln!(out, "{:INDENT$}{line}", "")?;
        } else {
            wrapped(out, &key.to_string())?;
            wrapped(out, &format!("→ {value}"))?;
        }
    }
    Ok(())
}

const INDENT: usize = 2;

struct Pair {
    key: Shown,
    value: Shown,
}

/// The values of all CPUs, or the only one.
fn together(mut values: Vec<Shown>) -> Shown {
    match values.len() {
        0 | 1 => values.pop().unwrap_or(Shown::Truncated),
        _ => Shown::Array(values),
    }
}

/// A line that may be broken, but not between a name and its value.
fn wrapped(out: &mut Out<'_>, text: &str) -> io::Result<()> {
    let text = visible(text);
    out.wrapped(INDENT, &[(Style::new(), &text.replace(": ", ":\u{a0}"))])
}

/// A column for each member of the keys, an arrow, and a column for each member of the values.
fn table(rows: &[Pair], style: &Palette) -> Table {
    let keys = Columns::of(rows.iter().map(|pair| &pair.key));
    let values = Columns::of(rows.iter().map(|pair| &pair.value));
    let mut aligns = keys.aligns.clone();
    aligns.push(Align::Left);
    aligns.extend(&values.aligns);
    let mut table = Table::new(aligns);
    if keys.names.is_some() || values.names.is_some() {
        let head = |columns: &Columns, or: &str| -> Vec<String> {
            columns.names.clone().unwrap_or_else(|| vec![or.to_string()])
        };
        let names = [head(&keys, "key"), vec![String::new()], head(&values, "value")].concat();
        let cell = |text: String| Cell { text: visible(&text), style: style.faint };
        table.row(names.into_iter().map(cell).collect());
    }
    for pair in rows {
        let mut row = keys.cells(&pair.key);
        row.push(Cell { text: "→".to_string(), style: style.faint });
        row.extend(values.cells(&pair.value));
        table.row(row);
    }
    table
}

/// How values of one type stand in a table.
struct Columns {
    /// The members that have a column each; none where the values are no records.
    names: Option<Vec<String>>,
    aligns: Vec<Align>,
}

impl Columns {
    fn of<'a>(values: impl Iterator<Item = &'a Shown> + Clone) -> Self {
        let is_number =
            |value: &Shown| matches!(value, Shown::Int(_) | Shown::UInt(_) | Shown::Float(_));
        let align = |number| if number { Align::Right } else { Align::Left };
        let plain = |names| Self { names, aligns: vec![align(values.clone().all(is_number))] };
        let Some(Shown::Struct(first)) = values.clone().next() else { return plain(None) };
        let member = |value: &'a Shown, name: &str| match value {
            Shown::Struct(members) => {
                members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
            }
            _ => None,
        };
        // Padding that has a name, because keys are compared by all bytes.
        let is_padding = |name: &str| {
            name.trim_matches('_').starts_with("pad")
                && values.clone().all(|value| member(value, name).is_some_and(is_zero))
        };
        let names: Vec<String> =
            first.iter().map(|(name, _)| name.clone()).filter(|name| !is_padding(name)).collect();
        if names.is_empty() {
            return plain(None);
        }
        let numbers = |name: &String| {
            align(values.clone().all(|value| member(value, name).is_some_and(is_number)))
        };
        let aligns = names.iter().map(numbers).collect();
        Self { names: Some(names), aligns }
    }

    fn cells(&self, value: &Shown) -> Vec<Cell> {
        let cell = |text: String| Cell::from(visible(&text));
        match (&self.names, value) {
            (Some(names), Shown::Struct(members)) => {
                let text = |name| {
                    members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
                };
                names
                    .iter()
                    .map(|name| cell(text(name).map(Shown::to_string).unwrap_or_default()))
                    .collect()
            }
            (Some(names), other) => {
                let mut cells = vec![cell(other.to_string())];
                cells.resize(names.len(), cell(String::new()));
                cells
            }
            (None, value) => vec![cell(value.to_string())],
        }
    }
}

fn is_zero(value: &Shown) -> bool {
    match value {
        Shown::Int(value) => *value == 0,
        Shown::UInt(value) => *value == 0,
        Shown::Bytes(bytes) => bytes.iter().all(|&byte| byte == 0),
        Shown::Str(text) => text.is_empty(),
        Shown::Array(values) => values.iter().all(is_zero),
        _ => false,
    }
}
