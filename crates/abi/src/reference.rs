//! The tables, printed: the pages under `docs/abi/`.

mod calls;
mod functions;
mod maps;
mod programs;
mod rules;

use crate::{ProgType, ProgTypes, Release};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Markdown pages of all tables, each with its file name without `.md`.
#[must_use]
pub fn reference() -> Vec<(&'static str, String)> {
    let pages: [(&str, Page); 8] = [
        ("programs", programs::programs),
        ("contexts", programs::contexts),
        ("helpers", functions::helpers),
        ("calls", calls::calls),
        ("kfuncs", functions::kfuncs),
        ("maps", maps::maps),
        ("rules", rules::rules),
        ("features", maps::features),
    ];
    let print = |page: Page| {
        let mut out = String::new();
        page(&mut out).expect("bug: writing to a string failed");
        out
    };
    pages.into_iter().map(|(name, page)| (name, print(page))).collect()
}

type Page = fn(&mut String) -> core::fmt::Result;

/// Words with commas; a dash where there are none.
fn list<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    if words.is_empty() { "–".to_string() } else { words.join(", ") }
}

/// Program types by name, in few words where they are nearly all.
fn types(progs: ProgTypes) -> String {
    // Extensions and the type without a number call nothing of their own.
    let others =
        || ProgType::ALL.iter().filter(|ty| !matches!(ty, ProgType::Unspec | ProgType::Ext));
    let lacking: Vec<_> = others().copied().filter(|&ty| !progs.contains(ty)).collect();
    match lacking.len() {
        0 => "all".to_string(),
        1..=4 => alloc::format!("all but {}", list(lacking)),
        _ => list(progs.iter()),
    }
}

fn since(release: Option<Release>) -> String {
    release.map_or_else(|| "unknown".to_string(), |release| release.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_tables_of_even_width() {
        for (name, page) in reference() {
            assert!(page.starts_with("# ") && page.ends_with("|\n"), "{name}");
            let mut columns = None;
            for line in page.lines() {
                let count = line.starts_with('|').then(|| line.matches('|').count());
                assert!(count.is_none() || columns.is_none() || columns == count, "{name}: {line}");
                columns = count;
            }
        }
    }
}
