//! Brings a package up to what its upstream has now, by the same engine and the same proofs as a client's request.
//!
//! 1. What is blocked, or ours, is refused before anybody is asked.
//! 2. The document is asked for anew ([`survey`]); that upstream has none any more is news, and not the end of what is held.
//! 3. It is compared with what upstream had at the last sync ([`roll`]), which is what the feed tells.
//! 4. The versions that are wanted ([`choice`]) are fetched, proved and pinned, several at once ([`bring`]): one that fails
//!    does not fail the others.
//! 5. What those versions need of other packages ([`needs`]) is named, for whoever follows it.
//!
//! Source: contract npm §12.3, §12.4.

use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::Npm;
use super::documents::segment;
use super::error::Error;
use super::merge::FULL;
use super::name::PackageName;
use super::routed::Routed;
use crate::base::secret::SafeUrl;
use crate::mirror::Prepared;
use crate::mirror::fresh::Demand;
use crate::overlay::packages::EventKind;
use crate::registries::blocks::Subject;
use crate::registries::bodies;
use crate::registries::gate::Visitor;
use crate::registries::replica::{Failure, News, Order, Outcome, Poll, Position, Replica, Report, Run};

mod bring;
mod choice;
mod needs;
mod pages;
mod poll;
mod roll;
mod survey;
mod tell;

use self::choice::{Choice, choose};
use self::roll::{Difference, Roll};
use self::survey::Survey;

/// After so long, upstream may show what its feed has told of.
const BEHIND: Duration = Duration::from_secs(15);

/// One run: a package, and what is to be done with it.
struct Round<'a> {
    npm: &'a Npm,
    name: &'a PackageName,
    order: &'a Order,
    run: &'a Run<'a>,
}

/// What was found upstream.
struct Found {
    prepared: Prepared,
    survey: Survey,
    roll: Roll,
    difference: Difference,
    choice: Choice,
    took: Duration,
}

#[async_trait]
impl Replica for Routed {
    async fn sync(&self, order: &Order, run: &Run<'_>) -> Result<Report, Failure> {
        let npm = self.current().await.map_err(|error| Failure::from(&error))?;
        let name = PackageName::parse(&order.package).map_err(|error| Failure::Refused(error.to_string()))?;
        Round { npm: &npm, name: &name, order, run }.go().await
    }

    fn spell(&self, text: &str) -> Result<String, Error> {
        Ok(PackageName::parse(text)?.to_string())
    }

    async fn let_read(&self, visitor: &Visitor, package: &str) -> Result<(), Error> {
        self.current().await?.let_read(visitor, package).await.map(drop)
    }

    async fn feeds(&self) -> Result<Vec<String>, Failure> {
        let feeds = async { self.current().await?.feed_names().await };
        feeds.await.map_err(|error| Failure::from(&error))
    }

    async fn poll(&self, feed: &str, position: Option<&Position>) -> Result<Poll, Failure> {
        let npm = self.current().await.map_err(|error| Failure::from(&error))?;
        let found = npm.find_feed(feed).await.map_err(|error| Failure::from(&error))?;
        let found = found.ok_or_else(|| Failure::Refused(format!("there is no feed {feed}")))?;
        npm.poll_feed(&found, position).await
    }

