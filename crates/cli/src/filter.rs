//! `skep filter`: what an expression means, and the program made of it.

mod diff;
pub(crate) mod names;
mod svg;
mod why;

use crate::diags::{self, Text};
use crate::dis::classic::{self, Ebpf};
use crate::failure::{Failure, Kind};
use crate::term::Term;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use names::{FilesOnly, System};
use serde_json::{Value, json};
use skep_abi::MapType;
use skep_asm::{PrintOptions, print};
use skep_cbpf::{Format, Program};
use skep_diag::{Diagnostic, Source, Span, to_json};
use skep_filter::{ErrorKind, Expr, Field, LinkType, Meaning, Options};
use skep_prog::{DataKind, Image, Initial, MapDef};
use std::io::Write;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

/// Compile a packet filter, in the language of tcpdump and libpcap.
///
/// Prints the program as tcpdump -d does. The same expressions mean the same packets as in libpcap;
/// programs are smaller, and reject a packet that is too short exactly where its unoptimised programs do.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Filter {
    /// The expression; several arguments are joined with spaces, and one that begins with - goes behind --. Without
    /// one, every packet matches.
    #[arg(value_name = "EXPR", allow_negative_numbers = true)]
    expr: Vec<String>,
    /// Print the program for people; twice as C, three times as decimal numbers.
    #[arg(short, action = clap::ArgAction::Count)]
    dump: u8,
    /// Do not optimise.
    #[arg(short = 'O', long)]
    no_optimise: bool,
    /// Make the program faster where that makes it larger: IPv4 headers of 20 bytes get a way of their own.
    #[arg(long, conflicts_with = "no_optimise")]
    fast: bool,
    /// What packets begin with.
    #[arg(short = 'y', long = "linktype", value_name = "LINKTYPE", default_value = "EN10MB", value_parser = link_types(), ignore_case = true)]
    link: LinkType,
    /// Bytes to keep of a matching packet.
    #[arg(short, long, value_name = "BYTES", default_value_t = 262_144)]
    snaplen: u32,
    /// Netmask of the network, for ip broadcast.
    #[arg(long, value_name = "MASK")]
    netmask: Option<Ipv4Addr>,
    /// Where packets come from: a packet socket keeps the outermost VLAN tag outside the bytes [default: live with
    /// --ebpf for sockets and tc, which do so, too; else unknown].
    #[arg(long, value_name = "SOURCE", value_enum)]
    source: Option<From>,
    /// Do not look up names.
    #[arg(short, long)]
    numeric: bool,
    /// Say in words what the expression accepts, with warnings.
    #[arg(long, group = "form")]
    explain: bool,
    /// Say why packet N of a capture matches or does not.
    #[arg(long, value_name = "FILE:N", group = "form")]
    why: Option<String>,
    /// Translate into eBPF for a hook.
    #[arg(long, value_name = "HOOK", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "socket", group = "form")]
    ebpf: Option<Ebpf>,
    /// Print the program as a graph, in the language DOT or as a drawing in SVG.
    #[arg(long, value_name = "FORM", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "dot", group = "form")]
    graph: Option<Graph>,
    /// Compare two filters, each in quotes, or one optimised and not: EQUAL, proved for all packets, or a packet
    /// on which they differ. What follows @, and what is no expression but a file, is a listing of tcpdump.
    #[arg(long, group = "form")]
    diff: bool,
    /// With --diff, only packets of at least so many bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 0, requires = "diff")]
    at_least: u32,
    /// With --diff, write the packet to a pcap file.
    #[arg(short, long, value_name = "FILE", requires = "diff")]
    write: Option<PathBuf>,
    /// List the fields that have names, such as tcp.flags.syn.
    #[arg(long, group = "form")]
    fields: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a graph is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Graph {
    /// The language of Graphviz.
    Dot,
    /// A drawing.
    Svg,
}

/// Where packets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum From {
    /// Nobody knows yet.
    Unknown,
    /// A capture file.
    File,
    /// A packet socket of Linux.
    Live,
}

const EXAMPLES: &str = "\
Beyond libpcap, in words that it refuses (docs/filter.md; try them with skep dump -r examples/tunnels.pcap):
  tcp.flags.syn, ip.ttl < 5        fields by name, behind IPv6 and its extension headers, too (--fields)
  port in {80, 443, 8000-8999}     lists and ranges of ports
  host in {10.0.0.0/8, ::1}        lists of hosts, networks and ranges; host in @FILE reads them
  vlan in {10, 20-29}              lists of VLANs; moves what follows, as vlan does
  any vlan 10                      a tag at any depth (up to 8); moves nothing
  any tcp port 80                  behind tags, labels and sessions, and in tunnels: IPIP, GRE, VXLAN, Geneve
  inner (ip6 and udp)              in tunnels only
  payload contains \"GET \"        in its first 256 bytes, or as many as within N says

