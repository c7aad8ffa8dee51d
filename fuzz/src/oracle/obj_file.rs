//! Object files: what is read can be written, and reads as the same then.

use skep_obj::{FileError, ObjectFile, parse};

/// Input: a file.
pub fn check(data: &[u8]) {
    let file = match ObjectFile::read(data) {
        Ok(file) => file,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    // A section has room for its relocations in the file it was read from, and not in every other.
    match file.write() {
        Ok(written) => {
            assert_eq!(ObjectFile::read(&written).unwrap(), file);
            assert_eq!(parse(data).is_ok(), parse(&written).is_ok());
        }
        Err(FileError::Sections { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
