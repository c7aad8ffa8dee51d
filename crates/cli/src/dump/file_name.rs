//! Names of files that hold a time.

use super::source::now;
use crate::failure::{Failure, Kind};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const NANOS: u64 = 1_000_000_000;
/// Stretches of the clock whose names are compared.
const STRETCHES: u64 = 100;

/// The name for a time, in nanoseconds since 1970, by a pattern of strftime(3).
pub(crate) fn fill(pattern: &Path, time: u64) -> Result<PathBuf, Failure> {
    let seconds = i64::try_from(time / NANOS).unwrap_or(i64::MAX);
    let name = skep_hooks::strftime(pattern.as_os_str().as_bytes(), seconds);
    let name = name.ok_or_else(|| {
        let text = format!("{}: no name of a file, with a time in it", pattern.display());
        Failure::new(Kind::Usage, text)
    })?;
    Ok(OsString::from_vec(name).into())
}

/// Refuses a pattern with a conversion that strftime(3) does not have.
pub(crate) fn check_conversions(pattern: &Path) -> Result<(), Failure> {
    let Some(unknown) = unknown(&pattern.to_string_lossy()) else { return Ok(()) };
    let text = format!("{}: %{unknown} is not known", pattern.display());
    Err(Failure::new(Kind::Usage, text).help("those of strftime(3) are, and %% is a percent sign"))
}

/// Refuses a pattern by which a stretch of the clock of so many seconds begins with a name that the one before it may
/// have, which has that of its beginning or, if packets come late, that of a second before its end.
pub(crate) fn check_stretches(pattern: &Path, seconds: u32) -> Result<(), Failure> {
    let seconds = u64::from(seconds.max(1));
    let now = now() / NANOS;
    let stretch = now.saturating_add_signed(offset(now)) / seconds;
    let mut earlier = None;
    for next in stretch..=stretch + STRETCHES {
        let local = next * seconds;
        let guess = local.saturating_add_signed(-offset(now));
        let begin = local.saturating_add_signed(-offset(guess));
        let Some(time) = begin.checked_mul(NANOS) else { break };
        let name = fill(pattern, time)?;
        let before = fill(pattern, time.saturating_sub(NANOS))?;
        // Where clocks are put back, a stretch is longer.
        let is_usual =
            offset(begin.saturating_sub(1)) == offset(begin) && offset(begin) == offset(now);
        if is_usual && (before == name || earlier.as_ref() == Some(&name)) {
            return Err(replaces(pattern, "a file would replace the one before"));
        }
        earlier = is_usual.then_some(name);
    }
    Ok(())
}

/// Why a name is not taken.
pub(crate) fn replaces(name: &Path, why: &str) -> Failure {
    let help = "let the name have all of the time in it, as in trace-%Y%m%d-%H%M%S.pcap";
    Failure::new(Kind::Usage, format!("{}: {why}", name.display())).help(help)
}

/// Seconds that clocks on walls are ahead at a second.
fn offset(second: u64) -> i64 {
    skep_hooks::utc_offset(u32::try_from(second).unwrap_or(u32::MAX)).into()
}

/// The first conversion that is none.
fn unknown(pattern: &str) -> Option<char> {
    const KNOWN: &str = "%aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ";
    let mut chars = pattern.chars();
    while chars.by_ref().any(|c| c == '%') {
        // Flags, a width and a modifier may come before.
        let letter = chars.find(|c| !c.is_ascii_digit() && !"_-^#EO".contains(*c))?;
        if !KNOWN.contains(letter) {
            return Some(letter);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_known() {
        for known in ["", "%", "a%%q", "%Y-%m", "%-d%_5e%^a%#Z%Ex%Oy%03d", "%D %z %k %P", "ä%Y"] {
            assert_eq!(unknown(known), None, "{known}");
        }
        for (pattern, letter) in [("%q", 'q'), ("%Y%Q", 'Q'), ("%Eä", 'ä'), ("%%%N", 'N')] {
            assert_eq!(unknown(pattern), Some(letter), "{pattern}");
        }
    }

    #[test]
    fn stretches_have_names_of_their_own() {
        let is_taken =
            |pattern: &str, seconds| check_stretches(Path::new(pattern), seconds).is_ok();
        for (pattern, seconds) in [
            ("%s", 1),
            ("%S", 1),
            ("%T", 7),
            ("%H", 3600),
            ("%H%M", 60),
            ("%F", 86_400),
            ("%F %H", 90_000),
        ] {
            assert!(is_taken(pattern, seconds), "{pattern} {seconds}");
        }
        for (pattern, seconds) in [
            ("o", 1),
            ("%", 30),
            ("%%Y", 30),
            ("%F", 30),
            ("%F", 57_600),
            ("%M", 3600),
            ("%H", 86_400),
            ("%H%M", 59),
            ("%H%M", 90),
            ("%Y%j", 90_000),
            ("%Y", 200_000_000),
        ] {
            assert!(!is_taken(pattern, seconds), "{pattern} {seconds}");
        }
    }
}
