//! Kinds of argument.

use skep::Action;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Which packets to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Which {
    /// Those that go on their way.
    Pass,
    /// Those that end, aborted ones too.
    Drop,
    /// Those that go back where they came from.
    Tx,
    /// Each, whatever its verdict.
    All,
}

impl Which {
    pub(crate) const fn takes(self, action: Action) -> bool {
        match self {
            Self::Pass => matches!(action, Action::Pass),
            Self::Drop => matches!(action, Action::Drop | Action::Aborted),
            Self::Tx => matches!(action, Action::Tx),
            Self::All => true,
        }
    }
}

/// Which maps to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WhichMaps {
    /// None.
    None,
    /// What programs wrote: no constants, no zero entries of arrays.
    Written,
    /// Everything.
    All,
}

/// What runs the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum WhichEngine {
    /// The interpreter.
    Interp,
    /// Machine code.
    Jit,
    /// Machine code where there is some.
    Auto,
}

/// `IFINDEX=OUT`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RedirectTo {
    pub(crate) ifindex: u32,
    pub(crate) to: PathBuf,
}

impl FromStr for RedirectTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ifindex, to) = text.split_once('=').ok_or("expected IFINDEX=OUT")?;
        let ifindex = ifindex.parse().map_err(|_| format!("`{ifindex}` is no interface index"))?;
        if to.is_empty() {
            return Err("nothing after `=`".to_string());
        }
        Ok(Self { ifindex, to: to.into() })
    }
}

/// The context of a call: hexadecimal digits, perhaps with spaces between, or `@FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CtxArg {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl FromStr for CtxArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix('@') {
            return match path {
                "" => Err("nothing after `@`".to_string()),
                path => Ok(Self::File(path.into())),
            };
        }
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b' ').collect();
        let value =
            |digit: &u8| char::from(*digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let wrong = || format!("`{text}` is neither bytes as 2a00ff nor a file as @ctx.bin");
        let values: Option<Vec<u8>> = digits.iter().map(value).collect();
        let values = values.filter(|values| values.len() % 2 == 0).ok_or_else(wrong)?;
        Ok(Self::Bytes(values.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
    }
}

/// `5s`, `20ms`, `1.5s`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "" | "s" => 1.0,
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        unit => return Err(format!("unknown unit `{unit}`, expected s, ms, us, ns, m or h")),
    };
    let number: f64 =
        digits.parse().map_err(|_| "expected a number and a unit, as 5s".to_string())?;
    match Duration::try_from_secs_f64(number * scale) {
        Ok(Duration::ZERO) => Err("must be more than nothing".to_string()),
        Ok(time) => Ok(time),
        Err(err) => Err(err.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let table = [
            ("5s", Some(Duration::from_secs(5))),
            ("5", Some(Duration::from_secs(5))),
            ("20ms", Some(Duration::from_millis(20))),
            ("1.5s", Some(Duration::from_millis(1500))),
            ("10us", Some(Duration::from_micros(10))),
            ("2m", Some(Duration::from_secs(120))),
            ("1h", Some(Duration::from_secs(3600))),
            ("0s", None),
            ("-1s", None),
            ("1e30s", None),
            ("5 years", None),
            ("s", None),
            ("NaN", None),
            ("", None),
            ("5µs", None),
        ];
        for (text, want) in table {
            assert_eq!(duration(text).ok(), want, "{text:?}");
        }
    }

    #[test]
    fn contexts_are_bytes_or_files() {
        assert_eq!("".parse(), Ok(CtxArg::Bytes(vec![])));
        assert_eq!("2a 00Ff".parse(), Ok(CtxArg::Bytes(vec![0x2a, 0, 0xff])));
        assert_eq!("@a b".parse(), Ok(CtxArg::File("a b".into())));
        for text in ["@", "2", "2a0", "0x2a", "ctx.bin", "2µ"] {
            assert!(text.parse::<CtxArg>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn redirects_name_an_interface_and_an_output() {
        let want = RedirectTo { ifindex: 7, to: "a=b.pcap".into() };
        assert_eq!("7=a=b.pcap".parse(), Ok(want));
        for text in ["", "7", "7=", "x=y.pcap", "-1=y.pcap", "4294967296=y.pcap"] {
            assert!(text.parse::<RedirectTo>().is_err(), "{text:?}");
        }
    }
}
