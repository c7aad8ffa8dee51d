//! Helpers that a process cannot serve, and why.

use crate::host::Host;
use skep_vm::Helpers;

/// Numbers and reasons, beside those that stand next to the helpers of their kind.
const REFUSED: &[(&[i32], &str)] = &[
    (&[49, 57, 64, 116], "there is no socket of the kernel to ask or change"),
    (&[59, 142, 143, 144], "there is no TCP connection to watch"),
    (&[52, 53, 70, 72, 82, 162], "there is no socket of the kernel to hand on"),
    (&[60, 61, 62, 63, 71, 90, 91], "there is no message of a socket"),
    (&[73, 74, 75, 76], "there is no lightweight tunnel"),
    (&[77, 78, 92], "there is no infrared receiver"),
    (&[81], "there is no cgroup that the program is attached to"),
    (&[101, 102, 103, 104], "there is no sysctl being accessed"),
    (&[111, 121], "there is no packet of the kernel to trace"),
    (&[126, 127, 150], "there is no file being read"),
    (&[145, 146], "there are no inodes of the kernel"),
    (&[147, 161, 193], "there are no files of the kernel"),
    (&[149, 167], "types are those of the running kernel, which has none here"),
    (&[159, 186, 187], "there is no operation of the kernel to decide on"),
    (&[166, 168], "programs run here make no system calls"),
    (&[179], "there are no symbols of the kernel"),
    (&[180], "there are no address spaces of other processes"),
];

pub(super) fn add(helpers: Helpers<Host>) -> Helpers<Host> {
    let all = REFUSED.iter().flat_map(|&(ids, why)| ids.iter().map(move |&id| (id, why)));
    all.fold(helpers, |helpers, (id, why)| helpers.without(id, why))
}
