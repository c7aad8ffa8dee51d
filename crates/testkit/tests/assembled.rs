//! Objects that are made of assembly texts: read again here, and taken by libbpf and the kernel.

use skep_abi::ProgType;
use skep_asm::{ListOptions, list};
use skep_diag::Source;
use skep_prog::Image;
use skep_testkit::host;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A text with everything that objects can say.
const TEXT: &str = include_str!("../../../corpus/assembled/object.s");

fn texts() -> Vec<(String, String)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let paths = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let paths: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|ext| ext == "s")).collect();
    assert!(paths.len() >= 3);
    let mut texts = vec![("object.s".to_owned(), TEXT.to_owned())];
    texts.extend(
        paths
            .into_iter()
            .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())),
    );
    texts
}

fn parse(name: &str, text: &str) -> Image {
    let source = Source::new(name, text);
    let (image, _) = skep_asm::parse(&source, ProgType::Xdp)
        .unwrap_or_else(|diagnostics| panic!("{name}: {diagnostics:?}"));
    image
}

fn assemble(name: &str, image: &Image) -> Vec<u8> {
    let object = skep_obj::assemble(image).unwrap_or_else(|err| panic!("{name}: {err}"));
    object.write().unwrap()
}

#[test]
fn objects_hold_what_the_text_says() {
    for (name, text) in texts() {
        let image = parse(&name, &text);
        let read = skep_obj::parse(&assemble(&name, &image)).unwrap();
        assert_eq!(read.license, image.license, "{name}");
        assert_eq!(read.progs.len(), image.progs.len(), "{name}");
        for (old, new) in image.progs.iter().zip(&read.progs) {
            assert_eq!((&old.name, &old.section), (&new.name, &new.section), "{name}");
            assert_eq!(old.lines, new.lines, "{name}");
            // Data is called by its section, maps of maps come last, and functions may have been renamed.
            let list = |prog, maps| list(prog, maps, &ListOptions::default());
            let calls = |text: String| {
                let count = |what| text.matches(what).count();
                [" ll", "call ", "subprog[", "exit", " = ", "goto"].map(count)
            };
            let (old, new) = (list(old, &image.maps), list(new, &read.maps));
            assert_eq!(old.lines().count(), new.lines().count(), "{name}\n{old}\n{new}");
            assert_eq!(calls(old), calls(new), "{name}");
        }
        for map in &image.maps {
            let same = read.maps.iter().any(|read| match map.data {
                None => read == map,
                Some(kind) => read.data == Some(kind) && read.initial == map.initial,
            });
            assert!(same, "{name}: {map:?} of {:?}", read.maps);
        }
    }
}

#[test]
fn libbpf_loads_them() {
    if host().is_none() {
        return;
    }
    if Command::new("bpftool").arg("version").output().is_err() {
        let required = std::env::var_os("SKEP_REQUIRE_TOOLS").is_some_and(|v| v == "1");
        assert!(!required, "SKEP_REQUIRE_TOOLS is set, and there is no bpftool");
        return eprintln!("skipped: no bpftool");
    }
    let pins = Path::new("/sys/fs/bpf/skep_assembled");
    for (name, text) in texts() {
        let object = Path::new(env!("CARGO_TARGET_TMPDIR")).join("assembled.o");
        std::fs::write(&object, assemble(&name, &parse(&name, &text))).unwrap();
        let ran = Command::new("bpftool").args(["prog", "loadall"]).args([&object, pins]).output();
        let ran = ran.unwrap();
        let words = String::from_utf8_lossy(&ran.stderr);
        let refused = name.ends_with("past_the_end.s");
        assert_eq!(ran.status.success(), !refused, "{name}: {words}");
        if refused {
            // The kernel shows the lines of the text.
            assert!(words.contains("one byte too far"), "{words}");
            continue;
        }
        std::fs::remove_dir_all(pins).unwrap();
    }
}
