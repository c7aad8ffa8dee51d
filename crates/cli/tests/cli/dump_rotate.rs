//! Files that `skep dump` writes one after another: what they are called, and that none is lost.

use crate::bin::{scratch, skep};
use std::fs;
use std::path::Path;

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A capture with packets of a hundred bytes at these seconds.
fn capture(path: &Path, seconds: impl Iterator<Item = u32>) {
    let header = [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 65535, 1];
    let mut bytes = header.map(u32::to_le_bytes).as_flattened().to_vec();
    for second in seconds {
        bytes.extend([second, 0, 100, 100].map(u32::to_le_bytes).as_flattened());
        bytes.extend([0; 100]);
    }
    fs::write(path, bytes).unwrap();
}

/// A name is refused that two stretches of the clock would share, one after the other, before anything is written.
#[test]
fn a_name_that_does_not_change_is_refused() {
    let dir = scratch("dump-rotate-same");
    for options in [
        "-G 30 -w DIR/o",
        "-G 30 -w DIR/o-%Y%m%d",
        "-G 30 -w DIR/%",
        "-G 30 -w DIR/%%H",
        "-G 57600 -w DIR/%F",
        "-G 30 -W 3 -w DIR/o-%Y%m%d",
        "-G 30 -C 1 -w DIR/o-%Y",
        "-G 30 -C 1 -W 1 -w DIR/o",
    ] {
        let options = options.replace("DIR", &dir.display().to_string());
        let ran = skep(&format!("dump -r examples/traffic.pcap {options}"));
        assert_eq!(ran.code, 2, "{options}");
        assert!(ran.err.contains("a file would replace the one before"), "{}", ran.err);
        assert_eq!(names(&dir), [""; 0], "{options}");
    }
    // One file has none before it.
    let options = format!("-G 3600 -W 1 -w {}/o", dir.display());
    let ran = skep(&format!("dump -r examples/traffic.pcap {options}"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(names(&dir), ["o"]);
}

/// Packets of one day are not given up for those of the next.
#[test]
fn a_capture_replaces_no_file_of_its_own() {
    let dir = scratch("dump-rotate-days");
    let input = scratch("dump-rotate-days-input").join("days.pcap");
    capture(&input, (0..30).map(|hour| hour * 3600 + 7));
    for options in ["", "-C 1k"] {
        let ran =
            skep(&format!("dump -r {} -G 3600 {options} -w {}/%H", input.display(), dir.display()));
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains("/00: would replace packets of an earlier time"), "{}", ran.err);
        assert_eq!(names(&dir).len(), 24);
        for name in names(&dir) {
            let ran = skep(&format!("dump --count -r {}/{name}", dir.display()));
            assert_eq!(ran.out, "1 packet\n", "{name}");
        }
    }
}

/// All files of a stretch have its time, and a number each.
#[test]
fn files_of_a_stretch_have_one_time() {
    let dir = scratch("dump-rotate-numbers");
    let input = scratch("dump-rotate-numbers-input").join("seconds.pcap");
    capture(&input, (300..360).chain([600]));
    for (options, want) in [
        ("-C 1k", vec!["300", "3001", "3002", "3003", "330", "3301", "3302", "3303", "600"]),
        ("-C 2k -W 2", vec!["3000", "3001", "3300", "3301", "6000"]),
        ("-C 2k -W 11", vec!["30000", "30001", "33000", "33001", "60000"]),
        ("-C 2k -W 1", vec!["300", "330", "600"]),
    ] {
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        let ran =
            skep(&format!("dump -r {} -G 30 {options} -w {}/%s", input.display(), dir.display()));
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{options}");
        assert_eq!(names(&dir), want, "{options}");
    }
}

/// No name on the way is that of a capture which is read.
#[test]
fn a_capture_is_not_written_over() {
    let dir = scratch("dump-rotate-read");
    let (input, other) = (dir.join("60"), dir.join("o2"));
    capture(&input, 30..90);
    fs::copy(&input, &other).unwrap();
    let before = fs::read(&input).unwrap();
    let read = format!("dump -r {} -r {}", other.display(), input.display());
    for rotate in ["-G 30 -w DIR/%s", "-C 1k -w DIR/o", "-w DIR/60", "-C 1 -w DIR/o2"] {
        let rotate = rotate.replace("DIR", &dir.display().to_string());
        let ran = skep(&format!("{read} {rotate}"));
        assert_eq!(ran.code, 2, "{rotate}");
        assert!(ran.err.contains("is read and cannot be written as well"), "{}", ran.err);
        assert!(fs::read(&input).unwrap() == before && fs::read(&other).unwrap() == before);
    }
}

/// All that strftime(3) knows, and nothing else.
#[test]
fn times_in_names_are_those_of_strftime() {
    let dir = scratch("dump-rotate-strftime");
    let input = scratch("dump-rotate-strftime-input").join("one.pcap");
    capture(&input, [1_700_000_000].into_iter());
    let ran =
        |name: &str| skep(&format!("dump -r {} -G 1 -w {}/{name}", input.display(), dir.display()));
    // date -u -d @1700000000 +…
    let pattern = "%s-%z-%Z-%u-%w-%U-%W-%V-%G-%g-%C-%h-%k-%l-%P-%r-%c-%X-%Ey-%Od-%-m-%^a";
    let written = ran(pattern);
    assert_eq!((written.code, written.err.as_str()), (0, ""));
    let name = "1700000000-+0000-UTC-2-2-46-46-46-2023-23-20-Nov-22-10-pm-10:13:20 PM-Tue Nov 14 22:13:20 2023-22:13:20-23-14-11-TUE";
    assert_eq!(names(&dir), [name]);
    let refused = ran("%S%Q");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("%Q is not known"), "{}", refused.err);
}
