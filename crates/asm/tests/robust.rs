//! No text makes the assembler panic, wait or contradict itself.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use skep_abi::ProgType;
use skep_asm::{Dialect, PrintOptions, parse, print};
use skep_diag::{Renderer, Source, to_json};
use skep_prog::{Image, MapDef, Prog};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Reads a text; shows what is wrong with it, or reads what is printed of it.
fn try_text(text: &str) {
    let source = Source::new("a.s", text);
    match parse(&source, ProgType::Xdp) {
        Ok((image, _)) => same_again(&image, text),
        Err(diags) => {
            assert!(diags.iter().any(skep_diag::Diagnostic::is_error), "{text:?}");
            for diag in &diags {
                assert!(!Renderer::plain().render(diag, &source).is_empty());
                assert!(to_json(diag, &source).is_object());
            }
        }
    }
}

fn same_again(image: &Image, text: &str) {
    for dialect in [Dialect::CLike, Dialect::Mnemonic] {
        let printed = print(image, &PrintOptions { dialect, source: true });
        let (again, _) = parse(&Source::new("b.s", &printed), ProgType::Unspec)
            .unwrap_or_else(|diags| panic!("{diags:#?}\n{printed}\nfrom {text:?}"));
        assert_eq!(plain(&again), plain(image), "{printed}\nfrom {text:?}");
    }
}

fn plain(image: &Image) -> (Vec<Prog>, &[MapDef], &str) {
    let without = |prog: &Prog| Prog { lines: Arc::default(), ..prog.clone() };
    (image.progs.iter().map(without).collect(), &image.maps, &image.license)
}

/// The corpus as one text per case and more.
fn seeds() -> Vec<String> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/asm");
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let blocks = files.iter().flat_map(|file| {
        let text = fs::read_to_string(file).unwrap();
        let lines = |block: &str| {
            block
                .lines()
                .filter_map(|line| line.strip_prefix("    "))
                .collect::<Vec<_>>()
                .join("\n")
        };
        text.split("case: ").map(lines).collect::<Vec<_>>()
    });
    let seeds: Vec<_> = blocks.filter(|block| !block.is_empty()).collect();
    assert!(seeds.len() > 50);
    seeds
}

#[rustfmt::skip]
const PIECES: [&str; 46] = [
    "r1", "w2", "%r10", "r11", "=", "+=", "s>>=", "*(u32 *)", "*(s8 *)", "(r1 + 4)", "[%r1+4]", "-",
    "+", "5", "0x7fffffff", "0xffffffffffffffff", "-2147483648", "ll", "if", "goto", "pc+1", "call",
    "exit", "lddw", "ldxw", "stw", "lock", "fetch_add", "label:", "label", ",", "\n", "\"", "\\", "#1",
    ".map m, hash", ".data d", ".byte 1", ".section \"xdp\"", "m", "map[m][0]+4", "subprog[", "/*", "*/",
    "3: (bf)", ";",
];

#[test]
fn mutated_texts() {
    let seeds = seeds();
    let mut rng = StdRng::seed_from_u64(1);
    for _ in 0..6_000 {
        let mut text = seeds.choose(&mut rng).unwrap().clone();
        for _ in 0..rng.random_range(1..4) {
            let mut at = || text.floor_char_boundary(rng.random_range(0..=text.len()));
            let (a, b) = (at(), at());
            let (a, b) = (a.min(b), a.max(b));
            match rng.random_range(0..4) {
                0 => text.replace_range(a..text.floor_char_boundary(b.min(a + 6)), ""),
                1 => text.insert_str(a, PIECES.choose(&mut rng).unwrap()),
                2 => text.insert(a, char::from(rng.random_range(0..0x7f))),
                _ => {
                    let piece = text[a..text.floor_char_boundary(b.min(a + 40))].to_owned();
                    text.insert_str(b, &piece);
                }
            }
        }
        try_text(&text);
    }
}

#[test]
fn sentences_of_pieces() {
    let mut rng = StdRng::seed_from_u64(2);
    for _ in 0..6_000 {
        let len = rng.random_range(1..12);
        let words: Vec<_> = (0..len).map(|_| *PIECES.choose(&mut rng).unwrap()).collect();
        try_text(&words.join(" "));
    }
}

#[test]
fn random_characters() {
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..6_000 {
        let len = rng.random_range(0..30);
        let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
        try_text(&String::from_utf8_lossy(&bytes));
        try_text(&bytes.iter().map(|byte| char::from(byte & 0x7f)).collect::<String>());
    }
}

#[test]
fn prefixes_of_the_corpus() {
    for seed in seeds() {
        for (end, _) in seed.char_indices().step_by(5) {
            try_text(&seed[..end]);
        }
    }
}

/// Texts of a quarter megabyte. What takes time in the square of the length takes minutes here.
#[test]
fn long_texts_take_linear_time() {
    let many = |text: &str| text.repeat((1 << 18) / text.len());
    let labels: String =
        (0..20_000).map(|n| format!("l{n}: gotol l{}\n", 20_000 - 1 - n)).collect();
    let calls: String = (0..20_000).map(|n| format!("f{n}: call f{}\n", 20_000 - 1 - n)).collect();
    let maps: String = (0..20_000).map(|n| format!(".map m{n}, hash, key=4\n")).collect();
    let members: String = (0..20_000).map(|n| format!(", {n}=p")).collect();
    let texts = [
        ("one line of parentheses", "r1 = ".to_owned() + &many("(")),
        ("one line of labels", many("a") + ":"),
        ("one word", many("x")),
        ("one string", format!("r1 = \"{}\" ll", many("\\\\"))),
        ("comments", many("/*")),
        ("comments that end", many("/**/")),
        ("errors", many("exti\n")),
        ("warnings", many("r1 &= 0xffffffff\n")),
        ("instructions", many("r1 = 5 ll\n")),
        ("one line of instructions", many("exit;")),
        ("listing", many("0: (95) exit\n")),
        ("bytes", many("b7 00 00 00 02 00 00 00 ")),
        ("jumps", labels),
        ("calls", calls),
        ("maps", maps),
        ("members", format!(".map j, prog_array{members}\np: exit")),
        ("sections", many(".section \"xdp\"\n")),
        ("data", ".data d\n".to_owned() + &many(".long 1, 2, 3, 4\n") + ".text\nexit"),
    ];
    for (what, text) in texts {
        let start = Instant::now();
        try_text(&text);
        let took = start.elapsed();
        assert!(took < Duration::from_secs(20), "{what}: {took:?}");
    }
}
