//! Any program whose jumps stay inside prints as text that gives the same program.

use super::{asm_text, program};
use skep_abi::{MapType, ProgType};
use skep_asm::{Dialect, PrintOptions, parse, print};
use skep_diag::Source;
use skep_prog::{Image, MapDef, Prog};

/// Input: slots, repaired by [`program::insns`].
pub fn check(data: &[u8]) {
    let maps = vec![
        MapDef::new("one", MapType::Array, 4, 8, 1),
        MapDef::new("two", MapType::Hash, 4, 8, 2),
    ];
    let insns = program::insns(data, &[1, 2, 3, 12], maps.len());
    let progs = vec![Prog::new("prog", ProgType::Xdp, insns.clone())];
    let image = Image { progs, maps, ..Image::default() };
    for dialect in [Dialect::CLike, Dialect::Mnemonic] {
        let text = print(&image, &PrintOptions { dialect, source: false });
        let (again, _) = parse(&Source::new("a.s", &text), ProgType::Unspec)
            .unwrap_or_else(|diags| panic!("{diags:#?}\n{text}"));
        assert_eq!(again.progs[0].insns, insns, "{text}");
        // Now with names of functions.
        asm_text::prints_as_itself(&again);
    }
}
