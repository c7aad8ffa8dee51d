//! Where commands write, and what can be shown there.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use std::io::{self, IsTerminal, Write};

/// The two outputs.
pub(crate) struct Term<'a> {
    /// Answers.
    pub(crate) out: Out<'a>,
    /// Complaints.
    pub(crate) err: Out<'a>,
}

/// One output.
pub(crate) struct Out<'a> {
    to: &'a mut dyn Write,
    /// Colours, if it has them.
    pub(crate) style: Palette,
    /// Whether people see it as it is written.
    pub(crate) is_terminal: bool,
    /// Columns, if it has a known number.
    pub(crate) width: Option<usize>,
}

impl<'a> Out<'a> {
    /// What is written to `to` ends at standard output.
    pub(crate) fn stdout(to: &'a mut dyn Write) -> Self {
        let stdout = io::stdout();
        let size = terminal_size::terminal_size_of(&stdout);
        Self::new(to, AutoStream::choice(&stdout), stdout.is_terminal(), size)
    }

    /// What is written to `to` ends at standard error.
    pub(crate) fn stderr(to: &'a mut dyn Write) -> Self {
        let stderr = io::stderr();
        let size = terminal_size::terminal_size_of(&stderr);
        Self::new(to, AutoStream::choice(&stderr), stderr.is_terminal(), size)
    }

    fn new(
        to: &'a mut dyn Write,
        choice: ColorChoice,
        is_terminal: bool,
        size: Option<(terminal_size::Width, terminal_size::Height)>,
    ) -> Self {
        let style =
            if choice == ColorChoice::Never { Palette::default() } else { Palette::coloured() };
        let asked = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let width = asked.or(size.map(|(width, _)| usize::from(width.0)));
        Self { to, style, is_terminal, width: width.filter(|&width| width > 0) }
    }
}

impl Out<'_> {
    /// Writes a line after `indent` spaces, broken between words where the output ends; what goes on
    /// is indented further. A space that does not break (U+00A0) comes out as a plain one.
    pub(crate) fn wrapped(&mut self, indent: usize, parts: &[(Style, &str)]) -> io::Result<()> {
        let width = self.width.unwrap_or(usize::MAX);
        let further = indent + 2;
        let mut col = indent;
        let mut first = true;
        write!(self, "{:indent$}", "")?;
        for &(style, text) in parts {
            for word in text.split(' ') {
                let len = word.chars().count();
                if first {
                    first = false;
                } else if col + 1 + len > width {
                    write!(self, "\n{:further$}", "")?;
                    col = further;
                } else {
                    write!(self, " ")?;
                    col += 1;
                }
                let word = word.replace('\u{a0}', " ");
                write!(self, "{style}{word}{style:#}")?;
                col += len;
            }
        }
        writeln!(self)
    }
}

impl Write for Out<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.to.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// What things look like; nothing special by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Palette {
    /// Names that a block of text is about.
    pub(crate) name: Style,
    /// Heads of columns and remarks.
    pub(crate) faint: Style,
    /// Verdicts that let packets go on.
    pub(crate) good: Style,
    /// Verdicts that end packets.
    pub(crate) bad: Style,
    /// Other verdicts.
    pub(crate) other: Style,
    /// The word `error`.
    pub(crate) error: Style,
    /// The word `warning`.
    pub(crate) warning: Style,
    /// The word `help`.
    pub(crate) help: Style,
}

impl Palette {
    const fn coloured() -> Self {
        Self {
            name: Style::new().bold(),
            faint: Style::new().dimmed(),
            good: AnsiColor::Green.on_default(),
            bad: AnsiColor::Red.on_default(),
            other: AnsiColor::Cyan.on_default(),
            error: AnsiColor::BrightRed.on_default().bold(),
            warning: AnsiColor::Yellow.on_default().bold(),
            help: AnsiColor::BrightCyan.on_default().bold(),
        }
    }

    /// Whether anything looks special.
    pub(crate) fn is_coloured(&self) -> bool {
        *self != Self::default()
    }
}
