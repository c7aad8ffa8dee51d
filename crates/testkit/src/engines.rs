//! The interpreter against machine code.

use crate::{Frame, Host, PACKET_LEN, native, packet, program, user};
use skep::{Image, NotNative};

/// What a comparison of the two says.
#[derive(Debug)]
pub enum Engines {
    /// There is no machine code for the program.
    NotNative(NotNative),
    /// Both do the same.
    Equal,
    /// They do not; how, in words.
    Different(String),
}

/// Random program number `seed`, over random packets.
#[must_use]
pub fn random_engines(seed: u64) -> Engines {
    let packets = [0, 1].map(|n| packet(seed ^ n << 63, PACKET_LEN + 20 + (seed % 100) as usize));
    engines(&program(seed), "main", &packets.each_ref().map(|bytes| Frame(bytes)))
}

/// Runs a program of the image over the frames in both engines.
#[must_use]
pub fn engines(image: &Image, prog: &str, frames: &[Frame<'_>]) -> Engines {
    let host = Host { cpus: 2 };
    let native = match native(host, image, prog, frames) {
        Ok(Ok(native)) => native,
        Ok(Err(why)) => return Engines::NotNative(why),
        Err(err) => return Engines::Different(format!("the program does not load: {err}")),
    };
    match user(host, image, prog, frames) {
        Ok(user) => match user.difference(&native) {
            Some(what) => Engines::Different(what.replace("kernel", "native")),
            None => Engines::Equal,
        },
        Err(err) => Engines::Different(format!("the interpreter does not load it: {err}")),
    }
}
