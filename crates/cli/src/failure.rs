//! Why a command gave no answer, in words for people.

use crate::diags::Text;
use crate::term::Out;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

/// Whose fault it is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file holds what it should not, or a program did what it may not.
    Input,
    /// The arguments do not fit each other or the input.
    Usage,
    /// A file or device is missing, closed to the user, or broken.
    Environment,
    /// Understood, but nothing that Skep can do.
    Unsupported,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The output is gone or full.
    Output(io::Error),
    /// One line, its causes included, and perhaps what would help.
    Message {
        /// Whose fault.
        kind: Kind,
        /// The line.
        text: String,
        /// The remedy.
        help: Option<String>,
    },
    /// What is wrong with a text, shown with its lines.
    Text(Box<Text>),
    /// All has been said.
    Said(Kind),
}

impl Failure {
    /// A failure in words of its own.
    pub(crate) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self::Message { kind, text: text.into(), help: None }
    }

    /// An error with all its causes.
    pub(crate) fn of(kind: Kind, err: &(dyn Error + 'static)) -> Self {
        Self::new(kind, chain(err))
    }

    /// An error about something that has a name.
    pub(crate) fn at(kind: Kind, name: &Path, err: &(dyn Error + 'static)) -> Self {
        Self::new(kind, format!("{}: {}", name.display(), chain(err)))
    }

    /// An operation on a file that the system refused.
    pub(crate) fn file(name: &Path, err: &io::Error) -> Self {
        let failure = Self::at(Kind::Environment, name, err);
        match err.kind() {
            io::ErrorKind::IsADirectory => failure.help("name a file in it"),
            _ => failure,
        }
    }

    /// Adds the remedy.
    pub(crate) fn help(self, remedy: impl Into<String>) -> Self {
        match self {
            Self::Message { kind, text, .. } => {
                Self::Message { kind, text, help: Some(remedy.into()) }
            }
            other => other,
        }
    }

    /// Whether the reader of the output went away, as `head` does.
    pub(crate) fn is_closed_pipe(&self) -> bool {
        matches!(self, Self::Output(err) if err.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        let kind = match self {
            Self::Output(_) => Kind::Environment,
            Self::Message { kind, .. } | Self::Said(kind) => *kind,
            Self::Text(_) => Kind::Input,
        };
        match kind {
            Kind::Input => 1,
            Kind::Usage => 2,
            Kind::Environment => 3,
            Kind::Unsupported => 4,
        }
    }

    /// Says it.
    pub(crate) fn show(&self, err: &mut Out<'_>) -> io::Result<()> {
        let (text, help) = match self {
            Self::Output(source) => (format!("writing the output: {}", chain(source)), None),
            Self::Message { text, help, .. } => (text.clone(), help.as_deref()),
            Self::Text(text) => return text.show(err),
            Self::Said(_) => return Ok(()),
        };
        let style = err.style;
        writeln!(err, "{0}error{0:#}: {1}", style.error, visible(&text))?;
        if let Some(help) = help {
            writeln!(err, "{0}help{0:#}: {help}", style.help)?;
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    /// Only writing output gives bare errors; files are named by [`Failure::file`].
    fn from(err: io::Error) -> Self {
        Self::Output(err)
    }
}

/// The error and its causes on one line. Some errors repeat their cause themselves.
fn chain(err: &(dyn Error + 'static)) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    without_number(&text).to_string()
}

/// Errors of the system end in their number, which says nothing that the words do not.
fn without_number(text: &str) -> &str {
    text.rsplit_once(" (os error ").map_or(text, |(words, _)| words)
}

/// Names from files may hold what a terminal would obey.
pub(crate) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