Examples:
  skep filter tcp port 80
  skep filter -ddd -y LINUX_SLL2 'udp port 53 and not src net 10.0.0.0/8'
  skep filter --explain 'vlan 10 or ip6'
  skep filter --why examples/traffic.pcap:3 tcp dst port 443
  skep filter --graph=svg 'port 53' > port.svg
  skep filter --ebpf=xdp 'ip and tcp port 80'
  skep filter --ebpf=tc 'ip src host in @blocked.txt' > blocked.s
  skep filter --diff -w packet.pcap 'tcp[13] & 2 != 0' 'tcp[13] = 2'
  skep filter --diff 'tcp port 80' @listing.txt

Exit codes:
  0  the expression was compiled; with --why, the packet matches; with --diff, equal
  1  the expression means nothing; with --why, the packet does not match; with --diff, different
  2  the arguments are wrong
  3  the file is missing
  4  not supported; with --diff, undecided";

/// The names that tcpdump -y takes.
fn link_types() -> impl TypedValueParser<Value = LinkType> {
    let names = LinkType::all().map(LinkType::name);
    PossibleValuesParser::new(names)
        .try_map(|name| LinkType::by_name(&name).ok_or("there is no such link type"))
}

impl Filter {
    pub(crate) fn run(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        let text = self.expr.join(" ");
        let system;
        let mut options = Options {
            link: self.link,
            snaplen: self.snaplen,
            netmask: self.netmask.map(Ipv4Addr::to_bits),
            source: self.source()?,
            optimise: !self.no_optimise,
            fast: self.fast,
            smallest: !self.fast,
            resolver: &FilesOnly,
            ..Options::default()
        };
        if !self.numeric {
            // What is no expression is told later.
            let parse = |text: &String| Expr::parse(text).ok();
            let exprs: Vec<Expr> = if self.diff {
                self.expr.iter().filter_map(parse).collect()
            } else {
                parse(&text).into_iter().collect()
            };
            system = System::for_hosts_of(&exprs);
            options.resolver = &system;
        }
        if self.fields {
            return self.list_fields(term);
        }
        if self.diff {
            let how = diff::How {
                least: self.at_least,
                write: self.write.as_deref(),
                as_json: self.json,
            };
            return diff::run(&self.expr, &options, &how, term);
        }
        let refused = |err: skep_filter::Error| refusal(&text, &err);
        let expr = Expr::parse(&text).map_err(refused)?;
        if let Some(place) = &self.why {
            return why::run(&expr, &options, place, self.json, term);
        }
        if let Some(hook) = self.ebpf {
            options.tables = true;
            options.fast = true;
            let image = expr
                .meaning(&options)
                .and_then(|meaning| ebpf(&meaning, options.optimise, hook))
                .map_err(|err| refusal(&text, &err))??;
            return Ok(write!(term.out, "{}", print(&image, &PrintOptions::default()))?);
        }
        let program = expr.compile(&options);
        if self.explain {
            return self.explain(&expr, program.map_err(refused).map(drop), term);
        }
        self.show(&expr, &program.map_err(refused)?, term)
    }

    fn source(&self) -> Result<skep_filter::Source, Failure> {
        Ok(match (self.source, self.ebpf) {
            (Some(From::Live), Some(Ebpf::Xdp)) => {
                let text = "--source live: at XDP all VLAN tags stand in the bytes";
                return Err(Failure::new(Kind::Usage, text).help("leave it out"));
            }
            (Some(From::Live), _) | (None, Some(Ebpf::Socket | Ebpf::Tc)) => {
                skep_filter::Source::Live
            }
            (Some(From::File), _) => skep_filter::Source::File,
            (Some(From::Unknown) | None, _) => skep_filter::Source::Unknown,
        })
    }

