//! The time before a line.

use crate::cx::hex;
use crate::options::{Options, Time};

/// Seconds in which no zone changes its offset: all changes fall on quarters of an hour.
const QUARTER: u32 = 900;

/// What is remembered between packets.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// The packet that others are measured against.
    reference: Option<u64>,
    /// A quarter of an hour and the offset of local time in it.
    offset: Option<(u32, i32)>,
    /// A second and how it is written.
    second: Option<(u32, [u8; 8])>,
}

impl Clock {
    /// Writes the time of a packet, in nanoseconds since 1970.
    pub(crate) fn print(&mut self, nanos: u64, o: &Options, out: &mut Vec<u8>) {
        // Time beyond 2106 is not shown, as its seconds have 33 bits.
        let seconds = u32::try_from(nanos / 1_000_000_000).unwrap_or(u32::MAX);
        let fraction = nanos % 1_000_000_000;
        match o.time {
            Time::No => return,
            _ if seconds >> 31 != 0 && matches!(o.time, Time::OfDay | Time::Unix | Time::Date) => {
                out.extend_from_slice(b"[Error converting time]");
            }
            Time::OfDay => {
                self.local(seconds, o, out, false);
                push_fraction(out, fraction, o);
            }
            Time::Date => {
                self.local(seconds, o, out, true);
                push_fraction(out, fraction, o);
            }
            Time::Unix => {
                out.extend_from_slice(itoa::Buffer::new().format(seconds).as_bytes());
                push_fraction(out, fraction, o);
            }
            Time::SincePrevious | Time::SinceFirst => {
                // Times are compared as they are shown.
                let unit = if o.nanos { 1 } else { 1000 };
                let now = nanos / unit * unit;
                let reference = *self.reference.get_or_insert(now);
                let (sign, apart) =
                    if now < reference { (b'-', reference - now) } else { (b' ', now - reference) };
                out.push(sign);
                let seconds = u32::try_from(apart / 1_000_000_000).unwrap_or(u32::MAX);
                out.extend_from_slice(&of_day(seconds));
                push_fraction(out, apart % 1_000_000_000, o);
                if o.time == Time::SincePrevious {
                    self.reference = Some(now);
                }
            }
        }
        out.push(b' ');
    }

    fn local(&mut self, seconds: u32, o: &Options, out: &mut Vec<u8>, date: bool) {
        let offset = match self.offset {
            Some((quarter, offset)) if quarter == seconds / QUARTER => offset,
            _ => {
                let offset = (o.zone)(seconds);
                self.offset = Some((seconds / QUARTER, offset));
                offset
            }
        };
        let local = i64::from(seconds) + i64::from(offset);
        if date {
            push_date(out, local.div_euclid(86_400));
            out.push(b' ');
        }
        let text = match self.second {
            Some((second, text)) if second == seconds => text,
            _ => {
                let text = of_day(u32::try_from(local.rem_euclid(86_400)).unwrap_or(0));
                self.second = Some((seconds, text));
                text
            }
        };
        out.extend_from_slice(&text);
    }
}

/// `HH:MM:SS`.
fn of_day(seconds: u32) -> [u8; 8] {
    let [h1, h2] = two(seconds / 3600 % 24);
    let [m1, m2] = two(seconds / 60 % 60);
    let [s1, s2] = two(seconds % 60);
    [h1, h2, b':', m1, m2, b':', s1, s2]
}

/// Two decimal digits: those of the number in hexadecimal whose digits are the same.
fn two(n: u32) -> [u8; 2] {
    hex(u8::try_from(n / 10 % 10 * 16 + n % 10).unwrap_or(0))
}

fn push_fraction(out: &mut Vec<u8>, nanos: u64, o: &Options) {
    let (mut number, digits) = if o.nanos { (nanos, 9) } else { (nanos / 1000, 6) };
    let mut text = *b".000000000";
    for digit in text.iter_mut().skip(1).take(digits).rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    out.extend_from_slice(text.get(..=digits).unwrap_or_default());
}

/// Year, month and day of a day since 1970, by eras of 400 years that begin in March.
fn date(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn push_date(out: &mut Vec<u8>, day: i64) {
    let (year, month, day) = date(day);
    out.extend_from_slice(itoa::Buffer::new().format(year).as_bytes());
    for part in [month, day] {
        out.push(b'-');
        out.extend_from_slice(&two(u32::try_from(part).unwrap_or(0)));
    }
}

/// `YYYY-MM-DDTHH:MM:SSZ` of a second since 1970.
pub(crate) fn push_utc(out: &mut Vec<u8>, unix: i64) {
    push_date(out, unix.div_euclid(86_400));
    out.push(b'T');
    out.extend_from_slice(&of_day(u32::try_from(unix.rem_euclid(86_400)).unwrap_or(0)));
    out.push(b'Z');
}

/// `Thu Jan  1 00:00:00 1970` of a local second since 1970.
pub(crate) fn push_ctime(out: &mut Vec<u8>, local: i64) {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let days = local.div_euclid(86_400);
    let (year, month, day) = date(days);
    let name = |names: &[&'static str], n: i64| {
        usize::try_from(n).ok().and_then(|n| names.get(n).copied()).unwrap_or("?")
    };
    let (weekday, month) = (name(&DAYS, days.rem_euclid(7)), name(&MONTHS, month - 1));
    let time = of_day(u32::try_from(local.rem_euclid(86_400)).unwrap_or(0));
    out.extend_from_slice(format!("{weekday} {month} {day:2} ").as_bytes());
    out.extend_from_slice(&time);
    out.extend_from_slice(format!(" {year}").as_bytes());
}
