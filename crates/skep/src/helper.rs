//! The helpers of packet hooks, on top of those that every program may call.

mod bytes;
pub(crate) mod conntrack;
mod cookie;
mod csum;
mod meta;
mod offload;
mod process;
mod refused;
mod room;
mod route;
mod send;
pub(crate) mod socket;
mod sockopt;
pub(crate) mod tunnel;

use crate::host::Host;
use skep_abi::Errno;
use skep_vm::{Helpers, builtin};
use std::sync::{Arc, LazyLock};

/// All that the user engine offers to programs at packet hooks: one table for all sessions.
pub(crate) fn helpers() -> Arc<Helpers<Host>> {
    static ALL: LazyLock<Arc<Helpers<Host>>> = LazyLock::new(|| Arc::new(make()));
    Arc::clone(&ALL)
}

fn make() -> Helpers<Host> {
    let helpers = bytes::add(builtin());
    let helpers = csum::add(helpers);
    let helpers = meta::add(helpers);
    let helpers = room::add(helpers);
    let helpers = route::add(helpers);
    let helpers = socket::add(helpers);
    let helpers = send::add(helpers);
    let helpers = tunnel::add(helpers);
    let helpers = cookie::add(helpers);
    let helpers = conntrack::add(helpers);
    let helpers = process::add(helpers);
    let helpers = sockopt::add(helpers);
    let helpers = offload::add(helpers);
    refused::add(helpers)
}

/// What a helper leaves in r0 for the outcome of an operation.
fn status(result: Result<(), Errno>) -> u64 {
    result.map_or_else(Errno::r0, |()| 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::fmt::Write as _;
    use std::{env, fs, path::Path};

    /// Number and full name of every helper of the kernel.
    fn all() -> impl Iterator<Item = (i32, String)> {
        let name = |id: i32| skep_abi::helper_name(id.cast_unsigned());
        (1..).map_while(move |id| Some((id, format!("bpf_{}", name(id)?))))
    }

    #[test]
    fn helpers_have_the_numbers_of_the_kernel() {
        let all: Vec<_> = all().collect();
        for (id, name) in helpers().names() {
            assert!(
                all.iter().any(|known| (known.0, known.1.as_str()) == (id, name)),
                "{id} {name}"
            );
        }
    }

    #[test]
    fn kernel_functions_have_the_names_of_the_kernel() {
        for name in helpers().kfuncs() {
            assert!(skep_abi::Kfunc::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_helper_is_served_or_refused_with_a_reason() {
        let helpers = helpers();
        let served: Vec<_> = helpers.ids().collect();
        for (id, name) in all() {
            let refused = helpers.why_not(id).is_some();
            assert_ne!(served.contains(&id), refused, "{id} {name}");
        }
    }

    #[test]
    fn a_kernel_function_is_served_or_refused_with_a_reason() {
        let helpers = helpers();
        for kfunc in skep_abi::Kfunc::all() {
            let served = helpers.kfuncs().any(|name| name == kfunc.name);
            let refused = helpers.why_no_kfunc(kfunc.name).is_some();
            assert_ne!(served, refused, "{}", kfunc.name);
        }
    }

    fn is_for_packets(id: i32) -> bool {
        use skep_abi::ProgType::{CgroupSkb, SchedAct, SchedCls, SocketFilter, Xdp};
        let helper = skep_abi::Helper::find(id.cast_unsigned()).unwrap();
        [Xdp, SchedCls, SchedAct, SocketFilter, CgroupSkb].iter().any(|&of| helper.admits(of, None))
    }

    fn page() -> Result<String, std::fmt::Error> {
        let (every, packets) = (builtin::<Host>(), helpers());
        let everywhere: Vec<_> = every.ids().collect();
        let served = packets.names().count();
        let mut page = format!(
            "# Helpers and kernel functions of the user engine\n\n\
             <!-- Written by the tests of `crates/skep/src/helper.rs`; `UPDATE=1 cargo test -p skep` renews it. -->\n\n\
             The user engine serves {served} of the {} helpers of Linux 6.18 and {} of its {} kernel\n\
             functions. A program that calls any other is refused by name before it runs.\n\n\
             Routes, sockets, tracked connections, devices and tasks are those that the user gives to a session\n\
             (`Session::set_network`, `set_task`, `set_tasks`; `skep run --world`); the current task is this\n\
             thread unless another is set. Tasks and cgroups can be read as far as the types of a kernel are\n\
             given. Programs of type syscall are called (`skep run --ctx`), and iterators go over what this\n\
             process is: its threads, open files and ranges of addresses, the maps and programs of the session,\n\
             sockets and cgroups of the user, the kernel's symbols. Timers and pieces of work are looked at\n\
             before each packet or call: with the clock of packets, a capture's own times drive them. A function\n\
             that the kernel has for other program types is refused as it is there; ciphers are `ecb` and `cbc`\n\
             of AES, DES and triple DES. Users of `skep-vm` also describe the stack of a traced call.\n\n\
             ## Helpers\n\n| number | helper | for |\n|---|---|---|\n",
            all().count(),
            packets.kfuncs().count(),
            skep_abi::Kfunc::all().len(),
        );
        for (id, name) in packets.names() {
            let programs = match id {
                id if everywhere.contains(&id) => "every program",
                id if is_for_packets(id) => "packets",
                _ => "calls and iterators",
            };
            writeln!(page, "| {id} | `{name}` | {programs} |")?;
        }
        page.push_str("\n## Kernel functions\n\n");
        for name in packets.kfuncs() {
            writeln!(page, "- `{name}`")?;
        }
        page.push_str("\n## Kernel functions refused\n\n| why | functions |\n|---|---|\n");
        let mut refused = BTreeMap::<_, Vec<_>>::new();
        for kfunc in skep_abi::Kfunc::all() {
            if let Some(why) = packets.why_no_kfunc(kfunc.name) {
                refused.entry(why).or_default().push(format!("`{}`", kfunc.name));
            }
        }
        for (why, names) in refused {
            writeln!(page, "| {why} | {} |", names.join(", "))?;
        }
        page.push_str("\n## Helpers refused\n\n| number | helper | why |\n|---|---|---|\n");
        for (id, name) in all() {
            if let Some(why) = packets.why_not(id) {
                writeln!(page, "| {id} | `{name}` | {why} |")?;
            }
        }
        Ok(page)
    }

    #[test]
    fn the_page_lists_what_is_served() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/helpers.md");
        let page = page().unwrap();
        if env::var_os("UPDATE").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let on_file = fs::read_to_string(&path).unwrap_or_default();
        assert!(on_file == page, "docs/helpers.md is old: run with UPDATE=1");
    }
}
