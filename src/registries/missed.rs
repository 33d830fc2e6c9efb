//! What was missing from documents that were as new as can be. It is not asked for again at once: whoever asks for what is
//! not there must not cost upstream a request each time.

use std::time::{Duration, SystemTime};

use crate::base::clock::Clock;
use crate::mirror::recent::Recent;

/// A document that upstream was asked for this short a time ago is as new as can be, whatever is missing from it.
const JUST_ASKED: Duration = Duration::from_secs(1);

/// What was missing of late.
pub struct Missed {
    clock: Clock,
    /// For how long what was missing is believed to be so.
    believed: Duration,
    documents: Recent,
    things: Recent,
}

impl Missed {
    /// Begins with nothing; `negative_ttl` is the mount's.
    pub fn new(clock: Clock, negative_ttl: Duration) -> Self {
        let believed = negative_ttl.max(JUST_ASKED);
        Self { clock, believed, documents: Recent::default(), things: Recent::default() }
    }

    /// Tells whether upstream need not be asked whether a document has something by now.
    pub fn is_known(&self, document: &str, thing: &str) -> bool {
        let now = self.clock.now();
        let since = |age| now.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        self.documents.is_noted(document, since(JUST_ASKED))
            || self.things.is_noted(&key(document, thing), since(self.believed))
    }

    /// Remembers that a document lacked something when upstream had just been asked for it.
    pub fn note(&self, document: &str, thing: &str) {
        let now = self.clock.now();
        self.documents.note(document, now);
        self.things.note(&key(document, thing), now);
    }
}

fn key(document: &str, thing: &str) -> String {
    // Neither has a line break.
    [document, "\n", thing].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_missing_is_asked_for_again_after_its_time_and_other_things_after_a_second() {
        const MINUTE: Duration = Duration::from_secs(60);
        let clock = Clock::stopped_at(SystemTime::UNIX_EPOCH + 1000 * MINUTE);
        let missed = Missed::new(clock.clone(), MINUTE);
        assert!(!missed.is_known("jason", "1.0.0"));
        missed.note("jason", "1.0.0");
        assert!(missed.is_known("jason", "1.0.0") && missed.is_known("jason", "2.0.0"));
        assert!(!missed.is_known("plug", "1.0.0"));
        clock.advance(JUST_ASKED + Duration::from_millis(1));
        assert!(missed.is_known("jason", "1.0.0") && !missed.is_known("jason", "2.0.0"));
        clock.advance(MINUTE);
        assert!(!missed.is_known("jason", "1.0.0"));
    }

    #[test]
    fn a_mount_that_remembers_no_absence_still_asks_once_a_second() {
        let clock = Clock::stopped_at(SystemTime::UNIX_EPOCH + JUST_ASKED * 1000);
        let missed = Missed::new(clock.clone(), Duration::ZERO);
        missed.note("jason", "1.0.0");
        assert!(missed.is_known("jason", "1.0.0"));
        clock.advance(JUST_ASKED + Duration::from_millis(1));
        assert!(!missed.is_known("jason", "1.0.0"));
    }
}
