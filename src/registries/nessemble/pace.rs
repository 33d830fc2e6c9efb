//! How fast an upstream is asked by what nobody waits for: registries allow thirty requests a minute, of which some are left
//! to clients. Source: contract nessemble §7.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Requests that may be made at once, after a while without any.
const AT_ONCE: u32 = 4;

/// Time between two requests beyond that: with those, no more than twenty-four a minute.
const BETWEEN: Duration = Duration::from_secs(3);

/// Lets through what asks, one after another.
#[derive(Default)]
pub struct Pace {
    /// When all that was let through would have been, had there been [`BETWEEN`] between any two. Whoever waits holds it.
    spent_until: Mutex<Option<Instant>>,
}

// === impl Pace ===

impl Pace {
    /// Waits until upstream may be asked once more.
    pub async fn wait(&self) {
        let mut spent_until = self.spent_until.lock().await;
        let now = Instant::now();
        let next = spent_until.map_or(now, |until| until.max(now)) + BETWEEN;
        if let Some(begin) = next.checked_sub(BETWEEN * AT_ONCE) {
            sleep_until(begin).await;
        }
        *spent_until = Some(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_than_twenty_four_a_minute_are_let_through() {
        let (pace, start) = (Pace::default(), Instant::now());
        let mut times = Vec::new();
        for _ in 0..60 {
            pace.wait().await;
            times.push(start.elapsed());
        }
        assert!(times[..4].iter().all(Duration::is_zero), "{times:?}");
        assert!(times.windows(25).all(|window| window[24] - window[0] >= Duration::from_secs(60)), "{times:?}");
        assert!(times[59] < Duration::from_secs(200), "{times:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let rested = start.elapsed();
        for _ in 0..4 {
            pace.wait().await;
        }
        assert_eq!(start.elapsed(), rested);
    }
}
