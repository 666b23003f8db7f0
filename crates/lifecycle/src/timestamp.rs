//! A moment, without a clock.

use std::fmt;
use std::time::Duration;

/// Seconds since 1970-01-01T00:00:00Z. Shells read a clock and hand it in; nothing here does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment `later` after this one.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later.as_secs()))
    }

    /// How long ago `earlier` was; nothing if it is still to come.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// `yyyymmddhhmmss` in UTC, as it stands in an agent's name.
    pub fn compact(self) -> String {
        let (year, month, day, hour, minute, second) = self.civil();
        format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}")
    }

    /// Reads what `Display` writes: `yyyy-mm-ddThh:mm:ssZ`, and the same with a fraction, which is dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let time = time.split('.').next()?;
        Self::from_civil(numbers(date, '-')?, numbers(time, ':')?)
    }

    /// Reads what [`Timestamp::compact`] writes.
    pub fn parse_compact(text: &str) -> Option<Self> {
        if text.len() != 14 || !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let part = |from: usize, to: usize| text[from..to].parse::<u64>().unwrap_or_default();
        Self::from_civil([part(0, 4), part(4, 6), part(6, 8)], [part(8, 10), part(10, 12), part(12, 14)])
    }

    fn from_civil([year, month, day]: [u64; 3], [hour, minute, second]: [u64; 3]) -> Option<Self> {
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 60 {
            return None;
        }
        let days = days_from_civil(year, month, day);
        Some(Self(days * 86_400 + hour * 3_600 + minute * 60 + second))
    }

    fn civil(self) -> (u64, u64, u64, u64, u64, u64) {
        // Days to a date of the proleptic Gregorian calendar; eras of 400 years that begin on 1 March keep leap days
        // at the end of a year, which makes it arithmetic without a table.
        let (days, rest) = (self.0 / 86_400 + 719_468, self.0 % 86_400);
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        (year, month, day, rest / 3_600, rest / 60 % 60, rest % 60)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day, hour, minute, second) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut parts = text.split(separator).map(|part| part.parse::<u64>().ok());
    let found = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(found)
}

fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn writes_and_reads_the_calendar() {
        let known = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_827_696, "2000-02-29T12:34:56Z"),
            (1_795_478_400, "2026-11-24T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ];
        for (seconds, text) in known {
            assert_eq!(Timestamp(seconds).to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(Timestamp(seconds)), "{text}");
            let compact = Timestamp(seconds).compact();
            assert_eq!(Timestamp::parse_compact(&compact), Some(Timestamp(seconds)), "{compact}");
        }
    }

    #[test]
    fn every_day_of_two_centuries_reads_back() {
        for day in 0..73_000_u64 {
            let moment = Timestamp(day * 86_400 + 86_399);
            assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        }
    }

    #[test]
    fn reads_fractions_and_refuses_what_is_no_moment() {
        assert_eq!(Timestamp::parse("1970-01-01T00:01:00.1234567Z"), Some(Timestamp(60)));
        for text in [
            "",
            "yesterday",
            "2026-11-24",
            "2026-13-01T00:00:00Z",
            "2026-11-24T25:00:00Z",
            "2026-11-24T00:00:00",
        ] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
        }
        for text in ["", "20261124", "20261324000000", "2026112425000x", "202611240000000"] {
            assert_eq!(Timestamp::parse_compact(text), None, "{text}");
        }
    }
}
