//! The thread that runs programs, as `/proc` shows it.

use skep_vm::Task;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// This thread. What `/proc` does not show is 0 or empty.
pub(crate) fn current() -> Task {
    at("/proc/thread-self")
}

/// The thread of this process with this directory.
pub(crate) fn at(dir: &str) -> Task {
    let status = fs::read_to_string(format!("{dir}/status")).unwrap_or_default();
    let comm = fs::read(format!("{dir}/comm")).unwrap_or_default();
    let pid_ns = fs::metadata("/proc/self/ns/pid").map(|ns| (ns.dev(), ns.ino()));
    let pid = std::process::id();
    Task {
        tid: number(&status, "Pid:").unwrap_or(pid),
        pid,
        uid: number(&status, "Uid:").unwrap_or_default(),
        gid: number(&status, "Gid:").unwrap_or_default(),
        comm: comm.strip_suffix(b"\n").unwrap_or(&comm).to_vec(),
        cgroups: cgroups(&fs::read_to_string("/proc/self/cgroup").unwrap_or_default()),
        pid_ns: pid_ns.unwrap_or_default(),
    }
}

/// The first number of a line of `/proc/PID/status`.
fn number(status: &str, key: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Numbers of the cgroup in the unified hierarchy and of those around it, the root first.
fn cgroups(text: &str) -> Vec<u64> {
    directories(text).iter().map_while(|dir| fs::metadata(dir).ok()).map(|dir| dir.ino()).collect()
}

fn directories(text: &str) -> Vec<PathBuf> {
    let Some(path) = text.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return Vec::new();
    };
    let root = Path::new("/sys/fs/cgroup");
    let mut dirs: Vec<_> = root.join(path).ancestors().map(Path::to_path_buf).collect();
    dirs.retain(|dir| dir.starts_with(root));
    dirs.reverse();
    dirs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_understood() {
        let status = "Name:\tcat\nPid:\t812\nUid:\t1000\t0\t0\t0\n";
        assert_eq!(number(status, "Pid:"), Some(812));
        assert_eq!(number(status, "Uid:"), Some(1000));
        assert_eq!(number(status, "Gid:"), None);
        let dirs = directories("12:cpu:/x\n0::/user.slice/a.scope\n");
        let want =
            ["/sys/fs/cgroup", "/sys/fs/cgroup/user.slice", "/sys/fs/cgroup/user.slice/a.scope"];
        assert_eq!(dirs, want.map(PathBuf::from));
        assert_eq!(directories("0::/\n"), [PathBuf::from("/sys/fs/cgroup")]);
        assert!(directories("1:cpu:/x\n").is_empty());
    }

    #[test]
    fn this_thread_is_known() {
        let task = current();
        assert_eq!(task.pid, std::process::id());
        assert!(task.tid != 0 && !task.comm.is_empty());
    }
}
