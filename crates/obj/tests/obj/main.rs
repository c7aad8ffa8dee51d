//! Objects of compilers, objects made by hand, and objects made to harm.

mod build;
mod core;
mod dump;
mod files;
mod functions;
mod hostile;
mod kconfig;
mod kernel_structs;
mod linking;
mod maps;
mod writing;

use skep_obj::ObjError;
use std::error::Error;

/// The error and its causes in one line.
fn chain(err: &ObjError) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        // Some say their cause themselves.
        if !text.ends_with(&err.to_string()) {
            text = format!("{text}: {err}");
        }
        source = err.source();
    }
    text
}

/// Parses what must not become an image.
#[track_caller]
fn refused(bytes: &[u8], want: &str) {
    let got = skep_obj::parse(bytes).map_or_else(|err| chain(&err), |_| "an image".into());
    assert_eq!(got, want);
}
