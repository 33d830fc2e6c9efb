//! Private repositories: what is kept of one is given to nobody before the repository itself has taken their credentials.
//!
//! Clients send the same ones with every request, so that an answer is believed for a while, and no longer than a minute:
//! who loses a key there, loses it here. A refusal is believed for a few seconds, so that who knocks all the time does not
//! make us do so. Where the repository cannot be asked, the door stays shut.
//!
//! Source: contract hex §1.3, §6.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::error::{Error, NO_KEY, of_mirror};
use super::name::RepositoryName;
use super::routes::Action;
use super::{Hex, Repository, passthrough};
use crate::base::clock::Clock;
use crate::base::digest::Digest;
use crate::base::http::{Reply, Request};
use crate::base::secret::Secret;
use crate::mirror::turns::Turns;
use crate::registries::bodies;

/// For how long it is believed that credentials are good.
const BELIEVED: Duration = Duration::from_secs(60);

/// For how long it is believed that credentials are bad: somebody may be mending that.
const DISBELIEVED: Duration = Duration::from_secs(5);

/// How many credentials are remembered at once; who is forgotten is asked about again.
const MAX_ANSWERED: usize = 10_000;

/// Who has been let in or turned away, and when.
pub struct Doors {
    clock: Clock,
    /// By [`pass`]: the credentials themselves are not kept.
    answered: Mutex<HashMap<Digest, Answered>>,
    /// Who is being asked about.
    asking: Turns,
}

/// What a repository said of credentials.
#[derive(Clone)]
struct Answered {
    at: SystemTime,
    answer: Result<(), Error>,
}

/// Who is inside.
pub struct Member {
    pub repository: Repository,
    pass: Digest,
}

impl Hex {
    /// Returns a private repository as one client sees it, whose credentials it has taken.
    ///
    /// # Errors
    /// [`Error::Forbidden`]: this mount serves none, or upstream does not. [`Error::Unauthorized`]: there are no
    /// credentials, or upstream does not take them. [`Error::NotFound`]: it has no such repository for them. Those of an
    /// upstream that cannot be asked.
    pub(super) async fn enter(&self, request: &Request<'_>, name: &RepositoryName) -> Result<Member, Error> {
        let refused = || format!("this mirror does not serve the private repository {name}");
        let doors = self.doors.as_ref().ok_or_else(|| Error::Forbidden(refused().into()))?;
        let credentials = passthrough::credentials(request)?.ok_or(NO_KEY)?;
        let pass = pass(name, &credentials);
        let repository = self.repository.of_member(name, credentials);
        let answer = match doors.find(&pass) {
            Some(answer) => answer,
            None => doors.ask(pass, name, &repository).await,
        };
        answer.map(|()| Member { repository, pass })
    }

    /// Shows somebody out whose credentials the repository no longer takes: it is asked about them again.
    pub(super) fn leave(&self, pass: &Digest) {
        if let Some(doors) = &self.doors {
            doors.answered().remove(pass);
        }
    }
}

impl Member {
    /// Reads as one who was let in, and is shown out if the repository has changed its mind.
    pub(super) async fn read(&self, hex: &Hex, request: &Request<'_>, action: &Action) -> Result<Reply, Error> {
        let read = self.repository.read(request, action).await;
        if let Err(Error::Unauthorized(_)) = read {
            hex.leave(&self.pass);
        }
        read
    }
}

