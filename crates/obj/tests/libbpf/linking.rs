//! Objects linked by libbpf and here: what a loader makes of both must be equal.
//!
//! `SKEP_LINK_OBJECTS=DIR` links each object below a directory with the next one too.

use crate::{ask, compile, dumper, objects, scratch, skip};
use skep_obj::{LinkInput, ObjectFile, parse, static_link};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Both programs in C.
struct Libbpf {
    linker: PathBuf,
    dumper: PathBuf,
}

impl Libbpf {
    fn new() -> Result<Self, String> {
        Ok(Self { dumper: dumper()?, linker: compile("join")? })
    }

    /// What libbpf's linker makes of objects. It is given its own result once more: in the first one it
    /// leaves maps at the positions of their declarations, with which its loader finds none of them.
    fn link(&self, inputs: &[&Path]) -> Option<PathBuf> {
        let (once, twice) = (scratch("once.o"), scratch("theirs.o"));
        let run = |out: &Path, inputs: &[&Path]| {
            let out = Command::new(&self.linker).arg(out).args(inputs).output().unwrap();
            out.status.success()
        };
        (run(&once, inputs) && run(&twice, &[&once])).then_some(twice)
    }

    fn load(&self, object: &Path) -> Option<BTreeMap<String, Vec<u8>>> {
        ask(&self.dumper, object, "")
    }
}

fn link(inputs: &[&Path]) -> Result<PathBuf, String> {
    let bytes: Vec<_> =
        inputs.iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect();
    let inputs: Vec<_> = bytes.iter().map(|(name, bytes)| LinkInput { name, bytes }).collect();
    let linked = static_link(&inputs).map_err(|err| err.to_string())?;
    let bytes = linked.file.write().unwrap();
    assert_eq!(ObjectFile::read(&bytes).unwrap(), linked.file);
    let out = scratch("ours.o");
    fs::write(&out, bytes).unwrap();
    Ok(out)
}

#[derive(Default)]
struct Tally {
    pairs: usize,
    loaded: usize,
    progs: usize,
    insns: usize,
    refused: Vec<String>,
    /// What libbpf does not link: relocations of data by a section.
    only_here: Vec<String>,
    differences: Vec<String>,
}

impl Tally {
    fn compare(&mut self, libbpf: &Libbpf, inputs: &[&Path]) {
        let name = inputs.iter().map(|path| path.file_name().unwrap().to_string_lossy());
        let name = name.collect::<Vec<_>>().join(" + ");
        let (ours, theirs) = (link(inputs), libbpf.link(inputs));
        let (ours, theirs) = match (ours, theirs) {
            (Ok(ours), Some(theirs)) => (ours, theirs),
            (Err(why), None) => return self.refused.push(format!("{name}: {why}")),
            (Ok(_), None) => return self.only_here.push(name),
            (ours, theirs) => {
                return self.differences.push(format!("{name}: {ours:?}, theirs {theirs:?}"));
            }
        };
        self.pairs += 1;
        let (ours_image, theirs_image) =
            (parse(&fs::read(&ours).unwrap()), parse(&fs::read(&theirs).unwrap()));
        match (ours_image, theirs_image) {
            (Ok(ours), Ok(theirs)) => {
                let progs = |image: &skep_prog::Image| {
                    let progs = image.progs.iter();
                    progs.map(|prog| (prog.name.clone(), prog.insns.encode())).collect::<Vec<_>>()
                };
                if progs(&ours) != progs(&theirs) {
                    self.differences.push(format!("{name}: images differ"));
                }
            }
            (Err(ours), Err(theirs)) if ours.to_string() == theirs.to_string() => {}
            (ours, theirs) => self.differences.push(format!(
                "{name}: image {:?}, of theirs {:?}",
                ours.err(),
                theirs.err()
            )),
        }
        let (ours, theirs) = (libbpf.load(&ours), libbpf.load(&theirs));
        let (Some(ours), Some(theirs)) = (&ours, &theirs) else {
            if ours.is_some() != theirs.is_some() {
                let text = format!("{name}: loads {}, {}", ours.is_some(), theirs.is_some());
                self.differences.push(text);
            }
            return;
        };
        self.loaded += 1;
        self.progs += ours.keys().filter(|name| !name.starts_with([':', '.'])).count();
        self.insns += ours.values().map(|bytes| bytes.len() / 8).sum::<usize>();
        let keys = |map: &BTreeMap<String, Vec<u8>>| map.keys().cloned().collect::<Vec<_>>();
        if keys(ours) != keys(theirs) {
            self.differences.push(format!("{name}: {:?}, theirs {:?}", keys(ours), keys(theirs)));
        }
        for (what, ours) in ours {
            if theirs.get(what).is_some_and(|theirs| theirs != ours) {
                self.differences.push(format!("{name}: {what} differs"));
            }
        }
    }
}

#[test]
fn linked_objects_load_as_those_of_libbpf() {
    let libbpf = match Libbpf::new() {
        Ok(libbpf) => libbpf,
        Err(why) => return skip(&why),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (a, b) = (root.join("corpus/obj/join_a.o"), root.join("corpus/obj/join_b.o"));
    let mut tally = Tally::default();
    tally.compare(&libbpf, &[&a, &b]);
    tally.compare(&libbpf, &[&b, &a]);
    assert_eq!((tally.loaded, tally.progs), (2, 4), "{:?}", tally.differences);

    let mut objects = objects(&root.join("examples"));
    objects.extend(crate::objects(&root.join("corpus/obj")));
    objects.retain(|path| skep_obj::layout(&fs::read(path).unwrap()).is_ok());
    for object in &objects {
        tally.compare(&libbpf, &[object]);
    }
    if let Some(dir) = env::var_os("SKEP_LINK_OBJECTS") {
        objects.extend(crate::objects(Path::new(&dir)));
    }
    for pair in objects.windows(2) {
        let [a, b] = pair else { continue };
        tally.compare(&libbpf, &[a, b]);
    }
    let Tally { pairs, loaded, progs, insns, refused, only_here, differences } = tally;
    eprintln!("{}", refused.join("\n"));
    eprintln!("{pairs} linked, {loaded} loaded, {progs} programs, {insns} instructions");
    eprintln!("not linked by libbpf: {only_here:?}");
    let expected = |name: &String| name.contains("pointers.o");
    assert!(only_here.iter().all(expected) || env::var_os("SKEP_LINK_OBJECTS").is_some());
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
