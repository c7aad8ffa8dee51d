//! A whole text, line by line.

use crate::cursor::Cursor;
use crate::data::Data;
use crate::listing::{self, Kind};
use crate::prog_text::{At, ProgText};
use crate::report::Report;
use crate::stmt::{Refer, Stmt, What, stmt};
use crate::token::{Line, Tok, lex};
use crate::{directive, resolve};
use skep_abi::ProgType;
use skep_diag::{Diagnostic, Source, Span};
use skep_isa::{Call, ImmSrc, Insn, Insns};
use skep_prog::Image;
use std::borrow::Cow;

/// Reads a text of either dialect.
///
/// A program without `.section` has type `prog_type`. Warnings come with the image; errors come all
/// together, as far as one does not follow from another.
///
/// ```
/// use skep_abi::ProgType;
/// use skep_diag::Source;
///
/// let source = Source::new("pass.s", ".section \"xdp\"\npass:\n  r0 = 2\n  exit\n");
/// let (image, warnings) = skep_asm::parse(&source, ProgType::SocketFilter).unwrap();
/// assert_eq!(image.prog("pass").unwrap().prog_type, ProgType::Xdp);
/// assert!(warnings.is_empty());
/// ```
///
/// # Errors
/// Whatever is wrong with the text, warnings included.
pub fn parse(
    source: &Source<'_>,
    prog_type: ProgType,
) -> Result<(Image, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut text = Text::new(source, prog_type);
    text.read();
    let Text { progs, data, license, mut report, .. } = text;
    let image = resolve::image(source, progs, data, license, &mut report);
    if image.progs.is_empty() && image.maps.is_empty() && !report.has_errors() {
        report.push(
            Diagnostic::error("asm.empty", "the text has no instructions")
                .label(Span::new(source.text.len(), source.text.len()), "ends here"),
        );
    }
    if report.has_errors() { Err(report.into_diags()) } else { Ok((image, report.into_diags())) }
}

/// Reads a text of one program and gives its instructions.
///
/// ```
/// let insns = skep_asm::assemble("r0 = 7\nadd %r0, 1\nexit").unwrap();
/// assert_eq!(insns.len(), 3);
/// ```
///
/// # Errors
/// As [`parse`], and if there is not exactly one program.
pub fn assemble(text: &str) -> Result<Insns, Vec<Diagnostic>> {
    let source = Source::new("", text);
    let (image, _) = parse(&source, ProgType::SocketFilter)?;
    let count = image.progs.len();
    match <[_; 1]>::try_from(image.progs) {
        Ok([prog]) => Ok(prog.insns),
        Err(_) => {
            let title = format!("expected one program, found {count}");
            Err(vec![Diagnostic::error("asm.programs", title)])
        }
    }
}

/// The text as read so far.
pub(crate) struct Text<'a> {
    source: Source<'a>,
    pub(crate) default_type: ProgType,
    pub(crate) progs: Vec<ProgText<'a>>,
    pub(crate) data: Data<'a>,
    pub(crate) license: Option<(String, Span)>,
    pub(crate) report: Report,
    in_comment: bool,
}

/// A line and the byte it begins at.
#[derive(Clone, Copy)]
struct Place<'a> {
    line: &'a str,
    base: usize,
    number: u32,
}

impl Place<'_> {
    /// Where a part of the line stands.
    fn span_of(&self, part: &str) -> Span {
        let start = self.base + (part.as_ptr() as usize - self.line.as_ptr() as usize);
        Span::new(start, start + part.len())
    }
}

impl<'a> Text<'a> {
    fn new(source: &Source<'a>, default_type: ProgType) -> Self {
        Self {
            source: *source,
            default_type,
            progs: Vec::new(),
            data: Data::default(),
            license: None,
            report: Report::default(),
            in_comment: false,
        }
    }

    fn read(&mut self) {
        let mut base = 0;
        for (line, number) in self.source.text.split_inclusive('\n').zip(1..) {
            if let Err(diag) = self.line(Place { line: line.trim_end(), base, number }) {
                self.report.push(diag);
            }
            if self.report.is_full() {
                return;
            }
            base += line.len();
        }
    }

    fn line(&mut self, place: Place<'a>) -> Result<(), Diagnostic> {
        let Place { line, base, .. } = place;
        let kind = match listing::classify(line) {
            _ if self.in_comment => Kind::Plain,
            // A verifier log has these before the states of both frames at a call.
            Kind::Plain if self.in_listing() && matches!(line, "caller:" | "callee:") => {
                Kind::Noise
            }
            kind => kind,
        };
        match kind {
            Kind::Plain => self.assembly(place),
            Kind::Insn { at, code, raw, rest } => {
                let at = Listed { at, code, raw };
                let place = Place { line: &line[rest..], base: base + rest, ..place };
                self.listed(place, at)
            }
            Kind::Header(name) => self.prog().define(name.into(), place.span_of(name), true),
            Kind::Section(name) => {
                let span = place.span_of(name);
                self.begin(ProgText::in_section(name, span, self.default_type));
                Ok(())
            }
            Kind::Reloc(name) => self.relocate(name, place.span_of(name)),
            Kind::Noise => Ok(()),
        }
    }

