//! Expressions that say which packets.

use super::world::World;
use crate::diags::Text;
use crate::failure::{Failure, Kind};
use crate::term::Out;
use skep_cbpf::{Format, Program};
use skep_filter::{
    ErrorKind, Expr, LinkType, Meaning, Options, Process, Resolver, Source, program_of_all,
};
use std::io::Write;

/// An expression and how to make programs of it.
pub(crate) struct Expression {
    pub(crate) text: String,
    pub(crate) optimise: bool,
    pub(crate) names: bool,
    pub(crate) snaplen: u32,
    /// What `ip broadcast` goes by.
    pub(crate) netmask: u32,
    /// Who knows names.
    pub(crate) world: World,
}

/// What decides whether a packet matches.
pub(crate) enum Filter {
    /// A program that the kernel can run as well.
    Program(Program),
    /// What is too long for that.
    Long(Box<Meaning>),
}

impl Filter {
    pub(crate) fn matches(&self, packet: &skep_cbpf::Packet<'_>) -> bool {
        match self {
            Self::Program(program) => program.run(packet) != 0,
            Self::Long(meaning) => meaning.matches(packet),
        }
    }
}

impl Expression {
    /// The filter for a link type, made to be fast; nothing if all packets match.
    pub(crate) fn filter(&self, link: LinkType, source: Source) -> Result<Option<Filter>, Failure> {
        self.filter_of(link, source, None)
    }

    /// The same for the packets of a process.
    pub(crate) fn filter_of(
        &self,
        link: LinkType,
        source: Source,
        process: Option<&Process>,
    ) -> Result<Option<Filter>, Failure> {
        if self.text.trim().is_empty() {
            return Ok(None);
        }
        self.compile(link, source, self.optimise, process).map(Some)
    }

    /// Whether the expression asks which process a packet belongs to.
    pub(crate) fn asks_process(&self) -> bool {
        Expr::parse(&self.text).is_ok_and(|expr| expr.asks_process())
    }

    fn compile(
        &self,
        link: LinkType,
        source: Source,
        fast: bool,
        process: Option<&Process>,
    ) -> Result<Filter, Failure> {
        let numeric = skep_filter::Numeric;
        let looks_up = self.names || self.has_words();
        let resolver: &dyn Resolver = if looks_up { &self.world } else { &numeric };
        let options = Options {
            link,
            snaplen: self.snaplen,
            source,
            netmask: Some(self.netmask),
            optimise: self.optimise,
            fast,
            process,
            resolver,
            ..Options::default()
        };
        let failure = |err: skep_filter::Error| {
            Failure::Text(Box::new(Text {
                name: "expression".to_owned(),
                text: self.text.clone(),
                diags: vec![err.diagnostic()],
            }))
        };
        let expr = Expr::parse(&self.text).map_err(failure)?;
        if looks_up {
            self.world.ask_for_hosts(&expr);
        }
        match expr.compile(&options) {
            // Of another process it may accept some.
            Err(err) if process.is_some() && err.kind == ErrorKind::RejectsAll => {
                Ok(Filter::Program(program_of_all(false, self.snaplen)))
            }
            Err(err) if matches!(err.kind, ErrorKind::TooLong { .. }) => {
                let meaning = expr.meaning(&Options { tables: true, ..options });
                Ok(Filter::Long(Box::new(meaning.map_err(failure)?)))
            }
            compiled => Ok(Filter::Program(compiled.map_err(failure)?)),
        }
    }

    /// Names in expressions are looked up where there are any: an expression of numbers opens no file.
    fn has_words(&self) -> bool {
        self.text.bytes().any(|c| c.is_ascii_alphabetic())
    }

    /// `-d`, `-dd`, `-ddd`.
    pub(crate) fn list(
        &self,
        link: LinkType,
        form: u8,
        live: bool,
        out: &mut Out<'_>,
    ) -> Result<(), Failure> {
        let source = if live { Source::Unknown } else { Source::File };
        let program = if self.text.trim().is_empty() {
            self.everything()?
        } else {
            match self.compile(link, source, false, None)? {
                Filter::Program(program) => program,
                Filter::Long(_) => {
                    let text = "the expression makes a longer program than the kernel takes";
                    return Err(Failure::new(Kind::Unsupported, text)
                        .help("`skep filter --ebpf` has tables for long lists"));
                }
            }
        };
        let format = match form {
            1 => Format::Text,
            2 => Format::C,
            _ => Format::Decimal,
        };
        out.write_all(skep_cbpf::print(&program.encode(), format).as_bytes())?;
        Ok(())
    }

    /// The program that keeps all packets.
    fn everything(&self) -> Result<Program, Failure> {
        /// `BPF_RET | BPF_K`
        const RETURN: u16 = 6;
        let insns = [skep_cbpf::RawInsn::stmt(RETURN, self.snaplen)];
        skep_cbpf::check(&insns).map_err(|err| Failure::of(Kind::Usage, &err))
    }
}

/// The link type of a number in files.
pub(crate) fn of_file(link: skep_hooks::LinkType) -> Result<LinkType, Failure> {
    let number = match link.0 {
        12 | 14 => 101,
        number => number,
    };
    LinkType::from_file(number.into()).ok_or_else(|| {
        let text = format!("packets of link type {link} cannot be filtered");
        Failure::new(Kind::Unsupported, text)
    })
}

pub(crate) fn by_name(name: &str) -> Result<LinkType, Failure> {
    LinkType::by_name(name).ok_or_else(|| {
        let names: Vec<_> = LinkType::all().map(LinkType::name).collect();
        let text = format!("unknown link type `{name}`");
        Failure::new(Kind::Usage, text).help(format!("there are {}", names.join(" ")))
    })
}
