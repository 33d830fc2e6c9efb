//! Asking an upstream again: how often, after what wait, and for whom it is worth the wait.

use std::time::{Duration, Instant};

use http::HeaderMap;

use super::error::Error;
use super::fetch::Response;
use super::fill::Fill;
use super::fresh;

/// The first wait before another try; it doubles, and is drawn at random between half and all of it.
const BACK_OFF: Duration = Duration::from_millis(100);

impl Fill {
    /// Asks upstream, again if need be, until the time for a first byte is over.
    pub async fn ask(&self, conditions: &HeaderMap) -> Result<Response, Error> {
        let (started, settings) = (Instant::now(), self.engine.fetch.settings());
        let mut attempt = 1;
        loop {
            let left = settings.first_byte_timeout.saturating_sub(started.elapsed());
            let error = match self.engine.fetch.send(self.question(conditions), left).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let asked = asked_to_wait(&error);
            let pause = back_off(attempt).max(asked);
            if !error.may_be_retried()
                || attempt >= settings.attempts
                || !asked.is_zero() && self.may_serve_held()
                || started.elapsed() + pause >= settings.first_byte_timeout
            {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Tells whether what is held may be served at once, rather than after the wait that upstream asks for.
    fn may_serve_held(&self) -> bool {
        let times = self.held.as_ref().map(|held| super::times(held, self.want.kind));
        times.is_some_and(|times| fresh::may_serve_stale(&times, &self.want.rules, self.engine.clock.now()))
    }
}

/// Returns the wait before try number `attempt` + 1.
pub fn back_off(attempt: u32) -> Duration {
    let whole = BACK_OFF * 2u32.saturating_pow(attempt.saturating_sub(1).min(6));
    whole.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

/// Returns how long upstream wants to be left alone.
pub fn asked_to_wait(error: &Error) -> Duration {
    match error {
        Error::Unreachable { retry_after: Some(pause), .. } => *pause,
        _ => Duration::ZERO,
    }
}
