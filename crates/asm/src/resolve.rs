//! Names to numbers, once the whole text is known.

use crate::data::Data;
use crate::layout::{Layout, layout};
use crate::prog_text::{At, ProgText};
use crate::report::Report;
use crate::stmt::{Refer, What};
use skep_abi::{HELPERS, helper_id};
use skep_diag::{Diagnostic, Source, Span, closest};
use skep_isa::{Call, ImmSrc, Insn, Insns, Pc};
use skep_prog::{Image, Initial, LineInfo, Prog, Subprog};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Puts the image together.
pub(crate) fn image(
    source: &Source<'_>,
    progs: Vec<ProgText<'_>>,
    mut data: Data<'_>,
    license: Option<(String, Span)>,
    report: &mut Report,
) -> Image {
    data.close();
    let file = Arc::from(source.name);
    let mut image = Image::default();
    let mut spans = BTreeMap::new();
    for text in progs.iter().filter(|text| !text.is_empty()) {
        let layout = layout(text, report);
        let resolver = Resolver { prog: text, layout, data: &data, progs: &progs };
        let prog = resolver.prog(source, &file, report);
        if let Some(first) = spans.insert(prog.name.clone(), text.span) {
            report.duplicate("program", &prog.name, text.span, first);
        }
        image.progs.push(prog);
    }
    check_members(&data, &image, report);
    image.maps = data.maps;
    image.license = license.map_or_else(String::new, |(license, _)| license);
    image
}

/// Members of maps exist.
fn check_members(data: &Data<'_>, image: &Image, report: &mut Report) {
    let progs: BTreeSet<&str> = image.progs.iter().map(|prog| prog.name.as_str()).collect();
    let maps: BTreeSet<&str> = data.maps.iter().map(|map| map.name.as_str()).collect();
    for (map, name, span) in &data.members {
        let (what, names) = match data.maps[*map].initial {
            Initial::Progs(_) => ("program", &progs),
            _ => ("map", &maps),
        };
        if !names.contains(name.as_str()) && !report.is_full() {
            report.push(unknown(what, name, *span, names.iter().copied()));
        }
    }
}

fn unknown<'a>(
    what: &str,
    name: &str,
    span: Span,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let label =
        closest(name, names).map_or_else(String::new, |near| format!("did you mean `{near}`?"));
    Diagnostic::error("asm.unknown-name", format!("unknown {what} `{name}`")).label(span, label)
}

struct Resolver<'p, 'a> {
    prog: &'p ProgText<'a>,
    layout: Layout,
    data: &'p Data<'a>,
    /// All programs of the text.
    progs: &'p [ProgText<'a>],
}

impl Resolver<'_, '_> {
    fn prog(&self, source: &Source<'_>, file: &Arc<str>, report: &mut Report) -> Prog {
        let mut insns = Insns::default();
        let mut lines = Vec::with_capacity(self.layout.order.len());
        for &n in &self.layout.order {
            let (stmt, at) = &self.prog.stmts[n];
            let pc = Pc(self.layout.pcs[n]);
            if at.slot.is_some() && stmt.refer.is_none() && is_unlinked(stmt.insn) {
                report.push(unlinked(at.span));
            }
            let insn = match &stmt.refer {
                Some(refer) if !report.is_full() => self.resolve(stmt.insn, refer, pc),
                _ => Ok(stmt.insn),
            };
            insns.push(insn.unwrap_or_else(|diag| {
                report.push(diag);
                stmt.insn
            }));
            lines.push(line_info(source, file, pc, at));
        }
        if insns.is_empty() {
            report.push(
                Diagnostic::error("asm.empty", "the program has no instructions")
                    .label(self.prog.span, "begins here"),
            );
        }
        self.check_funcs(report);
        let subprogs = self.subprogs(&insns);
        let name = subprogs.first().map_or_else(String::new, |sub| sub.name.clone());
        let mut prog = Prog::new(&name, self.prog.prog_type, insns);
        prog.section.clone_from(&self.prog.section);
        prog.attach_type = self.prog.attach_type;
        (prog.subprogs, prog.lines) = (subprogs, lines.into());
        prog
    }

    fn label(&self, name: &str) -> Option<Pc> {
        let label = self.prog.labels.get(name)?;
        Some(Pc(self.layout.pcs[label.stmt]))
    }

