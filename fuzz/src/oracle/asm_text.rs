//! Assembly text to an image: what is read prints as text that gives the same image, in both
//! dialects, what can be an object is written as one, and what is not read is explained.

use skep_abi::ProgType;
use skep_asm::{Dialect, ListOptions, PrintOptions, list, parse, print};
use skep_diag::{Diagnostic, Renderer, Source, to_json};
use skep_prog::{Image, MapDef, Prog};
use std::sync::Arc;

/// Diagnostics rendered of one text.
const SHOWN: usize = 4;

/// Input: a text.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let source = Source::new("a.s", &text);
    match parse(&source, ProgType::Xdp) {
        Ok((image, warnings)) => {
            show(&warnings, &source);
            prints_as_itself(&image);
            if let Ok(object) = skep_obj::assemble(&image) {
                let bytes = object.write().expect("what was checked can be written");
                let _ = skep_obj::parse(&bytes);
            }
        }
        Err(diags) => {
            assert!(diags.iter().any(Diagnostic::is_error));
            show(&diags, &source);
        }
    }
}

fn show(diags: &[Diagnostic], source: &Source<'_>) {
    for diag in diags.iter().take(SHOWN) {
        assert!(!Renderer::plain().render(diag, source).is_empty());
        assert!(!Renderer::coloured().width(0).render(diag, source).is_empty());
        assert!(to_json(diag, source).is_object());
    }
}

/// An image, printed in either dialect and read again.
pub fn prints_as_itself(image: &Image) {
    for dialect in [Dialect::CLike, Dialect::Mnemonic] {
        let printed = print(image, &PrintOptions { dialect, source: true });
        let (again, _) = parse(&Source::new("b.s", &printed), ProgType::Unspec)
            .unwrap_or_else(|diags| panic!("{diags:#?}\n{printed}"));
        assert_eq!(content(&again), content(image), "{printed}");
        for prog in &image.progs {
            let _ = list(prog, &image.maps, &ListOptions { dialect, ..ListOptions::default() });
        }
    }
}

/// What a text says of an image: all but source lines.
fn content(image: &Image) -> (Vec<Prog>, &[MapDef], &str) {
    let without = |prog: &Prog| Prog { lines: Arc::default(), ..prog.clone() };
    (image.progs.iter().map(without).collect(), &image.maps, &image.license)
}
