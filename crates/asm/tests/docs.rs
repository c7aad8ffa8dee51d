//! The manual tells the truth.

use skep_abi::ProgType;
use skep_asm::{assemble, parse};
use skep_diag::Source;

const MANUAL: &str = include_str!("../../../docs/asm.md");

#[test]
fn examples_assemble() {
    let blocks: Vec<_> = MANUAL.split("```asm\n").skip(1).collect();
    assert!(blocks.len() >= 5);
    for block in blocks {
        let text = block.split("```").next().unwrap();
        let (_, warnings) = parse(&Source::new("asm.md", text), ProgType::SocketFilter)
            .unwrap_or_else(|diags| panic!("{diags:#?}\n{text}"));
        assert_eq!(warnings, []);
    }
}

/// The table of instructions: every one in backquotes assembles, and both dialects agree.
#[test]
fn tables_assemble() {
    let rows = MANUAL.lines().skip_while(|line| *line != "| | C-like | mnemonic |").skip(2);
    let mut count = 0;
    for row in rows.take_while(|row| row.starts_with('|')) {
        let cells: Vec<_> = row.split(" | ").collect();
        let [c_like, mnemonic] = [cells[1], cells[2]].map(insns);
        for (n, text) in mnemonic.iter().enumerate() {
            let same = c_like.get(n).unwrap_or(text);
            assert_eq!(bytes(text), bytes(same), "{text} {same}");
        }
        for text in c_like {
            assert!(!bytes(text).is_empty());
            count += 1;
        }
    }
    assert!(count > 30, "{count}");
}

fn insns(cell: &str) -> Vec<&str> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| text.contains(' ') || *text == "exit")
        .collect()
}

fn bytes(text: &str) -> Vec<u8> {
    // Something for the names to mean.
    let text = format!("{text}\nlabel:\nname: exit");
    assemble(&text).unwrap_or_else(|diags| panic!("{diags:#?}")).to_le_bytes()
}