    /// The label, or for `exit` the first such instruction, as conformance files have it.
    fn jump_label(&self, name: &str) -> Option<Pc> {
        self.label(name).or_else(|| {
            let is_exit = |&&n: &&usize| self.prog.stmts[n].0.insn == Insn::Exit;
            let n = self.layout.order.iter().find(is_exit).filter(|_| name == "exit")?;
            Some(Pc(self.layout.pcs[*n]))
        })
    }

    fn label_names(&self) -> impl Iterator<Item = &str> {
        self.prog.labels.keys().map(|name| &**name)
    }

    fn resolve(&self, insn: Insn, refer: &Refer<'_>, pc: Pc) -> Result<Insn, Diagnostic> {
        let Refer { what, name, span } = refer;
        match (*what, insn) {
            (What::Jump, _) => {
                let target = self
                    .jump_label(name)
                    .ok_or_else(|| unknown("label", name, *span, self.label_names()))?;
                with_off(insn, distance(pc, target))
                    .ok_or_else(|| too_far(insn, name, distance(pc, target), *span))
            }
            (What::Call, _) => self.call(name, *span, pc),
            (What::Func, Insn::LoadImm { dst, .. }) => {
                let target = self.func(name, *span)?;
                Ok(Insn::LoadImm { dst, imm: ImmSrc::Func(near(pc, target)) })
            }
            (What::Func, _) => Ok(Insn::Call(Call::Local(near(pc, self.func(name, *span)?)))),
            (_, Insn::LoadImm { dst, .. }) => {
                Ok(Insn::LoadImm { dst, imm: self.address(*what, name, *span, pc)? })
            }
            _ => Ok(insn),
        }
    }

    fn func(&self, name: &str, span: Span) -> Result<Pc, Diagnostic> {
        self.label(name).ok_or_else(|| {
            self.elsewhere(name, unknown("subprogram", name, span, self.label_names()))
        })
    }

    fn call(&self, name: &str, span: Span, pc: Pc) -> Result<Insn, Diagnostic> {
        if let Some(target) = self.label(name) {
            return Ok(Insn::Call(Call::Local(near(pc, target))));
        }
        if let Some(id) = helper_id(name) {
            return Ok(Insn::Call(Call::Helper(id.cast_signed())));
        }
        let short = name.strip_prefix("bpf_").unwrap_or(name);
        let names = self.label_names().chain(HELPERS.into_iter().skip(1));
        Err(self.elsewhere(name, unknown("subprogram or helper", short, span, names)))
    }

    /// Adds that another program has such a label.
    fn elsewhere(&self, name: &str, diag: Diagnostic) -> Diagnostic {
        match self.progs.iter().find_map(|prog| prog.labels.get(name)) {
            Some(label) => diag
                .context(label.span, "belongs to another program")
                .help("each program needs its own copy of a subprogram"),
            None => diag,
        }
    }

    fn address(&self, what: What, name: &str, span: Span, pc: Pc) -> Result<ImmSrc, Diagnostic> {
        let Some(symbol) = self.data.symbols.get(name) else {
            return match (what, self.label(name)) {
                (What::Symbol(0), Some(target)) => Ok(ImmSrc::Func(near(pc, target))),
                (What::Symbol(_), Some(_)) => {
                    let title = "the address of a subprogram takes no offset";
                    Err(Diagnostic::error("asm.syntax", title).label(span, ""))
                }
                (What::Symbol(_), None) => {
                    let names = self.data.symbols.keys().map(|name| &**name);
                    // A register with a typing error looks like a symbol too.
                    let regs = ["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9", "r10"];
                    Err(unknown("symbol", name, span, names.chain(self.label_names()).chain(regs)))
                }
                _ => Err(self.unknown_map(name, span)),
            };
        };
        let idx = i32::try_from(symbol.map).unwrap_or(i32::MAX);
        let start = symbol.at.unwrap_or_default().cast_signed();
        match what {
            What::Symbol(add) if symbol.at.is_some() => {
                Ok(ImmSrc::MapIdxValue { idx, at: start.wrapping_add(add) })
            }
            What::Symbol(0) | What::Map => Ok(ImmSrc::MapIdx(idx)),
            What::MapValue(at) => Ok(ImmSrc::MapIdxValue { idx, at }),
            _ => Err(Diagnostic::error("asm.syntax", "the address of a map takes no offset")
                .label(span, "")
                .help(format!("its value does: `map[{name}][0]+8`"))),
        }
    }

    fn unknown_map(&self, name: &str, span: Span) -> Diagnostic {
        let names = self.data.maps.iter().map(|map| map.name.as_str());
        let diag = unknown("map", name, span, names);
        diag.help(format!("declare it: `.map {name}, array, key=4, value=8, entries=1`"))
    }

