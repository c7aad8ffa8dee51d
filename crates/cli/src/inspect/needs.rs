//! `--needs`: what the file uses of a kernel, and the oldest release with all of it.

use crate::failure::visible;
use crate::table::{Align, Cell, Table};
use crate::term::Out;
use anstyle::Style;
use serde_json::{Value, json};
use skep::{Need, Needs};
use std::io::{self, Write};
use std::path::Path;

pub(super) fn write(name: &Path, needs: &Needs, out: &mut Out<'_>) -> io::Result<()> {
    let oldest = needs.oldest().map_or_else(
        || "needs nothing of a kernel".to_string(),
        |release| format!("needs Linux {release} or later"),
    );
    let name = format!("{}:", visible(&name.to_string_lossy()));
    out.wrapped(0, &[(out.style.name, &name), (Style::new(), &oldest)])?;
    let faint = out.style.faint;
    for (label, text) in
        [("because of:", names(needs.reasons())), ("not known since when:", names(needs.unknown()))]
    {
        if !text.is_empty() {
            out.wrapped(0, &[(faint, label), (Style::new(), &text)])?;
        }
    }
    if needs.list.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    let mut table = Table::new(vec![Align::Left, Align::Left, Align::Left, Align::Left]);
    table.head(["needs", "", "since", ""], faint);
    for need in &needs.list {
        let since = need.since.map_or_else(|| "unknown".to_string(), |since| since.to_string());
        let optional = if need.optional { "can do without" } else { "" };
        let cells =
            [need.kind.name().to_string(), visible(&need.name), since, optional.to_string()];
        table.row(cells.map(Cell::from).into());
    }
    table.write(out, 0)
}

fn names<'a>(needs: impl Iterator<Item = &'a Need>) -> String {
    needs.map(|need| visible(&need.name)).collect::<Vec<_>>().join(", ")
}

pub(super) fn write_json(needs: &Needs, out: &mut Out<'_>) -> io::Result<()> {
    let list = needs.list.iter().map(|need| {
        json!({
            "kind": need.kind.name(),
            "name": need.name,
            "since": need.since.map(|since| since.to_string()),
            "optional": need.optional,
        })
    });
    let names = |needs: &mut dyn Iterator<Item = &Need>| -> Value {
        needs.map(|need| need.name.as_str()).collect()
    };
    let whole = json!({
        "type": "needs",
        "oldest": needs.oldest().map(|release| release.to_string()),
        "because": names(&mut needs.reasons()),
        "unknown": names(&mut needs.unknown()),
        "needs": list.collect::<Value>(),
    });
    writeln!(out, "{whole}")
}