    /// Whether the last instruction came from a listing.
    fn in_listing(&self) -> bool {
        let last = self.progs.last().and_then(|prog| prog.stmts.last());
        last.is_some_and(|(_, at)| at.slot.is_some())
    }

    /// Labels, then a directive or an instruction or nothing.
    fn assembly(&mut self, place: Place<'a>) -> Result<(), Diagnostic> {
        let Line { toks, comment } = lex(place.line, place.base, &mut self.in_comment)?;
        let mut cur = Cursor::new(&toks);
        while matches!(cur.peek(), Tok::Word(_) | Tok::Str(_)) && cur.peek_at(1) == Tok::Op(":") {
            let span = cur.span();
            let name = cur.name("a label")?;
            cur.bump();
            self.label(name, span)?;
        }
        match cur.peek() {
            Tok::End => Ok(()),
            Tok::Word(word) if word.starts_with('.') => directive::read(self, &mut cur, word),
            _ => {
                let span = cur.span();
                let read = stmt(&mut cur, None);
                self.report.extend(cur.warnings);
                let at = At { span, line: place.number, text: place.line, slot: None };
                self.push(read?, at)?;
                self.check_comment(comment)
            }
        }
    }

    /// `r0 = 1; exit` is one instruction and a comment here, and two in inline assembly of C.
    fn check_comment(&mut self, comment: Option<(usize, &'a str)>) -> Result<(), Diagnostic> {
        let Some((base, text)) = comment else { return Ok(()) };
        let Ok(line) = lex(text, base, &mut false) else { return Ok(()) };
        let mut cur = Cursor::new(&line.toks);
        let span = cur.span();
        if stmt(&mut cur, None).is_ok() {
            self.report.push(
                Diagnostic::warning("asm.comment", "an instruction after `;` is a comment")
                    .label(span, "not assembled")
                    .help("put it on a line of its own"),
            );
        }
        Ok(())
    }

    fn label(&mut self, name: Cow<'a, str>, span: Span) -> Result<(), Diagnostic> {
        if self.data.is_open() {
            self.data.define(name, span)
        } else {
            self.prog().define(name, span, false)
        }
    }

    fn push(&mut self, stmt: Stmt<'a>, at: At<'a>) -> Result<(), Diagnostic> {
        if self.data.is_open() {
            return Err(Diagnostic::error("asm.misplaced", "instructions do not go into data")
                .label(at.span, "")
                .help("begin a program with `.section \"NAME\"`"));
        }
        self.prog().push(stmt, at);
        Ok(())
    }

    fn listed(&mut self, place: Place<'a>, listed: Listed) -> Result<(), Diagnostic> {
        let Place { line, base, number } = place;
        let read = lex(line, base, &mut self.in_comment).and_then(|Line { toks, .. }| {
            let mut cur = Cursor::new(&toks);
            let span = cur.span();
            Ok((stmt(&mut cur, listed.code)?, span))
        });
        // Where there are bytes, they are the instruction: objdump prints calls of helpers and of
        // subprograms alike, and some instructions as `<unknown>`.
        let (stmt, span) = match (read, listed.raw) {
            (Ok((stmt, span)), Some(raw)) => (listed.with_bytes(stmt, raw), span),
            (Err(_), Some(raw)) => (raw.into(), Span::new(base, base + line.len())),
            (read, None) => read?,
        };
        self.push(stmt, At { span, line: number, text: line, slot: Some(listed.at) })
    }

    /// Puts a symbol into the instruction read last.
    fn relocate(&mut self, name: &'a str, span: Span) -> Result<(), Diagnostic> {
        let Some(stmt) = self.prog().last_mut() else { return Ok(()) };
        let what = match stmt.insn {
            Insn::LoadImm { imm: ImmSrc::Value(at), .. } =>
            {
                #[expect(clippy::cast_possible_truncation, reason = "an addend of 32 bits")]
                What::Symbol((at as u32).cast_signed())
            }
            Insn::Call(Call::Local(_)) if name.starts_with('.') => {
                let title = format!("the call leads into section `{name}`");
                return Err(Diagnostic::error("asm.listing", title)
                    .label(span, "not linked")
                    .help("paste the listing of a linked program, or read the object itself"));
            }
            Insn::Call(Call::Local(_)) => What::Func,
            _ => return Ok(()),
        };
        stmt.refer = Some(Refer { what, name: name.into(), span });
        Ok(())
    }

    /// The program that instructions go to.
    pub(crate) fn prog(&mut self) -> &mut ProgText<'a> {
        self.data.close();
        if self.progs.is_empty() {
            self.progs.push(ProgText::new(String::new(), Span::default(), self.default_type));
        }
        self.progs.last_mut().expect("bug: a program was pushed above")
    }

    /// Begins another program.
    pub(crate) fn begin(&mut self, prog: ProgText<'a>) {
        self.data.close();
        self.progs.push(prog);
    }
}

/// What a listing says about an instruction besides its text.
struct Listed {
    at: u32,
    code: Option<u8>,
    raw: Option<Insn>,
}

impl Listed {
    fn with_bytes<'a>(&self, stmt: Stmt<'a>, raw: Insn) -> Stmt<'a> {
        // A name in the text says more than the zero that is still in its place.
        if stmt.refer.is_some() { stmt } else { raw.into() }
    }
}
