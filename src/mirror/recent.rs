//! What happened to a key of late: a short and bounded memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// How many keys are remembered; beyond it those of long ago go, and if there are none, all.
const MOST: usize = 4096;

/// What is long ago: no fill that began before is still under way.
const LONG_AGO: Duration = Duration::from_secs(600);

/// Keys, each with when it was noted last.
#[derive(Default)]
pub struct Recent(Mutex<HashMap<String, SystemTime>>);

impl Recent {
    pub fn note(&self, key: &str, now: SystemTime) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= MOST {
            noted.retain(|_, at| now.duration_since(*at).unwrap_or_default() < LONG_AGO);
        }
        if noted.len() >= MOST {
            noted.clear();
        }
        noted.insert(key.to_owned(), now);
    }

    pub fn forget(&self, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Tells whether a key was noted at `since` or later.
    pub fn is_noted(&self, key: &str, since: SystemTime) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).is_some_and(|at| *at >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_remembered_from_when_it_was_noted_and_their_number_is_bounded() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let recent = Recent::default();
        recent.note("a", at(1000));
        assert!(recent.is_noted("a", at(1000)) && !recent.is_noted("a", at(1001)) && !recent.is_noted("b", at(0)));
        recent.forget("a");
        assert!(!recent.is_noted("a", at(0)));
        (0..3 * MOST).for_each(|number| recent.note(&number.to_string(), at(1000)));
        assert!(recent.0.lock().unwrap().len() <= MOST);
    }
}
