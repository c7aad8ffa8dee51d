//! Whether a kernel would take the program that is to be run.

use crate::diags;
use crate::failure::{Failure, Kind, visible};
use crate::kernel;
use crate::term::Out;
use serde_json::json;
use skep::verifier::Verdict;
use skep::{CheckOptions, Checked, Image, Prog, Release, check, explain};
use skep_btf::Btf;
use skep_diag::Source;
use skep_prog::Initial;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// The release whose verdict counts.
pub(super) const RELEASE: Release = Release { major: 6, minor: 18 };

/// Refuses what the kernel would refuse: the program of this name, and those it can call. Returns what it was asked
/// with.
pub(super) fn verify(
    image: &Image,
    name: &str,
    types: Option<Arc<Btf>>,
    json: bool,
    out: &mut Out<'_>,
    err: &mut Out<'_>,
) -> Result<CheckOptions, Failure> {
    let mut options = CheckOptions { types, ..CheckOptions::new(RELEASE) };
    for prog in image.progs.iter().filter(|prog| prog.name == name || is_called(image, prog)) {
        let mut checked = check(image, prog, &options);
        if options.types.is_none() && matches!(checked.verdict, Verdict::Unsupported(_)) {
            // Some programs can be judged only by the types of a kernel; any will do.
            options.types = kernel::types(Path::new(kernel::TYPES)).ok().map(Arc::new);
            checked = check(image, prog, &options);
        }
        match &checked.verdict {
            Verdict::Accepted(_) => {}
            Verdict::Rejected(_) if json => {
                refuse_json(image, prog, &checked, out)?;
                return Err(Failure::Said(Kind::Input));
            }
            Verdict::Rejected(_) => return Err(refuse(image, prog, &checked, err)?),
            Verdict::Unsupported(what) => {
                let (style, text) = (err.style.warning, visible(&what.what));
                writeln!(
                    err,
                    "{style}warning{style:#}: {} is run without a verdict: {text}",
                    visible(&prog.name)
                )?;
            }
        }
    }
    Ok(options)
}

/// Whether the program stands in a map of programs.
fn is_called(image: &Image, prog: &Prog) -> bool {
    image.maps.iter().any(|map| match &map.initial {
        Initial::Progs(entries) => entries.iter().any(|(_, name)| *name == prog.name),
        _ => false,
    })
}

fn refuse(
    image: &Image,
    prog: &Prog,
    checked: &Checked<'_>,
    err: &mut Out<'_>,
) -> Result<Failure, Failure> {
    if let Some(explained) = explain(image, prog, checked) {
        let source = Source::new(&explained.name, &explained.text);
        diags::show(&[explained.diagnostic], &source, err)?;
    }
    let failure = Failure::new(
        Kind::Input,
        format!("the kernel's verifier would refuse {}", visible(&prog.name)),
    );
    Ok(failure.help("--unverified runs it all the same, every access checked"))
}

fn refuse_json(
    image: &Image,
    prog: &Prog,
    checked: &Checked<'_>,
    out: &mut Out<'_>,
) -> Result<(), Failure> {
    let Verdict::Rejected(rejection) = &checked.verdict else { return Ok(()) };
    let title = explain(image, prog, checked).map(|explained| explained.diagnostic.title);
    let line = json!({
        "type": "refused",
        "prog": prog.name,
        "insn": rejection.pc.map(|pc| pc.0),
        "rule": rejection.reject.rule.name(),
        "message": title,
        "kernel_message": rejection.reject.kernel,
    });
    Ok(writeln!(out, "{line}")?)
}
