//! Both engines over the same program.

use crate::{Frame, Host, PACKET_LEN, Refused, kernel, packet, program, user};
use skep_asm::PrintOptions;
use skep_isa::{ImmSrc, Insn, Pc, Reg};
use skep_prog::Image;
use std::fmt;

/// What a comparison says.
#[derive(Debug)]
pub enum Compared {
    /// The kernel's verifier does not take the program.
    Refused(Refused),
    /// Both engines agree.
    Equal,
    /// They do not.
    Different(Box<Difference>),
}

/// A program on which the engines differ.
#[derive(Debug)]
pub struct Difference {
    /// The program, made smaller.
    pub image: Image,
    /// The first difference, in words.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.what, skep_asm::print(&self.image, &PrintOptions::default()))
    }
}

/// Random program number `seed`, over random packets.
#[must_use]
pub fn differential(host: Host, seed: u64) -> Compared {
    let packets = [0, 1].map(|n| packet(seed ^ n << 63, PACKET_LEN + 20 + (seed % 100) as usize));
    compare(host, &program(seed), "main", &packets.each_ref().map(|bytes| Frame(bytes)))
}

/// Runs a program of the image over the frames in both engines.
#[must_use]
pub fn compare(host: Host, image: &Image, prog: &str, frames: &[Frame<'_>]) -> Compared {
    match disagreement(host, image, prog, frames) {
        Err(refused) => Compared::Refused(refused),
        Ok(None) => Compared::Equal,
        Ok(Some(_)) => {
            let image = smaller(image.clone(), prog, |image| {
                matches!(disagreement(host, image, prog, frames), Ok(Some(_)))
            });
            let what = disagreement(host, &image, prog, frames).ok().flatten().unwrap_or_default();
            Compared::Different(Box::new(Difference { image, what }))
        }
    }
}

fn disagreement(
    host: Host,
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
) -> Result<Option<String>, Refused> {
    let kernel = kernel(image, prog, frames)?;
    Ok(match user(host, image, prog, frames) {
        Ok(user) => user.difference(&kernel),
        Err(err) => Some(format!("the user engine does not load it: {err}")),
    })
}

/// Replaces instructions by such as do nothing, as long as the property remains.
pub(crate) fn smaller(mut image: Image, prog: &str, has: impl Fn(&Image) -> bool) -> Image {
    let at = image.progs.iter().position(|p| p.name == prog).expect("bug: it was run before");
    let mut pcs: Vec<Pc> = image.progs[at].insns.iter().map(|(pc, _)| pc).collect();
    pcs.reverse();
    for pc in pcs {
        let Some(&insn) = image.progs[at].insns.get(pc) else { continue };
        let nothing = match insn {
            Insn::LoadImm { dst, .. } => Insn::LoadImm { dst, imm: ImmSrc::Value(0) },
            // What initialises the stack stays: the kernel lets programs read what was there before.
            Insn::Exit | Insn::Store { base: Reg::FP, .. } => continue,
            _ => Insn::Jump { off: 0 },
        };
        if nothing == insn {
            continue;
        }
        let mut tried = image.clone();
        if let Some(slot) = tried.progs[at].insns.get_mut(pc) {
            *slot = nothing;
        }
        if has(&tried) {
            image = tried;
        }
    }
    image
}