    fn show(&self, expr: &Expr, program: &Program, term: &mut Term<'_>) -> Result<(), Failure> {
        let raws = program.encode();
        if matches!(program.insns(), [skep_cbpf::Insn::RetK { k: 0 }]) {
            let diag = Diagnostic::warning("filter.no-packet", "no packet matches")
                .label(Span::new(0, expr.text().len()), "");
            diags::show(&[diag], &Source::new("expression", expr.text()), &mut term.err)?;
        }
        if let Some(form) = self.graph {
            let text = match form {
                Graph::Dot => skep_filter::dot(program),
                Graph::Svg => svg::svg(program).ok_or_else(|| {
                    Failure::new(Kind::Unsupported, "the program is too large to be drawn")
                        .help("--graph prints it for Graphviz")
                })?,
            };
            write!(term.out, "{text}")?;
        } else if self.json {
            let text = skep_cbpf::print(&raws, Format::Text);
            let insns = raws.iter().zip(text.lines()).map(|(raw, line)| {
                json!({"code": raw.code, "jt": raw.jt, "jf": raw.jf, "k": raw.k, "text": line})
            });
            let line = json!({
                "expression": expr.text(),
                "link": self.link.name(),
                "insns": insns.collect::<Value>(),
                "warnings": warnings(expr),
            });
            writeln!(term.out, "{line}")?;
        } else {
            let format = match self.dump {
                0 | 1 => Format::Text,
                2 => Format::C,
                _ => Format::Decimal,
            };
            write!(term.out, "{}", skep_cbpf::print(&raws, format))?;
        }
        Ok(())
    }

    fn list_fields(&self, term: &mut Term<'_>) -> Result<(), Failure> {
        for field in Field::all() {
            if self.json {
                let line = json!({
                    "name": field.name(), "what": field.what(), "flag": field.is_flag(),
                });
                writeln!(term.out, "{line}")?;
            } else {
                let note = if field.is_flag() { " (a condition by itself)" } else { "" };
                writeln!(term.out, "{:<15} {}{note}", field.name(), field.what())?;
            }
        }
        Ok(())
    }

    fn explain(
        &self,
        expr: &Expr,
        compiled: Result<(), Failure>,
        term: &mut Term<'_>,
    ) -> Result<(), Failure> {
        if self.json {
            let words = expr.in_words();
            let line = json!({
                "expression": expr.text(),
                "words": words.lines().collect::<Vec<_>>(),
                "warnings": warnings(expr),
            });
            writeln!(term.out, "{line}")?;
            return compiled;
        }
        write!(term.out, "{}", expr.in_words())?;
        term.out.flush()?;
        diags::show(&expr.warnings(), &Source::new("expression", expr.text()), &mut term.err)?;
        compiled
    }
}

/// The program for a hook, and the maps that it looks into.
fn ebpf(
    meaning: &Meaning,
    optimise: bool,
    hook: Ebpf,
) -> Result<Result<Image, Failure>, skep_filter::Error> {
    let tabled = meaning.compile_with_tables(optimise)?;
    let maps = tabled.tables.into_iter().enumerate().map(|(at, table)| {
        let size = u32::try_from(table.bytes.len()).unwrap_or(u32::MAX);
        let mut map = MapDef::new(&format!("set{at}"), MapType::Array, 4, size, 1);
        map.flags = RDONLY_PROG;
        map.data = Some(DataKind::Rodata);
        map.initial = Initial::Value(table.bytes);
        map
    });
    let maps = maps.collect();
    Ok(classic::translate_with_tables(
        Path::new("filter"),
        &tabled.program,
        &tabled.lookups,
        maps,
        hook,
    ))
}

/// Programs do not write the map (`BPF_F_RDONLY_PROG`).
const RDONLY_PROG: u32 = 1 << 7;

fn warnings(expr: &Expr) -> Vec<Value> {
    let source = Source::new("expression", expr.text());
    expr.warnings().iter().map(|diag| to_json(diag, &source)).collect()
}

/// The expression with the words that are to blame.
fn refusal(text: &str, err: &skep_filter::Error) -> Failure {
    if let ErrorKind::TooLong { .. } = err.kind {
        return Failure::of(Kind::Unsupported, err).help(
            "--ebpf has tables for long lists; say less, or search less of the payload (within N)",
        );
    }
    if let ErrorKind::Unread { .. } = err.kind {
        let column = 1 + text.get(..err.span.start).map_or(0, |before| before.chars().count());
        let help = format!("expression:1:{column} reads its list from there");
        return Failure::of(Kind::Environment, err).help(help);
    }
    Failure::Text(Box::new(Text {
        name: "expression".into(),
        text: text.into(),
        diags: vec![err.diagnostic()],
    }))
}
