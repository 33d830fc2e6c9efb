//! A breaker for each upstream host: after a run of failures it is left alone for a while, then tried by one request.
//! Pure: times come in, decisions go out.

use std::time::{Duration, SystemTime};

/// When to stop asking and when to try again.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Failures in a row that open the breaker.
    pub failures: u32,
    /// The first pause; each failed probe doubles it.
    pub pause: Duration,
    pub pause_max: Duration,
}

/// The state of one host.
#[derive(Debug)]
pub struct Breaker {
    settings: Settings,
    failures: u32,
    pause: Duration,
    state: State,
    /// Upstream wants to be left alone until then, whatever else happens.
    asked_until: Option<SystemTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    OpenUntil(SystemTime),
    /// One probe is under way since then; it is given one more pause before another may go.
    Probing(SystemTime),
}

/// May a request go out?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    Go,
    /// Not for this long.
    Wait(Duration),
}

impl Breaker {
    pub fn new(settings: Settings) -> Self {
        Self { settings, failures: 0, pause: settings.pause, state: State::Closed, asked_until: None }
    }

    /// Asks for leave to send a request now.
    pub fn ask(&mut self, now: SystemTime) -> Leave {
        if let Some(left) =
            self.asked_until.and_then(|until| until.duration_since(now).ok()).filter(|left| !left.is_zero())
        {
            return Leave::Wait(left);
        }
        self.asked_until = None;
        let until = match self.state {
            State::Closed => return Leave::Go,
            State::OpenUntil(until) => until,
            State::Probing(since) => since + self.pause,
        };
        match until.duration_since(now) {
            Ok(left) if !left.is_zero() => Leave::Wait(left),
            _ => {
                self.state = State::Probing(now);
                Leave::Go
            }
        }
    }

    /// Upstream answered as it should.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.pause = self.settings.pause;
        self.state = State::Closed;
    }

    /// Upstream failed. Returns whether the breaker is open now.
    pub fn failed(&mut self, now: SystemTime) -> bool {
        self.failures = self.failures.saturating_add(1);
        let probing = matches!(self.state, State::Probing(_));
        if probing {
            self.pause = (self.pause * 2).min(self.settings.pause_max);
        }
        if probing || self.failures >= self.settings.failures {
            self.state = State::OpenUntil(now + self.pause);
        }
        self.is_open()
    }

    /// Upstream wants to be left alone for a while (`Retry-After`).
    pub fn pause_for(&mut self, pause: Duration, now: SystemTime) {
        self.failed(now);
        self.rest(pause, now);
    }

    /// Nothing is to be asked for a while, although upstream answers as it should.
    pub fn rest(&mut self, pause: Duration, now: SystemTime) {
        self.asked_until = Some(now + pause);
    }

    pub fn is_open(&self) -> bool {
        self.state != State::Closed || self.asked_until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> (Breaker, SystemTime) {
        let settings = Settings { failures: 3, pause: SECOND, pause_max: 3 * SECOND };
        (Breaker::new(settings), SystemTime::UNIX_EPOCH)
    }

    fn opened() -> (Breaker, SystemTime) {
        let (mut breaker, now) = breaker();
        assert!(!breaker.failed(now) && !breaker.failed(now));
        assert!(breaker.failed(now));
        (breaker, now)
    }

    #[test]
    fn a_run_of_failures_opens_it_and_one_success_breaks_the_run() {
        let (mut breaker, now) = breaker();
        breaker.failed(now);
        breaker.failed(now);
        breaker.succeeded();
        breaker.failed(now);
        assert_eq!(breaker.ask(now), Leave::Go);
    }

    #[test]
    fn after_the_pause_one_probe_goes() {
        let (mut breaker, now) = opened();
        assert_eq!(breaker.ask(now), Leave::Wait(SECOND));
        assert_eq!(breaker.ask(now + SECOND), Leave::Go);
        assert_eq!(breaker.ask(now + SECOND), Leave::Wait(SECOND));
    }

    #[test]
    fn a_probe_that_fails_doubles_the_pause_up_to_a_limit() {
        let (mut breaker, mut now) = opened();
        for pause in [2, 3, 3] {
            now += 10 * SECOND;
            assert_eq!(breaker.ask(now), Leave::Go);
            breaker.failed(now);
            assert_eq!(breaker.ask(now), Leave::Wait(pause * SECOND));
        }
    }

    #[test]
    fn a_probe_that_never_ends_does_not_close_the_door_for_ever() {
        let (mut breaker, now) = opened();
        assert_eq!(breaker.ask(now + SECOND), Leave::Go);
        assert_eq!(breaker.ask(now + 2 * SECOND), Leave::Go);
    }

    #[test]
    fn a_probe_that_succeeds_closes_it() {
        let (mut breaker, now) = opened();
        assert_eq!(breaker.ask(now + SECOND), Leave::Go);
        breaker.succeeded();
        assert_eq!(breaker.ask(now + SECOND), Leave::Go);
        assert!(!breaker.is_open());
    }

    #[test]
    fn upstreams_wish_to_be_left_alone_is_honoured() {
        let (mut breaker, now) = breaker();
        breaker.pause_for(30 * SECOND, now);
        assert_eq!(breaker.ask(now + 29 * SECOND), Leave::Wait(SECOND));
        breaker.succeeded();
        assert_eq!(breaker.ask(now + 29 * SECOND), Leave::Wait(SECOND));
        assert_eq!(breaker.ask(now + 30 * SECOND), Leave::Go);
    }
}
