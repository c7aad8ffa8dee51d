//! How many values a per-CPU map has.

use std::{fs, io};

/// CPUs that this kernel may ever have, of each of which per-CPU maps hold a value. Fixed at boot.
///
/// # Errors
/// If `/sys` does not say.
pub fn possible_cpus() -> io::Result<u32> {
    let text = fs::read_to_string("/sys/devices/system/cpu/possible")?;
    parse(text.trim()).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
}

/// Source: cpulist format, `Documentation/admin-guide/cputopology.rst`.
fn parse(list: &str) -> Option<u32> {
    list.split(',').try_fold(0u32, |count, range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        count.checked_add(last.checked_sub(first)?.checked_add(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let table = [
            ("0", Some(1)),
            ("0-1", Some(2)),
            ("0-127", Some(128)),
            ("0,2-5", Some(5)),
            ("0,7", Some(2)),
            ("", None),
            ("0-4294967295", None),
            ("5-2", None),
            ("x", None),
        ];
        for (list, want) in table {
            assert_eq!(parse(list), want, "{list}");
        }
    }
}
