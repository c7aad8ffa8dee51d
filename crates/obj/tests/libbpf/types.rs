//! Types of many objects together, merged by libbpf and here: as many are left.

use crate::{compile, objects, skip};
use skep_btf::{Btf, Builder, dedup};
use skep_obj::btf_section;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn ours(objects: &[PathBuf]) -> usize {
    let mut builder = Builder::new();
    for object in objects {
        let bytes = fs::read(object).unwrap();
        let btf = Btf::parse(btf_section(&bytes).unwrap().unwrap()).unwrap();
        builder.append(&btf).unwrap();
    }
    dedup(&builder.finish().unwrap()).unwrap().btf.len()
}

#[test]
fn as_many_types_are_left_as_by_libbpf() {
    let merger = match compile("types") {
        Ok(merger) => merger,
        Err(why) => return skip(&why),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut objects: Vec<_> =
        ["examples", "corpus/obj"].iter().flat_map(|dir| objects(&root.join(dir))).collect();
    if let Some(dir) = env::var_os("SKEP_LINK_OBJECTS") {
        objects = crate::objects(Path::new(&dir));
    }
    // Of one byte order, and with types.
    objects.retain(|object| {
        let bytes = fs::read(object).unwrap();
        skep_obj::layout(&bytes).is_ok() && matches!(btf_section(&bytes), Ok(Some(_)))
    });
    let out = Command::new(&merger).args(&objects).output().unwrap();
    assert!(out.status.success(), "libbpf does not merge them");
    let theirs: usize = String::from_utf8(out.stdout).unwrap().trim().parse().unwrap();
    eprintln!("{} objects, {theirs} types", objects.len());
    assert_eq!(ours(&objects), theirs);
}
