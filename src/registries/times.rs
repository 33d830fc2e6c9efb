//! The times that registries write into their documents, whatever their zone and however many digits.

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

pub use crate::base::clock::{print_millis, print_seconds};

/// Longer texts are no times, and are not looked at.
const MAX_TEXT: usize = 64;

/// Reads a time, in any zone, or in UTC where it names none; `None` for anything else, and for times before 1970.
///
/// Source: RFC 3339 §5.6; contract niso §1 and nessemble §5.4 for times without a zone.
pub fn parse_time(text: &str) -> Option<OffsetDateTime> {
    if text.len() > MAX_TEXT {
        return None;
    }
    let zoned = |text: &str| OffsetDateTime::parse(text, &Rfc3339).ok();
    let time = zoned(text).or_else(|| zoned(&format!("{text}Z")))?;
    time.checked_to_offset(UtcOffset::UTC).filter(|time| time.unix_timestamp() >= 0)
}

/// Reads `YYYY-MM-DD`: the start of that day in UTC.
pub fn parse_day(text: &str) -> Option<OffsetDateTime> {
    if text.len() != "YYYY-MM-DD".len() { None } else { parse_time(&format!("{text}T00:00:00Z")) }
}

/// Prints the day of a time in UTC as `YYYY-MM-DD`.
pub fn print_day(time: OffsetDateTime) -> String {
    let (year, month, day) = time.to_calendar_date();
    format!("{year:04}-{:02}-{day:02}", u8::from(month))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_upstreams_send() {
        for (text, seconds, millis) in [
            ("2024-03-01T12:30:45", "2024-03-01T12:30:45", "2024-03-01T12:30:45.000Z"),
            ("2024-03-01T12:30:45Z", "2024-03-01T12:30:45", "2024-03-01T12:30:45.000Z"),
            ("2024-03-01T12:30:45.5", "2024-03-01T12:30:45", "2024-03-01T12:30:45.500Z"),
            ("2024-03-01T12:30:45.123456Z", "2024-03-01T12:30:45", "2024-03-01T12:30:45.123Z"),
            ("2024-03-01T12:30:45+08:00", "2024-03-01T04:30:45", "2024-03-01T04:30:45.000Z"),
            ("2024-02-29T23:59:59.999-05:30", "2024-03-01T05:29:59", "2024-03-01T05:29:59.999Z"),
            ("1970-01-01T00:00:00", "1970-01-01T00:00:00", "1970-01-01T00:00:00.000Z"),
        ] {
            let time = parse_time(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((print_seconds(time).as_str(), print_millis(time).as_str()), (seconds, millis), "{text}");
            assert_eq!(parse_time(&print_millis(time)).map(print_millis).as_deref(), Some(millis), "{text}");
        }
    }

    #[test]
    fn days_are_read_and_printed_in_one_form() {
        assert_eq!(parse_day("2024-02-29").map(print_day).as_deref(), Some("2024-02-29"));
        for text in ["", "2024-02-30", "2024-2-3", "2024-02-29T", "+024-02-29", "24-02-29", "2024-02-29T00"] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        let long = format!("2024-03-01T12:30:45.{}Z", "0".repeat(100));
        for text in [
            "",
            "yesterday",
            "2024-03-01",
            "2024-13-01T00:00:00",
            "2023-02-29T00:00:00",
            "2024-03-01T25:00:00",
            "1969-12-31T23:59:59",
            "9999-12-31T23:59:59-23:59",
            "2024-03-01T12:30:45ZZ",
            "1709296245",
            "2024-03-01T12:30:4\u{e9}",
            &long,
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
