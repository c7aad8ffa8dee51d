//! What is said of refusals, word by word, in `corpus/explain`. `UPDATE=1` rewrites it.

use skep::verifier::{Caps, Verdict};
use skep::{
    CheckOptions, Checked, Image, Kernel, Prog, Release, check, check_replacement, check_undecoded,
    explain, fit, read_each, read_image,
};
use skep_btf::Btf;
use skep_diag::{Renderer, Source};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../corpus/explain").join(name)
}

/// The types of the running kernel.
fn types() -> Option<Arc<Btf>> {
    let bytes = fs::read("/sys/kernel/btf/vmlinux").ok()?;
    Btf::parse(&bytes).ok().map(Arc::new)
}

fn options(types: Option<&Arc<Btf>>, caps: Caps) -> CheckOptions {
    let release = Release { major: 6, minor: 18 };
    CheckOptions { types: types.cloned(), caps, ..CheckOptions::new(release) }
}

/// What is said of a program, at most 25 lines; the verdict where there is nothing to say.
fn told(image: &Image, prog: &Prog, checked: &Checked<'_>) -> String {
    match &checked.verdict {
        Verdict::Accepted(_) => return "accepted".into(),
        Verdict::Unsupported(what) => return format!("no verdict: {what}"),
        Verdict::Rejected(_) => {}
    }
    let explained = explain(image, prog, checked).expect("a refusal can be explained");
    let diag = &explained.diagnostic;
    // The kernel's words stand where the kernel is quoted, and nowhere else.
    let labels = diag.labels.iter().map(|label| &label.text);
    let notes = diag.notes.iter().filter(|note| !note.starts_with("the kernel says"));
    for text in labels.chain(notes).chain(&diag.help).chain([&diag.title]) {
        for leak in [" ptr_", "_ptr_", "_or_null", "PTR_TO", "kernel-function#", "map_value"] {
            assert!(!text.contains(leak), "{}: {text}", prog.name);
        }
    }
    let source = Source::new(&explained.name, &explained.text);
    // On a narrow terminal notes are broken, and nothing but the title and the place is longer than it.
    let narrow = Renderer::plain().width(60).render(diag, &source);
    for line in narrow.lines().filter(|line| line.trim_start().starts_with("= ")) {
        assert!(line.chars().count() <= 60, "{}:\n{narrow}", prog.name);
    }
    let text = Renderer::plain().render(diag, &source);
    assert!(text.lines().count() <= 25, "{}:\n{text}", prog.name);
    text
}

#[track_caller]
fn compare(name: &str, got: &str) {
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path(name), got).expect("the corpus can be written");
    }
    let want = fs::read_to_string(path(name)).unwrap_or_default();
    assert!(want == got, "{name}:\n{got}");
}

#[test]
fn programs_in_c_are_told_in_terms_of_their_source() {
    let Some(types) = types() else { return eprintln!("skipped: a kernel without types") };
    let bytes = fs::read(path("explain.o")).expect("the object");
    let mut image = read_image(&bytes, "explain.o").expect("an object").image;
    let kernel = Kernel { types: Some(&types), ..Kernel::default() };
    fit(&mut image, &kernel).expect("the kernel has what the programs use");
    let mut all = String::new();
    for prog in &image.progs {
        let checked = check(&image, prog, &options(Some(&types), Caps::ROOT));
        let mut text = told(&image, prog, &checked);
        if prog.name.starts_with("kernel_") {
            // Where members are differs from kernel to kernel.
            let kept = text.lines().filter(|line| !line.contains("= note: insn"));
            text = kept.collect::<Vec<_>>().join("\n");
        }
        write!(all, "== {}\n{text}\n\n", prog.name).expect("strings take text");
    }
    compare("explain.txt", &all);
}

#[test]
fn programs_that_do_not_decode_leave_the_others_alone() {
    let bytes = fs::read(path("broken.o")).expect("the object");
    assert!(read_image(&bytes, "broken.o").is_err(), "whoever runs programs refuses the object");
    let (read, undecoded) = read_each(&bytes, "broken.o").expect("an object");
    let image = read.image;
    let mut all = String::new();
    for prog in &image.progs {
        let checked = check(&image, prog, &options(None, Caps::ROOT));
        let text = told(&image, prog, &checked);
        write!(all, "== {}\n{text}\n\n", prog.name).expect("strings take text");
    }
    for broken in &undecoded {
        let text = told(&image, &broken.prog, &check_undecoded(broken));
        write!(all, "== {}\n{text}\n\n", broken.prog.name).expect("strings take text");
    }
    compare("broken.txt", &all);
}

#[test]
fn programs_in_assembly_are_told_in_terms_of_their_text() {
    let text = fs::read_to_string(path("assembly.txt")).expect("the cases");
    let mut all = String::new();
    let text = format!("\n{text}");
    for case in text.split("\n== ").filter(|case| !case.trim().is_empty()) {
        let (name, rest) = case.split_once('\n').expect("a case has a name");
        let (program, _) = rest.split_once("\n--\n").unwrap_or((rest.trim_end(), ""));
        let is_unprivileged = name.ends_with("(unprivileged)");
        let caps = if is_unprivileged { Caps::NONE } else { Caps::ROOT };
        let image = read_image(program.as_bytes(), "case.s").expect("assembly").image;
        let prog = &image.progs[0];
        let checked = check(&image, prog, &options(None, caps));
        let text = told(&image, prog, &checked);
        write!(all, "== {name}\n{program}\n--\n{text}\n\n").expect("strings take text");
    }
    compare("assembly.txt", &all);
}

#[test]
fn damaged_objects_are_told_or_refused() {
    let (mut seed, mut told_of) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % 0xffff_ffff).expect("32 bits") % below
    };
    for name in ["broken.o", "explain.o"] {
        let whole = fs::read(path(name)).expect("the object");
        for _ in 0..300 {
            let mut bytes = whole.clone();
            for _ in 0..=random(3) {
                let at = random(bytes.len());
                bytes[at] ^= 1 << random(8);
            }
            let Ok((read, undecoded)) = read_each(&bytes, name) else { continue };
            for prog in &read.image.progs {
                let checked = check(&read.image, prog, &options(None, Caps::ROOT));
                if let Some(explained) = explain(&read.image, prog, &checked) {
                    assert!(!explained.diagnostic.title.is_empty());
                    told_of += 1;
                }
            }
            for broken in &undecoded {
                assert!(explain(&read.image, &broken.prog, &check_undecoded(broken)).is_some());
            }
        }
    }
    assert!(told_of > 1000, "only {told_of} refusals were told");
}

#[test]
fn programs_that_replace_functions_are_held_to_what_these_are() {
    let read = |name: &str| {
        let bytes = fs::read(path(name)).expect("the object");
        read_image(&bytes, name).expect("an object").image
    };
    let (of, image) = (read("target.o"), read("replacement.o"));
    let options = options(None, Caps::ROOT);
    let target = check(&of, &of.progs[0], &options);
    let Verdict::Accepted(verified) = &target.verdict else { panic!("the target is refused") };
    let mut all = String::new();
    for prog in &image.progs {
        let checked = check_replacement(&image, prog, &options, &of, verified);
        let text = told(&image, prog, &checked);
        write!(all, "== {}\n{text}\n\n", prog.name).expect("strings take text");
    }
    compare("replacement.txt", &all);
    let alone = check(&image, &image.progs[0], &options);
    assert!(matches!(alone.verdict, Verdict::Unsupported(_)), "nobody knows what it replaces");
}
