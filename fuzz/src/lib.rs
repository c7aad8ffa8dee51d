//! Fuzz targets of Skep: what they do with an input, and the inputs they start from.
#![forbid(unsafe_code)]

// With a path, so that the test that replays findings can include the same file.
#[path = "oracle/targets.rs"]
pub mod oracle;
pub mod seeds;
