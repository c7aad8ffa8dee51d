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
    fn redirects_name_an_interface_and_an_output() {
        let want = RedirectTo { ifindex: 7, to: "a=b.pcap".into() };
        assert_eq!("7=a=b.pcap".parse(), Ok(want));
        for text in ["", "7", "7=", "x=y.pcap", "-1=y.pcap", "4294967296=y.pcap"] {
            assert!(text.parse::<RedirectTo>().is_err(), "{text:?}");
        }
    }
}
