//! The time of day: the machine's, or one that a test sets.

#![expect(clippy::disallowed_methods, reason = "this is the door that the ban sends everybody to")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

/// Tells the time. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// A clock that stands still at `start` until [`Clock::advance`] or [`Clock::set`] is called.
    pub fn stopped_at(start: SystemTime) -> Self {
        Self(Some(Arc::new(AtomicU64::new(millis(start)))))
    }

    pub fn now(&self) -> SystemTime {
        match &self.0 {
            None => SystemTime::now(),
            Some(fixed) => UNIX_EPOCH + Duration::from_millis(fixed.load(Ordering::Relaxed)),
        }
    }

    /// Returns milliseconds since 1970.
    pub fn now_millis(&self) -> u64 {
        millis(self.now())
    }

    /// Moves a stopped clock on; the machine's clock takes no orders.
    pub fn advance(&self, by: Duration) {
        if let Some(fixed) = &self.0 {
            fixed.fetch_add(by.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// Sets a stopped clock, forth or back.
    pub fn set(&self, to: SystemTime) {
        if let Some(fixed) = &self.0 {
            fixed.store(millis(to), Ordering::Relaxed);
        }
    }
}

/// Returns milliseconds since 1970; 0 for a time before.
pub fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Returns the time that is `millis` after 1970.
pub fn from_millis(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// Prints a time in UTC as `YYYY-MM-DDTHH:MM:SS`.
pub fn print_seconds(time: OffsetDateTime) -> String {
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.to_hms();
    format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}", u8::from(month))
}

/// Prints a time in UTC as `YYYY-MM-DDTHH:MM:SS.mmmZ`.
pub fn print_millis(time: impl Into<OffsetDateTime>) -> String {
    let time = time.into();
    format!("{}.{:03}Z", print_seconds(time), time.millisecond())
}
