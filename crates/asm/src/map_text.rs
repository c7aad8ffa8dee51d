//! `.map`: a map and its content.

use crate::cursor::Cursor;
use crate::directive::keyword;
use crate::parse::Text;
use crate::token::Tok;
use skep_abi::MapType;
use skep_diag::{Diagnostic, Span, closest};
use skep_prog::{Initial, MapDef};

type Result<T> = std::result::Result<T, Diagnostic>;

/// `.map counts, hash, key=4, value=8, entries=1024`
pub(crate) fn map<'a>(text: &mut Text<'a>, cur: &mut Cursor<'a, '_>) -> Result<()> {
    cur.form = ".map NAME, TYPE, key=4, value=8, entries=16";
    text.data.close();
    let span = cur.span();
    let name = cur.name("the name of the map")?;
    cur.expect(",")?;
    let mut members = Vec::new();
    let map = definition(cur, &name, &mut Some(&mut members))?;
    let map = text.data.add(name, span, map, None)?;
    text.data.members.extend(members.into_iter().map(|(name, span)| (map, name, span)));
    Ok(())
}

/// Names in the content of a map, and where they stand.
type Members = Vec<(String, Span)>;

/// Type and parameters. `members` is `None` for a map inside a map, which has neither content nor
/// further maps inside.
fn definition(
    cur: &mut Cursor<'_, '_>,
    name: &str,
    members: &mut Option<&mut Members>,
) -> Result<MapDef> {
    let names: Vec<_> = MapType::ALL.iter().map(|row| row.name()).collect();
    let map_type = keyword(cur, "map type", MapType::from_name, &names)?;
    let mut map = MapDef::new(name, map_type, 0, 0, 0);
    while cur.eat(",") {
        parameter(cur, &mut map, members)?;
    }
    Ok(map)
}

fn parameter(
    cur: &mut Cursor<'_, '_>,
    map: &mut MapDef,
    members: &mut Option<&mut Members>,
) -> Result<()> {
    let span = cur.span();
    match cur.bump() {
        Tok::Word("key") => map.key_size = value(cur)?,
        Tok::Word("value") => map.value_size = value(cur)?,
        Tok::Word("entries") => map.max_entries = value(cur)?,
        Tok::Word("flags") => map.flags = value(cur)?,
        Tok::Word("numa") => map.numa_node = value(cur)?,
        Tok::Word("extra") => {
            cur.expect("=")?;
            let extra = cur.number_in("extra", 0, u64::MAX.into())?;
            map.map_extra = u64::try_from(extra).unwrap_or_default();
        }
        Tok::Word("pinned") => map.pinned = true,
        Tok::Word("name") if members.is_none() => {
            cur.expect("=")?;
            map.name = cur.name("a name")?.into_owned();
        }
        Tok::Word("inner") if members.is_some() => {
            cur.expect("=")?;
            cur.expect("(")?;
            let inner = definition(cur, &format!("{}.inner", map.name), &mut None)?;
            cur.expect(")")?;
            map.inner = Some(Box::new(inner));
        }
        Tok::Num(index) if members.is_some() => {
            let found = member(cur, map, index, span)?;
            members.iter_mut().for_each(|members| members.push(found.clone()));
        }
        Tok::Word(word) => return Err(unknown(word, span)),
        _ => {
            return Err(Diagnostic::error("asm.syntax", "expected a parameter of the map")
                .label(span, "as `key=4`"));
        }
    }
    Ok(())
}

fn value(cur: &mut Cursor<'_, '_>) -> Result<u32> {
    cur.expect("=")?;
    let value = cur.number_in("value", 0, u32::MAX.into())?;
    Ok(u32::try_from(value).unwrap_or_default())
}

/// `=name` after an index.
fn member(
    cur: &mut Cursor<'_, '_>,
    map: &mut MapDef,
    index: u64,
    span: Span,
) -> Result<(String, Span)> {
    let index = u32::try_from(index).map_err(|_| {
        Diagnostic::error("asm.number-range", format!("index {index} does not fit into 32 bits"))
            .label(span, "")
    })?;
    cur.expect("=")?;
    let place = cur.span();
    let name = cur.name("a program or a map")?.into_owned();
    if matches!(map.initial, Initial::Empty) {
        map.initial = match map.map_type {
            MapType::ProgArray => Initial::Progs(Vec::new()),
            MapType::ArrayOfMaps | MapType::HashOfMaps => Initial::Maps(Vec::new()),
            other => {
                let title = format!("a map of type {other} has no members");
                return Err(Diagnostic::error("asm.misplaced", title)
                    .label(span, "prog_array, array_of_maps and hash_of_maps do"));
            }
        };
    }
    if let Initial::Progs(list) | Initial::Maps(list) = &mut map.initial {
        list.push((index, name.clone()));
    }
    Ok((name, place))
}

fn unknown(word: &str, span: Span) -> Diagnostic {
    const NAMES: [&str; 8] =
        ["key", "value", "entries", "flags", "numa", "extra", "pinned", "inner"];
    let label = closest(word, NAMES)
        .map_or_else(|| NAMES.join(", "), |name| format!("did you mean `{name}`?"));
    Diagnostic::error("asm.unknown-keyword", format!("unknown parameter `{word}`"))
        .label(span, label)
}
