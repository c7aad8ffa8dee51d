//! What is wrong with a text, where, and what would do: as data, and rendered once.
//!
//! A [`Diagnostic`] names bytes of a [`Source`] by [`Span`]s. A [`Renderer`] turns it into text as
//! rustc prints it, plain or coloured; [`to_json`] into an object for machines. This crate knows no
//! language, reads no files and writes to no terminal.
//!
//! ```
//! use skep_diag::{Diagnostic, Renderer, Source, Span};
//!
//! let source = Source::new("drop.s", "r0 = 1\nexti\n");
//! let diag = Diagnostic::error("asm.unknown-mnemonic", "unknown instruction `exti`")
//!     .label(Span::new(7, 11), "did you mean `exit`?");
//! let text = Renderer::plain().render(&diag, &source);
//! assert!(text.starts_with("error[asm.unknown-mnemonic]: unknown instruction `exti`"));
//! assert!(text.contains("drop.s:2:1"));
//! ```
//!
//! Start reading at [`Diagnostic`].
#![forbid(unsafe_code)]

mod diagnostic;
mod json;
mod render;
mod source;
mod suggest;

pub use diagnostic::{Diagnostic, Label, Level};
pub use json::to_json;
pub use render::Renderer;
pub use source::{Position, Source, Span};
pub use suggest::closest;
