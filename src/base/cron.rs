//! Times that come again, as a crontab has them.

use std::fmt;
use std::time::SystemTime;

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions, parse_crontab_with};

use super::clock::{from_millis, millis};

/// Minute, hour, day of the month, month, day of the week, and a time zone where it is not UTC: `15 3 * * mon-fri Europe/Rome`.
#[derive(Clone, Debug)]
pub struct Cron {
    text: String,
    crontab: Crontab,
}

impl Cron {
    /// Reads five fields, and a zone where there is one.
    ///
    /// # Errors
    /// What is wrong with them; also that there is no such time, as on the 30th of February.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let crontab = parse_crontab_with(text, options).map_err(|error| error.to_string())?;
        let cron = Self { text: text.to_owned(), crontab };
        // A year in which there is a 29th of February is among the next four of this time.
        match cron.next_after(SystemTime::UNIX_EPOCH) {
            Some(_) => Ok(cron),
            None => Err("there is no such time".to_owned()),
        }
    }

    /// Returns the first of these times after `time`.
    pub fn next_after(&self, time: SystemTime) -> Option<SystemTime> {
        let time = MakeTimestamp::from_millisecond(i64::try_from(millis(time)).ok()?).ok()?;
        let next = self.crontab.find_next(time).ok()?;
        u64::try_from(next.timestamp().as_millisecond()).ok().map(from_millis)
    }
}

impl PartialEq for Cron {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Cron {}

impl fmt::Display for Cron {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns seconds after the start of 2024 (a Monday).
    fn next(text: &str, seconds: u64) -> u64 {
        const START: u64 = 1_704_067_200;
        let next = Cron::parse(text).unwrap().next_after(from_millis((START + seconds) * 1000)).unwrap();
        millis(next) / 1000 - START
    }

    #[test]
    fn the_next_time_is_later_than_now() {
        assert_eq!(next("15 3 * * *", 0), 3 * 3600 + 15 * 60);
        assert_eq!(next("15 3 * * *", 3 * 3600 + 15 * 60), 86_400 + 3 * 3600 + 15 * 60);
        assert_eq!(next("*/5 * * * *", 1), 300);
        assert_eq!(next("0 0 * * sun", 0), 6 * 86_400);
        assert_eq!(next("0 0 29 feb *", 0), 59 * 86_400);
    }

    #[test]
    fn a_zone_may_follow() {
        assert_eq!(next("0 3 * * * Europe/Rome", 0), 2 * 3600);
        assert_eq!(Cron::parse("0 3 * * * Europe/Rome").unwrap().to_string(), "0 3 * * * Europe/Rome");
    }

    #[test]
    fn what_never_comes_or_is_no_time_is_refused() {
        assert_eq!(Cron::parse("0 0 30 2 *").unwrap_err(), "there is no such time");
        for wrong in ["", "* * * *", "60 * * * *", "* * * * * Nowhere/Land", "@daily", "0 0 * * mon extra words"] {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
    }
}
