//! Linking: two objects become one that reads as itself, or an error.

use skep_obj::{Content, FileError, LinkInput, ObjectFile, static_link};

/// Input: the length of the first object in two bytes, the objects.
pub fn check(data: &[u8]) {
    let Some((&len, rest)) = data.split_first_chunk() else { return };
    let (first, second) = rest.split_at(rest.len().min(u16::from_le_bytes(len).into()));
    let one = [LinkInput { name: "a.o", bytes: first }];
    let two = [one[0], LinkInput { name: "b.o", bytes: second }];
    for inputs in [&one[..], &two] {
        match static_link(inputs) {
            Ok(linked) => consistent(&linked.file),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

fn consistent(file: &ObjectFile) {
    let bytes = match file.write() {
        Ok(bytes) => bytes,
        Err(FileError::Sections { .. }) => return,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(ObjectFile::read(&bytes).unwrap(), *file);
    for section in &file.sections {
        let len = section.content.len();
        assert!(section.relocs.iter().all(|reloc| reloc.at < len), "{}", section.name);
        if let (".BTF", Content::Bytes(bytes)) = (section.name.as_str(), &section.content) {
            skep_btf::Btf::parse(bytes).unwrap();
        }
    }
    if let Err(error) = skep_obj::parse(&bytes) {
        assert!(!error.to_string().is_empty());
    }
}
