//! The URLs under which clients reach one mount. Documents are prepared for each of them, so their number is bounded:
//! whoever makes up host names gets an error, not our memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::registries::npm::error::Error;

/// How many names one mirror has at once, at most; a configured `public_url` makes it one.
const MAX_BASES: usize = 64;

/// A name that nothing was prepared for in this time makes room for another.
const IDLE: Duration = Duration::from_secs(600);

/// The base URLs in use, each with when it was last asked for. Held for a few lines only.
#[derive(Default)]
pub struct Bases(Mutex<HashMap<String, Instant>>);

impl Bases {
    /// Lets a base URL in. Asked only when something is not prepared for it yet.
    ///
    /// # Errors
    /// [`Error::BadRequest`] when there are too many.
    pub fn admit(&self, base: &str, now: Instant) -> Result<(), Error> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_BASES && !known.contains_key(base) {
            known.retain(|_, used| now.duration_since(*used) < IDLE);
        }
        if known.len() >= MAX_BASES && !known.contains_key(base) {
            let reason = "this mirror is reached under too many names; its operator may set public_url";
            return Err(Error::bad_request(reason));
        }
        known.insert(base.to_owned(), now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_run_out_known_ones_stay_and_idle_ones_make_room() {
        let (bases, start) = (Bases::default(), Instant::now());
        for number in 0..MAX_BASES {
            bases.admit(&format!("http://host-{number}.example/npm"), start).unwrap();
        }
        assert!(bases.admit("http://one-too-many.example/npm", start).is_err());
        let later = start + IDLE;
        bases.admit("http://host-0.example/npm", later).unwrap();
        bases.admit("http://one-too-many.example/npm", later).unwrap();
        assert_eq!(bases.0.lock().unwrap().len(), 2);
    }
}
