//! Programs that replace functions of others: the other.

use super::Check;
use crate::failure::{Failure, Kind};
use crate::file;
use crate::term::Term;
use skep::verifier::Verdict;
use skep::{CheckOptions, Checked, Image, Prog, check, check_replacement};
use std::path::Path;

impl Check {
    /// The object whose functions are replaced, fitted to the same kernel.
    pub(super) fn target_image(&self, path: &Path, term: &mut Term<'_>) -> Result<Image, Failure> {
        let mut image = file::program(path, &mut term.err)?.image;
        self.fit(&mut image)?;
        Ok(image)
    }

    /// Checks a program that replaces a function of a program of the target.
    pub(super) fn check_replacing<'p>(
        &self,
        image: &Image,
        prog: &'p Prog,
        func: &str,
        of: &Image,
        options: &CheckOptions,
    ) -> Result<Checked<'p>, Failure> {
        let has_func =
            |prog: &&Prog| func.is_empty() || prog.subprogs.iter().any(|sub| sub.name == func);
        let found = match &self.target_prog {
            Some(name) => of.progs.iter().find(|prog| prog.name == *name),
            // Where none has it, any does to say so.
            None => of.progs.iter().find(has_func).or(of.progs.first()),
        };
        let Some(target) = found else {
            let text = match &self.target_prog {
                Some(name) => format!("the target has no program {name}"),
                None => "the target has no programs".into(),
            };
            let names: Vec<&str> = of.progs.iter().map(|prog| prog.name.as_str()).collect();
            let failure = Failure::new(Kind::Usage, text);
            return Err(failure.help(format!("its programs: {}", names.join(", "))));
        };
        // What its programs need of the kernel's types is not that of this object.
        let options = CheckOptions { poisoned: Default::default(), ..options.clone() };
        match check(of, target, &options).verdict {
            Verdict::Accepted(verified) => {
                Ok(check_replacement(image, prog, &options, of, &verified))
            }
            Verdict::Rejected(_) => Err(Failure::new(
                Kind::Input,
                format!("the target's program {} is refused itself: check it first", target.name),
            )),
            Verdict::Unsupported(why) => Err(Failure::new(
                Kind::Unsupported,
                format!("the target's program {} has no verdict: {why}", target.name),
            )),
        }
    }
}
