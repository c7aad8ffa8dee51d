//! Giving up root once all is open: what packets hold is then read without privileges.

use crate::failure::{Failure, Kind};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use std::fs;

/// Who is left where nobody is named, if there is no user of that name.
const NOBODY: u32 = 65_534;

/// Becomes a user, if root runs this. Where files are still to be created beside the first one, `keeps_files`, root
/// remains the owner and gives up everything else that root may do.
///
/// Only the calling thread changes: it is the only one yet, but for one that finds the sockets of processes and sees no packet.
pub(crate) fn drop(user: Option<&str>, keeps_files: bool) -> Result<(), Failure> {
    if !getuid().is_root() || user == Some("root") {
        return Ok(());
    }
    let failed = |err: Errno| {
        let text = format!("giving up root's privileges failed: {err}");
        Failure::new(Kind::Environment, text).help("-Z root keeps them")
    };
    if user.is_some() || !keeps_files {
        let (uid, gid) = ids(user)?;
        match become_user(uid, gid) {
            // A namespace in which root is the only user.
            Err(Errno::PERM | Errno::INVAL) if user.is_none() => {}
            done => done.map_err(failed)?,
        }
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).map_err(failed)?;
    set_no_new_privs(true).map_err(failed)
}

fn become_user(uid: Uid, gid: Gid) -> Result<(), Errno> {
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

/// User and group by the name of the user.
fn ids(user: Option<&str>) -> Result<(Uid, Gid), Failure> {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let wanted = user.unwrap_or("nobody");
    let found = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let mut fields = fields.skip(1);
        let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (name == wanted).then_some((Uid::from_raw(uid), Gid::from_raw(gid)))
    });
    match (found, user) {
        (Some(ids), _) => Ok(ids),
        (None, None) => Ok((Uid::from_raw(NOBODY), Gid::from_raw(NOBODY))),
        (None, Some(user)) => {
            let text = format!("{user}: no such user in /etc/passwd");
            Err(Failure::new(Kind::Environment, text).help("-Z names another"))
        }
    }
}
