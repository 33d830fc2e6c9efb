//! How long who fails to log in must wait. Pure.
//!
//! Counted by account, so that a password cannot be guessed from many places, and by address, so that one place cannot
//! try many accounts. The wait doubles with each failure past the free ones and is bounded, since whoever fails on
//! purpose keeps an account's owner waiting too. Each failure is forgiven in time, one after the other, so that many people
//! behind one address are not taken for one who tries for ever; an hour without a failure forgives all.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::users::UserName;
use crate::base::network::client_of;

/// Failures that cost nothing: of an account, and of an address behind which there may be many people.
const FREE_OF_ACCOUNT: u64 = 5;
const FREE_OF_ADDRESS: u64 = 30;
/// Accounts that one address may make at once.
const FREE_OF_NEWCOMER: u64 = 20;
/// Logins by a browser that one address may begin at once.
const FREE_OF_BROWSER: u64 = 60;
/// Tasks that an address may ask for at once of which nobody knows who is behind it.
const FREE_OF_STRANGER: u64 = 60;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// After how long one failure is forgiven: whoever goes on for ever gets no further than by the longest wait.
pub(super) const WEIGHT: Duration = LONGEST_WAIT;

/// After how long without a failure all is forgiven.
pub(super) const MEMORY: Duration = Duration::from_secs(3600);

/// Who is counted: an account, or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) name: String,
    free: u64,
    /// Whether a success forgives all: of an address, only the attempt that succeeded, or whoever has one account could
    /// go on trying others from there.
    pub(super) is_forgiven: bool,
}

/// What is remembered of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failures {
    /// How long after the last one all will be forgiven: each weighs [`WEIGHT`].
    pub(super) debt: Duration,
    pub(super) last_at: SystemTime,
}

/// Returns whom an attempt counts for.
pub(super) fn subjects(name: &UserName, from: IpAddr) -> [Subject; 2] {
    let account = format!("account {}", name.folded());
    let address = format!("address {}", client_of(from));
    [
        Subject { name: account, free: FREE_OF_ACCOUNT, is_forgiven: true },
        Subject { name: address, free: FREE_OF_ADDRESS, is_forgiven: false },
    ]
}

/// Returns whom a code of a second factor counts for.
pub(super) fn of_code(name: &UserName, from: Option<IpAddr>) -> Vec<Subject> {
    let account = format!("second factor of {}", name.folded());
    let address = from.map(|from| Subject {
        name: format!("address {}", client_of(from)),
        free: FREE_OF_ADDRESS,
        is_forgiven: false,
    });
    let account = Subject { name: account, free: FREE_OF_ACCOUNT, is_forgiven: true };
    [Some(account), address].into_iter().flatten().collect()
}

/// Returns whom it counts for that an account is asked for.
pub(super) fn newcomer(from: IpAddr) -> Subject {
    Subject { name: format!("newcomer {}", client_of(from)), free: FREE_OF_NEWCOMER, is_forgiven: false }
}

/// Returns whom it counts for that a login by a browser is begun.
pub(super) fn browser(from: IpAddr) -> Subject {
    Subject { name: format!("browser {}", client_of(from)), free: FREE_OF_BROWSER, is_forgiven: false }
}

/// Returns whom it counts for that somebody asks for a task who is not known.
pub(super) fn stranger(from: IpAddr) -> Subject {
    Subject { name: format!("stranger {}", client_of(from)), free: FREE_OF_STRANGER, is_forgiven: false }
}

/// Returns what is to be remembered of one more attempt.
///
/// # Errors
/// It comes too early: when the next may come.
pub(super) fn charge(subject: &Subject, held: Option<Failures>, now: SystemTime) -> Result<Failures, SystemTime> {
    let first = Failures { debt: WEIGHT, last_at: now };
    let Some(held) = held.filter(|held| now < held.last_at + MEMORY) else { return Ok(first) };
    let until = held.last_at + wait(held.count(), subject.free);
    if now < until {
        return Err(until);
    }
    let forgiven = now.duration_since(held.last_at).unwrap_or_default();
    Ok(Failures { debt: held.debt.saturating_sub(forgiven) + WEIGHT, last_at: now })
}

fn wait(count: u64, free: u64) -> Duration {
    let Some(beyond) = count.checked_sub(free) else { return Duration::ZERO };
    let doubled = FIRST_WAIT.checked_mul(1_u32.checked_shl(beyond.min(31) as u32).unwrap_or(u32::MAX));
    doubled.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}

// === impl Failures ===

impl Failures {
    /// Returns how many were not forgiven when the last one was counted.
    fn count(self) -> u64 {
        self.debt.as_millis().div_ceil(WEIGHT.as_millis()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::from_millis;

    /// Returns what is remembered of so many failures at once.
    fn failures(count: u32, last_at: SystemTime) -> Failures {
        Failures { debt: count * WEIGHT, last_at }
    }

    #[test]
    fn the_wait_doubles_past_the_free_attempts() {
        let seconds = |count| wait(count, 5).as_secs();
        assert_eq!([0, 4, 5, 6, 7, 13, 14, 100, u64::MAX].map(seconds), [0, 0, 1, 2, 4, 256, 300, 300, 300]);
    }

    #[test]
    fn who_comes_too_early_is_told_when_to_come_back_and_not_counted() {
        let [account, _] = subjects(&UserName::parse("Joe").unwrap(), [192, 0, 2, 1].into());
        let start = from_millis(1_000_000);
        let held = failures(6, start);
        let second = Duration::from_secs(1);
        assert_eq!(charge(&account, Some(held), start + second), Err(start + 2 * second));
        let next = charge(&account, Some(held), start + 2 * second).unwrap();
        assert_eq!((next.count(), next.last_at), (7, start + 2 * second));
        let later = start + MEMORY;
        assert_eq!(charge(&account, Some(held), later), Ok(failures(1, later)));
        assert_eq!(charge(&account, None, start), Ok(failures(1, start)));
    }

    #[test]
    fn one_after_the_other_is_forgiven_while_others_come() {
        let browser = browser([192, 0, 2, 1].into());
        let mut now = from_millis(1_000_000);
        let mut held = failures(FREE_OF_BROWSER as u32, now);
        assert!(charge(&browser, Some(held), now).is_err());
        for _ in 0..100 {
            now += WEIGHT;
            held = charge(&browser, Some(held), now).unwrap();
            assert_eq!(held.count(), FREE_OF_BROWSER, "as many as come are forgiven");
        }
        // Parts of one add up, however close to each other they come.
        let mut held = failures(20, now);
        for _ in 0..10 {
            now += WEIGHT / 2;
            held = charge(&browser, Some(held), now).unwrap();
        }
        assert_eq!(held.count(), 25);
    }

    #[test]
    fn an_account_is_one_whatever_its_case_and_a_network_is_one_address() {
        let names = |name, from: &str| subjects(&UserName::parse(name).unwrap(), from.parse().unwrap()).map(|s| s.name);
        assert_eq!(names("Joe", "2001:db8:0:1:2::3"), ["account joe", "address 2001:db8:0:1::"]);
        assert_eq!(names("joe", "2001:db8:0:1:9::9"), ["account joe", "address 2001:db8:0:1::"]);
    }
}