    async fn payload(&self, package: &str, base: &str) -> Result<Option<Vec<u8>>, Error> {
        let (npm, name) = (self.current().await?, PackageName::parse(package)?);
        let prepared = match npm.prepared_at(base, &name, &Demand::NONE).await {
            Ok(prepared) => prepared,
            Err(Error::NotFound { .. } | Error::Gone { .. } | Error::NothingLeft { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let body = prepared.forms.segment_body(segment(&prepared, FULL)?)?;
        Ok(Some(bodies::read(body).await?.into()))
    }
}

// === impl Round ===

impl Round<'_> {
    async fn go(&self) -> Result<Report, Failure> {
        self.admit().await?;
        self.tell_begin();
        let known = self.order.known.as_deref().and_then(Roll::unpack);
        match self.look(known.clone()).await {
            Ok(found) => self.follow(found).await,
            Err(error @ (Error::NotFound { .. } | Error::Gone { .. })) => match known {
                Some(known) => self.bury(&known, &error),
                None => Err(Failure::from(&error)),
            },
            Err(error) => Err(Failure::from(&error)),
        }
    }

    /// Lets a package through that upstream may be asked for.
    async fn admit(&self) -> Result<(), Failure> {
        let failed = |error: Error| Failure::from(&error);
        self.npm.blocks.check(Subject::package(self.name.as_str())).await.map_err(failed)?;
        if self.npm.gate.is_kept_from_upstream(self.name.as_str()).await.map_err(failed)? {
            return Err(Failure::Refused(format!("{} is published here: no upstream is asked for it", self.name)));
        }
        Ok(())
    }

    /// Asks upstream for the document, and finds what it has, what of it is new and what is wanted.
    async fn look(&self, known: Option<Roll>) -> Result<Found, Error> {
        let asked = Instant::now();
        let prepared = self.npm.indexed(self.name, &Demand::NONE.strict()).await?;
        let took = asked.elapsed();
        let (index, document) = (self.npm.index(&prepared).await?, prepared.document.body()?);
        let _turn = self.npm.surveying.acquire().await.map_err(|_| Error::internal("a queue that is closed"))?;
        let wish = self.order.wish.clone();
        let (survey, roll, difference, choice) = bodies::apart(move || {
            let survey = Survey::of(&bodies::read_all(document)?, &index)?;
            let (roll, choice) = (Roll::of(&survey), choose(&survey, &wish, known.as_ref()));
            let difference = roll.compare(known.as_ref(), &survey);
            Ok::<_, Error>((survey, roll, difference, choice))
        })
        .await?;
        Ok(Found { prepared, survey, roll, difference, choice, took })
    }

    /// Brings what is wanted, and reports.
    async fn follow(&self, found: Found) -> Result<Report, Failure> {
        let failed = |error: Error| Failure::from(&error);
        self.tell_found(&found);
        let late = self.order.wish.expects.iter().find(|version| !found.roll.has(version));
        if let Some(version) = late {
            let error = format!("upstream does not show {}@{version} yet, which it has told of", self.name);
            return Err(Failure::Again { error, after: Some(BEHIND) });
        }
        let brought = self.bring(&found).await?;
        let is_pinned = self.pin_documents().await.map_err(failed)?;
        let held: Vec<_> = brought.iter().filter(|(_, outcome)| is_held(outcome)).map(|(place, _)| *place).collect();
        let needs = if self.order.wish.skip_dependencies { Vec::new() } else { self.needs(&found, &held).await? };
        let version = |place: usize| found.survey.releases[place].version.clone();
        let missing = found.choice.missing.iter().map(|spec| (spec.clone(), Outcome::Failed(tell::NOTHING.to_owned())));
        let versions: Vec<_> =
            brought.into_iter().map(|(place, outcome)| (version(place), outcome)).chain(missing).collect();
        Ok(Report {
            roll: found.roll.pack().map_err(|error| failed(error.into()))?,
            digest: found.prepared.document.digest,
            upstream: self.upstream(),
            changes: found.difference.news(),
            pins: held.into_iter().map(version).chain(is_pinned.then(String::new)).collect(),
            gone: found.difference.gone,
            needs,
            last_error: last_error(&versions),
            versions,
        })
    }

    /// Reports that upstream has nothing any more. What was fetched stays.
    fn bury(&self, known: &Roll, error: &Error) -> Result<Report, Failure> {
        let gone: Vec<_> = known.versions().map(str::to_owned).collect();
        self.tell_gone(&gone);
        let is_news = !gone.is_empty();
        Ok(Report {
            versions: Vec::new(),
            roll: Roll::default().pack().map_err(|error| Failure::from(&Error::from(error)))?,
            digest: None,
            upstream: self.upstream(),
            gone,
            changes: is_news.then(|| News::of(EventKind::Unpublished)).into_iter().collect(),
            needs: Vec::new(),
            pins: Vec::new(),
            last_error: Some(error.to_string()),
        })
    }

    /// Says who is asked.
    fn upstream(&self) -> String {
        SafeUrl::from(self.npm.sources.upstream(self.name).url.clone()).to_string()
    }
}

fn is_held(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Held | Outcome::Fetched)
}

fn last_error(versions: &[(String, Outcome)]) -> Option<String> {
    versions.iter().rev().find_map(|(version, outcome)| match outcome {
        Outcome::Failed(why) => Some(format!("{version}: {why}")),
        Outcome::Held | Outcome::Fetched | Outcome::Skipped(_) => None,
    })
}
