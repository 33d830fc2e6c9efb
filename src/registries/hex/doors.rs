//! Private repositories: what is kept of one is given to nobody before the repository itself has taken their credentials.
//!
//! Clients send the same ones with every request, so that an answer is believed for a while, and no longer than a minute:
//! who loses a key there, loses it here. Where the repository cannot be asked, the door stays shut.
//!
//! Source: contract hex §1.3, §6.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::error::Error;
use super::name::RepositoryName;
use super::{Hex, Repository, api};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::http::Request;
use crate::base::secret::Secret;
use crate::mirror::turns::Turns;
use crate::registries::bodies;

/// For how long it is believed that credentials are good.
const BELIEVED: Duration = Duration::from_secs(60);

/// How many credentials are remembered at once; who is forgotten is asked about again.
const MOST: usize = 10_000;

/// Who has been let in, and when.
pub struct Doors {
    clock: Clock,
    /// By [`pass`]: the credentials themselves are not kept.
    admitted: Mutex<HashMap<Digest, SystemTime>>,
    /// Who is being asked about.
    asking: Turns,
}

impl Hex {
    /// Returns a private repository as one client sees it, whose credentials it has taken.
    ///
    /// # Errors
    /// [`Error::Forbidden`]: this mount serves none, or upstream does not. [`Error::Unauthorized`]: there are no
    /// credentials, or upstream does not take them. [`Error::NotFound`]: it has no such repository for them. Those of an
    /// upstream that cannot be asked.
    pub(super) async fn enter(&self, request: &Request<'_>, name: &RepositoryName) -> Result<Repository, Error> {
        let refused = || format!("this mirror does not serve the private repository {name}");
        let doors = self.doors.as_ref().ok_or_else(|| Error::Forbidden(refused().into()))?;
        let credentials = api::credentials(request)?.ok_or(Error::Unauthorized)?;
        let pass = pass(name, &credentials);
        let repository = self.repository.of_member(name, credentials);
        if doors.is_open_to(&pass) {
            return Ok(repository);
        }
        // Clients ask for several things at once: one of them asks for admission, and the others find it given.
        let _turn = doors.asking.turn(&pass.to_hex()).await;
        if !doors.is_open_to(&pass) {
            repository.ask_for_admission(name).await?;
            doors.admit(pass);
        }
        Ok(repository)
    }
}

impl Repository {
    /// Asks the repository whether it takes this client's credentials, by what each repository has: a list that it alone
    /// can have signed. A page that says 200 to everybody opens nothing.
    async fn ask_for_admission(&self, name: &RepositoryName) -> Result<(), Error> {
        let want = self.sources.names()?;
        let what = format!("the private repository {name}");
        let answer = self.mirror.knock(&want.upstream, &want.url, want.max_bytes).await;
        let answer = answer.map_err(|error| Error::of_mirror(error, &what))?;
        match answer.status.as_u16() {
            200 => {
                let trusted = self.trusted().await?;
                let prove = move || Ok::<_, Error>(trusted.names(&answer.body).map(drop));
                bodies::apart(prove).await?.map_err(|error| Error::Unproven { what, cause: Some(Arc::new(error)) })
            }
            401 => Err(Error::Unauthorized),
            403 => Err(Error::Forbidden(format!("upstream does not allow {what}").into())),
            404 => Err(Error::not_found(what)),
            _ => Err(Error::BadGateway { what, cause: None }),
        }
    }
}

/// Names credentials at a repository, so that they can be known again.
fn pass(name: &RepositoryName, credentials: &Secret) -> Digest {
    // A name has no line break.
    Digest::of(format!("{name}\n{}", credentials.reveal()).as_bytes())
}

// === impl Doors ===

impl Doors {
    pub fn new(clock: Clock) -> Self {
        Self { clock, admitted: Mutex::default(), asking: Turns::default() }
    }

    fn is_open_to(&self, pass: &Digest) -> bool {
        let now = self.clock.now();
        self.admitted().get(pass).is_some_and(|since| is_believed(*since, now))
    }

    fn admit(&self, pass: Digest) {
        let now = self.clock.now();
        let mut admitted = self.admitted();
        if admitted.len() >= MOST {
            admitted.retain(|_, since| is_believed(*since, now));
        }
        if admitted.len() >= MOST {
            admitted.clear();
        }
        admitted.insert(pass, now);
    }

    fn admitted(&self) -> MutexGuard<'_, HashMap<Digest, SystemTime>> {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that was set back says nothing of how long ago something was.
fn is_believed(since: SystemTime, now: SystemTime) -> bool {
    now.duration_since(since).is_ok_and(|age| age < BELIEVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass_of(name: &str, credentials: &str) -> Digest {
        pass(&RepositoryName::parse(name).unwrap(), &Secret::new(credentials))
    }

    #[test]
    fn who_was_let_in_is_believed_for_a_minute_and_for_one_repository() {
        let clock = Clock::stopped_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let (doors, member) = (Doors::new(clock.clone()), pass_of("acme", "key"));
        assert!(!doors.is_open_to(&member));
        doors.admit(member);
        clock.advance(BELIEVED - Duration::from_millis(1));
        assert!(doors.is_open_to(&member));
        for other in [pass_of("other", "key"), pass_of("acme", "other"), pass_of("acme", "")] {
            assert!(!doors.is_open_to(&other));
        }
        clock.advance(Duration::from_millis(1));
        assert!(!doors.is_open_to(&member));
        doors.admit(member);
        clock.set(SystemTime::UNIX_EPOCH);
        assert!(!doors.is_open_to(&member), "the clock was set back");
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let clock = Clock::stopped_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let doors = Doors::new(clock.clone());
        let admit = |count: usize| (0..count).for_each(|number| doors.admit(pass_of("acme", &number.to_string())));
        admit(MOST);
        clock.advance(BELIEVED);
        doors.admit(pass_of("acme", "key"));
        assert_eq!(doors.admitted().len(), 1, "those that are believed no longer go");
        admit(2 * MOST);
        assert!(doors.admitted().len() <= MOST);
    }
}
