//! The tables against the verifier of the running kernel: tiny programs, loaded only to hear what it says.
//!
//! Needs root. Without it the tests are skipped, unless `SKEP_REQUIRE_KERNEL` is 1. What takes long is
//! ignored: `cargo test -p skep-abi --test verdict -- --ignored --nocapture`.

mod code;
mod ctx;
mod helpers;
mod hooks;
mod kernel;
mod kfuncs;
mod maps;
mod rules;
mod tracepoints;
mod views;
