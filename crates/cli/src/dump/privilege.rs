//! Giving up root once all is open: what packets hold is then read without privileges.

use crate::failure::{Failure, Kind};
use rustix::io::Errno;
use rustix::process::{Gid, Uid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

/// Who is left where nobody is named, if there is no user of that name.
const NOBODY: u32 = 65_534;

/// What is still to be done with files after that.
#[derive(Clone, Copy)]
pub(crate) struct Files<'a> {
    /// What they are called, perhaps by a pattern.
    pub(crate) path: &'a Path,
    /// The one that is written now.
    pub(crate) first: Option<&'a Path>,
    /// Whether others are to be created beside it.
    pub(crate) more: bool,
}

/// Whether root runs this, and is not to stay.
pub(crate) fn is_given_up(user: Option<&str>) -> bool {
    getuid().is_root() && user != Some("root")
}

/// Becomes a user, if root runs this: the one that is named, else the owner of the directory where more files are to be
/// created, else nobody. Where that is root, everything else that root may do is given up. The file that is
/// written now becomes that user's if it is to be opened again.
///
/// Only the calling thread changes: it is the only one yet, but for one that finds the sockets of processes and sees no
/// packet. Those that ask for hosts of an expression have ended: where one got no answer, nothing is captured.
pub(crate) fn drop(user: Option<&str>, files: Option<Files<'_>>) -> Result<(), Failure> {
    if !is_given_up(user) {
        return Ok(());
    }
    let failed = |err: Errno| {
        let text = format!("giving up root's privileges failed: {err}");
        Failure::new(Kind::Environment, text).help("-Z root keeps them")
    };
    let (uid, gid) = match files.filter(|files| files.more && user.is_none()) {
        Some(files) => owner(files.path).map_err(|err| Failure::file(files.path, &err))?,
        None => ids(user)?,
    };
    if !uid.is_root() {
        if let Some(Files { first: Some(first), more, .. }) = files
            && (more || user.is_some())
        {
            let owned = chown(first, Some(uid.as_raw()), Some(gid.as_raw()));
            owned.map_err(|err| Failure::file(first, &err))?;
        }
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

/// Who owns the directory of a file, or the last one on the way there.
fn owner(file: &Path) -> io::Result<(Uid, Gid)> {
    let is_there = |dir: &&Path| !dir.as_os_str().is_empty() && dir.exists();
    let dir = file.ancestors().skip(1).find(is_there).unwrap_or(Path::new("."));
    let dir = fs::metadata(dir)?;
    Ok((Uid::from_raw(dir.uid()), Gid::from_raw(dir.gid())))
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
