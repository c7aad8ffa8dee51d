//! Every case of `corpus/asm`. `UPDATE=1` rewrites what is expected.
//!
//! A case is a line `case: …`, the text to assemble indented by four, and under each key what comes of
//! it: `says:` the diagnostics, `prints:` the image as text, `mnemonic:` the same in the other
//! dialect, `lists:` the listing of each program.

use skep_abi::ProgType;
use skep_asm::{Dialect, ListOptions, PrintOptions, list, parse, print};
use skep_diag::{Renderer, Source};
use skep_prog::{Image, Initial, MapDef, Prog};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

const INDENT: &str = "    ";

#[derive(Default)]
struct Case {
    /// Comments and blank lines before it.
    before: String,
    title: String,
    text: String,
    expected: Vec<(String, String)>,
}

#[test]
fn asm_corpus() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/asm");
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|ext| ext == "txt"));
    files.sort();
    assert!(!files.is_empty(), "no cases: a moved directory must not pass");
    let update = env::var_os("UPDATE").is_some_and(|value| value == "1");
    let mut failures = String::new();
    for file in files {
        let old = fs::read_to_string(&file).unwrap();
        let cases = cases(&old, &file);
        assert!(!cases.is_empty(), "{}: no cases", file.display());
        let new: String = cases.iter().map(|case| show(case, &mut failures, &file)).collect();
        if update {
            fs::write(&file, new).unwrap();
        }
    }
    assert!(update || failures.is_empty(), "{failures}");
}

fn cases(text: &str, file: &Path) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let mut before = String::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            before += line;
            before.push('\n');
        } else if let Some(title) = line.strip_prefix("case: ") {
            let before = std::mem::take(&mut before);
            cases.push(Case { before, title: title.into(), ..Case::default() });
        } else if let (Some(line), Some(case)) = (line.strip_prefix(INDENT), cases.last_mut()) {
            let into = case.expected.last_mut().map_or(&mut case.text, |(_, text)| text);
            // Blank lines inside a block were taken for the space before a case.
            *into += &std::mem::take(&mut before);
            *into += line;
            into.push('\n');
        } else if let (Some(key), Some(case)) = (line.strip_suffix(':'), cases.last_mut()) {
            assert!(before.is_empty(), "{}:{}: key after a gap", file.display(), number + 1);
            case.expected.push((key.into(), String::new()));
        } else {
            panic!("{}:{}: unknown key or text outside a case", file.display(), number + 1);
        }
    }
    cases
}

/// The case as it ought to be; differences go to `failures`.
fn show(case: &Case, failures: &mut String, file: &Path) -> String {
    let source = Source::new("a.s", &case.text);
    let result = parse(&source, ProgType::SocketFilter);
    let diags = result.as_ref().map_or_else(|errors| errors, |(_, warnings)| warnings);
    let says: Vec<_> = diags.iter().map(|diag| Renderer::plain().render(diag, &source)).collect();
    let image = result.as_ref().ok().map(|(image, _)| image);
    if let Some(image) = image {
        is_stable(image, &case.title);
    }
    let mut out = format!("{}case: {}\n{}", case.before, case.title, indent(&case.text));
    // A case that says nothing of its diagnostics has none.
    let mut expected = case.expected.clone();
    if !says.is_empty() && !expected.iter().any(|(key, _)| key == "says") {
        expected.insert(0, ("says".into(), String::new()));
    }
    assert!(!expected.is_empty(), "{}: `{}` expects nothing", file.display(), case.title);
    for (key, want) in expected {
        let got = match (key.as_str(), image) {
            ("says", _) => says.join("\n\n") + "\n",
            (_, None) => "(errors)\n".into(),
            ("prints", Some(image)) => printed(image, Dialect::CLike),
            ("mnemonic", Some(image)) => printed(image, Dialect::Mnemonic),
            ("lists", Some(image)) => image.progs.iter().map(|prog| listed(image, prog)).collect(),
            _ => panic!("{}: `{}` has the unknown key `{key}`", file.display(), case.title),
        };
        if got.trim_end() != want.trim_end() {
            let place = format!("{}: {}", file.display(), case.title);
            writeln!(failures, "{place}\n  want {key}:\n{want}\n  got:\n{got}").unwrap();
        }
        out += &format!("{key}:\n{}", indent(&got));
    }
    out
}

fn indent(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { "\n".into() } else { format!("{INDENT}{line}\n") };
    text.trim_end().lines().map(line).collect()
}

fn printed(image: &Image, dialect: Dialect) -> String {
    print(image, &PrintOptions { dialect, source: false })
}

fn listed(image: &Image, prog: &Prog) -> String {
    list(prog, &image.maps, &ListOptions { bytes: true, ..ListOptions::default() })
}

/// Text, image, text, image: the second of each is the first.
fn is_stable(image: &Image, title: &str) {
    for dialect in [Dialect::CLike, Dialect::Mnemonic] {
        for source in [false, true] {
            let text = print(image, &PrintOptions { dialect, source });
            let (again, warnings) = parse(&Source::new("b.s", &text), ProgType::Unspec)
                .unwrap_or_else(|diags| panic!("{title}: {diags:#?}\n{text}"));
            assert_eq!(warnings, [], "{title}");
            assert_eq!(plain(&again), plain(image), "{title}: {text}");
            if !source {
                assert_eq!(print(&again, &PrintOptions { dialect, source }), text, "{title}");
            }
        }
        lists_are_read_again(image, dialect, title);
    }
}

fn lists_are_read_again(image: &Image, dialect: Dialect, title: &str) {
    // Members of maps are programs that the text of one program has not.
    let mut maps = Image { progs: Vec::new(), ..image.clone() };
    for map in maps.maps.iter_mut().filter(|map| matches!(map.initial, Initial::Progs(_))) {
        map.initial = Initial::Empty;
    }
    for (prog, bytes) in image.progs.iter().flat_map(|prog| [(prog, false), (prog, true)]) {
        let options = ListOptions { dialect, bytes, source: true };
        let text = print(&maps, &PrintOptions { dialect, source: false })
            + ".text\n"
            + &list(prog, &image.maps, &options);
        let (again, _) = parse(&Source::new("c.s", &text), ProgType::Unspec)
            .unwrap_or_else(|diags| panic!("{title}: {diags:#?}\n{text}"));
        assert_eq!(again.progs[0].insns, prog.insns, "{title}: {text}");
        assert_eq!(again.progs[0].subprogs, prog.subprogs, "{title}: {text}");
    }
}

/// All of an image but its line information.
fn plain(image: &Image) -> (Vec<Prog>, &[MapDef], &str) {
    let without = |prog: &Prog| Prog { lines: Arc::default(), ..prog.clone() };
    (image.progs.iter().map(without).collect(), &image.maps, &image.license)
}
