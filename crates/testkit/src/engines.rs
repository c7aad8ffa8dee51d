//! The interpreter against machine code.

use crate::compare::smaller;
use crate::mutants::Mutator;
use crate::user::both_checked;
use crate::{
    Difference, Frame, Host, Outcome, PACKET_LEN, Ran, native_with, packet, program, user,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use skep::{CodeOptions, Image, NotNative};
use skep_isa::Insns;

/// What a comparison of the two says.
#[derive(Debug)]
pub enum Engines {
    /// There is no machine code for the program.
    NotNative(NotNative),
    /// Both do the same.
    Equal,
    /// They do not.
    Different(Box<Difference>),
}

/// Random program number `seed`, over random packets.
#[must_use]
pub fn random_engines(seed: u64) -> Engines {
    random_engines_with(seed, CodeOptions::default())
}

/// The same, with a choice of what code does.
#[must_use]
pub fn random_engines_with(seed: u64, code: CodeOptions) -> Engines {
    let packets = [0, 1].map(|n| packet(seed ^ n << 63, PACKET_LEN + 20 + (seed % 100) as usize));
    engines_with(&program(seed), "main", &packets.each_ref().map(|bytes| Frame(bytes)), code)
}

/// Runs a program of the image over the frames in both engines.
#[must_use]
pub fn engines(image: &Image, prog: &str, frames: &[Frame<'_>]) -> Engines {
    engines_with(image, prog, frames, CodeOptions::default())
}

/// The same, with a choice of what code does.
#[must_use]
pub fn engines_with(image: &Image, prog: &str, frames: &[Frame<'_>], code: CodeOptions) -> Engines {
    match disagreement(image, prog, frames, code) {
        Err(why) => Engines::NotNative(why),
        Ok(None) => Engines::Equal,
        Ok(Some(_)) => {
            let image = smaller(image.clone(), prog, |image| {
                matches!(disagreement(image, prog, frames, code), Ok(Some(_)))
            });
            let what = disagreement(&image, prog, frames, code).ok().flatten().unwrap_or_default();
            Engines::Different(Box::new(Difference { image, what }))
        }
    }
}

/// Random program number `seed`, changed in a place or two so that it is most likely nothing that the verifier accepts, by the
/// interpreter and as machine code that checks. None if it does not load.
#[must_use]
pub fn random_checked(seed: u64, code: CodeOptions) -> Option<Engines> {
    let packets = [0, 1].map(|n| packet(seed ^ n << 63, PACKET_LEN + 20 + (seed % 100) as usize));
    let mut image = program(seed);
    let main = image.progs.iter_mut().find(|prog| prog.name == "main")?;
    // Some stay as they are.
    if !seed.is_multiple_of(8) {
        let original = main.insns.encode();
        let mutant = Mutator::new(&original).mutant(&mut StdRng::seed_from_u64(seed));
        main.insns = Insns::decode(mutant.iter().copied()).ok()?;
    }
    checked_with(&image, "main", &packets.each_ref().map(|bytes| Frame(bytes)), code)
}

/// Instructions that a program may take that nobody has seen to come to an end.
const UNKNOWN: u64 = 1 << 15;

/// Runs a program by the interpreter and as machine code that checks; none if it does not load.
#[must_use]
pub fn checked_with(
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
    code: CodeOptions,
) -> Option<Engines> {
    let differs = |image: &Image| unlike(image, prog, frames, code);
    Some(match differs(image)? {
        Err(why) => Engines::NotNative(why),
        Ok(None) => Engines::Equal,
        Ok(Some(_)) => {
            let image =
                smaller(image.clone(), prog, |image| matches!(differs(image), Some(Ok(Some(_)))));
            let what = differs(&image).and_then(Result::ok).flatten().unwrap_or_default();
            Engines::Different(Box::new(Difference { image, what }))
        }
    })
}

/// In what the two are unlike; none if the program does not load.
fn unlike(
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
    code: CodeOptions,
) -> Option<Result<Option<String>, NotNative>> {
    let both = both_checked(Host { cpus: 2 }, image, prog, frames, code, UNKNOWN).ok()?;
    Some(both.map(|[mut user, mut checked]| {
        cut(&mut user, &mut checked);
        if user.insns != checked.insns {
            let (user, checked) = (&user.insns, &checked.insns);
            return Some(format!("interpreted {user:?} instructions, checked {checked:?}"));
        }
        user.difference(&checked).map(|what| what.replace("kernel", "checked"))
    }))
}

fn disagreement(
    image: &Image,
    prog: &str,
    frames: &[Frame<'_>],
    code: CodeOptions,
) -> Result<Option<String>, NotNative> {
    let host = Host { cpus: 2 };
    let mut native = match native_with(host, image, prog, frames, code) {
        Ok(Ok(native)) => native,
        Ok(Err(why)) => return Err(why),
        Err(err) => return Ok(Some(format!("the program does not load: {err}"))),
    };
    let user = user(host, image, prog, frames).map(|mut user| {
        cut(&mut user, &mut native);
        user
    });
    Ok(match user {
        Ok(user) if user.insns != native.insns => {
            let (user, native) = (&user.insns, &native.insns);
            Some(format!("interpreted {user:?} instructions, native {native:?}"))
        }
        Ok(user) => user.difference(&native).map(|what| what.replace("kernel", "native")),
        Err(err) => Some(format!("the interpreter does not load it: {err}")),
    })
}

/// Leaves out what comes from a run on that ends for want of budget: machine code finds that out at the end of a
/// block, and may have done more by then.
fn cut(user: &mut Outcome, native: &mut Outcome) {
    let is_broke = |ran: &Ran| matches!(ran, Ran::Failed(why) if why.contains("the budget of"));
    let both = user.runs.iter().zip(&native.runs);
    let at = both.map(|(a, b)| is_broke(a) && is_broke(b)).position(|broke| broke);
    if let Some(at) = at {
        for one in [user, native] {
            one.runs.truncate(at);
            one.insns.truncate(at);
            one.maps.clear();
        }
    }
}