impl Repository {
    /// Asks the repository whether it takes this client's credentials, by what each repository has: a list that it alone
    /// can have signed. A page that says 200 to everybody opens nothing.
    async fn ask_for_admission(&self, name: &RepositoryName) -> Result<(), Error> {
        let (upstream, url, limit) = self.sources.door()?;
        let what = format!("the private repository {name}");
        let answer = self.mirror.knock(upstream, &url, limit).await;
        let answer = answer.map_err(|error| of_mirror(error, &what))?;
        match answer.status.as_u16() {
            200 => {
                let trusted = self.trusted().await?;
                let prove = move || Ok::<_, Error>(trusted.names(&answer.body).map(drop));
                bodies::apart(prove).await?.map_err(|error| Error::Unproven { what, cause: Some(Arc::new(error)) })
            }
            401 => Err(NO_KEY),
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
        Self { clock, answered: Mutex::default(), asking: Turns::default() }
    }

    /// Asks a repository about credentials, unless that was done while we waited: clients ask for several things at once,
    /// and one of them asks for admission.
    async fn ask(&self, pass: Digest, name: &RepositoryName, repository: &Repository) -> Result<(), Error> {
        let _turn = self.asking.turn(&pass.to_hex()).await;
        if let Some(answer) = self.find(&pass) {
            return answer;
        }
        let answer = repository.ask_for_admission(name).await;
        self.note(pass, &answer);
        answer
    }

    /// Returns what was said of late.
    fn find(&self, pass: &Digest) -> Option<Result<(), Error>> {
        let now = self.clock.now();
        self.answered().get(pass).filter(|answered| answered.is_believed(now)).map(|answered| answered.answer.clone())
    }

    /// Remembers what a repository said; that it could not be asked, says nothing of credentials.
    fn note(&self, pass: Digest, answer: &Result<(), Error>) {
        if !matches!(answer, Ok(()) | Err(Error::Unauthorized(_) | Error::Forbidden(_) | Error::NotFound { .. })) {
            return;
        }
        let now = self.clock.now();
        let mut answered = self.answered();
        if answered.len() >= MAX_ANSWERED {
            answered.retain(|_, answered| answered.is_believed(now));
        }
        if answered.len() >= MAX_ANSWERED {
            answered.clear();
        }
        answered.insert(pass, Answered { at: now, answer: answer.clone() });
    }

    fn answered(&self) -> MutexGuard<'_, HashMap<Digest, Answered>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Answered ===

impl Answered {
    /// A clock that was set back says nothing of how long ago something was.
    fn is_believed(&self, now: SystemTime) -> bool {
        let limit = if self.answer.is_ok() { BELIEVED } else { DISBELIEVED };
        now.duration_since(self.at).is_ok_and(|age| age < limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass_of(name: &str, credentials: &str) -> Digest {
        pass(&RepositoryName::parse(name).unwrap(), &Secret::new(credentials))
    }

    fn doors() -> (Clock, Doors) {
        let clock = Clock::stopped_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        (clock.clone(), Doors::new(clock))
    }

    fn is_open(doors: &Doors, pass: &Digest) -> bool {
        matches!(doors.find(pass), Some(Ok(())))
    }

    #[test]
    fn who_was_let_in_is_believed_for_a_minute_and_for_one_repository() {
        let ((clock, doors), member) = (doors(), pass_of("acme", "key"));
        assert!(doors.find(&member).is_none());
        doors.note(member, &Ok(()));
        clock.advance(BELIEVED - Duration::from_millis(1));
        assert!(is_open(&doors, &member));
        for other in [pass_of("other", "key"), pass_of("acme", "other"), pass_of("acme", "")] {
            assert!(doors.find(&other).is_none());
        }
        clock.advance(Duration::from_millis(1));
        assert!(doors.find(&member).is_none());
        doors.note(member, &Ok(()));
        clock.set(SystemTime::UNIX_EPOCH);
        assert!(doors.find(&member).is_none(), "the clock was set back");
    }

    #[test]
    fn who_was_turned_away_is_not_asked_about_for_a_few_seconds() {
        let ((clock, doors), stranger) = (doors(), pass_of("acme", "key"));
        let absent = Error::not_found("the private repository acme");
        for refusal in [NO_KEY, Error::Forbidden("no".into()), absent] {
            doors.note(stranger, &Err(refusal));
            clock.advance(DISBELIEVED - Duration::from_millis(1));
            assert!(matches!(doors.find(&stranger), Some(Err(_))));
            clock.advance(Duration::from_millis(1));
            assert!(doors.find(&stranger).is_none());
        }
        doors.note(stranger, &Err(Error::TimedOut { what: String::new(), cause: None }));
        assert!(doors.find(&stranger).is_none(), "nobody was asked");
    }

    #[test]
    fn no_more_are_remembered_than_there_is_room_for() {
        let (clock, doors) = doors();
        let note =
            |count: usize| (0..count).for_each(|number| doors.note(pass_of("acme", &number.to_string()), &Ok(())));
        note(MAX_ANSWERED);
        clock.advance(BELIEVED);
        doors.note(pass_of("acme", "key"), &Ok(()));
        assert_eq!(doors.answered().len(), 1, "those that are believed no longer go");
        note(2 * MAX_ANSWERED);
        assert!(doors.answered().len() <= MAX_ANSWERED);
    }
}