    /// What was called a function is a label.
    fn check_funcs(&self, report: &mut Report) {
        // `.globl` names maps and data in a compiler's output, so that only functions of this program
        // are looked for.
        for label in self.prog.funcs.iter().filter_map(|name| self.prog.labels.get(name)) {
            if label.stmt == self.prog.stmts.len() {
                report.push(
                    Diagnostic::error("asm.empty", "the function has no instructions")
                        .label(label.span, "begins here"),
                );
            }
        }
    }

    /// The entry, whatever is called or has its address taken, and what is a function by directive.
    fn subprogs(&self, insns: &Insns) -> Vec<Subprog> {
        let called = insns.iter().filter_map(|(pc, insn)| match insn {
            Insn::Call(Call::Local(off)) | Insn::LoadImm { imm: ImmSrc::Func(off), .. } => {
                pc.jump(off)
            }
            _ => None,
        });
        let marked = self.prog.funcs.iter().filter_map(|name| self.label(name));
        let mut starts: BTreeMap<Pc, Option<String>> =
            called.chain(marked).chain([Pc(0)]).map(|pc| (pc, None)).collect();
        starts.retain(|&pc, _| insns.get(pc).is_some());
        for (stmt, name) in &self.prog.order {
            if let Some(entry) = starts.get_mut(&Pc(self.layout.pcs[*stmt])) {
                entry.get_or_insert_with(|| name.to_string());
            }
        }
        starts
            .into_iter()
            .map(|(start, name)| Subprog {
                name: name.unwrap_or_else(|| self.invented(start)),
                start,
                type_id: None,
            })
            .collect()
    }

    /// A name for what has none.
    fn invented(&self, start: Pc) -> String {
        let mut name = if start.0 == 0 { "main".into() } else { format!("func_{start}") };
        while self.prog.labels.contains_key(name.as_str()) {
            name.push('_');
        }
        name
    }
}

/// A call that leads to itself is what compilers write where the linker is to put the target.
fn is_unlinked(insn: Insn) -> bool {
    insn == Insn::Call(Call::Local(-1))
}

fn unlinked(span: Span) -> Diagnostic {
    Diagnostic::warning("asm.listing", "the call leads to itself")
        .label(span, "")
        .help("calls look so before linking; `llvm-objdump -dr` shows where they lead")
}

fn line_info(source: &Source<'_>, file: &Arc<str>, pc: Pc, at: &At<'_>) -> LineInfo {
    let line_start = source.text[..at.span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let col = source.text[line_start..at.span.start].chars().count() + 1;
    LineInfo {
        pc,
        file: Arc::clone(file),
        text: at.text.trim().into(),
        line: at.line,
        col: u32::try_from(col).unwrap_or(0),
    }
}

/// Slots from behind `pc` to the target.
fn distance(pc: Pc, target: Pc) -> i64 {
    i64::from(target.0) - i64::from(pc.0) - 1
}

/// The same in 32 bits; a text of 2^31 instructions does not exist.
fn near(pc: Pc, target: Pc) -> i32 {
    i32::try_from(distance(pc, target)).unwrap_or(i32::MAX)
}

/// The jump with this offset, if it has room for it.
fn with_off(insn: Insn, off: i64) -> Option<Insn> {
    let short = i16::try_from(off).ok();
    let long = i32::try_from(off).ok();
    Some(match insn {
        Insn::JumpIf { width, op, dst, src, .. } => {
            Insn::JumpIf { width, op, dst, src, off: short? }
        }
        Insn::Jump { .. } => Insn::Jump { off: short? },
        Insn::MayGoto { .. } => Insn::MayGoto { off: short? },
        Insn::Static { branch, .. } => Insn::Static { branch, off: short? },
        Insn::JumpLong { .. } => Insn::JumpLong { off: long? },
        Insn::StaticLong { branch, .. } => Insn::StaticLong { branch, off: long? },
        other => other,
    })
}

fn too_far(insn: Insn, name: &str, off: i64, span: Span) -> Diagnostic {
    let help = match insn {
        Insn::Jump { .. } => "`gotol` (`ja32`) reaches further",
        Insn::Static { .. } => "`gotol_or_nop` and `nop_or_gotol` reach further",
        _ => "jump to a `gotol` (`ja32`) nearby, which reaches further",
    };
    Diagnostic::error("asm.jump-range", format!("label `{name}` is {off:+} slots away"))
        .label(span, "this jump reaches -32768 to +32767")
        .help(help)
}
