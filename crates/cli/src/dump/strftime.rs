//! Names of files that hold a time.

/// The pattern of strftime(3) with a second since 1970 in it, as clocks on walls have it and as it is; an unknown
/// conversion is an error.
pub(crate) fn fill(pattern: &str, local: i64, seconds: i64) -> Result<String, char> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let days = local.div_euclid(86_400);
    let of_day = local.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let (year, month, day) = date(days);
    let name = |names: &[&str], n: i64| {
        usize::try_from(n).ok().and_then(|n| names.get(n)).map_or_else(String::new, |s| (*s).into())
    };
    let mut text = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let part = match chars.next() {
            None => "%".to_owned(),
            Some('%') => "%".to_owned(),
            Some('Y') => format!("{year}"),
            Some('y') => format!("{:02}", year % 100),
            Some('m') => format!("{month:02}"),
            Some('d') => format!("{day:02}"),
            Some('e') => format!("{day:2}"),
            Some('H') => format!("{hour:02}"),
            Some('M') => format!("{minute:02}"),
            Some('S') => format!("{second:02}"),
            Some('s') => format!("{seconds}"),
            Some('I') => format!("{:02}", (hour + 11) % 12 + 1),
            Some('p') => if hour < 12 { "AM" } else { "PM" }.to_owned(),
            Some('F') => format!("{year}-{month:02}-{day:02}"),
            Some('T') => format!("{hour:02}:{minute:02}:{second:02}"),
            Some('R') => format!("{hour:02}:{minute:02}"),
            Some('b') => name(&MONTHS, month - 1),
            Some('a') => name(&DAYS, days.rem_euclid(7)),
            Some('j') => format!("{:03}", days - days_of(year, 1, 1) + 1),
            Some(other) => return Err(other),
        };
        text.push_str(&part);
    }
    Ok(text)
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

/// The day since 1970 of a date.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_date_has_it() {
        // date -u -d @1700000000 '+%Y-%m-%d %H:%M:%S %j %a %b %y'
        let text = fill("%Y-%m-%d %H:%M:%S %j %a %b %y", 1_700_000_000, 0);
        assert_eq!(text.as_deref(), Ok("2023-11-14 22:13:20 318 Tue Nov 23"));
        assert_eq!(fill("%F-%T-%R%%", 0, 0).as_deref(), Ok("1970-01-01-00:00:00-00:00%"));
        let at = |hour: i64| fill("%s %I%p", 3600 * hour, 7);
        assert_eq!(
            [at(0), at(12), at(23)],
            ["7 12AM", "7 12PM", "7 11PM"].map(|s| Ok(s.to_owned()))
        );
        assert_eq!(fill("%q", 0, 0), Err('q'));
    }

    #[test]
    fn days_lead_back_to_dates() {
        for day in -200_000..200_000 {
            let (year, month, of_month) = date(day);
            assert_eq!(days_of(year, month, of_month), day);
        }
    }
}
