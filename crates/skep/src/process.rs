//! What `/proc` shows of this process and its kernel: threads, open files, ranges of addresses, symbols.

use crate::task;
use skep_vm::Task;
use std::fs;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// A file that is open, or mapped.
#[derive(Clone, Debug)]
pub(crate) struct OpenFile {
    /// Its number; in a range of addresses, none.
    pub(crate) fd: Option<u32>,
    pub(crate) path: PathBuf,
    pub(crate) pos: u64,
    /// `O_*`
    pub(crate) flags: u32,
    pub(crate) inode: Inode,
}

/// What is behind it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Inode {
    pub(crate) number: u64,
    pub(crate) mode: u32,
    pub(crate) size: u64,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) links: u32,
}

impl Inode {
    fn of(path: &Path) -> Self {
        fs::metadata(path).map_or_else(
            |_| Self::default(),
            |meta| Self {
                number: meta.ino(),
                mode: meta.mode(),
                size: meta.size(),
                uid: meta.uid(),
                gid: meta.gid(),
                links: u32::try_from(meta.nlink()).unwrap_or(u32::MAX),
            },
        )
    }
}

/// A range of addresses of this process.
#[derive(Clone, Debug)]
pub(crate) struct Area {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// `VM_READ`, `VM_WRITE`, `VM_EXEC`, `VM_SHARED`
    pub(crate) flags: u64,
    /// Pages of the file before it.
    pub(crate) page: u64,
    pub(crate) file: Option<OpenFile>,
}

/// A symbol of the running kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) value: u64,
    pub(crate) kind: u8,
    pub(crate) name: String,
    pub(crate) module: String,
}

/// The threads of this process.
pub(crate) fn threads() -> Vec<Task> {
    let entries = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut ids: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    ids.sort_unstable();
    ids.iter().map(|id| task::at(&format!("/proc/self/task/{id}"))).collect()
}

/// The files that this process has open, by number.
pub(crate) fn files() -> Vec<OpenFile> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let mut fds: Vec<u32> =
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    fds.sort_unstable();
    // The directory itself is closed by now.
    fds.into_iter().filter_map(file).collect()
}

fn file(fd: u32) -> Option<OpenFile> {
    let link = format!("/proc/self/fd/{fd}");
    let path = fs::read_link(&link).ok()?;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    let field = |key| info.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
    let flags = field("flags:").and_then(|octal| u32::from_str_radix(octal, 8).ok());
    Some(OpenFile {
        fd: Some(fd),
        path,
        pos: field("pos:").and_then(|pos| pos.parse().ok()).unwrap_or_default(),
        flags: flags.unwrap_or_default(),
        inode: Inode::of(Path::new(&link)),
    })
}

/// The ranges of addresses that this process has, ascending.
pub(crate) fn areas() -> Vec<Area> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    maps.lines().filter_map(area).collect()
}

/// `7f00-7f10 r-xp 00001000 fe:01 1234   /usr/lib/libc.so.6`
fn area(line: &str) -> Option<Area> {
    const PAGE: u64 = 4096;
    let mut words = line.splitn(6, ' ');
    let (start, end) = words.next()?.split_once('-')?;
    let access = words.next()?;
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let page = hex(words.next()?)? / PAGE;
    let (_, number, path) = (words.next()?, words.next()?, words.next().unwrap_or("").trim());
    let bits = access.bytes().zip("rwxs".bytes()).enumerate();
    let flags = bits.map(|(at, (is, set))| u64::from(is == set) << at).sum();
    let file = path.starts_with('/').then(|| OpenFile {
        fd: None,
        path: path.into(),
        pos: 0,
        flags: 0,
        inode: Inode { number: number.parse().unwrap_or_default(), ..Inode::of(Path::new(path)) },
    });
    Some(Area { start: hex(start)?, end: hex(end)?, flags, page, file })
}

/// Copies memory of this process.
///
/// # Errors
/// There is none to read.
pub(crate) fn memory(addr: u64, to: &mut [u8]) -> io::Result<()> {
    fs::File::open("/proc/self/mem")?.read_exact_at(to, addr)
}

/// The symbols of the running kernel; without the privilege to see them their addresses are 0.
pub(crate) fn symbols() -> Vec<Symbol> {
    let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
    text.lines().filter_map(symbol).collect()
}

/// `ffffffff81000000 T _text`, and perhaps a tab and `[module]`.
fn symbol(line: &str) -> Option<Symbol> {
    let mut words = line.split_ascii_whitespace();
    let value = u64::from_str_radix(words.next()?, 16).ok()?;
    let kind = *words.next()?.as_bytes().first()?;
    let name = words.next()?.to_string();
    let module = words.next().unwrap_or("").trim_matches(['[', ']']).to_string();
    Some(Symbol { value, kind, name, module })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_understood() {
        let line = "7f5e1000-7f5e3000 r-xp 00002000 fe:01 1835   /no/such/lib with a space.so";
        let area = area(line).unwrap();
        assert_eq!((area.start, area.end, area.flags, area.page), (0x7f5e_1000, 0x7f5e_3000, 5, 2));
        let file = area.file.unwrap();
        assert_eq!(
            (file.path.to_str(), file.inode.number),
            (Some("/no/such/lib with a space.so"), 1835)
        );
        assert!(super::area("7ffd0000-7ffd1000 rw-s 0 00:00 0 [stack]").unwrap().file.is_none());
        for wrong in ["", "7f5e1000 r-xp 0 fe:01 1", "x-y r-xp 0 fe:01 1", "1-2 r-xp 0"] {
            assert!(super::area(wrong).is_none(), "{wrong}");
        }
        let want = Symbol { value: 0x10, kind: b't', name: "f".into(), module: "nf".into() };
        assert_eq!(symbol("0000000000000010 t f\t[nf]"), Some(want));
        assert_eq!(symbol("0010 T g").unwrap().module, "");
        assert!(symbol("zz T g").is_none() && symbol("10").is_none());
    }

    #[test]
    fn this_process_is_seen() {
        let own = std::process::id();
        assert!(threads().iter().any(|task| task.tid == own && task.pid == own));
        let held = fs::File::open("/proc/self/exe").unwrap();
        let exe = fs::read_link("/proc/self/exe").unwrap();
        let inode = held.metadata().unwrap().ino();
        assert!(files().iter().any(|file| file.path == exe && file.inode.number == inode));
        let word = 0x1234_5678_9abc_def0u64;
        let addr = std::ptr::from_ref(&word).expose_provenance() as u64;
        assert!(
            areas()
                .iter()
                .any(|area| (area.start..area.end).contains(&addr) && area.flags & 2 != 0)
        );
        let mut bytes = [0; 8];
        memory(addr, &mut bytes).unwrap();
        assert_eq!(u64::from_ne_bytes(bytes), word);
        assert!(memory(8, &mut bytes).is_err());
    }
}
