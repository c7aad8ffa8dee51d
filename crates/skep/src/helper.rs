//! The helpers of packet hooks, on top of those that every program may call.

mod bytes;
mod csum;
mod meta;
mod room;
mod route;
mod send;
mod socket;

use crate::host::Host;
use skep_abi::Errno;
use skep_vm::{Helpers, builtin};

/// All that the user engine offers to programs at packet hooks.
pub(crate) fn helpers() -> Helpers<Host> {
    let helpers = bytes::add(builtin());
    let helpers = csum::add(helpers);
    let helpers = meta::add(helpers);
    let helpers = room::add(helpers);
    let helpers = route::add(helpers);
    let helpers = socket::add(helpers);
    send::add(helpers)
}

/// What a helper leaves in r0 for the outcome of an operation.
fn status(result: Result<(), Errno>) -> u64 {
    result.map_or_else(Errno::r0, |()| 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_have_the_numbers_of_the_kernel() {
        for (id, name) in helpers().names() {
            let known = u32::try_from(id).ok().and_then(skep_abi::helper_name);
            assert_eq!(Some(name), known.map(|name| format!("bpf_{name}")).as_deref(), "{id}");
        }
    }
}
