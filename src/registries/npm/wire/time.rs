//! The times that documents hold, as milliseconds.

/// Reads an RFC 3339 time as milliseconds since 1970; `None` for anything else, and for times before.
///
/// Upstreams send other offsets than `Z` and more digits than three (contract npm §18.2); what lies below a
/// millisecond is cut off.
///
/// Source: RFC 3339 §5.6.
pub fn parse_time(text: &str) -> Option<u64> {
    let (date, time) = text.split_at_checked(10)?;
    let time = time.strip_prefix(['T', 't', ' '])?;
    let [year, month, day] = numbers(date, b'-', [4, 2, 2])?;
    let (clock, rest) = time.split_at_checked(8)?;
    let [hour, minute, second] = numbers(clock, b':', [2, 2, 2])?;
    let (millis, zone) = parse_fraction(rest)?;
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !fits {
        return None;
    }
    let seconds = days_since_1970(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - parse_zone(zone)?;
    u64::try_from(seconds * 1_000 + millis).ok()
}

/// Reads three numbers of fixed widths with a separator between them.
fn numbers(text: &str, separator: u8, widths: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(char::from(separator));
    let mut found = [0; 3];
    for (slot, width) in found.iter_mut().zip(widths) {
        let part = parts.next().filter(|part| part.len() == width && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

/// Splits `.123456Z` into milliseconds and the zone.
fn parse_fraction(text: &str) -> Option<(i64, &str)> {
    let Some(rest) = text.strip_prefix('.') else { return Some((0, text)) };
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, zone) = rest.split_at(length);
    let millis: i64 = format!("{digits:0<3}")[..3].parse().ok()?;
    (length > 0).then_some((millis, zone))
}

/// Returns the seconds that a zone is ahead of UTC.
fn parse_zone(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let [hours, minutes, _] = numbers(&format!("{}:00", &text[1..]), b':', [2, 2, 2])?;
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Counts days in the Gregorian calendar. The year is counted from March, so that the leap day is its last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    // Months from March on have 31, 30, 31, 30, 31 days, twice over; 719 468 days lie before 1970.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_form_upstreams_send() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.001Z", Some(1)),
            ("2000-02-29T12:00:00.000Z", Some(951_825_600_000)),
            ("2024-03-01T00:00:00Z", Some(1_709_251_200_000)),
            ("2025-01-29T00:00:00.000Z", Some(1_738_108_800_000)),
            ("2025-01-29T08:00:00+08:00", Some(1_738_108_800_000)),
            ("2025-01-28T18:30:00.000-05:30", Some(1_738_108_800_000)),
            ("2025-01-29t00:00:00.123456z", Some(1_738_108_800_123)),
            ("2025-01-29 00:00:00.5Z", Some(1_738_108_800_500)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800_000)),
            ("1969-12-31T23:59:59Z", None),
            ("2025-01-29", None),
            ("2025-01-29T00:00:00", None),
            ("2025-01-29T00:00Z", None),
            ("2025-13-29T00:00:00Z", None),
            ("2025-01-29T24:00:00Z", None),
            ("2025-01-29T00:00:00.Z", None),
            ("2025-01-29T00:00:00+8:00", None),
            ("2025-01-29T00:00:00+08:00x", None),
            ("+025-01-29T00:00:00Z", None),
            ("2025-01-2éT00:00:00Z", None),
            ("", None),
            ("yesterday", None),
        ] {
            assert_eq!(parse_time(text), expected, "{text}");
        }
    }
}
